//! Changes of the records: a stop, its end, consent and its end; each with its event in one
//! transaction, and a stop acknowledged only after the dots it must wait for.

use super::desk::{Policy, key};
use super::record::{
    Consent, ConsentState, History, RecipientRecord, Settled, Subject, Suppression,
};
use crate::accounts::Stream;
use crate::events::record::{Change, Evidence, Reason, RecordEvent, Scope};
use crate::mail::{AccountId, Address, RecipientHash, Timestamp};
use crate::store::{StoreFault, Transaction};
use std::convert::Infallible;

/// Writes an event under a fresh number.
fn record(
    t: &mut Transaction<'_>,
    (account, hash): (AccountId, RecipientHash),
    (change, evidence, at): (Change, Evidence, Timestamp),
) -> Result<u64, StoreFault> {
    let sequence = t.count("records")?;
    let event = RecordEvent {
        sequence,
        account,
        hash,
        change,
        evidence,
        at,
    };
    t.put(&sequence.to_be_bytes(), &event);
    let place = [&key(account, hash)[..], &sequence.to_be_bytes()].concat();
    t.put(&place, &History(sequence));
    Ok(sequence)
}

fn never<T>(outcome: Result<T, Infallible>) -> T {
    match outcome {
        Ok(value) => value,
        Err(never) => match never {},
    }
}

impl Policy {
    async fn settle(&self, owner: AccountId, hash: RecipientHash) -> Settled {
        let settled = self.gate.settled(key(owner, hash), self.permit_wait_max);
        if settled.await {
            Settled::Fully
        } else {
            Settled::WithDotInFlight
        }
    }

    /// Records a stop, waits for the dots it must wait for, and says how it ended. A stop that stands
    /// already is confirmed, not doubled, unless a later consent had lifted it. Returns the event's
    /// number with it.
    ///
    /// # Errors
    /// The store.
    pub async fn suppress(
        &self,
        account: AccountId,
        subject: Subject,
        scope: Scope,
        reason: Reason,
        evidence: Evidence,
    ) -> Result<(u64, Settled), StoreFault> {
        let (owner, scope) = if scope == Scope::Global || account == AccountId::INSTALLATION {
            (AccountId::INSTALLATION, Scope::Global)
        } else {
            (account, scope)
        };
        let hash = self.place(owner, &subject)?;
        let now = self.world.clock.now();
        let done = self.store.transact(move |t| {
            let place = key(owner, hash);
            let mut kept = t.get::<RecipientRecord>(&place)?.unwrap_or_default();
            if let Subject::Address(address) = subject {
                kept.address.get_or_insert(address);
            }
            let same = |s: &Suppression| s.scope == scope && s.reason == reason;
            let standing = kept
                .suppressions
                .iter()
                .find(|s| same(s))
                .map(|s| s.sequence);
            // A consent later than the stop may outrank it: the stop must then be made anew.
            let outranked = standing
                .is_some_and(|stop| kept.consents.iter().any(|consent| consent.sequence > stop));
            if let (Some(sequence), false) = (standing, outranked) {
                return Ok(Ok(sequence));
            }
            let change = Change::Suppressed { scope, reason };
            let sequence = record(t, (owner, hash), (change, evidence.clone(), now))?;
            kept.suppressions.retain(|s| !same(s));
            kept.suppressions.push(Suppression {
                scope,
                reason,
                evidence,
                at: now,
                sequence,
            });
            t.put(&place, &kept);
            Ok(Ok::<_, Infallible>(sequence))
        });
        let event = never(done.await?);
        Ok((event, self.settle(owner, hash).await))
    }

    /// Lifts a stop by name and reason. False where there was none.
    ///
    /// # Errors
    /// The store.
    pub async fn lift(
        &self,
        account: AccountId,
        subject: Subject,
        scope: Scope,
        reason: Reason,
        evidence: Evidence,
    ) -> Result<bool, StoreFault> {
        let (owner, scope) = if scope == Scope::Global || account == AccountId::INSTALLATION {
            (AccountId::INSTALLATION, Scope::Global)
        } else {
            (account, scope)
        };
        let hash = self.place(owner, &subject)?;
        let now = self.world.clock.now();
        let done = self.store.transact(move |t| {
            let place = key(owner, hash);
            let mut kept = t.get::<RecipientRecord>(&place)?.unwrap_or_default();
            let before = kept.suppressions.len();
            kept.suppressions
                .retain(|s| s.scope != scope || s.reason != reason);
            if kept.suppressions.len() == before {
                return Ok(Ok(false));
            }
            let change = Change::Lifted { scope, reason };
            record(t, (owner, hash), (change, evidence, now))?;
            t.put(&place, &kept);
            Ok(Ok::<_, Infallible>(true))
        });
        Ok(never(done.await?))
    }

    /// Undoes a person's own stop, restoring the state before it. False: undone already, or not a
    /// stop that stands. Until when it may be undone, the token says.
    ///
    /// # Errors
    /// The store.
    pub async fn undo(&self, event: u64, evidence: Evidence) -> Result<bool, StoreFault> {
        let now = self.world.clock.now();
        let done = self.store.transact(move |t| {
            let Some(past) = t.get::<RecordEvent>(&event.to_be_bytes())? else {
                return Ok(Ok(false));
            };
            let Change::Suppressed { scope, reason } = past.change else {
                return Ok(Ok(false));
            };
            let place = key(past.account, past.hash);
            let mut kept = t.get::<RecipientRecord>(&place)?.unwrap_or_default();
            let before = kept.suppressions.len();
            kept.suppressions.retain(|s| s.sequence != event);
            if kept.suppressions.len() == before {
                return Ok(Ok(false));
            }
            let change = Change::Lifted { scope, reason };
            record(t, (past.account, past.hash), (change, evidence, now))?;
            t.put(&place, &kept);
            Ok(Ok::<_, Infallible>(true))
        });
        Ok(never(done.await?))
    }

    async fn consent(
        &self,
        stream: &Stream,
        address: &Address,
        (state, at): (ConsentState, Timestamp),
        evidence: Evidence,
    ) -> Result<RecipientHash, StoreFault> {
        let (owner, stream) = (stream.account, stream.id);
        let hash = self.accounts.hash(owner, address)?;
        let (address, now) = (address.clone(), self.world.clock.now());
        let done = self.store.transact(move |t| {
            let place = key(owner, hash);
            let mut kept = t.get::<RecipientRecord>(&place)?.unwrap_or_default();
            kept.address.get_or_insert(address);
            let change = match state {
                ConsentState::Granted => Change::Granted { stream },
                _ => Change::Withdrawn { stream },
            };
            let sequence = record(t, (owner, hash), (change, evidence.clone(), now))?;
            kept.consents.retain(|consent| consent.stream != stream);
            kept.consents.push(Consent {
                stream,
                state,
                evidence,
                at,
                sequence,
            });
            t.put(&place, &kept);
            Ok(Ok::<_, Infallible>(()))
        });
        never(done.await?);
        Ok(hash)
    }

    /// Records consent. It never lifts a stop.
    ///
    /// # Errors
    /// The store.
    pub async fn grant(
        &self,
        stream: &Stream,
        address: &Address,
        at: Timestamp,
        evidence: Evidence,
    ) -> Result<(), StoreFault> {
        let state = (ConsentState::Granted, at);
        self.consent(stream, address, state, evidence).await?;
        Ok(())
    }

    /// Withdraws consent and waits for dots as [`Policy::suppress`] does.
    ///
    /// # Errors
    /// The store.
    pub async fn withdraw(
        &self,
        stream: &Stream,
        address: &Address,
        evidence: Evidence,
    ) -> Result<Settled, StoreFault> {
        let state = (ConsentState::Withdrawn, self.world.clock.now());
        let hash = self.consent(stream, address, state, evidence).await?;
        Ok(self.settle(stream.account, hash).await)
    }
}
