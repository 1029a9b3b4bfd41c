//! Tokens: signed, stateless, lower-case base32, at most 64 octets. Forged ones say nothing.

use super::desk::Policy;
use super::record::Token;
use crate::mail::id::BASE32;
use crate::mail::{MessageId, RecipientHash, RecipientNumber, StreamId, Timestamp};
use crate::store::StoreFault;
use ring::hmac;
use subtle::ConstantTimeEq;

/// Octets of the MAC.
const MAC: usize = 16;
/// Version 1 in the upper half of the first byte.
const VERSION: u8 = 1 << 4;
/// The only signing key so far.
const KEY_ID: u8 = 0;

fn mac(key: &[u8; 32], bytes: &[u8]) -> [u8; MAC] {
    let key = hmac::Key::new(hmac::HMAC_SHA256, key);
    let mut mac = [0; MAC];
    mac.copy_from_slice(&hmac::sign(&key, bytes).as_ref()[..MAC]);
    mac
}

/// Writes a token under a signing key.
#[must_use]
pub fn seal(key: &[u8; 32], token: &Token) -> String {
    let (prefix, kind, parts): (&str, u8, [Vec<u8>; 2]) = match token {
        Token::Reply { stream, recipient } => {
            ("r-", 1, [stream.0.to_be_bytes().to_vec(), recipient.0.to_vec()])
        }
        Token::Unsubscribe { stream, recipient } => {
            ("u-", 2, [stream.0.to_be_bytes().to_vec(), recipient.0.to_vec()])
        }
        Token::Bounce { message, recipient } => {
            ("b-", 3, [message.0.to_vec(), recipient.0.to_be_bytes().to_vec()])
        }
        Token::Undo { event, until } => {
            ("", 4, [event.to_be_bytes().to_vec(), until.seconds().to_be_bytes().to_vec()])
        }
        Token::Confirm { event, until } => {
            ("", 5, [event.to_be_bytes().to_vec(), until.seconds().to_be_bytes().to_vec()])
        }
    };
    let mut bytes = vec![VERSION | kind, KEY_ID];
    bytes.extend(parts.concat());
    let mac = mac(key, &bytes);
    bytes.extend(mac);
    format!("{prefix}{}", BASE32.encode(&bytes))
}

/// Reads a token in any case; none where anything of it is not as [`seal`] writes it.
#[must_use]
pub fn open(key: &[u8; 32], text: &str) -> Option<Token> {
    let text = text.to_ascii_lowercase();
    let (prefix, body) = match text.get(..2) {
        Some(prefix @ ("r-" | "u-" | "b-")) => (prefix, &text[2..]),
        _ => ("", text.as_str()),
    };
    // The encoding refuses bits past the last byte, so each token has one spelling.
    let bytes = BASE32.decode(body.as_bytes()).ok()?;
    let (signed, given) = bytes.split_last_chunk::<MAC>()?;
    if !bool::from(mac(key, signed).ct_eq(given)) {
        return None;
    }
    let (&[kind, KEY_ID], rest) = signed.split_first_chunk::<2>()? else {
        return None;
    };
    let person = || {
        let (stream, recipient) = rest.split_first_chunk::<4>()?;
        let stream = StreamId(u32::from_be_bytes(*stream));
        Some((stream, RecipientHash(recipient.try_into().ok()?)))
    };
    match (prefix, kind ^ VERSION) {
        ("r-", 1) => person().map(|(stream, recipient)| Token::Reply { stream, recipient }),
        ("u-", 2) => person().map(|(stream, recipient)| Token::Unsubscribe { stream, recipient }),
        ("b-", 3) => {
            let (message, recipient) = rest.split_first_chunk::<12>()?;
            Some(Token::Bounce {
                message: MessageId(*message),
                recipient: RecipientNumber(u32::from_be_bytes(recipient.try_into().ok()?)),
            })
        }
        ("", kind @ (4 | 5)) => {
            let (event, until) = rest.split_first_chunk::<8>()?;
            let seconds = u64::from_be_bytes(until.try_into().ok()?);
            let event = u64::from_be_bytes(*event);
            let until = Timestamp(seconds.saturating_mul(1000));
            Some(match kind {
                4 => Token::Undo { event, until },
                _ => Token::Confirm { event, until },
            })
        }
        _ => None,
    }
}

impl Policy {
    /// Writes a token: the local part (`r-…`, `u-…`, `b-…`), or for undo the text alone.
    ///
    /// # Errors
    /// The store.
    pub fn seal(&self, token: &Token) -> Result<String, StoreFault> {
        Ok(seal(&self.accounts.keys()?.token, token))
    }

    /// Reads a token in any case. `None`: forged, torn or of another installation.
    ///
    /// # Errors
    /// The store.
    pub fn open(&self, text: &str) -> Result<Option<Token>, StoreFault> {
        Ok(open(&self.accounts.keys()?.token, text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_confirmation_is_no_undo() {
        let (key, event, until) = ([7; 32], 9, Timestamp(5000));
        let confirm = Token::Confirm { event, until };
        let text = seal(&key, &confirm);
        assert_ne!(text, seal(&key, &Token::Undo { event, until }));
        assert_eq!(open(&key, &text), Some(confirm));
    }

    #[test]
    fn a_token_survives_its_case_and_no_other_change() {
        let key = [7; 32];
        let token = Token::Reply { stream: StreamId(9), recipient: RecipientHash([3; 16]) };
        let text = seal(&key, &token);
        assert!(text.len() <= 64);
        assert_eq!(open(&key, &text.to_uppercase()), Some(token));
        assert_eq!(open(&[8; 32], &text), None);
        for at in 0..text.len() {
            for other in b"abcdefghijklmnopqrstuvwxyz234567-" {
                let mut bytes = text.clone().into_bytes();
                if bytes[at] != *other {
                    bytes[at] = *other;
                    let forged = String::from_utf8(bytes).expect("ASCII");
                    assert_eq!(open(&key, &forged), None, "{forged}");
                }
            }
        }
    }
}
