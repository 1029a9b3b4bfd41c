//! Room on disk that is kept for when there is none: a file of that size, given up where a record of a
//! stop, or of what became of mail, could not be written otherwise, and made anew once there is room.

use super::disk::Disk;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

/// The file's name, in the folder that it is kept for.
const NAME: &str = "reserve";
/// What is written where a file system knows no other way to allot blocks.
const ZEROS: usize = 1 << 16;

/// The reserve. It has no place until it is given one.
#[derive(Default)]
pub struct Reserve {
    kept: Mutex<Option<Kept>>,
}

struct Kept {
    path: PathBuf,
    size: u64,
}

impl Kept {
    /// Whether the room is kept now.
    fn is_there(&self) -> bool {
        fs::metadata(&self.path).is_ok_and(|file| file.len() == self.size)
    }
}

impl Reserve {
    /// Says where it is kept, `size` bytes in `directory`; 0 keeps none. One of another size goes.
    pub fn place(&self, directory: &Path, size: u64) {
        let kept = Kept { path: directory.join(NAME), size };
        if size == 0 || !kept.is_there() {
            let _ = fs::remove_file(&kept.path);
        }
        *self.lock() = (size > 0).then_some(kept);
    }

    /// Makes the reserve where there is none and there is room for it and `spare` bytes besides.
    pub fn tend(&self, disk: &dyn Disk, spare: u64) {
        let kept = self.lock();
        let Some(kept) = kept.as_ref().filter(|kept| !kept.is_there()) else { return };
        let directory = kept.path.parent().unwrap_or(Path::new("."));
        if disk.free(directory).is_ok_and(|free| free >= kept.size.saturating_add(spare)) {
            let _ = allot(&kept.path, kept.size);
        }
    }

    /// Gives the reserve up; whether there was one, so that what failed is worth another try.
    pub fn give_up(&self) -> bool {
        let kept = self.lock();
        let Some(kept) = kept.as_ref().filter(|kept| kept.is_there()) else { return false };
        metrics::counter!("relent_reserve_given_up_total").increment(1);
        tracing::warn!(target: "relent::world", file = %kept.path.display(), size = kept.size,
            "the disk is full: the reserve was given up for records of stops and deliveries; make room");
        fs::remove_file(&kept.path).is_ok()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes a file whose blocks are all allotted.
fn allot(path: &Path, size: u64) -> io::Result<()> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    let made = match rustix::fs::fallocate(&file, rustix::fs::FallocateFlags::empty(), 0, size) {
        Err(rustix::io::Errno::OPNOTSUPP) => fill(&file, size),
        made => made.map_err(io::Error::from),
    };
    if made.is_err() {
        let _ = fs::remove_file(path);
    }
    made
}

fn fill(file: &File, size: u64) -> io::Result<()> {
    let zeros = [0; ZEROS];
    let mut at = 0;
    while at < size {
        let count = usize::try_from((size - at).min(ZEROS as u64)).unwrap_or(ZEROS);
        file.write_all_at(&zeros[..count], at)?;
        at += count as u64;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::SystemDisk;
    use super::*;

    #[test]
    fn a_reserve_is_allotted_given_up_once_and_made_anew() {
        let home = tempfile::tempdir().expect("a folder");
        let file = home.path().join(NAME);
        let reserve = Reserve::default();
        assert!(!reserve.give_up(), "there is none yet");
        reserve.place(home.path(), 1 << 20);
        reserve.tend(&SystemDisk, 0);
        use std::os::unix::fs::MetadataExt;
        assert!(fs::metadata(&file).expect("a file").blocks() * 512 >= 1 << 20, "its blocks too");
        assert!(reserve.give_up());
        assert!(!file.exists());
        assert!(!reserve.give_up());
        reserve.tend(&SystemDisk, u64::MAX);
        assert!(!file.exists(), "there is no room for it");
        reserve.tend(&SystemDisk, 0);
        assert_eq!(fs::metadata(&file).expect("a file").len(), 1 << 20);
        reserve.place(home.path(), 0);
        assert!(!file.exists(), "none is wanted any more");
    }
}
