//! When mail is tried: the waits between attempts, quiet hours, what a server asks for, and when trying
//! ends.

use super::embedded::Embedded;
use super::ending::reason;
use super::shelf::Item;
use super::state::{Key, Stand};
use super::{Attempt, Lease, Said, Selector, Waits};
use crate::accounts::{QuietHours, Stream, StreamKind};
use crate::config::{self, Config, Span};
use crate::events::message::{Accepted, Origin, Outcome};
use crate::mail::{AccountId, RefusalClass, Status, StreamId, Timestamp, refusal};
use std::sync::Arc;
use std::time::Duration;

/// A daemon that was started less than this share of a message's life ago fails nothing for its age.
const START_SHARE: u32 = 24;

/// How long, and how often, a message is tried.
pub(super) struct Plan<'a> {
    delays: &'a [Span],
    pub(super) expiry: Duration,
    quiet: Option<QuietHours>,
}

impl<'a> Plan<'a> {
    /// The plan of a stream's mail; of our own without one.
    fn of(settings: &'a config::Queue, stream: Option<&Stream>) -> Self {
        let quiet = stream.and_then(|stream| stream.rules.quiet_hours.clone());
        let expiry = settings.expiry.0;
        if stream.is_none_or(|stream| stream.kind != StreamKind::Marketing) {
            return Self { delays: &settings.retry_delays, expiry, quiet };
        }
        let own = &settings.marketing_retry_delays;
        let delays = if own.is_empty() { &settings.retry_delays } else { own };
        Self { delays, expiry: expiry.min(settings.marketing_expiry.0), quiet }
    }

    /// The wait after so many attempts, before chance spreads it.
    fn delay(&self, attempts: u32) -> Duration {
        let place = (attempts.saturating_sub(1) as usize).min(self.delays.len().saturating_sub(1));
        self.delays.get(place).map_or(Duration::from_secs(3600), |delay| delay.0)
    }

    /// How long a recipient has waited between so many attempts, whatever the clock says.
    pub(super) fn waited(&self, attempts: u32) -> Duration {
        let waits = attempts.saturating_sub(1);
        let listed = self.delays.iter().take(waits as usize).map(|delay| delay.0).sum::<Duration>();
        let more =
            u32::try_from(self.delays.len()).map_or(0, |listed| waits.saturating_sub(listed));
        let last = self.delays.last().map_or(Duration::ZERO, |delay| delay.0);
        listed.saturating_add(last.saturating_mul(more))
    }

    /// Whether a recipient has been tried for too long: by the clock and by the waits between attempts, or
    /// by these alone where the clock was ahead once and can say nothing. Quiet hours do not count. What
    /// lay while nothing ran is tried first: `up`, for how long the daemon has run, may be no age of its.
    fn has_expired(&self, age: Duration, waited: Duration, up: Duration) -> bool {
        let has_settled = up >= self.expiry / START_SHARE;
        has_settled && age > self.expiry && waited >= self.expiry / 2 || waited >= self.expiry * 2
    }
}

/// The longest wait between two attempts that we set ourselves.
pub(super) fn longest(config: &Config) -> Duration {
    let queue = &config.queue;
    let all = queue.retry_delays.iter().chain(&queue.marketing_retry_delays);
    let base = all.map(|delay| delay.0).max().unwrap_or_default();
    base + base / 100 * queue.retry_jitter_percent
}

impl Embedded {
    fn stream_of(&self, message: &Accepted) -> Option<Arc<Stream>> {
        match message.origin {
            Origin::Submission { stream, .. } => self.accounts.stream_by_id(stream).ok().flatten(),
            _ => None,
        }
    }

    /// How a message is tried.
    pub(super) fn plan(&self, message: &Accepted) -> Plan<'_> {
        Plan::of(&self.config.queue, self.stream_of(message).as_deref())
    }

    /// What an attempt that was made comes to: what is deferred too long has failed.
    pub(super) fn decide(
        &self,
        lease: &Lease,
        attempt: Attempt,
        now: Timestamp,
    ) -> Option<(Outcome, Said)> {
        let attempts = lease.attempts.saturating_add(1);
        let message = &lease.message;
        Some(match attempt {
            Attempt::Untried | Attempt::Held(_) | Attempt::Waits { .. } => return None,
            Attempt::Delivered(said) => (Outcome::Delivered, said),
            Attempt::Failed { said, dead_address } => (Outcome::Failed { dead_address }, said),
            Attempt::Stopped(judgement) => {
                let status = Status::new(5, 7, 1);
                (
                    Outcome::Stopped,
                    Said { relay: None, status, text: reason(&judgement), class: None },
                )
            }
            Attempt::Deferred(mut said) => {
                let plan = self.plan(message);
                if self.has_expired(lease, &plan, now) {
                    // What TLS kept is not said to be the network's fault.
                    said.status = match said.is_tls() {
                        true => Status { class: 5, ..said.status },
                        false => Status::new(5, 4, 7),
                    };
                    said.text = format!("given up after {attempts} attempts: {}", said.text);
                    (Outcome::Failed { dead_address: false }, said)
                } else {
                    (Outcome::Deferred { next_at: self.next_attempt(lease, &said, now) }, said)
                }
            }
        })
    }

    /// Whether a message has been tried for too long.
    pub(super) fn has_expired(&self, lease: &Lease, plan: &Plan<'_>, now: Timestamp) -> bool {
        let waited = plan.waited(lease.attempts.saturating_add(1));
        self.has_waited(&lease.message, plan, waited, now)
    }

    /// Whether a message has been tried for too long, with so much time between attempts.
    pub(super) fn has_waited(
        &self,
        message: &Accepted,
        plan: &Plan<'_>,
        waited: Duration,
        now: Timestamp,
    ) -> bool {
        if self.is_suspended(message) || self.policy.holds(message.origin.account()) {
            return false;
        }
        let due = message.due();
        let quiet = plan.quiet.as_ref().map_or(Duration::ZERO, |quiet| quiet.within(due, now));
        let up = self.world.clock.steady().saturating_sub(self.started);
        let age = now.since(due).saturating_sub(quiet);
        plan.has_expired(age, waited, up)
    }

    /// When what was deferred is due again: as the schedule has it, no sooner than its server wants, and
    /// not in quiet hours.
    pub(super) fn next_attempt(&self, lease: &Lease, said: &Said, now: Timestamp) -> Timestamp {
        let plan = self.plan(&lease.message);
        let wait = self.spread(plan.delay(lease.attempts.saturating_add(1)));
        let next_at = now.after(wait.max(self.asked(said)));
        // A warning says how things stand when it falls due: that moment is one to try at.
        let warning = self.warning(&lease.message, lease.recipient);
        let next_at = warning.filter(|at| *at > now).map_or(next_at, |at| at.min(next_at));
        plan.quiet.and_then(|quiet| quiet.end(next_at)).map_or(next_at, |end| self.after_quiet(end))
    }

    /// A wait that comes before a first attempt.
    pub(super) fn shortest(&self) -> Duration {
        self.spread(self.config.queue.retry_delays.first().map_or(Duration::ZERO, |delay| delay.0))
    }

    /// How long the server that deferred it wants us to stay away.
    fn asked(&self, said: &Said) -> Duration {
        let has_a_time = [Some(RefusalClass::Greylisting), Some(RefusalClass::RateLimit)];
        let asked = has_a_time.contains(&said.class).then(|| refusal::asked_wait(&said.text));
        asked.flatten().unwrap_or_default().min(self.config.queue.asked_wait_max.0)
    }

    /// A wait, longer by chance.
    fn spread(&self, base: Duration) -> Duration {
        base + self.chance(base / 100 * self.config.queue.retry_jitter_percent)
    }

    fn chance(&self, most: Duration) -> Duration {
        let most = u64::try_from(most.as_millis()).unwrap_or(u64::MAX);
        Duration::from_millis(self.world.chance.below(most))
    }

    fn after_quiet(&self, end: Timestamp) -> Timestamp {
        end.after(self.chance(self.config.queue.quiet_spread.0))
    }

    /// Whether the account of a message that an application submitted is suspended. What cannot be read is
    /// for the permit to say.
    fn is_suspended(&self, message: &Accepted) -> bool {
        let Origin::Submission { account, .. } = message.origin else { return false };
        self.accounts.suspension(account).is_ok_and(|suspension| suspension.is_some())
    }

    /// Of leases, those that may be served now. Others' accounts are suspended, or their streams have quiet
    /// hours: they wait for the end of that, and no attempt is counted. Whoever lets an account send again
    /// makes its mail due.
    pub(super) fn awake(&self, leases: Vec<Lease>, now: Timestamp) -> Vec<Lease> {
        let mut awake = Vec::with_capacity(leases.len());
        for lease in leases {
            if self.is_suspended(&lease.message)
                || self.policy.holds(lease.message.origin.account())
            {
                let at = now.after(self.spread(self.config.accounts.suspended_wait.0));
                self.pass_over(lease.key(), lease.generation, Some(at));
                continue;
            }
            let stream = self.stream_of(&lease.message);
            let quiet = stream.as_ref().and_then(|stream| stream.rules.quiet_hours.as_ref());
            match quiet.and_then(|quiet| quiet.end(now)) {
                Some(end) => {
                    let end = Some(self.after_quiet(end));
                    self.pass_over(lease.key(), lease.generation, end);
                }
                None => awake.push(lease),
            }
        }
        awake
    }

    /// Ends a lease of which its site saw nothing: the place in its pace is another's.
    pub(super) fn pass_over(&self, key: Key, generation: u64, at: Option<Timestamp>) {
        self.state().refund(key, generation);
        self.give_back(key, generation, at);
    }

    /// Why a queued item waits, where that is for its account.
    pub(super) fn waits_for_account(&self, account: AccountId) -> Option<String> {
        let suspension = self.accounts.suspension(account).ok().flatten()?;
        Some(format!("its account is suspended since {}", suspension.since))
    }

    /// Why a queued item of a stream waits, where that is for quiet hours: those of now, or those before
    /// its next attempt.
    pub(super) fn quiet_until(
        &self,
        stream: StreamId,
        next_at: Timestamp,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let stream = self.accounts.stream_by_id(stream).ok().flatten()?;
        self.waits_for(stream.rules.quiet_hours.as_ref()?, next_at, now)
    }

    /// The end of quiet hours that a queued item waits for, if it does.
    fn waits_for(
        &self,
        quiet: &QuietHours,
        next_at: Timestamp,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let spread = self.config.queue.quiet_spread.0;
        let before = Timestamp(next_at.0.saturating_sub(u64::try_from(spread.as_millis()).ok()?));
        quiet.end(now).or_else(|| quiet.end(before).filter(|end| *end > now && *end <= next_at))
    }

    /// Wakes what waits no more.
    pub(super) fn woken(&self, waits: &Waits<'_>) -> u64 {
        let now = self.world.clock.now();
        match waits {
            Waits::Said(said) => {
                self.wake_where(&Selector::All, now, |item| item.last.as_deref() == Some(*said))
            }
            // Nobody has tried anything for as long as it was held.
            Waits::Restore => self.wake_where(&Selector::All, now, |_| true),
            Waits::QuietHours(stream, hours) => {
                self.wake_where(&Selector::Stream(*stream), now, |item| {
                    self.waits_for(hours, item.next_at, now).is_some()
                })
            }
        }
    }

    /// Makes queued items due now for which that holds; not before its time what its sender wants to leave
    /// later.
    fn wake_where(&self, selector: &Selector, now: Timestamp, fits: impl Fn(&Item) -> bool) -> u64 {
        let (mut state, mut count) = (self.state(), 0);
        for key in state.select(selector, usize::MAX) {
            let waits = |item: &Item| {
                matches!(item.stand, Stand::Queued) && item.next_at > now && fits(item)
            };
            let is_one = state.item(key).is_some_and(waits);
            if is_one && state.wanted(key).is_none_or(|at| at <= now) {
                state.schedule(key, now);
                count += 1;
            }
        }
        drop(state);
        self.wake.notify_waiters();
        count
    }

    /// Whether the sender is to be warned now that a recipient still waits.
    pub(super) fn is_late(&self, lease: &Lease, now: Timestamp) -> bool {
        self.warning(&lease.message, lease.recipient).is_some_and(|at| at <= now)
    }

    /// Ends a lease as if nothing had been tried: due after the shortest wait.
    pub(super) fn put_off(&self, key: Key, generation: u64) {
        let at = self.world.clock.now().after(self.shortest());
        self.give_back(key, generation, Some(at));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: Duration = Duration::from_secs(3600);

    #[test]
    fn the_default_is_minutes_then_hours_four_days_in_all_and_one_for_marketing() {
        let settings = config::Queue::default();
        let plan = Plan::of(&settings, None);
        let waits: Vec<u64> = (1..=9).map(|n| plan.delay(n).as_secs() / 60).collect();
        assert_eq!(waits, [1, 5, 15, 30, 60, 120, 240, 240, 240]);
        let up = HOUR * 24;
        let last = (1..200).find(|n| plan.has_expired(plan.waited(*n) + HOUR, plan.waited(*n), up));
        assert_eq!(last, Some(30));
        assert!(plan.waited(30) >= HOUR * 94 && plan.waited(30) <= HOUR * 98);
        let marketing =
            Plan { delays: plan.delays, expiry: settings.marketing_expiry.0, quiet: None };
        let last = (1..200)
            .find(|n| marketing.has_expired(marketing.waited(*n) + HOUR, marketing.waited(*n), up));
        assert_eq!(last, Some(12));
    }

    #[test]
    fn an_age_alone_expires_nothing() {
        let settings = config::Queue::default();
        let plan = Plan::of(&settings, None);
        let old = HOUR * 24 * 30;
        assert!(!plan.has_expired(old, plan.waited(1), old), "it was hardly tried");
        assert!(!plan.has_expired(HOUR, plan.waited(25), old), "it is young");
        assert!(plan.has_expired(old, plan.waited(25), old));
        assert!(!plan.has_expired(old, plan.waited(25), HOUR), "the daemon has hardly run");
        assert!(
            plan.has_expired(HOUR, plan.waited(60), HOUR),
            "eight days of waits outweigh any clock"
        );
    }
}
