//! DKIM (RFC 6376, RFC 8463): every key of the sending domain signs the copy as it leaves.

use crate::accounts::{DkimAlgorithm, DkimKey, SendingDomain};
use crate::mail::header;
use mail_auth::common::crypto::{self, Algorithm, Ed25519Key, RsaKey, Sha256, SigningKey};
use mail_auth::common::headers::{HeaderWriter, Writable};
use mail_auth::dkim::{Canonicalization, DkimSigner};
use rustls::pki_types::PrivateKeyDer;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

//= https://www.rfc-editor.org/rfc/rfc8058#section-4
//# The List-Unsubscribe and List-Unsubscribe-Post header fields MUST be
//# covered by the signature and included in the "h=" tag of a valid
//# DKIM-Signature header field.
/// The fields that are signed, each once more than it stands there (RFC 6376 §5.4.2, §8.15): a verifier
/// that takes the last of a name would else hold a signature over what a reader does not see, since most
/// readers show the first. One that is not there is signed as not being there. The cost: a list
/// that adds a Reply-To, which some do, breaks the signature; those that do change subject or body too.
const SIGNED: [&str; 12] = [
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
];
/// Fields that are signed as often as they stand there: who passes a message on may add another.
const SIGNED_ONCE: [&str; 1] = ["Feedback-ID"];

/// Most keys that are kept ready, some kilobytes each.
const READY_MAX: usize = 1000;

/// Keys that are ready to sign, by what they were read from. To read one anew for each copy takes as long as
/// an Ed25519 signature does.
#[derive(Default)]
pub(super) struct Keys(Mutex<HashMap<Vec<u8>, Ready>>);

/// A key that is ready to sign.
#[derive(Clone)]
struct Ready(Arc<crypto::DkimKey>);

impl SigningKey for Ready {
    type Hasher = Sha256;

    fn sign(&self, input: impl Writable) -> mail_auth::Result<Vec<u8>> {
        self.0.sign(input)
    }

    fn algorithm(&self) -> Algorithm {
        self.0.algorithm()
    }
}

impl Keys {
    fn ready(&self, key: &DkimKey) -> Result<Ready, String> {
        let keys = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(ready) = keys().get(&key.private) {
            return Ok(ready.clone());
        }
        let read = match key.algorithm {
            DkimAlgorithm::Rsa => {
                let private = PrivateKeyDer::Pkcs8(key.private.clone().into());
                RsaKey::<Sha256>::from_key_der(private).map(crypto::DkimKey::from)
            }
            DkimAlgorithm::Ed25519 => {
                Ed25519Key::from_pkcs8_der(&key.private).map(crypto::DkimKey::from)
            }
        };
        let ready = Ready(Arc::new(read.map_err(|fault| fault.to_string())?));
        let mut keys = keys();
        if keys.len() >= READY_MAX {
            keys.clear();
        }
        keys.insert(key.private.clone(), ready.clone());
        Ok(ready)
    }
}

/// The signatures of `message` as header fields; `message` is the same afterwards as before.
///
/// # Errors
/// A key that does not sign, in words.
pub(super) fn signatures(
    keys: &Keys,
    domain: &SendingDomain,
    message: &mut Vec<u8>,
) -> Result<String, String> {
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
    let names = names(&message[..start]);
    for key in domain.signing_keys() {
        let ready = keys.ready(key);
        match ready.and_then(|ready| field(ready, domain.name.as_str(), key, &names, message)) {
            Ok(field) => fields.push_str(&field),
            Err(why) => fault = Some(format!("DKIM key {}: {why}", key.selector)),
        }
    }
    message.truncate(start + length);
    message.extend_from_slice(&tail);
    fault.map_or(Ok(fields), Err)
}

/// The names to sign for a header. The library signs a name as often as it stands there, or as absent;
/// named a second time, it is signed as absent besides.
fn names(header: &[u8]) -> Vec<&'static str> {
    let fields = header::fields(header).unwrap_or_default();
    let is_there = |name: &&&str| fields.iter().any(|field| field.is(name));
    let again = SIGNED.iter().filter(is_there);
    SIGNED.iter().chain(SIGNED_ONCE.iter().filter(is_there)).chain(again).copied().collect()
}

fn field(
    private: Ready,
    domain: &str,
    key: &DkimKey,
    names: &[&'static str],
    message: &[u8],
) -> Result<String, String> {
    DkimSigner::from_key(private)
        .domain(domain)
        .selector(&key.selector)
        .headers(names.iter().copied())
        .header_canonicalization(Canonicalization::Relaxed)
        .body_canonicalization(Canonicalization::Relaxed)
        .sign(message)
        .map(|signature| unfolded_end(signature.to_header()))
        .map_err(|fault| fault.to_string())
}

/// The field without a fold between its signature and the `;` that ends it, where the library's line may
/// happen to be full: a verifier is to ignore blanks there (RFC 6376 §3.7), and dkimpy does not.
fn unfolded_end(mut field: String) -> String {
    if field.ends_with("\r\n\t;\r\n") {
        field.truncate(field.len() - "\r\n\t;\r\n".len());
        field.push_str(";\r\n");
    }
    field
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounts::KeyStage;
    use crate::mail::Timestamp;

    #[test]
    fn a_second_field_of_a_name_is_signed_as_not_being_there() {
        let header = b"From: a@b.example\r\nsubject: x\r\nSubject: y\r\nFeedback-ID: z\r\n\r\n";
        let names = names(header);
        for (name, times) in
            [("From", 2), ("Subject", 2), ("List-Unsubscribe", 1), ("Feedback-ID", 1)]
        {
            assert_eq!(names.iter().filter(|n| **n == name).count(), times, "{name}");
        }
    }

    #[test]
    fn each_key_signs_as_itself_however_often_it_is_asked_for() {
        let keys = Keys::default();
        let made = |selector: &str| {
            let private = Ed25519Key::generate_pkcs8().expect("a key");
            DkimKey {
                selector: selector.into(),
                algorithm: DkimAlgorithm::Ed25519,
                private,
                public: String::new(),
                stage: KeyStage::Signing,
                made: Timestamp(0),
            }
        };
        let signed = |key: &DkimKey| {
            let ready = keys.ready(key).expect("a key");
            ready.sign(&b"a message"[..]).expect("a signature")
        };
        let (one, other) = (made("one"), made("other"));
        let (by_one, by_other) = (signed(&one), signed(&other));
        assert_ne!(by_one, by_other);
        assert_eq!((signed(&one), signed(&other)), (by_one, by_other));
        let broken = DkimKey { private: vec![1, 2, 3], ..one.clone() };
        assert!(keys.ready(&broken).is_err());
        for _ in 0..READY_MAX {
            signed(&made("more"));
        }
        assert!(keys.0.lock().expect("nobody else").len() <= READY_MAX);
    }

    #[test]
    fn nothing_is_folded_before_the_end_of_a_signature() {
        assert_eq!(unfolded_end("X: b=\r\n\tabc=\r\n\t;\r\n".into()), "X: b=\r\n\tabc=;\r\n");
        assert_eq!(unfolded_end("X: b=abc;\r\n".into()), "X: b=abc;\r\n");
    }
}
