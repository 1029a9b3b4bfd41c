//! Authorities and certificates for mail and web servers, good ones and bad ones of every kind.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, KeyPair, NameConstraints, SanType, date_time_ymd,
};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;

type Issuer = CertifiedIssuer<'static, KeyPair>;

/// An authority.
pub struct Authority(Issuer);

/// A server's certificates and key.
pub struct Identity {
    pub chain: Vec<CertificateDer<'static>>,
    key: Vec<u8>,
}

fn key() -> KeyPair {
    KeyPair::generate().expect("a key")
}

fn params(names: &[&str]) -> CertificateParams {
    let names: Vec<String> = names.iter().map(ToString::to_string).collect();
    CertificateParams::new(names).expect("names")
}

fn authority_params(name: &str, constraint: BasicConstraints) -> CertificateParams {
    let mut params = params(&[]);
    params.distinguished_name.push(DnType::CommonName, name);
    params.is_ca = IsCa::Ca(constraint);
    params.key_usages = vec![rcgen::KeyUsagePurpose::KeyCertSign, rcgen::KeyUsagePurpose::CrlSign];
    params
}

fn signed(params: &CertificateParams, by: &Issuer, above: &[&Issuer]) -> Identity {
    let key = key();
    let made = params.signed_by(&key, by).expect("a certificate");
    let above = above.iter().map(|issuer| issuer.der().clone());
    let chain = std::iter::once(made.der().clone()).chain(above).collect();
    Identity { chain, key: key.serialize_der() }
}

fn pem(label: &str, bytes: &[u8]) -> String {
    let mut text = format!("-----BEGIN {label}-----\n");
    for line in data_encoding::BASE64.encode(bytes).as_bytes().chunks(64) {
        text.push_str(&String::from_utf8_lossy(line));
        text.push('\n');
    }
    text + &format!("-----END {label}-----\n")
}

impl Identity {
    /// The certificates and the key, as files hold them.
    pub fn pem(&self) -> (String, String) {
        let chain = self.chain.iter().map(|one| pem("CERTIFICATE", one)).collect();
        (chain, pem("PRIVATE KEY", &self.key))
    }

    pub fn acceptor(&self) -> TlsAcceptor {
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(self.key.clone()));
        let provider = Arc::new(ring::default_provider());
        let key = provider.key_provider.load_private_key(key).expect("a key");
        let pair = CertifiedKey::new(self.chain.clone(), key);
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_cert_resolver(Arc::new(SingleCertAndKey::from(pair)));
        TlsAcceptor::from(Arc::new(config))
    }
}

impl Authority {
    pub fn new(name: &str) -> Self {
        let params = authority_params(name, BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, key()).expect("an authority"))
    }

    pub fn pem(&self) -> String {
        self.0.pem()
    }

    /// A good certificate, behind which the authority's own is shown.
    pub fn issue(&self, names: &[&str]) -> Identity {
        signed(&params(names), &self.0, &[&self.0])
    }

    /// One as an authority on the web gives it: for servers, from a little while ago on, for so many days.
    pub fn issue_for_days(&self, names: &[&str], days: u64) -> Identity {
        let hours = |count: u64| std::time::Duration::from_secs(count * 3600);
        let begin = std::time::SystemTime::now() - hours(1);
        let mut params = params(names);
        params.not_before = begin.into();
        params.not_after = (begin + hours(24 * days)).into();
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![rcgen::KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let uris = vec!["http://crl.authority.example/1.crl".to_owned()];
        params.crl_distribution_points = vec![rcgen::CrlDistributionPoint { uris }];
        signed(&params, &self.0, &[&self.0])
    }

    fn below(&self, params: CertificateParams) -> Issuer {
        CertifiedIssuer::signed_by(params, key(), &self.0).expect("an authority")
    }

    /// Certificates that a mail server of this name might show, none of which is in order: what is wrong
    /// with each, and a word of how that is told.
    pub fn bad(&self, host: &str) -> Vec<(&'static str, Identity, &'static str)> {
        let mut rows = Vec::new();
        let good = || params(&[host]);
        let direct = |params: &CertificateParams| signed(params, &self.0, &[]);

        let mut expired = good();
        expired.not_before = date_time_ymd(2000, 1, 1);
        expired.not_after = date_time_ymd(2001, 1, 1);
        rows.push(("expired", direct(&expired), "expired"));

        let mut early = good();
        early.not_before = date_time_ymd(2190, 1, 1);
        early.not_after = date_time_ymd(2191, 1, 1);
        rows.push(("not valid yet", direct(&early), "not valid yet"));

        rows.push(("of another name", direct(&params(&["mx.other.example"])), "is not for"));

        let own = key();
        let made = good().self_signed(&own).expect("a certificate");
        let alone = Identity { chain: vec![made.der().clone()], key: own.serialize_der() };
        rows.push(("self-signed", alone, "authority"));

        let unknown = Self::new("Unknown");
        rows.push(("by an unknown authority", unknown.issue(&[host]), "authority"));

        let leaf = self.below(params(&["mx.customer.example"]));
        rows.push(("by another's certificate", signed(&good(), &leaf, &[&leaf]), "cannot be used"));

        let short = self.below(authority_params("Short", BasicConstraints::Constrained(0)));
        let longer = authority_params("Longer", BasicConstraints::Unconstrained);
        let longer = CertifiedIssuer::signed_by(longer, key(), &short).expect("an authority");
        let chain = signed(&good(), &longer, &[&longer, &short]);
        rows.push(("behind too many authorities", chain, "cannot be used"));

        let mut client = good();
        client.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        rows.push(("for clients alone", direct(&client), "cannot be used"));

        let mut common = params(&[]);
        common.distinguished_name.push(DnType::CommonName, host);
        rows.push(("with its name as a subject alone", direct(&common), "is not for"));

        rows.push(("for names one level higher", direct(&params(&["*.example"])), "is not for"));

        let mut old = authority_params("Old", BasicConstraints::Unconstrained);
        old.not_after = date_time_ymd(2001, 1, 1);
        let old = self.below(old);
        rows.push(("by an authority that has expired", signed(&good(), &old, &[&old]), "expired"));

        let between = self.below(authority_params("Between", BasicConstraints::Unconstrained));
        rows.push(("without the one between", signed(&good(), &between, &[]), "authority"));

        let mut bound = authority_params("Bound", BasicConstraints::Unconstrained);
        let permitted_subtrees = vec![GeneralSubtree::DnsName("elsewhere.example".into())];
        let constraints = NameConstraints { permitted_subtrees, excluded_subtrees: Vec::new() };
        bound.name_constraints = Some(constraints);
        let bound = self.below(bound);
        let chain = signed(&good(), &bound, &[&bound]);
        rows.push(("by an authority for other names", chain, "cannot be used"));

        let mut numbered = params(&[]);
        numbered.subject_alt_names = vec![SanType::IpAddress([127, 0, 1, 1].into())];
        rows.push(("for an address", direct(&numbered), "is not for"));

        let mut proud = good();
        proud.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        rows.push(("an authority's own", direct(&proud), "cannot be used"));

        let mut forged = direct(&good());
        let mut bytes = forged.chain[0].to_vec();
        *bytes.last_mut().expect("a signature") ^= 1;
        forged.chain[0] = bytes.into();
        rows.push(("with an altered signature", forged, "authority"));
        rows
    }
}
