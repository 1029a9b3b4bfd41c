//! Traces, as a collector gets them: a build with the feature `otel`, and a collector that reads what it is sent.

use super::scene::{ANN, play};
use crate::support::{PATIENCE, World};
use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::mpsc::{Receiver, channel};

/// A span: its name, its trace, what it says.
#[derive(Debug)]
struct Span {
    name: String,
    trace: Vec<u8>,
    says: BTreeMap<String, String>,
}

/// A number of protocol buffers.
fn varint(bytes: &mut &[u8]) -> u64 {
    let (mut value, mut shift) = (0, 0);
    loop {
        let (first, rest) = bytes.split_first().expect("a number");
        *bytes = rest;
        value |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return value;
        }
        shift += 7;
    }
}

/// The fields of a message of protocol buffers: bytes, and numbers written out.
fn fields(mut bytes: &[u8]) -> Vec<(u64, Vec<u8>)> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let tag = varint(&mut bytes);
        let length = match tag & 7 {
            0 => {
                found.push((tag >> 3, varint(&mut bytes).to_string().into_bytes()));
                continue;
            }
            1 => 8,
            2 => usize::try_from(varint(&mut bytes)).expect("a length"),
            5 => 4,
            other => panic!("no such kind: {other}"),
        };
        found.push((tag >> 3, bytes[..length].to_vec()));
        bytes = &bytes[length..];
    }
    found
}

fn all(bytes: &[u8], number: u64) -> Vec<Vec<u8>> {
    fields(bytes).into_iter().filter(|(of, _)| *of == number).map(|(_, value)| value).collect()
}

fn text(bytes: &[u8], number: u64) -> String {
    all(bytes, number)
        .first()
        .map(|value| String::from_utf8_lossy(value).into_owned())
        .unwrap_or_default()
}

fn attributes(bytes: &[u8], number: u64) -> BTreeMap<String, String> {
    let pairs = all(bytes, number);
    let value = |pair: &Vec<u8>| {
        let any = all(pair, 2).pop().unwrap_or_default();
        fields(&any).pop().map(|(_, value)| String::from_utf8_lossy(&value).into_owned())
    };
    pairs.iter().map(|pair| (text(pair, 1), value(pair).unwrap_or_default())).collect()
}

/// A collector: its address, and the spans that it is sent.
fn collector() -> (String, Receiver<Span>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let address = format!("http://{}/v1/traces", listener.local_addr().expect("an address"));
    let (sender, spans) = channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else { return };
            let mut reader = BufReader::new(stream.try_clone().expect("the same"));
            let (mut line, mut length, mut head) = (String::new(), 0, String::new());
            while reader.read_line(&mut line).is_ok_and(|count| count > 2) {
                if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().expect("a length");
                }
                head.push_str(&line);
                line.clear();
            }
            assert!(head.starts_with("POST /v1/traces HTTP/1.1"), "{head}");
            assert!(head.to_ascii_lowercase().contains("application/x-protobuf"), "{head}");
            let mut body = vec![0; length];
            reader.read_exact(&mut body).expect("a body");
            for resource in all(&body, 1) {
                let about = all(&resource, 1).pop().unwrap_or_default();
                assert_eq!(
                    attributes(&about, 1).get("service.name").map(String::as_str),
                    Some("relent")
                );
                for span in all(&resource, 2).iter().flat_map(|scope| all(scope, 2)) {
                    let trace = all(&span, 1).pop().unwrap_or_default();
                    let span = Span { name: text(&span, 5), trace, says: attributes(&span, 9) };
                    if sender.send(span).is_err() {
                        return;
                    }
                }
            }
            // Once all of them are kept: a daemon that has ended has waited for this.
            let _ = stream
                .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        }
    });
    (address, spans)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collector_gets_sessions_messages_attempts_and_replies_and_learns_no_name() {
    let (address, spans) = collector();
    let mut world = World::with(&format!("[log]\ntraces = \"{address}\"\n")).await;
    play(&world).await;
    // What is left is sent at the end.
    world.stop();
    let mut found: BTreeMap<String, Vec<Span>> = BTreeMap::new();
    let wanted = ["session", "message", "attempt", "reply"];
    while !wanted.iter().all(|name| found.contains_key(*name)) {
        let span = spans.recv_timeout(PATIENCE);
        let span = span.unwrap_or_else(|_| panic!("only {found:?}:\n{}", world.log()));
        found.entry(span.name.clone()).or_default().push(span);
    }
    while let Ok(span) = spans.try_recv() {
        found.entry(span.name.clone()).or_default().push(span);
    }
    let names: Vec<&str> = found.keys().map(String::as_str).collect();
    assert_eq!(names, ["attempt", "message", "reply", "session"]);
    for message in &found["message"] {
        assert_eq!(message.says["id"].len(), 20, "{message:?}");
    }
    // One was refused for its From.
    let accepted = |span: &&Span| span.says.get("account").is_some_and(|name| name == "acme");
    assert_eq!(found["message"].iter().filter(accepted).count(), 5, "{found:?}");
    let is_of = |attempt: &&Span| found["message"].iter().any(|one| one.trace == attempt.trace);
    let attempts = found["attempt"].iter().filter(is_of).count();
    assert!(attempts > 0, "attempts bear the trace of their message: {found:?}");
    assert!(found["session"].iter().any(|span| span.says["port"] == "submission"));
    assert!(found["reply"].iter().any(|span| span.says["kind"] == "complaint"));
    let told = format!("{found:?}");
    assert!(!told.contains(ANN) && !told.contains("reader.example\""), "{told}");
}
