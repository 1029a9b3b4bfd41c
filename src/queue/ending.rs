//! How items end: what is written down, who is told, and in which words.

use super::blot::blot;
use super::embedded::{CHUNK, Embedded};
use super::report::{self, Back, Kind, Report};
use super::shelf::Item;
use super::state::{Key, Stand, State, Then};
use super::{Queue, Said};
use crate::events::message::{Accepted, MessageEvent, Origin, Outcome, Recipient};
use crate::mail::{Address, RecipientNumber, RefusalClass, Status, Timestamp, Verdict, header};
use crate::policy::{Judgement, Permit, Policy, Token};
use crate::spool::{self, Durability, SpoolFault};
use crate::store::StoreFault;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The pause before a delivery's mark is tried again where the spool is short or busy.
const MARK_PAUSE: Duration = Duration::from_millis(100);
/// How often it is tried.
const MARK_TRIES: u32 = 100;

/// Past so many bytes no end of a header is looked for.
const HEADER_MAX: usize = 320 << 10;

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
    /// The last look before mail of our own leaves. What answers a person's own act, and a letter that nobody
    /// may have asked for, such as an invitation, goes nowhere that is stopped; what is forwarded, or tells a
    /// sender how mail fared, was asked for.
    pub(super) fn permit_own(
        &self,
        message: &Accepted,
        to: &Address,
    ) -> Result<Result<Permit, Judgement>, StoreFault> {
        let asks = match message.origin {
            Origin::Answer { account, .. } => Some(account),
            Origin::Letter { account, stream: None } => {
                message.sender.address().is_none().then_some(account)
            }
            _ => None,
        };
        let against = match asks {
            Some(account) => self.policy.against_mail(account, to, message.id)?,
            None => None,
        };
        Ok(against.map_or_else(|| Ok(Policy::free_permit()), Err))
    }

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
        let is_mark = outcome == Outcome::Delivered;
        let event = self.event(message, number, outcome, attempts, said);
        self.write(vec![event.encode()], durability, is_mark).await
    }

    /// Writes records, at once; where one of them is a delivery's mark, for as long as it takes.
    pub(super) async fn write(
        &self,
        records: Vec<(spool::Kind, Vec<u8>)>,
        durability: Durability,
        is_mark: bool,
    ) -> Result<(), SpoolFault> {
        let tries = if is_mark { MARK_TRIES } else { 1 };
        let mut tried = 1;
        loop {
            match self.spool.append(records.clone(), durability).await {
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
        let name = outcome.name();
        let to = &message.recipients[number as usize].address;
        // What a remote said comes last and in quotes: nobody writes keys into our log.
        tracing::info!(
            target: "relent::delivery", event = name, id = %message.id,
            account = self.policy.account_name(message.origin.account()), from = message.sender.to_string(),
            to = to.to_string(), stream = self.stream_name(&message.origin),
            relay = said.relay.as_deref().unwrap_or(""), delay = at.since(message.at).as_secs(),
            dsn = %said.status, status = name, class = said.class.map_or("", RefusalClass::name),
            said = said.text, "outcome"
        );
        self.tally.ended(message, &outcome, &said, at, &self.accounts);
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
            class: said.class,
        }
    }

    /// Tells the sender where the sender must hear of it, then writes it down; of a delivery, the other
    /// way round: where only one of both is done, better no report than a second copy.
    pub(super) async fn conclude(
        &self,
        message: &Accepted,
        number: u32,
        outcome: Outcome,
        attempts: u32,
        said: Said,
    ) -> Result<(), SpoolFault> {
        let notify = message.notify(RecipientNumber(number));
        let is_failure = match outcome {
            Outcome::Failed { .. } => true,
            // Refused before its sender heard 250 for the whole message.
            Outcome::Stopped => message.refused.contains(&RecipientNumber(number)),
            _ => false,
        };
        if is_failure && notify.failure {
            self.report(message, number, Kind::Failed, &said).await?;
        }
        let relayed = (outcome == Outcome::Delivered && notify.success).then(|| said.clone());
        self.record(message, number, outcome, attempts, said).await?;
        if let Some(said) = relayed
            && let Err(fault) = self.report(message, number, Kind::Relayed, &said).await
        {
            tracing::warn!(target: "relent::queue", id = %message.id, recipient = number, %fault,
                "its sender was not told that it was passed on");
        }
        Ok(())
    }

    /// When the sender of a message that waits is to be told so; `None` where that is not wanted, or
    /// was done.
    pub(super) fn warning(&self, message: &Accepted, to: RecipientNumber) -> Option<Timestamp> {
        let is_wanted = message.notify(to).delay
            && message.sender.address().is_some()
            && self.state().item((message.id, to.0)).is_some_and(|item| !item.warned);
        let after = self.config.queue.delay_warning_after.0;
        (is_wanted && after < self.plan(message).expiry).then(|| message.due().after(after))
    }

    /// Tells the sender, once, that a message waits. Where that cannot be written down now, the next
    /// attempt comes to it again.
    pub(super) async fn warn(&self, message: &Accepted, key: Key, attempts: u32, said: Said) {
        let kind = Kind::Delayed(message.due().after(self.plan(message).expiry));
        let told = async {
            self.report(message, key.1, kind, &said).await?;
            self.record(message, key.1, Outcome::Warned, attempts, said).await
        };
        match told.await {
            Ok(()) => {
                if let Some(item) = self.state().item_mut(key) {
                    item.warned = true;
                }
            }
            Err(fault) => tracing::warn!(target: "relent::queue", id = %message.id,
                recipient = key.1, %fault, "its sender was not told that it is late"),
        }
    }

    /// Tells the sender, once, whatever is replayed.
    async fn report(
        &self,
        message: &Accepted,
        number: u32,
        kind: Kind,
        said: &Said,
    ) -> Result<(), SpoolFault> {
        let Some(sender) = message.sender.address() else {
            return Ok(());
        };
        if self.state().contains(report::id(message.id, number, kind)) {
            return Ok(());
        }
        let Ok(hash) = self.accounts.hash(message.origin.account(), sender) else {
            return Err(SpoolFault::Busy);
        };
        let (hostname, now) = (self.config.hostname.as_str(), self.world.clock.now());
        let account = self.accounts.account_by_id(message.origin.account()).ok().flatten();
        let language = account.map(|account| account.language).unwrap_or_default();
        let report = Report { message, number, kind, sender, said, hostname, language, now };
        let back = report.back(self.config.queue.report_size_max.0);
        let original = self.original(message, back).await;
        let draft = report.draft(Recipient { address: sender.clone(), hash });
        let mut body = self.spool.body();
        body.write(&report.text(back, &original)).await?;
        self.enqueue(draft, body).await?;
        Ok(())
    }

    /// What a report gives back of a message: what cannot be read any more is left out.
    async fn original(&self, message: &Accepted, back: Back) -> Vec<u8> {
        let mut original = Vec::new();
        let mut reader = self.spool.reader(&message.body);
        while let Ok(Some(piece)) = reader.next().await {
            original.extend_from_slice(&piece);
            let is_enough = original.len() > HEADER_MAX
                || original.windows(4).any(|window| window == b"\r\n\r\n");
            if back != Back::Whole && is_enough {
                break;
            }
        }
        let mut body = original.split_off(header::body_start(&original));
        if back == Back::Whole {
            blot(&mut body, &|text: &str| {
                let token = self.policy.open(text).ok().flatten();
                token.is_some_and(|token| !matches!(token, Token::Bounce { .. }))
            });
        }
        original.append(&mut body);
        original
    }

    /// Ends an item that no attempt holds; false where one does.
    pub(super) async fn end_queued(
        &self,
        key: Key,
        outcome: Outcome,
        text: String,
    ) -> Result<bool, SpoolFault> {
        let said = Said { relay: None, status: Status::new(5, 7, 1), text, class: None };
        self.end_free(key, outcome, said).await
    }

    /// The same, in words of somebody's own.
    pub(super) async fn end_free(
        &self,
        key: Key,
        outcome: Outcome,
        said: Said,
    ) -> Result<bool, SpoolFault> {
        self.end_free_if(key, outcome, said, |_, _| true).await
    }

    /// The same, where the item may still be ended at the moment it is taken for that.
    pub(super) async fn end_free_if(
        &self,
        key: Key,
        outcome: Outcome,
        said: Said,
        may: impl FnOnce(&State, &Item) -> bool + Send,
    ) -> Result<bool, SpoolFault> {
        let Some((message, stood, attempts)) = self.claim_if(key, may) else {
            return Ok(false);
        };
        let written = self.conclude(&message, key.1, outcome, attempts, said).await;
        if written.is_err() {
            self.state().unclaim(key, stood);
            return written.map(|()| false);
        }
        self.end(key);
        Ok(true)
    }

    fn claim(&self, key: Key) -> Option<(Arc<Accepted>, Stand, u32)> {
        self.claim_if(key, |_, _| true)
    }

    fn claim_if(
        &self,
        key: Key,
        may: impl FnOnce(&State, &Item) -> bool,
    ) -> Option<(Arc<Accepted>, Stand, u32)> {
        let mut state = self.state();
        state.item(key).filter(|item| may(&state, item))?;
        let message = state.message(key.0)?;
        let (stood, attempts) = state.claim(key)?;
        Some((message, stood, attempts))
    }

    /// Ends items of which nobody is told, many in one write: how many, and those that an attempt holds.
    pub(super) async fn end_all(
        &self,
        ends: Vec<(Key, String)>,
        outcome: Outcome,
    ) -> Result<(u64, Vec<Key>), SpoolFault> {
        let (mut ended, mut busy) = (0, Vec::new());
        let mut ends = ends.into_iter().peekable();
        while ends.peek().is_some() {
            let mut claimed = Vec::new();
            let mut records = Vec::new();
            for (key, text) in ends.by_ref().take(CHUNK) {
                let Some((message, stood, attempts)) = self.claim(key) else {
                    busy.push(key);
                    continue;
                };
                let said = Said { relay: None, status: Status::new(5, 7, 1), text, class: None };
                let event = self.event(&message, key.1, outcome.clone(), attempts, said);
                records.push(event.encode());
                claimed.push((key, stood));
            }
            if let Err(fault) = self.spool.append(records, Durability::Synced).await {
                let mut state = self.state();
                claimed.into_iter().for_each(|(key, stood)| state.unclaim(key, stood));
                return Err(fault);
            }
            ended += claimed.len() as u64;
            claimed.into_iter().for_each(|(key, _)| self.end(key));
        }
        Ok((ended, busy))
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
