//! The spool's handle, and what its threads share.

use super::body::Pins;
use super::format::{self, BODY, SEGMENT_HEADER, Salt, VERSION, Window};
use super::writer::{Work, Writer};
use super::{
    Body, BodyReader, BodyWriter, Durability, Encode, Kind, Record, Recovery, Sequence, SpoolFault,
    recovery, sweep,
};
use crate::config;
use crate::mail::Timestamp;
use crate::world::{DiskFile, World};
use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{oneshot, watch};

/// How long a figure of free space is believed.
const FREE_SPACE_AGE: Duration = Duration::from_secs(1);
/// Places of readers that are remembered.
const PLACES: usize = 32;

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
    /// Damaged: its bodies are kept too until `retention.events` is over, since more of its mail may be
    /// saved by hand.
    pub(super) whole: bool,
    /// Counts up when the file is replaced.
    pub(super) edition: u64,
    /// The log's end when a message of this segment was released last: the mark that says why lies
    /// before it, and must be durable before bodies go.
    pub(super) released: u64,
}

impl Segment {
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
struct State {
    segments: BTreeMap<u64, Segment>,
    /// Oldest segment of a body, for the few records whose body began in an earlier one.
    reaches: HashMap<u64, u64>,
    /// Where a reader that asks for this sequence goes on: segment and offset.
    places: BTreeMap<u64, (u64, u64)>,
    fault: Option<SpoolFault>,
    /// Bytes free when they were last asked for, less those written since.
    free: Option<(Duration, u64)>,
    /// The log's end as written, and as durable.
    written: u64,
    synced: u64,
    /// Something was released that the last sync does not cover.
    release_waits: bool,
}

/// What the handle, the writer and the sweeper share.
pub(super) struct Shared {
    pub(super) directory: PathBuf,
    pub(super) world: World,
    pub(super) salt: Salt,
    pub(super) segment_size: u64,
    pub(super) mark_delay: Duration,
    retention: Duration,
    free_space_min: u64,
    state: Mutex<State>,
    cursor: AtomicU64,
    closed: AtomicBool,
    end: watch::Sender<u64>,
    stopped: watch::Sender<bool>,
    bell: SyncSender<()>,
    /// One sweep at a time.
    pub(super) sweeping: Mutex<()>,
}

/// A handle to the spool. Cheap to clone.
#[derive(Clone)]
pub struct Spool {
    shared: Arc<Shared>,
    work: SyncSender<Work>,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
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
        tracing::warn!(target: "relent::spool", %fault, directory = %self.directory.display(),
            "the spool could not write now");
        metrics::counter!("relent_spool_short_total").increment(1);
        SpoolFault::Full
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
        let needed = self.free_space_min.saturating_add(wanted as u64);
        if free < needed { Err(SpoolFault::Full) } else { Ok(()) }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Acquire)
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
        held: &[(u64, u64)],
    ) {
        let mut state = self.state();
        state.written = next;
        if let Some(segment) = state.segments.get_mut(&number) {
            let more = length.saturating_sub(segment.length);
            segment.length = length;
            segment.bodies |= bodies;
            segment.newest = now;
            if let Some((_, free)) = &mut state.free {
                *free = free.saturating_sub(more);
            }
        }
        for (sequence, oldest) in held {
            if *oldest < number {
                state.reaches.insert(*sequence, *oldest);
            }
            state.count(*sequence, 1);
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

    pub(super) fn unpin(&self, numbers: &[u64]) {
        let mut state = self.state();
        for number in numbers {
            if let Some(segment) = state.segments.get_mut(number) {
                segment.pins = segment.pins.saturating_sub(1);
            }
        }
    }

    /// The oldest sealed segment with bodies that nobody needs.
    pub(super) fn shrinkable(&self) -> Option<u64> {
        let cursor = self.cursor.load(Ordering::Acquire);
        let state = self.state();
        let mut pairs = state.segments.iter().peekable();
        while let Some((number, segment)) = pairs.next() {
            let (_, after) = pairs.peek()?;
            let dead = segment.is_dead(state.synced) && !segment.whole;
            if dead && segment.bodies && after.first <= cursor {
                return Some(*number);
            }
        }
        None
    }

    /// Has a segment kept as it is: it cannot be read through.
    pub(super) fn keep_whole(&self, number: u64) {
        if let Some(segment) = self.state().segments.get_mut(&number) {
            segment.whole = true;
        }
    }

    /// The oldest segment, if it is sealed, shrunk, read and past its time.
    pub(super) fn removable(&self) -> Option<u64> {
        let cursor = self.cursor.load(Ordering::Acquire);
        let now = self.world.clock.now();
        let state = self.state();
        let mut pairs = state.segments.iter();
        let (number, segment) = pairs.next()?;
        let (_, after) = pairs.next()?;
        let dead = segment.is_dead(state.synced) && (!segment.bodies || segment.whole);
        (dead && after.first <= cursor && now.since(segment.newest) > self.retention)
            .then_some(*number)
    }

    pub(super) fn forget(&self, number: u64) {
        let mut state = self.state();
        state.segments.remove(&number);
        state.places.clear();
    }

    pub(super) fn shrunk(
        &self,
        number: u64,
        length: u64,
        rename: impl FnOnce() -> io::Result<()>,
    ) -> io::Result<()> {
        let mut state = self.state();
        rename()?;
        state.places.clear();
        if let Some(segment) = state.segments.get_mut(&number) {
            segment.length = length;
            segment.bodies = false;
            segment.version = VERSION;
            segment.edition += 1;
        }
        Ok(())
    }
}

impl State {
    /// Counts a message in or out of every segment that holds a part of it.
    fn count(&mut self, sequence: u64, by: i64) {
        let Some(own) = self
            .segments
            .iter()
            .rev()
            .find(|(_, segment)| segment.first <= sequence)
            .map(|(number, _)| *number)
        else {
            return;
        };
        let oldest = self.reaches.get(&sequence).copied().unwrap_or(own);
        let written = self.written;
        for (_, segment) in self.segments.range_mut(oldest.min(own)..=own) {
            segment.live = segment.live.saturating_add_signed(by);
            if by < 0 {
                segment.released = written;
            }
        }
        self.release_waits |= by < 0 && written > self.synced;
    }
}

/// A segment as it is known, and its file.
type OpenSegment = (Segment, Arc<dyn DiskFile>);

impl Spool {
    /// Opens or creates the spool in `directory`, repairs what a crash left, and starts the writer.
    /// Events older than `retention` go with the oldest dead segments.
    ///
    /// # Errors
    /// What the disk said. A damaged record is no error: it is quarantined and counted.
    pub fn open(
        directory: &Path,
        settings: &config::Spool,
        retention: Duration,
        world: &World,
    ) -> io::Result<(Self, Recovery)> {
        world.disk.create_directory(directory)?;
        if let Some(parent) = directory.parent() {
            // A power cut must not take the folder with all that is synced in it.
            world.disk.sync_directory(parent)?;
        }
        let found = recovery::recover(directory, world)?;
        let (work, inbox) = sync_channel(settings.pending_max.max(1) as usize);
        let (bell, rung) = sync_channel(1);
        let active = match found.segments.iter().next_back() {
            Some((number, segment)) if found.may_append => {
                Some((*number, world.disk.open(&format::path(directory, *number))?, segment.length))
            }
            _ => None,
        };
        let shared = Arc::new(Shared {
            directory: directory.into(),
            world: world.clone(),
            salt: found.salt,
            segment_size: settings.segment_size.0,
            mark_delay: settings.mark_delay.0,
            retention,
            free_space_min: settings.free_space_min.0,
            state: Mutex::new(State {
                segments: found.segments,
                reaches: found.reaches,
                written: found.next,
                synced: found.next,
                ..State::default()
            }),
            cursor: AtomicU64::new(0),
            closed: AtomicBool::new(false),
            end: watch::channel(found.next).0,
            stopped: watch::channel(false).0,
            bell,
            sweeping: Mutex::new(()),
        });
        let writer = Writer {
            shared: shared.clone(),
            work: inbox,
            next: found.next,
            active,
            dirty_since: None,
        };
        std::thread::Builder::new().name("spool-writer".into()).spawn(move || writer.run())?;
        let weak = Arc::downgrade(&shared);
        std::thread::Builder::new()
            .name("spool-sweeper".into())
            .spawn(move || sweep::run(&weak, &rung))?;
        Ok((Self { shared, work }, found.recovery))
    }

    #[cfg(test)]
    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    pub(super) fn send(&self, work: Work) -> Result<(), SpoolFault> {
        if let Some(fault) = self.shared.fault() {
            return Err(fault);
        }
        self.work.try_send(work).map_err(|fault| match fault {
            TrySendError::Full(_) => SpoolFault::Busy,
            TrySendError::Disconnected(_) => self.gone(),
        })
    }

    /// Why the writer gave no answer.
    pub(super) fn gone(&self) -> SpoolFault {
        self.shared.fault().unwrap_or_else(|| SpoolFault::Stopped("the spool is closed".into()))
    }

    /// Whether mail may be accepted: no disk error yet, and room on disk (RELIABILITY: F3, F5).
    ///
    /// # Errors
    /// [`SpoolFault::Stopped`] or [`SpoolFault::Full`].
    pub fn ready(&self) -> Result<(), SpoolFault> {
        self.can_record()?;
        self.shared.room(0)
    }

    /// Whether records of what happened can be written: they may use the space that is kept from mail.
    ///
    /// # Errors
    /// [`SpoolFault::Stopped`].
    pub fn can_record(&self) -> Result<(), SpoolFault> {
        self.shared.fault().map_or(Ok(()), Err)
    }

    /// Waits until the disk has failed, and says how: only a new start takes mail again.
    pub async fn failed(&self) -> SpoolFault {
        let mut stopped = self.shared.stopped.subscribe();
        let _ = stopped.wait_for(|stopped| *stopped).await;
        self.gone()
    }

    /// The first sequence that is not written yet.
    #[must_use]
    pub fn end(&self) -> Sequence {
        Sequence(*self.shared.end.borrow())
    }

    /// Begins a body. Small bodies are kept in memory until they are accepted; larger ones go to
    /// disk in pieces as they come.
    #[must_use]
    pub fn body(&self) -> BodyWriter {
        BodyWriter {
            spool: self.clone(),
            piece: Vec::new(),
            body: Body::default(),
            pins: Pins { shared: self.shared.clone(), segments: Vec::new() },
        }
    }

    /// Writes what is left of the body and the record that accepts it, and answers once both are
    /// durable. The sequence is that of the record; its body is held as by [`Spool::hold`].
    ///
    /// # Errors
    /// Any [`SpoolFault`]: then the message must not be acknowledged.
    pub async fn accept(&self, body: BodyWriter, encode: Encode) -> Result<Sequence, SpoolFault> {
        let (answer, wait) = oneshot::channel();
        let BodyWriter { piece, body, pins, .. } = body;
        self.send(Work::Accept { piece, body, encode, answer })?;
        let sequence = wait.await.map_err(|_| self.gone())?;
        drop(pins);
        sequence
    }

    /// Appends records.
    ///
    /// # Errors
    /// Any [`SpoolFault`].
    pub async fn append(
        &self,
        records: Vec<(Kind, Vec<u8>)>,
        durability: Durability,
    ) -> Result<Vec<Sequence>, SpoolFault> {
        let (answer, wait) = oneshot::channel();
        self.send(Work::Append { records, durability, answer })?;
        wait.await.map_err(|_| self.gone())?
    }

    /// Up to `limit` records other than bodies, from `from` on, in order. What is damaged is passed
    /// over. Blocks on disk: callers stand on a blocking thread. Fewer than `limit` means the end was
    /// reached.
    ///
    /// # Errors
    /// [`SpoolFault::Unreadable`]: a segment's file cannot be opened.
    pub fn read(&self, from: Sequence, limit: usize) -> Result<Vec<Record>, SpoolFault> {
        let (mut number, mut offset, mut edition) = {
            let state = self.shared.state();
            let own = state.segments.iter().rev().find(|(_, s)| s.first <= from.0);
            let own = own.or_else(|| state.segments.iter().next());
            let start = (own.map_or(0, |(number, _)| *number), SEGMENT_HEADER);
            let (number, offset) = state.places.get(&from.0).copied().unwrap_or(start);
            // With the place, so that it is known to be one of this edition.
            (number, offset, state.segments.get(&number).map_or(0, |segment| segment.edition))
        };
        let mut records: Vec<Record> = Vec::new();
        let mut least = from.0;
        loop {
            if let Some((segment, file)) = self.segment_file(number)? {
                if segment.edition != edition {
                    (edition, offset) = (segment.edition, SEGMENT_HEADER);
                    least = records.last().map_or(from.0, |last| last.sequence.0 + 1);
                }
                let place = (number, &segment, file.as_ref());
                offset = self.scan(place, offset, least, limit, &mut records);
            }
            let state = self.shared.state();
            if records.len() >= limit {
                break;
            }
            let Some((next, segment)) = state.segments.range(number + 1..).next() else {
                break;
            };
            (number, offset, edition) = (*next, SEGMENT_HEADER, segment.edition);
            least = from.0;
        }
        if let Some(last) = records.last() {
            let mut state = self.shared.state();
            let still = state.segments.get(&number).is_some_and(|s| s.edition == edition);
            if still {
                if state.places.len() >= PLACES {
                    state.places.pop_first();
                }
                state.places.insert(last.sequence.0 + 1, (number, offset));
            }
        }
        Ok(records)
    }

    /// A segment and the file that is of the same edition.
    fn segment_file(&self, number: u64) -> Result<Option<OpenSegment>, SpoolFault> {
        let path = format::path(&self.shared.directory, number);
        while let Some(segment) = self.shared.segment(number) {
            let opened = self.shared.world.disk.open(&path);
            let now = self.shared.segment(number).map(|now| now.edition);
            if now == Some(segment.edition) {
                let fault = |fault| SpoolFault::Unreadable(format!("{}: {fault}", path.display()));
                return opened.map_err(fault).map(|file| Some((segment, file)));
            }
        }
        Ok(None)
    }

    fn scan(
        &self,
        (number, segment, file): (u64, &Segment, &dyn DiskFile),
        mut offset: u64,
        from: u64,
        limit: usize,
        records: &mut Vec<Record>,
    ) -> u64 {
        let mut window = Window::new(file, segment.length, segment.version, self.shared.salt);
        while offset < segment.length && records.len() < limit {
            if let Some(end) = segment.past_damage(offset) {
                offset = end;
                continue;
            }
            match window.head(offset) {
                Some(head) if head.kind == BODY || head.sequence < from => {
                    offset += head.span();
                    continue;
                }
                Some(head) => {
                    if let Some((_, record)) = window.record(offset) {
                        records.push(record);
                        offset += head.span();
                        continue;
                    }
                }
                None => {}
            }
            let end = window.resync(offset + 1).unwrap_or(segment.length);
            tracing::error!(target: "relent::spool", segment = number, start = offset, end,
                "a place in the spool became unreadable and was passed over");
            metrics::counter!("relent_spool_damaged_total").increment(1);
            self.shared.keep_whole(number);
            offset = end;
        }
        offset
    }

    /// Waits until a record at or after `from` has been written.
    pub async fn wait_for(&self, from: Sequence) {
        let mut end = self.shared.end.subscribe();
        let _ = end.wait_for(|next| *next > from.0).await;
    }

    /// Reads a body back.
    #[must_use]
    pub fn reader(&self, body: &Body) -> BodyReader {
        BodyReader { shared: self.shared.clone(), extents: body.extents.clone().into_iter() }
    }

    /// Says that the segment of this sequence holds one more message that is still queued: for those
    /// found at opening; what [`Spool::accept`] takes is held already.
    pub fn hold(&self, accepted: Sequence) {
        self.shared.state().count(accepted.0, 1);
    }

    /// Says that the message accepted at this sequence needs its body no more: a segment without such
    /// messages loses its bodies, and later, past `retention.events`, its file.
    pub fn release(&self, accepted: Sequence) {
        let mut state = self.shared.state();
        state.count(accepted.0, -1);
        state.reaches.remove(&accepted.0);
        drop(state);
        let _ = self.shared.bell.try_send(());
    }

    /// The spool's segments are shrunk and removed only before this sequence: the least durable
    /// cursor of those who read events.
    pub fn set_cursor(&self, read_up_to: Sequence) {
        self.shared.cursor.store(read_up_to.0, Ordering::Release);
        let _ = self.shared.bell.try_send(());
    }

    /// Finishes what waits, syncs, and ends the writer.
    pub async fn close(&self) {
        let (answer, wait) = oneshot::channel();
        if self.work.try_send(Work::Close(answer)).is_ok() {
            let _ = wait.await;
        }
    }
}
