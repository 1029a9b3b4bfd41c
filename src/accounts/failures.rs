//! Wrong passwords and tokens: counted for an address and a user together, so that a stranger's guesses
//! never lock the owner out.

use crate::config::Now;
use crate::world::crowd::network;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How long failures are remembered.
const MEMORY: Duration = Duration::from_secs(600);
/// Most pairs of address and user remembered; past it the oldest are forgotten.
const PAIRS_MAX: usize = 10_000;

/// Whose failures are counted: the network of a peer, and the user it names.
pub type Pair = (IpAddr, String);

/// Failed attempts.
pub struct Failures {
    seen: Mutex<HashMap<Pair, (u32, Duration)>>,
    failures_max: Now<u32>,
}

impl Failures {
    /// Nobody yet, and so many at most before a pair has to wait.
    #[must_use]
    pub fn new(failures_max: impl Into<Now<u32>>) -> Self {
        Self { seen: Mutex::default(), failures_max: failures_max.into() }
    }

    /// Whose failures are counted: the stream after the slash is no part of who it is.
    #[must_use]
    pub fn pair(user: &str, peer: IpAddr) -> Pair {
        let name = user.split('/').next().unwrap_or_default();
        (network(peer), name.chars().take(64).collect())
    }

    /// Whether a pair has to wait.
    #[must_use]
    pub fn are_too_many(&self, pair: &Pair, now: Duration) -> bool {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.get(pair).is_some_and(|(count, since)| {
            *count >= self.failures_max.get() && now.saturating_sub(*since) < MEMORY
        })
    }

    /// Counts one more.
    pub fn add(&self, pair: Pair, now: Duration) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.len() >= PAIRS_MAX {
            seen.retain(|_, (_, since)| now.saturating_sub(*since) < MEMORY);
        }
        if seen.len() >= PAIRS_MAX && !seen.contains_key(&pair) {
            let oldest = seen.iter().min_by_key(|(_, (_, since))| *since);
            if let Some(oldest) = oldest.map(|(pair, _)| pair.clone()) {
                seen.remove(&oldest);
            }
        }
        let entry = seen.entry(pair).or_insert((0, now));
        if now.saturating_sub(entry.1) >= MEMORY {
            *entry = (0, now);
        }
        entry.0 += 1;
    }
}
