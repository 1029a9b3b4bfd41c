//! Sites over the real queue: what waits for one that nobody reaches, and who is told.

use super::{Rig, clock, open_with, said, settings, site};
use crate::events::message::Outcome;
use crate::mail::dsn::{Dsn, Notify, OfRecipient};
use crate::mail::{Domain, RecipientNumber, Status, Timestamp};
use crate::queue::{Attempt, Outage, Queue, Selector, Site, Suspension};
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3600);

/// An outage that has lasted so many hours, with an attempt in each.
fn outage(rig: &Rig, hours: u32) -> Outage {
    let now = rig.clock.0.load(std::sync::atomic::Ordering::SeqCst);
    let began = Timestamp(now - u64::from(hours) * 3_600_000);
    let waits = (0..=hours).map(|hour| (began.after(HOUR * hour), HOUR * hour)).collect();
    let mut said = said("no connection within 30s");
    said.status = Status::new(4, 4, 1);
    Outage { until: Timestamp(now).after(HOUR), said, failures: hours, waits }
}

async fn due(rig: &Rig) -> Option<Site> {
    tokio::time::timeout(Duration::from_millis(50), rig.queue.due()).await.ok()
}

#[tokio::test]
async fn what_waits_for_a_site_that_nobody_reaches_expires_and_its_sender_hears_why() {
    let home = tempfile::tempdir().expect("a folder");
    let rig = open_with(home.path(), clock(), settings());
    let (_, stream) = rig.stream().await;
    let expiry = rig.config.queue.expiry.0;
    rig.accept(&stream, 1, "app@acme.example", &["one@a.example", "two@b.example"]).await;
    rig.turn(expiry / 2);
    rig.accept(&stream, 2, "app@acme.example", &["three@a.example"]).await;
    rig.turn(expiry / 2 + Duration::from_secs(60));
    let dead = site("a.example");
    // Its clock may have jumped: without attempts that took their time nothing expires.
    rig.queue.pause(&dead, Some(outage(&rig, 1)));
    assert_eq!(rig.queue.expire().await, 0);
    rig.queue.pause(&dead, Some(outage(&rig, 96)));
    assert_eq!(due(&rig).await, Some(site("b.example")), "another is served");
    assert_eq!(rig.queue.lease(&dead, 9).await.len(), 0);
    assert_eq!(rig.queue.expire().await, 1, "one is old enough, one is not, one goes elsewhere");
    assert_eq!(rig.outcomes(), [Outcome::Failed { dead_address: false }]);
    let report = rig.one("acme.example").await;
    let text = rig.queue.read(&report.message.body).next().await;
    let text = text.expect("readable").expect("a body");
    let text = String::from_utf8_lossy(&text).into_owned();
    assert!(text.contains("Final-Recipient: rfc822; one@a.example\r\n"), "{text}");
    assert!(
        text.contains("Status: 5.4.7") && text.contains("after 96 attempts: no conn"),
        "{text}"
    );
    drop(report);
    let left = rig.queue.list(Selector::All, 9).await;
    let reasons: Vec<_> =
        left.iter().map(|item| (item.recipient.as_str(), item.why.as_str())).collect();
    let (_, why) = reasons.iter().find(|(to, _)| *to == "three@a.example").expect("it waits");
    assert!(why.starts_with("not reached 96 times") && why.ends_with("within 30s"), "{why}");
    let other = reasons.iter().find(|(to, _)| *to == "two@b.example").expect("it waits");
    assert!(!other.1.contains("not reached"), "{reasons:?}");
    // A retry by the operator ends the pause, and what waits is all there, in its order.
    assert_eq!(
        rig.queue.retry(Selector::Domain(Domain::parse("a.example").expect("one"))).await,
        1
    );
    let lease = rig.queue.lease(&dead, 9).await;
    assert_eq!(lease.len(), 1);
}

#[tokio::test]
async fn a_sender_who_asked_is_told_that_mail_for_a_site_out_of_reach_is_late() {
    let home = tempfile::tempdir().expect("a folder");
    let rig = open_with(home.path(), clock(), settings());
    let (_, stream) = rig.stream().await;
    let mut draft = rig.draft(&stream, 1, "app@acme.example", &["one@a.example"]);
    let notify = Notify::parse("DELAY");
    let wishes = vec![(RecipientNumber(0), OfRecipient { notify, original: None })];
    draft.dsn = Some(Box::new(Dsn { recipients: wishes, ..Dsn::default() }));
    rig.enqueue(draft).await;
    rig.accept(&stream, 2, "app@acme.example", &["two@a.example"]).await;
    rig.queue.pause(&site("a.example"), Some(outage(&rig, 1)));
    rig.queue.expire().await;
    assert_eq!(rig.outcomes(), [], "too early");
    rig.turn(rig.config.queue.delay_warning_after.0);
    for _ in 0..2 {
        rig.queue.expire().await;
        assert_eq!(rig.outcomes(), [Outcome::Warned], "once, and one of two");
    }
}

#[tokio::test]
async fn a_lease_that_is_given_back_untried_goes_before_what_came_later() {
    let home = tempfile::tempdir().expect("a folder");
    let rig = open_with(home.path(), clock(), settings());
    let (_, stream) = rig.stream().await;
    let first = rig.accept(&stream, 1, "", &["one@a.example"]).await;
    rig.accept(&stream, 2, "", &["two@a.example"]).await;
    let (own, servers) = (site("a.example"), Site::among(["mx.b.example"].into_iter()));
    let lease = rig.queue.lease(&own, 1).await.pop().expect("due");
    assert!(rig.queue.lease(&own, 1).await.is_empty(), "one attempt finds out about a new site");
    let domain = lease.domain().cloned().expect("a domain");
    assert!(rig.queue.join(&domain, &servers));
    assert_eq!(rig.queue.site(&domain), Some(servers.clone()));
    rig.queue.finish(lease, Attempt::Untried).await.expect("given back");
    assert_eq!(due(&rig).await, Some(servers.clone()));
    let again = rig.queue.lease(&servers, 1).await.pop().expect("due");
    assert_eq!(again.message.id, first);
    // A domain whose mail has all gone is still known to belong there.
    rig.queue.finish(again, Attempt::Delivered(said("250 ok"))).await.expect("finished");
    let second = rig.queue.lease(&servers, 1).await.pop().expect("due");
    rig.queue.finish(second, Attempt::Delivered(said("250 ok"))).await.expect("finished");
    rig.accept(&stream, 3, "", &["three@a.example"]).await;
    assert_eq!(due(&rig).await, Some(servers));
}

#[tokio::test]
async fn what_the_operator_holds_does_not_expire() {
    let home = tempfile::tempdir().expect("a folder");
    let rig = open_with(home.path(), clock(), settings());
    let (_, stream) = rig.stream().await;
    rig.accept(&stream, 1, "app@acme.example", &["one@a.example"]).await;
    rig.turn(rig.config.queue.expiry.0 * 2);
    rig.queue.pause(&site("a.example"), Some(outage(&rig, 400)));
    // Held after it was looked at, and before it is ended.
    let (lane, account, count) = rig.queue.state().lanes.waiting_out()[0];
    let late = rig.queue.slice(lane, account, count);
    assert_eq!((count, late.len()), (1, 1));
    assert_eq!(rig.queue.hold(Selector::All, true).await.expect("held"), 1);
    for late in late {
        assert!(!rig.queue.settle(late).await);
    }
    assert_eq!((rig.queue.expire().await, rig.waiting().await), (0, 1));
    rig.queue.hold(Selector::All, false).await.expect("released");
    assert_eq!(due(&rig).await, None, "it waits for its site");
    assert_eq!(rig.queue.expire().await, 1);
}

#[tokio::test]
async fn what_the_operator_suspended_waits_and_does_not_expire() {
    let home = tempfile::tempdir().expect("a folder");
    let rig = open_with(home.path(), clock(), settings());
    let (_, stream) = rig.stream().await;
    rig.accept(&stream, 1, "app@acme.example", &["one@a.example"]).await;
    let at = Timestamp(0);
    let word = Suspension { name: "a.example".into(), until: None, reason: "ask them".into(), at };
    rig.queue.suspend(vec![word]);
    rig.turn(rig.config.queue.expiry.0 * 2);
    assert_eq!((due(&rig).await, rig.queue.expire().await), (None, 0));
    let why = rig.queue.list(Selector::All, 9).await.remove(0).why;
    assert_eq!(why, "a.example is suspended by the operator: ask them");
    // Nor while nobody can reach its site either.
    rig.queue.pause(&site("a.example"), Some(outage(&rig, 400)));
    assert_eq!((rig.queue.expire().await, rig.waiting().await), (0, 1));
    rig.queue.pause(&site("a.example"), None);
    rig.queue.suspend(Vec::new());
    assert_eq!(due(&rig).await, Some(site("a.example")));
}
