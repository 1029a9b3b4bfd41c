//! What accounts have used of their limits: messages by the second and the minute, in memory; recipients by
//! the day, kept over a restart, counted in blocks that are written down before they are used. What a
//! crash loses of a block is not sent that day; more than the day's limit never is.

use super::limit::Limits;
use crate::mail::AccountId;
use crate::store::{DayCounts, Store, StoreFault};
use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Accounts whose rate is remembered; past it those are forgotten that have not sent for a while.
const ACCOUNTS_MAX: usize = 10_000;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

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
    rates: Mutex<HashMap<AccountId, [Bucket; 2]>>,
    /// Recipients by the number of the account, whose days are those of its time zone.
    recipients: DayCounts<u32>,
}

impl Spent {
    /// Counts that go on from what is written down.
    pub(super) fn new(store: Store) -> Self {
        Self { rates: Mutex::default(), recipients: DayCounts::new(store, "sent/") }
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
        let mut rates = self.rates.lock().unwrap_or_else(PoisonError::into_inner);
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

    /// To how many recipients an account has sent on a day.
    pub(super) fn sent(&self, account: AccountId, day: u64) -> Result<u64, StoreFault> {
        self.recipients.used(account.0, day)
    }

    /// Counts so many recipients; false, and nothing counted, where the day's limit has no room for them.
    pub(super) async fn take(
        &self,
        (account, day): (AccountId, u64),
        wanted: u64,
        limit: Option<u64>,
    ) -> Result<bool, StoreFault> {
        let mut fits = true;
        let all = |sent: u64| {
            fits = limit.is_none_or(|limit| sent.saturating_add(wanted) <= limit);
            if fits { wanted } else { 0 }
        };
        let (taken, written) = self.recipients.take((account.0, day), limit, all).await?;
        written.inspect_err(|_| self.recipients.undo(account.0, day, taken))?;
        Ok(fits)
    }

    /// Takes back what was counted and is not sent.
    pub(super) fn give_back(&self, account: AccountId, day: u64, unsent: u64) {
        self.recipients.give_back(account.0, day, unsent);
    }

    /// Writes down what was sent, without what was only reserved.
    pub(super) async fn save(&self) {
        for (account, fault) in self.recipients.save().await {
            tracing::warn!(target: "relent::accounts", account, %fault,
                "what it sent today is not written down");
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
