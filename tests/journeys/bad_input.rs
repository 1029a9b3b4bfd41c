//! Bad input gets a clear answer, and nothing is lost.

use crate::support::World;
use crate::support::client::{Client, letter};

const ANN: &str = "ann@reader.example";

#[tokio::test(flavor = "multi_thread")]
async fn nobody_gets_in_without_a_credential() {
    let world = World::start().await;
    let mut client = Client::connect(world.ports.submission[0]);
    client.say("EHLO x.example");
    assert!(client.say("MAIL FROM:<news@acme.example>").starts_with("530 5.7.0"));
    let wrong = data_encoding::BASE64.encode(b"\0app\0wrong");
    assert!(client.say(&format!("AUTH PLAIN {wrong}")).starts_with("535 5.7.8"));
    let mut inbound = Client::connect(world.ports.inbound[0]);
    inbound.say("EHLO x.example");
    inbound.say("MAIL FROM:<x@x.example>");
    assert!(inbound.say(&format!("RCPT TO:<{ANN}>")).starts_with("550 5.7.1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_sends_from_its_own_domains_only() {
    let world = World::start().await;
    let mut app = Client::login(world.ports.submission[0], "app/receipts", &world.password);
    assert!(app.say("MAIL FROM:<x@other.example>").starts_with("550 5.7.1"));
    let foreign = letter("x").replace("news@acme.example", "x@other.example");
    let reply = app.submit("news@acme.example", &[ANN], &foreign);
    assert!(reply.starts_with("550 5.7.1"), "{reply}");
}

#[tokio::test(flavor = "multi_thread")]
async fn smuggled_ends_of_data_are_refused() {
    let world = World::start().await;
    for end in ["\n.\n", "\n.\r\n", "\r\n.\n", "\r.\r", "\r.\r\n", "\r\n.\r", "\r\n\0.\r\n"] {
        let mut app = Client::login(world.ports.submission[0], "app/receipts", &world.password);
        app.say("MAIL FROM:<news@acme.example>");
        assert!(app.say(&format!("RCPT TO:<{ANN}>")).starts_with("250"));
        app.say("DATA");
        app.send(
            format!("From: a <news@acme.example>\r\n\r\nx{end}MAIL FROM:<evil@acme.example>")
                .as_bytes(),
        );
        app.send(b"\r\n.\r\n");
        let reply = app.reply().expect("an answer");
        assert!(reply.starts_with('5'), "{end:?}: {reply}");
    }
    assert!(world.receiver.mailbox().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_http_verb_closes_the_connection() {
    let world = World::start().await;
    let mut client = Client::connect(world.ports.submission[0]);
    client.send(b"POST / HTTP/1.1\r\nHost: x\r\n\r\nMAIL FROM:<a@b.example>\r\n");
    assert!(client.is_closed());
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_that_fail_say_what_to_do() {
    let mut world = World::start().await;
    let unknown = world.relent(&["stream", "list", "nobody"]);
    assert_eq!(unknown.code, 1);
    assert!(
        unknown.err.contains("nobody") && unknown.err.contains("relent account"),
        "{}",
        unknown.err
    );
    assert_eq!(world.relent(&["no-such-verb"]).code, 2);
    world.stop();
    let gone = world.relent(&["account", "list"]);
    assert_eq!(gone.code, 3, "{}", gone.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_setting_is_named_with_its_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("relent.toml");
    std::fs::write(&file, "hostname = \"a.example\"\n\n[queue]\nexpiry = \"soon\"\n")
        .expect("a file");
    let output = std::process::Command::new(crate::support::program())
        .args(["check", "--config"])
        .arg(&file)
        .output()
        .expect("check runs");
    let said = crate::support::said(output);
    assert_eq!(said.code, 1, "{}{}", said.out, said.err);
    let text = format!("{}{}", said.out, said.err);
    assert!(text.contains("relent.toml:4") && text.contains("soon"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_store_holds_mail_and_names_the_way_out() {
    let mut world = World::start().await;
    world.stop();
    let records = match crate::support::engine().as_str() {
        "sled" => "data/records.sled/db",
        _ => "data/records.redb",
    };
    assert!(world.path(records).is_file());
    std::fs::write(world.path(records), b"this is not a store").expect("a file");
    world.launch(&[]);
    let mut client = Client::connect(world.ports.submission[0]);
    client.say("EHLO x.example");
    let secret = data_encoding::BASE64.encode(format!("\0app\0{}", world.password).as_bytes());
    let reply = client.say(&format!("AUTH PLAIN {secret}"));
    assert!(reply.starts_with("454") || reply.starts_with("451"), "{reply}");
    assert!(world.log().contains("relent store recover"), "{}", world.log());
}
