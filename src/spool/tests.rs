//! The spool's promises, over a disk that counts its syncs and can be told to fail.

use super::{Durability, Kind, Recovery, Sequence, Spool, SpoolFault};
use crate::config;
use crate::world::{Disk, DiskFile, SystemDisk, World};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

#[derive(Clone, Default)]
struct Twin {
    syncs: Arc<AtomicU64>,
    fails: Arc<AtomicBool>,
}

struct TwinFile(Arc<dyn DiskFile>, Twin);

impl Disk for Twin {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(TwinFile(SystemDisk.create(path)?, self.clone())))
    }
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        Ok(Arc::new(TwinFile(SystemDisk.open(path)?, self.clone())))
    }
    fn create_directory(&self, path: &Path) -> io::Result<()> {
        SystemDisk.create_directory(path)
    }
    fn list(&self, directory: &Path) -> io::Result<Vec<PathBuf>> {
        SystemDisk.list(directory)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        SystemDisk.rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        SystemDisk.remove(path)
    }
    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        SystemDisk.sync_directory(directory)
    }
    fn free(&self, _: &Path) -> io::Result<u64> {
        Ok(u64::MAX)
    }
}

impl DiskFile for TwinFile {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_at(bytes, offset)
    }
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
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
        if self.1.fails.load(Ordering::SeqCst) {
            return Err(io::Error::other("the disk is gone"));
        }
        self.0.sync_data()
    }
}

fn open(directory: &Path, twin: &Twin) -> (Spool, Recovery) {
    let world = World { disk: Arc::new(twin.clone()), ..World::real() };
    let settings = config::Spool::default();
    Spool::open(directory, &settings, Duration::from_secs(60), &world).expect("the spool opens")
}

async fn append(spool: &Spool, text: &str) -> Result<Vec<Sequence>, SpoolFault> {
    let record = (Kind(1), text.as_bytes().to_vec());
    spool.append(vec![record], Durability::Synced).await
}

fn texts(spool: &Spool) -> Vec<String> {
    let records = spool.read(Sequence(0), 100).expect("readable");
    let text = |r: super::Record| String::from_utf8_lossy(&r.payload).into_owned();
    records.into_iter().map(text).collect()
}

#[tokio::test]
async fn a_torn_tail_is_cut_and_sequences_go_on() {
    let home = tempfile::tempdir().expect("a folder");
    let twin = Twin::default();
    let (spool, _) = open(home.path(), &twin);
    append(&spool, "one").await.expect("written");
    let last = append(&spool, "two").await.expect("written")[0];
    spool.close().await;
    let path = super::format::path(home.path(), 1);
    let file = SystemDisk.open(&path).expect("there");
    let length = file.len().expect("a length");
    file.write_at(&[0xA7, 0x52, 0x4C, 0x1D, 9, 0], length).expect("written");
    let (spool, recovery) = open(home.path(), &twin);
    assert_eq!((recovery.torn_bytes, recovery.quarantined), (6, 0));
    assert_eq!(texts(&spool), ["one", "two"]);
    let next = append(&spool, "three").await.expect("written")[0];
    assert_eq!(next.0, last.0 + 1);
}

#[tokio::test]
async fn a_flipped_byte_in_the_middle_costs_one_record() {
    let home = tempfile::tempdir().expect("a folder");
    let twin = Twin::default();
    let (spool, _) = open(home.path(), &twin);
    for text in ["one", "two", "three"] {
        append(&spool, text).await.expect("written");
    }
    spool.close().await;
    let file = SystemDisk.open(&super::format::path(home.path(), 1)).expect("there");
    let place = super::format::SEGMENT_HEADER + 32 + 29;
    file.write_at(b"X", place).expect("written");
    let (spool, recovery) = open(home.path(), &twin);
    assert_eq!((recovery.torn_bytes, recovery.quarantined), (0, 1));
    assert_eq!(texts(&spool), ["one", "three"]);
}

#[tokio::test]
async fn a_failed_sync_is_never_answered_well() {
    let home = tempfile::tempdir().expect("a folder");
    let twin = Twin::default();
    let (spool, _) = open(home.path(), &twin);
    append(&spool, "one").await.expect("written");
    twin.fails.store(true, Ordering::SeqCst);
    let fault = append(&spool, "two").await;
    assert!(matches!(fault, Err(SpoolFault::Stopped(_))), "{fault:?}");
    twin.fails.store(false, Ordering::SeqCst);
    assert!(append(&spool, "three").await.is_err());
    assert!(matches!(spool.ready(), Err(SpoolFault::Stopped(_))));
}

#[tokio::test]
async fn a_large_body_streams_in_and_out() {
    let home = tempfile::tempdir().expect("a folder");
    let (spool, _) = open(home.path(), &Twin::default());
    let bytes: Vec<u8> = (0..3_000_000u32).map(|n| n.to_le_bytes()[0]).collect();
    let mut writer = spool.body();
    for piece in bytes.chunks(10_000) {
        writer.write(piece).await.expect("written");
    }
    let (send, body) = tokio::sync::oneshot::channel();
    let encode = Box::new(move |body| {
        let _ = send.send(body);
        (Kind(1), vec![1])
    });
    spool.accept(writer, encode).await.expect("accepted");
    let mut reader = spool.reader(&body.await.expect("a body"));
    let mut back = Vec::new();
    while let Some(piece) = reader.next().await.expect("readable") {
        back.extend_from_slice(&piece);
    }
    assert!(back == bytes);
}

#[tokio::test]
async fn many_that_wait_share_a_sync() {
    let home = tempfile::tempdir().expect("a folder");
    let twin = Twin::default();
    let (spool, _) = open(home.path(), &twin);
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..500 {
        let spool = spool.clone();
        tasks.spawn(async move { append(&spool, "mail").await.is_ok() });
    }
    assert!(tasks.join_all().await.into_iter().all(|ok| ok));
    assert!(twin.syncs.load(Ordering::SeqCst) < 400);
}

#[tokio::test]
async fn any_flipped_byte_costs_one_record_at_most() {
    let directory = tempfile::tempdir().expect("a directory");
    let twin = Twin::default();
    let (spool, _) = open(directory.path(), &twin);
    for text in ["one", "two", "three"] {
        append(&spool, text).await.expect("appended");
    }
    spool.close().await;
    let mut names = SystemDisk.list(directory.path()).expect("a listing");
    names.retain(|path| path.extension().is_some_and(|extension| extension == "seg"));
    let path = names.pop().expect("one segment");
    let whole = std::fs::read(&path).expect("a segment");
    for at in 0..whole.len() {
        let mut bad = whole.clone();
        bad[at] ^= 0x10;
        std::fs::write(&path, &bad).expect("written");
        let (spool, _) = open(directory.path(), &twin);
        let left = texts(&spool).len();
        assert!(left >= 2, "byte {at} flipped: {left} records left");
        spool.close().await;
    }
}
