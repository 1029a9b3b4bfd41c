//! Figures as OpenMetrics 1.0 has them, made from the older text that the registry writes.

use super::list::{Kind, Metric, metric_named};
use std::borrow::Cow;

/// The media type of what [`open_metrics`] writes.
pub const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// The media type of the registry's own text.
pub const TEXT_METRICS: &str = "text/plain; version=0.0.4; charset=utf-8";

/// A bucket's bound as OpenMetrics writes it: a whole number is a float too.
fn bounded(line: &str) -> Cow<'_, str> {
    let Some((before, (bound, after))) =
        line.split_once("le=\"").and_then(|(before, rest)| Some((before, rest.split_once('"')?)))
    else {
        return Cow::Borrowed(line);
    };
    if !line.contains("_bucket{") || bound.contains(['.', 'I']) {
        return Cow::Borrowed(line);
    }
    Cow::Owned(format!("{before}le=\"{bound}.0\"{after}"))
}

/// Writes the registry's text as OpenMetrics: a counter's family is named without `_total`, units are told, what is
/// always 1 is an info, no line is empty, and `# EOF` says that nothing was cut off.
#[must_use]
pub fn open_metrics(text: &str) -> String {
    let counters: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter"))
        .collect();
    let family = |name: &str| {
        if let Some(metric) = metric_named(name) {
            return metric.family().to_owned();
        }
        let counted = counters.contains(&name);
        name.strip_suffix("_total").filter(|_| counted).unwrap_or(name).to_owned()
    };
    let mut out = String::with_capacity(text.len());
    for line in text.lines().filter(|line| !line.is_empty()) {
        let named = ["# TYPE ", "# HELP "].iter().find_map(|kind| {
            let (name, rest) = line.strip_prefix(kind)?.split_once(' ')?;
            let metric = metric_named(name);
            let is_type = *kind == "# TYPE ";
            let rest = match metric.map(|metric| metric.kind) {
                Some(Kind::Info) if is_type => "info",
                _ => rest,
            };
            let family = family(name);
            let unit = metric.and_then(Metric::unit).filter(|_| is_type);
            let unit = unit.map(|unit| format!("\n# UNIT {family} {unit}")).unwrap_or_default();
            Some(format!("{kind}{family} {rest}{unit}"))
        });
        match named {
            Some(named) => out.push_str(&named),
            None => out.push_str(&bounded(line)),
        }
        out.push('\n');
    }
    out + "# EOF\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_lose_their_total_in_the_family_and_keep_it_in_the_sample() {
        let text = "# HELP relent_stops_total Stops by way.\n# TYPE relent_stops_total counter\n\
                    relent_stops_total{way=\"one_click\"} 3\n\n\
                    # HELP relent_queue_recipients_total Not a counter.\n\
                    # TYPE relent_queue_recipients_total gauge\n\
                    relent_queue_recipients_total{state=\"held\"} 0\n\n";
        assert_eq!(
            open_metrics(text),
            "# HELP relent_stops Stops by way.\n# TYPE relent_stops counter\n\
             relent_stops_total{way=\"one_click\"} 3\n\
             # HELP relent_queue_recipients_total Not a counter.\n\
             # TYPE relent_queue_recipients_total gauge\n\
             relent_queue_recipients_total{state=\"held\"} 0\n\
             # EOF\n"
        );
        assert_eq!(open_metrics(""), "# EOF\n");
    }

    #[test]
    fn units_are_told_and_bounds_are_floats() {
        let text = "# HELP relent_stop_seconds From arrival to record.\n# TYPE relent_stop_seconds histogram\n\
                    relent_stop_seconds_bucket{way=\"page\",le=\"0.5\"} 1\n\
                    relent_stop_seconds_bucket{way=\"page\",le=\"1\"} 1\n\
                    relent_stop_seconds_bucket{way=\"page\",le=\"+Inf\"} 1\n\n\
                    # TYPE relent_build_info gauge\nrelent_build_info{version=\"1\"} 1\n";
        assert_eq!(
            open_metrics(text),
            "# HELP relent_stop_seconds From arrival to record.\n# TYPE relent_stop_seconds histogram\n\
             # UNIT relent_stop_seconds seconds\n\
             relent_stop_seconds_bucket{way=\"page\",le=\"0.5\"} 1\n\
             relent_stop_seconds_bucket{way=\"page\",le=\"1.0\"} 1\n\
             relent_stop_seconds_bucket{way=\"page\",le=\"+Inf\"} 1\n\
             # TYPE relent_build info\nrelent_build_info{version=\"1\"} 1\n# EOF\n"
        );
    }

    /// The registry's own text, through the rules of the specification: each family is typed once,
    /// before its samples, and every sample is of the family that stands open.
    #[test]
    fn the_registrys_figures_hold_to_the_form() {
        let registry = crate::telemetry::metrics();
        metrics::counter!("relent_text_total", "way" => "page").increment(2);
        metrics::gauge!("relent_text_depth").set(1.5);
        let text = open_metrics(&registry.render());
        let (mut open, mut seen) = (None, Vec::new());
        let lines: Vec<&str> = text.strip_suffix("# EOF\n").expect("its end").lines().collect();
        for line in lines {
            if let Some(rest) = line.strip_prefix("# TYPE ") {
                let (name, kind) = rest.split_once(' ').expect("a name and a type");
                assert!(!seen.contains(&name), "{name} is typed twice");
                seen.push(name);
                open = Some((name, kind));
            } else if let Some(rest) = line.strip_prefix("# UNIT ") {
                let (name, unit) = rest.split_once(' ').expect("a name and a unit");
                assert!(open.is_some_and(|(of, _)| of == name) && name.ends_with(unit), "{line}");
            } else if !line.starts_with("# ") {
                let (name, kind) = open.expect("a type before its samples");
                let sample = &line[..line.find(['{', ' ']).expect("a value")];
                let endings: &[&str] = match kind {
                    "counter" => &["_total"],
                    "histogram" => &["_bucket", "_sum", "_count"],
                    "info" => &["_info"],
                    _ => &[""],
                };
                let is_its = |ending: &&str| sample == format!("{name}{ending}");
                assert!(endings.iter().any(|ending| is_its(ending)), "{line}");
            }
        }
        assert!(seen.contains(&"relent_text") && seen.contains(&"relent_text_depth"), "{text}");
    }
}
