//! `/api/v1/messages`: an account's messages, and the whole life of each.

use super::caller::Caller;
use super::draft::{Asked, Named};
use super::happening::{self, EventView, Filter, LifeView, Wanted as Events};
use super::named;
use super::problem::{AtField, Kind, Problem};
use super::shape::{Page, words};
use super::site::Parts;
use crate::events::message::{Accepted, MessageEvent, Origin, Outcome, message_key};
use crate::mail::MessageId;
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Most events of one message that are shown.
const EVENTS_MAX: usize = 10_000;

/// Which messages.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// Left out, it is the caller's own.
    account: Option<String>,
    /// Those of one stream.
    stream: Option<String>,
    /// Those to one person.
    recipient: Option<String>,
    /// Those accepted at this moment and later: RFC 3339, or a day.
    since: Option<String>,
    /// Those accepted before this moment.
    until: Option<String>,
    /// Where to go on: `next` of an answer.
    after: Option<String>,
    /// Most items in the answer.
    #[schema(minimum = 1)]
    limit: Option<u32>,
}

/// What came of a recipient, or happened to it.
pub(super) enum Outcomes {}

/// How a recipient stands: an outcome by its name, but what puts it back in the queue.
enum Fares {}

/// In which a recipient waits, and nothing has happened to it.
const QUEUED: &str = "queued";

/// Whether a recipient waits as before, though something was noted of it.
fn waits(outcome: &str) -> bool {
    matches!(outcome, "released" | "warned")
}

words! {
    /// What came of it, or happened to it.
    Outcomes as "Outcome" = Outcome::NAMES;
    /// `queued`, or how it ended: `delivered`, `failed`, `stopped`, `cancelled`; `deferred` and `held`
    /// while it waits.
    Fares as "RecipientState" =
        Outcome::NAMES.into_iter().filter(|name| !waits(name)).chain([QUEUED]);
}

/// How one recipient of a message fares.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MessageRecipient)]
struct RecipientView {
    /// The recipient.
    recipient: String,
    /// Its number in the message.
    number: u32,
    /// How it stands.
    #[schema(value_type = Fares)]
    state: &'static str,
    /// When that came about.
    #[schema(format = DateTime)]
    at: String,
    /// Attempts made.
    attempts: u32,
    /// The next attempt, while there is one.
    #[schema(format = DateTime)]
    next_at: Option<String>,
    /// The enhanced status, where there is one.
    status: Option<String>,
    /// What was said last.
    text: Option<String>,
    /// Who said so.
    relay: Option<String>,
}

/// A message and its life.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Message)]
pub(super) struct MessageView {
    /// Its id, as the `250` named it.
    message: String,
    /// When it was accepted.
    #[schema(format = DateTime)]
    accepted: Option<String>,
    /// The stream.
    stream: Option<String>,
    /// The credential that handed it in.
    credential: Option<String>,
    /// Where reports go; empty: nowhere.
    sender: Option<String>,
    /// Its bytes.
    size: Option<u64>,
    /// Each recipient, as it stands.
    recipients: Vec<RecipientView>,
    /// All that happened, oldest first.
    events: Vec<LifeView>,
}

pub(super) async fn list(
    State(parts): State<Parts>,
    caller: Caller,
    Asked(wanted): Asked<Wanted>,
) -> Result<Json<Page<EventView>>, Problem> {
    let limit = happening::limit(&parts, wanted.limit)?;
    let from = happening::place(wanted.after.as_ref()).at("after")?.unwrap_or_default();
    let Wanted { account, stream, recipient, since, until, .. } = wanted;
    let events = Events::accepted(account, stream, recipient, (since, until));
    let filter = Filter::of(&parts, &caller, &events)?;
    let read = happening::read_apart(&parts, &filter, from, limit).await?;
    let cursor = read.place.text();
    let next = (!read.is_end).then_some(cursor);
    Ok(Json(Page { items: read.events, next }))
}

/// All that the log knows of a message, oldest first, where it is one of the caller's.
async fn events_of(
    parts: &Parts,
    caller: &Caller,
    text: &str,
) -> Result<(MessageId, Vec<MessageEvent>), Problem> {
    let unknown = || Problem::unknown(format!("there is no message {text}"));
    let id: MessageId = text.parse().map_err(|_| unknown())?;
    let spool = parts.spool.clone();
    let reading = tokio::task::spawn_blocking(move || {
        let mut events = Vec::new();
        spool.find(message_key(id), |record| {
            events.extend(MessageEvent::decode(&record).filter(|event| event.message() == id));
            events.len() < EVENTS_MAX
        })?;
        events.reverse();
        Ok::<_, crate::spool::SpoolFault>(events)
    });
    let events = reading.await.map_err(|fault| Problem::of(Kind::Broken, fault.to_string()))??;
    let own = caller.own().map(|own| own.id);
    let is_theirs = events.iter().any(|event| {
        let origin = event.origin();
        own.is_none_or(|own| own == origin.account()) && caller.sees(origin.stream())
    });
    if !is_theirs {
        return Err(unknown());
    }
    happening::secure(parts).await?;
    Ok((id, events))
}

/// A recipient as the acceptance has it.
fn fresh(message: &Accepted) -> Vec<RecipientView> {
    let views = message.recipients.iter().zip(0..).map(|(to, number)| RecipientView {
        recipient: to.address.to_string(),
        number,
        state: QUEUED,
        at: message.at.to_string(),
        attempts: 0,
        next_at: Some(message.due().to_string()),
        status: None,
        text: None,
        relay: None,
    });
    views.collect()
}

/// What an event says of its recipient.
fn after(event: &MessageEvent) -> Option<RecipientView> {
    let MessageEvent::Recipient {
        to, recipient, outcome, attempts, relay, status, text, at, ..
    } = event
    else {
        return None;
    };
    let next_at = match outcome {
        Outcome::Deferred { next_at } => Some(next_at.to_string()),
        _ => None,
    };
    Some(RecipientView {
        recipient: to.address.to_string(),
        number: recipient.0,
        state: match outcome.name() {
            name if waits(name) => QUEUED,
            name => name,
        },
        at: at.to_string(),
        attempts: *attempts,
        next_at,
        status: Some(status.to_string()),
        text: Some(text.clone()),
        relay: relay.clone(),
    })
}

pub(super) async fn show(
    State(parts): State<Parts>,
    caller: Caller,
    Named([text]): Named<1>,
) -> Result<Json<MessageView>, Problem> {
    let (id, events) = events_of(&parts, &caller, &text).await?;
    let mut view = MessageView {
        message: id.to_string(),
        accepted: None,
        stream: None,
        credential: None,
        sender: None,
        size: None,
        recipients: Vec::new(),
        events: Vec::new(),
    };
    for event in &events {
        if let MessageEvent::Accepted(message) = event {
            view.accepted = Some(message.at.to_string());
            view.sender = Some(message.sender.to_string());
            view.size = Some(message.body.length);
            view.recipients = fresh(message);
        }
        let origin = event.origin();
        if let Some(stream) = origin.stream().filter(|_| view.stream.is_none()) {
            view.stream = named::stream_name(&parts, stream)?;
        }
        if let Origin::Submission { credential, .. } = origin {
            view.credential = Some(credential.clone());
        }
        if let Some(now) = after(event) {
            match view.recipients.iter_mut().find(|known| known.number == now.number) {
                Some(known) => *known = now,
                None => view.recipients.push(now),
            }
        }
        view.events.push(happening::of_message(&parts, event)?);
    }
    Ok(Json(view))
}
