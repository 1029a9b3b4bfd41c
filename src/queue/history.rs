//! What the log still knows of messages and recipients, whether they wait or have ended.

use super::embedded::{CHUNK, Embedded};
use crate::events::message::{Accepted, MessageEvent, message_key, recipient_key};
use crate::mail::{AccountId, MessageId, RecipientHash, RecipientNumber};
use crate::spool::Spool;
use std::collections::HashSet;
use std::sync::Arc;

/// Reads what one of the keys of `events` names, newest first, on a blocking thread, until `each` says
/// false.
async fn find<T: Send + 'static>(
    spool: Spool,
    key: u64,
    mut each: impl FnMut(MessageEvent, &mut Vec<T>) -> bool + Send + 'static,
) -> Vec<T> {
    let read = move || {
        let mut found = Vec::new();
        let outcome = spool.find(key, |record| {
            MessageEvent::decode(&record).is_none_or(|event| each(event, &mut found))
        });
        if let Err(fault) = outcome {
            tracing::error!(target: "relent::queue", %fault, "what was asked for may be incomplete");
        }
        found
    };
    tokio::task::spawn_blocking(read).await.unwrap_or_default()
}

impl Embedded {
    /// What [`Queue::find`](super::Queue::find) promises.
    pub(super) async fn recall(
        &self,
        message: MessageId,
        recipient: RecipientNumber,
    ) -> Option<(Arc<Accepted>, RecipientNumber)> {
        let queued = self.state().message(message);
        let found = match queued {
            Some(found) => found,
            None => {
                let key = message_key(message);
                let known = find(self.spool.clone(), key, move |event, found: &mut Vec<_>| {
                    if let MessageEvent::Accepted(accepted) = event
                        && accepted.id == message
                    {
                        found.push(accepted);
                    }
                    found.is_empty()
                });
                Arc::new(known.await.pop()?)
            }
        };
        let one = recipient.of_shared().unwrap_or(recipient);
        ((one.0 as usize) < found.recipients.len()).then_some((found, recipient))
    }

    /// What [`Queue::ended`](super::Queue::ended) promises.
    pub(super) async fn ends(&self, message: MessageId) -> Vec<MessageEvent> {
        let mut seen = HashSet::new();
        let known = find(self.spool.clone(), message_key(message), move |event, found| {
            // Newest first: a bounce by mail after a delivery is how it ended.
            if let MessageEvent::Recipient { message: of, recipient, outcome, .. } = &event
                && *of == message
                && outcome.is_end()
                && seen.insert(*recipient)
            {
                found.push(event);
            }
            found.len() < CHUNK
        });
        let mut events = known.await;
        events.sort_by_key(|event| match event {
            MessageEvent::Recipient { recipient, .. } => recipient.0,
            MessageEvent::Accepted(_) => 0,
        });
        events
    }

    /// What [`Queue::events_for`](super::Queue::events_for) promises.
    pub(super) async fn events_about(
        &self,
        account: AccountId,
        hash: RecipientHash,
        limit: usize,
    ) -> Vec<MessageEvent> {
        let key = recipient_key(hash);
        let events = find(self.spool.clone(), key, move |event, found: &mut Vec<_>| {
            let concerns = match &event {
                MessageEvent::Accepted(message) => {
                    message.origin.account() == account
                        && message.recipients.iter().any(|to| to.hash == hash)
                }
                MessageEvent::Recipient { origin, to, .. } => {
                    origin.account() == account && to.hash == hash
                }
            };
            if concerns {
                found.push(event);
            }
            found.len() < limit
        });
        let mut events = events.await;
        events.reverse();
        events
    }
}
