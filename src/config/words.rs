//! `[replies.words]`: the words by which replies are understood, beside those that the binary brings.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Most words of one list, and most streams with words of their own.
const WORDS_MAX: usize = 1000;
/// Longest word, in characters: a reply as long as that is a sentence.
const WORD_MAX: usize = 60;

/// What a wish stops.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stops {
    /// All the account's mail that can be stopped.
    Account,
    /// The stream that was answered.
    Stream,
}

/// `[replies.words]`: words of the installation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Words {
    /// More words that refuse a sender, each a whole reply.
    pub reject: Vec<String>,
    /// More words that leave a stream.
    pub unsubscribe: Vec<String>,
    /// More words that ask back in.
    pub resubscribe: Vec<String>,
    /// More words that ask how to go on.
    pub help: Vec<String>,
    /// Words that are no wish when they stand alone, though the binary or a list above knows them.
    pub drop: Vec<String>,
    /// What the words that refuse a sender stop: "account" or "stream".
    pub reject_stops: Stops,
    /// What the words that leave a stream stop: "stream" or "account".
    pub unsubscribe_stops: Stops,
    /// Words of single streams, by ACCOUNT/STREAM, laid over these.
    pub streams: BTreeMap<String, OwnWords>,
}

/// What one stream's words change: as [`Words`], and what is left out stays.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OwnWords {
    /// More words that refuse a sender.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub reject: Vec<String>,
    /// More words that leave a stream.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unsubscribe: Vec<String>,
    /// More words that ask back in.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resubscribe: Vec<String>,
    /// More words that ask how to go on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub help: Vec<String>,
    /// Words that are no wish when they stand alone.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub drop: Vec<String>,
    /// What the words that refuse a sender stop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reject_stops: Option<Stops>,
    /// What the words that leave a stream stop.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unsubscribe_stops: Option<Stops>,
}

impl Default for Words {
    fn default() -> Self {
        Self {
            reject: Vec::new(),
            unsubscribe: Vec::new(),
            resubscribe: Vec::new(),
            help: Vec::new(),
            drop: Vec::new(),
            reject_stops: Stops::Account,
            unsubscribe_stops: Stops::Stream,
            streams: BTreeMap::new(),
        }
    }
}

impl Words {
    /// The installation's words as those of a stream are written.
    #[must_use]
    pub fn own(&self) -> OwnWords {
        OwnWords {
            reject: self.reject.clone(),
            unsubscribe: self.unsubscribe.clone(),
            resubscribe: self.resubscribe.clone(),
            help: self.help.clone(),
            drop: self.drop.clone(),
            reject_stops: Some(self.reject_stops),
            unsubscribe_stops: Some(self.unsubscribe_stops),
        }
    }

    /// The first fault: its key below `replies.words`, and the reason.
    pub(super) fn fault(&self) -> Option<(String, String)> {
        if let Some((key, reason)) = self.own().fault() {
            return Some((key.to_owned(), reason));
        }
        if self.streams.len() > WORDS_MAX {
            return Some(("streams".into(), format!("at most {WORDS_MAX} streams have words")));
        }
        self.streams.iter().find_map(|(name, own)| {
            let parts = name.split_once('/').is_some_and(|(account, stream)| {
                let is_part = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
                let is_name = |name: &str| !name.is_empty() && name.bytes().all(is_part);
                is_name(account) && is_name(stream)
            });
            if !parts {
                let reason = format!(
                    "`{name}` names no stream: write ACCOUNT/STREAM, as in \"acme/newsletter\""
                );
                return Some((format!("streams.{name}"), reason));
            }
            own.fault().map(|(key, reason)| (format!("streams.{name}.{key}"), reason))
        })
    }
}

impl OwnWords {
    fn fault(&self) -> Option<(&'static str, String)> {
        let lists = [
            ("reject", &self.reject),
            ("unsubscribe", &self.unsubscribe),
            ("resubscribe", &self.resubscribe),
            ("help", &self.help),
            ("drop", &self.drop),
        ];
        let mut seen: BTreeMap<String, &str> = BTreeMap::new();
        for (key, words) in lists {
            if words.len() > WORDS_MAX {
                return Some((key, format!("it has {}: at most {WORDS_MAX} words", words.len())));
            }
            for word in words {
                let plain = word.trim().to_lowercase();
                if !plain.contains(char::is_alphanumeric) {
                    let reason = format!("`{word}` holds no letter: write a word, as in \"stop\"");
                    return Some((key, reason));
                }
                if plain.chars().count() > WORD_MAX || plain.contains(char::is_control) {
                    let reason = format!(
                        "a word has at most {WORD_MAX} characters on one line, and a whole reply \
                         is compared with it: write a shorter one"
                    );
                    return Some((key, reason));
                }
                if let Some(other) = seen.insert(plain, key) {
                    let reason = format!(
                        "`{word}` stands in `{other}` already: a word can mean one thing, leave it \
                         out of one of the two"
                    );
                    return Some((key, reason));
                }
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(text: &str) -> Option<String> {
        let words: Words = toml::from_str(text).expect("types hold");
        words.fault().map(|(key, _)| key)
    }

    #[test]
    fn words_that_could_not_work_are_refused_by_key() {
        let long = format!("reject = [\"{}\"]", "a".repeat(WORD_MAX + 1));
        let many = format!("drop = [{}]", "\"n\",".repeat(WORDS_MAX + 1));
        for (key, text) in [
            ("reject", "reject = [\" \"]"),
            ("reject", long.as_str()),
            ("drop", many.as_str()),
            ("unsubscribe", "reject = [\"no\"]\nunsubscribe = [\"No \"]"),
            ("drop", "help = [\"?x\"]\ndrop = [\"?x\"]"),
            ("streams.acme", "[streams.acme]\ndrop = [\"n\"]"),
            ("streams.a b/c", "[streams.\"a b/c\"]\ndrop = [\"n\"]"),
            ("streams.acme/news.drop", "[streams.\"acme/news\"]\ndrop = [\"…\"]"),
        ] {
            assert_eq!(fault(text).as_deref(), Some(key), "{text}");
        }
        let fine = "reject = [\"Nein!\"]\n[streams.\"acme/news\"]\nreject_stops = \"stream\"";
        assert_eq!(fault(fine), None);
        assert!(toml::from_str::<Words>("[streams.\"a/b\"]\nfamily = []").is_err());
    }
}
