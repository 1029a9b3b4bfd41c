//! Clients that submit as fast as they are answered, one message after the other on each connection.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// What is sent.
#[derive(Clone)]
pub struct Load {
    pub port: u16,
    /// What authenticates; nothing where the relay wants none.
    pub plain: Option<String>,
    pub connections: u64,
    /// Most messages.
    pub messages: u64,
    /// Longest time.
    pub seconds: u64,
    /// A pause before each message.
    pub pause: Duration,
    pub domains: Vec<String>,
    pub size: usize,
    /// Recipients of each message.
    pub recipients: u64,
}

/// One message that was acknowledged: its number and when its 250 came.
pub type Acknowledged = (u64, Instant);

/// What became of it.
pub struct Sent {
    pub acknowledged: Vec<Acknowledged>,
    pub refused: u64,
    pub first_refusal: Option<String>,
    pub took: Duration,
    pub began: Instant,
}

impl Sent {
    pub fn rate(&self) -> f64 {
        self.acknowledged.len() as f64 / self.took.as_secs_f64().max(1e-9)
    }
}

struct Client {
    stream: TcpStream,
    input: Vec<u8>,
}

impl Client {
    async fn say(&mut self, bytes: &[u8]) -> std::io::Result<String> {
        self.stream.write_all(bytes).await?;
        self.reply().await
    }

    async fn reply(&mut self) -> std::io::Result<String> {
        loop {
            let mut from = 0;
            while let Some(end) = memchr::memchr(b'\n', &self.input[from..]) {
                let line = &self.input[from..from + end];
                if line.get(3) != Some(&b'-') {
                    let text = String::from_utf8_lossy(line).trim_end().to_owned();
                    self.input.drain(..=from + end);
                    return Ok(text);
                }
                from += end + 1;
            }
            if self.stream.read_buf(&mut self.input).await? == 0 {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}

/// Sends until all is sent or the time is over.
pub async fn send(load: Load) -> Sent {
    let next = Arc::new(AtomicU64::new(0));
    let (began, mut tasks) = (Instant::now(), JoinSet::new());
    for _ in 0..load.connections {
        tasks.spawn(client(load.clone(), next.clone(), began));
    }
    let (mut acknowledged, mut refused, mut first_refusal) = (Vec::new(), 0, None);
    while let Some(done) = tasks.join_next().await {
        let (theirs, refusals) = done.expect("a client");
        acknowledged.extend(theirs);
        refused += refusals.len() as u64;
        first_refusal = first_refusal.or(refusals.into_iter().next());
    }
    let last = acknowledged.iter().map(|(_, at)| *at).max().unwrap_or(began);
    Sent { acknowledged, refused, first_refusal, took: last - began, began }
}

async fn client(
    load: Load,
    next: Arc<AtomicU64>,
    began: Instant,
) -> (Vec<Acknowledged>, Vec<String>) {
    let (mut acknowledged, mut refused) = (Vec::new(), Vec::new());
    if let Err(fault) = dialog(&load, &next, began, &mut acknowledged, &mut refused).await {
        refused.push(fault.to_string());
    }
    (acknowledged, refused)
}

async fn dialog(
    load: &Load,
    next: &AtomicU64,
    began: Instant,
    acknowledged: &mut Vec<Acknowledged>,
    refused: &mut Vec<String>,
) -> std::io::Result<()> {
    let stream = TcpStream::connect(("127.0.0.1", load.port)).await?;
    stream.set_nodelay(true)?;
    let mut client = Client { stream, input: Vec::new() };
    client.reply().await?;
    client.say(b"EHLO generator.test\r\n").await?;
    if let Some(plain) = &load.plain {
        let reply = client.say(format!("AUTH PLAIN {plain}\r\n").as_bytes()).await?;
        if !reply.starts_with("235") {
            refused.push(reply);
            return Ok(());
        }
    }
    let line = format!("{}\r\n", "x".repeat(70));
    let body = line.repeat(load.size.div_ceil(line.len()));
    while began.elapsed() < Duration::from_secs(load.seconds) {
        let number = next.fetch_add(1, Ordering::Relaxed);
        if number >= load.messages {
            break;
        }
        if !load.pause.is_zero() {
            tokio::time::sleep(load.pause).await;
        }
        let domain = &load.domains[usize::try_from(number).unwrap_or(0) % load.domains.len()];
        let reply = client.say(b"MAIL FROM:<sender@bench.test>\r\n").await?;
        if !reply.starts_with("250") {
            refused.push(reply);
            continue;
        }
        let mut reply = client.say(format!("RCPT TO:<r{number}@{domain}>\r\n").as_bytes()).await?;
        for other in 1..load.recipients {
            let rcpt = format!("RCPT TO:<r{number}-{other}@{domain}>\r\n");
            reply = client.say(rcpt.as_bytes()).await?;
        }
        if !reply.starts_with("250") {
            refused.push(reply);
            client.say(b"RSET\r\n").await?;
            continue;
        }
        client.say(b"DATA\r\n").await?;
        let message = format!(
            "From: Bench <sender@bench.test>\r\nTo: <r{number}@{domain}>\r\nSubject: {number}\r\n\
             Date: Thu, 26 Nov 2026 07:00:00 +0000\r\nMessage-ID: <{number}@bench.test>\r\n\r\n{body}.\r\n"
        );
        let reply = client.say(message.as_bytes()).await?;
        if reply.starts_with("250") {
            acknowledged.push((number, Instant::now()));
        } else {
            refused.push(reply);
        }
    }
    client.say(b"QUIT\r\n").await.map(|_| ())
}
