//! `/api/v1/suppressions`: stops by hand, lifted by name and reason, shown with what they rest on.

use super::named::{self, GLOBAL};
use super::problem::{Asked, Draft, Problem};
use super::site::Parts;
use crate::events::record::{Reason, Scope};
use crate::mail::{AccountId, RecipientHash};
use crate::policy::{Settled, Subject, Suppression};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

/// Most recipients in one answer.
const PAGE_MAX: usize = 1000;
/// Recipients in one answer unless the request says otherwise.
const PAGE: usize = 100;

/// A stop of which recipient, how far.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Stop {
    account: String,
    stream: Option<String>,
    recipient: String,
    reason: Option<String>,
    text: Option<String>,
}

/// Whose records, and how far the stop reaches in them.
fn reach(
    parts: &Parts,
    account: &str,
    stream: Option<&str>,
) -> Result<(AccountId, Scope), Problem> {
    let id = named::account(parts, account)?;
    let scope = match stream {
        Some(_) if id == AccountId::INSTALLATION => {
            return Err(Problem::unfit(format!("`{GLOBAL}` has no streams: leave `stream` out")));
        }
        Some(name) => Scope::Stream(parts.accounts.stream(id, name)?.id),
        None if id == AccountId::INSTALLATION => Scope::Global,
        None => Scope::Account,
    };
    Ok((id, scope))
}

pub(super) async fn add(
    State(parts): State<Parts>,
    Draft(draft): Draft<Stop>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let (account, scope) = reach(&parts, &draft.account, named::given(draft.stream.as_ref()))?;
    if named::given(draft.reason.as_ref()).is_some_and(|reason| reason != Reason::Manual.name()) {
        return Err(Problem::unfit("a stop made here has the reason `manual`: leave `reason` out"));
    }
    let subject = named::subject(draft.recipient.trim())?;
    let evidence = named::evidence(draft.text.as_deref().unwrap_or_default(), None)?;
    let concerned = named::concerned(&parts, account, &subject)?;
    // On a task of its own: what is begun is done, whether the asker waits or not.
    let done = tokio::spawn(async move {
        let stop = parts.policy.suppress(account, subject, scope, Reason::Manual, evidence);
        let (event, settled) = stop.await?;
        if let Some(selector) = concerned {
            parts.queue.cancel(selector).await;
        }
        Ok::<_, Problem>((event, settled))
    });
    let (event, settled) = done.await.map_err(|fault| broken(&fault))??;
    let shown = json!({ "event": event, "settled": settled == Settled::Fully });
    Ok((named::status(settled), Json(shown)))
}

/// A task that ended before its work was done.
pub(super) fn broken(fault: &tokio::task::JoinError) -> Problem {
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, format!("the request broke off: {fault}"))
}

pub(super) async fn remove(
    State(parts): State<Parts>,
    Draft(draft): Draft<Stop>,
) -> Result<Json<Value>, Problem> {
    let (account, scope) = reach(&parts, &draft.account, named::given(draft.stream.as_ref()))?;
    let reason = named::reason(named::needed("reason", draft.reason.as_ref())?)?;
    let subject = named::subject(draft.recipient.trim())?;
    let evidence = named::evidence(draft.text.as_deref().unwrap_or_default(), None)?;
    if !parts.policy.lift(account, subject, scope, reason, evidence).await? {
        let (reach, _) = named::scope(&parts, scope)?;
        return Err(Problem::unknown(format!(
            "there is no stop of {} with the reason {reason} and the scope {reach}: \
             `relent suppression show` names those there are",
            draft.recipient
        )));
    }
    Ok(Json(json!({ "lifted": draft.recipient, "reason": reason })))
}

/// Which stops to show.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    account: Option<String>,
    stream: Option<String>,
    recipient: Option<String>,
    after: Option<String>,
    limit: Option<usize>,
}

/// A stop as answers show it.
pub(super) fn view(
    parts: &Parts,
    recipient: Option<&str>,
    hash: RecipientHash,
    stop: &Suppression,
) -> Result<Value, Problem> {
    let (scope, stream) = named::scope(parts, stop.scope)?;
    Ok(json!({
        "recipient": recipient,
        "hash": hash.to_string(),
        "scope": scope,
        "stream": stream,
        "reason": stop.reason,
        "at": stop.at.to_string(),
        "source": stop.evidence.source,
        "text": stop.evidence.text,
        "ip": stop.evidence.ip,
        "event": stop.sequence,
    }))
}

/// Every stop that concerns a recipient, each once.
pub(super) fn stops(
    parts: &Parts,
    account: AccountId,
    subject: &Subject,
) -> Result<Vec<Suppression>, Problem> {
    let mut stops = parts.policy.view(account, subject)?.suppressions;
    stops.sort_by_key(|stop| stop.sequence);
    stops.dedup_by_key(|stop| stop.sequence);
    Ok(stops)
}

pub(super) async fn list(
    State(parts): State<Parts>,
    Asked(wanted): Asked<Wanted>,
) -> Result<Json<Value>, Problem> {
    let account = named::needed("account", wanted.account.as_ref())?;
    let (account, only) = reach(&parts, account, named::given(wanted.stream.as_ref()))?;
    // A stream's stops are those that name it; what binds the whole account is shown with them.
    let shown = |stop: &Suppression| match (only, stop.scope) {
        (Scope::Stream(wanted), Scope::Stream(found)) => wanted == found,
        _ => true,
    };
    if let Some(recipient) = named::given(wanted.recipient.as_ref()) {
        let subject = named::subject(recipient)?;
        let hash = named::hash_of(&parts, account, &subject)?;
        let known = match &subject {
            Subject::Hash(_) => parts.policy.view(account, &subject)?.address,
            _ => None,
        };
        let known = known.map(|address| address.to_string());
        let name = match subject {
            Subject::Hash(_) => known.as_deref(),
            _ => Some(recipient),
        };
        let mut items = Vec::new();
        for stop in stops(&parts, account, &subject)?.iter().filter(|stop| shown(stop)) {
            items.push(view(&parts, name, hash, stop)?);
        }
        if items.is_empty() {
            return Err(Problem::unknown(format!("nothing stops mail to {recipient}")));
        }
        return Ok(Json(json!({ "items": items, "next": null })));
    }
    let after = named::given(wanted.after.as_ref());
    let after = after
        .map(|text| named::hash(text).ok_or_else(|| Problem::unfit("`after` is no cursor of ours")))
        .transpose()?;
    let limit = wanted.limit.unwrap_or(PAGE).clamp(1, PAGE_MAX);
    let found = parts.policy.suppressed(account, after, limit)?;
    let next = found.last().filter(|_| found.len() == limit).map(|(hash, _)| hash.to_string());
    let mut items = Vec::new();
    for (hash, recipient) in &found {
        let name = recipient.address.as_ref().map(ToString::to_string);
        for stop in recipient.suppressions.iter().filter(|stop| shown(stop)) {
            items.push(view(&parts, name.as_deref(), *hash, stop)?);
        }
    }
    Ok(Json(json!({ "items": items, "next": next })))
}
