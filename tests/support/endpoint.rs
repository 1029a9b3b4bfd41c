//! A program's endpoint on loopback, with TLS or without: it keeps what it is told, and misbehaves on command.

use super::certificates::Identity;
use super::schema;
use data_encoding::BASE64;
use ring::hmac;
use serde_json::Value;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufStream};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// What an endpoint does with a call.
#[derive(Debug, Clone)]
pub enum Manner {
    /// Answers with this status line, these fields and this body.
    Answer(&'static str, Vec<(&'static str, String)>, Vec<u8>),
    /// Reads the call and never answers.
    Hang,
    /// Reads the call, does not answer for this long, and ends the connection then.
    HangUpAfter(Duration),
    /// Ends the connection without a word.
    Reset,
    /// Answers a byte at a time, without end.
    Drip,
    /// Answers a body without end.
    Flood(&'static str),
}

impl Manner {
    pub fn status(line: &'static str) -> Self {
        Self::Answer(line, Vec::new(), Vec::new())
    }

    pub fn ok() -> Self {
        Self::status("204 No Content")
    }

    fn is_success(&self) -> bool {
        match self {
            Self::Answer(line, ..) | Self::Flood(line) => line.starts_with('2'),
            _ => false,
        }
    }
}

/// A call that came.
#[derive(Debug, Clone)]
pub struct Told {
    pub id: String,
    pub timestamp: String,
    pub signatures: Vec<String>,
    pub path: String,
    pub text: String,
    pub event: Value,
    pub at: Instant,
    /// Whether it was answered with success.
    pub is_taken: bool,
}

impl Told {
    pub fn kind(&self) -> &str {
        self.event["type"].as_str().unwrap_or_default()
    }

    /// The address of the recipient it is about.
    pub fn to(&self) -> &str {
        self.event["data"]["recipient"]["address"].as_str().unwrap_or_default()
    }

    /// Whether a secret signed it, reckoned here from what the specification says.
    pub fn is_signed_with(&self, secret: &str) -> bool {
        let bare = secret.strip_prefix("whsec_").expect("a secret says what it is");
        let key = BASE64.decode(bare.as_bytes()).expect("it is base64");
        let signed = format!("{}.{}.{}", self.id, self.timestamp, self.text);
        let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
        let made = BASE64.encode(hmac::sign(&key, signed.as_bytes()).as_ref());
        self.signatures.contains(&format!("v1,{made}"))
    }
}

type Rule = Box<dyn Fn(&Told) -> Manner + Send>;

struct Shared {
    rule: Mutex<Rule>,
    told: Mutex<Vec<Told>>,
    count: watch::Sender<usize>,
    open: Mutex<(usize, usize)>,
}

fn held<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The endpoint; it is gone when dropped.
pub struct Endpoint {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl Drop for Endpoint {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Endpoint {
    pub async fn start() -> Self {
        Self::on(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), None).await
    }

    /// With TLS.
    pub async fn encrypted(identity: &Identity) -> Self {
        let at = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        Self::on(at, Some(identity.acceptor())).await
    }

    pub async fn on(at: SocketAddr, acceptor: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind(at).await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let shared = Arc::new(Shared {
            rule: Mutex::new(Box::new(|_| Manner::ok())),
            told: Mutex::default(),
            count: watch::channel(0).0,
            open: Mutex::default(),
        });
        let served = shared.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (served, acceptor) = (served.clone(), acceptor.clone());
                tokio::spawn(async move {
                    let _ = match acceptor {
                        None => serve(BufStream::new(stream), &served).await,
                        Some(acceptor) => match acceptor.accept(stream).await {
                            Ok(stream) => serve(BufStream::new(stream), &served).await,
                            Err(fault) => Err(fault),
                        },
                    };
                });
            }
        });
        Self { address, shared, task }
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    pub fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// Does so from now on.
    pub fn behave(&self, rule: impl Fn(&Told) -> Manner + Send + 'static) {
        *held(&self.shared.rule) = Box::new(rule);
    }

    /// Every call so far.
    pub fn told(&self) -> Vec<Told> {
        held(&self.shared.told).clone()
    }

    /// Most calls that were under way at a time.
    pub fn most_at_a_time(&self) -> usize {
        held(&self.shared.open).1
    }

    /// Waits for so many calls past a count, or until none has come for this long: whether any came.
    pub async fn hears(&self, count: usize, more: usize, silence: Duration) -> bool {
        let mut calls = self.shared.count.subscribe();
        let mut last = count;
        loop {
            let wait = calls.wait_for(|now| *now > last);
            match tokio::time::timeout(silence, wait).await {
                Ok(Ok(now)) => last = *now,
                _ => return last > count,
            }
            if last >= count + more {
                return true;
            }
        }
    }

    /// Waits until the calls fulfil something.
    pub async fn wait(&self, what: &str, is: impl Fn(&[Told]) -> bool) -> Vec<Told> {
        self.wait_for(super::PATIENCE, what, is).await
    }

    /// The same, no longer than this.
    pub async fn wait_for(
        &self,
        longest: Duration,
        what: &str,
        is: impl Fn(&[Told]) -> bool,
    ) -> Vec<Told> {
        let mut count = self.shared.count.subscribe();
        let fulfilled = async {
            loop {
                count.mark_unchanged();
                let told = self.told();
                if is(&told) {
                    return told;
                }
                let _ = count.changed().await;
            }
        };
        match tokio::time::timeout(longest, fulfilled).await {
            Ok(told) => told,
            Err(_) => {
                let told: Vec<_> = self.told();
                let shown: Vec<_> = told
                    .iter()
                    .map(|told| {
                        format!("{} {} {} {}", told.id, told.kind(), told.to(), told.is_taken)
                    })
                    .collect();
                panic!("{what} did not happen; told so far:\n{}", shown.join("\n"));
            }
        }
    }
}

async fn serve<S>(mut stream: BufStream<S>, shared: &Arc<Shared>) -> std::io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    loop {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") && head.len() < 1 << 16 {
            head.push(stream.read_u8().await?);
        }
        let head = String::from_utf8_lossy(&head).into_owned();
        let field = |name: &str| {
            let lines = head.lines().filter_map(|line| line.split_once(':'));
            let mut found = lines.filter(|(key, _)| key.eq_ignore_ascii_case(name));
            found.next().map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
        };
        let mut body = vec![0; field("content-length").parse().unwrap_or(0)];
        stream.read_exact(&mut body).await?;
        assert_eq!(field("content-type"), "application/json");
        let text = String::from_utf8(body).expect("an event is UTF-8");
        let event: Value = serde_json::from_str(&text).expect("an event is JSON");
        schema::must_fit(&event);
        let mut told = Told {
            id: field("webhook-id"),
            timestamp: field("webhook-timestamp"),
            signatures: field("webhook-signature").split(' ').map(str::to_owned).collect(),
            path: head.split(' ').nth(1).unwrap_or_default().to_owned(),
            text,
            event,
            at: Instant::now(),
            is_taken: false,
        };
        let manner = held(&shared.rule)(&told);
        told.is_taken = manner.is_success();
        {
            let mut open = held(&shared.open);
            open.0 += 1;
            open.1 = open.1.max(open.0);
        }
        held(&shared.told).push(told);
        shared.count.send_modify(|count| *count += 1);
        let answered = answer(&mut stream, manner).await;
        held(&shared.open).0 -= 1;
        if !answered? {
            return Ok(());
        }
    }
}

/// Answers; false where the connection is of no more use.
async fn answer<S>(stream: &mut BufStream<S>, manner: Manner) -> std::io::Result<bool>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    match manner {
        Manner::Answer(line, fields, body) => {
            let mut head = format!("HTTP/1.1 {line}\r\n");
            for (name, value) in fields {
                head += &format!("{name}: {value}\r\n");
            }
            if !line.starts_with("204") {
                head += &format!("Content-Length: {}\r\n", body.len());
            }
            head += "\r\n";
            stream.write_all(head.as_bytes()).await?;
            stream.write_all(&body).await?;
            stream.flush().await?;
            Ok(true)
        }
        Manner::Hang => {
            // Until the other end gives up.
            let _ = stream.read_u8().await;
            Ok(false)
        }
        Manner::HangUpAfter(long) => {
            tokio::time::sleep(long).await;
            Ok(false)
        }
        Manner::Reset => Ok(false),
        Manner::Drip => {
            let head = b"HTTP/1.1 200 OK\r\nX-Slow: ";
            for byte in head.iter().chain(std::iter::repeat(&b'a')) {
                stream.write_all(&[*byte]).await?;
                stream.flush().await?;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Ok(false)
        }
        Manner::Flood(line) => {
            let head = format!("HTTP/1.1 {line}\r\nTransfer-Encoding: chunked\r\n\r\n");
            stream.write_all(head.as_bytes()).await?;
            let chunk = [b"1000\r\n".to_vec(), vec![b'x'; 4096], b"\r\n".to_vec()].concat();
            loop {
                stream.write_all(&chunk).await?;
                stream.flush().await?;
            }
        }
    }
}
