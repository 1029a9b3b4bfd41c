//! A program's endpoint that takes every event and counts them, on a thread of its own.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufStream};
use tokio::net::{TcpListener, TcpStream};

/// The endpoint. Ends with the process.
pub struct Program {
    pub address: SocketAddr,
    count: Arc<AtomicU64>,
}

impl Program {
    pub fn start() -> Self {
        let count = Arc::new(AtomicU64::new(0));
        let theirs = count.clone();
        let (tell, told) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            runtime.expect("a runtime").block_on(async {
                let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
                tell.send(listener.local_addr().expect("an address")).expect("told");
                loop {
                    let (stream, _) = listener.accept().await.expect("a connection");
                    tokio::spawn(serve(stream, theirs.clone()));
                }
            });
        });
        Self { address: told.recv().expect("the endpoint's address"), count }
    }

    /// Waits until so many events have come, or none has for 20 s; how many did.
    pub async fn wait(&self, count: u64) -> u64 {
        let (mut seen, mut since) = (0, Instant::now());
        loop {
            let now = self.count.load(Ordering::Relaxed);
            if now >= count || since.elapsed() > Duration::from_secs(20) {
                return now;
            }
            if now > seen {
                (seen, since) = (now, Instant::now());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

async fn serve(stream: TcpStream, count: Arc<AtomicU64>) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut stream = BufStream::new(stream);
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await? == 0 {
                return Ok(());
            }
            if line == "\r\n" {
                break;
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().unwrap_or(0);
            }
        }
        let mut body = vec![0; length];
        stream.read_exact(&mut body).await?;
        count.fetch_add(1, Ordering::Relaxed);
        stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await?;
        stream.flush().await?;
    }
}
