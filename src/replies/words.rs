//! The words that wishes are known by: a file a language in `words/`, read into the binary, with what the
//! settings add, drop and change for the installation and for single streams.

use super::autoreply::AutomaticWords;
use super::classify::Wish;
use super::complaint::ComplaintWords;
use super::grammar::Grammar;
use super::marks::Marks;
use super::normal::{normal, unaccented};
use super::notice_words::NoticeWords;
use super::requests::{Page, Sentences};
use crate::config;
use serde::Deserialize;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use thiserror::Error;

/// The files by the codes of their languages, in the order in which requests are tried.
const FILES: [(&str, &str); 27] = [
    ("en", include_str!("words/en.toml")),
    ("de", include_str!("words/de.toml")),
    ("fr", include_str!("words/fr.toml")),
    ("es", include_str!("words/es.toml")),
    ("pt", include_str!("words/pt.toml")),
    ("it", include_str!("words/it.toml")),
    ("nl", include_str!("words/nl.toml")),
    ("ru", include_str!("words/ru.toml")),
    ("uk", include_str!("words/uk.toml")),
    ("pl", include_str!("words/pl.toml")),
    ("nordic", include_str!("words/nordic.toml")),
    ("fi", include_str!("words/fi.toml")),
    ("cs", include_str!("words/cs.toml")),
    ("hu", include_str!("words/hu.toml")),
    ("ro", include_str!("words/ro.toml")),
    ("el", include_str!("words/el.toml")),
    ("tr", include_str!("words/tr.toml")),
    ("ar", include_str!("words/ar.toml")),
    ("he", include_str!("words/he.toml")),
    ("th", include_str!("words/th.toml")),
    ("vi", include_str!("words/vi.toml")),
    ("id", include_str!("words/id.toml")),
    ("hi", include_str!("words/hi.toml")),
    ("further", include_str!("words/further.toml")),
    ("zh", include_str!("words/zh.toml")),
    ("ja", include_str!("words/ja.toml")),
    ("ko", include_str!("words/ko.toml")),
];

/// Shortest keyword that is known without its accents too, in characters: shorter ones are names.
const UNACCENTED_MIN: usize = 6;

/// A file of words that cannot be read.
#[derive(Debug, Error)]
#[error("the words of {language}: {reason}")]
pub struct WordsFault {
    language: &'static str,
    reason: String,
}

/// How a file of words is written; each page says what its lists are.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct File {
    reject: Vec<String>,
    unsubscribe: Vec<String>,
    either: Vec<String>,
    resubscribe: Vec<String>,
    help: Vec<String>,
    before: Vec<String>,
    answer: Vec<String>,
    after: Vec<String>,
    courtesies: Vec<String>,
    greetings: Vec<String>,
    closings: Vec<String>,
    declines: Vec<String>,
    because: Vec<String>,
    senses: BTreeMap<super::grammar::Sense, Vec<String>>,
    sentences: Page,
}

/// The words of all languages, in normal form.
#[derive(Debug, Default)]
struct Tables {
    /// Keywords, with whether they can only be about mail.
    named: HashMap<String, (Wish, bool)>,
    /// The same as they are written without their accents.
    plain: HashMap<String, (Wish, bool)>,
    before: Vec<String>,
    answer: Vec<String>,
    after: Vec<String>,
    courtesies: HashSet<String>,
    greetings: Vec<String>,
    closings: HashSet<String>,
    declines: HashSet<String>,
    because: Vec<String>,
    grammar: Grammar,
    sentences: Sentences,
    marks: Marks,
    notices: NoticeWords,
    automatic: AutomaticWords,
    complaints: ComplaintWords,
}

/// The words of the installation and of those streams that have their own.
#[derive(Debug, Clone)]
pub struct Words {
    all: Vocabulary,
    streams: BTreeMap<String, Vocabulary>,
}

/// The words by which one stream's replies are read.
#[derive(Debug, Clone)]
pub struct Vocabulary {
    tables: Arc<Tables>,
    added: HashMap<String, Wish>,
    dropped: HashSet<String>,
    reject_stops: config::Stops,
    unsubscribe_stops: config::Stops,
}

impl Words {
    /// Reads the files and lays the settings over them.
    ///
    /// # Errors
    ///
    /// A file of the binary cannot be read, which a test keeps from happening.
    pub fn new(settings: &config::Words) -> Result<Self, WordsFault> {
        Ok(Self::over(Arc::new(Tables::read()?), settings))
    }

    fn over(tables: Arc<Tables>, settings: &config::Words) -> Self {
        let all = Vocabulary::new(tables, settings);
        let streams = settings.streams.iter();
        let streams = streams.map(|(name, own)| (name.clone(), all.with(own)));
        Self { streams: streams.collect(), all }
    }

    /// The same words of the binary, with other settings laid over them.
    #[must_use]
    pub fn under(&self, settings: &config::Words) -> Self {
        Self::over(self.all.tables.clone(), settings)
    }

    /// The words of a stream by `ACCOUNT/STREAM`; those of the installation where it has none.
    #[must_use]
    pub fn of(&self, stream: &str) -> &Vocabulary {
        self.streams.get(stream).unwrap_or(&self.all)
    }

    /// Whether any stream has words of its own.
    #[must_use]
    pub fn differ(&self) -> bool {
        !self.streams.is_empty()
    }

    /// The words of the installation.
    #[must_use]
    pub fn all(&self) -> &Vocabulary {
        &self.all
    }
}

impl Vocabulary {
    fn new(tables: Arc<Tables>, settings: &config::Words) -> Self {
        let bare = Self {
            tables,
            added: HashMap::new(),
            dropped: HashSet::new(),
            reject_stops: config::Stops::Account,
            unsubscribe_stops: config::Stops::Stream,
        };
        bare.with(&settings.own())
    }

    /// These words with what other settings change.
    fn with(&self, own: &config::OwnWords) -> Self {
        let mut words = self.clone();
        let families = [
            (&own.reject, Wish::Reject),
            (&own.unsubscribe, Wish::Unsubscribe),
            (&own.resubscribe, Wish::Resubscribe),
            (&own.help, Wish::Help),
        ];
        for (added, wish) in families {
            for word in added.iter().map(|word| normal(word)) {
                words.dropped.remove(&word);
                words.added.insert(word, wish);
            }
        }
        for word in own.drop.iter().map(|word| normal(word)) {
            words.added.remove(&word);
            words.dropped.insert(word);
        }
        words.reject_stops = own.reject_stops.unwrap_or(self.reject_stops);
        words.unsubscribe_stops = own.unsubscribe_stops.unwrap_or(self.unsubscribe_stops);
        words
    }

    /// What a wish stops: nothing where it is none that stops.
    #[must_use]
    pub fn stops(&self, wish: Wish) -> Option<config::Stops> {
        match wish {
            Wish::Reject => Some(self.reject_stops),
            Wish::Unsubscribe => Some(self.unsubscribe_stops),
            Wish::Resubscribe | Wish::Help | Wish::None => None,
        }
    }

    /// The wish of a keyword in normal form, and whether it can only be about mail.
    pub(super) fn named(&self, text: &str) -> Option<(Wish, bool)> {
        if self.dropped.contains(text) {
            return None;
        }
        let added = self.added.get(text).map(|&wish| (wish, true));
        let named = || self.tables.named.get(text).or_else(|| self.tables.plain.get(text));
        added.or_else(|| named().copied())
    }

    pub(super) fn is_courtesy(&self, bare: &str) -> bool {
        bare.is_empty() || self.tables.courtesies.contains(bare)
    }

    pub(super) fn is_closing(&self, bare: &str) -> bool {
        self.tables.closings.contains(bare)
    }

    pub(super) fn declines(&self, bare: &str) -> bool {
        self.tables.declines.contains(bare) || self.tables.grammar.declines(bare)
    }

    /// Whether words say why somebody wants no mail.
    pub(super) fn reasons(&self, bare: &str) -> bool {
        self.tables.declines.contains(bare) || self.tables.grammar.reasons(bare)
    }

    /// Courtesies before a keyword.
    pub(super) fn before(&self) -> &[String] {
        &self.tables.before
    }

    /// Courtesies after a keyword.
    pub(super) fn after(&self) -> &[String] {
        &self.tables.after
    }

    /// Verbs of answering, before a letter.
    pub(super) fn answer(&self) -> &[String] {
        &self.tables.answer
    }

    /// What leads a reason on: "because".
    pub(super) fn because(&self) -> &[String] {
        &self.tables.because
    }

    /// How a greeting begins, where it ends in a comma or colon.
    pub(super) fn greetings(&self) -> &[String] {
        &self.tables.greetings
    }

    pub(super) fn grammar(&self) -> &Grammar {
        &self.tables.grammar
    }

    pub(super) fn marks(&self) -> &Marks {
        &self.tables.marks
    }

    pub(super) fn sentences(&self) -> &Sentences {
        &self.tables.sentences
    }

    pub(super) fn notices(&self) -> &NoticeWords {
        &self.tables.notices
    }

    pub(super) fn complaints(&self) -> &ComplaintWords {
        &self.tables.complaints
    }

    pub(super) fn automatic(&self) -> &AutomaticWords {
        &self.tables.automatic
    }
}

/// A word in normal form, and as it is written without its accents.
fn forms(word: &str) -> Vec<String> {
    let word = normal(word);
    [unaccented(&word), vec![word]].concat()
}

impl Tables {
    fn read() -> Result<Self, WordsFault> {
        let fault = |language| move |reason| WordsFault { language, reason };
        let marks = Marks::read().map_err(fault("marks"))?;
        let notices = NoticeWords::read().map_err(fault("notices"))?;
        let automatic = AutomaticWords::read().map_err(fault("automatic replies"))?;
        let complaints = ComplaintWords::read().map_err(fault("complaints"))?;
        let mut tables = Self { marks, notices, automatic, complaints, ..Self::default() };
        for (language, text) in FILES {
            let file: File = toml::from_str(text)
                .map_err(|fault| WordsFault { language, reason: fault.to_string() })?;
            let families = [
                (&file.reject, Wish::Reject, true),
                (&file.unsubscribe, Wish::Unsubscribe, true),
                (&file.either, Wish::Unsubscribe, false),
                (&file.resubscribe, Wish::Resubscribe, true),
                (&file.help, Wish::Help, true),
            ];
            for (words, wish, about_mail) in families {
                for word in words.iter().map(|word| normal(word)) {
                    let others = unaccented(&word);
                    // What one language is certain of stays certain.
                    tables.named.entry(word).or_insert((wish, about_mail));
                    let long = |word: &String| word.chars().count() >= UNACCENTED_MIN;
                    for word in others.into_iter().filter(long) {
                        tables.plain.entry(word).or_insert((wish, about_mail));
                    }
                }
            }
            let lists = [
                (&file.before, &mut tables.before),
                (&file.answer, &mut tables.answer),
                (&file.after, &mut tables.after),
                (&file.because, &mut tables.because),
            ];
            for (words, list) in lists {
                list.extend(words.iter().flat_map(|word| forms(word)));
            }
            let sets = [
                (&file.courtesies, &mut tables.courtesies),
                (&file.closings, &mut tables.closings),
                (&file.declines, &mut tables.declines),
            ];
            for (words, set) in sets {
                set.extend(words.iter().flat_map(|word| forms(word)));
            }
            // Greetings are beginnings of words, which without accents begin others: "bästa", "basta".
            tables.greetings.extend(file.greetings.iter().map(|word| normal(word)));
            tables.grammar.learn(language, &file.senses);
            tables.sentences.learn(language, file.sentences);
        }
        let Self { before, answer, after, because, .. } = &mut tables;
        for list in [before, answer, after, because] {
            list.sort_by(|one, two| two.len().cmp(&one.len()).then_with(|| one.cmp(two)));
            list.dedup();
        }
        Ok(tables)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use std::sync::LazyLock;

    /// The words without settings, read once for all tests.
    pub(in crate::replies) fn plain() -> &'static Vocabulary {
        static WORDS: LazyLock<Words> =
            LazyLock::new(|| Words::new(&config::Words::default()).expect("the files are TOML"));
        WORDS.all()
    }

    #[test]
    fn every_language_names_a_way_out() {
        for (language, text) in FILES {
            let file: File = toml::from_str(text).expect("a file of words is TOML");
            assert!(!file.unsubscribe.is_empty(), "{language}");
            for word in file.unsubscribe.iter().chain(&file.reject) {
                assert!(plain().named(&normal(word)).is_some(), "{language} {word}");
            }
        }
    }

    /// What gives a reason asks for nothing; a word that does something in a request would undo it.
    #[test]
    fn a_reason_is_no_word_of_a_request() {
        use crate::replies::grammar::Sense;
        for (language, text) in FILES {
            let mut file: File = toml::from_str(text).expect("a file of words is TOML");
            for reason in file.senses.remove(&Sense::Reason).unwrap_or_default() {
                assert!(
                    !file.senses.values().flatten().any(|w| *w == reason),
                    "{language} {reason}"
                );
            }
        }
    }

    #[test]
    fn settings_add_drop_and_move_words() {
        let own = |text: &str| toml::from_str::<config::Words>(text).expect("settings");
        let words = Words::new(&own(
            "unsubscribe = [\"Adieu\"]\ndrop = [\"0000\"]\nreject_stops = \"stream\"\n\
             [streams.\"acme/orders\"]\ndrop = [\"adieu\", \"stop\"]\nreject = [\"０００0\"]\n",
        ))
        .expect("words");
        let (all, orders) = (words.all(), words.of("acme/orders"));
        assert_eq!(all.named("adieu"), Some((Wish::Unsubscribe, true)));
        assert_eq!(all.named("0000"), None);
        assert_eq!(all.stops(Wish::Reject), Some(config::Stops::Stream));
        assert_eq!(all.stops(Wish::Unsubscribe), Some(config::Stops::Stream));
        assert_eq!(all.stops(Wish::Help), None);
        assert_eq!(orders.named("adieu"), None);
        assert_eq!(orders.named("stop"), None);
        assert_eq!(orders.named("0000"), Some((Wish::Reject, true)));
        assert_eq!(orders.named("退订"), Some((Wish::Unsubscribe, true)));
        assert_eq!(orders.stops(Wish::Reject), Some(config::Stops::Stream));
        assert_eq!(words.of("acme/news").named("stop"), Some((Wish::Unsubscribe, false)));
    }
}
