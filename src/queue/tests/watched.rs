//! What the figures say of the real queue.

use super::{clock, open_with, settings, site};
use crate::mail::{Domain, Timestamp};
use crate::queue::{Attempt, Queue, Selector, Site, Suspension};
use std::time::Duration;

#[tokio::test]
async fn the_oldest_that_is_due_is_one_that_might_be_tried() {
    let home = tempfile::tempdir().expect("a folder");
    let rig = open_with(home.path(), clock(), settings());
    let (_, stream) = rig.stream().await;
    assert_eq!(rig.queue.summary().await.oldest_due, Duration::ZERO);
    rig.accept(&stream, 1, "app@acme.example", &["one@a.example"]).await;
    let minute = Duration::from_secs(60);
    rig.turn(minute * 10);
    rig.accept(&stream, 2, "app@acme.example", &["two@b.example"]).await;
    rig.turn(minute);
    assert_eq!(rig.queue.summary().await.oldest_due, minute * 11);
    // What the operator has suspended is due, and nobody is to be woken for it.
    let domain = Domain::parse("a.example").expect("a domain");
    let (name, reason, at) = (domain.to_string(), String::from("ask them"), Timestamp(0));
    let word = Suspension { name, until: None, reason, at };
    rig.queue.suspend(vec![word]);
    assert_eq!(rig.queue.summary().await.oldest_due, minute);
    rig.queue.suspend(Vec::new());
    assert_eq!(rig.queue.summary().await.oldest_due, minute * 11);
    let site: Site = site("a.example");
    rig.queue.hold(Selector::Domain(domain), true).await.expect("held");
    assert_eq!(rig.queue.summary().await.oldest_due, minute);
    assert!(rig.queue.lease(&site, 9).await.is_empty());
}

#[tokio::test]
async fn what_waits_is_counted_by_the_age_of_its_message_and_its_state() {
    let home = tempfile::tempdir().expect("a folder");
    let rig = open_with(home.path(), clock(), settings());
    let (_, stream) = rig.stream().await;
    rig.accept(&stream, 1, "app@acme.example", &["one@a.example", "two@b.example"]).await;
    rig.turn(Duration::from_secs(2 * 3600));
    rig.accept(&stream, 2, "app@acme.example", &["three@a.example"]).await;
    rig.turn(Duration::from_secs(30));
    let domain = Domain::parse("b.example").expect("a domain");
    rig.queue.hold(Selector::Domain(domain), true).await.expect("held");
    let leases = rig.queue.lease(&site("a.example"), 1).await;
    assert_eq!(leases.len(), 1, "the older one");
    let [queued, active, held] = rig.queue.summary().await.ages;
    assert_eq!(queued, [1, 0, 0, 0, 0, 0]);
    assert_eq!(active, [0, 0, 0, 1, 0, 0]);
    assert_eq!(held, [0, 0, 0, 1, 0, 0]);
    for lease in leases {
        rig.queue.finish(lease, Attempt::Untried).await.expect("given back");
    }
    assert_eq!(rig.queue.summary().await.ages[0], [1, 0, 0, 1, 0, 0]);
}
