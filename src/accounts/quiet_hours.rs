//! Hours in which a stream's people are left in peace: a time of day in a time zone, as its clocks show
//! it, on the days too on which these are changed.

use crate::mail::Timestamp;
use jiff::ToSpan;
use jiff::tz::{AmbiguousOffset, TimeZone};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// Minutes of a day.
const DAY: u16 = 24 * 60;
/// Most beginnings and ends that are looked at to count quiet time: those of two years.
const TURNS_MAX: usize = 1500;
/// Days looked at for the next turn: over a day that a time zone left out.
const DAYS: i64 = 4;
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

impl QuietHours {
    /// The zone; UTC where its name is not known any more.
    fn time_zone(&self) -> TimeZone {
        TimeZone::get(&self.zone).unwrap_or(TimeZone::UTC)
    }

    /// Whether nothing is sent at this moment.
    #[must_use]
    pub fn covers(&self, at: Timestamp) -> bool {
        self.covers_in(&self.time_zone(), at)
    }

    fn covers_in(&self, zone: &TimeZone, at: Timestamp) -> bool {
        let local = zone.to_datetime(at.jiff());
        let minute = local.hour().unsigned_abs() as u16 * 60 + local.minute().unsigned_abs() as u16;
        match self.from <= self.until {
            true => (self.from..self.until).contains(&minute),
            false => minute >= self.from || minute < self.until,
        }
    }

    /// When the quiet hours that cover a moment end; none where it is not quiet.
    #[must_use]
    pub fn end(&self, at: Timestamp) -> Option<Timestamp> {
        let zone = self.time_zone();
        self.covers_in(&zone, at).then(|| self.turn(&zone, at, self.until))
    }

    /// How much of the time between two moments is quiet.
    #[must_use]
    pub fn within(&self, from: Timestamp, to: Timestamp) -> Duration {
        let (zone, mut at, mut quiet) = (self.time_zone(), from, Duration::ZERO);
        for _ in 0..TURNS_MAX {
            if at >= to || self.from == self.until {
                break;
            }
            let is_quiet = self.covers_in(&zone, at);
            let next = self.turn(&zone, at, if is_quiet { self.until } else { self.from });
            if is_quiet {
                quiet += next.min(to).since(at);
            }
            at = next;
        }
        quiet
    }

    /// The next moment after `at` at which the clock shows a minute and it is quiet no more, or now.
    fn turn(&self, zone: &TimeZone, at: Timestamp, minute: u16) -> Timestamp {
        let is_quiet = self.covers_in(zone, at);
        let today = zone.to_datetime(at.jiff()).date();
        let (hour, rest) = ((minute / 60 % 24) as i8, (minute % 60) as i8);
        let turns =
            (0..DAYS).filter_map(|day| today.checked_add(day.days()).ok()).flat_map(|date| {
                let shown = zone.to_ambiguous_timestamp(date.at(hour, rest, 0, 0));
                let (earlier, later) = (shown.earlier().ok(), shown.later().ok());
                match shown.offset() {
                    // The clock jumps over this minute: then it is past.
                    AmbiguousOffset::Gap { .. } => {
                        let jump = earlier.and_then(|earlier| zone.following(earlier).next());
                        [jump.map(|jump| jump.timestamp()), None]
                    }
                    _ => [earlier, later],
                }
            });
        let moment = |turn: jiff::Timestamp| u64::try_from(turn.as_millisecond()).map(Timestamp);
        let mut turns = turns.flatten().filter_map(|turn| moment(turn).ok());
        let next = turns.find(|turn| *turn > at && self.covers_in(zone, *turn) != is_quiet);
        next.unwrap_or(at.after(Duration::from_secs(24 * 3600)))
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

    fn hours(from: &str, until: &str, zone: &str) -> QuietHours {
        let minute = |text: &str| {
            let (hour, minute) = text.split_once(':').expect("a time of day");
            hour.parse::<u16>().expect("an hour") * 60 + minute.parse::<u16>().expect("a minute")
        };
        QuietHours { from: minute(from), until: minute(until), zone: zone.into() }
    }

    fn at(text: &str) -> Timestamp {
        text.parse().expect("RFC 3339")
    }

    fn ends(quiet: &QuietHours, from: &str) -> Option<String> {
        quiet.end(at(from)).map(|end| end.to_string())
    }

    #[test]
    fn quiet_hours_go_over_midnight_in_their_own_zone() {
        let quiet = hours("22:00", "08:00", "Europe/Berlin");
        assert_eq!(ends(&quiet, "2026-11-24T20:59:59Z"), None);
        assert_eq!(ends(&quiet, "2026-11-24T21:00:00Z").as_deref(), Some("2026-11-25T07:00:00Z"));
        assert_eq!(ends(&quiet, "2026-11-25T06:59:59Z").as_deref(), Some("2026-11-25T07:00:00Z"));
        assert_eq!(ends(&quiet, "2026-11-25T07:00:00Z"), None);
        let noon = hours("12:00", "14:00", "Asia/Shanghai");
        assert_eq!(ends(&noon, "2026-11-25T04:30:00Z").as_deref(), Some("2026-11-25T06:00:00Z"));
        assert_eq!(ends(&noon, "2026-11-25T11:30:00Z"), None);
        assert_eq!(ends(&hours("09:00", "09:00", "UTC"), "2026-11-25T09:00:00Z"), None);
    }

    #[test]
    fn the_nights_in_which_the_clocks_are_changed_are_as_long_as_they_are() {
        let quiet = hours("22:00", "08:00", "Europe/Berlin");
        // Nine hours in March, eleven in October.
        let (spring, autumn) = ("2026-03-28T21:00:00Z", "2026-10-24T20:00:00Z");
        assert_eq!(ends(&quiet, spring).as_deref(), Some("2026-03-29T06:00:00Z"));
        assert_eq!(ends(&quiet, autumn).as_deref(), Some("2026-10-25T07:00:00Z"));
        // An end that the clock jumps over is where it jumps: 02:00 is 03:00.
        let quiet = hours("22:00", "02:30", "Europe/Berlin");
        assert_eq!(ends(&quiet, spring).as_deref(), Some("2026-03-29T01:00:00Z"));
        // One that the clock shows twice comes twice.
        assert_eq!(ends(&quiet, autumn).as_deref(), Some("2026-10-25T00:30:00Z"));
        assert_eq!(ends(&quiet, "2026-10-25T00:30:00Z"), None);
        assert_eq!(ends(&quiet, "2026-10-25T01:00:00Z").as_deref(), Some("2026-10-25T01:30:00Z"));
        assert_eq!(ends(&quiet, "2026-10-25T01:30:00Z"), None);
    }

    #[test]
    fn a_day_without_a_midnight_ends_a_night_at_one() {
        // São Paulo changed its clocks at midnight: 2018-11-04 began at 01:00.
        let quiet = hours("21:00", "00:00", "America/Sao_Paulo");
        assert_eq!(ends(&quiet, "2018-11-04T01:00:00Z").as_deref(), Some("2018-11-04T03:00:00Z"));
        assert_eq!(ends(&quiet, "2018-11-04T03:00:00Z"), None);
        // And 2018-02-17 had the hour before midnight twice.
        let (first, second) = ("2018-02-18T01:30:00Z", "2018-02-18T02:30:00Z");
        assert_eq!(ends(&quiet, first).as_deref(), Some("2018-02-18T03:00:00Z"));
        assert_eq!(ends(&quiet, second).as_deref(), Some("2018-02-18T03:00:00Z"));
    }

    #[test]
    fn quiet_time_is_counted() {
        let quiet = hours("22:00", "08:00", "Europe/Berlin");
        let hours = |from: &str, to: &str| quiet.within(at(from), at(to)).as_secs() / 3600;
        assert_eq!(hours("2026-11-24T12:00:00Z", "2026-11-27T12:00:00Z"), 30);
        assert_eq!(hours("2026-03-28T12:00:00Z", "2026-03-29T12:00:00Z"), 9);
        assert_eq!(hours("2026-10-24T12:00:00Z", "2026-10-25T12:00:00Z"), 11);
        assert_eq!(hours("2026-11-24T22:00:00Z", "2026-11-24T23:00:00Z"), 1);
        assert_eq!(hours("2026-11-24T12:00:00Z", "2026-11-24T11:00:00Z"), 0);
        let years = quiet.within(at("2020-01-01T00:00:00Z"), at("2026-01-01T00:00:00Z"));
        assert!(years > Duration::from_secs(700 * 10 * 3600), "bounded, and yet {years:?}");
    }

    #[test]
    fn a_zone_has_a_name_of_the_tables() {
        let is_zone = |zone: &str| format!("22:00-08:00@{zone}").parse::<QuietHours>().is_ok();
        assert!(is_zone("Europe/Berlin") && is_zone("America/Sao_Paulo"));
        assert!(!is_zone("Mars/Phobos"));
        let nowhere = hours("22:00", "08:00", "Mars/Phobos");
        assert_eq!(ends(&nowhere, "2026-11-24T22:00:00Z").as_deref(), Some("2026-11-25T08:00:00Z"));
    }
}
