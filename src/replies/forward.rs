//! A letter on its way to the mailbox that reads it: whole, byte for byte, behind our Received field, so
//! that the writer's signature still holds.

use super::desk::{Desk, Forward, Incoming};
use crate::events::message::{Accepted, Recipient};
use crate::mail::{Answer, MessageId, ReversePath};
use crate::spool::Body;

impl Desk {
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
