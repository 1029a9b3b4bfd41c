//! How much a new address has sent today, kept over a restart: counted in blocks that are written down
//! before they are used. What a crash loses of a block is not sent that day; more than the day's quota
//! never is.

use crate::config;
use crate::store::{DayCounts, Store};
use std::net::IpAddr;

/// Counts of what addresses that are warmed up have sent.
pub(super) struct Meter(DayCounts<IpAddr>);

impl Meter {
    /// Counts that go on from what is written down.
    pub(super) fn new(store: Store) -> Self {
        Self(DayCounts::new(store, "warm-up/"))
    }

    /// What an address has sent on a day; nothing is known of it where that cannot be read.
    fn sent(&self, address: IpAddr, day: u64) -> u64 {
        self.0.used(address, day).unwrap_or_else(|fault| {
            tracing::warn!(%address, %fault, "what it has sent today cannot be read");
            self.0.begin(address);
            0
        })
    }

    /// How much a source may still send on a day.
    pub(super) fn left(&self, source: &config::Source, day: u64) -> u64 {
        let Some(quota) = source.quota(day) else { return u64::MAX };
        quota.saturating_sub(self.sent(source.address, day))
    }

    /// Counts as many of so many messages as the day's quota leaves; how many.
    pub(super) async fn take(&self, source: &config::Source, wanted: usize, day: u64) -> usize {
        let Some(quota) = source.quota(day) else { return wanted };
        let address = source.address;
        // Whatever can be read of it is known from here on.
        self.sent(address, day);
        let most = u64::try_from(wanted).unwrap_or(u64::MAX);
        let may = |sent: u64| most.min(quota.saturating_sub(sent));
        let taken = self.0.take((address, day), Some(quota), may).await;
        let (taken, written) = taken.unwrap_or_else(|fault| (0, Err(fault)));
        if let Err(fault) = written {
            // Mail does not wait for a figure; a restart may then send so much more today.
            tracing::warn!(%address, %fault, "what it sends today is not written down");
        }
        usize::try_from(taken).unwrap_or(wanted)
    }

    /// Writes down what was sent, without what was only reserved.
    pub(super) async fn save(&self) {
        for (address, fault) in self.0.save().await {
            tracing::warn!(%address, %fault, "what it sent today is not written down");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::World;

    const DAY: u64 = 20_758;

    fn source(quota: u64) -> config::Source {
        let text = format!(
            "address = \"192.0.2.1\"\nwarm_up_from = \"2026-11-01\"\nwarm_up = [{quota}, 5]"
        );
        toml::from_str(&text).expect("a source")
    }

    #[tokio::test]
    async fn a_crash_costs_a_part_of_the_quota_and_never_exceeds_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let settings = config::Store::default();
        let store = Store::open(folder.path(), &settings, &World::real());
        let source = source(1000);
        let meter = Meter::new(store.clone());
        assert_eq!(meter.left(&source, DAY), 1000);
        for _ in 0..30 {
            assert_eq!(meter.take(&source, 1, DAY).await, 1);
        }
        assert_eq!(meter.left(&source, DAY), 970);
        // As after a crash: what was reserved counts.
        let after = Meter::new(store.clone());
        let left = after.left(&source, DAY);
        assert!((950..=970).contains(&left), "{left}");
        let mut sent = 30;
        loop {
            match after.take(&source, 7, DAY).await {
                0 => break,
                taken => sent += taken,
            }
        }
        assert!((980..=1000).contains(&sent), "{sent}");
        // As after a stop in good order, and on the next day.
        let next = Meter::new(store.clone());
        assert_eq!(next.take(&source, 3, DAY + 1).await, 3);
        next.save().await;
        let last = Meter::new(store);
        assert_eq!(last.left(&source, DAY + 1), 2);
        assert_eq!(last.take(&source, 9, DAY + 1).await, 2);
        assert_eq!(last.take(&source, 1, DAY + 1).await, 0);
    }
}
