//! A record on disk: marker, length, CRC32C over what follows it, sequence, kind, payload.

use serde::{Deserialize, Serialize};

/// A record's place in the log: counts up by one and is never used again.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default,
)]
#[serde(transparent)]
pub struct Sequence(pub u64);

/// What a record is, for its owner: the spool only tells bodies (kind 0) from everything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Kind(pub u8);

impl Kind {
    /// A piece of a body.
    pub(super) const BODY: Self = Self(0);
}

/// A record read back.
#[derive(Debug, Clone)]
pub struct Record {
    /// Its place.
    pub sequence: Sequence,
    /// What it is.
    pub kind: Kind,
    /// Its content.
    pub payload: Vec<u8>,
}

/// Begins every record, so that reading can find its way again after damage.
const MARKER: [u8; 4] = *b"\xa5RlR";
/// Marker, length, checksum.
const PREFIX: usize = 12;
/// Prefix, sequence, kind: what stands before the payload.
pub(super) const HEAD: usize = PREFIX + 9;
/// Longest payload; anything longer on disk is damage.
pub(super) const PAYLOAD_MAX: usize = 64 << 20;

/// Appends a record to `out`; returns where its payload begins in `out`.
pub(super) fn write(out: &mut Vec<u8>, sequence: Sequence, kind: Kind, payload: &[u8]) -> usize {
    let length = u32::try_from(payload.len()).expect("a payload is at most PAYLOAD_MAX long");
    out.extend_from_slice(&MARKER);
    out.extend_from_slice(&length.to_le_bytes());
    let head = head(sequence, kind);
    let crc = crc32c::crc32c_append(crc32c::crc32c(&head), payload);
    out.extend_from_slice(&crc.to_le_bytes());
    out.extend_from_slice(&head);
    let start = out.len();
    out.extend_from_slice(payload);
    start
}

fn head(sequence: Sequence, kind: Kind) -> [u8; 9] {
    let mut head = [0; 9];
    head[..8].copy_from_slice(&sequence.0.to_le_bytes());
    head[8] = kind.0;
    head
}

/// A record's head as read from disk, its checksum not yet checked.
pub(super) struct Head {
    pub(super) length: usize,
    pub(super) sequence: Sequence,
    pub(super) kind: Kind,
    crc: u32,
}

impl Head {
    /// Reads a head; `None` where there is none.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; HEAD] = bytes.get(..HEAD)?.try_into().ok()?;
        let word = |at: usize| bytes[at..at + 4].try_into().map(u32::from_le_bytes).ok();
        let length = usize::try_from(word(4)?).ok()?;
        let sequence = bytes[PREFIX..PREFIX + 8]
            .try_into()
            .map(u64::from_le_bytes)
            .ok()?;
        (bytes[..4] == MARKER && length <= PAYLOAD_MAX).then_some(Self {
            length,
            sequence: Sequence(sequence),
            kind: Kind(bytes[HEAD - 1]),
            crc: word(8)?,
        })
    }

    /// Whether the payload is the one that was written.
    pub(super) fn fits(&self, payload: &[u8]) -> bool {
        let head = head(self.sequence, self.kind);
        crc32c::crc32c_append(crc32c::crc32c(&head), payload) == self.crc
    }
}

/// The next place at or after `from` where a marker stands.
pub(super) fn find_marker(bytes: &[u8], from: usize) -> Option<usize> {
    let rest = bytes.get(from..)?;
    rest.windows(MARKER.len())
        .position(|window| window == MARKER)
        .map(|at| from + at)
}
