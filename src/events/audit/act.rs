//! What an entry says: what was done, to what, and how it reads years later.

use super::actor::Actor;
use crate::mail::id::BASE32;
use crate::mail::{AccountId, RecipientHash};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// Most characters of a text in an entry.
const TEXT_MAX: usize = 1000;
/// The version of the form that entries are written in.
const VERSION: u8 = 1;

/// Something that is done.
#[derive(Debug, Clone, PartialEq)]
pub struct Act {
    account: AccountId,
    kind: &'static str,
    about: Option<String>,
    recipient: Option<RecipientHash>,
    event: Option<u64>,
    details: Map<String, Value>,
}

impl Act {
    /// An act in an account (or the installation), of a kind as in `stream.added`: a thing, and what became
    /// of it.
    #[must_use]
    pub fn new(account: AccountId, kind: &'static str) -> Self {
        let (about, recipient, event, details) = (None, None, None, Map::new());
        Self { account, kind, about, recipient, event, details }
    }

    /// The name of what it was done to. Never a recipient's address, which an erasure would not find.
    #[must_use]
    pub fn about(mut self, name: impl Into<String>) -> Self {
        self.about = Some(cut(name.into()));
        self
    }

    /// The recipient whose records changed, and the event of the change.
    #[must_use]
    pub fn of(mut self, recipient: RecipientHash, event: u64) -> Self {
        (self.recipient, self.event) = (Some(recipient), Some(event));
        self
    }

    /// One more thing to know of it; an empty one is left out.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        let value = match value.into() {
            Value::String(text) => Value::String(cut(text)),
            other => other,
        };
        if !value.is_null() && value.as_str() != Some("") {
            self.details.insert(name.to_owned(), value);
        }
        self
    }

    /// As it is written down, and digested: JSON.
    pub(super) fn said(self, by: &Actor) -> String {
        let said = Said {
            v: VERSION,
            account: self.account,
            kind: self.kind.to_owned(),
            by: by.clone(),
            about: self.about,
            recipient: self.recipient.map(|hash| BASE32.encode(&hash.0)),
            event: self.event,
            details: self.details,
        };
        serde_json::to_string(&said).expect("names, numbers and texts are always JSON")
    }
}

/// What an entry says, read.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Said {
    /// The version of the form.
    pub v: u8,
    /// In which account; 0 is the installation.
    pub account: AccountId,
    /// What was done: `stream.added`.
    pub kind: String,
    /// By whom.
    pub by: Actor,
    /// To what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub about: Option<String>,
    /// Whose records changed, by the account's hash in base32.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recipient: Option<String>,
    /// The event of the change of those records.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub event: Option<u64>,
    /// What else there is to know.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub details: Map<String, Value>,
}

fn cut(text: String) -> String {
    match text.char_indices().nth(TEXT_MAX) {
        Some((at, _)) => text[..at].to_owned(),
        None => text,
    }
}
