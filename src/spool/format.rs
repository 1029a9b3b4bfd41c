//! How segments and records lie on disk. Checksums are salted with random bytes of the spool, so that
//! nobody can mail us bytes that would be taken for a record when a damaged place is passed over.

use super::{Kind, Record, Sequence};
use crate::world::DiskFile;
use std::io;
use std::path::{Path, PathBuf};

/// Length of one copy of a segment's header.
const HEADER_COPY: usize = 40;
/// Length of a segment's header: two copies, so that no flipped byte can cost the salt, without which
/// every record would be damage.
pub(super) const SEGMENT_HEADER: u64 = 2 * HEADER_COPY as u64;
/// Length of what stands before a record's payload.
pub(super) const RECORD_HEADER: usize = 29;
/// Largest payload.
pub(super) const PAYLOAD_MAX: usize = 32 << 20;
/// The kind of a piece of a body.
pub(super) const BODY: Kind = Kind(0);

const MAGIC: &[u8; 8] = b"RELENTSP";
const VERSION: u32 = 1;
const MARKER: [u8; 4] = [0xA7, 0x52, 0x4C, 0x1D];
const WINDOW: u64 = 256 << 10;

/// Random bytes of the spool, the same in all its segments.
pub(super) type Salt = [u8; 8];

/// The file of a segment.
pub(super) fn path(directory: &Path, number: u64) -> PathBuf {
    directory.join(format!("{number:016x}.seg"))
}

/// What a segment's header says.
pub(super) struct SegmentHeader {
    pub(super) salt: Salt,
    pub(super) number: u64,
    pub(super) first: u64,
}

impl SegmentHeader {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::from(*MAGIC);
        bytes.extend(VERSION.to_le_bytes());
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
            && number32(head, 8) == VERSION
            && number32(crc, 0) == crc32c::crc32c(head);
        right.then(|| Self {
            salt: head[12..20].try_into().expect("eight bytes"),
            number: number64(head, 20),
            first: number64(head, 28),
        })
    }
}

fn number32(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

fn number64(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

fn checksum(salt: Salt, covered: &[u8], payload: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c_append(crc32c::crc32c(&salt), covered), payload)
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
    let length = u32::try_from(payload.len()).expect("payloads are at most 32 MiB");
    buffer.extend(MARKER);
    buffer.extend(length.to_le_bytes());
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
    /// The bytes of the whole record.
    pub(super) fn span(&self) -> u64 {
        (RECORD_HEADER + self.length) as u64
    }
}

/// A part of a segment's file in memory, moved along as it is read.
pub(super) struct Window<'a> {
    file: &'a dyn DiskFile,
    length: u64,
    start: u64,
    bytes: Vec<u8>,
}

impl<'a> Window<'a> {
    pub(super) fn new(file: &'a dyn DiskFile, length: u64) -> Self {
        Self { file, length, start: 0, bytes: Vec::new() }
    }

    /// `count` bytes at `offset`; `None` past the end.
    pub(super) fn get(&mut self, offset: u64, count: usize) -> io::Result<Option<&[u8]>> {
        let end = offset.saturating_add(count as u64);
        if end > self.length {
            return Ok(None);
        }
        if offset < self.start || end > self.start + self.bytes.len() as u64 {
            let size = WINDOW.max(count as u64).min(self.length - offset);
            self.bytes.resize(usize::try_from(size).unwrap_or(usize::MAX), 0);
            self.start = offset;
            if let Err(fault) = self.file.read_at(&mut self.bytes, offset) {
                self.bytes.clear();
                return Err(fault);
            }
        }
        let from = usize::try_from(offset - self.start).unwrap_or(usize::MAX);
        Ok(self.bytes.get(from..from + count))
    }

    /// The header of the record at `offset`, its checksum not yet looked at.
    pub(super) fn head(&mut self, offset: u64) -> io::Result<Option<Head>> {
        let length = self.length;
        let Some(bytes) = self.get(offset, RECORD_HEADER)? else {
            return Ok(None);
        };
        let head = Head {
            length: number32(bytes, 4) as usize,
            sequence: number64(bytes, 12),
            oldest: number64(bytes, 20),
            kind: Kind(bytes[28]),
        };
        let sound = bytes[..4] == MARKER
            && head.length <= PAYLOAD_MAX
            && offset.saturating_add(head.span()) <= length;
        Ok(sound.then_some(head))
    }

    /// The record at `offset`, if it is whole.
    pub(super) fn record(&mut self, offset: u64, salt: Salt) -> io::Result<Option<(Head, Record)>> {
        let Some(head) = self.head(offset)? else {
            return Ok(None);
        };
        let Some(bytes) = self.get(offset, RECORD_HEADER + head.length)? else {
            return Ok(None);
        };
        let payload = &bytes[RECORD_HEADER..];
        if checksum(salt, &bytes[12..RECORD_HEADER], payload) != number32(bytes, 8) {
            return Ok(None);
        }
        let record = Record {
            sequence: Sequence(head.sequence),
            kind: head.kind,
            payload: payload.to_vec(),
        };
        Ok(Some((head, record)))
    }

    /// Where the next whole record begins at or after `offset`.
    pub(super) fn resync(&mut self, mut offset: u64, salt: Salt) -> io::Result<Option<u64>> {
        while offset + (RECORD_HEADER as u64) <= self.length {
            let count = usize::try_from((self.length - offset).min(WINDOW)).unwrap_or(0);
            let Some(bytes) = self.get(offset, count)? else {
                return Ok(None);
            };
            match bytes.windows(4).position(|w| w == MARKER) {
                Some(at) => {
                    offset += at as u64;
                    if self.record(offset, salt)?.is_some() {
                        return Ok(Some(offset));
                    }
                    offset += 1;
                }
                None => offset += (count.saturating_sub(3)).max(1) as u64,
            }
        }
        Ok(None)
    }
}
