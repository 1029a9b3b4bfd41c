//! Delivery: what of it runs, and how the operator's interface asks it.

use crate::delivery::Delivery;
use crate::http::Outgoing;
use crate::mail::Domain;
use async_trait::async_trait;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Sends mail, and reports how TLS fared, until told to stop.
pub(super) async fn run(delivery: Arc<Delivery>, stop: CancellationToken) {
    tokio::join!(delivery.clone().report(stop.clone()), delivery.run(stop));
}

/// The way from the interface to delivery.
pub(super) struct Way(pub(super) Arc<Delivery>);

#[async_trait]
impl Outgoing for Way {
    async fn probe(&self, domain: &Domain, longest: Duration) -> Value {
        json!(self.0.clone().probe(domain, longest).await)
    }
}
