//! What settings ask of this machine: whether its files and its users are there. `relent check` and
//! `relent serve` ask the same.

use super::premises::{self, Strange};
use super::{clock, listeners, user};
use crate::config::{Challenge, Config, ConfigFault, Shaping, plain_host};
use crate::world::{Clock, SystemClock, World, is_here};
use crate::{acme, dns, tls};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// What of the settings may be a slip, in words: it keeps nothing from running.
#[must_use]
pub fn advice(config: &Config) -> Vec<String> {
    let delivery = &config.delivery;
    let short = delivery.source_addresses.iter();
    let short = short.map(|address| ("delivery.source_addresses".to_owned(), *address));
    let pools = delivery.pools.iter().flatten().flat_map(|(name, pool)| {
        pool.sources.iter().map(move |one| (format!("delivery.pools.{name}"), one.address))
    });
    let strange = short.chain(pools).filter(|(_, address)| !is_here(*address));
    let words = |(key, address): (String, _)| {
        format!(
            "{key}: {address} is no address of this machine: mail that should leave from it waits"
        )
    };
    // What systemd hands over is seen by the service alone.
    let unseen = config.missing_credentials().into_iter().map(|(key, name)| {
        format!("{key}: `credential:{name}` is handed over when the service starts, and was not looked at")
    });
    let mut advice: Vec<_> = strange.map(words).chain(unseen).collect();
    advice.extend(authority(config));
    advice.extend(premises::advice(config));
    advice
}

/// What is to be said of certificates that an authority gives.
fn authority(config: &Config) -> Vec<String> {
    let mut advice = acme::advice(config);
    let (acme, listen) = (&config.acme, &config.listen);
    if acme.enabled {
        let (port, key, mut there) = match acme.challenge {
            Challenge::TlsAlpn01 => (443, "listen.https", listen.https.iter().chain(&[])),
            Challenge::Http01 => {
                (80, "listen.redirect", listen.redirect.iter().chain(&listen.http))
            }
        };
        if there.all(|address| address.port() != port) {
            advice.push(format!(
                "acme.challenge: the authority asks at port {port}, which is not in {key}: that is fine \
                 where something in front of this machine hands it on"
            ));
        }
    }
    advice
}

/// The hosts that others ask us for over TLS, but for those whose certificates an authority is asked for.
pub(super) fn hosts(config: &Config) -> Vec<tls::Asked> {
    let mut hosts = vec![("hostname", config.hostname.clone())];
    // Else whatever stands before this machine shows a certificate for the pages.
    if !config.listen.https.is_empty() {
        hosts.push(("http.public_url", config.pages_host()));
    }
    let asked_for = if config.acme.enabled { config.acme_hosts() } else { Vec::new() };
    let mut hosts: Vec<_> = hosts.into_iter().map(|(key, name)| (key, plain_host(name))).collect();
    hosts.dedup_by(|one, first| one.1 == first.1);
    hosts.retain(|(_, name)| name.parse::<IpAddr>().is_err() && !asked_for.contains(name));
    hosts
}

/// Which of the certificates in files end soon or have ended, and what clients may hold against them.
fn certificates(config: &Config) -> Vec<String> {
    if !config.missing_credentials().is_empty() {
        return Vec::new();
    }
    let mut settings = config.tls.clone();
    if settings.key.is_none() {
        // Of the self-signed pair nothing is to be said, and who only looks makes none.
        let more = std::mem::take(&mut settings.more);
        let mut more = more.into_iter();
        let Some(first) = more.next() else { return Vec::new() };
        (settings.certificate, settings.key) = (Some(first.certificate), Some(first.key));
        settings.more = more.collect();
    }
    let server = tls::Server::load(&settings, &config.data_dir, &config.hostname);
    let Ok(server) = server else { return Vec::new() };
    let remarks = server.remarks(SystemClock::new().now(), &hosts(config));
    remarks.into_iter().map(|remark| format!("tls: {remark}")).collect()
}

/// What a daemon that is started now would find: what would keep it from running, or from taking mail, and
/// certificates that end, in words; where one runs on the data folder already, no port is looked at, since
/// that has them. It says so itself.
#[must_use]
pub fn foresee(config: &Config) -> Vec<String> {
    let world = World::real();
    let mut found = certificates(config);
    found.extend(premises::foreseen(config));
    if !listeners::is_locked(config) {
        for (key, addresses) in config.listen.tcp() {
            for address in addresses {
                if let Err(fault) = listeners::bind(*address) {
                    let why = listeners::why_not(*address, &fault);
                    found.push(format!(
                        "listen.{key}: {why}; a socket unit of systemd is no trouble"
                    ));
                }
            }
        }
    }
    let there = config.data_dir.ancestors().find(|folder| folder.is_dir());
    let least = config.spool.free_space_min.0;
    if let Some(free) = there.and_then(|folder| world.disk.free(folder).ok())
        && free < least
    {
        found.push(format!(
            "data_dir: {} bytes are free on the disk of {}, and spool.free_space_min is {}: no mail is \
             taken until there is room",
            free,
            config.data_dir.display(),
            config.spool.free_space_min
        ));
    }
    let behind = |last| clock::behind(last, world.clock.now());
    found.extend(premises::seen(&config.data_dir).and_then(behind));
    found
}

/// The first setting that this machine does not fulfil, as a fault of the file at `path`.
///
/// # Errors
/// [`ConfigFault`] naming file, line, key and reason.
pub fn check(config: &Config, path: &Path) -> Result<(), ConfigFault> {
    if let Err(strange @ Strange::Foreign(_)) = premises::inspect(config) {
        return Err(ConfigFault::at(path, "data_dir", strange.to_string()));
    }
    named(config, path)
}

/// The same of the files and users that the settings name.
pub(super) fn named(config: &Config, path: &Path) -> Result<(), ConfigFault> {
    if let Some(Err(reason)) = config.process.user.as_deref().map(user::find) {
        return Err(ConfigFault::at(path, "process.user", reason));
    }
    let unseen: Vec<_> = config.missing_credentials().into_iter().map(|(key, _)| key).collect();
    if !unseen.contains(&"dns.trust_anchor")
        && let Err(fault) = dns::check_anchors(&config.dns)
    {
        let reason = fault.to_string();
        let reason = reason.strip_prefix("dns.trust_anchor: ").unwrap_or(&reason).to_owned();
        return Err(ConfigFault::at(path, "dns.trust_anchor", reason));
    }
    if !unseen.contains(&"tls.trust_anchors")
        && let Err(fault) = tls::Client::load(&config.tls)
    {
        let reason = format!("{fault}; name a file of certificates in PEM that this user may read");
        return Err(ConfigFault::at(path, "tls.trust_anchors", reason));
    }
    Shaping::load(&config.delivery)?;
    if unseen.contains(&"tls.key") || unseen.contains(&"tls.certificate") {
        return Ok(());
    }
    let Some(fault) = tls::Server::check(&config.tls) else { return Ok(()) };
    let is = |named: &Option<PathBuf>| *named == Some(fault.path.clone());
    let name = if is(&config.tls.key) {
        "tls.key"
    } else if is(&config.tls.certificate) {
        "tls.certificate"
    } else {
        "tls.more"
    };
    Err(ConfigFault::at(path, name, fault.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_that_is_not_here_is_pointed_out() {
        let text = "[delivery]\nsource_addresses = [\"127.0.0.2\", \"198.51.100.1\"]\n\
            [delivery.pools.a]\nsenders = [\"acme\"]\nsources = [{ address = \"198.51.100.2\" }]\n";
        let config: Config = toml::from_str(text).expect("settings");
        let said = advice(&config);
        assert_eq!(said.len(), 2, "{said:?}");
        assert!(said[0].starts_with("delivery.source_addresses: 198.51.100.1 is no"), "{said:?}");
        assert!(said[1].starts_with("delivery.pools.a: 198.51.100.2 is no address"), "{said:?}");
    }

    #[test]
    fn a_credential_that_only_the_service_sees_is_no_fault_and_is_pointed_out() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("relent.toml");
        let text = "[tls]\ncertificate = \"/nowhere/c.pem\"\nkey = \"credential:key.pem\"\n";
        std::fs::write(&file, text).expect("written");
        let config = Config::load(&file).expect("it holds together");
        check(&config, &file).expect("what cannot be seen is no fault");
        let said = advice(&config).join("\n");
        assert!(said.contains("tls.key: `credential:key.pem` is handed over when"), "{said}");
        let started =
            crate::daemon::Ground::lay(config, &file).err().expect("it was not handed over");
        let said = started.to_string();
        assert!(said.contains("relent.toml:3: tls.key: `credential:key.pem` was not"), "{said}");
        assert!(said.contains("LoadCredential=key.pem:"), "{said}");
    }

    #[test]
    fn a_certificate_of_more_names_is_looked_at_where_there_is_no_other() {
        let folder = tempfile::tempdir().expect("a folder");
        let key = rcgen::KeyPair::generate().expect("a key");
        let names = vec!["more.example".to_owned()];
        let mut params = rcgen::CertificateParams::new(names).expect("a name");
        params.not_after = rcgen::date_time_ymd(2001, 1, 1);
        let made = params.self_signed(&key).expect("a certificate");
        let (certificate, private) = (folder.path().join("c.pem"), folder.path().join("k.pem"));
        std::fs::write(&certificate, made.pem()).expect("written");
        std::fs::write(&private, key.serialize_pem()).expect("written");
        let pair = crate::config::CertificateFiles { certificate, key: private };
        let mut config = Config { data_dir: folder.path().join("data"), ..Config::default() };
        assert_eq!(certificates(&config), [""; 0]);
        config.tls.more = vec![pair];
        let said = certificates(&config);
        assert!(said[0].contains("c.pem has ended, 2001-01-01T00:00:00Z"), "{said:?}");
        assert!(!config.data_dir.exists(), "nothing was made");
    }

    #[test]
    fn what_this_machine_lacks_is_named_with_its_line() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("relent.toml");
        let pem = folder.path().join("there.pem");
        let made = rcgen::generate_simple_self_signed(vec!["relay.example".into()]).expect("made");
        std::fs::write(&pem, made.cert.pem()).expect("written");
        let said = |text: &str| {
            std::fs::write(&file, text).expect("written");
            let config = Config::load(&file).expect("it holds together");
            check(&config, &file).expect_err("this machine has no such thing").to_string()
        };
        let user = said("hostname = \"a.example\"\n[process]\nuser = \"nobody-of-that-name\"\n");
        assert!(user.contains("relent.toml:3: process.user: there is no user"), "{user}");
        let anchor = said("[dns]\nvalidate = true\ntrust_anchor = \"/nowhere/root.key\"\n");
        assert!(
            anchor.contains("relent.toml:3: dns.trust_anchor: /nowhere/root.key: "),
            "{anchor}"
        );
        let none = said("[tls]\ncertificate = \"/nowhere/c.pem\"\nkey = \"/nowhere/k.pem\"\n");
        assert!(none.contains("relent.toml:2: tls.certificate: /nowhere/c.pem: "), "{none}");
        let key = said(&format!("[tls]\ncertificate = {pem:?}\nkey = \"/nowhere/k.pem\"\n"));
        assert!(key.contains("relent.toml:3: tls.key: /nowhere/k.pem: "), "{key}");
        let shaping = folder.path().join("shaping.toml");
        std::fs::write(&shaping, "[default]\n\nconnections_max = \"few\"\n").expect("written");
        let beside = said("hostname = \"a.example\"\n");
        assert!(beside.contains("shaping.toml:3: default.connections_max: "), "{beside}");
        let none = said("[delivery]\nshaping = \"none.toml\"\n");
        assert!(none.contains("/none.toml: ") && none.contains("[delivery] shaping"), "{none}");
    }
}
