//! Readers of what happened to messages, each with a durable cursor of its own: what was read and
//! acted upon is not read again, and what was not acted upon is read again after a restart.

use super::message::MessageEvent;
use crate::config::{self, Section};
use crate::spool::{Durability, Sequence, Spool, SpoolFault};
use crate::store::{Record, Store, StoreFault, Table, Transaction};
use serde::{Deserialize, Serialize};
use std::convert::Infallible;
use tokio::time::Instant;

/// How far a reader has come: the first sequence that it has not dealt with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor(pub Sequence);

impl Record for Cursor {
    const TABLE: Table = Table::Meta;
}

/// How the names of cursors begin.
const PREFIX: &str = "cursor/";

fn key(name: &str) -> String {
    format!("{PREFIX}{name}")
}

impl Cursor {
    /// Where a reader stands; at the beginning where it never read.
    ///
    /// # Errors
    /// The store.
    pub fn read(store: &Store, name: &str) -> Result<Self, StoreFault> {
        let kept = store.get(key(name).as_bytes())?;
        Ok(kept.unwrap_or(Self(Sequence(0))))
    }

    /// The place of the reader who has come furthest.
    ///
    /// # Errors
    /// The store.
    pub fn furthest(store: &Store) -> Result<Sequence, StoreFault> {
        let found = store.scan::<Self>(PREFIX.as_bytes(), None, usize::MAX)?;
        Ok(found.into_iter().map(|(_, Self(place))| place).max().unwrap_or_default())
    }

    /// Moves a reader's cursor with the transaction that does what the events asked for.
    pub fn put(self, t: &mut Transaction<'_>, name: &str) {
        t.put(key(name).as_bytes(), &self);
    }
}

/// Events read together.
#[derive(Debug)]
pub struct Followed {
    /// The events, each with its place.
    pub events: Vec<(Sequence, MessageEvent)>,
    /// The first sequence after all of them.
    pub end: Sequence,
}

/// Follows the log of messages from a cursor on.
pub struct Follower {
    spool: Spool,
    name: &'static str,
    next: Sequence,
    saved: Sequence,
    settings: Section<config::Queue>,
    saved_at: Instant,
}

impl Follower {
    /// Goes on where the reader of this name last stood.
    ///
    /// # Errors
    /// The store.
    pub fn open(
        spool: Spool,
        store: &Store,
        name: &'static str,
        settings: impl Into<Section<config::Queue>>,
    ) -> Result<Self, StoreFault> {
        let Cursor(kept) = Cursor::read(store, name)?;
        let next = kept.min(spool.end());
        if next < kept {
            // The log was restored or its end lost: what comes now must not be taken for read.
            tracing::error!(target: "relent::events", reader = name, kept = kept.0, end = next.0,
                "a reader's place lay past the log's end; it goes on from the end");
        }
        spool.set_cursor(next);
        Ok(Self {
            spool,
            name,
            next,
            saved: next,
            settings: settings.into(),
            saved_at: Instant::now(),
        })
    }

    /// The reader's name, under which its cursor lies.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Waits for events past those read before, and reads them; after `queue.events_save` without any
    /// it hands over none, so that the cursor can be saved. May be given up at any time: what was
    /// not handed over is read again.
    ///
    /// # Errors
    /// The spool cannot be read.
    pub async fn next(&mut self) -> Result<Followed, SpoolFault> {
        let news = self.spool.wait_for(self.next);
        if tokio::time::timeout(self.settings.events_save.0, news).await.is_err() {
            let (events, end) = (Vec::new(), self.next);
            return Ok(Followed { events, end });
        }
        let (spool, from, limit) =
            (self.spool.clone(), self.next, self.settings.events_batch_max.max(1) as usize);
        let read = tokio::task::spawn_blocking(move || spool.read(from, limit)).await;
        let records = read.map_err(|fault| SpoolFault::Unreadable(fault.to_string()))??;
        if records.len() < limit {
            // One read serves all that happens in this time.
            tokio::time::sleep(self.settings.events_delay.0).await;
        }
        let mut events = Vec::with_capacity(records.len());
        let mut end = self.next;
        for record in records {
            end = Sequence(record.sequence.0 + 1);
            match MessageEvent::decode(&record) {
                Some(event) => events.push((record.sequence, event)),
                None => tracing::error!(target: "relent::events", reader = self.name,
                    sequence = record.sequence.0, "a spool record cannot be read and was passed over"),
            }
        }
        self.next = end;
        Ok(Followed { events, end })
    }

    /// Waits until everything that was read is durable: a cursor must never lie past the log's end
    /// after a power cut, where new events would take the numbers of those it has passed.
    ///
    /// # Errors
    /// The spool has stopped or too many writes wait.
    pub async fn secure(&self) -> Result<(), SpoolFault> {
        self.spool.append(Vec::new(), Durability::Synced).await?;
        Ok(())
    }

    /// Tells the log how far the cursor has durably come.
    pub fn moved(&mut self, to: Sequence) {
        self.saved = self.saved.max(to);
        self.spool.set_cursor(self.saved);
    }

    /// Moves the cursor by itself where much, or for long, was read past it.
    ///
    /// # Errors
    /// The store.
    pub async fn save_when_due(&mut self, store: &Store) -> Result<(), StoreFault> {
        if self.is_due() {
            self.save(store).await?;
        }
        Ok(())
    }

    /// Whether much, or for long, was read past the cursor.
    #[must_use]
    pub fn is_due(&self) -> bool {
        let lag = self.next.0.saturating_sub(self.saved.0);
        lag >= u64::from(self.settings.events_batch_max.max(1))
            || self.saved_at.elapsed() >= self.settings.events_save.0
    }

    /// Moves the cursor to the end of what was read, by itself.
    ///
    /// # Errors
    /// The store.
    pub async fn save(&mut self, store: &Store) -> Result<(), StoreFault> {
        self.save_with(store, |_| {}).await.map(|_| ())
    }

    /// Moves the cursor to the end of what was read, with what was learned from it, in one transaction.
    /// False where neither was done.
    ///
    /// # Errors
    /// The store.
    pub async fn save_with(
        &mut self,
        store: &Store,
        learned: impl FnOnce(&mut Transaction<'_>) + Send + 'static,
    ) -> Result<bool, StoreFault> {
        self.saved_at = Instant::now();
        if self.saved >= self.next || self.secure().await.is_err() {
            return Ok(false); // read again after a restart: harmless
        }
        let (name, next) = (self.name, self.next);
        let done = store.transact(move |t| {
            learned(t);
            Cursor(next).put(t, name);
            Ok(Ok::<_, Infallible>(()))
        });
        let Ok(()) = done.await?;
        self.moved(next);
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::super::message::owner;
    use super::*;
    use crate::world::World;

    #[tokio::test]
    async fn a_cursor_outlives_its_reader_and_none_begins_at_the_start() {
        let home = tempfile::tempdir().expect("a folder");
        let store = Store::open(home.path(), &config::Store::default(), &World::real());
        let start = Cursor::read(&store, "desk").expect("store");
        assert_eq!(start, Cursor(Sequence(0)));
        let put = |t: &mut Transaction<'_>| {
            Cursor(Sequence(7)).put(t, "desk");
            Ok(Ok::<_, Infallible>(()))
        };
        let _ = store.transact(put).await.expect("store");
        store.close().await;
        drop(store);
        let store = Store::open(home.path(), &config::Store::default(), &World::real());
        let kept = Cursor::read(&store, "desk").expect("store");
        assert_eq!(kept, Cursor(Sequence(7)));
        let other = Cursor::read(&store, "other").expect("store");
        assert_eq!(other, Cursor(Sequence(0)));
    }

    #[tokio::test]
    async fn a_place_past_the_end_of_the_log_skips_nothing_that_comes() {
        let home = tempfile::tempdir().expect("a folder");
        let store = Store::open(home.path(), &config::Store::default(), &World::real());
        let put = |t: &mut Transaction<'_>| {
            Cursor(Sequence(1000)).put(t, "desk");
            Ok(Ok::<_, Infallible>(()))
        };
        let _ = store.transact(put).await.expect("store");
        let (folder, settings) = (home.path().join("spool"), config::Spool::default());
        let opened = Spool::open(
            &folder,
            &settings,
            owner(std::time::Duration::from_secs(60)),
            &World::real(),
        );
        let (spool, _) = opened.expect("the spool opens");
        let queue = config::Queue::default();
        let follower = Follower::open(spool.clone(), &store, "desk", &queue);
        let mut follower = follower.expect("store");
        let record = (crate::spool::Kind(2), vec![0]);
        spool.append(vec![record], Durability::Synced).await.expect("written");
        assert_eq!(follower.next().await.expect("read").end, spool.end());
        assert_eq!(follower.next, Sequence(2));
    }
}
