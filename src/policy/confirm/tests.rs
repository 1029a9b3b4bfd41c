//! Confirmations: asked for, given once, outdated by a no.

use super::super::tests::evidence;
use super::*;
use crate::accounts::{Accounts, StreamDraft, StreamKind};
use crate::store::Store;
use crate::world::{Turned, World};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

struct Rig {
    home: tempfile::TempDir,
    clock: Arc<Turned>,
    accounts: Accounts,
    policy: Policy,
    ann: Address,
}

/// A day and a half after the epoch: yesterday is another day.
const START: u64 = 36 * 3_600_000;

impl Rig {
    async fn new() -> Self {
        let home = tempfile::tempdir().expect("a folder");
        let clock = Arc::new(Turned(AtomicU64::new(START)));
        let (accounts, policy) = Self::over(&home, &clock);
        let ann = Address::parse("ann@reader.example").expect("an address");
        Self { home, clock, accounts, policy, ann }
    }

    fn over(home: &tempfile::TempDir, clock: &Arc<Turned>) -> (Accounts, Policy) {
        let world = World { clock: clock.clone(), ..World::real() };
        let store = Store::open(home.path(), &config::Store::default(), &world);
        let accounts = Accounts::new(store.clone(), world.clone());
        let policy = Policy::new(accounts.clone(), store, world, config::Queue::default());
        (accounts, policy)
    }

    async fn stream(&self, account: &str, name: &str) -> Stream {
        let account = match self.accounts.account(account) {
            Ok(account) => account.id,
            Err(_) => self.accounts.add_account(account).await.expect("account").id,
        };
        let draft = StreamDraft::named(name, StreamKind::Marketing);
        self.accounts.add_stream(account, draft).await.expect("stream")
    }

    async fn ask(&self, stream: &Stream, asker: Asker) -> Requested {
        let asked = (asker, evidence(Source::Api), Circumstances::default());
        let limits = config::Consents::default();
        self.policy.request_consent(stream, &self.ann, asked, &limits).await.expect("store")
    }

    async fn event(&self, stream: &Stream, asker: Asker) -> u64 {
        match self.ask(stream, asker).await {
            Requested::Asked { event, .. } => event,
            other => unreachable!("{other:?}"),
        }
    }

    async fn press(&self, event: u64) -> Option<Confirmed> {
        let from = (Some("192.0.2.7".to_owned()), Some("Mozilla".to_owned()));
        let shown = ("Yes".to_owned(), "1".to_owned());
        self.policy.confirm_consent(event, from, shown).await.expect("store")
    }

    async fn stop(&self, stream: &Stream, scope: Scope, reason: Reason) {
        let (subject, source) = (Subject::Address(self.ann.clone()), evidence(Source::Reply));
        let stop = self.policy.suppress(stream.account, subject, scope, reason, source);
        stop.await.expect("store");
    }

    fn judge(&self, stream: &Stream) -> Judgement {
        self.policy.judge(stream, &self.ann).expect("store")
    }

    fn turn(&self, hours: u64) {
        self.clock.0.fetch_add(hours * 3_600_000, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn what_was_asked_for_holds_once_the_button_was_pressed_and_not_before() {
    let rig = Rig::new().await;
    let news = rig.stream("acme", "news").await;
    let event = rig.event(&news, Asker::Sender).await;
    let Judgement::Unconsented(Some(pending)) = rig.judge(&news) else { unreachable!("clear") };
    assert_eq!(pending.state, ConsentState::Pending);
    assert_eq!(rig.press(event + 1).await, None, "no such request");
    rig.turn(1);
    assert_eq!(rig.press(event).await, Some(Confirmed::Now));
    assert_eq!(rig.judge(&news), Judgement::Clear);
    let view = rig.policy.view(news.account, &Subject::Address(rig.ann.clone()));
    let consent = view.expect("store").consents.remove(0);
    assert_eq!(consent.evidence.source, Source::Confirmation);
    assert_eq!(consent.evidence.ip.as_deref(), Some("192.0.2.7"));
    let shown = consent.circumstances.expect("what was shown");
    assert_eq!(shown.asked, Some(Timestamp(START)));
    assert_eq!(
        (shown.wording.as_deref(), shown.user_agent.as_deref()),
        (Some("Yes"), Some("Mozilla"))
    );
    // Used once, and the same answer whenever it is pressed again.
    let at = Timestamp(START + 3_600_000);
    assert_eq!(rig.press(event).await, Some(Confirmed::Already(at)));
    assert_eq!(rig.ask(&news, Asker::Sender).await, Requested::Holds(at));
    let withdrawn = rig.policy.withdraw(&news, &rig.ann, at, evidence(Source::Page));
    withdrawn.await.expect("store");
    assert_eq!(rig.press(event).await, Some(Confirmed::Gone), "the person has taken it back");
    assert_eq!(rig.ask(&news, Asker::Sender).await, Requested::Withdrawn(at));
}

#[tokio::test]
async fn an_address_is_asked_once_by_an_account_and_thrice_in_all_in_a_day_through_a_restart() {
    let rig = Rig::new().await;
    let news = rig.stream("a1", "news").await;
    let other = rig.stream("a1", "offers").await;
    let event = rig.event(&news, Asker::Sender).await;
    let again = Requested::Asked { event, at: Timestamp(START), is_new: false };
    assert_eq!(rig.ask(&news, Asker::Sender).await, again);
    assert_eq!(rig.ask(&other, Asker::Sender).await, Requested::TooMany(Full::Address));
    for account in ["a2", "a3"] {
        let stream = rig.stream(account, "news").await;
        rig.event(&stream, Asker::Sender).await;
    }
    let Rig { home, clock, accounts, policy, ann } = rig;
    policy.store.close().await;
    drop((accounts, policy));
    let (accounts, policy) = Rig::over(&home, &clock);
    let rig = Rig { home, clock, accounts, policy, ann };
    let fourth = rig.stream("a4", "news").await;
    assert_eq!(rig.ask(&fourth, Asker::Sender).await, Requested::TooMany(Full::AddressInAll));
    // Past midnight it is another day of the calendar and the same day's length.
    rig.turn(23);
    assert_eq!(rig.ask(&fourth, Asker::Sender).await, Requested::TooMany(Full::AddressInAll));
    rig.turn(1);
    rig.event(&fourth, Asker::Sender).await;
    rig.event(&other, Asker::Sender).await;
    // Counts that are over go.
    rig.turn(24 * 5);
    rig.event(&news, Asker::Sender).await;
    let left = rig.policy.store.scan::<Requests>(&[], None, 99).expect("store");
    assert_eq!(left.len(), 2, "the address's and the account's of today");
}

#[tokio::test]
async fn an_account_asks_so_many_people_in_a_day() {
    let rig = Rig::new().await;
    let news = rig.stream("acme", "news").await;
    let limits =
        config::Consents { confirmations_per_account_max: 2, ..config::Consents::default() };
    let mut said = Vec::new();
    for number in 0..3 {
        let address = Address::new(&format!("p{number}"), "reader.example").expect("one");
        let asked = (Asker::Sender, evidence(Source::Api), Circumstances::default());
        let asked = rig.policy.request_consent(&news, &address, asked, &limits).await;
        said.push(matches!(asked.expect("store"), Requested::Asked { .. }));
    }
    assert_eq!(said, [true, true, false]);
}

#[tokio::test]
async fn who_has_said_no_is_asked_only_where_it_is_the_person_who_asks() {
    let rig = Rig::new().await;
    let news = rig.stream("acme", "news").await;
    let opt_out = Reason::OptOut;
    for scope in [Scope::Stream(news.id), Scope::Account] {
        rig.stop(&news, scope, opt_out).await;
        let said = rig.ask(&news, Asker::Sender).await;
        assert!(matches!(said, Requested::Stopped(_)), "{said:?}");
    }
    let event = rig.event(&news, Asker::Person).await;
    assert!(matches!(rig.judge(&news), Judgement::Suppressed(_)), "asking lifts nothing");
    assert_eq!(rig.press(event).await, Some(Confirmed::Now));
    assert_eq!(rig.judge(&news), Judgement::Clear);
    // Another stream of the account stays stopped.
    let offers = rig.stream("acme", "offers").await;
    assert!(matches!(rig.judge(&offers), Judgement::Suppressed(_)));
    // A no after the request outdates its mail, and a complaint is nobody's to take back.
    rig.turn(25);
    rig.stop(&news, Scope::Stream(news.id), opt_out).await;
    assert_eq!(rig.press(event).await, Some(Confirmed::Gone));
    for reason in [Reason::Complaint, Reason::HardBounce, Reason::Manual] {
        rig.stop(&offers, Scope::Account, reason).await;
        let said = rig.ask(&news, Asker::Person).await;
        assert!(matches!(said, Requested::Stopped(_)), "{reason}: {said:?}");
        let subject = Subject::Address(rig.ann.clone());
        let operator = evidence(Source::Operator);
        let lifted = rig.policy.lift(news.account, subject, Scope::Account, reason, operator);
        assert!(lifted.await.expect("store"));
    }
    rig.event(&news, Asker::Person).await;
}

#[tokio::test]
async fn a_withdrawal_stands_while_the_person_is_asked() {
    let rig = Rig::new().await;
    let news = rig.stream("acme", "news").await;
    let withdrawn = rig.policy.withdraw(&news, &rig.ann, Timestamp(5), evidence(Source::Page));
    withdrawn.await.expect("store");
    let event = rig.event(&news, Asker::Person).await;
    let Judgement::Unconsented(Some(kept)) = rig.judge(&news) else { unreachable!("clear") };
    assert_eq!(kept.state, ConsentState::Withdrawn);
    let found = rig.policy.confirmation(event).expect("store").expect("a request");
    assert_eq!((found.state, found.stream), (Confirmed::Now, news.id));
    assert_eq!(rig.press(event).await, Some(Confirmed::Now));
    assert_eq!(rig.judge(&news), Judgement::Clear);
}

#[test]
fn each_request_has_one_mail() {
    assert_eq!(question_id(7), question_id(7));
    assert_ne!(question_id(7), question_id(8));
}

#[tokio::test]
async fn a_question_that_waits_is_not_mailed_once_it_is_answered() {
    let rig = Rig::new().await;
    let news = rig.stream("acme", "news").await;
    let against = |event| {
        let found = rig.policy.against_mail(news.account, &rig.ann, question_id(event));
        found.expect("store")
    };
    let event = rig.event(&news, Asker::Sender).await;
    assert_eq!(against(event), None);
    rig.stop(&news, Scope::Account, Reason::OptOut).await;
    assert!(matches!(against(event), Some(Judgement::Suppressed(_))));
    assert_eq!(against(event + 100), None, "other mail of ours goes on");
    rig.turn(25);
    let next = rig.event(&news, Asker::Person).await;
    assert_eq!(against(next), None);
    assert_eq!(rig.press(next).await, Some(Confirmed::Now));
    assert!(matches!(against(next), Some(Judgement::Unconsented(_))));
}

#[tokio::test]
async fn who_says_no_once_more_after_being_asked_outdates_the_request() {
    let rig = Rig::new().await;
    let news = rig.stream("acme", "news").await;
    let stopped = Scope::Stream(news.id);
    // Asked with no consent on record, and with one that was taken back.
    for withdrawn in [false, true] {
        if withdrawn {
            let proof = evidence(Source::Page);
            let done = rig.policy.withdraw(&news, &rig.ann, Timestamp(5), proof).await;
            done.expect("store");
        }
        rig.stop(&news, stopped, Reason::OptOut).await;
        rig.turn(25);
        let event = rig.event(&news, Asker::Person).await;
        rig.stop(&news, stopped, Reason::OptOut).await;
        assert_eq!(rig.press(event).await, Some(Confirmed::Gone), "{withdrawn}");
        assert!(matches!(rig.judge(&news), Judgement::Suppressed(_)));
    }
}

#[tokio::test]
async fn a_consent_stands_while_the_person_is_asked_again() {
    let rig = Rig::new().await;
    let news = rig.stream("acme", "news").await;
    let stopped = Scope::Stream(news.id);
    let granted = rig.policy.grant(&news, &rig.ann, Timestamp(START), evidence(Source::Api));
    granted.await.expect("store");
    rig.stop(&news, stopped, Reason::OptOut).await;
    let event = rig.event(&news, Asker::Person).await;
    let subject = Subject::Address(rig.ann.clone());
    let state = rig.policy.consent_state(&news, &subject).expect("store");
    assert_eq!(state, Some((ConsentState::Granted, Timestamp(START))));
    assert_eq!(rig.press(event).await, Some(Confirmed::Now));
    assert_eq!(rig.judge(&news), Judgement::Clear);
    assert!(matches!(rig.press(event).await, Some(Confirmed::Already(_))));
}

#[tokio::test]
async fn counts_go_with_their_days_and_with_who_is_forgotten() {
    let rig = Rig::new().await;
    let (news, other) = (rig.stream("acme", "news").await, rig.stream("else", "news").await);
    let kept = || rig.policy.store.scan::<Requests>(&[], None, 9).expect("store");
    rig.event(&news, Asker::Sender).await;
    rig.event(&other, Asker::Sender).await;
    let asked = || kept().into_iter().flat_map(|(_, row)| row.asked).map(|asked| asked.account);
    assert_eq!(asked().collect::<Vec<_>>(), [news.account, other.account]);
    assert_eq!(rig.policy.erase_requests(news.account, &rig.ann).await.expect("store"), 1);
    assert_eq!(asked().collect::<Vec<_>>(), [other.account]);
    assert_eq!(rig.policy.trim_requests().await.expect("store"), 0);
    rig.turn(48);
    assert_eq!(rig.policy.trim_requests().await.expect("store"), 3);
    assert_eq!(kept().len(), 0);
}
