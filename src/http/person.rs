//! Whom an unsubscribe link names: a token holds only a hash, and what we keep says more.

use super::site::Parts;
use crate::accounts::{Account, Stream};
use crate::events::message::MessageEvent;
use crate::mail::{AccountId, Address, RecipientHash};
use crate::policy::{Subject, Token};
use crate::store::StoreFault;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// Longest time that a stop waits for the address it is about: the stop comes first.
const LOOKUP_TIME_MAX: Duration = Duration::from_secs(5);

/// Turns for looking addresses up among the events of messages.
#[derive(Clone)]
pub(super) struct Lookups(Arc<Semaphore>);

impl Lookups {
    /// So many at a time.
    pub(super) fn new(most: u32) -> Self {
        Self(Arc::new(Semaphore::new(most.max(1) as usize)))
    }
}

/// Whom a token names.
pub(super) struct Person {
    pub(super) account: Arc<Account>,
    pub(super) stream: Arc<Stream>,
    pub(super) hash: RecipientHash,
    /// The address, where a record or an event of the account's mail has it.
    pub(super) address: Option<Address>,
}

impl Person {
    /// None where the token is forged, is of another kind, or names what never was.
    pub(super) async fn find(
        parts: &Parts,
        lookups: &Lookups,
        token: &str,
    ) -> Result<Option<Self>, StoreFault> {
        let Some(Token::Unsubscribe { stream, recipient: hash }) = parts.policy.open(token)? else {
            return Ok(None);
        };
        let Some(stream) = parts.accounts.stream_by_id(stream)? else {
            return Ok(None);
        };
        let Some(account) = parts.accounts.account_by_id(stream.account)? else {
            return Ok(None);
        };
        let recorded = parts.policy.view(account.id, &Subject::Hash(hash))?.address;
        let address = match recorded {
            Some(address) => Some(address),
            None => remembered(parts, lookups, account.id, hash).await,
        };
        Ok(Some(Self { account, stream, hash, address }))
    }

    /// The person as records are found, by address where that is known.
    pub(super) fn subject(&self) -> Subject {
        self.address.clone().map_or(Subject::Hash(self.hash), Subject::Address)
    }
}

/// The address of a recipient of whom there is no record yet, from the last mail to them.
async fn remembered(
    parts: &Parts,
    lookups: &Lookups,
    account: AccountId,
    hash: RecipientHash,
) -> Option<Address> {
    let (queue, turns) = (parts.queue.clone(), lookups.0.clone());
    // On a task of its own: the turn is held until the reading has really ended.
    let reading = tokio::spawn(async move {
        let turn = turns.acquire_owned().await.ok()?;
        let events = queue.events_for(account, hash, 1).await;
        drop(turn);
        events.into_iter().find_map(|event| match event {
            MessageEvent::Accepted(message) => {
                let mut recipients = message.recipients.into_iter();
                recipients.find(|to| to.hash == hash).map(|to| to.address)
            }
            MessageEvent::Recipient { to, .. } => (to.hash == hash).then_some(to.address),
        })
    });
    tokio::time::timeout(LOOKUP_TIME_MAX, reading).await.ok()?.ok()?
}
