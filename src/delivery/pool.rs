//! The dispatcher: what is due goes to an idle connection of its destination, or to a new one.

use super::Delivery;
use super::slots::Server;
use super::sources::PoolNumber;
use crate::mail::Domain;
use crate::queue::{Attempt, Lease};
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, oneshot};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long dispatching rests while the spool cannot take results.
const REST: Duration = Duration::from_secs(1);

/// The connections of each destination.
#[derive(Default)]
pub(super) struct Pool {
    sites: Mutex<HashMap<Domain, Site>>,
}

#[derive(Default)]
struct Site {
    /// Workers, connected or not.
    workers: u32,
    /// Workers that have reached a server.
    connected: u32,
    /// Connected workers without work.
    idle: VecDeque<Idle>,
}

/// A connected worker without work.
struct Idle {
    work: oneshot::Sender<Lease>,
    /// Whose mail it serves.
    pool: PoolNumber,
    servers: [Server; 2],
}

/// A worker's place in its destination's count.
pub(super) struct Place {
    delivery: Arc<Delivery>,
    domain: Domain,
    connected: bool,
}

impl Place {
    /// Counts the worker as one that has reached a server.
    pub(super) fn connected(&mut self) {
        if !self.connected {
            self.connected = true;
            let mut sites = self.delivery.pool.sites();
            sites.entry(self.domain.clone()).or_default().connected += 1;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut sites = self.delivery.pool.sites();
        if let Some(site) = sites.get_mut(&self.domain) {
            site.workers -= 1;
            site.connected -= u32::from(self.connected);
            if site.workers == 0 {
                sites.remove(&self.domain);
            }
        }
    }
}

impl Pool {
    fn sites(&self) -> MutexGuard<'_, HashMap<Domain, Site>> {
        self.sites.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives work to an idle connection; back where there is none.
    fn offer(&self, domain: &Domain, pool: PoolNumber, mut lease: Lease) -> Option<Lease> {
        let mut sites = self.sites();
        let Some(site) = sites.get_mut(domain) else {
            return Some(lease);
        };
        // The one that waits shortest: the others may then end.
        while let Some(place) = site.idle.iter().rposition(|idle| idle.pool == pool)
            && let Some(idle) = site.idle.remove(place)
        {
            match idle.work.send(lease) {
                Ok(()) => return None,
                Err(back) => lease = back,
            }
        }
        Some(lease)
    }

    /// Waits for work as an idle connection to a server.
    pub(super) fn idle(
        &self,
        domain: &Domain,
        pool: PoolNumber,
        servers: [Server; 2],
    ) -> oneshot::Receiver<Lease> {
        let (work, receiver) = oneshot::channel();
        let mut sites = self.sites();
        let site = sites.entry(domain.clone()).or_default();
        site.idle.retain(|other| !other.work.is_closed());
        site.idle.push_back(Idle { work, pool, servers });
        receiver
    }

    /// Whether a server of this destination is connected now.
    pub(super) fn reached(&self, domain: &Domain) -> bool {
        self.sites().get(domain).is_some_and(|site| site.connected > 0)
    }

    /// Ends the longest idle connection of some destination, to the server named or to any: its place
    /// is needed.
    pub(super) fn evict(&self, whose: Option<&[Server; 2]>) {
        let fits = |idle: &Idle| {
            !idle.work.is_closed()
                && whose.is_none_or(|whose| whose.iter().any(|one| idle.servers.contains(one)))
        };
        let mut sites = self.sites();
        for site in sites.values_mut() {
            if let Some(place) = site.idle.iter().position(fits) {
                site.idle.remove(place);
                return;
            }
        }
    }
}

impl Delivery {
    /// Sends what is due until told to stop; then waits for the attempts under way, for
    /// `process.drain_timeout` at most.
    pub async fn run(self: Arc<Self>, shutdown: CancellationToken) {
        let workers = TaskTracker::new();
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = self.dispatch(&workers, &shutdown) => {}
        }
        workers.close();
        let longest = self.parts.config.process.drain_timeout.0;
        if tokio::time::timeout(longest, workers.wait()).await.is_err() {
            tracing::warn!(count = workers.len(), "attempts were still under way at the stop");
        }
        self.sources.save().await;
    }

    async fn dispatch(self: &Arc<Self>, workers: &TaskTracker, shutdown: &CancellationToken) {
        let most = self.parts.config.delivery.connections_per_domain_max;
        let per_domain = most.min(self.slots.share()).max(1);
        let queue = &self.parts.queue;
        loop {
            let domain = queue.due(per_domain).await;
            if let Err(fault) = queue.can_record() {
                // What is sent could not be marked as sent, and would be sent again.
                tracing::error!(%fault, "delivery waits until the spool takes records again");
                tokio::time::sleep(REST).await;
                continue;
            }
            let Some(lease) = queue.lease(&domain, 1).await.pop() else {
                tokio::task::yield_now().await;
                continue;
            };
            let pool = self.sources.pool_of(&self.parts.accounts, &lease);
            let Some(lease) = self.pool.offer(&domain, pool, lease) else {
                continue;
            };
            let permit = match self.workers.clone().try_acquire_owned() {
                Ok(permit) => permit,
                Err(_) => {
                    self.pool.evict(None);
                    match self.workers.clone().acquire_owned().await {
                        Ok(permit) => permit,
                        Err(_) => return,
                    }
                }
            };
            self.start(workers, shutdown, domain, lease, permit);
        }
    }

    fn start(
        self: &Arc<Self>,
        workers: &TaskTracker,
        shutdown: &CancellationToken,
        domain: Domain,
        lease: Lease,
        permit: OwnedSemaphorePermit,
    ) {
        let mut sites = self.pool.sites();
        sites.entry(domain.clone()).or_default().workers += 1;
        drop(sites);
        let place = Place { delivery: Arc::clone(self), domain: domain.clone(), connected: false };
        let (delivery, shutdown) = (Arc::clone(self), shutdown.clone());
        let used = self.levels.attempts.take(1);
        workers.spawn(async move {
            delivery.work(domain, lease, place, shutdown).await;
            drop((permit, used));
        });
    }

    /// Ends a lease; says whether that could be recorded.
    pub(super) async fn finish(&self, lease: Lease, attempt: Attempt) -> bool {
        let (message, recipient) = (lease.message.id, lease.recipient.0);
        match self.parts.queue.finish(lease, attempt).await {
            Ok(()) => true,
            Err(fault) => {
                tracing::error!(%fault, %message, recipient, "an attempt's end was not recorded");
                false
            }
        }
    }
}
