//! What a damaged store still holds, saved into a new one. The damaged file is moved aside and is
//! never written.

use super::engine::{Change, Engine, EngineFault, Row};
use super::kind::Opened;
use super::value::is_whole;
use super::{StoreFault, Table};
use crate::config::StoreEngine;
use crate::world::hand_over;
use rustix::fs::{Mode, OFlags};
use std::io;
use std::path::{Path, PathBuf};

/// Says that the records were once made, so that their absence is damage and not a first start.
pub(super) const MARKER: &str = "records.created";

/// Memory for the engine's cache while it recovers.
const CACHE: usize = 16 << 20;
/// Rows copied at a time.
const ROWS: usize = 1000;
/// Bytes of a key that are tried at most where nothing of a table could be read yet.
const KEY: usize = 8;
/// How often the way past a damaged place is halved.
const HALVINGS: u32 = 64;
/// Damaged files kept beside the store before more are refused.
const KEPT: u32 = 1000;

/// What came out of a damaged store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovered {
    /// Rows saved, per table by name.
    pub rows: Vec<(&'static str, u64)>,
    /// Rows met that could not be read, and places that were passed over, each of which may have held
    /// many; each counts one.
    pub lost: u64,
    /// How many of those stand in the table of stops and consents.
    pub lost_recipients: u64,
    /// Whether only the records before their last change could be read.
    pub is_older: bool,
    /// Where the damaged file or folder is now.
    pub damaged: PathBuf,
}

impl Recovered {
    /// What to tell the operator where stops may be lost: mail must not go as if they had never been.
    #[must_use]
    pub fn warning(&self) -> Option<String> {
        let what = match (self.lost_recipients, self.is_older) {
            (0, false) => return None,
            (0, true) => {
                "the records could be read only as they were before their last change".into()
            }
            (lost, _) => {
                format!(
                    "{lost} rows or places of the table of stops and consents could not be read"
                )
            }
        };
        Some(format!(
            "{what}: people who asked for no more mail may be missing. Import their stops from a backup \
             or an export before the daemon is started; the damaged file is {}",
            self.damaged.display()
        ))
    }
}

/// Removes a file or a folder that may be there.
pub(super) fn clear(path: &Path) -> io::Result<()> {
    let removed =
        if path.is_dir() { std::fs::remove_dir_all(path) } else { std::fs::remove_file(path) };
    removed.or_else(|fault| match fault.kind() {
        io::ErrorKind::NotFound => Ok(()),
        _ => Err(fault),
    })
}

/// Has what root recovered belong to whom `like` belongs, who opens the records.
pub(super) fn give(path: &Path, like: &Path) -> io::Result<()> {
    use std::os::unix::fs::MetadataExt;
    let then = like.metadata()?;
    // Not by a link that somebody put in its place meanwhile.
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let found = rustix::fs::open(path, flags, Mode::empty())?;
    hand_over(&found.into(), (then.uid(), then.gid()))
}

/// Keeps the damaged records in `directory` under another name and makes new ones with every row that
/// can still be read and whose checksum is right. The damaged records themselves stay as they were.
/// Killed anywhere, it can be run again.
///
/// # Errors
/// In words: there are none, the daemon still runs, or nothing of them can be opened. Then they are
/// where they were.
pub fn recover(directory: &Path, kind: StoreEngine) -> Result<Recovered, String> {
    let name = kind.records();
    let file = directory.join(name);
    let said = |path: &Path, fault: io::Error| format!("{}: {fault}", path.display());
    let kept = |n: u32| directory.join(format!("{name}.damaged-{n}"));
    let is_there = file.try_exists().map_err(|fault| said(&file, fault))?;
    // A folder is moved aside before its successor is in place, and so was a file by earlier builds.
    let moved = || (1..=KEPT).rev().map(kept).find(|path| path.exists());
    let source = if is_there { file.clone() } else { moved().unwrap_or_else(|| file.clone()) };
    let held = hold(kind, &source)?;
    let damaged = if is_there {
        let free = (1..=KEPT).map(kept).find(|path| !path.exists());
        free.ok_or_else(|| format!("{KEPT} damaged files lie in {}", directory.display()))?
    } else {
        source.clone()
    };
    // Opening repairs, and repairing writes: only ever on a copy.
    let (copy, new) =
        (directory.join(format!("{name}.reading")), directory.join(format!("{name}.new")));
    for leftover in [&copy, &new] {
        clear(leftover).map_err(|fault| said(leftover, fault))?;
    }
    let saved = save(kind, &source, &copy, &new);
    let _ = clear(&copy);
    let (rows, lost, lost_recipients, is_older) = saved?;
    give(&new, &source).map_err(|fault| said(&new, fault))?;
    let folder = std::fs::File::open(directory).map_err(|fault| said(directory, fault))?;
    if is_there {
        // The same file under two names, until one rename puts the new one in its place. A folder has
        // one name only: without it the daemon starts no empty store, and this finds the moved one.
        let aside = if file.is_dir() { std::fs::rename } else { std::fs::hard_link };
        aside(&file, &damaged).map_err(|fault| said(&damaged, fault))?;
        folder.sync_all().map_err(|fault| said(directory, fault))?;
    }
    std::fs::rename(&new, &file).map_err(|fault| said(&file, fault))?;
    folder.sync_all().map_err(|fault| said(directory, fault))?;
    drop(held);
    Ok(Recovered { rows, lost, lost_recipients, is_older, damaged })
}

/// Writes what can still be read of damaged records into new ones in another folder, and leaves them as they are: how
/// many rows and places could not be read.
///
/// # Errors
/// In words: they are in use, or nothing of them can be opened.
pub fn salvage(directory: &Path, kind: StoreEngine, into: &Path) -> Result<u64, String> {
    let source = directory.join(kind.records());
    let held = hold(kind, &source)?;
    let (copy, new) = (into.join("reading"), into.join(kind.records()));
    let saved = save(kind, &source, &copy, &new);
    let _ = clear(&copy);
    drop(held);
    let (_, lost, ..) = saved?;
    Ok(lost)
}

/// Opens the file of records that nobody uses, so that nobody does until it is closed.
fn hold(kind: StoreEngine, source: &Path) -> Result<std::fs::File, String> {
    let content = kind.content(source);
    let held =
        std::fs::File::open(&content).map_err(|fault| format!("{}: {fault}", content.display()))?;
    held.try_lock()
        .map_err(|_| format!("{} is in use: stop the daemon first", source.display()))?;
    Ok(held)
}

type Saved = (Vec<(&'static str, u64)>, u64, u64, bool);

fn save(kind: StoreEngine, from: &Path, copy: &Path, to: &Path) -> Result<Saved, String> {
    let told = |fault: EngineFault| StoreFault::from(fault).to_string();
    let new = kind.open(to, CACHE, true).map_err(told)?;
    let Opened { engine: old, is_older } =
        kind.open_damaged(from, copy, to, CACHE).map_err(told)?;
    let (mut counts, mut lost, mut lost_recipients) = (Vec::new(), 0, 0);
    for table in Table::ALL {
        let (mut count, mut missed, mut after, mut step) = (0, 0, None::<Vec<u8>>, ROWS);
        loop {
            let (rows, is_broken) = reach(old.as_ref(), table, after.as_deref(), &mut step);
            missed += u64::from(is_broken);
            let Some((last, _)) = rows.last() else { break };
            after = Some(last.clone());
            let (whole, broken): (Vec<_>, Vec<_>) =
                rows.into_iter().partition(|(key, value)| is_whole(key, value));
            missed += u64::try_from(broken.len()).unwrap_or(u64::MAX);
            count += u64::try_from(whole.len()).unwrap_or(u64::MAX);
            let changes: Vec<Change> = whole
                .into_iter()
                .map(|(key, value)| Change { table, key, value: Some(value) })
                .collect();
            new.commit(&changes).map_err(told)?;
        }
        if table == Table::Recipient {
            lost_recipients = missed;
        }
        lost += missed;
        counts.push((table.name(), count));
    }
    Ok((counts, lost, lost_recipients, is_older))
}

/// The next rows after a key, up to `step` and with smaller steps next to a damaged place; and whether
/// such a place had to be passed over for them.
fn reach(
    old: &dyn Engine,
    table: Table,
    after: Option<&[u8]>,
    step: &mut usize,
) -> (Vec<Row>, bool) {
    loop {
        match old.scan(table, b"", after, *step) {
            Ok(rows) => {
                *step = (*step * 2).min(ROWS);
                return (rows, false);
            }
            Err(_) if *step > 1 => *step /= 2,
            Err(_) => break,
        }
    }
    // A key past the place, from afar; then halfway back to it, again and again.
    let start = after.unwrap_or_default();
    let mut low = start.to_vec();
    let Some((mut high, mut rows)) = leap(old, table, start, &mut low) else {
        return (Vec::new(), true);
    };
    for _ in 0..HALVINGS {
        let middle = between(&low, &high);
        match old.scan(table, b"", Some(&middle), 1) {
            Ok(nearer) if !nearer.is_empty() => (high, rows) = (middle, nearer),
            _ => low = middle,
        }
    }
    (rows, true)
}

/// A key past a damaged place, and the row after it; `low` becomes the farthest that was not past it.
fn leap(
    old: &dyn Engine,
    table: Table,
    start: &[u8],
    low: &mut Vec<u8>,
) -> Option<(Vec<u8>, Vec<Row>)> {
    for depth in 1..=start.len().max(KEY) {
        for far in [1, 2, 4, 8, 16, 32, 64, 128] {
            let mut key = start.to_vec();
            key.resize(depth, 0);
            let Some(byte) = key.last_mut().filter(|byte| byte.checked_add(far).is_some()) else {
                break;
            };
            *byte += far;
            match old.scan(table, b"", Some(&key), 1) {
                Ok(rows) if rows.is_empty() => break, // past everything: not so far
                Ok(rows) => return Some((key, rows)),
                Err(_) if key > *low => *low = key,
                Err(_) => {}
            }
        }
    }
    None
}

/// The key halfway between two.
fn between(low: &[u8], high: &[u8]) -> Vec<u8> {
    let length = low.len().max(high.len()) + 1;
    let at = |key: &[u8], place: usize| u16::from(key.get(place).copied().unwrap_or(0));
    let mut carry = 0;
    let mut sum: Vec<u16> = (0..length)
        .rev()
        .map(|place| {
            let total = at(low, place) + at(high, place) + carry;
            carry = total >> 8;
            total & 0xFF
        })
        .collect();
    sum.reverse();
    let mut rest = carry;
    let halved = sum.into_iter().map(|byte| {
        let whole = (rest << 8) | byte;
        rest = whole & 1;
        u8::try_from(whole >> 1).expect("half of nine bits")
    });
    halved.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use crate::store::{Record, Store};
    use crate::world::World;

    fn open(folder: &Path, kind: StoreEngine) -> Store {
        let settings = config::Store { engine: kind, ..config::Store::default() };
        Store::open(folder, &settings, &World::real())
    }

    async fn saves(kind: StoreEngine) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let open = || open(folder.path(), kind);
        let store = open();
        let counted = store.transact(|t| Ok(Ok::<_, ()>(t.count("x")?))).await;
        assert_eq!(counted.expect("store"), Ok(1));
        assert!(recover(folder.path(), kind).is_err(), "the store is open");
        store.close().await;
        drop(store);
        let content = kind.content(&folder.path().join(kind.records()));
        let before = std::fs::read(content).expect("the file");
        let recovered = recover(folder.path(), kind).expect("recovered");
        assert_eq!((recovered.rows[0], recovered.lost), (("meta", 1), 0));
        assert_eq!(recovered.warning(), None);
        assert_eq!(std::fs::read(kind.content(&recovered.damaged)).expect("kept"), before);
        let counted = open().transact(|t| Ok(Ok::<_, ()>(t.count("x")?))).await;
        assert_eq!(counted.expect("store"), Ok(2));
    }

    #[tokio::test]
    async fn recovery_saves_what_can_be_read_and_keeps_the_original() {
        for kind in StoreEngine::ALL {
            saves(*kind).await;
        }
    }

    #[derive(serde::Serialize, serde::Deserialize)]
    struct Stop(u64, Vec<u8>);

    impl Record for Stop {
        const TABLE: Table = Table::Recipient;
    }

    /// A store of so many stops, closed.
    async fn stops(folder: &Path, kind: StoreEngine, count: u64) {
        let store = open(folder, kind);
        let done = store.transact(move |t| {
            for number in 0..count {
                let digest = ring::digest::digest(&ring::digest::SHA256, &number.to_be_bytes());
                let mut key = vec![0, 0, 0, 1];
                key.extend(&digest.as_ref()[..16]);
                t.put(&key, &Stop(number, vec![b's'; 100]));
            }
            Ok(Ok::<_, ()>(()))
        });
        done.await.expect("store").expect("written");
        store.close().await;
    }

    #[tokio::test]
    async fn what_lies_past_a_bad_place_is_saved_too_and_the_loss_is_told() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let kind = StoreEngine::Redb;
        stops(folder.path(), kind, 5000).await;
        let file = folder.path().join(kind.records());
        let mut bytes = std::fs::read(&file).expect("the file");
        // Pages full of stops, spoilt here and there.
        let is_leaf = |page: &&mut [u8]| page.windows(50).any(|part| part == [b's'; 50]);
        let leaves: Vec<_> = bytes.chunks_exact_mut(4096).filter(is_leaf).collect();
        assert!(leaves.len() > 100, "{}", leaves.len());
        for (number, page) in leaves.into_iter().enumerate() {
            if number % 50 == 25 {
                page[4..].fill(0xFF);
            }
        }
        std::fs::write(&file, bytes).expect("written");
        let recovered = recover(folder.path(), kind).expect("recovered");
        let saved = recovered.rows.iter().find(|(name, _)| *name == "recipient");
        let saved = saved.map_or(0, |(_, count)| *count);
        assert!((3500..5000).contains(&saved), "{recovered:?}");
        assert!(recovered.lost_recipients > 0 && recovered.warning().is_some(), "{recovered:?}");
    }

    #[tokio::test]
    async fn a_flipped_byte_in_the_head_costs_no_more_than_the_last_change() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let kind = StoreEngine::Redb;
        stops(folder.path(), kind, 10).await;
        stops(folder.path(), kind, 20).await;
        let file = folder.path().join(kind.records());
        let sound = std::fs::read(&file).expect("the file");
        let mut older = 0;
        for place in (0..320).step_by(3).chain([9, 12, 16, 20, 64, 192]) {
            let mut bytes = sound.clone();
            bytes[place] ^= 0x10;
            std::fs::write(&file, bytes).expect("written");
            let recovered =
                recover(folder.path(), kind).map_err(|fault| format!("{place}: {fault}"));
            let recovered = recovered.expect("recovered");
            let saved = recovered.rows[7].1;
            assert!(saved == 20 || recovered.is_older, "byte {place}: {recovered:?}");
            assert!(saved == 10 || saved == 20, "byte {place}: {recovered:?}");
            assert_eq!(recovered.warning().is_some(), recovered.is_older, "byte {place}");
            older += u32::from(recovered.is_older);
            std::fs::remove_file(recovered.damaged).expect("removed");
        }
        assert!(older > 0, "no flip met the last root");
    }

    #[tokio::test]
    async fn a_flipped_bit_in_the_name_of_a_table_costs_nothing_in_silence() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let kind = StoreEngine::Redb;
        stops(folder.path(), kind, 20).await;
        let file = folder.path().join(kind.records());
        let sound = std::fs::read(&file).expect("the file");
        let named = sound.windows(9).enumerate().filter(|(_, bytes)| bytes == b"recipient");
        let mut saved = 0;
        for at in named.flat_map(|(at, _)| at..at + 9) {
            for bit in 0..8 {
                let mut bytes = sound.clone();
                bytes[at] ^= 1 << bit;
                std::fs::write(&file, bytes).expect("written");
                match recover(folder.path(), kind) {
                    Ok(recovered) => {
                        let is_whole = recovered.rows[7].1 == 20;
                        assert!(is_whole || recovered.warning().is_some(), "{at}: {recovered:?}");
                        saved += u32::from(is_whole);
                        std::fs::remove_file(recovered.damaged).expect("removed");
                    }
                    Err(said) => assert!(said.contains("damaged"), "{at}: {said}"),
                }
            }
        }
        assert!(saved > 8, "{saved}");
    }

    #[tokio::test]
    async fn what_root_recovers_belongs_to_whom_the_damaged_records_did() {
        use std::os::unix::fs::MetadataExt;
        if !rustix::process::geteuid().is_root() {
            return; // who is not root recovers what is their own
        }
        for kind in StoreEngine::ALL {
            let folder = tempfile::tempdir().expect("a temporary folder");
            stops(folder.path(), *kind, 10).await;
            let file = folder.path().join(kind.records());
            let root = std::fs::File::open(&file).expect("the records");
            hand_over(&root, (4711, 4711)).expect("root may");
            recover(folder.path(), *kind).expect("recovered");
            for path in [file.clone(), kind.content(&file)] {
                let about = path.metadata().expect("the new records");
                assert_eq!((about.uid(), about.gid()), (4711, 4711), "{}", path.display());
            }
        }
    }

    async fn killed(kind: StoreEngine) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        stops(folder.path(), kind, 10).await;
        let file = folder.path().join(kind.records());
        let aside = folder.path().join(format!("{}.damaged-1", kind.records()));
        // Linked and not yet replaced; and, as a folder is and builds before did it, moved and not yet
        // replaced.
        if file.is_file() {
            std::fs::hard_link(&file, &aside).expect("linked");
        }
        let recovered = recover(folder.path(), kind).expect("recovered");
        assert_eq!(recovered.rows[7], ("recipient", 10));
        for leftover in [&recovered.damaged, &aside] {
            clear(leftover).expect("removed");
        }
        std::fs::rename(&file, &aside).expect("moved");
        assert!(open(folder.path(), kind).ready().is_err());
        let recovered = recover(folder.path(), kind).expect("recovered");
        assert_eq!((recovered.rows[7], recovered.damaged), (("recipient", 10), aside));
        assert!(open(folder.path(), kind).ready().is_ok());
    }

    #[tokio::test]
    async fn a_recovery_killed_between_its_steps_is_run_again() {
        for kind in StoreEngine::ALL {
            killed(*kind).await;
        }
    }

    #[cfg(feature = "sled")]
    #[tokio::test]
    async fn recovery_finds_a_way_past_a_damaged_snapshot() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let kind = StoreEngine::Sled;
        stops(folder.path(), kind, 1000).await;
        let snapshot = folder.path().join(kind.records()).join("snap.00000000FFFFFFFF");
        std::fs::write(&snapshot, [7; 50]).expect("written");
        assert!(matches!(open(folder.path(), kind).ready(), Err(StoreFault::Damaged(_))));
        let recovered = recover(folder.path(), kind).expect("recovered");
        assert_eq!((recovered.rows[7], recovered.lost), (("recipient", 1000), 0));
        assert!(open(folder.path(), kind).ready().is_ok());
    }
}
