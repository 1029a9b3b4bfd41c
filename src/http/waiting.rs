//! `/api/v1/queue`: mail that waits, shown, hurried, held and taken out.

use super::by::By;
use super::caller::Caller;
use super::draft::{Asked, Draft, Named};
use super::message::Outcomes;
use super::named;
use super::problem::{AtField, Problem};
use super::shape::Count;
use super::site::Parts;
use super::suppression::broken;
use crate::accounts::Account;
use crate::events::Act;
use crate::events::message::MessageEvent;
use crate::mail::{AccountId, RefusalClass};
use crate::queue::{ItemState, ItemView, Selector};
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

/// Most items in one answer.
const ITEMS_MAX: usize = 10_000;
/// Items in one answer unless the request says otherwise.
const ITEMS: usize = 100;

/// Which mail is meant: one of these, an address of one account, or a stream of an account.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    message: Option<String>,
    address: Option<String>,
    domain: Option<String>,
    account: Option<String>,
    stream: Option<String>,
    all: Option<bool>,
    #[schema(minimum = 1, maximum = 10_000)]
    limit: Option<usize>,
}

impl Wanted {
    /// Whether it leaves open which mail is meant.
    fn names_nothing(&self) -> bool {
        let named = [&self.message, &self.address, &self.domain, &self.stream];
        let is_named = named.into_iter().any(|name| named::given(name.as_ref()).is_some());
        !is_named && self.all != Some(true)
    }
}

/// The mail a request means; none where it names nothing. Whoever has an account means its mail alone.
async fn selector(
    parts: &Parts,
    caller: &Caller,
    wanted: &Wanted,
) -> Result<Option<Selector>, Problem> {
    let message = named::given(wanted.message.as_ref());
    let address = named::given(wanted.address.as_ref());
    let domain = named::given(wanted.domain.as_ref());
    let account = named::given(wanted.account.as_ref());
    let stream = named::given(wanted.stream.as_ref());
    if let Some(own) = caller.own() {
        return narrowed(parts, caller, own, wanted).await.map(Some);
    }
    let selector = match (message, address, domain, account, stream) {
        (None, None, None, None, None) => {
            return Ok(wanted.all.unwrap_or(false).then_some(Selector::All));
        }
        _ if wanted.all == Some(true) => {
            return Err(Problem::unfit("`all` goes alone: leave the others out"));
        }
        (Some(id), None, None, None, None) => {
            let fault = |fault| Problem::unfit(format!("`{id}`: {fault}"));
            Selector::Message(id.parse().map_err(fault)?)
        }
        (None, Some(address), None, None, None) => Selector::Address(named::address(address)?),
        (None, Some(address), None, Some(account), None) => {
            let account = parts.accounts.account(account)?;
            let hash = parts.accounts.hash(account.id, &named::address(address)?)?;
            Selector::Recipient(account.id, hash)
        }
        (None, None, Some(domain), None, None) => Selector::Domain(named::domain(domain)?),
        (None, None, None, Some(account), None) => {
            Selector::Account(caller.owner(parts, Some(&account.to_owned()))?.0)
        }
        (None, None, None, Some(account), Some(stream)) => {
            let account = parts.accounts.account(account)?;
            Selector::Stream(parts.accounts.stream(account.id, stream)?.id)
        }
        _ => {
            return Err(Problem::unfit(
                "name the mail by one of `message`, `address`, `domain`, `account`; only `address` \
                 or `stream` may stand beside `account`",
            ));
        }
    };
    Ok(Some(selector))
}

/// The mail that a request of an account's means: a message of its own, one of its recipients, a stream, or
/// all that it has waiting.
async fn narrowed(
    parts: &Parts,
    caller: &Caller,
    own: &Account,
    wanted: &Wanted,
) -> Result<Selector, Problem> {
    let account = caller.meant(parts, wanted.account.as_ref())?.id;
    if named::given(wanted.domain.as_ref()).is_some() {
        let text = "mail for a whole domain is the operator's to work: name a message, an address or a stream";
        return Err(Problem::field("domain", text));
    }
    let message = named::given(wanted.message.as_ref());
    let address = named::given(wanted.address.as_ref());
    let stream = named::given(wanted.stream.as_ref());
    match (message, address, stream) {
        (Some(id), None, None) => {
            let unknown = || Problem::unknown(format!("there is no message {id}"));
            let message = id.parse().map_err(|_| unknown())?;
            let waits = parts.queue.list(Selector::Message(message), 1).await;
            let ended = match waits.first() {
                Some(item) => item.account == own.id && caller.sees(item.stream),
                None => parts.queue.ended(message).await.first().is_some_and(|event| {
                    event.origin().account() == own.id && caller.sees(event.origin().stream())
                }),
            };
            ended.then_some(Selector::Message(message)).ok_or_else(unknown)
        }
        (None, Some(address), None) => {
            caller.whole_account()?;
            let address = named::address(address).at("address")?;
            Ok(Selector::Recipient(account, parts.accounts.hash(account, &address)?))
        }
        (None, None, Some(name)) => Ok(Selector::Stream(caller.stream(parts, account, name)?.id)),
        (None, None, None) => {
            caller.whole_account()?;
            Ok(Selector::Account(account))
        }
        _ => Err(Problem::unfit("name the mail by one of `message`, `address`, `stream`")),
    }
}

/// A recipient of a message that waits.
#[derive(Serialize, ToSchema)]
#[schema(as = QueueItem)]
pub(super) struct ItemShown {
    /// The message's id, as the `250` named it.
    message: String,
    /// The number of the recipient in the message.
    number: u32,
    /// Where reports go; empty: nowhere.
    sender: String,
    /// The recipient.
    recipient: String,
    /// The account's name.
    account: Option<String>,
    /// The stream's name; null: it is a message of our own.
    stream: Option<String>,
    /// Bytes of the message.
    size: u64,
    /// How it waits.
    state: ItemState,
    /// Attempts made.
    attempts: u32,
    /// When it was accepted.
    #[schema(format = DateTime)]
    accepted: String,
    /// When it may be tried next; null while nobody can say.
    #[schema(format = DateTime)]
    next_at: Option<String>,
    /// Why it waits, or is held.
    why: String,
    /// What was said last.
    last: Option<String>,
    /// What that was about, where it was a refusal.
    class: Option<RefusalClass>,
}

/// A recipient of a message that waits no more.
#[derive(Serialize, ToSchema)]
#[schema(as = QueueEnd)]
pub(super) struct EndView {
    /// The message's id, as the `250` named it.
    message: String,
    /// The number of the recipient in the message.
    number: u32,
    /// The recipient.
    recipient: String,
    /// How it ended.
    #[schema(value_type = Outcomes)]
    state: &'static str,
    /// Attempts made.
    attempts: u32,
    /// When it ended.
    #[schema(format = DateTime)]
    at: String,
    /// What was said last.
    last: String,
    /// What that was about, where it was a refusal.
    class: Option<RefusalClass>,
}

/// Mail that waits.
#[derive(Serialize, ToSchema)]
#[schema(as = Queue)]
pub(super) struct QueueView {
    /// As many as were asked for, those that are due first.
    items: Vec<ItemShown>,
    /// Where one message was asked for: its recipients that wait no more.
    ended: Vec<EndView>,
}

pub(super) async fn list(
    State(parts): State<Parts>,
    caller: Caller,
    Asked(wanted): Asked<Wanted>,
) -> Result<Json<QueueView>, Problem> {
    let selector = selector(&parts, &caller, &wanted).await?.unwrap_or(Selector::All);
    let asked = selector.clone();
    let limit = wanted.limit.unwrap_or(ITEMS);
    if !(1..=ITEMS_MAX).contains(&limit) {
        return Err(Problem::unfit(format!("`limit` is 1 to {ITEMS_MAX}, and {ITEMS} by itself")));
    }
    let mut items = Vec::new();
    for item in parts.queue.list(selector, limit).await {
        items.push(view(&parts, item)?);
    }
    let mut ended = Vec::new();
    if let Selector::Message(id) = asked {
        ended.extend(parts.queue.ended(id).await.iter().filter_map(end));
    }
    Ok(Json(QueueView { items, ended }))
}

fn end(event: &MessageEvent) -> Option<EndView> {
    let MessageEvent::Recipient {
        message, recipient, to, outcome, attempts, text, at, class, ..
    } = event
    else {
        return None;
    };
    Some(EndView {
        message: message.to_string(),
        number: recipient.0,
        recipient: to.address.to_string(),
        state: outcome.name(),
        attempts: *attempts,
        at: at.to_string(),
        last: text.clone(),
        class: *class,
    })
}

/// A recipient that waits, with names for numbers.
fn view(parts: &Parts, item: ItemView) -> Result<ItemShown, Problem> {
    let stream = item.stream.map(|id| named::stream_name(parts, id)).transpose()?.flatten();
    Ok(ItemShown {
        message: item.message,
        number: item.number,
        sender: item.sender,
        recipient: item.recipient,
        account: named::account_name(parts, item.account)?,
        stream,
        size: item.size,
        state: item.state,
        attempts: item.attempts,
        accepted: item.accepted.to_string(),
        next_at: item.next_at.map(|at| at.to_string()),
        why: item.why,
        last: item.last,
        class: item.class,
    })
}

pub(super) async fn summary(State(parts): State<Parts>) -> Json<Value> {
    let summary = parts.queue.summary().await;
    let waiting = |(domain, count)| json!({ "domain": domain, "count": count });
    Json(json!({
        "queued": summary.queued,
        "active": summary.active,
        "held": summary.held,
        "restore": parts.policy.restore_held().map(|restored| restored.why()),
        "domains": summary.domains.into_iter().map(waiting).collect::<Vec<Value>>(),
    }))
}

/// What is done to the queue, as the audit chain keeps it: of an address that was named, not which.
fn described(parts: &Parts, caller: &Caller, verb: &str, wanted: &Wanted) -> Result<Act, Problem> {
    let kind = match verb {
        "retry" => "queue.retried",
        "hold" => "queue.held",
        "release" => "queue.released",
        _ => "queue.cancelled",
    };
    let account = match (caller.own(), &wanted.account) {
        (Some(own), _) => own.id,
        (None, Some(name)) => caller.owner(parts, Some(name))?.0,
        (None, None) => AccountId::INSTALLATION,
    };
    Ok(Act::new(account, kind)
        .with("message", named::given(wanted.message.as_ref()))
        .with("domain", named::given(wanted.domain.as_ref()))
        .with("stream", named::given(wanted.stream.as_ref()))
        .with("address", wanted.address.is_some()))
}

pub(super) async fn act(
    By(parts): By,
    caller: Caller,
    Named([verb]): Named<1>,
    Draft(wanted): Draft<Wanted>,
) -> Result<Json<Count>, Problem> {
    if !caller.is_operator() && wanted.names_nothing() {
        return Err(Problem::unfit("say which mail: `message`, `address`, `stream` or `all`"));
    }
    let selector = selector(&parts, &caller, &wanted).await?.ok_or_else(|| {
        Problem::unfit(
            "say which mail: `message`, `address`, `domain`, `account`, `stream` or `all`",
        )
    })?;
    if !["retry", "hold", "release", "cancel"].contains(&verb.as_str()) {
        let text = format!("`{verb}` is no verb of the queue: retry, hold, release, cancel");
        return Err(Problem::unknown(text));
    }
    let taken_out = match caller.is_operator() {
        true => "taken out by the operator",
        false => "taken out by its sender",
    };
    let act = described(&parts, &caller, &verb, &wanted)?;
    let (queue, word) = (parts.queue.clone(), verb.clone());
    // On a task of its own: what is begun is done, whether the asker waits or not.
    let work = tokio::spawn(async move {
        let count = match word.as_str() {
            "retry" => queue.retry(selector).await,
            "hold" => queue.hold(selector, true).await?,
            "release" => queue.hold(selector, false).await?,
            _ => queue.remove(selector, taken_out).await?,
        };
        parts.accounts.write_act(act.with("count", count)).await?;
        Ok::<_, Problem>(count)
    });
    let count = work.await.map_err(|fault| broken(&fault))??;
    tracing::info!(target: "relent::http", verb, count, by = %caller, "the queue was worked");
    Ok(Json(Count { count }))
}
