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
const JOBS_MAX: usize = 1000;
/// Most of them that one account may have, so that it keeps none of the others waiting for long.
pub const JOBS_PER_ACCOUNT_MAX: usize = 10;

/// What became of the wish for an erasure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Begun {
    /// It is kept under this number, and done whatever happens.
    Number(u64),
    /// The account has as many that wait as it may.
    FullForAccount,
    /// All accounts together have.
    Full,
}

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

    /// Begins it where there is room for one more.
    pub(super) async fn begin(self, store: &Store) -> Result<Begun, StoreFault> {
        let begun = store.transact(move |t| {
            let waiting = t.scan::<Self>(PREFIX.as_bytes(), None, JOBS_MAX)?;
            if waiting.len() >= JOBS_MAX {
                return Ok(Ok::<_, Infallible>(Begun::Full));
            }
            // Those of all accounts are the operator's, who needs no limit.
            let is_alike = |(_, job): &&(Vec<u8>, Self)| job.account == self.account;
            let alike = waiting.iter().filter(is_alike).count();
            if self.account.is_some() && alike >= JOBS_PER_ACCOUNT_MAX {
                return Ok(Ok(Begun::FullForAccount));
            }
            let number = t.count("erasures")?;
            t.put(key(number).as_bytes(), &self);
            Ok(Ok(Begun::Number(number)))
        });
        let Ok(begun) = begun.await?;
        Ok(begun)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use crate::world::World;

    #[tokio::test]
    async fn an_account_with_many_erasures_leaves_room_for_others() {
        let home = tempfile::tempdir().expect("a folder");
        let store = Store::open(home.path(), &config::Store::default(), &World::real());
        let begin = async |account: Option<u32>| {
            let address = Address::parse("ann@reader.example").expect("an address");
            let job = Job::new(address, account.map(AccountId), &Actor::Relent);
            job.begin(&store).await.expect("store")
        };
        for _ in 0..JOBS_PER_ACCOUNT_MAX {
            assert!(matches!(begin(Some(1)).await, Begun::Number(_)));
        }
        assert_eq!(begin(Some(1)).await, Begun::FullForAccount);
        assert!(matches!(begin(Some(2)).await, Begun::Number(_)));
        assert!(matches!(begin(None).await, Begun::Number(_)));
        let first = Job::waiting(&store).expect("store")[0];
        Job::remove(&store, first).await.expect("store");
        assert!(matches!(begin(Some(1)).await, Begun::Number(_)));
    }
}
