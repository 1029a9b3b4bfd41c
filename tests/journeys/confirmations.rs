//! What people are answered: that it is done, in their language, with the way back; help; and silence to
//! machines, lists and other relays.

use super::{answer, delivered, field, inbound, newsletter, next, reply_address, settled};
use crate::support::World;
use relent::demo::receiver::Received;
use relent::replies::{Kind, classify};

const ANN: &str = "ann@reader.example";

/// Our own mail to an address, once nothing waits any more.
async fn ours(world: &World, to: &str) -> Vec<Received> {
    settled(world).await;
    let is_ours = |mail: &Received| mail.sender.is_empty() && mail.recipients == [to];
    world.receiver.mailbox().into_iter().filter(is_ours).collect()
}

/// The text of a message, as its reader sees it.
fn text(mail: &Received) -> String {
    let settings = relent::config::Replies::default();
    let words = relent::replies::Words::new(&settings.words).expect("the words are whole");
    let read = classify(&mail.message, &settings, words.all());
    assert_eq!(read.kind, Kind::AutoReply, "a relay would answer it");
    read.written
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_is_confirmed_in_the_language_of_the_reply() {
    let world = World::start().await;
    let replies = [
        ("退订", "zh-Hans", "已为您退订"),
        ("取消訂閱", "zh-Hant", "已為您取消訂閱"),
        ("please take me off this list", "en", "will not send you"),
        ("配信停止", "ja", "配信を停止しました"),
        ("수신거부", "ko", "더 이상 보내지 않습니다"),
        ("Abmelden", "de", "schickt Ihnen"),
        ("Désabonner", "fr", "ne vous enverra plus"),
        ("BAJA", "es", "ya no le enviará"),
        ("Cancelar inscrição", "pt", "não lhe enviará mais"),
        ("Cancellami", "it", "non le invierà più"),
        ("Afmelden", "nl", "stuurt u"),
        ("Отписаться", "ru", "больше не будет присылать"),
        ("Wypisz mnie", "pl", "nie będzie już wysyłać"),
        // Two letters say nothing of their writer; what is quoted does.
        (
            "T\r\n\r\nAm Dienstag schrieb Acme und die Leser:\r\n> Bitte nicht vergessen",
            "de",
            "schickt Ihnen",
        ),
        ("R", "en", "newsletters or offers"),
    ];
    let people: Vec<_> = (0..replies.len()).map(|n| format!("p{n}@reader.example")).collect();
    let names: Vec<_> = people.iter().map(String::as_str).collect();
    let copies = newsletter(&world, &names).await;
    for ((copy, who), (words, _, _)) in copies.iter().zip(&names).zip(&replies) {
        for _ in 0..2 {
            let said = answer(&world, who, &reply_address(copy), words);
            assert!(said.starts_with("250"), "{words}: {said}");
        }
        assert!(
            next(&world, "newsletter", who).starts_with("550 5.7.1"),
            "{words} stopped nothing"
        );
    }
    for (who, (words, language, part)) in names.iter().zip(&replies) {
        let [confirmation] = &ours(&world, who).await[..] else {
            panic!("{words}: not one confirmation\n{}", world.log());
        };
        assert_eq!(field(confirmation, "Content-Language").as_deref(), Some(*language), "{words}");
        let text = text(confirmation);
        assert!(text.contains(part) && text.contains("acme"), "{words}: {text}");
        assert!(text.contains("/u/"), "no way back: {text}");
        for (name, value) in [
            ("Auto-Submitted", "auto-replied"),
            ("Subject", "Re: News"),
            ("From", "acme.newsletter@reply.relent.example"),
        ] {
            let found = field(confirmation, name).unwrap_or_default();
            assert!(found.contains(value), "{name}: {found}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_signed_where_its_host_has_a_key() {
    let world = World::start().await;
    world.done(&["domain", "add", "acme", "relent.example", "--trust", "--dkim", "ed25519"]);
    let copies = newsletter(&world, &[ANN]).await;
    assert!(answer(&world, ANN, &reply_address(&copies[0]), "R").starts_with("250"));
    let [confirmation] = &ours(&world, ANN).await[..] else { panic!("no confirmation") };
    let signature = field(confirmation, "DKIM-Signature").expect("a signature");
    assert!(signature.contains("d=relent.example"), "{signature}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_way_back_is_a_button_and_not_a_look() {
    let world = World::start().await;
    let copies = newsletter(&world, &[ANN]).await;
    assert!(answer(&world, ANN, &reply_address(&copies[0]), "R").starts_with("250"));
    let [confirmation] = &ours(&world, ANN).await[..] else { panic!("no confirmation") };
    let text = text(confirmation);
    let (_, rest) = text.split_once("/u/").expect("a link");
    let token = rest.split_whitespace().next().expect("its end");
    for _ in 0..2 {
        let page = world.http(&format!("GET /u/{token} HTTP/1.1"), "");
        assert!(page.starts_with("HTTP/1.1 200") && page.contains("undo"), "{page}");
        let wrong = world.http(&format!("POST /u/{token} HTTP/1.1"), "List-Unsubscribe=One-Click");
        assert!(wrong.starts_with("HTTP/1.1 400"), "{wrong}");
        assert!(next(&world, "newsletter", ANN).starts_with("550 5.7.1"), "a look undid the stop");
    }
    let done = world.http(&format!("POST /u/{token} HTTP/1.1"), "choice=undo");
    assert!(done.starts_with("HTTP/1.1 200"), "{done}");
    assert!(next(&world, "newsletter", ANN).starts_with("250"));
    // Used up: nothing more comes of it, after another stop neither.
    assert!(answer(&world, ANN, &reply_address(&copies[0]), "R").starts_with("250"));
    let again = world.http(&format!("POST /u/{token} HTTP/1.1"), "choice=undo");
    assert!(again.starts_with("HTTP/1.1 410"), "{again}");
    assert!(next(&world, "newsletter", ANN).starts_with("550 5.7.1"));
    assert_eq!(ours(&world, ANN).await.len(), 2, "each stop is confirmed once");
}

#[tokio::test(flavor = "multi_thread")]
async fn help_says_what_can_be_asked_for_so_often_a_day() {
    let mut world = World::with("answers_per_address_max = 2").await;
    let copies = newsletter(&world, &[ANN]).await;
    for _ in 0..2 {
        assert!(answer(&world, ANN, &reply_address(&copies[0]), "HELP").starts_with("250"));
    }
    let answers = ours(&world, ANN).await;
    assert_eq!(answers.len(), 2, "{}", world.log());
    let text = text(&answers[0]);
    for part in ["T: ", "R: ", "START: ", "/u/u-", "newsletter", "acme"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    let is_letter = |mail: &Received| mail.recipients == ["support@acme.example"];
    assert!(!world.receiver.mailbox().iter().any(is_letter));
    // A restart opens no second day.
    world.stop();
    world.launch(&[]);
    // Past the limit people read it; and a stop is a stop without a word.
    assert!(answer(&world, ANN, &reply_address(&copies[0]), "HELP").starts_with("250"));
    delivered(&world, "support@acme.example").await;
    assert!(next(&world, "newsletter", ANN).starts_with("250"));
    assert!(answer(&world, ANN, &reply_address(&copies[0]), "T").starts_with("250"));
    assert!(next(&world, "newsletter", ANN).starts_with("550 5.7.1"));
    assert_eq!(ours(&world, ANN).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_relays_that_answer_one_another_fall_silent() {
    let world = World::start().await;
    let copies = newsletter(&world, &[ANN]).await;
    let to = reply_address(&copies[0]);
    assert!(answer(&world, ANN, &to, "HELP").starts_with("250"));
    assert!(answer(&world, ANN, &to, "T").starts_with("250"));
    let answers = ours(&world, ANN).await;
    assert_eq!(answers.len(), 2);
    // What we say comes back from another relay, as it is, and shorn of all marks but one.
    for sent in &answers {
        let whole = String::from_utf8_lossy(&sent.message).into_owned();
        let shorn = format!("X-Relent-Answer: other.example\r\nFrom: <{ANN}>\r\n\r\nHELP\r\n");
        for (sender, message) in [("", &whole), (ANN, &whole), (ANN, &shorn)] {
            for to in [to.as_str(), "acme.newsletter@reply.relent.example"] {
                let said = inbound(&world, sender, to, message);
                assert!(said.starts_with("250"), "{said}");
            }
        }
    }
    assert_eq!(ours(&world, ANN).await.len(), 2, "we answered an answer");
    // Two letters from the same machine are no conversation either: each side has its day's measure.
    for _ in 0..8 {
        assert!(answer(&world, ANN, &to, "HELP").starts_with("250"));
    }
    assert_eq!(ours(&world, ANN).await.len(), 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_null_senders_and_addresses_that_are_stopped_hear_nothing() {
    let world = World::start().await;
    let others = ["bob@reader.example", "eve@reader.example", "no-reply@reader.example"];
    let copies = newsletter(&world, &[&[ANN][..], &others].concat()).await;
    let to: Vec<_> = copies.iter().map(reply_address).collect();
    let message = |from: &str, more: &str| {
        format!("From: <{from}>\r\nTo: <{}>\r\nSubject: Re\r\n{more}\r\nR\r\n", to[0])
    };
    assert!(
        inbound(&world, ANN, &to[0], &message(ANN, "List-Id: <l.example>\r\n")).starts_with("250")
    );
    assert!(inbound(&world, "", &to[1], &message(others[0], "")).starts_with("250"));
    world.done(&["suppression", "add", "global", others[1]]);
    assert!(inbound(&world, others[1], &to[2], &message(others[1], "")).starts_with("250"));
    assert!(inbound(&world, others[2], &to[3], &message(others[2], "")).starts_with("250"));
    for who in [&[ANN][..], &others].concat() {
        assert!(next(&world, "newsletter", who).starts_with("550 5.7.1"), "{who} was not obeyed");
        assert_eq!(ours(&world, who).await.len(), 0, "{who} was answered");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_says_it_in_its_own_words_or_not_at_all() {
    let world = World::start().await;
    let people = ["a@reader.example", "b@reader.example", "c@reader.example"];
    let copies = newsletter(&world, &people).await;
    let to: Vec<_> = copies.iter().map(reply_address).collect();
    let words = world.path("own.txt");
    std::fs::write(&words, "Schade! {stream} von {sender} endet.\nZurück: {undo}\n")
        .expect("a file");
    let text_for = format!("de={}", words.display());
    let stream = ["stream", "answers", "acme", "newsletter"];
    world.done(&[&stream[..], &["--language", "de", "--text", &text_for]].concat());
    assert!(answer(&world, people[0], &to[0], "T").starts_with("250"));
    let [own] = &ours(&world, people[0]).await[..] else { panic!("no confirmation") };
    let said = text(own);
    assert!(said.contains("Schade! newsletter von acme endet."), "{said}");
    assert!(said.contains("Zurück: https://relay.relent.example/u/"), "{said}");
    // Another language has the relay's words.
    assert!(answer(&world, people[1], &to[1], "退订").starts_with("250"));
    let [ours_in] = &ours(&world, people[1]).await[..] else { panic!("no confirmation") };
    assert!(text(ours_in).contains("已为您退订"));
    world.done(&[&stream[..], &["--confirm", "off"]].concat());
    assert!(answer(&world, people[2], &to[2], "T").starts_with("250"));
    assert!(next(&world, "newsletter", people[2]).starts_with("550 5.7.1"));
    assert_eq!(ours(&world, people[2]).await.len(), 0);
    let shown = world.done(&[&stream[..], &["--json"]].concat()).json();
    assert_eq!((&shown["confirm"], &shown["language"]), (&false.into(), &"de".into()), "{shown}");
    let refused = world.relent(&[&stream[..], &["--language", "xx"]].concat());
    assert!(refused.code == 1 && refused.err.contains("zh-Hant"), "{}", refused.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_says_whether_it_is_from_whom_it_says_and_does_not_circle() {
    let world = World::start().await;
    let copies = newsletter(&world, &["ann@sent.example"]).await;
    let to = reply_address(&copies[0]);
    let body = "Do you ship to Norway?\r\n";
    let message = format!(
        "Authentication-Results: relay.relent.example; dmarc=pass header.from=bank.example\r\n\
         Authentication-Results: other.example; spf=pass\r\nFrom: <ann@sent.example>\r\n\
         To: <{to}>\r\nSubject: A question\r\n\r\n{body}"
    );
    assert!(inbound(&world, "ann@sent.example", &to, &message).starts_with("250"));
    let letter = delivered(&world, "support@acme.example").await;
    let whole = String::from_utf8_lossy(&letter.message).into_owned();
    assert!(whole.starts_with("Delivered-To: r-"), "{whole}");
    assert!(whole.contains("Authentication-Results: relay.relent.example;\r\n\tspf="), "{whole}");
    assert!(whole.contains("dmarc=pass (p=none) header.from=sent.example"), "{whole}");
    assert!(
        whole.contains("other.example; spf=pass") && !whole.contains("bank.example"),
        "{whole}"
    );
    assert!(whole.ends_with(&format!("\r\n\r\n{body}")), "{whole}");

    // The mailbox sends it back to where it came from.
    let said =
        inbound(&world, "support@acme.example", &to, &String::from_utf8_lossy(&letter.message));
    assert!(said.starts_with("554 5.4.6"), "{said}");
    // A mailbox that is one of our own addresses never gets one.
    let own = "acme.receipts@reply.relent.example";
    world.done(&["stream", "add", "acme", "loop", "--kind", "marketing", "--reply-to", own]);
    let plain = "acme.loop@reply.relent.example";
    let said = inbound(&world, "x@evil.example", plain, &message);
    assert!(said.starts_with("554 5.4.6"), "{said}");
}
