//! The committer: one thread that takes what waits, runs it over the engine with the batch's own
//! writes laid on top, and commits the batch once. Who waits is answered after the commit.

use super::engine::{Change, Engine, Row};
use super::{StoreFault, Table};
use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, OnceLock};
use tokio::sync::mpsc;

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

/// The engine and the fault that ended it, if one did.
pub(super) struct Shared {
    pub(super) engine: Option<Box<dyn Engine>>,
    pub(super) damage: OnceLock<String>,
}

impl Shared {
    /// The engine, unless it is damaged.
    pub(super) fn engine(&self) -> Result<&dyn Engine, StoreFault> {
        match (self.damage.get(), &self.engine) {
            (None, Some(engine)) => Ok(engine.as_ref()),
            (Some(damage), _) => Err(StoreFault::Damaged(damage.clone())),
            (None, None) => Err(StoreFault::Closed),
        }
    }

    /// Remembers the first fault.
    pub(super) fn damaged(&self, what: String) -> StoreFault {
        StoreFault::Damaged(self.damage.get_or_init(|| what).clone())
    }
}

/// Works until every sender is gone.
pub(super) fn run(shared: &Arc<Shared>, mut jobs: mpsc::Receiver<Box<dyn Job>>, batch_max: usize) {
    while let Some(first) = jobs.blocking_recv() {
        let mut batch = vec![first];
        while batch.len() < batch_max {
            let Ok(job) = jobs.try_recv() else { break };
            batch.push(job);
        }
        work(shared, batch);
    }
}

fn work(shared: &Shared, mut batch: Vec<Box<dyn Job>>) {
    let committed = shared.engine().and_then(|engine| {
        let mut overlay = Overlay::new();
        for job in &mut batch {
            // A change that panics is dropped with its sender: its caller hears `Closed`.
            let ran = catch_unwind(AssertUnwindSafe(|| job.run(engine, &overlay)));
            if let Ok(Some(writes)) = ran {
                overlay.extend(writes);
            }
        }
        if overlay.is_empty() {
            return Ok(());
        }
        let changes: Vec<Change> =
            overlay.into_iter().map(|((table, key), value)| Change { table, key, value }).collect();
        engine.commit(&changes).map_err(|fault| shared.damaged(fault))
    });
    for job in batch {
        job.answer(committed.clone());
    }
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
    engine.get(table, key).map_err(StoreFault::Damaged)
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
    let mut merged: BTreeMap<_, _> = rows.map_err(StoreFault::Damaged)?.into_iter().collect();
    for (key, value) in written {
        match value {
            Some(value) => merged.insert(key, value),
            None => merged.remove(&key),
        };
    }
    Ok(merged.into_iter().take(limit).collect())
}
