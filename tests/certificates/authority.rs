//! Certificates that an authority gives: got, shown, kept, renewed; and an authority that is away, or refuses.

use super::pebble::{NAME, Pebble, is_here};
use super::{RELAY, ask, connect, counted, everywhere, open_session, page, starttls, told};
use crate::support::World;
use relent::dns::Rdata;
use serde_json::Value;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// The host of the pages.
const PAGES: &str = "mail.relent.example";
const YEAR: u32 = 365 * 24 * 3600;

fn records() -> Vec<(String, Rdata)> {
    [NAME, RELAY, PAGES].map(|name| (name.to_owned(), Rdata::A(Ipv4Addr::LOCALHOST))).to_vec()
}

/// A world whose daemon asks this authority; more settings of `[acme]`, and whole sections.
async fn world(pebble: &mut Pebble, is_up: bool, acme: &str, more: &str) -> World {
    World::under(|world| {
        world.publish(&records());
        let anchors = pebble.introduce(world);
        if is_up {
            pebble.start(world);
        }
        let more = format!(
            "[tls]\ntrust_anchors = {anchors:?}\nlook_interval = \"100ms\"\n\
             [http]\npublic_url = \"https://{PAGES}/\"\n\
             [acme]\nenabled = true\nagree_to_terms = true\ncontact = \"postmaster@relent.example\"\n\
             directory = \"{}\"\n{acme}\n{more}",
            pebble.directory()
        );
        let listen = format!(
            "http = [\"127.0.0.1:0\"]\nhttps = [\"127.0.0.1:{}\"]\nredirect = [\"127.0.0.1:{}\"]",
            pebble.tls_port, pebble.http_port
        );
        world.settings("", &more).replacen("http = [\"127.0.0.1:0\"]", &listen, 1)
    })
    .await
}

fn hosts<'a>(told: &'a Value, what: &str) -> Vec<&'a Value> {
    told["authority"].as_array().into_iter().flatten().map(|host| &host[what]).collect()
}

/// Whether each host has a certificate of the authority.
fn are_there(told: &Value) -> bool {
    hosts(told, "until").iter().all(|until| until.is_string())
}

fn asked_for(world: &World) -> usize {
    world.log().matches("a certificate is asked for").count()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_gives_certificates_that_every_listener_shows() {
    if !is_here() {
        return;
    }
    let mut pebble = Pebble::new(YEAR);
    let mut world = world(&mut pebble, true, "", "").await;
    told(&world, are_there);
    for host in [RELAY, PAGES] {
        let shown = everywhere(&world, host).await;
        assert_eq!(shown.names, [host]);
        assert!(shown.issuer.contains("Pebble Intermediate"), "{shown:?}");
    }
    let stranger = everywhere(&world, "unknown.example").await;
    assert_eq!(stranger.names, [RELAY], "whoever asks for another host is shown the relay's");
    let answer = page(world.ports.https[0], PAGES, "GET /readyz").await;
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("ready\n"), "{answer}");
    let before = everywhere(&world, RELAY).await;
    assert_eq!(asked_for(&world), 2);
    let folder = world.path("data/acme");
    for entry in std::fs::read_dir(&folder).expect("the folder") {
        let mode = entry.expect("a file").metadata().expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    world.stop();
    drop(pebble);
    world.launch(&[]);
    assert_eq!(everywhere(&world, RELAY).await, before, "it outlasts a restart");
    let told = told(&world, are_there);
    assert_eq!(hosts(&told, "failures"), [0, 0]);
    assert_eq!(asked_for(&world), 2, "nothing is asked for that is there:\n{}", world.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_that_asks_in_the_clear_is_answered_and_others_are_sent_to_tls() {
    if !is_here() {
        return;
    }
    let mut pebble = Pebble::new(YEAR);
    let acme = format!("challenge = \"http-01\"\nhosts = [\"{RELAY}\"]");
    let world = world(&mut pebble, true, &acme, "").await;
    told(&world, are_there);
    assert!(everywhere(&world, RELAY).await.issuer.contains("Pebble"));
    let port = world.ports.redirect[0];
    for (request, status, words) in [
        ("GET /u/abc?x=1", "301", "location: https://mail.relent.example/u/abc?x=1\r\n"),
        (
            "GET //evil.example/x",
            "301",
            "location: https://mail.relent.example//evil.example/x\r\n",
        ),
        ("POST /api/v1/suppressions", "403", "use https://"),
        ("GET /.well-known/acme-challenge/none", "404", "nobody asked"),
    ] {
        let answer = ask(&mut connect(port).await, request).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{request}: {answer}");
        assert!(answer.contains(words), "{request}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_is_renewed_in_time_under_open_sessions_and_may_keep_its_key() {
    if !is_here() {
        return;
    }
    let mut pebble = Pebble::new(60);
    // Nine seconds, in which all listeners are looked at.
    let acme = format!("hosts = [\"{RELAY}\"]\nrenew_percent = 15\nkeep_keys = true");
    let world = world(&mut pebble, true, &acme, "").await;
    told(&world, are_there);
    let first = everywhere(&world, RELAY).await;
    let mut clear = open_session(&world);
    let mut secure = starttls(world.ports.submission[0], RELAY).await;
    let renewed = |told: &Value| {
        let mut all = told["certificates"].as_array().into_iter().flatten();
        let own = all.find(|one| one["source"] == "authority");
        own.is_some_and(|one| one["sha256"] != first.sha256)
    };
    told(&world, renewed);
    let second = everywhere(&world, RELAY).await;
    assert_ne!(second.sha256, first.sha256);
    assert_eq!(second.key_sha256, first.key_sha256, "a TLSA record of the key goes on matching");
    assert!(clear.say("NOOP").starts_with("250"));
    secure.write_all(b"NOOP\r\n").await.expect("said");
    let mut reply = [0; 3];
    secure.read_exact(&mut reply).await.expect("a reply");
    assert_eq!(&reply, b"250");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_that_is_away_is_waited_for_and_the_reason_is_told() {
    if !is_here() {
        return;
    }
    let mut pebble = Pebble::new(YEAR);
    let mut world = world(&mut pebble, false, &format!("hosts = [\"{RELAY}\"]"), "").await;
    let failed =
        |told: &Value| hosts(told, "failures") == [1] && told["authority"][0]["fault"] != "";
    let is_over = |told: &Value| {
        let fault = told["authority"][0]["fault"].as_str().unwrap_or_default();
        failed(told) && !fault.contains("the daemon ended")
    };
    let before = told(&world, is_over);
    let fault = before["authority"][0]["fault"].as_str().unwrap_or_default();
    assert!(fault.contains(NAME) && fault.contains("refused"), "{fault}");
    let next = before["authority"][0]["next_try"].clone();
    let table = world.done(&["tls", "show"]).out;
    let lines: Vec<_> = table.lines().collect();
    let at = lines.iter().position(|line| line.starts_with("HOST ")).expect("a table of hosts");
    let column = lines[at].find("FAULT").expect("a column");
    let cell = lines[at + 1].get(column..).unwrap_or_default().trim_end();
    assert!(!cell.is_empty() && fault.starts_with(cell.trim_end_matches('…')), "{table}");
    let shown = everywhere(&world, RELAY).await;
    assert!(shown.issuer.contains("rcgen"), "the self-signed pair serves meanwhile: {shown:?}");
    let checked = world.done(&["check"]);
    let said = checked.out + &checked.err;
    assert!(said.contains(&format!("no new certificate for {RELAY}: ")), "{said}");
    counted(&world, "relent_acme_hosts_failing 1\n").await;

    world.stop();
    pebble.start(&world);
    world.launch(&[]);
    let after = told(&world, failed);
    assert_eq!(after["authority"][0]["next_try"], next, "a restart begins no wait anew");
    assert_eq!(asked_for(&world), 1);
    world.done(&["tls", "renew", RELAY]);
    told(&world, are_there);
    assert!(everywhere(&world, RELAY).await.issuer.contains("Pebble"));
    let said = world.relent(&["tls", "renew", "other.example"]);
    assert!(said.code == 1 && said.err.contains("`other.example`"), "{}", said.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refusal_is_told_in_the_authoritys_words_and_one_host_holds_up_no_other() {
    if !is_here() {
        return;
    }
    let mut pebble = Pebble::new(YEAR);
    let acme = format!("hosts = [\"nowhere.example\", \"{RELAY}\"]");
    let world = world(&mut pebble, true, &acme, "").await;
    let is_settled = |told: &Value| {
        let of = |host: &str, what: &str| {
            let mut all = told["authority"].as_array().into_iter().flatten();
            all.find(|one| one["host"] == host).map(|one| one[what].clone()).unwrap_or_default()
        };
        let fault = of("nowhere.example", "fault").as_str().unwrap_or_default().to_owned();
        of(RELAY, "until").is_string() && fault.contains("the authority says: ")
    };
    told(&world, is_settled);
    assert_eq!(everywhere(&world, RELAY).await.names, [RELAY]);
    let table = world.done(&["tls", "show"]).out;
    assert!(table.contains("nowhere.example") && table.contains("the authority says"), "{table}");
    assert!(world.log().contains("no certificate was given"), "{}", world.log());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_authority_that_wants_to_know_its_customers_is_told_who_asks() {
    if !is_here() {
        return;
    }
    let mut pebble = Pebble::new(YEAR);
    pebble.wants_account = true;
    let key = tempfile::NamedTempFile::new().expect("a file");
    let secret = "zWNDZM6eQGHWpSRTPal5eIUYFTu7EajVIoguysqZ9wG44nMEtx3MUAsUDkMTQ12W";
    std::fs::write(key.path(), format!("{secret}\n")).expect("written");
    let acme = format!(
        "hosts = [\"{RELAY}\"]\nexternal_account = \"kid-1\"\nexternal_account_key_file = {:?}",
        key.path()
    );
    let world = world(&mut pebble, true, &acme, "").await;
    told(&world, are_there);
    assert!(!world.log().contains(secret));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_host_of_a_sending_domain_gets_its_certificate_once_it_leads_here() {
    if !is_here() {
        return;
    }
    let mut pebble = Pebble::new(YEAR);
    let acme = format!("hosts = [\"{RELAY}\"]\n[domains]\nlook_interval = \"100ms\"");
    let mut world = world(&mut pebble, true, &acme, "").await;
    world.furnish();
    let link = "link.acme.example";
    world.done(&["domain", "set", "acme", "acme.example", "--link-host", link]);
    let named = |told: &Value| hosts(told, "host").iter().any(|host| *host == link);
    assert!(!named(&told(&world, are_there)), "it leads nowhere yet");
    let leads = (link.to_owned(), Rdata::Cname(PAGES.to_owned()));
    world.publish(&[records(), vec![leads]].concat());
    told(&world, |told| named(told) && are_there(told));
    assert_eq!(everywhere(&world, link).await.names, [link]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_says_which_hosts_are_asked_for_from_now_on() {
    if !is_here() {
        return;
    }
    let mut pebble = Pebble::new(YEAR);
    let one = format!("hosts = [\"{RELAY}\"]");
    let world = world(&mut pebble, true, &one, "").await;
    told(&world, are_there);
    let first = everywhere(&world, RELAY).await;
    let path = world.path("relent.toml");
    let before = std::fs::read_to_string(&path).expect("settings");
    let reload = |old: &str, new: &str| {
        std::fs::write(&path, before.replacen(old, new, 1)).expect("settings");
        world.done(&["reload"]).out
    };
    let said = reload(&one, &format!("hosts = [\"{RELAY}\", \"{PAGES}\"]"));
    assert_eq!(said, "acme.hosts holds from now on\n");
    told(&world, |told| hosts(told, "host").len() == 2 && are_there(told));
    assert_eq!(everywhere(&world, PAGES).await.names, [PAGES]);
    assert_eq!(everywhere(&world, RELAY).await, first, "what is there is not asked for again");
    assert_eq!(asked_for(&world), 2);
    reload("[acme]\nenabled = true", "[acme]\nenabled = false");
    told(&world, |told| hosts(told, "host").is_empty());
    assert!(everywhere(&world, RELAY).await.issuer.contains("rcgen"), "the self-signed pair");
    reload("", "");
    told(&world, |told| hosts(told, "host").len() == 1 && are_there(told));
    assert_eq!(everywhere(&world, RELAY).await, first, "what was kept serves again");
    assert_eq!(asked_for(&world), 2, "{}", world.log());
}
