//! What opening finds: every record is verified, a torn tail is cut, a damaged place is copied to
//! `quarantine/` and passed over.

use super::Recovery;
use super::format::{self, SEGMENT_HEADER, Salt, SegmentHeader, Window};
use super::log::Segment;
use crate::world::{Disk, DiskFile, World};
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::Path;

/// The state of the log after opening.
pub(super) struct Found {
    pub(super) salt: Salt,
    pub(super) segments: BTreeMap<u64, Segment>,
    pub(super) reaches: HashMap<u64, u64>,
    pub(super) next: u64,
    pub(super) recovery: Recovery,
}

/// Reads and repairs all segments.
pub(super) fn recover(directory: &Path, world: &World) -> io::Result<Found> {
    let disk = world.disk.as_ref();
    let mut files = Vec::new();
    for path in disk.list(directory)? {
        let name = path.file_name().and_then(|n| n.to_str()).unwrap_or("");
        if name.ends_with(".tmp") {
            disk.remove(&path)?;
        } else if let Some(number) =
            name.strip_suffix(".seg").and_then(|n| u64::from_str_radix(n, 16).ok())
        {
            files.push((number, disk.open(&path)?));
        }
    }
    let mut salt = Salt::default();
    world.chance.fill(&mut salt);
    let mut headers = HashMap::new();
    for (number, file) in &files {
        let mut bytes = [0; SEGMENT_HEADER as usize];
        let read = file.len()? >= SEGMENT_HEADER && file.read_at(&mut bytes, 0).is_ok();
        if let Some(header) = read.then(|| SegmentHeader::decode(&bytes)).flatten() {
            salt = header.salt;
            headers.insert(*number, header);
        }
    }
    let mut found = Found {
        salt,
        segments: BTreeMap::new(),
        reaches: HashMap::new(),
        next: 1,
        recovery: Recovery::default(),
    };
    let last = files.last().map(|(number, _)| *number);
    for (number, file) in files {
        let scan = Scan { directory, disk, number, is_last: Some(number) == last };
        scan.segment(file.as_ref(), headers.get(&number), world, &mut found)?;
    }
    disk.sync_directory(directory)?;
    Ok(found)
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
        world: &World,
        found: &mut Found,
    ) -> io::Result<()> {
        let length = file.len()?;
        let mut window = Window::new(file, length);
        let mut segment = Segment {
            first: header.map_or(found.next, |h| h.first),
            length,
            newest: world.clock.now(),
            ..Segment::default()
        };
        let mut any = false;
        let mut offset =
            if header.is_some_and(|h| h.number == self.number) { SEGMENT_HEADER } else { 0 };
        found.next = found.next.max(segment.first);
        while offset < length {
            let whole = window.record(offset, found.salt).or_else(unreadable)?;
            if let Some((head, _)) = whole {
                if !any && header.is_none() {
                    segment.first = head.sequence;
                }
                any = true;
                segment.bodies |= head.kind == format::BODY;
                if head.oldest < self.number {
                    found.reaches.insert(head.sequence, head.oldest);
                }
                found.recovery.records += 1;
                found.next = found.next.max(head.sequence + 1);
                offset += head.span();
                continue;
            }
            let next = window.resync(offset + 1, found.salt).or_else(unreadable)?;
            if next.is_none() && self.is_last && header.is_some() {
                found.recovery.torn_bytes += length - offset;
                segment.length = offset;
                file.set_len(offset)?;
                file.sync_data()?;
                break;
            }
            let end = next.unwrap_or(length);
            self.quarantine(file, offset, end)?;
            found.recovery.quarantined += 1;
            segment.damaged.push((offset, end));
            offset = end;
        }
        if segment.length < SEGMENT_HEADER {
            // A segment whose very header was not yet durable: nothing in it was acknowledged.
            return self.disk.remove(&format::path(self.directory, self.number));
        }
        if header.is_none() {
            // What stood here is in quarantine; what will be written here must be found again.
            let (salt, number, first) = (found.salt, self.number, segment.first);
            file.write_at(&SegmentHeader { salt, number, first }.encode(), 0)?;
            file.sync_data()?;
        }
        found.recovery.segments += 1;
        found.segments.insert(self.number, segment);
        Ok(())
    }

    fn quarantine(&self, file: &dyn DiskFile, start: u64, end: u64) -> io::Result<()> {
        let directory = self.directory.join("quarantine");
        self.disk.create_directory(&directory)?;
        let path = directory.join(format!("{:016x}-{start}.bad", self.number));
        tracing::warn!(target: "relent::spool", segment = self.number, start, end, copy = %path.display(),
            "a damaged place in the spool was passed over");
        let Ok(copy) = self.disk.create(&path) else {
            return Ok(()); // copied at an earlier start
        };
        let mut at = start;
        while at < end {
            let count = usize::try_from((end - at).min(1 << 20)).unwrap_or(0);
            let mut bytes = vec![0; count];
            if file.read_at(&mut bytes, at).is_ok() {
                copy.write_at(&bytes, at - start)?;
            }
            at += count as u64;
        }
        copy.sync_data()?;
        self.disk.sync_directory(&directory)
    }
}

/// A sector that cannot be read is damage like any other.
fn unreadable<T>(fault: io::Error) -> io::Result<Option<T>> {
    tracing::warn!(target: "relent::spool", %fault, "a place in the spool cannot be read");
    Ok(None)
}
