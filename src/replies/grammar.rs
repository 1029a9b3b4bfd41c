//! Requests by their words: a clause all of whose words are known, in one language, and together ask to be
//! left alone. One word that is not known, be it of parcels or of calls, and the clause is left to a
//! reader. What the words of a language are stands in its table.

use super::classify::Wish;
use super::normal::{normal, unaccented};
use serde::Deserialize;
use std::collections::{BTreeMap, HashMap};

/// Longest clause that is read, in bytes.
const CLAUSE_MAX: usize = 240;
/// Most words of a clause.
const WORDS_MAX: usize = 40;
/// Shortest word that asks for something and is known without its accents too, in characters: the Vietnamese
/// "gỡ" would be "go".
const UNACCENTED_MIN: usize = 3;

/// What a word does in a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Sense {
    /// To leave a list: "unsubscribe".
    Leave,
    /// To refuse what comes from a sender: 拒收.
    Reject,
    /// To take off, of a person or an address: "remove".
    Remove,
    /// To take off, only where a list is named: "take".
    Draw,
    /// To end: "stop".
    Stop,
    /// To send: "mail", "contact".
    Send,
    /// To want: "wish".
    Want,
    /// To get.
    Receive,
    /// Mail: "newsletters".
    Mail,
    /// A list of addresses.
    List,
    /// What holds addresses, and other things too: "database", "files".
    Store,
    /// The writer or their address.
    Me,
    /// Denies.
    Not,
    /// "Again", "any more".
    More,
    /// Courtesies that make a request of a few words.
    Please,
    /// Asks in the form of a question: "could you".
    Ask,
    /// Says why somebody wants no mail: "never signed up", "too many".
    Reason,
    /// Says nothing here: articles, pronouns, prepositions.
    Filler,
}

/// All that words do: a bit a [`Sense`].
type Senses = u32;

const fn bit(sense: Sense) -> Senses {
    1 << sense as u32
}

/// The words of one language that begin alike, the longest first, and all that each does.
#[derive(Debug)]
struct Shelf {
    language: usize,
    words: Vec<(String, Senses)>,
}

/// The words of all languages.
#[derive(Debug, Default)]
pub(super) struct Grammar {
    languages: Vec<&'static str>,
    /// By their first character, in the form in which replies are read.
    shelves: HashMap<char, Vec<Shelf>>,
}

impl Grammar {
    /// Adds a language, tried after those that are known.
    pub(super) fn learn(&mut self, name: &'static str, words: &BTreeMap<Sense, Vec<String>>) {
        let language = self.languages.len();
        self.languages.push(name);
        for (&sense, list) in words {
            let asks = [Sense::Leave, Sense::Reject, Sense::Remove, Sense::Draw, Sense::Stop];
            let long = |word: &String| word.chars().count() >= UNACCENTED_MIN;
            let forms = |word: String| {
                let mut forms = unaccented(&word);
                forms.retain(|form| !asks.contains(&sense) || long(form));
                forms.push(word);
                forms
            };
            for word in list.iter().map(|word| normal(word)).flat_map(forms) {
                let Some(first) = word.chars().next() else {
                    continue;
                };
                let begun = self.shelves.entry(first).or_default();
                if begun.last().is_none_or(|shelf| shelf.language != language) {
                    begun.push(Shelf { language, words: Vec::new() });
                }
                let Some(shelf) = begun.last_mut() else {
                    continue;
                };
                match shelf.words.iter_mut().find(|(known, _)| *known == word) {
                    Some((_, senses)) => *senses |= bit(sense),
                    None => shelf.words.push((word, bit(sense))),
                }
            }
        }
        for shelf in self.shelves.values_mut().flatten() {
            shelf.words.sort_by_key(|(word, _)| std::cmp::Reverse(word.len()));
        }
    }

    /// Whether a clause only says that something nobody names is not wanted, "I don't need this", only names
    /// mail, "so many mails", or says why, of nothing but mail: "I never signed up for these".
    pub(super) fn declines(&self, clause: &str) -> bool {
        let (no, yes) = (bit(Sense::Not) | bit(Sense::Want), bit(Sense::Me) | bit(Sense::Please));
        let rest = no | yes | bit(Sense::Filler) | bit(Sense::More);
        let (unwanted, mail) = (|senses| senses & no == no, bit(Sense::Mail));
        let moved = bit(Sense::Receive) | bit(Sense::Send) | bit(Sense::List);
        let (reason, why) = (bit(Sense::Reason), rest | mail | moved | bit(Sense::Reason));
        self.readings(clause).any(|senses| match senses & mail {
            _ if senses & reason != 0 => senses & !why == 0,
            0 => unwanted(senses) && senses & !rest == 0,
            _ => senses & !(rest | mail) == 0 && senses & no == 0,
        })
    }

    /// Whether a clause says why somebody wants no mail, and nothing else.
    pub(super) fn reasons(&self, clause: &str) -> bool {
        self.declines(clause)
            && self.readings(clause).any(|senses| senses & bit(Sense::Reason) != 0)
    }

    /// The wish of a clause in normal form that stands alone.
    pub(super) fn asked(&self, clause: &str) -> Option<Wish> {
        self.readings(clause).find_map(meant)
    }

    /// The wish of a clause among other words: it must be said as a request, of mail. A line that only
    /// names the deed may be a link of the original's, and what is asked with a question mark must be a
    /// courtesy.
    pub(super) fn asked_among(&self, clause: &str, question: bool) -> Option<Wish> {
        let said = [Sense::Please, Sense::Me, Sense::Want, Sense::Ask, Sense::Not];
        let mail = [Sense::Mail, Sense::List, Sense::Leave, Sense::Reject, Sense::Remove];
        let any = |senses: Senses, of: &[Sense]| of.iter().any(|sense| senses & bit(*sense) != 0);
        let plain = self.readings(clause);
        let plain = plain.filter(|senses| any(*senses, &said) && any(*senses, &mail));
        plain.filter(|senses| !question || any(*senses, &[Sense::Ask])).find_map(meant)
    }

    /// What all words of a clause do, in each language that knows them all.
    fn readings(&self, clause: &str) -> impl Iterator<Item = Senses> {
        // "To unsubscribe, …" tells how.
        let read = clause.len() <= CLAUSE_MAX && !clause.starts_with("to ");
        let first = clause.chars().find(|c| c.is_alphanumeric()).filter(|_| read);
        let shelves = first.and_then(|first| self.shelves.get(&first));
        let shelves = shelves.map_or(&[][..], Vec::as_slice);
        shelves.iter().filter_map(move |shelf| self.senses(clause, shelf.language))
    }

    /// Whether what follows a request in a language speaks of mail before it speaks of anything else.
    pub(super) fn is_of_mail(&self, text: &str, language: &str) -> bool {
        let Some(language) = self.languages.iter().position(|name| *name == language) else {
            return false;
        };
        let mut rest = text;
        for _ in 0..WORDS_MAX {
            rest = rest.trim_start_matches(|c: char| !c.is_alphanumeric());
            let Some((length, senses)) = self.first_word(rest, language) else {
                return rest.is_empty();
            };
            if senses & (bit(Sense::Mail) | bit(Sense::List) | bit(Sense::Store)) != 0 {
                return true;
            }
            if senses & (bit(Sense::Not) | bit(Sense::Want)) != 0 {
                return false;
            }
            rest = &rest[length..];
        }
        false
    }

    /// Whether a text is a courtesy of a request in some language: "por favor".
    pub(super) fn pleads(&self, text: &str) -> bool {
        self.readings(text).any(|senses| senses & !bit(Sense::Filler) == bit(Sense::Please))
    }

    /// Whether a language knows all words of a text.
    pub(super) fn knows(&self, text: &str, language: &str) -> bool {
        let language = self.languages.iter().position(|name| *name == language);
        text.len() <= CLAUSE_MAX && language.is_some_and(|one| self.senses(text, one).is_some())
    }

    /// What the words of a clause do in one language; `None` where one is not of it.
    fn senses(&self, clause: &str, language: usize) -> Option<Senses> {
        let mut found = 0;
        let mut rest = clause;
        for _ in 0..WORDS_MAX {
            rest = rest.trim_start_matches(|c: char| !c.is_alphanumeric());
            if rest.is_empty() {
                return Some(found);
            }
            let (length, senses) = self.first_word(rest, language).or_else(|| address(rest))?;
            found |= senses;
            rest = &rest[length..];
        }
        None
    }

    /// The longest known word at the start of a text.
    fn first_word(&self, text: &str, language: usize) -> Option<(usize, Senses)> {
        let shelves = self.shelves.get(&text.chars().next()?)?;
        let shelf = shelves.iter().find(|shelf| shelf.language == language)?;
        let found = shelf.words.iter().find(|(word, _)| {
            text.strip_prefix(word.as_str()).is_some_and(|rest| ends_there(word, rest))
        });
        found.map(|(word, senses)| (word.len(), *senses))
    }
}

/// Whether a word ends where it was found; scripts without blanks have no such ends.
fn ends_there(word: &str, rest: &str) -> bool {
    let joined = |c: char| c.is_alphanumeric() && !is_unspaced(c);
    let hangul = |c: char| matches!(c, '\u{ac00}'..='\u{d7af}');
    // A syllable alone is a word or the last particle of one, not a piece of the next.
    let syllable =
        word.chars().count() == 1 && word.starts_with(hangul) && rest.starts_with(hangul);
    !(syllable || word.ends_with(joined) && rest.starts_with(joined))
}

/// Characters of scripts that set no blanks between words, or join particles to them.
pub(super) fn is_unspaced(c: char) -> bool {
    matches!(c, '\u{0e00}'..='\u{0e7f}' | '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}'
        | '\u{ac00}'..='\u{d7af}')
}

/// An address is the writer's own.
fn address(text: &str) -> Option<(usize, Senses)> {
    let end = text.find(|c: char| c.is_whitespace() || !c.is_ascii() || "<>()[]\"',;".contains(c));
    let word = text[..end.unwrap_or(text.len())].trim_end_matches(['.', '!', ':']);
    let (local, domain) = word.split_once('@')?;
    let whole = !local.is_empty() && domain.contains('.') && word.is_ascii();
    whole.then_some((word.len(), bit(Sense::Me)))
}

/// What words that are all known ask for together.
fn meant(senses: Senses) -> Option<Wish> {
    let has = |sense: Sense| senses & bit(sense) != 0;
    let denied = has(Sense::Not);
    if has(Sense::Reason) {
        return None;
    }
    if has(Sense::Reject) {
        return (!denied).then_some(Wish::Reject);
    }
    let asked = if has(Sense::Leave) {
        !denied
    } else if denied {
        let kept = has(Sense::Stop) || has(Sense::Remove) || has(Sense::Draw);
        let sent = has(Sense::Send) && (has(Sense::Me) || has(Sense::More) || has(Sense::Mail));
        let wanted =
            has(Sense::Want) && (has(Sense::Mail) || has(Sense::Receive) && has(Sense::More));
        // "No more mail"; but who gets none misses it.
        let none = has(Sense::Mail)
            && !has(Sense::Receive)
            && (has(Sense::More) || has(Sense::Please) || has(Sense::Send));
        !kept && (sent || wanted || none)
    } else {
        has(Sense::Stop) && (has(Sense::Send) || has(Sense::Mail))
            || has(Sense::Remove) && (has(Sense::Me) || has(Sense::List))
            || has(Sense::Draw) && (has(Sense::List) || has(Sense::Me) && has(Sense::Store))
    };
    asked.then_some(Wish::Unsubscribe)
}
