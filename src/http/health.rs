//! For those who watch: figures, whether the process lives, whether it takes mail.

use super::problem::Problem;
use super::serve::Peer;
use super::site::Parts;
use crate::queue::Summary;
use crate::telemetry::{OPEN_METRICS, TEXT_METRICS, open_metrics};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router};
use std::sync::atomic::Ordering;

/// The routes of both faces.
pub(super) fn routes() -> Router<Parts> {
    Router::new()
        .route("/metrics", get(figures))
        .route("/livez", get(|| async { "alive\n" }))
        .route("/readyz", get(ready))
}

/// The figures, to who may read them: they name accounts.
async fn figures(
    State(parts): State<Parts>,
    peer: Option<Extension<Peer>>,
    headers: HeaderMap,
) -> Response {
    let asker = peer.and_then(|Extension(peer)| peer.asker(&headers));
    if !parts.config.metrics.may_read(asker) {
        let from = asker.map(|ip| ip.to_string()).unwrap_or_default();
        let text = format!("figures are not shown to {from}: metrics.readers names who may read");
        return Problem::new(StatusCode::FORBIDDEN, text).into_response();
    }
    look(&parts).await;
    let text = parts.metrics.render();
    if wants_text(&headers) {
        return ([(header::CONTENT_TYPE, TEXT_METRICS)], text).into_response();
    }
    ([(header::CONTENT_TYPE, OPEN_METRICS)], open_metrics(&text)).into_response()
}

/// Whether somebody knows the older text alone.
fn wants_text(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let kinds: Vec<_> = accepted.flat_map(|value| value.split(',')).map(str::trim).collect();
    let names = |kind: &str| kinds.iter().any(|given| given.starts_with(kind));
    names("text/plain") && !names("application/openmetrics-text") && !names("*/*")
}

/// Sets those figures that are looked at when they are asked for.
#[allow(clippy::cast_precision_loss, reason = "a gauge is a float, exact up to 2^53")]
async fn look(parts: &Parts) {
    let summary = parts.queue.summary().await;
    let states = [("queued", summary.queued), ("active", summary.active), ("held", summary.held)];
    for ((state, count), ages) in states.into_iter().zip(&summary.ages) {
        metrics::gauge!("relent_queue_recipients", "state" => state).set(count as f64);
        for ((_, age), count) in Summary::AGES.iter().zip(ages) {
            metrics::gauge!("relent_queue_age_recipients", "state" => state, "age" => *age)
                .set(*count as f64);
        }
    }
    metrics::gauge!("relent_queue_oldest_due_seconds").set(summary.oldest_due.as_secs_f64());
    if let Ok(free) = parts.world.disk.free(&parts.config.data_dir) {
        metrics::gauge!("relent_disk_free_bytes").set(free as f64);
    }
    let least = parts.config.spool.free_space_min.0;
    metrics::gauge!("relent_disk_free_min_bytes").set(least as f64);
    let is_ready = unready(parts).await.is_none();
    metrics::gauge!("relent_ready").set(if is_ready { 1.0 } else { 0.0 });
}

/// Why mail is not taken now.
async fn unready(parts: &Parts) -> Option<String> {
    if let Err(fault) = parts.store.ready() {
        Some(fault.to_string())
    } else if let Err(fault) = parts.queue.ready() {
        Some(fault.to_string())
    } else if let Err(why) = parts.vitals.recent().await {
        Some(why)
    } else if !parts.ready.load(Ordering::Acquire) {
        Some("starting or stopping".into())
    } else {
        None
    }
}

async fn ready(State(parts): State<Parts>) -> (StatusCode, String) {
    match unready(&parts).await {
        None => {
            let held = parts.policy.restore_held();
            let held =
                held.map_or_else(String::new, |restored| format!("mail is {}\n", restored.why()));
            (StatusCode::OK, format!("ready\n{held}"))
        }
        Some(reason) => (StatusCode::SERVICE_UNAVAILABLE, reason + "\n"),
    }
}
