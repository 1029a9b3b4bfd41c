//! What an account shows of itself to its recipients: name, logo and colours, set and shown.

use super::arguments::Form;
use super::client::{Client, Fault, path};
use super::sender_arguments::Look;
use super::senders::{WHOLE_ACCOUNT, put, tell};
use super::show::{self, Column};
use serde_json::{Value, json};

const SHOWN: [Column; 4] = [
    ("SHOWN AS", "display_name"),
    ("COLOUR", "colour"),
    ("ON DARK PAGES", "colour_dark"),
    ("LOGO", "logo"),
];

/// An account and its page, as one.
async fn account(client: &Client, name: &str) -> Result<Value, Fault> {
    let mut account = client.get(&path(&["accounts", name])).await?;
    account["page"] = client.get(&path(&["accounts", name, "page"])).await?;
    Ok(account)
}

/// `relent account show`
pub(super) async fn show(client: &Client, name: &str, form: Form) -> Result<(), Fault> {
    let account = account(client, name).await?;
    if form.json {
        return show::json(&account);
    }
    let mut page = account["page"].clone();
    let logo = &page["logo"];
    if !logo.is_null() {
        let sides = format!("{} × {}", logo["width"], logo["height"]);
        let kind = logo["media_type"].as_str().unwrap_or_default();
        page["logo"] = json!(format!("{kind}, {sides}"));
    }
    show::put(&(show::fields(&account, &WHOLE_ACCOUNT) + &show::fields(&page, &SHOWN)))?;
    notes(&account["page"])
}

/// What is shown otherwise than it was set, and why.
fn notes(page: &Value) -> Result<(), Fault> {
    for note in page["notes"].as_array().into_iter().flatten() {
        show::line(&show::clean(note.as_str().unwrap_or_default()))?;
    }
    Ok(())
}

/// `relent account set`: what the account may have and send, then what it shows.
pub(super) async fn set(
    client: &Client,
    name: &str,
    changes: Value,
    look: Look,
    form: Form,
) -> Result<(), Fault> {
    let mut body = json!({});
    for (key, value) in [
        ("display_name", look.display_name),
        ("colour", look.colour),
        ("colour_dark", look.colour_dark),
    ] {
        // An empty one is taken back.
        let value = value.map(|value| if value.is_empty() { Value::Null } else { value.into() });
        put(&mut body, key, value);
    }
    // Read before anything is changed.
    let logo = match look.logo.as_deref() {
        None => None,
        Some("") => Some(None),
        Some(file) => Some(Some(std::fs::read(file).map_err(|fault| {
            Fault::Refused(format!("--logo {file}: {fault}; nothing was changed"))
        })?)),
    };
    if changes != json!({}) {
        client.patch(&path(&["accounts", name]), &changes).await?;
    }
    if body != json!({}) {
        client.patch(&path(&["accounts", name, "page"]), &body).await?;
    }
    let place = path(&["accounts", name, "page", "logo"]);
    match logo {
        Some(Some(file)) => {
            client.put_file(&place, "application/octet-stream", file).await?;
        }
        Some(None) => {
            client.delete(&place, None).await?;
        }
        None => {}
    }
    let set = account(client, name).await?;
    tell(&set, form, &format!("account {name} changed"))?;
    if form.json { Ok(()) } else { notes(&set["page"]) }
}
