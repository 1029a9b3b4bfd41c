//! Values of small tables that every message asks for, kept as they were read: accounts, credentials,
//! domains, streams, keys. Whoever was told that a change is durable reads it: the committer drops what it
//! wrote before it answers. Recipients are not among them: each message has another one.

use super::Table;
use super::engine::Change;
use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

/// The tables whose values are kept.
const KEPT: [Table; 9] = [
    Table::Meta,
    Table::Account,
    Table::AccountName,
    Table::AccountLimit,
    Table::Credential,
    Table::Domain,
    Table::Stream,
    Table::StreamName,
    Table::TlsPolicy,
];
/// What a kept value costs beside its bytes, about.
const ROW_COST: usize = 96;

/// What was read lately.
pub(super) struct Recent {
    size_max: usize,
    rows: RwLock<Rows>,
}

#[derive(Default)]
struct Rows {
    /// How often something was dropped: what was read before may be old.
    generation: u64,
    size: usize,
    /// By table as in [`KEPT`]; no value: the engine has none.
    tables: [HashMap<Vec<u8>, Option<Vec<u8>>>; KEPT.len()],
}

/// The state at which somebody began to read from the engine.
#[derive(Clone, Copy)]
pub(super) struct Since(u64);

impl Recent {
    /// Keeps at most so many bytes; past them it begins anew.
    pub(super) fn new(size_max: usize) -> Self {
        Self { size_max, rows: RwLock::default() }
    }

    /// What is known of a value; else since when it may be read and kept. Tables that are not kept have
    /// neither.
    pub(super) fn find(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, Option<Since>> {
        let Some(place) = place(table) else { return Err(None) };
        let rows = self.rows.read().unwrap_or_else(PoisonError::into_inner);
        match rows.tables[place].get(key) {
            Some(value) => Ok(value.clone()),
            None => Err(Some(Since(rows.generation))),
        }
    }

    /// Keeps what was read, unless something has been written since.
    pub(super) fn keep(&self, table: Table, key: &[u8], value: Option<&[u8]>, since: Since) {
        let cost = key.len() + value.map_or(0, <[u8]>::len) + ROW_COST;
        let Some(place) = place(table).filter(|_| cost <= self.size_max) else { return };
        let mut rows = self.rows.write().unwrap_or_else(PoisonError::into_inner);
        if rows.generation != since.0 {
            return;
        }
        if rows.size.saturating_add(cost) > self.size_max {
            rows.tables.iter_mut().for_each(HashMap::clear);
            rows.size = 0;
        }
        // Two who read the same count it twice: it is dropped the earlier.
        rows.size += cost;
        rows.tables[place].insert(key.to_vec(), value.map(<[u8]>::to_vec));
    }

    /// Drops what was written, or may have been.
    pub(super) fn drop_changed(&self, changes: &[Change]) {
        let mut of_kept = changes.iter().filter_map(|change| Some((place(change.table)?, change)));
        let Some(first) = of_kept.next() else { return };
        let mut rows = self.rows.write().unwrap_or_else(PoisonError::into_inner);
        rows.generation += 1;
        for (place, change) in std::iter::once(first).chain(of_kept) {
            rows.tables[place].remove(&change.key);
        }
    }
}

fn place(table: Table) -> Option<usize> {
    KEPT.iter().position(|kept| *kept == table)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROW: (Table, &[u8]) = (Table::Stream, b"7");

    fn since(recent: &Recent) -> Since {
        let (table, key) = ROW;
        recent.find(table, key).expect_err("not known").expect("a kept table")
    }

    fn written() -> [Change; 1] {
        let (table, key) = ROW;
        [Change { table, key: key.to_vec(), value: Some(b"new".to_vec()) }]
    }

    #[test]
    fn what_was_read_is_known_until_it_is_written() {
        let recent = Recent::new(1 << 10);
        recent.keep(ROW.0, ROW.1, Some(b"old"), since(&recent));
        assert_eq!(recent.find(ROW.0, ROW.1).ok(), Some(Some(b"old".to_vec())));
        recent.drop_changed(&written());
        recent.keep(ROW.0, ROW.1, None, since(&recent));
        assert_eq!(recent.find(ROW.0, ROW.1).ok(), Some(None));
    }

    #[test]
    fn what_was_read_before_a_write_is_not_kept_after_it() {
        let recent = Recent::new(1 << 10);
        let before = since(&recent);
        recent.drop_changed(&written());
        recent.keep(ROW.0, ROW.1, Some(b"old"), before);
        since(&recent);
    }

    #[test]
    fn it_never_keeps_more_than_it_may() {
        let recent = Recent::new(1 << 10);
        for key in 0..100_u8 {
            let Err(Some(since)) = recent.find(ROW.0, &[key]) else { unreachable!("known") };
            recent.keep(ROW.0, &[key], Some(&[0; 100]), since);
            let rows = recent.rows.read().expect("unpoisoned");
            let kept: usize = rows.tables.iter().map(HashMap::len).sum();
            assert!((1..=5).contains(&kept) && rows.size <= 1 << 10, "{kept}");
        }
        let since = since(&recent);
        recent.keep(ROW.0, ROW.1, Some(&[0; 1 << 10]), since);
        assert!(recent.find(ROW.0, ROW.1).is_err(), "larger than all");
        assert!(matches!(recent.find(Table::Recipient, b"7"), Err(None)));
    }
}
