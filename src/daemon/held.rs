//! Mail that is held since a restore: said as long as it is, in the log and as a figure; `status` tells systemd.

use crate::policy::Policy;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How often it is looked whether mail was let go.
const LOOK: Duration = Duration::from_secs(2);
/// How often the log says that it was not.
const REMIND: Duration = Duration::from_secs(3600);

/// Says it until all mail was let go, and waits for shutdown: no part ends by itself.
pub(super) async fn run(policy: Policy, stop: CancellationToken) {
    let mut said: Option<Instant> = None;
    loop {
        match policy.restored() {
            Ok(Some(restored)) if !restored.is_let_go() => {
                if said.is_none_or(|at| at.elapsed() >= REMIND) {
                    tracing::warn!(target: "relent::daemon", "all mail is {}", restored.why());
                    said = Some(Instant::now());
                }
                metrics::gauge!("relent_restore_held").set(1.0);
            }
            Ok(_) => {
                metrics::gauge!("relent_restore_held").set(0.0);
                return stop.cancelled().await;
            }
            // The log says elsewhere why they cannot be read.
            Err(_) => {}
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK) => {}
        }
    }
}
