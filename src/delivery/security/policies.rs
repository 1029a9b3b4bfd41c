//! MTA-STS policies as they are found (RFC 8461 §3, §5): looked up in DNS, fetched over HTTPS, and kept in the
//! store for as long as they say, so that nobody who keeps us from fetching one makes us forget another.

use super::sts::{self, Policy};
use crate::config::{self, Section};
use crate::mail::{Domain, Timestamp};
use crate::store::{Record, Store, StoreFault, Table};
use crate::web::{Asked, Web, WebFault};
use crate::world::{Turns, World};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::OwnedMutexGuard;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

/// Records read at a time.
const PAGE: usize = 500;
/// What part of all policies goes at a time when they are too many.
const PART: usize = 10;

/// A policy as it is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Kept {
    id: String,
    text: String,
    fetched: Timestamp,
}

impl Record for Kept {
    const TABLE: Table = Table::TlsPolicy;
}

/// Why a policy that a domain says it has was not had (RFC 8460 §4.3).
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(in crate::delivery) enum PolicyFault {
    /// The web server was not reached, or answered otherwise.
    #[error("the policy cannot be fetched: {0}")]
    Fetch(String),
    /// The web server did not prove to be the domain's.
    #[error("the policy's web server is not trusted: {0}")]
    Untrusted(String),
    /// What came is no policy.
    #[error("the policy cannot be read: {0}")]
    Invalid(String),
}

/// What there is for a domain.
#[derive(Debug, Clone, Default)]
pub(in crate::delivery) struct Found {
    /// The policy, and its text.
    pub(in crate::delivery) policy: Option<(Arc<Policy>, String)>,
    /// Why there is none, or none newer, though the domain says so.
    pub(in crate::delivery) fault: Option<PolicyFault>,
    /// There may be one soon: it is still being fetched.
    pub(in crate::delivery) is_awaited: bool,
}

impl Found {
    fn of(kept: Option<Kept>) -> Self {
        let policy =
            kept.and_then(|kept| Some((Arc::new(Policy::read(&kept.text).ok()?), kept.text)));
        Self { policy, fault: None, is_awaited: false }
    }
}

/// When a fetch failed last, and why.
type Failed = Option<(Duration, PolicyFault)>;
/// Who holds it may fetch a domain's policy.
type Door = OwnedMutexGuard<Failed>;

/// All policies.
pub(in crate::delivery) struct Policies {
    settings: Section<config::MtaSts>,
    store: Store,
    world: World,
    web: Arc<Web>,
    /// One fetch at a time for a domain.
    doors: Mutex<HashMap<Domain, Arc<tokio::sync::Mutex<Failed>>>>,
    fetches: Turns,
    count: AtomicU64,
    stopped: CancellationToken,
}

impl Policies {
    pub(in crate::delivery) fn new(
        settings: impl Into<Section<config::MtaSts>>,
        store: Store,
        world: World,
        web: Arc<Web>,
    ) -> Arc<Self> {
        let settings = settings.into();
        let fetches = Turns::new(settings.now(|settings| settings.fetches_max as usize));
        let count = AtomicU64::new(0);
        let (doors, stopped) = (Mutex::default(), CancellationToken::new());
        let new = Self { settings, store, world, web, doors, fetches, count, stopped };
        if let Ok(all) = new.all() {
            new.count.store(all.len() as u64, Ordering::Relaxed);
        }
        Arc::new(new)
    }

    /// What there is for a domain now. A fetch that takes long, or waits for its turn, goes on alone.
    pub(in crate::delivery) async fn find(self: &Arc<Self>, domain: &Domain) -> Found {
        if !self.settings.enabled {
            return Found::default();
        }
        let texts = self.web.resolver.texts(&format!("_mta-sts.{domain}")).await;
        let kept = self.kept(domain);
        match (texts.ok().as_deref().and_then(sts::id), kept) {
            //= https://www.rfc-editor.org/rfc/rfc8461#section-3.3
            //# if no "live" policy can be discovered via DNS or
            //# fetched via HTTPS, but a valid (non-expired) policy exists in the
            //# sender's cache, the sender MUST apply that cached policy.
            (None, kept) => Found::of(kept),
            (Some(id), Some(kept)) if kept.id == id => {
                // Where somebody stands at the door it is being fetched.
                if self.is_old(&kept)
                    && let Ok(door) = self.door(domain).try_lock_owned()
                    && self.failed(&door).is_none()
                {
                    drop(self.begin(door, domain, id));
                }
                Found::of(Some(kept))
            }
            (Some(id), kept) => {
                let found = timeout(self.settings.fetch_wait.0, self.fetched(domain, id)).await;
                match found {
                    Ok(Ok(new)) => Found::of(Some(new)),
                    // A fetch that the stop of the relay ends says nothing of the domain.
                    Ok(Err(fault)) if !self.stopped.is_cancelled() => {
                        Found { fault: Some(fault), ..Found::of(kept) }
                    }
                    _ => Found { is_awaited: kept.is_none(), ..Found::of(kept) },
                }
            }
        }
    }

    /// Ends all fetches that are under way.
    pub(in crate::delivery) fn stop(&self) {
        self.stopped.cancel();
    }

    /// The policy that is kept for a domain, while it lasts.
    fn kept(&self, domain: &Domain) -> Option<Kept> {
        let found = self.store.get::<Kept>(domain.as_str().as_bytes());
        found.ok().flatten().filter(|kept| self.ends(kept).0 > self.world.clock.now().0)
    }

    /// How long a policy holds: no shorter than the pause between two fetches, or one that says 0 would be
    /// fetched for each message.
    fn life(&self, kept: &Kept) -> Duration {
        let age = Policy::read(&kept.text).map_or(Duration::ZERO, |policy| policy.max_age);
        age.min(self.settings.age_max.0).max(self.settings.retry_delay.0)
    }

    fn ends(&self, kept: &Kept) -> Timestamp {
        kept.fetched.after(self.life(kept))
    }

    /// Whether half of its time has passed: it is fetched anew before it ends.
    fn is_old(&self, kept: &Kept) -> bool {
        self.world.clock.now().since(kept.fetched) > self.life(kept) / 2
    }

    /// The policy that the domain's record names, by us or by who stands at the door before us.
    async fn fetched(self: &Arc<Self>, domain: &Domain, id: String) -> Result<Kept, PolicyFault> {
        let door = self.door(domain).lock_owned().await;
        if let Some(kept) = self.kept(domain).filter(|kept| kept.id == id) {
            return Ok(kept);
        }
        if let Some(fault) = self.failed(&door) {
            return Err(fault);
        }
        let fetch = self.begin(door, domain, id).await;
        fetch.unwrap_or_else(|fault| Err(PolicyFault::Fetch(fault.to_string())))
    }

    /// Why it cannot be fetched, where that was tried lately.
    fn failed(&self, door: &Door) -> Option<PolicyFault> {
        let (at, fault) = door.as_ref()?;
        let passed = self.world.clock.steady().saturating_sub(*at);
        (passed < self.settings.retry_delay.0).then(|| fault.clone())
    }

    /// Fetches a policy, whether or not anybody waits for it: there is one such fetch for each door.
    fn begin(
        self: &Arc<Self>,
        door: Door,
        domain: &Domain,
        id: String,
    ) -> JoinHandle<Result<Kept, PolicyFault>> {
        let (all, domain) = (self.clone(), domain.clone());
        tokio::spawn(async move {
            tokio::select! {
                () = all.stopped.cancelled() => Err(PolicyFault::Fetch("the relay stops".into())),
                fetched = all.fetch(door, &domain, id) => fetched,
            }
        })
    }

    async fn fetch(
        &self,
        mut door: Door,
        domain: &Domain,
        id: String,
    ) -> Result<Kept, PolicyFault> {
        let limit = self.settings.fetch_timeout.0;
        let patience = limit.max(self.settings.retry_delay.0);
        let fetched = match timeout(patience, self.fetches.semaphore().acquire()).await {
            Ok(_turn) => {
                let late = |_| Err(PolicyFault::Fetch(format!("no answer within {limit:?}")));
                timeout(limit, self.text(domain)).await.unwrap_or_else(late)
            }
            Err(_) => Err(PolicyFault::Fetch(format!("no turn within {patience:?}"))),
        };
        match fetched {
            Ok(text) => {
                *door = None;
                let now = self.world.clock.now();
                let kept = Kept { id, text, fetched: now };
                self.keep(domain, kept.clone()).await;
                Ok(kept)
            }
            Err(fault) => {
                tracing::info!(target: "relent::delivery", %domain, %fault, "no MTA-STS policy");
                *door = Some((self.world.clock.steady(), fault.clone()));
                Err(fault)
            }
        }
    }

    //= https://www.rfc-editor.org/rfc/rfc8461#section-3.3
    //# HTTP 3xx redirects MUST NOT be followed
    /// Fetches a policy's text, which can be read.
    async fn text(&self, domain: &Domain) -> Result<String, PolicyFault> {
        let host = format!("mta-sts.{domain}");
        let page = self.web.ask(Asked {
            host: &host,
            port: self.settings.port,
            path: "/.well-known/mta-sts.txt",
            sent: None,
            size_max: self.settings.size_max.bytes(),
        });
        let page = page.await.map_err(|fault| match fault {
            WebFault::Certificate(why) => PolicyFault::Untrusted(why),
            WebFault::Lost(why) => PolicyFault::Fetch(why),
        })?;
        if page.status != 200 {
            return Err(PolicyFault::Fetch(format!("{host} answered {}", page.status)));
        }
        if page.kind != "text/plain" {
            let kind: String = page.kind.chars().take(60).collect();
            return Err(PolicyFault::Invalid(format!("it is {kind}, not text/plain")));
        }
        let text = String::from_utf8(page.body);
        let text = text.map_err(|_| PolicyFault::Invalid("it is not UTF-8".into()))?;
        Policy::read(&text).map_err(PolicyFault::Invalid)?;
        Ok(text)
    }

    fn door(&self, domain: &Domain) -> Arc<tokio::sync::Mutex<Failed>> {
        let mut doors = self.doors.lock().unwrap_or_else(PoisonError::into_inner);
        if doors.len() >= self.settings.policies_max as usize {
            // Those at which nobody stands.
            doors.retain(|_, door| Arc::strong_count(door) > 1);
        }
        doors.entry(domain.clone()).or_default().clone()
    }

    /// Keeps a policy, and makes room where there are too many.
    async fn keep(&self, domain: &Domain, kept: Kept) {
        let most = u64::from(self.settings.policies_max);
        if self.count.load(Ordering::Relaxed) >= most {
            self.tidy(most).await;
        }
        let key = domain.as_str().as_bytes().to_vec();
        let written = self.store.transact(move |t| {
            let is_new = t.get::<Kept>(&key)?.is_none();
            t.put(&key, &kept);
            Ok(Ok::<_, Infallible>(is_new))
        });
        match written.await {
            Ok(Ok(is_new)) => {
                self.count.fetch_add(u64::from(is_new), Ordering::Relaxed);
            }
            Err(fault) => tracing::warn!(target: "relent::delivery", %domain, %fault,
                "an MTA-STS policy is not kept"),
        }
    }

    /// Forgets the policies that have ended; where those are few, also some that end first.
    async fn tidy(&self, most: u64) {
        let Ok(mut all) = self.all() else { return };
        all.sort_by_key(|(_, end)| *end);
        let ended = all.iter().take_while(|(_, end)| *end <= self.world.clock.now()).count();
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        let over = all.len().saturating_sub(most - most / PART);
        let gone: Vec<_> = all.into_iter().take(ended.max(over)).map(|(key, _)| key).collect();
        let count = gone.len() as u64;
        let removed = self.store.transact(move |t| {
            gone.iter().for_each(|key| t.remove::<Kept>(key));
            Ok(Ok::<_, Infallible>(()))
        });
        if removed.await.is_ok() {
            self.count.fetch_sub(count, Ordering::Relaxed);
        }
    }

    /// Whose policies are kept, and until when.
    fn all(&self) -> Result<Vec<(Vec<u8>, Timestamp)>, StoreFault> {
        let mut all = Vec::new();
        let mut after: Option<Vec<u8>> = None;
        loop {
            let page = self.store.scan::<Kept>(&[], after.as_deref(), PAGE)?;
            let Some((last, _)) = page.last() else { return Ok(all) };
            after = Some(last.clone());
            all.extend(page.into_iter().map(|(key, kept)| (key, self.ends(&kept))));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dns::{DnsFault, Resolver, Route};
    use crate::tls;
    use async_trait::async_trait;
    use std::net::IpAddr;
    use std::time::Instant;

    /// Longest time for a fetch: no delay comes near it.
    const FETCH: Duration = Duration::from_secs(120);

    /// All domains say that they have a policy, and none of their web servers is ever found.
    #[derive(Default)]
    struct Dead {
        asked: AtomicU64,
    }

    #[async_trait]
    impl Resolver for Dead {
        async fn route(&self, _domain: &Domain) -> Result<Route, DnsFault> {
            Ok(Route::NullMx)
        }
        async fn addresses(&self, _host: &str) -> Result<Vec<IpAddr>, DnsFault> {
            self.asked.fetch_add(1, Ordering::Relaxed);
            std::future::pending().await
        }
        async fn texts(&self, _name: &str) -> Result<Vec<String>, DnsFault> {
            Ok(vec!["v=STSv1; id=1".into()])
        }
    }

    fn policies(folder: &tempfile::TempDir) -> (Arc<Policies>, Arc<Dead>) {
        let (world, dead) = (World::real(), Arc::new(Dead::default()));
        let settings = config::MtaSts {
            fetch_wait: "50ms".parse().expect("a duration"),
            fetch_timeout: config::Span(FETCH),
            fetches_max: 1,
            ..config::MtaSts::default()
        };
        let web = Arc::new(Web {
            resolver: dead.clone(),
            network: world.network.clone(),
            tls: tls::Client::load(&config::Tls::default()).expect("authorities"),
            allow_private: true.into(),
            own: crate::world::Own::default(),
        });
        let store = Store::open(folder.path(), &config::Store::default(), &world);
        (Policies::new(settings, store, world, web), dead)
    }

    fn kept(id: &str, age: u64, fetched: Timestamp) -> Kept {
        let text = format!("version: STSv1\nmode: enforce\nmx: mx.example\nmax_age: {age}\n");
        Kept { id: id.into(), text, fetched }
    }

    #[tokio::test]
    async fn dead_web_servers_stop_no_mail_to_others() {
        let folder = tempfile::tempdir().expect("a folder");
        let (policies, dead) = policies(&folder);
        let now = policies.world.clock.now();
        let known = Domain::parse("known.example").expect("a domain");
        policies.keep(&known, kept("0", 86_400, now)).await;
        let begun = Instant::now();
        for name in ["a.example", "b.example", "c.example", "a.example"] {
            let found = policies.find(&Domain::parse(name).expect("a domain")).await;
            assert!(found.is_awaited && found.policy.is_none(), "{name}: {found:?}");
        }
        // What is kept holds until what is newer comes.
        let found = policies.find(&known).await;
        assert!(!found.is_awaited && found.policy.is_some(), "{found:?}");
        assert!(begun.elapsed() < FETCH / 2, "{:?}", begun.elapsed());
        assert!(dead.asked.load(Ordering::Relaxed) <= 1, "one fetch at a time");
        policies.stop();
        // Nobody stays at the doors.
        for name in ["a.example", "b.example", "known.example"] {
            drop(policies.door(&Domain::parse(name).expect("a domain")).lock_owned().await);
        }
    }

    #[tokio::test]
    async fn a_policy_that_lasts_no_time_is_not_fetched_for_each_message() {
        let folder = tempfile::tempdir().expect("a folder");
        let (policies, dead) = policies(&folder);
        let now = policies.world.clock.now();
        let domain = Domain::parse("hasty.example").expect("a domain");
        policies.keep(&domain, kept("1", 0, now)).await;
        for _ in 0..3 {
            let found = policies.find(&domain).await;
            assert!(found.policy.is_some() && !found.is_awaited, "{found:?}");
        }
        assert_eq!(dead.asked.load(Ordering::Relaxed), 0);
    }
}
