//! A From domain of an account, as its record lies in the store: the keys that sign for it, and its own
//! hosts for what comes back.

use crate::mail::{AccountId, Domain, Timestamp};
use crate::store::{Record, Table};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A From domain of an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SendingDomain {
    /// Whose.
    pub account: AccountId,
    /// The domain.
    pub name: Domain,
    /// The operator vouches for it.
    pub trusted: bool,
    /// When its published proof and the keys that sign were last found right.
    pub verified: Option<Timestamp>,
    /// The text that proves control, published at `_relent.DOMAIN`.
    pub challenge: String,
    /// Its keys, oldest first; none that signs: not signed.
    pub keys: Vec<DkimKey>,
    /// Since when.
    pub created: Timestamp,
    /// Hosts of its own.
    pub hosts: DomainHosts,
}

/// Hosts of a sending domain's own, below it or the domain itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DomainHosts {
    /// Of return paths, so that SPF aligns.
    pub return_path: Option<Host>,
    /// Of reply and unsubscribe addresses.
    pub replies: Option<Host>,
    /// Of unsubscribe pages.
    pub links: Option<Host>,
}

/// A host of a sending domain's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// Its name.
    pub name: Domain,
    /// When its records were last found to lead to us; until then it is not used.
    pub found: Option<Timestamp>,
}

/// What a host of a sending domain's own is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HostUse {
    /// Return paths.
    ReturnPath,
    /// Reply and unsubscribe addresses.
    Replies,
    /// Unsubscribe pages.
    Links,
}

impl HostUse {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::ReturnPath, Self::Replies, Self::Links];
}

impl DomainHosts {
    /// The host for a use.
    #[must_use]
    pub fn of(&self, host_use: HostUse) -> Option<&Host> {
        match host_use {
            HostUse::ReturnPath => self.return_path.as_ref(),
            HostUse::Replies => self.replies.as_ref(),
            HostUse::Links => self.links.as_ref(),
        }
    }

    pub(super) fn place(&mut self, host_use: HostUse) -> &mut Option<Host> {
        match host_use {
            HostUse::ReturnPath => &mut self.return_path,
            HostUse::Replies => &mut self.replies,
            HostUse::Links => &mut self.links,
        }
    }

    /// Whether some host is not in use yet.
    pub(super) fn wait(&self) -> bool {
        let all = HostUse::ALL.iter().filter_map(|host_use| self.of(*host_use));
        all.into_iter().any(|host| host.found.is_none())
    }
}

/// A key that signs (RFC 6376, RFC 8463).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DkimKey {
    /// The selector, a label below `_domainkey`.
    pub selector: String,
    /// RSA-2048 or Ed25519.
    pub algorithm: DkimAlgorithm,
    /// The private key, PKCS #8 DER; empty once it signs no more.
    pub private: Vec<u8>,
    /// The public key as the TXT record's `p=` has it, base64.
    pub public: String,
    /// Whether it signs.
    pub stage: KeyStage,
    /// When it was made.
    pub made: Timestamp,
}

/// Where a key stands in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum KeyStage {
    /// It signs.
    Signing,
    /// It signs once its record and those of the keys made with it are found published.
    Waiting,
    /// It signs no more; its record stays published while mail that it signed may be under way.
    Retired {
        /// Until then.
        until: Timestamp,
    },
}

impl KeyStage {
    /// In a word.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Signing => "signing",
            Self::Waiting => "waiting",
            Self::Retired { .. } => "retired",
        }
    }
}

/// How a DKIM key signs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum DkimAlgorithm {
    /// RSA with 2,048 bits and SHA-256.
    Rsa,
    /// Ed25519 with SHA-256.
    Ed25519,
}

/// Which DKIM keys are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum DkimChoice {
    /// Both kinds.
    Both,
    /// Ed25519 only.
    Ed25519,
    /// RSA-2048 only.
    Rsa,
    /// No signature.
    None,
}

impl SendingDomain {
    /// Whether mail may be sent from it.
    #[must_use]
    pub fn may_send(&self) -> bool {
        self.trusted || self.verified.is_some()
    }

    /// The keys that sign.
    pub fn signing_keys(&self) -> impl Iterator<Item = &DkimKey> {
        self.keys.iter().filter(|key| key.stage == KeyStage::Signing)
    }

    /// Its own host for a use, where its records were found to lead to us.
    #[must_use]
    pub fn host(&self, host_use: HostUse) -> Option<&Domain> {
        let host = self.hosts.of(host_use)?;
        host.found.map(|_| &host.name)
    }

    /// Whether something is waited for: new keys, or hosts.
    pub(super) fn waits(&self) -> bool {
        self.hosts.wait() || self.keys.iter().any(|key| key.stage == KeyStage::Waiting)
    }
}

/// A host that once led to us, by its name: what comes to a token there is taken as long as mail
/// comes, since an address that was given out must go on working.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct KnownHost {
    pub(super) since: Timestamp,
}

/// A record of version 1: no hosts, every key signs.
#[derive(Deserialize)]
struct First {
    account: AccountId,
    name: Domain,
    trusted: bool,
    verified: Option<Timestamp>,
    challenge: String,
    keys: Vec<(String, DkimAlgorithm, Vec<u8>, String)>,
    created: Timestamp,
}

impl Record for SendingDomain {
    const TABLE: Table = Table::Domain;
    const VERSION: u8 = 2;

    fn decode_old(version: u8, bytes: &[u8]) -> Option<Self> {
        let first: First = (version == 1).then(|| postcard::from_bytes(bytes).ok())??;
        let made = first.created;
        let keys = first.keys.into_iter().map(|(selector, algorithm, private, public)| DkimKey {
            selector,
            algorithm,
            private,
            public,
            stage: KeyStage::Signing,
            made,
        });
        Some(Self {
            account: first.account,
            name: first.name,
            trusted: first.trusted,
            verified: first.verified,
            challenge: first.challenge,
            keys: keys.collect(),
            created: first.created,
            hosts: DomainHosts::default(),
        })
    }
}

impl Record for KnownHost {
    const TABLE: Table = Table::Meta;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_of_the_version_before_signs_with_the_keys_it_had() {
        let key = ("one".to_owned(), DkimAlgorithm::Ed25519, vec![1u8, 2], "cA==".to_owned());
        let name = Domain::parse("acme.example").expect("a domain");
        let before =
            (AccountId(3), &name, true, Some(Timestamp(9)), "relent=x", vec![key], Timestamp(5));
        let bytes = postcard::to_stdvec(&before).expect("bytes");
        let read = SendingDomain::decode_old(1, &bytes).expect("a domain");
        assert_eq!(
            (&read.name, read.created, read.verified),
            (&name, Timestamp(5), Some(Timestamp(9)))
        );
        assert_eq!(read.hosts, DomainHosts::default());
        let keys: Vec<_> = read.signing_keys().collect();
        assert_eq!((keys.len(), keys[0].selector.as_str(), keys[0].made), (1, "one", Timestamp(5)));
        assert!(SendingDomain::decode_old(2, &bytes).is_none());
    }
}
