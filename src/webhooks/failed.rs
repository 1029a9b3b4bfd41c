//! Calls that were given up: kept for a while, listed, and made again by hand.

use super::engine::Webhooks;
use super::record::{
    Failed, FailedCount, State, Waiting, Webhook, WebhookId, failed_count_key, failed_key, place,
    waiting_key,
};
use super::registry::{WebhookFault, described};
use crate::mail::AccountId;
use crate::store::{StoreFault, Transaction};
use std::convert::Infallible;

/// Rows looked at, or taken, in one transaction.
const PAGE: usize = 500;

/// What became of failed calls that were to be made again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Redelivered {
    /// How many are.
    pub count: u64,
    /// Whether there are more, for whom there is no room now.
    pub more: bool,
}

fn number(key: &[u8]) -> Option<u64> {
    key.get(4..)?.try_into().ok().map(u64::from_be_bytes)
}

fn uncount(t: &mut Transaction<'_>, id: WebhookId, count: u64) -> Result<(), StoreFault> {
    let key = failed_count_key(id);
    let FailedCount(before) = t.get(&key)?.unwrap_or_default();
    t.put(&key, &FailedCount(before.saturating_sub(count)));
    Ok(())
}

impl Webhooks {
    /// Failed calls of a webhook, oldest first, each with its number, after the one given.
    ///
    /// # Errors
    /// There is no such webhook; the store.
    pub fn failed(
        &self,
        account: AccountId,
        id: WebhookId,
        after: Option<u64>,
        limit: usize,
    ) -> Result<Vec<(u64, Failed)>, WebhookFault> {
        self.webhook(account, id)?;
        let after = after.map(|number| failed_key(id, number));
        let prefix = id.0.to_be_bytes();
        let rows = self.hub.store.scan::<Failed>(&prefix, after.as_deref(), limit)?;
        Ok(rows.into_iter().filter_map(|(key, row)| Some((number(&key)?, row))).collect())
    }

    /// Has failed calls made again: those of these numbers, or the oldest, as far as there is room.
    ///
    /// # Errors
    /// There is no such webhook, or it is not called now; the store.
    pub async fn redeliver(
        &self,
        account: AccountId,
        id: WebhookId,
        numbers: Option<Vec<u64>>,
    ) -> Result<Redelivered, WebhookFault> {
        let most = self.hub.settings.waiting_max as usize;
        let (now, author) = (self.hub.world.clock.now(), self.author.clone());
        let done = self.hub.store.transact(move |t| {
            let own = place(account, id);
            let Some(mut webhook) = t.get::<Webhook>(&own)? else {
                return Ok(Err(WebhookFault::Unknown(format!(
                    "there is no webhook {} in this account: `relent webhook list ACCOUNT` shows them",
                    id.0
                ))));
            };
            if webhook.state != State::Active {
                return Ok(Err(WebhookFault::Refused(format!(
                    "webhook {} is {} and called by nobody: `relent webhook resume ACCOUNT {}` first",
                    id.0,
                    webhook.state.name(),
                    id.0
                ))));
            }
            let prefix = id.0.to_be_bytes();
            let waiting = t.scan::<Waiting>(&prefix, None, most)?.len();
            let room = most.saturating_sub(waiting).min(PAGE);
            let mut chosen = Vec::new();
            match numbers {
                Some(numbers) => {
                    for number in numbers.into_iter().take(room) {
                        let key = failed_key(id, number);
                        let Some(row) = t.get::<Failed>(&key)? else {
                            return Ok(Err(WebhookFault::Unknown(format!(
                                "no failed call {number} is kept: `relent webhook failed list` shows them"
                            ))));
                        };
                        chosen.push((key, row));
                    }
                }
                None => chosen = t.scan::<Failed>(&prefix, None, room)?,
            }
            for (key, row) in &chosen {
                let again =
                    Waiting { attempts: 0, since: now, next_at: now, said: row.said.clone() };
                t.put(&waiting_key(id, row.hash, row.place), &again);
                t.remove::<Failed>(key);
            }
            let count = chosen.len() as u64;
            uncount(t, id, count)?;
            let more = !t.scan::<Failed>(&prefix, None, 1)?.is_empty();
            webhook.edition += 1;
            t.put(&own, &webhook);
            author.write(t, described("webhook.redelivered", &webhook).with("calls", count))?;
            Ok(Ok(Redelivered { count, more }))
        });
        let done = done.await??;
        self.hub.change();
        Ok(done)
    }

    /// Forgets failed calls past `webhooks.failed_kept`.
    pub(super) async fn forget_old(&self) -> Result<(), StoreFault> {
        let now = self.hub.world.clock.now();
        let kept = self.hub.settings.failed_kept.0;
        for webhook in self.all()? {
            let id = webhook.id;
            loop {
                let done = self.hub.store.transact(move |t| {
                    let rows = t.scan::<Failed>(&id.0.to_be_bytes(), None, PAGE)?;
                    let is_old = |(_, row): &&(Vec<u8>, Failed)| now.since(row.at) >= kept;
                    let old: Vec<_> = rows.iter().take_while(is_old).collect();
                    for (key, _) in &old {
                        t.remove::<Failed>(key);
                    }
                    if !old.is_empty() {
                        uncount(t, id, old.len() as u64)?;
                    }
                    Ok(Ok::<_, Infallible>(old.len()))
                });
                let Ok(count) = done.await?;
                if count < PAGE {
                    break;
                }
            }
        }
        Ok(())
    }
}
