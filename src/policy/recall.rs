//! Stops of dead addresses lifted again, many at a time: what a site's fault has brought into the records
//! before anybody saw it.

use super::change::record;
use super::desk::{Policy, key};
use super::record::{RecipientRecord, Suppression};
use crate::events::record::{Change, Evidence, Reason};
use crate::mail::{AccountId, RecipientHash, Timestamp};
use crate::store::StoreFault;
use std::convert::Infallible;

/// Most records that are looked at, and that are changed, for one page.
const LOOKED_MAX: usize = 2000;

/// Which stops are meant: those of dead addresses.
#[derive(Debug, Clone, Default)]
pub struct Recall {
    /// Of this site.
    pub site: Option<String>,
    /// Made then or later.
    pub since: Option<Timestamp>,
    /// Made before then.
    pub until: Option<Timestamp>,
}

impl Recall {
    fn means(&self, stop: &Suppression) -> bool {
        stop.reason == Reason::HardBounce
            && self.site.as_deref().is_none_or(|site| stop.site.as_deref() == Some(site))
            && self.since.is_none_or(|since| stop.at >= since)
            && self.until.is_none_or(|until| stop.at < until)
    }
}

/// What became of a page of records.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recalled {
    /// How many stops were lifted, or would be.
    pub count: u64,
    /// After which recipient the next page goes on; none where this is the last.
    pub next: Option<RecipientHash>,
}

impl Policy {
    /// Lifts the stops of dead addresses that are meant among a page of an account's records, in one
    /// transaction, each with its event; `evidence` none: only counts them.
    ///
    /// # Errors
    /// The store: then none of the page is lifted.
    pub async fn recall(
        &self,
        account: AccountId,
        recall: &Recall,
        after: Option<RecipientHash>,
        evidence: Option<Evidence>,
    ) -> Result<Recalled, StoreFault> {
        let after = after.map(|hash| key(account, hash));
        let after = after.as_ref().map(<[u8; 20]>::as_slice);
        let prefix = account.0.to_be_bytes();
        let page = self.store.scan::<RecipientRecord>(&prefix, after, LOOKED_MAX)?;
        let is_last = page.len() < LOOKED_MAX;
        let hash_of = |place: &[u8]| place.get(4..)?.try_into().ok().map(RecipientHash);
        let next = page.last().filter(|_| !is_last).and_then(|(place, _)| hash_of(place));
        let mut meant = Vec::new();
        let mut count = 0;
        for (place, kept) in page {
            let found = kept.suppressions.iter().filter(|stop| recall.means(stop)).count();
            count += found as u64;
            meant.extend(hash_of(&place).filter(|_| found > 0));
        }
        let Some(evidence) = evidence.filter(|_| !meant.is_empty()) else {
            return Ok(Recalled { count, next });
        };
        let (recall, now) = (recall.clone(), self.world.clock.now());
        let author = self.author.clone();
        let done = self.store.transact(move |t| {
            let mut count = 0;
            for hash in meant {
                let place = key(account, hash);
                let mut kept = t.get::<RecipientRecord>(&place)?.unwrap_or_default();
                let found: Vec<_> = kept
                    .suppressions
                    .iter()
                    .filter(|stop| recall.means(stop))
                    .map(|stop| (stop.scope, stop.reason))
                    .collect();
                for (scope, reason) in found {
                    kept.take(|stop| stop.scope == scope && stop.reason == reason);
                    let change = Change::Lifted { scope, reason };
                    record((&mut *t, &author), (account, hash), (change, evidence.clone(), now))?;
                    count += 1;
                }
                kept.hard_bounces.clear();
                t.put(&place, &kept);
            }
            Ok(Ok::<_, Infallible>(count))
        });
        let Ok(count) = done.await?;
        Ok(Recalled { count, next })
    }
}
