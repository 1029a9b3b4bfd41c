//! What is there after a restore, and that none of it leaves before it may.

use crate::journeys::{field, reply_address};
use crate::support::client::{Client, letter};
use crate::support::{PATIENCE, World};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

/// Submits receipts until told to stop; those that were acknowledged, in order.
fn load(world: &World) -> (Arc<AtomicBool>, Arc<Mutex<Vec<String>>>, std::thread::JoinHandle<()>) {
    let (stop, taken) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
    let (port, password) = (world.ports.submission[0], world.password.clone());
    let (ends, ledger) = (stop.clone(), taken.clone());
    let thread = std::thread::spawn(move || {
        let mut number = 0;
        while !ends.load(Ordering::SeqCst) {
            let Ok(mut app) = Client::try_connect(port) else { return };
            app.say("EHLO load.example");
            let secret = format!("\0app/receipts\0{password}");
            app.say(&format!("AUTH PLAIN {}", data_encoding::BASE64.encode(secret.as_bytes())));
            for _ in 0..20 {
                number += 1;
                let to = format!("load{number}@reader.example");
                if app.submit("news@acme.example", &[&to], &letter("Load")).starts_with("250") {
                    ledger.lock().expect("the ledger").push(to);
                }
            }
        }
    });
    (stop, taken, thread)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_under_load_holds_all_that_was_acknowledged_and_sends_nothing_until_let_go() {
    let mut world = World::start().await;
    world.put_off();
    let (stop, taken, thread) = load(&world);
    let count = || taken.lock().expect("the ledger").len();
    while count() < 60 {
        std::thread::yield_now();
    }
    // Before the backup is begun: some are stopped for good, by an account's word.
    let stopped: Vec<String> = taken.lock().expect("the ledger")[..10].to_vec();
    for to in &stopped {
        world.done(&["suppression", "add", "acme", to]);
    }
    let before = taken.lock().expect("the ledger").clone();
    let file = world.backup("relent.tar");
    let deadline = std::time::Instant::now() + PATIENCE;
    while count() <= before.len() {
        assert!(std::time::Instant::now() < deadline, "mail went on meanwhile");
        std::thread::yield_now();
    }
    stop.store(true, Ordering::SeqCst);
    world.kill_now();
    thread.join().expect("the load ends");
    let lost = world.lose();
    assert!(lost.exists());
    let said = world.comes_back(&file);
    assert!(said.out.contains("all mail is held"), "{}", said.out);

    let waiting = world.waiting();
    for to in before.iter().filter(|to| !stopped.contains(to)) {
        assert!(waiting.contains(to), "{to} was acknowledged and is lost");
    }
    world.done(&["queue", "retry", "--all"]);
    assert!(world.receipt("late@reader.example").starts_with("250"), "submissions are taken");
    let listed = world.done(&["queue", "list"]).out;
    assert!(listed.contains("held since the restore"), "{listed}");
    let summary = world.done(&["queue", "summary"]).out;
    assert!(summary.contains("held since the restore of"), "{summary}");
    let ready = world.http("GET /readyz HTTP/1.1", "");
    assert!(
        ready.starts_with("HTTP/1.1 200") && ready.contains("held since the restore"),
        "{ready}"
    );
    assert!(world.log().contains("all mail is held since the restore"));
    let metrics = world.http("GET /metrics HTTP/1.1", "");
    assert!(metrics.contains("relent_restore_held 1"), "the figure says it");
    let refused = world.relent(&["restore", "release"]);
    assert_eq!(refused.code, 1);
    assert!(refused.err.contains("--waive NAME --reason TEXT"), "{}", refused.err);
    for _ in 0..10 {
        assert_eq!(world.done(&["restore", "status", "--json"]).json()["held"], true);
    }
    assert_eq!(world.got(), Vec::<String>::new(), "nothing left");
    // A restart makes nothing of it forgotten.
    world.stop();
    world.launch(&[]);
    world.done(&["queue", "retry", "--all"]);
    assert_eq!(world.done(&["restore", "status", "--json"]).json()["held"], true);
    assert_eq!(world.got(), Vec::<String>::new(), "nothing left");

    world.done(&["restore", "release", "--waive", "Ann Ops", "--reason", "nothing was said since"]);
    world.run_dry();
    let got = world.got();
    for to in before.iter().filter(|to| !stopped.contains(to)) {
        assert_eq!(got.iter().filter(|got| *got == to).count(), 1, "{to}");
    }
    assert!(got.contains(&"late@reader.example".to_owned()));
    assert!(!stopped.iter().any(|to| got.contains(to)), "who was stopped before got mail");
    let verified = world.done(&["audit", "verify"]).out;
    assert!(verified.contains("is whole") && verified.contains("restored"), "{verified}");
    let told = world.done(&["audit", "list"]).out;
    for part in ["backup.taken", "installation.restored", "installation.released", "Ann Ops"] {
        assert!(told.contains(part), "{part} in {told}");
    }
    let again = world.relent(&["restore", "release", "--waive", "Ann", "--reason", "x"]);
    assert!(again.code == 1 && again.err.contains("let go already"), "{}", again.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_people_answer_while_mail_is_held_is_obeyed_and_old_tokens_still_serve() {
    let mut world = World::start().await;
    for to in ["ann@reader.example", "bob@reader.example"] {
        world.agree(to);
    }
    let send = |world: &World, subject: &str| {
        let mut app = Client::login(world.ports.submission[0], "app/newsletter", &world.password);
        let both = ["ann@reader.example", "bob@reader.example"];
        assert!(app.submit("news@acme.example", &both, &letter(subject)).starts_with("250"));
    };
    send(&world, "One");
    let copy = world.receiver.message_to("ann@reader.example", PATIENCE).await.expect("a copy");
    world.receiver.message_to("bob@reader.example", PATIENCE).await.expect("a copy");
    assert!(field(&copy, "List-Unsubscribe").is_some());
    world.put_off();
    send(&world, "Two");
    let file = world.backup("relent.tar");
    world.lose();
    world.comes_back(&file);
    // The address in the mail that the lost host sent.
    let message = "From: <ann@reader.example>\r\nSubject: Re: One\r\n\r\nR\r\n";
    let mut mx = Client::connect(world.ports.inbound[0]);
    mx.say("EHLO mx.reader.example");
    let heard = mx.submit("ann@reader.example", &[&reply_address(&copy)], message);
    assert!(heard.starts_with("250"), "{heard}");
    let shown = world.done(&["suppression", "show", "acme", "ann@reader.example"]).out;
    assert!(shown.contains("opt_out"), "{shown}");
    world.done(&["restore", "release", "--waive", "Ann Ops", "--reason", "a rehearsal"]);
    let second = |mail: &relent::demo::receiver::Received| {
        field(mail, "Subject").is_some_and(|subject| subject == "Two")
    };
    let for_bob = |all: &[relent::demo::receiver::Received]| {
        all.iter().any(|m| second(m) && m.recipients.iter().any(|to| to.starts_with("bob@")))
    };
    assert!(world.receiver.wait(PATIENCE, for_bob).await.is_some(), "bob gets the second");
    world.run_dry();
    let to_ann =
        |m: &relent::demo::receiver::Received| m.recipients.iter().any(|to| to.starts_with("ann@"));
    assert!(!world.receiver.mailbox().iter().any(|m| second(m) && to_ann(m)), "ann does not");
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_is_let_go_account_by_account_and_old_mail_may_be_dropped() {
    let mut world = World::start().await;
    world.done(&["account", "add", "other"]);
    world.done(&["domain", "add", "other", "acme.example.org", "--trust", "--dkim", "none"]);
    world.done(&["stream", "add", "other", "receipts", "--kind", "transactional"]);
    let made = world.done(&["credential", "add", "other", "--name", "theirs", "--json"]).json();
    let theirs = made["password"].as_str().expect("a password").to_owned();
    world.put_off();
    assert!(world.receipt("ann@reader.example").starts_with("250"));
    let mut app = Client::login(world.ports.submission[0], "theirs/receipts", &theirs);
    let mail = letter("Theirs").replace("news@acme.example", "x@acme.example.org");
    assert!(app.submit("x@acme.example.org", &["bob@reader.example"], &mail).starts_with("250"));
    let file = world.backup("relent.tar");
    world.lose();
    world.comes_back(&file);
    let waive = ["--waive", "Ann Ops", "--reason", "a rehearsal"];
    world.done(&[&["restore", "release", "--account", "other"][..], &waive].concat());
    world.receiver.message_to("bob@reader.example", PATIENCE).await.expect("theirs goes");
    let status = world.done(&["restore", "status", "--json"]).json();
    assert_eq!(status["held"], true, "the other account's is held: {status}");
    let release = &status["released"][0];
    assert_eq!((&release["account"], &release["reason"]), (&"other".into(), &waive[3].into()));
    world.until_waiting(&["ann@reader.example"]);
    let now =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("past 1970");
    let now = relent::mail::Timestamp(u64::try_from(now.as_millis()).expect("not yet"));
    let moment = now.to_string().replace('Z', &format!(".{:03}Z", now.0 % 1000));
    assert!(world.receipt("new@reader.example").starts_with("250"));
    // Of the two that wait, one was there before the backup.
    assert_eq!(world.done(&["restore", "status", "--json"]).json()["waiting_from_before"], 1);
    let drop = ["restore", "release", "--drop-accepted-before", &moment];
    let said = world.done(&[&drop[..], &waive].concat()).out;
    assert!(said.starts_with("1 recipients taken out of the queue\n"), "{said}");
    world.receiver.message_to("new@reader.example", PATIENCE).await.expect("what came later goes");
    world.run_dry();
    assert_eq!(world.got(), ["bob@reader.example", "new@reader.example"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn records_that_were_lost_after_a_restore_do_not_let_mail_go() {
    let mut world = World::start().await;
    world.put_off();
    assert!(world.receipt("ann@reader.example").starts_with("250"));
    let file = world.backup("relent.tar");
    let other = world.path("other");
    world.done(&["restore", &file.to_string_lossy(), "--data-dir", &other.to_string_lossy()]);
    world.stop();
    // These records know of no restore; the folder says that there was one.
    std::fs::copy(other.join("restored"), world.path("data/restored")).expect("the mark");
    world.receiver.misbehave(Vec::new());
    world.launch(&[]);
    assert_eq!(world.done(&["restore", "status", "--json"]).json()["held"], true);
    world.done(&["queue", "retry", "--all"]);
    for _ in 0..10 {
        assert_eq!(world.waiting(), ["ann@reader.example"]);
    }
    assert_eq!(world.got(), Vec::<String>::new());
    world.done(&["restore", "release", "--waive", "Ann Ops", "--reason", "a rehearsal"]);
    world.run_dry();
    assert_eq!(world.got(), ["ann@reader.example"]);
    world.stop();
    world.launch(&[]);
    assert!(!world.path("data/restored").exists(), "it was let go");
}
