//! `/api/v1/explain`: the verdict on a recipient, and the whole history behind it.

use super::caller::Caller;
use super::draft::Asked;
use super::problem::{AtField, Problem};
use super::site::Parts;
use super::{consent, named, suppression};
use crate::events::message::MessageEvent;
use crate::events::record::{Change, RecordEvent, Scope};
use crate::mail::{AccountId, Address, Verdict};
use crate::policy::{Policy, Subject};
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::HashMap;
use utoipa::ToSchema;

/// Most record events shown of each kind of subject.
const RECORDS_MAX: usize = 1000;
/// Most message events shown.
const MESSAGES_MAX: usize = 100;

/// About whom, on which stream.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    account: Option<String>,
    stream: Option<String>,
    recipient: Option<String>,
}

pub(super) fn record(
    parts: &Parts,
    event: &RecordEvent,
    entry: Option<u64>,
) -> Result<Value, Problem> {
    let (change, (scope, stream), reason) = match event.change {
        Change::Suppressed { scope, reason } => {
            ("suppressed", named::scope(parts, scope)?, Some(reason))
        }
        Change::Lifted { scope, reason } => ("lifted", named::scope(parts, scope)?, Some(reason)),
        Change::Granted { stream } => {
            ("granted", ("stream", named::stream_name(parts, stream)?), None)
        }
        Change::Withdrawn { stream } => {
            ("withdrawn", ("stream", named::stream_name(parts, stream)?), None)
        }
        Change::Asked { stream } => ("asked", ("stream", named::stream_name(parts, stream)?), None),
        Change::Requested { stream } => {
            ("requested", ("stream", named::stream_name(parts, stream)?), None)
        }
    };
    let grounds = event.grounds.as_deref();
    let shown = event.circumstances.as_deref();
    Ok(json!({
        "event": event.sequence,
        "entry": entry,
        "at": event.at.to_string(),
        "change": change,
        "scope": scope,
        "stream": stream,
        "reason": reason,
        "source": event.evidence.source,
        "text": event.evidence.text,
        "ip": event.evidence.ip,
        "user_agent": shown.and_then(|shown| shown.user_agent.as_deref()),
        "wording": shown.and_then(|shown| shown.wording.as_deref()),
        "wording_version": shown.and_then(|shown| shown.wording_version.as_deref()),
        "asked": shown.and_then(|shown| shown.asked).map(|at| at.to_string()),
        "message": event.evidence.message.map(|id| id.to_string()),
        "rule": grounds.map(|grounds| grounds.rule),
        "trust": grounds.map(|grounds| grounds.trust),
        "wish": grounds.and_then(|grounds| grounds.wish.as_deref()),
        "message_id": grounds.and_then(|grounds| grounds.message_id.as_deref()),
        "authentication": grounds.and_then(|grounds| grounds.authentication.as_deref()),
        "why": grounds.map(|grounds| {
            format!("{}, proved by {}", grounds.rule.name(), grounds.trust.name())
        }),
    }))
}

pub(super) fn message(event: &MessageEvent) -> Value {
    match event {
        MessageEvent::Accepted(message) => json!({
            "message": message.id.to_string(),
            "at": message.at.to_string(),
            "outcome": "accepted",
            "status": "2.0.0",
            "text": format!("from <{}>", message.sender),
            "class": null,
            "relay": null,
        }),
        MessageEvent::Recipient { message, outcome, relay, status, text, at, class, .. } => json!({
            "message": message.to_string(),
            "at": at.to_string(),
            "outcome": outcome.name(),
            "status": status.to_string(),
            "text": text,
            "class": class,
            "relay": relay,
        }),
    }
}

/// What happened to the records that concern an address, its own and its domain's, here and globally: each
/// with the entry of the audit chain that tells of it. The installation's are the operator's to see, and a
/// stream's are theirs who may see the stream.
fn history(
    parts: &Parts,
    caller: &Caller,
    account: AccountId,
    address: &Address,
) -> Result<Vec<(RecordEvent, Option<u64>)>, Problem> {
    let person = Subject::Address(address.clone());
    let domain = Subject::Domain(address.domain().clone());
    let mut events = Vec::new();
    let owners = [account, AccountId::INSTALLATION];
    for owner in owners.into_iter().take(if caller.is_operator() { 2 } else { 1 }) {
        for subject in [&person, &domain] {
            let entries = parts.policy.entries(owner, subject, RECORDS_MAX)?;
            let entries: HashMap<u64, u64> = entries.into_iter().collect();
            let found = parts.policy.history(owner, subject, RECORDS_MAX)?.into_iter();
            events.extend(found.map(|event| {
                let entry = entries.get(&event.sequence).copied();
                (event, entry)
            }));
        }
    }
    events.retain(|(event, _)| match event.change {
        Change::Suppressed { scope: Scope::Stream(id), .. }
        | Change::Lifted { scope: Scope::Stream(id), .. }
        | Change::Granted { stream: id }
        | Change::Withdrawn { stream: id }
        | Change::Asked { stream: id }
        | Change::Requested { stream: id } => caller.sees(Some(id)),
        _ => true,
    });
    events.sort_by_key(|(event, _)| event.sequence);
    Ok(events)
}

pub(super) async fn explain(
    State(parts): State<Parts>,
    caller: Caller,
    Asked(wanted): Asked<Wanted>,
) -> Result<Json<Value>, Problem> {
    let account = caller.meant(&parts, wanted.account.as_ref())?;
    let stream = named::needed("stream", wanted.stream.as_ref())?;
    let recipient = named::needed("recipient", wanted.recipient.as_ref())?;
    let stream = caller.stream(&parts, account.id, stream)?;
    let address = named::address(recipient).at("recipient")?;
    let subject = Subject::Address(address.clone());
    let hash = parts.accounts.hash(stream.account, &address)?;
    let (verdict, answer) = match Policy::answer(parts.policy.judge(&stream, &address)) {
        Verdict::Accept => ("accept", None),
        Verdict::Defer(answer) => ("defer", Some(answer.reply)),
        Verdict::Refuse(answer) => ("refuse", Some(answer.reply)),
    };
    // Before anybody is asked for: AUTH and MAIL are answered so, whoever the recipient is.
    let suspension = parts.accounts.suspension(stream.account)?;
    let suspension = suspension.filter(|_| verdict != "defer");
    let verdict = if suspension.is_some() { "refuse" } else { verdict };
    let (code, status, text) = match (answer, suspension) {
        (_, Some(suspension)) => (550, "5.7.1".to_owned(), suspension.words(&account.name)),
        (None, None) => (250, "2.1.5".to_owned(), "may be sent".to_owned()),
        (Some(reply), None) => {
            let status = reply.status.map(|status| status.to_string()).unwrap_or_default();
            (reply.code, status, reply.lines.join(" "))
        }
    };
    let mut suppressions = Vec::new();
    for standing in parts.policy.standing(stream.account, &subject)? {
        if let Scope::Stream(id) = standing.stop.scope
            && !caller.sees(Some(id))
        {
            continue;
        }
        suppressions.push(suppression::view(&parts, &caller, &standing)?);
    }
    let mut view = parts.policy.view(stream.account, &subject)?;
    view.consents.retain(|consent| caller.sees(Some(consent.stream)));
    let consents = consent::items(&parts, Some(recipient), &view, None)?;
    let mut records = Vec::new();
    for (event, entry) in history(&parts, &caller, stream.account, &address)? {
        records.push(record(&parts, &event, entry)?);
    }
    let mut events = parts.queue.events_for(stream.account, hash, MESSAGES_MAX).await;
    events.retain(|event| caller.sees(event.origin().stream()));
    Ok(Json(json!({
        "account": account.name,
        "stream": stream.name,
        "recipient": recipient,
        "verdict": verdict,
        "code": code,
        "status": status,
        "text": text,
        "suppressions": suppressions,
        "consents": consents,
        "records": records,
        "messages": events.iter().map(message).collect::<Vec<_>>(),
    })))
}
