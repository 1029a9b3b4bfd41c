//! The rules that alert and the dashboard, before a real Prometheus that scrapes the real daemon.

use super::scene::{begin, play};
use crate::support::{PATIENCE, World, free_port, program};
use relent::telemetry::metrics_listed;
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

const RULES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/config/prometheus/relent.rules.yml");
const RULES_TEST: &str =
    concat!(env!("CARGO_MANIFEST_DIR"), "/config/prometheus/relent.rules.test.yml");
const DASHBOARD: &str = include_str!("../../config/grafana/relent.json");

/// A Prometheus that watches one daemon; it ends with this.
struct Judge {
    process: Child,
    port: u16,
    _folder: tempfile::TempDir,
}

impl Drop for Judge {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Judge {
    /// Starts it; none where this machine has no Prometheus.
    fn start(scraped: u16) -> Option<Self> {
        let folder = tempfile::tempdir().expect("a folder");
        let settings = folder.path().join("prometheus.yml");
        // A scrape may take as long as the pause between two.
        let text = format!(
            "global:\n  scrape_interval: 2s\n  scrape_timeout: 2s\n  evaluation_interval: 1s\n\
             rule_files: ['{RULES}']\n\
             scrape_configs:\n  - job_name: relent\n    static_configs:\n      - targets: ['127.0.0.1:{scraped}']\n"
        );
        std::fs::write(&settings, text).expect("settings");
        let port = free_port(Ipv4Addr::LOCALHOST);
        let log = std::fs::File::create(folder.path().join("log")).expect("a log");
        let process = Command::new("prometheus")
            .arg(format!("--config.file={}", settings.display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        let Ok(process) = process else {
            eprintln!("NOT TESTED: prometheus is not there; tests/run installs it");
            return None;
        };
        Some(Self { process, port, _folder: folder })
    }

    /// What its API says; none while it does not answer.
    fn api(&self, path: &str, form: &str) -> Option<Value> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        let method = if form.is_empty() { "GET" } else { "POST" };
        let request = format!(
            "{method} /api/v1/{path} HTTP/1.0\r\nHost: localhost\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{form}",
            form.len()
        );
        stream.write_all(request.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        serde_json::from_str(answer.split_once("\r\n\r\n")?.1).ok()
    }

    /// The samples of an expression.
    fn query(&self, expression: &str) -> Result<Vec<Value>, String> {
        let form: String = form_urlencoded::Serializer::new(String::new())
            .append_pair("query", expression)
            .finish();
        let answer = self.api("query", &form).ok_or("no answer")?;
        if answer["status"] != "success" {
            return Err(answer["error"].to_string());
        }
        let result = &answer["data"]["result"];
        // A scalar is one sample.
        Ok(match answer["data"]["resultType"] == "scalar" {
            true => vec![result.clone()],
            false => result.as_array().cloned().unwrap_or_default(),
        })
    }

    /// Waits until an expression has samples.
    fn until(&self, expression: &str) -> Vec<Value> {
        self.until_it(expression, |found| !found.is_empty())
    }

    /// Waits until the samples of an expression are such.
    fn until_it(&self, expression: &str, are: impl Fn(&[Value]) -> bool) -> Vec<Value> {
        let deadline = Instant::now() + PATIENCE * 2;
        loop {
            match self.query(expression) {
                Ok(found) if are(&found) => return found,
                other => assert!(Instant::now() < deadline, "{expression}: {other:?}"),
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

/// The figures that an expression names, by the names of their samples.
fn names(expression: &str) -> BTreeSet<String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = expression.split(|c| !is_part(c));
    words.filter(|word| word.starts_with("relent_")).map(str::to_owned).collect()
}

/// Every expression of the dashboard, with the title of its panel.
fn expressions(dashboard: &Value) -> Vec<(String, String)> {
    let mut found = Vec::new();
    for panel in dashboard["panels"].as_array().expect("panels") {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let title = panel["title"].as_str().expect("a title").to_owned();
            found.push((title, target["expr"].as_str().expect("an expression").to_owned()));
        }
    }
    for one in dashboard["annotations"]["list"].as_array().into_iter().flatten() {
        if let Some(expression) = one["expr"].as_str() {
            found.push(("annotation".into(), expression.to_owned()));
        }
    }
    found
}

/// As Grafana fills it in.
fn filled(expression: &str) -> String {
    let mut text = expression.to_owned();
    for (name, value) in [
        ("$__rate_interval", "1m"),
        ("$__range", "1m"),
        ("$instance", ".*"),
        ("$account", ".*"),
        ("$provider", ".*"),
    ] {
        text = text.replace(name, value);
    }
    text
}

#[tokio::test(flavor = "multi_thread")]
async fn every_rule_and_panel_has_an_answer_from_a_real_daemon() {
    let world = World::start().await;
    let Some(judge) = Judge::start(world.ports.http[0]) else { return };
    begin(&world).await;
    let judge = tokio::task::spawn_blocking(move || {
        judge.until("up{job=\"relent\"} == 1");
        judge.until("count_over_time(relent_account_delivered_total{account=\"acme\"}[1m]) > 2");
        judge
    });
    let judge = judge.await.expect("it watches");
    play(&world).await;
    let dashboard: Value = serde_json::from_str(DASHBOARD).expect("JSON");
    let looked = tokio::task::spawn_blocking(move || {
        judge.until("relent_stops_total{way=\"complaint\", reason=\"complaint\"} == 1");
        judge.until("relent_recipients_total{outcome=\"failed\"} == 1");
        judge.until("increase(relent_account_delivered_total{account=\"acme\"}[1m]) > 0");
        let deadline = Instant::now() + PATIENCE;
        loop {
            let targets = judge.api("targets", "").unwrap_or_default();
            let target = &targets["data"]["activeTargets"][0];
            if target["lastError"] == "" {
                break;
            }
            assert!(Instant::now() < deadline, "{target}");
            std::thread::sleep(Duration::from_millis(20));
        }
        for metric in metrics_listed() {
            let samples = format!("{{__name__=~\"{}(_count)?\"}}", metric.name);
            judge.until(&samples);
        }
        for (title, expression) in expressions(&dashboard) {
            // Whether there was a new start is an answer too.
            let is_filter = title == "annotation";
            let found =
                judge.until_it(&filled(&expression), |found| is_filter || !found.is_empty());
            let is_number = |sample: &Value| {
                let value = sample["value"][1].as_str().and_then(|text| text.parse::<f64>().ok());
                value.is_some()
            };
            assert!(found.iter().all(is_number), "{title}: {found:?}");
        }
        // Prometheus says of each rule how it went when it was last asked.
        let healthy = || {
            let rules = judge.api("rules", "").unwrap_or_default();
            let rules = rules["data"]["groups"][0]["rules"].as_array().cloned().unwrap_or_default();
            let fit = rules.iter().filter(|rule| rule["health"] == "ok").count();
            (rules.len() == fit && fit > 20).then_some(rules.clone()).ok_or(rules)
        };
        let deadline = Instant::now() + PATIENCE;
        let rules = loop {
            match healthy() {
                Ok(rules) => break rules,
                Err(rules) => assert!(Instant::now() < deadline, "{rules:?}"),
            }
        };
        for rule in &rules {
            let expression = rule["query"].as_str().expect("a query");
            for name in names(expression) {
                judge.until(&name);
            }
            // Nobody is woken by a daemon that is well.
            let is_quiet = rule["state"] != "firing" || rule["labels"]["severity"] != "critical";
            assert!(is_quiet, "{rule}");
        }
    });
    looked.await.expect("all of it was looked at");
}

#[test]
fn promtool_takes_the_rules_and_what_they_are_to_say() {
    for arguments in [["check", "rules", RULES], ["test", "rules", RULES_TEST]] {
        let Ok(output) = Command::new("promtool").args(arguments).output() else {
            eprintln!("NOT TESTED: promtool is not there; tests/run installs it");
            return;
        };
        let said = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.contains("SUCCESS"), "{said}");
    }
}

#[test]
fn rules_name_figures_that_there_are_and_commands_that_there_are() {
    let rules = std::fs::read_to_string(RULES).expect("the rules");
    let known: BTreeSet<String> = metrics_listed()
        .flat_map(|metric| {
            ["", "_bucket", "_sum", "_count"].map(|end| format!("{}{end}", metric.name))
        })
        .collect();
    for name in names(&rules).iter().chain(&names(DASHBOARD)) {
        assert!(known.contains(name), "{name} is no figure");
    }
    let mut commands = BTreeSet::new();
    for quoted in rules.split('`').skip(1).step_by(2) {
        let Some(rest) = quoted.strip_prefix("relent ") else { continue };
        let plain = |word: &&str| word.chars().all(|c| c.is_ascii_lowercase() || c == '-');
        commands.insert(rest.split(' ').take_while(plain).collect::<Vec<_>>());
    }
    assert!(commands.len() > 4, "{commands:?}");
    for command in commands {
        let output = Command::new(program()).args(&command).arg("--help").output();
        assert!(output.expect("it runs").status.success(), "no such command: {command:?}");
    }
    // An alert says how bad, what, and what to do.
    for alert in rules.split("- alert: ").skip(1) {
        let name = alert.lines().next().unwrap_or_default();
        for part in ["expr:", "severity: ", "summary: ", "description: "] {
            assert!(alert.contains(part), "{name}: {part}");
        }
        assert!(
            alert.contains("severity: critical") || alert.contains("severity: warning"),
            "{name}"
        );
    }
}

#[test]
fn the_dashboard_is_one_that_grafana_takes() {
    let dashboard: Value = serde_json::from_str(DASHBOARD).expect("JSON");
    assert!(dashboard["id"].is_null() && dashboard["uid"].is_string(), "an import makes the id");
    assert!(dashboard["schemaVersion"].as_u64().is_some_and(|version| version >= 36));
    let variables = dashboard["templating"]["list"].as_array().expect("variables");
    let named: Vec<_> = variables.iter().filter_map(|one| one["name"].as_str()).collect();
    assert_eq!(variables[0]["type"], "datasource");
    let (mut ids, mut titles, mut places) = (BTreeSet::new(), Vec::new(), Vec::new());
    for panel in dashboard["panels"].as_array().expect("panels") {
        let title = panel["title"].as_str().expect("a title");
        assert!(ids.insert(panel["id"].as_u64().expect("an id")), "an id is there twice: {title}");
        let at = |key: &str| panel["gridPos"][key].as_u64().expect("a place");
        let (x, y, w, h) = (at("x"), at("y"), at("w"), at("h"));
        assert!(x + w <= 24 && w > 0 && h > 0, "{title}");
        for (x2, y2, w2, h2) in &places {
            let apart = x + w <= *x2 || x2 + w2 <= x || y + h <= *y2 || y2 + h2 <= y;
            assert!(apart, "{title} lies over another");
        }
        places.push((x, y, w, h));
        if panel["type"] == "row" {
            titles.push(title);
            continue;
        }
        assert!(panel["description"].as_str().is_some_and(|text| text.ends_with('.')), "{title}");
        let mut letters = BTreeSet::new();
        for target in panel["targets"].as_array().expect("targets") {
            assert!(letters.insert(target["refId"].as_str().expect("a letter")), "{title}");
            assert_eq!(target["datasource"]["uid"], "${datasource}", "{title}");
            let expression = target["expr"].as_str().expect("an expression");
            for variable in expression.split('$').skip(1) {
                let is_part = |c: &char| c.is_ascii_alphanumeric() || *c == '_';
                let variable: String = variable.chars().take_while(is_part).collect();
                let is_own = ["__rate_interval", "__range"].contains(&variable.as_str());
                assert!(is_own || named.contains(&variable.as_str()), "{title}: ${variable}");
            }
            let legend = target["legendFormat"].as_str().expect("a legend");
            for label in legend.split("{{").skip(1) {
                let label = label.split("}}").next().unwrap_or_default();
                let is_there =
                    label == "instance" || label == "version" || expression.contains(label);
                assert!(is_there, "{title}: no label {label}");
            }
        }
    }
    for row in ["Stops", "Queue", "Delivery by provider", "Complaints and accounts", "Health"] {
        assert!(titles.contains(&row), "no row {row}: {titles:?}");
    }
}
