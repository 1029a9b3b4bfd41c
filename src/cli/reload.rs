//! `relent reload`: what of the settings holds from now on, what waits for a restart, and what clients hold against
//! our certificates.

use super::arguments::Form;
use super::client::{Client, Fault};
use super::show;
use serde_json::{Value, json};

/// Asks for it, and says what was done.
pub(super) async fn reload(client: &Client, form: Form) -> Result<(), Fault> {
    let done = client.post("/reload", &json!({})).await?;
    if form.json {
        return show::json(&done);
    }
    for said in words(&done) {
        show::line(&said)?;
    }
    Ok(())
}

fn words(done: &Value) -> Vec<String> {
    let texts = |key: &str| {
        let all = done[key].as_array().into_iter().flatten();
        all.filter_map(Value::as_str).map(str::to_owned).collect::<Vec<_>>()
    };
    let mut said = Vec::new();
    said.extend(texts("applied").into_iter().map(|key| format!("{key} holds from now on")));
    said.extend(texts("files").into_iter().map(|file| format!("{file} was read anew")));
    for one in done["restart"].as_array().into_iter().flatten() {
        let word = |key: &str| one[key].as_str().unwrap_or_default().to_owned();
        said.push(format!("{} needs a restart: {}", word("key"), word("why")));
    }
    if said.is_empty() {
        said.push("nothing has changed".into());
    }
    said.extend(texts("warnings").into_iter().map(|text| format!("tls: {text}")));
    said
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reload_says_of_each_key_whether_it_holds() {
        let done = json!({
            "applied": ["queue.expiry"],
            "restart": [{ "key": "data_dir", "why": "it is open" }],
            "files": ["the certificate"],
            "warnings": ["the certificate c.pem ends soon"],
        });
        let expected = [
            "queue.expiry holds from now on",
            "the certificate was read anew",
            "data_dir needs a restart: it is open",
            "tls: the certificate c.pem ends soon",
        ];
        assert_eq!(words(&done), expected);
        let none = json!({ "applied": [], "restart": [], "files": [] });
        assert_eq!(words(&none), ["nothing has changed"]);
    }
}
