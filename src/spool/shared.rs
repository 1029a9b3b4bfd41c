//! What the spool's handle, its writer and its sweeper share: what is known of each segment, what is
//! live, and whether there is room.

use super::format::{Salt, VERSION};
use super::recovery::Found;
use super::{Extent, Owner, SpoolFault};
use crate::config::{self, Section};
use crate::mail::Timestamp;
use crate::world::World;
use std::collections::{BTreeMap, BTreeSet, HashMap, btree_map};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// How long a figure of free space is believed.
const FREE_SPACE_AGE: Duration = Duration::from_secs(1);
/// Bytes that the marks of the attempts under way may take.
const MARKS: u64 = 256 << 10;

/// What is known of a segment.
#[derive(Debug, Clone, Default)]
pub(super) struct Segment {
    pub(super) first: u64,
    pub(super) length: u64,
    pub(super) live: u64,
    pub(super) pins: u64,
    pub(super) bodies: bool,
    pub(super) newest: Timestamp,
    pub(super) damaged: Vec<(u64, u64)>,
    /// The version of its records' encoding.
    pub(super) version: u32,
    /// Messages whose bodies it holds, when it was written or rewritten last.
    pub(super) taken: u64,
    /// Where the bodies that it still holds lie since it was rewritten, by where they lay before.
    pub(super) moved: Option<Arc<Moved>>,
    /// Whether its index lies beside it.
    pub(super) indexed: bool,
    /// Damaged: its bodies are kept too until `retention.events` is over, since more of its mail may be
    /// saved by hand.
    pub(super) whole: bool,
    /// Counts up when the file is replaced.
    pub(super) edition: u64,
    /// The log's end when a message of this segment was released last: the mark that says why lies
    /// before it, and must be durable before bodies go.
    pub(super) released: u64,
}

/// Where bodies lie, by where they lay when they were accepted.
pub(super) type Moved = HashMap<u64, u64>;

/// Who needs a segment.
pub(super) struct Needing {
    /// The acceptances in it.
    pub(super) own: BTreeSet<u64>,
    /// The pieces of those in later segments; none where they are not known.
    pub(super) reaching: Vec<Option<Vec<Extent>>>,
}

/// A message whose body begins in an earlier segment than the record that accepts it.
#[derive(Clone)]
pub(super) struct Reach {
    pub(super) oldest: u64,
    /// The pieces of its body; unknown where its record could not be read.
    pub(super) extents: Option<Vec<Extent>>,
}

impl Segment {
    /// Whether so few of its messages are still needed that it is worth rewriting.
    fn is_sparse(&self, synced: u64, percent: u64) -> bool {
        let idle = self.pins == 0 && !self.whole && self.bodies && self.released <= synced;
        idle && self.live > 0 && self.live * 100 <= self.taken.saturating_mul(percent)
    }

    /// Whether nobody needs its bodies, and durably so.
    fn is_dead(&self, synced: u64) -> bool {
        self.live == 0 && self.pins == 0 && self.released <= synced
    }

    /// Where a damaged place that holds `offset` ends.
    pub(super) fn past_damage(&self, offset: u64) -> Option<u64> {
        let around = self.damaged.iter().find(|(start, end)| *start <= offset && offset < *end);
        around.map(|(_, end)| *end)
    }
}

#[derive(Default)]
pub(super) struct State {
    pub(super) segments: BTreeMap<u64, Segment>,
    /// The acceptances whose bodies are needed.
    pub(super) live: BTreeSet<u64>,
    /// Of those few whose body began in an earlier segment: where.
    pub(super) reaches: HashMap<u64, Reach>,
    /// Where a reader that asks for this sequence goes on: segment and offset.
    pub(super) places: BTreeMap<u64, (u64, u64)>,
    fault: Option<SpoolFault>,
    /// Bytes free when they were last asked for, less those written since.
    free: Option<(Duration, u64)>,
    /// The log's end as written, and as durable.
    pub(super) written: u64,
    pub(super) synced: u64,
    /// Something was released that the last sync does not cover.
    release_waits: bool,
}

/// What the handle, the writer and the sweeper share.
pub(super) struct Shared {
    pub(super) directory: PathBuf,
    pub(super) world: World,
    pub(super) salt: Salt,
    pub(super) settings: Section<config::Spool>,
    pub(super) owner: Owner,
    state: Mutex<State>,
    pub(super) cursor: AtomicU64,
    /// From where on records are kept past their time.
    pub(super) keep_from: AtomicU64,
    closed: AtomicBool,
    /// Whether the last write found no room.
    is_short: AtomicBool,
    /// Whether everything that is still needed is held: before that nothing may be given up.
    pub(super) is_settled: AtomicBool,
    pub(super) end: watch::Sender<u64>,
    pub(super) stopped: watch::Sender<bool>,
    pub(super) bell: SyncSender<()>,
    /// One sweep at a time.
    pub(super) sweeping: Mutex<()>,
    /// How many want every segment to stay as it is.
    pub(super) held: AtomicU32,
}

impl Shared {
    pub(super) fn new(
        directory: &Path,
        settings: Section<config::Spool>,
        owner: Owner,
        world: &World,
        found: Found,
        bell: SyncSender<()>,
    ) -> Self {
        Self {
            directory: directory.into(),
            world: world.clone(),
            salt: found.salt,
            settings,
            owner,
            state: Mutex::new(State {
                segments: found.segments,
                reaches: found.reaches,
                written: found.next,
                synced: found.next,
                ..State::default()
            }),
            cursor: AtomicU64::new(0),
            keep_from: AtomicU64::new(u64::MAX),
            closed: AtomicBool::new(false),
            is_short: AtomicBool::new(false),
            is_settled: AtomicBool::new(false),
            end: watch::channel(found.end).0,
            stopped: watch::channel(false).0,
            bell,
            sweeping: Mutex::new(()),
            held: AtomicU32::new(0),
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether no segment may be written anew now, nor removed.
    pub(super) fn is_held(&self) -> bool {
        self.held.load(Ordering::Acquire) > 0
    }

    pub(super) fn fault(&self) -> Option<SpoolFault> {
        self.state().fault.clone()
    }

    /// Stops the spool for good.
    pub(super) fn stop(&self, fault: &io::Error) -> SpoolFault {
        tracing::error!(target: "relent::spool", %fault, directory = %self.directory.display(),
            "the disk failed: no mail is accepted until the daemon is started anew");
        let stopped = SpoolFault::Stopped(fault.to_string());
        let stopped = self.state().fault.get_or_insert(stopped).clone();
        self.stopped.send_replace(true);
        stopped
    }

    /// Says that room or handles are wanting now; the spool goes on.
    pub(super) fn short(&self, fault: &io::Error) -> SpoolFault {
        if !self.is_short.swap(true, Ordering::AcqRel) {
            tracing::warn!(target: "relent::spool", %fault, directory = %self.directory.display(),
                "the spool could not write now");
        }
        metrics::counter!("relent_spool_short_total").increment(1);
        SpoolFault::Full
    }

    /// Whether marks can be written: until a write that found no room is followed by one that did, or
    /// there is room again.
    pub(super) fn can_mark(&self) -> Result<(), SpoolFault> {
        if self.is_short.load(Ordering::Acquire) {
            let free = self.world.disk.free(&self.directory).unwrap_or(0);
            if free < MARKS {
                return Err(SpoolFault::Full);
            }
            self.is_short.store(false, Ordering::Release);
        }
        Ok(())
    }

    /// Whether so many bytes of mail may be written with `spool.free_space_min` left for marks.
    pub(super) fn room(&self, wanted: usize) -> Result<(), SpoolFault> {
        let now = self.world.clock.steady();
        let known = self.state().free;
        let free = match known {
            Some((at, free)) if now.saturating_sub(at) < FREE_SPACE_AGE => free,
            _ => {
                let free = self.world.disk.free(&self.directory).map_err(|_| SpoolFault::Full)?;
                self.state().free = Some((now, free));
                free
            }
        };
        let needed = self.settings.free_space_min.0.saturating_add(wanted as u64);
        if free < needed { Err(SpoolFault::Full) } else { Ok(()) }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
    }

    /// What this finds to do; nothing once the spool is closed.
    pub(super) fn unless_closed<T>(&self, find: impl FnOnce(&Self) -> Option<T>) -> Option<T> {
        if self.is_closed() { None } else { find(self) }
    }

    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Release);
    }

    pub(super) fn last_segment(&self) -> Option<u64> {
        self.state().segments.keys().next_back().copied()
    }

    pub(super) fn begin(&self, number: u64, segment: Segment) {
        self.state().segments.insert(number, segment);
        let _ = self.bell.try_send(());
    }

    pub(super) fn segment(&self, number: u64) -> Option<Segment> {
        self.state().segments.get(&number).cloned()
    }

    pub(super) fn written(
        &self,
        number: u64,
        length: u64,
        next: u64,
        bodies: bool,
        now: Timestamp,
        held: &[(u64, Vec<Extent>)],
    ) {
        let mut state = self.state();
        state.written = next;
        if let Some(segment) = state.segments.get_mut(&number) {
            let more = length.saturating_sub(segment.length);
            if more > 0 {
                self.is_short.store(false, Ordering::Release);
            }
            segment.length = length;
            segment.bodies |= bodies;
            segment.newest = now;
            if let Some((_, free)) = &mut state.free {
                *free = free.saturating_sub(more);
            }
        }
        for (sequence, extents) in held {
            let oldest = extents.iter().map(|extent| extent.segment).min();
            if let Some(oldest) = oldest.filter(|oldest| *oldest < number) {
                let extents = Some(extents.clone());
                state.reaches.insert(*sequence, Reach { oldest, extents });
            }
            state.hold(*sequence);
        }
    }

    /// Everything before `next` is durable.
    pub(super) fn synced(&self, next: u64) {
        let mut state = self.state();
        state.synced = next;
        if std::mem::take(&mut state.release_waits) {
            let _ = self.bell.try_send(());
        }
    }

    /// The end of this segment was taken out again.
    pub(super) fn cut(&self, number: u64, length: u64) {
        if let Some(segment) = self.state().segments.get_mut(&number) {
            segment.length = length;
        }
    }

    pub(super) fn announce(&self, next: u64) {
        self.end.send_replace(next);
    }

    pub(super) fn pin(&self, number: u64) {
        if let Some(segment) = self.state().segments.get_mut(&number) {
            segment.pins += 1;
        }
    }

    pub(super) fn unpin(&self, number: u64) {
        if let Some(segment) = self.state().segments.get_mut(&number) {
            segment.pins = segment.pins.saturating_sub(1);
        }
    }

    /// Whether who has come to `cursor` has read all that stands before a segment. Where a copy was put back, the
    /// next begins far past the end.
    fn is_past(&self, cursor: u64, after: &Segment) -> bool {
        after.first <= cursor || *self.end.borrow() <= cursor
    }

    /// The oldest sealed segment with bodies that nobody needs.
    pub(super) fn shrinkable(&self) -> Option<u64> {
        let cursor = self.cursor.load(Ordering::Acquire);
        let state = self.state();
        let mut pairs = state.segments.iter().peekable();
        while let Some((number, segment)) = pairs.next() {
            let (_, after) = pairs.peek()?;
            let dead = segment.is_dead(state.synced) && !segment.whole;
            if dead && segment.bodies && self.is_past(cursor, after) {
                return Some(*number);
            }
        }
        None
    }

    /// The oldest sealed segment of which so little is needed that it is rewritten without the rest, and
    /// about how many bytes that will take.
    pub(super) fn sparse(&self) -> Option<(u64, usize)> {
        let state = self.state();
        let live_percent_min = self.settings.live_percent_min.into();
        let mut pairs = state.segments.iter().peekable();
        while let Some((number, segment)) = pairs.next() {
            pairs.peek()?;
            if segment.is_sparse(state.synced, live_percent_min) {
                let share = segment.length / 100 * live_percent_min;
                return Some((*number, usize::try_from(share).unwrap_or(usize::MAX)));
            }
        }
        None
    }

    /// When a segment was written to last, by the clock that held then.
    pub(super) fn newest(&self) -> Option<Timestamp> {
        self.state().segments.values().map(|segment| segment.newest).max()
    }

    /// The acceptances that need a segment. `None` while the mark of one that needs it no more may still be lost.
    pub(super) fn needing(&self, number: u64) -> Option<Needing> {
        let state = self.state();
        let segment = state.segments.get(&number)?;
        if segment.released > state.synced || state.fault.is_some() {
            return None;
        }
        let first = segment.first;
        let after = state.segments.range(number + 1..).next();
        // A segment under a number that is not its own may begin before this one.
        let after = after.map_or(u64::MAX, |(_, segment)| segment.first.max(first));
        let reaching = state.reaches.iter().filter(|(sequence, reach)| {
            **sequence >= after && reach.oldest <= number && state.live.contains(sequence)
        });
        let reaching = reaching.map(|(_, reach)| reach.extents.clone()).collect();
        Some(Needing { own: state.live.range(first..after).copied().collect(), reaching })
    }

    /// The acceptances of a segment whose messages wait.
    pub(super) fn live_in(&self, number: u64) -> BTreeSet<u64> {
        let state = self.state();
        let Some(segment) = state.segments.get(&number) else { return BTreeSet::new() };
        let after = state.segments.range(number + 1..).next();
        let after = after.map_or(u64::MAX, |(_, next)| next.first.max(segment.first));
        state.live.range(segment.first..after).copied().collect()
    }

    /// Whether everybody who reads events has read a sealed segment.
    pub(super) fn is_read(&self, number: u64) -> bool {
        let cursor = self.cursor.load(Ordering::Acquire);
        let state = self.state();
        state
            .segments
            .range(number + 1..)
            .next()
            .is_some_and(|(_, after)| self.is_past(cursor, after))
    }

    /// The numbers of all segments.
    pub(super) fn numbers(&self) -> Vec<u64> {
        self.state().segments.keys().copied().collect()
    }

    /// The newest sealed segment without an index.
    pub(super) fn unindexed(&self) -> Option<u64> {
        let state = self.state();
        let mut sealed = state.segments.iter().rev().skip(1);
        sealed.find(|(_, segment)| !segment.indexed).map(|(number, _)| *number)
    }

    pub(super) fn set_indexed(&self, number: u64, edition: u64) {
        let mut state = self.state();
        if let Some(segment) = state.segments.get_mut(&number)
            && segment.edition == edition
        {
            segment.indexed = true;
        }
    }

    /// Has a segment kept as it is: it cannot be read through.
    pub(super) fn keep_whole(&self, number: u64) {
        if let Some(segment) = self.state().segments.get_mut(&number) {
            segment.whole = true;
        }
    }

    /// The oldest segment, if it is sealed, shrunk, read by all and past its time.
    pub(super) fn removable(&self) -> Option<u64> {
        let read = self.cursor.load(Ordering::Acquire);
        let cursor = read.min(self.keep_from.load(Ordering::Acquire));
        let now = self.world.clock.now();
        let state = self.state();
        let mut pairs = state.segments.iter();
        let (number, segment) = pairs.next()?;
        let (_, after) = pairs.next()?;
        let dead = segment.is_dead(state.synced) && (!segment.bodies || segment.whole);
        (dead
            && self.is_past(cursor, after)
            && now.since(segment.newest) > self.owner.retention.get())
        .then_some(*number)
    }

    pub(super) fn forget(&self, number: u64) {
        let mut state = self.state();
        state.segments.remove(&number);
        state.places.clear();
    }

    /// Puts a rewritten file in a segment's place: `moved` says where its bodies now lie, where it
    /// holds any.
    pub(super) fn rewritten(
        &self,
        number: u64,
        length: u64,
        moved: Option<Moved>,
        rename: impl FnOnce() -> io::Result<()>,
    ) -> io::Result<()> {
        let mut state = self.state();
        if let Some(fault) = &state.fault {
            // What was marked may not be durable.
            return Err(io::Error::other(fault.to_string()));
        }
        rename()?;
        state.places.clear();
        if let Some(segment) = state.segments.get_mut(&number) {
            segment.length = length;
            segment.bodies = moved.is_some();
            segment.taken = segment.live;
            segment.moved = moved.map(Arc::new);
            segment.version = VERSION;
            segment.edition += 1;
            segment.indexed = false;
            segment.damaged.clear();
        }
        Ok(())
    }
}

impl State {
    /// The segment that holds the record of this sequence.
    pub(super) fn own(&self, sequence: u64) -> Option<u64> {
        let mut newest_first = self.segments.iter().rev();
        newest_first.find(|(_, segment)| segment.first <= sequence).map(|(number, _)| *number)
    }

    /// The segments that hold a part of a message.
    fn parts(&mut self, sequence: u64) -> Option<btree_map::RangeMut<'_, u64, Segment>> {
        let own = self.own(sequence)?;
        let oldest = self.reaches.get(&sequence).map_or(own, |reach| reach.oldest);
        Some(self.segments.range_mut(oldest.min(own)..=own))
    }

    /// Counts a message in.
    pub(super) fn hold(&mut self, sequence: u64) {
        if !self.live.insert(sequence) {
            return;
        }
        for (_, segment) in self.parts(sequence).into_iter().flatten() {
            segment.live += 1;
            segment.taken += 1;
        }
    }

    /// Everything that is needed is held: what was rewritten before holds no more than that.
    pub(super) fn settle(&mut self) {
        for segment in self.segments.values_mut().filter(|segment| segment.moved.is_some()) {
            segment.taken = segment.live;
        }
    }

    /// Counts a message out.
    pub(super) fn release(&mut self, sequence: u64) {
        if !self.live.remove(&sequence) {
            return;
        }
        let (written, synced) = (self.written, self.synced);
        for (_, segment) in self.parts(sequence).into_iter().flatten() {
            segment.live = segment.live.saturating_sub(1);
            segment.released = written;
        }
        self.reaches.remove(&sequence);
        self.release_waits |= written > synced;
    }
}
