//! The spool's handle: opening, appending, reading.

use super::format::{self, SEGMENT_HEADER};
use super::shared::{Segment, Shared};
use super::writer::{Work, Writer};
use super::{
    Body, BodyReader, BodyWriter, Durability, Encode, Kind, Owner, Record, Recovery, Sequence,
    SpoolFault, recovery, sweep,
};
use crate::config::{self, Section};
use crate::telemetry::{Amount, Level};
use crate::world::{DiskFile, World};
use std::io;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, PoisonError};
use tokio::sync::oneshot;

/// Places of readers that are remembered.
const PLACES: usize = 32;

/// A handle to the spool. Cheap to clone.
#[derive(Clone)]
pub struct Spool {
    pub(super) shared: Arc<Shared>,
    work: SyncSender<(Work, Amount)>,
    pending: Level,
}

/// A segment as it is known, and its file.
type OpenSegment = (Segment, Arc<dyn DiskFile>);

impl Spool {
    /// Opens or creates the spool in `directory`, repairs what a crash left, and starts the writer.
    ///
    /// # Errors
    /// What the disk said. A damaged record is no error: it is quarantined and counted.
    pub fn open(
        directory: &Path,
        settings: impl Into<Section<config::Spool>>,
        owner: Owner,
        world: &World,
    ) -> io::Result<(Self, Recovery)> {
        let settings = settings.into();
        world.disk.create_directory(directory)?;
        if let Some(parent) = directory.parent() {
            // A power cut must not take the folder with all that is synced in it.
            world.disk.sync_directory(parent)?;
        }
        let found = recovery::recover(directory, world)?;
        let (work, inbox) = sync_channel(settings.pending_max.max(1) as usize);
        let pending = Level::new("spool.pending_max", u64::from(settings.pending_max));
        let (bell, rung) = sync_channel(1);
        let active = match found.segments.iter().next_back() {
            Some((number, segment)) if found.may_append => {
                Some((*number, world.disk.open(&format::path(directory, *number))?, segment.length))
            }
            _ => None,
        };
        let (next, recovery) = (found.next, found.recovery.clone());
        let shared = Arc::new(Shared::new(directory, settings, owner, world, found, bell));
        let writer =
            Writer { shared: shared.clone(), work: inbox, next, active, dirty_since: None };
        std::thread::Builder::new().name("spool-writer".into()).spawn(move || writer.run())?;
        let weak = Arc::downgrade(&shared);
        std::thread::Builder::new()
            .name("spool-sweeper".into())
            .spawn(move || sweep::run(&weak, &rung))?;
        Ok((Self { shared, work, pending }, recovery))
    }

    #[cfg(test)]
    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    pub(super) fn send(&self, work: Work) -> Result<(), SpoolFault> {
        if let Some(fault) = self.shared.fault() {
            return Err(fault);
        }
        self.work.try_send((work, self.pending.take(1))).map_err(|fault| match fault {
            TrySendError::Full(_) => SpoolFault::Busy,
            TrySendError::Disconnected(_) => self.gone(),
        })
    }

    /// Why the writer gave no answer.
    pub(super) fn gone(&self) -> SpoolFault {
        self.shared.fault().unwrap_or_else(|| SpoolFault::Stopped("the spool is closed".into()))
    }

    /// When the log was written to last, by the clock that held then.
    #[must_use]
    pub fn newest(&self) -> Option<crate::mail::Timestamp> {
        self.shared.newest()
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

    /// Whether what becomes of a message can be written down now: if not, none may be sent, since nobody
    /// would know that it was.
    ///
    /// # Errors
    /// [`SpoolFault::Full`] or [`SpoolFault::Stopped`].
    pub fn can_mark(&self) -> Result<(), SpoolFault> {
        self.can_record()?;
        self.shared.can_mark()
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
            pins: Vec::new(),
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

    /// Has the writer sync its file, and answers once it has: whether the disk still does what it is told.
    ///
    /// # Errors
    /// Any [`SpoolFault`].
    pub async fn probe(&self) -> Result<(), SpoolFault> {
        let (answer, wait) = oneshot::channel();
        self.send(Work::Probe(answer))?;
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
                if records.len() < limit {
                    let place = (number, &segment, file.as_ref());
                    offset = self.shared.walk(place, (offset, least), |_, record| {
                        records.push(record);
                        records.len() < limit
                    });
                }
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
    pub(super) fn segment_file(&self, number: u64) -> Result<Option<OpenSegment>, SpoolFault> {
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
    /// found at opening; what [`Spool::accept`] takes is held already. Without its `body`, nothing of
    /// the segments that may hold a part of it is given up.
    pub fn hold(&self, accepted: Sequence, body: Option<&Body>) {
        let mut state = self.shared.state();
        if let Some(reach) = state.reaches.get_mut(&accepted.0) {
            reach.extents = body.map(|body| body.extents.clone());
        }
        state.hold(accepted.0);
    }

    /// Says that all that is still queued is held, so that the rest may be given up.
    pub fn settle(&self) {
        self.shared.state().settle();
        self.shared.is_settled.store(true, Ordering::Release);
        let _ = self.shared.bell.try_send(());
    }

    /// Says that the message accepted at this sequence needs its body no more: a segment without such
    /// messages loses its bodies, and later, past `retention.events`, its file.
    pub fn release(&self, accepted: Sequence) {
        self.shared.state().release(accepted.0);
        let _ = self.shared.bell.try_send(());
    }

    /// The spool's segments are shrunk and removed only before this sequence: the least durable
    /// cursor of those who read events.
    pub fn set_cursor(&self, read_up_to: Sequence) {
        self.shared.cursor.store(read_up_to.0, Ordering::Release);
        let _ = self.shared.bell.try_send(());
    }

    /// Has the records from this sequence on kept past their time, for one who has not read them yet; their
    /// bodies go all the same.
    pub fn keep_from(&self, unread: Sequence) {
        self.shared.keep_from.store(unread.0, Ordering::Release);
        let _ = self.shared.bell.try_send(());
    }

    /// The first sequence that may still be there: what lies before it was past its time.
    #[must_use]
    pub fn begin(&self) -> Sequence {
        let state = self.shared.state();
        Sequence(state.segments.values().next().map_or(0, |segment| segment.first))
    }

    /// Finishes what waits, syncs, and ends the writer; a sweep under way ends with the segment that it is at. After
    /// that nothing of the folder is touched, and it may be opened anew.
    pub async fn close(&self) {
        let (answer, wait) = oneshot::channel();
        if self.work.try_send((Work::Close(answer), self.pending.take(1))).is_ok() {
            let _ = wait.await;
        }
        let shared = self.shared.clone();
        let swept = move || drop(shared.sweeping.lock().unwrap_or_else(PoisonError::into_inner));
        let _ = tokio::task::spawn_blocking(swept).await;
    }
}
