//! `/api/v1/suppressions/batch` and `…/lookup`: many people in one request, with a result for each.

use super::by::By;
use super::caller::Caller;
use super::draft::Draft;
use super::named;
use super::problem::{Kind, Problem};
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

/// What became of one row.
#[derive(Serialize, ToSchema)]
pub(super) struct RowView {
    /// As it was sent.
    recipient: String,
    /// `stopped`, `already` where it was stopped so before, or `refused`.
    result: &'static str,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
}

/// What became of a batch.
#[derive(Serialize, ToSchema)]
pub(super) struct BatchView {
    /// In the order in which they were sent.
    #[schema(inline)]
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
    let most = parts.config.api.batch_max as usize;
    if count > most {
        let text = format!(
            "the request has {count} rows: api.batch_max lets {most} through, send more requests"
        );
        return Err(Problem::of(Kind::TooLarge, text));
    }
    Ok(())
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
                items.push(RowView { recipient, result: "refused", why });
                continue;
            }
            Err(problem) => {
                items.push(RowView { recipient, result: "refused", why: Some(problem.said()) });
                continue;
            }
        };
        let hash = named::hash_of(&parts, account.id, &subject)?;
        let kept = parts.policy.view(account.id, &Subject::Hash(hash))?;
        let mut stands = kept.suppressions.iter();
        let stands = stands.any(|stop| stop.scope == scope && stop.reason == Reason::Manual);
        let result = if stands || !seen.insert(hash) { "already" } else { "stopped" };
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
    let count = |result: &str| items.iter().filter(|item| item.result == result).count();
    let (stopped, already, refused) = (count("stopped"), count("already"), count("refused"));
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

/// What stops mail to one of them.
#[derive(Serialize, ToSchema)]
pub(super) struct FoundView {
    /// As it was sent.
    recipient: String,
    /// `stopped`, `free`, or `refused` where it is no address.
    result: &'static str,
    /// Of each stop: why; `global` where the installation has one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reasons: Vec<&'static str>,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    why: Option<String>,
}

/// What was found.
#[derive(Serialize, ToSchema)]
pub(super) struct LookupView {
    /// In the order in which they were sent.
    #[schema(inline)]
    items: Vec<FoundView>,
}

/// Looks each of them up; nothing is changed.
pub(super) async fn lookup(
    State(parts): State<Parts>,
    caller: Caller,
    Draft(lookup): Draft<Lookup>,
) -> Result<Json<LookupView>, Problem> {
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
                items.push(FoundView { recipient, result: "refused", reasons: Vec::new(), why });
                continue;
            }
            let mut stops = found.next().unwrap_or_default();
            stops.sort_by_key(|stop| stop.sequence);
            let mut reasons = Vec::new();
            for stop in stops {
                match (stop.scope, &stream) {
                    (Scope::Global, _) => reasons.push("global"),
                    (Scope::Stream(id), Some(stream)) if id != stream.id => {}
                    (Scope::Stream(id), None) if !caller.sees(Some(id)) => {}
                    _ => reasons.push(stop.reason.name()),
                }
            }
            let result = if reasons.is_empty() { "free" } else { "stopped" };
            items.push(FoundView { recipient, result, reasons, why: None });
        }
        Ok::<_, Problem>(items)
    });
    let items = looking.await.map_err(|fault| broken(&fault))??;
    Ok(Json(LookupView { items }))
}
