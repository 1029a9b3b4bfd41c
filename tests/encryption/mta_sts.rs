//! Domains with MTA-STS (RFC 8461): their policy is obeyed, kept, and fetched from nobody but them.

use super::{BRIEF, Lab, POLICY, enforce, idle, page, took, until};
use crate::support::PATIENCE;
use relent::demo::receiver::{Fault, Receiver, Step};

/// A domain with a server whose certificate is in order, and a policy.
async fn domain(lab: &mut Lab, name: &str, policy: impl Fn(&str) -> String) -> (Receiver, String) {
    let (host, domain) = (format!("mx.{name}.example"), format!("{name}.example"));
    let identity = lab.authority.issue(&[&host]);
    let server = lab.server(&host, &[&domain], &identity).await;
    lab.policy(&domain, "1", &policy(&host));
    (server, domain)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_is_obeyed_as_far_as_it_goes() {
    let mut lab = Lab::start("", "").await;
    let text =
        |mode: &str, mx: &str| format!("version: STSv1\nmode: {mode}\nmx: {mx}\nmax_age: 86400\n");
    for (name, mode, mx, is_sent) in [
        ("good", "enforce", None, true),
        ("wild", "enforce", Some("*.wild.example"), true),
        ("unnamed", "enforce", Some("mail.elsewhere.example"), false),
        ("deep", "enforce", Some("*.example"), false),
        ("testing", "testing", Some("mail.elsewhere.example"), true),
        ("none", "none", Some("mail.elsewhere.example"), true),
    ] {
        let (server, domain) = domain(&mut lab, name, |host| text(mode, mx.unwrap_or(host))).await;
        let to = format!("ann@{domain}");
        lab.send(&[&to]);
        let fate = lab.fate(&to).await;
        if is_sent {
            assert!(fate.starts_with("delivered"), "{name}: {fate}");
            assert_eq!(took(&server, &to), Some(true), "{name}");
        } else {
            assert!(fate.starts_with("deferred 4.7.5 "), "{name}: {fate}");
            assert!(fate.contains("does not name mx."), "{name}: {fate}");
            assert_eq!(took(&server, &to), None, "{name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_lies_about_starttls_gets_no_mail_that_must_be_encrypted() {
    let mut lab = Lab::start(BRIEF, "").await;
    let (server, domain) = domain(&mut lab, "lying", enforce).await;
    for (name, fault, status) in [
        ("not.offered", Fault::Answer(Step::Hello, "250-mx\r\n250 8BITMIME".into()), "4.7.10"),
        ("refused", Fault::Answer(Step::StartTls, "454 4.7.0 not now".into()), "4.7.10"),
        ("garbage", Fault::BrokenTls, "4.7.5"),
        ("injected", Fault::Answer(Step::StartTls, "220 go\r\n250 hello".into()), "4.7.5"),
        ("hung.up", Fault::Drop(Step::StartTls), "4.7.5"),
    ] {
        idle(&server).await;
        server.misbehave(vec![fault]);
        let to = format!("{name}@{domain}");
        lab.send(&[&to]);
        let fate = lab.fate(&to).await;
        assert!(fate.starts_with(&format!("deferred {status} ")), "{name}: {fate}");
        let next = lab.next_fate(&to).await;
        assert!(next.starts_with(&format!("deferred {status} ")), "{name}: {next}");
        assert_eq!(took(&server, &to), None, "{name}");
        server.misbehave(Vec::new());
        assert!(server.message_to(&to, PATIENCE).await.is_some_and(|mail| mail.tls), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_that_tls_keeps_for_too_long_comes_back_and_says_so() {
    let mut lab = Lab::start(BRIEF, "").await;
    let file = lab.world.path("relent.toml");
    let settings = std::fs::read_to_string(&file).expect("settings");
    let hasty = settings.replace("[queue]\n", "[queue]\nexpiry = \"8s\"\n");
    std::fs::write(&file, hasty).expect("written");
    lab.world.stop();
    lab.world.launch(&[]);
    let (server, domain) = domain(&mut lab, "late", enforce).await;
    server.misbehave(vec![Fault::Answer(Step::Hello, "250-mx\r\n250 8BITMIME".into())]);
    let to = format!("ann@{domain}");
    lab.send(&[&to]);
    let has_failed = || lab.fates(&to).iter().any(|fate| fate.starts_with("failed "));
    until("the end", has_failed).await;
    let fates = lab.fates(&to);
    assert!(fates[0].starts_with("deferred 4.7.10 "), "{fates:?}");
    let last = fates.last().map(String::as_str).unwrap_or_default();
    assert!(last.starts_with("failed 5.7.10 given up after "), "{fates:?}");
    let report = lab.world.receiver.message_to("news@acme.example", PATIENCE).await;
    let report = report.expect("a report").message;
    let report = String::from_utf8_lossy(&report);
    assert!(report.contains("Status: 5.7.10\r\n"), "{report}");
    assert_eq!(took(&server, &to), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_holds_for_its_time_whatever_becomes_of_record_and_web_server() {
    let mut lab = Lab::start(BRIEF, "").await;
    let (server, domain) = domain(&mut lab, "kept", enforce).await;
    let to = |name: &str| format!("{name}@{domain}");
    lab.send(&[&to("first")]);
    assert!(lab.fate(&to("first")).await.starts_with("delivered"));
    idle(&server).await;
    // The web server is gone, then the record: somebody may be in between.
    server.misbehave(vec![Fault::Answer(Step::Hello, "250-mx\r\n250 8BITMIME".into())]);
    lab.web.remove(&format!("mta-sts.{domain}"), POLICY);
    lab.send(&[&to("second")]);
    assert!(lab.fate(&to("second")).await.starts_with("deferred 4.7.10 "));
    lab.withdraw(&format!("_mta-sts.{domain}"));
    lab.send(&[&to("third")]);
    assert!(lab.fate(&to("third")).await.starts_with("deferred 4.7.10 "));
    // It is kept over a restart as well.
    lab.world.kill();
    lab.world.launch(&[]);
    lab.send(&[&to("fourth")]);
    assert!(lab.fate(&to("fourth")).await.starts_with("deferred 4.7.10 "));
    // Another id, and a policy that ends the other.
    let none = "version: STSv1\nmode: none\nmax_age: 86400\n";
    lab.policy(&domain, "2", none);
    lab.send(&[&to("fifth")]);
    assert!(server.message_to(&to("fifth"), PATIENCE).await.is_some_and(|mail| !mail.tls));
    assert!(server.message_to(&to("second"), PATIENCE).await.is_some(), "it goes out now");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_policy_is_taken_from_its_domain_alone_and_only_as_it_must_be() {
    let mut lab = Lab::start("", "").await;
    let elsewhere = "mail.elsewhere.example";
    for (name, change) in [
        ("certificate", "shows another's certificate"),
        ("redirect", "sends us elsewhere"),
        ("html", "is no text"),
        ("broken", "cannot be read"),
        ("huge", "is too large"),
        ("absent", "is not there"),
    ] {
        let (server, domain) = domain(&mut lab, name, |_| enforce(elsewhere)).await;
        let host = format!("mta-sts.{domain}");
        match name {
            "certificate" => {}
            "redirect" => {
                let mut moved = page("301 Moved", "text/plain", &enforce(elsewhere));
                let target = format!("https://mta-sts.other.example:{}{POLICY}", lab.web.port());
                moved.fields.push(("Location", target));
                lab.web.put(&host, POLICY, moved);
            }
            "html" => lab.web.put(&host, POLICY, page("200 OK", "text/html", &enforce(elsewhere))),
            "broken" => lab.web.put(&host, POLICY, page("200 OK", "text/plain", "mode: enforce\n")),
            "huge" => {
                let text = enforce(elsewhere) + &"x: y\n".repeat(20_000);
                lab.web.put(&host, POLICY, page("200 OK", "text/plain", &text));
            }
            _ => lab.web.remove(&host, POLICY),
        }
        if name == "certificate" {
            lab.web.show(&super::Authority::new("Unknown").issue(&[&host]));
        }
        let to = format!("ann@{domain}");
        lab.send(&[&to]);
        // A policy that was never had is none (RFC 8461 §3.3).
        let fate = lab.fate(&to).await;
        assert!(fate.starts_with("delivered"), "{change}: {fate}");
        assert_eq!(took(&server, &to), Some(true), "{change}");
        let is_its = |line: &str| line.contains("no MTA-STS policy") && line.contains(&domain);
        until(change, || lab.world.log().lines().any(is_its)).await;
    }
    assert!(lab.web.asked().iter().all(|asked| !asked.contains("other.example")), "no redirect");
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_that_demands_more_does_not_go_over_a_connection_made_for_less() {
    let mut lab = Lab::start("connections_per_site_max = 1", "").await;
    // Two domains of one server, whose certificate is nobody's; one of them has a policy.
    let identity = super::Authority::new("Unknown").issue(&["mx.shared.example"]);
    let server =
        lab.server("mx.shared.example", &["open.example", "strict.example"], &identity).await;
    lab.policy("strict.example", "1", &enforce("mx.shared.example"));
    lab.send(&["ann@open.example", "ann@strict.example", "bob@open.example"]);
    for to in ["ann@open.example", "bob@open.example"] {
        assert!(lab.fate(to).await.starts_with("delivered"), "{:?}", lab.fates(to));
    }
    assert!(lab.fate("ann@strict.example").await.starts_with("deferred 4.7.5 "));
    // Mail of one domain that asks for none of this goes before mail that does not.
    let open = "From: news@acme.example\r\nSubject: x\r\nTLS-Required: No\r\n\r\nHello.\r\n";
    lab.send_as("", &["carol@strict.example"], open);
    lab.send(&["dan@strict.example"]);
    assert!(lab.fate("carol@strict.example").await.starts_with("delivered"));
    assert!(lab.fate("dan@strict.example").await.starts_with("deferred 4.7.5 "));
    assert_eq!(took(&server, "ann@strict.example"), None);
    assert_eq!(took(&server, "dan@strict.example"), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_that_demands_tls_does_not_wait_because_a_connection_is_in_the_clear() {
    let settings = "connections_per_site_max = 1\ntls_policies = { \"open.example\" = \"none\" }";
    let mut lab = Lab::start(settings, "").await;
    let identity = lab.authority.issue(&["mx.shared.example"]);
    let server =
        lab.server("mx.shared.example", &["open.example", "strict.example"], &identity).await;
    lab.policy("strict.example", "1", &enforce("mx.shared.example"));
    for (to, is_encrypted) in [("ann@open.example", false), ("ann@strict.example", true)] {
        lab.send(&[to]);
        assert!(lab.fate(to).await.starts_with("delivered"), "{:?}", lab.fates(to));
        assert_eq!(took(&server, to), Some(is_encrypted), "{to}");
    }
}
