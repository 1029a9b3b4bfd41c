//! Whose words are these? Answers to all, plain addresses, people who come back, and forgeries that change
//! nothing.

use super::{inbound, newsletter, next, reply_address, settled};
use crate::support::World;
use crate::support::authentic::{BROKEN, SENT, SIGNED, SILENT, STRICT, signed};
use crate::support::client::Client;
use relent::demo::receiver::Received;
use relent::mail::Timestamp;
use std::time::SystemTime;

/// The newsletter's plain address.
const PLAIN: &str = "acme.newsletter@reply.relent.example";
const ALL: [&str; 6] = ["From", "To", "Cc", "Subject", "Date", "Message-ID"];

fn is_stopped(world: &World, to: &str) -> bool {
    let said = next(world, "newsletter", to);
    assert!(said.starts_with("250") || said.starts_with("550 5.7.1"), "{said}");
    said.starts_with("550")
}

/// The moment now, as a Date field has it, so many seconds from now.
fn date(ahead: i64) -> String {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("a clock");
    let seconds = i64::try_from(now.as_secs()).expect("a moment") + ahead;
    Timestamp(u64::try_from(seconds).expect("a moment") * 1000).rfc5322()
}

/// An answer in plain text.
fn words(from: &str, to: &str, text: &str) -> String {
    dated(from, to, text, 0)
}

/// The same, written so many seconds from now.
fn dated(from: &str, to: &str, text: &str, ahead: i64) -> String {
    format!(
        "From: Ann <{from}>\r\nTo: <{to}>\r\nSubject: Re: One\r\nDate: {}\r\n\
         Message-ID: <1@client.example>\r\n\r\n{text}\r\n",
        date(ahead)
    )
}

/// Mail of our own that reached an address.
fn ours(world: &World, to: &str) -> Vec<Received> {
    let is_ours = |mail: &Received| mail.sender.is_empty() && mail.recipients == [to];
    world.receiver.mailbox().into_iter().filter(is_ours).collect()
}

/// What happened to a person's records, as `relent explain` shows it.
fn records(world: &World, to: &str) -> Vec<serde_json::Value> {
    let found = world.done(&["explain", "acme/newsletter", to, "--json"]).json();
    found["records"].as_array().cloned().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wish_at_a_plain_address_counts_where_its_author_is_proved() {
    let world = World::start().await;
    newsletter(&world, &[SENT, SIGNED]).await;
    let by_host = words(SENT, PLAIN, "退订");
    assert!(inbound(&world, SENT, PLAIN, &by_host).starts_with("250"));
    assert!(is_stopped(&world, SENT));
    // The envelope is another's: the signature proves the author.
    let by_key = signed("signed.example", &ALL, &words(SIGNED, PLAIN, "Abmelden"));
    assert!(inbound(&world, "x@evil.example", PLAIN, &by_key).starts_with("250"));
    assert!(is_stopped(&world, SIGNED));
    for (who, proof) in [(SENT, "spf=pass smtp.mailfrom=sent.example"), (SIGNED, "dkim=pass")] {
        let records = records(&world, who);
        let stop = records.iter().find(|event| event["change"] == "suppressed").expect("a stop");
        assert_eq!(
            (&stop["rule"], &stop["trust"], &stop["wish"], &stop["message_id"]),
            (
                &"plain_address".into(),
                &"dmarc".into(),
                &"unsubscribe".into(),
                &"<1@client.example>".into()
            ),
            "{stop}"
        );
        let found = stop["authentication"].as_str().unwrap_or_default();
        assert!(found.contains(proof) && found.contains("dmarc=pass"), "{found}");
    }
    // Nobody need read what was done; the people it is about hear of it.
    settled(&world).await;
    assert!(world.receiver.mailbox().iter().all(|m| m.recipients != ["support@acme.example"]));
    assert_eq!((ours(&world, SENT).len(), ours(&world, SIGNED).len()), (1, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wish_that_nothing_proves_is_asked_about_and_then_obeyed() {
    let world = World::start().await;
    newsletter(&world, &[SILENT]).await;
    for _ in 0..2 {
        assert!(inbound(&world, SILENT, PLAIN, &words(SILENT, PLAIN, "R")).starts_with("250"));
    }
    assert!(!is_stopped(&world, SILENT));
    settled(&world).await;
    let [question] = &ours(&world, SILENT)[..] else {
        panic!("not one question: {}", world.log());
    };
    let read = String::from_utf8_lossy(&question.message).replace("=\r\n", "");
    assert!(read.contains("Auto-Submitted: auto-replied") && read.contains("/u/u-"), "{read}");
    assert!(!read.contains("Re: One"), "a stranger's words went out in our name: {read}");
    let letters = world.receiver.mailbox();
    let letters = letters.iter().filter(|mail| mail.recipients == ["support@acme.example"]);
    assert_eq!(letters.count(), 2, "what was not obeyed is read by people");
    let asked = records(&world, SILENT);
    assert!(asked.iter().any(|e| e["change"] == "asked" && e["rule"] == "mail_back"), "{asked:?}");
    // Who gets the question has the address: an answer to it counts.
    let to = reply_address(question);
    assert!(inbound(&world, SILENT, &to, &words(SILENT, &to, "R")).starts_with("250"));
    assert!(is_stopped(&world, SILENT));
}

#[tokio::test(flavor = "multi_thread")]
async fn forged_names_at_a_plain_address_change_nothing_and_nobody_is_asked() {
    let world = World::start().await;
    newsletter(&world, &[SENT, SIGNED]).await;
    let plain = words(SIGNED, PLAIN, "R");
    let good = signed("signed.example", &ALL, &plain);
    let elsewhere = words(SIGNED, "list@lists.example", "R");
    let forgeries = [
        ("spf_fails", SIGNED, plain.clone()),
        ("signed_by_another_domain", "x@evil.example", signed("evil.example", &ALL, &plain)),
        ("sent_by_another_domain", "x@evil.example", words(SENT, PLAIN, "R")),
        ("body_changed", "x@evil.example", good.replace("\r\n\r\nR\r\n", "\r\n\r\nT\r\n")),
        ("two_from_fields", SENT, format!("From: <{SENT}>\r\n{good}")),
        ("two_authors", SENT, plain.replace(SIGNED, &format!("{SENT}>, <{SIGNED}"))),
        (
            "a_name_that_looks_like_an_address",
            "x@evil.example",
            plain.replace(&format!("Ann <{SIGNED}>"), &format!("\"{SIGNED}\" <x@evil.example>")),
        ),
        // What was written to somebody else, and is sent again to us.
        ("sent_again", "x@evil.example", signed("signed.example", &ALL, &elsewhere)),
        (
            "sent_again_with_our_address_added",
            "x@evil.example",
            signed("signed.example", &ALL, &elsewhere.replace("To: <list@lists.example>\r\n", ""))
                .replace("Subject:", &format!("Resent-To: <{PLAIN}>\r\nSubject:")),
        ),
        (
            "our_address_where_nothing_is_signed",
            "x@evil.example",
            signed("signed.example", &["From", "Subject", "Date"], &plain),
        ),
    ];
    for (name, sender, message) in &forgeries {
        let said = inbound(&world, sender, PLAIN, message);
        assert!(said.starts_with("250"), "{name}: {said}");
        assert!(!is_stopped(&world, SENT) && !is_stopped(&world, SIGNED), "{name} was obeyed");
    }
    settled(&world).await;
    // Each is a letter for people to read; those whose domain disowns them bring nobody a question.
    let mailbox = world.receiver.mailbox();
    let letters = mailbox.iter().filter(|mail| mail.recipients == ["support@acme.example"]);
    assert_eq!(letters.count(), forgeries.len());
    assert_eq!(ours(&world, SENT).len() + ours(&world, "x@evil.example").len(), 0);
    // Those that were signed by their author, for others to read, may be asked about, once.
    assert!(ours(&world, SIGNED).len() <= 1);
}

/// Letters that reached the mailbox of the streams.
fn letters(world: &World) -> usize {
    let mailbox = world.receiver.mailbox();
    mailbox.iter().filter(|mail| mail.recipients == ["support@acme.example"]).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_plain_address_is_for_whom_its_own_stream_has_written_to_or_knows() {
    let world = World::start().await;
    let rules = ["--kind", "marketing", "--consent", "not-required"];
    world.done(&[&["stream", "add", "acme", "offers"][..], &rules].concat());
    newsletter(&world, &[SENT]).await;
    let offers = "acme.offers@reply.relent.example";
    // There is no mailbox for letters to that stream, and nothing of it to stop.
    let said = inbound(&world, SENT, offers, &words(SENT, offers, "T"));
    assert!(said.starts_with("550 5.2.1"), "{said}");
    assert!(next(&world, "offers", SENT).starts_with("250"), "offers never wrote");
    // Who has agreed is known before the first message.
    world.agree(SIGNED);
    let by_key = signed("signed.example", &ALL, &words(SIGNED, PLAIN, "T"));
    assert!(inbound(&world, "x@evil.example", PLAIN, &by_key).starts_with("250"));
    assert!(is_stopped(&world, SIGNED));
}

#[tokio::test(flavor = "multi_thread")]
async fn start_of_somebody_else_or_at_a_transactional_stream_is_a_letter() {
    let world = World::start().await;
    let copies = newsletter(&world, &[SILENT, SENT]).await;
    let to = reply_address(&copies[0]);
    assert!(inbound(&world, SILENT, &to, &words(SILENT, &to, "T")).starts_with("250"));
    assert!(is_stopped(&world, SILENT));
    // The return path names its recipient by itself; the author is proved, and another.
    let path = &copies[0].sender;
    assert!(inbound(&world, SENT, path, &words(SENT, path, "START")).starts_with("250"));
    assert!(is_stopped(&world, SILENT));
    settled(&world).await;
    assert_eq!(letters(&world), 1);
    let mut app = Client::login(world.ports.submission[0], "app/receipts", &world.password);
    let message = crate::support::client::letter("Receipt");
    assert!(app.submit("news@acme.example", &[SENT], &message).starts_with("250"));
    settled(&world).await;
    let receipt = super::delivered(&world, SENT).await;
    let to = reply_address(&receipt);
    assert!(inbound(&world, SENT, &to, &words(SENT, &to, "START")).starts_with("250"));
    settled(&world).await;
    assert_eq!(letters(&world), 2);
    assert_eq!(ours(&world, SENT).len(), 0, "nobody came back");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_disowns_an_envelope_by_spf_alone_is_not_asked_about_it() {
    let world = World::start().await;
    newsletter(&world, &[STRICT]).await;
    let wish = words(STRICT, PLAIN, "R");
    for (sender, questions) in [(STRICT, 0), ("x@signed.example", 1)] {
        assert!(inbound(&world, sender, PLAIN, &wish).starts_with("250"));
        settled(&world).await;
        // The second is another's envelope: what that one's domain says is nothing of Ann's.
        assert_eq!(ours(&world, STRICT).len(), questions, "{sender}");
        assert!(!is_stopped(&world, STRICT), "{sender}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_its_own_host_brings_for_somebody_else_to_read_is_no_wish_here() {
    let world = World::start().await;
    newsletter(&world, &[SENT]).await;
    let elsewhere = words(SENT, "list@lists.example", "R");
    assert!(inbound(&world, SENT, PLAIN, &elsewhere).starts_with("250"));
    assert!(!is_stopped(&world, SENT), "To does not name our address");
    settled(&world).await;
    assert_eq!(ours(&world, SENT).len(), 1, "who it is from is asked");
    let copied = elsewhere.replace("Subject:", &format!("Cc: <{PLAIN}>\r\nSubject:"));
    assert!(inbound(&world, SENT, PLAIN, &copied).starts_with("250"));
    assert!(is_stopped(&world, SENT), "Cc does");
}

#[tokio::test(flavor = "multi_thread")]
async fn where_dns_fails_nothing_is_decided_and_a_signed_address_needs_none() {
    let world = World::start().await;
    let copies = newsletter(&world, &[BROKEN]).await;
    let said = inbound(&world, BROKEN, PLAIN, &words(BROKEN, PLAIN, "R"));
    assert!(said.starts_with("451 4.4.3"), "{said}");
    assert!(!is_stopped(&world, BROKEN));
    let to = reply_address(&copies[0]);
    assert!(inbound(&world, BROKEN, &to, &words(BROKEN, &to, "R")).starts_with("250"));
    assert!(is_stopped(&world, BROKEN));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_answers_to_all_stops_their_own_mail() {
    let world = World::start().await;
    let copies = newsletter(&world, &[SILENT, SENT]).await;
    // Ann has answered to all; Bob, to whom that went, answers to all with it.
    let to = reply_address(&copies[0]);
    let said = inbound(&world, SENT, &to, &words(SENT, &to, "R"));
    assert!(said.starts_with("250"), "{said}");
    assert!(is_stopped(&world, SENT) && !is_stopped(&world, SILENT));
    let stop = records(&world, SENT).pop().expect("a stop");
    assert_eq!(
        (&stop["rule"], &stop["trust"]),
        (&"other_recipient".into(), &"token_and_dmarc".into())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn who_answers_an_older_message_to_all_is_found_by_its_message_id() {
    let world = World::start().await;
    let copies = newsletter(&world, &[SILENT, SENT]).await;
    let id = super::field(&copies[0], "Message-ID").expect("a Message-ID");
    // Newer mail of the stream went to Ann alone.
    newsletter(&world, &[SILENT]).await;
    settled(&world).await;
    let to = reply_address(&copies[0]);
    let answer = words(SENT, &to, "R");
    let answer = answer.replace("Subject:", &format!("In-Reply-To: {id}\r\nSubject:"));
    assert!(inbound(&world, SENT, &to, &answer).starts_with("250"));
    assert!(is_stopped(&world, SENT) && !is_stopped(&world, SILENT));
}

#[tokio::test(flavor = "multi_thread")]
async fn another_recipients_name_without_proof_is_the_addressed_ones_wish() {
    let world = World::start().await;
    let bob = "bob@reader.example";
    let copies = newsletter(&world, &[SENT, bob]).await;
    let to = reply_address(&copies[0]);
    assert!(inbound(&world, bob, &to, &words(bob, &to, "T")).starts_with("250"));
    assert!(is_stopped(&world, SENT) && !is_stopped(&world, bob));
    settled(&world).await;
    assert_eq!(ours(&world, SENT).len(), 1, "who was stopped hears of it, with the way back");
    assert_eq!(ours(&world, bob).len(), 1, "who may have written is asked");
    // An address that was never written to is where somebody reads their forwarded mail.
    let copies = newsletter(&world, &[SIGNED]).await;
    let to = reply_address(&copies[0]);
    let alias = "ann.private@reader.example";
    assert!(inbound(&world, alias, &to, &words(alias, &to, "T")).starts_with("250"));
    assert!(is_stopped(&world, SIGNED));
    settled(&world).await;
    assert_eq!((ours(&world, SIGNED).len(), ours(&world, alias).len()), (1, 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn start_needs_a_signed_address_and_dmarc_together() {
    let world = World::start().await;
    let copies = newsletter(&world, &[SENT, SIGNED, SILENT]).await;
    let to: Vec<_> = copies.iter().map(reply_address).collect();
    for (who, to) in [SENT, SIGNED, SILENT].iter().zip(&to) {
        assert!(inbound(&world, who, to, &words(who, to, "R")).starts_with("250"));
        assert!(is_stopped(&world, who), "{who}");
    }
    let start = |who: &str, to: &str| words(who, to, "START");
    let old = |who: &str, to: &str| dated(who, to, "START", -3600);
    let refusals = [
        ("no_dmarc", SILENT, &to[2], start(SILENT, &to[2])),
        ("forged", "x@evil.example", &to[0], start(SENT, &to[0])),
        ("no_token", SENT, &PLAIN.to_owned(), start(SENT, PLAIN)),
        ("anothers_token", SENT, &to[1], start(SENT, &to[1])),
        ("sent_again", SENT, &to[0], old(SENT, &to[0])),
        (
            "signed_without_its_date",
            "x@evil.example",
            &to[1],
            signed("signed.example", &["From", "To", "Subject"], &start(SIGNED, &to[1])),
        ),
        (
            "signed_without_our_address",
            "x@evil.example",
            &to[1],
            signed("signed.example", &["From", "Date", "Subject"], &start(SIGNED, &to[1])),
        ),
        (
            "signed_and_sent_again",
            "x@evil.example",
            &to[1],
            signed("signed.example", &ALL, &old(SIGNED, &to[1])),
        ),
    ];
    let count = refusals.len();
    for (name, sender, to, message) in refusals {
        let said = inbound(&world, sender, to, &message);
        assert!(said.starts_with("250"), "{name}: {said}");
        let all = [SENT, SIGNED, SILENT];
        assert!(all.iter().all(|who| is_stopped(&world, who)), "{name} let somebody in");
    }
    settled(&world).await;
    assert_eq!(letters(&world), count, "each is a letter");

    let more = words(SENT, &to[0], "START\r\n\r\nWhere is my parcel?");
    assert!(inbound(&world, SENT, &to[0], &more).starts_with("250"));
    assert!(!is_stopped(&world, SENT), "{:?}", records(&world, SENT));
    settled(&world).await;
    assert_eq!(letters(&world), count + 1, "who comes back and asks is read");
    let by_key = signed("signed.example", &ALL, &start(SIGNED, &to[1]));
    assert!(inbound(&world, "x@evil.example", &to[1], &by_key).starts_with("250"));
    assert!(!is_stopped(&world, SIGNED));
    // The wider stop stays beneath: another stream is none of what was asked for.
    let offers =
        ["stream", "add", "acme", "offers", "--kind", "marketing", "--consent", "not-required"];
    world.done(&offers);
    let mut app = Client::login(world.ports.submission[0], "app/offers", &world.password);
    app.say("MAIL FROM:<news@acme.example>");
    assert!(app.say(&format!("RCPT TO:<{SENT}>")).starts_with("550 5.7.1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn forged_reports_change_nothing() {
    let world = World::start().await;
    let copies = newsletter(&world, &[SILENT, SENT]).await;
    let (ann, bob) = (&copies[0], &copies[1]);
    let bounce = |to: &str| {
        format!(
            "From: MAILER-DAEMON@mx.reader.example\r\nTo: <{to}>\r\nSubject: Undelivered\r\n\
             MIME-Version: 1.0\r\nContent-Type: multipart/report; report-type=delivery-status; \
             boundary=b\r\n\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n\
             Reporting-MTA: dns; mx.reader.example\r\n\r\nFinal-Recipient: rfc822; {SILENT}\r\n\
             Action: failed\r\nStatus: 5.1.1\r\n\r\n--b--\r\n"
        )
    };
    let report = |original: &str| {
        format!(
            "From: fbl@provider.example\r\nSubject: complaint\r\nMIME-Version: 1.0\r\n\
             Content-Type: multipart/report; report-type=feedback-report; boundary=b\r\n\r\n\
             --b\r\nContent-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\n\
             User-Agent: x/1\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n{original}\r\n--b--\r\n"
        )
    };
    let text = |mail: &Received| String::from_utf8_lossy(&mail.message).into_owned();
    let forged = format!("b-{}@reply.relent.example", "a".repeat(56));
    let both = text(ann).replace(&reply_address(ann), &reply_address(bob));
    let (to_ann, fbl) = (reply_address(ann), "fbl@relay.relent.example");
    for (name, to, message, expected) in [
        ("a_bounce_without_a_token", PLAIN, bounce(PLAIN), "250"),
        ("a_bounce_to_a_reply_address", to_ann.as_str(), bounce(&to_ann), "250"),
        ("a_bounce_to_a_forged_path", forged.as_str(), bounce(&forged), "550 5.1.1"),
        ("a_complaint_without_an_original", fbl, report("Subject: x"), "250"),
        ("a_complaint_with_two_peoples_tokens", fbl, report(&both), "250"),
        ("anothers_token_in_a_complaint", to_ann.as_str(), report(&text(bob)), "250"),
    ] {
        let said = inbound(&world, "", to, &message);
        assert!(said.starts_with(expected), "{name}: {said}");
        assert!(!is_stopped(&world, SILENT) && !is_stopped(&world, SENT), "{name} was believed");
    }
    // The same complaint, whole and unmixed, is believed: the forgeries failed by what they are.
    assert!(inbound(&world, "", fbl, &report(&text(bob))).starts_with("250"));
    assert!(is_stopped(&world, SENT) && !is_stopped(&world, SILENT));
    let stop = records(&world, SENT).pop().expect("a stop");
    assert_eq!((&stop["rule"], &stop["trust"]), (&"complaint".into(), &"returned_token".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_return_path_counts_for_so_long_and_so_does_one_in_a_complaint() {
    let world = World::with("bounce_age_max = \"1ms\"").await;
    let copies = newsletter(&world, &[SILENT]).await;
    let path = &copies[0].sender;
    assert!(path.starts_with("b-"), "{path}");
    let said = inbound(&world, "", path, "Subject: x\r\n\r\nx\r\n");
    assert!(said.starts_with("550 5.1.1") && said.contains("too old"), "{said}");
    let report = format!(
        "From: fbl@provider.example\r\nSubject: complaint\r\nMIME-Version: 1.0\r\n\
         Content-Type: multipart/report; report-type=feedback-report; boundary=b\r\n\r\n\
         --b\r\nContent-Type: message/feedback-report\r\n\r\nFeedback-Type: abuse\r\n\
         User-Agent: x/1\r\n\r\n--b\r\nContent-Type: message/rfc822\r\n\r\n\
         Return-Path: <{path}>\r\nSubject: One\r\n\r\nx\r\n--b--\r\n"
    );
    assert!(inbound(&world, "", "fbl@relay.relent.example", &report).starts_with("250"));
    assert!(!is_stopped(&world, SILENT));
}
