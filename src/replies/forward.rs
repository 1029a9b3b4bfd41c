//! A letter on its way to the mailbox that reads it: whole, byte for byte, behind our Received field, so
//! that the writer's signature still holds; only links that act for the writer are made unreadable. The mailbox is the one that the answered message itself named in
//! Reply-To, where its domain is the account's; else the stream's. Before the letter stands whether it is from
//! whom it says, and at which of our addresses it came in, by which one that comes round again is known.

use super::desk::{Act, Desk, Forward, Reading};
use super::destination::{Person, refuse};
use crate::events::message::{Accepted, Letters, MessageEvent, Origin, Recipient};
use crate::mail::{Address, Answer, MessageId, ReversePath, Status, header};
use crate::policy::Token;
use crate::queue::blot;
use crate::store::StoreFault;
use std::borrow::Cow;

/// Most events of mail to a person that are looked through for the message that is answered.
const EVENTS_MAX: usize = 200;
/// Most Message-IDs of a letter that are looked for.
const ANSWERED_MAX: usize = 50;
/// Where a result is put on a line of its own.
const FOLD: &str = ";\r\n\t";

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
                Origin::Report { .. } | Origin::Letter { .. } | Origin::Answer { .. } => false,
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
    pub(super) async fn forward(
        &self,
        reading: &Reading,
        letter: Forward,
        at: &Address,
    ) -> Result<(), Answer> {
        self.leads_on(reading, &letter.mailbox, at)?;
        let incoming = &reading.incoming;
        let Forward { mailbox, origin, report } = letter;
        let parts = &self.parts;
        parts.queue.ready().map_err(|fault| fault.answer())?;
        let message = self.without_links(&incoming.message).map_err(|fault| fault.answer())?;
        let head = self.trace(reading, at).await;
        let (mut chance, now) = ([0; 6], parts.world.clock.now());
        parts.world.chance.fill(&mut chance);
        let hash =
            parts.accounts.hash(origin.account(), &mailbox).map_err(|fault| fault.answer())?;
        let sender = if report { incoming.sender.clone() } else { ReversePath::Null };
        let draft = Accepted {
            smtputf8: mailbox.needs_smtputf8(),
            eight_bit: !message.is_ascii(),
            tls: incoming.tls,
            ..Accepted::new(
                MessageId::new(now, chance),
                origin,
                sender,
                vec![Recipient { address: mailbox, hash }],
                now,
            )
        };
        let mut body = parts.queue.body();
        body.write(head.as_bytes()).await.map_err(|fault| fault.answer())?;
        for piece in without_claims(&message, &parts.config.hostname) {
            body.write(piece).await.map_err(|fault| fault.answer())?;
        }
        let (id, to) = (draft.id, draft.recipients[0].address.clone());
        parts.queue.enqueue(draft, body).await.map_err(|fault| fault.answer())?;
        tracing::info!(target: "relent::replies", event = "forwarded", id = %id, from = %incoming.sender, to = %to, "letter forwarded");
        Ok(())
    }

    /// Whether a letter goes somewhere that does not lead back here.
    fn leads_on(&self, reading: &Reading, mailbox: &Address, at: &Address) -> Result<(), Answer> {
        let past = &reading.about.delivered_to;
        let hosts = self.hosts.now();
        let by_us = past.iter().filter(|one| hosts.contains(one.domain())).count();
        let was_here = past.iter().any(|one| one.normal() == at.normal());
        let text = if self.recipient(mailbox).is_ok() {
            "the mailbox that reads letters to this address is an address of this relay"
        } else if was_here || by_us >= self.parts.config.replies.forwards_max as usize {
            "this letter has been here before: the mailbox that reads letters sends them back"
        } else {
            return Ok(());
        };
        tracing::warn!(target: "relent::replies", %mailbox, %at, "{text}");
        Err(Answer::new(554, Status::new(5, 4, 6), format!("{text}: a mail loop")))
    }

    /// A letter without the links in it that confirm or undo. Whoever answers our own mail quotes them, and
    /// the mailbox that reads the letter is the sender's, who must not press the writer's buttons. Such a
    /// letter's DKIM signature does not hold any more; ours says before it whether it did.
    fn without_links<'a>(&self, message: &'a [u8]) -> Result<Cow<'a, [u8]>, StoreFault> {
        let fault = std::cell::Cell::new(None);
        let acts = |text: &str| match self.parts.policy.open(text) {
            Ok(token) => matches!(token, Some(Token::Confirm { .. } | Token::Undo { .. })),
            Err(why) => {
                fault.set(Some(why));
                false
            }
        };
        let blotted = blotted(message, &acts);
        fault.into_inner().map_or(Ok(blotted), Err)
    }

    /// What is put before a letter.
    async fn trace(&self, reading: &Reading, at: &Address) -> String {
        let results = self.authenticity(reading).await.results().join(FOLD);
        let hostname = &self.parts.config.hostname;
        format!("Delivered-To: {at}\r\nAuthentication-Results: {hostname}{FOLD}{results}\r\n")
    }
}

/// A message with the tokens in its body unreadable; as it is where there are none.
fn blotted<'a>(message: &'a [u8], acts: &impl Fn(&str) -> bool) -> Cow<'a, [u8]> {
    let (head, body) = message.split_at(header::body_start(message));
    let mut left = body.to_vec();
    blot(&mut left, acts);
    if left == body { Cow::Borrowed(message) } else { Cow::Owned([head, &left].concat()) }
}

//= https://www.rfc-editor.org/rfc/rfc8601#section-5
//# For security reasons, any MTA conforming to this specification MUST
//# delete any discovered instance of this header field that claims, by
//# virtue of its authentication service identifier, to have been added
//# within its trust boundary but that did not come directly from another
//# trusted MTA.
/// The pieces of a message without the results that it claims to have from us.
fn without_claims<'a>(message: &'a [u8], hostname: &str) -> Vec<&'a [u8]> {
    let start = header::body_start(message);
    let Ok(fields) = header::fields(&message[..start]) else {
        return vec![message];
    };
    let claims = |field: &header::Field<'_>| {
        field.is("Authentication-Results") && is_ours(&field.text(), hostname)
    };
    if !fields.iter().any(claims) {
        return vec![message];
    }
    let kept = fields.iter().filter(|field| !claims(field)).map(|field| field.raw);
    let length: usize = fields.iter().map(|field| field.raw.len()).sum();
    kept.chain([&message[length..]]).collect()
}

/// Whether a field's identifier, behind comments and in quotes or not, is our name.
fn is_ours(value: &str, hostname: &str) -> bool {
    let (mut depth, mut id) = (0_u32, String::new());
    for c in value.chars() {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ if depth > 0 => {}
            '"' | '\\' => {}
            c if c.is_whitespace() && id.is_empty() => {}
            c if c.is_whitespace() || c == ';' => break,
            c => id.push(c),
        }
    }
    id.trim_end_matches('.').eq_ignore_ascii_case(hostname)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::{RecipientHash, StreamId, Timestamp};
    use crate::policy::token::{open, seal};

    #[test]
    fn links_that_act_for_the_writer_are_made_unreadable_and_nothing_else_is() {
        let key = [7; 32];
        let acts = |text: &str| {
            matches!(open(&key, text), Some(Token::Confirm { .. } | Token::Undo { .. }))
        };
        let until = Timestamp(5000);
        let head = "From: ann@reader.example\r\nSubject: Re: Please confirm\r\n\r\n";
        let write = |token: &str| format!("{head}No.\r\n> https://relay.example/c/{token}\r\n");
        for token in [Token::Confirm { event: 9, until }, Token::Undo { event: 9, until }] {
            let token = seal(&key, &token);
            let left = blotted(write(&token).as_bytes(), &acts).into_owned();
            assert_eq!(String::from_utf8(left).expect("text"), write(&"x".repeat(token.len())));
        }
        let reply = Token::Reply { stream: StreamId(3), recipient: RecipientHash([3; 16]) };
        let written = write(&seal(&key, &reply));
        assert!(matches!(blotted(written.as_bytes(), &acts), Cow::Borrowed(_)));
    }

    #[test]
    fn results_that_claim_to_be_ours_are_taken_out_and_no_others() {
        let kept = "Authentication-Results: other.example; spf=pass\r\nFrom: a@b.example\r\n";
        let body = "\r\nAuthentication-Results: relay.example; spf=pass\r\n";
        for claim in [
            "relay.example; dkim=pass",
            " RELAY.example.;\r\n\tdkim=pass",
            "(a (b) relay) \"relay.example\" 1; dmarc=pass",
            "relay.example 1;spf=pass",
        ] {
            let message = format!("Received: x\r\nauthentication-results: {claim}\r\n{kept}{body}");
            let pieces = without_claims(message.as_bytes(), "relay.example").concat();
            let found = String::from_utf8(pieces).expect("text");
            assert_eq!(found, format!("Received: x\r\n{kept}{body}"), "{claim}");
        }
        let other = format!("{kept}{body}");
        assert_eq!(without_claims(other.as_bytes(), "relay.example").concat(), other.as_bytes());
    }
}
