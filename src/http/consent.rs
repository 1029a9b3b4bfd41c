//! `/api/v1/consents`: agreements with where they come from, and their end.

use super::by::By;
use super::named::{self, Said};
use super::problem::{Asked, Draft, Problem};
use super::site::Parts;
use super::suppression::broken;
use crate::accounts::Stream;
use crate::events::record::{Circumstances, Evidence};
use crate::mail::{StreamId, Timestamp};
use crate::policy::{Consent, Page, RecipientView, Settled, Subject};
use crate::queue::Selector;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

/// Most recipients in one answer.
const PAGE_MAX: usize = 1000;
/// Recipients in one answer unless the request says otherwise.
const PAGE: usize = 100;

/// Whose consent to what, and where it comes from.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    account: String,
    stream: String,
    recipient: String,
    source: Option<String>,
    at: Option<String>,
    ip: Option<String>,
    /// The program through which the person agreed.
    user_agent: Option<String>,
    /// The words that the person agreed to.
    wording: Option<String>,
    /// Which version of them.
    wording_version: Option<String>,
}

/// When it was, as its source says, what it rests on, and what the person had before them.
fn stated(
    parts: &Parts,
    draft: &Change,
    source: &str,
) -> Result<(Timestamp, Evidence, Circumstances), Problem> {
    let now = parts.world.clock.now();
    let at = named::moment(now, named::given(draft.at.as_ref()))?;
    let ip = named::given(draft.ip.as_ref())
        .map(|text| {
            let read = text.parse::<IpAddr>();
            read.map_err(|_| {
                let example = "write one as in 192.0.2.7 or 2001:db8::7";
                Problem::unfit(format!("`{text}` is no IP address: {example}"))
            })
        })
        .transpose()?;
    let said = Said {
        user_agent: named::given(draft.user_agent.as_ref()),
        wording: named::given(draft.wording.as_ref()),
        wording_version: named::given(draft.wording_version.as_ref()),
        asked: None,
    };
    let circumstances = named::circumstances(now, said)?;
    Ok((at, named::evidence(source, ip.map(|ip| ip.to_string()))?, circumstances))
}

pub(super) async fn grant(
    By(parts): By,
    Draft(draft): Draft<Change>,
) -> Result<Json<Value>, Problem> {
    let stream = named::stream(&parts, &draft.account, &draft.stream)?;
    let address = named::address(&draft.recipient)?;
    let source = named::needed("source", draft.source.as_ref())?;
    let (at, evidence, circumstances) = stated(&parts, &draft, source)?;
    parts.policy.grant_under(&stream, &address, at, (evidence, circumstances)).await?;
    tracing::info!(
        target: "relent::http", account = draft.account, stream = stream.name,
        recipient = draft.recipient, "consent recorded by the operator"
    );
    Ok(Json(json!({
        "recipient": address,
        "stream": stream.name,
        "state": "granted",
        "at": at.to_string(),
    })))
}

pub(super) async fn withdraw(
    By(parts): By,
    Draft(draft): Draft<Change>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let stream = named::stream(&parts, &draft.account, &draft.stream)?;
    let address = named::address(&draft.recipient)?;
    let source = draft.source.as_deref().unwrap_or_default().trim();
    let (at, evidence, _) = stated(&parts, &draft, source)?;
    let hash = parts.accounts.hash(stream.account, &address)?;
    let shown = json!({
        "recipient": address,
        "stream": stream.name,
        "state": "withdrawn",
        "at": at.to_string(),
    });
    let done = tokio::spawn(async move {
        let settled = parts.policy.withdraw(&stream, &address, at, evidence).await?;
        parts.queue.cancel(Selector::Recipient(stream.account, hash)).await;
        Ok::<Settled, Problem>(settled)
    });
    let settled = done.await.map_err(|fault| broken(&fault))??;
    tracing::info!(
        target: "relent::http", account = draft.account, stream = draft.stream,
        recipient = draft.recipient, "consent withdrawn by the operator"
    );
    Ok((named::status(settled), Json(shown)))
}

/// Whose consents to show.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    account: Option<String>,
    stream: Option<String>,
    recipient: Option<String>,
    after: Option<String>,
    limit: Option<usize>,
}

/// The consents of a recipient, to one stream or to all.
pub(super) fn items(
    parts: &Parts,
    recipient: Option<&str>,
    view: &RecipientView,
    only: Option<&Stream>,
) -> Result<Vec<Value>, Problem> {
    let wanted = |consent: &&Consent| only.is_none_or(|stream| stream.id == consent.stream);
    let now = parts.world.clock.now();
    let mut streams: HashMap<StreamId, Option<Arc<Stream>>> = HashMap::new();
    view.consents
        .iter()
        .filter(wanted)
        .map(|consent| {
            let stream = match streams.get(&consent.stream) {
                Some(found) => found.clone(),
                None => {
                    let found = parts.accounts.stream_by_id(consent.stream)?;
                    streams.insert(consent.stream, found.clone());
                    found
                }
            };
            let stream = stream.as_deref();
            let end = stream.and_then(|stream| consent.end(stream));
            let shown = consent.circumstances.as_deref();
            Ok(json!({
                "recipient": recipient,
                "stream": stream.map(|stream| stream.name.as_str()),
                "state": stream.map_or(consent.state, |stream| consent.state_at(stream, now)),
                "at": consent.at.to_string(),
                "expires": end.map(|end| end.to_string()),
                "source": match consent.evidence.text.as_str() {
                    "" => json!(consent.evidence.source),
                    word => json!(word),
                },
                "via": consent.evidence.source,
                "ip": consent.evidence.ip,
                "user_agent": shown.and_then(|shown| shown.user_agent.as_deref()),
                "wording": shown.and_then(|shown| shown.wording.as_deref()),
                "wording_version": shown.and_then(|shown| shown.wording_version.as_deref()),
                "asked": shown.and_then(|shown| shown.asked).map(|at| at.to_string()),
            }))
        })
        .collect()
}

pub(super) async fn show(
    State(parts): State<Parts>,
    Asked(wanted): Asked<Wanted>,
) -> Result<Json<Value>, Problem> {
    let name = named::needed("account", wanted.account.as_ref())?;
    let account = parts.accounts.account(name)?;
    let stream = match named::given(wanted.stream.as_ref()) {
        Some(name) => Some(parts.accounts.stream(account.id, name)?),
        None => None,
    };
    let Some(recipient) = named::given(wanted.recipient.as_ref()) else {
        let Some(stream) = stream else {
            return Err(Problem::unfit(
                "name a `recipient`, or the `stream` whose consents to list",
            ));
        };
        return list(&parts, &stream, &wanted);
    };
    let address = named::address(recipient)?;
    let view = parts.policy.view(account.id, &Subject::Address(address))?;
    let items = items(&parts, Some(recipient), &view, stream.as_ref())?;
    if items.is_empty() {
        let target = wanted.stream.as_deref().unwrap_or("STREAM");
        return Err(Problem::unknown(format!(
            "no consent of {recipient} is recorded: \
             `relent consent grant {name}/{target} {recipient} --source TEXT` records one"
        )));
    }
    Ok(Json(json!({ "items": items, "next": null })))
}

/// Every consent to a stream, page by page.
fn list(parts: &Parts, stream: &Stream, wanted: &Wanted) -> Result<Json<Value>, Problem> {
    let after = named::cursor(wanted.after.as_ref())?;
    let limit = wanted.limit.unwrap_or(PAGE).clamp(1, PAGE_MAX);
    let Page { found, next } = parts.policy.consenting(stream, after, limit)?;
    let next = next.map(|hash| hash.to_string());
    let mut shown = Vec::new();
    for (_, view) in &found {
        let name = view.address.as_ref().map(ToString::to_string);
        shown.extend(items(parts, name.as_deref(), view, Some(stream))?);
    }
    Ok(Json(json!({ "items": shown, "next": next })))
}
