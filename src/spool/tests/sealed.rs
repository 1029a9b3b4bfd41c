//! Sealed segments: rewritten without what nobody needs, and asked by their indexes.

use super::super::{
    Body, Durability, Fate, Kind, Labels, Owner, Record, Recovery, Sequence, Spool, sweep,
};
use super::{
    Twin, accept, append, found, labels, numbers, open, open_with, read_back, texts, until,
};
use crate::config;
use crate::world::World;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

/// Messages in small segments, of which only every tenth is still needed.
async fn sparse(home: &Path, twin: &Twin) -> (Spool, Vec<(u32, Sequence, Body)>) {
    let settings = config::Spool { segment_size: config::Size(50_000), ..config::Spool::default() };
    let (spool, _) = open_with(home, twin, &settings).expect("opened");
    let mut kept = Vec::new();
    for number in 0..100 {
        let (sequence, body) = accept(&spool, number, b'a' + (number % 26) as u8, 4000).await;
        if number % 10 == 0 {
            kept.push((number, sequence, body));
        } else {
            append(&spool, &format!("{number} delivered")).await.expect("marked");
            spool.release(sequence);
        }
    }
    (spool, kept)
}

fn size_on_disk(home: &Path) -> u64 {
    let files = std::fs::read_dir(home).expect("a folder").flatten();
    let segments = files.filter(|file| file.path().extension().is_some_and(|e| e == "seg"));
    segments.map(|file| file.metadata().expect("its length").len()).sum()
}

#[tokio::test]
async fn a_sparse_segment_keeps_what_is_queued_and_what_happened() {
    let home = tempfile::tempdir().expect("a folder");
    let twin = Twin::default();
    let (spool, kept) = sparse(home.path(), &twin).await;
    until("rewritten", || spool.shared().sparse().is_none() && size_on_disk(home.path()) < 150_000)
        .await;
    let told = numbers(&spool);
    assert_eq!(told.len(), 190, "each acceptance and each delivery");
    // What is read again after a restart is the same, and nothing grows back.
    for start in 0..3 {
        let (spool, recovery) = match start {
            0 => (spool.clone(), Recovery::default()),
            _ => open(home.path(), &twin),
        };
        assert_eq!((recovery.quarantined, recovery.torn_bytes), (0, 0));
        assert_eq!(numbers(&spool), told);
        for (number, sequence, body) in &kept {
            spool.hold(*sequence, Some(body));
            let bytes = read_back(&spool, body).await.expect("a body");
            assert_eq!(bytes, vec![b'a' + (number % 26) as u8; 4000], "message {number}");
        }
        spool.close().await;
    }
}

#[tokio::test]
async fn a_body_over_several_segments_survives_their_rewriting() {
    let home = tempfile::tempdir().expect("a folder");
    let settings =
        config::Spool { segment_size: config::Size(100_000), ..config::Spool::default() };
    let (spool, _) = open_with(home.path(), &Twin::default(), &settings).expect("opened");
    let mut ended = Vec::new();
    let mut long = spool.body();
    for number in 0..40 {
        ended.push(accept(&spool, number, b'e', 8000).await.0);
        long.write(&[b'0' + (number % 10) as u8; 10_000]).await.expect("written");
    }
    let (tell, told) = std::sync::mpsc::channel();
    let encode = Box::new(move |body: Body| {
        tell.send(body.clone()).expect("told");
        (Kind(1), postcard::to_extend(&body, b"99 ".to_vec()).expect("encoded"))
    });
    spool.accept(long, encode).await.expect("accepted");
    let body = told.recv().expect("the body");
    append(&spool, "100 after").await.expect("written");
    ended.iter().for_each(|sequence| spool.release(*sequence));
    append(&spool, "101 after").await.expect("written");
    until("rewritten", || size_on_disk(home.path()) < 550_000).await;
    let bytes = read_back(&spool, &body).await.expect("the body");
    let whole: Vec<u8> = (0..40).flat_map(|number| vec![b'0' + number % 10; 10_000]).collect();
    assert!(bytes == whole);
}

#[tokio::test]
async fn what_no_reader_understands_keeps_its_segment_whole() {
    let home = tempfile::tempdir().expect("a folder");
    let twin = Twin::default();
    let (spool, kept) = sparse(home.path(), &twin).await;
    until("rewritten", || spool.shared().sparse().is_none()).await;
    spool.close().await;
    let settings = config::Spool { segment_size: config::Size(50_000), ..config::Spool::default() };
    let world = World { disk: Arc::new(twin.clone()), ..World::real() };
    let labels = |_: &Record| Labels::default();
    let blind = Owner { retention: Duration::from_secs(60).into(), labels, labels_version: 2 };
    let (spool, _) = Spool::open(home.path(), &settings, blind, &world).expect("opened");
    let first = kept.first().expect("a message");
    spool.hold(first.1, None);
    spool.settle();
    append(&spool, "200 ring").await.expect("written");
    spool.set_cursor(spool.end());
    sweep::sweep(spool.shared()).expect("swept");
    assert_eq!(read_back(&spool, &first.2).await.expect("a body").len(), 4000);
}

#[tokio::test]
async fn nothing_is_given_up_before_all_that_is_needed_is_held() {
    let home = tempfile::tempdir().expect("a folder");
    let settings = config::Spool { segment_size: config::Size(50_000), ..config::Spool::default() };
    let (spool, _) = open_with(home.path(), &Twin::default(), &settings).expect("opened");
    let mut queued = Vec::new();
    for number in 0..40 {
        queued.push(accept(&spool, number, b'q', 4000).await);
    }
    spool.close().await;
    // As at a start: what is replayed is held, and some of it released, before the rest is held.
    let owner = Owner { retention: Duration::from_secs(60).into(), labels, labels_version: 1 };
    let (spool, _) = Spool::open(home.path(), &settings, owner, &World::real()).expect("opened");
    for (sequence, body) in &queued[..10] {
        spool.hold(*sequence, Some(body));
        spool.release(*sequence);
    }
    spool.hold(queued[10].0, Some(&queued[10].1));
    sweep::sweep(spool.shared()).expect("swept");
    for (sequence, body) in &queued[11..] {
        spool.hold(*sequence, Some(body));
    }
    spool.settle();
    append(&spool, "99 synced").await.expect("written");
    until("rewritten", || spool.shared().sparse().is_none() && size_on_disk(home.path()) < 150_000)
        .await;
    for (_, body) in &queued[10..] {
        assert_eq!(read_back(&spool, body).await.expect("a body").len(), 4000);
    }
}

#[tokio::test]
async fn a_segment_is_not_sparse_before_the_marks_are_durable() {
    let home = tempfile::tempdir().expect("a folder");
    let settings = config::Spool {
        segment_size: config::Size(50_000),
        mark_delay: config::Span(Duration::from_secs(600)),
        ..config::Spool::default()
    };
    let (spool, _) = open_with(home.path(), &Twin::default(), &settings).expect("opened");
    let mut taken = Vec::new();
    for number in 0..20 {
        taken.push(accept(&spool, number, b'm', 4000).await);
    }
    let mark = (Kind(2), b"1 delivered".to_vec());
    spool.append(vec![mark], Durability::Lazy).await.expect("written");
    taken[..10].iter().for_each(|(sequence, _)| spool.release(*sequence));
    assert_eq!(spool.shared().sparse(), None, "the marks may still be lost");
    assert!(spool.shared().needing(1).is_none());
    append(&spool, "99 synced").await.expect("written");
    until("rewritten", || spool.shared().segment(1).is_some_and(|s| s.moved.is_some())).await;
}

#[tokio::test]
async fn records_are_found_by_their_keys_in_every_segment() {
    let home = tempfile::tempdir().expect("a folder");
    let twin = Twin::default();
    let small = config::Spool { segment_size: config::Size(20_000), ..config::Spool::default() };
    let (spool, _) = open_with(home.path(), &twin, &small).expect("opened");
    for number in 0..2000 {
        append(&spool, &format!("{} {number} {}", number % 70, "x".repeat(60))).await.expect("ok");
    }
    let plain: Vec<_> = (0..70).map(|key| found(&spool, key)).collect();
    until("indexed", || spool.shared().unindexed().is_none()).await;
    let count = spool.shared().numbers().len();
    assert!(count > 5, "{count} segments");
    for (key, plain) in (0..).zip(&plain) {
        assert!((28..=29).contains(&plain.len()), "key {key}: {}", plain.len());
        assert!(plain.is_sorted_by(|a, b| a > b), "newest first");
        assert_eq!(&found(&spool, key), plain);
    }
    assert_eq!(found(&spool, 71), []);
    // An index that is damaged, cut, of another segment, or not there is done without.
    let index = |number: u64| home.path().join(format!("{number:016x}.idx"));
    let mut bytes = std::fs::read(index(1)).expect("an index");
    let place = bytes.len() - 1;
    bytes[place] ^= 1;
    bytes[20] ^= 1;
    std::fs::write(index(1), &bytes).expect("written");
    std::fs::copy(index(4), index(2)).expect("copied");
    std::fs::write(index(3), &bytes[..100]).expect("written");
    std::fs::remove_file(index(5)).expect("removed");
    for (key, plain) in (0..).zip(&plain) {
        assert_eq!(&found(&spool, key), plain);
    }
    spool.close().await;
    let (spool, _) = open_with(home.path(), &twin, &small).expect("opened");
    spool.set_cursor(Sequence(0));
    until("indexed anew", || spool.shared().unindexed().is_none()).await;
    for (key, plain) in (0..).zip(&plain) {
        assert_eq!(&found(&spool, key), plain);
    }
}

#[tokio::test]
async fn an_index_of_many_pages_finds_what_stands_at_their_edges() {
    let home = tempfile::tempdir().expect("a folder");
    let settings = config::Spool { segment_size: config::Size(10_000), ..config::Spool::default() };
    let (spool, _) = open_with(home.path(), &Twin::default(), &settings).expect("opened");
    let texts = (0..700).map(|number| (Kind(2), format!("{} x", number / 2).into_bytes()));
    spool.append(texts.collect(), Durability::Synced).await.expect("written");
    append(&spool, "9999 in the next segment").await.expect("written");
    until("indexed", || spool.shared().segment(1).is_some_and(|segment| segment.indexed)).await;
    for key in 0..350 {
        assert_eq!(found(&spool, key).len(), 2, "key {key}");
    }
}

#[tokio::test]
async fn what_is_to_be_forgotten_is_in_no_segment_and_all_else_stays_where_it_was() {
    let home = tempfile::tempdir().expect("a folder");
    let twin = Twin::default();
    let (spool, _) = open(home.path(), &twin);
    let (kept, body) = accept(&spool, 1, b'k', 4000).await;
    let (ended, _) = accept(&spool, 2, b'q', 4000).await;
    append(&spool, "2 delivered to quillfeather").await.expect("marked");
    spool.release(ended);
    let holds = |text: &[u8]| {
        std::fs::read_dir(home.path()).expect("a folder").flatten().any(|file| {
            let bytes = std::fs::read(file.path()).unwrap_or_default();
            bytes.windows(text.len()).any(|window| window == text)
        })
    };
    let fate = |record: &Record, waits: bool| {
        let text = String::from_utf8_lossy(&record.payload).into_owned();
        match text.contains("quillfeather") {
            true if waits => Fate::Needed,
            true => Fate::Anew(text.replace("quillfeather", "nobody").into_bytes()),
            false => Fate::Stays,
        }
    };
    // What is written last lies in a segment that is still written to.
    let done = spool.forget(&fate).expect("looked at");
    assert_eq!((done.records, done.pending), (0, 0));
    assert!(holds(b"quillfeather") && holds(&[b'q'; 100]));
    spool.seal().await.expect("sealed");
    spool.seal().await.expect("a new segment is not sealed again");
    // Nobody has said that it was read.
    assert_eq!(spool.forget(&fate).expect("looked at").pending, 1);
    spool.set_cursor(spool.end());
    let done = spool.forget(&fate).expect("rewritten");
    assert_eq!((done.records, done.segments, done.pending, done.damaged), (1, 1, 0, 0));
    assert!(!holds(b"quillfeather") && !holds(&[b'q'; 100]));
    assert_eq!(found(&spool, 2).len(), 2, "its records are found as before");
    for (number, text) in [(0, "1 "), (1, "2 "), (2, "2 delivered to nobody")] {
        assert!(texts(&spool)[number].starts_with(text), "{:?}", texts(&spool));
    }
    assert_eq!(read_back(&spool, &body).await.expect("the body"), vec![b'k'; 4000]);
    let again = spool.forget(&fate).expect("looked at");
    assert_eq!((again.records, again.segments), (0, 0), "once is enough");
    append(&spool, "3 goes on").await.expect("written");
    spool.close().await;
    let (spool, recovery) = open(home.path(), &twin);
    assert_eq!((recovery.quarantined, recovery.torn_bytes), (0, 0));
    assert_eq!(numbers(&spool), [1, 2, 2, 3]);
    spool.hold(kept, Some(&body));
    assert_eq!(read_back(&spool, &body).await.expect("the body"), vec![b'k'; 4000]);
}

#[tokio::test]
async fn after_a_close_nothing_of_the_folder_is_touched() {
    let home = tempfile::tempdir().expect("a folder");
    let twin = Twin::default();
    twin.holds_indexes.store(true, Ordering::SeqCst);
    let (spool, _) = sparse(home.path(), &twin).await;
    until("a sweep is under way", || twin.is_indexing.load(Ordering::SeqCst)).await;
    let mut closing = tokio::spawn(async move { spool.close().await });
    let early = tokio::time::timeout(Duration::from_millis(200), &mut closing).await;
    assert!(early.is_err(), "closed in the midst of a sweep");
    twin.holds_indexes.store(false, Ordering::SeqCst);
    closing.await.expect("closed");
    let files = || {
        let files = std::fs::read_dir(home.path()).expect("a folder").flatten();
        let about = |file: std::fs::DirEntry| (file.path(), file.metadata().expect("there").len());
        files.map(about).collect::<std::collections::BTreeMap<_, _>>()
    };
    let before = files();
    assert!(
        before.keys().all(|path| path.extension().is_none_or(|end| end != "tmp")),
        "{before:?}"
    );
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(files(), before);
}
