//! What waits, by destination, by time and by person. No I/O, no clock: the moment is handed in.

use super::Selector;
use super::shelf::{Entry, Item, Place, Shelf};
use crate::events::message::Accepted;
use crate::mail::{AccountId, Domain, MessageId, RecipientHash, Timestamp};
use crate::spool::Sequence;
use slab::Slab;
use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
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

/// A destination to which something goes.
struct Destination {
    domain: Domain,
    /// What is due, oldest first. Some of it may have ended meanwhile.
    ready: VecDeque<Place>,
    active: u32,
    items: u64,
    /// Whether it waits for its turn.
    turns: bool,
    /// No server of it could be reached: one attempt at a time finds out whether that has changed.
    is_narrow: bool,
}

#[derive(Default)]
pub(super) struct State {
    shelf: Shelf,
    destinations: Slab<Destination>,
    by_domain: HashMap<Domain, u32>,
    turns: VecDeque<u32>,
    timer: BTreeSet<(Timestamp, Place)>,
    /// Items by recipient.
    persons: BTreeSet<(u64, Place)>,
    generation: u64,
    /// The latest moment that was seen since the clock last went back.
    seen: Timestamp,
}

/// Where a recipient's items stand in the index: half of the hash.
pub(super) fn place(hash: RecipientHash) -> u64 {
    u64::from_be_bytes(hash.0[..8].try_into().expect("eight bytes"))
}

impl State {
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

    pub(super) fn items(&self) -> impl Iterator<Item = (Key, &Item)> {
        self.shelf.items()
    }

    /// The destinations and what goes to each.
    pub(super) fn destinations(&self) -> impl Iterator<Item = (&Domain, u64)> {
        self.destinations.iter().map(|(_, to)| (&to.domain, to.items))
    }

    fn destination(&mut self, at: u32) -> Option<&mut Destination> {
        self.destinations.get_mut(at as usize)
    }

    /// The place of a destination, made where it is new; one more item goes there.
    fn going_to(&mut self, domain: &Domain) -> u32 {
        if let Some(at) = self.by_domain.get(domain).copied()
            && let Some(known) = self.destination(at)
        {
            known.items += 1;
            return at;
        }
        let (domain, ready) = (domain.clone(), VecDeque::new());
        let (turns, is_narrow) = (false, false);
        let new =
            Destination { domain: domain.clone(), ready, active: 0, items: 1, turns, is_narrow };
        let at = u32::try_from(self.destinations.insert(new)).expect("fewer than items");
        self.by_domain.insert(domain, at);
        at
    }

    /// Forgets a destination to which nothing goes any more.
    fn tidy(&mut self, at: u32) {
        let is_idle = |to: &Destination| to.items == 0 && to.active == 0 && !to.turns;
        if self.destinations.get(at as usize).is_some_and(is_idle) {
            let gone = self.destinations.remove(at as usize);
            self.by_domain.remove(&gone.domain);
        }
    }

    /// Says whether a destination has one attempt at a time.
    pub(super) fn narrow(&mut self, domain: &Domain, is_narrow: bool) {
        let at = self.by_domain.get(domain).copied();
        if let Some(to) = at.and_then(|at| self.destination(at)) {
            to.is_narrow = is_narrow;
        }
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

    /// Whether the clock has gone back since this was last asked.
    pub(super) fn has_gone_back(&mut self, now: Timestamp) -> bool {
        std::mem::replace(&mut self.seen, now) > now
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

    /// Moves what is due to its destination's queue; says when the next is due.
    pub(super) fn promote(&mut self, now: Timestamp) -> Option<Timestamp> {
        while let Some((at, place)) = self.timer.first().copied() {
            if at > now {
                return Some(at);
            }
            self.timer.pop_first();
            let Some((_, item)) = self.shelf.item_at(place) else { continue };
            let at = item.destination;
            if let Some(to) = self.destinations.get_mut(at as usize) {
                to.ready.push_back(place);
                if !std::mem::replace(&mut to.turns, true) {
                    self.turns.push_back(at);
                }
            }
        }
        None
    }

    /// The next destination in turn with due items and room for a lease.
    pub(super) fn turn(&mut self, per_domain_max: u32) -> Option<Domain> {
        for _ in 0..self.turns.len() {
            let at = self.turns.pop_front()?;
            let Some(to) = self.destination(at) else { continue };
            if to.ready.is_empty() {
                to.ready = VecDeque::new();
                to.turns = false;
                self.tidy(at);
                continue;
            }
            let most = if to.is_narrow { 1 } else { per_domain_max };
            let found = (to.active < most).then(|| to.domain.clone());
            self.turns.push_back(at);
            if found.is_some() {
                return found;
            }
        }
        None
    }

    /// Takes the next due item of a destination.
    pub(super) fn take(&mut self, domain: &Domain, now: Timestamp) -> Option<(Key, u64)> {
        let at = *self.by_domain.get(domain)?;
        loop {
            let to = self.destinations.get_mut(at as usize)?;
            let place = to.ready.pop_front()?;
            let Some((key, item)) = self.shelf.item_at(place) else { continue };
            // What is no longer on the timer was due, even where the clock has gone back since.
            let waits = item.next_at > now && self.timer.contains(&(item.next_at, place));
            if item.stand != Stand::Queued || waits || item.destination != at {
                continue; // taken or ended, and its place perhaps used again
            }
            self.generation += 1;
            item.stand = Stand::Active(self.generation);
            to.active += 1;
            return Some((key, self.generation));
        }
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
            self.schedule(key, now);
        }
        if let Some(item) = self.item_mut(key) {
            item.then = None;
        }
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
        if let Some(to) = self.destination(at)
            && !is_along
        {
            to.active = to.active.saturating_sub(1);
        }
        true
    }

    /// Removes an ended item; the message's place in the log once all its recipients have ended.
    pub(super) fn end(&mut self, key: Key) -> Option<Sequence> {
        let place = self.shelf.place(key)?;
        let (item, sequence) = self.shelf.end(place)?;
        self.timer.remove(&(item.next_at, place));
        self.persons.remove(&(item.person, place));
        if let Some(to) = self.destination(item.destination) {
            to.items = to.items.saturating_sub(1);
            if matches!(item.stand, Stand::Active(_)) && !item.is_along {
                to.active = to.active.saturating_sub(1);
            }
        }
        self.tidy(item.destination);
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
            message.recipients.iter().map(|to| self.going_to(to.address.domain())).collect();
        let places = self.shelf.add(message, record, sequence, next_at, &to);
        for (place, person) in places.into_iter().zip(persons) {
            self.timer.insert((next_at, place));
            self.persons.insert((person, place));
        }
        true
    }

    /// Items that a command means, at most `limit`, the oldest message's first.
    pub(super) fn select(&self, selector: &Selector, limit: usize) -> Vec<Key> {
        let all = |entry: &Entry| -> Vec<Key> {
            entry.numbers().map(|number| (entry.id, number)).collect()
        };
        let of = |means: &dyn Fn(&Entry) -> bool| -> Vec<Key> {
            self.shelf.entries().filter(|entry| means(entry)).flat_map(all).collect()
        };
        let to = |domain: &Domain| -> Vec<Key> {
            let Some(at) = self.by_domain.get(domain) else { return Vec::new() };
            let goes = self.shelf.items().filter(|(_, item)| item.destination == *at);
            goes.map(|(key, _)| key).collect()
        };
        let mut keys = match selector {
            Selector::All => of(&|_| true),
            Selector::Message(id) => self.shelf.entry(*id).map(all).unwrap_or_default(),
            Selector::Account(account) => of(&|entry| entry.account == *account),
            Selector::Stream(stream) => of(&|entry| entry.stream == Some(*stream)),
            Selector::Domain(domain) => to(domain),
            Selector::Address(address) => {
                self.among(&HashSet::from([address.normal()]), &HashSet::new())
            }
            Selector::Among(addresses, domains) => self.among(addresses, domains),
            // Every stop asks for a recipient: that must not walk the queue.
            Selector::Recipient(account, hash) => self.of_person(*account, *hash),
        };
        if limit < keys.len() {
            keys.select_nth_unstable(limit);
            keys.truncate(limit);
        }
        keys.sort_unstable();
        keys
    }

    fn among(&self, addresses: &HashSet<String>, domains: &HashSet<Domain>) -> Vec<Key> {
        let place = |domain: &Domain| self.by_domain.get(domain).copied();
        let whole: HashSet<u32> = domains.iter().filter_map(place).collect();
        let host = |address: &String| place(&Domain::parse(address.rsplit_once('@')?.1).ok()?);
        let partly: HashSet<u32> = addresses.iter().filter_map(host).collect();
        let means = |(key, item): (Key, &Item)| {
            // Only where a destination is among theirs is a message read.
            let is_meant = whole.contains(&item.destination)
                || partly.contains(&item.destination)
                    && addresses.contains(
                        &self.message(key.0)?.recipients[key.1 as usize].address.normal(),
                    );
            is_meant.then_some(key)
        };
        self.shelf.items().filter_map(means).collect()
    }

    fn of_person(&self, account: AccountId, hash: RecipientHash) -> Vec<Key> {
        let person = place(hash);
        let after = (person, Place::LEAST);
        let places = self.persons.range(after..).take_while(|(found, _)| *found == person);
        let means = |(_, place): &(u64, Place)| {
            let entry = self.shelf.entry_at(*place).filter(|entry| entry.account == account)?;
            let to = entry.message()?.recipients.get(place.number as usize)?.hash;
            (to == hash).then_some((entry.id, place.number))
        };
        places.filter_map(means).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::message::{Origin, Recipient};
    use crate::mail::{AccountId, Address, ReversePath, TlsDemand};
    use crate::spool::Body;

    fn message(id: u8, to: &str) -> Accepted {
        Accepted {
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
            dsn: None,
            tls: TlsDemand::default(),
            reply_to: None,
        }
    }

    #[test]
    fn a_dead_domain_does_not_block_another_and_retries_wait_their_time() {
        let mut state = State::default();
        state.add(message(1, "a@dead.example"), None, Sequence(1), Timestamp(5));
        state.add(message(2, "b@dead.example"), None, Sequence(2), Timestamp(5));
        state.add(message(3, "c@live.example"), None, Sequence(3), Timestamp(5));
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
    fn a_destination_that_cannot_be_reached_has_one_attempt_at_a_time() {
        let mut state = State::default();
        let dead = Domain::parse("dead.example").expect("a domain");
        for id in 1..=3 {
            state.add(message(id, "a@dead.example"), None, Sequence(u64::from(id)), Timestamp(5));
        }
        state.promote(Timestamp(5));
        state.narrow(&dead, true);
        assert_eq!(state.turn(9), Some(dead.clone()));
        let (key, generation) = state.take(&dead, Timestamp(5)).expect("due");
        assert_eq!(state.turn(9), None);
        assert!(state.give_back(key, generation));
        assert_eq!(state.turn(9), Some(dead.clone()));
        state.take(&dead, Timestamp(5)).expect("due");
        state.narrow(&dead, false);
        assert_eq!(state.turn(9), Some(dead));
    }

    #[test]
    fn a_clock_that_goes_back_holds_nothing_back() {
        let mut state = State::default();
        let keys = [(MessageId([1; 12]), 0), (MessageId([2; 12]), 0), (MessageId([3; 12]), 0)];
        for id in 1..=2 {
            state.add(message(id, "a@one.example"), None, Sequence(u64::from(id)), Timestamp(5000));
        }
        let mut later = message(3, "a@two.example");
        later.not_before = Some(Timestamp(7000));
        state.add(later, None, Sequence(3), Timestamp(5000));
        state.schedule(keys[0], Timestamp(6000));
        assert!(!state.has_gone_back(Timestamp(5500)));
        // The second is due, and not yet taken, when the clock goes back.
        state.promote(Timestamp(5500));
        assert!(state.has_gone_back(Timestamp(100)) && !state.has_gone_back(Timestamp(100)));
        state.draw_near(Timestamp(160));
        let one = Domain::parse("one.example").expect("a domain");
        let taken = |state: &mut State| state.take(&one, Timestamp(100)).map(|(key, _)| key);
        assert_eq!(taken(&mut state), Some(keys[1]));
        assert_eq!(taken(&mut state), None, "a wait is a wait");
        assert_eq!(state.promote(Timestamp(100)), Some(Timestamp(160)));
        assert_eq!(state.promote(Timestamp(160)), Some(Timestamp(7000)), "mail for later");
    }

    #[test]
    fn a_recipient_is_found_without_a_walk_and_only_in_its_account() {
        let mut state = State::default();
        for id in 1..=3 {
            state.add(message(id, "a@one.example"), None, Sequence(u64::from(id)), Timestamp(5));
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
        assert_eq!(state.persons.len(), 2);
        let other = RecipientHash([0, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(state.select(&Selector::Recipient(AccountId(1), other), 9), []);
    }
}
