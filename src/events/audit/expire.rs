//! Words whose time is over: destroyed a step at a time, with an entry that says so. The links stay.

use super::act::Act;
use super::chain::{Author, Link, Payload};
use super::read::{Audit, number};
use super::verify::{EXPIRY, Expired};
use crate::mail::{AccountId, Timestamp};
use crate::store::StoreFault;
use std::convert::Infallible;

/// Entries whose words are destroyed in one step.
const TOGETHER: usize = 2000;

impl Audit {
    /// Destroys what entries say that were written before a moment, at most a step of it: how many. The chain
    /// stays whole.
    ///
    /// # Errors
    /// The store.
    pub async fn expire(&self, author: &Author, before: Timestamp) -> Result<usize, StoreFault> {
        let author = author.clone();
        let done = self.store.transact(move |t| {
            let through = t.get::<Expired>(Expired::PLACE)?.map_or(0, |expired| expired.through);
            let after = through.to_be_bytes();
            let after = (through > 0).then_some(&after[..]);
            let rows = t.scan::<Link>(&[], after, TOGETHER)?;
            let old = rows.into_iter().take_while(|(_, link)| link.at < before);
            let old: Vec<u64> = old.filter_map(|(place, _)| number(&place)).collect();
            let Some(&last) = old.last() else { return Ok(Ok::<_, Infallible>(0)) };
            for sequence in &old {
                t.remove::<Payload>(&sequence.to_be_bytes());
            }
            let act = Act::new(AccountId::INSTALLATION, EXPIRY).with("through", last);
            let by = author.write(t, act)?;
            t.put(Expired::PLACE, &Expired { through: last, by });
            Ok(Ok(old.len()))
        });
        let Ok(count) = done.await?;
        Ok(count)
    }
}
