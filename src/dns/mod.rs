//! The resolver: where a domain's mail goes (RFC 5321 §5), and the records we publish or check. Only
//! here is hickory named.

mod hickory;
pub mod zone;

pub use hickory::HickoryResolver;
pub use zone::{NameServer, Rdata};

use crate::mail::Domain;
use async_trait::async_trait;
use std::net::IpAddr;

/// A host that takes a domain's mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailHost {
    /// The MX preference; 0 for a domain without MX.
    pub preference: u16,
    /// Its name.
    pub name: String,
}

/// Where a domain's mail goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Route {
    /// To these hosts: lowest preference first, equal ones shuffled, at most `dns.mx_hosts_max`.
    Hosts(Vec<MailHost>),
    /// Nowhere: null MX (RFC 7505), 5.1.10.
    NullMx,
    /// Nowhere: no such domain, or neither MX nor address, 5.1.2.
    NoSuchDomain,
}

/// An answer could not be had: worth another try (4.4.3).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct DnsFault(pub String);

/// The resolver as the rest of the house sees it.
#[async_trait]
pub trait Resolver: Send + Sync + 'static {
    /// Where a domain's mail goes.
    async fn route(&self, domain: &Domain) -> Result<Route, DnsFault>;
    /// A host's addresses, IPv6 and IPv4 in turn, at most `dns.addresses_max`; empty: it has none.
    async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, DnsFault>;
    /// TXT records, the strings of each joined; empty: there are none.
    async fn texts(&self, name: &str) -> Result<Vec<String>, DnsFault>;
}
