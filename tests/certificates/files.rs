//! Certificates in files that somebody else renews: read anew by themselves, whole or not at all, and warned of
//! where nobody does.

use super::{RELAY, at, counted, everywhere, open_session, told};
use crate::support::World;
use crate::support::certificates::Authority;
use std::os::unix::fs::symlink;
use std::path::Path;

/// As certbot does it: files in an archive, links to them where the settings point.
fn renew(folder: &Path, number: u32, authority: &Authority) {
    let (chain, key) = authority.issue(&[RELAY]).pem();
    let archive = folder.join("archive");
    std::fs::create_dir_all(&archive).expect("a folder");
    for (name, text) in [("fullchain", chain), ("privkey", key)] {
        std::fs::write(archive.join(format!("{name}{number}.pem")), text).expect("written");
    }
}

fn lead(folder: &Path, name: &str, number: u32) {
    let live = folder.join("live");
    std::fs::create_dir_all(&live).expect("a folder");
    let fresh = live.join("fresh");
    symlink(folder.join(format!("archive/{name}{number}.pem")), &fresh).expect("a link");
    std::fs::rename(&fresh, live.join(format!("{name}.pem"))).expect("in its place");
}

async fn world(more: &str) -> (World, Authority) {
    let authority = Authority::new("Lab");
    let world = World::under(|world| {
        let folder = world.path("tls");
        renew(&folder, 1, &authority);
        for name in ["fullchain", "privkey"] {
            lead(&folder, name, 1);
        }
        let more = format!(
            "[tls]\nlook_interval = \"50ms\"\ncertificate = {:?}\nkey = {:?}\n{more}",
            folder.join("live/fullchain.pem"),
            folder.join("live/privkey.pem"),
        );
        world.settings("", &more)
    });
    (world.await, authority)
}

#[tokio::test(flavor = "multi_thread")]
async fn links_that_lead_to_new_files_are_followed_under_open_sessions() {
    let (world, authority) = world("").await;
    let first = everywhere(&world, RELAY).await;
    let mut session = open_session(&world);
    let folder = world.path("tls");
    renew(&folder, 2, &authority);
    // Between the two renames the pair does not fit: that is said, and the old one serves.
    lead(&folder, "fullchain", 2);
    let unfit = told(&world, |told| told["certificates"][0]["fault"].is_string());
    let fault = unfit["certificates"][0]["fault"].as_str().unwrap_or_default();
    assert!(fault.contains("privkey.pem: does not fit"), "{fault}");
    assert_eq!(everywhere(&world, RELAY).await, first);
    counted(&world, "relent_certificate_faults 1").await;
    lead(&folder, "privkey", 2);
    told(&world, |told| {
        let main = &told["certificates"][0];
        main["fault"].is_null() && main["sha256"] != first.sha256
    });
    let second = everywhere(&world, RELAY).await;
    assert_ne!(second.sha256, first.sha256);
    assert!(session.say("NOOP").starts_with("250"));
}

#[tokio::test(flavor = "multi_thread")]
async fn more_certificates_are_chosen_by_the_name_that_is_asked_for() {
    let authority = Authority::new("Lab");
    let folder = tempfile::tempdir().expect("a folder");
    let (chain, key) = authority.issue(&["mail.relent.example"]).pem();
    let (certificate, private) = (folder.path().join("c.pem"), folder.path().join("k.pem"));
    std::fs::write(&certificate, chain).expect("written");
    std::fs::write(&private, key).expect("written");
    let more = format!("more = [{{ certificate = {certificate:?}, key = {private:?} }}]");
    let (world, _) = world(&more).await;
    for (name, expected) in
        [(RELAY, RELAY), ("mail.relent.example", "mail.relent.example"), ("other.example", RELAY)]
    {
        assert_eq!(at(world.ports.submissions[0], name).await.names, [expected]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_that_ends_is_warned_of_in_log_figures_and_check() {
    let authority = Authority::new("Lab");
    let (_, ended, _) = authority.bad(RELAY).swap_remove(0);
    let world = World::under(|world| {
        let (chain, key) = ended.pem();
        std::fs::write(world.path("c.pem"), chain).expect("written");
        std::fs::write(world.path("k.pem"), key).expect("written");
        let (certificate, key) = (world.path("c.pem"), world.path("k.pem"));
        world.settings("", &format!("[tls]\ncertificate = {certificate:?}\nkey = {key:?}\n"))
    })
    .await;
    let log = world.log();
    assert!(log.contains("the certificate has ended"), "{log}");
    assert_eq!(log.matches("the certificate has ended").count(), 1, "{log}");
    let checked = world.done(&["check"]);
    let said = checked.out + &checked.err;
    assert!(said.contains("c.pem has ended, 2001-01-01T00:00:00Z"), "{said}");
    let line = format!("relent_certificate_not_after_seconds{{name=\"{RELAY}\"}} 978307200");
    counted(&world, &line).await;
    let shown = told(&world, |_| true);
    assert_eq!(shown["certificates"][0]["holds"], "ended");
    let table = world.done(&["tls", "show"]).out;
    let (head, row) = table.split_once('\n').expect("a row");
    for (column, value) in [
        ("NAMES", RELAY),
        ("FROM", "file"),
        ("ISSUER", "CN=Lab"),
        ("UNTIL", "2001-01-01T00:00:00Z"),
        ("HOLDS", "ended"),
        ("FAULT", "-"),
    ] {
        let at = head.find(column).unwrap_or_else(|| panic!("no {column}: {table}"));
        assert!(row.get(at..).is_some_and(|rest| rest.starts_with(value)), "{column}: {table}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewal_is_asked_for_the_host_that_is_named_alone() {
    // Nobody answers there: it is what is asked for that counts.
    let acme = format!(
        "[acme]\nenabled = true\nagree_to_terms = true\ndirectory = \"https://127.0.0.1:9/directory\"\n\
         challenge = \"http-01\"\nhosts = [\"{RELAY}\", \"mail.relent.example\"]\n"
    );
    let world = World::with(&acme).await;
    let one = world.done(&["tls", "renew", RELAY]).out;
    assert!(one.starts_with(&format!("asked for {RELAY}; ")), "{one}");
    let both = world.done(&["tls", "renew", "--json"]).json();
    let mut hosts: Vec<_> = both["hosts"].as_array().expect("hosts").iter().collect();
    hosts.sort_by_key(ToString::to_string);
    assert_eq!(hosts, ["mail.relent.example", RELAY]);
    let none = world.relent(&["tls", "renew", "other.example"]);
    assert!(none.code == 1 && none.err.contains("`other.example`"), "{}", none.err);
}
