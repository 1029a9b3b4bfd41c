//! DKIM (RFC 6376, RFC 8463): every key of the sending domain signs the copy as it leaves.

use crate::accounts::{DkimAlgorithm, DkimKey, SendingDomain};
use crate::mail::header;
use mail_auth::common::crypto::{Ed25519Key, RsaKey, Sha256, SigningKey};
use mail_auth::common::headers::HeaderWriter;
use mail_auth::dkim::{Canonicalization, DkimSigner};
use rustls::pki_types::PrivateKeyDer;

/// The fields that are signed where they are present.
const SIGNED: [&str; 13] = [
    "From",
    "To",
    "Cc",
    "Subject",
    "Date",
    "Message-ID",
    "Reply-To",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
    "Feedback-ID",
];

/// The signatures of `message` as header fields; `message` is the same afterwards as before.
///
/// # Errors
/// A key that does not sign, in words.
pub(super) fn signatures(domain: &SendingDomain, message: &mut Vec<u8>) -> Result<String, String> {
    // The library hashes a body wrongly that ends in lines of blanks: relaxed canonicalization drops
    // them (RFC 6376 §3.4.4), so what is signed is cut to one CRLF, and restored.
    let start = header::body_start(message);
    let blank = |b: &u8| matches!(b, b' ' | b'\t' | b'\r' | b'\n');
    let body = &message[start..];
    let length = body.iter().rposition(|b| !blank(b)).map_or(0, |at| at + 1);
    let tail = message.split_off(start + length);
    if length > 0 {
        message.extend_from_slice(b"\r\n");
    }
    let mut fields = String::new();
    let mut fault = None;
    for key in &domain.keys {
        match signature(domain.name.as_str(), key, message) {
            Ok(field) => fields.push_str(&field),
            Err(why) => fault = Some(format!("DKIM key {}: {why}", key.selector)),
        }
    }
    message.truncate(start + length);
    message.extend_from_slice(&tail);
    fault.map_or(Ok(fields), Err)
}

fn signature(domain: &str, key: &DkimKey, message: &[u8]) -> Result<String, String> {
    match key.algorithm {
        DkimAlgorithm::Rsa => {
            let private =
                RsaKey::<Sha256>::from_key_der(PrivateKeyDer::Pkcs8(key.private.clone().into()));
            field(private.map_err(|f| f.to_string())?, domain, key, message)
        }
        DkimAlgorithm::Ed25519 => {
            let private = Ed25519Key::from_pkcs8_der(&key.private);
            field(private.map_err(|f| f.to_string())?, domain, key, message)
        }
    }
}

fn field<K: SigningKey>(
    private: K,
    domain: &str,
    key: &DkimKey,
    message: &[u8],
) -> Result<String, String> {
    DkimSigner::from_key(private)
        .domain(domain)
        .selector(&key.selector)
        .headers(SIGNED)
        .header_canonicalization(Canonicalization::Relaxed)
        .body_canonicalization(Canonicalization::Relaxed)
        .sign(message)
        .map(|signature| signature.to_header())
        .map_err(|fault| fault.to_string())
}
