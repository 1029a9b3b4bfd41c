//! The chain as it is read: one entry, or those that a filter means, newest first.

use super::act::Said;
use super::chain::{Entry, HEAD, Head, Link, Payload, Words};
use crate::mail::{AccountId, Timestamp};
use crate::store::{Store, StoreFault};
use std::time::Duration;

/// Entries read at a time.
const TOGETHER: u64 = 500;
/// Entries looked at for one page, so that none takes long where few are wanted.
const LOOKED_MAX: u64 = 10_000;
/// How far a clock may have been set back between two entries.
const SET_BACK_MAX: Duration = Duration::from_secs(24 * 3600);

/// Which entries are meant; what is not said means all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filter {
    /// Those of this account.
    pub account: Option<AccountId>,
    /// Those by this actor, as [`super::Actor::is`] reads it.
    pub actor: Option<String>,
    /// Those of this kind, `stream.added`, or about things of this kind, `stream`.
    pub kind: Option<String>,
    /// Those written then or later.
    pub since: Option<Timestamp>,
    /// Those written before then.
    pub until: Option<Timestamp>,
}

/// A page of entries.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Page {
    /// The entries, newest first.
    pub entries: Vec<Entry>,
    /// Before which number the next page goes on; none where this is the last.
    pub next: Option<u64>,
}

/// The chain. Cheap to clone.
#[derive(Clone)]
pub struct Audit {
    pub(super) store: Store,
}

impl Filter {
    fn means(&self, entry: &Entry) -> bool {
        let at = entry.link.at;
        if self.since.is_some_and(|since| at < since) || self.until.is_some_and(|until| at >= until)
        {
            return false;
        }
        let Words::Said(said) = &entry.words else {
            return self.account.is_none() && self.actor.is_none() && self.kind.is_none();
        };
        self.account.is_none_or(|account| said.account == account)
            && self.actor.as_ref().is_none_or(|actor| said.by.is(actor))
            && self.kind.as_ref().is_none_or(|kind| {
                said.kind == *kind || said.kind.split('.').next() == Some(kind.as_str())
            })
    }
}

impl Audit {
    /// The chain that lies in this store.
    #[must_use]
    pub fn new(store: Store) -> Self {
        Self { store }
    }

    /// The last link.
    ///
    /// # Errors
    /// The store.
    pub fn head(&self) -> Result<Head, StoreFault> {
        Ok(self.store.get::<Head>(HEAD)?.unwrap_or(Head::beginning()))
    }

    /// An entry by its number.
    ///
    /// # Errors
    /// The store.
    pub fn entry(&self, sequence: u64) -> Result<Option<Entry>, StoreFault> {
        let Some(link) = self.store.get::<Link>(&sequence.to_be_bytes())? else { return Ok(None) };
        Ok(Some(Entry { sequence, link, words: self.words(sequence)? }))
    }

    fn words(&self, sequence: u64) -> Result<Words, StoreFault> {
        Ok(match self.store.get::<Payload>(&sequence.to_be_bytes())? {
            None => Words::Gone,
            Some(Payload::Erased(by)) => Words::Erased(by),
            Some(Payload::Whole { said, .. }) => Words::Said(read(sequence, &said)?),
        })
    }

    /// Up to `limit` entries that are meant, newest first, before the number given. Where few of many are
    /// meant, a page may hold few or none, and still name where the next goes on.
    ///
    /// # Errors
    /// The store.
    pub fn entries(
        &self,
        filter: &Filter,
        before: Option<u64>,
        limit: usize,
    ) -> Result<Page, StoreFault> {
        let end = self.head()?.sequence.saturating_add(1);
        let mut before = before.map_or(end, |before| before.min(end));
        let least = before.saturating_sub(LOOKED_MAX);
        let mut found = Vec::new();
        while before > 1 && before > least {
            let first = before.saturating_sub(TOGETHER).max(1);
            let after = (first - 1).to_be_bytes();
            let count = usize::try_from(before - first).unwrap_or(0);
            let rows = self.store.scan::<Link>(&[], Some(&after), count)?;
            for (place, link) in rows.into_iter().rev() {
                let Some(sequence) = number(&place).filter(|sequence| *sequence < before) else {
                    continue;
                };
                let is_past = |since: Timestamp| link.at.after(SET_BACK_MAX) < since;
                if filter.since.is_some_and(is_past) {
                    return Ok(Page { entries: found, next: None });
                }
                let entry = Entry { sequence, link, words: self.words(sequence)? };
                if filter.means(&entry) {
                    found.push(entry);
                    if found.len() >= limit {
                        let next = (sequence > 1).then_some(sequence);
                        return Ok(Page { entries: found, next });
                    }
                }
            }
            before = first;
        }
        Ok(Page { entries: found, next: (before > 1).then_some(before) })
    }
}

impl Audit {
    /// Up to `limit` entries that are meant, oldest first, after the number given.
    ///
    /// # Errors
    /// The store.
    pub fn entries_after(
        &self,
        filter: &Filter,
        after: u64,
        limit: usize,
    ) -> Result<Page, StoreFault> {
        let (mut last, mut looked, mut found) = (after, 0, Vec::new());
        while looked < LOOKED_MAX {
            let place = last.to_be_bytes();
            let together = usize::try_from(TOGETHER).unwrap_or(usize::MAX);
            let rows = self.store.scan::<Link>(&[], (last > 0).then_some(&place), together)?;
            let is_end = rows.len() < together;
            for (place, link) in rows {
                looked += 1;
                let Some(sequence) = number(&place) else { continue };
                last = sequence;
                let entry = Entry { sequence, link, words: self.words(sequence)? };
                if filter.means(&entry) {
                    found.push(entry);
                    if found.len() >= limit {
                        return Ok(Page { entries: found, next: Some(last) });
                    }
                }
            }
            if is_end {
                return Ok(Page { entries: found, next: None });
            }
        }
        Ok(Page { entries: found, next: Some(last) })
    }
}

/// An entry's number, by where it lies.
pub(super) fn number(place: &[u8]) -> Option<u64> {
    place.try_into().ok().map(u64::from_be_bytes)
}

/// What an entry says.
pub(super) fn read(sequence: u64, said: &str) -> Result<Said, StoreFault> {
    serde_json::from_str(said).map_err(|fault| {
        StoreFault::Damaged(format!("entry {sequence} of the audit chain cannot be read: {fault}"))
    })
}
