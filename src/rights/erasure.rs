//! Forgetting a person: mail that waits is taken out, the records keep a keyed hash, the log of messages is
//! written anew without the address, and the file of the records without what was removed from it.

use super::job::{Begun, Job};
use crate::accounts::Accounts;
use crate::config::Live;
use crate::events::forget::Forgotten;
use crate::events::{Act, Actor};
use crate::mail::{AccountId, Address};
use crate::policy::{ErasedRecords, Policy};
use crate::queue::{Queue, Selector};
use crate::spool::{Spool, SpoolFault};
use crate::store::{Store, StoreFault};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

/// The pause before what could not be dealt with yet is looked at again; each one is twice as long as the
/// last, as a look reads the whole log.
const PAUSE: Duration = Duration::from_millis(500);
/// The longest of these pauses.
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// How often it is looked whether an erasure was left.
const LOOK: Duration = Duration::from_secs(60);

/// How many that were done last are remembered, for whoever asked and still waits for an answer.
const DONE: usize = 1000;

/// Why an erasure did not go on now. It is kept, and goes on later.
#[derive(Debug, thiserror::Error)]
pub enum RightsFault {
    /// The records.
    #[error(transparent)]
    Store(#[from] StoreFault),
    /// The log of messages.
    #[error(transparent)]
    Spool(#[from] SpoolFault),
    /// Its disk.
    #[error("the log of messages could not be written anew: {0}")]
    Disk(#[from] io::Error),
}

/// What was destroyed, and what could not be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erased {
    /// Mail that was taken out of the queue.
    pub cancelled: u64,
    /// Of the records.
    pub records: ErasedRecords,
    /// Events of messages that say less now.
    pub messages: u64,
    /// Events of letters by the person that still wait to be forwarded.
    pub needed: u64,
    /// Damaged parts of the log of messages, which stay as they are.
    pub damaged: u64,
    /// Whether the file of the records was written anew.
    pub is_compacted: bool,
    /// Whether all that can be is done.
    pub is_done: bool,
}

impl Erased {
    /// What is out of reach, in words.
    #[must_use]
    pub fn remains(&self) -> Vec<String> {
        let mut said = Vec::new();
        if self.needed > 0 {
            let count = self.needed;
            said.push(format!(
                "{count} of the person's letters wait to be forwarded: once they have gone, ask again"
            ));
        }
        if self.damaged > 0 {
            let count = self.damaged;
            said.push(format!(
                "{count} damaged parts of the spool are kept as they are: look at its `quarantine` and \
                 remove what is not needed"
            ));
        }
        if self.is_done && !self.is_compacted {
            said.push(
                "the file of the records is too large to be written anew while the daemon runs: free \
                 places of it may hold the address until `relent store compact`"
                    .into(),
            );
        }
        said.push(
            "a message to the person that a program was handing over while this was done is kept as any \
             other: if one may have come in, ask again"
                .into(),
        );
        said.push(
            "messages that wait for others may name the person in their text until they have gone"
                .into(),
        );
        said.push(
            "answers kept for repeated requests of programs name the person until they are over their time, \
             a day unless the settings say otherwise; an erasure in every account removes them"
                .into(),
        );
        said.push(
            "log files, backups, mail that has left, and what webhooks have told are not in reach"
                .into(),
        );
        said
    }
}

struct Parts {
    config: Live,
    accounts: Accounts,
    policy: Policy,
    queue: Arc<dyn Queue>,
    spool: Spool,
    store: Store,
    /// One erasure at a time, and what the last ones came to: whoever asked may find that another pass was
    /// there before it.
    turn: Mutex<VecDeque<(u64, Erased)>>,
}

/// The way to be forgotten. Cheap to clone.
#[derive(Clone)]
pub struct Rights(Arc<Parts>);

impl Rights {
    /// Over all that keeps something about people.
    #[must_use]
    pub fn new(
        config: Live,
        (accounts, policy): (Accounts, Policy),
        queue: Arc<dyn Queue>,
        (spool, store): (Spool, Store),
    ) -> Self {
        let turn = Mutex::default();
        Self(Arc::new(Parts { config, accounts, policy, queue, spool, store, turn }))
    }

    /// Begins an erasure in one account, or in all, durably, unless as many wait as may.
    ///
    /// # Errors
    /// The store.
    pub async fn begin(
        &self,
        address: Address,
        account: Option<AccountId>,
        actor: &Actor,
    ) -> Result<Begun, StoreFault> {
        Job::new(address, account, actor).begin(&self.0.store).await
    }

    /// How many erasures are not done yet.
    ///
    /// # Errors
    /// The store.
    pub fn waiting(&self) -> Result<usize, StoreFault> {
        Ok(Job::waiting(&self.0.store)?.len())
    }

    /// Works at an erasure until it is done, which a body that is just being written, or somebody who has
    /// still to read the log, may delay.
    ///
    /// # Errors
    /// It goes on later.
    pub async fn work(&self, number: u64) -> Result<Erased, RightsFault> {
        let mut done = self.0.turn.lock().await;
        let Some(mut job) = Job::read(&self.0.store, number)? else {
            let found = done.iter().find(|(of, _)| *of == number).map(|(_, erased)| erased.clone());
            return Ok(found.unwrap_or_else(|| Erased { is_done: true, ..Erased::default() }));
        };
        if let Some(address) = job.address.clone() {
            let forgotten = self.forget(&address, &mut job).await?;
            // Nothing is to be found by it any more, and the file is written anew without it.
            job.address = None;
            job.save(&self.0.store, number).await?;
            let erased = &job.erased;
            let act =
                Act::new(job.account.unwrap_or(AccountId::INSTALLATION), "recipient.forgotten")
                    .with("all_accounts", job.account.is_none())
                    .with("cancelled", erased.cancelled)
                    .with("events", erased.records.events)
                    .with("entries", erased.records.entries)
                    .with("messages", erased.messages)
                    .with("forgotten", forgotten);
            self.0.accounts.by(job.actor()).write_act(act).await?;
        }
        let size_max = self.0.config.store.compact_size_max.0;
        job.erased.is_compacted = self.0.store.compact(size_max).await?;
        job.erased.is_done = true;
        Job::remove(&self.0.store, number).await?;
        if done.len() >= DONE {
            done.pop_front();
        }
        done.push_back((number, job.erased.clone()));
        Ok(job.erased)
    }

    /// The accounts that may hold something.
    async fn concerned(
        &self,
        address: &Address,
        only: Option<AccountId>,
    ) -> Result<Vec<AccountId>, StoreFault> {
        if let Some(account) = only {
            return Ok(vec![account]);
        }
        let mut found = vec![AccountId::INSTALLATION];
        for account in self.0.accounts.all_ids()? {
            let hash = self.0.accounts.hash(account, address)?;
            if self.0.policy.knows(account, address)?
                || !self.0.queue.events_for(account, hash, 1).await.is_empty()
            {
                found.push(account);
            }
        }
        Ok(found)
    }

    /// Forgets a person: under which hash of each account, which is all that is left, so that it can be done again
    /// where a backup brings the person back.
    async fn forget(&self, address: &Address, job: &mut Job) -> Result<Vec<Value>, RightsFault> {
        let accounts = self.concerned(address, job.account).await?;
        let policy = self.0.policy.by(job.actor());
        // Stopped first, so that nothing new comes; then what waits.
        let mut records = ErasedRecords::default();
        for account in &accounts {
            records = records.and(policy.erase(*account, address).await?);
        }
        for account in &accounts {
            let hash = self.0.accounts.hash(*account, address)?;
            let selector = Selector::Recipient(*account, hash);
            let reason = "the recipient was forgotten";
            job.erased.cancelled += self.0.queue.remove(selector.clone(), reason).await?;
            // An attempt under way writes down how it ended.
            while !self.0.queue.list(selector.clone(), 1).await.is_empty() {
                tokio::time::sleep(PAUSE).await;
            }
        }
        self.forget_messages(address, job).await?;
        // What was on its way into the records while the log was read is there by now.
        for account in &accounts {
            records = records.and(policy.erase(*account, address).await?);
        }
        if job.account.is_none() {
            records.rows += policy.erase_answers(address).await?;
        }
        job.erased.records = job.erased.records.and(records);
        let mut forgotten = Vec::new();
        for account in accounts {
            let name = match account {
                AccountId::INSTALLATION => Some("global".to_owned()),
                id => self.0.accounts.account_by_id(id)?.map(|account| account.name.clone()),
            };
            let hash = self.0.accounts.hash(account, address)?;
            forgotten.push(json!({ "account": name, "recipient": hash.to_string() }));
        }
        Ok(forgotten)
    }

    async fn forget_messages(&self, address: &Address, job: &mut Job) -> Result<(), RightsFault> {
        self.0.spool.seal().await?;
        let mut pause = PAUSE;
        loop {
            let (spool, who) = (self.0.spool.clone(), Forgotten::new(address.clone(), job.account));
            let pass = move || spool.forget(&|record, waits| who.fate(record, waits));
            let pass = tokio::task::spawn_blocking(pass).await.map_err(io::Error::other)??;
            job.erased.messages += pass.records;
            (job.erased.needed, job.erased.damaged) = (pass.needed, pass.damaged);
            if pass.pending == 0 {
                return Ok(());
            }
            // A disk without room may stay so for long.
            tokio::time::sleep(pause).await;
            pause = pause.saturating_mul(2).min(PAUSE_MAX);
        }
    }

    /// Goes on with what was begun, until shutdown.
    pub async fn run(self, shutdown: CancellationToken) {
        let work = async {
            loop {
                for number in Job::waiting(&self.0.store).unwrap_or_default() {
                    match self.work(number).await {
                        Ok(_) => {
                            tracing::info!(target: "relent::rights", number, "an erasure is done");
                        }
                        Err(fault) => tracing::warn!(target: "relent::rights", %fault, number,
                            "an erasure did not go on; it is tried again"),
                    }
                }
                tokio::time::sleep(LOOK).await;
            }
        };
        let _stopped = shutdown.run_until_cancelled(work).await;
    }
}
