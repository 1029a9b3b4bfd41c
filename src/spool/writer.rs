//! The one writer: takes everything that waits, writes it in one piece, syncs once, answers all.

use super::body::{Body, Extent};
use super::handle::{Encode, Shared, SpoolFault};
use super::record::{self, Kind, Sequence};
use super::segment;
use std::io;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use tokio::sync::oneshot;

/// Bytes past which a batch takes nothing more in.
const BATCH_BYTES: usize = 8 << 20;

type Answer<T> = oneshot::Sender<Result<T, SpoolFault>>;

/// What the writer is asked.
pub(super) enum Request {
    /// A piece of a body that is not accepted yet.
    Piece {
        bytes: Vec<u8>,
        answer: Answer<Extent>,
    },
    /// The rest of a body, and the record that accepts it.
    Accept {
        written: Body,
        rest: Vec<u8>,
        encode: Encode,
        answer: Answer<Sequence>,
    },
    /// Records.
    Append {
        records: Vec<(Kind, Vec<u8>)>,
        synced: bool,
        answer: Answer<Vec<Sequence>>,
    },
    /// The end.
    Close { answer: oneshot::Sender<()> },
}

/// An answer that waits for the batch to be durable.
enum Waiting {
    Piece(Answer<Extent>, Extent),
    Accept(Answer<Sequence>, Sequence),
    Append(Answer<Vec<Sequence>>, Vec<Sequence>),
}

impl Waiting {
    fn give(self, result: Result<(), SpoolFault>) {
        // A session that has gone does not read its answer: fine.
        match self {
            Self::Piece(answer, extent) => drop(answer.send(result.map(|()| extent))),
            Self::Accept(answer, sequence) => drop(answer.send(result.map(|()| sequence))),
            Self::Append(answer, sequences) => drop(answer.send(result.map(|()| sequences))),
        }
    }
}

/// The writer's own state: where the log ends.
pub(super) struct Writer {
    pub(super) shared: Arc<Shared>,
    pub(super) requests: Receiver<Request>,
    pub(super) number: u64,
    pub(super) file: Arc<dyn crate::world::DiskFile>,
    pub(super) tail: u64,
    pub(super) next: Sequence,
    /// Written and not synced yet.
    pub(super) dirty: bool,
}

#[derive(Default)]
struct Batch {
    bytes: Vec<u8>,
    waiting: Vec<Waiting>,
    accepted: u64,
    synced: bool,
}

impl Writer {
    /// Runs until closed, or until every handle is gone.
    pub(super) fn run(mut self) {
        while let Some(first) = self.wait() {
            let mut batch = Batch::default();
            let mut close = self.take(&mut batch, first);
            while close.is_none() && batch.bytes.len() < BATCH_BYTES {
                let Ok(request) = self.requests.try_recv() else {
                    break;
                };
                close = self.take(&mut batch, request);
            }
            self.commit(batch);
            if let Some(answer) = close {
                self.sync_now();
                let _ = answer.send(());
                return;
            }
        }
        self.sync_now();
    }

    /// The next request; marks that nobody waits for are synced after `mark_delay`.
    fn wait(&mut self) -> Option<Request> {
        if self.dirty {
            match self
                .requests
                .recv_timeout(self.shared.settings.mark_delay.0)
            {
                Ok(request) => return Some(request),
                Err(RecvTimeoutError::Disconnected) => return None,
                Err(RecvTimeoutError::Timeout) => self.sync_now(),
            }
        }
        self.requests.recv().ok()
    }

    fn take(&mut self, batch: &mut Batch, request: Request) -> Option<oneshot::Sender<()>> {
        match request {
            Request::Piece { bytes, answer } => {
                let extent = self.place(batch, &bytes);
                batch.waiting.push(Waiting::Piece(answer, extent));
            }
            Request::Accept {
                mut written,
                rest,
                encode,
                answer,
            } => {
                if !rest.is_empty() {
                    written.push(self.place(batch, &rest));
                }
                let (kind, payload) = encode(written);
                let sequence = self.number_next();
                record::write(&mut batch.bytes, sequence, kind, &payload);
                batch.accepted += 1;
                batch.synced = true;
                batch.waiting.push(Waiting::Accept(answer, sequence));
            }
            Request::Append {
                records,
                synced,
                answer,
            } => {
                let sequences = records
                    .into_iter()
                    .map(|(kind, payload)| {
                        let sequence = self.number_next();
                        record::write(&mut batch.bytes, sequence, kind, &payload);
                        sequence
                    })
                    .collect();
                batch.synced |= synced;
                batch.waiting.push(Waiting::Append(answer, sequences));
            }
            Request::Close { answer } => return Some(answer),
        }
        None
    }

    fn number_next(&mut self) -> Sequence {
        let sequence = self.next;
        self.next = Sequence(sequence.0 + 1);
        sequence
    }

    /// Puts a piece of a body into the batch and says where it will lie.
    fn place(&mut self, batch: &mut Batch, bytes: &[u8]) -> Extent {
        let sequence = self.number_next();
        let start = record::write(&mut batch.bytes, sequence, Kind::BODY, bytes);
        Extent {
            segment: self.number,
            offset: self.tail + start as u64,
            length: u32::try_from(bytes.len()).expect("a piece is at most PIECE_MAX long"),
            crc: crc32c::crc32c(bytes),
        }
    }

    /// Makes a batch durable and answers it. After the first fault nothing is ever accepted again: what
    /// the disk holds is known only to the next start.
    fn commit(&mut self, batch: Batch) {
        let result = match self.shared.fault() {
            Some(fault) => Err(fault),
            None => self.write(&batch).map_err(|fault| self.shared.stop(&fault)),
        };
        if result.is_ok() {
            self.shared.wrote(self.number, batch.accepted, self.next);
        }
        for waiting in batch.waiting {
            waiting.give(result.clone());
        }
        if result.is_ok() && self.tail >= self.shared.settings.segment_size.0 {
            if let Err(fault) = self.roll() {
                self.shared.stop(&fault);
            }
        }
    }

    fn write(&mut self, batch: &Batch) -> io::Result<()> {
        if batch.bytes.is_empty() {
            return Ok(());
        }
        self.file.write_at(&batch.bytes, self.tail)?;
        self.tail += batch.bytes.len() as u64;
        self.dirty = !batch.synced;
        if batch.synced {
            self.file.sync_data()
        } else {
            Ok(())
        }
    }

    /// Seals the segment and begins the next.
    fn roll(&mut self) -> io::Result<()> {
        self.file.sync_data()?;
        self.dirty = false;
        let shared = &self.shared;
        let now = shared.world.clock.now();
        let disk = &*shared.world.disk;
        let fresh = segment::create(disk, &shared.folder, self.number + 1, self.next, now)?;
        (self.number, self.file) = (fresh.number, fresh.file.clone());
        self.tail = segment::HEADER as u64;
        self.shared.begun(fresh);
        Ok(())
    }

    fn sync_now(&mut self) {
        if self.dirty && self.shared.fault().is_none() {
            self.dirty = false;
            if let Err(fault) = self.file.sync_data() {
                self.shared.stop(&fault);
            }
        }
    }
}
