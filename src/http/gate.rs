//! How much each may ask: a bucket for every credential and every address, filled at a steady rate.

use crate::config::Now;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Buckets by who fills them. GCRA: of each only the moment is kept at which it is full again.
pub(super) struct Buckets<K> {
    full_at: Mutex<HashMap<K, Duration>>,
    most: Now<u32>,
    per_minute: Now<u32>,
}

/// What a bucket still holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Left {
    /// Requests that may come at once.
    pub(super) requests: u32,
    /// Seconds until it is full again.
    pub(super) full_in: u64,
}

impl<K: Hash + Eq + Clone> Buckets<K> {
    /// Nobody yet; so many requests a minute each, and so many buckets.
    pub(super) fn new(per_minute: impl Into<Now<u32>>, most: impl Into<Now<u32>>) -> Self {
        let (per_minute, most) = (per_minute.into(), most.into());
        Self { full_at: Mutex::default(), most, per_minute }
    }

    /// Most requests a minute.
    pub(super) fn per_minute(&self) -> u32 {
        self.per_minute.get().max(1)
    }

    /// Takes a request out. Where there is none: how long until there is.
    pub(super) fn take(&self, who: &K, now: Duration) -> Result<Left, Duration> {
        let whole = Duration::from_secs(60);
        let each = whole / self.per_minute();
        let most = self.most.get().max(1) as usize;
        let mut full_at = self.full_at.lock().unwrap_or_else(PoisonError::into_inner);
        if full_at.len() >= most && !full_at.contains_key(who) {
            // Who is full again is as one who never asked.
            full_at.retain(|_, full| *full > now);
            if full_at.len() >= most {
                let oldest = full_at.iter().min_by_key(|(_, full)| **full);
                if let Some(oldest) = oldest.map(|(who, _)| who.clone()) {
                    full_at.remove(&oldest);
                }
            }
        }
        let full = full_at.entry(who.clone()).or_insert(now);
        let next = (*full).max(now) + each;
        let ahead = next.saturating_sub(now);
        if ahead > whole {
            return Err(ahead - whole);
        }
        *full = next;
        let room = (whole - ahead).as_nanos() / each.as_nanos().max(1);
        let requests = u32::try_from(room).unwrap_or(u32::MAX);
        Ok(Left { requests, full_in: seconds(ahead) })
    }
}

/// Whole seconds, rounded up: who waits so long has waited long enough.
pub(super) fn seconds(span: Duration) -> u64 {
    span.as_secs() + u64::from(span.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_empties_and_fills_again() {
        let buckets = Buckets::new(3, 10);
        let at = Duration::from_secs;
        let left: Vec<_> =
            (0..4).map(|_| buckets.take(&"a", at(100)).map(|l| l.requests)).collect();
        assert_eq!(left, [Ok(2), Ok(1), Ok(0), Err(at(20))]);
        assert!(buckets.take(&"b", at(100)).is_ok(), "another has a bucket of its own");
        assert!(buckets.take(&"a", at(119)).is_err());
        assert_eq!(buckets.take(&"a", at(120)), Ok(Left { requests: 0, full_in: 60 }));
        assert_eq!(buckets.take(&"a", at(400)).map(|left| left.requests), Ok(2));
    }

    #[test]
    fn there_are_no_more_buckets_than_the_settings_say() {
        let buckets = Buckets::new(60, 3);
        for who in 0..100 {
            let _left = buckets.take(&who, Duration::from_millis(who));
        }
        assert!(buckets.full_at.lock().expect("no panic").len() <= 3);
    }
}
