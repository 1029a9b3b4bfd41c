//! The way to the certificates of an authority: what the settings want of it is looked after, and once they want
//! something else, that.

use super::runner::{Runner, Wanted, close};
use crate::config::Live;
use crate::dns::Resolver;
use crate::tls;
use crate::world::World;
use serde::Serialize;
use std::future::pending;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio_util::sync::CancellationToken;

/// What the certificates are got with.
pub struct Parts {
    /// All settings.
    pub config: Live,
    /// Serves them.
    pub tls: Arc<tls::Server>,
    /// Proves who the authority is.
    pub client: Arc<tls::Client>,
    /// Finds the authority.
    pub resolver: Arc<dyn Resolver>,
    /// Clock and network.
    pub world: World,
}

/// Certificates of an authority, as far as the settings want them. Cheap to clone.
#[derive(Clone)]
pub struct Acme(Option<Arc<Office>>);

struct Office {
    parts: Parts,
    now: Mutex<Now>,
}

#[derive(Default)]
struct Now {
    /// None where the settings want no certificates.
    runner: Option<Arc<Runner>>,
    /// Link hosts that were asked for last.
    links: Vec<String>,
}

/// How a host stands with the authority.
#[derive(Debug, Clone, Serialize)]
pub struct Standing {
    /// The host.
    pub host: String,
    /// The authority's directory.
    pub directory: String,
    /// Until when its certificate holds; none, where there is none yet.
    pub until: Option<String>,
    /// When the next is asked for.
    pub next_try: String,
    /// Failures in a row.
    pub failures: u32,
    /// Why the last try failed.
    pub fault: Option<String>,
    /// When it did.
    pub failed_at: Option<String>,
}

impl Acme {
    /// Serves what is kept. Without `acme.enabled` nothing is asked for.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let office = Office { parts, now: Mutex::default() };
        office.turn();
        Self(Some(Arc::new(office)))
    }

    /// Looks after these link hosts too, `acme.link_hosts_max` at most, and no longer after those that were
    /// named before and are not now.
    pub fn want(&self, hosts: Vec<String>) {
        let Some(office) = &self.0 else { return };
        let mut now = office.now();
        now.links = hosts;
        if let Some(runner) = &now.runner {
            runner.want(&now.links);
        }
    }

    /// Asks nobody for anything.
    #[must_use]
    pub fn none() -> Self {
        Self(None)
    }

    fn runner(&self) -> Option<Arc<Runner>> {
        self.0.as_ref()?.now().runner.clone()
    }

    /// The page that proves to the authority that a host is ours (RFC 8555 §8.3).
    #[must_use]
    pub fn page(&self, token: &str) -> Option<String> {
        self.runner()?.page(token)
    }

    /// How each host stands.
    #[must_use]
    pub fn standing(&self) -> Vec<Standing> {
        self.runner().map(|runner| runner.standing()).unwrap_or_default()
    }

    /// Has a new certificate asked for now, for one host or for all, whatever waits were agreed on; for how many.
    pub fn renew(&self, name: Option<&str>) -> usize {
        self.runner().map_or(0, |runner| runner.renew(name))
    }

    /// Gets what is due, until `stop`, as the settings have it that hold at the time.
    pub async fn run(self, stop: CancellationToken) {
        let Some(office) = self.0 else { return stop.cancelled().await };
        let mut changes = office.parts.config.changes();
        loop {
            let runner = office.now().runner.clone();
            let work = async {
                match &runner {
                    Some(runner) => runner.run().await,
                    None => pending().await,
                }
            };
            let change = async {
                while office.is_as_wanted() {
                    if changes.changed().await.is_err() {
                        pending::<()>().await;
                    }
                }
            };
            let ends = tokio::select! {
                () = stop.cancelled() => true,
                () = change => false,
                () = work => false,
            };
            // An order that is broken off for this is no failure.
            if let Some(runner) = runner {
                runner.give_up();
            }
            if ends {
                return;
            }
            office.turn();
        }
    }
}

impl Office {
    fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_as_wanted(&self) -> bool {
        let wanted = Wanted::of(&self.parts.config);
        self.now().runner.as_ref().map(|runner| &runner.wanted) == wanted.as_ref()
    }

    /// Looks after what the settings want now.
    fn turn(&self) {
        let mut now = self.now();
        let (old, links) = (now.runner.take(), std::mem::take(&mut now.links));
        now.runner = match (Wanted::of(&self.parts.config), &old) {
            (Some(wanted), Some(old)) => Some(old.after(&self.parts, wanted, &links)),
            (Some(wanted), None) => Some(Runner::new(&self.parts, wanted, &links)),
            (None, old) => {
                close(old.as_deref());
                None
            }
        }
        .map(Arc::new);
        now.links = links;
    }
}
