//! The reader that makes stops of refusals: counts, leaps, and what the operator decides of them.

use super::super::Verb;
use super::super::desk::key;
use super::*;
use crate::accounts::{Accounts, Stream, StreamDraft, StreamKind};
use crate::config;
use crate::events::Recipient;
use crate::events::message::owner;
use crate::events::record::{Reason, Scope};
use crate::mail::{Address, MessageId, RecipientNumber, StreamId, Timestamp};
use crate::policy::{Judgement, Subject};
use crate::store::Store;
use crate::world::World;
use std::path::Path;
use std::time::Duration;

struct Rig {
    spool: Spool,
    store: Store,
    accounts: Accounts,
    policy: Policy,
}

fn rig(home: &Path) -> Rig {
    rig_with(home, config::Queue::default())
}

fn rig_with(home: &Path, mut settings: config::Queue) -> Rig {
    let world = World::real();
    let store = Store::open(&home.join("store"), &config::Store::default(), &world);
    let (folder, spool) = (home.join("spool"), config::Spool::default());
    let opened = Spool::open(&folder, &spool, owner(Duration::from_secs(3600)), &world);
    let accounts = Accounts::new(store.clone(), world.clone());
    settings.events_delay.0 = Duration::ZERO;
    settings.events_save.0 = Duration::from_millis(10);
    let policy = Policy::new(accounts.clone(), store.clone(), world, &settings);
    Rig { spool: opened.expect("the spool opens").0, store, accounts, policy }
}

async fn stream(rig: &Rig) -> Stream {
    let account = rig.accounts.add_account("acme").await.expect("account");
    let draft = StreamDraft::named("receipts", StreamKind::Transactional);
    let made = rig.accounts.add_stream(account.id, draft).await;
    made.expect("stream")
}

fn failed(rig: &Rig, origin: Origin, to: &Address, dead_address: bool) -> MessageEvent {
    let hash = rig.accounts.hash(origin.account(), to).expect("hash");
    MessageEvent::Recipient {
        message: MessageId([4; 12]),
        origin,
        to: Recipient { address: to.clone(), hash },
        recipient: RecipientNumber(0),
        outcome: Outcome::Failed { dead_address },
        attempts: 1,
        relay: None,
        status: Status::new(5, 1, 1),
        text: "550 no such user".into(),
        at: Timestamp(1),
        class: None,
    }
}

fn submission(stream: &Stream) -> Origin {
    Origin::Submission { account: stream.account, stream: stream.id, credential: "app".into() }
}

/// Runs the crossing until it has saved its place past `end`.
async fn cross(rig: &Rig, end: Sequence) {
    let shutdown = CancellationToken::new();
    let running = run(rig.spool.clone(), rig.policy.clone(), shutdown.clone());
    let running = tokio::spawn(running);
    let arrived = async {
        while Cursor::read(&rig.store, NAME).expect("store").0 <= end {
            tokio::task::yield_now().await;
        }
    };
    let arrived = tokio::time::timeout(Duration::from_secs(120), arrived).await;
    arrived.expect("the cursor moves past every event");
    shutdown.cancel();
    running.await.expect("the crossing");
}

async fn spooled(rig: &Rig, event: &MessageEvent) -> Sequence {
    let durability = crate::events::Durability::Synced;
    let written = rig.spool.append(vec![event.encode()], durability).await;
    written.expect("written")[0]
}

#[tokio::test]
async fn a_dead_address_is_stopped_for_the_account_once() {
    let home = tempfile::tempdir().expect("a folder");
    let rig = rig(home.path());
    let stream = stream(&rig).await;
    let to = Address::parse("gone@example.com").expect("address");
    let event = failed(&rig, submission(&stream), &to, true);
    spooled(&rig, &event).await;
    let end = spooled(&rig, &event).await;
    cross(&rig, end).await;
    let Judgement::Suppressed(stop) = rig.policy.judge(&stream, &to).expect("store") else {
        unreachable!("the dead address may still be sent to");
    };
    assert_eq!((stop.scope, stop.reason), (Scope::Account, Reason::HardBounce));
    assert_eq!(stop.evidence.source, Source::Delivery);
    assert_eq!(stop.evidence.text, "550 no such user (5.1.1)");
    assert_eq!(stop.evidence.message, Some(MessageId([4; 12])));
    let subject = Subject::Address(to);
    let history = rig.policy.history(stream.account, &subject, 10);
    assert_eq!(history.expect("store").len(), 1);
    // What was crossed is not crossed again: a stop that was lifted since stays lifted.
    let evidence = Evidence { source: Source::Operator, ..stop.evidence };
    let (scope, reason) = (Scope::Account, Reason::HardBounce);
    let lifted = rig.policy.lift(stream.account, subject, scope, reason, evidence);
    assert!(lifted.await.expect("store"));
    let other = Address::parse("also-gone@example.com").expect("address");
    let end = spooled(&rig, &failed(&rig, submission(&stream), &other, true)).await;
    cross(&rig, end).await;
    let to = Address::parse("gone@example.com").expect("address");
    let judgement = rig.policy.judge(&stream, &to).expect("store");
    assert_eq!(judgement, Judgement::Clear);
    let judgement = rig.policy.judge(&stream, &other).expect("store");
    assert!(matches!(judgement, Judgement::Suppressed(_)));
}

#[tokio::test]
async fn other_failures_and_our_own_reports_stop_nobody() {
    let home = tempfile::tempdir().expect("a folder");
    let rig = rig(home.path());
    let stream = stream(&rig).await;
    let to = Address::parse("full@example.com").expect("address");
    let report = Origin::Report { account: stream.account, about: MessageId([1; 12]) };
    let letter = Origin::Letter { account: stream.account, stream: Some(StreamId(1)) };
    spooled(&rig, &failed(&rig, submission(&stream), &to, false)).await;
    spooled(&rig, &failed(&rig, report, &to, true)).await;
    let end = spooled(&rig, &failed(&rig, letter, &to, true)).await;
    cross(&rig, end).await;
    let judgement = rig.policy.judge(&stream, &to).expect("store");
    assert_eq!(judgement, Judgement::Clear);
}

#[tokio::test]
async fn a_row_that_cannot_be_read_holds_up_no_other() {
    /// What is no recipient's record, where one should be.
    #[derive(serde::Serialize, serde::Deserialize)]
    struct Junk(u64);
    impl crate::store::Record for Junk {
        const TABLE: crate::store::Table = crate::store::Table::Recipient;
        const VERSION: u8 = 250;
    }
    let home = tempfile::tempdir().expect("a folder");
    let rig = rig(home.path());
    let stream = stream(&rig).await;
    let broken = Address::parse("broken@example.com").expect("address");
    let gone = Address::parse("gone@example.com").expect("address");
    let hash = rig.accounts.hash(stream.account, &broken).expect("hash");
    let row = key(stream.account, hash);
    let put = rig.store.transact(move |t| {
        t.put(&row, &Junk(1));
        Ok(Ok::<_, Infallible>(()))
    });
    let _ = put.await.expect("store");
    spooled(&rig, &failed(&rig, submission(&stream), &broken, true)).await;
    let end = spooled(&rig, &failed(&rig, submission(&stream), &gone, true)).await;
    cross(&rig, end).await;
    let judgement = rig.policy.judge(&stream, &gone).expect("store");
    assert!(matches!(judgement, Judgement::Suppressed(_)));
    assert!(rig.policy.judge(&stream, &broken).is_err(), "no mail goes by a row like that");
}

fn event(
    rig: &Rig,
    stream: &Stream,
    (number, to): (u8, &str),
    (relay, outcome, at): (&str, Outcome, u64),
) -> MessageEvent {
    let to = Address::parse(to).expect("address");
    let MessageEvent::Recipient { origin, to, recipient, attempts, status, text, class, .. } =
        failed(rig, submission(stream), &to, true)
    else {
        unreachable!("another event");
    };
    let (message, relay, at) = (MessageId([number; 12]), Some(relay.into()), Timestamp(at));
    MessageEvent::Recipient {
        message,
        origin,
        to,
        recipient,
        outcome,
        attempts,
        relay,
        status,
        text,
        at,
        class,
    }
}

const DEAD: Outcome = Outcome::Failed { dead_address: true };
const MX: &str = "mx1.mail.site.example[192.0.2.1]:25";

fn is_stopped(rig: &Rig, stream: &Stream, to: &str) -> bool {
    let to = Address::parse(to).expect("address");
    matches!(rig.policy.judge(stream, &to), Ok(Judgement::Suppressed(_)))
}

#[tokio::test]
async fn as_many_refusals_as_the_setting_says_make_a_stop_unless_mail_came_through() {
    const DAY: u64 = 24 * 3600 * 1000;
    let home = tempfile::tempdir().expect("a folder");
    let settings = config::Queue { hard_bounces_to_suppress: 3, ..config::Queue::default() };
    let rig = rig_with(home.path(), settings);
    let stream = stream(&rig).await;
    let to = "ann@b.example";
    let say = |number, outcome, at| event(&rig, &stream, (number, to), (MX, outcome, at));
    for (number, outcome, at) in [
        (1, DEAD, 0),
        (1, DEAD, 0), // the same message, read again
        (2, DEAD, DAY),
        (3, Outcome::Delivered, 2 * DAY),
        (4, DEAD, 3 * DAY),
        (5, DEAD, 4 * DAY),
        (6, DEAD, 40 * DAY), // the first two are too old by now
    ] {
        let end = spooled(&rig, &say(number, outcome, at)).await;
        cross(&rig, end).await;
        assert!(!is_stopped(&rig, &stream, to), "message {number}");
    }
    spooled(&rig, &say(7, DEAD, 41 * DAY)).await;
    let end = spooled(&rig, &say(8, DEAD, 42 * DAY)).await;
    cross(&rig, end).await;
    let subject = Subject::Address(Address::parse(to).expect("address"));
    let standing = rig.policy.standing(stream.account, &subject).expect("store");
    assert_eq!(standing.len(), 1);
    assert_eq!(standing[0].stop.site.as_deref(), Some("site.example"));
}

#[tokio::test]
async fn bounces_by_mail_are_counted_once_and_outlast_the_next_delivery() {
    let home = tempfile::tempdir().expect("a folder");
    let settings = config::Queue { hard_bounces_to_suppress: 2, ..config::Queue::default() };
    let rig = rig_with(home.path(), settings);
    let stream = stream(&rig).await;
    let to = "ann@b.example";
    let address = Address::parse(to).expect("address");
    let death = |number: u8| Death {
        account: stream.account,
        hash: rig.accounts.hash(stream.account, &address).expect("hash"),
        address: address.clone(),
        evidence: Evidence {
            source: Source::Bounce,
            text: "550 no such user".into(),
            ip: None,
            message: Some(MessageId([number; 12])),
        },
        at: Timestamp(u64::from(number)),
        message: MessageId([number; 12]),
        site: site_of(None, address.domain()),
    };
    for _ in 0..2 {
        let noted = rig.policy.bounced(death(1)).await.expect("store");
        assert_eq!(noted.0, super::super::Buried::Counted);
    }
    // What the log says of the same bounce, and the delivery of the next message.
    spooled(&rig, &event(&rig, &stream, (1, to), ("[192.0.2.1]", DEAD, 1))).await;
    let taken = event(&rig, &stream, (2, to), (MX, Outcome::Delivered, 2));
    let end = spooled(&rig, &taken).await;
    cross(&rig, end).await;
    assert!(!is_stopped(&rig, &stream, to));
    let noted = rig.policy.bounced(death(2)).await.expect("store");
    assert!(matches!(noted.0, super::super::Buried::Stopped(_)), "{noted:?}");
    assert!(is_stopped(&rig, &stream, to));
}

/// Spools a hundred deliveries of a site, then so many dead addresses.
async fn leap(rig: &Rig, stream: &Stream, dead: u8) {
    let mut events = Vec::new();
    let first = event(rig, stream, (0, "first@b.example"), (MX, DEAD, 1));
    events.push(first.encode());
    for number in 0..100 {
        let to = format!("well{number}@b.example");
        let taken = event(rig, stream, (number, &to), (MX, Outcome::Delivered, 2));
        events.push(taken.encode());
    }
    for number in 0..dead {
        let to = format!("dead{number}@b.example");
        let at = 1000 + u64::from(number);
        events.push(event(rig, stream, (number, &to), (MX, DEAD, at)).encode());
    }
    let durability = crate::events::Durability::Synced;
    let end = *rig.spool.append(events, durability).await.expect("written").last().expect("one");
    cross(rig, end).await;
}

#[tokio::test]
async fn a_leap_holds_the_stops_of_its_site_over_a_restart_until_the_operator_decides() {
    let home = tempfile::tempdir().expect("a folder");
    let rig = rig(home.path());
    let stream = stream(&rig).await;
    leap(&rig, &stream, 30).await;
    let alarms = rig.policy.alarms().expect("store");
    assert_eq!(alarms.len(), 1, "{alarms:?}");
    let slipped = 30 - alarms[0].held;
    assert_eq!(alarms[0].site, "site.example");
    assert!((8..=12).contains(&slipped), "{slipped} slipped through");
    assert!(is_stopped(&rig, &stream, "dead0@b.example"));
    assert!(!is_stopped(&rig, &stream, "dead29@b.example"));
    // Another site's are made.
    let other = event(&rig, &stream, (9, "x@c.example"), ("mx.c.example[192.0.2.9]:25", DEAD, 9));
    let end = spooled(&rig, &other).await;
    cross(&rig, end).await;
    assert!(is_stopped(&rig, &stream, "x@c.example"));
    // A restart keeps the alarm, and the next dead address is held as well.
    rig.spool.close().await;
    rig.store.close().await;
    drop(rig);
    let rig = self::rig(home.path());
    let again = event(&rig, &stream, (31, "late@b.example"), (MX, DEAD, 2000));
    let end = spooled(&rig, &again).await;
    cross(&rig, end).await;
    let alarms = rig.policy.alarms().expect("store");
    assert_eq!(alarms[0].held, 31 - slipped);
    let held = rig.policy.held("site.example", None, 99).expect("store");
    assert_eq!(held.len() as u64, alarms[0].held);
    // Dropped: nobody is stopped, and the site may leap again.
    let dropped = decide(&rig, Verb::Drop).await;
    assert_eq!(dropped, 31 - slipped);
    assert!(!is_stopped(&rig, &stream, "late@b.example"));
    assert!(rig.policy.alarms().expect("store").is_empty());
    leap(&rig, &stream, 30).await;
    let held = rig.policy.alarms().expect("store")[0].held;
    assert!(held > 10, "{held}");
    // Applied: they are stopped, and the same share is no leap any more.
    assert_eq!(decide(&rig, Verb::Apply).await, held);
    assert!((0..30).all(|n| is_stopped(&rig, &stream, &format!("dead{n}@b.example"))));
    let new = event(&rig, &stream, (32, "new@b.example"), (MX, DEAD, 3000));
    let end = spooled(&rig, &new).await;
    cross(&rig, end).await;
    assert!(is_stopped(&rig, &stream, "new@b.example"));
    assert!(rig.policy.alarms().expect("store").is_empty());
}

#[tokio::test]
async fn what_no_share_counts_leaves_the_operators_decision_alone() {
    let home = tempfile::tempdir().expect("a folder");
    let rig = rig(home.path());
    let stream = stream(&rig).await;
    leap(&rig, &stream, 30).await;
    decide(&rig, Verb::Drop).await;
    let late = event(&rig, &stream, (40, "late@site.example"), ("[192.0.2.1]", DEAD, 3000));
    let end = spooled(&rig, &late).await;
    cross(&rig, end).await;
    assert!(rig.policy.alarms().expect("store").is_empty());
    assert!(is_stopped(&rig, &stream, "late@site.example"));
    let counted = event(&rig, &stream, (41, "next@b.example"), (MX, DEAD, 4000));
    let end = spooled(&rig, &counted).await;
    cross(&rig, end).await;
    assert!(rig.policy.alarms().expect("store").is_empty(), "the share was dropped as well");
}

#[tokio::test]
async fn who_gets_mail_while_the_stop_is_held_is_held_no_more() {
    let home = tempfile::tempdir().expect("a folder");
    let permit_wait_max = config::Span(Duration::ZERO);
    let rig = rig_with(home.path(), config::Queue { permit_wait_max, ..Default::default() });
    let stream = stream(&rig).await;
    leap(&rig, &stream, 30).await;
    let held = rig.policy.alarms().expect("store")[0].held;
    let taken = event(&rig, &stream, (50, "dead29@b.example"), (MX, Outcome::Delivered, 3000));
    let end = spooled(&rig, &taken).await;
    cross(&rig, end).await;
    assert_eq!(rig.policy.alarms().expect("store")[0].held, held - 1);
    let writing = Address::parse("dead28@b.example").expect("address");
    let permit = rig.policy.permit(&stream, &writing).expect("store");
    let page = rig.policy.decide_held("site.example", Verb::Apply).await.expect("store");
    assert_eq!((page.count, page.in_flight), (held - 1, true), "a dot is being written");
    drop(permit);
    assert!(!is_stopped(&rig, &stream, "dead29@b.example"));
    assert!(is_stopped(&rig, &stream, "dead28@b.example"));
}

async fn decide(rig: &Rig, verb: Verb) -> u64 {
    let mut count = 0;
    loop {
        let page = rig.policy.decide_held("site.example", verb).await.expect("store");
        count += page.count;
        if !page.more {
            return count;
        }
    }
}

#[tokio::test]
async fn what_slipped_through_is_lifted_by_site_and_time() {
    let home = tempfile::tempdir().expect("a folder");
    let rig = rig(home.path());
    let stream = stream(&rig).await;
    let mut end = Sequence(0);
    for (number, to, relay, at) in [
        (1, "a@b.example", MX, 1000),
        (2, "b@b.example", MX, 2000),
        (3, "c@b.example", MX, 3000),
        (4, "d@c.example", "mx.c.example[192.0.2.9]:25", 2000),
    ] {
        let dead = event(&rig, &stream, (number, to), (relay, DEAD, at));
        end = spooled(&rig, &dead).await;
    }
    cross(&rig, end).await;
    let subject = Subject::Address(Address::parse("b@b.example").expect("address"));
    let evidence =
        Evidence { source: Source::Operator, text: String::new(), ip: None, message: None };
    let (scope, reason) = (Scope::Account, Reason::Manual);
    let by_hand = rig.policy.suppress(stream.account, subject, scope, reason, evidence.clone());
    by_hand.await.expect("store");
    let recall = crate::policy::Recall {
        site: Some("site.example".into()),
        since: Some(Timestamp(2000)),
        until: Some(Timestamp(3000)),
    };
    let counted = rig.policy.recall(stream.account, &recall, None, None).await.expect("store");
    assert_eq!((counted.count, counted.next), (1, None));
    let standing = |to: &str| {
        let subject = Subject::Address(Address::parse(to).expect("address"));
        let found = rig.policy.standing(stream.account, &subject).expect("store");
        found.into_iter().map(|standing| standing.stop.reason).collect::<Vec<_>>()
    };
    assert_eq!(standing("b@b.example").len(), 2, "it was only counted");
    let lifted = rig.policy.recall(stream.account, &recall, None, Some(evidence.clone())).await;
    assert_eq!(lifted.expect("store").count, 1);
    assert_eq!(standing("b@b.example"), [Reason::Manual], "what lies beneath stays");
    for to in ["a@b.example", "c@b.example", "d@c.example"] {
        assert_eq!(standing(to), [Reason::HardBounce], "{to}");
    }
    let all = crate::policy::Recall::default();
    let lifted = rig.policy.recall(stream.account, &all, None, Some(evidence)).await;
    assert_eq!(lifted.expect("store").count, 3);
    let subject = Subject::Address(Address::parse("a@b.example").expect("address"));
    let history = rig.policy.history(stream.account, &subject, 9).expect("store");
    assert_eq!(history.len(), 2, "each lift is an event");
}
