//! When mail is tried and what comes of it: refusals by class, times that the envelope names, and a site
//! that calls living addresses dead.

use super::delivered;
use super::submission::{app, with_setting};
use crate::support::client::{Client, letter};
use crate::support::{PATIENCE, World};
use relent::demo::receiver::Fault;
use std::time::{Duration, Instant};

const ANN: &str = "ann@reader.example";

/// Asks again until the answer is right.
async fn until(world: &World, arguments: &[&str], is_right: impl Fn(&str) -> bool) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let said = world.relent(arguments).out;
        if is_right(&said) {
            return said;
        }
        assert!(Instant::now() < deadline, "{arguments:?}: {said}\n{}", world.log());
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_shows_its_class_and_is_tried_when_its_server_wants() {
    let world = World::start().await;
    let text = "451 4.7.1 Greylisted, please try again in 10 minutes";
    world.receiver.misbehave(vec![Fault::Recipient("ann@".into(), text.into())]);
    let said = app(&world, "receipts").submit("news@acme.example", &[ANN], &letter("One"));
    let id = said.split(' ').nth(2).expect("an id").to_owned();
    let show = ["queue", "show", &id, "--json"];
    let shown = until(&world, &show, |said| said.contains("greylisting")).await;
    let items: serde_json::Value = serde_json::from_str(&shown).expect("JSON");
    assert_eq!(items[0]["why"], "waits for its next attempt");
    let moment = |key: &str| {
        let text = items[0][key].as_str().expect("a moment");
        text.parse::<relent::mail::Timestamp>().expect("RFC 3339")
    };
    let wait = moment("next_at").since(moment("accepted"));
    assert!(wait >= Duration::from_secs(599), "{wait:?}");
    let explained = world.done(&["explain", "acme/receipts", ANN, "--json"]).out;
    assert!(explained.contains("\"class\": \"greylisting\""), "{explained}");
    let refused = "550 no thanks: user unknown";
    world.receiver.misbehave(vec![Fault::Recipient("ann@".into(), refused.into())]);
    world.done(&["queue", "retry", &id]);
    let list = ["suppression", "list", "acme", "--json"];
    let listed = until(&world, &list, |said| said.contains(ANN)).await;
    assert!(listed.contains("hard_bounce") && listed.contains("\"site\":"), "{listed}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_envelope_names_a_time_before_which_mail_stays() {
    let world = World::start().await;
    let begun = Instant::now();
    let mut client = app(&world, "receipts");
    let hello = client.say("EHLO app.example");
    assert!(hello.contains("FUTURERELEASE 604800 2"), "{hello}");
    for (parameter, expected) in [
        ("HOLDFOR=604801", "501 5.5.4"),
        ("HOLDUNTIL=2999-01-01T00:00:00Z", "501 5.5.4"),
        ("HOLDUNTIL=tomorrow", "501 5.5.4"),
        ("HOLDFOR=1 HOLDFOR=1", "501 5.5.4"),
        ("HOLDFOR=2", "250"),
    ] {
        let said = client.say(&format!("MAIL FROM:<news@acme.example> {parameter}"));
        assert!(said.starts_with(expected), "{parameter}: {said}");
    }
    let rest = |client: &mut Client, to: &str| {
        assert!(client.say(&format!("RCPT TO:<{to}>")).starts_with("250"));
        assert!(client.say("DATA").starts_with("354"));
        client.send(letter("Later").as_bytes());
        assert!(client.say(".").starts_with("250"));
    };
    rest(&mut client, ANN);
    let mail = delivered(&world, ANN).await;
    assert!(mail.at - begun > Duration::from_secs(1), "it did not wait");
    let bob = "bob@reader.example";
    assert!(client.say("MAIL FROM:<news@acme.example> HOLDFOR=600").starts_with("250"));
    rest(&mut client, bob);
    let shown = world.done(&["queue", "list", "--recipient", bob, "--json"]).out;
    assert!(shown.contains("its sender asked for a later time"), "{shown}");
    let mut mx = Client::connect(world.ports.inbound[0]);
    assert!(!mx.say("EHLO mx.reader.example").contains("FUTURERELEASE"));
    assert!(mx.say("MAIL FROM:<ann@reader.example> HOLDFOR=1").starts_with("555"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_that_calls_the_living_dead_is_held_and_what_slipped_through_is_undone() {
    let mut world = World::start().await;
    with_setting(&mut world, "queue", "dead_share_answers = 10");
    let refused = "550 5.1.1 no such user";
    world.receiver.misbehave(vec![Fault::Recipient("dead".into(), refused.into())]);
    let send = |world: &World, names: &str, count: u32| {
        let mut client = app(world, "receipts");
        for number in 0..count {
            let to = format!("{names}{number}@reader.example");
            let said = client.submit("news@acme.example", &[&to], &letter("Hello"));
            assert!(said.starts_with("250"), "{said}");
        }
    };
    send(&world, "dead", 40);
    let is_held = |said: &str| said.contains("\"held\":");
    let sites = until(&world, &["suppression", "held", "list", "--json"], is_held).await;
    let found: serde_json::Value = serde_json::from_str(&sites).expect("JSON");
    let site = found[0]["site"].as_str().expect("a site").to_owned();
    until(&world, &["queue", "summary", "--json"], |said| said.contains("\"queued\": 0")).await;
    world.kill();
    world.launch(&[]);
    let list = ["suppression", "held", "list", "--site", &site, "--json"];
    let stops = ["suppression", "list", "acme", "--json"];
    let slipped = || world.done(&stops).out.matches("hard_bounce").count();
    // Each of them is held or has slipped through: nothing is on its way to the records any more.
    let is_all = |said: &str| said.matches("@reader.example").count() + slipped() == 40;
    until(&world, &list, is_all).await;
    let dropped = world.done(&["suppression", "held", "drop", "--site", &site]).out;
    assert!(dropped.contains("dropped"), "{dropped}");
    assert_eq!(world.done(&["suppression", "held", "list", "--json"]).out.trim(), "[]");
    let slipped = slipped();
    assert!((1..=12).contains(&slipped), "{slipped} slipped through");
    let recall = ["suppression", "remove", "--all-accounts", "--reason", "hard_bounce", "--site"];
    let recall = [&recall[..], &[&site, "--since", "2020-01-01"]].concat();
    let dry = world.done(&[&recall[..], &["--dry-run"]].concat()).out;
    assert!(dry.starts_with(&format!("{slipped} ")) && dry.contains("would be"), "{dry}");
    assert_eq!(world.done(&stops).out.matches("hard_bounce").count(), slipped);
    let done = world.done(&recall).out;
    assert!(done.starts_with(&format!("{slipped} ")), "{done}");
    assert_eq!(world.done(&stops).out.trim(), "[]");
}
