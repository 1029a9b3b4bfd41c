//! A dead endpoint costs little, however much happens meanwhile.

use super::{Lab, PAUSES, about, send};
use crate::support::endpoint::{Manner, Told};
use std::collections::HashSet;

#[tokio::test(flavor = "multi_thread")]
async fn what_a_dead_endpoint_has_not_heard_waits_in_the_log_and_comes_whole() {
    let more = format!("{PAUSES}waiting_max = 20\nfailures_max = 3\n");
    let mut lab = Lab::start(&more).await;
    lab.endpoint.behave(|_| Manner::status("500 Internal Server Error"));
    let people: Vec<String> = (0..100).map(|n| format!("p{n}@reader.example")).collect();
    send(&lab.world, &people.iter().map(String::as_str).collect::<Vec<_>>());
    let shown = lab.shows("that it fails", |shown| {
        shown["failing"] == true && shown["behind"].as_u64() >= Some(150)
    });
    assert!(shown["waiting"].as_u64() <= Some(20), "{shown:#}");
    lab.world.kill();
    lab.world.launch(&[]);
    let shown = lab.shows("that it fails again", |shown| shown["failing"] == true);
    assert!(shown["waiting"].as_u64() <= Some(20), "{shown:#}");
    lab.endpoint.behave(|_| Manner::ok());
    let all = |told: &[Told]| people.iter().all(|to| about(told, to).len() == 2);
    lab.endpoint.wait("all of it", all).await;
    lab.shows("that it is well", |shown| {
        shown["failing"] == false && shown["waiting"] == 0 && shown["failing_since"].is_null()
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_calls_past_their_number_are_forgotten_and_counted() {
    let more = format!("{PAUSES}retries_max = \"1ms\"\nfailed_max = 5\nfailures_max = 1000\n");
    let lab = Lab::start(&more).await;
    lab.endpoint.behave(|_| Manner::status("500 Internal Server Error"));
    let people: Vec<String> = (0..10).map(|n| format!("p{n}@reader.example")).collect();
    send(&lab.world, &people.iter().map(String::as_str).collect::<Vec<_>>());
    let shown = lab.shows("that all have failed", |shown| shown["forgotten"] == 15);
    assert_eq!(shown["failed"], 5);
    let listed = lab.world.done(&["webhook", "failed", "list", "acme", &lab.id, "--json"]).json();
    assert_eq!(listed.as_array().map(Vec::len), Some(5));
    lab.logs("webhooks.failed_max");
}

#[tokio::test(flavor = "multi_thread")]
async fn events_that_a_webhook_has_not_heard_outlast_their_retention() {
    let more = format!(
        "{PAUSES}failures_max = 2\n[retention]\nevents = \"1ms\"\n\
         [spool]\nsegment_size = \"8kB\"\nfree_space_min = \"1MB\"\n"
    );
    let mut lab = Lab::start(&more).await;
    let file = lab.world.path("relent.toml");
    let settings = std::fs::read_to_string(&file).expect("settings");
    let hasty = "[queue]\nevents_save = \"20ms\"\nevents_delay = \"5ms\"\n";
    std::fs::write(&file, settings.replace("[queue]\n", hasty)).expect("written");
    lab.world.stop();
    lab.world.launch(&[]);
    lab.endpoint.behave(|_| Manner::Reset);
    let people: Vec<String> = (0..60).map(|n| format!("p{n}@reader.example")).collect();
    send(&lab.world, &people.iter().map(String::as_str).collect::<Vec<_>>());
    let delivered =
        lab.world.receiver.wait(crate::support::PATIENCE, |mail| mail.len() >= 60).await;
    assert!(delivered.is_some());
    lab.endpoint.behave(|_| Manner::ok());
    let all = |told: &[Told]| people.iter().all(|to| about(told, to).len() == 2);
    let told = lab.endpoint.wait("all of it", all).await;
    let ids: HashSet<_> = told.iter().filter(|told| told.is_taken).map(|told| &told.id).collect();
    assert_eq!(ids.len(), 120);
}
