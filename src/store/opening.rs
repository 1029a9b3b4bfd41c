//! How the records are opened: what is there is checked, and made only where nothing ever was.

use super::Table;
use super::engine::{Engine, EngineFault};
use super::recover::{FILE, MARKER};
use super::redb::Redb;
use super::value::is_whole;
use crate::world::World;
use std::path::{Path, PathBuf};

/// Where a first start makes the records, before they get their name.
const FRESH: &str = "records.redb.fresh";
/// What an unfinished first start left, moved aside.
const UNFINISHED: &str = "records.redb.unfinished";
/// The folder of accepted mail, in which the marker lies once more, so that no single removal makes an
/// empty start of a damaged one.
const MAIL: &str = "spool";
/// Rows checked at a time.
const ROWS: usize = 1000;

/// Opens what is there, creates only where nothing ever was.
pub(super) fn open(directory: &Path, cache: usize, world: &World) -> Result<Redb, EngineFault> {
    let (file, marker) = (directory.join(FILE), directory.join(MARKER));
    let said = |path: &Path, fault: std::io::Error| EngineFault::from(fault).at(path);
    let there = |path: &Path| path.try_exists().map_err(|fault| said(path, fault));
    world.disk.create_directory(directory).map_err(|fault| said(directory, fault))?;
    let is_marked = there(&marker)? || is_witnessed(directory, world)?;
    let engine = if is_marked {
        if !there(&file)? {
            let text = "the file is missing, though records were kept: restore it from a backup";
            return Err(EngineFault::Damaged(text.into()).at(&file));
        }
        Redb::open(&file, cache, false)?
    } else {
        // Without a marker nothing was ever acknowledged: what a crash left of a first start goes on,
        // or makes way.
        match there(&file)?.then(|| Redb::open(&file, cache, false)) {
            Some(Ok(engine)) => engine,
            Some(Err(EngineFault::Damaged(why))) => {
                tracing::warn!(target: "relent::store", why, "a first start was never finished: anew");
                let aside = directory.join(UNFINISHED);
                world.disk.rename(&file, &aside).map_err(|fault| said(&aside, fault))?;
                create(directory, &file, cache, world)?
            }
            Some(Err(fault)) => return Err(fault),
            None => create(directory, &file, cache, world)?,
        }
    };
    check(&engine).map_err(|fault| fault.at(&file))?;
    mark(directory, &marker, world);
    Ok(engine)
}

/// Makes the records under another name first: a crash leaves a whole file or none.
fn create(directory: &Path, file: &Path, cache: usize, world: &World) -> Result<Redb, EngineFault> {
    let fresh = directory.join(FRESH);
    let said = |fault: std::io::Error| EngineFault::from(fault).at(&fresh);
    if fresh.try_exists().map_err(said)? {
        world.disk.remove(&fresh).map_err(said)?;
    }
    let engine = Redb::open(&fresh, cache, true)?;
    world.disk.rename(&fresh, file).map_err(said)?;
    world.disk.sync_directory(directory).map_err(said)?;
    Ok(engine)
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

/// Reads every recipient's stops once: a key with a flipped bit is found by nobody who looks for it,
/// and its stop would be lifted in silence.
fn check(engine: &dyn Engine) -> Result<(), EngineFault> {
    let mut after: Option<Vec<u8>> = None;
    loop {
        let rows = engine.scan(Table::Recipient, b"", after.as_deref(), ROWS)?;
        if let Some((key, _)) = rows.iter().find(|(key, value)| !is_whole(key, value)) {
            let key = data_encoding::HEXLOWER.encode(key);
            return Err(EngineFault::Damaged(format!("the row {key} of `recipient` is damaged")));
        }
        match rows.into_iter().next_back() {
            Some((last, _)) => after = Some(last),
            None => return Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::engine::Change;
    use super::super::{Store, StoreFault};
    use super::*;
    use crate::config;

    fn start(folder: &Path) -> Store {
        Store::open(folder, &config::Store::default(), &World::real())
    }

    fn is_damaged(store: &Store) -> bool {
        matches!(store.ready(), Err(StoreFault::Damaged(_)))
    }

    #[tokio::test]
    async fn a_store_whose_file_is_gone_does_not_start_empty() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        start(folder.path()).close().await;
        std::fs::remove_file(folder.path().join(FILE)).expect("remove");
        assert!(is_damaged(&start(folder.path())));
        assert!(!folder.path().join(FILE).exists());
    }

    #[tokio::test]
    async fn a_store_of_junk_answers_damage() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        start(folder.path()).close().await;
        std::fs::write(folder.path().join(FILE), [7; 9000]).expect("write");
        let store = start(folder.path());
        assert!(is_damaged(&store));
    }

    #[tokio::test]
    async fn a_store_that_lost_its_marker_too_does_not_start_empty() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        start(folder.path()).close().await;
        for name in [FILE, MARKER] {
            std::fs::remove_file(folder.path().join(name)).expect("remove");
        }
        assert!(is_damaged(&start(folder.path())));
        // Accepted mail says it as well.
        let mail = folder.path().join(MAIL);
        std::fs::rename(mail.join(MARKER), mail.join("0000000000000001.seg")).expect("renamed");
        assert!(is_damaged(&start(folder.path())));
        assert!(!folder.path().join(FILE).exists());
    }

    #[tokio::test]
    async fn what_an_unfinished_first_start_left_makes_way() {
        for (name, length) in [(FILE, 9000), (FILE, 0), (FRESH, 9000)] {
            let folder = tempfile::tempdir().expect("a temporary folder");
            std::fs::write(folder.path().join(name), vec![7; length]).expect("written");
            let store = start(folder.path());
            assert!(store.ready().is_ok(), "{name} of {length}: {:?}", store.ready());
            store.close().await;
            drop(store);
            assert!(start(folder.path()).ready().is_ok());
            assert!(!folder.path().join(FRESH).exists());
        }
    }

    #[tokio::test]
    async fn a_stop_under_a_wrong_key_is_damage() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        start(folder.path()).close().await;
        let path = folder.path().join(FILE);
        let engine = Redb::open(&path, 1 << 20, false).expect("opened");
        let value = super::super::value::encode(b"a", &super::super::handle::Counter(1));
        let under = |key: &[u8]| Change {
            table: Table::Recipient,
            key: key.to_vec(),
            value: Some(value.clone()),
        };
        engine.commit(&[under(b"a")]).expect("committed");
        assert_eq!(check(&engine), Ok(()));
        engine.commit(&[under(b"b")]).expect("committed");
        drop(engine);
        assert!(is_damaged(&start(folder.path())));
    }
}
