//! From a destination to an open connection: its hosts in order, their addresses, the first that talks.
//! Names are looked up while no place for a connection is held.

use super::Delivery;
use super::dialog::{Broken, Dialog};
use super::outcome::{Relay, later, ours, refused_for_now};
use super::reach::Link;
use super::reports::Counted;
use super::security::{Breach, DomainRule, HostRule, Need, breached, refused};
use super::slots::Server;
use super::sources::PoolNumber;
use crate::dns::{DnsFault, MailHost, Route};
use crate::events::message::Accepted;
use crate::mail::{Domain, Status, TlsDemand};
use crate::queue::Attempt;
use crate::telemetry::{SessionKind, Speaker};
use crate::web::{Refused, permitted};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

/// Most addresses that one attempt tries.
const TRIES: u32 = 20;

/// A server to try.
#[derive(Debug, Clone)]
pub(super) struct Target {
    /// Its name and preference.
    pub(super) host: MailHost,
    /// Its address.
    pub(super) to: SocketAddr,
    /// It offers chunks and does not know them: messages go after DATA.
    pub(super) is_plain: bool,
    /// Whether DNSSEC proves all the addresses that the host has.
    pub(super) is_proven: bool,
}

impl Target {
    /// `name[address]:port`.
    pub(super) fn relay(&self) -> String {
        format!("{}[{}]:{}", self.host.name, self.to.ip(), self.to.port())
    }
}

/// What is left to try of a destination.
pub(super) struct Targets {
    /// The destination.
    pub(super) domain: Domain,
    /// The names of all its hosts.
    pub(super) names: Vec<String>,
    /// What mail to it demands of TLS.
    rule: DomainRule,
    /// Whether DNSSEC proves that these are its hosts.
    is_proven: bool,
    /// Whose addresses we connect from.
    pub(super) pool: PoolNumber,
    hosts: VecDeque<MailHost>,
    addresses: VecDeque<Target>,
    /// The lowest preference among all hosts.
    best: u16,
    tries: u32,
    /// What is left of the time for lookups.
    lookups: Duration,
    /// Why nothing was reached so far.
    last: Option<Attempt>,
}

impl Targets {
    /// Remembers why a server is left. One that may take the message later outweighs one that never
    /// will.
    pub(super) fn failed(&mut self, attempt: Attempt) {
        let outweighs = match self.last {
            // Who may be reached tomorrow is not given up today.
            Some(Attempt::Waits { .. }) => false,
            Some(Attempt::Deferred(_)) => !matches!(attempt, Attempt::Failed { .. }),
            _ => true,
        };
        if outweighs {
            self.last = Some(attempt);
        }
    }

    /// Forgets what an earlier message met.
    pub(super) fn forget(&mut self) {
        self.last = None;
    }

    /// Tries a server once more, before all others.
    pub(super) fn again(&mut self, target: Target) {
        self.addresses.push_front(target);
        self.tries = self.tries.max(1);
    }

    /// The address that is tried next, where it is the same host's.
    pub(super) fn peek_of(&self, host: &MailHost) -> Option<SocketAddr> {
        let next = self.addresses.front().filter(|_| self.tries > 0)?;
        (next.host.name == host.name).then_some(next.to)
    }

    pub(super) fn has_more_of(&self, host: &MailHost) -> bool {
        self.peek_of(host).is_some()
    }

    /// Takes that address.
    pub(super) fn take_of(&mut self, host: &MailHost) -> Option<Target> {
        self.peek_of(host)?;
        self.tries -= 1;
        self.addresses.pop_front()
    }

    /// Gives an address back that was taken and not tried to its end.
    pub(super) fn put_back(&mut self, target: Target) {
        self.tries += 1;
        self.addresses.push_front(target);
    }

    /// Why none of them did.
    fn end(&self) -> Attempt {
        self.last.clone().unwrap_or_else(|| {
            let text = format!("no mail server of {} has an address", self.domain);
            later(None, Status::new(4, 4, 1), text)
        })
    }
}

/// A lookup within what is left of an attempt's time for them.
async fn within<T>(
    left: &mut Duration,
    lookup: impl Future<Output = Result<T, DnsFault>>,
) -> Result<T, DnsFault> {
    let begun = Instant::now();
    let found = timeout(*left, lookup).await;
    *left = left.saturating_sub(begun.elapsed());
    found.unwrap_or_else(|_| Err(DnsFault("no answer within dns.lookups_timeout".into())))
}

impl Delivery {
    /// A destination's hosts.
    ///
    /// # Errors
    /// The end of everything that waits for it.
    pub(super) async fn targets(&self, domain: &Domain) -> Result<Targets, Attempt> {
        let mut lookups = self.parts.config.dns.lookups_timeout.0;
        let route = within(&mut lookups, self.parts.resolver.proven_route(domain));
        let (route, rule) = tokio::join!(route, self.security.domain(domain));
        let is_proven = route.as_ref().is_ok_and(|route| route.is_secure);
        match route.map(|route| route.found) {
            Ok(Route::Hosts(hosts)) => Ok(Targets {
                domain: domain.clone(),
                names: hosts.iter().map(|host| host.name.clone()).collect(),
                rule,
                is_proven,
                pool: PoolNumber::default(),
                best: hosts.iter().map(|host| host.preference).min().unwrap_or(0),
                hosts: hosts.into(),
                addresses: VecDeque::new(),
                tries: TRIES,
                lookups,
                last: None,
            }),
            Ok(Route::NullMx) => Err(Attempt::Failed {
                said: ours(
                    None,
                    Status::new(5, 1, 10),
                    format!("{domain} takes no mail (null MX)"),
                ),
                dead_address: true,
            }),
            // Our resolver may be wrong about a domain, so nobody is suppressed for it.
            Ok(Route::NoSuchDomain) => Err(Attempt::Failed {
                said: ours(
                    None,
                    Status::new(5, 1, 2),
                    format!("{domain} does not exist or has no mail server"),
                ),
                dead_address: false,
            }),
            Err(fault) => Err(later(None, Status::new(4, 4, 3), format!("{domain}: {fault}"))),
        }
    }

    /// Connects to the next server that talks, and is what the message and its domain demand.
    ///
    /// # Errors
    /// Why none did.
    pub(super) async fn connect(
        &self,
        targets: &mut Targets,
        message: &Accepted,
        shutdown: &CancellationToken,
    ) -> Result<Dialog, Attempt> {
        if let Some(fault) = targets.rule.fault.take()
            && message.tls != TlsDemand::Optional
        {
            self.tally.unfetched(&targets.domain, &fault);
        }
        while targets.tries > 0 {
            let Some(target) = self.next(targets).await else {
                break;
            };
            targets.tries -= 1;
            let rule = match self.rule(targets, &target, message).await {
                Ok(rule) => rule,
                Err(attempt) => {
                    targets.failed(attempt);
                    continue;
                }
            };
            let servers = Server::both(&target.host.name, target.to.ip());
            let place = self.slots.take(servers, |whose| self.pool.evict(whose));
            let longest = self.parts.config.delivery.slot_wait_max.0;
            let slot = tokio::select! {
                biased;
                () = shutdown.cancelled() => return Err(Attempt::Untried),
                taken = timeout(longest, place) => taken.ok().flatten(),
            };
            let Some(slot) = slot else {
                let relay = target.relay();
                let text = "not tried: every connection that it may have is busy";
                targets.failed(later(Some(&relay), Status::new(4, 4, 5), text));
                continue;
            };
            let Some(link) = self.reach(targets, target, slot).await else {
                continue;
            };
            let target = link.target.clone();
            match self.open(link, &rule, targets, message).await {
                Ok(mut dialog) => {
                    dialog.rule_of =
                        (message.tls != TlsDemand::Optional).then(|| targets.domain.clone());
                    dialog.rule = rule.into();
                    return Ok(dialog);
                }
                Err(Broken::Insecure(breach)) => {
                    let relay = target.relay();
                    tracing::info!(relay, domain = %targets.domain, why = breach.text, "TLS is not what mail demands");
                    targets.failed(breached(&relay, &rule, &breach));
                }
                Err(broken) => self.passed_over(targets, &target, &broken),
            }
        }
        Err(targets.end())
    }

    async fn next(&self, targets: &mut Targets) -> Option<Target> {
        loop {
            if let Some(next) = targets.addresses.pop_front() {
                return Some(next);
            }
            let host = targets.hosts.pop_front()?;
            let lookup = self.parts.resolver.proven_addresses(&host.name);
            let found = match within(&mut targets.lookups, lookup).await {
                Ok(found) => found,
                Err(fault) => {
                    let text = format!("{}: {fault}", host.name);
                    targets.failed(later(None, Status::new(4, 4, 3), text));
                    continue;
                }
            };
            let is_proven = found.is_secure;
            for address in self.ordered(found.found) {
                let to = SocketAddr::new(address, self.parts.config.delivery.port);
                let target = Target { host: host.clone(), to, is_plain: false, is_proven };
                match self.may(to) {
                    Ok(()) => targets.addresses.push_back(target),
                    Err(refused) => self.refused(targets, &target, refused),
                }
            }
        }
    }

    pub(super) fn may(&self, to: SocketAddr) -> Result<(), Refused> {
        permitted(to, self.parts.config.delivery.allow_private, &self.parts.own.now())
    }

    fn refused(&self, targets: &mut Targets, target: &Target, refused: Refused) {
        let relay = target.relay();
        if refused == Refused::Private {
            targets.failed(later(Some(&relay), Status::new(4, 4, 1), refused.to_string()));
            return;
        }
        // Hosts no better than ourselves would send it back to us (RFC 5321 §5.1).
        let own = target.host.preference;
        targets.hosts.retain(|other| other.preference < own);
        if own == targets.best {
            let said = ours(Some(&relay), Status::new(5, 4, 6), refused.to_string());
            targets.failed(Attempt::Failed { said, dead_address: false });
        } else if targets.last.is_none() {
            // We are its backup: better hosts exist, and will be there again.
            let text = "no mail server better than this relay itself has an address";
            targets.failed(later(Some(&relay), Status::new(4, 4, 1), text));
        }
    }

    /// Notes why a server is not used.
    pub(super) fn passed_over(&self, targets: &mut Targets, target: &Target, why: &Broken) {
        let relay = target.relay();
        if let Broken::Refused(refused) = why {
            return self.refused(targets, target, *refused);
        }
        if matches!(why, Broken::Spent) {
            let (text, until) = self.sources.wait(targets.pool, self.parts.world.clock.now());
            let said = ours(None, Status::new(4, 4, 5), text);
            return targets.failed(Attempt::Waits { said, until });
        }
        tracing::debug!(relay, fault = %why, "server not used");
        let mut speaker = self.heard_of(target);
        speaker.of_host(target.host.name.trim_end_matches('.'));
        speaker.note(format_args!("not used: {why}"));
        if matches!(why, Broken::NoSource(_)) {
            if targets.last.is_none() {
                // What another address of it said outweighs what we lack ourselves.
                targets.failed(later(Some(&relay), Status::new(4, 4, 5), why.to_string()));
            }
            return;
        }
        targets.failed(match why {
            Broken::Said(reply) => {
                let relay = Relay::new(relay, &self.parts.config.delivery);
                refused_for_now(&relay, reply)
            }
            _ => later(Some(&relay), Status::new(4, 4, 1), why.to_string()),
        });
    }

    /// What a message to the destination demands of a server.
    async fn rule(
        &self,
        targets: &mut Targets,
        target: &Target,
        message: &Accepted,
    ) -> Result<HostRule, Attempt> {
        if message.tls == TlsDemand::Optional {
            return Ok(HostRule::relaxed());
        }
        let (host, is_proven) = (target.host.name.as_str(), targets.is_proven);
        let found = self.security.host(&targets.rule, host, is_proven, target.is_proven);
        let relay = target.relay();
        match within(&mut targets.lookups, async { Ok(found.await) }).await {
            Ok(Ok(rule)) => Ok(rule),
            Ok(Err(denied)) => {
                self.tally.denied(&targets.rule, host, &denied);
                Err(refused(&relay, &denied))
            }
            Err(fault) => Err(later(Some(&relay), Status::new(4, 4, 3), fault.to_string())),
        }
    }

    /// What is shown of a session with a server to who looks on.
    pub(super) fn heard_of(&self, target: &Target) -> Speaker {
        self.parts.tracer.session(SessionKind::Delivery, target.to)
    }

    /// Greets over a connection. Where TLS does not come about and need not, once more without; what does not
    /// become what it must be is not used.
    async fn open(
        &self,
        link: Link,
        rule: &HostRule,
        targets: &Targets,
        message: &Accepted,
    ) -> Result<Dialog, Broken> {
        let (config, limits) = (&self.parts.config, &self.parts.config.delivery);
        let Link { target, slot, socket, source } = link;
        let name = source.hostname().unwrap_or(&config.hostname).to_owned();
        let here = socket.local_addr().ok().map(|here| here.ip());
        let must_be = message.tls == TlsDemand::Required;
        let connector = self.security.connector(rule, must_be);
        let opened = Dialog::open(
            socket,
            &target,
            &name,
            limits,
            (connector.as_ref(), self.heard_of(&target)),
        )
        .await;
        let count = |failed: Option<&Breach>| {
            // Mail that asks for nothing says nothing of a policy; reports of this are such mail.
            if message.tls != TlsDemand::Optional && rule.need != Need::Clear {
                let (host, to) = (target.host.name.as_str(), target.to.ip());
                let domain = &targets.domain;
                self.tally.count(&Counted { domain, rule, failed, host, to, here });
            }
        };
        let mut dialog = match opened {
            Err(Broken::Tls(breach)) if rule.need == Need::Offered && !must_be => {
                count(Some(&breach));
                let (relay, fault) = (target.relay(), breach.text);
                tracing::info!(relay, fault, "TLS did not come about: sending without");
                let socket = self.socket(target.to, &source).await?;
                Dialog::open(socket, &target, &name, limits, (None, self.heard_of(&target))).await?
            }
            Err(Broken::Tls(breach)) => {
                count(Some(&breach));
                return Err(Broken::Insecure(breach));
            }
            Ok(dialog) => {
                if let Err(breach) = self.security.holds(&rule.need, dialog.secured.as_ref()) {
                    count(Some(&breach));
                    dialog.quit().await;
                    return Err(Broken::Insecure(breach));
                }
                let tested = match (&rule.tested, &dialog.secured) {
                    (_, None) => Err(Breach::unencrypted("the server offers no TLS")),
                    (Some(demand), Some(secured)) => self.security.proves(demand, secured),
                    (None, Some(_)) => Ok(()),
                };
                count(tested.as_ref().err());
                dialog
            }
            Err(other) => return Err(other),
        };
        if dialog.secured.is_none() {
            metrics::counter!("relent_plaintext_total").increment(1);
        }
        (dialog.slot, dialog.source) = (Some(slot), source);
        Ok(dialog)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_attempts_lookups_share_one_time() {
        let mut left = Duration::from_millis(500);
        let silent = || std::future::pending::<Result<(), DnsFault>>();
        let lookups = async {
            for _ in 0..200 {
                assert!(within(&mut left, silent()).await.is_err());
            }
        };
        // With a time for each they would take 100 s.
        timeout(Duration::from_secs(30), lookups).await.expect("one time");
        // What is known already costs no time.
        assert_eq!(within(&mut left, async { Ok(7) }).await, Ok(7));
    }
}
