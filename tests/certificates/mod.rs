//! Our own certificates, as clients see them: given by a real authority, read from files that change, shown by
//! every listener.

mod authority;
mod faults;
mod files;
mod pebble;

use crate::support::client::Client as Mail;
use crate::support::{PATIENCE, World};
use relent::config::Tls;
use relent::tls::{Client, Demand, Shown, shown};
use rustls::pki_types::ServerName;
use std::time::Instant;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

const RELAY: &str = "relay.relent.example";

/// A handshake with whoever answers.
async fn handshake<S: AsyncRead + AsyncWrite + Unpin>(stream: S, name: &str) -> TlsStream<S> {
    let client = Client::load(&Tls::default()).expect("authorities");
    let name = ServerName::try_from(name.to_owned()).expect("a name");
    // Each with a session of its own: a resumed one would show the certificate that it began with.
    let demand = Demand::Named(vec!["anybody".into()]);
    client.connector(&demand).connect(name, stream).await.expect("a handshake")
}

fn read<S>(stream: &TlsStream<S>) -> Shown {
    let (_, about) = stream.get_ref();
    let chain = about.peer_certificates().expect("certificates");
    shown(&chain[0]).expect("a certificate")
}

async fn connect(port: u16) -> TcpStream {
    TcpStream::connect(("127.0.0.1", port)).await.expect("a connection")
}

/// What a listener of TLS shows to who asks for this name.
async fn at(port: u16, name: &str) -> Shown {
    read(&handshake(connect(port).await, name).await)
}

/// A session after STARTTLS.
async fn starttls(port: u16, name: &str) -> TlsStream<TcpStream> {
    let mut stream = connect(port).await;
    let mut text = vec![0; 4096];
    for (line, until) in [("", "220 "), ("EHLO a.example\r\n", "250 "), ("STARTTLS\r\n", "220 ")] {
        stream.write_all(line.as_bytes()).await.expect("said");
        let mut heard = String::new();
        while !heard.lines().any(|line| line.starts_with(until)) {
            let count = stream.read(&mut text).await.expect("a reply");
            assert!(count > 0, "{heard}");
            heard.push_str(&String::from_utf8_lossy(&text[..count]));
        }
    }
    handshake(stream, name).await
}

/// What every listener shows to who asks for this name; they must be of one mind.
async fn everywhere(world: &World, name: &str) -> Shown {
    let ports = &world.ports;
    let mut seen = vec![
        at(ports.submissions[0], name).await,
        read(&starttls(ports.submission[0], name).await),
        read(&starttls(ports.inbound[0], name).await),
    ];
    if let Some(port) = ports.https.first() {
        seen.push(at(*port, name).await);
    }
    let first = seen.swap_remove(0);
    for other in seen {
        assert_eq!(other, first);
    }
    first
}

/// What the command line shows, once it is so.
fn told(world: &World, is: impl Fn(&serde_json::Value) -> bool) -> serde_json::Value {
    let begun = Instant::now();
    loop {
        let told = world.done(&["tls", "show", "--json"]).json();
        if is(&told) {
            return told;
        }
        assert!(begun.elapsed() < PATIENCE, "{told}\n{}", world.log());
    }
}

/// Waits until a figure is so.
async fn counted(world: &World, line: &str) {
    let begun = Instant::now();
    loop {
        let figures = ask(&mut connect(world.ports.http[0]).await, "GET /metrics").await;
        if figures.contains(line) {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "no {line}: {figures}");
    }
}

/// A page over TLS.
async fn page(port: u16, name: &str, request: &str) -> String {
    let mut stream = handshake(connect(port).await, name).await;
    ask(&mut stream, request).await
}

async fn ask<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S, request: &str) -> String {
    let text = format!("{request} HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n");
    stream.write_all(text.as_bytes()).await.expect("asked");
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

/// A session in the clear that stays open.
fn open_session(world: &World) -> Mail {
    let mut session = Mail::connect(world.ports.submission[0]);
    assert!(session.say("EHLO a.example").starts_with("250"));
    session
}
