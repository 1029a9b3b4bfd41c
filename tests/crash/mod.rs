//! Kills at random moments under load. The ledger of what was acknowledged and the mailbox of what was
//! received both live outside the daemon's process; nothing acknowledged may be missing, and no dot may
//! follow an acknowledged opt-out. `RELENT_CRASH_KILLS` sets how many kills (the test command's short
//! form: 25; the full one: 200).

use crate::support::World;
use crate::support::client::{Client, letter};
use relent::demo::receiver::{Fault, Received};
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const SENDERS: usize = 4;
/// Longest life of a daemon before it is killed, in milliseconds.
const LIFE_MAX: u64 = 400;
/// Whose mail waits in the queue until the kills are over and may be stopped meanwhile, whose may be
/// stopped at once, and who is let alone.
const KINDS: [&str; 4] = ["waits", "stops", "ready", "ready"];
/// How long nothing may arrive, once the kills are over, before what is missing is called lost.
const SILENCE_MAX: Duration = Duration::from_secs(30);

/// How many messages must arrive before the ledgers are compared again.
const CHUNK: usize = 200;

/// What the clients saw, outside the daemon.
#[derive(Default)]
struct Ledger {
    /// Recipients of messages whose `250` arrived.
    accepted: Mutex<Vec<String>>,
    /// Recipients that are to be stopped; with the moment of the acknowledgement where one arrived.
    stops: Mutex<HashMap<String, Option<Instant>>>,
    next: AtomicU64,
}

/// What the two ledgers say against each other.
struct Verdict {
    /// Acknowledged, and never received.
    lost: Vec<String>,
    /// Received after the acknowledgement of the recipient's stop.
    late: Vec<String>,
}

fn kills() -> u64 {
    std::env::var("RELENT_CRASH_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(25)
}

/// Submits to a fresh recipient each time until told to end or the daemon is gone.
fn send(port: u16, password: &str, ledger: &Ledger, end: &AtomicBool) {
    let Ok(mut client) = Client::try_connect(port) else { return };
    client.say("EHLO load.example");
    let secret = data_encoding::BASE64.encode(format!("\0app/receipts\0{password}").as_bytes());
    if !client.say(&format!("AUTH PLAIN {secret}")).starts_with("235") {
        return;
    }
    while !end.load(Ordering::Relaxed) {
        let number = ledger.next.fetch_add(1, Ordering::Relaxed);
        let kind = KINDS[(number % 4) as usize];
        let to = format!("{kind}{number}@reader.example");
        let reply = client.submit("news@acme.example", &[&to], &letter("Load"));
        if reply.starts_with("250") {
            ledger.accepted.lock().expect("ledger").push(to);
        } else if reply.is_empty() {
            return;
        }
    }
}

/// Stops recipients that were accepted, one after the other, and notes the moment of each
/// acknowledgement.
fn stop(world: &World, ledger: &Ledger, end: &AtomicBool) {
    while !end.load(Ordering::Relaxed) {
        let next = {
            let (accepted, stops) = (ledger.accepted.lock(), ledger.stops.lock());
            let (accepted, mut stops) = (accepted.expect("ledger"), stops.expect("ledger"));
            let may_be = |to: &&String| !to.starts_with("ready") && !stops.contains_key(*to);
            let next = accepted.iter().rev().find(may_be).cloned();
            if let Some(to) = &next {
                stops.insert(to.clone(), None);
            }
            next
        };
        let Some(to) = next else {
            std::thread::yield_now();
            continue;
        };
        if world.relent(&["suppression", "add", "acme", &to]).code == 0 {
            ledger.stops.lock().expect("ledger").insert(to, Some(Instant::now()));
        }
    }
}

async fn crash_often(mut world: World, environment: &[(&str, &str)]) -> Verdict {
    let ledger = Arc::new(Ledger::default());
    let mut dice = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(1, |since| since.subsec_nanos().into());
    eprintln!("seed {dice}");
    world.receiver.misbehave(vec![Fault::Recipient("waits".into(), "451 4.2.0 later".into())]);
    for _ in 0..kills() {
        dice = dice_next(dice);
        let life = Duration::from_millis(20 + dice % LIFE_MAX);
        let end = AtomicBool::new(false);
        std::thread::scope(|scope| {
            for _ in 0..SENDERS {
                scope.spawn(|| send(world.ports.submission[0], &world.password, &ledger, &end));
            }
            scope.spawn(|| stop(&world, &ledger, &end));
            std::thread::sleep(life);
            world.kill_now();
            end.store(true, Ordering::Relaxed);
        });
        world.kill();
        world.launch(environment);
    }
    world.receiver.misbehave(Vec::new());
    judge(&world, &ledger).await
}

async fn judge(world: &World, ledger: &Ledger) -> Verdict {
    let accepted = ledger.accepted.lock().expect("ledger").clone();
    let stops = ledger.stops.lock().expect("ledger").clone();
    // A stop whose acknowledgement was cut off may have been recorded, and then holds.
    let expected: HashSet<_> =
        accepted.iter().filter(|to| !stops.contains_key(*to)).cloned().collect();
    let received = |mail: &[Received]| -> HashSet<String> {
        mail.iter().flat_map(|mail| mail.recipients.clone()).collect()
    };
    let mut arrived = world.receiver.mailbox().len();
    while !expected.is_subset(&received(&world.receiver.mailbox())) {
        let more = world.receiver.wait(SILENCE_MAX, |mail| mail.len() > arrived + CHUNK).await;
        let now = world.receiver.mailbox().len();
        if more.is_none() && now == arrived {
            break;
        }
        arrived = now;
    }
    let mailbox = world.receiver.mailbox();
    let lost = expected.difference(&received(&mailbox)).cloned().collect();
    let is_late = |mail: &&Received| {
        let stopped = mail.recipients.iter().filter_map(|to| *stops.get(to)?);
        stopped.into_iter().any(|at| mail.at > at)
    };
    let late = mailbox.iter().filter(is_late).flat_map(|mail| mail.recipients.clone()).collect();
    let acknowledged = stops.values().flatten().count();
    eprintln!(
        "{} kills, {} messages acknowledged, {} received, {acknowledged} opt-outs acknowledged",
        kills(),
        accepted.len(),
        mailbox.len(),
    );
    assert!(accepted.len() > 50 && acknowledged > 0, "the load was too small to show anything");
    Verdict { lost, late }
}

fn dice_next(dice: u64) -> u64 {
    dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407) >> 3
}

#[cfg(not(feature = "sabotage"))]
#[tokio::test(flavor = "multi_thread")]
async fn kills_lose_nothing_acknowledged_and_nothing_follows_a_stop() {
    let world = World::start().await;
    let Verdict { lost, late } = crash_often(world, &[]).await;
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
    assert!(late.is_empty(), "dots after an acknowledged opt-out: {late:?}");
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
