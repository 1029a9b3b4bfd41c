//! The section about certificates that an authority gives by itself, and the files of certificates beside
//! the first.

use super::Config;
use super::section::sections;
use super::unit::{Size, Span};
use crate::mail::{Address, Domain};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;

/// Let's Encrypt's directory.
const DIRECTORY: &str = "https://acme-v02.api.letsencrypt.org/directory";

/// A certificate and its key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CertificateFiles {
    /// The certificate chain, PEM.
    pub certificate: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
}

/// How an authority sees that a host is ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Challenge {
    /// By a handshake at port 443 (RFC 8737).
    #[serde(rename = "tls-alpn-01")]
    TlsAlpn01,
    /// By a page at port 80 (RFC 8555 §8.3).
    #[serde(rename = "http-01")]
    Http01,
}

sections! {
    /// `[acme]`: certificates from an authority that gives them by itself (RFC 8555), as Let's Encrypt does.
    Acme {
        /// Whether certificates are asked for, kept in data_dir/acme and renewed.
        enabled: bool = false,
        /// Whether you agree to the authority's terms; who does not gets nothing.
        agree_to_terms: bool = false,
        /// The address that the authority may write to.
        contact: Option<String> = None,
        /// The authority's directory; for trials, whose certificates nobody trusts, Let's Encrypt has https://acme-staging-v02.api.letsencrypt.org/directory.
        directory: String = DIRECTORY.into(),
        /// The hosts to have a certificate for each; none: the hostname, and the host of http.public_url.
        hosts: Vec<String> = Vec::new(),
        /// Whether link hosts of sending domains get one too, once they lead here.
        link_hosts: bool = true,
        /// Most of those.
        link_hosts_max: u32 = 500,
        /// How the authority sees that they are ours: "tls-alpn-01" at port 443, by listen.https; or "http-01" at port 80, by listen.redirect or listen.http.
        challenge: Challenge = Challenge::TlsAlpn01,
        /// Whether the next certificate keeps the key, so that a TLSA record of it (3 1 1) goes on matching.
        keep_keys: bool = false,
        /// Share of a certificate's life, in percent, after which the next is asked for.
        renew_percent: u32 = 66,
        /// Wait after a failure before a host is tried again, doubled with each in a row.
        retry_delay: Span = Span::minutes(10),
        /// Longest such wait, unless the authority asks for more.
        retry_delay_max: Span = Span::minutes(6 * 60),
        /// Longest wait for one answer of the authority.
        request_timeout: Span = Span::seconds(30),
        /// Longest time for one certificate.
        order_timeout: Span = Span::minutes(5),
        /// Largest answer of the authority that is read.
        answer_size_max: Size = Size(256 << 10),
        /// The id of the account that the authority knows you by, where it wants one (external account binding).
        external_account: Option<String> = None,
        /// The file with that account's key, in base64url.
        external_account_key_file: Option<PathBuf> = None,
    }
}

impl Acme {
    /// The port of the authority.
    #[must_use]
    pub fn port(&self) -> u16 {
        let host = self.directory.split("://").nth(1).and_then(|rest| rest.split('/').next());
        let port = host.and_then(|host| host.rsplit_once(':')?.1.parse().ok());
        port.unwrap_or(443)
    }
}

impl Config {
    /// The hosts that an authority is asked for.
    #[must_use]
    pub fn acme_hosts(&self) -> Vec<String> {
        let mut hosts = self.acme.hosts.clone();
        if hosts.is_empty() {
            hosts = vec![self.hostname.clone(), self.pages_host()];
        }
        let mut hosts: Vec<_> = hosts.into_iter().map(plain_host).collect();
        let mut seen = Vec::new();
        hosts.retain(|host| {
            let is_new = !seen.contains(host);
            seen.push(host.clone());
            is_new
        });
        hosts
    }
}

/// A host as certificates name it; what is no domain, as it is.
#[must_use]
pub fn plain_host(name: String) -> String {
    Domain::parse(&name).map_or(name, |domain| domain.to_string())
}

/// The first key of `[acme]` that does not hold together with the rest, and why.
pub(super) fn fault(config: &Config) -> Option<(&'static str, String)> {
    let acme = &config.acme;
    if !(1..=95).contains(&acme.renew_percent) {
        return Some(("acme.renew_percent", "it must be 1 to 95: write as in 66".into()));
    }
    if let Some(Err(fault)) = acme.contact.as_deref().map(Address::parse) {
        let name = acme.contact.as_deref().unwrap_or_default();
        let reason =
            format!("`{name}`: {fault}: write an address such as \"postmaster@example.com\"");
        return Some(("acme.contact", reason));
    }
    let rest = acme.directory.strip_prefix("https://").unwrap_or_default();
    if rest.is_empty() || acme.directory.contains(|c: char| c.is_whitespace() || c.is_control()) {
        let reason =
            format!("`{}` must begin with https://: write as in {DIRECTORY:?}", acme.directory);
        return Some(("acme.directory", reason));
    }
    match (&acme.external_account, &acme.external_account_key_file) {
        (Some(_), None) => {
            let reason = "it needs its key: set `external_account_key_file` too";
            return Some(("acme.external_account", reason.into()));
        }
        (None, Some(_)) => {
            let reason = "it needs its account: set `external_account` too";
            return Some(("acme.external_account_key_file", reason.into()));
        }
        _ => {}
    }
    if !acme.enabled {
        return None;
    }
    if !acme.agree_to_terms {
        let reason = "the authority gives nothing to who does not agree to its terms: read them, and set \
                      agree_to_terms = true";
        return Some(("acme.agree_to_terms", reason.into()));
    }
    if config.tls.certificate.is_some() && acme.hosts.is_empty() {
        let reason = "there is a certificate in [tls] already: name the hosts that it is not for, as in \
                      hosts = [\"mail.example.com\"]";
        return Some(("acme.hosts", reason.into()));
    }
    for host in config.acme_hosts() {
        let is_number = host.rsplit('.').next().is_some_and(|end| end.parse::<u32>().is_ok());
        if Domain::parse(&host).is_err() || !host.contains('.') || is_number {
            let reason = format!(
                "no authority gives a certificate for `{host}`: set hostname to a public name, or name \
                 hosts, as in hosts = [\"mail.example.com\"]"
            );
            return Some(("acme.hosts", reason));
        }
    }
    if acme.challenge == Challenge::TlsAlpn01 && config.listen.https.is_empty() {
        let reason = "\"tls-alpn-01\" is answered by the listener of https: set \
                      https = [\"0.0.0.0:443\"] in [listen], or challenge = \"http-01\" here";
        return Some(("acme.challenge", reason.into()));
    }
    if acme.challenge == Challenge::Http01
        && config.listen.redirect.is_empty()
        && config.listen.http.is_empty()
    {
        let reason =
            "\"http-01\" is answered in the clear: set redirect = [\"0.0.0.0:80\"] in [listen]";
        return Some(("acme.challenge", reason.into()));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Config {
        toml::from_str(text).expect("types hold")
    }

    #[test]
    fn hosts_are_the_hostname_and_that_of_the_pages_unless_they_are_named() {
        let hosts = |text: &str| read(text).acme_hosts();
        assert_eq!(hosts("hostname = \"Relay.example\""), ["relay.example"]);
        let url =
            "hostname = \"relay.example\"\n[http]\npublic_url = \"https://mail.example:8443/x\"";
        assert_eq!(hosts(url), ["relay.example", "mail.example"]);
        let named = "hostname = \"relay.example\"\n[acme]\nhosts = [\"A.example\", \"a.example\"]";
        assert_eq!(hosts(named), ["a.example"]);
    }

    #[test]
    fn the_port_of_the_authority_is_that_of_its_directory() {
        for (url, port) in
            [(DIRECTORY, 443), ("https://ca.example:9000/dir", 9000), ("https://ca.example", 443)]
        {
            let acme = Acme { directory: url.into(), ..Acme::default() };
            assert_eq!(acme.port(), port, "{url}");
        }
    }

    #[test]
    fn what_an_authority_would_not_take_is_refused_by_key() {
        let fine = "enabled = true\nagree_to_terms = true\n";
        let listen = "hostname = \"relay.example\"\n[listen]\nhttps = [\"0.0.0.0:443\"]\n[acme]\n";
        assert_eq!(fault(&read(&format!("{listen}{fine}"))), None);
        assert_eq!(fault(&read("")), None, "what is not wanted needs nothing");
        for (key, text) in [
            ("acme.agree_to_terms", format!("{listen}enabled = true")),
            ("acme.contact", format!("{listen}{fine}contact = \"me\"")),
            ("acme.directory", format!("{listen}{fine}directory = \"http://ca.example\"")),
            ("acme.renew_percent", format!("{listen}renew_percent = 96")),
            ("acme.external_account", format!("{listen}external_account = \"x\"")),
            (
                "acme.external_account_key_file",
                format!("{listen}external_account_key_file = \"x\""),
            ),
            ("acme.challenge", format!("hostname = \"relay.example\"\n[acme]\n{fine}")),
            (
                "acme.challenge",
                format!(
                    "hostname = \"relay.example\"\n[listen]\nhttp = []\n[acme]\n{fine}challenge = \"http-01\""
                ),
            ),
            ("acme.hosts", format!("[listen]\nhttps = [\"0.0.0.0:443\"]\n[acme]\n{fine}")),
            ("acme.hosts", format!("{listen}{fine}hosts = [\"192.0.2.1\"]")),
            ("acme.hosts", format!("{listen}{fine}hosts = [\"*.example.com\"]")),
            (
                "acme.hosts",
                format!("{listen}{fine}[tls]\ncertificate = \"c.pem\"\nkey = \"k.pem\""),
            ),
        ] {
            let found = fault(&read(&text)).map(|(key, _)| key);
            assert_eq!(found, Some(key), "{text}");
        }
    }
}
