//! Which of the items that wait a command means.

use super::Selector;
use super::embedded::Embedded;
use super::shelf::{Entry, Item, Place};
use super::state::{Key, State, place};
use crate::mail::{AccountId, Domain, MessageId, RecipientHash};
use std::collections::HashSet;

/// Messages that are looked at under one lock of the queue.
pub(super) const SLICE: usize = 10_000;

/// Leaves so many, the oldest messages'.
fn shorten(keys: &mut Vec<Key>, limit: usize) {
    if limit < keys.len() {
        keys.select_nth_unstable(limit);
        keys.truncate(limit);
    }
}

impl Embedded {
    /// Items that a command means, at most `limit`, the oldest message's first. Where the queue is walked for
    /// them, that is done in slices: whoever asks, mail goes on meanwhile. What comes in meanwhile may be
    /// missed.
    pub(super) async fn gathered(&self, selector: &Selector, limit: usize) -> Vec<Key> {
        match selector {
            Selector::All
            | Selector::Account(_)
            | Selector::Stream(_)
            | Selector::Domain(_)
            | Selector::Domains(..)
            | Selector::AcceptedBefore(..) => {}
            _ => return self.state().select(selector, limit),
        }
        let (mut keys, mut from) = (Vec::new(), 0);
        loop {
            let (mut found, may_be_more) = self.state().select_slice(selector, (from, SLICE));
            keys.append(&mut found);
            shorten(&mut keys, limit);
            if !may_be_more {
                break;
            }
            from += SLICE;
            tokio::task::yield_now().await;
        }
        keys.sort_unstable();
        keys
    }
}

impl State {
    /// Items that a command means, at most `limit`, the oldest message's first.
    pub(super) fn select(&self, selector: &Selector, limit: usize) -> Vec<Key> {
        let mut keys = match selector {
            Selector::Message(id) => self.of_message(*id),
            Selector::Copy(id, address) => {
                let (message, address) = (self.message(*id), address.normal());
                let is_theirs = |(_, number): &Key| {
                    let to = message.as_ref().and_then(|m| m.recipients.get(*number as usize));
                    to.is_some_and(|to| to.address.normal() == address)
                };
                let mut keys = self.of_message(*id);
                keys.retain(is_theirs);
                keys
            }
            Selector::Address(address) => {
                self.among(&HashSet::from([address.normal()]), &HashSet::new())
            }
            Selector::Among(addresses, domains) => self.among(addresses, domains),
            // Every stop asks for a recipient: that must not walk the queue.
            Selector::Recipient(account, hash) => self.of_person(*account, *hash),
            walked => self.meant(walked, self.shelf.entries()),
        };
        shorten(&mut keys, limit);
        keys.sort_unstable();
        keys
    }

    /// The items in so many places from one on that a selector means which is walked for, and whether there
    /// may be more further on.
    pub(super) fn select_slice(
        &self,
        selector: &Selector,
        (from, count): (usize, usize),
    ) -> (Vec<Key>, bool) {
        match self.shelf.slice(from, count) {
            Some(entries) => (self.meant(selector, entries), true),
            None => (Vec::new(), false),
        }
    }

    /// The items of these messages that a selector means.
    fn meant<'a>(&self, selector: &Selector, entries: impl Iterator<Item = &'a Entry>) -> Vec<Key> {
        let find = |domain: &Domain| self.lanes.find(domain);
        let there: Option<HashSet<u32>> = match selector {
            Selector::Domain(domain) => Some(find(domain).into_iter().collect()),
            Selector::Domains(_, domains) => Some(domains.iter().filter_map(find).collect()),
            _ => None,
        };
        if there.as_ref().is_some_and(HashSet::is_empty) {
            return Vec::new();
        }
        let mut keys = Vec::new();
        for entry in entries {
            let is_meant = match selector {
                Selector::All | Selector::Domain(_) => true,
                Selector::Account(account) | Selector::Domains(account, _) => {
                    entry.account == *account
                }
                Selector::Stream(stream) => entry.stream == Some(*stream),
                Selector::AcceptedBefore(account, before) => {
                    account.is_none_or(|account| entry.account == account)
                        && entry.message().is_some_and(|message| message.at < *before)
                }
                _ => false,
            };
            if !is_meant {
                continue;
            }
            let goes_there = |number: &u32| {
                there.as_ref().is_none_or(|there| {
                    entry.item(*number).is_some_and(|item| there.contains(&item.destination))
                })
            };
            keys.extend(entry.numbers().filter(goes_there).map(|number| (entry.id, number)));
        }
        keys
    }

    fn of_message(&self, id: MessageId) -> Vec<Key> {
        let entry = self.shelf.entry(id).into_iter();
        entry.flat_map(|entry| entry.numbers().map(|number| (entry.id, number))).collect()
    }

    fn among(&self, addresses: &HashSet<String>, domains: &HashSet<Domain>) -> Vec<Key> {
        let place = |domain: &Domain| self.lanes.find(domain);
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
