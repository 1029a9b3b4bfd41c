//! What waits, by message, by destination and by time. No I/O, no clock: the moment is handed in.

use super::Selector;
use crate::events::message::Accepted;
use crate::mail::{Domain, MessageId, RecipientHash, Timestamp};
use crate::spool::Sequence;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

/// A recipient of a message.
pub(super) type Key = (MessageId, u32);

/// Where an item stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stand {
    /// Due or waiting for its time.
    Queued,
    /// Under the lease of this generation.
    Active(u64),
    /// Held by the operator.
    Held,
}

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

/// One recipient that has not ended.
pub(super) struct Item {
    pub(super) stand: Stand,
    pub(super) attempts: u32,
    pub(super) next_at: Timestamp,
    pub(super) last: Option<Box<str>>,
    pub(super) then: Option<Then>,
}

/// A message with recipients that have not ended.
pub(super) struct Entry {
    pub(super) message: Arc<Accepted>,
    pub(super) sequence: Sequence,
    pub(super) left: usize,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) messages: HashMap<MessageId, Entry>,
    pub(super) items: BTreeMap<Key, Item>,
    ready: HashMap<Domain, VecDeque<Key>>,
    turns: VecDeque<Domain>,
    active: HashMap<Domain, u32>,
    timer: BTreeSet<(Timestamp, Key)>,
    /// Items by recipient: half of the hash, so that it takes 24 bytes an item.
    places: BTreeSet<(u64, Key)>,
    generation: u64,
}

/// Where a recipient's items stand in the index.
fn place(hash: RecipientHash) -> u64 {
    u64::from_be_bytes(hash.0[..8].try_into().expect("eight bytes"))
}

impl State {
    pub(super) fn domain(&self, key: Key) -> Option<Domain> {
        let entry = self.messages.get(&key.0)?;
        let recipient = entry.message.recipients.get(key.1 as usize)?;
        Some(recipient.address.domain().clone())
    }

    /// Makes a queued item wait until its time.
    pub(super) fn schedule(&mut self, key: Key, at: Timestamp) {
        if let Some(item) = self.items.get_mut(&key) {
            self.timer.remove(&(item.next_at, key));
            item.stand = Stand::Queued;
            item.next_at = at;
            self.timer.insert((at, key));
        }
    }

    /// Moves what is due to its destination's queue; says when the next is due.
    pub(super) fn promote(&mut self, now: Timestamp) -> Option<Timestamp> {
        while let Some((at, key)) = self.timer.first().copied() {
            if at > now {
                return Some(at);
            }
            self.timer.pop_first();
            if let Some(domain) = self.domain(key) {
                if !self.ready.contains_key(&domain) {
                    self.turns.push_back(domain.clone());
                }
                self.ready.entry(domain).or_default().push_back(key);
            }
        }
        None
    }

    /// The next destination in turn with due items and room for a lease.
    pub(super) fn turn(&mut self, per_domain_max: u32) -> Option<Domain> {
        for _ in 0..self.turns.len() {
            let domain = self.turns.pop_front()?;
            let waits = self.ready.get(&domain).is_some_and(|q| !q.is_empty());
            if !waits {
                self.ready.remove(&domain);
                continue;
            }
            self.turns.push_back(domain.clone());
            if self.active.get(&domain).copied().unwrap_or(0) < per_domain_max {
                return Some(domain);
            }
        }
        None
    }

    /// Takes the next due item of a destination.
    pub(super) fn take(&mut self, domain: &Domain, now: Timestamp) -> Option<(Key, u64)> {
        loop {
            let key = self.ready.get_mut(domain)?.pop_front()?;
            let Some(item) = self.items.get_mut(&key) else {
                continue;
            };
            if item.stand != Stand::Queued || item.next_at > now {
                continue;
            }
            self.generation += 1;
            item.stand = Stand::Active(self.generation);
            *self.active.entry(domain.clone()).or_default() += 1;
            return Some((key, self.generation));
        }
    }

    /// Holds an item, or has it held when its attempt ends; false where nothing changes.
    pub(super) fn hold(&mut self, key: Key) -> bool {
        let Some(item) = self.items.get_mut(&key) else {
            return false;
        };
        match item.stand {
            Stand::Queued => item.stand = Stand::Held,
            Stand::Active(_) if !matches!(item.then, Some(Then::Held | Then::Cancelled)) => {
                item.then = Some(Then::Held);
            }
            _ => return false,
        }
        true
    }

    /// Whether an item is held, or will be when its attempt ends.
    pub(super) fn is_held(&self, key: Key) -> bool {
        self.items.get(&key).is_some_and(|item| match item.stand {
            Stand::Held => item.then != Some(Then::Cancelled),
            Stand::Active(_) => item.then == Some(Then::Held),
            Stand::Queued => false,
        })
    }

    /// Lets a held item go.
    pub(super) fn release(&mut self, key: Key, now: Timestamp) {
        if !self.is_held(key) {
            return;
        }
        let stand = self.items.get(&key).map(|item| item.stand);
        if stand == Some(Stand::Held) {
            self.schedule(key, now);
        }
        if let Some(item) = self.items.get_mut(&key) {
            item.then = None;
        }
    }

    /// Ends the lease of this generation; false if it is not the item's.
    pub(super) fn give_back(&mut self, key: Key, generation: u64) -> bool {
        let Some(item) = self.items.get_mut(&key) else {
            return false;
        };
        if item.stand != Stand::Active(generation) {
            return false;
        }
        item.stand = Stand::Queued;
        if let Some(domain) = self.domain(key)
            && let Some(count) = self.active.get_mut(&domain)
        {
            *count = count.saturating_sub(1);
            if *count == 0 {
                self.active.remove(&domain);
            }
        }
        true
    }

    /// Removes an ended item; the message's place in the log once all its recipients have ended.
    pub(super) fn end(&mut self, key: Key) -> Option<Sequence> {
        let item = self.items.remove(&key)?;
        self.timer.remove(&(item.next_at, key));
        let entry = self.messages.get_mut(&key.0)?;
        if let Some(to) = entry.message.recipients.get(key.1 as usize) {
            self.places.remove(&(place(to.hash), key));
        }
        entry.left = entry.left.saturating_sub(1);
        if entry.left > 0 {
            return None;
        }
        self.messages.remove(&key.0).map(|entry| entry.sequence)
    }

    /// Adds a message whose recipients are due at `now`, or later where it says so.
    pub(super) fn add(&mut self, message: Arc<Accepted>, sequence: Sequence, now: Timestamp) {
        let id = message.id;
        let left = message.recipients.len();
        let next_at = message.not_before.map_or(now, |at| at.max(now));
        for (number, to) in (0..).zip(&message.recipients) {
            let item = Item { stand: Stand::Queued, attempts: 0, next_at, last: None, then: None };
            self.items.insert((id, number), item);
            self.timer.insert((next_at, (id, number)));
            self.places.insert((place(to.hash), (id, number)));
        }
        self.messages.insert(id, Entry { message, sequence, left });
    }

    /// Items that a command means, at most `limit`.
    pub(super) fn select(&self, selector: &Selector, limit: usize) -> Vec<Key> {
        let means = |key: &Key| {
            let Some(entry) = self.messages.get(&key.0) else {
                return false;
            };
            let (message, to) = (&entry.message, &entry.message.recipients[key.1 as usize]);
            match selector {
                Selector::All => true,
                Selector::Message(id) => *id == key.0,
                Selector::Recipient(account, hash) => {
                    message.origin.account() == *account && to.hash == *hash
                }
                Selector::Address(address) => to.address.normal() == address.normal(),
                Selector::Domain(domain) => to.address.domain() == domain,
                Selector::Account(account) => message.origin.account() == *account,
                Selector::Stream(stream) => message.origin.stream() == Some(*stream),
            }
        };
        let (least, most) = ((MessageId([0; 12]), 0), (MessageId([0xFF; 12]), u32::MAX));
        match selector {
            // Every stop asks for a recipient: that must not walk the queue.
            Selector::Recipient(_, hash) => {
                let at = place(*hash);
                let keys = self.places.range((at, least)..=(at, most)).map(|(_, key)| key);
                keys.filter(|key| means(key)).take(limit).copied().collect()
            }
            Selector::Message(id) => {
                let keys = self.items.range((*id, 0)..=(*id, u32::MAX)).map(|(key, _)| key);
                keys.take(limit).copied().collect()
            }
            _ => self.items.keys().filter(|key| means(key)).take(limit).copied().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::message::{Origin, Recipient};
    use crate::mail::{AccountId, Address, ReversePath};
    use crate::spool::Body;

    fn message(id: u8, to: &str) -> Arc<Accepted> {
        Arc::new(Accepted {
            id: MessageId([id; 12]),
            origin: Origin::Letter { account: AccountId(1), stream: None },
            sender: ReversePath::Null,
            recipients: vec![Recipient {
                address: Address::parse(to).expect("an address"),
                hash: RecipientHash([0; 16]),
            }],
            body: Body::default(),
            at: Timestamp(0),
            from: None,
            smtputf8: false,
            eight_bit: false,
            refused: Vec::new(),
            not_before: None,
        })
    }

    #[test]
    fn a_dead_domain_does_not_block_another_and_retries_wait_their_time() {
        let mut state = State::default();
        state.add(message(1, "a@dead.example"), Sequence(1), Timestamp(5));
        state.add(message(2, "b@dead.example"), Sequence(2), Timestamp(5));
        state.add(message(3, "c@live.example"), Sequence(3), Timestamp(5));
        assert_eq!(state.promote(Timestamp(5)), None);
        let dead = Domain::parse("dead.example").expect("a domain");
        let live = Domain::parse("live.example").expect("a domain");
        let (key, generation) = state.take(&dead, Timestamp(5)).expect("due");
        assert_eq!(state.turn(1), Some(live.clone()));
        assert_eq!(state.turn(1), Some(live));
        assert!(!state.give_back(key, generation + 9), "not its lease");
        assert!(state.give_back(key, generation));
        state.schedule(key, Timestamp(99));
        assert_eq!(state.promote(Timestamp(98)), Some(Timestamp(99)));
        assert_ne!(state.take(&dead, Timestamp(98)).map(|(k, _)| k), Some(key));
        assert_eq!(state.promote(Timestamp(99)), None);
        assert_eq!(state.take(&dead, Timestamp(99)).map(|(k, _)| k), Some(key));
        assert_eq!(state.end(key), Some(Sequence(1)));
    }

    #[test]
    fn a_recipient_is_found_without_a_walk_and_only_in_its_account() {
        let mut state = State::default();
        for id in 1..=3 {
            state.add(message(id, "a@one.example"), Sequence(u64::from(id)), Timestamp(5));
        }
        let key = (MessageId([2; 12]), 0);
        let found = |state: &State, account| {
            let hash = RecipientHash([0; 16]);
            state.select(&Selector::Recipient(AccountId(account), hash), usize::MAX)
        };
        assert_eq!(found(&state, 1).len(), 3);
        assert_eq!(found(&state, 2), []);
        assert_eq!(state.select(&Selector::Message(key.0), 9), [key]);
        state.end(key);
        assert_eq!(found(&state, 1).len(), 2);
        assert_eq!(state.places.len(), 2);
        let other = RecipientHash([0, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(state.select(&Selector::Recipient(AccountId(1), other), 9), []);
    }
}
