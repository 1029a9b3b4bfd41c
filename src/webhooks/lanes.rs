//! What is to be called and in what order: each recipient has a lane, in which one call follows the other
//! and a call that failed holds those behind it; lanes do not wait for each other.

use super::happening::Happening;
use super::journal::FRESH;
use super::kind::EventKind;
use super::record::{Log, Place, Waiting};
use crate::mail::{RecipientHash, Timestamp};
use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::time::{Duration, Instant};

/// How a call is known after a crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keep {
    /// By the log: the webhook's place in it is not past this call.
    Log,
    /// By a row that is still to be written.
    Due,
    /// By a row.
    Row,
}

/// A call.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) place: Place,
    /// What happened; none where it must be read again.
    pub(super) item: Option<Happening>,
    /// When that was taken up.
    taken_up: Instant,
    /// What kind it is of, where that is known.
    pub(super) kind: Option<EventKind>,
    pub(super) attempts: u32,
    pub(super) since: Option<Timestamp>,
    pub(super) next_at: Timestamp,
    pub(super) said: String,
    keep: Keep,
}

#[derive(Debug, Default)]
struct Lane {
    calls: VecDeque<Call>,
    is_busy: bool,
}

/// A call by its lane and place.
pub(super) type Key = (RecipientHash, Place);

/// All lanes of one webhook.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    lanes: HashMap<RecipientHash, Lane>,
    /// Lanes whose first call may be made.
    due: VecDeque<RecipientHash>,
    /// Lanes whose first call waits.
    later: BTreeSet<(Timestamp, RecipientHash)>,
    /// Calls that only the log knows.
    in_log: BTreeSet<Place>,
    /// All others.
    in_rows: BTreeSet<Place>,
    changed: HashSet<Key>,
    gone: Vec<Key>,
    count: usize,
}

impl Lanes {
    /// Calls that are under way or wait.
    pub(super) fn len(&self) -> usize {
        self.count
    }

    /// Calls that have failed, or wait behind such a one.
    pub(super) fn waiting(&self) -> usize {
        self.in_rows.len()
    }

    /// Takes a call up from its row, in the order of the rows.
    pub(super) fn load(&mut self, (hash, place): Key, row: Waiting) {
        let Waiting { attempts, since, next_at, said } = row;
        let since = Some(since);
        let (item, kind, taken_up, keep) = (None, None, Instant::now(), Keep::Row);
        let call = Call { place, item, taken_up, kind, attempts, since, next_at, said, keep };
        self.in_rows.insert(place);
        if self.lane(hash).calls.is_empty() {
            self.later.insert((next_at, hash));
        }
        self.lane(hash).calls.push_back(call);
        self.count += 1;
    }

    fn lane(&mut self, hash: RecipientHash) -> &mut Lane {
        self.lanes.entry(hash).or_default()
    }

    /// Takes a call up from the log.
    pub(super) fn push(
        &mut self,
        hash: RecipientHash,
        place: Place,
        item: Happening,
        now: Timestamp,
    ) {
        let lane = self.lanes.entry(hash).or_default();
        let is_held = lane.calls.front().is_some_and(|head| head.attempts > 0);
        let keep = if is_held { Keep::Due } else { Keep::Log };
        let is_first = lane.calls.is_empty();
        lane.calls.push_back(Call {
            place,
            kind: item.concern(place.number).map(|concern| concern.kind),
            // One that is held may wait for days, in which what it tells of may be destroyed.
            item: (!is_held).then_some(item),
            taken_up: Instant::now(),
            attempts: 0,
            since: is_held.then_some(now),
            next_at: now,
            said: String::new(),
            keep,
        });
        self.count += 1;
        if is_held {
            self.in_rows.insert(place);
            self.changed.insert((hash, place));
        } else {
            self.in_log.insert(place);
        }
        if is_first {
            self.due.push_back(hash);
        }
    }

    /// The next call that is to be made now.
    pub(super) fn take(&mut self, now: Timestamp) -> Option<(RecipientHash, Call)> {
        while let Some(&(at, hash)) = self.later.first().filter(|(at, _)| *at <= now) {
            self.later.remove(&(at, hash));
            self.due.push_back(hash);
        }
        let hash = self.due.pop_front()?;
        self.begin(hash)
    }

    /// A call, whenever it is to be made.
    pub(super) fn take_any(&mut self) -> Option<(RecipientHash, Call)> {
        let hash = match self.later.pop_first() {
            Some((_, hash)) => hash,
            None => self.due.pop_front()?,
        };
        self.begin(hash)
    }

    fn begin(&mut self, hash: RecipientHash) -> Option<(RecipientHash, Call)> {
        let lane = self.lanes.get_mut(&hash)?;
        lane.is_busy = true;
        let call = lane.calls.front_mut()?;
        if call.taken_up.elapsed() > FRESH {
            call.item = None;
        }
        Some((hash, call.clone()))
    }

    /// When the next call is to be made that waits.
    pub(super) fn next_at(&self) -> Option<Timestamp> {
        if self.due.is_empty() { self.later.first().map(|(at, _)| *at) } else { Some(Timestamp(0)) }
    }

    /// All that waits is to be made now: the endpoint answers again.
    pub(super) fn hurry(&mut self) {
        self.due.extend(std::mem::take(&mut self.later).into_iter().map(|(_, hash)| hash));
    }

    /// The first call of a lane.
    pub(super) fn head(&self, hash: RecipientHash) -> Option<&Call> {
        self.lanes.get(&hash)?.calls.front()
    }

    /// The first call of a lane has ended, well or not; it is handed over, and the next follows.
    pub(super) fn ended(&mut self, hash: RecipientHash) -> Option<Call> {
        let lane = self.lanes.get_mut(&hash)?;
        let call = lane.calls.pop_front()?;
        lane.is_busy = false;
        if lane.calls.is_empty() {
            self.lanes.remove(&hash);
        } else {
            self.due.push_back(hash);
        }
        self.forget(hash, &call);
        Some(call)
    }

    fn forget(&mut self, hash: RecipientHash, call: &Call) {
        self.count -= 1;
        self.in_log.remove(&call.place);
        self.in_rows.remove(&call.place);
        self.changed.remove(&(hash, call.place));
        if call.keep == Keep::Row {
            self.gone.push((hash, call.place));
        }
    }

    /// The first call of a lane has failed and is made again; it holds those behind it.
    pub(super) fn failed(
        &mut self,
        hash: RecipientHash,
        (now, next_at): (Timestamp, Timestamp),
        said: String,
    ) {
        let Some(lane) = self.lanes.get_mut(&hash) else { return };
        lane.is_busy = false;
        if let Some(head) = lane.calls.front_mut() {
            head.attempts = head.attempts.saturating_add(1);
            head.next_at = next_at;
            head.said = said;
            head.item = None;
            self.changed.insert((hash, head.place));
        }
        for call in lane.calls.iter_mut().filter(|call| call.keep == Keep::Log) {
            call.keep = Keep::Due;
            call.item = None;
            call.since = Some(now);
            self.in_log.remove(&call.place);
            self.in_rows.insert(call.place);
            self.changed.insert((hash, call.place));
        }
        self.later.insert((next_at, hash));
    }

    /// The first call of a lane could not be made, for a reason of our own.
    pub(super) fn put_off(&mut self, hash: RecipientHash, next_at: Timestamp) {
        if let Some(lane) = self.lanes.get_mut(&hash) {
            lane.is_busy = false;
            self.later.insert((next_at, hash));
        }
    }

    /// Takes out the first calls that have been made again for too long, while no lane's is under way.
    /// One that was not made yet counts from `fresh`.
    pub(super) fn over(
        &mut self,
        now: Timestamp,
        fresh: Timestamp,
        longest: Duration,
    ) -> Vec<(RecipientHash, Call)> {
        let is_over = |call: &Call| now.since(call.since.unwrap_or(fresh)) >= longest;
        let mut over = Vec::new();
        let due: Vec<RecipientHash> = self
            .lanes
            .iter()
            .filter(|(_, lane)| !lane.is_busy)
            .filter(|(_, lane)| lane.calls.front().is_some_and(is_over))
            .map(|(hash, _)| *hash)
            .collect();
        for hash in due {
            let waits = |(_, lane): &(Timestamp, RecipientHash)| *lane != hash;
            self.later.retain(waits);
            self.due.retain(|lane| *lane != hash);
            while self.lanes.get(&hash).is_some_and(|lane| lane.calls.front().is_some_and(is_over))
            {
                over.extend(self.ended(hash).map(|call| (hash, call)));
                self.due.retain(|lane| *lane != hash);
            }
            if self.lanes.contains_key(&hash) {
                self.due.push_back(hash);
            }
        }
        over
    }

    /// The first place in a log that is not dealt with, of those that only the log knows.
    pub(super) fn first_in_log(&self, log: Log) -> Option<Place> {
        first(&self.in_log, log)
    }

    /// The first place in a log that a row names.
    pub(super) fn first_in_rows(&self, log: Log) -> Option<Place> {
        first(&self.in_rows, log)
    }

    /// How many rows are to be written or removed.
    pub(super) fn unsaved(&self) -> usize {
        self.changed.len() + self.gone.len()
    }

    /// The rows that are to be written, and those that are to be removed.
    pub(super) fn changes(&self) -> (Vec<(Key, Waiting)>, Vec<Key>) {
        let mut rows = Vec::with_capacity(self.changed.len());
        for key in &self.changed {
            let calls = self.lanes.get(&key.0).map(|lane| lane.calls.iter());
            let Some(call) = calls.into_iter().flatten().find(|call| call.place == key.1) else {
                continue;
            };
            let since = call.since.unwrap_or(call.next_at);
            let (attempts, next_at, said) = (call.attempts, call.next_at, call.said.clone());
            rows.push((*key, Waiting { attempts, since, next_at, said }));
        }
        (rows, self.gone.clone())
    }

    /// What was handed out by [`Lanes::changes`] is durable.
    pub(super) fn saved(&mut self) {
        for (hash, place) in std::mem::take(&mut self.changed) {
            let calls = self.lanes.get_mut(&hash).map(|lane| lane.calls.iter_mut());
            if let Some(call) = calls.into_iter().flatten().find(|call| call.place == place) {
                call.keep = Keep::Row;
            }
        }
        self.gone.clear();
    }
}

fn first(places: &BTreeSet<Place>, log: Log) -> Option<Place> {
    let from = Place { log, sequence: 0, number: 0 };
    let to = Place { log, sequence: u64::MAX, number: u32::MAX };
    places.range(from..=to).next().copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::record::{Change, Evidence, RecordEvent, Source};
    use crate::mail::{AccountId, StreamId};
    use std::sync::Arc;

    const ANN: RecipientHash = RecipientHash([1; 16]);
    const BOB: RecipientHash = RecipientHash([2; 16]);
    const NOW: Timestamp = Timestamp(1000);

    fn place(sequence: u64) -> Place {
        Place { log: Log::Changes, sequence, number: 0 }
    }

    fn item(sequence: u64) -> Happening {
        let evidence =
            Evidence { source: Source::Operator, text: String::new(), ip: None, message: None };
        let change = Change::Granted { stream: StreamId(1) };
        let (account, grounds, circumstances) = (AccountId(1), None, None);
        let (hash, at) = (ANN, NOW);
        let event =
            RecordEvent { sequence, account, hash, change, evidence, at, grounds, circumstances };
        Happening::Change(Arc::new(event))
    }

    fn lanes(calls: &[(RecipientHash, u64)]) -> Lanes {
        let mut lanes = Lanes::default();
        for (hash, sequence) in calls {
            lanes.push(*hash, place(*sequence), item(*sequence), NOW);
        }
        lanes
    }

    fn taken(lanes: &mut Lanes, now: u64) -> Vec<(RecipientHash, u64)> {
        let mut taken = Vec::new();
        while let Some((hash, call)) = lanes.take(Timestamp(now)) {
            taken.push((hash, call.place.sequence));
        }
        taken
    }

    #[test]
    fn one_call_of_a_recipient_follows_the_other_and_others_do_not_wait() {
        let mut lanes = lanes(&[(ANN, 1), (ANN, 2), (BOB, 3)]);
        assert_eq!(taken(&mut lanes, 1000), [(ANN, 1), (BOB, 3)]);
        lanes.ended(BOB);
        assert_eq!(taken(&mut lanes, 1000), []);
        lanes.ended(ANN);
        assert_eq!(taken(&mut lanes, 1000), [(ANN, 2)]);
        lanes.ended(ANN);
        assert_eq!((lanes.len(), lanes.unsaved(), lanes.first_in_log(Log::Changes)), (0, 0, None));
    }

    #[test]
    fn a_failed_call_holds_what_follows_and_both_are_written_down() {
        let mut lanes = lanes(&[(ANN, 1), (ANN, 2), (BOB, 3)]);
        assert_eq!(taken(&mut lanes, 1000), [(ANN, 1), (BOB, 3)]);
        lanes.failed(ANN, (NOW, Timestamp(2000)), "no".into());
        lanes.push(ANN, place(4), item(4), NOW);
        // What waits is read again when its turn comes, as a person may be forgotten until then.
        let waits = lanes.lanes.get(&ANN).map(|lane| lane.calls.iter()).into_iter().flatten();
        assert!(waits.clone().all(|call| call.item.is_none() && call.kind.is_some()));
        // The log is read from what only it knows.
        assert_eq!(lanes.first_in_log(Log::Changes), Some(place(3)));
        let (mut rows, gone) = lanes.changes();
        rows.sort_by_key(|(key, _)| key.1);
        let places: Vec<_> =
            rows.iter().map(|((_, place), row)| (place.sequence, row.attempts)).collect();
        assert_eq!((places, gone.len()), (vec![(1, 1), (2, 0), (4, 0)], 0));
        lanes.saved();
        assert_eq!(taken(&mut lanes, 1999), []);
        assert_eq!(lanes.next_at(), Some(Timestamp(2000)));
        // Another webhook's run takes the rows up in the same order.
        let mut again = Lanes::default();
        rows.into_iter().for_each(|(key, row)| again.load(key, row));
        assert_eq!(taken(&mut again, 1999), []);
        for lanes in [&mut lanes, &mut again] {
            for sequence in [1, 2, 4] {
                assert_eq!(taken(lanes, 2000), [(ANN, sequence)]);
                lanes.ended(ANN);
            }
            let (rows, gone) = lanes.changes();
            assert_eq!((rows.len(), gone.len()), (0, 3));
        }
    }

    #[test]
    fn what_was_made_for_too_long_is_taken_out_and_the_rest_follows() {
        let mut lanes = lanes(&[(ANN, 1), (BOB, 2)]);
        let _ = taken(&mut lanes, 1000);
        lanes.failed(ANN, (NOW, Timestamp(9000)), "no".into());
        lanes.push(ANN, place(3), item(3), Timestamp(5000));
        let over = lanes.over(Timestamp(4000), NOW, Duration::from_secs(3));
        assert_eq!(over.iter().map(|(_, call)| call.place.sequence).collect::<Vec<_>>(), [1]);
        assert_eq!(taken(&mut lanes, 4000), [(ANN, 3)]);
        assert!(
            lanes.over(Timestamp(u64::MAX), NOW, Duration::ZERO).is_empty(),
            "both are under way"
        );
    }

    #[test]
    fn an_endpoint_that_answers_again_gets_all_at_once() {
        let mut lanes = lanes(&[(ANN, 1), (BOB, 2)]);
        let _ = taken(&mut lanes, 1000);
        lanes.failed(ANN, (NOW, Timestamp(9000)), "no".into());
        lanes.failed(BOB, (NOW, Timestamp(8000)), "no".into());
        let (hash, call) = lanes.take_any().expect("the one that is due first");
        assert_eq!((hash, call.place.sequence), (BOB, 2));
        lanes.ended(BOB);
        lanes.hurry();
        assert_eq!(taken(&mut lanes, 1000), [(ANN, 1)]);
    }
}
