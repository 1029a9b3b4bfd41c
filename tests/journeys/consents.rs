//! Agreements: what they rest on, how long they hold, and how a person is asked for one.

use super::next;
use crate::support::World;

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
