//! Addresses as SMTP carries them (RFC 5321 §4.1.2, RFC 6531), and the one normal form under which
//! a person is known, so that a stop set for `Ann@Example.com` binds `ann@EXAMPLE.com` too.

use serde::{Deserialize, Serialize};
use std::fmt;
use thiserror::Error;
use unicode_normalization::UnicodeNormalization;

/// Longest local part, in octets (RFC 5321 §4.5.3.1.1).
pub const LOCAL_PART_MAX: usize = 64;
/// Longest domain, in octets (RFC 5321 §4.5.3.1.2).
pub const DOMAIN_MAX: usize = 255;
/// Longest path between `<` and `>`, in octets (RFC 5321 §4.5.3.1.3, less the two brackets).
pub const PATH_MAX: usize = 254;

/// Why a text is not an address. Displayed to the person who sent it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AddressFault {
    /// No `@`, or nothing before or after it.
    #[error("an address needs a local part, an @ and a domain")]
    Incomplete,
    /// A character that no local part may hold without quotes, or that none may hold at all.
    #[error("the local part holds a character that is not allowed there")]
    LocalPart,
    /// The domain is not a host name that DNS can hold; address literals are refused too.
    #[error("the domain is not a valid domain name")]
    Domain,
    /// Past a limit of RFC 5321 §4.5.3.1.
    #[error(
        "the address is too long: 64 octets for the local part, 255 for the domain, 254 in all"
    )]
    TooLong,
}

/// A domain name in the form that DNS is asked for: A-labels, lower case, no trailing dot.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Domain(Box<str>);

impl Domain {
    /// Reads a domain name in any case, with U-labels or A-labels, with or without a trailing dot.
    ///
    /// # Errors
    /// [`AddressFault::Domain`] or [`AddressFault::TooLong`].
    pub fn parse(text: &str) -> Result<Self, AddressFault> {
        let text = text.strip_suffix('.').unwrap_or(text);
        if text.is_empty() {
            return Err(AddressFault::Domain);
        }
        let ascii = if text.is_ascii() {
            text.to_ascii_lowercase()
        } else {
            idna::domain_to_ascii(text).map_err(|_| AddressFault::Domain)?
        };
        if ascii.len() > DOMAIN_MAX {
            return Err(AddressFault::TooLong);
        }
        // A name that IDNA would read otherwise (`xn--` with junk) is not a name.
        if ascii.contains("xn--")
            && idna::domain_to_ascii(&ascii).ok().as_deref() != Some(ascii.as_str())
        {
            return Err(AddressFault::Domain);
        }
        // `192.0.2.1` is an address on the network, which no name of a domain looks like.
        let last = ascii.rsplit('.').next().unwrap_or_default();
        let is_name = ascii.split('.').all(is_label) && !last.bytes().all(|b| b.is_ascii_digit());
        is_name.then(|| Self(ascii.into())).ok_or(AddressFault::Domain)
    }

    /// The name, A-labels in lower case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `self` is `other` or lies below it.
    #[must_use]
    pub fn is_within(&self, other: &Self) -> bool {
        self == other || self.0.strip_suffix(other.as_str()).is_some_and(|head| head.ends_with('.'))
    }
}

/// A label of a host name: letters, digits, `-` inside, and `_`, which names in use have.
fn is_label(label: &str) -> bool {
    (1..=63).contains(&label.len())
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl TryFrom<String> for Domain {
    type Error = AddressFault;
    fn try_from(text: String) -> Result<Self, AddressFault> {
        Self::parse(&text)
    }
}

impl From<Domain> for String {
    fn from(domain: Domain) -> Self {
        domain.0.into()
    }
}

/// A mailbox: a local part, kept without its quotes and in the case it came in, and a domain.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Address {
    local: Box<str>,
    domain: Domain,
}

impl Address {
    /// Reads what stands between `<` and `>`; the local part may be a quoted string.
    ///
    /// # Errors
    /// Any [`AddressFault`].
    pub fn parse(text: &str) -> Result<Self, AddressFault> {
        if text.len() > PATH_MAX {
            return Err(AddressFault::TooLong);
        }
        let (local, domain) = text.rsplit_once('@').ok_or(AddressFault::Incomplete)?;
        if local.is_empty() || domain.is_empty() {
            return Err(AddressFault::Incomplete);
        }
        match local.strip_prefix('"') {
            Some(rest) => Self::new(&unquote(rest)?, domain),
            None if is_dot_string(local) => Self::new(local, domain),
            None => Err(AddressFault::LocalPart),
        }
    }

    /// Builds an address from a local part without quotes and a domain.
    ///
    /// # Errors
    /// Any [`AddressFault`]; control characters are refused even in quotes.
    pub fn new(local: &str, domain: &str) -> Result<Self, AddressFault> {
        if local.is_empty() {
            return Err(AddressFault::Incomplete);
        }
        if local.chars().any(char::is_control) {
            return Err(AddressFault::LocalPart);
        }
        let address = Self { local: local.into(), domain: Domain::parse(domain)? };
        // As it will be written: a domain grows when its U-labels become A-labels.
        let local = quoted(&address.local).len();
        if local > LOCAL_PART_MAX || local + 1 + address.domain.as_str().len() > PATH_MAX {
            return Err(AddressFault::TooLong);
        }
        Ok(address)
    }

    /// The local part without quotes.
    #[must_use]
    pub fn local(&self) -> &str {
        &self.local
    }

    /// The domain.
    #[must_use]
    pub fn domain(&self) -> &Domain {
        &self.domain
    }

    /// The one form under which this person is known and hashed: NFKC, lower case, domain in
    /// A-labels. Dots and tags are left alone: nobody's mailbox rules are guessed.
    #[must_use]
    pub fn normal(&self) -> String {
        if self.local.is_ascii() {
            return format!("{}@{}", self.local.to_ascii_lowercase(), self.domain);
        }
        let folded: String = self.local.nfkc().flat_map(char::to_lowercase).nfkc().collect();
        format!("{folded}@{}", self.domain)
    }

    /// Whether it can only be sent where SMTPUTF8 is offered (RFC 6531).
    #[must_use]
    pub fn needs_smtputf8(&self) -> bool {
        !self.local.is_ascii()
    }

    /// For pages that somebody else may see: `a…@e….com`.
    #[must_use]
    pub fn masked(&self) -> String {
        let local: String = self.local.chars().take(1).collect();
        let (domain, _) = idna::domain_to_unicode(self.domain.as_str());
        let first: String = domain.chars().take(1).collect();
        let last = domain.rsplit_once('.').map_or_else(String::new, |(_, last)| format!(".{last}"));
        format!("{local}…@{first}…{last}")
    }
}

/// As SMTP and header fields write it, the local part quoted where it must be.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", quoted(&self.local), self.domain)
    }
}

impl TryFrom<String> for Address {
    type Error = AddressFault;
    fn try_from(text: String) -> Result<Self, AddressFault> {
        Self::parse(&text)
    }
}

impl From<Address> for String {
    fn from(address: Address) -> Self {
        address.to_string()
    }
}

/// `atext *("." atext)`, with letters beyond ASCII as RFC 6531 allows them.
fn is_dot_string(local: &str) -> bool {
    local.split('.').all(|atom| {
        !atom.is_empty()
            && atom.chars().all(|c| {
                c.is_ascii_alphanumeric()
                    || "!#$%&'*+-/=?^_`{|}~".contains(c)
                    || (!c.is_ascii() && !c.is_control() && !c.is_whitespace())
            })
    })
}

/// The content of a quoted string whose opening quote is already gone.
fn unquote(rest: &str) -> Result<String, AddressFault> {
    let mut content = String::with_capacity(rest.len());
    let mut characters = rest.chars();
    while let Some(c) = characters.next() {
        match c {
            '"' => {
                let ended = characters.next().is_none();
                return if ended { Ok(content) } else { Err(AddressFault::LocalPart) };
            }
            '\\' => content.push(characters.next().ok_or(AddressFault::LocalPart)?),
            c if c.is_control() => return Err(AddressFault::LocalPart),
            c => content.push(c),
        }
    }
    Err(AddressFault::LocalPart)
}

fn quoted(local: &str) -> String {
    if is_dot_string(local) {
        return local.to_owned();
    }
    let mut text = String::with_capacity(local.len() + 2);
    text.push('"');
    for c in local.chars() {
        if c == '"' || c == '\\' {
            text.push('\\');
        }
        text.push(c);
    }
    text.push('"');
    text
}

/// Where reports about a message go: an address, or nobody (`<>`, RFC 5321 §4.5.5).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum ReversePath {
    /// `<>`: mail that must never be answered.
    Null,
    /// A mailbox.
    Mailbox(Address),
}

impl ReversePath {
    /// The address, unless it is the null path.
    #[must_use]
    pub fn address(&self) -> Option<&Address> {
        match self {
            Self::Null => None,
            Self::Mailbox(address) => Some(address),
        }
    }
}

/// Without brackets: empty for the null path.
impl fmt::Display for ReversePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.address().map_or(Ok(()), |address| address.fmt(f))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_person_has_one_normal_form() {
        let normal = |text: &str| Address::parse(text).expect(text).normal();
        assert_eq!(normal("Ann@Example.COM"), "ann@example.com");
        assert_eq!(normal("\"Ann\"@example.com."), "ann@example.com");
        assert_eq!(normal("Ａnn@example.com"), "ann@example.com");
        assert_eq!(normal("ann@BÜCHER.example"), "ann@xn--bcher-kva.example");
        assert_ne!(normal("a.nn@example.com"), normal("ann@example.com"));
        assert_ne!(normal("ann+tag@example.com"), normal("ann@example.com"));
    }

    #[test]
    fn a_masked_address_shows_who_knows_it_that_it_is_theirs_and_nobody_else() {
        let masked = |text: &str| Address::parse(text).expect(text).masked();
        assert_eq!(masked("ann.lee@mail.reader.example"), "a…@m….example");
        assert_eq!(masked("李@例子.example"), "李…@例….example");
        assert_eq!(masked("x@localhost"), "x…@l…");
    }

    #[test]
    fn quotes_are_kept_where_they_are_needed() {
        let odd = Address::parse(r#""a@b c"@example.com"#).expect("quoted string");
        assert_eq!(odd.local(), "a@b c");
        assert_eq!(odd.to_string(), r#""a@b c"@example.com"#);
        assert_eq!(
            Address::parse(r#""ann"@example.com"#).expect("ann").to_string(),
            "ann@example.com"
        );
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "",
            "ann",
            "@example.com",
            "ann@",
            "a b@example.com",
            "ann@example..com",
            "ann@[127.0.0.1]",
            "ann@-x.com",
            ".ann@example.com",
            "\"ann@example.com",
            "\"a\rb\"@example.com",
            "a\nb@x.com",
            "@a,@b:c@d",
        ] {
            assert!(Address::parse(text).is_err(), "{text:?} was taken");
        }
        let long = format!("{}@example.com", "a".repeat(65));
        assert_eq!(Address::parse(&long), Err(AddressFault::TooLong));
        // Short enough as it came, and longer than any path in A-labels, in which it is kept.
        let label = format!("ü{}", "x".repeat(39));
        let grown = format!("a@{label}.{label}.{label}.{label}.ü{}", "y".repeat(53));
        assert!(grown.len() <= PATH_MAX);
        assert_eq!(Address::parse(&grown), Err(AddressFault::TooLong));
    }
}
