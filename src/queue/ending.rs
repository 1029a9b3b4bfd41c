//! How items end: what is written down, who is told, and in which words.

use super::embedded::Embedded;
use super::state::{Key, Stand, Then};
use super::{Queue, Said, report};
use crate::events::message::{Accepted, MessageEvent, Origin, Outcome, Recipient};
use crate::mail::{RecipientNumber, Status, Verdict};
use crate::policy::{Judgement, Policy};
use crate::spool::{Durability, SpoolFault};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The pause before a delivery's mark is tried again where the spool is short or busy.
const MARK_PAUSE: Duration = Duration::from_millis(100);
/// How often it is tried.
const MARK_TRIES: u32 = 100;

/// Why policy stops it, in the words in which policy refuses it at RCPT.
pub(super) fn reason(judgement: &Judgement) -> String {
    match Policy::answer(Ok(judgement.clone())) {
        Verdict::Accept => "clear".into(),
        Verdict::Defer(answer) | Verdict::Refuse(answer) => {
            format!("stopped: {}", answer.reply.lines.join(" "))
        }
    }
}

impl Embedded {
    /// The stream's name as the log has it; empty for our own mail.
    fn stream_name(&self, origin: &Origin) -> String {
        let stream = origin.stream().and_then(|id| self.accounts.stream_by_id(id).ok().flatten());
        stream.map(|stream| stream.name.clone()).unwrap_or_default()
    }

    /// Writes what became of a recipient. A delivery's mark is tried again where the spool is short or
    /// busy: what is not marked would be sent once more after a restart.
    async fn record(
        &self,
        message: &Accepted,
        number: u32,
        outcome: Outcome,
        attempts: u32,
        said: Said,
    ) -> Result<(), SpoolFault> {
        let durability = match &outcome {
            Outcome::Delivered | Outcome::Deferred { .. } => Durability::Lazy,
            _ => Durability::Synced,
        };
        let tries = if outcome == Outcome::Delivered { MARK_TRIES } else { 1 };
        let event = self.event(message, number, outcome, attempts, said);
        let mut tried = 1;
        loop {
            match self.spool.append(vec![event.encode()], durability).await {
                Err(SpoolFault::Full | SpoolFault::Busy) if tried < tries => {
                    tried += 1;
                    tokio::time::sleep(MARK_PAUSE).await;
                }
                outcome => return outcome.map(|_| ()),
            }
        }
    }

    /// The event of what became of a recipient, logged and counted.
    pub(super) fn event(
        &self,
        message: &Accepted,
        number: u32,
        outcome: Outcome,
        attempts: u32,
        said: Said,
    ) -> MessageEvent {
        let at = self.world.clock.now();
        let name = match &outcome {
            Outcome::Delivered => "delivered",
            Outcome::Deferred { .. } => "deferred",
            Outcome::Failed { .. } => "failed",
            Outcome::Stopped => "stopped",
            Outcome::Cancelled => "cancelled",
            Outcome::Held => "held",
            Outcome::Released => "released",
        };
        let to = &message.recipients[number as usize].address;
        // What a remote said comes last and in quotes: nobody writes keys into our log.
        tracing::info!(
            target: "relent::delivery", id = %message.id, from = message.sender.to_string(),
            to = to.to_string(), stream = self.stream_name(&message.origin),
            relay = said.relay.as_deref().unwrap_or(""), delay = at.since(message.at).as_secs(),
            dsn = %said.status, status = name, said = said.text, "outcome"
        );
        metrics::counter!("relent_recipients_total", "outcome" => name).increment(1);
        MessageEvent::Recipient {
            message: message.id,
            origin: message.origin.clone(),
            to: message.recipients[number as usize].clone(),
            recipient: RecipientNumber(number),
            outcome,
            attempts,
            relay: said.relay,
            status: said.status,
            text: said.text,
            at,
        }
    }

    /// Tells the sender where the sender must hear of it, then writes it down.
    pub(super) async fn conclude(
        &self,
        message: &Accepted,
        number: u32,
        outcome: Outcome,
        attempts: u32,
        said: Said,
    ) -> Result<(), SpoolFault> {
        let is_told = match outcome {
            Outcome::Failed { .. } => true,
            // Refused before its sender heard 250 for the whole message.
            Outcome::Stopped => message.refused.contains(&RecipientNumber(number)),
            _ => false,
        };
        if is_told {
            self.report(message, number, &said).await?;
        }
        self.record(message, number, outcome, attempts, said).await
    }

    /// Tells the sender, once, whatever is replayed.
    async fn report(&self, message: &Accepted, number: u32, said: &Said) -> Result<(), SpoolFault> {
        let Some(sender) = message.sender.address() else {
            return Ok(());
        };
        let now = self.world.clock.now();
        if self.state().contains(report::id(message.id, number)) {
            return Ok(());
        }
        let Ok(hash) = self.accounts.hash(message.origin.account(), sender) else {
            return Err(SpoolFault::Busy);
        };
        let recipient = Recipient { address: sender.clone(), hash };
        let host = &self.config.hostname;
        let draft = report::draft(message, number, sender, recipient, host, now);
        let original = match self.spool.reader(&message.body).next().await {
            Ok(piece) => piece.unwrap_or_default(),
            Err(_) => bytes::Bytes::new(),
        };
        let failed = &message.recipients[number as usize].address;
        let text = report::text(message, failed, sender, said, &original, host, now);
        let mut body = self.spool.body();
        body.write(&text).await?;
        self.enqueue(draft, body).await?;
        Ok(())
    }

    /// Ends an item that no attempt holds; false where one does.
    pub(super) async fn end_queued(
        &self,
        key: Key,
        outcome: Outcome,
        text: String,
    ) -> Result<bool, SpoolFault> {
        let found = {
            let mut state = self.state();
            let message = state.message(key.0);
            let item = state.item_mut(key);
            let free = item.filter(|item| !matches!(item.stand, Stand::Active(_)));
            // Held while its end is written, so that no attempt takes it meanwhile.
            free.map(|item| (item.attempts, std::mem::replace(&mut item.stand, Stand::Held)))
                .zip(message)
        };
        let Some(((attempts, stood), message)) = found else {
            return Ok(false);
        };
        let said = Said { relay: None, status: Status::new(5, 7, 1), text };
        let written = self.conclude(&message, key.1, outcome, attempts, said).await;
        if written.is_err() {
            let mut state = self.state();
            let next_at = state.item(key).map(|item| item.next_at);
            if let (Stand::Queued, Some(next_at)) = (stood, next_at) {
                state.schedule(key, next_at);
            }
            return written.map(|()| false);
        }
        self.end(key);
        Ok(true)
    }

    /// Takes out, as their attempts end, the items whose cancellation waits for that.
    pub(super) async fn cancel_active(&self, mut keys: Vec<Key>, reason: &str, ended: &AtomicU64) {
        while !keys.is_empty() {
            let wake = self.wake.notified();
            tokio::pin!(wake);
            wake.as_mut().enable();
            let mut left = Vec::new();
            for key in keys {
                let stand = {
                    let state = self.state();
                    let item = state.item(key);
                    item.filter(|item| item.then == Some(Then::Cancelled)).map(|item| item.stand)
                };
                match stand {
                    None => {} // it ended otherwise
                    Some(Stand::Held) => {
                        let text = reason.to_owned();
                        match self.end_queued(key, Outcome::Cancelled, text).await {
                            Ok(is_ended) => {
                                ended.fetch_add(u64::from(is_ended), Ordering::SeqCst);
                            }
                            Err(SpoolFault::Stopped(_)) => return,
                            Err(_) => left.push(key),
                        }
                    }
                    Some(_) => left.push(key),
                }
            }
            keys = left;
            if !keys.is_empty() {
                let _ = tokio::time::timeout(Duration::from_secs(1), wake).await;
            }
        }
    }
}
