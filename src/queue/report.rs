//! Reports of failed delivery (RFC 3464). They hold none of the tokens that a copy carries.

use super::Said;
use crate::events::message::{Accepted, Origin, Recipient};
use crate::mail::{Address, MessageId, ReversePath, Timestamp, header};
use crate::spool::Body;

/// The id of the report about one recipient, the same at every replay.
pub(super) fn id(message: MessageId, recipient: u32) -> MessageId {
    let mut bytes = Vec::from(message.0);
    bytes.extend(recipient.to_be_bytes());
    let digest = ring::digest::digest(&ring::digest::SHA256, &bytes);
    MessageId(digest.as_ref()[..12].try_into().expect("32 bytes"))
}

/// The envelope of the report to `sender`.
pub(super) fn draft(
    message: &Accepted,
    number: u32,
    sender: &Address,
    recipient: Recipient,
    hostname: &str,
    now: Timestamp,
) -> Accepted {
    Accepted {
        id: id(message.id, number),
        origin: Origin::Report { account: message.origin.account(), about: message.id },
        sender: ReversePath::Null,
        recipients: vec![recipient],
        body: Body::default(),
        at: now,
        from: Address::new("MAILER-DAEMON", hostname).ok(),
        smtputf8: sender.needs_smtputf8(),
        eight_bit: true,
        refused: Vec::new(),
        not_before: None,
    }
}

/// The report's bytes.
pub(super) fn text(
    message: &Accepted,
    failed: &Address,
    sender: &Address,
    said: &Said,
    original: &[u8],
    hostname: &str,
    now: Timestamp,
) -> Vec<u8> {
    let start = header::body_start(original);
    let mut kept = Vec::new();
    for field in header::fields(&original[..start]).unwrap_or_default() {
        if ["from", "to", "cc", "subject", "date", "message-id"].iter().any(|name| field.is(name)) {
            kept.extend_from_slice(field.raw);
        }
    }
    let boundary = format!("report-{}", message.id);
    let (status, said_text) = (said.status, clean(&said.text));
    let relay = said.relay.as_deref().map(clean);
    let remote = relay
        .as_deref()
        .map(|relay| format!("Remote-MTA: dns; {}\r\n", relay.split('[').next().unwrap_or("")))
        .unwrap_or_default();
    let mut text = format!(
        "From: Mail Delivery System <MAILER-DAEMON@{hostname}>\r\n\
         To: <{sender}>\r\n\
         Subject: Undelivered mail returned to its sender\r\n\
         Date: {date}\r\n\
         Message-ID: <{id}@{hostname}>\r\n\
         Auto-Submitted: auto-replied\r\n\
         MIME-Version: 1.0\r\n\
         Content-Type: multipart/report; report-type=delivery-status;\r\n boundary=\"{boundary}\"\r\n\r\n\
         --{boundary}\r\n\
         Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\
         Your message could not be delivered to\r\n\r\n    {failed}\r\n\r\n\
         The reason:\r\n\r\n    {status} {said_text}\r\n\r\n\
         --{boundary}\r\n\
         Content-Type: message/delivery-status\r\n\r\n\
         Reporting-MTA: dns; {hostname}\r\n\
         Arrival-Date: {arrival}\r\n\r\n\
         Final-Recipient: rfc822; {failed}\r\n\
         Action: failed\r\n\
         Status: {status}\r\n\
         {remote}\
         Diagnostic-Code: smtp; {said_text}\r\n\r\n\
         --{boundary}\r\n\
         Content-Type: text/rfc822-headers\r\nContent-Transfer-Encoding: 8bit\r\n\r\n",
        date = now.rfc5322(),
        arrival = message.at.rfc5322(),
        id = message.id,
    )
    .into_bytes();
    text.extend(kept);
    text.extend(format!("\r\n--{boundary}--\r\n").into_bytes());
    text
}

/// One line, no control characters, short enough for a header.
fn clean(text: &str) -> String {
    let one = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    one.take(400).collect()
}
