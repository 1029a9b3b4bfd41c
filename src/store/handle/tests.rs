//! What the store acknowledges is there: after a restart, for readers, on a full disk, and in a file written anew.

use super::*;
use crate::world::{Disk, DiskFile, SystemDisk};
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};

fn open(folder: &Path) -> Store {
    Store::open(folder, &config::Store::default(), &World::real())
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_restart() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = open(folder.path());
    let count = |t: &mut Transaction<'_>| Ok(Ok::<_, ()>(t.count("records")?));
    assert_eq!(store.transact(count).await.expect("store"), Ok(1));
    let refused = store
        .transact(|t| {
            t.count("records")?;
            Ok(Err::<(), _>("no"))
        })
        .await;
    assert_eq!(refused.expect("store"), Err("no"));
    store.close().await;
    drop(store);
    let store = open(folder.path());
    assert_eq!(store.transact(count).await.expect("store"), Ok(2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_reader_never_sees_less_than_was_acknowledged() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = open(folder.path());
    let acknowledged = Arc::new(std::sync::atomic::AtomicU64::new(0));
    let mut readers = tokio::task::JoinSet::new();
    for _ in 0..3 {
        let (store, acknowledged) = (store.clone(), acknowledged.clone());
        readers.spawn(async move {
            let mut before = 0;
            while before < 300 {
                before = acknowledged.load(Ordering::SeqCst);
                let found = store.get::<Counter>(b"count/records").expect("store");
                assert!(found.map_or(0, |count| count.0) >= before, "{before} was said");
                tokio::task::yield_now().await;
            }
        });
    }
    for number in 1..=300 {
        let counted = store.transact(|t| Ok(Ok::<_, ()>(t.count("records")?))).await;
        assert_eq!(counted.expect("store"), Ok(number));
        acknowledged.store(number, Ordering::SeqCst);
    }
    while let Some(read) = readers.join_next().await {
        read.expect("no reader saw less");
    }
}

/// Fails its commits for want of room while told to.
struct Narrow(Arc<AtomicBool>, Box<dyn Engine>);

impl Engine for Narrow {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, EngineFault> {
        self.1.get(table, key)
    }
    fn scan(
        &self,
        table: Table,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Row>, EngineFault> {
        self.1.scan(table, prefix, after, limit)
    }
    fn commit(&self, changes: &[super::super::engine::Change]) -> Result<(), EngineFault> {
        match self.0.load(Ordering::SeqCst) {
            true => Err(io::Error::from_raw_os_error(28).into()),
            false => self.1.commit(changes),
        }
    }
}

#[tokio::test]
async fn a_full_disk_refuses_changes_until_there_is_room_and_needs_no_hands() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let is_full = Arc::new(AtomicBool::new(true));
    let (path, full) = (folder.path().to_owned(), is_full.clone());
    let reopen: Reopen = Box::new(move || {
        let kind = config::Store::default().engine;
        let engine = opening::open(&path, kind, 1 << 20, &World::real())?;
        Ok(Box::new(Narrow(full.clone(), engine)) as Box<dyn Engine>)
    });
    let store = Store::over(reopen, None, &config::Store::default(), Arc::default());
    let count = |t: &mut Transaction<'_>| Ok(Ok::<_, ()>(t.count("records")?));
    let refused = store.transact(count).await.expect_err("no room");
    assert!(matches!(refused, StoreFault::Short(_)), "{refused}");
    assert!(!refused.to_string().contains("recover"), "{refused}");
    is_full.store(false, Ordering::SeqCst);
    let taken = async {
        while store.transact(count).await.is_err() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(std::time::Duration::from_secs(60), taken).await.expect("room again");
    assert_eq!(store.transact(count).await.expect("store"), Ok(2));
}

#[derive(Serialize, Deserialize, Debug, PartialEq)]
struct Note(String);

impl Record for Note {
    const TABLE: Table = Table::ConsentRequest;
}

#[tokio::test]
async fn what_was_removed_is_in_no_place_of_a_file_that_was_written_anew() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let store = open(folder.path());
    let put = |number: u32, text: String| {
        store.transact(move |t| {
            t.put(&number.to_be_bytes(), &Note(text));
            Ok(Ok::<_, ()>(()))
        })
    };
    for number in 0..50 {
        let _ = put(number, format!("quillfeather {number}")).await.expect("store");
    }
    let _ = put(50, "stays".into()).await.expect("store");
    let cleared = store.transact(|t| {
        (0..50_u32).for_each(|number| t.remove::<Note>(&number.to_be_bytes()));
        Ok(Ok::<_, ()>(()))
    });
    assert_eq!(cleared.await.expect("store"), Ok(()));
    let holds = || {
        let bytes = std::fs::read(folder.path().join("records.redb")).expect("the file");
        bytes.windows(12).any(|window| window == b"quillfeather")
    };
    assert!(holds(), "the test would find nothing");
    assert!(!store.compact(10).await.expect("store"), "it is larger than that");
    assert!(holds());
    let reader = store.clone();
    assert!(store.compact(u64::MAX).await.expect("store"));
    assert!(!holds());
    let kept = || reader.get::<Note>(&50_u32.to_be_bytes()).expect("store");
    assert_eq!(kept(), Some(Note("stays".into())));
    let _ = put(51, "later".into()).await.expect("store");
    store.close().await;
    drop((store, reader));
    let again = open(folder.path());
    let count = again.scan::<Note>(&[], None, 99).expect("store").len();
    assert_eq!(count, 2);
    again.close().await;
    drop(again);
    let offline = compact(folder.path(), &config::Store::default()).await;
    assert!(offline.expect("nobody has it open"));
}

/// A disk that, once told to, secures no folder's names.
struct Unsure(SystemDisk, AtomicBool);

impl Disk for Unsure {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.0.create(path)
    }
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.0.open(path)
    }
    fn create_directory(&self, path: &Path) -> io::Result<()> {
        self.0.create_directory(path)
    }
    fn list(&self, directory: &Path) -> io::Result<Vec<PathBuf>> {
        self.0.list(directory)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.0.remove(path)
    }
    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        if self.1.load(Ordering::SeqCst) {
            return Err(rustix::io::Errno::NOSPC.into());
        }
        self.0.sync_directory(directory)
    }
    fn free(&self, path: &Path) -> io::Result<u64> {
        self.0.free(path)
    }
}

#[tokio::test]
async fn nothing_is_acknowledged_into_a_file_that_may_have_lost_its_name() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let disk = Arc::new(Unsure(SystemDisk, AtomicBool::new(false)));
    let world = World { disk: disk.clone(), ..World::real() };
    let store = Store::open(folder.path(), &config::Store::default(), &world);
    let count = |t: &mut Transaction<'_>| Ok(Ok::<_, ()>(t.count("records")?));
    assert_eq!(store.transact(count).await.expect("store"), Ok(1));
    disk.1.store(true, Ordering::SeqCst);
    let compacted = store.compact(u64::MAX).await;
    assert!(matches!(compacted, Err(StoreFault::Failed(_))), "{compacted:?}");
    assert!(store.transact(count).await.is_err());
    store.close().await;
    drop(store);
    let again = open(folder.path());
    assert_eq!(again.transact(count).await.expect("store"), Ok(2));
}
