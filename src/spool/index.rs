//! The index of a sealed segment, in a file beside it: where the records lie that one of their owner's
//! keys names. It can be made anew at any time, and is where it is missing, cut or of another edition
//! of its segment; so it is never synced, and each page vouches for itself.

use super::format::{self, Window, number32, number64};
use super::log::Spool;
use super::shared::{Segment, Shared};
use super::walk::WHOLE;
use super::{Record, SpoolFault};
use crate::world::DiskFile;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bytes of a page: a checksum, a count, entries of key and offset.
const PAGE: usize = 4096;
/// Bytes before a page's entries.
const PAGE_HEADER: usize = 16;
/// Bytes of an entry.
const ENTRY: usize = 16;
/// Entries of a page.
const ENTRIES: usize = (PAGE - PAGE_HEADER) / ENTRY;

/// A key and where a record lies that it names.
type Entry = (u64, u64);

fn path(directory: &Path, number: u64) -> PathBuf {
    format::path(directory, number).with_extension("idx")
}

/// What every page of an index vouches for besides its entries: the spool, the segment, its length, and
/// which keys were asked for.
fn seal(shared: &Shared, number: u64, length: u64) -> u32 {
    let sum = crc32c::crc32c_append(crc32c::crc32c(&shared.salt), &number.to_le_bytes());
    let sum = crc32c::crc32c_append(sum, &length.to_le_bytes());
    crc32c::crc32c_append(sum, &[shared.owner.labels_version])
}

/// Removes the index of a segment that is about to change or to go.
pub(super) fn remove(shared: &Shared, number: u64) -> io::Result<()> {
    match shared.world.disk.remove(&path(&shared.directory, number)) {
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(fault) => Err(fault),
        // Durable before the segment changes: an old index must not come back beside a new segment.
        Ok(()) => shared.world.disk.sync_directory(&shared.directory),
    }
}

/// Reads a sealed segment through and writes its index, unless one of this edition is there.
pub(super) fn build(shared: &Arc<Shared>, number: u64) -> io::Result<()> {
    let Some(segment) = shared.segment(number) else {
        return Ok(());
    };
    let disk = &shared.world.disk;
    let path = path(&shared.directory, number);
    let seal = seal(shared, number, segment.length);
    if !disk.open(&path).is_ok_and(|file| Index { file, seal }.pages().is_some()) {
        let mut entries: Vec<Entry> = Vec::new();
        let file = disk.open(&format::path(&shared.directory, number))?;
        shared.walk((number, &segment, file.as_ref()), WHOLE, |offset, record| {
            let keys = (shared.owner.labels)(&record).keys.into_iter();
            entries.extend(keys.map(|key| (key, offset)));
            true
        });
        entries.sort_unstable();
        entries.dedup();
        let temporary = path.with_extension("idx.tmp");
        let _ = disk.remove(&temporary);
        disk.create(&temporary)?.write_at(&encode(&entries, seal), 0)?;
        disk.rename(&temporary, &path)?;
    }
    shared.set_indexed(number, segment.edition);
    Ok(())
}

/// Pages that hold the entries, at least one.
fn encode(entries: &[Entry], seal: u32) -> Vec<u8> {
    let count = entries.len().div_ceil(ENTRIES).max(1);
    let mut bytes = Vec::with_capacity(count * PAGE);
    for number in 0..count {
        let part = entries.chunks(ENTRIES).nth(number).unwrap_or_default();
        let mut page = vec![0; PAGE_HEADER];
        page[4..8].copy_from_slice(&u32::try_from(part.len()).unwrap_or(0).to_le_bytes());
        page[8..16].copy_from_slice(&(count as u64).to_le_bytes());
        for (key, offset) in part {
            page.extend(key.to_le_bytes());
            page.extend(offset.to_le_bytes());
        }
        page.resize(PAGE, 0);
        let sum = sum(&page, number as u64, seal);
        page[..4].copy_from_slice(&sum.to_le_bytes());
        bytes.extend(page);
    }
    bytes
}

fn sum(page: &[u8], number: u64, seal: u32) -> u32 {
    let front = [&seal.to_le_bytes()[..], &number.to_le_bytes()].concat();
    crc32c::crc32c_append(crc32c::crc32c(&front), &page[4..])
}

/// An index that is being read.
struct Index {
    file: Arc<dyn DiskFile>,
    seal: u32,
}

impl Index {
    /// How many pages there are, if the file's length and first page agree on it.
    fn pages(&self) -> Option<u64> {
        let count = self.file.len().ok()? / PAGE as u64;
        let (_, said) = self.page(0)?;
        (said == count).then_some(count)
    }

    /// A page's entries, and how many pages it says there are.
    fn page(&self, number: u64) -> Option<(Vec<Entry>, u64)> {
        let mut page = vec![0; PAGE];
        self.file.read_at(&mut page, number * PAGE as u64).ok()?;
        if sum(&page, number, self.seal) != number32(&page, 0) {
            return None;
        }
        let count = (number32(&page, 4) as usize).min(ENTRIES);
        let entries = page[PAGE_HEADER..].chunks_exact(ENTRY).take(count);
        Some((entries.map(|e| (number64(e, 0), number64(e, 8))).collect(), number64(&page, 8)))
    }

    /// Where the records lie that `key` names; `None` where the index cannot be relied on.
    fn find(&self, key: u64) -> Option<Vec<u64>> {
        let (mut least, mut most) = (0, self.pages()?);
        // The last page that begins before the key holds the first entry of it, if any does.
        while least + 1 < most {
            let middle = u64::midpoint(least, most);
            let (entries, _) = self.page(middle)?;
            if entries.first().is_some_and(|(first, _)| *first < key) {
                least = middle;
            } else {
                most = middle;
            }
        }
        let mut found = Vec::new();
        let pages = self.pages()?;
        while least < pages {
            let (entries, _) = self.page(least)?;
            found.extend(entries.iter().filter(|(named, _)| *named == key).map(|(_, at)| *at));
            if entries.last().is_none_or(|(last, _)| *last > key) {
                break;
            }
            least += 1;
        }
        Some(found)
    }
}

impl Spool {
    /// Hands over the records that one of their owner's keys names, newest first, until `each` says
    /// false. Sealed segments are asked by their indexes, the last one is read through. Blocks on disk:
    /// callers stand on a blocking thread.
    ///
    /// # Errors
    /// [`SpoolFault::Unreadable`]: a segment's file cannot be opened.
    pub fn find(&self, key: u64, mut each: impl FnMut(Record) -> bool) -> Result<(), SpoolFault> {
        for number in self.shared.numbers().into_iter().rev() {
            let Some((segment, file)) = self.segment_file(number)? else { continue };
            let records = self.shared.find_in(number, &segment, file.as_ref(), key);
            if !records.into_iter().rev().all(&mut each) {
                break;
            }
        }
        Ok(())
    }
}

impl Shared {
    fn find_in(
        &self,
        number: u64,
        segment: &Segment,
        file: &dyn DiskFile,
        key: u64,
    ) -> Vec<Record> {
        let mut window = Window::narrow(file, segment.length, segment.version, self.salt);
        if segment.indexed
            && let Some(records) = self.find_by_index(number, segment, &mut window, key)
        {
            return records;
        }
        let mut found = Vec::new();
        self.walk((number, segment, file), WHOLE, |_, record| {
            if (self.owner.labels)(&record).keys.contains(&key) {
                found.push(record);
            }
            true
        });
        found
    }

    fn find_by_index(
        &self,
        number: u64,
        segment: &Segment,
        window: &mut Window<'_>,
        key: u64,
    ) -> Option<Vec<Record>> {
        let file = self.world.disk.open(&path(&self.directory, number)).ok()?;
        let index = Index { file, seal: seal(self, number, segment.length) };
        let places = index.find(key)?;
        let record = |at: u64| {
            let (_, record) = window.record(at)?;
            (self.owner.labels)(&record).keys.contains(&key).then_some(record)
        };
        places.into_iter().map(record).collect()
    }
}
