//! `/api/v1/accounts`.

use super::by::By;
use super::caller::Caller;
use super::draft::{Draft, Named};
use super::problem::Problem;
use super::site::Parts;
use crate::accounts::{Account, Language};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

fn view(account: &Account) -> Value {
    json!({
        "id": account.id,
        "name": account.name,
        "language": account.language,
        "created": account.created.to_string(),
    })
}

/// A new account.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewAccount {
    #[schema(pattern = "^[a-z0-9-]{1,32}$")]
    name: String,
}

pub(super) async fn add(
    By(parts): By,
    Draft(draft): Draft<NewAccount>,
) -> Result<(StatusCode, Json<Value>), Problem> {
    let account = parts.accounts.add_account(&draft.name).await?;
    tracing::info!(target: "relent::http", account = account.name, "account made");
    Ok((StatusCode::CREATED, Json(view(&account))))
}

/// What of an account changes.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    language: String,
}

pub(super) async fn set(
    By(parts): By,
    caller: Caller,
    Named([name]): Named<1>,
    Draft(change): Draft<Change>,
) -> Result<Json<Value>, Problem> {
    caller.whole_account()?;
    let name = caller.account(&parts, &name)?.name;
    let language = Language::named(change.language.trim()).ok_or_else(|| {
        let names = Language::ALL.map(Language::name).join(", ");
        Problem::field(
            "language",
            format!("`{}` is no language of reports: use one of {names}", change.language),
        )
    })?;
    let account = parts.accounts.set_language(&name, language).await?;
    tracing::info!(
        target: "relent::http", account = account.name, language = language.name(),
        "account changed"
    );
    Ok(Json(view(&account)))
}

pub(super) async fn list(State(parts): State<Parts>) -> Result<Json<Value>, Problem> {
    let items: Vec<_> = parts.accounts.accounts()?.iter().map(view).collect();
    Ok(Json(json!({ "items": items })))
}

pub(super) async fn show(
    State(parts): State<Parts>,
    caller: Caller,
    Named([name]): Named<1>,
) -> Result<Json<Value>, Problem> {
    Ok(Json(view(&caller.account(&parts, &name)?)))
}
