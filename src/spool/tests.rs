//! The spool's promises, over a disk that counts its syncs and can be told to fail.

mod copied;
mod damaged;
mod sealed;
mod twin;

use super::{Body, Durability, Kind, Labels, Owner, Record, Recovery, Sequence, Spool, SpoolFault};
use crate::config;
use crate::mail::Timestamp;
use crate::world::{Disk, DiskFile, SystemDisk, World};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use twin::Twin;

/// More than anything takes that comes at all.
const PATIENCE: Duration = Duration::from_secs(60);

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
