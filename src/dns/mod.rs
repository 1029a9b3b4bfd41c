//! The resolver: where a domain's mail goes (RFC 5321 §5), what DNSSEC proves of it, the records we
//! publish or check, and whether mail is from whom it says. Only here is hickory named.

mod asking;
mod authenticity;
mod hickory;
mod live;
#[cfg(test)]
mod signed;
pub mod zone;

pub use authenticity::{Arrival, Authenticator, Authenticity, Found, Proof, Signed};
pub use hickory::{HickoryResolver, check_anchors};
pub use live::LiveResolver;
pub use zone::{NameServer, Rdata};

use crate::mail::{Domain, Tlsa};
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

/// An answer, and whether DNSSEC proves it: by our own validation, or by that of a name server on this
/// machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proven<T> {
    /// What was found.
    pub found: T,
    /// Whether every record that leads to it was proven.
    pub is_secure: bool,
}

impl<T> Proven<T> {
    /// What nobody vouches for.
    pub fn unproven(found: T) -> Self {
        Self { found, is_secure: false }
    }
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
    /// Where the CNAME record of a name points, proven or not; none where it has none.
    async fn alias(&self, _name: &str) -> Result<Option<String>, DnsFault> {
        Ok(None)
    }

    /// Where a domain's mail goes, and whether that is proven. Unless it can prove something, a resolver
    /// proves nothing.
    async fn proven_route(&self, domain: &Domain) -> Result<Proven<Route>, DnsFault> {
        self.route(domain).await.map(Proven::unproven)
    }
    /// A host's addresses, and whether all of them are proven.
    async fn proven_addresses(&self, host: &str) -> Result<Proven<Vec<IpAddr>>, DnsFault> {
        self.addresses(host).await.map(Proven::unproven)
    }
    /// The name that a host's aliases lead to (RFC 7672 §2.2.2), as far as they are proven; none where it has
    /// none.
    async fn expanded(&self, _host: &str) -> Result<Option<String>, DnsFault> {
        Ok(None)
    }
    /// The TLSA records of a host's port (RFC 6698 §3); empty: there are none.
    async fn tlsa(&self, _host: &str, _port: u16) -> Result<Proven<Vec<Tlsa>>, DnsFault> {
        Ok(Proven::unproven(Vec::new()))
    }
}
