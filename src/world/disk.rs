//! Files as the spool needs them, small enough that a simulated disk can lose, tear and reorder
//! whatever was not synced. All calls block; callers stand on threads of their own.

use crate::mail::Timestamp;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// A file system.
pub trait Disk: Send + Sync + 'static {
    /// Creates a file that must not exist, for reading and writing, mode 0600.
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;
    /// Opens a file that exists, for reading and writing.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>>;
    /// Creates a directory and those above it, mode 0700; one that exists is fine.
    fn create_directory(&self, path: &Path) -> io::Result<()>;
    /// The names in a directory, sorted.
    fn list(&self, directory: &Path) -> io::Result<Vec<PathBuf>>;
    /// Renames within one file system, replacing what has the new name.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Makes creations, renames and removals in a directory durable.
    fn sync_directory(&self, directory: &Path) -> io::Result<()>;
    /// Bytes that this process may still write on the file system of `path`.
    fn free(&self, path: &Path) -> io::Result<u64>;
}

/// An open file.
#[allow(clippy::len_without_is_empty, reason = "a file's length is I/O, not a collection's size")]
pub trait DiskFile: Send + Sync + 'static {
    /// Writes all of `bytes` at `offset`.
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Fills all of `bytes` from `offset`, or fails with `UnexpectedEof`.
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()>;
    /// The file's length in bytes.
    fn len(&self) -> io::Result<u64>;
    /// Cuts or extends the file.
    fn set_len(&self, length: u64) -> io::Result<()>;
    /// Makes everything written so far durable (`fdatasync`).
    fn sync_data(&self) -> io::Result<()>;
    /// When the file was last written.
    fn modified(&self) -> io::Result<Timestamp>;
    /// Says when the file's content was written.
    fn set_modified(&self, at: Timestamp) -> io::Result<()>;
}

/// Whether a write failed for want of room or of handles: that passes, and is no broken disk.
#[must_use]
pub fn is_shortage(fault: &io::Error) -> bool {
    use rustix::io::Errno;
    let wants = [Errno::NOSPC, Errno::DQUOT, Errno::MFILE, Errno::NFILE];
    Errno::from_io_error(fault).is_some_and(|errno| wants.contains(&errno))
}

/// The machine's own file system.
pub struct SystemDisk;

impl Disk for SystemDisk {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true).mode(0o600);
        Ok(Arc::new(options.open(path)?))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(OpenOptions::new().read(true).write(true).open(path)?))
    }

    fn create_directory(&self, path: &Path) -> io::Result<()> {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
    }

    fn list(&self, directory: &Path) -> io::Result<Vec<PathBuf>> {
        let mut names = fs::read_dir(directory)?
            .map(|entry| entry.map(|entry| entry.path()))
            .collect::<io::Result<Vec<_>>>()?;
        names.sort();
        Ok(names)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        File::open(directory)?.sync_all()
    }

    fn free(&self, path: &Path) -> io::Result<u64> {
        let figures = rustix::fs::statvfs(path)?;
        Ok(figures.f_bavail.saturating_mul(figures.f_frsize))
    }
}

impl DiskFile for File {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.write_all_at(bytes, offset)
    }

    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        self.read_exact_at(bytes, offset)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        File::set_len(self, length)
    }

    fn sync_data(&self) -> io::Result<()> {
        File::sync_data(self)
    }

    fn modified(&self) -> io::Result<Timestamp> {
        let age = self.metadata()?.modified()?.duration_since(SystemTime::UNIX_EPOCH);
        let millis = age.map_or(0, |age| age.as_millis());
        Ok(Timestamp(u64::try_from(millis).unwrap_or(u64::MAX)))
    }

    fn set_modified(&self, at: Timestamp) -> io::Result<()> {
        File::set_modified(self, SystemTime::UNIX_EPOCH + Duration::from_millis(at.0))
    }
}
