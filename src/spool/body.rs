//! Bodies on their way in and out. Up to 64 KiB wait in memory; the rest is on disk.

use super::log::Spool;
use super::shared::Shared;
use super::writer::Work;
use super::{Body, Extent, SpoolFault};
use crate::spool::format;
use std::sync::Arc;
use tokio::sync::oneshot;

/// Bytes of a body that stay in memory at most.
pub(super) const PIECE: usize = 64 << 10;

/// A body that is being streamed in. Dropped before [`Spool::accept`], its bytes become dead space.
pub struct BodyWriter {
    pub(super) spool: Spool,
    pub(super) piece: Vec<u8>,
    pub(super) body: Body,
    pub(super) pins: Vec<Pin>,
}

/// Keeps a segment that holds a piece of an unfinished body from being shrunk.
pub(super) struct Pin {
    shared: Arc<Shared>,
    segment: u64,
}

impl Pin {
    pub(super) fn new(shared: &Arc<Shared>, segment: u64) -> Self {
        shared.pin(segment);
        Self { shared: shared.clone(), segment }
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        self.shared.unpin(self.segment);
    }
}

impl BodyWriter {
    /// Adds bytes.
    ///
    /// # Errors
    /// Any [`SpoolFault`]; the body is then lost and the message must be answered 451.
    pub async fn write(&mut self, mut bytes: &[u8]) -> Result<(), SpoolFault> {
        self.body.length += bytes.len() as u64;
        while !bytes.is_empty() {
            let room = PIECE - self.piece.len();
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.piece.extend_from_slice(now);
            bytes = later;
            if self.piece.len() == PIECE {
                let (answer, wait) = oneshot::channel();
                let piece = std::mem::take(&mut self.piece);
                self.spool.send(Work::Piece { piece, answer })?;
                let (extent, pin) = wait.await.map_err(|_| self.spool.gone())??;
                self.pins.push(pin);
                self.body.extents.push(extent);
            }
        }
        Ok(())
    }

    /// Bytes so far.
    #[must_use]
    pub fn length(&self) -> u64 {
        self.body.length
    }
}

/// Reads a body piece by piece.
pub struct BodyReader {
    pub(super) shared: Arc<Shared>,
    pub(super) extents: std::vec::IntoIter<Extent>,
}

impl BodyReader {
    /// The next piece, at most 64 KiB (older ones 256 KiB); `None` at the end.
    ///
    /// # Errors
    /// [`SpoolFault::Unreadable`].
    pub async fn next(&mut self) -> Result<Option<bytes::Bytes>, SpoolFault> {
        let Some(extent) = self.extents.next() else {
            return Ok(None);
        };
        let shared = self.shared.clone();
        tokio::task::spawn_blocking(move || shared.extent(extent))
            .await
            .map_err(|fault| SpoolFault::Unreadable(fault.to_string()))?
            .map(Some)
    }
}

impl Shared {
    fn extent(&self, extent: Extent) -> Result<bytes::Bytes, SpoolFault> {
        let path = format::path(&self.directory, extent.segment);
        let fault = |why: String| SpoolFault::Unreadable(format!("{}: {why}", path.display()));
        if extent.length as usize > format::PAYLOAD_MAX {
            return Err(fault("a piece is longer than any can be".into()));
        }
        let mut bytes = vec![0; extent.length as usize];
        let (file, offset) = loop {
            let before = self.segment(extent.segment).unwrap_or_default();
            let file = self.world.disk.open(&path).map_err(|f| fault(f.to_string()))?;
            let now = self.segment(extent.segment).unwrap_or_default();
            if before.edition == now.edition {
                let moved = now.moved.map(|moved| moved.get(&extent.offset).copied());
                let offset = moved.unwrap_or(Some(extent.offset));
                break (file, offset.ok_or_else(|| fault("a piece is not there any more".into()))?);
            }
        };
        format::read(file.as_ref(), &mut bytes, offset).map_err(|f| fault(f.to_string()))?;
        if crc32c::crc32c(&bytes) == extent.crc {
            Ok(bytes.into())
        } else {
            Err(fault(format!("wrong checksum at {}", extent.offset)))
        }
    }
}
