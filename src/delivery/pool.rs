//! The dispatcher: what is due goes to an idle connection of its site, or to a new one.

use super::Delivery;
use super::slots::Server;
use super::sources::PoolNumber;
use crate::queue::{Attempt, Lease, Site};
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{Notify, OwnedSemaphorePermit, oneshot};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long dispatching rests while the spool cannot take results.
const REST: Duration = Duration::from_secs(1);

/// The connections of each site.
#[derive(Default)]
pub(super) struct Pool {
    sites: Mutex<HashMap<Site, Crew>>,
    /// A worker has left, whose connection is closed.
    left: Notify,
}

#[derive(Default)]
struct Crew {
    /// Workers, connected or not.
    workers: u32,
    /// Workers that have reached a server.
    connected: u32,
    /// Workers that may hold a connection.
    seated: u32,
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

/// A worker's place in its site's count.
pub(super) struct Place {
    delivery: Arc<Delivery>,
    site: Site,
    seated: bool,
    connected: bool,
}

impl Place {
    /// One more worker of a site.
    pub(super) fn new(delivery: &Arc<Delivery>, site: Site) -> Self {
        let mut sites = delivery.pool.sites();
        sites.entry(site.clone()).or_default().workers += 1;
        drop(sites);
        Self { delivery: Arc::clone(delivery), site, seated: false, connected: false }
    }

    /// Counts the worker as one that has reached a server.
    pub(super) fn connected(&mut self) {
        if !self.connected {
            self.connected = true;
            let mut sites = self.delivery.pool.sites();
            sites.entry(self.site.clone()).or_default().connected += 1;
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut sites = self.delivery.pool.sites();
        if let Some(crew) = sites.get_mut(&self.site) {
            crew.workers -= 1;
            crew.connected -= u32::from(self.connected);
            crew.seated -= u32::from(self.seated);
            if crew.workers == 0 {
                sites.remove(&self.site);
            }
        }
        drop(sites);
        self.delivery.pool.left.notify_waiters();
    }
}

impl Pool {
    fn sites(&self) -> MutexGuard<'_, HashMap<Site, Crew>> {
        self.sites.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives work to an idle connection; back where there is none.
    fn offer(&self, site: &Site, pool: PoolNumber, mut lease: Lease) -> Option<Lease> {
        let mut sites = self.sites();
        let Some(crew) = sites.get_mut(site) else {
            return Some(lease);
        };
        // The one that waits shortest: the others may then end.
        while let Some(place) = crew.idle.iter().rposition(|idle| idle.pool == pool)
            && let Some(idle) = crew.idle.remove(place)
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
        site: &Site,
        pool: PoolNumber,
        servers: [Server; 2],
    ) -> oneshot::Receiver<Lease> {
        let (work, receiver) = oneshot::channel();
        let mut sites = self.sites();
        let crew = sites.entry(site.clone()).or_default();
        crew.idle.retain(|other| !other.work.is_closed());
        crew.idle.push_back(Idle { work, pool, servers });
        receiver
    }

    /// Whether a connection to a site waits for work.
    #[cfg(test)]
    pub(super) fn rests(&self, site: &Site) -> bool {
        let sites = self.sites();
        sites.get(site).is_some_and(|crew| crew.idle.iter().any(|idle| !idle.work.is_closed()))
    }

    /// Whether a server of this site is connected now.
    pub(super) fn reached(&self, site: &Site) -> bool {
        self.connected(site) > 0
    }

    /// How many connections to a site there are.
    pub(super) fn connected(&self, site: &Site) -> u32 {
        self.sites().get(site).map_or(0, |crew| crew.connected)
    }

    /// How many workers a site has, connected or not.
    pub(super) fn workers(&self, site: &Site) -> u32 {
        self.sites().get(site).map_or(0, |crew| crew.workers)
    }

    /// Lets a worker connect, where its site has fewer connections than `most`; else ends one that is idle.
    fn seat(&self, place: &mut Place, most: u32) -> bool {
        let mut sites = self.sites();
        let Some(crew) = sites.get_mut(&place.site) else { return true };
        if place.seated || crew.seated < most {
            crew.seated += u32::from(!std::mem::replace(&mut place.seated, true));
            return true;
        }
        crew.idle.retain(|idle| !idle.work.is_closed());
        crew.idle.pop_front();
        false
    }

    /// Ends the longest idle connection of some site, to the server named or to any: its place
    /// is needed.
    pub(super) fn evict(&self, whose: Option<&[Server; 2]>) {
        let fits = |idle: &Idle| {
            !idle.work.is_closed()
                && whose.is_none_or(|whose| whose.iter().any(|one| idle.servers.contains(one)))
        };
        let mut sites = self.sites();
        for crew in sites.values_mut() {
            if let Some(place) = crew.idle.iter().position(fits) {
                crew.idle.remove(place);
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
            () = shutdown.cancelled() => return,
            () = self.take_up() => {}
        }
        let dispatched = async {
            tokio::select! {
                () = shutdown.cancelled() => {}
                () = self.dispatch(&workers, &shutdown) => {}
            }
        };
        tokio::join!(dispatched, self.look_after(&shutdown));
        workers.close();
        let longest = self.parts.config.process.drain_timeout.0;
        if timeout(longest, workers.wait()).await.is_err() {
            tracing::warn!(count = workers.len(), "attempts were still under way at the stop");
        }
        self.security.policies.stop();
        self.sources.save().await;
    }

    async fn dispatch(self: &Arc<Self>, workers: &TaskTracker, shutdown: &CancellationToken) {
        let queue = &self.parts.queue;
        loop {
            let site = queue.due().await;
            if let Err(fault) = queue.can_record() {
                // What is sent could not be marked as sent, and would be sent again.
                tracing::error!(%fault, "delivery waits until the spool takes records again");
                tokio::time::sleep(REST).await;
                continue;
            }
            let Some(lease) = queue.lease(&site, 1).await.pop() else {
                tokio::task::yield_now().await;
                continue;
            };
            let pool = self.sources.pool_of(&self.parts.accounts, &lease);
            let Some(lease) = self.pool.offer(&site, pool, lease) else {
                continue;
            };
            let permit = match self.workers.semaphore().clone().try_acquire_owned() {
                Ok(permit) => permit,
                Err(_) => {
                    self.pool.evict(None);
                    match self.workers.semaphore().clone().acquire_owned().await {
                        Ok(permit) => permit,
                        Err(_) => return,
                    }
                }
            };
            self.start(workers, shutdown, site, lease, permit);
        }
    }

    fn start(
        self: &Arc<Self>,
        workers: &TaskTracker,
        shutdown: &CancellationToken,
        site: Site,
        lease: Lease,
        permit: OwnedSemaphorePermit,
    ) {
        let place = Place::new(self, site.clone());
        let (delivery, shutdown) = (Arc::clone(self), shutdown.clone());
        let used = self.levels.attempts.take(1);
        workers.spawn(async move {
            delivery.work(site, lease, place, shutdown).await;
            drop((permit, used));
        });
    }

    /// Waits until a worker may connect. A connection that is idle, or says goodbye, holds no lease and is one to
    /// the server all the same. No: there was none within `delivery.slot_wait_max`.
    pub(super) async fn seated(&self, place: &mut Place, shutdown: &CancellationToken) -> bool {
        let waiting = async {
            loop {
                let left = self.pool.left.notified();
                tokio::pin!(left);
                left.as_mut().enable();
                if self.pool.seat(place, self.connections_max(&place.site)) {
                    return;
                }
                // The site may be given more meanwhile.
                let _ = timeout(REST, left).await;
            }
        };
        let longest = self.parts.config.delivery.slot_wait_max.0;
        tokio::select! {
            () = shutdown.cancelled() => false,
            seated = timeout(longest, waiting) => seated.is_ok(),
        }
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
