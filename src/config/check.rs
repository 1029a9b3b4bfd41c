//! What types cannot say of settings: which of them need each other, and which may not be nothing.

use super::credential::is_name;
use super::{Config, Listen, pools};
use crate::mail::{Address, Domain};
use std::net::SocketAddr;
use toml::Value;

/// Longest path of a socket that Linux takes.
const SOCKET_PATH_MAX: usize = 107;

/// Levels of the log, from none to all.
const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// Most refusals that are counted before an address is suppressed.
const HARD_BOUNCES_MAX: u32 = 100;

/// Largest logo, so that every engine keeps it as one record.
const LOGO_SIZE_MOST: u64 = 60 << 10;

/// Most changes of settings without a restart.
const RELOADS_MOST: u32 = 100_000;

/// Most streams of a page of choices, since forms have a limit of fields.
const PAGE_STREAMS_MOST: u32 = 100;

/// Keys that may be zero; every other number, size and duration is a limit that would let nothing through.
const ZERO: &[&str] = &[
    "queue.retry_jitter_percent",
    "queue.quiet_spread",
    "queue.asked_wait_max",
    "queue.dead_share_leap",
    "queue.dead_share_norm_min_percent",
    "delivery.connection_idle",
    "mta_sts.retry_delay",
    "tls_reports.spread",
    "dns.cache_entries_max",
    "dns.cache_ttl_max",
    "webhooks.connection_idle",
    "webhooks.events_delay",
    "webhooks.secret_overlap",
    "webhooks.drain_timeout",
    "spool.free_space_min",
    "spool.reserve_size",
    "spool.live_percent_min",
    "spool.mark_delay",
    "metrics.accounts_max",
    "accounts.messages_per_second_max",
    "accounts.messages_per_minute_max",
    "accounts.recipients_per_day_max",
    "process.drain_timeout",
    "process.threads",
];

/// The first fault: its key and the reason.
pub(super) fn check(config: &Config) -> Result<(), (String, String)> {
    let refuse = |key: &str, reason: String| Err((key.to_owned(), reason));
    if let Err(fault) = Domain::parse(&config.hostname) {
        let reason =
            format!("`{}`: {fault}: write a name such as \"relay.example.com\"", config.hostname);
        return refuse("hostname", reason);
    }
    if config.data_dir.as_os_str().is_empty() {
        return refuse("data_dir", "it is empty: name a folder, as in \"/var/lib/relent\"".into());
    }
    if let Some((key, reason)) = twice(&config.listen) {
        return refuse(&key, reason);
    }
    let socket = config.listen.admin.as_os_str().len();
    if !(1..=SOCKET_PATH_MAX).contains(&socket) {
        let reason = format!(
            "a socket's path has 1 to {SOCKET_PATH_MAX} bytes, this one has {socket}: write a shorter \
             one, as in \"/run/relent/admin.sock\""
        );
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
    if let Some((key, reason)) = super::acme::fault(config) {
        return refuse(key, reason);
    }
    encryption(config)?;
    if config.queue.retry_delays.is_empty() {
        let reason = "it is empty: name at least one wait, as in [\"5m\"]";
        return refuse("queue.retry_delays", reason.into());
    }
    if config.queue.retry_jitter_percent > 100 {
        let found = config.queue.retry_jitter_percent;
        let reason = format!("{found} is no share in percent: write 0 to 100, as in 10");
        return refuse("queue.retry_jitter_percent", reason);
    }
    if config.queue.hard_bounces_to_suppress > HARD_BOUNCES_MAX {
        let reason = format!("it may be at most {HARD_BOUNCES_MAX}: each is kept until then");
        return refuse("queue.hard_bounces_to_suppress", reason);
    }
    if config.queue.dead_share_norm_min_percent > 100 {
        let found = config.queue.dead_share_norm_min_percent;
        let reason = format!("{found} is no share in percent: write 0 to 100, as in 2");
        return refuse("queue.dead_share_norm_min_percent", reason);
    }
    if config.webhooks.retry_delays.is_empty() {
        let reason = "it is empty: name at least one pause, as in [\"5s\"]";
        return refuse("webhooks.retry_delays", reason.into());
    }
    if let Some((key, reason)) = names(config).or_else(|| pools::check(config)) {
        return refuse(key, reason);
    }
    if let Some((key, reason)) = config.replies.words.fault() {
        return refuse(&format!("replies.words.{key}"), reason);
    }
    if let Some((key, reason)) = super::members::fault(&config.members) {
        return refuse(key, reason);
    }
    if config.store.url.is_some() {
        let reason = "the engine keeps its files in data_dir and has no server: leave `url` out";
        return refuse("store.url", reason.into());
    }
    if config.spool.live_percent_min > 90 {
        let reason = "it may be at most 90: segments would be written anew without end";
        return refuse("spool.live_percent_min", reason.into());
    }
    if config.process.reloads_max > RELOADS_MOST {
        let reason = "it may be at most 100000: room for so many is made at the start";
        return refuse("process.reloads_max", reason.into());
    }
    if config.http.logo_size_max.0 > LOGO_SIZE_MOST {
        let reason = "it may be at most 60kB: a logo is one record of the store";
        return refuse("http.logo_size_max", reason.into());
    }
    if config.http.page_streams_max > PAGE_STREAMS_MOST {
        let reason = "it may be at most 100: a form has no more fields";
        return refuse("http.page_streams_max", reason.into());
    }
    if let Err(reason) = levels(&config.log.level) {
        return refuse("log.level", reason);
    }
    if let Some((key, reason)) = named_files(config) {
        return refuse(key, reason);
    }
    nothing(config).map_or(Ok(()), |key| {
        refuse(&key, "it must be more than nothing: leave it out for the default".into())
    })
}

/// What is said of policies and reports of TLS.
fn encryption(config: &Config) -> Result<(), (String, String)> {
    let refuse = |key: &str, reason: String| Err((key.to_owned(), reason));
    for name in config.delivery.tls_policies.keys() {
        if let Err(fault) = Domain::parse(name) {
            let reason =
                format!("`{name}`: {fault}: write as in {{ \"partner.example\" = \"verify\" }}");
            return refuse("delivery.tls_policies", reason);
        }
    }
    for (key, address) in [
        ("tls_reports.sender", &config.tls_reports.sender),
        ("tls_reports.contact", &config.tls_reports.contact),
    ] {
        if let Some(Err(fault)) = address.as_deref().map(Address::parse) {
            let name = address.as_deref().unwrap_or_default();
            let reason =
                format!("`{name}`: {fault}: write an address such as \"postmaster@example.com\"");
            return refuse(key, reason);
        }
    }
    if config
        .tls_reports
        .organization
        .as_ref()
        .is_some_and(|name| name.chars().any(char::is_control))
    {
        return refuse(
            "tls_reports.organization",
            "it holds control characters: write a name".into(),
        );
    }
    Ok(())
}

/// The first name or address under which others write to us that is none.
fn names(config: &Config) -> Option<(&'static str, String)> {
    if let Some(name) = &config.replies.domain
        && let Err(fault) = Domain::parse(name)
    {
        let reason = format!("`{name}`: {fault}: write a name such as \"reply.example.com\"");
        return Some(("replies.domain", reason));
    }
    if let Some(name) = &config.replies.postmaster
        && let Err(fault) = Address::parse(name)
    {
        let reason =
            format!("`{name}`: {fault}: write an address such as \"postmaster@example.com\"");
        return Some(("replies.postmaster", reason));
    }
    if let Some(Err(reason)) = config.http.public_url.as_deref().map(is_public) {
        return Some(("http.public_url", reason));
    }
    None
}

/// The first credential whose name systemd would not have, or place of the sandbox that is not told from `/`.
fn named_files(config: &Config) -> Option<(&'static str, String)> {
    for (key, name) in config.missing_credentials() {
        if !is_name(&name) {
            let reason = format!(
                "`{name}` is no name of a credential: write letters, digits, `.`, `_` and `-`, as in \
                 \"credential:key.pem\""
            );
            return Some((key, reason));
        }
    }
    let process = &config.process;
    for (key, places) in [
        ("process.sandbox_read", &process.sandbox_read),
        ("process.sandbox_write", &process.sandbox_write),
    ] {
        if let Some(place) = places.iter().find(|place| !place.is_absolute()) {
            let reason = format!("`{}` must begin with `/`: write the whole path", place.display());
            return Some((key, reason));
        }
    }
    None
}

/// The first address that is listened on twice, by its later key. Port 0 is another port each time.
fn twice(listen: &Listen) -> Option<(String, String)> {
    let mut seen: Vec<(&str, SocketAddr)> = Vec::new();
    for (key, addresses) in listen.tcp() {
        for &address in addresses.iter().filter(|address| address.port() != 0) {
            let clashes = |other: SocketAddr| {
                let (ours, theirs) = (address.ip(), other.ip());
                address.port() == other.port()
                    && ours.is_ipv4() == theirs.is_ipv4()
                    && (ours == theirs || ours.is_unspecified() || theirs.is_unspecified())
            };
            if let Some((first, other)) = seen.iter().find(|(_, other)| clashes(*other)) {
                let reason = format!(
                    "{address} is taken by {other} in listen.{first} already: write another port, or leave \
                     one of the two out"
                );
                return Some((format!("listen.{key}"), reason));
            }
            seen.push((key, address));
        }
    }
    None
}

/// Whether a filter of the log is a level, or levels per target: what else a filter could say would
/// silence the log by a slip of the pen.
fn levels(text: &str) -> Result<(), String> {
    for part in text.split(',').map(str::trim) {
        let (target, level) = match part.split_once('=') {
            Some((target, level)) => (Some(target.trim()), level.trim()),
            None => (None, part),
        };
        let is_target = |name: &str| {
            !name.is_empty()
                && name.chars().all(|c| c.is_ascii_alphanumeric() || ":_-.".contains(c))
        };
        let is_level = LEVELS.into_iter().any(|name| level.eq_ignore_ascii_case(name));
        if !is_level || !target.is_none_or(is_target) {
            return Err(format!(
                "`{part}` is no level: write one of {}, or with a level per target, as in \
                 \"info,relent::delivery=debug\"",
                LEVELS.join(", ")
            ));
        }
    }
    Ok(())
}

/// Whether pages can be linked below this address.
fn is_public(url: &str) -> Result<(), String> {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"));
    let host = rest.map(|rest| rest.split('/').next().unwrap_or_default());
    let Some((name, port)) = host.map(|host| host.rsplit_once(':').unwrap_or((host, "443"))) else {
        return Err(format!(
            "`{url}` must begin with https:// (or, for labs, http://): write as in \
             \"https://mail.example.com\""
        ));
    };
    if Domain::parse(name).is_err() && name.parse::<std::net::Ipv4Addr>().is_err() {
        return Err(format!("`{name}` is not a host: write as in \"https://mail.example.com\""));
    }
    if port.parse::<u16>().is_err() {
        return Err(format!(
            "`{port}` is not a port: write as in \"https://mail.example.com:8443\""
        ));
    }
    if url.contains(|c: char| c.is_whitespace() || c.is_control() || "?#<>\"".contains(c)) {
        return Err(format!(
            "`{url}` must be a plain address, without spaces, quotes, `?` or `#`: write as in \
             \"https://mail.example.com\""
        ));
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
            ("spool.live_percent_min", "[spool]\nlive_percent_min = 91"),
            ("members.password_memory", "[members]\npassword_memory = \"18MB\""),
            ("members.password_passes", "[members]\npassword_passes = 1"),
            ("members.session_idle_max", "[members]\nsession_idle_max = \"2d\""),
            ("queue.retry_delays", "[queue]\nretry_delays = []"),
            ("queue.retry_delays", "[queue]\nretry_delays = [\"5m\", \"0s\"]"),
            ("queue.retry_jitter_percent", "[queue]\nretry_jitter_percent = 101"),
            ("queue.hard_bounces_to_suppress", "[queue]\nhard_bounces_to_suppress = 101"),
            ("queue.hard_bounces_to_suppress", "[queue]\nhard_bounces_to_suppress = 0"),
            ("queue.dead_share_norm_min_percent", "[queue]\ndead_share_norm_min_percent = 101"),
            ("replies.domain", "[replies]\ndomain = \"a b\""),
            ("replies.postmaster", "[replies]\npostmaster = \"postmaster\""),
            ("delivery.tls_policies", "[delivery]\ntls_policies = { \"a b\" = \"verify\" }"),
            ("tls_reports.sender", "[tls_reports]\nsender = \"nobody\""),
            ("tls_reports.contact", "[tls_reports]\ncontact = \"nobody\""),
            ("tls_reports.organization", "[tls_reports]\norganization = \"A\\nB\""),
            ("mta_sts.size_max", "[mta_sts]\nsize_max = \"0B\""),
            ("replies.words.drop", "[replies.words]\ndrop = [\"\"]"),
            ("http.public_url", "[http]\npublic_url = \"mail.example.com\""),
            ("http.public_url", "[http]\npublic_url = \"https://mail.example.com/?x\""),
            ("http.logo_size_max", "[http]\nlogo_size_max = \"61kB\""),
            ("http.page_streams_max", "[http]\npage_streams_max = 101"),
            ("http.page_streams_max", "[http]\npage_streams_max = 0"),
            ("store.url", "[store]\nurl = \"postgres://x\""),
            ("submission.message_size_max", "[submission]\nmessage_size_max = \"0MB\""),
            ("inbound.connections_max", "[inbound]\nconnections_max = 0"),
            ("queue.expiry", "[queue]\nexpiry = \"0d\""),
            ("log.level", "[log]\nlevel = \"\""),
            ("log.level", "[log]\nlevel = \"loud\""),
            ("log.level", "[log]\nlevel = \"info,relent=loud\""),
            ("log.level", "[log]\nlevel = \"info,=debug\""),
            ("listen.submissions", "[listen]\nsubmissions = [\"0.0.0.0:587\"]"),
            ("listen.inbound", "[listen]\ninbound = [\"127.0.0.1:25\", \"127.0.0.1:25\"]"),
            ("listen.http", "[listen]\nhttp = [\"127.0.0.1:25\"]"),
            ("http.header_timeout", "[http]\nheader_timeout = \"0s\""),
            ("delivery.port", "[delivery]\nport = 0"),
            ("webhooks.ports", "[webhooks]\nports = [0]"),
            ("process.sandbox_connect", "[process]\nsandbox_connect = [0]"),
            ("process.sandbox_read", "[process]\nsandbox_read = [\"certificates\"]"),
            ("process.sandbox_write", "[process]\nsandbox_write = [\"/srv\", \"x\"]"),
            ("tls.key", "[tls]\ncertificate = \"c\"\nkey = \"credential:../key\""),
        ] {
            assert_eq!(faulty(text).as_deref(), Some(key), "{text}");
        }
    }

    #[test]
    fn a_labs_settings_are_fine() {
        for text in [
            "",
            "[listen]\nsubmission = [\"127.0.0.1:0\"]\ninbound = [\"127.0.0.1:0\"]",
            "[listen]\nhttp = [\"127.0.0.1:8025\", \"[::]:8025\", \"127.0.0.2:8025\"]",
            "[log]\nlevel = \"warn, relent::queue=trace,store=OFF\"",
            "[http]\npublic_url = \"http://127.0.0.1:8025\"",
            "[spool]\nmark_delay = \"0s\"",
            "[replies]\ndomain = \"reply.example.com\"\npostmaster = \"me@example.com\"",
            "[dns]\nvalidate = false\ntrust_anchor = \"root.key\"",
        ] {
            assert_eq!(faulty(text), None, "{text}");
        }
    }
}
