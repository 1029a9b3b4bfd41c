//! What was said after the backup: replayed, and obeyed before anything leaves.

use super::PATIENCE;
use crate::support::World;

const ALL: [&str; 5] = [
    "stopped@reader.example",
    "forgotten@reader.example",
    "ended@reader.example",
    "agreed@reader.example",
    "stays@reader.example",
];

/// A host with mail for five, a backup of it, and what was said afterwards.
async fn scene() -> (World, std::path::PathBuf) {
    let world = World::start().await;
    world.put_off();
    for to in ALL {
        assert!(world.receipt(to).starts_with("250"));
    }
    let file = world.backup("relent.tar");
    world.done(&["suppression", "add", "acme", ALL[0], "--text", "by telephone"]);
    world.done(&["recipient", "erase", "acme", ALL[1]]);
    world.done(&["queue", "cancel", "--address", ALL[2]]);
    world.until_waiting(&ALL[3..]);
    (world, file)
}

async fn nobody_gets_what_they_must_not(world: &World, with_ends: bool) {
    let left = if with_ends { 2 } else { 3 };
    world.done(&["restore", "release"]);
    world.receiver.message_to(ALL[4], PATIENCE).await.expect("who said nothing gets mail");
    world.run_dry();
    let got = world.got();
    assert_eq!(got.len(), left, "{got:?}");
    for to in &ALL[..2] {
        assert!(!got.contains(&(*to).to_owned()), "{to} got mail");
    }
    assert_eq!(got.contains(&ALL[2].to_owned()), !with_ends);
    // Nobody who was forgotten is known again.
    let kept = world.done(&["recipient", "export", "acme", ALL[1], "--json"]).json();
    let account = &kept["accounts"][0];
    assert!(account["address"].is_null(), "{kept}");
    let bytes = std::fs::read(world.path("data/records.redb")).unwrap_or_default();
    let is_there = bytes.windows(ALL[1].len()).any(|part| part == ALL[1].as_bytes());
    assert!(!is_there, "the records name who was forgotten");
    assert!(world.done(&["audit", "verify"]).out.contains("is whole"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_of_the_audit_chain_brings_stops_and_erasures() {
    let (mut world, file) = scene().await;
    let told = world.done(&["audit", "export"]).out;
    let list = world.path("audit.jsonl");
    std::fs::write(&list, told).expect("written");
    world.lose();
    world.comes_back(&file);
    let list = list.to_string_lossy();
    let said = world.done(&["restore", "replay", &list, "--json"]).json();
    let counts = &said["files"][0];
    assert!(counts["stops"].as_u64() >= Some(1), "{counts}");
    assert_eq!(
        (counts["erasures"].as_u64(), counts["refused"].as_u64()),
        (Some(1), Some(0)),
        "{counts}"
    );
    // Once more there is nothing to do.
    let again = world.done(&["restore", "replay", &list, "--json"]).json();
    assert_eq!(again["files"][0]["stops"], 0, "{again}");
    let status = world.done(&["restore", "status"]).out;
    assert!(status.contains("audit.jsonl"), "{status}");
    nobody_gets_what_they_must_not(&world, false).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_left_of_the_lost_host_brings_what_had_ended_too() {
    let (mut world, file) = scene().await;
    let lost = world.lose();
    let settings = std::fs::read_to_string(world.path("relent.toml")).expect("settings");
    let data = world.path("data");
    let theirs = settings.replace(&*data.to_string_lossy(), &lost.to_string_lossy());
    let path = world.path("lost.toml");
    std::fs::write(&path, theirs).expect("written");
    let left = world.path("left.tar");
    for more in [&[][..], &["--damaged"]] {
        let _ = std::fs::remove_file(&left);
        let output = std::process::Command::new(crate::support::program())
            .args(["backup", &left.to_string_lossy()])
            .args(more)
            .arg("--config")
            .arg(&path)
            .output()
            .expect("it runs");
        let said = crate::support::said(output);
        assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    }
    world.comes_back(&file);
    let said = world.done(&["restore", "replay", &left.to_string_lossy(), "--json"]).json();
    let counts = &said["files"][0];
    assert_eq!(
        (counts["erasures"].as_u64(), counts["ended"].as_u64()),
        (Some(1), Some(2)),
        "{counts}"
    );
    nobody_gets_what_they_must_not(&world, true).await;
    assert!(!world.path("left.tar.unpacked").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn events_and_lists_of_stops_that_a_customer_kept_are_replayed() {
    let (mut world, file) = scene().await;
    let stops = world.path("stops.csv");
    world.done(&["suppression", "export", "acme", &stops.to_string_lossy()]);
    let events = world.path("events.jsonl");
    std::fs::write(
        &events,
        format!(
            "{{\"id\":\"1.1\",\"kind\":\"message.delivered\",\"at\":\"2026-03-01T00:00:00Z\",\"message\":\"x\",\
             \"recipient\":\"{}\"}}\n{{\"id\":\"1.2\",\"kind\":\"recipient.suppressed\",\"stream\":null,\
             \"at\":\"2026-03-01T00:00:00Z\",\"recipient\":\"{}\",\"reason\":\"manual\"}}\n",
            ALL[2], ALL[2]
        ),
    )
    .expect("written");
    world.lose();
    world.comes_back(&file);
    let (stops, events) = (stops.to_string_lossy(), events.to_string_lossy());
    let none = world.relent(&["restore", "replay", &events]);
    assert!(none.err.contains("--account"), "{}", none.err);
    let said = world.relent(&["restore", "replay", &stops, &events, "--account", "acme"]);
    assert!(said.code == 1 && said.err.contains("1 row could not be meant"), "{}", said.err);
    assert!(said.err.contains("events.jsonl:1: `message` is no id"), "{}", said.err);
    world.done(&["restore", "release"]);
    world.receiver.message_to(ALL[4], PATIENCE).await.expect("who said nothing gets mail");
    world.run_dry();
    let got = world.got();
    for to in &ALL[..3] {
        assert!(!got.contains(&(*to).to_owned()), "{to} got mail: {got:?}");
    }
}
