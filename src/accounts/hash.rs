//! Under which keys people are known: each account's own, and the installation's. They never rotate.

use super::account::Accounts;
use super::record::{AccountRecord, InstallationKeys};
use crate::mail::{AccountId, Address, Domain, RecipientHash};
use crate::store::StoreFault;
use ring::hmac;

/// Where the installation's keys lie.
const KEYS: &[u8] = b"installation keys";

/// Hashes many under one owner's key, which is read once.
pub struct Hasher(hmac::Key);

impl Hasher {
    fn hash(&self, text: &str) -> RecipientHash {
        let tag = hmac::sign(&self.0, text.as_bytes());
        let mut hash = [0; 16];
        hash.copy_from_slice(&tag.as_ref()[..16]);
        RecipientHash(hash)
    }

    /// A recipient, as [`Accounts::hash`].
    #[must_use]
    pub fn address(&self, address: &Address) -> RecipientHash {
        self.hash(&address.normal())
    }

    /// A whole domain, as [`Accounts::domain_hash`].
    #[must_use]
    pub fn domain(&self, domain: &Domain) -> RecipientHash {
        self.hash(&format!("@{domain}"))
    }
}

impl Accounts {
    /// The installation's keys, made in a transaction when they are first asked for.
    ///
    /// # Errors
    /// The store.
    pub async fn make_keys(&self) -> Result<InstallationKeys, StoreFault> {
        if let Some(keys) = self.store.get::<InstallationKeys>(KEYS)? {
            return Ok(keys);
        }
        let mut keys = InstallationKeys { hash: [0; 32], token: [0; 32] };
        self.world.chance.fill(&mut keys.hash);
        self.world.chance.fill(&mut keys.token);
        let made = self.store.transact(move |t| {
            if let Some(there) = t.get::<InstallationKeys>(KEYS)? {
                return Ok(Ok(there));
            }
            t.put(KEYS, &keys);
            Ok(Ok::<_, std::convert::Infallible>(keys))
        });
        match made.await? {
            Ok(keys) => Ok(keys),
            Err(never) => match never {},
        }
    }

    /// The installation's keys; where none were made yet, they are made now, and this waits.
    ///
    /// # Errors
    /// The store.
    pub fn keys(&self) -> Result<InstallationKeys, StoreFault> {
        if let Some(keys) = self.store.get::<InstallationKeys>(KEYS)? {
            return Ok(keys);
        }
        // Once in an installation's life. The committer is a thread of its own, so a plain wait
        // on it from a scratch thread ends even where the runtime has but one thread.
        std::thread::scope(|scope| {
            let waiting = scope.spawn(|| {
                tokio::runtime::Builder::new_current_thread()
                    .build()
                    .map_err(|fault| StoreFault::Damaged(fault.to_string()))?
                    .block_on(self.make_keys())
            });
            waiting.join().unwrap_or(Err(StoreFault::Closed))
        })
    }

    /// Hashes under the account's key (or the installation's).
    ///
    /// # Errors
    /// The store.
    pub fn hasher(&self, account: AccountId) -> Result<Hasher, StoreFault> {
        let key = if account == AccountId::INSTALLATION {
            self.keys()?.hash
        } else {
            let record = self.store.get::<AccountRecord>(&account.0.to_be_bytes())?;
            let record = record.ok_or_else(|| {
                StoreFault::Damaged(format!("account {} is named but not there", account.0))
            })?;
            record.hash_key
        };
        Ok(Hasher(hmac::Key::new(hmac::HMAC_SHA256, &key)))
    }

    /// The recipient under the account's key (or the installation's).
    ///
    /// # Errors
    /// The store.
    pub fn hash(&self, account: AccountId, address: &Address) -> Result<RecipientHash, StoreFault> {
        Ok(self.hasher(account)?.address(address))
    }

    /// A whole domain, `@domain`, under the account's key.
    ///
    /// # Errors
    /// The store.
    pub fn domain_hash(
        &self,
        account: AccountId,
        domain: &Domain,
    ) -> Result<RecipientHash, StoreFault> {
        Ok(self.hasher(account)?.domain(domain))
    }
}
