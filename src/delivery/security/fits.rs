//! Whether a connection that stands may carry one more message: it was made for another, whose domain or
//! sender may have demanded less.

use super::super::Delivery;
use super::super::batch::Batch;
use super::super::dialog::Dialog;
use super::super::outcome::{later, ours};
use super::super::transaction::Ended;
use super::{Breach, Denied, HostRule, Need, PolicyKind};
use crate::dns::{MailHost, Route};
use crate::events::message::Accepted;
use crate::mail::{Domain, Status, TlsDemand};
use crate::queue::Attempt;
use crate::tls::Demand;

impl Delivery {
    /// How a message to the first of its recipients ends that a connection may not carry; none where it may.
    /// Others whose domain demands more than it is are left out.
    pub(in crate::delivery) async fn keeps_from(
        &self,
        on: &mut Dialog,
        batch: &mut Batch,
    ) -> Option<Ended> {
        let message = batch.first()?.message.clone();
        for (place, domain) in batch.domains().iter().enumerate() {
            match self.falls_short(on, &message, domain).await {
                Some(ended) if place == 0 => return Some(ended),
                Some(_) => batch.leave_out(domain),
                None => {}
            }
        }
        None
    }

    /// How a message to a domain ends that a connection may not carry; none where it may. What was made for
    /// less, in the clear or with certificates of an earlier day, says nothing of the server: a new connection,
    /// made for this message, does.
    async fn falls_short(&self, on: &mut Dialog, message: &Accepted, to: &Domain) -> Option<Ended> {
        if message.tls == TlsDemand::Optional {
            return None;
        }
        let is_resumed = on.secured.as_ref().is_some_and(|secured| secured.is_resumed);
        let is_for_less = on.begun > 0 && (is_resumed || on.secured.is_none());
        let rule = if on.rule_of.as_ref() == Some(to) {
            on.rule.clone()
        } else {
            let found = match self.rule_for(to, &on.target.host).await {
                Ok(rule) => rule,
                Err(denied) => return Some(Ended::Unfit(refused(&on.relay, &denied))),
            };
            if let Err(breach) = self.security.holds(&found.need, on.secured.as_ref()) {
                let attempt = breached(&on.relay, &found, &breach);
                return Some(if is_for_less { Ended::Again } else { Ended::Unfit(attempt) });
            }
            let found = std::sync::Arc::new(found);
            // Mail of the same domain often follows.
            (on.rule_of, on.rule) = (Some(to.clone()), found.clone());
            found
        };
        if message.tls != TlsDemand::Required {
            return None;
        }
        if is_for_less {
            return Some(Ended::Again);
        }
        self.fails_required(on, &rule).map(Ended::Unfit)
    }

    /// What mail to a domain demands of a host to which a connection stands.
    async fn rule_for(&self, to: &Domain, host: &MailHost) -> Result<HostRule, Denied> {
        let unknown = |fault| Denied {
            kind: PolicyKind::NoneFound,
            failure: "validation-failure",
            text: format!("what {to} demands of TLS cannot be looked up: {fault}"),
        };
        let resolver = &self.parts.resolver;
        let (route, rule) = tokio::join!(resolver.proven_route(to), self.security.domain(to));
        let route = route.map_err(unknown)?;
        let is_of = |hosts: &[MailHost]| hosts.iter().any(|other| other.name == host.name);
        let is_its = matches!(&route.found, Route::Hosts(hosts) if is_of(hosts));
        let addresses = resolver.proven_addresses(&host.name).await.map_err(unknown)?;
        let is_proven = route.is_secure && is_its;
        self.security.host(&rule, &host.name, is_proven, addresses.is_secure).await
    }

    /// Why a connection may not carry mail with REQUIRETLS (RFC 8689 §4.2.1): the host must be vouched for by
    /// DNSSEC or MTA-STS, prove itself, and offer to demand the same of the next.
    fn fails_required(&self, on: &Dialog, rule: &HostRule) -> Option<Attempt> {
        let failed = |detail, text: String| {
            let said = ours(Some(&on.relay), Status::new(5, 7, detail), text);
            Some(Attempt::Failed { said, dead_address: false })
        };
        let Some(secured) = &on.secured else {
            return failed(10, "REQUIRETLS: the server offers no TLS".into());
        };
        let named = Demand::Named(vec![on.target.host.name.clone()]);
        let demand = match &rule.need {
            Need::Proven(demand) => demand,
            _ => &named,
        };
        if let Err(breach) = self.security.proves(demand, secured) {
            return failed(10, format!("REQUIRETLS: {}", breach.text));
        }
        if !rule.is_vouched {
            let text = "REQUIRETLS: neither DNSSEC nor MTA-STS vouches for this mail server";
            return failed(10, text.into());
        }
        if !on.offers.requiretls {
            return failed(30, "REQUIRETLS: the server does not offer it".into());
        }
        None
    }
}

/// A host that may not be sent to: another may, and it may later.
pub(in crate::delivery) fn refused(relay: &str, denied: &Denied) -> Attempt {
    later(Some(relay), Status::new(4, 7, 5), format!("not sent: {}", denied.text))
}

/// A connection that is not what mail demands.
pub(in crate::delivery) fn breached(relay: &str, rule: &HostRule, breach: &Breach) -> Attempt {
    let text = format!("not sent: {} ({})", breach.text, rule.why);
    later(Some(relay), Status::new(4, 7, breach.detail), text)
}
