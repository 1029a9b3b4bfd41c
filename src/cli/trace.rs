//! `relent trace`: one message from its acceptance to its end, or SMTP sessions as they are spoken. Nothing is
//! recorded for it: what is seen is what happens while somebody looks.

use super::arguments::Form;
use super::client::{Client, Event, Fault, path, query};
use super::paint::{Ink, Paint};
use super::queue::waits;
use super::show;
use clap::Args;
use serde_json::{Value, json};
use std::net::IpAddr;
use std::time::Duration;

/// The pause between two looks at what became of a message.
const LOOK: Duration = Duration::from_millis(250);

/// What is followed: one of these at least, and what fits all of them.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub(super) struct Followed {
    /// A message: all that has happened to it, then what happens, until it has ended.
    #[arg(value_name = "ID", conflicts_with_all = ["all", "session", "address", "user", "site"])]
    message: Option<String>,
    /// All sessions.
    #[arg(long, conflicts_with_all = ["session", "address", "user", "site"])]
    all: bool,
    /// The session of this number, until it ends.
    #[arg(long, value_name = "NUMBER")]
    session: Option<u64>,
    /// Sessions from or to this address.
    #[arg(long, value_name = "IP")]
    address: Option<IpAddr>,
    /// Sessions of who has logged in with this credential, as in app or acme/app, from AUTH on.
    #[arg(long, value_name = "NAME")]
    user: Option<String>,
    /// Sessions with this mail server, or that bring mail to this domain.
    #[arg(long, value_name = "HOST|DOMAIN")]
    site: Option<String>,
}

/// `relent trace …`
#[derive(Debug, Args)]
pub(super) struct Trace {
    #[command(flatten)]
    followed: Followed,
    #[command(flatten)]
    form: Form,
}

/// Shows it until it ends, or the reader does.
pub(super) async fn trace(client: &Client, asked: Trace) -> Result<(), Fault> {
    let Trace { followed, form } = asked;
    let session = followed.session.map(|number| number.to_string());
    let address = followed.address.map(|address| address.to_string());
    let pairs = query(&[
        ("message", followed.message.as_deref()),
        ("session", session.as_deref()),
        ("address", address.as_deref()),
        ("user", followed.user.as_deref()),
        ("site", followed.site.as_deref()),
    ]);
    // Looked on first, so that nothing falls between what has happened and what happens.
    let mut events = client.follow(&format!("/trace{pairs}")).await?;
    let shown = Shown { form, paint: form.color.out() };
    let Some(id) = followed.message else {
        if !form.json {
            show::aside("looking on; Ctrl-C ends it");
        }
        loop {
            let Some(event) = ended_or(events.next()).await? else { return Ok(()) };
            shown.event(&event)?;
            let is_end = event.data["voice"] == "note" && event.data["text"] == "ended";
            if session.is_some() && is_end {
                return Ok(());
            }
        }
    };
    let mut known = 0;
    loop {
        let message = client.get(&path(&["messages", &id])).await?;
        let all = show::items(&message["events"], "events");
        for event in all.iter().skip(known) {
            shown.happened(event)?;
        }
        known = known.max(all.len());
        if has_ended(&message) {
            return Ok(());
        }
        let pause = tokio::time::sleep(LOOK);
        tokio::pin!(pause);
        loop {
            tokio::select! {
                // What was said stands before what became of it.
                biased;
                event = ended_or(events.next()) => match event? {
                    Some(event) => shown.event(&event)?,
                    None => return Ok(()),
                },
                () = &mut pause => break,
            }
        }
    }
}

/// Waits for what comes, or for the reader's Ctrl-C, which is no fault.
pub(super) async fn ended_or<T>(
    next: impl Future<Output = Result<Option<T>, Fault>>,
) -> Result<Option<T>, Fault> {
    tokio::select! {
        found = next => found,
        _ = tokio::signal::ctrl_c() => Ok(None),
    }
}

fn has_ended(message: &Value) -> bool {
    let recipients = show::items(&message["recipients"], "recipients");
    !recipients.is_empty() && !recipients.iter().any(waits)
}

/// How it is shown.
struct Shown {
    form: Form,
    paint: Paint,
}

impl Shown {
    /// A line of a session, or that some were lost.
    fn event(&self, event: &Event) -> Result<(), Fault> {
        if self.form.json {
            return show::line(&json!({ event.kind.as_str(): event.data }).to_string());
        }
        show::line(&seen(event, self.paint))
    }

    /// What happened to the message.
    fn happened(&self, event: &Value) -> Result<(), Fault> {
        if self.form.json {
            return show::line(&json!({ "event": event }).to_string());
        }
        show::line(&told(event, self.paint))
    }
}

/// A line of a session, or that some were lost, as people read it.
fn seen(event: &Event, paint: Paint) -> String {
    if event.kind != "lost" {
        return spoken(&event.data, paint);
    }
    let count = &event.data["lost"];
    let text = format!("{count} lines were lost: they came faster than they were read");
    paint.text(Some(Ink::Warn), &text)
}

/// The clock of a moment.
fn clock(value: &Value) -> String {
    let text = value.as_str().unwrap_or_default();
    let time = text.split_once('T').map_or(text, |(_, time)| time);
    show::clean(time.trim_end_matches('Z'))
}

/// A line of a session as people read it: when, which, with whom, and who says what.
fn spoken(line: &Value, paint: Paint) -> String {
    let text = |key: &str| line[key].as_str().map(show::clean);
    let whom = text("host").or_else(|| text("peer")).unwrap_or_default();
    let (arrow, ink) = match line["voice"].as_str() {
        Some("us") => ("→", None),
        Some("peer") => ("←", None),
        _ => ("·", Some(Ink::Head)),
    };
    let words = text("text").unwrap_or_default();
    let answer = words.get(..1).filter(|_| words.get(3..4).is_none_or(|c| c == " " || c == "-"));
    let ink = match answer {
        Some("4") if line["voice"] != "note" => Some(Ink::Warn),
        Some("5") if line["voice"] != "note" => Some(Ink::Bad),
        _ => ink,
    };
    let words = paint.text(ink, &words);
    format!("{}  #{} {} {whom} {arrow} {words}", clock(&line["at"]), line["session"], short(line))
}

/// What a session is for, in one letter less than a word.
fn short(line: &Value) -> &'static str {
    match line["kind"].as_str() {
        Some("submission") => "app",
        Some("inbound") => "in",
        _ => "out",
    }
}

/// What happened to a message as people read it.
fn told(event: &Value, paint: Paint) -> String {
    let text = |key: &str| event[key].as_str().map(show::clean);
    let kind = text("kind").or_else(|| text("event")).unwrap_or_default();
    let word = kind.rsplit('.').next().unwrap_or_default();
    let painted = paint.text(Ink::of(word).or(Some(Ink::Head)), &kind);
    let mut rest: Vec<String> = Vec::new();
    for key in ["recipient", "recipients", "relay", "status", "text"] {
        if !event[key].is_null() {
            rest.push(show::cell(key, &event[key]));
        }
    }
    format!("{}  {painted}  {}", clock(&event["at"]), rest.join("  "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_when_with_whom_and_who_speaks() {
        let line = json!({"at": "2026-03-01T09:30:00Z", "session": 7, "kind": "delivery",
            "peer": "192.0.2.1:25", "host": "mx.reader.example", "voice": "peer",
            "text": "550 5.1.1 no\u{1b}[2J"});
        assert_eq!(
            spoken(&line, Paint(false)),
            "09:30:00  #7 out mx.reader.example ← 550 5.1.1 no [2J"
        );
        assert!(spoken(&line, Paint(true)).contains("\x1b[31m550"));
        let nobody = json!({"at": "2026-03-01T09:30:00Z", "session": 8, "kind": "submission",
            "peer": "192.0.2.1:4000", "host": null, "voice": "us", "text": "220 hello"});
        assert_eq!(spoken(&nobody, Paint(false)), "09:30:00  #8 app 192.0.2.1:4000 → 220 hello");
    }

    #[test]
    fn lines_that_were_lost_are_counted_for_who_looks_on() {
        let lost = Event { kind: "lost".into(), data: json!({ "lost": 7 }) };
        assert!(seen(&lost, Paint(false)).starts_with("7 lines were lost: "));
    }

    #[test]
    fn a_message_has_ended_once_all_its_recipients_have() {
        let of = |states: &[&str]| {
            let all: Vec<_> = states.iter().map(|state| json!({ "state": state })).collect();
            has_ended(&json!({ "recipients": all }))
        };
        assert!(of(&["delivered", "failed"]) && !of(&["delivered", "queued"]) && !of(&[]));
    }
}
