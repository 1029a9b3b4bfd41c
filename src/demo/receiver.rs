//! A receiving mail server for demo and tests: takes everything, remembers it with the moment of its
//! dot, and misbehaves on command.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufStream};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

/// Longest line read.
const LINE_MAX: u64 = 8192;

/// A message that was received: the dot came, and was answered 250.
#[derive(Debug, Clone)]
pub struct Received {
    /// Between the brackets of MAIL FROM.
    pub sender: String,
    /// Between the brackets of each RCPT TO that was taken.
    pub recipients: Vec<String>,
    /// What followed the brackets of MAIL, and of each RCPT that was taken.
    pub parameters: Vec<String>,
    /// The message, dot-stuffing undone.
    pub message: Vec<u8>,
    /// When the dot was read.
    pub at: Instant,
    /// Whether it came over TLS.
    pub tls: bool,
    /// The address it came from.
    pub peer: IpAddr,
    /// The name that the client gave itself.
    pub hello: String,
}

/// A step of a session, at which a receiver may misbehave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The greeting.
    Greeting,
    /// EHLO in the clear.
    Hello,
    /// STARTTLS.
    StartTls,
    /// EHLO over TLS.
    SecureHello,
    /// MAIL.
    Mail,
    /// RCPT.
    Recipient,
    /// DATA.
    Data,
    /// A chunk that is not the last (BDAT).
    Chunk,
    /// The final dot, or the last chunk; nothing is kept then.
    Dot,
}

/// What the receiver does wrong, from now on, until told otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// Greets with this line.
    Greeting(String),
    /// Answers RCPT with this line where the address contains the text.
    Recipient(String, String),
    /// Answers the dot with this line and keeps nothing.
    Dot(String),
    /// Answers the dot with this line, and keeps nothing, where a recipient contains the text.
    DotFor(String, String),
    /// Keeps the message and closes the connection without an answer to the dot.
    SilentAfterDot,
    /// Closes the connection when DATA or BDAT comes.
    DropAtData,
    /// Offers STARTTLS, says 220, and then talks nonsense.
    BrokenTls,
    /// Answers the dot only after this long.
    SlowDot(Duration),
    /// Does not answer the greeting at all.
    Mute,
    /// Answers MAIL with a reply of endless lines.
    EndlessReply,
    /// Answers the step with these lines, whatever they are.
    Answer(Step, String),
    /// Closes the connection instead of answering the step.
    Drop(Step),
    /// Answers the step only after this long.
    Slow(Step, Duration),
    /// Answers DATA with 354, or hears BDAT, and then reads nothing until this fault is taken away.
    Deaf,
    /// Takes this many recipients a transaction, and answers each further RCPT with this line.
    Recipients(usize, String),
    /// Offers these besides what it offers anyway.
    Offer(String),
    /// Answers the step one byte at a time, with this pause after each.
    Trickle(Step, Duration),
}

#[derive(Default)]
struct Shared {
    faults: Mutex<Vec<Fault>>,
    mailbox: Mutex<Vec<Received>>,
    connections: Mutex<u64>,
    open: Mutex<u64>,
    deaf: Mutex<u64>,
    arrived: Notify,
}

fn held<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    fn fault<T>(&self, pick: impl Fn(&Fault) -> Option<T>) -> Option<T> {
        held(&self.faults).iter().find_map(pick)
    }
}

/// The server. Stops when dropped.
pub struct Receiver {
    address: SocketAddr,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Receiver {
    /// Listens on an address; port 0 picks a free one. With an acceptor, STARTTLS is offered.
    ///
    /// # Errors
    /// What binding said.
    pub async fn start(bind: SocketAddr, tls: Option<TlsAcceptor>) -> io::Result<Self> {
        let listener = TcpListener::bind(bind).await?;
        let address = listener.local_addr()?;
        let shared = Arc::new(Shared::default());
        let served = shared.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, peer)) = listener.accept().await {
                *held(&served.connections) += 1;
                *held(&served.open) += 1;
                let (tls, served) = (tls.clone(), served.clone());
                tokio::spawn(async move {
                    serve(stream, peer.ip(), tls, served.clone()).await;
                    *held(&served.open) -= 1;
                });
            }
        });
        Ok(Self { address, shared, task })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Misbehaves so from now on; an empty list: behaves well.
    pub fn misbehave(&self, faults: Vec<Fault>) {
        *held(&self.shared.faults) = faults;
    }

    /// Everything received so far.
    #[must_use]
    pub fn mailbox(&self) -> Vec<Received> {
        held(&self.shared.mailbox).clone()
    }

    /// Connections taken so far.
    #[must_use]
    pub fn connections(&self) -> u64 {
        *held(&self.shared.connections)
    }

    /// Connections that have not ended.
    #[must_use]
    pub fn open(&self) -> u64 {
        *held(&self.shared.open)
    }

    /// Messages so far of which it read nothing for a while ([`Fault::Deaf`]).
    #[must_use]
    pub fn deaf(&self) -> u64 {
        *held(&self.shared.deaf)
    }

    /// Waits until `enough` holds for what has been received, at most `patience`.
    pub async fn wait(
        &self,
        patience: Duration,
        enough: impl Fn(&[Received]) -> bool,
    ) -> Option<Vec<Received>> {
        let deadline = tokio::time::Instant::now() + patience;
        loop {
            let arrived = self.shared.arrived.notified();
            let now = {
                let mailbox = held(&self.shared.mailbox);
                enough(&mailbox).then(|| mailbox.clone())
            };
            if now.is_some() {
                return now;
            }
            tokio::time::timeout_at(deadline, arrived).await.ok()?;
        }
    }

    /// Waits for a message to this recipient.
    pub async fn message_to(&self, recipient: &str, patience: Duration) -> Option<Received> {
        let is_for = |mail: &Received| mail.recipients.iter().any(|to| to == recipient);
        let mailbox = self.wait(patience, |all| all.iter().any(is_for)).await?;
        mailbox.into_iter().rfind(is_for)
    }
}

async fn serve(stream: TcpStream, peer: IpAddr, tls: Option<TlsAcceptor>, shared: Arc<Shared>) {
    if shared.fault(|fault| (*fault == Fault::Mute).then_some(())).is_some() {
        let _keep_open = stream;
        return std::future::pending().await;
    }
    let greeting = shared.fault(|fault| match fault {
        Fault::Greeting(line) => Some(line.clone()),
        _ => None,
    });
    let mut session = Session {
        shared: shared.clone(),
        tls: false,
        offers_tls: tls.is_some(),
        peer,
        hello: String::new(),
    };
    let mut stream = BufStream::new(stream);
    let greeting = greeting.unwrap_or_else(|| "220 receiver ready".into());
    match session.at(Step::Greeting, &mut stream, &greeting).await {
        Ok(true) => {}
        _ => return,
    }
    let Ok(End::StartTls) = session.dialog(&mut stream).await else {
        return;
    };
    let Some(acceptor) = tls else { return };
    if shared.fault(|fault| (*fault == Fault::BrokenTls).then_some(())).is_some() {
        let _ = say(&mut stream, "this is not a handshake").await;
        return;
    }
    if let Ok(secure) = acceptor.accept(stream.into_inner()).await {
        session.tls = true;
        let _ = session.dialog(&mut BufStream::new(secure)).await;
    }
}

async fn say<S: AsyncWrite + Unpin>(stream: &mut S, line: &str) -> io::Result<()> {
    stream.write_all(line.as_bytes()).await?;
    stream.write_all(b"\r\n").await?;
    stream.flush().await
}

enum End {
    StartTls,
    Closed,
}

struct Session {
    shared: Arc<Shared>,
    tls: bool,
    offers_tls: bool,
    peer: IpAddr,
    hello: String,
}

#[derive(Default)]
struct Envelope {
    sender: String,
    recipients: Vec<String>,
    parameters: Vec<String>,
    chunks: Vec<u8>,
}

impl Session {
    async fn dialog<S>(&mut self, stream: &mut BufStream<S>) -> io::Result<End>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let mut mail = Envelope::default();
        loop {
            let mut line = Vec::new();
            if (&mut *stream).take(LINE_MAX).read_until(b'\n', &mut line).await? == 0 {
                return Ok(End::Closed);
            }
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            let verb = text.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
            match verb.as_str() {
                "EHLO" => {
                    text.get(5..).unwrap_or_default().clone_into(&mut self.hello);
                    let tls = if self.offers_tls && !self.tls { "250-STARTTLS\r\n" } else { "" };
                    let offer =
                        "250-receiver\r\n250-PIPELINING\r\n250-SIZE 52428800\r\n250-SMTPUTF8";
                    let step = if self.tls { Step::SecureHello } else { Step::Hello };
                    let more: String = self.offers();
                    let offer = format!("{offer}\r\n{tls}{more}250 8BITMIME");
                    if !self.at(step, stream, &offer).await? {
                        return Ok(End::Closed);
                    }
                }
                "STARTTLS" => {
                    if !self.at(Step::StartTls, stream, "220 go").await? {
                        return Ok(End::Closed);
                    }
                    match self.answer(Step::StartTls) {
                        Some(other) if !other.starts_with("220") => {}
                        _ => return Ok(End::StartTls),
                    }
                }
                "MAIL" => {
                    let parameters = vec![parameters(&text)];
                    mail = Envelope { sender: path(&text), parameters, ..Envelope::default() };
                    self.endless(stream).await?;
                    if !self.at(Step::Mail, stream, "250 2.1.0 ok").await? {
                        return Ok(End::Closed);
                    }
                }
                "RCPT" => {
                    let reply = self.recipient_fault(&text, mail.recipients.len());
                    if reply.is_none() && self.answer(Step::Recipient).is_none() {
                        mail.recipients.push(path(&text));
                        mail.parameters.push(parameters(&text));
                    }
                    let reply = reply.as_deref().unwrap_or("250 2.1.5 ok");
                    if !self.at(Step::Recipient, stream, reply).await? {
                        return Ok(End::Closed);
                    }
                }
                "DATA" if mail.recipients.is_empty() => {
                    say(stream, "503 5.5.1 no recipients").await?;
                }
                "DATA" => {
                    if self.has(&Fault::DropAtData) {
                        return Ok(End::Closed);
                    }
                    if !self.at(Step::Data, stream, "354 go").await? {
                        return Ok(End::Closed);
                    }
                    if self.answer(Step::Data).is_some_and(|said| !said.starts_with("354")) {
                        continue;
                    }
                    self.deaf().await;
                    let Some(message) = read_data(stream).await? else {
                        return Ok(End::Closed);
                    };
                    if !self.receive(stream, std::mem::take(&mut mail), message).await? {
                        return Ok(End::Closed);
                    }
                }
                "BDAT" if mail.recipients.is_empty() => {
                    read_chunk(stream, &text).await?;
                    say(stream, "503 5.5.1 no recipients").await?;
                }
                "BDAT" => {
                    if !self.chunk(stream, &text, &mut mail).await? {
                        return Ok(End::Closed);
                    }
                }
                "RSET" => {
                    mail = Envelope::default();
                    say(stream, "250 2.0.0 ok").await?;
                }
                "NOOP" | "HELO" => say(stream, "250 2.0.0 ok").await?,
                "QUIT" => {
                    say(stream, "221 2.0.0 bye").await?;
                    return Ok(End::Closed);
                }
                _ => say(stream, "500 5.5.1 what?").await?,
            }
        }
    }

    /// Takes a chunk; false: the connection is to be closed.
    async fn chunk<S>(
        &self,
        stream: &mut BufStream<S>,
        command: &str,
        mail: &mut Envelope,
    ) -> io::Result<bool>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        if self.has(&Fault::DropAtData) {
            return Ok(false);
        }
        self.deaf().await;
        let Some(chunk) = read_chunk(stream, command).await? else {
            return Ok(false);
        };
        mail.chunks.extend(chunk);
        if command.to_ascii_uppercase().ends_with(" LAST") {
            return self.receive(stream, std::mem::take(mail), Vec::new()).await;
        }
        if self.answer(Step::Chunk).is_some_and(|said| !said.starts_with("250")) {
            *mail = Envelope::default();
        }
        self.at(Step::Chunk, stream, "250 2.0.0 ok").await
    }

    fn has(&self, fault: &Fault) -> bool {
        self.shared.fault(|known| (known == fault).then_some(())).is_some()
    }

    /// What else it offers, a line each.
    fn offers(&self) -> String {
        let faults = held(&self.shared.faults);
        let lines = faults.iter().filter_map(|fault| match fault {
            Fault::Offer(word) => Some(format!("250-{word}\r\n")),
            _ => None,
        });
        lines.collect()
    }

    fn recipient_fault(&self, command: &str, taken: usize) -> Option<String> {
        self.shared.fault(|fault| match fault {
            Fault::Recipients(most, reply) if taken >= *most => Some(reply.clone()),
            Fault::Recipient(part, reply) if command.contains(part.as_str()) => Some(reply.clone()),
            _ => None,
        })
    }

    fn answer(&self, step: Step) -> Option<String> {
        self.shared.fault(|fault| match fault {
            Fault::Answer(at, text) if *at == step => Some(text.clone()),
            _ => None,
        })
    }

    /// Answers a step, well or as a fault has it; false: the connection is to be closed.
    async fn at<S: AsyncWrite + Unpin>(
        &self,
        step: Step,
        stream: &mut S,
        answer: &str,
    ) -> io::Result<bool> {
        let wait = self.shared.fault(|fault| match fault {
            Fault::Slow(at, wait) if *at == step => Some(*wait),
            _ => None,
        });
        if let Some(wait) = wait {
            tokio::time::sleep(wait).await;
        }
        if self.has(&Fault::Drop(step)) {
            return Ok(false);
        }
        let answer = self.answer(step).unwrap_or_else(|| answer.to_owned());
        let pause = self.shared.fault(|fault| match fault {
            Fault::Trickle(at, pause) if *at == step => Some(*pause),
            _ => None,
        });
        for byte in answer.bytes().filter(|_| pause.is_some()) {
            tokio::time::sleep(pause.unwrap_or_default()).await;
            stream.write_all(&[byte]).await?;
            stream.flush().await?;
        }
        say(stream, if pause.is_some() { "" } else { &answer }).await?;
        Ok(true)
    }

    /// Reads nothing while the fault stands.
    async fn deaf(&self) {
        if self.has(&Fault::Deaf) {
            *held(&self.shared.deaf) += 1;
        }
        while self.has(&Fault::Deaf) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn endless<S: AsyncWrite + Unpin>(&self, stream: &mut S) -> io::Result<()> {
        while self.has(&Fault::EndlessReply) {
            say(stream, "250-and another line").await?;
        }
        Ok(())
    }

    /// Answers the dot; false: the connection is to be closed.
    async fn receive<S>(&self, stream: &mut S, mail: Envelope, message: Vec<u8>) -> io::Result<bool>
    where
        S: AsyncWrite + Unpin,
    {
        let at = Instant::now();
        let wait = self.shared.fault(|fault| match fault {
            Fault::SlowDot(wait) => Some(*wait),
            _ => None,
        });
        if let Some(wait) = wait {
            tokio::time::sleep(wait).await;
        }
        let refusal = self.shared.fault(|fault| match fault {
            Fault::Dot(reply) => Some(reply.clone()),
            Fault::DotFor(text, reply) => {
                mail.recipients.iter().any(|to| to.contains(text)).then(|| reply.clone())
            }
            _ => None,
        });
        if let Some(reply) = refusal {
            say(stream, &reply).await?;
            return Ok(true);
        }
        if self.answer(Step::Dot).is_some() || self.has(&Fault::Drop(Step::Dot)) {
            return self.at(Step::Dot, stream, "").await;
        }
        let message = if message.is_empty() { mail.chunks } else { message };
        held(&self.shared.mailbox).push(Received {
            sender: mail.sender,
            recipients: mail.recipients,
            parameters: mail.parameters,
            message,
            at,
            tls: self.tls,
            peer: self.peer,
            hello: self.hello.clone(),
        });
        self.shared.arrived.notify_waiters();
        if self.has(&Fault::SilentAfterDot) {
            return Ok(false);
        }
        self.at(Step::Dot, stream, "250 2.0.0 taken").await
    }
}

/// What stands between the brackets of MAIL or RCPT.
fn path(command: &str) -> String {
    let inside = command.split_once('<').and_then(|(_, rest)| rest.rsplit_once('>'));
    inside.map(|(path, _)| path.to_owned()).unwrap_or_default()
}

/// What stands behind the brackets of MAIL or RCPT.
fn parameters(command: &str) -> String {
    command.rsplit_once('>').map(|(_, rest)| rest.trim().to_owned()).unwrap_or_default()
}

/// Reads what a BDAT command announces; `None` where the client left before its end.
async fn read_chunk<S>(stream: &mut BufStream<S>, command: &str) -> io::Result<Option<Vec<u8>>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let size = command.split(' ').nth(1).and_then(|size| size.parse().ok()).unwrap_or(0);
    let mut chunk = Vec::new();
    let read = (&mut *stream).take(size).read_to_end(&mut chunk).await?;
    Ok((read as u64 == size).then_some(chunk))
}

/// Reads up to the final dot, and undoes dot-stuffing; `None` where the client left before it.
async fn read_data<S>(stream: &mut BufStream<S>) -> io::Result<Option<Vec<u8>>>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut message = Vec::new();
    loop {
        let mut line = Vec::new();
        if stream.read_until(b'\n', &mut line).await? == 0 {
            return Ok(None);
        }
        match line.as_slice() {
            b".\r\n" => return Ok(Some(message)),
            [b'.', rest @ ..] => message.extend_from_slice(rest),
            whole => message.extend_from_slice(whole),
        }
    }
}
