//! What is measured of the process itself: which build runs since when, and whether its tasks get their turn in time.

use crate::world::World;
use std::time::Duration;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

/// How often a turn is asked for.
const EVERY: Duration = Duration::from_secs(1);

/// Says which build runs, and since when.
#[allow(clippy::cast_precision_loss, reason = "a gauge is a float, exact up to 2^53")]
pub(super) fn begin(world: &World) {
    metrics::gauge!("relent_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
    metrics::gauge!("relent_start_time_seconds").set(world.clock.now().seconds() as f64);
}

/// Asks for a turn each second, and notes how long it took.
pub(super) async fn run(world: World, stop: CancellationToken) {
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => {}
        }
        let begun = world.clock.steady();
        // Through the queue of tasks, as everybody's work goes.
        let _turn = tokio::spawn(tokio::task::yield_now()).await;
        let lag = world.clock.steady().saturating_sub(begun);
        metrics::histogram!("relent_loop_lag_seconds").record(lag.as_secs_f64());
    }
}
