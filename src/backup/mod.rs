//! Backup and restore: records, queued mail, keys and settings as one archive, taken while mail goes on, and put back
//! into an empty data folder. An archive says itself whether it is whole. It knows nothing of what may be sent
//! afterwards: mail that was put back is held, and `policy` says until when.

mod archive;
mod later;
mod marks;
mod put;
mod take;

pub use archive::{FORMAT, Manifest, Opening, Part, check};
pub use later::{Later, LaterRow, later};
pub use marks::{half_restored, heed};
pub use put::{Put, check_file, put};
pub use take::{Running, SALVAGE, Wish, about, at_rest, live};

use crate::spool::SpoolFault;
use crate::store::StoreFault;
use std::io;
use std::path::PathBuf;

/// Why a backup was not made, or not put back.
#[derive(Debug, thiserror::Error)]
pub enum BackupFault {
    /// The archive is not what it must be.
    #[error("{0}")]
    Unsound(String),
    /// The archive cannot be written, or nobody takes it any more.
    #[error("the archive could not be written on: {0}")]
    Unwritten(io::Error),
    /// A file.
    #[error("{0}: {1}")]
    File(PathBuf, io::Error),
    /// The records.
    #[error(transparent)]
    Store(#[from] StoreFault),
    /// The log of messages.
    #[error(transparent)]
    Spool(#[from] SpoolFault),
    /// It may not be done, in words.
    #[error("{0}")]
    Refused(String),
}

impl BackupFault {
    /// A fault of a file.
    fn at(path: &std::path::Path) -> impl Fn(io::Error) -> Self + '_ {
        |fault| Self::File(path.to_owned(), fault)
    }
}
