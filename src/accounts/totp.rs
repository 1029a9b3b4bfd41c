//! Codes of authenticators (RFC 6238), each taken once, and recovery codes for who has lost theirs.

use crate::mail::Timestamp;
use crate::mail::id::BASE32;
use crate::world::World;
use data_encoding::BASE32_NOPAD;
use ring::{digest, hmac};
use serde::{Deserialize, Serialize};
use std::fmt;
use subtle::ConstantTimeEq;

/// Seconds that a code holds.
const STEP: u64 = 30;
/// Digits of a code.
const DIGITS: u32 = 6;
/// Steps that a clock may be off, either way.
const STEPS_OFF: u64 = 1;
/// Recovery codes, and the bytes of chance in each.
const CODES: usize = 10;
const CODE_BYTES: usize = 10;
/// Who makes the codes, as authenticators show it.
const ISSUER: &str = "Relent";

/// What is shared with an authenticator.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Totp {
    secret: [u8; 20],
    /// The last step of which a code was taken.
    last: u64,
    /// A code was shown: until then nobody is asked for one.
    pub(super) is_confirmed: bool,
}

/// Nothing of it is for logs.
impl fmt::Debug for Totp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Totp")
    }
}

/// HOTP (RFC 4226 §5.3) with SHA-1, which is what authenticators know.
fn hotp(secret: &[u8], counter: u64, digits: u32) -> u32 {
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret);
    let tag = hmac::sign(&key, &counter.to_be_bytes());
    let bytes = tag.as_ref();
    let offset = usize::from(bytes[bytes.len() - 1] & 0xf);
    let four = bytes[offset..].first_chunk().copied().unwrap_or([0; 4]);
    (u32::from_be_bytes(four) & 0x7fff_ffff) % 10_u32.pow(digits)
}

impl Totp {
    /// A new secret.
    pub(super) fn new(world: &World) -> Self {
        let mut secret = [0; 20];
        world.chance.fill(&mut secret);
        Self { secret, last: 0, is_confirmed: false }
    }

    /// The secret as people type it.
    pub(super) fn shown(&self) -> String {
        BASE32_NOPAD.encode(&self.secret)
    }

    /// The address that authenticators read from a picture.
    pub(super) fn uri(&self, address: &str) -> String {
        let address: String = address
            .bytes()
            .map(|byte| match byte {
                b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'@' => {
                    char::from(byte).to_string()
                }
                _ => format!("%{byte:02X}"),
            })
            .collect();
        let secret = self.shown();
        format!(
            "otpauth://totp/{ISSUER}:{address}?secret={secret}&issuer={ISSUER}&algorithm=SHA1\
             &digits={DIGITS}&period={STEP}"
        )
    }

    /// Whether a code is that of now, or of a step beside it, and was not taken before. It is taken then.
    //= https://www.rfc-editor.org/rfc/rfc6238#section-5.2
    //# The verifier MUST NOT accept the second attempt of the OTP after the
    //# successful validation has been issued for the first OTP, which
    //# ensures one-time only use of an OTP.
    pub(super) fn take(&mut self, code: &str, now: Timestamp) -> bool {
        let digits: String = code.chars().filter(|c| !c.is_whitespace()).collect();
        if digits.len() != DIGITS as usize || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return false;
        }
        let step = now.seconds() / STEP;
        let steps = step.saturating_sub(STEPS_OFF)..=step.saturating_add(STEPS_OFF);
        let mut taken = None;
        for step in steps {
            let right = format!("{:06}", hotp(&self.secret, step, DIGITS));
            let is_right: bool = right.as_bytes().ct_eq(digits.as_bytes()).into();
            if is_right && step > self.last {
                taken = Some(step);
            }
        }
        self.last = taken.unwrap_or(self.last);
        taken.is_some()
    }

    /// The code of a moment.
    #[cfg(test)]
    pub(super) fn code(&self, now: Timestamp) -> String {
        format!("{:06}", hotp(&self.secret, now.seconds() / STEP, DIGITS))
    }
}

/// New recovery codes: as they are shown, once, and as they are kept.
pub(super) fn recovery(world: &World) -> (Vec<String>, Vec<[u8; 32]>) {
    let codes: Vec<String> = (0..CODES)
        .map(|_| {
            let mut bytes = [0; CODE_BYTES];
            world.chance.fill(&mut bytes);
            let text = BASE32.encode(&bytes);
            let groups = text.as_bytes().chunks(4).map(|group| String::from_utf8_lossy(group));
            groups.collect::<Vec<_>>().join("-")
        })
        .collect();
    let kept = codes.iter().map(|code| digest_of(code)).collect();
    (codes, kept)
}

fn digest_of(code: &str) -> [u8; 32] {
    let bare: String = code.chars().filter(char::is_ascii_alphanumeric).collect();
    let digest = digest::digest(&digest::SHA256, bare.to_ascii_lowercase().as_bytes());
    digest.as_ref().try_into().expect("SHA-256 has 32 bytes")
}

/// Takes a recovery code out of those that are kept; false where it is none of them.
pub(super) fn take_recovery(kept: &mut Vec<[u8; 32]>, code: &str) -> bool {
    let digest = digest_of(code);
    let place = kept.iter().position(|known| known.ct_eq(&digest).into());
    if let Some(place) = place {
        kept.swap_remove(place);
    }
    place.is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(secret: [u8; 20]) -> Totp {
        Totp { secret, last: 0, is_confirmed: true }
    }

    fn at(seconds: u64) -> Timestamp {
        Timestamp(seconds * 1000)
    }

    //= https://www.rfc-editor.org/rfc/rfc6238#appendix-B
    //= type=test
    //# The test token shared secret uses the ASCII string value
    //# "12345678901234567890".
    #[test]
    fn codes_are_those_of_the_standard() {
        for (seconds, code) in [
            (59, 94_287_082),
            (1_111_111_109, 7_081_804),
            (1_111_111_111, 14_050_471),
            (1_234_567_890, 89_005_924),
            (2_000_000_000, 69_279_037),
            (20_000_000_000, 65_353_130),
        ] {
            assert_eq!(hotp(b"12345678901234567890", seconds / STEP, 8), code, "{seconds}");
            let mut totp = of(*b"12345678901234567890");
            assert!(totp.take(&format!("{:06}", code % 1_000_000), at(seconds)), "{seconds}");
        }
    }

    #[test]
    fn a_code_is_taken_once_and_near_its_time() {
        let totp = of([9; 20]);
        let now = 1_800_000_000_u64;
        for (off, is_near) in [(-60, false), (-30, true), (0, true), (30, true), (60, false)] {
            let moment = now.checked_add_signed(off).expect("a moment");
            let code = totp.code(at(moment));
            assert_eq!(totp.clone().take(&code, at(now)), is_near, "{off}");
        }
        let mut totp = totp;
        let (before, this) = (totp.code(at(now - 30)), totp.code(at(now)));
        assert!(totp.take(&format!(" {} {} ", &this[..3], &this[3..]), at(now)));
        assert!(!totp.take(&this, at(now)), "twice");
        assert!(!totp.take(&before, at(now)), "an earlier one, read over a shoulder");
        assert!(totp.take(&totp.code(at(now + 30)), at(now)));
        for wrong in ["", "12345", "1234567", "١٢٣٤٥٦", "-12345", "12345x"] {
            assert!(!totp.take(wrong, at(now + 300)), "{wrong}");
        }
        assert_eq!(format!("{totp:?}"), "Totp");
    }

    #[test]
    fn an_authenticator_reads_the_secret() {
        let uri = of([255; 20]).uri("ann+x@acme.example");
        let expected = "otpauth://totp/Relent:ann%2Bx@acme.example?secret=77777777777777777777777777777777\
            &issuer=Relent&algorithm=SHA1&digits=6&period=30";
        assert_eq!(uri, expected);
    }

    #[test]
    fn a_recovery_code_serves_once() {
        let (codes, mut kept) = recovery(&World::real());
        assert_eq!((codes.len(), kept.len(), codes[0].len()), (CODES, CODES, 19));
        assert!(!take_recovery(&mut kept, "aaaa-aaaa-aaaa-aaaa"));
        let typed = codes[3].to_uppercase().replace('-', " ");
        assert!(take_recovery(&mut kept, &typed));
        assert!(!take_recovery(&mut kept, &codes[3]));
        assert_eq!(kept.len(), CODES - 1);
    }
}
