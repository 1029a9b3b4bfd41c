//! Real clients: Python's smtplib, swaks, mail-send; and a verifier of signatures.

mod dkim;
mod scram;

use crate::support::client::letter;
use crate::support::{PATIENCE, World};
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
