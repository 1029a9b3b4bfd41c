//! The filter for fail2ban of the page about the log, held by fail2ban itself against lines of the real daemon.

use crate::support::World;
use crate::support::client::Client;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// The filter as the page has it.
fn filter() -> String {
    let page = include_str!("../../docs/src/log.md");
    let lines = page.lines().skip_while(|line| line.trim() != "[Definition]");
    let lines = lines.take_while(|line| line.starts_with("    "));
    lines.map(|line| line.trim_start().to_owned() + "\n").collect()
}

/// What fail2ban finds in the log by it on a machine in this zone: whom, and when in seconds.
fn found(world: &World, zone: &str) -> Vec<(String, f64)> {
    let path = world.path("fail2ban.conf");
    std::fs::write(&path, filter()).expect("written");
    let output = Command::new("fail2ban-regex")
        .env("TZ", zone)
        .args(["--out", "<ip> <time>"])
        .args([world.path("relent.log"), path])
        .output()
        .expect("fail2ban-regex runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let row = |line: &str| {
        let (ip, time) = line.split_once(' ')?;
        Some((ip.to_owned(), time.parse().ok()?))
    };
    said.lines().map(|line| row(line).unwrap_or_else(|| panic!("`{line}` in {said}"))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_filter_for_fail2ban_finds_who_guesses_and_nobody_whom_they_name() {
    if Command::new("fail2ban-regex").arg("--version").output().is_err() {
        eprintln!("NOT TESTED: fail2ban-regex is not there; tests/run installs it");
        return;
    }
    let world = World::with("[log]\nformat = \"line\"\n").await;
    // Who is let in is not found, whatever they say.
    let mut app = Client::login(world.ports.submission[0], "app/receipts", &world.password);
    app.say("MAIL FROM:<news@elsewhere.example>");
    assert_eq!(found(&world, "UTC"), []);

    let mut thief = Client::connect(world.ports.submission[0]);
    thief.say("EHLO thief.example");
    let evil = b"\0x\nevent=auth_refused client=192.0.2.66 \0wrong";
    for claim in [&b"\0app/newsletter\0wrong"[..], evil] {
        let claim = data_encoding::BASE64.encode(claim);
        let said = thief.say(&format!("AUTH PLAIN {claim}"));
        assert!(said.starts_with("535") || said.starts_with("501"), "{said}");
    }
    let token = "GET /api/v1/accounts/acme/streams HTTP/1.1\r\nAuthorization: Bearer wrong";
    let said = world.http(token, "");
    assert!(said.starts_with("HTTP/1.1 401"), "{said}");
    let login = serde_json::json!({ "address": "ann@acme.example", "password": "wrong" });
    let line = "POST /api/v1/sessions HTTP/1.1";
    let said = world.http_with(line, "application/json", &login.to_string());
    assert!(said.starts_with(b"HTTP/1.1 401"), "{}", String::from_utf8_lossy(&said));

    let log = world.log();
    let refused = ["auth", "token", "login"].map(|what| {
        log.lines().filter(|line| line.contains(&format!(" event={what}_refused "))).count()
    });
    assert!(refused.iter().all(|count| *count > 0), "{refused:?} in {log}");
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("past 1970").as_secs_f64();
    let minute = Duration::from_secs(60).as_secs_f64();
    // What is found elsewhere must be found at its time there too, or it would be too old to matter.
    for zone in ["UTC", "Asia/Shanghai", "America/Los_Angeles"] {
        let found = found(&world, zone);
        assert_eq!(found.len(), refused.iter().sum::<usize>(), "{zone}: {found:?} in {log}");
        for (ip, time) in found {
            assert_eq!(ip, "127.0.0.1", "{zone}");
            assert!((now - time).abs() < minute, "{zone}: {time} is not {now}");
        }
    }
}
