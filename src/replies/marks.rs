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
    /// The same, where the charset of an answer lacked some of their letters: `a ?crit`, `?道`.
    #[serde(skip)]
    worn_verbs: Vec<String>,
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
        let read = toml::from_str(include_str!("words/marks.toml"));
        let mut marks: Self = read.map_err(|fault| fault.to_string())?;
        marks.worn_verbs = marks.verbs.iter().flat_map(|verb| worn(verb)).collect();
        Ok(marks)
    }

    /// Whether a text in lower case holds a verb of introductions.
    pub(super) fn speak(&self, text: &str) -> bool {
        let holds = |verbs: &[String], text: &str| verbs.iter().any(|verb| text.contains(verb));
        holds(&self.verbs, text)
            || text.contains(['?', '\u{fffd}'])
                && holds(&self.worn_verbs, &text.replace('\u{fffd}', "?"))
    }
}

/// Fewest letters that tell a verb which lost all its others.
const TELLING_MIN: usize = 3;

/// A verb with a question mark for one of its letters that many charsets lack, or for all of them.
fn worn(verb: &str) -> Vec<String> {
    let lost = |c: char| if c.is_ascii() { c } else { '?' };
    let all: String = verb.chars().map(lost).collect();
    let letters = all.chars().filter(char::is_ascii_alphabetic).count();
    let foreign = verb.chars().filter(|c| !c.is_ascii()).count();
    let mut found = Vec::new();
    if foreign > 0 && letters >= TELLING_MIN {
        found.push(all);
    }
    if foreign > 1 {
        let places = verb.char_indices().filter(|(_, c)| !c.is_ascii());
        found.extend(places.map(|(at, c)| [&verb[..at], "?", &verb[at + c.len_utf8()..]].concat()));
    }
    found
}
