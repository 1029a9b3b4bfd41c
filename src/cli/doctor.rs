//! `relent doctor`: what must be so for mail to arrive, looked at whether the daemon runs or not; with the
//! daemon, the records of every sending domain too.

use super::arguments::Form;
use super::client::{Client, Fault, path};
use super::paint::Ink;
use super::progress::Working;
use super::show;
use crate::doctor::{self, Case, Finding, Level};
use crate::world::World;
use clap::Args;
use serde_json::{Value, json};
use std::path::Path;

/// Most sending domains that are looked at.
const DOMAINS_MAX: usize = 100;

const TLS: &str = "TLS";
/// The certificates that an authority gives by itself.
const ASKED: &str = "certificates of [acme]";

/// `relent doctor …`
#[derive(Debug, Args)]
pub(super) struct Doctor {
    /// Connect to the mail servers of this domain, to see whether mail can leave, as in gmail.com. No mail is
    /// sent.
    #[arg(long, value_name = "DOMAIN")]
    outgoing: Option<String>,
    /// A list of addresses that send what nobody wants, asked about the addresses that mail leaves from; may be
    /// given more than once; `none` asks none.
    #[arg(long, value_name = "NAME", default_value = "zen.spamhaus.org")]
    block_list: Vec<String>,
    /// Say nothing of what is as it should be.
    #[arg(long)]
    problems: bool,
    #[command(flatten)]
    form: Form,
}

/// Looks at everything and says it; fails where something is bad.
pub(super) async fn doctor(client: &Client, file: &Path, asked: Doctor) -> Result<(), Fault> {
    let working = Working::on("looking", Vec::new(), None);
    let daemon = client.process().await;
    let mut block_lists = asked.block_list;
    block_lists.retain(|name| name != "none");
    let case = Case {
        config: &client.config,
        file,
        daemon,
        outgoing: asked.outgoing.as_deref(),
        block_lists: &block_lists,
    };
    let mut findings = doctor::examine(case, &World::real()).await;
    if client.config.acme.enabled {
        findings.extend(match daemon {
            Some(_) => authority(client).await,
            None => vec![Finding::warn(
                TLS,
                ASKED,
                "not looked at: the daemon, which asks for them, does not answer",
                "start it and run this again",
            )],
        });
    }
    findings.extend(match daemon {
        Some(_) => domains(client).await,
        None => vec![Finding::warn(
            "domains",
            "sending domains",
            "not looked at: the daemon, which knows them, does not answer",
            "start it and run this again",
        )],
    });
    drop(working);
    let count = |level: Level| findings.iter().filter(|one| one.level == level).count();
    let (bad, warnings) = (count(Level::Bad), count(Level::Warn));
    let shown: Vec<&Finding> =
        findings.iter().filter(|one| !asked.problems || one.level != Level::Ok).collect();
    if asked.form.json {
        show::json(&json!({ "bad": bad, "warnings": warnings, "findings": shown }))?;
    } else {
        show::put(&written(&shown, asked.form))?;
        show::line(&format!("{} looked at: {bad} bad, {warnings} to look at", findings.len()))?;
    }
    match bad {
        0 => Ok(()),
        1 => Err(Fault::Refused("one finding is bad: mail does not arrive as it should".into())),
        bad => Err(Fault::Refused(format!(
            "{bad} findings are bad: mail does not arrive as it should"
        ))),
    }
}

/// Findings for people: a line each, and below it what to do.
fn written(findings: &[&Finding], form: Form) -> String {
    let paint = form.color.out();
    let width = findings.iter().map(|one| one.area.len()).max().unwrap_or(0);
    let mut text = String::new();
    for one in findings {
        let level = one.level.name();
        let shown = paint.text(Ink::of(level), level);
        let pad = 4 - level.len().min(4);
        let (subject, found) = (show::clean(&one.subject), show::clean(&one.found));
        text += &format!("{shown}{:pad$}  {:width$}  {subject}: {found}\n", "", one.area);
        if let Some(advice) = &one.advice {
            text += &format!("      {:width$}  → {}\n", "", show::clean(advice));
        }
    }
    text
}

/// How the certificates stand that an authority gives by itself.
async fn authority(client: &Client) -> Vec<Finding> {
    match client.get("/tls").await {
        Ok(found) => show::items(&found["authority"], "items").iter().map(given).collect(),
        Err(fault) => {
            vec![Finding::bad(TLS, ASKED, fault.to_string(), "see the log of the daemon")]
        }
    }
}

/// How a host's stands.
fn given(host: &Value) -> Finding {
    let subject = show::cell("host", &host["host"]);
    let advice = "`relent tls show` says when it is asked for again, `relent tls renew` asks now";
    match (host["until"].as_str(), host["fault"].as_str()) {
        (Some(until), None) => {
            Finding::ok(TLS, subject, format!("the authority's certificate lasts until {until}"))
        }
        (Some(until), Some(fault)) => {
            let text = format!("its certificate lasts until {until} and is not renewed: {fault}");
            Finding::warn(TLS, subject, text, advice)
        }
        (None, Some(fault)) => {
            let text = format!("the authority has given no certificate: {fault}");
            Finding::bad(TLS, subject, text, advice)
        }
        (None, None) => {
            let text = "the authority has not given a certificate yet: a self-signed one is used";
            Finding::warn(TLS, subject, text, advice)
        }
    }
}

/// The records of every sending domain, as `relent domain verify` looks at them.
async fn domains(client: &Client) -> Vec<Finding> {
    let area = "domains";
    let unread = |fault: Fault| {
        vec![Finding::bad(area, "sending domains", fault.to_string(), "see the log of the daemon")]
    };
    let accounts = match show::all(client, "/accounts").await {
        Ok(accounts) => accounts,
        Err(fault) => return unread(fault),
    };
    let mut all = Vec::new();
    for account in &accounts {
        let Some(name) = account["name"].as_str() else { continue };
        match show::all(client, &path(&["accounts", name, "domains"])).await {
            Err(fault) => return unread(fault),
            Ok(found) => {
                let names = found.iter().filter_map(|one| one["name"].as_str());
                all.extend(names.map(|domain| (name.to_owned(), domain.to_owned())));
            }
        }
    }
    if all.is_empty() {
        return vec![Finding::warn(
            area,
            "sending domains",
            "no account has one: nothing can be sent",
            "`relent account add NAME`, then `relent domain add NAME DOMAIN`",
        )];
    }
    let mut findings = Vec::new();
    for (account, domain) in all.iter().take(DOMAINS_MAX) {
        let place = path(&["accounts", account, "domains", domain, "verify"]);
        findings.extend(match client.post(&place, &json!({})).await {
            Ok(found) => told(account, domain, &found),
            Err(fault) => vec![Finding::warn(
                area,
                domain,
                fault.to_string(),
                format!("`relent domain verify {account} {domain}`"),
            )],
        });
    }
    if all.len() > DOMAINS_MAX {
        findings.push(Finding::warn(
            area,
            "sending domains",
            format!("the first {DOMAINS_MAX} of {} were looked at", all.len()),
            "`relent domain verify ACCOUNT DOMAIN` looks at one",
        ));
    }
    findings
}

/// What a look at one domain's records found.
fn told(account: &str, domain: &str, found: &Value) -> Vec<Finding> {
    let area = "domains";
    let records = show::items(&found["records"], "records");
    let mut findings = Vec::new();
    for record in records {
        let Some(problem) = record["problem"].as_str() else { continue };
        let text = |key: &str| show::cell(key, &record[key]);
        let subject = format!("{} {}", text("type"), text("name"));
        let advice = match record["value"].as_str() {
            Some(value) => {
                format!("publish `{value}` there; `relent domain show {account} {domain}` has all")
            }
            None => format!("`relent domain show {account} {domain}` says what to publish"),
        };
        findings.push(match record["required"] == true {
            true => Finding::bad(area, subject, problem, advice),
            false => Finding::warn(area, subject, problem, advice),
        });
    }
    let may = found["verified"] == true;
    if findings.iter().all(|one| one.level != Level::Bad) && may {
        let text = format!("sends for {account}: proven, and its keys are published");
        findings.insert(0, Finding::ok(area, domain, text));
    } else if !may && findings.is_empty() {
        let advice = format!("`relent domain verify {account} {domain}`");
        findings.push(Finding::bad(area, domain, "it is not verified", advice));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_of_an_authority_is_judged_by_what_the_daemon_knows() {
        let level = |until: Option<&str>, fault: Option<&str>| {
            given(&json!({ "host": "relay.example", "until": until, "fault": fault })).level
        };
        assert_eq!(level(Some("2026-06-01T00:00:00Z"), None), Level::Ok);
        assert_eq!(level(Some("2026-06-01T00:00:00Z"), Some("refused")), Level::Warn);
        assert_eq!(level(None, Some("refused")), Level::Bad);
        assert_eq!(level(None, None), Level::Warn);
    }

    #[test]
    fn what_is_missing_of_a_domain_is_told_with_what_to_publish() {
        let found = json!({ "verified": false, "records": [
            {"type": "TXT", "name": "x._domainkey.acme.example", "value": "v=DKIM1; p=AA",
             "required": true, "problem": "there is no TXT record"},
            {"type": "TXT", "name": "_dmarc.acme.example", "value": "v=DMARC1; p=none",
             "required": false, "problem": "there is no TXT record"},
            {"type": "TXT", "name": "acme.example", "value": "v=spf1", "required": true, "problem": null},
        ]});
        let told = told("acme", "acme.example", &found);
        let levels: Vec<_> = told.iter().map(|one| one.level).collect();
        assert_eq!(levels, [Level::Bad, Level::Warn]);
        let advice = told[0].advice.as_deref().unwrap_or_default();
        assert!(advice.starts_with("publish `v=DKIM1; p=AA` there"), "{advice}");
    }
}
