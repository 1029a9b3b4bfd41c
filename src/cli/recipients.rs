//! Verbs about those who are sent to: stops, agreements, and why mail goes or does not.

use super::arguments::{Before, ConsentVerb, Form, Person, Reason, Stopped, SuppressionVerb};
use super::client::{Client, Fault, query};
use super::held;
use super::import::OfAll;
use super::show::{self, Column, Table};
use crate::mail::Timestamp;
use serde_json::{Value, json};
use std::net::IpAddr;

const SUPPRESSION: [Column; 7] = [
    ("RECIPIENT", "recipient"),
    ("SCOPE", "scope"),
    ("STREAM", "stream"),
    ("REASON", "reason"),
    ("AT", "at"),
    ("SOURCE", "source"),
    ("TEXT", "text"),
];

const CONSENT: [Column; 12] = [
    ("RECIPIENT", "recipient"),
    ("STREAM", "stream"),
    ("STATE", "state"),
    ("AT", "at"),
    ("EXPIRES", "expires"),
    ("SOURCE", "source"),
    ("VIA", "via"),
    ("IP", "ip"),
    ("USER AGENT", "user_agent"),
    ("ASKED", "asked"),
    ("VERSION", "wording_version"),
    ("WORDING", "wording"),
];

/// `relent suppression …`
pub(super) async fn suppression(client: &Client, verb: SuppressionVerb) -> Result<(), Fault> {
    match verb {
        SuppressionVerb::Add { stopped, text, form } => {
            let mut body = about(&stopped);
            if let Some(text) = text {
                body["text"] = text.into();
            }
            let made = client.post("/suppressions", &body).await?;
            told(&made, form, &format!("{} is stopped", stopped.address))
        }
        SuppressionVerb::Held(verb) => held::held(client, verb).await,
        SuppressionVerb::Remove { target, address: None, reason, recall, form } => {
            let narrow = target.as_ref().is_some_and(|target| target.stream.is_some());
            if narrow || !matches!(reason, Reason::HardBounce) {
                return Err(Fault::Refused(
                    "only the stops of dead addresses are lifted many at a time, and they are an account's: write \
                     ACCOUNT --reason hard_bounce"
                        .into(),
                ));
            }
            let account = target.as_ref().map(|target| target.account.as_str());
            held::recall(client, account, &recall, form).await
        }
        SuppressionVerb::Remove { target, address: Some(address), reason, form, .. } => {
            let Some(target) = target else {
                return Err(Fault::Refused("write ACCOUNT[/STREAM] before the address".into()));
            };
            let stopped = Stopped { target, address };
            let mut body = about(&stopped);
            let reason = match reason {
                Reason::OptOut => "opt_out",
                Reason::Complaint => "complaint",
                Reason::HardBounce => "hard_bounce",
                Reason::Manual => "manual",
            };
            body["reason"] = reason.into();
            let lifted = client.delete("/suppressions", Some(&body)).await?;
            told(&lifted, form, &format!("the {reason} stop of {} is lifted", stopped.address))
        }
        // The daemon refuses an address that nothing stops.
        SuppressionVerb::Show { target, address, form }
        | SuppressionVerb::List { target, address, form } => {
            let asked = [
                ("account", Some(target.account.as_str())),
                ("stream", target.stream.as_deref()),
                ("recipient", address.as_deref()),
            ];
            show::listing(client, "/suppressions", &asked, &SUPPRESSION, form).await?;
            Ok(())
        }
        SuppressionVerb::Import { target, elsewhere, import } => {
            import.stops(client, &target, elsewhere).await
        }
        SuppressionVerb::Export { target, export } => export.stops(client, &target).await,
    }
}

fn about(stopped: &Stopped) -> Value {
    let mut body = json!({"account": stopped.target.account, "recipient": stopped.address});
    if let Some(stream) = &stopped.target.stream {
        body["stream"] = stream.as_str().into();
    }
    body
}

/// `relent consent …`
pub(super) async fn consent(client: &Client, verb: ConsentVerb) -> Result<(), Fault> {
    match verb {
        ConsentVerb::Grant { person, source, at, ip, before, form } => {
            let mut body = evidence(&person, &source, at, ip);
            had(&mut body, before);
            let made = client.post("/consents", &body).await?;
            told(&made, form, &format!("the consent of {} is recorded", person.address))?;
        }
        ConsentVerb::Request { person, source, ip, before, language, form } => {
            let mut body = evidence(&person, &source, None, ip);
            had(&mut body, before);
            body["confirm"] = true.into();
            if let Some(language) = language {
                body["language"] = language.into();
            }
            let made = client.post("/consents", &body).await?;
            let said = match (made["state"].as_str(), made["mailed"].as_bool()) {
                (Some("granted"), _) => "has consented already",
                (_, Some(true)) => "is asked by mail",
                _ => "was asked by mail already",
            };
            told(&made, form, &format!("{} {said}", person.address))?;
        }
        ConsentVerb::Withdraw { person, source, at, ip, form } => {
            let body = evidence(&person, &source, at, ip);
            let made = client.delete("/consents", Some(&body)).await?;
            told(&made, form, &format!("the consent of {} is withdrawn", person.address))?;
        }
        ConsentVerb::Show { target, address, form } => {
            let asked = [
                ("account", Some(target.account.as_str())),
                ("stream", target.stream.as_deref()),
                ("recipient", address.as_deref()),
            ];
            show::listing(client, "/consents", &asked, &CONSENT, form).await?;
        }
        ConsentVerb::Import { target, source, at, ip, before, import } => {
            let (at, ip) = (at.map(|at| at.to_string()), ip.map(|ip| ip.to_string()));
            let of_all = OfAll { source, at, ip, before };
            import.consents(client, &target, of_all).await?;
        }
        ConsentVerb::Export { target, export } => export.consents(client, &target).await?,
    }
    Ok(())
}

fn evidence(person: &Person, source: &str, at: Option<Timestamp>, ip: Option<IpAddr>) -> Value {
    let mut body = json!({
        "account": person.target.account,
        "stream": person.target.stream,
        "recipient": person.address,
        "source": source,
    });
    if let Some(at) = at {
        body["at"] = at.to_string().into();
    }
    if let Some(ip) = ip {
        body["ip"] = ip.to_string().into();
    }
    body
}

/// What the person had before them.
pub(super) fn had(body: &mut Value, before: Before) {
    for (key, value) in [
        ("wording", before.wording),
        ("wording_version", before.wording_version),
        ("user_agent", before.user_agent),
    ] {
        if let Some(value) = value {
            body[key] = value.into();
        }
    }
}

fn told(answer: &Value, form: Form, said: &str) -> Result<(), Fault> {
    if form.json { show::json(answer) } else { show::line(said) }
}

fn asked(person: &Person) -> String {
    query(&[
        ("account", Some(&person.target.account)),
        ("stream", person.target.stream.as_deref()),
        ("recipient", Some(&person.address)),
    ])
}

/// `relent explain …`: the verdict first, then all it rests on.
pub(super) async fn explain(client: &Client, person: &Person, form: Form) -> Result<(), Fault> {
    let found = client.get(&format!("/explain{}", asked(person))).await?;
    if form.json {
        show::json(&found)?;
        return Ok(());
    }
    let text = |key: &str| show::cell(key, &found[key]);
    let stream = person.target.stream.as_deref().unwrap_or_default();
    show::line(&format!(
        "{} on {}/{stream}: {}",
        person.address,
        person.target.account,
        text("verdict")
    ))?;
    let reply = ["code", "status", "text"]
        .iter()
        .filter(|key| !found[**key].is_null())
        .map(|key| text(key))
        .collect::<Vec<_>>()
        .join(" ");
    if !reply.is_empty() {
        show::line(&format!("SMTP answer: {reply}"))?;
    }
    for (title, key, none) in [
        ("Stops", "suppressions", "none"),
        ("Consents", "consents", "none"),
        ("What happened to the records", "records", "nothing"),
        ("What happened to mail", "messages", "nothing"),
    ] {
        let items = show::items(&found[key], "items");
        show::line(&format!("\n{title}:"))?;
        if items.is_empty() {
            show::line(none)?;
        } else {
            show::put(&Table::of_all(items).painted(form).rows(items))?;
        }
    }
    Ok(())
}
