//! The store: records that must last, behind one narrow door. An engine keeps bytes in ordered
//! tables; the [`Store`] gives them types, versions and transactions, through one committer that
//! batches. Only here is an engine named.

mod committer;
#[cfg(test)]
mod conformance;
pub mod engine;
mod handle;
mod kind;
mod mend;
mod opening;
pub mod recover;

mod redb;
mod redb_file;
#[cfg(feature = "sled")]
mod sled;
mod value;

pub use handle::{Store, Transaction};
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
}

impl Table {
    /// All of them.
    pub const ALL: [Self; 14] = [
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
