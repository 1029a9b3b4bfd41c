//! How often one address may look at pages, so that a program that turns them over leaves room for
//! people. One click is never counted: a mailbox provider sends those of all its users.

use crate::config::Now;
use crate::mail::Timestamp;
use crate::world::crowd::network;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

const MINUTE_MS: u64 = 60_000;

#[derive(Default)]
struct Counts {
    minute: u64,
    by_address: HashMap<IpAddr, u32>,
}

/// Counts looks, a minute at a time.
pub(super) struct Turnstile {
    counts: Mutex<Counts>,
    per_minute_max: Now<u32>,
    askers_max: Now<u32>,
}

impl Turnstile {
    /// So many looks a minute for each of so many addresses.
    pub(super) fn new(
        per_minute_max: impl Into<Now<u32>>,
        askers_max: impl Into<Now<u32>>,
    ) -> Self {
        let (per_minute_max, askers_max) = (per_minute_max.into(), askers_max.into());
        Self { counts: Mutex::default(), per_minute_max, askers_max }
    }

    /// Whether one more look is within the limit. Who is not known by an address, and who comes when
    /// there is no room to count them, is let through.
    pub(super) fn pass(&self, asker: Option<IpAddr>, now: Timestamp) -> bool {
        let Some(asker) = asker.map(network) else { return true };
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let minute = now.0 / MINUTE_MS;
        if counts.minute != minute {
            counts.minute = minute;
            counts.by_address.clear();
        }
        let is_full = counts.by_address.len() >= self.askers_max.get() as usize;
        if is_full && !counts.by_address.contains_key(&asker) {
            return true;
        }
        let looks = counts.by_address.entry(asker).or_default();
        *looks = looks.saturating_add(1);
        *looks <= self.per_minute_max.get()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_counted_a_minute_at_a_time() {
        let turnstile = Turnstile::new(2, 2);
        let at = |last: u8| Some(IpAddr::from([192, 0, 2, last]));
        let now = Timestamp(7 * MINUTE_MS);
        let looks: Vec<_> = (0..3).map(|_| turnstile.pass(at(1), now)).collect();
        assert_eq!(looks, [true, true, false]);
        assert!(turnstile.pass(at(2), now), "another address has a count of its own");
        assert!((0..9).all(|_| turnstile.pass(at(3), now)), "there is no room to count it");
        assert!((0..9).all(|_| turnstile.pass(None, now)));
        assert!(!turnstile.pass(at(1), Timestamp(now.0 + MINUTE_MS - 1)));
        assert!(turnstile.pass(at(1), Timestamp(now.0 + MINUTE_MS)));
    }

    #[test]
    fn a_network_of_one_house_is_one() {
        let turnstile = Turnstile::new(1, 9);
        let at = |text: &str| text.parse().ok();
        assert!(turnstile.pass(at("2001:db8:1:2::1"), Timestamp(0)));
        assert!(!turnstile.pass(at("2001:db8:1:2:ffff::9"), Timestamp(0)));
        assert!(turnstile.pass(at("2001:db8:1:3::1"), Timestamp(0)));
    }
}
