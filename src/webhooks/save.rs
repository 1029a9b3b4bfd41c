//! How far a webhook has come, written down: its places in both logs, the calls that are to be made again,
//! and those that were given up, in one transaction.

use super::record::Waiting;
use super::record::{
    Failed, FailedCount, Log, Progress, State, Webhook, failed_count_key, failed_key, place,
    progress_key, waiting_key,
};
use super::registry::described;
use super::runner::Runner;
use crate::events::Author;
use crate::store::{StoreFault, Transaction};
use std::convert::Infallible;
use std::time::Instant;

impl Runner {
    /// Where the webhook stands now.
    fn reached(&self) -> Progress {
        let messages = self.lanes.first_in_log(Log::Messages);
        let changes = self.lanes.first_in_log(Log::Changes);
        #[cfg(feature = "sabotage")]
        let (messages, changes) =
            if std::env::var("RELENT_SABOTAGE").is_ok_and(|what| what == "pass-before-call") {
                (None, None)
            } else {
                (messages, changes)
            };
        Progress {
            messages: messages.map_or(self.messages.next, |at| (at.sequence, at.number)),
            changes: changes.map_or(self.changes.next.0, |at| at.sequence),
            ..self.progress.clone()
        }
    }

    /// Whether anything is to be written.
    pub(super) fn is_changed(&self) -> bool {
        self.lanes.unsaved() > 0 || !self.lost.is_empty() || self.is_moved
    }

    /// Whether it is time to write.
    pub(super) fn is_save_due(&self) -> bool {
        let settings = &self.hub.settings;
        let most = settings.events_batch_max as usize;
        let is_much = !self.is_stuck && self.lanes.unsaved() + self.lost.len() >= most;
        is_much || self.is_changed() && self.saved_at.elapsed() >= settings.save_interval.0
    }

    /// Writes all of it. A fault is logged and tried again with the next: until then the webhook stands
    /// where it stood, and what was called since may be called again.
    pub(super) async fn save(&mut self) {
        self.saved_at = Instant::now();
        let progress = self.reached();
        let (rows, gone) = self.lanes.changes();
        let now = self.hub.world.clock.now();
        let lost: Vec<Failed> = self
            .lost
            .iter()
            .map(|lost| Failed {
                place: lost.place,
                hash: lost.hash,
                kind: lost.kind,
                attempts: lost.attempts,
                at: now,
                said: lost.said.clone(),
            })
            .collect();
        let count = lost.len() as u64;
        let (webhook, ending) = (self.webhook.clone(), self.ending.clone());
        let author = Author::new(self.hub.world.clone());
        let most = u64::from(self.hub.settings.failed_max);
        let mut written = progress.clone();
        let done = self.hub.store.transact(move |t| {
            let (id, own) = (webhook.id, place(webhook.account, webhook.id));
            let Some(mut kept) = t.get::<Webhook>(&own)? else {
                return Ok(Ok::<_, Infallible>(written)); // it was removed: nothing is left behind
            };
            for ((hash, place), row) in rows {
                t.put(&waiting_key(id, hash, place), &row);
            }
            for (hash, place) in gone {
                t.remove::<Waiting>(&waiting_key(id, hash, place));
            }
            written.forgotten += put_failed(t, &kept, lost, most)?;
            if let Some(why) = ending {
                kept.state = State::Disabled { at: now, why };
                kept.edition += 1;
                t.put(&own, &kept);
                author.write(t, described("webhook.disabled", &kept))?;
            }
            t.put(&progress_key(id), &written);
            Ok(Ok(written))
        });
        match done.await {
            Ok(Ok(written)) => {
                if written.forgotten > self.progress.forgotten {
                    tracing::error!(target: "relent::webhooks", webhook = self.webhook.id.0,
                        "more calls have failed than webhooks.failed_max: the oldest were forgotten");
                    metrics::counter!("relent_webhook_forgotten_total")
                        .increment(written.forgotten - self.progress.forgotten);
                }
                self.progress = written;
                self.lanes.saved();
                self.lost.clear();
                (self.is_moved, self.is_stuck) = (false, false);
                self.tell();
            }
            Ok(Err(never)) => match never {},
            Err(fault) => {
                self.is_stuck = true;
                tracing::warn!(target: "relent::webhooks", %fault, webhook = self.webhook.id.0,
                    "how far a webhook has come could not be written down; tried again soon");
                return;
            }
        }
        if count > 0 {
            metrics::counter!("relent_webhook_failed_total").increment(count);
            tracing::warn!(target: "relent::webhooks", webhook = self.webhook.id.0, count,
                "calls were given up: `relent webhook failed list` shows them");
        }
        if let Some(why) = &self.ending {
            metrics::counter!("relent_webhook_disabled_total").increment(1);
            tracing::error!(target: "relent::webhooks", webhook = self.webhook.id.0,
                account = self.webhook.account.0, url = self.webhook.url, why,
                "a webhook is called no more until `relent webhook resume`");
            self.hub.change();
        }
    }
}

/// Keeps failed calls, and forgets the oldest past so many; how many were.
fn put_failed(
    t: &mut Transaction<'_>,
    webhook: &Webhook,
    lost: Vec<Failed>,
    most: u64,
) -> Result<u64, StoreFault> {
    if lost.is_empty() {
        return Ok(0);
    }
    let id = webhook.id;
    let counted = failed_count_key(id);
    let FailedCount(before) = t.get(&counted)?.unwrap_or_default();
    let mut count = before + lost.len() as u64;
    for failed in lost {
        let number = t.count("webhook_failed")?;
        t.put(&failed_key(id, number), &failed);
    }
    let over = count.saturating_sub(most);
    if over > 0 {
        let limit = usize::try_from(over).unwrap_or(usize::MAX);
        for (key, _) in t.scan::<Failed>(&id.0.to_be_bytes(), None, limit)? {
            t.remove::<Failed>(&key);
            count -= 1;
        }
    }
    t.put(&counted, &FailedCount(count));
    Ok(over)
}
