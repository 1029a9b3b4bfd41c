//! Verbs about mail that waits.

use super::arguments::{Chosen, Form, QueueVerb};
use super::client::{Client, Fault, path, query};
use super::show::{self, Column, Table};
use serde_json::{Value, json};

const ITEM: [Column; 7] = [
    ("MESSAGE", "message"),
    ("STATE", "state"),
    ("SENDER", "sender"),
    ("RECIPIENT", "recipient"),
    ("ATTEMPTS", "attempts"),
    ("NEXT", "next_at"),
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

/// `relent queue …`
pub(super) async fn queue(client: &Client, verb: QueueVerb) -> Result<(), Fault> {
    match verb {
        QueueVerb::List { selector, limit, form } => {
            let most = limit.unwrap_or(ITEMS_MAX).clamp(1, ITEMS_MAX);
            let limit = most.to_string();
            let (account, stream) = match &selector.stream {
                Some(target) => (Some(target.account.as_str()), target.stream.as_deref()),
                None => (selector.account.as_deref(), None),
            };
            let asked = [
                ("message", selector.message.as_deref()),
                ("address", selector.address.as_deref()),
                ("domain", selector.domain.as_deref()),
                ("account", account),
                ("stream", stream),
                ("limit", Some(limit.as_str())),
            ];
            let count = show::listing(client, "/queue", &asked, &ITEM, form.json).await?;
            if u32::try_from(count).is_ok_and(|count| count >= most) {
                show::aside(&format!(
                    "these are the first {count}; `relent queue summary` counts all, --domain and others choose"
                ));
            }
            Ok(())
        }
        QueueVerb::Show { message, form } => {
            let asked = query(&[("message", Some(&message))]);
            let found = client.get(&format!("/queue{asked}")).await?;
            let items = show::items(&found, "items");
            if items.is_empty() {
                return Err(Fault::Refused(absent(&message)));
            }
            if form.json {
                return show::json(&Value::Array(items.to_vec()));
            }
            let each: Vec<String> = items.iter().map(|item| show::fields(item, &DETAIL)).collect();
            show::put(&each.join("\n"))
        }
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
    let (account, stream) = match &chosen.stream {
        Some(target) => (Some(&target.account), target.stream.as_ref()),
        None => (chosen.account.as_ref(), None),
    };
    let mut body = json!({});
    for (key, value) in [
        ("message", chosen.message.as_ref()),
        ("address", chosen.address.as_ref()),
        ("domain", chosen.domain.as_ref()),
        ("account", account),
        ("stream", stream),
    ] {
        if let Some(value) = value {
            body[key] = value.as_str().into();
        }
    }
    if chosen.all {
        body["all"] = true.into();
    }
    let answer = client.post(&path(&["queue", verb]), &body).await?;
    let count = answer["count"].as_u64().unwrap_or_default();
    if form.json {
        show::json(&answer)?;
    } else {
        let people = if count == 1 { "recipient" } else { "recipients" };
        show::line(&format!("{count} {people} {done}"))?;
    }
    match &chosen.message {
        Some(message) if count == 0 => Err(Fault::Refused(absent(message))),
        _ => Ok(()),
    }
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
    let domains = show::items(&found["domains"], "items");
    if !domains.is_empty() {
        show::line("")?;
        show::put(&Table::new(&[("DOMAIN", "domain"), ("WAITING", "count")]).rows(domains))?;
    }
    Ok(())
}
