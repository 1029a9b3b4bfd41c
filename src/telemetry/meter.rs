//! Metrics: one registry a process, as the `metrics` crate has it, and what its figures mean.

use metrics::{describe_counter, describe_gauge};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use std::sync::OnceLock;

/// The process's registry: installed at the first call, the same one at every later call.
#[must_use]
pub fn metrics() -> PrometheusHandle {
    static REGISTRY: OnceLock<PrometheusHandle> = OnceLock::new();
    let install = || {
        let recorder = PrometheusBuilder::new().build_recorder();
        let handle = recorder.handle();
        // Fails only where another library of the process counts for itself: ours then stays empty.
        if metrics::set_global_recorder(recorder).is_ok() {
            describe();
        }
        handle
    };
    REGISTRY.get_or_init(install).clone()
}

fn describe() {
    describe_counter!(
        "relent_recipients_total",
        "Attempts by outcome: delivered, deferred, failed, stopped, cancelled."
    );
    describe_counter!(
        "relent_possible_duplicates_total",
        "Recipients whose message left whole without an answer, so that it is sent again."
    );
    describe_counter!("relent_http_requests_total", "HTTP requests by route and status.");
    describe_counter!(
        "relent_stops_total",
        "Stops that people made, by way (reply, list_unsubscribe, one_click, page, complaint) and reason."
    );
    describe_counter!("relent_inbound_total", "Mail to our own addresses, by kind.");
    describe_counter!("relent_messages_accepted_total", "Messages of applications accepted.");
    describe_counter!("relent_messages_refused_total", "Messages of applications refused whole.");
    describe_counter!("relent_recipients_refused_total", "Recipients refused at RCPT.");
    describe_counter!("relent_connections_total", "SMTP connections taken.");
    describe_counter!("relent_connections_refused_total", "SMTP connections refused at a limit.");
    describe_counter!(
        "relent_http_connections_refused_total",
        "HTTP connections refused at a limit."
    );
    describe_gauge!("relent_limit", "What each limited thing may come to, by its setting.");
    describe_gauge!("relent_limit_used", "How much of each limit is in use, by its setting.");
    describe_counter!("relent_auth_failures_total", "AUTH attempts that failed.");
    describe_counter!(
        "relent_webhook_calls_total",
        "Calls of webhooks by outcome: taken, later, gone, failed."
    );
    describe_gauge!("relent_webhook_calls_waiting", "Calls of webhooks to be made again.");
    describe_gauge!("relent_webhooks_failing", "Webhooks whose endpoints fail.");
    describe_counter!("relent_webhook_failed_total", "Calls of webhooks that were given up.");
    describe_counter!("relent_webhook_forgotten_total", "Failed calls past webhooks.failed_max.");
    describe_counter!(
        "relent_webhook_disabled_total",
        "Webhooks switched off as their endpoints fail."
    );
    describe_counter!(
        "relent_webhook_events_missed_total",
        "Events gone from the log before a webhook was told of them."
    );
    describe_gauge!(
        "relent_tls_certificate_expiry_timestamp_seconds",
        "When our certificate of that first name ends, in seconds since 1970."
    );
    describe_gauge!(
        "relent_tls_certificate_faults",
        "Pairs of certificate files that changed and could not be taken; the old ones are in use."
    );
    describe_counter!(
        "relent_acme_orders_total",
        "Certificates asked of an authority, by outcome: issued, failed."
    );
    describe_gauge!(
        "relent_acme_failures",
        "Failures in a row to get a certificate for a host; 0 once it is there."
    );
    describe_gauge!(
        "relent_queue_recipients",
        "Recipients that wait, by state: queued, active, held."
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_shown() {
        let registry = metrics();
        metrics::counter!("relent_http_requests_total", "route" => "/test", "status" => "200")
            .increment(1);
        let shown = metrics().render();
        assert!(shown.contains("relent_http_requests_total{route=\"/test\""), "{shown}");
        assert_eq!(registry.render().is_empty(), shown.is_empty());
    }
}
