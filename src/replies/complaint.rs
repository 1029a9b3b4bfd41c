//! A feedback report (RFC 5965): somebody pressed "this is spam". It names our message only by what it
//! returns of it, since recipients are often blacked out.

use super::decode::{Head, Letter, Part};

/// Longest token, in octets: a local part.
const TOKEN_MAX: usize = 64;
/// Most words of a returned header that are tried as tokens.
const TOKENS_MAX: usize = 20;

/// What a report says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Complaint {
    /// `Feedback-Type`, in lower case.
    pub(super) feedback_type: Option<String>,
    /// What may be one of our tokens in the returned original's header.
    pub(super) tokens: Vec<String>,
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
        let value = head.raw("feedback-type")?;
        let word = value.split(['(', ';']).next().unwrap_or_default();
        Some(word.trim().to_ascii_lowercase())
    });
    Some(Complaint {
        feedback_type: feedback_type.filter(|kind| !kind.is_empty()),
        tokens: letter
            .parts
            .iter()
            .filter(|part| is_original(&part.kind))
            .flat_map(tokens)
            .collect(),
    })
}

fn is_original(kind: &str) -> bool {
    let kinds =
        ["message/rfc822", "message/rfc822-headers", "text/rfc822-headers", "message/global"];
    kinds.contains(&kind)
}

/// What stands where a token of ours would stand: in the fields that carry one.
fn tokens(original: &Part) -> Vec<String> {
    let head = Head::read(&original.bytes());
    let fields = ["list-unsubscribe", "reply-to", "return-path", "x-original-return-path"];
    let values = fields.iter().flat_map(|name| head.all(name));
    let mut found = Vec::new();
    for value in values {
        let words = value.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
        let ours = words.filter(|word| {
            let kind = word.get(..2).map(str::to_ascii_lowercase);
            matches!(kind.as_deref(), Some("r-" | "u-" | "b-")) && word.len() <= TOKEN_MAX
        });
        found.extend(ours.take(TOKENS_MAX).map(str::to_owned));
    }
    found.truncate(TOKENS_MAX);
    found
}
