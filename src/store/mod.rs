//! The store: records that must last, behind one narrow door. An engine keeps bytes in ordered
//! tables; the [`Store`] gives them types, versions and transactions, through one committer that
//! batches. Only here is an engine named.

mod committer;
#[cfg(test)]
mod conformance;
mod copy;
mod day_count;
pub mod engine;
mod handle;
mod kind;
mod mend;
mod opening;
mod recent;
pub mod recover;

mod redb;
mod redb_file;
#[cfg(feature = "sled")]
mod sled;
mod value;

pub use copy::{Copy, Refill, Rows, refill};
pub use day_count::{DayCounts, Taken};
pub use handle::{Store, Transaction, compact};
pub use recover::{Recovered, recover};

use crate::mail::{Answer, Status};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// An ordered table of keys and values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Table {
    /// Counters, installation keys, cursors.
    Meta,
    /// Accounts by number.
    Account,
    /// Account numbers by name.
    AccountName,
    /// Credentials by user name.
    Credential,
    /// Sending domains by account and name.
    Domain,
    /// Streams by number.
    Stream,
    /// Stream numbers by account and name.
    StreamName,
    /// All suppressions and consents of a recipient by account and recipient hash.
    Recipient,
    /// Events of records by sequence.
    RecordEvent,
    /// Sequences of record events by account, recipient hash and sequence.
    RecordHistory,
    /// Policies of TLS that domains publish, by domain.
    TlsPolicy,
    /// How TLS fared, by day and domain, until it is reported.
    TlsTally,
    /// Shares of dead addresses by site.
    DeadShare,
    /// Stops held for the operator by site, account and recipient hash.
    HeldStop,
    /// What an account shows of itself to the people it writes to.
    AccountPage,
    /// How much an account may send.
    AccountLimit,
    /// Members by account and number.
    Member,
    /// Members' numbers by the address they log in with.
    MemberName,
    /// Sessions of members by the digest of their secret.
    Session,
    /// Invitations by the digest of their secret.
    Invitation,
    /// Webhooks by account and number.
    Webhook,
    /// Calls of webhooks that have not been answered, by webhook, recipient and sequence.
    WebhookCall,
    /// Calls that were given up, until they are redelivered.
    WebhookDead,
    /// The chain of what was done and by whom, by sequence: digests alone.
    Audit,
    /// What the entries of the chain say, each with its salt, until erased.
    AuditPayload,
    /// Requests that were done, by credential and key, with their answers.
    IdempotencyKey,
    /// Confirmations that were asked for, by recipient and day.
    ConsentRequest,
}

impl Table {
    /// All of them.
    pub const ALL: [Self; 27] = [
        Self::Meta,
        Self::Account,
        Self::AccountName,
        Self::Credential,
        Self::Domain,
        Self::Stream,
        Self::StreamName,
        Self::Recipient,
        Self::RecordEvent,
        Self::RecordHistory,
        Self::TlsPolicy,
        Self::TlsTally,
        Self::DeadShare,
        Self::HeldStop,
        Self::AccountPage,
        Self::AccountLimit,
        Self::Member,
        Self::MemberName,
        Self::Session,
        Self::Invitation,
        Self::Webhook,
        Self::WebhookCall,
        Self::WebhookDead,
        Self::Audit,
        Self::AuditPayload,
        Self::IdempotencyKey,
        Self::ConsentRequest,
    ];

    /// Its name in the engine.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Meta => "meta",
            Self::Account => "account",
            Self::AccountName => "account_name",
            Self::Credential => "credential",
            Self::Domain => "domain",
            Self::Stream => "stream",
            Self::StreamName => "stream_name",
            Self::Recipient => "recipient",
            Self::RecordEvent => "record_event",
            Self::RecordHistory => "record_history",
            Self::TlsPolicy => "tls_policy",
            Self::TlsTally => "tls_tally",
            Self::DeadShare => "dead_share",
            Self::HeldStop => "held_stop",
            Self::AccountPage => "account_page",
            Self::AccountLimit => "account_limit",
            Self::Member => "member",
            Self::MemberName => "member_name",
            Self::Session => "session",
            Self::Invitation => "invitation",
            Self::Webhook => "webhook",
            Self::WebhookCall => "webhook_call",
            Self::WebhookDead => "webhook_dead",
            Self::Audit => "audit",
            Self::AuditPayload => "audit_payload",
            Self::IdempotencyKey => "idempotency_key",
            Self::ConsentRequest => "consent_request",
        }
    }
}

/// A type kept in the store: version byte, postcard, CRC32C.
pub trait Record: Serialize + DeserializeOwned + Send + 'static {
    /// Where it lives.
    const TABLE: Table;
    /// The version written; [`Record::decode_old`] reads those before it.
    const VERSION: u8 = 1;

    /// Reads a value of an earlier version.
    #[must_use]
    fn decode_old(_version: u8, _bytes: &[u8]) -> Option<Self> {
        None
    }
}

/// Why the store did not do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreFault {
    /// It cannot be read or written: mail is held and answered 451 until `relent store recover`.
    #[error(
        "the store is damaged or unreadable: {0}; stop the daemon and run `relent store recover`"
    )]
    Damaged(String),
    /// The disk under it refuses reads or writes: what is on it may be whole.
    #[error("the disk of the store failed: {0}; mend it and start the daemon anew")]
    Failed(String),
    /// Room or handles are wanting: the store goes on by itself once there are some.
    #[error("the store has no room now: {0}")]
    Short(String),
    /// The change rests on a record that is not there: trying again does not help.
    #[error("not recorded: {0}")]
    Missing(String),
    /// Too many changes wait.
    #[error("too many changes wait for the store")]
    Busy,
    /// The daemon is stopping.
    #[error("the store is closed")]
    Closed,
}

impl StoreFault {
    /// What a client is told whose question needs the records: 451.
    #[must_use]
    pub fn answer(&self) -> Answer {
        let text = "the records cannot be read or written now; try again later";
        Answer::new(451, Status::new(4, 3, 0), text).logged(self.to_string())
    }
}
