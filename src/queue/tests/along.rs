//! Recipients of one message that go along in one transaction.

use super::{Rig, clock, open_with, rig, settings};
use crate::accounts::StreamKind;
use crate::mail::{Domain, Status};
use crate::queue::{Attempt, Lease, Queue, Said, Selector, Site};

const TO: [&str; 5] =
    ["a@one.example", "b@one.example", "c@two.example", "d@one.example", "e@one.example"];

fn domain() -> Domain {
    Domain::parse("one.example").expect("a domain")
}

fn one() -> Site {
    Site::of(&domain())
}

async fn accepted(rig: &Rig, kind: StreamKind) {
    let (account, _) = rig.stream().await;
    let stream = rig.another(&account, "receipts", kind, None).await;
    rig.accept(&stream, 1, "", &TO).await;
}

async fn leased(rig: &Rig) -> Vec<(u32, Vec<u32>)> {
    let leases = rig.queue.lease(&one(), 1).await;
    let numbers = |lease: &Lease| {
        (lease.recipient.0, lease.along.iter().map(|other| other.recipient.0).collect())
    };
    leases.iter().map(numbers).collect()
}

fn said(class: u8) -> Said {
    Said { relay: None, status: Status::new(class, 0, 0), text: "so".into(), class: None }
}

#[tokio::test]
async fn who_gets_the_same_copy_in_the_same_domain_goes_along_and_is_due_again_with_it() {
    let home = tempfile::tempdir().expect("a folder");
    let rig = rig(home.path());
    accepted(&rig, StreamKind::Transactional).await;
    assert_eq!(leased(&rig).await, [(0, vec![1, 3, 4])]);
    // Who is due again may stand first now; the others go along all the same.
    let again = leased(&rig).await;
    assert_eq!(again.iter().map(|(_, along)| 1 + along.len()).sum::<usize>(), 4, "{again:?}");
    // However many go along, the destination has one attempt.
    let lease = rig.queue.lease(&one(), 1).await.pop().expect("due");
    rig.queue.retry(Selector::All).await;
    assert_eq!(rig.queue.summary().await.active, 4);
    drop(lease);
    assert_eq!(rig.queue.summary().await.active, 0);
}

#[tokio::test]
async fn copies_of_their_own_go_alone_and_no_more_go_along_than_are_let() {
    let home = tempfile::tempdir().expect("a folder");
    let own = rig(home.path());
    accepted(&own, StreamKind::Marketing).await;
    assert_eq!(leased(&own).await, [(0, Vec::new())]);
    let home = tempfile::tempdir().expect("a folder");
    let mut config = settings();
    config.delivery.recipients_per_transaction_max = 2;
    let few = open_with(home.path(), clock(), config);
    accepted(&few, StreamKind::Transactional).await;
    assert_eq!(leased(&few).await.first(), Some(&(0, vec![1])));
}

#[tokio::test]
async fn each_ends_in_its_own_way_and_a_new_start_knows_it() {
    let home = tempfile::tempdir().expect("a folder");
    let rig = rig(home.path());
    accepted(&rig, StreamKind::Transactional).await;
    let mut lease = rig.queue.lease(&one(), 1).await.pop().expect("due");
    let mut along = std::mem::take(&mut lease.along);
    let left = along.pop().expect("the last");
    let ends = [
        Attempt::Deferred(said(4)),
        Attempt::Failed { said: said(5), dead_address: false },
        Attempt::Delivered(said(2)),
    ];
    let ended = std::iter::once(lease).chain(along).zip(ends).collect();
    rig.queue.finish_together(ended).await.expect("written");
    drop(left);
    let rig = rig.restart().await;
    let waiting = rig.queue.list(Selector::All, 9).await;
    let waiting: Vec<_> = waiting.iter().map(|one| (one.number, one.attempts)).collect();
    assert_eq!(waiting, [(0, 1), (2, 0), (4, 0)]);
}

#[tokio::test]
async fn what_ends_a_lease_untouched_ends_those_along_with_it() {
    let home = tempfile::tempdir().expect("a folder");
    let rig = rig(home.path());
    accepted(&rig, StreamKind::Transactional).await;
    let lease = rig.queue.lease(&one(), 1).await.pop().expect("due");
    rig.queue.finish(lease, Attempt::Deferred(said(4))).await.expect("written");
    assert!(leased(&rig).await.is_empty(), "all of them wait");
    let waiting = rig.queue.list(Selector::All, 9).await;
    assert_eq!(waiting.iter().filter(|one| one.attempts == 1).count(), 4);
    // What may not be tried yet counts as no attempt and says why.
    rig.turn(std::time::Duration::from_secs(3600));
    let until = crate::world::Clock::now(&*rig.clock).after(std::time::Duration::from_secs(600));
    let lease = rig.queue.lease(&one(), 1).await.pop().expect("due");
    let wait = Attempt::Waits { said: said(4), until };
    rig.queue.finish(lease, wait).await.expect("taken");
    let waiting = rig.queue.list(Selector::Domain(domain()), 9).await;
    assert!(waiting.iter().all(|one| (one.attempts, one.due_at) == (1, until)), "{waiting:?}");
}
