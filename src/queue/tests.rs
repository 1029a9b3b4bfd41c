//! The queue over the real spool, store and policy, with a clock that the test turns.

use super::{Attempt, Draft, Embedded, Lease, Limits, Queue, Said, Selector, Site};
use crate::accounts::{
    Account, Accounts, QuietHours, Stream, StreamDraft, StreamKind, StreamRules,
};
use crate::config::{Config, Live};
use crate::events::message::{MessageEvent, Origin, Outcome, Recipient, owner};
use crate::events::record::{Evidence, Reason, Scope, Source};
use crate::mail::dsn::{Dsn, Notify, OfRecipient};
use crate::mail::{Address, Domain, MessageId, RecipientNumber, ReversePath, Status, Timestamp};
use crate::policy::{Judgement, Policy, Subject};
use crate::spool::{Durability, Kind, Sequence, Spool, SpoolFault};
use crate::store::Store;
use crate::world::{Clock, Turned, World};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

mod along;
mod returns;
mod sites;
mod time;
mod watched;

/// More than anything takes that comes at all.
const PATIENCE: Duration = Duration::from_secs(60);

struct Rig {
    home: PathBuf,
    clock: Arc<Turned>,
    config: Live,
    spool: Spool,
    store: Store,
    accounts: Accounts,
    policy: Policy,
    queue: Arc<Embedded>,
}

fn open(home: &Path, clock: Arc<Turned>) -> Rig {
    open_with(home, clock, settings())
}

/// Without chance, and with one expiry for all.
fn settings() -> Config {
    let mut config = Config::default();
    config.queue.retry_jitter_percent = 0;
    config.queue.marketing_expiry = config.queue.expiry;
    config.queue.quiet_spread.0 = Duration::ZERO;
    config
}

fn open_with(home: &Path, clock: Arc<Turned>, config: Config) -> Rig {
    let world = World { clock: clock.clone(), ..World::real() };
    open_in(world, home, clock, config)
}

fn open_in(world: World, home: &Path, clock: Arc<Turned>, config: Config) -> Rig {
    let config = Live::new(config);
    let store = Store::open(&home.join("store"), &config.store, &world);
    let accounts = Accounts::new(store.clone(), world.clone());
    let policy = Policy::new(accounts.clone(), store.clone(), world.clone(), &config.queue);
    let retention = config.retention.events.0;
    let opened = Spool::open(&home.join("spool"), &config.spool, owner(retention), &world);
    let (spool, _) = opened.expect("the spool opens");
    let parts = (spool.clone(), policy.clone(), accounts.clone());
    let queue = Embedded::open(parts.0, parts.1, parts.2, config.clone(), world);
    Rig {
        home: home.to_owned(),
        clock,
        config,
        spool,
        store,
        accounts,
        policy,
        queue: queue.expect("the queue opens"),
    }
}

/// A domain that is a site by itself.
fn site(domain: &str) -> Site {
    Site::of(&Domain::parse(domain).expect("domain"))
}

fn clock() -> Arc<Turned> {
    Arc::new(Turned(AtomicU64::new(1_795_478_400_000)))
}

fn rig(home: &Path) -> Rig {
    open(home, clock())
}

impl Rig {
    fn turn(&self, by: Duration) {
        let by = u64::try_from(by.as_millis()).expect("a short time");
        self.clock.0.fetch_add(by, Ordering::SeqCst);
    }

    async fn restart(self) -> Self {
        self.spool.close().await;
        self.store.close().await;
        let (home, clock) = (self.home.clone(), self.clock.clone());
        let config = (*self.config).clone();
        drop(self);
        open_with(&home, clock, config)
    }

    async fn stream(&self) -> (Account, Stream) {
        let account = self.accounts.add_account("acme").await.expect("account");
        let stream = self.another(&account, "news", StreamKind::Marketing, None).await;
        (account, stream)
    }

    async fn another(
        &self,
        account: &Account,
        name: &str,
        kind: StreamKind,
        quiet_hours: Option<QuietHours>,
    ) -> Stream {
        let draft = StreamDraft {
            consent_required: Some(false),
            rules: StreamRules { quiet_hours, ..StreamRules::default() },
            ..StreamDraft::named(name, kind)
        };
        self.accounts.add_stream(account.id, draft).await.expect("stream")
    }

    async fn accept(&self, stream: &Stream, number: u8, from: &str, to: &[&str]) -> MessageId {
        self.enqueue(self.draft(stream, number, from, to)).await
    }

    fn draft(&self, stream: &Stream, number: u8, from: &str, to: &[&str]) -> Draft {
        let recipient = |text: &&str| {
            let address = Address::parse(text).expect("address");
            let hash = self.accounts.hash(stream.account, &address).expect("hash");
            Recipient { address, hash }
        };
        let sender = match from {
            "" => ReversePath::Null,
            text => ReversePath::Mailbox(Address::parse(text).expect("address")),
        };
        Draft::new(
            MessageId([number; 12]),
            Origin::Submission {
                account: stream.account,
                stream: stream.id,
                credential: "app".into(),
            },
            sender,
            to.iter().map(recipient).collect(),
            self.clock.now(),
        )
    }

    async fn enqueue(&self, draft: Draft) -> MessageId {
        let mut body = self.queue.body();
        let text = b"From: a@acme.example\r\nSubject: hello\r\n\r\nhello\r\n";
        body.write(text).await.expect("written");
        self.queue.enqueue(draft, body).await.expect("accepted")
    }

    async fn lease(&self, domain: &str) -> Vec<Lease> {
        let site = site(domain);
        let limits = Limits { connections: 10, interval: None, proven: true };
        self.queue.shape(&site, limits);
        self.queue.lease(&site, 10).await
    }

    async fn one(&self, domain: &str) -> Lease {
        let mut leases = self.lease(domain).await;
        assert_eq!(leases.len(), 1, "leases of {domain}");
        leases.remove(0)
    }

    async fn end(&self, domain: &str, attempt: Attempt) {
        let lease = self.one(domain).await;
        self.queue.finish(lease, attempt).await.expect("finished");
    }

    /// How each recipient's story went, as the log has it.
    fn outcomes(&self) -> Vec<Outcome> {
        let records = self.spool.read(Sequence(0), 1000).expect("readable");
        let outcome = |record| match MessageEvent::decode(record)? {
            MessageEvent::Recipient { outcome, .. } => Some(outcome),
            MessageEvent::Accepted(_) => None,
        };
        records.iter().filter_map(outcome).collect()
    }

    /// What the last event of a recipient says.
    fn last_text(&self) -> String {
        let records = self.spool.read(Sequence(0), 1000).expect("readable");
        let text = |record| match MessageEvent::decode(record)? {
            MessageEvent::Recipient { text, .. } => Some(text),
            MessageEvent::Accepted(_) => None,
        };
        records.iter().rev().find_map(text).expect("an event")
    }

    async fn suppress(&self, account: &Account, address: &str, scope: Scope, reason: Reason) {
        let subject = Subject::Address(Address::parse(address).expect("address"));
        let text = "by hand".into();
        let evidence = Evidence { source: Source::Operator, text, ip: None, message: None };
        let stopped = self.policy.suppress(account.id, subject, scope, reason, evidence);
        stopped.await.expect("store");
    }

    async fn waiting(&self) -> usize {
        self.queue.list(Selector::All, 100).await.len()
    }
}

fn said(text: &str) -> Said {
    Said {
        relay: Some("mx.example.com[192.0.2.1]:25".into()),
        status: Status::new(5, 1, 1),
        text: text.into(),
        class: None,
    }
}

fn failed(dead_address: bool) -> Attempt {
    Attempt::Failed { said: said("550 no such user"), dead_address }
}

#[tokio::test]
async fn a_restart_keeps_what_waits_and_forgets_what_ended() {
    let home = tempfile::tempdir().expect("a folder");
    let rig = rig(home.path());
    let (_, stream) = rig.stream().await;
    let to = ["one@a.example", "two@b.example", "three@c.example"];
    let id = rig.accept(&stream, 1, "app@acme.example", &to).await;
    assert_eq!(rig.waiting().await, 3);
    rig.end("a.example", Attempt::Delivered(said("250 ok"))).await;
    rig.end("b.example", Attempt::Deferred(said("451 later"))).await;
    assert_eq!(rig.waiting().await, 2);
    let rig = rig.restart().await;
    let items = rig.queue.list(Selector::All, 100).await;
    let mut found: Vec<_> = items
        .iter()
        .map(|item| (item.recipient.as_str(), item.attempts, item.last.as_deref()))
        .collect();
    found.sort_unstable();
    let later = Some("451 later");
    assert_eq!(found, [("three@c.example", 0, None), ("two@b.example", 1, later)]);
    assert!(rig.lease("a.example").await.is_empty());
    let lease = rig.one("c.example").await;
    assert_eq!((lease.message.id, lease.recipient.0), (id, 2));
    let piece = rig.queue.read(&lease.message.body).next().await;
    let piece = piece.expect("readable").expect("a body");
    assert!(piece.ends_with(b"hello\r\n"));
}

#[tokio::test]
async fn deferred_mail_is_due_again_at_its_time() {
    let home = tempfile::tempdir().expect("a folder");
    let rig = rig(home.path());
    let (_, stream) = rig.stream().await;
    rig.accept(&stream, 1, "", &["one@a.example"]).await;
    for delay in [60, 300, 900] {
        rig.end("a.example", Attempt::Deferred(said("451 later"))).await;
        assert!(rig.lease("a.example").await.is_empty());
        rig.turn(Duration::from_secs(delay - 1));
        assert!(rig.lease("a.example").await.is_empty(), "before {delay} s");
        rig.turn(Duration::from_secs(1));
    }
    assert_eq!(rig.one("a.example").await.attempts, 3);
    // A clock that jumps past its expiry fails nothing; that it was tried for so long does.
    rig.turn(rig.config.queue.expiry.0);
    let mut tries = 0;
    while rig.waiting().await > 0 {
        rig.end("a.example", Attempt::Deferred(said("451 later"))).await;
        rig.turn(Duration::from_secs(4 * 3600));
        tries += 1;
    }
    // 1, 5, 15, 30, 60, 120 minutes and twelve times four hours: half of four days, and more.
    assert_eq!(tries, 16);
    let last = Outcome::Failed { dead_address: false };
    assert_eq!(rig.outcomes().last(), Some(&last));
    assert_eq!(rig.waiting().await, 0);
}

#[tokio::test]
async fn a_warning_comes_when_it_falls_due_and_once_over_a_restart() {
    let home = tempfile::tempdir().expect("a folder");
    let rig = rig(home.path());
    let (_, stream) = rig.stream().await;
    let mut draft = rig.draft(&stream, 1, "app@acme.example", &["one@a.example"]);
    let notify = Notify::parse("DELAY");
    let wishes = vec![(RecipientNumber(0), OfRecipient { notify, original: None })];
    draft.dsn = Some(Box::new(Dsn { recipients: wishes, ..Dsn::default() }));
    rig.enqueue(draft).await;
    // Half a minute before, the next wait would be two hours.
    let after = rig.config.queue.delay_warning_after.0;
    for delay in [60, 300, 900, 1800, 3600] {
        rig.end("a.example", Attempt::Deferred(said("451 later"))).await;
        rig.turn(Duration::from_secs(delay));
    }
    rig.turn(after - Duration::from_secs(60 + 300 + 900 + 1800 + 3600 + 30));
    rig.end("a.example", Attempt::Deferred(said("451 later"))).await;
    assert!(rig.lease("acme.example").await.is_empty(), "told too early");
    rig.turn(Duration::from_secs(30));
    rig.end("a.example", Attempt::Deferred(said("451 later"))).await;
    assert_eq!(rig.outcomes().last(), Some(&Outcome::Warned));
    let report = rig.one("acme.example").await;
    rig.queue.finish(report, Attempt::Delivered(said("250 ok"))).await.expect("finished");
    let rig = rig.restart().await;
    for _ in 0..3 {
        rig.turn(Duration::from_secs(4 * 3600));
        rig.end("a.example", Attempt::Deferred(said("451 later"))).await;
    }
    assert!(rig.lease("acme.example").await.is_empty(), "told twice");
    assert_eq!(rig.outcomes().iter().filter(|one| **one == Outcome::Warned).count(), 1);
}

#[tokio::test]
async fn a_failure_is_reported_once_to_its_sender_and_to_no_null_sender() {
    let home = tempfile::tempdir().expect("a folder");
    let rig = rig(home.path());
    let (_, stream) = rig.stream().await;
    let id = rig.accept(&stream, 1, "app@acme.example", &["one@a.example"]).await;
    let lease = rig.one("a.example").await;
    let copy = lease.clone();
    rig.queue.finish(lease, failed(true)).await.expect("finished");
    // A second end of the same lease says nothing more.
    rig.queue.finish(copy, failed(true)).await.expect("finished");
    assert_eq!(rig.outcomes(), [Outcome::Failed { dead_address: true }]);
    assert_eq!(rig.waiting().await, 1);
    let rig = rig.restart().await;
    assert_eq!(rig.waiting().await, 1);
    let report = rig.one("acme.example").await;
    assert_eq!(report.message.sender, ReversePath::Null);
    let about = matches!(report.message.origin, Origin::Report { about, .. } if about == id);
    assert!(about, "{:?}", report.message.origin);
    let text = rig.queue.read(&report.message.body).next().await;
    let text = text.expect("readable").expect("a body");
    let text = String::from_utf8_lossy(&text).into_owned();
    assert!(text.contains("Final-Recipient: rfc822; one@a.example\r\n"), "{text}");
    assert!(text.contains("550 no such user"), "{text}");
    // The report fails too: it has a null sender, so that is the end.
    rig.queue.finish(report, failed(true)).await.expect("finished");
    assert_eq!(rig.waiting().await, 0);
    rig.accept(&stream, 2, "", &["one@a.example"]).await;
    rig.end("a.example", failed(false)).await;
    assert_eq!(rig.waiting().await, 0);
}

#[tokio::test]
async fn a_dropped_lease_is_due_again_and_counts_no_attempt() {
    let home = tempfile::tempdir().expect("a folder");
    let rig = rig(home.path());
    let (_, stream) = rig.stream().await;
    rig.accept(&stream, 1, "", &["one@a.example"]).await;
    let lease = rig.one("a.example").await;
    assert!(rig.lease("a.example").await.is_empty(), "leased twice");
    let copy = lease.clone();
    drop(lease);
    assert!(rig.lease("a.example").await.is_empty(), "a copy is still held");
    drop(copy);
    rig.end("a.example", Attempt::Untried).await;
    assert_eq!(rig.one("a.example").await.attempts, 0);
    assert!(rig.outcomes().is_empty());
}

#[tokio::test]
async fn a_dead_domain_delays_no_other() {
    let home = tempfile::tempdir().expect("a folder");
    let rig = rig(home.path());
    let (_, stream) = rig.stream().await;
    for number in 0..20 {
        rig.accept(&stream, number, "", &["x@dead.example"]).await;
    }
    rig.accept(&stream, 99, "", &["one@alive.example"]).await;
    // Two attempts of the dead domain hang; no more of it is handed out, and the other comes at once.
    let dead = site("dead.example");
    rig.queue.shape(&dead, Limits { connections: 2, interval: None, proven: true });
    let hanging = rig.queue.lease(&dead, 9).await;
    assert_eq!(hanging.len(), 2);
    for _ in 0..3 {
        let due = tokio::time::timeout(PATIENCE, rig.queue.due()).await;
        assert_eq!(due.expect("something is due").as_str(), "alive.example");
    }
    rig.end("alive.example", Attempt::Delivered(said("250 ok"))).await;
    drop(hanging);
    let due = tokio::time::timeout(PATIENCE, rig.queue.due()).await;
    assert_eq!(due.expect("something is due"), dead);
}

#[tokio::test]
async fn a_stop_ends_what_is_queued_and_takes_the_permit_of_what_is_leased() {
    let home = tempfile::tempdir().expect("a folder");
    let rig = rig(home.path());
    let (account, stream) = rig.stream().await;
    let to = ["one@a.example", "two@b.example"];
    rig.accept(&stream, 1, "app@acme.example", &to).await;
    rig.accept(&stream, 2, "app@acme.example", &["one@a.example"]).await;
    let mut leases = rig.lease("a.example").await;
    let leased = leases.remove(0);
    drop(leases);
    let permit = rig.queue.permit(&leased).await.expect("store");
    assert!(permit.is_ok());
    drop(permit);
    let someone = Address::parse("one@a.example").expect("address");
    let hash = rig.accounts.hash(account.id, &someone).expect("hash");
    let nobody = rig.queue.cancel(Selector::Recipient(account.id, hash)).await;
    assert_eq!(nobody, 0, "nothing is stopped without a stop");
    let evidence = Evidence { source: Source::Reply, text: "R".into(), ip: None, message: None };
    let subject = Subject::Address(someone);
    let stop = (Scope::Account, Reason::OptOut);
    let stopped = rig.policy.suppress(account.id, subject, stop.0, stop.1, evidence);
    stopped.await.expect("store");
    let ended = rig.queue.cancel(Selector::Recipient(account.id, hash)).await;
    assert_eq!(ended, 1, "the item that no attempt holds");
    assert_eq!(rig.outcomes(), [Outcome::Stopped]);
    // The one under attempt gets no permit, and ends with a record of its own.
    let Err(judgement) = rig.queue.permit(&leased).await.expect("store") else {
        unreachable!("a permit after a stop");
    };
    assert!(matches!(judgement, Judgement::Suppressed(_)));
    let finished = rig.queue.finish(leased, Attempt::Stopped(judgement)).await;
    finished.expect("finished");
    assert_eq!(rig.outcomes(), [Outcome::Stopped, Outcome::Stopped]);
    let rig = rig.restart().await;
    let left = rig.queue.list(Selector::All, 100).await;
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].recipient, "two@b.example");
}

#[tokio::test]
async fn a_full_queue_takes_no_mail_and_goes_on_sending() {
    let home = tempfile::tempdir().expect("a folder");
    let mut config = Config::default();
    config.queue.items_max = 1;
    let rig = open_with(home.path(), clock(), config);
    let (_, stream) = rig.stream().await;
    rig.accept(&stream, 1, "", &["one@a.example"]).await;
    assert!(matches!(rig.queue.ready(), Err(SpoolFault::QueueFull)));
    assert!(rig.queue.can_record().is_ok());
    rig.end("a.example", Attempt::Delivered(said("250 ok"))).await;
    assert!(rig.queue.ready().is_ok());
}

#[tokio::test]
async fn what_could_not_be_judged_waits_and_never_expires() {
    let home = tempfile::tempdir().expect("a folder");
    let rig = rig(home.path());
    let (_, stream) = rig.stream().await;
    rig.accept(&stream, 1, "app@acme.example", &["one@a.example"]).await;
    rig.end("a.example", Attempt::Deferred(said("451 later"))).await;
    for _ in 0..3 {
        rig.turn(rig.config.queue.expiry.0);
        rig.end("a.example", Attempt::Held(said("the records cannot be read"))).await;
        assert!(rig.lease("a.example").await.is_empty(), "not at once");
        rig.turn(Duration::from_secs(60));
        assert_eq!(rig.one("a.example").await.attempts, 1);
    }
    assert_eq!(rig.outcomes().len(), 1, "{:?}", rig.outcomes());
}

#[tokio::test]
async fn a_hold_outlives_a_restart_and_retry_leaves_it() {
    let home = tempfile::tempdir().expect("a folder");
    let rig = rig(home.path());
    let (_, stream) = rig.stream().await;
    let to = ["one@a.example", "two@b.example"];
    let id = rig.accept(&stream, 1, "", &to).await;
    let active = rig.one("a.example").await;
    assert_eq!(rig.queue.hold(Selector::Message(id), true).await.expect("held"), 2);
    assert_eq!(rig.queue.hold(Selector::Message(id), true).await.expect("held"), 0);
    assert_eq!(rig.queue.retry(Selector::All).await, 0, "what is held is not due");
    // The one under attempt is held once that ends, whatever came of it.
    rig.queue.finish(active, Attempt::Deferred(said("451 later"))).await.expect("finished");
    rig.turn(Duration::from_secs(3600));
    let rig = rig.restart().await;
    for domain in ["a.example", "b.example"] {
        assert!(rig.lease(domain).await.is_empty(), "{domain} is held");
    }
    assert_eq!(rig.queue.summary().await.held, 2);
    assert_eq!(rig.queue.hold(Selector::All, false).await.expect("released"), 2);
    assert_eq!(rig.queue.hold(Selector::All, false).await.expect("released"), 0);
    let rig = rig.restart().await;
    assert_eq!(rig.one("a.example").await.attempts, 1);
    assert_eq!(rig.queue.retry(Selector::All).await, 2);
}

#[tokio::test]
async fn a_cancel_takes_the_dot_from_what_is_under_attempt() {
    let home = tempfile::tempdir().expect("a folder");
    let mut config = settings();
    config.queue.permit_wait_max.0 = PATIENCE;
    let rig = open_with(home.path(), clock(), config);
    let (_, stream) = rig.stream().await;
    let id = rig.accept(&stream, 1, "", &["one@a.example", "two@b.example"]).await;
    let active = rig.one("a.example").await;
    let queue = rig.queue.clone();
    let removed = tokio::spawn(async move { queue.remove(Selector::Message(id), "enough").await });
    let refused = async {
        while rig.queue.permit(&active).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, refused).await.expect("no dot any more");
    rig.queue.finish(active, Attempt::Deferred(said("451 later"))).await.expect("finished");
    assert_eq!(removed.await.expect("no panic").expect("removed"), 2);
    assert_eq!(rig.waiting().await, 0);
    assert_eq!(rig.outcomes().last(), Some(&Outcome::Cancelled));
}

#[tokio::test]
async fn the_sender_hears_of_a_recipient_refused_after_the_message_was_taken() {
    let home = tempfile::tempdir().expect("a folder");
    let rig = rig(home.path());
    let (account, stream) = rig.stream().await;
    let to = ["one@a.example", "two@a.example"];
    let mut draft = rig.draft(&stream, 1, "app@acme.example", &to);
    draft.refused = vec![RecipientNumber(1)];
    rig.enqueue(draft).await;
    for address in to {
        rig.suppress(&account, address, Scope::Account, Reason::Manual).await;
    }
    assert_eq!(rig.queue.cancel(Selector::All).await, 2);
    assert_eq!(rig.outcomes(), [Outcome::Stopped, Outcome::Stopped]);
    let rig = rig.restart().await;
    let report = rig.one("acme.example").await;
    let text = rig.queue.read(&report.message.body).next().await;
    let text = text.expect("readable").expect("a body");
    let text = String::from_utf8_lossy(&text).into_owned();
    assert!(text.contains("Final-Recipient: rfc822; two@a.example\r\n"), "{text}");
    assert!(text.contains("Status: 5.7.1\r\n"), "{text}");
    assert_eq!(rig.waiting().await, 1, "the other one's sender was refused nothing");
}

#[tokio::test]
async fn a_stop_is_written_in_the_words_of_policy() {
    let home = tempfile::tempdir().expect("a folder");
    let rig = rig(home.path());
    let (account, stream) = rig.stream().await;
    rig.accept(&stream, 1, "", &["one@a.example"]).await;
    rig.suppress(&account, "one@a.example", Scope::Account, Reason::Manual).await;
    assert_eq!(rig.queue.cancel(Selector::All).await, 1);
    assert!(rig.last_text().contains("(manual)"), "{}", rig.last_text());
    // A global stop names neither whence nor since when.
    rig.accept(&stream, 2, "", &["two@a.example"]).await;
    rig.suppress(&account, "two@a.example", Scope::Global, Reason::Complaint).await;
    assert_eq!(rig.queue.cancel(Selector::All).await, 1);
    let text = rig.last_text();
    assert!(!text.contains("omplain") && !text.contains("20"), "{text}");
}

#[tokio::test]
async fn mail_for_later_is_due_then_after_a_restart_too() {
    let home = tempfile::tempdir().expect("a folder");
    let rig = rig(home.path());
    let (_, stream) = rig.stream().await;
    let mut draft = rig.draft(&stream, 1, "", &["one@a.example"]);
    draft.not_before = Some(rig.clock.now().after(rig.config.queue.expiry.0 * 2));
    rig.enqueue(draft).await;
    assert!(rig.lease("a.example").await.is_empty());
    for held in [true, false] {
        assert_eq!(rig.queue.hold(Selector::All, held).await.ok(), Some(1));
    }
    assert_eq!(rig.queue.retry(Selector::All).await, 0);
    assert!(rig.lease("a.example").await.is_empty(), "the operator sends nothing too early");
    let rig = rig.restart().await;
    rig.turn(rig.config.queue.expiry.0 * 2 - Duration::from_secs(1));
    assert!(rig.lease("a.example").await.is_empty());
    rig.turn(Duration::from_secs(1));
    for _ in 0..2 {
        rig.end("a.example", Attempt::Deferred(said("451 later"))).await;
        rig.turn(Duration::from_secs(300));
    }
    assert_eq!(rig.waiting().await, 1, "its time to expire begins then");
}

#[tokio::test]
async fn what_could_not_be_recorded_is_not_tried_again_at_once() {
    let home = tempfile::tempdir().expect("a folder");
    let rig = rig(home.path());
    let (_, stream) = rig.stream().await;
    rig.accept(&stream, 1, "", &["one@a.example", "two@b.example"]).await;
    let (failing, delivered) = (rig.one("a.example").await, rig.one("b.example").await);
    rig.spool.close().await;
    assert!(rig.queue.finish(failing, failed(false)).await.is_err());
    assert!(rig.lease("a.example").await.is_empty());
    rig.turn(Duration::from_secs(60));
    assert_eq!(rig.lease("a.example").await.len(), 1);
    // What was sent and not marked is not sent again by this process; the next one finds its body.
    let done = rig.queue.finish(delivered, Attempt::Delivered(said("250 ok"))).await;
    assert!(done.is_err());
    rig.turn(Duration::from_secs(3600));
    assert!(rig.lease("b.example").await.is_empty());
    let rig = rig.restart().await;
    let again = rig.one("b.example").await;
    assert!(rig.queue.read(&again.message.body).next().await.is_ok());
}

#[tokio::test]
async fn an_acceptance_that_cannot_be_decoded_keeps_its_body() {
    let home = tempfile::tempdir().expect("a folder");
    let mut config = Config::default();
    config.spool.segment_size = crate::config::Size(1000);
    let rig = open_with(home.path(), clock(), config.clone());
    let (_, stream) = rig.stream().await;
    let filler = || vec![(Kind(7), vec![0; 1000])];
    // From a later version of this program.
    let mut body = rig.queue.body();
    body.write(&[b'x'; 5000]).await.expect("written");
    let later = Box::new(|_| (Kind(1), vec![99]));
    rig.spool.accept(body, later).await.expect("accepted");
    rig.accept(&stream, 1, "", &["one@a.example"]).await;
    rig.end("a.example", Attempt::Delivered(said("250 ok"))).await;
    rig.spool.append(filler(), Durability::Synced).await.expect("written");
    rig.spool.append(filler(), Durability::Synced).await.expect("written");
    rig.spool.close().await;
    rig.store.close().await;
    let clock = rig.clock.clone();
    drop(rig);
    let length = |number: u32| {
        let path = home.path().join(format!("spool/{number:016x}.seg"));
        std::fs::metadata(path).expect("a segment").len()
    };
    let before = (length(1), length(2));
    let rig = open_with(home.path(), clock, config);
    rig.spool.set_cursor(rig.spool.end());
    // Once the second is shrunk, the first has been looked at.
    let shrunk = async {
        while length(2) == before.1 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    tokio::time::timeout(PATIENCE, shrunk).await.expect("the second is shrunk");
    assert_eq!(length(1), before.0);
}

#[tokio::test]
async fn mail_of_a_suspended_account_waits_until_it_sends_again_and_does_not_expire() {
    let home = tempfile::tempdir().expect("a folder");
    let rig = rig(home.path());
    let (account, stream) = rig.stream().await;
    rig.accept(&stream, 1, "", &["one@a.example"]).await;
    // Leased before, it is seen at the last look.
    let lease = rig.one("a.example").await;
    drop(rig.queue.permit(&lease).await.expect("store").expect("a permit"));
    rig.accounts.suspend("acme", "unpaid").await.expect("suspended");
    let why = rig.queue.permit(&lease).await.err().expect("no permit").to_string();
    assert!(why.contains("suspended"), "{why}");
    drop(lease);
    for _ in 0..200 {
        assert!(rig.lease("a.example").await.is_empty());
        rig.turn(Duration::from_secs(7200));
    }
    let waiting = rig.queue.list(Selector::All, 10).await;
    assert!(waiting[0].why.contains("account is suspended"), "{}", waiting[0].why);
    assert_eq!((waiting.len(), waiting[0].attempts), (1, 0));
    assert_eq!(rig.queue.expire().await, 0);
    // It is due when the account sends again, not at its next look.
    assert!(rig.lease("a.example").await.is_empty());
    rig.accounts.resume("acme").await.expect("resumed");
    assert!(rig.lease("a.example").await.is_empty());
    assert_eq!(rig.queue.retry(Selector::Account(account.id)).await, 1);
    let lease = rig.one("a.example").await;
    assert!(rig.queue.permit(&lease).await.expect("store").is_ok());
}
