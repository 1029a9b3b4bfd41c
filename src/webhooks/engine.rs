//! All webhooks at work: each active one has a runner of its own, which is started anew when the webhook
//! changes and ends with it.

use super::journal::Journal;
use super::payload::{Directory, Names};
use super::record::{State, Webhook, WebhookId};
use super::runner::Runner;
use crate::accounts::Accounts;
use crate::config::{self, Live, Section};
use crate::dns::Resolver;
use crate::events::{Author, Sequence, Spool};
use crate::store::{Store, StoreFault};
use crate::telemetry::Level;
use crate::tls;
use crate::web::Web;
use crate::world::{Own, Turns, World};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::{Id, JoinSet};
use tokio_util::sync::CancellationToken;

/// Webhooks read at a time.
const PAGE: usize = 500;
/// How often failed calls are looked for that are past their time.
const PRUNE: Duration = Duration::from_secs(3600);

/// What webhooks need.
pub struct Parts {
    /// All settings.
    pub config: Live,
    /// The log of messages.
    pub spool: Spool,
    /// The records.
    pub store: Store,
    /// Names of accounts and streams.
    pub accounts: Accounts,
    /// Whom hashes stand for.
    pub directory: Arc<dyn Directory>,
    /// Finds endpoints.
    pub resolver: Arc<dyn Resolver>,
    /// Proves who they are.
    pub tls: Arc<tls::Client>,
    /// Clock, chance and network.
    pub world: World,
    /// The addresses that we listen on ourselves.
    pub own: Own,
}

/// How a webhook stands now.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct At {
    /// Calls that are to be made again, or wait for such a one.
    pub(super) waiting: usize,
    pub(super) is_failing: bool,
    /// The first event of messages that it needs.
    pub(super) unread: u64,
}

/// What all runners share.
pub(super) struct Hub {
    pub(super) settings: Section<config::Webhooks>,
    pub(super) store: Store,
    pub(super) journal: Journal,
    pub(super) names: Names,
    pub(super) web: Web,
    pub(super) world: World,
    /// Turns of calls.
    pub(super) calls: Turns,
    /// Turns of calls to who failed last or was slow, so that they keep nobody else waiting.
    pub(super) doubtful: Turns,
    pub(super) level: Level,
    /// All settings of accounts, whose limits hold.
    pub(super) accounts: Section<config::Accounts>,
    standing: Mutex<HashMap<WebhookId, At>>,
    /// Whether every webhook has said what it needs of the log.
    is_known: AtomicBool,
    /// Counts changes of webhooks.
    changed: watch::Sender<u64>,
}

/// All webhooks. Cheap to clone.
#[derive(Clone)]
pub struct Webhooks {
    pub(super) hub: Arc<Hub>,
    /// In whose name they are changed.
    pub(super) author: Author,
}

impl Hub {
    /// Notes how a webhook stands, and has the log kept that it needs.
    pub(super) fn stands(&self, id: WebhookId, at: At) {
        self.note(|standing| {
            standing.insert(id, at);
        });
    }

    /// Only these are called: the others need nothing.
    fn keep(&self, wanted: &HashMap<WebhookId, Arc<Webhook>>) {
        self.is_known.store(true, Ordering::Release);
        self.note(|standing| standing.retain(|id, _| wanted.contains_key(id)));
    }

    fn note(&self, change: impl FnOnce(&mut HashMap<WebhookId, At>)) {
        let mut standing = self.standing.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut standing);
        let unread = standing.values().map(|at| at.unread).min().unwrap_or(u64::MAX);
        let waiting: usize = standing.values().map(|at| at.waiting).sum();
        let failing = standing.values().filter(|at| at.is_failing).count();
        if self.is_known.load(Ordering::Acquire) {
            self.journal.spool.keep_from(Sequence(unread));
        }
        let number = |count: usize| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
        metrics::gauge!("relent_webhook_calls_waiting").set(number(waiting));
        metrics::gauge!("relent_webhooks_failing").set(number(failing));
    }

    /// How a webhook stands; none where it is not called.
    pub(super) fn standing(&self, id: WebhookId) -> Option<At> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner).get(&id).copied()
    }

    /// Says that webhooks have changed.
    pub(super) fn change(&self) {
        self.changed.send_modify(|count| *count += 1);
    }
}

impl Webhooks {
    /// Over these parts. Until the webhooks run, no event is given up that one of them may need.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let live = &parts.config;
        let settings = live.section(|c| &c.webhooks);
        let hub = Hub {
            journal: Journal::new(parts.spool, parts.store.clone(), settings.clone()),
            store: parts.store,
            names: Names { accounts: parts.accounts, directory: parts.directory },
            web: Web {
                resolver: parts.resolver,
                network: parts.world.network.clone(),
                tls: parts.tls,
                allow_private: live.now(|c| c.webhooks.allow_private),
                own: parts.own,
            },
            world: parts.world,
            calls: Turns::new(live.now(|c| c.webhooks.calls_max as usize)),
            doubtful: Turns::new(live.now(|c| c.webhooks.calls_max as usize / 4)),
            level: Level::new("webhooks.calls_max", live.now(|c| c.webhooks.calls_max.into())),
            standing: Mutex::default(),
            is_known: AtomicBool::new(false),
            changed: watch::channel(0).0,
            accounts: live.section(|c| &c.accounts),
            settings,
        };
        hub.journal.spool.keep_from(Sequence(0));
        let author = Author::new(hub.world.clone());
        Self { hub: Arc::new(hub), author }
    }

    /// The same, changed in another's name.
    #[must_use]
    pub fn by(&self, author: &Author) -> Self {
        Self { hub: self.hub.clone(), author: author.clone() }
    }

    /// Every webhook of every account.
    pub(super) fn all(&self) -> Result<Vec<Webhook>, StoreFault> {
        let mut found = Vec::new();
        let mut after: Option<Vec<u8>> = None;
        loop {
            let page = self.hub.store.scan::<Webhook>(b"", after.as_deref(), PAGE)?;
            let Some((last, _)) = page.last() else { return Ok(found) };
            after = Some(last.clone());
            found.extend(page.into_iter().map(|(_, webhook)| webhook));
        }
    }

    /// Calls endpoints until told to stop, and lets calls under way end.
    pub async fn run(self, stop: CancellationToken) {
        tokio::join!(self.manage(&stop), self.look(&stop), self.prune(&stop));
    }

    async fn manage(&self, stop: &CancellationToken) {
        let mut changed = self.hub.changed.subscribe();
        let mut running: HashMap<WebhookId, (u64, CancellationToken)> = HashMap::new();
        let mut tasks: JoinSet<()> = JoinSet::new();
        let mut ids: HashMap<Id, WebhookId> = HashMap::new();
        while !stop.is_cancelled() {
            changed.mark_unchanged();
            let wanted = self.all().map(|all| {
                let active = all.into_iter().filter(|one| one.state == State::Active);
                active.map(|one| (one.id, Arc::new(one))).collect::<HashMap<_, _>>()
            });
            let wanted = wanted.inspect_err(|fault| {
                tracing::warn!(target: "relent::webhooks", %fault,
                    "webhooks could not be read; tried again soon");
            });
            let mut is_broken = wanted.is_err();
            if let Ok(wanted) = wanted {
                for (id, (edition, run)) in &running {
                    if wanted.get(id).is_none_or(|webhook| webhook.edition != *edition) {
                        run.cancel();
                    }
                }
                for (id, webhook) in &wanted {
                    if running.contains_key(id) {
                        continue;
                    }
                    let run = stop.child_token();
                    match Runner::open(self.hub.clone(), webhook.clone()) {
                        Ok(runner) => {
                            runner.tell();
                            let task = tasks.spawn(runner.run(run.clone()));
                            ids.insert(task.id(), *id);
                            running.insert(*id, (webhook.edition, run));
                        }
                        Err(fault) => {
                            is_broken = true;
                            tracing::error!(target: "relent::webhooks", %fault, webhook = id.0,
                                "a webhook cannot be called now; tried again soon");
                        }
                    }
                }
                self.hub.keep(&wanted);
            }
            let retry = self.hub.settings.read_retry.0;
            tokio::select! {
                () = stop.cancelled() => {}
                _ = changed.changed() => {}
                () = tokio::time::sleep(retry), if is_broken => {}
                Some(ended) = tasks.join_next_with_id(), if !tasks.is_empty() => {
                    let (id, broke) = match ended {
                        Ok((id, ())) => (id, None),
                        Err(fault) => (fault.id(), Some(fault)),
                    };
                    if let Some(webhook) = ids.remove(&id) {
                        running.remove(&webhook);
                        if let Some(fault) = broke {
                            tracing::error!(target: "relent::webhooks", %fault,
                                webhook = webhook.0, "a webhook's work broke; begun anew");
                            tokio::time::sleep(retry).await;
                        }
                    }
                }
            }
        }
        while tasks.join_next().await.is_some() {}
    }

    /// Looks now and then whether records have changed, while anybody is to be told.
    async fn look(&self, stop: &CancellationToken) {
        let journal = &self.hub.journal;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(self.hub.settings.changes_interval.0) => {}
            }
            if journal.changes.receiver_count() == 0 {
                continue;
            }
            // A fault shows where the changes are read.
            if let Ok(count) = self.hub.store.counted("records") {
                journal.changes.send_if_modified(|known| std::mem::replace(known, count) != count);
            }
        }
    }

    /// Forgets failed calls that are past their time.
    async fn prune(&self, stop: &CancellationToken) {
        loop {
            if let Err(fault) = self.forget_old().await {
                tracing::warn!(target: "relent::webhooks", %fault, "old failed calls are kept");
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(PRUNE) => {}
            }
        }
    }
}
