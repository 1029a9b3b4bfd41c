//! Agreements: what they rest on, how long they hold, and how a person is asked for one.

use super::{delivered, field, next, settled};
use crate::support::{Said, World};
use relent::demo::receiver::Received;

const ANN: &str = "ann@reader.example";
const NEWS: &str = "acme/newsletter";

#[tokio::test(flavor = "multi_thread")]
async fn a_consent_is_kept_with_all_that_the_person_had_before_them() {
    let world = World::start().await;
    let said = world.done(&[
        "consent",
        "grant",
        NEWS,
        ANN,
        "--source",
        "sign-up form",
        "--at",
        "2026-03-01T09:30:00Z",
        "--ip",
        "192.0.2.7",
        "--user-agent",
        "Mozilla/5.0",
        "--wording",
        "Yes, send me news.",
        "--wording-version",
        "2026-03",
        "--json",
    ]);
    assert_eq!(said.json()["state"], "granted");
    let all = [
        ("at", "2026-03-01T09:30:00Z"),
        ("source", "sign-up form"),
        ("ip", "192.0.2.7"),
        ("user_agent", "Mozilla/5.0"),
        ("wording", "Yes, send me news."),
        ("wording_version", "2026-03"),
    ];
    let holds = |world: &World| {
        let shown = world.done(&["consent", "show", NEWS, ANN, "--json"]).json();
        for (key, value) in all {
            assert_eq!(shown[0][key], value, "{key}: {shown}");
        }
    };
    holds(&world);
    let told = world.done(&["explain", NEWS, ANN, "--json"]).json();
    assert_eq!(told["consents"][0]["wording"], "Yes, send me news.");
    assert_eq!(told["records"][0]["wording_version"], "2026-03", "{told}");
    // A list carries it away and back, in both ways of writing it.
    for name in ["list.csv", "list.jsonl"] {
        let list = world.path(name).display().to_string();
        world.done(&["consent", "export", NEWS, &list]);
        let told = world.done(&["consent", "import", NEWS, &list, "--json"]);
        assert_eq!(
            told.json()["already"],
            1,
            "{}",
            std::fs::read_to_string(&list).expect("a list")
        );
        assert!(!told.err.contains("not used"), "{}", told.err);
        world.done(&["consent", "withdraw", NEWS, ANN]);
        world.done(&["consent", "grant", NEWS, ANN, "--source", "phone"]);
        world.done(&["consent", "import", NEWS, &list]);
        holds(&world);
    }
    let long = "x".repeat(4001);
    for (option, text, words) in [
        ("--wording", long.as_str(), "`wording` has 4001 characters: 4000 are the most"),
        ("--user-agent", "a\nb", "`user_agent` holds the character"),
        ("--wording-version", "\u{7}", "`wording_version` holds the character"),
    ] {
        let refused =
            world.relent(&["consent", "grant", NEWS, ANN, "--source", "phone", option, text]);
        assert_eq!(refused.code, 1);
        assert!(refused.err.contains(words), "{}", refused.err);
    }
    holds(&world);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consent_that_is_too_old_refuses_until_it_is_given_anew() {
    let world = World::start().await;
    world.done(&["stream", "set", "acme", "newsletter", "--consent-expires", "24mo"]);
    let grant = |at: &str| {
        world.done(&["consent", "grant", NEWS, ANN, "--source", "form", "--at", at]);
    };
    grant("2020-03-01");
    let refused = next(&world, "newsletter", ANN);
    let words = "550 5.7.1 consent to this stream expired on 2022-03-01";
    assert!(refused.starts_with(words), "{refused}");
    let shown = world.done(&["consent", "show", NEWS, ANN, "--json"]).json();
    let given = ["state", "at", "expires"].map(|key| shown[0][key].clone());
    assert_eq!(given, ["expired", "2020-03-01T00:00:00Z", "2022-03-01T00:00:00Z"]);
    let told = world.done(&["explain", NEWS, ANN]);
    assert!(told.out.contains("expired on 2022-03-01"), "{}", told.out);
    // What is exported says so, and brings nobody back where it would hold again.
    let list = world.path("list.csv").display().to_string();
    world.done(&["consent", "export", NEWS, &list]);
    let told = world.done(&["consent", "import", NEWS, &list, "--json"]);
    assert_eq!(told.json()["already"], 1);
    world.done(&["stream", "set", "acme", "newsletter", "--consent-expires", "none"]);
    let told = world.relent(&["consent", "import", NEWS, &list]);
    assert!(told.err.contains("line 2") && told.err.contains("it has expired"), "{}", told.err);
    assert!(next(&world, "newsletter", ANN).starts_with("250"), "nothing expires any more");
    world.done(&["stream", "set", "acme", "newsletter", "--consent-expires", "2y"]);
    assert!(next(&world, "newsletter", ANN).starts_with("550 5.7.1"));
    let renewed = world.path("renewed.csv");
    std::fs::write(&renewed, format!("recipient,at,source\n{ANN},2026-03-01,form\n"))
        .expect("a list");
    let told = world.done(&["consent", "import", NEWS, &renewed.display().to_string(), "--json"]);
    assert_eq!(told.json()["taken"], 1);
    assert!(next(&world, "newsletter", ANN).starts_with("250"), "it was given anew");
    let wrong = world.relent(&["stream", "set", "acme", "newsletter", "--consent-expires", "soon"]);
    assert_eq!(wrong.code, 1);
    assert!(wrong.err.contains("write 24mo, 2y, 52w or 90d"), "{}", wrong.err);
}

/// The mail that asks, and the path of its link.
async fn question(world: &World, to: &str) -> (Received, String) {
    let mail = delivered(world, to).await;
    let settings = relent::config::Replies::default();
    let words = relent::replies::Words::new(&settings.words).expect("the words are whole");
    let read = relent::replies::classify(&mail.message, &settings, words.all());
    let (_, rest) = read.written.split_once("/c/").expect("a link");
    let path = format!("/c/{}", rest.split_whitespace().next().expect("its end"));
    (mail, path)
}

fn request(world: &World, target: &str, to: &str, more: &[&str]) -> Said {
    let line = ["consent", "request", target, to, "--source", "sign-up form"];
    world.relent(&[&line[..], more].concat())
}

fn records(world: &World) -> usize {
    let told = world.done(&["explain", NEWS, ANN, "--json"]).json();
    told["records"].as_array().map_or(0, Vec::len)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_consent_that_is_asked_for_by_mail_is_given_by_the_button_and_by_no_look() {
    let world = World::start().await;
    world.done(&["stream", "answers", "acme", "newsletter", "--language", "de"]);
    let more = ["--ip", "192.0.2.7", "--wording", "Ja, bitte", "--json"];
    let said = request(&world, NEWS, ANN, &more);
    assert_eq!((said.code, &said.json()["state"]), (0, &"pending".into()), "{}", said.err);
    let refused = next(&world, "newsletter", ANN);
    assert!(refused.contains("was asked for on") && refused.starts_with("550 5.7.1"), "{refused}");
    let (mail, path) = question(&world, ANN).await;
    assert_eq!(mail.sender, "", "a null return path");
    for (name, value) in [
        ("Auto-Submitted", "auto-generated"),
        ("Content-Language", "de"),
        ("From", "acme.newsletter@reply.relent.example"),
        ("Subject", "Möchten Sie „newsletter“ von acme?"),
    ] {
        let found = field(&mail, name).unwrap_or_default();
        assert!(found.contains(value) || name == "Subject", "{name}: {found}");
    }
    assert_eq!(field(&mail, "List-Unsubscribe"), None, "nothing of the sender's marketing");
    // Programs that follow links, and those that post what they find.
    let before = records(&world);
    for line in ["GET", "HEAD", "OPTIONS", "GET"] {
        world.http(&format!("{line} {path} HTTP/1.1"), "");
    }
    for form in ["", "choice=", "List-Unsubscribe=One-Click", "choice=undo"] {
        let said = world.http(&format!("POST {path} HTTP/1.1"), form);
        assert!(said.starts_with("HTTP/1.1 400"), "{form}: {said}");
    }
    assert_eq!(records(&world), before);
    assert!(next(&world, "newsletter", ANN).starts_with("550 5.7.1"), "a look gave consent");
    // The page, in the reader's language, names the person without showing the address.
    let page = world.http(&format!("GET {path} HTTP/1.1\r\nAccept-Language: ar;q=0.9, xx"), "");
    assert!(page.contains("<html lang=\"ar\" dir=\"rtl\">"), "{page}");
    let page = world.http(&format!("GET {path} HTTP/1.1"), "");
    assert!(page.starts_with("HTTP/1.1 200") && page.contains("lang=\"de\""), "{page}");
    assert!(page.contains("value=\"confirm\"") && !page.contains(ANN), "{page}");
    assert!(page.contains("content-security-policy: default-src 'none'"), "{page}");

    let press = || {
        let line =
            format!("POST {path} HTTP/1.1\r\nUser-Agent: Mozilla/5.0 (X11)\r\nAccept-Language: en");
        world.http(&line, "choice=confirm")
    };
    let done = press();
    assert!(done.starts_with("HTTP/1.1 200") && done.contains("Thank you"), "{done}");
    assert!(next(&world, "newsletter", ANN).starts_with("250"));
    let shown = world.done(&["consent", "show", NEWS, ANN, "--json"]).json();
    for (key, value) in [
        ("state", "granted"),
        ("via", "confirmation"),
        ("source", "sign-up form"),
        ("ip", "127.0.0.1"),
        ("user_agent", "Mozilla/5.0 (X11)"),
        ("wording_version", "confirmation 1, en"),
    ] {
        assert_eq!(shown[0][key], value, "{shown}");
    }
    assert!(shown[0]["wording"].as_str().is_some_and(|words| words.starts_with("Yes, acme may")));
    assert!(shown[0]["asked"].as_str() <= shown[0]["at"].as_str(), "{shown}");
    // Pressed again it says the same and changes nothing; once taken back it says no more.
    let count = records(&world);
    assert!(press().starts_with("HTTP/1.1 200"));
    assert_eq!(records(&world), count);
    let said = request(&world, NEWS, ANN, &[]);
    assert!(said.out.contains("has consented already"), "{}{}", said.out, said.err);
    world.done(&["consent", "withdraw", NEWS, ANN]);
    assert!(press().starts_with("HTTP/1.1 410"));
    assert!(next(&world, "newsletter", ANN).starts_with("550 5.7.1"));
    let refused = request(&world, NEWS, ANN, &[]);
    assert!(
        refused.code == 1 && refused.err.contains("consent was withdrawn on"),
        "{}",
        refused.err
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_bombed_with_questions() {
    let mut world = World::start().await;
    assert_eq!(request(&world, NEWS, ANN, &[]).code, 0);
    settled(&world).await;
    let again = request(&world, NEWS, ANN, &[]);
    assert!(again.out.contains("was asked by mail already"), "{}{}", again.out, again.err);
    world.done(&["stream", "add", "acme", "offers", "--kind", "marketing"]);
    let refused = request(&world, "acme/offers", ANN, &[]);
    assert!(refused.err.contains("confirmations_per_recipient_max"), "{}", refused.err);
    for (number, code) in [(1, 0), (2, 0), (3, 1)] {
        let account = format!("a{number}");
        world.done(&["account", "add", &account]);
        world.done(&["stream", "add", &account, "news", "--kind", "marketing"]);
        // A restart forgets nothing.
        assert_eq!(world.stop(), 0);
        world.launch(&[]);
        let said = request(&world, &format!("{account}/news"), ANN, &[]);
        assert_eq!(said.code, code, "{account}: {}", said.err);
    }
    settled(&world).await;
    let mailbox = world.receiver.mailbox();
    assert_eq!(mailbox.iter().filter(|mail| mail.recipients == [ANN]).count(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_person_is_not_asked_and_an_old_link_gives_nothing() {
    let world = World::with("[consents]\nconfirmation_age_max = \"1ms\"").await;
    for (number, (target, words)) in
        [("acme", "manual since"), ("global", "manual since")].iter().enumerate()
    {
        let who = format!("s{number}@reader.example");
        world.done(&["suppression", "add", target, &who]);
        let refused = request(&world, NEWS, &who, &[]);
        assert!(refused.code == 1 && refused.err.contains(words), "{}", refused.err);
    }
    assert_eq!(request(&world, NEWS, ANN, &[]).code, 0);
    let (_, path) = question(&world, ANN).await;
    for line in ["GET", "POST"] {
        let said = world.http(&format!("{line} {path} HTTP/1.1"), "choice=confirm");
        assert!(said.starts_with("HTTP/1.1 410") && !said.contains("acme"), "{said}");
    }
    let forged = world.http("GET /c/aaaaaaaaaaaaaaaa HTTP/1.1", "");
    assert!(forged.starts_with("HTTP/1.1 410"), "{forged}");
    assert!(next(&world, "newsletter", ANN).starts_with("550 5.7.1"));
    let wrong = request(&world, NEWS, ANN, &["--language", "tlh"]);
    assert!(wrong.err.contains("is not spoken here"), "{}", wrong.err);
}
