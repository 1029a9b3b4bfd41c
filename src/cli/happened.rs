//! Verbs about what happened to mail and to records: a listing, and a look on as it happens.

use super::arguments::{Form, Target, moment, target};
use super::client::{Client, Event, Fault, query};
use super::show::{self, Column, Table};
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
            let moment = |at: Option<Timestamp>| at.map(|at| at.to_string());
            list(client, &meant, [moment(since), moment(until)], limit, form).await
        }
        EventsVerb::Follow { meant, form } => follow(client, &meant, form).await,
    }
}

impl Meant {
    /// Asks the API for them, after the event of an id.
    fn asked(&self, more: &[(&str, Option<&str>)], after: Option<&str>) -> String {
        let kinds = self.kind.join(",");
        let mut pairs = vec![
            ("account", self.target.as_ref().map(|target| target.account.as_str())),
            ("stream", self.target.as_ref().and_then(|target| target.stream.as_deref())),
            ("recipient", self.address.as_deref()),
            ("kind", Some(kinds.as_str()).filter(|kinds| !kinds.is_empty())),
            ("after", after),
        ];
        pairs.extend_from_slice(more);
        query(&pairs)
    }
}

/// Whom an accepted message goes to stands in the column of the one person whom other events are about.
fn about(mut event: Value) -> Value {
    if event["recipient"].is_null() {
        event["recipient"] = event["recipients"].take();
    }
    event
}

async fn list(
    client: &Client,
    meant: &Meant,
    [since, until]: [Option<String>; 2],
    limit: Option<u64>,
    form: Form,
) -> Result<(), Fault> {
    let more = [("since", since.as_deref()), ("until", until.as_deref())];
    let mut table = Table::new(&EVENT).painted(form);
    let (mut count, mut after) = (0, meant.after.clone());
    loop {
        let page = client.get(&format!("/events{}", meant.asked(&more, after.as_deref()))).await?;
        let most = limit.map_or(u64::MAX, |limit| limit - count);
        let rows = show::items(&page, "items");
        let rows = &rows[..rows.len().min(usize::try_from(most).unwrap_or(usize::MAX))];
        if form.json {
            for (place, event) in (count..).zip(rows) {
                show::put(&format!("{}\n  {event}", if place > 0 { "," } else { "[" }))?;
            }
        } else if !rows.is_empty() {
            let rows: Vec<_> = rows.iter().cloned().map(about).collect();
            show::put(&table.rows(&rows))?;
        }
        count += rows.len() as u64;
        after = show::next(&page, after.as_deref());
        if after.is_none() || limit.is_some_and(|limit| count >= limit) {
            break;
        }
    }
    match (form.json, count) {
        (true, 0) => show::line("[]"),
        (true, _) => show::line("\n]"),
        (false, 0) => show::line("nothing of that kind happened"),
        (false, _) => Ok(()),
    }
}

async fn follow(client: &Client, meant: &Meant, form: Form) -> Result<(), Fault> {
    let mut table = Table::new(&EVENT).painted(form);
    let mut after = meant.after.clone();
    let mut is_first = true;
    loop {
        let path = format!("/events/follow{}", meant.asked(&[], after.as_deref()));
        let mut events = client.follow(&path).await?;
        if std::mem::take(&mut is_first) && !form.json {
            show::aside("looking on; Ctrl-C ends it");
        }
        let fault = loop {
            match ended_or(events.next()).await {
                Ok(Some(Event { data, .. })) if form.json => show::line(&data.to_string())?,
                Ok(Some(Event { data, .. })) => show::put(&table.rows(&[about(data)]))?,
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
