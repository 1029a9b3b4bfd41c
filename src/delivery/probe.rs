//! What would happen to mail for a domain: its hosts are looked up, what their TLS must be is found, each is
//! greeted, encrypted and held against it, and left again. No mail is spoken.

use super::Delivery;
use super::dialog::{Broken, Dialog, seconds};
use super::route::Target;
use super::security::{DomainRule, HostRule, Need, Secured};
use super::sources::PoolNumber;
use crate::dns::{MailHost, Proven, Route};
use crate::mail::Domain;
use crate::tls::{Demand, Shown, shown};
use serde::Serialize;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Most addresses of a host that are connected to.
const ADDRESSES: usize = 4;
/// Most certificates of a chain that are shown.
const CHAIN: usize = 10;

/// What was found.
#[derive(Debug, Default, Serialize)]
pub struct Probe {
    /// The domain.
    pub domain: String,
    /// What would happen, in words.
    pub verdict: String,
    /// Whether DNSSEC proves where its mail goes.
    pub dnssec: bool,
    /// What TLS must be by the domain's own word or the operator's.
    pub policy: String,
    /// Why a policy that the domain says it has was not had.
    pub fault: Option<String>,
    /// Its MTA-STS policy.
    pub mta_sts: Option<StsPolicy>,
    /// Its mail hosts, in the order in which they are tried.
    pub hosts: Vec<HostProbe>,
}

/// An MTA-STS policy.
#[derive(Debug, Serialize)]
pub struct StsPolicy {
    /// `enforce`, `testing` or `none`.
    pub mode: String,
    /// The hosts that it names.
    pub mx: Vec<String>,
    /// For how many seconds it holds.
    pub max_age: u64,
}

/// A mail host.
#[derive(Debug, Serialize)]
pub struct HostProbe {
    /// Its name.
    pub host: String,
    /// Its preference.
    pub preference: u16,
    /// What TLS to it must be, and why; or why it is not sent to.
    pub rule: String,
    /// The policy's lines, or its TLSA records.
    pub records: Vec<String>,
    /// Why it has no address.
    pub fault: Option<String>,
    /// Its addresses.
    pub addresses: Vec<AddressProbe>,
}

/// One address of a host.
#[derive(Debug, Default, Serialize)]
pub struct AddressProbe {
    /// The address with its port.
    pub address: String,
    /// Whether mail would be sent there.
    pub sends: bool,
    /// What would happen, in words.
    pub verdict: String,
    /// What the server offers, after STARTTLS where that came about.
    pub offers: Vec<&'static str>,
    /// The version of TLS.
    pub version: Option<String>,
    /// The cipher suite.
    pub cipher: Option<String>,
    /// What is wrong with its certificates, for mail that must know whom it goes to.
    pub certificate_fault: Option<String>,
    /// Its certificates, its own first.
    pub certificates: Vec<Shown>,
}

impl Delivery {
    /// Finds out what would happen to mail for a domain, within about `longest`.
    pub async fn probe(self: Arc<Self>, domain: &Domain, longest: Duration) -> Probe {
        let resolver = &self.parts.resolver;
        let (route, rule) =
            tokio::join!(resolver.proven_route(domain), self.security.domain(domain));
        let mut probe = Probe {
            domain: domain.to_string(),
            policy: told(&rule),
            fault: rule.fault.as_ref().map(ToString::to_string),
            mta_sts: rule.sts.as_ref().map(|(policy, _)| StsPolicy {
                mode: policy.mode.name().into(),
                mx: policy.hosts.clone(),
                max_age: policy.max_age.as_secs(),
            }),
            ..Probe::default()
        };
        let Proven { found, is_secure } = match route {
            Ok(route) => route,
            Err(fault) => {
                probe.verdict = format!("mail would wait: {fault}");
                return probe;
            }
        };
        probe.dnssec = is_secure;
        let hosts = match found {
            Route::Hosts(hosts) => hosts,
            Route::NullMx => {
                probe.verdict = "mail would be refused: the domain takes none (null MX)".into();
                return probe;
            }
            Route::NoSuchDomain => {
                let text =
                    "mail would be refused: there is no such domain, or it has no mail server";
                probe.verdict = text.into();
                return probe;
            }
        };
        let mut tasks = JoinSet::new();
        let rule = Arc::new(rule);
        for (place, host) in hosts.into_iter().enumerate() {
            let (all, rule) = (self.clone(), rule.clone());
            tasks.spawn(
                async move { (place, all.probe_host(&rule, host, is_secure, longest).await) },
            );
        }
        let mut found: Vec<(usize, HostProbe)> = Vec::new();
        while let Some(done) = tasks.join_next().await {
            found.extend(done.ok());
        }
        found.sort_by_key(|(place, _)| *place);
        probe.hosts = found.into_iter().map(|(_, host)| host).collect();
        let addresses = probe.hosts.iter().flat_map(|host| &host.addresses);
        let first = addresses.clone().find(|address| address.sends).or(addresses.last());
        probe.verdict = first.map_or_else(
            || "mail would wait: no mail server has an address".into(),
            |address| format!("{}: {}", address.address, address.verdict),
        );
        probe
    }

    async fn probe_host(
        &self,
        rule: &DomainRule,
        host: MailHost,
        is_proven: bool,
        longest: Duration,
    ) -> HostProbe {
        let mut probe = HostProbe {
            host: host.name.clone(),
            preference: host.preference,
            rule: String::new(),
            records: Vec::new(),
            fault: None,
            addresses: Vec::new(),
        };
        let found = match self.parts.resolver.proven_addresses(&host.name).await {
            Ok(found) => found,
            Err(fault) => {
                probe.fault = Some(fault.to_string());
                return probe;
            }
        };
        if found.found.is_empty() {
            probe.fault = Some("it has no address".into());
        }
        let decided = self.security.host(rule, &host.name, is_proven, found.is_secure).await;
        match &decided {
            Ok(rule) => {
                probe.rule.clone_from(&rule.why);
                probe.records.clone_from(&rule.policy);
            }
            Err(denied) => probe.rule = format!("not sent to: {}", denied.text),
        }
        for address in found.found.into_iter().take(ADDRESSES) {
            let target = Target {
                host: host.clone(),
                to: SocketAddr::new(address, self.parts.config.delivery.port),
                is_plain: false,
                is_proven: found.is_secure,
            };
            let mut one = AddressProbe { address: target.relay(), ..AddressProbe::default() };
            match &decided {
                Err(denied) => one.verdict = format!("mail would wait: {}", denied.text),
                Ok(rule) => {
                    let each = longest / u32::try_from(ADDRESSES).unwrap_or(1);
                    let asked = self.probe_address(&target, rule, &mut one);
                    if timeout(each, asked).await.is_err() {
                        one.verdict = format!("mail would wait: no end within {}", seconds(each));
                    }
                }
            }
            probe.addresses.push(one);
        }
        probe
    }

    async fn probe_address(&self, target: &Target, rule: &HostRule, probe: &mut AddressProbe) {
        let (config, limits) = (&self.parts.config, &self.parts.config.delivery);
        let connector = self.security.connector(rule, true);
        let opened = async {
            let source = self.source(PoolNumber::default(), target.to)?;
            let socket = self.socket(target.to, &source).await?;
            let name = source.hostname().unwrap_or(&config.hostname);
            Dialog::open(socket, target, name, limits, connector.as_ref()).await
        };
        let dialog = match opened.await {
            Ok(dialog) => dialog,
            Err(Broken::Tls(breach)) => {
                probe.sends = rule.need == Need::Offered;
                probe.verdict = match probe.sends {
                    true => {
                        format!("mail would be sent in the clear, since TLS fails: {}", breach.text)
                    }
                    false => format!("mail would wait: {}", breach.text),
                };
                return;
            }
            Err(broken) => {
                probe.verdict = format!("mail would wait: {broken}");
                return;
            }
        };
        probe.offers = dialog.offers.names();
        let held = self.security.holds(&rule.need, dialog.secured.as_ref());
        if let Some(secured) = &dialog.secured {
            self.show(secured, target, rule, probe);
        }
        probe.sends = held.is_ok();
        probe.verdict = match (&held, &dialog.secured, &rule.need) {
            (Err(breach), _, _) => format!("mail would wait: {}", breach.text),
            (Ok(()), None, _) => "mail would be sent in the clear".into(),
            (Ok(()), Some(_), Need::Proven(_)) => {
                "mail would be sent, encrypted, to a server that proves who it is".into()
            }
            (Ok(()), Some(_), _) => "mail would be sent, encrypted, to whoever answers".into(),
        };
        dialog.quit().await;
    }

    fn show(&self, secured: &Secured, target: &Target, rule: &HostRule, probe: &mut AddressProbe) {
        let named = Demand::Named(vec![target.host.name.clone()]);
        let demand = match (&rule.need, &rule.tested) {
            (Need::Proven(demand), _) | (_, Some(demand)) => demand,
            _ => &named,
        };
        let checked = self.security.proves(demand, secured);
        probe.certificate_fault = checked.err().map(|breach| breach.text);
        probe.version = Some(secured.version.clone());
        probe.cipher = Some(secured.cipher.clone());
        probe.certificates = secured.chain.iter().take(CHAIN).filter_map(shown).collect();
    }
}

/// What a domain's mail demands, in words.
fn told(rule: &DomainRule) -> String {
    let whose = if rule.is_overridden { "delivery.tls_policies" } else { "delivery.tls" };
    let word = rule.word.name();
    match &rule.sts {
        Some((policy, _)) => format!("MTA-STS, mode {}; {whose} is {word}", policy.mode.name()),
        None => format!("{whose} is {word}"),
    }
}
