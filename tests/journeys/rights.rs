//! Who asks to be forgotten is, in every file that the daemon writes; the chain of what was done says so and
//! stays whole; and the log can leave people's addresses out from the beginning.

use super::*;
use std::path::{Path, PathBuf};

const ANN: &str = "ann.quillfeather@reader.example";
/// The local part is nobody else's.
const PART: &str = "quillfeather";

/// The files below a folder whose bytes hold a text in any case, in base64 at any place, or percent-encoded.
fn holding(folder: &Path, text: &str) -> Vec<PathBuf> {
    let mut forms = vec![text.to_owned().into_bytes()];
    for shift in 0..3 {
        let padded = [&b"   "[..shift], text.as_bytes()].concat();
        let encoded = data_encoding::BASE64.encode(&padded);
        // What neighbours would change is left out.
        forms.push(encoded.as_bytes()[4..encoded.len() - 4].to_vec());
    }
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                // sled keeps what was replaced until it needs the room: the answer says so.
                if path.file_name().is_some_and(|name| name != "records.sled") {
                    folders.push(path);
                }
                continue;
            }
            let Ok(bytes) = std::fs::read(&path) else { continue };
            let holds = |form: &Vec<u8>| {
                bytes.windows(form.len()).any(|window| window.eq_ignore_ascii_case(form))
            };
            if forms.iter().any(holds) {
                found.push(path);
            }
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_forgotten_is_in_no_file_and_stays_stopped() {
    let mut world = World::start().await;
    let bob = "bob@reader.example";
    let copies = newsletter(&world, &[ANN, bob]).await;
    let said = answer(&world, ANN, &reply_address(&copies[0]), "T");
    assert!(said.starts_with("250"), "{said}");
    settled(&world).await;
    // A receipt that waits, since the server is busy with her.
    let mut app = Client::login(world.ports.submission[0], "app/receipts", &world.password);
    world.done(&["delivery", "suspend", "reader.example"]);
    assert!(app.submit("shop@acme.example", &[ANN, bob], &letter("Receipt")).starts_with("250"));
    let exported = world.done(&["recipient", "export", "acme", ANN, "--json"]).json();
    let account = &exported["accounts"][0];
    assert_eq!(exported["version"], 1);
    for (key, least) in [
        ("suppressions", 1),
        ("consents", 1),
        ("records", 2),
        ("messages", 3),
        ("queued", 1),
        ("audit", 2),
    ] {
        let count = account[key].as_array().map_or(0, Vec::len);
        assert!(count >= least, "{key}: {account:#}");
    }
    let readable = world.done(&["recipient", "export", "acme", ANN]).out;
    assert!(readable.contains("Stops") && readable.contains("Kept for"), "{readable}");
    let data = world.path("data");
    assert!(!holding(&data, PART).is_empty(), "the test would find nothing");

    let done = world.done(&["recipient", "erase", "acme", ANN, "--json"]).json();
    assert_eq!((&done["done"], &done["cancelled"]), (&true.into(), &1.into()), "{done:#}");
    assert!(done["remains"].as_array().is_some_and(|remains| !remains.is_empty()), "{done:#}");
    // What waits for Bob names her in no field, and its record not either.
    assert_eq!(holding(&data, PART), Vec::<PathBuf>::new());
    world.done(&["delivery", "resume", "reader.example"]);
    delivered(&world, bob).await;
    settled(&world).await;

    for stream in ["newsletter", "receipts"] {
        assert!(next(&world, stream, ANN).starts_with("550 5.7.1"), "{stream}");
    }
    assert!(next(&world, "receipts", bob).starts_with("250"));
    let after = world.done(&["recipient", "export", "acme", ANN, "--json"]).json();
    let account = &after["accounts"][0];
    assert_eq!(account["consents"], serde_json::json!([]), "{after:#}");
    assert_eq!(account["messages"], serde_json::json!([]), "{after:#}");
    let whole = world.done(&["audit", "verify"]).out;
    assert!(whole.contains("the audit chain is whole") && whole.contains("erased"), "{whole}");
    let kinds = world.done(&["audit", "list", "--kind", "recipient", "--json"]).out;
    assert!(kinds.contains("recipient.erased") && !kinds.contains(PART), "{kinds}");
    assert!(kinds.contains("recipient.forgotten"), "{kinds}");
    assert_eq!(kinds.matches("\"recipient.exported\"").count(), 3, "{kinds}");

    // Once more finds nothing, and the address is not left by the asking.
    let again = world.done(&["recipient", "erase", "--all-accounts", ANN, "--json"]).json();
    assert_eq!((&again["records"]["entries"], &again["messages"]), (&0.into(), &0.into()));
    assert_eq!(holding(&data, PART), Vec::<PathBuf>::new());
    world.stop();
    assert_eq!(holding(&data, PART), Vec::<PathBuf>::new());
    let whole = world.done(&["audit", "verify", "--offline"]).out;
    assert!(whole.contains("the audit chain is whole"), "{whole}");
    world.launch(&[]);
    assert!(next(&world, "newsletter", ANN).starts_with("550 5.7.1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_done_is_listed_shown_exported_and_verified_against_a_noted_head() {
    let mut world = World::start().await;
    world.done(&["suppression", "add", "acme", ANN, "--text", "by phone"]);
    let listed = world.done(&["audit", "list", "--account", "acme", "--json"]).json();
    let newest = &listed[0];
    assert_eq!(newest["kind"], "suppression.made", "{newest:#}");
    assert_eq!(
        (&newest["recipient"], &newest["details"]["text"]),
        (&ANN.into(), &"by phone".into())
    );
    assert!(newest["actor"].as_str().is_some_and(|actor| actor.starts_with("operator:")));
    let number = newest["sequence"].to_string();
    let shown = world.done(&["audit", "show", &number]).out;
    assert!(shown.contains("suppression.made") && shown.contains(ANN), "{shown}");
    let none = world.relent(&["audit", "show", "99999"]);
    assert!(none.code == 1 && none.err.contains("relent audit list"), "{}", none.err);
    let exported = world.done(&["audit", "export", "--kind", "stream"]).out;
    let kinds: Vec<_> = exported
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).expect("a line of JSON"))
        .map(|entry| entry["about"].as_str().expect("a name").to_owned())
        .collect();
    assert_eq!(kinds, ["newsletter", "receipts"]);
    let head = world.done(&["audit", "head"]).out.trim().to_owned();
    world.done(&["account", "set", "acme", "--language", "de"]);
    world.done(&["audit", "verify", "--head", &head]);
    let forged =
        format!("{}{}", &head[..head.len() - 1], if head.ends_with('0') { '1' } else { '0' });
    let told = world.relent(&["audit", "verify", "--head", &forged, "--json"]);
    assert_eq!(told.code, 1);
    assert_eq!(told.json()["whole"], false);
    // The head is noted when the daemon stops, and then looked at from the disk.
    world.stop();
    let notes = std::fs::read_to_string(world.path("data/audit/heads")).expect("the notes");
    assert!(!notes.is_empty());
    world.done(&["audit", "verify", "--offline", "--head", &head]);
    std::fs::write(world.path("data/audit/heads"), "").expect("emptied");
    let told = world.relent(&["audit", "verify", "--offline"]);
    assert!(told.code == 1 && told.out.contains("is cut off"), "{} {}", told.out, told.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_log_with_shortened_addresses_names_nobody() {
    for (setting, json) in [("shortened", false), ("hashed", false), ("shortened", true)] {
        let more = format!("[log]\nlevel = \"debug\"\naddresses = \"{setting}\"\njson = {json}\n");
        let world = World::with(&more).await;
        let copies = newsletter(&world, &[ANN]).await;
        assert!(answer(&world, ANN, &reply_address(&copies[0]), "T").starts_with("250"));
        assert!(next(&world, "newsletter", ANN).starts_with("550"));
        world.done(&["suppression", "add", "acme", ANN]);
        settled(&world).await;
        let log = world.log();
        assert!(!log.contains(PART), "{setting}: {log}");
        let mark = if setting == "hashed" { "#" } else { "a…@reader.example" };
        assert!(log.contains(mark), "{setting}: {log}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_that_a_crash_broke_off_goes_on_by_itself() {
    let mut world = World::start().await;
    newsletter(&world, &[ANN]).await;
    settled(&world).await;
    let data = world.path("data");
    assert!(!holding(&data, PART).is_empty(), "the test would find nothing");
    let mut asking = world
        .command(&["recipient", "erase", "acme", ANN])
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("the command line runs");
    let deadline = std::time::Instant::now() + PATIENCE;
    while !world.log().contains("an erasure was begun") {
        assert!(std::time::Instant::now() < deadline, "nothing was begun: {}", world.log());
        tokio::task::yield_now().await;
    }
    world.kill();
    let _ = asking.wait();
    world.launch(&[]);
    let deadline = std::time::Instant::now() + PATIENCE;
    while !holding(&data, PART).is_empty() {
        assert!(std::time::Instant::now() < deadline, "it did not go on: {}", world.log());
        tokio::task::yield_now().await;
    }
    assert!(next(&world, "newsletter", ANN).starts_with("550 5.7.1"));
    world.done(&["audit", "verify"]);
}
