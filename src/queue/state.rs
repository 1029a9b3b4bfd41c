//! What waits, by destination, by time and by person. No I/O, no clock: the moment is handed in.

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

    pub(super) fn items(&self) -> impl Iterator<Item = (Key, &Item)> {
        self.shelf.items()
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::message::{Origin, Recipient};
    use crate::mail::{AccountId, Address, Domain, ReversePath};
    use crate::queue::{Selector, Suspension};

    fn message(id: u8, to: &str) -> Accepted {
        of(1, id, to)
    }

    fn of(account: u32, id: u8, to: &str) -> Accepted {
        Accepted::new(
            MessageId([id; 12]),
            Origin::Letter { account: AccountId(account), stream: None },
            ReversePath::Null,
            vec![Recipient {
                address: Address::parse(to).expect("an address"),
                hash: RecipientHash([0; 16]),
            }],
            Timestamp(0),
        )
    }

    fn state(connections: u32) -> State {
        State::new(Limits { connections, interval: None, proven: false }, 2000)
    }

    fn site(name: &str) -> Site {
        Site::of(&domain(name))
    }

    fn domain(name: &str) -> Domain {
        Domain::parse(name).expect("a domain")
    }

    /// Takes what is due at a site: the messages' numbers.
    fn taken(state: &mut State, site: &Site, now: u64) -> Vec<u8> {
        let take = || state.take(site, Timestamp(now)).map(|(key, _)| key.0.0[0]);
        std::iter::from_fn(take).collect()
    }

    #[test]
    fn a_dead_domain_does_not_block_another_and_retries_wait_their_time() {
        let mut state = state(1);
        state.add(message(1, "a@dead.example"), None, Sequence(1), Timestamp(5));
        state.add(message(2, "b@dead.example"), None, Sequence(2), Timestamp(5));
        state.add(message(3, "c@live.example"), None, Sequence(3), Timestamp(5));
        assert_eq!(state.promote(Timestamp(5)), None);
        let (dead, live) = (site("dead.example"), site("live.example"));
        let (key, generation) = state.take(&dead, Timestamp(5)).expect("due");
        assert_eq!(state.take(&dead, Timestamp(5)), None, "one at a time");
        assert_eq!(state.turn(Timestamp(5)), Some(live.clone()));
        assert_eq!(state.turn(Timestamp(5)), Some(live));
        assert!(!state.give_back(key, generation + 9), "not its lease");
        assert!(state.give_back(key, generation));
        state.schedule(key, Timestamp(99));
        assert_eq!(state.promote(Timestamp(98)), Some(Timestamp(99)));
        let (other, generation) = state.take(&dead, Timestamp(98)).expect("due");
        assert_ne!(other, key);
        assert!(state.give_back(other, generation));
        assert_eq!(state.promote(Timestamp(99)), None);
        assert_eq!(state.take(&dead, Timestamp(99)).map(|(k, _)| k), Some(key));
        assert_eq!(state.end(key), Some(Sequence(1)));
    }

    #[test]
    fn an_accounts_many_messages_delay_anothers_one_by_no_more_than_its_share() {
        let mut state = state(1000);
        for id in 1..=100 {
            state.add(of(1, id, "a@one.example"), None, Sequence(id.into()), Timestamp(5));
        }
        state.add(of(2, 200, "b@two.example"), None, Sequence(200), Timestamp(5));
        state.add(of(3, 201, "c@one.example"), None, Sequence(201), Timestamp(5));
        let big = Site::among(["mx.big.example"].into_iter());
        assert!(state.lanes.join(&domain("one.example"), &big));
        assert!(state.lanes.join(&domain("two.example"), &big));
        let first = taken(&mut state, &big, 5);
        assert_eq!(first.len(), 102);
        assert!(first[..3].contains(&200) && first[..3].contains(&201), "{:?}", &first[..5]);
        assert_eq!(&first[3..6], [2, 3, 4]);
    }

    #[test]
    fn an_accounts_many_messages_to_one_domain_leave_room_for_its_others_at_the_same_site() {
        let mut state = state(1000);
        for id in 1..=9 {
            state.add(message(id, "a@one.example"), None, Sequence(id.into()), Timestamp(5));
        }
        state.add(message(10, "a@two.example"), None, Sequence(10), Timestamp(5));
        let big = Site::among(["mx.big.example"].into_iter());
        state.lanes.join(&domain("one.example"), &big);
        state.lanes.join(&domain("two.example"), &big);
        assert_eq!(taken(&mut state, &big, 5), [1, 10, 2, 3, 4, 5, 6, 7, 8, 9]);
    }

    #[test]
    fn a_domain_that_moves_takes_along_what_is_due_and_what_is_under_attempt() {
        let mut state = state(2);
        for id in 1..=3 {
            state.add(message(id, "a@one.example"), None, Sequence(id.into()), Timestamp(5));
        }
        let (old, new) = (site("one.example"), Site::among(["mx.big.example"].into_iter()));
        let (key, generation) = state.take(&old, Timestamp(5)).expect("due");
        assert!(state.lanes.join(&domain("one.example"), &new));
        assert!(!state.lanes.join(&domain("one.example"), &new), "it is there");
        assert_eq!(taken(&mut state, &old, 5), [0_u8; 0]);
        assert_eq!(state.turn(Timestamp(5)), Some(new.clone()));
        assert_eq!(taken(&mut state, &new, 5), [2], "one of two is under attempt");
        assert!(state.give_back(key, generation));
        state.hurry(key);
        assert_eq!(taken(&mut state, &new, 5), [1], "before what came after it");
        assert!(state.lanes.join(&domain("one.example"), &old), "and back again");
        assert_eq!(state.lanes.site(&domain("one.example")), Some(&old));
        assert_eq!(taken(&mut state, &old, 5), [0_u8; 0], "two are under attempt");
        state.end(key);
        assert_eq!(taken(&mut state, &old, 5), [3]);
    }

    #[test]
    fn a_site_is_served_no_faster_than_its_pace() {
        let mut state = state(100);
        for id in 1..=9 {
            state.add(message(id, "a@one.example"), None, Sequence(id.into()), Timestamp(5));
        }
        let one = site("one.example");
        let interval = Some(std::time::Duration::from_secs(1));
        state.lanes.shape(&one, Limits { connections: 100, interval, proven: true });
        let mut count = 0;
        for now in (1000..=5000).step_by(50) {
            state.promote(Timestamp(now));
            count += taken(&mut state, &one, now).len();
        }
        assert_eq!(count, 5);
        assert_eq!(state.turn(Timestamp(5000)), None);
        assert!(state.promote(Timestamp(5000)).is_some_and(|at| at <= Timestamp(6000)));
        state.promote(Timestamp(6000));
        assert_eq!(state.turn(Timestamp(6000)), Some(one));
    }

    #[test]
    fn what_is_suspended_waits_and_says_why() {
        let mut state = state(9);
        state.add(message(1, "a@one.example"), None, Sequence(1), Timestamp(5));
        state.add(message(2, "a@two.example"), None, Sequence(2), Timestamp(5));
        let big = Site::among(["mx1.big.example", "mx2.big.example"].into_iter());
        for name in ["one.example", "two.example"] {
            state.lanes.join(&domain(name), &big);
        }
        let word = |name: &str, until: Option<u64>| Suspension {
            name: name.into(),
            until: until.map(Timestamp),
            reason: "a letter from them".into(),
            at: Timestamp(5),
        };
        state.lanes.suspend(vec![word("one.example", Some(50))]);
        let lane = state.lanes.find(&domain("one.example")).expect("known");
        let (said, _) = state.lanes.stopped(lane, Timestamp(5)).expect("suspended");
        assert!(said.contains("one.example") && said.ends_with(": a letter from them"), "{said}");
        assert_eq!(taken(&mut state, &big, 5), [2]);
        state.add(message(3, "a@one.example"), None, Sequence(3), Timestamp(6));
        assert_eq!(state.turn(Timestamp(6)), None);
        assert_eq!(state.promote(Timestamp(6)), Some(Timestamp(50)));
        state.promote(Timestamp(50));
        assert_eq!(state.turn(Timestamp(50)), Some(big.clone()));
        assert_eq!(taken(&mut state, &big, 50), [1, 3]);
        // The clock goes back, and is looked at before the moment that the operator named.
        state.lanes.suspend(vec![word("one.example", Some(500))]);
        state.add(message(6, "a@one.example"), None, Sequence(6), Timestamp(60));
        assert!(!state.has_gone_back(Timestamp(400)) && state.has_gone_back(Timestamp(100)));
        assert_eq!(state.promote(Timestamp(300)), Some(Timestamp(500)));
        assert_eq!(state.turn(Timestamp(300)), None);
        state.promote(Timestamp(500));
        assert_eq!(state.turn(Timestamp(500)), Some(big.clone()));
        assert_eq!(taken(&mut state, &big, 500), [6]);
        // By one of its servers, and what comes while it holds.
        state.lanes.suspend(vec![word("*.big.example", None)]);
        state.add(message(4, "a@two.example"), None, Sequence(4), Timestamp(60));
        assert_eq!((state.turn(Timestamp(60)), taken(&mut state, &big, 60)), (None, vec![]));
        let other = Site::among(["mx3.big.example"].into_iter());
        state.add(message(5, "a@three.example"), None, Sequence(5), Timestamp(60));
        state.lanes.join(&domain("three.example"), &other);
        assert_eq!(state.turn(Timestamp(60)), None, "a site found later");
        state.lanes.suspend(Vec::new());
        assert_eq!(taken(&mut state, &big, 60), [4]);
        assert_eq!(state.turn(Timestamp(60)), Some(other));
    }

    #[test]
    fn sites_that_were_never_reached_leave_room_for_those_that_were() {
        let usual = Limits { connections: 1, interval: None, proven: false };
        let mut state = State::new(usual, 10);
        for id in 1..=100 {
            let dead = format!("a@dead{id}.example");
            state.add(message(id, &dead), None, Sequence(id.into()), Timestamp(5));
        }
        let mut hanging = Vec::new();
        while let Some(site) = state.turn(Timestamp(5)) {
            hanging.extend(state.take(&site, Timestamp(5)));
        }
        assert_eq!(hanging.len(), 10);
        state.add(message(200, "a@live.example"), None, Sequence(200), Timestamp(6));
        let live = site("live.example");
        state.lanes.shape(&live, Limits { connections: 9, interval: None, proven: true });
        assert_eq!(state.turn(Timestamp(6)), Some(live.clone()));
        assert_eq!(taken(&mut state, &live, 6), [200]);
        // One that gives up makes room for one more, and one that is reached is no longer in doubt.
        for (key, generation) in hanging.drain(..2) {
            state.give_back(key, generation);
            state.schedule(key, Timestamp(99));
        }
        let mut more = Vec::new();
        while let Some(site) = state.turn(Timestamp(6)) {
            more.extend(state.take(&site, Timestamp(6)));
        }
        assert_eq!(more.len(), 2);
        let reached = site("dead12.example");
        state.lanes.shape(&reached, Limits { connections: 9, interval: None, proven: true });
        assert_eq!(state.turn(Timestamp(6)), Some(site("dead13.example")));
        assert!(state.take(&site("dead13.example"), Timestamp(6)).is_some());
        assert_eq!(state.turn(Timestamp(6)), None);
    }

    #[test]
    fn a_clock_that_goes_back_holds_nothing_back() {
        let mut state = state(9);
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
        assert_eq!(taken(&mut state, &site("one.example"), 100), [2], "a wait is a wait");
        assert_eq!(state.promote(Timestamp(100)), Some(Timestamp(160)));
        assert_eq!(state.promote(Timestamp(160)), Some(Timestamp(7000)), "mail for later");
    }

    #[test]
    fn a_recipient_is_found_without_a_walk_and_only_in_its_account() {
        let mut state = state(9);
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

    #[test]
    fn a_domain_of_an_account_is_its_own_and_a_walk_in_slices_finds_all() {
        use std::collections::HashSet;
        let mut state = state(9);
        for id in 1..=6 {
            let to = if id <= 4 { "a@one.example" } else { "a@two.example" };
            let message = of(u32::from(id % 2), id, to);
            state.add(message, None, Sequence(u64::from(id)), Timestamp(5));
        }
        let ids = |keys: Vec<Key>| keys.iter().map(|key| key.0.0[0]).collect::<Vec<_>>();
        let to = |name: &str| Arc::new(HashSet::from([domain(name)]));
        let own = Selector::Domains(AccountId(1), to("one.example"));
        assert_eq!(ids(state.select(&own, 9)), [1, 3]);
        let none = Selector::Domains(AccountId(1), to("three.example"));
        assert_eq!(state.select(&none, 9), []);
        assert_eq!(ids(state.select(&Selector::Domain(domain("two.example")), 9)), [5, 6]);
        assert_eq!(ids(state.select(&Selector::Account(AccountId(1)), 2)), [1, 3]);
        let (mut from, mut keys) = (0, Vec::new());
        while let (mut found, true) = state.select_slice(&Selector::All, (from, 2)) {
            keys.append(&mut found);
            from += 2;
        }
        keys.sort_unstable();
        assert_eq!(ids(keys), [1, 2, 3, 4, 5, 6]);
    }
}
