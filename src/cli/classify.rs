//! `relent classify`: what messages are, and what they would stop, straight from `replies` and without a daemon.

use super::arguments::{Form, Tried};
use super::client::Fault;
use super::letter;
use super::sender_arguments::StreamKind;
use super::show;
use crate::config::{self, Config, Replies};
use crate::replies::{self, Vocabulary, Words};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

/// Longest line of a person's words that is shown to a person.
const WRITTEN_MAX: usize = 200;

/// Longest file of words that is read, in bytes.
const WORDS_MAX: u64 = 1 << 20;

/// Says of each file what it is. A file that cannot be read does not keep the others from being read.
pub(super) fn classify(
    files: &[PathBuf],
    named: Option<&Path>,
    tried: &Tried,
    form: Form,
) -> Result<(), Fault> {
    let config = named.map(super::local::load).transpose()?;
    let Config { replies: mut limits, submission, inbound, .. } = config.unwrap_or_default();
    let size_max = submission.message_size_max.0.max(inbound.message_size_max.0);
    if let Some(file) = &tried.words {
        limits.words = own_words(file)?;
    }
    let words = Words::new(&limits.words).map_err(|fault| Fault::Refused(fault.to_string()))?;
    let words = match tried.stream.as_deref() {
        Some(stream) => words.of(stream),
        None => words.all(),
    };
    let kind = match tried.stream_kind {
        StreamKind::Marketing => replies::StreamKind::Marketing,
        StreamKind::Transactional => replies::StreamKind::Transactional,
    };
    let mut unread = Vec::new();
    for file in files {
        match read(file, size_max) {
            Ok(message) => tell(file, &said(&message, &limits, words, kind), form)?,
            Err(why) => unread.push(format!("{}: {why}", file.display())),
        }
    }
    if unread.is_empty() { Ok(()) } else { Err(Fault::Refused(unread.join("; "))) }
}

fn said(message: &[u8], limits: &Replies, words: &Vocabulary, kind: replies::StreamKind) -> Value {
    let found = replies::classify(message, limits, words);
    match serde_json::to_value(&found) {
        Ok(mut said) => {
            said["stops"] = json!(found.stops_at(kind));
            said
        }
        Err(fault) => json!({"fault": fault.to_string()}),
    }
}

/// Words to be tried, as they would stand in the settings.
fn own_words(file: &Path) -> Result<config::Words, Fault> {
    let refused = |why: String| Fault::Refused(format!("{}: {why}", file.display()));
    let text = read(file, WORDS_MAX).map_err(refused)?;
    let text = String::from_utf8(text).map_err(|fault| refused(fault.to_string()))?;
    toml::from_str(&text).map_err(|fault| refused(fault.to_string()))
}

/// Reads at most what the relay would take.
fn read(file: &Path, size_max: u64) -> Result<Vec<u8>, String> {
    let message = letter::bytes(file, size_max).map_err(|fault| fault.to_string())?;
    if u64::try_from(message.len()).is_ok_and(|size| size > size_max) {
        return Err(format!("larger than {size_max} bytes, the most that is taken"));
    }
    Ok(message)
}

fn tell(file: &Path, found: &Value, form: Form) -> Result<(), Fault> {
    let name = file.display().to_string();
    if form.json {
        // `file` first, the rest as it came.
        let rest = found.to_string();
        let rest = rest.strip_prefix('{').unwrap_or("}");
        let comma = if rest == "}" { "" } else { "," };
        return show::line(&format!("{{\"file\":{}{comma}{rest}", Value::from(name)));
    }
    let mut words = vec![format!("{name}: {}", show::cell("kind", &found["kind"]))];
    match found["wish"].as_str() {
        None | Some("none") => {}
        Some(wish) => words.push(format!("wishes to {wish}")),
    }
    match found["stops"].as_str() {
        Some("account") => words.push("stops all marketing mail".to_owned()),
        Some("stream") => words.push("stops this stream".to_owned()),
        _ => {}
    }
    if let Some(kind) = found["feedback_type"].as_str() {
        words.push(show::clean(kind));
    }
    for recipient in show::items(&found["recipients"], "items") {
        let permanent = recipient["permanent"].as_bool().unwrap_or_default();
        words.push(format!(
            "{} {} {}",
            show::cell("address", &recipient["address"]),
            show::cell("status", &recipient["status"]),
            if permanent { "for good" } else { "for now" }
        ));
    }
    if let Some(written) = found["written"].as_str().filter(|text| !text.trim().is_empty()) {
        let text: String = show::clean(written.trim()).chars().take(WRITTEN_MAX).collect();
        words.push(format!("wrote “{text}”"));
    }
    show::line(&words.join(", "))
}
