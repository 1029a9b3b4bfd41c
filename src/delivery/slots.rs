//! Places for connections: so many in all, and of those a share at most to one mail server, so that
//! slow servers never hold them all.

use crate::config::Now;
use crate::telemetry::{Amount, Level};
use crate::world::Turns;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::{Notify, OwnedSemaphorePermit};

/// What part of all places one mail server or domain may hold.
const SHARE: u32 = 4;

/// A mail server, by its address or by its name: a tarpit may have many of either.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Server {
    /// Its address.
    Address(IpAddr),
    /// Its name.
    Name(String),
}

impl Server {
    /// The two ways to know a server.
    pub(super) fn both(name: &str, address: IpAddr) -> [Self; 2] {
        [Self::Address(address.to_canonical()), Self::Name(name.to_ascii_lowercase())]
    }
}

/// All places.
pub(super) struct Slots {
    all: Turns,
    servers: Mutex<HashMap<Server, Use>>,
    freed: Notify,
    level: Level,
}

#[derive(Default)]
struct Use {
    taken: u32,
    waiting: u32,
}

/// A connection's place, free again when dropped.
pub(super) struct Slot {
    part: Part,
    _one: OwnedSemaphorePermit,
    _used: Amount,
}

impl Slot {
    /// The server whose connection it is.
    pub(super) fn servers(&self) -> &[Server; 2] {
        &self.part.servers
    }
}

/// A part of a server's share: taken, or waited for.
struct Part {
    slots: Arc<Slots>,
    servers: [Server; 2],
    waits: bool,
}

impl Drop for Part {
    fn drop(&mut self) {
        let mut all = self.slots.lock();
        for server in &self.servers {
            if let Some(found) = all.get_mut(server) {
                let count = if self.waits { &mut found.waiting } else { &mut found.taken };
                *count = count.saturating_sub(1);
                if found.taken == 0 && found.waiting == 0 {
                    all.remove(server);
                }
            }
        }
        drop(all);
        self.slots.freed.notify_waiters();
    }
}

impl Slots {
    /// So many places.
    pub(super) fn new(most: impl Into<Now<u32>>) -> Arc<Self> {
        let most = most.into();
        let limit = most.clone();
        Arc::new(Self {
            all: Turns::new(Now::of(move || most.get() as usize)),
            servers: Mutex::default(),
            freed: Notify::new(),
            level: Level::new(
                "delivery.connections_max",
                Now::of(move || limit.get().max(1).into()),
            ),
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Server, Use>> {
        self.servers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Most connections to one server, or to one domain.
    pub(super) fn share(&self) -> u32 {
        u32::try_from(self.all.most()).map_or(u32::MAX, |most| (most / SHARE).max(1))
    }

    /// How many places are taken.
    pub(super) fn taken(&self) -> usize {
        self.all.most().saturating_sub(self.all.semaphore().available_permits())
    }

    /// Whether at least half of all places are free: only then may an attempt that waits take a second one.
    pub(super) fn are_plenty(&self) -> bool {
        self.all.semaphore().available_permits() * 2 >= self.all.most()
    }

    /// Whether somebody may wait for the place of this connection.
    pub(super) fn are_wanted(&self, servers: &[Server; 2]) -> bool {
        let all = self.lock();
        self.all.semaphore().available_permits() == 0
            || servers.iter().any(|server| all.get(server).is_some_and(|found| found.waiting > 0))
    }

    fn part(self: &Arc<Self>, servers: &[Server; 2], waits: bool) -> Option<Part> {
        let mut all = self.lock();
        let taken = |server| all.get(server).map_or(0, |found| found.taken);
        if !waits && servers.iter().any(|server| taken(server) >= self.share()) {
            return None;
        }
        for server in servers {
            let found = all.entry(server.clone()).or_default();
            *(if waits { &mut found.waiting } else { &mut found.taken }) += 1;
        }
        Some(Part { slots: Arc::clone(self), servers: servers.clone(), waits })
    }

    /// Waits for a place among those of one server, and then among all. `evict` ends an idle connection
    /// to the server named, or to any.
    pub(super) async fn take(
        self: &Arc<Self>,
        servers: [Server; 2],
        evict: impl Fn(Option<&[Server; 2]>),
    ) -> Option<Slot> {
        let part = match self.part(&servers, false) {
            Some(part) => part,
            None => self.freed(&servers, &evict).await,
        };
        let one = match self.all.semaphore().clone().try_acquire_owned() {
            Ok(one) => one,
            Err(_) => {
                evict(None);
                self.all.semaphore().clone().acquire_owned().await.ok()?
            }
        };
        Some(Slot { part, _one: one, _used: self.level.take(1) })
    }

    async fn freed(
        self: &Arc<Self>,
        servers: &[Server; 2],
        evict: &impl Fn(Option<&[Server; 2]>),
    ) -> Part {
        let _waits = self.part(servers, true);
        evict(Some(servers));
        loop {
            let freed = self.freed.notified();
            tokio::pin!(freed);
            freed.as_mut().enable();
            if let Some(part) = self.part(servers, false) {
                return part;
            }
            freed.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test]
    async fn one_server_never_holds_all_places() {
        let slots = Slots::new(8);
        let take = |name: &str, last: u8| {
            let servers = Server::both(name, [192, 0, 2, last].into());
            let slots = slots.clone();
            async move {
                let taken = slots.take(servers, |_| {});
                tokio::time::timeout(Duration::from_millis(20), taken).await.ok().flatten()
            }
        };
        let held = [take("slow.example", 1).await, take("slow.example", 2).await];
        assert!(held.iter().all(Option::is_some));
        assert!(take("slow.example", 3).await.is_none(), "a third to one name");
        let again = [take("a.example", 1).await, take("b.example", 1).await];
        assert!(again[0].is_some() && again[1].is_none(), "a third to one address");
        assert!(take("other.example", 9).await.is_some());
        drop(held);
        let third = take("slow.example", 3).await;
        assert!(
            third.is_some() && slots.are_plenty(),
            "it, one of `other`'s, one of `a`'s: half are free"
        );
        let more =
            [take("c.example", 4).await, take("d.example", 5).await, take("e.example", 6).await];
        assert!(more.iter().all(Option::is_some) && !slots.are_plenty());
    }
}
