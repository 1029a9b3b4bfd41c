//! The workloads, each with what it is held to.

use crate::generator::{Load, Sent, send};
use crate::program::Program;
use crate::relays::{Relay, Setup};
use crate::sink::Sink;
use std::collections::HashMap;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// Rows of each kind in the records that every recipient is looked up in.
const ROWS: u64 = 1_000_000;
/// Bytes of a message's text.
const SIZE: usize = 4096;

/// Rounds of two relays side by side, and messages in each.
const ROUNDS: u64 = 10;
const ROUND: u64 = 300;
/// How many times the p99 of an idle relay another domain's may be.
const HELD_TO: f64 = 1.2;

const ALL: [&str; 9] = [
    "accept",
    "relay",
    "latency",
    "copies",
    "recipients",
    "chunks",
    "queued",
    "backlog",
    "webhooks",
];

pub async fn run(names: &[String]) {
    let chosen: Vec<&str> = match names {
        [] => ALL.to_vec(),
        names => names.iter().map(String::as_str).collect(),
    };
    let loopback = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let sink = Sink::start(loopback);
    let setup = Setup {
        sink: sink.address,
        hold: false,
        dkim: "none",
        kind: "transactional",
        data: None,
        more: String::new(),
        delivery: "",
    };
    for name in chosen {
        match name {
            "accept" => accept(&setup).await,
            "relay" => relay(&setup, &sink).await,
            "latency" => latency(&setup, &sink).await,
            "copies" => copies(&setup, &sink).await,
            "recipients" => recipients(&setup, &sink).await,
            "chunks" => chunks(&setup, &sink).await,
            "queued" => queued(&setup).await,
            "backlog" => backlog(&setup, &sink).await,
            "webhooks" => webhooks(&setup, &sink).await,
            other => {
                println!("there is no workload `{other}`: {}", ALL.join(", "));
                std::process::exit(2);
            }
        }
    }
}

/// Records with a million suppressions and a million consents, made once a run.
async fn records(setup: &Setup) -> PathBuf {
    let made = PathBuf::from(format!("/var/tmp/relent-bench-records-{}", std::process::id()));
    if made.exists() {
        return made;
    }
    let mut relay = Relay::relent(&Setup { kind: "marketing", ..setup.clone() });
    let home = &relay.folder.path().to_owned();
    let file = |name: &str, letter: char| -> String {
        let path = home.join(name);
        let mut rows = std::io::BufWriter::new(std::fs::File::create(&path).expect("a file"));
        writeln!(rows, "address").expect("written");
        (0..ROWS).for_each(|n| writeln!(rows, "{letter}{n}@sink.test").expect("written"));
        path.display().to_string()
    };
    let start = Instant::now();
    Relay::verb(home, &["suppression", "import", "bench", &file("stops.csv", 's')]);
    let stops = start.elapsed();
    let start = Instant::now();
    let from = file("consents.csv", 'r');
    Relay::verb(home, &["consent", "import", "bench/mail", &from, "--source", "a bench"]);
    println!(
        "records: {ROWS} suppressions imported in {:.1} s, {ROWS} consents in {:.1} s, {} KiB resident after",
        stops.as_secs_f64(),
        start.elapsed().as_secs_f64(),
        relay.memory()
    );
    relay.kill();
    let moved = std::process::Command::new("mv").arg(home.join("data")).arg(&made).status();
    assert!(moved.expect("mv").success());
    made
}

struct Cost {
    rate: f64,
    cpu_per_1000: Option<f64>,
}

fn per_1000(cpu: Option<Duration>, before: Option<Duration>, messages: usize) -> Option<f64> {
    Some((cpu? - before?).as_secs_f64() * 1000.0 / messages.max(1) as f64)
}

fn load(relay: &Relay, connections: u64, messages: u64, seconds: u64) -> Load {
    Load {
        port: relay.port,
        plain: relay.plain.clone(),
        connections,
        messages,
        seconds,
        pause: Duration::ZERO,
        domains: vec!["sink.test".into()],
        size: SIZE,
        recipients: 1,
    }
}

fn show(workload: &str, relay: &str, cost: &Cost) {
    let cpu = cost.cpu_per_1000.map_or_else(|| "–".into(), |cpu| format!("{cpu:.3}"));
    println!("{workload:12} {relay:22} {:9.0} messages/s   {cpu} CPU s per 1,000", cost.rate);
}

fn ratio(workload: &str, ours: &Cost, theirs: &Cost) {
    let cpu = ours.cpu_per_1000.zip(theirs.cpu_per_1000).map(|(a, b)| a / b);
    let cpu = cpu.map_or_else(|| "–".into(), |cpu| format!("{cpu:.2}"));
    println!(
        "{workload:12} relent : postfix        {:9.2} times the rate, {cpu} times the CPU",
        ours.rate / theirs.rate
    );
}

fn check(sent: &Sent) {
    assert!(sent.refused == 0, "{} refused: {:?}", sent.refused, sent.first_refusal);
}

async fn accept_one(relay: &Relay, connections: u64) -> Cost {
    check(&send(load(relay, connections, ROWS, 2)).await);
    let before = relay.group.cpu();
    let sent = send(load(relay, connections, ROWS, 6)).await;
    check(&sent);
    let cpu_per_1000 = per_1000(relay.group.cpu(), before, sent.acknowledged.len());
    Cost { rate: sent.rate(), cpu_per_1000 }
}

/// How many messages a second are acknowledged, while all of them stay queued.
async fn accept(setup: &Setup) {
    let hold = Setup { hold: true, ..setup.clone() };
    let full = Setup { data: Some(records(setup).await), ..hold.clone() };
    for connections in [20, 100] {
        let name = format!("accept c={connections}");
        let theirs = match Relay::postfix(&hold) {
            Some(relay) => Some(accept_one(&relay, connections).await),
            None => None,
        };
        let ours = accept_one(&Relay::relent(&hold), connections).await;
        let ours_full = accept_one(&Relay::relent(&full), connections).await;
        show(&name, "relent, no records", &ours);
        show(&name, "relent, 2M records", &ours_full);
        if let Some(theirs) = theirs {
            show(&name, "postfix", &theirs);
            ratio(&name, &ours_full, &theirs);
        }
    }
}

async fn relay_one(relay: &Relay, sink: &Sink, messages: u64) -> Cost {
    sink.reset();
    check(&send(load(relay, 20, 500, 60)).await);
    sink.wait(500).await;
    tokio::time::sleep(Duration::from_millis(700)).await;
    sink.reset();
    let before = relay.group.cpu();
    let sent = send(load(relay, 100, messages, 120)).await;
    check(&sent);
    let last = sink.wait(messages).await.expect("arrivals");
    assert!(sink.count() >= messages, "only {} of {messages} arrived", sink.count());
    tokio::time::sleep(Duration::from_millis(700)).await;
    let cpu_per_1000 = per_1000(relay.group.cpu(), before, sent.acknowledged.len());
    Cost { rate: messages as f64 / (last - sent.began).as_secs_f64(), cpu_per_1000 }
}

/// How many messages a second go through, from the first connection to the last dot.
async fn relay(setup: &Setup, sink: &Sink) {
    let full = Setup { data: Some(records(setup).await), ..setup.clone() };
    let theirs = match Relay::postfix(setup) {
        Some(relay) => Some(relay_one(&relay, sink, 10_000).await),
        None => None,
    };
    let ours = relay_one(&Relay::relent(setup), sink, 10_000).await;
    let ours_full = relay_one(&Relay::relent(&full), sink, 10_000).await;
    show("relay", "relent, no records", &ours);
    show("relay", "relent, 2M records", &ours_full);
    if let Some(theirs) = theirs {
        show("relay", "postfix", &theirs);
        ratio("relay", &ours_full, &theirs);
    }
}

/// Events of delivered mail told to one program that lags behind, and to ten.
async fn webhooks(setup: &Setup, sink: &Sink) {
    const MESSAGES: u64 = 10_000;
    let more = format!("{}[webhooks]\nallow_private = true\nallow_plaintext = true\n", setup.more);
    let relay = Relay::relent(&Setup { more, ..setup.clone() });
    let home = relay.folder.path();
    let mut programs = Vec::new();
    for number in 1..=11 {
        let program = Program::start();
        let url = format!("http://{}/", program.address);
        Relay::verb(home, &["webhook", "add", "bench", &url]);
        Relay::verb(home, &["webhook", "pause", "bench", &number.to_string()]);
        programs.push(program);
    }
    relay_one(&relay, sink, MESSAGES).await;
    for (name, range) in [("one program", 0..1), ("ten programs", 1..11)] {
        let before = relay.group.cpu();
        let begun = Instant::now();
        let mut came = 0;
        for number in range.clone() {
            Relay::verb(home, &["webhook", "resume", "bench", &(number + 1).to_string()]);
        }
        for program in &programs[range.clone()] {
            came += program.wait(MESSAGES * 2).await;
        }
        assert!(came >= MESSAGES * 2 * range.len() as u64, "only {came} events came");
        let cpu_per_1000 = per_1000(relay.group.cpu(), before, came as usize);
        let cost = Cost { rate: came as f64 / begun.elapsed().as_secs_f64(), cpu_per_1000 };
        let cpu = cost.cpu_per_1000.map_or_else(|| "–".into(), |cpu| format!("{cpu:.3}"));
        println!("webhooks     {name:22} {:9.0} events/s   {cpu} CPU s per 1,000", cost.rate);
    }
}

/// Milliseconds from each message's 250 to its dot at the sink.
async fn delays(relay: &Relay, sink: &Sink, messages: u64, pause: Duration) -> Vec<f64> {
    sink.reset();
    let sent = send(Load { pause, ..load(relay, 1, messages, 120) }).await;
    check(&sent);
    sink.wait(messages).await;
    let arrived: HashMap<String, Instant> = sink.moments().into_iter().collect();
    let delays: Vec<f64> = (sent.acknowledged.iter())
        .filter_map(|(number, at)| {
            let arrived = arrived.get(&format!("r{number}"))?;
            Some(arrived.saturating_duration_since(*at).as_secs_f64() * 1000.0)
        })
        .collect();
    assert!(delays.len() as u64 == messages, "{} of {messages} arrived", delays.len());
    delays
}

/// p50 and p99.
fn half_and_most(mut delays: Vec<f64>) -> (f64, f64) {
    delays.sort_by(f64::total_cmp);
    let at = |share: f64| delays[((delays.len() - 1) as f64 * share) as usize];
    (at(0.5), at(0.99))
}

/// The delays of an idle relay and of one that has its troubles, side by side: in turns, so that whatever
/// else the machine does meets both.
async fn beside(idle: &Relay, laden: &Relay, sink: &Sink, when: &str) {
    let pause = Duration::from_millis(10);
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        theirs.extend(delays(idle, sink, ROUND, pause).await);
        ours.extend(delays(laden, sink, ROUND, pause).await);
    }
    let ((idle_half, idle_most), (half, most)) = (half_and_most(theirs), half_and_most(ours));
    println!(
        "backlog      another domain         p50 {half:.2} ms, p99 {most:.2} ms {when}; an idle relay beside it \
         p50 {idle_half:.2} ms, p99 {idle_most:.2} ms; {:.2} times its p99 (held to {HELD_TO})",
        most / idle_most
    );
}

async fn latency(setup: &Setup, sink: &Sink) {
    for relay in [Relay::postfix(setup), Some(Relay::relent(setup))].into_iter().flatten() {
        let pause = Duration::from_millis(20);
        let (half, most) = half_and_most(delays(&relay, sink, 300, pause).await);
        println!(
            "latency      {:22} p50 {half:.2} ms, p99 {most:.2} ms from the 250 to the sink",
            relay.name
        );
    }
}

/// What a copy of one's own costs: headers, tokens and DKIM signatures.
async fn copies(setup: &Setup, sink: &Sink) {
    let mut plain = None;
    for (name, kind, dkim) in [
        ("as it came", "transactional", "none"),
        ("personal, unsigned", "marketing", "none"),
        ("personal, Ed25519", "marketing", "ed25519"),
        ("personal, RSA-2048", "marketing", "rsa"),
    ] {
        let relay = Relay::relent(&Setup { kind, dkim, ..setup.clone() });
        if kind == "marketing" {
            let path = relay.folder.path().join("consents.csv");
            let rows: String = (0..12_000).map(|n| format!("r{n}@sink.test\n")).collect();
            std::fs::write(&path, format!("address\n{rows}")).expect("written");
            let path = path.display().to_string();
            let home = relay.folder.path();
            Relay::verb(home, &["consent", "import", "bench/mail", &path, "--source", "a bench"]);
        }
        let cost = relay_one(&relay, sink, 10_000).await;
        let times = match (&plain, cost.cpu_per_1000) {
            (Some(plain), Some(cpu)) => format!("{:.2} times as it came", cpu / plain),
            _ => String::new(),
        };
        show("copies", name, &cost);
        plain = plain.or(cost.cpu_per_1000);
        println!("copies       {name:22} {times}");
    }
    println!("copies       one RSA-2048 signature {:.3} CPU ms, measured here", rsa_signature());
}

/// Milliseconds that one RSA-2048 signature takes by itself.
fn rsa_signature() -> f64 {
    use rsa::pkcs8::EncodePrivateKey;
    let key = rsa::PrivateKey::new(&mut Dice, 2048).expect("a key").to_pkcs8_der().expect("DER");
    let key = ring::signature::RsaKeyPair::from_pkcs8(key.as_bytes()).expect("a key");
    let random = ring::rand::SystemRandom::new();
    let mut signature = vec![0; key.public().modulus_len()];
    let start = Instant::now();
    for _ in 0..500 {
        let scheme = &ring::signature::RSA_PKCS1_SHA256;
        key.sign(scheme, &random, &[7; 300], &mut signature).expect("signed");
    }
    start.elapsed().as_secs_f64() * 1000.0 / 500.0
}

/// Random bytes for the key.
struct Dice;

impl rsa::rand_core::TryRng for Dice {
    type Error = std::convert::Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Self::Error> {
        let mut bytes = [0; 4];
        self.try_fill_bytes(&mut bytes).map(|()| u32::from_le_bytes(bytes))
    }

    fn try_next_u64(&mut self) -> Result<u64, Self::Error> {
        let mut bytes = [0; 8];
        self.try_fill_bytes(&mut bytes).map(|()| u64::from_le_bytes(bytes))
    }

    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Self::Error> {
        use ring::rand::SecureRandom;
        ring::rand::SystemRandom::new().fill(bytes).expect("random bytes");
        Ok(())
    }
}

impl rsa::rand_core::TryCryptoRng for Dice {}

/// What it brings to send one copy to many at once: messages to 50 recipients of one domain.
async fn recipients(setup: &Setup, sink: &Sink) {
    const EACH: u64 = 50;
    const MESSAGES: u64 = 600;
    let mut costs = Vec::new();
    for (name, delivery) in [
        ("one a transaction", "recipients_per_transaction_max = 1"),
        ("50 a transaction", "recipients_per_transaction_max = 50"),
    ] {
        let relay = Relay::relent(&Setup { delivery, ..setup.clone() });
        sink.reset();
        let before = relay.group.cpu();
        let sent = send(Load { recipients: EACH, ..load(&relay, 20, MESSAGES, 120) }).await;
        check(&sent);
        let deadline = Instant::now() + Duration::from_secs(120);
        while sink.recipients() < EACH * MESSAGES {
            assert!(Instant::now() < deadline, "only {} arrived", sink.recipients());
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        let last = sink.wait(1).await.expect("arrivals");
        tokio::time::sleep(Duration::from_millis(700)).await;
        let count = usize::try_from(EACH * MESSAGES).expect("a number");
        let cpu_per_1000 = per_1000(relay.group.cpu(), before, count);
        let rate = (EACH * MESSAGES) as f64 / (last - sent.began).as_secs_f64();
        let cost = Cost { rate, cpu_per_1000 };
        show("recipients", name, &cost);
        println!("recipients   {name:22} {} transactions", sink.count());
        costs.push(cost);
    }
    against("recipients", "50 : one", &costs);
}

/// What chunks cost and bring beside DATA: on loopback, and with a server 10 ms away.
async fn chunks(setup: &Setup, sink: &Sink) {
    for (distance, messages) in [(Duration::ZERO, 10_000), (Duration::from_millis(10), 3000)] {
        let mut costs = Vec::new();
        for (name, delivery) in [("DATA", "chunking = false"), ("BDAT", "chunking = true")] {
            sink.be(true, distance);
            let relay = Relay::relent(&Setup { delivery, ..setup.clone() });
            let cost = relay_one(&relay, sink, messages).await;
            show("chunks", &format!("{name}, {} ms", distance.as_millis()), &cost);
            costs.push(cost);
        }
        against("chunks", "BDAT : DATA", &costs);
    }
    sink.be(false, Duration::ZERO);
}

fn against(workload: &str, name: &str, costs: &[Cost]) {
    let [before, after] = costs else { return };
    let cpu = after.cpu_per_1000.zip(before.cpu_per_1000).map(|(after, before)| after / before);
    let cpu = cpu.map_or_else(|| "–".into(), |cpu| format!("{cpu:.2}"));
    let rate = after.rate / before.rate;
    println!("{workload:12} {name:22} {rate:9.2} times the rate, {cpu} times the CPU");
}

/// Memory and disk that 100,000 queued messages take.
async fn queued(setup: &Setup) {
    let relay = Relay::relent(&Setup { hold: true, ..setup.clone() });
    let (memory, disk) = (relay.memory(), relay.disk());
    let sent = send(load(&relay, 20, 100_000, 300)).await;
    check(&sent);
    tokio::time::sleep(Duration::from_secs(2)).await;
    // As the generator writes them: header and text, and the Received field that the relay adds.
    let bytes = (SIZE + 200) as u64 * 100_000;
    println!(
        "queued       relent                 {:.1} MiB resident empty, {:.1} with 100,000; {:.0} bytes on disk each, {:.2} times the message",
        memory as f64 / 1024.0,
        relay.memory() as f64 / 1024.0,
        (relay.disk() - disk) as f64 / 100_000.0,
        (relay.disk() - disk) as f64 / bytes as f64
    );
}

/// A million messages for one dead domain: whether others wait for it, and how long a start takes.
async fn backlog(setup: &Setup, sink: &Sink) {
    let idle = Relay::relent(setup);
    let more = "[queue]\nitems_max = 3000000\n".to_owned();
    let mut relay = Relay::relent(&Setup { more, ..setup.clone() });
    beside(&idle, &relay, sink, "before it").await;
    let count: u64 = std::env::var("RELENT_BENCH_BACKLOG")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(1_000_000);
    let dead =
        Load { domains: vec!["dead.test".into()], size: 400, ..load(&relay, 100, count, 600) };
    let sent = send(dead).await;
    check(&sent);
    println!(
        "backlog      relent                 {count} messages for a dead domain at {:.0}/s, {:.0} MiB resident, {:.0} bytes on disk each",
        sent.rate(),
        relay.memory() as f64 / 1024.0,
        relay.disk() as f64 / count as f64
    );
    beside(&idle, &relay, sink, "with it").await;
    println!("{}", Relay::verb(relay.folder.path(), &["delivery", "list"]).trim_end());
    relay.kill();
    let took = relay.launch();
    println!("backlog      start after SIGKILL    {:.1} s with {count} queued", took.as_secs_f64());
    beside(&idle, &relay, sink, "after the start").await;
}
