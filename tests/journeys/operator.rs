//! What the operator is told: answers that are whole, and failures that cannot be taken for answers.

use crate::support::{World, program, said};
use std::process::Command;

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_could_not_be_shown_is_not_success() {
    let world = World::start().await;
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("a full device");
    let output = world
        .command(&["credential", "add", "acme", "--name", "lost", "--json"])
        .stdout(full)
        .output()
        .expect("the command line runs");
    let told = said(output);
    assert_eq!(told.code, 1, "{}", told.err);
    assert!(told.err.contains("relent credential remove acme lost"), "{}", told.err);
    let removed = world.done(&["credential", "remove", "acme", "lost", "--json"]);
    assert_eq!(removed.json(), serde_json::json!({ "removed": "lost" }));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listing_that_fails_prints_nothing() {
    let world = World::start().await;
    for arguments in [
        &["stream", "list", "nobody"][..],
        &["credential", "list", "nobody"],
        &["suppression", "list", "nobody"],
        &["suppression", "show", "acme", "bob@reader.example"],
        &["consent", "show", "acme/newsletter", "bob@reader.example"],
        &["consent", "show", "acme/nothing"],
        &["queue", "list", "--account", "nobody"],
        &["queue", "show", "aaaaaaaaaaaaaaaaaaaa"],
    ] {
        let told = world.relent(&[arguments, &["--json"]].concat());
        assert_eq!((told.code, told.out.as_str()), (1, ""), "{arguments:?} {}", told.err);
        assert!(told.err.contains("relent "), "{arguments:?} says not what to do: {}", told.err);
    }
    let none = world.done(&["consent", "show", "acme/newsletter", "--json"]);
    assert_eq!(none.out, "[]\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn everybodys_records_are_shown_where_nobody_is_named() {
    let world = World::start().await;
    for reader in ["ann@reader.example", "bob@reader.example"] {
        world.agree(reader);
        world.done(&["suppression", "add", "acme/newsletter", reader]);
    }
    world.done(&["consent", "withdraw", "acme/newsletter", "bob@reader.example", "--ip", "::1"]);
    let consents = world.done(&["consent", "show", "acme/newsletter", "--json"]).json();
    let mut states: Vec<_> = consents
        .as_array()
        .expect("a list")
        .iter()
        .map(|one| (one["recipient"].to_string(), one["state"].to_string()))
        .collect();
    states.sort();
    let pair = |recipient: &str, state: &str| {
        (format!("\"{recipient}@reader.example\""), format!("\"{state}\""))
    };
    assert_eq!(states, [pair("ann", "granted"), pair("bob", "withdrawn")]);
    let stops = world.done(&["suppression", "show", "acme/newsletter", "--json"]).json();
    assert_eq!(stops.as_array().map(Vec::len), Some(2), "{stops}");
    let lift = ["suppression", "remove", "acme/newsletter", "ann@reader.example"];
    let lifted = world.done(&[&lift[..], &["--reason", "manual", "--json"]].concat());
    assert_eq!(lifted.json()["reason"], "manual");
    for act in ["relent::http: stopped", "relent::http: stop lifted", "by=operator"] {
        assert!(world.log().contains(act), "{act} is not in the log:\n{}", world.log());
    }
    assert!(!world.log().contains(&world.password), "the log has a password");
}

#[tokio::test(flavor = "multi_thread")]
async fn check_refuses_what_serve_would() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("relent.toml");
    let base = format!("data_dir = {:?}\n", folder.path().join("data"));
    for (more, words) in [
        ("[log]\nlevel = \"loud\"\n", "relent.toml:3: log.level: `loud`"),
        (
            "[tls]\ncertificate = \"/nowhere/c.pem\"\nkey = \"/nowhere/k.pem\"\n",
            "relent.toml:3: tls.certificate: /nowhere/c.pem",
        ),
        ("[process]\nuser = \"no-such-user\"\n", "relent.toml:3: process.user: there is no user"),
        ("[listen]\nhttp = [\"127.0.0.1:587\"]\n", "relent.toml:3: listen.http: 127.0.0.1:587"),
    ] {
        std::fs::write(&file, format!("{base}{more}")).expect("settings");
        // Somebody must mend the file: a service manager need not try again.
        for (verb, code) in [("check", 1), ("serve", 2)] {
            let mut command = Command::new(program());
            let output = command.args([verb, "--config"]).arg(&file).output();
            let told = said(output.expect("the command line runs"));
            assert_eq!(told.code, code, "{verb} {more}");
            assert!(told.err.contains(words), "{verb} {more}{}", told.err);
        }
    }
}
