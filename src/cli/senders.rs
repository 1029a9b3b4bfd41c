//! Verbs about those who send: accounts, credentials, sending domains, streams.

use super::arguments::{
    AccountVerb, ConsentRule, CredentialVerb, Dkim, DomainVerb, Form, Refuse, StreamKind,
    StreamVerb,
};
use super::client::{Client, Fault, path};
use super::show::{self, Column, Table};
use serde_json::{Value, json};

const ACCOUNT: [Column; 3] = [("ID", "id"), ("NAME", "name"), ("SINCE", "created")];
const CREDENTIAL: [Column; 4] =
    [("NAME", "name"), ("STREAMS", "streams"), ("REFUSE", "refuse"), ("SINCE", "created")];
const DOMAIN: [Column; 3] = [("NAME", "name"), ("TRUSTED", "trusted"), ("VERIFIED", "verified")];
const STREAM: [Column; 7] = [
    ("ID", "id"),
    ("NAME", "name"),
    ("KIND", "kind"),
    ("CONSENT REQUIRED", "consent_required"),
    ("HONOURS OPT-OUT", "honour_opt_out"),
    ("REPLY-TO", "reply_to"),
    ("SINCE", "created"),
];
const RECORD: [Column; 3] = [("TYPE", "type"), ("NAME", "name"), ("VALUE", "value")];
const FOUND: [Column; 4] =
    [("FOUND", "found"), ("TYPE", "type"), ("NAME", "name"), ("VALUE", "value")];

/// `relent account …`
pub(super) async fn account(client: &Client, verb: AccountVerb) -> Result<(), Fault> {
    match verb {
        AccountVerb::Add { name, form } => {
            let made = client.post("/accounts", &json!({"name": name})).await?;
            tell(&made, form, &format!("account {name} made"))?;
        }
        AccountVerb::List { form } => {
            show::listing(client, "/accounts", &[], &ACCOUNT, form.json).await?;
        }
        AccountVerb::Show { name, form } => {
            one(&client.get(&path(&["accounts", &name])).await?, &ACCOUNT, form)?;
        }
    }
    Ok(())
}

/// `relent credential …`
pub(super) async fn credential(client: &Client, verb: CredentialVerb) -> Result<(), Fault> {
    match verb {
        CredentialVerb::Add { account, name, stream, refuse, form } => {
            let mut body = json!({"name": name});
            put(&mut body, "stream", stream);
            put(
                &mut body,
                "refuse",
                refuse.map(|refuse| match refuse {
                    Refuse::AtRcpt => "at-rcpt",
                    Refuse::Silently => "silently",
                }),
            );
            let made = client.post(&path(&["accounts", &account, "credentials"]), &body).await?;
            let shown = if form.json {
                show::json(&made)
            } else {
                let columns =
                    [("username", "username"), ("password", "password"), ("streams", "streams")];
                let fields = show::fields(&made, &columns);
                show::put(&format!(
                    "{fields}The password is shown this once. No streams: all of the account's.\n"
                ))
            };
            // A password that nobody has seen is of no use to anybody.
            shown.map_err(|fault| {
                Fault::Refused(format!(
                    "{fault}; the credential is made, and its password is gone: \
                     `relent credential remove {account} {name}`, and add it again"
                ))
            })?;
        }
        CredentialVerb::List { account, form } => {
            let path = path(&["accounts", &account, "credentials"]);
            show::listing(client, &path, &[], &CREDENTIAL, form.json).await?;
        }
        CredentialVerb::Remove { account, name, form } => {
            let path = path(&["accounts", &account, "credentials", &name]);
            let removed = client.delete(&path, None).await?;
            tell(&removed, form, &format!("credential {name} revoked"))?;
        }
    }
    Ok(())
}

/// `relent domain …`
pub(super) async fn domain(client: &Client, verb: DomainVerb) -> Result<(), Fault> {
    match verb {
        DomainVerb::Add { account, domain, trust, dkim, form } => {
            let dkim = match dkim {
                Dkim::Both => "both",
                Dkim::Ed25519 => "ed25519",
                Dkim::Rsa => "rsa",
                Dkim::None => "none",
            };
            let body = json!({"name": domain, "trust": trust, "dkim": dkim});
            let made = client.post(&path(&["accounts", &account, "domains"]), &body).await?;
            if form.json {
                show::json(&made)?;
            } else {
                show::line(&format!("domain {domain} added; publish these records:\n"))?;
                records(&made, &RECORD)?;
                if !trust {
                    show::line(&format!("\nthen: relent domain verify {account} {domain}"))?;
                }
            }
        }
        DomainVerb::List { account, form } => {
            let path = path(&["accounts", &account, "domains"]);
            show::listing(client, &path, &[], &DOMAIN, form.json).await?;
        }
        DomainVerb::Show { account, domain, form } => {
            let found = client.get(&path(&["accounts", &account, "domains", &domain])).await?;
            one(&found, &DOMAIN, form)?;
            if !form.json {
                show::line("")?;
                records(&found, &RECORD)?;
            }
        }
        DomainVerb::Verify { account, domain, form } => {
            let path = path(&["accounts", &account, "domains", &domain, "verify"]);
            let found = client.post(&path, &json!({})).await?;
            if form.json {
                show::json(&found)?;
            } else {
                records(&found, &FOUND)?;
            }
            if found["verified"] != Value::Bool(true) {
                return Err(Fault::Refused(format!(
                    "{domain} is not verified: publish the records that were not found, wait until \
                     name servers have them, and run this again"
                )));
            }
            if !form.json {
                show::line(&format!("domain {domain} verified"))?;
            }
        }
        DomainVerb::Remove { account, domain } => {
            client.delete(&path(&["accounts", &account, "domains", &domain]), None).await?;
            show::line(&format!("domain {domain} removed"))?;
        }
    }
    Ok(())
}

/// `relent stream …`
pub(super) async fn stream(client: &Client, verb: StreamVerb) -> Result<(), Fault> {
    match verb {
        StreamVerb::Add { account, name, kind, consent, reply_to, honour_opt_out, form } => {
            let kind = match kind {
                StreamKind::Marketing => "marketing",
                StreamKind::Transactional => "transactional",
            };
            let mut body = json!({"name": name, "kind": kind});
            put(&mut body, "consent_required", consent.map(|rule| rule == ConsentRule::Required));
            put(&mut body, "honour_opt_out", honour_opt_out.then_some(true));
            put(&mut body, "reply_to", reply_to);
            let made = client.post(&path(&["accounts", &account, "streams"]), &body).await?;
            tell(&made, form, &format!("stream {account}/{name} made"))?;
        }
        StreamVerb::List { account, form } => {
            let path = path(&["accounts", &account, "streams"]);
            show::listing(client, &path, &[], &STREAM, form.json).await?;
        }
        StreamVerb::Show { account, name, form } => {
            one(
                &client.get(&path(&["accounts", &account, "streams", &name])).await?,
                &STREAM,
                form,
            )?;
        }
        StreamVerb::Remove { account, name } => {
            client.delete(&path(&["accounts", &account, "streams", &name]), None).await?;
            show::line(&format!("stream {account}/{name} removed"))?;
        }
    }
    Ok(())
}

fn records(answer: &Value, columns: &[Column]) -> Result<(), Fault> {
    show::put(&Table::new(columns).rows(show::items(answer, "records")))
}

fn one(answer: &Value, columns: &[Column], form: Form) -> Result<(), Fault> {
    if form.json { show::json(answer) } else { show::put(&show::fields(answer, columns)) }
}

fn tell(answer: &Value, form: Form, said: &str) -> Result<(), Fault> {
    if form.json { show::json(answer) } else { show::line(said) }
}

fn put(body: &mut Value, key: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        body[key] = value.into();
    }
}
