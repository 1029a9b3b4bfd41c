//! Values with units: durations such as `"5m"`, sizes such as `"25MB"`, and rates such as `"20/s"`.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

const SPANS: [(&str, u64); 5] =
    [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];
const SIZES: [(&str, u64); 4] = [("GB", 1 << 30), ("MB", 1 << 20), ("kB", 1 << 10), ("B", 1)];

/// A duration in settings: a whole number and one of `ms`, `s`, `m`, `h`, `d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Span(pub Duration);

/// A size in settings: a whole number and one of `B`, `kB`, `MB`, `GB`, each 1,024 times the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Size(pub u64);

/// A rate in settings: a whole number and one of `/s`, `/m`, `/h`; or `none`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Rate {
    /// How many; 0 for no limit.
    count: u32,
    /// In how many seconds: 1, 60 or 3,600.
    seconds: u32,
}

const RATES: [(&str, u32); 3] = [("s", 1), ("m", 60), ("h", 3600)];

impl Rate {
    /// No limit.
    pub const NONE: Self = Self { count: 0, seconds: 1 };

    /// So many in so many seconds: 1, 60 or 3,600 of them.
    #[must_use]
    pub const fn new(count: u32, seconds: u32) -> Self {
        Self { count, seconds }
    }

    /// The time from one to the next; none without a limit.
    #[must_use]
    pub fn interval(self) -> Option<Duration> {
        Duration::from_secs(self.seconds.into()).checked_div(self.count)
    }
}

impl FromStr for Rate {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let read = || {
            let (count, unit) = text.trim().split_once('/')?;
            let (_, seconds) = RATES.iter().find(|(name, _)| *name == unit.trim())?;
            let count = count.trim().parse().ok().filter(|count| *count > 0)?;
            Some(Self { count, seconds: *seconds })
        };
        if text.trim() == "none" {
            return Ok(Self::NONE);
        }
        read().ok_or_else(|| {
            format!(
                "`{text}` is not a rate: write a whole number and /s, /m or /h, as in \"20/s\", or \"none\""
            )
        })
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = RATES.iter().find(|(_, seconds)| *seconds == self.seconds);
        match (self.count, unit) {
            (0, _) => f.write_str("none"),
            (count, Some((unit, _))) => write!(f, "{count}/{unit}"),
            (count, None) => write!(f, "{count}/{}s", self.seconds),
        }
    }
}

impl TryFrom<String> for Rate {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Rate> for String {
    fn from(rate: Rate) -> Self {
        rate.to_string()
    }
}

impl Span {
    /// So many seconds.
    #[must_use]
    pub const fn seconds(count: u64) -> Self {
        Self(Duration::from_secs(count))
    }

    /// So many minutes.
    #[must_use]
    pub const fn minutes(count: u64) -> Self {
        Self::seconds(count * 60)
    }
}

impl Size {
    /// So many times 1,024 × 1,024 bytes.
    #[must_use]
    pub const fn megabytes(count: u64) -> Self {
        Self(count << 20)
    }

    /// As a number of bytes in memory.
    #[must_use]
    pub fn bytes(self) -> usize {
        usize::try_from(self.0).unwrap_or(usize::MAX)
    }
}

fn split(text: &str) -> (&str, &str) {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    (&text[..end], text[end..].trim_start())
}

fn parse(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let (digits, unit) = split(text.trim());
    let (_, factor) = units.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit))?;
    digits.parse::<u64>().ok()?.checked_mul(*factor)
}

fn write(f: &mut fmt::Formatter<'_>, value: u64, units: &[(&str, u64)]) -> fmt::Result {
    let fits = |factor: u64| value.is_multiple_of(factor) && value >= factor;
    let (name, factor) = units.iter().find(|(_, factor)| fits(*factor)).unwrap_or(&units[3]);
    write!(f, "{}{name}", value / factor)
}

impl FromStr for Span {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        parse(text, &SPANS).map(|ms| Self(Duration::from_millis(ms))).ok_or_else(|| {
            format!("`{text}` is not a duration: write a whole number and ms, s, m, h or d, as in \"5m\"")
        })
    }
}

impl FromStr for Size {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        parse(text, &SIZES).map(Self).ok_or_else(|| {
            format!(
                "`{text}` is not a size: write a whole number and B, kB, MB or GB, as in \"25MB\""
            )
        })
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(f, u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX), &SPANS)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(f, self.0, &SIZES)
    }
}

impl TryFrom<String> for Span {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl TryFrom<String> for Size {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Span> for String {
    fn from(span: Span) -> Self {
        span.to_string()
    }
}

impl From<Size> for String {
    fn from(size: Size) -> Self {
        size.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_have_units() {
        assert_eq!("5m".parse(), Ok(Span::minutes(5)));
        assert_eq!("250 ms".parse(), Ok(Span(Duration::from_millis(250))));
        assert_eq!("25MB".parse(), Ok(Size::megabytes(25)));
        assert_eq!(Span::minutes(90).to_string(), "90m");
        assert_eq!(Span::seconds(0).to_string(), "0s");
        assert_eq!(Size(0).to_string(), "0B");
        assert_eq!(Size(1536).to_string(), "1536B");
        assert_eq!(
            "600/m".parse::<Rate>().map(Rate::interval),
            Ok(Some(Duration::from_millis(100)))
        );
        assert_eq!("1/h".parse::<Rate>().map(|rate| rate.to_string()), Ok("1/h".into()));
        assert_eq!("none".parse::<Rate>().map(Rate::interval), Ok(None));
        for text in ["0/s", "5", "5/d", "-1/s", "5/", ""] {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
        assert!("5".parse::<Span>().is_err());
        assert!("99999999999999999999d".parse::<Span>().is_err());
    }
}
