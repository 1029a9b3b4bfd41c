//! What is looked after while the daemon runs.

use super::audit;
use super::outgoing::ShapingFile;
use crate::accounts::{Accounts, Ours};
use crate::acme::Acme;
use crate::config::Live;
use crate::dns::Resolver;
use crate::events::request::forget_old;
use crate::store::Store;
use crate::tls;
use crate::world::World;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often answers to requests with keys are looked through for old ones.
const FORGET_INTERVAL: Duration = Duration::from_secs(600);
/// How often the reserve on disk is looked after.
const RESERVE_INTERVAL: Duration = Duration::from_secs(2);

/// Tends until `stop`.
pub(super) async fn run(
    config: Live,
    (tls, shaping): (Arc<tls::Server>, Arc<ShapingFile>),
    world: World,
    (accounts, store, resolver): (Accounts, Store, Arc<dyn Resolver>),
    acme: Acme,
    stop: CancellationToken,
) {
    let chain = (config.clone(), accounts.clone(), store.clone(), world.clone());
    tokio::join!(
        audit::tend(chain.0, chain.1, chain.2, chain.3, stop.clone()),
        files(&config, (tls, shaping), world.clone(), stop.clone()),
        domains(&config, &accounts, (&*resolver, &acme), stop.clone()),
        uses(&config, &accounts, stop.clone()),
        requests(&config, &store, world.clone(), stop.clone()),
        super::clock::tend(world.clone(), stop.clone()),
        reserve(config.clone(), world, stop)
    );
}

/// Looks up what sending domains wait for: new keys that sign once they are published, hosts of
/// their own, which get their certificates.
async fn domains(
    config: &Live,
    accounts: &Accounts,
    (resolver, acme): (&dyn Resolver, &Acme),
    stop: CancellationToken,
) {
    let mut changes = config.changes();
    loop {
        match accounts.link_hosts() {
            Ok(hosts) => acme.want(hosts),
            Err(fault) => {
                tracing::warn!(target: "relent::acme", %fault, "link hosts cannot be listed");
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(config.domains.look_interval.0) => {}
            _ = changes.changed() => continue,
        }
        let (ours, kept) = (Ours::of(config), config.retired_key_kept());
        tokio::select! {
            () = stop.cancelled() => return,
            looked = accounts.look_after_domains(resolver, &ours, kept) => {
                if let Err(fault) = looked {
                    tracing::warn!(target: "relent::daemon", %fault, "sending domains were not looked up");
                }
            }
        }
    }
}

/// Writes down when credentials were used last, and once more at the end.
async fn uses(config: &Live, accounts: &Accounts, stop: CancellationToken) {
    loop {
        let ends = tokio::select! {
            () = stop.cancelled() => true,
            () = tokio::time::sleep(config.api.last_use_save.0) => false,
        };
        if let Err(fault) = accounts.save_uses().await {
            tracing::warn!(target: "relent::daemon", %fault, "last uses of credentials were not written down");
        }
        if ends {
            return;
        }
    }
}

/// Forgets answers to requests with keys once they are old.
async fn requests(config: &Live, store: &Store, world: World, stop: CancellationToken) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(FORGET_INTERVAL) => {}
        }
        let age_max = config.api.idempotency_age_max.0;
        if let Err(fault) = forget_old(store, world.clock.now(), age_max).await {
            tracing::warn!(target: "relent::daemon", %fault, "old answers were not forgotten");
        }
    }
}

/// Keeps room on disk for records, and makes it anew once it was needed and there is room again.
async fn reserve(config: Live, world: World, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(RESERVE_INTERVAL);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let (world, spare) = (world.clone(), config.spool.free_space_min.0);
        let tend = move || world.reserve.tend(world.disk.as_ref(), spare);
        let _ = tokio::task::spawn_blocking(tend).await;
    }
}

/// Looks at the certificate files and the shaping file now and then, and says how our certificates stand.
async fn files(
    config: &Live,
    (tls, shaping): (Arc<tls::Server>, Arc<ShapingFile>),
    world: World,
    stop: CancellationToken,
) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(config.tls.look_interval.0) => {
                tls.reload();
                tls.tell(world.clock.now(), &super::check::hosts(config));
                let _ = shaping.look();
            }
        }
    }
}
