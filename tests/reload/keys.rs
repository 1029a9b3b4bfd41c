//! Every key of the settings is either taken by a running daemon or named as needing a restart.

use crate::support::World;
use relent::config::reference::{Setting, settings};
use relent::config::{Config, FIXED, differences};
use std::collections::BTreeSet;
use std::path::Path;
use toml::{Table, Value};

/// Keys whose values cannot be changed by a rule, and how they are written here.
const BY_HAND: &[(&str, &str)] = &[
    ("metrics.readers", "[\"127.0.0.0/8\", \"192.0.2.0/24\"]"),
    ("hostname", "\"changed.relent.example\""),
    ("data_dir", "\"{world}/elsewhere\""),
    ("listen.submission", "[\"127.0.0.1:0\", \"127.0.0.2:0\"]"),
    ("listen.submissions", "[\"127.0.0.1:0\", \"127.0.0.2:0\"]"),
    ("listen.inbound", "[\"127.0.0.1:0\", \"127.0.0.2:0\"]"),
    ("listen.http", "[\"127.0.0.1:0\", \"127.0.0.2:0\"]"),
    ("listen.https", "[\"127.0.0.1:0\", \"127.0.0.2:0\"]"),
    ("listen.redirect", "[\"127.0.0.1:0\", \"127.0.0.2:0\"]"),
    ("listen.admin", "\"{world}/elsewhere.sock\""),
    ("submission.plaintext_auth", "\"never\""),
    ("tls.certificate", "\"{world}/pair.pem\""),
    ("tls.key", "\"{world}/pair.key\""),
    ("tls.trust_anchors", "\"{world}/pair.pem\""),
    ("tls.more", "[{ certificate = \"{world}/pair.pem\", key = \"{world}/pair.key\" }]"),
    ("acme.contact", "\"postmaster@relent.example\""),
    ("acme.directory", "\"https://ca.example/directory\""),
    ("acme.hosts", "[\"mail.relent.example\"]"),
    ("acme.challenge", "\"http-01\""),
    ("acme.external_account", "\"kid-1\""),
    ("acme.external_account_key_file", "\"{world}/account.key\""),
    ("dns.nameservers", "[\"127.0.0.1:1\"]"),
    ("dns.trust_anchor", "\"{world}/root.key\""),
    ("queue.retry_delays", "[\"7m\"]"),
    ("queue.marketing_retry_delays", "[\"7m\"]"),
    ("delivery.allow_private", "false"),
    ("delivery.tls", "\"encrypt\""),
    ("delivery.tls_policies", "{ \"partner.example\" = \"verify\" }"),
    ("delivery.shaping", "\"{world}/sites.toml\""),
    ("delivery.source_addresses", "[\"127.0.0.1\"]"),
    ("delivery.pools", "{ a = { senders = [\"acme\"], sources = [{ address = \"127.0.0.2\" }] } }"),
    ("delivery.refusal_rules", "\"{world}/rules.toml\""),
    ("tls_reports.sender", "\"tls@relent.example\""),
    ("tls_reports.contact", "\"tls@relent.example\""),
    ("tls_reports.organization", "\"Relent\""),
    ("replies.domain", "\"changed.relent.example\""),
    ("replies.postmaster", "\"postmaster@relent.example\""),
    ("replies.words.reject", "[\"weg\"]"),
    ("replies.words.unsubscribe", "[\"tschau\"]"),
    ("replies.words.resubscribe", "[\"zurueck\"]"),
    ("replies.words.help", "[\"hilfe\"]"),
    ("replies.words.drop", "[\"quit\"]"),
    ("replies.words.reject_stops", "\"stream\""),
    ("replies.words.unsubscribe_stops", "\"account\""),
    ("replies.words.streams", "{ \"acme/newsletter\" = { drop = [\"n\"] } }"),
    ("http.public_url", "\"https://changed.relent.example\""),
    ("webhooks.retry_delays", "[\"7s\"]"),
    ("log.level", "\"debug\""),
    ("log.format", "\"json\""),
    ("log.journal", "\"{world}/journal.sock\""),
    ("log.addresses", "\"shortened\""),
    ("process.sandbox", "\"log\""),
    ("process.sandbox_read", "[\"/tmp\"]"),
    ("process.sandbox_write", "[\"/tmp\"]"),
    ("process.sandbox_connect", "[7]"),
    ("process.sandbox_listen", "[7]"),
    ("webhooks.ports", "[443, 9443]"),
    ("process.user", "\"{user}\""),
    ("spool.live_percent_min", "26"),
    ("http.logo_size_max", "\"33kB\""),
    ("http.page_streams_max", "51"),
    ("queue.retry_jitter_percent", "11"),
    ("members.session_idle_max", "\"3h\""),
    ("members.password_memory", "\"24MB\""),
];
/// Keys of which there is no second value in this build.
const ALONE: &[&str] = &["store.engine", "store.url", "log.traces"];

/// A rule of what a refusal means.
const RULES: &str =
    "[[rule]]\nclass = \"greylisting\"\ntext = \"not now\"\nexample = \"450 not now\"\n";
/// A key of a root, as RFC 8080 shows one.
const ROOT: &str = "l02Woi0iS8Aa25FQkUd9RMzZHJpBoRQwAQEX1SxZJA4=";

/// Another value than this one, of its kind.
fn other(value: &Value) -> Option<String> {
    Some(match value {
        Value::Integer(number) => (number + 1).to_string(),
        Value::Boolean(is) => (!is).to_string(),
        Value::String(text) => {
            let end = text.find(|c: char| !c.is_ascii_digit())?;
            let number: u64 = text.get(..end)?.parse().ok()?;
            match text.get(end..)? {
                rate if rate.starts_with('/') => format!("\"{}{rate}\"", number + 1),
                unit => format!("\"{}{unit}\"", number + 1),
            }
        }
        _ => return None,
    })
}

/// A value as it is written.
fn value(text: &str) -> Value {
    toml::from_str::<Table>(&format!("it = {text}")).expect("TOML")["it"].clone()
}

/// Every key of the sheet, those included that have no default, with its default.
fn keys() -> Vec<(String, Option<Value>)> {
    let keys = settings().into_iter().filter(|setting| !setting.name.is_empty());
    let with_default =
        |setting: Setting| (setting.key(), (!setting.is_optional).then(|| value(setting.value)));
    let found: Vec<_> = keys.map(with_default).collect();
    assert!(found.len() > 200, "only {} keys were found", found.len());
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn every_key_is_taken_or_named_as_needing_a_restart() {
    // In no cage: every file and port may change.
    let world = World::with("[process]\nsandbox = \"off\"").await;
    let home = world.folder.path().display().to_string();
    let pair = rcgen::generate_simple_self_signed(vec!["relay.example".into()]).expect("a pair");
    for (name, text) in [
        ("pair.pem", pair.cert.pem()),
        ("pair.key", pair.signing_key.serialize_pem()),
        ("rules.toml", RULES.into()),
        ("sites.toml", "[default]\nconnections_max = 3\n".into()),
        ("account.key", "c2VjcmV0".into()),
        ("root.key", format!(". IN DNSKEY 257 3 15 {ROOT}\n")),
    ] {
        std::fs::write(world.path(name), text).expect("written");
    }
    let user = nix::unistd::User::from_uid(nix::unistd::geteuid()).expect("a look").expect("us");
    let path = world.path("relent.toml");
    let before = Config::load(&path).expect("the world's settings");
    let mut table: Table =
        toml::from_str(&std::fs::read_to_string(&path).expect("settings")).expect("TOML");
    let mut wanted = BTreeSet::new();
    for (key, default) in keys() {
        if ALONE.contains(&key.as_str()) {
            continue;
        }
        let by_hand = BY_HAND
            .iter()
            .find(|(name, _)| *name == key)
            .map(|(_, text)| text.replace("{world}", &home).replace("{user}", &user.name));
        let text = by_hand.or_else(|| default.as_ref().and_then(other));
        let text = text.unwrap_or_else(|| panic!("how is {key} changed? add it to BY_HAND"));
        let value = value(&text);
        let (section, name) = key.rsplit_once('.').unwrap_or(("", &key));
        let mut place = &mut table;
        for part in section.split('.').filter(|part| !part.is_empty()) {
            let inner = place.entry(part).or_insert_with(|| Table::new().into());
            place = inner.as_table_mut().expect("a section");
        }
        place.insert(name.into(), value);
        wanted.insert(key);
    }
    // The command line must find the daemon again: the socket's own key is changed in a second file.
    let text = toml::to_string(&table).expect("TOML");
    let after = Config::read(&text, Path::new("changed.toml")).expect("what is changed is right");
    let differ: BTreeSet<_> = differences(&before, &after).into_iter().collect();
    let silent: Vec<_> = wanted.difference(&differ).collect();
    assert!(silent.is_empty(), "these were not changed: {silent:?}");
    std::fs::write(&path, &text).expect("settings");
    let socket = world.path("admin.sock").display().to_string();
    let finder = world.path("finder.toml");
    std::fs::write(&finder, format!("[listen]\nadmin = \"{socket}\"\n")).expect("settings");
    let output = std::process::Command::new(crate::support::program())
        .args(["reload", "--json", "--config"])
        .arg(&finder)
        .output();
    let said = crate::support::said(output.expect("the command line runs"));
    assert_eq!(said.code, 0, "{}", said.err);
    let done = said.json();
    let applied = done["applied"].as_array().expect("a list").iter().filter_map(|key| key.as_str());
    let applied: BTreeSet<String> = applied.map(str::to_owned).collect();
    let restart = done["restart"].as_array().expect("a list").iter();
    let restart: BTreeSet<String> =
        restart.filter_map(|one| one["key"].as_str()).map(str::to_owned).collect();
    let fixed: BTreeSet<String> = FIXED.iter().map(|(key, _)| (*key).to_owned()).collect();
    let expected: BTreeSet<String> = fixed.intersection(&wanted).cloned().collect();
    assert_eq!(restart, expected, "what needs a restart is what the table names");
    let both: BTreeSet<_> = applied.union(&restart).cloned().collect();
    let ignored: Vec<_> = wanted.difference(&both).collect();
    assert!(ignored.is_empty(), "silently ignored: {ignored:?}");
    assert!(applied.is_disjoint(&restart));
}
