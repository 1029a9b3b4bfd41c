//! Name servers that change while the daemon runs: whoever asks finds those that hold now.

use super::{DnsFault, HickoryResolver, Proven, Resolver, Route};
use crate::mail::{Domain, Tlsa};
use async_trait::async_trait;
use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};

/// The resolver that holds now.
pub struct LiveResolver(RwLock<Arc<HickoryResolver>>);

impl LiveResolver {
    /// This one, until another takes its place.
    #[must_use]
    pub fn new(resolver: Arc<HickoryResolver>) -> Arc<Self> {
        Arc::new(Self(RwLock::new(resolver)))
    }

    /// Lets another be asked from now on. It has no answers yet.
    pub fn replace(&self, resolver: Arc<HickoryResolver>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = resolver;
    }

    pub(super) fn now(&self) -> Arc<HickoryResolver> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[async_trait]
impl Resolver for LiveResolver {
    async fn route(&self, domain: &Domain) -> Result<Route, DnsFault> {
        self.now().route(domain).await
    }

    async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, DnsFault> {
        self.now().addresses(host).await
    }

    async fn texts(&self, name: &str) -> Result<Vec<String>, DnsFault> {
        self.now().texts(name).await
    }

    async fn alias(&self, name: &str) -> Result<Option<String>, DnsFault> {
        self.now().alias(name).await
    }

    async fn names(&self, address: IpAddr) -> Result<Vec<String>, DnsFault> {
        self.now().names(address).await
    }

    async fn proven_route(&self, domain: &Domain) -> Result<Proven<Route>, DnsFault> {
        self.now().proven_route(domain).await
    }

    async fn proven_addresses(&self, host: &str) -> Result<Proven<Vec<IpAddr>>, DnsFault> {
        self.now().proven_addresses(host).await
    }

    async fn expanded(&self, host: &str) -> Result<Option<String>, DnsFault> {
        self.now().expanded(host).await
    }

    async fn tlsa(&self, host: &str, port: u16) -> Result<Proven<Vec<Tlsa>>, DnsFault> {
        self.now().tlsa(host, port).await
    }
}

#[cfg(test)]
mod tests {
    use super::super::{NameServer, Rdata};
    use super::*;

    #[tokio::test]
    async fn the_names_of_an_address_are_those_of_the_resolver_that_holds() {
        let ask = |host: &str| {
            let record = ("7.2.0.192.in-addr.arpa".to_owned(), Rdata::Ptr(host.into()));
            let server = NameServer::start(([127, 0, 0, 1], 0).into(), &[record]).expect("a port");
            (HickoryResolver::new(&server.settings()).expect("a resolver"), server)
        };
        let address = IpAddr::from([192, 0, 2, 7]);
        let ((first, _one), (second, _two)) = (ask("one.example"), ask("two.example"));
        let live = LiveResolver::new(first);
        assert_eq!(live.names(address).await, Ok(vec!["one.example".to_owned()]));
        live.replace(second);
        assert_eq!(live.names(address).await, Ok(vec!["two.example".to_owned()]));
    }
}
