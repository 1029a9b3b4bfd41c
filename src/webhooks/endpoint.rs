//! Where a webhook is called: an address on the web, taken apart once.

use crate::config;
use hyper::Uri;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

/// Longest address of an endpoint, in bytes.
const URL_MAX: usize = 2048;

/// An endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Endpoint {
    pub(super) is_encrypted: bool,
    /// A name, or an address without brackets.
    pub(super) host: String,
    pub(super) port: u16,
    /// As the Host field has both.
    pub(super) authority: String,
    /// The path with its query.
    pub(super) path: String,
}

impl Endpoint {
    /// Takes an address apart.
    ///
    /// # Errors
    /// Why it can be none, and what to write.
    pub(super) fn parse(text: &str, settings: &config::Webhooks) -> Result<Self, String> {
        let refuse = |why: &str| {
            let shown: String = text.chars().take(100).collect();
            Err(format!(
                "`{}`: {why}: write an address such as https://app.example/relent",
                shown.escape_debug()
            ))
        };
        if text.len() > URL_MAX {
            return refuse("it is longer than 2,048 bytes");
        }
        if text.contains('#') {
            return refuse("a fragment is never sent");
        }
        let Ok(uri) = Uri::from_str(text) else {
            return refuse("it is no address on the web (names of other scripts begin with xn--)");
        };
        let is_encrypted = match uri.scheme_str() {
            Some("https") => true,
            Some("http") if settings.allow_plaintext => false,
            Some("http") => return refuse("without TLS anybody on the way reads it"),
            _ => return refuse("only https:// is called"),
        };
        let Some(authority) = uri.authority().filter(|all| !all.as_str().contains('@')) else {
            return refuse("it may hold no user and no password");
        };
        let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_lowercase();
        if host.is_empty() || host.len() > 253 {
            return refuse("it names no host");
        }
        let default = if is_encrypted { 443 } else { 80 };
        let port = match authority.as_str().strip_prefix(authority.host()) {
            Some("") => default,
            Some(_) => match authority.port_u16() {
                Some(port) if port > 0 => port,
                _ => return refuse("its port is no port"),
            },
            None => return refuse("it names no host"),
        };
        if let Some(ports) = settings.ports().filter(|ports| !ports.contains(&port)) {
            let ports: Vec<String> = ports.iter().map(ToString::to_string).collect();
            return refuse(&format!(
                "webhooks.ports lets endpoints have the ports {} alone",
                ports.join(", ")
            ));
        }
        if let Ok(address) = host.parse::<IpAddr>() {
            let to = SocketAddr::new(address, port);
            if let Err(refused) = crate::web::permitted(to, settings.allow_private, &[]) {
                return refuse(
                    &format!("{refused}").replace("allow_private", "webhooks.allow_private"),
                );
            }
        } else if !is_name(&host) {
            return refuse("its host is neither a name nor an address");
        }
        let bare = if host.contains(':') { format!("[{host}]") } else { host.clone() };
        let authority = if port == default { bare } else { format!("{bare}:{port}") };
        let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
        Ok(Self { is_encrypted, host, port, authority, path })
    }
}

/// Whether it is a name that DNS can be asked for, and not a number that some take for an address.
fn is_name(host: &str) -> bool {
    let labels: Vec<&str> = host.trim_end_matches('.').split('.').collect();
    let is_label = |label: &&str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
    };
    let last = labels.last().copied().unwrap_or_default();
    labels.iter().all(is_label) && !last.starts_with(|c: char| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Endpoint, String> {
        Endpoint::parse(text, &config::Webhooks::default())
    }

    #[test]
    fn an_endpoint_is_taken_apart() {
        let found = parse("https://App.example:8443/in?x=1").expect("an endpoint");
        assert_eq!((found.host.as_str(), found.port), ("app.example", 8443));
        assert_eq!(
            (found.authority.as_str(), found.path.as_str()),
            ("app.example:8443", "/in?x=1")
        );
        let found = parse("https://[2606:4700::1]").expect("an endpoint");
        assert_eq!(
            (found.host.as_str(), found.authority.as_str()),
            ("2606:4700::1", "[2606:4700::1]")
        );
        assert_eq!((found.port, found.path.as_str()), (443, "/"));
    }

    #[test]
    fn what_leads_anywhere_else_is_refused() {
        for text in [
            "",
            "app.example",
            "/relent",
            "http://app.example/",
            "file:///etc/passwd",
            "ftp://app.example/",
            "gopher://app.example/",
            "https://",
            "https:///x",
            "https://user:secret@app.example/",
            "https://app.example/#x",
            "https://app.example:0/",
            "https://app.example:22/",
            "https://app.example:8080/",
            "https://app.example:99999/",
            "https://app.example:/",
            "https://127.0.0.1/",
            "https://127.1/",
            "https://2130706433/",
            "https://0x7f000001/",
            "https://0177.0.0.1/",
            "https://[::1]/",
            "https://[::ffff:10.0.0.1]/",
            "https://[fe80::1]/",
            "https://169.254.169.254/latest/meta-data",
            "https://10.0.0.1/",
            "https://app.example/\r\nHost: other",
            "https://app .example/",
            "https://app..example/",
            "https://münchen.example/",
        ] {
            assert!(parse(text).is_err(), "{text:?} was taken: {:?}", parse(text));
        }
        let long = format!("https://app.example/{}", "x".repeat(URL_MAX));
        assert!(parse(&long).is_err());
    }

    #[test]
    fn a_port_that_the_settings_do_not_name_is_refused_with_those_that_they_do() {
        let said = parse("https://app.example:9000/").expect_err("refused");
        assert!(said.contains("webhooks.ports") && said.contains("443, 8443"), "{said}");
        let own = config::Webhooks { ports: vec![9000], ..Default::default() };
        assert_eq!(Endpoint::parse("https://app.example:9000/", &own).expect("named").port, 9000);
        assert!(Endpoint::parse("https://app.example/", &own).is_err());
    }

    #[test]
    fn a_lab_may_call_itself() {
        let lab = config::Webhooks {
            allow_private: true,
            allow_plaintext: true,
            ports: Vec::new(),
            ..Default::default()
        };
        for text in ["http://127.0.0.1:8080/in", "http://[::1]/", "http://inner.example/"] {
            let found = Endpoint::parse(text, &lab).expect(text);
            assert!(!found.is_encrypted);
        }
    }
}
