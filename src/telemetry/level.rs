//! How much of each limit is in use: two figures by the name of the setting, so that whoever watches can
//! compare them without knowing either.

use crate::config::Now;
use metrics::Gauge;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Something that a setting limits.
#[derive(Clone)]
pub struct Level {
    used: Gauge,
    limit: Gauge,
    most: Now<u64>,
    /// The limit as it was told last.
    told: Arc<AtomicU64>,
}

/// A part of it that is in use; given back when dropped.
pub struct Amount {
    used: Gauge,
    amount: f64,
}

#[allow(clippy::cast_precision_loss, reason = "a gauge is a float, exact up to 2^53")]
fn float(amount: u64) -> f64 {
    amount as f64
}

impl Level {
    /// Nothing in use of `limit`, as `setting` has it.
    #[must_use]
    pub fn new(setting: &'static str, most: impl Into<Now<u64>>) -> Self {
        let limit = metrics::gauge!("relent_limit", "setting" => setting);
        let used = metrics::gauge!("relent_limit_used", "setting" => setting);
        used.set(0.0);
        let most = most.into();
        let now = most.get();
        limit.set(float(now));
        Self { used, limit, most, told: Arc::new(AtomicU64::new(now)) }
    }

    /// Tells the limit anew where the settings have changed it.
    fn look(&self) {
        let now = self.most.get();
        if self.told.swap(now, Ordering::Relaxed) != now {
            self.limit.set(float(now));
        }
    }

    /// Counts an amount in.
    #[must_use]
    pub fn take(&self, amount: u64) -> Amount {
        self.look();
        let (used, amount) = (self.used.clone(), float(amount));
        used.increment(amount);
        Amount { used, amount }
    }

    /// Says how much is in use, where that is counted elsewhere.
    pub fn set(&self, amount: u64) {
        self.look();
        self.used.set(float(amount));
    }
}

impl Drop for Amount {
    fn drop(&mut self) {
        self.used.decrement(self.amount);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::metrics;

    #[test]
    fn what_is_in_use_is_shown_beside_its_limit_and_given_back() {
        let registry = metrics();
        let level = Level::new("test.things_max", 8);
        let (one, two) = (level.take(1), level.take(2));
        let used =
            |count: u32| format!("relent_limit_used{{setting=\"test.things_max\"}} {count}\n");
        let shown = registry.render();
        assert!(shown.contains("relent_limit{setting=\"test.things_max\"} 8\n"), "{shown}");
        assert!(shown.contains(&used(3)), "{shown}");
        drop(two);
        assert!(registry.render().contains(&used(1)));
        drop(one);
        assert!(registry.render().contains(&used(0)));
    }
}
