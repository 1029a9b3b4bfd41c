//! `/api/v1/accounts/{account}/credentials`: the password is shown once, when it is made.

use super::by::By;
use super::named;
use super::problem::{Draft, Problem};
use super::site::Parts;
use crate::accounts::{Credential, Refusal};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

fn streams(parts: &Parts, credential: &Credential) -> Result<Vec<String>, Problem> {
    let names = credential.streams.iter().map(|id| named::stream_name(parts, *id));
    names.filter_map(Result::transpose).collect()
}

/// A new credential.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewCredential {
    name: String,
    stream: Option<String>,
    refuse: Option<Refusal>,
}

pub(super) async fn add(
    By(parts): By,
    Path(account): Path<String>,
    Draft(draft): Draft<NewCredential>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let account = parts.accounts.account(&account)?;
    let stream = match named::given(draft.stream.as_ref()) {
        Some(name) => Some(parts.accounts.stream(account.id, name)?.id),
        None => None,
    };
    let refuse = draft.refuse.unwrap_or(Refusal::AtRcpt);
    let made = parts.accounts.add_credential(account.id, &draft.name, stream, refuse);
    let (credential, password) = made.await?;
    tracing::info!(
        target: "relent::http", account = account.name, credential = credential.name,
        "credential made"
    );
    let shown = json!({
        "username": credential.name,
        "password": password,
        "streams": streams(&parts, &credential)?,
        "refuse": credential.refuse,
    });
    Ok((StatusCode::CREATED, Json(shown)))
}

pub(super) async fn list(
    State(parts): State<Parts>,
    Path(account): Path<String>,
) -> Result<Json<Value>, Problem> {
    let account = parts.accounts.account(&account)?;
    let mut items = Vec::new();
    for credential in parts.accounts.credentials(account.id)? {
        items.push(json!({
            "name": credential.name,
            "streams": streams(&parts, &credential)?,
            "refuse": credential.refuse,
            "created": credential.created.to_string(),
        }));
    }
    Ok(Json(json!({ "items": items })))
}

pub(super) async fn remove(
    By(parts): By,
    Path((account, name)): Path<(String, String)>,
) -> Result<Json<Value>, Problem> {
    let account = parts.accounts.account(&account)?;
    parts.accounts.remove_credential(account.id, &name).await?;
    tracing::info!(
        target: "relent::http", account = account.name, credential = name, "credential revoked"
    );
    Ok(Json(json!({ "removed": name })))
}
