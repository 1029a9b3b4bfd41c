//! DANE for mail (RFC 7672): certificates held against the TLSA records of their host.

use super::verify::{CertificateFault, read, signed_by};
use crate::mail::Tlsa;
use ring::digest::{SHA256, SHA512, digest};
use rustls::RootCertStore;
use rustls::pki_types::{CertificateDer, UnixTime};
use rustls::server::ParsedCertificate;
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::time::ASN1Time;

/// An authority that the host names itself.
const AUTHORITY: u8 = 2;
/// The host's own certificate or key.
const SELF: u8 = 3;

/// The records that mean something for mail: those of usages 2 and 3 (RFC 7672 §3.1.3 leaves the public
/// authorities of 0 and 1 out), whose selector and matching type are known and whose digest is as long as
/// such a digest is. A host with records and none of these is
/// spoken to over TLS and authenticated by nothing.
#[must_use]
pub fn usable(records: &[Tlsa]) -> Vec<Tlsa> {
    let is_usable = |record: &&Tlsa| {
        let length = record.data.len();
        let fits = match record.matching {
            0 => length > 0,
            1 => length == 32,
            2 => length == 64,
            _ => false,
        };
        fits && matches!(record.usage, AUTHORITY | SELF) && record.selector <= 1
    };
    records.iter().filter(is_usable).cloned().collect()
}

/// Whether a chain is what the usable records say. `names` are the host's, and of the domain that mail
/// goes to: an authority vouches for one of them, while a record of the host itself needs no name and
/// no dates (RFC 7672 §3.1.1).
pub(super) fn check(
    chain: &[CertificateDer<'_>],
    records: &[Tlsa],
    names: &[String],
    now: UnixTime,
) -> Result<(), CertificateFault> {
    let (end, above) = chain.split_first().ok_or(CertificateFault::Missing)?;
    let records: Vec<&Tlsa> =
        records.iter().filter(|record| is_strongest(record, records)).collect();
    let certificate = read(end)?;
    let of = |usage: u8| records.iter().filter(move |record| record.usage == usage);
    if of(SELF).any(|record| matches(record, end, &certificate)) {
        return Ok(());
    }
    let mut last = CertificateFault::Tlsa;
    for record in of(AUTHORITY) {
        for authority in authorities(record, chain) {
            let fault = match vouches(&authority, &certificate, above, names, now) {
                Ok(()) => return Ok(()),
                Err(fault) => fault,
            };
            if last == CertificateFault::Tlsa {
                last = fault;
            }
        }
    }
    Err(last)
}

/// Whether no record beside it says the same by a stronger digest, which then alone counts (RFC 7671 §9).
fn is_strongest(record: &Tlsa, all: &[Tlsa]) -> bool {
    let is_stronger = |other: &Tlsa| {
        (other.usage, other.selector) == (record.usage, record.selector)
            && other.matching > record.matching
    };
    record.matching == 0 || !all.iter().any(is_stronger)
}

/// The certificates of a chain that a record means, and the one that it holds itself.
fn authorities<'a>(record: &'a Tlsa, chain: &'a [CertificateDer<'a>]) -> Vec<CertificateDer<'a>> {
    let is_meant =
        |found: &&CertificateDer<'_>| read(found).is_ok_and(|read| matches(record, found, &read));
    let mut found: Vec<_> = chain.iter().filter(is_meant).cloned().collect();
    if found.is_empty() && (record.selector, record.matching) == (0, 0) {
        found.push(CertificateDer::from(record.data.as_slice()));
    }
    found
}

/// Whether an authority, valid itself, vouches for the certificate under one of the names.
fn vouches(
    authority: &CertificateDer<'_>,
    certificate: &ParsedCertificate<'_>,
    above: &[CertificateDer<'_>],
    names: &[String],
    now: UnixTime,
) -> Result<(), CertificateFault> {
    let mut roots = RootCertStore::empty();
    let unfit = |why: String| CertificateFault::Unfit(format!("its authority: {why}"));
    roots.add(authority.clone()).map_err(|fault| unfit(fault.to_string()))?;
    let seconds = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    let now_there = ASN1Time::from_timestamp(seconds).map_err(|fault| unfit(fault.to_string()))?;
    let (_, read) =
        X509Certificate::from_der(authority).map_err(|fault| unfit(fault.to_string()))?;
    if !read.validity().is_valid_at(now_there) {
        return Err(CertificateFault::Expired("that of its authority".into()));
    }
    signed_by(certificate, &roots, above, names, now)
}

fn matches(record: &Tlsa, whole: &CertificateDer<'_>, read: &ParsedCertificate<'_>) -> bool {
    let key = read.subject_public_key_info();
    let bytes: &[u8] = if record.selector == 0 { whole } else { &key };
    match record.matching {
        0 => bytes == record.data,
        1 => digest(&SHA256, bytes).as_ref() == record.data,
        2 => digest(&SHA512, bytes).as_ref() == record.data,
        _ => false,
    }
}
