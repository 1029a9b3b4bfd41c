//! Verbs about what a site's fault would make of addresses, or has made of them.

use super::arguments::{Form, moment};
use super::client::{Client, Fault, path};
use super::show::{self, Column};
use crate::mail::Timestamp;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

/// Stops of dead addresses, many at a time.
#[derive(Debug, Args)]
#[group(multiple = true)]
pub(super) struct Recall {
    /// Of the site whose mail servers called them dead, as in google.com; one of its servers names it too.
    #[arg(long)]
    pub(super) site: Option<String>,
    /// Made then or later.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(super) since: Option<Timestamp>,
    /// Made before then.
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub(super) until: Option<Timestamp>,
    /// Only say how many.
    #[arg(long)]
    pub(super) dry_run: bool,
    /// In every account.
    #[arg(long, conflicts_with = "target")]
    pub(super) all_accounts: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum HeldVerb {
    /// List the sites under alarm; with --site, what is held for one.
    List {
        /// A site, as the list of them names it, or one of its mail servers.
        #[arg(long)]
        site: Option<String>,
        #[command(flatten)]
        form: Form,
    },
    /// Make the stops after all: the addresses are dead.
    Apply {
        /// Only those of this site.
        #[arg(long)]
        site: Option<String>,
        #[command(flatten)]
        form: Form,
    },
    /// Forget them: the site was at fault.
    Drop {
        /// Only those of this site.
        #[arg(long)]
        site: Option<String>,
        #[command(flatten)]
        form: Form,
    },
}

const SITE: [Column; 5] = [
    ("SITE", "site"),
    ("SINCE", "since"),
    ("SHARE %", "share_percent"),
    ("NORM %", "norm_percent"),
    ("HELD", "held"),
];

const STOP: [Column; 5] = [
    ("RECIPIENT", "recipient"),
    ("ACCOUNT", "account"),
    ("SITE", "site"),
    ("AT", "at"),
    ("TEXT", "text"),
];

/// `relent suppression held …`
pub(super) async fn held(client: &Client, verb: HeldVerb) -> Result<(), Fault> {
    match verb {
        HeldVerb::List { site, form } => {
            let columns = if site.is_some() { &STOP } else { &SITE };
            let asked = [("site", site.as_deref())];
            let count = show::listing(client, "/suppressions/held", &asked, columns, form).await?;
            match site.filter(|_| count == 0) {
                Some(site) => show::aside(&format!(
                    "nothing is held for {site}: `relent suppression held list` names the sites under alarm"
                )),
                None if count == 0 => show::aside("nothing is held: no site is under alarm"),
                None => {}
            }
            Ok(())
        }
        HeldVerb::Apply { site, form } => decide(client, ("apply", "made"), site, form).await,
        HeldVerb::Drop { site, form } => decide(client, ("drop", "dropped"), site, form).await,
    }
}

/// Decides page by page, so that no change is a giant one.
async fn decide(
    client: &Client,
    (verb, done): (&str, &str),
    site: Option<String>,
    form: Form,
) -> Result<(), Fault> {
    let sites = match site {
        Some(site) => vec![site],
        None => {
            let found = client.get("/suppressions/held").await?;
            let name = |alarm: &Value| alarm["site"].as_str().map(str::to_owned);
            show::items(&found, "items").iter().filter_map(name).collect()
        }
    };
    let mut settled = Vec::new();
    for site in sites {
        let mut count = 0;
        loop {
            let to = path(&["suppressions", "held", verb]);
            let page = client.post(&to, &json!({ "site": site })).await?;
            count += page["count"].as_u64().unwrap_or_default();
            if page["more"] != true {
                break;
            }
        }
        if !form.json {
            let noun = if count == 1 { "suppression" } else { "suppressions" };
            show::line(&format!("{site}: {count} held {noun} {done}"))?;
        }
        settled.push(json!({ "site": site, "count": count }));
    }
    if form.json {
        return show::json(&Value::Array(settled));
    }
    if settled.is_empty() { show::line("nothing is held") } else { Ok(()) }
}

/// `relent suppression remove … --site …`: many at a time, page by page.
pub(super) async fn recall(
    client: &Client,
    account: Option<&str>,
    recall: &Recall,
    form: Form,
) -> Result<(), Fault> {
    let accounts = match account {
        Some(account) => vec![account.to_owned()],
        None => {
            let found = show::all(client, "/accounts").await?;
            found.iter().filter_map(|one| one["name"].as_str().map(str::to_owned)).collect()
        }
    };
    let (mut total, mut each, mut site) = (0, Vec::new(), None);
    for account in accounts {
        let mut body =
            json!({ "account": account, "reason": "hard_bounce", "dry_run": recall.dry_run });
        let moment = |at: Option<Timestamp>| at.map(|at| at.to_string());
        for (key, value) in [
            ("site", recall.site.clone()),
            ("since", moment(recall.since)),
            ("until", moment(recall.until)),
        ] {
            if let Some(value) = value {
                body[key] = value.into();
            }
        }
        let mut count = 0;
        loop {
            let page = client.post("/suppressions/recall", &body).await?;
            count += page["count"].as_u64().unwrap_or_default();
            site = page["site"].as_str().map(str::to_owned).or(site);
            match show::next(&page, body["after"].as_str()) {
                Some(next) => body["after"] = next.into(),
                None => break,
            }
        }
        total += count;
        each.push(json!({ "account": account, "count": count }));
    }
    if form.json {
        return show::json(&json!({ "count": total, "dry_run": recall.dry_run, "accounts": each }));
    }
    if let Some(site) = site.filter(|_| total == 0) {
        return show::line(&format!(
            "no hard_bounce stop of that time came from the mail servers of {site}: `relent suppression list` \
             says of each which site called the address dead"
        ));
    }
    let noun = if total == 1 { "hard_bounce stop" } else { "hard_bounce stops" };
    show::line(&match recall.dry_run {
        true => format!("{total} {noun} would be lifted"),
        false => format!("{total} {noun} lifted"),
    })
}
