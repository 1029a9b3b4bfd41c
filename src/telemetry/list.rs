//! What every figure is: its name, kind, unit, labels and meaning. From this list HELP, TYPE and UNIT are told to whoever
//! scrapes, counters begin at nought, and `docs/src/metrics.md` is written. A figure that is not in it fails a test.

use super::figures::GROUPS;
use std::fmt::Write;

/// How a figure moves.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    /// Only up.
    Counter,
    /// Up and down.
    Gauge,
    /// How many were at most so much: these are the bounds.
    Histogram(&'static [f64]),
    /// Always 1: what is told stands in the labels.
    Info,
}

impl Kind {
    /// As OpenMetrics calls it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram(_) => "histogram",
            Self::Info => "info",
        }
    }
}

/// What a label may say. There is no third way: whatever a stranger chooses is no label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Values {
    /// One of these words.
    Of(&'static [&'static str]),
    /// Words that this bounds, in a sentence.
    Bound(&'static str),
}

/// A label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Label {
    /// Its name.
    pub name: &'static str,
    /// What it may say.
    pub values: Values,
}

/// A figure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Metric {
    /// Its name, as samples have it.
    pub name: &'static str,
    /// How it moves.
    pub kind: Kind,
    /// Its labels.
    pub labels: &'static [Label],
    /// What it counts.
    pub help: &'static str,
}

/// Units, as names end in them.
const UNITS: [&str; 2] = ["seconds", "bytes"];

impl Metric {
    /// The name of its family: without `_total`, and without `_info`.
    #[must_use]
    pub fn family(&self) -> &'static str {
        let ending = match self.kind {
            Kind::Counter => "_total",
            Kind::Info => "_info",
            Kind::Gauge | Kind::Histogram(_) => "",
        };
        self.name.strip_suffix(ending).unwrap_or(self.name)
    }

    /// Its unit, with which the name of its family ends.
    #[must_use]
    pub fn unit(&self) -> Option<&'static str> {
        let family = self.family();
        UNITS
            .into_iter()
            .find(|unit| family.strip_suffix(unit).is_some_and(|before| before.ends_with('_')))
    }

    /// Its samples before anything has happened: a combination each of the words that its labels may say. Of labels that
    /// only a sentence bounds nobody knows these yet.
    pub(super) fn combinations(&self) -> Vec<Vec<(&'static str, &'static str)>> {
        let mut all = vec![Vec::new()];
        for label in self.labels {
            let Values::Of(words) = label.values else { return Vec::new() };
            let with = |before: &Vec<_>| {
                let before = before.clone();
                words.iter().map(move |word| [&before[..], &[(label.name, *word)]].concat())
            };
            all = all.iter().flat_map(with).collect();
        }
        all
    }
}

/// Every figure.
pub fn metrics_listed() -> impl Iterator<Item = &'static Metric> {
    GROUPS.iter().flat_map(|(_, _, metrics)| metrics.iter())
}

/// The figure of a name, or of a family's.
#[must_use]
pub fn metric_named(name: &str) -> Option<&'static Metric> {
    metrics_listed().find(|metric| metric.name == name || metric.family() == name)
}

const PREFACE: &str = "\
# Figures

`GET /metrics` shows what Relent counts, as [OpenMetrics 1.0](https://prometheus.io/docs/specs/om/open_metrics_spec/); \
who asks for `text/plain` gets Prometheus' older text. It answers on the `http` listeners to the networks of \
`metrics.readers`, and on the admin socket to the operator.

Units are base units, and names end in them: `_seconds`, `_bytes`. Counters end in `_total` and begin at 0 with the process, so that \
`increase()` sees the first of everything. What a label may say is bounded, by the words listed here or as said here: nothing that \
a stranger chooses is one. `config/prometheus/relent.rules.yml` has rules that alert, and `config/grafana/relent.json` is a dashboard.

This page is written from the list in the code; a test holds both equal.
";

/// The page about all figures.
#[must_use]
pub fn metrics_page() -> String {
    let mut out = String::from(PREFACE);
    for (title, about, metrics) in GROUPS {
        let _ = writeln!(out, "\n## {title}\n\n{about}\n");
        out.push_str("| Name | Kind | Labels | Is |\n| --- | --- | --- | --- |\n");
        for metric in *metrics {
            let labels: Vec<String> = metric.labels.iter().map(shown).collect();
            let _ = writeln!(
                out,
                "| `{}` | {} | {} | {} |",
                metric.name,
                metric.kind.name(),
                labels.join("; "),
                metric.help
            );
        }
    }
    out
}

fn shown(label: &Label) -> String {
    match label.values {
        Values::Of(words) => {
            let words: Vec<_> = words.iter().map(|word| format!("`{word}`")).collect();
            format!("`{}`: {}", label.name, words.join(", "))
        }
        Values::Bound(sentence) => format!("`{}`: {sentence}", label.name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Most samples that one figure may begin with.
    const SAMPLES_MAX: usize = 200;

    #[test]
    fn names_are_those_of_the_convention() {
        let mut seen = Vec::new();
        for metric in metrics_listed() {
            let name = metric.name;
            let is_plain = |c: char| c.is_ascii_lowercase() || c == '_';
            assert!(name.starts_with("relent_") && name.chars().all(is_plain), "{name}");
            assert_eq!(metric.kind == Kind::Counter, name.ends_with("_total"), "{name}");
            assert_eq!(metric.kind == Kind::Info, name.ends_with("_info"), "{name}");
            for ending in ["_milliseconds", "_ms", "_minutes", "_kilobytes", "_count", "_bucket"] {
                assert!(!name.contains(ending), "{name}: {ending}");
            }
            if let Kind::Histogram(bounds) = metric.kind {
                assert!(metric.unit().is_some(), "{name} has no unit");
                assert!(bounds.is_sorted() && bounds.len() <= 16, "{name}");
            }
            assert!(metric.help.ends_with('.') && !metric.help.contains(['\n', '|']), "{name}");
            assert!(!seen.contains(&metric.family()), "{name} is there twice");
            seen.push(metric.family());
            for label in metric.labels {
                assert!(!["le", "quantile", "job", "instance"].contains(&label.name), "{name}");
            }
            assert!(metric.combinations().len() <= SAMPLES_MAX, "{name}");
        }
        assert!(seen.len() > 60, "{}", seen.len());
    }

    #[test]
    fn the_page_is_the_list() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/src/metrics.md");
        let (page, written) = (metrics_page(), std::fs::read_to_string(path).unwrap_or_default());
        if written != page {
            let _ = std::fs::create_dir_all(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/src"));
            std::fs::write(path, &page).expect("the page can be written");
        }
        assert!(written == page, "docs/src/metrics.md was not the list: it is written anew");
    }

    #[test]
    fn a_combination_of_words_is_a_sample() {
        let metric = metric_named("relent_compliance_total").expect("it is listed");
        assert_eq!(metric.family(), "relent_compliance");
        let all = metric.combinations();
        assert!(all.contains(&vec![("finding", "line_long"), ("verdict", "refused")]), "{all:?}");
        let open = metric_named("relent_account_delivered").expect("it is listed");
        assert!(open.combinations().is_empty());
        let plain = metric_named("relent_messages_accepted_total").expect("it is listed");
        assert_eq!(plain.combinations(), [Vec::new()]);
    }
}
