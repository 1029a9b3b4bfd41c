//! What is kept for a time only: looked at now and then, and destroyed a step at a time.

use crate::config::{Config, Live};
use crate::mail::Timestamp;
use crate::policy::{Policy, Trim};
use crate::store::StoreFault;
use crate::world::World;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often it is looked what is over its time.
const INTERVAL: Duration = Duration::from_secs(6 * 3600);
/// The pause after a step, in which others have their turn.
const PAUSE: Duration = Duration::from_millis(20);

/// Looks after what is kept of records until shutdown.
pub(super) async fn run(config: Live, policy: Policy, world: World, shutdown: CancellationToken) {
    let work = async {
        let mut ticks = tokio::time::interval(INTERVAL);
        loop {
            ticks.tick().await;
            if let Err(fault) = trim(&config, &policy, &world).await {
                tracing::warn!(target: "relent::daemon", %fault,
                    "what is over its time was not destroyed; it is tried again");
            }
        }
    };
    let _stopped = shutdown.run_until_cancelled(work).await;
}

async fn trim(config: &Config, policy: &Policy, world: &World) -> Result<(), StoreFault> {
    let now = world.clock.now().0;
    let before = |age: Duration| {
        let age = u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
        Timestamp(now.saturating_sub(age))
    };
    let ips = before(config.retention.evidence_ips.0);
    for (what, before) in [(Trim::Ips, ips), (Trim::Events, before(config.retention.records.0))] {
        while policy.trim_events(what, before).await? > 0 {
            tokio::time::sleep(PAUSE).await;
        }
    }
    while policy.trim_requests().await? > 0 {
        tokio::time::sleep(PAUSE).await;
    }
    let mut after = None;
    loop {
        after = policy.trim_records(ips, after).await?;
        if after.is_none() {
            return Ok(());
        }
        tokio::time::sleep(PAUSE).await;
    }
}
