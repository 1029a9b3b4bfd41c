//! `/api/v1/accounts/{account}/webhooks`: where an account's programs are told what happens. A secret is
//! shown once, when it is made.

use super::by::By;
use super::caller::Caller;
use super::draft::{Asked, Draft, Named};
use super::named;
use super::problem::Problem;
use super::shape::{Page, words};
use super::site::Parts;
use super::slice::{Slice, numbered};
use crate::accounts::Account;
use crate::mail::StreamId;
use crate::webhooks::{self, EventKind, State as HookState, Webhook, WebhookFault, WebhookId};
use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

impl From<WebhookFault> for Problem {
    fn from(fault: WebhookFault) -> Self {
        match fault {
            WebhookFault::Unknown(text) => Self::unknown(text),
            WebhookFault::Unfit(text) => Self::unfit(text),
            WebhookFault::Refused(text) => Self::new(StatusCode::CONFLICT, text),
            WebhookFault::Store(fault) => fault.into(),
        }
    }
}

/// The account and the webhook that a path names. A webhook is the whole account's.
pub(super) fn named_in(
    parts: &Parts,
    caller: &Caller,
    [account, webhook]: &[String; 2],
) -> Result<(Account, WebhookId), Problem> {
    let account = caller.account(parts, account)?;
    caller.whole_account()?;
    let id = webhook.parse().map(WebhookId).map_err(|_| {
        Problem::unknown(format!(
            "there is no webhook `{webhook}`: they are numbered, and `relent webhook list {}` shows them",
            account.name
        ))
    })?;
    parts.webhooks.webhook(account.id, id)?;
    Ok((account, id))
}

/// Most streams that one webhook names.
const STREAMS_MAX: usize = 100;

fn kinds(names: &[String]) -> Result<Vec<EventKind>, Problem> {
    let read = |name: &String| {
        EventKind::named(name.trim()).ok_or_else(|| {
            let known: Vec<_> = EventKind::ALL.iter().map(|kind| kind.name()).collect();
            let known = known[..known.len() - 1].join(", ");
            Problem::field("events", format!("`{name}` is no event: use some of {known}"))
        })
    };
    names.iter().map(read).collect()
}

fn streams(
    parts: &Parts,
    caller: &Caller,
    account: &Account,
    names: &[String],
) -> Result<Vec<StreamId>, Problem> {
    if names.len() > STREAMS_MAX {
        let text = format!("a webhook names at most {STREAMS_MAX} streams");
        return Err(Problem::field("streams", text));
    }
    names.iter().map(|name| Ok(caller.stream(parts, account.id, name.trim())?.id)).collect()
}

words! {
    /// Whether it is called: `paused` by somebody's word, `disabled` since its endpoint is gone or has
    /// failed for too long.
    HookState as "WebhookState" = HookState::NAMES;
}

/// A call that failed.
#[derive(Serialize, ToSchema)]
#[schema(as = WebhookFailure)]
struct FailureView {
    /// When.
    #[schema(format = DateTime)]
    at: String,
    /// What was heard.
    said: String,
}

/// A webhook, and how it stands: never its secrets.
#[derive(Serialize, ToSchema)]
#[schema(as = Webhook)]
pub(super) struct View {
    /// Its number.
    #[schema(value_type = u32)]
    id: WebhookId,
    /// Where events are posted.
    url: String,
    /// Only these kinds; empty: all.
    #[schema(value_type = Vec<EventKind>)]
    events: Vec<&'static str>,
    /// Only what concerns these streams; empty: everything.
    streams: Vec<String>,
    /// Whether it is called.
    #[schema(value_type = HookState)]
    state: &'static str,
    /// Since when it is not.
    #[schema(format = DateTime)]
    state_since: Option<String>,
    /// Why it was disabled.
    state_reason: Option<String>,
    /// When it was made.
    #[schema(format = DateTime)]
    created: String,
    /// Calls that succeeded.
    delivered: u64,
    /// Calls that are to be made again, or wait for such a one.
    waiting: u64,
    /// Calls that were given up and are kept.
    failed: u64,
    /// Failed calls that were forgotten, since there were too many.
    forgotten: u64,
    /// Whether so many calls failed in a row that it is called once a pause.
    failing: bool,
    /// Since when no call has succeeded though one was made.
    #[schema(format = DateTime)]
    failing_since: Option<String>,
    /// When the last call succeeded.
    #[schema(format = DateTime)]
    last_success: Option<String>,
    /// The last call that failed.
    last_failure: Option<FailureView>,
    /// Events of all accounts that have happened since: for the operator alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    behind: Option<u64>,
}

/// A webhook, with a secret that was made just now.
#[derive(Serialize, ToSchema)]
#[schema(as = MadeWebhook)]
pub(super) struct MadeView {
    #[serde(flatten)]
    webhook: View,
    /// What calls are signed with.
    secret: String,
}

/// A webhook that was removed.
#[derive(Serialize, ToSchema)]
#[schema(as = RemovedWebhook)]
pub(super) struct Gone {
    /// Its number.
    #[schema(value_type = u32)]
    removed: WebhookId,
}

fn view(parts: &Parts, caller: &Caller, webhook: &Webhook) -> Result<View, Problem> {
    let standing = parts.webhooks.standing(webhook)?;
    let progress = &standing.progress;
    let streams = webhook.streams.iter().map(|id| named::stream_name(parts, *id));
    let streams: Vec<_> = streams.filter_map(Result::transpose).collect::<Result<_, _>>()?;
    let (since, why) = match &webhook.state {
        HookState::Active => (None, None),
        HookState::Paused { at } => (Some(at), None),
        HookState::Disabled { at, why } => (Some(at), Some(why)),
    };
    Ok(View {
        id: webhook.id,
        url: webhook.url.clone(),
        events: webhook.events.iter().map(|kind| kind.name()).collect(),
        streams,
        state: webhook.state.name(),
        state_since: since.map(ToString::to_string),
        state_reason: why.cloned(),
        created: webhook.created.to_string(),
        delivered: progress.delivered,
        waiting: standing.waiting,
        failed: standing.failed,
        forgotten: progress.forgotten,
        failing: standing.is_failing,
        failing_since: progress.failing_since.map(|at| at.to_string()),
        last_success: progress.succeeded_at.map(|at| at.to_string()),
        last_failure: progress
            .failed
            .as_ref()
            .map(|(at, said)| FailureView { at: at.to_string(), said: said.clone() }),
        // It counts what happens to everybody.
        behind: caller.is_operator().then_some(standing.behind),
    })
}

/// A new webhook; without events or streams it is told of all.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewWebhook {
    /// Where events are posted: https:// on the public internet.
    #[schema(max_length = 2048)]
    url: String,
    /// Only these kinds, as in `message.delivered`; left out: all.
    #[schema(max_items = 100)]
    events: Option<Vec<String>>,
    /// Only what concerns these streams; left out: everything.
    #[schema(max_items = 100)]
    streams: Option<Vec<String>>,
}

pub(super) async fn add(
    By(parts): By,
    caller: Caller,
    Named([account]): Named<1>,
    Draft(draft): Draft<NewWebhook>,
) -> Result<(StatusCode, Json<MadeView>), Problem> {
    let account = caller.account(&parts, &account)?;
    caller.whole_account()?;
    let draft = webhooks::Draft {
        url: draft.url.trim().to_owned(),
        events: kinds(&draft.events.unwrap_or_default())?,
        streams: streams(&parts, &caller, &account, &draft.streams.unwrap_or_default())?,
    };
    let by = parts.webhooks.by(parts.accounts.author());
    let (webhook, secret) = by.add(account.id, draft).await?;
    tracing::info!(target: "relent::http", account = account.name, webhook = webhook.id.0,
        url = webhook.url, "webhook made");
    let made = MadeView { webhook: view(&parts, &caller, &webhook)?, secret };
    Ok((StatusCode::CREATED, Json(made)))
}

pub(super) async fn list(
    State(parts): State<Parts>,
    caller: Caller,
    Named([account]): Named<1>,
    Asked(slice): Asked<Slice>,
) -> Result<Json<Page<View>>, Problem> {
    let account = caller.account(&parts, &account)?;
    caller.whole_account()?;
    let found = parts.webhooks.list(account.id)?;
    slice.answer(found, |webhook| numbered(webhook.id.0), |webhook| view(&parts, &caller, webhook))
}

pub(super) async fn show(
    State(parts): State<Parts>,
    caller: Caller,
    Named(path): Named<2>,
) -> Result<Json<View>, Problem> {
    let (account, id) = named_in(&parts, &caller, &path)?;
    let webhook = parts.webhooks.webhook(account.id, id)?;
    Ok(Json(view(&parts, &caller, &webhook)?))
}

/// What of a webhook changes; an empty list stands for all.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangedWebhook {
    /// Where events are posted.
    #[schema(max_length = 2048)]
    url: Option<String>,
    /// Only these kinds.
    #[schema(max_items = 100)]
    events: Option<Vec<String>>,
    /// Only what concerns these streams.
    #[schema(max_items = 100)]
    streams: Option<Vec<String>>,
}

pub(super) async fn set(
    By(parts): By,
    caller: Caller,
    Named(path): Named<2>,
    Draft(changed): Draft<ChangedWebhook>,
) -> Result<Json<View>, Problem> {
    let (account, id) = named_in(&parts, &caller, &path)?;
    let events = changed.events.map(|names| kinds(&names)).transpose()?;
    let named = |names: Vec<String>| streams(&parts, &caller, &account, &names);
    let streams = changed.streams.map(named).transpose()?;
    let url = changed.url.map(|url| url.trim().to_owned());
    let by = parts.webhooks.by(parts.accounts.author());
    let webhook = by.set(account.id, id, (url, events, streams)).await?;
    tracing::info!(target: "relent::http", account = account.name, webhook = id.0, "webhook changed");
    Ok(Json(view(&parts, &caller, &webhook)?))
}

pub(super) async fn remove(
    By(parts): By,
    caller: Caller,
    Named(path): Named<2>,
) -> Result<Json<Gone>, Problem> {
    let (account, id) = named_in(&parts, &caller, &path)?;
    parts.webhooks.by(parts.accounts.author()).remove(account.id, id).await?;
    tracing::info!(target: "relent::http", account = account.name, webhook = id.0, "webhook removed");
    Ok(Json(Gone { removed: id }))
}

/// A new secret; those before sign along for a while.
pub(super) async fn rotate(
    By(parts): By,
    caller: Caller,
    Named(path): Named<2>,
) -> Result<Json<MadeView>, Problem> {
    let (account, id) = named_in(&parts, &caller, &path)?;
    let by = parts.webhooks.by(parts.accounts.author());
    let (webhook, secret) = by.rotate(account.id, id).await?;
    tracing::info!(target: "relent::http", account = account.name, webhook = id.0,
        "webhook has a new secret");
    Ok(Json(MadeView { webhook: view(&parts, &caller, &webhook)?, secret }))
}

pub(super) async fn pause(
    By(parts): By,
    caller: Caller,
    Named(path): Named<2>,
) -> Result<Json<View>, Problem> {
    let (account, id) = named_in(&parts, &caller, &path)?;
    let webhook = parts.webhooks.by(parts.accounts.author()).pause(account.id, id).await?;
    tracing::info!(target: "relent::http", account = account.name, webhook = id.0, "webhook paused");
    Ok(Json(view(&parts, &caller, &webhook)?))
}

pub(super) async fn resume(
    By(parts): By,
    caller: Caller,
    Named(path): Named<2>,
) -> Result<Json<View>, Problem> {
    let (account, id) = named_in(&parts, &caller, &path)?;
    let webhook = parts.webhooks.by(parts.accounts.author()).resume(account.id, id).await?;
    tracing::info!(target: "relent::http", account = account.name, webhook = id.0, "webhook resumed");
    Ok(Json(view(&parts, &caller, &webhook)?))
}

/// The JSON Schema of what is posted.
pub(super) async fn schema() -> Response {
    ([(header::CONTENT_TYPE, "application/schema+json")], webhooks::SCHEMA).into_response()
}
