//! `/api/v1/accounts/{account}/domains`: what to publish, and whether it was found.

use super::named;
use super::problem::{Draft, Problem};
use super::site::Parts;
use crate::accounts::{DkimChoice, SendingDomain};
use crate::mail::AccountId;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;

fn view(parts: &Parts, domain: &SendingDomain) -> Value {
    let hostname = &parts.config.hostname;
    let reply_domain = parts.config.replies.domain.as_ref().unwrap_or(hostname);
    json!({
        "name": domain.name,
        "trusted": domain.trusted,
        "verified": domain.verified.is_some(),
        "verified_at": domain.verified.map(|at| at.to_string()),
        "created": domain.created.to_string(),
        "records": domain.records(hostname, reply_domain),
    })
}

fn find(parts: &Parts, account: AccountId, name: &str) -> Result<Arc<SendingDomain>, Problem> {
    let name = named::domain(name)?;
    parts.accounts.domain(account, &name)?.ok_or_else(|| {
        Problem::unknown(format!(
            "there is no domain `{name}` in this account: `relent domain list ACCOUNT` shows them"
        ))
    })
}

/// A new sending domain.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewDomain {
    name: String,
    #[serde(default)]
    trust: bool,
    dkim: Option<DkimChoice>,
}

pub(super) async fn add(
    State(parts): State<Parts>,
    Path(account): Path<String>,
    Draft(draft): Draft<NewDomain>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let account = parts.accounts.account(&account)?;
    let name = named::domain(&draft.name)?;
    let dkim = draft.dkim.unwrap_or(DkimChoice::Both);
    let domain = parts.accounts.add_domain(account.id, &name, draft.trust, dkim).await?;
    tracing::info!(
        target: "relent::http", account = account.name, domain = %domain.name,
        trusted = domain.trusted, "sending domain added"
    );
    Ok((StatusCode::CREATED, Json(view(&parts, &domain))))
}

pub(super) async fn list(
    State(parts): State<Parts>,
    Path(account): Path<String>,
) -> Result<Json<Value>, Problem> {
    let account = parts.accounts.account(&account)?;
    let domains = parts.accounts.domains(account.id)?;
    let items: Vec<_> = domains.iter().map(|domain| view(&parts, domain)).collect();
    Ok(Json(json!({ "items": items })))
}

pub(super) async fn show(
    State(parts): State<Parts>,
    Path((account, name)): Path<(String, String)>,
) -> Result<Json<Value>, Problem> {
    let account = parts.accounts.account(&account)?;
    Ok(Json(view(&parts, &*find(&parts, account.id, &name)?)))
}

pub(super) async fn remove(
    State(parts): State<Parts>,
    Path((account, name)): Path<(String, String)>,
) -> Result<Json<Value>, Problem> {
    let account = parts.accounts.account(&account)?;
    let domain = find(&parts, account.id, &name)?;
    parts.accounts.remove_domain(account.id, &domain.name).await?;
    tracing::info!(
        target: "relent::http", account = account.name, domain = %domain.name,
        "sending domain removed"
    );
    Ok(Json(json!({ "removed": domain.name })))
}

pub(super) async fn verify(
    State(parts): State<Parts>,
    Path((account, name)): Path<(String, String)>,
) -> Result<Json<Value>, Problem> {
    let account = parts.accounts.account(&account)?;
    let domain = find(&parts, account.id, &name)?;
    let resolver = &*parts.resolver;
    let checked = parts.accounts.verify_domain(resolver, account.id, &domain.name).await?;
    let verified = checked.iter().all(|(_, found)| *found);
    tracing::info!(
        target: "relent::http", account = account.name, domain = %domain.name, verified,
        "sending domain looked up"
    );
    let records: Vec<_> = checked
        .into_iter()
        .map(|(record, found)| {
            json!({
                "type": record.kind,
                "name": record.name,
                "value": record.value,
                "found": found,
            })
        })
        .collect();
    Ok(Json(json!({ "name": domain.name, "verified": verified, "records": records })))
}
