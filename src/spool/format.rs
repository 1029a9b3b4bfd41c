//! How segments and records lie on disk. Checksums are salted with random bytes of the spool, so that
//! nobody can mail us bytes that would be taken for a record when a damaged place is passed over.

use super::{Kind, Record, Sequence};
use crate::world::DiskFile;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Length of one copy of a segment's header.
const HEADER_COPY: usize = 40;
/// Length of a segment's header: two copies, so that no flipped byte can cost the salt, without which
/// every record would be damage.
pub(super) const SEGMENT_HEADER: u64 = SEGMENT_HEADER_BYTES as u64;
/// The same, as memory is counted.
pub(super) const SEGMENT_HEADER_BYTES: usize = 2 * HEADER_COPY;
/// Length of what stands before a record's payload.
pub(super) const RECORD_HEADER: usize = 29;
/// Largest payload.
pub(super) const PAYLOAD_MAX: usize = 32 << 20;
/// The kind of a piece of a body.
pub(super) const BODY: Kind = Kind(0);
/// The kind of a piece of a body in a segment that was rewritten: eight bytes that say where the piece
/// began when it was accepted, then its bytes.
pub(super) const MOVED: Kind = Kind(255);
/// How many bytes those are.
pub(super) const MOVED_FROM: usize = 8;

const MAGIC: &[u8; 8] = b"RELENTSP";
/// The version that is written. In version 1 every record began with the same four bytes.
pub(super) const VERSION: u32 = 2;
/// What a record of version 1 begins with.
const MARKER: [u8; 4] = [0xA7, 0x52, 0x4C, 0x1D];
const WINDOW: u64 = 256 << 10;
/// How often a read is tried before its place counts as unreadable.
const READ_TRIES: u32 = 3;
/// The pause between two tries.
const READ_PAUSE: Duration = Duration::from_millis(20);
/// The steps in which a place that cannot be read at once is read.
const SECTOR: u64 = 4 << 10;

/// Random bytes of the spool, the same in all its segments.
pub(super) type Salt = [u8; 8];

/// The file of a segment.
pub(super) fn path(directory: &Path, number: u64) -> PathBuf {
    directory.join(format!("{number:016x}.seg"))
}

/// What a segment's header says.
pub(super) struct SegmentHeader {
    pub(super) version: u32,
    pub(super) salt: Salt,
    pub(super) number: u64,
    pub(super) first: u64,
}

impl SegmentHeader {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::from(*MAGIC);
        bytes.extend(self.version.to_le_bytes());
        bytes.extend(self.salt);
        bytes.extend(self.number.to_le_bytes());
        bytes.extend(self.first.to_le_bytes());
        let crc = crc32c::crc32c(&bytes);
        bytes.extend(crc.to_le_bytes());
        bytes.repeat(2)
    }

    /// Reads whichever copy is whole.
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        bytes.chunks_exact(HEADER_COPY).find_map(Self::decode_copy)
    }

    fn decode_copy(bytes: &[u8]) -> Option<Self> {
        let (head, crc) = bytes.split_at_checked(36)?;
        let right = head.starts_with(MAGIC)
            && (1..=VERSION).contains(&number32(head, 8))
            && number32(crc, 0) == crc32c::crc32c(head);
        right.then(|| Self {
            version: number32(head, 8),
            salt: head[12..20].try_into().expect("eight bytes"),
            number: number64(head, 20),
            first: number64(head, 28),
        })
    }
}

pub(super) fn number32(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

pub(super) fn number64(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

fn checksum(salt: Salt, covered: &[u8], payload: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c_append(crc32c::crc32c(&salt), covered), payload)
}

/// What a record begins with: in version 2 a checksum of its header, so that a place is known to be no
/// record, or an unfinished one, before its payload is looked at. Without the salt nobody can make one.
fn front(version: u32, salt: Salt, length: &[u8], covered: &[u8]) -> [u8; 4] {
    if version == 1 {
        return MARKER;
    }
    let sum = crc32c::crc32c_append(crc32c::crc32c(&salt), length);
    crc32c::crc32c_append(sum, covered).to_le_bytes()
}

/// Adds a record to `buffer`. `oldest` is the oldest segment that holds a piece of its body.
pub(super) fn put(
    buffer: &mut Vec<u8>,
    salt: Salt,
    sequence: u64,
    oldest: u64,
    kind: Kind,
    payload: &[u8],
) {
    let mut covered = [0; 17];
    covered[..8].copy_from_slice(&sequence.to_le_bytes());
    covered[8..16].copy_from_slice(&oldest.to_le_bytes());
    covered[16] = kind.0;
    let length = u32::try_from(payload.len()).expect("payloads are at most 32 MiB").to_le_bytes();
    buffer.extend(front(VERSION, salt, &length, &covered));
    buffer.extend(length);
    buffer.extend(checksum(salt, &covered, payload).to_le_bytes());
    buffer.extend(covered);
    buffer.extend(payload);
}

/// A record's place and header.
#[derive(Clone, Copy)]
pub(super) struct Head {
    pub(super) sequence: u64,
    pub(super) oldest: u64,
    pub(super) kind: Kind,
    pub(super) length: usize,
}

impl Head {
    /// Whether it is a piece of a body, of which the spool's owner knows nothing.
    pub(super) fn is_body(&self) -> bool {
        self.kind == BODY || self.kind == MOVED
    }

    /// The bytes of the whole record.
    pub(super) fn span(&self) -> u64 {
        (RECORD_HEADER + self.length) as u64
    }
}

/// Fills `bytes` from `offset`, and tries again where the disk fails once or twice.
pub(super) fn read(file: &dyn DiskFile, bytes: &mut [u8], offset: u64) -> io::Result<()> {
    let mut tries = 1;
    loop {
        match file.read_at(bytes, offset) {
            Err(fault) if tries < READ_TRIES && fault.kind() != io::ErrorKind::UnexpectedEof => {
                tracing::warn!(target: "relent::spool", %fault, offset, "a read failed and is tried again");
                tries += 1;
                std::thread::sleep(READ_PAUSE);
            }
            outcome => return outcome,
        }
    }
}

/// A part of a segment's file in memory, moved along as it is read. Sectors that the disk does not give
/// stand as zeros, and are told apart from what is merely no record.
pub(super) struct Window<'a> {
    file: &'a dyn DiskFile,
    length: u64,
    version: u32,
    salt: Salt,
    /// Bytes that are read at a time.
    size: u64,
    start: u64,
    bytes: Vec<u8>,
    /// Where the disk gave nothing: start and end of each sector, as they were met.
    pub(super) unreadable: Vec<(u64, u64)>,
}

impl<'a> Window<'a> {
    pub(super) fn new(file: &'a dyn DiskFile, length: u64, version: u32, salt: Salt) -> Self {
        let (start, bytes, unreadable) = (0, Vec::new(), Vec::new());
        Self { file, length, version, salt, size: WINDOW, start, bytes, unreadable }
    }

    /// For reading here and there.
    pub(super) fn narrow(file: &'a dyn DiskFile, length: u64, version: u32, salt: Salt) -> Self {
        Self { size: SECTOR, ..Self::new(file, length, version, salt) }
    }

    /// `count` bytes at `offset`; `None` past the end.
    pub(super) fn get(&mut self, offset: u64, count: usize) -> Option<&[u8]> {
        let end = offset.saturating_add(count as u64);
        if end > self.length {
            return None;
        }
        if offset < self.start || end > self.start + self.bytes.len() as u64 {
            let size = self.size.max(count as u64).min(self.length - offset);
            self.bytes.clear();
            self.bytes.resize(usize::try_from(size).unwrap_or(usize::MAX), 0);
            self.start = offset;
            if read(self.file, &mut self.bytes, offset).is_err() {
                self.piecemeal();
            }
        }
        let from = usize::try_from(offset - self.start).unwrap_or(usize::MAX);
        self.bytes.get(from..from + count)
    }

    /// Fills the window sector by sector, leaving out what cannot be read.
    fn piecemeal(&mut self) {
        let mut at = self.start;
        let end = at + self.bytes.len() as u64;
        while at < end {
            let next = ((at / SECTOR + 1) * SECTOR).min(end);
            let place = |offset: u64| usize::try_from(offset - self.start).unwrap_or(usize::MAX);
            let (from, to) = (place(at), place(next));
            let known = self.unreadable.iter().any(|(start, end)| *start <= at && next <= *end);
            let given = !known && read(self.file, &mut self.bytes[from..to], at).is_ok();
            if !given {
                self.bytes[from..to].fill(0);
            }
            if !given && !known {
                tracing::error!(target: "relent::spool", start = at, end = next,
                    "a place in the spool cannot be read");
                metrics::counter!("relent_spool_unreadable_total").increment(1);
                self.unreadable.push((at, next));
            }
            at = next;
        }
    }

    /// Whether a part of this range could not be read.
    pub(super) fn is_unreadable(&self, start: u64, end: u64) -> bool {
        self.unreadable.iter().any(|(from, to)| *from < end && start < *to)
    }

    /// Whether all bytes of this range are zero.
    pub(super) fn is_zero(&mut self, mut start: u64, end: u64) -> bool {
        while start < end {
            let count = usize::try_from((end - start).min(WINDOW)).unwrap_or(0);
            if !self.get(start, count).is_some_and(|bytes| bytes.iter().all(|byte| *byte == 0)) {
                return false;
            }
            start += count as u64;
        }
        true
    }

    /// The header of a record at `offset`, wherever the record ends.
    fn header(&mut self, offset: u64) -> Option<Head> {
        let (version, salt) = (self.version, self.salt);
        parse(self.get(offset, RECORD_HEADER)?, version, salt)
    }

    /// Whether a record that was being written last begins at `offset`: its header is cut, or right
    /// and its end past the file's.
    pub(super) fn is_unfinished(&mut self, offset: u64) -> bool {
        let (left, length) = (self.length - offset, self.length);
        if left < RECORD_HEADER as u64 {
            return true;
        }
        self.header(offset).is_some_and(|head| offset + head.span() > length)
    }

    /// The header of the record at `offset`, its payload not yet looked at.
    pub(super) fn head(&mut self, offset: u64) -> Option<Head> {
        let length = self.length;
        self.header(offset).filter(|head| offset.saturating_add(head.span()) <= length)
    }

    /// The head and the payload of the record at `offset`, if it is whole.
    pub(super) fn whole(&mut self, offset: u64) -> Option<(Head, &[u8])> {
        let head = self.head(offset)?;
        let salt = self.salt;
        let bytes = self.get(offset, RECORD_HEADER + head.length)?;
        let payload = &bytes[RECORD_HEADER..];
        let is_whole = checksum(salt, &bytes[12..RECORD_HEADER], payload) == number32(bytes, 8);
        is_whole.then_some((head, payload))
    }

    /// The record at `offset`, if it is whole.
    pub(super) fn record(&mut self, offset: u64) -> Option<(Head, Record)> {
        let (head, payload) = self.whole(offset)?;
        let payload = payload.to_vec();
        Some((head, Record { sequence: Sequence(head.sequence), kind: head.kind, payload }))
    }

    /// Where the next whole record begins at or after `offset`. Only where a header's own checksum is
    /// right is a payload read, so that this takes time in proportion to the damage.
    pub(super) fn resync(&mut self, mut offset: u64) -> Option<u64> {
        let (version, salt) = (self.version, self.salt);
        while offset + (RECORD_HEADER as u64) <= self.length {
            let count = usize::try_from((self.length - offset).min(WINDOW)).unwrap_or(0);
            let bytes = self.get(offset, count)?;
            let is_head = |bytes: &[u8]| parse(bytes, version, salt).is_some();
            match bytes.windows(RECORD_HEADER).position(is_head) {
                Some(at) => {
                    offset += at as u64;
                    if self.whole(offset).is_some() {
                        return Some(offset);
                    }
                    offset += 1;
                }
                None => offset += (count - RECORD_HEADER + 1) as u64,
            }
        }
        None
    }
}

/// A record's header, if these bytes are one.
fn parse(bytes: &[u8], version: u32, salt: Salt) -> Option<Head> {
    if version == 1 && !bytes.starts_with(&MARKER) {
        return None;
    }
    let head = Head {
        length: number32(bytes, 4) as usize,
        sequence: number64(bytes, 12),
        oldest: number64(bytes, 20),
        kind: Kind(bytes[28]),
    };
    let sound = head.length <= PAYLOAD_MAX
        && bytes[..4] == front(version, salt, &bytes[4..8], &bytes[12..RECORD_HEADER]);
    sound.then_some(head)
}
