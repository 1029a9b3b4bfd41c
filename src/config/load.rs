//! From a file to settings that hold together; a fault names file, line, key and reason.

use super::{CREDENTIALS, Config, RefusalFile, check};
use crate::mail::Domain;
use std::ops::Range;
use std::path::{Path, PathBuf};
use toml::de::{DeTable, DeValue};

/// The sheet, whose lines are the examples of what to write.
const SHEET: &str = include_str!("../../config/relent.toml");
/// The same for the shaping file, whose keys are the same in every table.
const SHAPING: &str = include_str!("../../config/shaping.toml");
/// Longest value that is told back.
const VALUE_MAX: usize = 60;

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

    pub(super) fn of(text: &str, path: &Path, key: &str, reason: String) -> Self {
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
        let bytes = std::fs::read(path).map_err(|fault| ConfigFault {
            path: path.into(),
            line: None,
            key: None,
            reason: unread(path, &fault),
        })?;
        let mut config = String::from_utf8(bytes)
            .map_err(|fault| garbled(path, fault.as_bytes(), fault.utf8_error().valid_up_to()))
            .and_then(|text| {
                let mut config = Self::read(&text, path)?;
                // A file that the settings name is read with them.
                let rules = config.delivery.refusal_rules.as_mut();
                rules.map_or(Ok(()), RefusalFile::load).map_err(|reason| {
                    ConfigFault::of(&text, path, "delivery.refusal_rules", reason)
                })?;
                Ok(config)
            })?;
        config.hand_over_credentials(std::env::var_os(CREDENTIALS).as_deref());
        let beside = path.with_file_name("shaping.toml");
        let shaping = &mut config.delivery.shaping;
        match shaping {
            // A name without a folder is one beside the settings.
            Some(named) => *named = path.with_file_name(&*named),
            None => *shaping = beside.exists().then_some(beside),
        }
        Ok(config)
    }

    /// Reads and checks settings; `path` is what a fault names.
    ///
    /// # Errors
    /// [`ConfigFault`] naming file, line, key and reason.
    pub fn read(text: &str, path: &Path) -> Result<Self, ConfigFault> {
        let mut config: Self = toml::from_str(text).map_err(|fault| refusal(text, path, &fault))?;
        check::check(&config).map_err(|(key, reason)| ConfigFault::of(text, path, &key, reason))?;
        config.normalise();
        Ok(config)
    }

    /// Writes names as DNS is asked for them, so that one name is never two.
    fn normalise(&mut self) {
        let policies = std::mem::take(&mut self.delivery.tls_policies);
        let plain = |name: String| Domain::parse(&name).map_or(name, |domain| domain.to_string());
        self.delivery.tls_policies =
            policies.into_iter().map(|(name, policy)| (plain(name), policy)).collect();
        for name in std::iter::once(&mut self.hostname).chain(&mut self.replies.domain) {
            if let Ok(domain) = Domain::parse(name) {
                domain.as_str().clone_into(name);
            }
        }
    }

    /// What differs from the defaults, as TOML.
    ///
    /// # Errors
    /// In words, when a setting cannot be written as TOML.
    pub fn changed(&self) -> Result<String, String> {
        let table =
            |config: &Self| toml::Table::try_from(config).map_err(|fault| fault.to_string());
        let changed = changes(table(self)?, &table(&Self::default())?);
        toml::to_string(&changed).map_err(|fault| fault.to_string())
    }
}

/// What of a section differs from its defaults; of the sections within, what differs there.
fn changes(section: toml::Table, defaults: &toml::Table) -> toml::Table {
    let changed =
        section.into_iter().filter_map(|(key, value)| match (value, defaults.get(&key)) {
            (toml::Value::Table(inner), Some(toml::Value::Table(default))) => {
                let inner = changes(inner, default);
                (!inner.is_empty()).then(|| (key, inner.into()))
            }
            (value, default) => (default != Some(&value)).then_some((key, value)),
        });
    changed.collect()
}

/// What the reader of TOML did not take, with line, key and what to write.
pub(super) fn refusal(text: &str, path: &Path, fault: &toml::de::Error) -> ConfigFault {
    let place = fault.span();
    let key = place.as_ref().and_then(|place| key_at(text, place.start));
    ConfigFault {
        path: path.into(),
        line: place.as_ref().map(|place| line(text, place.start)),
        reason: said(fault.message(), text, place, key.as_deref()),
        key,
    }
}

/// Why a file could not be read, and what to do.
fn unread(path: &Path, fault: &std::io::Error) -> String {
    use std::io::ErrorKind;
    let way = match fault.kind() {
        ErrorKind::NotFound => "name the settings file with --config FILE".to_owned(),
        ErrorKind::PermissionDenied => {
            "this user may not read it: run this as root or as the daemon's user".to_owned()
        }
        _ if path.is_dir() => {
            format!("it is a folder: name a file, as in {}", path.join("relent.toml").display())
        }
        _ => "see that it is a file that can be read".to_owned(),
    };
    format!("{fault}; {way}")
}

/// A file that is no UTF-8 from some byte on.
fn garbled(path: &Path, bytes: &[u8], place: usize) -> ConfigFault {
    let text = String::from_utf8_lossy(bytes);
    let byte = bytes.get(place).copied().unwrap_or_default();
    ConfigFault {
        path: path.into(),
        line: Some(line(&text, place)),
        key: key_at(&text, place),
        reason: format!("the byte 0x{byte:02X} is not UTF-8: save the file as UTF-8"),
    }
}

/// The reader's words, with the value they are about and an example of what to write.
fn said(message: &str, text: &str, place: Option<Range<usize>>, key: Option<&str>) -> String {
    let message = message.trim().replace('\n', ", ");
    if message.contains("duplicate key") {
        return format!("{message}; it stands here for the second time: keep one of the two");
    }
    let value = place.and_then(|place| text.get(place)).unwrap_or_default().trim();
    let is_short = !value.is_empty() && value.len() <= VALUE_MAX && !value.contains('\n');
    let bare = value.trim_matches('"');
    let mut said = String::new();
    let is_told = ["`", "\""].iter().any(|mark| message.contains(&format!("{mark}{bare}{mark}")));
    if is_short && !is_told {
        said = format!("`{bare}`: ");
    }
    said.push_str(&message);
    if message.starts_with("unknown field") {
        said.push_str("; write one of these, or leave it out");
    } else if let Some(example) = key.and_then(example).filter(|_| !message.contains("write ")) {
        said.push_str(&format!("; write it as in {example}"));
    }
    said
}

/// How the sheet writes a key; where its default shows nothing, how it may be written.
fn example(key: &str) -> Option<&'static str> {
    match key {
        "queue.marketing_retry_delays" => return Some("marketing_retry_delays = [\"5m\"]"),
        "dns.nameservers" => return Some("nameservers = [\"127.0.0.1:53\"]"),
        "listen.https" => return Some("https = [\"0.0.0.0:443\"]"),
        "listen.redirect" => return Some("redirect = [\"0.0.0.0:80\"]"),
        "acme.hosts" => return Some("hosts = [\"mail.example.com\"]"),
        "tls.more" => {
            return Some("more = [{ certificate = \"more.pem\", key = \"more.key\" }]");
        }
        "delivery.source_addresses" => return Some("source_addresses = [\"192.0.2.25\"]"),
        _ => {}
    }
    let (section, name) = key.rsplit_once('.').unwrap_or(("", key));
    if ["default", "site", "domain"].contains(&section.split('.').next().unwrap_or_default()) {
        let is_it = |line: &&str| line.split_once(" = ").is_some_and(|(found, _)| found == name);
        return SHAPING.lines().find(is_it);
    }
    let mut here = "";
    for line in SHEET.lines() {
        if let Some(head) = line.strip_prefix('[') {
            here = head.trim_end_matches(']');
        }
        let bare = line.strip_prefix('#').unwrap_or(line);
        if here == section && bare.split_once(" = ").is_some_and(|(found, _)| found == name) {
            return Some(bare);
        }
        // A section where a value was meant, or the other way round.
        if section.is_empty() && here == name {
            return Some(line);
        }
    }
    None
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

/// The innermost key whose text a byte lies in; where the file cannot be read so far, the one that its
/// line begins with.
fn key_at(text: &str, place: usize) -> Option<String> {
    let found = keys(text)
        .into_iter()
        .filter(|key| (key.start..key.end.max(key.start + 1)).contains(&place))
        .min_by_key(|key| key.end.saturating_sub(key.start))
        .map(|key| key.name);
    found.or_else(|| begun(text, place))
}

/// The key that the line of a byte begins with, and the section it stands in, as they are written.
fn begun(text: &str, place: usize) -> Option<String> {
    let lines: Vec<&str> = text.lines().take(line(text, place)).collect();
    let last = lines.last()?.trim();
    let head = |line: &str| {
        Some(line.trim().strip_prefix('[')?.trim_matches(['[', ']']).trim().to_owned())
    };
    if let Some(section) = head(last) {
        return Some(section).filter(|name| !name.is_empty());
    }
    let name = last.split_once('=').map_or(last, |(name, _)| name).trim();
    if name.is_empty() || name.contains(char::is_whitespace) {
        return None;
    }
    let section = lines.iter().rev().find_map(|line| head(line));
    Some(section.map_or_else(|| name.to_owned(), |section| format!("{section}.{name}")))
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
        // A key that the reader ends before it begins.
        let text = fault("[\r\0");
        assert!(text.starts_with("relent.toml:1: "), "{text}");
        let text = fault("[store]\nengine = \"postgres\"\n");
        assert!(
            text.starts_with("relent.toml:2: store.engine: this build has no engine"),
            "{text}"
        );
        #[cfg(not(feature = "sled"))]
        {
            let text = fault("[store]\nengine = \"sled\"\n");
            assert!(text.starts_with("relent.toml:2: store.engine: this build has no engine"));
            assert!(text.contains("cargo build --release --features sled"), "{text}");
        }
        let text = fault("hostname = \"x\"\ntls.certificate = \"c.pem\"\n");
        assert!(text.starts_with("relent.toml:2: tls.certificate: "), "{text}");
    }

    #[cfg(feature = "sled")]
    #[test]
    fn an_engine_that_the_build_has_is_taken() {
        let text = "[store]\nengine = \"sled\"\n";
        let config = Config::read(text, Path::new("x")).expect("fine");
        assert_eq!(config.store.engine, crate::config::StoreEngine::Sled);
        assert_eq!(config.changed().expect("TOML"), text);
    }

    #[test]
    fn a_fault_says_what_to_write_instead() {
        for (text, words) in [
            (
                "[queue]\nexpiry = \"1d\"\nexpiry = \"2d\"\n",
                &["x.toml:3: queue.expiry: duplicate key", "keep one of the two"][..],
            ),
            (
                "hostname = \"a.example\"\nhostname = \"b.example\"\n",
                &["x.toml:2: hostname: duplicate key", "keep one"],
            ),
            ("[queue]\nexpiry = 4\n", &["x.toml:2: queue.expiry: ", "4", "expiry = \"4d\""]),
            ("hostname = 7\n", &["x.toml:1: hostname: ", "7", "hostname = \"localhost\""]),
            (
                "[listen]\nhttp = [\"127.0.0.1\"]\n",
                &["x.toml:2: listen.http: `127.0.0.1`: ", "http = [\"127.0.0.1:8025\"]"],
            ),
            ("[listen]\nhttp = \"127.0.0.1:80\"\n", &["x.toml:2: listen.http: ", "as in http = ["]),
            (
                "[listen]\nhttps = \"0.0.0.0:443\"\n",
                &["x.toml:2: listen.https: ", "as in https = [\"0.0.0.0:443\"]"],
            ),
            (
                "[acme]\nchallenge = \"dns-01\"\n",
                &["x.toml:2: acme.challenge: ", "dns-01", "tls-alpn-01"],
            ),
            (
                "[tls]\nmore = [{ certificate = \"c.pem\" }]\n",
                &["x.toml:2: tls.more: ", "missing field `key`", "more = [{"],
            ),
            ("[tls]\ncertificate = true\n", &["x.toml:2: tls.certificate: ", "certificate.pem\""]),
            ("[log]\njson = \"yes\"\n", &["x.toml:2: log.json: ", "json = false"]),
            ("[queue]\nitems_max = -1\n", &["x.toml:2: queue.items_max: ", "items_max = 5000000"]),
            (
                "[delivery]\nsource_addresses = [\"x\"]\n",
                &["x.toml:2: delivery.source_addresses: `x`: ", "[\"192.0.2.25\"]"],
            ),
            ("[queue]\nexpiri = \"4d\"\n", &["x.toml:2: queue.expiri: ", "`expiry`", "write one"]),
            ("hostname = \"a b\"\n", &["x.toml:1: hostname: `a b`: ", "relay.example.com"]),
            ("queue = 5\n", &["x.toml:1: queue: ", "[queue]"]),
            ("[queue]\nexpiry = \n", &["x.toml:2: queue.expiry: "]),
            ("[log]\nlevel = \"loud\"\n", &["x.toml:2: log.level: `loud` is no level", "info"]),
        ] {
            let said = Config::read(text, Path::new("x.toml")).expect_err("refused").to_string();
            for word in words {
                assert!(said.contains(word), "{text}{said}");
            }
        }
    }

    #[test]
    fn a_file_that_cannot_be_read_is_named_with_what_to_do() {
        let home = tempfile::tempdir().expect("a folder");
        let said = |path: &Path| Config::load(path).expect_err("no settings").to_string();
        let none = said(&home.path().join("none.toml"));
        assert!(none.contains("none.toml") && none.contains("--config FILE"), "{none}");
        let folder = said(home.path());
        assert!(folder.contains("it is a folder") && folder.contains("/relent.toml"), "{folder}");
        let file = home.path().join("latin.toml");
        std::fs::write(&file, b"data_dir = \"/x\"\nhostname = \"caf\xe9.example\"\n")
            .expect("a file");
        let garbled = said(&file);
        assert!(garbled.contains("latin.toml:2: hostname: the byte 0xE9"), "{garbled}");
        assert!(garbled.contains("save the file as UTF-8"), "{garbled}");
    }

    #[test]
    fn names_are_kept_as_dns_is_asked_for_them() {
        let text = "hostname = \"Relay.Bücher.Example.\"\n[replies]\ndomain = \"REPLY.Example\"\n";
        let config = Config::read(text, Path::new("x")).expect("fine");
        assert_eq!(config.hostname, "relay.xn--bcher-kva.example");
        assert_eq!(config.replies.domain.as_deref(), Some("reply.example"));
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

    #[test]
    fn of_sections_within_sections_only_what_is_changed_is_printed() {
        let text = "[delivery.pools.news]\nsenders = [\"acme\"]\n\n\
            [[delivery.pools.news.sources]]\naddress = \"127.0.0.1\"\n\n\
            [replies.words]\nunsubscribe = [\"adieu\"]\n\n\
            [replies.words.streams.\"acme/orders\"]\ndrop = [\"n\"]\n";
        let config = Config::read(text, Path::new("x")).expect("fine");
        assert_eq!(config.changed().expect("TOML"), text);
    }
}
