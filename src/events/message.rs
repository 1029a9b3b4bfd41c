//! Events of messages. The queue is rebuilt from them: an accepted message whose recipients have not
//! all ended is still queued.

use crate::config::Now;
use crate::mail::dsn::{Dsn, Notify};
use crate::mail::{
    AccountId, Address, MessageId, RecipientHash, RecipientNumber, RefusalClass, ReversePath,
    Status, StreamId, Timestamp, TlsDemand,
};
use crate::spool::{Body, Kind, Labels, Owner, Record};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Where a message came from, and so what rules bind it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Origin {
    /// From an application: policy is asked, the copy carries our headers.
    Submission {
        /// The account that sends.
        account: AccountId,
        /// The stream it belongs to.
        stream: StreamId,
        /// The credential's name.
        credential: String,
    },
    /// A report of ours to a sender (RFC 3464) about the message named.
    Report {
        /// The account whose message it is about.
        account: AccountId,
        /// The message it is about.
        about: MessageId,
    },
    /// A person's letter on its way to a stream's mailbox, or mail for the operator.
    Letter {
        /// The account whose mailbox it goes to; the installation for the operator's.
        account: AccountId,
        /// The stream whose mailbox it goes to.
        stream: Option<StreamId>,
    },
    /// What we say to a person who wrote to us: that a wish was done, whether it was meant, how to
    /// stop. Outside the sender's mail, and bound by the stops that no person can lift.
    Answer {
        /// The account whose mail it is about.
        account: AccountId,
        /// The stream it is about.
        stream: StreamId,
    },
}

impl Origin {
    /// The account concerned.
    #[must_use]
    pub fn account(&self) -> AccountId {
        match self {
            Self::Submission { account, .. }
            | Self::Report { account, .. }
            | Self::Letter { account, .. }
            | Self::Answer { account, .. } => *account,
        }
    }

    /// Whether an application handed it in.
    #[must_use]
    pub fn is_submission(&self) -> bool {
        matches!(self, Self::Submission { .. })
    }

    /// The stream concerned, where there is one.
    #[must_use]
    pub fn stream(&self) -> Option<StreamId> {
        match self {
            Self::Submission { stream, .. } | Self::Answer { stream, .. } => Some(*stream),
            Self::Report { .. } => None,
            Self::Letter { stream, .. } => *stream,
        }
    }
}

/// One recipient of an accepted message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recipient {
    /// Where the copy goes.
    pub address: Address,
    /// The recipient under the account's key.
    pub hash: RecipientHash,
}

/// A message that was accepted: durable before its `250`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Accepted {
    /// Its id.
    pub id: MessageId,
    /// Where it came from.
    pub origin: Origin,
    /// Where reports go.
    pub sender: ReversePath,
    /// Its recipients; their place is their [`RecipientNumber`].
    pub recipients: Vec<Recipient>,
    /// Its bytes as spooled: header section and body, CRLF line ends.
    pub body: Body,
    /// When it was accepted.
    pub at: Timestamp,
    /// The address its From field names, whose domain signs.
    pub from: Option<Address>,
    /// Needs SMTPUTF8 to be sent on.
    pub smtputf8: bool,
    /// Holds octets above 127: sent with BODY=8BITMIME where offered.
    pub eight_bit: bool,
    /// Recipients that policy refused when a header of the message changed its stream: they end
    /// stopped, and the sender, who heard 250, is told.
    pub refused: Vec<RecipientNumber>,
    /// When its recipients are first due; at once where there is none.
    pub not_before: Option<Timestamp>,
    /// What its sender wants to be told, where that was said.
    pub dsn: Option<Box<Dsn>>,
    /// What it demands of TLS.
    pub tls: TlsDemand,
    /// Where the application's own Reply-To pointed, in a verified domain: people's letters go there.
    pub reply_to: Option<Box<Letters>>,
}

/// Where people's letters go that answer a message, as its own Reply-To has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Letters {
    /// The mailbox.
    pub mailbox: Address,
    /// What the message's Message-ID is known by, so that an answer which names it finds it.
    pub answered: u64,
}

impl Letters {
    /// What a Message-ID is known by; its angle brackets may be there or not.
    #[must_use]
    pub fn key(message_id: &str) -> u64 {
        let bare = message_id.trim().trim_start_matches('<').trim_end_matches('>');
        let digest = ring::digest::digest(&ring::digest::SHA256, bare.as_bytes());
        u64::from_be_bytes(digest.as_ref()[..8].try_into().expect("32 bytes"))
    }
}

impl Accepted {
    /// A message in ASCII that is due at once and of which nothing else is known; its body is still to
    /// come.
    #[must_use]
    pub fn new(
        id: MessageId,
        origin: Origin,
        sender: ReversePath,
        recipients: Vec<Recipient>,
        at: Timestamp,
    ) -> Self {
        Self {
            id,
            origin,
            sender,
            recipients,
            body: Body::default(),
            at,
            from: None,
            smtputf8: false,
            eight_bit: false,
            refused: Vec::new(),
            not_before: None,
            dsn: None,
            tls: TlsDemand::default(),
            reply_to: None,
        }
    }

    /// Of what the sender is told, about this recipient.
    #[must_use]
    pub fn notify(&self, number: RecipientNumber) -> Notify {
        let wishes = self.dsn.as_deref().and_then(|dsn| dsn.of(number));
        wishes.and_then(|wishes| wishes.notify).unwrap_or(Notify::DEFAULT)
    }
}

impl Accepted {
    /// Since when its recipients are due.
    #[must_use]
    pub fn due(&self) -> Timestamp {
        self.not_before.map_or(self.at, |at| at.max(self.at))
    }
}

/// How one recipient's copy fared in one attempt, or without one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// A mail server took it.
    Delivered,
    /// Not yet; tried again at the time given.
    Deferred {
        /// The next attempt.
        next_at: Timestamp,
    },
    /// Never; its sender has been told where there is one to tell.
    Failed {
        /// The remote said that the address does not exist or is closed for good.
        dead_address: bool,
    },
    /// Not sent because of a stop that was recorded.
    Stopped,
    /// Taken out of the queue by the operator or the sender.
    Cancelled,
    /// Held back by the operator, until it is released.
    Held,
    /// Let go again by the operator.
    Released,
    /// Still waiting, and its sender has been told so.
    Warned,
}

impl Outcome {
    /// All names, in the order of the outcomes.
    pub const NAMES: [&str; 8] =
        ["delivered", "deferred", "failed", "stopped", "cancelled", "held", "released", "warned"];

    /// As logs and listings name it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Deferred { .. } => "deferred",
            Self::Failed { .. } => "failed",
            Self::Stopped => "stopped",
            Self::Cancelled => "cancelled",
            Self::Held => "held",
            Self::Released => "released",
            Self::Warned => "warned",
        }
    }

    /// Whether a recipient that came to it waits no more.
    #[must_use]
    pub const fn is_end(&self) -> bool {
        matches!(self, Self::Delivered | Self::Failed { .. } | Self::Stopped | Self::Cancelled)
    }
}

/// One thing that happened to a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum MessageEvent {
    /// It was accepted.
    Accepted(Accepted),
    /// Something happened to one of its recipients. It names all that a reader needs, because the record
    /// of the acceptance may lie days before it.
    Recipient {
        /// The message.
        message: MessageId,
        /// Where the message came from.
        origin: Origin,
        /// Who the recipient is.
        to: Recipient,
        /// Which recipient.
        recipient: RecipientNumber,
        /// What happened.
        outcome: Outcome,
        /// Attempts made so far.
        attempts: u32,
        /// The host that answered, `name[address]:port`, where one did.
        relay: Option<String>,
        /// The status, ours or the remote's.
        status: Status,
        /// What was said: the remote's reply or our reason.
        text: String,
        /// When.
        at: Timestamp,
        /// What a refusal is about, where one was classified.
        class: Option<RefusalClass>,
    },
}

/// The version of the encoding that is written.
const VERSION: u8 = 5;
/// What was added at the end of a record since version 2, empty: of an acceptance by version 3 refused
/// recipients and a moment, by version 4 what the sender wants to be told, by version 5 demands of TLS
/// and a Reply-To; of a recipient by version 5 the class of a refusal. What is left over is not read.
const ADDED: [u8; 5] = [0; 5];

impl MessageEvent {
    /// The kind of an acceptance's record.
    pub const ACCEPTED: Kind = Kind(1);

    /// The message that it is about.
    #[must_use]
    pub fn message(&self) -> MessageId {
        match self {
            Self::Accepted(message) => message.id,
            Self::Recipient { message, .. } => *message,
        }
    }

    /// The address of the recipient who has this hash, where it names one.
    #[must_use]
    pub fn address_of(&self, hash: RecipientHash) -> Option<&Address> {
        let recipient = match self {
            Self::Accepted(message) => message.recipients.iter().find(|to| to.hash == hash),
            Self::Recipient { to, .. } => Some(to).filter(|to| to.hash == hash),
        };
        recipient.map(|to| &to.address)
    }

    /// Where that message came from.
    #[must_use]
    pub fn origin(&self) -> &Origin {
        match self {
            Self::Accepted(message) => &message.origin,
            Self::Recipient { origin, .. } => origin,
        }
    }

    /// When it happened.
    #[must_use]
    pub fn at(&self) -> Timestamp {
        match self {
            Self::Accepted(message) => message.at,
            Self::Recipient { at, .. } => *at,
        }
    }

    /// As a spool record: a version byte, then postcard.
    #[must_use]
    pub fn encode(&self) -> (Kind, Vec<u8>) {
        let kind = match self {
            Self::Accepted(_) => Self::ACCEPTED,
            Self::Recipient { .. } => Kind(2),
        };
        let payload = postcard::to_extend(self, vec![VERSION])
            .expect("postcard writes every event into a growing buffer");
        (kind, payload)
    }

    /// Reads a record back; `None` where it is of another version or kind.
    #[must_use]
    pub fn decode(record: &Record) -> Option<Self> {
        match record.payload.split_first()? {
            (&VERSION, rest) => postcard::from_bytes(rest).ok(),
            (2..VERSION, rest) => postcard::from_bytes(&[rest, &ADDED].concat()).ok(),
            _ => None,
        }
    }

    /// How the spool finds a record: by its message and by each recipient.
    #[must_use]
    pub fn labels(record: &Record) -> Labels {
        match Self::decode(record) {
            Some(Self::Accepted(message)) => {
                let to = message.recipients.iter().map(|to| recipient_key(to.hash));
                let keys = to.chain([message_key(message.id)]).collect();
                Labels { keys, body: Some(message.body) }
            }
            Some(Self::Recipient { message, to, .. }) => {
                let keys = vec![message_key(message), recipient_key(to.hash)];
                Labels { keys, body: None }
            }
            None => Labels::default(),
        }
    }

    /// Whether a record is a message's acceptance, readable or not.
    #[must_use]
    pub fn is_acceptance(record: &Record) -> bool {
        record.kind == Self::ACCEPTED
    }
}

/// The spool's owner: events, kept as long as `retention` says.
#[must_use]
pub fn owner(retention: impl Into<Now<Duration>>) -> Owner {
    Owner { retention: retention.into(), labels: MessageEvent::labels, labels_version: 1 }
}

/// What the spool knows a message's records by.
#[must_use]
pub fn message_key(id: MessageId) -> u64 {
    u64::from_be_bytes(id.0[4..].try_into().expect("eight bytes"))
}

/// What the spool knows the records about a recipient by.
#[must_use]
pub fn recipient_key(hash: RecipientHash) -> u64 {
    u64::from_be_bytes(hash.0[..8].try_into().expect("eight bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::dsn::OfRecipient;
    use crate::spool::Sequence;

    fn accepted(refused: Vec<RecipientNumber>, not_before: Option<Timestamp>) -> MessageEvent {
        MessageEvent::Accepted(Accepted {
            eight_bit: true,
            refused,
            not_before,
            ..Accepted::new(
                MessageId([3; 12]),
                Origin::Letter { account: AccountId(1), stream: None },
                ReversePath::Null,
                Vec::new(),
                Timestamp(5),
            )
        })
    }

    #[test]
    fn acceptances_of_the_versions_before_are_read() {
        let moved = accepted(vec![RecipientNumber(1)], Some(Timestamp(9)));
        let mut new = moved.clone();
        if let MessageEvent::Accepted(message) = &mut new {
            let notify = Notify::parse("NEVER");
            let wishes = OfRecipient { notify, original: Some("rfc822;a@b.example".into()) };
            let recipients = vec![(RecipientNumber(1), wishes)];
            message.dsn = Some(Box::new(Dsn { recipients, ..Dsn::default() }));
            assert_eq!(Some(message.notify(RecipientNumber(1))), notify);
            assert_eq!(message.notify(RecipientNumber(0)), Notify::DEFAULT);
        }
        let plain = accepted(Vec::new(), None);
        let (kind, payload) = new.encode();
        let record = |payload| Record { sequence: Sequence(1), kind, payload };
        assert_eq!(MessageEvent::decode(&record(payload)), Some(new));
        let mut old = Vec::new();
        for (version, event, added) in [(4, moved.clone(), 2), (3, moved, 3), (2, plain, 5)] {
            (_, old) = event.encode();
            old.truncate(old.len() - added);
            old[0] = version;
            assert_eq!(MessageEvent::decode(&record(old.clone())), Some(event));
        }
        old[0] = 9;
        assert_eq!(MessageEvent::decode(&record(old)), None);
    }
}
