//! Who a mail server must prove to be, and whether its certificates do. They are looked at once the
//! handshake has come about and before a word of mail is said, so that what is wrong with them can be told.

use super::{dane, of_certificate};
use crate::mail::{Timestamp, Tlsa};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, Error, RootCertStore};
use std::time::Duration;

/// Who a mail server must prove to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Demand {
    /// Nobody (RFC 7435).
    Nobody,
    /// One of these names, by the word of an authority that the system knows (RFC 5280, RFC 6125).
    Named(Vec<String>),
    /// Whom these TLSA records mean; an authority among them vouches for one of the names (RFC 7672).
    Dane(Vec<Tlsa>, Vec<String>),
}

/// What is wrong with a server's certificates.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CertificateFault {
    /// There are none.
    #[error("the server showed no certificate")]
    Missing,
    /// One has expired, or is not valid yet.
    #[error("a certificate has expired or is not valid yet: {0}")]
    Expired(String),
    /// It is somebody else's.
    #[error("the certificate is not for {0}")]
    Name(String),
    /// No known authority vouches for it.
    #[error("no known authority vouches for the certificate: {0}")]
    Untrusted(String),
    /// It is none of those that DNS names.
    #[error("no TLSA record matches the certificates")]
    Tlsa,
    /// It may not be used so, or cannot be read.
    #[error("the certificate cannot be used: {0}")]
    Unfit(String),
}

/// Holds certificates, the server's own first, against a demand.
pub(super) fn check(
    chain: &[CertificateDer<'_>],
    demand: &Demand,
    roots: &RootCertStore,
    now: Timestamp,
) -> Result<(), CertificateFault> {
    let now = UnixTime::since_unix_epoch(Duration::from_millis(now.0));
    match demand {
        Demand::Nobody => Ok(()),
        Demand::Dane(records, names) => dane::check(chain, records, names, now),
        Demand::Named(names) => {
            let (end, above) = chain.split_first().ok_or(CertificateFault::Missing)?;
            signed_by(&read(end)?, roots, above, names, now)
        }
    }
}

pub(super) fn read<'a>(
    certificate: &'a CertificateDer<'_>,
) -> Result<ParsedCertificate<'a>, CertificateFault> {
    ParsedCertificate::try_from(certificate).map_err(|fault| told(&fault))
}

/// Whether one of the roots vouches for a certificate, for use by a server, under one of the names.
pub(super) fn signed_by(
    certificate: &ParsedCertificate<'_>,
    roots: &RootCertStore,
    above: &[CertificateDer<'_>],
    names: &[String],
    now: UnixTime,
) -> Result<(), CertificateFault> {
    let algorithms = ring::default_provider().signature_verification_algorithms.all;
    verify_server_cert_signed_by_trust_anchor(certificate, roots, above, now, algorithms)
        .map_err(|fault| told(&fault))?;
    let is_for = |name: &String| {
        let name = ServerName::try_from(name.trim_end_matches('.').to_owned());
        name.is_ok_and(|name| verify_server_name(certificate, &name).is_ok())
    };
    if names.iter().any(is_for) {
        return Ok(());
    }
    Err(CertificateFault::Name(names.join(" or ")))
}

fn told(fault: &Error) -> CertificateFault {
    let Error::InvalidCertificate(what) = fault else {
        return CertificateFault::Unfit(fault.to_string());
    };
    match what {
        CertificateError::Expired
        | CertificateError::ExpiredContext { .. }
        | CertificateError::NotValidYet
        | CertificateError::NotValidYetContext { .. } => {
            CertificateFault::Expired(of_certificate(what))
        }
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            CertificateFault::Untrusted(of_certificate(what))
        }
        what => CertificateFault::Unfit(of_certificate(what)),
    }
}
