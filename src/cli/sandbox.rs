//! `relent check --sandbox`: what the daemon would let itself do with these settings, and nothing beyond.

use super::arguments::Form;
use super::client::Fault;
use super::show;
use crate::config::{Config, Sandbox};
use crate::daemon::cage::{self, Allowed, Place};
use serde_json::{Value, json};
use std::path::Path;

/// Longest line of names.
const LINE_MAX: usize = 100;

/// Prints it. As JSON: `sandbox`, `reads`, `writes`, `connects` (null: any port), `listens`, `calls`.
///
/// # Errors
/// The answer is lost.
pub(super) fn show(config: &Config, path: &Path, form: Form) -> Result<(), Fault> {
    let allowed = Allowed::of(config, path);
    if form.json {
        return show::json(&told(config, &allowed));
    }
    show::put(&page(config, &allowed))
}

/// As the settings file writes it.
fn word(sandbox: Sandbox) -> &'static str {
    match sandbox {
        Sandbox::On => "on",
        Sandbox::Kill => "kill",
        Sandbox::Log => "log",
        Sandbox::Off => "off",
    }
}

fn told(config: &Config, allowed: &Allowed) -> Value {
    let places = |places: &[Place]| -> Vec<Value> {
        let told = |place: &Place| {
            let path = place.path.display().to_string();
            json!({ "path": path, "why": place.why, "is_there": place.path.exists() })
        };
        places.iter().map(told).collect()
    };
    let ports = |ports: &[cage::Port]| -> Vec<Value> {
        let told = |port: &cage::Port| json!({ "port": port.number, "why": port.why });
        ports.iter().map(told).collect()
    };
    let connects = allowed.connects.as_deref().map(ports);
    json!({
        "sandbox": word(config.process.sandbox),
        "reads": places(&allowed.reads),
        "writes": places(&allowed.writes),
        "connects": connects,
        "listens": ports(&allowed.listens),
        "calls": cage::calls(),
    })
}

fn page(config: &Config, allowed: &Allowed) -> String {
    let mut rows = Vec::new();
    for (what, places) in [("read", &allowed.reads), ("write", &allowed.writes)] {
        for place in places {
            let absent = if place.path.exists() { "" } else { " (not there)" };
            let why = format!("{}{absent}", place.why);
            rows.push((what, place.path.display().to_string(), why));
        }
    }
    match &allowed.connects {
        None => rows.push(("connect", "any port".into(), "webhooks.ports is empty".into())),
        Some(ports) => {
            let row = |port: &cage::Port| ("connect", port.number.to_string(), port.why.clone());
            rows.extend(ports.iter().map(row));
        }
    }
    let listens = allowed.listens.iter();
    rows.extend(listens.map(|port| ("listen", port.number.to_string(), port.why.clone())));
    rows.push(("execute", "none".into(), "no program is ever started".into()));
    let widest = rows.iter().map(|(_, place, _)| place.chars().count()).max().unwrap_or(0);
    let mut page = format!("process.sandbox = \"{}\"\n\n", word(config.process.sandbox));
    for (what, place, why) in rows {
        page.push_str(&format!("{what:7}  {place:widest$}  {}\n", show::clean(&why)));
    }
    page.push_str("\nsystem calls, those in brackets with certain arguments only:\n");
    let mut line = String::new();
    for name in cage::calls() {
        if line.len() + name.len() + 1 > LINE_MAX {
            page.push_str(&format!("{}\n", line.trim_end()));
            line.clear();
        }
        line.push_str(&name);
        line.push(' ');
    }
    page + line.trim_end() + "\n"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_be_allowed_is_printed_with_its_reason() {
        let mut config = Config::default();
        config.process.sandbox = Sandbox::Kill;
        config.process.sandbox_read = vec!["/no/such/place".into()];
        let path = Path::new("/etc/relent/relent.toml");
        let allowed = Allowed::of(&config, path);
        let text = page(&config, &allowed);
        assert!(text.starts_with("process.sandbox = \"kill\"\n"), "{text}");
        for words in [
            "read     /etc/relent ",
            "write    /var/lib/relent ",
            " process.sandbox_read (not there)\n",
            "connect  25 ",
            " delivery.port\n",
            "listen   587 ",
            " listen.submission\n",
            "(socket)",
        ] {
            assert!(text.contains(words), "{words:?} in {text}");
        }
        assert!(
            text.lines()
                .skip_while(|line| !line.starts_with("system"))
                .all(|line| line.len() <= 100)
        );
        let value = told(&config, &allowed);
        assert_eq!(value["sandbox"], "kill");
        assert_eq!(value["connects"][0], json!({ "port": 25, "why": "delivery.port" }));
        config.webhooks.ports.clear();
        let allowed = Allowed::of(&config, path);
        assert!(page(&config, &allowed).contains("connect  any port"));
        assert_eq!(told(&config, &allowed)["connects"], Value::Null);
    }
}
