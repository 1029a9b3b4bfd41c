//! One webhook at work: it reads both logs from where it stands, makes its calls in lanes, and writes down
//! how far it has come. It waits for no other webhook but for its turn among all calls.

use super::call::{Heard, Letter, Line, call};
use super::engine::{At, Hub};
use super::happening::{Concern, Happening};
use super::journal::Page;
use super::kind::EventKind;
use super::lanes::{Call, Lanes};
use super::pace::{Pace, pause};
use super::record::{Log, Place, Progress, Waiting, Webhook, progress_key, read_waiting_key};
use crate::mail::{RecipientHash, Timestamp};
use crate::store::StoreFault;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::{Id, JoinSet};
use tokio_util::sync::CancellationToken;

/// Longest sleep, so that a wall clock that is set cannot keep a call for long.
const SLEEP_MAX: Duration = Duration::from_secs(30);
/// Longest reason that is kept, in characters.
const SAID_MAX: usize = 300;

/// How far one log is read.
#[derive(Debug, Default)]
pub(super) struct Reading {
    page: Option<Arc<Page>>,
    /// Which event of the page is next.
    index: usize,
    /// The place of the next call that is not made out yet.
    pub(super) next: (u64, u32),
    is_asked: bool,
}

/// What a task of a webhook brought.
enum Brought {
    Page(Log, Arc<Page>),
    Call(Result<Answer, Lack>),
}

/// How a call was answered.
struct Answer {
    heard: Heard,
    /// The connection, where it may be used again.
    line: Option<Line>,
    /// How long that took, without the wait for a turn.
    took: Duration,
}

/// Why a call was not made.
enum Lack {
    /// What it would tell is past its time.
    Gone,
    /// The log or the records cannot be read now.
    Fault(String),
}

/// A call that is given up.
pub(super) struct Lost {
    pub(super) hash: RecipientHash,
    pub(super) place: Place,
    pub(super) kind: Option<EventKind>,
    pub(super) attempts: u32,
    pub(super) said: String,
}

/// A webhook at work.
pub(super) struct Runner {
    pub(super) hub: Arc<Hub>,
    pub(super) webhook: Arc<Webhook>,
    pub(super) lanes: Lanes,
    pub(super) messages: Reading,
    pub(super) changes: Reading,
    pub(super) pace: Pace,
    pub(super) progress: Progress,
    pub(super) lost: Vec<Lost>,
    /// Why it is to be called no more.
    pub(super) ending: Option<String>,
    pub(super) saved_at: Instant,
    /// Whether something was read or answered that is not written down.
    pub(super) is_moved: bool,
    /// Whether it could not be written down last.
    pub(super) is_stuck: bool,
    lines: Vec<Line>,
    work: JoinSet<Brought>,
    calls: HashMap<Id, RecipientHash>,
}

impl Runner {
    /// Goes on where this webhook stands.
    ///
    /// # Errors
    /// The store.
    pub(super) fn open(hub: Arc<Hub>, webhook: Arc<Webhook>) -> Result<Self, StoreFault> {
        let mut progress: Progress = hub.store.get(&progress_key(webhook.id))?.unwrap_or_default();
        let ends = (hub.journal.spool.end().0, hub.store.counted("records")? + 1);
        if progress.messages.0 > ends.0 || progress.changes > ends.1 {
            // A log was restored or its end lost: what comes now must not be taken for told.
            tracing::error!(target: "relent::webhooks", webhook = webhook.id.0, ?ends,
                messages = progress.messages.0, changes = progress.changes,
                "a webhook's place lay past a log's end; it goes on from the end");
            progress.messages = progress.messages.min((ends.0, 0));
            progress.changes = progress.changes.min(ends.1);
        }
        let now = hub.world.clock.now();
        let idle = progress.idle(now);
        progress.failing_since = progress.failing_since.map(|since| since.after(idle).min(now));
        let mut lanes = Lanes::default();
        let prefix = webhook.id.0.to_be_bytes();
        let mut after: Option<Vec<u8>> = None;
        loop {
            let limit = hub.settings.waiting_max.max(1) as usize;
            let rows = hub.store.scan::<Waiting>(&prefix, after.as_deref(), limit)?;
            let is_last = rows.len() < limit;
            after = rows.last().map(|(key, _)| key.clone());
            for (key, mut row) in rows {
                row.since = row.since.after(idle).min(now);
                if let Some(key) = read_waiting_key(&key) {
                    lanes.load(key, row);
                }
            }
            if is_last {
                break;
            }
        }
        Ok(Self {
            messages: Reading { next: progress.messages, ..Reading::default() },
            changes: Reading { next: (progress.changes, 0), ..Reading::default() },
            pace: Pace::new(progress.failing_since),
            hub,
            webhook,
            lanes,
            progress,
            lost: Vec::new(),
            ending: None,
            saved_at: Instant::now(),
            is_moved: false,
            is_stuck: false,
            lines: Vec::new(),
            work: JoinSet::new(),
            calls: HashMap::new(),
        })
    }

    /// Works until told to stop, or until the webhook is called no more.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        self.tell();
        while self.ending.is_none() {
            let now = self.hub.world.clock.now();
            self.fill(now);
            self.ask();
            self.dispatch(now);
            if self.is_save_due() {
                self.save().await;
                continue;
            }
            let sleep = self.sleep(now);
            tokio::select! {
                () = stop.cancelled() => break,
                Some(ended) = self.work.join_next_with_id() => self.take(ended),
                () = tokio::time::sleep(sleep) => {}
            }
        }
        let longest = self.hub.settings.drain_timeout.0;
        let drained = async {
            while !self.calls.is_empty() {
                let Some(ended) = self.work.join_next_with_id().await else { break };
                self.take(ended);
            }
        };
        let _ = tokio::time::timeout(longest, drained).await;
        self.save().await;
    }

    /// Says how it stands.
    pub(super) fn tell(&self) {
        let first = self.lanes.first_in_rows(Log::Messages).map(|place| place.sequence);
        let unread =
            first.map_or(self.progress.messages.0, |row| row.min(self.progress.messages.0));
        let (waiting, is_failing) =
            (self.lanes.waiting(), self.pace.is_failing(&self.hub.settings));
        self.hub.stands(self.webhook.id, At { waiting, is_failing, unread });
    }

    fn reading(&mut self, log: Log) -> &mut Reading {
        match log {
            Log::Messages => &mut self.messages,
            Log::Changes => &mut self.changes,
        }
    }

    /// Has pages read where there are none.
    fn ask(&mut self) {
        let settings = &self.hub.settings;
        let is_failing = self.pace.is_failing(settings);
        let is_over = self.pace.has_failed_for(self.hub.world.clock.now(), settings.retries_max.0);
        if is_failing && self.lanes.len() > 0 && !is_over {
            return;
        }
        for log in [Log::Messages, Log::Changes] {
            let hub = self.hub.clone();
            let reading = self.reading(log);
            if reading.page.is_none() && !reading.is_asked {
                reading.is_asked = true;
                let from = reading.next.0;
                self.work
                    .spawn(async move { Brought::Page(log, hub.journal.page(log, from).await) });
            }
        }
    }

    /// Puts what was read into lanes, of both logs in turn, as far as there is room.
    fn fill(&mut self, now: Timestamp) {
        let mut is_any = true;
        while is_any {
            is_any = false;
            for log in [Log::Messages, Log::Changes] {
                is_any |= self.fill_one(log, now);
            }
        }
    }

    fn fill_one(&mut self, log: Log, now: Timestamp) -> bool {
        let Some((item, concern)) = self.peek(log) else { return false };
        let settings = &self.hub.settings;
        if self.pace.has_waited(concern.at, now, settings.retries_max.0) {
            // It would have been called all this time.
            if self.lost.len() >= settings.events_batch_max as usize {
                return false;
            }
            let (_, why) = self.progress.failed.clone().unwrap_or_default();
            let (hash, place) = (concern.hash, concern.place);
            self.lost.push(Lost { hash, place, kind: Some(concern.kind), attempts: 0, said: why });
        } else {
            let is_held = self.pace.is_failing(settings) && self.lanes.len() > 0;
            if is_held || self.lanes.len() >= settings.waiting_max as usize {
                return false;
            }
            self.lanes.push(concern.hash, concern.place, item, now);
        }
        let reading = self.reading(log);
        reading.next.1 += 1;
        true
    }

    /// The next event of a log that this webhook asks for; what it does not is passed over.
    fn peek(&mut self, log: Log) -> Option<(Happening, Concern)> {
        let webhook = self.webhook.clone();
        let reading = self.reading(log);
        // It may have lain here for as long as an endpoint failed.
        if reading.page.as_ref().is_some_and(|page| page.is_stale()) {
            (reading.page, reading.index) = (None, 0);
        }
        loop {
            let page = reading.page.as_ref()?;
            let Some(item) = page.items.get(reading.index) else {
                reading.next = (page.end.max(reading.next.0), 0);
                (reading.page, reading.index) = (None, 0);
                return None;
            };
            let sequence = item.sequence();
            if sequence < reading.next.0 {
                reading.index += 1;
                continue;
            }
            if sequence > reading.next.0 {
                reading.next = (sequence, 0);
            }
            let Some(concern) = item.concern(reading.next.1) else {
                reading.next = (sequence + 1, 0);
                reading.index += 1;
                continue;
            };
            if webhook.asks_for(&concern) {
                return Some((item.clone(), concern));
            }
            reading.next.1 += 1;
        }
    }

    /// Makes as many calls as may be under way.
    fn dispatch(&mut self, now: Timestamp) {
        if now < self.pace.not_before {
            return;
        }
        while self.calls.len() < self.pace.allowed(&self.hub.settings) {
            let is_failing = self.pace.is_failing(&self.hub.settings);
            let next = if is_failing { self.lanes.take_any() } else { self.lanes.take(now) };
            let Some((hash, next)) = next else { break };
            let idle = self.hub.settings.connection_idle.0;
            self.lines.retain(|line| line.idle.elapsed() < idle);
            let work = make(
                self.hub.clone(),
                self.webhook.clone(),
                next,
                self.pace.is_apart(),
                self.lines.pop(),
            );
            let task = self.work.spawn(async move { Brought::Call(work.await) });
            self.calls.insert(task.id(), hash);
        }
    }

    /// How long nothing is to be done unless something comes.
    fn sleep(&self, now: Timestamp) -> Duration {
        let settings = &self.hub.settings;
        let mut sleep = SLEEP_MAX;
        if self.is_changed() {
            sleep = sleep.min(settings.save_interval.0.saturating_sub(self.saved_at.elapsed()));
        }
        if self.calls.len() < self.pace.allowed(settings)
            && let Some(next) = self.lanes.next_at()
        {
            let next = if self.pace.is_failing(settings) { Timestamp(0) } else { next };
            sleep = sleep.min(next.max(self.pace.not_before).since(now));
        }
        sleep.max(Duration::from_millis(1))
    }

    fn take(&mut self, ended: Result<(Id, Brought), tokio::task::JoinError>) {
        let (id, brought) = match ended {
            Ok((id, brought)) => (id, Some(brought)),
            Err(fault) => (fault.id(), None),
        };
        match brought {
            Some(Brought::Page(log, page)) => {
                let reading = self.reading(log);
                (reading.page, reading.index, reading.is_asked) = (Some(page), 0, false);
                self.is_moved = true;
            }
            Some(Brought::Call(answer)) => {
                if let Some(hash) = self.calls.remove(&id) {
                    self.answered(hash, answer);
                }
            }
            // A task that broke takes nobody along: its call is made again, its page read again.
            None => match self.calls.remove(&id) {
                Some(hash) => self.answered(hash, Err(Lack::Fault("a call broke".into()))),
                None => (self.messages.is_asked, self.changes.is_asked) = (false, false),
            },
        }
    }

    fn answered(&mut self, hash: RecipientHash, answer: Result<Answer, Lack>) {
        self.is_moved = true;
        let hub = self.hub.clone();
        let (settings, now) = (&hub.settings, hub.world.clock.now());
        let Answer { heard, line, took } = match answer {
            Ok(answer) => answer,
            Err(Lack::Gone) => {
                tracing::warn!(target: "relent::webhooks", webhook = self.webhook.id.0, %hash,
                    "an event that was to be told again is past its time and gone");
                metrics::counter!("relent_webhook_events_missed_total").increment(1);
                self.lanes.ended(hash);
                return;
            }
            Err(Lack::Fault(fault)) => {
                tracing::warn!(target: "relent::webhooks", webhook = self.webhook.id.0, fault,
                    "a webhook could not be called; tried again soon");
                self.lanes.put_off(hash, now.after(settings.read_retry.0));
                return;
            }
        };
        metrics::counter!("relent_webhook_calls_total", "outcome" => heard.name()).increment(1);
        self.lines.extend(line);
        match heard {
            Heard::Taken => self.succeeded(hash, now, took),
            Heard::Gone => {
                self.failed(hash, None, "answered 410 Gone");
                self.ending.get_or_insert("it answered 410 Gone".into());
            }
            Heard::Later(pause, why) => self.failed(hash, pause, &why),
            Heard::Failed(why) => self.failed(hash, None, &why),
        }
    }

    fn succeeded(&mut self, hash: RecipientHash, now: Timestamp, took: Duration) {
        self.lanes.ended(hash);
        self.progress.delivered += 1;
        self.progress.succeeded_at = Some(now);
        if self.pace.succeeded(took, &self.hub.settings) {
            tracing::info!(target: "relent::webhooks", webhook = self.webhook.id.0,
                waiting = self.lanes.waiting(), "the endpoint answers again");
            self.lanes.hurry();
        }
        self.progress.failing_since = None;
    }

    fn failed(&mut self, hash: RecipientHash, asked: Option<Duration>, why: &str) {
        let hub = self.hub.clone();
        let (settings, now) = (&hub.settings, hub.world.clock.now());
        let why: String = why.chars().take(SAID_MAX).collect();
        let was_failing = self.pace.is_failing(settings);
        self.pace.failed(now, asked, settings, &*hub.world.chance);
        self.progress.failing_since = self.pace.failing_since;
        self.progress.failed = Some((now, why.clone()));
        if !was_failing && self.pace.is_failing(settings) {
            tracing::warn!(target: "relent::webhooks", webhook = self.webhook.id.0,
                account = self.webhook.account.0, url = self.webhook.url, why,
                "an endpoint fails: its events wait in the log");
        }
        let (attempts, since) = self
            .lanes
            .head(hash)
            .map_or((0, now), |head| (head.attempts.saturating_add(1), head.since.unwrap_or(now)));
        let next_at = now.after(pause(settings, attempts, &*hub.world.chance));
        if now.since(since) >= settings.retries_max.0 {
            if let Some(mut call) = self.lanes.ended(hash) {
                call.attempts = attempts;
                self.give_up(hash, &call, why.clone());
            }
        } else {
            self.lanes.failed(hash, (now, next_at.max(self.pace.not_before)), why.clone());
        }
        if self.pace.has_failed_for(now, settings.retries_max.0) {
            let since = self.pace.failing_since.unwrap_or(now);
            for (hash, call) in self.lanes.over(now, since, settings.retries_max.0) {
                let said = if call.said.is_empty() { why.clone() } else { call.said.clone() };
                self.give_up(hash, &call, said);
            }
        }
        if self.pace.has_failed_for(now, settings.disable_after.0) {
            let long = settings.disable_after;
            self.ending.get_or_insert_with(|| format!("no call has succeeded for {long}"));
        }
    }

    fn give_up(&mut self, hash: RecipientHash, call: &Call, why: String) {
        self.lost.push(Lost {
            hash,
            place: call.place,
            kind: call.kind,
            attempts: call.attempts,
            said: why,
        });
    }
}

/// Makes a call once it is its turn: of a quarter of all where the last one failed or was slow.
async fn make(
    hub: Arc<Hub>,
    webhook: Arc<Webhook>,
    next: Call,
    is_apart: bool,
    line: Option<Line>,
) -> Result<Answer, Lack> {
    let item = match next.item {
        Some(item) => item,
        None => hub.journal.at(next.place).await.map_err(Lack::Fault)?.ok_or(Lack::Gone)?,
    };
    let concern = item.concern(next.place.number).ok_or(Lack::Gone)?;
    let turns = if is_apart { &hub.doubtful } else { &hub.calls }.semaphore();
    let _turn = turns.acquire().await.map_err(|closed| Lack::Fault(closed.to_string()))?;
    let _level = hub.level.take(1);
    let body = hub.names.payload(&item, &concern);
    let body = body.map_err(|fault| Lack::Fault(fault.to_string()))?;
    let letter = Letter { id: next.place.to_string(), body: body.into() };
    let now = hub.world.clock.now();
    let begun = Instant::now();
    let (heard, line) = call(&hub.web, &hub.settings, &webhook, (&letter, now), line).await;
    Ok(Answer { heard, line, took: begun.elapsed() })
}
