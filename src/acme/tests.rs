//! Certificates that are kept, and authorities that do not answer.

use super::keeper::{Keeper, Pem};
use super::schedule::State;
use super::*;
use crate::config::{Config, Live, Span};
use crate::dns::{DnsFault, Resolver, Route};
use crate::mail::Domain;
use crate::tls;
use crate::world::World;
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const HOST: &str = "relay.example";

/// Knows nobody.
struct Nobody;

#[async_trait]
impl Resolver for Nobody {
    async fn route(&self, _domain: &Domain) -> Result<Route, DnsFault> {
        Ok(Route::NoSuchDomain)
    }
    async fn addresses(&self, _host: &str) -> Result<Vec<IpAddr>, DnsFault> {
        Ok(Vec::new())
    }
    async fn texts(&self, _name: &str) -> Result<Vec<String>, DnsFault> {
        Ok(Vec::new())
    }
}

fn settings(home: &Path) -> Config {
    let mut config = Config { hostname: HOST.into(), data_dir: home.into(), ..Config::default() };
    config.acme.enabled = true;
    config.acme.agree_to_terms = true;
    config
}

/// As the daemon builds it at a start.
fn started(config: &Config) -> (Acme, Arc<tls::Server>) {
    started_with(&Live::new(config.clone()), Arc::new(Nobody))
}

fn started_with(config: &Live, resolver: Arc<dyn Resolver>) -> (Acme, Arc<tls::Server>) {
    let tls = tls::Server::load(&config.tls, &config.data_dir, &config.hostname).expect("a pair");
    let acme = Acme::new(Parts {
        config: config.clone(),
        tls: tls.clone(),
        client: tls::Client::load(&config.tls).expect("authorities"),
        resolver,
        world: World::real(),
    });
    (acme, tls)
}

/// A certificate that holds for long.
fn pem(host: &str) -> Pem {
    let made = rcgen::generate_simple_self_signed(vec![host.to_owned()]).expect("made");
    Pem { chain: made.cert.pem(), key: made.signing_key.serialize_pem() }
}

/// Keeps a certificate that holds for long, as one that the authority gave.
fn keep(config: &Config, directory: &str) {
    let keeper = Keeper::new(&config.data_dir);
    keeper.keep_certificate(HOST, &pem(HOST)).expect("kept");
    let mut state = State { directory: directory.into(), ..State::default() };
    state.succeed();
    keeper.keep_states(&BTreeMap::from([(HOST.to_owned(), state)])).expect("kept");
}

fn sources(tls: &tls::Server) -> Vec<&'static str> {
    let now = World::real().clock.now();
    tls.held(now).iter().map(|held| held.source).collect()
}

/// Waits until it is so.
async fn comes(what: &str, is: impl Fn() -> bool) {
    let come = async {
        while !is() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), come).await.expect(what);
}

/// Runs until a try has failed.
async fn fails(acme: &Acme) -> Standing {
    let stop = CancellationToken::new();
    let running = tokio::spawn(acme.clone().run(stop.clone()));
    let is_over =
        |one: &Standing| one.fault.as_ref().is_some_and(|why| !why.contains("daemon ended"));
    comes("a failure", || is_over(&acme.standing()[0])).await;
    let standing = acme.standing().remove(0);
    stop.cancel();
    running.await.expect("it ends");
    standing
}

#[tokio::test]
async fn what_is_kept_is_served_and_not_asked_for_again() {
    let home = tempfile::tempdir().expect("a folder");
    let config = settings(home.path());
    keep(&config, &config.acme.directory);
    let (acme, tls) = started(&config);
    assert_eq!(sources(&tls), ["self_signed", "authority"]);
    let standing = acme.standing().remove(0);
    assert!(standing.next_try.as_str() > "2040", "{standing:?}");
    assert_eq!((standing.failures, standing.fault), (0, None));
}

#[tokio::test]
async fn another_authority_is_asked_at_once_and_the_old_ones_certificate_serves_meanwhile() {
    let home = tempfile::tempdir().expect("a folder");
    let mut config = settings(home.path());
    keep(&config, &config.acme.directory);
    config.acme.directory = "https://other.example/directory".into();
    let (acme, tls) = started(&config);
    assert_eq!(sources(&tls), ["self_signed", "authority"]);
    let standing = fails(&acme).await;
    assert!(standing.fault.expect("why").contains("other.example has no address"));
    assert_eq!(sources(&tls), ["self_signed", "authority"]);
}

#[tokio::test]
async fn a_failure_outlasts_a_restart_and_an_operator_need_not_wait() {
    let home = tempfile::tempdir().expect("a folder");
    let config = settings(home.path());
    let (acme, tls) = started(&config);
    let first = fails(&acme).await;
    assert_eq!(first.failures, 1);
    assert_eq!(sources(&tls), ["self_signed"]);
    let (acme, _tls) = started(&config);
    let again = acme.standing().remove(0);
    assert_eq!((again.failures, &again.next_try), (1, &first.next_try));
    assert!(again.next_try > World::real().clock.now().to_string());
    assert_eq!(acme.renew(Some("other.example")), 0);
    assert_eq!(acme.renew(Some("RELAY.example")), 1);
    let stop = CancellationToken::new();
    let running = tokio::spawn(acme.clone().run(stop.clone()));
    comes("it is tried", || acme.standing()[0].failures >= 2).await;
    stop.cancel();
    running.await.expect("it ends");
}

/// An authority whose name is never found out; counts how often it was looked for.
#[derive(Default)]
struct Silence(AtomicUsize);

#[async_trait]
impl Resolver for Silence {
    async fn route(&self, _domain: &Domain) -> Result<Route, DnsFault> {
        Ok(Route::NoSuchDomain)
    }
    async fn addresses(&self, _host: &str) -> Result<Vec<IpAddr>, DnsFault> {
        self.0.fetch_add(1, Ordering::Relaxed);
        std::future::pending().await
    }
    async fn texts(&self, _name: &str) -> Result<Vec<String>, DnsFault> {
        Ok(Vec::new())
    }
}

#[tokio::test]
async fn a_try_that_a_stop_breaks_off_is_no_failure_and_one_that_a_crash_breaks_off_is() {
    let home = tempfile::tempdir().expect("a folder");
    let config = settings(home.path());
    let (acme, _tls) = started_with(&Live::new(config.clone()), Arc::new(Silence::default()));
    let stop = CancellationToken::new();
    let running = tokio::spawn(acme.clone().run(stop.clone()));
    comes("it is tried", || acme.standing()[0].failures > 0).await;
    let failures = || {
        let (acme, _tls) = started(&config);
        acme.standing()[0].failures
    };
    assert_eq!(failures(), 1, "were the daemon to end now");
    stop.cancel();
    running.await.expect("it ends");
    assert_eq!(failures(), 0);
}

#[tokio::test]
async fn link_hosts_are_looked_after_as_long_as_they_are_there() {
    let home = tempfile::tempdir().expect("a folder");
    let mut config = settings(home.path());
    config.acme.link_hosts_max = 2;
    let (acme, tls) = started(&config);
    let hosts = || acme.standing().into_iter().map(|one| one.host).collect::<Vec<_>>();
    let named = |names: &[&str]| names.iter().map(ToString::to_string).collect();
    acme.want(named(&["a.example", "b.example", "c.example"]));
    assert_eq!(hosts(), ["a.example", "b.example", HOST]);
    Keeper::new(home.path()).keep_certificate("d.example", &pem("d.example")).expect("kept");
    acme.want(named(&["d.example"]));
    assert_eq!(hosts(), ["d.example", HOST]);
    assert_eq!(sources(&tls), ["self_signed", "authority"], "what is kept is served");
    acme.want(Vec::new());
    assert_eq!(hosts(), [HOST]);
    assert_eq!(sources(&tls), ["self_signed"]);
    config.acme.link_hosts = false;
    let (acme, _tls) = started(&config);
    acme.want(named(&["a.example"]));
    assert_eq!(acme.standing().len(), 1);
}

#[tokio::test]
async fn who_wants_no_authority_asks_none() {
    let home = tempfile::tempdir().expect("a folder");
    let mut config = settings(home.path());
    keep(&config, &config.acme.directory);
    config.acme.enabled = false;
    let (acme, tls) = started(&config);
    assert_eq!(sources(&tls), ["self_signed"]);
    assert!(acme.standing().is_empty());
    assert_eq!((acme.renew(None), acme.page("token")), (0, None));
}

#[tokio::test]
async fn settings_that_change_are_followed_at_once_and_an_order_under_way_is_no_failure() {
    let home = tempfile::tempdir().expect("a folder");
    let config = settings(home.path());
    let live = Live::new(config.clone());
    let silence = Arc::new(Silence::default());
    let (acme, tls) = started_with(&live, silence.clone());
    acme.want(vec!["a.example".into()]);
    let stop = CancellationToken::new();
    let running = tokio::spawn(acme.clone().run(stop.clone()));
    let hosts = || acme.standing().into_iter().map(|one| one.host).collect::<Vec<_>>();
    let failures = || acme.standing().iter().map(|one| one.failures).sum::<u32>();
    let change = |change: &dyn Fn(&mut Config)| {
        let mut next = config.clone();
        change(&mut next);
        live.replace(next).expect("there is room");
    };
    assert_eq!(hosts(), ["a.example", HOST]);
    let asked = |times| silence.0.load(Ordering::Relaxed) == times;
    comes("an order is under way", || asked(1)).await;
    change(&|config| config.acme.retry_delay = Span::minutes(7));
    comes("it is begun anew", || asked(2)).await;
    assert_eq!(failures(), 1, "that of the order that is under way, were the daemon to end now");

    Keeper::new(home.path()).keep_certificate("b.example", &pem("b.example")).expect("kept");
    change(&|config| {
        config.acme.hosts = vec!["b.example".into()];
        config.acme.link_hosts = false;
    });
    comes("other hosts are looked after", || hosts() == ["b.example"]).await;
    assert_eq!(sources(&tls), ["self_signed", "authority"], "what is kept of them is served");

    change(&|config| config.acme.enabled = false);
    comes("nobody is asked any longer", || hosts().is_empty()).await;
    assert_eq!(sources(&tls), ["self_signed"], "nor is served what they gave");
    change(&|_| {});
    comes("it is as it was", || hosts() == ["a.example", HOST]).await;
    stop.cancel();
    running.await.expect("it ends");
}

#[tokio::test]
async fn a_setting_that_changes_forgets_no_failure_and_ends_no_wait() {
    let home = tempfile::tempdir().expect("a folder");
    let config = settings(home.path());
    let live = Live::new(config.clone());
    let (acme, _tls) = started_with(&live, Arc::new(Nobody));
    let failed = fails(&acme).await;
    let mut next = config;
    next.acme.hosts = vec![HOST.into(), "b.example".into()];
    live.replace(next).expect("there is room");
    let stop = CancellationToken::new();
    let running = tokio::spawn(acme.clone().run(stop.clone()));
    comes("another host is looked after", || acme.standing().len() == 2).await;
    let standing = acme.standing().pop().expect("the first host");
    assert_eq!(standing.host, HOST);
    assert_eq!((standing.failures, standing.next_try), (1, failed.next_try));
    stop.cancel();
    running.await.expect("it ends");
}
