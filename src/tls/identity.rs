//! A certificate with its key, made ready for handshakes: whom it is for, how long it holds, and the
//! sessions that began with it.

use super::binding::end_point;
use super::chain::disorder;
use crate::mail::Timestamp;
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::CertificateDer;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use std::sync::Arc;
use std::time::Duration;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

/// The protocol that is spoken to browsers (RFC 7301).
const HTTP: &[u8] = b"http/1.1";
/// The protocol of an authority that looks whether a host is ours (RFC 8737).
pub(super) const CHALLENGE: &[u8] = b"acme-tls/1";

/// What handshakes get. A session that is resumed is bound to the certificate that its client has seen, so
/// that each certificate has its own.
pub(super) struct Identity {
    /// For mail: no protocol is agreed on, since none has a name.
    pub(super) mail: Arc<ServerConfig>,
    /// For browsers.
    pub(super) web: Arc<ServerConfig>,
    /// What logins may be bound to.
    pub(super) end_point: Option<Arc<[u8]>>,
    /// The certificate itself.
    pub(super) leaf: CertificateDer<'static>,
    /// What it says.
    pub(super) leave: Leave,
    /// The number, from 1, of the certificate behind it that does not vouch for the one before.
    pub(super) disorder: Option<usize>,
}

/// What a certificate lets its owner do: for which names, and when.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Leave {
    /// The names, in lower case.
    pub(super) names: Vec<String>,
    /// From when on.
    pub(super) from: Timestamp,
    /// Until when.
    pub(super) until: Timestamp,
}

impl Leave {
    /// Reads it. What cannot be read lets nothing be done.
    fn of(certificate: &CertificateDer<'_>) -> Self {
        let Ok((_, read)) = X509Certificate::from_der(certificate) else { return Self::default() };
        let names = read.subject_alternative_name().ok().flatten();
        let names = names.map(|found| found.value.general_names.as_slice()).unwrap_or_default();
        let names = names.iter().filter_map(|name| match name {
            GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
            _ => None,
        });
        let moment =
            |seconds: i64| Timestamp(u64::try_from(seconds).unwrap_or(0).saturating_mul(1000));
        Self {
            names: names.collect(),
            from: moment(read.validity().not_before.timestamp()),
            until: moment(read.validity().not_after.timestamp()),
        }
    }

    /// How long it holds in all.
    pub(super) fn life(&self) -> Duration {
        Duration::from_millis(self.until.0.saturating_sub(self.from.0))
    }

    /// Whether it is for this name, in lower case, or for all of its level (RFC 9525 §6.3).
    pub(super) fn is_for(&self, name: &str) -> bool {
        let level = name.split_once('.').map(|(_, rest)| rest);
        self.names.iter().any(|own| {
            own == name || own.strip_prefix("*.").is_some_and(|rest| level == Some(rest))
        })
    }
}

fn config(pair: &Arc<SingleCertAndKey>, protocols: &[&[u8]]) -> Arc<ServerConfig> {
    let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .expect("ring has suites for TLS 1.2 and 1.3")
        .with_no_client_auth()
        .with_cert_resolver(pair.clone());
    // Ours is the order of strength. Scanners hold it against a server that it lets clients choose.
    config.ignore_client_order = true;
    config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
    Arc::new(config)
}

impl Identity {
    pub(super) fn new(pair: CertifiedKey) -> Arc<Self> {
        let leaf = pair.cert.first().cloned().unwrap_or_else(|| CertificateDer::from(Vec::new()));
        let disorder = disorder(&pair.cert);
        let pair = Arc::new(SingleCertAndKey::from(pair));
        Arc::new(Self {
            mail: config(&pair, &[]),
            web: config(&pair, &[HTTP]),
            end_point: end_point(&leaf),
            leave: Leave::of(&leaf),
            leaf,
            disorder,
        })
    }
}

/// What an authority is shown that looks whether a host is ours, and nobody else.
pub(super) fn challenge(pair: CertifiedKey) -> Arc<ServerConfig> {
    config(&Arc::new(SingleCertAndKey::from(pair)), &[CHALLENGE])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_for_its_names_and_one_level_of_a_wildcard() {
        let names = ["relay.example".to_owned(), "*.mail.example".to_owned()].to_vec();
        let leave = Leave { names, ..Leave::default() };
        for (name, is) in [
            ("relay.example", true),
            ("a.mail.example", true),
            ("mail.example", false),
            ("a.b.mail.example", false),
            ("other.example", false),
            ("", false),
        ] {
            assert_eq!(leave.is_for(name), is, "{name}");
        }
    }

    #[test]
    fn what_a_certificate_lets_its_owner_do_is_read() {
        let key = rcgen::KeyPair::generate().expect("a key");
        let names = vec!["Relay.Example".to_owned()];
        let mut params = rcgen::CertificateParams::new(names).expect("names");
        params.not_before = rcgen::date_time_ymd(2026, 1, 1);
        params.not_after = rcgen::date_time_ymd(2026, 1, 31);
        let made = params.self_signed(&key).expect("a certificate");
        let leave = Leave::of(made.der());
        assert_eq!(leave.names, ["relay.example"]);
        assert_eq!(leave.life(), Duration::from_secs(30 * 24 * 3600));
        assert_eq!(Leave::of(&CertificateDer::from(vec![1, 2])), Leave::default());
    }
}
