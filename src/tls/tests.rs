//! Certificates held against what is demanded: each row is a chain and a demand, and what is said of it.

use super::{CertificateFault, Client, Demand, shown, usable};
use crate::config;
use crate::mail::{Timestamp, Tlsa};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
};
use ring::digest::{SHA256, SHA512, digest};
use rustls::pki_types::CertificateDer;
use std::sync::Arc;

const HOST: &str = "mx.there.example";

/// A moment at which certificates made here are valid.
fn now() -> Timestamp {
    "2026-01-01T00:00:00Z".parse().expect("a moment")
}

fn key() -> KeyPair {
    KeyPair::generate().expect("a key")
}

fn authority(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    params.distinguished_name.push(rcgen::DnType::CommonName, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, key()).expect("an authority")
}

struct Lab {
    client: Arc<Client>,
    authority: CertifiedIssuer<'static, KeyPair>,
    _folder: tempfile::TempDir,
}

impl Lab {
    fn new() -> Self {
        let authority = authority("Lab");
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("authorities.pem");
        std::fs::write(&path, authority.pem()).expect("written");
        let settings = config::Tls { trust_anchors: Some(path), ..config::Tls::default() };
        let client = Client::load(&settings).expect("authorities");
        Self { client, authority, _folder: folder }
    }

    fn issue(&self, names: &[&str]) -> CertificateDer<'static> {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let params = CertificateParams::new(names).expect("names");
        params.signed_by(&key(), &self.authority).expect("a certificate").der().clone()
    }

    fn chain(&self, names: &[&str]) -> Vec<CertificateDer<'static>> {
        vec![self.issue(names), self.authority.der().clone()]
    }

    fn dane(
        &self,
        chain: &[CertificateDer<'static>],
        records: &[Tlsa],
        names: &[&str],
    ) -> Result<(), CertificateFault> {
        let names = names.iter().map(ToString::to_string).collect();
        self.client.check(chain, &Demand::Dane(usable(records), names), now())
    }
}

fn tlsa(usage: u8, selector: u8, matching: u8, certificate: &CertificateDer<'_>) -> Tlsa {
    let read = rustls::server::ParsedCertificate::try_from(certificate).expect("a certificate");
    let key = read.subject_public_key_info();
    let bytes: &[u8] = if selector == 0 { certificate } else { &key };
    let data = match matching {
        1 => digest(&SHA256, bytes).as_ref().to_vec(),
        2 => digest(&SHA512, bytes).as_ref().to_vec(),
        _ => bytes.to_vec(),
    };
    Tlsa { usage, selector, matching, data }
}

#[test]
fn a_certificate_or_key_that_dns_names_is_right_whatever_its_name_and_dates() {
    let lab = Lab::new();
    let mut params = CertificateParams::new(vec!["other.example".into()]).expect("a name");
    params.not_after = rcgen::date_time_ymd(2001, 1, 1);
    let expired = params.self_signed(&key()).expect("a certificate").der().clone();
    let chain = [expired.clone()];
    let wrong = lab.issue(&[HOST]);
    for selector in [0, 1] {
        for matching in [0, 1, 2] {
            let right = tlsa(3, selector, matching, &expired);
            assert_eq!(lab.dane(&chain, &[right], &[HOST]), Ok(()), "3 {selector} {matching}");
            let other = tlsa(3, selector, matching, &wrong);
            let said = lab.dane(&chain, &[other], &[HOST]);
            assert_eq!(said, Err(CertificateFault::Tlsa), "3 {selector} {matching}");
        }
    }
    // Two records while a key is changed: either is right.
    let both = [tlsa(3, 1, 1, &wrong), tlsa(3, 1, 1, &expired)];
    assert_eq!(lab.dane(&chain, &both, &[HOST]), Ok(()));
    // Beside a stronger digest a weaker one does not count.
    let weaker = [tlsa(3, 1, 1, &expired), tlsa(3, 1, 2, &wrong)];
    assert_eq!(lab.dane(&chain, &weaker, &[HOST]), Err(CertificateFault::Tlsa));
}

#[test]
fn an_authority_that_dns_names_vouches_for_a_name_of_the_host_or_the_domain() {
    let lab = Lab::new();
    let chain = lab.chain(&[HOST]);
    for selector in [0, 1] {
        for matching in [0, 1, 2] {
            let right = [tlsa(2, selector, matching, lab.authority.der())];
            let what = format!("2 {selector} {matching}");
            assert_eq!(lab.dane(&chain, &right, &[HOST]), Ok(()), "{what}");
            assert_eq!(lab.dane(&chain, &right, &["there.example", HOST]), Ok(()), "{what}");
            let said = lab.dane(&chain, &right, &["there.example"]);
            assert_eq!(said, Err(CertificateFault::Name("there.example".into())), "{what}");
            let other = authority("Other");
            let wrong = [tlsa(2, selector, matching, other.der())];
            assert!(lab.dane(&chain, &wrong, &[HOST]).is_err(), "{what}");
        }
    }
    // A whole certificate need not be shown by the server as well; a digest says nothing of what is not.
    let alone = &chain[..1];
    assert_eq!(lab.dane(alone, &[tlsa(2, 0, 0, lab.authority.der())], &[HOST]), Ok(()));
    let said = lab.dane(alone, &[tlsa(2, 0, 1, lab.authority.der())], &[HOST]);
    assert_eq!(said, Err(CertificateFault::Tlsa));
}

#[test]
fn an_authority_that_dns_names_must_be_valid_and_have_signed() {
    let lab = Lab::new();
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.not_after = rcgen::date_time_ymd(2020, 1, 1);
    let old = CertifiedIssuer::self_signed(params, key()).expect("an authority");
    let params = CertificateParams::new(vec![HOST.to_owned()]).expect("a name");
    let end = params.signed_by(&key(), &old).expect("a certificate").der().clone();
    let said = lab.dane(&[end, old.der().clone()], &[tlsa(2, 0, 1, old.der())], &[HOST]);
    assert!(matches!(said, Err(CertificateFault::Expired(_))), "{said:?}");
    // An authority that is shown and has not signed what it is shown with.
    let other = authority("Other");
    let chain = [lab.issue(&[HOST]), other.der().clone()];
    let said = lab.dane(&chain, &[tlsa(2, 0, 1, other.der())], &[HOST]);
    assert!(matches!(said, Err(CertificateFault::Untrusted(_))), "{said:?}");
}

#[test]
fn records_that_mean_nothing_for_mail_are_left_out() {
    let certificate = Lab::new().issue(&[HOST]);
    let right = tlsa(3, 1, 1, &certificate);
    for (what, wrong) in [
        ("a public authority's usage", Tlsa { usage: 0, ..right.clone() }),
        ("a public certificate's usage", Tlsa { usage: 1, ..right.clone() }),
        ("an unknown usage", Tlsa { usage: 255, ..right.clone() }),
        ("an unknown selector", Tlsa { selector: 2, ..right.clone() }),
        ("an unknown digest", Tlsa { matching: 3, ..right.clone() }),
        ("a digest too short", Tlsa { data: vec![1; 31], ..right.clone() }),
        ("a digest of another length", Tlsa { matching: 2, ..right.clone() }),
        ("nothing", Tlsa { matching: 0, data: Vec::new(), ..right.clone() }),
    ] {
        assert_eq!(usable(std::slice::from_ref(&wrong)), [], "{what}");
        let both = [wrong, right.clone()];
        assert_eq!(usable(&both), both[1..], "{what}");
    }
}

#[test]
fn a_known_authority_vouches_for_the_name_that_is_asked() {
    let lab = Lab::new();
    let said = |chain: &[CertificateDer<'static>], name: &str| {
        lab.client.check(chain, &Demand::Named(vec![name.into()]), now())
    };
    assert_eq!(said(&lab.chain(&[HOST]), HOST), Ok(()));
    assert_eq!(said(&lab.chain(&["*.there.example"]), HOST), Ok(()));
    let wrong = said(&lab.chain(&["*.example"]), HOST);
    assert_eq!(wrong, Err(CertificateFault::Name(HOST.into())));
    assert_eq!(said(&[], HOST), Err(CertificateFault::Missing));
    let late = Timestamp(u64::from(u32::MAX) * 2000);
    let demand = Demand::Named(vec![HOST.into()]);
    let mut params = CertificateParams::new(vec![HOST.to_owned()]).expect("a name");
    params.not_after = rcgen::date_time_ymd(2027, 1, 1);
    let ends = params.signed_by(&key(), &lab.authority).expect("a certificate").der().clone();
    assert_eq!(lab.client.check(std::slice::from_ref(&ends), &demand, now()), Ok(()));
    let said = lab.client.check(&[ends], &demand, late);
    assert!(matches!(said, Err(CertificateFault::Expired(_))), "{said:?}");
}

#[test]
fn a_certificate_is_shown_as_a_person_reads_it() {
    let lab = Lab::new();
    let mut params = CertificateParams::new(vec![HOST.to_owned()]).expect("a name");
    params.not_before = rcgen::date_time_ymd(2025, 2, 3);
    params.not_after = rcgen::date_time_ymd(2027, 4, 5);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.distinguished_name.push(rcgen::DnType::OrganizationName, "Evil\u{1b}[2J");
    let made = params.signed_by(&key(), &lab.authority).expect("a certificate");
    let shown = shown(made.der()).expect("a certificate");
    assert_eq!(shown.names, [HOST]);
    assert!(shown.subject.contains("Evil?[2J"), "{shown:?}");
    assert!(shown.issuer.contains("CN=Lab"), "{shown:?}");
    assert_eq!((&*shown.from, &*shown.until), ("2025-02-03T00:00:00Z", "2027-04-05T00:00:00Z"));
    let record = tlsa(3, 1, 1, made.der());
    assert_eq!(shown.key_sha256, data_encoding::HEXLOWER.encode(&record.data));
    assert_eq!(super::shown(&CertificateDer::from(vec![1, 2, 3])), None);
}

#[test]
fn authorities_that_cannot_be_read_are_told_with_their_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let none = folder.path().join("none.pem");
    std::fs::write(&none, "nothing\n").expect("written");
    for path in [none, folder.path().join("absent.pem")] {
        let settings = config::Tls { trust_anchors: Some(path), ..config::Tls::default() };
        let fault = Client::load(&settings).err().expect("refused").to_string();
        assert!(fault.contains(".pem: "), "{fault}");
    }
}
