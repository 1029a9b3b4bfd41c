//! Sealed segments: indexed once, rewritten without what nobody needs, and removed when what they tell
//! is old enough, oldest first.

use super::format::{self, MOVED, MOVED_FROM, RECORD_HEADER, SEGMENT_HEADER, SegmentHeader};
use super::format::{Head, VERSION, Window};
use super::index;
use super::shared::{Moved, Segment, Shared};
use super::{Record, Sequence};
use crate::world::{Disk, DiskFile};
use std::collections::HashSet;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;
use std::time::Duration;

/// What a record is written anew as; none where it stays.
pub(super) type Change<'a> = dyn Fn(&Record) -> Option<Vec<u8>> + 'a;

/// Bytes of a rewritten segment that are gathered before they are written.
const PART: usize = 1 << 20;
/// The pause after what failed.
const PAUSE: Duration = Duration::from_secs(5);

/// Sweeps whenever it is rung, until the spool is gone.
pub(super) fn run(shared: &std::sync::Weak<Shared>, bell: &Receiver<()>) {
    while bell.recv().is_ok() {
        let Some(shared) = shared.upgrade() else {
            return;
        };
        if let Err(fault) = sweep(&shared) {
            tracing::warn!(target: "relent::spool", %fault, "a sealed segment could not be rewritten; it is tried again later");
            drop(shared);
            std::thread::sleep(PAUSE);
        }
    }
}

/// Rewrites, indexes and removes what may be.
pub(super) fn sweep(shared: &Arc<Shared>) -> io::Result<()> {
    // What was marked may not be durable, or what is needed not all held: nothing may go that a replay
    // would ask for.
    if shared.fault().is_some() || !shared.is_settled.load(Ordering::Acquire) {
        return Ok(());
    }
    let _alone = shared.sweeping.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if shared.is_held() {
        return Ok(()); // rung again when that ends
    }
    // First what makes room and needs none.
    while let Some(number) = shared.unless_closed(Shared::removable) {
        index::remove(shared, number)?;
        // Nobody may look for a file that is not there any more.
        shared.forget(number);
        shared.world.disk.remove(&format::path(&shared.directory, number))?;
        shared.world.disk.sync_directory(&shared.directory)?;
    }
    while let Some(number) = shared.unless_closed(Shared::shrinkable) {
        rewrite(shared, number, &HashSet::new(), None)?;
    }
    while let Some((number, size)) = shared.unless_closed(Shared::sparse)
        && shared.room(size).is_ok()
    {
        match needed(shared, number)? {
            Needed::Pieces(pieces) => rewrite(shared, number, &pieces, None)?,
            Needed::Unknown => shared.keep_whole(number),
            Needed::NotYet => break, // the next sync rings again
        }
    }
    // An index is a comfort: it takes no room that mail would be refused for.
    while let Some(number) = shared.unless_closed(Shared::unindexed)
        && shared.room(0).is_ok()
    {
        index::build(shared, number)?;
    }
    Ok(())
}

/// What is still needed of a segment.
pub(super) enum Needed {
    /// Pieces of bodies, by where they lay when they were accepted.
    Pieces(HashSet<u64>),
    /// It cannot be known.
    Unknown,
    /// It cannot be known before the next sync.
    NotYet,
}

pub(super) fn needed(shared: &Arc<Shared>, number: u64) -> io::Result<Needed> {
    let Some((segment, needing)) = shared.segment(number).zip(shared.needing(number)) else {
        return Ok(Needed::NotYet);
    };
    let mut needed = HashSet::new();
    for extents in needing.reaching {
        let Some(extents) = extents else { return Ok(Needed::Unknown) };
        needed.extend(extents.iter().filter(|e| e.segment == number).map(|e| e.offset));
    }
    let file = shared.world.disk.open(&format::path(&shared.directory, number))?;
    let mut window = Window::new(file.as_ref(), segment.length, segment.version, shared.salt);
    let mut offset = SEGMENT_HEADER;
    while offset < segment.length {
        let Some(head) = window.head(offset) else { return Ok(Needed::Unknown) };
        if !head.is_body() && needing.own.contains(&head.sequence) {
            let record = window.record(offset);
            let labels = record.map(|(_, record)| (shared.owner.labels)(&record));
            let Some(body) = labels.and_then(|labels| labels.body) else {
                return Ok(Needed::Unknown);
            };
            needed.extend(body.extents.iter().filter(|e| e.segment == number).map(|e| e.offset));
        }
        offset += head.span();
    }
    Ok(Needed::Pieces(needed))
}

/// A segment's file in the making.
struct Rewriter {
    file: Arc<dyn DiskFile>,
    buffer: Vec<u8>,
    written: u64,
    moved: Moved,
}

impl Rewriter {
    fn begin(disk: &dyn Disk, path: &Path, header: &SegmentHeader) -> io::Result<Self> {
        let _ = disk.remove(path);
        let file = disk.create(path)?;
        Ok(Self { file, buffer: header.encode(), written: 0, moved: Moved::default() })
    }

    fn put(&mut self, shared: &Shared, number: u64, head: Head, payload: &[u8]) -> io::Result<()> {
        let (salt, oldest) = (shared.salt, head.oldest.min(number));
        format::put(&mut self.buffer, salt, head.sequence, oldest, head.kind, payload);
        if self.buffer.len() >= PART {
            self.flush()?;
        }
        Ok(())
    }

    /// Keeps a piece of a body that lay at `from` when it was accepted.
    fn keep(
        &mut self,
        shared: &Shared,
        number: u64,
        head: Head,
        from: u64,
        piece: &[u8],
    ) -> io::Result<()> {
        let place = self.written + (self.buffer.len() + RECORD_HEADER + MOVED_FROM) as u64;
        self.moved.insert(from, place);
        let payload = [&from.to_le_bytes(), piece].concat();
        self.put(shared, number, Head { kind: MOVED, ..head }, &payload)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.write_at(&self.buffer, self.written)?;
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }
}

/// Writes a segment anew with all that it tells, and of its bodies those that are needed.
pub(super) fn rewrite(
    shared: &Arc<Shared>,
    number: u64,
    needed: &HashSet<u64>,
    change: Option<&Change<'_>>,
) -> io::Result<()> {
    let disk = &shared.world.disk;
    let path = format::path(&shared.directory, number);
    let temporary = path.with_extension("tmp");
    let Some(segment) = shared.segment(number) else {
        return Ok(());
    };
    let first = segment.first;
    let header = SegmentHeader { version: VERSION, salt: shared.salt, number, first };
    let written = Rewriter::begin(disk.as_ref(), &temporary, &header).and_then(|mut rewriter| {
        let copied = copy(shared, (number, &segment), (needed, change), &mut rewriter)?;
        rewriter.flush()?;
        rewriter.file.set_modified(segment.newest)?;
        rewriter.file.sync_data()?;
        Ok(copied.map(|()| rewriter))
    });
    let replaced = match written {
        Ok(Err(offset)) => unreadable(shared, number, offset),
        Ok(Ok(rewriter)) => index::remove(shared, number).and_then(|()| {
            let (length, moved) = (rewriter.written, rewriter.moved);
            let moved = (!needed.is_empty()).then_some(moved);
            metrics::counter!("relent_spool_rewritten_bytes_total")
                .increment(segment.length.saturating_sub(length));
            tracing::info!(target: "relent::spool", segment = number, before = segment.length,
                after = length, bodies = moved.as_ref().map_or(0, Moved::len),
                "a segment was written anew without what nobody needs");
            shared.rewritten(number, length, moved, || disk.rename(&temporary, &path))?;
            disk.sync_directory(&shared.directory)
        }),
        Err(fault) => Err(fault),
    };
    // Gone where it has its new name; in the way, and of no use, where it has not.
    let _ = disk.remove(&temporary);
    replaced
}

/// Copies what is kept; or says where the segment cannot be read.
fn copy(
    shared: &Arc<Shared>,
    (number, segment): (u64, &Segment),
    (needed, change): (&HashSet<u64>, Option<&Change<'_>>),
    rewriter: &mut Rewriter,
) -> io::Result<Result<(), u64>> {
    let file = shared.world.disk.open(&format::path(&shared.directory, number))?;
    let mut window = Window::new(file.as_ref(), segment.length, segment.version, shared.salt);
    let mut offset = SEGMENT_HEADER;
    while offset < segment.length {
        let Some(head) = window.head(offset) else { return Ok(Err(offset)) };
        if head.is_body() && needed.is_empty() {
            offset += head.span();
            continue;
        }
        let Some((head, payload)) = window.whole(offset) else { return Ok(Err(offset)) };
        if !head.is_body() {
            let anew = change.and_then(|change| {
                let payload = payload.to_vec();
                change(&Record { sequence: Sequence(head.sequence), kind: head.kind, payload })
            });
            rewriter.put(shared, number, head, anew.as_deref().unwrap_or(payload))?;
        } else {
            let (from, piece) = match head.kind {
                MOVED if payload.len() >= MOVED_FROM => {
                    (format::number64(payload, 0), &payload[MOVED_FROM..])
                }
                _ => (offset + RECORD_HEADER as u64, payload),
            };
            if needed.contains(&from) {
                rewriter.keep(shared, number, head, from, piece)?;
            }
        }
        offset += head.span();
    }
    Ok(Ok(()))
}

/// Leaves a segment as it is, whose events cannot all be read: what can be stays readable.
fn unreadable(shared: &Arc<Shared>, number: u64, offset: u64) -> io::Result<()> {
    tracing::error!(target: "relent::spool", segment = number, offset,
        "a sealed segment cannot be read through; it is kept as it is");
    metrics::counter!("relent_spool_damaged_total").increment(1);
    shared.keep_whole(number);
    Ok(())
}
