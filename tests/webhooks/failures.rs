//! Endpoints that fail, in every way they can.

use super::{Lab, PAUSES, about, add, both, send};
use crate::support::PATIENCE;
use crate::support::endpoint::{Endpoint, Manner, Told};
use std::time::{Duration, Instant};

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_misbehaves_gets_everything_once_it_behaves() {
    let lab = Lab::start(&format!("{PAUSES}timeout = \"500ms\"\n")).await;
    let elsewhere = Endpoint::start().await;
    let location = vec![("Location", elsewhere.url())];
    let forever = b"x".repeat(1 << 20);
    for (name, manner) in [
        ("500", Manner::status("500 Internal Server Error")),
        ("404", Manner::status("404 Not Found")),
        ("reset", Manner::Reset),
        ("hang", Manner::Hang),
        ("drip", Manner::Drip),
        ("flood", Manner::Flood("500 Internal Server Error")),
        ("huge", Manner::Answer("500 Internal Server Error", Vec::new(), forever)),
        ("redirect", Manner::Answer("302 Found", location.clone(), Vec::new())),
        ("moved", Manner::Answer("308 Permanent Redirect", location, Vec::new())),
        ("not modified", Manner::status("304 Not Modified")),
        ("header", Manner::Answer("200 OK", vec![("X-Long", "a".repeat(1 << 17))], Vec::new())),
    ] {
        let to: &'static str =
            Box::leak(format!("{}@reader.example", name.replace(' ', ".")).into());
        let bad = manner.clone();
        lab.endpoint.behave(move |told| if told.to() == to { bad.clone() } else { Manner::ok() });
        send(&lab.world, &[to]);
        let tried = |told: &[Told]| told.iter().filter(|told| told.to() == to).count() >= 2;
        lab.endpoint.wait(name, tried).await;
        lab.endpoint.behave(|_| Manner::ok());
        lab.endpoint.wait_for(PATIENCE, name, both(to)).await;
    }
    assert!(elsewhere.told().is_empty(), "a redirect was followed");
    let shown = lab.shows("rest", |shown| shown["waiting"] == 0);
    assert_eq!(shown["failed"], 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_success_counts_however_its_body_goes_on() {
    let lab = Lab::start(PAUSES).await;
    lab.endpoint.behave(|_| Manner::Flood("200 OK"));
    send(&lab.world, &["ann@reader.example"]);
    let told = lab.endpoint.wait("both", both("ann@reader.example")).await;
    assert_eq!(told.len(), 2, "a call that succeeded was made again");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_dead_endpoint_keeps_no_other_waiting() {
    let lab = Lab::start("calls_max = 4\nfailures_max = 1000\n").await;
    let dead = Endpoint::start().await;
    dead.behave(|_| Manner::HangUpAfter(Duration::from_secs(1)));
    for _ in 0..12 {
        add(&lab.world, &[&dead.url()]);
    }
    let people: Vec<String> = (0..80).map(|n| format!("p{n}@reader.example")).collect();
    send(&lab.world, &people.iter().map(String::as_str).collect::<Vec<_>>());
    // A hundred and sixty calls, eight at a time, and between them twelve that hang for a second, four at a time: a
    // minute, were turns shared evenly. One that was slow waits once behind those twelve, one at a time.
    let all = |told: &[Told]| people.iter().all(|to| both(to)(told));
    lab.endpoint.wait_for(Duration::from_secs(40), "all of it", all).await;
    assert!(dead.most_at_a_time() <= 5, "{} at a time hung", dead.most_at_a_time());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pause_that_is_asked_for_is_kept() {
    let lab = Lab::start(PAUSES).await;
    for (name, line) in [("slow", "429 Too Many Requests"), ("down", "503 Service Unavailable")] {
        let to: &'static str = Box::leak(format!("{name}@reader.example").into());
        let pause = vec![("Retry-After", "1".to_owned())];
        lab.endpoint.behave(move |_| Manner::Answer(line, pause.clone(), Vec::new()));
        let before = lab.endpoint.told().len();
        send(&lab.world, &[to]);
        let told = lab.endpoint.wait("a call", |told| told.len() > before).await;
        let first = told[before].at;
        lab.endpoint.behave(|_| Manner::ok());
        let told = lab.endpoint.wait("both", both(to)).await;
        let next = told[before + 1].at.duration_since(first);
        assert!(next >= Duration::from_millis(990), "{name}: called again after {next:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_is_gone_is_called_no_more_until_it_is_resumed() {
    let lab = Lab::start(PAUSES).await;
    lab.endpoint.behave(|_| Manner::status("410 Gone"));
    send(&lab.world, &["ann@reader.example"]);
    let shown = lab.shows("that it is disabled", |shown| shown["state"] == "disabled");
    assert_eq!(shown["state_reason"], "it answered 410 Gone");
    let calls = lab.endpoint.told().len();
    send(&lab.world, &["bob@reader.example"]);
    assert!(lab.world.receiver.message_to("bob@reader.example", PATIENCE).await.is_some());
    assert_eq!(lab.endpoint.told().len(), calls, "it was called again");
    lab.endpoint.behave(|_| Manner::ok());
    lab.world.done(&["webhook", "resume", "acme", &lab.id]);
    lab.endpoint.wait("what it missed", both("ann@reader.example")).await;
    lab.endpoint.wait("what it missed", both("bob@reader.example")).await;
    let audit = lab.world.done(&["audit", "list", "--json"]).out;
    assert!(audit.contains("webhook.disabled"), "{audit}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_fails_for_too_long_is_kept_and_made_again_by_hand() {
    let lab = Lab::start(&format!("{PAUSES}retries_max = \"300ms\"\nfailures_max = 1000\n")).await;
    lab.endpoint.behave(|told| match told.to() {
        "ann@reader.example" => Manner::Answer("422 No", Vec::new(), b"unknown person".to_vec()),
        _ => Manner::ok(),
    });
    // One after the other: what happens while an endpoint fails may be given up before it is called.
    send(&lab.world, &["bob@reader.example"]);
    lab.endpoint.wait("both of Bob", both("bob@reader.example")).await;
    send(&lab.world, &["ann@reader.example"]);
    lab.shows("that both of Ann have failed", |shown| {
        shown["failed"] == 2 && shown["waiting"] == 0
    });
    let listed = lab.world.done(&["webhook", "failed", "list", "acme", &lab.id, "--json"]).json();
    let listed = listed.as_array().expect("a list");
    let of = |kind: &str| {
        let found = listed.iter().find(|one| one["event"] == kind);
        found.unwrap_or_else(|| panic!("no {kind} in {listed:?}"))
    };
    let (accepted, delivered) = (of("message.accepted"), of("message.delivered"));
    assert_eq!(accepted["said"], "answered 422 Unprocessable Entity: unknown person");
    assert!(accepted["attempts"].as_u64().is_some_and(|attempts| attempts >= 2), "{listed:?}");
    lab.endpoint.behave(|_| Manner::ok());
    let number = delivered["number"].to_string();
    lab.world.done(&["webhook", "failed", "redeliver", "acme", &lab.id, &number]);
    let one = |told: &[Told]| about(told, "ann@reader.example") == ["message.delivered"];
    lab.endpoint.wait("the one", one).await;
    let said = lab.world.done(&["webhook", "failed", "redeliver", "acme", &lab.id, "--all"]);
    assert!(said.out.contains("1 calls are made again"), "{}", said.out);
    lab.endpoint.wait("the other", both("ann@reader.example")).await;
    lab.shows("that none has failed", |shown| shown["failed"] == 0);
    // The same id as at the first attempt, so that the endpoint knows it.
    let told = lab.endpoint.told();
    let ids: std::collections::HashSet<_> =
        told.iter().filter(|told| told.to() == "ann@reader.example").map(|told| &told.id).collect();
    assert_eq!(ids.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_that_fails_for_too_long_is_called_no_more() {
    let more =
        format!("{PAUSES}failures_max = 2\nretries_max = \"400ms\"\ndisable_after = \"1200ms\"\n");
    let lab = Lab::start(&more).await;
    let people: Vec<String> = (0..10).map(|n| format!("p{n}@reader.example")).collect();
    // What it fails to take waits for it from the beginning, however long it takes to be sent.
    lab.world.done(&["webhook", "pause", "acme", &lab.id]);
    send(&lab.world, &people.iter().map(String::as_str).collect::<Vec<_>>());
    lab.endpoint.behave(|_| Manner::Reset);
    lab.world.done(&["webhook", "resume", "acme", &lab.id]);
    // It is called as long as something happens.
    let deadline = Instant::now() + PATIENCE;
    while lab.show()["state"] != "disabled" {
        assert!(Instant::now() < deadline, "it was never disabled: {:#}", lab.show());
        send(&lab.world, &["more@reader.example"]);
    }
    let shown = lab.show();
    let why = shown["state_reason"].as_str().expect("why").to_owned();
    assert!(why.contains("no call has succeeded for 1200ms"), "{why}");
    // What waited for longer than calls are made again is with the failed, told or not.
    let failed = shown["failed"].as_u64().expect("a count");
    assert!(failed >= 10, "{shown:#}");
    lab.logs("a webhook is called no more");
    lab.endpoint.behave(|_| Manner::ok());
    lab.world.done(&["webhook", "resume", "acme", &lab.id]);
    lab.world.done(&["webhook", "failed", "redeliver", "acme", &lab.id, "--all"]);
    let all = |told: &[Told]| people.iter().all(|to| both(to)(told));
    lab.endpoint.wait("all of it", all).await;
}
