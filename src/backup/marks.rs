//! Files that say how a data folder came to be: `restoring` while a restore is under way, so that nobody starts
//! on half of one, and `restored` until mail was let go, so that not even lost records make the hold forgotten.

use super::BackupFault;
use crate::policy::{Policy, Restored};
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Stands there while a restore is under way.
pub(super) const RESTORING: &str = "restoring";
/// Stands there until mail that was put back is let go.
pub(super) const RESTORED: &str = "restored";

/// Whether a restore of this data folder was begun and never ended: what is to be done, in words.
#[must_use]
pub fn half_restored(data_dir: &Path) -> Option<String> {
    data_dir.join(RESTORING).exists().then(|| {
        let folder = data_dir.display();
        format!("data_dir: {folder} holds half a restore: run the same `relent restore FILE` again, which begins anew")
    })
}

/// Writes a small file and has it there after a power cut.
pub(super) fn write(folder: &Path, name: &str, text: &[u8]) -> io::Result<()> {
    let path = folder.join(name);
    let mut open = fs::OpenOptions::new();
    let mut file = open.write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(text)?;
    file.sync_all()?;
    File::open(folder)?.sync_all()
}

/// Has the file that says so outlive the records: where they were lost since, mail is held by its word; where it was
/// let go, it is removed.
///
/// # Errors
/// The records, or the file.
pub async fn heed(data_dir: &Path, policy: &Policy) -> Result<(), BackupFault> {
    let path = data_dir.join(RESTORED);
    let text = match fs::read(&path) {
        Ok(text) => text,
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(fault) => return Err(BackupFault::File(path, fault)),
    };
    match policy.restored()? {
        Some(restored) if restored.is_let_go() => {
            fs::remove_file(&path).map_err(BackupFault::at(&path))
        }
        Some(_) => Ok(()),
        None => {
            let read = serde_json::from_slice::<Restored>(&text);
            // Whatever it says, it says that a restore was not let go.
            let restored = read.unwrap_or_default();
            tracing::error!(target: "relent::policy", file = %path.display(),
                "the records do not say that they were put back from a backup, and this file does: mail is held");
            Ok(policy.hold_again(restored).await?)
        }
    }
}
