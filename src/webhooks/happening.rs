//! What happened, as it lies in either log, and what of it a webhook asks for.

use super::kind::EventKind;
use super::record::{Log, Place, Webhook};
use crate::events::message::{MessageEvent, Origin};
use crate::events::record::{Change, RecordEvent, Scope};
use crate::mail::{AccountId, RecipientHash, StreamId, Timestamp};
use std::sync::Arc;

/// An event of either log.
#[derive(Debug, Clone)]
pub(super) enum Happening {
    Message(u64, Arc<MessageEvent>),
    Change(Arc<RecordEvent>),
}

/// What an event is about, for one recipient.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Concern {
    pub(super) place: Place,
    pub(super) account: AccountId,
    pub(super) hash: RecipientHash,
    pub(super) kind: EventKind,
    /// None: it concerns every stream.
    pub(super) stream: Option<StreamId>,
    pub(super) at: Timestamp,
}

impl Happening {
    /// An event of a message, if it is one of an application's.
    pub(super) fn of_message(sequence: u64, event: MessageEvent) -> Option<Self> {
        let origin = match &event {
            MessageEvent::Accepted(message) => &message.origin,
            MessageEvent::Recipient { origin, .. } => origin,
        };
        // Our own reports, answers and forwarded letters are no mail of the account's.
        matches!(origin, Origin::Submission { .. })
            .then(|| Self::Message(sequence, Arc::new(event)))
    }

    /// Its number in its log.
    pub(super) fn sequence(&self) -> u64 {
        match self {
            Self::Message(sequence, _) => *sequence,
            Self::Change(event) => event.sequence,
        }
    }

    /// What it is about for the recipient of that number; none past the last.
    pub(super) fn concern(&self, number: u32) -> Option<Concern> {
        let place = |log| Place { log, sequence: self.sequence(), number };
        match self {
            Self::Message(_, event) => {
                let place = place(Log::Messages);
                let kind = EventKind::of_message(event);
                let (origin, hash, at) = match &**event {
                    MessageEvent::Accepted(message) => {
                        let to = message.recipients.get(usize::try_from(number).ok()?)?;
                        (&message.origin, to.hash, message.at)
                    }
                    MessageEvent::Recipient { origin, to, at, .. } if number == 0 => {
                        (origin, to.hash, *at)
                    }
                    MessageEvent::Recipient { .. } => return None,
                };
                let (account, stream) = (origin.account(), origin.stream());
                Some(Concern { place, account, hash, kind, stream, at })
            }
            Self::Change(event) if number == 0 => {
                let stream = match event.change {
                    Change::Suppressed { scope, .. } | Change::Lifted { scope, .. } => {
                        match scope {
                            Scope::Stream(stream) => Some(stream),
                            Scope::Account | Scope::Global => None,
                        }
                    }
                    Change::Requested { stream }
                    | Change::Granted { stream }
                    | Change::Withdrawn { stream }
                    | Change::Asked { stream } => Some(stream),
                };
                Some(Concern {
                    place: place(Log::Changes),
                    account: event.account,
                    hash: event.hash,
                    kind: EventKind::of_change(&event.change),
                    stream,
                    at: event.at,
                })
            }
            Self::Change(_) => None,
        }
    }
}

impl Webhook {
    /// Whether it asks for this. Global stops, which are the installation's, are told to no account.
    pub(super) fn asks_for(&self, concern: &Concern) -> bool {
        let of_streams = |stream| self.streams.is_empty() || self.streams.contains(&stream);
        concern.account == self.account
            && (self.events.is_empty() || self.events.contains(&concern.kind))
            && concern.stream.is_none_or(of_streams)
    }
}
