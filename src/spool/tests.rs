//! The spool's promises, over a disk that counts its syncs and can be told to fail.

mod copied;
mod sealed;

use super::format::{RECORD_HEADER, SEGMENT_HEADER, Salt, SegmentHeader};
use super::{Body, Durability, Kind, Labels, Owner, Record, Recovery, Sequence, Spool, SpoolFault};
use crate::config;
use crate::mail::Timestamp;
use crate::world::{Disk, DiskFile, SystemDisk, World};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// More than anything takes that comes at all.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(Clone)]
struct Twin {
    syncs: Arc<AtomicU64>,
    /// Whether syncs wait until this is over.
    holds: Arc<AtomicBool>,
    /// Whether an index waits for this before it is there, and whether one does.
    holds_indexes: Arc<AtomicBool>,
    is_indexing: Arc<AtomicBool>,
    fails: Arc<AtomicBool>,
    /// Bytes of every segment from the first to the second that cannot be read.
    bad: Arc<Mutex<(u64, u64)>>,
    /// Reads that fail before the next succeeds.
    glitches: Arc<AtomicU64>,
    /// What writes and creations fail with, unless 0.
    shortage: Arc<AtomicI32>,
    free: Arc<AtomicU64>,
}

impl Default for Twin {
    fn default() -> Self {
        Self {
            syncs: Arc::default(),
            holds: Arc::default(),
            holds_indexes: Arc::default(),
            is_indexing: Arc::default(),
            fails: Arc::default(),
            bad: Arc::default(),
            glitches: Arc::default(),
            shortage: Arc::default(),
            free: Arc::new(AtomicU64::new(u64::MAX)),
        }
    }
}

impl Twin {
    fn short(&self) -> io::Result<()> {
        match self.shortage.load(Ordering::SeqCst) {
            0 => Ok(()),
            number => Err(io::Error::from_raw_os_error(number)),
        }
    }

    fn spoil(&self, start: u64, end: u64) {
        *self.bad.lock().expect("no test panics in it") = (start, end);
    }
}

struct TwinFile(Arc<dyn DiskFile>, Twin, bool);

impl Twin {
    fn over(&self, file: Arc<dyn DiskFile>, path: &Path) -> Arc<dyn DiskFile> {
        let is_segment = path.extension().is_some_and(|extension| extension == "seg");
        Arc::new(TwinFile(file, self.clone(), is_segment))
    }
}

impl Disk for Twin {
    fn create(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        self.short()?;
        Ok(self.over(SystemDisk.create(path)?, path))
    }
    fn open(&self, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        Ok(self.over(SystemDisk.open(path)?, path))
    }
    fn create_directory(&self, path: &Path) -> io::Result<()> {
        SystemDisk.create_directory(path)
    }
    fn list(&self, directory: &Path) -> io::Result<Vec<PathBuf>> {
        SystemDisk.list(directory)
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let is_index = to.extension().is_some_and(|extension| extension == "idx");
        while is_index && self.holds_indexes.load(Ordering::SeqCst) {
            self.is_indexing.store(true, Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(1));
        }
        SystemDisk.rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        SystemDisk.remove(path)
    }
    fn sync_directory(&self, directory: &Path) -> io::Result<()> {
        SystemDisk.sync_directory(directory)
    }
    fn free(&self, _: &Path) -> io::Result<u64> {
        Ok(self.free.load(Ordering::SeqCst))
    }
}

impl DiskFile for TwinFile {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        if let Err(fault) = self.1.short() {
            // As disks do that fill up: a part of it is written.
            self.0.write_at(&bytes[..bytes.len() / 2], offset)?;
            return Err(fault);
        }
        let less = |free: u64| (free < u64::MAX).then(|| free.saturating_sub(bytes.len() as u64));
        let _ = self.1.free.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less);
        self.0.write_at(bytes, offset)
    }
    fn read_at(&self, bytes: &mut [u8], offset: u64) -> io::Result<()> {
        let glitch = |left: u64| left.checked_sub(1);
        let (from, to) = *self.1.bad.lock().expect("no test panics in it");
        let is_bad = self.2 && offset < to && from < offset + bytes.len() as u64;
        if is_bad
            || self.1.glitches.fetch_update(Ordering::SeqCst, Ordering::SeqCst, glitch).is_ok()
        {
            return Err(io::Error::from_raw_os_error(5));
        }
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
        while self.1.holds.load(Ordering::SeqCst) {
            std::thread::sleep(Duration::from_millis(1));
        }
        if self.1.fails.load(Ordering::SeqCst) {
            return Err(io::Error::other("the disk is gone"));
        }
        self.0.sync_data()
    }
    fn modified(&self) -> io::Result<Timestamp> {
        self.0.modified()
    }
    fn set_modified(&self, at: Timestamp) -> io::Result<()> {
        self.0.set_modified(at)
    }
}

/// What the spool's owner would say: a record begins with its number, by which it is found; and the
/// rest of what accepts a message is its body, where that can be read.
fn labels(record: &Record) -> Labels {
    let text = String::from_utf8_lossy(&record.payload);
    let keys = text.split(' ').next().and_then(|number| number.parse().ok()).into_iter().collect();
    let body = record.payload.iter().position(|byte| *byte == b' ').and_then(|at| {
        let rest = &record.payload[at + 1..];
        (record.kind == Kind(1)).then(|| postcard::from_bytes::<Body>(rest).ok())?
    });
    Labels { keys, body }
}

/// Accepts a message of one letter, so many times.
async fn accept(spool: &Spool, number: u32, letter: u8, length: usize) -> (Sequence, Body) {
    let mut body = spool.body();
    body.write(&vec![letter; length]).await.expect("written");
    let (tell, told) = std::sync::mpsc::channel();
    let encode = Box::new(move |body: Body| {
        let payload = postcard::to_extend(&body, format!("{number} ").into_bytes());
        tell.send(body).expect("told");
        (Kind(1), payload.expect("encoded"))
    });
    let sequence = spool.accept(body, encode).await.expect("accepted");
    (sequence, told.recv().expect("the body"))
}

async fn read_back(spool: &Spool, body: &Body) -> Result<Vec<u8>, SpoolFault> {
    let (mut reader, mut bytes) = (spool.reader(body), Vec::new());
    while let Some(piece) = reader.next().await? {
        bytes.extend_from_slice(&piece);
    }
    Ok(bytes)
}

fn found(spool: &Spool, key: u64) -> Vec<Sequence> {
    let mut found = Vec::new();
    let each = |record: Record| {
        found.push(record.sequence);
        true
    };
    spool.find(key, each).expect("found");
    found
}

async fn until(what: &str, is_so: impl Fn() -> bool) {
    let wait = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.expect(what);
}

fn open_with(
    directory: &Path,
    twin: &Twin,
    settings: &config::Spool,
) -> io::Result<(Spool, Recovery)> {
    let world = World { disk: Arc::new(twin.clone()), ..World::real() };
    let owner = Owner { retention: Duration::from_secs(60).into(), labels, labels_version: 1 };
    let opened = Spool::open(directory, settings, owner, &world)?;
    opened.0.settle();
    Ok(opened)
}

fn open(directory: &Path, twin: &Twin) -> (Spool, Recovery) {
    open_with(directory, twin, &config::Spool::default()).expect("the spool opens")
}

/// Appends so many records of about 1,000 bytes: their texts begin with their number.
async fn fill(spool: &Spool, numbers: std::ops::Range<u32>) {
    for number in numbers {
        append(spool, &format!("{number} {}", "x".repeat(1000))).await.expect("written");
    }
}

fn numbers(spool: &Spool) -> Vec<u32> {
    let texts = texts(spool).into_iter();
    texts.filter_map(|text| text.split(' ').next()?.parse().ok()).collect()
}

fn segment(directory: &Path, number: u64) -> Arc<dyn DiskFile> {
    SystemDisk.open(&super::format::path(directory, number)).expect("the segment")
}

fn quarantined(directory: &Path) -> Vec<PathBuf> {
    SystemDisk.list(&directory.join("quarantine")).unwrap_or_default()
}

async fn append(spool: &Spool, text: &str) -> Result<Vec<Sequence>, SpoolFault> {
    let record = (Kind(1), text.as_bytes().to_vec());
    spool.append(vec![record], Durability::Synced).await
}

fn texts(spool: &Spool) -> Vec<String> {
    let records = spool.read(Sequence(0), 10_000).expect("readable");
    let text = |r: Record| String::from_utf8_lossy(&r.payload).into_owned();
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
    let file = segment(home.path(), 1);
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
    let place = SEGMENT_HEADER + 32 + 29;
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
    let asked = Arc::new(AtomicU64::new(0));
    twin.holds.store(true, Ordering::SeqCst);
    for _ in 0..500 {
        let (spool, asked) = (spool.clone(), asked.clone());
        tasks.spawn(async move {
            asked.fetch_add(1, Ordering::SeqCst);
            append(&spool, "mail").await.is_ok()
        });
    }
    // All of them wait before the first sync is over, however quick the disk is.
    while asked.load(Ordering::SeqCst) < 500 {
        tokio::task::yield_now().await;
    }
    twin.holds.store(false, Ordering::SeqCst);
    assert!(tasks.join_all().await.into_iter().all(|ok| ok));
    let syncs = twin.syncs.load(Ordering::SeqCst);
    assert!(syncs < 100, "{syncs} syncs");
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

#[tokio::test]
async fn a_sector_that_cannot_be_read_costs_its_own_records_and_cuts_nothing() {
    let home = tempfile::tempdir().expect("a folder");
    let twin = Twin::default();
    let (spool, _) = open(home.path(), &twin);
    fill(&spool, 0..60).await;
    spool.close().await;
    let length = segment(home.path(), 1).len().expect("a length");
    let all: Vec<u32> = (0..60).collect();
    for (start, end) in [(0, 100), (20_000, 20_100), (length - 100, length), (0, length)] {
        twin.spoil(start, end);
        let opened = open_with(home.path(), &twin, &config::Spool::default());
        let (spool, recovery) = opened.expect("the spool opens");
        assert_eq!(segment(home.path(), 1).len().expect("a length"), length);
        assert_eq!((recovery.torn_bytes, recovery.quarantined), (0, 1), "{start} to {end}");
        let lost = usize::try_from(end - start).expect("a range") / 1000 + 9;
        assert!(numbers(&spool).len() + lost >= 60, "{start} to {end}: {:?}", numbers(&spool));
        // What comes now goes into another segment, under numbers that were never used.
        let next = append(&spool, "60 more").await.expect("written")[0];
        assert!(next.0 > 60, "{next:?}");
        spool.close().await;
        twin.spoil(0, 0);
        let (spool, _) = open(home.path(), &twin);
        let found = numbers(&spool);
        assert_eq!((&found[..60], &found[60..]), (&all[..], &[60][..]), "{start} to {end}");
        spool.close().await;
        for path in SystemDisk.list(home.path()).expect("a listing") {
            if path.ends_with("0000000000000002.seg") {
                SystemDisk.remove(&path).expect("removed");
            }
        }
    }
}

#[tokio::test]
async fn a_read_that_fails_once_or_twice_costs_nothing() {
    let home = tempfile::tempdir().expect("a folder");
    let twin = Twin::default();
    let (spool, _) = open(home.path(), &twin);
    fill(&spool, 0..3).await;
    spool.close().await;
    for glitches in [1, 2] {
        twin.glitches.store(glitches, Ordering::SeqCst);
        let (spool, recovery) = open(home.path(), &twin);
        assert_eq!((recovery.torn_bytes, recovery.quarantined), (0, 0));
        twin.glitches.store(glitches, Ordering::SeqCst);
        assert_eq!(numbers(&spool), [0, 1, 2]);
        spool.close().await;
    }
}

#[tokio::test]
async fn a_place_that_becomes_unreadable_is_passed_over_by_readers() {
    let home = tempfile::tempdir().expect("a folder");
    let twin = Twin::default();
    let (spool, _) = open(home.path(), &twin);
    fill(&spool, 0..60).await;
    twin.spoil(20_000, 20_100);
    let found = numbers(&spool);
    assert!(found.len() >= 50 && found.len() < 60 && found.contains(&59), "{found:?}");
}

#[tokio::test]
async fn a_tail_is_copied_before_it_is_cut_unless_it_is_plainly_unfinished() {
    let mut whole = Vec::new();
    super::format::put(&mut whole, Salt::default(), 9, 1, Kind(1), &[b'x'; 200]);
    let junk = (vec![b'?'; 500], 1);
    let zeros = (vec![0; 5000], 0);
    for (tail, copies) in [junk, zeros, (whole[..10].to_vec(), 0)] {
        let home = tempfile::tempdir().expect("a folder");
        let twin = Twin::default();
        let (spool, _) = open(home.path(), &twin);
        fill(&spool, 0..3).await;
        spool.close().await;
        let file = segment(home.path(), 1);
        let length = file.len().expect("a length");
        file.write_at(&tail, length).expect("written");
        let (spool, recovery) = open(home.path(), &twin);
        assert_eq!(recovery.torn_bytes, tail.len() as u64);
        assert_eq!(file.len().expect("a length"), length);
        assert_eq!(numbers(&spool), [0, 1, 2]);
        let kept = quarantined(home.path());
        assert_eq!(kept.len(), copies);
        assert!(kept.iter().all(|path| std::fs::read(path).expect("a copy") == tail));
    }
}

#[tokio::test]
async fn a_record_cut_in_its_middle_is_cut_without_a_copy_and_a_spoilt_one_is_copied() {
    for (spoil, copies) in [(false, 0), (true, 1)] {
        let home = tempfile::tempdir().expect("a folder");
        let twin = Twin::default();
        let (spool, _) = open(home.path(), &twin);
        fill(&spool, 0..3).await;
        spool.close().await;
        let file = segment(home.path(), 1);
        let length = file.len().expect("a length");
        if spoil {
            file.write_at(b"?", length - 500).expect("written");
        } else {
            file.set_len(length - 500).expect("cut");
        }
        let (spool, recovery) = open(home.path(), &twin);
        assert!(recovery.torn_bytes > 0);
        assert_eq!(numbers(&spool), [0, 1]);
        assert_eq!(quarantined(home.path()).len(), copies);
    }
}

#[tokio::test]
async fn a_lost_first_sector_costs_no_segment() {
    let home = tempfile::tempdir().expect("a folder");
    let twin = Twin::default();
    let small = config::Spool { segment_size: config::Size(40_000), ..config::Spool::default() };
    let (spool, _) = open_with(home.path(), &twin, &small).expect("opened");
    fill(&spool, 0..100).await;
    spool.close().await;
    let all: Vec<_> = (1..=3).map(|n| segment(home.path(), n)).collect();
    for file in &all {
        file.write_at(&[0; 512], 0).expect("written");
    }
    for start in 0..3 {
        let (spool, _) = open_with(home.path(), &twin, &small).expect("opened");
        let found = numbers(&spool);
        assert_eq!(found.len(), 97, "start {start}: {found:?}");
        assert_eq!(found.last(), Some(&99));
        spool.close().await;
    }
    std::fs::remove_file(home.path().join("salt")).expect("removed");
    let refused = open_with(home.path(), &twin, &small).err().expect("no start without the salt");
    assert!(refused.to_string().contains("salt"), "{refused}");
}

#[tokio::test]
async fn a_blank_last_segment_is_no_damage() {
    let home = tempfile::tempdir().expect("a folder");
    std::fs::write(super::format::path(home.path(), 1), [0; 4096]).expect("written");
    let (spool, recovery) = open(home.path(), &Twin::default());
    assert_eq!((recovery.segments, recovery.quarantined), (0, 0));
    fill(&spool, 0..1).await;
    assert_eq!(numbers(&spool), [0]);
}

#[tokio::test]
async fn segments_of_the_first_version_are_read_and_not_written_to() {
    let home = tempfile::tempdir().expect("a folder");
    let salt = [7; 8];
    let mut bytes = SegmentHeader { version: 1, salt, number: 1, first: 1 }.encode();
    for sequence in 1..4 {
        let start = bytes.len();
        super::format::put(&mut bytes, salt, sequence, 1, Kind(1), b"5 old");
        bytes[start..start + 4].copy_from_slice(&[0xA7, 0x52, 0x4C, 0x1D]);
    }
    bytes[super::format::SEGMENT_HEADER_BYTES + RECORD_HEADER] ^= 1;
    std::fs::write(super::format::path(home.path(), 1), &bytes).expect("written");
    let (spool, recovery) = open(home.path(), &Twin::default());
    assert_eq!((recovery.records, recovery.quarantined), (2, 1));
    append(&spool, "6 new").await.expect("written");
    assert_eq!(numbers(&spool), [5, 5, 6]);
    assert_eq!(std::fs::read(super::format::path(home.path(), 1)).expect("there"), bytes);
}

#[tokio::test]
async fn a_body_full_of_false_records_delays_no_start() {
    let home = tempfile::tempdir().expect("a folder");
    let twin = Twin::default();
    let (spool, _) = open(home.path(), &twin);
    // What an attacker would mail: headers of long records at every turn.
    let mut false_record = vec![0xA7, 0x52, 0x4C, 0x1D];
    false_record.extend((1u32 << 20).to_le_bytes());
    false_record.resize(RECORD_HEADER, 1);
    let body = false_record.repeat((2 << 20) / RECORD_HEADER);
    let record = (Kind(1), body);
    spool.append(vec![record.clone(), record], Durability::Synced).await.expect("written");
    append(&spool, "1 after").await.expect("written");
    spool.close().await;
    segment(home.path(), 1).write_at(b"?", SEGMENT_HEADER + 12).expect("written");
    let began = std::time::Instant::now();
    let (spool, recovery) = open(home.path(), &twin);
    assert_eq!((recovery.records, recovery.quarantined), (2, 1));
    assert!(began.elapsed() < PATIENCE, "{:?}", began.elapsed());
    drop(spool);
}

#[tokio::test]
async fn a_shortage_refuses_what_comes_then_and_nothing_else() {
    for number in [28, 122, 24, 23] {
        let home = tempfile::tempdir().expect("a folder");
        let twin = Twin::default();
        twin.shortage.store(number, Ordering::SeqCst);
        let (spool, _) = open(home.path(), &twin);
        // No segment can be begun, and then, with one begun, no record be written.
        for round in 0..2 {
            twin.shortage.store(number, Ordering::SeqCst);
            let refused = append(&spool, "0 refused").await;
            assert!(matches!(refused, Err(SpoolFault::Full)), "{number}: {refused:?}");
            assert!(spool.can_record().is_ok());
            twin.shortage.store(0, Ordering::SeqCst);
            append(&spool, &format!("{} taken", round + 1)).await.expect("room again");
        }
        spool.close().await;
        let (spool, recovery) = open(home.path(), &twin);
        assert_eq!((recovery.torn_bytes, recovery.quarantined), (0, 0));
        assert_eq!(numbers(&spool), [1, 2]);
    }
}

#[tokio::test]
async fn what_a_failed_sync_refused_is_not_there_after_a_restart() {
    let home = tempfile::tempdir().expect("a folder");
    let twin = Twin::default();
    let (spool, _) = open(home.path(), &twin);
    append(&spool, "1 taken").await.expect("written");
    twin.fails.store(true, Ordering::SeqCst);
    assert!(append(&spool, "2 refused").await.is_err());
    let failed = tokio::time::timeout(PATIENCE, spool.failed()).await;
    assert!(matches!(failed, Ok(SpoolFault::Stopped(_))), "{failed:?}");
    twin.fails.store(false, Ordering::SeqCst);
    drop(spool);
    let (spool, _) = open(home.path(), &twin);
    assert_eq!(numbers(&spool), [1]);
}

#[tokio::test]
async fn the_space_kept_free_is_kept_however_fast_mail_comes() {
    let home = tempfile::tempdir().expect("a folder");
    let twin = Twin::default();
    let settings = config::Spool::default();
    twin.free.store(settings.free_space_min.0 + 200_000, Ordering::SeqCst);
    let (spool, _) = open_with(home.path(), &twin, &settings).expect("opened");
    let accept = async |text: &[u8]| {
        let mut body = spool.body();
        body.write(text).await?;
        spool.accept(body, Box::new(|_| (Kind(1), b"1 mail".to_vec()))).await
    };
    assert!(accept(&[b'x'; 150_000]).await.is_ok());
    let refused = accept(&[b'x'; 150_000]).await;
    assert!(matches!(refused, Err(SpoolFault::Full)), "{refused:?}");
    append(&spool, "2 a mark").await.expect("marks may use it");
}

#[tokio::test]
async fn nothing_may_be_sent_while_no_mark_can_be_written() {
    let home = tempfile::tempdir().expect("a folder");
    let twin = Twin::default();
    let (spool, _) = open(home.path(), &twin);
    append(&spool, "1 a mark").await.expect("written");
    spool.can_mark().expect("there is room");
    twin.shortage.store(28, Ordering::SeqCst);
    twin.free.store(0, Ordering::SeqCst);
    let mark = || vec![(Kind(2), b"2 delivered".to_vec())];
    let refused = spool.append(mark(), Durability::Lazy).await;
    assert!(matches!(refused, Err(SpoolFault::Full)), "{refused:?}");
    assert!(matches!(spool.can_mark(), Err(SpoolFault::Full)));
    twin.shortage.store(0, Ordering::SeqCst);
    spool.append(mark(), Durability::Lazy).await.expect("written");
    spool.can_mark().expect("what was written shows it");
    twin.shortage.store(28, Ordering::SeqCst);
    let _ = spool.append(mark(), Durability::Lazy).await;
    assert!(spool.can_mark().is_err());
    twin.free.store(1 << 30, Ordering::SeqCst);
    spool.can_mark().expect("there is room again");
}

#[tokio::test]
async fn a_body_outlives_its_release_until_the_mark_is_durable() {
    let home = tempfile::tempdir().expect("a folder");
    let settings = config::Spool {
        segment_size: config::Size(1000),
        mark_delay: config::Span(Duration::from_secs(600)),
        ..config::Spool::default()
    };
    let (spool, _) = open_with(home.path(), &Twin::default(), &settings).expect("opened");
    let mut body = spool.body();
    body.write(&[b'x'; 2000]).await.expect("written");
    let encode = Box::new(|_| (Kind(1), b"1 mail".to_vec()));
    let accepted = spool.accept(body, encode).await.expect("accepted");
    append(&spool, "2 in the next segment").await.expect("written");
    spool.set_cursor(spool.end());
    let mark = (Kind(2), b"3 delivered".to_vec());
    spool.append(vec![mark], Durability::Lazy).await.expect("written");
    spool.release(accepted);
    assert_eq!(spool.shared().shrinkable(), None, "the mark may still be lost");
    append(&spool, "4 synced").await.expect("written");
    let shrunk = async {
        while spool.shared().segment(1).is_some_and(|segment| segment.bodies) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(PATIENCE, shrunk).await.expect("shrunk once it is durable");
    assert_eq!(numbers(&spool), [1, 2, 3, 4]);
}

#[tokio::test]
async fn the_age_of_a_segment_outlives_a_restart() {
    let home = tempfile::tempdir().expect("a folder");
    let twin = Twin::default();
    let small = config::Spool { segment_size: config::Size(1000), ..config::Spool::default() };
    let (spool, _) = open_with(home.path(), &twin, &small).expect("opened");
    fill(&spool, 0..2).await;
    spool.close().await;
    let then = Timestamp(1_600_000_000_000);
    segment(home.path(), 1).set_modified(then).expect("set");
    let (spool, _) = open_with(home.path(), &twin, &small).expect("opened");
    spool.keep_from(Sequence(0));
    spool.set_cursor(spool.end());
    assert_eq!(spool.shared().removable(), None, "somebody has not read it");
    assert!(spool.shared().segment(1).is_some());
    spool.keep_from(Sequence(u64::MAX));
    let removed = async {
        while spool.shared().segment(1).is_some() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(PATIENCE, removed).await.expect("old enough to go");
    assert_eq!(numbers(&spool), [1]);
}

#[tokio::test]
async fn a_segment_under_another_number_loses_no_record() {
    let home = tempfile::tempdir().expect("a folder");
    let twin = Twin::default();
    let small = config::Spool { segment_size: config::Size(5000), ..config::Spool::default() };
    let (spool, _) = open_with(home.path(), &twin, &small).expect("opened");
    fill(&spool, 0..15).await;
    spool.close().await;
    let (from, to) = (super::format::path(home.path(), 2), super::format::path(home.path(), 99));
    std::fs::rename(from, to).expect("renamed");
    let (spool, _) = open_with(home.path(), &twin, &small).expect("opened");
    let mut found = numbers(&spool);
    found.sort_unstable();
    assert_eq!(found, (0..15).collect::<Vec<_>>());
}
