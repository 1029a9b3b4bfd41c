//! Marks by which mail programs tell the original from the answer, read from `words/marks.toml`. A new
//! language or program is a new word there.

use serde::Deserialize;
use std::collections::HashSet;

/// The marks of all languages and programs, in lower case.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Marks {
    /// Words one of which an introduction holds.
    pub(super) verbs: Vec<String>,
    /// How an introduction begins.
    pub(super) starts: Vec<String>,
    /// What a separator of dashes says between them.
    pub(super) separators: Vec<String>,
    /// Labels of a header block.
    pub(super) labels: HashSet<String>,
    /// Words by which a header line says that one sends for another.
    pub(super) delegates: Vec<String>,
    /// What people write in brackets for what they left out of a quote.
    pub(super) elisions: HashSet<String>,
    /// How the footer of a mail program or a device begins; the line names which one.
    pub(super) footers: Vec<String>,
    /// How such a footer ends in languages that put the verb last.
    pub(super) footer_ends: Vec<String>,
    /// Devices and mail programs that a footer names.
    pub(super) devices: Vec<String>,
    /// How the paragraph begins that mailing lists add below every letter.
    pub(super) list_footers: Vec<String>,
    /// Words that no footer holds: a line with one of them is the person's.
    pub(super) no_footer: Vec<String>,
    /// Prefixes of subjects by which mail programs say that they answer, in normal form.
    pub(super) replied: HashSet<String>,
    /// Prefixes by which they say that they forward.
    pub(super) forwarded: HashSet<String>,
}

impl Marks {
    /// Reads the file of the binary.
    pub(super) fn read() -> Result<Self, String> {
        toml::from_str(include_str!("words/marks.toml")).map_err(|fault| fault.to_string())
    }
}
