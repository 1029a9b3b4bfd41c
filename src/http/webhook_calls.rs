//! `/api/v1/accounts/{account}/webhooks/{webhook}/…`: an endpoint tried out, calls that were given up, and
//! those made again.

use super::by::By;
use super::caller::Caller;
use super::draft::{Asked, Draft, Named};
use super::named;
use super::problem::Problem;
use super::site::Parts;
use super::webhook::named_in;
use crate::webhooks::EventKind;
use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

/// Most items of a page of a listing.
const PAGE_MAX: usize = 1000;
/// Items of a page where none are asked for.
const PAGE: usize = 100;
/// Most calls that one request names.
const NAMED_MAX: usize = 500;

/// Calls the endpoint once with an event that says nothing.
pub(super) async fn test(
    State(parts): State<Parts>,
    caller: Caller,
    Named(path): Named<2>,
) -> Result<Json<Value>, Problem> {
    let (account, id) = named_in(&parts, &caller, &path)?;
    let tried = parts.webhooks.try_out(account.id, id).await?;
    let took = u64::try_from(tried.took.as_millis()).unwrap_or(u64::MAX);
    Ok(Json(json!({ "taken": tried.is_taken, "said": tried.said, "milliseconds": took })))
}

/// Which page.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = FailedWanted)]
pub(super) struct Wanted {
    after: Option<String>,
    limit: Option<usize>,
}

pub(super) async fn failed(
    State(parts): State<Parts>,
    caller: Caller,
    Named(path): Named<2>,
    Asked(wanted): Asked<Wanted>,
) -> Result<Json<Value>, Problem> {
    let (account, id) = named_in(&parts, &caller, &path)?;
    let after = named::given(wanted.after.as_ref()).map(|text| {
        text.parse::<u64>().map_err(|_| {
            Problem::unfit(format!("`{text}` is no cursor of ours: use `next` of an answer"))
        })
    });
    let limit = wanted.limit.unwrap_or(PAGE).clamp(1, PAGE_MAX);
    let found = parts.webhooks.failed(account.id, id, after.transpose()?, limit)?;
    let next = found.last().filter(|_| found.len() == limit).map(|(number, _)| number.to_string());
    let items: Vec<_> = found
        .iter()
        .map(|(number, call)| {
            json!({
                "number": number,
                "webhook_id": call.place.to_string(),
                "event": call.kind.map(EventKind::name),
                "recipient_hash": call.hash.to_string(),
                "attempts": call.attempts,
                "failed_at": call.at.to_string(),
                "said": call.said,
            })
        })
        .collect();
    Ok(Json(json!({ "items": items, "next": next })))
}

/// Which failed calls are made again: those of these numbers, or, where none are named, the oldest.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Again {
    numbers: Option<Vec<u64>>,
    all: Option<bool>,
}

pub(super) async fn redeliver(
    By(parts): By,
    caller: Caller,
    Named(path): Named<2>,
    Draft(again): Draft<Again>,
) -> Result<Json<Value>, Problem> {
    let (account, id) = named_in(&parts, &caller, &path)?;
    let numbers = match (again.numbers, again.all) {
        (Some(numbers), None | Some(false)) if numbers.len() <= NAMED_MAX => Some(numbers),
        (Some(numbers), None | Some(false)) => {
            let count = numbers.len();
            return Err(Problem::unfit(format!(
                "`numbers` has {count} entries: {NAMED_MAX} are the most"
            )));
        }
        (None, Some(true)) => None,
        _ => {
            let text = "say which: `numbers`, as `failed` lists them, or `all` as true";
            return Err(Problem::unfit(text));
        }
    };
    let by = parts.webhooks.by(parts.accounts.author());
    let done = by.redeliver(account.id, id, numbers).await?;
    tracing::info!(target: "relent::http", account = account.name, webhook = id.0,
        count = done.count, "failed calls are made again");
    Ok(Json(json!({ "count": done.count, "more": done.more })))
}
