//! From a destination to an open connection: its hosts in order, their addresses, the first that talks.

use super::dialog::{Broken, Dialog};
use super::outcome::{later, ours};
use super::{Delivery, Refused, permitted};
use crate::dns::{MailHost, Route};
use crate::mail::{Domain, Status};
use crate::queue::Attempt;
use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::Ordering;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Most addresses that one attempt tries.
const TRIES: u32 = 20;

/// What is left to try of a destination.
pub(super) struct Targets {
    hosts: VecDeque<MailHost>,
    addresses: VecDeque<(String, SocketAddr)>,
    tries: u32,
    /// Why nothing was reached so far.
    last: Attempt,
}

impl Targets {
    /// Remembers why a server that was reached is left.
    pub(super) fn failed(&mut self, attempt: Attempt) {
        self.last = attempt;
    }

    /// Tries a server once more, before all others.
    pub(super) fn again(&mut self, target: (String, SocketAddr)) {
        self.addresses.push_front(target);
        self.tries = self.tries.max(1);
    }
}

impl Delivery {
    /// A destination's hosts.
    ///
    /// # Errors
    /// The end of everything that waits for it.
    pub(super) async fn targets(&self, domain: &Domain) -> Result<Targets, Attempt> {
        match self.parts.resolver.route(domain).await {
            Ok(Route::Hosts(hosts)) => Ok(Targets {
                hosts: hosts.into(),
                addresses: VecDeque::new(),
                tries: TRIES,
                last: later(
                    None,
                    Status::new(4, 4, 1),
                    format!("no mail server of {domain} has an address"),
                ),
            }),
            Ok(Route::NullMx) => Err(Attempt::Failed {
                said: ours(
                    None,
                    Status::new(5, 1, 10),
                    format!("{domain} takes no mail (null MX)"),
                ),
                dead_address: true,
            }),
            Ok(Route::NoSuchDomain) => Err(Attempt::Failed {
                said: ours(
                    None,
                    Status::new(5, 1, 2),
                    format!("{domain} does not exist or has no mail server"),
                ),
                dead_address: true,
            }),
            Err(fault) => Err(later(None, Status::new(4, 4, 3), fault.to_string())),
        }
    }

    /// Connects to the next server that talks.
    ///
    /// # Errors
    /// Why none did.
    pub(super) async fn connect(&self, targets: &mut Targets) -> Result<Dialog, Attempt> {
        loop {
            let Some((host, to)) = self.next(targets).await else {
                return Err(targets.last.clone());
            };
            if targets.tries == 0 {
                return Err(targets.last.clone());
            }
            targets.tries -= 1;
            let relay = format!("{host}[{}]:{}", to.ip(), to.port());
            match self.open(&host, to).await {
                Ok(dialog) => return Ok(dialog),
                Err(fault) => {
                    tracing::debug!(relay, %fault, "server not used");
                    let text = fault.to_string();
                    targets.last = later(Some(&relay), Status::new(4, 4, 1), text);
                }
            }
        }
    }

    async fn next(&self, targets: &mut Targets) -> Option<(String, SocketAddr)> {
        loop {
            if let Some(next) = targets.addresses.pop_front() {
                return Some(next);
            }
            let host = targets.hosts.pop_front()?;
            let found = match self.parts.resolver.addresses(&host.name).await {
                Ok(found) => found,
                Err(fault) => {
                    let text = format!("{}: {fault}", host.name);
                    targets.last = later(None, Status::new(4, 4, 3), text);
                    continue;
                }
            };
            for address in found {
                let to = SocketAddr::new(address, self.parts.config.delivery.port);
                match self.may(to) {
                    Ok(()) => targets.addresses.push_back((host.name.clone(), to)),
                    Err(refused) => self.refused(targets, &host, to, refused),
                }
            }
        }
    }

    fn may(&self, to: SocketAddr) -> Result<(), Refused> {
        permitted(to, self.parts.config.delivery.allow_private, &self.parts.own)
    }

    fn refused(&self, targets: &mut Targets, host: &MailHost, to: SocketAddr, refused: Refused) {
        let relay = format!("{}[{}]:{}", host.name, to.ip(), to.port());
        if refused == Refused::Ourselves {
            // Hosts no better than ourselves would send it back to us (RFC 5321 §5.1).
            targets.hosts.retain(|other| other.preference < host.preference);
            let said = ours(Some(&relay), Status::new(5, 4, 6), refused.to_string());
            targets.last = Attempt::Failed { said, dead_address: false };
        } else {
            targets.last = later(Some(&relay), Status::new(4, 4, 1), refused.to_string());
        }
    }

    /// Connects and greets; where TLS does not come about, once more without.
    async fn open(&self, host: &str, to: SocketAddr) -> Result<Dialog, Broken> {
        let (config, limits) = (&self.parts.config, &self.parts.config.delivery);
        let socket = self.socket(to).await?;
        let name = config.hostname.as_str();
        match Dialog::open(socket, host, to, name, limits, Some(&self.tls)).await {
            Err(Broken::Tls(fault)) => {
                tracing::info!(host, %to, fault, "TLS did not come about: sending without");
                let socket = self.socket(to).await?;
                Dialog::open(socket, host, to, name, limits, None).await
            }
            other => other,
        }
    }

    async fn socket(&self, to: SocketAddr) -> Result<TcpStream, Broken> {
        let limit = self.parts.config.delivery.connect_timeout.0;
        let from = self.source(to)?;
        let lost = |why: String| Broken::Lost(format!("{to}: {why}"));
        let socket = match timeout(limit, self.parts.world.network.connect(to, from)).await {
            Ok(Ok(socket)) => socket,
            Ok(Err(fault)) => return Err(lost(fault.to_string())),
            Err(_) => return Err(lost(format!("no connection within {limit:?}"))),
        };
        let peer = socket.peer_addr().map_err(|fault| lost(fault.to_string()))?;
        self.may(peer).map_err(|refused| lost(refused.to_string()))?;
        Ok(socket)
    }

    /// The local address to send from: those of the settings in turn.
    fn source(&self, to: SocketAddr) -> Result<Option<IpAddr>, Broken> {
        let all = &self.parts.config.delivery.source_addresses;
        if all.is_empty() {
            return Ok(None);
        }
        let fit: Vec<&IpAddr> = all.iter().filter(|own| own.is_ipv4() == to.is_ipv4()).collect();
        let turn = self.sources.fetch_add(1, Ordering::Relaxed);
        let chosen = fit.get(turn.checked_rem(fit.len()).unwrap_or(0));
        chosen.map(|own| Some(**own)).ok_or_else(|| {
            Broken::Lost(format!("{to}: delivery.source_addresses has none of its family"))
        })
    }
}
