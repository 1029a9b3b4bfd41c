//! How often an address is answered: counted by the day, in memory within bounds, and written down before the answer
//! is, so that a restart gives nobody a second day's worth.

use crate::config::Now;
use crate::mail::{RecipientHash, StreamId, Timestamp};
use crate::store::{Record, Store, StoreFault, Table};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::OnceCell;

/// How long a count runs.
const DAY: Duration = Duration::from_secs(24 * 3600);
/// How the keys of counts begin.
const PREFIX: &[u8] = b"answered/";
/// How many counts are read at a time.
const PAGE: usize = 1000;

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub(super) enum Counted {
    /// Answers to an address, known by its hash under the installation's key.
    Answers(RecipientHash),
    /// Questions to an address.
    Questions(RecipientHash),
    /// Questions about a stream.
    QuestionsAbout(StreamId),
    /// Questions in all.
    AllQuestions,
}

impl Counted {
    fn key(self) -> Vec<u8> {
        let (kind, rest) = match self {
            Self::Answers(to) => (b'a', to.0.to_vec()),
            Self::Questions(to) => (b'q', to.0.to_vec()),
            Self::QuestionsAbout(stream) => (b's', stream.0.to_be_bytes().to_vec()),
            Self::AllQuestions => (b'n', Vec::new()),
        };
        [PREFIX, &[kind], &rest].concat()
    }
}

/// A count as it is written down.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Count {
    counted: Counted,
    begun: Timestamp,
    count: u32,
}

impl Record for Count {
    const TABLE: Table = Table::Meta;
}

/// What a taking changed.
#[derive(Debug, Default)]
struct Changed {
    counts: Vec<Count>,
    gone: Vec<Counted>,
}

type Counts = HashMap<Counted, (Timestamp, u32)>;

/// The counts.
pub(super) struct Limits {
    store: Store,
    counts: Mutex<Counts>,
    loaded: OnceCell<()>,
    entries_max: Now<u32>,
}

impl Limits {
    /// Counts that go on from what is written down, and remember at most so many addresses.
    pub(super) fn new(store: Store, entries_max: impl Into<Now<u32>>) -> Self {
        let loaded = OnceCell::new();
        Self { store, counts: Mutex::default(), loaded, entries_max: entries_max.into() }
    }

    /// Counts one more of each, if none of them is past its limit with it; false, and nothing counted,
    /// where one is. What was counted is on disk then.
    ///
    /// # Errors
    /// The counts cannot be read or written: nothing should be answered.
    pub(super) async fn take(
        &self,
        wanted: &[(Counted, u32)],
        now: Timestamp,
    ) -> Result<bool, StoreFault> {
        self.loaded.get_or_try_init(async || self.load()).await?;
        let Some(changed) = self.counted(wanted, now) else {
            return Ok(false);
        };
        let written = self.store.transact(move |t| {
            for counted in &changed.gone {
                t.remove::<Count>(&counted.key());
            }
            for count in &changed.counts {
                // Of two that are written at a time the smaller may come last.
                let kept = t.get::<Count>(&count.counted.key())?;
                if kept.is_none_or(|kept| (kept.begun, kept.count) < (count.begun, count.count)) {
                    t.put(&count.counted.key(), count);
                }
            }
            Ok(Ok::<(), Infallible>(()))
        });
        written.await.map(|_| true)
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads what is written down.
    fn load(&self) -> Result<(), StoreFault> {
        let mut after: Option<Vec<u8>> = None;
        loop {
            let page = self.store.scan::<Count>(PREFIX, after.as_deref(), PAGE)?;
            let Some((last, _)) = page.last() else {
                return Ok(());
            };
            after = Some(last.clone());
            let mut counts = self.counts();
            counts.extend(page.iter().map(|(_, kept)| (kept.counted, (kept.begun, kept.count))));
        }
    }

    /// Counts in memory; `None` where one is past its limit.
    fn counted(&self, wanted: &[(Counted, u32)], now: Timestamp) -> Option<Changed> {
        let mut counts = self.counts();
        let mut changed = Changed::default();
        // A clock set back begins no day anew.
        let is_over = |begun: Timestamp| now.since(begun) >= DAY;
        if counts.len() + wanted.len() > self.entries_max.get() as usize {
            let gone = counts.extract_if(|_, (begun, _)| is_over(*begun));
            changed.gone.extend(gone.map(|(counted, _)| counted));
        }
        let added = wanted.iter().filter(|(counted, _)| !counts.contains_key(counted)).count();
        let past = |(counted, most): &(Counted, u32)| match counts.get(counted) {
            Some((begun, count)) if !is_over(*begun) => count >= most,
            _ => *most == 0,
        };
        if counts.len() + added > self.entries_max.get() as usize || wanted.iter().any(past) {
            // What is gone from memory is removed with the next that is written.
            counts.extend(changed.gone.iter().map(|counted| (*counted, (Timestamp(0), 0))));
            return None;
        }
        for (counted, _) in wanted {
            let count = counts.entry(*counted).or_insert((now, 0));
            if is_over(count.0) {
                *count = (now, 0);
            }
            count.1 += 1;
            let (begun, count) = *count;
            changed.counts.push(Count { counted: *counted, begun, count });
        }
        Some(changed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use crate::world::World;

    struct Rig {
        folder: tempfile::TempDir,
        limits: Limits,
    }

    impl Rig {
        fn new(entries_max: u32) -> Self {
            let folder = tempfile::tempdir().expect("a folder");
            let limits = Limits::new(Self::store(&folder), entries_max);
            Self { folder, limits }
        }

        fn store(folder: &tempfile::TempDir) -> Store {
            Store::open(folder.path(), &config::Store::default(), &World::real())
        }

        async fn restarted(self, entries_max: u32) -> Self {
            let Self { folder, limits } = self;
            limits.store.close().await;
            drop(limits);
            let limits = Limits::new(Self::store(&folder), entries_max);
            Self { folder, limits }
        }

        async fn take(&self, wanted: &[(Counted, u32)], at: Timestamp) -> bool {
            self.limits.take(wanted, at).await.expect("a store")
        }

        async fn answered(&self, to: u8, most: u32, at: Timestamp) -> bool {
            self.take(&[(answers(to), most)], at).await
        }
    }

    fn answers(to: u8) -> Counted {
        Counted::Answers(RecipientHash([to; 16]))
    }

    #[tokio::test]
    async fn an_address_is_answered_so_often_a_day() {
        let rig = Rig::new(100);
        for at in [Timestamp(1_000_000), Timestamp(1_000_000).after(DAY)] {
            for expected in [true, true, false] {
                assert_eq!(rig.answered(1, 2, at).await, expected, "{at}");
            }
        }
        assert!(rig.answered(2, 2, Timestamp(1_000_000)).await, "another has its own count");
    }

    #[tokio::test]
    async fn a_restart_gives_nobody_a_second_days_worth() {
        let at = Timestamp(1_000_000);
        let mut rig = Rig::new(100);
        for expected in [true, true, false] {
            assert_eq!(
                rig.take(&[(answers(1), 2), (Counted::AllQuestions, 9)], at).await,
                expected
            );
            rig = rig.restarted(100).await;
        }
        assert!(!rig.answered(1, 2, at).await);
        assert!(rig.answered(1, 2, at.after(DAY)).await, "the next day is its own");
    }

    #[tokio::test]
    async fn what_is_past_one_limit_counts_for_no_other() {
        let rig = Rig::new(100);
        let at = Timestamp(5);
        let both = [(answers(1), 5), (Counted::AllQuestions, 1)];
        assert!(rig.take(&both, at).await && !rig.take(&both, at).await);
        for _ in 0..4 {
            assert!(rig.answered(1, 5, at).await);
        }
        assert!(!rig.answered(1, 5, at).await);
    }

    #[tokio::test]
    async fn what_is_remembered_is_bounded() {
        let mut rig = Rig::new(3);
        let at = Timestamp(5);
        for to in 0..10 {
            assert_eq!(rig.answered(to, 9, at).await, to < 3);
        }
        assert!(rig.answered(0, 9, at).await, "who is remembered is answered still");
        assert!(rig.answered(9, 9, at.after(DAY)).await, "the next day has room again");
        let kept = rig.limits.store.scan::<Count>(PREFIX, None, 10).expect("a store");
        assert_eq!(kept.len(), 1, "on disk too");
        rig = rig.restarted(2).await;
        assert!(rig.answered(8, 9, at.after(DAY)).await);
    }
}
