//! Verbs about what happened to mail and to records: a listing, and a look on as it happens.

use super::arguments::{Form, Target, moment, target};
use super::client::{Client, Event, Fault, query};
use super::show::{self, Column, Listing, Table};
use super::trace::ended_or;
use crate::mail::Timestamp;
use clap::{Args, Subcommand};
use serde_json::Value;

/// Which events are meant.
#[derive(Debug, Args)]
pub(super) struct Meant {
    /// An account, a stream of it, or `global` [default: every account].
    #[arg(value_name = "ACCOUNT[/STREAM]", value_parser = target)]
    target: Option<Target>,
    /// Only those about this person or `@domain`.
    #[arg(value_name = "ADDRESS")]
    address: Option<String>,
    /// Only of these kinds, as in message.failed,recipient.suppressed.
    #[arg(long, value_name = "KIND", value_delimiter = ',')]
    kind: Vec<String>,
    /// Only those after the event of this id.
    #[arg(long, value_name = "ID")]
    after: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(super) enum EventsVerb {
    /// List what happened, oldest first.
    List {
        #[command(flatten)]
        meant: Meant,
        /// Only what happened then or later.
        #[arg(long, value_name = "TIME", value_parser = moment)]
        since: Option<Timestamp>,
        /// Only what happened before then.
        #[arg(long, value_name = "TIME", value_parser = moment)]
        until: Option<Timestamp>,
        /// Most events to show.
        #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
        limit: Option<u64>,
        #[command(flatten)]
        form: Form,
    },
    /// Show what happens as it happens, until Ctrl-C; with --after, what happened since, first.
    Follow {
        #[command(flatten)]
        meant: Meant,
        #[command(flatten)]
        form: Form,
    },
}

const EVENT: [Column; 10] = [
    ("ID", "id"),
    ("AT", "at"),
    ("KIND", "kind"),
    ("ACCOUNT", "account"),
    ("STREAM", "stream"),
    ("RECIPIENT", "recipient"),
    ("MESSAGE", "message"),
    ("REASON", "reason"),
    ("STATUS", "status"),
    ("TEXT", "text"),
];

/// `relent events …`
pub(super) async fn events(client: &Client, verb: EventsVerb) -> Result<(), Fault> {
    match verb {
        EventsVerb::List { meant, since, until, limit, form } => {
            list(client, &meant, [since, until], limit, form).await
        }
        EventsVerb::Follow { meant, form } => follow(client, &meant, form).await,
    }
}

impl Meant {
    /// Asks the API for them.
    fn asked(&self) -> Vec<(&'static str, Option<String>)> {
        let target = self.target.as_ref();
        vec![
            ("account", target.map(|target| target.account.clone())),
            ("stream", target.and_then(|target| target.stream.clone())),
            ("recipient", self.address.clone()),
            ("kind", Some(self.kind.join(",")).filter(|kinds| !kinds.is_empty())),
        ]
    }
}

/// Whom an accepted message goes to stands in the column of the one person whom other events are about.
fn about(event: &Value) -> Value {
    let mut event = event.clone();
    if event["recipient"].is_null() {
        event["recipient"] = event["recipients"].take();
    }
    event
}

async fn list(
    client: &Client,
    meant: &Meant,
    [since, until]: [Option<Timestamp>; 2],
    limit: Option<u64>,
    form: Form,
) -> Result<(), Fault> {
    let mut asked = meant.asked();
    asked.push(("since", since.map(|at| at.to_string())));
    asked.push(("until", until.map(|at| at.to_string())));
    let asked = borrowed(&asked);
    // As many as are asked for, whatever a page holds.
    let most = limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX);
    let (path, after) = ("/events", meant.after.clone());
    let listing = Listing { path, asked: &asked, columns: &EVENT, after, most, row: about };
    let count = listing.print(client, form).await?;
    if count == 0 && !form.json { show::line("nothing of that kind happened") } else { Ok(()) }
}

fn borrowed<'a>(pairs: &'a [(&'static str, Option<String>)]) -> Vec<(&'a str, Option<&'a str>)> {
    pairs.iter().map(|(name, value)| (*name, value.as_deref())).collect()
}

async fn follow(client: &Client, meant: &Meant, form: Form) -> Result<(), Fault> {
    let mut table = Table::new(&EVENT).painted(form);
    let mut after = meant.after.clone();
    let mut is_first = true;
    let asked = meant.asked();
    loop {
        let mut pairs = borrowed(&asked);
        pairs.push(("after", after.as_deref()));
        let path = format!("/events/follow{}", query(&pairs));
        let mut events = client.follow(&path).await?;
        if std::mem::take(&mut is_first) && !form.json {
            show::aside("looking on; Ctrl-C ends it");
        }
        let fault = loop {
            match ended_or(events.next()).await {
                Ok(Some(Event { data, .. })) if form.json => show::line(&data.to_string())?,
                Ok(Some(Event { data, .. })) => show::put(&table.rows(&[about(&data)]))?,
                Ok(None) => return Ok(()),
                Err(fault) => break fault,
            }
        };
        // The daemon lets nobody follow for ever on one connection.
        after = events.place().map(Into::into).or(after);
        if !client.is_there().await? {
            return Err(fault);
        }
    }
}
