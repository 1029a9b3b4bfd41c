//! `/api/v1/consents`: agreements with where they come from, and their end.

use super::named;
use super::problem::{Asked, Draft, Problem};
use super::site::Parts;
use super::suppression::broken;
use crate::accounts::Stream;
use crate::mail::{Address, Timestamp};
use crate::policy::{Consent, RecipientView, Settled, Subject};
use crate::queue::Selector;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use std::net::IpAddr;
use std::time::Duration;

/// How far ahead of our clock a source's clock may be.
const AHEAD_MAX: Duration = Duration::from_secs(24 * 3600);

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
}

/// The moment a source names: RFC 3339, or a day.
fn moment(parts: &Parts, text: Option<&str>) -> Result<Timestamp, Problem> {
    let now = parts.world.clock.now();
    let Some(text) = text else { return Ok(now) };
    let at = text.parse::<Timestamp>().or_else(|_| format!("{text}T00:00:00Z").parse());
    let at = at.map_err(|_| {
        Problem::unfit(format!("`{text}` is no time: write 2026-11-24 or 2026-11-24T09:30:00Z"))
    })?;
    if at > now.after(AHEAD_MAX) {
        return Err(Problem::unfit(format!("`{text}` lies in the future")));
    }
    Ok(at)
}

/// The address on the network that a source names.
fn address_of(draft: &Change) -> Result<Option<String>, Problem> {
    let Some(text) = named::given(draft.ip.as_ref()) else { return Ok(None) };
    let read = text.parse::<IpAddr>();
    let read = read.map_err(|_| Problem::unfit(format!("`{text}` is no IP address")))?;
    Ok(Some(read.to_string()))
}

pub(super) async fn grant(
    State(parts): State<Parts>,
    Draft(draft): Draft<Change>,
) -> Result<Json<Value>, Problem> {
    let stream = named::stream(&parts, &draft.account, &draft.stream)?;
    let address = Address::parse(draft.recipient.trim())?;
    let at = moment(&parts, named::given(draft.at.as_ref()))?;
    let ip = address_of(&draft)?;
    let source = named::needed("source", draft.source.as_ref())?;
    let evidence = named::evidence(source, ip)?;
    parts.policy.grant(&stream, &address, at, evidence).await?;
    Ok(Json(json!({
        "recipient": address,
        "stream": stream.name,
        "state": "granted",
        "at": at.to_string(),
    })))
}

pub(super) async fn withdraw(
    State(parts): State<Parts>,
    Draft(draft): Draft<Change>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let stream = named::stream(&parts, &draft.account, &draft.stream)?;
    let address = Address::parse(draft.recipient.trim())?;
    let at = moment(&parts, named::given(draft.at.as_ref()))?;
    let ip = address_of(&draft)?;
    let source = draft.source.as_deref().unwrap_or_default().trim();
    let evidence = named::evidence(source, ip)?;
    let hash = parts.accounts.hash(stream.account, &address)?;
    let shown = json!({ "recipient": address, "stream": stream.name, "state": "withdrawn" });
    let done = tokio::spawn(async move {
        let settled = parts.policy.withdraw(&stream, &address, at, evidence).await?;
        parts.queue.cancel(Selector::Recipient(stream.account, hash)).await;
        Ok::<Settled, Problem>(settled)
    });
    let settled = done.await.map_err(|fault| broken(&fault))??;
    Ok((named::status(settled), Json(shown)))
}

/// Whose consents to show.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    account: Option<String>,
    stream: Option<String>,
    recipient: Option<String>,
}

/// The consents of a recipient, to one stream or to all.
pub(super) fn items(
    parts: &Parts,
    recipient: &str,
    view: &RecipientView,
    only: Option<&Stream>,
) -> Result<Vec<Value>, Problem> {
    let wanted = |consent: &&Consent| only.is_none_or(|stream| stream.id == consent.stream);
    view.consents
        .iter()
        .filter(wanted)
        .map(|consent| {
            Ok(json!({
                "recipient": recipient,
                "stream": named::stream_name(parts, consent.stream)?,
                "state": consent.state,
                "at": consent.at.to_string(),
                "source": consent.evidence.source,
                "text": consent.evidence.text,
                "ip": consent.evidence.ip,
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
    let recipient = named::needed("recipient", wanted.recipient.as_ref())?;
    let address = Address::parse(recipient)?;
    let view = parts.policy.view(account.id, &Subject::Address(address))?;
    let items = items(&parts, recipient, &view, stream.as_ref())?;
    if items.is_empty() {
        return Err(Problem::unknown(format!("no consent of {recipient} is recorded")));
    }
    Ok(Json(json!({ "items": items })))
}
