//! A stop as a person makes it, by whatever way: recorded, and what waits for that person ended.

use super::{Queue, Selector};
use crate::events::record::{Evidence, Grounds, Reason, Scope, Source};
use crate::mail::{AccountId, RecipientHash};
use crate::policy::{Buried, Death, Made, Policy, Settled, Subject};
use crate::store::StoreFault;
use std::sync::Arc;
use std::time::Instant;

/// What is to be stopped.
#[derive(Debug, Clone)]
pub struct Stop {
    /// Whose mail.
    pub account: AccountId,
    /// To whom, under the account's key.
    pub recipient: RecipientHash,
    /// The same, by address where that is known, so that the record names it.
    pub subject: Subject,
    /// How far it reaches.
    pub scope: Scope,
    /// Why.
    pub reason: Reason,
    /// What it rests on.
    pub evidence: Evidence,
    /// Of mail that came in: by which rule and on what proof.
    pub grounds: Option<Grounds>,
    /// When the wish arrived: the end of its message, or the begin of its request.
    pub arrived: Instant,
}

/// Records a stop and ends the queued mail that it binds. It runs on a task of its own, so that one who hangs up is stopped all the same.
///
/// # Errors
/// The store.
pub async fn stop(policy: &Policy, queue: &Arc<dyn Queue>, stop: Stop) -> Result<Made, StoreFault> {
    let (policy, queue) = (policy.clone(), queue.clone());
    let work = async move {
        let Stop { account, recipient, subject, scope, reason, evidence, grounds, arrived } = stop;
        let (way, ip) = (evidence.source, evidence.ip.clone().unwrap_or_default());
        let what = (scope, reason);
        let done = policy.suppress_on(account, subject, what, evidence, grounds).await?;
        let ended = queue.cancel(Selector::Recipient(account, recipient)).await;
        metrics::counter!("relent_stops_total", "way" => way.label(), "reason" => reason.name())
            .increment(1);
        metrics::histogram!("relent_stop_seconds", "way" => way.label())
            .record(arrived.elapsed().as_secs_f64());
        if reason == Reason::Complaint && done.is_new {
            queue.complained(account);
        }
        tracing::info!(
            target: "relent::queue", event = "stop",
            account = policy.account_name(account), recipient = %recipient, ?scope,
            way = way.label(),
            reason = reason.name(), record = done.event, settled = ?done.settled, ended, ip,
            "stopped: {}", way.name()
        );
        Ok(done)
    };
    tokio::spawn(work).await.unwrap_or(Err(StoreFault::Closed))
}

/// Takes note of a bounce that came by mail, and ends the queued mail of an address that is stopped for it;
/// whether a dot may still follow. On a task of its own, as [`stop()`].
///
/// # Errors
/// The store.
pub async fn bounced(
    policy: &Policy,
    queue: &Arc<dyn Queue>,
    death: Death,
) -> Result<Settled, StoreFault> {
    let (policy, queue) = (policy.clone(), queue.clone());
    let work = async move {
        let (account, hash, site) = (death.account, death.hash, death.site.clone());
        let (buried, settled) = policy.bounced(death).await?;
        let mut ended = 0;
        if let Buried::Stopped(_) = buried {
            ended = queue.cancel(Selector::Recipient(account, hash)).await;
            let (way, reason) = (Source::Bounce.label(), Reason::HardBounce.name());
            metrics::counter!("relent_stops_total", "way" => way, "reason" => reason).increment(1);
        }
        tracing::info!(
            target: "relent::queue", event = "bounce",
            account = policy.account_name(account), recipient = %hash, site,
            outcome = buried.name(), ?settled, ended, "a bounce says that the address is dead"
        );
        Ok(settled)
    };
    tokio::spawn(work).await.unwrap_or(Err(StoreFault::Closed))
}
