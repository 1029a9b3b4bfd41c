//! Our certificate: whether it can be read, whose it is, who vouches for it, and how long it lasts.

use super::finding::Finding;
use crate::config::{Config, credential};
use crate::mail::Timestamp;
use crate::tls::{CertificateFault, Client, Demand, Server, shown};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use std::path::Path;
use std::time::Duration;

const AREA: &str = "TLS";
const DAY: Duration = Duration::from_secs(24 * 3600);
/// Days before its end when a certificate should have been renewed, and when it is urgent.
const RENEW: u32 = 21;
const URGENT: u32 = 3;

/// Looks at it.
pub(super) fn certificate(config: &Config, now: Timestamp) -> Vec<Finding> {
    let (Some(path), Some(key)) = (&config.tls.certificate, &config.tls.key) else {
        if config.acme.enabled {
            // The daemon, which asks the authority, says how those stand.
            return Vec::new();
        }
        return vec![Finding::warn(
            AREA,
            "certificate",
            "none is set: a self-signed one is used, which applications that check refuse",
            "set [tls] certificate and key, or have [acme] ask an authority, as Let's Encrypt",
        )];
    };
    let subject = path.display().to_string();
    if let Some(name) = credential(path).or_else(|| credential(key)) {
        return vec![Finding::warn(
            AREA,
            subject,
            format!("not looked at: `{name}` is handed over by systemd when the service starts"),
            "name the files themselves in another settings file and run this with --config to look at them",
        )];
    }
    let server = match Server::load(&config.tls, &config.data_dir, &config.hostname) {
        Ok(server) => server,
        Err(fault) => {
            let advice = "name a chain and its key in PEM that the daemon's user may read";
            return vec![Finding::bad(AREA, subject, fault.to_string(), advice)];
        }
    };
    let chain = chain(path);
    let Some(end) = chain.first().and_then(shown) else {
        let advice = "have the certificate made anew";
        return vec![Finding::bad(AREA, subject, "it cannot be read", advice)];
    };
    let mut found = vec![vouched(config, &subject, &chain, now)];
    let more = config.tls.more.iter().map(|pair| {
        let says = self::chain(&pair.certificate).first().and_then(shown);
        (pair.certificate.display().to_string(), says)
    });
    for (subject, says) in std::iter::once((subject.clone(), Some(end))).chain(more) {
        let until = says.and_then(|says| says.until.parse::<Timestamp>().ok());
        found.extend(until.map(|until| lasting(&subject, now, until)));
    }
    // What the names are is judged above.
    let disorder = server.doubts(&[]).into_iter();
    let advice = "put the certificates into the order in which each vouches for the one above it";
    found.extend(disorder.map(|text| Finding::warn(AREA, subject.clone(), text, advice)));
    found
}

/// The certificates in a file, as far as they can be read.
fn chain(path: &Path) -> Vec<CertificateDer<'static>> {
    let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    read.unwrap_or_default()
}

/// How long it lasts.
fn lasting(subject: &str, now: Timestamp, until: Timestamp) -> Finding {
    let renew = "renew it now; the daemon takes a new file by itself within seconds";
    if until <= now {
        return Finding::bad(AREA, subject, format!("it has expired at {until}"), renew);
    }
    let days = until.since(now).as_secs() / DAY.as_secs();
    let text = format!("it lasts {days} more days, until {until}");
    match u32::try_from(days).unwrap_or(u32::MAX) {
        days if days < URGENT => Finding::bad(AREA, subject, text, renew),
        days if days < RENEW => {
            let advice = "see that whatever renews it runs: it should have by now";
            Finding::warn(AREA, subject, text, advice)
        }
        _ => Finding::ok(AREA, subject, text),
    }
}

/// Whose it is, and by whose word.
fn vouched(
    config: &Config,
    subject: &str,
    chain: &[CertificateDer<'_>],
    now: Timestamp,
) -> Finding {
    let host = &config.hostname;
    let client = match Client::load(&config.tls) {
        Ok(client) => client,
        Err(fault) => {
            let advice = "name a file of certificates in PEM";
            return Finding::bad(AREA, "tls.trust_anchors", fault.to_string(), advice);
        }
    };
    let checked = client.check(chain, &Demand::Named(vec![host.clone()]), now);
    match checked {
        Ok(()) => {
            let text = format!("it is for {host}, and a known authority vouches for it");
            Finding::ok(AREA, subject, text)
        }
        Err(CertificateFault::Name(_)) => {
            let names = chain.first().and_then(shown).map(|one| one.names.join(", "));
            let names = names.filter(|names| !names.is_empty()).unwrap_or("nobody".into());
            Finding::bad(
                AREA,
                subject,
                format!("it is for {names}, and not for {host}"),
                format!("have one made that names {host}, or set hostname"),
            )
        }
        Err(fault @ CertificateFault::Untrusted(_)) => Finding::warn(
            AREA,
            subject,
            format!("{fault}: applications that check refuse it"),
            "put the certificates of the authorities between into the file, below its own (fullchain.pem)",
        ),
        Err(fault) => Finding::bad(AREA, subject, fault.to_string(), "have it made anew"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Level;

    #[test]
    fn a_certificate_is_renewed_before_it_ends() {
        let now = Timestamp(1_800_000_000_000);
        let level = |days: u64| {
            lasting("c.pem", now, now.after(DAY * u32::try_from(days).expect("few"))).level
        };
        assert_eq!(level(60), Level::Ok);
        assert_eq!(level(10), Level::Warn);
        assert_eq!(level(2), Level::Bad);
        let ended = lasting("c.pem", now, Timestamp(now.0 - 1));
        assert!(ended.level == Level::Bad && ended.found.contains("has expired"), "{ended:?}");
    }

    #[test]
    fn a_certificate_for_somebody_else_or_by_nobody_is_told() {
        let home = tempfile::tempdir().expect("a folder");
        let made = rcgen::generate_simple_self_signed(vec!["other.example".into()]).expect("made");
        let (pem, key) = (home.path().join("c.pem"), home.path().join("k.pem"));
        std::fs::write(&pem, made.cert.pem()).expect("written");
        std::fs::write(&key, made.signing_key.serialize_pem()).expect("written");
        let mut config = Config { hostname: "relay.example".into(), ..Config::default() };
        let now = Timestamp(1_800_000_000_000);
        assert_eq!(certificate(&config, now)[0].level, Level::Warn, "none is set");
        config.acme.enabled = true;
        assert_eq!(certificate(&config, now), [], "an authority gives them");
        config.tls.certificate = Some(pem.clone());
        config.tls.key = Some(key.clone());
        let unknown = certificate(&config, now);
        assert!(unknown[0].found.contains("no known authority"), "{unknown:?}");
        assert!(unknown[0].level == Level::Warn && unknown[1].level == Level::Ok, "{unknown:?}");
        config.tls.trust_anchors = Some(pem);
        let foreign = certificate(&config, now);
        assert_eq!(foreign[0].found, "it is for other.example, and not for relay.example");
        config.hostname = "other.example".into();
        assert_eq!(certificate(&config, now)[0].level, Level::Ok);
        // One of more names that has ended, behind a certificate that vouches for nothing.
        let mut params =
            rcgen::CertificateParams::new(vec!["more.example".to_owned()]).expect("a name");
        params.not_after = rcgen::date_time_ymd(2001, 1, 1);
        params.distinguished_name.push(rcgen::DnType::CommonName, "More");
        let more_key = rcgen::KeyPair::generate().expect("a key");
        let ended = params.self_signed(&more_key).expect("made");
        let (more, of_more) = (home.path().join("more.pem"), home.path().join("more.key"));
        std::fs::write(&more, ended.pem() + &made.cert.pem()).expect("written");
        std::fs::write(&of_more, more_key.serialize_pem()).expect("written");
        config.tls.more = vec![crate::config::CertificateFiles { certificate: more, key: of_more }];
        let all = certificate(&config, now);
        assert!(all[2].subject.ends_with("more.pem") && all[2].level == Level::Bad, "{all:?}");
        assert!(all[3].found.contains("out of order") && all[3].level == Level::Warn, "{all:?}");
        config.tls.more.clear();
        std::fs::write(&key, "nothing").expect("written");
        assert_eq!(certificate(&config, now)[0].level, Level::Bad);
    }
}
