//! What types cannot say of settings: which of them need each other, and which may not be nothing.

use super::Config;
use crate::mail::{Address, Domain};
use toml::Value;

/// Longest path of a socket that Linux takes.
const SOCKET_PATH_MAX: usize = 107;

/// Keys that may be zero; every other number, size and duration is a limit that would let nothing through.
const ZERO: [&str; 8] = [
    "queue.retry_jitter_percent",
    "delivery.connection_idle",
    "dns.cache_entries_max",
    "dns.cache_ttl_max",
    "spool.free_space_min",
    "spool.mark_delay",
    "process.drain_timeout",
    "process.threads",
];

/// The first fault: its key and the reason.
pub(super) fn check(config: &Config) -> Result<(), (String, String)> {
    let refuse = |key: &str, reason: String| Err((key.to_owned(), reason));
    if let Err(fault) = Domain::parse(&config.hostname) {
        return refuse("hostname", format!("{fault}: write a name such as \"relay.example.com\""));
    }
    if config.data_dir.as_os_str().is_empty() {
        return refuse("data_dir", "it is empty: name a folder, as in \"/var/lib/relent\"".into());
    }
    let socket = config.listen.admin.as_os_str().len();
    if !(1..=SOCKET_PATH_MAX).contains(&socket) {
        let reason =
            format!("a socket's path has 1 to {SOCKET_PATH_MAX} bytes; this one has {socket}");
        return refuse("listen.admin", reason);
    }
    match (&config.tls.certificate, &config.tls.key) {
        (Some(_), None) => {
            return refuse(
                "tls.certificate",
                "it needs its private key: set `key` in [tls] too".into(),
            );
        }
        (None, Some(_)) => {
            return refuse(
                "tls.key",
                "it needs its certificate: set `certificate` in [tls] too".into(),
            );
        }
        _ => {}
    }
    if config.dns.validate {
        return refuse(
            "dns.validate",
            "validation is not supported yet: write validate = false".into(),
        );
    }
    if config.queue.retry_delays.is_empty() {
        let reason = "it is empty: name at least one wait, as in [\"5m\"]";
        return refuse("queue.retry_delays", reason.into());
    }
    if config.queue.retry_jitter_percent > 100 {
        return refuse("queue.retry_jitter_percent", "it is a share: 0 to 100".into());
    }
    if let Some(Err(fault)) = config.replies.domain.as_deref().map(Domain::parse) {
        let reason = format!("{fault}: write a name such as \"reply.example.com\"");
        return refuse("replies.domain", reason);
    }
    if let Some(Err(fault)) = config.replies.postmaster.as_deref().map(Address::parse) {
        let reason = format!("{fault}: write an address such as \"postmaster@example.com\"");
        return refuse("replies.postmaster", reason);
    }
    if let Some(Err(reason)) = config.http.public_url.as_deref().map(is_public) {
        return refuse("http.public_url", reason);
    }
    if config.store.url.is_some() {
        let reason = "the engine \"redb\" keeps its files in data_dir: leave `url` out";
        return refuse("store.url", reason.into());
    }
    nothing(config).map_or(Ok(()), |key| {
        refuse(&key, "it must be more than nothing: leave it out for the default".into())
    })
}

/// Whether pages can be linked below this address.
fn is_public(url: &str) -> Result<(), String> {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let host = rest.map(|rest| rest.split('/').next().unwrap_or_default());
    let (name, port) = match host.map(|host| host.rsplit_once(':').unwrap_or((host, "443"))) {
        Some(found) => found,
        None => return Err("it must begin with https:// (or, for labs, http://)".into()),
    };
    if Domain::parse(name).is_err() && name.parse::<std::net::Ipv4Addr>().is_err() {
        return Err(format!("`{name}` is not a host: write as in \"https://mail.example.com\""));
    }
    if port.parse::<u16>().is_err() {
        return Err(format!("`{port}` is not a port"));
    }
    if url.contains(|c: char| c.is_whitespace() || c.is_control() || "?#<>\"".contains(c)) {
        return Err("it must be a plain address: no spaces, quotes, `?` or `#`".into());
    }
    Ok(())
}

/// The first limit that is zero.
fn nothing(config: &Config) -> Option<String> {
    fn zero(value: &Value) -> bool {
        match value {
            Value::Integer(number) => *number == 0,
            Value::String(text) => text == "0s" || text == "0B",
            Value::Array(values) => values.iter().any(zero),
            _ => false,
        }
    }
    let table = toml::Table::try_from(config).ok()?;
    for (section, value) in &table {
        let Some(section_table) = value.as_table() else {
            continue;
        };
        for (key, value) in section_table {
            let name = format!("{section}.{key}");
            if zero(value) && !ZERO.contains(&name.as_str()) {
                return Some(name);
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faulty(text: &str) -> Option<String> {
        let config: Config = toml::from_str(text).expect("types hold");
        check(&config).err().map(|(key, _)| key)
    }

    #[test]
    fn settings_that_do_not_hold_together_are_refused_by_key() {
        for (key, text) in [
            ("hostname", "hostname = \"not a name\""),
            ("data_dir", "data_dir = \"\""),
            ("listen.admin", "[listen]\nadmin = \"\""),
            ("tls.certificate", "[tls]\ncertificate = \"c.pem\""),
            ("tls.key", "[tls]\nkey = \"k.pem\""),
            ("dns.validate", "[dns]\nvalidate = true"),
            ("queue.retry_delays", "[queue]\nretry_delays = []"),
            ("queue.retry_delays", "[queue]\nretry_delays = [\"5m\", \"0s\"]"),
            ("queue.retry_jitter_percent", "[queue]\nretry_jitter_percent = 101"),
            ("replies.domain", "[replies]\ndomain = \"a b\""),
            ("replies.postmaster", "[replies]\npostmaster = \"postmaster\""),
            ("http.public_url", "[http]\npublic_url = \"mail.example.com\""),
            ("http.public_url", "[http]\npublic_url = \"https://mail.example.com/?x\""),
            ("store.url", "[store]\nurl = \"postgres://x\""),
            ("submission.message_size_max", "[submission]\nmessage_size_max = \"0MB\""),
            ("inbound.connections_max", "[inbound]\nconnections_max = 0"),
            ("queue.expiry", "[queue]\nexpiry = \"0d\""),
            ("delivery.port", "[delivery]\nport = 0"),
        ] {
            assert_eq!(faulty(text).as_deref(), Some(key), "{text}");
        }
    }

    #[test]
    fn a_labs_settings_are_fine() {
        for text in [
            "",
            "[listen]\nsubmission = [\"127.0.0.1:0\"]",
            "[http]\npublic_url = \"http://127.0.0.1:8025\"",
            "[spool]\nmark_delay = \"0s\"",
            "[replies]\ndomain = \"reply.example.com\"\npostmaster = \"me@example.com\"",
            "[dns]\nvalidate = false\ntrust_anchor = \"root.key\"",
        ] {
            assert_eq!(faulty(text), None, "{text}");
        }
    }
}
