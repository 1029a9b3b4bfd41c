//! The store as the other parts hold it: typed reads, and changes sent to the committer.

#[cfg(test)]
mod tests;

use super::committer::{self, Anew, Job, Overlay, Reopen, Shared, Standing};
use super::engine::{Engine, EngineFault, Row};
use super::recent::Recent;
use super::value::{decode, encode};
use super::{Record, StoreFault, Table, opening};
use crate::config;
use crate::telemetry::{Amount, Level};
use crate::world::{Reserve, World};
use serde::{Deserialize, Serialize};
use std::convert::Infallible;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{mpsc, oneshot, watch};

/// Keys with their records; none where one cannot be read.
pub(crate) type Examined<R> = Vec<(Vec<u8>, Option<R>)>;
/// Keys, and after which to go on.
pub(crate) type Holding = (Vec<Vec<u8>>, Option<Vec<u8>>);

/// How the names of counters begin.
const COUNTERS: &[u8] = b"count/";

/// The way to the committer.
type Line = mpsc::Sender<(Box<dyn Job>, Amount)>;

/// A handle to the store. Cheap to clone. Reads see everything that was acknowledged.
#[derive(Clone)]
pub struct Store {
    shared: Arc<Shared>,
    line: Arc<Mutex<Option<Line>>>,
    pending: Level,
    thread: Arc<Mutex<Option<std::thread::JoinHandle<()>>>>,
}

/// One change of several records, all or nothing. Reads see the writes made in it before.
pub struct Transaction<'a> {
    engine: &'a dyn Engine,
    batch: &'a Overlay,
    own: Overlay,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Counter(pub(super) u64);

impl Record for Counter {
    const TABLE: Table = Table::Meta;
}

impl Store {
    /// Opens or creates the store in `directory`. A store that cannot be opened is still returned,
    /// damaged: every call then answers [`StoreFault::Damaged`], so that the daemon can start, hold
    /// mail and say why.
    #[must_use]
    pub fn open(directory: &Path, settings: &config::Store, world: &World) -> Self {
        let reserve = world.reserve.clone();
        let (folder, world) = (directory.to_owned(), world.clone());
        let (kind, cache) = (settings.engine, settings.cache.bytes());
        let theirs = (folder.clone(), world.clone());
        let anew: Anew = Box::new(move |engine, size_max| {
            opening::write_anew(&theirs.0, (kind, cache), engine, size_max, &theirs.1)
        });
        let reopen: Reopen = Box::new(move || opening::open(&folder, kind, cache, &world));
        Self::over(reopen, Some(anew), settings, reserve)
    }

    fn over(
        reopen: Reopen,
        anew: Option<Anew>,
        settings: &config::Store,
        reserve: Arc<Reserve>,
    ) -> Self {
        let opened = reopen();
        let (broken, _) = watch::channel(false);
        let closed = Standing::Ended(StoreFault::Closed);
        let (standing, compaction) = (Mutex::new(closed), Mutex::default());
        let recent = Recent::new(settings.recent_size_max.bytes());
        let meanwhile = Mutex::default();
        let shared =
            Shared { standing, reopen, reserve, broken, anew, compaction, recent, meanwhile };
        let standing = match opened {
            Ok(engine) => Standing::Open(engine.into()),
            Err(fault) => shared.after(&fault),
        };
        *shared.standing.lock().unwrap_or_else(PoisonError::into_inner) = standing;
        let shared = Arc::new(shared);
        let pending = usize::try_from(settings.pending_max.max(1)).unwrap_or(1);
        let batch = usize::try_from(settings.batch_max.max(1)).unwrap_or(1);
        let (line, jobs) = mpsc::channel(pending);
        let level = Level::new("store.pending_max", pending as u64);
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("store".into())
            .spawn(move || committer::run(&theirs, jobs, batch));
        let thread = match thread {
            Ok(thread) => Some(thread),
            Err(fault) => {
                shared.failed(EngineFault::Disk(format!("no thread for the store: {fault}")));
                None
            }
        };
        Self {
            shared,
            line: Arc::new(Mutex::new(Some(line))),
            pending: level,
            thread: Arc::new(Mutex::new(thread)),
        }
    }

    /// What the handles and the committer share.
    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Whether the store can be read and written.
    ///
    /// # Errors
    /// [`StoreFault::Damaged`], [`StoreFault::Failed`] or [`StoreFault::Short`].
    pub fn ready(&self) -> Result<(), StoreFault> {
        self.shared.engine().map(|_| ())
    }

    /// Waits until the disk has failed, and says how: only a new start reads and writes again.
    pub async fn failed(&self) -> StoreFault {
        let mut broken = self.shared.broken.subscribe();
        let _ = broken.wait_for(|broken| *broken).await;
        self.ready().err().unwrap_or(StoreFault::Closed)
    }

    /// Whether the disk has not failed.
    ///
    /// # Errors
    /// How it failed: only a new start goes on.
    pub fn sound(&self) -> Result<(), StoreFault> {
        if *self.shared.broken.borrow() {
            return self.ready();
        }
        Ok(())
    }

    /// One record.
    ///
    /// # Errors
    /// Any [`StoreFault`]: a value that cannot be decoded is damage, never absence.
    pub fn get<R: Record>(&self, key: &[u8]) -> Result<Option<R>, StoreFault> {
        let found = self.shared.value(R::TABLE, key)?;
        found.map(|bytes| decode(key, &bytes)).transpose()
    }

    /// Whether there is a record; it is not decoded.
    ///
    /// # Errors
    /// Any [`StoreFault`].
    pub fn has<R: Record>(&self, key: &[u8]) -> Result<bool, StoreFault> {
        Ok(self.shared.value(R::TABLE, key)?.is_some())
    }

    /// Many records, in the order of their keys here, as of one moment. They are read in the order in
    /// which they lie.
    ///
    /// # Errors
    /// Any [`StoreFault`].
    pub fn get_many<R: Record, K: AsRef<[u8]>>(
        &self,
        keys: &[K],
    ) -> Result<Vec<Option<R>>, StoreFault> {
        let mut order: Vec<usize> = (0..keys.len()).collect();
        order.sort_unstable_by_key(|place| keys[*place].as_ref());
        let sorted: Vec<&[u8]> = order.iter().map(|place| keys[*place].as_ref()).collect();
        let values = self.shared.engine()?.get_many(R::TABLE, &sorted)?;
        let mut found: Vec<Option<R>> = Vec::new();
        found.resize_with(keys.len(), || None);
        for (place, value) in order.into_iter().zip(values) {
            let key = keys[place].as_ref();
            found[place] = value.map(|bytes| decode(key, &bytes)).transpose()?;
        }
        Ok(found)
    }

    /// Up to `limit` records whose key begins with `prefix` and is greater than `after`, in order.
    ///
    /// # Errors
    /// Any [`StoreFault`].
    pub fn scan<R: Record>(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, R)>, StoreFault> {
        let rows = self.shared.engine()?.scan(R::TABLE, prefix, after, limit)?;
        rows.into_iter().map(typed).collect()
    }

    /// What a named counter has come to; see [`Transaction::count`].
    ///
    /// # Errors
    /// Any [`StoreFault`].
    pub fn counted(&self, counter: &str) -> Result<u64, StoreFault> {
        let counted = self.get::<Counter>(format!("count/{counter}").as_bytes())?;
        Ok(counted.map_or(0, |count| count.0))
    }

    /// The same, with nothing in place of what cannot be read: for who asks whether rows are whole.
    ///
    /// # Errors
    /// The engine's.
    pub fn examine<R: Record>(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Examined<R>, StoreFault> {
        let rows = self.shared.engine()?.scan(R::TABLE, prefix, after, limit)?;
        let read = |(key, value): Row| {
            let record = decode(&key, &value).ok();
            (key, record)
        };
        Ok(rows.into_iter().map(read).collect())
    }

    /// Keys of a table whose values hold what is sought, looking at up to `limit` rows after a key; and after
    /// which key to go on, none where all was looked at. Values are looked at as they lie there.
    ///
    /// # Errors
    /// The engine's.
    pub fn holding(
        &self,
        table: Table,
        after: Option<&[u8]>,
        limit: usize,
        is_sought: impl Fn(&[u8]) -> bool,
    ) -> Result<Holding, StoreFault> {
        let rows = self.shared.engine()?.scan(table, b"", after, limit)?;
        let next = rows.last().filter(|_| rows.len() >= limit).map(|(key, _)| key.clone());
        let found = rows.into_iter().filter(|(_, value)| is_sought(value)).map(|(key, _)| key);
        Ok((found.collect(), next))
    }

    /// Writes the file of the records anew, so that nothing which was removed or replaced lies in free places
    /// of it any more. Reads go on meanwhile, changes wait. False where the file has more than `size_max`
    /// bytes, or the engine's cannot be written anew while it is open.
    ///
    /// # Errors
    /// The engine's: then the file is as it was, or the store has ended as after any fault of its disk.
    pub async fn compact(&self, size_max: u64) -> Result<bool, StoreFault> {
        let (asker, answer) = oneshot::channel();
        let wanted = committer::Compaction { size_max, asker };
        *self.shared.compaction.lock().unwrap_or_else(PoisonError::into_inner) = Some(wanted);
        // Whoever asked before and is replaced asks again.
        let Ok(()) = self.transact(|_| Ok(Ok::<_, Infallible>(()))).await?;
        answer.await.unwrap_or(Err(StoreFault::Busy))
    }

    /// The engine itself, past all guards: for tests that damage rows.
    #[cfg(test)]
    pub fn engine(&self) -> Arc<dyn Engine> {
        self.shared.engine().expect("it is open")
    }

    /// Runs `change` in the committer and answers once it is durable. `change` may refuse with its
    /// own error: then nothing of it is written. Several changes share one commit.
    ///
    /// # Errors
    /// The outer: any [`StoreFault`]. The inner: what `change` said.
    pub async fn transact<T, E, F>(&self, change: F) -> Result<Result<T, E>, StoreFault>
    where
        T: Send + 'static,
        E: Send + 'static,
        F: FnOnce(&mut Transaction<'_>) -> Result<Result<T, E>, StoreFault> + Send + 'static,
    {
        self.ready()?;
        let (asker, answer) = oneshot::channel();
        let job = Box::new(Typed { change: Some(change), outcome: None, asker });
        let line = {
            let line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
            line.clone().ok_or(StoreFault::Closed)?
        };
        line.try_send((job, self.pending.take(1))).map_err(|fault| match fault {
            mpsc::error::TrySendError::Full(_) => StoreFault::Busy,
            mpsc::error::TrySendError::Closed(_) => StoreFault::Closed,
        })?;
        drop(line);
        answer.await.unwrap_or(Err(StoreFault::Closed))
    }

    /// Reads a record and has the committer answer, without a change: whether both still do.
    ///
    /// # Errors
    /// Any [`StoreFault`]: one that is known answers too.
    pub async fn probe(&self) -> Result<(), StoreFault> {
        let shared = Arc::clone(&self.shared);
        let read = move || shared.engine()?.get(Table::Meta, b"count/records").map_err(Into::into);
        let found: Result<Option<Vec<u8>>, StoreFault> =
            tokio::task::spawn_blocking(read).await.map_err(|_| StoreFault::Closed)?;
        found?;
        let Ok(()) = self.transact(|_| Ok(Ok::<_, Infallible>(()))).await?;
        Ok(())
    }

    /// Finishes what waits and closes the engine.
    pub async fn close(&self) {
        let take = |line: &Mutex<Option<_>>| {
            line.lock().unwrap_or_else(PoisonError::into_inner).take();
        };
        take(&self.line);
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // The thread ends by itself once the line is gone; a panic in it was answered already.
            let _ended = tokio::task::spawn_blocking(move || thread.join()).await;
        }
    }
}

/// Writes the file of records that nobody has open anew, however large it is. False where the engine's cannot
/// be.
///
/// # Errors
/// The engine's.
pub async fn compact(directory: &Path, settings: &config::Store) -> Result<bool, StoreFault> {
    let store = Store::open(directory, settings, &World::real());
    let done = store.compact(u64::MAX).await;
    store.close().await;
    done
}

fn typed<R: Record>((key, value): Row) -> Result<(Vec<u8>, R), StoreFault> {
    let record = decode(&key, &value)?;
    Ok((key, record))
}

struct Typed<T, E, F> {
    change: Option<F>,
    outcome: Option<Result<Result<T, E>, StoreFault>>,
    asker: oneshot::Sender<Result<Result<T, E>, StoreFault>>,
}

impl<T, E, F> Job for Typed<T, E, F>
where
    T: Send,
    E: Send,
    F: FnOnce(&mut Transaction<'_>) -> Result<Result<T, E>, StoreFault> + Send,
{
    fn run(&mut self, engine: &dyn Engine, overlay: &Overlay) -> Option<Overlay> {
        let change = self.change.take()?;
        let mut transaction = Transaction { engine, batch: overlay, own: Overlay::new() };
        let outcome = change(&mut transaction);
        let written = matches!(outcome, Ok(Ok(_))).then_some(transaction.own);
        self.outcome = Some(outcome);
        written
    }

    fn answer(self: Box<Self>, committed: Result<(), StoreFault>) {
        let outcome = self.outcome.unwrap_or(Err(StoreFault::Closed));
        // Even a refusal rests on what the batch wrote before it.
        let _gone = self.asker.send(committed.and(outcome));
    }
}

impl Transaction<'_> {
    /// One record.
    ///
    /// # Errors
    /// Any [`StoreFault`].
    pub fn get<R: Record>(&self, key: &[u8]) -> Result<Option<R>, StoreFault> {
        committer::get(self.engine, [&self.own, self.batch], R::TABLE, key)?
            .map(|bytes| decode(key, &bytes))
            .transpose()
    }

    /// Up to `limit` records, as [`Store::scan`].
    ///
    /// # Errors
    /// Any [`StoreFault`].
    pub fn scan<R: Record>(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<(Vec<u8>, R)>, StoreFault> {
        let layers = [&self.own, self.batch];
        let rows = committer::scan(self.engine, layers, R::TABLE, (prefix, after, limit))?;
        rows.into_iter().map(typed).collect()
    }

    /// Writes a record, replacing what has its key.
    pub fn put<R: Record>(&mut self, key: &[u8], record: &R) {
        self.own.insert((R::TABLE, key.to_vec()), Some(encode(key, record)));
    }

    /// Removes a record; one that is not there is fine.
    pub fn remove<R: Record>(&mut self, key: &[u8]) {
        self.own.insert((R::TABLE, key.to_vec()), None);
    }

    /// Removes a row of any table by its key.
    pub fn discard(&mut self, table: Table, key: &[u8]) {
        self.own.insert((table, key.to_vec()), None);
    }

    /// The next number of a named counter, from 1, durable with this transaction.
    ///
    /// # Errors
    /// Any [`StoreFault`].
    pub fn count(&mut self, counter: &str) -> Result<u64, StoreFault> {
        let key = [COUNTERS, counter.as_bytes()].concat();
        let last = self.get::<Counter>(&key)?.map_or(0, |n| n.0);
        let next = last.saturating_add(1);
        self.put(&key, &Counter(next));
        Ok(next)
    }

    /// Moves every counter on by so much as `by` says for its name, so that no number which may have been given
    /// out elsewhere is given out here.
    ///
    /// # Errors
    /// Any [`StoreFault`].
    pub fn advance_counters(&mut self, by: impl Fn(&str) -> u64) -> Result<(), StoreFault> {
        for (key, Counter(last)) in self.scan::<Counter>(COUNTERS, None, usize::MAX)? {
            let name = String::from_utf8_lossy(key.get(COUNTERS.len()..).unwrap_or_default());
            self.put(&key, &Counter(last.saturating_add(by(&name))));
        }
        Ok(())
    }
}
