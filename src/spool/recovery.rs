//! What a crash left: every segment is read, an unfinished write at the end is cut, a damaged place in
//! the middle is copied to `quarantine/` and passed over.

use super::record::{self, HEAD, Head, Kind, Record, Sequence};
use super::segment::{self, HEADER, Segment};
use crate::mail::Timestamp;
use crate::world::{Disk, DiskFile};
use std::io;
use std::path::Path;

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

/// A stretch of a segment: either a record or bytes that are none.
pub(super) enum Stretch<'a> {
    Record(Head, &'a [u8]),
    Damage { from: usize, to: usize },
}

/// Walks the records of a segment's bytes, from `at`.
pub(super) fn walk<'a>(bytes: &'a [u8], mut at: usize, mut each: impl FnMut(usize, Stretch<'a>)) {
    while at < bytes.len() {
        if let Some((head, payload)) = whole_record(bytes, at) {
            let start = at;
            at += HEAD + payload.len();
            each(start, Stretch::Record(head, payload));
            continue;
        }
        let mut next = at + 1;
        let end = loop {
            match record::find_marker(bytes, next) {
                Some(place) if whole_record(bytes, place).is_some() => break place,
                Some(place) => next = place + 1,
                None => break bytes.len(),
            }
        };
        each(at, Stretch::Damage { from: at, to: end });
        at = end;
    }
}

fn whole_record(bytes: &[u8], at: usize) -> Option<(Head, &[u8])> {
    let head = Head::read(bytes.get(at..)?)?;
    let payload = bytes.get(at + HEAD..)?.get(..head.length)?;
    head.fits(payload).then_some((head, payload))
}

/// What the segments hold once they are repaired.
pub(super) struct Repaired {
    pub(super) segments: Vec<Segment>,
    /// The sequence after the last.
    pub(super) next: Sequence,
    /// Where the last segment's records end.
    pub(super) tail: u64,
    pub(super) report: Recovery,
}

/// Reads and repairs every segment of a folder.
pub(super) fn repair(disk: &dyn Disk, folder: &Path, now: Timestamp) -> io::Result<Repaired> {
    let paths: Vec<_> = disk
        .list(folder)?
        .into_iter()
        .filter_map(|path| segment::number_of(&path).map(|number| (number, path)))
        .collect();
    let mut repaired = Repaired {
        segments: Vec::new(),
        next: Sequence(1),
        tail: HEADER as u64,
        report: Recovery::default(),
    };
    let last = paths.last().map(|(number, _)| *number);
    for (number, path) in paths {
        let file = disk.open(&path)?;
        let bytes = read_all(&*file)?;
        let is_last = Some(number) == last;
        let (first, created) = match segment::read_header(&bytes, number) {
            Some(found) => found,
            None if is_last && bytes.len() <= HEADER => {
                // The crash fell into the segment's creation: nothing was ever answered from it.
                let first = repaired.next;
                file.set_len(0)?;
                file.write_at(&segment::header(number, first, now), 0)?;
                file.sync_data()?;
                repaired.report.torn_bytes += bytes.len() as u64;
                (first, now)
            }
            None => {
                quarantine(disk, folder, number, 0, &bytes[..bytes.len().min(HEADER)])?;
                repaired.report.quarantined += 1;
                (repaired.next, now)
            }
        };
        repaired.next = repaired.next.max(first);
        repaired.tail = HEADER.max(bytes.len()) as u64;
        let mut damaged = Vec::new();
        let mut torn = None;
        walk(&bytes, HEADER, |_, stretch| match stretch {
            Stretch::Record(head, _) => {
                repaired.report.records += 1;
                repaired.next = repaired.next.max(Sequence(head.sequence.0 + 1));
            }
            Stretch::Damage { from, to } if is_last && to == bytes.len() => torn = Some(from),
            Stretch::Damage { from, to } => damaged.push((from, to)),
        });
        for (from, to) in damaged {
            quarantine(disk, folder, number, from, &bytes[from..to])?;
            repaired.report.quarantined += 1;
        }
        if let Some(from) = torn {
            file.set_len(from as u64)?;
            file.sync_data()?;
            repaired.report.torn_bytes += (bytes.len() - from) as u64;
            repaired.tail = from as u64;
        }
        repaired.report.segments += 1;
        repaired.segments.push(Segment {
            number,
            first,
            created,
            path,
            file,
        });
    }
    Ok(repaired)
}

/// Keeps a copy of bytes that are no record; the segment itself is left as it is.
fn quarantine(
    disk: &dyn Disk,
    folder: &Path,
    number: u64,
    from: usize,
    bytes: &[u8],
) -> io::Result<()> {
    let quarantine = folder.join("quarantine");
    disk.create_directory(&quarantine)?;
    let path = quarantine.join(format!("{number:016x}-{from:08x}"));
    match disk.create(&path) {
        Ok(file) => {
            file.write_at(bytes, 0)?;
            file.sync_data()?;
            disk.sync_directory(&quarantine)
        }
        // The same damage was copied at an earlier start.
        Err(fault) if fault.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(fault) => Err(fault),
    }
}

pub(super) fn read_all(file: &dyn DiskFile) -> io::Result<Vec<u8>> {
    let length = usize::try_from(file.len()?).map_err(io::Error::other)?;
    let mut bytes = vec![0; length];
    file.read_at(&mut bytes, 0)?;
    Ok(bytes)
}

/// The records of a segment other than bodies, from a sequence on.
pub(super) fn records(bytes: &[u8], from: Sequence, limit: usize, found: &mut Vec<Record>) {
    walk(bytes, HEADER, |_, stretch| {
        if let Stretch::Record(head, payload) = stretch
            && head.kind != Kind::BODY
            && head.sequence >= from
            && found.len() < limit
        {
            found.push(Record {
                sequence: head.sequence,
                kind: head.kind,
                payload: payload.to_vec(),
            });
        }
    });
}
