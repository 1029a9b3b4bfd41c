//! A letter on its way to the mailbox that reads it: whole, byte for byte, behind our Received field, so
//! that the writer's signature still holds. The mailbox is the one that the answered message itself named in
//! Reply-To, where its domain is the account's; else the stream's.

use super::desk::{Act, Desk, Forward, Incoming, Reading};
use super::destination::{Person, refuse};
use crate::events::message::{Accepted, Letters, MessageEvent, Origin, Recipient};
use crate::mail::{Address, Answer, MessageId, ReversePath, header};
use crate::spool::Body;

/// Most events of mail to a person that are looked through for the message that is answered.
const EVENTS_MAX: usize = 200;
/// Most Message-IDs of a letter that are looked for.
const ANSWERED_MAX: usize = 50;

impl Desk {
    /// The letter's way to who reads it.
    pub(super) async fn letter(
        &self,
        reading: &Reading,
        person: &Person,
    ) -> Result<Forward, Answer> {
        let stream = Some(person.stream.id);
        let origin = Origin::Letter { account: person.stream.account, stream };
        let named = self.named_by_message(reading, person).await?;
        match named.as_ref().or(person.mailbox()) {
            Some(mailbox) => Ok(Forward { mailbox: mailbox.clone(), origin, report: true }),
            None => Err(refuse((5, 2, 1), "nobody reads letters at this address")),
        }
    }

    /// The way of what was written beyond a wish that has been done.
    pub(super) async fn after_stop(&self, reading: &Reading, person: &Person) -> Act {
        match self.letter(reading, person).await {
            Err(answer) if !answer.reply.is_transient() => {
                let text =
                    "you will get no more of this mail, but nobody reads letters at this address";
                Err(refuse((5, 2, 1), text))
            }
            found => found.map(Some),
        }
    }

    /// The mailbox that the answered message named: the message whose Message-ID the letter names, or
    /// whose return path it came by; else the newest of that stream to that person.
    async fn named_by_message(
        &self,
        reading: &Reading,
        person: &Person,
    ) -> Result<Option<Address>, Answer> {
        let (parts, stream) = (&self.parts, &person.stream);
        let events = parts.queue.events_for(stream.account, person.recipient, EVENTS_MAX).await;
        let sent: Vec<&Accepted> = events
            .iter()
            .rev()
            .filter_map(|event| match event {
                MessageEvent::Accepted(message) => Some(message),
                MessageEvent::Recipient { .. } => None,
            })
            .filter(|message| match message.origin {
                Origin::Submission { stream: id, .. } => id == stream.id,
                Origin::Report { .. } | Origin::Letter { .. } => false,
            })
            .collect();
        let keys = answered(&reading.incoming.message);
        let names = |message: &&&Accepted| {
            let letters = message.reply_to.as_deref();
            person.message == Some(message.id)
                || letters.is_some_and(|letters| keys.contains(&letters.answered))
        };
        let message = sent.iter().find(names).or(sent.first());
        let Some(letters) = message.and_then(|message| message.reply_to.as_deref()) else {
            return Ok(None);
        };
        // The account may have given the domain up since.
        let domain = parts.accounts.domain(stream.account, letters.mailbox.domain());
        let domain = domain.map_err(|fault| fault.answer())?;
        let is_theirs = domain.is_some_and(|domain| domain.may_send());
        Ok(is_theirs.then(|| letters.mailbox.clone()))
    }

    /// Puts a letter into the queue, durably.
    pub(super) async fn forward(&self, incoming: &Incoming, letter: Forward) -> Result<(), Answer> {
        let Forward { mailbox, origin, report } = letter;
        let parts = &self.parts;
        parts.queue.ready().map_err(|fault| fault.answer())?;
        let (mut chance, now) = ([0; 6], parts.world.clock.now());
        parts.world.chance.fill(&mut chance);
        let hash =
            parts.accounts.hash(origin.account(), &mailbox).map_err(|fault| fault.answer())?;
        let sender = if report { incoming.sender.clone() } else { ReversePath::Null };
        let draft = Accepted {
            id: MessageId::new(now, chance),
            origin,
            sender,
            smtputf8: mailbox.needs_smtputf8(),
            recipients: vec![Recipient { address: mailbox, hash }],
            body: Body::default(),
            at: now,
            from: None,
            eight_bit: !incoming.message.is_ascii(),
            refused: Vec::new(),
            not_before: None,
            dsn: None,
            tls: incoming.tls,
            reply_to: None,
        };
        let mut body = parts.queue.body();
        body.write(&incoming.message).await.map_err(|fault| fault.answer())?;
        let (id, to) = (draft.id, draft.recipients[0].address.clone());
        parts.queue.enqueue(draft, body).await.map_err(|fault| fault.answer())?;
        tracing::info!(target: "relent::replies", id = %id, from = %incoming.sender, to = %to, "letter forwarded");
        Ok(())
    }
}

/// What the messages are known by that a letter says it answers.
fn answered(message: &[u8]) -> Vec<u64> {
    let fields = header::fields(&message[..header::body_start(message)]).unwrap_or_default();
    let mut keys = Vec::new();
    for name in ["In-Reply-To", "References"] {
        for field in fields.iter().filter(|field| field.is(name)) {
            let text = field.text();
            // The last of References is the nearest.
            let ids = text.rsplit('<').filter_map(|rest| rest.split_once('>'));
            keys.extend(ids.take(ANSWERED_MAX).map(|(id, _)| Letters::key(id)));
        }
    }
    keys
}
