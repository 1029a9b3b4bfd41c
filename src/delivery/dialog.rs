//! One connection to a mail server: greeting, EHLO, STARTTLS, commands and replies, each with its time.

use crate::config;
use crate::mail::Reply;
use crate::smtp::{Capabilities, DotStuffer, ReplyParser};
use rustls::pki_types::ServerName;
use std::future::poll_fn;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// Bytes of a message that leave at a time.
const PIECE: usize = 64 << 10;
/// How long a server that closes while we send may take to say why.
const LAST_WORDS: Duration = Duration::from_secs(1);

/// A stream to a server, encrypted or not.
pub(super) trait Wire: AsyncRead + AsyncWrite + Unpin + Send + Sync {
    /// The socket below.
    fn socket(&self) -> &TcpStream;
}

impl Wire for TcpStream {
    fn socket(&self) -> &TcpStream {
        self
    }
}

impl Wire for TlsStream<Box<dyn Wire>> {
    fn socket(&self) -> &TcpStream {
        self.get_ref().0.socket()
    }
}

/// Why a server was not reached, or was lost.
#[derive(Debug)]
pub(super) enum Broken {
    /// The server said so.
    Said(Reply),
    /// The network, the time, or what was said makes no sense.
    Lost(String),
    /// TLS was offered and did not come about.
    Tls(String),
}

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Said(reply) => reply.fmt(f),
            Self::Lost(why) => f.write_str(why),
            Self::Tls(why) => write!(f, "TLS handshake: {why}"),
        }
    }
}

/// How the one write of the final dot went.
pub(super) enum Dot {
    /// It left.
    Written,
    /// Nothing was written: return the permit and look again.
    NotNow,
    /// Not all of it left: the connection must be closed.
    Torn(String),
}

/// A connection.
pub(super) struct Dialog {
    wire: Box<dyn Wire>,
    parser: ReplyParser,
    unread: Vec<u8>,
    /// `name[address]:port`.
    pub(super) relay: String,
    /// The host and its address.
    pub(super) target: (String, SocketAddr),
    /// What the server offers.
    pub(super) offers: Capabilities,
}

async fn within<T>(
    limit: Duration,
    what: &str,
    work: impl Future<Output = io::Result<T>>,
) -> Result<T, Broken> {
    match timeout(limit, work).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(fault)) => Err(Broken::Lost(format!("{what}: {fault}"))),
        Err(_) => Err(Broken::Lost(format!("{what}: nothing within {limit:?}"))),
    }
}

impl Dialog {
    /// Greets a server over a new connection; with a connector, encrypts where that is offered.
    pub(super) async fn open(
        socket: TcpStream,
        host: &str,
        to: SocketAddr,
        hostname: &str,
        limits: &config::Delivery,
        tls: Option<&TlsConnector>,
    ) -> Result<Self, Broken> {
        let mut dialog = Self {
            wire: Box::new(socket),
            parser: ReplyParser::new(),
            unread: Vec::new(),
            relay: format!("{host}[{}]:{}", to.ip(), to.port()),
            target: (host.to_owned(), to),
            offers: Capabilities::default(),
        };
        let limit = limits.greeting_timeout.0;
        let greeting = dialog.reply(limit, "the greeting").await?;
        if greeting.code != 220 {
            return Err(Broken::Said(greeting));
        }
        dialog.hello(hostname, limit).await?;
        let Some(connector) = tls.filter(|_| dialog.offers.starttls) else {
            return Ok(dialog);
        };
        if dialog.ask("STARTTLS\r\n", limit).await?.code != 220 {
            return Ok(dialog);
        }
        if !dialog.unread.is_empty() {
            return Err(Broken::Tls("the server spoke before it".into()));
        }
        let name = ServerName::try_from(host.trim_end_matches('.').to_owned())
            .unwrap_or_else(|_| ServerName::from(to.ip()));
        let stream = match timeout(limit, connector.connect(name, dialog.wire)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(fault)) => return Err(Broken::Tls(fault.to_string())),
            Err(_) => return Err(Broken::Tls(format!("nothing within {limit:?}"))),
        };
        dialog.wire = Box::new(stream);
        dialog.parser = ReplyParser::new();
        dialog.hello(hostname, limit).await?;
        Ok(dialog)
    }

    async fn hello(&mut self, hostname: &str, limit: Duration) -> Result<(), Broken> {
        let reply = self.ask(&format!("EHLO {hostname}\r\n"), limit).await?;
        if reply.is_positive() {
            self.offers = Capabilities::from_reply(&reply);
            return Ok(());
        }
        self.offers = Capabilities::default();
        if reply.is_permanent() {
            let reply = self.ask(&format!("HELO {hostname}\r\n"), limit).await?;
            if reply.is_positive() {
                return Ok(());
            }
            return Err(Broken::Said(reply));
        }
        Err(Broken::Said(reply))
    }

    /// Writes commands.
    pub(super) async fn say(&mut self, text: &str, limit: Duration) -> Result<(), Broken> {
        let work = async {
            self.wire.write_all(text.as_bytes()).await?;
            self.wire.flush().await
        };
        within(limit, "while writing a command", work).await
    }

    /// Writes a command and reads its reply.
    pub(super) async fn ask(&mut self, text: &str, limit: Duration) -> Result<Reply, Broken> {
        self.say(text, limit).await?;
        let verb = text.split([' ', '\r']).next().unwrap_or_default();
        self.reply(limit, &format!("the reply to {verb}")).await
    }

    /// Reads one reply.
    pub(super) async fn reply(&mut self, limit: Duration, what: &str) -> Result<Reply, Broken> {
        let what = format!("while waiting for {what}");
        within(limit, &what, async {
            loop {
                let fed = self.parser.feed(&self.unread);
                let (taken, reply) = fed.map_err(|fault| io::Error::other(fault.to_string()))?;
                self.unread.drain(..taken);
                if let Some(reply) = reply {
                    return Ok(reply);
                }
                let mut buffer = [0; 4096];
                let count = self.wire.read(&mut buffer).await?;
                if count == 0 {
                    return Err(io::Error::other("the server closed the connection"));
                }
                self.unread.extend_from_slice(&buffer[..count]);
            }
        })
        .await
    }

    /// Writes a whole message but for its final dot, and flushes it.
    pub(super) async fn body(&mut self, message: &[u8], limit: Duration) -> Result<(), Broken> {
        let mut stuffer = DotStuffer::new();
        let mut out = Vec::with_capacity(PIECE + PIECE / 8);
        for piece in message.chunks(PIECE) {
            out.clear();
            stuffer.push(piece, &mut out);
            self.piece(&out, limit).await?;
        }
        self.piece(stuffer.finish(), limit).await?;
        within(limit, "while sending the message", self.wire.flush()).await
    }

    async fn piece(&mut self, out: &[u8], limit: Duration) -> Result<(), Broken> {
        let sent = within(limit, "while sending the message", self.wire.write_all(out)).await;
        if sent.is_err()
            && let Ok(reply) = self.reply(LAST_WORDS, "the server's last words").await
        {
            return Err(Broken::Said(reply));
        }
        sent
    }

    /// Waits until the socket takes bytes.
    pub(super) async fn writable(&mut self, limit: Duration) -> Result<(), Broken> {
        within(limit, "before the final dot", self.wire.socket().writable()).await
    }

    /// Writes the final dot in one write that does not wait.
    pub(super) async fn dot(&mut self) -> Dot {
        let wire = &mut self.wire;
        let wrote = poll_fn(|cx| Poll::Ready(Pin::new(&mut *wire).poll_write(cx, b".\r\n"))).await;
        match wrote {
            Poll::Pending => return Dot::NotNow,
            Poll::Ready(Ok(3)) => {}
            Poll::Ready(Ok(_)) => return Dot::Torn("the final dot did not leave whole".into()),
            Poll::Ready(Err(fault)) => return Dot::Torn(format!("the final dot: {fault}")),
        }
        match poll_fn(|cx| Poll::Ready(Pin::new(&mut *wire).poll_flush(cx))).await {
            Poll::Ready(Ok(())) => Dot::Written,
            Poll::Ready(Err(fault)) => Dot::Torn(format!("the final dot: {fault}")),
            Poll::Pending => Dot::Torn("the final dot did not leave whole".into()),
        }
    }

    /// Whether the server has spoken or closed while nothing was asked.
    pub(super) async fn gone(&mut self) {
        let mut byte = [0];
        let _ = self.wire.read(&mut byte).await;
    }

    /// Takes leave.
    pub(super) async fn quit(mut self) {
        let _ = self.ask("QUIT\r\n", Duration::from_secs(5)).await;
        let _ = timeout(Duration::from_secs(1), self.wire.shutdown()).await;
    }
}
