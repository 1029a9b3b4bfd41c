//! Recipients of one message who get the same copy: leased together for one transaction, and their
//! ends written together.

use super::embedded::{Embedded, Guard};
use super::state::{Key, State};
use super::{Attempt, Lease, Queue};
use crate::events::message::{Origin, Outcome};
use crate::mail::{RecipientNumber, Timestamp};
use crate::spool::{Durability, SpoolFault};
use std::sync::Arc;

impl State {
    /// Takes due items of a leased item's message that go to the same domain: those after it, and then
    /// those before. They go along in its transaction, so that they hold no place of their own among
    /// the attempts at their destination.
    fn take_alike(&mut self, lease: &Lease, max: usize, now: Timestamp) -> Vec<(Key, u64)> {
        let recipients = &lease.message.recipients;
        let first = lease.recipient.0 as usize;
        let Some(domain) = recipients.get(first).map(|to| to.address.domain()) else {
            return Vec::new();
        };
        let others = (first + 1..recipients.len()).chain(0..first);
        let mut taken = Vec::new();
        for place in others.filter(|place| recipients[*place].address.domain() == domain) {
            if taken.len() >= max {
                break;
            }
            let key = (lease.message.id, u32::try_from(place).unwrap_or(u32::MAX));
            taken.extend(self.take_along(key, now).map(|generation| (key, generation)));
        }
        taken
    }
}

impl Embedded {
    /// Leases further recipients of a leased item's message along with it, as many as one transaction
    /// takes, where all get the same copy.
    pub(super) fn take_along(&self, lease: &mut Lease) {
        let most = self.config.delivery.recipients_per_transaction_max.saturating_sub(1) as usize;
        if most == 0 || lease.message.recipients.len() < 2 || !self.has_one_copy(lease) {
            return;
        }
        let now = self.world.clock.now();
        let mut state = self.state();
        let taken = state.take_alike(lease, most, now);
        let along = taken.into_iter().map(|(key, generation)| Lease {
            message: lease.message.clone(),
            recipient: RecipientNumber(key.1),
            attempts: state.item(key).map_or(0, |item| item.attempts),
            generation,
            along: Vec::new(),
            guard: Arc::new(Guard::new(self, key, generation)),
        });
        lease.along = along.collect();
    }

    fn has_one_copy(&self, lease: &Lease) -> bool {
        let Origin::Submission { stream, .. } = lease.message.origin else { return true };
        let stream = self.accounts.stream_by_id(stream).ok().flatten();
        stream.is_some_and(|stream| stream.has_one_copy())
    }

    /// Ends the leases of one transaction. What was delivered or has to wait is written in one append:
    /// a crash finds all of it marked, or none.
    pub(super) async fn end_together(
        &self,
        ended: Vec<(Lease, Attempt)>,
    ) -> Result<(), SpoolFault> {
        let now = self.world.clock.now();
        let (mut records, mut marked, mut others) = (Vec::new(), Vec::new(), Vec::new());
        for (lease, attempt) in ended.into_iter().filter(|(lease, _)| self.is_leased(lease)) {
            let told = lease.message.notify(lease.recipient).success;
            match self.decide(&lease, attempt.clone(), now) {
                Some((outcome @ Outcome::Delivered, said)) if !told => {
                    marked.push((lease, outcome, said));
                }
                Some((outcome @ Outcome::Deferred { .. }, said)) if !self.is_late(&lease, now) => {
                    marked.push((lease, outcome, said));
                }
                // Somebody is to be told: a message of its own.
                _ => others.push((lease, attempt)),
            }
        }
        for (lease, outcome, said) in &marked {
            let (number, attempts) = (lease.recipient.0, lease.attempts.saturating_add(1));
            let event = self.event(&lease.message, number, outcome.clone(), attempts, said.clone());
            records.push(event.encode());
        }
        let mut kept = Ok(());
        if !records.is_empty() {
            kept = self.write(records, Durability::Lazy, true).await;
        }
        for (lease, outcome, said) in marked {
            match (outcome, &kept) {
                (Outcome::Deferred { next_at }, _) => {
                    self.deferred(&lease, next_at, (said.text, said.class));
                }
                (_, Ok(())) => self.end(lease.key()),
                // Not sent again by this process. Its body stays: the next one will find no mark.
                (_, Err(_)) => drop(self.state().end(lease.key())),
            }
        }
        for (lease, attempt) in others {
            kept = kept.and(self.finish(lease, attempt).await);
        }
        kept
    }
}
