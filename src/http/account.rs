//! `/api/v1/accounts`.

use super::problem::{Draft, Problem};
use super::site::Parts;
use crate::accounts::Account;
use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};

fn view(account: &Account) -> Value {
    json!({ "id": account.id, "name": account.name, "created": account.created.to_string() })
}

/// A new account.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewAccount {
    name: String,
}

pub(super) async fn add(
    State(parts): State<Parts>,
    Draft(draft): Draft<NewAccount>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let account = parts.accounts.add_account(&draft.name).await?;
    tracing::info!(target: "relent::http", account = account.name, "account made");
    Ok((StatusCode::CREATED, Json(view(&account))))
}

pub(super) async fn list(State(parts): State<Parts>) -> Result<Json<Value>, Problem> {
    let items: Vec<_> = parts.accounts.accounts()?.iter().map(view).collect();
    Ok(Json(json!({ "items": items })))
}

pub(super) async fn show(
    State(parts): State<Parts>,
    Path(name): Path<String>,
) -> Result<Json<Value>, Problem> {
    Ok(Json(view(&parts.accounts.account(&name)?)))
}
