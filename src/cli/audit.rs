//! Verbs about what was done and by whom.

use super::arguments::{Form, moment};
use super::client::{Client, Fault, path, query};
use super::show::{self, Column};
use crate::mail::Timestamp;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

/// Which entries are meant.
#[derive(Debug, Args)]
pub(super) struct Meant {
    /// Of one account, or `global`.
    #[arg(long, value_name = "ACCOUNT")]
    account: Option<String>,
    /// By whom: operator, operator:NAME, credential:NAME, member:NUMBER, person, relent.
    #[arg(long, value_name = "WHO")]
    actor: Option<String>,
    /// Of what: a noun as in suppression, or what was done to it, as in suppression.lifted.
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    /// Written then or later.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    since: Option<Timestamp>,
    /// Written before then.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    until: Option<Timestamp>,
}

#[derive(Debug, Subcommand)]
pub(super) enum AuditVerb {
    /// Look at the whole chain: what was changed, cut off or put in is named.
    Verify {
        /// A head that was noted elsewhere, as `audit head` prints it.
        #[arg(long, value_name = "SEQUENCE:HASH")]
        head: Option<String>,
        /// Read the records on disk, while the daemon is stopped.
        #[arg(long)]
        offline: bool,
        #[command(flatten)]
        form: Form,
    },
    /// List what was done, newest first.
    List {
        #[command(flatten)]
        meant: Meant,
        /// Most entries to show.
        #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(1..=1000))]
        limit: Option<u16>,
        #[command(flatten)]
        form: Form,
    },
    /// Show one entry.
    Show {
        /// Its number.
        sequence: u64,
        #[command(flatten)]
        form: Form,
    },
    /// Write what was done, oldest first, as JSON Lines.
    Export {
        #[command(flatten)]
        meant: Meant,
    },
    /// Print the head of the chain, to be kept where nobody here can change it.
    Head {
        #[command(flatten)]
        form: Form,
    },
}

const ENTRY: [Column; 7] = [
    ("SEQUENCE", "sequence"),
    ("AT", "at"),
    ("ACTOR", "actor"),
    ("KIND", "kind"),
    ("ACCOUNT", "account"),
    ("ABOUT", "about"),
    ("DETAILS", "details"),
];

const WHOLE: [Column; 12] = [
    ("sequence", "sequence"),
    ("at", "at"),
    ("actor", "actor"),
    ("kind", "kind"),
    ("account", "account"),
    ("about", "about"),
    ("recipient", "recipient"),
    ("event", "event"),
    ("details", "details"),
    ("words", "words"),
    ("digest", "digest"),
    ("bound", "bound"),
];

impl Meant {
    /// As the API takes it, beside an order and a limit.
    fn asked(&self, order: &str, limit: Option<u16>) -> Vec<(&'static str, Option<String>)> {
        let moment = |at: Option<Timestamp>| at.map(|at| at.to_string());
        vec![
            ("account", self.account.clone()),
            ("actor", self.actor.clone()),
            ("kind", self.kind.clone()),
            ("since", moment(self.since)),
            ("until", moment(self.until)),
            ("order", Some(order.to_owned())),
            ("limit", limit.map(|limit| limit.to_string())),
        ]
    }
}

/// What was done to whom stands in one column of a listing.
fn about(mut entry: Value) -> Value {
    if entry["about"].is_null() {
        entry["about"] = match &entry["words"] {
            Value::Null => entry["recipient"].take(),
            gone => gone.clone(),
        };
    }
    entry
}

/// `relent audit …`
pub(super) async fn audit(client: &Client, verb: AuditVerb) -> Result<(), Fault> {
    match verb {
        AuditVerb::Verify { head, form, .. } => verify(client, head.as_deref(), form).await,
        AuditVerb::List { meant, limit, form } => list(client, &meant, limit, form).await,
        AuditVerb::Show { sequence, form } => {
            let entry = client.get(&path(&["audit", &sequence.to_string()])).await?;
            if form.json {
                return show::json(&entry);
            }
            show::put(&show::fields(&entry, &WHOLE))
        }
        AuditVerb::Export { meant } => export(client, &meant).await,
        AuditVerb::Head { form } => {
            let head = client.get("/audit/head").await?;
            if form.json {
                return show::json(&head);
            }
            let bound = head["bound"].as_str().unwrap_or_default();
            show::line(&format!("{}:{bound}", head["sequence"]))
        }
    }
}

/// Pages of entries, as long as there are.
async fn pages(
    client: &Client,
    asked: &[(&'static str, Option<String>)],
    mut each: impl FnMut(Vec<Value>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let is_limited = asked.iter().any(|(name, value)| *name == "limit" && value.is_some());
    let mut after: Option<String> = None;
    loop {
        let mut pairs: Vec<_> =
            asked.iter().map(|(name, value)| (*name, value.as_deref())).collect();
        pairs.push(("after", after.as_deref()));
        let page = client.get(&format!("/audit{}", query(&pairs))).await?;
        let items = show::items(&page, "items").to_vec();
        let is_full = is_limited && !items.is_empty();
        each(items)?;
        after = show::next(&page, after.as_deref());
        if after.is_none() || is_full {
            return Ok(());
        }
    }
}

async fn list(client: &Client, meant: &Meant, limit: Option<u16>, form: Form) -> Result<(), Fault> {
    let mut table = show::Table::new(&ENTRY).painted(form);
    let mut count = 0;
    let asked = meant.asked("newest", limit);
    pages(client, &asked, |items| {
        for entry in items {
            if form.json {
                show::put(&format!("{}\n  {entry}", if count > 0 { "," } else { "[" }))?;
            } else {
                show::put(&table.rows(&[about(entry)]))?;
            }
            count += 1;
        }
        Ok(())
    })
    .await?;
    match (form.json, count) {
        (true, 0) => show::line("[]"),
        (true, _) => show::line("\n]"),
        (false, 0) => show::line("nothing of that kind was done"),
        (false, _) => Ok(()),
    }
}

async fn export(client: &Client, meant: &Meant) -> Result<(), Fault> {
    let asked = meant.asked("oldest", None);
    pages(client, &asked, |items| items.iter().try_for_each(|e| show::line(&e.to_string()))).await
}

/// What a check has found so far.
#[derive(Default)]
pub(super) struct Found {
    entries: u64,
    erased: u64,
    expired: u64,
    restored: Option<String>,
    findings: Vec<String>,
}

impl Found {
    /// Adds a page as the API has it.
    fn add(&mut self, page: &Value) {
        let count = |key: &str| page[key].as_u64().unwrap_or_default();
        self.entries += count("looked");
        self.erased += count("erased");
        self.expired += count("expired");
        self.restored = self.restored.take().or_else(|| page["restored"].as_str().map(Into::into));
        let found = show::items(page, "findings").iter();
        self.findings.extend(found.filter_map(|text| text.as_str().map(Into::into)));
    }

    /// Says it, and fails where something is wrong.
    pub(super) fn say(&self, form: Form) -> Result<(), Fault> {
        let is_whole = self.findings.is_empty();
        if form.json {
            show::json(&json!({
                "whole": is_whole,
                "entries": self.entries,
                "erased": self.erased,
                "expired": self.expired,
                "restored": self.restored,
                "findings": self.findings,
            }))?;
        } else {
            for finding in &self.findings {
                show::line(finding)?;
            }
            if let Some(restored) = self.restored.as_ref().filter(|_| !is_whole) {
                show::line(restored)?;
            }
        }
        if !is_whole {
            let count = self.findings.len();
            return Err(Fault::Refused(format!(
                "the audit chain was changed: {count} findings in {} entries",
                self.entries
            )));
        }
        if form.json {
            return Ok(());
        }
        let mut text = format!("the audit chain is whole: {} entries", self.entries);
        for (count, what) in [(self.erased, "erased"), (self.expired, "expired")] {
            if count > 0 {
                text += &format!(", the words of {count} {what}");
            }
        }
        if let Some(restored) = &self.restored {
            text += &format!("; {restored}");
        }
        show::line(&text)
    }

    /// Adds what an offline check has found.
    pub(super) fn of(checked: &crate::daemon::audit::Checked) -> Self {
        let findings = checked.findings.clone();
        let (entries, erased) = (checked.looked, checked.erased);
        let restored = checked.restored.clone();
        Self { entries, erased, expired: checked.expired, restored, findings }
    }
}

async fn verify(client: &Client, head: Option<&str>, form: Form) -> Result<(), Fault> {
    let (mut found, mut after) = (Found::default(), None::<String>);
    loop {
        let asked = query(&[("after", after.as_deref()), ("head", head)]);
        let page = client.get(&format!("/audit/verify{asked}")).await?;
        found.add(&page);
        after = show::next(&page, after.as_deref());
        if after.is_none() {
            return found.say(form);
        }
    }
}
