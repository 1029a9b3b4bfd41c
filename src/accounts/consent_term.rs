//! How long a stream's consents hold: `24mo`, `2y`, `90d`. Months and years are those of the calendar,
//! so that who agreed on 1 March has agreed until 1 March.

use crate::mail::Timestamp;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The longest term: a hundred years.
const MONTHS_MAX: u16 = 1200;
/// The same in days.
const DAYS_MAX: u16 = 36_500;

/// How long a consent holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ConsentTerm {
    /// So many months of the calendar.
    Months(u16),
    /// So many days of 24 hours.
    Days(u16),
}

/// A term that was not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no time that a consent holds: write 24mo, 2y, 52w or 90d, at most 100y, or none")]
pub struct ConsentTermFault(String);

impl ConsentTerm {
    /// When a consent given at `given` ends. The last day of a month stands for days that a month lacks.
    #[must_use]
    pub fn end(self, given: Timestamp) -> Timestamp {
        let span = match self {
            Self::Months(months) => jiff::Span::new().months(i32::from(months)),
            Self::Days(days) => jiff::Span::new().days(i32::from(days)),
        };
        let given = i64::try_from(given.0).ok().and_then(|ms| {
            let given = jiff::Timestamp::from_millisecond(ms).ok()?;
            let utc = jiff::tz::Offset::UTC;
            let end = utc.to_datetime(given).checked_add(span).ok()?;
            u64::try_from(utc.to_timestamp(end).ok()?.as_millisecond()).ok()
        });
        // Past the end of the calendar nothing expires.
        Timestamp(given.unwrap_or(u64::MAX))
    }
}

impl FromStr for ConsentTerm {
    type Err = ConsentTermFault;

    fn from_str(text: &str) -> Result<Self, ConsentTermFault> {
        let fault = || ConsentTermFault(text.chars().take(40).collect());
        let word = text.trim();
        let unit = word.find(|c: char| !c.is_ascii_digit()).ok_or_else(fault)?;
        let count: u16 = word[..unit].parse().map_err(|_| fault())?;
        let months = |factor: u16| {
            count.checked_mul(factor).filter(|n| (1..=MONTHS_MAX).contains(n)).map(Self::Months)
        };
        let days = |factor: u16| {
            count.checked_mul(factor).filter(|n| (1..=DAYS_MAX).contains(n)).map(Self::Days)
        };
        match &word[unit..] {
            "mo" => months(1),
            "y" => months(12),
            "w" => days(7),
            "d" => days(1),
            _ => None,
        }
        .ok_or_else(fault)
    }
}

impl fmt::Display for ConsentTerm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Months(months) => write!(f, "{months}mo"),
            Self::Days(days) => write!(f, "{days}d"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn terms_are_read_as_they_are_written_and_nothing_else_is_one() {
        for (text, term) in [
            ("24mo", ConsentTerm::Months(24)),
            ("2y", ConsentTerm::Months(24)),
            ("52w", ConsentTerm::Days(364)),
            (" 90d ", ConsentTerm::Days(90)),
        ] {
            assert_eq!(text.parse(), Ok(term), "{text}");
            assert_eq!(term.to_string().parse(), Ok(term));
        }
        for text in ["", "24", "mo", "0d", "-1d", "24m", "101y", "9999999d", "1.5y", "24 mo"] {
            assert!(text.parse::<ConsentTerm>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_month_is_one_of_the_calendar() {
        let at = |text: &str| {
            let read: jiff::Timestamp = text.parse().expect("a time");
            Timestamp(read.as_millisecond().try_into().expect("after 1970"))
        };
        for (given, term, end) in [
            ("2026-03-01T09:30:00Z", ConsentTerm::Months(24), "2028-03-01T09:30:00Z"),
            ("2024-02-29T00:00:00Z", ConsentTerm::Months(12), "2025-02-28T00:00:00Z"),
            ("2026-01-31T00:00:00Z", ConsentTerm::Months(1), "2026-02-28T00:00:00Z"),
            ("2026-01-31T00:00:00Z", ConsentTerm::Days(1), "2026-02-01T00:00:00Z"),
        ] {
            assert_eq!(term.end(at(given)), at(end), "{given} {term}");
        }
        assert_eq!(ConsentTerm::Months(1200).end(Timestamp(u64::MAX)), Timestamp(u64::MAX));
    }
}
