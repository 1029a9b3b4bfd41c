//! The n-th system call of a kind fails: the disk is broken, full, or out of handles. What was not written
//! is not acknowledged, the daemon goes on or ends with an error, and a new start needs no help.

use super::is_long;
use super::ledger::Verdict;
use super::scene::{Injection, Outcome, Place, Scene};

/// Calls, what they come to, and where they are counted. `retval=0` writes nothing and says so, as a
/// disk does that takes a part of a write: strace leaves the call out, so that any other number would
/// be a lie about bytes that are not there.
const ERRORS: [(&str, &str, &[Place]); 19] = [
    ("pwrite64", "error=EIO", &EVERYWHERE),
    ("pwrite64", "error=ENOSPC", &EVERYWHERE),
    ("pwrite64", "error=EINTR", &[Place::Spool]),
    ("pwrite64", "retval=0", &[Place::Spool, Place::Records]),
    ("pread64", "error=EIO", &[Place::Spool, Place::Records]),
    ("fdatasync", "error=EIO", &EVERYWHERE),
    ("fdatasync", "error=ENOSPC", &EVERYWHERE),
    ("fsync", "error=EIO", &EVERYWHERE),
    ("fsync", "error=ENOSPC", &[Place::Spool]),
    ("ftruncate", "error=EIO", &[Place::Spool, Place::Records]),
    ("ftruncate", "error=ENOSPC", &[Place::Records]),
    ("rename", "error=EIO", &[Place::Sweep, Place::All]),
    ("rename", "error=ENOSPC", &[Place::Sweep]),
    ("unlink", "error=EIO", &[Place::Spool, Place::All]),
    ("unlink", "error=ENOSPC", &[Place::Spool]),
    ("openat", "error=EIO", &EVERYWHERE),
    ("openat", "error=EMFILE", &EVERYWHERE),
    ("write", "error=ENOSPC", &[Place::Log]),
    ("write", "error=EIO", &[Place::Log]),
];
/// Where a call can fail that every part makes.
const EVERYWHERE: [Place; 4] = [Place::All, Place::Spool, Place::Sweep, Place::Records];
/// Past this n a kind of call is given up, so that the long form ends.
const CALLS_MAX: u64 = 500;
/// How many runs of the short form may miss: calls that this daemon made no more.
const MISSES_MAX: usize = 3;

/// The short form: each kind of failure once or twice, at places all over a run.
const SHORT: [(&str, &str, Place, u64); 19] = [
    ("pwrite64", "error=EIO", Place::Spool, 1),
    ("pwrite64", "error=EIO", Place::Spool, 6),
    ("pwrite64", "error=ENOSPC", Place::Spool, 4),
    ("pwrite64", "retval=0", Place::Spool, 5),
    ("pwrite64", "error=EIO", Place::Records, 12),
    ("pwrite64", "error=ENOSPC", Place::Records, 20),
    ("pread64", "error=EIO", Place::Spool, 12),
    ("fdatasync", "error=EIO", Place::Spool, 2),
    ("fdatasync", "error=EIO", Place::Spool, 9),
    ("fdatasync", "error=EIO", Place::Records, 4),
    ("fdatasync", "error=ENOSPC", Place::Spool, 5),
    ("fsync", "error=EIO", Place::Spool, 2),
    ("rename", "error=EIO", Place::Sweep, 1),
    ("fdatasync", "error=EIO", Place::Sweep, 1),
    ("unlink", "error=EIO", Place::Spool, 1),
    ("openat", "error=EIO", Place::Spool, 3),
    ("openat", "error=EIO", Place::Spool, 12),
    ("openat", "error=EMFILE", Place::Spool, 12),
    ("write", "error=ENOSPC", Place::Log, 9),
];

/// What a run with a broken call must be, besides losing nothing.
fn must_hold(injection: &Injection, outcome: &Outcome) {
    outcome.verdict.must_hold(&format!("{injection:?}"));
    assert_eq!(outcome.mute, 0, "{injection:?}: a command was not answered");
    let Some(ended) = outcome.ended else { panic!("{injection:?}: the daemon did not end") };
    let code = ended.code();
    assert!(code.is_some(), "{injection:?}: the daemon ended by a signal: {ended}");
    if !outcome.has_started {
        assert_ne!(code, Some(0), "{injection:?}: it did not start, and says that all is well");
    }
    // At the start a segment that cannot be synced is left alone, and a new one begun.
    let is_sync = injection.call == "fdatasync" && injection.what == "error=EIO";
    let is_ours = matches!(injection.place, Place::Spool | Place::Records);
    if outcome.is_hit && outcome.has_started && is_sync && is_ours && injection.when > 2 {
        assert_ne!(code, Some(0), "{injection:?}: a failed sync must end the daemon");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_fails_is_never_taken_for_one_that_did_not() {
    let Some(mut scene) = Scene::new().await else { return };
    let mut total = Verdict::default();
    let (mut hits, mut unstarted) = (0, 0);
    if !is_long() {
        for (call, what, place, when) in SHORT {
            let injection = Injection { call, place, what, when };
            let outcome = scene.run(&injection, false).await;
            must_hold(&injection, &outcome);
            hits += usize::from(outcome.is_hit);
            total.add(outcome.verdict);
        }
        assert!(hits + MISSES_MAX >= SHORT.len(), "only {hits} of {} calls failed", SHORT.len());
    }
    let only = std::env::var("RELENT_CRASH_CALL").unwrap_or_default();
    for (call, what, places) in ERRORS.into_iter().filter(|_| is_long()) {
        if !format!("{call}:{what}").contains(&only) {
            continue;
        }
        for place in places {
            let mut last = 0;
            for when in 1..=CALLS_MAX {
                let injection = Injection { call, place: *place, what, when };
                let outcome = scene.run(&injection, false).await;
                must_hold(&injection, &outcome);
                if !outcome.is_hit {
                    break;
                }
                (last, hits) = (when, hits + 1);
                unstarted += usize::from(!outcome.has_started);
                total.add(outcome.verdict);
            }
            eprintln!("{call} on {place:?} with {what}: failed at each of {last}");
        }
    }
    eprintln!("{hits} calls failed, {unstarted} starts with them: {}", total.told());
}
