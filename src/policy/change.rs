//! Changes of the records: a stop, its end, consent and its end; each with its event in one
//! transaction, and a stop acknowledged only after the dots it must wait for.

use super::desk::{Policy, key};
use super::record::{
    Consent, ConsentState, History, RecipientRecord, Settled, Subject, Suppression,
};
use crate::accounts::Stream;
use crate::events::record::{Change, Circumstances, Evidence, Grounds, Reason, RecordEvent, Scope};
use crate::events::{Act, Author};
use crate::mail::{AccountId, Address, RecipientHash, StreamId, Timestamp};
use crate::store::{StoreFault, Transaction};
use std::convert::Infallible;

/// Most requests for consent that a record keeps in mind: more than can wait in the queue at once.
const REQUESTS_MAX: usize = 32;

/// A stop as it was recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Made {
    /// The number of its event.
    pub event: u64,
    /// Whether it was made now; not where the same had stood before.
    pub is_new: bool,
    /// Whether a dot may still follow.
    pub settled: Settled,
}

/// Writes an event under a fresh number.
pub(super) fn record(
    (t, author): (&mut Transaction<'_>, &Author),
    place: (AccountId, RecipientHash),
    (change, evidence, at): (Change, Evidence, Timestamp),
) -> Result<u64, StoreFault> {
    note((t, author), place, (change, evidence, at), (None, None))
}

/// The same, with the grounds of what mail that came in changed.
pub(super) fn record_on(
    (t, author): (&mut Transaction<'_>, &Author),
    place: (AccountId, RecipientHash),
    (change, evidence, at): (Change, Evidence, Timestamp),
    grounds: Option<Grounds>,
) -> Result<u64, StoreFault> {
    note((t, author), place, (change, evidence, at), (grounds, None))
}

fn note(
    (t, author): (&mut Transaction<'_>, &Author),
    (account, hash): (AccountId, RecipientHash),
    (change, evidence, at): (Change, Evidence, Timestamp),
    (grounds, circumstances): (Option<Grounds>, Option<Box<Circumstances>>),
) -> Result<u64, StoreFault> {
    let sequence = t.count("records")?;
    let act = entry(account, &change, &evidence).of(hash, sequence);
    let entry = author.write(t, act)?;
    let grounds = grounds.map(Box::new);
    let event =
        RecordEvent { sequence, account, hash, change, evidence, at, grounds, circumstances };
    t.put(&sequence.to_be_bytes(), &event);
    let place = [&key(account, hash)[..], &sequence.to_be_bytes()].concat();
    t.put(&place, &History { event: sequence, entry: Some(entry) });
    Ok(sequence)
}

/// A change as its entry in the audit chain shows it: the wish, and what it rests on.
fn entry(account: AccountId, change: &Change, evidence: &Evidence) -> Act {
    let act = |kind, scope, reason: Reason| {
        let act = Act::new(account, kind).with("reason", reason.name());
        match scope {
            Scope::Stream(stream) => act.with("scope", "stream").with("stream", stream.0),
            Scope::Account => act.with("scope", "account"),
            Scope::Global => act.with("scope", "global"),
        }
    };
    let of_stream = |kind, stream: StreamId| Act::new(account, kind).with("stream", stream.0);
    let act = match *change {
        Change::Suppressed { scope, reason } => act("suppression.made", scope, reason),
        Change::Lifted { scope, reason } => act("suppression.lifted", scope, reason),
        Change::Granted { stream } => of_stream("consent.granted", stream),
        Change::Requested { stream } => of_stream("consent.requested", stream),
        Change::Withdrawn { stream } => of_stream("consent.withdrawn", stream),
        Change::Asked { stream } => of_stream("recipient.asked", stream),
    };
    act.with("source", evidence.source.label())
        .with("text", evidence.text.as_str())
        .with("message", evidence.message.map(|message| message.to_string()))
}

/// Records a stop in a recipient's record, or confirms the one that stands: the number of its event.
pub(super) fn stop(
    by: (&mut Transaction<'_>, &Author),
    place: (AccountId, RecipientHash),
    kept: RecipientRecord,
    stop: Suppression,
) -> Result<u64, StoreFault> {
    stop_on(by, place, (kept, stop), None)
}

/// The same, with the grounds on which mail that came in was obeyed.
pub(super) fn stop_on(
    (t, author): (&mut Transaction<'_>, &Author),
    (owner, hash): (AccountId, RecipientHash),
    (mut kept, mut stop): (RecipientRecord, Suppression),
    grounds: Option<Grounds>,
) -> Result<u64, StoreFault> {
    let (scope, reason) = (stop.scope, stop.reason);
    let same = |s: &Suppression| s.scope == scope && s.reason == reason;
    if let Some(standing) = kept.suppressions.iter().find(|s| same(s)) {
        // A consent later than the stop may outrank it: the stop must then be made anew.
        let later = |consent: &Consent| {
            consent.state == ConsentState::Granted && consent.sequence > standing.sequence
        };
        let (is_own, was_own) =
            (stop.evidence.source.is_own_act(), standing.evidence.source.is_own_act());
        // Who says no after being asked has answered: what is newer than the request outdates its mail.
        let answers = is_own && kept.asked_since(standing.sequence);
        let becomes_own = is_own && !was_own;
        if !becomes_own && !answers && !kept.consents.iter().any(later) {
            return Ok(standing.sequence);
        }
    }
    let change = Change::Suppressed { scope, reason };
    let event = (change, stop.evidence.clone(), stop.at);
    stop.sequence = record_on((&mut *t, author), (owner, hash), event, grounds)?;
    let standing = kept.suppressions.iter().find(|s| same(s)).cloned();
    kept.take(same);
    kept.replaced.extend(standing.map(|old| (stop.sequence, old)));
    let sequence = stop.sequence;
    kept.suppressions.push(stop);
    t.put(&key(owner, hash), &kept);
    Ok(sequence)
}

/// Whose record a stop is: global ones are the installation's.
pub(super) fn owner_of(account: AccountId, scope: Scope) -> (AccountId, Scope) {
    if scope == Scope::Global || account == AccountId::INSTALLATION {
        (AccountId::INSTALLATION, Scope::Global)
    } else {
        (account, scope)
    }
}

/// Puts a consent in a recipient's record in place of the one that stands there for its stream.
pub(super) fn agree(
    (t, author): (&mut Transaction<'_>, &Author),
    (owner, hash): (AccountId, RecipientHash),
    (mut kept, address): (RecipientRecord, Address),
    mut made: Consent,
    now: Timestamp,
) -> Result<u64, StoreFault> {
    let stream = made.stream;
    kept.address.get_or_insert(address);
    let change = match made.state {
        ConsentState::Granted => Change::Granted { stream },
        ConsentState::Pending => Change::Requested { stream },
        ConsentState::Withdrawn | ConsentState::Expired => Change::Withdrawn { stream },
    };
    let event = (change, made.evidence.clone(), now);
    let grounds = (None, made.circumstances.clone());
    made.sequence = note((&mut *t, author), (owner, hash), event, grounds)?;
    let sequence = made.sequence;
    if made.state == ConsentState::Pending {
        kept.remember(stream, sequence);
    }
    kept.consents.retain(|consent| consent.stream != stream);
    kept.consents.push(made);
    t.put(&key(owner, hash), &kept);
    Ok(sequence)
}

impl RecipientRecord {
    /// Keeps the event of a request in mind.
    pub(super) fn remember(&mut self, stream: StreamId, event: u64) {
        self.requests.push((stream, event));
        let over = self.requests.len().saturating_sub(REQUESTS_MAX);
        self.requests.drain(..over);
    }

    /// Whether consent was asked for after an event.
    fn asked_since(&self, event: u64) -> bool {
        let pending = |c: &Consent| c.state == ConsentState::Pending && c.sequence > event;
        self.requests.iter().any(|(_, asked)| *asked > event) || self.consents.iter().any(pending)
    }

    /// Keeps beside the hash whom it stands for, as far as that is said.
    pub(super) fn name(&mut self, subject: Subject) {
        match subject {
            Subject::Address(address) => {
                self.address.get_or_insert(address);
            }
            Subject::Domain(domain) => self.domain = Some(domain),
            Subject::Hash(_) => {}
        }
    }

    /// Takes the stop out that matches, with what it had replaced: the outer is none where no stop
    /// matched, the inner where nothing stood before it.
    pub(super) fn take(
        &mut self,
        is: impl Fn(&Suppression) -> bool,
    ) -> Option<Option<Suppression>> {
        let at = self.suppressions.iter().position(is)?;
        let sequence = self.suppressions.remove(at).sequence;
        let beneath = self.replaced.iter().position(|(event, _)| *event == sequence);
        Some(beneath.map(|at| self.replaced.remove(at).1))
    }
}

pub(super) fn never<T>(outcome: Result<T, Infallible>) -> T {
    match outcome {
        Ok(value) => value,
        Err(never) => match never {},
    }
}

impl Policy {
    pub(super) async fn settle(&self, owner: AccountId, hash: RecipientHash) -> Settled {
        let own = key(owner, hash);
        let settled = self.gate.settled(|key| *key == own, self.settings.permit_wait_max.0);
        if settled.await { Settled::Fully } else { Settled::WithDotInFlight }
    }

    /// Records a stop, waits for the dots it must wait for, and says how it ended. A stop that stands
    /// already is confirmed, not doubled, unless a later consent had lifted it, or the person now says
    /// what others had recorded before: then the stop is the person's, who can undo it. Returns the
    /// number of the stop's event with it.
    ///
    /// # Errors
    /// The store; [`StoreFault::Missing`] for a global stop of a hash whose address is not known.
    pub async fn suppress(
        &self,
        account: AccountId,
        subject: Subject,
        scope: Scope,
        reason: Reason,
        evidence: Evidence,
    ) -> Result<(u64, Settled), StoreFault> {
        let made = self.suppress_on(account, subject, (scope, reason), evidence, None).await?;
        Ok((made.event, made.settled))
    }

    /// The same, with the grounds on which mail that came in was obeyed.
    ///
    /// # Errors
    /// As [`Policy::suppress`].
    pub async fn suppress_on(
        &self,
        account: AccountId,
        mut subject: Subject,
        (scope, reason): (Scope, Reason),
        evidence: Evidence,
        grounds: Option<Grounds>,
    ) -> Result<Made, StoreFault> {
        let (owner, scope) = owner_of(account, scope);
        let hash = self.place_of(account, owner, &mut subject)?;
        let at = self.world.clock.now();
        let author = self.author_of(evidence.source);
        let done = self.store.transact(move |t| {
            let mut kept = t.get::<RecipientRecord>(&key(owner, hash))?.unwrap_or_default();
            let stood: Vec<u64> = kept.suppressions.iter().map(|stop| stop.sequence).collect();
            kept.name(subject);
            let made = Suppression { scope, reason, evidence, at, sequence: 0, site: None };
            let event = stop_on((t, &author), (owner, hash), (kept, made), grounds)?;
            Ok(Ok::<_, Infallible>((event, !stood.contains(&event))))
        });
        let (event, is_new) = never(done.await?);
        Ok(Made { event, is_new, settled: self.settle(owner, hash).await })
    }

    /// Lifts a stop by name and reason. False where there was none, and where a person's act names a
    /// stop that is not the person's to lift.
    ///
    /// # Errors
    /// The store; [`StoreFault::Missing`] as for [`Policy::suppress`].
    pub async fn lift(
        &self,
        account: AccountId,
        mut subject: Subject,
        scope: Scope,
        reason: Reason,
        evidence: Evidence,
    ) -> Result<bool, StoreFault> {
        let (owner, scope) = owner_of(account, scope);
        let of_a_person = matches!(reason, Reason::OptOut | Reason::Complaint);
        if evidence.source.is_own_act() && (scope == Scope::Global || !of_a_person) {
            return Ok(false);
        }
        let hash = self.place_of(account, owner, &mut subject)?;
        let (now, author) = (self.world.clock.now(), self.author_of(evidence.source));
        let done = self.store.transact(move |t| {
            let place = key(owner, hash);
            let mut kept = t.get::<RecipientRecord>(&place)?.unwrap_or_default();
            if kept.take(|s| s.scope == scope && s.reason == reason).is_none() {
                return Ok(Ok(false));
            }
            if reason == Reason::HardBounce {
                kept.hard_bounces.clear();
            }
            let change = Change::Lifted { scope, reason };
            record((&mut *t, &author), (owner, hash), (change, evidence, now))?;
            t.put(&place, &kept);
            Ok(Ok::<_, Infallible>(true))
        });
        Ok(never(done.await?))
    }

    /// Undoes a person's own stop, restoring what stood before it. False: undone already, or not a
    /// stop that stands, or not the person's own act. Until when it may be undone, the token says.
    ///
    /// # Errors
    /// The store.
    pub async fn undo(&self, event: u64, evidence: Evidence) -> Result<bool, StoreFault> {
        let (now, author) = (self.world.clock.now(), self.author_of(evidence.source));
        let done = self.store.transact(move |t| {
            let past = t.get::<RecordEvent>(&event.to_be_bytes())?;
            let Some(past) = past.filter(|past| past.evidence.source.is_own_act()) else {
                return Ok(Ok(false));
            };
            let Change::Suppressed { scope, reason } = past.change else {
                return Ok(Ok(false));
            };
            let place = key(past.account, past.hash);
            let mut kept = t.get::<RecipientRecord>(&place)?.unwrap_or_default();
            let Some(before) = kept.take(|s| s.sequence == event) else {
                return Ok(Ok(false));
            };
            kept.suppressions.extend(before);
            let change = Change::Lifted { scope, reason };
            record((&mut *t, &author), (past.account, past.hash), (change, evidence, now))?;
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
        (evidence, circumstances): (Evidence, Circumstances),
    ) -> Result<RecipientHash, StoreFault> {
        let (owner, stream) = (stream.account, stream.id);
        let hash = self.accounts.hash(owner, address)?;
        let (address, now) = (address.clone(), self.world.clock.now());
        let author = self.author_of(evidence.source);
        let done = self.store.transact(move |t| {
            let kept = t.get::<RecipientRecord>(&key(owner, hash))?.unwrap_or_default();
            let circumstances = circumstances.kept();
            let made = Consent { stream, state, evidence, at, sequence: 0, circumstances };
            agree((t, &author), (owner, hash), (kept, address), made, now)?;
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
        self.grant_under(stream, address, at, (evidence, Circumstances::default())).await
    }

    /// The same, with what the person had before them.
    ///
    /// # Errors
    /// The store.
    pub async fn grant_under(
        &self,
        stream: &Stream,
        address: &Address,
        at: Timestamp,
        proof: (Evidence, Circumstances),
    ) -> Result<(), StoreFault> {
        self.consent(stream, address, (ConsentState::Granted, at), proof).await?;
        Ok(())
    }

    /// Withdraws consent and waits for dots as [`Policy::suppress`] does; `at` is when the person did
    /// so, as the source says.
    ///
    /// # Errors
    /// The store.
    pub async fn withdraw(
        &self,
        stream: &Stream,
        address: &Address,
        at: Timestamp,
        evidence: Evidence,
    ) -> Result<Settled, StoreFault> {
        let state = (ConsentState::Withdrawn, at);
        let proof = (evidence, Circumstances::default());
        let hash = self.consent(stream, address, state, proof).await?;
        Ok(self.settle(stream.account, hash).await)
    }
}
