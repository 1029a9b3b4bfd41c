//! Name servers that change while the daemon runs: whoever asks finds those that hold now.

use super::{DnsFault, HickoryResolver, Proven, Resolver, Route, Tlsa};
use crate::mail::Domain;
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
