//! Which settings a running daemon cannot change, and how two sets of settings differ, key by key.

use super::Config;
use std::collections::BTreeSet;
use toml::{Table, Value};

macro_rules! fixed {
    ($($($key:ident).+ : $why:literal,)*) => {
        /// The settings that a running daemon keeps until it is restarted, and why. Every other one is
        /// taken at a reload.
        pub const FIXED: &[(&str, &str)] = &[$((joined!($($key).+), $why)),*];

        impl Config {
            /// These settings, with those of `before` where only a restart changes them.
            #[must_use]
            pub fn kept_from(mut self, before: &Self) -> Self {
                $(self.$($key).+.clone_from(&before.$($key).+);)*
                self
            }
        }
    };
}

macro_rules! joined {
    ($section:ident) => {
        stringify!($section)
    };
    ($section:ident.$key:ident) => {
        concat!(stringify!($section), ".", stringify!($key))
    };
}

fixed! {
    data_dir: "all that must last lies there, open and locked",
    listen.admin: "the command line finds the daemon by it",
    spool.pending_max: "it is the length of a line that is made at the start",
    store.engine: "the records are open in it",
    store.url: "the records are open there",
    store.cache: "the engine takes it when it is opened",
    store.recent_size_max: "it is taken when the records are opened",
    store.pending_max: "it is the length of a line that is made at the start",
    store.batch_max: "it is taken when the records are opened",
    log.json: "a log that changes its form half-way can be read by no program",
    log.format: "a log that changes its form half-way can be read by no program",
    log.journal: "the way to it is opened at the start",
    log.traces: "they are sent to where the log began to send them",
    log.addresses: "a log must not name people in two ways",
    metrics.accounts_max: "names that were given stay",
    process.user: "root's rights are given up once",
    process.sandbox: "the cage is entered once",
    process.sandbox_read: "the cage is entered once",
    process.sandbox_write: "the cage is entered once",
    process.sandbox_connect: "the cage is entered once",
    process.sandbox_listen: "the cage is entered once",
    process.reloads_max: "room for so many sets of settings is made at the start",
    process.threads: "they are started once",
}

/// Sections within sections, whose keys are named one by one.
const DEEPER: &[&str] = &["replies.words"];

/// The keys in which two sets of settings differ, as in `queue.expiry`, in the order of the alphabet.
/// Of tables with names of their own, such as `delivery.pools`, the table's key.
#[must_use]
pub fn differences(one: &Config, other: &Config) -> Vec<String> {
    let table = |config: &Config| Table::try_from(config).unwrap_or_default();
    let mut found = BTreeSet::new();
    compare("", &table(one), &table(other), &mut found);
    if one.delivery.refusal_rules != other.delivery.refusal_rules {
        // The same file may say something else.
        found.insert("delivery.refusal_rules".to_owned());
    }
    found.into_iter().collect()
}

fn compare(prefix: &str, one: &Table, other: &Table, found: &mut BTreeSet<String>) {
    for key in one.keys().chain(other.keys()) {
        let (ours, theirs) = (one.get(key), other.get(key));
        if ours == theirs {
            continue;
        }
        let name = format!("{prefix}{key}");
        match (ours, theirs) {
            (Some(Value::Table(ours)), Some(Value::Table(theirs)))
                if prefix.is_empty() || DEEPER.contains(&name.as_str()) =>
            {
                compare(&format!("{name}."), ours, theirs, found);
            }
            _ => {
                found.insert(name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::reference;
    use std::path::Path;

    fn read(text: &str) -> Config {
        Config::read(text, Path::new("x.toml")).expect("settings")
    }

    #[test]
    fn settings_differ_key_by_key() {
        let text = "hostname = \"a.example\"\n[queue]\nexpiry = \"2d\"\n\
            [delivery]\ntls_policies = { \"b.example\" = \"verify\" }\n\
            [replies.words]\nreject = [\"adieu\"]\n[replies.words.streams.\"a/b\"]\ndrop = [\"n\"]\n";
        let found = differences(&Config::default(), &read(text));
        let expected = [
            "delivery.tls_policies",
            "hostname",
            "queue.expiry",
            "replies.words.reject",
            "replies.words.streams",
        ];
        assert_eq!(found, expected);
        assert!(differences(&read(text), &read(text)).is_empty());
    }

    #[test]
    fn what_only_a_restart_changes_is_kept_from_before() {
        let before = read("data_dir = \"/a\"\n[process]\nthreads = 2\n");
        let after = read("data_dir = \"/b\"\n[process]\nthreads = 3\ndrain_timeout = \"9s\"\n");
        assert_eq!(differences(&before, &after).len(), 3);
        let held = after.kept_from(&before);
        assert_eq!(differences(&before, &held), ["process.drain_timeout"]);
    }

    #[test]
    fn every_fixed_key_is_a_key_of_the_settings() {
        let keys: Vec<String> = reference::settings().iter().map(reference::Setting::key).collect();
        for (name, why) in FIXED {
            assert!(keys.iter().any(|key| key == name), "no key {name}");
            assert!(!why.is_empty());
        }
    }
}
