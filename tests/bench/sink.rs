//! A receiving mail server that takes everything and notes when, on a thread of its own.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What arrived.
#[derive(Default)]
pub struct Arrivals {
    count: AtomicU64,
    recipients: AtomicU64,
    /// What it offers and how far away it is, from the next connection on.
    chunking: AtomicBool,
    distance_ms: AtomicU64,
    /// Recipient's local part and moment, where a workload wants to know.
    moments: Mutex<Vec<(String, Instant)>>,
    last: Mutex<Option<Instant>>,
}

/// The server. Ends with the process.
pub struct Sink {
    pub address: SocketAddr,
    pub arrivals: Arc<Arrivals>,
}

impl Sink {
    pub fn start(at: SocketAddr) -> Self {
        let arrivals = Arc::new(Arrivals::default());
        let theirs = arrivals.clone();
        let (tell, told) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async {
                let listener = TcpListener::bind(at).await.expect("the sink's port");
                tell.send(listener.local_addr().expect("an address")).expect("told");
                loop {
                    let (stream, _) = listener.accept().await.expect("a connection");
                    tokio::spawn(serve(stream, theirs.clone()));
                }
            });
        });
        Self { address: told.recv().expect("the sink's address"), arrivals }
    }

    pub fn count(&self) -> u64 {
        self.arrivals.count.load(Ordering::Relaxed)
    }

    /// Recipients of what arrived.
    pub fn recipients(&self) -> u64 {
        self.arrivals.recipients.load(Ordering::Relaxed)
    }

    /// Offers chunks, or not, and answers each time only after this long, as from afar.
    pub fn be(&self, chunking: bool, distance: Duration) {
        self.arrivals.chunking.store(chunking, Ordering::Relaxed);
        let distance = u64::try_from(distance.as_millis()).expect("a distance");
        self.arrivals.distance_ms.store(distance, Ordering::Relaxed);
    }

    pub fn reset(&self) {
        self.arrivals.count.store(0, Ordering::Relaxed);
        self.arrivals.recipients.store(0, Ordering::Relaxed);
        self.arrivals.moments.lock().expect("moments").clear();
    }

    /// The recipients' local parts, each with the moment of its dot.
    pub fn moments(&self) -> Vec<(String, Instant)> {
        self.arrivals.moments.lock().expect("moments").clone()
    }

    /// Waits until so many have arrived, or nothing has for 20 s; the moment of the last.
    pub async fn wait(&self, count: u64) -> Option<Instant> {
        let (mut seen, mut since) = (0, Instant::now());
        while self.count() < count && since.elapsed() < Duration::from_secs(20) {
            if self.count() > seen {
                (seen, since) = (self.count(), Instant::now());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        *self.arrivals.last.lock().expect("moment")
    }
}

impl Arrivals {
    fn took(&self, recipient: &mut String, recipients: &mut u64) {
        let now = Instant::now();
        self.moments.lock().expect("moments").push((std::mem::take(recipient), now));
        *self.last.lock().expect("moment") = Some(now);
        self.recipients.fetch_add(std::mem::take(recipients), Ordering::Relaxed);
        self.count.fetch_add(1, Ordering::Relaxed);
    }
}

async fn serve(mut stream: TcpStream, arrivals: Arc<Arrivals>) {
    let _ = stream.set_nodelay(true);
    let _ = stream.write_all(b"220 sink.test ESMTP\r\n").await;
    let (mut input, mut used, mut in_data) = (Vec::with_capacity(1 << 16), 0, false);
    let (mut recipient, mut recipients, mut skip, mut is_last) = (String::new(), 0, 0, false);
    let distance = Duration::from_millis(arrivals.distance_ms.load(Ordering::Relaxed));
    let mut out: Vec<u8> = Vec::new();
    loop {
        loop {
            if skip > 0 || is_last {
                let here = skip.min(input.len() - used);
                (used, skip) = (used + here, skip - here);
                if skip > 0 {
                    break;
                }
                let text: &[u8] = match std::mem::take(&mut is_last) {
                    true => {
                        arrivals.took(&mut recipient, &mut recipients);
                        b"250 2.0.0 taken\r\n"
                    }
                    false => b"250 2.0.0 a part\r\n",
                };
                out.extend_from_slice(text);
                continue;
            }
            let Some(line) = line(&input[used..], in_data) else { break };
            let text = &input[used..used + line];
            used += line;
            if in_data {
                in_data = false;
                arrivals.took(&mut recipient, &mut recipients);
                out.extend_from_slice(b"250 2.0.0 taken\r\n");
                continue;
            }
            match text.get(..4).map(<[u8]>::to_ascii_uppercase).as_deref() {
                Some(b"EHLO") => {
                    out.extend_from_slice(b"250-sink.test\r\n250-PIPELINING\r\n250-8BITMIME\r\n");
                    if arrivals.chunking.load(Ordering::Relaxed) {
                        out.extend_from_slice(b"250-CHUNKING\r\n");
                    }
                    out.extend_from_slice(b"250 SIZE\r\n");
                }
                Some(b"BDAT") => {
                    let text = String::from_utf8_lossy(text);
                    let mut words = text.split_ascii_whitespace().skip(1);
                    skip = words.next().and_then(|size| size.parse().ok()).unwrap_or(0);
                    is_last = words.next().is_some();
                }
                Some(b"RCPT") => {
                    let to = String::from_utf8_lossy(text);
                    let local = to.split(['<', '@']).nth(1).unwrap_or_default();
                    local.clone_into(&mut recipient);
                    recipients += 1;
                    out.extend_from_slice(b"250 2.1.5 ok\r\n");
                }
                Some(b"DATA") => {
                    in_data = true;
                    out.extend_from_slice(b"354 go on\r\n");
                }
                Some(b"QUIT") => {
                    let _ = stream.write_all(b"221 2.0.0 bye\r\n").await;
                    return;
                }
                _ => out.extend_from_slice(b"250 2.0.0 ok\r\n"),
            }
        }
        if !out.is_empty() {
            if !distance.is_zero() {
                tokio::time::sleep(distance).await;
            }
            if stream.write_all(&out).await.is_err() {
                return;
            }
            out.clear();
        }
        if used > 0 && !in_data {
            input.drain(..used);
            used = 0;
        }
        match stream.read_buf(&mut input).await {
            Ok(0) | Err(_) => return,
            Ok(_) => {}
        }
    }
}

/// The length of the next command, or of a message up to its end, if all of it is there.
fn line(input: &[u8], in_data: bool) -> Option<usize> {
    if !in_data {
        return memchr::memchr(b'\n', input).map(|at| at + 1);
    }
    if input.starts_with(b".\r\n") {
        return Some(3);
    }
    memchr::memmem::find(input, b"\r\n.\r\n").map(|at| at + 5)
}
