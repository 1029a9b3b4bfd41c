//! The sections about who mail is encrypted for: MTA-STS and TLS reports; and what a policy of TLS may be.

use super::section::sections;
use super::unit::{Size, Span};
use serde::{Deserialize, Serialize};

/// What mail to a destination demands of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TlsPolicy {
    /// No TLS, even where it is offered: for servers whose TLS is broken.
    None,
    /// What the destination demands by DANE or MTA-STS; else TLS where it comes about, any certificate.
    Opportunistic,
    /// TLS, any certificate; what the destination demands besides holds too.
    Encrypt,
    /// TLS, with a certificate for the mail server's name by an authority that the system knows.
    Verify,
    /// TLS as DANE has it, and nothing else.
    DaneOnly,
}

impl TlsPolicy {
    /// As the settings have it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Opportunistic => "opportunistic",
            Self::Encrypt => "encrypt",
            Self::Verify => "verify",
            Self::DaneOnly => "dane-only",
        }
    }
}

sections! {
    /// `[mta_sts]`: policies that domains publish over HTTPS (RFC 8461).
    MtaSts {
        /// Whether they are looked up and obeyed.
        enabled: bool = true,
        /// The port that policies are fetched from.
        port: u16 = 443,
        /// Longest time for the fetch of one policy.
        fetch_timeout: Span = Span::seconds(60),
        /// Longest time that mail waits for the fetch; past it the policy that is kept holds, or the mail is put off.
        fetch_wait: Span = Span::seconds(10),
        /// Pause after a fetch that failed.
        retry_delay: Span = Span::minutes(5),
        /// Largest policy read.
        size_max: Size = Size(64 << 10),
        /// Longest time that a policy is kept without being fetched anew, whatever it says itself.
        age_max: Span = Span::minutes(365 * 24 * 60),
        /// Most policies kept; past it those are forgotten that end first.
        policies_max: u32 = 100_000,
        /// Most fetches at a time.
        fetches_max: u32 = 8,
    }

    /// `[tls_reports]`: daily reports to domains that ask how TLS to them fared (RFC 8460).
    TlsReports {
        /// Whether results are counted and reports sent.
        enabled: bool = true,
        /// The address that reports come from; default: tls-reports at the hostname.
        sender: Option<String> = None,
        /// Whom readers of a report may ask; default: the sender.
        contact: Option<String> = None,
        /// The name that reports come under; default: the hostname.
        organization: Option<String> = None,
        /// How long after midnight UTC, by chance, a day's reports may begin to leave.
        spread: Span = Span::minutes(4 * 60),
        /// Most domains counted a day.
        domains_max: u32 = 50_000,
        /// Most kinds of failure counted for a domain and policy.
        failures_max: u32 = 100,
        /// Most addresses that one domain's report is sent to.
        addresses_max: u32 = 5,
        /// Longest time that results stay unsaved.
        save_delay: Span = Span::minutes(1),
    }
}
