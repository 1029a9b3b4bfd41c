//! What a sending domain's owner is to publish in DNS: the proof, the keys, the domain's own hosts, and
//! what is advised.

use super::sending_domain::{DkimAlgorithm, DkimKey, HostUse, KeyStage, SendingDomain};
use crate::config::{Config, DEFAULT_POOL};
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr};
use utoipa::ToSchema;

/// A DNS record to publish.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DnsRecord {
    /// `TXT`, `MX` or `CNAME`.
    #[serde(rename = "type")]
    pub kind: String,
    /// The full name, without the final dot.
    pub name: String,
    /// The value, without quotes; of an MX record the preference first.
    pub value: String,
}

/// What a record is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = DnsPurpose)]
pub enum Purpose {
    /// Proof of control.
    Proof,
    /// A DKIM key.
    Key,
    /// The host of return paths.
    ReturnPath,
    /// The host of reply and unsubscribe addresses.
    Replies,
    /// The host of unsubscribe pages.
    Links,
    /// SPF of the domain itself.
    Spf,
    /// DMARC.
    Dmarc,
}

/// A record to publish, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
#[schema(as = WantedRecord)]
pub struct Wanted {
    /// The record.
    #[serde(flatten)]
    pub record: DnsRecord,
    /// What it is for.
    pub purpose: Purpose,
    /// Whether something does not work without it; else it is advice.
    pub required: bool,
    /// What else is to be known of it.
    pub note: Option<String>,
}

/// Our own side of what is published: names and addresses that a sending domain's records lead to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ours {
    /// The name of this relay.
    pub hostname: String,
    /// The host of signed addresses where a domain has none of its own.
    pub reply_domain: String,
    /// The host of unsubscribe pages where a domain has none of its own.
    pub page_host: String,
    /// The addresses that mail leaves from, of all pools. Where there is none, or an unspecified one, mail
    /// leaves from those of the hostname too.
    pub sources: Vec<IpAddr>,
}

impl Ours {
    /// As the settings have it.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        let delivery = &config.delivery;
        let pooled = delivery.pools.iter().flatten().flat_map(|(_, pool)| &pool.sources);
        let mut sources = delivery.source_addresses.clone();
        sources.extend(pooled.map(|source| source.address));
        // What no pool serves leaves from whichever address the system chooses.
        let is_pooled =
            delivery.pools.iter().flatten().any(|(name, _)| name.as_str() == DEFAULT_POOL);
        if delivery.source_addresses.is_empty() && !is_pooled && !sources.is_empty() {
            sources.push(Ipv4Addr::UNSPECIFIED.into());
        }
        Self {
            hostname: config.hostname.clone(),
            reply_domain: config.reply_domain().to_owned(),
            page_host: config.pages_host(),
            sources,
        }
    }

    /// The SPF record of a name from which mail of ours comes.
    fn spf(&self, end: &str) -> String {
        let mut spf = format!("v=spf1 a:{}", self.hostname);
        if self.hostname != self.reply_domain {
            spf.push_str(&format!(" include:{}", self.reply_domain));
        }
        for address in self.sources.iter().filter(|address| !address.is_unspecified()) {
            let kind = if address.is_ipv4() { "ip4" } else { "ip6" };
            spf.push_str(&format!(" {kind}:{address}"));
        }
        format!("{spf} {end}")
    }
}

impl DkimKey {
    /// The record of the key below a domain.
    pub(super) fn record(&self, domain: &str) -> DnsRecord {
        let kind = match self.algorithm {
            DkimAlgorithm::Rsa => "rsa",
            DkimAlgorithm::Ed25519 => "ed25519",
        };
        DnsRecord {
            kind: "TXT".into(),
            name: format!("{}._domainkey.{domain}", self.selector),
            value: format!("v=DKIM1; k={kind}; p={}", self.public),
        }
    }

    fn note(&self) -> Option<String> {
        match self.stage {
            KeyStage::Signing => None,
            KeyStage::Waiting => Some("new: signs once it is found".into()),
            KeyStage::Retired { until } => {
                Some(format!("signs no more: keep it published until {}", until.date()))
            }
        }
    }
}

impl SendingDomain {
    /// The records to publish, those first that are required.
    #[must_use]
    pub fn records(&self, ours: &Ours) -> Vec<Wanted> {
        let name = self.name.as_str();
        let text = |name: String, value: String| DnsRecord { kind: "TXT".into(), name, value };
        let proof = text(format!("_relent.{name}"), self.challenge.clone());
        let wanted = |record, purpose, required| Wanted { record, purpose, required, note: None };
        let mut records = vec![wanted(proof, Purpose::Proof, true)];
        for key in &self.keys {
            let required = !matches!(key.stage, KeyStage::Retired { .. });
            let record = key.record(name);
            records.push(Wanted { record, purpose: Purpose::Key, required, note: key.note() });
        }
        for host_use in HostUse::ALL {
            records.extend(self.host_records(host_use, ours));
        }
        records.sort_by_key(|wanted| !wanted.required);
        let spf = text(name.to_owned(), ours.spf("~all"));
        records.push(wanted(spf, Purpose::Spf, false));
        let dmarc = text(format!("_dmarc.{name}"), "v=DMARC1; p=none".into());
        records.push(wanted(dmarc, Purpose::Dmarc, false));
        records
    }

    /// What leads a host of the domain's own to us. Return paths need an MX, for bounces, and SPF, for the
    /// servers that take the mail; an alias of our reply host has both, and follows when either
    /// changes. Beside the MX of a reply host an alias may not stand: both records are named.
    fn host_records(&self, host_use: HostUse, ours: &Ours) -> Vec<Wanted> {
        let Some(host) = self.hosts.of(host_use) else {
            return Vec::new();
        };
        let row = |purpose: &Purpose, kind: &str, value: String| Wanted {
            record: DnsRecord { kind: kind.into(), name: host.name.to_string(), value },
            purpose: purpose.clone(),
            required: true,
            note: None,
        };
        let shared = self.hosts.replies.as_ref().is_some_and(|replies| replies.name == host.name);
        let mx = format!("10 {}", ours.hostname);
        match host_use {
            HostUse::ReturnPath if !shared => {
                vec![row(&Purpose::ReturnPath, "CNAME", ours.reply_domain.clone())]
            }
            HostUse::ReturnPath => vec![
                row(&Purpose::ReturnPath, "MX", mx),
                row(&Purpose::ReturnPath, "TXT", ours.spf("-all")),
            ],
            HostUse::Replies => vec![row(&Purpose::Replies, "MX", mx)],
            HostUse::Links => {
                let mut links = row(&Purpose::Links, "CNAME", ours.page_host.clone());
                links.note = Some("the pages' certificate must name it too".into());
                vec![links]
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_addresses_of_every_pool_stand_in_the_spf_record() {
        let text = "hostname = \"relay.example\"\n[delivery.pools.bulk]\n\
                    sources = [{ address = \"192.0.2.1\" }, { address = \"2001:db8::1\" }]\n";
        let mut config: Config = toml::from_str(text).expect("settings");
        let ours = Ours::of(&config);
        assert!(ours.spf("~all").ends_with(" ip4:192.0.2.1 ip6:2001:db8::1 ~all"), "{ours:?}");
        assert!(ours.sources.iter().any(IpAddr::is_unspecified), "the system chooses for the rest");
        config.delivery.pools = None;
        config.delivery.source_addresses = vec![IpAddr::from([192, 0, 2, 9])];
        let ours = Ours::of(&config);
        assert!(ours.spf("-all").ends_with(" ip4:192.0.2.9 -all"), "{ours:?}");
        assert_eq!(ours.sources.len(), 1);
    }
}
