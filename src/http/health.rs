//! For those who watch: figures, whether the process lives, whether it takes mail.

use super::site::Parts;
use crate::telemetry::{OPEN_METRICS, open_metrics};
use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use std::sync::atomic::Ordering;

/// The routes of every face.
pub(super) fn routes() -> Router<Parts> {
    Router::new().route("/livez", get(|| async { "alive\n" })).route("/readyz", get(ready))
}

/// Figures, which tell how much is sent and refused: not for a face that the whole internet sees.
pub(super) fn metrics() -> Router<Parts> {
    Router::new().route("/metrics", get(figures))
}

async fn figures(State(parts): State<Parts>) -> impl IntoResponse {
    let summary = parts.queue.summary().await;
    for (state, count) in
        [("queued", summary.queued), ("active", summary.active), ("held", summary.held)]
    {
        // Exact up to 2^53 recipients.
        #[allow(clippy::cast_precision_loss, reason = "a gauge is a float")]
        metrics::gauge!("relent_queue_recipients", "state" => state).set(count as f64);
    }
    let text = open_metrics(&parts.metrics.render());
    ([(header::CONTENT_TYPE, OPEN_METRICS)], text)
}

async fn ready(State(parts): State<Parts>) -> (StatusCode, String) {
    let reason = if let Err(fault) = parts.store.ready() {
        fault.to_string()
    } else if let Err(fault) = parts.queue.ready() {
        fault.to_string()
    } else if let Err(why) = parts.vitals.recent().await {
        why
    } else if !parts.ready.load(Ordering::Acquire) {
        "starting or stopping".into()
    } else {
        return (StatusCode::OK, "ready\n".into());
    };
    (StatusCode::SERVICE_UNAVAILABLE, reason + "\n")
}
