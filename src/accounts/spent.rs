//! What accounts have used of their limits: messages by the second and the minute, in memory; recipients by
//! the day, kept over a restart, counted in blocks that are written down before they are used. What a
//! crash loses of a block is not sent that day; more than the day's limit never is.

use super::limit::Limits;
use crate::mail::AccountId;
use crate::store::{Record, Store, StoreFault, Table};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::convert::Infallible;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// Blocks that a day's limit has: a crash costs one at most.
const BLOCKS: u64 = 50;
/// A block where a day has no limit: only what is shown depends on it.
const BLOCK_FREE: u64 = 1000;
/// Accounts whose rate is remembered; past it those are forgotten that have not sent for a while.
const ACCOUNTS_MAX: usize = 10_000;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// How many recipients an account has sent to on a day, or may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Default)]
struct Sent {
    /// Counted from 1970, in the account's time zone.
    day: u64,
    count: u64,
}

impl Record for Sent {
    const TABLE: Table = Table::Meta;
}

fn key(account: AccountId) -> String {
    format!("sent/{}", account.0)
}

/// The count of one account.
#[derive(Debug, Clone, Copy, Default)]
struct Count {
    sent: Sent,
    /// Up to this much is written down as sent.
    reserved: u64,
}

/// So many at once, and as many again in each period.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    /// What is left, in parts of a message: as many as the period has nanoseconds.
    left: u128,
    at: Duration,
}

impl Bucket {
    /// What is left now of `limit` a period.
    fn fill(&mut self, limit: u32, period: Duration, now: Duration) {
        let full = period.as_nanos() * u128::from(limit);
        let gained = now.saturating_sub(self.at).as_nanos() * u128::from(limit);
        self.left = self.left.saturating_add(gained).min(full);
        self.at = now;
    }

    /// How long until there is one.
    fn wait(&self, limit: u32, period: Duration) -> Duration {
        let lacks = period.as_nanos().saturating_sub(self.left);
        let wait = lacks.div_ceil(u128::from(limit.max(1)));
        Duration::from_nanos(u64::try_from(wait).unwrap_or(u64::MAX))
    }
}

/// A limit of messages that is reached, and when it frees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TooFast {
    /// So many messages.
    pub limit: u32,
    /// In so long a time.
    pub period: &'static str,
    /// So long until there is room for one more.
    pub wait: Duration,
}

/// What all accounts have used.
pub(super) struct Spent {
    store: Store,
    rates: Mutex<HashMap<AccountId, [Bucket; 2]>>,
    days: Mutex<HashMap<AccountId, Count>>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Spent {
    /// Counts that go on from what is written down.
    pub(super) fn new(store: Store) -> Self {
        Self { store, rates: Mutex::default(), days: Mutex::default() }
    }

    /// Begins a message, unless the account is too fast. Messages begun are counted, not messages taken.
    pub(super) fn begin(
        &self,
        account: AccountId,
        limits: &Limits,
        now: Duration,
    ) -> Result<(), TooFast> {
        let both = [
            (limits.messages_per_second, SECOND, "second"),
            (limits.messages_per_minute, MINUTE, "minute"),
        ];
        if both.iter().all(|(limit, ..)| limit.is_none()) {
            return Ok(());
        }
        let mut rates = locked(&self.rates);
        if rates.len() >= ACCOUNTS_MAX && !rates.contains_key(&account) {
            rates.retain(|_, buckets| now.saturating_sub(buckets[0].at) < MINUTE);
        }
        let full = Bucket { left: u128::MAX, at: now };
        let buckets = rates.entry(account).or_insert([full; 2]);
        for (bucket, (limit, period, name)) in buckets.iter_mut().zip(both) {
            let Some(limit) = limit else {
                *bucket = full;
                continue;
            };
            bucket.fill(limit, period, now);
            if bucket.left < period.as_nanos() {
                return Err(TooFast { limit, period: name, wait: bucket.wait(limit, period) });
            }
        }
        for (bucket, (limit, period, _)) in buckets.iter_mut().zip(both) {
            if limit.is_some() {
                bucket.left = bucket.left.saturating_sub(period.as_nanos());
            }
        }
        Ok(())
    }

    /// The count of a day; another day begins anew.
    fn count<'a>(
        &self,
        days: &'a mut HashMap<AccountId, Count>,
        account: AccountId,
        day: u64,
    ) -> Result<&'a mut Count, StoreFault> {
        let count = match days.entry(account) {
            Entry::Occupied(known) => known.into_mut(),
            Entry::Vacant(place) => {
                let sent = self.store.get::<Sent>(key(account).as_bytes())?.unwrap_or_default();
                place.insert(Count { sent, reserved: sent.count })
            }
        };
        if count.sent.day != day {
            *count = Count { sent: Sent { day, count: 0 }, reserved: 0 };
        }
        Ok(count)
    }

    /// To how many recipients an account has sent on a day.
    pub(super) fn sent(&self, account: AccountId, day: u64) -> Result<u64, StoreFault> {
        let mut days = locked(&self.days);
        Ok(self.count(&mut days, account, day)?.sent.count)
    }

    /// Counts so many recipients; false, and nothing counted, where the day's limit has no room for them.
    pub(super) async fn take(
        &self,
        (account, day): (AccountId, u64),
        wanted: u64,
        limit: Option<u64>,
    ) -> Result<bool, StoreFault> {
        let reserve = {
            let mut days = locked(&self.days);
            let count = self.count(&mut days, account, day)?;
            let sum = count.sent.count.saturating_add(wanted);
            if limit.is_some_and(|limit| sum > limit) {
                return Ok(false);
            }
            count.sent.count = sum;
            let is_short = sum > count.reserved;
            if is_short {
                let block = limit.map_or(BLOCK_FREE, |limit| (limit / BLOCKS).max(1));
                let ahead = sum.saturating_sub(1).saturating_add(block);
                count.reserved = ahead.min(limit.unwrap_or(u64::MAX)).max(sum);
            }
            is_short.then_some(Sent { day, count: count.reserved })
        };
        if let Some(sent) = reserve
            && let Err(fault) = self.write(account, sent, false).await
        {
            let mut days = locked(&self.days);
            let count = self.count(&mut days, account, day)?;
            count.sent.count = count.sent.count.saturating_sub(wanted);
            count.reserved = count.sent.count.min(count.reserved);
            return Err(fault);
        }
        Ok(true)
    }

    /// Takes back what was counted and is not sent.
    pub(super) fn give_back(&self, account: AccountId, day: u64, unsent: u64) {
        if let Some(count) =
            locked(&self.days).get_mut(&account).filter(|count| count.sent.day == day)
        {
            count.sent.count = count.sent.count.saturating_sub(unsent);
        }
    }

    /// Writes a count down: an exact one whatever stands there, a block only where it is more. Of two blocks
    /// taken at a time the smaller may come last.
    async fn write(
        &self,
        account: AccountId,
        sent: Sent,
        is_exact: bool,
    ) -> Result<(), StoreFault> {
        let put = self.store.transact(move |t| {
            let kept = t.get::<Sent>(key(account).as_bytes())?;
            let is_more = kept.is_none_or(|kept| (kept.day, kept.count) < (sent.day, sent.count));
            if is_exact || is_more {
                t.put(key(account).as_bytes(), &sent);
            }
            Ok(Ok::<(), Infallible>(()))
        });
        put.await.map(|_| ())
    }

    /// Writes down what was sent, without what was only reserved.
    pub(super) async fn save(&self) {
        let counts: Vec<_> = {
            let days = locked(&self.days);
            days.iter().map(|(account, count)| (*account, count.sent)).collect()
        };
        for (account, sent) in counts {
            if let Err(fault) = self.write(account, sent, true).await {
                tracing::warn!(target: "relent::accounts", account = account.0, %fault,
                    "what it sent today is not written down");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use crate::world::World;

    const ACME: AccountId = AccountId(1);
    const DAY: u64 = 20_783;

    fn store(folder: &tempfile::TempDir) -> Store {
        Store::open(folder.path(), &config::Store::default(), &World::real())
    }

    #[tokio::test]
    async fn messages_come_no_faster_than_they_may() {
        let folder = tempfile::tempdir().expect("a folder");
        let spent = Spent::new(store(&folder));
        let limits = Limits {
            messages_per_second: Some(2),
            messages_per_minute: Some(5),
            ..Limits::default()
        };
        let ms = Duration::from_millis;
        let begin = |at: u64| spent.begin(ACME, &limits, ms(1000 + at));
        assert_eq!((begin(0), begin(0)), (Ok(()), Ok(())));
        let wait = ms(500);
        assert_eq!(begin(0), Err(TooFast { limit: 2, period: "second", wait }));
        assert_eq!(begin(499), Err(TooFast { limit: 2, period: "second", wait: ms(1) }));
        assert_eq!(begin(500), Ok(()));
        assert_eq!((begin(1500), begin(1500)), (Ok(()), Ok(())));
        // Five in the minute: the sixth waits for a twelfth of it, but for what has been gained by now.
        assert_eq!(begin(2500), Err(TooFast { limit: 5, period: "minute", wait: ms(9500) }));
        assert_eq!(begin(12_000), Ok(()));
        assert!(begin(12_000).is_err());
        assert_eq!(spent.begin(AccountId(2), &limits, ms(1000)), Ok(()), "another account");
        // A limit that is taken away is none.
        assert_eq!(spent.begin(ACME, &Limits::default(), ms(13_001)), Ok(()));
    }

    #[tokio::test]
    async fn a_crash_costs_a_part_of_the_day_and_never_exceeds_it() {
        let folder = tempfile::tempdir().expect("a folder");
        let (store, limit) = (store(&folder), Some(1000));
        let spent = Spent::new(store.clone());
        for _ in 0..30 {
            assert!(spent.take((ACME, DAY), 1, limit).await.expect("counted"));
        }
        assert_eq!(spent.sent(ACME, DAY).expect("known"), 30);
        assert!(!spent.take((ACME, DAY), 971, limit).await.expect("asked"), "all or none");
        assert_eq!(spent.sent(ACME, DAY).expect("known"), 30);
        // As after a crash: what was reserved counts.
        let after = Spent::new(store.clone());
        let known = after.sent(ACME, DAY).expect("known");
        assert!((30..=50).contains(&known), "{known}");
        let mut sent = 30;
        while after.take((ACME, DAY), 7, limit).await.expect("counted") {
            sent += 7;
        }
        assert!((970..=1000).contains(&sent), "{sent}");
        // As after a stop in good order, and on the next day.
        let next = Spent::new(store.clone());
        assert!(next.take((ACME, DAY + 1), 3, limit).await.expect("counted"));
        next.give_back(ACME, DAY + 1, 1);
        next.give_back(ACME, DAY, 1);
        next.save().await;
        let last = Spent::new(store);
        assert_eq!(last.sent(ACME, DAY + 1).expect("known"), 2);
        assert!(last.take((ACME, DAY + 1), 998, limit).await.expect("counted"));
        assert!(!last.take((ACME, DAY + 1), 1, limit).await.expect("asked"));
        assert!(last.take((ACME, DAY + 1), 1, None).await.expect("counted"), "no limit any more");
        assert!(last.take((ACME, DAY), 1, limit).await.expect("counted"), "a zone further west");
    }
}
