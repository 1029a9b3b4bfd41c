//! Mail that goes out, as the operator asks about it. The door to delivery, which this layer does not know.

use super::named;
use super::problem::Problem;
use super::site::Parts;
use crate::mail::Domain;
use async_trait::async_trait;
use axum::Json;
use axum::extract::{Path, State};
use serde_json::Value;
use std::time::Duration;

/// What delivery answers.
#[async_trait]
pub trait Outgoing: Send + Sync + 'static {
    /// What would happen to mail for a domain, found by talking to its servers, within about `longest`.
    async fn probe(&self, domain: &Domain, longest: Duration) -> Value;
}

pub(super) async fn probe(
    State(parts): State<Parts>,
    Path(domain): Path<String>,
) -> Result<Json<Value>, Problem> {
    let domain = named::domain(&domain)?;
    // Lookups come before and words after: the answer leaves within the request's time.
    let longest = parts.config.http.request_timeout.0 / 2;
    Ok(Json(parts.outgoing.probe(&domain, longest).await))
}
