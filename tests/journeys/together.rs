//! Several recipients in one transaction, where all get the same copy: each has a fate of its own, and a
//! bounce that comes later finds whom it is about.

use super::hostile::{answer, fate, fates, is_done, submit, until};
use super::inbound;
use crate::support::World;
use crate::support::client::letter;
use relent::demo::receiver::{Fault, Received, Step};

const LOG: &str = "[log]\njson = true\n";

/// A world with a stream whose copies are alike for all.
async fn world(delivery: &str, more: &str) -> World {
    let world = World::start_with(delivery, more).await;
    world.done(&["stream", "add", "acme", "notices", "--kind", "transactional"]);
    world
}

fn people(count: usize) -> Vec<String> {
    (0..count).map(|n| format!("p{n}@reader.example")).collect()
}

fn send(world: &World, stream: &str, to: &[String], subject: &str) {
    let to: Vec<&str> = to.iter().map(String::as_str).collect();
    submit(world, stream, &to, &letter(subject));
}

async fn all_done(world: &World) -> Vec<Received> {
    until("all of it to end", || is_done(world)).await;
    world.receiver.mailbox()
}

/// How many recipients each message had, most first.
fn counts(mailbox: &[Received]) -> Vec<usize> {
    let mut counts: Vec<usize> = mailbox.iter().map(|mail| mail.recipients.len()).collect();
    counts.sort_unstable_by(|a, b| b.cmp(a));
    counts
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_copy_goes_once_to_all_of_a_domain_and_only_to_them() {
    let world = world("recipients_per_transaction_max = 20", LOG).await;
    let second = world.second().await;
    let to = [people(30), vec!["x@second.example".into(), "y@second.example".into()]].concat();
    send(&world, "notices", &to, "To all");
    assert_eq!(counts(&all_done(&world).await), [20, 10]);
    assert_eq!(counts(&second.mailbox()), [2]);
    for person in &to {
        assert!(fate(&world, person).await.starts_with("delivered"), "{person}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_is_signed_for_one_person_goes_to_that_person_alone() {
    let world = World::start().await;
    let to = people(3);
    to.iter().for_each(|person| world.agree(person));
    send(&world, "newsletter", &to, "To each");
    let mailbox = all_done(&world).await;
    assert_eq!(counts(&mailbox), [1, 1, 1]);
    let mut senders: Vec<_> = mailbox.iter().map(|mail| mail.sender.clone()).collect();
    senders.sort();
    senders.dedup();
    assert_eq!(senders.len(), 3, "each has a return path of its own");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_of_a_transaction_gets_its_own_answer() {
    for offers in [Vec::new(), vec![Fault::Offer("CHUNKING".into())]] {
        let world = world("", LOG).await;
        let faults = vec![
            Fault::Recipient("p1@".into(), "550 5.1.1 nobody".into()),
            Fault::Recipient("p3@".into(), "452 4.2.2 full".into()),
        ];
        world.receiver.misbehave([faults, offers.clone()].concat());
        let to = people(5);
        send(&world, "notices", &to, "Mixed");
        let expected = ["delivered", "failed 5.1.1", "delivered", "deferred 4.2.2", "delivered"];
        for (person, expected) in to.iter().zip(expected) {
            let fate = fate(&world, person).await;
            assert!(fate.starts_with(expected), "{person}: {fate}");
        }
        world.receiver.misbehave(offers);
        let mailbox = all_done(&world).await;
        let of = |person: &str| {
            mailbox.iter().filter(|mail| mail.recipients.iter().any(|to| to == person)).count()
        };
        let copies: Vec<usize> = to.iter().map(|person| of(person)).collect();
        assert_eq!(copies, [1, 0, 1, 1, 1]);
        assert_eq!(of("news@acme.example"), 1, "the report about one");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn those_whom_a_server_has_no_room_for_go_in_the_next_transaction_at_once() {
    for reply in ["452 4.5.3 too many", "452 enough", "552 5.5.3 too many", "421 4.7.0 too many"] {
        let world = world("", LOG).await;
        world.receiver.misbehave(vec![Fault::Recipients(4, reply.into())]);
        let to = people(10);
        send(&world, "notices", &to, "In parts");
        assert_eq!(counts(&all_done(&world).await), [4, 4, 2], "{reply}");
        for person in &to {
            let fates = fates(&world, person);
            assert_eq!(fates.len(), 1, "{reply}: {fates:?}");
            assert!(fates[0].starts_with("delivered"), "{reply}: {fates:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_says_its_limits_is_not_asked_for_more() {
    let world = world("connections_per_site_max = 1", LOG).await;
    world.receiver.misbehave(vec![Fault::Offer("LIMITS RCPTMAX=3 MAILMAX=2".into())]);
    send(&world, "notices", &people(7), "Three by three");
    assert_eq!(counts(&all_done(&world).await), [3, 3, 1]);
    assert_eq!(world.receiver.connections(), 2, "two messages a connection");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_said_of_the_message_is_said_to_all_whom_it_was_for() {
    let world = world("", LOG).await;
    let to = people(3);
    for (place, (what, expected)) in [
        (answer(Step::Dot, "451 4.3.0 later"), "deferred 4.3.0"),
        (answer(Step::Dot, "554 5.7.1 spam"), "failed 5.7.1"),
        (Fault::Drop(Step::Dot), "deferred 4.4.2"),
        (answer(Step::Data, "451 4.3.0 later"), "deferred 4.3.0"),
    ]
    .into_iter()
    .enumerate()
    {
        let to: Vec<_> =
            to.iter().map(|person| person.replace('@', &format!("-{place}@"))).collect();
        let refused = Fault::Recipient("p1-".into(), "550 5.1.1 nobody".into());
        world.receiver.misbehave(vec![what, refused]);
        send(&world, "notices", &to, "All alike");
        for (place, person) in to.iter().enumerate() {
            let fate = fate(&world, person).await;
            let expected = if place == 1 { "failed 5.1.1" } else { expected };
            assert!(fate.starts_with(expected), "{person}: {fate}");
        }
        world.receiver.misbehave(Vec::new());
        world.done(&["queue", "retry", "--all"]);
        until("its end", || is_done(&world)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_address_of_several_is_found_out_one_by_one() {
    for offers in [Vec::new(), vec![Fault::Offer("CHUNKING".into())]] {
        let world = world("", LOG).await;
        let dead = Fault::DotFor("p1@".into(), "550 5.1.1 user unknown".into());
        world.receiver.misbehave([vec![dead], offers].concat());
        let to = people(4);
        send(&world, "notices", &to, "To four");
        for (place, person) in to.iter().enumerate() {
            let fate = fate(&world, person).await;
            let expected = if place == 1 { "failed 5.1.1" } else { "delivered" };
            assert!(fate.starts_with(expected), "{person}: {fate}");
        }
        let mailbox = all_done(&world).await;
        let news = |mail: &&Received| mail.recipients[0] != "news@acme.example";
        assert!(mailbox.iter().filter(news).all(|mail| mail.recipients.len() == 1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_too_many_makes_no_answer_certain() {
    let world = world("connection_idle = \"0s\"", LOG).await;
    let stale = "250 2.1.5 ok\r\n550 5.1.1 stale";
    world.receiver.misbehave(vec![Fault::Recipient("p0@".into(), stale.into())]);
    let to = people(3);
    send(&world, "notices", &to, "Shifted");
    for person in &to {
        let fate = fate(&world, person).await;
        assert!(fate.starts_with("deferred 4."), "{person}: {fate}");
    }
    world.receiver.misbehave(Vec::new());
    let mailbox = all_done(&world).await;
    assert_eq!(mailbox.iter().map(|mail| mail.recipients.len()).sum::<usize>(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_who_stops_before_the_dot_is_left_out_and_the_others_get_theirs() {
    let world = world("", LOG).await;
    world.receiver.misbehave(vec![Fault::Deaf]);
    let to = people(4);
    let body = "x".repeat(78) + "\r\n";
    let large = letter("Stopped midway") + &body.repeat((700 << 10) / body.len());
    let named: Vec<&str> = to.iter().map(String::as_str).collect();
    submit(&world, "notices", &named, &large);
    until("the server to stop reading", || world.receiver.deaf() == 1).await;
    world.done(&["suppression", "add", "acme", &to[2]]);
    world.receiver.misbehave(Vec::new());
    let mailbox = all_done(&world).await;
    assert_eq!(counts(&mailbox), [3], "{mailbox:?}");
    for (place, person) in to.iter().enumerate() {
        let expected = if place == 2 { "stopped 5.7.1" } else { "delivered" };
        assert_eq!(fates(&world, person).len(), 1);
        assert!(fate(&world, person).await.starts_with(expected), "{person}");
    }
}

fn report(kind: &str, part: &str, fields: &str, original: &str) -> String {
    format!(
        "From: mailer-daemon@reader.example\r\nSubject: a report\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/report; report-type={kind}; boundary=b\r\n\r\n\
         --b\r\nContent-Type: text/plain\r\n\r\nA report.\r\n--b\r\nContent-Type: {part}\r\n\r\n\
         {fields}\r\n--b\r\nContent-Type: text/rfc822-headers\r\n\r\n{original}\r\n--b--\r\n"
    )
}

fn bounce(address: &str, status: &str) -> String {
    let fields = format!(
        "Reporting-MTA: dns; mx.reader.example\r\n\r\nOriginal-Recipient: rfc822; {address}\r\n\
         Final-Recipient: rfc822; elsewhere@forwarded.example\r\nAction: failed\r\nStatus: {status}\r\n"
    );
    report("delivery-status", "message/delivery-status", &fields, "Subject: To all")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_back_of_a_shared_copy_is_about_whom_it_names() {
    let world = world("", LOG).await;
    world.receiver.misbehave(vec![Fault::Offer("DSN".into())]);
    let to = [people(4), vec!["x@second.example".into()]].concat();
    let second = world.second().await;
    send(&world, "notices", &to, "To all");
    let mailbox = all_done(&world).await;
    assert_eq!((counts(&mailbox), counts(&second.mailbox())), (vec![4], vec![1]));
    let (mail, path) = (&mailbox[0], &mailbox[0].sender);
    for (person, said) in mail.recipients.iter().zip(&mail.parameters[1..]) {
        assert_eq!(*said, format!("ORCPT=rfc822;{person}"));
    }
    let stops = |person: &str| world.relent(&["suppression", "show", "acme", person, "--json"]).out;
    assert!(inbound(&world, "", path, &bounce(&to[1], "5.1.1")).starts_with("250"));
    super::delivered(&world, "news@acme.example").await;

    // Whoever got this copy speaks of nobody elsewhere, and of nobody who got none.
    for address in ["x@second.example", "nobody@reader.example"] {
        assert!(inbound(&world, "", path, &bounce(address, "5.1.1")).starts_with("250"));
    }
    let forwarded = |mail: &&Received| {
        let text = String::from_utf8_lossy(&mail.message);
        mail.recipients == ["news@acme.example"] && text.contains("Subject: a report")
    };
    until("the sender to read both", || {
        world.receiver.mailbox().iter().filter(forwarded).count() == 2
    })
    .await;
    let complaint = |fields: &str| {
        let fields = format!("Feedback-Type: abuse\r\nUser-Agent: x/1\r\nVersion: 1\r\n{fields}");
        let original = format!("Return-Path: <{path}>\r\nSubject: To all");
        let message = report("feedback-report", "message/feedback-report", &fields, &original);
        inbound(&world, "", "fbl@relay.relent.example", &message)
    };
    assert!(complaint("").starts_with("250"));
    assert!(complaint(&format!("Original-Rcpt-To: {}\r\n", to[2])).starts_with("250"));
    assert!(stops(&to[2]).contains("complaint"));
    // Each of them knows the path: a bounce along it stops nobody's mail.
    for person in [&to[0], &to[1], &to[3], &to[4]] {
        let stops = stops(person);
        assert!(!stops.contains("hard_bounce") && !stops.contains("complaint"), "{stops}");
    }
    let letter = |from: &str| format!("From: <{from}>\r\nSubject: Re\r\n\r\nThank you all.\r\n");
    let said = inbound(&world, "eve@reader.example", path, &letter("eve@reader.example"));
    assert!(said.starts_with("550 5.1.1"), "{said}");
    assert!(inbound(&world, &to[0], path, &letter(&to[0])).starts_with("250"));
}
