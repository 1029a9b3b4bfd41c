//! Lists of people: stops and consents brought in and taken out, by the row.

use super::delivered;
use super::hostile::until;
use crate::support::client::{Client, letter};
use crate::support::{Said, World, said};
use relent::demo::receiver::Fault;
use std::io::Write;
use std::process::Stdio;

const ANN: &str = "ann@reader.example";
const STOPS: &str = "acme/newsletter";

fn file(world: &World, name: &str, text: impl AsRef<[u8]>) -> String {
    let path = world.path(name);
    std::fs::write(&path, text).expect("a list");
    path.display().to_string()
}

fn counts(told: &Said) -> [u64; 3] {
    let told = told.json();
    ["taken", "already", "refused"].map(|key| told[key].as_u64().expect("a count"))
}

fn export(world: &World, noun: &str, target: &str, format: &str) -> Vec<String> {
    let told = world.done(&[noun, "export", target, "--format", format]);
    let mut lines: Vec<_> = told.out.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_exported_is_imported_elsewhere_as_it_was() {
    let mut world = World::start().await;
    for address in [ANN, "\"a,\\\"b\"@reader.example", "=sum@reader.example", "@all.example"] {
        world.done(&["suppression", "add", "acme", address, "--text", "=HYPERLINK(\"x\")"]);
    }
    world.done(&["suppression", "add", STOPS, ANN, "--text", "'=by, phone"]);
    world.done(&["suppression", "add", "global", "+g@reader.example"]);
    world.agree(ANN);
    let bea = file(&world, "bea.csv", "-bea@reader.example\n");
    world.done(&["consent", "import", STOPS, &bea, "--source", "fair"]);
    world.done(&["consent", "withdraw", STOPS, ANN, "--source", "phone", "--ip", "::1"]);
    let both = ["csv", "jsonl"];
    let all = |world: &World| -> Vec<Vec<String>> {
        let nouns = [
            ("suppression", "acme"),
            ("suppression", STOPS),
            ("suppression", "global"),
            ("consent", STOPS),
        ];
        let of = |(noun, target)| both.map(|format| export(world, noun, target, format));
        nouns.into_iter().flat_map(of).collect()
    };
    let before = all(&world);
    assert_eq!(before.iter().map(Vec::len).collect::<Vec<_>>(), [6, 5, 2, 1, 2, 1, 3, 2]);
    for line in before.iter().flatten() {
        let formula = |cell: &str| cell.trim_matches('"').starts_with(['=', '+', '-', '@']);
        assert!(line.starts_with('{') || !line.split(',').any(formula), "a formula: {line}");
    }
    let list = |name: &str| world.path(name).display().to_string();
    let (stops, global, consents) = (list("s.csv"), list("g.jsonl"), list("c.csv"));
    world.done(&["suppression", "export", "acme", &stops]);
    world.done(&["suppression", "export", "global", &global]);
    world.done(&["consent", "export", STOPS, &consents]);
    assert!(!world.path("s.csv.part").exists());
    let import = |world: &World| {
        [
            world.done(&["suppression", "import", "acme", &stops, "--json"]),
            world.done(&["suppression", "import", "global", &global, "--json"]),
            world.done(&["consent", "import", STOPS, &consents, "--json"]),
        ]
    };
    // To the same house nothing is new.
    assert_eq!(import(&world).map(|told| counts(&told)), [[0, 5, 0], [0, 1, 0], [0, 2, 0]]);
    // To a new one everything is, once.
    assert_eq!(world.stop(), 0);
    std::fs::remove_dir_all(world.path("data")).expect("the old house");
    world.launch(&[]);
    world.done(&["account", "add", "acme"]);
    world.done(&["stream", "add", "acme", "newsletter", "--kind", "marketing"]);
    assert_eq!(import(&world).map(|told| counts(&told)), [[5, 0, 0], [1, 0, 0], [2, 0, 0]]);
    assert_eq!(all(&world), before);
    assert_eq!(import(&world).map(|told| counts(&told)), [[0, 5, 0], [0, 1, 0], [0, 2, 0]]);
    let history = world.done(&["explain", STOPS, ANN, "--json"]).json();
    assert_eq!(history["records"].as_array().map(Vec::len), Some(3), "{history}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_cannot_be_meant_is_told_by_its_line_and_the_others_are_done() {
    let world = World::with("[http]\nimport_rows_max = 2\nimport_row_size_max = \"1kB\"").await;
    let huge = "x".repeat(3_000_000);
    let text = format!(
        "email,reason,created,first name,ip,stream\r\n\
         ann@reader.example,unsubscribe,2026-01-02,Ann,192.0.2.7,\r\n\
         nobody,,,,,\r\n\
         \"{huge}\",,,,,\r\n\
         bob@reader.example,because,,,,\r\n\
         bob@reader.example,,2999-01-01,,,\r\n\
         bob@reader.example,,,,here,\r\n\
         bob@reader.example,,,,,nothing\r\n\
         aaaaaaaaaaaaaaaaaaaaaaaaaa,,,,,\r\n\
         ,manual,,,,\r\n\
         '@all.example,spam,1700000000,,,newsletter\r\n"
    );
    let list = file(&world, "list.csv", text);
    let told = world.relent(&["suppression", "import", "acme", &list, "--json"]);
    assert_eq!((told.code, counts(&told)), (1, [2, 0, 8]), "{}", told.err);
    for words in [
        "line 3: \"nobody\": `nobody`: an address needs",
        "import_row_size_max (1024 bytes)",
        "line 5: \"bob@reader.example\": `because` is no reason: use one of opt_out, complaint",
        "line 6: \"bob@reader.example\": `2999-01-01` lies in the future",
        "line 7: \"bob@reader.example\": `here` is no IP address",
        "line 8: \"bob@reader.example\": the account has no stream `nothing`",
        "line 9: \"aaaaaaaaaaaaaaaaaaaaaaaaaa\": nobody is known here by this hash",
        "line 10: \"\": it names no recipient",
        "columns not used: first name",
        "8 of 10 rows were refused; the others are recorded",
    ] {
        assert!(told.err.contains(words), "{words} is not in:\n{}", told.err);
    }
    assert!(told.err.contains("line 4: \"xxxx") && told.err.len() < 3000, "{}", told.err);
    let ann = world.done(&["suppression", "show", "acme", ANN, "--json"]).json();
    let given = ["reason", "at", "ip"].map(|key| ann[0][key].as_str().unwrap_or_default());
    assert_eq!(given, ["opt_out", "2026-01-02T00:00:00Z", "192.0.2.7"]);
    let all = world.done(&["suppression", "show", STOPS, "@all.example", "--json"]).json();
    let given = ["reason", "scope", "at"].map(|key| all[0][key].as_str().unwrap_or_default());
    assert_eq!(given, ["complaint", "stream", "2023-11-14T22:13:20Z"]);

    for (name, first) in [("r.jsonl", "{\"line\":3,"), ("r.csv", "line,recipient,why")] {
        let report = world.path(name).display().to_string();
        let told = world.relent(&["suppression", "import", "acme", &list, "--report", &report]);
        assert_eq!((told.code, told.out.as_str()), (1, "taken 0, already there 2, refused 8\n"));
        assert!(!told.err.contains("line 3"), "{}", told.err);
        let report = std::fs::read_to_string(&report).expect("a report");
        assert!(report.starts_with(first) && report.contains("no reason"), "{report}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_that_cannot_be_meant_at_all_change_nothing() {
    let world = World::start().await;
    let plain = file(&world, "plain.csv", "email\nann@reader.example\n");
    let semicolons = file(&world, "semicolons.csv", "name;mail\nAnn;ann@reader.example\n");
    for (arguments, code, words) in [
        (&["consent", "import", STOPS, &plain][..], 2, "--source \"sign-up form\""),
        (&["suppression", "import", "acme", &semicolons], 1, "columns are parted by commas"),
        (
            &["suppression", "import", "acme", "/nowhere/list"],
            1,
            "/nowhere/list: it cannot be read",
        ),
        (&["suppression", "import", "nobody", &plain], 1, "0 rows before it were recorded"),
        (&["suppression", "import", "global/x", &plain], 1, "`global` has no streams"),
        (&["suppression", "import", "acme/nothing", &plain], 1, "relent "),
        (&["suppression", "import", "acme", &plain, "--format", "xml"], 2, "jsonl"),
        (&["suppression", "export", "nobody"], 1, "relent "),
    ] {
        let told = world.relent(arguments);
        assert_eq!((told.code, told.out.as_str()), (code, ""), "{arguments:?} {}", told.err);
        assert!(told.err.contains(words), "{arguments:?}: {}", told.err);
    }
    assert_eq!(world.done(&["suppression", "list", "acme", "--json"]).out, "[]\n");
    let empty = file(&world, "empty.csv", "");
    let told = world.done(&["suppression", "import", "acme", &empty]);
    assert_eq!(told.out, "taken 0, already there 0, refused 0\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn standard_input_is_a_list_too() {
    let world = World::start().await;
    let import = |noun: &str, text: &str, more: &[&str]| {
        let mut command = world.command(&[noun, "import", STOPS, "-", "--json"]);
        command.args(more).stdin(Stdio::piped());
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("the command line runs");
        child.stdin.take().expect("its input").write_all(text.as_bytes()).expect("a list");
        said(child.wait_with_output().expect("an end"))
    };
    let json = "{\"email\": \"ann@reader.example\", \"wording\": \"Yes\", \"source\": \"fair\"}\n";
    let told = import("consent", json, &["--at", "2026-01-02", "--ip", "192.0.2.7"]);
    assert_eq!(counts(&told), [1, 0, 0], "{}", told.err);
    let shown = world.done(&["consent", "show", STOPS, ANN, "--json"]).json();
    let keys = ["state", "at", "source", "ip", "wording"];
    let given = keys.map(|key| shown[0][key].clone());
    assert_eq!(given, ["granted", "2026-01-02T00:00:00Z", "fair", "192.0.2.7", "Yes"]);
    let told = import("suppression", "ann@reader.example\nann@READER.example", &[]);
    assert_eq!(counts(&told), [1, 1, 0], "{}", told.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_ends_queued_mail_and_lifts_no_persons_stop() {
    let world = World::start().await;
    world.receiver.misbehave(vec![Fault::Greeting("421 4.3.2 not now".into())]);
    let readers: Vec<_> = (0..6).map(|n| format!("r{n}@reader.example")).collect();
    let consents = format!(
        "recipient,source,at\n{}",
        readers.join(",form,2026-01-02\n") + ",form,2026-01-02\n"
    );
    let consents = file(&world, "consents.csv", consents);
    let granted = world.done(&["consent", "import", STOPS, &consents, "--json"]);
    assert_eq!(counts(&granted), [6, 0, 0]);
    let mut app = Client::login(world.ports.submission[0], "app/newsletter", &world.password);
    for reader in &readers {
        assert!(app.submit("news@acme.example", &[reader], &letter("One")).starts_with("250"));
    }
    // Stopped by a list of the account, of a domain nobody waits at, of everybody's, and withdrawn.
    let stop = |target: &str, text: &str| {
        let list = file(&world, "stop.csv", text);
        let told = world.done(&["suppression", "import", target, &list, "--json"]);
        assert_eq!(told.json()["settled"], true);
    };
    stop("acme", "email,reason\nr0@reader.example,unsubscribed\n@other.example,\n");
    stop(STOPS, "r1@reader.example\n");
    stop("global", "r2@reader.example\nother@reader.example\n");
    let ended =
        file(&world, "ended.jsonl", "{\"email\":\"r3@reader.example\",\"state\":\"withdrawn\"}");
    world.done(&["consent", "import", STOPS, &ended, "--source", "phone"]);
    // An attempt that was under way ends first.
    let waiting = || {
        let waiting = world.done(&["queue", "list", "--json"]).json();
        let mut waiting: Vec<_> = waiting
            .as_array()
            .expect("a list")
            .iter()
            .map(|item| item["recipient"].as_str().unwrap_or_default().to_owned())
            .collect();
        waiting.sort();
        waiting
    };
    until("those that are stopped to end", || waiting() == readers[4..]).await;
    world.receiver.misbehave(Vec::new());
    world.done(&["queue", "retry", "--all"]);
    delivered(&world, &readers[4]).await;
    let mail = delivered(&world, &readers[5]).await;
    // The person answers, and no list brings consent back before that word.
    let said = super::answer(&world, &readers[5], &super::reply_address(&mail), "T");
    assert!(said.starts_with("250"), "{said}");
    let later = file(&world, "later.csv", format!("email,at\n{},2026-11-26\n", readers[5]));
    world.done(&["consent", "import", STOPS, &later, "--source", "form again"]);
    let refused = app.submit("news@acme.example", &[&readers[5]], &letter("Two"));
    assert!(refused.starts_with("550 5.7.1 the recipient opted out"), "{refused}");
    for reader in &readers[..4] {
        app.say("RSET");
        let refused = app.submit("news@acme.example", &[reader], &letter("Two"));
        assert!(refused.starts_with("550 5.7.1"), "{refused}");
        let mailbox = world.receiver.mailbox();
        assert!(mailbox.iter().all(|mail| mail.recipients != [reader.as_str()]), "{reader}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_brought_again_takes_back_no_withdrawal() {
    let world = World::start().await;
    let rows = format!("recipient,at\nbea@reader.example,2026-03-01\n{ANN},2026-03-01\nnobody\n");
    let list = file(&world, "people.csv", rows);
    let import = || {
        let fair = ["--source", "fair", "--json"];
        world.relent(&[&["consent", "import", STOPS, &list][..], &fair].concat())
    };
    assert_eq!(counts(&import()), [2, 0, 1]);
    world.done(&["consent", "withdraw", STOPS, ANN, "--source", "phone"]);
    let again = import();
    assert_eq!((again.code, counts(&again)), (1, [0, 1, 2]), "{}", again.err);
    let lines: Vec<_> = again.err.lines().filter(|line| line.contains("line ")).collect();
    assert!(lines[0].contains("line 3") && lines[0].contains("withdrawn on"), "{}", again.err);
    assert!(lines[1].contains("line 4"), "{}", again.err);
    let shown = world.done(&["explain", STOPS, ANN]);
    assert!(shown.out.contains("refuse"), "{}", shown.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_that_broke_off_is_run_again_and_applies_nothing_twice() {
    let world = World::with("[http]\nimport_rows_max = 50").await;
    let rows: String = (0..600).map(|n| format!("reader{n}@reader.example\n")).collect();
    let mut command = world.command(&["suppression", "import", "acme", "-"]);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().expect("the command line runs");
    let mut input = child.stdin.take().expect("its input");
    input.write_all(rows.as_bytes()).expect("most of a list");
    input.flush().expect("most of a list");
    // Its end never comes: the command is killed once something of it is recorded.
    let deadline = std::time::Instant::now() + crate::support::PATIENCE;
    while world.done(&["suppression", "list", "acme", "--json"]).out == "[]\n" {
        assert!(std::time::Instant::now() < deadline, "nothing was recorded");
        tokio::task::yield_now().await;
    }
    child.kill().expect("it runs");
    child.wait().expect("its end");
    drop(input);
    let list = file(&world, "list.csv", &rows);
    let [taken, already, refused] =
        counts(&world.done(&["suppression", "import", "acme", &list, "--json"]));
    assert_eq!((taken + already, refused), (600, 0));
    assert!(already >= 50, "what was recorded before is not recorded again: {already}");
    let told = world.done(&["explain", STOPS, "reader0@reader.example", "--json"]).json();
    assert_eq!(told["records"].as_array().map(Vec::len), Some(1), "{told}");
    assert_eq!(
        counts(&world.done(&["suppression", "import", "acme", &list, "--json"])),
        [0, 600, 0]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn who_moves_over_from_another_service_mails_nobody_who_had_refused() {
    let world = World::start().await;
    let people: Vec<_> = ["gone", "left", "spam", "soft", "weekly"]
        .map(|name| format!("{name}@reader.example"))
        .to_vec();
    people.iter().for_each(|who| world.agree(who));
    let bounces = file(
        &world,
        "suppression_bounces.csv",
        "status,reason,email,created\n5.1.1,550 no such user,gone@reader.example,1443651125\n\
         4.2.2,mailbox full,soft@reader.example,1443651125\n",
    );
    let refused = world.relent(&["suppression", "import", "acme", &bounces]);
    assert!(
        refused.err.contains("--from sendgrid:bounces or --from sendgrid:blocks"),
        "{}",
        refused.err
    );
    let told = world.done(&[
        "suppression",
        "import",
        "acme",
        &bounces,
        "--from",
        "sendgrid:bounces",
        "--json",
    ]);
    assert_eq!((counts(&told), &told.json()["left_out"]), ([1, 0, 0], &1.into()), "{}", told.err);
    assert!(
        told.err.contains("1 rows were left out: a refusal that was not for good"),
        "{}",
        told.err
    );
    let dump = file(
        &world,
        "dump.json",
        r#"{"Suppressions":[
           {"EmailAddress":"left@reader.example","SuppressionReason":"ManualSuppression","Origin":"Recipient","CreatedAt":"2019-12-10T08:58:33-05:00"},
           {"EmailAddress":"spam@reader.example","SuppressionReason":"SpamComplaint","Origin":"Recipient","CreatedAt":"2019-12-10T08:58:33-05:00"},
           {"EmailAddress":"what@reader.example","SuppressionReason":"Whim","Origin":"Recipient","CreatedAt":"2019-12-10T08:58:33-05:00"}]}"#,
    );
    let report = world.path("refused.csv").display().to_string();
    let told = world.relent(&["suppression", "import", "acme", &dump, "--refused", &report]);
    assert_eq!(
        (told.code, told.out.as_str()),
        (1, "taken 2, already there 0, refused 1\n"),
        "{}",
        told.err
    );
    let report = std::fs::read_to_string(report).expect("a report");
    assert!(report.contains("\n4,") && report.contains("suppressionreason `Whim`"), "{report}");
    let groups = file(
        &world,
        "groups.json",
        r#"[{"email":"weekly@reader.example","group_id":7,"group_name":"Weekly","created_at":1410986704}]"#,
    );
    world.done(&["suppression", "import", "acme", &groups, "--group", "Weekly=newsletter"]);
    for (who, words) in [
        ("gone", "the address is dead since 2015-09-30"),
        ("left", "opted out of this account's mail on 2019-12-10"),
        ("spam", "complained on 2019-12-10"),
        ("weekly", "opted out of this stream on 2014-09-17"),
    ] {
        let refused = super::next(&world, "newsletter", &format!("{who}@reader.example"));
        assert!(refused.starts_with("550 5.7.1") && refused.contains(words), "{who}: {refused}");
    }
    assert!(super::next(&world, "newsletter", "soft@reader.example").starts_with("250"));
    let kept = world.done(&["suppression", "show", "acme", "gone@reader.example", "--json"]).json();
    assert_eq!(kept[0]["text"], "SendGrid: bounces; status: 5.1.1; reason: 550 no such user");
}
