//! The log while it is copied, and how a copy that was put back goes on.

use super::super::go_on_past;
use super::*;

fn copy(spool: &Spool, files: &[super::super::SegmentFile], to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for file in files {
        let bytes = std::fs::read(&file.path).expect("a segment");
        let whole = usize::try_from(file.length).expect("small");
        std::fs::write(to.join(file.path.file_name().expect("a name")), &bytes[..whole])
            .expect("written");
    }
    let salt = spool.shared().directory.join("salt");
    std::fs::copy(salt, to.join("salt")).expect("the salt");
}

#[tokio::test]
async fn segments_stay_as_they_are_while_they_are_copied() {
    let (home, twin) = (tempfile::tempdir().expect("a folder"), Twin::default());
    let settings = config::Spool { segment_size: config::Size(4000), ..config::Spool::default() };
    let (spool, _) = open_with(home.path(), &twin, &settings).expect("the spool opens");
    let (first, body) = accept(&spool, 1, b'a', 3000).await;
    fill(&spool, 0..10).await;
    let still = spool.still();
    let (files, end) = spool.segments(&still).await.expect("durable");
    assert!(files.len() > 2, "{files:?}");
    assert_eq!(end, spool.end());
    spool.release(first);
    spool.set_cursor(spool.end());
    spool.append(Vec::new(), Durability::Synced).await.expect("synced");
    super::super::sweep::sweep(spool.shared()).expect("swept");
    assert!(read_back(&spool, &body).await.is_ok(), "its bytes are still there");
    let pass = spool.forget(&|_, _| super::super::Fate::Stays).expect("looked");
    assert!(pass.pending > 0 && pass.segments == 0, "{pass:?}");
    // What comes later is not in it.
    append(&spool, "late").await.expect("written");
    let to = tempfile::tempdir().expect("another folder");
    copy(&spool, &files, to.path());
    drop(still);
    super::super::sweep::sweep(spool.shared()).expect("swept");
    assert!(read_back(&spool, &body).await.is_err(), "nobody needs them any more");
    let (copied, recovery) = open(to.path(), &Twin::default());
    assert_eq!((recovery.torn_bytes, recovery.quarantined), (0, 0));
    let all: Vec<u32> = [1].into_iter().chain(0..10).collect();
    assert_eq!(numbers(&copied), all);
    assert_eq!(copied.end(), end);
}

#[tokio::test]
async fn a_log_that_was_put_back_goes_on_far_past_its_end_and_readers_wait_for_what_comes() {
    for with_mail in [true, false] {
        let home = tempfile::tempdir().expect("a folder");
        let twin = Twin::default();
        let mut end = Sequence(40);
        if with_mail {
            let (spool, _) = open(home.path(), &twin);
            fill(&spool, 0..3).await;
            end = Sequence(4);
            spool.close().await;
        }
        let next = go_on_past(home.path(), &World::real(), end, 1 << 32).expect("mended");
        assert_eq!(next, Sequence(end.0 + (1 << 32)));
        let (spool, _) = open(home.path(), &twin);
        // Who stood at the end has nothing to read, and is not told that there is.
        assert_eq!(spool.end(), end);
        let waits = spool.wait_for(end);
        assert!(tokio::time::timeout(Duration::from_millis(50), waits).await.is_err());
        let made = append(&spool, "new").await.expect("written");
        assert_eq!(made, [next]);
        spool.wait_for(end).await;
        let found = spool.read(end, 9).expect("read");
        assert_eq!(found.iter().map(|record| record.sequence).collect::<Vec<_>>(), [next]);
        spool.close().await;
        let (spool, _) = open(home.path(), &twin);
        assert_eq!(spool.end(), Sequence(next.0 + 1));
    }
}
