//! Lines of the log, while strangers send what breaks lines, in every place where they may say something.

use super::scene::{ANN, play};
use crate::support::client::{Client, letter};
use crate::support::{PATIENCE, World, sources};
use relent::demo::receiver::Fault;
use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::UnixDatagram;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// What would end a line, clear a screen, turn text around, or forge a field; with what is no UTF-8.
const EVIL: &[u8] = b"x\r\nevent=forged\n\x1b[2J\xe2\x80\xa8\xe2\x80\xa9\xc2\x85\x7f\xff\xfe\x00\" client=192.0.2.66 \\";

/// The same without what ends a command.
fn evil_word() -> Vec<u8> {
    EVIL.iter().copied().filter(|byte| !matches!(byte, b'\r' | b'\n' | 0 | b' ')).collect()
}

/// Says something to a port and hears what comes, whatever it is. Not every line is answered.
fn shout(port: u16, bytes: &[u8]) {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    stream.set_read_timeout(Some(Duration::from_millis(300))).expect("a limit");
    let mut heard = [0; 4096];
    let _ = stream.read(&mut heard);
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        let _ = stream.write_all(line);
        let _ = stream.read(&mut heard);
    }
    let _ = stream.shutdown(std::net::Shutdown::Write);
    // Who closes before all was heard takes back what was not read yet.
    stream.set_read_timeout(Some(PATIENCE)).expect("a limit");
    let _ = stream.read_to_end(&mut Vec::new());
}

fn joined(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

/// Says it in every place.
async fn provoke(world: &World) {
    let word = evil_word();
    let (submission, inbound) = (world.ports.submission[0], world.ports.inbound[0]);
    let http = world.ports.http[0];
    let user = data_encoding::BASE64.encode(&joined(&[b"\0", EVIL, b"\0wrong"]));
    let readable = "y\r\nevent=forged\n\u{1b}[2J\u{2028} client=192.0.2.66 \"\\=".as_bytes();
    let second = data_encoding::BASE64.encode(&joined(&[b"\0", readable, b"\0wrong"]));
    for port in [submission, inbound] {
        shout(port, &joined(&[b"EHLO ", &word, b"\r\nMAIL FROM:<a@", &word, b">\r\nQUIT\r\n"]));
        shout(
            port,
            &joined(&[b"EHLO ok.example\r\n", &word, b"\r\nNOOP ", &word, b"\r\nQUIT\r\n"]),
        );
        shout(port, &joined(&[EVIL, b"\r\nQUIT\r\n"]));
    }
    for user in [&user, &second] {
        shout(submission, format!("EHLO ok.example\r\nAUTH PLAIN {user}\r\nQUIT\r\n").as_bytes());
    }
    let quoted = joined(&[b"RCPT TO:<\"", &word, b"\"@elsewhere.example>\r\n"]);
    let begin = b"EHLO ok.example\r\nMAIL FROM:<a@b.example>\r\n";
    shout(inbound, &joined(&[begin, &quoted, b"RCPT TO:<someone@elsewhere.example>\r\nQUIT\r\n"]));
    let utf8 = "EHLO ok.example\r\nMAIL FROM:<a@b.example> SMTPUTF8\r\nRCPT TO:<\u{2028}\u{202e}z@elsewhere.example>\r\nQUIT\r\n";
    shout(inbound, utf8.as_bytes());
    for line in
        [&b"GET /u/"[..], b"GET /", b"POST /api/v1/messages HTTP/1.1\r\nAuthorization: Bearer "]
    {
        shout(
            http,
            &joined(&[line, &word, b" HTTP/1.1\r\nHost: x\r\nUser-Agent: ", &word, b"\r\n\r\n"]),
        );
    }
    let line = "GET /api/v1/accounts/acme/streams HTTP/1.1\r\nAuthorization: Bearer wrong";
    let said = world.http(line, "");
    assert!(said.starts_with("HTTP/1.1 401"), "{said}");
    // What a server says, and what a message of an application has in its header.
    world.agree("evil@reader.example");
    world.receiver.misbehave(vec![Fault::Recipient(
        "evil@".into(),
        "550 5.7.1 no\u{1b}[2J \u{2028}event=forged client=192.0.2.66 \u{7f}\u{85} \"\\".into(),
    )]);
    let mut app = Client::login(submission, "app/newsletter", &world.password);
    let said = app.submit("news@acme.example", &["evil@reader.example"], &letter("Evil"));
    assert!(said.starts_with("250"), "{said}");
    let tagged = letter("Tagged").replace(
        "Subject:",
        "X-SMTPAPI: {\"category\": \"\\u2028\\r\\nevent=forged\", \"unknown\\u001b[2J\\u2028\": 1}\r\nSubject:",
    );
    let _ = app.submit("news@acme.example", &[ANN], &tagged);
    // Refused, and not by the log's doing.
    let _ = world.relent(&[
        "consent",
        "grant",
        "acme/newsletter",
        "zoe@reader.example",
        "--source",
        "x\u{2028}\u{1b}y\nz",
    ]);
}

/// The lines of the log, each of which must be one. The last may be on its way.
fn lines(world: &World) -> Vec<String> {
    let mut log = std::fs::read(world.path("relent.log")).expect("a log");
    log.truncate(log.iter().rposition(|byte| *byte == b'\n').expect("a line"));
    let log = String::from_utf8(log).expect("the log is UTF-8");
    let lines: Vec<String> = log.split('\n').map(str::to_owned).collect();
    for line in &lines {
        let harmful =
            |c: char| c.is_control() || ('\u{2028}'..='\u{202e}').contains(&c) || c == '\u{200f}';
        assert!(!line.is_empty() && !line.contains(harmful), "{line:?}");
    }
    lines
}

/// Reads a line of keys and values as the page about the log says.
fn pairs(line: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut rest = line;
    while !rest.is_empty() {
        let (key, after) = rest.split_once('=').unwrap_or_else(|| panic!("no value: {line}"));
        let is_key = key.chars().all(|c| c.is_ascii_alphanumeric() || "._".contains(c));
        assert!(is_key && !key.is_empty(), "{key:?} in {line}");
        let (value, further) = match after.strip_prefix('"') {
            None => after.split_once(' ').unwrap_or((after, "")),
            Some(inner) => {
                let mut letters = inner.char_indices();
                let end = loop {
                    match letters.next() {
                        Some((_, '\\')) => drop(letters.next()),
                        Some((at, '"')) => break at,
                        Some(_) => {}
                        None => panic!("no end of a value: {line}"),
                    }
                };
                let after = &inner[end + 1..];
                assert!(after.is_empty() || after.starts_with(' '), "{line}");
                (&inner[..end], after.strip_prefix(' ').unwrap_or(after))
            }
        };
        assert!(!value.is_empty(), "{key} is empty: {line}");
        found.push((key.to_owned(), value.to_owned()));
        rest = further;
    }
    found
}

/// The events that the page about the log names, with their keys.
fn promised() -> BTreeSet<String> {
    let page = include_str!("../../docs/src/log.md");
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    let names = rows.flat_map(|row| row.split('|').nth(1).unwrap_or_default().split('`'));
    names
        .map(str::to_owned)
        .filter(|name| *name != "event" && name.starts_with(|c: char| c.is_ascii_lowercase()))
        .collect()
}

async fn quiet(world: &World, what: &str, holds: impl Fn(&str) -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds(&world.log()) {
        assert!(Instant::now() < deadline, "{what}: {}", world.log());
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_line_of_keys_and_values_tells_each_outcome_once_and_nobody_forges_one() {
    let world = World::with("[log]\nformat = \"line\"\nlevel = \"debug\"\n").await;
    play(&world).await;
    provoke(&world).await;
    quiet(&world, "the evil one is refused", |log| {
        let is_its = |line: &str| line.contains(" event=failed ") && line.contains(" to=evil@");
        log.lines().any(is_its)
    })
    .await;
    let mut events: BTreeMap<String, Vec<BTreeMap<String, String>>> = BTreeMap::new();
    for line in lines(&world) {
        let pairs = pairs(&line);
        let keys: Vec<&str> = pairs.iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(&keys[..3], ["time", "level", "event"], "{line}");
        let is_once = keys.iter().collect::<BTreeSet<_>>().len() == keys.len();
        assert!(is_once || pairs[2].1 == "note", "{line}");
        for last in ["said", "reason"] {
            let at = keys.iter().position(|key| *key == last);
            assert!(at.is_none_or(|at| at + 1 == keys.len() || pairs[2].1 == "note"), "{line}");
        }
        let client = keys.iter().position(|key| *key == "client");
        assert!(client.is_none_or(|at| at == 3 || pairs[2].1 == "note"), "{line}");
        events.entry(pairs[2].1.clone()).or_default().push(pairs.into_iter().collect());
    }
    let promised = promised();
    for event in events.keys().filter(|event| *event != "note") {
        assert!(promised.contains(event), "{event} is not in docs/src/log.md");
    }
    assert!(!events.contains_key("forged"));
    let has = |event: &str, wanted: &[(&str, &str)]| {
        let found = events.get(event).map_or(0, |all| {
            let fits = |one: &&BTreeMap<String, String>| {
                wanted.iter().all(|(key, value)| one.get(*key).is_some_and(|is| is.contains(value)))
            };
            all.iter().filter(fits).count()
        });
        assert!(found > 0, "no {event} with {wanted:?}: {:?}", events.get(event));
        found
    };
    let acme = ("account", "acme");
    assert!(
        has("accepted", &[("client", "127.0.0.1"), acme, ("stream", "newsletter"), ("id", "")])
            >= 6
    );
    has("recipient_refused", &[("client", "127.0.0.1"), ("to", "stranger@reader.example"), acme]);
    has("refused", &[("client", "127.0.0.1"), ("code", "550"), ("reason", "")]);
    assert!(has("auth_refused", &[("client", "127.0.0.1"), ("user", "")]) >= 2);
    has(
        "auth_refused",
        &[("client", "127.0.0.1"), ("user", "\\u{1b}[2J\\u{2028} client=192.0.2.66")],
    );
    assert_eq!(has("delivered", &[("to", ANN), ("from", "news@acme.example"), acme]), 1);
    has("deferred", &[("to", "later@"), ("dsn", "4.2.0"), ("said", "451 4.2.0 later")]);
    has(
        "failed",
        &[("to", "gone@"), ("class", "invalid_mailbox"), ("relay", "mx.reader.example[")],
    );
    has("failed", &[("to", "evil@"), ("said", "\\u{2028}event=forged client=192.0.2.66")]);
    has("stop", &[acme, ("way", "reply"), ("reason", "opt_out")]);
    has("stop", &[("way", "one_click")]);
    has("read", &[("client", "127.0.0.1"), ("kind", "complaint")]);
    has(
        "inbound_recipient_refused",
        &[("client", "127.0.0.1"), ("to", "someone@elsewhere.example")],
    );
    has("token_refused", &[("client", "127.0.0.1")]);
    // Nobody but who was there is a client.
    for one in events.values().flatten() {
        assert!(one.get("client").is_none_or(|client| !client.contains("192.0.2.66")), "{one:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn json_and_text_keep_to_one_line_whatever_is_sent() {
    for format in ["json", "text"] {
        let world =
            World::with(&format!("[log]\nformat = \"{format}\"\nlevel = \"debug\"\n")).await;
        provoke(&world).await;
        quiet(&world, "it is refused", |log| {
            log.contains("evil@reader.example") && log.contains("failed")
        })
        .await;
        for line in lines(&world) {
            if format == "json" {
                let read: serde_json::Value = serde_json::from_str(&line).expect("an object");
                for key in ["timestamp", "level", "target"] {
                    assert!(read[key].is_string(), "{key}: {line}");
                }
                continue;
            }
            let mut words = line.split_whitespace();
            let time = words.next().unwrap_or_default();
            assert!(time.parse::<jiff::Timestamp>().is_ok(), "{line}");
            let level = words.next().unwrap_or_default();
            assert!(["ERROR", "WARN", "INFO", "DEBUG", "TRACE"].contains(&level), "{line}");
        }
    }
}

/// A journal that keeps what it is sent.
fn journal(path: &std::path::Path) -> Receiver<Vec<u8>> {
    let socket = UnixDatagram::bind(path).expect("a socket");
    let (sender, kept) = channel();
    std::thread::spawn(move || {
        let mut datagram = vec![0; 256 << 10];
        while let Ok(length) = socket.recv(&mut datagram) {
            if sender.send(datagram[..length].to_vec()).is_err() {
                return;
            }
        }
    });
    kept
}

/// Reads an entry as systemd documents it.
fn entry(mut bytes: &[u8]) -> BTreeMap<String, String> {
    let mut fields = BTreeMap::new();
    while !bytes.is_empty() {
        let end = bytes.iter().position(|byte| matches!(byte, b'=' | b'\n')).expect("a name's end");
        let name = std::str::from_utf8(&bytes[..end]).expect("a name");
        let is_part = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
        assert!(name.chars().all(is_part) && !name.starts_with('_') && name.len() <= 64, "{name}");
        let value = if bytes[end] == b'=' {
            let rest = &bytes[end + 1..];
            let length = rest.iter().position(|byte| *byte == b'\n').expect("a value's end");
            bytes = &rest[length + 1..];
            &rest[..length]
        } else {
            let (length, rest) = bytes[end + 1..].split_first_chunk::<8>().expect("a length");
            let length = usize::try_from(u64::from_le_bytes(*length)).expect("a length");
            assert_eq!(rest[length], b'\n');
            bytes = &rest[length + 1..];
            &rest[..length]
        };
        let value = String::from_utf8(value.to_vec()).expect("UTF-8");
        assert!(fields.insert(name.to_owned(), value).is_none(), "{name} is there twice");
    }
    fields
}

fn received(
    journal: &Receiver<Vec<u8>>,
    what: &str,
    fits: impl Fn(&BTreeMap<String, String>) -> bool,
) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let datagram = journal.recv_timeout(left).unwrap_or_else(|_| panic!("{what} did not come"));
        let entry = entry(&datagram);
        for field in ["MESSAGE", "PRIORITY", "RELENT_TARGET"] {
            assert!(entry.contains_key(field), "{entry:?}");
        }
        assert_eq!(entry["SYSLOG_IDENTIFIER"], "relent");
        assert!(entry.get("RELENT_EVENT").is_none_or(|event| event != "forged"), "{entry:?}");
        let names_somebody = entry.values().any(|value| value.contains("later@reader"));
        assert!(!names_somebody, "{entry:?}");
        if fits(&entry) {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_journal_gets_fields_with_shortened_addresses() {
    let home = tempfile::tempdir().expect("a folder");
    let path = home.path().join("socket");
    let kept = journal(&path);
    let settings = format!(
        "[log]\nformat = \"journal\"\njournal = \"{}\"\naddresses = \"shortened\"\n",
        path.display()
    );
    let world = World::with(&settings).await;
    provoke(&world).await;
    play(&world).await;
    let is = |entry: &BTreeMap<String, String>, field: &str, value: &str| {
        entry.get(field).is_some_and(|is| is == value)
    };
    received(&kept, "what was put off", |entry| {
        is(entry, "RELENT_EVENT", "deferred")
            && is(entry, "RELENT_ACCOUNT", "acme")
            && is(entry, "RELENT_RECIPIENT", "l…@reader.example")
            && is(entry, "PRIORITY", "6")
            && entry.get("RELENT_MESSAGE_ID").is_some_and(|id| id.len() == 20)
            && is(entry, "RELENT_SAID", "451 4.2.0 later")
    });
    assert_eq!(world.log(), "", "nothing is written twice");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_journal_is_spoken_to_where_it_reads_our_standard_error() {
    let home = tempfile::tempdir().expect("a folder");
    let path = home.path().join("socket");
    let kept = journal(&path);
    let mut world = World::with(&format!("[log]\njournal = \"{}\"\n", path.display())).await;
    assert!(world.log().contains("listening"), "text, where nobody says that it is the journal's");
    world.stop();
    let about = std::fs::metadata(world.path("relent.log")).expect("standard error");
    let before = world.log();
    let stream = format!("{}:{}", about.dev(), about.ino());
    world.launch(&[("JOURNAL_STREAM", &stream)]);
    received(&kept, "a listener", |entry| entry["MESSAGE"].starts_with("listening"));
    assert_eq!(world.log(), before);
}

#[test]
fn the_page_has_every_event_that_the_code_tells() {
    let promised = promised();
    let mut told = BTreeSet::new();
    for path in sources("src") {
        let text = std::fs::read_to_string(path).expect("a source");
        for after in text.split("event = \"").skip(1) {
            told.insert(after.split('"').next().unwrap_or_default().to_owned());
        }
    }
    // How a recipient ended is told by its outcome's name.
    let outcomes =
        ["delivered", "deferred", "failed", "stopped", "cancelled", "held", "released", "warned"];
    told.extend(outcomes.map(str::to_owned));
    assert_eq!(told, promised);
}
