//! Both logs as webhooks read them: a page at a time, which those who stand at the same place share, and
//! only of what is durable: what is told to a program must not be unmade by a power cut.

use super::happening::Happening;
use super::record::{Log, Place};
use crate::config::{self, Section};
use crate::events::message::MessageEvent;
use crate::events::record::RecordEvent;
use crate::events::{Durability, Sequence, Spool};
use crate::store::Store;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::{Mutex, watch};

/// Pages of events of messages that are kept for whoever comes along next.
const PAGES: usize = 16;
/// How long something is told as it was read. Past that it is read again, as what it says of a person may
/// have been destroyed meanwhile.
pub(super) const FRESH: Duration = Duration::from_secs(60);

/// Events read together.
#[derive(Debug)]
pub(super) struct Page {
    start: u64,
    /// The first number after all of them.
    pub(super) end: u64,
    pub(super) items: Vec<Happening>,
    read_at: Instant,
}

impl Page {
    /// Whether it is to be read again.
    pub(super) fn is_stale(&self) -> bool {
        self.read_at.elapsed() > FRESH
    }
}

/// Both logs.
pub(super) struct Journal {
    pub(super) spool: Spool,
    pub(super) store: Store,
    settings: Section<config::Webhooks>,
    pages: Mutex<VecDeque<Arc<Page>>>,
    /// How many changes there have been.
    pub(super) changes: watch::Sender<u64>,
}

impl Journal {
    pub(super) fn new(
        spool: Spool,
        store: Store,
        settings: impl Into<Section<config::Webhooks>>,
    ) -> Self {
        Self {
            spool,
            store,
            settings: settings.into(),
            pages: Mutex::default(),
            changes: watch::channel(0).0,
        }
    }

    /// Most events of a page.
    fn batch(&self) -> usize {
        self.settings.events_batch_max.max(1) as usize
    }

    /// The events from this number on, once there are some. A fault is waited out.
    pub(super) async fn page(&self, log: Log, from: u64) -> Arc<Page> {
        loop {
            let read = match log {
                Log::Messages => self.messages(from).await,
                Log::Changes => self.changes(from).await,
            };
            match read {
                Ok(page) => return page,
                Err(fault) => tracing::warn!(target: "relent::webhooks", %fault, ?log, from,
                    "events could not be read for webhooks; tried again soon"),
            }
            tokio::time::sleep(self.settings.read_retry.0).await;
        }
    }

    async fn messages(&self, from: u64) -> Result<Arc<Page>, String> {
        self.spool.wait_for(Sequence(from)).await;
        if self.spool.end().0 - from.min(self.spool.end().0) < self.batch() as u64 {
            tokio::time::sleep(self.settings.events_delay.0).await;
        }
        // Held while a page is read, so that those who want the same wait for it.
        let mut pages = self.pages.lock().await;
        pages.retain(|page| !page.is_stale());
        if let Some(page) = pages.iter().find(|page| page.start <= from && from < page.end) {
            return Ok(page.clone());
        }
        let (end, begin) = (self.spool.end().0, self.spool.begin().0);
        if from < begin {
            tracing::error!(target: "relent::webhooks", from, begin,
                "events that a webhook has not been told of are past retention.events and gone");
            metrics::counter!("relent_webhook_events_missed_total").increment(begin - from);
        }
        let (spool, limit, read_at) = (self.spool.clone(), self.batch(), Instant::now());
        let read = tokio::task::spawn_blocking(move || spool.read(Sequence(from), limit)).await;
        let records = read.map_err(|f| f.to_string())?.map_err(|f| f.to_string())?;
        // Without any, all up to the end as it was cannot be read.
        let end = records.last().map_or(end, |last| last.sequence.0 + 1);
        let happening = |record: &_, at| Happening::of_message(at, MessageEvent::decode(record)?);
        let items: Vec<_> =
            records.iter().filter_map(|record| happening(record, record.sequence.0)).collect();
        if !items.is_empty() {
            let secured = self.spool.append(Vec::new(), Durability::Synced).await;
            secured.map_err(|fault| fault.to_string())?;
        }
        let page = Arc::new(Page { start: from, end: end.max(from + 1), items, read_at });
        if pages.len() >= PAGES {
            pages.pop_front();
        }
        pages.push_back(page.clone());
        Ok(page)
    }

    async fn changes(&self, from: u64) -> Result<Arc<Page>, String> {
        let mut count = self.changes.subscribe();
        let _ = count.wait_for(|count| *count >= from).await;
        let known = *count.borrow();
        let after = from.saturating_sub(1).to_be_bytes();
        let read_at = Instant::now();
        let read = self.store.scan::<RecordEvent>(b"", Some(&after), self.batch());
        let events = read.map_err(|fault| fault.to_string())?;
        let end = events.last().map_or(known, |(_, last)| last.sequence) + 1;
        let items = events.into_iter().map(|(_, event)| Happening::Change(Arc::new(event)));
        Ok(Arc::new(Page { start: from, end, items: items.collect(), read_at }))
    }

    /// One event by its place; none where it is past its time.
    ///
    /// # Errors
    /// The log or the store, in words.
    pub(super) async fn at(&self, place: Place) -> Result<Option<Happening>, String> {
        let sequence = place.sequence;
        if place.log == Log::Changes {
            let found = self.store.get::<RecordEvent>(&sequence.to_be_bytes());
            return Ok(found.map_err(|f| f.to_string())?.map(|e| Happening::Change(Arc::new(e))));
        }
        let spool = self.spool.clone();
        let read = tokio::task::spawn_blocking(move || spool.read(Sequence(sequence), 1)).await;
        let records = read.map_err(|f| f.to_string())?.map_err(|f| f.to_string())?;
        let found = records.iter().find(|record| record.sequence.0 == sequence);
        Ok(found.and_then(|record| Happening::of_message(sequence, MessageEvent::decode(record)?)))
    }
}
