//! What we say to people: that a stop is done and how to undo it, whether words in their name were
//! theirs, what they can ask for. Short, in their language, to nobody who cannot have meant it, never
//! twice for one stop, and so often a day.

use super::about::is_persons;
use super::answer_mail::Sheet;
use super::answer_texts::{Texts, texts};
use super::desk::{Desk, Reading};
use super::destination::{Destination, Person};
use super::limits::Counted;
use crate::accounts::Stream;
use crate::events::message::MessageEvent;
use crate::events::record::Scope;
use crate::mail::{AccountId, Address, MessageId, RecipientHash, RecipientNumber};
use crate::policy::{Subject, Token, UNDO_AGE_MAX};
use crate::spool::SpoolFault;
use crate::store::StoreFault;

/// Why nothing was said.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unsaid {
    /// The records cannot be read.
    #[error(transparent)]
    Store(#[from] StoreFault),
    /// The spool takes nothing.
    #[error(transparent)]
    Spool(#[from] SpoolFault),
    /// It would go to nobody who waits for it; in words.
    #[error("{0}")]
    Unwanted(&'static str),
}

/// An answer, but for who gets it.
struct Words<'a> {
    stream: &'a Stream,
    to: Address,
    subject: String,
    texts: &'static Texts,
    lines: Vec<String>,
    id: Option<MessageId>,
}

/// The id of the confirmation of one stop, the same at every replay.
fn id_of(stop: u64) -> MessageId {
    let digest = ring::digest::digest(
        &ring::digest::SHA256,
        &[b"confirmation".as_slice(), &stop.to_be_bytes()].concat(),
    );
    MessageId(digest.as_ref()[..12].try_into().expect("32 bytes"))
}

/// The address that a stream's own mail of ours comes from; two long names may be no local part together.
pub(super) fn plain_sender(sender: &str, stream: &Stream, host: &str) -> Option<Address> {
    Address::new(&format!("{sender}.{}", stream.name), host).ok()
}

/// A text with its names put in.
fn filled(text: &str, sender: &str, stream: &Stream) -> String {
    let hours = (UNDO_AGE_MAX.as_secs() / 3600).to_string();
    text.replace("{hours}", &hours).replace("{sender}", sender).replace("{stream}", &stream.name)
}

impl Desk {
    /// Confirms a stop to the person it is about, once; whatever keeps it from that, the stop stands.
    pub(super) async fn confirm(
        &self,
        reading: &Reading,
        person: &Person,
        scope: Scope,
        stop: u64,
    ) {
        if let Err(why) = self.confirmed(reading, person, scope, stop).await {
            unsaid("confirmation", &why);
        }
    }

    async fn confirmed(
        &self,
        reading: &Reading,
        person: &Person,
        scope: Scope,
        stop: u64,
    ) -> Result<(), Unsaid> {
        let (parts, stream) = (&self.parts, person.stream.as_ref());
        if stream.answers.silent {
            return Err(Unsaid::Unwanted("the stream confirms nothing"));
        }
        let subject = person.subject();
        // A stop older than that was confirmed when it was made.
        let Some(undo) = parts.policy.undo_token(stream.account, &subject, stop)? else {
            return Err(Unsaid::Unwanted("the stop is an old one"));
        };
        let id = id_of(stop);
        if parts.queue.find(id, RecipientNumber(0)).await.is_some() {
            return Err(Unsaid::Unwanted("it was confirmed already"));
        }
        let Some(to) = self.address_of(person).await? else {
            return Err(Unsaid::Unwanted("the recipient's address is not known any more"));
        };
        let (texts, sender) = (self.language(reading, stream), self.sender(stream)?);
        let link = self.page(&undo);
        let own = stream.answers.texts.iter().find(|own| own.language == texts.tag);
        let lines = match own {
            Some(own) => {
                let text = filled(&own.text, &sender, stream);
                let has_link = text.contains("{undo}");
                let text = text.replace("{undo}", &link);
                // Whatever the stream says, the way back is there.
                if has_link {
                    vec![text]
                } else {
                    vec![text, filled(texts.undo, &sender, stream), link]
                }
            }
            None => {
                let fill = |text: &str| filled(text, &sender, stream);
                let mut lines = match scope {
                    Scope::Stream(_) => vec![fill(texts.stopped), fill(texts.others)],
                    _ => vec![fill(texts.stopped_all), fill(texts.goes_on)],
                };
                lines.extend([format!("{}\n{link}", fill(texts.undo))]);
                lines
            }
        };
        let subject = answering(&reading.about.subject, &sender);
        let words = Words { stream, to, subject, texts, lines, id: Some(id) };
        self.say(reading, words, &[]).await
    }

    /// Tells a person who came back that it is so.
    pub(super) async fn welcome(&self, reading: &Reading, person: &Person, to: &Address) {
        let stream = person.stream.as_ref();
        let said = async {
            if stream.answers.silent {
                return Err(Unsaid::Unwanted("the stream confirms nothing"));
            }
            let (texts, sender) = (self.language(reading, stream), self.sender(stream)?);
            let lines = vec![filled(texts.returned, &sender, stream)];
            let subject = answering(&reading.about.subject, &sender);
            let words = Words { stream, to: to.clone(), subject, texts, lines, id: None };
            self.say(reading, words, &[]).await
        };
        if let Err(why) = said.await {
            unsaid("confirmation", &why);
        }
    }

    /// Says what can be asked for; false where it could not be said.
    pub(super) async fn help(&self, reading: &Reading, person: &Person) -> bool {
        let stream = person.stream.as_ref();
        let said = async {
            if stream.answers.silent {
                return Err(Unsaid::Unwanted("the stream answers nothing"));
            }
            let Some(to) = self.address_of(person).await? else {
                return Err(Unsaid::Unwanted("the recipient's address is not known any more"));
            };
            let (texts, sender) = (self.language(reading, stream), self.sender(stream)?);
            let fill = |text: &str| filled(text, &sender, stream);
            let words = texts.help_words.iter();
            let words = words.map(|(word, meaning)| format!("{word}: {}", fill(meaning)));
            let token = Token::Unsubscribe { stream: stream.id, recipient: person.recipient };
            let page = self.page(&self.parts.policy.seal(&token)?);
            let lines = vec![
                fill(texts.help),
                words.collect::<Vec<_>>().join("\n"),
                format!("{}\n{page}", texts.help_page),
            ];
            let subject = answering(&reading.about.subject, &sender);
            self.say(reading, Words { stream, to, subject, texts, lines, id: None }, &[]).await
        };
        let said = said.await;
        if let Err(why) = &said {
            unsaid("help", why);
        }
        said.is_ok()
    }

    /// Asks at an address that words were written from whether they are meant. Nothing that a stranger
    /// wrote is repeated in it.
    ///
    /// # Errors
    /// Why it was not asked.
    pub(super) async fn ask(
        &self,
        reading: &Reading,
        stream: &Stream,
        to: &Address,
    ) -> Result<(), Unsaid> {
        let installation = AccountId::INSTALLATION;
        let limits = &self.parts.config.replies;
        let counted = [
            (
                Counted::Questions(self.parts.accounts.hash(installation, to)?),
                limits.questions_per_address_max,
            ),
            (Counted::QuestionsAbout(stream.id), limits.questions_per_stream_max),
            (Counted::AllQuestions, limits.questions_max),
        ];
        let (texts, sender) = (self.language(reading, stream), self.sender(stream)?);
        let fill = |text: &str| filled(text, &sender, stream);
        let recipient = self.parts.accounts.hash(stream.account, to)?;
        let token = Token::Unsubscribe { stream: stream.id, recipient };
        let page = self.page(&self.parts.policy.seal(&token)?);
        let yes = format!("{}\n{page}", fill(texts.asked_yes));
        let lines = vec![fill(texts.asked), yes, fill(texts.asked_no)];
        let (subject, to) = (fill(texts.asked_subject), to.clone());
        let words = Words { stream, to, subject, texts, lines, id: None };
        self.say(reading, words, &counted).await
    }

    /// Puts an answer into the queue, where somebody waits for it and it is not one too many.
    async fn say(
        &self,
        reading: &Reading,
        words: Words<'_>,
        more: &[(Counted, u32)],
    ) -> Result<(), Unsaid> {
        let Words { stream, to, subject, texts, lines, id } = words;
        let (parts, about) = (&self.parts, &reading.about);
        //= https://www.rfc-editor.org/rfc/rfc3834#section-2
        //# Responders MUST NOT generate any response for which the
        //# destination of that response would be a null address (e.g., an
        //# address for which SMTP MAIL FROM or Return-Path is <>), since the
        //# response would not be delivered to a useful destination.
        if reading.incoming.sender.address().is_none() || about.is_automatic {
            return Err(Unsaid::Unwanted("a machine or a list wrote it"));
        }
        let author = about.author.as_ref();
        let hosts = self.hosts.now();
        if !is_persons(&to, &hosts) || !author.is_some_and(|who| is_persons(who, &hosts)) {
            return Err(Unsaid::Unwanted("no person reads that address"));
        }
        if parts.policy.against_answer(stream.account, &to)?.is_some() {
            return Err(Unsaid::Unwanted("a stop stands against the address itself"));
        }
        parts.queue.ready()?;
        let now = parts.world.clock.now();
        let own = Counted::Answers(parts.accounts.hash(AccountId::INSTALLATION, &to)?);
        let own = (own, parts.config.replies.answers_per_address_max);
        if !self.limits.take(&[&[own], more].concat(), now).await? {
            metrics::counter!("relent_answers_limited_total").increment(1);
            return Err(Unsaid::Unwanted("it would be one too many today"));
        }
        let hash = parts.accounts.hash(stream.account, &to)?;
        let mut chance = [0; 6];
        parts.world.chance.fill(&mut chance);
        let id = id.unwrap_or_else(|| MessageId::new(now, chance));
        let host = self.host(reading, stream)?;
        let at = |local: &str| {
            Address::new(local, &host).map_err(|_| Unsaid::Unwanted("the reply host is no host"))
        };
        let reply_to =
            at(&parts.policy.seal(&Token::Reply { stream: stream.id, recipient: hash })?)?;
        let plain = plain_sender(&self.account(stream)?, stream, &host);
        let from = plain.unwrap_or_else(|| reply_to.clone());
        let ids = about.message_id.iter().chain(&about.answers).map(String::as_str);
        let sheet = Sheet {
            id,
            name: &self.sender(stream)?,
            from: &from,
            reply_to: &reply_to,
            to: &to,
            subject: &subject,
            answers: ids.collect(),
            submitted: "auto-replied",
            language: texts.tag,
            hostname: &parts.config.hostname,
            now,
            lines: &lines,
        };
        sheet.send(&*parts.queue, stream, hash).await?;
        metrics::counter!("relent_answers_total", "language" => texts.tag).increment(1);
        tracing::info!(target: "relent::replies", event = "answered", id = %id, stream = stream.name,
            language = texts.tag, "answered");
        Ok(())
    }

    /// Where an answer is from: the host that was written to, where it is that of a sending domain of the
    /// account, so that who wrote to `reply.acme.example` hears from there.
    fn host(&self, reading: &Reading, stream: &Stream) -> Result<String, StoreFault> {
        for Destination(_, at) in &reading.incoming.to {
            let host = at.domain();
            if !self.hosts.now().contains(host) && self.parts.is_reply_host(host, stream.account)? {
                return Ok(host.as_str().to_owned());
            }
        }
        Ok(self.parts.config.reply_domain().to_owned())
    }

    /// The words of the person's language; of the stream's where that is not known.
    fn language(&self, reading: &Reading, stream: &Stream) -> &'static Texts {
        texts(reading.language.or(stream.answers.language.as_deref()).unwrap_or("en"))
    }

    /// The sender's name, as people are told it: what the account shows of itself, else its own.
    fn sender(&self, stream: &Stream) -> Result<String, StoreFault> {
        let shown = self.parts.accounts.page(stream.account)?.display_name;
        shown.map_or_else(|| self.account(stream), Ok)
    }

    /// The account's own name, as addresses carry it.
    fn account(&self, stream: &Stream) -> Result<String, StoreFault> {
        let account = self.parts.accounts.account_by_id(stream.account)?;
        Ok(account.map_or_else(|| stream.account.0.to_string(), |account| account.name.clone()))
    }

    /// The page behind a token.
    fn page(&self, token: &str) -> String {
        format!("{}/u/{token}", self.parts.config.pages_url())
    }

    /// The person's address, where a record or an event of the account's mail has it.
    async fn address_of(&self, person: &Person) -> Result<Option<Address>, StoreFault> {
        if person.address.is_some() {
            return Ok(person.address.clone());
        }
        let (account, hash) = (person.stream.account, person.recipient);
        let recorded = self.parts.policy.view(account, &Subject::Hash(hash))?.address;
        if recorded.is_some() {
            return Ok(recorded);
        }
        let events = self.events(account, hash, 1).await;
        Ok(events.into_iter().find_map(|event| written_to(event, hash)))
    }

    /// The newest events of an account's mail to a recipient, newest last; few look at a time.
    pub(super) async fn events(
        &self,
        account: AccountId,
        hash: RecipientHash,
        limit: u32,
    ) -> Vec<MessageEvent> {
        let _turn = self.lookups.semaphore().acquire().await;
        self.parts.queue.events_for(account, hash, limit as usize).await
    }
}

/// The address of a recipient, by an event of mail to it.
fn written_to(event: MessageEvent, hash: RecipientHash) -> Option<Address> {
    match event {
        MessageEvent::Accepted(message) => {
            let mut recipients = message.recipients.into_iter();
            recipients.find(|to| to.hash == hash).map(|to| to.address)
        }
        MessageEvent::Recipient { to, .. } => (to.hash == hash).then_some(to.address),
    }
}

/// The subject of an answer.
fn answering(subject: &str, sender: &str) -> String {
    match subject {
        "" => format!("Re: {sender}"),
        subject if subject.get(..3).is_some_and(|start| start.eq_ignore_ascii_case("re:")) => {
            subject.to_owned()
        }
        subject => format!("Re: {subject}"),
    }
}

/// Writes down why nothing was said: what nobody waits for is no fault.
pub(super) fn unsaid(what: &str, why: &Unsaid) {
    match why {
        Unsaid::Unwanted(why) => {
            tracing::debug!(target: "relent::replies", why, "no {what} was sent");
        }
        why => tracing::warn!(target: "relent::replies", %why, "no {what} could be sent"),
    }
}
