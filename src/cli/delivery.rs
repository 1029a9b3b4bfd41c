//! Verbs about mail that goes out.

use super::arguments::DeliveryVerb;
use super::client::{Client, Fault, path};
use super::show;
use serde_json::{Value, json};

/// `relent delivery …`
pub(super) async fn delivery(client: &Client, verb: DeliveryVerb) -> Result<(), Fault> {
    match verb {
        DeliveryVerb::Probe { domain, form } => {
            let path = path(&["delivery", "probe", &domain]);
            let found = client.post(&path, &json!({})).await?;
            if form.json { show::json(&found) } else { show::put(&story(&found)) }
        }
    }
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
