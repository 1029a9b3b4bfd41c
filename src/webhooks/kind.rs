//! What can happen, by the names under which programs hear of it. A name means the same for good; what is
//! added to an event is added at its end, and what would change its sense is a new version.

use crate::events::message::{MessageEvent, Outcome};
use crate::events::record::{Change, Reason};
use serde::{Deserialize, Serialize};
use std::fmt;

/// The JSON Schema (2020-12) of everything that is posted.
pub const SCHEMA: &str = include_str!("../../config/webhooks/v1.schema.json");
/// The version that every event names.
pub(super) const VERSION: u32 = 1;

/// The kind of an event. New ones are added at the end: records hold their places.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum EventKind {
    /// A recipient's copy was accepted.
    MessageAccepted,
    /// It could not be delivered yet, and is tried again.
    MessageDeferred,
    /// A mail server took it.
    MessageDelivered,
    /// It was refused for good.
    MessageFailed,
    /// A mail server had taken it, and it came back.
    MessageBounced,
    /// It was tried for too long.
    MessageExpired,
    /// It was not sent because of a stop.
    MessageStopped,
    /// It was taken out of the queue.
    MessageCancelled,
    /// It was held by the operator.
    MessageHeld,
    /// It was let go again.
    MessageReleased,
    /// It still waits, and its sender has been told.
    MessageDelayed,
    /// A stop was recorded.
    RecipientSuppressed,
    /// A stop was recorded because the person complained.
    RecipientComplained,
    /// A stop was lifted.
    RecipientLifted,
    /// Somebody asked in this person's name, whom nothing proved: the person was asked by mail.
    RecipientAsked,
    /// A person was asked to confirm that they agree.
    ConsentRequested,
    /// Consent was recorded.
    ConsentGranted,
    /// Consent was withdrawn.
    ConsentWithdrawn,
    /// Nothing: the operator tries the endpoint.
    WebhookTest,
}

impl EventKind {
    /// All of them.
    pub const ALL: [Self; 19] = [
        Self::MessageAccepted,
        Self::MessageDeferred,
        Self::MessageDelivered,
        Self::MessageFailed,
        Self::MessageBounced,
        Self::MessageExpired,
        Self::MessageStopped,
        Self::MessageCancelled,
        Self::MessageHeld,
        Self::MessageReleased,
        Self::MessageDelayed,
        Self::RecipientSuppressed,
        Self::RecipientComplained,
        Self::RecipientLifted,
        Self::RecipientAsked,
        Self::ConsentRequested,
        Self::ConsentGranted,
        Self::ConsentWithdrawn,
        Self::WebhookTest,
    ];

    /// Its name in what is posted.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::MessageAccepted => "message.accepted",
            Self::MessageDeferred => "message.deferred",
            Self::MessageDelivered => "message.delivered",
            Self::MessageFailed => "message.failed",
            Self::MessageBounced => "message.bounced",
            Self::MessageExpired => "message.expired",
            Self::MessageStopped => "message.stopped",
            Self::MessageCancelled => "message.cancelled",
            Self::MessageHeld => "message.held",
            Self::MessageReleased => "message.released",
            Self::MessageDelayed => "message.delayed",
            Self::RecipientSuppressed => "recipient.suppressed",
            Self::RecipientComplained => "recipient.complained",
            Self::RecipientLifted => "recipient.lifted",
            Self::RecipientAsked => "recipient.asked",
            Self::ConsentRequested => "consent.requested",
            Self::ConsentGranted => "consent.granted",
            Self::ConsentWithdrawn => "consent.withdrawn",
            Self::WebhookTest => "webhook.test",
        }
    }

    /// Those that happen, and may be asked for.
    pub fn asked() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|kind| *kind != Self::WebhookTest)
    }

    /// The kind of that name, of those that may be asked for.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::asked().find(|kind| kind.name() == name)
    }

    /// What an event of a message is called.
    #[must_use]
    pub fn of_message(event: &MessageEvent) -> Self {
        let MessageEvent::Recipient { outcome, relay, text, .. } = event else {
            return Self::MessageAccepted;
        };
        match outcome {
            Outcome::Delivered => Self::MessageDelivered,
            Outcome::Deferred { .. } => Self::MessageDeferred,
            // Who brought a bounce by mail is no host that we asked: only its address is known.
            Outcome::Failed { .. } if relay.as_ref().is_some_and(|host| host.starts_with('[')) => {
                Self::MessageBounced
            }
            Outcome::Failed { dead_address: false } if text.starts_with("given up after ") => {
                Self::MessageExpired
            }
            Outcome::Failed { .. } => Self::MessageFailed,
            Outcome::Stopped => Self::MessageStopped,
            Outcome::Cancelled => Self::MessageCancelled,
            Outcome::Held => Self::MessageHeld,
            Outcome::Released => Self::MessageReleased,
            Outcome::Warned => Self::MessageDelayed,
        }
    }

    /// What a change of a record is called.
    #[must_use]
    pub fn of_change(change: &Change) -> Self {
        match change {
            Change::Suppressed { reason: Reason::Complaint, .. } => Self::RecipientComplained,
            Change::Suppressed { .. } => Self::RecipientSuppressed,
            Change::Lifted { .. } => Self::RecipientLifted,
            Change::Requested { .. } => Self::ConsentRequested,
            Change::Granted { .. } => Self::ConsentGranted,
            Change::Withdrawn { .. } => Self::ConsentWithdrawn,
            Change::Asked { .. } => Self::RecipientAsked,
        }
    }
}

impl fmt::Display for EventKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_known_by_its_name_and_trials_are_not_asked_for() {
        for kind in EventKind::ALL {
            let found = EventKind::named(kind.name());
            assert_eq!(found, Some(kind).filter(|kind| *kind != EventKind::WebhookTest));
        }
        assert_eq!(EventKind::named("message.*"), None);
    }
}
