//! The engine of those who want sled 0.34, built with `--features sled`: one tree of all tables, whose
//! batches are atomic. What sled leaves open is closed here:
//!
//! - its flush ends in `sync_file_range`, which survives no power cut: each commit ends in our `fdatasync`;
//! - several who flush at a time deadlock it: one commits, and reads wait until what they would see is durable;
//! - its thread that tidies behind commits writes over places whose successors no `fdatasync` has seen: it is off;
//! - what is larger than a part of a segment goes to files of its own, which nobody syncs: values are split;
//! - a snapshot that a kill left half-written keeps it from opening: it is removed first.
//!
//! One thing stays: an end of its log that is missing cannot be told from a write that was never finished.

use super::Table;
use super::engine::{Change, Engine, EngineFault, Row};
use super::kind::Opened;
use ::sled::{Batch, Config, Db, Error};
use std::collections::BTreeMap;
use std::fs::File;
use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant};

/// The file of its log.
pub(super) const LOG: &str = "db";
/// Bytes of a value under one key at most. A leaf holds 17 rows and must stay below a fourth of a
/// segment of 512 KiB.
const PART: usize = 4096;
/// Bytes before a value: in how many further parts it goes on.
const COUNT: usize = 4;
/// Under what every tree that we made says so; no table's rows lie there.
const MADE: &[u8] = b"\0made";
/// Longest wait for the lock of an engine that was closed: its threads let go of the file last.
const LOCK_WAIT: Duration = Duration::from_secs(10);
/// How often the lock is tried.
const LOCK_TRIED: Duration = Duration::from_millis(10);

/// The sled folder.
pub(super) struct Sled {
    /// Taken only to end it.
    database: Option<Db>,
    /// The log once more, for `fdatasync`.
    log: File,
    /// Held for writing by a commit until it is durable, so that nobody reads what is not; and how a
    /// commit failed, past which nothing is read.
    door: RwLock<Option<EngineFault>>,
}

/// Whether somebody else still has the folder open.
fn is_held(fault: &Error) -> bool {
    matches!(fault, Error::Io(fault) if fault.to_string().contains("could not acquire lock"))
}

impl From<Error> for EngineFault {
    fn from(fault: Error) -> Self {
        if is_held(&fault) {
            return Self::Short("it is still open".into());
        }
        match fault {
            Error::Io(fault) if fault.raw_os_error().is_some() => fault.into(),
            Error::Io(fault) => {
                // A fault of another thread comes as text: `Os { code: 28, … }`.
                let text = fault.to_string();
                let code =
                    text.split_once("Os { code: ").and_then(|(_, rest)| rest.split_once(','));
                match code.and_then(|(code, _)| code.parse().ok()) {
                    Some(code) => std::io::Error::from_raw_os_error(code).into(),
                    None => Self::Damaged(text),
                }
            }
            fault => Self::Damaged(fault.to_string()),
        }
    }
}

/// Runs `work`; a panic inside the engine becomes a fault like any other.
fn guarded<T>(work: impl FnOnce() -> Result<T, EngineFault>) -> Result<T, EngineFault> {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
        Err(EngineFault::Damaged("the engine met what it holds to be impossible".into()))
    })
}

/// The key of a row: no table's name holds a zero.
fn row(table: Table, key: &[u8]) -> Vec<u8> {
    [table.name().as_bytes(), &[0], key].concat()
}

/// The key of a further part of a row's value, from 0.
fn part(table: Table, key: &[u8], number: u32) -> Vec<u8> {
    let length = u32::try_from(key.len()).unwrap_or(u32::MAX).to_be_bytes();
    [table.name().as_bytes(), &[1], &length, key, &number.to_be_bytes()].concat()
}

/// In how many further parts a row's value goes on, and what stands of it here.
fn head(value: &[u8]) -> Result<(u32, &[u8]), EngineFault> {
    let torn = || EngineFault::Damaged("a value has no length".into());
    let (count, rest) = value.split_first_chunk::<COUNT>().ok_or_else(torn)?;
    Ok((u32::from_be_bytes(*count), rest))
}

/// Removes snapshots that were not finished, and makes everything else durable: after a kill, what sled
/// would read and build on may only be in memory.
fn settle(folder: &Path) -> Result<(), EngineFault> {
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "generating") {
            std::fs::remove_file(&path)?;
        } else if path.is_file() {
            File::open(&path)?.sync_all()?;
        }
    }
    Ok(File::open(folder)?.sync_all()?)
}

/// Removes every snapshot, so that the whole log is read: the way past a damaged one.
fn forget_snapshots(folder: &Path) -> Result<(), EngineFault> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_string_lossy().starts_with("snap.") {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Copies a file or a folder to where nothing is.
fn duplicate(from: &Path, to: &Path) -> std::io::Result<()> {
    if !from.is_dir() {
        return std::fs::copy(from, to).map(|_| ());
    }
    std::fs::create_dir(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        duplicate(&entry.path(), &to.join(entry.file_name()))?;
    }
    Ok(())
}

/// Opens a copy of damaged records; without their snapshots where those are in the way.
pub(super) fn open_damaged(
    source: &Path,
    copy: &Path,
    cache: usize,
) -> Result<Opened, EngineFault> {
    duplicate(source, copy).map_err(|fault| EngineFault::from(fault).at(copy))?;
    let opened = Sled::open(copy, cache, false).or_else(|_| {
        forget_snapshots(copy).map_err(|fault| fault.at(copy))?;
        Sled::open(copy, cache, false)
    });
    opened.map(|engine| Opened { engine: Box::new(engine), is_older: false })
}

impl Sled {
    /// Opens the folder, which must exist unless `create`.
    pub(super) fn open(path: &Path, cache: usize, create: bool) -> Result<Self, EngineFault> {
        guarded(|| Self::at(path, cache, create)).map_err(|fault| fault.at(path))
    }

    fn at(path: &Path, cache: usize, create: bool) -> Result<Self, EngineFault> {
        if create {
            use std::os::unix::fs::DirBuilderExt;
            std::fs::DirBuilder::new().mode(0o700).create(path)?;
        } else {
            use std::io::ErrorKind::{NotADirectory, NotFound};
            match std::fs::metadata(path.join(LOG)) {
                Err(fault) if matches!(fault.kind(), NotFound | NotADirectory) => {
                    return Err(EngineFault::Damaged("its log is missing".into()));
                }
                there => there?,
            };
            settle(path)?;
        }
        let capacity = u64::try_from(cache).unwrap_or(u64::MAX);
        let config = || Config::new().path(path).cache_capacity(capacity).flush_every_ms(None);
        let begun = Instant::now();
        let database = loop {
            match config().open() {
                Err(fault) if is_held(&fault) && begun.elapsed() < LOCK_WAIT => {
                    std::thread::sleep(LOCK_TRIED);
                }
                tried => break tried?,
            }
        };
        let is_ours = database.get(MADE)?.is_some();
        if create {
            database.insert(MADE, &[1])?;
            database.flush()?;
            settle(path)?;
        }
        let log = File::open(path.join(LOG))?;
        let engine = Self { database: Some(database), log, door: RwLock::new(None) };
        if !create && !is_ours {
            return Err(EngineFault::Damaged(
                "its log is empty, or was cut at its beginning".into(),
            ));
        }
        Ok(engine)
    }

    fn database(&self) -> Result<&Db, EngineFault> {
        self.database.as_ref().ok_or_else(|| EngineFault::Short("it is closed".into()))
    }

    /// Reads once no commit is under way and none has failed.
    fn reading<T>(
        &self,
        work: impl FnOnce(&Db) -> Result<T, EngineFault>,
    ) -> Result<T, EngineFault> {
        let door = self.door.read().unwrap_or_else(PoisonError::into_inner);
        door.clone().map_or(Ok(()), Err)?;
        guarded(|| work(self.database()?))
    }

    /// Puts a row's value together.
    fn whole(
        database: &Db,
        (table, key): (Table, &[u8]),
        value: &[u8],
    ) -> Result<Vec<u8>, EngineFault> {
        let (count, first) = head(value)?;
        let mut value = first.to_vec();
        for number in 0..count {
            let next = database.get(part(table, key, number))?;
            let gone = || EngineFault::Damaged(format!("part {number} of a value is missing"));
            value.extend_from_slice(&next.ok_or_else(gone)?);
        }
        Ok(value)
    }

    /// Adds one change to a batch, which holds no other of its row.
    fn lay(
        database: &Db,
        batch: &mut Batch,
        (table, key): (Table, &[u8]),
        value: Option<&[u8]>,
    ) -> Result<(), EngineFault> {
        let place = row(table, key);
        let before = database.get(&place)?.map_or(Ok(0), |value| head(&value).map(|(n, _)| n))?;
        let mut count = 0;
        if let Some(value) = value {
            let (first, rest) = value.split_at(value.len().min(PART));
            for further in rest.chunks(PART) {
                batch.insert(part(table, key, count), further);
                count += 1;
            }
            batch.insert(place, [&count.to_be_bytes(), first].concat());
        } else {
            batch.remove(place);
        }
        for number in count..before {
            batch.remove(part(table, key, number));
        }
        Ok(())
    }
}

impl Engine for Sled {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, EngineFault> {
        self.reading(|database| {
            let value = database.get(row(table, key))?;
            value.map(|value| Self::whole(database, (table, key), &value)).transpose()
        })
    }

    fn scan(
        &self,
        table: Table,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Row>, EngineFault> {
        self.reading(|database| {
            let start = match after {
                Some(after) if after >= prefix => Bound::Excluded(row(table, after)),
                _ => Bound::Included(row(table, prefix)),
            };
            let (all, wanted) = (row(table, b"").len(), row(table, prefix));
            let mut rows = Vec::new();
            for found in database.range((start, Bound::Unbounded)).take(limit) {
                let (place, value) = found?;
                let Some(key) = place.get(all..).filter(|_| place.starts_with(&wanted)) else {
                    break;
                };
                rows.push((key.to_vec(), Self::whole(database, (table, key), &value)?));
            }
            Ok(rows)
        })
    }

    fn commit(&self, changes: &[Change]) -> Result<(), EngineFault> {
        let mut door = self.door.write().unwrap_or_else(PoisonError::into_inner);
        door.clone().map_or(Ok(()), Err)?;
        let done = guarded(|| {
            let database = self.database()?;
            let last: BTreeMap<_, _> = changes
                .iter()
                .map(|change| ((change.table, change.key.as_slice()), change.value.as_deref()))
                .collect();
            if last.is_empty() {
                return Ok(());
            }
            let mut batch = Batch::default();
            for (place, value) in last {
                Self::lay(database, &mut batch, place, value)?;
            }
            database.apply_batch(batch)?;
            database.flush()?;
            Ok(self.log.sync_data()?)
        });
        if let Err(fault) = &done {
            *door = Some(fault.clone());
        }
        done
    }
}

impl Drop for Sled {
    fn drop(&mut self) {
        // Its end syncs once more and panics where the disk refuses; what was acknowledged is durable.
        let _refused = catch_unwind(AssertUnwindSafe(|| drop(self.database.take())));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CACHE: usize = 1 << 20;

    fn put(key: &[u8], value: Option<Vec<u8>>) -> Change {
        Change { table: Table::Recipient, key: key.to_vec(), value }
    }

    #[test]
    fn sled_conforms() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let count = std::cell::Cell::new(0);
        super::super::conformance::suite(|| {
            count.set(count.get() + 1);
            let path = folder.path().join(format!("{}.sled", count.get()));
            Box::new(Sled::open(&path, CACHE, true).expect("a new folder"))
        });
    }

    #[test]
    fn no_value_lies_in_a_file_of_its_own() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("a.sled");
        let engine = Sled::open(&path, CACHE, true).expect("a new folder");
        for round in 0..4_u8 {
            let changes: Vec<_> = (0..60).map(|n| put(&[n], Some(vec![round; 100_000]))).collect();
            engine.commit(&changes).expect("committed");
        }
        let blobs = std::fs::read_dir(path.join("blobs")).expect("a folder").count();
        assert_eq!(blobs, 0, "files that sled never syncs");
        let longest = engine.database().expect("open").iter().values();
        let longest = longest.map(|value| value.expect("a value").len()).max();
        assert_eq!(longest, Some(PART + COUNT));
        // A shorter one leaves nothing of the longer behind.
        let changes: Vec<_> = (0..60).map(|n| put(&[n], (n > 9).then(|| vec![n; 5000]))).collect();
        engine.commit(&changes).expect("committed");
        assert_eq!(engine.database().expect("open").len(), 1 + 50 * 2);
    }

    #[test]
    fn a_half_written_snapshot_keeps_nobody_from_opening() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("a.sled");
        let engine = Sled::open(&path, CACHE, true).expect("a new folder");
        engine.commit(&[put(b"a", Some(b"1".to_vec()))]).expect("committed");
        drop(engine);
        let torn = path.join("snap.00000000FFFFFFFF.generating");
        std::fs::write(&torn, [7; 5]).expect("written");
        let engine = Sled::open(&path, CACHE, false).expect("opened");
        assert!(!torn.exists());
        assert_eq!(engine.get(Table::Recipient, b"a"), Ok(Some(b"1".to_vec())));
        drop(engine);
        // A finished one that is damaged is damage, and there is a way past it.
        let snapshot = path.join("snap.00000000FFFFFFFF");
        std::fs::write(&snapshot, [7; 50]).expect("written");
        assert!(matches!(Sled::open(&path, CACHE, false), Err(EngineFault::Damaged(_))));
        forget_snapshots(&path).expect("removed");
        let engine = Sled::open(&path, CACHE, false).expect("opened");
        assert_eq!(engine.get(Table::Recipient, b"a"), Ok(Some(b"1".to_vec())));
    }

    #[test]
    fn a_log_that_was_emptied_is_no_new_one() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("a.sled");
        drop(Sled::open(&path, CACHE, true).expect("a new folder"));
        forget_snapshots(&path).expect("removed");
        std::fs::write(path.join(LOG), b"").expect("emptied");
        assert!(matches!(Sled::open(&path, CACHE, false), Err(EngineFault::Damaged(_))));
    }

    #[test]
    fn a_missing_part_of_a_value_is_damage() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let engine = Sled::open(&folder.path().join("a.sled"), CACHE, true).expect("a new folder");
        engine.commit(&[put(b"a", Some(vec![1; 10_000]))]).expect("committed");
        let removed = engine.database().expect("open").remove(part(Table::Recipient, b"a", 1));
        assert!(removed.expect("removed").is_some());
        let found = engine.get(Table::Recipient, b"a");
        assert!(matches!(found, Err(EngineFault::Damaged(_))), "{found:?}");
    }

    #[test]
    fn a_fault_of_the_system_is_told_from_damage() {
        const HELD: &str = "could not acquire lock on \"db\": Os { code: 11, kind: WouldBlock, m }";
        let other = |text: &str| EngineFault::from(Error::Io(std::io::Error::other(text)));
        assert!(matches!(other("Os { code: 28, kind: StorageFull, m }"), EngineFault::Short(_)));
        assert!(matches!(other("Os { code: 5, kind: Other, m }"), EngineFault::Disk(_)));
        assert!(matches!(other(HELD), EngineFault::Short(_)));
        assert!(matches!(other("failed to fill whole buffer"), EngineFault::Damaged(_)));
    }
}
