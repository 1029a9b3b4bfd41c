//! Several hosts, this relay among them, and what each means for a message.

use super::{House, Script, house, house_at};
use crate::dns::{DnsFault, MailHost, Resolver, Route};
use crate::events::message::{MessageEvent, Outcome};
use crate::mail::{Domain, RecipientHash};
use crate::queue::{Queue, Selector};
use async_trait::async_trait;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// Hosts by preference, each with one address that is its name too.
struct Hosts(Vec<(u16, IpAddr)>);

#[async_trait]
impl Resolver for Hosts {
    async fn route(&self, _domain: &Domain) -> Result<Route, DnsFault> {
        if self.0.is_empty() {
            return Ok(Route::NoSuchDomain);
        }
        let host = |(preference, address): &(u16, IpAddr)| MailHost {
            preference: *preference,
            name: address.to_string(),
        };
        Ok(Route::Hosts(self.0.iter().map(host).collect()))
    }
    async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, DnsFault> {
        host.parse().map(|address| vec![address]).map_err(|_| DnsFault("no address".into()))
    }
    async fn texts(&self, _name: &str) -> Result<Vec<String>, DnsFault> {
        Ok(Vec::new())
    }
}

/// Another host at each look.
#[derive(Default)]
struct Shifty(AtomicU64);

#[async_trait]
impl Resolver for Shifty {
    async fn route(&self, _domain: &Domain) -> Result<Route, DnsFault> {
        let name = format!("mx{}.there.example", self.0.fetch_add(1, Ordering::Relaxed));
        Ok(Route::Hosts(vec![MailHost { preference: 0, name }]))
    }
    async fn addresses(&self, _host: &str) -> Result<Vec<IpAddr>, DnsFault> {
        Ok(vec![HERE])
    }
    async fn texts(&self, _name: &str) -> Result<Vec<String>, DnsFault> {
        Ok(Vec::new())
    }
}

/// More hosts than are looked at.
struct Many;

#[async_trait]
impl Resolver for Many {
    async fn route(&self, _domain: &Domain) -> Result<Route, DnsFault> {
        let host = |number| MailHost { preference: 0, name: format!("mx{number}.big.example") };
        Ok(Route::Hosts((0..1000).map(host).collect()))
    }
    async fn addresses(&self, _host: &str) -> Result<Vec<IpAddr>, DnsFault> {
        Ok(vec![HERE])
    }
    async fn texts(&self, _name: &str) -> Result<Vec<String>, DnsFault> {
        Ok(Vec::new())
    }
}

/// How the first attempt at a message to Ann ended: the outcome, and its status with the text.
async fn outcome(house: &House) -> (Outcome, String) {
    house.accept("ann").await;
    let stop = CancellationToken::new();
    let running = tokio::spawn(house.delivery.clone().run(stop.clone()));
    let found = tokio::time::timeout(Duration::from_secs(20), async {
        loop {
            let events = house.queue.events_for(house.account, RecipientHash([7; 16]), 10).await;
            for event in events {
                if let MessageEvent::Recipient { outcome, status, text, .. } = event {
                    return (outcome, format!("{status} {text}"));
                }
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    let found = found.await.expect("an attempt");
    stop.cancel();
    running.await.expect("ends");
    found
}

/// A house that listens at the port mail goes to, on all addresses or on this one alone.
async fn own_house(hosts: Vec<(u16, IpAddr)>, all: bool, here: IpAddr) -> House {
    let bind = SocketAddr::new(if all { [0, 0, 0, 0].into() } else { here }, 0);
    let server = TcpListener::bind(bind).await.expect("a port");
    let own = vec![server.local_addr().expect("bound")];
    house_at(server, Arc::new(Hosts(hosts)), own, Arc::default()).await
}

const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
const DEAD: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 99));

#[tokio::test]
async fn mail_whose_best_host_is_ourselves_loops_and_fails() {
    let (outcome, said) =
        outcome(&own_house(vec![(10, HERE), (20, DEAD)], false, HERE).await).await;
    assert_eq!(outcome, Outcome::Failed { dead_address: false });
    assert!(said.starts_with("5.4.6"), "{said}");
}

#[tokio::test]
async fn mail_that_we_are_the_backup_for_waits_for_the_better_host() {
    let (outcome, said) =
        outcome(&own_house(vec![(10, DEAD), (20, HERE)], false, HERE).await).await;
    assert!(matches!(outcome, Outcome::Deferred { .. }), "{outcome:?} {said}");
    assert!(said.contains("127.0.0.99"), "{said}");
}

#[tokio::test]
async fn a_relay_that_listens_everywhere_knows_itself_by_any_address() {
    // The address by which this machine would reach the world, where it has one.
    let probe = std::net::UdpSocket::bind("0.0.0.0:0").expect("a port");
    let outside = probe.connect("192.0.2.1:9").and_then(|()| probe.local_addr());
    for address in [Some(HERE), outside.ok().map(|address| address.ip())].into_iter().flatten() {
        let (outcome, said) = outcome(&own_house(vec![(10, address)], true, HERE).await).await;
        assert_eq!(outcome, Outcome::Failed { dead_address: false }, "{address}");
        assert!(said.starts_with("5.4.6"), "{address}: {said}");
    }
}

#[tokio::test]
async fn a_domain_that_our_resolver_does_not_find_suppresses_nobody() {
    let server = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let house = house_at(server, Arc::new(Hosts(Vec::new())), Vec::new(), Arc::default()).await;
    let (outcome, said) = outcome(&house).await;
    assert_eq!(outcome, Outcome::Failed { dead_address: false });
    assert!(said.starts_with("5.1.2"), "{said}");
}

#[tokio::test]
async fn a_refused_sender_is_the_answer_though_the_server_hangs_up_on_the_rest() {
    let script = Script { refuses_sender: true, ..Script::default() };
    let house = house(Arc::new(script)).await;
    let (outcome, said) = outcome(&house).await;
    assert_eq!(outcome, Outcome::Failed { dead_address: false });
    assert!(said.starts_with("5.7.1 550"), "{said}");
    assert!(house.queue.list(Selector::All, 10).await.is_empty());
}

#[tokio::test]
async fn a_domain_whose_hosts_are_others_at_each_look_is_tried_as_a_site_by_itself() {
    let server = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let resolver = Arc::new(Shifty::default());
    let house = house_at(server, resolver.clone(), Vec::new(), Arc::default()).await;
    let (outcome, said) = outcome(&house).await;
    assert_eq!(outcome, Outcome::Delivered, "{said}");
    let looks = resolver.0.load(Ordering::Relaxed);
    assert!(looks < 10, "{looks} looks for one message");
    let domain = Domain::parse("there.example").expect("a domain");
    assert_eq!(house.queue.site(&domain), Some(crate::queue::Site::of(&domain)));
}

#[tokio::test]
async fn a_server_that_is_suspended_gets_nothing_of_a_domain_that_stands_apart() {
    let server = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let mut house = house_at(server, Arc::new(Many), Vec::new(), Arc::default()).await;
    house.delivery.suspend("*.big.example", None, "trouble").await.expect("suspended");
    let domain = Domain::parse("there.example").expect("a domain");
    let shown = house.delivery.site(&domain).await.expect("a site");
    assert_eq!((shown.suspensions.len(), shown.site.as_str()), (1, "there.example"));
    house.accept("ann").await;
    let stop = CancellationToken::new();
    let running = tokio::spawn(house.delivery.clone().run(stop.clone()));
    let waits = tokio::time::timeout(Duration::from_secs(20), async {
        loop {
            let waiting = house.queue.list(Selector::All, 1).await;
            let last = waiting.first().and_then(|item| item.last.as_deref());
            if last.is_some_and(|last| last.contains("suspended by the operator")) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    waits.await.expect("it waits");
    assert!(house.heard.try_recv().is_err(), "nothing was said to the server");
    house.delivery.resume("*.big.example").await.expect("resumed");
    assert_eq!(house.queue.retry(Selector::All).await, 1);
    house.hear(".").await;
    stop.cancel();
    running.await.expect("ends");
}
