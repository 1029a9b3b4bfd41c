//! The spool: an append-only log on disk that holds every accepted message and everything that
//! happened to it. One writer; one `fdatasync` serves all that wait; a torn tail is cut, a bad record
//! quarantined; bodies stream in and are read back by offset. It knows nothing of what its records
//! mean.

use crate::config;
use crate::world::World;
use serde::{Deserialize, Serialize};
use std::io;
use std::path::Path;

/// A record's place in the log: counts up by one and is never used again.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default,
)]
#[serde(transparent)]
pub struct Sequence(pub u64);

/// What a record is, for its owner: the spool only tells bodies (kind 0) from everything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Kind(pub u8);

/// A record read back.
#[derive(Debug, Clone)]
pub struct Record {
    /// Its place.
    pub sequence: Sequence,
    /// What it is.
    pub kind: Kind,
    /// Its content.
    pub payload: Vec<u8>,
}

/// A piece of a body on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Extent {
    /// The segment that holds it.
    pub segment: u64,
    /// Where its bytes begin in the segment's file.
    pub offset: u64,
    /// How many they are.
    pub length: u32,
    /// CRC32C of the bytes, checked when they are read.
    pub crc: u32,
}

/// A message's bytes in the spool. Cheap to keep: the bytes stay on disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Body {
    /// The pieces in order.
    pub extents: Vec<Extent>,
    /// The length of all of them.
    pub length: u64,
}

/// When an append is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// After the `fdatasync` that covers it.
    Synced,
    /// Once it is queued for the writer: it becomes durable with the next batch, or after
    /// `spool.mark_delay`. A crash may forget it.
    Lazy,
}

/// Why the spool did not do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SpoolFault {
    /// A write or an `fdatasync` failed earlier; nothing is accepted until the daemon starts anew.
    #[error("the spool has stopped accepting after a disk error: {0}")]
    Stopped(String),
    /// Less room on disk than `spool.free_space_min`.
    #[error("the disk of the spool is nearly full")]
    Full,
    /// Too many writes wait.
    #[error("too many writes wait for the spool")]
    Busy,
    /// A piece of a body could not be read or its checksum is wrong.
    #[error("a piece of the spool cannot be read: {0}")]
    Unreadable(String),
}

/// What opening the spool found and did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Segments read.
    pub segments: u64,
    /// Records read.
    pub records: u64,
    /// Bytes of an unfinished write cut from the end.
    pub torn_bytes: u64,
    /// Damaged places that were copied to `quarantine/` and passed over.
    pub quarantined: u64,
}

/// Encodes a message's acceptance once its body lies on disk: the writer calls it with the extents.
pub type Encode = Box<dyn FnOnce(Body) -> (Kind, Vec<u8>) + Send>;

/// A handle to the spool. Cheap to clone.
#[derive(Clone)]
pub struct Spool {}

/// A body that is being streamed in. Dropped before [`Spool::accept`], its bytes become dead space.
pub struct BodyWriter {}

/// Reads a body piece by piece.
pub struct BodyReader {}

impl Spool {
    /// Opens or creates the spool in `directory`, repairs what a crash left, and starts the writer.
    ///
    /// # Errors
    /// What the disk said. A damaged record is no error: it is quarantined and counted.
    pub fn open(
        directory: &Path,
        settings: &config::Spool,
        world: &World,
    ) -> io::Result<(Self, Recovery)> {
        todo!()
    }

    /// Whether mail may be accepted: no disk error yet, and room on disk (RELIABILITY: F3, F5).
    ///
    /// # Errors
    /// [`SpoolFault::Stopped`] or [`SpoolFault::Full`].
    pub fn ready(&self) -> Result<(), SpoolFault> {
        todo!()
    }

    /// Begins a body. Small bodies are kept in memory until they are accepted; larger ones go to
    /// disk in pieces as they come.
    pub fn body(&self) -> BodyWriter {
        todo!()
    }

    /// Writes what is left of the body and the record that accepts it, and answers once both are
    /// durable. The sequence is that of the record.
    pub async fn accept(&self, body: BodyWriter, encode: Encode) -> Result<Sequence, SpoolFault> {
        todo!()
    }

    /// Appends records.
    pub async fn append(
        &self,
        records: Vec<(Kind, Vec<u8>)>,
        durability: Durability,
    ) -> Result<Vec<Sequence>, SpoolFault> {
        todo!()
    }

    /// Up to `limit` records other than bodies, from `from` on, in order. Blocks on disk: callers
    /// stand on a blocking thread. Fewer than `limit` means the end was reached.
    pub fn read(&self, from: Sequence, limit: usize) -> Result<Vec<Record>, SpoolFault> {
        todo!()
    }

    /// Waits until a record at or after `from` has been written.
    pub async fn wait_for(&self, from: Sequence) {
        todo!()
    }

    /// Reads a body back.
    pub fn reader(&self, body: &Body) -> BodyReader {
        todo!()
    }

    /// Says that the segment of this sequence holds one more message that is still queued.
    pub fn hold(&self, accepted: Sequence) {
        todo!()
    }

    /// Says that the message accepted at this sequence needs its body no more: a segment without such
    /// messages loses its bodies, and later, past `retention.events`, its file.
    pub fn release(&self, accepted: Sequence) {
        todo!()
    }

    /// The spool's segments are shrunk and removed only before this sequence: the least durable
    /// cursor of those who read events.
    pub fn set_cursor(&self, read_up_to: Sequence) {
        todo!()
    }

    /// Finishes what waits, syncs, and ends the writer.
    pub async fn close(&self) {
        todo!()
    }
}

impl BodyWriter {
    /// Adds bytes.
    ///
    /// # Errors
    /// Any [`SpoolFault`]; the body is then lost and the message must be answered 451.
    pub async fn write(&mut self, bytes: &[u8]) -> Result<(), SpoolFault> {
        todo!()
    }

    /// Bytes so far.
    #[must_use]
    pub fn length(&self) -> u64 {
        todo!()
    }
}

impl BodyReader {
    /// The next piece, at most 256 KiB; `None` at the end.
    ///
    /// # Errors
    /// [`SpoolFault::Unreadable`].
    pub async fn next(&mut self) -> Result<Option<bytes::Bytes>, SpoolFault> {
        todo!()
    }
}
