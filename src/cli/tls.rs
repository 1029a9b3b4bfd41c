//! Verbs about our certificates.

use super::arguments::Form;
use super::client::{Client, Fault};
use super::show::{self, Column};
use clap::Subcommand;
use serde_json::{Value, json};

#[derive(Debug, Subcommand)]
pub(super) enum TlsVerb {
    /// Show our certificates, until when they hold, and why one is not renewed.
    Show {
        #[command(flatten)]
        form: Form,
    },
    /// Ask the authority for a certificate now, whatever wait its last refusal brought.
    Renew {
        /// The host; without it, every host of [acme].
        #[arg(value_name = "HOST")]
        host: Option<String>,
        #[command(flatten)]
        form: Form,
    },
}

const CERTIFICATES: [Column; 6] = [
    ("NAMES", "names"),
    ("FROM", "source"),
    ("ISSUER", "issuer"),
    ("UNTIL", "until"),
    ("HOLDS", "holds"),
    ("FAULT", "fault"),
];

const HOSTS: [Column; 5] = [
    ("HOST", "host"),
    ("UNTIL", "until"),
    ("NEXT TRY", "next_try"),
    ("FAILURES", "failures"),
    ("FAULT", "fault"),
];

/// `relent tls …`
pub(super) async fn tls(client: &Client, verb: TlsVerb) -> Result<(), Fault> {
    match verb {
        TlsVerb::Show { form } => {
            let answer = client.get("/tls").await?;
            if form.json {
                return show::json(&answer);
            }
            show::table(&CERTIFICATES, show::items(&answer["certificates"], "items"), form)?;
            let hosts = show::items(&answer["authority"], "items");
            if hosts.is_empty() {
                return Ok(());
            }
            show::line("")?;
            show::table(&HOSTS, hosts, form)
        }
        TlsVerb::Renew { host, form } => {
            let answer = client.post("/tls/renew", &json!({ "host": host })).await?;
            if form.json {
                return show::json(&answer);
            }
            let hosts = show::items(&answer["hosts"], "items").iter();
            let hosts: Vec<_> = hosts.filter_map(Value::as_str).collect();
            show::line(&format!(
                "asked for {}; `relent tls show` says what came of it",
                hosts.join(", ")
            ))
        }
    }
}
