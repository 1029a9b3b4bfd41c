//! What is kept in memory of each message with recipients that have not ended: little. A message to
//! one recipient lies there as its record has it and is read when an attempt needs it; one to many
//! stays as it is, since many attempts will.

use super::state::{Then, place};
use crate::events::message::{Accepted, MessageEvent};
use crate::mail::{AccountId, MessageId, RecipientNumber, RefusalClass, StreamId, Timestamp};
use crate::spool::{Record, Sequence};
use slab::Slab;
use std::collections::HashMap;
use std::sync::Arc;

/// A recipient of a message.
pub(super) type Key = (MessageId, u32);

/// Where an item lies: its message's place, and its number there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    entry: u32,
    pub(super) number: u32,
}

impl Place {
    /// The first there can be.
    pub(super) const LEAST: Self = Self { entry: 0, number: 0 };
}

/// Where an item stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stand {
    /// Due or waiting for its time.
    Queued,
    /// Under the lease of this generation.
    Active(u64),
    /// Held by the operator.
    Held,
    /// Ended, as soon as that is written down: no attempt takes it, and no operator's word but a hold
    /// counts, which binds it where its end cannot be written.
    Ending,
}

/// One recipient that has not ended.
pub(super) struct Item {
    pub(super) stand: Stand,
    pub(super) attempts: u32,
    /// Its destination's place.
    pub(super) destination: u32,
    pub(super) next_at: Timestamp,
    pub(super) last: Option<Box<str>>,
    /// What the last refusal was about.
    pub(super) class: Option<RefusalClass>,
    /// Half of the recipient's hash.
    pub(super) person: u64,
    pub(super) then: Option<Then>,
    /// It is under attempt along with another recipient of its message.
    pub(super) is_along: bool,
    /// Its sender has been told that it is late, or does not want to be.
    pub(super) warned: bool,
}

enum Items {
    One(Item),
    Many(Box<[Option<Item>]>),
}

enum Kept {
    Packed(Box<[u8]>),
    Whole(Arc<Accepted>),
}

/// A message with recipients that have not ended.
pub(super) struct Entry {
    pub(super) id: MessageId,
    left: u32,
    pub(super) account: AccountId,
    pub(super) stream: Option<StreamId>,
    /// When it was accepted, in seconds since 1970: an id need not say it.
    accepted: u32,
    sequence: Sequence,
    kept: Kept,
    items: Items,
}

impl Entry {
    /// When it was accepted, to the second.
    pub(super) fn accepted(&self) -> Timestamp {
        Timestamp(u64::from(self.accepted) * 1000)
    }

    /// The message.
    pub(super) fn message(&self) -> Option<Arc<Accepted>> {
        match &self.kept {
            Kept::Whole(message) => Some(message.clone()),
            Kept::Packed(payload) => {
                let (sequence, kind) = (self.sequence, MessageEvent::ACCEPTED);
                let record = Record { sequence, kind, payload: payload.to_vec() };
                match MessageEvent::decode(&record)? {
                    MessageEvent::Accepted(message) => Some(Arc::new(message)),
                    MessageEvent::Recipient { .. } => None,
                }
            }
        }
    }

    pub(super) fn item(&self, number: u32) -> Option<&Item> {
        match &self.items {
            Items::One(item) => (number == 0).then_some(item),
            Items::Many(items) => items.get(number as usize)?.as_ref(),
        }
    }

    /// The numbers of the recipients that have not ended.
    pub(super) fn numbers(&self) -> impl Iterator<Item = u32> {
        let count = match &self.items {
            Items::One(_) => 1,
            Items::Many(items) => items.len(),
        };
        (0..u32::try_from(count).unwrap_or(u32::MAX)).filter(|number| self.item(*number).is_some())
    }
}

/// Whether its sender is to be told that a recipient still waits.
fn wants_warning(message: &Accepted, number: usize) -> bool {
    let number = RecipientNumber(u32::try_from(number).unwrap_or(u32::MAX));
    message.notify(number).delay && message.sender.address().is_some()
}

/// All of them.
#[derive(Default)]
pub(super) struct Shelf {
    entries: Slab<Entry>,
    by_id: HashMap<MessageId, u32>,
    count: u64,
}

impl Shelf {
    /// How many items there are.
    pub(super) fn count(&self) -> u64 {
        self.count
    }

    pub(super) fn entry(&self, id: MessageId) -> Option<&Entry> {
        self.at(*self.by_id.get(&id)?)
    }

    fn at(&self, entry: u32) -> Option<&Entry> {
        self.entries.get(entry as usize)
    }

    /// Where an item lies, if it is there.
    pub(super) fn place(&self, key: Key) -> Option<Place> {
        let entry = *self.by_id.get(&key.0)?;
        self.at(entry)?.item(key.1)?;
        Some(Place { entry, number: key.1 })
    }

    pub(super) fn entry_at(&self, place: Place) -> Option<&Entry> {
        self.at(place.entry)
    }

    /// The item at a place, with its key. Places are used again: what lies there may be another one.
    pub(super) fn item_at(&mut self, place: Place) -> Option<(Key, &mut Item)> {
        let entry = self.entries.get_mut(place.entry as usize)?;
        let item = match &mut entry.items {
            Items::One(item) => (place.number == 0).then_some(item),
            Items::Many(items) => items.get_mut(place.number as usize)?.as_mut(),
        };
        Some(((entry.id, place.number), item?))
    }

    pub(super) fn item(&self, key: Key) -> Option<&Item> {
        self.entry(key.0)?.item(key.1)
    }

    pub(super) fn item_mut(&mut self, key: Key) -> Option<&mut Item> {
        let place = self.place(key)?;
        self.item_at(place).map(|(_, item)| item)
    }

    /// All messages, in no order.
    pub(super) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().map(|(_, entry)| entry)
    }

    /// The messages in so many places from one on, in no order; none: there are no more places.
    pub(super) fn slice(&self, from: usize, count: usize) -> Option<impl Iterator<Item = &Entry>> {
        let end = from.saturating_add(count).min(self.entries.capacity());
        (from < end).then(|| (from..end).filter_map(|at| self.entries.get(at)))
    }

    /// All items, in no order.
    pub(super) fn items(&self) -> impl Iterator<Item = (Key, &Item)> {
        self.entries().flat_map(|entry| {
            entry.numbers().filter_map(|number| Some(((entry.id, number), entry.item(number)?)))
        })
    }

    /// Keeps a message; `destinations` say where each recipient's copy goes, and `record` is what its
    /// record holds, where that gives the message back. The places of its items.
    pub(super) fn add(
        &mut self,
        message: Accepted,
        record: Option<Vec<u8>>,
        sequence: Sequence,
        next_at: Timestamp,
        destinations: &[u32],
    ) -> Vec<Place> {
        let item = |number: usize| Item {
            stand: Stand::Queued,
            attempts: 0,
            destination: destinations[number],
            next_at,
            last: None,
            class: None,
            person: place(message.recipients[number].hash),
            then: None,
            is_along: false,
            warned: !wants_warning(&message, number),
        };
        let left = u32::try_from(destinations.len()).unwrap_or(u32::MAX);
        let items = match left {
            1 => Items::One(item(0)),
            _ => Items::Many((0..destinations.len()).map(|number| Some(item(number))).collect()),
        };
        let (id, account, stream) = (message.id, message.origin.account(), message.origin.stream());
        let accepted = u32::try_from(message.at.seconds()).unwrap_or(u32::MAX);
        let kept = match record.filter(|_| left == 1) {
            Some(payload) => Kept::Packed(payload.into()),
            None => Kept::Whole(Arc::new(message)),
        };
        let entry = Entry { id, left, account, stream, accepted, sequence, kept, items };
        let entry = self.entries.insert(entry);
        let entry = u32::try_from(entry).expect("queue.items_max keeps far below 2^32");
        self.by_id.insert(id, entry);
        self.count += u64::from(left);
        (0..left).map(|number| Place { entry, number }).collect()
    }

    /// Takes an ended item out; and the place in the log of its message, once all of that have ended.
    pub(super) fn end(&mut self, place: Place) -> Option<(Item, Option<Sequence>)> {
        let entry = self.entries.get_mut(place.entry as usize)?;
        if let Items::Many(items) = &mut entry.items
            && entry.left > 1
        {
            let item = items.get_mut(place.number as usize)?.take()?;
            entry.left -= 1;
            self.count -= 1;
            return Some((item, None));
        }
        entry.item(place.number)?;
        let entry = self.entries.remove(place.entry as usize);
        self.by_id.remove(&entry.id);
        self.count -= 1;
        let item = match entry.items {
            Items::One(item) => item,
            Items::Many(items) => items.into_iter().flatten().next()?,
        };
        Some((item, Some(entry.sequence)))
    }
}
