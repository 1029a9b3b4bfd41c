//! Dead segments: shrunk to their events, and removed when those are old enough, oldest first.

use super::format::{self, SEGMENT_HEADER, SegmentHeader, VERSION, Window};
use super::log::Shared;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::Receiver;

/// Sweeps whenever it is rung, until the spool is gone.
pub(super) fn run(shared: &std::sync::Weak<Shared>, bell: &Receiver<()>) {
    while bell.recv().is_ok() {
        let Some(shared) = shared.upgrade() else {
            return;
        };
        if let Err(fault) = sweep(&shared) {
            tracing::warn!(target: "relent::spool", %fault, "a dead segment could not be shrunk; it is tried again later");
        }
    }
}

/// Shrinks and removes what may be.
pub(super) fn sweep(shared: &Arc<Shared>) -> io::Result<()> {
    if shared.fault().is_some() {
        // What was marked may not be durable: nothing may go that a replay would ask for.
        return Ok(());
    }
    let _alone = shared.sweeping.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    while let Some(number) = shared.shrinkable() {
        shrink(shared, number)?;
    }
    while let Some(number) = shared.removable() {
        shared.world.disk.remove(&format::path(&shared.directory, number))?;
        shared.forget(number);
        shared.world.disk.sync_directory(&shared.directory)?;
    }
    Ok(())
}

fn shrink(shared: &Arc<Shared>, number: u64) -> io::Result<()> {
    let disk = &shared.world.disk;
    let path = format::path(&shared.directory, number);
    let temporary = path.with_extension("tmp");
    let Some(segment) = shared.segment(number) else {
        return Ok(());
    };
    let file = disk.open(&path)?;
    let mut window = Window::new(file.as_ref(), segment.length, segment.version, shared.salt);
    let header =
        SegmentHeader { version: VERSION, salt: shared.salt, number, first: segment.first };
    let mut kept = header.encode();
    let mut offset = SEGMENT_HEADER;
    while offset < segment.length {
        let Some(head) = window.head(offset) else {
            return unreadable(shared, number, offset);
        };
        if head.kind != format::BODY {
            let Some((_, record)) = window.record(offset) else {
                return unreadable(shared, number, offset);
            };
            format::put(&mut kept, shared.salt, head.sequence, number, head.kind, &record.payload);
        }
        offset += head.span();
    }
    let _ = disk.remove(&temporary);
    let copy = disk.create(&temporary)?;
    copy.write_at(&kept, 0)?;
    copy.set_modified(segment.newest)?;
    copy.sync_data()?;
    shared.shrunk(number, kept.len() as u64, || disk.rename(&temporary, &path))?;
    disk.sync_directory(&shared.directory)
}

/// Leaves a segment as it is, whose events cannot all be read: what can be stays readable.
fn unreadable(shared: &Arc<Shared>, number: u64, offset: u64) -> io::Result<()> {
    tracing::error!(target: "relent::spool", segment = number, offset,
        "a dead segment cannot be read through; it is kept as it is");
    metrics::counter!("relent_spool_damaged_total").increment(1);
    shared.keep_whole(number);
    Ok(())
}
