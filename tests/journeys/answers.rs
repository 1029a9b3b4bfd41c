//! What comes back: replies, unsubscribes by mail, letters, bounces, complaints, and what is no word
//! of the person at all.

use super::{answer, delivered, field, inbound, reply_address};
use crate::support::client::{Client, letter};
use crate::support::{PATIENCE, World};
use relent::demo::receiver::{Fault, Received};

const ANN: &str = "ann@reader.example";
const QUOTE: &str = "\r\n\r\nOn Tue, Nov 24, 2026 at 9:00 AM Acme <news@acme.example> wrote:\r\n\
                     > Hello.\r\n>\r\n> To reject, please reply R.";

/// A delivery of the newsletter to Ann, and the session that goes on.
async fn newsletter(world: &World) -> (Client, Received) {
    world.agree(ANN);
    let mut app = Client::login(world.ports.submission[0], "app/newsletter", &world.password);
    let reply = app.submit("news@acme.example", &[ANN], &letter("One"));
    assert!(reply.starts_with("250"), "{reply}");
    let mail = delivered(world, ANN).await;
    (app, mail)
}

/// The answer to RCPT of the next submission to Ann on a stream.
fn next(world: &World, stream: &str) -> String {
    super::next(world, stream, ANN)
}

/// A stream besides, for which nobody need have agreed.
fn add_offers(world: &World) {
    let rules = ["--kind", "marketing", "--consent", "not-required"];
    world.done(&[&["stream", "add", "acme", "offers"][..], &rules].concat());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_of_r_stops_the_account_and_what_waits() {
    let world = World::start().await;
    let (mut app, mail) = newsletter(&world).await;
    world.receiver.misbehave(vec![Fault::Recipient("ann@".into(), "451 4.2.0 later".into())]);
    assert!(app.submit("news@acme.example", &[ANN], &letter("Two")).starts_with("250"));

    let said = answer(&world, ANN, &reply_address(&mail), &format!("R{QUOTE}"));
    assert!(said.starts_with("250"), "{said}");
    let refused = next(&world, "newsletter");
    assert!(refused.starts_with("550 5.7.1") && refused.contains("opted out"), "{refused}");
    let shown = world.done(&["suppression", "show", "acme", ANN, "--json"]).out;
    assert!(
        shown.contains("opt_out") && shown.contains("\"reply\"") && shown.contains(ANN),
        "{shown}"
    );
    let explained = world.done(&["explain", "acme/newsletter", ANN]).out;
    assert!(explained.contains("opt_out") && explained.contains('R'), "{explained}");

    // An attempt that was under way ends first.
    let deadline = std::time::Instant::now() + PATIENCE;
    let waits = |item: &serde_json::Value| item["recipient"] == ANN && item["sender"] != "";
    let listed = || world.done(&["queue", "list", "--json"]).json();
    while listed().as_array().is_some_and(|items| items.iter().any(waits)) {
        assert!(std::time::Instant::now() < deadline, "mail still waits: {}", world.log());
        tokio::task::yield_now().await;
    }
    world.receiver.misbehave(Vec::new());
    world.done(&["queue", "retry", "--all"]);
    // Our own confirmation has the null path: it is none of the sender's mail.
    let to_ann =
        |mail: &&Received| mail.recipients.contains(&ANN.to_owned()) && !mail.sender.is_empty();
    assert_eq!(world.receiver.mailbox().iter().filter(to_ann).count(), 1, "mail after R");
    // A transactional stream goes on: R is about the account's marketing.
    assert!(next(&world, "receipts").starts_with("250"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_of_t_stops_the_stream_alone_and_may_be_said_twice() {
    let world = World::start().await;
    add_offers(&world);
    let (_, mail) = newsletter(&world).await;
    for _ in 0..2 {
        let said = answer(&world, ANN, &reply_address(&mail).to_uppercase(), "退订");
        assert!(said.starts_with("250"), "{said}");
    }
    assert!(next(&world, "newsletter").starts_with("550 5.7.1"));
    assert!(next(&world, "offers").starts_with("250"));
    let shown = world.done(&["suppression", "show", "acme", ANN, "--json"]).json();
    let stops = shown.as_array().cloned().unwrap_or_default();
    assert_eq!(stops.len(), 1, "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_words_of_the_settings_and_of_a_stream_are_obeyed() {
    let words = "\n[replies.words]\nunsubscribe = [\"Adieu\"]\ndrop = [\"td\"]\n\
                 [replies.words.streams.\"acme/newsletter\"]\ndrop = [\"stop\"]\n\
                 reject_stops = \"stream\"\n";
    let world = World::with(words).await;
    add_offers(&world);
    let (_, mail) = newsletter(&world).await;
    for dropped in ["TD", "STOP"] {
        answer(&world, ANN, &reply_address(&mail), &format!("{dropped}{QUOTE}"));
        assert!(next(&world, "newsletter").starts_with("250"), "{dropped} stops nothing here");
    }
    let said = answer(&world, ANN, &reply_address(&mail), &format!("R{QUOTE}"));
    assert!(said.starts_with("250"), "{said}");
    assert!(next(&world, "newsletter").starts_with("550 5.7.1"), "R stops the stream");
    assert!(next(&world, "offers").starts_with("250"), "and no more than that");
}

#[tokio::test(flavor = "multi_thread")]
async fn html_in_a_chinese_charset_is_understood() {
    let world = World::start().await;
    let (_, mail) = newsletter(&world).await;
    let to = reply_address(&mail);
    // `<div>拒收</div>` and a quote that names the other keyword, GB 18030 in base64.
    let html = "<div>\u{62d2}\u{6536}</div><div><br></div><blockquote id=\"isReplyContent\">\
                <p>\u{9000}\u{8ba2}\u{56de}T</p></blockquote>";
    let (bytes, _, _) = encoding_rs::GB18030.encode(html);
    let body = data_encoding::BASE64.encode(&bytes);
    let message = format!(
        "From: <{ANN}>\r\nTo: <{to}>\r\nSubject: Re: One\r\nMIME-Version: 1.0\r\n\
         Content-Type: text/html; charset=gb2312\r\nContent-Transfer-Encoding: base64\r\n\r\n{body}\r\n"
    );
    let said = inbound(&world, ANN, &to, &message);
    assert!(said.starts_with("250"), "{said}");
    let shown = world.done(&["suppression", "show", "acme", ANN, "--json"]).json();
    assert_eq!(shown[0]["scope"], "account", "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_goes_whole_to_the_streams_mailbox() {
    let world = World::start().await;
    let (_, mail) = newsletter(&world).await;
    let text = format!("Can you stop by our office on Tuesday?{QUOTE}");
    let said = answer(&world, ANN, &reply_address(&mail), &text);
    assert!(said.starts_with("250"), "{said}");
    let letter = delivered(&world, "support@acme.example").await;
    let whole = String::from_utf8_lossy(&letter.message).into_owned();
    assert!(whole.contains("stop by our office") && whole.contains("please reply R"), "{whole}");
    assert!(letter.sender.starts_with("b-"), "a letter's path is ours: {}", letter.sender);
    assert!(next(&world, "newsletter").starts_with("250"), "a letter stops nobody");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wish_with_more_beside_it_is_done_and_forwarded() {
    let world = World::start().await;
    let (_, mail) = newsletter(&world).await;
    let text = format!("Unsubscribe\r\n\r\nYour last parcel came without the invoice.{QUOTE}");
    let said = answer(&world, ANN, &reply_address(&mail), &text);
    assert!(said.starts_with("250"), "{said}");
    assert!(next(&world, "newsletter").starts_with("550 5.7.1"));
    let letter = delivered(&world, "support@acme.example").await;
    assert!(String::from_utf8_lossy(&letter.message).contains("without the invoice"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_nested_too_deep_or_in_tnef_asks_for_nothing_and_is_forwarded_whole() {
    let world = World::start().await;
    let (_, mail) = newsletter(&world).await;
    let to = reply_address(&mail);
    let nest = |depth: u32| {
        let layer =
            |at| format!("Content-Type: multipart/mixed; boundary=b{at}\r\n\r\n--b{at}\r\n");
        (0..depth).map(layer).collect::<String>() + "\r\nR\r\n"
    };
    let tnef = "Content-Type: application/ms-tnef; name=winmail.dat\r\n\
                Content-Transfer-Encoding: base64\r\n\r\neJ8+IgAAAQAAAFQAAABUAAAA\r\n";
    let parts = format!(
        "Content-Type: multipart/mixed; boundary=b\r\n\r\n{}",
        "--b\r\n\r\nR\r\n".repeat(5000)
    );
    for (name, inside) in [("deep", nest(500)), ("tnef", tnef.into()), ("parts", parts)] {
        let message = format!(
            "From: <{ANN}>\r\nTo: <{to}>\r\nSubject: {name}\r\nMIME-Version: 1.0\r\n{inside}"
        );
        let said = inbound(&world, ANN, &to, &message);
        assert!(said.starts_with("250"), "{name}: {said}");
        let to_support = |mail: &&Received| mail.recipients == ["support@acme.example"];
        super::settled(&world).await;
        let letters = world.receiver.mailbox();
        let letter = letters.iter().rfind(to_support).expect("a letter");
        let whole = String::from_utf8_lossy(&letter.message);
        assert!(whole.ends_with(&message), "{name} is not whole");
    }
    assert!(next(&world, "newsletter").starts_with("250"), "it asks for nothing");
    // At a depth that is read, the same words count.
    let message = format!("From: <{ANN}>\r\nTo: <{to}>\r\nMIME-Version: 1.0\r\n{}", nest(3));
    assert!(inbound(&world, ANN, &to, &message).starts_with("250"));
    assert!(next(&world, "newsletter").starts_with("550 5.7.1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_to_the_unsubscribe_address_counts_without_words() {
    let world = World::start().await;
    let (_, mail) = newsletter(&world).await;
    let listed = field(&mail, "List-Unsubscribe").expect("List-Unsubscribe");
    let (_, rest) = listed.split_once("mailto:").expect("a mailto");
    let to = rest.split('>').next().expect("its end");
    let empty = format!("From: <{ANN}>\r\nTo: <{to}>\r\nSubject: \r\n\r\n");
    let said = inbound(&world, ANN, to, &empty);
    assert!(said.starts_with("250"), "{said}");
    assert!(next(&world, "newsletter").starts_with("550 5.7.1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_programs_button_stops_the_stream_and_complains_of_nothing() {
    let world = World::start().await;
    let (_, mail) = newsletter(&world).await;
    let to = reply_address(&mail);
    let pressed = format!(
        "From: <{ANN}>\r\nTo: <{to}>\r\nSubject: unsubscribe\r\nAuto-Submitted: auto-replied\r\n\
         X-Apple-Unsubscribe: true\r\n\r\nApple Mail sent this email.\r\n"
    );
    let said = inbound(&world, ANN, &to, &pressed);
    assert!(said.starts_with("250"), "{said}");
    let refused = next(&world, "newsletter");
    assert!(refused.starts_with("550 5.7.1") && !refused.contains("complain"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transactional_stream_obeys_words_about_mail_only() {
    let world = World::start().await;
    let (mut app, _) = newsletter(&world).await;
    app.say("QUIT");
    let mut app = Client::login(world.ports.submission[0], "app/receipts", &world.password);
    let to = "bea@reader.example";
    assert!(app.submit("news@acme.example", &[to], &letter("Order")).starts_with("250"));
    let mail = delivered(&world, to).await;
    assert!(field(&mail, "List-Unsubscribe").is_none());

    // CANCEL may mean the order: a letter, and no stop.
    assert!(answer(&world, to, &reply_address(&mail), "CANCEL").starts_with("250"));
    let letter = delivered(&world, "support@acme.example").await;
    assert!(String::from_utf8_lossy(&letter.message).contains("CANCEL"));
    assert_eq!(world.relent(&["suppression", "show", "acme", to]).code, 1);
    // T is about mail: it stops the account's marketing, and the stream's people read it.
    assert!(answer(&world, to, &reply_address(&mail), "T").starts_with("250"));
    let shown = world.done(&["suppression", "show", "acme", to, "--json"]).json();
    assert_eq!(shown[0]["scope"], "account", "{shown}");
    assert!(next(&world, "receipts").starts_with("250"));
}

#[tokio::test(flavor = "multi_thread")]
async fn machines_that_answer_change_nothing() {
    let world = World::start().await;
    let (_, mail) = newsletter(&world).await;
    for to in [reply_address(&mail), mail.sender.clone()] {
        let message = format!(
            "From: <{ANN}>\r\nTo: <{to}>\r\nSubject: Out of office\r\n\
             Auto-Submitted: auto-replied\r\n\r\nUnsubscribe\r\n"
        );
        let said = inbound(&world, "", &to, &message);
        assert!(said.starts_with("250"), "{said}");
    }
    assert!(next(&world, "newsletter").starts_with("250"));
    assert!(
        world.receiver.mailbox().iter().all(|mail| mail.recipients != ["support@acme.example"])
    );
}

/// A delivery status for one recipient, as its mail server writes it.
fn delivery_status(to: &str, action: &str, status: &str) -> String {
    let why = if status == "5.1.1" { "no such user" } else { "mailbox is full" };
    format!(
        "From: MAILER-DAEMON@mx.reader.example\r\nTo: <{to}>\r\nSubject: Undelivered\r\n\
         MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n\
         --b\r\nContent-Type: text/plain\r\n\r\nIt did not arrive.\r\n\
         --b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; mx.reader.example\r\n\r\n\
         Final-Recipient: rfc822; {ANN}\r\nAction: {action}\r\nStatus: {status}\r\n\
         Diagnostic-Code: smtp; 550 {status} {why}\r\n\r\n--b--\r\n"
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_bounce_suppresses_a_dead_address_and_tells_the_sender() {
    let world = World::start().await;
    let (_, mail) = newsletter(&world).await;
    let path = &mail.sender;
    for (action, status) in [("delayed", "4.4.1"), ("failed", "5.2.2")] {
        assert!(
            inbound(&world, "", path, &delivery_status(path, action, status)).starts_with("250")
        );
        assert!(
            next(&world, "newsletter").starts_with("250"),
            "{action} {status} is no dead address"
        );
    }
    let full = delivered(&world, "news@acme.example").await;
    assert!(String::from_utf8_lossy(&full.message).contains("5.2.2"));
    let said = inbound(&world, "", path, &delivery_status(path, "failed", "5.1.1"));
    assert!(said.starts_with("250"), "{said}");
    let shown = world.done(&["suppression", "show", "acme", ANN, "--json"]).out;
    assert!(shown.contains("hard_bounce"), "{shown}");
    let explained = world.done(&["explain", "acme/newsletter", ANN, "--json"]).out;
    assert!(explained.contains("\"return_path\""), "{explained}");
    assert!(next(&world, "receipts").starts_with("550 5.7.1"), "a dead address binds every stream");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_complaint_is_matched_by_the_token_it_returns() {
    let world = World::start().await;
    let (_, mail) = newsletter(&world).await;
    let original = String::from_utf8_lossy(&mail.message).replace(ANN, "redacted@example.invalid");
    let report = |original: &str, kind: &str| {
        format!(
            "From: fbl@provider.example\r\nTo: fbl@relay.relent.example\r\nSubject: complaint\r\n\
             MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=feedback-report; boundary=b\r\n\r\n\
             --b\r\nContent-Type: text/plain\r\n\r\nSpam.\r\n\
             --b\r\nContent-Type: message/feedback-report\r\n\r\nFeedback-Type: {kind}\r\nVersion: 1\r\n\
             User-Agent: provider/1\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n{original}\r\n--b--\r\n"
        )
    };
    let to = "fbl@relay.relent.example";
    let forged = original.replace("u-", "u-a").replace("r-", "r-a");
    for (original, kind) in [(&forged, "abuse"), (&original, "not-spam")] {
        assert!(
            inbound(&world, "fbl@provider.example", to, &report(original, kind)).starts_with("250")
        );
        assert!(next(&world, "newsletter").starts_with("250"), "a forged report changed something");
    }
    let said = inbound(&world, "fbl@provider.example", to, &report(&original, "abuse"));
    assert!(said.starts_with("250"), "{said}");
    let refused = next(&world, "receipts");
    assert!(refused.starts_with("550 5.7.1") && refused.contains("complain"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn only_our_own_addresses_are_taken() {
    let world = World::start().await;
    let (_, mail) = newsletter(&world).await;
    let mut mx = Client::connect(world.ports.inbound[0]);
    mx.say("EHLO mx.reader.example");
    mx.say("MAIL FROM:<x@x.example>");
    let token = reply_address(&mail);
    let (local, host) = token.split_once('@').expect("an address");
    let (start, last) = local.split_at(local.len() - 1);
    let forged = format!("{start}{}@{host}", if last == "a" { "b" } else { "a" });
    for (to, expected) in [
        (forged.as_str(), "550 5.1.1"),
        ("r-short@reply.relent.example", "550 5.1.1"),
        (&format!("{local}@elsewhere.example"), "550 5.7.1"),
        ("nobody@reply.relent.example", "550 5.7.1"),
        ("no.stream@reply.relent.example", "550 5.7.1"),
        (&token.to_uppercase(), "250"),
        ("postmaster@relay.relent.example", "250"),
        ("postmaster", "250"),
        ("abuse@reply.relent.example", "250"),
        ("fbl@reply.relent.example", "250"),
        ("acme.newsletter@reply.relent.example", "250"),
    ] {
        let said = mx.say(&format!("RCPT TO:<{to}>"));
        assert!(said.starts_with(expected), "{to}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plain_stream_address_proves_nothing_and_its_letters_are_read() {
    let world = World::start().await;
    world.agree(ANN);
    let said = answer(&world, ANN, "acme.newsletter@reply.relent.example", "R");
    assert!(said.starts_with("250"), "{said}");
    let letter = delivered(&world, "support@acme.example").await;
    assert_eq!(letter.sender, "", "nobody is told who may never have written");
    assert!(next(&world, "newsletter").starts_with("250"));
}
