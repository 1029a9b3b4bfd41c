//! How the records are opened: what is there is checked, and made only where nothing ever was.

use super::Table;
use super::committer::Anewed;
use super::engine::{Change, Engine, EngineFault};
use super::recover::{MARKER, clear, give};
use super::value::is_whole;
use crate::config::StoreEngine;
use crate::world::World;
use std::path::{Path, PathBuf};

/// Added to the name under which a first start makes the records, before they get their own.
const FRESH: &str = "fresh";
/// Added to the name of what an unfinished first start left, moved aside.
const UNFINISHED: &str = "unfinished";
/// The folder of accepted mail, in which the marker lies once more, so that no single removal makes an
/// empty start of a damaged one.
const MAIL: &str = "spool";
/// Added to the name of records that are written anew, until they are whole.
const ANEW: &str = "anew";
/// Rows that are written anew at a time, and the cache for that.
const COPY_ROWS: usize = 10_000;
const COPY_CACHE: usize = 16 << 20;
/// Rows checked at a time.
const ROWS: usize = 1000;

/// Opens what is there, creates only where nothing ever was.
pub(super) fn open(
    directory: &Path,
    kind: StoreEngine,
    cache: usize,
    world: &World,
) -> Result<Box<dyn Engine>, EngineFault> {
    let (file, marker) = (directory.join(kind.records()), directory.join(MARKER));
    let said = |path: &Path, fault: std::io::Error| EngineFault::from(fault).at(path);
    let there = |path: &Path| path.try_exists().map_err(|fault| said(path, fault));
    world.disk.create_directory(directory).map_err(|fault| said(directory, fault))?;
    let is_marked = there(&marker)? || is_witnessed(directory, world)?;
    let engine = if is_marked {
        if !there(&file)? {
            return Err(EngineFault::Damaged(gone(directory, kind)).at(&file));
        }
        kind.open(&file, cache, false)?
    } else {
        // Without a marker nothing was ever acknowledged: what a crash left of a first start goes on,
        // or makes way.
        match there(&file)?.then(|| kind.open(&file, cache, false)) {
            Some(Ok(engine)) => engine,
            Some(Err(EngineFault::Damaged(why))) => {
                tracing::warn!(target: "relent::store", why, "a first start was never finished: anew");
                let aside = beside(&file, UNFINISHED);
                clear(&aside).map_err(|fault| said(&aside, fault))?;
                world.disk.rename(&file, &aside).map_err(|fault| said(&aside, fault))?;
                create(&file, kind, cache, world)?
            }
            Some(Err(fault)) => return Err(fault),
            None => create(&file, kind, cache, world)?,
        }
    };
    check(engine.as_ref()).map_err(|fault| fault.at(&file))?;
    mark(directory, &marker, world);
    Ok(engine)
}

/// Why there are no records where there were some, and what to do.
fn gone(directory: &Path, kind: StoreEngine) -> String {
    let mut others = StoreEngine::ALL.iter().filter(|other| **other != kind);
    let other = others.find(|other| directory.join(other.records()).exists());
    other.map_or_else(
        || "the file is missing, though records were kept: restore it from a backup".into(),
        |other| {
            let (other, theirs, ours) = (other.name(), other.records(), kind.name());
            format!(
                "the file is missing, and records of another engine lie beside it in {theirs}: write \
                 engine = \"{other}\" under [store]; no engine reads what another wrote, and records that \
                 were kept with \"{ours}\" come from a backup"
            )
        },
    )
}

/// The same path with a word added to its name.
fn beside(file: &Path, word: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(".");
    name.push(word);
    name.into()
}

/// Makes the records under another name first: a crash leaves them whole or not at all.
fn create(
    file: &Path,
    kind: StoreEngine,
    cache: usize,
    world: &World,
) -> Result<Box<dyn Engine>, EngineFault> {
    let fresh = beside(file, FRESH);
    let said = |fault: std::io::Error| EngineFault::from(fault).at(&fresh);
    clear(&fresh).map_err(said)?;
    drop(kind.open(&fresh, cache, true)?);
    world.disk.rename(&fresh, file).map_err(said)?;
    world.disk.sync_directory(file.parent().unwrap_or(file)).map_err(said)?;
    kind.open(file, cache, false)
}

/// Writes the records of an open engine into a file of their own, which then takes the old one's name. The
/// old one is whole until then, and whoever reads by it goes on. The new one is opened and looked through
/// before it has the name: past that nothing may keep it from being used, as what the old one is given
/// from then on is lost with its file.
pub(super) fn write_anew(
    directory: &Path,
    (kind, cache): (StoreEngine, usize),
    engine: &dyn Engine,
    size_max: u64,
    world: &World,
) -> Result<Option<Anewed>, EngineFault> {
    let file = directory.join(kind.records());
    let said = |path: &Path, fault: std::io::Error| EngineFault::from(fault).at(path);
    let size = std::fs::metadata(&file).map_err(|fault| said(&file, fault))?;
    // An engine that keeps a folder cannot give its name to another while it is open.
    if !size.is_file() || size.len() > size_max {
        return Ok(None);
    }
    let copy = beside(&file, ANEW);
    clear(&copy).map_err(|fault| said(&copy, fault))?;
    let placed = copy_rows(engine, kind, &copy).and_then(|()| {
        let new = kind.open(&copy, cache, false)?;
        check(new.as_ref()).map_err(|fault| fault.at(&copy))?;
        give(&copy, &file).map_err(|fault| said(&copy, fault))?;
        world.disk.rename(&copy, &file).map_err(|fault| said(&copy, fault))?;
        Ok(new)
    });
    let engine = match placed {
        Ok(engine) => engine,
        Err(fault) => {
            let _ = clear(&copy);
            return Err(fault);
        }
    };
    // Whatever it says, nobody knows which of the two files has the name after a power cut.
    let unknown = |fault: std::io::Error| EngineFault::Disk(fault.to_string()).at(directory);
    let secured = world.disk.sync_directory(directory).map_err(unknown);
    Ok(Some(Anewed { engine, secured }))
}

/// Writes every row of an engine into a new file.
fn copy_rows(engine: &dyn Engine, kind: StoreEngine, copy: &Path) -> Result<(), EngineFault> {
    let new = kind.open(copy, COPY_CACHE, true)?;
    for table in Table::ALL {
        let mut after: Option<Vec<u8>> = None;
        loop {
            let rows = engine.scan(table, b"", after.as_deref(), COPY_ROWS)?;
            let Some((last, _)) = rows.last() else { break };
            after = Some(last.clone());
            let change = |(key, value)| Change { table, key, value: Some(value) };
            new.commit(&rows.into_iter().map(change).collect::<Vec<_>>())?;
        }
    }
    Ok(())
}

/// Whether the folder of accepted mail says that there were records.
fn is_witnessed(directory: &Path, world: &World) -> Result<bool, EngineFault> {
    let mail = directory.join(MAIL);
    let said = |fault: std::io::Error| EngineFault::from(fault).at(&mail);
    if !mail.try_exists().map_err(said)? {
        return Ok(false);
    }
    let says = |path: &PathBuf| {
        path.extension().is_some_and(|extension| extension == "seg") || path.ends_with(MARKER)
    };
    Ok(world.disk.list(&mail).map_err(said)?.iter().any(says))
}

/// Sets the markers that are missing. A disk without room for one is no reason not to start.
fn mark(directory: &Path, marker: &Path, world: &World) {
    let mail = directory.join(MAIL);
    let set = |folder: &Path, path: &Path| {
        if path.try_exists()? {
            return Ok(());
        }
        world.disk.create_directory(folder)?;
        world.disk.create(path)?.sync_data()?;
        world.disk.sync_directory(folder)
    };
    let done = set(directory, marker).and_then(|()| set(&mail, &mail.join(MARKER)));
    if let Err(fault) = done.and_then(|()| world.disk.sync_directory(directory)) {
        tracing::warn!(target: "relent::store", %fault,
            "the records could not be marked as made; it is tried again at the next start");
    }
}

/// The tables that are read through before they are used: all but what happened, which nothing is
/// decided by.
const CHECKED: [Table; 18] = [
    Table::Meta,
    Table::Account,
    Table::AccountName,
    Table::Credential,
    Table::Domain,
    Table::Stream,
    Table::StreamName,
    Table::Recipient,
    Table::TlsPolicy,
    Table::DeadShare,
    Table::HeldStop,
    Table::AccountLimit,
    Table::Member,
    Table::MemberName,
    Table::Session,
    Table::Invitation,
    Table::Webhook,
    Table::ConsentRequest,
];
/// Of the many rows of recipients, every so many-th is looked up by its key as well.
const LOOKED_UP: usize = 16;

/// Reads what decides over mail once: a key with a flipped bit is found by nobody who looks for it, and
/// its stop would be lifted in silence, or its domain be no account's; what stands there must be
/// found by its key, and all that was put there must stand there.
fn check(engine: &dyn Engine) -> Result<(), EngineFault> {
    CHECKED.into_iter().try_for_each(|table| check_table(engine, table))
}

fn check_table(engine: &dyn Engine, table: Table) -> Result<(), EngineFault> {
    let step = if table == Table::Recipient { LOOKED_UP } else { 1 };
    let mut after: Option<Vec<u8>> = None;
    let mut seen = 0;
    loop {
        let rows = engine.scan(table, b"", after.as_deref(), ROWS)?;
        let damaged = |key: &[u8]| {
            let (key, name) = (data_encoding::HEXLOWER.encode(key), table.name());
            Err(EngineFault::Damaged(format!("the row {key} of `{name}` is damaged")))
        };
        if let Some((key, _)) = rows.iter().find(|(key, value)| !is_whole(key, value)) {
            return damaged(key);
        }
        let looked_up = || rows.iter().step_by(step);
        let keys: Vec<&[u8]> = looked_up().map(|(key, _)| key.as_slice()).collect();
        for ((key, value), found) in looked_up().zip(engine.get_many(table, &keys)?) {
            if found.as_ref() != Some(value) {
                return damaged(key);
            }
        }
        seen += rows.len() as u64;
        match rows.into_iter().next_back() {
            Some((last, _)) => after = Some(last),
            None => break,
        }
    }
    match engine.count(table)? {
        Some(count) if count != seen => Err(EngineFault::Damaged(format!(
            "of the {count} rows of `{}` {seen} can be found",
            table.name()
        ))),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Store, StoreFault};
    use super::*;
    use crate::config;

    fn start(folder: &Path, kind: StoreEngine) -> Store {
        let settings = config::Store { engine: kind, ..config::Store::default() };
        Store::open(folder, &settings, &World::real())
    }

    fn is_damaged(store: &Store) -> bool {
        matches!(store.ready(), Err(StoreFault::Damaged(_)))
    }

    /// A folder in which records were begun, for each engine of this build.
    async fn begun() -> Vec<(StoreEngine, tempfile::TempDir)> {
        let mut all = Vec::new();
        for &kind in StoreEngine::ALL {
            let folder = tempfile::tempdir().expect("a temporary folder");
            let store = start(folder.path(), kind);
            assert!(store.ready().is_ok(), "{:?}", store.ready());
            store.close().await;
            all.push((kind, folder));
        }
        all
    }

    #[tokio::test]
    async fn a_store_whose_file_is_gone_does_not_start_empty() {
        for (kind, folder) in begun().await {
            let file = folder.path().join(kind.records());
            clear(&file).expect("removed");
            assert!(is_damaged(&start(folder.path(), kind)));
            assert!(!file.exists());
        }
    }

    #[tokio::test]
    async fn a_store_of_junk_answers_damage() {
        for junk in [vec![7; 9000], Vec::new()] {
            for (kind, folder) in begun().await {
                let file = kind.content(&folder.path().join(kind.records()));
                std::fs::write(file, &junk).expect("written");
                assert!(is_damaged(&start(folder.path(), kind)), "{kind:?}");
            }
        }
    }

    #[tokio::test]
    async fn a_store_that_lost_its_marker_too_does_not_start_empty() {
        for (kind, folder) in begun().await {
            let file = folder.path().join(kind.records());
            for path in [&file, &folder.path().join(MARKER)] {
                clear(path).expect("removed");
            }
            assert!(is_damaged(&start(folder.path(), kind)));
            // Accepted mail says it as well.
            let mail = folder.path().join(MAIL);
            std::fs::rename(mail.join(MARKER), mail.join("0000000000000001.seg")).expect("renamed");
            assert!(is_damaged(&start(folder.path(), kind)));
            assert!(!file.exists());
        }
    }

    #[tokio::test]
    async fn what_an_unfinished_first_start_left_makes_way() {
        for &kind in StoreEngine::ALL {
            let fresh = format!("{}.{FRESH}", kind.records());
            let (file, fresh) = (kind.records().to_owned(), fresh);
            for (name, length) in [(&file, 9000), (&file, 0), (&fresh, 9000)] {
                let folder = tempfile::tempdir().expect("a temporary folder");
                std::fs::write(folder.path().join(name), vec![7; length]).expect("written");
                let store = start(folder.path(), kind);
                assert!(store.ready().is_ok(), "{name} of {length}: {:?}", store.ready());
                store.close().await;
                drop(store);
                assert!(start(folder.path(), kind).ready().is_ok());
                assert!(!folder.path().join(&fresh).exists());
            }
        }
    }

    #[cfg(feature = "sled")]
    #[tokio::test]
    async fn records_of_another_engine_are_named() {
        for (kind, folder) in begun().await {
            let other = StoreEngine::ALL.iter().find(|other| **other != kind).expect("two");
            let said = start(folder.path(), *other).ready().expect_err("not its own").to_string();
            assert!(said.contains(&format!("engine = \"{}\"", kind.name())), "{said}");
            assert!(start(folder.path(), kind).ready().is_ok());
        }
    }

    #[tokio::test]
    async fn a_row_under_a_wrong_key_is_damage() {
        for table in CHECKED {
            for (kind, folder) in begun().await {
                let path = folder.path().join(kind.records());
                let engine = kind.open(&path, 1 << 20, false).expect("opened");
                let value = super::super::value::encode(b"a", &super::super::handle::Counter(1));
                let under =
                    |key: &[u8]| Change { table, key: key.to_vec(), value: Some(value.clone()) };
                engine.commit(&[under(b"a")]).expect("committed");
                assert_eq!(check(engine.as_ref()), Ok(()));
                engine.commit(&[under(b"b")]).expect("committed");
                drop(engine);
                assert!(is_damaged(&start(folder.path(), kind)), "{}", table.name());
            }
        }
    }

    /// All rows of the tables that decide over mail.
    fn deciding(engine: &dyn Engine) -> Result<Vec<Vec<super::super::engine::Row>>, EngineFault> {
        CHECKED.into_iter().map(|table| engine.scan(table, b"", None, usize::MAX)).collect()
    }

    #[tokio::test]
    async fn no_flipped_bit_hides_what_decides_over_mail() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let store = start(folder.path(), StoreEngine::Redb);
        store.close().await;
        drop(store);
        let file = folder.path().join(StoreEngine::Redb.records());
        let engine = StoreEngine::Redb.open(&file, 1 << 20, false).expect("opened");
        let row = |table, number: u32| {
            let key = number.wrapping_mul(2_654_435_761).to_be_bytes();
            let value = super::super::value::encode(&key, &super::super::handle::Counter(7));
            Change { table, key: key.to_vec(), value: Some(value) }
        };
        for table in CHECKED {
            let count = if table == Table::Recipient { 200 } else { 3 };
            engine
                .commit(&(0..count).map(|n| row(table, n)).collect::<Vec<_>>())
                .expect("committed");
        }
        let expected = deciding(engine.as_ref()).expect("whole");
        drop(engine);
        let whole = std::fs::read(&file).expect("read");
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
        let limit = rustix::process::Rlimit { current: limit.maximum, ..limit };
        rustix::process::setrlimit(rustix::process::Resource::Nofile, limit).expect("raised");
        let flipped = folder.path().join("flipped");
        let (mut seen, mut tried) = (0, 0);
        // The beginning of each page, which says what is in it, the names of tables, and some of the rest.
        let named = whole.windows(6).enumerate().filter(|(_, bytes)| bytes == b"domain");
        let named: Vec<usize> = named.flat_map(|(at, _)| at..at + 6).collect();
        let is_used = |at: usize| whole[at - at % 4096..].iter().take(4096).any(|byte| *byte != 0);
        let is_tried = |at: &usize| {
            at % 4096 < 4 && is_used(*at)
                || named.contains(at)
                || whole[*at] != 0 && at.is_multiple_of(97)
        };
        for at in (0..whole.len()).filter(is_tried) {
            let bits = if at % 4096 < 4 { 8 } else { 1 };
            for bit in 0..bits {
                let mut bytes = whole.clone();
                bytes[at] ^= 1 << ((at / 97 + bit) % 8);
                let _ = std::fs::remove_file(&flipped);
                std::fs::write(&flipped, bytes).expect("written");
                tried += 1;
                let open = StoreEngine::Redb.open(&flipped, 1 << 20, false);
                let checked = open.and_then(|engine| check(engine.as_ref()).map(|()| engine));
                let engine = match checked {
                    Ok(engine) => engine,
                    Err(fault) => {
                        assert!(matches!(fault, EngineFault::Damaged(_)), "at {at}: {fault:?}");
                        seen += 1;
                        continue;
                    }
                };
                assert_eq!(deciding(engine.as_ref()), Ok(expected.clone()), "at {at}");
                // Nor does what is written later come to lie where something else lies.
                let written = (0..4).try_for_each(|turn| {
                    let events = (0..50).map(|n| row(Table::RecordEvent, turn * 50 + n));
                    engine.commit(&events.collect::<Vec<_>>())
                });
                if written.is_ok() {
                    assert_eq!(deciding(engine.as_ref()), Ok(expected.clone()), "at {at}, later");
                }
                // Left open: closing writes by what may be damaged, and may find that impossible.
                std::mem::forget(engine);
            }
        }
        assert!(seen > 100 && tried - seen > 100, "{seen} of {tried}");
    }
}
