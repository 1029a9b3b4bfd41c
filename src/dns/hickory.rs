//! The resolver over hickory: no search domains, no hosts file, every wait and list bounded.

use super::{DnsFault, MailHost, Resolver, Route};
use crate::config;
use crate::mail::Domain;
use crate::world::{Chance, SystemChance};
use async_trait::async_trait;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RData, RecordType};
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// The resolver of a running relay.
pub struct HickoryResolver {
    resolver: TokioResolver,
    chance: Arc<dyn Chance>,
    longest: Duration,
    hosts_max: usize,
    addresses_max: usize,
}

/// What a lookup found.
enum Found {
    /// These records of the type asked for; empty: the name has none.
    Records(Vec<RData>),
    /// No such name.
    NoName,
}

impl HickoryResolver {
    /// A resolver that asks the name servers of the settings, or else the system's.
    ///
    /// # Errors
    /// The system's settings cannot be read.
    pub fn new(settings: &config::Dns) -> io::Result<Arc<Self>> {
        Self::with_chance(settings, Arc::new(SystemChance::new()))
    }

    /// The same, with the chance that shuffles hosts of equal preference.
    ///
    /// # Errors
    /// The system's settings cannot be read.
    pub fn with_chance(settings: &config::Dns, chance: Arc<dyn Chance>) -> io::Result<Arc<Self>> {
        let fault = |why: NetError| {
            let hint = "name servers can be set as dns.nameservers";
            io::Error::other(format!("the resolver cannot start: {why}; {hint}"))
        };
        let mut builder = if settings.nameservers.is_empty() {
            TokioResolver::builder_tokio().map_err(fault)?
        } else {
            let servers = settings.nameservers.iter().map(|server| {
                let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()];
                let connections = connections.map(|mut connection| {
                    connection.port = server.port();
                    connection
                });
                NameServerConfig::new(server.ip(), true, connections.to_vec())
            });
            let config = ResolverConfig::from_name_servers(servers.collect());
            TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
        };
        let options = builder.options_mut();
        // Two attempts, which together take no longer than the setting says.
        options.attempts = 1;
        options.timeout = settings.timeout.0 / 2;
        options.cache_size = u64::from(settings.cache_entries_max);
        options.positive_max_ttl = Some(settings.cache_ttl_max.0);
        options.negative_max_ttl = Some(settings.cache_ttl_max.0);
        options.use_hosts_file = ResolveHosts::Never;
        Ok(Arc::new(Self {
            resolver: builder.build().map_err(fault)?,
            chance,
            longest: settings.timeout.0,
            hosts_max: settings.mx_hosts_max as usize,
            addresses_max: settings.addresses_max as usize,
        }))
    }

    async fn find(&self, name: &str, kind: RecordType) -> Result<Found, DnsFault> {
        let unreadable = |why| DnsFault(format!("{name} is no name for DNS: {why}"));
        let mut full = Name::from_ascii(name).map_err(unreadable)?;
        full.set_fqdn(true);
        let late = |_| DnsFault(format!("{kind} of {name}: no answer in {:?}", self.longest));
        let lookup = tokio::time::timeout(self.longest, self.resolver.lookup(full, kind));
        match lookup.await.map_err(late)? {
            Ok(lookup) => {
                let records = lookup.answers().iter().map(|record| record.data.clone());
                Ok(Found::Records(records.filter(|data| data.record_type() == kind).collect()))
            }
            Err(NetError::Dns(DnsError::NoRecordsFound(none))) => match none.response_code {
                ResponseCode::NXDomain => Ok(Found::NoName),
                ResponseCode::NoError => Ok(Found::Records(Vec::new())),
                code => Err(DnsFault(format!("{kind} of {name}: {code}"))),
            },
            Err(why) => Err(DnsFault(format!("{kind} of {name}: {why}"))),
        }
    }

    /// What follows for a domain without mail host and address. An alias that leads in a loop, or to a
    /// name without records, looks like that while its zone is being mended: nothing final follows.
    async fn nowhere(&self, domain: &Domain) -> Result<Route, DnsFault> {
        match self.find(domain.as_str(), RecordType::CNAME).await? {
            Found::Records(aliases) if !aliases.is_empty() => {
                Err(DnsFault(format!("{domain} is an alias that leads to no mail server")))
            }
            _ => Ok(Route::NoSuchDomain),
        }
    }

    /// By preference; equal ones in an order of chance.
    fn sort(&self, hosts: &mut [MailHost]) {
        for last in (1..hosts.len()).rev() {
            let other = self.chance.below(last as u64 + 1);
            hosts.swap(last, usize::try_from(other).unwrap_or(last));
        }
        hosts.sort_by_key(|host| host.preference);
    }
}

#[async_trait]
impl Resolver for HickoryResolver {
    async fn route(&self, domain: &Domain) -> Result<Route, DnsFault> {
        let Found::Records(records) = self.find(domain.as_str(), RecordType::MX).await? else {
            return Ok(Route::NoSuchDomain);
        };
        if records.is_empty() {
            if self.addresses(domain.as_str()).await?.is_empty() {
                return self.nowhere(domain).await;
            }
            let name = domain.to_string();
            return Ok(Route::Hosts(vec![MailHost { preference: 0, name }]));
        }
        let mut hosts = Vec::new();
        for data in records {
            if let RData::MX(mx) = data
                && !mx.exchange.is_root()
            {
                let name = mx.exchange.to_ascii();
                hosts.push(MailHost {
                    preference: mx.preference,
                    name: name.trim_end_matches('.').to_ascii_lowercase(),
                });
            }
        }
        if hosts.is_empty() {
            return Ok(Route::NullMx);
        }
        self.sort(&mut hosts);
        hosts.truncate(self.hosts_max);
        Ok(Route::Hosts(hosts))
    }

    async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, DnsFault> {
        let (six, four) =
            tokio::join!(self.find(host, RecordType::AAAA), self.find(host, RecordType::A));
        // One kind is enough to deliver; only when neither is there does a fault count.
        let read = |found: &Result<Found, DnsFault>| match found {
            Ok(Found::Records(records)) => records.iter().filter_map(RData::ip_addr).collect(),
            _ => Vec::new(),
        };
        let (sixes, fours): (Vec<IpAddr>, Vec<IpAddr>) = (read(&six), read(&four));
        if sixes.is_empty() && fours.is_empty() {
            six.and(four)?;
        }
        let mut addresses = Vec::new();
        for place in 0..sixes.len().max(fours.len()) {
            addresses.extend(sixes.get(place));
            addresses.extend(fours.get(place));
        }
        addresses.truncate(self.addresses_max);
        Ok(addresses)
    }

    async fn texts(&self, name: &str) -> Result<Vec<String>, DnsFault> {
        let Found::Records(records) = self.find(name, RecordType::TXT).await? else {
            return Ok(Vec::new());
        };
        let texts = records.iter().filter_map(|data| match data {
            RData::TXT(text) => Some(String::from_utf8_lossy(&text.txt_data.concat()).into_owned()),
            _ => None,
        });
        Ok(texts.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{NameServer, Rdata};
    use super::*;

    async fn route(domain: &str) -> Result<Route, DnsFault> {
        let any = Rdata::A([192, 0, 2, 1].into());
        let mx = |preference, host: &str| Rdata::Mx(preference, host.into());
        let records = [
            ("ordered.example", mx(20, "second.example")),
            ("ordered.example", mx(10, "first.example")),
            ("bare.example", any),
            ("closed.example", mx(0, ".")),
            ("silent.example", Rdata::Txt("no mail".into())),
            ("loop.example", Rdata::Cname("pool.example".into())),
            ("pool.example", Rdata::Cname("loop.example".into())),
            ("alias.example", Rdata::Cname("silent.example".into())),
            ("other.example", Rdata::Cname("bare.example".into())),
            ("stale.example", Rdata::Cname("nowhere.example".into())),
        ];
        let records = records.map(|(name, data)| (name.to_owned(), data));
        let server = NameServer::start(([127, 0, 0, 1], 0).into(), &records);
        let server = server.expect("a port");
        let settings =
            config::Dns { nameservers: vec![server.address()], ..config::Dns::default() };
        let resolver = HickoryResolver::new(&settings).expect("a resolver");
        resolver.route(&Domain::parse(domain).expect("a domain")).await
    }

    #[tokio::test]
    async fn mail_goes_to_the_lowest_preference_first() {
        let Ok(Route::Hosts(hosts)) = route("ordered.example").await else {
            unreachable!("no hosts");
        };
        let names: Vec<_> = hosts.iter().map(|host| host.name.as_str()).collect();
        assert_eq!(names, ["first.example", "second.example"]);
    }

    #[tokio::test]
    async fn a_domain_without_mx_takes_its_mail_itself() {
        let host = MailHost { preference: 0, name: "bare.example".into() };
        assert_eq!(route("bare.example").await, Ok(Route::Hosts(vec![host])));
    }

    #[tokio::test]
    async fn mail_to_closed_and_unknown_domains_goes_nowhere() {
        assert_eq!(route("closed.example").await, Ok(Route::NullMx));
        assert_eq!(route("silent.example").await, Ok(Route::NoSuchDomain));
        assert_eq!(route("nowhere.example").await, Ok(Route::NoSuchDomain));
    }
    #[tokio::test]
    async fn an_alias_that_leads_to_no_mail_server_may_be_mended() {
        for domain in ["loop.example", "alias.example"] {
            assert!(route(domain).await.is_err(), "{domain}: {:?}", route(domain).await);
        }
        assert!(matches!(route("other.example").await, Ok(Route::Hosts(_))));
        assert_eq!(route("stale.example").await, Ok(Route::NoSuchDomain));
    }

    #[tokio::test]
    async fn a_name_server_that_does_not_answer_takes_its_time_once() {
        let silent = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port");
        let settings = config::Dns {
            nameservers: vec![silent.local_addr().expect("bound")],
            timeout: "200ms".parse().expect("a duration"),
            ..config::Dns::default()
        };
        let resolver = HickoryResolver::new(&settings).expect("a resolver");
        let begun = std::time::Instant::now();
        let domain = Domain::parse("slow.example").expect("a domain");
        assert!(resolver.route(&domain).await.is_err());
        assert!(begun.elapsed() < Duration::from_millis(400), "{:?}", begun.elapsed());
    }
}
