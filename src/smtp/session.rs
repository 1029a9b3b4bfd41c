//! The server's session: which command may come now, what is asked of others, and what is answered.
//! It knows no socket: the driver gives it lines and verdicts, and does what its steps say.

#[cfg(test)]
mod tests;

use super::command::{self, Command, CommandFault, Forward, MailParameters};
use super::sasl::{Claim, Exchange, Turn};
use super::scram::{Bindings, First, ScramFault, Verifier};
use crate::mail::dsn::{OfMessage, OfRecipient};
use crate::mail::{Address, AddressFault, Answer, Reply, ReversePath, Status, Timestamp, Verdict};
use data_encoding::BASE64;
use std::time::Duration;

/// The largest number of seconds that FUTURERELEASE can say.
const HOLD_SECONDS_MAX: u64 = 999_999_999;

/// What this listener offers.
#[derive(Debug, Clone)]
pub struct Offer {
    /// Our name.
    pub hostname: String,
    /// Largest message, in octets.
    pub size_max: u64,
    /// Most recipients of a message.
    pub recipients_max: u32,
    /// Most messages on a connection.
    pub messages_max: u32,
    /// Refused commands after which the connection is closed.
    pub errors_max: u32,
    /// Whether mail needs AUTH: submission.
    pub needs_auth: bool,
    /// Whether AUTH may be used on a connection without TLS.
    pub auth_in_clear: bool,
    /// How far ahead mail may be held (RFC 4865): for how long, and, said at the start, until when. None:
    /// it is not offered.
    pub hold_max: Option<(Duration, Timestamp)>,
}

/// What the driver does next.
#[derive(Debug)]
pub enum Step {
    /// Say this and go on.
    Say(Reply),
    /// Find out, then call [`Session::answer`].
    Ask(Question),
    /// Find the verifier of this user, then call [`Session::verifier`].
    Verifier(String),
    /// Say this, forget all input, and speak TLS; then call [`Session::secured`].
    StartTls(Reply),
    /// Say this, take message data up to its end, then call [`Session::message_ended`].
    Data(Reply),
    /// Take so many octets of message data; after the last chunk the message ends.
    Chunk {
        /// Octets to take.
        length: u64,
        /// Whether they end the message.
        last: bool,
        /// Pass them over: the chunk is refused with this afterwards.
        refused: Option<Reply>,
    },
    /// Say this and close.
    Close(Reply),
    /// Close without a word.
    HangUp,
}

/// What the session asks of the driver.
#[derive(Debug)]
pub enum Question {
    /// Is this who they say?
    Login(Claim),
    /// May they send as this, so much?
    Mail(ReversePath, MailParameters),
    /// May they send to this? And what they want to be told of it.
    Recipient(Address, OfRecipient),
}

#[derive(Debug)]
enum State {
    /// Nothing was said yet.
    Fresh,
    /// EHLO or HELO was said.
    Ready,
    /// AUTH is under way.
    Auth(Exchange),
    /// An answer is awaited.
    Asking(Asked),
    /// MAIL was taken.
    Mail(Transaction),
}

#[derive(Debug)]
enum Asked {
    /// Whose verifier.
    Verifier(First),
    /// A claim, and our own proof, which is due where it is true.
    Login(Option<String>),
    /// Whether the mail needs SMTPUTF8.
    Mail(bool),
    Recipient(Transaction),
}

#[derive(Debug, Clone, Copy, Default)]
struct Transaction {
    smtputf8: bool,
    recipients: u32,
    /// A recipient was refused by policy: that none is left is not the client's mistake.
    declined: bool,
    chunked: bool,
}

/// A session from greeting to close.
#[derive(Debug)]
pub struct Session {
    offer: Offer,
    state: State,
    /// The client's name for itself.
    pub client_name: String,
    /// Whether EHLO was said.
    pub extended: bool,
    /// What TLS offers to bind to, where the connection speaks TLS.
    tls: Option<Bindings>,
    authenticated: bool,
    errors: u32,
    messages: u32,
}

fn say(code: u16, status: (u8, u16, u16), text: &str) -> Reply {
    Reply::new(code, Status::new(status.0, status.1, status.2), text)
}

impl Session {
    /// A session that begins; `tls` where the connection began with TLS.
    #[must_use]
    pub fn new(offer: Offer, tls: Option<Bindings>) -> Self {
        Self {
            offer,
            state: State::Fresh,
            client_name: String::new(),
            extended: false,
            tls,
            authenticated: false,
            errors: 0,
            messages: 0,
        }
    }

    /// The greeting.
    #[must_use]
    pub fn greeting(&self) -> Reply {
        Reply::plain(220, [format!("{} ESMTP Relent", self.offer.hostname)])
    }

    /// Whether the next line belongs to an AUTH exchange and may be longer.
    #[must_use]
    pub fn in_auth(&self) -> bool {
        matches!(self.state, State::Auth(_))
    }

    /// Whether a message is coming in chunks.
    #[must_use]
    pub fn in_chunks(&self) -> bool {
        matches!(&self.state, State::Mail(mail) if mail.chunked)
    }

    /// Whether the connection speaks TLS.
    #[must_use]
    pub fn is_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// What the proof of who logs in may be bound to.
    fn bindings(&self) -> Bindings {
        self.tls.clone().unwrap_or_default()
    }

    /// The connection speaks TLS from now on: everything said before is forgotten.
    pub fn secured(&mut self, tls: Bindings) {
        self.tls = Some(tls);
        self.authenticated = false;
        self.state = State::Fresh;
        self.client_name.clear();
        self.extended = false;
    }

    /// Whether mail needs an AUTH that has not come yet.
    #[must_use]
    pub fn awaits_auth(&self) -> bool {
        self.offer.needs_auth && !self.authenticated
    }

    /// A line that is none.
    pub fn malformed(&mut self, line: &[u8]) -> Step {
        let reply = say(500, (5, 5, 2), "lines end with CR LF and hold no bare CR, bare LF or NUL");
        // The octets that follow a BDAT are a message's, not commands.
        if command::is_bdat(line) { Step::Close(reply) } else { self.refuse(reply) }
    }

    /// A line longer than any may be.
    #[must_use]
    pub fn too_long(&self) -> Step {
        let detail = if self.in_auth() { 6 } else { 2 };
        Step::Close(say(500, (5, 5, detail), "the line is too long"))
    }

    /// What was answered last was not what the state waits for: nothing is sure any more.
    fn confused() -> Step {
        Step::Close(say(421, (4, 3, 0), "the session has lost its place; try again"))
    }

    /// Reads a line.
    pub fn line(&mut self, line: &[u8]) -> Step {
        if self.errors >= self.offer.errors_max {
            return Step::Close(say(421, (4, 7, 0), "too many refused commands"));
        }
        if command::is_foreign(line) {
            return Step::HangUp;
        }
        if let State::Auth(_) = self.state {
            return self.auth_response(line);
        }
        let smtputf8 = matches!(&self.state, State::Mail(mail) if mail.smtputf8);
        match command::parse(line, smtputf8) {
            Ok(command) => self.command(command),
            // The octets that follow such a BDAT are a message's, not commands.
            Err(fault) if command::is_bdat(line) => Step::Close(refusal(&fault)),
            Err(CommandFault::Recipient(_)) if !self.offer.needs_auth => {
                self.refuse(say(550, (5, 7, 1), "that is not one of our addresses"))
            }
            Err(fault) => self.refuse(refusal(&fault)),
        }
    }

    /// Refuses what the client got wrong. The true reply is always said; past the limit the next
    /// command ends the connection.
    fn refuse(&mut self, reply: Reply) -> Step {
        self.errors += 1;
        Step::Say(reply)
    }

    /// Says what is no fault of the client's protocol: our own shortages, and policy's answers to who
    /// has authenticated.
    fn decline(&mut self, reply: Reply) -> Step {
        if reply.code == 421 {
            return Step::Close(reply);
        }
        let is_policy = matches!(reply.status, Some(Status { subject: 3 | 6 | 7, .. }));
        if reply.is_transient() || self.authenticated && is_policy {
            return Step::Say(reply);
        }
        self.refuse(reply)
    }

    fn command(&mut self, command: Command) -> Step {
        match command {
            Command::Quit => Step::Close(say(221, (2, 0, 0), "bye")),
            Command::Noop => Step::Say(say(250, (2, 0, 0), "ok")),
            Command::Help => {
                Step::Say(say(214, (2, 0, 0), "RFC 5321 tells; relent explain tells why"))
            }
            Command::Verify => Step::Say(say(252, (2, 1, 5), "send some mail and see")),
            Command::Helo(name) => self.hello(name, false),
            Command::Ehlo(name) => self.hello(name, true),
            Command::Rset => {
                if !matches!(self.state, State::Fresh) {
                    self.state = State::Ready;
                }
                Step::Say(say(250, (2, 0, 0), "ok"))
            }
            Command::StartTls if self.is_tls() => {
                self.refuse(say(503, (5, 5, 1), "TLS is on already"))
            }
            // GNU SASL says it before EHLO, which RFC 3207 does not forbid: all is forgotten anyway.
            Command::StartTls if !matches!(self.state, State::Fresh | State::Ready) => {
                self.refuse(say(503, (5, 5, 1), "STARTTLS does not come within a mail"))
            }
            Command::StartTls => Step::StartTls(say(220, (2, 0, 0), "go ahead")),
            Command::Auth(mechanism, first) => self.auth(&mechanism, first),
            Command::Mail(path, parameters) => self.mail(path, parameters),
            Command::Rcpt(forward, wishes) => self.rcpt(forward, wishes),
            Command::Data => self.data(),
            Command::Bdat(length, last) => self.bdat(length, last),
        }
    }

    fn hello(&mut self, name: String, extended: bool) -> Step {
        self.state = State::Ready;
        // It stands in Received, where brackets begin comments.
        let known = |c: char| c.is_ascii_alphanumeric() || "-._:[]".contains(c);
        self.client_name = if name.chars().all(known) { name } else { "unknown".into() };
        self.extended = extended;
        let hello = format!("{} greets {}", self.offer.hostname, self.client_name);
        if !extended {
            return Step::Say(Reply::plain(250, [self.offer.hostname.clone()]));
        }
        let mut lines = vec![
            hello,
            "PIPELINING".into(),
            format!("SIZE {}", self.offer.size_max),
            "8BITMIME".into(),
            "SMTPUTF8".into(),
            "CHUNKING".into(),
            "ENHANCEDSTATUSCODES".into(),
            format!(
                "LIMITS RCPTMAX={} MAILMAX={}",
                self.offer.recipients_max, self.offer.messages_max
            ),
        ];
        // What comes in is read or forwarded here: nobody is told of it as DSN would have it.
        if self.offer.needs_auth {
            lines.push("DSN".into());
        }
        if let Some((longest, latest)) = self.offer.hold_max {
            // RFC 4865 §4: a number of at most nine digits, and a moment of RFC 3339.
            let seconds = longest.as_secs().min(HOLD_SECONDS_MAX);
            lines.push(format!("FUTURERELEASE {seconds} {latest}"));
        }
        // Offered over TLS alone (RFC 8689 §2): what comes in the clear has been read already.
        lines.push(if self.is_tls() { "REQUIRETLS".into() } else { "STARTTLS".into() });
        if self.may_auth() {
            lines.push(format!("AUTH {}", Exchange::offered(&self.bindings())));
        }
        Step::Say(Reply::plain(250, lines))
    }

    fn may_auth(&self) -> bool {
        self.offer.needs_auth && !self.authenticated && (self.is_tls() || self.offer.auth_in_clear)
    }

    fn auth(&mut self, mechanism: &str, first: Option<String>) -> Step {
        if !self.offer.needs_auth {
            return self.refuse(say(502, (5, 5, 1), "this port takes no AUTH"));
        }
        if self.authenticated || !matches!(self.state, State::Ready) || !self.extended {
            let text = "AUTH comes once, after EHLO and not within a mail";
            return self.refuse(say(503, (5, 5, 1), text));
        }
        if !self.may_auth() {
            return self.refuse(say(538, (5, 7, 11), "AUTH needs TLS: say STARTTLS first"));
        }
        let Some(exchange) = Exchange::begin(mechanism, &self.bindings()) else {
            let text = format!("mechanisms are {}", Exchange::offered(&self.bindings()));
            return self.refuse(say(504, (5, 5, 4), &text));
        };
        let prompt = exchange.prompt();
        self.state = State::Auth(exchange);
        match first {
            Some(first) if first == "=" => self.auth_response(b""),
            Some(first) => self.auth_response(first.as_bytes()),
            None => Step::Say(Reply::plain(334, [prompt])),
        }
    }

    fn auth_response(&mut self, line: &[u8]) -> Step {
        let State::Auth(exchange) = std::mem::replace(&mut self.state, State::Ready) else {
            return Self::confused();
        };
        if line == b"*" {
            return self.refuse(say(501, (5, 7, 0), "AUTH was cancelled"));
        }
        match exchange.line(line, &self.bindings()) {
            Turn::Say(exchange, challenge) => {
                self.state = State::Auth(exchange);
                Step::Say(Reply::plain(334, [challenge]))
            }
            Turn::Verifier(first) => {
                let user = first.user.clone();
                self.state = State::Asking(Asked::Verifier(first));
                Step::Verifier(user)
            }
            Turn::Claim(claim, proof) => {
                self.state = State::Asking(Asked::Login(proof));
                Step::Ask(Question::Login(claim))
            }
            Turn::End => Step::Say(self.welcome()),
            Turn::Fault(fault) => self.refuse(unproved(fault)),
        }
    }

    fn welcome(&mut self) -> Reply {
        self.authenticated = true;
        say(235, (2, 7, 0), "welcome")
    }

    /// The verifier that was asked for and our part of the nonce, or why there is none now.
    pub fn verifier(&mut self, found: Result<(Verifier, String), Answer>) -> Step {
        let State::Asking(Asked::Verifier(first)) =
            std::mem::replace(&mut self.state, State::Ready)
        else {
            return Self::confused();
        };
        match found {
            Ok((verifier, nonce)) => {
                let (challenge, said) = first.challenge(verifier, &nonce);
                self.state = State::Auth(Exchange::ScramLast(Box::new(challenge)));
                Step::Say(Reply::plain(334, [BASE64.encode(said.as_bytes())]))
            }
            Err(answer) => self.decline(answer.reply),
        }
    }

    fn mail(&mut self, path: ReversePath, parameters: MailParameters) -> Step {
        if self.offer.needs_auth && !self.authenticated {
            return self.refuse(say(530, (5, 7, 0), "AUTH comes first"));
        }
        match self.state {
            State::Ready => {}
            State::Fresh => return self.refuse(say(503, (5, 5, 1), "EHLO comes first")),
            _ => {
                return self.refuse(say(503, (5, 5, 1), "a mail is under way: end it or say RSET"));
            }
        }
        if self.messages >= self.offer.messages_max {
            return Step::Close(say(421, (4, 7, 0), "enough messages on this connection"));
        }
        if parameters.size.is_some_and(|size| size > self.offer.size_max) {
            let text = format!("messages have at most {} octets here", self.offer.size_max);
            return self.refuse(say(552, (5, 3, 4), &text));
        }
        if !self.offer.needs_auth && parameters.dsn != OfMessage::default() {
            return self.refuse(refusal(&CommandFault::Parameter("DSN".into())));
        }
        if self.offer.hold_max.is_none() && parameters.hold.is_some() {
            return self.refuse(refusal(&CommandFault::Parameter("FUTURERELEASE".into())));
        }
        if parameters.requiretls && !self.is_tls() {
            return self.refuse(say(530, (5, 7, 10), "REQUIRETLS needs TLS: say STARTTLS first"));
        }
        self.state = State::Asking(Asked::Mail(parameters.smtputf8));
        Step::Ask(Question::Mail(path, parameters))
    }

    fn rcpt(&mut self, forward: Forward, wishes: OfRecipient) -> Step {
        let State::Mail(mail) = self.state else {
            return self.refuse(say(503, (5, 5, 1), "MAIL comes first"));
        };
        if mail.chunked {
            return self.refuse(say(503, (5, 5, 1), "chunks are under way"));
        }
        if mail.recipients >= self.offer.recipients_max {
            let text = format!("at most {} recipients a message", self.offer.recipients_max);
            return Step::Say(say(452, (4, 5, 3), &text));
        }
        let address = match forward {
            Forward::Mailbox(address) => address,
            Forward::Postmaster => match Address::new("postmaster", &self.offer.hostname) {
                Ok(address) => address,
                Err(fault) => return self.refuse(refusal(&CommandFault::Address(fault))),
            },
        };
        if !self.offer.needs_auth && wishes != OfRecipient::default() {
            return self.refuse(refusal(&CommandFault::Parameter("DSN".into())));
        }
        self.state = State::Asking(Asked::Recipient(mail));
        Step::Ask(Question::Recipient(address, wishes))
    }

    fn data(&mut self) -> Step {
        match self.state {
            State::Mail(mail) if mail.chunked => {
                self.refuse(say(503, (5, 5, 1), "DATA and BDAT do not mix"))
            }
            State::Mail(mail) if mail.recipients > 0 => {
                Step::Data(Reply::plain(354, ["send the message; end it with CRLF.CRLF"]))
            }
            State::Mail(mail) if mail.declined => {
                Step::Say(say(554, (5, 5, 1), "no valid recipients"))
            }
            State::Mail(_) => self.refuse(say(554, (5, 5, 1), "no valid recipients")),
            _ => self.refuse(say(503, (5, 5, 1), "MAIL and RCPT come first")),
        }
    }

    fn bdat(&mut self, length: u64, last: bool) -> Step {
        let (reply, counts) = match &mut self.state {
            State::Mail(mail) if mail.recipients > 0 => {
                mail.chunked = true;
                return Step::Chunk { length, last, refused: None };
            }
            State::Mail(mail) => (say(554, (5, 5, 1), "no valid recipients"), !mail.declined),
            _ => (say(503, (5, 5, 1), "MAIL and RCPT come first"), true),
        };
        self.errors += u32::from(counts);
        // A stranger's chunk, or one larger than any message, is not worth reading.
        if self.awaits_auth() || length > self.offer.size_max {
            return Step::Close(reply);
        }
        Step::Chunk { length, last, refused: Some(reply) }
    }

    /// The answer to what was asked.
    pub fn answer(&mut self, verdict: Verdict) -> Step {
        let State::Asking(asked) = std::mem::replace(&mut self.state, State::Ready) else {
            return Self::confused();
        };
        let refusal = verdict.refusal();
        let reply = match (asked, refusal) {
            (Asked::Verifier(_), None) => return Self::confused(),
            (Asked::Login(None), None) => self.welcome(),
            // 235 carries no data: our proof is a challenge more, answered by an empty line.
            (Asked::Login(Some(proof)), None) => {
                self.state = State::Auth(Exchange::ScramEnd);
                Reply::plain(334, [proof])
            }
            (Asked::Mail(smtputf8), None) => {
                self.state = State::Mail(Transaction { smtputf8, ..Transaction::default() });
                say(250, (2, 1, 0), "ok")
            }
            (Asked::Recipient(mail), None) => {
                self.state = State::Mail(Transaction { recipients: mail.recipients + 1, ..mail });
                say(250, (2, 1, 5), "ok")
            }
            (Asked::Recipient(mail), Some(answer)) => {
                self.state = State::Mail(Transaction { declined: true, ..mail });
                return self.decline(answer.reply);
            }
            (_, Some(answer)) => return self.decline(answer.reply),
        };
        Step::Say(reply)
    }

    /// The message has ended, and this is what became of it.
    pub fn message_ended(&mut self, answer: Answer) -> Step {
        self.state = State::Ready;
        self.messages += 1;
        if answer.reply.is_positive() {
            self.errors = 0;
            return Step::Say(answer.reply);
        }
        self.decline(answer.reply)
    }
}

fn unproved(fault: ScramFault) -> Reply {
    match fault {
        ScramFault::Malformed => say(501, (5, 5, 2), "that is not what the mechanism says here"),
        ScramFault::Unbound => {
            let text = "no such channel binding here: use tls-exporter with TLS 1.3, or tls-server-end-point";
            say(535, (5, 7, 8), text)
        }
        ScramFault::Downgrade => {
            let text = "SCRAM-SHA-256-PLUS is offered, and the client was told that it is not: somebody may be in between";
            say(535, (5, 7, 8), text)
        }
        ScramFault::Authority => say(535, (5, 7, 8), "nobody acts for somebody else here"),
    }
}

fn refusal(fault: &CommandFault) -> Reply {
    match fault {
        CommandFault::Unknown => say(500, (5, 5, 1), "unknown command"),
        CommandFault::Syntax(usage) => say(501, (5, 5, 4), &format!("syntax: {usage}")),
        CommandFault::Address(fault) | CommandFault::Recipient(fault) => {
            let detail = if *fault == AddressFault::Domain { 2 } else { 3 };
            say(501, (5, 1, detail), &fault.to_string())
        }
        CommandFault::TooLarge => say(552, (5, 3, 4), "no message may be so large"),
        CommandFault::NeedsSmtpUtf8 => {
            say(553, (5, 6, 7), "an address beyond ASCII needs SMTPUTF8 on MAIL")
        }
        CommandFault::Parameter(name) => {
            say(555, (5, 5, 4), &format!("{name} is not offered here"))
        }
    }
}
