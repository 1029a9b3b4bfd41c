//! What waits, untried, for a site that nobody can reach: its failed attempts are those of all that waits
//! there, so that it expires as if each had been tried, and senders who want to know are told that it is late.

use super::Outage;
use super::embedded::Embedded;
use super::shelf::Item;
use super::state::{Key, Stand, State};
use crate::events::message::{Accepted, Outcome};
use crate::mail::{AccountId, RecipientNumber, Status, Timestamp};
use std::collections::HashSet;
use std::sync::Arc;
use tokio::task::JoinSet;

/// Items looked at under one lock.
const SLICE: usize = 500;
/// Items that are ended, or whose senders are told, at a time.
const SETTLED_MAX: usize = 64;

/// One that may have waited for too long, or whose sender may be told that it is late.
pub(super) struct Late {
    key: Key,
    message: Arc<Accepted>,
    attempts: u32,
    outage: Arc<Outage>,
}

impl Embedded {
    /// Walks, slice by slice, what waits for sites that nobody can reach.
    pub(super) async fn expire_waiting(&self) -> u64 {
        let mut ended = 0;
        let lines = self.state().lanes.waiting_out();
        for (lane, account, mut left) in lines {
            while left > 0 {
                let count = left.min(SLICE);
                left -= count;
                ended += self.settle_all(self.slice(lane, account, count)).await;
                tokio::task::yield_now().await;
            }
        }
        ended
    }

    /// Looks at so many of what is due for a domain, of an account; the line turns by as many.
    pub(super) fn slice(&self, lane: u32, account: AccountId, count: usize) -> Vec<Late> {
        let (mut found, mut seen) = (Vec::new(), HashSet::new());
        let settings = &self.config.queue;
        let least = settings.expiry.0.min(settings.marketing_expiry.0) / 2;
        let mut state = self.state();
        let Some(outage) = state.lanes.outage(lane) else { return found };
        let may_expire = outage.waited(Timestamp(0)) >= least;
        for _ in 0..count {
            let Some(turned) = state.rotate(lane, account) else { break };
            let Some((key, item)) = turned else { continue };
            // Only what may have waited for long enough is read; one in its line twice, once.
            if (item.warned && item.attempts == 0 && !may_expire) || !seen.insert(key) {
                continue;
            }
            let attempts = item.attempts;
            if let Some(message) = state.message(key.0) {
                found.push(Late { key, message, attempts, outage: outage.clone() });
            }
        }
        found
    }

    /// Settles them, so many at a time that their records share their syncs.
    async fn settle_all(&self, late: Vec<Late>) -> u64 {
        let Some(queue) = self.own.upgrade() else { return 0 };
        let (mut tasks, mut late, mut ended) = (JoinSet::new(), late.into_iter(), 0);
        loop {
            for late in late.by_ref().take(SETTLED_MAX.saturating_sub(tasks.len())) {
                let queue = queue.clone();
                tasks.spawn(async move { queue.settle(late).await });
            }
            match tasks.join_next().await {
                Some(settled) => ended += u64::from(settled.unwrap_or(false)),
                None => return ended,
            }
        }
    }

    /// Ends it, or tells its sender, where that is due; whether it ended.
    pub(super) async fn settle(&self, late: Late) -> bool {
        let Late { key, message, attempts, outage } = late;
        let (now, plan) = (self.world.clock.now(), self.plan(&message));
        let waited = plan.waited(attempts).max(outage.waited(message.due()));
        let mut said = outage.said.clone();
        // What the operator holds, or lets nothing go to, ends by no outage.
        let may_end = |state: &State, item: &Item| {
            item.stand == Stand::Queued && !state.lanes.is_suspended(item.destination, now)
        };
        let is_free = {
            let state = self.state();
            state.item(key).is_some_and(|item| may_end(&state, item))
        };
        if !is_free || !self.has_waited(&message, &plan, waited, now) {
            if self.warning(&message, RecipientNumber(key.1)).is_some_and(|at| at <= now) {
                self.warn(&message, key, attempts, said).await;
            }
            return false;
        }
        let attempts = attempts.saturating_add(outage.failures);
        said.status = Status::new(5, 4, 7);
        said.text = format!("given up after {attempts} attempts: {}", said.text);
        let outcome = Outcome::Failed { dead_address: false };
        let ended = self.end_free_if(key, outcome, said, may_end).await;
        ended.unwrap_or_else(|fault| {
            tracing::warn!(target: "relent::queue", id = %key.0, recipient = key.1, %fault,
                "what has expired could not be ended, and waits on");
            false
        })
    }
}
