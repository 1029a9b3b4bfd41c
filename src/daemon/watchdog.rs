//! The word that systemd waits for (`WatchdogSec=`): given only while the parts that everything waits for
//! answer. Withheld, systemd ends the process and starts it anew.

use super::status::{Status, tell};
use crate::http::Vitals;
use sd_notify::NotifyState;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::MissedTickBehavior;
use tokio_util::task::AbortOnDropHandle;

/// A watchdog at work; it ends with this.
pub(super) type Watchdog = AbortOnDropHandle<()>;

/// Begins to answer systemd, where it asks.
pub(super) fn watch(vitals: &Vitals, status: &Arc<Status>) -> Option<Watchdog> {
    let interval = sd_notify::watchdog_enabled().filter(|interval| !interval.is_zero())?;
    if vitals.longest() > interval / 2 {
        tracing::warn!(
            target: "relent::daemon", ?interval, longest = ?vitals.longest(),
            "a look at our health may take longer than half of WatchdogSec: lower the limits in [health]"
        );
    }
    // So often that one look that fails is followed by another before systemd loses patience.
    let work = answer(vitals.clone(), status.clone(), interval / 4);
    Some(AbortOnDropHandle::new(tokio::spawn(work)))
}

async fn answer(vitals: Vitals, status: Arc<Status>, every: Duration) {
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut is_well = true;
    loop {
        let late = ticks.tick().await.elapsed();
        let found = match vitals.look().await {
            Ok(()) => vitals.in_time(late),
            unwell => unwell,
        };
        match found {
            Ok(()) => {
                tell(&[NotifyState::Watchdog]);
                if !std::mem::replace(&mut is_well, true) {
                    tracing::info!(target: "relent::daemon", "well again: the watchdog is answered");
                    status.find(None).await;
                }
            }
            Err(why) => {
                metrics::counter!("relent_watchdog_unanswered_total").increment(1);
                is_well = false;
                tracing::error!(target: "relent::daemon", "the watchdog is not answered: {why}");
                status.find(Some(why)).await;
            }
        }
    }
}
