//! `/api/v1/delivery`: the sites that mail goes to, shown, probed, suspended and resumed. The door to delivery,
//! which this layer does not know.

use super::by::By;
use super::draft::{Draft, Named};
use super::named;
use super::problem::Problem;
use super::site::Parts;
use crate::events::Act;
use crate::mail::{AccountId, Domain, Timestamp};
use crate::store::StoreFault;
use async_trait::async_trait;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::Value;
#[cfg(test)]
use serde_json::json;
use std::time::Duration;
use utoipa::ToSchema;

/// Longest text of a reason, in characters.
const REASON_MAX: usize = 500;

/// Why something was not done to a site.
#[derive(Debug, thiserror::Error)]
pub enum OutgoingFault {
    /// What was sent cannot be meant.
    #[error("{0}")]
    Unfit(String),
    /// There is no such thing.
    #[error("{0}")]
    Unknown(String),
    /// There are too many already.
    #[error("{0}")]
    Full(String),
    /// The records.
    #[error(transparent)]
    Store(#[from] StoreFault),
}

impl From<OutgoingFault> for Problem {
    fn from(fault: OutgoingFault) -> Self {
        match fault {
            OutgoingFault::Unfit(text) => Self::unfit(text),
            OutgoingFault::Unknown(text) => Self::unknown(text),
            OutgoingFault::Full(text) => Self::new(StatusCode::CONFLICT, text),
            OutgoingFault::Store(fault) => fault.into(),
        }
    }
}

/// Mail on its way out, as far as the operator speaks to it. What it answers is JSON as the API shows it.
#[async_trait]
pub trait Outgoing: Send + Sync + 'static {
    /// The sites that mail waits for, or that something is to be said of (`sites`), and what is suspended
    /// (`suspensions`).
    async fn list(&self) -> Result<Value, OutgoingFault>;
    /// A domain's site, what applies to it and why, and how it stands.
    async fn site(&self, domain: &Domain) -> Result<Value, OutgoingFault>;
    /// Suspends a domain, or the sites with a server of that name; how that stands now.
    async fn suspend(
        &self,
        name: &str,
        until: Option<Timestamp>,
        reason: &str,
    ) -> Result<Value, OutgoingFault>;
    /// Lifts that, and ends the pauses of what has that name; what it did.
    async fn resume(&self, name: &str) -> Result<Value, OutgoingFault>;
    /// What would happen to mail for a domain, found by talking to its servers, within about `longest`.
    async fn probe(&self, domain: &Domain, longest: Duration) -> Value;
}

pub(super) async fn probe(
    State(parts): State<Parts>,
    Named([domain]): Named<1>,
) -> Result<Json<Value>, Problem> {
    let domain = named::domain(&domain)?;
    // Lookups come before and words after: the answer leaves within the request's time.
    let longest = parts.config.http.request_timeout.0 / 2;
    Ok(Json(parts.outgoing.probe(&domain, longest).await))
}

pub(super) async fn list(State(parts): State<Parts>) -> Result<Json<Value>, Problem> {
    Ok(Json(parts.outgoing.list().await?))
}

pub(super) async fn site(
    State(parts): State<Parts>,
    Named([domain]): Named<1>,
) -> Result<Json<Value>, Problem> {
    let domain = named::domain(&domain)?;
    Ok(Json(parts.outgoing.site(&domain).await?))
}

/// What is to be suspended, or resumed.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    name: Option<String>,
    /// For so many seconds.
    seconds: Option<u64>,
    reason: Option<String>,
}

pub(super) async fn act(
    By(parts): By,
    Named([verb]): Named<1>,
    Draft(wanted): Draft<Wanted>,
) -> Result<Json<Value>, Problem> {
    let name = named::needed("name", wanted.name.as_ref())?.to_owned();
    let reason = named::given(wanted.reason.as_ref()).unwrap_or_default().to_owned();
    if reason.chars().count() > REASON_MAX {
        return Err(Problem::unfit(format!("`reason` has more than {REASON_MAX} characters")));
    }
    if wanted.seconds == Some(0) {
        return Err(Problem::unfit("`seconds` is 0: leave it out, or say for how long"));
    }
    let now = parts.world.clock.now();
    let until = wanted.seconds.map(|seconds| now.after(Duration::from_secs(seconds)));
    let kind = if verb == "suspend" { "site.suspended" } else { "site.resumed" };
    let act = Act::new(AccountId::INSTALLATION, kind)
        .about(&name)
        .with("until", until.map(|until| until.to_string()))
        .with("reason", reason.as_str());
    let outgoing = parts.outgoing.clone();
    // On a task of its own: what is begun is done, whether the asker waits or not.
    let work = tokio::spawn(async move {
        let done = match verb.as_str() {
            "suspend" => outgoing.suspend(&name, until, &reason).await,
            "resume" => outgoing.resume(&name).await,
            _ => {
                let text = format!("`{verb}` is no verb of delivery: suspend, resume");
                Err(OutgoingFault::Unknown(text))
            }
        }?;
        parts.accounts.write_act(act).await?;
        Ok::<_, Problem>(done)
    });
    let done = work.await.map_err(|fault| super::suppression::broken(&fault))?;
    Ok(Json(done?))
}

/// Nothing goes out: for faces that are shown without a delivery behind them.
#[cfg(test)]
pub(super) struct Nothing;

#[cfg(test)]
#[async_trait]
impl Outgoing for Nothing {
    async fn list(&self) -> Result<Value, OutgoingFault> {
        Ok(json!({ "sites": [], "suspensions": [] }))
    }
    async fn site(&self, domain: &Domain) -> Result<Value, OutgoingFault> {
        Ok(json!({ "domain": domain.to_string() }))
    }
    async fn suspend(
        &self,
        name: &str,
        until: Option<Timestamp>,
        reason: &str,
    ) -> Result<Value, OutgoingFault> {
        let until = until.map(|until| until.to_string());
        Ok(json!({ "name": name, "until": until, "reason": reason }))
    }
    async fn probe(&self, domain: &Domain, _longest: Duration) -> Value {
        json!({ "domain": domain.to_string() })
    }
    async fn resume(&self, name: &str) -> Result<Value, OutgoingFault> {
        Err(OutgoingFault::Unknown(format!("nothing of the name `{name}` is suspended")))
    }
}
