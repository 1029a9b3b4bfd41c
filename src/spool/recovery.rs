//! What opening finds: every record is verified, an unfinished write at the end is cut, a damaged place
//! is copied to `quarantine/` and passed over. What cannot be read is never taken for unfinished.

use super::Recovery;
use super::format::{
    self, RECORD_HEADER, SEGMENT_HEADER, SEGMENT_HEADER_BYTES, Salt, SegmentHeader, VERSION, Window,
};
use super::shared::{Moved, Reach, Segment};
use crate::world::{Disk, DiskFile, World};
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::Path;
use std::sync::Arc;

/// The spool's salt once more, apart from the segments: their headers may be lost.
const SALT: &str = "salt";

/// The state of the log after opening.
pub(super) struct Found {
    pub(super) salt: Salt,
    pub(super) segments: BTreeMap<u64, Segment>,
    pub(super) reaches: HashMap<u64, Reach>,
    /// The number that is given out next.
    pub(super) next: u64,
    /// The first that is not there; `next` lies later where a copy was put back.
    pub(super) end: u64,
    /// Whether the last segment is sound, so that the writer may go on in it.
    pub(super) may_append: bool,
    pub(super) recovery: Recovery,
}

/// Reads and repairs all segments.
pub(super) fn recover(directory: &Path, world: &World) -> io::Result<Found> {
    let disk = world.disk.as_ref();
    let mut numbers = Vec::new();
    for path in disk.list(directory)? {
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or("");
        if name.ends_with(".tmp") {
            disk.remove(&path)?;
        } else if let Some(number) =
            name.strip_suffix(".seg").and_then(|n| u64::from_str_radix(n, 16).ok())
        {
            numbers.push(number);
        }
    }
    let mut headers = HashMap::new();
    for number in &numbers {
        if let Some(header) = header(disk, &format::path(directory, *number))? {
            headers.insert(*number, header);
        }
    }
    let salt = salt(directory, world, &numbers, &headers)?;
    let mut found = Found {
        salt,
        segments: BTreeMap::new(),
        reaches: HashMap::new(),
        next: 1,
        end: 1,
        may_append: false,
        recovery: Recovery::default(),
    };
    let last = numbers.last().copied();
    for number in numbers {
        let path = format::path(directory, number);
        let file = disk.open(&path).map_err(|fault| named(&path, &fault))?;
        let scan = Scan { directory, disk, number, is_last: Some(number) == last };
        let scanned = scan.segment(file.as_ref(), headers.get(&number), &mut found);
        scanned.map_err(|fault| named(&path, &fault))?;
    }
    disk.sync_directory(directory)?;
    Ok(found)
}

fn named(path: &Path, fault: &io::Error) -> io::Error {
    io::Error::new(fault.kind(), format!("{}: {fault}", path.display()))
}

/// What the header at the beginning of a file says, if it can be read and is one.
fn header(disk: &dyn Disk, path: &Path) -> io::Result<Option<SegmentHeader>> {
    let file = disk.open(path).map_err(|fault| named(path, &fault))?;
    let mut bytes = [0; SEGMENT_HEADER_BYTES];
    let read = file.len()? >= SEGMENT_HEADER && format::read(file.as_ref(), &mut bytes, 0).is_ok();
    Ok(read.then(|| SegmentHeader::decode(&bytes)).flatten())
}

/// The salt of the spool: from the segments' headers, or from its own file, which is written where it
/// is missing. A new one only where there is nothing that an old one would be needed for.
fn salt(
    directory: &Path,
    world: &World,
    numbers: &[u64],
    headers: &HashMap<u64, SegmentHeader>,
) -> io::Result<Salt> {
    let disk = world.disk.as_ref();
    let path = directory.join(SALT);
    let there = disk.list(directory)?.contains(&path);
    let kept = if there { header(disk, &path)?.map(|header| header.salt) } else { None };
    let known = numbers.iter().rev().find_map(|number| headers.get(number));
    let salt = match known.map(|header| header.salt).or(kept) {
        Some(salt) => salt,
        None => {
            for number in numbers {
                let path = format::path(directory, *number);
                let file = disk.open(&path)?;
                let length = file.len()?;
                let mut window = Window::new(file.as_ref(), length, VERSION, Salt::default());
                let is_empty = length < SEGMENT_HEADER || window.is_zero(0, length);
                if !is_empty || !window.unreadable.is_empty() {
                    return Err(io::Error::other(no_salt(directory)));
                }
            }
            let mut salt = Salt::default();
            world.chance.fill(&mut salt);
            salt
        }
    };
    if kept != Some(salt)
        && let Err(fault) = keep_salt(disk, directory, &path, salt)
    {
        // It stands in every segment's header too.
        tracing::warn!(target: "relent::spool", %fault, file = %path.display(),
            "the spool's salt could not be kept apart; it is tried again at the next start");
    }
    Ok(salt)
}

fn keep_salt(disk: &dyn Disk, directory: &Path, path: &Path, salt: Salt) -> io::Result<()> {
    let fresh = path.with_extension("tmp");
    let header = SegmentHeader { version: VERSION, salt, number: 0, first: 0 };
    let file = disk.create(&fresh)?;
    file.write_at(&header.encode(), 0)?;
    file.sync_data()?;
    disk.rename(&fresh, path)?;
    disk.sync_directory(directory)
}

fn no_salt(directory: &Path) -> String {
    let directory = directory.display();
    format!(
        "{directory}: neither the header of any segment nor {directory}/{SALT} can be read, without which \
         no record can be told from junk: restore that file, which never changes, from a backup; \
         or move the *.seg files aside to start without the mail they hold"
    )
}

struct Scan<'a> {
    directory: &'a Path,
    disk: &'a dyn Disk,
    number: u64,
    is_last: bool,
}

impl Scan<'_> {
    fn segment(
        &self,
        file: &dyn DiskFile,
        header: Option<&SegmentHeader>,
        found: &mut Found,
    ) -> io::Result<()> {
        let length = file.len()?;
        let version = header.map_or_else(|| version(file, length, found.salt), |h| h.version);
        let mut window = Window::new(file, length, version, found.salt);
        let is_blank = header.is_none()
            && self.is_last
            && window.is_zero(0, length)
            && window.unreadable.is_empty();
        if length < SEGMENT_HEADER || is_blank {
            // A segment whose very header was not yet durable: nothing in it was acknowledged.
            return self.disk.remove(&format::path(self.directory, self.number));
        }
        let mut segment = Segment {
            version,
            first: header.map_or(found.next, |h| h.first),
            length,
            newest: file.modified()?,
            ..Segment::default()
        };
        let mut any = false;
        let mut moved = Moved::default();
        let mut offset = SEGMENT_HEADER;
        if found.segments.is_empty() || segment.first <= found.next {
            found.end = found.end.max(segment.first);
        }
        found.next = found.next.max(segment.first);
        while offset < length {
            if let Some((head, payload)) = window.whole(offset) {
                if head.kind == format::MOVED && payload.len() >= format::MOVED_FROM {
                    let at = offset + (RECORD_HEADER + format::MOVED_FROM) as u64;
                    moved.insert(format::number64(payload, 0), at);
                }
                if !any && header.is_none() {
                    segment.first = head.sequence;
                }
                any = true;
                segment.bodies |= head.is_body();
                if head.oldest < self.number {
                    let reach = Reach { oldest: head.oldest, extents: None };
                    found.reaches.insert(head.sequence, reach);
                }
                found.recovery.records += 1;
                found.next = found.next.max(head.sequence + 1);
                found.end = found.next;
                offset += head.span();
                continue;
            }
            let next = window.resync(offset + 1);
            let is_tail = next.is_none() && self.is_last && header.is_some();
            if is_tail && self.cut(file, &mut window, offset, found) {
                found.recovery.torn_bytes += length - offset;
                segment.length = offset;
                break;
            }
            let end = next.unwrap_or(length);
            self.quarantine(&mut window, offset, end);
            found.recovery.quarantined += 1;
            segment.damaged.push((offset, end));
            if next.is_none() {
                found.next += lost_at_most(end - offset);
                found.end = found.next;
            }
            offset = end;
        }
        let is_sound =
            header.is_some() && segment.damaged.is_empty() && window.unreadable.is_empty();
        if self.is_last {
            // What is shown to be in the log must be there after a power cut too.
            file.sync_data()?;
            found.may_append = is_sound && version == VERSION;
        }
        if !moved.is_empty() {
            segment.moved = Some(Arc::new(moved));
        }
        segment.whole = !is_sound;
        found.recovery.segments += 1;
        found.segments.insert(self.number, segment);
        Ok(())
    }

    /// Cuts what a write that never ended left behind `offset`; false where it may be more than that,
    /// or cannot be cut: then it stays, and a new segment is begun.
    fn cut(
        &self,
        file: &dyn DiskFile,
        window: &mut Window<'_>,
        offset: u64,
        found: &mut Found,
    ) -> bool {
        let Ok(length) = file.len() else {
            return false;
        };
        let is_plain = window.is_unfinished(offset) || window.is_zero(offset, length);
        if !window.unreadable.is_empty() || !(is_plain || self.quarantine(window, offset, length)) {
            return false;
        }
        if !is_plain {
            found.next += lost_at_most(length - offset);
            found.end = found.next;
        }
        let cut = file.set_len(offset).and_then(|()| file.sync_data());
        cut.inspect_err(|fault| unsynced(self.number, fault)).is_ok()
    }

    /// Copies a damaged place; false where there was no room for a copy.
    fn quarantine(&self, window: &mut Window<'_>, start: u64, end: u64) -> bool {
        let directory = self.directory.join("quarantine");
        let path = directory.join(format!("{:016x}-{start}-{end}.bad", self.number));
        tracing::error!(target: "relent::spool", segment = self.number, start, end,
            unreadable = window.is_unreadable(start, end), copy = %path.display(),
            "a damaged place in the spool was passed over");
        metrics::counter!("relent_spool_damaged_total").increment(1);
        if self.disk.open(&path).is_ok() {
            return true; // copied at an earlier start
        }
        let copied = self.copy(window, (start, end), &directory, &path);
        copied
            .inspect_err(|fault| {
                tracing::error!(target: "relent::spool", %fault, copy = %path.display(),
                    "the damaged place could not be copied: its segment is kept as it is");
            })
            .is_ok()
    }

    fn copy(
        &self,
        window: &mut Window<'_>,
        (start, end): (u64, u64),
        directory: &Path,
        path: &Path,
    ) -> io::Result<()> {
        self.disk.create_directory(directory)?;
        let fresh = path.with_extension("tmp");
        let _ = self.disk.remove(&fresh);
        let copy = self.disk.create(&fresh)?;
        let mut at = start;
        let mut copied = Ok(());
        while at < end && copied.is_ok() {
            let count = usize::try_from((end - at).min(1 << 20)).unwrap_or(0);
            let bytes = window.get(at, count).unwrap_or_default();
            copied = copy.write_at(bytes, at - start);
            at += count as u64;
        }
        let done = copied
            .and_then(|()| copy.sync_data())
            .and_then(|()| self.disk.rename(&fresh, path))
            .and_then(|()| self.disk.sync_directory(directory));
        if done.is_err() {
            let _ = self.disk.remove(&fresh);
        }
        done
    }
}

/// How many records may have stood in so many damaged bytes: their numbers must not be used again,
/// since readers may have come past them.
fn lost_at_most(bytes: u64) -> u64 {
    bytes / RECORD_HEADER as u64 + 1
}

/// The version of a segment without a header: that of which it holds records.
fn version(file: &dyn DiskFile, length: u64, salt: Salt) -> u32 {
    let holds = |version: &u32| Window::new(file, length, *version, salt).resync(0).is_some();
    (1..=VERSION).rev().find(holds).unwrap_or(VERSION)
}

fn unsynced(segment: u64, fault: &io::Error) {
    tracing::error!(target: "relent::spool", %fault, segment,
        "a segment could not be mended; it stays as it is and a new one is begun");
}
