//! A value as it lies in the engine: version byte, postcard, CRC32C over its key and both, so that a
//! value under a wrong key is damage. Values of earlier builds have a checksum without the key.

use super::{Record, StoreFault};

/// Bytes of the checksum at the end.
const CHECKSUM: usize = 4;

/// Whether the checksum at the end is that of the key and of what stands before it.
pub(super) fn is_whole(key: &[u8], bytes: &[u8]) -> bool {
    content(key, bytes).is_some()
}

fn content<'a>(key: &[u8], bytes: &'a [u8]) -> Option<&'a [u8]> {
    let (content, checksum) = bytes.split_last_chunk::<CHECKSUM>()?;
    let given = u32::from_le_bytes(*checksum);
    let whole = given == sum(key, content) || given == crc32c::crc32c(content);
    (whole && !content.is_empty()).then_some(content)
}

fn sum(key: &[u8], content: &[u8]) -> u32 {
    // The length keeps a byte of the key from passing for one of the value.
    let length = u64::try_from(key.len()).unwrap_or(u64::MAX).to_le_bytes();
    let head = crc32c::crc32c_append(crc32c::crc32c(&length), key);
    crc32c::crc32c_append(head, content)
}

/// Writes a record's value.
pub(super) fn encode<R: Record>(key: &[u8], record: &R) -> Vec<u8> {
    let mut bytes = postcard::to_extend(record, vec![R::VERSION])
        .expect("records are plain data, which postcard always encodes");
    let checksum = sum(key, &bytes);
    bytes.extend_from_slice(&checksum.to_le_bytes());
    bytes
}

/// Reads a record's value; what cannot be read is damage.
pub(super) fn decode<R: Record>(key: &[u8], bytes: &[u8]) -> Result<R, StoreFault> {
    let damaged =
        |what: &str| StoreFault::Damaged(format!("a value of table `{}` {what}", R::TABLE.name()));
    let (version, rest) = content(key, bytes)
        .and_then(<[u8]>::split_first)
        .ok_or_else(|| damaged("has a wrong checksum"))?;
    let read = if *version == R::VERSION {
        postcard::from_bytes(rest).ok()
    } else {
        R::decode_old(*version, rest)
    };
    read.ok_or_else(|| damaged(&format!("of version {version} cannot be read")))
}
