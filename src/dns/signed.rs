//! Validation against a root that is signed for the test: what is proven, what is not signed, and what is
//! forged.

use super::{DnsFault, HickoryResolver, MailHost, Resolver, Route};
use crate::config::{self, Span};
use crate::mail::{Domain, Tlsa};
use hickory_resolver::proto::dnssec::crypto::EcdsaSigningKey;
use hickory_resolver::proto::dnssec::rdata::{DNSKEY, DNSSECRData, NSEC, RRSIG, SigInput};
use hickory_resolver::proto::dnssec::{Algorithm, DnssecSigner, PublicKey, SigningKey, TBS};
use hickory_resolver::proto::op::{Message, OpCode, ResponseCode};
use hickory_resolver::proto::rr::rdata::{A, CNAME, MX, NS, SOA, TLSA};
use hickory_resolver::proto::rr::{DNSClass, Name, RData, Record, RecordType, SerialNumber};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::net::UdpSocket;

const TTL: u32 = 60;

fn name(text: &str) -> Name {
    let mut name = Name::from_ascii(text).expect("a name");
    name.set_fqdn(true);
    name
}

/// A root zone that holds everything, signed by one key.
struct Root {
    records: Vec<Record>,
    /// The top of a part that is delegated and not signed.
    unsigned: Name,
    /// The owner whose signatures are wrong.
    forged: Name,
    signer: DnssecSigner,
}

impl Root {
    fn new(records: &[(&str, RData)]) -> (Self, String) {
        let algorithm = Algorithm::ECDSAP256SHA256;
        let private = EcdsaSigningKey::generate_pkcs8(algorithm).expect("a key");
        let key = EcdsaSigningKey::from_pkcs8(&private, algorithm).expect("a key");
        let public = key.to_public_key().expect("its public half");
        let anchor = data_encoding::BASE64.encode(public.public_bytes());
        let dnskey = DNSKEY::new(true, true, false, public);
        let (origin, long) = (Name::root(), Duration::from_secs(86_400));
        let signer = DnssecSigner::new(dnskey.clone(), Box::new(key), origin.clone(), long);
        let soa = SOA::new(Name::root(), Name::root(), 1, TTL as i32, 60, 60, TTL);
        let mut all = vec![
            Record::from_rdata(origin.clone(), TTL, RData::SOA(soa)),
            Record::from_rdata(origin.clone(), TTL, RData::NS(NS(name("ns.example")))),
            Record::from_rdata(origin, TTL, RData::DNSSEC(DNSSECRData::DNSKEY(dnskey))),
        ];
        let more = records.iter().map(|(owner, data)| (name(owner), data.clone()));
        all.extend(more.map(|(owner, data)| Record::from_rdata(owner, TTL, data)));
        let (unsigned, forged) = (name("plain.example"), name("forged.example"));
        (
            Self { records: all, unsigned, forged, signer },
            format!(". IN DNSKEY 257 3 13 {anchor}\n"),
        )
    }

    fn set(&self, owner: &Name, kind: RecordType) -> Vec<Record> {
        let of = |record: &&Record| record.name == *owner && record.record_type() == kind;
        self.records.iter().filter(of).cloned().collect()
    }

    /// A set of records with its signature.
    fn signed(&self, set: Vec<Record>) -> Vec<Record> {
        let Some(first) = set.first() else { return set };
        let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_secs();
        let at = |seconds: u64| SerialNumber::new(u32::try_from(seconds).expect("before 2106"));
        let input = SigInput {
            type_covered: first.record_type(),
            algorithm: self.signer.key().algorithm(),
            num_labels: first.name.num_labels(),
            original_ttl: TTL,
            sig_expiration: at(now + 3600),
            sig_inception: at(now - 3600),
            key_tag: self.signer.calculate_key_tag().expect("a tag"),
            signer_name: Name::root(),
        };
        let tbs = TBS::from_input(&first.name, DNSClass::IN, &input, set.iter()).expect("bytes");
        let mut signature = self.signer.sign(&tbs).expect("a signature");
        if first.name == self.forged {
            signature[10] ^= 1;
        }
        let data = DNSSECRData::RRSIG(RRSIG::from_sig(input, signature));
        let owner = first.name.clone();
        let signature = Record::from_rdata(owner, TTL, RData::DNSSEC(data));
        set.into_iter().chain([signature]).collect()
    }

    /// The NSEC at the last owner that is not after `asked`.
    fn denial(&self, asked: &Name) -> Vec<Record> {
        let is_ours = |owner: &&Name| !self.unsigned.zone_of(owner) || **owner == self.unsigned;
        let mut owners: Vec<&Name> =
            self.records.iter().map(|record| &record.name).filter(is_ours).collect();
        owners.sort();
        owners.dedup();
        let at = owners.iter().rposition(|owner| *owner <= asked).expect("the root is first");
        let (owner, next) = (owners[at], owners.get(at + 1).copied().unwrap_or(owners[0]));
        let here = self.records.iter().filter(|record| record.name == *owner);
        let kinds = here.map(Record::record_type);
        let kinds: Vec<_> = match *owner == self.unsigned {
            true => vec![RecordType::NS],
            false => kinds.collect(),
        };
        let nsec = DNSSECRData::NSEC(NSEC::new_cover_self(next.clone(), kinds));
        self.signed(vec![Record::from_rdata(owner.clone(), TTL, RData::DNSSEC(nsec))])
    }

    fn answer(&self, query: &[u8]) -> Vec<u8> {
        let query = Message::from_vec(query).expect("a query");
        let mut reply = Message::response(query.metadata.id, OpCode::Query);
        reply.metadata.recursion_available = true;
        let asked = query.queries.first().expect("a question").clone();
        let (owner, kind) = (asked.name().to_lowercase(), asked.query_type());
        reply.add_query(asked);
        let set = self.set(&owner, kind);
        let alias = self.set(&owner, RecordType::CNAME);
        let is_signed =
            !self.unsigned.zone_of(&owner) || owner == self.unsigned && kind == RecordType::DS;
        let alias = if kind == RecordType::CNAME { Vec::new() } else { alias };
        for set in [set, alias].into_iter().filter(|set| !set.is_empty()) {
            let at_cut = kind == RecordType::NS && owner == self.unsigned;
            reply.add_answers(if is_signed && !at_cut { self.signed(set) } else { set });
        }
        if reply.answers.is_empty() && is_signed {
            let known = self.records.iter().any(|record| owner.zone_of(&record.name));
            if !known {
                reply.metadata.response_code = ResponseCode::NXDomain;
            }
            reply.add_authorities(self.signed(self.set(&Name::root(), RecordType::SOA)));
            reply.add_authorities(self.denial(&owner));
            if !known {
                // Nor is there a wildcard below the nearest name that exists.
                let mut near = owner.base_name();
                while !self.records.iter().any(|record| near.zone_of(&record.name)) {
                    near = near.base_name();
                }
                let wildcard = near.prepend_label("*").expect("a name");
                reply.add_authorities(self.denial(&wildcard));
            }
        } else if reply.answers.is_empty() {
            let soa = SOA::new(Name::root(), Name::root(), 1, 60, 60, 60, TTL);
            let top = self.unsigned.clone();
            reply.add_authority(Record::from_rdata(top, TTL, RData::SOA(soa)));
        }
        reply.to_vec().expect("an answer")
    }
}

struct Lab {
    resolver: Arc<HickoryResolver>,
    _folder: tempfile::TempDir,
}

async fn lab(validate: bool) -> Lab {
    let mx = |host: &str| RData::MX(MX::new(10, name(host)));
    let a = || RData::A(A::new(192, 0, 2, 1));
    let tlsa = TLSA::new(3.into(), 1.into(), 1.into(), vec![7; 32]);
    let (root, anchor) = Root::new(&[
        ("example", a()),
        ("ns.example", a()),
        ("dane.example", mx("mx.dane.example")),
        ("mx.dane.example", a()),
        ("_25._tcp.mx.dane.example", RData::TLSA(tlsa)),
        ("alias.example", RData::CNAME(CNAME(name("mx.plain.example")))),
        ("twin.example", RData::CNAME(CNAME(name("mx.dane.example")))),
        ("forged.example", mx("mx.dane.example")),
        ("plain.example", RData::NS(NS(name("ns.example")))),
        ("plain.example", mx("mx.plain.example")),
        ("mx.plain.example", a()),
    ]);
    let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
    let address = socket.local_addr().expect("bound");
    tokio::spawn(async move {
        let mut query = [0; 4096];
        while let Ok((length, from)) = socket.recv_from(&mut query).await {
            let _ = socket.send_to(&root.answer(&query[..length]), from).await;
        }
    });
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("root.key");
    std::fs::write(&file, anchor).expect("written");
    Lab { resolver: resolver(address, validate, file), _folder: folder }
}

fn resolver(address: SocketAddr, validate: bool, anchor: PathBuf) -> Arc<HickoryResolver> {
    let settings = config::Dns {
        nameservers: vec![address],
        validate,
        trust_anchor: Some(anchor),
        // More than a busy machine takes.
        timeout: Span::seconds(30),
        ..config::Dns::default()
    };
    HickoryResolver::new(&settings).expect("a resolver")
}

impl Lab {
    async fn route(&self, domain: &str) -> Result<(Route, bool), DnsFault> {
        let domain = Domain::parse(domain).expect("a domain");
        let route = self.resolver.proven_route(&domain).await?;
        Ok((route.found, route.is_secure))
    }

    async fn addresses(&self, host: &str) -> Result<(usize, bool), DnsFault> {
        let addresses = self.resolver.proven_addresses(host).await?;
        Ok((addresses.found.len(), addresses.is_secure))
    }
}

fn hosts(name: &str, preference: u16) -> Route {
    Route::Hosts(vec![MailHost { preference, name: name.into() }])
}

#[tokio::test]
async fn what_is_signed_from_the_root_down_is_proven() {
    let lab = lab(true).await;
    assert_eq!(lab.route("dane.example").await, Ok((hosts("mx.dane.example", 10), true)));
    // An alias is proven where every link is, whether what it leads to is known already or not.
    for host in ["twin.example", "mx.dane.example", "twin.example"] {
        assert_eq!(lab.addresses(host).await, Ok((1, true)), "{host}");
    }
    let expanded = |host| lab.resolver.expanded(host);
    assert_eq!(expanded("twin.example").await, Ok(Some("mx.dane.example".into())));
    for host in ["mx.dane.example", "uncle.example"] {
        assert_eq!(expanded(host).await, Ok(None), "{host}");
    }
    let tlsa = lab.resolver.tlsa("mx.dane.example", 25).await.expect("an answer");
    let wanted = Tlsa { usage: 3, selector: 1, matching: 1, data: vec![7; 32] };
    assert_eq!((tlsa.found, tlsa.is_secure), (vec![wanted], true));
    // That there is none is no fault.
    let none = lab.resolver.tlsa("mx.dane.example", 26).await.expect("an answer");
    assert!(none.found.is_empty());
    assert_eq!(lab.route("uncle.example").await, Ok((Route::NoSuchDomain, false)));
}

#[tokio::test]
async fn what_is_not_signed_is_found_and_not_proven() {
    let lab = lab(true).await;
    assert_eq!(lab.route("plain.example").await, Ok((hosts("mx.plain.example", 10), false)));
    assert_eq!(lab.addresses("mx.plain.example").await, Ok((1, false)));
    let none = lab.resolver.tlsa("mx.plain.example", 25).await.expect("an answer");
    assert!(none.found.is_empty() && !none.is_secure);
    for host in ["alias.example", "mx.plain.example", "alias.example"] {
        assert_eq!(lab.addresses(host).await, Ok((1, false)), "{host}");
    }
}

#[tokio::test]
async fn what_is_forged_is_no_answer() {
    let fault = lab(true).await.route("forged.example").await.expect_err("it is forged");
    assert!(fault.0.contains("DNSSEC"), "{fault}");
    // Who does not validate, and asks nobody who does, finds it and proves nothing.
    let route = lab(false).await.route("forged.example").await;
    assert_eq!(route, Ok((hosts("mx.dane.example", 10), false)));
}

#[test]
fn a_file_without_a_key_of_the_root_is_no_trust_anchor() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("none.key");
    std::fs::write(&file, "; nothing\n").expect("written");
    for path in [file, folder.path().join("absent.key")] {
        let settings = config::Dns {
            nameservers: vec![([127, 0, 0, 1], 53).into()],
            validate: true,
            trust_anchor: Some(path),
            ..config::Dns::default()
        };
        let fault = HickoryResolver::new(&settings).err().expect("refused").to_string();
        assert!(fault.contains("dns.trust_anchor: ") && fault.contains(".key: "), "{fault}");
    }
}
