//! The one writer: takes all that waits, writes it at once, syncs once, then answers.

use super::body::Pin;
use super::format::{self, BODY, RECORD_HEADER, SEGMENT_HEADER, SegmentHeader, VERSION};
use super::shared::{Segment, Shared};
use super::{Body, Durability, Encode, Extent, Kind, Sequence, SpoolFault};
use crate::telemetry::Amount;
use crate::world::{DiskFile, is_shortage};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Instant;
use tokio::sync::oneshot;

/// Bytes past which a batch takes no more work.
const BATCH: usize = 8 << 20;

type Answer<T> = oneshot::Sender<Result<T, SpoolFault>>;

/// What the writer is asked to do.
pub(super) enum Work {
    Piece {
        piece: Vec<u8>,
        answer: Answer<(Extent, Pin)>,
    },
    Accept {
        piece: Vec<u8>,
        body: Body,
        encode: Encode,
        answer: Answer<Sequence>,
    },
    Append {
        records: Vec<(Kind, Vec<u8>)>,
        durability: Durability,
        answer: Answer<Vec<Sequence>>,
    },
    /// Syncs even what is synced.
    Probe(Answer<()>),
    /// Begins a new segment, so that the one before can be written anew.
    Seal(Answer<()>),
    Close(oneshot::Sender<()>),
}

/// Answers that wait for the write, or for the sync.
type Reply = Box<dyn FnOnce(Result<(), SpoolFault>) + Send>;

pub(super) struct Writer {
    pub(super) shared: Arc<Shared>,
    pub(super) work: Receiver<(Work, Amount)>,
    pub(super) next: u64,
    pub(super) active: Option<(u64, Arc<dyn DiskFile>, u64)>,
    pub(super) dirty_since: Option<Instant>,
}

#[derive(Default)]
struct Batch {
    buffer: Vec<u8>,
    written: Vec<Reply>,
    synced: Vec<Reply>,
    held: Vec<(u64, Vec<Extent>)>,
    must_sync: bool,
    is_probed: bool,
    bodies: bool,
    closing: Option<oneshot::Sender<()>>,
}

/// Syncs a file, and notes how long that took.
fn sync(file: &dyn DiskFile) -> io::Result<()> {
    let begun = Instant::now();
    let done = file.sync_data();
    metrics::histogram!("relent_spool_sync_seconds").record(begun.elapsed().as_secs_f64());
    done
}

impl Drop for Writer {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.shared.stop(&io::Error::other("the spool's writer met what cannot be"));
        }
    }
}

impl Writer {
    pub(super) fn run(mut self) {
        loop {
            let first = match self.wait() {
                Ok(work) => Some(work),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => break,
            };
            let mut batch = Batch { must_sync: first.is_none(), ..Batch::default() };
            let outcome = match self.shared.fault() {
                Some(fault) => Err(fault),
                // What writes no record needs no segment.
                None if matches!(first, None | Some(Work::Close(_) | Work::Seal(_))) => Ok(()),
                None => self.roll(self.shared.settings.segment_size.0),
            };
            let start = (self.next, self.length());
            let (mut work, mut sealing) = (first, None);
            while let Some(one) = work.take() {
                if let Work::Seal(answer) = one {
                    sealing = Some(answer);
                    break;
                }
                self.take(one, &mut batch);
                if batch.buffer.len() < BATCH && batch.closing.is_none() {
                    work = self.work.try_recv().ok().map(|(work, _)| work);
                }
            }
            self.commit(outcome, batch, start);
            if let Some(answer) = sealing {
                let sealed = self.shared.fault().map_or(Ok(()), Err);
                let _ = answer.send(sealed.and_then(|()| self.roll(SEGMENT_HEADER + 1)));
            }
            if self.work_ended() {
                return;
            }
        }
        self.commit(
            Ok(()),
            Batch { must_sync: true, ..Batch::default() },
            (self.next, self.length()),
        );
    }

    fn work_ended(&self) -> bool {
        self.shared.is_closed()
    }

    fn length(&self) -> u64 {
        self.active.as_ref().map_or(0, |(_, _, length)| *length)
    }

    fn wait(&self) -> Result<Work, RecvTimeoutError> {
        match self.dirty_since {
            Some(since) => {
                let left = self.shared.settings.mark_delay.0.saturating_sub(since.elapsed());
                self.work.recv_timeout(left).map(|(work, _)| work)
            }
            None => {
                self.work.recv().map(|(work, _)| work).map_err(|_| RecvTimeoutError::Disconnected)
            }
        }
    }

    /// Begins a new segment where there is none or the last one has so many bytes.
    fn roll(&mut self, full: u64) -> Result<(), SpoolFault> {
        let number = match &self.active {
            Some((_, _, length)) if *length < full => return Ok(()),
            Some((number, file, _)) => {
                sync(file.as_ref()).map_err(|fault| self.shared.stop(&fault))?;
                self.dirty_since = None;
                self.shared.synced(self.next);
                number + 1
            }
            None => self.shared.last_segment().map_or(1, |n| n + 1),
        };
        let path = format::path(&self.shared.directory, number);
        match self.begin(number, &path) {
            Ok(file) => {
                self.active = Some((number, file, SEGMENT_HEADER));
                Ok(())
            }
            Err(fault) if is_shortage(&fault) => {
                let _ = self.shared.world.disk.remove(&path);
                // The full segment still takes what the disk has room for.
                if self.active.is_some() { Ok(()) } else { Err(self.shared.short(&fault)) }
            }
            Err(fault) => Err(self.shared.stop(&fault)),
        }
    }

    fn begin(&self, number: u64, path: &Path) -> io::Result<Arc<dyn DiskFile>> {
        let disk = &self.shared.world.disk;
        let file = disk.create(path)?;
        let (version, salt, first) = (VERSION, self.shared.salt, self.next);
        let header = SegmentHeader { version, salt, number, first };
        file.write_at(&header.encode(), 0)?;
        file.sync_data()?;
        disk.sync_directory(&self.shared.directory)?;
        let segment = Segment {
            first,
            length: SEGMENT_HEADER,
            newest: self.shared.world.clock.now(),
            version,
            ..Segment::default()
        };
        self.shared.begin(number, segment);
        Ok(file)
    }

    fn record(
        &mut self,
        batch: &mut Batch,
        kind: Kind,
        payload: &[u8],
        oldest: Option<u64>,
    ) -> u64 {
        let sequence = self.next;
        self.next += 1;
        let here = self.active.as_ref().map_or(0, |(number, _, _)| *number);
        let oldest = oldest.unwrap_or(here);
        format::put(&mut batch.buffer, self.shared.salt, sequence, oldest, kind, payload);
        sequence
    }

    fn piece(&mut self, batch: &mut Batch, piece: &[u8]) -> Extent {
        batch.bodies = true;
        let (segment, length) =
            self.active.as_ref().map_or((0, 0), |(number, _, length)| (*number, *length));
        let offset = length + (batch.buffer.len() + RECORD_HEADER) as u64;
        self.record(batch, BODY, piece, None);
        Extent {
            segment,
            offset,
            length: u32::try_from(piece.len()).expect("pieces are at most 64 KiB"),
            crc: crc32c::crc32c(piece),
        }
    }

    fn take(&mut self, work: Work, batch: &mut Batch) {
        match work {
            Work::Piece { piece, answer } => {
                if let Err(fault) = self.shared.room(batch.buffer.len() + piece.len()) {
                    let _ = answer.send(Err(fault));
                    return;
                }
                let extent = self.piece(batch, &piece);
                let shared = self.shared.clone();
                batch.written.push(Box::new(move |outcome| {
                    let pinned = outcome.map(|()| (extent, Pin::new(&shared, extent.segment)));
                    let _ = answer.send(pinned);
                }));
            }
            Work::Accept { piece, mut body, encode, answer } => {
                if let Err(fault) = self.shared.room(batch.buffer.len() + piece.len()) {
                    let _ = answer.send(Err(fault));
                    return;
                }
                if !piece.is_empty() {
                    let extent = self.piece(batch, &piece);
                    body.extents.push(extent);
                }
                let oldest = body.extents.iter().map(|extent| extent.segment).min();
                let extents = body.extents.clone();
                let (kind, payload) = encode(body);
                if payload.len() > format::PAYLOAD_MAX {
                    let _ = answer.send(Err(SpoolFault::Busy));
                    return;
                }
                let sequence = self.record(batch, kind, &payload, oldest);
                batch.must_sync = true;
                batch.held.push((sequence, extents));
                let answer = sabotage(answer, sequence);
                batch.synced.push(Box::new(move |outcome| {
                    if let Some(answer) = answer {
                        let _ = answer.send(outcome.map(|()| Sequence(sequence)));
                    }
                }));
            }
            Work::Append { records, durability, answer } => {
                let sequences = records
                    .iter()
                    .map(|(kind, payload)| Sequence(self.record(batch, *kind, payload, None)))
                    .collect();
                let reply: Reply = Box::new(move |outcome| {
                    let _ = answer.send(outcome.map(|()| sequences));
                });
                if durability == Durability::Synced {
                    batch.must_sync = true;
                    batch.synced.push(reply);
                } else {
                    batch.written.push(reply);
                }
            }
            Work::Probe(answer) => {
                batch.is_probed = true;
                batch.synced.push(Box::new(move |outcome| {
                    let _ = answer.send(outcome);
                }));
            }
            // It ends a batch, and is done after it.
            Work::Seal(_) => {}
            Work::Close(answer) => {
                batch.must_sync = true;
                batch.closing = Some(answer);
                self.shared.close();
            }
        }
    }

    /// Writes and syncs, then answers. Nothing is answered well that is not where it must be.
    fn commit(&mut self, ready: Result<(), SpoolFault>, batch: Batch, start: (u64, u64)) {
        let written = ready.and_then(|()| self.write(&batch, start.1));
        if written.is_ok() {
            if let Some((number, _, length)) = &self.active {
                let now = self.shared.world.clock.now();
                self.shared.written(*number, *length, self.next, batch.bodies, now, &batch.held);
            }
        } else {
            self.next = start.0;
        }
        for reply in batch.written {
            reply(written.clone());
        }
        let must_sync = batch.is_probed || (batch.must_sync && self.dirty_since.is_some());
        let synced = written.and_then(|()| self.sync(must_sync, start.1));
        for reply in batch.synced {
            reply(synced.clone());
        }
        if synced.is_ok() {
            self.shared.announce(self.next);
        }
        if self.shared.fault().is_some() {
            // There is nothing left to sync in time.
            self.dirty_since = None;
        }
        if let Some(answer) = batch.closing {
            let _ = answer.send(());
        }
    }

    fn write(&mut self, batch: &Batch, at: u64) -> Result<(), SpoolFault> {
        let Some((_, file, length)) = &mut self.active else {
            return Ok(());
        };
        if batch.buffer.is_empty() {
            return Ok(());
        }
        let mut written = file.write_at(&batch.buffer, at);
        // Mail does not get what is kept for stops and marks.
        if !batch.bodies
            && written.as_ref().is_err_and(is_shortage)
            && self.shared.world.reserve.give_up()
        {
            written = file.write_at(&batch.buffer, at);
        }
        if let Err(fault) = written {
            // What a part of the batch left there was answered badly, and must not come back.
            let is_cut = file.set_len(at).is_ok();
            return Err(if is_cut && is_shortage(&fault) {
                self.shared.short(&fault)
            } else {
                self.shared.stop(&fault)
            });
        }
        *length = at + batch.buffer.len() as u64;
        self.dirty_since.get_or_insert_with(Instant::now);
        Ok(())
    }

    /// Syncs where it must; `start` is where the batch begins, which a failure takes out again.
    fn sync(&mut self, must: bool, start: u64) -> Result<(), SpoolFault> {
        if !must {
            return Ok(());
        }
        if let Some((number, file, length)) = &mut self.active {
            if let Err(fault) = sync(file.as_ref()) {
                let stopped = self.shared.stop(&fault);
                // The batch is answered 451: it must not be in the log when the daemon starts anew.
                if let Err(fault) = file.set_len(start).and_then(|()| file.sync_data()) {
                    tracing::error!(target: "relent::spool", %fault, segment = *number, start,
                        "what was refused could not be taken out of the spool again: it may be sent");
                }
                *length = start;
                self.shared.cut(*number, start);
                return Err(stopped);
            }
            self.shared.synced(self.next);
        }
        self.dirty_since = None;
        Ok(())
    }
}

/// Breaks promise A where a test asks for it, so that the harness can be shown to notice.
#[cfg(feature = "sabotage")]
fn sabotage(answer: Answer<Sequence>, sequence: u64) -> Option<Answer<Sequence>> {
    if std::env::var("RELENT_SABOTAGE").as_deref() != Ok("ack-before-write") {
        return Some(answer);
    }
    let _ = answer.send(Ok(Sequence(sequence)));
    std::thread::sleep(std::time::Duration::from_millis(30));
    None
}

#[cfg(not(feature = "sabotage"))]
#[allow(clippy::unnecessary_wraps, reason = "the other form needs it")]
fn sabotage(answer: Answer<Sequence>, _sequence: u64) -> Option<Answer<Sequence>> {
    Some(answer)
}
