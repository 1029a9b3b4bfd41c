//! The narrow door to an engine: bytes in ordered tables, and one way to change them.

use super::{StoreFault, Table};

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

/// Why an engine did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EngineFault {
    /// Room or handles are wanting: once there are some, an engine opened anew goes on.
    Short(String),
    /// The disk refuses reads or writes.
    Disk(String),
    /// What was read makes no sense.
    Damaged(String),
}

impl EngineFault {
    /// The same, with the file's name before it.
    #[must_use]
    pub fn at(self, path: &std::path::Path) -> Self {
        let named = |text: String| format!("{}: {text}", path.display());
        match self {
            Self::Short(text) => Self::Short(named(text)),
            Self::Disk(text) => Self::Disk(named(text)),
            Self::Damaged(text) => Self::Damaged(named(text)),
        }
    }
}

impl From<std::io::Error> for EngineFault {
    fn from(fault: std::io::Error) -> Self {
        // What the system did not say, the engine did: it read what it did not expect.
        match fault.raw_os_error() {
            Some(_) if crate::world::is_shortage(&fault) => Self::Short(fault.to_string()),
            Some(_) => Self::Disk(fault.to_string()),
            None => Self::Damaged(fault.to_string()),
        }
    }
}

impl From<EngineFault> for StoreFault {
    fn from(fault: EngineFault) -> Self {
        match fault {
            EngineFault::Short(text) => Self::Short(text),
            EngineFault::Disk(text) => Self::Failed(text),
            EngineFault::Damaged(text) => Self::Damaged(text),
        }
    }
}

/// What keeps the bytes. Past any fault it must be opened anew.
pub trait Engine: Send + Sync {
    /// One value.
    ///
    /// # Errors
    /// What the engine said.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, EngineFault>;

    /// The values of many keys, in their order, as of one moment.
    ///
    /// # Errors
    /// What the engine said.
    fn get_many(&self, table: Table, keys: &[&[u8]]) -> Result<Vec<Option<Vec<u8>>>, EngineFault> {
        keys.iter().map(|key| self.get(table, key)).collect()
    }

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
    ) -> Result<Vec<Row>, EngineFault>;

    /// How many rows a table should have, where the engine keeps that beside them.
    ///
    /// # Errors
    /// What the engine said.
    fn count(&self, _table: Table) -> Result<Option<u64>, EngineFault> {
        Ok(None)
    }

    /// Makes all changes, in order, atomically, and answers once they are durable.
    ///
    /// # Errors
    /// What the engine said; nothing of the batch may then be relied on.
    fn commit(&self, changes: &[Change]) -> Result<(), EngineFault>;
}
