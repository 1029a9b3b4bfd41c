//! How our certificates stand, for whoever looks after them: whose they are, until when they hold, what is
//! wrong with the files. One that ends soon is warned of, in the log and as a figure.

use super::doubts::Asked;
use super::identity::Identity;
use super::server::Server;
use super::shown::{Shown, shown};
use crate::mail::Timestamp;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How often it is said again that a certificate ends, or has ended.
const SAID_AGAIN: Duration = Duration::from_secs(24 * 3600);
/// A certificate of a short life is warned of in its last quarter.
const LAST_PART: u32 = 4;

/// How a certificate stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Holds {
    /// It holds.
    Fine,
    /// It is not valid yet.
    NotYet,
    /// It ends soon, and nothing has replaced it.
    EndsSoon,
    /// It has ended.
    Ended,
}

/// One of our certificates.
#[derive(Debug, Clone, Serialize)]
pub struct Held {
    /// Where it is from: `file`, `authority` or `self_signed`.
    pub source: &'static str,
    /// The file, or the host that an authority gave it for.
    pub place: String,
    /// How it stands.
    pub holds: Holds,
    /// Why what stands in the files now is not in use.
    pub fault: Option<String>,
    /// What it says.
    #[serde(flatten)]
    pub says: Option<Shown>,
}

/// What was said of certificates that end.
pub(super) struct Warnings {
    /// How long before its end a certificate is warned of.
    early: Mutex<Duration>,
    said: Mutex<BTreeMap<String, (Holds, Timestamp)>>,
    /// What else was said of them.
    pub(super) doubts: Mutex<Vec<String>>,
}

impl Warnings {
    pub(super) fn new(early: Duration) -> Self {
        Self { early: Mutex::new(early), said: Mutex::default(), doubts: Mutex::default() }
    }

    /// Warns as early as another does.
    pub(super) fn warn_as(&self, other: &Self) {
        let early = *other.early.lock().unwrap_or_else(PoisonError::into_inner);
        *self.early.lock().unwrap_or_else(PoisonError::into_inner) = early;
    }

    fn holds(&self, identity: &Identity, now: Timestamp) -> Holds {
        let leave = &identity.leave;
        let early = *self.early.lock().unwrap_or_else(PoisonError::into_inner);
        let early = early.min(leave.life() / LAST_PART);
        if now < leave.from {
            Holds::NotYet
        } else if now >= leave.until {
            Holds::Ended
        } else if now.after(early) >= leave.until {
            Holds::EndsSoon
        } else {
            Holds::Fine
        }
    }

    /// Whether this is to be said now: when it is new, and once a day.
    fn is_due(&self, place: &str, holds: Holds, now: Timestamp) -> bool {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let is_said =
            said.get(place).is_some_and(|(old, at)| *old == holds && now < at.after(SAID_AGAIN));
        if !is_said {
            said.insert(place.to_owned(), (holds, now));
        }
        !is_said
    }
}

impl Server {
    /// Our certificates, that of the settings first.
    #[must_use]
    pub fn held(&self, now: Timestamp) -> Vec<Held> {
        self.all()
            .into_iter()
            .map(|one| {
                let holds = self.warnings.holds(&one.identity, now);
                let says = shown(&one.identity.leaf);
                Held { source: one.source, place: one.place, holds, fault: one.fault, says }
            })
            .collect()
    }

    /// What clients who ask for these hosts hold against our certificates, in words with what to do: those
    /// that end soon, have ended or do not hold yet, then the [doubts](Self::doubts). Nothing is said of the
    /// self-signed pair.
    #[must_use]
    pub fn remarks(&self, now: Timestamp, hosts: &[Asked]) -> Vec<String> {
        let real = self.all().into_iter().filter(|one| one.source != "self_signed");
        let ends = real.filter_map(|one| {
            let (place, leave) = (one.place, &one.identity.leave);
            match self.warnings.holds(&one.identity, now) {
                Holds::Fine => None,
                Holds::NotYet => Some(format!(
                    "the certificate {place} is not valid yet, only from {}, and clients refuse it: see \
                     that this machine's clock is right, or name one that holds",
                    leave.from
                )),
                Holds::EndsSoon => {
                    Some(format!("the certificate {place} ends soon, {}: renew it", leave.until))
                }
                Holds::Ended => Some(format!(
                    "the certificate {place} has ended, {}, and clients refuse it: renew it",
                    leave.until
                )),
            }
        });
        ends.chain(self.doubts(hosts)).collect()
    }

    fn all(&self) -> Vec<One> {
        let files = self.files();
        let main = if files.is_makeshift { "self_signed" } else { "file" };
        let more = files.more.iter().map(|pair| ("file", pair));
        let mut all: Vec<_> = std::iter::once((main, &files.main))
            .chain(more)
            .map(|(source, pair)| One {
                source,
                place: pair.certificate.display().to_string(),
                fault: pair.fault().map(ToString::to_string),
                identity: pair.current.clone(),
            })
            .collect();
        drop(files);
        all.extend(self.shelf().issued.iter().map(|(host, identity)| One {
            source: "authority",
            place: host.clone(),
            fault: None,
            identity: identity.clone(),
        }));
        all
    }

    /// Sets the figures of our certificates, and says which of them end soon or have ended, and what clients
    /// who ask for these hosts may hold against them.
    pub fn tell(&self, now: Timestamp, hosts: &[Asked]) {
        let mut ends: BTreeMap<String, Timestamp> = BTreeMap::new();
        let (mut faults, mut is_issued) = (0_u32, false);
        for one in self.all().into_iter().rev() {
            faults += u32::from(one.fault.is_some());
            is_issued |= one.source == "authority";
            // The makeshift one is nobody's concern once there is another.
            if one.source == "self_signed" && is_issued {
                continue;
            }
            let leave = &one.identity.leave;
            let name = leave.names.first().cloned().unwrap_or_default();
            let end = ends.entry(name).or_insert(leave.until);
            *end = (*end).min(leave.until);
            let holds = self.warnings.holds(&one.identity, now);
            if !self.warnings.is_due(&one.place, holds, now) {
                continue;
            }
            let (place, until) = (&one.place, leave.until);
            match holds {
                Holds::Fine => {}
                Holds::NotYet => tracing::warn!(target: "relent::tls", certificate = place,
                    from = %leave.from,
                    "the certificate is not valid yet, and clients refuse it: see that this machine's clock \
                     is right, or name one that holds"),
                Holds::EndsSoon => {
                    tracing::warn!(target: "relent::tls", certificate = place, %until,
                    "the certificate ends soon, and nothing has replaced it: renew it; the files are read \
                     anew by themselves");
                }
                Holds::Ended => tracing::error!(target: "relent::tls", certificate = place, %until,
                    "the certificate has ended, and clients refuse it: renew it; the files are read anew \
                     by themselves"),
            }
        }
        for (name, until) in ends {
            #[allow(clippy::cast_precision_loss, reason = "a gauge is a float")]
            let seconds = (until.0 / 1000) as f64;
            metrics::gauge!("relent_certificate_not_after_seconds", "name" => name).set(seconds);
        }
        metrics::gauge!("relent_certificate_faults").set(f64::from(faults));
        self.tell_doubts(hosts);
    }
}

struct One {
    source: &'static str,
    place: String,
    fault: Option<String>,
    identity: std::sync::Arc<Identity>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    const DAY: Duration = Duration::from_secs(24 * 3600);

    fn server(folder: &std::path::Path, days: u8) -> std::sync::Arc<Server> {
        let key = rcgen::KeyPair::generate().expect("a key");
        let mut params =
            rcgen::CertificateParams::new(vec!["relay.example".to_owned()]).expect("names");
        params.not_before = rcgen::date_time_ymd(2026, 1, 1);
        params.not_after = rcgen::date_time_ymd(2026, 1, 1 + days);
        let made = params.self_signed(&key).expect("a certificate");
        std::fs::write(folder.join("c.pem"), made.pem()).expect("written");
        std::fs::write(folder.join("k.pem"), key.serialize_pem()).expect("written");
        let settings = config::Tls {
            certificate: Some(folder.join("c.pem")),
            key: Some(folder.join("k.pem")),
            ..config::Tls::default()
        };
        Server::load(&settings, folder, "relay.example").expect("a pair")
    }

    #[test]
    fn a_certificate_that_ends_is_told_in_time() {
        let folder = tempfile::tempdir().expect("a folder");
        let begin = Timestamp(1_767_225_600_000);
        for (days, day, expected) in [
            (30, 0, Holds::Fine),
            (30, 22, Holds::Fine),
            (30, 23, Holds::EndsSoon),
            (30, 30, Holds::Ended),
            (4, 2, Holds::Fine),
            (4, 3, Holds::EndsSoon),
        ] {
            let held = server(folder.path(), days).held(begin.after(DAY * day));
            assert_eq!(held.len(), 1);
            assert_eq!(held[0].holds, expected, "day {day} of {days}");
            assert_eq!(held[0].source, "file");
        }
        let early = server(folder.path(), 30).held(Timestamp(begin.0 - 1000));
        assert_eq!(early[0].holds, Holds::NotYet);
    }

    #[test]
    fn it_is_said_once_a_day() {
        let warnings = Warnings::new(DAY);
        let now = Timestamp(1_767_225_600_000);
        assert!(warnings.is_due("c.pem", Holds::EndsSoon, now));
        assert!(!warnings.is_due("c.pem", Holds::EndsSoon, now.after(DAY / 2)));
        assert!(warnings.is_due("c.pem", Holds::Ended, now.after(DAY / 2)));
        assert!(warnings.is_due("c.pem", Holds::Ended, now.after(DAY * 2)));
    }
}
