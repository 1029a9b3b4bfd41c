//! The story, step by step. Each step shows the real lines and checks what it promises.

use super::lab::Lab;
use super::receiver::{Fault, Received};
use anyhow::{Context, Result, ensure};
use mail_send::SmtpClientBuilder;
use std::io::Write;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};

const ANN: &str = "ann@reader.example";
const BOB: &str = "bob@reader.example";
/// Longest wait for a delivery.
const PATIENCE: Duration = Duration::from_secs(15);
/// How often the queue is looked at.
const QUEUE_LOOK: Duration = Duration::from_millis(50);
/// Longest wait for one reply of the relay.
const REPLY_MAX: Duration = Duration::from_secs(15);

/// Tells the story; with `keep`, leaves everything running afterwards.
///
/// # Errors
/// The first step that did not hold.
pub async fn run(keep: bool) -> Result<()> {
    // The client's TLS takes the process's provider of cryptography; the demo's process is its own.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let folder = std::env::temp_dir().join(format!("relent-demo-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let told = tell(&folder, keep).await;
    if told.is_err() {
        say(&format!("\nThe daemon's log is in {}", folder.join("relent.log").display()));
    } else if !keep {
        std::fs::remove_dir_all(&folder)?;
    }
    told
}

async fn tell(folder: &std::path::Path, keep: bool) -> Result<()> {
    let mut lab = Lab::start(folder.to_path_buf()).await?;
    title("1. A relay, and an account that may send from acme.example");
    let password = set_up(&lab).await?;

    title("2. An application submits over TLS. Ann has agreed to this mail; Bob has not");
    submit(&lab, &password, "Spring news", &[BOB, ANN], &[false, true]).await?;

    title("3. Ann's mail server gets her copy: signed, with a way out");
    let mail = lab.receiver.message_to(ANN, PATIENCE).await.context("Ann's copy did not arrive")?;
    let reply_address = show_copy(&mail)?;

    title("4. More mail for Ann waits in the queue: her server says \"later\"");
    lab.receiver.misbehave(vec![Fault::Recipient("ann@".into(), "451 4.2.0 mailbox busy".into())]);
    submit(&lab, &password, "Summer news", &[ANN], &[true]).await?;
    let waiting = queue_when(&lab, |list| list.contains("451 4.2.0")).await;
    say(&indent(&waiting.context("nothing waits for Ann")?));

    title("5. Ann answers the first mail with \"R\"");
    answer(&lab, &reply_address, &mail).await?;

    title("6. The record, and what has become of the mail that waited");
    say(&indent(&lab.done(&["suppression", "show", "acme", ANN]).await?));
    let of_acme = |line: &str| line.contains(ANN) && line.contains("news@acme.example");
    let stopped = queue_when(&lab, |list| !list.lines().any(of_acme)).await;
    stopped.context("mail still waits for Ann")?;
    lab.receiver.misbehave(Vec::new());
    let before = lab.receiver.mailbox().len();
    lab.done(&["queue", "retry", "--all"]).await?;
    let answered = lab.receiver.wait(Duration::from_secs(10), |all| all.len() > before).await;
    let confirmation = answered.and_then(|all| all.into_iter().next_back());
    let confirmation = confirmation.context("nobody confirmed to Ann what was stopped")?;
    let is_ours = confirmation.sender.is_empty();
    ensure!(is_ours && confirmation.recipients == [ANN], "mail for Ann left after her stop");
    let after = lab.receiver.wait(Duration::from_secs(3), |all| all.len() > before + 1).await;
    ensure!(after.is_none(), "mail for Ann left after her stop");
    say(
        "   nothing of acme's waits for her any more, and nothing has left since but this, for her:\n",
    );
    say(&indent(&mail_body(&confirmation.message)));

    title("7. The application tries again");
    submit(&lab, &password, "Autumn news", &[ANN], &[false]).await?;

    title("8. Why? `relent explain acme/newsletter ann@reader.example`");
    say(&indent(&lab.done(&["explain", "acme/newsletter", ANN]).await?));

    if keep {
        show_settings(&lab, &password);
        lab.wait().await?;
    } else {
        lab.stop().await?;
        say("\nEvery step held.");
    }
    Ok(())
}

/// Shows a verb as a shell would be given it.
fn say_verb(words: &[&str]) {
    let words: Vec<_> = words
        .iter()
        .map(|word| if word.contains(' ') { format!("\"{word}\"") } else { (*word).to_owned() })
        .collect();
    say(&format!("   $ relent {}", words.join(" ")));
}

async fn set_up(lab: &Lab) -> Result<String> {
    for verb in [
        &["account", "add", "acme"][..],
        &["domain", "add", "acme", "acme.example", "--trust"],
        &[
            "stream",
            "add",
            "acme",
            "newsletter",
            "--kind",
            "marketing",
            "--reply-to",
            "support@acme.example",
        ],
        &["consent", "grant", "acme/newsletter", ANN, "--source", "sign-up form"],
    ] {
        say_verb(verb);
        lab.done(verb).await?;
    }
    let verb = ["credential", "add", "acme", "--name", "app", "--stream", "newsletter", "--json"];
    say_verb(&verb);
    let made: serde_json::Value = serde_json::from_str(&lab.done(&verb).await?)?;
    let password = made["password"].as_str().context("no password in the credential's JSON")?;
    Ok(password.to_owned())
}

/// The queue's listing once it is as it must become.
async fn queue_when(lab: &Lab, is_so: impl Fn(&str) -> bool) -> Result<String> {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let list = lab.done(&["queue", "list"]).await?;
        if is_so(&list) {
            return Ok(list);
        }
        ensure!(tokio::time::Instant::now() < deadline, "the queue has not become so:\n{list}");
        tokio::time::sleep(QUEUE_LOOK).await;
    }
}

/// Submits one message over implicit TLS with AUTH, and checks which recipients are taken.
async fn submit(
    lab: &Lab,
    password: &str,
    subject: &str,
    recipients: &[&str],
    taken: &[bool],
) -> Result<()> {
    let mut client = SmtpClientBuilder::new("127.0.0.1".to_owned(), lab.ports.submissions[0])
        .map_err(anyhow::Error::msg)?
        .allow_invalid_certs()
        .implicit_tls(true)
        .timeout(REPLY_MAX)
        .helo_host("app.acme.example")
        .credentials(("app".to_owned(), password.to_owned()))
        .connect()
        .await?;
    say("   (TLS, EHLO, AUTH: 235)");
    ensure!(command(&mut client, "MAIL FROM:<news@acme.example>").await?.starts_with("250"));
    for (recipient, taken) in recipients.iter().zip(taken) {
        let reply = command(&mut client, &format!("RCPT TO:<{recipient}>")).await?;
        ensure!(reply.starts_with(if *taken { "250" } else { "550 5.7.1" }), "{reply}");
    }
    if taken.contains(&true) {
        let message = format!(
            "From: Acme <news@acme.example>\r\nTo: reader@reader.example\r\nSubject: {subject}\r\n\
             MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n\
             News from Acme.\r\n\r\nTo reject this mail, please reply R.\r\n"
        );
        let reply = send_data(&mut client, &message).await?;
        ensure!(reply.starts_with("250"), "{reply}");
    }
    client.quit().await?;
    Ok(())
}

/// Ann's mail client answers under the quoted original.
async fn answer(lab: &Lab, reply_address: &str, original: &Received) -> Result<()> {
    let mut client = SmtpClientBuilder::new("127.0.0.1".to_owned(), lab.ports.inbound[0])
        .map_err(anyhow::Error::msg)?
        .implicit_tls(false)
        .timeout(REPLY_MAX)
        .helo_host("mx.reader.example")
        .connect_plain()
        .await?;
    command(&mut client, &format!("MAIL FROM:<{ANN}>")).await?;
    let reply = command(&mut client, &format!("RCPT TO:<{reply_address}>")).await?;
    ensure!(reply.starts_with("250"), "{reply}");
    let body = mail_body(&original.message);
    let quoted: String = body.lines().map(|line| format!("> {line}\r\n")).collect();
    let message = format!(
        "From: Ann <{ANN}>\r\nTo: <{reply_address}>\r\nSubject: Re: Spring news\r\nMIME-Version: 1.0\r\n\
         Content-Type: text/plain; charset=utf-8\r\n\r\nR\r\n\r\n\
         On Tue, Nov 24, 2026 at 9:00 AM Acme <news@acme.example> wrote:\r\n{quoted}"
    );
    let reply = send_data(&mut client, &message).await?;
    ensure!(reply.starts_with("250"), "{reply}");
    client.quit().await?;
    Ok(())
}

async fn command<S>(client: &mut mail_send::SmtpClient<S>, line: &str) -> Result<String>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    say(&format!("   C: {line}"));
    let reply = client.cmd(format!("{line}\r\n").as_bytes()).await?;
    let [a, b, c] = reply.esc;
    let status = if a == 0 { String::new() } else { format!("{a}.{b}.{c} ") };
    let text = format!("{} {status}{}", reply.code(), reply.message().trim());
    say(&format!("   S: {text}"));
    Ok(text)
}

async fn send_data<S>(client: &mut mail_send::SmtpClient<S>, message: &str) -> Result<String>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let go = command(client, "DATA").await?;
    ensure!(go.starts_with("354"), "{go}");
    for line in message.lines() {
        say(&format!("   C: {line}"));
    }
    // The client's `cmd` ends the dot's line; dots are stuffed as every client does.
    let stuffed = message.replace("\r\n.", "\r\n..");
    command_after_data(client, &stuffed).await
}

async fn command_after_data<S>(client: &mut mail_send::SmtpClient<S>, data: &str) -> Result<String>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    say("   C: .");
    let reply = client.cmd(format!("{data}.\r\n").as_bytes()).await?;
    let [a, b, c] = reply.esc;
    let text = format!("{} {a}.{b}.{c} {}", reply.code(), reply.message().trim());
    say(&format!("   S: {text}"));
    Ok(text)
}

/// Shows the copy's header and checks what it must carry; returns the address that a reply goes to.
fn show_copy(mail: &Received) -> Result<String> {
    let text = String::from_utf8_lossy(&mail.message).into_owned();
    let header = text.split("\r\n\r\n").next().unwrap_or_default();
    for line in header.lines() {
        say(&format!("   {line}"));
    }
    ensure!(mail.tls, "the copy did not come over TLS");
    for (field, part) in [
        ("DKIM-Signature:", "a=rsa-sha256"),
        ("DKIM-Signature:", "a=ed25519-sha256"),
        ("List-Unsubscribe:", "/u/u-"),
        ("List-Unsubscribe-Post:", "One-Click"),
        ("Reply-To:", "<r-"),
    ] {
        ensure!(header.contains(field) && header.contains(part), "no {field} with {part}");
    }
    let reply_to = header
        .lines()
        .find_map(|line| line.strip_prefix("Reply-To:"))
        .and_then(|value| value.split_once('<'))
        .and_then(|(_, rest)| rest.split_once('>'))
        .context("Reply-To has no address")?;
    Ok(reply_to.0.to_owned())
}

fn mail_body(message: &[u8]) -> String {
    let text = String::from_utf8_lossy(message).into_owned();
    text.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default()
}

fn show_settings(lab: &Lab, password: &str) {
    say(&format!(
        "\nStill running, until you end it with Ctrl-C. For your own client:\n\
         \n   submission (STARTTLS)  127.0.0.1:{}\n   submissions (TLS)      127.0.0.1:{}\n   \
         user                   app\n   password               {password}\n   \
         From                   anything@acme.example\n   inbound                127.0.0.1:{}\n   \
         pages                  http://127.0.0.1:{}\n   command line           relent … --config {}",
        lab.ports.submission[0],
        lab.ports.submissions[0],
        lab.ports.inbound[0],
        lab.ports.http[0],
        lab.folder.join("relent.toml").display()
    ));
}

fn title(text: &str) {
    say(&format!("\n{text}\n"));
}

fn indent(text: &str) -> String {
    text.trim_end()
        .lines()
        .map(|line| format!("   {line}\n"))
        .collect::<String>()
        .trim_end()
        .to_owned()
}

/// To standard output; a closed pipe is the reader's choice and no fault.
fn say(text: &str) {
    let _ = writeln!(std::io::stdout().lock(), "{text}");
}
