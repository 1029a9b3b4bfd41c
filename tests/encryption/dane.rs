//! Domains with DANE (RFC 7672): who proves to be whom DNS names is sent to, nobody else; what DNSSEC does not
//! prove counts for nothing, and what cannot be looked up is waited for.

use super::{BRIEF, Identity, Lab, idle, tlsa, took};
use relent::demo::receiver::{Fault, Receiver, Step};
use relent::dns::Rdata;
use relent::mail::Tlsa;

/// A domain whose answers are proven, and its server, which shows a certificate of its own making.
async fn proven(lab: &mut Lab, name: &str) -> (Receiver, Identity, String) {
    let (host, domain) = (format!("mx.{name}.example"), format!("{name}.example"));
    let identity = super::Authority::new("Nobody").issue(&[&host]);
    let server = lab.server(&host, &[&domain], &identity).await;
    lab.publish(&domain, Rdata::Proven);
    (server, identity, format!("_{}._tcp.{host}", lab.world.receiver.address().port()))
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_cannot_be_used_do_not_undo_a_policy() {
    let mut lab = Lab::start("", "").await;
    let (server, identity, place) = proven(&mut lab, "both").await;
    let Rdata::Tlsa(record) = tlsa(1, &identity.chain[0]) else { unreachable!("a TLSA record") };
    lab.publish(&place, Rdata::Tlsa(Tlsa { usage: 1, ..record }));
    lab.policy("both.example", "1", &super::enforce("mx.both.example"));
    let to = "ann@both.example";
    lab.send(&[to]);
    let fate = lab.fate(to).await;
    assert!(fate.starts_with("deferred 4.7.5 ") && fate.contains("MTA-STS"), "{fate}");
    assert_eq!(took(&server, to), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_whom_dns_names_is_sent_to_and_no_other() {
    let mut lab = Lab::start("", "").await;
    let other = super::Authority::new("Other").issue(&["mx.other.example"]);
    let unusable = |of: &Identity| match tlsa(1, &of.chain[0]) {
        Rdata::Tlsa(record) => Rdata::Tlsa(Tlsa { usage: 1, ..record }),
        other => other,
    };
    let own = |identity: &Identity| identity.chain[0].clone();
    let above = |identity: &Identity| identity.chain[1].clone();
    type Rows<'a> = Vec<(&'a str, Box<dyn Fn(&Identity) -> Vec<Rdata> + 'a>, Result<(), &'a str>)>;
    let rows: Rows<'_> = vec![
        ("self", Box::new(|own_of| vec![tlsa(3, &own(own_of))]), Ok(())),
        ("authority", Box::new(|of| vec![tlsa(2, &above(of))]), Ok(())),
        ("rollover", Box::new(|of| vec![tlsa(3, &other.chain[0]), tlsa(3, &own(of))]), Ok(())),
        ("mixed", Box::new(|of| vec![unusable(of), tlsa(3, &own(of))]), Ok(())),
        ("unusable", Box::new(|of| vec![unusable(of)]), Ok(())),
        ("wrong", Box::new(|_| vec![tlsa(3, &other.chain[0])]), Err("no TLSA record matches")),
        (
            "stranger",
            Box::new(|of| vec![unusable(of), tlsa(2, &other.chain[1])]),
            Err("no TLSA record matches"),
        ),
        ("failing", Box::new(|_| vec![Rdata::Fails]), Err("cannot be looked up")),
    ];
    for (name, records, expected) in rows {
        let (server, identity, place) = proven(&mut lab, name).await;
        for record in records(&identity) {
            lab.publish(&place, record);
        }
        let to = format!("ann@{name}.example");
        lab.send(&[&to]);
        let fate = lab.fate(&to).await;
        let Err(told) = expected else {
            assert!(fate.starts_with("delivered"), "{name}: {fate}");
            assert_eq!(took(&server, &to), Some(true), "{name}");
            continue;
        };
        assert!(fate.starts_with("deferred 4.7.5 ") && fate.contains(told), "{name}: {fate}");
        assert!(lab.next_fate(&to).await.starts_with("deferred 4.7.5 "), "{name}");
        assert_eq!(took(&server, &to), None, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_nobody_proves_are_passed_over() {
    let mut lab = Lab::start("", "").await;
    let other = super::Authority::new("Other").issue(&["mx.other.example"]);
    let identity = super::Authority::new("Nobody").issue(&["mx.plain.example"]);
    let server = lab.server("mx.plain.example", &["plain.example"], &identity).await;
    let port = lab.world.receiver.address().port();
    lab.publish(&format!("_{port}._tcp.mx.plain.example"), tlsa(3, &other.chain[0]));
    lab.send(&["ann@plain.example"]);
    assert!(lab.fate("ann@plain.example").await.starts_with("delivered"));
    assert_eq!(took(&server, "ann@plain.example"), Some(true));
    // Its addresses alone are proven, and who says that they are its are not.
    lab.publish("mx.plain.example", Rdata::Proven);
    lab.send(&["bob@plain.example"]);
    assert!(lab.fate("bob@plain.example").await.starts_with("delivered"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_with_records_is_not_sent_to_in_the_clear() {
    let mut lab = Lab::start(BRIEF, "").await;
    let (server, identity, place) = proven(&mut lab, "lying").await;
    lab.publish(&place, tlsa(3, &identity.chain[0]));
    for (name, fault, status) in [
        ("offers none", Fault::Answer(Step::Hello, "250-mx\r\n250 8BITMIME".into()), "4.7.10"),
        ("refuses it", Fault::Answer(Step::StartTls, "454 4.7.0 not now".into()), "4.7.10"),
        ("talks nonsense", Fault::BrokenTls, "4.7.5"),
    ] {
        idle(&server).await;
        server.misbehave(vec![fault]);
        let to = format!("{}@lying.example", name.replace(' ', "."));
        lab.send(&[&to]);
        let fate = lab.fate(&to).await;
        assert!(fate.starts_with(&format!("deferred {status} ")), "{name}: {fate}");
        assert_eq!(took(&server, &to), None, "{name}");
        // Once it is honest again, the mail goes out.
        server.misbehave(Vec::new());
        assert!(
            server.message_to(&to, crate::support::PATIENCE).await.is_some_and(|mail| mail.tls)
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dane_alone_holds_where_the_operator_says_so() {
    let mut lab = Lab::start(
        "tls_policies = { \"bare.example\" = \"dane-only\", \"sure.example\" = \"dane-only\" }",
        "",
    )
    .await;
    let (server, identity, place) = proven(&mut lab, "sure").await;
    lab.publish(&place, tlsa(3, &identity.chain[0]));
    let (bare, _, _) = proven(&mut lab, "bare").await;
    lab.send(&["ann@sure.example", "ann@bare.example"]);
    assert!(lab.fate("ann@sure.example").await.starts_with("delivered"));
    assert_eq!(took(&server, "ann@sure.example"), Some(true));
    let fate = lab.fate("ann@bare.example").await;
    assert!(fate.starts_with("deferred 4.7.5 ") && fate.contains("dane-only"), "{fate}");
    assert_eq!(took(&bare, "ann@bare.example"), None);
}
