//! The handle that everyone holds, and what handles and writer share.

use super::body::{Body, BodyReader, BodyWriter, Extent};
use super::record::{Kind, Record, Sequence};
use super::recovery::{self, Recovery};
use super::segment::{self, Segment};
use super::writer::{Request, Writer};
use crate::config;
use crate::mail::Timestamp;
use crate::world::{DiskFile, World};
use bytes::Bytes;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{oneshot, watch};

/// How long a figure of free space is believed.
const FREE_SPACE_AGE_MAX: Duration = Duration::from_secs(1);

/// When an append is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// After the `fdatasync` that covers it.
    Synced,
    /// Once it is written: it becomes durable with the next batch, or after `spool.mark_delay`. A
    /// crash of the machine may forget it.
    Lazy,
}

/// Why the spool did not do what it was asked.
#[derive(Debug, Clone, thiserror::Error)]
pub enum SpoolFault {
    /// A write or an `fdatasync` failed earlier; nothing is accepted until the daemon starts anew.
    #[error("the spool has stopped accepting after a disk error: {0}")]
    Stopped(String),
    /// Less room on disk than `spool.free_space_min`.
    #[error("the disk of the spool is nearly full")]
    Full,
    /// Too many writes wait.
    #[error("too many writes wait for the spool")]
    Busy,
    /// A piece of a body could not be read or its checksum is wrong.
    #[error("a piece of the spool cannot be read: {0}")]
    Unreadable(String),
}

/// Encodes a message's acceptance once it is known where its body lies.
pub type Encode = Box<dyn FnOnce(Body) -> (Kind, Vec<u8>) + Send>;

/// A segment as the handles see it.
struct Held {
    first: Sequence,
    created: Timestamp,
    file: Arc<dyn DiskFile>,
    path: PathBuf,
    /// Messages accepted here that still need their bodies.
    live: u64,
    /// Its bodies are gone already.
    shrunk: bool,
}

/// What handles and writer share.
pub(super) struct Shared {
    pub(super) folder: PathBuf,
    pub(super) settings: config::Spool,
    pub(super) world: World,
    retention: Duration,
    segments: Mutex<BTreeMap<u64, Held>>,
    stopped: Mutex<Option<String>>,
    next: watch::Sender<Sequence>,
    cursor: AtomicU64,
    free: Mutex<Option<(Duration, u64)>>,
}

fn locked<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Shared {
    pub(super) fn fault(&self) -> Option<SpoolFault> {
        locked(&self.stopped).clone().map(SpoolFault::Stopped)
    }

    /// Stops accepting for good.
    pub(super) fn stop(&self, fault: &io::Error) -> SpoolFault {
        let text = fault.to_string();
        tracing::error!(target: "relent::spool", "disk error: {text}; nothing is accepted until a restart");
        locked(&self.stopped).get_or_insert_with(|| text.clone());
        SpoolFault::Stopped(text)
    }

    /// A batch was written: so many messages were accepted in this segment.
    pub(super) fn wrote(&self, number: u64, accepted: u64, next: Sequence) {
        if accepted > 0
            && let Some(segment) = locked(&self.segments).get_mut(&number)
        {
            segment.live += accepted;
        }
        self.next.send_replace(next);
    }

    pub(super) fn begun(&self, segment: Segment) {
        locked(&self.segments).insert(segment.number, held(segment));
    }
}

fn held(segment: Segment) -> Held {
    Held {
        first: segment.first,
        created: segment.created,
        file: segment.file,
        path: segment.path,
        live: 0,
        shrunk: false,
    }
}

/// A handle to the spool. Cheap to clone.
#[derive(Clone)]
pub struct Spool {
    shared: Arc<Shared>,
    requests: SyncSender<Request>,
}

impl Spool {
    /// Opens or creates the spool in `folder`, repairs what a crash left, and starts the writer.
    /// Records are kept for `retention` after their messages have ended.
    ///
    /// # Errors
    /// What the disk said. A damaged record is no error: it is quarantined and counted.
    pub fn open(
        folder: &Path,
        settings: &config::Spool,
        retention: Duration,
        world: &World,
    ) -> io::Result<(Self, Recovery)> {
        let disk = &*world.disk;
        disk.create_directory(folder)?;
        let now = world.clock.now();
        let mut repaired = recovery::repair(disk, folder, now)?;
        if repaired.segments.is_empty() {
            repaired
                .segments
                .push(segment::create(disk, folder, 1, repaired.next, now)?);
        }
        let last = repaired
            .segments
            .last()
            .expect("there is one segment at least");
        let (number, file) = (last.number, last.file.clone());
        let segments = repaired
            .segments
            .into_iter()
            .map(|s| (s.number, held(s)))
            .collect();
        let shared = Arc::new(Shared {
            folder: folder.into(),
            settings: settings.clone(),
            world: world.clone(),
            retention,
            segments: Mutex::new(segments),
            stopped: Mutex::new(None),
            next: watch::Sender::new(repaired.next),
            cursor: AtomicU64::new(u64::MAX),
            free: Mutex::new(None),
        });
        let (requests, incoming) = sync_channel(settings.pending_max as usize);
        let writer = Writer {
            shared: shared.clone(),
            requests: incoming,
            number,
            file,
            tail: repaired.tail,
            next: repaired.next,
            dirty: false,
        };
        std::thread::Builder::new()
            .name("spool".into())
            .spawn(move || writer.run())?;
        Ok((Self { shared, requests }, repaired.report))
    }

    /// Whether mail may be accepted: no disk error yet, and room on disk.
    ///
    /// # Errors
    /// [`SpoolFault::Stopped`] or [`SpoolFault::Full`].
    pub fn ready(&self) -> Result<(), SpoolFault> {
        if let Some(fault) = self.shared.fault() {
            return Err(fault);
        }
        let now = self.shared.world.clock.steady();
        let mut known = locked(&self.shared.free);
        let fresh = known.filter(|(at, _)| now.saturating_sub(*at) < FREE_SPACE_AGE_MAX);
        let free = match fresh {
            Some((_, free)) => free,
            None => {
                let free = self
                    .shared
                    .world
                    .disk
                    .free(&self.shared.folder)
                    .unwrap_or(0);
                *known = Some((now, free));
                free
            }
        };
        if free < self.shared.settings.free_space_min.0 {
            Err(SpoolFault::Full)
        } else {
            Ok(())
        }
    }

    fn ask<T>(
        &self,
        request: impl FnOnce(oneshot::Sender<T>) -> Request,
    ) -> Result<oneshot::Receiver<T>, SpoolFault> {
        let (answer, answered) = oneshot::channel();
        match self.requests.try_send(request(answer)) {
            Ok(()) => Ok(answered),
            Err(TrySendError::Full(_)) => Err(SpoolFault::Busy),
            Err(TrySendError::Disconnected(_)) => Err(closed()),
        }
    }

    /// Begins a body. Small bodies are kept in memory until they are accepted; larger ones go to
    /// disk in pieces as they come.
    #[must_use]
    pub fn body(&self) -> BodyWriter {
        BodyWriter {
            spool: self.clone(),
            written: Body::default(),
            rest: Vec::new(),
        }
    }

    pub(super) async fn piece(&self, bytes: Vec<u8>) -> Result<Extent, SpoolFault> {
        self.ask(|answer| Request::Piece { bytes, answer })?
            .await
            .map_err(|_| closed())?
    }

    /// Writes what is left of the body and the record that accepts it, and answers once both are
    /// durable. The sequence is that of the record. The message is held as by [`Spool::hold`].
    ///
    /// # Errors
    /// Any [`SpoolFault`]: the message was not accepted.
    pub async fn accept(&self, body: BodyWriter, encode: Encode) -> Result<Sequence, SpoolFault> {
        let BodyWriter { written, rest, .. } = body;
        let answered = self.ask(|answer| Request::Accept {
            written,
            rest,
            encode,
            answer,
        })?;
        answered.await.map_err(|_| closed())?
    }

    /// Appends records.
    ///
    /// # Errors
    /// Any [`SpoolFault`]: nothing was appended.
    pub async fn append(
        &self,
        records: Vec<(Kind, Vec<u8>)>,
        durability: Durability,
    ) -> Result<Vec<Sequence>, SpoolFault> {
        let synced = durability == Durability::Synced;
        let answered = self.ask(|answer| Request::Append {
            records,
            synced,
            answer,
        })?;
        answered.await.map_err(|_| closed())?
    }

    /// Up to `limit` records other than bodies, from `from` on, in order. Blocks on disk: callers
    /// stand on a blocking thread. Fewer than `limit` means the end was reached.
    ///
    /// # Errors
    /// [`SpoolFault::Unreadable`].
    pub fn read(&self, from: Sequence, limit: usize) -> Result<Vec<Record>, SpoolFault> {
        let mut files: Vec<(Sequence, Arc<dyn DiskFile>)> = locked(&self.shared.segments)
            .values()
            .map(|s| (s.first, s.file.clone()))
            .collect();
        let start = files
            .partition_point(|(first, _)| *first <= from)
            .saturating_sub(1);
        let mut found = Vec::new();
        for (_, file) in files.drain(start..) {
            if found.len() >= limit {
                break;
            }
            let bytes =
                recovery::read_all(&*file).map_err(|f| SpoolFault::Unreadable(f.to_string()))?;
            recovery::records(&bytes, from, limit, &mut found);
        }
        Ok(found)
    }

    /// Waits until a record at or after `from` has been written.
    pub async fn wait_for(&self, from: Sequence) {
        let mut next = self.shared.next.subscribe();
        // The sender lives in what we hold ourselves: it cannot be gone.
        let _ = next.wait_for(|next| *next > from).await;
    }

    /// Reads a body back.
    #[must_use]
    pub fn reader(&self, body: &Body) -> BodyReader {
        BodyReader {
            spool: self.clone(),
            extents: body.extents.clone().into_iter(),
        }
    }

    pub(super) fn read_extent(&self, extent: Extent) -> Result<Bytes, SpoolFault> {
        let unreadable = |why: String| {
            SpoolFault::Unreadable(format!(
                "segment {:x} at {}: {why}",
                extent.segment, extent.offset
            ))
        };
        let file = locked(&self.shared.segments)
            .get(&extent.segment)
            .map(|s| s.file.clone());
        let file = file.ok_or_else(|| unreadable("the segment is gone".into()))?;
        let mut bytes = vec![0; extent.length as usize];
        file.read_at(&mut bytes, extent.offset)
            .map_err(|fault| unreadable(fault.to_string()))?;
        if crc32c::crc32c(&bytes) != extent.crc {
            return Err(unreadable("its checksum is wrong".into()));
        }
        Ok(bytes.into())
    }

    /// Says, while the queue is rebuilt, that the message accepted at this sequence still needs its
    /// body.
    pub fn hold(&self, accepted: Sequence) {
        if let Some(segment) = segment_of(&mut locked(&self.shared.segments), accepted) {
            segment.live += 1;
        }
    }

    /// Says that the message accepted at this sequence needs its body no more: a segment without such
    /// messages loses its bodies at the next [`Spool::sweep`].
    pub fn release(&self, accepted: Sequence) {
        if let Some(segment) = segment_of(&mut locked(&self.shared.segments), accepted) {
            segment.live = segment.live.saturating_sub(1);
        }
    }

    /// Segments are shrunk and removed only below this sequence: the least durable cursor of those who
    /// read events.
    pub fn set_cursor(&self, read_up_to: Sequence) {
        self.shared.cursor.store(read_up_to.0, Ordering::Release);
    }

    /// Shrinks dead segments to their events, and removes the oldest once they are past retention.
    /// Blocks on disk. Returns how many segments it changed.
    ///
    /// # Errors
    /// What the disk said; the log is whole all the same.
    pub fn sweep(&self) -> io::Result<usize> {
        let mut changed = 0;
        while let Some((number, path, first)) = self.dead_segment() {
            self.shrink(number, &path, first)?;
            changed += 1;
        }
        while self.remove_oldest()? {
            changed += 1;
        }
        Ok(changed)
    }

    /// A sealed segment that nobody needs the bodies of.
    fn dead_segment(&self) -> Option<(u64, PathBuf, Sequence)> {
        let segments = locked(&self.shared.segments);
        let cursor = Sequence(self.shared.cursor.load(Ordering::Acquire));
        segments
            .iter()
            .zip(segments.values().skip(1))
            .find_map(|((number, segment), after)| {
                let dead = segment.live == 0 && !segment.shrunk && after.first <= cursor;
                dead.then(|| (*number, segment.path.clone(), segment.first))
            })
    }

    fn shrink(&self, number: u64, path: &Path, first: Sequence) -> io::Result<()> {
        let disk = &*self.shared.world.disk;
        let file = disk.open(path)?;
        let bytes = recovery::read_all(&*file)?;
        let created = segment::read_header(&bytes, number)
            .map_or_else(|| self.shared.world.clock.now(), |(_, at)| at);
        let mut events = Vec::new();
        recovery::records(&bytes, Sequence(0), usize::MAX, &mut events);
        let mut small = segment::header(number, first, created).to_vec();
        for event in events {
            super::record::write(&mut small, event.sequence, event.kind, &event.payload);
        }
        let fresh = path.with_extension("new");
        let _ = disk.remove(&fresh);
        let file = disk.create(&fresh)?;
        file.write_at(&small, 0)?;
        file.sync_data()?;
        disk.rename(&fresh, path)?;
        disk.sync_directory(&self.shared.folder)?;
        if let Some(segment) = locked(&self.shared.segments).get_mut(&number) {
            segment.file = file;
            segment.shrunk = true;
        }
        Ok(())
    }

    fn remove_oldest(&self) -> io::Result<bool> {
        let now = self.shared.world.clock.now();
        let oldest = {
            let segments = locked(&self.shared.segments);
            let mut pair = segments.iter();
            match (pair.next(), pair.next()) {
                (Some((number, segment)), Some((_, after)))
                    if segment.shrunk && now.since(after.created) > self.shared.retention =>
                {
                    Some((*number, segment.path.clone()))
                }
                _ => None,
            }
        };
        let Some((number, path)) = oldest else {
            return Ok(false);
        };
        self.shared.world.disk.remove(&path)?;
        self.shared.world.disk.sync_directory(&self.shared.folder)?;
        locked(&self.shared.segments).remove(&number);
        Ok(true)
    }

    /// Finishes what waits, syncs, and ends the writer.
    pub async fn close(&self) {
        if let Ok(answered) = self.ask(|answer| Request::Close { answer }) {
            let _ = answered.await;
        }
    }
}

fn closed() -> SpoolFault {
    SpoolFault::Stopped("the spool is closed".into())
}

fn segment_of(segments: &mut BTreeMap<u64, Held>, sequence: Sequence) -> Option<&mut Held> {
    segments
        .values_mut()
        .rev()
        .find(|segment| segment.first <= sequence)
}
