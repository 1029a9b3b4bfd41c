//! A receiving mail server that does at each step what its row says, and keeps what it took.

use super::certificate::acceptor;
use super::row::{Act, Certificate, Cut, Row, Step, Taken};
use socket2::SockRef;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

/// How long nothing is asked before a server speaks unasked ([`Step::Idle`]).
const IDLE: Duration = Duration::from_millis(150);
/// What a server that reads slowly reads at a time.
const SLOW: usize = 8 << 10;
/// Longest line read.
const LINE_MAX: usize = 16 << 10;

/// What a row's servers share.
pub struct Shared {
    pub row: Row,
    /// The name it goes by.
    pub host: String,
    lies: AtomicBool,
    /// Whether it has spoken unasked ([`Step::Idle`]).
    spoke: AtomicBool,
    pub connections: [AtomicUsize; 3],
    taken: Mutex<Vec<Taken>>,
    faults: Mutex<Vec<String>>,
}

fn held<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub fn new(row: Row, host: &str) -> Arc<Self> {
        Arc::new(Self {
            row,
            host: host.to_owned(),
            lies: AtomicBool::new(true),
            spoke: AtomicBool::new(false),
            connections: Default::default(),
            taken: Mutex::default(),
            faults: Mutex::default(),
        })
    }

    /// From now on its servers behave.
    pub fn repent(&self) {
        self.lies.store(false, Ordering::SeqCst);
    }

    pub fn lies(&self) -> bool {
        self.lies.load(Ordering::SeqCst)
    }

    /// Whether it means to speak unasked and has not yet.
    pub fn will_speak(&self) -> bool {
        let means_to = self.row.lies.iter().flatten().any(|(step, _)| *step == Step::Idle);
        means_to && !self.spoke.load(Ordering::SeqCst)
    }

    pub fn taken(&self) -> Vec<Taken> {
        held(&self.taken).clone()
    }

    /// What a client did that it must not.
    pub fn faults(&self) -> Vec<String> {
        held(&self.faults).clone()
    }

    /// Listens as the first server, the second, or the trap.
    pub async fn listen(self: &Arc<Self>, at: SocketAddr, which: usize) -> io::Result<AbortHandle> {
        let listener = TcpListener::bind(at).await?;
        let shared = Arc::clone(self);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                shared.connections[which].fetch_add(1, Ordering::SeqCst);
                let shared = Arc::clone(&shared);
                tokio::spawn(async move {
                    if which < 2 {
                        let _ = Talk::new(stream, shared, which)?.serve().await;
                    }
                    io::Result::Ok(())
                });
            }
        });
        Ok(task.abort_handle())
    }
}

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// One connection.
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own about a connection")]
struct Talk {
    shared: Arc<Shared>,
    which: usize,
    /// Another handle of the socket, by which it is reset.
    socket: std::net::TcpStream,
    stream: Option<Box<dyn Stream>>,
    unread: Vec<u8>,
    tls: bool,
    slow: bool,
    spoiled: bool,
    /// Messages answered on this connection.
    messages: usize,
    said: usize,
    read: usize,
    mail: Option<String>,
    recipients: Vec<String>,
    chunks: Vec<u8>,
    /// Whether the message under way comes in chunks.
    chunked: bool,
    /// Whether a chunk of it was not taken.
    is_torn: bool,
}

/// What was said at a step.
enum Said {
    /// As it should be.
    Usual,
    /// Something that begins with this code.
    Code(u16),
    /// Nothing that is a reply.
    Nothing,
}

impl Said {
    fn is(&self, class: u16) -> bool {
        match self {
            Self::Usual => true,
            Self::Code(code) => code / 100 == class,
            Self::Nothing => false,
        }
    }
}

fn ended() -> io::Error {
    io::ErrorKind::ConnectionAborted.into()
}

impl Talk {
    fn new(stream: TcpStream, shared: Arc<Shared>, which: usize) -> io::Result<Self> {
        let stream = stream.into_std()?;
        let socket = stream.try_clone()?;
        // So that a message of a megabyte does not fit between the two.
        let mut lies = shared.row.lies[which].iter().flat_map(|(_, acts)| acts);
        let stops = lies.any(|act| matches!(act, Act::Deaf | Act::ReadSlowly));
        if stops && shared.lies() {
            let _ = SockRef::from(&socket).set_recv_buffer_size(SLOW);
        }
        let stream: Box<dyn Stream> = Box::new(TcpStream::from_std(stream)?);
        Ok(Self {
            shared,
            which,
            socket,
            stream: Some(stream),
            unread: Vec::new(),
            tls: false,
            slow: false,
            spoiled: false,
            messages: 0,
            said: 0,
            read: 0,
            mail: None,
            recipients: Vec::new(),
            chunks: Vec::new(),
            chunked: false,
            is_torn: false,
        })
    }

    fn stream(&mut self) -> io::Result<&mut Box<dyn Stream>> {
        self.stream.as_mut().ok_or_else(ended)
    }

    async fn say(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut bytes = bytes;
        let mut is_cut = false;
        if let Some(Cut::Said(most)) = self.shared.row.cut.filter(|_| self.shared.lies()) {
            let room = most.saturating_sub(self.said);
            is_cut = bytes.len() > room;
            bytes = &bytes[..bytes.len().min(room)];
        }
        self.said += bytes.len();
        let stream = self.stream()?;
        stream.write_all(bytes).await?;
        stream.flush().await?;
        if is_cut { Err(ended()) } else { Ok(()) }
    }

    /// Reads some more; false at the end.
    async fn more(&mut self) -> io::Result<bool> {
        let mut buffer = vec![0; if self.slow { SLOW } else { 64 << 10 }];
        if self.slow {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        if let Some(Cut::Read(most)) = self.shared.row.cut.filter(|_| self.shared.lies()) {
            if self.read >= most {
                return Err(ended());
            }
            buffer.truncate(most - self.read);
        }
        let count = self.stream()?.read(&mut buffer).await?;
        self.read += count;
        self.unread.extend_from_slice(&buffer[..count]);
        Ok(count > 0)
    }

    /// A line, with its end; empty at the end.
    async fn line(&mut self) -> io::Result<String> {
        loop {
            if let Some(end) = self.unread.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.unread.drain(..=end).collect();
                return Ok(String::from_utf8_lossy(&line).into_owned());
            }
            if self.unread.len() > LINE_MAX || !self.more().await? {
                return Ok(String::new());
            }
        }
    }

    /// What this row does at a step.
    fn acts(&self, is_meant: impl Fn(&Step) -> bool) -> Option<Vec<Act>> {
        if !self.shared.lies() {
            return None;
        }
        let lies = self.shared.row.lies[self.which].iter();
        lies.clone().find(|(step, _)| is_meant(step)).map(|(_, acts)| acts.clone())
    }

    /// Does at a step what the row says, or answers as it should.
    async fn at(&mut self, is_meant: impl Fn(&Step) -> bool, usual: &str) -> io::Result<Said> {
        let acts = self.acts(is_meant).unwrap_or_else(|| vec![Act::Usual]);
        self.perform(acts, usual).await
    }

    async fn perform(&mut self, acts: Vec<Act>, usual: &str) -> io::Result<Said> {
        let mut said = Said::Nothing;
        let code = |text: &str| text.get(..3).and_then(|digits| digits.parse().ok());
        for act in acts {
            match act {
                Act::Usual => {
                    said = Said::Usual;
                    self.say(format!("{usual}\r\n").as_bytes()).await?;
                }
                Act::UsualInPieces => {
                    said = Said::Usual;
                    for byte in format!("{usual}\r\n").into_bytes() {
                        self.say(&[byte]).await?;
                        tokio::time::sleep(Duration::from_millis(2)).await;
                    }
                }
                Act::Say(text) => {
                    said = code(text).map_or(said, Said::Code);
                    self.say(format!("{text}\r\n").as_bytes()).await?;
                }
                Act::Bytes(bytes) => {
                    said = code(&String::from_utf8_lossy(bytes)).map_or(said, Said::Code);
                    self.say(bytes).await?;
                }
                Act::Repeat(text, times) => {
                    said = code(text).map_or(said, Said::Code);
                    self.say(text.repeat(times).as_bytes()).await?;
                }
                Act::Endless(text) => loop {
                    self.say(text.repeat(100).as_bytes()).await?;
                },
                Act::Trickle(text, pause) => {
                    for byte in text.bytes() {
                        self.say(&[byte]).await?;
                        tokio::time::sleep(pause).await;
                    }
                }
                Act::Wait(wait) => tokio::time::sleep(wait).await,
                Act::Keep => self.keep(),
                Act::ReadSlowly => self.slow = true,
                Act::Spoiled => self.spoiled = true,
                Act::Hold => {
                    while self.more().await? {
                        self.unread.clear();
                    }
                    return Err(ended());
                }
                Act::Deaf => {
                    while self.shared.lies() {
                        tokio::time::sleep(Duration::from_millis(20)).await;
                    }
                    return Err(ended());
                }
                Act::Close => return Err(ended()),
                Act::Reset => {
                    let _ = SockRef::from(&self.socket).set_linger(Some(Duration::ZERO));
                    return Err(ended());
                }
            }
        }
        Ok(said)
    }

    fn keep(&mut self) {
        held(&self.shared.taken).push(Taken {
            server: self.which,
            mail: self.mail.clone().unwrap_or_default(),
            recipients: std::mem::take(&mut self.recipients),
            message: std::mem::take(&mut self.chunks),
            chunks: self.chunked,
            tls: self.tls,
        });
    }

    fn accuse(&self, of: &str) {
        held(&self.shared.faults).push(of.to_owned());
    }

    /// The next command; none where the client left. A server that has something to say while nothing
    /// is asked says it.
    async fn command(&mut self) -> io::Result<Option<String>> {
        if self.messages > 0 && self.acts(|step| *step == Step::Idle).is_some() {
            match tokio::time::timeout(IDLE, self.line()).await {
                Ok(line) => return line.map(|line| (!line.is_empty()).then_some(line)),
                Err(_) => {
                    let spoken = self.at(|step| *step == Step::Idle, "").await;
                    self.shared.spoke.store(true, Ordering::SeqCst);
                    spoken?;
                }
            }
        }
        let line = self.line().await?;
        Ok((!line.is_empty()).then_some(line))
    }

    async fn serve(mut self) -> io::Result<()> {
        self.at(|step| *step == Step::Greeting, "220 mx ready").await?;
        while let Some(line) = self.command().await? {
            let line = line.trim_end();
            let verb = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
            if self.spoiled && matches!(verb.as_str(), "MAIL" | "DATA") {
                self.accuse(&format!("{verb} over a connection that was not to be used again"));
            }
            match verb.as_str() {
                "EHLO" => self.hello().await?,
                "HELO" => self.at(|step| *step == Step::Helo, "250 mx").await.map(drop)?,
                "STARTTLS" => {
                    let said = self.at(|step| *step == Step::StartTls, "220 go").await?;
                    if said.is(2) {
                        self.encrypt().await?;
                    }
                }
                "MAIL" => self.mail(line).await?,
                "RCPT" => self.recipient(line).await?,
                "DATA" => self.data().await?,
                "BDAT" => self.chunk(line).await?,
                "RSET" => {
                    self.mail = None;
                    self.at(|step| *step == Step::Reset, "250 2.0.0 ok").await?;
                }
                "QUIT" => {
                    self.at(|step| *step == Step::Quit, "221 2.0.0 bye").await?;
                    return Ok(());
                }
                "NOOP" => self.say(b"250 2.0.0 ok\r\n").await?,
                _ => self.say(b"500 5.5.1 what?\r\n").await?,
            }
        }
        Ok(())
    }

    async fn hello(&mut self) -> io::Result<()> {
        let mut lines = vec!["mx".to_owned()];
        lines.extend(self.shared.row.offers.iter().map(|offer| (*offer).to_owned()));
        if self.shared.row.certificate.is_some() && !self.tls {
            lines.push("STARTTLS".into());
        }
        let last = lines.pop().unwrap_or_default();
        let mut usual: String = lines.iter().map(|line| format!("250-{line}\r\n")).collect();
        usual.push_str(&format!("250 {last}"));
        let step = if self.tls { Step::SecureHello } else { Step::Hello };
        self.at(|at| *at == step, &usual).await.map(drop)
    }

    async fn encrypt(&mut self) -> io::Result<()> {
        let certificate = self.shared.row.certificate.unwrap_or(Certificate::SelfSigned);
        self.unread.clear();
        let stream = self.stream.take().ok_or_else(ended)?;
        let stream = acceptor(certificate, &self.shared.host).accept(stream).await?;
        self.stream = Some(Box::new(stream));
        self.tls = true;
        Ok(())
    }

    async fn mail(&mut self, line: &str) -> io::Result<()> {
        let again = self.messages > 0;
        self.recipients.clear();
        self.chunks.clear();
        (self.chunked, self.is_torn) = (false, false);
        let is_meant = |step: &Step| match step {
            Step::Mail => true,
            Step::MailAgain => again,
            _ => false,
        };
        let said = self.at(is_meant, "250 2.1.0 ok").await?;
        self.mail = said.is(2).then(|| line.to_owned());
        Ok(())
    }

    async fn recipient(&mut self, line: &str) -> io::Result<()> {
        if self.mail.is_none() {
            return self.say(b"503 5.5.1 MAIL first\r\n").await;
        }
        let start = line.find('<').map_or(0, |place| place + 1);
        let path = line[start..].split('>').next().unwrap_or_default().to_owned();
        let taken = self.recipients.len();
        let is_meant = |step: &Step| match step {
            Step::Recipient => true,
            Step::RecipientTo(begin) => path.starts_with(begin),
            Step::RecipientPast(most) => taken >= *most,
            _ => false,
        };
        let said = self.at(is_meant, "250 2.1.5 ok").await?;
        if said.is(2) {
            self.recipients.push(path.clone());
        }
        Ok(())
    }

    async fn data(&mut self) -> io::Result<()> {
        if self.recipients.is_empty() {
            return self.say(b"503 5.5.1 no recipients\r\n").await;
        }
        let said = self.at(|step| *step == Step::Data, "354 go").await?;
        if !said.is(3) {
            return Ok(());
        }
        if let Some(message) = self.message().await? {
            self.chunks = message;
            return self.answered(|step| *step == Step::Dot).await;
        }
        Ok(())
    }

    /// The message up to its dot, stuffing undone; none where the row would not read so far.
    async fn message(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut scanned = 0;
        let within = |step: &Step| matches!(step, Step::Body(_));
        let mut lie = match self.shared.row.lies[self.which].iter().find(|(step, _)| within(step)) {
            Some((Step::Body(at), acts)) if self.shared.lies() => Some((*at, acts.clone())),
            _ => None,
        };
        loop {
            if let Some((_, acts)) = lie.take_if(|(at, _)| self.unread.len() >= *at) {
                self.perform(acts, "").await?;
            }
            let from = scanned.max(5) - 5;
            let dot = self.unread[from..].windows(5).position(|end| end == b"\r\n.\r\n");
            let empty = self.unread.starts_with(b".\r\n").then_some((0, 3));
            if let Some((end, next)) = dot.map(|at| (from + at + 2, from + at + 5)).or(empty) {
                let message = unstuffed(&self.unread[..end]);
                self.unread.drain(..next);
                return Ok(Some(message));
            }
            scanned = self.unread.len();
            if !self.more().await? {
                return Err(ended());
            }
        }
    }

    async fn chunk(&mut self, line: &str) -> io::Result<()> {
        let mut words = line.split_ascii_whitespace().skip(1);
        let size: usize = words.next().and_then(|word| word.parse().ok()).unwrap_or(0);
        let last = words.next().is_some_and(|word| word.eq_ignore_ascii_case("LAST"));
        while self.unread.len() < size {
            if !self.more().await? {
                return Err(ended());
            }
        }
        self.chunked = true;
        self.chunks.extend(self.unread.drain(..size));
        if last && self.is_torn && self.acts(|step| *step == Step::Dot).is_none() {
            return self.say(b"503 5.5.1 a chunk was refused\r\n").await;
        }
        if last {
            return self.answered(|step| *step == Step::Dot).await;
        }
        let said = self.at(|step| *step == Step::Chunk, "250 2.0.0 ok").await?;
        self.is_torn |= !said.is(2);
        Ok(())
    }

    /// Answers a whole message.
    async fn answered(&mut self, is_meant: impl Fn(&Step) -> bool) -> io::Result<()> {
        self.messages += 1;
        let taken = held(&self.shared.taken).len();
        // Kept before it is answered: an answer that is cut short must not lose it.
        let acts = self.acts(&is_meant).unwrap_or_else(|| vec![Act::Usual]);
        let yes = |act: &Act| match act {
            Act::Usual | Act::UsualInPieces => true,
            Act::Say(text) => text.starts_with('2'),
            _ => false,
        };
        if acts.iter().any(yes) && !acts.iter().any(|act| matches!(act, Act::Keep)) {
            self.keep();
        }
        self.perform(acts, "250 2.0.0 taken").await?;
        if held(&self.shared.taken).len() == taken {
            self.chunks.clear();
        }
        self.mail = None;
        Ok(())
    }
}

/// A message as it was before its dots were doubled.
fn unstuffed(message: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(message.len());
    for line in message.split_inclusive(|byte| *byte == b'\n') {
        plain.extend_from_slice(line.strip_prefix(b".").unwrap_or(line));
    }
    plain
}
