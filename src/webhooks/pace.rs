//! How an endpoint is treated by how it answers: with more calls at a time while it takes them, one while it
//! fails, and one a pause once it has failed often.

use crate::config;
use crate::mail::Timestamp;
use crate::world::Chance;
use std::time::Duration;

/// By how much a pause is varied, either way: a part of it.
const JITTER: u32 = 5;
/// A call that takes longer than this is slow, even if it succeeds: many such would take the turns of all.
pub(super) const SLOW: Duration = Duration::from_secs(2);

/// How an endpoint stands.
#[derive(Debug)]
pub(super) struct Pace {
    at_a_time: usize,
    /// Calls that failed since the last that did not.
    failures: u32,
    /// Whether the last call that succeeded was slow.
    is_slow: bool,
    /// Since when none has succeeded, restarts included.
    pub(super) failing_since: Option<Timestamp>,
    /// No call before then.
    pub(super) not_before: Timestamp,
}

/// The pause after so many failures, varied.
pub(super) fn pause(settings: &config::Webhooks, failures: u32, chance: &dyn Chance) -> Duration {
    let place = failures.saturating_sub(1) as usize;
    let delays = &settings.retry_delays;
    let delay = delays.get(place).or(delays.last()).map_or(Duration::ZERO, |span| span.0);
    let part = delay / JITTER;
    let spread = u64::try_from(part.as_millis()).unwrap_or(u64::MAX).saturating_mul(2);
    delay - part + Duration::from_millis(chance.below(spread.saturating_add(1)))
}

impl Pace {
    pub(super) fn new(failing_since: Option<Timestamp>) -> Self {
        let not_before = Timestamp(0);
        Self { at_a_time: 1, failures: 0, is_slow: false, failing_since, not_before }
    }

    /// How many calls may be under way now.
    pub(super) fn allowed(&self, settings: &config::Webhooks) -> usize {
        if self.is_failing(settings) { 1 } else { self.at_a_time }
    }

    /// Whether the last call failed.
    pub(super) fn is_doubtful(&self) -> bool {
        self.failures > 0
    }

    /// Whether its calls wait for one of the few turns, so that those of others need not wait for it.
    pub(super) fn is_apart(&self) -> bool {
        self.is_doubtful() || self.is_slow
    }

    /// Whether so many calls in a row failed that it is called once a pause.
    pub(super) fn is_failing(&self, settings: &config::Webhooks) -> bool {
        self.failures >= settings.failures_max
    }

    /// A call succeeded after so long; whether the endpoint was failing before.
    pub(super) fn succeeded(&mut self, took: Duration, settings: &config::Webhooks) -> bool {
        let was_failing = self.is_failing(settings);
        let most = settings.calls_per_webhook_max.max(1) as usize;
        self.is_slow = took > SLOW;
        self.at_a_time = if self.is_slow { 1 } else { (self.at_a_time + 1).min(most) };
        (self.failures, self.failing_since) = (0, None);
        if was_failing {
            self.not_before = Timestamp(0);
        }
        was_failing
    }

    /// A call failed; `asked` is the pause that the endpoint asked for.
    pub(super) fn failed(
        &mut self,
        now: Timestamp,
        asked: Option<Duration>,
        settings: &config::Webhooks,
        chance: &dyn Chance,
    ) {
        self.at_a_time = 1;
        self.failures = self.failures.saturating_add(1);
        self.failing_since.get_or_insert(now);
        if let Some(asked) = asked {
            let until = now.after(asked.min(settings.retry_after_max.0));
            self.not_before = self.not_before.max(until);
        }
        if self.is_failing(settings) {
            let past = self.failures - settings.failures_max + 1;
            self.not_before = self.not_before.max(now.after(pause(settings, past, chance)));
        }
    }

    /// Whether it has failed for so long, now too.
    pub(super) fn has_failed_for(&self, now: Timestamp, long: Duration) -> bool {
        self.is_doubtful() && self.failing_since.is_some_and(|since| now.since(since) >= long)
    }

    /// Whether something that happened then has waited for a failing endpoint for so long.
    pub(super) fn has_waited(&self, happened: Timestamp, now: Timestamp, long: Duration) -> bool {
        let since = self.failing_since.map_or(now, |since| since.max(happened));
        self.is_doubtful() && now.since(since) >= long
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::SystemChance;

    #[test]
    fn pauses_grow_and_vary_by_a_fifth() {
        let (settings, chance) = (config::Webhooks::default(), SystemChance::new());
        for (failures, delay) in [(1, 5000), (2, 30_000), (8, 14_400_000), (100, 14_400_000)] {
            let pause =
                u64::try_from(pause(&settings, failures, &chance).as_millis()).expect("short");
            assert!(pause >= delay / 5 * 4 && pause <= delay / 5 * 6, "{failures}: {pause}");
        }
    }

    #[test]
    fn an_endpoint_gets_more_while_it_answers_and_one_a_pause_while_it_fails() {
        let (settings, chance) = (config::Webhooks::default(), SystemChance::new());
        let mut pace = Pace::new(None);
        for allowed in [1, 2, 3, 4, 5, 6, 7, 8, 8, 8] {
            assert_eq!(pace.allowed(&settings), allowed);
            assert!(!pace.succeeded(Duration::ZERO, &settings));
        }
        for failures in 1..settings.failures_max {
            pace.failed(Timestamp(1000), None, &settings, &chance);
            assert_eq!(pace.allowed(&settings), 1);
            assert_eq!((pace.not_before, pace.failures), (Timestamp(0), failures));
        }
        pace.failed(Timestamp(2000), None, &settings, &chance);
        assert!(pace.is_failing(&settings) && pace.not_before >= Timestamp(6000));
        assert!(pace.has_failed_for(Timestamp(11_000), Duration::from_secs(10)));
        assert!(!pace.has_waited(Timestamp(5000), Timestamp(11_000), Duration::from_secs(10)));
        assert!(pace.succeeded(Duration::ZERO, &settings), "it was failing");
        assert_eq!((pace.not_before, pace.failing_since), (Timestamp(0), None));
    }

    #[test]
    fn an_endpoint_that_is_slow_stands_apart_with_one_call_until_it_is_quick() {
        let settings = config::Webhooks::default();
        let mut pace = Pace::new(None);
        pace.succeeded(SLOW, &settings);
        assert_eq!((pace.allowed(&settings), pace.is_apart()), (2, false));
        pace.succeeded(SLOW * 2, &settings);
        assert_eq!((pace.allowed(&settings), pace.is_apart()), (1, true));
        assert!(!pace.is_doubtful(), "it is no failure");
        pace.succeeded(SLOW, &settings);
        assert_eq!((pace.allowed(&settings), pace.is_apart()), (2, false));
    }

    #[test]
    fn an_endpoint_that_asks_for_a_pause_gets_it_within_a_limit() {
        let (settings, chance) = (config::Webhooks::default(), SystemChance::new());
        let mut pace = Pace::new(None);
        pace.failed(Timestamp(0), Some(Duration::from_secs(60)), &settings, &chance);
        assert_eq!(pace.not_before, Timestamp(60_000));
        pace.failed(Timestamp(0), Some(Duration::MAX), &settings, &chance);
        assert_eq!(pace.not_before, Timestamp(0).after(settings.retry_after_max.0));
    }
}
