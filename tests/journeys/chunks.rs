//! Mail in chunks (BDAT): what a server may do to them, and that a stop holds against the last.

use super::hostile::{answer, each_offered, fate, is_done, submit, until};
use crate::support::World;
use crate::support::client::letter;
use relent::demo::receiver::{Fault, Step};
use std::time::Duration;

const CHUNKING: &str = "CHUNKING";
const ANN: &str = "ann@reader.example";

fn offered() -> Vec<Fault> {
    vec![Fault::Offer(CHUNKING.into())]
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_server_says_of_a_chunk_or_the_last_is_the_recipients_fate() {
    each_offered(
        &[CHUNKING],
        vec![
            ("a chunk 4xx", answer(Step::Chunk, "452 4.3.1 full"), "deferred 4.3.1 452"),
            ("a chunk 5xx", answer(Step::Chunk, "552 5.3.4 too big"), "failed 5.3.4 552"),
            ("a chunk 421", answer(Step::Chunk, "421 4.3.2 bye"), "deferred 4.3.2 421"),
            ("a chunk 3xx", answer(Step::Chunk, "354 more"), "deferred 4.0.0 354"),
            ("the last 4xx", answer(Step::Dot, "452 4.3.1 full"), "deferred 4.3.1 452"),
            ("the last 5xx", answer(Step::Dot, "554 5.7.1 spam"), "failed 5.7.1 554"),
            ("the last 3xx", answer(Step::Dot, "354 more"), "deferred 4.0.0 354"),
            ("after the dot, in doubt", Fault::Drop(Step::Dot), "deferred 4.4.2"),
            ("dot, in doubt, message kept, in doubt", Fault::SilentAfterDot, "deferred 4.4.2"),
            ("two for RCPT", answer(Step::Recipient, "250 ok\r\n550 stale"), "deferred 4.4.2"),
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_does_not_know_the_chunks_it_offers_gets_the_message_after_data() {
    let world = World::start().await;
    let unknown = answer(Step::Chunk, "502 5.5.1 what is BDAT");
    world.receiver.misbehave([offered(), vec![unknown]].concat());
    submit(&world, "receipts", &[ANN], &letter("Two ways"));
    let mail = super::delivered(&world, ANN).await;
    assert!(String::from_utf8_lossy(&mail.message).contains("Subject: Two ways"));
    assert_eq!(
        world.receiver.connections(),
        2,
        "one on which its commands were read for a message"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_in_many_chunks_arrives_byte_for_byte() {
    let world = World::start_with("chunk_size = \"1kB\"", "").await;
    let body = ".dot\r\n..\r\n.\u{20}\r\nno BDAT 7 LAST\r\n".repeat(2000);
    let sent = letter("Many") + &body;
    for (offer, to) in [(true, "chunks@reader.example"), (false, "data@reader.example")] {
        world.receiver.misbehave(if offer { offered() } else { Vec::new() });
        submit(&world, "receipts", &[to], &sent);
        let mail = super::delivered(&world, to).await;
        let text = String::from_utf8_lossy(&mail.message).into_owned();
        let (_, got) = text.split_once("\r\n\r\n").expect("a body");
        let (_, wrote) = sent.split_once("\r\n\r\n").expect("a body");
        assert_eq!(got, wrote, "{to}");
    }
}

/// A stop is acknowledged while a server does not read on: it never gets the last chunk.
async fn a_stop_holds(more: Vec<Fault>) {
    let world = World::start_with("", "[log]\njson = true\n").await;
    world.agree(ANN);
    let more = [offered(), more].concat();
    world.receiver.misbehave([vec![Fault::Deaf], more.clone()].concat());
    let body = "x".repeat(78) + "\r\n";
    submit(&world, "newsletter", &[ANN], &(letter("One") + &body.repeat((700 << 10) / body.len())));
    until("the server to stop reading", || world.receiver.deaf() == 1).await;
    // Time for the kernel to take all that it takes.
    tokio::time::sleep(Duration::from_millis(300)).await;
    world.done(&["suppression", "add", "acme", ANN]);
    world.receiver.misbehave(more);
    until("the connection to end", || world.receiver.open() == 0).await;
    assert!(world.receiver.mailbox().is_empty(), "the last chunk came after the stop");
    until("the item to end", || is_done(&world)).await;
    assert!(fate(&world, ANN).await.starts_with("stopped"), "{}", world.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn no_last_chunk_follows_an_acknowledged_stop() {
    a_stop_holds(Vec::new()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn no_last_chunk_follows_a_stop_in_the_clear_either() {
    a_stop_holds(vec![answer(Step::StartTls, "454 4.7.0 not today")]).await;
}
