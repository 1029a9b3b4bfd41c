//! The committer: one thread that takes what waits, runs it over the engine with the batch's own
//! writes laid on top, and commits the batch once. Who waits is answered after the commit.

use super::copy::Meanwhile;
use super::engine::{Change, Engine, EngineFault, Row};
use super::recent::Recent;
use super::{StoreFault, Table};
use crate::telemetry::Amount;
use crate::world::Reserve;
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, oneshot, watch};

/// Writes of a batch, seen by its later changes.
pub(super) type Overlay = BTreeMap<(Table, Vec<u8>), Option<Vec<u8>>>;

/// Runs one change over the engine and the batch so far: its writes, if it is to be written, and the
/// answer to give once the batch is durable, or is not.
pub(super) trait Job: Send {
    /// Runs the change.
    fn run(&mut self, engine: &dyn Engine, overlay: &Overlay) -> Option<Overlay>;
    /// Answers who waits.
    fn answer(self: Box<Self>, committed: Result<(), StoreFault>);
}

/// Opens the engine anew after a shortage.
pub(super) type Reopen = Box<dyn Fn() -> Result<Box<dyn Engine>, EngineFault> + Send + Sync>;

/// Records that were written anew and have taken the old ones' place.
pub(super) struct Anewed {
    pub(super) engine: Box<dyn Engine>,
    /// Whether they have that place after a power cut too.
    pub(super) secured: Result<(), EngineFault>,
}

/// Writes the records of an engine into a file anew and puts it in the old one's place; none where it has
/// more bytes than were allowed, or cannot be.
pub(super) type Anew =
    Box<dyn Fn(&dyn Engine, u64) -> Result<Option<Anewed>, EngineFault> + Send + Sync>;

/// A wish that the file be written anew.
pub(super) struct Compaction {
    pub(super) size_max: u64,
    pub(super) asker: oneshot::Sender<Result<bool, StoreFault>>,
}

/// How long a shortage is let be before the engine is opened anew.
const SHORTAGE: Duration = Duration::from_secs(1);
/// The pause between two tries to open it with the reserve's room.
const REOPEN_PAUSE: Duration = Duration::from_millis(5);

/// The engine, or why there is none.
pub(super) struct Shared {
    pub(super) standing: Mutex<Standing>,
    pub(super) reopen: Reopen,
    pub(super) reserve: Arc<Reserve>,
    /// Whether the disk has failed, which only a new start mends.
    pub(super) broken: watch::Sender<bool>,
    pub(super) anew: Option<Anew>,
    /// Who waits for the file to be written anew.
    pub(super) compaction: Mutex<Option<Compaction>>,
    pub(super) recent: Recent,
    /// What a copy that is being made has yet to hold.
    pub(super) meanwhile: Mutex<Option<Meanwhile>>,
}

/// How the engine stands.
pub(super) enum Standing {
    /// It works.
    Open(Arc<dyn Engine>),
    /// It ended for want of room or handles, and was last tried then.
    Short(String, Instant),
    /// It ended for good.
    Ended(StoreFault),
}

impl Shared {
    /// The engine, opened anew where that may help.
    pub(super) fn engine(&self) -> Result<Arc<dyn Engine>, StoreFault> {
        let mut standing = self.standing.lock().unwrap_or_else(PoisonError::into_inner);
        match &*standing {
            Standing::Open(engine) => return Ok(engine.clone()),
            Standing::Ended(fault) => return Err(fault.clone()),
            Standing::Short(why, at) if at.elapsed() < SHORTAGE => {
                return Err(StoreFault::Short(why.clone()));
            }
            Standing::Short(..) => {}
        }
        match (self.reopen)() {
            Ok(engine) => {
                tracing::info!(target: "relent::store", "the store goes on");
                let engine: Arc<dyn Engine> = engine.into();
                *standing = Standing::Open(engine.clone());
                Ok(engine)
            }
            Err(fault) => {
                *standing = self.after(&fault);
                Err(fault.into())
            }
        }
    }

    /// One value, as the last acknowledged change left it.
    pub(super) fn value(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, StoreFault> {
        // A store that has failed answers nothing, known or not.
        let engine = self.engine()?;
        let since = match self.recent.find(table, key) {
            Ok(value) => return Ok(value),
            Err(since) => since,
        };
        let value = engine.get(table, key)?;
        if let Some(since) = since {
            self.recent.keep(table, key, value.as_deref(), since);
        }
        Ok(value)
    }

    /// Commits the same changes once more, whatever of them is there, to an engine opened anew: past a
    /// fault the old one is of no use.
    fn anew(&self, changes: &[Change]) -> Result<(), StoreFault> {
        let mut standing = self.standing.lock().unwrap_or_else(PoisonError::into_inner);
        *standing = Standing::Short("the disk is full".into(), Instant::now());
        let deadline = Instant::now() + SHORTAGE;
        let outcome = loop {
            match (self.reopen)() {
                // Somebody is still reading by the old one.
                Err(EngineFault::Short(_)) if Instant::now() < deadline => {
                    std::thread::sleep(REOPEN_PAUSE);
                }
                opened => break opened,
            }
        };
        match outcome.and_then(|engine| engine.commit(changes).map(|()| engine)) {
            Ok(engine) => *standing = Standing::Open(engine.into()),
            Err(fault) => {
                *standing = self.after(&fault);
                return Err(fault.into());
            }
        }
        Ok(())
    }

    /// Writes the file anew and goes on with it. On the committer's thread, so that no change falls between;
    /// who reads goes on with the old one meanwhile, and waits for nothing.
    fn compact(&self, size_max: u64) -> Result<bool, StoreFault> {
        let Some(anew) = &self.anew else { return Ok(false) };
        let engine = self.engine()?;
        // A fault before the new file has its name leaves the old one as it was.
        let Some(Anewed { engine, secured }) = anew(engine.as_ref(), size_max)? else {
            return Ok(false);
        };
        // Neither file may be written to where it is not known which one a start would find.
        secured.map_err(|fault| self.failed(fault))?;
        let mut standing = self.standing.lock().unwrap_or_else(PoisonError::into_inner);
        if let Standing::Ended(fault) = &*standing {
            return Err(fault.clone());
        }
        *standing = Standing::Open(engine.into());
        Ok(true)
    }

    /// Remembers how the engine ended; who ended for good stays so.
    pub(super) fn failed(&self, fault: EngineFault) -> StoreFault {
        let mut standing = self.standing.lock().unwrap_or_else(PoisonError::into_inner);
        if !matches!(&*standing, Standing::Ended(_)) {
            *standing = self.after(&fault);
        }
        fault.into()
    }

    /// How it stands after a fault; who waits for the disk to fail is told.
    pub(super) fn after(&self, fault: &EngineFault) -> Standing {
        if matches!(fault, EngineFault::Disk(_)) {
            self.broken.send_replace(true);
        }
        Standing::after(fault)
    }
}

impl Standing {
    /// How it stands after a fault.
    fn after(fault: &EngineFault) -> Self {
        let said = StoreFault::from(fault.clone());
        metrics::counter!("relent_store_faults_total").increment(1);
        tracing::error!(target: "relent::store", "{said}; mail is held until then");
        match fault {
            EngineFault::Short(why) => Self::Short(why.clone(), Instant::now()),
            EngineFault::Disk(_) | EngineFault::Damaged(_) => Self::Ended(said),
        }
    }
}

/// Works until every sender is gone.
pub(super) fn run(
    shared: &Arc<Shared>,
    mut jobs: mpsc::Receiver<(Box<dyn Job>, Amount)>,
    batch_max: usize,
) {
    while let Some((first, _)) = jobs.blocking_recv() {
        let mut batch = vec![first];
        while batch.len() < batch_max {
            let Ok((job, _)) = jobs.try_recv() else { break };
            batch.push(job);
        }
        work(shared, batch);
        let wanted = shared.compaction.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(Compaction { size_max, asker }) = wanted {
            let _gone = asker.send(shared.compact(size_max));
        }
    }
}

fn work(shared: &Shared, mut batch: Vec<Box<dyn Job>>) {
    let mut changes = Vec::new();
    let mut copying = shared.meanwhile();
    let committed = shared.engine().map(|engine| {
        changes = run_all(engine.as_ref(), &mut batch);
        if changes.is_empty() { Ok(()) } else { commit(engine.as_ref(), &changes) }
    });
    let committed = match committed {
        Ok(Err(EngineFault::Short(_))) if shared.reserve.give_up() => shared.anew(&changes),
        Ok(done) => done.map_err(|fault| shared.failed(fault)),
        Err(fault) => Err(fault),
    };
    if let Some(meanwhile) = copying.as_mut().filter(|_| !changes.is_empty()) {
        meanwhile.note(&changes, &committed);
    }
    drop(copying);
    // Of what failed nobody knows whether it is there.
    shared.recent.drop_changed(&changes);
    for job in batch {
        job.answer(committed.clone());
    }
}

/// Commits, and notes how long that took.
fn commit(engine: &dyn Engine, changes: &[Change]) -> Result<(), EngineFault> {
    let begun = Instant::now();
    let done = engine.commit(changes);
    metrics::histogram!("relent_store_commit_seconds").record(begun.elapsed().as_secs_f64());
    done
}

/// Runs every change over those before it; what is to be written.
fn run_all(engine: &dyn Engine, batch: &mut [Box<dyn Job>]) -> Vec<Change> {
    let mut overlay = Overlay::new();
    for job in batch {
        // A change that panics is dropped with its sender: its caller hears `Closed`.
        let ran = catch_unwind(AssertUnwindSafe(|| job.run(engine, &overlay)));
        if let Ok(Some(writes)) = ran {
            overlay.extend(writes);
        }
    }
    overlay.into_iter().map(|((table, key), value)| Change { table, key, value }).collect()
}

/// One value as a change sees it.
pub(super) fn get(
    engine: &dyn Engine,
    layers: [&Overlay; 2],
    table: Table,
    key: &[u8],
) -> Result<Option<Vec<u8>>, StoreFault> {
    let place = (table, key.to_vec());
    for layer in layers {
        if let Some(value) = layer.get(&place) {
            return Ok(value.clone());
        }
    }
    Ok(engine.get(table, key)?)
}

/// Rows as a change sees them; the first layer is the latest.
pub(super) fn scan(
    engine: &dyn Engine,
    layers: [&Overlay; 2],
    table: Table,
    (prefix, after, limit): (&[u8], Option<&[u8]>, usize),
) -> Result<Vec<Row>, StoreFault> {
    let mut written: BTreeMap<Vec<u8>, Option<Vec<u8>>> = BTreeMap::new();
    for layer in layers.into_iter().rev() {
        let from = layer.range((table, prefix.to_vec())..);
        for ((_, key), value) in
            from.take_while(|((at, key), _)| *at == table && key.starts_with(prefix))
        {
            if after.is_none_or(|after| key.as_slice() > after) {
                written.insert(key.clone(), value.clone());
            }
        }
    }
    let wanted = limit.saturating_add(written.len());
    let rows = engine.scan(table, prefix, after, wanted);
    let mut merged: BTreeMap<_, _> = rows?.into_iter().collect();
    for (key, value) in written {
        match value {
            Some(value) => merged.insert(key, value),
            None => merged.remove(&key),
        };
    }
    Ok(merged.into_iter().take(limit).collect())
}
