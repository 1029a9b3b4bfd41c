//! A message's bytes: streamed in piece by piece, read back by offset, never all in memory.

use super::handle::{Spool, SpoolFault};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

/// Largest piece, and what a body may hold in memory before it goes to disk.
pub(super) const PIECE_MAX: usize = 256 << 10;

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

impl Body {
    pub(super) fn push(&mut self, extent: Extent) {
        self.length += u64::from(extent.length);
        self.extents.push(extent);
    }
}

/// A body that is being streamed in. Dropped before [`Spool::accept`], its bytes become dead space.
pub struct BodyWriter {
    pub(super) spool: Spool,
    pub(super) written: Body,
    pub(super) rest: Vec<u8>,
}

impl BodyWriter {
    /// Adds bytes.
    ///
    /// # Errors
    /// Any [`SpoolFault`]; the body is then lost and the message must be answered 451.
    pub async fn write(&mut self, mut bytes: &[u8]) -> Result<(), SpoolFault> {
        while self.rest.len() + bytes.len() > PIECE_MAX {
            let (now, later) = bytes.split_at(PIECE_MAX - self.rest.len());
            self.rest.extend_from_slice(now);
            let extent = self.spool.piece(std::mem::take(&mut self.rest)).await?;
            self.written.push(extent);
            bytes = later;
        }
        self.rest.extend_from_slice(bytes);
        Ok(())
    }

    /// Bytes so far.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.written.length + self.rest.len() as u64
    }
}

/// Reads a body piece by piece.
pub struct BodyReader {
    pub(super) spool: Spool,
    pub(super) extents: std::vec::IntoIter<Extent>,
}

impl BodyReader {
    /// The next piece, at most 256 KiB; `None` at the end.
    ///
    /// # Errors
    /// [`SpoolFault::Unreadable`].
    pub async fn next(&mut self) -> Result<Option<Bytes>, SpoolFault> {
        let Some(extent) = self.extents.next() else {
            return Ok(None);
        };
        let spool = self.spool.clone();
        let read = tokio::task::spawn_blocking(move || spool.read_extent(extent)).await;
        read.map_err(|fault| SpoolFault::Unreadable(fault.to_string()))?
            .map(Some)
    }
}
