//! How a site takes our mail: what it has said of late, how fast it is served after it said that this is too
//! much, and how long it is left alone while nobody can reach it. No clock, no network: moments are handed in.

use crate::config::Shape;
use crate::config::shaping::Sources;
use crate::mail::{RefusalClass, Timestamp};
use crate::queue::{Attempt, Limits, Outage, Said};
use std::collections::VecDeque;
use std::time::Duration;

/// Answers that are shown.
const ANSWERS_MAX: usize = 5;
/// How far back "lately" reaches, and how many messages say something about a pace.
const LATELY: Duration = Duration::from_secs(60);
const LATELY_MIN: u32 = 10;
/// The pause where the shaping file names none.
const PAUSE: Duration = Duration::from_secs(3600);
/// Pauses remembered of one outage.
const WAITS_MAX: usize = 512;

/// A site that said that this is too much.
#[derive(Debug, Clone, PartialEq)]
struct Slow {
    /// Times that pace and connections are halved.
    level: u32,
    /// From message to message at the first level.
    first: Duration,
    /// When it was last given a step less, or more, by the steady clock.
    stepped: Duration,
    /// Messages taken since.
    taken: u32,
}

/// A site as we know it.
#[derive(Debug, Clone)]
pub(super) struct Standing {
    /// Its servers.
    pub(super) hosts: Vec<String>,
    /// What binds it, and by whose word.
    pub(super) shape: Shape,
    pub(super) sources: Sources,
    slow: Option<Slow>,
    /// Whether it was reached since it is known.
    proven: bool,
    /// Times in a row that it was not.
    failures: u32,
    /// When it was last not, by the steady clock.
    failed: Duration,
    outage: Option<Outage>,
    /// What it said last, newest first, where that was no yes.
    pub(super) answers: VecDeque<(Timestamp, String)>,
    /// Since when messages are counted, how many it took, and from one to the next in the time before.
    counted: (Duration, u32, Option<Duration>),
    /// When it was last used.
    pub(super) used: Duration,
}

/// Whether an answer says: too much, too fast, too many.
pub(super) fn is_too_much(said: &Said) -> bool {
    said.class == Some(RefusalClass::RateLimit)
        || said.relay.is_some() && said.text.starts_with("421")
}

impl Standing {
    /// A site of which nothing is known yet.
    pub(super) fn new(hosts: Vec<String>, (shape, sources): (Shape, Sources)) -> Self {
        Self {
            hosts,
            shape,
            sources,
            slow: None,
            proven: false,
            failures: 0,
            failed: Duration::ZERO,
            outage: None,
            answers: VecDeque::new(),
            counted: (Duration::ZERO, 0, None),
            used: Duration::ZERO,
        }
    }

    /// Whether nothing would be lost by forgetting it.
    pub(super) fn is_at_rest(&self) -> bool {
        self.slow.is_none() && self.failures == 0
    }

    /// Since when nobody could reach it.
    pub(super) fn outage(&self) -> Option<&Outage> {
        self.outage.as_ref()
    }

    /// The outage as it holds at a moment: its pause ends within the longest that there is, however far ahead
    /// the clock was when it began.
    pub(super) fn outage_at(&self, now: Timestamp) -> Option<Outage> {
        let mut outage = self.outage.clone()?;
        let pauses = self.shape.suspend_pauses.iter().map(|pause| pause.0);
        let longest = pauses.max().unwrap_or(PAUSE);
        outage.until = outage.until.min(now.after(longest));
        Some(outage)
    }

    /// Times in a row that nobody could reach it.
    pub(super) fn failures(&self) -> u32 {
        self.failures
    }

    /// Times that its pace is halved.
    pub(super) fn level(&self) -> u32 {
        self.slow.as_ref().map_or(0, |slow| slow.level)
    }

    /// From message to message at some level.
    fn interval(&self, slow: &Slow) -> Duration {
        let doubled = 1_u32.checked_shl(slow.level.saturating_sub(1)).unwrap_or(u32::MAX);
        let longest = self.shape.slow_rate_min.interval().unwrap_or(Duration::MAX);
        slow.first.saturating_mul(doubled).min(longest.max(slow.first))
    }

    /// How fast it is served; `share` are the most connections that any site gets.
    pub(super) fn limits(&self, share: u32) -> Limits {
        let most = self.shape.connections_max.min(share).max(1);
        let usual = self.shape.messages_rate_max.interval();
        let is_doubtful = self.failures > 0 || !self.proven;
        let halved = most.checked_shr(self.level()).unwrap_or(0).max(1);
        Limits {
            connections: if is_doubtful { 1 } else { halved },
            interval: match &self.slow {
                Some(slow) => Some(self.interval(slow).max(usual.unwrap_or_default())),
                None => usual,
            },
            proven: !is_doubtful,
        }
    }

    /// Learns from the end of an attempt that began at a moment of the steady clock; whether its limits
    /// change.
    pub(super) fn heard(
        &mut self,
        attempt: &Attempt,
        begun: Duration,
        steady: Duration,
        now: Timestamp,
    ) -> bool {
        self.used = steady;
        match attempt {
            Attempt::Delivered(_) => {
                self.took(steady);
                if let Some(slow) = &mut self.slow {
                    slow.taken = slow.taken.saturating_add(1);
                }
                self.recover(steady)
            }
            Attempt::Deferred(said) | Attempt::Failed { said, .. } => {
                if said.relay.is_some() {
                    self.answers.push_front((now, said.text.clone()));
                    self.answers.truncate(ANSWERS_MAX);
                }
                is_too_much(said) && self.slow_down(begun, steady)
            }
            Attempt::Stopped(_) | Attempt::Held(_) | Attempt::Waits { .. } | Attempt::Untried => {
                false
            }
        }
    }

    /// Counts a message that it took.
    fn took(&mut self, steady: Duration) {
        let (since, count, _) = &mut self.counted;
        let passed = steady.saturating_sub(*since);
        if passed >= LATELY {
            let before = (*count >= LATELY_MIN).then(|| passed / (*count).max(1));
            self.counted = (steady, 1, before.filter(|_| passed < LATELY * 2));
        } else {
            *count += 1;
        }
    }

    /// From message to message of late, where there were enough to say so.
    fn lately(&self, steady: Duration) -> Option<Duration> {
        let (since, count, before) = self.counted;
        let passed = steady.saturating_sub(since);
        let now = (count >= LATELY_MIN && passed < LATELY * 2).then(|| passed / count.max(1));
        now.or(before)
    }

    /// One step less. What was under way at the last one had no part in the pace since, and says nothing
    /// about it.
    fn slow_down(&mut self, begun: Duration, steady: Duration) -> bool {
        let Some(slow) = &mut self.slow else {
            let usual = self.shape.messages_rate_max.interval().unwrap_or_default();
            let start = self.shape.slow_rate_start.interval().unwrap_or(Duration::from_secs(1));
            let half = self.lately(steady).map_or(start, |lately| start.min(lately * 2));
            let first = half.max(usual * 2);
            self.slow = Some(Slow { level: 1, first, stepped: steady, taken: 0 });
            return true;
        };
        if begun < slow.stepped {
            return false;
        }
        (slow.stepped, slow.taken) = (steady, 0);
        let slow = slow.clone();
        let longest = self.shape.slow_rate_min.interval().unwrap_or(Duration::MAX);
        let is_slowest = self.interval(&slow) >= longest
            && self.shape.connections_max.checked_shr(slow.level).unwrap_or(0) <= 1;
        if !is_slowest && let Some(slow) = &mut self.slow {
            slow.level += 1;
        }
        !is_slowest
    }

    /// As many steps more as it has earned by messages taken or by time; whether there were any.
    pub(super) fn recover(&mut self, steady: Duration) -> bool {
        let Some(slow) = &mut self.slow else { return false };
        let quiet = steady.saturating_sub(slow.stepped).as_millis();
        let by_time = quiet / self.shape.slow_recover_after.0.as_millis().max(1);
        let earned = u32::from(slow.taken >= self.shape.slow_recover_messages)
            .max(u32::try_from(by_time).unwrap_or(u32::MAX));
        if earned == 0 {
            return false;
        }
        (slow.stepped, slow.taken) = (steady, 0);
        slow.level = slow.level.saturating_sub(earned);
        if slow.level == 0 {
            self.slow = None;
        }
        true
    }

    /// It was reached; whether that is news.
    pub(super) fn reached(&mut self, steady: Duration) -> bool {
        self.used = steady;
        let is_news = self.failures > 0 || !self.proven;
        (self.failures, self.outage, self.proven) = (0, None, true);
        is_news
    }

    /// No server of it was reached by an attempt that began at a moment of the steady clock; whether that
    /// counts. Of many attempts at a time it counts once.
    pub(super) fn unreached(
        &mut self,
        said: &Said,
        begun: Duration,
        steady: Duration,
        now: Timestamp,
    ) -> bool {
        self.used = steady;
        if self.failures > 0 && begun < self.failed {
            return false;
        }
        self.failures = self.failures.saturating_add(1);
        self.failed = steady;
        let pause = self.pause();
        let outage = self.outage.get_or_insert_with(|| Outage {
            until: now,
            said: said.clone(),
            failures: 0,
            waits: vec![(now, Duration::ZERO)],
        });
        if let Some((last, waited)) = outage.waits.last().copied() {
            // A clock that jumped makes no wait longer than it was meant to be.
            let meant = outage.until.since(last).max(Duration::from_secs(60));
            outage.waits.push((now, waited + now.since(last).min(meant)));
        }
        if outage.waits.len() > WAITS_MAX {
            outage.waits.remove(1);
        }
        outage.said = said.clone();
        outage.failures = self.failures;
        outage.until = now.after(pause);
        true
    }

    /// The pause after so many failures.
    fn pause(&self) -> Duration {
        let Some(place) = self.failures.checked_sub(self.shape.suspend_after) else {
            return Duration::ZERO;
        };
        let pauses = &self.shape.suspend_pauses;
        let place = (place as usize).min(pauses.len().saturating_sub(1));
        pauses.get(place).map_or(PAUSE, |pause| pause.0)
    }

    /// Takes up an outage of the process before.
    pub(super) fn resume_outage(&mut self, outage: Outage) {
        self.failures = outage.failures;
        self.outage = Some(outage);
    }

    /// Ends a pause: tried at once, and on trial as before.
    pub(super) fn open(&mut self, now: Timestamp) -> bool {
        let outage = self.outage.as_mut().filter(|outage| outage.until > now);
        outage.map(|outage| outage.until = now).is_some()
    }

    /// What binds it from now on.
    pub(super) fn reshape(&mut self, (shape, sources): (Shape, Sources)) {
        (self.shape, self.sources) = (shape, sources);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Rate;
    use crate::mail::Status;

    const SECOND: Duration = Duration::from_secs(1);

    fn standing() -> Standing {
        let mut standing = Standing::new(vec!["mx.a.example".into()], Default::default());
        standing.reached(Duration::ZERO);
        standing
    }

    fn said(text: &str, class: Option<RefusalClass>) -> Said {
        let relay = Some("mx.a.example[192.0.2.1]:25".into());
        Said { relay, status: Status::new(4, 7, 0), text: text.into(), class }
    }

    fn too_much() -> Attempt {
        Attempt::Deferred(said("421 4.7.28 too fast", None))
    }

    fn taken() -> Attempt {
        Attempt::Delivered(said("250 ok", None))
    }

    /// Hears an answer to an attempt that began and ended at this second.
    fn hear(standing: &mut Standing, attempt: &Attempt, at: u32) -> bool {
        standing.heard(attempt, SECOND * at, SECOND * at, Timestamp(u64::from(at) * 1000))
    }

    #[test]
    fn each_answer_of_too_much_halves_pace_and_connections_down_to_the_slowest() {
        let mut site = standing();
        let unhindered = Limits { connections: 10, interval: None, proven: true };
        assert_eq!(site.limits(50), unhindered);
        assert_eq!(site.limits(4).connections, 4, "the share of all");
        let mut seen = Vec::new();
        for at in 1..=8 {
            assert_eq!(hear(&mut site, &too_much(), at), at < 8, "{at}");
            let limits = site.limits(50);
            seen.push((limits.connections, limits.interval.expect("a pace").as_secs()));
        }
        let expected = [(5, 1), (2, 2), (1, 4), (1, 8), (1, 16), (1, 32), (1, 60), (1, 60)];
        assert_eq!(seen, expected);
        assert_eq!(site.answers.len(), 5);
        assert_eq!(site.answers[0], (Timestamp(8000), "421 4.7.28 too fast".into()));
    }

    #[test]
    fn only_too_much_slows_a_site_and_what_was_under_way_counts_once() {
        let mut site = standing();
        let other = Attempt::Deferred(said("451 4.3.0 try later", Some(RefusalClass::Greylisting)));
        assert!(!hear(&mut site, &other, 1));
        let dead = Attempt::Failed { said: said("550 5.1.1 4210 no", None), dead_address: true };
        assert!(!hear(&mut site, &dead, 1));
        let classed = Attempt::Deferred(said("451 4.7.500 busy", Some(RefusalClass::RateLimit)));
        assert!(hear(&mut site, &classed, 2));
        let began_before = site.heard(&too_much(), SECOND, SECOND * 3, Timestamp(3000));
        assert!(!began_before && site.level() == 1);
        let ours = Attempt::Deferred(Said { relay: None, ..said("421 of ours", None) });
        assert!(!hear(&mut site, &ours, 9));
    }

    #[test]
    fn a_slowed_site_recovers_by_messages_taken_or_by_time() {
        let mut site = standing();
        (1..=3).for_each(|at| assert!(hear(&mut site, &too_much(), at)));
        for _ in 0..99 {
            assert!(!hear(&mut site, &taken(), 4));
        }
        assert!(hear(&mut site, &taken(), 5));
        assert_eq!((site.level(), site.limits(50).connections), (2, 2));
        assert!(!site.recover(SECOND * (5 + 299)));
        assert!(site.recover(SECOND * (5 + 300)));
        assert_eq!(site.level(), 1);
        assert!(site.recover(SECOND * (305 + 3000)));
        assert!(site.is_at_rest());
        assert_eq!(site.limits(50).interval, None);
    }

    #[test]
    fn a_fast_site_is_slowed_to_half_of_what_it_took_and_a_paced_one_to_half_its_pace() {
        let mut site = standing();
        for at in 0..=10 {
            for _ in 0..20 {
                hear(&mut site, &taken(), at);
            }
        }
        hear(&mut site, &too_much(), 10);
        let interval = site.limits(50).interval.expect("a pace").as_millis();
        assert!((80..=100).contains(&interval), "{interval} ms, after 20 a second");
        let mut paced = standing();
        paced.shape.messages_rate_max = Rate::new(30, 60);
        assert_eq!(paced.limits(50).interval, Some(SECOND * 2));
        hear(&mut paced, &too_much(), 1);
        assert_eq!(paced.limits(50).interval, Some(SECOND * 4));
    }

    #[test]
    fn a_site_that_nobody_reaches_is_left_alone_for_longer_and_longer() {
        let mut site = standing();
        let (dead, mut now) = (said("no connection within 30s", None), 1_000_u64);
        let mut pauses = Vec::new();
        for _ in 0..9 {
            let steady = Duration::from_secs(now);
            assert!(site.unreached(&dead, steady, steady, Timestamp(now * 1000)));
            assert_eq!(site.limits(50).connections, 1, "one attempt finds out");
            assert!(!site.unreached(&dead, steady - SECOND, steady, Timestamp(now * 1000)));
            let outage = site.outage().expect("an outage");
            pauses.push(outage.until.since(Timestamp(now * 1000)).as_secs());
            now += pauses.last().expect("one").max(&30);
        }
        assert_eq!(pauses, [0, 0, 60, 300, 900, 1800, 3600, 3600, 3600]);
        let outage = site.outage().expect("an outage");
        let all = 30 + 30 + 60 + 300 + 900 + 1800 + 3600 + 3600;
        assert_eq!(outage.waited(Timestamp(0)).as_secs(), all);
        // The clock was set right meanwhile, by two hours.
        let hour = SECOND * 3600;
        let until = outage.until;
        let earlier = Timestamp(until.0 - 7_200_000);
        let held = site.outage_at(earlier).expect("an outage").until;
        assert_eq!(held, earlier.after(hour));
        assert_eq!(site.outage_at(earlier.after(hour)).expect("an outage").until, until);
        assert!(site.open(Timestamp(0)));
        assert!(site.reached(SECOND * 99) && site.outage().is_none());
        assert_eq!(site.limits(50).connections, 10);
    }
}
