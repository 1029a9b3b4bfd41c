//! Names by which messages, recipients, accounts and streams are known, and moments in time.

use data_encoding::{BASE32_NOPAD, Encoding, Specification};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;
use std::time::Duration;

/// Base32 of RFC 4648 in lower case without padding, read in any case: what survives every mail
/// system, in local parts and ids.
pub static BASE32: LazyLock<Encoding> = LazyLock::new(|| {
    let mut specification: Specification = BASE32_NOPAD.specification();
    specification.symbols = specification.symbols.to_ascii_lowercase();
    specification.translate.from = ('A'..='Z').collect();
    specification.translate.to = ('a'..='z').collect();
    specification.encoding().expect("the standard alphabet in lower case is a valid one")
});

/// A moment: milliseconds since 1970-01-01T00:00Z, as the wall clock had it.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, Default,
)]
#[serde(transparent)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// The moment `span` later.
    #[must_use]
    pub fn after(self, span: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(span.as_millis()).unwrap_or(u64::MAX)))
    }

    /// How long ago `earlier` was; zero if it lies ahead.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }

    /// Whole seconds since 1970.
    #[must_use]
    pub fn seconds(self) -> u64 {
        self.0 / 1000
    }

    /// For the clocks of time zones.
    pub(crate) fn jiff(self) -> jiff::Timestamp {
        i64::try_from(self.0)
            .ok()
            .and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok())
            .unwrap_or(jiff::Timestamp::MAX)
    }

    /// The day in UTC: `2026-11-24`.
    #[must_use]
    pub fn date(self) -> String {
        self.jiff().strftime("%Y-%m-%d").to_string()
    }

    /// Reads what a Date field says (RFC 5322 §3.3); none where it is no moment.
    #[must_use]
    pub fn of_rfc5322(text: &str) -> Option<Self> {
        // A comment, such as the name of the zone, says nothing.
        let text = text.split('(').next().unwrap_or_default().trim();
        let moment = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
        u64::try_from(moment.as_millisecond()).ok().map(Self)
    }

    /// As a header's Date field has it (RFC 5322 §3.3), in UTC.
    #[must_use]
    pub fn rfc5322(self) -> String {
        self.jiff().strftime("%a, %d %b %Y %H:%M:%S +0000").to_string()
    }
}

/// RFC 3339 with seconds, in UTC.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.jiff().strftime("%Y-%m-%dT%H:%M:%SZ"))
    }
}

/// Reads RFC 3339.
impl FromStr for Timestamp {
    type Err = jiff::Error;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let moment: jiff::Timestamp = text.parse()?;
        Ok(Self(u64::try_from(moment.as_millisecond()).unwrap_or(0)))
    }
}

/// An account's number, never used again. 0 is the installation itself, whose stops are global.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AccountId(pub u32);

impl AccountId {
    /// The installation: the holder of global stops.
    pub const INSTALLATION: Self = Self(0);
}

/// A stream's number, unique in the installation and never used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct StreamId(pub u32);

/// The place of a recipient in a message's envelope, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RecipientNumber(pub u32);

impl RecipientNumber {
    /// No message has so many recipients: what is more than this stands for several.
    const SHARED: u32 = 1 << 31;

    /// In the return path of a copy that went to several recipients of one domain, of whom this is one:
    /// whichever of them a report names. Who gets such a copy can so speak of nobody elsewhere.
    #[must_use]
    pub const fn shared(self) -> Self {
        Self(self.0 | Self::SHARED)
    }

    /// One of the several whom such a number stands for; none where it stands for one alone.
    #[must_use]
    pub const fn of_shared(self) -> Option<Self> {
        if self.0 & Self::SHARED == 0 { None } else { Some(Self(self.0 & !Self::SHARED)) }
    }
}

/// A message's id: 6 bytes of milliseconds, 6 of chance, so that no clock jump makes two alike.
/// Shown as 20 characters of base32.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct MessageId(pub [u8; 12]);

impl MessageId {
    /// The moment it was built from.
    #[must_use]
    pub fn at(self) -> Timestamp {
        let mut moment = [0; 8];
        moment[2..].copy_from_slice(&self.0[..6]);
        Timestamp(u64::from_be_bytes(moment))
    }

    /// Builds an id from a moment and six random bytes.
    #[must_use]
    pub fn new(now: Timestamp, chance: [u8; 6]) -> Self {
        let mut id = [0; 12];
        id[..6].copy_from_slice(&now.0.to_be_bytes()[2..]);
        id[6..].copy_from_slice(&chance);
        Self(id)
    }
}

impl fmt::Display for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE32.encode(&self.0))
    }
}

impl fmt::Debug for MessageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Reads what [`MessageId`] displays.
impl FromStr for MessageId {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        BASE32
            .decode(text.as_bytes())
            .ok()
            .and_then(|bytes| bytes.try_into().ok())
            .map(Self)
            .ok_or("a message id is 20 characters of a-z and 2-7")
    }
}

/// A recipient as one account knows it: the first 16 bytes of HMAC-SHA256 of the normal form of the
/// address (or of `@domain`) under the account's key, or under the installation's for global stops.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RecipientHash(pub [u8; 16]);

impl fmt::Display for RecipientHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE32.encode(&self.0))
    }
}

impl fmt::Debug for RecipientHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_back_in_any_case() {
        let id = MessageId::new(Timestamp(1_790_000_000_123), [1, 2, 3, 4, 5, 6]);
        let text = id.to_string();
        assert_eq!(text.len(), 20);
        assert_eq!(text.to_uppercase().parse(), Ok(id));
        assert!("short".parse::<MessageId>().is_err());
    }

    #[test]
    fn moments_are_written_as_the_standards_have_them() {
        let moment = Timestamp(1_795_478_400_000);
        assert_eq!(moment.to_string(), "2026-11-24T00:00:00Z");
        assert_eq!(moment.rfc5322(), "Tue, 24 Nov 2026 00:00:00 +0000");
        assert_eq!(moment.to_string().parse::<Timestamp>().expect("RFC 3339"), moment);
    }
}
