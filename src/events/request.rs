//! Requests that carry a key (draft-ietf-httpapi-idempotency-key-header): whether what they asked was done, and
//! what was answered. That a request did something is written in the transaction that did it.

use crate::mail::Timestamp;
use crate::store::{Record, Store, StoreFault, Table, Transaction};
use serde::{Deserialize, Serialize};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

/// Rows read from the store at a time.
const PAGE: usize = 500;

/// Where a request lies: who asks, and its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestKey(Arc<[u8]>);

/// A request that is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// SHA-256 of what was asked: method, path, body.
    pub digest: [u8; 32],
    /// When it was asked.
    pub at: Timestamp,
    /// Which process was asked, by a number drawn at its start.
    pub process: u64,
    /// How far it has come.
    pub stage: Stage,
}

/// How far a request has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stage {
    /// It is being worked on, unless its process has ended: then nothing of it was done.
    Begun,
    /// It has changed something, and its answer is not known yet, or not kept.
    Done,
    /// It was answered.
    Answered(Kept),
}

/// An answer that is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Its status.
    pub status: u16,
    /// The type of its body.
    pub kind: String,
    /// Its body.
    pub body: Vec<u8>,
}

/// How a request ended, for whoever asks again with its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// It was answered so, and is answered so again.
    Answered(Kept),
    /// It was done, and its answer is not to be kept.
    NotKept,
    /// It came to nothing for want of something here, as far as its answer says: it may be done again.
    Open,
    /// The same, of one that makes something: where it has changed anything already, it is not done twice.
    OpenUnlessDone,
}

/// How many requests of one asker are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Count(u32);

impl Record for Request {
    const TABLE: Table = Table::IdempotencyKey;
}
impl Record for Count {
    const TABLE: Table = Table::Meta;
}

/// What is to be done with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Turn {
    /// It is new: do it.
    New,
    /// It was answered: answer so again.
    Again(Kept),
    /// It is being worked on.
    Busy,
    /// It was done, and its answer is not kept.
    Lost,
    /// The key stands for another request.
    Other,
    /// As many are kept as may be.
    Full,
}

fn count_key(asker: &str) -> String {
    format!("requests/{asker}")
}

impl RequestKey {
    /// The key of an asker; neither holds a zero byte.
    #[must_use]
    pub fn new(asker: &str, key: &str) -> Self {
        Self([asker.as_bytes(), &[0], key.as_bytes()].concat().into())
    }

    fn asker(place: &[u8]) -> String {
        let end = place.iter().position(|byte| *byte == 0).unwrap_or(place.len());
        String::from_utf8_lossy(&place[..end]).into_owned()
    }

    /// Takes a request's turn. What was begun by a process that has ended did nothing, since what it does it writes down in
    /// the same transaction, and is begun anew.
    ///
    /// # Errors
    /// The store.
    pub async fn take(
        &self,
        store: &Store,
        request: Request,
        (age_max, keys_max): (Duration, u32),
    ) -> Result<Turn, StoreFault> {
        let place = self.0.clone();
        let taken = store.transact(move |t| {
            let kept = t.get::<Request>(&place)?;
            let kept = kept.filter(|kept| request.at.since(kept.at) < age_max);
            let turn = match kept {
                None => Turn::New,
                Some(kept) if kept.digest != request.digest => Turn::Other,
                Some(kept) => match kept.stage {
                    Stage::Answered(answer) => Turn::Again(answer),
                    Stage::Done if kept.process == request.process => Turn::Busy,
                    Stage::Done => Turn::Lost,
                    Stage::Begun if kept.process == request.process => Turn::Busy,
                    Stage::Begun => Turn::New,
                },
            };
            if turn != Turn::New {
                return Ok(Ok(turn));
            }
            if t.get::<Request>(&place)?.is_none() {
                let counter = count_key(&Self::asker(&place));
                let Count(count) = t.get(counter.as_bytes())?.unwrap_or(Count(0));
                if count >= keys_max {
                    return Ok(Ok(Turn::Full));
                }
                t.put(counter.as_bytes(), &Count(count + 1));
            }
            t.put(&place, &request);
            Ok(Ok::<_, Infallible>(turn))
        });
        let Ok(turn) = taken.await?;
        Ok(turn)
    }

    /// Notes that the request has changed something, with the transaction that did.
    pub(super) fn done(&self, t: &mut Transaction<'_>) -> Result<(), StoreFault> {
        if let Some(mut kept) = t.get::<Request>(&self.0)?
            && kept.stage == Stage::Begun
        {
            kept.stage = Stage::Done;
            t.put(&self.0, &kept);
        }
        Ok(())
    }

    /// Notes how the request ended. What came to nothing for want of something here is forgotten, so that
    /// whoever asks again with its key is not told of that want for a day.
    ///
    /// # Errors
    /// The store.
    pub async fn answered(&self, store: &Store, ending: Ending) -> Result<(), StoreFault> {
        let place = self.0.clone();
        let kept = store.transact(move |t| {
            let Some(mut kept) = t.get::<Request>(&place)? else { return Ok(Ok(())) };
            let is_begun = kept.stage == Stage::Begun;
            if ending == Ending::Open || is_begun && ending == Ending::OpenUnlessDone {
                let counter = count_key(&Self::asker(&place));
                let Count(count) = t.get(counter.as_bytes())?.unwrap_or(Count(0));
                t.put(counter.as_bytes(), &Count(count.saturating_sub(1)));
                t.remove::<Request>(&place);
                return Ok(Ok(()));
            }
            // Whoever asks again is told that it was done, by no process that still works on it.
            (kept.process, kept.stage) = match ending {
                Ending::Answered(answer) => (kept.process, Stage::Answered(answer)),
                _ => (0, Stage::Done),
            };
            t.put(&place, &kept);
            Ok(Ok::<_, Infallible>(()))
        });
        let Ok(()) = kept.await?;
        Ok(())
    }
}

/// Forgets requests that are older than this, and says how many.
///
/// # Errors
/// The store.
pub async fn forget_old(
    store: &Store,
    now: Timestamp,
    age_max: Duration,
) -> Result<u64, StoreFault> {
    let (mut after, mut gone) = (None::<Vec<u8>>, 0);
    loop {
        let page = store.scan::<Request>(b"", after.as_deref(), PAGE)?;
        let Some((last, _)) = page.last() else { return Ok(gone) };
        after = Some(last.clone());
        let is_old = |kept: &Request| now.since(kept.at) >= age_max;
        let old: Vec<_> = page.into_iter().filter(|(_, kept)| is_old(kept)).collect();
        if old.is_empty() {
            continue;
        }
        gone += old.len() as u64;
        let forgotten = store.transact(move |t| {
            for (place, seen) in &old {
                // It may have been begun anew meanwhile.
                if t.get::<Request>(place)?.is_none_or(|kept| kept.at != seen.at) {
                    continue;
                }
                let counter = count_key(&RequestKey::asker(place));
                let Count(count) = t.get(counter.as_bytes())?.unwrap_or(Count(0));
                match count.saturating_sub(1) {
                    0 => t.remove::<Count>(counter.as_bytes()),
                    left => t.put(counter.as_bytes(), &Count(left)),
                }
                t.remove::<Request>(place);
            }
            Ok(Ok::<_, Infallible>(()))
        });
        let Ok(()) = forgotten.await?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;
    use crate::world::World;

    const DAY: Duration = Duration::from_secs(86_400);

    fn request(process: u64, at: u64) -> Request {
        Request { digest: [7; 32], at: Timestamp(at), process, stage: Stage::Begun }
    }

    #[tokio::test]
    async fn a_request_is_done_once_by_whichever_process() {
        let home = tempfile::tempdir().expect("a folder");
        let store = Store::open(home.path(), &config::Store::default(), &World::real());
        let key = RequestKey::new("app", "k");
        let take = |request: Request| key.take(&store, request, (DAY, 2));
        assert_eq!(take(request(1, 5)).await.expect("store"), Turn::New);
        assert_eq!(take(request(1, 6)).await.expect("store"), Turn::Busy);
        let other = Request { digest: [8; 32], ..request(1, 6) };
        assert_eq!(take(other).await.expect("store"), Turn::Other);
        // The process ended before anything was done: another begins anew.
        assert_eq!(take(request(2, 7)).await.expect("store"), Turn::New);
        // It ended after something was: nobody does it twice.
        let same = key.clone();
        let done = store.transact(move |t| Ok(Ok::<_, Infallible>(same.done(t)?))).await;
        assert_eq!(done.expect("store"), Ok(()));
        assert_eq!(take(request(3, 8)).await.expect("store"), Turn::Lost);
        let answer = Kept { status: 201, kind: "text/plain".into(), body: b"x".to_vec() };
        key.answered(&store, Ending::Answered(answer.clone())).await.expect("store");
        assert_eq!(take(request(3, 9)).await.expect("store"), Turn::Again(answer));
        assert_eq!(
            take(request(3, 9 + 86_400_000)).await.expect("store"),
            Turn::New,
            "after a day the key is new"
        );
    }

    #[tokio::test]
    async fn what_broke_may_be_asked_again_unless_it_has_made_something() {
        let home = tempfile::tempdir().expect("a folder");
        let store = Store::open(home.path(), &config::Store::default(), &World::real());
        for (name, is_done, ending, expected) in [
            ("a", false, Ending::Open, Turn::New),
            ("b", true, Ending::Open, Turn::New),
            ("c", false, Ending::OpenUnlessDone, Turn::New),
            ("d", true, Ending::OpenUnlessDone, Turn::Lost),
        ] {
            let key = RequestKey::new("app", name);
            let take = |at| key.take(&store, request(1, at), (DAY, 9));
            assert_eq!(take(5).await.expect("store"), Turn::New);
            let same = key.clone();
            let done = store.transact(move |t| {
                if is_done {
                    same.done(t)?;
                }
                Ok(Ok::<_, Infallible>(()))
            });
            assert_eq!(done.await.expect("store"), Ok(()));
            key.answered(&store, ending).await.expect("store");
            assert_eq!(take(6).await.expect("store"), expected, "{name}");
        }
    }

    #[tokio::test]
    async fn there_are_no_more_keys_than_the_settings_say_until_the_old_are_forgotten() {
        let home = tempfile::tempdir().expect("a folder");
        let store = Store::open(home.path(), &config::Store::default(), &World::real());
        let take = |asker: &'static str, key: &'static str| {
            let key = RequestKey::new(asker, key);
            let store = store.clone();
            async move { key.take(&store, request(1, 5), (DAY, 2)).await.expect("store") }
        };
        assert_eq!((take("a", "1").await, take("a", "2").await), (Turn::New, Turn::New));
        assert_eq!(take("a", "3").await, Turn::Full);
        assert_eq!(take("b", "3").await, Turn::New, "another's keys are another's");
        let freed = RequestKey::new("a", "2");
        freed.answered(&store, Ending::Open).await.expect("store");
        assert_eq!(take("a", "3").await, Turn::New);
        assert_eq!(forget_old(&store, Timestamp(6), DAY).await.expect("store"), 0);
        let late = Timestamp(5 + 86_400_000);
        assert_eq!(forget_old(&store, late, DAY).await.expect("store"), 3);
        assert_eq!((take("a", "4").await, take("a", "5").await), (Turn::New, Turn::New));
    }
}
