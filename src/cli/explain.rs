//! `relent explain --message`: what large mailbox providers would hold against a message.

use super::arguments::{Form, Target};
use super::client::{Client, Fault, query};
use super::show::{self, Column};
use std::io::Read;
use std::path::Path;

const FINDING: [Column; 4] =
    [("SEVERITY", "severity"), ("ID", "id"), ("STATUS", "status"), ("SOURCE", "source")];

/// The bytes of a message, at most so many that the daemon can say that it is too large.
fn read(file: &Path, size_max: u64) -> Result<Vec<u8>, Fault> {
    let unreadable =
        |fault: std::io::Error| Fault::Usage(format!("{} cannot be read: {fault}", file.display()));
    let mut bytes = Vec::new();
    let mut take = |source: &mut dyn Read| source.take(size_max + 1).read_to_end(&mut bytes);
    if file == Path::new("-") {
        take(&mut std::io::stdin().lock()).map_err(unreadable)?;
    } else {
        take(&mut std::fs::File::open(file).map_err(unreadable)?).map_err(unreadable)?;
    }
    Ok(bytes)
}

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
    let bytes = read(file, client.message_size_max)?;
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
