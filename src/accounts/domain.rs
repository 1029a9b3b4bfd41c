//! Sending domains: proof of control, and the keys that sign for them.

use super::account::{Accounts, PAGE};
use super::record::{AccountFault, DkimAlgorithm, DkimChoice, DkimKey, SendingDomain};
use crate::dns::Resolver;
use crate::mail::{AccountId, Domain, Timestamp};
use crate::store::StoreFault;
use crate::world::World;
use data_encoding::BASE64;
use ring::rand::SystemRandom;
use ring::signature::{Ed25519KeyPair, KeyPair};
use rsa::pkcs8::{EncodePrivateKey, EncodePublicKey};
use rsa::rand_core::{TryCryptoRng, TryRng};
use serde::{Deserialize, Serialize};
use std::convert::Infallible;
use std::sync::Arc;

/// A DNS record to publish.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DnsRecord {
    /// `TXT`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The full name, without the final dot.
    pub name: String,
    /// The value, without quotes.
    pub value: String,
}

impl DnsRecord {
    fn text(name: String, value: String) -> Self {
        Self { kind: "TXT".into(), name, value }
    }
}

impl SendingDomain {
    /// The records to publish: the proof and the keys, which are checked; SPF and DMARC, which are
    /// advice.
    #[must_use]
    pub fn records(&self, hostname: &str, reply_domain: &str) -> Vec<DnsRecord> {
        let mut records = self.required();
        records.push(DnsRecord::text(
            self.name.to_string(),
            format!("v=spf1 a:{hostname} include:{reply_domain} ~all"),
        ));
        if hostname == reply_domain {
            let spf = records.last_mut();
            spf.into_iter().for_each(|spf| spf.value = format!("v=spf1 a:{hostname} ~all"));
        }
        records.push(DnsRecord::text(format!("_dmarc.{}", self.name), "v=DMARC1; p=none".into()));
        records
    }

    fn required(&self) -> Vec<DnsRecord> {
        let proof = DnsRecord::text(format!("_relent.{}", self.name), self.challenge.clone());
        let keys = self.keys.iter().map(|key| {
            let kind = match key.algorithm {
                DkimAlgorithm::Rsa => "rsa",
                DkimAlgorithm::Ed25519 => "ed25519",
            };
            DnsRecord::text(
                format!("{}._domainkey.{}", key.selector, self.name),
                format!("v=DKIM1; k={kind}; p={}", key.public),
            )
        });
        std::iter::once(proof).chain(keys).collect()
    }
}

/// The world's chance in the shape that key generation asks for.
struct Dice(World);

impl TryRng for Dice {
    type Error = Infallible;
    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let mut bytes = [0; 4];
        self.0.chance.fill(&mut bytes);
        Ok(u32::from_le_bytes(bytes))
    }
    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let mut bytes = [0; 8];
        self.0.chance.fill(&mut bytes);
        Ok(u64::from_le_bytes(bytes))
    }
    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        self.0.chance.fill(bytes);
        Ok(())
    }
}

impl TryCryptoRng for Dice {}

fn rsa_key(selector: String, world: World) -> Result<DkimKey, String> {
    let key = rsa::PrivateKey::new(&mut Dice(world), 2048).map_err(|f| f.to_string())?;
    let private = key.to_pkcs8_der().map_err(|f| f.to_string())?;
    let public = key.to_public_key().to_public_key_der().map_err(|f| f.to_string())?;
    Ok(DkimKey {
        selector,
        algorithm: DkimAlgorithm::Rsa,
        private: private.as_bytes().to_vec(),
        public: BASE64.encode(public.as_bytes()),
    })
}

fn ed25519_key(selector: String) -> Result<DkimKey, String> {
    let private = Ed25519KeyPair::generate_pkcs8(&SystemRandom::new());
    let private = private.map_err(|f| f.to_string())?;
    let pair = Ed25519KeyPair::from_pkcs8(private.as_ref()).map_err(|f| f.to_string())?;
    Ok(DkimKey {
        selector,
        algorithm: DkimAlgorithm::Ed25519,
        private: private.as_ref().to_vec(),
        public: BASE64.encode(pair.public_key().as_ref()),
    })
}

fn make_keys(choice: DkimChoice, now: Timestamp, world: World) -> Result<Vec<DkimKey>, String> {
    let date = now.date().replace('-', "");
    let mut keys = Vec::new();
    if matches!(choice, DkimChoice::Both | DkimChoice::Rsa) {
        keys.push(rsa_key(format!("relent-rsa-{date}"), world)?);
    }
    if matches!(choice, DkimChoice::Both | DkimChoice::Ed25519) {
        keys.push(ed25519_key(format!("relent-ed-{date}"))?);
    }
    Ok(keys)
}

fn key(account: AccountId, name: &Domain) -> Vec<u8> {
    [&account.0.to_be_bytes()[..], name.as_str().as_bytes()].concat()
}

fn unknown(name: &Domain) -> AccountFault {
    AccountFault::Unknown(format!(
        "there is no domain `{name}` in this account: `relent domain list ACCOUNT` shows them, \
         `relent domain add ACCOUNT {name}` adds it"
    ))
}

impl Accounts {
    /// Adds a sending domain with fresh DKIM keys.
    ///
    /// # Errors
    /// The account has it already; the keys could not be made; the store.
    pub async fn add_domain(
        &self,
        account: AccountId,
        name: &Domain,
        trusted: bool,
        dkim: DkimChoice,
    ) -> Result<SendingDomain, AccountFault> {
        let (now, world) = (self.world.clock.now(), self.world.clone());
        let mut proof = [0; 16];
        world.chance.fill(&mut proof);
        let keys = tokio::task::spawn_blocking(move || make_keys(dkim, now, world)).await;
        let keys = keys.map_err(|fault| fault.to_string()).flatten().map_err(|fault| {
            AccountFault::Refused(format!("no DKIM key could be made: {fault}"))
        })?;
        let domain = SendingDomain {
            account,
            name: name.clone(),
            trusted,
            verified: None,
            challenge: format!("relent={}", crate::mail::id::BASE32.encode(&proof)),
            keys,
            created: now,
        };
        self.store
            .transact(move |t| {
                let place = key(account, &domain.name);
                if t.get::<SendingDomain>(&place)?.is_some() {
                    return Ok(Err(AccountFault::Refused(format!(
                        "the account has the domain `{}` already",
                        domain.name
                    ))));
                }
                t.put(&place, &domain);
                Ok(Ok(domain))
            })
            .await?
    }

    /// The account's domains by name.
    ///
    /// # Errors
    /// The store.
    pub fn domains(&self, account: AccountId) -> Result<Vec<SendingDomain>, AccountFault> {
        let prefix = account.0.to_be_bytes();
        let mut found = Vec::new();
        let mut after: Option<Vec<u8>> = None;
        loop {
            let page = self.store.scan::<SendingDomain>(&prefix, after.as_deref(), PAGE)?;
            let Some((last, _)) = page.last() else { break };
            after = Some(last.clone());
            found.extend(page.into_iter().map(|(_, domain)| domain));
        }
        Ok(found)
    }

    /// A domain of an account.
    ///
    /// # Errors
    /// The store.
    pub fn domain(
        &self,
        account: AccountId,
        name: &Domain,
    ) -> Result<Option<Arc<SendingDomain>>, StoreFault> {
        let found = self.store.get::<SendingDomain>(&key(account, name))?;
        Ok(found.map(Arc::new))
    }

    /// Asks DNS for the required records, says which are right, and marks the domain verified where
    /// all are.
    ///
    /// # Errors
    /// There is no such domain; the store. A DNS fault is a record not found.
    pub async fn verify_domain(
        &self,
        resolver: &dyn Resolver,
        account: AccountId,
        name: &Domain,
    ) -> Result<Vec<(DnsRecord, bool)>, AccountFault> {
        let domain = self.domain(account, name)?.ok_or_else(|| unknown(name))?;
        let squeeze = |text: &str| text.split_whitespace().collect::<String>();
        let mut checked = Vec::new();
        for record in domain.required() {
            let texts = resolver.texts(&record.name).await.unwrap_or_default();
            let wanted = squeeze(&record.value);
            let right = texts.iter().any(|text| squeeze(text) == wanted);
            checked.push((record, right));
        }
        if checked.iter().all(|(_, right)| *right) {
            self.mark_verified(account, name).await?;
        }
        Ok(checked)
    }

    /// Records that its published records were found right.
    ///
    /// # Errors
    /// There is no such domain; the store.
    pub async fn mark_verified(
        &self,
        account: AccountId,
        name: &Domain,
    ) -> Result<(), AccountFault> {
        let (name, now) = (name.clone(), self.world.clock.now());
        self.store
            .transact(move |t| {
                let place = key(account, &name);
                let Some(mut domain) = t.get::<SendingDomain>(&place)? else {
                    return Ok(Err(unknown(&name)));
                };
                domain.verified = Some(now);
                t.put(&place, &domain);
                Ok(Ok(()))
            })
            .await?
    }

    /// Removes a domain and its keys.
    ///
    /// # Errors
    /// There is no such domain; the store.
    pub async fn remove_domain(
        &self,
        account: AccountId,
        name: &Domain,
    ) -> Result<(), AccountFault> {
        let name = name.clone();
        self.store
            .transact(move |t| {
                let place = key(account, &name);
                if t.get::<SendingDomain>(&place)?.is_none() {
                    return Ok(Err(unknown(&name)));
                }
                t.remove::<SendingDomain>(&place);
                Ok(Ok(()))
            })
            .await?
    }
}
