//! What an answer means: delivered, worth another try, refused for good, a dead address.

use crate::config;
use crate::mail::{RefusalClass, RefusalRules, Reply, Status, refusal};
use crate::queue::{Attempt, Said, redacted};
use std::fmt;
use std::ops::Deref;

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

/// A server as reports name it, `name[address]:port`, with the rules by which its refusals are read.
pub(super) struct Relay {
    name: String,
    rules: RefusalRules,
}

impl Relay {
    pub(super) fn new(name: impl Into<String>, settings: &config::Delivery) -> Self {
        Self { name: name.into(), rules: settings.refusals() }
    }

    /// What a refusal is about, and whether it says that the recipient's address is gone for good.
    fn read(&self, stage: Stage, reply: &Reply) -> (RefusalClass, bool) {
        let found = self.rules.read(Some(reply.code), reply.status, &reply.to_string());
        match (stage, found.class) {
            // It is the sender's address that is not known there.
            (Stage::Sender, RefusalClass::InvalidMailbox) => (RefusalClass::Policy, false),
            (Stage::Sender, class) => (class, false),
            (_, class) => (class, found.dead_address),
        }
    }
}

impl Deref for Relay {
    type Target = str;
    fn deref(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for Relay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

/// What we say ourselves; a part of it may be a remote's words.
pub(super) fn ours(relay: Option<&str>, status: Status, text: impl AsRef<str>) -> Said {
    let class = refusal::of_status(status);
    Said { relay: relay.map(str::to_owned), status, text: kept(text.as_ref()), class }
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
pub(super) fn attempt(relay: &Relay, stage: Stage, reply: &Reply) -> Attempt {
    let class = match reply.code / 100 {
        2 => 2,
        5 => 5,
        _ => 4,
    };
    let given = reply.status.filter(|status| status.class == class);
    let status = given.unwrap_or(Status::new(class, 0, 0));
    let mut said = ours(Some(relay), status, reply.to_string());
    if class == 2 {
        return Attempt::Delivered(said);
    }
    let (about, dead_address) = relay.read(stage, reply);
    said.class = Some(about);
    match class {
        5 => Attempt::Failed { said, dead_address },
        _ => Attempt::Deferred(said),
    }
}

/// A server that takes nothing now, whatever its code says: another may, and it may later.
pub(super) fn refused_for_now(relay: &Relay, reply: &Reply) -> Attempt {
    let status = reply.status.filter(|status| status.class == 4);
    let status = status.unwrap_or(Status::new(4, 4, 1));
    let mut said = ours(Some(relay), status, reply.to_string());
    said.class = Some(relay.read(Stage::Sender, reply).0);
    Attempt::Deferred(said)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mx() -> Relay {
        Relay::new("mx[192.0.2.1]:25", &config::Delivery::default())
    }

    #[test]
    fn what_a_remote_says_is_kept_short_and_without_our_tokens() {
        let token = "abcdefghij".repeat(6);
        let words = format!("blocked https://h.example/u/U-{token}x and {token} 😀");
        let reply = Reply::plain(451, [words, "😀".repeat(1000)]);
        let Attempt::Deferred(said) = attempt(&mx(), Stage::Content, &reply) else {
            unreachable!("not deferred");
        };
        assert!(said.text.len() <= TEXT_MAX, "{}", said.text.len());
        let start = "451 blocked https://h.example/u/U-… and … 😀 😀";
        assert!(said.text.starts_with(start), "{}", said.text);
        let said = refused_for_now(&mx(), &Reply::plain(554, [format!("r-{token}")]));
        assert!(matches!(said, Attempt::Deferred(said) if said.text == "554 r-…"));
    }

    #[test]
    fn only_a_recipient_that_is_not_there_is_dead() {
        let said = |code, status, stage| attempt(&mx(), stage, &Reply::new(code, status, "no"));
        let dead =
            |attempt| matches!(attempt, Attempt::Failed { dead_address, .. } if dead_address);
        assert!(dead(said(550, Status::new(5, 1, 1), Stage::Recipient)));
        assert!(dead(said(550, Status::new(5, 1, 10), Stage::Content)));
        assert!(!dead(said(550, Status::new(5, 7, 1), Stage::Recipient)));
        assert!(!dead(said(550, Status::new(5, 1, 1), Stage::Sender)));
        let full = said(452, Status::new(4, 2, 2), Stage::Recipient);
        assert!(matches!(full, Attempt::Deferred(_)));
    }

    #[test]
    fn the_text_outweighs_the_code() {
        let answer = |code, status, text| match attempt(
            &mx(),
            Stage::Recipient,
            &Reply { code, status, lines: vec![String::from(text)] },
        ) {
            Attempt::Failed { said, dead_address } => (said.class, dead_address),
            Attempt::Deferred(said) => (said.class, false),
            _ => (None, false),
        };
        let dead = Some(Status::new(5, 1, 1));
        assert_eq!(answer(550, None, "User unknown"), (Some(RefusalClass::InvalidMailbox), true));
        assert_eq!(answer(550, dead, "blocked"), (Some(RefusalClass::Policy), false));
        assert_eq!(answer(550, dead, "spam"), (Some(RefusalClass::Content), false));
        assert_eq!(answer(421, None, "too many mails"), (Some(RefusalClass::RateLimit), false));
        assert_eq!(answer(250, None, "ok"), (None, false));
        let unknown = Reply::new(550, Status::new(5, 1, 1), "user unknown");
        let Attempt::Failed { said, dead_address } = attempt(&mx(), Stage::Sender, &unknown) else {
            unreachable!("not failed");
        };
        assert_eq!((said.class, dead_address), (Some(RefusalClass::Policy), false));
        let listed = Reply::plain(554, ["blocked using zen.spamhaus.org"]);
        let Attempt::Deferred(said) = refused_for_now(&mx(), &listed) else {
            unreachable!("not deferred");
        };
        assert_eq!(said.class, Some(RefusalClass::Reputation));
        let ours = ours(None, Status::new(4, 4, 1), "no connection");
        assert_eq!(ours.class, Some(RefusalClass::Technical));
    }
}
