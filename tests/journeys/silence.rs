//! Credentials that refuse silently: everybody is answered 250, and who may not be sent to is stopped
//! with a record and without a report.

use super::delivered;
use crate::support::client::{Client, letter};
use crate::support::{PATIENCE, World};
use serde_json::Value;
use std::time::Instant;

const ANN: &str = "ann@reader.example";
const BOB: &str = "bob@reader.example";
const EVE: &str = "eve@reader.example";
const SENDER: &str = "news@acme.example";

fn quiet(world: &World, stream: &str) -> Client {
    let add = ["credential", "add", "acme", "--name", "quiet", "--refuse", "silently", "--json"];
    let made = world.done(&add).json();
    assert_eq!(made["refuse"], "silently");
    let password = made["password"].as_str().expect("a password");
    Client::login(world.ports.submission[0], &format!("quiet/{stream}"), password)
}

/// What became of mail to a person on the newsletter, as pairs of outcome and text.
fn history(world: &World, person: &str) -> Vec<(String, String)> {
    let found = world.done(&["explain", "acme/newsletter", person, "--json"]).json();
    let messages = found["messages"].as_array().cloned().unwrap_or_default();
    let text = |one: &Value, key: &str| one[key].as_str().unwrap_or_default().to_owned();
    messages.iter().map(|one| (text(one, "outcome"), text(one, "text"))).collect()
}

/// Waits until nothing is queued, reports included.
fn drained(world: &World) {
    let deadline = Instant::now() + PATIENCE;
    while world.done(&["queue", "list", "--json"]).json() != serde_json::json!([]) {
        assert!(Instant::now() < deadline, "mail still waits");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_be_sent_to_is_stopped_in_silence_and_the_others_get_their_copy() {
    let world = World::start().await;
    world.agree(ANN);
    world.agree(EVE);
    world.done(&["suppression", "add", "global", EVE]);
    let mut app = quiet(&world, "newsletter");
    let said = app.submit(SENDER, &[BOB, ANN, EVE], &letter("To all"));
    assert!(said.starts_with("250 2.0.0"), "{said}");
    for (person, why) in [(BOB, "no consent"), (EVE, "the recipient does not accept this mail")] {
        let history = history(&world, person);
        let [(accepted, _), (stopped, text)] = &history[..] else { panic!("{history:?}") };
        assert_eq!((accepted.as_str(), stopped.as_str()), ("accepted", "stopped"));
        assert!(text.contains(why), "{text}");
    }
    delivered(&world, ANN).await;
    drained(&world);
    let mailbox = world.receiver.mailbox();
    let to: Vec<_> = mailbox.iter().flat_map(|mail| mail.recipients.clone()).collect();
    assert_eq!(to, [ANN], "somebody was told or sent what is not theirs");
    let refused = world.log().matches("recipient refused").count();
    assert_eq!(refused, 2, "{}", world.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_for_nobody_is_accepted_and_ends_at_once_even_if_it_is_for_later() {
    let world = World::start().await;
    let mut app = quiet(&world, "newsletter");
    let later = jiff::Timestamp::now().as_second() + 86_400;
    let message = format!("X-Relent-Send-At: {later}\r\n{}", letter("For nobody"));
    let said = app.submit(SENDER, &[BOB], &message);
    assert!(said.starts_with("250 2.0.0"), "{said}");
    let outcomes: Vec<_> = history(&world, BOB).into_iter().map(|(outcome, _)| outcome).collect();
    assert_eq!(outcomes, ["accepted", "stopped"]);
    assert_eq!(world.done(&["queue", "list", "--json"]).out, "[]\n");
    // It is stopped for good: no later consent sends it.
    world.agree(BOB);
    assert_eq!(history(&world, BOB).len(), 2);
    assert!(world.receiver.mailbox().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_that_changes_the_stream_is_obeyed_in_silence_too() {
    let world = World::start().await;
    let mut app = quiet(&world, "receipts");
    let message = format!("X-Relent-Stream: newsletter\r\n{}", letter("Another stream"));
    let said = app.submit(SENDER, &[BOB, EVE], &message);
    assert!(said.starts_with("250 2.0.0"), "{said}");
    for person in [BOB, EVE] {
        let outcomes: Vec<_> = history(&world, person).into_iter().map(|(what, _)| what).collect();
        assert_eq!(outcomes, ["accepted", "stopped"]);
    }
    drained(&world);
    assert!(world.receiver.mailbox().is_empty(), "a report or a copy was sent");
    let listed = world.done(&["credential", "list", "acme", "--json"]).json();
    let mut ways: Vec<_> = listed
        .as_array()
        .expect("credentials")
        .iter()
        .map(|one| (one["name"].to_string(), one["refuse"].to_string()))
        .collect();
    ways.sort();
    let pair = |name: &str, way: &str| (format!("\"{name}\""), format!("\"{way}\""));
    assert_eq!(ways, [pair("app", "at-rcpt"), pair("quiet", "silently")]);
    assert!(world.done(&["credential", "list", "acme"]).out.contains("at-rcpt"));
}
