//! The queue of one node: in memory, rebuilt from the spool.

use super::state::{Key, Stand, State};
use super::{Attempt, Draft, ItemView, Lease, Queue, Said, Selector, Summary, report};
use crate::accounts::Accounts;
use crate::config::Config;
use crate::events::message::{Accepted, MessageEvent, Origin, Outcome, Recipient};
use crate::mail::{
    AccountId, Domain, MessageId, RecipientHash, RecipientNumber, Status, Timestamp,
};
use crate::policy::{Judgement, Permit, Policy};
use crate::spool::{Body, BodyReader, BodyWriter, Durability, Sequence, Spool, SpoolFault};
use crate::store::StoreFault;
use crate::world::World;
use async_trait::async_trait;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::Notify;

const CHUNK: usize = 1000;

/// The queue of one node.
pub struct Embedded {
    own: Weak<Self>,
    spool: Spool,
    policy: Policy,
    accounts: Accounts,
    config: Arc<Config>,
    world: World,
    state: Mutex<State>,
    wake: Notify,
}

/// Makes an item due again when its lease is dropped unfinished.
pub(crate) struct Guard {
    queue: Weak<Embedded>,
    key: Key,
    generation: u64,
}

impl std::fmt::Debug for Guard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Guard({:?}, {})", self.key, self.generation)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(queue) = self.queue.upgrade() {
            let now = queue.world.clock.now();
            queue.give_back(self.key, self.generation, now);
        }
    }
}

impl Embedded {
    /// Rebuilds the queue from the spool.
    ///
    /// # Errors
    /// [`SpoolFault::Unreadable`].
    pub fn open(
        spool: Spool,
        policy: Policy,
        accounts: Accounts,
        config: Arc<Config>,
        world: World,
    ) -> Result<Arc<Self>, SpoolFault> {
        let mut state = State::default();
        let now = world.clock.now();
        let mut from = Sequence(0);
        loop {
            let records = spool.read(from, CHUNK)?;
            for record in &records {
                from = Sequence(record.sequence.0 + 1);
                match MessageEvent::decode(record) {
                    Some(event) => replay(&mut state, &spool, event, record.sequence, now),
                    None => tracing::error!(target: "relent::queue", sequence = record.sequence.0,
                        "a spool record cannot be read and was passed over"),
                }
            }
            if records.len() < CHUNK {
                break;
            }
        }
        Ok(Arc::new_cyclic(|own| Self {
            own: own.clone(),
            spool,
            policy,
            accounts,
            config,
            world,
            state: Mutex::new(state),
            wake: Notify::new(),
        }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn give_back(&self, key: Key, generation: u64, at: Timestamp) {
        let mut state = self.state();
        if state.give_back(key, generation) {
            let then = state.items.get_mut(&key).and_then(|item| item.then.take());
            match then {
                Some(Stand::Held) => {
                    if let Some(item) = state.items.get_mut(&key) {
                        item.stand = Stand::Held;
                    }
                }
                Some(_) => state.schedule(key, self.world.clock.now()),
                None => state.schedule(key, at),
            }
        }
        drop(state);
        self.wake.notify_waiters();
    }

    fn end(&self, key: Key) {
        let ended = self.state().end(key);
        if let Some(sequence) = ended {
            self.spool.release(sequence);
        }
        self.wake.notify_waiters();
    }

    fn delay(&self, attempts: u32) -> Duration {
        let delays = &self.config.queue.retry_delays;
        let place = (attempts.saturating_sub(1) as usize).min(delays.len().saturating_sub(1));
        let base = delays.get(place).map_or(Duration::from_secs(3600), |d| d.0);
        let spread = base / 100 * self.config.queue.retry_jitter_percent;
        let most = u64::try_from(spread.as_millis()).unwrap_or(u64::MAX);
        base + Duration::from_millis(self.world.chance.below(most))
    }

    async fn record(
        &self,
        message: &Accepted,
        number: u32,
        outcome: Outcome,
        attempts: u32,
        said: Said,
    ) -> Result<(), SpoolFault> {
        let at = self.world.clock.now();
        let (name, durability) = match &outcome {
            Outcome::Delivered => ("delivered", Durability::Lazy),
            Outcome::Deferred { .. } => ("deferred", Durability::Lazy),
            Outcome::Failed { .. } => ("failed", Durability::Synced),
            Outcome::Stopped => ("stopped", Durability::Synced),
            Outcome::Cancelled => ("cancelled", Durability::Synced),
        };
        let to = &message.recipients[number as usize].address;
        tracing::info!(target: "relent::delivery", id = %message.id, from = %message.sender, to = %to,
            stream = message.origin.stream().map_or(0, |s| s.0), relay = said.relay.as_deref().unwrap_or(""),
            delay = at.since(message.at).as_secs(), dsn = %said.status, status = name, "{}", said.text);
        metrics::counter!("relent_recipients_total", "outcome" => name).increment(1);
        let event = MessageEvent::Recipient {
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
        };
        self.spool.append(vec![event.encode()], durability).await?;
        Ok(())
    }

    /// Tells the sender, once, whatever is replayed.
    async fn report(&self, message: &Accepted, number: u32, said: &Said) -> Result<(), SpoolFault> {
        let Some(sender) = message.sender.address() else {
            return Ok(());
        };
        let now = self.world.clock.now();
        if self.state().messages.contains_key(&report::id(message.id, number)) {
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
    async fn end_queued(
        &self,
        key: Key,
        outcome: Outcome,
        text: String,
    ) -> Result<bool, SpoolFault> {
        let found = {
            let mut state = self.state();
            let message = state.messages.get(&key.0).map(|e| e.message.clone());
            let item = state.items.get_mut(&key);
            let free = item.filter(|item| !matches!(item.stand, Stand::Active(_)));
            // Held while its end is written, so that no attempt takes it meanwhile.
            free.map(|item| (item.attempts, std::mem::replace(&mut item.stand, Stand::Held)))
                .zip(message)
        };
        let Some(((attempts, stood), message)) = found else {
            return Ok(false);
        };
        let said = Said { relay: None, status: Status::new(5, 7, 1), text };
        let written = self.record(&message, key.1, outcome, attempts, said).await;
        if written.is_err() {
            if stood == Stand::Queued {
                let now = self.world.clock.now();
                self.state().schedule(key, now);
            }
            return written.map(|()| false);
        }
        self.end(key);
        Ok(true)
    }
}

fn replay(
    state: &mut State,
    spool: &Spool,
    event: MessageEvent,
    sequence: Sequence,
    now: Timestamp,
) {
    match event {
        MessageEvent::Accepted(message) => {
            if !message.recipients.is_empty() && !state.messages.contains_key(&message.id) {
                spool.hold(sequence);
                state.add(Arc::new(message), sequence, now);
            }
        }
        MessageEvent::Recipient { message, recipient, outcome, attempts, text, .. } => {
            let key = (message, recipient.0);
            if let Outcome::Deferred { next_at } = outcome {
                state.schedule(key, next_at);
                if let Some(item) = state.items.get_mut(&key) {
                    item.attempts = attempts;
                    item.last = Some(text.into());
                }
            } else if let Some(accepted) = state.end(key) {
                spool.release(accepted);
            }
        }
    }
}

fn reason(judgement: &Judgement) -> String {
    match judgement {
        Judgement::Clear => "clear".into(),
        Judgement::Suppressed(stop) => {
            format!("stopped: {:?} since {}", stop.reason, stop.at.date())
        }
        Judgement::Unconsented(_) => "stopped: no consent that holds".into(),
    }
}

#[async_trait]
impl Queue for Embedded {
    fn ready(&self) -> Result<(), SpoolFault> {
        self.spool.ready()?;
        if self.state().items.len() as u64 >= self.config.queue.items_max {
            return Err(SpoolFault::Full);
        }
        Ok(())
    }

    fn body(&self) -> BodyWriter {
        self.spool.body()
    }

    async fn enqueue(&self, draft: Draft, body: BodyWriter) -> Result<MessageId, SpoolFault> {
        let id = draft.id;
        let (send, filled) = tokio::sync::oneshot::channel();
        let encode = Box::new(move |body| {
            let mut message = draft;
            message.body = body;
            let event = MessageEvent::Accepted(message);
            let record = event.encode();
            let _ = send.send(event);
            record
        });
        // On a task of its own: a session that ends now must not leave a durable message unqueued.
        let queue = self.own.upgrade().ok_or(SpoolFault::Busy)?;
        let accepted = tokio::spawn(async move {
            let sequence = queue.spool.accept(body, encode).await?;
            if let Ok(MessageEvent::Accepted(message)) = filled.await {
                let now = queue.world.clock.now();
                queue.state().add(Arc::new(message), sequence, now);
                queue.wake.notify_waiters();
            }
            Ok(id)
        });
        accepted.await.map_err(|fault| SpoolFault::Stopped(fault.to_string()))?
    }

    async fn due(&self, per_domain_max: u32) -> Domain {
        loop {
            let wake = self.wake.notified();
            tokio::pin!(wake);
            wake.as_mut().enable();
            let now = self.world.clock.now();
            let next = {
                let mut state = self.state();
                let next = state.promote(now);
                if let Some(domain) = state.turn(per_domain_max) {
                    return domain;
                }
                next
            };
            let second = Duration::from_secs(1);
            let wait = next.map_or(second, |at| at.since(now).min(second));
            let _ = tokio::time::timeout(wait, wake).await;
        }
    }

    async fn lease(&self, domain: &Domain, max: usize) -> Vec<Lease> {
        let now = self.world.clock.now();
        let mut state = self.state();
        state.promote(now);
        let mut leases = Vec::new();
        while leases.len() < max {
            let Some((key, generation)) = state.take(domain, now) else {
                break;
            };
            let attempts = state.items.get(&key).map_or(0, |item| item.attempts);
            let Some(entry) = state.messages.get(&key.0) else {
                continue;
            };
            leases.push(Lease {
                message: entry.message.clone(),
                recipient: RecipientNumber(key.1),
                attempts,
                generation,
                guard: Arc::new(Guard { queue: self.own.clone(), key, generation }),
            });
        }
        leases
    }

    async fn permit(&self, lease: &Lease) -> Result<Result<Permit, Judgement>, StoreFault> {
        let Origin::Submission { stream, .. } = lease.message.origin else {
            return Ok(Ok(Policy::free_permit()));
        };
        let Some(stream) = self.accounts.stream_by_id(stream)? else {
            return Err(StoreFault::Damaged(format!("stream {} is not there", stream.0)));
        };
        let to = &lease.message.recipients[lease.recipient.0 as usize].address;
        self.policy.permit(&stream, to)
    }

    async fn finish(&self, lease: Lease, attempt: Attempt) -> Result<(), SpoolFault> {
        let key = (lease.message.id, lease.recipient.0);
        {
            let state = self.state();
            let ours = state
                .items
                .get(&key)
                .is_some_and(|item| item.stand == Stand::Active(lease.generation));
            if !ours {
                return Ok(());
            }
        }
        let now = self.world.clock.now();
        let attempts = lease.attempts.saturating_add(1);
        let message = lease.message.clone();
        let (outcome, said) = match attempt {
            Attempt::Untried => return Ok(()), // the guard makes it due
            Attempt::Delivered(said) => (Outcome::Delivered, said),
            Attempt::Failed { said, dead_address } => (Outcome::Failed { dead_address }, said),
            Attempt::Stopped(judgement) => (
                Outcome::Stopped,
                Said { relay: None, status: Status::new(5, 7, 1), text: reason(&judgement) },
            ),
            // A clock that jumped expires nothing that was not tried again and again.
            Attempt::Deferred(mut said)
                if attempts > 1 && now.since(message.at) > self.config.queue.expiry.0 =>
            {
                said.status = Status::new(5, 4, 7);
                said.text = format!("given up after {attempts} attempts: {}", said.text);
                (Outcome::Failed { dead_address: false }, said)
            }
            Attempt::Deferred(said) => {
                let next_at = now.after(self.delay(attempts));
                (Outcome::Deferred { next_at }, said)
            }
        };
        if let Outcome::Deferred { next_at } = outcome {
            let last = said.text.clone();
            let kept = self.record(&message, key.1, outcome, attempts, said).await;
            if let Some(item) = self.state().items.get_mut(&key) {
                item.attempts = attempts;
                item.last = Some(last.into());
            }
            self.give_back(key, lease.generation, next_at);
            return kept;
        }
        let is_delivered = outcome == Outcome::Delivered;
        if matches!(outcome, Outcome::Failed { .. }) {
            self.report(&message, key.1, &said).await?;
        }
        let kept = self.record(&message, key.1, outcome, attempts, said).await;
        if is_delivered || kept.is_ok() {
            self.state().give_back(key, lease.generation);
            self.end(key);
        }
        kept
    }

    async fn cancel(&self, selector: Selector) -> u64 {
        let keys = self.state().select(&selector, usize::MAX);
        let mut ended = 0;
        for key in keys {
            let message = self.state().messages.get(&key.0).map(|e| e.message.clone());
            let Some(message) = message else { continue };
            let Origin::Submission { stream, .. } = message.origin else {
                continue;
            };
            let Ok(Some(stream)) = self.accounts.stream_by_id(stream) else {
                continue;
            };
            let to = &message.recipients[key.1 as usize].address;
            let Ok(judgement) = self.policy.judge(&stream, to) else {
                continue;
            };
            if judgement != Judgement::Clear
                && self
                    .end_queued(key, Outcome::Stopped, reason(&judgement))
                    .await
                    .is_ok_and(|is_ended| is_ended)
            {
                ended += 1;
            }
        }
        ended
    }

    async fn remove(&self, selector: Selector, reason: &str) -> Result<u64, SpoolFault> {
        let keys = self.state().select(&selector, usize::MAX);
        let mut ended = 0;
        for key in keys {
            let outcome = Outcome::Cancelled;
            ended += u64::from(self.end_queued(key, outcome, reason.to_owned()).await?);
        }
        Ok(ended)
    }

    async fn retry(&self, selector: Selector) -> u64 {
        let now = self.world.clock.now();
        let mut state = self.state();
        let keys = state.select(&selector, usize::MAX);
        for key in &keys {
            let stand = state.items.get(key).map(|item| item.stand);
            match stand {
                Some(Stand::Queued) => state.schedule(*key, now),
                Some(Stand::Active(_)) => {
                    if let Some(item) = state.items.get_mut(key) {
                        item.then = Some(Stand::Queued);
                    }
                }
                _ => {}
            }
        }
        drop(state);
        self.wake.notify_waiters();
        keys.len() as u64
    }

    async fn hold(&self, selector: Selector, held: bool) -> u64 {
        let now = self.world.clock.now();
        let mut state = self.state();
        let keys = state.select(&selector, usize::MAX);
        for key in &keys {
            let Some(item) = state.items.get_mut(key) else {
                continue;
            };
            match (item.stand, held) {
                (Stand::Active(_), _) => item.then = held.then_some(Stand::Held),
                (Stand::Queued, true) => item.stand = Stand::Held,
                (Stand::Held, false) => state.schedule(*key, now),
                _ => {}
            }
        }
        drop(state);
        self.wake.notify_waiters();
        keys.len() as u64
    }

    async fn list(&self, selector: Selector, limit: usize) -> Vec<ItemView> {
        let state = self.state();
        let keys = state.select(&selector, limit);
        let view = |key: Key| {
            let (item, entry) = (state.items.get(&key)?, state.messages.get(&key.0)?);
            let message = &entry.message;
            Some(ItemView {
                message: message.id.to_string(),
                number: key.1,
                sender: message.sender.to_string(),
                recipient: message.recipients[key.1 as usize].address.to_string(),
                account: message.origin.account(),
                stream: message.origin.stream(),
                size: message.body.length,
                state: match item.stand {
                    Stand::Queued => "queued",
                    Stand::Active(_) => "active",
                    Stand::Held => "held",
                },
                attempts: item.attempts,
                accepted: message.at,
                next_at: item.next_at,
                last: item.last.as_deref().map(str::to_owned),
            })
        };
        keys.into_iter().filter_map(view).collect()
    }

    async fn summary(&self) -> Summary {
        let state = self.state();
        let mut summary = Summary::default();
        let mut domains: HashMap<Domain, u64> = HashMap::new();
        for (key, item) in &state.items {
            match item.stand {
                Stand::Queued => summary.queued += 1,
                Stand::Active(_) => summary.active += 1,
                Stand::Held => summary.held += 1,
            }
            if let Some(domain) = state.domain(*key) {
                *domains.entry(domain).or_default() += 1;
            }
        }
        let mut domains: Vec<_> = domains.into_iter().map(|(d, n)| (d.to_string(), n)).collect();
        domains.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        domains.truncate(50);
        summary.domains = domains;
        summary
    }

    async fn find(
        &self,
        message: MessageId,
        recipient: RecipientNumber,
    ) -> Option<(Arc<Accepted>, RecipientNumber)> {
        let queued = self.state().messages.get(&message).map(|e| e.message.clone());
        let found = match queued {
            Some(found) => found,
            None => {
                let known = scan(self.spool.clone(), move |event, found: &mut Vec<_>| {
                    if let MessageEvent::Accepted(accepted) = event
                        && accepted.id == message
                    {
                        found.push(accepted);
                    }
                    found.is_empty()
                });
                Arc::new(known.await.pop()?)
            }
        };
        ((recipient.0 as usize) < found.recipients.len()).then_some((found, recipient))
    }

    async fn returned(
        &self,
        message: Arc<Accepted>,
        recipient: RecipientNumber,
        said: Said,
        dead_address: bool,
    ) -> Result<(), SpoolFault> {
        // What still waits was never taken for good: its next attempt will say how it ends.
        if self.state().items.contains_key(&(message.id, recipient.0)) {
            return Ok(());
        }
        self.report(&message, recipient.0, &said).await?;
        let outcome = Outcome::Failed { dead_address };
        self.record(&message, recipient.0, outcome, 1, said).await
    }

    async fn events_for(
        &self,
        account: AccountId,
        hash: RecipientHash,
        limit: usize,
    ) -> Vec<MessageEvent> {
        let mut about: HashMap<MessageId, Vec<bool>> = HashMap::new();
        let mut events = scan(self.spool.clone(), move |event, found: &mut Vec<_>| {
            let concerns = match &event {
                MessageEvent::Accepted(message) => {
                    let to: Vec<_> = message.recipients.iter().map(|r| r.hash == hash).collect();
                    let any = message.origin.account() == account && to.contains(&true);
                    if any {
                        about.insert(message.id, to);
                    }
                    any
                }
                MessageEvent::Recipient { message, recipient, .. } => about
                    .get(message)
                    .and_then(|to| to.get(recipient.0 as usize))
                    .is_some_and(|is_it| *is_it),
            };
            if concerns {
                found.push(event);
            }
            true
        })
        .await;
        events.split_off(events.len().saturating_sub(limit))
    }

    fn read(&self, body: &Body) -> BodyReader {
        self.spool.reader(body)
    }
}

/// Reads all events on a blocking thread until `each` says false.
async fn scan<T: Send + 'static>(
    spool: Spool,
    mut each: impl FnMut(MessageEvent, &mut Vec<T>) -> bool + Send + 'static,
) -> Vec<T> {
    let read = move || {
        let mut found = Vec::new();
        let mut from = Sequence(0);
        while let Ok(records) = spool.read(from, CHUNK) {
            for record in &records {
                from = Sequence(record.sequence.0 + 1);
                if let Some(event) = MessageEvent::decode(record)
                    && !each(event, &mut found)
                {
                    return found;
                }
            }
            if records.len() < CHUNK {
                break;
            }
        }
        found
    };
    tokio::task::spawn_blocking(read).await.unwrap_or_default()
}
