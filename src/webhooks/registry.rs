//! Webhooks as an account has them made, changed and looked at.

use super::call::{Heard, Letter, call};
use super::endpoint::Endpoint;
use super::engine::Webhooks;
use super::kind::EventKind;
use super::payload;
use super::record::{
    Failed, FailedCount, Progress, Secret, State, Waiting, Webhook, WebhookId, failed_count_key,
    place, progress_key,
};
use super::sign;
use crate::accounts::{AccountFault, Thing, room};
use crate::events::Act;
use crate::mail::{AccountId, StreamId};
use crate::store::{Record, StoreFault};
use serde_json::json;
use std::convert::Infallible;
use std::time::Duration;

/// Rows removed in one transaction.
const PAGE: usize = 1000;
/// Most secrets that sign at a time.
const SECRETS_MAX: usize = 4;

/// Why something was not done.
#[derive(Debug, Clone, thiserror::Error)]
pub enum WebhookFault {
    /// There is no such webhook.
    #[error("{0}")]
    Unknown(String),
    /// What was asked for cannot be meant.
    #[error("{0}")]
    Unfit(String),
    /// It cannot be done as things are.
    #[error("{0}")]
    Refused(String),
    /// The records.
    #[error(transparent)]
    Store(#[from] StoreFault),
}

/// A webhook to be made.
#[derive(Debug, Clone)]
pub struct Draft {
    /// Where events are posted.
    pub url: String,
    /// Only these kinds; all where there are none.
    pub events: Vec<EventKind>,
    /// Only what concerns these streams; everything where there are none.
    pub streams: Vec<StreamId>,
}

/// How a webhook stands.
#[derive(Debug, Clone)]
pub struct Standing {
    /// How far it has come, as it was written down last.
    pub progress: Progress,
    /// Events of messages, of all accounts, that have happened since.
    pub behind: u64,
    /// Calls that are to be made again, or wait for such a one.
    pub waiting: u64,
    /// Whether so many calls failed in a row that it is called once a pause.
    pub is_failing: bool,
    /// Calls that were given up and are kept.
    pub failed: u64,
}

/// How a trial went.
#[derive(Debug, Clone)]
pub struct Tried {
    /// Whether the endpoint took it.
    pub is_taken: bool,
    /// What was heard.
    pub said: String,
    /// How long it took.
    pub took: Duration,
}

/// A webhook as its entries in the audit chain show it: never its secrets.
pub(super) fn described(kind: &'static str, webhook: &Webhook) -> Act {
    let kinds: Vec<_> = webhook.events.iter().map(|kind| kind.name()).collect();
    let streams: Vec<_> = webhook.streams.iter().map(|stream| stream.0).collect();
    let why = match &webhook.state {
        State::Disabled { why, .. } => Some(why.clone()),
        _ => None,
    };
    Act::new(webhook.account, kind)
        .about(webhook.id.0.to_string())
        .with("url", webhook.url.as_str())
        .with("events", kinds)
        .with("streams", streams)
        .with("state", webhook.state.name())
        .with("why", why)
}

impl From<AccountFault> for WebhookFault {
    fn from(fault: AccountFault) -> Self {
        match fault {
            AccountFault::Unknown(text) => Self::Unknown(text),
            AccountFault::Refused(text) => Self::Refused(text),
            AccountFault::Store(fault) => Self::Store(fault),
        }
    }
}

fn unknown(id: WebhookId) -> WebhookFault {
    WebhookFault::Unknown(format!(
        "there is no webhook {} in this account: `relent webhook list ACCOUNT` shows them",
        id.0
    ))
}

impl Webhooks {
    fn secret(&self) -> Secret {
        let mut key = [0; 32];
        self.hub.world.chance.fill(&mut key);
        Secret { key, until: None }
    }

    fn check(&self, url: &str) -> Result<(), WebhookFault> {
        Endpoint::parse(url, &self.hub.settings).map(|_| ()).map_err(WebhookFault::Unfit)
    }

    /// Makes a webhook, which is told of what happens from now on; with its secret, which is shown once.
    ///
    /// # Errors
    /// Its address may not be called, there are too many, or the store.
    pub async fn add(
        &self,
        account: AccountId,
        draft: Draft,
    ) -> Result<(Webhook, String), WebhookFault> {
        self.check(&draft.url)?;
        let Draft { url, mut events, mut streams } = draft;
        events.sort_unstable();
        events.dedup();
        streams.sort_unstable();
        streams.dedup();
        let (settings, secret) = (&self.hub.settings, self.secret());
        let shown = sign::shown(&secret);
        let (limits, author) = (self.hub.accounts.clone(), self.author.clone());
        let in_all = settings.webhooks_max as usize;
        let created = self.hub.world.clock.now();
        let progress = Progress {
            messages: (self.hub.journal.spool.end().0, 0),
            changes: self.hub.store.counted("records")? + 1,
            ..Progress::default()
        };
        let made = self.hub.store.transact(move |t| {
            let own = t.scan::<Webhook>(&account.0.to_be_bytes(), None, in_all)?.len();
            if let Err(fault) = room(t, &limits, (account, Thing::Webhook, own))? {
                return Ok(Err(fault.into()));
            }
            let all = t.scan::<Webhook>(b"", None, in_all)?.len();
            if all >= in_all {
                return Ok(Err(WebhookFault::Refused(format!(
                    "there are {all} webhooks, as many as webhooks.webhooks_max allows"
                ))));
            }
            let number = u32::try_from(t.count("webhook")?)
                .map_err(|_| StoreFault::Damaged("the counter `webhook` has run out".into()))?;
            let id = WebhookId(number);
            let (secrets, state) = (vec![secret], State::Active);
            let webhook =
                Webhook { id, account, url, events, streams, secrets, state, created, edition: 1 };
            t.put(&place(account, id), &webhook);
            t.put(&progress_key(id), &progress);
            author.write(t, described("webhook.added", &webhook))?;
            Ok(Ok(webhook))
        });
        let made = made.await??;
        self.hub.change();
        Ok((made, shown))
    }

    /// An account's webhooks, oldest first.
    ///
    /// # Errors
    /// The store.
    pub fn list(&self, account: AccountId) -> Result<Vec<Webhook>, StoreFault> {
        let most = self.hub.settings.webhooks_max as usize;
        let rows = self.hub.store.scan::<Webhook>(&account.0.to_be_bytes(), None, most)?;
        Ok(rows.into_iter().map(|(_, webhook)| webhook).collect())
    }

    /// One of an account's webhooks.
    ///
    /// # Errors
    /// There is none; the store.
    pub fn webhook(&self, account: AccountId, id: WebhookId) -> Result<Webhook, WebhookFault> {
        self.hub.store.get::<Webhook>(&place(account, id))?.ok_or_else(|| unknown(id))
    }

    /// How a webhook stands.
    ///
    /// # Errors
    /// The store.
    pub fn standing(&self, webhook: &Webhook) -> Result<Standing, StoreFault> {
        let store = &self.hub.store;
        let progress: Progress = store.get(&progress_key(webhook.id))?.unwrap_or_default();
        let FailedCount(failed) = store.get(&failed_count_key(webhook.id))?.unwrap_or_default();
        let at = self.hub.standing(webhook.id);
        let waiting = match at {
            Some(at) => at.waiting,
            None => {
                let most = self.hub.settings.waiting_max as usize;
                store.scan::<Waiting>(&webhook.id.0.to_be_bytes(), None, most)?.len()
            }
        };
        Ok(Standing {
            behind: self.hub.journal.spool.end().0.saturating_sub(progress.messages.0),
            progress,
            waiting: waiting as u64,
            is_failing: at.is_some_and(|at| at.is_failing),
            failed,
        })
    }

    /// Changes a webhook; whoever calls it takes that up.
    async fn change(
        &self,
        (account, id): (AccountId, WebhookId),
        kind: &'static str,
        change: impl FnOnce(&mut Webhook) + Send + 'static,
    ) -> Result<Webhook, WebhookFault> {
        let author = self.author.clone();
        let done = self.hub.store.transact(move |t| {
            let own = place(account, id);
            let Some(mut webhook) = t.get::<Webhook>(&own)? else {
                return Ok(Err(unknown(id)));
            };
            let was_active = webhook.state == State::Active;
            change(&mut webhook);
            if !was_active && webhook.state == State::Active {
                // It is not held against the endpoint for how long it had failed before.
                let mut progress: Progress = t.get(&progress_key(id))?.unwrap_or_default();
                progress.failing_since = None;
                t.put(&progress_key(id), &progress);
            }
            webhook.edition += 1;
            t.put(&own, &webhook);
            author.write(t, described(kind, &webhook))?;
            Ok(Ok(webhook))
        });
        let done = done.await??;
        self.hub.change();
        Ok(done)
    }

    /// Changes where and of what a webhook is told; what is none stays.
    ///
    /// # Errors
    /// There is none, its address may not be called; the store.
    pub async fn set(
        &self,
        account: AccountId,
        id: WebhookId,
        (url, events, streams): (Option<String>, Option<Vec<EventKind>>, Option<Vec<StreamId>>),
    ) -> Result<Webhook, WebhookFault> {
        if let Some(url) = &url {
            self.check(url)?;
        }
        let set = self.change((account, id), "webhook.changed", move |webhook| {
            if let Some(url) = url {
                webhook.url = url;
            }
            if let Some(mut events) = events {
                events.sort_unstable();
                events.dedup();
                webhook.events = events;
            }
            if let Some(mut streams) = streams {
                streams.sort_unstable();
                streams.dedup();
                webhook.streams = streams;
            }
        });
        set.await
    }

    /// Makes a new secret, which signs from now on and is shown once; those before sign along for
    /// `webhooks.secret_overlap`.
    ///
    /// # Errors
    /// There is none; the store.
    pub async fn rotate(
        &self,
        account: AccountId,
        id: WebhookId,
    ) -> Result<(Webhook, String), WebhookFault> {
        let secret = self.secret();
        let shown = sign::shown(&secret);
        let now = self.hub.world.clock.now();
        let until = now.after(self.hub.settings.secret_overlap.0);
        let rotated = self.change((account, id), "webhook.rotated", move |webhook| {
            for old in webhook.secrets.iter_mut().filter(|old| old.until.is_none()) {
                old.until = Some(until);
            }
            webhook.secrets.retain(|old| old.until.is_none_or(|until| now < until));
            webhook.secrets.insert(0, secret);
            webhook.secrets.truncate(SECRETS_MAX);
        });
        Ok((rotated.await?, shown))
    }

    /// Calls it no more until it is resumed; what happens meanwhile is told then, as far as the log has it.
    ///
    /// # Errors
    /// There is none; the store.
    pub async fn pause(&self, account: AccountId, id: WebhookId) -> Result<Webhook, WebhookFault> {
        let at = self.hub.world.clock.now();
        let paused = self.change((account, id), "webhook.paused", move |webhook| {
            webhook.state = State::Paused { at };
        });
        paused.await
    }

    /// Calls it again, from where it stood.
    ///
    /// # Errors
    /// There is none; the store.
    pub async fn resume(&self, account: AccountId, id: WebhookId) -> Result<Webhook, WebhookFault> {
        let resumed = self.change((account, id), "webhook.resumed", |webhook| {
            webhook.state = State::Active;
        });
        resumed.await
    }

    /// Removes a webhook with all that is kept of it.
    ///
    /// # Errors
    /// There is none; the store.
    pub async fn remove(&self, account: AccountId, id: WebhookId) -> Result<(), WebhookFault> {
        let author = self.author.clone();
        let removed = self.hub.store.transact(move |t| {
            let own = place(account, id);
            let Some(webhook) = t.get::<Webhook>(&own)? else {
                return Ok(Err(unknown(id)));
            };
            author.write(t, described("webhook.removed", &webhook))?;
            t.remove::<Webhook>(&own);
            t.remove::<Progress>(&progress_key(id));
            t.remove::<FailedCount>(&failed_count_key(id));
            Ok(Ok(()))
        });
        removed.await??;
        self.hub.change();
        self.clear::<Waiting>(id).await?;
        self.clear::<Failed>(id).await?;
        Ok(())
    }

    async fn clear<R: Record>(&self, id: WebhookId) -> Result<(), StoreFault> {
        loop {
            let done = self.hub.store.transact(move |t| {
                let rows = t.scan::<R>(&id.0.to_be_bytes(), None, PAGE)?;
                for (key, _) in &rows {
                    t.remove::<R>(key);
                }
                Ok(Ok::<_, Infallible>(rows.len()))
            });
            let Ok(count) = done.await?;
            if count < PAGE {
                return Ok(());
            }
        }
    }

    /// Calls the endpoint once, now, with an event that says nothing.
    ///
    /// # Errors
    /// There is none; the store.
    pub async fn try_out(&self, account: AccountId, id: WebhookId) -> Result<Tried, WebhookFault> {
        let webhook = self.webhook(account, id)?;
        let (clock, begun) = (&self.hub.world.clock, self.hub.world.clock.steady());
        let now = clock.now();
        let named = self.hub.names.accounts.account_by_id(account)?;
        let name = named.map(|account| account.name.clone());
        let data = json!({ "account": name, "webhook": id.0 });
        let body = payload::event(EventKind::WebhookTest, now, &data).into();
        let mut chance = [0; 8];
        self.hub.world.chance.fill(&mut chance);
        let letter = Letter { id: format!("test_{:016x}", u64::from_be_bytes(chance)), body };
        let settings = &self.hub.settings;
        let (heard, _) = call(&self.hub.web, settings, &webhook, (&letter, now), None).await;
        let said = match &heard {
            Heard::Taken => "the endpoint took it".to_owned(),
            Heard::Gone => "answered 410 Gone".to_owned(),
            Heard::Later(_, why) | Heard::Failed(why) => why.clone(),
        };
        let took = clock.steady().saturating_sub(begun);
        Ok(Tried { is_taken: heard == Heard::Taken, said, took })
    }
}
