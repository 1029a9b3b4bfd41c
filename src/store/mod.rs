//! The store: records that must last, behind one narrow door. An engine keeps bytes in ordered
//! tables; the [`Store`] gives them types, versions and transactions, through one committer that
//! batches. Only here is an engine named.

use crate::config;
use crate::world::World;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::path::Path;

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
}

impl Table {
    /// All of them.
    pub const ALL: [Self; 10] = [
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
    ];
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
    /// Too many changes wait.
    #[error("too many changes wait for the store")]
    Busy,
    /// The daemon is stopping.
    #[error("the store is closed")]
    Closed,
}

/// A handle to the store. Cheap to clone. Reads see everything that was acknowledged.
#[derive(Clone)]
pub struct Store {}

/// One change of several records, all or nothing. Reads see the writes made in it before.
pub struct Transaction<'a> {
    _engine: &'a (),
}

impl Store {
    /// Opens or creates the store in `directory`. A store that cannot be opened is still returned,
    /// damaged: every call then answers [`StoreFault::Damaged`], so that the daemon can start, hold
    /// mail and say why.
    pub fn open(directory: &Path, settings: &config::Store, world: &World) -> Self {
        todo!()
    }

    /// Whether the store can be read and written.
    ///
    /// # Errors
    /// [`StoreFault::Damaged`].
    pub fn ready(&self) -> Result<(), StoreFault> {
        todo!()
    }

    /// One record.
    ///
    /// # Errors
    /// Any [`StoreFault`]: a value that cannot be decoded is damage, never absence.
    pub fn get<R: Record>(&self, key: &[u8]) -> Result<Option<R>, StoreFault> {
        todo!()
    }

    /// Up to `limit` records whose key begins with `prefix` and is greater than `after`, in order.
    ///
    /// # Errors
    /// Any [`StoreFault`].
    pub fn scan<R: Record>(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, R)>, StoreFault> {
        todo!()
    }

    /// Runs `change` in the committer and answers once it is durable. `change` may refuse with its
    /// own error: then nothing of it is written. Several changes share one commit.
    ///
    /// # Errors
    /// The outer: any [`StoreFault`]. The inner: what `change` said.
    pub async fn transact<T, E, F>(&self, change: F) -> Result<Result<T, E>, StoreFault>
    where
        T: Send + 'static,
        E: Send + 'static,
        F: FnOnce(&mut Transaction<'_>) -> Result<Result<T, E>, StoreFault> + Send + 'static,
    {
        todo!()
    }

    /// Finishes what waits and closes the engine.
    pub async fn close(&self) {
        todo!()
    }
}

impl Transaction<'_> {
    /// One record.
    ///
    /// # Errors
    /// Any [`StoreFault`].
    pub fn get<R: Record>(&self, key: &[u8]) -> Result<Option<R>, StoreFault> {
        todo!()
    }

    /// Up to `limit` records, as [`Store::scan`].
    ///
    /// # Errors
    /// Any [`StoreFault`].
    pub fn scan<R: Record>(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, R)>, StoreFault> {
        todo!()
    }

    /// Writes a record, replacing what has its key.
    pub fn put<R: Record>(&mut self, key: &[u8], record: &R) {
        todo!()
    }

    /// Removes a record; one that is not there is fine.
    pub fn remove<R: Record>(&mut self, key: &[u8]) {
        todo!()
    }

    /// The next number of a named counter, from 1, durable with this transaction.
    ///
    /// # Errors
    /// Any [`StoreFault`].
    pub fn count(&mut self, counter: &str) -> Result<u64, StoreFault> {
        todo!()
    }
}
