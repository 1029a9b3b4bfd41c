//! The resolver over hickory: no search domains, no hosts file, every wait and list bounded. What DNSSEC
//! proves is validated here, or believed of a name server on this machine.

use super::asking::Asking;
use super::{DnsFault, MailHost, Proven, Resolver, Route, reversed};
use crate::config;
use crate::mail::{Domain, Tlsa};
use crate::world::{Chance, SystemChance};
use async_trait::async_trait;
use hickory_resolver::TokioResolver;
use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::lookup::Lookup;
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::dnssec::TrustAnchors;
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{Name, RData, Record, RecordType};
use hickory_resolver::system_conf::read_system_conf;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

/// Most aliases from a name to its records.
const ALIASES_MAX: usize = 8;
/// Most TLSA records of a host that are looked at.
const TLSA_MAX: usize = 32;

/// The resolver of a running relay.
pub struct HickoryResolver {
    resolver: hickory_resolver::Resolver<Asking>,
    /// The same questions for the checks of incoming mail, of which DNSSEC need prove nothing: what a
    /// signed zone does not have would be a fault to the library that asks.
    pub(super) plain: TokioResolver,
    proof: Proof,
    chance: Arc<dyn Chance>,
    longest: Duration,
    hosts_max: usize,
    addresses_max: usize,
}

/// What a lookup found.
enum Found {
    /// These records of the type asked for, and whether they are proven; empty: the name has none.
    Records(Vec<RData>, bool),
    /// No such name.
    NoName,
}

/// Who says what DNSSEC proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Proof {
    /// We do.
    Ours,
    /// The name servers, which are all on this machine: nobody is between them and us.
    Theirs,
    /// Nobody.
    Nobodys,
}

impl HickoryResolver {
    /// A resolver that asks the name servers of the settings, or else the system's.
    ///
    /// # Errors
    /// The system's settings, or the trust anchors, cannot be read.
    pub fn new(settings: &config::Dns) -> io::Result<Arc<Self>> {
        Self::with_chance(settings, Arc::new(SystemChance::new()))
    }

    /// The same, with the chance that shuffles hosts of equal preference.
    ///
    /// # Errors
    /// The system's settings, or the trust anchors, cannot be read.
    pub fn with_chance(settings: &config::Dns, chance: Arc<dyn Chance>) -> io::Result<Arc<Self>> {
        let fault = |why: NetError| {
            let hint = "name servers can be set as dns.nameservers";
            io::Error::other(format!("the resolver cannot start: {why}; {hint}"))
        };
        let config = if settings.nameservers.is_empty() {
            let (config, _) = read_system_conf().map_err(fault)?;
            config
        } else {
            let servers = settings.nameservers.iter().map(|server| {
                let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()];
                let connections = connections.map(|mut connection| {
                    connection.port = server.port();
                    connection
                });
                NameServerConfig::new(server.ip(), true, connections.to_vec())
            });
            ResolverConfig::from_name_servers(servers.collect())
        };
        let near = config.name_servers.iter().all(|server| server.ip.to_canonical().is_loopback());
        let proof = match (settings.validate, near) {
            (true, _) => Proof::Ours,
            (false, true) => Proof::Theirs,
            (false, false) => Proof::Nobodys,
        };
        let asking = Asking::new(proof == Proof::Theirs);
        let mut plain =
            TokioResolver::builder_with_config(config.clone(), TokioRuntimeProvider::default());
        bound(plain.options_mut(), settings);
        let mut builder = hickory_resolver::Resolver::builder_with_config(config, asking);
        if let Some(anchors) = anchors(settings)? {
            builder = builder.with_trust_anchor(Arc::new(anchors));
        }
        let options = builder.options_mut();
        bound(options, settings);
        // Aliases stay in an answer, since each of them must be proven.
        options.preserve_intermediates = true;
        options.validate = settings.validate;
        Ok(Arc::new(Self {
            resolver: builder.build().map_err(fault)?,
            plain: plain.build().map_err(fault)?,
            proof,
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
        let lookup = tokio::time::timeout(self.longest, async {
            let found = self.ask(&full, kind).await;
            let is_secure = match &found {
                Ok(lookup) => self.is_proven(lookup, &full, kind).await?,
                Err(_) => false,
            };
            found.map(|lookup| (lookup, is_secure))
        });
        let negative = |code| match code {
            ResponseCode::NXDomain => Ok(Found::NoName),
            ResponseCode::NoError => Ok(Found::Records(Vec::new(), false)),
            code => Err(DnsFault(format!("{kind} of {name}: {code}"))),
        };
        match lookup.await.map_err(late)? {
            Ok((lookup, is_secure)) => {
                let records = lookup.answers().iter().map(|record| record.data.clone());
                let records = records.filter(|data| data.record_type() == kind).collect();
                Ok(Found::Records(records, is_secure))
            }
            Err(NetError::Dns(DnsError::NoRecordsFound(none))) => negative(none.response_code),
            // There is none, and nothing need prove that; what must be proven and is not is a fault.
            Err(NetError::Dns(DnsError::Nsec { response, proof, .. })) if proof.is_insecure() => {
                negative(response.metadata.response_code)
            }
            Err(why) => Err(DnsFault(format!("{kind} of {name}: {why}"))),
        }
    }

    /// Asks until there is an answer; the caller knows how long. A question that went under with a connection
    /// shared with others, or found no place in one as happens when much is asked at once, is asked again;
    /// one that was lost otherwise is asked once more.
    async fn ask(&self, name: &Name, kind: RecordType) -> Result<Lookup, NetError> {
        let mut pause = WAY_PAUSE;
        let mut was_lost = false;
        loop {
            match self.resolver.lookup(name.clone(), kind).await {
                Err(why) if has_no_way(&why) => {
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(WAY_PAUSE_MAX);
                }
                Err(why) if !was_lost && !is_answer(&why) => was_lost = true,
                found => return found,
            }
        }
    }

    /// Whether an answer to a question about `name` is proven, from the name to the records.
    ///
    /// # Errors
    /// What would prove it cannot be had now.
    async fn is_proven(
        &self,
        lookup: &Lookup,
        name: &Name,
        kind: RecordType,
    ) -> Result<bool, NetError> {
        match self.proof {
            Proof::Nobodys => return Ok(false),
            // One answer to this very question: what was put together here is of several.
            Proof::Theirs => {
                let is_whole = lookup.query().name() == name;
                return Ok(is_whole && lookup.message().metadata.authentic_data);
            }
            Proof::Ours => {}
        }
        let mut owner = name.clone();
        for _ in 0..ALIASES_MAX {
            let here = |records: &[Record]| -> Vec<Record> {
                records.iter().filter(|record| record.name == owner).cloned().collect()
            };
            let mut records = here(lookup.answers());
            if records.is_empty() {
                // The alias was left out, since what it leads to was known already.
                match self.ask(&owner, RecordType::CNAME).await {
                    Ok(link) => records = here(link.answers()),
                    Err(NetError::Dns(DnsError::NoRecordsFound(_))) => {}
                    Err(NetError::Dns(DnsError::Nsec { proof, .. })) if proof.is_insecure() => {}
                    Err(why) => return Err(why),
                }
            }
            let is_sound = |record: &Record| record.proof.is_secure();
            let mut found = records.iter().filter(|record| record.record_type() == kind).peekable();
            if found.peek().is_some() {
                return Ok(found.all(is_sound));
            }
            let alias = records.iter().find_map(|record| match &record.data {
                RData::CNAME(next) if is_sound(record) => Some(next.0.clone()),
                _ => None,
            });
            let Some(next) = alias else { return Ok(false) };
            owner = next;
        }
        Ok(false)
    }

    /// What follows for a domain without mail host and address. An alias that leads in a loop, or to a
    /// name without records, looks like that while its zone is being mended: nothing final follows.
    async fn nowhere(&self, domain: &Domain) -> Result<Route, DnsFault> {
        match self.find(domain.as_str(), RecordType::CNAME).await? {
            Found::Records(aliases, _) if !aliases.is_empty() => {
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

/// How long an answer is kept whatever it says itself: what one attempt has found out holds for the next.
const KEPT_MIN: Duration = Duration::from_secs(5);
/// How long a question without a way to the name server waits at first, and at most: each pause is twice the
/// last.
const WAY_PAUSE: Duration = Duration::from_millis(20);
const WAY_PAUSE_MAX: Duration = Duration::from_millis(500);

/// Whether a fault is one of the connection: it is full, or it broke, for which the library has both of the
/// other names.
const fn has_no_way(fault: &NetError) -> bool {
    matches!(fault, NetError::Busy | NetError::NoConnections | NetError::Truncated)
}

/// Whether a fault is what name servers say, or that they say nothing.
const fn is_answer(fault: &NetError) -> bool {
    matches!(fault, NetError::Dns(_) | NetError::Timeout)
}

/// How long is asked, and how much is kept.
fn bound(options: &mut ResolverOpts, settings: &config::Dns) {
    // Two attempts, which together take no longer than the setting says.
    options.attempts = 1;
    options.timeout = settings.timeout.0 / 2;
    options.cache_size = u64::from(settings.cache_entries_max);
    options.positive_min_ttl = Some(KEPT_MIN.min(settings.cache_ttl_max.0));
    options.positive_max_ttl = Some(settings.cache_ttl_max.0);
    options.negative_max_ttl = Some(settings.cache_ttl_max.0);
    options.use_hosts_file = ResolveHosts::Never;
}

/// The name servers that are asked by these settings: theirs, or the system's.
///
/// # Errors
/// The system's settings cannot be read.
pub fn servers(settings: &config::Dns) -> io::Result<Vec<IpAddr>> {
    if !settings.nameservers.is_empty() {
        return Ok(settings.nameservers.iter().map(std::net::SocketAddr::ip).collect());
    }
    let (config, _) = read_system_conf().map_err(|why| io::Error::other(why.to_string()))?;
    Ok(config.name_servers.iter().map(|server| server.ip).collect())
}

/// Reads the trust anchors that the settings name.
///
/// # Errors
/// Why they cannot be used.
pub fn check_anchors(settings: &config::Dns) -> io::Result<()> {
    anchors(settings).map(drop)
}

/// The keys that validation starts from, where they are not the root's.
fn anchors(settings: &config::Dns) -> io::Result<Option<TrustAnchors>> {
    let Some(path) = settings.trust_anchor.as_deref().filter(|_| settings.validate) else {
        return Ok(None);
    };
    let unread = |why: String| {
        let text =
            format!("dns.trust_anchor: {}: {why}: name a file of DNSKEY records", path.display());
        io::Error::other(text)
    };
    let anchors = TrustAnchors::from_file(path).map_err(|why| unread(why.to_string()))?;
    if anchors.is_empty() {
        Err(unread("it holds no key of the root".into()))
    } else {
        Ok(Some(anchors))
    }
}

#[async_trait]
impl Resolver for HickoryResolver {
    async fn route(&self, domain: &Domain) -> Result<Route, DnsFault> {
        Ok(self.proven_route(domain).await?.found)
    }

    async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, DnsFault> {
        Ok(self.proven_addresses(host).await?.found)
    }

    async fn proven_route(&self, domain: &Domain) -> Result<Proven<Route>, DnsFault> {
        let Found::Records(records, is_secure) = self.find(domain.as_str(), RecordType::MX).await?
        else {
            return Ok(Proven::unproven(Route::NoSuchDomain));
        };
        if records.is_empty() {
            if self.addresses(domain.as_str()).await?.is_empty() {
                return self.nowhere(domain).await.map(Proven::unproven);
            }
            let name = domain.to_string();
            // That there is no MX is proven wherever the addresses are: they are of the same name.
            let found = Route::Hosts(vec![MailHost { preference: 0, name }]);
            return Ok(Proven { found, is_secure: true });
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
            return Ok(Proven { found: Route::NullMx, is_secure });
        }
        self.sort(&mut hosts);
        hosts.truncate(self.hosts_max);
        Ok(Proven { found: Route::Hosts(hosts), is_secure })
    }

    async fn proven_addresses(&self, host: &str) -> Result<Proven<Vec<IpAddr>>, DnsFault> {
        let (six, four) =
            tokio::join!(self.find(host, RecordType::AAAA), self.find(host, RecordType::A));
        // One kind is enough to deliver; only when neither is there does a fault count.
        let read = |found: &Result<Found, DnsFault>| match found {
            Ok(Found::Records(records, is_secure)) => {
                let addresses: Vec<IpAddr> = records.iter().filter_map(RData::ip_addr).collect();
                let is_secure = *is_secure || addresses.is_empty();
                (addresses, is_secure)
            }
            _ => (Vec::new(), true),
        };
        let ((sixes, six_secure), (fours, four_secure)) = (read(&six), read(&four));
        if sixes.is_empty() && fours.is_empty() {
            six.and(four)?;
            return Ok(Proven::unproven(Vec::new()));
        }
        let mut found = Vec::new();
        for place in 0..sixes.len().max(fours.len()) {
            found.extend(sixes.get(place));
            found.extend(fours.get(place));
        }
        found.truncate(self.addresses_max);
        Ok(Proven { found, is_secure: six_secure && four_secure })
    }

    async fn tlsa(&self, host: &str, port: u16) -> Result<Proven<Vec<Tlsa>>, DnsFault> {
        let name = format!("_{port}._tcp.{host}");
        let Found::Records(records, is_secure) = self.find(&name, RecordType::TLSA).await? else {
            return Ok(Proven::unproven(Vec::new()));
        };
        let read = records.into_iter().filter_map(|data| match data {
            RData::TLSA(tlsa) => Some(Tlsa {
                usage: tlsa.cert_usage.into(),
                selector: tlsa.selector.into(),
                matching: tlsa.matching.into(),
                data: tlsa.cert_data,
            }),
            _ => None,
        });
        Ok(Proven { found: read.take(TLSA_MAX).collect(), is_secure })
    }

    async fn expanded(&self, host: &str) -> Result<Option<String>, DnsFault> {
        let mut last: Option<String> = None;
        for _ in 0..ALIASES_MAX {
            let name = last.as_deref().unwrap_or(host);
            let next = match self.find(name, RecordType::CNAME).await? {
                Found::Records(records, true) => records.into_iter().find_map(|data| match data {
                    RData::CNAME(next) => Some(next.0.to_ascii()),
                    _ => None,
                }),
                _ => None,
            };
            let Some(next) = next else { return Ok(last) };
            last = Some(next.trim_end_matches('.').to_ascii_lowercase());
        }
        Ok(None)
    }

    async fn alias(&self, name: &str) -> Result<Option<String>, DnsFault> {
        let Found::Records(records, _) = self.find(name, RecordType::CNAME).await? else {
            return Ok(None);
        };
        let target = records.into_iter().find_map(|data| match data {
            RData::CNAME(target) => Some(target.0.to_ascii()),
            _ => None,
        });
        Ok(target.map(|name| name.trim_end_matches('.').to_ascii_lowercase()))
    }

    async fn names(&self, address: IpAddr) -> Result<Vec<String>, DnsFault> {
        let tree = if address.to_canonical().is_ipv4() { "in-addr.arpa" } else { "ip6.arpa" };
        let name = format!("{}.{tree}", reversed(address));
        let Found::Records(records, _) = self.find(&name, RecordType::PTR).await? else {
            return Ok(Vec::new());
        };
        let read = records.into_iter().filter_map(|data| match data {
            RData::PTR(name) => Some(name.0.to_ascii().trim_end_matches('.').to_ascii_lowercase()),
            _ => None,
        });
        Ok(read.take(self.addresses_max).collect())
    }

    async fn texts(&self, name: &str) -> Result<Vec<String>, DnsFault> {
        let Found::Records(records, _) = self.find(name, RecordType::TXT).await? else {
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
        let resolver = HickoryResolver::new(&server.settings()).expect("a resolver");
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
    async fn a_name_server_on_this_machine_is_believed_what_it_proves() {
        let tlsa = Tlsa { usage: 3, selector: 1, matching: 1, data: vec![7; 32] };
        let records = [
            ("proven.example", Rdata::Mx(10, "mx.proven.example".into())),
            ("proven.example", Rdata::Proven),
            ("mx.proven.example", Rdata::A([192, 0, 2, 1].into())),
            ("_25._tcp.mx.proven.example", Rdata::Tlsa(tlsa.clone())),
            ("_26._tcp.mx.proven.example", Rdata::Fails),
            ("plain.example", Rdata::Mx(10, "mx.proven.example".into())),
        ];
        let records = records.map(|(name, data)| (name.to_owned(), data));
        let server = NameServer::start(([127, 0, 0, 1], 0).into(), &records).expect("a port");
        let resolver = HickoryResolver::new(&server.settings()).expect("a resolver");
        for (domain, is_proven) in [("proven.example", true), ("plain.example", false)] {
            // What is kept is as proven as what was asked.
            for _ in 0..2 {
                let domain = Domain::parse(domain).expect("a domain");
                let route = resolver.proven_route(&domain).await.expect("an answer");
                assert_eq!(route.is_secure, is_proven, "{domain}");
            }
        }
        let addresses = resolver.proven_addresses("mx.proven.example").await.expect("an answer");
        assert!(addresses.is_secure && addresses.found.len() == 1);
        let found = resolver.tlsa("mx.proven.example", 25).await.expect("an answer");
        assert_eq!((found.found, found.is_secure), (vec![tlsa], true));
        assert!(resolver.tlsa("mx.proven.example", 26).await.is_err());
    }

    #[test]
    fn only_what_is_no_answer_is_asked_once_more() {
        assert!(!is_answer(&NetError::from("receiver was canceled")));
        assert!(!is_answer(&NetError::Busy));
        assert!(is_answer(&NetError::Timeout));
    }

    /// A way to a name server on which the first connections of TCP break, so many of them.
    async fn broken(server: std::net::SocketAddr, mut breaks: usize) -> std::net::SocketAddr {
        let (udp, tcp) = loop {
            let tcp = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
            let address = tcp.local_addr().expect("bound");
            if let Ok(udp) = tokio::net::UdpSocket::bind(address).await {
                break (udp, tcp);
            }
        };
        let address = tcp.local_addr().expect("bound");
        tokio::spawn(async move {
            let mut question = [0; 4096];
            while let Ok((length, from)) = udp.recv_from(&mut question).await {
                let way = tokio::net::UdpSocket::bind("127.0.0.1:0").await.expect("a port");
                way.send_to(&question[..length], server).await.expect("sent");
                let mut answer = [0; 4096];
                let length = way.recv(&mut answer).await.expect("an answer");
                udp.send_to(&answer[..length], from).await.expect("sent");
            }
        });
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = tcp.accept().await {
                if breaks > 0 {
                    breaks -= 1;
                    // The question is not read: the other side sees a reset.
                    let _ = stream.readable().await;
                    continue;
                }
                tokio::spawn(async move {
                    let mut way = tokio::net::TcpStream::connect(server).await.expect("open");
                    let _ = tokio::io::copy_bidirectional(&mut stream, &mut way).await;
                });
            }
        });
        address
    }

    #[tokio::test]
    async fn a_connection_to_the_name_server_that_breaks_is_made_anew() {
        let hosts = (0..60).map(|at| Rdata::Mx(10, format!("a-mail-server-{at}.example")));
        let records: Vec<_> = hosts.map(|host| ("large.example".to_owned(), host)).collect();
        let server = NameServer::start(([127, 0, 0, 1], 0).into(), &records).expect("a port");
        let settings = config::Dns {
            nameservers: vec![broken(server.address(), 5).await],
            ..server.settings()
        };
        let resolver = HickoryResolver::new(&settings).expect("a resolver");
        let route = resolver.route(&Domain::parse("large.example").expect("a domain")).await;
        assert!(matches!(&route, Ok(Route::Hosts(_))), "{route:?}");
    }

    #[tokio::test]
    async fn a_name_server_that_does_not_answer_takes_its_time_once() {
        let silent = std::net::UdpSocket::bind("127.0.0.1:0").expect("a port");
        let settings = config::Dns {
            nameservers: vec![silent.local_addr().expect("bound")],
            timeout: "8s".parse().expect("a duration"),
            ..config::Dns::default()
        };
        let resolver = HickoryResolver::new(&settings).expect("a resolver");
        let begun = std::time::Instant::now();
        let domain = Domain::parse("slow.example").expect("a domain");
        assert!(resolver.route(&domain).await.is_err());
        assert!(begun.elapsed() < settings.timeout.0 * 2, "{:?}", begun.elapsed());
    }
}
