//! Consent that a person is asked for by mail, and gives by the button that the mail leads to. Nobody is
//! asked often, and nobody who has said no is asked unless it is the person who asks: the counts are
//! records, which a restart does not forget.

use super::change::{agree, never, record};
use super::desk::{Policy, key};
use super::judge::judge;
use super::record::{
    Consent, ConsentState, Judgement, RecipientRecord, Subject, Suppression, Token,
};
use crate::accounts::Stream;
use crate::config;
use crate::events::Author;
use crate::events::record::{Change, Circumstances, Evidence, Reason, RecordEvent, Scope, Source};
use crate::mail::{AccountId, Address, RecipientHash, StreamId, Timestamp};
use crate::store::{Record, StoreFault, Table, Transaction};
use serde::{Deserialize, Serialize};
use std::convert::Infallible;
use std::time::Duration;

/// How long a request counts.
const DAY: Duration = Duration::from_secs(24 * 3600);
/// Counts of days that are over which a request takes away.
const SWEPT: usize = 16;

/// Who asks that a person be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asker {
    /// The sender.
    Sender,
    /// The person, from a page that only the person's mail leads to: whoever had said no may be asked.
    Person,
}

/// Which count is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// Mail to the address from this account.
    Address,
    /// Mail to the address from all accounts.
    AddressInAll,
    /// Mail from this account.
    Account,
}

/// What a request came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Requested {
    /// The person is to be asked: by a mail about this event, since when. It may have been asked for
    /// before, and is mailed once.
    Asked {
        /** The event. */
        event: u64,
        /** When it was asked for. */
        at: Timestamp,
        /** Whether it is a new one. */
        is_new: bool,
    },
    /// A consent holds since then.
    Holds(Timestamp),
    /// This stop stands against it.
    Stopped(Suppression),
    /// The person has taken consent back, then.
    Withdrawn(Timestamp),
    /// So much was asked of the address or by the account within a day.
    TooMany(Full),
}

/// What a confirmation came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confirmed {
    /// The consent is recorded.
    Now,
    /// It was recorded by the same request, then.
    Already(Timestamp),
    /// The person has decided otherwise since.
    Gone,
}

/// A request as the link of its mail names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confirmation {
    /// For which stream.
    pub stream: StreamId,
    /// The person's address, where it is still known.
    pub address: Option<Address>,
    /// When it was asked for.
    pub at: Timestamp,
    /// What confirming it would come to.
    pub state: Confirmed,
}

/// What was asked of an address in a day, or how often by an account.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Requests {
    asked: Vec<Asked>,
    count: u32,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Asked {
    account: AccountId,
    stream: StreamId,
    event: u64,
    at: Timestamp,
}

impl Record for Requests {
    const TABLE: Table = Table::ConsentRequest;
}

/// The day of a moment, first in its key, so that days that are over stand first.
fn day_of(at: Timestamp) -> u32 {
    u32::try_from(u128::from(at.0) / DAY.as_millis()).unwrap_or(u32::MAX)
}

fn place(day: u32, of: &[u8]) -> Vec<u8> {
    [&day.to_be_bytes()[..], of].concat()
}

/// The stop that no wish of the person's outranks.
fn lasting(
    stops: &[Suppression],
    account_wide: impl Fn(&Suppression) -> bool,
) -> Option<Suppression> {
    let binds = |stop: &&Suppression| {
        stop.scope == Scope::Global || (stop.reason != Reason::OptOut && account_wide(stop))
    };
    stops.iter().find(binds).cloned()
}

/// What confirming a request would come to, as the records stand.
fn standing(kept: &RecipientRecord, stream: StreamId, event: u64) -> Confirmed {
    let consent = kept.consents.iter().find(|consent| consent.stream == stream);
    let refused = |stop: &Suppression| {
        let own = matches!(stop.reason, Reason::OptOut | Reason::Complaint);
        let reaches = matches!(stop.scope, Scope::Account) || stop.scope == Scope::Stream(stream);
        own && reaches && stop.sequence > event
    };
    if kept.suppressions.iter().any(refused) {
        return Confirmed::Gone;
    }
    match consent {
        Some(consent) if consent.sequence > event => match consent.state {
            ConsentState::Granted => Confirmed::Already(consent.at),
            // Asked anew meanwhile: the older mail proves as much as the newer.
            ConsentState::Pending => Confirmed::Now,
            ConsentState::Withdrawn | ConsentState::Expired => Confirmed::Gone,
        },
        _ => Confirmed::Now,
    }
}

/// Records a request. What the person has given or taken back stays so until the button is pressed.
fn ask_on(
    (t, author): (&mut Transaction<'_>, &Author),
    (owner, hash): (AccountId, RecipientHash),
    address: Address,
    (made, stands): (Consent, bool),
) -> Result<u64, StoreFault> {
    let place = key(owner, hash);
    let mut kept = t.get::<RecipientRecord>(&place)?.unwrap_or_default();
    if !stands {
        let now = made.at;
        return agree((t, author), (owner, hash), (kept, address), made, now);
    }
    let change = (Change::Requested { stream: made.stream }, made.evidence, made.at);
    let event = record((&mut *t, author), (owner, hash), change)?;
    kept.address.get_or_insert(address);
    kept.remember(made.stream, event);
    t.put(&place, &kept);
    Ok(event)
}

impl Policy {
    /// Asks that a person be asked for consent to a stream. Where the answer is [`Requested::Asked`], the
    /// mail is to be sent, and the same request again sends it where it was not.
    ///
    /// # Errors
    /// The store.
    pub async fn request_consent(
        &self,
        stream: &Stream,
        address: &Address,
        (asker, evidence, circumstances): (Asker, Evidence, Circumstances),
        limits: &config::Consents,
    ) -> Result<Requested, StoreFault> {
        let (stream, address, limits) = (stream.clone(), address.clone(), limits.clone());
        let hash = self.accounts.hash(stream.account, &address)?;
        let everywhere = self.accounts.hash(AccountId::INSTALLATION, &address)?;
        let records = self.keys_of(stream.account, &address)?;
        let (now, author) = (self.world.clock.now(), self.author_of(evidence.source));
        let today = day_of(now);
        // Counts that nobody asks for any more go, some with each new one.
        let old = self.store.scan::<Requests>(&[], None, SWEPT)?;
        let is_over = |place: &[u8]| {
            let day = place.first_chunk::<4>().map(|day| u32::from_be_bytes(*day));
            day.is_some_and(|day| day.saturating_add(1) < today)
        };
        let old: Vec<_> = old.into_iter().map(|(place, _)| place).filter(|p| is_over(p)).collect();
        let done = self.store.transact(move |t| {
            let (mut stops, mut consents) = (Vec::new(), Vec::new());
            for record in &records {
                if let Some(record) = t.get::<RecipientRecord>(record)? {
                    stops.extend(record.suppressions);
                    consents.extend(record.consents);
                }
            }
            let judgement = judge(&stream, &stops, &consents, now);
            let reaches = |stop: &Suppression| {
                !matches!(stop.scope, Scope::Stream(only) if only != stream.id)
            };
            let lasting = lasting(&stops, reaches);
            let consent = consents.iter().find(|consent| consent.stream == stream.id);
            let state = consent.map(|consent| consent.state_at(&stream, now));
            match (judgement, consent) {
                _ if lasting.is_some() => {
                    return Ok(Ok(lasting.map_or(Requested::TooMany(Full::Address), Requested::Stopped)));
                }
                (Judgement::Suppressed(stop), _) if asker == Asker::Sender => {
                    return Ok(Ok(Requested::Stopped(stop)));
                }
                (_, Some(consent))
                    if asker == Asker::Sender && state == Some(ConsentState::Withdrawn) =>
                {
                    return Ok(Ok(Requested::Withdrawn(consent.at)));
                }
                (Judgement::Clear, Some(consent)) if state == Some(ConsentState::Granted) => {
                    return Ok(Ok(Requested::Holds(consent.at)));
                }
                _ => {}
            }
            let (own, before) = (place(today, &everywhere.0), place(today.saturating_sub(1), &everywhere.0));
            let counted = place(today, &stream.account.0.to_be_bytes());
            let mut of_today = t.get::<Requests>(&own)?.unwrap_or_default();
            let of_before = t.get::<Requests>(&before)?.unwrap_or_default();
            let lately: Vec<&Asked> = of_today
                .asked
                .iter()
                .chain(&of_before.asked)
                .filter(|asked| now.since(asked.at) < DAY)
                .collect();
            let same = |asked: &&&Asked| asked.account == stream.account && asked.stream == stream.id;
            if let Some(asked) = lately.iter().rev().find(same) {
                let (event, at) = (asked.event, asked.at);
                return Ok(Ok(Requested::Asked { event, at, is_new: false }));
            }
            let count = |most: u32, found: usize| u32::try_from(found).is_ok_and(|n| n < most);
            let from_account = lately.iter().filter(|asked| asked.account == stream.account).count();
            let mut of_account = t.get::<Requests>(&counted)?.unwrap_or_default();
            let full = if !count(limits.confirmations_per_recipient_max, from_account) {
                Some(Full::Address)
            } else if !count(limits.confirmations_per_address_max, lately.len()) {
                Some(Full::AddressInAll)
            } else {
                (of_account.count >= limits.confirmations_per_account_max).then_some(Full::Account)
            };
            if let Some(full) = full {
                return Ok(Ok(Requested::TooMany(full)));
            }
            let account = stream.account;
            let made = Consent {
                stream: stream.id,
                state: ConsentState::Pending,
                evidence,
                at: now,
                sequence: 0,
                circumstances: circumstances.kept(),
            };
            let stands = matches!(state, Some(ConsentState::Withdrawn | ConsentState::Granted));
            let event =
                ask_on((&mut *t, &author), (account, hash), address, (made, stands))?;
            of_today.asked.push(Asked { account, stream: stream.id, event, at: now });
            of_account.count += 1;
            t.put(&own, &of_today);
            t.put(&counted, &of_account);
            for place in old {
                t.remove::<Requests>(&place);
            }
            Ok(Ok::<_, Infallible>(Requested::Asked { event, at: now, is_new: true }))
        });
        Ok(never(done.await?))
    }

    /// The token by which a request is confirmed, until it is too old.
    ///
    /// # Errors
    /// The store.
    pub fn consent_token(
        &self,
        event: u64,
        asked: Timestamp,
        limits: &config::Consents,
    ) -> Result<String, StoreFault> {
        let until = asked.after(limits.confirmation_age_max.0);
        self.seal(&Token::Confirm { event, until })
    }

    /// A request, for the page that asks; none where there never was one or nothing is known of it.
    ///
    /// # Errors
    /// The store.
    pub fn confirmation(&self, event: u64) -> Result<Option<Confirmation>, StoreFault> {
        let Some(past) = self.store.get::<RecordEvent>(&event.to_be_bytes())? else {
            return Ok(None);
        };
        let Change::Requested { stream } = past.change else { return Ok(None) };
        let kept = self.store.get::<RecipientRecord>(&key(past.account, past.hash))?;
        let kept = kept.unwrap_or_default();
        let state = standing(&kept, stream, event);
        Ok(Some(Confirmation { stream, address: kept.address, at: past.at, state }))
    }

    /// Records the consent that a person has confirmed, once: the person's own act, which lifts the
    /// person's own opt-out of that stream and outranks a wider one for it. `wording` is what the page
    /// showed, with its version; none where there never was such a request.
    ///
    /// # Errors
    /// The store.
    pub async fn confirm_consent(
        &self,
        event: u64,
        (ip, user_agent): (Option<String>, Option<String>),
        (wording, wording_version): (String, String),
    ) -> Result<Option<Confirmed>, StoreFault> {
        let (now, source) = (self.world.clock.now(), Source::Confirmation);
        let author = self.author_of(source);
        let done = self.store.transact(move |t| {
            let Some(past) = t.get::<RecordEvent>(&event.to_be_bytes())? else {
                return Ok(Ok(None));
            };
            let Change::Requested { stream } = past.change else { return Ok(Ok(None)) };
            let owned = (past.account, past.hash);
            let mut kept =
                t.get::<RecipientRecord>(&key(past.account, past.hash))?.unwrap_or_default();
            let state = standing(&kept, stream, event);
            // Whose address was erased cannot be written to.
            let Some(address) = kept.address.clone().filter(|_| state == Confirmed::Now) else {
                let gone = if state == Confirmed::Now { Confirmed::Gone } else { state };
                return Ok(Ok(Some(gone)));
            };
            let evidence = Evidence { source, text: past.evidence.text, ip, message: None };
            let scope = Scope::Stream(stream);
            let is_own = |s: &Suppression| s.scope == scope && s.reason == Reason::OptOut;
            if kept.take(is_own).is_some() {
                let change = Change::Lifted { scope, reason: Reason::OptOut };
                record((&mut *t, &author), owned, (change, evidence.clone(), now))?;
            }
            let circumstances = Circumstances {
                user_agent,
                wording: Some(wording),
                wording_version: Some(wording_version),
                asked: Some(past.at),
            };
            let made = Consent {
                stream,
                state: ConsentState::Granted,
                evidence,
                at: now,
                sequence: 0,
                circumstances: circumstances.kept(),
            };
            agree((&mut *t, &author), owned, (kept, address), made, now)?;
            Ok(Ok::<_, Infallible>(Some(Confirmed::Now)))
        });
        Ok(never(done.await?))
    }

    /// What a person's consent to a stream is now, with its time, as a page of the person's may show it.
    ///
    /// # Errors
    /// The store.
    pub fn consent_state(
        &self,
        stream: &Stream,
        subject: &Subject,
    ) -> Result<Option<(ConsentState, Timestamp)>, StoreFault> {
        let now = self.world.clock.now();
        let consents = self.view(stream.account, subject)?.consents;
        let found = consents.iter().find(|consent| consent.stream == stream.id);
        Ok(found.map(|consent| (consent.state_at(stream, now), consent.at)))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::evidence;
    use super::*;
    use crate::accounts::{Accounts, StreamDraft, StreamKind, StreamRules};
    use crate::store::Store;
    use crate::world::World;
    use crate::world::clock::Clock;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    /// A clock that the test turns.
    struct Turned(AtomicU64);

    impl Clock for Turned {
        fn now(&self) -> Timestamp {
            Timestamp(self.0.load(Ordering::Relaxed))
        }
        fn steady(&self) -> Duration {
            Duration::ZERO
        }
    }

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
            let policy = Policy::new(accounts.clone(), store, world, &config::Queue::default());
            (accounts, policy)
        }

        async fn stream(&self, account: &str, name: &str) -> Stream {
            let account = match self.accounts.account(account) {
                Ok(account) => account.id,
                Err(_) => self.accounts.add_account(account).await.expect("account").id,
            };
            let draft = StreamDraft {
                name: name.into(),
                kind: StreamKind::Marketing,
                consent_required: None,
                honour_opt_out: false,
                reply_to: None,
                rules: StreamRules::default(),
            };
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
}
