//! May we send this to them? Suppression, consent, tokens and permits. It decides and never sends.

use crate::accounts::{Accounts, Stream};
use crate::config;
use crate::events::record::{Evidence, Reason, RecordEvent, Scope};
use crate::mail::{
    AccountId, Address, Domain, MessageId, RecipientHash, RecipientNumber, StreamId, Timestamp,
    Verdict,
};
use crate::store::{Store, StoreFault};
use crate::world::World;
use serde::{Deserialize, Serialize};

/// A stop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suppression {
    /// How far it reaches.
    pub scope: Scope,
    /// Why.
    pub reason: Reason,
    /// What it rests on.
    pub evidence: Evidence,
    /// When.
    pub at: Timestamp,
    /// Its place in the commit order of changes.
    pub sequence: u64,
}

/// An agreement, or its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consent {
    /// For which stream.
    pub stream: StreamId,
    /// Whether it holds.
    pub state: ConsentState,
    /// What it rests on.
    pub evidence: Evidence,
    /// When, as its source says.
    pub at: Timestamp,
    /// Its place in the commit order of changes.
    pub sequence: u64,
}

/// Whether a consent holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ConsentState {
    /// Asked for, not yet confirmed.
    Pending,
    /// Given.
    Granted,
    /// Taken back.
    Withdrawn,
    /// Too old.
    Expired,
}

/// Whom a suppression is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// A person, by address.
    Address(Address),
    /// A person, by the account's hash, as a token names them.
    Hash(RecipientHash),
    /// Everybody at a domain.
    Domain(Domain),
}

/// What policy says of one recipient, with the record it rests on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judgement {
    /// May be sent.
    Clear,
    /// Suppressed: by which record.
    Suppressed(Suppression),
    /// The stream needs consent and there is none that holds.
    Unconsented(Option<Consent>),
}

/// How an opt-out ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// Recorded, and no dot can follow: acknowledge.
    Fully,
    /// Recorded, but a permit was still out after `queue.permit_wait_max`: 202, 451 or exit 1.
    WithDotInFlight,
}

/// A token of the contract, read and verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Token {
    /// `r-`: a reply of a recipient.
    Reply {
        /** The stream. */
        stream: StreamId,
        /** Who. */
        recipient: RecipientHash,
    },
    /// `u-`: an unsubscribe of a recipient.
    Unsubscribe {
        /** The stream. */
        stream: StreamId,
        /** Who. */
        recipient: RecipientHash,
    },
    /// `b-`: a return path.
    Bounce {
        /** The message. */
        message: MessageId,
        /** Which recipient of it. */
        recipient: RecipientNumber,
    },
    /// Undo of a stop: the stop's event, until when.
    Undo {
        /** The event of the stop. */
        event: u64,
        /** Until when it can be undone. */
        until: Timestamp,
    },
}

/// The records of one recipient in one account, and the global ones.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecipientView {
    /// The address, unless erased or never known.
    pub address: Option<Address>,
    /// Every stop that concerns them: own, domain-wide, global.
    pub suppressions: Vec<Suppression>,
    /// Their consents.
    pub consents: Vec<Consent>,
}

/// The policy. Cheap to clone.
#[derive(Clone)]
pub struct Policy {}

/// A sender's right to write one final dot now. Returned by dropping it.
pub struct Permit {}

impl Policy {
    /// Builds the policy over the records.
    pub fn new(accounts: Accounts, store: Store, world: World, settings: &config::Queue) -> Self {
        todo!()
    }

    /// What policy says now of a recipient on a stream.
    pub fn judge(&self, stream: &Stream, address: &Address) -> Result<Judgement, StoreFault> {
        todo!()
    }

    /// The judgement as an SMTP answer: `550 5.7.1` with reason and date in words; a global stop with
    /// neither; the store's fault as 451.
    pub fn answer(judgement: Result<Judgement, StoreFault>) -> Verdict {
        todo!()
    }

    /// Takes a permit for one final dot, then looks once more. `Err(judgement)`: no dot.
    pub fn permit(
        &self,
        stream: &Stream,
        address: &Address,
    ) -> Result<Result<Permit, Judgement>, StoreFault> {
        todo!()
    }

    /// A permit for mail that no stop binds: reports and letters.
    #[must_use]
    pub fn free_permit() -> Permit {
        Permit {}
    }

    /// Records a stop, waits for the dots it must wait for, and says how it ended. A stop that stands
    /// already is confirmed, not doubled. Returns the event's number with it.
    pub async fn suppress(
        &self,
        account: AccountId,
        subject: Subject,
        scope: Scope,
        reason: Reason,
        evidence: Evidence,
    ) -> Result<(u64, Settled), StoreFault> {
        todo!()
    }

    /// Lifts a stop by name and reason. False where there was none.
    pub async fn lift(
        &self,
        account: AccountId,
        subject: Subject,
        scope: Scope,
        reason: Reason,
        evidence: Evidence,
    ) -> Result<bool, StoreFault> {
        todo!()
    }

    /// Undoes a person's own stop, restoring the state before it. False: too late, or undone already.
    pub async fn undo(&self, event: u64, evidence: Evidence) -> Result<bool, StoreFault> {
        todo!()
    }

    /// Records consent. It never lifts a stop.
    pub async fn grant(
        &self,
        stream: &Stream,
        address: &Address,
        at: Timestamp,
        evidence: Evidence,
    ) -> Result<(), StoreFault> {
        todo!()
    }

    /// Withdraws consent and waits for dots as [`Policy::suppress`] does.
    pub async fn withdraw(
        &self,
        stream: &Stream,
        address: &Address,
        evidence: Evidence,
    ) -> Result<Settled, StoreFault> {
        todo!()
    }

    /// Everything recorded of a recipient.
    pub fn view(&self, account: AccountId, subject: &Subject) -> Result<RecipientView, StoreFault> {
        todo!()
    }

    /// What happened to a recipient's records, oldest first, at most `limit`.
    pub fn history(
        &self,
        account: AccountId,
        subject: &Subject,
        limit: usize,
    ) -> Result<Vec<RecordEvent>, StoreFault> {
        todo!()
    }

    /// Up to `limit` recipients of an account that have a suppression, after the hash given.
    pub fn suppressed(
        &self,
        account: AccountId,
        after: Option<RecipientHash>,
        limit: usize,
    ) -> Result<Vec<(RecipientHash, RecipientView)>, StoreFault> {
        todo!()
    }

    /// Writes a token: the local part (`r-…`, `u-…`, `b-…`), or for undo the text alone.
    pub fn seal(&self, token: &Token) -> Result<String, StoreFault> {
        todo!()
    }

    /// Reads a token in any case. `None`: forged, torn or of another installation.
    pub fn open(&self, text: &str) -> Result<Option<Token>, StoreFault> {
        todo!()
    }
}
