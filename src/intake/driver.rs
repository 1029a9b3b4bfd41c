//! Drives a session over a connection: gives it lines, does what its steps say, takes message data.

use super::connection::{Connection, Silence};
use super::inbound::Inbound;
use super::submission::Submission;
use super::{Intake, Port};
use crate::config::PlaintextAuth;
use crate::mail::{Answer, Reply, Status, Verdict};
use crate::smtp::data::{DataFault, DataReader, LineRules};
use crate::smtp::line::{self, AUTH_LINE_MAX, COMMAND_LINE_MAX, Line};
use crate::smtp::scram::{Bindings, Verifier};
use crate::smtp::session::{Offer, Question, Session, Step};
use crate::telemetry::{SessionKind, Speaker, Voice};
use crate::world::Alarm;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How long a client whose message broke the line rules may take to end it before it is told.
const FAULT_PATIENCE: Duration = Duration::from_secs(5);
/// Time that SCRAM's challenge takes, so that nobody learns from it which names are known.
const CHALLENGE_TIME: Duration = Duration::from_millis(1);

/// What mail on this port means.
enum Role {
    Submission(Box<Submission>),
    Inbound(Box<Inbound>),
}

impl Role {
    async fn ask(&mut self, question: Question) -> Verdict {
        match self {
            Self::Submission(role) => role.ask(question),
            Self::Inbound(role) => role.ask(question).await,
        }
    }

    fn verifier(&mut self, user: &str) -> Result<(Verifier, String), Answer> {
        match self {
            Self::Submission(role) => role.verifier(user),
            Self::Inbound(_) => Err(Inbound::takes_no_auth()),
        }
    }

    fn begin(&mut self, client: &str, tls: bool) {
        match self {
            Self::Submission(role) => role.begin(client, tls),
            Self::Inbound(role) => role.begin(client, tls),
        }
    }

    async fn write(&mut self, bytes: &[u8]) {
        match self {
            Self::Submission(role) => role.write(bytes).await,
            Self::Inbound(role) => role.write(bytes),
        }
    }

    async fn finish(&mut self) -> Answer {
        match self {
            Self::Submission(role) => role.finish().await,
            Self::Inbound(role) => role.finish().await,
        }
    }

    /// Who has logged in, as in acme/app.
    fn user(&self) -> Option<String> {
        match self {
            Self::Submission(role) => role.user(),
            Self::Inbound(_) => None,
        }
    }

    fn abandon(&mut self) {
        match self {
            Self::Submission(role) => role.abandon(),
            Self::Inbound(role) => role.abandon(),
        }
    }
}

pub(super) struct Driver {
    intake: Arc<Intake>,
    connection: Connection,
    session: Session,
    role: Role,
    speaker: Speaker,
    shutdown: CancellationToken,
    command_timeout: Duration,
    data_timeout: Duration,
    /// When the session must end, but for what is being done.
    end: Instant,
    /// When AUTH must have come, where mail needs it.
    auth_end: Instant,
    /// The rules of a message that comes in chunks.
    chunks: Option<LineRules>,
}

impl Silence {
    /// What is said to a client that took too long; nothing to one that has gone.
    fn goodbye(&self) -> Option<Step> {
        let text = "nothing came for too long, or the session has lasted too long";
        let reply = Reply::new(421, Status::new(4, 4, 2), text);
        matches!(self, Self::Timeout).then_some(Step::Close(reply))
    }
}

/// Whether the session goes on.
enum Flow {
    On,
    End,
}

impl Driver {
    pub(super) fn new(
        intake: Arc<Intake>,
        connection: Connection,
        tls: Option<Bindings>,
        peer: SocketAddr,
        port: Port,
        shutdown: CancellationToken,
    ) -> Self {
        let config = intake.parts.config.clone();
        let inbound = port == Port::Inbound;
        let (submission, other) = (&config.submission, &config.inbound);
        let loopback = peer.ip().to_canonical().is_loopback();
        let ahead_max = submission.send_at_max.0;
        let latest = intake.parts.world.clock.now().after(ahead_max);
        let offer = Offer {
            hostname: config.hostname.clone(),
            size_max: if inbound {
                other.message_size_max.0
            } else {
                submission.message_size_max.0
            },
            recipients_max: if inbound { other.recipients_max } else { submission.recipients_max },
            messages_max: if inbound { other.messages_max } else { submission.messages_max },
            errors_max: if inbound { other.errors_max } else { submission.errors_max },
            needs_auth: !inbound,
            auth_in_clear: loopback && submission.plaintext_auth == PlaintextAuth::Loopback,
            hold_max: (!inbound).then_some((ahead_max, latest)),
        };
        let role = if inbound {
            Role::Inbound(Box::new(Inbound::new(intake.clone(), peer)))
        } else {
            Role::Submission(Box::new(Submission::new(intake.clone(), peer)))
        };
        let timeouts = if inbound {
            (other.command_timeout.0, other.data_timeout.0, other.session_timeout.0)
        } else {
            let of = submission;
            (of.command_timeout.0, of.data_timeout.0, of.session_timeout.0)
        };
        let kind = if inbound { SessionKind::Inbound } else { SessionKind::Submission };
        let speaker = intake.parts.tracer.session(kind, peer);
        let now = Instant::now();
        Self {
            speaker,
            session: Session::new(offer, tls),
            intake,
            connection,
            role,
            shutdown,
            command_timeout: timeouts.0,
            data_timeout: timeouts.1,
            end: now + timeouts.2,
            auth_end: now + config.submission.auth_timeout.0,
            chunks: None,
        }
    }

    /// Runs the session to its end.
    pub(super) async fn run(mut self) {
        let greeting = self.session.greeting();
        self.say(&greeting);
        loop {
            let input = &self.connection.input;
            let begins = input.get(..5).is_some_and(|verb| verb.eq_ignore_ascii_case(b"AUTH "));
            let limit =
                if begins || self.session.in_auth() { AUTH_LINE_MAX } else { COMMAND_LINE_MAX };
            // A TLS handshake where a command belongs.
            if self.connection.input.first() == Some(&0x16) {
                return;
            }
            let step = match line::take(&self.connection.input, limit) {
                Line::Whole(text, length) => {
                    let text = text.to_vec();
                    self.connection.pass(length);
                    self.show(&text, begins);
                    self.session.line(&text)
                }
                Line::Malformed(length) => {
                    let text = self.connection.input.split_to(length);
                    self.session.malformed(&text)
                }
                Line::BareLf => {
                    let text = "a line feed without a carriage return: lines end with CR LF";
                    Step::Close(Reply::new(500, Status::new(5, 5, 2), text))
                }
                Line::TooLong => self.session.too_long(),
                Line::Partial => match self.more().await {
                    Ok(()) => continue,
                    Err(step) => step,
                },
            };
            let unended = self.chunks.is_some();
            let flow;
            (self, flow) = self.perform(step).await;
            if matches!(flow, Flow::End) {
                return self.connection.close().await;
            }
            if unended && !self.session.in_chunks() && self.chunks.take().is_some() {
                self.role.abandon();
            }
        }
    }

    /// Shows a line to who looks on, but for what it says of a password.
    fn show(&mut self, line: &[u8], is_login: bool) {
        if is_login || self.session.in_auth() {
            self.speaker.in_secret(Voice::Peer, line);
        } else {
            self.speaker.of_host(&self.session.client_name);
            self.speaker.heard_bytes(line);
        }
    }

    fn say(&mut self, reply: &Reply) {
        let wire = reply.wire();
        match reply.code {
            334 => self.speaker.in_secret(Voice::Us, wire.as_bytes()),
            _ => self.speaker.said(&wire),
        }
        self.connection.say(&wire);
    }

    /// Waits for more input, for the end of patience, or for our own end.
    async fn more(&mut self) -> Result<(), Step> {
        let closing = |text| Step::Close(Reply::new(421, Status::new(4, 3, 2), text));
        let patience = self.patience(self.command_timeout);
        let filled = tokio::select! {
            filled = self.connection.fill(patience) => filled,
            () = self.shutdown.cancelled() => return Err(closing("this relay is stopping; try again")),
        };
        match filled {
            Ok(()) => Ok(()),
            Err(silence) => Err(silence.goodbye().unwrap_or(Step::HangUp)),
        }
    }

    /// How long may be waited for input: within the life of the session. What is being committed or
    /// asked is never cut off.
    fn patience(&self, limit: Duration) -> Duration {
        let end = if self.session.awaits_auth() { self.end.min(self.auth_end) } else { self.end };
        limit.min(end.saturating_duration_since(Instant::now()))
    }

    /// Does what a step says. TLS takes the connection apart, so the driver is handed through.
    async fn perform(mut self, mut step: Step) -> (Self, Flow) {
        loop {
            step = match step {
                Step::Say(reply) => {
                    self.say(&reply);
                    return (self, Flow::On);
                }
                Step::Ask(question) => {
                    let is_login = matches!(question, Question::Login(_));
                    let delay = self.intake.parts.config.submission.auth_failure_delay.0;
                    let alarm = is_login.then(|| Alarm::after(delay));
                    let verdict = self.role.ask(question).await;
                    if let Some(alarm) = alarm {
                        match (&verdict, self.role.user()) {
                            (Verdict::Accept, Some(user)) => self.speaker.of_user(user),
                            (Verdict::Accept, None) => {}
                            _ => alarm.ring().await,
                        }
                    }
                    self.session.answer(verdict)
                }
                Step::Verifier(user) => {
                    let alarm = Alarm::after(CHALLENGE_TIME);
                    let found = self.role.verifier(&user);
                    let step = self.session.verifier(found);
                    alarm.ring().await;
                    step
                }
                Step::StartTls(reply) => return self.start_tls(&reply).await,
                Step::Data(reply) => {
                    self.say(&reply);
                    match self.take_data().await {
                        Some(step) => step,
                        None => return (self, Flow::End),
                    }
                }
                Step::Chunk { length, last, refused } => {
                    match self.take_chunk(length, last, refused).await {
                        Some(step) => step,
                        None => return (self, Flow::End),
                    }
                }
                Step::Close(reply) => {
                    self.say(&reply);
                    return (self, Flow::End);
                }
                Step::HangUp => return (self, Flow::End),
            };
        }
    }

    //= https://www.rfc-editor.org/rfc/rfc3207#section-4.2
    //# The server MUST discard any knowledge
    //# obtained from the client, such as the argument to the EHLO command,
    //# which was not obtained from the TLS negotiation itself.
    async fn start_tls(mut self, reply: &Reply) -> (Self, Flow) {
        self.connection.input.clear();
        self.say(reply);
        if self.connection.flush().await.is_err() {
            return (self, Flow::End);
        }
        let limit = self.intake.parts.config.tls.handshake_timeout.0;
        let nobody = Connection::new(Box::new(tokio::io::empty()));
        let plain = std::mem::replace(&mut self.connection, nobody);
        match plain.secure(&self.intake.parts.tls, limit).await {
            Ok((secure, bindings)) => {
                self.connection = secure;
                self.session.secured(bindings);
                self.speaker.note("TLS is on");
                (self, Flow::On)
            }
            Err(fault) => {
                tracing::debug!(target: "relent::intake", %fault, "TLS handshake failed");
                self.speaker.note(format_args!("the TLS handshake failed: {fault}"));
                (self, Flow::End)
            }
        }
    }

    async fn take_data(&mut self) -> Option<Step> {
        self.role.begin(&self.session.client_name, self.session.is_tls());
        let mut reader = DataReader::default();
        let (mut out, mut size) = (Vec::new(), 0);
        // When a client whose lines are wrong is told, however slowly it goes on.
        let mut told = None;
        loop {
            let taken = reader.feed(&self.connection.input, &mut out);
            self.connection.pass(taken);
            if reader.fault().is_none() {
                self.role.write(&out).await;
            }
            size += out.len();
            out.clear();
            if reader.ended() {
                break;
            }
            let patience = if reader.fault().is_some() {
                let told = *told.get_or_insert_with(|| Instant::now() + FAULT_PATIENCE);
                told.saturating_duration_since(Instant::now())
            } else {
                self.patience(self.data_timeout)
            };
            match (self.connection.fill(patience).await, reader.fault()) {
                (Ok(()), _) => {}
                (Err(Silence::Timeout), Some(fault)) => return Some(self.smuggled(fault)),
                (Err(silence), _) => {
                    self.role.abandon();
                    return silence.goodbye();
                }
            }
        }
        self.speaker.note(format_args!("(message, {size} bytes)"));
        match reader.fault() {
            Some(fault) => Some(self.smuggled(fault)),
            None => {
                let answer = self.role.finish().await;
                Some(self.session.message_ended(answer))
            }
        }
    }

    /// A message that two systems could read differently is refused, and so is all that follows it.
    fn smuggled(&mut self, fault: DataFault) -> Step {
        self.role.abandon();
        tracing::warn!(target: "relent::intake", %fault, "a message was refused for its lines");
        let text = format!("{fault}: lines end with CR LF and have at most 1000 octets");
        let detail = if fault == DataFault::LineTooLong { 0 } else { 11 };
        Step::Close(Reply::new(550, Status::new(5, 6, detail), text))
    }

    async fn take_chunk(
        &mut self,
        mut length: u64,
        last: bool,
        refused: Option<Reply>,
    ) -> Option<Step> {
        self.speaker.note(format_args!("({length} bytes of a message)"));
        if refused.is_none() && self.chunks.is_none() {
            self.chunks = Some(LineRules::default());
            self.role.begin(&self.session.client_name, self.session.is_tls());
        }
        while length > 0 {
            if self.connection.input.is_empty() {
                let patience = self.patience(self.data_timeout);
                if let Err(silence) = self.connection.fill(patience).await {
                    self.role.abandon();
                    return silence.goodbye();
                }
                continue;
            }
            let here = self.connection.input.len();
            let count = usize::try_from(length).unwrap_or(usize::MAX).min(here);
            let piece = self.connection.input.split_to(count);
            length -= count as u64;
            if let Some(rules) = &mut self.chunks
                && refused.is_none()
            {
                rules.check(&piece);
                if rules.fault().is_none() {
                    self.role.write(&piece).await;
                }
            }
        }
        if let Some(reply) = refused {
            return Some(Step::Say(reply));
        }
        if !last {
            return Some(Step::Say(Reply::new(250, Status::new(2, 0, 0), "chunk taken")));
        }
        match self.chunks.take().unwrap_or_default().fault_at_end() {
            Some(fault) => Some(self.smuggled(fault)),
            None => {
                let answer = self.role.finish().await;
                Some(self.session.message_ended(answer))
            }
        }
    }
}
