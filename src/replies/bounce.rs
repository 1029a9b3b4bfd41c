//! A bounce: a mail server says later that it could not deliver. Read from the delivery status
//! (RFC 3464), or else from the forms that servers without it are known by.

use super::decode::{Head, Letter, Part};
use super::html;
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

/// Who sends bounces, by what their From holds, in lower case.
const MACHINES: &[&str] = &[
    "mailer-daemon",
    "mailer_daemon",
    "postmaster",
    "post_master",
    "mail delivery",
    "delivery subsystem",
    "system administrator",
    "mdaemon",
    "mail administrator",
    "<>",
];

/// What a bounce says anywhere in its subject or at the start of its notice, in lower case.
const TELLING: &[&str] = &[
    "could not be delivered",
    "could not deliver",
    "couldn't be delivered",
    "can not be delivered",
    "cannot be delivered",
    "not been delivered",
    "has not yet been delivered",
    "was not delivered",
    "delivery has failed",
    "delivery failed",
    "delivery failure",
    "delivery warning",
    "delivery problem",
    "permanent delivery",
    "unable to deliver",
    "wasn't able to deliver",
    "was unable to deliver",
    "did not reach the following",
    "has been postponed",
    "message delayed",
    "user unknown",
    "no such user",
    "undelivered",
    "undeliverable",
    "returning to sender",
    "returned to sender",
    "退信",
    "被退回",
    "無法投遞",
    "无法投递",
    "无法发送",
    "无法送达",
    "не может быть доставлено",
    "не доставлено",
    "has been returned because",
    "was automatically rejected",
];
/// How far into a notice that is looked for, in characters.
const TELLING_MAX: usize = 1500;

/// Words by which a delay is meant, in lower case.
const DELAYS: &[&str] = &[
    "delayed",
    "will be retried",
    "will be re-tried",
    "will keep trying",
    "will continue to",
    "will try again",
    "still being tried",
    "still trying",
    "not yet been delivered",
    "has been postponed",
    "attempts will continue",
    "no action is required on your part",
    "warning: could not send",
    "warning: message",
    "delivery warning",
    "warning message only",
    "you do not need to resend",
    "transient",
];
/// Words by which the server has given up, whatever else it says, in lower case.
const GIVEN_UP: &[&str] = &[
    "given up",
    "giving up",
    "permanent error",
    "permanent fatal error",
    "permanently failed",
    "not going to try again",
];

/// Where the original begins, in lower case.
const ORIGINALS: &[&str] = &[
    "--- below this line",
    "original message",
    "return-path:",
    "received:",
    "this is a copy of",
    "copy of the message",
    "header of the original",
    "message header",
    "headers of the message",
    "message follows",
    "text follows",
    "-- returned mail",
    "attachment is a copy",
    "start of returned",
    "unsent message below",
];
/// Labels whose addresses are the original's, in lower case.
const LABELS: &[&str] = &["to:", "cc:", "from:", "sent:", "subject:", "reply-to:", "sender:"];

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
    let notice = notice(letter);
    let notice = before_original(&notice);
    let start: String = notice.chars().take(TELLING_MAX).collect::<String>().to_lowercase();
    let machine = MACHINES.iter().any(|name| from.contains(name));
    let nobody = head.raw("return-path").is_some_and(|path| {
        path.trim() == "<>" || path.to_ascii_lowercase().contains("mailer-daemon")
    });
    let titled = SUBJECTS.iter().any(|start| subject.starts_with(start))
        || TELLING.iter().any(|words| subject.contains(words))
        || subject.starts_with("warning: ") && subject.contains("message");
    // A vacation program sends from nobody too: there only the subject tells.
    let told = titled || machine && TELLING.iter().any(|words| start.contains(words));
    if named.is_empty() && !(certain || (machine || nobody) && told) {
        return Vec::new();
    }
    let lower = notice.to_lowercase();
    let holds =
        |words: &[&str]| words.iter().any(|words| lower.contains(words) || subject.contains(words));
    let status = code(notice);
    let transient = status.as_deref().is_some_and(|status| status.starts_with('4'));
    let permanent = holds(GIVEN_UP) || !holds(DELAYS) && !transient;
    let addresses = if named.is_empty() { in_words(notice) } else { named };
    let found = addresses.into_iter().take(RECIPIENTS_MAX).map(|address| Bounced {
        address,
        status: status.clone(),
        permanent,
        reason: one_line(&subject),
    });
    found.collect()
}

/// What the server says in words: its plain text, or its HTML where there is none.
fn notice(letter: &Letter) -> String {
    let plain = letter.part("text/plain").map(Part::text).unwrap_or_default();
    if !plain.trim().is_empty() {
        return plain;
    }
    let page = letter.part("text/html").map(Part::text).unwrap_or_default();
    html::lines(&page)
}

/// The notice up to where the original begins.
fn before_original(notice: &str) -> &str {
    let mut end = 0;
    for line in notice.split_inclusive('\n').take(LINES_MAX) {
        let lower = line.to_lowercase();
        if end > 0 && ORIGINALS.iter().any(|mark| lower.contains(mark)) {
            break;
        }
        end += line.len();
    }
    &notice[..end]
}

/// Addresses in a notice: those that begin a line, or else all.
fn in_words(notice: &str) -> Vec<String> {
    let (mut leading, mut all) = (Vec::new(), Vec::new());
    for line in notice.lines().map(str::trim) {
        let lower = line.to_lowercase();
        if LABELS.iter().any(|label| lower.starts_with(label)) || lower.contains("postmaster") {
            continue;
        }
        let begin = line.trim_start_matches(['<', '"', '\'', '(', '*', '>', '-', ' ']);
        let first = pieces(begin).next();
        let starts = first.is_some_and(|first| !first.is_empty() && begin.starts_with(first));
        for (place, piece) in pieces(line).filter(|piece| !piece.is_empty()).enumerate() {
            let Some(address) = address(piece) else {
                continue;
            };
            if place == 0 && starts {
                note(&mut leading, address);
            }
            note(&mut all, address);
        }
    }
    if leading.is_empty() { all } else { leading }
}

fn pieces(line: &str) -> impl Iterator<Item = &str> {
    line.split(|c: char| c.is_whitespace() || "<>()[]\"',;:：（）".contains(c))
}

/// The address that a word of a notice is.
fn address(piece: &str) -> Option<&str> {
    if piece.len() > 254 {
        return None;
    }
    let typed = piece.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("smtp="));
    let piece = if typed { &piece[5..] } else { piece };
    let piece = piece.trim_matches(['.', '*']);
    let parsed = crate::mail::Address::parse(piece);
    parsed.is_ok_and(|address| address.domain().as_str().contains('.')).then_some(piece)
}

fn note(found: &mut Vec<String>, address: &str) {
    if found.len() < RECIPIENTS_MAX && !found.iter().any(|one| one.eq_ignore_ascii_case(address)) {
        found.push(address.to_owned());
    }
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

    fn words(header: &str, notice: &str) -> Option<Vec<(String, bool)>> {
        let message = format!("{header}\r\n\r\n{notice}");
        let letter = Letter::read(message.as_bytes(), &crate::config::Replies::default())?;
        let found = read(&letter)?;
        Some(found.into_iter().map(|one| (one.address, one.permanent)).collect())
    }

    fn permanent(address: &str) -> Option<Vec<(String, bool)>> {
        Some(vec![(address.to_owned(), true)])
    }

    const DAEMON: &str = "From: Mail Delivery System <mailer-daemon@mx.example>\r\nSubject: ";

    #[test]
    fn a_notice_in_words_names_its_recipient_at_the_start_of_a_line() {
        let notice = "I wasn't able to deliver your message to the following addresses.\r\n\
            This is a permanent error; I've given up.\r\n\r\n<ann@b.example>:\r\n\
            451 4.3.0 no; write to help@b.example\r\nTo: eve@b.example\r\n\r\n\
            --- Below this line is a copy of the message.\r\n\r\nbob@b.example\r\n";
        assert_eq!(words(&format!("{DAEMON}sorry"), notice), permanent("ann@b.example"));
    }

    #[test]
    fn a_notice_in_html_alone_is_read() {
        let head = "From: PostMaster@b.example\r\nContent-Type: text/html; charset=utf-8\r\n\
            Subject: x";
        let page = "<p>您发送的邮件被退回：</p><p>收件人：<a href='x'>ann@b.example</a></p>";
        assert_eq!(words(head, page), permanent("ann@b.example"));
    }

    #[test]
    fn a_delay_is_no_failure() {
        let notice = "Your mail has not yet been delivered to\r\n\r\n  ann@b.example\r\n";
        let found = words(&format!("{DAEMON}Warning: message 1x delayed 24 hours"), notice);
        assert_eq!(found, Some(vec![("ann@b.example".to_owned(), false)]));
    }

    #[test]
    fn a_bounce_needs_both_a_machine_and_its_words() {
        let notice = "Your parcel could not be delivered.\r\nann@b.example\r\n";
        assert_eq!(words("From: ann@b.example\r\nSubject: parcel", notice), None);
        let away = "Return-Path: <>\r\nFrom: ann@b.example\r\nSubject: I am away";
        assert_eq!(words(away, notice), None);
        assert_eq!(words(&format!("{DAEMON}hello"), "How are you?\r\nann@b.example"), None);
    }
}
