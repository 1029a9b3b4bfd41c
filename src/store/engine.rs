//! The narrow door to an engine: bytes in ordered tables, and one way to change them.

use super::Table;

/// A key and its value, as an engine keeps them.
pub type Row = (Vec<u8>, Vec<u8>);

/// One write: `None` removes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Where.
    pub table: Table,
    /// Under what.
    pub key: Vec<u8>,
    /// The new value, or none.
    pub value: Option<Vec<u8>>,
}

/// What keeps the bytes. Faults are texts: past one, the store is damaged.
pub trait Engine: Send + Sync {
    /// One value.
    ///
    /// # Errors
    /// What the engine said.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, String>;

    /// Up to `limit` rows whose key begins with `prefix` and is greater than `after`, in order.
    ///
    /// # Errors
    /// What the engine said.
    fn scan(
        &self,
        table: Table,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Vec<Row>, String>;

    /// Makes all changes, in order, atomically, and answers once they are durable.
    ///
    /// # Errors
    /// What the engine said; nothing of the batch may then be relied on.
    fn commit(&self, changes: &[Change]) -> Result<(), String>;
}
