//! `/api/v1/accounts/{account}/streams`.

use super::named;
use super::problem::{Draft, Problem};
use super::site::Parts;
use crate::accounts::{Stream, StreamDraft, StreamKind, StreamRules};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

fn view(stream: &Stream) -> Value {
    json!({
        "id": stream.id,
        "name": stream.name,
        "kind": stream.kind,
        "consent_required": stream.consent_required,
        "honour_opt_out": stream.honour_opt_out,
        "reply_to": stream.reply_to,
        "created": stream.created.to_string(),
    })
}

/// A new stream; what is left out takes its kind's default.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewStream {
    name: String,
    kind: StreamKind,
    consent_required: Option<bool>,
    honour_opt_out: Option<bool>,
    reply_to: Option<String>,
}

pub(super) async fn add(
    State(parts): State<Parts>,
    Path(account): Path<String>,
    Draft(draft): Draft<NewStream>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let account = parts.accounts.account(&account)?;
    let reply_to = named::given(draft.reply_to.as_ref());
    let draft = StreamDraft {
        name: draft.name,
        kind: draft.kind,
        consent_required: draft.consent_required,
        honour_opt_out: draft.honour_opt_out.unwrap_or(false),
        reply_to: reply_to.map(named::address).transpose()?,
        rules: StreamRules::default(),
    };
    let stream = parts.accounts.add_stream(account.id, draft).await?;
    tracing::info!(
        target: "relent::http", account = account.name, stream = stream.name, kind = ?stream.kind,
        consent_required = stream.consent_required, "stream made"
    );
    Ok((StatusCode::CREATED, Json(view(&stream))))
}

pub(super) async fn list(
    State(parts): State<Parts>,
    Path(account): Path<String>,
) -> Result<Json<Value>, Problem> {
    let account = parts.accounts.account(&account)?;
    let items: Vec<_> = parts.accounts.streams(account.id)?.iter().map(view).collect();
    Ok(Json(json!({ "items": items })))
}

pub(super) async fn show(
    State(parts): State<Parts>,
    Path((account, name)): Path<(String, String)>,
) -> Result<Json<Value>, Problem> {
    Ok(Json(view(&named::stream(&parts, &account, &name)?)))
}

pub(super) async fn remove(
    State(parts): State<Parts>,
    Path((account, name)): Path<(String, String)>,
) -> Result<Json<Value>, Problem> {
    let account = parts.accounts.account(&account)?;
    parts.accounts.remove_stream(account.id, &name).await?;
    tracing::info!(target: "relent::http", account = account.name, stream = name, "stream removed");
    Ok(Json(json!({ "removed": name })))
}
