//! `/api/v1/suppressions`: stops by hand, lifted by name and reason, shown with what they rest on.

use super::by::By;
use super::caller::Caller;
use super::draft::{Asked, Draft};
use super::named::{self, GLOBAL, Reach};
use super::problem::{AtField, Problem};
use super::shape::Page;
use super::site::Parts;
use crate::events::record::{Reason, Scope, Source};
use crate::mail::AccountId;
use crate::policy::{self, Settled, Standing, Suppression};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Most recipients in one answer.
const PAGE_MAX: usize = 1000;
/// Recipients in one answer unless the request says otherwise.
const PAGE: usize = 100;

/// A stop of which recipient, how far.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Stop {
    /// Left out, it is the caller's own.
    account: Option<String>,
    stream: Option<String>,
    #[schema(max_length = 320)]
    recipient: String,
    reason: Option<String>,
    #[schema(max_length = 1000)]
    text: Option<String>,
}

/// Whose records, and how far the stop reaches in them.
fn reach(
    parts: &Parts,
    caller: &Caller,
    account: Option<&String>,
    stream: Option<&str>,
) -> Result<(AccountId, String, Scope), Problem> {
    let (id, account) = caller.owner(parts, account)?;
    let scope = match stream {
        Some(_) if id == AccountId::INSTALLATION => {
            let text = format!("`{GLOBAL}` has no streams: leave `stream` out");
            return Err(Problem::field("stream", text));
        }
        Some(name) => Scope::Stream(caller.stream(parts, id, name)?.id),
        None if id == AccountId::INSTALLATION => Scope::Global,
        None => Scope::Account,
    };
    Ok((id, account, scope))
}

/// A stop that was recorded.
#[derive(Serialize, ToSchema)]
pub(super) struct Stopped {
    /// The number of its event, as `explain` shows it.
    event: u64,
    /// False: one message may still arrive.
    settled: bool,
}

pub(super) async fn add(
    By(parts): By,
    caller: Caller,
    Draft(draft): Draft<Stop>,
) -> Result<(StatusCode, Json<Stopped>), Problem> {
    let stream = named::given(draft.stream.as_ref());
    let (account, owner, scope) = reach(&parts, &caller, draft.account.as_ref(), stream)?;
    if scope == Scope::Account {
        caller.whole_account()?;
    }
    if named::given(draft.reason.as_ref()).is_some_and(|reason| reason != Reason::Manual.name()) {
        let text = "a stop made here has the reason `manual`: leave `reason` out";
        return Err(Problem::field("reason", text));
    }
    let subject = named::subject(draft.recipient.trim()).at("recipient")?;
    let evidence =
        named::evidence(caller.source(), draft.text.as_deref().unwrap_or_default(), None)
            .at("text")?;
    let concerned = named::concerned(&parts, account, &subject)?;
    let name = draft.recipient;
    // On a task of its own: what is begun is done, whether the asker waits or not.
    let done = tokio::spawn(async move {
        let stop = parts.policy.suppress(account, subject, scope, Reason::Manual, evidence);
        let (event, settled) = stop.await?;
        if let Some(selector) = concerned {
            parts.queue.cancel(selector).await;
        }
        Ok::<_, Problem>((event, settled))
    });
    let (event, settled) = done.await.map_err(|fault| broken(&fault))??;
    tracing::info!(
        target: "relent::http", account = owner, stream = draft.stream, recipient = name, by = %caller,
        event = "stop", record = event, "stopped"
    );
    let stopped = Stopped { event, settled: settled == Settled::Fully };
    Ok((named::status(settled), Json(stopped)))
}

/// A task that ended before its work was done.
pub(super) fn broken(fault: &tokio::task::JoinError) -> Problem {
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR, format!("the request broke off: {fault}"))
}

/// A stop that was lifted.
#[derive(Serialize, ToSchema)]
pub(super) struct Lifted {
    /// Of whom, as it was sent.
    lifted: String,
    /// The reason that the stop had.
    reason: Reason,
}

pub(super) async fn remove(
    By(parts): By,
    caller: Caller,
    Draft(draft): Draft<Stop>,
) -> Result<Json<Lifted>, Problem> {
    let stream = named::given(draft.stream.as_ref());
    let (account, owner, scope) = reach(&parts, &caller, draft.account.as_ref(), stream)?;
    if scope == Scope::Account {
        caller.whole_account()?;
    }
    let reason = named::reason(named::needed("reason", draft.reason.as_ref())?).at("reason")?;
    if !caller.is_operator() && matches!(reason, Reason::OptOut | Reason::Complaint) {
        let text = format!(
            "a stop with the reason {reason} is a person's own word: the person lifts it, or the operator"
        );
        return Err(Problem::forbidden(text));
    }
    let subject = named::subject(draft.recipient.trim()).at("recipient")?;
    let evidence =
        named::evidence(caller.source(), draft.text.as_deref().unwrap_or_default(), None)
            .at("text")?;
    if !parts.policy.lift(account, subject.clone(), scope, reason, evidence).await? {
        let (reach, _) = named::scope(&parts, scope)?;
        let mut ways = Vec::new();
        for standing in parts.policy.standing(account, &subject)? {
            ways.push(lifting(&parts, &owner, &standing)?);
        }
        let recipient = draft.recipient.trim();
        let rest = if ways.is_empty() {
            let list = format!("`relent suppression list {owner}`");
            format!("nothing stops mail to it here; {list} shows what is stopped")
        } else {
            format!("what stops mail to it is lifted by {}", ways.join(" or "))
        };
        return Err(Problem::unknown(format!(
            "there is no stop of {recipient} with the reason {reason} and the scope {reach}: {rest}"
        )));
    }
    tracing::info!(
        target: "relent::http", account = owner, stream = draft.stream, recipient = draft.recipient,
        reason = reason.name(), by = %caller, "stop lifted"
    );
    Ok(Json(Lifted { lifted: draft.recipient, reason }))
}

/// Which stops to show.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    account: Option<String>,
    stream: Option<String>,
    recipient: Option<String>,
    after: Option<String>,
    #[schema(minimum = 1, maximum = 1000)]
    limit: Option<usize>,
}

/// A stop, with the name and the hash under which it can be lifted. Of one that binds every account
/// nobody but the operator is told more than whom it is about.
#[derive(Serialize, ToSchema)]
#[schema(as = Suppression)]
pub(super) struct View {
    /// The person, or `@domain`; null where only the hash is kept.
    recipient: Option<String>,
    /// Under which the account keeps the recipient, in base32.
    hash: Option<String>,
    /// How far it reaches.
    scope: Reach,
    /// The stream that it is limited to.
    stream: Option<String>,
    /// Why.
    reason: Option<Reason>,
    /// Since when.
    #[schema(format = DateTime)]
    at: Option<String>,
    /// By what way it came in.
    source: Option<Source>,
    /// What the person wrote, the remote said, or whoever made it gave as its ground.
    text: Option<String>,
    /// The site that called the address dead, where that is why.
    site: Option<String>,
    /// The IP address that it came from.
    ip: Option<String>,
    /// The number of its event, as `explain` shows it.
    event: Option<u64>,
}

/// A stop as answers show it.
pub(super) fn view(parts: &Parts, caller: &Caller, standing: &Standing) -> Result<View, Problem> {
    let stop = &standing.stop;
    if stop.scope == Scope::Global && !caller.is_operator() {
        // Neither where it comes from nor since when: that may be another account's doing.
        return Ok(View {
            recipient: standing.recipient(),
            hash: None,
            scope: Reach::Global,
            stream: None,
            reason: None,
            at: None,
            source: None,
            text: None,
            site: None,
            ip: None,
            event: None,
        });
    }
    let (scope, stream) = named::scope(parts, stop.scope)?;
    Ok(View {
        recipient: standing.recipient(),
        hash: Some(standing.hash.to_string()),
        scope,
        stream,
        reason: Some(stop.reason),
        at: Some(stop.at.to_string()),
        source: Some(stop.evidence.source),
        text: Some(stop.evidence.text.clone()),
        site: stop.site.clone(),
        ip: stop.evidence.ip.clone(),
        event: Some(stop.sequence),
    })
}

/// The command that lifts a stop.
fn lifting(parts: &Parts, account: &str, standing: &Standing) -> Result<String, Problem> {
    let recipient = standing.recipient().unwrap_or_else(|| standing.hash.to_string());
    let target = match standing.stop.scope {
        Scope::Global => GLOBAL.to_owned(),
        Scope::Account => account.to_owned(),
        Scope::Stream(id) => {
            let name = named::stream_name(parts, id)?;
            name.map_or_else(|| account.to_owned(), |name| format!("{account}/{name}"))
        }
    };
    let reason = standing.stop.reason;
    Ok(format!("`relent suppression remove {target} {recipient} --reason {reason}`"))
}

pub(super) async fn list(
    State(parts): State<Parts>,
    caller: Caller,
    Asked(wanted): Asked<Wanted>,
) -> Result<Json<Page<View>>, Problem> {
    let stream = named::given(wanted.stream.as_ref());
    let (account, _, only) = reach(&parts, &caller, wanted.account.as_ref(), stream)?;
    // A stream's stops are those that name it; what binds the whole account is shown with them.
    let shown = |stop: &Suppression| match (only, stop.scope) {
        (Scope::Stream(wanted), Scope::Stream(found)) => wanted == found,
        (_, Scope::Stream(found)) => caller.sees(Some(found)),
        _ => true,
    };
    if let Some(recipient) = named::given(wanted.recipient.as_ref()) {
        let subject = named::subject(recipient).at("recipient")?;
        let mut items = Vec::new();
        for standing in parts.policy.standing(account, &subject)? {
            if shown(&standing.stop) {
                items.push(view(&parts, &caller, &standing)?);
            }
        }
        if items.is_empty() {
            return Err(Problem::unknown(format!(
                "nothing stops mail to {recipient}: `relent explain ACCOUNT/STREAM {recipient}` says \
                 whether it would be sent"
            )));
        }
        return Ok(Json(Page { items, next: None }));
    }
    let after = named::cursor(wanted.after.as_ref()).at("after")?;
    let limit = wanted.limit.unwrap_or(PAGE).clamp(1, PAGE_MAX);
    let policy::Page { found, next } = parts.policy.suppressed(account, after, limit)?;
    let next = next.map(|hash| hash.to_string());
    let mut items = Vec::new();
    for (hash, recipient) in found {
        for stop in recipient.suppressions {
            let (address, domain) = (recipient.address.clone(), recipient.domain.clone());
            let standing = Standing { owner: account, hash, address, domain, stop };
            if shown(&standing.stop) {
                items.push(view(&parts, &caller, &standing)?);
            }
        }
    }
    Ok(Json(Page { items, next }))
}
