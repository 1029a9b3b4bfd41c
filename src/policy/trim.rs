//! What is kept of records for a time only: events of what changed, and from which address on the network a
//! wish came. A step at a time, so that nobody waits for it.

use super::change::never;
use super::desk::{Policy, key};
use super::record::{History, RecipientRecord};
use crate::events::record::{Evidence, RecordEvent};
use crate::mail::Timestamp;
use crate::store::{Record, StoreFault, Table, Transaction};
use serde::{Deserialize, Serialize};
use std::convert::Infallible;

/// Rows looked at in one step.
const TOGETHER: usize = 1000;

/// How far one kind of thing was trimmed: the last event.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Trimmed(u64);

impl Record for Trimmed {
    const TABLE: Table = Table::Meta;
}

/// What is trimmed of events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trim {
    /// The event itself.
    Events,
    /// The address on the network that it came from.
    Ips,
}

impl Trim {
    const fn place(self) -> &'static [u8] {
        match self {
            Self::Events => b"trim/events",
            Self::Ips => b"trim/ips",
        }
    }
}

fn without_ip(evidence: &mut Evidence) -> bool {
    evidence.ip.take().is_some()
}

fn trim(t: &mut Transaction<'_>, what: Trim, mut event: RecordEvent) -> Result<(), StoreFault> {
    let place = event.sequence.to_be_bytes();
    match what {
        Trim::Events => {
            t.remove::<RecordEvent>(&place);
            let told = [&key(event.account, event.hash)[..], &place].concat();
            // The entry of the audit chain has a time of its own, and is found by this until then.
            if t.get::<History>(&told)?.is_some_and(|told| told.entry.is_none()) {
                t.remove::<History>(&told);
            }
        }
        Trim::Ips => {
            if without_ip(&mut event.evidence) {
                t.put(&place, &event);
            }
        }
    }
    Ok(())
}

impl Policy {
    /// Trims events from before a moment, at most a step of them: how many were looked at.
    ///
    /// # Errors
    /// The store.
    pub async fn trim_events(&self, what: Trim, before: Timestamp) -> Result<usize, StoreFault> {
        let done = self.store.transact(move |t| {
            let past = t.get::<Trimmed>(what.place())?.map_or(0, |trimmed| trimmed.0);
            let after = past.to_be_bytes();
            let after = (past > 0).then_some(&after[..]);
            let rows = t.scan::<RecordEvent>(&[], after, TOGETHER)?;
            let old: Vec<_> = rows.into_iter().take_while(|(_, e)| e.at < before).collect();
            let count = old.len();
            for (_, event) in old {
                t.put(what.place(), &Trimmed(event.sequence));
                trim(t, what, event)?;
            }
            Ok(Ok::<_, Infallible>(count))
        });
        Ok(never(done.await?))
    }

    /// Trims addresses on the network from stops and consents from before a moment, in a page of records after
    /// a key; after which key the next goes on.
    ///
    /// # Errors
    /// The store.
    pub async fn trim_records(
        &self,
        before: Timestamp,
        after: Option<Vec<u8>>,
    ) -> Result<Option<Vec<u8>>, StoreFault> {
        let rows = self.store.scan::<RecipientRecord>(&[], after.as_deref(), TOGETHER)?;
        let next = rows.last().filter(|_| rows.len() >= TOGETHER).map(|(place, _)| place.clone());
        let is_old = |at: Timestamp, evidence: &Evidence| at < before && evidence.ip.is_some();
        let has_old = |kept: &RecipientRecord| {
            kept.suppressions.iter().any(|s| is_old(s.at, &s.evidence))
                || kept.consents.iter().any(|c| is_old(c.at, &c.evidence))
                || kept.replaced.iter().any(|(_, s)| is_old(s.at, &s.evidence))
        };
        let found: Vec<_> =
            rows.into_iter().filter(|(_, kept)| has_old(kept)).map(|(place, _)| place).collect();
        if found.is_empty() {
            return Ok(next);
        }
        let done = self.store.transact(move |t| {
            for place in found {
                let Some(mut kept) = t.get::<RecipientRecord>(&place)? else { continue };
                let stops = kept.suppressions.iter_mut();
                let stops = stops.chain(kept.replaced.iter_mut().map(|(_, stop)| stop));
                let stops = stops.map(|stop| (stop.at, &mut stop.evidence));
                let consents = kept.consents.iter_mut().map(|c| (c.at, &mut c.evidence));
                for (at, evidence) in stops.chain(consents) {
                    if at < before {
                        without_ip(evidence);
                    }
                }
                t.put(&place, &kept);
            }
            Ok(Ok::<_, Infallible>(()))
        });
        never(done.await?);
        Ok(next)
    }
}

#[cfg(test)]
mod tests {
    use super::super::Subject;
    use super::super::tests::{evidence, rig, someone};
    use super::*;
    use crate::events::record::{Reason, Scope, Source};

    #[tokio::test]
    async fn what_is_older_than_it_may_be_goes_and_the_stop_stays() {
        let home = tempfile::tempdir().expect("a folder");
        let (_, policy, stream) = rig(home.path()).await;
        let him = || Subject::Address(someone());
        let said = Evidence { ip: Some("192.0.2.7".into()), ..evidence(Source::OneClick) };
        let stop = (Scope::Account, Reason::OptOut);
        let done = policy.suppress(stream.account, him(), stop.0, stop.1, said.clone());
        done.await.expect("store");
        policy.grant(&stream, &someone(), Timestamp(9), said).await.expect("store");
        let ips = || {
            let view = policy.view(stream.account, &him()).expect("store");
            let stops = view.suppressions.into_iter().map(|s| s.evidence.ip);
            let consents = view.consents.into_iter().map(|c| c.evidence.ip);
            let events = policy.history(stream.account, &him(), 9).expect("store");
            let events = events.into_iter().map(|e| e.evidence.ip);
            stops.chain(consents).chain(events).flatten().count()
        };
        let soon = policy.world.clock.now().after(std::time::Duration::from_secs(5));
        assert_eq!(policy.trim_events(Trim::Ips, Timestamp(1)).await.expect("store"), 0);
        // The consent says when it was given: long ago.
        assert_eq!(policy.trim_records(Timestamp(1), None).await.expect("store"), None);
        assert_eq!(ips(), 4);
        assert_eq!(policy.trim_events(Trim::Ips, soon).await.expect("store"), 2);
        assert_eq!(policy.trim_events(Trim::Ips, soon).await.expect("store"), 0, "once is enough");
        assert_eq!(policy.trim_records(soon, None).await.expect("store"), None);
        assert_eq!(ips(), 0);
        assert_eq!(policy.trim_events(Trim::Events, soon).await.expect("store"), 2);
        assert_eq!(policy.history(stream.account, &him(), 9).expect("store").len(), 0);
        assert_eq!(policy.entries(stream.account, &him(), 9).expect("store").len(), 2);
        let view = policy.view(stream.account, &him()).expect("store");
        assert_eq!(view.suppressions.len(), 1);
    }
}
