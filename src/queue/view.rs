//! What listings and figures show of the queue.

use super::shelf::Item;
use super::state::{Key, Stand, State, Then};
use super::{ItemState, ItemView, Summary};
use crate::events::message::{Accepted, Origin};
use crate::mail::Timestamp;
use std::collections::HashMap;

/// Most destinations that a summary names.
const DOMAINS_MAX: usize = 50;

/// Why an item is where it is.
fn why(item: &Item, message: &Accepted, now: Timestamp) -> &'static str {
    match (item.stand, item.then) {
        (Stand::Active(_), Some(Then::Held)) => "under attempt; held when that ends",
        (Stand::Active(_), Some(Then::Cancelled)) => "under attempt; taken out when that ends",
        (Stand::Active(_), Some(Then::Due)) => "under attempt; tried again when that ends",
        (Stand::Active(_), None) => "under attempt",
        (Stand::Ending, _) => "its end is being written down",
        (Stand::Held, Some(Then::Cancelled)) => "taken out as soon as that is written down",
        (Stand::Held, _) => "held by the operator: `relent queue release` lets it go",
        (Stand::Queued, _) if item.next_at <= now => "due: it waits for its turn",
        (Stand::Queued, _) if item.attempts > 0 => "waits for its next attempt",
        (Stand::Queued, _) if message.not_before.is_some_and(|at| at > now) => {
            "its sender asked for a later time"
        }
        (Stand::Queued, _) => "waits for its time",
    }
}

impl State {
    /// Those of these items that are there.
    pub(super) fn list(&self, keys: Vec<Key>, now: Timestamp) -> Vec<ItemView> {
        keys.into_iter().filter_map(|key| self.view(key, now)).collect()
    }

    fn view(&self, key: Key, now: Timestamp) -> Option<ItemView> {
        let (item, message) = (self.item(key)?, self.message(key.0)?);
        let stopped = match item.stand {
            Stand::Queued => self.lanes.stopped(item.destination, now),
            Stand::Active(_) | Stand::Held | Stand::Ending => None,
        };
        let next_at = match (item.stand, &stopped) {
            (Stand::Held, _) | (_, Some((_, None))) => None,
            (_, Some((_, Some(until)))) => Some(item.next_at.max(*until)),
            _ => Some(item.next_at),
        };
        Some(ItemView {
            message: message.id.to_string(),
            number: key.1,
            sender: message.sender.to_string(),
            recipient: message.recipients.get(key.1 as usize)?.address.to_string(),
            account: message.origin.account(),
            stream: message.origin.stream(),
            is_submission: matches!(message.origin, Origin::Submission { .. }),
            size: message.body.length,
            state: match item.stand {
                Stand::Queued => ItemState::Queued,
                Stand::Active(_) | Stand::Ending => ItemState::Active,
                Stand::Held => ItemState::Held,
            },
            attempts: item.attempts,
            accepted: message.at,
            due_at: item.next_at,
            next_at,
            why: why(item, &message, now).to_owned(),
            last: item.last.as_deref().map(str::to_owned),
            class: item.class,
            stopped: stopped.map(|(why, _)| why),
        })
    }

    /// Adds the items in so many places from one on to figures; whether there may be more further on.
    pub(super) fn count_slice(
        &self,
        summary: &mut Summary,
        (from, count): (usize, usize),
        now: Timestamp,
    ) -> bool {
        let Some(entries) = self.shelf.slice(from, count) else { return false };
        // Of few destinations, and asked for each of many items.
        let mut stopped: HashMap<u32, bool> = HashMap::new();
        let all = entries.flat_map(|entry| {
            entry.numbers().filter_map(move |number| Some((entry, entry.item(number)?)))
        });
        for (entry, item) in all {
            let ages = match item.stand {
                Stand::Queued => {
                    let waited = now.since(item.next_at);
                    let lane = item.destination;
                    let mut is_stopped = || {
                        let look = || self.lanes.stopped(lane, now).is_some();
                        *stopped.entry(lane).or_insert_with(look)
                    };
                    if waited > summary.oldest_due && !is_stopped() {
                        summary.oldest_due = waited;
                    }
                    summary.queued += 1;
                    &mut summary.ages[0]
                }
                Stand::Active(_) | Stand::Ending => {
                    summary.active += 1;
                    &mut summary.ages[1]
                }
                Stand::Held => {
                    summary.held += 1;
                    &mut summary.ages[2]
                }
            };
            let age = now.since(entry.accepted()).as_secs();
            let place = Summary::AGES.iter().position(|(most, _)| age <= *most);
            ages[place.unwrap_or(Summary::AGES.len() - 1)] += 1;
        }
        true
    }

    /// The busiest destinations and what waits for each.
    pub(super) fn busiest(&self) -> Vec<(String, u64)> {
        let mut domains: Vec<_> = self.lanes.domains().collect();
        domains.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.as_str().cmp(b.0.as_str())));
        domains.truncate(DOMAINS_MAX);
        domains.into_iter().map(|(domain, count)| (domain.to_string(), count)).collect()
    }
}
