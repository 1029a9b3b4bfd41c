//! Turns, shares, pace, suspension and the clock, without I/O.

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
