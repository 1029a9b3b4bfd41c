//! People whose mail is proved, or is not: domains with SPF, DKIM and DMARC on the test name server, and a
//! key that signs for one of them.

use mail_auth::common::crypto::Ed25519Key;
use mail_auth::common::headers::HeaderWriter;
use mail_auth::dkim::{Canonicalization, DkimSigner};
use relent::dns::Rdata;
use ring::signature::{Ed25519KeyPair, KeyPair};
use std::net::Ipv4Addr;

/// The host may send for it: DMARC passes by SPF.
pub const SENT: &str = "ann@sent.example";
/// Nobody may send for it; it signs: DMARC passes by DKIM.
pub const SIGNED: &str = "ann@signed.example";
/// It says nothing of itself.
pub const SILENT: &str = "ann@reader.example";
/// Nobody may send for it, and it has no DMARC record.
pub const STRICT: &str = "ann@strict.example";
/// Its DMARC record cannot be had.
pub const BROKEN: &str = "ann@broken.example";

/// An Ed25519 key, as RFC 8410 writes it, of 32 bytes that nobody need keep secret.
fn key() -> Vec<u8> {
    let mut key = vec![
        0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04,
        0x20,
    ];
    key.extend([7; 32]);
    key
}

/// What the name server knows of them.
pub fn records() -> Vec<(String, Rdata)> {
    let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&key()).expect("a key");
    let public = data_encoding::BASE64.encode(pair.public_key().as_ref());
    let text = |text: &str| Rdata::Txt(text.to_owned());
    let mx = Rdata::Mx(10, "mx.reader.example".into());
    let records = [
        ("sent.example", mx.clone()),
        ("sent.example", text("v=spf1 ip4:127.0.0.1 -all")),
        ("_dmarc.sent.example", text("v=DMARC1; p=none")),
        ("signed.example", mx.clone()),
        ("signed.example", text("v=spf1 -all")),
        ("_dmarc.signed.example", text("v=DMARC1; p=reject")),
        ("one._domainkey.signed.example", text(&format!("v=DKIM1; k=ed25519; p={public}"))),
        ("one._domainkey.evil.example", text(&format!("v=DKIM1; k=ed25519; p={public}"))),
        ("evil.example", text("v=spf1 ip4:127.0.0.1 -all")),
        ("evil.example", Rdata::A(Ipv4Addr::LOCALHOST)),
        ("strict.example", mx.clone()),
        ("strict.example", text("v=spf1 -all")),
        ("broken.example", mx),
        ("broken.example", text("v=spf1 ip4:127.0.0.1 -all")),
        ("_dmarc.broken.example", Rdata::Fails),
    ];
    records.into_iter().map(|(name, data)| (name.to_owned(), data)).collect()
}

/// The message with a signature of a domain over these fields before it.
pub fn signed(domain: &str, fields: &[&str], message: &str) -> String {
    let key = Ed25519Key::from_pkcs8_maybe_unchecked_der(&key()).expect("a key");
    let signature = DkimSigner::from_key(key)
        .domain(domain)
        .selector("one")
        .headers(fields.iter().copied())
        .header_canonicalization(Canonicalization::Relaxed)
        .body_canonicalization(Canonicalization::Relaxed)
        .sign(message.as_bytes())
        .expect("a signature");
    format!("{}{message}", signature.to_header())
}
