//! One domain's report: what it says (RFC 8460 §4.4), and how it travels by mail (§5.3). Pure.

use super::tally::{Counts, Day};
use crate::mail::dsn::escaped;
use crate::mail::{Address, Domain, Timestamp};
use data_encoding::BASE64;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use std::fmt;
use std::io::Write;

/// Characters of a line of base64.
const LINE: usize = 76;

/// Who reports.
pub(super) struct Reporter<'a> {
    pub(super) sender: &'a Address,
    pub(super) contact: &'a str,
    pub(super) organization: &'a str,
}

/// A report.
pub(super) struct Report<'a> {
    pub(super) by: Reporter<'a>,
    pub(super) domain: &'a Domain,
    /// `2026-11-26`.
    pub(super) date: &'a str,
    pub(super) day: &'a Day,
}

/// Where a domain wants its reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Destination {
    Mail(Address),
    /// Host, port, and path with query.
    Web(String, u16, String),
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Mail(address) => address.fmt(f),
            Self::Web(host, port, path) => write!(f, "https://{host}:{port}{path}"),
        }
    }
}

/// What the record at `_smtp._tls` asks for: none unless exactly one begins as it must (RFC 8460 §3).
pub(super) fn destinations(records: &[String]) -> Vec<Destination> {
    let mut ours = records.iter().filter(|text| {
        text.strip_prefix("v=TLSRPTv1").is_some_and(|rest| rest.trim_start().starts_with(';'))
    });
    let (Some(one), None) = (ours.next(), ours.next()) else { return Vec::new() };
    let rua = one.split(';').filter_map(|part| part.split_once('='));
    let rua = rua.map(|(key, value)| (key.trim(), value)).find(|(key, _)| *key == "rua");
    let Some((_, list)) = rua else { return Vec::new() };
    list.split(',').filter_map(|uri| destination(uri.trim())).collect()
}

fn destination(uri: &str) -> Option<Destination> {
    if let Some(address) = uri.strip_prefix("mailto:") {
        let plain = address.split('?').next().unwrap_or_default();
        return Address::parse(&unescaped(plain)?).ok().map(Destination::Mail);
    }
    let rest = uri.strip_prefix("https://")?;
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (place, path) = rest.split_at(end);
    let (host, port) = match place.split_once(':') {
        Some((host, port)) => (host, port.parse().ok()?),
        None => (place, 443),
    };
    let host = Domain::parse(host).ok()?.to_string();
    let path = path.split('#').next().unwrap_or_default();
    if !path.bytes().all(|b| b.is_ascii_graphic()) {
        return None;
    }
    let slash = if path.starts_with('/') { "" } else { "/" };
    Some(Destination::Web(host, port, format!("{slash}{path}")))
}

/// Undoes percent-encoding; none where it is broken.
fn unescaped(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        bytes.push(match byte {
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                u8::from_str_radix(std::str::from_utf8(&digits).ok()?, 16).ok()?
            }
            byte => byte,
        });
    }
    String::from_utf8(bytes).ok()
}

impl Report<'_> {
    /// The same for the same day and domain.
    pub(super) fn id(&self) -> String {
        format!("{}.{}@{}", self.date, self.domain, self.by.sender.domain())
    }

    /// What it says.
    pub(super) fn json(&self) -> Value {
        let date = self.date;
        json!({
            "organization-name": self.by.organization,
            "date-range": {
                "start-datetime": format!("{date}T00:00:00Z"),
                "end-datetime": format!("{date}T23:59:59Z"),
            },
            "contact-info": self.by.contact,
            "report-id": self.id(),
            "policies": self.day.policies.iter().map(|(kind, counts)| {
                let mut policy = json!({
                    "policy-type": kind.name(),
                    "policy-domain": self.domain.as_str(),
                });
                if !counts.policy.is_empty() {
                    policy["policy-string"] = json!(counts.policy);
                    policy["mx-host"] = json!(counts.patterns);
                }
                let failed: u64 = counts.failures.values().map(|(count, _)| count).sum();
                json!({
                    "policy": policy,
                    "summary": {
                        "total-successful-session-count": counts.successes,
                        "total-failure-session-count": failed,
                    },
                    "failure-details": details(counts),
                })
            }).collect::<Vec<_>>(),
        })
    }

    /// What it says, compressed.
    pub(super) fn packed(&self) -> Vec<u8> {
        let text = self.json().to_string();
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        let written = encoder.write_all(text.as_bytes()).and_then(|()| encoder.finish());
        written.expect("a vector takes every byte")
    }

    /// As a message. It asks not to be kept by TLS that fails: that it does is what it tells.
    pub(super) fn message(&self, packed: &[u8], to: &Address, now: Timestamp) -> Vec<u8> {
        let (id, domain, sender) = (self.id(), self.domain, self.by.sender);
        let submitter = sender.domain();
        let seconds = format!("{}T00:00:00Z", self.date).parse::<Timestamp>();
        let start = seconds.map_or(0, Timestamp::seconds);
        let file = format!("{submitter}!{domain}!{start}!{}.json.gz", start + 86_399);
        let organization = escaped(self.by.organization);
        let boundary = format!("tls-report-{start}");
        let mut text = format!(
            "From: <{sender}>\r\n\
             To: <{to}>\r\n\
             Subject: Report Domain: {domain}\r\n Submitter: {submitter}\r\n Report-ID: <{id}>\r\n\
             Date: {date}\r\n\
             Message-ID: <{id}>\r\n\
             TLS-Report-Domain: {domain}\r\n\
             TLS-Report-Submitter: {submitter}\r\n\
             TLS-Required: No\r\n\
             Auto-Submitted: auto-generated\r\n\
             MIME-Version: 1.0\r\n\
             Content-Type: multipart/report; report-type=\"tlsrpt\";\r\n boundary=\"{boundary}\"\r\n\r\n\
             --{boundary}\r\n\
             Content-Type: text/plain; charset=us-ascii\r\n\r\n\
             This is a report of how TLS to the mail servers of\r\n{domain}\r\nfared on {day} (RFC 8460), from\r\n\
             {organization}.\r\n\r\n\
             --{boundary}\r\n\
             Content-Type: application/tlsrpt+gzip\r\n\
             Content-Transfer-Encoding: base64\r\n\
             Content-Disposition: attachment;\r\n filename=\"{file}\"\r\n\r\n",
            date = now.rfc5322(),
            day = self.date,
        );
        let encoded = BASE64.encode(packed);
        for line in encoded.as_bytes().chunks(LINE) {
            text.extend(line.iter().map(|byte| char::from(*byte)));
            text.push_str("\r\n");
        }
        text.push_str(&format!("--{boundary}--\r\n"));
        text.into_bytes()
    }
}

fn details(counts: &Counts) -> Vec<Value> {
    let detail = |(failure, (count, text)): (&super::tally::Failure, &(u64, String))| {
        let mut detail = json!({
            "result-type": failure.kind,
            "failed-session-count": count,
            "failure-reason-code": text,
        });
        let named = [
            ("sending-mta-ip", failure.here.map(|here| here.to_string())),
            ("receiving-mx-hostname", failure.host.clone()),
            ("receiving-ip", failure.to.map(|to| to.to_string())),
        ];
        for (key, value) in named {
            if let Some(value) = value {
                detail[key] = value.into();
            }
        }
        detail
    };
    counts.failures.iter().map(detail).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_is_told_where_it_asks_to_be() {
        let asked = |records: &[&str]| {
            destinations(&records.iter().map(ToString::to_string).collect::<Vec<_>>())
        };
        let mail = |address| Destination::Mail(Address::parse(address).expect("an address"));
        let web = |host: &str, port, path: &str| Destination::Web(host.into(), port, path.into());
        assert_eq!(
            asked(&["v=spf1", "v=TLSRPTv1; rua=mailto:a@b.example, https://R.example/v1?x=y"]),
            [mail("a@b.example"), web("r.example", 443, "/v1?x=y")]
        );
        assert_eq!(asked(&["v=TLSRPTv1;rua=mailto:a%2Bt@b.example"]), [mail("a+t@b.example")]);
        assert_eq!(
            asked(&["v=TLSRPTv1; rua=https://r.example:8443"]),
            [web("r.example", 8443, "/")]
        );
        for none in [
            &[][..],
            &["v=TLSRPTv1; rua=mailto:a@b.example", "v=TLSRPTv1; rua=mailto:c@d.example"],
            &["v=TLSRPTv1"],
            &["v=TLSRPTv1; rua=http://r.example/"],
            &["v=TLSRPTv1; rua=https://10.0.0.1:x/"],
            &["v=TLSRPTv1; rua=mailto:nobody"],
            &["v=TLSRPTv1; rua=mailto:a%0d%0ab@b.example"],
        ] {
            assert_eq!(asked(none), [], "{none:?}");
        }
    }
}
