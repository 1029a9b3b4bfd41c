//! Real clients: Python's smtplib, swaks, mail-send; and a verifier of signatures.

mod dkim;
mod peers;
mod recipes;
mod scanners;
mod schemathesis;
mod scram;

use crate::journeys::field;
use crate::support::client::letter;
use crate::support::{PATIENCE, World};
use relent::demo::receiver::Fault;
use std::process::Command;

const ANN: &str = "ann@reader.example";

#[tokio::test(flavor = "multi_thread")]
async fn python_smtplib_submits_over_starttls() {
    let world = World::start().await;
    let script = format!(
        "import smtplib, ssl\n\
         c = ssl._create_unverified_context()\n\
         s = smtplib.SMTP('127.0.0.1', {port}, timeout=20)\n\
         s.starttls(context=c)\n\
         s.login('app/receipts', '{password}')\n\
         s.sendmail('news@acme.example', ['{ANN}'], '''{message}''')\n\
         s.quit()\n",
        port = world.ports.submission[0],
        password = world.password,
        message = letter("From Python").replace("\r\n", "\n"),
    );
    let output = Command::new("python3").args(["-c", &script]).output().expect("python3 runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mail = world.receiver.message_to(ANN, PATIENCE).await.expect("a delivery");
    assert!(String::from_utf8_lossy(&mail.message).contains("From Python"));
}

/// Reads a report from its input and prints the status fields that it finds, and what came back.
const READ_REPORT: &str = r#"
import email, email.policy, json, sys
report = email.message_from_bytes(sys.stdin.buffer.read(), policy=email.policy.default)
assert not report.defects and report.get_content_type() == "multipart/report", report.defects
assert report.get_param("report-type") == "delivery-status"
words, status, back = report.iter_parts()
fields = {}
for block in status.get_payload():
    fields.update({name.lower(): str(value) for name, value in block.items()})
fields["back"] = back.get_content_type() + ": " + back.get_payload(0).get_content().strip()
print(json.dumps(fields))
"#;

#[tokio::test(flavor = "multi_thread")]
async fn python_asks_for_a_report_and_reads_it() {
    let world = World::start().await;
    let refusal = "550 5.2.1 closed".to_owned();
    world.receiver.misbehave(vec![Fault::Recipient("ann@".into(), refusal)]);
    let script = format!(
        "import smtplib\n\
         s = smtplib.SMTP('127.0.0.1', {port}, timeout=20)\n\
         s.login('app/receipts', '{password}')\n\
         assert s.has_extn('dsn')\n\
         s.sendmail('news@acme.example', ['{ANN}'], 'From: news@acme.example\\r\\n\\r\\n.Hello\\r\\n',\n\
             mail_options=['RET=FULL', 'ENVID=a+2B1'],\n\
             rcpt_options=['NOTIFY=FAILURE', 'ORCPT=rfc822;{ANN}'])\n\
         s.quit()\n",
        port = world.ports.submission[0],
        password = world.password,
    );
    let output = Command::new("python3").args(["-c", &script]).output().expect("python3 runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report = world.receiver.message_to("news@acme.example", PATIENCE).await.expect("a report");
    let file = world.path("report.eml");
    std::fs::write(&file, &report.message).expect("written");
    let output = Command::new("python3")
        .args(["-c", READ_REPORT])
        .stdin(std::fs::File::open(&file).expect("a file"))
        .output()
        .expect("python3 runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    for (name, value) in [
        ("original-envelope-id", "a+1"),
        ("original-recipient", "rfc822; ann@reader.example"),
        ("final-recipient", "rfc822; ann@reader.example"),
        ("action", "failed"),
        ("status", "5.2.1"),
        ("diagnostic-code", "smtp; 550 5.2.1 closed"),
        ("back", "message/rfc822: .Hello"),
    ] {
        assert_eq!(found[name], value, "{name}: {found}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn swaks_submits_with_auth_login_over_tls() {
    let world = World::start().await;
    let server = format!("127.0.0.1:{}", world.ports.submissions[0]);
    let output = Command::new("swaks")
        .args(["--server", &server, "--tls-on-connect", "--auth", "LOGIN"])
        .args(["--auth-user", "app/receipts", "--auth-password", &world.password])
        .args(["--from", "news@acme.example", "--to", ANN, "--timeout", "20"])
        .output()
        .expect("swaks runs: apt-get install swaks");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    world.receiver.message_to(ANN, PATIENCE).await.expect("a delivery");
}

#[tokio::test(flavor = "multi_thread")]
async fn mail_send_submits_over_implicit_tls() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let world = World::start().await;
    let mut client =
        mail_send::SmtpClientBuilder::new("127.0.0.1".to_owned(), world.ports.submissions[0])
            .expect("a client")
            .allow_invalid_certs()
            .implicit_tls(true)
            .credentials(("app/receipts".to_owned(), world.password.clone()))
            .connect()
            .await
            .expect("a session");
    let message = mail_send::smtp::message::Message::new(
        "news@acme.example",
        [ANN],
        letter("One").into_bytes(),
    );
    client.send(message).await.expect("a submission");
    world.receiver.message_to(ANN, PATIENCE).await.expect("a delivery");
}
