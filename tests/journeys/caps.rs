//! What a server may say, and how long: past any bound it is left, and a connection on which something
//! was said that nobody asked for is not used again.

use super::hostile::{answer, each_offered, fate, fates, finish, submit, until};
use crate::support::World;
use crate::support::client::letter;
use relent::demo::receiver::{Fault, Step};
use std::time::Duration;

const LOG: &str = "[log]\njson = true\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_past_any_bound_is_none() {
    let lines = |count: usize, text: &str| {
        let more = format!("250-{text}\r\n").repeat(count - 1);
        format!("{more}250 {text}")
    };
    let mail = |text: String| answer(Step::Mail, &text);
    each_offered(
        &[],
        vec![
            ("a line of 3 kB", mail(format!("250 {}", "x".repeat(3000))), "deferred 4.4.2"),
            ("a line without an end", mail("250 x".repeat(3000)), "deferred 4.4.2"),
            ("120 lines", mail(lines(120, "ok")), "deferred 4.4.2"),
            ("9 kB", mail(lines(9, &"x".repeat(1000))), "deferred 4.4.2"),
            ("99 lines", mail(lines(99, "ok")), "delivered"),
            ("EHLO of 1,000 lines", answer(Step::Hello, &lines(1000, "X-A")), "deferred 4.4.1"),
            ("octets of any kind", mail("250 \u{0}\u{7f}\u{fffd}\u{1b}[2J".into()), "delivered"),
            ("a code alone", answer(Step::Mail, "250"), "delivered"),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_that_trickles_has_no_more_time_than_another() {
    // The shortest of these replies takes twice the time that a server has.
    let pause = Duration::from_secs(2);
    let trickle = |step| Fault::Trickle(step, pause);
    each_offered(
        &[],
        vec![
            ("greeting", trickle(Step::Greeting), "deferred 4.4.1"),
            ("EHLO", trickle(Step::Hello), "deferred 4.4.1"),
            ("MAIL", trickle(Step::Mail), "deferred 4.4.2"),
            ("RCPT", trickle(Step::Recipient), "deferred 4.4.2"),
            ("DATA", trickle(Step::Data), "deferred 4.4.2"),
            ("the dot, kept, in doubt", trickle(Step::Dot), "deferred 4.4.2"),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_stops_reading_has_the_time_of_one_block() {
    let world = World::start_with("block_timeout = \"1s\"", LOG).await;
    world.receiver.misbehave(vec![Fault::Deaf]);
    let body = "x".repeat(78) + "\r\n";
    let large = letter("Large") + &body.repeat((20 << 20) / body.len());
    submit(&world, "receipts", &["ann@reader.example"], &large);
    until("the server to stop reading", || world.receiver.deaf() == 1).await;
    // Every other time that it has is longer than this waits.
    let fate = fate(&world, "ann@reader.example").await;
    assert!(fate.starts_with("deferred 4.4.2") && fate.contains("nothing within 1s"), "{fate}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_is_not_used_again_after_confusion() {
    let stale = "250 2.0.0 ok\r\n550 5.1.1 stale";
    let after_data = vec![
        (answer(Step::Recipient, "550 5.1.1 nobody"), true),
        (answer(Step::Dot, "554 5.7.1 spam"), true),
        (answer(Step::Mail, "what is it"), false),
        (answer(Step::Mail, "354 go on"), false),
        (answer(Step::Recipient, "354 go on"), false),
        (answer(Step::Recipient, stale), false),
        (answer(Step::Data, "250 2.0.0 ok"), false),
        (answer(Step::Dot, "354 more"), false),
        (answer(Step::Dot, stale), false),
        (answer(Step::Dot, "\0?"), false),
        (Fault::Drop(Step::Dot), false),
    ];
    let in_chunks =
        vec![(answer(Step::Chunk, "354 go on"), false), (answer(Step::Dot, stale), false)];
    let offer = Fault::Offer("CHUNKING".into());
    for (offers, cases) in [(Vec::new(), after_data), (vec![offer], in_chunks)] {
        let kept = "connections_per_site_max = 1\nconnection_idle = \"60s\"";
        let world = World::unhurried(kept, LOG).await;
        world.receiver.misbehave(offers.clone());
        for (place, (fault, is_used_again)) in cases.into_iter().enumerate() {
            // Each begins with a connection on which mail has been sent.
            let to = |what: &str| format!("{what}{place}@reader.example");
            submit(&world, "receipts", &[&to("first")], &letter("First"));
            assert!(fate(&world, &to("first")).await.starts_with("delivered"));
            world.receiver.misbehave([offers.clone(), vec![fault.clone()]].concat());
            submit(&world, "receipts", &[&to("confused")], &letter("Confused"));
            fate(&world, &to("confused")).await;
            world.receiver.misbehave(offers.clone());
            let before = world.receiver.connections();
            submit(&world, "receipts", &[&to("second")], &letter("Second"));
            assert!(fate(&world, &to("second")).await.starts_with("delivered"));
            let opened = world.receiver.connections() - before;
            assert_eq!(opened == 0, is_used_again, "{fault:?}: {opened} opened");
            finish("all to end", &world).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_possible_duplicate_is_told_and_counted() {
    let world = World::unhurried("", LOG).await;
    world.receiver.misbehave(vec![Fault::SilentAfterDot]);
    submit(&world, "receipts", &["ann@reader.example"], &letter("Twice, perhaps"));
    fate(&world, "ann@reader.example").await;
    world.receiver.misbehave(Vec::new());
    finish("it to be sent again", &world).await;
    assert_eq!(fates(&world, "ann@reader.example").len(), 2);
    assert_eq!(world.receiver.mailbox().len(), 2);
    let explained = world.done(&["explain", "acme/receipts", "ann@reader.example"]).out;
    assert!(explained.contains("possible duplicate"), "{explained}");
    let page = world.http("GET /metrics HTTP/1.1", "");
    assert!(page.contains("\nrelent_possible_duplicates_total 1\n"), "{page}");
}
