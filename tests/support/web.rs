//! A web server on loopback: it serves pages by host and path over TLS, and keeps what is handed in.

use super::certificates::Identity;
use std::collections::HashMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{AsyncReadExt, AsyncWriteExt, BufStream};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// A page: status line after the version, fields, body.
#[derive(Clone)]
pub struct Page {
    pub status: &'static str,
    pub fields: Vec<(&'static str, String)>,
    pub body: Vec<u8>,
}

#[derive(Default)]
struct Shared {
    /// By host without port, and path.
    pages: Mutex<HashMap<(String, String), Page>>,
    acceptor: Mutex<Option<TlsAcceptor>>,
    asked: Mutex<Vec<String>>,
    taken: Mutex<Vec<(String, Vec<u8>)>>,
}

fn held<T>(lock: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The server; it stops when dropped.
pub struct Web {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl Drop for Web {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Web {
    pub async fn start() -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let shared = Arc::new(Shared::default());
        let served = shared.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let served = served.clone();
                tokio::spawn(async move {
                    let Some(acceptor) = held(&served.acceptor).clone() else { return };
                    if let Ok(stream) = acceptor.accept(stream).await {
                        let _ = serve(BufStream::new(stream), &served).await;
                    }
                });
            }
        });
        Self { address, shared, task }
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Shows this certificate from now on.
    pub fn show(&self, identity: &Identity) {
        *held(&self.shared.acceptor) = Some(identity.acceptor());
    }

    pub fn put(&self, host: &str, path: &str, page: Page) {
        held(&self.shared.pages).insert((host.to_owned(), path.to_owned()), page);
    }

    pub fn remove(&self, host: &str, path: &str) {
        held(&self.shared.pages).remove(&(host.to_owned(), path.to_owned()));
    }

    /// What was asked so far: `GET host/path`.
    pub fn asked(&self) -> Vec<String> {
        held(&self.shared.asked).clone()
    }

    /// What was handed in so far: the media type, and the body.
    pub fn taken(&self) -> Vec<(String, Vec<u8>)> {
        held(&self.shared.taken).clone()
    }
}

async fn serve<S>(mut stream: BufStream<S>, shared: &Shared) -> std::io::Result<()>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") && head.len() < 1 << 16 {
        head.push(stream.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    let field = |name: &str| {
        let lines = head.lines().filter_map(|line| line.split_once(':'));
        let found = lines.map(|(key, value)| (key, value.trim().to_owned()));
        found.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    };
    let mut words = head.split_whitespace();
    let method = words.next().unwrap_or_default().to_owned();
    let path = words.next().unwrap_or_default().to_owned();
    let host = field("host").unwrap_or_default();
    let host = host.split(':').next().unwrap_or_default().to_owned();
    let mut body = vec![0; field("content-length").and_then(|n| n.parse().ok()).unwrap_or(0)];
    stream.read_exact(&mut body).await?;
    held(&shared.asked).push(format!("{method} {host}{path}"));
    if method == "POST" {
        held(&shared.taken).push((field("content-type").unwrap_or_default(), body));
    }
    let page = held(&shared.pages).get(&(host, path)).cloned();
    let page = page.unwrap_or(Page {
        status: "404 Not Found",
        fields: Vec::new(),
        body: b"nothing\n".to_vec(),
    });
    let mut answer = format!("HTTP/1.1 {}\r\nContent-Length: {}\r\n", page.status, page.body.len());
    for (name, value) in &page.fields {
        answer += &format!("{name}: {value}\r\n");
    }
    answer += "Connection: close\r\n\r\n";
    stream.write_all(answer.as_bytes()).await?;
    stream.write_all(&page.body).await?;
    stream.flush().await?;
    stream.shutdown().await
}
