//! A day is counted, passes, and is told to the domain that asks.

use super::{House, Script, house_at};
use crate::accounts::DkimChoice;
use crate::dns::{DnsFault, MailHost, Resolver, Route};
use crate::mail::{Domain, Timestamp};
use crate::queue::Queue;
use crate::world::{Clock, SystemClock};
use async_trait::async_trait;
use data_encoding::BASE64;
use flate2::read::GzDecoder;
use serde_json::Value;
use std::io::Read;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

/// A clock that is set by hand.
struct Turned(AtomicU64, SystemClock);

impl Clock for Turned {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
    fn steady(&self) -> Duration {
        self.1.steady()
    }
}

/// Everything is at loopback, and asks for reports.
struct Asks;

#[async_trait]
impl Resolver for Asks {
    async fn route(&self, _domain: &Domain) -> Result<Route, DnsFault> {
        Ok(Route::Hosts(vec![MailHost { preference: 0, name: "mx.example".into() }]))
    }
    async fn addresses(&self, _host: &str) -> Result<Vec<IpAddr>, DnsFault> {
        Ok(vec![IpAddr::from([127, 0, 0, 1])])
    }
    async fn texts(&self, name: &str) -> Result<Vec<String>, DnsFault> {
        let asks = name == "_smtp._tls.there.example";
        Ok(asks.then(|| "v=TLSRPTv1; rua=mailto:tls@there.example".into()).into_iter().collect())
    }
}

async fn sent(house: &mut House, local: &str) {
    house.accept(local).await;
    house.hear(".").await;
}

/// The report that a message holds.
fn report(lines: &[String]) -> Value {
    let start = lines.iter().position(|line| line.contains("application/tlsrpt+gzip"));
    let after = lines[start.expect("the part")..].iter().skip_while(|line| !line.is_empty());
    let encoded: String =
        after.skip(1).take_while(|line| !line.starts_with("--")).cloned().collect();
    let packed = BASE64.decode(encoded.as_bytes()).expect("base64");
    let mut text = String::new();
    GzDecoder::new(&packed[..]).read_to_string(&mut text).expect("gzip");
    serde_json::from_str(&text).expect("JSON")
}

#[tokio::test]
async fn a_day_that_is_over_is_told_to_the_domain_that_asks_for_it_once() {
    let day: Timestamp = "2026-11-26T12:00:00Z".parse().expect("a moment");
    let clock = Arc::new(Turned(AtomicU64::new(day.0), SystemClock::new()));
    // TLS is offered, and nonsense.
    let script = Script { clock: Some(clock.clone()), tls: Some(None), ..Script::default() };
    let server = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let mut house = house_at(server, Arc::new(Asks), Vec::new(), Arc::new(script)).await;
    let own = Domain::parse("relay.example").expect("a domain");
    let accounts = &house.delivery.parts.accounts;
    let added = accounts.add_domain(house.account, &own, true, DkimChoice::Ed25519, &[]).await;
    added.expect("a sending domain");
    let stop = CancellationToken::new();
    let running = tokio::spawn(house.delivery.clone().run(stop.clone()));
    for local in ["ann", "bob"] {
        sent(&mut house, local).await;
    }
    house.delivery.tally.save().await;
    assert!(house.delivery.report_past().await, "today is not over");
    clock.0.fetch_add(86_400_000, Ordering::SeqCst);
    assert!(house.delivery.report_past().await);
    let heard = house.hear("RCPT TO:<tls@there.example>").await;
    assert!(heard.iter().any(|line| line.starts_with("MAIL FROM:<>")), "{heard:?}");
    let mail = house.hear(".").await;
    for field in [
        "From: <tls-reports@relay.example>",
        "TLS-Report-Domain: there.example",
        "TLS-Report-Submitter: relay.example",
        "TLS-Required: No",
        "Content-Type: multipart/report; report-type=\"tlsrpt\";",
    ] {
        assert!(mail.iter().any(|line| line == field), "{field}: {mail:?}");
    }
    assert!(mail.iter().any(|line| line.starts_with("DKIM-Signature: v=1; a=ed25519-sha256")));
    let found = report(&mail);
    assert_eq!(found["date-range"]["start-datetime"], "2026-11-26T00:00:00Z");
    assert_eq!(found["organization-name"], "relay.example");
    assert_eq!(found["contact-info"], "tls-reports@relay.example");
    let policy = &found["policies"][0];
    assert_eq!(policy["policy"]["policy-type"], "no-policy-found");
    assert_eq!(policy["policy"]["policy-domain"], "there.example");
    assert_eq!(policy["summary"]["total-successful-session-count"], 0);
    let detail = &policy["failure-details"][0];
    assert_eq!(detail["result-type"], "validation-failure");
    let failed = policy["summary"]["total-failure-session-count"].as_u64();
    assert!(failed.is_some_and(|count| count >= 1), "{found}");
    assert_eq!(detail["failed-session-count"].as_u64(), failed);
    assert_eq!(detail["receiving-mx-hostname"], "mx.example");
    assert_eq!(detail["receiving-ip"], "127.0.0.1");
    assert_eq!(detail["sending-mta-ip"], "127.0.0.1");
    // Once; and how the report itself fared is told to nobody.
    house.delivery.tally.save().await;
    assert!(house.delivery.report_past().await);
    clock.0.fetch_add(86_400_000, Ordering::SeqCst);
    assert!(house.delivery.report_past().await);
    stop.cancel();
    running.await.expect("ends");
    assert_eq!(house.queue.summary().await.queued, 0, "no other report waits");
}

/// The same, and there is a second address, of a web server that nobody finds.
struct AsksTwice;

#[async_trait]
impl Resolver for AsksTwice {
    async fn route(&self, domain: &Domain) -> Result<Route, DnsFault> {
        Asks.route(domain).await
    }
    async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, DnsFault> {
        if host == "web.example" { Ok(Vec::new()) } else { Asks.addresses(host).await }
    }
    async fn texts(&self, name: &str) -> Result<Vec<String>, DnsFault> {
        let one = Asks.texts(name).await?;
        Ok(one.into_iter().map(|text| text + ",https://web.example/tls").collect())
    }
}

#[tokio::test]
async fn who_has_a_report_does_not_get_it_again_because_another_cannot_be_reached() {
    let day: Timestamp = "2026-11-26T12:00:00Z".parse().expect("a moment");
    let clock = Arc::new(Turned(AtomicU64::new(day.0), SystemClock::new()));
    let script = Script { clock: Some(clock.clone()), tls: Some(None), ..Script::default() };
    let server = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let mut house = house_at(server, Arc::new(AsksTwice), Vec::new(), Arc::new(script)).await;
    let stop = CancellationToken::new();
    let running = tokio::spawn(house.delivery.clone().run(stop.clone()));
    sent(&mut house, "ann").await;
    house.delivery.tally.save().await;
    clock.0.fetch_add(86_400_000, Ordering::SeqCst);
    assert!(!house.delivery.report_past().await, "one of two has it");
    house.hear("RCPT TO:<tls@there.example>").await;
    house.hear(".").await;
    stop.cancel();
    running.await.expect("ends");
    assert!(!house.delivery.report_past().await, "the other has it not");
    assert_eq!(house.queue.summary().await.queued, 0, "no other report waits");
}
