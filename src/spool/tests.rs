//! The spool against kills, torn writes, flipped bytes and a disk that fails on command.

use super::*;
use crate::config;
use crate::config::Size;
use crate::world::{Disk, DiskFile, SystemDisk, World};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

const EVENT: Kind = Kind(7);
const DAY: Duration = Duration::from_secs(86_400);

fn settings() -> config::Spool {
    config::Spool {
        free_space_min: Size(0),
        ..config::Spool::default()
    }
}

fn open(folder: &Path) -> (Spool, Recovery) {
    Spool::open(folder, &settings(), DAY, &World::real()).expect("the spool opens")
}

async fn accept(spool: &Spool, text: &[u8]) -> Result<(Sequence, Body), SpoolFault> {
    let mut body = spool.body();
    body.write(text).await?;
    let (said, heard) = std::sync::mpsc::channel();
    let encode: Encode = Box::new(move |body| {
        let _ = said.send(body);
        (EVENT, b"accepted".to_vec())
    });
    let sequence = spool.accept(body, encode).await?;
    Ok((
        sequence,
        heard.recv().expect("the writer encoded the record"),
    ))
}

async fn read_back(spool: &Spool, body: &Body) -> Result<Vec<u8>, SpoolFault> {
    let mut reader = spool.reader(body);
    let mut whole = Vec::new();
    while let Some(piece) = reader.next().await? {
        whole.extend_from_slice(&piece);
    }
    Ok(whole)
}

fn only_segment(folder: &Path) -> PathBuf {
    folder.join("0000000000000001.seg")
}

#[tokio::test]
async fn a_large_body_streams_in_and_out() {
    let folder = tempfile::tempdir().expect("a folder");
    let (spool, _) = open(folder.path());
    let text: Vec<u8> = (0..3_000_000_u32)
        .flat_map(u32::to_le_bytes)
        .take(3_000_000)
        .collect();
    let (sequence, body) = accept(&spool, &text).await.expect("accepted");
    assert!(body.extents.len() > 10);
    assert_eq!(read_back(&spool, &body).await.expect("readable"), text);
    spool.close().await;
    let (spool, recovery) = open(folder.path());
    assert_eq!(recovery.quarantined + recovery.torn_bytes, 0);
    let records = spool.read(Sequence(0), 10).expect("readable");
    assert_eq!(records.len(), 1);
    assert_eq!(records[0].sequence, sequence);
    let later = spool
        .append(vec![(EVENT, Vec::new())], Durability::Synced)
        .await
        .expect("appended");
    assert!(later[0] > sequence, "sequences go on");
}

#[tokio::test]
async fn a_torn_tail_is_cut_and_what_was_acknowledged_stays() {
    let folder = tempfile::tempdir().expect("a folder");
    let (spool, _) = open(folder.path());
    accept(&spool, b"one").await.expect("accepted");
    spool.close().await;
    let path = only_segment(folder.path());
    let whole = std::fs::read(&path).expect("a segment");
    for extra in 1..60 {
        let mut torn = whole.clone();
        torn.extend(whole[40..].iter().take(extra.min(whole.len() - 41)));
        torn.truncate(whole.len() + extra);
        if torn.len() == whole.len() + (whole.len() - 40) {
            continue;
        }
        std::fs::write(&path, &torn).expect("written");
        let (spool, recovery) = open(folder.path());
        let kept = spool.read(Sequence(0), 10).expect("readable");
        assert_eq!(kept.len(), 1, "{extra}");
        assert_eq!(recovery.quarantined, 0, "{extra}");
        spool.close().await;
        std::fs::write(&path, &whole).expect("written");
    }
}

#[tokio::test]
async fn a_flipped_byte_costs_one_record_at_most() {
    let folder = tempfile::tempdir().expect("a folder");
    let (spool, _) = open(folder.path());
    for text in [b"one", b"two", b"six"] {
        accept(&spool, text).await.expect("accepted");
    }
    spool.close().await;
    let path = only_segment(folder.path());
    let whole = std::fs::read(&path).expect("a segment");
    for at in 0..whole.len() {
        let mut bad = whole.clone();
        bad[at] ^= 0x10;
        std::fs::write(&path, &bad).expect("written");
        let (spool, _) = open(folder.path());
        let kept = spool.read(Sequence(0), 10).expect("readable");
        assert!(kept.len() >= 2, "byte {at}: {} records left", kept.len());
        spool.close().await;
    }
}

/// A disk that counts and, on command, fails its syncs.
struct Watched {
    real: SystemDisk,
    syncs: Arc<AtomicUsize>,
    fails: Arc<AtomicBool>,
}

struct WatchedFile {
    real: Arc<dyn DiskFile>,
    syncs: Arc<AtomicUsize>,
    fails: Arc<AtomicBool>,
}

impl Watched {
    fn file(&self, real: Arc<dyn DiskFile>) -> Arc<dyn DiskFile> {
        Arc::new(WatchedFile {
            real,
            syncs: self.syncs.clone(),
            fails: self.fails.clone(),
        })
    }
}

impl Disk for Watched {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        Ok(self.file(self.real.create(path)?))
    }
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        Ok(self.file(self.real.open(path)?))
    }
    fn create_directory(&self, path: &Path) -> io::Result<()> {
        self.real.create_directory(path)
    }
    fn list(&self, directory: &Path) -> io::Result<Vec<PathBuf>> {
        self.real.list(directory)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.real.rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.real.remove(path)
    }
    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        self.real.sync_directory(directory)
    }
    fn free(&self, path: &Path) -> io::Result<u64> {
        self.real.free(path)
    }
}

impl DiskFile for WatchedFile {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.real.write_at(bytes, offset)
    }
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        self.real.read_at(bytes, offset)
    }
    fn len(&self) -> io::Result<u64> {
        self.real.len()
    }
    fn set_len(&self, length: u64) -> io::Result<()> {
        self.real.set_len(length)
    }
    fn sync_data(&self) -> io::Result<()> {
        self.syncs.fetch_add(1, Ordering::SeqCst);
        if self.fails.load(Ordering::SeqCst) {
            return Err(io::Error::from_raw_os_error(5));
        }
        self.real.sync_data()
    }
}

fn watched() -> (World, Arc<AtomicUsize>, Arc<AtomicBool>) {
    let (syncs, fails) = (Arc::default(), Arc::default());
    let disk = Watched {
        real: SystemDisk,
        syncs: Arc::clone(&syncs),
        fails: Arc::clone(&fails),
    };
    (
        World {
            disk: Arc::new(disk),
            ..World::real()
        },
        syncs,
        fails,
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn one_sync_serves_all_that_wait() {
    let folder = tempfile::tempdir().expect("a folder");
    let (world, syncs, _) = watched();
    let (spool, _) = Spool::open(folder.path(), &settings(), DAY, &world).expect("opens");
    let before = syncs.load(Ordering::SeqCst);
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..500 {
        let spool = spool.clone();
        tasks.spawn(async move { accept(&spool, b"text").await.map(|_| ()) });
    }
    while let Some(done) = tasks.join_next().await {
        done.expect("no panic").expect("accepted");
    }
    let used = syncs.load(Ordering::SeqCst) - before;
    assert!(used < 250, "{used} syncs for 500 messages");
}

#[tokio::test]
async fn after_a_failed_sync_nothing_is_ever_accepted() {
    let folder = tempfile::tempdir().expect("a folder");
    let (world, _, fails) = watched();
    let (spool, _) = Spool::open(folder.path(), &settings(), DAY, &world).expect("opens");
    accept(&spool, b"one").await.expect("accepted");
    fails.store(true, Ordering::SeqCst);
    assert!(matches!(
        accept(&spool, b"two").await,
        Err(SpoolFault::Stopped(_))
    ));
    fails.store(false, Ordering::SeqCst);
    assert!(matches!(
        accept(&spool, b"three").await,
        Err(SpoolFault::Stopped(_))
    ));
    assert!(matches!(spool.ready(), Err(SpoolFault::Stopped(_))));
}

#[tokio::test]
async fn a_dead_segment_shrinks_to_its_events() {
    let folder = tempfile::tempdir().expect("a folder");
    let small = config::Spool {
        segment_size: Size(100_000),
        ..settings()
    };
    let (spool, _) = Spool::open(folder.path(), &small, DAY, &World::real()).expect("opens");
    let text = vec![b'x'; 60_000];
    let (first, _) = accept(&spool, &text).await.expect("accepted");
    let (second, kept) = accept(&spool, &text).await.expect("accepted");
    let (third, _) = accept(&spool, &text).await.expect("accepted");
    assert_eq!(
        spool.sweep().expect("swept"),
        0,
        "every segment is still needed"
    );
    spool.release(first);
    assert_eq!(
        spool.sweep().expect("swept"),
        0,
        "the second message lies there too"
    );
    assert_eq!(read_back(&spool, &kept).await.expect("readable"), text);
    spool.release(second);
    assert_eq!(spool.sweep().expect("swept"), 1);
    let size = std::fs::metadata(only_segment(folder.path()))
        .expect("a segment")
        .len();
    assert!(size < 1000, "{size} bytes");
    let events: Vec<_> = spool.read(Sequence(0), 10).expect("readable");
    assert_eq!(
        events.iter().map(|e| e.sequence).collect::<Vec<_>>(),
        [first, second, third]
    );
}
