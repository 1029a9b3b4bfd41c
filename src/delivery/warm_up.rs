//! How much a new address has sent today, kept over a restart: counted in blocks that are written down
//! before they are used. What a crash loses of a block is not sent that day; more than the day's quota
//! never is.

use crate::config;
use crate::store::{Record, Store, StoreFault, Table};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Blocks that a day's quota has: a crash costs one at most.
const BLOCKS: u64 = 50;

/// What an address has sent on a day, or may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
struct Sent {
    /// Counted from 1970.
    day: u64,
    count: u64,
}

impl Record for Sent {
    const TABLE: Table = Table::Meta;
}

fn key(address: IpAddr) -> String {
    format!("warm-up/{address}")
}

/// The count of one address.
#[derive(Debug, Clone, Copy, Default)]
struct Count {
    sent: Sent,
    /// Up to this much is written down as sent.
    reserved: u64,
}

/// Counts of what addresses that are warmed up have sent.
pub(super) struct Meter {
    store: Store,
    counts: Mutex<HashMap<IpAddr, Count>>,
}

impl Meter {
    /// Counts that go on from what is written down.
    pub(super) fn new(store: Store) -> Self {
        Self { store, counts: Mutex::default() }
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<IpAddr, Count>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The count of a day; another day begins anew.
    fn count<'a>(
        &self,
        counts: &'a mut HashMap<IpAddr, Count>,
        address: IpAddr,
        day: u64,
    ) -> &'a mut Count {
        let count = counts.entry(address).or_insert_with(|| {
            let kept = self.store.get::<Sent>(key(address).as_bytes());
            if let Err(fault) = &kept {
                tracing::warn!(%address, %fault, "what it has sent today cannot be read");
            }
            let sent = kept.ok().flatten().unwrap_or_default();
            Count { sent, reserved: sent.count }
        });
        if count.sent.day != day {
            *count = Count { sent: Sent { day, count: 0 }, reserved: 0 };
        }
        count
    }

    /// How much a source may still send on a day.
    pub(super) fn left(&self, source: &config::Source, day: u64) -> u64 {
        let Some(quota) = source.quota(day) else { return u64::MAX };
        let mut counts = self.counts();
        quota.saturating_sub(self.count(&mut counts, source.address, day).sent.count)
    }

    /// Counts as many of so many messages as the day's quota leaves; how many.
    pub(super) async fn take(&self, source: &config::Source, wanted: usize, day: u64) -> usize {
        let Some(quota) = source.quota(day) else { return wanted };
        let (taken, reserve) = {
            let mut counts = self.counts();
            let count = self.count(&mut counts, source.address, day);
            let left = quota.saturating_sub(count.sent.count);
            let taken = u64::try_from(wanted).unwrap_or(u64::MAX).min(left);
            count.sent.count += taken;
            let is_short = count.sent.count > count.reserved;
            if is_short {
                let block = (quota / BLOCKS).max(1);
                count.reserved = (count.sent.count - 1 + block).min(quota);
            }
            (taken, is_short.then_some(Sent { day, count: count.reserved }))
        };
        if let Some(sent) = reserve
            && let Err(fault) = self.write(source.address, sent, false).await
        {
            // Mail does not wait for a figure; a restart may then send so much more today.
            tracing::warn!(address = %source.address, %fault, "what it sends today is not written down");
        }
        usize::try_from(taken).unwrap_or(wanted)
    }

    /// Writes a count down: an exact one whatever stands there, a block only where it is more. Of two blocks
    /// taken at a time the smaller may come last.
    async fn write(&self, address: IpAddr, sent: Sent, is_exact: bool) -> Result<(), StoreFault> {
        let put = self.store.transact(move |t| {
            let kept = t.get::<Sent>(key(address).as_bytes())?;
            let is_more = kept.is_none_or(|kept| (kept.day, kept.count) < (sent.day, sent.count));
            if is_exact || is_more {
                t.put(key(address).as_bytes(), &sent);
            }
            Ok(Ok::<(), Infallible>(()))
        });
        put.await.map(|_| ())
    }

    /// Writes down what was sent, without what was only reserved.
    pub(super) async fn save(&self) {
        let counts: Vec<_> =
            self.counts().iter().map(|(address, count)| (*address, count.sent)).collect();
        for (address, sent) in counts {
            if let Err(fault) = self.write(address, sent, true).await {
                tracing::warn!(%address, %fault, "what it sent today is not written down");
            }
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
    async fn a_smaller_block_that_is_written_last_takes_nothing_back() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(folder.path(), &config::Store::default(), &World::real());
        let (meter, source) = (Meter::new(store.clone()), source(1000));
        for count in [40, 20] {
            let block = Sent { day: DAY, count };
            meter.write(source.address, block, false).await.expect("written");
        }
        assert_eq!(Meter::new(store.clone()).left(&source, DAY), 960);
        let exact = Sent { day: DAY, count: 21 };
        meter.write(source.address, exact, true).await.expect("written");
        assert_eq!(Meter::new(store).left(&source, DAY), 979);
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
