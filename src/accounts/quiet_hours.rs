//! Hours in which a stream's people are left in peace: a time of day in a time zone.

use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Minutes of a day.
const DAY: u16 = 24 * 60;
/// How they are written.
const FORM: &str = "write FROM-UNTIL@ZONE, as in 22:00-08:00@Europe/Berlin";

/// A time of day in which nothing is sent, over midnight where it begins later than it ends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct QuietHours {
    /// Its first minute of the day.
    pub from: u16,
    /// The first minute after it.
    pub until: u16,
    /// The time zone, by its IANA name.
    pub zone: String,
}

/// Why a text names no quiet hours. Displayed to the operator.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum QuietHoursFault {
    /// It has another form.
    #[error("`{0}` names no hours: {FORM}")]
    Form(String),
    /// They would last no time, or for ever.
    #[error("they begin and end at the same minute: {FORM}")]
    Empty,
    /// This machine knows no such zone.
    #[error("`{0}` is no time zone that is known here: use an IANA name, as in Asia/Shanghai")]
    Zone(String),
}

/// `HH:MM`, from 00:00 to 24:00.
fn minute(text: &str) -> Option<u16> {
    let (hours, minutes) = text.split_once(':')?;
    let number = |text: &str, length: usize| {
        let is_number =
            (1..=length).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        is_number.then(|| text.parse::<u16>().ok())?
    };
    let (hours, minutes) = (number(hours, 2)?, number(minutes, 2)?);
    (minutes < 60 && hours * 60 + minutes <= DAY).then_some(hours * 60 + minutes)
}

impl FromStr for QuietHours {
    type Err = QuietHoursFault;

    fn from_str(text: &str) -> Result<Self, QuietHoursFault> {
        let form = || QuietHoursFault::Form(text.to_owned());
        let (hours, zone) = text.trim().split_once('@').ok_or_else(form)?;
        let (from, until) = hours.split_once('-').ok_or_else(form)?;
        let from = minute(from.trim()).ok_or_else(form)? % DAY;
        let until = minute(until.trim()).ok_or_else(form)? % DAY;
        if from == until {
            return Err(QuietHoursFault::Empty);
        }
        // An offset is no place: it knows no summer time.
        let known = TimeZone::get(zone).ok().and_then(|zone| zone.iana_name().map(str::to_owned));
        let zone = known.ok_or_else(|| QuietHoursFault::Zone(zone.to_owned()))?;
        Ok(Self { from, until, zone })
    }
}

/// As it is read.
impl fmt::Display for QuietHours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, until, zone } = self;
        let (from, until) = ((from / 60, from % 60), (until / 60, until % 60));
        write!(f, "{:02}:{:02}-{:02}:{:02}@{zone}", from.0, from.1, until.0, until.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_are_read_as_they_are_written() {
        let night: QuietHours = "22:00-08:00@Europe/Berlin".parse().expect("hours");
        assert_eq!((night.from, night.until), (1320, 480));
        assert_eq!(night.to_string(), "22:00-08:00@Europe/Berlin");
        let noon: QuietHours = " 9:05 - 24:00 @Asia/Shanghai".parse().expect("hours");
        assert_eq!(noon.to_string(), "09:05-00:00@Asia/Shanghai");
        assert_eq!(
            "1:00-2:00@europe/berlin".parse().map(|h: QuietHours| h.zone).as_deref(),
            Ok("Europe/Berlin")
        );
    }

    #[test]
    fn hours_that_are_none_and_zones_that_nobody_knows_are_refused() {
        for wrong in [
            "",
            "22:00",
            "22:00-08:00",
            "22-08@Europe/Berlin",
            "22:60-08:00@Europe/Berlin",
            "24:01-08:00@Europe/Berlin",
            "-1:00-08:00@Europe/Berlin",
            "+1:00-08:00@Europe/Berlin",
        ] {
            let fault = wrong.parse::<QuietHours>();
            assert!(matches!(fault, Err(QuietHoursFault::Form(_))), "{wrong}: {fault:?}");
        }
        for wrong in ["22:00-08:00@Europe/Atlantis", "22:00-08:00@", "22:00-08:00@+02:00"] {
            let fault = wrong.parse::<QuietHours>();
            assert!(matches!(fault, Err(QuietHoursFault::Zone(_))), "{wrong}: {fault:?}");
        }
        assert_eq!("00:00-24:00@Europe/Berlin".parse::<QuietHours>(), Err(QuietHoursFault::Empty));
    }
}
