//! Kills at random moments under load. `RELENT_CRASH_KILLS` sets how many.

use super::ledger::{Ledger, Verdict, judge};
use super::{Dice, is_long};
use crate::support::World;
use relent::demo::receiver::Fault;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const SENDERS: usize = 4;
/// Fewer acknowledged messages show nothing.
const ACCEPTED_MIN: usize = 50;
/// Shortest and longest life of a daemon before it is killed, in milliseconds.
const LIFE: (u64, u64) = (20, 420);
/// How long nothing may arrive, once the faults are over, before what is missing is called lost.
const SILENCE_MAX: Duration = Duration::from_secs(30);
/// How long what a daemon sent before its end may be under way to the receiver.
const UNDER_WAY_MAX: Duration = Duration::from_secs(60);
/// Longest life of a daemon on a machine that is too busy for much to happen in a short one.
const LIFE_LONGEST: Duration = Duration::from_secs(30);

fn kills() -> u64 {
    let asked = std::env::var("RELENT_CRASH_KILLS").ok().and_then(|text| text.parse().ok());
    asked.unwrap_or(if is_long() { 200 } else { 25 })
}

/// Ever longer lives, for as long as the load was too small to show anything; the first is as long as the longest
/// of those before it.
pub(super) fn longer(most: u64) -> impl Iterator<Item = Duration> {
    let first = Duration::from_millis(most);
    std::iter::successors(Some(first), |life| Some(*life * 2))
        .take_while(|life| *life < LIFE_LONGEST)
}

/// Load for this long, at whose end the daemon is killed; `then` comes at that moment, before anything
/// else does. What it sent is read then.
pub(super) fn load_until_killed(
    world: &mut World,
    ledger: &Ledger,
    life: Duration,
    then: impl FnOnce(),
) {
    let end = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..SENDERS {
            scope.spawn(|| ledger.send_until(world.ports.submission[0], &world.password, &end));
        }
        scope.spawn(|| ledger.stop_until(world, &end));
        std::thread::sleep(life);
        world.kill_now();
        then();
        end.store(true, Ordering::Relaxed);
    });
    world.kill();
    let deadline = Instant::now() + UNDER_WAY_MAX;
    while world.receiver.open() > 0 {
        assert!(Instant::now() < deadline, "a connection outlived its daemon");
        std::thread::sleep(Duration::from_millis(2));
    }
    ledger.note_end();
}

async fn crash_often(mut world: World, environment: &[(&str, &str)]) -> Verdict {
    let ledger = Ledger::default();
    let mut dice = Dice::new();
    world.receiver.misbehave(vec![Fault::Recipient("waits".into(), "451 4.2.0 later".into())]);
    for _ in 0..kills() {
        let life = Duration::from_millis(LIFE.0 + dice.below(LIFE.1 - LIFE.0));
        load_until_killed(&mut world, &ledger, life, || ());
        world.launch(environment);
    }
    for life in longer(LIFE.1) {
        let (accepted, stopped) = ledger.counts();
        if accepted > ACCEPTED_MIN && stopped > 0 {
            break;
        }
        load_until_killed(&mut world, &ledger, life, || ());
        world.launch(environment);
    }
    world.receiver.misbehave(Vec::new());
    let verdict = judge(&world, &ledger, SILENCE_MAX).await;
    eprintln!("{} kills: {}", kills(), verdict.told());
    assert!(
        verdict.accepted > ACCEPTED_MIN && verdict.stopped > 0,
        "the load was too small to show anything"
    );
    verdict
}

#[cfg(not(feature = "sabotage"))]
#[tokio::test(flavor = "multi_thread")]
async fn kills_lose_nothing_acknowledged_and_nothing_follows_a_stop() {
    crash_often(World::start().await, &[]).await.must_hold("kills");
}

/// Shows that the harness can fail: `cargo test --features sabotage crash`.
#[cfg(feature = "sabotage")]
#[tokio::test(flavor = "multi_thread")]
async fn a_build_that_answers_before_it_writes_is_caught() {
    let sabotage = [("RELENT_SABOTAGE", "ack-before-write")];
    let mut world = World::start().await;
    world.kill();
    world.launch(&sabotage);
    let verdict = crash_often(world, &sabotage).await;
    assert!(!verdict.lost.is_empty(), "the harness did not notice that mail was lost");
}
