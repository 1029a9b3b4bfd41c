//! Kills at random moments under load. The ledger of what was acknowledged and the mailbox of what was
//! received both live outside the daemon's process; nothing acknowledged may be missing, and no dot may
//! follow an acknowledged opt-out. `RELENT_CRASH_KILLS` sets how many kills (the test command's short
//! form: 25; the full one: 200).

use crate::support::World;
use crate::support::client::{Client, letter};
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const SENDERS: usize = 4;
/// Longest life of a daemon before it is killed, in milliseconds.
const LIFE_MAX: u64 = 400;

/// What the clients saw, outside the daemon.
#[derive(Default)]
struct Ledger {
    /// Recipients of messages whose `250` arrived.
    accepted: Mutex<Vec<String>>,
    /// When the acknowledgement of a recipient's opt-out arrived.
    stopped: Mutex<HashMap<String, Instant>>,
    next: AtomicU64,
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
        let to = format!("r{number}@reader.example");
        let reply = client.submit("news@acme.example", &[&to], &letter("Load"));
        if reply.starts_with("250") {
            ledger.accepted.lock().expect("ledger").push(to);
        } else if reply.is_empty() {
            return;
        }
    }
}

/// Stops recipients that were just accepted, through the command line, and notes the moment of each
/// acknowledgement.
fn stop(world: &World, ledger: &Ledger) {
    let last = ledger.accepted.lock().expect("ledger").last().cloned();
    if let Some(to) = last {
        if world.relent(&["suppression", "add", "acme", &to]).code == 0 {
            ledger.stopped.lock().expect("ledger").insert(to, Instant::now());
        }
    }
}

async fn crash_often(mut world: World, environment: &[(&str, &str)]) -> (Vec<String>, Vec<String>) {
    let ledger = Arc::new(Ledger::default());
    let mut dice = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(1, |since| since.subsec_nanos().into());
    eprintln!("seed {dice}");
    for _ in 0..kills() {
        dice = dice_next(dice);
        let life = Duration::from_millis(20 + dice % LIFE_MAX);
        let end = Arc::new(AtomicBool::new(false));
        let senders: Vec<_> = (0..SENDERS)
            .map(|_| {
                let (ledger, end) = (ledger.clone(), end.clone());
                let (port, password) = (world.ports.submission[0], world.password.clone());
                std::thread::spawn(move || send(port, &password, &ledger, &end))
            })
            .collect();
        tokio::time::sleep(life).await;
        if dice % 3 == 0 {
            stop(&world, &ledger);
        }
        world.kill();
        end.store(true, Ordering::Relaxed);
        for sender in senders {
            sender.join().expect("a sender ends");
        }
        world.launch(environment);
    }
    let accepted = ledger.accepted.lock().expect("ledger").clone();
    let stopped = ledger.stopped.lock().expect("ledger").clone();
    let expected: HashSet<_> =
        accepted.iter().filter(|to| !stopped.contains_key(*to)).cloned().collect();
    let all_there = |mail: &[relent::demo::receiver::Received]| {
        let received: HashSet<_> = mail.iter().flat_map(|mail| mail.recipients.clone()).collect();
        expected.is_subset(&received)
    };
    world.receiver.wait(Duration::from_secs(40), all_there).await;
    let mailbox = world.receiver.mailbox();
    let received: HashSet<_> = mailbox.iter().flat_map(|mail| mail.recipients.clone()).collect();
    let lost = expected.difference(&received).cloned().collect();
    let late = mailbox
        .iter()
        .filter(|mail| {
            mail.recipients.iter().any(|to| stopped.get(to).is_some_and(|at| mail.at > *at))
        })
        .flat_map(|mail| mail.recipients.clone())
        .collect();
    eprintln!(
        "{} kills, {} messages acknowledged, {} received, {} opt-outs acknowledged",
        kills(),
        accepted.len(),
        mailbox.len(),
        stopped.len()
    );
    assert!(accepted.len() > 50, "the load was too small to show anything");
    (lost, late)
}

fn dice_next(dice: u64) -> u64 {
    dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407) >> 3
}

#[cfg(not(feature = "sabotage"))]
#[tokio::test(flavor = "multi_thread")]
async fn kills_lose_nothing_acknowledged_and_nothing_follows_a_stop() {
    let world = World::start().await;
    let (lost, late) = crash_often(world, &[]).await;
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
    let (lost, _) = crash_often(world, &sabotage).await;
    assert!(!lost.is_empty(), "the harness did not notice that mail was lost");
}
