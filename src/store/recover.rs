//! What a damaged store still holds, saved into a new one. The damaged file is moved aside and is
//! never written.

use super::Table;
use super::engine::{Change, Engine};
use super::redb::Redb;
use super::value::is_whole;
use std::path::{Path, PathBuf};

/// The records.
pub(super) const FILE: &str = "records.redb";
/// Says that the records were once made, so that their absence is damage and not a first start.
pub(super) const MARKER: &str = "records.created";

/// Memory for the engine's cache while it recovers.
const CACHE: usize = 16 << 20;
/// Rows copied at a time.
const ROWS: usize = 1000;
/// Damaged files kept beside the store before more are refused.
const KEPT: u32 = 1000;

/// What came out of a damaged store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovered {
    /// Rows saved, per table by name.
    pub rows: Vec<(&'static str, u64)>,
    /// Rows met that could not be read, and tables that ended early; each counts one.
    pub lost: u64,
    /// Where the damaged file is now.
    pub damaged: PathBuf,
}

/// Moves the damaged records in `directory` aside and makes new ones with every row that can still
/// be read and whose checksum is right. The damaged file itself stays as it was.
///
/// # Errors
/// In words: there is no file, the daemon still runs, or nothing of it can be opened. Then the file is
/// where it was.
pub fn recover(directory: &Path) -> Result<Recovered, String> {
    let file = directory.join(FILE);
    let said = |path: &Path, fault: std::io::Error| format!("{}: {fault}", path.display());
    let held = std::fs::File::open(&file).map_err(|fault| said(&file, fault))?;
    held.try_lock().map_err(|_| format!("{} is in use: stop the daemon first", file.display()))?;
    let damaged = (1..=KEPT)
        .map(|n| directory.join(format!("{FILE}.damaged-{n}")))
        .find(|path| !path.exists())
        .ok_or_else(|| format!("{KEPT} damaged files lie in {}", directory.display()))?;
    // Opening repairs, and repairing writes: only ever on a copy.
    let (copy, new) =
        (directory.join(format!("{FILE}.reading")), directory.join(format!("{FILE}.new")));
    for leftover in [&copy, &new] {
        if leftover.exists() {
            std::fs::remove_file(leftover).map_err(|fault| said(leftover, fault))?;
        }
    }
    std::fs::copy(&file, &copy).map_err(|fault| said(&copy, fault))?;
    let saved = save(&copy, &new);
    std::fs::remove_file(&copy).map_err(|fault| said(&copy, fault))?;
    let (rows, lost) = saved?;
    std::fs::rename(&file, &damaged).map_err(|fault| said(&damaged, fault))?;
    std::fs::rename(&new, &file).map_err(|fault| said(&file, fault))?;
    std::fs::File::open(directory)
        .and_then(|folder| folder.sync_all())
        .map_err(|fault| said(directory, fault))?;
    drop(held);
    Ok(Recovered { rows, lost, damaged })
}

fn save(from: &Path, to: &Path) -> Result<(Vec<(&'static str, u64)>, u64), String> {
    let old = Redb::open(from, CACHE, false)?;
    let new = Redb::open(to, CACHE, true)?;
    let (mut counts, mut lost) = (Vec::new(), 0);
    for table in Table::ALL {
        let (mut count, mut after, mut step) = (0, None::<Vec<u8>>, ROWS);
        loop {
            let rows = match old.scan(table, b"", after.as_deref(), step) {
                Ok(rows) => rows,
                // Smaller steps reach the rows that stand before the damaged place.
                Err(_) if step > 1 => {
                    step = 1;
                    continue;
                }
                Err(_) => {
                    lost += 1;
                    break;
                }
            };
            let Some((last, _)) = rows.last() else { break };
            after = Some(last.clone());
            let (whole, broken): (Vec<_>, Vec<_>) =
                rows.into_iter().partition(|(_, value)| is_whole(value));
            lost += u64::try_from(broken.len()).unwrap_or(u64::MAX);
            count += u64::try_from(whole.len()).unwrap_or(u64::MAX);
            let changes: Vec<Change> = whole
                .into_iter()
                .map(|(key, value)| Change { table, key, value: Some(value) })
                .collect();
            new.commit(&changes)?;
        }
        counts.push((table.name(), count));
    }
    Ok((counts, lost))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use crate::store::Store;
    use crate::world::World;

    #[tokio::test]
    async fn recovery_saves_what_can_be_read_and_keeps_the_original() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let open = || Store::open(folder.path(), &config::Store::default(), &World::real());
        let store = open();
        let counted = store.transact(|t| Ok(Ok::<_, ()>(t.count("x")?))).await;
        assert_eq!(counted.expect("store"), Ok(1));
        assert!(recover(folder.path()).is_err(), "the store is open");
        store.close().await;
        drop(store);
        let before = std::fs::read(folder.path().join(FILE)).expect("the file");
        let recovered = recover(folder.path()).expect("recovered");
        assert_eq!((recovered.rows[0], recovered.lost), (("meta", 1), 0));
        assert_eq!(std::fs::read(recovered.damaged).expect("kept"), before);
        let counted = open().transact(|t| Ok(Ok::<_, ()>(t.count("x")?))).await;
        assert_eq!(counted.expect("store"), Ok(2));
    }
}
