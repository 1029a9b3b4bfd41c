//! A host with several addresses, of which some do not answer.

use super::{House, Script, house_in};
use crate::dns::{DnsFault, MailHost, Resolver, Route};
use crate::mail::Domain;
use crate::queue::{Queue, Selector};
use crate::world::{Network, SystemNetwork, World};
use async_trait::async_trait;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

/// One host with these addresses.
struct Host(Vec<IpAddr>);

#[async_trait]
impl Resolver for Host {
    async fn route(&self, _domain: &Domain) -> Result<Route, DnsFault> {
        Ok(Route::Hosts(vec![MailHost { preference: 0, name: "mx.example".into() }]))
    }
    async fn addresses(&self, _host: &str) -> Result<Vec<IpAddr>, DnsFault> {
        Ok(self.0.clone())
    }
    async fn texts(&self, _name: &str) -> Result<Vec<String>, DnsFault> {
        Ok(Vec::new())
    }
}

/// A network in which nobody answers but 127.0.0.1, and IPv6 leads nowhere; who was asked, in order,
/// and how many wait at a time at most.
#[derive(Default)]
struct Deaf {
    asked: Mutex<Vec<IpAddr>>,
    waiting: Arc<AtomicU32>,
    most: AtomicU32,
}

/// Times for a connection: one that a test can wait for, and one that no delay comes near.
const SHORT: Duration = Duration::from_secs(6);
const LONG: Duration = Duration::from_secs(120);

struct Waits(Arc<AtomicU32>);

impl Drop for Waits {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

#[async_trait]
impl Network for Deaf {
    async fn connect(&self, to: SocketAddr, from: Option<IpAddr>) -> io::Result<TcpStream> {
        self.asked.lock().expect("asked").push(to.ip());
        let waits = Waits(self.waiting.clone());
        self.most.fetch_max(self.waiting.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        if to.is_ipv6() {
            return Err(io::ErrorKind::NetworkUnreachable.into());
        }
        if to.ip() != IpAddr::from([127, 0, 0, 1]) {
            std::future::pending::<()>().await;
        }
        drop(waits);
        SystemNetwork.connect(to, from).await
    }
}

/// A house that waits so long for each connection to one of these addresses.
async fn house(
    addresses: &[&str],
    connections_max: u32,
    connect_timeout: Duration,
) -> (House, Arc<Deaf>) {
    let network = Arc::new(Deaf::default());
    let world = World { network: network.clone(), ..World::real() };
    let server = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let addresses = addresses.iter().map(|one| one.parse().expect("an address")).collect();
    let set = |delivery: &mut crate::config::Delivery| {
        delivery.connections_max = connections_max;
        delivery.connect_fallback_delay = "20ms".parse().expect("a span");
        delivery.connect_timeout.0 = connect_timeout;
    };
    let script = Arc::new(Script::default());
    let house = house_in(world, server, Arc::new(Host(addresses)), Vec::new(), script, set).await;
    (house, network)
}

/// How long a message to Ann takes to its dot.
async fn takes(house: &mut House) -> Duration {
    let stop = CancellationToken::new();
    let running = tokio::spawn(house.delivery.clone().run(stop.clone()));
    let begun = Instant::now();
    house.accept("ann").await;
    house.hear(".").await;
    let took = begun.elapsed();
    stop.cancel();
    running.await.expect("ends");
    took
}

#[tokio::test]
async fn an_address_that_does_not_answer_costs_a_moment_and_not_its_whole_time() {
    let (mut house, network) = house(&["127.0.0.98", "127.0.0.1"], 200, LONG).await;
    let took = takes(&mut house).await;
    assert!(took < LONG / 2, "{took:?}");
    assert_eq!(network.waiting.load(Ordering::SeqCst), 0, "the one that lost is closed");
    assert_eq!(network.most.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn no_more_than_two_are_opened_at_a_time() {
    let addresses = ["127.0.0.96", "127.0.0.97", "127.0.0.98", "127.0.0.1"];
    let (mut house, network) = house(&addresses, 200, SHORT).await;
    let took = takes(&mut house).await;
    assert!(took >= SHORT, "the third waits for one of the first two: {took:?}");
    assert_eq!(network.most.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_second_is_opened_only_where_a_place_is_free() {
    // Of three places one server may hold one.
    let (mut house, network) = house(&["127.0.0.98", "127.0.0.1"], 3, SHORT).await;
    let took = takes(&mut house).await;
    assert!(took >= SHORT, "{took:?}");
    assert_eq!(network.most.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_family_that_leads_nowhere_is_tried_last_the_next_time() {
    let (mut house, network) = house(&["::1", "127.0.0.1"], 200, LONG).await;
    takes(&mut house).await;
    let asked = std::mem::take(&mut *network.asked.lock().expect("asked"));
    assert_eq!(asked, ["::1".parse::<IpAddr>().expect("one"), [127, 0, 0, 1].into()]);
    takes(&mut house).await;
    assert_eq!(*network.asked.lock().expect("asked"), [IpAddr::from([127, 0, 0, 1])]);
}

#[tokio::test]
async fn an_address_that_we_lack_to_send_from_is_no_word_about_the_site() {
    let server = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let host = Arc::new(Host(vec![[127, 0, 0, 1].into()]));
    let set = |delivery: &mut crate::config::Delivery| {
        delivery.source_addresses = vec!["2001:db8::1".parse().expect("an address")];
    };
    let script = Arc::new(Script::default());
    let house = house_in(World::real(), server, host, Vec::new(), script, set).await;
    house.accept("ann").await;
    let stop = CancellationToken::new();
    let running = tokio::spawn(house.delivery.clone().run(stop.clone()));
    let last = tokio::time::timeout(Duration::from_secs(20), async {
        loop {
            let waiting = house.queue.list(Selector::All, 1).await;
            if let Some(last) = waiting.into_iter().find_map(|item| item.last) {
                return last;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });
    let last = last.await.expect("an attempt");
    assert!(last.contains("no address of its family"), "{last}");
    assert!(house.delivery.sites.all().values().all(|standing| standing.failures() == 0));
    stop.cancel();
    running.await.expect("ends");
}
