//! Sending domains with hosts and keys of their own, what mailbox providers demand, letters that go where
//! the message wanted them, and reports in the account's language.

use super::submission::{app, with_setting};
use super::{answer, delivered, field, reply_address, settled};
use crate::support::client::{Client, letter};
use crate::support::{PATIENCE, World, printed};
use relent::demo::receiver::{Fault, Received};
use relent::dns::Rdata;
use serde_json::Value;
use std::net::Ipv4Addr;

const ANN: &str = "ann@reader.example";
const OWN: &str = "own.example";

/// What the relay's own operator publishes.
fn relay() -> Vec<(String, Rdata)> {
    let text = |text: &str| Rdata::Txt(text.into());
    vec![
        ("relay.relent.example".into(), Rdata::A(Ipv4Addr::LOCALHOST)),
        ("reply.relent.example".into(), Rdata::Mx(10, "relay.relent.example".into())),
        ("reply.relent.example".into(), text("v=spf1 a:relay.relent.example -all")),
    ]
}

/// Records as `domain show` prints them, for a name server.
pub fn as_printed(shown: &Value) -> Vec<(String, Rdata)> {
    [relay(), printed(shown)].concat()
}

fn show(world: &World) -> Value {
    world.done(&["domain", "show", "acme", OWN, "--json"]).json()
}

/// Looks the records up; the exit code, and what was found.
fn verify(world: &World) -> (i32, Value) {
    let said = world.relent(&["domain", "verify", "acme", OWN, "--json"]);
    (said.code, said.json())
}

fn problem<'a>(verified: &'a Value, purpose: &str, kind: &str) -> Option<&'a str> {
    let records = verified["records"].as_array().expect("records");
    let record = records.iter().find(|r| r["purpose"] == purpose && r["type"] == kind);
    let record = record.unwrap_or_else(|| panic!("no {kind} for {purpose}: {verified}"));
    assert_eq!(record["found"], record["problem"].is_null(), "{record}");
    record["problem"].as_str()
}

fn from_own(subject: &str) -> String {
    letter(subject).replace("acme.example", OWN)
}

fn selectors(mail: &Received) -> Vec<String> {
    let text = String::from_utf8_lossy(&mail.message).into_owned();
    let mut found: Vec<_> = text
        .split("; s=")
        .skip(1)
        .map(|rest| rest.split(';').next().expect("a selector").to_owned())
        .collect();
    found.sort();
    found
}

fn keys_in(shown: &Value, state: &str) -> Vec<String> {
    let keys = shown["keys"].as_array().expect("keys").iter().filter(|key| key["state"] == state);
    let mut found: Vec<_> =
        keys.map(|key| key["selector"].as_str().expect("a selector").to_owned()).collect();
    found.sort();
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn a_domains_own_hosts_are_used_once_their_records_lead_here() {
    let mut world = World::start().await;
    let hosts = [
        "--return-path",
        "bounce.own.example",
        "--reply-host",
        "reply.own.example",
        "--link-host",
        "link.own.example",
    ];
    let outside = ["domain", "add", "acme", OWN, "--return-path", "bounce.acme.example"];
    let refused = world.relent(&outside);
    assert!(refused.code == 1 && refused.err.contains("does not lie below"), "{}", refused.err);
    let add = [&["domain", "add", "acme", OWN, "--json"][..], &hosts].concat();
    let shown = world.done(&add).json();
    let (code, looked) = verify(&world);
    assert_eq!((code, &looked["verified"]), (1, &Value::Bool(false)), "{looked}");
    assert!(looked["records"].as_array().expect("records").iter().all(|r| r["found"] == false));
    let refused = app(&world, "receipts").submit("news@own.example", &[ANN], &from_own("One"));
    assert!(refused.contains("not verified"), "{refused}");

    // All but what leads to others: what is right is used, what is wrong is named.
    let mut records = as_printed(&shown);
    records.retain(|(name, _)| name != "reply.own.example" && name != "bounce.own.example");
    records.push(("reply.own.example".into(), Rdata::Mx(5, "mx.reader.example".into())));
    records.push(("mx.elsewhere.example".into(), Rdata::A(Ipv4Addr::new(127, 0, 0, 9))));
    records.push(("bounce.own.example".into(), Rdata::Mx(5, "mx.elsewhere.example".into())));
    records.push(("own.example".into(), Rdata::Txt("v=spf1 -all".into())));
    world.publish_anew(&records);
    let (code, looked) = verify(&world);
    assert_eq!((code, &looked["verified"]), (1, &Value::Bool(true)), "{looked}");
    assert_eq!(looked["complete"], false);
    let wrong = problem(&looked, "return_path", "CNAME").expect("it leads elsewhere");
    assert!(wrong.contains("mx.elsewhere.example"), "{wrong}");
    let spf = problem(&looked, "spf", "TXT").expect("two records");
    assert!(spf.contains("2 SPF records"), "{spf}");
    for purpose in ["proof", "key", "dmarc"] {
        assert_eq!(problem(&looked, purpose, "TXT"), None, "{looked}");
    }
    let people = world.relent(&["domain", "verify", "acme", OWN]);
    assert!(people.code == 1 && people.out.contains("MX 5 mx.elsewhere.example"), "{}", people.out);
    let mut receipts = app(&world, "receipts");
    assert!(receipts.submit("news@own.example", &[ANN], &from_own("Two")).starts_with("250"));
    let mail = delivered(&world, ANN).await;
    assert!(mail.sender.ends_with("@reply.relent.example"), "{}", mail.sender);
    let mut mx = Client::connect(world.ports.inbound[0]);
    mx.say("EHLO mx.reader.example");
    mx.say("MAIL FROM:<ann@reader.example>");
    let stolen = mail.sender.replace("reply.relent.example", "bounce.own.example");
    let said = mx.say(&format!("RCPT TO:<{stolen}>"));
    assert!(said.starts_with("550 5.7.1"), "a host that is not ours yet: {said}");

    world.publish_anew(&as_printed(&shown));
    let (code, looked) = verify(&world);
    assert_eq!((code, &looked["complete"]), (0, &Value::Bool(true)), "{looked}");
    assert!(
        world.done(&["domain", "show", "acme", OWN]).out.contains("bounce.own.example: in use")
    );
    world.done(&["consent", "grant", "acme/newsletter", "eve@reader.example", "--source", "form"]);
    let mut news = app(&world, "newsletter");
    let said = news.submit("news@own.example", &["eve@reader.example"], &from_own("Three"));
    assert!(said.starts_with("250"), "{said}");
    let mail = delivered(&world, "eve@reader.example").await;
    assert!(mail.sender.starts_with("b-") && mail.sender.ends_with("@bounce.own.example"));
    assert!(reply_address(&mail).ends_with("@reply.own.example"));
    let link = field(&mail, "List-Unsubscribe").expect("a link");
    assert!(link.contains("@reply.own.example>"), "{link}");
    assert!(link.contains("<https://link.own.example/u/u-"), "{link}");
    assert_eq!(selectors(&mail), keys_in(&shown, "signing"));

    let mut mx = Client::connect(world.ports.inbound[0]);
    mx.say("EHLO mx.reader.example");
    mx.say("MAIL FROM:<>");
    for (to, taken) in [
        (mail.sender.as_str(), true),
        (&mail.sender.replace("bounce.", "reply."), true),
        ("postmaster@bounce.own.example", true),
        ("acme.newsletter@reply.own.example", true),
        ("acme.newsletter@bounce.own.example", false),
        ("acme.nothing@reply.own.example", false),
        ("fbl@reply.own.example", false),
        ("ann@reply.own.example", false),
        (&mail.sender.replace("bounce.own", "other.own"), false),
        (&mail.sender.replace("bounce.own", "link.own"), false),
    ] {
        let said = mx.say(&format!("RCPT TO:<{to}>"));
        assert_eq!(said.starts_with("250"), taken, "{to}: {said}");
        assert!(taken || said.starts_with("550 5.7.1"), "{to}: {said}");
    }
    // Who writes to the domain's own host hears from there, and may answer there.
    let said = answer(&world, "eve@reader.example", &reply_address(&mail), "HELP");
    assert!(said.starts_with("250"), "{said}");
    settled(&world).await;
    let told = world.receiver.mailbox().into_iter().find(|mail| mail.sender.is_empty());
    let told = told.expect("an answer");
    for (name, start) in [("From", "<acme.newsletter@"), ("Reply-To", "<r-")] {
        let named = field(&told, name).expect("an address");
        assert!(named.contains(start) && named.ends_with("@reply.own.example>"), "{named}");
    }
    assert_eq!(selectors(&told), keys_in(&shown, "signing"), "signed by the domain above it");
    // People answer mail that they have, also when the domain is gone.
    world.done(&["domain", "remove", "acme", OWN]);
    let said = answer(&world, "eve@reader.example", &reply_address(&mail), "R");
    assert!(said.starts_with("250"), "{said}");
    let stopped = world.done(&["suppression", "show", "acme", "eve@reader.example"]).out;
    assert!(stopped.contains("opt_out"), "{stopped}");
}

#[tokio::test(flavor = "multi_thread")]
async fn new_keys_sign_once_they_are_published_and_the_old_stay_published() {
    let mut world = World::start().await;
    let first = world.done(&["domain", "add", "acme", OWN, "--json"]).json();
    world.publish_anew(&as_printed(&first));
    assert_eq!(verify(&world).0, 0);
    let old = keys_in(&first, "signing");
    assert_eq!(old.len(), 2);
    // Twice on one day: whoever waits gives way, and no selector comes again.
    let given_up = world.done(&["domain", "rotate", "acme", OWN, "--json"]).json();
    let shown = world.done(&["domain", "rotate", "acme", OWN, "--json"]).json();
    let new = keys_in(&shown, "waiting");
    assert_eq!((new.len(), keys_in(&shown, "signing")), (2, old.clone()));
    assert_ne!(keys_in(&given_up, "waiting"), new);
    let (code, looked) = verify(&world);
    assert_eq!((code, &looked["verified"]), (1, &Value::Bool(true)), "{looked}");
    let mut receipts = app(&world, "receipts");
    assert!(receipts.submit("news@own.example", &[ANN], &from_own("Old")).starts_with("250"));
    assert_eq!(selectors(&delivered(&world, ANN).await), old);

    // One of the two is not enough; both are found without being asked for.
    let mut records = as_printed(&shown);
    let missing = records.iter().position(|(name, _)| name.starts_with(&new[0])).expect("a key");
    let missing = records.remove(missing);
    world.publish_anew(&records);
    assert_eq!(verify(&world).0, 1);
    assert_eq!(keys_in(&show(&world), "signing"), old);
    records.push(missing);
    world.publish_anew(&records);
    with_setting(&mut world, "domains", "look_interval = \"100ms\"");
    let begun = std::time::Instant::now();
    while keys_in(&show(&world), "signing") != new {
        assert!(begun.elapsed() < PATIENCE, "{}", show(&world));
        tokio::task::yield_now().await;
    }
    let mut receipts = app(&world, "receipts");
    let to = "bob@reader.example";
    assert!(receipts.submit("news@own.example", &[to], &from_own("New")).starts_with("250"));
    assert_eq!(selectors(&delivered(&world, to).await), new);
    let shown = show(&world);
    assert_eq!(keys_in(&shown, "retired"), old);
    let retired = shown["keys"].as_array().expect("keys").iter().find(|k| k["state"] == "retired");
    assert_eq!(retired.expect("one")["removable"], false);
    // Eleven days: a week, and what a message may wait.
    let until = retired.and_then(|key| key["publish_until"].as_str()).expect("a day");
    let until: jiff::Timestamp = until.parse().expect("a moment");
    let days = until.duration_since(jiff::Timestamp::now()).as_hours() / 24;
    assert!((10..=11).contains(&days), "{until}");
    let printed = world.done(&["domain", "show", "acme", OWN]).out;
    assert!(printed.contains("keep it published until"), "{printed}");
    assert_eq!(verify(&world).0, 0, "an old key that is gone is nobody's fault");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_refuses_what_mailbox_providers_would_take_amiss() {
    let world = World::start().await;
    world.agree(ANN);
    let file = world.path("mail.eml");
    let wrong = "From: Acme <news@acme.example>\r\nTo: ann@reader.example\r\nSubject: Re: our offer\r\n\
        Date: yesterday\r\nMessage-ID: none\r\nMIME-Version: 1.0\r\nContent-Type: text/html\r\n\r\n";
    let wrong = format!("{wrong}{}", "<p>Hello</p>\r\n".repeat(200));
    // A file ends its lines as its system does.
    std::fs::write(&file, wrong.replace("\r\n", "\n")).expect("a message");
    let explain = ["explain", "acme/newsletter", "--message", file.to_str().expect("a path")];
    let asked = [&explain[..], &["--json"]].concat();
    let found = world.done(&asked).json();
    let ids = |found: &Value| -> Vec<String> {
        let findings = found["findings"].as_array().expect("findings").iter();
        findings.map(|finding| finding["id"].as_str().expect("an id").to_owned()).collect()
    };
    let expected = [
        "spf_unaligned",
        "date_invalid",
        "message_id_invalid",
        "subject_misleading",
        "text_missing",
    ];
    assert_eq!(ids(&found), expected, "{found}");
    assert_eq!((&found["verdict"], &found["compliance"]), (&"refuse".into(), &"report".into()));
    // Reported at first.
    let mut news = app(&world, "newsletter");
    let said = news.submit("news@acme.example", &[ANN], &wrong);
    assert!(said.starts_with("250"), "{said}");
    let log = world.log();
    assert!(log.contains("findings=\"spf_unaligned,date_invalid,"), "{log}");
    let set = ["stream", "set", "acme", "newsletter", "--compliance", "refuse", "--ad-label"];
    world.done(&set);
    let said = world.relent(&explain);
    assert!(said.code == 1 && said.out.contains("ad_label_missing"), "{}{}", said.out, said.err);
    let said = news.submit("news@acme.example", &[ANN], &wrong);
    assert!(said.starts_with("550 5.6.0 compliance, date_invalid: "), "{said}");
    let label = |subject: &str| letter(subject);
    let said = news.submit("news@acme.example", &[ANN], &label("ADVENTURES"));
    assert!(said.starts_with("550 5.7.1 compliance, ad_label_missing: "), "{said}");
    for subject in ["AD: News", "=?utf-8?B?5bm/5ZGK77ya5paw6Ze7?="] {
        let said = news.submit("news@acme.example", &[ANN], &label(subject));
        assert!(said.starts_with("250"), "{subject}: {said}");
    }
    let long = label("AD").replace("Hello.", &"x".repeat(998));
    assert!(news.submit("news@acme.example", &[ANN], &long).starts_with("250"));
    let metrics = world.http("GET /metrics HTTP/1.1", "");
    let counted = metrics.lines().find(|line| {
        line.contains("relent_compliance_total")
            && line.contains("ad_label_missing")
            && line.contains("refused")
    });
    assert!(counted.is_some_and(|line| line.ends_with(" 1")), "{metrics}");
    // Transactional streams report as before.
    let said = app(&world, "receipts").submit("news@acme.example", &[ANN], &wrong);
    assert!(said.starts_with("250"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_streams_rules_are_set_shown_and_refused_in_words() {
    let world = World::start().await;
    let set = |more: &[&str]| {
        world.relent(&[&["stream", "set", "acme", "newsletter"][..], more].concat())
    };
    for (rule, words) in [
        (["--quiet-hours", "22:00-08:00@Europe/Atlantis"], "no time zone"),
        (["--quiet-hours", "22-8@Europe/Berlin"], "write FROM-UNTIL@ZONE"),
    ] {
        let said = set(&rule);
        assert!(said.code == 1 && said.err.contains(words), "{}", said.err);
    }
    assert_eq!(set(&[]).code, 2);
    assert_eq!(set(&["--quiet-hours", "22:00-08:00@Europe/Berlin", "--ad-label"]).code, 0);
    let shown = world.done(&["stream", "show", "acme", "newsletter", "--json"]).json();
    assert_eq!(shown["quiet_hours"], "22:00-08:00@Europe/Berlin");
    assert_eq!((&shown["ad_label"], &shown["compliance"]), (&true.into(), &"report".into()));
    assert_eq!(
        set(&["--quiet-hours", "none", "--ad-label", "off", "--compliance", "refuse"]).code,
        0
    );
    let shown = world.done(&["stream", "show", "acme", "newsletter", "--json"]).json();
    assert_eq!((&shown["quiet_hours"], &shown["ad_label"]), (&Value::Null, &false.into()));
    assert_eq!(shown["compliance"], "refuse");
    let said = world.relent(&["account", "set", "acme", "--language", "tlh"]);
    assert!(said.code == 1 && said.err.contains("en, zh, ja"), "{}", said.err);
}

/// A letter of Ann's that answers a message; where it went.
async fn answered(world: &World, to: &str, message_id: Option<&str>, text: &str) -> String {
    let mut mx = Client::connect(world.ports.inbound[0]);
    mx.say("EHLO mx.reader.example");
    let names = message_id.map(|id| format!("In-Reply-To: {id}\r\n")).unwrap_or_default();
    let message =
        format!("From: <{ANN}>\r\nTo: <{to}>\r\n{names}Subject: Re: it\r\n\r\n{text}\r\n");
    let before = world.receiver.mailbox().len();
    let said = mx.submit(ANN, &[to], &message);
    assert!(said.starts_with("250"), "{said}");
    let all = world.receiver.wait(PATIENCE, |all| all.len() > before).await.expect("a letter");
    all[before].recipients[0].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_goes_where_the_message_it_answers_wanted_letters() {
    let world = World::start().await;
    let mut receipts = app(&world, "receipts");
    let mut send = async |fields: &str| {
        let before = world.receiver.mailbox().len();
        let message = format!("{fields}{}", letter("Ticket"));
        let said = receipts.submit("news@acme.example", &[ANN], &message);
        assert!(said.starts_with("250"), "{said}");
        let all = world.receiver.wait(PATIENCE, |all| all.len() > before).await.expect("a copy");
        all[before].clone()
    };
    let one = "Reply-To: Help <ticket-1@acme.example>\r\nMessage-ID: <one@acme.example>\r\n";
    let first = send(one).await;
    let to = reply_address(&first);
    assert!(to.ends_with("@reply.relent.example"), "{to}");
    let text = "Where is my parcel?";
    assert_eq!(answered(&world, &to, None, text).await, "ticket-1@acme.example");
    let second = send("Reply-To: ticket-2@acme.example\r\n").await;
    let second = field(&second, "Message-ID").expect("its id");
    assert_eq!(answered(&world, &to, None, text).await, "ticket-2@acme.example", "the newest");
    let found = answered(&world, &to, Some("<one@acme.example>"), text).await;
    assert_eq!(found, "ticket-1@acme.example", "the one that is named");
    assert_eq!(answered(&world, &to, Some(&second), text).await, "ticket-2@acme.example");
    // What is nobody's of the account is not believed, and what names nothing is the stream's.
    send("Reply-To: spy@elsewhere.example\r\n").await;
    assert_eq!(answered(&world, &to, None, text).await, "support@acme.example");
    assert_eq!(
        answered(&world, &to, Some("<one@acme.example>"), text).await,
        "ticket-1@acme.example"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_is_told_in_its_language_and_gets_no_hidden_token_back() {
    let world = World::start().await;
    world.done(&["account", "set", "acme", "--language", "zh"]);
    world.agree(ANN);
    assert!(
        app(&world, "newsletter")
            .submit("news@acme.example", &[ANN], &letter("One"))
            .starts_with("250")
    );
    let token = reply_address(&delivered(&world, ANN).await);
    world.receiver.misbehave(vec![Fault::Recipient("gone@".into(), "550 5.1.1 no".into())]);
    let hidden = data_encoding::BASE64.encode(format!("Write to {token}, please do.").as_bytes());
    let (head, tail) = token.split_at(30);
    let message = format!(
        "From: news@acme.example\r\nTo: gone@reader.example\r\nSubject: Both\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\nContent-Type: text/plain\r\n\
         Content-Transfer-Encoding: base64\r\n\r\n{}\r\n{}\r\n--b\r\nContent-Type: text/plain\r\n\
         Content-Transfer-Encoding: quoted-printable\r\n\r\nWrite to {head}=\r\n{tail}\r\n--b--\r\n",
        &hidden[..76],
        &hidden[76..]
    );
    let mut receipts = app(&world, "receipts");
    receipts.say("MAIL FROM:<news@acme.example> RET=FULL");
    receipts.say("RCPT TO:<gone@reader.example>");
    receipts.say("DATA");
    receipts.send(message.as_bytes());
    assert!(receipts.say(".").starts_with("250"));
    let report = delivered(&world, "news@acme.example").await;
    assert_eq!(field(&report, "Subject").expect("one").matches("=?utf-8?B?").count(), 1);
    let text = String::from_utf8_lossy(&report.message).into_owned();
    let (own, english) =
        (text.find("您的邮件未能送达"), text.find("Your message could not be delivered to"));
    assert!(own.is_some() && own < english, "{text}");
    assert!(
        text.contains("\r\nAction: failed\r\n") && text.contains("Content-Type: message/rfc822")
    );
    assert!(!text.contains(&head[5..]) && !text.contains(&tail[..20]), "{text}");
    assert!(!text.contains(&hidden[..40]) && !text.contains(&hidden[80..100]), "{text}");
    // Encoded anew, as in "Write to r-xxxxxxx…".
    assert!(text.contains("\r\nV3JpdGUgdG8gci14eHh4eHh4"), "the rest is kept: {text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_that_comes_through_us_again_and_again_is_a_loop() {
    let world = World::start().await;
    world.agree(ANN);
    let hop = "Received: from a.example by relay.relent.example with ESMTP; Tue, 24 Nov 2026 09:30:00 +0000\r\n";
    let other = hop.replace("relay.relent.example", "relay.other.example");
    let mut receipts = app(&world, "receipts");
    let again =
        |times: usize| format!("{}{}{}", hop.repeat(times), other.repeat(10), letter("Loop"));
    assert!(receipts.submit("news@acme.example", &[ANN], &again(3)).starts_with("250"));
    let said = receipts.submit("news@acme.example", &[ANN], &again(4));
    assert!(said.starts_with("554 5.4.6"), "{said}");
    let to = reply_address(&delivered(&world, ANN).await);
    let mut mx = Client::connect(world.ports.inbound[0]);
    mx.say("EHLO mx.reader.example");
    assert!(mx.submit(ANN, &[&to], &again(3)).starts_with("250"));
    let said = mx.submit(ANN, &[&to], &again(4));
    assert!(said.starts_with("554 5.4.6"), "{said}");
}
