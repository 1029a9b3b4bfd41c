//! `relent explain --message`: what large mailbox providers would hold against a message.

use super::arguments::{Form, Target};
use super::client::{Client, Fault, query};
use super::letter;
use super::show::{self, Column};
use std::path::Path;

const FINDING: [Column; 4] =
    [("SEVERITY", "severity"), ("ID", "id"), ("STATUS", "status"), ("SOURCE", "source")];

/// Lists the findings; refused where the stream would refuse the message.
pub(super) async fn message(
    client: &Client,
    target: &Target,
    file: Option<&Path>,
    form: Form,
) -> Result<(), Fault> {
    let Some(file) = file else {
        return Err(Fault::Usage("name an ADDRESS or --message FILE".into()));
    };
    let bytes = letter::message(file, client.message_size_max)?;
    let asked = query(&[("account", Some(&target.account)), ("stream", target.stream.as_deref())]);
    let found = client.post_message(&format!("/explain{asked}"), bytes).await?;
    if form.json {
        show::json(&found)?;
    } else {
        let findings = show::items(&found["findings"], "findings");
        if findings.is_empty() {
            show::line("nothing is held against it")?;
        } else {
            show::table(&FINDING, findings, form)?;
            show::line("")?;
        }
        for finding in findings {
            let text = |key: &str| show::cell(key, &finding[key]);
            show::line(&format!("{}: {}", text("id"), text("text")))?;
        }
    }
    if found["verdict"] == "refuse" {
        let rule = match found["compliance"] == "refuse" {
            true => "the stream refuses it",
            false => {
                "the stream takes it and reports it (`relent stream set … --compliance refuse` refuses it)"
            }
        };
        if found["compliance"] == "refuse" {
            return Err(Fault::Refused(rule.into()));
        }
        if !form.json {
            show::line(&format!("\n{rule}"))?;
        }
    }
    Ok(())
}
