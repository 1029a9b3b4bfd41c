//! Sentences that ask outright, that doubt and that deny, read from `[sentences]` in each language's file, as they
//! stand after normalising: lower case, simplified Chinese, plain punctuation. What one language says counts in all.

use super::normal::unaccented;
use serde::Deserialize;

/// The sentences of one language; its page says what each list is.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Page {
    pub(super) requests: Vec<String>,
    pub(super) refusals: Vec<String>,
    pub(super) open_requests: Vec<String>,
    pub(super) open_refusals: Vec<String>,
    pub(super) subscriptions: Vec<String>,
    pub(super) closing_subscriptions: Vec<String>,
    pub(super) pairs: Vec<(String, String)>,
    pub(super) contrasts: Vec<String>,
    pub(super) rejects: Vec<String>,
    pub(super) doubts: Vec<String>,
    pub(super) instructions: Vec<String>,
    pub(super) denials: Vec<String>,
    pub(super) polite: Vec<String>,
    pub(super) weak: Vec<String>,
    pub(super) keywords: Vec<String>,
    pub(super) object_verbs: Vec<String>,
    pub(super) determiners: Vec<String>,
    pub(super) objects: Vec<String>,
    pub(super) asks: Vec<String>,
    pub(super) asked: Vec<String>,
    pub(super) stopped: Vec<String>,
}

/// The sentences of all languages.
#[derive(Debug, Default)]
pub(super) struct Sentences {
    /// All but the open ones.
    pub(super) all: Page,
    /// Requests that may be about anything, by their language: what the grammar knows of it is passed over up to
    /// the first word that names a thing.
    pub(super) open_requests: Vec<(&'static str, String)>,
    /// The same, holding their own denial.
    pub(super) open_refusals: Vec<(&'static str, String)>,
    /// Requests to end a subscription, by their language: the rest of their clause says of what.
    pub(super) subscriptions: Vec<(&'static str, String)>,
    /// The same, where what it is of stands before.
    pub(super) closing_subscriptions: Vec<(&'static str, String)>,
}

impl Sentences {
    /// Adds those of a language.
    pub(super) fn learn(&mut self, language: &'static str, mut page: Page) {
        // What denies is looked for at a word's ends, what asks is long: neither is mistaken without accents.
        for list in [&mut page.requests, &mut page.refusals, &mut page.denials] {
            let others: Vec<_> = list.iter().flat_map(|words| unaccented(words)).collect();
            list.extend(others);
        }
        let all = &mut self.all;
        let lists = [
            (&mut all.requests, page.requests),
            (&mut all.refusals, page.refusals),
            (&mut all.contrasts, page.contrasts),
            (&mut all.rejects, page.rejects),
            (&mut all.doubts, page.doubts),
            (&mut all.instructions, page.instructions),
            (&mut all.denials, page.denials),
            (&mut all.polite, page.polite),
            (&mut all.weak, page.weak),
            (&mut all.keywords, page.keywords),
            (&mut all.object_verbs, page.object_verbs),
            (&mut all.determiners, page.determiners),
            (&mut all.objects, page.objects),
            (&mut all.asks, page.asks),
            (&mut all.asked, page.asked),
            (&mut all.stopped, page.stopped),
        ];
        for (list, more) in lists {
            list.extend(more);
        }
        all.pairs.extend(page.pairs);
        let open = [
            (&mut self.open_requests, page.open_requests),
            (&mut self.open_refusals, page.open_refusals),
            (&mut self.subscriptions, page.subscriptions),
            (&mut self.closing_subscriptions, page.closing_subscriptions),
        ];
        for (list, more) in open {
            for words in more {
                list.extend(unaccented(&words).into_iter().map(|words| (language, words)));
                list.push((language, words));
            }
        }
    }
}

/// Whether a text holds one of these.
pub(super) fn holds(text: &str, phrases: &[String]) -> bool {
    phrases.iter().any(|phrase| text.contains(phrase.as_str()))
}

/// Whether a text begins with one of these.
pub(super) fn begins(text: &str, phrases: &[String]) -> bool {
    phrases.iter().any(|phrase| text.starts_with(phrase.as_str()))
}
