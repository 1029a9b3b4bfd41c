//! What outlives a restart: what the operator has suspended, and how long sites have been out of reach. Both are
//! records in the store and no events of messages: they are about no message, and the log would have to be read
//! through for them.

use super::Delivery;
use super::standing::Standing;
use crate::mail::{Domain, Status, Timestamp};
use crate::queue::{Outage, Said, Site, Suspension, Waits};
use crate::store::{Record, Store, StoreFault, Table};
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use std::sync::PoisonError;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often outages are written down, and slowed sites looked at.
const KEEP_INTERVAL: Duration = Duration::from_secs(10);
/// How many times so long until what waits for sites out of reach is looked through.
const EXPIRE_EVERY: u32 = 60;
/// Records read, or written, at a time.
const CHUNK: usize = 500;
/// The pause before what was kept is read again.
const READ_AGAIN: Duration = Duration::from_secs(1);
/// Longest name of a site that is kept, and longest text, in bytes: no engine likes long values.
const NAME_MAX: usize = 8 << 10;

#[derive(Debug, Clone, Serialize, Deserialize)]
struct KeptSuspension(Suspension);

impl Record for KeptSuspension {
    const TABLE: Table = Table::Meta;
}

/// An outage as it is kept: of its pauses no more than when it began and how long they were.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct KeptOutage {
    site: String,
    failures: u32,
    since: Timestamp,
    last: Timestamp,
    waited: Duration,
    until: Timestamp,
    status: (u8, u16, u16),
    text: String,
}

impl Record for KeptOutage {
    const TABLE: Table = Table::Meta;
}

const SUSPENSION: &[u8] = b"suspension/";
const OUTAGE: &[u8] = b"outage/";

fn suspension_key(name: &str) -> Vec<u8> {
    [SUSPENSION, name.as_bytes()].concat()
}

fn outage_key(site: &Site) -> Vec<u8> {
    [OUTAGE, digest(&SHA256, site.as_str().as_bytes()).as_ref()].concat()
}

impl KeptOutage {
    fn of(site: &Site, outage: &Outage) -> Option<Self> {
        let ((since, _), (last, waited)) = (*outage.waits.first()?, *outage.waits.last()?);
        let Status { class, subject, detail } = outage.said.status;
        (site.as_str().len() <= NAME_MAX).then(|| Self {
            site: site.as_str().to_owned(),
            failures: outage.failures,
            since,
            last,
            waited,
            until: outage.until,
            status: (class, subject, detail),
            text: outage.said.text.clone(),
        })
    }

    fn back(self) -> (Site, Outage) {
        let (class, subject, detail) = self.status;
        let status = Status::new(class, subject, detail);
        let said = Said { relay: None, status, text: self.text, class: None };
        let waits = vec![(self.since, Duration::ZERO), (self.last, self.waited)];
        let outage = Outage { until: self.until, said, failures: self.failures, waits };
        (Site::among(self.site.split(',')), outage)
    }
}

/// Everything with a prefix.
fn all<R: Record>(store: &Store, prefix: &[u8]) -> Result<Vec<R>, StoreFault> {
    let (mut found, mut after): (Vec<R>, Option<Vec<u8>>) = (Vec::new(), None);
    loop {
        let rows = store.scan::<R>(prefix, after.as_deref(), CHUNK)?;
        let count = rows.len();
        after = rows.last().map(|(key, _)| key.clone());
        found.extend(rows.into_iter().map(|(_, record)| record));
        if count < CHUNK {
            return Ok(found);
        }
    }
}

/// Why something is not suspended, or not resumed.
#[derive(Debug, thiserror::Error)]
pub enum SuspensionFault {
    /// It is no name.
    #[error("{0}")]
    Unfit(String),
    /// There are too many.
    #[error(
        "{0} are suspended, which is the most (delivery.suspensions_max): resume one of them first"
    )]
    Full(usize),
    /// There is no such thing.
    #[error("nothing of the name `{0}` is suspended; `relent delivery list` shows what is")]
    Unknown(String),
    /// The records.
    #[error(transparent)]
    Store(#[from] StoreFault),
}

impl Delivery {
    /// Suspends a domain, or the sites that have a server of that name, from now on and over restarts. What
    /// is under attempt comes to its end.
    ///
    /// # Errors
    /// [`SuspensionFault`].
    pub async fn suspend(
        &self,
        name: &str,
        until: Option<Timestamp>,
        reason: &str,
    ) -> Result<Suspension, SuspensionFault> {
        let pattern = crate::config::shaping::HostPattern::parse(name.trim());
        let pattern = pattern.map_err(SuspensionFault::Unfit)?;
        let name = pattern.as_str().to_owned();
        let (at, reason) = (self.parts.world.clock.now(), reason.to_owned());
        let word = Suspension { name, until, reason, at };
        let _one = self.suspending.lock().await;
        let standing = self.suspensions()?;
        let most = self.parts.config.delivery.suspensions_max as usize;
        if standing.len() >= most && !standing.iter().any(|other| other.name == word.name) {
            return Err(SuspensionFault::Full(standing.len()));
        }
        let kept = KeptSuspension(word.clone());
        let gone: Vec<_> = all::<KeptSuspension>(&self.parts.store, SUSPENSION)?
            .into_iter()
            .filter(|KeptSuspension(old)| old.until.is_some_and(|until| until <= at))
            .collect();
        let written = self.parts.store.transact(move |t| {
            for KeptSuspension(old) in gone {
                t.remove::<KeptSuspension>(&suspension_key(&old.name));
            }
            t.put(&suspension_key(&kept.0.name), &kept);
            Ok(Ok::<_, StoreFault>(()))
        });
        written.await??;
        self.parts.queue.suspend(self.suspensions()?);
        tracing::info!(
            name = word.name,
            until = word.until.map(|at| at.to_string()),
            reason = word.reason,
            "suspended by the operator"
        );
        Ok(word)
    }

    /// Lifts the operator's suspension of that name, and ends the pauses of the sites and domains that have it:
    /// they are tried at once. Whether there was a suspension, and how many pauses ended.
    ///
    /// # Errors
    /// [`SuspensionFault`].
    pub async fn resume(&self, name: &str) -> Result<(bool, usize), SuspensionFault> {
        let pattern = crate::config::shaping::HostPattern::parse(name.trim());
        let pattern = pattern.map_err(SuspensionFault::Unfit)?;
        let name = pattern.as_str().to_owned();
        let was = {
            let _one = self.suspending.lock().await;
            let was = self.suspensions()?.into_iter().find(|word| word.name == name);
            let key = suspension_key(&name);
            let removed = self.parts.store.transact(move |t| {
                t.remove::<KeptSuspension>(&key);
                Ok(Ok::<_, StoreFault>(()))
            });
            removed.await??;
            self.parts.queue.suspend(self.suspensions()?);
            was
        };
        // A domain that stands apart is not known to the queue by its servers: its mail waits on its own.
        if let Some(word) = &was {
            self.parts.queue.wake(Waits::Said(&word.said())).await;
        }
        let was_suspended = was.is_some();
        let now = self.parts.world.clock.now();
        let of_domain = Domain::parse(&name).ok().and_then(|domain| self.parts.queue.site(&domain));
        let mut sites: Vec<Site> = {
            let all = self.sites.all();
            let has_it = |site: &Site| site.hosts().any(|host| pattern.fits(host));
            let fits = |(site, standing): &(&Site, &Standing)| {
                has_it(site) || standing.hosts.iter().any(|host| pattern.fits(host))
            };
            let found = all.iter().filter(fits).map(|(site, _)| site.clone());
            found.chain(of_domain).collect()
        };
        sites.sort_unstable();
        sites.dedup();
        let mut opened = 0;
        for site in sites {
            self.with_site(&site, |standing| {
                let is_news = standing.open(now);
                opened += usize::from(is_news);
                is_news
            });
        }
        if !was_suspended && opened == 0 {
            return Err(SuspensionFault::Unknown(name));
        }
        tracing::info!(name, was_suspended, pauses = opened, "resumed by the operator");
        Ok((was_suspended, opened))
    }

    /// What the operator has suspended, and still is.
    ///
    /// # Errors
    /// The store.
    pub fn suspensions(&self) -> Result<Vec<Suspension>, StoreFault> {
        let now = self.parts.world.clock.now();
        let kept = all::<KeptSuspension>(&self.parts.store, SUSPENSION)?;
        let words = kept.into_iter().map(|KeptSuspension(word)| word);
        Ok(words.filter(|word| word.until.is_none_or(|until| until > now)).collect())
    }

    /// Takes up what an earlier process kept; before anything is sent.
    pub(super) async fn take_up(&self) {
        loop {
            match self.read_kept() {
                Ok(()) => return,
                Err(fault) => {
                    tracing::error!(%fault, "delivery waits: what is suspended cannot be read");
                    tokio::time::sleep(READ_AGAIN).await;
                }
            }
        }
    }

    fn read_kept(&self) -> Result<(), StoreFault> {
        self.parts.queue.suspend(self.suspensions()?);
        for kept in all::<KeptOutage>(&self.parts.store, OUTAGE)? {
            let (site, outage) = kept.back();
            self.with_site(&site, |standing| {
                standing.resume_outage(outage);
                true
            });
        }
        Ok(())
    }

    /// Writes down what has changed of outages.
    async fn keep(&self) {
        let changed: Vec<Site> = {
            let mut changed = self.sites.changed.lock().unwrap_or_else(PoisonError::into_inner);
            changed.drain().collect()
        };
        for part in changed.chunks(CHUNK) {
            let rows: Vec<_> = {
                let all = self.sites.all();
                let kept = |site: &Site| KeptOutage::of(site, all.get(site)?.outage()?);
                part.iter().map(|site| (outage_key(site), kept(site))).collect()
            };
            let written = self.parts.store.transact(move |t| {
                for (key, kept) in &rows {
                    match kept {
                        Some(kept) => t.put(key, kept),
                        None => t.remove::<KeptOutage>(key),
                    }
                }
                Ok(Ok::<_, StoreFault>(()))
            });
            if let Err(fault) = written.await.and_then(|outcome| outcome) {
                tracing::warn!(%fault, "outages of sites were not written down; they are once more");
                let mut again = self.sites.changed.lock().unwrap_or_else(PoisonError::into_inner);
                again.extend(part.iter().cloned());
            }
        }
    }

    /// Looks after sites until told to stop: outages are written down, slowed sites recover, and what waits
    /// for sites out of reach expires, however long that takes: it keeps neither of the others waiting.
    pub(super) async fn look_after(&self, shutdown: &CancellationToken) {
        let expired = async {
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = self.expire() => {}
            }
        };
        tokio::join!(expired, self.keep_until(shutdown));
    }

    /// Has what waited for too long end, time and again.
    async fn expire(&self) {
        loop {
            tokio::time::sleep(KEEP_INTERVAL * EXPIRE_EVERY).await;
            let ended = self.parts.queue.expire().await;
            if ended > 0 {
                tracing::info!(ended, "given up for sites that nobody reaches");
            }
        }
    }

    async fn keep_until(&self, shutdown: &CancellationToken) {
        let mut ticks = tokio::time::interval(KEEP_INTERVAL);
        loop {
            tokio::select! {
                () = shutdown.cancelled() => break,
                _ = ticks.tick() => {}
            }
            self.keep().await;
            self.recover();
        }
        self.keep().await;
    }
}
