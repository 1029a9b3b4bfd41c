//! The words by which servers without a delivery status say that they could not deliver, read from
//! `words/notices.toml`. A new server or language is a new word there.

use serde::Deserialize;
use std::collections::HashSet;

/// How far into a notice its own words are looked for, in characters.
pub(super) const TELLING_MAX: usize = 1500;

/// The words of all servers and languages, in lower case; the page says what each list is.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NoticeWords {
    pub(super) subjects: Vec<String>,
    pub(super) answered: Vec<String>,
    pub(super) machines: Vec<String>,
    pub(super) programs: Vec<String>,
    pub(super) telling: Vec<String>,
    pub(super) told_by_machines: Vec<String>,
    pub(super) delays: Vec<String>,
    pub(super) given_up: Vec<String>,
    pub(super) originals: Vec<String>,
    pub(super) returns: Vec<String>,
    pub(super) others: Vec<String>,
    pub(super) recipients: HashSet<String>,
    pub(super) cues: Vec<String>,
    pub(super) senders: Vec<String>,
    pub(super) following: Vec<String>,
}

impl NoticeWords {
    /// Reads the file of the binary.
    pub(super) fn read() -> Result<Self, String> {
        toml::from_str(include_str!("words/notices.toml")).map_err(|fault| fault.to_string())
    }
}
