//! What mail demands of a host, and why: the operator's word for the domain, DANE (RFC 7672), MTA-STS (RFC
//! 8461), or nothing but what the host offers.

use super::Security;
use super::policies::PolicyFault;
use super::sts::{Mode, Policy};
use crate::config::TlsPolicy;
use crate::dns::{DnsFault, Proven};
use crate::mail::{Domain, Tlsa};
use crate::tls::{Demand, usable};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Which policy a result counts under (RFC 8460 §4.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub(in crate::delivery) enum PolicyKind {
    /// TLSA records.
    Tlsa,
    /// MTA-STS.
    Sts,
    /// None was found.
    NoneFound,
}

impl PolicyKind {
    /// As reports have it.
    pub(in crate::delivery) const fn name(self) -> &'static str {
        match self {
            Self::Tlsa => "tlsa",
            Self::Sts => "sts",
            Self::NoneFound => "no-policy-found",
        }
    }
}

/// What mail to a domain demands of any of its hosts.
#[derive(Debug, Clone)]
pub(in crate::delivery) struct DomainRule {
    pub(in crate::delivery) domain: Domain,
    pub(in crate::delivery) word: TlsPolicy,
    /// Whether the operator said so of this very domain.
    pub(in crate::delivery) is_overridden: bool,
    /// The domain's MTA-STS policy, with its text.
    pub(in crate::delivery) sts: Option<(Arc<Policy>, String)>,
    /// Why there is none, though the domain says that it has one.
    pub(in crate::delivery) fault: Option<PolicyFault>,
    /// Whether one may be had soon.
    pub(in crate::delivery) is_awaited: bool,
}

/// What a connection must be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::delivery) enum Need {
    /// In the clear.
    Clear,
    /// Encrypted where that comes about.
    Offered,
    /// Encrypted.
    Encrypted,
    /// Encrypted, to whom proves it.
    Proven(Demand),
}

/// What mail demands of one host.
#[derive(Debug, Clone)]
pub(in crate::delivery) struct HostRule {
    pub(in crate::delivery) need: Need,
    /// What is only counted where it is not met: a policy in testing.
    pub(in crate::delivery) tested: Option<Demand>,
    pub(in crate::delivery) kind: PolicyKind,
    /// The policy, line by line, as reports have it.
    pub(in crate::delivery) policy: Vec<String>,
    /// The mail hosts that the policy names.
    pub(in crate::delivery) patterns: Vec<String>,
    /// Whether DNSSEC or MTA-STS vouches for the host being the domain's, as REQUIRETLS asks.
    pub(in crate::delivery) is_vouched: bool,
    /// In words, for people.
    pub(in crate::delivery) why: String,
}

/// Why a host may not be sent to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::delivery) struct Denied {
    pub(in crate::delivery) kind: PolicyKind,
    /// As reports name the failure.
    pub(in crate::delivery) failure: &'static str,
    pub(in crate::delivery) text: String,
}

impl HostRule {
    fn new(need: Need, kind: PolicyKind, why: impl Into<String>) -> Self {
        let (policy, patterns) = (Vec::new(), Vec::new());
        Self { need, tested: None, kind, policy, patterns, is_vouched: false, why: why.into() }
    }

    /// The rule for mail that asks not to be kept by TLS (RFC 8689 §5).
    pub(in crate::delivery) fn relaxed() -> Self {
        let why = "the message has TLS-Required: No";
        Self::new(Need::Offered, PolicyKind::NoneFound, why)
    }
}

impl Security {
    /// What mail to a domain demands.
    pub(in crate::delivery) async fn domain(&self, domain: &Domain) -> DomainRule {
        let own = self.settings.tls_policies.get(domain.as_str());
        let word = own.copied().unwrap_or(self.settings.tls);
        let (mut sts, mut fault, mut is_awaited) = (None, None, false);
        if matches!(word, TlsPolicy::Opportunistic | TlsPolicy::Encrypt) {
            let found = self.policies.find(domain).await;
            (sts, fault, is_awaited) = (found.policy, found.fault, found.is_awaited);
        }
        let (domain, is_overridden) = (domain.clone(), own.is_some());
        DomainRule { domain, word, is_overridden, sts, fault, is_awaited }
    }

    /// What mail demands of a host that the domain's mail goes to. `is_proven` says whether DNSSEC proves
    /// that it does, `addresses_proven` whether it proves where the host is.
    ///
    /// # Errors
    /// It may not be sent to.
    pub(in crate::delivery) async fn host(
        &self,
        rule: &DomainRule,
        host: &str,
        is_proven: bool,
        addresses_proven: bool,
    ) -> Result<HostRule, Denied> {
        let says =
            if rule.is_overridden { "delivery.tls_policies says" } else { "delivery.tls is" };
        let named = || Demand::Named(vec![host.to_owned()]);
        let matching = rule.sts.as_ref().filter(|(policy, _)| policy.mode != Mode::None);
        let is_named = matching.as_ref().is_some_and(|(policy, _)| policy.names(host));
        let vouched = |rule: HostRule| HostRule { is_vouched: is_proven || is_named, ..rule };
        let of_word = |need, word: &str| {
            vouched(HostRule::new(need, PolicyKind::NoneFound, format!("{says} {word}")))
        };
        match rule.word {
            TlsPolicy::None => return Ok(of_word(Need::Clear, "none")),
            TlsPolicy::Verify => return Ok(of_word(Need::Proven(named()), "verify")),
            _ => {}
        }
        if is_proven && addresses_proven {
            let found = self.dane(rule, host).await?;
            // Records that cannot be used ask for less than a policy that is obeyed, or may be soon.
            let enforces = matching.is_some_and(|(policy, _)| policy.mode == Mode::Enforce);
            let yields =
                |found: &HostRule| found.need == Need::Encrypted && (enforces || rule.is_awaited);
            if let Some(found) = found.filter(|found| !yields(found)) {
                return Ok(vouched(found));
            }
        }
        if rule.word == TlsPolicy::DaneOnly {
            let lacks = match (is_proven, addresses_proven) {
                (true, true) => "it has no TLSA record that DNSSEC proves",
                (true, false) => "DNSSEC does not prove its addresses",
                (false, _) => "DNSSEC does not prove that it is the domain's mail server",
            };
            let text = format!("{says} dane-only, and of {host} {lacks}");
            return Err(Denied { kind: PolicyKind::Tlsa, failure: "dane-required", text });
        }
        if rule.is_awaited {
            let text = format!("the MTA-STS policy of {} is still being fetched", rule.domain);
            let failure = "sts-policy-fetch-error";
            return Err(Denied { kind: PolicyKind::Sts, failure, text });
        }
        let Some((policy, text)) = matching else {
            let need = match rule.word {
                TlsPolicy::Encrypt => return Ok(of_word(Need::Encrypted, "encrypt")),
                _ => Need::Offered,
            };
            let why = "no policy: TLS where it comes about";
            return Ok(vouched(HostRule::new(need, PolicyKind::NoneFound, why)));
        };
        let domain = &rule.domain;
        if policy.mode == Mode::Enforce && !is_named {
            let text = format!("the MTA-STS policy of {domain} does not name {host}");
            let failure = "certificate-host-mismatch";
            return Err(Denied { kind: PolicyKind::Sts, failure, text });
        }
        let why = format!("the MTA-STS policy of {domain}, mode {}", policy.mode.name());
        let (need, tested) = match (policy.mode, rule.word) {
            (Mode::Enforce, _) => (Need::Proven(named()), None),
            // A host that is not named fails its test as a certificate does that is not for it.
            (_, word) => {
                let names = if is_named { vec![host.to_owned()] } else { Vec::new() };
                let need = if word == TlsPolicy::Encrypt { Need::Encrypted } else { Need::Offered };
                (need, Some(Demand::Named(names)))
            }
        };
        let lines = text.lines().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty());
        Ok(vouched(HostRule {
            tested,
            policy: lines.collect(),
            patterns: policy.hosts.clone(),
            ..HostRule::new(need, PolicyKind::Sts, why)
        }))
    }

    /// What a host's TLSA records demand; none where it has none. A lookup that fails may hide them: the
    /// host is passed over until it does not (RFC 7672 §2.1.1).
    async fn dane(&self, rule: &DomainRule, host: &str) -> Result<Option<HostRule>, Denied> {
        let unknown = |fault: DnsFault| Denied {
            kind: PolicyKind::Tlsa,
            failure: "dnssec-invalid",
            text: format!("its TLSA records cannot be looked up: {fault}"),
        };
        let mut names = vec![host.to_owned(), rule.domain.to_string()];
        let expanded = self.resolver.expanded(host).await.map_err(unknown)?;
        // Behind an alias, the records of where it leads go before its own (RFC 7672 §2.2.3).
        let places = expanded.into_iter().chain([host.to_owned()]);
        let mut records = Vec::new();
        for place in places {
            let found = self.resolver.tlsa(&place, self.settings.port).await.map_err(unknown)?;
            if let Proven { found, is_secure: true } = found
                && !found.is_empty()
            {
                (records, names) = (found, with(names, place));
                break;
            }
        }
        if records.is_empty() {
            return Ok(None);
        }
        let policy = records.iter().map(Tlsa::to_string).collect();
        let records = usable(&records);
        let (need, why) = if records.is_empty() {
            (
                Need::Encrypted,
                format!("DANE: the TLSA records of {host}, none of which can be used"),
            )
        } else {
            (
                Need::Proven(Demand::Dane(records, names)),
                format!("DANE: the TLSA records of {host}"),
            )
        };
        let patterns = vec![host.to_owned()];
        Ok(Some(HostRule { policy, patterns, ..HostRule::new(need, PolicyKind::Tlsa, why) }))
    }
}

/// The names that an authority may vouch for, with the one whose TLSA records count.
fn with(mut names: Vec<String>, place: String) -> Vec<String> {
    if !names.contains(&place) {
        names.push(place);
    }
    names
}
