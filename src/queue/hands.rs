//! What operators and policy do to mail that waits: end it, hold it, hurry it.

use super::embedded::{CHUNK, Embedded};
use super::ending::reason;
use super::shelf::Stand;
use super::state::{Key, Then};
use super::{Said, Selector};
use crate::events::message::{Accepted, Origin, Outcome};
use crate::mail::{RecipientNumber, Status};
use crate::policy::Judgement;
use crate::spool::{Durability, SpoolFault};
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

impl Embedded {
    /// What [`Queue::cancel`](super::Queue::cancel) promises.
    pub(super) async fn end_stopped(&self, selector: &Selector) -> u64 {
        let keys = self.gathered(selector, usize::MAX).await;
        let (mut ended, mut alike) = (0, Vec::new());
        for key in keys {
            let message = self.state().message(key.0);
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
            if judgement == Judgement::Clear {
                continue;
            }
            let text = reason(&judgement);
            if message.refused.contains(&RecipientNumber(key.1)) {
                // Its sender is told.
                let done = self.end_queued(key, Outcome::Stopped, text).await;
                ended += u64::from(done.unwrap_or(false));
            } else {
                alike.push((key, text));
            }
        }
        ended + self.end_all(alike, Outcome::Stopped).await.map_or(0, |(ended, _)| ended)
    }

    /// What [`Queue::remove`](super::Queue::remove) promises.
    pub(super) async fn take_out(
        &self,
        selector: &Selector,
        reason: &str,
    ) -> Result<u64, SpoolFault> {
        let keys = self.gathered(selector, usize::MAX).await;
        let ends = keys.into_iter().map(|key| (key, reason.to_owned())).collect();
        let (mut ended, mut active) = self.end_all(ends, Outcome::Cancelled).await?;
        {
            let mut state = self.state();
            active.retain(|key| {
                let item = state.item_mut(*key);
                item.map(|item| item.then = Some(Then::Cancelled)).is_some()
            });
        }
        if !active.is_empty() {
            // On a task of its own: what is cancelled goes, however long its attempt takes.
            let queue = self.own.upgrade().ok_or(SpoolFault::Busy)?;
            let (count, reason) = (Arc::new(AtomicU64::new(0)), reason.to_owned());
            let counted = count.clone();
            let work = tokio::spawn(async move {
                queue.cancel_active(active, &reason, &counted).await;
            });
            let _ = tokio::time::timeout(self.config.queue.permit_wait_max.0, work).await;
            ended += count.load(Ordering::SeqCst);
        }
        Ok(ended)
    }

    /// What [`Queue::retry`](super::Queue::retry) promises.
    pub(super) async fn make_due(&self, selector: &Selector) -> u64 {
        let now = self.world.clock.now();
        let keys = self.gathered(selector, usize::MAX).await;
        let mut state = self.state();
        let (mut count, mut lanes) = (0, HashSet::new());
        for key in keys {
            // What its sender wants to leave later is not the operator's to send before.
            if state.item(key).is_some_and(|item| item.next_at > now && item.attempts == 0)
                && state.wanted(key).is_some_and(|at| at > now)
            {
                continue;
            }
            let Some(item) = state.item_mut(key) else {
                continue;
            };
            lanes.insert(item.destination);
            match (item.stand, item.then) {
                (Stand::Queued, _) => state.schedule(key, now),
                (Stand::Active(_), None | Some(Then::Due)) => item.then = Some(Then::Due),
                _ => continue,
            }
            count += 1;
        }
        lanes.into_iter().for_each(|lane| state.lanes.open(lane, now));
        drop(state);
        self.wake.notify_waiters();
        count
    }

    /// What [`Queue::hold`](super::Queue::hold) promises.
    pub(super) async fn set_held(
        &self,
        selector: &Selector,
        held: bool,
    ) -> Result<u64, SpoolFault> {
        let mut changed = Vec::new();
        {
            // What is to be held is taken from the attempts before it is written, what is let go after.
            let mut state = self.state();
            for key in state.select(selector, usize::MAX) {
                let changes = if held { state.hold(key) } else { state.is_held(key) };
                let message = if changes { state.message(key.0) } else { None };
                let attempts = state.item(key).map_or(0, |item| item.attempts);
                changed.extend(message.map(|message| (key, message, attempts)));
            }
        }
        let (outcome, text) = match held {
            true => (Outcome::Held, "held by the operator"),
            false => (Outcome::Released, "released by the operator"),
        };
        for part in changed.chunks(CHUNK) {
            let event = |(key, message, attempts): &(Key, Arc<Accepted>, u32)| {
                let status = Status::new(2, 0, 0);
                let said = Said { relay: None, status, text: text.into(), class: None };
                self.event(message, key.1, outcome.clone(), *attempts, said).encode()
            };
            self.spool.append(part.iter().map(event).collect(), Durability::Synced).await?;
            if !held {
                let now = self.world.clock.now();
                let mut state = self.state();
                part.iter().for_each(|(key, _, _)| state.release(*key, now));
            }
        }
        self.wake.notify_waiters();
        Ok(changed.len() as u64)
    }
}
