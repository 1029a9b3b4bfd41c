//! `relent send`: a test message through the relay's own submission, as an application would hand it in:
//! TLS, AUTH, MAIL, RCPT, DATA. It shows the answer to each recipient, and what became of it.

use super::arguments::{Form, Target, stream_target};
use super::client::{Client, Fault, path};
use super::letter;
use super::queue::waits;
use super::show::{self, Column};
use super::submit::{self, Door, Envelope, Login, Verdict};
use crate::config::Span;
use crate::mail::Address;
use clap::Args;
use jiff::{SignedDuration, Timestamp};
use ring::rand::{SecureRandom, SystemRandom};
use serde_json::{Value, json};
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

/// How long a credential lives that is made for one message, should nobody be left to remove it.
const CREDENTIAL_AGE: SignedDuration = SignedDuration::from_mins(10);
/// The pause between two looks at what became of a message.
const LOOK: Duration = Duration::from_millis(200);
/// Most accounts that are asked whether a domain is theirs.
const ACCOUNTS_MAX: usize = 1000;

const BECAME: [Column; 5] = [
    ("RECIPIENT", "recipient"),
    ("STATE", "state"),
    ("STATUS", "status"),
    ("SERVER", "relay"),
    ("SAID", "text"),
];

fn address(text: &str) -> Result<Address, String> {
    Address::parse(text).map_err(|fault| fault.to_string())
}

/// `relent send …`
#[derive(Debug, Args)]
pub(super) struct Sending {
    /// The sender, in a domain that an account sends from.
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    from: Address,
    /// A recipient; may be given more than once.
    #[arg(long, required = true, value_name = "ADDRESS", value_parser = address)]
    to: Vec<Address>,
    /// The subject.
    #[arg(long, default_value = "A test message", conflicts_with = "file")]
    subject: String,
    /// The text.
    #[arg(long, value_name = "TEXT", default_value = letter::TEXT, conflicts_with = "file")]
    body: String,
    /// A whole message with its header in place of these; `-` is standard input.
    #[arg(long, value_name = "FILE")]
    file: Option<PathBuf>,
    /// The credential to log in with, as in app or app/newsletter [default: one that is made for this
    /// message over the admin socket, and removed].
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// The file with its password [default: it is asked for].
    #[arg(long, value_name = "FILE", requires = "user")]
    password_file: Option<PathBuf>,
    /// The stream to send on, where no credential is named [default: the account's only one, or its only
    /// transactional one].
    #[arg(long, value_name = "ACCOUNT/STREAM", value_parser = stream_target, conflicts_with = "user")]
    stream: Option<Target>,
    /// The relay to hand it to, by a name that its certificate has [default: the one of these settings].
    #[arg(long, value_name = "HOST:PORT", requires = "user")]
    server: Option<String>,
    /// Wait until every recipient has come to an end, and say to which.
    #[arg(long, value_name = "TIME", num_args = 0..=1, require_equals = true, default_missing_value = "5m")]
    wait: Option<Span>,
    #[command(flatten)]
    form: Form,
}

/// A credential for one message, with the account that it belongs to.
struct Lent {
    account: String,
    name: String,
    login: Login,
}

/// Sends it, says what was answered, and with `--wait` what became of it.
pub(super) async fn send(client: &Client, sending: Sending) -> Result<(), Fault> {
    let message = sending.message(client)?;
    let door = match &sending.server {
        Some(server) => Door::named(server).map_err(Fault::Usage)?,
        None => Door::own(&client.config).map_err(Fault::Refused)?,
    };
    let envelope = Envelope { from: &sending.from, to: &sending.to, message: &message };
    let form = sending.form;
    let verdict = if let Some(user) = &sending.user {
        let password = submit::password(sending.password_file.as_deref())?;
        let login = Login { user: user.clone(), password };
        submit::submit(&door, &login, &envelope).await?
    } else {
        let (account, stream) = sending.stream(client).await?;
        let lent = lend(client, account, &stream, &door).await?;
        let sent = tokio::select! {
            sent = submit::submit(&door, &lent.login, &envelope) => sent,
            _ = tokio::signal::ctrl_c() => Err(Fault::Refused("interrupted".into())),
        };
        let place = path(&["accounts", &lent.account, "credentials", &lent.name]);
        if let Err(fault) = client.delete(&place, None).await {
            show::aside(&format!(
                "the credential {} that was made for this is not removed ({fault}); it ends by itself in \
                 ten minutes, or with `relent credential remove {} {}`",
                lent.name, lent.account, lent.name
            ));
        }
        sent?
    };
    let mut told = told(&verdict, &door);
    if !form.json {
        spoken(&verdict)?;
    }
    let became = match (sending.wait, &verdict.id) {
        (Some(longest), Some(id)) => Some(await_end(client, id, longest.0).await?),
        _ => None,
    };
    if let Some(found) = &became {
        told["became"] = found["recipients"].clone();
    }
    if form.json {
        show::json(&told)?;
    } else if let Some(found) = &became {
        show::line("")?;
        show::table(&BECAME, show::items(&found["recipients"], "recipients"), form)?;
    }
    judged(&verdict, became.as_ref())
}

impl Sending {
    /// The message: one that was written, or one from a file.
    fn message(&self, client: &Client) -> Result<Vec<u8>, Fault> {
        match &self.file {
            Some(file) => letter::read(file, client.message_size_max),
            None => Ok(letter::write(&self.from, &self.to, &self.subject, &self.body)),
        }
    }

    /// The account and the stream that are meant, or follow from the sender's domain.
    async fn stream(&self, client: &Client) -> Result<(String, String), Fault> {
        if let Some(Target { account, stream: Some(stream) }) = &self.stream {
            return Ok((account.clone(), stream.clone()));
        }
        let domain = self.from.domain().as_str();
        let accounts = show::all(client, "/accounts").await?;
        let mut owners = Vec::new();
        for account in accounts.iter().take(ACCOUNTS_MAX) {
            let Some(name) = account["name"].as_str() else { continue };
            match client.get(&path(&["accounts", name, "domains", domain])).await {
                Ok(_) => owners.push(name.to_owned()),
                Err(Fault::Refused(_)) => {}
                Err(fault) => return Err(fault),
            }
        }
        let account = match &owners[..] {
            [one] => one.clone(),
            [] => {
                return Err(Fault::Refused(format!(
                    "no account sends from {domain}: `relent domain add ACCOUNT {domain}` adds it, and \
                     `relent domain list ACCOUNT` shows what is there"
                )));
            }
            several => {
                return Err(Fault::Refused(format!(
                    "several accounts send from {domain}: name one and its stream, as in --stream {}/STREAM",
                    several.join("/STREAM or --stream ")
                )));
            }
        };
        let streams = show::all(client, &path(&["accounts", &account, "streams"])).await?;
        let kind = |stream: &&Value| stream["kind"] == "transactional";
        let mut transactional = streams.iter().filter(kind);
        let only = match (&streams[..], transactional.next(), transactional.next()) {
            ([one], _, _) | (_, Some(one), None) => one["name"].as_str(),
            _ => None,
        };
        let stream = only.ok_or_else(|| {
            let names: Vec<_> = streams.iter().filter_map(|one| one["name"].as_str()).collect();
            Fault::Refused(match names.is_empty() {
                true => format!(
                    "account {account} has no stream: `relent stream add {account} test --kind transactional` \
                     makes one"
                ),
                false => format!(
                    "account {account} has several streams ({}): name one, as in --stream {account}/{}",
                    names.join(", "),
                    names[0]
                ),
            })
        })?;
        Ok((account, stream.to_owned()))
    }
}

/// Makes a credential that may send on this stream, from this machine, for ten minutes.
async fn lend(client: &Client, account: String, stream: &str, door: &Door) -> Result<Lent, Fault> {
    let mut drawn = [0; 4];
    SystemRandom::new()
        .fill(&mut drawn)
        .map_err(|_| Fault::Refused("the system gives no random bytes".into()))?;
    let name = format!("send-{:08x}", u32::from_be_bytes(drawn));
    let ends = Timestamp::now().saturating_add(CREDENTIAL_AGE);
    let ends = ends.map_err(|fault| Fault::Refused(fault.to_string()))?.to_string();
    let body = loan(&name, stream, &ends, door.ip);
    let made = client.post(&path(&["accounts", &account, "credentials"]), &body).await?;
    let password = made["password"].as_str().unwrap_or_default().to_owned();
    Ok(Lent { account, login: Login { user: name.clone(), password }, name })
}

/// What such a credential may do: no more than this message needs, should anybody else get hold of it.
fn loan(name: &str, stream: &str, ends: &str, ip: Option<IpAddr>) -> Value {
    let mut body = json!({ "name": name, "streams": [stream], "expires": ends });
    if let Some(ip) = ip {
        // Who connects to an address of this machine comes from it.
        body["allow"] = json!([ip.to_string()]);
    }
    body
}

/// What was answered, as JSON.
fn told(verdict: &Verdict, door: &Door) -> Value {
    let replies = verdict.replies.iter().map(
        |(to, reply)| json!({ "recipient": to, "taken": reply.starts_with('2'), "reply": reply }),
    );
    json!({
        "server": door.to_string(),
        "recipients": replies.collect::<Vec<_>>(),
        "reply": verdict.reply,
        "message": verdict.id,
    })
}

/// The same for people.
fn spoken(verdict: &Verdict) -> Result<(), Fault> {
    for (to, reply) in &verdict.replies {
        show::line(&show::clean(&format!("{to}: {reply}")))?;
    }
    if let Some(reply) = &verdict.reply {
        show::line(&show::clean(&format!("the message: {reply}")))?;
    }
    Ok(())
}

/// The message once every recipient has come to an end, or the time is over.
async fn await_end(client: &Client, id: &str, longest: Duration) -> Result<Value, Fault> {
    let begun = Instant::now();
    loop {
        let found = client.get(&path(&["messages", id])).await?;
        let all = show::items(&found["recipients"], "recipients");
        if !all.iter().any(waits) || begun.elapsed() >= longest {
            return Ok(found);
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Whether all went as it was meant to, and what to do where not.
fn judged(verdict: &Verdict, became: Option<&Value>) -> Result<(), Fault> {
    let Some(id) = &verdict.id else {
        return Err(Fault::Refused(match &verdict.reply {
            Some(_) => "the message was refused".into(),
            None => "no recipient was taken, so that nothing was sent; `relent explain` says why an address \
                     is refused"
                .into(),
        }));
    };
    if verdict.replies.iter().any(|(_, reply)| !reply.starts_with('2')) {
        return Err(Fault::Refused(format!(
            "{id} goes to the others; some recipients were refused"
        )));
    }
    let Some(found) = became else { return Ok(()) };
    let all = show::items(&found["recipients"], "recipients");
    if all.iter().any(waits) {
        return Err(Fault::Refused(format!(
            "{id} still waits: `relent queue show {id}` says why, `relent trace {id}` goes on watching"
        )));
    }
    if all.iter().any(|one| one["state"] != "delivered") {
        return Err(Fault::Refused(format!("{id} did not reach everybody")));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_for_one_message_may_do_no_more_than_bring_it() {
        let here = Some("127.0.0.1".parse().expect("an address"));
        let ends = "2026-03-01T00:10:00Z";
        let expected = json!({ "name": "send-1", "streams": ["receipts"], "expires": ends,
            "allow": ["127.0.0.1"] });
        assert_eq!(loan("send-1", "receipts", ends, here), expected);
    }
}
