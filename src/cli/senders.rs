//! Verbs about those who send: accounts, credentials, sending domains, streams.

use super::arguments::Form;
use super::client::{Client, Fault, path};
use super::look;
use super::sender_arguments::{
    AccountVerb, Compliance, ConsentRule, CredentialVerb, Dkim, DomainVerb, Hosts, Refuse, Rules,
    StreamKind, StreamVerb, Switch,
};
use super::show::{self, Column};
use serde_json::{Value, json};

const ACCOUNT: [Column; 4] =
    [("ID", "id"), ("NAME", "name"), ("LANGUAGE", "language"), ("SINCE", "created")];
pub(super) const WHOLE_ACCOUNT: [Column; 9] = [
    ("ID", "id"),
    ("NAME", "name"),
    ("LANGUAGE", "language"),
    ("SINCE", "created"),
    ("ZONE", "zone"),
    ("SUSPENDED", "suspended"),
    ("REQUIRES TOTP", "require_totp"),
    ("LIMITS", "limits"),
    ("USED", "used"),
];
const CREDENTIAL: [Column; 8] = [
    ("NAME", "name"),
    ("STREAMS", "streams"),
    ("RIGHTS", "rights"),
    ("ALLOWED FROM", "allow"),
    ("REFUSE", "refuse"),
    ("SINCE", "created"),
    ("EXPIRES", "expires"),
    ("LAST USED", "used"),
];
const DOMAIN: [Column; 3] = [("NAME", "name"), ("TRUSTED", "trusted"), ("VERIFIED", "verified")];
const STREAM: [Column; 11] = [
    ("ID", "id"),
    ("NAME", "name"),
    ("KIND", "kind"),
    ("CONSENT REQUIRED", "consent_required"),
    ("CONSENT EXPIRES", "consent_expires"),
    ("HONOURS OPT-OUT", "honour_opt_out"),
    ("REPLY-TO", "reply_to"),
    ("COMPLIANCE", "compliance"),
    ("AD LABEL", "ad_label"),
    ("QUIET HOURS", "quiet_hours"),
    ("SINCE", "created"),
];
const ANSWERS: [Column; 4] =
    [("STREAM", "stream"), ("CONFIRM", "confirm"), ("LANGUAGE", "language"), ("TEXTS", "texts")];
const RECORD: [Column; 4] =
    [("REQUIRED", "required"), ("TYPE", "type"), ("NAME", "name"), ("VALUE", "value")];
const FOUND: [Column; 5] = [
    ("FOUND", "found"),
    ("REQUIRED", "required"),
    ("TYPE", "type"),
    ("NAME", "name"),
    ("VALUE", "value"),
];
const KEY: [Column; 5] = [
    ("SELECTOR", "selector"),
    ("ALGORITHM", "algorithm"),
    ("STATE", "state"),
    ("KEEP PUBLISHED UNTIL", "publish_until"),
    ("MAY BE TAKEN OUT", "removable"),
];

/// `relent account …`
pub(super) async fn account(client: &Client, verb: AccountVerb) -> Result<(), Fault> {
    match verb {
        AccountVerb::Add { name, form } => {
            let made = client.post("/accounts", &json!({"name": name})).await?;
            tell(&made, form, &format!("account {name} made"))?;
        }
        AccountVerb::List { form } => {
            show::listing(client, "/accounts", &[], &ACCOUNT, form).await?;
        }
        AccountVerb::Show { name, form } => look::show(client, &name, form).await?,
        AccountVerb::Set { name, changes, look, form } => {
            look::set(client, &name, changes.body(), *look, form).await?;
        }
        AccountVerb::Suspend { name, text, form } => {
            let body = json!({"text": text});
            let set = client.post(&path(&["accounts", &name, "suspend"]), &body).await?;
            tell(&set, form, &format!("account {name} suspended"))?;
        }
        AccountVerb::Resume { name, form } => {
            let set = client.post(&path(&["accounts", &name, "resume"]), &json!({})).await?;
            tell(&set, form, &format!("account {name} sends again"))?;
        }
    }
    Ok(())
}

/// `relent credential …`
pub(super) async fn credential(client: &Client, verb: CredentialVerb) -> Result<(), Fault> {
    match verb {
        CredentialVerb::Add { account, name, stream, right, expires, allow, refuse, form } => {
            let mut body =
                json!({"name": name, "streams": stream, "rights": right, "allow": allow});
            put(&mut body, "expires", expires);
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
                let columns = [
                    ("username", "username"),
                    ("password", "password"),
                    ("token", "token"),
                    ("streams", "streams"),
                    ("rights", "rights"),
                ];
                let fields = show::fields(&made, &columns);
                show::put(&format!(
                    "{fields}The password, and the token of the API that holds it, are shown this once. \
                     No streams: all of the account's.\n"
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
            show::listing(client, &path, &[], &CREDENTIAL, form).await?;
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
        DomainVerb::Add { account, domain, trust, dkim, hosts, form } => {
            let mut body = json!({"name": domain, "trust": trust, "dkim": keys(dkim)});
            put_hosts(&mut body, hosts);
            let made = client.post(&path(&["accounts", &account, "domains"]), &body).await?;
            if form.json {
                show::json(&made)?;
            } else {
                show::line(&format!("domain {domain} added; publish these records:\n"))?;
                records(&made, &RECORD, form)?;
                if !trust || made["records"].as_array().is_some_and(|all| all.iter().any(is_host)) {
                    show::line(&format!("\nthen: relent domain verify {account} {domain}"))?;
                }
                if made["return_path"].is_null() {
                    show::line(&format!(
                        "\nwith hosts of its own, SPF speaks for the domain too: relent domain set {account} \
                         {domain} --return-path bounce.{domain} --reply-host reply.{domain}"
                    ))?;
                }
            }
        }
        DomainVerb::List { account, form } => {
            let path = path(&["accounts", &account, "domains"]);
            show::listing(client, &path, &[], &DOMAIN, form).await?;
        }
        DomainVerb::Show { account, domain, form } => {
            let found = client.get(&path(&["accounts", &account, "domains", &domain])).await?;
            domain_shown(&found, form)?;
        }
        DomainVerb::Verify { account, domain, form } => {
            let path = path(&["accounts", &account, "domains", &domain, "verify"]);
            let found = client.post(&path, &json!({})).await?;
            verified(&found, &domain, form)?;
        }
        DomainVerb::Set { account, domain, hosts, form } => {
            let mut body = json!({});
            put_hosts(&mut body, hosts);
            if body == json!({}) {
                let text = "name what changes: --return-path, --reply-host or --link-host";
                return Err(Fault::Usage(text.into()));
            }
            let path = path(&["accounts", &account, "domains", &domain]);
            domain_shown(&client.patch(&path, &body).await?, form)?;
            if !form.json {
                show::line(&format!("\nthen: relent domain verify {account} {domain}"))?;
            }
        }
        DomainVerb::Rotate { account, domain, dkim, form } => {
            let path = path(&["accounts", &account, "domains", &domain, "rotate"]);
            let made = client.post(&path, &json!({"dkim": keys(dkim)})).await?;
            domain_shown(&made, form)?;
            if !form.json {
                show::line(&format!(
                    "\npublish the records of the keys that wait: they sign once they are found, at \
                     `relent domain verify {account} {domain}` or by themselves; leave the others"
                ))?;
            }
        }
        DomainVerb::Remove { account, domain, form } => {
            let path = path(&["accounts", &account, "domains", &domain]);
            let removed = client.delete(&path, None).await?;
            tell(&removed, form, &format!("domain {domain} removed"))?;
        }
    }
    Ok(())
}

fn keys(dkim: Dkim) -> &'static str {
    match dkim {
        Dkim::Both => "both",
        Dkim::Ed25519 => "ed25519",
        Dkim::Rsa => "rsa",
        Dkim::None => "none",
    }
}

fn is_host(record: &Value) -> bool {
    ["return_path", "replies", "links"].iter().any(|purpose| record["purpose"] == *purpose)
}

fn put_hosts(body: &mut Value, hosts: Hosts) {
    let named =
        |host: Option<String>| host.map(|host| if host == "none" { String::new() } else { host });
    put(body, "return_path", named(hosts.return_path));
    put(body, "reply_host", named(hosts.reply_host));
    put(body, "link_host", named(hosts.link_host));
}

/// A domain: what it is, its records, its hosts, its keys.
fn domain_shown(found: &Value, form: Form) -> Result<(), Fault> {
    one(found, &DOMAIN, form)?;
    if form.json {
        return Ok(());
    }
    for (head, key) in [
        ("return path host", "return_path"),
        ("reply host", "reply_host"),
        ("link host", "link_host"),
    ] {
        if let Some(name) = found[key]["name"].as_str() {
            let used = if found[key]["verified"] == true { "in use" } else { "not found yet" };
            show::line(&format!("{head} {name}: {used}"))?;
        }
    }
    show::line("")?;
    records(found, &RECORD, form)?;
    for record in show::items(found, "records") {
        if let Some(note) = record["note"].as_str() {
            show::line(&format!("{}: {}", show::cell("name", &record["name"]), show::clean(note)))?;
        }
    }
    if !show::items(&found["keys"], "keys").is_empty() {
        show::line("")?;
        show::table(&KEY, show::items(&found["keys"], "keys"), form)?;
    }
    Ok(())
}

/// What a look at a domain's records found; refused where one that is required is not right.
fn verified(found: &Value, domain: &str, form: Form) -> Result<(), Fault> {
    if form.json {
        show::json(found)?;
    } else {
        records(found, &FOUND, form)?;
        for record in show::items(found, "records") {
            let Some(problem) = record["problem"].as_str() else { continue };
            let advice = if record["required"] == true { "" } else { " (advice)" };
            let name = show::cell("name", &record["name"]);
            let seen = match &record["seen"] {
                Value::Array(seen) if seen.is_empty() => String::new(),
                seen => format!("; found: {}", show::cell("seen", seen)),
            };
            show::line(&format!("{name}: {}{advice}{seen}", show::clean(problem)))?;
        }
    }
    if found["complete"] != Value::Bool(true) {
        let may = match found["verified"] == true {
            true => "is verified, but not all of it is in use",
            false => "is not verified",
        };
        return Err(Fault::Refused(format!(
            "{domain} {may}: publish the records that were not found, wait until name servers have \
             them, and run this again"
        )));
    }
    if !form.json {
        show::line(&format!("domain {domain} verified"))?;
        if found["rotated"] == true {
            show::line(
                "its new keys sign from now on; `relent domain show` says how long the old stay published",
            )?;
        }
    }
    Ok(())
}

/// `relent stream …`
pub(super) async fn stream(client: &Client, verb: StreamVerb) -> Result<(), Fault> {
    match verb {
        StreamVerb::Add { account, name, kind, consent, reply_to, honour_opt_out, rules, form } => {
            let kind = match kind {
                StreamKind::Marketing => "marketing",
                StreamKind::Transactional => "transactional",
            };
            let mut body = json!({"name": name, "kind": kind});
            put(&mut body, "consent_required", consent.map(|rule| rule == ConsentRule::Required));
            put(&mut body, "honour_opt_out", honour_opt_out.then_some(true));
            put(&mut body, "reply_to", reply_to);
            put_rules(&mut body, rules);
            let made = client.post(&path(&["accounts", &account, "streams"]), &body).await?;
            tell(&made, form, &format!("stream {account}/{name} made"))?;
        }
        StreamVerb::Set { account, name, rules, form } => {
            let mut body = json!({});
            put_rules(&mut body, rules);
            if body == json!({}) {
                let text = "name what changes: --compliance, --quiet-hours, --ad-label or --consent-expires";
                return Err(Fault::Usage(text.into()));
            }
            let set = client.patch(&path(&["accounts", &account, "streams", &name]), &body).await?;
            tell(&set, form, &format!("stream {account}/{name} changed"))?;
        }
        StreamVerb::List { account, form } => {
            let path = path(&["accounts", &account, "streams"]);
            show::listing(client, &path, &[], &STREAM, form).await?;
        }
        StreamVerb::Show { account, name, form } => {
            one(
                &client.get(&path(&["accounts", &account, "streams", &name])).await?,
                &STREAM,
                form,
            )?;
        }
        StreamVerb::Answers { account, name, confirm, language, text, remove_text, form } => {
            let path = path(&["accounts", &account, "streams", &name, "answers"]);
            let mut body = json!({});
            put(&mut body, "confirm", confirm.map(|confirm| confirm == Switch::On));
            put(&mut body, "language", language);
            let mut texts = serde_json::Map::new();
            for given in text {
                let (tag, text) = own_text(&given)?;
                texts.insert(tag, text.into());
            }
            texts.extend(remove_text.into_iter().map(|tag| (tag, Value::Null)));
            if !texts.is_empty() {
                body["texts"] = texts.into();
            }
            let is_asked = body.as_object().is_none_or(serde_json::Map::is_empty);
            let found =
                if is_asked { client.get(&path).await? } else { client.post(&path, &body).await? };
            one(&found, &ANSWERS, form)?;
        }
        StreamVerb::Remove { account, name, form } => {
            let path = path(&["accounts", &account, "streams", &name]);
            let removed = client.delete(&path, None).await?;
            tell(&removed, form, &format!("stream {account}/{name} removed"))?;
        }
    }
    Ok(())
}

fn put_rules(body: &mut Value, rules: Rules) {
    let compliance = rules.compliance.map(|compliance| match compliance {
        Compliance::Report => "report",
        Compliance::Refuse => "refuse",
    });
    put(body, "compliance", compliance);
    put(body, "quiet_hours", rules.quiet_hours);
    put(body, "ad_label", rules.ad_label.map(|label| label == Switch::On));
    put(body, "consent_expires", rules.consent_expires);
}

/// `TAG=FILE`: a language, and the words in a file.
fn own_text(given: &str) -> Result<(String, String), Fault> {
    let refused = |why: String| Fault::Refused(format!("--text {given}: {why}"));
    let (tag, file) = given
        .split_once('=')
        .ok_or_else(|| refused("write a language and a file, as in --text de=own.txt".into()))?;
    let text = std::fs::read_to_string(file).map_err(|fault| refused(fault.to_string()))?;
    Ok((tag.to_owned(), text))
}

fn records(answer: &Value, columns: &[Column], form: Form) -> Result<(), Fault> {
    show::table(columns, show::items(answer, "records"), form)
}

fn one(answer: &Value, columns: &[Column], form: Form) -> Result<(), Fault> {
    if form.json { show::json(answer) } else { show::put(&show::fields(answer, columns)) }
}

pub(super) fn tell(answer: &Value, form: Form, said: &str) -> Result<(), Fault> {
    if form.json { show::json(answer) } else { show::line(said) }
}

pub(super) fn put(body: &mut Value, key: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        body[key] = value.into();
    }
}
