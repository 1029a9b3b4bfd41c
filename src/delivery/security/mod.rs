//! Who mail is encrypted for. What a host must prove is decided before it is connected to ([`rule`]), by the
//! operator's word, DANE or MTA-STS ([`policies`], [`sts`]); a connection that falls short is not used for such mail,
//! now or at a retry ([`fits`]). Each result is counted for the domain that asks (`reports`).

mod fits;
mod policies;
mod rule;
mod sts;

pub(super) use fits::{breached, refused};
pub(super) use policies::{Policies, PolicyFault};
pub(super) use rule::{Denied, DomainRule, HostRule, Need, PolicyKind};

use crate::config::{self, Section};
use crate::dns::Resolver;
use crate::tls::{self, CertificateFault, Demand};
use crate::world::Clock;
use rustls::pki_types::CertificateDer;
use std::sync::Arc;

/// What decides about TLS to others, and checks it.
pub(super) struct Security {
    pub(super) settings: Section<config::Delivery>,
    pub(super) resolver: Arc<dyn Resolver>,
    pub(super) policies: Arc<Policies>,
    pub(super) client: Arc<tls::Client>,
    pub(super) clock: Arc<dyn Clock>,
}

/// What is known of an encrypted connection.
#[derive(Debug, Clone)]
pub(super) struct Secured {
    /// The server's certificates, its own first.
    pub(super) chain: Vec<CertificateDer<'static>>,
    /// `TLSv1.3`.
    pub(super) version: String,
    /// The cipher suite.
    pub(super) cipher: String,
    /// It goes on from an earlier session, whose certificates it shows.
    pub(super) is_resumed: bool,
}

/// How a connection falls short of what mail demands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Breach {
    /// As reports name it (RFC 8460 §4.3).
    pub(super) failure: &'static str,
    /// The detail of its status: 7.5, a failure of cryptography, or 7.10, encryption needed.
    pub(super) detail: u16,
    /// In words.
    pub(super) text: String,
}

impl Breach {
    pub(super) fn unencrypted(why: &str) -> Self {
        Self { failure: "starttls-not-supported", detail: 10, text: why.into() }
    }

    pub(super) fn of(fault: &CertificateFault) -> Self {
        let failure = match fault {
            CertificateFault::Expired(_) => "certificate-expired",
            CertificateFault::Name(_) => "certificate-host-mismatch",
            CertificateFault::Untrusted(_) => "certificate-not-trusted",
            CertificateFault::Missing | CertificateFault::Tlsa | CertificateFault::Unfit(_) => {
                "validation-failure"
            }
        };
        Self { failure, detail: 5, text: fault.to_string() }
    }
}

impl Security {
    /// Whether a connection is what mail demands.
    ///
    /// # Errors
    /// How it falls short.
    pub(super) fn holds(&self, need: &Need, secured: Option<&Secured>) -> Result<(), Breach> {
        let encrypted = || secured.ok_or_else(|| Breach::unencrypted("the server offers no TLS"));
        match need {
            Need::Clear | Need::Offered => Ok(()),
            Need::Encrypted => encrypted().map(drop),
            Need::Proven(demand) => self.proves(demand, encrypted()?),
        }
    }

    /// Whether the certificates of a connection are what is demanded.
    ///
    /// # Errors
    /// How they fall short.
    pub(super) fn proves(&self, demand: &Demand, secured: &Secured) -> Result<(), Breach> {
        let checked = self.client.check(&secured.chain, demand, self.clock.now());
        checked.map_err(|fault| Breach::of(&fault))
    }

    /// How to make a connection that may have to be this; with `anew`, one that shows its certificates now.
    pub(super) fn connector(
        &self,
        rule: &HostRule,
        anew: bool,
    ) -> Option<tokio_rustls::TlsConnector> {
        let shown = Demand::Named(Vec::new());
        let demand = match (&rule.need, &rule.tested) {
            (Need::Clear, _) => return None,
            (Need::Proven(demand), _) | (_, Some(demand)) => demand,
            (Need::Offered | Need::Encrypted, None) if anew => &shown,
            (Need::Offered | Need::Encrypted, None) => &Demand::Nobody,
        };
        Some(self.client.connector(demand))
    }
}
