//! What mail that came in may change besides stopping: a person who is proved comes back, a question
//! that was asked is noted, a stop can be undone. And whom our own words may reach.

use super::change::{never, record_on};
use super::desk::{Policy, key};
use super::record::{Consent, ConsentState, RecipientRecord, Subject, Suppression, Token};
use crate::accounts::Stream;
use crate::events::record::{Change, Evidence, Grounds, Reason, Scope};
use crate::mail::{AccountId, Address, RecipientHash, Timestamp};
use crate::store::StoreFault;
use std::convert::Infallible;
use std::time::Duration;

/// How long a stop can be undone after it was made.
pub const UNDO_AGE_MAX: Duration = Duration::from_secs(24 * 3600);

/// What a proved wish to come back came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Return {
    /// Recorded, under the number of its event.
    Recorded(u64),
    /// It stood so already.
    Stood,
    /// Something happened to the person's records after the wish was written: it may be an old one
    /// that somebody sends again.
    Outdated,
}

impl Policy {
    /// A person comes back to a stream, by a wish written at `written` that is proved: the person's
    /// own opt-out of that stream is lifted, and a consent recorded, which outranks the person's
    /// wider opt-out and complaint for that stream alone. No other stop is touched.
    ///
    /// # Errors
    /// The store.
    pub async fn resubscribe(
        &self,
        stream: &Stream,
        address: &Address,
        written: Timestamp,
        (evidence, grounds): (Evidence, Grounds),
    ) -> Result<Return, StoreFault> {
        let (owner, whole) = (stream.account, stream.clone());
        let stream = stream.id;
        let hash = self.accounts.hash(owner, address)?;
        let (address, now) = (address.clone(), self.world.clock.now());
        let author = self.author_of(evidence.source);
        let done = self.store.transact(move |t| {
            let place = key(owner, hash);
            let mut kept = t.get::<RecipientRecord>(&place)?.unwrap_or_default();
            // A Date field counts seconds.
            let is_later = |at: Timestamp| at.seconds() > written.seconds();
            let own = |reason| matches!(reason, Reason::OptOut | Reason::Complaint);
            let stops = kept.suppressions.iter().filter(|stop| own(stop.reason));
            let stops: Vec<_> = stops.collect();
            let consent = kept.consents.iter().rfind(|consent| consent.stream == stream);
            if stops.iter().any(|stop| is_later(stop.at))
                || consent.is_some_and(|c| is_later(c.at) && c.state == ConsentState::Withdrawn)
            {
                return Ok(Ok(Return::Outdated));
            }
            let stands = consent.is_some_and(|consent| {
                consent.state_at(&whole, now) == ConsentState::Granted
                    && stops.iter().all(|stop| {
                        consent.evidence.source.is_own_act() && consent.sequence > stop.sequence
                    })
            });
            if stands {
                return Ok(Ok(Return::Stood));
            }
            let scope = Scope::Stream(stream);
            let is_own = |s: &Suppression| s.scope == scope && s.reason == Reason::OptOut;
            if kept.take(is_own).is_some() {
                let change = Change::Lifted { scope, reason: Reason::OptOut };
                let event = (change, evidence.clone(), now);
                record_on((&mut *t, &author), (owner, hash), event, Some(grounds.clone()))?;
            }
            let event = (Change::Granted { stream }, evidence.clone(), now);
            let sequence = record_on((&mut *t, &author), (owner, hash), event, Some(grounds))?;
            let (state, at) = (ConsentState::Granted, now);
            kept.consents.retain(|consent| consent.stream != stream);
            let circumstances = None;
            kept.consents.push(Consent { stream, state, evidence, at, sequence, circumstances });
            kept.address.get_or_insert(address);
            t.put(&place, &kept);
            Ok(Ok::<_, Infallible>(Return::Recorded(sequence)))
        });
        Ok(never(done.await?))
    }

    /// Notes that a person was asked by mail whether words in their name were theirs. It changes
    /// nothing else.
    ///
    /// # Errors
    /// The store.
    pub async fn asked(
        &self,
        stream: &Stream,
        hash: RecipientHash,
        (evidence, grounds): (Evidence, Grounds),
    ) -> Result<(), StoreFault> {
        let (owner, stream) = (stream.account, stream.id);
        let (now, author) = (self.world.clock.now(), self.author.clone());
        let done = self.store.transact(move |t| {
            let event = (Change::Asked { stream }, evidence, now);
            record_on((t, &author), (owner, hash), event, Some(grounds))?;
            Ok(Ok::<_, Infallible>(()))
        });
        never(done.await?);
        Ok(())
    }

    /// The token that undoes a person's stop, while it can be undone. A stop that stood already keeps
    /// its age: asking again opens no new way back.
    ///
    /// # Errors
    /// The store.
    pub fn undo_token(
        &self,
        account: AccountId,
        subject: &Subject,
        event: u64,
    ) -> Result<Option<String>, StoreFault> {
        let stops = self.view(account, subject)?.suppressions;
        let made = stops.iter().find(|stop| stop.sequence == event).map(|stop| stop.at);
        let until = made.map(|at| at.after(UNDO_AGE_MAX));
        let until = until.filter(|until| *until > self.world.clock.now());
        until.map(|until| self.seal(&Token::Undo { event, until })).transpose()
    }

    /// The stop that keeps our own words about a person's own act from an address: a global one, a
    /// complaint, a dead address or a stop by hand, of the address or its domain. A person's opt-out
    /// is none: the words are about it.
    ///
    /// # Errors
    /// The store.
    pub fn against_answer(
        &self,
        account: AccountId,
        address: &Address,
    ) -> Result<Option<Suppression>, StoreFault> {
        let view = self.view(account, &Subject::Address(address.clone()))?;
        let mut stops = view.suppressions.into_iter();
        Ok(stops.find(|stop| stop.scope == Scope::Global || stop.reason != Reason::OptOut))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accounts::{Accounts, StreamDraft, StreamKind};
    use crate::config;
    use crate::events::record::{RecordEvent, Rule, Source, Trust};
    use crate::policy::Judgement;
    use crate::store::{Record, Store};
    use crate::world::{Clock, World};

    struct Rig {
        _home: tempfile::TempDir,
        policy: Policy,
        stream: Stream,
        ann: Address,
    }

    /// A clock that is a day ahead.
    struct Tomorrow;

    impl Clock for Tomorrow {
        fn now(&self) -> Timestamp {
            World::real().clock.now().after(UNDO_AGE_MAX)
        }
        fn steady(&self) -> Duration {
            Duration::ZERO
        }
    }

    async fn rig() -> Rig {
        let home = tempfile::tempdir().expect("a folder");
        let world = World::real();
        let store = Store::open(home.path(), &config::Store::default(), &world);
        let accounts = Accounts::new(store.clone(), world.clone());
        let policy = Policy::new(accounts.clone(), store, world, config::Queue::default());
        let account = accounts.add_account("acme").await.expect("account");
        let draft = StreamDraft::named("news", StreamKind::Marketing);
        let stream = accounts.add_stream(account.id, draft).await.expect("stream");
        let ann = Address::parse("ann@reader.example").expect("an address");
        Rig { _home: home, policy, stream, ann }
    }

    fn evidence(source: Source) -> Evidence {
        Evidence { source, text: "START".into(), ip: None, message: None }
    }

    fn grounds() -> Grounds {
        Grounds {
            rule: Rule::Resubscribe,
            trust: Trust::TokenAndDmarc,
            wish: Some("resubscribe".into()),
            message_id: None,
            authentication: Some("dmarc=pass".into()),
        }
    }

    impl Rig {
        async fn stop(&self, scope: Scope, reason: Reason, source: Source) -> u64 {
            let subject = Subject::Address(self.ann.clone());
            let evidence = evidence(source);
            let done = self.policy.suppress(self.stream.account, subject, scope, reason, evidence);
            done.await.expect("store").0
        }

        async fn back(&self, written: Timestamp) -> Return {
            let what = (evidence(Source::Reply), grounds());
            self.policy.resubscribe(&self.stream, &self.ann, written, what).await.expect("store")
        }

        fn judge(&self) -> Judgement {
            self.policy.judge(&self.stream, &self.ann).expect("store")
        }
    }

    #[tokio::test]
    async fn a_person_comes_back_past_their_own_stops_alone() {
        let rig = rig().await;
        let now = || rig.policy.world.clock.now();
        let own = Scope::Stream(rig.stream.id);
        rig.stop(own, Reason::OptOut, Source::Reply).await;
        rig.stop(Scope::Account, Reason::OptOut, Source::OneClick).await;
        assert!(matches!(rig.back(now()).await, Return::Recorded(_)));
        assert_eq!(rig.judge(), Judgement::Clear);
        let again = rig.back(now()).await;
        assert_eq!(again, Return::Stood, "what stands is not recorded twice");
        for (scope, reason) in [
            (Scope::Account, Reason::Manual),
            (Scope::Account, Reason::HardBounce),
            (Scope::Global, Reason::OptOut),
        ] {
            rig.stop(scope, reason, Source::Operator).await;
            rig.back(now()).await;
            let Judgement::Suppressed(stop) = rig.judge() else {
                unreachable!("{scope:?} {reason:?} was lifted");
            };
            assert_eq!((stop.scope, stop.reason), (scope, reason));
            let subject = Subject::Address(rig.ann.clone());
            let source = evidence(Source::Operator);
            let lifted = rig.policy.lift(rig.stream.account, subject, scope, reason, source);
            assert!(lifted.await.expect("store"));
        }
    }

    #[tokio::test]
    async fn what_was_written_before_the_last_stop_opens_nothing() {
        let rig = rig().await;
        let before = Timestamp(rig.policy.world.clock.now().0 - 60_000);
        rig.stop(Scope::Stream(rig.stream.id), Reason::OptOut, Source::Reply).await;
        assert_eq!(rig.back(before).await, Return::Outdated);
        assert!(matches!(rig.judge(), Judgement::Suppressed(_)));
    }

    #[tokio::test]
    async fn what_was_written_before_a_complaint_or_a_withdrawal_opens_nothing() {
        let complained = rig().await;
        let now = complained.policy.world.clock.now();
        let before = Timestamp(now.0 - 60_000);
        complained.stop(Scope::Account, Reason::Complaint, Source::Complaint).await;
        assert_eq!(complained.back(before).await, Return::Outdated);
        let withdrew = rig().await;
        let source = evidence(Source::Page);
        let done = withdrew.policy.withdraw(&withdrew.stream, &withdrew.ann, now, source).await;
        done.expect("store");
        assert_eq!(withdrew.back(before).await, Return::Outdated);
    }

    #[tokio::test]
    async fn only_what_a_person_did_after_a_stop_stands_over_it() {
        for (source, is_before) in [(Source::Operator, false), (Source::Page, true)] {
            let rig = rig().await;
            let now = rig.policy.world.clock.now();
            let grant = || rig.policy.grant(&rig.stream, &rig.ann, now, evidence(source));
            if is_before {
                grant().await.expect("store");
            }
            rig.stop(Scope::Account, Reason::OptOut, Source::Reply).await;
            if !is_before {
                grant().await.expect("store");
            }
            let back = rig.back(rig.policy.world.clock.now()).await;
            assert!(matches!(back, Return::Recorded(_)), "{source:?}: {back:?}");
            assert_eq!(rig.judge(), Judgement::Clear);
        }
    }

    #[tokio::test]
    async fn who_withdrew_comes_back_and_is_known_by_address() {
        let rig = rig().await;
        let now = || rig.policy.world.clock.now();
        let (before, source) = (Timestamp(now().0 - 60_000), evidence(Source::Page));
        let hash = rig.policy.accounts.hash(rig.stream.account, &rig.ann).expect("hash");
        let done = rig.policy.suppress(
            rig.stream.account,
            Subject::Hash(hash),
            Scope::Account,
            Reason::OptOut,
            source.clone(),
        );
        done.await.expect("store");
        let known = || {
            let view = rig.policy.view(rig.stream.account, &Subject::Hash(hash));
            view.expect("store").address
        };
        assert_eq!(known(), None);
        assert!(matches!(rig.back(now()).await, Return::Recorded(_)));
        assert_eq!(known().as_ref(), Some(&rig.ann), "the wish names it");
        let done = rig.policy.withdraw(&rig.stream, &rig.ann, before, source).await;
        done.expect("store");
        assert!(
            matches!(rig.back(now()).await, Return::Recorded(_)),
            "a withdrawal stands for nothing"
        );
    }

    #[tokio::test]
    async fn a_token_undoes_the_stop_that_it_was_made_for_and_no_other() {
        let rig = rig().await;
        let subject = Subject::Address(rig.ann.clone());
        let event = rig.stop(Scope::Account, Reason::OptOut, Source::Reply).await;
        let undo = |event| rig.policy.undo_token(rig.stream.account, &subject, event);
        assert!(undo(event).expect("store").is_some());
        assert_eq!(undo(event + 1).expect("store"), None);
        let world = World { clock: std::sync::Arc::new(Tomorrow), ..World::real() };
        let later = Policy { world, ..rig.policy.clone() };
        let late = later.undo_token(rig.stream.account, &subject, event);
        assert_eq!(late.expect("store"), None, "a day is over");
    }

    #[tokio::test]
    async fn a_person_lifts_no_stop_of_the_operator_for_the_same_stream() {
        let rig = rig().await;
        let own = Scope::Stream(rig.stream.id);
        rig.stop(own, Reason::Manual, Source::Operator).await;
        rig.stop(own, Reason::OptOut, Source::Reply).await;
        let back = rig.back(rig.policy.world.clock.now()).await;
        assert!(matches!(back, Return::Recorded(_)));
        let Judgement::Suppressed(stop) = rig.judge() else { unreachable!("it was lifted") };
        assert_eq!(stop.reason, Reason::Manual);
    }

    #[tokio::test]
    async fn only_a_persons_own_opt_out_lets_our_words_through() {
        let rig = rig().await;
        let against = || rig.policy.against_answer(rig.stream.account, &rig.ann).expect("store");
        rig.stop(Scope::Account, Reason::OptOut, Source::Reply).await;
        assert_eq!(against(), None);
        for reason in [Reason::Complaint, Reason::HardBounce, Reason::Manual] {
            rig.stop(Scope::Account, reason, Source::Operator).await;
            assert!(against().is_some(), "{reason}");
            let subject = Subject::Address(rig.ann.clone());
            let (scope, source) = (Scope::Account, evidence(Source::Operator));
            let lifted = rig.policy.lift(rig.stream.account, subject, scope, reason, source);
            assert!(lifted.await.expect("store"));
        }
        assert_eq!(against(), None);
        rig.stop(Scope::Global, Reason::OptOut, Source::Operator).await;
        assert!(against().is_some());
    }

    #[tokio::test]
    async fn an_event_keeps_its_grounds_and_one_from_before_has_none() {
        let rig = rig().await;
        let hash = rig.policy.accounts.hash(rig.stream.account, &rig.ann).expect("hash");
        let what = (evidence(Source::Reply), grounds());
        rig.policy.asked(&rig.stream, hash, what).await.expect("store");
        let subject = Subject::Address(rig.ann.clone());
        let events = rig.policy.history(rig.stream.account, &subject, 9).expect("store");
        let [event] = &events[..] else { unreachable!("{events:?}") };
        assert_eq!(event.grounds.as_deref(), Some(&grounds()));
        assert_eq!(event.change, Change::Asked { stream: rig.stream.id });
        let old = RecordEvent { grounds: None, circumstances: None, ..event.clone() };
        let bytes = postcard::to_stdvec(&old).expect("plain data");
        assert_eq!(RecordEvent::decode_old(1, &bytes[..bytes.len() - 2]), Some(old.clone()));
        assert_eq!(RecordEvent::decode_old(2, &bytes[..bytes.len() - 1]), Some(old));
        assert_eq!(RecordEvent::decode_old(7, &bytes), None);
    }
}
