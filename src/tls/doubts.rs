//! What clients may hold against certificates that can be read and have not ended: a host of ours that none is
//! for, a chain out of order.

use super::identity::Identity;
use super::server::Server;
use std::sync::{Arc, PoisonError};

/// Most names of certificates that are told.
const NAMES_MAX: usize = 5;

/// A host that others ask us for, and the setting that names it.
pub type Asked = (&'static str, String);

impl Server {
    /// What may be held against what is shown for these hosts, in words, with what to do. Nothing is said of
    /// the self-signed pair, which nobody takes for more than it is.
    #[must_use]
    pub fn doubts(&self, hosts: &[Asked]) -> Vec<String> {
        let mut doubts = self.disorders();
        let shelf = self.shelf();
        if shelf.files.is_empty() {
            return doubts;
        }
        let all: Vec<&Arc<Identity>> = shelf.files.iter().chain(shelf.issued.values()).collect();
        let names = all.iter().flat_map(|one| one.leave.names.iter().map(String::as_str));
        let names: Vec<_> = names.take(NAMES_MAX).collect();
        let names = if names.is_empty() { "nobody".to_owned() } else { names.join(", ") };
        for (key, host) in hosts {
            let host = host.to_ascii_lowercase();
            if !all.iter().any(|one| one.leave.is_for(&host)) {
                doubts.push(format!(
                    "no certificate is for {host} ({key}): what there is is for {names}, and clients that \
                     ask for {host} refuse it; have one made that names it, or add one to tls.more"
                ));
            }
        }
        doubts
    }

    /// Chains of files that do not lead up from one certificate to the next.
    fn disorders(&self) -> Vec<String> {
        let files = self.files();
        let main = (!files.is_makeshift).then_some(&files.main);
        let wrong = main.into_iter().chain(&files.more).filter_map(|pair| {
            let number = pair.current.disorder?;
            Some(format!(
                "the chain in {} is out of order: certificate {number} does not vouch for the one before \
                 it, and some clients refuse that; put the server's own first, and below each the \
                 authority's that vouches for it (fullchain.pem)",
                pair.certificate.display()
            ))
        });
        wrong.collect()
    }

    /// Says those that were not there when it was looked last.
    pub(super) fn tell_doubts(&self, hosts: &[Asked]) {
        let doubts = self.doubts(hosts);
        let mut said = self.warnings.doubts.lock().unwrap_or_else(PoisonError::into_inner);
        for doubt in doubts.iter().filter(|doubt| !said.contains(doubt)) {
            tracing::warn!(target: "relent::tls", "{doubt}");
        }
        *said = doubts;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    #[test]
    fn a_host_that_no_certificate_is_for_is_told_with_its_setting() {
        let folder = tempfile::tempdir().expect("a folder");
        let made = |name: &str| {
            let pair = rcgen::generate_simple_self_signed(vec![name.into()]).expect("made");
            let at = |end: &str| folder.path().join(format!("{}.{end}", name.replace('*', "any")));
            std::fs::write(at("pem"), pair.cert.pem()).expect("written");
            std::fs::write(at("key"), pair.signing_key.serialize_pem()).expect("written");
            config::CertificateFiles { certificate: at("pem"), key: at("key") }
        };
        let hosts = [
            ("hostname", "Relay.example".to_owned()),
            ("http.public_url", "mail.pages.example".to_owned()),
        ];
        let doubts = |settings: config::Tls| {
            let server = Server::load(&settings, folder.path(), "relay.example").expect("pairs");
            server.doubts(&hosts)
        };
        assert_eq!(doubts(config::Tls::default()), [""; 0], "nobody takes the self-signed pair");
        let main = made("other.example");
        let settings = config::Tls {
            certificate: Some(main.certificate),
            key: Some(main.key),
            ..config::Tls::default()
        };
        let said = doubts(settings.clone());
        assert_eq!(said.len(), 2, "{said:?}");
        assert!(
            said[0].contains("for relay.example (hostname): what there is is for other.example")
        );
        assert!(said[1].contains("for mail.pages.example (http.public_url)"), "{said:?}");
        let more = vec![made("relay.example"), made("*.pages.example")];
        assert_eq!(doubts(config::Tls { more, ..settings }), [""; 0]);
    }
}
