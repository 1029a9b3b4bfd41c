//! The queue over the real spool, store and policy, with a clock that the test turns.

use super::{Attempt, Draft, Embedded, Lease, Queue, Said, Selector};
use crate::accounts::{Account, Accounts, Stream, StreamDraft, StreamKind};
use crate::config::Config;
use crate::events::message::{MessageEvent, Origin, Outcome, Recipient};
use crate::events::record::{Evidence, Reason, Scope, Source};
use crate::mail::{Address, Domain, MessageId, ReversePath, Status, Timestamp};
use crate::policy::{Judgement, Policy, Subject};
use crate::spool::{Body, Sequence, Spool};
use crate::store::Store;
use crate::world::{Clock, World};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// A clock that stands until it is turned.
struct Turned(AtomicU64);

impl Clock for Turned {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
    fn steady(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::SeqCst))
    }
}

struct Rig {
    home: PathBuf,
    clock: Arc<Turned>,
    config: Arc<Config>,
    spool: Spool,
    store: Store,
    accounts: Accounts,
    policy: Policy,
    queue: Arc<Embedded>,
}

fn open(home: &Path, clock: Arc<Turned>) -> Rig {
    let world = World { clock: clock.clone(), ..World::real() };
    let mut config = Config::default();
    config.queue.retry_jitter_percent = 0;
    let config = Arc::new(config);
    let store = Store::open(&home.join("store"), &config.store, &world);
    let accounts = Accounts::new(store.clone(), world.clone());
    let policy = Policy::new(accounts.clone(), store.clone(), world.clone(), &config.queue);
    let retention = config.retention.events.0;
    let opened = Spool::open(&home.join("spool"), &config.spool, retention, &world);
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

fn rig(home: &Path) -> Rig {
    open(home, Arc::new(Turned(AtomicU64::new(1_795_478_400_000))))
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
        drop(self);
        open(&home, clock)
    }

    async fn stream(&self) -> (Account, Stream) {
        let account = self.accounts.add_account("acme").await.expect("account");
        let draft = StreamDraft {
            name: "news".into(),
            kind: StreamKind::Marketing,
            consent_required: Some(false),
            honour_opt_out: false,
            reply_to: None,
        };
        let stream = self.accounts.add_stream(account.id, draft).await;
        (account, stream.expect("stream"))
    }

    async fn accept(&self, stream: &Stream, number: u8, from: &str, to: &[&str]) -> MessageId {
        let recipient = |text: &&str| {
            let address = Address::parse(text).expect("address");
            let hash = self.accounts.hash(stream.account, &address).expect("hash");
            Recipient { address, hash }
        };
        let sender = match from {
            "" => ReversePath::Null,
            text => ReversePath::Mailbox(Address::parse(text).expect("address")),
        };
        let draft = Draft {
            id: MessageId([number; 12]),
            origin: Origin::Submission {
                account: stream.account,
                stream: stream.id,
                credential: "app".into(),
            },
            sender,
            recipients: to.iter().map(recipient).collect(),
            body: Body::default(),
            at: self.clock.now(),
            from: None,
            smtputf8: false,
            eight_bit: false,
        };
        let mut body = self.queue.body();
        let text = b"From: a@acme.example\r\nSubject: hello\r\n\r\nhello\r\n";
        body.write(text).await.expect("written");
        self.queue.enqueue(draft, body).await.expect("accepted")
    }

    async fn lease(&self, domain: &str) -> Vec<Lease> {
        let domain = Domain::parse(domain).expect("domain");
        self.queue.lease(&domain, 10).await
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

    async fn waiting(&self) -> usize {
        self.queue.list(Selector::All, 100).await.len()
    }
}

fn said(text: &str) -> Said {
    Said {
        relay: Some("mx.example.com[192.0.2.1]:25".into()),
        status: Status::new(5, 1, 1),
        text: text.into(),
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
    // Past its expiry it fails for good.
    rig.turn(rig.config.queue.expiry.0);
    rig.end("a.example", Attempt::Deferred(said("451 later"))).await;
    let last = Outcome::Failed { dead_address: false };
    assert_eq!(rig.outcomes().last(), Some(&last));
    assert_eq!(rig.waiting().await, 0);
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
    let dead = Domain::parse("dead.example").expect("domain");
    let hanging = rig.queue.lease(&dead, 2).await;
    assert_eq!(hanging.len(), 2);
    for _ in 0..3 {
        let due = tokio::time::timeout(Duration::from_secs(5), rig.queue.due(2)).await;
        assert_eq!(due.expect("something is due").as_str(), "alive.example");
    }
    rig.end("alive.example", Attempt::Delivered(said("250 ok"))).await;
    drop(hanging);
    let due = tokio::time::timeout(Duration::from_secs(5), rig.queue.due(2)).await;
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
