//! Killed at the n-th system call of a kind, for every n that there is: at the start, under load, while
//! segments of the spool are begun, shrunk and removed, and at the end.

#[cfg(not(feature = "sabotage"))]
use super::is_long;
use super::ledger::Verdict;
use super::scene::{Injection, Place, Scene};

/// Kinds of calls, and where they are counted. After `sendto`, what the daemon says may have left.
#[cfg(not(feature = "sabotage"))]
const CALLS: [&str; 9] = [
    "pwrite64",
    "fdatasync",
    "fsync",
    "ftruncate",
    "rename",
    "unlink",
    "openat",
    "write",
    "sendto",
];
/// Past this n a kind of call is given up, so that the long form ends.
#[cfg(not(feature = "sabotage"))]
const CALLS_MAX: u64 = 500;
/// How many runs of the short form may miss: calls that this daemon made no more.
#[cfg(not(feature = "sabotage"))]
const MISSES_MAX: usize = 2;

/// The short form: places all over a run.
const SHORT: [(&str, Place, u64); 13] = [
    ("pwrite64", Place::Spool, 1),
    ("pwrite64", Place::Spool, 17),
    ("pwrite64", Place::Records, 60),
    ("fdatasync", Place::Spool, 2),
    ("fdatasync", Place::Spool, 20),
    ("fdatasync", Place::Records, 14),
    ("fdatasync", Place::Sweep, 1),
    ("fsync", Place::Spool, 2),
    ("rename", Place::Sweep, 1),
    ("unlink", Place::Spool, 1),
    ("openat", Place::Spool, 24),
    ("write", Place::All, 3),
    ("sendto", Place::All, 24),
];

/// Whether `RELENT_CRASH_CALL` keeps the long form to this call.
#[cfg(not(feature = "sabotage"))]
fn is_wanted(call: &str) -> bool {
    std::env::var("RELENT_CRASH_CALL").map_or(true, |only| call.contains(&only))
}

fn kill(call: &'static str, place: Place, when: u64) -> Injection {
    Injection { call, place, what: "signal=KILL", when }
}

#[cfg(not(feature = "sabotage"))]
#[tokio::test(flavor = "multi_thread")]
async fn a_kill_at_any_call_loses_nothing() {
    let Some(mut scene) = Scene::new().await else { return };
    let mut total = Verdict::default();
    let (mut hits, mut unstarted) = (0, 0);
    let mut all = Vec::new();
    for empty in [false, true] {
        for call in CALLS.into_iter().filter(|call| is_wanted(call)) {
            for place in [Place::All, Place::Spool, Place::Sweep, Place::Records] {
                all.push((call, place, empty));
            }
        }
    }
    if !is_long() {
        for (call, place, when) in SHORT {
            let injection = kill(call, place, when);
            let outcome = scene.run(&injection, false).await;
            outcome.verdict.must_hold(&format!("{injection:?}"));
            hits += usize::from(outcome.is_hit);
            unstarted += usize::from(!outcome.has_started);
            total.add(outcome.verdict);
            assert_eq!(outcome.mute, 0, "{injection:?}: a command was not answered");
        }
        assert!(hits + MISSES_MAX >= SHORT.len(), "only {hits} of {} kills happened", SHORT.len());
        all.clear();
    }
    for (call, place, empty) in all {
        let mut last = 0;
        for when in 1..=CALLS_MAX {
            let injection = kill(call, place, when);
            let outcome = scene.run(&injection, empty).await;
            outcome.verdict.must_hold(&format!("{injection:?}, first start {empty}"));
            assert_eq!(outcome.mute, 0, "{injection:?}: a command was not answered");
            total.add(outcome.verdict);
            if !outcome.is_hit {
                break;
            }
            (last, hits) = (when, hits + 1);
            unstarted += usize::from(!outcome.has_started);
        }
        eprintln!("{call} on {place:?}, first start {empty}: killed at each of {last}");
    }
    let rewritten = scene.rewritten;
    eprintln!(
        "{hits} kills at calls, {unstarted} of them at the start, {rewritten} segments with queued mail written anew: {}",
        total.told()
    );
    assert!(rewritten > 0, "no segment with queued mail was written anew: its calls were not met");
}

/// Shows that the harness can fail: `cargo test --features sabotage crash`.
#[cfg(feature = "sabotage")]
#[tokio::test(flavor = "multi_thread")]
async fn a_build_that_answers_before_it_writes_is_caught_at_a_call() {
    let Some(mut scene) = Scene::new().await else { return };
    scene.environment = &[("RELENT_SABOTAGE", "ack-before-write")];
    let mut total = Verdict::default();
    for (call, place, when) in SHORT {
        total.add(scene.run(&kill(call, place, when), false).await.verdict);
    }
    eprintln!("{}", total.told());
    assert!(!total.lost.is_empty(), "the harness did not notice that mail was lost");
}
