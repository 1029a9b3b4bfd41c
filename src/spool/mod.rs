//! The spool: an append-only log on disk that holds every accepted message and everything that
//! happened to it. One writer; one `fdatasync` serves all that wait; a torn tail is cut, a bad record
//! quarantined; bodies stream in and are read back by offset. It knows nothing of what its records
//! mean.

mod body;
mod copy;
mod forget;
mod format;
mod index;
mod log;
mod recovery;
mod shared;
mod sweep;
#[cfg(test)]
mod tests;
mod walk;
mod writer;

pub use body::{BodyReader, BodyWriter};
pub use copy::{SegmentFile, Still, go_on_past};
pub use forget::{Fate, Forgotten};
pub use log::Spool;

use crate::config::Now;
use crate::mail::{Answer, Status};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// A record's place in the log: counts up by one and is never used again.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default,
)]
#[serde(transparent)]
pub struct Sequence(pub u64);

/// What a record is, for its owner: 1 to 254. The spool only tells bodies (0 and 255) from the rest.
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
    /// Less room on disk than `spool.free_space_min`, or no file can be opened now.
    #[error("the spool has no room: the disk is nearly full, or too many files are open")]
    Full,
    /// As many recipients wait as `queue.items_max` allows.
    #[error("the queue is full: as many recipients wait as queue.items_max allows")]
    QueueFull,
    /// Too many writes wait.
    #[error("too many writes wait for the spool")]
    Busy,
    /// A piece of a body could not be read or its checksum is wrong.
    #[error("a piece of the spool cannot be read: {0}")]
    Unreadable(String),
}

impl SpoolFault {
    /// What a client is told whose mail could not be stored: 452 where room is wanting, or else 451.
    #[must_use]
    pub fn answer(&self) -> Answer {
        let (code, status, text) = match self {
            Self::Full | Self::QueueFull => {
                (452, (4, 3, 1), "no room for mail now; try again later")
            }
            _ => (451, (4, 3, 0), "mail cannot be stored now; try again later"),
        };
        let status = Status::new(status.0, status.1, status.2);
        Answer::new(code, status, text).logged(self.to_string())
    }
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

/// What the spool's owner says of a record.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Labels {
    /// What it can be found by, see [`Spool::find`].
    pub keys: Vec<u64>,
    /// The body that its message needs; none of a record that accepts none, or that cannot be read.
    pub body: Option<Body>,
}

/// What the spool must be told of what it keeps.
#[derive(Clone)]
pub struct Owner {
    /// How long records stay that nobody needs any more.
    pub retention: Now<Duration>,
    /// Reads a record.
    pub labels: fn(&Record) -> Labels,
    /// Changes whenever `labels` gives other keys: indexes made before are then made anew.
    pub labels_version: u8,
}

/// Encodes a message's acceptance once its body lies on disk: the writer calls it with the extents.
pub type Encode = Box<dyn FnOnce(Body) -> (Kind, Vec<u8>) + Send>;
