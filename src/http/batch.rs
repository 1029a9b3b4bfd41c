//! `/api/v1/suppressions/batch` and `…/lookup`: many people in one request, with a result for each.

use super::by::By;
use super::caller::Caller;
use super::draft::Draft;
use super::named;
use super::problem::Problem;
use super::rows::limited;
use super::shape::List;
use super::site::Parts;
use super::suppression::broken;
use crate::events::record::{Reason, Scope};
use crate::policy::{ListedStop, Settled, Subject};
use crate::queue::Selector;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use std::collections::HashSet;
use std::sync::Arc;
use utoipa::ToSchema;

/// People and domains to stop, each for itself.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Batch {
    /// Left out, it is the caller's own.
    account: Option<String>,
    /// How far the stops reach; left out: the whole account.
    stream: Option<String>,
    /// What they rest on, in words.
    #[schema(max_length = 1000)]
    text: Option<String>,
    /// Addresses, or `@domain`; at most `api.batch_max`.
    #[schema(max_items = 10_000)]
    recipients: Vec<String>,
}

/// What becomes of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = StopResult)]
enum Became {
    /// It is stopped now.
    Stopped,
    /// It was stopped so before.
    Already,
    /// It cannot be meant.
    Refused,
}

/// What became of one row.
#[derive(Serialize, ToSchema)]
#[schema(as = StopRow)]
pub(super) struct RowView {
    /// As it was sent.
    recipient: String,
    /// `already` where it was stopped so before.
    result: Became,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    why: Option<String>,
}

/// What became of a batch.
#[derive(Serialize, ToSchema)]
#[schema(as = StopBatch)]
pub(super) struct BatchView {
    /// In the order in which they were sent.
    items: Vec<RowView>,
    /// Stops recorded.
    stopped: usize,
    /// Stops that stood already.
    already: usize,
    /// Rows that cannot be meant.
    refused: usize,
    /// False: one message to one of them may still arrive.
    settled: bool,
}

fn within(parts: &Parts, count: usize) -> Result<(), Problem> {
    limited(count, parts.config.api.batch_max, "api.batch_max")
}

/// Stops each of them, in one transaction.
pub(super) async fn stop(
    By(parts): By,
    caller: Caller,
    Draft(batch): Draft<Batch>,
) -> Result<(StatusCode, Json<BatchView>), Problem> {
    within(&parts, batch.recipients.len())?;
    let account = caller.meant(&parts, batch.account.as_ref())?;
    let scope = match named::given(batch.stream.as_ref()) {
        Some(name) => Scope::Stream(caller.stream(&parts, account.id, name)?.id),
        None => {
            caller.whole_account()?;
            Scope::Account
        }
    };
    let text = batch.text.as_deref().unwrap_or_default();
    let evidence =
        named::evidence(caller.source(), text, None).map_err(|fault| fault.at("text"))?;
    let (mut items, mut stops) = (Vec::with_capacity(batch.recipients.len()), Vec::new());
    let (mut selectors, mut domains, mut seen) = (Vec::new(), HashSet::new(), HashSet::new());
    for recipient in batch.recipients {
        let subject = match named::subject(recipient.trim()) {
            Ok(subject) if !matches!(subject, Subject::Hash(_)) => subject,
            Ok(_) => {
                let why = Some("write an address, or @ and a domain".to_owned());
                items.push(RowView { recipient, result: Became::Refused, why });
                continue;
            }
            Err(problem) => {
                let why = Some(problem.said());
                items.push(RowView { recipient, result: Became::Refused, why });
                continue;
            }
        };
        let hash = named::hash_of(&parts, account.id, &subject)?;
        let kept = parts.policy.view(account.id, &Subject::Hash(hash))?;
        let mut stands = kept.suppressions.iter();
        let stands = stands.any(|stop| stop.scope == scope && stop.reason == Reason::Manual);
        let again = stands || !seen.insert(hash);
        let result = if again { Became::Already } else { Became::Stopped };
        items.push(RowView { recipient, result, why: None });
        match &subject {
            Subject::Domain(domain) => {
                domains.insert(domain.clone());
            }
            _ => selectors.push(Selector::Recipient(account.id, hash)),
        }
        let (reason, evidence) = (Reason::Manual, evidence.clone());
        stops.push(ListedStop { subject, scope, reason, at: None, evidence });
    }
    if !domains.is_empty() {
        selectors.push(Selector::Domains(account.id, Arc::new(domains)));
    }
    let (policy, queue) = (parts.policy.clone(), parts.queue.clone());
    // On a task of its own: what is begun is done, whether the asker waits or not.
    let work = tokio::spawn(async move {
        let done = policy.suppress_all(account.id, stops).await?;
        for selector in selectors {
            queue.cancel(selector).await;
        }
        Ok::<_, Problem>(done.settled)
    });
    let settled = work.await.map_err(|fault| broken(&fault))??;
    let count = |result: Became| items.iter().filter(|item| item.result == result).count();
    let (stopped, already) = (count(Became::Stopped), count(Became::Already));
    let refused = count(Became::Refused);
    tracing::info!(
        target: "relent::http", account = account.name, stream = batch.stream, stopped, already,
        refused, by = %caller, "a batch of stops was taken"
    );
    let settled_fully = settled == Settled::Fully;
    let view = BatchView { items, stopped, already, refused, settled: settled_fully };
    Ok((named::status(settled), Json(view)))
}

/// Whom to look up.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Lookup {
    /// Left out, it is the caller's own.
    account: Option<String>,
    /// On which stream they are to be sent to; left out: any.
    stream: Option<String>,
    /// Addresses; at most `api.batch_max`.
    #[schema(max_items = 10_000)]
    recipients: Vec<String>,
}

/// What is found of one of them.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
#[schema(as = LookupResult)]
enum Found {
    /// Something stops mail to it.
    Stopped,
    /// Nothing does.
    Free,
    /// It is no address.
    Refused,
}

/// Why a stop stands, or that it is the installation's.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = LookupReason)]
enum Why {
    OptOut,
    Complaint,
    HardBounce,
    Manual,
    Global,
}

impl From<Reason> for Why {
    fn from(reason: Reason) -> Self {
        match reason {
            Reason::OptOut => Self::OptOut,
            Reason::Complaint => Self::Complaint,
            Reason::HardBounce => Self::HardBounce,
            Reason::Manual => Self::Manual,
        }
    }
}

/// What stops mail to one of them.
#[derive(Serialize, ToSchema)]
#[schema(as = LookupRow)]
pub(super) struct FoundView {
    /// As it was sent.
    recipient: String,
    /// `refused` where it is no address.
    result: Found,
    /// Of each stop: why; `global` where the installation has one. Left out where there is none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reasons: Vec<Why>,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    why: Option<String>,
}

/// Looks each of them up; nothing is changed.
pub(super) async fn lookup(
    State(parts): State<Parts>,
    caller: Caller,
    Draft(lookup): Draft<Lookup>,
) -> Result<Json<List<FoundView>>, Problem> {
    within(&parts, lookup.recipients.len())?;
    let account = caller.meant(&parts, lookup.account.as_ref())?;
    let stream = named::given(lookup.stream.as_ref());
    let stream = stream.map(|name| caller.stream(&parts, account.id, name)).transpose()?;
    let looking = tokio::task::spawn_blocking(move || {
        let read: Vec<_> = lookup.recipients.iter().map(|text| named::address(text)).collect();
        let known: Vec<_> = read.iter().filter_map(|read| read.as_ref().ok().cloned()).collect();
        let mut found = parts.policy.stops_all(account.id, &known)?.into_iter();
        let mut items = Vec::with_capacity(read.len());
        for (recipient, read) in lookup.recipients.into_iter().zip(read) {
            if let Err(problem) = read {
                let why = Some(problem.said());
                let (result, reasons) = (Found::Refused, Vec::new());
                items.push(FoundView { recipient, result, reasons, why });
                continue;
            }
            let mut stops = found.next().unwrap_or_default();
            stops.sort_by_key(|stop| stop.sequence);
            let mut reasons = Vec::new();
            for stop in stops {
                match (stop.scope, &stream) {
                    (Scope::Global, _) => reasons.push(Why::Global),
                    (Scope::Stream(id), Some(stream)) if id != stream.id => {}
                    (Scope::Stream(id), None) if !caller.sees(Some(id)) => {}
                    _ => reasons.push(stop.reason.into()),
                }
            }
            let result = if reasons.is_empty() { Found::Free } else { Found::Stopped };
            items.push(FoundView { recipient, result, reasons, why: None });
        }
        Ok::<_, Problem>(items)
    });
    let items = looking.await.map_err(|fault| broken(&fault))??;
    Ok(Json(List { items }))
}
