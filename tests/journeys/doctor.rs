//! `relent doctor` over a name server that knows little, much, or bad things of us.

use super::senders::as_printed;
use crate::support::World;
use relent::dns::Rdata;
use serde_json::Value;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;

const HOST: &str = "relay.relent.example";
const OWN: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 7);

/// What is looked at on a host whose daemon runs: the area, and a part of the subject.
const LOOKED_AT: &[(&str, &str)] = &[
    ("DNS", HOST),
    ("DNS", "198.51.100.7"),
    ("DNS", "reply.relent.example"),
    ("reputation", "198.51.100.7 on zen.spamhaus.org"),
    ("reputation", "postmaster@"),
    ("reputation", "abuse@"),
    ("ports", "to reader.example"),
    ("ports", "submission 127.0.0.1:"),
    ("ports", "submissions 127.0.0.1:"),
    ("ports", "inbound 127.0.0.1:"),
    ("ports", "http 127.0.0.1:"),
    ("ports", "https"),
    ("TLS", "certificate"),
    ("disk", "data"),
    ("disk", "sync"),
    ("clock", "written files"),
    ("clock", "time servers"),
    ("files", "data"),
    ("files", "relent.toml"),
    ("files", "admin.sock"),
    ("files", "open files"),
    ("systemd", "relent.service"),
    ("domains", "acme.example"),
];

fn as_count(value: &Value) -> usize {
    value.as_u64().and_then(|count| usize::try_from(count).ok()).expect("a count")
}

/// What is told of one thing; panics where nothing is.
fn finding<'a>(told: &'a Value, area: &str, subject: &str) -> &'a Value {
    let all = told["findings"].as_array().expect("findings");
    let found = all.iter().find(|one| {
        one["area"] == area && one["subject"].as_str().is_some_and(|text| text.contains(subject))
    });
    found.unwrap_or_else(|| panic!("nothing on {subject} of {area}: {told:#}"))
}

/// What a host that is set up well has published, beside the records of its sending domain.
fn published(world: &World) -> Vec<(String, Rdata)> {
    let shown = world.done(&["domain", "show", "acme", "acme.example", "--json"]).json();
    let mut records = as_printed(&shown);
    // The small world's relay is on loopback, this one is on the network.
    records.retain(|(name, data)| name != HOST || !matches!(data, Rdata::A(_)));
    records.push((HOST.into(), Rdata::A(OWN)));
    records.push(("7.100.51.198.in-addr.arpa".into(), Rdata::Ptr(HOST.into())));
    records
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_says_what_is_wrong_and_what_to_do() {
    let mut world = World::start().await;
    let said = world.relent(&["doctor", "--json"]);
    let told = said.json();
    assert!(said.code == 1 && told["bad"].as_u64() > Some(0), "{told:#}");
    let name = finding(&told, "DNS", HOST);
    assert!(name["level"] == "bad" && name["found"] == "it has no address", "{name}");
    assert!(name["advice"].as_str().is_some_and(|text| text.contains("publish an A record")));
    assert_eq!(finding(&told, "DNS", "reply.relent.example")["level"], "bad");
    let proof = finding(&told, "domains", "acme.example");
    assert!(proof["advice"].as_str().is_some_and(|text| text.contains("publish `")), "{proof}");
    for listener in ["submission ", "submissions ", "inbound ", "http "] {
        assert_eq!(finding(&told, "ports", listener)["level"], "ok", "{told:#}");
    }
    assert_eq!(finding(&told, "TLS", "certificate")["level"], "warn");
    assert_eq!(finding(&told, "files", "data")["level"], "ok");
    assert_eq!(finding(&told, "files", "admin.sock")["level"], "ok");
    assert_eq!(finding(&told, "files", "open files")["area"], "files");
    assert!(finding(&told, "disk", "sync")["found"].as_str().is_some_and(|t| t.contains(" ms")));

    world.publish(&published(&world));
    let line = ["doctor", "--outgoing", "reader.example"];
    let said = world.relent(&line);
    assert!(
        said.out.contains("leads to 198.51.100.7") && !said.out.contains('\x1b'),
        "{}",
        said.out
    );
    assert!(said.out.contains(&format!("is {HOST}, which leads back to it")), "{}", said.out);
    assert!(said.out.contains("to reader.example: mx.reader.example answers `220"), "{}", said.out);
    assert!(said.out.contains("198.51.100.7 on zen.spamhaus.org: is not listed"), "{}", said.out);
    assert!(said.out.contains(&format!("postmaster@{HOST}: mail to it is taken")), "{}", said.out);
    assert!(said.out.contains("acme.example: sends for acme"), "{}", said.out);
    let told = world.relent(&["doctor", "--json", "--outgoing", "reader.example"]);
    let all = told.json();
    for (area, subject) in LOOKED_AT {
        finding(&all, area, subject);
    }
    let levels = |level: &str| {
        let all = all["findings"].as_array().expect("findings").iter();
        all.filter(|one| one["level"] == level).count()
    };
    // How fast its disk is, is this machine's own.
    let slow = usize::from(finding(&all, "disk", "sync")["level"] == "bad");
    assert_eq!((levels("bad"), levels("warn")), (slow, as_count(&all["warnings"])), "{all:#}");
    assert_eq!(usize::try_from(told.code), Ok(slow), "{all:#}");
    let few = world.relent(&["doctor", "--problems", "--block-list", "none"]).out;
    assert!(!few.contains("\nok ") && !few.contains("spamhaus"), "{few}");
    let none = world.relent(&["doctor", "--outgoing", "null.example", "--json"]);
    assert_eq!(finding(&none.json(), "ports", "null.example")["found"], "it takes no mail");

    world.stop();
    let said = world.relent(&["doctor", "--json"]);
    let told = said.json();
    assert_eq!(said.code, 1, "{told:#}");
    assert!(finding(&told, "domains", "sending")["found"].to_string().contains("does not answer"));
    assert_eq!(finding(&told, "ports", "submission")["level"], "bad");
    assert_eq!(finding(&told, "systemd", "relent.service")["level"], "bad");
    assert_eq!(finding(&told, "DNS", HOST)["level"], "ok", "DNS needs no daemon");
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_do_not_lead_back_lists_and_open_files_are_told() {
    let world = World::start().await;
    let told = |change: fn(&mut Vec<(String, Rdata)>)| {
        let mut records = published(&world);
        change(&mut records);
        world.publish(&records);
        world.relent(&["doctor", "--json"]).json()
    };
    let reverse = "7.100.51.198.in-addr.arpa";
    let without = told(|all| all.retain(|(name, _)| !name.ends_with("in-addr.arpa")));
    let nameless = finding(&without, "DNS", "198.51.100.7");
    assert!(
        nameless["level"] == "bad" && nameless["found"] == "it has no name (PTR)",
        "{nameless}"
    );
    let other = told(|all| {
        all.retain(|(name, _)| !name.ends_with("in-addr.arpa"));
        all.push(("7.100.51.198.in-addr.arpa".into(), Rdata::Ptr("host7.isp.example".into())));
        all.push(("host7.isp.example".into(), Rdata::A(OWN)));
    });
    assert_eq!(finding(&other, "DNS", "198.51.100.7")["level"], "warn", "{reverse}");
    let forged = told(|all| {
        all.retain(|(name, _)| !name.ends_with("in-addr.arpa"));
        all.push(("7.100.51.198.in-addr.arpa".into(), Rdata::Ptr("mail.large.example".into())));
    });
    assert!(finding(&forged, "DNS", "198.51.100.7")["found"].to_string().contains("not lead back"));
    let listed = told(|all| {
        let name = "7.100.51.198.zen.spamhaus.org".to_owned();
        all.push((name, Rdata::A(Ipv4Addr::new(127, 0, 0, 2))));
    });
    let list = finding(&listed, "reputation", "zen.spamhaus.org");
    assert!(list["level"] == "bad" && list["found"] == "it is listed (127.0.0.2)", "{list}");
    let away = told(|all| {
        all.retain(|(name, data)| name != "reply.relent.example" || !matches!(data, Rdata::Mx(..)));
        all.push(("reply.relent.example".into(), Rdata::Mx(10, "mx.reader.example".into())));
    });
    let replies = finding(&away, "DNS", "reply.relent.example");
    assert!(
        replies["found"].to_string().contains("its mail goes to mx.reader.example"),
        "{replies}"
    );

    let settings = world.path("relent.toml");
    std::fs::set_permissions(&settings, std::fs::Permissions::from_mode(0o666)).expect("its mode");
    std::fs::set_permissions(world.path("data"), std::fs::Permissions::from_mode(0o755))
        .expect("its mode");
    let open = world.relent(&["doctor", "--json"]).json();
    let file = finding(&open, "files", "relent.toml");
    assert!(file["advice"].as_str().is_some_and(|text| text.starts_with("chmod go-w ")), "{file}");
    let data = finding(&open, "files", "data");
    assert!(data["advice"].as_str().is_some_and(|text| text.starts_with("chmod 0700 ")), "{data}");

    // A key that others may read, a domain of another account, and servers that nobody reaches.
    let key = world.path("data/tls-self-signed.key");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o644)).expect("its mode");
    world.done(&["account", "add", "other"]);
    world.done(&["domain", "add", "other", "other.example"]);
    let told = world.relent(&["doctor", "--json", "--outgoing", "second.example"]).json();
    assert_eq!(finding(&told, "files", "tls-self-signed.key")["level"], "bad");
    assert_eq!(finding(&told, "domains", "other.example")["level"], "bad");
    let away = finding(&told, "ports", "to second.example");
    assert!(away["level"] == "bad" && away["found"].to_string().contains("mx.second.example"));
}
