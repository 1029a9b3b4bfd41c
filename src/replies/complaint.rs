//! A feedback report (RFC 5965): somebody pressed "this is spam". It names our message only by what it
//! returns of it, since recipients are often blacked out.

use super::decode::{Head, Letter};

/// What a report says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Complaint {
    /// `Feedback-Type`, in lower case.
    pub(super) feedback_type: Option<String>,
}

/// Reads a feedback report; `None` where the message is none.
pub(super) fn read(letter: &Letter) -> Option<Complaint> {
    let part = letter.parts.iter().find(|part| part.kind == "message/feedback-report");
    let named = letter.report.as_deref() == Some("feedback-report");
    if part.is_none() && !named {
        return None;
    }
    let feedback_type = part.and_then(|part| {
        let head = Head::read(&part.bytes());
        head.raw("feedback-type").map(|value| value.trim().to_ascii_lowercase())
    });
    Some(Complaint { feedback_type: feedback_type.filter(|kind| !kind.is_empty()) })
}

/// Header sections of the original that a report or bounce returns.
pub(super) fn originals(letter: &Letter) -> impl Iterator<Item = Head> {
    let kinds =
        ["message/rfc822", "message/rfc822-headers", "text/rfc822-headers", "message/global"];
    let returned = letter.parts.iter().filter(move |part| kinds.contains(&part.kind.as_str()));
    returned.map(|part| Head::read(&part.bytes()))
}
