//! Certificates that cannot serve, and those that clients refuse, as `relent check`, a start and a reload tell
//! of them: each in one line with what to do. What cannot serve changes nothing.

use super::{RELAY, at};
use crate::reload::start::{MEND, Stopped};
use crate::support::certificates::Authority;
use crate::support::{World, as_nobody, said};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The two files that the settings name.
fn files(world: &World) -> (PathBuf, PathBuf) {
    (world.path("c.pem"), world.path("k.pem"))
}

fn write((certificate, key): &(PathBuf, PathBuf), (chain, private): (&str, &str)) {
    std::fs::write(certificate, chain).expect("written");
    std::fs::write(key, private).expect("written");
}

fn section((certificate, key): &(PathBuf, PathBuf)) -> String {
    // Only a reload looks at them, so that nothing is said twice.
    format!("[tls]\ncertificate = {certificate:?}\nkey = {key:?}\nlook_interval = \"1h\"\n")
}

/// Two files of which none can be shown to anybody: what is wrong, what they hold, and the words.
fn unfit(authority: &Authority) -> Vec<(&'static str, (String, String), Vec<&'static str>)> {
    let (chain, key) = authority.issue(&[RELAY]).pem();
    let (_, other) = authority.issue(&[RELAY]).pem();
    let own = chain.find("-----END").and_then(|end| chain[end..].find('\n').map(|n| end + n + 1));
    let (own, above) = chain.split_at(own.expect("the end of the first"));
    let turned = format!("{above}{own}");
    let cut = own[..own.len() - 60].to_owned();
    let locked = key.replace("PRIVATE", "ENCRYPTED PRIVATE");
    let pair = |chain: &str, key: &str| (chain.to_owned(), key.to_owned());
    vec![
        ("another's key", pair(&chain, &other), vec!["tls.key", "does not fit", "asked for with"]),
        (
            "no certificate",
            pair("", &key),
            vec!["tls.certificate", "holds no certificate", "BEGIN"],
        ),
        ("no key", pair(&chain, ""), vec!["tls.key", "holds no key", "BEGIN PRIVATE KEY"]),
        ("turned", pair(&turned, &key), vec!["tls.certificate", "in the wrong order", "fullchain"]),
        ("cut off", pair(&cut, &key), vec!["tls.certificate", "no whole PEM", "copy it anew"]),
        ("exchanged", pair(&key, &chain), vec!["tls.certificate", "a key and no certificate"]),
        ("locked", pair(&chain, &locked), vec!["tls.key", "under a password", "openssl pkey"]),
    ]
}

/// A line of a refusal has all of this.
fn is_said(line: &str, words: &[&str]) {
    assert_eq!(line.trim_end().lines().count(), 1, "{line}");
    assert!(words.iter().all(|word| line.contains(word)), "{words:?} in {line}");
}

#[tokio::test(flavor = "multi_thread")]
async fn two_files_that_cannot_serve_are_refused_by_check_and_start_with_what_to_do() {
    let stopped = Stopped::new().await;
    let pair = files(&stopped.0);
    let named = format!("{}[submission]", section(&pair));
    let checked = |words: &[&str]| {
        let settings = stopped.0.path("relent.toml");
        let before = std::fs::read_to_string(&settings).expect("settings");
        std::fs::write(&settings, before.replacen("[submission]", &named, 1)).expect("settings");
        let said = stopped.0.relent(&["check"]);
        std::fs::write(&settings, before).expect("settings");
        assert_eq!(said.code, 1, "{}{}", said.out, said.err);
        is_said(&said.err, words);
    };
    for (what, (chain, key), words) in unfit(&Authority::new("Lab")) {
        eprintln!("{what}");
        write(&pair, (&chain, &key));
        let words = [&["relent.toml:"][..], &words].concat();
        checked(&words);
        stopped.refuses(("[submission]", &named), MEND, &words);
    }
    let gone = ["tls.certificate", "c.pem: cannot be read: ", "see that it is there"];
    for make in [|path: &Path| std::fs::create_dir(path), |path: &Path| std::fs::remove_dir(path)] {
        let _ = std::fs::remove_file(&pair.0);
        make(&pair.0).expect("no file is there");
        checked(&gone);
        stopped.refuses(("[submission]", &named), MEND, &gone);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_the_user_may_not_read_is_named_with_who_must_be_let_in() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("NOT TESTED: only root can become another");
        return;
    }
    let stopped = Stopped::new().await;
    let pair = files(&stopped.0);
    let (chain, key) = Authority::new("Lab").issue(&[RELAY]).pem();
    write(&pair, (&chain, &key));
    std::fs::set_permissions(&pair.1, PermissionsExt::from_mode(0o600)).expect("its mode");
    let settings = stopped.0.path("relent.toml");
    let text = std::fs::read_to_string(&settings).expect("settings");
    let named = format!("{}[submission]", section(&pair));
    std::fs::write(&settings, text.replacen("[submission]", &named, 1)).expect("settings");
    let as_nobody = as_nobody(settings.parent().expect("its folder"));
    for (verb, code) in [("check", 1), ("serve", MEND)] {
        let said =
            said(as_nobody().args([verb, "--config"]).arg(&settings).output().expect("it runs"));
        assert_eq!(said.code, code, "{}{}", said.out, said.err);
        is_said(&said.err, &["tls.key", "k.pem: cannot be read: Permission denied", "may read it"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_files_that_cannot_serve_are_refused_by_a_reload_and_the_old_ones_serve_on() {
    let authority = Authority::new("Lab");
    let world = World::under(|world| {
        let (chain, key) = authority.issue(&[RELAY]).pem();
        write(&files(world), (&chain, &key));
        world.settings("", &section(&files(world)))
    })
    .await;
    let pair = files(&world);
    let before = at(world.ports.submissions[0], RELAY).await;
    for (what, (chain, key), words) in unfit(&authority) {
        eprintln!("{what}");
        write(&pair, (&chain, &key));
        let said = world.relent(&["reload"]);
        assert_eq!(said.code, 1, "{}{}", said.out, said.err);
        is_said(&said.err, &[&["relent.toml:"][..], &words].concat());
        assert_eq!(at(world.ports.submissions[0], RELAY).await, before, "the old one serves");
    }
    let log = world.log();
    assert_eq!(log.matches("not reloaded: ").count(), unfit(&authority).len(), "{log}");
    let (chain, key) = authority.issue(&[RELAY]).pem();
    write(&pair, (&chain, &key));
    assert!(world.done(&["reload"]).out.contains("the certificate"), "it is taken once it fits");
    assert_ne!(at(world.ports.submissions[0], RELAY).await, before);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_clients_refuse_is_warned_of_by_check_start_and_reload_and_serves() {
    let authority = Authority::new("Lab");
    let mut bad = authority.bad(RELAY);
    let mut of = |what: &str| {
        let at = bad.iter().position(|(name, _, _)| *name == what).expect("a bad one");
        bad.swap_remove(at).1.pem()
    };
    let (chain, key) = authority.issue(&[RELAY]).pem();
    let strange = Authority::new("Strange").pem();
    let rows = [
        (of("expired"), "c.pem has ended, 2001-01-01T00:00:00Z", "the certificate has ended"),
        (
            of("not valid yet"),
            "c.pem is not valid yet, only from 2190-01-01T00:00:00Z",
            "the certificate is not valid yet",
        ),
        (
            of("of another name"),
            "no certificate is for relay.relent.example (hostname): what there is is for mx.other.example",
            "no certificate is for relay.relent.example (hostname)",
        ),
        (
            (format!("{chain}{strange}"), key),
            "c.pem is out of order: certificate 3 does not vouch for the one before",
            "is out of order: certificate 3",
        ),
    ];
    let good = authority.issue(&[RELAY]).pem();
    let mut world = World::under(|world| {
        write(&files(world), (&good.0, &good.1));
        world.settings("", &section(&files(world)))
    })
    .await;
    let pair = files(&world);
    assert!(!world.log().contains("certificate"), "nothing is wrong yet:\n{}", world.log());
    for ((chain, key), checked, logged) in rows {
        write(&pair, (&chain, &key));
        let said = world.done(&["check"]);
        let lines: Vec<_> = said.err.lines().filter(|line| line.contains(checked)).collect();
        assert_eq!(lines.len(), 1, "`{checked}` in {}", said.err);
        let is_refused = lines[0].contains("refuse");
        assert!(
            is_refused && lines[0].starts_with(&world.path("relent.toml").display().to_string())
        );
        let count = |world: &World| world.log().matches(logged).count();
        assert_eq!(count(&world), 0, "it was not looked at yet");
        // By a reload, which takes it: mail servers speak to whoever shows any.
        let told = world.done(&["reload"]).out;
        assert!(told.contains("the certificate was read anew"), "{told}");
        let told: Vec<_> = told.lines().filter(|line| line.starts_with("tls: ")).collect();
        assert!(told.len() == 1 && told[0].contains(checked), "`{checked}` in {told:?}");
        assert_eq!(count(&world), 1, "{}", world.log());
        at(world.ports.submissions[0], RELAY).await;
        // By a start.
        world.stop();
        world.launch(&[]);
        assert_eq!(count(&world), 2, "{}", world.log());
        at(world.ports.submissions[0], RELAY).await;
    }
    write(&pair, (&good.0, &good.1));
    let mended = world.done(&["check"]);
    assert_eq!(mended.err, "", "nothing is wrong any more");
    let told = world.done(&["reload"]).out;
    assert_eq!(told, "the certificate was read anew\n");
}
