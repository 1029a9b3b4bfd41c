//! Metrics: one registry a process, as the `metrics` crate has it, filled from the list of all figures.

use super::list::{Kind, Metric, metrics_listed};
use metrics::{Label, Unit, describe_counter, describe_gauge, describe_histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use std::sync::OnceLock;

/// The process's registry: installed at the first call, the same one at every later call.
#[must_use]
pub fn metrics() -> PrometheusHandle {
    static REGISTRY: OnceLock<PrometheusHandle> = OnceLock::new();
    let install = || {
        let mut builder = PrometheusBuilder::new();
        for metric in metrics_listed() {
            if let Kind::Histogram(bounds) = metric.kind {
                let name = Matcher::Full(metric.name.to_owned());
                builder = builder
                    .set_buckets_for_metric(name, bounds)
                    .expect("a listed histogram has bounds");
            }
        }
        let recorder = builder.build_recorder();
        let handle = recorder.handle();
        // Fails only where another library of the process counts for itself: ours then stays empty.
        if metrics::set_global_recorder(recorder).is_ok() {
            metrics_listed().for_each(begin);
        }
        handle
    };
    REGISTRY.get_or_init(install).clone()
}

/// Says what a figure is. A counter begins at nought, so that its first step is one to whoever compares; a gauge of which
/// nothing is known yet says nothing.
fn begin(metric: &'static Metric) {
    let unit = match metric.unit() {
        Some("seconds") => Unit::Seconds,
        Some("bytes") => Unit::Bytes,
        _ => Unit::Count,
    };
    match metric.kind {
        Kind::Counter => describe_counter!(metric.name, unit, metric.help),
        Kind::Gauge | Kind::Info => describe_gauge!(metric.name, unit, metric.help),
        Kind::Histogram(_) => describe_histogram!(metric.name, unit, metric.help),
    }
    for words in metric.combinations() {
        let labels: Vec<Label> =
            words.into_iter().map(|(name, word)| Label::from_static_parts(name, word)).collect();
        match metric.kind {
            Kind::Counter => metrics::counter!(metric.name, labels).increment(0),
            Kind::Histogram(_) => drop(metrics::histogram!(metric.name, labels)),
            Kind::Gauge | Kind::Info => {}
        }
    }
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

    #[test]
    fn counters_and_histograms_begin_before_anything_has_happened() {
        let shown = metrics().render();
        for sample in [
            "relent_compliance_total{finding=\"line_long\",verdict=\"refused\"} ",
            "relent_watchdog_unanswered_total ",
            "relent_stop_seconds_bucket{way=\"page\",le=\"0.005\"} ",
            "# HELP relent_stop_seconds From ",
            "# TYPE relent_stop_seconds histogram",
        ] {
            assert!(shown.contains(&format!("\n{sample}")), "{sample}: {shown}");
        }
    }
}
