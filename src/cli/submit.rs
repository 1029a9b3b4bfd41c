//! One submission by mail-send: to our own listener, or to one that is named, always over TLS.

use super::client::Fault;
use crate::config::Config;
use crate::doctor;
use crate::mail::Address;
use mail_send::{Error, SmtpClient, SmtpClientBuilder};
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use std::fmt;
use std::io::{BufRead, IsTerminal, Write};
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};

/// Longest wait for one reply: a message is answered when it is on disk.
const REPLY_MAX: Duration = Duration::from_secs(60);
/// Longest password.
const PASSWORD_MAX: u64 = 1024;

/// Where a message is handed in.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Door {
    host: String,
    port: u16,
    is_implicit: bool,
    /// The address, where it is one of this machine's: whose certificate that is, is then known.
    pub(super) ip: Option<IpAddr>,
}

impl fmt::Display for Door {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ip {
            Some(ip) => SocketAddr::new(ip, self.port).fmt(f),
            None => write!(f, "{}:{}", self.host, self.port),
        }
    }
}

impl Door {
    /// The one that is named; port 465 speaks TLS from the first byte.
    pub(super) fn named(text: &str) -> Result<Self, String> {
        let read = text.rsplit_once(':').and_then(|(host, port)| Some((host, port.parse().ok()?)));
        match read {
            Some((host, port)) if !host.is_empty() => {
                Ok(Self { host: host.into(), port, is_implicit: port == 465, ip: None })
            }
            _ => Err(format!("--server {text}: write HOST:PORT, as in mail.example.com:587")),
        }
    }

    /// The first listener of the settings for applications.
    pub(super) fn own(config: &Config) -> Result<Self, String> {
        let listen = &config.listen;
        let (key, listed) = match listen.submission.is_empty() {
            false => ("submission", &listen.submission),
            true => ("submissions", &listen.submissions),
        };
        let first = doctor::addresses(config, key, listed).into_iter().next();
        let address = first.ok_or(
            "no listener takes mail from applications: set [listen] submission, or name a --server",
        )?;
        if address.port() == 0 {
            return Err("[listen] has port 0, and data_dir/ports.json does not say which it became: is the \
                        daemon running, and may this user read its data_dir?"
                .into());
        }
        Ok(Self {
            host: address.ip().to_string(),
            port: address.port(),
            is_implicit: key == "submissions",
            ip: Some(address.ip()),
        })
    }

    fn builder(&self) -> Result<SmtpClientBuilder<String>, String> {
        let host = match self.ip {
            Some(IpAddr::V6(ip)) => format!("[{ip}]"),
            _ => self.host.clone(),
        };
        let builder = SmtpClientBuilder::new(host, self.port)?
            .implicit_tls(self.is_implicit)
            .timeout(REPLY_MAX);
        // Our own certificate may be one that nobody vouches for; who is at the other end is known.
        Ok(if self.ip.is_some() { builder.allow_invalid_certs() } else { builder })
    }
}

/// Who logs in. Never shown.
pub(super) struct Login {
    pub(super) user: String,
    pub(super) password: String,
}

/// What is handed in.
pub(super) struct Envelope<'a> {
    pub(super) from: &'a Address,
    pub(super) to: &'a [Address],
    pub(super) message: &'a [u8],
}

/// What was answered.
#[derive(Debug)]
pub(super) struct Verdict {
    /// To each recipient.
    pub(super) replies: Vec<(String, String)>,
    /// To the message; none where no recipient was taken.
    pub(super) reply: Option<String>,
    /// Its id, where it was taken.
    pub(super) id: Option<String>,
}

/// Hands a message in.
pub(super) async fn submit(
    door: &Door,
    login: &Login,
    envelope: &Envelope<'_>,
) -> Result<Verdict, Fault> {
    let builder = door.builder().map_err(Fault::Refused)?;
    let connected = builder
        .helo_host("relent-send.invalid")
        .credentials((login.user.clone(), login.password.clone()))
        .connect()
        .await;
    let mut client = connected.map_err(|fault| said(door, &fault))?;
    let verdict = converse(&mut client, envelope).await.map_err(|fault| said(door, &fault))?;
    // What was answered stands, whether the goodbye is heard or not.
    let _ = client.quit().await;
    Ok(verdict)
}

async fn converse<S>(client: &mut SmtpClient<S>, envelope: &Envelope<'_>) -> Result<Verdict, Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let is_wide = envelope.from.needs_smtputf8() || envelope.to.iter().any(Address::needs_smtputf8);
    let more = if is_wide { " SMTPUTF8" } else { "" };
    let mail = ask(client, &format!("MAIL FROM:<{}>{more}\r\n", envelope.from)).await?;
    let mut verdict = Verdict { replies: Vec::new(), reply: None, id: None };
    if !mail.starts_with('2') {
        let refused = |to: &Address| (to.to_string(), mail.clone());
        verdict.replies = envelope.to.iter().map(refused).collect();
        return Ok(verdict);
    }
    for to in envelope.to {
        let reply = ask(client, &format!("RCPT TO:<{to}>\r\n")).await?;
        verdict.replies.push((to.to_string(), reply));
    }
    if !verdict.replies.iter().any(|(_, reply)| reply.starts_with('2')) {
        return Ok(verdict);
    }
    let go = ask(client, "DATA\r\n").await?;
    let reply = match go.starts_with("354") {
        true => ask_bytes(client, &stuffed(envelope.message)).await?,
        false => go,
    };
    if let Some(rest) = reply.strip_prefix("250 2.0.0 ") {
        verdict.id = rest.split(' ').next().map(str::to_owned);
    }
    verdict.reply = Some(reply);
    Ok(verdict)
}

/// A message whose lines end as they must, with its dots stuffed and the one that ends it.
fn stuffed(message: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(message.len() + 64);
    for line in message.split_inclusive(|byte| *byte == b'\n') {
        if line.starts_with(b".") {
            out.push(b'.');
        }
        out.extend_from_slice(line);
    }
    out.extend_from_slice(b".\r\n");
    out
}

async fn ask<S>(client: &mut SmtpClient<S>, line: &str) -> Result<String, Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    ask_bytes(client, line.as_bytes()).await
}

async fn ask_bytes<S>(client: &mut SmtpClient<S>, bytes: &[u8]) -> Result<String, Error>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let reply = client.cmd(bytes).await?;
    Ok(spelt(reply.code(), reply.esc, reply.message()))
}

fn spelt(code: u16, [class, subject, detail]: [u8; 3], text: &str) -> String {
    let status = if class == 0 { String::new() } else { format!("{class}.{subject}.{detail} ") };
    format!("{code} {status}{}", text.trim().replace('\n', " "))
}

/// What went wrong on the way, and what to do.
fn said(door: &Door, fault: &Error) -> Fault {
    Fault::Refused(match fault {
        // The name and the password are right: something else keeps them out (RFC 4954 §6 has 5.7.8 for wrong ones).
        Error::AuthenticationFailed(reply) if reply.esc == [5, 7, 1] => {
            format!("{door} takes nothing: {}", spelt(reply.code, reply.esc, &reply.message))
        }
        Error::AuthenticationFailed(reply) => format!(
            "{door} does not know this user and password: {}; `relent credential list ACCOUNT` shows who may \
             log in",
            spelt(reply.code, reply.esc, &reply.message)
        ),
        Error::UnexpectedReply(reply) => {
            format!("{door} said {}", spelt(reply.code, reply.esc, &reply.message))
        }
        Error::Io(fault) if fault.kind() == std::io::ErrorKind::ConnectionRefused => {
            let text = format!(
                "nobody takes connections at {door}: is the daemon running, and is this the port of \
                 [listen] submission?"
            );
            return Fault::Unreachable(text);
        }
        Error::Io(fault) => {
            return Fault::Unreachable(format!("{door} cannot be spoken to: {fault}"));
        }
        Error::MissingStartTls => format!(
            "{door} offers no STARTTLS, and a password is never sent in the clear: name a port that does"
        ),
        Error::Timeout => format!("{door} has not answered within {} s", REPLY_MAX.as_secs()),
        Error::UnparseableReply => {
            format!("{door} closed the connection, or does not speak SMTP; its log says more")
        }
        fault => format!("{door}: {fault}"),
    })
}

/// The password: from a file, from the terminal without showing it, or the first line that comes in.
pub(super) fn password(file: Option<&Path>) -> Result<String, Fault> {
    use std::io::Read;
    let broken = |fault: std::io::Error| Fault::Usage(format!("no password: {fault}"));
    let text = match file {
        Some(path) => {
            let told = |fault| Fault::Usage(format!("--password-file {}: {fault}", path.display()));
            let file = std::fs::File::open(path).map_err(told)?;
            let mut text = String::new();
            file.take(PASSWORD_MAX).read_to_string(&mut text).map_err(told)?;
            text
        }
        None => asked().map_err(broken)?,
    };
    let password = text.trim_end_matches(['\r', '\n']).to_owned();
    if password.is_empty() {
        return Err(Fault::Usage("the password is empty: name --password-file, or type it".into()));
    }
    Ok(password)
}

fn asked() -> std::io::Result<String> {
    let stdin = std::io::stdin();
    let mut line = String::new();
    if !stdin.is_terminal() {
        std::io::Read::take(stdin.lock(), PASSWORD_MAX).read_line(&mut line)?;
        return Ok(line);
    }
    let before = tcgetattr(&stdin)?;
    let mut silent = before.clone();
    silent.local_modes.remove(LocalModes::ECHO);
    write!(std::io::stderr().lock(), "Password: ")?;
    tcsetattr(&stdin, OptionalActions::Flush, &silent)?;
    let read = stdin.lock().read_line(&mut line);
    tcsetattr(&stdin, OptionalActions::Flush, &before)?;
    writeln!(std::io::stderr().lock())?;
    read.map(|_| line)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_named_with_its_port() {
        let door = Door::named("mail.example.com:465").expect("a door");
        assert!(door.is_implicit && door.ip.is_none());
        assert_eq!(door.to_string(), "mail.example.com:465");
        for wrong in ["mail.example.com", ":587", "mail.example.com:smtp"] {
            assert!(Door::named(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn our_own_listener_is_found_by_the_settings() {
        let home = tempfile::tempdir().expect("a folder");
        let mut config = Config::default();
        let door = Door::own(&config).expect("587");
        assert_eq!(door.to_string(), "127.0.0.1:587");
        config.data_dir = home.path().into();
        config.listen.submission = vec![SocketAddr::from(([0, 0, 0, 0], 0))];
        assert!(Door::own(&config).expect_err("no ports").contains("ports.json"));
        std::fs::write(home.path().join("ports.json"), r#"{"submission":[4711]}"#)
            .expect("written");
        assert_eq!(Door::own(&config).expect("found").to_string(), "127.0.0.1:4711");
        config.listen.submission = Vec::new();
        assert!(Door::own(&config).expect("465").is_implicit);
        config.listen.submissions = Vec::new();
        assert!(Door::own(&config).expect_err("none").contains("[listen] submission"));
    }

    #[test]
    fn no_line_of_a_message_ends_it() {
        assert_eq!(stuffed(b"a\r\n.\r\n..b\r\n"), b"a\r\n..\r\n...b\r\n.\r\n");
    }
}
