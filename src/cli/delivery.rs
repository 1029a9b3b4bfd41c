//! Verbs about mail on its way out: sites, what applies to them, and what keeps mail from them.

use super::arguments::Form;
use super::client::{Client, Fault, path};
use super::show::{self, Column};
use crate::config::Span;
use clap::Subcommand;
use serde_json::{Value, json};

/// `relent delivery …`
#[derive(Debug, Subcommand)]
pub(super) enum DeliveryVerb {
    /// List the sites that mail waits for, that are slowed or out of reach, and what is suspended.
    List {
        #[command(flatten)]
        form: Form,
    },
    /// Show a domain's site: its servers, every value that applies and why, and how it stands.
    Site {
        /// The domain.
        domain: String,
        #[command(flatten)]
        form: Form,
    },
    /// Say what would happen to mail for a domain, by greeting its servers: what their TLS must be and why, what
    /// they offer, their certificates. No mail is sent.
    Probe {
        /// The domain.
        domain: String,
        #[command(flatten)]
        form: Form,
    },
    /// Keep mail from a domain, or from all sites that have a mail server of that name; over restarts too.
    Suspend {
        /// A domain, a mail server, or `*.` and what the names of mail servers end in.
        #[arg(value_name = "SITE|DOMAIN")]
        name: String,
        /// For how long, as in 2h [default: until it is resumed].
        #[arg(long = "for", value_name = "TIME", value_parser = str::parse::<Span>)]
        span: Option<Span>,
        /// Why, in words that listings show.
        #[arg(long, value_name = "TEXT")]
        reason: Option<String>,
        #[command(flatten)]
        form: Form,
    },
    /// Let mail go there again, and end the pauses of sites of that name that nobody reached.
    Resume {
        /// As it was suspended, or a domain or mail server.
        #[arg(value_name = "SITE|DOMAIN")]
        name: String,
        #[command(flatten)]
        form: Form,
    },
}

const SITE: [Column; 6] = [
    ("SITE", "site"),
    ("WAITING", "waiting"),
    ("CONNECTIONS", "connections"),
    ("PACE", "pace"),
    ("DOMAINS", "domains"),
    ("STATE", "state"),
];
const SUSPENSION: [Column; 4] =
    [("SUSPENDED", "name"), ("SINCE", "since"), ("UNTIL", "until"), ("REASON", "reason")];
const REPORT: [Column; 4] =
    [("domain", "domain"), ("mail servers", "mx"), ("route", "route"), ("site", "site")];
const STATE: [Column; 4] =
    [("waiting", "waiting"), ("connections", "connections"), ("pace", "pace"), ("state", "state")];
/// Domains of a site that a table names.
const DOMAINS: usize = 3;

/// Says it.
pub(super) async fn delivery(client: &Client, verb: DeliveryVerb) -> Result<(), Fault> {
    match verb {
        DeliveryVerb::List { form } => list(client, form).await,
        DeliveryVerb::Site { domain, form } => site(client, &domain, form).await,
        DeliveryVerb::Probe { domain, form } => {
            let path = path(&["delivery", "probe", &domain]);
            let found = client.post(&path, &json!({})).await?;
            if form.json { show::json(&found) } else { show::put(&story(&found)) }
        }
        DeliveryVerb::Suspend { name, span, reason, form } => {
            let mut body = json!({ "name": name });
            if let Some(span) = span {
                // A part of a second is a second.
                let part = u64::from(span.0.subsec_nanos() > 0);
                body["seconds"] = (span.0.as_secs() + part).into();
            }
            if let Some(reason) = reason {
                body["reason"] = reason.into();
            }
            let done = client.post("/delivery/suspend", &body).await?;
            if form.json {
                return show::json(&done);
            }
            let until = done["until"]
                .as_str()
                .map_or_else(|| "until it is resumed".to_owned(), |until| format!("until {until}"));
            show::line(&format!("{} is suspended {until}", show::cell("name", &done["name"])))
        }
        DeliveryVerb::Resume { name, form } => {
            let done = client.post("/delivery/resume", &json!({ "name": name })).await?;
            if form.json {
                return show::json(&done);
            }
            let lifted = done["suspension_lifted"].as_bool().unwrap_or(false);
            let pauses = done["pauses_ended"].as_u64().unwrap_or(0);
            let lifted = if lifted { "the suspension is lifted" } else { "nothing was suspended" };
            show::line(&format!("{lifted}; pauses ended: {pauses}"))
        }
    }
}

/// How a site stands, in a few words for each column.
pub(super) fn short(site: &Value) -> Value {
    let count = |key: &str| site[key].as_u64().unwrap_or(0);
    let hosts = show::items(&site["hosts"], "hosts");
    let first = hosts.first().and_then(Value::as_str).unwrap_or("-");
    let name = match hosts.len() {
        0 | 1 => first.to_owned(),
        more => format!("{first} +{}", more - 1),
    };
    let domains = show::items(&site["domains"], "domains");
    let named: Vec<_> = domains.iter().filter_map(Value::as_str).take(DOMAINS).collect();
    let more = if domains.len() > DOMAINS { ", …" } else { "" };
    let pace = match site["messages_per_minute"].as_f64() {
        Some(rate) => format!("{rate}/m"),
        None => "no limit".into(),
    };
    let state = match (site["stopped"].as_str(), count("slowed"), count("failures")) {
        (Some(why), _, _) => why.to_owned(),
        (None, 0, 0) if site["on_trial"] == true => {
            "on trial: none of its servers has been reached yet, and one connection finds out"
                .into()
        }
        (None, 0, 0) => "served".into(),
        (None, 0, failures) => format!("on trial, not reached {failures} times in a row"),
        (None, steps, _) => format!("slowed by {steps} steps: it said that this is too much"),
    };
    json!({
        "site": name,
        "waiting": count("waiting"),
        "connections": format!("{} of {}", count("connections"), count("connections_max")),
        "pace": pace,
        "domains": format!("{}{more}", named.join(", ")),
        "state": state,
    })
}

async fn list(client: &Client, form: Form) -> Result<(), Fault> {
    let found = client.get("/delivery/sites").await?;
    if form.json {
        return show::json(&found);
    }
    let sites = show::items(&found["sites"], "sites");
    let suspensions = show::items(&found["suspensions"], "suspensions");
    let rows: Vec<Value> = sites.iter().map(short).collect();
    show::table(&SITE, &rows, form)?;
    if !suspensions.is_empty() {
        show::line("")?;
        show::table(&SUSPENSION, suspensions, form)?;
    }
    Ok(())
}

async fn site(client: &Client, domain: &str, form: Form) -> Result<(), Fault> {
    let found = client.get(&path(&["delivery", "sites", domain])).await?;
    if form.json {
        return show::json(&found);
    }
    show::put(&show::fields(&found, &REPORT))?;
    show::put(&show::fields(&short(&found["state"]), &STATE))?;
    show::line("")?;
    let columns = [("KEY", "key"), ("VALUE", "value"), ("FROM", "source")];
    show::table(&columns, show::items(&found["applies"], "applies"), form)?;
    for (key, columns) in
        [("suspensions", &SUSPENSION[..]), ("answers", &[("ANSWERED", "at"), ("SAID", "text")][..])]
    {
        let rows = if key == "answers" { &found["state"][key] } else { &found[key] };
        let rows = show::items(rows, key);
        if !rows.is_empty() {
            show::line("")?;
            show::table(columns, rows, form)?;
        }
    }
    Ok(())
}

/// What a probe found, from the verdict down to the certificates.
fn story(found: &Value) -> String {
    let head = [
        ("domain", "domain"),
        ("verdict", "verdict"),
        ("policy", "policy"),
        ("policy fault", "fault"),
        ("MTA-STS", "mta_sts"),
        ("DNSSEC", "dnssec"),
    ];
    let mut story = show::fields(found, &head);
    for host in show::items(&found["hosts"], "hosts") {
        story += &format!("\n{} ({})\n", text(host, "host"), text(host, "preference"));
        let rule = [("rule", "rule"), ("records", "records"), ("fault", "fault")];
        story += &indented(&show::fields(host, &rule), 2);
        for address in show::items(&host["addresses"], "addresses") {
            story += &format!("  {}\n", text(address, "address"));
            let about = [
                ("verdict", "verdict"),
                ("offers", "offers"),
                ("version", "version"),
                ("cipher", "cipher"),
                ("certificate", "certificate_fault"),
            ];
            story += &indented(&show::fields(address, &about), 4);
            for certificate in show::items(&address["certificates"], "certificates") {
                let about = [
                    ("subject", "subject"),
                    ("issuer", "issuer"),
                    ("names", "names"),
                    ("valid from", "from"),
                    ("valid until", "until"),
                    ("key SHA-256", "key_sha256"),
                ];
                story += "    certificate\n";
                story += &indented(&show::fields(certificate, &about), 6);
            }
        }
    }
    story
}

fn text(value: &Value, key: &str) -> String {
    show::cell(key, &value[key])
}

fn indented(text: &str, by: usize) -> String {
    text.lines().map(|line| format!("{:by$}{line}\n", "")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_site_is_told_in_a_line() {
        let site = json!({
            "hosts": ["a.mx.example", "b.mx.example"], "domains": ["a.example", "b.example",
            "c.example", "d.example"], "waiting": 7, "connections": 1, "connections_max": 5,
            "messages_per_minute": 30.0, "slowed": 2, "failures": 0, "stopped": null,
        });
        let row = short(&site);
        assert_eq!(row["site"], "a.mx.example +1");
        assert_eq!(row["domains"], "a.example, b.example, c.example, …");
        assert_eq!(row["connections"], "1 of 5");
        assert_eq!(row["pace"], "30/m");
        assert!(row["state"].as_str().is_some_and(|state| state.starts_with("slowed by 2 steps")));
    }
}
