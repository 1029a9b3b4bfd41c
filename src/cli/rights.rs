//! Verbs about what is kept of a person: shown whole, and destroyed.

use super::arguments::Form;
use super::client::{Client, Fault, query};
use super::progress::Working;
use super::show;
use clap::{Args, Subcommand};
use serde_json::{Value, json};

/// A person, in one account or in all.
#[derive(Debug, Args)]
pub(super) struct Whose {
    /// The account; left out with --all-accounts.
    #[arg(value_name = "ACCOUNT")]
    account: String,
    /// The person's address.
    #[arg(value_name = "ADDRESS", required_unless_present = "all_accounts")]
    address: Option<String>,
    /// In every account: then only the address is named.
    #[arg(long)]
    all_accounts: bool,
}

#[derive(Debug, Subcommand)]
pub(super) enum RecipientVerb {
    /// Show all that is kept about a person.
    Export {
        #[command(flatten)]
        whose: Whose,
        #[command(flatten)]
        form: Form,
    },
    /// Destroy all that is kept about a person; who was stopped stays stopped, by a keyed hash.
    Erase {
        #[command(flatten)]
        whose: Whose,
        #[command(flatten)]
        form: Form,
    },
}

impl Whose {
    /// The account, unless all are meant, and the address.
    fn read(&self) -> (Option<&str>, &str) {
        match &self.address {
            Some(address) => ((!self.all_accounts).then_some(self.account.as_str()), address),
            None => (None, &self.account),
        }
    }
}

/// `relent recipient …`
pub(super) async fn recipient(client: &Client, verb: RecipientVerb) -> Result<(), Fault> {
    match verb {
        RecipientVerb::Export { whose, form } => {
            let (account, address) = whose.read();
            let all = account.is_none().then_some("true");
            let asked =
                query(&[("account", account), ("recipient", Some(address)), ("all_accounts", all)]);
            let working = Working::on("looking for what is kept", Vec::new(), None);
            let found = client.get(&format!("/recipients/export{asked}")).await?;
            drop(working);
            if form.json { show::json(&found) } else { show::put(&readable(&found)) }
        }
        RecipientVerb::Erase { whose, form } => {
            let (account, address) = whose.read();
            let mut body = json!({ "recipient": address });
            match account {
                Some(account) => body["account"] = account.into(),
                None => body["all_accounts"] = true.into(),
            }
            let working = Working::on("forgetting", Vec::new(), None);
            let done = client.post("/recipients/erase", &body).await?;
            drop(working);
            if form.json {
                return show::json(&done);
            }
            let count = |value: &Value| value.as_u64().unwrap_or_default();
            let records = &done["records"];
            show::line(&format!(
                "forgotten: {} waiting copies taken out, {} stops bared, {} consents, {} record events, \
                 {} audit entries, {} message events",
                count(&done["cancelled"]),
                count(&records["stops"]),
                count(&records["consents"]),
                count(&records["events"]),
                count(&records["entries"]),
                count(&done["messages"]),
            ))?;
            for text in show::items(&done, "remains").iter().filter_map(Value::as_str) {
                show::line(&format!("not reached: {text}"))?;
            }
            Ok(())
        }
    }
}

/// An export as people read it.
fn readable(found: &Value) -> String {
    let cell = |key: &str, value: &Value| show::cell(key, value);
    let mut text = format!("All that is kept about {}\n", cell("recipient", &found["recipient"]));
    let accounts = show::items(found, "accounts");
    if accounts.is_empty() {
        text += "\nNothing.\n";
    }
    for account in accounts {
        text += &format!("\nAccount {}\n", cell("account", &account["account"]));
        for (heading, key) in [
            ("Stops", "suppressions"),
            ("Consents", "consents"),
            ("What changed in these records", "records"),
            ("Messages", "messages"),
            ("Mail that waits", "queued"),
            ("Who did what (audit)", "audit"),
        ] {
            let items = show::items(account, key);
            if items.is_empty() {
                continue;
            }
            text += &format!("\n  {heading}\n");
            for item in items {
                text += &format!("    {}\n", cell(key, item));
            }
        }
        if account["cut"] == true {
            text += "\n  There is more than is shown.\n";
        }
    }
    let kept = &found["retention"];
    text += &format!(
        "\nKept for: message events {}, record events {}, addresses on the network {}, audit entries {}\n",
        cell("messages", &kept["messages"]),
        cell("records", &kept["records"]),
        cell("evidence_ips", &kept["evidence_ips"]),
        cell("audit", &kept["audit"]),
    );
    text
}
