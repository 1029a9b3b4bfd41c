//! Mail servers that misbehave: what each recipient's fate is, and that nobody else's changes.

use crate::support::World;
use crate::support::client::{Client, letter};
use relent::demo::receiver::{Fault, Receiver, Step};
use std::time::{Duration, Instant};

const ANN: &str = "ann@reader.example";
const LOG: &str = "[log]\njson = true\n";
/// Settings under which a server is slow that takes a minute, and none that a busy machine delays.
const HASTY: &str = "connection_idle = \"0s\"\ngreeting_timeout = \"6s\"\nmail_timeout = \"6s\"\n\
                     rcpt_timeout = \"6s\"\ndata_timeout = \"6s\"\nblock_timeout = \"6s\"\n\
                     dot_timeout = \"6s\"\n";

/// Waits until something holds that must come to hold.
pub async fn until(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + crate::support::PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub fn submit(world: &World, stream: &str, to: &[&str], message: &str) {
    let user = format!("app/{stream}");
    let mut app = Client::login(world.ports.submission[0], &user, &world.password);
    let reply = app.submit("news@acme.example", to, message);
    assert!(reply.starts_with("250"), "{reply}");
}

/// How the attempts for a recipient ended so far, from the log: outcome, status and text of each.
pub fn fates(world: &World, to: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in world.log().lines() {
        let Ok(line) = serde_json::from_str::<serde_json::Value>(line) else { continue };
        if line["target"] == "relent::delivery" && line["to"] == to {
            let part = |name: &str| line[name].as_str().unwrap_or_default().to_owned();
            found.push(format!("{} {} {}", part("status"), part("dsn"), part("said")));
        }
    }
    found
}

/// How the first attempt for a recipient ended.
pub async fn fate(world: &World, to: &str) -> String {
    until(&format!("an attempt for {to}"), || !fates(world, to).is_empty()).await;
    fates(world, to).remove(0)
}

pub fn is_done(world: &World) -> bool {
    world.done(&["queue", "list", "--json"]).out.trim() == "[]"
}

/// Has what was put off tried until nothing waits any more. One that was asked for while an attempt was
/// just being written down would be none.
pub async fn finish(what: &str, world: &World) {
    until(what, || {
        world.done(&["queue", "retry", "--all"]);
        is_done(world)
    })
    .await;
}

/// Sends a message under each fault, and asks how its first attempt ended; then the server behaves,
/// and nothing may be left.
async fn each(cases: Vec<(&str, Fault, &str)>) {
    each_offered(&[], cases).await;
}

/// The same with a server that offers these besides.
pub async fn each_offered(offers: &[&str], cases: Vec<(&str, Fault, &str)>) {
    let world = World::unhurried(HASTY, LOG).await;
    let offers: Vec<_> = offers.iter().map(|word| Fault::Offer((*word).into())).collect();
    for (place, (name, fault, expected)) in cases.into_iter().enumerate() {
        let to = format!("case{place}@reader.example");
        world.receiver.misbehave([offers.clone(), vec![fault]].concat());
        submit(&world, "receipts", &[&to], &letter(name));
        let fate = fate(&world, &to).await;
        assert!(fate.starts_with(expected), "{name}: {fate}");
        let doubtful = fate.contains("possible duplicate");
        assert_eq!(doubtful, name.contains("in doubt"), "{name}: {fate}");
        world.receiver.misbehave(Vec::new());
        finish(name, &world).await;
        let copies = world.receiver.mailbox();
        let copies = copies.iter().filter(|mail| mail.recipients.contains(&to)).count();
        let failed = expected.starts_with("failed");
        let both = name.contains("kept, in doubt");
        assert_eq!(copies, if failed { 0 } else { 1 + usize::from(both) }, "{name}");
    }
}

pub fn answer(step: Step, text: &str) -> Fault {
    Fault::Answer(step, text.into())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_for_now_or_for_good_is_the_recipients_fate_at_every_step() {
    each(vec![
        ("greeting 4xx", answer(Step::Greeting, "421 4.3.2 busy"), "deferred 4.3.2 421 4.3.2 busy"),
        ("greeting 5xx", answer(Step::Greeting, "554 go away"), "deferred 4.4.1 554 go away"),
        ("EHLO 4xx", answer(Step::Hello, "451 not you"), "deferred 4.4.1 451 not you"),
        ("EHLO 5xx, HELO then", answer(Step::Hello, "502 what"), "delivered"),
        ("MAIL 4xx", answer(Step::Mail, "451 4.7.1 later"), "deferred 4.7.1 451"),
        ("MAIL 5xx", answer(Step::Mail, "550 5.7.1 never"), "failed 5.7.1 550"),
        ("RCPT 4xx", answer(Step::Recipient, "450 4.2.1 full"), "deferred 4.2.1 450"),
        ("RCPT 5xx", answer(Step::Recipient, "550 5.1.1 nobody"), "failed 5.1.1 550"),
        ("DATA 4xx", answer(Step::Data, "451 later"), "deferred 4.0.0 451"),
        ("DATA 5xx", answer(Step::Data, "554 5.6.0 no"), "failed 5.6.0 554"),
        ("DATA 2xx", answer(Step::Data, "250 ok"), "deferred 4.5.0 250"),
        ("421 at MAIL", answer(Step::Mail, "421 4.7.0 go"), "deferred 4.7.0 421"),
        ("the dot 4xx", answer(Step::Dot, "452 4.3.1 full"), "deferred 4.3.1 452"),
        ("the dot 5xx", answer(Step::Dot, "554 5.7.1 spam"), "failed 5.7.1 554"),
        ("the dot 3xx", answer(Step::Dot, "354 more"), "deferred 4.0.0 354"),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hangs_up_is_tried_again_and_only_past_the_dot_in_doubt() {
    each(vec![
        ("greeting", Fault::Drop(Step::Greeting), "deferred 4.4.1"),
        ("EHLO", Fault::Drop(Step::Hello), "deferred 4.4.1"),
        ("MAIL", Fault::Drop(Step::Mail), "deferred 4.4.2"),
        ("RCPT", Fault::Drop(Step::Recipient), "deferred 4.4.2"),
        ("DATA", Fault::Drop(Step::Data), "deferred 4.4.2"),
        ("after the dot, in doubt", Fault::Drop(Step::Dot), "deferred 4.4.2"),
        ("dot, in doubt, message kept, in doubt", Fault::SilentAfterDot, "deferred 4.4.2"),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_starttls_that_lies_costs_the_encryption_and_not_the_mail() {
    each(vec![
        ("refused", answer(Step::StartTls, "454 4.7.0 not today"), "delivered"),
        ("no handshake", Fault::BrokenTls, "delivered"),
        ("hung up", Fault::Drop(Step::StartTls), "delivered"),
        ("hung up after the handshake", Fault::Drop(Step::SecureHello), "delivered"),
        ("refuses after the handshake", answer(Step::SecureHello, "550 5.7.1 no"), "delivered"),
        ("talks on before it", answer(Step::StartTls, "220 go\r\n250 injected"), "delivered"),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_reply_or_not_the_asked_one_is_nobodys_fate() {
    each(vec![
        ("no greeting", answer(Step::Greeting, "hello there"), "deferred 4.4.1"),
        ("no reply to MAIL", answer(Step::Mail, "what is it"), "deferred 4.4.2"),
        ("mixed codes", answer(Step::Mail, "250-a\r\n550 b"), "deferred 4.4.2"),
        ("endless", Fault::EndlessReply, "deferred 4.4.2"),
        ("two for RCPT", answer(Step::Recipient, "250 ok\r\n550 5.1.1 stale"), "deferred 4.4.2"),
        ("a yes too early", answer(Step::Data, "354 go\r\n250 2.0.0 had"), "deferred 4.4.2"),
        ("a no before the dot", answer(Step::Data, "354 go\r\n552 5.3.4 big"), "failed 5.3.4"),
        ("no reply to the dot, in doubt", answer(Step::Dot, "\0\u{1}?"), "deferred 4.4.2"),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_slow_is_left_at_every_step() {
    let slow = Duration::from_secs(60);
    each(vec![
        ("greeting", Fault::Slow(Step::Greeting, slow), "deferred 4.4.1"),
        ("EHLO", Fault::Slow(Step::Hello, slow), "deferred 4.4.1"),
        ("MAIL", Fault::Slow(Step::Mail, slow), "deferred 4.4.2"),
        ("RCPT", Fault::Slow(Step::Recipient, slow), "deferred 4.4.2"),
        ("DATA", Fault::Slow(Step::Data, slow), "deferred 4.4.2"),
        ("the dot, kept, in doubt", Fault::Slow(Step::Dot, slow), "deferred 4.4.2"),
    ])
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_recipient_of_a_message_has_a_fate_of_its_own() {
    let world = World::start_with(HASTY, LOG).await;
    world.receiver.misbehave(vec![
        Fault::Recipient("bad@".into(), "550 5.1.1 nobody".into()),
        Fault::Recipient("full@".into(), "452 4.2.2 full".into()),
    ]);
    let [bad, full, good] = ["bad", "full", "good"].map(|name| format!("{name}@reader.example"));
    submit(&world, "receipts", &[&bad, &full, &good], &letter("All"));
    assert!(fate(&world, &bad).await.starts_with("failed 5.1.1"));
    assert!(fate(&world, &full).await.starts_with("deferred 4.2.2"));
    assert!(fate(&world, &good).await.starts_with("delivered"));
    world.receiver.misbehave(Vec::new());
    until("the full mailbox to have room", || {
        fates(&world, &full).last().is_some_and(|fate| fate.starts_with("delivered"))
    })
    .await;
    until("the report", || is_done(&world)).await;
    let to = |who: &str| {
        let mailbox = world.receiver.mailbox();
        mailbox.iter().filter(|mail| mail.recipients.contains(&who.to_owned())).count()
    };
    assert_eq!([to(&bad), to(&full), to(&good), to("news@acme.example")], [0, 1, 1, 1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_reply_to_one_dot_is_not_the_answer_to_the_next_message() {
    let world = World::start_with("connections_per_site_max = 1", LOG).await;
    world.receiver.misbehave(vec![answer(Step::Dot, "250 2.0.0 ok\r\n550 5.1.1 stale")]);
    let [one, two] = ["one", "two"].map(|name| format!("{name}@reader.example"));
    submit(&world, "receipts", &[&one, &two], &letter("Two"));
    for to in [&one, &two] {
        assert!(fate(&world, to).await.starts_with("delivered"), "{:?}", fates(&world, to));
    }
    let [one, two] = ["three", "four"].map(|name| format!("{name}@reader.example"));
    world.receiver.misbehave(vec![answer(Step::Dot, "552 5.3.4 big\r\n552 5.1.1 stale")]);
    submit(&world, "receipts", &[&one, &two], &letter("Two more"));
    for to in [&one, &two] {
        assert!(fate(&world, to).await.starts_with("failed 5.3.4"), "{:?}", fates(&world, to));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn another_server_is_asked_where_the_first_cannot_or_will_not_serve() {
    let world = World::start_with(HASTY, LOG).await;
    let first: Receiver = world.second().await;
    for (place, fault) in [
        answer(Step::Greeting, "554 5.7.1 not from you"),
        answer(Step::Hello, "250-small\r\n250 SIZE 100"),
        Fault::Drop(Step::Mail),
    ]
    .into_iter()
    .enumerate()
    {
        let to = format!("case{place}@both.example");
        first.misbehave(vec![fault]);
        submit(&world, "receipts", &[&to], &letter("Two servers"));
        assert!(fate(&world, &to).await.starts_with("delivered"), "{:?}", fates(&world, &to));
    }
    assert_eq!(first.connections(), 3);
    assert!(first.mailbox().is_empty());
    // No server takes it: a size that none has is final, a greeting is not.
    first.misbehave(vec![answer(Step::Hello, "250-small\r\n250 SIZE 100")]);
    submit(&world, "receipts", &["big@second.example"], &letter("One server"));
    let fate = fate(&world, "big@second.example").await;
    assert!(fate.starts_with("failed 5.3.4"), "{fate}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tarpit_delays_nobody_else() {
    let world = World::start_with("connections_max = 10", LOG).await;
    let tarpit = world.second().await;
    tarpit.misbehave(vec![Fault::Slow(Step::Mail, Duration::from_secs(600))]);
    let held: Vec<String> = (0..12).map(|n| format!("u{n}@second.example")).collect();
    let held: Vec<&str> = held.iter().map(String::as_str).collect();
    submit(&world, "receipts", &held, &letter("Slow"));
    until("the tarpit to hold all it can", || tarpit.open() == 2).await;
    submit(&world, "receipts", &[ANN], &letter("Fast"));
    super::delivered(&world, ANN).await;
    assert_eq!(tarpit.open(), 2, "a quarter of all connections");
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_under_the_name_of_a_domain_that_was_given_up_does_not_leave() {
    let world = World::start_with(HASTY, LOG).await;
    world.receiver.misbehave(vec![answer(Step::Recipient, "451 4.2.0 later")]);
    submit(&world, "receipts", &[ANN], &letter("Ours"));
    assert!(fate(&world, ANN).await.starts_with("deferred"));
    world.done(&["domain", "remove", "acme", "acme.example"]);
    world.receiver.misbehave(Vec::new());
    until("its end", || fates(&world, ANN).iter().any(|fate| fate.starts_with("failed"))).await;
    let end = fates(&world, ANN).pop().unwrap_or_default();
    assert!(end.starts_with("failed 5.7.1"), "{end}");
    let report = super::delivered(&world, "news@acme.example").await;
    assert!(String::from_utf8_lossy(&report.message).contains("Status: 5.7.1"));
    let mailbox = world.receiver.mailbox();
    assert!(mailbox.iter().all(|mail| !mail.recipients.contains(&ANN.to_owned())));
}

/// A stop is acknowledged while a server does not read on: it never gets the final dot.
async fn a_stop_holds_against_a_server_that_does_not_read(more: Vec<Fault>, size: usize) {
    let world = World::start().await;
    world.agree(ANN);
    world.receiver.misbehave([vec![Fault::Deaf], more.clone()].concat());
    let body = "x".repeat(78) + "\r\n";
    submit(&world, "newsletter", &[ANN], &(letter("One") + &body.repeat(size / body.len())));
    until("the server to stop reading", || world.receiver.deaf() == 1).await;
    // Time for the kernel to take all that it takes.
    tokio::time::sleep(Duration::from_millis(300)).await;
    world.done(&["suppression", "add", "acme", ANN]);
    world.receiver.misbehave(more);
    until("the connection to end", || world.receiver.open() == 0).await;
    assert!(world.receiver.mailbox().is_empty(), "a dot came after the stop was acknowledged");
    until("the item to end", || is_done(&world)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_dot_follows_a_stop_that_found_the_message_stuck_in_the_kernel() {
    // As much as the kernel takes of a message that nobody reads, and more than the server's.
    a_stop_holds_against_a_server_that_does_not_read(Vec::new(), 700 << 10).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_dot_follows_a_stop_in_the_clear_either() {
    let clear = Fault::Answer(Step::StartTls, "454 4.7.0 not today".into());
    a_stop_holds_against_a_server_that_does_not_read(vec![clear], 700 << 10).await;
}
