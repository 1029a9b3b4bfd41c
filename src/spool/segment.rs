//! A segment: one file of the log. Its name and header carry its number; its records follow.

use super::record::Sequence;
use crate::mail::Timestamp;
use crate::world::{Disk, DiskFile};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

const MAGIC: [u8; 8] = *b"RELENTSP";
const VERSION: u32 = 1;
/// Magic, version, number, first sequence, creation, checksum.
pub(super) const HEADER: usize = 40;

/// An open segment.
pub(super) struct Segment {
    pub(super) number: u64,
    pub(super) first: Sequence,
    pub(super) created: Timestamp,
    pub(super) path: PathBuf,
    pub(super) file: Arc<dyn DiskFile>,
}

pub(super) fn path(folder: &Path, number: u64) -> PathBuf {
    folder.join(format!("{number:016x}.seg"))
}

/// The number in a segment's name; `None` for other files.
pub(super) fn number_of(path: &Path) -> Option<u64> {
    let name = path.file_name()?.to_str()?.strip_suffix(".seg")?;
    (name.len() == 16)
        .then(|| u64::from_str_radix(name, 16).ok())
        .flatten()
}

pub(super) fn header(number: u64, first: Sequence, created: Timestamp) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    header[..8].copy_from_slice(&MAGIC);
    header[8..12].copy_from_slice(&VERSION.to_le_bytes());
    header[12..20].copy_from_slice(&number.to_le_bytes());
    header[20..28].copy_from_slice(&first.0.to_le_bytes());
    header[28..36].copy_from_slice(&created.0.to_le_bytes());
    let crc = crc32c::crc32c(&header[..36]);
    header[36..].copy_from_slice(&crc.to_le_bytes());
    header
}

/// The first sequence and the creation in a header that is whole and belongs to this number.
pub(super) fn read_header(bytes: &[u8], number: u64) -> Option<(Sequence, Timestamp)> {
    let bytes: &[u8; HEADER] = bytes.get(..HEADER)?.try_into().ok()?;
    let first = Sequence(bytes[20..28].try_into().map(u64::from_le_bytes).ok()?);
    let created = Timestamp(bytes[28..36].try_into().map(u64::from_le_bytes).ok()?);
    (*bytes == header(number, first, created)).then_some((first, created))
}

/// Creates a segment; durable when this returns.
pub(super) fn create(
    disk: &dyn Disk,
    folder: &Path,
    number: u64,
    first: Sequence,
    created: Timestamp,
) -> io::Result<Segment> {
    let path = path(folder, number);
    let file = disk.create(&path)?;
    file.write_at(&header(number, first, created), 0)?;
    file.sync_data()?;
    disk.sync_directory(folder)?;
    Ok(Segment {
        number,
        first,
        created,
        path,
        file,
    })
}
