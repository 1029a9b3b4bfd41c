//! How long the look-up of a thousand addresses takes where ten million are stopped: `cargo bench --bench
//! lookup`. `RELENT_BENCH_ROWS` changes how many (10,000,000), `RELENT_BENCH_FOLDER` where the records lie
//! (`/var/tmp`); they are made once there, and used again where there are as many.

#![allow(clippy::print_stdout, reason = "the figures are what it is for")]

use relent::accounts::{Accounts, Stream, StreamDraft, StreamKind};
use relent::config;
use relent::events::record::{Evidence, Reason, Scope, Source};
use relent::mail::{AccountId, Address, Domain, Timestamp};
use relent::policy::{Consent, Judgement, Policy, Suppression};
use relent::store::{Record, Store, Table};
use relent::world::World;
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Addresses in one look-up.
const ASKED: u64 = 1000;
/// How many look-ups are timed.
const ROUNDS: u64 = 300;
/// Records in one transaction while they are made.
const BULK: usize = 50_000;
/// Domains that the people are at.
const DOMAINS: u64 = 50_000;

/// A recipient's record as the store keeps it: written here row by row in the order of its keys, past the
/// events and the history, which no look-up reads.
#[derive(Serialize, Deserialize)]
struct Kept {
    address: Option<Address>,
    suppressions: Vec<Suppression>,
    consents: Vec<Consent>,
    replaced: Vec<(u64, Suppression)>,
    domain: Option<Domain>,
    hard_bounces: Vec<u8>,
}

impl Record for Kept {
    const TABLE: Table = Table::Recipient;
    const VERSION: u8 = 4;
}

fn person(number: u64) -> Address {
    let domain = format!("domain{}.example", number % DOMAINS);
    Address::new(&format!("person{number}"), &domain).expect("an address")
}

fn stop(number: u64) -> Suppression {
    let text = format!("former list, line {number}");
    Suppression {
        scope: Scope::Account,
        reason: Reason::OptOut,
        evidence: Evidence { source: Source::Operator, text, ip: None, message: None },
        at: Timestamp(1_767_323_045_000),
        sequence: number + 1,
        site: None,
    }
}

fn key(account: AccountId, hash: [u8; 16]) -> [u8; 20] {
    let mut key = [0; 20];
    key[..4].copy_from_slice(&account.0.to_be_bytes());
    key[4..].copy_from_slice(&hash);
    key
}

/// Makes the records of so many people, in the order of their keys.
async fn fill(store: &Store, accounts: &Accounts, account: AccountId, rows: u64) {
    let hasher = accounts.hasher(account).expect("a key");
    let mut keys: Vec<([u8; 20], u64)> =
        (0..rows).map(|n| (key(account, hasher.address(&person(n)).0), n)).collect();
    keys.sort_unstable();
    for part in keys.chunks(BULK) {
        let part = part.to_vec();
        let made = store.transact(move |t| {
            for (key, number) in part {
                let record = Kept {
                    address: Some(person(number)),
                    suppressions: vec![stop(number)],
                    consents: Vec::new(),
                    replaced: Vec::new(),
                    domain: None,
                    hard_bounces: Vec::new(),
                };
                t.put(&key, &record);
            }
            Ok(Ok::<_, std::convert::Infallible>(()))
        });
        let Ok(()) = made.await.expect("the store");
    }
}

async fn stream(accounts: &Accounts) -> Stream {
    if let Ok(account) = accounts.account("acme") {
        return accounts.stream(account.id, "news").expect("the stream");
    }
    let account = accounts.add_account("acme").await.expect("an account");
    let draft = StreamDraft {
        consent_required: Some(false),
        ..StreamDraft::named("news", StreamKind::Marketing)
    };
    accounts.add_stream(account.id, draft).await.expect("a stream")
}

/// The time that so large a part of the look-ups took at most.
fn quantile(times: &[Duration], percent: usize) -> Duration {
    times[(times.len() * percent / 100).min(times.len() - 1)]
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(run());
}

async fn run() {
    let rows = std::env::var("RELENT_BENCH_ROWS").ok().and_then(|text| text.parse().ok());
    let rows: u64 = rows.unwrap_or(10_000_000);
    let folder = std::env::var_os("RELENT_BENCH_FOLDER").map_or("/var/tmp".into(), PathBuf::from);
    let folder = folder.join(format!("relent-lookup-{rows}"));
    std::fs::create_dir_all(&folder).expect("a folder");
    let world = World::real();
    let store = Store::open(&folder, &config::Store::default(), &world);
    let accounts = Accounts::new(store.clone(), world.clone());
    let policy = Policy::new(accounts.clone(), store.clone(), world, config::Queue::default());
    let stream = stream(&accounts).await;
    let last = person(rows - 1);
    let is_filled = policy.judge(&stream, &last).expect("the store") != Judgement::Clear;
    if !is_filled {
        let begun = Instant::now();
        fill(&store, &accounts, stream.account, rows).await;
        println!("{rows} records made in {:.0} s", begun.elapsed().as_secs_f64());
    }
    // Every second one is stopped, and each look-up asks for others.
    let mut times = Vec::new();
    let (mut state, mut stopped) = (0x9E37_79B9_7F4A_7C15_u64, 0_u64);
    for _ in 0..ROUNDS {
        let asked: Vec<Address> = (0..ASKED)
            .map(|place| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                person(state % rows + if place % 2 == 0 { 0 } else { rows })
            })
            .collect();
        let begun = Instant::now();
        let judged = policy.judge_all(&stream, &asked).expect("the store");
        times.push(begun.elapsed());
        stopped += judged.iter().filter(|j| matches!(j, Judgement::Suppressed(_))).count() as u64;
    }
    assert_eq!(stopped, ROUNDS * ASKED / 2, "half of those asked for are stopped");
    times.sort_unstable();
    let milliseconds = |percent| quantile(&times, percent).as_secs_f64() * 1000.0;
    println!(
        "{ASKED} addresses among {rows} stopped, {ROUNDS} look-ups: median {:.2} ms, 90 % {:.2} ms, \
         99 % {:.2} ms, longest {:.2} ms",
        milliseconds(50),
        milliseconds(90),
        milliseconds(99),
        milliseconds(100)
    );
    store.close().await;
}
