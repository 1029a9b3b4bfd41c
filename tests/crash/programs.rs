//! Kills while programs are told what happens. What was sent and stopped, what the receiving server took and what
//! the program was told are three ledgers outside the daemon: no event is missing, and none is made up.

use super::kills::{load_until_killed, longer};
use super::ledger::{Ledger, judge};
use super::{Dice, is_long};
use crate::support::World;
use crate::support::endpoint::{Endpoint, Manner, Told};
use relent::demo::receiver::Fault;
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Everything soon, and rows and failed calls as well as what the log alone knows.
const SETTINGS: &str = "[webhooks]\nallow_private = true\nallow_plaintext = true\n\
    retry_delays = [\"20ms\"]\nevents_delay = \"5ms\"\nchanges_interval = \"10ms\"\n\
    save_interval = \"10ms\"\nfailures_max = 50\n";
/// Shortest and longest life of a daemon before it is killed, in milliseconds.
const LIFE: (u64, u64) = (50, 450);
/// How long nothing may come, once the faults are over, before what is missing is called lost.
const SILENCE_MAX: Duration = Duration::from_secs(10);
/// How many calls must come before the ledgers are compared again.
const CHUNK: usize = 500;
/// Fewer events that must be told show nothing.
const WANTED_MIN: usize = 100;
/// How many missing events a failure names.
const NAMED: usize = 10;

fn kills() -> u64 {
    let asked = std::env::var("RELENT_CRASH_KILLS").ok().and_then(|text| text.parse().ok());
    asked.unwrap_or(if is_long() { 100 } else { 10 })
}

/// What the program was told of whom, in its order, each event once.
struct Heard {
    by_recipient: HashMap<String, Vec<String>>,
    /// Ids that stood for two things.
    torn: Vec<String>,
    calls: usize,
}

impl Heard {
    fn read(told: &[Told]) -> Self {
        let mut texts: HashMap<&str, &str> = HashMap::new();
        let mut taken = HashSet::new();
        let (mut by_recipient, mut torn) = (HashMap::<String, Vec<String>>::new(), Vec::new());
        for told in told {
            if *texts.entry(&told.id).or_insert(&told.text) != told.text {
                torn.push(told.id.clone());
            }
            if told.is_taken && taken.insert(&told.id) {
                by_recipient.entry(told.to().to_owned()).or_default().push(told.kind().to_owned());
            }
        }
        Self { by_recipient, torn, calls: told.len() }
    }

    fn has(&self, to: &str, kind: &str) -> bool {
        self.by_recipient.get(to).is_some_and(|kinds| kinds.iter().any(|one| one == kind))
    }
}

/// Events that must have been told: of whom, and what.
fn expected(ledger: &Ledger) -> Vec<(String, &'static str)> {
    let accepted = ledger.accepted.lock().expect("ledger").clone();
    let stops = ledger.stops.lock().expect("ledger").clone();
    let mut expected: Vec<_> = accepted.iter().map(|to| (to.clone(), "message.accepted")).collect();
    let free = accepted.iter().filter(|to| !stops.contains_key(*to));
    expected.extend(free.map(|to| (to.clone(), "message.delivered")));
    let done = stops.iter().filter(|(_, at)| at.is_some());
    expected.extend(done.map(|(to, _)| (to.clone(), "recipient.suppressed")));
    expected
}

/// Kills the daemon often under load, and says which events are missing once all is over.
async fn missing(mut world: World, environment: &[(&str, &str)]) -> Vec<(String, &'static str)> {
    let endpoint = Endpoint::start().await;
    world.done(&["webhook", "add", "acme", &endpoint.url()]);
    // A part of all calls fails at first.
    let count = AtomicU64::new(0);
    endpoint.behave(move |_| match count.fetch_add(1, Ordering::Relaxed) {
        n if n.is_multiple_of(11) => Manner::status("500 Internal Server Error"),
        n if n.is_multiple_of(13) => Manner::Reset,
        _ => Manner::ok(),
    });
    let (ledger, mut dice) = (Ledger::default(), Dice::new());
    world.receiver.misbehave(vec![Fault::Recipient("waits".into(), "451 4.2.0 later".into())]);
    for _ in 0..kills() {
        let life = Duration::from_millis(LIFE.0 + dice.below(LIFE.1 - LIFE.0));
        load_until_killed(&mut world, &ledger, life, || ());
        world.launch(environment);
    }
    for life in longer(LIFE.1) {
        if expected(&ledger).len() > WANTED_MIN {
            break;
        }
        load_until_killed(&mut world, &ledger, life, || ());
        world.launch(environment);
    }
    world.receiver.misbehave(Vec::new());
    endpoint.behave(|_| Manner::ok());
    let verdict = judge(&world, &ledger, SILENCE_MAX).await;
    let wanted = expected(&ledger);
    assert!(
        wanted.len() > WANTED_MIN,
        "the load was too small to show anything: {}",
        verdict.told()
    );
    let heard = loop {
        let told = endpoint.told();
        let heard = Heard::read(&told);
        let is_all = wanted.iter().all(|(to, kind)| heard.has(to, kind));
        if is_all || !endpoint.hears(told.len(), CHUNK, SILENCE_MAX).await {
            break heard;
        }
    };
    eprintln!(
        "{} kills: {}; {} events wanted, {} calls",
        kills(),
        verdict.told(),
        wanted.len(),
        heard.calls
    );
    assert!(heard.torn.is_empty(), "ids of two events: {:?}", heard.torn);
    let received: HashSet<String> =
        world.receiver.mailbox().into_iter().flat_map(|mail| mail.recipients).collect();
    for (to, kinds) in &heard.by_recipient {
        let at = |kind: &str| kinds.iter().position(|one| one == kind);
        if let Some(delivered) = at("message.delivered") {
            assert!(received.contains(to), "made up: {to} was never delivered to");
            let accepted = at("message.accepted");
            assert!(accepted.is_none_or(|at| at < delivered), "out of order: {to} {kinds:?}");
        }
        let stops = ledger.stops.lock().expect("ledger");
        let is_stop = at("recipient.suppressed").is_some();
        assert!(!is_stop || stops.contains_key(to), "made up: {to} was never stopped");
    }
    wanted.into_iter().filter(|(to, kind)| !heard.has(to, kind)).take(NAMED).collect()
}

#[cfg(not(feature = "sabotage"))]
#[tokio::test(flavor = "multi_thread")]
async fn kills_lose_no_event_and_make_none_up() {
    let missing = missing(World::with(SETTINGS).await, &[]).await;
    assert!(missing.is_empty(), "never told, among others: {missing:?}");
}

/// Shows that the harness can fail: `cargo test --features sabotage crash`.
#[cfg(feature = "sabotage")]
#[tokio::test(flavor = "multi_thread")]
async fn a_build_that_passes_events_before_it_calls_is_caught() {
    let sabotage = [("RELENT_SABOTAGE", "pass-before-call")];
    let mut world = World::with(SETTINGS).await;
    world.kill();
    world.launch(&sabotage);
    assert!(!missing(world, &sabotage).await.is_empty(), "no event was missed");
}
