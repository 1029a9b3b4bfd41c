//! Verbs about mail that waits.

use super::arguments::{Form, Target, stream_target};
use super::client::{Client, Fault, path, query};
use super::show::{self, Column};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

/// Which waiting mail is meant: one of these, which a verb that acts cannot do without.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(super) struct Chosen {
    /// One message.
    #[arg(value_name = "ID")]
    pub(super) message: Option<String>,
    /// One recipient's mail, whoever sends.
    #[arg(long, visible_alias = "recipient")]
    pub(super) address: Option<String>,
    /// Mail to a domain.
    #[arg(long)]
    pub(super) domain: Option<String>,
    /// An account's mail.
    #[arg(long)]
    pub(super) account: Option<String>,
    /// A stream's mail.
    #[arg(long, value_name = "ACCOUNT/STREAM", value_parser = stream_target)]
    pub(super) stream: Option<Target>,
    /// Everything.
    #[arg(long)]
    pub(super) all: bool,
}

impl Chosen {
    /// What is named, by its name in the API.
    fn named(&self) -> [(&'static str, Option<&str>); 5] {
        let (account, stream) = match &self.stream {
            Some(target) => (Some(target.account.as_str()), target.stream.as_deref()),
            None => (self.account.as_deref(), None),
        };
        [
            ("message", self.message.as_deref()),
            ("address", self.address.as_deref()),
            ("domain", self.domain.as_deref()),
            ("account", account),
            ("stream", stream),
        ]
    }
}

#[derive(Debug, Subcommand)]
pub(super) enum QueueVerb {
    /// List mail that waits: all of it, where nothing is chosen.
    #[command(mut_group("Chosen", |group| group.required(false)))]
    List {
        #[command(flatten)]
        chosen: Option<Chosen>,
        /// Most lines, at most 10000 [default: 10000].
        #[arg(long, value_parser = clap::value_parser!(u32).range(1..=10_000))]
        limit: Option<u32>,
        #[command(flatten)]
        form: Form,
    },
    /// Show all there is to know of mail that waits; of a message, its recipients that have ended too.
    Show {
        #[command(flatten)]
        chosen: Chosen,
        #[command(flatten)]
        form: Form,
    },
    /// Make mail due now; what is under attempt is due again when that attempt ends.
    Retry {
        #[command(flatten)]
        chosen: Chosen,
        #[command(flatten)]
        form: Form,
    },
    /// Keep mail from being sent until it is released.
    Hold {
        #[command(flatten)]
        chosen: Chosen,
        #[command(flatten)]
        form: Form,
    },
    /// Let held mail go on.
    Release {
        #[command(flatten)]
        chosen: Chosen,
        #[command(flatten)]
        form: Form,
    },
    /// End waiting mail without sending it.
    Cancel {
        #[command(flatten)]
        chosen: Chosen,
        #[command(flatten)]
        form: Form,
    },
    /// Show how much waits, and for whom.
    Summary {
        #[command(flatten)]
        form: Form,
    },
}

const ITEM: [Column; 8] = [
    ("MESSAGE", "message"),
    ("STATE", "state"),
    ("SENDER", "sender"),
    ("RECIPIENT", "recipient"),
    ("ATTEMPTS", "attempts"),
    ("NEXT", "next_at"),
    ("WHY", "why"),
    ("LAST ANSWER", "last"),
];
const DETAIL: [Column; 14] = [
    ("message", "message"),
    ("recipient number", "number"),
    ("account", "account"),
    ("stream", "stream"),
    ("sender", "sender"),
    ("recipient", "recipient"),
    ("size", "size"),
    ("state", "state"),
    ("attempts", "attempts"),
    ("accepted", "accepted"),
    ("next", "next_at"),
    ("why", "why"),
    ("last answer", "last"),
    ("class", "class"),
];

/// Most lines of a listing, as the daemon has it.
const ITEMS_MAX: u32 = 10_000;

/// Whether a recipient of a message has not come to an end.
pub(super) fn waits(recipient: &Value) -> bool {
    matches!(recipient["state"].as_str(), Some("queued" | "deferred" | "held") | None)
}

/// `relent queue …`
pub(super) async fn queue(client: &Client, verb: QueueVerb) -> Result<(), Fault> {
    match verb {
        QueueVerb::List { chosen, limit, form } => {
            let most = limit.unwrap_or(ITEMS_MAX);
            let limit = most.to_string();
            let mut asked = chosen.iter().flat_map(Chosen::named).collect::<Vec<_>>();
            asked.push(("all", chosen.iter().any(|chosen| chosen.all).then_some("true")));
            asked.push(("limit", Some(limit.as_str())));
            let count = show::listing(client, "/queue", &asked, &ITEM, form).await?;
            if count == 0 && !form.json {
                show::aside("nothing waits");
            } else if u32::try_from(count).is_ok_and(|count| count >= most) {
                show::aside(&format!(
                    "these are the first {count}; `relent queue summary` counts all, --domain and others choose"
                ));
            }
            Ok(())
        }
        QueueVerb::Show { chosen, form } => show(client, &chosen, form).await,
        QueueVerb::Retry { chosen, form } => act(client, "retry", "due now", &chosen, form).await,
        QueueVerb::Hold { chosen, form } => act(client, "hold", "held", &chosen, form).await,
        QueueVerb::Release { chosen, form } => {
            act(client, "release", "released", &chosen, form).await
        }
        QueueVerb::Cancel { chosen, form } => {
            act(client, "cancel", "cancelled", &chosen, form).await
        }
        QueueVerb::Summary { form } => summary(client, form).await,
    }
}

async fn act(
    client: &Client,
    verb: &str,
    done: &str,
    chosen: &Chosen,
    form: Form,
) -> Result<(), Fault> {
    let mut body = json!({});
    for (key, value) in chosen.named() {
        if let Some(value) = value {
            body[key] = value.into();
        }
    }
    if chosen.all {
        body["all"] = true.into();
    }
    let answer = client.post(&path(&["queue", verb]), &body).await?;
    let count = answer["count"].as_u64().unwrap_or_default();
    if let Some(message) = chosen.message.as_deref().filter(|_| count == 0) {
        return unmoved(client, verb, message, &answer, form).await;
    }
    if form.json {
        show::json(&answer)?;
    } else {
        let people = if count == 1 { "recipient" } else { "recipients" };
        show::line(&format!("{count} {people} {done}"))?;
    }
    Ok(())
}

/// What is said where a verb changed nothing of a message: it stands so already, something keeps it, or
/// nobody of it waits.
async fn unmoved(
    client: &Client,
    verb: &str,
    message: &str,
    answer: &Value,
    form: Form,
) -> Result<(), Fault> {
    let asked = query(&[("message", Some(message)), ("limit", Some("1"))]);
    let found = client.get(&format!("/queue{asked}")).await?;
    let Some(item) = show::items(&found, "items").first() else {
        return Err(Fault::Refused(absent(message)));
    };
    let already = match verb {
        "hold" => "is held already",
        "release" => "is not held",
        _ => {
            let why = show::cell("why", &item["why"]);
            return Err(Fault::Refused(format!("{message} stays as it is: {why}")));
        }
    };
    if form.json { show::json(answer) } else { show::line(&format!("{message} {already}")) }
}

/// All there is to know of what waits; of a message that waits, its recipients that have ended too.
async fn show(client: &Client, chosen: &Chosen, form: Form) -> Result<(), Fault> {
    let limit = ITEMS_MAX.to_string();
    let mut asked = chosen.named().to_vec();
    asked.push(("limit", Some(limit.as_str())));
    let asked = query(&asked);
    let found = client.get(&format!("/queue{asked}")).await?;
    let mut items = show::items(&found, "items").to_vec();
    if items.is_empty()
        && let Some(message) = &chosen.message
    {
        return Err(Fault::Refused(absent(message)));
    }
    items.extend(found["ended"].as_array().into_iter().flatten().cloned());
    if form.json {
        return show::json(&Value::Array(items));
    }
    if items.is_empty() {
        return show::line("nothing waits");
    }
    let each: Vec<String> = items.iter().map(|item| show::fields(item, &DETAIL)).collect();
    show::put(&each.join("\n"))
}

fn absent(message: &str) -> String {
    format!("no recipient of {message} waits: it has ended, or never was; see `relent queue list`")
}

async fn summary(client: &Client, form: Form) -> Result<(), Fault> {
    let found = client.get("/queue/summary").await?;
    if form.json {
        show::json(&found)?;
        return Ok(());
    }
    show::put(&show::fields(
        &found,
        &[("queued", "queued"), ("active", "active"), ("held", "held")],
    ))?;
    if let Some(why) = found["restore"].as_str() {
        show::line(&format!("all of it {why}"))?;
    }
    let domains = show::items(&found["domains"], "items");
    if !domains.is_empty() {
        show::line("")?;
        show::table(&[("DOMAIN", "domain"), ("WAITING", "count")], domains, form)?;
    }
    Ok(())
}
