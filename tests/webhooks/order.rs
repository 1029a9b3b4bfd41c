//! In what order events come, and that none is lost or told again where nothing went wrong.

use super::{Lab, PAUSES, about, add, both, send};
use crate::support::endpoint::{Endpoint, Manner, Told};
use std::collections::HashMap;
use std::sync::Mutex;

/// The number of an event in the log of messages.
fn sequence(told: &Told) -> u64 {
    let number = told.id.split('_').nth(1).and_then(|number| number.parse().ok());
    number.unwrap_or_else(|| panic!("no event of a message: {}", told.id))
}

#[tokio::test(flavor = "multi_thread")]
async fn events_of_a_recipient_come_in_order_whatever_fails() {
    let lab = Lab::start(&format!("{PAUSES}failures_max = 1000\n")).await;
    let people: Vec<String> = (0..12).map(|n| format!("p{n}@reader.example")).collect();
    // Every call fails at first, some more often, each in its own way.
    let tries = Mutex::new(HashMap::<String, u32>::new());
    lab.endpoint.behave(move |told| {
        let mut tries = tries.lock().expect("the rule is asked one by one");
        let count = tries.entry(told.id.clone()).or_default();
        *count += 1;
        let mixed = told.id.bytes().map(u32::from).sum::<u32>();
        match (*count <= 1 + mixed % 3, mixed % 5) {
            (false, _) => Manner::ok(),
            (true, 0) => Manner::Reset,
            (true, 1) => Manner::status("404 Not Found"),
            (true, _) => Manner::status("500 Internal Server Error"),
        }
    });
    for _ in 0..3 {
        send(&lab.world, &people.iter().map(String::as_str).collect::<Vec<_>>());
    }
    let is_told = |told: &[Told]| people.iter().all(|to| about(told, to).len() == 6);
    let told = lab.endpoint.wait("all of it", is_told).await;
    for to in &people {
        // What comes again while one of the same recipient waits is the same event, and nothing later.
        let mut last = 0;
        for told in told.iter().filter(|told| told.to() == *to) {
            assert!(sequence(told) >= last, "{to}: {} came late", told.id);
            last = sequence(told);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_fails_holds_its_recipient_alone() {
    let lab = Lab::start(&format!("{PAUSES}failures_max = 1000\n")).await;
    lab.endpoint.behave(|told| match told.to() {
        "ann@reader.example" => Manner::status("500 Internal Server Error"),
        _ => Manner::ok(),
    });
    let everybody = ["ann@reader.example", "bob@reader.example", "cat@reader.example"];
    send(&lab.world, &everybody);
    send(&lab.world, &everybody);
    let others = |told: &[Told]| everybody[1..].iter().all(|to| about(told, to).len() == 4);
    lab.endpoint.wait("what is about the others", others).await;
    let held = lab.endpoint.wait("three attempts", |told| {
        told.iter().filter(|told| told.to() == "ann@reader.example").count() >= 3
    });
    let held = held.await;
    let held: Vec<_> = held.iter().filter(|told| told.to() == "ann@reader.example").collect();
    assert!(held.iter().all(|told| told.id == held[0].id), "a later event was told first");
    lab.shows("that four wait", |shown| shown["waiting"] == 4);
    lab.endpoint.behave(|_| Manner::ok());
    let all = |told: &[Told]| about(told, "ann@reader.example").len() == 4;
    lab.endpoint.wait("what was held", all).await;
    lab.shows("that none waits", |shown| shown["waiting"] == 0 && shown["delivered"] == 12);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_in_good_order_tells_nothing_twice_and_forgets_nothing() {
    let mut lab = Lab::start(PAUSES).await;
    lab.endpoint.behave(|told| match told.to() {
        "ann@reader.example" => Manner::status("500 Internal Server Error"),
        _ => Manner::ok(),
    });
    send(&lab.world, &["ann@reader.example", "bob@reader.example"]);
    lab.endpoint.wait("both of Bob", |told| about(told, "bob@reader.example").len() == 2).await;
    assert_eq!(lab.world.stop(), 0, "{}", lab.world.log());
    lab.endpoint.behave(|_| Manner::ok());
    lab.world.launch(&[]);
    send(&lab.world, &["cat@reader.example"]);
    let all = |told: &[Told]| {
        let (ann, cat) = (about(told, "ann@reader.example"), about(told, "cat@reader.example"));
        ann.len() == 2 && cat.len() == 2
    };
    let told = lab.endpoint.wait("what was left", all).await;
    let kinds = ["message.accepted", "message.delivered"];
    for to in ["ann@reader.example", "bob@reader.example", "cat@reader.example"] {
        assert_eq!(about(&told, to), kinds, "{to}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_during_a_pause_is_told_after_it() {
    let lab = Lab::start("").await;
    lab.world.done(&["webhook", "pause", "acme", &lab.id]);
    // Another that is made later and told of Bob: by then nobody calls the first any more.
    let other = Endpoint::start().await;
    add(&lab.world, &[&other.url()]);
    send(&lab.world, &["bob@reader.example"]);
    other.wait("both of Bob", both("bob@reader.example")).await;
    send(&lab.world, &["ann@reader.example"]);
    other.wait("both of Ann", both("ann@reader.example")).await;
    lab.world.done(&["webhook", "test", "acme", &lab.id]);
    let told = lab.endpoint.told();
    let is_quiet = about(&told, "ann@reader.example").is_empty();
    assert!(is_quiet && told.iter().any(|told| told.kind() == "webhook.test"), "{told:?}");
    assert_eq!(lab.show()["state"], "paused");
    lab.world.done(&["webhook", "resume", "acme", &lab.id]);
    lab.endpoint.wait("what happened meanwhile", both("ann@reader.example")).await;
}
