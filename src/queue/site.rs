//! Sites: all domains that share their mail servers are one, with one queue, one limit and one pace.

use crate::config::shaping::HostPattern;
use crate::mail::{Domain, Timestamp};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::Said;

/// The mail servers that stand together: their names in order, in lower case, with commas between. A
/// domain that has none of its own, or whose servers are not known yet, is its own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Site(Arc<str>);

impl Site {
    /// A domain by itself.
    #[must_use]
    pub fn of(domain: &Domain) -> Self {
        Self(domain.as_str().into())
    }

    /// Those servers.
    #[must_use]
    pub fn among<'a>(hosts: impl Iterator<Item = &'a str>) -> Self {
        let mut names: Vec<_> =
            hosts.map(|host| host.trim_end_matches('.').to_ascii_lowercase()).collect();
        names.sort_unstable();
        names.dedup();
        Self(names.join(",").into())
    }

    /// Its servers' names.
    pub fn hosts(&self) -> impl Iterator<Item = &str> + Clone {
        self.0.split(',')
    }

    /// As it is kept and compared.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How fast a site is served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Most messages under attempt at a time.
    pub connections: u32,
    /// Time from one message to the next; none without a limit.
    pub interval: Option<Duration>,
    /// Whether it was reached, so that attempts there may be expected to end soon.
    pub proven: bool,
}

/// A site that nobody could reach: what waits for it waits here, untried, until one attempt finds it again.
#[derive(Debug, Clone)]
pub struct Outage {
    /// The end of this pause.
    pub until: Timestamp,
    /// What was said last.
    pub said: Said,
    /// Attempts that have failed in a row.
    pub failures: u32,
    /// When it began, and after each pause how long they have been in all: these are the waits of what waits
    /// here, as if each had been tried.
    pub waits: Vec<(Timestamp, Duration)>,
}

impl Outage {
    /// How long something that is due since then has waited between attempts that failed. Of an outage before a
    /// restart few moments are known: no wait is longer than from when it was due to the last attempt.
    #[must_use]
    pub fn waited(&self, due: Timestamp) -> Duration {
        let Some((last, all)) = self.waits.last().copied() else { return Duration::ZERO };
        let later = self.waits.partition_point(|(at, _)| *at < due);
        let before = later.checked_sub(1).and_then(|place| self.waits.get(place));
        all.saturating_sub(before.map_or(Duration::ZERO, |(_, waited)| *waited))
            .min(last.since(due))
    }
}

/// The operator's word that nothing goes to a domain, or to the sites that have such a server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suspension {
    /// A domain, a mail server, or `*.` and what the names of servers end in.
    pub name: String,
    /// Until when; without, until it is lifted.
    pub until: Option<Timestamp>,
    /// Why, in the operator's words.
    pub reason: String,
    /// Since when.
    pub at: Timestamp,
}

impl Suspension {
    /// Whether it holds for a site: for all of it, where one of its servers has such a name.
    #[must_use]
    pub fn holds(&self, site: &Site) -> bool {
        let pattern = HostPattern::parse(&self.name);
        pattern.is_ok_and(|pattern| site.hosts().any(|host| pattern.fits(host)))
    }

    /// What is said of mail that waits for its end.
    #[must_use]
    pub fn said(&self) -> String {
        let until = self.until.map(|until| format!(" until {until}")).unwrap_or_default();
        let reason = if self.reason.is_empty() { "" } else { ": " };
        format!("{} is suspended by the operator{until}{reason}{}", self.name, self.reason)
    }
}

/// A site as listings show it.
#[derive(Debug, Clone)]
pub struct SiteView {
    /// Which.
    pub site: Site,
    /// Some of its domains that mail waits for, the busiest first.
    pub domains: Vec<(Domain, u64)>,
    /// Recipients that wait, or are under attempt, for all of them.
    pub waiting: u64,
    /// Under attempt now.
    pub active: u32,
    /// How fast it is served.
    pub limits: Limits,
    /// Why nothing goes there, where that is so.
    pub stopped: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mail::Status;

    #[test]
    fn a_site_is_a_set_of_hosts_however_they_are_written() {
        let one = Site::among(["MX2.b.example.", "mx1.b.example"].into_iter());
        assert_eq!(one, Site::among(["mx1.b.example", "mx2.b.example"].into_iter()));
        assert_eq!(one.to_string(), "mx1.b.example,mx2.b.example");
        let all = |name: &str| Suspension {
            name: name.into(),
            until: None,
            reason: String::new(),
            at: Timestamp(0),
        };
        assert!(all("MX2.b.example").holds(&one) && all("*.b.example").holds(&one));
        assert!(!all("b.example").holds(&one) && !all("*.c.example").holds(&one));
    }

    #[test]
    fn what_came_during_an_outage_has_waited_since_then() {
        let minute = Duration::from_secs(60);
        let at = |minutes: u64| Timestamp(0).after(minute * u32::try_from(minutes).expect("few"));
        let said =
            Said { relay: None, status: Status::new(4, 4, 1), text: String::new(), class: None };
        let mut outage = Outage {
            until: at(30),
            said,
            failures: 3,
            waits: vec![(at(10), Duration::ZERO), (at(11), minute), (at(16), minute * 6)],
        };
        assert_eq!(outage.waited(at(5)), minute * 6);
        assert_eq!(outage.waited(at(10)), minute * 6);
        assert_eq!(outage.waited(at(12)), minute * 4);
        assert_eq!(outage.waited(at(20)), Duration::ZERO);
        // As it comes back after a restart, with its beginning and its last attempt alone.
        outage.waits.remove(1);
        assert_eq!(outage.waited(at(5)), minute * 6);
        assert_eq!(outage.waited(at(15)), minute, "it waited no longer than it was there");
        assert_eq!(outage.waited(at(16)), Duration::ZERO);
    }
}
