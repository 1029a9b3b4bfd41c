//! Mail from applications: who may still send, whom a header names, what is counted as a mistake, and
//! how long a session lasts.

use super::delivered;
use crate::support::World;
use crate::support::client::{Client, letter};
use std::time::{Duration, Instant};

const ANN: &str = "ann@reader.example";
const BOB: &str = "bob@reader.example";

pub fn app(world: &World, stream: &str) -> Client {
    Client::login(world.ports.submission[0], &format!("app/{stream}"), &world.password)
}

/// Starts the daemon anew with a line added to a section of its settings.
pub fn with_setting(world: &mut World, section: &str, line: &str) {
    let file = world.path("relent.toml");
    let settings = std::fs::read_to_string(&file).expect("settings");
    let head = format!("[{section}]\n");
    let text = if settings.contains(&head) {
        settings.replace(&head, &format!("{head}{line}\n"))
    } else {
        format!("{settings}{head}{line}\n")
    };
    std::fs::write(&file, text).expect("settings");
    world.stop();
    world.launch(&[]);
}

fn with_header(field: &str) -> String {
    format!("{field}\r\n{}", letter("With a header"))
}

/// Says STARTTLS and more in one packet, then TLS, NOOP and RCPT; prints what is answered within TLS.
const INJECT: &str = r#"
import socket, ssl, sys
plain = socket.create_connection(("127.0.0.1", int(sys.argv[1])), 20)
def reply(channel):
    text = b""
    while not text.endswith(b"\n") or text.splitlines()[-1][3:4] == b"-":
        text += channel.recv(1)
    return text.decode().strip()
reply(plain)
plain.sendall(b"EHLO client.example\r\n")
reply(plain)
plain.sendall(b"STARTTLS\r\nEHLO injected.example\r\nMAIL FROM:<>\r\n")
assert reply(plain).startswith("220"), "STARTTLS"
secure = ssl._create_unverified_context().wrap_socket(plain)
secure.sendall(b"NOOP\r\nMAIL FROM:<>\r\n")
print(reply(secure))
print(reply(secure))
"#;

#[tokio::test(flavor = "multi_thread")]
async fn what_was_said_before_tls_is_forgotten_within_it() {
    let world = World::start().await;
    for (port, then) in [
        (world.ports.submission[0], "530 5.7.0 AUTH comes first"),
        (world.ports.inbound[0], "503 5.5.1 EHLO comes first"),
    ] {
        let output = std::process::Command::new("python3")
            .args(["-c", INJECT, &port.to_string()])
            .output()
            .expect("python3 runs");
        let said = String::from_utf8_lossy(&output.stdout);
        let fault = String::from_utf8_lossy(&output.stderr);
        // Whatever came in the clear would have been answered here, before NOOP.
        assert_eq!(said.lines().collect::<Vec<_>>(), ["250 2.0.0 ok", then], "{fault}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_credential_ends_its_sessions_and_its_name_gives_nobody_its_rights() {
    let world = World::start().await;
    let mut open = app(&world, "receipts");
    let mut under_way = app(&world, "receipts");
    under_way.say("MAIL FROM:<news@acme.example>");
    assert!(under_way.say(&format!("RCPT TO:<{ANN}>")).starts_with("250"));
    assert!(under_way.say("DATA").starts_with("354"));
    world.done(&["credential", "remove", "acme", "app"]);
    world.done(&["account", "add", "other"]);
    world.done(&["stream", "add", "other", "receipts", "--kind", "transactional"]);
    world.done(&["credential", "add", "other", "--name", "app"]);
    assert!(open.say("MAIL FROM:<news@acme.example>").starts_with("421 4.7.0"));
    assert!(open.is_closed());
    under_way.send(letter("Late").as_bytes());
    assert!(under_way.say(".").starts_with("421 4.7.0"));
    assert!(world.receiver.mailbox().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_header_that_changes_the_stream_has_everybody_judged_anew() {
    let world = World::start().await;
    world.agree(ANN);
    let named = with_header("X-Relent-Stream: newsletter");
    let refused = app(&world, "receipts").submit("news@acme.example", &[BOB], &named);
    assert!(refused.starts_with("550 5.7.1"), "{refused}");
    let taken = app(&world, "receipts").submit("news@acme.example", &[BOB, ANN], &named);
    assert!(taken.starts_with("250"), "{taken}");
    let mail = delivered(&world, ANN).await;
    assert!(!String::from_utf8_lossy(&mail.message).contains("X-Relent-Stream"));
    assert!(super::field(&mail, "List-Unsubscribe").is_some(), "it is the newsletter's");
    let report = delivered(&world, "news@acme.example").await;
    let report = String::from_utf8_lossy(&report.message).into_owned();
    assert!(report.contains(BOB) && report.contains("5.7.1"), "{report}");
    let wrong = app(&world, "receipts").submit(
        "news@acme.example",
        &[ANN],
        &with_header("X-Relent-Stream: Not A Name"),
    );
    assert!(wrong.starts_with("550 5.6.0"), "{wrong}");
    let foreign = app(&world, "receipts").submit(
        "news@acme.example",
        &[ANN],
        &with_header("X-Relent-Stream: elsewhere"),
    );
    assert!(foreign.starts_with("550 5.7.1"), "{foreign}");
    assert!(world.receiver.mailbox().iter().all(|mail| mail.recipients != [BOB]));
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_for_later_is_kept_until_then_over_a_restart() {
    let mut world = World::start().await;
    for (value, expected) in [
        ("tomorrow", "550 5.6.0"),
        ("2999-01-01T00:00:00Z", "550 5.7.1"),
        ("2001-01-01T00:00:00Z", "250"),
    ] {
        let field = with_header(&format!("X-Relent-Send-At: {value}"));
        let said = app(&world, "receipts").submit("news@acme.example", &[BOB], &field);
        assert!(said.starts_with(expected), "{value}: {said}");
    }
    delivered(&world, BOB).await;
    let begun = Instant::now();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now = now.expect("after 1970");
    let at = now.as_secs() + 5;
    let due = begun + (Duration::from_secs(at) - now);
    let later = with_header(&format!("X-Relent-Send-At: {at}"));
    let said = app(&world, "receipts").submit("news@acme.example", &[ANN], &later);
    assert!(said.starts_with("250"), "{said}");
    world.kill();
    world.launch(&[]);
    let mail = delivered(&world, ANN).await;
    assert!(mail.at + Duration::from_millis(500) > due, "it did not wait");
    assert!(!String::from_utf8_lossy(&mail.message).contains("Send-At"));
}

#[tokio::test(flavor = "multi_thread")]
async fn recipients_in_x_smtpapi_are_judged_as_any() {
    let world = World::start().await;
    world.agree(ANN);
    let plain = format!("X-SMTPAPI: {{\"to\": [\"{BOB}\"], \"category\": \"x\"}}");
    let said = app(&world, "newsletter").submit("news@acme.example", &[ANN], &with_header(&plain));
    assert!(said.starts_with("250"), "{said}");
    delivered(&world, ANN).await;
    let json = format!("{{\"to\": [\"Bea <bea@reader.example>\", \"{ANN}\"]}}");
    let coded = data_encoding::BASE64URL_NOPAD.encode(json.as_bytes());
    let coded = with_header(&format!("X-SMTPAPI: {coded}"));
    let said = app(&world, "receipts").submit("news@acme.example", &[ANN], &coded);
    assert!(said.starts_with("250"), "{said}");
    let mail = delivered(&world, "bea@reader.example").await;
    assert!(!String::from_utf8_lossy(&mail.message).contains("SMTPAPI"));
    for malformed in ["{broken", "[1]", "", "{\"to\": [1]}", "{\"to\": \"nobody\"}"] {
        let field = with_header(&format!("X-SMTPAPI: {malformed}"));
        let said = app(&world, "receipts").submit("news@acme.example", &[ANN], &field);
        assert!(said.starts_with("550 5.6.0"), "{malformed}: {said}");
    }
    let to_bob = world.receiver.mailbox().iter().filter(|mail| mail.recipients == [BOB]).count();
    assert_eq!(to_bob, 0, "who has not agreed got mail by a header");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_x_smtpapi_asks_for_is_done_refused_or_named() {
    let mut world = World::start().await;
    with_setting(&mut world, "submission", "recipients_max = 3");
    let submit = |world: &World, field: &str| {
        app(world, "receipts").submit("news@acme.example", &[ANN], &with_header(field))
    };
    let said =
        submit(&world, "X-SMTPAPI: {\"category\": \"x\",\r\n \"unique_args\": {\"a\": \"1\"}}");
    let note = " Message accepted for delivery; X-SMTPAPI: category, unique_args passed over";
    assert!(said.starts_with("250 2.0.0 ") && said.ends_with(note), "{said}");
    assert!(world.log().contains("smtpapi_ignored=\"category, unique_args\""), "{}", world.log());
    delivered(&world, ANN).await;
    for (field, reason) in [
        (
            "X-SMTPAPI: {\"to\": [\"b@reader.example\"], \"sub\": {\"%n%\": [\"Bea\"]}}",
            "\"sub\" is not",
        ),
        ("X-SMTPAPI: {}\r\nX-SMTPAPI: {}", "X-SMTPAPI stands there twice"),
        ("X-SMTPAPI: {\"send_at\": 32503680000}", "is kept for 7 days at most"),
        (
            "X-SMTPAPI: {\"to\": [\"b@reader.example\", \"c@reader.example\", \"d@reader.example\"]}",
            "more than 3 recipients",
        ),
    ] {
        let said = submit(&world, field);
        assert!(said.starts_with("550 5.") && said.contains(reason), "{field}: {said}");
    }
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let at = now.expect("after 1970").as_secs() + 3600;
    let said = submit(&world, &format!("X-SMTPAPI: {{\"send_at\": {at}, \"to\": \"{BOB}\"}}"));
    assert!(said.ends_with(" Message accepted for delivery"), "{said}");
    let listed = world.done(&["queue", "list", "--json"]).json();
    let waits = listed.as_array().expect("a list").iter().map(|item| {
        (
            item["recipient"].as_str().unwrap_or("").to_owned(),
            item["next_at"].as_str().unwrap_or("").to_owned(),
        )
    });
    let moment = relent::mail::Timestamp(at * 1000).to_string();
    let mut waits: Vec<_> = waits.collect();
    waits.sort();
    assert_eq!(waits, [(ANN.to_owned(), moment.clone()), (BOB.to_owned(), moment)]);
    assert_eq!(world.receiver.mailbox().len(), 1, "nothing of what was refused, nothing early");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recipient_named_twice_gets_one_copy() {
    let world = World::start().await;
    let twice = [ANN, "ANN@Reader.example", ANN];
    let said = app(&world, "receipts").submit("news@acme.example", &twice, &letter("Once"));
    assert!(said.starts_with("250"), "{said}");
    delivered(&world, ANN).await;
    let log = world.log();
    assert!(log.contains("recipients=1 "), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_from_that_two_readers_could_read_differently_is_refused() {
    let world = World::start().await;
    for (from, expected) in [
        ("\"a b\"@acme.example", "250"),
        ("Acme <news@acme.example> (the shop)", "250"),
        ("x@evil.example <news@acme.example>", "550 5.6.0"),
        ("news@acme.example, x@evil.example", "550 5.7.1"),
        ("<news@acme.example", "550 5.6.0"),
        ("\u{fc}@acme.example", "550 5.6.7"),
    ] {
        let message = letter("From").replace("Acme <news@acme.example>", from);
        let said = app(&world, "receipts").submit("news@acme.example", &[ANN], &message);
        assert!(said.starts_with(expected), "{from}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_recipients_do_not_end_a_session() {
    let world = World::start().await;
    let mut app = app(&world, "newsletter");
    for _ in 0..30 {
        app.say("MAIL FROM:<news@acme.example>");
        assert!(app.say(&format!("RCPT TO:<{BOB}>")).starts_with("550 5.7.1"));
        assert!(app.say("DATA").starts_with("554 5.5.1"));
        assert!(app.say("RSET").starts_with("250"));
    }
    let mut mx = Client::connect(world.ports.inbound[0]);
    mx.say("EHLO mx.example");
    mx.say("MAIL FROM:<x@x.example>");
    let foreign =
        ["x@[127.0.0.1]", "@relay.example:x@other.example", BOB, "a%b@other.example", "a@1"];
    for to in foreign.into_iter().cycle().take(10) {
        let said = mx.say(&format!("RCPT TO:<{to}>"));
        assert!(said.starts_with("550 5.7.1"), "{to}: {said}");
    }
    assert!(mx.say("NOOP").starts_with("421"), "strangers who probe are shown out");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_in_time_and_a_message_that_is_whole_is_answered() {
    let mut world = World::start().await;
    // Strangers have a shorter time than the session, which lasts an hour.
    with_setting(&mut world, "submission", "auth_timeout = \"8s\"");
    let mut stranger = Client::connect(world.ports.submission[0]);
    stranger.say("EHLO slow.example");
    assert!(stranger.reply().expect("a word").starts_with("421 4.4.2"));
    with_setting(&mut world, "submission", "session_timeout = \"10s\"");
    let mut slow = app(&world, "receipts");
    slow.say("MAIL FROM:<news@acme.example>");
    slow.say(&format!("RCPT TO:<{ANN}>"));
    slow.say("DATA");
    slow.send(b"From: <news@acme.example>\r\n");
    assert!(slow.reply().expect("a word").starts_with("421 4.4.2"));
    assert!(slow.is_closed());
}
