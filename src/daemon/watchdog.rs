//! The word that systemd waits for (`WatchdogSec=`): given only while the parts that everything waits for
//! answer. Withheld, systemd ends the process and starts it anew.

use crate::http::Vitals;
use sd_notify::NotifyState;
use std::time::Duration;
use tokio::time::MissedTickBehavior;
use tokio_util::task::AbortOnDropHandle;

/// A watchdog at work; it ends with this.
pub(super) type Watchdog = AbortOnDropHandle<()>;

/// Begins to answer systemd, where it asks.
pub(super) fn watch(vitals: &Vitals) -> Option<Watchdog> {
    let interval = sd_notify::watchdog_enabled().filter(|interval| !interval.is_zero())?;
    if vitals.longest() > interval / 2 {
        tracing::warn!(
            target: "relent::daemon", ?interval, longest = ?vitals.longest(),
            "a look at our health may take longer than half of WatchdogSec: lower the limits in [health]"
        );
    }
    // So often that one look that fails is followed by another before systemd loses patience.
    let work = answer(vitals.clone(), interval / 4);
    Some(AbortOnDropHandle::new(tokio::spawn(work)))
}

async fn answer(vitals: Vitals, every: Duration) {
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut is_well = true;
    loop {
        ticks.tick().await;
        match vitals.look().await {
            Ok(()) => {
                tell(&[NotifyState::Watchdog]);
                if !std::mem::replace(&mut is_well, true) {
                    tracing::info!(target: "relent::daemon", "well again: the watchdog is answered");
                    tell(&[NotifyState::Status("well again")]);
                }
            }
            Err(why) => {
                metrics::counter!("relent_watchdog_unanswered_total").increment(1);
                is_well = false;
                tracing::error!(target: "relent::daemon", "the watchdog is not answered: {why}");
                tell(&[NotifyState::Status(&format!("not well: {why}"))]);
            }
        }
    }
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(fault) = sd_notify::notify(state) {
        tracing::warn!(target: "relent::daemon", %fault, "systemd cannot be told");
    }
}
