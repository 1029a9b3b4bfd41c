//! What a start makes of a log that was torn, flipped, moved or cannot be read.

use super::super::format::{RECORD_HEADER, SEGMENT_HEADER, Salt, SegmentHeader};
use super::super::{Durability, Kind, format};
use super::{PATIENCE, Twin, append, fill, numbers, open, open_with, segment, texts};
use crate::config;
use crate::world::{Disk, SystemDisk};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;

fn quarantined(directory: &Path) -> Vec<PathBuf> {
    SystemDisk.list(&directory.join("quarantine")).unwrap_or_default()
}

/// A log of so many records, closed, in a folder on a disk that can fail.
async fn filled(numbers: std::ops::Range<u32>) -> (tempfile::TempDir, Twin) {
    let (home, twin) = (tempfile::tempdir().expect("a folder"), Twin::default());
    let (spool, _) = open(home.path(), &twin);
    fill(&spool, numbers).await;
    spool.close().await;
    (home, twin)
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
    let file = SystemDisk.open(&format::path(home.path(), 1)).expect("there");
    let place = SEGMENT_HEADER + 32 + 29;
    file.write_at(b"X", place).expect("written");
    let (spool, recovery) = open(home.path(), &twin);
    assert_eq!((recovery.torn_bytes, recovery.quarantined), (0, 1));
    assert_eq!(texts(&spool), ["one", "three"]);
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
    let (home, twin) = filled(0..60).await;
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
    let (home, twin) = filled(0..3).await;
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
    format::put(&mut whole, Salt::default(), 9, 1, Kind(1), &[b'x'; 200]);
    let junk = (vec![b'?'; 500], 1);
    let zeros = (vec![0; 5000], 0);
    for (tail, copies) in [junk, zeros, (whole[..10].to_vec(), 0)] {
        let (home, twin) = filled(0..3).await;
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
        let (home, twin) = filled(0..3).await;
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
    std::fs::write(format::path(home.path(), 1), [0; 4096]).expect("written");
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
        format::put(&mut bytes, salt, sequence, 1, Kind(1), b"5 old");
        bytes[start..start + 4].copy_from_slice(&[0xA7, 0x52, 0x4C, 0x1D]);
    }
    bytes[format::SEGMENT_HEADER_BYTES + RECORD_HEADER] ^= 1;
    std::fs::write(format::path(home.path(), 1), &bytes).expect("written");
    let (spool, recovery) = open(home.path(), &Twin::default());
    assert_eq!((recovery.records, recovery.quarantined), (2, 1));
    append(&spool, "6 new").await.expect("written");
    assert_eq!(numbers(&spool), [5, 5, 6]);
    assert_eq!(std::fs::read(format::path(home.path(), 1)).expect("there"), bytes);
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
async fn a_segment_under_another_number_loses_no_record() {
    let home = tempfile::tempdir().expect("a folder");
    let twin = Twin::default();
    let small = config::Spool { segment_size: config::Size(5000), ..config::Spool::default() };
    let (spool, _) = open_with(home.path(), &twin, &small).expect("opened");
    fill(&spool, 0..15).await;
    spool.close().await;
    let (from, to) = (format::path(home.path(), 2), format::path(home.path(), 99));
    std::fs::rename(from, to).expect("renamed");
    let (spool, _) = open_with(home.path(), &twin, &small).expect("opened");
    let mut found = numbers(&spool);
    found.sort_unstable();
    assert_eq!(found, (0..15).collect::<Vec<_>>());
}
