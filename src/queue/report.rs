//! Reports of failed delivery (RFC 3464). They hold none of the tokens that a copy carries.

use super::Said;
use crate::events::message::{Accepted, Origin, Recipient};
use crate::mail::{Address, MessageId, ReversePath, Timestamp, header};
use crate::spool::Body;

/// Where a field of a delivery status is folded.
const LINE_MAX: usize = 78;
/// Longest text of what was said, in bytes.
const TEXT_MAX: usize = 500;
/// Shortest run of base32 that may be a token.
const TOKEN_MIN: usize = 50;

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

/// The report's bytes. Every line is short enough for any server, and what stands in
/// `message/delivery-status` is ASCII (RFC 3464 §2.1.2) unless the failed address is not: then it is
/// `message/global-delivery-status` (RFC 6533 §3).
pub(super) fn text(
    message: &Accepted,
    failed: &Address,
    sender: &Address,
    said: &Said,
    original: &[u8],
    hostname: &str,
    now: Timestamp,
) -> Vec<u8> {
    let number = message.recipients.iter().position(|to| to.address == *failed).unwrap_or(0);
    let id = id(message.id, u32::try_from(number).unwrap_or(u32::MAX));
    let boundary = format!("report-{id}");
    let (status, said_text) = (said.status, clean(&said.text));
    let global = failed.needs_smtputf8();
    let kind = if global { "message/global-delivery-status" } else { "message/delivery-status" };
    let headers = if message.smtputf8 { "message/global-headers" } else { "text/rfc822-headers" };
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
         Content-Type: {kind}\r\n{encoding}\r\n",
        date = now.rfc5322(),
        encoding = if global { "Content-Transfer-Encoding: 8bit\r\n" } else { "" },
    );
    let mut add = |name: &str, value: &str| text.push_str(&folded(name, value, global));
    add("Reporting-MTA", &format!("dns; {hostname}"));
    add("Arrival-Date", &message.at.rfc5322());
    text.push_str("\r\n");
    let mut add = |name: &str, value: &str| text.push_str(&folded(name, value, global));
    let form = if global { "utf-8" } else { "rfc822" };
    add("Final-Recipient", &format!("{form}; {failed}"));
    add("Action", "failed");
    add("Status", &status.to_string());
    if let Some(relay) = &said.relay {
        add("Remote-MTA", &format!("dns; {}", relay.split('[').next().unwrap_or_default()));
    }
    // A diagnostic code is what a mail server said (RFC 3464 §2.3.6); our own words are none.
    if said.relay.is_some() && is_reply(&said_text) {
        add("Diagnostic-Code", &format!("smtp; {said_text}"));
    } else {
        add("X-Relent-Reason", &said_text);
    }
    text.push_str(&format!(
        "\r\n--{boundary}\r\n\
         Content-Type: {headers}\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    ));
    let mut text = text.into_bytes();
    text.extend(kept(original));
    text.extend(format!("\r\n--{boundary}--\r\n").into_bytes());
    text
}

/// The fields of the original by which its sender knows it again.
fn kept(original: &[u8]) -> Vec<u8> {
    let start = header::body_start(original);
    let mut kept = Vec::new();
    for field in header::fields(&original[..start]).unwrap_or_default() {
        if ["from", "to", "cc", "subject", "date", "message-id"].iter().any(|name| field.is(name)) {
            match std::str::from_utf8(field.raw) {
                Ok(text) => kept.extend(redacted(text).into_bytes()),
                Err(_) => kept.extend_from_slice(field.raw),
            }
        }
    }
    kept
}

/// Whether a text is a mail server's reply: three digits, and more or nothing.
fn is_reply(text: &str) -> bool {
    let (code, rest) = text.split_at_checked(3).unwrap_or((text, ""));
    code.len() == 3
        && code.bytes().all(|byte| byte.is_ascii_digit())
        && (rest.is_empty() || rest.starts_with(' '))
}

/// A field of a delivery status, folded where its words allow it.
fn folded(name: &str, value: &str, global: bool) -> String {
    let mut field = format!("{name}:");
    let mut line = field.len();
    for word in value.split(' ').filter(|word| !word.is_empty()) {
        let word: String = match global {
            true => word.into(),
            false => word.replace('…', "...").chars().map(ascii).collect(),
        };
        if line + 1 + word.len() > LINE_MAX && line > name.len() + 1 {
            field.push_str("\r\n");
            line = 0;
        }
        field.push(' ');
        field.push_str(&word);
        line += 1 + word.len();
    }
    field + "\r\n"
}

fn ascii(c: char) -> char {
    if c.is_ascii() { c } else { '?' }
}

/// One line, no control characters, no token of ours, short enough for a header.
fn clean(text: &str) -> String {
    let one = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut one = redacted(&one.collect::<String>());
    one.truncate(one.floor_char_boundary(TEXT_MAX));
    one
}

/// A text without the tokens that would let its readers act for a recipient: `r-` and `u-` tokens and
/// those that undo, in any case, become `r-…`, `u-…` and `…`. A `b-` token lets nobody do anything.
pub(crate) fn redacted(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(start) = rest.find(is_base32) {
        let run = &rest[start..];
        let run = &run[..run.find(|c| !is_base32(c)).unwrap_or(run.len())];
        safe.push_str(&rest[..start]);
        let before = safe.strip_suffix("b-").or_else(|| safe.strip_suffix("B-"));
        let returns = before.is_some_and(|before| !before.ends_with(is_base32));
        if run.len() < TOKEN_MIN || returns {
            safe.push_str(run);
        } else {
            safe.push('…');
        }
        rest = &rest[start + run.len()..];
    }
    safe + rest
}

fn is_base32(c: char) -> bool {
    c.is_ascii_alphabetic() || ('2'..='7').contains(&c)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::{AccountId, RecipientHash, Status};

    fn report(failed: &str, relay: Option<&str>, said: &str) -> String {
        let address = |text: &str| Address::parse(text).expect("an address");
        let recipients = ["first@b.example", failed]
            .map(|to| Recipient { address: address(to), hash: RecipientHash([0; 16]) });
        let sender = address("a@a.example");
        let message = Accepted {
            id: MessageId([7; 12]),
            origin: Origin::Letter { account: AccountId(1), stream: None },
            sender: ReversePath::Mailbox(sender.clone()),
            recipients: recipients.to_vec(),
            body: Body::default(),
            at: Timestamp(0),
            from: None,
            smtputf8: false,
            eight_bit: false,
            refused: Vec::new(),
            not_before: None,
        };
        let said = Said {
            relay: relay.map(str::to_owned),
            status: Status::new(5, 1, 1),
            text: said.into(),
        };
        let (original, host) = (b"From: a@a.example\r\n\r\n", "relay.example");
        let failed = &message.recipients[1].address;
        let text = text(&message, failed, &sender, &said, original, host, Timestamp(0));
        let text = String::from_utf8(text).expect("text");
        assert!(text.split("\r\n").all(|line| line.len() <= 998 && !line.contains('\n')));
        text
    }

    fn status_part(report: &str) -> &str {
        let part = report.split("delivery-status\r\n").nth(1).expect("the status");
        part.split("--report-").next().expect("its end")
    }

    #[test]
    fn each_recipient_has_a_report_of_its_own() {
        let report = report("second@b.example", Some("mx[192.0.2.1]:25"), "550 no");
        let own = id(MessageId([7; 12]), 1).to_string();
        assert_ne!(own, id(MessageId([7; 12]), 0).to_string());
        assert!(report.contains(&format!("Message-ID: <{own}@relay.example>")), "{report}");
        assert!(report.contains(&format!("boundary=\"report-{own}\"")), "{report}");
    }

    #[test]
    fn a_status_is_ascii_on_short_lines_whatever_a_server_says() {
        let said = format!("550 5.1.1 {} {} \r\nX-Evil: yes", "😀".repeat(50), "long ".repeat(80));
        let report = report("b@b.example", Some("mx.example[192.0.2.1]:25"), &said);
        let status = status_part(&report);
        assert!(status.is_ascii(), "{status}");
        assert!(status.split("\r\n").all(|line| line.len() <= 80), "{status}");
        assert!(status.contains("\r\nDiagnostic-Code: smtp; 550 5.1.1\r\n ????"), "{status}");
        assert!(!report.contains("\r\nX-Evil"), "{report}");
        assert!(status.contains("Final-Recipient: rfc822; b@b.example\r\n"), "{status}");
    }

    #[test]
    fn an_address_beyond_ascii_has_the_form_made_for_it() {
        let report = report("ünser@b.example", None, "the server offers no SMTPUTF8");
        assert!(report.contains("Content-Type: message/global-delivery-status\r\n"), "{report}");
        assert!(report.contains("Final-Recipient: utf-8; ünser@b.example\r\n"), "{report}");
    }

    #[test]
    fn only_a_servers_own_words_are_its_diagnosis() {
        for (relay, said) in [(None, "550 x"), (Some("mx[192.0.2.1]:25"), "the dot did not leave")]
        {
            let report = report("b@b.example", relay, said);
            assert!(!report.contains("Diagnostic-Code"), "{report}");
            assert!(report.contains(&format!("X-Relent-Reason: {said}\r\n")), "{report}");
        }
    }

    #[test]
    fn no_report_repeats_what_lets_its_reader_act_for_a_recipient() {
        let token = "abcdefghijklmnopqrstuvwxyz234567".repeat(2)[..61].to_owned();
        let upper = token.to_uppercase();
        for (said, kept) in [
            (format!("<https://h/u/u-{token}>"), "<https://h/u/u-…>".to_owned()),
            (format!("R-{upper}@r.example"), "R-…@r.example".to_owned()),
            (token[..55].to_owned(), "…".to_owned()),
            (format!("b-{token}@r"), format!("b-{token}@r")),
            ("r-short u-short é".to_owned(), "r-short u-short é".to_owned()),
        ] {
            assert_eq!(redacted(&said), kept);
        }
        let report = report("b@b.example", Some("mx[192.0.2.1]:25"), &format!("550 u-{token}"));
        assert!(!report.contains(&token[..50]) && report.contains("smtp; 550 u-..."), "{report}");
    }
}
