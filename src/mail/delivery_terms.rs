//! Words about how mail goes on: what it demands of the connection, and what a refusal is about.

use super::header::Field;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

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

impl TlsDemand {
    /// What MAIL and the header of a message say together. Where both speak, REQUIRETLS holds (RFC 8689 §4.1);
    /// of the field, `No` is the one value that means anything.
    #[must_use]
    pub fn of(requiretls: bool, fields: &[Field<'_>]) -> Self {
        let is_no = |field: &Field<'_>| {
            field.is("TLS-Required") && field.text().trim().eq_ignore_ascii_case("no")
        };
        match requiretls {
            true => Self::Required,
            false if fields.iter().any(is_no) => Self::Optional,
            false => Self::Policy,
        }
    }
}

/// What a refusal, temporary or final, is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
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

#[cfg(test)]
mod tests {
    use super::super::header;
    use super::*;

    #[test]
    fn mail_that_must_be_encrypted_is_so_whatever_its_header_says() {
        for (header, demand) in [
            ("TLS-Required: No\r\n", TlsDemand::Optional),
            ("tls-required:\tNO \r\n", TlsDemand::Optional),
            ("TLS-Required: Yes\r\n", TlsDemand::Policy),
            ("Subject: TLS-Required: No\r\n", TlsDemand::Policy),
        ] {
            let fields = header::fields(header.as_bytes()).expect("a header");
            assert_eq!(TlsDemand::of(false, &fields), demand, "{header}");
            assert_eq!(TlsDemand::of(true, &fields), TlsDemand::Required, "{header}");
        }
    }
}
