//! Forgetting a person: of the records stays the keyed hash with scope and reason, so that who was stopped
//! stays stopped; what they rested on goes, and so do the words of the audit chain about them.

use super::change::{never, stop};
use super::desk::{Policy, key};
use super::leap::HeldStop;
use super::record::{History, RecipientRecord, Subject, Suppression};
use crate::events::audit::{Act, Payload};
use crate::events::record::{Evidence, Reason, RecordEvent, Scope, Source};
use crate::mail::{AccountId, Address, RecipientHash, Timestamp};
use crate::store::{StoreFault, Table};
use serde::{Deserialize, Serialize};
use std::convert::Infallible;
use utoipa::ToSchema;

/// Events of records that are rewritten in one transaction; each page is an entry of the audit chain.
const TOGETHER: usize = 500;
/// Rows of other tables that are looked through at a time.
const LOOKED: usize = 1000;
/// Milliseconds of a day: of a moment that is kept, the day stays.
const DAY: u64 = 24 * 3600 * 1000;

/// What was destroyed in the records.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ErasedRecords {
    /// Stops that say no more than scope and reason now.
    pub stops: u64,
    /// Consents that are gone.
    pub consents: u64,
    /// Events of records that say no more than what changed.
    pub events: u64,
    /// Entries of the audit chain whose words are gone.
    pub entries: u64,
    /// Stops held for the operator, requests for consent that were counted, and answers kept for repeated
    /// requests.
    pub rows: u64,
}

impl ErasedRecords {
    /// The sum of two.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self {
            stops: self.stops + other.stops,
            consents: self.consents + other.consents,
            events: self.events + other.events,
            entries: self.entries + other.entries,
            rows: self.rows + other.rows,
        }
    }
}

/// Evidence that says nothing of anybody.
fn bare(source: Source) -> Evidence {
    Evidence { source, text: String::new(), ip: None, message: None }
}

fn day_of(at: Timestamp) -> Timestamp {
    Timestamp(at.0 / DAY * DAY)
}

/// A stop that says no more than scope, reason and day.
fn stripped(stop: Suppression) -> Suppression {
    let Suppression { scope, reason, evidence, at, sequence, site: _ } = stop;
    let (evidence, at) = (bare(evidence.source), day_of(at));
    Suppression { scope, reason, evidence, at, sequence, site: None }
}

/// Whether bytes as they lie in a row hold one of these texts, in any case of ASCII.
fn holds(bytes: &[u8], texts: &[String]) -> bool {
    texts.iter().any(|text| {
        let text = text.as_bytes();
        bytes.windows(text.len()).any(|window| window.eq_ignore_ascii_case(text))
    })
}

impl Policy {
    /// Whether an account has a record of a person.
    ///
    /// # Errors
    /// The store.
    pub fn knows(&self, account: AccountId, address: &Address) -> Result<bool, StoreFault> {
        let hash = self.accounts.hash(account, address)?;
        let kept = self.store.get::<RecipientRecord>(&key(account, hash))?;
        let told = self.store.scan::<History>(&key(account, hash), None, 1)?;
        Ok(kept.is_some() || !told.is_empty())
    }

    /// Destroys what an account's records (or the installation's) say of a person. The person is stopped for
    /// the account from then on, if they were not: who asks to be forgotten is not written to. It may be
    /// broken off anywhere and done again.
    ///
    /// # Errors
    /// The store.
    pub async fn erase(
        &self,
        account: AccountId,
        address: &Address,
    ) -> Result<ErasedRecords, StoreFault> {
        let hash = self.accounts.hash(account, address)?;
        let mut erased = self.erase_record(account, hash, address).await?;
        let mut after: Option<Vec<u8>> = None;
        loop {
            let place = key(account, hash);
            let page = self.store.scan::<History>(&place, after.as_deref(), TOGETHER)?;
            let Some((last, _)) = page.last() else { break };
            after = Some(last.clone());
            let told = page.into_iter().map(|(_, told)| told).collect();
            let (events, entries) = self.erase_history(account, told).await?;
            erased.events += events;
            erased.entries += entries;
        }
        erased.rows += self.erase_held(account, hash).await?;
        erased.rows += self.erase_requests(account, address).await?;
        Ok(erased)
    }

    async fn erase_record(
        &self,
        account: AccountId,
        hash: RecipientHash,
        address: &Address,
    ) -> Result<ErasedRecords, StoreFault> {
        let (author, now) = (self.author.clone(), self.world.clock.now());
        let address = address.clone();
        let done = self.store.transact(move |t| {
            let place = key(account, hash);
            let is_global = account == AccountId::INSTALLATION;
            let mut kept = match t.get::<RecipientRecord>(&place)? {
                Some(kept) => kept,
                // Globally nobody is stopped who was not: another account may be theirs tomorrow.
                None if is_global => return Ok(Ok::<_, Infallible>(ErasedRecords::default())),
                None => RecipientRecord::default(),
            };
            let binds = |s: &Suppression| {
                s.scope == Scope::Account
                    && matches!(s.reason, Reason::Manual | Reason::Complaint | Reason::HardBounce)
            };
            if !is_global && !kept.suppressions.iter().any(binds) {
                let (scope, reason) = (Scope::Account, Reason::Manual);
                let evidence = bare(Source::Operator);
                let made =
                    Suppression { scope, reason, evidence, at: now, sequence: 0, site: None };
                kept.name(Subject::Address(address));
                stop((&mut *t, &author), (account, hash), kept, made)?;
                kept = t.get::<RecipientRecord>(&place)?.unwrap_or_default();
            }
            let erased = ErasedRecords {
                stops: kept.suppressions.len() as u64,
                consents: kept.consents.len() as u64,
                ..ErasedRecords::default()
            };
            let suppressions = kept.suppressions.into_iter().map(stripped).collect();
            let bare = RecipientRecord { suppressions, ..RecipientRecord::default() };
            t.put(&place, &bare);
            Ok(Ok(erased))
        });
        Ok(never(done.await?))
    }

    /// Rewrites events without what they rest on, and destroys the words of the entries about them.
    async fn erase_history(
        &self,
        account: AccountId,
        told: Vec<History>,
    ) -> Result<(u64, u64), StoreFault> {
        let author = self.author.clone();
        let done = self.store.transact(move |t| {
            let (mut events, mut entries) = (0, Vec::new());
            for History { event, entry } in told {
                let place = event.to_be_bytes();
                if let Some(kept) = t.get::<RecordEvent>(&place)? {
                    let bare = RecordEvent {
                        evidence: bare(kept.evidence.source),
                        at: day_of(kept.at),
                        grounds: None,
                        circumstances: None,
                        ..kept.clone()
                    };
                    if bare != kept {
                        t.put(&place, &bare);
                        events += 1;
                    }
                }
                let Some(entry) = entry else { continue };
                let words = t.get::<Payload>(&entry.to_be_bytes())?;
                entries.extend(matches!(words, Some(Payload::Whole { .. })).then_some(entry));
            }
            if !entries.is_empty() {
                let act = Act::new(account, "recipient.erased").with("entries", entries.clone());
                let by = author.write(t, act)?;
                for entry in &entries {
                    t.put(&entry.to_be_bytes(), &Payload::Erased(by));
                }
            }
            Ok(Ok::<_, Infallible>((events, entries.len() as u64)))
        });
        Ok(never(done.await?))
    }

    /// Removes the stops that are held for the operator.
    async fn erase_held(&self, account: AccountId, hash: RecipientHash) -> Result<u64, StoreFault> {
        let (mut found, mut after) = (Vec::new(), None::<Vec<u8>>);
        loop {
            let page = self.store.scan::<HeldStop>(&[], after.as_deref(), LOOKED)?;
            let Some((last, _)) = page.last() else { break };
            after = Some(last.clone());
            let own = page.into_iter().filter(|(_, held)| held.whose() == (account, hash));
            found.extend(own.map(|(place, _)| place));
        }
        if found.is_empty() {
            return Ok(0);
        }
        let count = found.len() as u64;
        let done = self.store.transact(move |t| {
            found.iter().for_each(|place| t.remove::<HeldStop>(place));
            Ok(Ok::<_, Infallible>(count))
        });
        Ok(never(done.await?))
    }

    /// Removes answers that are kept for repeated requests and name an address, whoever asked: for an erasure
    /// in every account. One account's must not take another's away, whose repeated request would be done
    /// twice; they go by themselves after `api.idempotency_age_max`.
    ///
    /// # Errors
    /// The store.
    pub async fn erase_answers(&self, address: &Address) -> Result<u64, StoreFault> {
        let mut texts = vec![address.to_string(), address.normal()];
        texts.dedup();
        let mut count = 0;
        let (table, mut after) = (Table::IdempotencyKey, None::<Vec<u8>>);
        loop {
            let sought = |value: &[u8]| holds(value, &texts);
            let (found, next) = self.store.holding(table, after.as_deref(), LOOKED, sought)?;
            if !found.is_empty() {
                count += found.len() as u64;
                let done = self.store.transact(move |t| {
                    found.iter().for_each(|place| t.discard(table, place));
                    Ok(Ok::<_, Infallible>(()))
                });
                never(done.await?);
            }
            let Some(next) = next else { break };
            after = Some(next);
        }
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{evidence, rig, someone};
    use super::super::{ConsentState, Judgement};
    use super::*;
    use crate::events::audit::{Audit, Place, Words};

    /// Whether the chain is whole, and how many entries are erased.
    fn checked(audit: &Audit) -> u64 {
        let (mut erased, mut place) = (0, None::<Place>);
        loop {
            let page = audit.check(place).expect("store");
            assert_eq!(page.findings, []);
            erased += page.erased;
            place = page.next;
            if place.is_none() {
                return erased;
            }
        }
    }

    #[tokio::test]
    async fn who_is_forgotten_stays_stopped_by_the_hash_and_nothing_else_is_left() {
        let home = tempfile::tempdir().expect("a folder");
        let (accounts, policy, stream) = rig(home.path()).await;
        let account = stream.account;
        let him = || Subject::Address(someone());
        let said = || Evidence { ip: Some("192.0.2.7".into()), ..evidence(Source::OneClick) };
        policy.grant(&stream, &someone(), Timestamp(9), said()).await.expect("store");
        for scope in [Scope::Stream(stream.id), Scope::Account] {
            let done = policy.suppress(account, him(), scope, Reason::OptOut, said());
            done.await.expect("store");
        }
        let other = Address::parse("ann@example.com").expect("an address");
        policy.grant(&stream, &other, Timestamp(9), said()).await.expect("store");
        let erased = policy.erase(account, &someone()).await.expect("store");
        // Two stops of the person's, and one that binds transactional mail too.
        assert_eq!((erased.stops, erased.consents), (3, 1));
        assert_eq!((erased.events, erased.entries), (4, 4));
        let view = policy.view(account, &him()).expect("store");
        assert_eq!((view.address, view.consents.len()), (None, 0));
        for stop in &view.suppressions {
            assert_eq!((stop.evidence.text.as_str(), stop.evidence.ip.as_deref()), ("", None));
            assert_eq!(stop.at.0 % DAY, 0);
        }
        assert!(matches!(policy.judge(&stream, &someone()), Ok(Judgement::Suppressed(_))));
        for event in policy.history(account, &him(), 99).expect("store") {
            assert_eq!((event.evidence.text.as_str(), event.evidence.ip), ("", None));
        }
        let audit = Audit::new(policy.store.clone());
        assert_eq!(checked(&audit), 4);
        for (_, entry) in policy.entries(account, &him(), 99).expect("store") {
            let entry = audit.entry(entry).expect("store").expect("its link stays");
            assert!(matches!(entry.words, Words::Erased(_)), "{entry:?}");
        }
        // Others keep theirs.
        let view = policy.view(account, &Subject::Address(other)).expect("store");
        assert_eq!(view.consents[0].state, ConsentState::Granted);
        // Once more there is nothing to do, and nothing is written.
        let head = audit.head().expect("store");
        let again = policy.erase(account, &someone()).await.expect("store");
        assert_eq!((again.events, again.entries), (0, 0));
        assert_eq!(audit.head().expect("store"), head);
        // A new account knows nothing of it, and globally nobody is stopped by it.
        let global = policy.erase(AccountId::INSTALLATION, &someone()).await.expect("store");
        assert_eq!(global, ErasedRecords::default());
        assert!(accounts.account("acme").is_ok());
    }

    #[tokio::test]
    async fn who_was_not_stopped_is_stopped_by_being_forgotten() {
        let home = tempfile::tempdir().expect("a folder");
        let (_, policy, stream) = rig(home.path()).await;
        assert_eq!(policy.judge(&stream, &someone()).expect("store"), Judgement::Clear);
        policy.erase(stream.account, &someone()).await.expect("store");
        let Ok(Judgement::Suppressed(stop)) = policy.judge(&stream, &someone()) else {
            unreachable!("not stopped");
        };
        assert_eq!((stop.scope, stop.reason), (Scope::Account, Reason::Manual));
        assert!(!policy.knows(AccountId::INSTALLATION, &someone()).expect("store"));
        assert!(policy.knows(stream.account, &someone()).expect("store"));
    }

    #[test]
    fn an_address_is_found_in_bytes_in_any_case() {
        let texts = ["Ann@reader.example".to_owned()];
        assert!(holds(b"\x05{\"to\":\"ann@Reader.example\"}", &texts));
        assert!(!holds(b"ann@reader.exampl", &texts));
    }
}
