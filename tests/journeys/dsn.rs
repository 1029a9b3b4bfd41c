//! What a sender wants to be told of its mail (RFC 3461), and is.

use super::submission::{app, with_setting};
use super::{delivered, field};
use crate::support::client::{Client, letter};
use crate::support::{PATIENCE, World};
use relent::demo::receiver::{Fault, Received, Step};

const SENDER: &str = "news@acme.example";
const ANN: &str = "ann@reader.example";
const GONE: &str = "gone@reader.example";

/// Submits with parameters of MAIL and RCPT.
fn submit(app: &mut Client, mail: &str, to: &[(&str, &str)], message: &str) {
    let said = app.say(&format!("MAIL FROM:<{SENDER}> {mail}"));
    assert!(said.starts_with("250"), "{mail}: {said}");
    for (to, parameters) in to {
        let said = app.say(&format!("RCPT TO:<{to}> {parameters}"));
        assert!(said.starts_with("250"), "{parameters}: {said}");
    }
    assert!(app.say("DATA").starts_with("354"));
    app.send(message.as_bytes());
    let said = app.say(".");
    assert!(said.starts_with("250"), "{said}");
}

/// The reports that the sender has got, oldest first, once there are so many.
async fn reports(world: &World, count: usize) -> Vec<String> {
    let is_report = |mail: &Received| mail.recipients == [SENDER];
    let enough = |all: &[Received]| all.iter().filter(|mail| is_report(mail)).count() >= count;
    let all = world.receiver.wait(PATIENCE, enough).await.expect("reports in time");
    let reports = all.iter().filter(|mail| is_report(mail));
    let reports = reports.inspect(|mail| assert_eq!(mail.sender, "", "a report has no sender"));
    reports.map(|mail| String::from_utf8_lossy(&mail.message).into_owned()).collect()
}

/// Waits until a command says so.
async fn until(world: &World, command: &[&str], part: &str) -> String {
    let begun = std::time::Instant::now();
    loop {
        let said = world.relent(command).out;
        if said.contains(part) {
            return said;
        }
        assert!(begun.elapsed() < PATIENCE, "{command:?} does not say {part}: {said}");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

/// Waits until it is written down what became of mail to an address; what was to be told before that
/// has been queued then.
async fn ended(world: &World, address: &str, outcome: &str) -> String {
    let explain = ["explain", "acme/receipts", address, "--json"];
    until(world, &explain, &format!("\"{outcome}\"")).await
}

fn nobody() -> Fault {
    Fault::Recipient("gone@".into(), "550 5.1.1 no such user".into())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sender_is_told_what_it_asked_for_and_nothing_else() {
    let world = World::start().await;
    world.receiver.misbehave(vec![nobody()]);
    let mut app = app(&world, "receipts");
    let to = [
        ("never.gone@reader.example", "NOTIFY=NEVER"),
        ("late.gone@reader.example", "NOTIFY=SUCCESS,DELAY"),
        (GONE, "NOTIFY=FAILURE ORCPT=rfc822;first+2Btag@reader.example"),
        ("default.gone@reader.example", ""),
        ("quiet@reader.example", "NOTIFY=NEVER"),
        ("fine@reader.example", "NOTIFY=FAILURE"),
        (ANN, "NOTIFY=SUCCESS ORCPT=rfc822;Ann@Reader.example"),
    ];
    submit(&mut app, "ENVID=order+2B77", &to, &letter("Ask"));
    for (address, _) in to {
        let status = if address.contains("gone") { "failed" } else { "delivered" };
        ended(&world, address, status).await;
    }
    let reports = reports(&world, 3).await;
    let about = |address: &str| -> Vec<&String> {
        let named = format!("Final-Recipient: rfc822; {address}\r\n");
        reports.iter().filter(|report| report.contains(&named)).collect()
    };
    let told = delivered(&world, ANN).await.parameters.concat();
    assert!(!told.contains("ENVID") && !told.contains("ORCPT"), "it offers no DSN: {told}");
    let passed = about(ANN);
    assert_eq!(passed.len(), 1, "{reports:?}");
    for part in [
        "Original-Envelope-Id: order+77\r\n",
        "Original-Recipient: rfc822; Ann@Reader.example\r\n",
        "Action: relayed\r\n",
        "Status: 2.0.0\r\n",
    ] {
        assert!(passed[0].contains(part), "{part}: {}", passed[0]);
    }
    let failed = about(GONE);
    assert_eq!(failed.len(), 1, "{reports:?}");
    for part in [
        "Original-Envelope-Id: order+77\r\n",
        "Original-Recipient: rfc822; first+tag@reader.example\r\n",
        "Action: failed\r\n",
        "Status: 5.1.1\r\n",
    ] {
        assert!(failed[0].contains(part), "{part}: {}", failed[0]);
    }
    let silent = about("default.gone@reader.example");
    assert!(silent[0].contains("Action: failed\r\n") && !silent[0].contains("Original-Recipient"));
    // Whoever is not told of an address that is dead does not mail it again either.
    let show = ["suppression", "show", "acme", "never.gone@reader.example", "--json"];
    until(&world, &show, "hard_bounce").await;
    // A later message's report comes after whatever else there was to tell.
    submit(&mut app, "", &[("last.gone@reader.example", "")], &letter("Last"));
    ended(&world, "last.gone@reader.example", "failed").await;
    let all = self::reports(&world, 4).await;
    assert_eq!(all.len(), 4, "{all:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_back_is_what_was_asked_for_and_holds_no_token() {
    let mut world = World::start().await;
    with_setting(&mut world, "queue", "report_size_max = \"8kB\"");
    world.agree(ANN);
    let mut news = app(&world, "newsletter");
    assert!(news.submit(SENDER, &[ANN], &letter("News")).starts_with("250"));
    let copy = delivered(&world, ANN).await;
    let link = field(&copy, "List-Unsubscribe").expect("a link");
    let token = link.split("/u/").nth(1).expect("a token").trim_end_matches('>').to_owned();
    world.receiver.misbehave(vec![nobody()]);
    let text = letter("Mine")
        .replace("Hello.", &format!("Hello, {token}."))
        .replace("Subject:", "X-Mine: yes\r\nSubject:");
    let large = text.replace("To reject", &"long line\r\n".repeat(1000));
    let mut expected = 0;
    for (ret, message, kind, mine, body) in [
        ("", &text, "text/rfc822-headers", false, false),
        ("RET=HDRS", &text, "text/rfc822-headers", true, false),
        ("RET=FULL", &text, "message/rfc822", true, true),
        ("RET=FULL", &large, "text/rfc822-headers", true, false),
    ] {
        expected += 1;
        let to = format!("{expected}.gone@reader.example");
        submit(&mut app(&world, "receipts"), ret, &[(&to, "")], message);
        let report = reports(&world, expected).await.pop().expect("a report");
        assert!(report.contains(&format!("Content-Type: {kind}\r\n")), "{ret}: {report}");
        assert_eq!(report.contains("\r\nX-Mine: yes\r\n"), mine, "{ret}: {report}");
        assert_eq!(report.contains("\r\nTo reject, please"), body, "{ret}: {report}");
        assert_eq!(report.contains("Hello, u-xxxxxxxx"), body, "{ret}: {report}");
        assert!(report.contains("\r\nSubject: Mine\r\n"), "{ret}: {report}");
        assert!(!report.contains(&token[2..]), "{ret}: {report}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asked_is_told_once_that_mail_is_late() {
    let mut world = World::start().await;
    with_setting(&mut world, "queue", "delay_warning_after = \"2s\"");
    let busy = Fault::Recipient("late".into(), "451 4.2.1 busy".into());
    world.receiver.misbehave(vec![busy]);
    let to = [("late@reader.example", "NOTIFY=DELAY"), ("late.default@reader.example", "")];
    submit(&mut app(&world, "receipts"), "RET=FULL", &to, &letter("Late"));
    let report = reports(&world, 1).await.remove(0);
    for part in [
        "Final-Recipient: rfc822; late@reader.example\r\n",
        "Action: delayed\r\n",
        "Status: 4.2.1\r\n",
        "Will-Retry-Until: ",
        "Content-Type: text/rfc822-headers\r\n",
    ] {
        assert!(report.contains(part), "{part}: {report}");
    }
    ended(&world, "late@reader.example", "warned").await;
    // A crash before its end is written down would send the report again.
    let is_under_way = || {
        let listed = world.done(&["queue", "list", "--json"]).json();
        listed.as_array().is_some_and(|all| all.iter().any(|item| item["recipient"] == SENDER))
    };
    let begun = std::time::Instant::now();
    while is_under_way() {
        assert!(begun.elapsed() < PATIENCE, "the report does not end");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    world.kill();
    world.launch(&[]);
    // Another attempt after the restart, and then its end, say no more of it.
    let before = world.log().matches("status=\"deferred\"").count();
    let begun = std::time::Instant::now();
    while world.log().matches("status=\"deferred\"").count() < before + 2 {
        assert!(begun.elapsed() < PATIENCE, "it is not tried again");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    world.receiver.misbehave(Vec::new());
    for (address, _) in to {
        ended(&world, address, "delivered").await;
    }
    assert_eq!(reports(&world, 1).await.len(), 1);
    let shown = ended(&world, "late@reader.example", "delivered").await;
    assert_eq!(shown.matches("\"warned\"").count(), 1, "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn names_go_on_to_a_server_that_offers_dsn_and_its_reports_are_ours() {
    let world = World::start().await;
    let offer = "250-receiver\r\n250-DSN\r\n250 8BITMIME";
    world.receiver.misbehave(vec![Fault::Answer(Step::SecureHello, offer.into())]);
    let said = "NOTIFY=SUCCESS,DELAY ORCPT=rfc822;Ann+2B1@reader.example";
    submit(&mut app(&world, "receipts"), "RET=FULL ENVID=a+2Bb", &[(ANN, said)], &letter("On"));
    let mail = delivered(&world, ANN).await;
    assert!(mail.sender.starts_with("b-"), "{}", mail.sender);
    let expected = ["RET=HDRS ENVID=a+2Bb", "NOTIFY=FAILURE ORCPT=rfc822;Ann+2B1@reader.example"];
    assert_eq!(mail.parameters, expected);
    let report = reports(&world, 1).await.remove(0);
    assert!(report.contains("Action: relayed\r\n"), "{report}");
    let own = world.receiver.mailbox().pop().expect("the report");
    assert_eq!(own.parameters, ["BODY=8BITMIME", ""], "a report asks for nothing");
    submit(&mut app(&world, "receipts"), "", &[("bob@reader.example", "")], &letter("On"));
    let mail = delivered(&world, "bob@reader.example").await;
    assert_eq!(mail.parameters, ["", ""], "who says nothing asks for nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_told_of_mail_without_a_sender_and_no_stranger_may_ask() {
    let world = World::start().await;
    world.receiver.misbehave(vec![nobody()]);
    let mut app = app(&world, "receipts");
    assert!(app.say("EHLO client.example").contains("\n250-DSN\n"));
    app.say("MAIL FROM:<> ENVID=x");
    app.say(&format!("RCPT TO:<{GONE}> NOTIFY=FAILURE,SUCCESS"));
    app.say(&format!("RCPT TO:<{ANN}> NOTIFY=FAILURE,SUCCESS"));
    app.say("DATA");
    app.send(letter("Null").as_bytes());
    assert!(app.say(".").starts_with("250"));
    ended(&world, GONE, "failed").await;
    ended(&world, ANN, "delivered").await;
    submit(&mut app, "", &[(GONE.replace("gone", "then.gone").as_str(), "")], &letter("Then"));
    let told = reports(&world, 1).await;
    assert!(told.len() == 1 && told[0].contains("then.gone"), "{told:?}");
    for (line, expected) in [
        ("MAIL FROM:<news@acme.example> RET=ALL", "501 5.5.4"),
        ("MAIL FROM:<news@acme.example> RET=FULL RET=HDRS", "501 5.5.4"),
        ("MAIL FROM:<news@acme.example> ENVID=a b", "555 5.5.4"),
        ("MAIL FROM:<news@acme.example> ENVID=+0D+0A", "501 5.5.4"),
        ("MAIL FROM:<news@acme.example> NOTIFY=NEVER", "555 5.5.4"),
        ("MAIL FROM:<news@acme.example>", "250"),
        ("RCPT TO:<ann@reader.example> NOTIFY=", "501 5.5.4"),
        ("RCPT TO:<ann@reader.example> NOTIFY=NEVER,SUCCESS", "501 5.5.4"),
        ("RCPT TO:<ann@reader.example> NOTIFY=NEVER NOTIFY=NEVER", "501 5.5.4"),
        ("RCPT TO:<ann@reader.example> ORCPT=ann@reader.example", "501 5.5.4"),
        ("RCPT TO:<ann@reader.example> ENVID=x", "555 5.5.4"),
    ] {
        let said = app.say(line);
        assert!(said.starts_with(expected), "{line}: {said}");
    }
    let mut mx = Client::connect(world.ports.inbound[0]);
    assert!(!mx.say("EHLO mx.reader.example").contains("DSN"));
    assert!(mx.say("MAIL FROM:<ann@reader.example> RET=FULL").starts_with("555 5.5.4"));
    assert!(mx.say("MAIL FROM:<ann@reader.example>").starts_with("250"));
    let to = "acme.newsletter@reply.relent.example";
    assert!(mx.say(&format!("RCPT TO:<{to}> NOTIFY=SUCCESS")).starts_with("555 5.5.4"));
    assert!(mx.say(&format!("RCPT TO:<{to}>")).starts_with("250"));
}
