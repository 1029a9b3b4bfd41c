//! Two clocks: the wall's, which may jump and is for people, and the steady one, for waiting.

use crate::mail::Timestamp;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// What time it is.
pub trait Clock: Send + Sync + 'static {
    /// The wall clock.
    fn now(&self) -> Timestamp;
    /// A clock that never jumps or goes back, from an arbitrary start.
    fn steady(&self) -> Duration;
}

/// The machine's clocks.
pub struct SystemClock {
    start: Instant,
}

impl SystemClock {
    /// A steady clock that starts now.
    #[must_use]
    pub fn new() -> Self {
        Self { start: Instant::now() }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    fn steady(&self) -> Duration {
        self.start.elapsed()
    }
}

/// A clock that stands until a test turns it, by milliseconds.
#[cfg(test)]
#[derive(Default)]
pub struct Turned(pub std::sync::atomic::AtomicU64);

#[cfg(test)]
impl Clock for Turned {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(std::sync::atomic::Ordering::SeqCst))
    }

    fn steady(&self) -> Duration {
        Duration::from_millis(self.now().0)
    }
}
