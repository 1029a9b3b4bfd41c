//! MTA-STS policies as they are found (RFC 8461 §3, §5): looked up in DNS, fetched over HTTPS, and kept in the
//! store for as long as they say, so that nobody who keeps us from fetching one makes us forget another.

use super::super::web::{Asked, Web, WebFault};
use super::sts::{self, Policy};
use crate::config;
use crate::mail::{Domain, Timestamp};
use crate::store::{Record, Store, StoreFault, Table};
use crate::world::World;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::Semaphore;
use tokio::time::timeout;

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
}

impl Found {
    fn of(kept: Option<Kept>) -> Self {
        let policy =
            kept.and_then(|kept| Some((Arc::new(Policy::read(&kept.text).ok()?), kept.text)));
        Self { policy, fault: None }
    }
}

/// When a fetch failed last, and why.
type Failed = Option<(Duration, PolicyFault)>;

/// All policies.
pub(in crate::delivery) struct Policies {
    settings: config::MtaSts,
    store: Store,
    world: World,
    web: Arc<Web>,
    /// One fetch at a time for a domain.
    doors: Mutex<HashMap<Domain, Arc<tokio::sync::Mutex<Failed>>>>,
    fetches: Semaphore,
    count: AtomicU64,
}

impl Policies {
    pub(in crate::delivery) fn new(
        settings: config::MtaSts,
        store: Store,
        world: World,
        web: Arc<Web>,
    ) -> Arc<Self> {
        let fetches = Semaphore::new(settings.fetches_max as usize);
        let count = AtomicU64::new(0);
        let new = Self { settings, store, world, web, doors: Mutex::default(), fetches, count };
        if let Ok(all) = new.all() {
            new.count.store(all.len() as u64, Ordering::Relaxed);
        }
        Arc::new(new)
    }

    /// What there is for a domain now.
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
                if self.is_old(&kept) {
                    let (all, domain) = (self.clone(), domain.clone());
                    tokio::spawn(async move { all.fetch(&domain, &id, true).await });
                }
                Found::of(Some(kept))
            }
            (Some(id), kept) => match self.fetch(domain, &id, false).await {
                Ok(new) => Found::of(Some(new)),
                Err(fault) => Found { fault: Some(fault), ..Found::of(kept) },
            },
        }
    }

    /// The policy that is kept for a domain, while it lasts.
    fn kept(&self, domain: &Domain) -> Option<Kept> {
        let found = self.store.get::<Kept>(domain.as_str().as_bytes());
        found.ok().flatten().filter(|kept| self.ends(kept).0 > self.world.clock.now().0)
    }

    fn life(&self, kept: &Kept) -> Duration {
        let age = Policy::read(&kept.text).map_or(Duration::ZERO, |policy| policy.max_age);
        age.min(self.settings.age_max.0)
    }

    fn ends(&self, kept: &Kept) -> Timestamp {
        kept.fetched.after(self.life(kept))
    }

    /// Whether half of its time has passed: it is fetched anew before it ends.
    fn is_old(&self, kept: &Kept) -> bool {
        self.world.clock.now().since(kept.fetched) > self.life(kept) / 2
    }

    async fn fetch(&self, domain: &Domain, id: &str, anew: bool) -> Result<Kept, PolicyFault> {
        let door = self.door(domain);
        let mut failed = door.lock().await;
        // Whoever held the door before us may have fetched it.
        if let Some(kept) = self.kept(domain)
            && kept.id == id
            && !(anew && self.is_old(&kept))
        {
            return Ok(kept);
        }
        let pause = self.settings.retry_delay.0;
        if let Some((at, fault)) = &*failed
            && self.world.clock.steady().saturating_sub(*at) < pause
        {
            return Err(fault.clone());
        }
        let turn = self.fetches.acquire().await;
        let limit = self.settings.fetch_timeout.0;
        let late = |_| Err(PolicyFault::Fetch(format!("no answer within {limit:?}")));
        let fetched = timeout(limit, self.text(domain)).await.unwrap_or_else(late);
        drop(turn);
        match fetched {
            Ok(text) => {
                *failed = None;
                let now = self.world.clock.now();
                let kept = Kept { id: id.to_owned(), text, fetched: now };
                self.keep(domain, kept.clone()).await;
                Ok(kept)
            }
            Err(fault) => {
                tracing::info!(target: "relent::delivery", %domain, %fault, "no MTA-STS policy");
                *failed = Some((self.world.clock.steady(), fault.clone()));
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
