//! What an account may send: each limit is told with what it is and when it frees, and a suspended account
//! sends nothing until it may again.

use super::delivered;
use super::hostile::until;
use crate::support::client::{Client, letter};
use crate::support::{World, clear_of};
use serde_json::{Value, json};

fn app(world: &World) -> Client {
    Client::login(world.ports.submission[0], "app/receipts", &world.password)
}

fn set(world: &World, changes: &[&str]) {
    world.done(&[&["account", "set", "acme"][..], changes].concat());
}

fn shown(world: &World) -> Value {
    world.done(&["account", "show", "acme", "--json"]).json()
}

const FROM: &str = "news@acme.example";

#[tokio::test(flavor = "multi_thread")]
async fn a_days_recipients_are_counted_over_a_restart_and_the_next_is_told_when() {
    // Midnight in Shanghai.
    clear_of(16).await;
    let mut world = World::start().await;
    set(&world, &["--recipients-per-day", "3", "--zone", "Asia/Shanghai"]);
    let two = ["one@reader.example", "two@reader.example"];
    assert!(app(&world).submit(FROM, &two, &letter("One")).starts_with("250"));
    delivered(&world, "two@reader.example").await;
    let state = shown(&world);
    assert_eq!(state["used"]["recipients_today"], json!(2), "{state}");
    assert_eq!(state["zone"], json!("Asia/Shanghai"));
    assert_eq!(world.stop(), 0);
    world.launch(&[]);
    assert_eq!(shown(&world)["used"]["recipients_today"], json!(2));
    let mut client = app(&world);
    client.say(&format!("MAIL FROM:<{FROM}>"));
    assert!(client.say("RCPT TO:<three@reader.example>").starts_with("250"));
    let reply = client.say("RCPT TO:<four@reader.example>");
    assert!(reply.starts_with("451 4.7.1") && reply.contains("3 recipients a day"), "{reply}");
    // The end of the day, as it is in Shanghai.
    let ends = shown(&world)["used"]["day_ends"].as_str().expect("a moment").to_owned();
    assert!(reply.contains(&ends) && ends.ends_with("T16:00:00Z"), "{reply} {ends}");
    // What another connection took meanwhile is found at the end of the message.
    assert!(app(&world).submit(FROM, &["five@reader.example"], &letter("Two")).starts_with("250"));
    assert!(client.say("DATA").starts_with("354"));
    client.send(letter("Three").as_bytes());
    let reply = client.say(".");
    assert!(reply.starts_with("451 4.7.1"), "{reply}");
    delivered(&world, "five@reader.example").await;
    assert!(
        world
            .receiver
            .mailbox()
            .iter()
            .all(|mail| !format!("{:?}", mail.recipients).contains("three@"))
    );
    // With the limit gone it goes.
    set(&world, &["--recipients-per-day", "none"]);
    assert!(app(&world).submit(FROM, &two, &letter("Four")).starts_with("250"));
}

#[tokio::test(flavor = "multi_thread")]
async fn size_recipients_of_a_message_and_messages_a_minute_are_bounded() {
    let world = World::start().await;
    set(&world, &["--message-size", "2kB", "--recipients-per-message", "2"]);
    let mut client = app(&world);
    let reply = client.say(&format!("MAIL FROM:<{FROM}> SIZE=2049"));
    assert!(reply.starts_with("552 5.3.4") && reply.contains("2048 octets"), "{reply}");
    let large = letter("Large") + &"a line of the body\r\n".repeat(200);
    let reply = client.submit(FROM, &["one@reader.example"], &large);
    assert!(reply.starts_with("552 5.3.4"), "{reply}");
    client.say(&format!("MAIL FROM:<{FROM}>"));
    client.say("RCPT TO:<one@reader.example>");
    client.say("RCPT TO:<two@reader.example>");
    let reply = client.say("RCPT TO:<three@reader.example>");
    assert!(reply.starts_with("452 4.5.3") && reply.contains("2 recipients"), "{reply}");
    assert!(client.say("DATA").starts_with("354"));
    client.send(letter("One").as_bytes());
    assert!(client.say(".").starts_with("250"));
    delivered(&world, "two@reader.example").await;
    // Those that a header names count too.
    let hidden = "X-SMTPAPI: {\"to\": [\"a@reader.example\", \"b@reader.example\"]}\r\n";
    let reply = client.submit(FROM, &["one@reader.example"], &(hidden.to_owned() + &letter("Two")));
    assert!(reply.starts_with("550 5.5.3"), "{reply}");

    set(&world, &["--messages-per-minute", "1"]);
    let mut client = app(&world);
    assert!(client.say(&format!("MAIL FROM:<{FROM}>")).starts_with("250"));
    client.say("RSET");
    let reply = client.say(&format!("MAIL FROM:<{FROM}>"));
    assert!(reply.starts_with("451 4.7.1") && reply.contains("1 messages a minute"), "{reply}");
    let seconds = reply.split(" in ").nth(1).and_then(|rest| rest.split(' ').next());
    let seconds: u64 = seconds.and_then(|text| text.parse().ok()).expect("seconds");
    assert!((1..=60).contains(&seconds), "{reply}");
    let text = world.http("GET /metrics HTTP/1.1", "");
    for limit in ["message_size", "recipients_per_message", "message_rate"] {
        assert!(
            text.contains(&format!("relent_account_limits_total{{limit=\"{limit}\"}}")),
            "{text}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_suspended_account_is_refused_and_its_mail_waits_for_it() {
    let world = World::start().await;
    world.done(&["account", "add", "beta"]);
    world.done(&["domain", "add", "beta", "second.example", "--trust", "--dkim", "none"]);
    world.done(&["stream", "add", "beta", "bills", "--kind", "transactional"]);
    let made = world.done(&["credential", "add", "beta", "--name", "theirs", "--json"]).json();
    let theirs = made["password"].as_str().expect("a password");
    let mut open = app(&world);
    world.done(&["delivery", "suspend", "reader.example"]);
    assert!(open.submit(FROM, &["one@reader.example"], &letter("One")).starts_with("250"));
    world.done(&["account", "suspend", "acme", "--text", "unpaid since May"]);
    let again = world.relent(&["account", "suspend", "acme"]);
    assert_eq!((again.code, again.err.contains("resume acme")), (1, true), "{}", again.err);
    assert_eq!(shown(&world)["suspended"]["text"], json!("unpaid since May"));
    let reply = open.say(&format!("MAIL FROM:<{FROM}>"));
    assert!(reply.starts_with("550 5.7.1") && reply.contains("unpaid since May"), "{reply}");
    let mut client = Client::connect(world.ports.submission[0]);
    client.say("EHLO client.example");
    let secret = data_encoding::BASE64.encode(format!("\0app\0{}", world.password).as_bytes());
    let reply = client.say(&format!("AUTH PLAIN {secret}"));
    assert!(reply.starts_with("535 5.7.1") && reply.contains("unpaid since May"), "{reply}");
    let why = world.done(&["explain", "acme/receipts", "one@reader.example"]).out;
    assert!(
        why.contains("refuse\nSMTP answer: 550 5.7.1 the account acme is suspended: unpaid"),
        "{why}"
    );
    let sent = world.relent(&["send", "--from", FROM, "--to", "one@reader.example"]);
    assert!(
        sent.code == 1 && sent.err.contains(" takes nothing: 535 5.7.1 the account"),
        "{}",
        sent.err
    );
    // Others' mail goes to the same place; theirs stays.
    world.done(&["delivery", "resume", "reader.example"]);
    let mut other = Client::login(world.ports.submission[0], "theirs", theirs);
    let bill = letter("Bill").replace("news@acme.example", "bills@second.example");
    let reply = other.submit("bills@second.example", &["two@reader.example"], &bill);
    assert!(reply.starts_with("250"), "{reply}");
    delivered(&world, "two@reader.example").await;
    // The end of theirs may still be being written down.
    let listed = || world.done(&["queue", "list", "--json"]).json();
    until("theirs to end", || listed().as_array().map(Vec::len) == Some(1)).await;
    let waiting = listed();
    assert_eq!(waiting[0]["recipient"], "one@reader.example", "{waiting}");
    assert!(
        waiting[0]["why"].as_str().is_some_and(|why| why.contains("is suspended")),
        "{waiting}"
    );
    world.done(&["account", "resume", "acme"]);
    delivered(&world, "one@reader.example").await;
    assert!(open.submit(FROM, &["three@reader.example"], &letter("Two")).starts_with("250"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_has_so_many_things_and_no_more() {
    let world = World::start().await;
    set(&world, &["--streams", "2", "--domains", "1", "--credentials", "1"]);
    for (thing, verb) in [
        ("streams", &["stream", "add", "acme", "third", "--kind", "marketing"][..]),
        ("sending domains", &["domain", "add", "acme", "second.example", "--trust"]),
        ("credentials", &["credential", "add", "acme", "--name", "second"]),
    ] {
        let told = world.relent(verb);
        assert_eq!(told.code, 1, "{thing}");
        assert!(told.err.contains(thing) && told.err.contains("the most"), "{}", told.err);
    }
    world.done(&["stream", "remove", "acme", "receipts"]);
    world.done(&["stream", "add", "acme", "third", "--kind", "marketing"]);
    let none = world.relent(&["account", "set", "acme"]);
    assert_eq!(none.code, 2, "{}", none.err);
    let zero = world.relent(&["account", "set", "acme", "--recipients-per-day", "0"]);
    assert_eq!((zero.code, zero.err.contains("account suspend")), (1, true), "{}", zero.err);
    let zone = world.relent(&["account", "set", "acme", "--zone", "Mars/Phobos"]);
    assert_eq!((zone.code, zone.err.contains("IANA")), (1, true), "{}", zone.err);
}
