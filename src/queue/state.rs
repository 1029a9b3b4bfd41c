//! What waits, by destination, by time and by person. No I/O, no clock: the moment is handed in.

#[cfg(test)]
mod tests;

use super::lanes::Lanes;
use super::shelf::{Entry, Item, Place, Shelf};
use super::{Limits, Site};
use crate::config::Now;
use crate::events::message::Accepted;
use crate::mail::{AccountId, MessageId, RecipientHash, Timestamp};
use crate::spool::Sequence;
use std::collections::BTreeSet;
use std::sync::Arc;

pub(super) use super::shelf::{Key, Stand};

/// The operator's word for when an attempt ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    /// Due at once.
    Due,
    /// Held.
    Held,
    /// Taken out: it waits, held, for the record that says so.
    Cancelled,
}

/// Items moved from the timer at a time: whoever asks waits for no more of them.
const PROMOTED_MAX: usize = 1000;
/// What has ended meanwhile, passed over at a time.
const PASSED_MAX: usize = 10_000;

pub(super) struct State {
    pub(super) shelf: Shelf,
    pub(super) lanes: Lanes,
    timer: BTreeSet<(Timestamp, Place)>,
    /// Items by recipient.
    pub(super) persons: BTreeSet<(u64, Place)>,
    generation: u64,
    /// The latest moment that was seen since the clock last went back.
    seen: Timestamp,
}

/// Where a recipient's items stand in the index: half of the hash.
pub(super) fn place(hash: RecipientHash) -> u64 {
    u64::from_be_bytes(hash.0[..8].try_into().expect("eight bytes"))
}

impl State {
    /// Nothing waits; the limits as [`Lanes::new`] has them.
    pub(super) fn new(usual: Limits, doubtful_max: impl Into<Now<u32>>) -> Self {
        Self {
            shelf: Shelf::default(),
            lanes: Lanes::new(usual, doubtful_max.into()),
            timer: BTreeSet::new(),
            persons: BTreeSet::new(),
            generation: 0,
            seen: Timestamp(0),
        }
    }

    /// How many items there are.
    pub(super) fn count(&self) -> u64 {
        self.shelf.count()
    }

    pub(super) fn contains(&self, id: MessageId) -> bool {
        self.shelf.entry(id).is_some()
    }

    pub(super) fn message(&self, id: MessageId) -> Option<Arc<Accepted>> {
        self.shelf.entry(id)?.message()
    }

    pub(super) fn item(&self, key: Key) -> Option<&Item> {
        self.shelf.item(key)
    }

    pub(super) fn item_mut(&mut self, key: Key) -> Option<&mut Item> {
        self.shelf.item_mut(key)
    }

    /// Makes a queued item wait until its time.
    pub(super) fn schedule(&mut self, key: Key, at: Timestamp) {
        let Some(place) = self.shelf.place(key) else { return };
        let Some((_, item)) = self.shelf.item_at(place) else { return };
        self.timer.remove(&(item.next_at, place));
        item.stand = Stand::Queued;
        item.next_at = at;
        self.timer.insert((at, place));
    }

    /// Makes a queued item due at once, before what is due already: it was due before.
    pub(super) fn hurry(&mut self, key: Key) {
        let Some(place) = self.shelf.place(key) else { return };
        let account = self.shelf.entry_at(place).map(|entry| entry.account);
        let Some((account, (_, item))) = account.zip(self.shelf.item_at(place)) else { return };
        self.timer.remove(&(item.next_at, place));
        item.stand = Stand::Queued;
        self.lanes.ready(item.destination, account, place, true);
    }

    /// Whether the clock has gone back since this was last asked.
    pub(super) fn has_gone_back(&mut self, now: Timestamp) -> bool {
        let seen = std::mem::replace(&mut self.seen, now);
        if seen > now {
            self.lanes.set_back(seen.since(now));
        }
        seen > now
    }

    /// Has what waits for its next attempt wait no longer than until `latest`; mail for later keeps its
    /// time.
    pub(super) fn draw_near(&mut self, latest: Timestamp) {
        let far: Vec<_> = self.timer.range((latest, Place::LEAST)..).copied().collect();
        for (at, place) in far {
            let message = self.shelf.entry_at(place).and_then(Entry::message);
            let not_before = message.and_then(|message| message.not_before);
            let near = not_before.map_or(latest, |not_before| not_before.max(latest)).min(at);
            if let Some((_, item)) = self.shelf.item_at(place) {
                self.timer.remove(&(at, place));
                item.next_at = near;
                self.timer.insert((near, place));
            }
        }
    }

    /// Moves what is due to its destination's queue, so much at a time; says when the next is due.
    pub(super) fn promote(&mut self, now: Timestamp) -> Option<Timestamp> {
        let opens = self.lanes.wake(now);
        for _ in 0..PROMOTED_MAX {
            let Some((at, place)) = self.timer.first().copied() else { return opens };
            if at > now {
                return Some(opens.map_or(at, |opens| opens.min(at)));
            }
            self.timer.pop_first();
            let account = self.shelf.entry_at(place).map(|entry| entry.account);
            let found = account.zip(self.shelf.item_at(place));
            if let Some((account, (_, item))) = found {
                self.lanes.ready(item.destination, account, place, false);
            }
        }
        Some(now)
    }

    /// The next site in turn with due items and room for a lease.
    pub(super) fn turn(&mut self, now: Timestamp) -> Option<Site> {
        self.lanes.turn(now)
    }

    /// Takes the next due item of a site, as far as its limits let that be.
    pub(super) fn take(&mut self, site: &Site, now: Timestamp) -> Option<(Key, u64)> {
        let at = self.lanes.may(site, now)?;
        for _ in 0..PASSED_MAX {
            let (lane, place) = self.lanes.pop(at)?;
            let Some((key, item)) = self.shelf.item_at(place) else { continue };
            // What is no longer on the timer was due, even where the clock has gone back since.
            let waits = item.next_at > now && self.timer.contains(&(item.next_at, place));
            if item.stand != Stand::Queued || waits || item.destination != lane {
                continue; // taken or ended, and its place perhaps used again
            }
            self.generation += 1;
            item.stand = Stand::Active(self.generation);
            self.lanes.begun(lane);
            self.lanes.paid(at, now);
            return Some((key, self.generation));
        }
        None
    }

    /// Takes an item that is due, wherever it stands in its queue, for the transaction of another. It
    /// counts as no attempt of its destination's.
    pub(super) fn take_along(&mut self, key: Key, now: Timestamp) -> Option<u64> {
        let place = self.shelf.place(key)?;
        let (_, item) = self.shelf.item_at(place)?;
        let waits = item.next_at > now && self.timer.contains(&(item.next_at, place));
        if item.stand != Stand::Queued || waits {
            return None;
        }
        self.generation += 1;
        item.stand = Stand::Active(self.generation);
        item.is_along = true;
        Some(self.generation)
    }

    /// Holds an item, or has it held when its attempt ends; false where nothing changes.
    pub(super) fn hold(&mut self, key: Key) -> bool {
        let Some(item) = self.item_mut(key) else {
            return false;
        };
        match item.stand {
            Stand::Queued => item.stand = Stand::Held,
            Stand::Active(_) | Stand::Ending
                if !matches!(item.then, Some(Then::Held | Then::Cancelled)) =>
            {
                item.then = Some(Then::Held);
            }
            _ => return false,
        }
        true
    }

    /// Whether an item is held, or will be when its attempt ends.
    pub(super) fn is_held(&self, key: Key) -> bool {
        self.item(key).is_some_and(|item| match item.stand {
            Stand::Held => item.then != Some(Then::Cancelled),
            Stand::Active(_) | Stand::Ending => item.then == Some(Then::Held),
            Stand::Queued => false,
        })
    }

    /// Lets a held item go.
    pub(super) fn release(&mut self, key: Key, now: Timestamp) {
        if !self.is_held(key) {
            return;
        }
        let stand = self.item(key).map(|item| item.stand);
        if stand == Some(Stand::Held) {
            let at = self.wanted(key).map_or(now, |at| at.max(now));
            self.schedule(key, at);
        }
        if let Some(item) = self.item_mut(key) {
            item.then = None;
        }
    }

    /// Before when an item's sender wants it not to leave.
    pub(super) fn wanted(&self, key: Key) -> Option<Timestamp> {
        self.message(key.0)?.not_before
    }

    /// Takes an item that no attempt holds, so that its end can be written: where it stood, and after how
    /// many attempts.
    pub(super) fn claim(&mut self, key: Key) -> Option<(Stand, u32)> {
        let item = self.item_mut(key)?;
        match item.stand {
            Stand::Active(_) | Stand::Ending => None,
            Stand::Queued | Stand::Held => {
                Some((std::mem::replace(&mut item.stand, Stand::Ending), item.attempts))
            }
        }
    }

    /// Puts an item back whose end could not be written.
    pub(super) fn unclaim(&mut self, key: Key, stood: Stand) {
        let Some(item) = self.item_mut(key) else { return };
        if item.stand != Stand::Ending {
            return;
        }
        let (next_at, is_held) = (item.next_at, item.then == Some(Then::Held));
        item.stand = stood;
        if is_held {
            (item.stand, item.then) = (Stand::Held, None);
        } else if stood == Stand::Queued {
            self.schedule(key, next_at);
        }
    }

    /// Ends the lease of this generation; false if it is not the item's.
    pub(super) fn give_back(&mut self, key: Key, generation: u64) -> bool {
        let Some(item) = self.item_mut(key) else {
            return false;
        };
        if item.stand != Stand::Active(generation) {
            return false;
        }
        item.stand = Stand::Queued;
        let (at, is_along) = (item.destination, std::mem::take(&mut item.is_along));
        if !is_along {
            self.lanes.returned(at);
        }
        true
    }

    /// Gives what a lease took of its site's pace to another, where it is the item's.
    pub(super) fn refund(&mut self, key: Key, generation: u64) {
        if let Some(item) = self.shelf.item(key)
            && item.stand == Stand::Active(generation)
            && !item.is_along
        {
            self.lanes.refund(item.destination);
        }
    }

    /// The first in a line goes to its end, unless its item is no longer there or has come to wait elsewhere;
    /// the item, where it waits.
    pub(super) fn rotate(&mut self, lane: u32, account: AccountId) -> Option<Option<(Key, &Item)>> {
        let place = self.lanes.first(lane, account)?;
        let waiting = self
            .shelf
            .item_at(place)
            .filter(|(_, item)| item.stand == Stand::Queued && item.destination == lane);
        let found = waiting.map(|(key, item)| (key, (item.next_at, place)));
        // What is on the timer comes back to the line by it.
        let stays = found.is_some_and(|(_, timed)| !self.timer.contains(&timed));
        self.lanes.rotate(lane, account, stays);
        Some(found.and_then(|(key, _)| self.shelf.item(key).map(|item| (key, item))))
    }

    /// Removes an ended item; the message's place in the log once all its recipients have ended.
    pub(super) fn end(&mut self, key: Key) -> Option<Sequence> {
        let place = self.shelf.place(key)?;
        let (item, sequence) = self.shelf.end(place)?;
        self.timer.remove(&(item.next_at, place));
        self.persons.remove(&(item.person, place));
        let was_active = matches!(item.stand, Stand::Active(_)) && !item.is_along;
        self.lanes.ended(item.destination, was_active);
        sequence
    }

    /// Adds a message whose recipients are due at `now`, or later where it says so; false where it is
    /// there already. `record` as [`Shelf::add`] has it.
    pub(super) fn add(
        &mut self,
        message: Accepted,
        record: Option<Vec<u8>>,
        sequence: Sequence,
        now: Timestamp,
    ) -> bool {
        if self.contains(message.id) {
            return false;
        }
        let next_at = message.not_before.map_or(now, |at| at.max(now));
        let persons: Vec<_> = message.recipients.iter().map(|to| place(to.hash)).collect();
        let to: Vec<_> =
            message.recipients.iter().map(|to| self.lanes.going_to(to.address.domain())).collect();
        let account = message.origin.account();
        let places = self.shelf.add(message, record, sequence, next_at, &to);
        for ((place, person), lane) in places.into_iter().zip(persons).zip(to) {
            if next_at > now {
                self.timer.insert((next_at, place));
            } else {
                self.lanes.ready(lane, account, place, false);
            }
            self.persons.insert((person, place));
        }
        true
    }
}
