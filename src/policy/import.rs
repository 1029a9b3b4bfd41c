//! Many stops or consents at once, as a list brings them: one transaction and one wait for the dots
//! under way. What stands already is left as it is, so that a list may be brought again.

use super::change::{agree, owner_of, stop};
use super::desk::{Policy, key};
use super::permit::Key;
use super::record::{Consent, ConsentState, RecipientRecord, Settled, Subject, Suppression};
use crate::accounts::Stream;
use crate::events::Author;
use crate::events::record::{Circumstances, Evidence, Reason, Scope};
use crate::mail::{AccountId, Address, RecipientHash, Timestamp};
use crate::store::{StoreFault, Transaction};
use std::collections::HashSet;
use std::convert::Infallible;

/// A stop of a list.
#[derive(Debug, Clone)]
pub struct ListedStop {
    /// Whom it is about.
    pub subject: Subject,
    /// How far it reaches.
    pub scope: Scope,
    /// Why.
    pub reason: Reason,
    /// Since when, as the list says; now, where it does not.
    pub at: Option<Timestamp>,
    /// What it rests on.
    pub evidence: Evidence,
}

/// An agreement of a list, or its end.
#[derive(Debug, Clone)]
pub struct ListedConsent {
    /// Whose.
    pub address: Address,
    /// Given, or taken back.
    pub state: ConsentState,
    /// When, as the list says; now, where it does not.
    pub at: Option<Timestamp>,
    /// What it rests on.
    pub evidence: Evidence,
    /// What the person had before them.
    pub circumstances: Circumstances,
}

/// What became of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Imported {
    /// Rows that were recorded.
    pub taken: u64,
    /// Rows that stood there already.
    pub already: u64,
    /// Rows, by their place, that grant what was withdrawn then: no list takes that back.
    pub withdrawn: Vec<(usize, Timestamp)>,
    /// Whether a dot to one of those who are stopped may still follow.
    pub settled: Settled,
}

/// Whether two moments are one in the whole seconds that lists are written with.
fn is_same(one: Timestamp, other: Timestamp) -> bool {
    one.0 / 1000 == other.0 / 1000
}

impl ListedConsent {
    /// Whether the record says this already. A person's own word is not replaced by a list's, unless it
    /// has expired and the list says when it was given anew.
    fn stands(&self, kept: &Consent, stream: &Stream, now: Timestamp) -> bool {
        let given = &kept.evidence;
        let has_expired = kept.state_at(stream, now) == ConsentState::Expired;
        let is_renewed = has_expired && self.at.is_some_and(|at| at > kept.at);
        let known = kept.circumstances.as_deref();
        kept.state == self.state
            && !is_renewed
            && (given.source.is_own_act()
                || (given.text == self.evidence.text
                    && given.ip == self.evidence.ip
                    && *known.unwrap_or(&Circumstances::default()) == self.circumstances
                    && self.at.is_none_or(|at| is_same(at, kept.at))))
    }
}

/// Records a stop, unless it stands: true where it was recorded. A consent that came later than the
/// stop, but is older than what the list says, gives way to it.
fn bring(
    (t, author): (&mut Transaction<'_>, &Author),
    (owner, hash): (AccountId, RecipientHash),
    row: ListedStop,
    now: Timestamp,
) -> Result<bool, StoreFault> {
    let mut kept = t.get::<RecipientRecord>(&key(owner, hash))?.unwrap_or_default();
    let (scope, reason, at) = (row.scope, row.reason, row.at.unwrap_or(now));
    let standing = kept.suppressions.iter().find(|s| s.scope == scope && s.reason == reason);
    if let Some(standing) = standing {
        let after = |consent: &Consent| {
            consent.state == ConsentState::Granted
                && consent.sequence > standing.sequence
                && consent.at < at
        };
        if !kept.consents.iter().any(after) {
            return Ok(false);
        }
    }
    kept.name(row.subject);
    let made = Suppression { scope, reason, evidence: row.evidence, at, sequence: 0, site: None };
    stop((t, author), (owner, hash), kept, made)?;
    Ok(true)
}

impl Policy {
    /// Records stops of one account in one transaction, then waits for the dots it must wait for, as
    /// [`Policy::suppress`] does for one. No date lifts anything.
    ///
    /// # Errors
    /// The store: then none is recorded.
    pub async fn suppress_all(
        &self,
        account: AccountId,
        rows: Vec<ListedStop>,
    ) -> Result<Imported, StoreFault> {
        let mut placed = Vec::with_capacity(rows.len());
        for mut row in rows {
            let (owner, scope) = owner_of(account, row.scope);
            row.scope = scope;
            let hash = self.place_of(account, owner, &mut row.subject)?;
            placed.push(((owner, hash), row));
        }
        let keys: HashSet<Key> =
            placed.iter().map(|((owner, hash), _)| key(*owner, *hash)).collect();
        let (count, now) = (placed.len() as u64, self.world.clock.now());
        let author = self.author.clone();
        let done = self.store.transact(move |t| {
            let mut taken = 0;
            for (place, row) in placed {
                taken += u64::from(bring((&mut *t, &author), place, row, now)?);
            }
            Ok(Ok::<u64, Infallible>(taken))
        });
        let Ok(taken) = done.await?;
        let settled = self.settle_all(keys).await;
        Ok(Imported { taken, already: count - taken, withdrawn: Vec::new(), settled })
    }

    /// Records consents to a stream, and the ends of some, in one transaction; waits for dots to those
    /// whose consent ended.
    ///
    /// # Errors
    /// The store: then none is recorded.
    pub async fn consent_all(
        &self,
        stream: &Stream,
        rows: Vec<ListedConsent>,
    ) -> Result<Imported, StoreFault> {
        let (owner, whole) = (stream.account, stream.clone());
        let stream = stream.id;
        let mut placed = Vec::with_capacity(rows.len());
        let mut ended = HashSet::new();
        for row in rows {
            let hash = self.accounts.hash(owner, &row.address)?;
            if row.state == ConsentState::Withdrawn {
                ended.insert(key(owner, hash));
            }
            placed.push((hash, row));
        }
        let (count, now) = (placed.len() as u64, self.world.clock.now());
        let author = self.author.clone();
        let done = self.store.transact(move |t| {
            let (mut taken, mut withdrawn) = (0, Vec::new());
            for (number, (hash, row)) in placed.into_iter().enumerate() {
                let kept = t.get::<RecipientRecord>(&key(owner, hash))?.unwrap_or_default();
                let standing = kept.consents.iter().find(|consent| consent.stream == stream);
                if let Some(standing) = standing
                    && (row.state, standing.state)
                        == (ConsentState::Granted, ConsentState::Withdrawn)
                {
                    withdrawn.push((number, standing.at));
                    continue;
                }
                if standing.is_some_and(|consent| row.stands(consent, &whole, now)) {
                    continue;
                }
                let ListedConsent { address, state, at, evidence, circumstances } = row;
                let (at, circumstances) = (at.unwrap_or(now), circumstances.kept());
                let made = Consent { stream, state, evidence, at, sequence: 0, circumstances };
                agree((&mut *t, &author), (owner, hash), (kept, address), made, now)?;
                taken += 1;
            }
            Ok(Ok::<_, Infallible>((taken, withdrawn)))
        });
        let Ok((taken, withdrawn)) = done.await?;
        let settled = if ended.is_empty() { Settled::Fully } else { self.settle_all(ended).await };
        let already = count - taken - withdrawn.len() as u64;
        Ok(Imported { taken, already, withdrawn, settled })
    }

    pub(super) async fn settle_all(&self, keys: HashSet<Key>) -> Settled {
        let longest = self.settings.permit_wait_max.0;
        let settled = self.gate.settled(|key| keys.contains(key), longest);
        if settled.await { Settled::Fully } else { Settled::WithDotInFlight }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Judgement;
    use super::super::tests::{evidence, rig, someone};
    use super::*;
    use crate::accounts::{ConsentTerm, StreamRules};
    use crate::events::record::Source;

    fn listed(at: Option<u64>) -> Vec<ListedStop> {
        let stop = ListedStop {
            subject: Subject::Address(someone()),
            scope: Scope::Account,
            reason: Reason::OptOut,
            at: at.map(Timestamp),
            evidence: evidence(Source::Operator),
        };
        vec![stop]
    }

    fn agreed(state: ConsentState, at: Option<u64>, text: &str) -> Vec<ListedConsent> {
        let mut evidence = evidence(Source::Operator);
        evidence.text = text.into();
        let (at, circumstances) = (at.map(Timestamp), Circumstances::default());
        vec![ListedConsent { address: someone(), state, at, evidence, circumstances }]
    }

    #[tokio::test]
    async fn a_list_waits_for_the_dots_of_those_it_stops_and_of_nobody_else() {
        let home = tempfile::tempdir().expect("a folder");
        let (_, policy, stream) = rig(home.path()).await;
        let other = Address::parse("other@example.org").expect("an address");
        let others = policy.permit(&stream, &other).expect("store").expect("clear");
        let permit = policy.permit(&stream, &someone()).expect("store").expect("clear");
        let (theirs, account) = (policy.clone(), stream.account);
        let mut work =
            tokio::spawn(async move { theirs.suppress_all(account, listed(None)).await });
        while policy.judge(&stream, &someone()).expect("store") == Judgement::Clear {
            tokio::task::yield_now().await;
        }
        let early = tokio::time::timeout(std::time::Duration::from_millis(20), &mut work).await;
        assert!(early.is_err(), "the dot was not waited for");
        drop(permit);
        let done = work.await.expect("the list").expect("store");
        let (withdrawn, settled) = (Vec::new(), Settled::Fully);
        assert_eq!(done, Imported { taken: 1, already: 0, withdrawn, settled });
        drop(others);
    }

    #[tokio::test]
    async fn a_list_brought_twice_changes_nothing_and_the_persons_return_outlives_an_old_one() {
        let home = tempfile::tempdir().expect("a folder");
        let (_, policy, stream) = rig(home.path()).await;
        let account = stream.account;
        let bring = |at| {
            let policy = policy.clone();
            async move { policy.suppress_all(account, listed(at)).await.expect("store").taken }
        };
        assert_eq!(bring(Some(5000)).await, 1);
        assert_eq!(bring(Some(5000)).await, 0);
        let address = someone();
        let back = policy.grant(&stream, &address, Timestamp(9000), evidence(Source::Page));
        back.await.expect("store");
        assert_eq!(bring(Some(5000)).await, 0, "the list is older than the person's return");
        let judgement = policy.judge(&stream, &someone()).expect("store");
        assert_eq!(judgement, Judgement::Clear);
        // Brought without a date it says: now.
        assert_eq!(bring(None).await, 1);
        assert_eq!(bring(None).await, 0);
        let judgement = policy.judge(&stream, &someone()).expect("store");
        assert!(matches!(judgement, Judgement::Suppressed(_)));
        let history = policy.history(account, &Subject::Address(someone()), 10).expect("store");
        assert_eq!(history.len(), 3);
    }

    #[tokio::test]
    async fn consents_of_a_list_are_recorded_once_and_replace_no_persons_own_word() {
        let home = tempfile::tempdir().expect("a folder");
        let (_, policy, stream) = rig(home.path()).await;
        let granted = ConsentState::Granted;
        let bring = |rows| {
            let (policy, stream) = (policy.clone(), stream.clone());
            async move { policy.consent_all(&stream, rows).await.expect("store").taken }
        };
        assert_eq!(bring(agreed(granted, Some(5000), "form")).await, 1);
        assert_eq!(bring(agreed(granted, Some(5999), "form")).await, 0, "lists have whole seconds");
        assert_eq!(bring(agreed(granted, None, "form")).await, 0);
        assert_eq!(bring(agreed(granted, Some(7000), "form")).await, 1);
        assert_eq!(bring(agreed(ConsentState::Withdrawn, None, "phone")).await, 1);
        assert_eq!(bring(agreed(granted, None, "fair")).await, 0, "it was withdrawn");
        let view = policy.view(stream.account, &Subject::Address(someone())).expect("store");
        assert_eq!(view.consents[0].state, ConsentState::Withdrawn);
        let address = someone();
        let own = policy.grant(&stream, &address, Timestamp(9000), evidence(Source::Page));
        own.await.expect("store");
        assert_eq!(bring(agreed(granted, Some(1_000_000), "form")).await, 0);
        let view = policy.view(stream.account, &Subject::Address(someone())).expect("store");
        assert_eq!(view.consents[0].evidence.source, Source::Page);
    }

    #[tokio::test]
    async fn a_list_renews_what_a_person_gave_once_it_has_expired_and_not_before() {
        let home = tempfile::tempdir().expect("a folder");
        let (accounts, policy, stream) = rig(home.path()).await;
        let address = someone();
        let own = policy.grant(&stream, &address, Timestamp(5000), evidence(Source::Page));
        own.await.expect("store");
        let bring = |stream: Stream, at| {
            let (policy, rows) = (policy.clone(), agreed(ConsentState::Granted, at, "form"));
            async move { policy.consent_all(&stream, rows).await.expect("store").taken }
        };
        assert_eq!(bring(stream.clone(), Some(9000)).await, 0, "the person's own word holds");
        let term = |rules: &mut StreamRules| rules.consent_expires = Some(ConsentTerm::Days(1));
        let stream = accounts.set_rules(stream.account, "news", term).await.expect("stream");
        assert_eq!(bring(stream.clone(), None).await, 0, "an old list says no new time");
        assert_eq!(bring(stream.clone(), Some(4000)).await, 0);
        assert_eq!(bring(stream.clone(), Some(9000)).await, 1);
        assert_eq!(bring(stream, Some(9000)).await, 0);
    }

    #[tokio::test]
    async fn a_listing_of_few_among_many_goes_on_from_page_to_page() {
        let home = tempfile::tempdir().expect("a folder");
        let (_, policy, stream) = rig(home.path()).await;
        let mut rows = Vec::new();
        for number in 0..12_000 {
            let mut row = agreed(ConsentState::Granted, None, "form").remove(0);
            row.address = Address::new(&format!("a{number}"), "example.com").expect("an address");
            rows.push(row);
        }
        policy.consent_all(&stream, rows).await.expect("store");
        policy.suppress_all(stream.account, listed(None)).await.expect("store");
        let (mut after, mut pages, mut found) = (None, 0, 0);
        loop {
            let page = policy.suppressed(stream.account, after, 10).expect("store");
            (pages, found) = (pages + 1, found + page.found.len());
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(found, 1);
        assert!((2..=3).contains(&pages), "{pages} pages");
    }
}
