//! From a file to settings that hold together; a fault names file, line, key and reason.

use super::{Config, check};
use std::path::{Path, PathBuf};
use toml::de::{DeTable, DeValue};

/// What is wrong with a settings file: which file, which line, which key, why, what to do.
#[derive(Debug, thiserror::Error)]
#[error(
    "{}{}: {}{reason}",
    path.display(),
    line.map(|line| format!(":{line}")).unwrap_or_default(),
    key.as_ref().map(|key| format!("{key}: ")).unwrap_or_default()
)]
pub struct ConfigFault {
    /// The file.
    pub path: PathBuf,
    /// The line from 1, where it is known.
    pub line: Option<usize>,
    /// The key with its section, as in `queue.expiry`, where it is known.
    pub key: Option<String>,
    /// The reason, in words.
    pub reason: String,
}

impl ConfigFault {
    /// A fault of one key, found after the file was read; the line is looked up where it still has it.
    #[must_use]
    pub fn at(path: &Path, key: &str, reason: String) -> Self {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        Self::of(&text, path, key, reason)
    }

    fn of(text: &str, path: &Path, key: &str, reason: String) -> Self {
        let found = keys(text).into_iter().find(|found| found.name == key);
        let line = found.map(|found| line(text, found.start));
        Self { path: path.into(), line, key: Some(key.to_owned()), reason }
    }
}

impl Config {
    /// Reads and checks a settings file.
    ///
    /// # Errors
    /// [`ConfigFault`] naming file, line, key and reason.
    pub fn load(path: &Path) -> Result<Self, ConfigFault> {
        match std::fs::read_to_string(path) {
            Ok(text) => Self::read(&text, path),
            Err(fault) => Err(ConfigFault {
                path: path.into(),
                line: None,
                key: None,
                reason: format!("{fault}; name the settings file with --config FILE"),
            }),
        }
    }

    /// Reads and checks settings; `path` is what a fault names.
    ///
    /// # Errors
    /// [`ConfigFault`] naming file, line, key and reason.
    pub fn read(text: &str, path: &Path) -> Result<Self, ConfigFault> {
        let keys = keys(text);
        let config: Self = toml::from_str(text).map_err(|fault| {
            let place = fault.span().map(|span| span.start);
            ConfigFault {
                path: path.into(),
                line: place.map(|place| line(text, place)),
                key: place.and_then(|place| key_at(&keys, place)),
                reason: fault.message().to_owned(),
            }
        })?;
        match check::check(&config) {
            Ok(()) => Ok(config),
            Err((key, reason)) => Err(ConfigFault {
                path: path.into(),
                line: keys
                    .iter()
                    .find(|found| found.name == key)
                    .map(|found| line(text, found.start)),
                key: Some(key),
                reason,
            }),
        }
    }

    /// What differs from the defaults, as TOML.
    ///
    /// # Errors
    /// In words, when a setting cannot be written as TOML.
    pub fn changed(&self) -> Result<String, String> {
        let table =
            |config: &Self| toml::Table::try_from(config).map_err(|fault| fault.to_string());
        let (ours, defaults) = (table(self)?, table(&Self::default())?);
        let mut changed = toml::Table::new();
        for (key, value) in ours {
            match (value, defaults.get(&key)) {
                (toml::Value::Table(section), Some(toml::Value::Table(default))) => {
                    let section: toml::Table = section
                        .into_iter()
                        .filter(|(key, value)| default.get(key) != Some(value))
                        .collect();
                    if !section.is_empty() {
                        changed.insert(key, section.into());
                    }
                }
                (value, default) if default != Some(&value) => {
                    changed.insert(key, value);
                }
                _ => {}
            }
        }
        toml::to_string(&changed).map_err(|fault| fault.to_string())
    }
}

fn line(text: &str, place: usize) -> usize {
    let before = text.as_bytes().get(..place).unwrap_or(text.as_bytes());
    1 + before.iter().filter(|byte| **byte == b'\n').count()
}

/// A key of the file: its full name, and the bytes from its first to the last of its value.
struct Key {
    name: String,
    start: usize,
    end: usize,
}

/// The keys that stand in a file; none when it is not TOML at all.
fn keys(text: &str) -> Vec<Key> {
    fn walk(table: &DeTable<'_>, prefix: &str, found: &mut Vec<Key>) {
        for (key, value) in table {
            let name = format!("{prefix}{}", key.get_ref());
            if let DeValue::Table(section) = value.get_ref() {
                walk(section, &format!("{name}."), found);
            }
            found.push(Key { name, start: key.span().start, end: value.span().end });
        }
    }
    let mut found = Vec::new();
    let (table, _) = DeTable::parse_recoverable(text);
    walk(table.get_ref(), "", &mut found);
    found
}

/// The innermost key whose text a byte lies in.
fn key_at(keys: &[Key], place: usize) -> Option<String> {
    keys.iter()
        .filter(|key| (key.start..key.end.max(key.start + 1)).contains(&place))
        .min_by_key(|key| key.end - key.start)
        .map(|key| key.name.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> String {
        Config::read(text, Path::new("relent.toml")).expect_err("must be refused").to_string()
    }

    #[test]
    fn a_fault_names_line_key_and_reason() {
        let text = fault("hostname = \"a.example\"\n\n[queue]\nexpiry = \"soon\"\n");
        assert!(
            text.starts_with("relent.toml:4: queue.expiry: `soon` is not a duration"),
            "{text}"
        );
        let text = fault("[queue]\n\nretry_delay = \"1m\"\n");
        assert!(text.starts_with("relent.toml:3: ") && text.contains("retry_delay"), "{text}");
        let text = fault("[listen\n");
        assert!(text.starts_with("relent.toml:1: "), "{text}");
        let text = fault("[store]\nengine = \"postgres\"\n");
        assert!(
            text.starts_with("relent.toml:2: store.engine: this build has no engine"),
            "{text}"
        );
        let text = fault("[dns]\n# later\nvalidate = true\n");
        assert!(
            text.starts_with("relent.toml:3: dns.validate: ") && text.contains("not supported yet")
        );
        let text = fault("hostname = \"x\"\ntls.certificate = \"c.pem\"\n");
        assert!(text.starts_with("relent.toml:2: tls.certificate: "), "{text}");
    }

    #[test]
    fn what_is_changed_reads_back_as_the_same_settings() {
        let text =
            "hostname = \"a.example\"\n[queue]\nexpiry = \"2d\"\n[store]\ncache = \"32MB\"\n";
        let config = Config::read(text, Path::new("x")).expect("fine");
        let changed = config.changed().expect("TOML");
        assert_eq!(
            changed,
            "hostname = \"a.example\"\n\n[queue]\nexpiry = \"2d\"\n\n[store]\ncache = \"32MB\"\n"
        );
        assert_eq!(Config::read(&changed, Path::new("x")).expect("fine"), config);
        assert_eq!(Config::default().changed().expect("TOML"), "");
    }
}
