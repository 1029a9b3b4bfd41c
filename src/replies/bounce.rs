//! A bounce: a mail server says later that it could not deliver. Read from the delivery status
//! (RFC 3464), or else from the forms that servers without it are known by.

use super::decode::{Head, Letter};
use serde::Serialize;

/// Most recipients taken from one bounce.
const RECIPIENTS_MAX: usize = 100;
/// Most lines of a bounce's words that are read.
const LINES_MAX: usize = 400;

/// What a bounce says of one recipient.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Bounced {
    /// The address as the bounce writes it.
    pub address: String,
    /// The enhanced status code, where one is given.
    pub status: Option<String>,
    /// Given up; false for delay notices and transient failures.
    pub permanent: bool,
    /// What was said, on one line.
    pub reason: String,
}

/// Subjects of bounces without a delivery status, in lower case.
const SUBJECTS: [&str; 24] = [
    "delivery status notification",
    "delivery failure",
    "delivery notification",
    "delivery problem",
    "delivery error",
    "failure notice",
    "failure delivery",
    "failed mail",
    "undeliverable",
    "undelivered mail",
    "returned mail",
    "mail delivery fail",
    "mail delivery problem",
    "mail delivery error",
    "mail not delivered",
    "message not delivered",
    "mail system error",
    "non delivery",
    "non-delivery",
    "unzustellbar",
    "退信",
    "系统退信",
    "non remis",
    "no se puede entregar",
];

/// Words before which or after which a delay is meant, in lower case.
const DELAYS: [&str; 7] = [
    "delayed",
    "will be retried",
    "will keep trying",
    "still being tried",
    "warning: could not send",
    "you do not need to resend",
    "transient",
];

/// Reads a bounce; `None` where the message is none.
pub(super) fn read(letter: &Letter) -> Option<Vec<Bounced>> {
    let statuses = letter.parts.iter().filter(|part| {
        matches!(part.kind.as_str(), "message/delivery-status" | "message/global-delivery-status")
    });
    let mut seen = letter.report.as_deref() == Some("delivery-status");
    let mut found: Vec<Bounced> = Vec::new();
    for part in statuses {
        seen = true;
        for bounced in recipients(&part.bytes()) {
            let known =
                found.iter().any(|other| other.address.eq_ignore_ascii_case(&bounced.address));
            if !known && found.len() < RECIPIENTS_MAX {
                found.push(bounced);
            }
        }
    }
    if !found.is_empty() {
        found.retain(|bounced| !bounced.address.is_empty());
        return Some(found);
    }
    let known = known_forms(letter, seen);
    if known.is_empty() && !seen { None } else { Some(known) }
}

/// The groups of a delivery status that name a recipient (RFC 3464 §2.3).
fn recipients(status: &[u8]) -> Vec<Bounced> {
    let text = String::from_utf8_lossy(status).replace("\r\n", "\n");
    let mut found = Vec::new();
    for group in text.split("\n\n").take(RECIPIENTS_MAX * 2) {
        let head = Head::read(group.trim_start().as_bytes());
        let action = head.raw("action").map(|value| value.trim().to_ascii_lowercase());
        let address = head.raw("original-recipient").or_else(|| head.raw("final-recipient"));
        let Some(address) = address.map(|value| typed(&value)) else {
            continue;
        };
        let address = match head.raw("final-recipient").map(|value| typed(&value)) {
            Some(last) if !address.contains('@') => last,
            _ => address,
        };
        let action = action.unwrap_or_default();
        if !(action.starts_with("failed") || action.starts_with("delayed") || action.is_empty()) {
            continue;
        }
        let status = head.raw("status").and_then(|value| code(&value));
        let reason = head.raw("diagnostic-code").map(|value| typed(&value)).unwrap_or_default();
        let status = status.or_else(|| code(&reason));
        let transient = status.as_deref().is_some_and(|status| status.starts_with('4'));
        found.push(Bounced {
            permanent: if action.is_empty() { !transient } else { action.starts_with("failed") },
            address,
            status,
            reason: one_line(&reason),
        });
    }
    found
}

/// `rfc822; a@b` and `smtp; 550 no` without the type.
fn typed(value: &str) -> String {
    let value = value.split_once(';').map_or(value, |(_, rest)| rest);
    value.trim().trim_matches(['<', '>', '"']).trim().to_owned()
}

fn one_line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ").chars().take(500).collect()
}

/// The first enhanced status code in a text: 4 or 5, a dot, two numbers.
fn code(text: &str) -> Option<String> {
    let mut words = text.split(|c: char| !(c.is_ascii_digit() || c == '.'));
    words
        .find(|word| word.parse::<crate::mail::Status>().is_ok_and(|status| status.class != 2))
        .map(str::to_owned)
}

/// Bounces that say it in words: `X-Failed-Recipients`, or addresses in the notice's own lines.
fn known_forms(letter: &Letter, certain: bool) -> Vec<Bounced> {
    let head = &letter.head;
    let named: Vec<String> = head
        .all("x-failed-recipients")
        .flat_map(|value| value.split(',').map(|a| a.trim().to_owned()).collect::<Vec<_>>())
        .filter(|address| address.contains('@'))
        .collect();
    let from = head.text("from").unwrap_or_default().to_lowercase();
    let subject = head.text("subject").unwrap_or_default().trim().to_lowercase();
    let machine = ["mailer-daemon", "postmaster", "mail delivery", "<>"];
    let machine = machine.iter().any(|name| from.contains(name))
        || head.raw("return-path").is_some_and(|path| path.trim() == "<>");
    let told = SUBJECTS.iter().any(|start| subject.starts_with(start));
    if named.is_empty() && !(certain || machine && told) {
        return Vec::new();
    }
    let notice = letter.part("text/plain").map(super::decode::Part::text).unwrap_or_default();
    let lower = notice.to_lowercase();
    let delayed = DELAYS.iter().any(|word| lower.contains(word) || subject.contains(word));
    let addresses = if named.is_empty() { in_words(&notice) } else { named };
    let status = code(&notice);
    let found = addresses.into_iter().take(RECIPIENTS_MAX).map(|address| Bounced {
        address,
        status: status.clone(),
        permanent: !delayed && !status.as_deref().is_some_and(|status| status.starts_with('4')),
        reason: one_line(&subject),
    });
    found.collect()
}

/// Addresses in the notice, up to where the original begins.
fn in_words(notice: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    for line in notice.lines().take(LINES_MAX) {
        let line = line.trim();
        let lower = line.to_lowercase();
        let original = ["--- below this line", "original message", "return-path:", "received:"];
        if original.iter().any(|mark| lower.contains(mark)) {
            break;
        }
        let pieces = line.split(|c: char| c.is_whitespace() || "<>()[]\"',;:".contains(c));
        for piece in pieces.filter(|piece| piece.len() < 255) {
            let piece = piece.trim_matches(['.', '*']);
            let address = crate::mail::Address::parse(piece);
            if address.is_ok_and(|address| address.domain().as_str().contains('.'))
                && !found.iter().any(|known| known.eq_ignore_ascii_case(piece))
                && !lower.contains("postmaster")
            {
                found.push(piece.to_owned());
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_failed_recipient_of_a_delivery_status_is_read() {
        let status = b"Reporting-MTA: dns; mx.example\r\n\r\nFinal-Recipient: rfc822; a@b.example\r\n\
            Action: failed\r\nStatus: 5.1.1\r\nDiagnostic-Code: smtp; 550 5.1.1\r\n no such user\r\n\r\n\
            Final-Recipient: rfc822; <c@b.example>\r\nAction: delayed\r\nStatus: 4.4.1\r\n\r\n\
            Final-Recipient: rfc822; d@b.example\r\nAction: delivered\r\nStatus: 2.0.0\r\n";
        let found = recipients(status);
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].address.as_str(), found[0].permanent), ("a@b.example", true));
        assert_eq!(found[0].reason, "550 5.1.1 no such user");
        assert_eq!((found[1].address.as_str(), found[1].permanent), ("c@b.example", false));
    }
}
