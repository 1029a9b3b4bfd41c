//! Whose words are these? A signed address proves it by itself; who answers to all is another recipient of
//! the same message; at a plain address the From field must be proved by DMARC and have been written
//! to; nobody comes back in on less than a signed address and DMARC together.

use super::classify::Wish;
use super::desk::{Act, Desk, Forward, Reading};
use super::destination::{Person, refuse};
use crate::accounts::Stream;
use crate::dns::{Arrival, Authenticity, Found, Proof};
use crate::events::message::{Accepted, MessageEvent, Origin};
use crate::events::record::{Grounds, Rule, Source, Trust};
use crate::mail::{Address, Answer, MessageId, RecipientHash, Status, header};
use crate::policy::{Return, Subject};
use crate::store::StoreFault;
use std::sync::Arc;

/// Most messages whose header is read to find the one that is answered.
const HEADERS_MAX: usize = 10;
/// How far a header is read for its Message-ID.
const HEADER_MAX: usize = 64 << 10;

/// Who speaks, and what proves it.
pub(super) struct Speaker {
    pub(super) person: Person,
    pub(super) rule: Rule,
    pub(super) trust: Trust,
    /// Another recipient of the same message, whose name the words bear without proof.
    pub(super) unproved: Option<Address>,
}

impl Desk {
    /// SPF, DKIM and DMARC of a message, looked up once, and only where something needs them.
    pub(super) async fn authenticity<'a>(&self, reading: &'a Reading) -> &'a Authenticity {
        let check = || {
            let incoming = &reading.incoming;
            self.parts.authenticator.check(Arrival {
                peer: incoming.peer,
                helo: incoming.helo.clone(),
                sender: incoming.sender.clone(),
                author: reading.about.author.as_ref().map(|author| author.domain().clone()),
                message: incoming.message.clone(),
            })
        };
        reading.authenticity.get_or_init(check).await
    }

    /// Whether a message proves its author to the address it came to. A signature goes with a message
    /// wherever somebody sends it again, so where nothing but a signature proves it, the message must
    /// name that address in a field that is signed.
    ///
    /// # Errors
    /// 451 where DNS does not say now what the answer depends on.
    pub(super) async fn is_proved(&self, reading: &Reading, at: &Address) -> Result<bool, Answer> {
        let found = self.authenticity(reading).await;
        if found.dmarc.0 == Found::TempError {
            let text =
                "whether this is from its author cannot be found out now: DNS does not answer";
            return Err(Answer::new(451, Status::new(4, 4, 3), text));
        }
        let is_addressed = |covered| reading.about.names(at, covered);
        Ok(match &found.proof {
            Some(Proof::Host) => is_addressed(None),
            Some(Proof::Signature(covered)) => is_addressed(Some(covered)),
            None => false,
        })
    }

    /// Who speaks at a signed address: its recipient, or the other recipient of the same message that
    /// the From field is proved to be.
    pub(super) async fn speaker(
        &self,
        reading: &Reading,
        person: Person,
        at: &Address,
    ) -> Result<Speaker, Answer> {
        let recipients = Speaker { person, rule: Rule::Reply, trust: Trust::Token, unproved: None };
        let person = &recipients.person;
        let Some(author) = reading.about.author.as_ref() else {
            return Ok(recipients);
        };
        let account = person.stream.account;
        let hash = self.parts.accounts.hash(account, author).map_err(|fault| fault.answer())?;
        if hash == person.recipient {
            return Ok(recipients);
        }
        let answered = self.answered(reading, &person.stream, person.recipient).await;
        let Some(message) = answered.filter(|m| m.recipients.iter().any(|to| to.hash == hash))
        else {
            // Forwarded to where the person reads it, and answered from there.
            return Ok(recipients);
        };
        if !self.is_proved(reading, at).await? {
            return Ok(Speaker { unproved: Some(author.clone()), ..recipients });
        }
        let other = Person {
            stream: person.stream.clone(),
            recipient: hash,
            address: Some(author.clone()),
            message: Some(message.id),
            from: message.from.clone(),
        };
        let (rule, trust) = (Rule::OtherRecipient, Trust::TokenAndDmarc);
        Ok(Speaker { person: other, rule, trust, unproved: None })
    }

    /// The message of a stream to a recipient that is answered: the one whose Message-ID is named, or
    /// else the newest.
    async fn answered(
        &self,
        reading: &Reading,
        stream: &Stream,
        recipient: RecipientHash,
    ) -> Option<Accepted> {
        let most = self.parts.config.replies.history_max;
        let events = self.events(stream.account, recipient, most).await;
        let of_stream = |origin: &Origin| matches!(origin, Origin::Submission { stream: of, .. } if *of == stream.id);
        let mut sent: Vec<Accepted> = events
            .into_iter()
            .filter_map(|event| match event {
                MessageEvent::Accepted(message) if of_stream(&message.origin) => Some(message),
                _ => None,
            })
            .collect();
        sent.reverse();
        for (place, message) in sent.iter().take(HEADERS_MAX).enumerate() {
            let id = self.message_id(message).await;
            if id.is_some_and(|id| reading.about.answers.contains(&id)) {
                return Some(sent.swap_remove(place));
            }
        }
        (!sent.is_empty()).then(|| sent.swap_remove(0))
    }

    /// The Message-ID of a message that was sent, while its bytes are still there.
    async fn message_id(&self, message: &Accepted) -> Option<String> {
        let mut reader = self.parts.queue.read(&message.body);
        let mut bytes = Vec::new();
        while let Ok(Some(piece)) = reader.next().await {
            bytes.extend_from_slice(&piece);
            if bytes.len() > HEADER_MAX || bytes.windows(4).any(|four| four == b"\r\n\r\n") {
                break;
            }
        }
        let fields = header::fields(&bytes[..header::body_start(&bytes)]).ok()?;
        let id = fields.iter().find(|field| field.is("Message-ID"))?.text();
        Some(id)
    }

    /// Somebody wishes something at a stream's plain address, which anybody can guess.
    pub(super) async fn plain(&self, reading: &Reading, stream: &Arc<Stream>, at: &Address) -> Act {
        let read = &reading.read;
        let person = |recipient, address| Person {
            stream: stream.clone(),
            recipient,
            address,
            message: None,
            from: None,
        };
        let nobody = person(RecipientHash([0; 16]), None);
        // Told to nobody where it cannot be delivered: who wrote it may be anybody.
        let letter = || match &stream.reply_to {
            Some(mailbox) => {
                let origin = Origin::Letter { account: stream.account, stream: Some(stream.id) };
                Ok(Some(Forward { mailbox: mailbox.clone(), origin, report: false }))
            }
            None => Err(refuse((5, 2, 1), "nobody reads letters at this address")),
        };
        let Some(scope) = super::desk::scope_of(read, &nobody) else {
            return letter();
        };
        let Some(author) = &reading.about.author else {
            return letter();
        };
        let hash = self.parts.accounts.hash(stream.account, author).map_err(|f| f.answer())?;
        let was_written_to =
            self.was_written_to(stream, author, hash).await.map_err(|fault| fault.answer())?;
        let proved = self.is_proved(reading, at).await?;
        match (proved, was_written_to) {
            (true, Some(message)) => {
                let person = Person { message, ..person(hash, Some(author.clone())) };
                let grounds = self.grounds(reading, Rule::PlainAddress, Trust::Dmarc);
                self.stop_by(reading, &person, scope, (Source::Reply, grounds)).await?;
                let goes_on = !stream.can_be_stopped() && stream.removed.is_none();
                let is_read = (read.beyond || goes_on) && stream.reply_to.is_some();
                if is_read { letter() } else { Ok(None) }
            }
            (true, None) | (false, Some(_)) => {
                self.question(reading, stream, author).await;
                letter()
            }
            // Neither proved nor ever written to: there is nothing to stop, and the question would reach
            // somebody who has to do with none of this.
            (false, None) => letter(),
        }
    }

    /// Asks at an address whether a wish in its name was meant, unless its domain says that it is
    /// forged, and notes that it was asked.
    pub(super) async fn question(&self, reading: &Reading, stream: &Stream, author: &Address) {
        let found = self.authenticity(reading).await;
        let is_own =
            reading.incoming.sender.address().is_some_and(|s| s.domain() == author.domain());
        let is_forged = match found.dmarc.0 {
            Found::Fail | Found::PermError | Found::TempError => true,
            Found::None => is_own && found.sender.0 == Found::Fail,
            _ => false,
        };
        if is_forged {
            tracing::info!(target: "relent::replies", from = %author,
                "a wish bears a name that its domain disowns: nobody was asked");
            return;
        }
        let asked = async {
            self.ask(reading, stream, author).await?;
            let hash = self.parts.accounts.hash(stream.account, author)?;
            let evidence = super::desk::evidence(reading, Source::Reply, None);
            let grounds = self.grounds(reading, Rule::MailBack, Trust::None);
            self.parts.policy.asked(stream, hash, (evidence, grounds)).await?;
            Ok::<_, super::answer::Unsaid>(())
        };
        if let Err(why) = asked.await {
            super::answer::unsaid("question", &why);
        }
    }

    /// Whether a stream's mail went to an address lately, or a record of the account's names it; with
    /// the newest message where there is one.
    async fn was_written_to(
        &self,
        stream: &Stream,
        address: &Address,
        hash: RecipientHash,
    ) -> Result<Option<Option<MessageId>>, StoreFault> {
        let most = self.parts.config.replies.history_max;
        let events = self.events(stream.account, hash, most).await;
        let sent = events.iter().rev().find_map(|event| match event {
            MessageEvent::Accepted(message) if message.origin.stream() == Some(stream.id) => {
                matches!(message.origin, Origin::Submission { .. }).then_some(message.id)
            }
            MessageEvent::Recipient {
                message, origin: origin @ Origin::Submission { .. }, ..
            } => (origin.stream() == Some(stream.id)).then_some(*message),
            _ => None,
        });
        if sent.is_some() {
            return Ok(Some(sent));
        }
        let view = self.parts.policy.view(stream.account, &Subject::Address(address.clone()))?;
        let is_named = view.consents.iter().any(|consent| consent.stream == stream.id)
            || (view.address.is_some() && !view.suppressions.is_empty());
        Ok(is_named.then_some(None))
    }

    /// Somebody asks back in. Less than a signed address together with DMARC is a letter, and so is what
    /// was written before the person last said something else: it may be sent again by anybody.
    pub(super) async fn back(&self, reading: &Reading, person: &Person, at: &Address) -> Act {
        let (about, stream) = (&reading.about, &person.stream);
        let own = person.address.as_ref().zip(about.author.as_ref());
        let own = own.filter(|(address, author)| address.normal() == author.normal());
        let (Some((address, _)), Some(written)) = (own, about.date) else {
            return self.letter(reading, person).await.map(Some);
        };
        if !stream.can_be_stopped() || stream.removed.is_some() {
            return self.letter(reading, person).await.map(Some);
        }
        let proved = self.is_proved(reading, at).await?;
        let is_dated = match &self.authenticity(reading).await.proof {
            Some(Proof::Signature(covered)) => covered.iter().any(|name| name == "date"),
            Some(Proof::Host) => true,
            None => false,
        };
        if !proved || !is_dated {
            return self.letter(reading, person).await.map(Some);
        }
        let evidence = super::desk::evidence(reading, Source::Reply, Some(person));
        let grounds = self.grounds(reading, Rule::Resubscribe, Trust::TokenAndDmarc);
        let back = self.parts.policy.resubscribe(stream, address, written, (evidence, grounds));
        match back.await.map_err(|fault| fault.answer())? {
            Return::Recorded(event) => {
                tracing::info!(target: "relent::replies", event = "back", stream = stream.name,
                    record = event, "a recipient has come back");
                self.welcome(reading, person, address).await;
                if reading.read.beyond {
                    self.letter(reading, person).await.map(Some)
                } else {
                    Ok(None)
                }
            }
            Return::Stood if !reading.read.beyond => Ok(None),
            Return::Stood | Return::Outdated => self.letter(reading, person).await.map(Some),
        }
    }

    /// On what a decision rests.
    pub(super) fn grounds(&self, reading: &Reading, rule: Rule, trust: Trust) -> Grounds {
        let found = reading.authenticity.get();
        Grounds {
            rule,
            trust,
            wish: name_of(reading.read.wish).map(str::to_owned),
            message_id: reading.about.message_id.clone(),
            authentication: found.map(|found| found.results().join("; ")),
        }
    }
}

/// A wish as records have it; none where there is none.
fn name_of(wish: Wish) -> Option<&'static str> {
    match wish {
        Wish::Reject => Some("reject"),
        Wish::Unsubscribe => Some("unsubscribe"),
        Wish::Resubscribe => Some("resubscribe"),
        Wish::Help => Some("help"),
        Wish::None => None,
    }
}
