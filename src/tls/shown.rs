//! What a certificate says, for people.

use crate::mail::Timestamp;
use rustls::pki_types::CertificateDer;
use serde::Serialize;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::time::ASN1Time;

/// Most names of a certificate that are told.
const NAMES_MAX: usize = 20;
/// Longest name of a certificate that is told, in characters.
const NAME_MAX: usize = 200;

/// A certificate as a person reads it. Its words are its owner's: they hold no control characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Shown {
    /// Whose it is.
    pub subject: String,
    /// Who made it.
    pub issuer: String,
    /// The names that it is for, as far as they are told.
    pub names: Vec<String>,
    /// From when on it is valid.
    pub from: String,
    /// Until when it is valid.
    pub until: String,
    /// SHA-256 of the whole, in hexadecimal.
    pub sha256: String,
    /// SHA-256 of its public key, in hexadecimal: what a TLSA record `3 1 1` holds.
    pub key_sha256: String,
}

/// Reads a certificate; `None` where it is none.
#[must_use]
pub fn shown(certificate: &CertificateDer<'_>) -> Option<Shown> {
    let (_, read) = X509Certificate::from_der(certificate).ok()?;
    let names = read.subject_alternative_name().ok().flatten();
    let names = names.map(|found| found.value.general_names.as_slice()).unwrap_or_default();
    let names = names.iter().filter_map(|name| match name {
        GeneralName::DNSName(name) => Some(plain(name)),
        GeneralName::IPAddress(bytes) => Some(plain(&address(bytes))),
        _ => None,
    });
    let digest = |bytes: &[u8]| {
        let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
        data_encoding::HEXLOWER.encode(digest.as_ref())
    };
    Some(Shown {
        subject: plain(&read.subject().to_string()),
        issuer: plain(&read.issuer().to_string()),
        names: names.take(NAMES_MAX).collect(),
        from: moment(read.validity().not_before),
        until: moment(read.validity().not_after),
        sha256: digest(certificate),
        key_sha256: digest(read.public_key().raw),
    })
}

fn moment(at: ASN1Time) -> String {
    let millis = u64::try_from(at.timestamp()).unwrap_or(0).saturating_mul(1000);
    Timestamp(millis).to_string()
}

fn address(bytes: &[u8]) -> String {
    let four = <[u8; 4]>::try_from(bytes).map(|bytes| std::net::IpAddr::from(bytes).to_string());
    let six = <[u8; 16]>::try_from(bytes).map(|bytes| std::net::IpAddr::from(bytes).to_string());
    four.or(six).unwrap_or_default()
}

fn plain(text: &str) -> String {
    let plain = text.chars().map(|c| if c.is_control() { '?' } else { c });
    plain.take(NAME_MAX).collect()
}
