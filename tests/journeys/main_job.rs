//! Submit, ask, spool, deliver, hear "R", refuse.

use super::{delivered, field};
use crate::support::client::{Client, letter};
use crate::support::{PATIENCE, World};
use relent::demo::receiver::Fault;

const ANN: &str = "ann@reader.example";

#[tokio::test(flavor = "multi_thread")]
async fn who_has_not_agreed_is_refused_and_who_has_gets_a_copy() {
    let world = World::start().await;
    world.agree(ANN);
    let mut app = Client::login(world.ports.submission[0], "app/newsletter", &world.password);
    assert!(app.say("MAIL FROM:<news@acme.example>").starts_with("250"));
    let refused = app.say("RCPT TO:<bob@reader.example>");
    assert!(refused.starts_with("550 5.7.1"), "{refused}");
    assert!(app.say("RCPT TO:<ann@READER.example>").starts_with("250"));
    assert!(app.say("DATA").starts_with("354"));
    app.send(letter("One").as_bytes());
    let reply = app.say(".");
    assert!(reply.starts_with("250 2.0.0 "), "{reply}");

    let mail = delivered(&world, ANN).await;
    assert!(mail.tls, "STARTTLS was offered and not taken");
    assert!(mail.sender.starts_with("b-"), "{}", mail.sender);
    for (name, part) in [
        ("List-Unsubscribe", "/u/u-"),
        ("List-Unsubscribe-Post", "List-Unsubscribe=One-Click"),
        ("Reply-To", "r-"),
        ("DKIM-Signature", "d=acme.example"),
    ] {
        assert!(field(&mail, name).is_some_and(|value| value.contains(part)), "{name}");
    }
    let sent = letter("One");
    let sent = sent.split_once("\r\n\r\n").expect("a body").1.as_bytes();
    let start = relent::mail::header::body_start(&mail.message);
    assert_eq!(&mail.message[start..], sent, "the body is byte for byte what came in");
}

#[tokio::test(flavor = "multi_thread")]
async fn one_click_stops_the_stream_and_a_look_changes_nothing() {
    let world = World::start().await;
    world.agree(ANN);
    let mut app = Client::login(world.ports.submission[0], "app/newsletter", &world.password);
    assert!(app.submit("news@acme.example", &[ANN], &letter("One")).starts_with("250"));
    let mail = delivered(&world, ANN).await;
    let field = field(&mail, "List-Unsubscribe").expect("List-Unsubscribe");
    let token = field.split("/u/").nth(1).expect("a link").trim_end_matches('>').to_owned();
    let page = world.http(&format!("GET /u/{token} HTTP/1.1"), "");
    assert!(page.starts_with("HTTP/1.1 200"), "{page}");
    assert!(!page.contains(ANN), "the page shows the whole address");
    assert!(app.submit("news@acme.example", &[ANN], &letter("Two")).starts_with("250"));
    for _ in 0..2 {
        let done = world.http(&format!("POST /u/{token} HTTP/1.1"), "List-Unsubscribe=One-Click");
        assert!(done.starts_with("HTTP/1.1 200"), "{done}");
    }
    let next = app.submit("news@acme.example", &[ANN], &letter("Three"));
    assert!(next.starts_with("550 5.7.1"), "{next}");
    let forged = world.http("POST /u/u-aaaaaaaa HTTP/1.1", "List-Unsubscribe=One-Click");
    assert!(forged.starts_with("HTTP/1.1 404"), "{forged}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_address_is_reported_to_the_sender_and_suppressed() {
    let world = World::start().await;
    let gone = "gone@reader.example";
    world.agree(gone);
    world
        .receiver
        .misbehave(vec![Fault::Recipient("gone@".into(), "550 5.1.1 no such user".into())]);
    let mut app = Client::login(world.ports.submission[0], "app/newsletter", &world.password);
    assert!(app.submit("news@acme.example", &[gone], &letter("One")).starts_with("250"));
    let report = delivered(&world, "news@acme.example").await;
    assert_eq!(report.sender, "", "a report has the null path");
    let text = String::from_utf8_lossy(&report.message);
    assert!(text.contains("Final-Recipient: rfc822;") && text.contains("5.1.1"), "{text}");
    let deadline = std::time::Instant::now() + PATIENCE;
    while world.relent(&["suppression", "show", "acme", gone]).code != 0 {
        assert!(std::time::Instant::now() < deadline, "the dead address was not suppressed");
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_accepted_survives_a_kill() {
    let mut world = World::start().await;
    world.agree(ANN);
    world.receiver.misbehave(vec![Fault::Greeting("421 4.3.2 not now".into())]);
    let mut app = Client::login(world.ports.submission[0], "app/newsletter", &world.password);
    assert!(app.submit("news@acme.example", &[ANN], &letter("One")).starts_with("250"));
    world.kill();
    world.receiver.misbehave(Vec::new());
    world.launch(&[]);
    delivered(&world, ANN).await;
}
