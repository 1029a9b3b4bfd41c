//! What a login may be bound to: something of this TLS connection that no other has (RFC 9266), or the
//! digest of our certificate (RFC 5929 §4).

use ring::digest::{self, Algorithm, SHA256, SHA384, SHA512};
use rustls::{ProtocolVersion, ServerConnection};
use std::sync::Arc;

/// Octets of the exporter's binding (RFC 9266 §2).
const EXPORTED: usize = 32;

/// The bindings of a connection.
#[derive(Debug, Clone, Default)]
pub struct Bindings {
    /// `tls-exporter`. Only of TLS 1.3: what 1.2 exports is unique only with the extended master
    /// secret (RFC 7627), and whether that was agreed is not told to us.
    pub exporter: Option<[u8; EXPORTED]>,
    /// `tls-server-end-point`.
    pub end_point: Option<Arc<[u8]>>,
}

impl Bindings {
    /// Those of a connection whose handshake is complete.
    pub(super) fn of(connection: &ServerConnection, end_point: Option<Arc<[u8]>>) -> Self {
        let modern = connection.protocol_version() == Some(ProtocolVersion::TLSv1_3);
        let export = || {
            let label = b"EXPORTER-Channel-Binding";
            connection.export_keying_material([0; EXPORTED], label, Some(b"")).ok()
        };
        Self { exporter: modern.then(export).flatten(), end_point }
    }
}

/// The digest of a certificate by the hash that its own signature uses; MD5 and SHA-1 give way to
/// SHA-256. `None` where the signature names no one hash (Ed25519): no binding is defined then.
pub(super) fn end_point(certificate: &[u8]) -> Option<Arc<[u8]>> {
    let algorithm = hash(certificate)?;
    Some(digest::digest(algorithm, certificate).as_ref().into())
}

/// Certificate ::= SEQUENCE { tbsCertificate, signatureAlgorithm SEQUENCE { OBJECT IDENTIFIER, … }, … }
fn hash(certificate: &[u8]) -> Option<&'static Algorithm> {
    const SEQUENCE: u8 = 0x30;
    const OBJECT: u8 = 0x06;
    const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01];
    const ECDSA: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04];
    let (whole, _) = element(SEQUENCE, certificate)?;
    let (_, rest) = element(SEQUENCE, whole)?;
    let (algorithm, _) = element(SEQUENCE, rest)?;
    let (object, _) = element(OBJECT, algorithm)?;
    match (object.strip_prefix(RSA), object.strip_prefix(ECDSA)) {
        (Some([4 | 5 | 11]), _) | (_, Some([1] | [3, 2])) => Some(&SHA256),
        (Some([12]), _) | (_, Some([3, 3])) => Some(&SHA384),
        (Some([13]), _) | (_, Some([3, 4])) => Some(&SHA512),
        _ => None,
    }
}

/// The content of the first element of some DER, which must have this tag, and what follows it.
fn element(tag: u8, der: &[u8]) -> Option<(&[u8], &[u8])> {
    let (first, rest) = der.split_first()?;
    let (&short, mut rest) = rest.split_first()?;
    let mut length = usize::from(short);
    if short & 0x80 != 0 {
        let octets = usize::from(short & 0x7f);
        let (long, after) = rest.split_at_checked(octets).filter(|_| (1..=4).contains(&octets))?;
        length = long.iter().fold(0, |length, octet| length << 8 | usize::from(*octet));
        rest = after;
    }
    (*first == tag).then(|| rest.split_at_checked(length)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair, SignatureAlgorithm};

    fn made(algorithm: &'static SignatureAlgorithm) -> Vec<u8> {
        let key = KeyPair::generate_for(algorithm).expect("a key");
        let parameters = CertificateParams::new(vec!["a.example".into()]).expect("parameters");
        parameters.self_signed(&key).expect("a certificate").der().to_vec()
    }

    #[test]
    fn a_certificate_is_hashed_as_its_signature_is() {
        let digests = [
            (made(&rcgen::PKCS_ECDSA_P256_SHA256), Some(&SHA256)),
            (made(&rcgen::PKCS_ECDSA_P384_SHA384), Some(&SHA384)),
            (made(&rcgen::PKCS_ED25519), None),
        ];
        for (certificate, expected) in digests {
            let expected = expected.map(|hash| digest::digest(hash, &certificate));
            let found = end_point(&certificate);
            assert_eq!(found.as_deref(), expected.as_ref().map(AsRef::as_ref));
            for cut in 0..certificate.len().min(600) {
                let _ = end_point(&certificate[..cut]);
            }
        }
        assert!(end_point(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff, 0x30]).is_none());
    }
}
