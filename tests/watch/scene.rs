//! A day in a minute: mail that is taken, refused, put off, given up; people who answer, click and complain; a program that
//! guesses passwords. What is watched has something to show then.

use crate::journeys::{delivered, field, reply_address};
use crate::support::client::{Client, letter};
use crate::support::{PATIENCE, World};
use relent::demo::receiver::{Fault, Received};
use std::time::Instant;

pub const ANN: &str = "ann@reader.example";
pub const BEN: &str = "ben@reader.example";
pub const CLEO: &str = "cleo@reader.example";
pub const DORA: &str = "dora@reader.example";
pub const GONE: &str = "gone@reader.example";
pub const LATER: &str = "later@reader.example";
pub const STRANGER: &str = "stranger@reader.example";

/// The body of an answer.
pub fn body(answer: &str) -> &str {
    answer.split_once("\r\n\r\n").map_or("", |(_, body)| body)
}

/// What `/metrics` shows now.
pub fn figures(world: &World) -> String {
    body(&world.http("GET /metrics HTTP/1.1", "")).to_owned()
}

/// Waits until the figures say so.
pub async fn until(world: &World, what: &str, holds: impl Fn(&str) -> bool) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let shown = figures(world);
        if holds(&shown) {
            return shown;
        }
        assert!(Instant::now() < deadline, "{what}: {shown}");
        tokio::task::yield_now().await;
    }
}

fn bring(world: &World, to: &str, message: &str) {
    let mut mx = Client::connect(world.ports.inbound[0]);
    mx.say("EHLO mx.reader.example");
    let said = mx.submit(ANN, &[to], message);
    assert!(said.starts_with("250"), "{said}");
}

fn complain(world: &World, copy: &Received) {
    let start = relent::mail::header::body_start(&copy.message);
    let header = String::from_utf8_lossy(&copy.message[..start]).into_owned();
    bring(
        world,
        "fbl@relay.relent.example",
        &format!(
            "From: fbl@provider.example\r\nTo: fbl@relay.relent.example\r\nSubject: complaint\r\n\
             MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=feedback-report; boundary=b\r\n\r\n\
             --b\r\nContent-Type: text/plain\r\n\r\nA complaint.\r\n\
             --b\r\nContent-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\nVersion: 1\r\n\
             User-Agent: fbl/1\r\n\r\n--b\r\nContent-Type: text/rfc822-headers\r\n\r\n{header}\r\n--b--\r\n"
        ),
    );
}

/// One delivery, so that those that follow are an increase.
pub async fn begin(world: &World) {
    world.agree(DORA);
    let mut app = Client::login(world.ports.submission[0], "app/newsletter", &world.password);
    let said = app.submit("news@acme.example", &[DORA], &letter("Begin"));
    assert!(said.starts_with("250"), "{said}");
    delivered(world, DORA).await;
}

/// Has all of it happen.
pub async fn play(world: &World) {
    for to in [ANN, BEN, CLEO, GONE, LATER] {
        world.agree(to);
    }
    world.receiver.misbehave(vec![
        Fault::Recipient("gone@".into(), "550 5.1.1 no such user".into()),
        Fault::Recipient("later@".into(), "451 4.2.0 later".into()),
    ]);
    let port = world.ports.submission[0];
    let mut app = Client::login(port, "app/newsletter", &world.password);
    app.say("MAIL FROM:<news@acme.example>");
    assert!(app.say(&format!("RCPT TO:<{STRANGER}>")).starts_with("550 5.7.1"));
    app.say("RSET");
    for to in [ANN, BEN, CLEO, GONE, LATER] {
        let said = app.submit("news@acme.example", &[to], &letter("One"));
        assert!(said.starts_with("250"), "{said}");
    }
    // Refused whole: a From that is not the account's.
    let foreign = letter("Two").replace("news@acme.example", "news@other.example");
    let said = app.submit("news@acme.example", &[ANN], &foreign);
    assert!(said.starts_with("550"), "{said}");
    let mut thief = Client::connect(port);
    thief.say("EHLO thief.example");
    let wrong = data_encoding::BASE64.encode(b"\0app/newsletter\0wrong");
    assert!(thief.say(&format!("AUTH PLAIN {wrong}")).starts_with("535"));

    let ann = delivered(world, ANN).await;
    let said = format!(
        "From: <{ANN}>\r\nTo: <{to}>\r\nSubject: Re: One\r\nContent-Type: text/plain\r\n\r\nR\r\n",
        to = reply_address(&ann)
    );
    bring(world, &reply_address(&ann), &said);
    let ben = delivered(world, BEN).await;
    let link = field(&ben, "List-Unsubscribe").expect("a link");
    let token = link.split("/u/").nth(1).expect("a token").trim_end_matches('>').to_owned();
    let line = format!("POST /u/{token} HTTP/1.1");
    let said = world.http(&line, "List-Unsubscribe=One-Click");
    assert!(said.starts_with("HTTP/1.1 200"), "{said}");
    complain(world, &delivered(world, CLEO).await);
    until(world, "an address is found dead and another waits", |shown| {
        !shown.contains("relent_recipients_total{outcome=\"failed\"} 0\n")
            && !shown.contains("relent_recipients_total{outcome=\"deferred\"} 0\n")
            && shown.contains("relent_hard_bounces_total{outcome=\"stopped\"} 1\n")
    })
    .await;
}
