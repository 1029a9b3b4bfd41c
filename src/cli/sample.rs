//! Figures as `/metrics` shows them, read back: samples of a family by their labels, and what has come to
//! them between two looks.

use std::time::Instant;

/// All figures of one moment.
#[derive(Debug, Clone)]
pub(super) struct Sample {
    at: Instant,
    rows: Vec<Row>,
}

#[derive(Debug, Clone, PartialEq)]
struct Row {
    name: String,
    labels: Vec<(String, String)>,
    value: f64,
}

impl Row {
    fn has(&self, label: &str, value: &str) -> bool {
        self.labels.iter().any(|(name, text)| name == label && text == value)
    }
}

/// A line of OpenMetrics; none for comments and what is not understood.
fn row(line: &str) -> Option<Row> {
    if line.starts_with('#') {
        return None;
    }
    let (name, rest) = line.split_at(line.find(['{', ' '])?);
    let (labels, value) = match rest.strip_prefix('{') {
        Some(rest) => rest.rsplit_once("} ").unwrap_or((rest, "")),
        None => ("", rest.trim_start()),
    };
    let value = value.split(' ').next()?.parse().ok()?;
    let pairs = labels.split("\",").filter_map(|pair| {
        let (name, text) = pair.split_once("=\"")?;
        Some((name.trim_start_matches(',').to_owned(), text.trim_end_matches('"').to_owned()))
    });
    Some(Row { name: name.to_owned(), labels: pairs.collect(), value })
}

impl Sample {
    /// Reads them.
    pub(super) fn read(text: &str, at: Instant) -> Self {
        Self { at, rows: text.lines().filter_map(row).collect() }
    }

    /// The sum of a family's samples that have these labels; none where there is no such sample.
    pub(super) fn sum(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let fits = |row: &&Row| {
            row.name == name && labels.iter().all(|(label, value)| row.has(label, value))
        };
        let mut found = self.rows.iter().filter(fits).map(|row| row.value).peekable();
        found.peek().is_some().then(|| found.sum())
    }

    /// How fast a counter grew since an earlier look, a second; a daemon that was started anew counts from
    /// nought.
    pub(super) fn rate(&self, before: &Self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let seconds = self.at.saturating_duration_since(before.at).as_secs_f64();
        let now = self.sum(name, labels).unwrap_or(0.0);
        let then = before.sum(name, labels).unwrap_or(0.0);
        let grown = if now >= then { now - then } else { now };
        if seconds > 0.0 { grown / seconds } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn figures_are_summed_by_their_labels_and_compared() {
        let text = "# TYPE relent_recipients counter\nrelent_recipients_total{outcome=\"delivered\"} 5\n\
                    relent_recipients_total{outcome=\"failed\"} 2\nrelent_connections_total 7\n\
                    relent_stops_total{way=\"page\",reason=\"opt_out\"} 1\n# EOF\n";
        let begun = Instant::now();
        let first = Sample::read(text, begun);
        assert_eq!(first.sum("relent_recipients_total", &[]), Some(7.0));
        assert_eq!(first.sum("relent_recipients_total", &[("outcome", "failed")]), Some(2.0));
        assert_eq!(first.sum("relent_stops_total", &[("reason", "opt_out")]), Some(1.0));
        assert_eq!(first.sum("relent_connections_total", &[]), Some(7.0));
        assert_eq!(first.sum("relent_none", &[]), None);
        let later = "relent_connections_total 27\n";
        let second = Sample::read(later, begun + Duration::from_secs(2));
        assert!((second.rate(&first, "relent_connections_total", &[]) - 10.0).abs() < 1e-9);
        let anew = Sample::read("relent_connections_total 4\n", begun + Duration::from_secs(2));
        assert!((anew.rate(&first, "relent_connections_total", &[]) - 2.0).abs() < 1e-9);
    }
}
