//! Figures as OpenMetrics 1.0 has them, made from the older text that the registry writes.

/// The media type of what [`open_metrics`] writes.
pub const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Writes the registry's text as OpenMetrics: a counter's family is named without `_total`, no line is
/// empty, and `# EOF` says that nothing was cut off.
#[must_use]
pub fn open_metrics(text: &str) -> String {
    let counters: Vec<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter"))
        .collect();
    let family = |name: &str| {
        let counted = counters.contains(&name);
        name.strip_suffix("_total").filter(|_| counted).unwrap_or(name).to_owned()
    };
    let mut out = String::with_capacity(text.len());
    for line in text.lines().filter(|line| !line.is_empty()) {
        let named = ["# TYPE ", "# HELP "].iter().find_map(|kind| {
            let (name, rest) = line.strip_prefix(kind)?.split_once(' ')?;
            Some(format!("{kind}{} {rest}", family(name)))
        });
        out.push_str(named.as_deref().unwrap_or(line));
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
            } else if !line.starts_with("# ") {
                let (name, kind) = open.expect("a type before its samples");
                let sample = &line[..line.find(['{', ' ']).expect("a value")];
                let suffix = if kind == "counter" { "_total" } else { "" };
                assert_eq!(sample, format!("{name}{suffix}"), "{line}");
            }
        }
        assert!(seen.contains(&"relent_text") && seen.contains(&"relent_text_depth"), "{text}");
    }
}
