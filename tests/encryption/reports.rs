//! The relay's own days, moved by hand: results are counted over a restart, and reported to who asks, by mail and
//! over HTTPS.

use super::{BRIEF, Lab, enforce, page, until};
use crate::support::PATIENCE;
use flate2::read::GzDecoder;
use relent::demo::receiver::{Fault, Step};
use relent::dns::Rdata;
use serde_json::Value;
use std::io::Read;
use std::path::PathBuf;
use std::time::{Duration, UNIX_EPOCH};

/// The library that moves a process's wall clock, where it is installed.
fn library() -> Option<PathBuf> {
    let folders = std::fs::read_dir("/usr/lib").ok()?.flatten().map(|entry| entry.path());
    folders.map(|folder| folder.join("faketime/libfaketimeMT.so.1")).find(|path| path.exists())
}

fn unpacked(packed: &[u8]) -> Value {
    let mut text = String::new();
    GzDecoder::new(packed).read_to_string(&mut text).expect("gzip");
    serde_json::from_str(&text).expect("JSON")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_is_counted_over_a_restart_and_reported_by_mail_and_over_https() {
    // A machine without the library has no day to move.
    let Some(library) = library() else { return };
    // A day that ended in the middle would be two.
    let left = 86_400 - UNIX_EPOCH.elapsed().expect("past 1970").as_secs() % 86_400;
    if left < 120 {
        tokio::time::sleep(Duration::from_secs(left)).await;
    }
    let settings = "[tls_reports]\nsave_delay = \"50ms\"\nspread = \"0s\"\n";
    let mut lab = Lab::start(BRIEF, settings).await;
    let host = "mx.counted.example";
    let good = lab.authority.issue(&[host]);
    let server = lab.server(host, &["counted.example"], &good).await;
    lab.policy("counted.example", "1", &enforce(host));
    let place = format!(
        "v=TLSRPTv1; rua=mailto:tls@counted.example,https://mta-sts.counted.example:{}/tls",
        lab.web.port()
    );
    lab.publish("_smtp._tls.counted.example", Rdata::Txt(place));
    lab.web.put("mta-sts.counted.example", "/tls", page("200 OK", "text/plain", "thanks"));

    lab.send(&["ann@counted.example"]);
    assert!(lab.fate("ann@counted.example").await.starts_with("delivered"));
    assert_eq!(lab.world.stop(), 0);
    lab.world.launch(&[]);
    server.misbehave(vec![Fault::Answer(Step::Hello, "250-mx\r\n250 8BITMIME".into())]);
    lab.send(&["bob@counted.example"]);
    assert!(lab.fate("bob@counted.example").await.starts_with("deferred 4.7.10 "));
    assert_eq!(lab.world.stop(), 0);

    // The next day: reports go out though TLS fails, since that is what they tell.
    let library = library.display().to_string();
    lab.world.launch(&[
        ("LD_PRELOAD", &library),
        ("FAKETIME", "+1d"),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ("NO_FAKE_STAT", "1"),
    ]);
    let mail = server.message_to("tls@counted.example", PATIENCE).await.expect("a report");
    assert!(!mail.tls);
    let text = String::from_utf8_lossy(&mail.message).into_owned();
    assert!(text.contains("TLS-Report-Domain: counted.example\r\n"), "{text}");
    until("the report over HTTPS", || !lab.web.taken().is_empty()).await;
    let (kind, packed) = lab.web.taken().remove(0);
    assert_eq!(kind, "application/tlsrpt+gzip");
    let report = unpacked(&packed);
    let policy = &report["policies"][0];
    assert_eq!(policy["policy"]["policy-type"], "sts", "{report}");
    assert_eq!(policy["policy"]["mx-host"][0], host, "{report}");
    assert_eq!(policy["policy"]["policy-string"][1], "mode: enforce", "{report}");
    assert_eq!(policy["summary"]["total-successful-session-count"], 1, "{report}");
    let detail = &policy["failure-details"][0];
    assert_eq!(detail["result-type"], "starttls-not-supported", "{report}");
    assert!(detail["failed-session-count"].as_u64().is_some_and(|count| count >= 1), "{report}");
    assert!(text.contains("application/tlsrpt+gzip"));
}
