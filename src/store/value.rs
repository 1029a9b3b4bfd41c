//! A value as it lies in the engine: version byte, postcard, CRC32C over both.

use super::{Record, StoreFault};

/// Bytes of the checksum at the end.
const CHECKSUM: usize = 4;

/// Whether the checksum at the end is that of what stands before it.
pub(super) fn is_whole(bytes: &[u8]) -> bool {
    content(bytes).is_some()
}

fn content(bytes: &[u8]) -> Option<&[u8]> {
    let (content, checksum) = bytes.split_last_chunk::<CHECKSUM>()?;
    let whole = !content.is_empty() && crc32c::crc32c(content).to_le_bytes() == *checksum;
    whole.then_some(content)
}

/// Writes a record's value.
pub(super) fn encode<R: Record>(record: &R) -> Vec<u8> {
    let mut bytes = postcard::to_extend(record, vec![R::VERSION])
        .expect("records are plain data, which postcard always encodes");
    let checksum = crc32c::crc32c(&bytes);
    bytes.extend_from_slice(&checksum.to_le_bytes());
    bytes
}

/// Reads a record's value; what cannot be read is damage.
pub(super) fn decode<R: Record>(bytes: &[u8]) -> Result<R, StoreFault> {
    let damaged =
        |what: &str| StoreFault::Damaged(format!("a value of table `{}` {what}", R::TABLE.name()));
    let (version, rest) = content(bytes)
        .and_then(<[u8]>::split_first)
        .ok_or_else(|| damaged("has a wrong checksum"))?;
    let read = if *version == R::VERSION {
        postcard::from_bytes(rest).ok()
    } else {
        R::decode_old(*version, rest)
    };
    read.ok_or_else(|| damaged(&format!("of version {version} cannot be read")))
}
