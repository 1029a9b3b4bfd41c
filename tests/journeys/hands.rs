//! What the operator's verbs say: of mail that waits, of sites, of settings, and where there is nothing to do.

use super::delivered;
use super::submission::app;
use crate::support::World;
use crate::support::client::letter;
use relent::demo::receiver::Fault;
use relent::dns::Rdata;
use serde_json::Value;
use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

const ANN: &str = "ann@reader.example";

/// Submits a message; its id.
fn submit(world: &World, stream: &str, to: &str) -> String {
    let said = app(world, stream).submit("news@acme.example", &[to], &letter("Waits"));
    let id = said.strip_prefix("250 2.0.0 ").and_then(|rest| rest.split(' ').next());
    id.unwrap_or_else(|| panic!("{said}")).to_owned()
}

/// The only recipient that waits, once that holds of it.
async fn waiting(world: &World, holds: impl Fn(&Value) -> bool) -> Value {
    let deadline = Instant::now() + crate::support::PATIENCE;
    loop {
        let listed = world.done(&["queue", "list", "--json"]).json();
        let items = listed.as_array().cloned().unwrap_or_default();
        match items.first() {
            Some(item) if holds(item) => return item.clone(),
            _ => assert!(Instant::now() < deadline, "waited in vain: {listed}"),
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listing_says_why_mail_waits_and_names_no_time_that_has_passed() {
    let world = World::start().await;
    let suspend = |more: &[&str]| {
        world.done(&[&["delivery", "suspend", "reader.example"][..], more].concat());
    };
    suspend(&["--reason", "they asked us to"]);
    submit(&world, "receipts", ANN);
    let item =
        waiting(&world, |item| item["why"].as_str().is_some_and(|w| w.contains("asked"))).await;
    assert_eq!(item["next_at"], Value::Null, "{item}");
    let table = world.done(&["queue", "list"]).out;
    let (head, row) = table.split_once('\n').expect("a row");
    assert!(head.contains("  NEXT  ") && head.contains("  WHY  "), "{table}");
    assert!(
        row.contains("  -  ") && row.contains("suspended by the operator: they asked"),
        "{table}"
    );
    suspend(&["--for", "2h"]);
    let ends =
        world.done(&["delivery", "list", "--json"]).json()["suspensions"][0]["until"].clone();
    assert!(ends.is_string(), "{ends}");
    waiting(&world, |item| item["next_at"] == ends).await;
    let sites = world.done(&["delivery", "list"]).out;
    assert!(!sites.contains("served") && sites.contains("is suspended by the operator"), "{sites}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_site_that_nobody_has_reached_yet_is_on_trial_and_says_so() {
    let world = World::start().await;
    let before = world.done(&["delivery", "site", "reader.example"]).out;
    assert!(
        before.contains("0 of 1") && before.contains("on trial: none of its servers"),
        "{before}"
    );
    submit(&world, "receipts", ANN);
    delivered(&world, ANN).await;
    let after = world.done(&["delivery", "site", "reader.example"]).out;
    assert!(after.contains("served") && !after.contains("of 1\n"), "{after}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_verb_that_changes_nothing_says_how_the_message_stands() {
    let world = World::start().await;
    world.done(&["delivery", "suspend", "reader.example"]);
    let id = submit(&world, "receipts", ANN);
    let said = |verb: &str| {
        let said = world.relent(&["queue", verb, &id]);
        (said.code, format!("{}{}", said.out, said.err).trim().to_owned())
    };
    assert_eq!(said("release"), (0, format!("{id} is not held")));
    assert_eq!(said("hold"), (0, "1 recipient held".into()));
    assert_eq!(said("hold"), (0, format!("{id} is held already")));
    let (code, why) = said("retry");
    assert!(code == 1 && why.contains("stays as it is: held by the operator"), "{why}");
    assert_eq!(said("release"), (0, "1 recipient released".into()));
    world.done(&["delivery", "resume", "reader.example"]);
    delivered(&world, ANN).await;
    // Its end may still be being written down.
    let deadline = Instant::now() + crate::support::PATIENCE;
    let gone = loop {
        match said("hold") {
            (1, gone) => break gone,
            _ => assert!(Instant::now() < deadline, "it ends"),
        }
    };
    assert!(gone.contains("it has ended, or never was"), "{gone}");
    assert_eq!(world.done(&["queue", "list", "--domain", "other.example"]).err, "nothing waits\n");
    let none = world.relent(&["queue", "list", "--limit", "0"]);
    assert!(none.code == 2 && none.err.contains("1..=10000"), "{}", none.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn quiet_hours_that_are_taken_away_wake_what_waited_for_them() {
    let world = World::start().await;
    world.agree(ANN);
    // All day but the minute before the one that begins now, at most.
    let now =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("after 1970");
    let minute = (now.as_secs() / 60 + 1438) % 1440;
    let clock = |at: u64| format!("{:02}:{:02}", at / 60, at % 60);
    let hours = format!("{}-{}@UTC", clock((minute + 1) % 1440), clock(minute));
    world.done(&["stream", "set", "acme", "newsletter", "--quiet-hours", &hours]);
    submit(&world, "newsletter", ANN);
    let quiet = |item: &Value| item["why"].as_str().is_some_and(|why| why.contains("quiet hours"));
    waiting(&world, |item| quiet(item) && item["attempts"] == 0).await;
    world.done(&["stream", "set", "acme", "newsletter", "--quiet-hours", "none"]);
    delivered(&world, ANN).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_resumed_wakes_domains_that_stand_apart() {
    let mut world = World::start().await;
    let file = "[domain.\"reader.example\"]\nconnections_max = 1\n";
    std::fs::write(world.path("shaping.toml"), file).expect("written");
    world.stop();
    world.launch(&[]);
    world.done(&["delivery", "suspend", "mx.reader.example", "--reason", "enough"]);
    let begun = Instant::now();
    submit(&world, "receipts", ANN);
    // It has been looked at, and waits for the next look in a minute.
    waiting(&world, |item| item["last"].as_str().is_some_and(|last| last.contains("enough"))).await;
    world.done(&["delivery", "resume", "mx.reader.example"]);
    delivered(&world, ANN).await;
    assert!(begun.elapsed() < Duration::from_secs(50), "it waited for the look");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_addresss_site_is_named_by_its_mail_server_too() {
    let world = World::start().await;
    let refusal = "550 5.1.1 no such person".to_owned();
    world.receiver.misbehave(vec![Fault::Recipient("ann@".into(), refusal)]);
    submit(&world, "receipts", ANN);
    delivered(&world, "news@acme.example").await;
    let would = |site: &str| {
        let line = ["suppression", "remove", "acme", "--reason", "hard_bounce", "--site", site];
        world.done(&[&line[..], &["--dry-run"]].concat()).out
    };
    let deadline = Instant::now() + crate::support::PATIENCE;
    while would("reader.example") != "1 hard_bounce stop would be lifted\n" {
        assert!(Instant::now() < deadline, "the stop is made");
    }
    assert_eq!(would("MX.Reader.example."), "1 hard_bounce stop would be lifted\n");
    let none = would("mx1.elsewhere.example");
    assert!(none.contains("came from the mail servers of elsewhere.example"), "{none}");
    let held = world.relent(&["suppression", "held", "list", "--site", "mx.reader.example"]);
    assert!(held.err.contains("nothing is held for mx.reader.example"), "{}", held.err);
    let all = world.done(&["suppression", "held", "list"]);
    assert!(all.out.is_empty() && all.err.starts_with("nothing is held: "), "{}", all.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_return_path_that_leads_elsewhere_is_told_by_where_it_leads() {
    let mut world = World::start().await;
    let line = ["domain", "add", "acme", "own.example", "--return-path", "bounce.own.example"];
    world.done(&line);
    let problem = |world: &World| {
        let said = world.relent(&["domain", "verify", "acme", "own.example", "--json"]).json();
        let records = said["records"].as_array().cloned().unwrap_or_default();
        let row = records.iter().find(|row| row["type"] == "CNAME").cloned().expect("the alias");
        (row["problem"].as_str().unwrap_or_default().to_owned(), row["seen"].to_string())
    };
    let (none, _) = problem(&world);
    assert!(none.starts_with("there is no CNAME record"), "{none}");
    let bounce = || "bounce.own.example".to_owned();
    world.publish_anew(&[(bounce(), Rdata::Cname("mail.other.example".into()))]);
    let (wrong, seen) = problem(&world);
    assert!(wrong.starts_with("its CNAME leads to mail.other.example, not to reply."), "{wrong}");
    assert!(seen.contains("CNAME mail.other.example"), "{seen}");
    let elsewhere = ("mx.elsewhere.example".into(), Rdata::A(Ipv4Addr::new(127, 0, 0, 9)));
    world.publish_anew(&[(bounce(), Rdata::Mx(10, "mx.elsewhere.example".into())), elsewhere]);
    let (other, _) = problem(&world);
    assert!(other.starts_with("it is no CNAME, and as it stands its mail goes to mx."), "{other}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_do_nothing_is_refused_when_it_is_set() {
    let world = World::start().await;
    let label = world.relent(&["stream", "set", "acme", "receipts", "--ad-label"]);
    assert!(label.code == 1 && label.err.contains("this stream is transactional"), "{}", label.err);
    world.done(&["stream", "set", "acme", "receipts", "--ad-label", "off"]);
    world.done(&["stream", "set", "acme", "newsletter", "--ad-label"]);
    let kind = ["--kind", "transactional", "--ad-label"];
    let made = world.relent(&[&["stream", "add", "acme", "bills"][..], &kind].concat());
    assert!(made.code == 1 && made.err.contains("make a marketing stream"), "{}", made.err);
    let answer = |text: &str| {
        std::fs::write(world.path("own.txt"), text).expect("written");
        let text = format!("en={}", world.path("own.txt").display());
        world.relent(&["stream", "answers", "acme", "newsletter", "--text", &text])
    };
    let strange = answer("Goodbye, {name}.");
    assert!(
        strange.code == 1 && strange.err.contains("put in for {name}: there are {sender}"),
        "{}",
        strange.err
    );
    assert_eq!(
        answer("{sender} says goodbye; {stream} ends. {undo} ({hours} h) {}, { a }b{").code,
        1
    );
    assert_eq!(
        answer("{sender} says goodbye; {stream} ends. {undo} ({hours} h) {}, {1+1}, b{").code,
        0
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn verbs_that_remove_and_check_answer_in_json_and_a_sound_store_is_called_so() {
    let mut world = World::start().await;
    assert_eq!(
        world.done(&["stream", "remove", "acme", "newsletter", "--json"]).json()["removed"],
        "newsletter"
    );
    world.done(&["domain", "add", "acme", "own.example"]);
    assert_eq!(
        world.done(&["domain", "remove", "acme", "own.example", "--json"]).json()["removed"],
        "own.example"
    );
    let fine = world.done(&["check", "--changed", "--json"]).json();
    assert!(
        fine["fine"] == true && fine["changed"]["hostname"] == "relay.relent.example",
        "{fine}"
    );
    let renewed = world.relent(&["tls", "renew"]);
    assert!(renewed.code == 1 && renewed.err.ends_with("`relent reload`\n"), "{}", renewed.err);
    world.stop();
    let said = world.done(&["store", "recover"]).out;
    assert!(said.contains("no damage was found") && !said.contains("the damaged file"), "{said}");
    std::fs::write(world.path("relent.toml"), "hostname = 7\n").expect("written");
    let wrong = world.relent(&["check", "--json"]);
    let told = wrong.json();
    assert!(wrong.code == 1 && told["fine"] == false, "{told}");
    assert!(told["fault"].as_str().is_some_and(|fault| fault.contains("relent.toml:1")), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_message_goes_through_the_relays_own_submission() {
    let world = World::start().await;
    let from = ["send", "--from", "test@acme.example", "--to"];
    let send = |more: &[&str]| world.relent(&[&from[..], more].concat());
    let said = send(&[ANN, "--subject", "Grüße", "--body", ".a dot", "--wait"]);
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    assert!(said.out.contains("ann@reader.example: 250 2.1.5"), "{}", said.out);
    assert!(said.out.contains("the message: 250 2.0.0 ") && said.out.contains("  delivered  "));
    let mail = delivered(&world, ANN).await;
    let text = String::from_utf8_lossy(&mail.message).into_owned();
    // The body is base64 of ".a dot" and CR LF.
    assert!(text.contains("Subject: =?utf-8?B?") && text.contains("LmEgZG90DQo="), "{text}");
    // The credential that was made for it is gone.
    let credentials = world.done(&["credential", "list", "acme", "--json"]).json();
    assert_eq!(credentials.as_array().map(Vec::len), Some(1), "{credentials}");

    // On a stream that people must agree to.
    let refused = send(&[ANN, "--stream", "acme/newsletter", "--json"]);
    let told = refused.json();
    assert!(refused.code == 1 && told["message"].is_null(), "{told}");
    let reply = told["recipients"][0]["reply"].as_str().unwrap_or_default();
    assert!(reply.starts_with("550 5.7.1"), "{told}");
    assert!(refused.err.contains("relent explain"), "{}", refused.err);

    // With a credential of the account's, and a message as a file has it.
    std::fs::write(world.path("secret"), format!("{}\n", world.password)).expect("written");
    let letter =
        "From: test@acme.example\nTo: bob@reader.example\nSubject: From a file\n\nA line\n.\n";
    std::fs::write(world.path("letter.eml"), letter).expect("written");
    let (secret, letter) = (world.path("secret"), world.path("letter.eml"));
    let (secret, letter) = (secret.to_string_lossy(), letter.to_string_lossy());
    let with = ["--user", "app/receipts", "--password-file", &secret, "--file", &letter];
    let said = send(&[&["bob@reader.example"][..], &with].concat());
    assert_eq!(said.code, 0, "{}{}", said.out, said.err);
    let mail = delivered(&world, "bob@reader.example").await;
    assert!(mail.message.ends_with(b"A line\r\n.\r\n"), "{:?}", mail.message);

    std::fs::write(world.path("secret"), "wrong").expect("written");
    let wrong = send(&[&["bob@reader.example"][..], &with].concat());
    assert!(wrong.code == 1 && wrong.err.contains("does not know this user"), "{}", wrong.err);
    let stranger = ["send", "--from", "x@other.example", "--to", ANN];
    let stranger = world.relent(&stranger);
    assert!(stranger.err.contains("no account sends from other.example"), "{}", stranger.err);
    world.done(&["stream", "add", "acme", "bills", "--kind", "transactional"]);
    let which = send(&[ANN]);
    assert!(which.code == 1 && which.err.contains("--stream acme/"), "{}", which.err);
    let id = send(&[ANN, "--stream", "acme/bills", "--json"]).json()["message"].clone();
    assert!(id.is_string(), "{id}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_message_that_fails_or_waits_says_so() {
    let world = World::start().await;
    let refusal = "550 5.1.1 no such person".to_owned();
    world.receiver.misbehave(vec![Fault::Recipient("ann@".into(), refusal)]);
    let from = ["send", "--from", "test@acme.example", "--to"];
    let failed = world.relent(&[&from[..], &[ANN, "--wait"]].concat());
    assert!(failed.code == 1 && failed.out.contains("no such person"), "{}", failed.out);
    assert!(failed.err.contains("did not reach everybody"), "{}", failed.err);
    world.done(&["delivery", "suspend", "reader.example"]);
    let waits = world.relent(&[&from[..], &["bob@reader.example", "--wait=1s", "--json"]].concat());
    assert_eq!(waits.json()["became"][0]["state"], "queued", "{}", waits.out);
    assert!(waits.code == 1 && waits.err.contains("relent queue show"), "{}", waits.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_message_that_some_are_refused_says_who_gets_it() {
    let world = World::start().await;
    world.agree(ANN);
    let line = ["send", "--from", "test@acme.example", "--stream", "acme/newsletter", "--json"];
    let both = ["--to", ANN, "--to", "bob@reader.example"];
    let said = world.relent(&[&line[..], &both].concat());
    assert!(said.code == 1 && said.err.contains("some recipients were refused"), "{}", said.err);
    let told = said.json();
    assert!(told["message"].is_string(), "{told}");
    let taken: Vec<_> = told["recipients"]
        .as_array()
        .expect("recipients")
        .iter()
        .map(|one| (one["recipient"].clone(), one["taken"].clone()))
        .collect();
    assert_eq!(taken, [(ANN.into(), true.into()), ("bob@reader.example".into(), false.into())]);
    delivered(&world, ANN).await;
}
