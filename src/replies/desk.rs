//! Acts on what comes back. What a person wants is a record before the `250` leaves; what a person wrote
//! beyond a wish goes whole to the mailbox that reads it; machines' mail is counted, never answered.

use super::about::About;
use super::bounce::Bounced;
use super::classify::{Classification, Kind, Wish, classify};
use super::complaint::OPT_OUT;
use super::destination::{Destination, Person, Role, hosts, looks_signed, refuse};
use super::language;
use super::limits::Limits;
use super::trust::Speaker;
use super::whole::who;
use super::words::{Vocabulary, Words};
use crate::accounts::Accounts;
use crate::config::{Live, Made, Stops};
use crate::dns::{Authenticator, Authenticity};
use crate::events::message::{Accepted, Origin};
use crate::events::record::{Evidence, Grounds, Reason, Rule, Scope, Source, Trust};
use crate::mail::{
    Address, Answer, Domain, MessageId, RecipientNumber, Refusal, ReversePath, Status, TlsDemand,
    Verdict,
};
use crate::policy::{Death, Policy, Settled, Token, site_of};
use crate::queue::{self, Queue, Said, Stop};
use crate::store::{Store, StoreFault};
use crate::world::{Turns, World};
use bytes::Bytes;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::OnceCell;

/// Longest evidence kept of what was written, in characters.
const EVIDENCE_MAX: usize = 1000;
/// What mail clients themselves write to a List-Unsubscribe address, in lower case.
const CLIENTS_WORDS: [&str; 2] =
    ["this message was automatically generated", "this is an automatically generated"];
/// The null return path, as a field.
const NOBODYS_PATH: &[u8] = b"Return-Path: <>\r\n";
/// Feedback types that say nothing of what the person wants (RFC 5965 §7.3, RFC 6430, RFC 6591).
const NO_REFUSAL: [&str; 4] = ["not-spam", "auth-failure", "virus", "dmarc"];

/// What the desk needs.
pub struct Parts {
    /// The settings.
    pub config: Live,
    /// Where letters go.
    pub queue: Arc<dyn Queue>,
    /// Whose mail it is.
    pub accounts: Accounts,
    /// Where stops are recorded.
    pub policy: Policy,
    /// Where it is counted how often somebody is answered.
    pub store: Store,
    /// Who says whether mail is from whom it names.
    pub authenticator: Authenticator,
    /// Clock and chance.
    pub world: World,
    /// The words by which wishes are known.
    pub words: Arc<Made<Words>>,
}

/// A message that has come in whole.
pub struct Incoming {
    /// Who sent it, by the envelope.
    pub sender: ReversePath,
    /// The host that brought it.
    pub peer: IpAddr,
    /// What that host called itself.
    pub helo: String,
    /// Which of our addresses it names.
    pub to: Vec<Destination>,
    /// What it demands of TLS, on its way to whom it is forwarded.
    pub tls: TlsDemand,
    /// Its bytes, our Received field first.
    pub message: Bytes,
    /// When the last of it had come.
    pub arrived: Instant,
}

/// Who reads what comes back.
pub struct Desk {
    pub(super) parts: Parts,
    pub(super) hosts: Made<Vec<Domain>>,
    pub(super) limits: Limits,
    /// Turns for reading what was sent to somebody.
    pub(super) lookups: Turns,
}

/// A message read, with what is known of it besides.
pub(super) struct Reading {
    pub(super) read: Classification,
    pub(super) about: About,
    /// The language of its writer, where that is known.
    pub(super) language: Option<&'static str>,
    /// SPF, DKIM and DMARC, once something has asked for them.
    pub(super) authenticity: OnceCell<Authenticity>,
    pub(super) incoming: Incoming,
}

/// Where a letter is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Forward {
    pub(super) mailbox: Address,
    pub(super) origin: Origin,
    /// The writer came by a signed address, so that a report cannot reach somebody who never wrote.
    pub(super) report: bool,
}

/// What is left to do with a message for one of our addresses.
pub(super) type Act = Result<Option<Forward>, Answer>;

impl Desk {
    /// Opens the desk.
    #[must_use]
    pub fn new(parts: Parts) -> Arc<Self> {
        let live = &parts.config;
        let hosts = Made::new(live, |config| hosts(&config.hostname, config.reply_domain()));
        let limits = Limits::new(parts.store.clone(), live.now(|c| c.replies.answered_max));
        let lookups = Turns::new(live.now(|c| c.replies.checks_max as usize));
        Arc::new(Self { parts, hosts, limits, lookups })
    }

    /// Whether an address is one of ours, and what it is for.
    ///
    /// # Errors
    /// The refusal: 550 5.7.1 where it is not ours, 550 5.1.1 for a forged or expired token, 451 where
    /// the records cannot be read.
    pub fn recipient(&self, address: &Address) -> Result<Destination, Answer> {
        let local = address.local().to_ascii_lowercase();
        let ours = self.hosts.now().contains(address.domain());
        let role = if !ours && !self.parts.is_senders_host(address.domain())? {
            None
        } else if looks_signed(&local) {
            Some(self.parts.token(&local, self.parts.world.clock.now())?)
        } else {
            match local.as_str() {
                // Whoever takes mail for a name takes these (RFC 5321 §4.5.1, RFC 2142 §4).
                "postmaster" | "abuse" => Some(Role::Operator),
                "tlsrpt" if ours => Some(Role::Operator),
                "fbl" if ours => Some(Role::Feedback),
                _ if ours => self.parts.plain(&local)?,
                _ => self.parts.plain_at(&local, address.domain())?,
            }
        };
        let not_ours = || refuse((5, 7, 1), format!("{address} is not one of our addresses"));
        role.map(|role| Destination(role, address.clone())).ok_or_else(not_ours)
    }

    /// Reads a message for us, and answers when what it asks is done. A message that could only be done
    /// in part may come again: a stop that stands is confirmed, not doubled.
    pub async fn receive(&self, incoming: Incoming) -> Verdict {
        let reading = match self.read(incoming).await {
            Ok(reading) => reading,
            Err(answer) => return Verdict::Defer(answer),
        };
        match self.act(&reading).await {
            Ok(()) => Verdict::Accept,
            Err(answer) if answer.reply.is_transient() => Verdict::Defer(answer),
            Err(answer) => Verdict::Refuse(answer),
        }
    }

    async fn read(&self, incoming: Incoming) -> Result<Reading, Answer> {
        let (message, config) = (incoming.message.clone(), self.parts.config.clone());
        let words = self.words(&incoming).map_err(|fault| fault.answer())?;
        // Whatever a message does to its reader, it ends no session but this one's question.
        let nobody = incoming.sender.address().is_none();
        let read = tokio::task::spawn_blocking(move || {
            // What nobody is to answer says so in its envelope; a reader of the message sees it as final
            // delivery would show it (RFC 5321 §4.4).
            let shown = nobody.then(|| [NOBODYS_PATH, &message].concat());
            let read = classify(shown.as_deref().unwrap_or(&message), &config.replies, &words);
            let about = About::read(&message);
            let language = language::of_reply(&message, &read.written, &config.replies);
            (read, about, language)
        });
        let (read, about, language) = read.await.map_err(|fault| {
            tracing::error!(target: "relent::replies", %fault, "a message could not be read");
            Answer::new(451, Status::new(4, 3, 0), "this message cannot be read now")
        })?;
        let authenticity = OnceCell::new();
        Ok(Reading { read, about, language, authenticity, incoming })
    }

    /// The words by which a message is read: those of the first stream that it answers.
    fn words(&self, incoming: &Incoming) -> Result<Vocabulary, StoreFault> {
        let stream = incoming.to.iter().find_map(|Destination(role, _)| match role {
            Role::Reply(person) | Role::Unsubscribe(person) => Some(&person.stream),
            Role::Stream(stream) => Some(stream),
            Role::Return(..) | Role::Operator | Role::Feedback => None,
        });
        let words = self.parts.words.now();
        let Some(stream) = stream.filter(|_| words.differ()) else {
            return Ok(words.all().clone());
        };
        let account = self.parts.accounts.account_by_id(stream.account)?;
        let named = account.map(|account| format!("{}/{}", account.name, stream.name));
        Ok(words.of(named.as_deref().unwrap_or_default()).clone())
    }

    /// Stops first, letters last: what comes again after a 451 is then forwarded once.
    async fn act(&self, reading: &Reading) -> Result<(), Answer> {
        let mut letters: Vec<(Forward, &Address)> = Vec::new();
        for Destination(role, at) in &reading.incoming.to {
            let forward = match role {
                Role::Reply(person) => self.reply(reading, person.clone(), at).await?,
                Role::Unsubscribe(person) => self.unsubscribe(reading, person.clone()).await?,
                Role::Return(message, number) => {
                    self.returned(reading, (*message, *number), at).await?
                }
                Role::Stream(stream) => match reading.read.kind {
                    Kind::Person => self.plain(reading, stream, at).await?,
                    Kind::Complaint => self.complaint(reading, None).await?,
                    Kind::AutoReply | Kind::Bounce => None,
                },
                Role::Operator => self.operators(reading).await?,
                Role::Feedback => self.complaint(reading, None).await?,
            };
            let forward = forward.map(|letter| (letter, at));
            letters.extend(forward.filter(|(letter, _)| letters.iter().all(|(l, _)| l != letter)));
        }
        self.log(reading, letters.len());
        for (letter, at) in letters {
            self.forward(reading, letter, at).await?;
        }
        Ok(())
    }

    /// A recipient answers our mail.
    pub(super) async fn reply(&self, reading: &Reading, person: Person, at: &Address) -> Act {
        let read = &reading.read;
        match read.kind {
            Kind::Complaint => return self.complaint(reading, Some(person)).await,
            Kind::AutoReply | Kind::Bounce => return Ok(None),
            Kind::Person => {}
        }
        let person = self.known(reading, person)?;
        match read.wish {
            Wish::Resubscribe => return self.back(reading, &person, at).await,
            Wish::Help if person.stream.can_be_stopped() => {
                let is_said = self.help(reading, &person).await;
                let is_done = is_said && !read.beyond;
                let letter =
                    if is_done { None } else { Some(self.letter(reading, &person).await?) };
                return Ok(letter);
            }
            _ => {}
        }
        let Some(scope) = scope_of(read, &person) else {
            return self.letter(reading, &person).await.map(Some);
        };
        let Speaker { person, rule, trust, unproved } = self.speaker(reading, person, at).await?;
        let grounds = self.grounds(reading, rule, trust);
        self.stop_by(reading, &person, scope, (Source::Reply, grounds)).await?;
        if let Some(author) = unproved {
            self.question(reading, &person.stream, &author).await;
        }
        // Where the stream's own mail goes on, its people are to know what was asked.
        let goes_on = !person.stream.can_be_stopped() && person.stream.removed.is_none();
        if read.beyond || goes_on { self.after_stop(reading, &person).await } else { Ok(None) }
    }

    /// A mail client unsubscribes: it counts without words.
    async fn unsubscribe(&self, reading: &Reading, person: Person) -> Act {
        let read = &reading.read;
        match read.kind {
            Kind::Complaint if read.feedback_type.as_deref() != Some(OPT_OUT) => {
                return self.complaint(reading, Some(person)).await;
            }
            Kind::Bounce => return Ok(None),
            Kind::Complaint | Kind::AutoReply | Kind::Person => {}
        }
        let person = self.known(reading, person)?;
        let scope = match read.stops {
            Some(Stops::Account) => Scope::Account,
            Some(Stops::Stream) | None => person.stream.opt_out_scope(),
        };
        let written = read.written.trim().to_lowercase();
        let by_client = CLIENTS_WORDS.iter().any(|words| written.starts_with(words));
        let by_person = read.kind == Kind::Person && !written.is_empty() && !by_client;
        let grounds = self.grounds(reading, Rule::UnsubscribeAddress, Trust::Token);
        let evidence = evidence(reading, Source::ListUnsubscribe, Some(&person));
        let what = (scope, Reason::OptOut);
        let event = self.stop(reading, &person, what, evidence, grounds).await?;
        // A mail program's button has words of its own for its user; who writes is answered.
        if by_person {
            self.confirm(reading, &person, scope, event).await;
        }
        if by_person && read.beyond && person.mailbox().is_some() {
            return self.after_stop(reading, &person).await;
        }
        Ok(None)
    }

    /// Something comes back along the return path of one copy.
    async fn returned(
        &self,
        reading: &Reading,
        (id, number): (MessageId, RecipientNumber),
        at: &Address,
    ) -> Act {
        let Some((message, number)) = self.parts.queue.find(id, number).await else {
            let text = "what this return path belongs to is not known any more";
            return match reading.read.kind {
                Kind::Person => Err(refuse((5, 1, 1), text)),
                _ => {
                    tracing::info!(target: "relent::replies", id = %id, "{text}");
                    Ok(None)
                }
            };
        };
        if let Some(one) = number.of_shared() {
            return self.returned_by_name(reading, message, one, at).await;
        }
        let person = self.copied(&message, number).map_err(|fault| fault.answer())?;
        match (reading.read.kind, person) {
            (Kind::Bounce, person) => {
                let to = &message.recipients[number.0 as usize].address;
                match about(&reading.read.recipients, to) {
                    Some(said) => self.bounced(reading, message, number, person, said).await,
                    None => Ok(None),
                }
            }
            (Kind::Complaint, person) => self.complaint(reading, person).await,
            (Kind::Person, Some(person)) => self.reply(reading, person, at).await,
            (Kind::Person, None) => Err(refuse((5, 1, 1), "nobody reads letters at this address")),
            (Kind::AutoReply, _) => Ok(None),
        }
    }

    /// Who got this copy; none where it was no application's mail.
    pub(super) fn copied(
        &self,
        message: &Accepted,
        number: RecipientNumber,
    ) -> Result<Option<Person>, StoreFault> {
        let Origin::Submission { stream, .. } = message.origin else {
            return Ok(None);
        };
        let stream = self.parts.accounts.stream_by_id(stream)?;
        let to = message.recipients.get(number.0 as usize);
        Ok(stream.zip(to).map(|(stream, to)| Person {
            stream,
            recipient: to.hash,
            address: Some(to.address.clone()),
            message: Some(message.id),
            from: message.from.clone(),
        }))
    }

    /// A remote says late that a copy could not be delivered. Only its return path's token proves that
    /// we sent it. Where no person is given nobody is stopped: it is told to the sender alone.
    pub(super) async fn bounced(
        &self,
        reading: &Reading,
        message: Arc<Accepted>,
        number: RecipientNumber,
        person: Option<Person>,
        bounced: &Bounced,
    ) -> Act {
        if !bounced.permanent {
            return Ok(None);
        }
        let (status, meaning) = bounced.meaning(&self.parts.config.delivery.refusals());
        let Refusal { class, dead_address: is_dead } = meaning;
        let is_dead = is_dead && person.is_some();
        let to = message.recipients.get(number.0 as usize).map(|to| &to.address);
        if let Some((person, to)) = person.filter(|_| is_dead).zip(to) {
            let mut evidence = evidence(reading, Source::Bounce, Some(&person));
            evidence.text = limited(&format!("{} ({status})", bounced.reason));
            let death = Death {
                account: person.stream.account,
                hash: person.recipient,
                address: to.clone(),
                evidence,
                at: self.parts.world.clock.now(),
                message: message.id,
                site: site_of(None, to.domain()),
            };
            let noted = queue::bounced(&self.parts.policy, &self.parts.queue, death).await;
            settled(noted)?;
        }
        let relay = format!("[{}]", reading.incoming.peer.to_canonical());
        let said =
            Said { relay: Some(relay), status, text: bounced.reason.clone(), class: Some(class) };
        let noted = self.parts.queue.returned(message, number, said, is_dead).await;
        noted.map(|()| None).map_err(|fault| fault.answer())
    }

    /// Somebody pressed "this is spam". A token in the returned original's header proves that it was our
    /// mail, and whose copy; or else the address that the report came to.
    pub(super) async fn complaint(&self, reading: &Reading, addressed: Option<Person>) -> Act {
        let read = &reading.read;
        let kind = read.feedback_type.as_deref().unwrap_or("abuse");
        if read.kind != Kind::Complaint || NO_REFUSAL.contains(&kind) {
            return Ok(None);
        }
        let trust = if read.tokens.is_empty() { Trust::Token } else { Trust::ReturnedToken };
        let mut found: Vec<Person> = addressed.into_iter().collect();
        for token in &read.tokens {
            let named = self.named(token, &read.complainants).await;
            found.extend(named.map_err(|fault| fault.answer())?);
        }
        let same = |one: &Person, other: &Person| {
            one.stream.account == other.stream.account && one.recipient == other.recipient
        };
        // Every copy carries the addresses of one recipient: a report that holds those of two is made up.
        let is_one = found.iter().all(|person| same(person, &found[0]));
        let Some(person) = found.pop().filter(|_| is_one) else {
            tracing::warn!(target: "relent::replies", peer = %reading.incoming.peer,
                "a complaint holds no token of ours, or those of two, and changes nothing");
            return Ok(None);
        };
        let mut evidence = evidence(reading, Source::Complaint, Some(&person));
        evidence.text = limited(kind);
        let (scope, reason) = match kind {
            OPT_OUT => (person.stream.opt_out_scope(), Reason::OptOut),
            _ => (Scope::Account, Reason::Complaint),
        };
        let grounds = self.grounds(reading, Rule::Complaint, trust);
        self.stop(reading, &person, (scope, reason), evidence, grounds).await?;
        Ok(None)
    }

    /// Whom a token found in a returned header names; of a copy for several, whom of these the report
    /// does.
    async fn named(
        &self,
        token: &str,
        complainants: &[String],
    ) -> Result<Option<Person>, StoreFault> {
        match self.parts.policy.open(token)? {
            Some(Token::Bounce { message, recipient }) => {
                let age = self.parts.world.clock.now().since(message.at());
                if age > self.parts.config.replies.bounce_age_max.0 {
                    return Ok(None);
                }
                match self.parts.queue.find(message, recipient).await {
                    Some((message, number)) => {
                        let named = |one| complainants.iter().find_map(|to| who(&message, one, to));
                        match number.of_shared().map_or(Some(number), named) {
                            Some(number) => self.copied(&message, number),
                            None => Ok(None),
                        }
                    }
                    None => Ok(None),
                }
            }
            Some(token) => self.parts.person(&token),
            None => Ok(None),
        }
    }

    /// Mail for those who run this relay.
    async fn operators(&self, reading: &Reading) -> Act {
        if reading.read.kind == Kind::Complaint {
            self.complaint(reading, None).await?;
        }
        let set = self.parts.config.replies.postmaster.as_deref();
        let mailbox = set.and_then(|text| Address::parse(text).ok());
        match mailbox {
            Some(mailbox) => {
                let account = crate::mail::AccountId::INSTALLATION;
                let origin = Origin::Letter { account, stream: None };
                Ok(Some(Forward { mailbox, origin, report: false }))
            }
            None if reading.read.kind == Kind::Person => {
                let text = "nobody reads this address yet: its operator has set no mailbox";
                Err(refuse((5, 2, 1), text).logged(format!("{text} (replies.postmaster)")))
            }
            None => Ok(None),
        }
    }

    /// The person with the address that the message was written from, where the token's hash proves it.
    fn known(&self, reading: &Reading, mut person: Person) -> Result<Person, Answer> {
        if let (None, Some(from)) = (&person.address, &reading.about.author) {
            let hash = self.parts.accounts.hash(person.stream.account, from);
            if hash.map_err(|fault| fault.answer())? == person.recipient {
                person.address = Some(from.clone());
            }
        }
        Ok(person)
    }

    /// Records what a person's words stop, and confirms it to the person.
    pub(super) async fn stop_by(
        &self,
        reading: &Reading,
        person: &Person,
        scope: Scope,
        (source, grounds): (Source, Grounds),
    ) -> Result<(), Answer> {
        let evidence = evidence(reading, source, Some(person));
        let event = self.stop(reading, person, (scope, Reason::OptOut), evidence, grounds).await?;
        self.confirm(reading, person, scope, event).await;
        Ok(())
    }

    /// Records a stop; done once no dot can follow it. The number of its event.
    async fn stop(
        &self,
        reading: &Reading,
        person: &Person,
        (scope, reason): (Scope, Reason),
        evidence: Evidence,
        grounds: Grounds,
    ) -> Result<u64, Answer> {
        let stop = Stop {
            account: person.stream.account,
            recipient: person.recipient,
            subject: person.subject(),
            scope,
            reason,
            evidence,
            grounds: Some(grounds),
            arrived: reading.incoming.arrived,
        };
        let done = queue::stop(&self.parts.policy, &self.parts.queue, stop).await;
        let made = done.map_err(|fault| fault.answer())?;
        settled(Ok(made.settled)).map(|()| made.event)
    }

    fn log(&self, reading: &Reading, letters: usize) {
        let read = &reading.read;
        let kind = read.kind.name();
        metrics::counter!("relent_inbound_total", "kind" => kind).increment(1);
        tracing::info!(
            target: "relent::replies", event = "read", kind, wish = ?read.wish, from = %reading.incoming.sender,
            client = %reading.incoming.peer, letters, "read"
        );
    }
}

/// Whether what was recorded may be acknowledged.
fn settled(done: Result<Settled, StoreFault>) -> Result<(), Answer> {
    match done {
        Ok(Settled::Fully) => Ok(()),
        Ok(Settled::WithDotInFlight) => {
            let text = "recorded; one message may still arrive: send this again to be sure";
            Err(Answer::new(451, Status::new(4, 3, 0), text))
        }
        Err(fault) => Err(fault.answer()),
    }
}

/// How far what a person wrote reaches; none where it is no wish that this stream obeys.
pub(super) fn scope_of(read: &Classification, person: &Person) -> Option<Scope> {
    // To come back is never taken from what anybody can forge; a person reads it.
    match read.stops_at(person.stream.kind)? {
        Stops::Account => Some(Scope::Account),
        Stops::Stream => Some(person.stream.opt_out_scope()),
    }
}

/// What a bounce says of our recipient: by address, or where it speaks of nobody else.
fn about<'a>(bounced: &'a [Bounced], to: &Address) -> Option<&'a Bounced> {
    let named = bounced.iter().find(|one| {
        Address::parse(&one.address).is_ok_and(|address| address.normal() == to.normal())
    });
    named.or(match bounced {
        [only] => Some(only),
        _ => None,
    })
}

pub(super) fn evidence(reading: &Reading, source: Source, person: Option<&Person>) -> Evidence {
    Evidence {
        source,
        text: limited(reading.read.written.trim()),
        ip: Some(reading.incoming.peer.to_canonical().to_string()),
        message: person.and_then(|person| person.message),
    }
}

fn limited(text: &str) -> String {
    text.chars().take(EVIDENCE_MAX).collect()
}
