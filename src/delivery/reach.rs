//! From an address to a connection: from which of our own, to the host's next address as well where the
//! first does not answer soon, and only to a peer that mail may be sent to.

use super::Delivery;
use super::dialog::Broken;
use super::route::{Target, Targets};
use super::slots::{Server, Slot};
use super::sources::{NoSource, PoolNumber, Source};
use super::wire::watch;
use crate::dns::MailHost;
use crate::web::Refused;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout};

/// Most connections that one attempt opens at a time; the first that stands is used.
const AT_A_TIME: usize = 2;

/// A connection that stands.
pub(super) struct Link {
    pub(super) target: Target,
    pub(super) slot: Slot,
    pub(super) socket: TcpStream,
    pub(super) source: Source,
}

/// A connection that is being opened: to where, and what comes of it.
type Opening<'a> = (Target, Pin<Box<dyn Future<Output = Result<Link, Broken>> + Send + 'a>>);

/// Families of addresses to which this machine has no route, as far as was found lately: they are tried
/// last.
#[derive(Default)]
pub(super) struct Families {
    /// When that was found last, of IPv4 and IPv6.
    lacking: Mutex<[Option<Instant>; 2]>,
}

impl Families {
    fn note(&self, to: IpAddr, found: Option<Instant>) {
        let mut lacking = self.lacking.lock().unwrap_or_else(PoisonError::into_inner);
        lacking[usize::from(to.is_ipv6())] = found;
    }

    fn lacks(&self, is_ipv6: bool, memory: Duration) -> bool {
        let lacking = self.lacking.lock().unwrap_or_else(PoisonError::into_inner);
        lacking[usize::from(is_ipv6)].is_some_and(|at| at.elapsed() < memory)
    }
}

/// Whether a fault says that no address of the family can be reached from here.
fn is_no_route(fault: &io::Error) -> bool {
    use io::ErrorKind::{AddrNotAvailable, NetworkUnreachable, Unsupported};
    matches!(fault.kind(), NetworkUnreachable | AddrNotAvailable | Unsupported)
}

/// Addresses by turns of family, beginning with that of the first, so that a family that does not work
/// costs one delay and not one for each of its addresses (RFC 8305 §4); those of a family that is
/// lacking last.
pub(super) fn in_turn(addresses: Vec<IpAddr>, lacks: impl Fn(bool) -> bool) -> Vec<IpAddr> {
    let Some(first) = addresses.first().map(IpAddr::is_ipv6) else { return addresses };
    let (ours, others): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv6() == first);
    let mut turns: Vec<IpAddr> = Vec::with_capacity(ours.len() + others.len());
    for place in 0..ours.len().max(others.len()) {
        turns.extend(ours.get(place));
        turns.extend(others.get(place));
    }
    turns.sort_by_key(|address| lacks(address.is_ipv6()));
    turns
}

/// The first of these to be done, taken out of them; none where there is none.
async fn first_of<'a>(running: &mut Vec<Opening<'a>>) -> Option<(Target, Result<Link, Broken>)> {
    if running.is_empty() {
        return None;
    }
    std::future::poll_fn(|cx| {
        for place in 0..running.len() {
            if let Poll::Ready(done) = running[place].1.as_mut().poll(cx) {
                return Poll::Ready(Some((running.swap_remove(place).0, done)));
            }
        }
        Poll::Pending
    })
    .await
}

impl Delivery {
    /// The addresses of a host in the order in which they are tried.
    pub(super) fn ordered(&self, addresses: Vec<IpAddr>) -> Vec<IpAddr> {
        let memory = self.parts.config.delivery.route_memory.0;
        in_turn(addresses, |is_ipv6| self.families.lacks(is_ipv6, memory))
    }

    /// Connects to an address. Where it has not answered after `delivery.connect_fallback_delay` the
    /// host's next address is tried beside it (RFC 8305 §5), as long as a place for one more connection
    /// is free; the first that stands is used, and the other is closed. What fails is noted.
    pub(super) async fn reach(
        &self,
        targets: &mut Targets,
        target: Target,
        slot: Slot,
    ) -> Option<Link> {
        let delay = self.parts.config.delivery.connect_fallback_delay.0;
        let (host, pool) = (target.host.clone(), targets.pool);
        let opening = |target: Target, slot: Slot| -> Opening<'_> {
            (target.clone(), Box::pin(self.opened(target, slot, pool)))
        };
        let mut running = vec![opening(target, slot)];
        let mut is_room = true;
        loop {
            let may_add = is_room && running.len() < AT_A_TIME && targets.has_more_of(&host);
            tokio::select! {
                biased;
                done = first_of(&mut running) => match done? {
                    (_, Ok(link)) => {
                        // The one that lost may be asked yet, where the winner turns away.
                        running.into_iter().for_each(|(target, _)| targets.put_back(target));
                        return Some(link);
                    }
                    (target, Err(broken)) => self.passed_over(targets, &target, &broken),
                },
                () = sleep(delay), if may_add => {
                    let Some(next) = self.another(targets, &host).await else {
                        is_room = false;
                        continue;
                    };
                    running.push(opening(next.0, next.1));
                }
            }
            if running.is_empty() {
                return None;
            }
        }
    }

    /// The host's next address with a place for its connection, where one is free.
    async fn another(&self, targets: &mut Targets, host: &MailHost) -> Option<(Target, Slot)> {
        let to = targets.peek_of(host)?;
        if !self.slots.are_plenty() {
            return None; // the dead, of whom there may be many, would hold two places each
        }
        let servers = Server::both(&host.name, to.ip());
        // No waiting, and nobody has to make room: it is one more than is needed.
        let place = self.slots.take(servers, |_| {});
        let slot = timeout(Duration::ZERO, place).await.ok().flatten()?;
        Some((targets.take_of(host)?, slot))
    }

    async fn opened(&self, target: Target, slot: Slot, pool: PoolNumber) -> Result<Link, Broken> {
        let source = self.source(pool, target.to)?;
        let socket = self.socket(target.to, &source).await?;
        Ok(Link { target, slot, socket, source })
    }

    /// The address to connect from.
    pub(super) fn source(&self, pool: PoolNumber, to: SocketAddr) -> Result<Source, Broken> {
        let chosen = self.sources.choose(pool, to.is_ipv4(), self.parts.world.clock.now());
        chosen.map_err(|why| match why {
            NoSource::Family => {
                Broken::NoSource(format!("{to}: there is no address of its family to send from"))
            }
            NoSource::Spent => Broken::Spent,
        })
    }

    /// Opens a connection, and looks whom it leads to.
    pub(super) async fn socket(
        &self,
        to: SocketAddr,
        source: &Source,
    ) -> Result<TcpStream, Broken> {
        let limit = self.parts.config.delivery.connect_timeout.0;
        let lost = |why: String| Broken::Lost(format!("{to}: {why}"));
        let opening = self.parts.world.network.connect(to, source.address());
        let socket = match timeout(limit, opening).await {
            Ok(Ok(socket)) => socket,
            Ok(Err(fault)) => {
                // Whether it is the address to send from that is lacking, or the way, is not told apart.
                if source.address().is_none() && is_no_route(&fault) {
                    self.families.note(to.ip(), Some(Instant::now()));
                }
                let is_ours = fault.kind() == io::ErrorKind::AddrNotAvailable;
                if let Some(own) = source.address().filter(|_| is_ours) {
                    return Err(Broken::NoSource(format!("{to}: from {own}: {fault}")));
                }
                return Err(lost(fault.to_string()));
            }
            Err(_) => return Err(lost(format!("no connection within {limit:?}"))),
        };
        self.families.note(to.ip(), None);
        let peer = socket.peer_addr().map_err(|fault| lost(fault.to_string()))?;
        self.may(peer).map_err(Broken::Refused)?;
        let here = socket.local_addr().map_err(|fault| lost(fault.to_string()))?;
        if self.is_own(peer, here.ip()) {
            return Err(Broken::Refused(Refused::Ourselves));
        }
        watch(&socket).map_err(|fault| lost(fault.to_string()))?;
        Ok(socket)
    }

    /// Whether a peer is this relay, which listens on all addresses of the machine: a connection to
    /// oneself has one address at both ends, unless it was told where to come from.
    fn is_own(&self, peer: SocketAddr, here: IpAddr) -> bool {
        let address = peer.ip().to_canonical();
        let listens = |own: &SocketAddr| own.ip().is_unspecified() && own.port() == peer.port();
        (address == here.to_canonical() || self.sources.contains(address))
            && self.parts.own.now().iter().any(listens)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_tried_by_turns_and_a_family_that_is_lacking_last() {
        let addresses = |text: &str| -> Vec<IpAddr> {
            text.split(' ').map(|one| one.parse().expect("an address")).collect()
        };
        let given = || addresses("2001:db8::1 2001:db8::2 2001:db8::3 192.0.2.1 192.0.2.2");
        let turns = addresses("2001:db8::1 192.0.2.1 2001:db8::2 192.0.2.2 2001:db8::3");
        assert_eq!(in_turn(given(), |_| false), turns);
        let last = addresses("192.0.2.1 192.0.2.2 2001:db8::1 2001:db8::2 2001:db8::3");
        assert_eq!(in_turn(given(), |is_ipv6| is_ipv6), last);
        assert!(in_turn(Vec::new(), |_| false).is_empty());
    }

    #[test]
    fn a_family_without_a_route_is_remembered_for_a_while_and_until_it_works() {
        let families = Families::default();
        let (memory, six) = (Duration::from_secs(60), IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1]));
        families.note(six, Some(Instant::now()));
        assert!(families.lacks(true, memory) && !families.lacks(false, memory));
        assert!(!families.lacks(true, Duration::ZERO));
        families.note(six, None);
        assert!(!families.lacks(true, memory));
        for (kind, expected) in [
            (io::ErrorKind::NetworkUnreachable, true),
            (io::ErrorKind::AddrNotAvailable, true),
            (io::ErrorKind::HostUnreachable, false),
            (io::ErrorKind::ConnectionRefused, false),
        ] {
            assert_eq!(is_no_route(&io::Error::from(kind)), expected, "{kind}");
        }
    }
}
