//! Which addresses are called: none in our own network, whatever name leads there, and none that does not prove who
//! it is.

use super::{HASTE, add, send};
use crate::support::World;
use crate::support::certificates::Authority;
use crate::support::endpoint::Endpoint;
use relent::dns::Rdata;
use std::net::Ipv4Addr;

#[tokio::test(flavor = "multi_thread")]
async fn no_name_leads_into_our_own_network() {
    let world = World::with("[webhooks]\nports = []\nallow_plaintext = true\n").await;
    let endpoint = Endpoint::start().await;
    let four = |name: &str, to: [u8; 4]| (name.to_owned(), Rdata::A(Ipv4Addr::from(to)));
    let six =
        |name: &str, to: &str| (name.to_owned(), Rdata::Aaaa(to.parse().expect("an address")));
    let names = [
        four("loopback.example", [127, 0, 0, 1]),
        four("any.example", [0, 0, 0, 0]),
        four("ten.example", [10, 0, 0, 1]),
        four("office.example", [192, 168, 1, 1]),
        four("metadata.example", [169, 254, 169, 254]),
        four("carrier.example", [100, 64, 0, 1]),
        six("six.example", "::1"),
        six("mapped.example", "::ffff:10.0.0.1"),
        six("mapped-loopback.example", "::ffff:127.0.0.1"),
        six("local.example", "fe80::1"),
        six("unique.example", "fd00::1"),
        six("nat64.example", "64:ff9b::7f00:1"),
    ];
    world.publish(&names);
    for (name, _) in &names {
        for scheme in ["http", "https"] {
            let url = format!("{scheme}://{name}:{}/hook", endpoint.port());
            let (id, _) = add(&world, &[&url]);
            let said = world.relent(&["webhook", "test", "acme", &id]);
            assert_eq!(said.code, 1, "{url}: {}", said.out);
            assert!(said.err.contains("public internet"), "{url}: {}", said.err);
            world.done(&["webhook", "remove", "acme", &id]);
        }
    }
    for host in ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "169.254.169.254", "2130706433"] {
        let url = format!("http://{host}:{}/hook", endpoint.port());
        let said = world.relent(&["webhook", "add", "acme", &url]);
        assert_eq!(said.code, 1, "{url} was taken");
    }
    // A name that leads elsewhere once the webhook is made is looked at again at every call.
    world.publish(&[four("moves.example", [203, 0, 113, 1])]);
    let url = format!("http://moves.example:{}/hook", endpoint.port());
    let (id, _) = add(&world, &[&url]);
    world.publish(&[four("moves.example", [127, 0, 0, 1])]);
    let said = world.relent(&["webhook", "test", "acme", &id]);
    assert!(said.err.contains("127.0.0.1") && said.err.contains("public internet"), "{}", said.err);
    assert!(endpoint.told().is_empty(), "our own network was called");
}

#[tokio::test(flavor = "multi_thread")]
async fn we_call_none_of_our_own_listeners() {
    let world = World::with(HASTE).await;
    let url = format!("http://127.0.0.1:{}/u/x", world.ports.http[0]);
    let (id, _) = add(&world, &[&url]);
    let said = world.relent(&["webhook", "test", "acme", &id]);
    assert!(said.code == 1 && said.err.contains("this relay itself"), "{}", said.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endpoint_proves_who_it_is() {
    let authority = Authority::new("Lab");
    let folder = tempfile::tempdir().expect("a folder");
    let anchors = folder.path().join("anchors.pem");
    std::fs::write(&anchors, authority.pem()).expect("written");
    let settings = format!("{HASTE}[tls]\ntrust_anchors = {anchors:?}\n");
    let world = World::with(&settings).await;
    world.publish(&[("app.example".into(), Rdata::A(Ipv4Addr::LOCALHOST))]);
    let good = Endpoint::encrypted(&authority.issue(&["app.example"])).await;
    let url = |port: u16| format!("https://app.example:{port}/hook");
    let (_, secret) = add(&world, &[&url(good.port())]);
    send(&world, &["ann@reader.example"]);
    let told = good.wait("both", |told| told.len() == 2).await;
    assert!(told.iter().all(|told| told.is_signed_with(&secret)));
    for (name, identity) in [
        ("of another name", authority.issue(&["other.example"])),
        ("by an unknown authority", Authority::new("Unknown").issue(&["app.example"])),
    ] {
        let bad = Endpoint::encrypted(&identity).await;
        let (id, _) = add(&world, &[&url(bad.port())]);
        let said = world.relent(&["webhook", "test", "acme", &id]);
        assert!(said.code == 1 && said.err.contains("certificate"), "{name}: {}", said.err);
        assert!(bad.told().is_empty(), "{name}: it was told");
    }
}
