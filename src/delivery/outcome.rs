//! What an answer means: delivered, worth another try, refused for good, a dead address.

use crate::mail::{Reply, Status};
use crate::queue::{Attempt, Said, redacted};

/// The stages of a transaction whose answers mean different things.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Before the recipient was named.
    Sender,
    /// The answer to RCPT.
    Recipient,
    /// After RCPT.
    Content,
}

/// Longest text that is kept of what was said, in bytes.
const TEXT_MAX: usize = 500;

/// What we say ourselves; a part of it may be a remote's words.
pub(super) fn ours(relay: Option<&str>, status: Status, text: impl AsRef<str>) -> Said {
    Said { relay: relay.map(str::to_owned), status, text: kept(text.as_ref()), class: None }
}

/// What is kept of words that a remote may have chosen: no token of ours that it repeats, and no more
/// than a person reads.
fn kept(text: &str) -> String {
    let mut text = redacted(text);
    if text.len() > TEXT_MAX {
        let mark = "…";
        text.truncate(text.floor_char_boundary(TEXT_MAX - mark.len()));
        text.push_str(mark);
    }
    text
}

/// Worth another try, in our words.
pub(super) fn later(relay: Option<&str>, status: Status, text: impl AsRef<str>) -> Attempt {
    Attempt::Deferred(ours(relay, status, text))
}

/// What a remote's reply is to the item.
pub(super) fn attempt(relay: &str, stage: Stage, reply: &Reply) -> Attempt {
    let class = match reply.code / 100 {
        2 => 2,
        5 => 5,
        _ => 4,
    };
    let given = reply.status.filter(|status| status.class == class);
    let status = given.unwrap_or(Status::new(class, 0, 0));
    let said = ours(Some(relay), status, reply.to_string());
    match class {
        2 => Attempt::Delivered(said),
        5 => Attempt::Failed {
            said,
            dead_address: stage != Stage::Sender && status.is_dead_address(),
        },
        _ => Attempt::Deferred(said),
    }
}

/// A server that takes nothing now, whatever its code says: another may, and it may later.
pub(super) fn refused_for_now(relay: &str, reply: &Reply) -> Attempt {
    let status = reply.status.filter(|status| status.class == 4);
    later(Some(relay), status.unwrap_or(Status::new(4, 4, 1)), reply.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_remote_says_is_kept_short_and_without_our_tokens() {
        let token = "abcdefghij".repeat(6);
        let words = format!("blocked https://h.example/u/U-{token}x and {token} 😀");
        let reply = Reply::plain(451, [words, "😀".repeat(1000)]);
        let Attempt::Deferred(said) = attempt("mx[192.0.2.1]:25", Stage::Content, &reply) else {
            unreachable!("not deferred");
        };
        assert!(said.text.len() <= TEXT_MAX, "{}", said.text.len());
        let start = "451 blocked https://h.example/u/U-… and … 😀 😀";
        assert!(said.text.starts_with(start), "{}", said.text);
        let said = refused_for_now("mx", &Reply::plain(554, [format!("r-{token}")]));
        assert!(matches!(said, Attempt::Deferred(said) if said.text == "554 r-…"));
    }

    #[test]
    fn only_a_recipient_that_is_not_there_is_dead() {
        let said = |code, status, stage| {
            attempt("mx[192.0.2.1]:25", stage, &Reply::new(code, status, "no"))
        };
        let dead =
            |attempt| matches!(attempt, Attempt::Failed { dead_address, .. } if dead_address);
        assert!(dead(said(550, Status::new(5, 1, 1), Stage::Recipient)));
        assert!(dead(said(550, Status::new(5, 1, 10), Stage::Content)));
        assert!(!dead(said(550, Status::new(5, 7, 1), Stage::Recipient)));
        assert!(!dead(said(550, Status::new(5, 1, 1), Stage::Sender)));
        let full = said(452, Status::new(4, 2, 2), Stage::Recipient);
        assert!(matches!(full, Attempt::Deferred(_)));
    }
}
