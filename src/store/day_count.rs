//! Counts of a day that last: taken in blocks which are written down before they are used. What a crash loses
//! of a block is not used that day; more than what may be used never is.

use super::{Record, Store, StoreFault, Table};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::convert::Infallible;
use std::fmt::Display;
use std::hash::Hash;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Blocks that a day has: a crash costs one at most.
const BLOCKS: u64 = 50;
/// A block where a day has no limit: only what is shown depends on it.
const BLOCK_FREE: u64 = 1000;

/// What was used on a day, or may have been.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
struct Used {
    /// Counted from 1970.
    day: u64,
    count: u64,
}

impl Record for Used {
    const TABLE: Table = Table::Meta;
}

/// One count.
#[derive(Debug, Clone, Copy, Default)]
struct Count {
    used: Used,
    /// Up to this much is written down as used.
    reserved: u64,
}

/// What a taking came to: how much was counted, and why that is not written down, if it is not.
pub type Taken = (u64, Result<(), StoreFault>);

/// Counts by key, of a day each.
pub struct DayCounts<K> {
    store: Store,
    /// How their names in the store begin.
    prefix: &'static str,
    counts: Mutex<HashMap<K, Count>>,
}

impl<K: Copy + Eq + Hash + Display> DayCounts<K> {
    /// Counts that go on from what is written down under names that begin like this.
    #[must_use]
    pub fn new(store: Store, prefix: &'static str) -> Self {
        Self { store, prefix, counts: Mutex::default() }
    }

    fn name(&self, key: K) -> String {
        format!("{}{key}", self.prefix)
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<K, Count>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The count of a day; another day begins anew.
    fn count<'a>(
        &self,
        counts: &'a mut HashMap<K, Count>,
        key: K,
        day: u64,
    ) -> Result<&'a mut Count, StoreFault> {
        let count = match counts.entry(key) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => {
                let used = self.store.get::<Used>(self.name(key).as_bytes())?.unwrap_or_default();
                place.insert(Count { used, reserved: used.count })
            }
        };
        if count.used.day != day {
            *count = Count { used: Used { day, count: 0 }, reserved: 0 };
        }
        Ok(count)
    }

    /// How much was used on a day.
    ///
    /// # Errors
    /// The store cannot be read.
    pub fn used(&self, key: K, day: u64) -> Result<u64, StoreFault> {
        Ok(self.count(&mut self.counts(), key, day)?.used.count)
    }

    /// Begins a count at nothing, where what is written down cannot be read.
    pub fn begin(&self, key: K) {
        self.counts().entry(key).or_default();
    }

    /// Counts what `wanted` makes of what was used, of a day that may use so much in all. A count that is not
    /// written down stands in memory.
    ///
    /// # Errors
    /// The store cannot be read: nothing is counted.
    pub async fn take(
        &self,
        (key, day): (K, u64),
        limit: Option<u64>,
        wanted: impl FnOnce(u64) -> u64,
    ) -> Result<Taken, StoreFault> {
        let (taken, reserve) = {
            let mut counts = self.counts();
            let count = self.count(&mut counts, key, day)?;
            let taken = wanted(count.used.count);
            count.used.count = count.used.count.saturating_add(taken);
            let sum = count.used.count;
            let is_short = sum > count.reserved;
            if is_short {
                let block = limit.map_or(BLOCK_FREE, |limit| (limit / BLOCKS).max(1));
                let ahead = sum.saturating_sub(1).saturating_add(block);
                count.reserved = ahead.min(limit.unwrap_or(u64::MAX)).max(sum);
            }
            (taken, is_short.then_some(Used { day, count: count.reserved }))
        };
        let written = match reserve {
            Some(used) => self.write(key, used, false).await,
            None => Ok(()),
        };
        Ok((taken, written))
    }

    /// Takes back what was counted and is not used.
    pub fn give_back(&self, key: K, day: u64, unused: u64) {
        if let Some(count) = self.counts().get_mut(&key).filter(|count| count.used.day == day) {
            count.used.count = count.used.count.saturating_sub(unused);
        }
    }

    /// Takes back what was counted and could not be written down: the next is written again.
    pub fn undo(&self, key: K, day: u64, unwritten: u64) {
        if let Some(count) = self.counts().get_mut(&key).filter(|count| count.used.day == day) {
            count.used.count = count.used.count.saturating_sub(unwritten);
            count.reserved = count.used.count.min(count.reserved);
        }
    }

    /// Writes a count down: an exact one whatever stands there, a block only where it is more. Of two blocks
    /// taken at a time the smaller may come last.
    async fn write(&self, key: K, used: Used, is_exact: bool) -> Result<(), StoreFault> {
        let name = self.name(key);
        let put = self.store.transact(move |t| {
            let kept = t.get::<Used>(name.as_bytes())?;
            let is_more = kept.is_none_or(|kept| (kept.day, kept.count) < (used.day, used.count));
            if is_exact || is_more {
                t.put(name.as_bytes(), &used);
            }
            Ok(Ok::<(), Infallible>(()))
        });
        put.await.map(|_| ())
    }

    /// Writes down what was used, without what was only reserved: whose could not be, and why.
    pub async fn save(&self) -> Vec<(K, StoreFault)> {
        let counts: Vec<_> = self.counts().iter().map(|(key, count)| (*key, count.used)).collect();
        let mut lost = Vec::new();
        for (key, used) in counts {
            if let Err(fault) = self.write(key, used, true).await {
                lost.push((key, fault));
            }
        }
        lost
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use crate::world::World;

    const DAY: u64 = 20_758;

    #[tokio::test]
    async fn a_smaller_block_that_is_written_last_takes_nothing_back() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(folder.path(), &config::Store::default(), &World::real());
        let counts = DayCounts::new(store.clone(), "trial/");
        for count in [40, 20] {
            counts.write(1, Used { day: DAY, count }, false).await.expect("written");
        }
        assert_eq!(DayCounts::new(store.clone(), "trial/").used(1, DAY).expect("read"), 40);
        counts.write(1, Used { day: DAY, count: 21 }, true).await.expect("written");
        assert_eq!(DayCounts::new(store, "trial/").used(1, DAY).expect("read"), 21);
    }
}
