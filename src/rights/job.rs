//! An erasure that was begun: kept until it is done, so that a crash ends none half-way. The address goes
//! from it as soon as nothing is left to be found by it.

use super::erasure::Erased;
use crate::events::Actor;
use crate::mail::{AccountId, Address};
use crate::store::{Record, Store, StoreFault, Table};
use serde::{Deserialize, Serialize};
use std::convert::Infallible;

/// Under which keys erasures lie.
const PREFIX: &str = "erasure/";
/// Most that are begun at a time.
pub(super) const JOBS_MAX: usize = 1000;

/// An erasure.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Job {
    /// Who is forgotten; none once only the file of the records is left to be written anew.
    pub(super) address: Option<Address>,
    /// In which account; in all, where there is none.
    pub(super) account: Option<AccountId>,
    /// Who asked for it, as JSON.
    actor: String,
    /// What was done so far.
    pub(super) erased: Erased,
}

impl Record for Job {
    const TABLE: Table = Table::Meta;
}

fn key(number: u64) -> String {
    format!("{PREFIX}{number:016x}")
}

impl Job {
    pub(super) fn new(address: Address, account: Option<AccountId>, actor: &Actor) -> Self {
        let actor = serde_json::to_string(actor).unwrap_or_default();
        Self { address: Some(address), account, actor, erased: Erased::default() }
    }

    pub(super) fn actor(&self) -> Actor {
        serde_json::from_str(&self.actor).unwrap_or(Actor::Relent)
    }

    /// Begins it: its number.
    pub(super) async fn begin(self, store: &Store) -> Result<u64, StoreFault> {
        let begun = store.transact(move |t| {
            let number = t.count("erasures")?;
            t.put(key(number).as_bytes(), &self);
            Ok(Ok::<_, Infallible>(number))
        });
        let Ok(number) = begun.await?;
        Ok(number)
    }

    pub(super) fn read(store: &Store, number: u64) -> Result<Option<Self>, StoreFault> {
        store.get(key(number).as_bytes())
    }

    /// The numbers of those that are not done, oldest first.
    pub(super) fn waiting(store: &Store) -> Result<Vec<u64>, StoreFault> {
        let found = store.scan::<Self>(PREFIX.as_bytes(), None, JOBS_MAX)?;
        let number = |place: &[u8]| {
            let text = std::str::from_utf8(place.get(PREFIX.len()..)?).ok()?;
            u64::from_str_radix(text, 16).ok()
        };
        Ok(found.iter().filter_map(|(place, _)| number(place)).collect())
    }

    pub(super) async fn save(&self, store: &Store, number: u64) -> Result<(), StoreFault> {
        let job = self.clone();
        let saved = store.transact(move |t| {
            t.put(key(number).as_bytes(), &job);
            Ok(Ok::<_, Infallible>(()))
        });
        let Ok(()) = saved.await?;
        Ok(())
    }

    pub(super) async fn remove(store: &Store, number: u64) -> Result<(), StoreFault> {
        let removed = store.transact(move |t| {
            t.remove::<Self>(key(number).as_bytes());
            Ok(Ok::<_, Infallible>(()))
        });
        let Ok(()) = removed.await?;
        Ok(())
    }
}
