//! What the operator is told of a domain by `relent delivery probe`.

use super::{Lab, enforce, idle, tlsa};
use relent::demo::receiver::{Fault, Step};
use relent::dns::Rdata;

#[tokio::test(flavor = "multi_thread")]
async fn a_probe_says_what_would_happen_and_why_and_sends_nothing() {
    let mut lab = Lab::start("tls_policies = { \"word.example\" = \"verify\" }", "").await;
    let unknown = super::Authority::new("Unknown");
    let good = lab.authority.issue(&["mx.sts.example"]);
    let sts = lab.server("mx.sts.example", &["sts.example"], &good).await;
    lab.policy("sts.example", "1", &enforce("mx.sts.example"));
    let own = unknown.issue(&["mx.dane.example"]);
    let _dane = lab.server("mx.dane.example", &["dane.example"], &own).await;
    let port = lab.world.receiver.address().port();
    lab.publish("dane.example", Rdata::Proven);
    lab.publish(&format!("_{port}._tcp.mx.dane.example"), tlsa(3, &own.chain[0]));
    let wrong = unknown.issue(&["mx.word.example"]);
    let _word = lab.server("mx.word.example", &["word.example", "open.example"], &wrong).await;
    lab.publish("mx.away.example", Rdata::A([127, 0, 1, 200].into()));
    lab.publish("away.example", Rdata::Mx(10, "mx.away.example".into()));

    let probe = |domain: &str| lab.world.done(&["delivery", "probe", domain, "--json"]).json();
    for (domain, rule, sends, verdict) in [
        ("sts.example", "MTA-STS policy of sts.example, mode enforce", true, "proves who it is"),
        ("dane.example", "DANE: the TLSA records of mx.dane.example", true, "proves who it is"),
        ("word.example", "delivery.tls_policies says verify", false, "mail would wait: no known"),
        ("open.example", "no policy: TLS where it comes about", true, "to whoever answers"),
        ("away.example", "no policy", false, "mail would wait: "),
    ] {
        let found = probe(domain);
        let host = &found["hosts"][0];
        assert!(host["rule"].as_str().is_some_and(|said| said.contains(rule)), "{found}");
        assert_eq!(host["addresses"][0]["sends"], sends, "{found}");
        let said = found["verdict"].as_str().unwrap_or_default();
        assert!(said.contains(verdict), "{domain}: {found}");
        if domain != "away.example" {
            let address = &host["addresses"][0];
            assert!(address["version"].as_str().is_some_and(|v| v.starts_with("TLS")), "{found}");
            assert_eq!(address["certificates"][0]["names"][0], host["host"], "{found}");
        }
    }
    let found = probe("sts.example");
    assert_eq!(found["mta_sts"]["mx"][0], "mx.sts.example", "{found}");
    assert_eq!(probe("dane.example")["dnssec"], true);
    let said = lab.world.done(&["delivery", "probe", "sts.example"]).out;
    for part in ["MTA-STS", "mx.sts.example (10)", "CN=Lab", "valid until"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    for (domain, verdict) in [
        ("null.example", "mail would be refused: the domain takes none"),
        ("nowhere.example", "mail would be refused: there is no such domain"),
    ] {
        let found = probe(domain);
        assert!(found["verdict"].as_str().is_some_and(|said| said.contains(verdict)), "{found}");
    }
    sts.misbehave(vec![Fault::Answer(Step::Hello, "250-mx\r\n250 8BITMIME".into())]);
    let found = probe("sts.example");
    let said = found["verdict"].as_str().unwrap_or_default();
    assert!(said.contains("mail would wait: the server offers no TLS"), "{found}");
    let wrong = lab.world.relent(&["delivery", "probe", "no domain"]);
    assert_eq!(wrong.code, 1, "{}", wrong.err);
    idle(&sts).await;
    assert!(sts.mailbox().is_empty());
}
