//! Mail goes out: route, connection, attempt, signature, outcome. It sends and never decides.
//!
//! The dispatcher takes what is due and hands it to a connection of its site, or to a worker that
//! looks its servers up, waits for a place and connects ([`Delivery::run`]). A connection sends one recipient's copy at a time: judged, announced, prepared,
//! sent, permitted, dotted; then it looks for more work of its site and waits a while before it quits.
//!
//! A site is all domains with the same servers. A domain is a site by itself until its servers were looked up; then
//! its mail waits in their queue. How each site stands is learned from what it says, and from whether it can be reached.

mod batch;
mod copy;
pub mod dialog;
mod envelope;
mod kept;
mod last_write;
mod outcome;
mod pool;
pub mod probe;
mod reach;
mod reports;
mod route;
mod security;
mod show;
mod sign;
mod sites;
mod slots;
mod sources;
mod standing;
#[cfg(test)]
mod tests;
mod transaction;
mod warm_up;
mod wire;
mod worker;

pub use kept::SuspensionFault;
pub use show::{SiteReport, Waiting};

use crate::accounts::Accounts;
use crate::config::{Config, Live, Shaping};
use crate::dns::Resolver;
use crate::policy::Policy;
use crate::queue::Queue;
use crate::store::Store;
use crate::telemetry::{Level, Tracer};
use crate::tls;
use crate::web::Web;
use crate::world::{Own, Turns, World};
use batch::Singly;
use pool::Pool;
use reach::Families;
use reports::Tally;
use security::{Policies, Security};
use sites::Sites;
use slots::Slots;
use sources::Sources;
use std::sync::Arc;

/// What delivery is made of.
pub struct Parts {
    /// The settings.
    pub config: Live,
    /// What each site is given.
    pub shaping: Shaping,
    /// What waits.
    pub queue: Arc<dyn Queue>,
    /// Streams, accounts and signing keys.
    pub accounts: Accounts,
    /// Who may be sent what.
    pub policy: Policy,
    /// Where mail goes.
    pub resolver: Arc<dyn Resolver>,
    /// Clock and network.
    pub world: World,
    /// Policies of TLS and how TLS fared; how much new addresses have sent; what is suspended and what
    /// is out of reach.
    pub store: Store,
    /// TLS to others.
    pub tls: Arc<tls::Client>,
    /// Where this relay listens, so that it never sends to itself.
    pub own: Own,
    /// Who looks on at sessions.
    pub tracer: Tracer,
}

/// Delivery.
pub struct Delivery {
    parts: Parts,
    pool: Pool,
    sites: Sites,
    /// One change of suspensions at a time.
    suspending: tokio::sync::Mutex<()>,
    slots: Arc<Slots>,
    singly: Singly,
    workers: Turns,
    memory: Turns,
    levels: Levels,
    sources: Sources,
    families: Families,
    keys: sign::Keys,
    web: Arc<Web>,
    security: Security,
    tally: Arc<Tally>,
}

/// How much is in use of what attempts need.
struct Levels {
    attempts: Level,
    memory: Level,
}

impl Delivery {
    /// Connections to mail servers that are open.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.slots.taken()
    }

    /// Delivery that does nothing until it is run.
    #[must_use]
    pub fn new(parts: Parts) -> Arc<Self> {
        let live = &parts.config;
        let web = Arc::new(Web {
            resolver: parts.resolver.clone(),
            network: parts.world.network.clone(),
            tls: parts.tls.clone(),
            allow_private: live.now(|c| c.delivery.allow_private),
            own: parts.own.clone(),
        });
        Arc::new(Self {
            pool: Pool::default(),
            sites: Sites::new(parts.shaping.clone()),
            suspending: tokio::sync::Mutex::default(),
            singly: Singly::default(),
            slots: Slots::new(live.now(|c| c.delivery.connections_max)),
            workers: Turns::new(live.now(|c| c.delivery.attempts_max as usize)),
            memory: Turns::new(live.now(copies)),
            levels: Levels {
                attempts: Level::new(
                    "delivery.attempts_max",
                    live.now(|c| c.delivery.attempts_max.into()),
                ),
                memory: Level::new(
                    "delivery.copies_memory_max",
                    live.now(|c| c.delivery.copies_memory_max.0),
                ),
            },
            sources: Sources::new(live, parts.store.clone()),
            families: Families::default(),
            keys: sign::Keys::default(),
            security: security(&parts, web.clone()),
            web,
            tally: Tally::new(
                live.section(|c| &c.tls_reports),
                parts.store.clone(),
                parts.world.clone(),
            ),
            parts,
        })
    }
}

/// How many pieces of memory copies may take.
fn copies(config: &Config) -> usize {
    let units = (config.delivery.copies_memory_max.0 / copy::UNIT).clamp(1, 1 << 28);
    usize::try_from(units).unwrap_or(1)
}

/// What decides about TLS, of the parts.
fn security(parts: &Parts, web: Arc<Web>) -> Security {
    let (config, world) = (&parts.config, parts.world.clone());
    Security {
        settings: config.section(|c| &c.delivery),
        resolver: parts.resolver.clone(),
        policies: Policies::new(config.section(|c| &c.mta_sts), parts.store.clone(), world, web),
        client: parts.tls.clone(),
        clock: parts.world.clock.clone(),
    }
}
