//! Sites: what a provider's domains share, what its answers change, and what the operator says of it.

use crate::support::client::{Client, letter};
use crate::support::{PATIENCE, World};
use relent::demo::receiver::{Fault, Step};
use serde_json::Value;
use std::time::{Duration, Instant};

/// Waits until something holds that must come to hold.
async fn until(what: &str, holds: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn submit(world: &World, to: &str) {
    let mut app = Client::login(world.ports.submission[0], "app/receipts", &world.password);
    let reply = app.submit("news@acme.example", &[to], &letter("Sites"));
    assert!(reply.starts_with("250"), "{reply}");
}

fn site(world: &World, domain: &str) -> Value {
    world.done(&["delivery", "site", domain, "--json"]).json()
}

/// What applies to a domain: a key's value, and by whose word.
fn applies(world: &World, domain: &str, key: &str) -> (String, String) {
    let found = site(world, domain);
    let rows = found["applies"].as_array().cloned().unwrap_or_default();
    let row = rows.iter().find(|row| row["key"] == key).expect("a key that applies");
    let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
    (text("value"), text("source"))
}

#[tokio::test(flavor = "multi_thread")]
async fn domains_of_one_provider_share_a_connection_and_one_apart_has_its_own() {
    let mut world = World::start_with("connection_idle = \"60s\"", "").await;
    for to in ["one@reader.example", "two@acme.example", "three@reader.example"] {
        submit(&world, to);
        super::delivered(&world, to).await;
        // A connection is free for the next once the end of the last is known.
        super::settled(&world).await;
    }
    assert_eq!(world.receiver.connections(), 1);
    let shared = site(&world, "acme.example");
    assert_eq!(shared["site"], "mx.reader.example");
    assert_eq!(shared["mx"], serde_json::json!(["10 mx.reader.example"]));
    assert_eq!(shared["state"]["connections"], 1);
    world.stop();
    let file = "[site.\"*.reader.example\"]\nconnections_max = 3\nmessages_rate_max = \"600/m\"\n\
                [domain.\"acme.example\"]\nconnections_max = 1\n";
    std::fs::write(world.path("shaping.toml"), file).expect("written");
    world.launch(&[]);
    let before = world.receiver.connections();
    for to in ["four@reader.example", "five@acme.example"] {
        submit(&world, to);
        super::delivered(&world, to).await;
    }
    assert_eq!(world.receiver.connections() - before, 2);
    let apart = site(&world, "acme.example");
    assert_eq!(
        (apart["site"].as_str(), apart["apart"].as_bool()),
        (Some("acme.example"), Some(true))
    );
    let (value, source) = applies(&world, "acme.example", "connections_max");
    assert!(value == "1" && source.ends_with("shaping.toml [domain.\"acme.example\"]"), "{source}");
    let (value, source) = applies(&world, "acme.example", "messages_rate_max");
    assert_eq!(value, "\"600/m\"");
    assert!(source.ends_with("[site.\"*.reader.example\"]"), "{source}");
    let (value, source) = applies(&world, "reader.example", "suspend_after");
    assert_eq!((value.as_str(), source.as_str()), ("3", "built in"));
    let none = site(&world, "null.example");
    assert_eq!(none["route"], "null.example takes no mail (null MX)");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shaping_file_that_changes_holds_and_one_that_is_wrong_does_not() {
    let mut world = World::start().await;
    world.stop();
    let path = world.path("shaping.toml");
    std::fs::write(&path, "[default]\nconnections_max = 7\n").expect("written");
    world.launch(&[]);
    let most = |world: &World| applies(world, "reader.example", "connections_max").0;
    assert_eq!(most(&world), "7");
    submit(&world, "one@reader.example");
    super::delivered(&world, "one@reader.example").await;
    std::fs::write(&path, "[default]\nconnections_max = 5\n").expect("written");
    world.hang_up();
    until("the new file", || most(&world) == "5").await;
    assert_eq!(site(&world, "reader.example")["state"]["connections_max"], 5);
    std::fs::write(&path, "[default]\n\nconnections_max = 0\n").expect("written");
    let told = world.relent(&["check"]);
    assert_eq!(told.code, 1);
    let fault = "shaping.toml:3: default.connections_max: it must be more than nothing";
    assert!(told.err.contains(fault), "{}", told.err);
    world.hang_up();
    until("the fault in the log", || world.log().contains(fault)).await;
    assert_eq!(most(&world), "5");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_that_says_too_much_is_slowed_and_mail_arrives_all_the_same() {
    let world = World::start().await;
    submit(&world, "one@reader.example");
    super::delivered(&world, "one@reader.example").await;
    let text = "421 4.7.28 too many messages from you";
    world.receiver.misbehave(vec![Fault::Answer(Step::Mail, text.into())]);
    submit(&world, "two@reader.example");
    let state = |world: &World| site(world, "acme.example")["state"].clone();
    until("the site to be slowed", || state(&world)["slowed"].as_u64() > Some(0)).await;
    world.receiver.misbehave(Vec::new());
    let slowed = state(&world);
    assert!(slowed["messages_per_minute"].as_f64().is_some_and(|rate| rate <= 60.0), "{slowed}");
    assert!(slowed["connections_max"].as_u64() < Some(10), "{slowed}");
    assert_eq!(slowed["answers"][0]["text"], text);
    let listed = world.done(&["delivery", "list"]).out;
    assert!(listed.contains("it said that this is too much"), "{listed}");
    super::delivered(&world, "two@reader.example").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_operator_suspends_waits_over_a_restart_until_it_is_resumed() {
    let mut world = World::start().await;
    world.done(&["delivery", "suspend", "reader.example", "--reason", "they asked us to"]);
    world.done(&["delivery", "suspend", "*.Second.example", "--for", "2h"]);
    submit(&world, "one@reader.example");
    submit(&world, "two@acme.example");
    super::delivered(&world, "two@acme.example").await;
    world.stop();
    world.launch(&[]);
    submit(&world, "three@acme.example");
    super::delivered(&world, "three@acme.example").await;
    let asked = ["queue", "list", "--recipient", "one@reader.example", "--json"];
    let waiting = world.done(&asked).json();
    let why = waiting[0]["why"].as_str().unwrap_or_default().to_owned();
    assert_eq!(why, "reader.example is suspended by the operator: they asked us to");
    let listed = world.done(&["delivery", "list", "--json"]).json();
    let names: Vec<_> = listed["suspensions"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|word| (word["name"].as_str().unwrap_or_default(), word["until"].is_string()))
        .collect();
    assert_eq!(names, [("*.second.example", true), ("reader.example", false)]);
    assert_eq!(site(&world, "reader.example")["state"]["stopped"], why.as_str());
    world.done(&["delivery", "resume", "reader.example"]);
    super::delivered(&world, "one@reader.example").await;
    let told = world.relent(&["delivery", "resume", "reader.example"]);
    assert_eq!(told.code, 1, "{}", told.out);
    assert!(told.err.contains("`relent delivery list` shows"), "{}", told.err);
    let told = world.relent(&["delivery", "suspend", "no name"]);
    assert!(told.code == 1 && told.err.contains("is no name of a mail server"), "{}", told.err);
    // By a mail server: all domains that have it.
    world.done(&["delivery", "suspend", "mx.reader.example"]);
    submit(&world, "four@acme.example");
    let stopped = |world: &World| {
        let waiting = world.done(&["queue", "list", "--json"]).json();
        waiting[0]["why"].as_str().is_some_and(|why| why.starts_with("mx.reader.example is susp"))
    };
    until("mail that waits", || stopped(&world)).await;
    world.done(&["delivery", "resume", "mx.reader.example"]);
    super::delivered(&world, "four@acme.example").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_out_of_reach_is_left_alone_over_a_restart_and_found_again_when_told() {
    let mut world = World::start().await;
    for number in 0..5 {
        submit(&world, &format!("dead{number}@second.example"));
    }
    let state = |world: &World| site(world, "second.example")["state"].clone();
    until("the site to be suspended", || state(&world)["stopped"].is_string()).await;
    let found = state(&world);
    let failures = found["failures"].as_u64();
    assert_eq!((failures, found["waiting"].as_u64()), (Some(3), Some(5)), "{found}");
    submit(&world, "ann@reader.example");
    super::delivered(&world, "ann@reader.example").await;
    let waiting = world.done(&["queue", "list", "--domain", "second.example", "--json"]).json();
    let why = waiting[0]["why"].as_str().unwrap_or_default();
    assert!(why.starts_with("not reached 3 times in a row, tried again at 20"), "{why}");
    world.stop();
    world.launch(&[]);
    until("the outage of before", || state(&world)["stopped"].is_string()).await;
    assert_eq!(state(&world)["failures"].as_u64(), Some(3));
    let second = world.second().await;
    let resumed = world.done(&["delivery", "resume", "second.example", "--json"]).json();
    assert_eq!(resumed["pauses_ended"], 1);
    for number in 0..5 {
        let to = format!("dead{number}@second.example");
        assert!(second.message_to(&to, PATIENCE).await.is_some(), "nothing came for {to}");
    }
    assert_eq!(state(&world)["failures"].as_u64(), Some(0));
}
