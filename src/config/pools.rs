//! Pools of local addresses: who sends from which, how often each has its turn, and how a new one is
//! warmed up.

use super::Config;
use crate::mail::{Domain, Timestamp};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

/// Pools by name.
pub type Pools = BTreeMap<String, Pool>;

/// The pool of all mail that no other is for.
pub const DEFAULT_POOL: &str = "default";

/// Days over which an address is warmed up that has no schedule of its own.
const DAYS: u32 = 14;
/// Messages of the first of them; each further day takes twice as many.
const FIRST_DAY: u64 = 50;

/// `[delivery.pools.NAME]`: addresses to send from, and whose mail.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pool {
    /// Accounts (`acme`) and streams (`acme/newsletter`) whose mail leaves from here; a stream's own pool
    /// goes before its account's. The pool `default` needs none.
    #[serde(default)]
    pub senders: Vec<String>,
    /// The addresses.
    pub sources: Vec<Source>,
}

/// An address to send from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// The address, one of this machine's.
    pub address: IpAddr,
    /// How often it has its turn, beside the others of its pool.
    #[serde(default = "one", skip_serializing_if = "is_one")]
    pub weight: u32,
    /// The name it gives itself in EHLO; default: the hostname.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    /// The day, in UTC, from which it is warmed up; before it takes no mail.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub warm_up_from: Option<Day>,
    /// How many messages each day of the warm-up takes, from the first; default: 50, and twice as many
    /// each day, for 14 days. Later there is no limit.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warm_up: Vec<u64>,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde hands it over so")]
fn is_one(weight: &u32) -> bool {
    *weight == 1
}

fn one() -> u32 {
    1
}

/// A day in settings, such as `"2026-11-01"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Day(Date);

impl TryFrom<String> for Day {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        let day = text.parse().ok().filter(|_| text.len() == "2026-11-01".len());
        day.map(Self).ok_or_else(|| format!("`{text}` is not a day: write as in \"2026-11-01\""))
    }
}

impl From<Day> for String {
    fn from(day: Day) -> Self {
        day.0.to_string()
    }
}

/// The day of a moment, in UTC, counted from 1970.
#[must_use]
pub fn day_of(moment: Timestamp) -> u64 {
    moment.seconds() / 86_400
}

impl Day {
    /// Counted from 1970.
    #[must_use]
    pub fn number(self) -> u64 {
        let midnight =
            TimeZone::UTC.to_timestamp(self.0.at(0, 0, 0, 0)).map(jiff::Timestamp::as_second);
        midnight.ok().and_then(|seconds| u64::try_from(seconds).ok()).unwrap_or(0) / 86_400
    }
}

impl Source {
    /// The most messages that it takes on a day counted from 1970; no limit where there is none.
    #[must_use]
    pub fn quota(&self, day: u64) -> Option<u64> {
        let first = self.warm_up_from?.number();
        let Some(place) = day.checked_sub(first) else { return Some(0) };
        if !self.warm_up.is_empty() {
            return self.warm_up.get(usize::try_from(place).ok()?).copied();
        }
        let place = u32::try_from(place).ok().filter(|place| *place < DAYS)?;
        Some(FIRST_DAY << place)
    }
}

/// The first thing that does not hold together: its key and the reason.
pub(super) fn check(config: &Config) -> Option<(&'static str, String)> {
    const KEY: &str = "delivery.pools";
    let delivery = &config.delivery;
    let mut senders = BTreeSet::new();
    let mut addresses = BTreeSet::new();
    for (name, pool) in delivery.pools.iter().flatten() {
        let wrong = |reason: String| Some((KEY, format!("{name}: {reason}")));
        if pool.sources.is_empty() {
            return wrong(
                "it has no address: name one, as in sources = [{ address = \"192.0.2.25\" }]"
                    .into(),
            );
        }
        if name == DEFAULT_POOL && !delivery.source_addresses.is_empty() {
            return wrong("source_addresses says the same in short: keep one of the two".into());
        }
        if name == DEFAULT_POOL && !pool.senders.is_empty() {
            return wrong("it is for all mail that no other is for: leave `senders` out".into());
        }
        if name != DEFAULT_POOL && pool.senders.is_empty() {
            return wrong("nobody's mail leaves from it: name senders, as in [\"acme\"]".into());
        }
        for sender in &pool.senders {
            if !is_sender(sender) {
                return wrong(format!(
                    "`{sender}` is no sender: write an account or a stream, as in \"acme\" or \
                     \"acme/newsletter\""
                ));
            }
            if !senders.insert(sender) {
                return wrong(format!("the mail of `{sender}` leaves from another pool already"));
            }
        }
        for source in &pool.sources {
            let address = source.address;
            if address.is_unspecified() || address.is_multicast() {
                return wrong(format!("{address} is no address to send from"));
            }
            if !addresses.insert(address) {
                return wrong(format!("{address} stands in the pools twice: keep one of the two"));
            }
            if !(1..=1000).contains(&source.weight) {
                return wrong(format!("{address}: a weight is 1 to 1000"));
            }
            if let Some(Err(fault)) = source.hostname.as_deref().map(Domain::parse) {
                return wrong(format!("{address}: hostname: {fault}"));
            }
            if source.warm_up_from.is_none() && !source.warm_up.is_empty() {
                return wrong(format!("{address}: warm_up needs the first day: set warm_up_from"));
            }
            if source.warm_up.contains(&0) {
                return wrong(format!("{address}: a day of warm_up takes at least one message"));
            }
        }
    }
    None
}

/// An account's name, or a stream's behind it.
fn is_sender(text: &str) -> bool {
    let is_name = |name: &str| {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        !name.is_empty() && name.bytes().all(allowed)
    };
    text.split('/').count() <= 2 && text.split('/').all(is_name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faulty(text: &str) -> Option<String> {
        let config: Config = toml::from_str(text).expect("types hold");
        check(&config).map(|(key, reason)| format!("{key}: {reason}"))
    }

    fn pool(name: &str, inside: &str) -> String {
        format!("[delivery.pools.{name}]\n{inside}\n")
    }

    #[test]
    fn pools_that_do_not_hold_together_are_refused() {
        let source = "sources = [{ address = \"192.0.2.25\" }]";
        for (said, text) in [
            ("a: it has no address", pool("a", "senders = [\"acme\"]\nsources = []")),
            ("a: nobody's mail", pool("a", source)),
            ("default: it is for all", pool("default", &format!("senders = [\"acme\"]\n{source}"))),
            ("`Acme` is no sender", pool("a", &format!("senders = [\"Acme\"]\n{source}"))),
            ("`a/b/c` is no sender", pool("a", &format!("senders = [\"a/b/c\"]\n{source}"))),
            (
                "keep one of the two",
                format!(
                    "[delivery]\nsource_addresses = [\"192.0.2.1\"]\n{}",
                    pool("default", source)
                ),
            ),
            (
                "leaves from another pool already",
                pool("a", &format!("senders = [\"acme\"]\n{source}"))
                    + &pool("b", "senders = [\"acme\"]\nsources = [{ address = \"192.0.2.26\" }]"),
            ),
            (
                "192.0.2.25 stands in the pools twice",
                pool("a", &format!("senders = [\"acme\"]\n{source}")) + &pool("default", source),
            ),
            ("no address to send from", pool("default", "sources = [{ address = \"::\" }]")),
            ("a weight is", pool("default", "sources = [{ address = \"::1\", weight = 0 }]")),
            (
                "hostname: ",
                pool("default", "sources = [{ address = \"::1\", hostname = \"a b\" }]"),
            ),
            (
                "set warm_up_from",
                pool("default", "sources = [{ address = \"::1\", warm_up = [5] }]"),
            ),
            (
                "at least one message",
                pool(
                    "default",
                    "sources = [{ address = \"::1\", warm_up_from = \"2026-11-01\", warm_up = [5, 0] }]",
                ),
            ),
        ] {
            let found = faulty(&text).unwrap_or_default();
            assert!(
                found.starts_with("delivery.pools: ") && found.contains(said),
                "{said}: {found}"
            );
        }
        assert_eq!(faulty(&pool("a", &format!("senders = [\"acme/news\"]\n{source}"))), None);
        assert!(toml::from_str::<Config>(&pool("a", "sources = [{ address = \"x\" }]")).is_err());
    }

    #[test]
    fn a_new_address_takes_twice_as_much_each_day() {
        let from = Day::try_from("2026-11-01".to_owned()).expect("a day");
        let mut source = Source {
            address: IpAddr::from([192, 0, 2, 25]),
            weight: 1,
            hostname: None,
            warm_up_from: Some(from),
            warm_up: Vec::new(),
        };
        let first = from.number();
        assert_eq!(first, day_of(Timestamp(1_793_491_200_000)), "2026-11-01T00:00Z");
        let quotas: Vec<_> = [-1, 0, 1, 13, 14]
            .map(|after| source.quota(first.saturating_add_signed(after)))
            .to_vec();
        assert_eq!(quotas, [Some(0), Some(50), Some(100), Some(409_600), None]);
        source.warm_up = vec![20, 70];
        assert_eq!([0, 1, 2].map(|after| source.quota(first + after)), [Some(20), Some(70), None]);
        source.warm_up_from = None;
        assert_eq!(source.quota(first), None);
        for text in ["2026-11-31", "1.11.2026", "2026-11-01T00:00", ""] {
            assert!(Day::try_from(text.to_owned()).is_err(), "{text}");
        }
    }
}
