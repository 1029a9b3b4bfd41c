//! Guesses of passwords slowed down: where they come from one place, that place waits, ever longer; where
//! they come from everywhere for one name, its logins are answered late. Nobody can lock a member out from
//! elsewhere, and an unknown name is treated as a known one.

use crate::config;
use crate::world::crowd::network;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The first wait, which each further failure doubles.
const WAIT: Duration = Duration::from_secs(1);
/// The first delay.
const DELAY: Duration = Duration::from_millis(100);
/// Of those remembered, one in so many is forgotten at once where there are too many.
const SHARE: usize = 10;

/// Whose failures are counted.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Whose {
    /// Of a place for a name.
    Pair(IpAddr, String),
    /// Of a place, for all names.
    Place(IpAddr),
    /// For a name, from all places.
    Name(String),
}

/// How many there were, and when the last was, by the steady clock.
#[derive(Debug, Clone, Copy)]
struct Failures {
    count: u32,
    last: Duration,
}

/// Failed logins.
#[derive(Default)]
pub(super) struct Throttle {
    seen: Mutex<HashMap<Whose, Failures>>,
}

/// A first span that each failure past `max` doubles, up to `longest`.
fn grown(first: Duration, count: u32, max: u32, longest: Duration) -> Duration {
    let Some(past) = count.checked_sub(max) else { return Duration::ZERO };
    first.saturating_mul(1_u32.checked_shl(past).unwrap_or(u32::MAX)).min(longest)
}

impl Throttle {
    fn seen(&self) -> MutexGuard<'_, HashMap<Whose, Failures>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Admits an attempt, which counts as failed until it has succeeded: many at a time are no way
    /// around. How long its answer is held back, or how long to wait before the next.
    pub(super) fn admit(
        &self,
        peer: IpAddr,
        name: &str,
        settings: &config::Members,
        now: Duration,
    ) -> Result<Duration, Duration> {
        let (longest, place) = (settings.failure_wait_max.0, network(peer));
        let mut seen = self.seen();
        let count = |whose: &Whose| {
            let failures = seen.get(whose).copied();
            failures.filter(|failures| now.saturating_sub(failures.last) <= longest * 2)
        };
        let (pair, place) = (Whose::Pair(place, name.to_owned()), Whose::Place(place));
        let named = Whose::Name(name.to_owned());
        for (whose, max) in
            [(&pair, settings.failures_max), (&place, settings.failures_per_address_max)]
        {
            let Some(failures) = count(whose) else { continue };
            let until = failures.last + grown(WAIT, failures.count, max, longest);
            if until > now {
                return Err(until - now);
            }
        }
        let of_name = count(&named).map_or(0, |failures| failures.count);
        let max = settings.failures_per_member_max;
        let delay = grown(DELAY, of_name, max, settings.failure_delay_max.0);
        let counts =
            [pair, place, named].map(|whose| (count(&whose).map_or(0, |f| f.count), whose));
        for (count, whose) in counts {
            seen.insert(whose, Failures { count: count.saturating_add(1), last: now });
        }
        forget(&mut seen, settings.failures_remembered_max as usize);
        Ok(delay)
    }

    /// An attempt has succeeded: of its place and name nothing is held against anybody, and nothing of it
    /// is counted.
    pub(super) fn succeeded(&self, peer: IpAddr, name: &str) {
        let place = network(peer);
        let mut seen = self.seen();
        seen.remove(&Whose::Pair(place, name.to_owned()));
        for whose in [Whose::Place(place), Whose::Name(name.to_owned())] {
            if let Some(failures) = seen.get_mut(&whose) {
                failures.count = failures.count.saturating_sub(1);
            }
        }
    }
}

/// Forgets the oldest where there are too many.
fn forget(seen: &mut HashMap<Whose, Failures>, most: usize) {
    if seen.len() <= most {
        return;
    }
    let mut times: Vec<_> = seen.values().map(|failures| failures.last).collect();
    let share = (times.len() / SHARE).max(times.len() - most).min(times.len() - 1);
    let (_, limit, _) = times.select_nth_unstable(share);
    let limit = *limit;
    seen.retain(|_, failures| failures.last >= limit);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(last: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, last])
    }

    fn s(seconds: u64) -> Duration {
        Duration::from_secs(10_000 + seconds)
    }

    #[test]
    fn a_place_waits_ever_longer_for_a_name_and_forgets() {
        let (throttle, settings) = (Throttle::default(), config::Members::default());
        let admit = |at| throttle.admit(ip(1), "ann", &settings, s(at));
        for _ in 0..5 {
            assert_eq!(admit(0), Ok(Duration::ZERO));
        }
        assert_eq!(admit(0), Err(Duration::from_secs(1)));
        assert_eq!(admit(1), Ok(Duration::ZERO));
        assert_eq!(admit(1), Err(Duration::from_secs(2)));
        assert_eq!(admit(3), Ok(Duration::ZERO));
        assert_eq!(admit(4), Err(Duration::from_secs(3)));
        // Another name there, and the same name elsewhere, wait for nothing.
        assert_eq!(throttle.admit(ip(1), "bea", &settings, s(4)), Ok(Duration::ZERO));
        assert_eq!(throttle.admit(ip(2), "ann", &settings, s(4)), Ok(Duration::ZERO));
        // It grows up to a bound, and long after is forgotten.
        let mut at = 7;
        for _ in 0..40 {
            assert!(admit(at).is_ok(), "{at}");
            at += match admit(at) {
                Err(wait) => wait.as_secs(),
                Ok(_) => 0,
            };
            assert!(at < 7 + 40 * 15 * 60);
        }
        assert_eq!(admit(at - 1), Err(Duration::from_secs(1)));
        assert_eq!(admit(at + 3600), Ok(Duration::ZERO));
        assert_eq!(admit(at + 3600), Ok(Duration::ZERO), "it begins anew");
    }

    #[test]
    fn a_right_password_ends_the_waits_of_its_place() {
        let (throttle, settings) = (Throttle::default(), config::Members::default());
        for at in 0..5 {
            assert!(throttle.admit(ip(1), "ann", &settings, s(at)).is_ok());
        }
        throttle.succeeded(ip(1), "ann");
        for at in 5..10 {
            assert_eq!(throttle.admit(ip(1), "ann", &settings, s(at)), Ok(Duration::ZERO));
        }
    }

    #[test]
    fn guesses_from_everywhere_delay_a_name_and_lock_nobody_out() {
        let (throttle, settings) = (Throttle::default(), config::Members::default());
        for from in 0..=255 {
            let admitted = throttle.admit(ip(from), "ann", &settings, s(0));
            assert!(admitted.is_ok_and(|delay| delay <= settings.failure_delay_max.0), "{from}");
        }
        let owner = throttle.admit(IpAddr::from([198, 51, 100, 1]), "ann", &settings, s(0));
        assert_eq!(owner, Ok(settings.failure_delay_max.0));
        assert_eq!(throttle.admit(ip(1), "bea", &settings, s(0)), Ok(Duration::ZERO));
    }

    #[test]
    fn one_place_that_tries_many_names_waits_too() {
        let (throttle, settings) = (Throttle::default(), config::Members::default());
        let admit = |n: u32| throttle.admit(ip(1), &format!("name-{n}"), &settings, s(0));
        let admitted = (0..100).take_while(|n| admit(*n).is_ok()).count();
        assert_eq!(admitted, 30);
    }

    #[test]
    fn so_many_are_remembered_and_no_more() {
        let settings =
            config::Members { failures_remembered_max: 50, ..config::Members::default() };
        let throttle = Throttle::default();
        for n in 0..1000_u16 {
            let [high, low] = n.to_be_bytes();
            let peer = IpAddr::from([10, 0, high, low]);
            let _ = throttle.admit(peer, &format!("name-{n}"), &settings, s(n.into()));
        }
        assert!(throttle.seen().len() <= 50, "{}", throttle.seen().len());
    }
}
