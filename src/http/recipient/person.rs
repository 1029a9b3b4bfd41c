//! Whom a link names, and what they have had: a token holds only a hash, and what we keep says more.
//! Nothing here is about anybody but that one address in that one account.

use crate::accounts::{Account, Stream};
use crate::config::Now;
use crate::events::message::{MessageEvent, Origin, Outcome};
use crate::events::record::{Reason, Scope};
use crate::http::site::Parts;
use crate::mail::{AccountId, Address, RecipientHash, StreamId, Timestamp};
use crate::policy::{ConsentState, Judgement, RecipientView, Subject, Token, judge};
use crate::store::StoreFault;
use crate::world::Turns;
use std::sync::Arc;
use std::time::Duration;

/// Longest time that a stop waits for the address it is about: the stop comes first.
const LOOKUP_TIME_MAX: Duration = Duration::from_secs(5);

/// Turns for looking addresses up among the events of messages.
#[derive(Clone)]
pub(super) struct Lookups(Arc<Turns>);

impl Lookups {
    /// So many at a time.
    pub(super) fn new(most: impl Into<Now<usize>>) -> Self {
        Self(Arc::new(Turns::new(most)))
    }
}

/// Whom a token names.
pub(super) struct Person {
    pub(super) account: Arc<Account>,
    /// The stream whose mail the token came with; perhaps removed.
    pub(super) stream: Arc<Stream>,
    pub(super) hash: RecipientHash,
    /// The address, where a record or an event of the account's mail has it.
    pub(super) address: Option<Address>,
}

/// What a stream is to a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// It is sent, and the person can end it.
    Comes,
    /// It is sent, and nobody can end it.
    Always,
    /// The person has ended it.
    Ended(Timestamp),
    /// Something keeps it from being sent that is not the person's to lift.
    Held,
    /// The person was asked to confirm it.
    Waiting,
    /// It needs an agreement, and there is none.
    Unagreed,
}

/// A stream that a person has to do with.
pub(super) struct Had {
    pub(super) stream: Arc<Stream>,
    pub(super) state: State,
    /// When a message of it was last delivered, as far as that is still known.
    pub(super) last: Option<Timestamp>,
    /// Whether the person, having ended it, may be asked by mail whether it shall come again.
    pub(super) can_return: bool,
}

/// A person with everything that their pages tell them.
pub(super) struct Known {
    pub(super) person: Person,
    pub(super) view: RecipientView,
    /// The stream of the token first, then those that were written last.
    pub(super) streams: Vec<Had>,
}

/// Whether what keeps a stream from a person is the person's own opt-out and nothing else: who has
/// complained is not written to about it, nor is an address that is dead.
fn can_return(stream: &Stream, view: &RecipientView) -> bool {
    view.suppressions.iter().all(|stop| match (stop.scope, stop.reason) {
        (Scope::Global, _) => false,
        (Scope::Stream(only), _) if only != stream.id => true,
        (_, reason) => reason == Reason::OptOut,
    })
}

/// What a stream is to a person whose records these are.
fn state(stream: &Stream, view: &RecipientView, now: Timestamp) -> State {
    match judge(stream, &view.suppressions, &view.consents, now) {
        Judgement::Clear if stream.can_be_stopped() => State::Comes,
        Judgement::Clear => State::Always,
        Judgement::Suppressed(stop) => match (stop.scope, stop.reason) {
            (Scope::Stream(_) | Scope::Account, Reason::OptOut | Reason::Complaint) => {
                State::Ended(stop.at)
            }
            _ => State::Held,
        },
        Judgement::Unconsented(consent) => match consent {
            Some(consent) if consent.state == ConsentState::Withdrawn => State::Ended(consent.at),
            Some(consent) if consent.state == ConsentState::Pending => State::Waiting,
            _ => State::Unagreed,
        },
    }
}

impl Person {
    /// None where the token is forged, is of another kind, or names what never was.
    pub(super) async fn find(
        parts: &Parts,
        lookups: &Lookups,
        token: &str,
    ) -> Result<Option<Self>, StoreFault> {
        let Some(mut person) = Self::named(parts, token)? else { return Ok(None) };
        let recorded = parts.policy.view(person.account.id, &Subject::Hash(person.hash))?.address;
        person.address = match recorded {
            Some(address) => Some(address),
            None => {
                let events = events(parts, lookups, (person.account.id, person.hash), 1).await;
                events.iter().find_map(|event| address(event, person.hash))
            }
        };
        Ok(Some(person))
    }

    /// Account, stream and hash alone.
    fn named(parts: &Parts, token: &str) -> Result<Option<Self>, StoreFault> {
        let Some(Token::Unsubscribe { stream, recipient: hash }) = parts.policy.open(token)? else {
            return Ok(None);
        };
        let Some(stream) = parts.accounts.stream_by_id(stream)? else {
            return Ok(None);
        };
        let Some(account) = parts.accounts.account_by_id(stream.account)? else {
            return Ok(None);
        };
        Ok(Some(Self { account, stream, hash, address: None }))
    }

    /// The person as records are found, by address where that is known.
    pub(super) fn subject(&self) -> Subject {
        self.address.clone().map_or(Subject::Hash(self.hash), Subject::Address)
    }
}

impl Known {
    /// As [`Person::find`], with records and the streams they have had mail or a record of.
    pub(super) async fn find(
        parts: &Parts,
        lookups: &Lookups,
        token: &str,
    ) -> Result<Option<Self>, StoreFault> {
        let Some(mut person) = Person::named(parts, token)? else { return Ok(None) };
        let (account, hash) = (person.account.id, person.hash);
        let limit = parts.config.http.page_events_max as usize;
        let events = events(parts, lookups, (account, hash), limit).await;
        let recorded = parts.policy.view(account, &Subject::Hash(hash))?.address;
        let remembered = || events.iter().rev().find_map(|event| address(event, hash));
        person.address = recorded.or_else(remembered);
        let view = parts.policy.view(account, &person.subject())?;
        let streams = streams(parts, &person, &view, &events)?;
        Ok(Some(Self { person, view, streams }))
    }

    /// When the person has ended all marketing.
    pub(super) fn all_stopped(&self) -> Option<Timestamp> {
        let own = |reason| matches!(reason, Reason::OptOut | Reason::Complaint);
        let mut stops = self.view.suppressions.iter();
        let own = stops.rfind(|stop| stop.scope == Scope::Account && own(stop.reason));
        own.map(|stop| stop.at)
    }

    /// Whether there is something to end: a person may have come back to a stream since.
    pub(super) fn can_stop_all(&self) -> bool {
        self.all_stopped().is_none() || self.streams.iter().any(|had| had.state == State::Comes)
    }

    /// When a message was last delivered of the token's stream.
    pub(super) fn last(&self) -> Option<Timestamp> {
        let own = self.streams.iter().find(|had| had.stream.id == self.person.stream.id);
        own.and_then(|had| had.last)
    }
}

/// The streams that a person has to do with, each once, as many as a page lists.
fn streams(
    parts: &Parts,
    person: &Person,
    view: &RecipientView,
    events: &[MessageEvent],
) -> Result<Vec<Had>, StoreFault> {
    let mut found: Vec<(StreamId, Option<Timestamp>)> = vec![(person.stream.id, None)];
    let mut note = |stream: StreamId, last: Option<Timestamp>| match found
        .iter_mut()
        .find(|(known, _)| *known == stream)
    {
        Some((_, known)) => *known = (*known).max(last),
        None => found.push((stream, last)),
    };
    for event in events.iter().rev() {
        match event {
            MessageEvent::Accepted(message) => {
                if let Origin::Submission { stream, .. } = &message.origin {
                    note(*stream, None);
                }
            }
            MessageEvent::Recipient { origin, outcome, at, .. } => {
                if let Origin::Submission { stream, .. } = origin {
                    note(*stream, matches!(outcome, Outcome::Delivered).then_some(*at));
                }
            }
        }
    }
    for consent in &view.consents {
        note(consent.stream, None);
    }
    for stop in &view.suppressions {
        if let Scope::Stream(stream) = stop.scope {
            note(stream, None);
        }
    }
    let (mut streams, now) = (Vec::new(), parts.world.clock.now());
    for (id, last) in found {
        let Some(stream) = parts.accounts.stream_by_id(id)? else { continue };
        if stream.account == person.account.id && stream.removed.is_none() {
            let state = state(&stream, view, now);
            let can_return = matches!(state, State::Ended(_) | State::Waiting | State::Unagreed)
                && person.address.is_some()
                && can_return(&stream, view);
            streams.push(Had { stream, state, last, can_return });
        }
        if streams.len() >= parts.config.http.page_streams_max as usize {
            break;
        }
    }
    Ok(streams)
}

/// The newest events of an account's mail to a recipient, newest last; none where that takes too long.
async fn events(
    parts: &Parts,
    lookups: &Lookups,
    (account, hash): (AccountId, RecipientHash),
    limit: usize,
) -> Vec<MessageEvent> {
    let (queue, turns) = (parts.queue.clone(), lookups.0.clone());
    // On a task of its own: the turn is held until the reading has really ended.
    let reading = tokio::spawn(async move {
        let turn = turns.semaphore().clone().acquire_owned().await.ok()?;
        let events = queue.events_for(account, hash, limit).await;
        drop(turn);
        Some(events)
    });
    let read = tokio::time::timeout(LOOKUP_TIME_MAX, reading).await;
    read.ok().and_then(Result::ok).flatten().unwrap_or_default()
}

/// The address of a recipient, as an event of mail to them has it.
fn address(event: &MessageEvent, hash: RecipientHash) -> Option<Address> {
    match event {
        MessageEvent::Accepted(message) => {
            let mut recipients = message.recipients.iter();
            recipients.find(|to| to.hash == hash).map(|to| to.address.clone())
        }
        MessageEvent::Recipient { to, .. } => (to.hash == hash).then(|| to.address.clone()),
    }
}
