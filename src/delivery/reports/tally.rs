//! Results of TLS by day, domain and policy: counted in memory, saved now and then, read back at a start.

use super::super::security::{Breach, Denied, DomainRule, HostRule, PolicyFault, PolicyKind};
use crate::config::{self, Section};
use crate::mail::Domain;
use crate::store::{Record, Store, StoreFault, Table};
use crate::world::World;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::convert::Infallible;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Records read at a time.
const PAGE: usize = 500;
/// Longest text about a failure that is kept, in bytes.
const TEXT_MAX: usize = 200;
/// Most lines of a policy that are kept, and of mail hosts that it names.
const LINES_MAX: usize = 50;

/// One connection's result.
pub(in crate::delivery) struct Counted<'a> {
    pub(in crate::delivery) domain: &'a Domain,
    pub(in crate::delivery) rule: &'a HostRule,
    /// How it fell short; none where it did not.
    pub(in crate::delivery) failed: Option<&'a Breach>,
    /// The mail server.
    pub(in crate::delivery) host: &'a str,
    pub(in crate::delivery) to: IpAddr,
    /// Our end.
    pub(in crate::delivery) here: Option<IpAddr>,
}

/// A kind of failure.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) struct Failure {
    /// As RFC 8460 §4.3 names it.
    pub(super) kind: String,
    pub(super) host: Option<String>,
    pub(super) to: Option<IpAddr>,
    pub(super) here: Option<IpAddr>,
}

/// What is counted under one policy.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Counts {
    /// The policy, line by line.
    pub(super) policy: Vec<String>,
    /// The mail hosts that it names.
    pub(super) patterns: Vec<String>,
    pub(super) successes: u64,
    /// Each with its count, and what was said of the first.
    pub(super) failures: BTreeMap<Failure, (u64, String)>,
}

/// A domain's day.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Day {
    pub(super) policies: BTreeMap<PolicyKind, Counts>,
    /// Who of those that the domain names has the report already.
    pub(super) told: BTreeSet<String>,
}

/// A day as version 1 has it.
#[derive(Serialize, Deserialize)]
struct Untold {
    policies: BTreeMap<PolicyKind, Counts>,
}

impl Record for Day {
    const TABLE: Table = Table::TlsTally;
    const VERSION: u8 = 2;

    fn decode_old(version: u8, bytes: &[u8]) -> Option<Self> {
        let old: Untold = (version == 1).then(|| postcard::from_bytes(bytes).ok())??;
        Some(Self { policies: old.policies, told: BTreeSet::new() })
    }
}

/// A day and a domain: `2026-11-26/example.com`.
pub(super) type Key = String;

struct Entry {
    day: Day,
    is_saved: bool,
}

/// All that is counted.
pub(in crate::delivery) struct Tally {
    settings: Section<config::TlsReports>,
    store: Store,
    world: World,
    open: Mutex<HashMap<Key, Entry>>,
}

impl Tally {
    pub(in crate::delivery) fn new(
        settings: impl Into<Section<config::TlsReports>>,
        store: Store,
        world: World,
    ) -> Arc<Self> {
        Arc::new(Self { settings: settings.into(), store, world, open: Mutex::default() })
    }

    /// Counts a connection.
    pub(in crate::delivery) fn count(&self, result: &Counted<'_>) {
        let rule = result.rule;
        let failed = result.failed.map(|breach| {
            let (kind, host) = (breach.failure.to_owned(), Some(result.host.to_owned()));
            (Failure { kind, host, to: Some(result.to), here: result.here }, breach.text.as_str())
        });
        self.add(result.domain, rule.kind, (&rule.policy, &rule.patterns), failed);
    }

    /// Counts a host that a policy keeps from being connected to.
    pub(in crate::delivery) fn denied(&self, rule: &DomainRule, host: &str, denied: &Denied) {
        let (kind, host) = (denied.failure.to_owned(), Some(host.to_owned()));
        let failure = Failure { kind, host, to: None, here: None };
        let (mut policy, mut patterns) = (Vec::new(), Vec::new());
        if let (Some((found, text)), PolicyKind::Sts) = (&rule.sts, denied.kind) {
            policy = text.lines().map(str::to_owned).collect();
            patterns.clone_from(&found.hosts);
        }
        let about = (policy.as_slice(), patterns.as_slice());
        self.add(&rule.domain, denied.kind, about, Some((failure, &denied.text)));
    }

    /// Counts a policy that was not had.
    pub(in crate::delivery) fn unfetched(&self, domain: &Domain, fault: &PolicyFault) {
        let kind = match fault {
            PolicyFault::Fetch(_) => "sts-policy-fetch-error",
            PolicyFault::Untrusted(_) => "sts-webpki-invalid",
            PolicyFault::Invalid(_) => "sts-policy-invalid",
        };
        let failure = Failure { kind: kind.into(), host: None, to: None, here: None };
        self.add(domain, PolicyKind::Sts, (&[], &[]), Some((failure, &fault.to_string())));
    }

    fn open(&self) -> MutexGuard<'_, HashMap<Key, Entry>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(
        &self,
        domain: &Domain,
        kind: PolicyKind,
        (policy, patterns): (&[String], &[String]),
        failed: Option<(Failure, &str)>,
    ) {
        if !self.settings.enabled {
            return;
        }
        let key = format!("{}/{domain}", self.world.clock.now().date());
        let mut open = self.open();
        if !open.contains_key(&key) {
            if open.len() >= self.settings.domains_max as usize {
                return;
            }
            // What was counted before a restart; records that cannot be read now lose a day's figures at most.
            let known = self.store.get::<Day>(key.as_bytes()).ok().flatten();
            open.insert(key.clone(), Entry { day: known.unwrap_or_default(), is_saved: true });
        }
        let Some(entry) = open.get_mut(&key) else { return };
        entry.is_saved = false;
        let counts = entry.day.policies.entry(kind).or_default();
        if counts.policy.is_empty() {
            counts.policy = policy.iter().take(LINES_MAX).cloned().collect();
            counts.patterns = patterns.iter().take(LINES_MAX).cloned().collect();
        }
        let Some((failure, text)) = failed else {
            counts.successes += 1;
            return;
        };
        let most = self.settings.failures_max as usize;
        let is_full = counts.failures.len() >= most;
        if let Some((count, _)) = counts.failures.get_mut(&failure) {
            *count += 1;
        } else if !is_full {
            let mut text = text.to_owned();
            text.truncate(text.floor_char_boundary(TEXT_MAX));
            counts.failures.insert(failure, (1, text));
        } else if let Some((count, _)) = counts.failures.values_mut().next() {
            // One of the many stands for what is left over, so that the sum is right.
            *count += 1;
        }
    }

    /// Makes what was counted durable, and lets go of days that are over.
    pub(in crate::delivery) async fn save(&self) {
        let today = self.world.clock.now().date();
        let changed: Vec<(Key, Day)> = {
            let mut open = self.open();
            let changed = open.iter_mut().filter(|(_, entry)| !entry.is_saved);
            let changed = changed.map(|(key, entry)| {
                entry.is_saved = true;
                (key.clone(), entry.day.clone())
            });
            let changed = changed.collect();
            open.retain(|key, _| key.starts_with(&today));
            changed
        };
        if changed.is_empty() {
            return;
        }
        let kept = changed.clone();
        let written = self.store.transact(move |t| {
            changed.iter().for_each(|(key, day)| t.put(key.as_bytes(), day));
            Ok(Ok::<_, Infallible>(()))
        });
        if let Err(fault) = written.await {
            tracing::warn!(target: "relent::delivery", %fault, "results of TLS are not saved");
            let mut open = self.open();
            for (key, day) in kept {
                open.entry(key).or_insert(Entry { day, is_saved: false }).is_saved = false;
            }
        }
    }

    /// The days before today that were not reported yet, oldest first, after `after`.
    ///
    /// # Errors
    /// The store.
    pub(super) fn past(&self, after: Option<&Key>) -> Result<Vec<(Key, Day)>, StoreFault> {
        let today = self.world.clock.now().date();
        let page = self.store.scan::<Day>(&[], after.map(String::as_bytes), PAGE)?;
        let named =
            page.into_iter().filter_map(|(key, day)| Some((String::from_utf8(key).ok()?, day)));
        Ok(named.take_while(|(key, _)| *key < today).collect())
    }

    /// Keeps a day that is over, and who has been told of it.
    pub(super) async fn keep(&self, key: Key, day: Day) {
        let written = self.store.transact(move |t| {
            t.put(key.as_bytes(), &day);
            Ok(Ok::<_, Infallible>(()))
        });
        if let Err(fault) = written.await {
            tracing::warn!(target: "relent::delivery", %fault, "a TLS report may be sent twice");
        }
    }

    /// Forgets a day of a domain.
    pub(super) async fn forget(&self, key: Key) {
        let removed = self.store.transact(move |t| {
            t.remove::<Day>(key.as_bytes());
            Ok(Ok::<_, Infallible>(()))
        });
        if let Err(fault) = removed.await {
            tracing::warn!(target: "relent::delivery", %fault, "a TLS report may be sent twice");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_of_an_earlier_version_has_been_told_to_nobody() {
        let counts = Counts { successes: 3, ..Counts::default() };
        let old = Untold { policies: BTreeMap::from([(PolicyKind::Sts, counts)]) };
        let bytes = postcard::to_allocvec(&old).expect("encoded");
        let day = Day::decode_old(1, &bytes).expect("a day");
        assert_eq!(day.policies[&PolicyKind::Sts].successes, 3);
        assert!(day.told.is_empty() && Day::decode_old(3, &bytes).is_none());
    }
}
