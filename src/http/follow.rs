//! `/api/v1/events/follow`: events as they happen, as server-sent events (WHATWG HTML §9.2). Whoever comes back
//! with `Last-Event-ID` hears all that happened in between.

use super::caller::Caller;
use super::draft::Asked;
use super::happening::{self, Filter, Place, Wanted};
use super::problem::{AtField, Kind, Problem};
use super::site::Parts;
use crate::config::{Live, Now};
use crate::mail::AccountId;
use crate::spool::Sequence;
use axum::Extension;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::sse::{Event, Sse};
use futures_util::Stream;
use futures_util::stream::unfold;
use std::collections::{HashMap, VecDeque};
use std::convert::Infallible;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Events read at a time.
const READ: usize = 100;
/// How often the log of records, which wakes nobody, is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// How many follow, in all and of each account.
#[derive(Clone)]
pub(super) struct Followers {
    counts: Arc<Mutex<HashMap<AccountId, u32>>>,
    all_max: Now<u32>,
    per_account_max: Now<u32>,
}

/// A follower that is counted; dropping it counts it out.
struct Counted(Followers, AccountId);

impl Drop for Counted {
    fn drop(&mut self) {
        let mut counts = self.0.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let left = counts.get(&self.1).map_or(0, |count| count.saturating_sub(1));
        match left {
            0 => counts.remove(&self.1),
            left => counts.insert(self.1, left),
        };
    }
}

impl Followers {
    /// Nobody yet.
    pub(super) fn new(live: &Live) -> Self {
        let all_max = live.now(|c| c.api.followers_max);
        let per_account_max = live.now(|c| c.api.followers_per_account_max);
        Self { counts: Arc::default(), all_max, per_account_max }
    }

    fn enter(&self, account: AccountId) -> Option<Counted> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let all: u32 = counts.values().sum();
        let own = counts.entry(account).or_default();
        if all >= self.all_max.get() || *own >= self.per_account_max.get() {
            return None;
        }
        *own += 1;
        Some(Counted(self.clone(), account))
    }
}

/// What a follower has been told, and what waits to be.
struct Follower {
    parts: Parts,
    caller: Caller,
    filter: Filter,
    place: Place,
    waiting: VecDeque<Event>,
    told_at: Instant,
    _place: Counted,
}

impl Follower {
    /// The next thing to say; none: it is over.
    async fn next(mut self) -> Option<(Result<Event, Infallible>, Self)> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                self.told_at = Instant::now();
                return Some((Ok(event), self));
            }
            if !self.parts.ready.load(Ordering::Acquire) || !self.caller.stands(&self.parts) {
                return None;
            }
            let read = happening::read_apart(&self.parts, &self.filter, self.place, READ).await;
            let Ok(read) = read else { return None };
            self.place = read.place;
            self.waiting.extend(read.events.iter().filter_map(|event| {
                let told = Event::default().id(&event.id).event(event.kind);
                told.json_data(event).ok()
            }));
            if !self.waiting.is_empty() || !read.is_end {
                continue;
            }
            if self.told_at.elapsed() >= self.parts.config.api.heartbeat.0 {
                self.told_at = Instant::now();
                // With the place, so that a silent day is not read again by whoever comes back.
                let heartbeat = Event::default().id(self.place.text()).comment("nothing new");
                return Some((Ok(heartbeat), self));
            }
            let news = self.parts.spool.wait_for(Sequence(self.place.messages()));
            let _ = tokio::time::timeout(LOOK, news).await;
        }
    }
}

pub(super) async fn follow(
    State(parts): State<Parts>,
    Extension(followers): Extension<Followers>,
    caller: Caller,
    headers: HeaderMap,
    Asked(wanted): Asked<Wanted>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let filter = Filter::of(&parts, &caller, &wanted)?;
    let last = headers.get("last-event-id").and_then(|value| value.to_str().ok());
    let last = last.map(str::to_owned);
    let from = happening::place(last.as_ref()).at("Last-Event-ID")?;
    let from = match (from, happening::place(wanted.after.as_ref()).at("after")?) {
        (Some(place), _) | (None, Some(place)) => place,
        (None, None) => happening::end(&parts)?,
    };
    let Some(counted) = followers.enter(filter.account()) else {
        let text = "as many follow events already as api.followers_max and \
                    api.followers_per_account_max let through";
        return Err(Problem::of(Kind::TooMany, text).after(60));
    };
    let begun = Instant::now();
    let follower = Follower {
        parts,
        caller,
        filter,
        place: from,
        // Something is said at once, so that whoever follows knows that it does.
        waiting: VecDeque::from([Event::default().id(from.text()).comment("following")]),
        told_at: begun,
        _place: counted,
    };
    Ok(Sse::new(unfold(follower, Follower::next)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_no_more_followers_than_the_settings_say() {
        let mut config = crate::config::Config::default();
        (config.api.followers_max, config.api.followers_per_account_max) = (3, 2);
        let followers = Followers::new(&Live::new(config));
        let (one, other) = (AccountId(1), AccountId(2));
        let first = followers.enter(one).expect("there is room");
        let _second = followers.enter(one).expect("there is room");
        assert!(followers.enter(one).is_none(), "of one account");
        let _third = followers.enter(other).expect("of another there is room");
        assert!(followers.enter(other).is_none(), "in all");
        drop(first);
        assert!(followers.enter(other).is_some());
    }
}
