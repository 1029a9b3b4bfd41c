//! Engines of the records side by side, through the store and its committer: commits of one small record,
//! look-ups, size, memory under churn, time to open. Each figure is measured in a process of its own.
//!
//! `cargo bench --features sled --bench engines`; `RELENT_BENCH_ROWS` and `RELENT_BENCH_COMMITS` change
//! how much is done (1,000,000 and 100,000 in five rounds).

#![allow(clippy::print_stdout, clippy::panic, reason = "the figures are what it is for")]

use relent::config::{self, StoreEngine};
use relent::store::{Record, Store, Table};
use relent::world::World;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};
use tokio::runtime::Runtime;

/// Records in one transaction where many are written.
const BULK: u64 = 1000;
/// How long look-ups are made.
const READING: Duration = Duration::from_secs(5);
/// How far removals trail insertions under churn, in transactions.
const TRAIL: u64 = 10;

/// What is measured, in this order, and in how many rounds, in which the engines take turns so that
/// what else the machine does meets all of them; each round begins with an empty folder.
const MEASURES: [(&str, u64); 4] =
    [("commits1", ROUNDS), ("commits32", ROUNDS), ("rows", 1), ("churn", 1)];
/// Rounds of commits, which wait for the disk.
const ROUNDS: u64 = 5;

/// A record of the size of a stop.
#[derive(Serialize, Deserialize)]
struct Stop {
    number: u64,
    words: String,
}

impl Record for Stop {
    const TABLE: Table = Table::Recipient;
}

fn stop(number: u64) -> Stop {
    Stop { number, words: "opt_out by reply, 2026-11-26, stream newsletter".into() }
}

/// Keys as they are: an account, and the hash of a recipient.
fn key(number: u64) -> Vec<u8> {
    let digest = ring::digest::digest(&ring::digest::SHA256, &number.to_be_bytes());
    [&[0, 0, 0, 1], &digest.as_ref()[..16]].concat()
}

fn engines() -> Vec<(&'static str, StoreEngine)> {
    vec![
        ("redb", StoreEngine::Redb),
        #[cfg(feature = "sled")]
        ("sled", StoreEngine::Sled),
    ]
}

fn amount(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn rate(count: u64, time: Duration) -> f64 {
    Duration::from_secs(count).as_secs_f64() / time.as_secs_f64()
}

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|word| word == "measure") {
        let [engine, measure, folder] = &arguments[at + 1..] else {
            panic!("measure ENGINE WHAT FOLDER");
        };
        let (_, engine) = engines().into_iter().find(|(name, _)| name == engine).expect("known");
        return measured(engine, measure, Path::new(folder));
    }
    // By engine, of every round.
    let mut figures: BTreeMap<String, BTreeMap<&str, Vec<f64>>> = BTreeMap::new();
    let mut order = Vec::new();
    for (measure, rounds) in MEASURES {
        for (name, _) in (0..rounds).flat_map(|_| engines()) {
            let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder");
            let run = Command::new(std::env::current_exe().expect("this program"))
                .args(["measure", name, measure])
                .arg(folder.path())
                .output()
                .expect("it runs");
            let said = String::from_utf8_lossy(&run.stdout);
            assert!(run.status.success(), "{said}{}", String::from_utf8_lossy(&run.stderr));
            for line in said.lines() {
                let (what, figure) = line.split_once('\t').expect("a figure");
                println!("{name}: {what}: {figure}");
                if !order.contains(&what.to_owned()) {
                    order.push(what.to_owned());
                }
                let all = figures.entry(what.into()).or_default().entry(name).or_default();
                all.push(figure.parse().expect("a number"));
            }
        }
    }
    println!("\nmedians");
    for what in order {
        let middle = |name| {
            let mut all = figures[&what].get(name)?.clone();
            all.sort_by(f64::total_cmp);
            Some(all[all.len() / 2])
        };
        let shown = engines().into_iter().filter_map(|(name, _)| Some((name, middle(name)?)));
        let words: Vec<_> = shown.map(|(name, middle)| format!("{name} {middle:>10.2}")).collect();
        let ratio = middle("sled").zip(middle("redb")).map(|(sled, redb)| sled / redb);
        let ratio = ratio.map_or(String::new(), |ratio| format!("   sled / redb {ratio:.2}"));
        println!("{what:32}{}{ratio}", words.join("   "));
    }
}

fn open(engine: StoreEngine, folder: &Path) -> Store {
    let settings = config::Store { engine, ..config::Store::default() };
    let store = Store::open(folder, &settings, &World::real());
    store.ready().expect("it opens");
    store
}

fn measured(engine: StoreEngine, measure: &str, folder: &Path) {
    let runtime = Runtime::new().expect("a runtime");
    let store = open(engine, folder);
    match measure {
        "commits1" => commits(&runtime, &store, 1),
        "commits32" => commits(&runtime, &store, 32),
        "rows" => return rows(&runtime, store, engine, folder),
        "churn" => churn(&runtime, &store),
        _ => panic!("{measure} is not measured"),
    }
    println!("size after {measure}, MB\t{:.1}", size(folder));
}

/// Every waiter writes one record and waits for its answer, again and again.
fn commits(runtime: &Runtime, store: &Store, waiters: u64) {
    let each = amount("RELENT_BENCH_COMMITS", 100_000) / ROUNDS / waiters;
    let begun = Instant::now();
    runtime.block_on(async {
        let mut all = tokio::task::JoinSet::new();
        for waiter in 0..waiters {
            let store = store.clone();
            all.spawn(async move {
                for number in waiter * each..(waiter + 1) * each {
                    write(&store, number, 1).await;
                }
            });
        }
        while let Some(done) = all.join_next().await {
            done.expect("written");
        }
    });
    println!("commits/s, {waiters} waiting\t{:.0}", rate(each * waiters, begun.elapsed()));
}

async fn write(store: &Store, first: u64, count: u64) {
    let done = store.transact(move |t| {
        for number in first..first + count {
            t.put(&key(number), &stop(number));
        }
        Ok(Ok::<_, ()>(()))
    });
    done.await.expect("store").expect("written");
}

fn rows(runtime: &Runtime, store: Store, engine: StoreEngine, folder: &Path) {
    let rows = amount("RELENT_BENCH_ROWS", 1_000_000);
    let begun = Instant::now();
    for first in (0..rows).step_by(1000) {
        runtime.block_on(write(&store, first, BULK));
    }
    println!("rows/s written, {BULK} a commit\t{:.0}", rate(rows, begun.elapsed()));
    let (begun, mut number, mut count) = (Instant::now(), 1, 0);
    while begun.elapsed() < READING {
        for _ in 0..100 {
            number = (number * 48_271) % 2_147_483_647;
            let found = store.get::<Stop>(&key(number % rows)).expect("store");
            assert_eq!(found.map(|stop| stop.number), Some(number % rows));
            count += 1;
        }
    }
    println!("look-ups/s\t{:.0}", rate(count, begun.elapsed()));
    println!("memory, most, MB\t{:.1}", memory());
    runtime.block_on(store.close());
    drop(store);
    println!("size, MB\t{:.1}", size(folder));
    let begun = Instant::now();
    let store = open(engine, folder);
    println!("opened after, s\t{:.2}", begun.elapsed().as_secs_f64());
    drop(store);
}

/// Inserts, and removes what was inserted a while before, so that little is there at any time.
fn churn(runtime: &Runtime, store: &Store) {
    let rows = amount("RELENT_BENCH_ROWS", 1_000_000);
    let begun = Instant::now();
    for turn in 0..rows / BULK {
        let done = store.transact(move |t| {
            for number in turn * BULK..(turn + 1) * BULK {
                t.put(&key(number), &stop(number));
                if let Some(old) = number.checked_sub(TRAIL * BULK) {
                    t.remove::<Stop>(&key(old));
                }
            }
            Ok(Ok::<_, ()>(()))
        });
        runtime.block_on(done).expect("store").expect("written");
    }
    println!("churned/s\t{:.0}", rate(rows, begun.elapsed()));
    println!("memory under churn, most, MB\t{:.1}", memory());
}

/// The most memory that this process has had, in MB.
fn memory() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("VmHWM");
    let kilobytes = line.trim().trim_end_matches(" kB").trim().parse::<f64>();
    kilobytes.expect("a number") / 1024.0
}

/// What lies in a folder, in MB on disk.
fn size(folder: &Path) -> f64 {
    use std::os::unix::fs::MetadataExt;
    let entries = std::fs::read_dir(folder).expect("a folder");
    let sizes = entries.map(|entry| {
        let path = entry.expect("an entry").path();
        let there = std::fs::metadata(&path).expect("it is there");
        if there.is_dir() {
            size(&path)
        } else {
            Duration::from_secs(there.blocks()).as_secs_f64() / 2048.0
        }
    });
    sizes.sum()
}
