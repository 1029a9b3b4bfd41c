//! What `/metrics` shows, against the list of all figures and the rules of OpenMetrics.

use super::scene::{body, figures, play, until};
use crate::support::{World, sources};
use relent::telemetry::{Kind, Metric, Values, metric_named, metrics_listed};
use std::collections::{BTreeMap, BTreeSet};
use std::process::{Command, Stdio};

/// A sample: its name, its labels, its value.
type Sample = (String, BTreeMap<String, String>, f64);

/// Reads a sample as the specification has it.
fn sample(line: &str) -> Sample {
    let end = line.find(['{', ' ']).unwrap_or_else(|| panic!("no value: {line}"));
    let (name, mut rest) = line.split_at(end);
    let mut labels = BTreeMap::new();
    if let Some(inner) = rest.strip_prefix('{') {
        rest = inner;
        loop {
            let (label, value) = rest.split_once("=\"").unwrap_or_else(|| panic!("{line}"));
            let mut text = String::new();
            let mut letters = value.char_indices();
            let end = loop {
                match letters.next() {
                    Some((_, '\\')) => match letters.next() {
                        Some((_, 'n')) => text.push('\n'),
                        Some((_, letter @ ('\\' | '"'))) => text.push(letter),
                        _ => panic!("no such escape: {line}"),
                    },
                    Some((at, '"')) => break at,
                    Some((_, letter)) => text.push(letter),
                    None => panic!("no end of a label: {line}"),
                }
            };
            assert!(labels.insert(label.to_owned(), text).is_none(), "twice: {line}");
            rest = &value[end + 1..];
            match rest.strip_prefix(',') {
                Some(further) => rest = further,
                None => break,
            }
        }
        rest = rest.strip_prefix('}').unwrap_or_else(|| panic!("no end of labels: {line}"));
    }
    let value = rest.strip_prefix(' ').unwrap_or_else(|| panic!("no space: {line}"));
    (name.to_owned(), labels, value.parse().unwrap_or_else(|_| panic!("no number: {line}")))
}

/// What is shown, by families.
fn read(text: &str) -> BTreeMap<String, Vec<Sample>> {
    let mut families: BTreeMap<String, Vec<Sample>> = BTreeMap::new();
    let text = text.strip_suffix("# EOF\n").expect("its end");
    let mut open = String::new();
    for line in text.lines() {
        if let Some(about) = line.strip_prefix("# ") {
            let mut words = about.splitn(3, ' ');
            let (what, family, said) = (words.next(), words.next(), words.next());
            let (Some(what), Some(family), Some(said)) = (what, family, said) else {
                panic!("{line}");
            };
            let metric = metric_named(family).unwrap_or_else(|| panic!("not listed: {line}"));
            assert_eq!(metric.family(), family, "{line}");
            match what {
                "HELP" => assert_eq!(said, metric.help, "{line}"),
                "TYPE" => {
                    assert_eq!(said, metric.kind.name(), "{line}");
                    let first = families.insert(family.to_owned(), Vec::new());
                    assert!(first.is_none(), "typed twice: {line}");
                    family.clone_into(&mut open);
                }
                "UNIT" => assert_eq!(Some(said), metric.unit(), "{line}"),
                _ => panic!("{line}"),
            }
        } else {
            let family = families.get_mut(&open).unwrap_or_else(|| panic!("untyped: {line}"));
            let read = sample(line);
            assert!(!family.iter().any(|(n, l, _)| (n, l) == (&read.0, &read.1)), "twice: {line}");
            family.push(read);
        }
    }
    for metric in families.keys().filter_map(|family| metric_named(family)) {
        let family = metric.family();
        let told = metric.unit().map(|unit| format!("# UNIT {family} {unit}\n"));
        assert!(told.is_none_or(|told| text.contains(&told)), "{family} tells no unit");
        assert!(text.contains(&format!("# HELP {family} ")), "{family} tells nothing");
    }
    families
}

/// Whether a sample is one that its figure may have.
fn fits(metric: &Metric, (name, labels, value): &Sample) {
    let endings: &[&str] = match metric.kind {
        Kind::Counter => &["_total"],
        Kind::Gauge => &[""],
        Kind::Info => &["_info"],
        Kind::Histogram(_) => &["_bucket", "_sum", "_count"],
    };
    let is_its = |ending: &&str| *name == format!("{}{ending}", metric.family());
    assert!(endings.iter().any(is_its), "{name}");
    assert!(value.is_finite(), "{name} {labels:?} {value}");
    assert!(metric.kind == Kind::Gauge || *value >= 0.0, "{name} {labels:?} {value}");
    let mut names: BTreeSet<&str> = labels.keys().map(String::as_str).collect();
    if name.ends_with("_bucket") && matches!(metric.kind, Kind::Histogram(_)) {
        assert!(names.remove("le"), "{name} {labels:?}");
    }
    let listed: BTreeSet<&str> = metric.labels.iter().map(|label| label.name).collect();
    assert_eq!(names, listed, "{name}");
    for label in metric.labels {
        let word = &labels[label.name];
        match label.values {
            Values::Of(words) => assert!(words.contains(&word.as_str()), "{name} {labels:?}"),
            Values::Bound(_) => assert!(word.len() <= 100, "{name} {labels:?}"),
        }
    }
}

/// The sum of all samples of a figure that have these labels.
fn value(families: &BTreeMap<String, Vec<Sample>>, name: &str, wanted: &[(&str, &str)]) -> f64 {
    let metric = metric_named(name.trim_end_matches("_count").trim_end_matches("_sum"));
    let samples = families.get(metric.expect("it is listed").family()).into_iter().flatten();
    let has = |labels: &BTreeMap<String, String>| {
        wanted.iter().all(|(label, word)| labels.get(*label).is_some_and(|is| is == word))
    };
    samples.filter(|(of, labels, _)| of == name && has(labels)).map(|(_, _, value)| value).sum()
}

/// A figure, labels, and how much it comes to at least.
type Least = (&'static str, &'static [(&'static str, &'static str)], f64);

/// What `play` comes to.
const PLAYED: [Least; 26] = [
    ("relent_messages_accepted_total", &[], 5.0),
    ("relent_messages_refused_total", &[], 1.0),
    ("relent_recipients_refused_total", &[], 1.0),
    ("relent_auth_failures_total", &[("door", "smtp")], 1.0),
    ("relent_stops_total", &[("way", "reply"), ("reason", "opt_out")], 1.0),
    ("relent_stops_total", &[("way", "one_click")], 1.0),
    ("relent_stops_total", &[("way", "complaint"), ("reason", "complaint")], 1.0),
    ("relent_stop_seconds_count", &[("way", "reply")], 1.0),
    ("relent_stop_seconds_count", &[("way", "one_click")], 1.0),
    ("relent_account_complaints_total", &[("account", "acme")], 1.0),
    ("relent_account_delivered_total", &[("account", "acme")], 3.0),
    ("relent_provider_attempts_total", &[("provider", "other"), ("outcome", "deferred")], 1.0),
    ("relent_provider_attempts_total", &[("outcome", "failed")], 1.0),
    ("relent_refusals_total", &[("class", "invalid_mailbox")], 1.0),
    ("relent_tls_handshakes_total", &[("direction", "out"), ("version", "1.3")], 1.0),
    ("relent_connections_total", &[("port", "inbound")], 2.0),
    ("relent_delivery_seconds_count", &[], 3.0),
    ("relent_spool_sync_seconds_count", &[], 5.0),
    ("relent_store_commit_seconds_count", &[], 5.0),
    ("relent_queue_recipients", &[("state", "queued")], 1.0),
    ("relent_queue_age_recipients", &[("state", "queued"), ("age", "1m")], 1.0),
    ("relent_certificate_not_after_seconds", &[], 1.7e9),
    ("relent_disk_free_bytes", &[], 1.0),
    ("relent_ready", &[], 1.0),
    ("relent_start_time_seconds", &[], 1.7e9),
    ("relent_build_info", &[("version", env!("CARGO_PKG_VERSION"))], 1.0),
];

#[tokio::test(flavor = "multi_thread")]
async fn every_figure_shown_is_listed_and_every_one_listed_is_shown() {
    let world = World::start().await;
    play(&world).await;
    // What was done is counted once it is known, and mail that waits is under way now and then.
    let shown = until(&world, "what was done is what was counted", |shown| {
        let families = read(shown);
        PLAYED.iter().all(|(name, labels, least)| value(&families, name, labels) >= *least)
    });
    let families = read(&shown.await);
    for (family, samples) in &families {
        let metric = metric_named(family).expect("it is listed");
        assert!(!samples.is_empty(), "{family}");
        samples.iter().for_each(|sample| fits(metric, sample));
    }
    for metric in metrics_listed() {
        assert!(families.contains_key(metric.family()), "nobody has seen {}", metric.name);
    }
    let stops = value(&families, "relent_stop_seconds_sum", &[]);
    assert!(stops > 0.0 && stops < 20.0, "{stops}");
    // Judges that are not ours.
    judge("/usr/bin/python3", &["-c", STRICT], &figures(&world)).await;
    let text = world.http("GET /metrics HTTP/1.1\r\nAccept: text/plain", "");
    assert!(text.contains("text/plain; version=0.0.4"), "{text}");
    judge("promtool", &["check", "metrics"], body(&text)).await;
}

/// The reference reader of OpenMetrics.
const STRICT: &str = "
import sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read
count = sum(len(family.samples) for family in read(sys.stdin.read()))
assert count > 100, count
";

/// Has another program read the figures; where it is not there, says so.
async fn judge(program: &'static str, arguments: &'static [&'static str], text: &str) {
    let text = text.to_owned();
    let judged = tokio::task::spawn_blocking(move || {
        let run = Command::new(program)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        let Ok(mut child) = run else {
            eprintln!("NOT TESTED: {program} is not there; tests/run installs it");
            return;
        };
        let mut input = child.stdin.take().expect("standard input");
        let _ = std::io::Write::write_all(&mut input, text.as_bytes());
        drop(input);
        let output = child.wait_with_output().expect("it ends");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        if said.contains("No module named 'prometheus_client'") {
            eprintln!("NOT TESTED: python3-prometheus-client is not there; tests/run installs it");
            return;
        }
        assert!(output.status.success() && said.is_empty(), "{program} {arguments:?}: {said}");
    });
    judged.await.expect("it was judged");
}

#[tokio::test(flavor = "multi_thread")]
async fn figures_are_shown_to_whom_the_settings_name() {
    let world = World::bare("", "").await;
    let line = "GET /metrics HTTP/1.1";
    assert!(world.http(line, "").starts_with("HTTP/1.1 200"));
    // A proxy on this machine says who asks.
    let proxied = format!("{line}\r\nX-Forwarded-For: 192.0.2.7");
    let refused = world.http(&proxied, "");
    assert!(
        refused.starts_with("HTTP/1.1 403") && refused.contains("metrics.readers"),
        "{refused}"
    );
    assert!(!refused.contains("relent_"), "{refused}");
    drop(world);
    let world = World::bare("", "[metrics]\nreaders = [\"192.0.2.0/24\"]\n").await;
    let shown = world.http(&proxied, "");
    assert!(shown.starts_with("HTTP/1.1 200"), "{shown}");
    assert!(world.http(line, "").starts_with("HTTP/1.1 403"), "this machine is not named");
    assert!(world.http("GET /livez HTTP/1.1", "").starts_with("HTTP/1.1 200"));
}

/// The figures that a text of Rust counts, with the names of their labels.
fn counted(text: &str) -> Vec<(String, &'static str, Vec<String>)> {
    let mut found = Vec::new();
    // What tests of a file count is made up.
    let text = text.split("\n#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    for kind in ["counter", "gauge", "histogram"] {
        for after in text.split(&format!("metrics::{kind}!(")).skip(1) {
            let mut depth = 1;
            let end = after.find(|c| {
                depth += i32::from(c == '(') - i32::from(c == ')');
                depth == 0
            });
            let inside = &after[..end.expect("it ends")];
            let mut quoted = inside.split('"').skip(1).step_by(2);
            let Some(name) = quoted.next().filter(|name| name.starts_with("relent_")) else {
                continue;
            };
            let labels = inside.rsplit("=>").skip(1).map(|before| {
                let before = before.trim_end().strip_suffix('"').expect("a label's name");
                before.rsplit('"').next().unwrap_or_default().to_owned()
            });
            let mut labels: Vec<String> = labels.collect();
            labels.sort();
            found.push((name.to_owned(), kind, labels));
        }
    }
    found
}

#[test]
fn the_code_counts_what_is_listed_and_nothing_else() {
    let read = |path| std::fs::read_to_string(path).expect("a source");
    let found: Vec<_> = sources("src").iter().flat_map(|path| counted(&read(path))).collect();
    assert!(found.len() > 60, "{}", found.len());
    for (name, kind, labels) in &found {
        let metric = metrics_listed().find(|metric| metric.name == name);
        let metric = metric.unwrap_or_else(|| panic!("{name} is counted and not listed"));
        let listed = if metric.kind == Kind::Info { "gauge" } else { metric.kind.name() };
        assert_eq!(*kind, listed, "{name}");
        let mut names: Vec<_> = metric.labels.iter().map(|label| label.name.to_owned()).collect();
        names.sort();
        assert_eq!(*labels, names, "{name}");
    }
    for metric in metrics_listed() {
        let is_counted = found.iter().any(|(name, _, _)| name == metric.name);
        assert!(is_counted, "{} is listed and nobody counts it", metric.name);
    }
}
