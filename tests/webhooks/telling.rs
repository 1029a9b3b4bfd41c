//! What is told, and to whom.

use super::{Lab, about, add, send};
use crate::support::client::{Client, letter};
use crate::support::endpoint::{Endpoint, Told};
use crate::support::fits;
use relent::demo::receiver::Fault;
use relent::webhooks::EventKind;
use std::collections::HashSet;

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_to_mail_and_records_is_told_and_signed() {
    let mut lab = Lab::start("").await;
    let world = &mut lab.world;
    world.receiver.misbehave(vec![
        Fault::Recipient("gone".into(), "550 5.1.1 no such user".into()),
        Fault::Recipient("busy".into(), "451 4.2.0 later".into()),
    ]);
    send(world, &["ann@reader.example", "gone@reader.example", "busy@reader.example"]);
    world.done(&["suppression", "add", "acme", "bob@reader.example", "--text", "asked by phone"]);
    world.done(&["suppression", "remove", "acme", "bob@reader.example", "--reason", "manual"]);
    world.done(&["suppression", "add", "acme/newsletter", "@whole.example"]);
    world.agree("ann@reader.example");
    world.done(&["consent", "withdraw", "acme/newsletter", "ann@reader.example"]);
    // Of every account, and so told to none.
    world.done(&["suppression", "add", "global", "zoe@reader.example"]);
    let is_of_domain = |told: &Told| told.event["data"]["recipient"]["domain"].is_string();
    let is_told = |told: &[Told]| {
        let ends = [
            ("ann@reader.example", "message.delivered"),
            ("ann@reader.example", "consent.withdrawn"),
            ("gone@reader.example", "message.failed"),
            ("gone@reader.example", "recipient.suppressed"),
            ("busy@reader.example", "message.deferred"),
            ("bob@reader.example", "recipient.lifted"),
        ];
        ends.iter().all(|(to, kind)| about(told, to).iter().any(|one| one == kind))
            && told.iter().any(is_of_domain)
    };
    let told = lab.endpoint.wait("all of it", is_told).await;
    // Of messages and of records each in order, and not among each other.
    let mut gone = about(&told, "gone@reader.example");
    gone.retain(|kind| kind.starts_with("message."));
    assert_eq!(gone, ["message.accepted", "message.failed"]);
    assert_eq!(about(&told, "bob@reader.example"), ["recipient.suppressed", "recipient.lifted"]);
    assert!(about(&told, "zoe@reader.example").is_empty());
    let domain = told.iter().find(|told| is_of_domain(told)).expect("the stop of a domain is told");
    assert_eq!(domain.event["data"]["stream"], "newsletter");
    let failed = told.iter().find(|told| told.kind() == "message.failed").expect("a failure");
    assert_eq!(failed.event["data"]["status"], "5.1.1");
    assert_eq!(failed.event["data"]["address_is_dead"], true);
    assert_eq!(failed.event["data"]["stream"], "receipts");
    assert_eq!(failed.event["data"]["account"], "acme");
    let ids: HashSet<_> = told.iter().map(|told| told.id.clone()).collect();
    assert_eq!(ids.len(), told.len(), "each event has an id of its own");
    for told in &told {
        assert!(told.is_signed_with(&lab.secret), "{} {:?}", told.id, told.signatures);
        assert_eq!(told.path, "/hook");
        let moment: u64 = told.timestamp.parse().expect("seconds");
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        assert!(now.expect("after 1970").as_secs().abs_diff(moment) < 300);
        for token in ["r-", "u-"] {
            let long = |word: &str| {
                word.split(token).nth(1).is_some_and(|rest| {
                    rest.chars().take_while(char::is_ascii_alphanumeric).count() > 40
                })
            };
            assert!(!told.text.split(['"', ' ', '<', '@', '/']).any(long), "{}", told.text);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_who_answers_is_told_of_without_the_address_that_acts_for_them() {
    let lab = Lab::start("").await;
    lab.world.agree("ann@reader.example");
    let port = lab.world.ports.submission[0];
    let mut client = Client::login(port, "app/newsletter", &lab.world.password);
    let reply = client.submit("news@acme.example", &["ann@reader.example"], &letter("News"));
    assert!(reply.starts_with("250"), "{reply}");
    let came = lab.world.receiver.message_to("ann@reader.example", crate::support::PATIENCE).await;
    let came = came.expect("the news");
    let text = String::from_utf8_lossy(&came.message).into_owned();
    let is_token = |word: &&str| word.starts_with("r-") && word.contains("@reply.");
    let mut words = text.split(|c: char| "<>,; \r\n\t".contains(c));
    let address = words.find(is_token).expect("a signed reply address").to_owned();
    let mut person = Client::connect(lab.world.ports.inbound[0]);
    assert!(person.say("EHLO reader.example").starts_with("250"));
    let letter =
        format!("From: ann@reader.example\r\nTo: {address}\r\nSubject: Re: News\r\n\r\nR\r\n");
    let reply = person.submit("ann@reader.example", &[&address], &letter);
    assert!(reply.starts_with("250"), "{reply}");
    let stopped = |told: &[Told]| {
        about(told, "ann@reader.example").iter().any(|kind| kind == "recipient.suppressed")
    };
    let told = lab.endpoint.wait("the stop", stopped).await;
    let stop = told.iter().find(|told| told.kind() == "recipient.suppressed").expect("a stop");
    assert_eq!(stop.event["data"]["reason"], "opt_out");
    assert_eq!(stop.event["data"]["source"], "reply");
    let token = address.split('@').next().expect("a local part");
    for told in &told {
        assert!(!told.text.contains(&token[2..]), "{}", told.text);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn only_what_was_asked_for_is_told() {
    let lab = Lab::start("").await;
    let (few, other) = (Endpoint::start().await, Endpoint::start().await);
    let asked = ["--events", "message.delivered,consent.granted", "--stream", "receipts"];
    let (id, _) = add(&lab.world, &[&[&few.url()[..]], &asked[..]].concat());
    lab.world.done(&["account", "add", "other"]);
    lab.world.done(&["webhook", "add", "other", &other.url()]);
    send(&lab.world, &["ann@reader.example"]);
    lab.world.agree("bob@reader.example");
    lab.endpoint.wait("the consent", |told| about(told, "bob@reader.example").len() == 1).await;
    few.wait("the delivery", |told| !told.is_empty()).await;
    // This one comes after Bob's in the log, which is passed over by then.
    let dan = ["acme/receipts", "dan@reader.example", "--source", "sign-up form"];
    lab.world.done(&[&["consent", "grant"][..], &dan[..]].concat());
    few.wait("the consent", |told| about(told, "dan@reader.example").len() == 1).await;
    // Of a stream that was not asked for, until it is.
    lab.world.done(&["webhook", "set", "acme", &id, "--events", "all", "--stream", "newsletter"]);
    lab.world.agree("cat@reader.example");
    let told = few.wait("the consent", |told| about(told, "cat@reader.example").len() == 1).await;
    let kinds: Vec<_> = told.iter().map(Told::kind).collect();
    assert_eq!(kinds, ["message.delivered", "consent.granted", "consent.granted"]);
    assert!(other.told().is_empty(), "another account was told");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trial_is_told_at_once_and_says_how_it_went() {
    let lab = Lab::start("").await;
    let said = lab.world.done(&["webhook", "test", "acme", &lab.id]);
    assert!(said.out.contains("the endpoint took it"), "{}", said.out);
    let told = lab.endpoint.told();
    assert_eq!((told.len(), told[0].kind()), (1, "webhook.test"));
    assert!(told[0].is_signed_with(&lab.secret));
    lab.endpoint.behave(|_| {
        crate::support::endpoint::Manner::Answer(
            "418 I'm a teapot",
            Vec::new(),
            b"short\x1b[2J and\r\nstout".to_vec(),
        )
    });
    let said = lab.world.relent(&["webhook", "test", "acme", &lab.id]);
    assert_eq!(said.code, 1);
    assert!(said.err.contains("answered 418 I'm a teapot: short [2J and stout"), "{}", said.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn both_secrets_sign_for_a_while_after_one_is_made() {
    let lab = Lab::start("").await;
    let made = lab.world.done(&["webhook", "rotate", "acme", &lab.id, "--json"]).json();
    let fresh = made["secret"].as_str().expect("a secret").to_owned();
    assert_ne!(fresh, lab.secret);
    send(&lab.world, &["ann@reader.example"]);
    let told = lab.endpoint.wait("a delivery", |told| told.len() >= 2).await;
    for told in &told {
        assert!(told.is_signed_with(&fresh) && told.is_signed_with(&lab.secret), "{}", told.id);
    }
    let shown = format!("{}{}", lab.show(), lab.world.log());
    let bare = |secret: &str| secret.trim_start_matches("whsec_").to_owned();
    assert!(!shown.contains(&bare(&fresh)) && !shown.contains(&bare(&lab.secret)));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_meant_is_refused_and_leaves_nothing() {
    let lab = Lab::start("").await;
    lab.world.done(&["account", "add", "other"]);
    let url = lab.endpoint.url();
    for (arguments, word) in [
        (&["webhook", "add", "nobody", &url][..], "no account `nobody`"),
        (&["webhook", "add", "acme", "app.example"], "only https://"),
        (&["webhook", "add", "acme", "file:///etc/passwd"], "https://"),
        (&["webhook", "add", "acme", "https://a:b@app.example/"], "no user"),
        (&["webhook", "add", "acme", "https://app.example/#a"], "fragment"),
        (&["webhook", "add", "acme", &url, "--events", "message.lost"], "message.delivered"),
        (&["webhook", "add", "acme", &url, "--events", "webhook.test"], "is no event"),
        (&["webhook", "add", "acme", &url, "--stream", "nothing"], "no stream `nothing`"),
        (&["webhook", "set", "acme", &lab.id, "--url", "ftp://app.example/"], "https://"),
        (&["webhook", "show", "acme", "x"], "they are numbered"),
        (&["webhook", "show", "acme", "99"], "no webhook 99"),
        // Another account's.
        (&["webhook", "show", "other", &lab.id], "no webhook"),
        (&["webhook", "set", "other", &lab.id, "--url", &url], "no webhook"),
        (&["webhook", "remove", "other", &lab.id], "no webhook"),
        (&["webhook", "rotate", "other", &lab.id], "no webhook"),
        (&["webhook", "test", "other", &lab.id], "no webhook"),
        (&["webhook", "pause", "other", &lab.id], "no webhook"),
        (&["webhook", "resume", "other", &lab.id], "no webhook"),
        (&["webhook", "failed", "list", "other", &lab.id], "no webhook"),
        (&["webhook", "failed", "redeliver", "other", &lab.id, "--all"], "no webhook"),
        (&["webhook", "failed", "redeliver", "acme", &lab.id, "7"], "no failed call 7"),
    ] {
        let said = lab.world.relent(arguments);
        assert_eq!(said.code, 1, "{arguments:?}: {}{}", said.out, said.err);
        assert!(said.err.contains(word), "{arguments:?} says {}", said.err);
    }
    assert_eq!(lab.world.relent(&["webhook", "set", "acme", &lab.id]).code, 2);
    let listed = lab.world.done(&["webhook", "list", "acme", "--json"]).json();
    assert_eq!(listed.as_array().map(Vec::len), Some(1), "{listed}");
    assert_eq!(lab.show()["url"], url.as_str());
    lab.world.done(&["webhook", "remove", "acme", &lab.id]);
    assert_eq!(lab.world.relent(&["webhook", "show", "acme", &lab.id]).code, 1);
    let audit = lab.world.done(&["audit", "list", "--json"]).out;
    for kind in ["webhook.added", "webhook.removed"] {
        assert!(audit.contains(kind), "{kind} is not in the audit chain: {audit}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_webhooks_than_the_limits_are_made() {
    let lab = Lab::start("webhooks_max = 3\n").await;
    lab.world.done(&["account", "add", "other"]);
    lab.world.done(&["account", "set", "acme", "--webhooks", "2"]);
    let url = lab.endpoint.url();
    lab.world.done(&["webhook", "add", "acme", &url]);
    let said = lab.world.relent(&["webhook", "add", "acme", &url]);
    assert!(said.code == 1 && said.err.contains("2 webhooks"), "{}", said.err);
    lab.world.done(&["webhook", "add", "other", &url]);
    let said = lab.world.relent(&["webhook", "add", "other", &url]);
    assert!(said.code == 1 && said.err.contains("webhooks.webhooks_max"), "{}", said.err);
}

#[test]
fn every_kind_of_event_stands_in_the_schema() {
    let root: serde_json::Value = serde_json::from_str(relent::webhooks::SCHEMA).expect("JSON");
    let ways = root["oneOf"].as_array().expect("a list");
    let named: Vec<_> = ways.iter().filter_map(|way| way["title"].as_str()).collect();
    let known: Vec<_> = EventKind::ALL.iter().map(|kind| kind.name()).collect();
    assert_eq!(named, known);
    for way in ways {
        assert_eq!(way["title"], way["properties"]["type"]["const"]);
    }
    // What does not fit is noticed.
    let good = serde_json::json!({
        "type": "webhook.test", "timestamp": "2026-11-26T12:00:00.000Z", "version": 1,
        "data": { "account": "acme", "webhook": 1 },
    });
    assert_eq!(fits::fits(&root, &root, &good), Ok(()));
    for (pointer, value) in [
        ("/type", serde_json::json!("webhook.none")),
        ("/timestamp", serde_json::json!("yesterday")),
        ("/version", serde_json::json!(2)),
        ("/data/webhook", serde_json::json!("1")),
        ("/data", serde_json::json!({ "account": "acme" })),
        ("/data", serde_json::json!({ "account": "acme", "webhook": 1, "more": 1 })),
    ] {
        let mut bad = good.clone();
        *bad.pointer_mut(pointer).expect("it is there") = value;
        assert!(fits::fits(&root, &root, &bad).is_err(), "{bad}");
    }
}
