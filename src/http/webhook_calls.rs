//! `/api/v1/accounts/{account}/webhooks/{webhook}/…`: an endpoint tried out, calls that were given up, and
//! those made again.

use super::by::By;
use super::caller::Caller;
use super::draft::{Asked, Draft, Named};
use super::named;
use super::problem::Problem;
use super::shape::Page;
use super::site::Parts;
use super::webhook::named_in;
use crate::webhooks::EventKind;
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Most items of a page of a listing.
const PAGE_MAX: usize = 1000;
/// Items of a page where none are asked for.
const PAGE: usize = 100;
/// Most calls that one request names.
const NAMED_MAX: usize = 500;

/// How a trial went.
#[derive(Serialize, ToSchema)]
#[schema(as = WebhookTrial)]
pub(super) struct TrialView {
    /// Whether the endpoint took it.
    taken: bool,
    /// What was heard.
    said: String,
    /// How long it took.
    milliseconds: u64,
}

/// Calls the endpoint once with an event that says nothing.
pub(super) async fn test(
    State(parts): State<Parts>,
    caller: Caller,
    Named(path): Named<2>,
) -> Result<Json<TrialView>, Problem> {
    let (account, id) = named_in(&parts, &caller, &path)?;
    let tried = parts.webhooks.try_out(account.id, id).await?;
    let milliseconds = u64::try_from(tried.took.as_millis()).unwrap_or(u64::MAX);
    Ok(Json(TrialView { taken: tried.is_taken, said: tried.said, milliseconds }))
}

/// Which page.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WantedCalls {
    /// Where to go on: `next` of the page before.
    after: Option<String>,
    /// How many.
    #[schema(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
}

/// A call that was given up.
#[derive(Serialize, ToSchema)]
#[schema(as = FailedCall)]
pub(super) struct CallView {
    /// Its number among the webhook's.
    number: u64,
    /// The `webhook-id` that it was made with.
    webhook_id: String,
    /// The kind of event.
    #[schema(value_type = Option<EventKind>)]
    event: Option<&'static str>,
    /// The account's hash of the person it is about, in base32.
    recipient_hash: String,
    /// How often it was made.
    attempts: u32,
    /// When it was given up.
    #[schema(format = DateTime)]
    failed_at: String,
    /// What was heard last.
    said: String,
}

pub(super) async fn failed(
    State(parts): State<Parts>,
    caller: Caller,
    Named(path): Named<2>,
    Asked(wanted): Asked<WantedCalls>,
) -> Result<Json<Page<CallView>>, Problem> {
    let (account, id) = named_in(&parts, &caller, &path)?;
    let after = named::given(wanted.after.as_ref()).map(|text| {
        text.parse::<u64>().map_err(|_| {
            let said = format!("`{text}` is no cursor of ours: use `next` of an answer");
            Problem::field("after", said)
        })
    });
    let limit = wanted.limit.unwrap_or(PAGE).clamp(1, PAGE_MAX);
    let found = parts.webhooks.failed(account.id, id, after.transpose()?, limit)?;
    let next = found.last().filter(|_| found.len() == limit).map(|(number, _)| number.to_string());
    let items = found.into_iter().map(|(number, call)| CallView {
        number,
        webhook_id: call.place.to_string(),
        event: call.kind.map(EventKind::name),
        recipient_hash: call.hash.to_string(),
        attempts: call.attempts,
        failed_at: call.at.to_string(),
        said: call.said,
    });
    Ok(Json(Page { items: items.collect(), next }))
}

/// Which failed calls are made again: those of these numbers, or, where none are named, the oldest.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Again {
    /// The numbers that `failed` lists.
    #[schema(max_items = 500)]
    numbers: Option<Vec<u64>>,
    /// The oldest, as far as there is room.
    all: Option<bool>,
}

/// Calls that are made again.
#[derive(Serialize, ToSchema)]
#[schema(as = Redelivery)]
pub(super) struct AgainView {
    /// How many are.
    count: u64,
    /// Whether there are more, for whom there is no room now.
    more: bool,
}

pub(super) async fn redeliver(
    By(parts): By,
    caller: Caller,
    Named(path): Named<2>,
    Draft(again): Draft<Again>,
) -> Result<Json<AgainView>, Problem> {
    let (account, id) = named_in(&parts, &caller, &path)?;
    let numbers = match (again.numbers, again.all) {
        (Some(numbers), None | Some(false)) if numbers.len() <= NAMED_MAX => Some(numbers),
        (Some(numbers), None | Some(false)) => {
            let count = numbers.len();
            let text = format!("`numbers` has {count} entries: {NAMED_MAX} are the most");
            return Err(Problem::field("numbers", text));
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
    Ok(Json(AgainView { count: done.count, more: done.more }))
}
