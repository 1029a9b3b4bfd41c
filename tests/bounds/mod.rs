//! Attacks on a daemon that may take 256 MiB: thousands of slow connections, lines without end, floods of
//! header fields, MIME bombs. It stays within its memory, ends no session of others, and honest mail is
//! taken meanwhile. `RELENT_BOUNDS_SECONDS` sets how long each attack lasts (the test command's short form:
//! 2; the full one: 60, on the release binary, where honest mail's p99 is held to twice what it is idle).

use crate::journeys::{delivered, reply_address};
use crate::support::World;
use crate::support::client::{Client, letter};
use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// What the daemon may take, in KiB.
const MEMORY_MAX: u64 = 256 << 10;
/// Pause between two honest messages.
const PAUSE: Duration = Duration::from_millis(10);

const SETTINGS: &str = "[inbound]\nconnections_max = 2000\nmemory_max = \"64MB\"\n";

/// A control group that ends what takes more memory; none where this machine lets us make none.
struct Cage(std::path::PathBuf);

impl Cage {
    fn around(process: u32) -> Option<Self> {
        let root = std::path::Path::new("/sys/fs/cgroup");
        let (root, limit) = match root.join("memory").is_dir() {
            true => (root.join("memory"), "memory.limit_in_bytes"),
            false => (root.to_owned(), "memory.max"),
        };
        let folder = root.join(format!("relent-test-{process}"));
        let cage = std::fs::create_dir(&folder).is_ok().then(|| Self(folder.clone()))?;
        std::fs::write(folder.join(limit), (MEMORY_MAX << 10).to_string()).ok()?;
        std::fs::write(folder.join("cgroup.procs"), process.to_string()).ok()?;
        Some(cage)
    }
}

impl Drop for Cage {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir(&self.0);
    }
}

fn seconds() -> u64 {
    std::env::var("RELENT_BOUNDS_SECONDS").ok().and_then(|text| text.parse().ok()).unwrap_or(2)
}

/// Milliseconds that honest messages took from MAIL to their 250, sorted.
fn honest(world: &World, length: Duration) -> Vec<f64> {
    let mut client = Client::login(world.ports.submission[0], "app/receipts", &world.password);
    let (start, mut took) = (Instant::now(), Vec::new());
    while start.elapsed() < length {
        let begun = Instant::now();
        let to = format!("honest{}@reader.example", took.len());
        let reply = client.submit("news@acme.example", &[&to], &letter("Receipt"));
        assert!(reply.starts_with("250"), "honest mail was answered {reply:?}");
        took.push(begun.elapsed().as_secs_f64() * 1000.0);
        std::thread::sleep(PAUSE);
    }
    took.sort_by(f64::total_cmp);
    took
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
fn p99(sorted: &[f64]) -> f64 {
    sorted[((sorted.len() - 1) as f64 * 0.99) as usize]
}

/// A connection from one of many loopback addresses.
fn connect(port: u16, number: u32) -> std::io::Result<TcpStream> {
    let from = Ipv4Addr::from(u32::from(Ipv4Addr::new(127, 1, 0, 1)) + number % 200);
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None)?;
    socket.bind(&SocketAddr::from((from, 0)).into())?;
    socket.connect(&SocketAddr::from((Ipv4Addr::LOCALHOST, port)).into())?;
    socket.set_read_timeout(Some(Duration::from_secs(2)))?;
    socket.set_write_timeout(Some(Duration::from_secs(2)))?;
    Ok(socket.into())
}

/// Runs `attack` on so many threads while honest mail is submitted; what that took.
fn under(
    world: &World,
    name: &str,
    threads: u32,
    attack: impl Fn(u32, &AtomicBool) + Sync,
) -> Vec<f64> {
    let over = AtomicBool::new(false);
    let took = std::thread::scope(|scope| {
        for number in 0..threads {
            let (attack, over) = (&attack, &over);
            scope.spawn(move || attack(number, over));
        }
        std::thread::sleep(Duration::from_millis(500));
        let took = honest(world, Duration::from_secs(seconds()));
        over.store(true, Ordering::Relaxed);
        took
    });
    let most = world.memory_most();
    eprintln!(
        "{name}: {} honest messages, p99 {:.1} ms; {most} KiB at most",
        took.len(),
        p99(&took)
    );
    assert!(most < MEMORY_MAX, "{name}: {most} KiB of memory");
    took
}

fn slow(world: &World, opened: &AtomicU64, number: u32, over: &AtomicBool) {
    let ports = [world.ports.submission[0], world.ports.inbound[0]];
    let mut connections: Vec<TcpStream> =
        (0..150).filter_map(|n| connect(ports[(n % 2) as usize], number * 150 + n).ok()).collect();
    opened.fetch_add(connections.len() as u64, Ordering::Relaxed);
    let word = b"EHLO slow.example\r\n";
    for at in (0..word.len()).cycle() {
        if over.load(Ordering::Relaxed) {
            return;
        }
        connections.retain_mut(|connection| connection.write_all(&word[at..=at]).is_ok());
        std::thread::sleep(Duration::from_millis(300));
    }
}

/// Says some lines, then sends the same bytes again and again, until the relay ends it.
fn pour(port: u16, number: u32, before: &[&str], bytes: &[u8], over: &AtomicBool) {
    while !over.load(Ordering::Relaxed) {
        let Ok(mut connection) = connect(port, number) else { continue };
        let _ = connection.read(&mut [0; 512]);
        for line in before {
            let _ = connection.write_all(format!("{line}\r\n").as_bytes());
            let _ = connection.read(&mut [0; 2048]);
        }
        // An attacker's line is not endless either: a few MB each time.
        for _ in 0..200 {
            if over.load(Ordering::Relaxed) || connection.write_all(bytes).is_err() {
                break;
            }
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Sends a whole message to our own addresses.
fn mail(port: u16, number: u32, to: &str, message: &str) {
    let Ok(mut client) = Client::try_connect(port) else { return };
    client.say("EHLO bomb.example");
    client.submit(&format!("bomb{number}@reader.example"), &[to], message);
}

/// An address that a reader would answer to.
async fn reply_to(world: &World) -> String {
    world.agree("reader@reader.example");
    let mut client = Client::login(world.ports.submission[0], "app/newsletter", &world.password);
    let to = ["reader@reader.example"];
    let reply = client.submit("news@acme.example", &to, &letter("News"));
    assert!(reply.starts_with("250"), "{reply}");
    reply_address(&delivered(world, to[0]).await)
}

fn bombs() -> Vec<String> {
    let head = |kind: &str| {
        format!(
            "From: <bomb@reader.example>\r\nSubject: Re\r\nMIME-Version: 1.0\r\nContent-Type: {kind}\r\n\r\n"
        )
    };
    let nested: String = (0..5000)
        .map(|n| format!("--b{n}\r\nContent-Type: multipart/mixed; boundary=b{}\r\n\r\n", n + 1))
        .collect();
    let parts = "--b\r\n\r\nx\r\n".repeat(100_000);
    let letters = format!(
        "--b\r\nContent-Type: message/rfc822\r\n\r\n{}",
        "Content-Type: message/rfc822\r\n\r\n".repeat(30_000)
    );
    let base64 =
        format!("Content-Transfer-Encoding: base64\r\n\r\n{}", lines(&"QUFB".repeat(800_000)));
    let parameters: String = (0..20_000).map(|n| format!(";\r\n name*{n}*=%41")).collect();
    let html = format!("{}R", "<div><blockquote><span>".repeat(100_000));
    vec![
        head("multipart/mixed; boundary=b0") + &nested,
        head("multipart/mixed; boundary=b") + &parts,
        head("multipart/mixed; boundary=b") + &letters,
        head("text/plain; charset=iso-2022-jp").trim_end().to_owned() + "\r\n" + &base64,
        head(&format!("text/plain{parameters}")) + "R",
        head("text/html; charset=utf-8") + &lines(&html),
    ]
}

/// Cut into lines as long as any may be.
fn lines(text: &str) -> String {
    let lines = text.as_bytes().chunks(900);
    lines.map(|line| String::from_utf8_lossy(line).into_owned() + "\r\n").collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn attacks_cost_no_memory_beyond_bounds_and_stop_no_honest_mail() {
    let mut world = World::with(SETTINGS).await;
    let cage = Cage::around(world.id());
    eprintln!("in a control group of its own: {}", cage.is_some());
    let reply_to = reply_to(&world).await;
    let length = Duration::from_secs(seconds());
    honest(&world, length / 2);
    let idle = p99(&honest(&world, length));
    eprintln!("idle: p99 {idle:.1} ms");
    let (submission, inbound) = (world.ports.submission[0], world.ports.inbound[0]);

    let opened = AtomicU64::new(0);
    let mut all = Vec::new();
    all.push(under(&world, "slow connections", 10, |number, over| {
        slow(&world, &opened, number, over);
    }));
    assert!(opened.load(Ordering::Relaxed) >= 1000, "only {opened:?} slow connections");
    let long = vec![b'a'; 16 << 10];
    all.push(under(&world, "endless commands", 8, |number, over| {
        pour([submission, inbound][(number % 2) as usize], number, &[], &long, over);
    }));
    let start = ["EHLO flood.example", "MAIL FROM:<x@reader.example>"];
    let rcpt = format!("RCPT TO:<{reply_to}>");
    let before = [start[0], start[1], &rcpt, "DATA"];
    all.push(under(&world, "endless lines of a message", 4, |number, over| {
        pour(inbound, number, &before, &long, over);
    }));
    let fields = "X-Field: flood\r\n".repeat(1000);
    all.push(under(&world, "floods of header fields", 4, |number, over| {
        pour(inbound, number, &before, fields.as_bytes(), over);
    }));
    let bombs = bombs();
    all.push(under(&world, "MIME bombs", 3, |number, over| {
        for bomb in bombs.iter().cycle().skip(number as usize * 2) {
            if over.load(Ordering::Relaxed) {
                return;
            }
            mail(inbound, number, &reply_to, bomb);
        }
    }));
    assert!(!world.log().contains("panicked"), "a part of the daemon panicked");
    assert!(world.ended().is_none(), "the daemon was ended");
    world.kill();
    drop(cage);
    if seconds() >= 30 {
        let worst = all.iter().map(|took| p99(took)).fold(0.0, f64::max);
        assert!(worst < idle * 2.0, "honest mail took {worst:.1} ms at p99, idle {idle:.1} ms");
    }
}
