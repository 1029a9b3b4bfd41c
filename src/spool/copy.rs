//! The log as a backup takes it: its segments stay as they are while it is copied, up to an end that is durable. And
//! how a log that was put back goes on: past every number that may have been given out since.

use super::format::{self, SegmentHeader, VERSION};
use super::log::Spool;
use super::recovery;
use super::shared::Shared;
use super::{Durability, Sequence, SpoolFault};
use crate::world::World;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// The pause before a line that is full is tried again.
const PAUSE: Duration = Duration::from_millis(20);

/// While it is held, no segment is written anew and none is removed.
pub struct Still {
    shared: Arc<Shared>,
}

impl Drop for Still {
    fn drop(&mut self) {
        self.shared.held.fetch_sub(1, Ordering::AcqRel);
        let _ = self.shared.bell.try_send(());
    }
}

/// A segment's file and how much of it is to be copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SegmentFile {
    /// Where it lies.
    pub path: PathBuf,
    /// So many bytes of it are whole and durable.
    pub length: u64,
}

impl Spool {
    /// Has all segments stay as they are until this is dropped; one that is being written anew is waited for, so
    /// callers stand on a blocking thread.
    #[must_use]
    pub fn still(&self) -> Still {
        let shared = self.shared.clone();
        shared.held.fetch_add(1, Ordering::AcqRel);
        drop(shared.sweeping.lock().unwrap_or_else(std::sync::PoisonError::into_inner));
        Still { shared }
    }

    /// About how many bytes all segments have.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.shared.state().segments.values().map(|segment| segment.length).sum()
    }

    async fn synced(&self) -> Result<(), SpoolFault> {
        loop {
            match self.append(Vec::new(), Durability::Synced).await {
                Err(SpoolFault::Busy) => tokio::time::sleep(PAUSE).await,
                done => return done.map(drop),
            }
        }
    }

    /// All segments up to an end that is durable, and that end: the first sequence that is not in them.
    ///
    /// # Errors
    /// The spool has stopped.
    pub async fn segments(
        &self,
        _still: &Still,
    ) -> Result<(Vec<SegmentFile>, Sequence), SpoolFault> {
        let (files, end) = {
            let state = self.shared.state();
            let file = |(number, segment): (&u64, &super::shared::Segment)| SegmentFile {
                path: format::path(&self.shared.directory, *number),
                length: segment.length,
            };
            (state.segments.iter().map(file).collect(), Sequence(state.written))
        };
        // What was written by then is there after a power cut too, or nobody was told of it.
        self.synced().await?;
        Ok((files, end))
    }
}

/// Mends a log that was put back, and has it go on `gap` numbers past its end, or past `least` where that lies later:
/// what the lost host gave out after its copy was made is never given out again. Where it goes on.
///
/// # Errors
/// What the disk said.
pub fn go_on_past(
    directory: &Path,
    world: &World,
    least: Sequence,
    gap: u64,
) -> io::Result<Sequence> {
    let disk = &world.disk;
    disk.create_directory(directory)?;
    let found = recovery::recover(directory, world)?;
    let mut number = found.segments.keys().next_back().copied().unwrap_or(0);
    let begin = |number: u64, first: u64| {
        let header = SegmentHeader { version: VERSION, salt: found.salt, number, first };
        let file = disk.create(&format::path(directory, number))?;
        file.write_at(&header.encode(), 0)?;
        file.sync_data()
    };
    let end = found.next.max(least.0);
    if found.segments.is_empty() {
        // Says where the log ended whose mail is not here.
        number += 1;
        begin(number, end)?;
    }
    let next = end.saturating_add(gap);
    begin(number + 1, next)?;
    disk.sync_directory(directory)?;
    Ok(Sequence(next))
}
