//! What a sender wants to be told of its mail (RFC 3461): as MAIL and RCPT say it, as it is kept with
//! the message, and as reports repeat it.

use super::RecipientNumber;
use serde::{Deserialize, Serialize};
use std::fmt::Write;

/// Longest ENVID and ORCPT, in characters (RFC 3461 §4.2, §4.4).
const ENVELOPE_ID_MAX: usize = 100;
const ORIGINAL_MAX: usize = 500;

/// RET: what a report of failure gives back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Returned {
    /// FULL: the message.
    Full,
    /// HDRS: its header.
    Header,
}

/// NOTIFY: of what the sender is told; of nothing: NEVER.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notify {
    /// That it was passed on.
    pub success: bool,
    /// That it never will be.
    pub failure: bool,
    /// That it is late.
    pub delay: bool,
}

impl Notify {
    /// What holds where a sender says nothing: RFC 3461 §4.1 leaves delays to us.
    pub const DEFAULT: Self = Self { success: false, failure: true, delay: false };

    /// Reads `NEVER`, or some of `SUCCESS,FAILURE,DELAY`, each once.
    #[must_use]
    pub fn parse(value: &str) -> Option<Self> {
        let mut found = Self { success: false, failure: false, delay: false };
        if value.eq_ignore_ascii_case("NEVER") {
            return Some(found);
        }
        for word in value.split(',') {
            let wish = match word.to_ascii_uppercase().as_str() {
                "SUCCESS" => &mut found.success,
                "FAILURE" => &mut found.failure,
                "DELAY" => &mut found.delay,
                _ => return None,
            };
            if std::mem::replace(wish, true) {
                return None;
            }
        }
        Some(found)
    }
}

/// What MAIL says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfMessage {
    /// RET.
    pub returned: Option<Returned>,
    /// ENVID, in xtext.
    pub envelope_id: Option<String>,
}

/// What RCPT says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OfRecipient {
    /// NOTIFY.
    pub notify: Option<Notify>,
    /// ORCPT: the kind of address, `;`, and the address in xtext.
    pub original: Option<String>,
}

/// All of it, as it is kept with a message.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dsn {
    /// Of the message.
    pub message: OfMessage,
    /// Of the recipients of whom something was said, in their order.
    pub recipients: Vec<(RecipientNumber, OfRecipient)>,
}

impl Dsn {
    /// What was said of a recipient.
    #[must_use]
    pub fn of(&self, number: RecipientNumber) -> Option<&OfRecipient> {
        let place = self.recipients.binary_search_by_key(&number, |(number, _)| *number).ok()?;
        self.recipients.get(place).map(|(_, wishes)| wishes)
    }

    /// Whether nothing was said.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.message == OfMessage::default() && self.recipients.is_empty()
    }
}

/// Takes the value of ENVID: xtext of printable ASCII.
#[must_use]
pub fn envelope_id(value: &str) -> Option<String> {
    let sound = (1..=ENVELOPE_ID_MAX).contains(&value.len()) && xtext(value).is_some();
    sound.then(|| value.to_owned())
}

/// Takes the value of ORCPT. An address beyond ASCII (RFC 6533 §3) is kept as `\x{…}` has it.
#[must_use]
pub fn original(value: &str, smtputf8: bool) -> Option<String> {
    let (kind, address) = value.split_once(';')?;
    let international = kind.eq_ignore_ascii_case("utf-8");
    let atom = |b: u8| b.is_ascii_alphanumeric() || b"-_".contains(&b);
    if kind.is_empty() || !kind.bytes().all(atom) || value.len() > ORIGINAL_MAX {
        return None;
    }
    let beyond = !address.is_ascii();
    if beyond && (!international || !smtputf8) {
        return None;
    }
    let address = escaped(address);
    let kept = xtext(&address).is_some_and(|plain| !plain.is_empty());
    kept.then(|| format!("{kind};{address}"))
}

/// A text with what lies beyond ASCII as `\x{…}`.
#[must_use]
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii() {
            out.push(c);
        } else {
            let _ = write!(out, "\\x{{{:X}}}", u32::from(c));
        }
    }
    out
}

/// ASCII text as xtext (RFC 3461 §4): `+`, `=` and what is not printable are written as `+` and two digits.
#[must_use]
pub fn to_xtext(text: &str) -> String {
    let one = |b: u8| match b {
        b'!'..=b'~' if b != b'+' && b != b'=' => char::from(b).to_string(),
        _ => format!("+{b:02X}"),
    };
    text.bytes().map(one).collect()
}

/// What xtext stands for (RFC 3461 §4): printable ASCII, which is all that a report may repeat.
#[must_use]
pub fn xtext(text: &str) -> Option<String> {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        let c = match c {
            '+' => {
                let digits: String = rest.by_ref().take(2).collect();
                let upper = |b: u8| b.is_ascii_digit() || (b'A'..=b'F').contains(&b);
                if digits.len() != 2 || !digits.bytes().all(upper) {
                    return None;
                }
                char::from(u8::from_str_radix(&digits, 16).ok()?)
            }
            '=' => return None,
            c if c.is_ascii_graphic() => c,
            _ => return None,
        };
        if c != ' ' && !c.is_ascii_graphic() {
            return None;
        }
        plain.push(c);
    }
    Some(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xtext_is_printable_and_has_one_form() {
        assert_eq!(xtext("a+2Bb+3Dc+20d").as_deref(), Some("a+b=c d"));
        for wrong in ["a=b", "a+2b", "a+", "a+2", "a+0A", "a+7F", "a b", "ü", "a+C3", "+\u{e9}1"] {
            assert_eq!(xtext(wrong), None, "{wrong}");
        }
        assert!(envelope_id(&"x".repeat(100)).is_some() && envelope_id(&"x".repeat(101)).is_none());
        assert!(envelope_id("").is_none());
    }

    #[test]
    fn an_original_recipient_names_its_kind() {
        let read = |value| original(value, false);
        assert_eq!(read("rfc822;a+2Bb@c.example").as_deref(), Some("rfc822;a+2Bb@c.example"));
        for wrong in ["a@b.example", ";a", "rfc822;", "rfc 822;a", "rfc822;a=b", "utf-8;ü@b"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
        assert_eq!(original("utf-8;ü@b", true).as_deref(), Some("utf-8;\\x{FC}@b"));
        assert_eq!(original("rfc822;ü@b", true), None);
        assert!(read(&format!("rfc822;{}", "x".repeat(500))).is_none());
    }

    #[test]
    fn a_notify_is_never_or_each_wish_once() {
        let told = |success, failure, delay| Some(Notify { success, failure, delay });
        assert_eq!(Notify::parse("never"), told(false, false, false));
        assert_eq!(Notify::parse("SUCCESS,Delay"), told(true, false, true));
        for wrong in ["", "NEVER,SUCCESS", "SUCCESS,", "SUCCESS,SUCCESS", "MAYBE", "SUCCESS DELAY"]
        {
            assert_eq!(Notify::parse(wrong), None, "{wrong}");
        }
    }
}
