//! What is kept of webhooks: what they are, how far each has come, and the calls that failed. Of events only
//! their places are kept: what they say of people stands in the log alone.

use super::kind::EventKind;
use crate::mail::{AccountId, RecipientHash, StreamId, Timestamp};
use crate::store::{Record, Table};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::time::Duration;

/// A webhook's number, unique in the installation and never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct WebhookId(pub u32);

/// A secret that calls are signed with.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Secret {
    pub(super) key: [u8; 32],
    /// Until when it signs beside a newer one.
    pub(super) until: Option<Timestamp>,
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret(…, until {:?})", self.until)
    }
}

/// Whether a webhook is called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// It is.
    Active,
    /// Not, since somebody said so.
    Paused {
        /// When.
        at: Timestamp,
    },
    /// Not, since its endpoint is gone or has failed for too long.
    Disabled {
        /// When.
        at: Timestamp,
        /// Why.
        why: String,
    },
}

impl State {
    /// All names.
    pub const NAMES: [&str; 3] = ["active", "paused", "disabled"];

    /// Its name in listings.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Paused { .. } => "paused",
            Self::Disabled { .. } => "disabled",
        }
    }
}

/// An endpoint that an account has named.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Webhook {
    /// Its number.
    pub id: WebhookId,
    /// Whose events.
    pub account: AccountId,
    /// Where they are posted.
    pub url: String,
    /// Only these kinds; all where there are none.
    pub events: Vec<EventKind>,
    /// Only what concerns these streams; everything where there are none.
    pub streams: Vec<StreamId>,
    /// The newest first.
    pub(super) secrets: Vec<Secret>,
    /// Whether it is called.
    pub state: State,
    /// When it was made.
    pub created: Timestamp,
    /// Counts its changes, so that whoever calls it takes them up.
    pub(super) edition: u64,
}

impl Record for Webhook {
    const TABLE: Table = Table::Webhook;
}

/// Where a webhook is kept.
pub(super) fn place(account: AccountId, id: WebhookId) -> [u8; 8] {
    let mut key = [0; 8];
    key[..4].copy_from_slice(&account.0.to_be_bytes());
    key[4..].copy_from_slice(&id.0.to_be_bytes());
    key
}

/// Which log an event lies in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Log {
    /// That of messages.
    Messages,
    /// That of changes of records.
    Changes,
}

/// Where an event lies; of an acceptance, which of its recipients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Place {
    /// In which log.
    pub log: Log,
    /// Its number there.
    pub sequence: u64,
    /// Which recipient of an acceptance; 0 of anything else.
    pub number: u32,
}

/// The same for every attempt and every webhook, so that who gets an event twice can tell.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.log {
            Log::Messages => write!(f, "msg_{}_{}", self.sequence, self.number),
            Log::Changes => write!(f, "chg_{}", self.sequence),
        }
    }
}

/// How far a webhook has come, and how its endpoint has fared.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    /// The first event of messages that is not dealt with, and which recipient of it.
    pub messages: (u64, u32),
    /// The first change of records that is not dealt with.
    pub changes: u64,
    /// Since when no call has succeeded though one was made.
    pub failing_since: Option<Timestamp>,
    /// When the last call succeeded.
    pub succeeded_at: Option<Timestamp>,
    /// When the last call failed, and why.
    pub failed: Option<(Timestamp, String)>,
    /// Calls that succeeded.
    pub delivered: u64,
    /// Failed calls that were forgotten, since there were too many.
    pub forgotten: u64,
}

impl Record for Progress {
    const TABLE: Table = Table::Meta;
}

impl Progress {
    /// For how long nobody has called: while the daemon was down, or the webhook paused. That time is not held
    /// against the endpoint.
    pub(super) fn idle(&self, now: Timestamp) -> Duration {
        let called = self.failed.as_ref().map(|(at, _)| *at).max(self.succeeded_at);
        called.map_or(Duration::ZERO, |at| now.since(at))
    }
}

/// Where a webhook's progress is kept.
pub(super) fn progress_key(id: WebhookId) -> Vec<u8> {
    format!("webhook/{}", id.0).into_bytes()
}

/// A call that is to be made again, or waits for one of the same recipient that is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Waiting {
    pub(super) attempts: u32,
    /// Since when it would have been made.
    pub(super) since: Timestamp,
    pub(super) next_at: Timestamp,
    /// What was heard last.
    pub(super) said: String,
}

impl Record for Waiting {
    const TABLE: Table = Table::WebhookCall;
}

/// Where such a call is kept: by webhook, recipient and place, so that they come back in order.
pub(super) fn waiting_key(id: WebhookId, hash: RecipientHash, place: Place) -> Vec<u8> {
    let log = [place.log as u8];
    [
        &id.0.to_be_bytes()[..],
        &hash.0,
        &log,
        &place.sequence.to_be_bytes(),
        &place.number.to_be_bytes(),
    ]
    .concat()
}

/// Whose call, and of what, a key names.
pub(super) fn read_waiting_key(key: &[u8]) -> Option<(RecipientHash, Place)> {
    let rest = key.get(4..)?;
    let (hash, rest) = rest.split_first_chunk::<16>()?;
    let (log, rest) = rest.split_first()?;
    let (sequence, number) = rest.split_first_chunk::<8>()?;
    let log = if *log == 0 { Log::Messages } else { Log::Changes };
    let sequence = u64::from_be_bytes(*sequence);
    let number = u32::from_be_bytes(number.try_into().ok()?);
    Some((RecipientHash(*hash), Place { log, sequence, number }))
}

/// A call that was given up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failed {
    /// What of.
    pub place: Place,
    /// The recipient it is about.
    pub hash: RecipientHash,
    /// The kind of event.
    pub kind: Option<EventKind>,
    /// How often it was made.
    pub attempts: u32,
    /// When it was given up.
    pub at: Timestamp,
    /// What was heard last.
    pub said: String,
}

impl Record for Failed {
    const TABLE: Table = Table::WebhookDead;
}

/// Where a failed call is kept.
pub(super) fn failed_key(id: WebhookId, number: u64) -> Vec<u8> {
    [&id.0.to_be_bytes()[..], &number.to_be_bytes()].concat()
}

/// How many failed calls of a webhook are kept.
#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
pub(super) struct FailedCount(pub(super) u64);

impl Record for FailedCount {
    const TABLE: Table = Table::Meta;
}

/// Where that is kept.
pub(super) fn failed_count_key(id: WebhookId) -> Vec<u8> {
    format!("webhook_failed/{}", id.0).into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_waiting_call_is_known_by_its_key() {
        let hash = RecipientHash([7; 16]);
        for log in [Log::Messages, Log::Changes] {
            let place = Place { log, sequence: 1 << 40, number: 3 };
            let key = waiting_key(WebhookId(9), hash, place);
            assert_eq!(read_waiting_key(&key), Some((hash, place)));
        }
        assert_eq!(read_waiting_key(b"short"), None);
    }

    #[test]
    fn time_in_which_nobody_called_is_not_held_against_an_endpoint() {
        let mut progress = Progress::default();
        assert_eq!(progress.idle(Timestamp(9000)), Duration::ZERO);
        progress.succeeded_at = Some(Timestamp(1000));
        assert_eq!(progress.idle(Timestamp(9000)), Duration::from_secs(8));
        progress.failed = Some((Timestamp(7000), "no".into()));
        assert_eq!(progress.idle(Timestamp(9000)), Duration::from_secs(2));
    }

    #[test]
    fn a_secret_is_not_shown() {
        let secret = Secret { key: [65; 32], until: None };
        assert_eq!(format!("{secret:?}"), "Secret(…, until None)");
    }
}
