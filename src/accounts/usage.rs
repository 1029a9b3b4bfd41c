//! When each credential was used last: noted in memory, written down now and then, so that no request
//! costs a write.

use super::account::Accounts;
use super::record::{Credential, LastUse};
use crate::store::{StoreFault, Transaction};
use std::collections::HashMap;
use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Uses that are not written down yet, by user name. It holds names of credentials alone, so that there
/// are no more than those.
pub(super) type Uses = Arc<Mutex<HashMap<String, LastUse>>>;

fn key(name: &str) -> String {
    format!("use/{name}")
}

/// A credential is gone, and when it was used with it.
pub(super) fn forget(t: &mut Transaction<'_>, name: &str) {
    t.remove::<LastUse>(key(name).as_bytes());
}

impl Accounts {
    fn uses(&self) -> MutexGuard<'_, HashMap<String, LastUse>> {
        self.uses.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that a credential was used.
    pub(super) fn used(&self, name: &str, from: Option<IpAddr>) {
        let at = self.world.clock.now();
        self.uses().insert(name.to_owned(), LastUse { at, from });
    }

    /// When a credential was used last.
    ///
    /// # Errors
    /// The store.
    pub fn last_use(&self, credential: &Credential) -> Result<Option<LastUse>, StoreFault> {
        let noted = self.uses().get(&credential.name).copied();
        let last = match noted {
            Some(noted) => Some(noted),
            None => self.store.get::<LastUse>(key(&credential.name).as_bytes())?,
        };
        // A name that was given anew is another credential.
        Ok(last.filter(|last| last.at >= credential.created))
    }

    /// Writes down what was noted, in one transaction.
    ///
    /// # Errors
    /// The store: what was noted is kept and written the next time.
    pub async fn save_uses(&self) -> Result<(), StoreFault> {
        let noted = self.uses().clone();
        if noted.is_empty() {
            return Ok(());
        }
        let written = noted.clone();
        let Ok(()) = self
            .store
            .transact(move |t| {
                for (name, last) in &written {
                    if t.get::<Credential>(name.as_bytes())?.is_some() {
                        t.put(key(name).as_bytes(), last);
                    }
                }
                Ok(Ok::<_, Infallible>(()))
            })
            .await?;
        self.uses().retain(|name, last| noted.get(name) != Some(last));
        Ok(())
    }
}
