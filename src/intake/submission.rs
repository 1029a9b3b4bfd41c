//! Mail from applications: who sends, as whom, to whom; then the message streams to the spool.

use super::admission::{Context, HEADER_MAX, refusal};
use super::allowance::Allowance;
use super::{Intake, literal};
use crate::accounts::{Credential, Login, Refusal, Stream};
use crate::events::message::{Accepted, Letters, Origin, Recipient};
use crate::mail::dsn::{Dsn, OfRecipient};
use crate::mail::shape::Shape;
use crate::mail::{
    Address, Answer, MessageId, RecipientNumber, ReversePath, Status, Timestamp, TlsDemand,
    Verdict, header,
};
use crate::policy::Policy;
use crate::policy::compliance::{self, Finding};
use crate::queue::Selector;
use crate::smtp::command::{Hold, MailParameters};
use crate::smtp::scram::Verifier;
use crate::smtp::session::Question;
use crate::spool::{Body, BodyWriter};
use data_encoding::BASE64;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// Random octets in our part of a SCRAM nonce.
const NONCE: usize = 24;

fn refuse(code: u16, status: (u8, u16, u16), text: impl Into<String>) -> Answer {
    Answer::new(code, Status::new(status.0, status.1, status.2), text)
}

/// The message is taken, in the words by which sendmail says it: client libraries find the id by them.
fn taken(id: MessageId, ignored: &[String]) -> Answer {
    let note = match ignored {
        [] => String::new(),
        ignored => format!("; X-SMTPAPI: {} passed over", ignored.join(", ")),
    };
    refuse(250, (2, 0, 0), format!("{id} Message accepted for delivery{note}"))
}

/// The names of what is held against a message that is taken all the same, counted.
fn reported(findings: &[Finding]) -> String {
    let names = findings.iter().map(|finding| {
        metrics::counter!("relent_compliance_total", "finding" => finding.id, "verdict" => "reported")
            .increment(1);
        finding.id
    });
    names.collect::<Vec<_>>().join(",")
}

/// A mail under way.
struct Envelope {
    sender: ReversePath,
    smtputf8: bool,
    requiretls: bool,
    recipients: Vec<Recipient>,
    dsn: Dsn,
    /// Before when MAIL said that it must not leave.
    hold: Option<Timestamp>,
    /// The largest message that its account may send.
    size_max: u64,
    /// Some of them are refused, and the credential has them stopped in silence.
    silenced: bool,
}

impl Envelope {
    /// Adds a recipient, once however often it is named: what was said of it first holds.
    fn add(&mut self, recipient: Recipient, wishes: OfRecipient) {
        if self.recipients.iter().any(|known| known.hash == recipient.hash) {
            return;
        }
        if wishes != OfRecipient::default() {
            let number = u32::try_from(self.recipients.len()).unwrap_or(u32::MAX);
            self.dsn.recipients.push((RecipientNumber(number), wishes));
        }
        self.recipients.push(recipient);
    }
}

/// A message under way.
struct Message {
    id: MessageId,
    trace: String,
    header: Vec<u8>,
    body: BodyWriter,
    /// Set once the header is whole.
    from: Option<Address>,
    stream: Option<Arc<Stream>>,
    /// Recipients that the header names beside the envelope's.
    to: Vec<Address>,
    /// What X-SMTPAPI asks for and is not done.
    ignored: Vec<String>,
    /// When it may leave, where the header says so.
    send_at: Option<Timestamp>,
    /// What it demands of TLS.
    tls: TlsDemand,
    /// Where letters go, where the header says so.
    reply_to: Option<Letters>,
    /// What large mailbox providers would hold against it.
    findings: Vec<Finding>,
    shape: Shape,
    size: u64,
    eight_bit: bool,
    /// The header holds octets above 127.
    international: bool,
    refused: Option<Answer>,
}

/// What submission keeps of a session.
pub(super) struct Submission {
    intake: Arc<Intake>,
    peer: SocketAddr,
    /// Whose verifier was handed out, where there is such a user.
    candidate: Option<Credential>,
    login: Option<Login>,
    envelope: Option<Envelope>,
    message: Option<Message>,
}

impl Submission {
    pub(super) fn new(intake: Arc<Intake>, peer: SocketAddr) -> Self {
        Self { intake, peer, candidate: None, login: None, envelope: None, message: None }
    }

    pub(super) fn ask(&mut self, question: Question) -> Verdict {
        match question {
            Question::Login(claim) => {
                let candidate = self.candidate.take();
                match self.intake.authenticate(&claim, candidate, self.peer.ip()) {
                    Ok(login) => {
                        self.login = Some(login);
                        Verdict::Accept
                    }
                    Err(verdict) => verdict,
                }
            }
            Question::Mail(sender, parameters) => self.mail(sender, parameters),
            Question::Recipient(address, wishes) => self.recipient(address, wishes),
        }
    }

    /// What SCRAM checks a user's proof against, and our part of the nonce.
    pub(super) fn verifier(&mut self, user: &str) -> Result<(Verifier, String), Answer> {
        self.candidate = None;
        let (candidate, verifier) = self.intake.verifier(user, self.peer.ip())?;
        self.candidate = candidate;
        let mut nonce = [0; NONCE];
        self.intake.parts.world.chance.fill(&mut nonce);
        Ok((verifier, BASE64.encode(&nonce)))
    }

    fn mail(&mut self, sender: ReversePath, parameters: MailParameters) -> Verdict {
        self.envelope = None;
        let Some(login) = &mut self.login else {
            return Verdict::Refuse(refuse(530, (5, 7, 0), "AUTH comes first"));
        };
        let parts = &self.intake.parts;
        if let Err(answer) = self.intake.standing(login) {
            return Verdict::Defer(answer);
        }
        // A session may last an hour: the stream's rules are those of now.
        if let Some(stream) = &mut login.stream {
            match parts.accounts.stream_by_id(stream.id) {
                Ok(now) => *stream = now.unwrap_or_else(|| stream.clone()),
                Err(fault) => return Verdict::Defer(fault.answer()),
            }
        }
        let login = &*login;
        if login.stream.is_none() {
            let text = format!(
                "account {} has no stream: `relent stream add {} NAME --kind marketing|transactional`",
                login.account.name, login.account.name
            );
            return Verdict::Refuse(refuse(550, (5, 7, 1), text));
        }
        if let Err(fault) = parts.queue.ready() {
            return Verdict::Defer(fault.answer());
        }
        if let Some(address) = sender.address()
            && let Err(answer) = self.intake.may_send_from(login, address, "MAIL FROM")
        {
            self.log_refusal(&answer);
            return Verdict::Refuse(answer);
        }
        let allowance = match self.intake.may_begin(login, parameters.size) {
            Ok(allowance) => allowance,
            Err(verdict) => {
                if let Verdict::Refuse(answer) | Verdict::Defer(answer) = &verdict {
                    self.log_refusal(answer);
                }
                return verdict;
            }
        };
        let size_max = allowance.size_max(parts.config.submission.message_size_max.0);
        let hold = match parameters.hold.map(|hold| self.held(hold)).transpose() {
            Ok(hold) => hold,
            Err(answer) => return Verdict::Refuse(answer),
        };
        let (smtputf8, requiretls) = (parameters.smtputf8, parameters.requiretls);
        let dsn = Dsn { message: parameters.dsn, recipients: Vec::new() };
        let (recipients, silenced) = (Vec::new(), false);
        self.envelope = Some(Envelope {
            sender,
            smtputf8,
            requiretls,
            recipients,
            dsn,
            hold,
            size_max,
            silenced,
        });
        Verdict::Accept
    }

    /// The moment that FUTURERELEASE (RFC 4865) names: as X-Relent-Send-At, one that has passed is now, and
    /// none lies further ahead than `submission.send_at_max`.
    fn held(&self, hold: Hold) -> Result<Timestamp, Answer> {
        let parts = &self.intake.parts;
        let (now, longest) = (parts.world.clock.now(), parts.config.submission.send_at_max.0);
        let until = match hold {
            Hold::For(seconds) => now.after(Duration::from_secs(seconds.into())),
            Hold::Until(moment) => moment,
        };
        if until.since(now) > longest {
            let text = format!("mail is held for {} seconds at most", longest.as_secs());
            return Err(refuse(501, (5, 5, 4), text));
        }
        Ok(until)
    }

    fn recipient(&mut self, address: Address, wishes: OfRecipient) -> Verdict {
        let parts = &self.intake.parts;
        let (Some(login), Some(envelope)) = (&self.login, &mut self.envelope) else {
            return Verdict::Refuse(refuse(503, (5, 5, 1), "MAIL comes first"));
        };
        let Some(stream) = &login.stream else {
            return Verdict::Refuse(refuse(550, (5, 7, 1), "the account has no stream"));
        };
        if let Err(answer) = self.intake.standing(login) {
            return Verdict::Defer(answer);
        }
        if let Err(verdict) = self.intake.has_room(login, envelope.recipients.len()) {
            return verdict;
        }
        let hash = match parts.accounts.hash(login.account.id, &address) {
            Ok(hash) => hash,
            Err(fault) => return Verdict::Defer(fault.answer()),
        };
        let verdict = Policy::answer(parts.policy.judge(stream, &address));
        let silently = login.credential.refuse == Refusal::Silently;
        if let Verdict::Refuse(answer) = &verdict {
            metrics::counter!("relent_recipients_refused_total").increment(1);
            tracing::info!(
                target: "relent::intake", event = "recipient_refused",
                account = %login.account.name, stream = %stream.name, client = %self.peer.ip(),
                from = %envelope.sender, to = address.to_string(), dsn = "5.7.1",
                status = "refused", silently, reason = %answer.log, "recipient refused"
            );
        }
        match verdict {
            Verdict::Refuse(answer) if !silently => Verdict::Refuse(answer),
            Verdict::Defer(answer) => Verdict::Defer(answer),
            // Who is refused silently is taken, and stopped with a record when the message is.
            verdict => {
                envelope.silenced |= matches!(verdict, Verdict::Refuse(_));
                envelope.add(Recipient { address, hash }, wishes);
                Verdict::Accept
            }
        }
    }

    pub(super) fn begin(&mut self, client: &str, tls: bool) {
        let parts = &self.intake.parts;
        let mut chance = [0; 6];
        parts.world.chance.fill(&mut chance);
        let id = MessageId::new(parts.world.clock.now(), chance);
        let with = if tls { "ESMTPSA" } else { "ESMTPA" };
        let trace = format!(
            "from {client} ({})\r\n\tby {} with {with}",
            literal(self.peer.ip()),
            parts.config.hostname
        );
        self.message = Some(Message {
            id,
            trace,
            header: Vec::new(),
            body: parts.queue.body(),
            from: None,
            stream: None,
            to: Vec::new(),
            ignored: Vec::new(),
            send_at: None,
            tls: TlsDemand::default(),
            reply_to: None,
            findings: Vec::new(),
            shape: Shape::default(),
            size: 0,
            eight_bit: false,
            international: false,
            refused: None,
        });
    }

    pub(super) fn abandon(&mut self) {
        self.message = None;
        self.envelope = None;
    }

    /// Takes more of the message. What is refused is passed over until its end.
    pub(super) async fn write(&mut self, bytes: &[u8]) {
        let Some(message) = &mut self.message else {
            return;
        };
        message.size += bytes.len() as u64;
        let size_max = self.envelope.as_ref().map_or(0, |envelope| envelope.size_max);
        if message.size > size_max && message.refused.is_none() {
            message.refused = Some(Allowance::too_large(size_max));
        }
        if message.refused.is_some() {
            return;
        }
        message.eight_bit |= !bytes.is_ascii();
        if message.from.is_some() {
            message.shape.write(bytes);
            if let Err(fault) = message.body.write(bytes).await {
                message.refused = Some(fault.answer());
            }
            return;
        }
        let searched = message.header.len().saturating_sub(3);
        message.header.extend_from_slice(bytes);
        let whole = message.header.starts_with(b"\r\n")
            || message.header[searched..].windows(4).any(|window| window == b"\r\n\r\n");
        if whole {
            self.admit_header().await;
        } else if message.header.len() > HEADER_MAX {
            let text = format!("a header has at most {HEADER_MAX} octets");
            message.refused = Some(refuse(550, (5, 6, 0), text));
        }
    }

    async fn admit_header(&mut self) {
        let (Some(message), Some(login)) = (&mut self.message, &self.login) else {
            return;
        };
        let taken = std::mem::take(&mut message.header);
        let (head, rest) = taken.split_at(header::body_start(&taken));
        if head.len() > HEADER_MAX {
            let text = format!("a header has at most {HEADER_MAX} octets");
            message.refused = Some(refuse(550, (5, 6, 0), text));
            return;
        }
        let context = Context {
            login,
            smtputf8: self.envelope.as_ref().is_some_and(|envelope| envelope.smtputf8),
            requiretls: self.envelope.as_ref().is_some_and(|envelope| envelope.requiretls),
            id: message.id,
            now: self.intake.parts.world.clock.now(),
            trace: &message.trace,
        };
        let admitted = match self.intake.admit(head, &context) {
            Ok(admitted) => admitted,
            Err(answer) => {
                message.refused = Some(answer);
                return;
            }
        };
        message.international = !admitted.header.is_ascii();
        message.from = Some(admitted.from);
        message.stream = admitted.stream;
        message.to = admitted.to;
        message.ignored = admitted.ignored;
        message.send_at = admitted.send_at;
        message.tls = admitted.tls;
        message.reply_to = admitted.reply_to;
        message.findings = admitted.findings;
        message.shape = admitted.shape;
        message.shape.write(rest);
        for piece in [&admitted.header[..], rest] {
            if let Err(fault) = message.body.write(piece).await {
                message.refused = Some(fault.answer());
                return;
            }
        }
    }

    /// The message has ended: accepts it, durably, or says why not.
    pub(super) async fn finish(&mut self) -> Answer {
        if self.message.as_ref().is_some_and(|m| m.from.is_none() && m.refused.is_none()) {
            self.admit_header().await;
        }
        let (message, envelope) = (self.message.take(), self.envelope.take());
        let (Some(login), Some(message), Some(mut envelope)) = (&self.login, message, envelope)
        else {
            return refuse(503, (5, 5, 1), "MAIL and RCPT come first");
        };
        let standing = self.intake.standing(login);
        if let Some(answer) = standing.err().or(message.refused) {
            self.log_refusal(&answer);
            return answer;
        }
        let Some(stream) = message.stream.clone().or_else(|| login.stream.clone()) else {
            return refuse(550, (5, 7, 1), "the account has no stream");
        };
        let parts = &self.intake.parts;
        let mut findings = message.findings;
        findings.extend(compliance::of_body(&message.shape, &parts.config.compliance));
        if let Some(answer) = refusal(&stream, &findings) {
            self.log_refusal(&answer);
            return answer;
        }
        if let Err(answer) = self.add_named(login, &message.to, &mut envelope) {
            self.log_refusal(&answer);
            return answer;
        }
        // What RCPT was told holds for the stream that was known then, and for whom it named.
        let mut refused = Vec::new();
        if message.stream.is_some() || !message.to.is_empty() {
            refused = match self.judge_anew(login, &stream, &envelope) {
                Ok(refused) => refused,
                Err(answer) => {
                    self.log_refusal(&answer);
                    return answer;
                }
            };
        }
        if login.credential.refuse == Refusal::Silently {
            envelope.silenced |= !refused.is_empty();
            refused.clear();
        }
        let named = envelope.recipients.len();
        let wanted = named.saturating_sub(refused.len()) as u64;
        let rules = match self.intake.count(login, named, wanted).await {
            Ok(rules) => rules,
            Err(answer) => {
                self.log_refusal(&answer);
                return answer;
            }
        };
        // Asked for is not needed: mail that is ASCII throughout may go where SMTPUTF8 is not known.
        let beyond = |address: &Address| address.needs_smtputf8();
        let needs_smtputf8 = message.international
            || envelope.sender.address().is_some_and(beyond)
            || envelope.recipients.iter().any(|recipient| beyond(&recipient.address));
        let draft = Accepted {
            id: message.id,
            origin: Origin::Submission {
                account: login.account.id,
                stream: stream.id,
                credential: login.credential.name.clone(),
            },
            sender: envelope.sender,
            recipients: envelope.recipients,
            body: Body::default(),
            at: parts.world.clock.now(),
            from: message.from,
            smtputf8: envelope.smtputf8 && needs_smtputf8,
            eight_bit: message.eight_bit,
            refused,
            // "Not before" twice: the later one breaks neither.
            not_before: message.send_at.max(envelope.hold),
            dsn: (!envelope.dsn.is_empty()).then(|| Box::new(envelope.dsn)),
            tls: message.tls,
            reply_to: message.reply_to.map(Box::new),
        };
        let (sender, count) = (draft.sender.to_string(), draft.recipients.len());
        match parts.queue.enqueue(draft, message.body).await {
            Ok(id) => {
                if envelope.silenced {
                    // Before the 250, so that whoever hears it finds the record. A crash between the
                    // two leaves them queued, to be judged and stopped as their turn comes.
                    parts.queue.cancel(Selector::Message(id)).await;
                }
                metrics::counter!("relent_messages_accepted_total").increment(1);
                let findings = reported(&findings);
                tracing::info!(
                    target: "relent::intake", event = "accepted", id = %id, account = %login.account.name,
                    stream = %stream.name, from = %sender, recipients = count,
                    size = message.size, client = %self.peer.ip(), findings,
                    smtpapi_ignored = message.ignored.join(", "), "accepted"
                );
                taken(id, &message.ignored)
            }
            Err(fault) => {
                parts.accounts.give_recipients_back(login.account.id, &rules, wanted);
                let answer = fault.answer();
                self.log_refusal(&answer);
                answer
            }
        }
    }

    /// Adds those whom the header names to the envelope's recipients.
    fn add_named(
        &self,
        login: &Login,
        to: &[Address],
        envelope: &mut Envelope,
    ) -> Result<(), Answer> {
        let parts = &self.intake.parts;
        for address in to {
            let hash = parts.accounts.hash(login.account.id, address);
            let hash = hash.map_err(|fault| fault.answer())?;
            envelope.add(Recipient { address: address.clone(), hash }, OfRecipient::default());
        }
        let most = parts.config.submission.recipients_max as usize;
        if envelope.recipients.len() > most {
            let text = format!("more than {most} recipients, with those of X-SMTPAPI");
            return Err(refuse(550, (5, 5, 3), text));
        }
        Ok(())
    }

    /// Judges every recipient at the end of data: those who are refused, and are stopped when their turn
    /// comes, with a report to the sender. Where nobody else is left the message is refused whole,
    /// unless the credential wants silence.
    fn judge_anew(
        &self,
        login: &Login,
        stream: &Stream,
        envelope: &Envelope,
    ) -> Result<Vec<RecipientNumber>, Answer> {
        let (mut refused, mut last) = (Vec::new(), None);
        for (number, recipient) in (0..).zip(&envelope.recipients) {
            let judgement = self.intake.parts.policy.judge(stream, &recipient.address);
            match Policy::answer(judgement) {
                Verdict::Accept => {}
                Verdict::Defer(answer) => return Err(answer),
                Verdict::Refuse(answer) => {
                    refused.push(RecipientNumber(number));
                    last = Some(answer);
                }
            }
        }
        let openly = login.credential.refuse == Refusal::AtRcpt;
        match last {
            Some(answer) if openly && refused.len() == envelope.recipients.len() => Err(answer),
            _ => Ok(refused),
        }
    }

    fn log_refusal(&self, answer: &Answer) {
        let account = self.login.as_ref().map_or("", |login| login.account.name.as_str());
        metrics::counter!("relent_messages_refused_total").increment(1);
        tracing::info!(
            target: "relent::intake", event = "refused", account, client = %self.peer.ip(),
            code = answer.reply.code, reason = answer.log.as_str(), "refused"
        );
    }
}
