//! What every engine must do, run on each; and the plain twin that shows the suite itself right.

use super::Table;
use super::engine::{Change, Engine, EngineFault, Row};
use std::collections::BTreeMap;
use std::sync::Mutex;

/// Its rows.
type Rows = BTreeMap<(Table, Vec<u8>), Vec<u8>>;

/// An engine in memory.
#[derive(Default)]
pub(super) struct Twin {
    rows: Mutex<Rows>,
}

impl Engine for Twin {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, EngineFault> {
        let rows = self.rows.lock().expect("no test panics in it");
        Ok(rows.get(&(table, key.to_vec())).cloned())
    }

    fn scan(
        &self,
        table: Table,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Row>, EngineFault> {
        let rows = self.rows.lock().expect("no test panics in it");
        let found = rows.iter().filter(|((at, key), _)| {
            *at == table && key.starts_with(prefix) && after.is_none_or(|a| key.as_slice() > a)
        });
        let copied = found.map(|((_, key), value)| (key.clone(), value.clone()));
        Ok(copied.take(limit).collect())
    }

    fn commit(&self, changes: &[Change]) -> Result<(), EngineFault> {
        let mut rows = self.rows.lock().expect("no test panics in it");
        for change in changes {
            let key = (change.table, change.key.clone());
            match &change.value {
                Some(value) => rows.insert(key, value.clone()),
                None => rows.remove(&key),
            };
        }
        Ok(())
    }
}

fn put(table: Table, key: &[u8], value: &[u8]) -> Change {
    Change { table, key: key.to_vec(), value: Some(value.to_vec()) }
}

/// Asks of an engine what the store relies on.
pub(super) fn suite(make: impl Fn() -> Box<dyn Engine>) {
    let engine = make();
    let keys = |prefix: &[u8], after: Option<&[u8]>, limit| -> Vec<Vec<u8>> {
        let rows = engine.scan(Table::Recipient, prefix, after, limit);
        rows.expect("scan").into_iter().map(|(key, _)| key).collect()
    };
    assert_eq!(engine.get(Table::Meta, b"a"), Ok(None));
    assert!(keys(b"", None, 10).is_empty());
    let changes: Vec<Change> = [&b"a"[..], b"aa", b"ab", b"b", b"\xff", b"\xff\xff"]
        .iter()
        .map(|key| put(Table::Recipient, key, b"1"))
        .collect();
    engine.commit(&changes).expect("commit");
    assert_eq!(engine.get(Table::Meta, b"a"), Ok(None), "tables are apart");
    let one = || Some(b"1".to_vec());
    let many = engine.get_many(Table::Recipient, &[b"a", b"none", b"b", b"a"]);
    assert_eq!(many, Ok(vec![one(), None, one(), one()]), "in the order asked for");
    assert_eq!(engine.get_many(Table::Recipient, &[]), Ok(Vec::new()));
    let lot: Vec<&[u8]> =
        (0..1000).map(|n| if n % 3 == 0 { &b"ab"[..] } else { b"none" }).collect();
    let found = engine.get_many(Table::Recipient, &lot).expect("a lot");
    let right = |(n, value): (usize, &Option<Vec<u8>>)| value.is_some() == (n % 3 == 0);
    assert!(
        found.len() == 1000 && found.iter().enumerate().all(right),
        "many keys, in their order"
    );
    assert_eq!(keys(b"a", None, 10), [&b"a"[..], b"aa", b"ab"]);
    assert_eq!(keys(b"a", Some(b"a"), 10), [&b"aa"[..], b"ab"]);
    assert_eq!(keys(b"a", Some(b"ab"), 10), [&b""[..]; 0]);
    assert_eq!(keys(b"b", Some(b"a"), 10), [&b"b"[..]]);
    assert_eq!(keys(b"", None, 2), [&b"a"[..], b"aa"]);
    assert_eq!(keys(b"\xff", None, 10), [&b"\xff"[..], b"\xff\xff"]);
    let mut later = put(Table::Recipient, b"a", b"3");
    let first = put(Table::Recipient, b"a", b"2");
    engine.commit(&[first, later.clone()]).expect("commit");
    assert_eq!(engine.get(Table::Recipient, b"a"), Ok(Some(b"3".to_vec())));
    later.value = None;
    engine.commit(&[later.clone(), later]).expect("removing twice");
    assert_eq!(engine.get(Table::Recipient, b"a"), Ok(None));
    engine.commit(&[]).expect("an empty commit");
}

#[test]
fn the_twin_conforms() {
    suite(|| Box::<Twin>::default());
}
