//! One connection to a mail server: greeting, EHLO, STARTTLS, commands and replies, each with its time.

use super::outcome::Relay;
use super::route::Target;
use super::security::{Breach, HostRule, Secured};
use super::slots::Slot;
use super::sources::Source;
use super::wire::{Wire, discard, look};
use crate::config;
use crate::mail::{Domain, Reply};
use crate::smtp::{Capabilities, DotStuffer, ReplyParser, chunks};
use crate::telemetry::Speaker;
use crate::tls::{shaken, told};
use crate::web::Refused;
use rustls::HandshakeKind;
use rustls::pki_types::ServerName;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::task::unconstrained;
use tokio::time::{Instant, timeout};
use tokio_rustls::TlsConnector;

/// A limit as a person says it: what is left of one may be any part of a second.
pub(super) fn seconds(limit: Duration) -> String {
    match limit.as_secs() {
        0 => format!("{}ms", limit.as_millis()),
        _ => format!("{}s", limit.as_secs_f64().round()),
    }
}

/// Bytes of a message that leave at a time.
const PIECE: usize = 64 << 10;
/// What ends a message after DATA.
const DOT: &[u8] = b".\r\n";
/// What ends a message in chunks: it carries nothing, so that it leaves in one piece.
const LAST: &[u8] = b"BDAT 0 LAST\r\n";
/// How long a server that closes while we send may take to say why.
const LAST_WORDS: Duration = Duration::from_secs(1);
/// The pauses between two looks at whether all that was written has left: the first, and the longest.
const PAUSES: [Duration; 2] = [Duration::from_millis(1), Duration::from_millis(20)];
/// Most reads of what a server sends unasked before it counts as speech.
const READS_MAX: u32 = 16;

/// Why a server was not reached, or was lost.
#[derive(Debug)]
pub(super) enum Broken {
    /// The server said so.
    Said(Reply),
    /// The network, the time, or what was said makes no sense.
    Lost(String),
    /// TLS was offered and did not come about.
    Tls(Breach),
    /// It stands, and is not what mail demands.
    Insecure(Breach),
    /// It is no server that mail may be sent to.
    Refused(Refused),
    /// There is no address to send from whose warm-up leaves room today.
    Spent,
    /// An address of ours to send from is lacking: no word about the server.
    NoSource(String),
}

impl std::fmt::Display for Broken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Said(reply) => reply.fmt(f),
            Self::Lost(why) | Self::NoSource(why) => f.write_str(why),
            Self::Tls(breach) | Self::Insecure(breach) => write!(f, "TLS: {}", breach.text),
            Self::Refused(why) => why.fmt(f),
            Self::Spent => f.write_str("no address to send from has room today"),
        }
    }
}

/// How the one write of the final dot, or of the last chunk, went.
pub(super) enum Dot {
    /// The kernel has it.
    Written,
    /// Nothing was written: return the permit and look again.
    NotNow,
    /// Nothing was written, and nothing will be.
    Refused(String),
    /// Not all of it was written: the connection must be cut.
    Torn,
    /// It was written, and the connection broke while it was flushed.
    Unknown(String),
}

/// A connection.
pub(super) struct Dialog {
    wire: Box<dyn Wire>,
    parser: ReplyParser,
    unread: Vec<u8>,
    /// `name[address]:port`.
    pub(super) relay: Relay,
    /// The host and its address.
    pub(super) target: Target,
    /// Where it comes from.
    pub(super) source: Source,
    /// Its place among the connections.
    pub(super) slot: Option<Slot>,
    /// Whether no transaction was begun since the greeting or the last RSET.
    pub(super) is_fresh: bool,
    /// Transactions begun.
    pub(super) begun: u32,
    /// Chunks whose reply is still to come.
    pub(super) chunks_open: u32,
    /// What the message under way ends with.
    end: &'static [u8],
    /// When what is under way must have come to its end.
    deadline: Instant,
    /// What the server offers.
    pub(super) offers: Capabilities,
    /// What is known of it where it is encrypted.
    pub(super) secured: Option<Secured>,
    /// What it was made to be, and by what domain's rule; none where a message wanted less than its domain.
    pub(super) rule: Arc<HostRule>,
    /// The domain whose rule that is.
    pub(super) rule_of: Option<Domain>,
    /// What is shown of it to who looks on.
    pub(super) speaker: Speaker,
}

//= https://www.rfc-editor.org/rfc/rfc5321#section-4.5.3.2
//# An SMTP client MUST provide a timeout mechanism.  It MUST use per-
//# command timeouts rather than somehow trying to time the entire mail
//# transaction.
async fn within<T>(
    limit: Duration,
    what: &str,
    work: impl Future<Output = io::Result<T>>,
) -> Result<T, Broken> {
    match timeout(limit, work).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(fault)) => Err(Broken::Lost(format!("{what}: {fault}"))),
        Err(_) => Err(Broken::Lost(format!("{what}: nothing within {}", seconds(limit)))),
    }
}

impl Dialog {
    /// Greets a server over a new connection; with a connector, encrypts where that is offered.
    pub(super) async fn open(
        socket: TcpStream,
        target: &Target,
        hostname: &str,
        limits: &config::Delivery,
        (tls, mut speaker): (Option<&TlsConnector>, Speaker),
    ) -> Result<Self, Broken> {
        speaker.of_host(target.host.name.trim_end_matches('.'));
        let mut dialog = Self {
            wire: Box::new(socket),
            parser: ReplyParser::new(),
            unread: Vec::new(),
            relay: Relay::new(target.relay(), limits),
            target: target.clone(),
            source: Source::default(),
            slot: None,
            is_fresh: true,
            begun: 0,
            chunks_open: 0,
            end: DOT,
            deadline: Instant::now() + limits.transaction_timeout.0,
            offers: Capabilities::default(),
            secured: None,
            rule: Arc::new(HostRule::relaxed()),
            rule_of: None,
            speaker,
        };
        let limit = limits.greeting_timeout.0;
        let greeting = dialog.reply(limit, "the greeting").await?;
        if greeting.code != 220 {
            return Err(Broken::Said(greeting));
        }
        dialog.hello(hostname, limit).await?;
        match tls.filter(|_| dialog.offers.starttls) {
            Some(connector) => dialog.encrypt(connector, hostname, limit).await,
            None => Ok(dialog),
        }
    }

    /// STARTTLS, the handshake, and EHLO once more. Whatever goes wrong on this way is TLS not coming
    /// about: a server whose TLS is broken must not keep mail that it takes without.
    async fn encrypt(
        mut self,
        connector: &TlsConnector,
        hostname: &str,
        limit: Duration,
    ) -> Result<Self, Broken> {
        let breach = |text: String| Breach { failure: "validation-failure", detail: 5, text };
        let tls = |broken: Broken| Broken::Tls(breach(broken.to_string()));
        let reply = self.ask("STARTTLS\r\n", limit).await.map_err(tls)?;
        if reply.code != 220 {
            let text = format!("the server said to STARTTLS: {reply}");
            return Err(Broken::Tls(Breach::unencrypted(&text)));
        }
        // What came before the handshake may be anybody's.
        if !self.unread.is_empty() {
            return Err(Broken::Tls(breach("the server spoke before the handshake".into())));
        }
        let host = self.target.host.name.trim_end_matches('.').to_owned();
        let name =
            ServerName::try_from(host).unwrap_or_else(|_| ServerName::from(self.target.to.ip()));
        let limit = self.left_of(limit);
        let done = timeout(limit, connector.connect(name, self.wire)).await;
        let agreed = done.as_ref().ok().and_then(|done| done.as_ref().ok());
        shaken("out", agreed.and_then(|stream| stream.get_ref().1.protocol_version()));
        let stream = match done {
            Ok(Ok(stream)) => stream,
            Ok(Err(fault)) => return Err(Broken::Tls(breach(told(&fault)))),
            Err(_) => {
                return Err(Broken::Tls(breach(format!("nothing within {}", seconds(limit)))));
            }
        };
        let session = stream.get_ref().1;
        let named = |found: Option<String>| found.unwrap_or_default();
        self.secured = Some(Secured {
            chain: session.peer_certificates().unwrap_or_default().to_vec(),
            version: named(session.protocol_version().and_then(|v| v.as_str()).map(Into::into)),
            cipher: named(session.negotiated_cipher_suite().map(|s| format!("{:?}", s.suite()))),
            is_resumed: session.handshake_kind() == Some(HandshakeKind::Resumed),
        });
        if let Some(secured) = &self.secured {
            self.speaker.note(format_args!("{} with {}", secured.version, secured.cipher));
        }
        self.wire = Box::new(stream);
        self.parser = ReplyParser::new();
        self.hello(hostname, limit).await.map_err(tls)?;
        Ok(self)
    }

    /// Begins what must come to its end within `longest`.
    pub(super) fn begin(&mut self, longest: Duration) {
        self.deadline = Instant::now() + longest;
    }

    /// A wait's limit, no longer than what is left of the whole.
    fn left_of(&self, limit: Duration) -> Duration {
        limit.min(self.deadline.saturating_duration_since(Instant::now()))
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

    /// Writes commands, where nothing is heard that was not asked for.
    pub(super) async fn say(&mut self, text: &str, limit: Duration) -> Result<(), Broken> {
        if let Some(unasked) = self.unasked().await {
            return Err(unasked);
        }
        let limit = self.left_of(limit);
        self.speaker.said(text);
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

    /// Reads one reply. The limit is that of the whole of it: a server that sends a byte at a time has no
    /// longer.
    pub(super) async fn reply(&mut self, limit: Duration, what: &str) -> Result<Reply, Broken> {
        let what = format!("while waiting for {what}");
        let limit = self.left_of(limit);
        within(limit, &what, async {
            loop {
                let fed = self.parser.feed(&self.unread);
                let (taken, reply) = fed.map_err(|fault| io::Error::other(fault.to_string()))?;
                self.unread.drain(..taken);
                if let Some(reply) = reply {
                    self.speaker.heard(&reply);
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
        self.end = DOT;
        self.speaker.note(format_args!("(message, {} bytes)", message.len()));
        let mut stuffer = DotStuffer::new();
        let mut out = Vec::with_capacity(PIECE + PIECE / 8);
        for piece in message.chunks(PIECE) {
            out.clear();
            stuffer.push(piece, &mut out);
            self.piece(&out, limit).await?;
        }
        self.piece(stuffer.finish(), limit).await?;
        within(self.left_of(limit), "while sending the message", self.wire.flush()).await
    }

    /// Writes a whole message in chunks of at most `size` bytes, each once the one before was taken, and
    /// flushes it; the reply to the last of them is left to come where the server knows pipelining.
    /// `Some`: another reply than yes.
    pub(super) async fn chunks(
        &mut self,
        message: &[u8],
        size: usize,
        limit: Duration,
    ) -> Result<Option<Reply>, Broken> {
        self.end = LAST;
        if let Some(unasked) = self.unasked().await {
            return Err(Broken::Lost(unasked.to_string()));
        }
        let mut out = Vec::with_capacity(PIECE.min(message.len()) + 64);
        for (command, [piece, end]) in chunks(message, size) {
            if self.chunks_open > 0 {
                let reply = self.chunk_reply(limit).await?;
                if !reply.is_positive() {
                    return Ok(Some(reply));
                }
            }
            self.speaker.said(&command);
            // The command leaves with what it announces.
            let (first, rest) = piece.split_at(piece.len().min(PIECE));
            out.clear();
            out.extend_from_slice(command.as_bytes());
            out.extend_from_slice(first);
            if rest.is_empty() {
                out.extend_from_slice(end);
            }
            self.piece(&out, limit).await?;
            for part in rest.chunks(PIECE) {
                self.piece(part, limit).await?;
            }
            if !rest.is_empty() {
                self.piece(end, limit).await?;
            }
            within(self.left_of(limit), "while sending the message", self.wire.flush()).await?;
            self.chunks_open += 1;
        }
        if self.offers.pipelining || self.chunks_open == 0 {
            return Ok(None);
        }
        let reply = self.chunk_reply(limit).await?;
        Ok((!reply.is_positive()).then_some(reply))
    }

    /// Reads the reply to the oldest chunk that has none.
    pub(super) async fn chunk_reply(&mut self, limit: Duration) -> Result<Reply, Broken> {
        self.chunks_open = self.chunks_open.saturating_sub(1);
        self.reply(limit, "the reply to BDAT").await
    }

    /// Whether the server has said something that was not read.
    pub(super) fn hears(&self) -> bool {
        !self.unread.is_empty() || look(self.wire.socket()).heard
    }

    async fn piece(&mut self, out: &[u8], limit: Duration) -> Result<(), Broken> {
        let limit = self.left_of(limit);
        let sent = within(limit, "while sending the message", self.wire.write_all(out)).await;
        if sent.is_err()
            && let Some(reply) = self.last_words().await
        {
            return Err(Broken::Said(reply));
        }
        sent
    }

    /// What a server that broke off has said about it.
    pub(super) async fn last_words(&mut self) -> Option<Reply> {
        self.reply(LAST_WORDS, "the server's last words").await.ok()
    }

    /// What the server said, or that it left, without having been asked. A reply that nobody asked for
    /// would be taken for the answer to the next command, and be wrong about it.
    pub(super) async fn unasked(&mut self) -> Option<Broken> {
        let mut read = 0;
        while self.unread.is_empty() && read < READS_MAX {
            let mut bytes = [0; 512];
            let mut buffer = ReadBuf::new(&mut bytes);
            let wire = &mut self.wire;
            // One look, with no regard to this task's budget of work.
            let once = poll_fn(|cx| Poll::Ready(Pin::new(&mut *wire).poll_read(cx, &mut buffer)));
            match unconstrained(once).await {
                Poll::Ready(Ok(())) if buffer.filled().is_empty() => {
                    return Some(Broken::Lost("the server closed the connection".into()));
                }
                Poll::Ready(Ok(())) => self.unread.extend_from_slice(buffer.filled()),
                Poll::Ready(Err(fault)) => return Some(Broken::Lost(fault.to_string())),
                Poll::Pending if !look(self.wire.socket()).heard => return None,
                // Bytes that the runtime has not heard of, or a part of a TLS record.
                Poll::Pending => {
                    let _ = timeout(LAST_WORDS, self.wire.socket().readable()).await;
                }
            }
            read += 1;
        }
        match self.parser.feed(&self.unread) {
            Ok((_, Some(reply))) => Some(Broken::Said(reply)),
            _ => Some(Broken::Lost("the server spoke out of turn".into())),
        }
    }

    /// Whether everything written has left the machine, and nothing is heard from the server.
    pub(super) fn is_still(&self) -> bool {
        let now = look(self.wire.socket());
        now.left && !now.heard
    }

    /// Waits until everything written has left the machine; false past the deadline.
    pub(super) async fn left(&self, deadline: Instant) -> bool {
        let [mut pause, longest] = PAUSES;
        while !look(self.wire.socket()).left {
            if Instant::now() >= deadline {
                return false;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(longest);
        }
        true
    }

    /// Waits until everything written has left, and the runtime knows that the socket takes bytes.
    pub(super) async fn drained(&mut self, deadline: Instant) -> Result<(), Broken> {
        let deadline = deadline.min(self.deadline);
        let what = "before the final dot";
        let stuck = || Broken::Lost(format!("{what}: the server stopped reading"));
        if !self.left(deadline).await {
            return Err(stuck());
        }
        match tokio::time::timeout_at(deadline, self.wire.socket().writable()).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(fault)) => Err(Broken::Lost(format!("{what}: {fault}"))),
            Err(_) => Err(stuck()),
        }
    }

    /// Writes the final dot, or the last chunk, in one write that does not wait.
    pub(super) async fn dot(&mut self) -> Dot {
        let (wire, end) = (&mut self.wire, self.end);
        let once = poll_fn(|cx| Poll::Ready(Pin::new(&mut *wire).poll_write(cx, end)));
        match unconstrained(once).await {
            Poll::Pending => return Dot::NotNow,
            Poll::Ready(Ok(count)) if count == end.len() => {}
            Poll::Ready(Ok(_)) => return Dot::Torn,
            Poll::Ready(Err(fault)) => return Dot::Refused(format!("the final dot: {fault}")),
        }
        let once = poll_fn(|cx| Poll::Ready(Pin::new(&mut *wire).poll_flush(cx)));
        self.speaker.said(if end == DOT { "." } else { "BDAT 0 LAST" });
        match unconstrained(once).await {
            Poll::Ready(Ok(())) => Dot::Written,
            Poll::Ready(Err(fault)) => Dot::Unknown(format!("the final dot: {fault}")),
            // Some of an encrypted dot is still here.
            Poll::Pending => Dot::Torn,
        }
    }

    /// Lets the end of this connection discard what has not left.
    pub(super) fn discard(&self) {
        discard(self.wire.socket());
    }

    /// Whether the server has spoken or closed while nothing was asked.
    pub(super) async fn gone(&mut self) {
        let mut bytes = [0; 512];
        if let Ok(count) = self.wire.read(&mut bytes).await {
            self.unread.extend_from_slice(&bytes[..count]);
        }
    }

    /// Takes leave.
    pub(super) async fn quit(mut self) {
        let _ = self.ask("QUIT\r\n", Duration::from_secs(5)).await;
        let _ = timeout(Duration::from_secs(1), self.wire.shutdown()).await;
    }
}
