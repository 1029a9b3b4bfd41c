//! `/api/v1/events`: what happened to an account's mail and records, in the order in which it did, by pages
//! and as it happens.

use super::caller::Caller;
use super::draft::Asked;
use super::named;
use super::problem::{AtField, Kind, Problem};
use super::shape::words;
use super::site::Parts;
use crate::events::message::MessageEvent;
use crate::events::record::{Change, Reason, RecordEvent, Scope, Source};
use crate::mail::{AccountId, RecipientHash, StreamId, Timestamp};
use crate::policy::Subject;
use crate::spool::{Durability, Sequence, SpoolFault};
use crate::store::StoreFault;
use crate::webhooks::EventKind;
use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Records read from a log at a time.
const READ: usize = 512;
/// Items in one answer unless the request says otherwise.
const PAGE: u32 = 100;

/// Which events.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// Left out, it is the caller's own, and for the operator every account's; `global` is the installation.
    account: Option<String>,
    /// Kinds, separated by commas: `message.failed,recipient.suppressed`.
    #[schema(max_length = 1000)]
    kind: Option<String>,
    /// Those of one stream.
    stream: Option<String>,
    /// Those about one person.
    recipient: Option<String>,
    /// Those of this moment and later: RFC 3339, or a day.
    since: Option<String>,
    /// Those before this moment.
    until: Option<String>,
    /// Where to go on: `next` or `cursor` of an answer, or the `id` of an event.
    pub(super) after: Option<String>,
    /// Most items in the answer.
    #[schema(minimum = 1)]
    limit: Option<u32>,
}

/// How far both logs were read: the next record of the log of messages, and the last of that of records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Place {
    messages: u64,
    records: u64,
}

impl Place {
    /// As programs carry it about.
    pub(super) fn text(self) -> String {
        format!("{:x}.{:x}", self.messages, self.records)
    }

    fn read(text: &str) -> Option<Self> {
        let (messages, records) = text.split_once('.')?;
        let number = |text: &str| {
            let is_plain = text.bytes().all(|b| b.is_ascii_hexdigit());
            is_plain.then(|| u64::from_str_radix(text, 16).ok())?
        };
        Some(Self { messages: number(messages)?, records: number(records)? })
    }
}

impl Place {
    /// The next record of the log of messages.
    pub(super) fn messages(self) -> u64 {
        self.messages
    }
}

impl Wanted {
    /// Acceptances of messages.
    pub(super) fn accepted(
        account: Option<String>,
        stream: Option<String>,
        recipient: Option<String>,
        (since, until): (Option<String>, Option<String>),
    ) -> Self {
        let kind = Some("message.accepted".to_owned());
        Self { account, kind, stream, recipient, since, until, after: None, limit: None }
    }
}

/// A place that a request names.
pub(super) fn place(text: Option<&String>) -> Result<Option<Place>, Problem> {
    let Some(text) = named::given(text) else { return Ok(None) };
    let fault =
        || Problem::unfit(format!("`{text}` is no cursor of ours: use `next` of an answer"));
    Place::read(text).map(Some).ok_or_else(fault)
}

/// Which events somebody may see and wants.
#[derive(Debug, Clone)]
pub(super) struct Filter {
    /// Whose; none: everybody's, which the operator alone may see.
    account: Option<AccountId>,
    kinds: Vec<EventKind>,
    stream: Option<StreamId>,
    recipient: Option<RecipientHash>,
    since: Option<Timestamp>,
    until: Option<Timestamp>,
    caller: Caller,
}

impl Filter {
    /// Reads what is wanted.
    pub(super) fn of(parts: &Parts, caller: &Caller, wanted: &Wanted) -> Result<Self, Problem> {
        let name = wanted.account.as_ref();
        let account = match named::given(name) {
            None if caller.is_operator() => None,
            _ => Some(caller.owner(parts, name)?.0),
        };
        let of_account = |key| {
            account.ok_or_else(|| Problem::field(key, format!("`{key}` is an account's: name it")))
        };
        let mut kinds = Vec::new();
        for kind in named::given(wanted.kind.as_ref()).into_iter().flat_map(|text| text.split(','))
        {
            let kind = kind.trim();
            let Some(known) = EventKind::named(kind) else {
                let names: Vec<_> = EventKind::ALL.iter().map(|kind| kind.name()).collect();
                let text = format!("`{kind}` is no kind of event: use of {}", names.join(", "));
                return Err(Problem::field("kind", text));
            };
            kinds.push(known);
        }
        let stream = named::given(wanted.stream.as_ref());
        let stream = match stream {
            Some(name) => Some(caller.stream(parts, of_account("stream")?, name)?),
            None => None,
        };
        let recipient = match named::given(wanted.recipient.as_ref()) {
            Some(text) => {
                let subject = named::subject(text).at("recipient")?;
                Some(named::hash_of(parts, of_account("recipient")?, &subject)?)
            }
            None => None,
        };
        let moment = |text: Option<&String>| named::given(text).map(named::read_moment).transpose();
        Ok(Self {
            account,
            kinds,
            stream: stream.map(|stream| stream.id),
            recipient,
            since: moment(wanted.since.as_ref()).at("since")?,
            until: moment(wanted.until.as_ref()).at("until")?,
            caller: caller.clone(),
        })
    }

    /// Whose events; the installation's are everybody's.
    pub(super) fn account(&self) -> AccountId {
        self.account.unwrap_or(AccountId::INSTALLATION)
    }

    fn takes(&self, kind: EventKind, stream: Option<StreamId>, at: Timestamp) -> bool {
        (self.kinds.is_empty() || self.kinds.contains(&kind))
            && self.stream.is_none_or(|wanted| stream == Some(wanted))
            && self.caller.sees(stream)
            && self.since.is_none_or(|since| at >= since)
            && self.until.is_none_or(|until| at < until)
    }

    fn takes_message(&self, event: &MessageEvent) -> bool {
        let origin = event.origin();
        let is_about = |hash: RecipientHash| match event {
            MessageEvent::Accepted(message) => message.recipients.iter().any(|to| to.hash == hash),
            MessageEvent::Recipient { to, .. } => to.hash == hash,
        };
        self.account.is_none_or(|account| origin.account() == account)
            // Our own reports, answers and forwarded letters are no mail of the account's.
            && origin.is_submission()
            && self.recipient.is_none_or(is_about)
            && self.takes(EventKind::of_message(event), origin.stream(), event.at())
    }

    fn takes_change(&self, event: &RecordEvent) -> bool {
        self.account.is_none_or(|account| event.account == account)
            && self.recipient.is_none_or(|hash| event.hash == hash)
            && self.takes(EventKind::of_change(&event.change), stream_of(&event.change), event.at)
    }
}

fn stream_of(change: &Change) -> Option<StreamId> {
    match change {
        Change::Suppressed { scope: Scope::Stream(stream), .. }
        | Change::Lifted { scope: Scope::Stream(stream), .. }
        | Change::Granted { stream }
        | Change::Withdrawn { stream }
        | Change::Asked { stream }
        | Change::Requested { stream } => Some(*stream),
        Change::Suppressed { .. } | Change::Lifted { .. } => None,
    }
}

words! {
    /// What happened.
    EventKind as "EventKind" = EventKind::asked().map(EventKind::name);
}

/// An event.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Event)]
pub(super) struct EventView {
    /// The place after it: where a listing or a follower goes on.
    pub(super) id: String,
    /// What happened.
    #[schema(value_type = EventKind)]
    pub(super) kind: &'static str,
    /// When.
    #[schema(format = DateTime)]
    at: String,
    /// The account's name; `global` is the installation.
    account: Option<String>,
    /// The stream's name; none where it concerns the whole account.
    stream: Option<String>,
    /// The person, or `@domain`; none where only the hash is kept, or where there are several.
    recipient: Option<String>,
    /// All to whom an accepted message goes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    recipients: Vec<String>,
    /// The message.
    message: Option<String>,
    /// The enhanced status of an attempt.
    status: Option<String>,
    /// What was said: a mail server's reply, or our reason.
    text: Option<String>,
    /// Who said so.
    relay: Option<String>,
    /// Attempts made so far.
    attempts: Option<u32>,
    /// Of a stop: why.
    reason: Option<Reason>,
    /// By what way a change came in.
    source: Option<Source>,
    /// The number of a record's event, as `explain` shows it.
    event: Option<u64>,
}

impl EventView {
    fn of_message(parts: &Parts, id: Place, event: &MessageEvent) -> Result<Self, Problem> {
        let stream = event.origin().stream();
        let stream = stream.map(|id| named::stream_name(parts, id)).transpose()?.flatten();
        let mut view = Self {
            id: id.text(),
            kind: EventKind::of_message(event).name(),
            at: event.at().to_string(),
            account: named::account_name(parts, event.origin().account())?,
            stream,
            recipient: None,
            recipients: Vec::new(),
            message: Some(event.message().to_string()),
            status: None,
            text: None,
            relay: None,
            attempts: None,
            reason: None,
            source: None,
            event: None,
        };
        match event {
            MessageEvent::Accepted(message) => {
                let to = message.recipients.iter().map(|to| to.address.to_string());
                view.recipients = to.collect();
            }
            MessageEvent::Recipient { to, status, text, relay, attempts, .. } => {
                view.recipient = Some(to.address.to_string());
                view.status = Some(status.to_string());
                view.text = Some(text.clone());
                view.relay = relay.clone();
                view.attempts = Some(*attempts);
            }
        }
        Ok(view)
    }

    fn of_change(parts: &Parts, id: Place, event: &RecordEvent) -> Result<Self, Problem> {
        let stream = stream_of(&event.change);
        let stream = stream.map(|id| named::stream_name(parts, id)).transpose()?.flatten();
        let kept = parts.policy.view(event.account, &Subject::Hash(event.hash))?;
        let domain = kept.domain.as_ref().map(|domain| format!("@{domain}"));
        let reason = match event.change {
            Change::Suppressed { reason, .. } | Change::Lifted { reason, .. } => Some(reason),
            _ => None,
        };
        Ok(Self {
            id: id.text(),
            kind: EventKind::of_change(&event.change).name(),
            at: event.at.to_string(),
            account: named::account_name(parts, event.account)?,
            stream,
            recipient: kept.address.map(|address| address.to_string()).or(domain),
            recipients: Vec::new(),
            message: event.evidence.message.map(|id| id.to_string()),
            status: None,
            text: (!event.evidence.text.is_empty()).then(|| event.evidence.text.clone()),
            relay: None,
            attempts: None,
            reason,
            source: Some(event.evidence.source),
            event: Some(event.sequence),
        })
    }
}

/// One of either log.
enum One {
    Message(MessageEvent),
    Change(RecordEvent),
}

/// What was read of both logs.
pub(super) struct Read {
    pub(super) events: Vec<EventView>,
    /// How far.
    pub(super) place: Place,
    /// Whether the end of both logs was reached.
    pub(super) is_end: bool,
}

/// The first place of all, or the end of both logs as it is now.
pub(super) fn end(parts: &Parts) -> Result<Place, StoreFault> {
    let records = parts.store.counted("records")?;
    Ok(Place { messages: parts.spool.end().0, records })
}

/// Reads both logs from a place on, in the order of time, until there is a page of what the filter takes,
/// the end, or enough was looked at. Blocks on disk.
pub(super) fn read(
    parts: &Parts,
    filter: &Filter,
    mut place: Place,
    limit: usize,
) -> Result<Read, Problem> {
    let most = parts.config.api.events_read_max as usize;
    let (mut events, mut looked) = (Vec::new(), 0);
    while events.len() < limit && looked < most {
        let messages = parts.spool.read(Sequence(place.messages), READ)?;
        let after = place.records.to_be_bytes();
        let records = parts.store.scan::<RecordEvent>(b"", Some(&after), READ)?;
        // Past the last of a whole reading there may be an earlier one of the other log.
        let (more_messages, more_records) = (messages.len() == READ, records.len() == READ);
        let mut messages = messages.into_iter().peekable();
        let mut records = records.into_iter().map(|(_, record)| record).peekable();
        loop {
            let decoded = messages.peek().map(MessageEvent::decode);
            let first = match (&decoded, records.peek()) {
                (None, _) if more_messages => break,
                (_, None) if more_records => break,
                (None, None) => {
                    return Ok(Read { events, place, is_end: true });
                }
                (Some(Some(event)), Some(record)) => event.at() <= record.at,
                (Some(_), _) => true,
                (None, Some(_)) => false,
            };
            let one = if first {
                let sequence = messages.next().map_or(place.messages, |record| record.sequence.0);
                place.messages = sequence + 1;
                decoded.flatten().map(One::Message)
            } else {
                records.next().map(|record| {
                    place.records = record.sequence;
                    One::Change(record)
                })
            };
            looked += 1;
            match one {
                Some(One::Message(event)) if filter.takes_message(&event) => {
                    events.push(EventView::of_message(parts, place, &event)?);
                }
                Some(One::Change(event)) if filter.takes_change(&event) => {
                    events.push(EventView::of_change(parts, place, &event)?);
                }
                _ => {}
            }
            if events.len() >= limit || looked >= most {
                break;
            }
        }
    }
    Ok(Read { events, place, is_end: false })
}

/// Reads on a thread that may wait for the disk.
pub(super) async fn read_apart(
    parts: &Parts,
    filter: &Filter,
    place: Place,
    limit: usize,
) -> Result<Read, Problem> {
    let (own, filter, from) = (parts.clone(), filter.clone(), place);
    let work = tokio::task::spawn_blocking(move || read(&own, &filter, from, limit));
    let read = work.await.map_err(|fault| Problem::of(Kind::Broken, fault.to_string()))??;
    // Whoever comes back with a place past what was cut off would miss what is written there next, so it
    // matters too where nothing is told.
    if read.place.messages != place.messages {
        secure(parts).await?;
    }
    Ok(read)
}

/// Waits until what was read of the log of messages is on the disk: what a program was told must not be
/// unmade by a power cut.
pub(super) async fn secure(parts: &Parts) -> Result<(), SpoolFault> {
    parts.spool.append(Vec::new(), Durability::Synced).await.map(drop)
}

/// How many items a request wants, within the settings.
pub(super) fn limit(parts: &Parts, wanted: Option<u32>) -> Result<usize, Problem> {
    let most = parts.config.api.page_max;
    match wanted.unwrap_or(PAGE.min(most)) {
        count if (1..=most).contains(&count) => Ok(count as usize),
        count => Err(Problem::field("limit", format!("`limit` is {count}: write 1 to {most}"))),
    }
}

/// An event of a message, as the message's own life shows it: what there is to say of it.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = MessageEvent)]
pub(super) struct LifeView {
    /// What happened.
    #[schema(value_type = EventKind)]
    kind: &'static str,
    /// When.
    #[schema(format = DateTime)]
    at: String,
    /// The stream's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    stream: Option<String>,
    /// The person whom it is about; left out where it is about all.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    recipient: Option<String>,
    /// All to whom the message goes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    recipients: Vec<String>,
    /// The enhanced status of an attempt.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    status: Option<String>,
    /// What was said: a mail server's reply, or our reason.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    text: Option<String>,
    /// Who said so.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    relay: Option<String>,
    /// Attempts made so far.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    attempts: Option<u32>,
}

/// The same of an event.
pub(super) fn of_message(parts: &Parts, event: &MessageEvent) -> Result<LifeView, Problem> {
    let view = EventView::of_message(parts, Place::default(), event)?;
    let EventView {
        kind, at, stream, recipient, recipients, status, text, relay, attempts, ..
    } = view;
    Ok(LifeView { kind, at, stream, recipient, recipients, status, text, relay, attempts })
}

/// A page of events.
#[derive(Serialize, ToSchema)]
#[schema(as = Events)]
pub(super) struct EventsView {
    items: Vec<EventView>,
    /// Where to go on: give it as `after`. Null: there is no more now.
    next: Option<String>,
    /// How far it was read: what happens later comes after it.
    cursor: String,
}

pub(super) async fn list(
    State(parts): State<Parts>,
    caller: Caller,
    Asked(wanted): Asked<Wanted>,
) -> Result<Json<EventsView>, Problem> {
    let filter = Filter::of(&parts, &caller, &wanted)?;
    let from = place(wanted.after.as_ref()).at("after")?.unwrap_or_default();
    let limit = limit(&parts, wanted.limit)?;
    let read = read_apart(&parts, &filter, from, limit).await?;
    let cursor = read.place.text();
    let next = (!read.is_end).then(|| cursor.clone());
    Ok(Json(EventsView { items: read.events, next, cursor }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_it_was_written_and_nothing_else_is() {
        let place = Place { messages: 77, records: u64::MAX };
        assert_eq!(Place::read(&place.text()), Some(place));
        for wrong in ["", ".", "1", "1.", "+1.2", "1.2.3", "g.1", "11111111111111111.1"] {
            assert_eq!(Place::read(wrong), None, "{wrong}");
        }
    }
}
