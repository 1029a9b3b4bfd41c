//! Verbs about programs that are told what happens.

use super::arguments::Form;
use super::client::{Client, Fault, path};
use super::show::{self, Column};
use clap::{Args, Subcommand};
use serde_json::{Value, json};

/// One webhook.
#[derive(Debug, Args)]
pub(super) struct Which {
    /// Whose.
    account: String,
    /// Its number.
    #[arg(value_name = "WEBHOOK")]
    id: String,
}

#[derive(Debug, Subcommand)]
pub(super) enum WebhookVerb {
    /// Have a program told what happens from now on; the secret is shown once.
    Add {
        /// Whose.
        account: String,
        /// Where events are posted, as in https://app.example/relent.
        url: String,
        /// Only these events, as in message.delivered,recipient.suppressed [default: all].
        #[arg(long, value_delimiter = ',', value_name = "EVENT,…")]
        events: Vec<String>,
        /// Only what concerns this stream; may be given more than once [default: all of the account's].
        #[arg(long)]
        stream: Vec<String>,
        #[command(flatten)]
        form: Form,
    },
    /// List an account's webhooks and how they stand.
    List {
        /// Whose.
        account: String,
        #[command(flatten)]
        form: Form,
    },
    /// Show a webhook and how it stands.
    Show {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        form: Form,
    },
    /// Change where and of what a program is told.
    Set {
        #[command(flatten)]
        which: Which,
        /// Where events are posted.
        #[arg(long)]
        url: Option<String>,
        /// Only these events; `all` takes the choice back.
        #[arg(long, value_delimiter = ',', value_name = "EVENT,…")]
        events: Vec<String>,
        /// Only what concerns this stream; `all` takes the choice back.
        #[arg(long)]
        stream: Vec<String>,
        #[command(flatten)]
        form: Form,
    },
    /// Make a new secret, shown once; the old one signs along for webhooks.secret_overlap.
    Rotate {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        form: Form,
    },
    /// Call the endpoint once, now, with an event that says nothing.
    Test {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        form: Form,
    },
    /// Call it no more until it is resumed; what happens meanwhile is told then.
    Pause {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        form: Form,
    },
    /// Call it again, from where it stood.
    Resume {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        form: Form,
    },
    /// Calls that were given up.
    #[command(subcommand)]
    Failed(FailedVerb),
    /// Remove a webhook with all that is kept of it.
    Remove {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        form: Form,
    },
    /// Print the JSON Schema of what is posted.
    Schema,
}

#[derive(Debug, Subcommand)]
pub(super) enum FailedVerb {
    /// List them, oldest first.
    List {
        #[command(flatten)]
        which: Which,
        #[command(flatten)]
        form: Form,
    },
    /// Make calls again: those of these numbers, or all.
    Redeliver {
        #[command(flatten)]
        which: Which,
        /// Which, as the list numbers them.
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        numbers: Vec<u64>,
        /// All of them.
        #[arg(long)]
        all: bool,
        #[command(flatten)]
        form: Form,
    },
}

const LIST: [Column; 8] = [
    ("WEBHOOK", "id"),
    ("URL", "url"),
    ("EVENTS", "events"),
    ("STREAMS", "streams"),
    ("STATE", "state"),
    ("DELIVERED", "delivered"),
    ("WAITING", "waiting"),
    ("FAILED", "failed"),
];
const ONE: [Column; 17] = [
    ("WEBHOOK", "id"),
    ("URL", "url"),
    ("EVENTS", "events"),
    ("STREAMS", "streams"),
    ("STATE", "state"),
    ("STATE SINCE", "state_since"),
    ("WHY", "state_reason"),
    ("SINCE", "created"),
    ("DELIVERED", "delivered"),
    ("WAITING", "waiting"),
    ("BEHIND", "behind"),
    ("FAILED", "failed"),
    ("FORGOTTEN", "forgotten"),
    ("FAILING", "failing"),
    ("FAILING SINCE", "failing_since"),
    ("LAST SUCCESS", "last_success"),
    ("LAST FAILURE", "last_failure"),
];
const FAILED: [Column; 7] = [
    ("NUMBER", "number"),
    ("EVENT", "event"),
    ("WEBHOOK-ID", "webhook_id"),
    ("RECIPIENT", "recipient_hash"),
    ("ATTEMPTS", "attempts"),
    ("FAILED AT", "failed_at"),
    ("SAID", "said"),
];

fn place(which: &Which, rest: &[&str]) -> String {
    path(&[&["accounts", &which.account, "webhooks", &which.id], rest].concat())
}

/// `relent webhook …`
pub(super) async fn webhook(client: &Client, verb: WebhookVerb) -> Result<(), Fault> {
    match verb {
        WebhookVerb::Add { account, url, events, stream, form } => {
            let body = json!({"url": url, "events": events, "streams": stream});
            let made = client.post(&path(&["accounts", &account, "webhooks"]), &body).await?;
            let remedy = format!("relent webhook rotate {account} {}", made["id"]);
            secret(&made, form, &remedy)
        }
        WebhookVerb::List { account, form } => {
            let path = path(&["accounts", &account, "webhooks"]);
            show::listing(client, &path, &[], &LIST, form).await?;
            Ok(())
        }
        WebhookVerb::Show { which, form } => one(&client.get(&place(&which, &[])).await?, form),
        WebhookVerb::Set { which, url, events, stream, form } => {
            let mut body = json!({});
            if let Some(url) = url {
                body["url"] = url.into();
            }
            for (key, names) in [("events", events), ("streams", stream)] {
                match &names[..] {
                    [] => {}
                    [all] if all == "all" => body[key] = json!([]),
                    _ => body[key] = names.into(),
                }
            }
            if body == json!({}) {
                let text = "name what changes: --url, --events or --stream";
                return Err(Fault::Usage(text.into()));
            }
            one(&client.patch(&place(&which, &[]), &body).await?, form)
        }
        WebhookVerb::Rotate { which, form } => {
            let made = client.post(&place(&which, &["rotate"]), &json!({})).await?;
            let remedy = format!("relent webhook rotate {} {}", which.account, which.id);
            secret(&made, form, &remedy)
        }
        WebhookVerb::Test { which, form } => {
            let tried = client.post(&place(&which, &["test"]), &json!({})).await?;
            let said = format!(
                "{} ({} ms)",
                show::cell("said", &tried["said"]),
                show::cell("milliseconds", &tried["milliseconds"])
            );
            if form.json {
                show::json(&tried)?;
            }
            match tried["taken"] == true {
                true if form.json => Ok(()),
                true => show::line(&said),
                false => Err(Fault::Refused(format!("the endpoint did not take it: {said}"))),
            }
        }
        WebhookVerb::Pause { which, form } => {
            one(&client.post(&place(&which, &["pause"]), &json!({})).await?, form)
        }
        WebhookVerb::Resume { which, form } => {
            one(&client.post(&place(&which, &["resume"]), &json!({})).await?, form)
        }
        WebhookVerb::Failed(verb) => failed(client, verb).await,
        WebhookVerb::Remove { which, form } => {
            let removed = client.delete(&place(&which, &[]), None).await?;
            match form.json {
                true => show::json(&removed),
                false => show::line(&format!("webhook {} removed", which.id)),
            }
        }
        WebhookVerb::Schema => Ok(()),
    }
}

async fn failed(client: &Client, verb: FailedVerb) -> Result<(), Fault> {
    match verb {
        FailedVerb::List { which, form } => {
            show::listing(client, &place(&which, &["failed"]), &[], &FAILED, form).await?;
            Ok(())
        }
        FailedVerb::Redeliver { which, numbers, all, form } => {
            let body = if all { json!({"all": true}) } else { json!({"numbers": numbers}) };
            let (mut count, mut more) = (0, true);
            // Page by page, as far as there is room for them.
            while more {
                let done = client.post(&place(&which, &["redeliver"]), &body).await?;
                let page = done["count"].as_u64().unwrap_or_default();
                (count, more) = (count + page, all && done["more"] == true);
                if page == 0 && more {
                    break;
                }
            }
            if form.json {
                return show::json(&json!({"count": count, "more": more}));
            }
            let rest = if more { "; there is no room for the others now" } else { "" };
            show::line(&format!("{count} calls are made again{rest}"))
        }
    }
}

fn one(answer: &Value, form: Form) -> Result<(), Fault> {
    if form.json { show::json(answer) } else { show::put(&show::fields(answer, &ONE)) }
}

/// A webhook with a secret that nobody will see again.
fn secret(made: &Value, form: Form, remedy: &str) -> Result<(), Fault> {
    let shown = if form.json {
        show::json(made)
    } else {
        let columns = [
            ("webhook", "id"),
            ("url", "url"),
            ("events", "events"),
            ("streams", "streams"),
            ("secret", "secret"),
        ];
        let fields = show::fields(made, &columns);
        show::put(&format!("{fields}The secret is shown this once. No events, no streams: all.\n"))
    };
    shown.map_err(|fault| {
        Fault::Refused(format!("{fault}; the secret is made and gone: `{remedy}` makes another"))
    })
}
