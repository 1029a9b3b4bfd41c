//! A copy of the records while they are in use: row by row, and after each page the changes that were made
//! meanwhile. Written down in this order, they are the records as they stood at the copy's end, of whatever engine
//! they come and into whatever engine they go.

use super::committer::Shared;
use super::engine::{Change, Engine, EngineFault};
use super::handle::Store;
use super::value::is_whole;
use super::{StoreFault, Table};
use crate::config::StoreEngine;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, MutexGuard, PoisonError};

/// Rows read at a time.
const ROWS: usize = 256;
/// Rows, and their bytes, that are written in one commit where a copy is put back.
const PUT_ROWS: usize = 10_000;
const PUT_SIZE: usize = 8 << 20;

/// Rows of a table as they lie in the engine: with their own versions and checksums.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rows {
    /// The table's name.
    pub table: String,
    /// Keys and values; no value where the row was removed.
    pub rows: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

impl Rows {
    /// About how many bytes they are.
    #[must_use]
    pub fn size(&self) -> usize {
        let bytes = |(key, value): &(Vec<u8>, Option<Vec<u8>>)| {
            key.len() + value.as_ref().map_or(0, Vec::len) + 8
        };
        self.rows.iter().map(bytes).sum()
    }
}

/// What was changed since a copy was begun and is not in it yet.
pub(super) struct Meanwhile {
    changes: Vec<Change>,
    size: u64,
    size_max: u64,
    fault: Option<StoreFault>,
}

impl Meanwhile {
    /// Notes what a commit came to.
    pub(super) fn note(&mut self, changes: &[Change], committed: &Result<(), StoreFault>) {
        if let Err(fault) = committed {
            // Nobody knows which of it is there.
            self.fault.get_or_insert_with(|| fault.clone());
        }
        let size = |change: &Change| change.key.len() + change.value.as_ref().map_or(0, Vec::len);
        self.size += changes.iter().map(size).sum::<usize>() as u64;
        if self.size > self.size_max {
            let text = "the records changed by more than backup.changes_size_max while a part of the copy \
                        was written";
            self.fault.get_or_insert_with(|| StoreFault::Short(text.into()));
        }
        if self.fault.is_some() {
            self.changes = Vec::new();
            return;
        }
        self.changes.extend_from_slice(changes);
    }
}

/// A copy being made. Dropped, it is given up.
pub struct Copy {
    shared: Arc<Shared>,
    /// The table and the key after which to go on; none once all is copied.
    place: Option<(usize, Option<Vec<u8>>)>,
}

impl Drop for Copy {
    fn drop(&mut self) {
        if self.place.is_some() {
            self.shared.meanwhile().take();
        }
    }
}

impl Shared {
    /// What is noted for a copy. Held while changes are committed, so that no copy ends between a commit and
    /// its note.
    pub(super) fn meanwhile(&self) -> MutexGuard<'_, Option<Meanwhile>> {
        self.meanwhile.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store {
    /// Begins a copy, of which there is one at a time. At most `size_max` bytes of changes are kept for it
    /// between two pages.
    ///
    /// # Errors
    /// [`StoreFault::Busy`] while there is another; the engine's.
    pub fn copy(&self, size_max: u64) -> Result<Copy, StoreFault> {
        self.ready()?;
        let shared = self.shared().clone();
        let mut meanwhile = shared.meanwhile();
        if meanwhile.is_some() {
            return Err(StoreFault::Busy);
        }
        *meanwhile = Some(Meanwhile { changes: Vec::new(), size: 0, size_max, fault: None });
        drop(meanwhile);
        Ok(Copy { shared, place: Some((0, None)) })
    }
}

impl Copy {
    /// The next rows, to be written after those before; none once all are there. Blocks on disk.
    ///
    /// # Errors
    /// The engine's, or too much was changed meanwhile: then the copy is worth nothing.
    pub fn page(&mut self) -> Result<Option<Vec<Rows>>, StoreFault> {
        let Some((number, after)) = &self.place else { return Ok(None) };
        let Some(table) = Table::ALL.get(*number).copied() else { return Ok(None) };
        let rows = self.shared.engine()?.scan(table, b"", after.as_deref(), ROWS)?;
        let next = match rows.last() {
            Some((last, _)) if rows.len() >= ROWS => (*number, Some(last.clone())),
            _ => (*number + 1, None),
        };
        let mut parts = Vec::new();
        if !rows.is_empty() {
            let rows = rows.into_iter().map(|(key, value)| (key, Some(value))).collect();
            parts.push(Rows { table: table.name().into(), rows });
        }
        let mut noted = self.shared.meanwhile();
        let gone = || StoreFault::Short("the copy was given up".into());
        let meanwhile = noted.as_mut().ok_or_else(gone)?;
        if let Some(fault) = &meanwhile.fault {
            return Err(fault.clone());
        }
        let changes = std::mem::take(&mut meanwhile.changes);
        meanwhile.size = 0;
        if next.0 >= Table::ALL.len() {
            // This is the moment whose records the copy holds.
            noted.take();
            self.place = None;
        } else {
            self.place = Some(next);
        }
        drop(noted);
        for part in changes.chunk_by(|one, next| one.table == next.table) {
            let Some(first) = part.first() else { continue };
            let rows = part.iter().map(|change| (change.key.clone(), change.value.clone()));
            parts.push(Rows { table: first.table.name().into(), rows: rows.collect() });
        }
        Ok(Some(parts))
    }
}

/// Records being made of a copy.
pub struct Refill {
    engine: Box<dyn Engine>,
    waiting: BTreeMap<(Table, Vec<u8>), Option<Vec<u8>>>,
    size: usize,
}

/// Begins new records of an engine in a folder that has none of it.
///
/// # Errors
/// The engine's.
pub fn refill(directory: &Path, kind: StoreEngine, cache: usize) -> Result<Refill, StoreFault> {
    let engine = kind.open(&directory.join(kind.records()), cache, true)?;
    Ok(Refill { engine, waiting: BTreeMap::new(), size: 0 })
}

impl Refill {
    /// Takes rows, in the order in which a copy gave them.
    ///
    /// # Errors
    /// The engine's; [`StoreFault::Missing`] where this build knows no such table; [`StoreFault::Damaged`] where a
    /// row's checksum is wrong.
    pub fn put(&mut self, part: Rows) -> Result<(), StoreFault> {
        let known = Table::ALL.into_iter().find(|table| table.name() == part.table);
        let table = known.ok_or_else(|| {
            let name = &part.table;
            StoreFault::Missing(format!(
                "this build knows no table `{name}`: use the version that made the copy, or a later one"
            ))
        })?;
        self.size += part.size();
        for (key, value) in part.rows {
            if value.as_ref().is_some_and(|value| !is_whole(&key, value)) {
                let text = format!("a row of `{}` has a wrong checksum", table.name());
                return Err(StoreFault::Damaged(text));
            }
            self.waiting.insert((table, key), value);
        }
        if self.waiting.len() >= PUT_ROWS || self.size >= PUT_SIZE {
            self.commit()?;
        }
        Ok(())
    }

    fn commit(&mut self) -> Result<(), EngineFault> {
        self.size = 0;
        let changes = std::mem::take(&mut self.waiting).into_iter();
        let changes: Vec<Change> =
            changes.map(|((table, key), value)| Change { table, key, value }).collect();
        if changes.is_empty() { Ok(()) } else { self.engine.commit(&changes) }
    }

    /// Writes what waits; all of it is durable then.
    ///
    /// # Errors
    /// The engine's.
    pub fn finish(mut self) -> Result<(), StoreFault> {
        Ok(self.commit()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use crate::store::Record;
    use crate::world::World;
    use std::convert::Infallible;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Stop(u64);
    impl Record for Stop {
        const TABLE: Table = Table::Recipient;
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Total(u64);
    impl Record for Total {
        const TABLE: Table = Table::Meta;
    }

    fn open(folder: &Path, kind: StoreEngine) -> Store {
        let settings = config::Store { engine: kind, ..config::Store::default() };
        Store::open(folder, &settings, &World::real())
    }

    /// Adds to two stops at once, one at the beginning of the table and one at its end, and to a total.
    async fn change(store: &Store, number: u64) {
        let done = store.transact(move |t| {
            for key in [b"\0".as_slice(), b"z"] {
                t.put(key, &Stop(number));
            }
            t.put(b"total", &Total(number));
            t.remove::<Stop>(&number.to_be_bytes());
            Ok(Ok::<_, Infallible>(()))
        });
        done.await.expect("store").expect("done");
    }

    #[tokio::test]
    async fn a_copy_is_the_records_of_one_moment_in_any_engine() {
        for from in StoreEngine::ALL {
            for to in StoreEngine::ALL {
                let (old, new) =
                    (tempfile::tempdir().expect("one"), tempfile::tempdir().expect("two"));
                let store = open(old.path(), *from);
                let filled = store.transact(|t| {
                    for number in 0..2000_u64 {
                        t.put(&number.to_be_bytes(), &Stop(number));
                    }
                    Ok(Ok::<_, Infallible>(()))
                });
                filled.await.expect("store").expect("filled");
                change(&store, 1).await;
                let mut copy = store.copy(1 << 20).expect("a copy");
                assert!(matches!(store.copy(1), Err(StoreFault::Busy)), "one at a time");
                let mut refill = refill(new.path(), *to, 1 << 20).expect("new records");
                let mut number = 1;
                while let Some(parts) = copy.page().expect("copied") {
                    parts.into_iter().for_each(|part| refill.put(part).expect("put"));
                    number += 1;
                    change(&store, number).await;
                }
                // The last was made after the copy's moment.
                number -= 1;
                refill.finish().expect("written");
                drop(store);
                let store = open(new.path(), *to);
                let get = |key: &[u8]| store.get::<Stop>(key).expect("store");
                assert_eq!(get(b"\0"), Some(Stop(number)));
                assert_eq!(get(b"z"), Some(Stop(number)), "of the same transaction");
                assert_eq!(store.get::<Total>(b"total").expect("store"), Some(Total(number)));
                assert_eq!(get(&number.to_be_bytes()), None, "it was removed meanwhile");
                assert_eq!(get(&1999_u64.to_be_bytes()), Some(Stop(1999)));
            }
        }
    }

    #[tokio::test]
    async fn changes_past_the_limit_end_a_copy_and_nothing_else() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = open(folder.path(), StoreEngine::Redb);
        let mut copy = store.copy(10).expect("a copy");
        change(&store, 1).await;
        let said = copy.page().expect_err("too much").to_string();
        assert!(said.contains("backup.changes_size_max"), "{said}");
        drop(copy);
        change(&store, 2).await;
        assert_eq!(store.get::<Total>(b"total").expect("store"), Some(Total(2)));
        assert!(store.copy(10).is_ok(), "another may be begun");
    }

    #[tokio::test]
    async fn rows_of_unknown_tables_and_with_wrong_checksums_are_refused() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut refill = refill(folder.path(), StoreEngine::Redb, 1 << 20).expect("new records");
        let row = |value: Vec<u8>| vec![(b"a".to_vec(), Some(value))];
        let unknown = Rows { table: "later".into(), rows: row(vec![1]) };
        assert!(matches!(refill.put(unknown), Err(StoreFault::Missing(_))));
        let spoilt = Rows { table: "meta".into(), rows: row(vec![1, 2, 3, 4, 5, 6]) };
        assert!(matches!(refill.put(spoilt), Err(StoreFault::Damaged(_))));
    }
}
