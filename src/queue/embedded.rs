//! The queue of one node: in memory, rebuilt from the spool.

use super::select::SLICE;
use super::state::{Key, Stand, State, Then};
use super::tally::Tally;
use super::{
    Attempt, Draft, ItemState, ItemView, Lease, Limits, Outage, Queue, Said, Selector, Site,
    SiteView, Summary, Suspension, Waits, rebuild::rebuild, schedule::longest,
};
use crate::accounts::Accounts;
use crate::config::{self, Live};
use crate::events::message::{Accepted, MessageEvent, Origin, Outcome};
use crate::mail::{
    AccountId, Domain, MessageId, RecipientHash, RecipientNumber, RefusalClass, Timestamp,
};
use crate::policy::{Judgement, Permit, Policy};
use crate::spool::{Body, BodyReader, BodyWriter, Record, Spool, SpoolFault};
use crate::store::StoreFault;
use crate::telemetry::Level;
use crate::world::World;
use async_trait::async_trait;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::Notify;

/// Records read, or written, at a time.
pub(super) const CHUNK: usize = 1000;
/// How often, and after what pause, a bounce looks again whether the attempt that it is about has ended.
const RETURN_LOOKS: u32 = 100;
const RETURN_PAUSE: Duration = Duration::from_millis(20);

/// What was said last of an item, and what it was about.
type Last = (String, Option<RefusalClass>);

/// The queue of one node.
pub struct Embedded {
    pub(super) own: Weak<Self>,
    pub(super) spool: Spool,
    pub(super) policy: Policy,
    pub(super) accounts: Accounts,
    pub(super) config: Live,
    pub(super) world: World,
    state: Mutex<State>,
    pub(super) wake: Notify,
    level: Level,
    pub(super) tally: Tally,
    /// When it was opened, by the steady clock.
    pub(super) started: Duration,
}

/// Makes an item due again when its lease is dropped unfinished.
pub(crate) struct Guard {
    queue: Weak<Embedded>,
    key: Key,
    generation: u64,
}

impl Guard {
    pub(super) fn new(queue: &Embedded, key: Key, generation: u64) -> Self {
        Self { queue: queue.own.clone(), key, generation }
    }
}

impl std::fmt::Debug for Guard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Guard({:?}, {})", self.key, self.generation)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(queue) = self.queue.upgrade() {
            queue.give_back(self.key, self.generation, None);
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
        config: Live,
        world: World,
    ) -> Result<Arc<Self>, SpoolFault> {
        let now = world.clock.now();
        // One attempt finds out about a site of which nothing is known; of those never reached there are
        // half of all attempts at most, and of all connections, since each holds one while nobody answers:
        // however many are dead, others have their share.
        let unknown = Limits { connections: 1, interval: None, proven: false };
        let most = |d: &config::Delivery| (d.attempts_max.min(d.connections_max) / 2).max(1);
        let most = config.section(|c| &c.delivery).now(most);
        let mut state = rebuild(&spool, now, State::new(unknown, most))?;
        // The clock may have been ahead when the waits were recorded.
        state.draw_near(now.after(longest(&config)));
        spool.settle();
        let level = Level::new("queue.items_max", config.now(|c| c.queue.items_max));
        let started = world.clock.steady();
        let tally = Tally::new(config.now(|c| c.metrics.accounts_max));
        Ok(Arc::new_cyclic(|own| Self {
            own: own.clone(),
            spool,
            policy,
            accounts,
            config,
            world,
            state: Mutex::new(state),
            wake: Notify::new(),
            level,
            tally,
            started,
        }))
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends a lease without an end of the item: it waits until `at`, or is due at once where there is no
    /// such moment, unless the operator said otherwise meanwhile.
    pub(super) fn give_back(&self, key: Key, generation: u64, at: Option<Timestamp>) {
        let mut state = self.state();
        if state.give_back(key, generation) {
            let then = state.item_mut(key).and_then(|item| item.then.take());
            match at.filter(|_| then != Some(Then::Due)) {
                Some(at) => state.schedule(key, at),
                None => state.hurry(key),
            }
            if let Some(item) = state.item_mut(key)
                && matches!(then, Some(Then::Held | Then::Cancelled))
            {
                item.stand = Stand::Held;
                item.then = then.filter(|then| *then == Then::Cancelled);
            }
        }
        drop(state);
        self.wake.notify_waiters();
    }

    pub(super) fn end(&self, key: Key) {
        let ended = self.state().end(key);
        if let Some(sequence) = ended {
            self.spool.release(sequence);
        }
        self.wake.notify_waiters();
    }

    /// Takes what is due of a site.
    fn take(&self, site: &Site, max: usize, now: Timestamp) -> Vec<Lease> {
        let mut state = self.state();
        state.promote(now);
        let mut leases = Vec::new();
        while leases.len() < max {
            let Some((key, generation)) = state.take(site, now) else {
                break;
            };
            let attempts = state.item(key).map_or(0, |item| item.attempts);
            let Some(message) = state.message(key.0) else {
                continue;
            };
            leases.push(Lease {
                message,
                recipient: RecipientNumber(key.1),
                attempts,
                generation,
                along: Vec::new(),
                guard: Arc::new(Guard::new(self, key, generation)),
            });
        }
        leases
    }

    pub(super) fn is_leased(&self, lease: &Lease) -> bool {
        let state = self.state();
        let item = state.item(lease.key());
        item.is_some_and(|item| item.stand == Stand::Active(lease.generation))
    }

    /// Ends the lease of what waits for its next attempt.
    pub(super) fn deferred(&self, lease: &Lease, next_at: Timestamp, last: Last) {
        let key = lease.key();
        if let Some(item) = self.state().item_mut(key) {
            item.attempts = lease.attempts.saturating_add(1);
            item.last = Some(last.0.into());
            item.class = last.1;
        }
        self.give_back(key, lease.generation, Some(next_at));
    }
}

#[async_trait]
impl Queue for Embedded {
    fn ready(&self) -> Result<(), SpoolFault> {
        self.spool.ready()?;
        if self.state().count() >= self.config.queue.items_max {
            return Err(SpoolFault::QueueFull);
        }
        Ok(())
    }

    fn can_record(&self) -> Result<(), SpoolFault> {
        self.spool.can_record()
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
            let (kind, payload) = event.encode();
            let _ = send.send((event, payload.clone()));
            (kind, payload)
        });
        // On a task of its own: a session that ends now must not leave a durable message unqueued.
        let queue = self.own.upgrade().ok_or(SpoolFault::Busy)?;
        let accepted = tokio::spawn(async move {
            let sequence = queue.spool.accept(body, encode).await?;
            if let Ok((MessageEvent::Accepted(message), payload)) = filled.await {
                let now = queue.world.clock.now();
                let record = Record { sequence, kind: MessageEvent::ACCEPTED, payload };
                // Whatever its record does not give back is kept as it is.
                let is_whole = MessageEvent::decode(&record).is_some();
                let record = is_whole.then_some(record.payload);
                if !queue.state().add(message, record, sequence, now) {
                    // A report that was made twice: it is queued once.
                    queue.spool.release(sequence);
                }
                queue.wake.notify_waiters();
            }
            Ok(id)
        });
        accepted.await.map_err(|fault| SpoolFault::Stopped(fault.to_string()))?
    }

    async fn due(&self) -> Site {
        loop {
            let wake = self.wake.notified();
            tokio::pin!(wake);
            wake.as_mut().enable();
            let now = self.world.clock.now();
            let next = {
                let mut state = self.state();
                let is_held = self.policy.holds_all();
                if state.has_gone_back(now) {
                    tracing::warn!(target: "relent::queue",
                        "the clock went back: what waits is tried within one wait from now");
                    state.draw_near(now.after(longest(&self.config)));
                }
                let next = state.promote(now);
                if !is_held && let Some(site) = state.turn(now) {
                    return site;
                }
                next
            };
            let second = Duration::from_secs(1);
            let wait = next.map_or(second, |at| at.since(now).min(second));
            let _ = tokio::time::timeout(wait, wake).await;
        }
    }

    async fn lease(&self, site: &Site, max: usize) -> Vec<Lease> {
        let now = self.world.clock.now();
        for _ in 0..CHUNK {
            let leases = self.take(site, max, now);
            if leases.is_empty() {
                return leases;
            }
            // What must not be served in these hours waits, and others are looked at.
            let mut awake = self.awake(leases, now);
            if !awake.is_empty() {
                awake.iter_mut().for_each(|lease| self.take_along(lease));
                return awake;
            }
        }
        Vec::new()
    }

    async fn permit(&self, lease: &Lease) -> Result<Result<Permit, Judgement>, StoreFault> {
        // What leaves and cannot be marked would leave again after the next start.
        self.spool.can_mark().map_err(|fault| StoreFault::Short(fault.to_string()))?;
        if let Some(why) = self.policy.held_since_restore(lease.message.origin.account())? {
            return Err(StoreFault::Missing(why));
        }
        let to = &lease.message.recipients[lease.recipient.0 as usize].address;
        let Origin::Submission { stream, .. } = lease.message.origin else {
            return self.permit_own(&lease.message, to);
        };
        let Some(stream) = self.accounts.stream_by_id(stream)? else {
            return Err(StoreFault::Damaged(format!("stream {} is not there", stream.0)));
        };
        let permit = self.policy.permit(&stream, to)?;
        if let Some(suspension) = self.accounts.suspension(stream.account)? {
            let since = suspension.since;
            return Err(StoreFault::Missing(format!("the account is suspended since {since}")));
        }
        // Looked at last, as policy does: who cancels says so first and then waits for the attempt.
        let key = lease.key();
        let then = self.state().item(key).and_then(|item| item.then);
        if then == Some(Then::Cancelled) {
            return Err(StoreFault::Missing("the operator took it out of the queue".into()));
        }
        Ok(permit)
    }

    async fn finish(&self, mut lease: Lease, attempt: Attempt) -> Result<(), SpoolFault> {
        let along = std::mem::take(&mut lease.along);
        if !along.is_empty() {
            let all = along.into_iter().chain([lease]);
            let ended = all.map(|lease| (lease, attempt.clone())).collect();
            return self.end_together(ended).await;
        }
        let key = lease.key();
        if !self.is_leased(&lease) {
            return Ok(());
        }
        if let Attempt::Held(said) = attempt {
            tracing::warn!(target: "relent::delivery", id = %lease.message.id, recipient = key.1,
                status = "held", "{}", said.text);
            if let Some(item) = self.state().item_mut(key) {
                (item.last, item.class) = (Some(said.text.into()), said.class);
            }
            self.put_off(key, lease.generation);
            return Ok(());
        }
        if let Attempt::Waits { said, until } = attempt {
            if let Some(item) = self.state().item_mut(key) {
                (item.last, item.class) = (Some(said.text.into()), said.class);
            }
            self.give_back(key, lease.generation, Some(until));
            return Ok(());
        }
        let now = self.world.clock.now();
        let Some((outcome, said)) = self.decide(&lease, attempt, now) else {
            self.pass_over(key, lease.generation, None); // untried
            return Ok(());
        };
        let waits = matches!(outcome, Outcome::Deferred { .. });
        let late = (waits && self.is_late(&lease, now)).then(|| said.clone());
        let (message, attempts) = (lease.message.clone(), lease.attempts.saturating_add(1));
        let last = (said.text.clone(), said.class);
        let kept = self.conclude(&message, key.1, outcome.clone(), attempts, said).await;
        match (&outcome, &kept) {
            (Outcome::Deferred { next_at }, _) => {
                if let Some(said) = late {
                    self.warn(&message, key, attempts, said).await;
                }
                self.deferred(&lease, *next_at, last);
            }
            // Ended under its lease, so that no other attempt finds it in between.
            (_, Ok(())) => self.end(key),
            (Outcome::Delivered, Err(_)) => {
                // Not sent again by this process. Its body stays: the next one will find no mark.
                self.state().end(key);
            }
            (_, Err(_)) => self.put_off(key, lease.generation),
        }
        kept
    }

    async fn finish_together(&self, ended: Vec<(Lease, Attempt)>) -> Result<(), SpoolFault> {
        self.end_together(ended).await
    }

    fn join(&self, domain: &Domain, site: &Site) -> bool {
        let has_moved = self.state().lanes.join(domain, site);
        self.wake.notify_waiters();
        has_moved
    }

    fn site(&self, domain: &Domain) -> Option<Site> {
        self.state().lanes.site(domain).cloned()
    }

    fn shape(&self, site: &Site, limits: Limits) {
        self.state().lanes.shape(site, limits);
        self.wake.notify_waiters();
    }

    fn pause(&self, site: &Site, outage: Option<Outage>) {
        self.state().lanes.pause(site, outage);
        self.wake.notify_waiters();
    }

    fn suspend(&self, all: Vec<Suspension>) {
        self.state().lanes.suspend(all);
        self.wake.notify_waiters();
    }

    fn sites(&self, domains_max: usize) -> Vec<SiteView> {
        let now = self.world.clock.now();
        self.state().lanes.sites(now, domains_max)
    }

    async fn expire(&self) -> u64 {
        self.expire_waiting().await
    }

    async fn cancel(&self, selector: Selector) -> u64 {
        self.end_stopped(&selector).await
    }

    async fn remove(&self, selector: Selector, reason: &str) -> Result<u64, SpoolFault> {
        self.take_out(&selector, reason).await
    }

    async fn retry(&self, selector: Selector) -> u64 {
        self.make_due(&selector).await
    }

    async fn wake(&self, waits: Waits<'_>) -> u64 {
        self.woken(&waits)
    }

    async fn hold(&self, selector: Selector, held: bool) -> Result<u64, SpoolFault> {
        self.set_held(&selector, held).await
    }

    async fn list(&self, selector: Selector, limit: usize) -> Vec<ItemView> {
        let now = self.world.clock.now();
        let keys = self.gathered(&selector, limit).await;
        let mut found = self.state().list(keys, now);
        for item in found.iter_mut().filter(|item| item.state == ItemState::Queued) {
            let stream = item.stream.filter(|_| item.is_submission);
            let quiet = stream.and_then(|stream| self.quiet_until(stream, item.due_at, now));
            let suspended = stream.and_then(|_| self.waits_for_account(item.account));
            let restored = self.policy.held_since_restore(item.account).ok().flatten();
            if let Some(why) = restored.or(suspended) {
                (item.why, item.next_at) = (why, None);
            } else if let Some(why) = item.stopped.take() {
                item.why = why;
            } else if let Some(end) = quiet {
                item.why = format!("its stream has quiet hours until {end}");
            }
        }
        found
    }

    async fn summary(&self) -> Summary {
        let (mut summary, mut from) = (Summary::default(), 0);
        let now = self.world.clock.now();
        while self.state().count_slice(&mut summary, (from, SLICE), now) {
            from += SLICE;
            tokio::task::yield_now().await;
        }
        summary.domains = self.state().busiest();
        self.level.set(summary.queued + summary.active + summary.held);
        summary
    }

    fn complained(&self, account: AccountId) {
        self.tally.complained(account, &self.accounts);
    }

    async fn find(
        &self,
        message: MessageId,
        recipient: RecipientNumber,
    ) -> Option<(Arc<Accepted>, RecipientNumber)> {
        self.recall(message, recipient).await
    }

    async fn ended(&self, message: MessageId) -> Vec<MessageEvent> {
        self.ends(message).await
    }

    async fn returned(
        &self,
        message: Arc<Accepted>,
        recipient: RecipientNumber,
        said: Said,
        dead_address: bool,
    ) -> Result<(), SpoolFault> {
        // A bounce may come before the attempt that it is about has ended here. A server that is told to
        // come later brings it again.
        let key = (message.id, recipient.0);
        let under_way = || {
            let state = self.state();
            state.item(key).is_some_and(|item| matches!(item.stand, Stand::Active(_)))
        };
        let mut looks = 0;
        while under_way() {
            if looks >= RETURN_LOOKS {
                return Err(SpoolFault::Busy);
            }
            looks += 1;
            tokio::time::sleep(RETURN_PAUSE).await;
        }
        // What still waits was never taken for good: its next attempt will say how it ends.
        if self.state().item(key).is_some() {
            return Ok(());
        }
        let outcome = Outcome::Failed { dead_address };
        self.conclude(&message, recipient.0, outcome, 1, said).await
    }

    async fn events_for(
        &self,
        account: AccountId,
        hash: RecipientHash,
        limit: usize,
    ) -> Vec<MessageEvent> {
        self.events_about(account, hash, limit).await
    }

    fn read(&self, body: &Body) -> BodyReader {
        self.spool.reader(body)
    }
}
