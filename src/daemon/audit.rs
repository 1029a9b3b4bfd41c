//! The audit chain while nobody runs: looked at from the records on disk. And what is looked after in it
//! while the daemon runs.

use super::listeners;
use crate::accounts::Accounts;
use crate::config::{Config, Live};
use crate::events::audit::{Audit, Head, Notes};
use crate::events::{Actor, Author};
use crate::policy::Policy;
use crate::store::Store;
use crate::world::World;
use anyhow::{Context, Result, ensure};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How often it is looked whether the words of old entries are over their time.
const EXPIRY_INTERVAL: std::time::Duration = std::time::Duration::from_secs(3600);

/// What a check of the whole chain found.
#[derive(Debug, Clone, Default)]
pub struct Checked {
    /// Entries that were looked at.
    pub looked: u64,
    /// Those whose words were destroyed for a person.
    pub erased: u64,
    /// Those whose words were over their time.
    pub expired: u64,
    /// Whether the records come from a backup, and what of the chain is not here then, in words.
    pub restored: Option<String>,
    /// What is wrong, in words.
    pub findings: Vec<String>,
}

/// Looks at the whole chain on disk, and at a head that was noted elsewhere.
///
/// # Errors
/// The daemon runs; the records cannot be read.
pub fn verify(config: &Config, head: Option<&str>) -> Result<Checked> {
    ensure!(config.data_dir.is_dir(), "data_dir: there is no folder {}", config.data_dir.display());
    let lock = listeners::lock(config)?;
    let noted = head.map(|text| Head::read(text).context("--head: write SEQUENCE:HASH"));
    let noted = noted.transpose()?;
    let world = World::real();
    let store = Store::open(&config.data_dir, &config.store, &world);
    store.ready()?;
    let accounts = Accounts::new(store.clone(), world.clone());
    let keys = accounts.keys()?;
    let policy = Policy::new(accounts, store.clone(), world, &config.queue);
    let chain = Audit::new(store);
    let notes = Notes::new(&config.data_dir, &keys.hash, config.audit.heads_max);
    let restored = policy.restored()?.map(|restored| restored.of_the_chain());
    let mut checked = Checked { restored, ..Checked::default() };
    let mut findings = chain.check_notes(&notes)?;
    findings.extend(chain.check_noted(noted.as_slice())?);
    let mut place = None;
    loop {
        let page = chain.check(place)?;
        checked.looked += page.looked;
        checked.erased += page.erased;
        checked.expired += page.expired;
        findings.extend(page.findings);
        place = page.next;
        if place.is_none() {
            break;
        }
    }
    checked.findings = findings.iter().map(ToString::to_string).collect();
    drop(lock);
    Ok(checked)
}

/// Notes the head now and then, and once more at the end; destroys words that are over their time.
pub(super) async fn tend(
    config: Live,
    accounts: Accounts,
    store: Store,
    world: World,
    stop: CancellationToken,
) {
    let chain = Audit::new(store);
    let mut changes = config.changes();
    // At once for the first time.
    let mut next = Instant::now();
    let mut expiring = tokio::time::interval(EXPIRY_INTERVAL);
    loop {
        let is_last = tokio::select! {
            () = stop.cancelled() => true,
            () = tokio::time::sleep_until(next) => false,
            _ = changes.changed() => {
                next = next.min(Instant::now() + config.audit.head_interval.0);
                continue;
            }
            _ = expiring.tick() => {
                expire(&config, &chain, &world).await;
                continue;
            }
        };
        next = Instant::now() + config.audit.head_interval.0;
        match note(&config, &accounts, &chain, &world).await {
            Ok(Some(head)) => tracing::info!(target: "relent::audit", sequence = head.sequence,
                bound = data_encoding::HEXLOWER.encode(&head.bound), "the head of the audit chain"),
            Ok(None) => {}
            Err(fault) => tracing::warn!(target: "relent::audit",
                "the head of the audit chain was not noted: {fault:#}"),
        }
        if is_last {
            return;
        }
    }
}

async fn note(
    config: &Config,
    accounts: &Accounts,
    chain: &Audit,
    world: &World,
) -> Result<Option<Head>> {
    let notes =
        Notes::new(&config.data_dir, &accounts.make_keys().await?.hash, config.audit.heads_max);
    Ok(chain.note(&notes, world.clock.now()).await?)
}

async fn expire(config: &Config, chain: &Audit, world: &World) {
    let author = Author::new(world.clone()).by(Actor::Relent);
    let age = config.retention.audit.0;
    let now = world.clock.now().0;
    let before = now.saturating_sub(u64::try_from(age.as_millis()).unwrap_or(u64::MAX));
    loop {
        match chain.expire(&author, crate::mail::Timestamp(before)).await {
            Ok(0) => return,
            Ok(count) => {
                tracing::info!(target: "relent::audit", count, "words of old entries were destroyed");
            }
            Err(fault) => {
                tracing::warn!(target: "relent::audit", %fault, "words of old entries were not destroyed");
                return;
            }
        }
    }
}
