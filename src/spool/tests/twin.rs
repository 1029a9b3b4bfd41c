//! A disk that counts its syncs, waits, runs short and fails on command.

use crate::mail::Timestamp;
use crate::world::{Disk, DiskFile, SystemDisk};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

#[derive(Clone)]
pub(super) struct Twin {
    pub(super) syncs: Arc<AtomicU64>,
    /// Whether syncs wait until this is over.
    pub(super) holds: Arc<AtomicBool>,
    /// Whether an index waits for this before it is there, and whether one does.
    pub(super) holds_indexes: Arc<AtomicBool>,
    pub(super) is_indexing: Arc<AtomicBool>,
    pub(super) fails: Arc<AtomicBool>,
    /// Bytes of every segment from the first to the second that cannot be read.
    bad: Arc<Mutex<(u64, u64)>>,
    /// Reads that fail before the next succeeds.
    pub(super) glitches: Arc<AtomicU64>,
    /// What writes and creations fail with, unless 0.
    pub(super) shortage: Arc<AtomicI32>,
    pub(super) free: Arc<AtomicU64>,
}

impl Default for Twin {
    fn default() -> Self {
        Self {
            syncs: Arc::default(),
            holds: Arc::default(),
            holds_indexes: Arc::default(),
            is_indexing: Arc::default(),
            fails: Arc::default(),
            bad: Arc::default(),
            glitches: Arc::default(),
            shortage: Arc::default(),
            free: Arc::new(AtomicU64::new(u64::MAX)),
        }
    }
}

impl Twin {
    fn short(&self) -> io::Result<()> {
        match self.shortage.load(Ordering::SeqCst) {
            0 => Ok(()),
            number => Err(io::Error::from_raw_os_error(number)),
        }
    }

    pub(super) fn spoil(&self, start: u64, end: u64) {
        *self.bad.lock().expect("no test panics in it") = (start, end);
    }
}

struct TwinFile(Arc<dyn DiskFile>, Twin, bool);

impl Twin {
    fn over(&self, file: Arc<dyn DiskFile>, path: &Path) -> Arc<dyn DiskFile> {
        let is_segment = path.extension().is_some_and(|extension| extension == "seg");
        Arc::new(TwinFile(file, self.clone(), is_segment))
    }
}

impl Disk for Twin {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.short()?;
        Ok(self.over(SystemDisk.create(path)?, path))
    }
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        Ok(self.over(SystemDisk.open(path)?, path))
    }
    fn create_directory(&self, path: &Path) -> io::Result<()> {
        SystemDisk.create_directory(path)
    }
    fn list(&self, directory: &Path) -> io::Result<Vec<PathBuf>> {
        SystemDisk.list(directory)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let is_index = to.extension().is_some_and(|extension| extension == "idx");
        while is_index && self.holds_indexes.load(Ordering::SeqCst) {
            self.is_indexing.store(true, Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(1));
        }
        SystemDisk.rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        SystemDisk.remove(path)
    }
    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        SystemDisk.sync_directory(directory)
    }
    fn free(&self, _: &Path) -> io::Result<u64> {
        Ok(self.free.load(Ordering::SeqCst))
    }
}

impl DiskFile for TwinFile {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        if let Err(fault) = self.1.short() {
            // As disks do that fill up: a part of it is written.
            self.0.write_at(&bytes[..bytes.len() / 2], offset)?;
            return Err(fault);
        }
        let less = |free: u64| (free < u64::MAX).then(|| free.saturating_sub(bytes.len() as u64));
        let _ = self.1.free.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less);
        self.0.write_at(bytes, offset)
    }
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        let glitch = |left: u64| left.checked_sub(1);
        let (from, to) = *self.1.bad.lock().expect("no test panics in it");
        let is_bad = self.2 && offset < to && from < offset + bytes.len() as u64;
        if is_bad
            || self.1.glitches.fetch_update(Ordering::SeqCst, Ordering::SeqCst, glitch).is_ok()
        {
            return Err(io::Error::from_raw_os_error(5));
        }
        self.0.read_at(bytes, offset)
    }
    fn len(&self) -> io::Result<u64> {
        self.0.len()
    }
    fn set_len(&self, length: u64) -> io::Result<()> {
        self.0.set_len(length)
    }
    fn sync_data(&self) -> io::Result<()> {
        self.1.syncs.fetch_add(1, Ordering::SeqCst);
        while self.1.holds.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(1));
        }
        if self.1.fails.load(Ordering::SeqCst) {
            return Err(io::Error::other("the disk is gone"));
        }
        self.0.sync_data()
    }
    fn modified(&self) -> io::Result<Timestamp> {
        self.0.modified()
    }
    fn set_modified(&self, at: Timestamp) -> io::Result<()> {
        self.0.set_modified(at)
    }
}
