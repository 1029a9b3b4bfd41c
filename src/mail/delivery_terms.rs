//! Words about how mail goes on: what it demands of the connection, and what a refusal is about.

use serde::{Deserialize, Serialize};

/// What a message demands of TLS on its way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum TlsDemand {
    /// What the destination's policy says; without one, TLS where it is offered.
    #[default]
    Policy,
    /// REQUIRETLS (RFC 8689 §2): a verified server that offers REQUIRETLS too, or a bounce.
    Required,
    /// `TLS-Required: No` (RFC 8689 §5): it goes on whatever the destination's policy says.
    Optional,
}

/// What a refusal, temporary or final, is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusalClass {
    /// The address does not exist, or is closed for good.
    InvalidMailbox,
    /// The mailbox has no room.
    MailboxFull,
    /// The receiver's rules: not allowed, not authenticated, not wanted here.
    Policy,
    /// The name that address or domain of ours has with the receiver: block lists, complaints.
    Reputation,
    /// What the message says or holds.
    Content,
    /// Come back later, as everybody must who comes first.
    Greylisting,
    /// Too much, too fast, too many connections.
    RateLimit,
    /// Anything of the machinery: disk, network, protocol.
    Technical,
}

impl RefusalClass {
    /// Its name in listings, logs and metrics.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::InvalidMailbox => "invalid_mailbox",
            Self::MailboxFull => "mailbox_full",
            Self::Policy => "policy",
            Self::Reputation => "reputation",
            Self::Content => "content",
            Self::Greylisting => "greylisting",
            Self::RateLimit => "rate_limit",
            Self::Technical => "technical",
        }
    }
}
