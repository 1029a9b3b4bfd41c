//! Delivery as the operator's interface asks it.

use crate::delivery::Delivery;
use crate::http::Outgoing;
use crate::mail::Domain;
use async_trait::async_trait;
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;

/// The way from the interface to delivery.
pub(super) struct Way(pub(super) Arc<Delivery>);

#[async_trait]
impl Outgoing for Way {
    async fn probe(&self, domain: &Domain, longest: Duration) -> Value {
        json!(self.0.clone().probe(domain, longest).await)
    }
}
