//! Whole utterances: a keyword with its courtesies, a verb with its object, a line of nothing else.

use super::classify::Wish;
use super::grammar::is_unspaced;
use super::normal::{bare, is_edge, is_ideograph};
use super::words::Vocabulary;

/// Longest utterance, in characters.
const UTTERANCE_MAX: usize = 60;
/// Most words of a greeting that ends in no comma.
const NAMED_MAX: usize = 3;
/// Longest initials that may be a name below thanks, in characters.
pub(super) const INITIALS_MAX: usize = 2;
/// Longest utterance that may be two keywords of one wish, in characters.
const DOUBLED_MAX: usize = 12;
/// Fewest letters in a row that are one keyword said over and over.
const LETTERS_MIN: usize = 3;
/// Shortest courtesy of a script of its own that may follow a letter, in characters.
const COURTESY_MIN: usize = 3;
/// Most words of a keyword that a reason follows without a mark between them.
const LED_MAX: usize = 4;

/// Whether a line greets: a whole greeting, or `Dear Ann,`.
pub(super) fn is_greeting(words: &Vocabulary, line: &str) -> bool {
    if words.is_courtesy(bare(line)) {
        return true;
    }
    let ended = line.ends_with([',', ':', '、', '，', '!']);
    // "Hi Tom" alone on its line greets too, but "Hi, stop" does not.
    let mut names = line.split(' ').skip(1);
    let short = line.split(' ').count() <= NAMED_MAX
        && names
            .all(|name| words.named(bare(name)).is_none() && name.chars().all(char::is_alphabetic));
    (ended || short)
        && line.chars().count() <= 40
        && words.greetings().iter().any(|start| {
            line.strip_prefix(start)
                .is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_alphanumeric()))
        })
        && !bare(line).contains([',', '，', '.', '。'])
}

/// `text` without `start`, which ends at a word's end.
fn without_start<'a>(text: &'a str, start: &str) -> Option<&'a str> {
    let rest = text.strip_prefix(start)?;
    let joined = start.ends_with(|c: char| c.is_ascii_alphanumeric())
        && rest.starts_with(|c: char| c.is_alphanumeric());
    (!joined && !bare(rest).is_empty()).then(|| bare(rest))
}

fn without_end<'a>(text: &'a str, end: &str) -> Option<&'a str> {
    let rest = text.strip_suffix(end)?;
    let joined = end.starts_with(char::is_alphabetic)
        && end.is_ascii()
        && rest.ends_with(|c: char| c.is_alphanumeric());
    // Courtesies follow words; after a letter they would make a sentence of it.
    (!joined && bare(rest).chars().count() > 1).then(|| bare(rest))
}

/// A text without the blanks beside Chinese and Japanese characters, which say nothing there.
fn joined(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let before = out.chars().next_back().is_some_and(is_ideograph);
        let after = rest.peek().is_some_and(|&next| is_ideograph(next));
        if c != ' ' || !(before || after) {
            out.push(c);
        }
    }
    out
}

/// The wish that a keyword names, with or without "reply" before it.
fn answered(words: &Vocabulary, text: &str) -> Option<(Wish, bool)> {
    let letter =
        || words.answer().iter().find_map(|answer| words.named(without_start(text, answer)?));
    words.named(text).or_else(letter)
}

/// The wish of two keywords in a row that name the same, as `退订T` or `T，回复退订`.
fn doubled(words: &Vocabulary, text: &str) -> Option<(Wish, bool)> {
    if !text.contains(is_ideograph) || text.chars().count() > DOUBLED_MAX {
        return None;
    }
    text.char_indices().skip(1).find_map(|(at, _)| {
        let (one, two) = (answered(words, bare(&text[..at]))?, answered(words, bare(&text[at..]))?);
        (one.0 == two.0).then_some((one.0, one.1 || two.1))
    })
}

/// The wish of one keyword said over and over.
fn repeated(words: &Vocabulary, text: &str) -> Option<(Wish, bool)> {
    let mut spoken = text.split(' ').map(bare).filter(|word| !word.is_empty());
    let first = spoken.next()?;
    let found = words.named(first)?;
    // "T T" may be tears.
    let enough = if first.chars().count() > 1 { 1 } else { LETTERS_MIN };
    (text.split(' ').count() >= enough && spoken.all(|word| word == first)).then_some(found)
}

/// The wish of a verb whose object is mail and nothing else: `拒收你们的邮件`, "remove me from this list".
fn of_object(words: &Vocabulary, text: &str) -> Option<(Wish, bool)> {
    let known = &words.sentences().all;
    let is = |list: &[String], text: &str| list.iter().any(|word| word == text);
    for verb in &known.object_verbs {
        let Some(mut object) = text.strip_prefix(verb.as_str()) else {
            continue;
        };
        while let Some(word) =
            known.determiners.iter().find(|word| object.starts_with(word.as_str()))
        {
            if is(&known.objects, object) {
                break;
            }
            object = &object[word.len()..];
        }
        if is(&known.objects, object) {
            let reject = verb.starts_with('拒');
            return Some((if reject { Wish::Reject } else { Wish::Unsubscribe }, true));
        }
    }
    let asked = |word: &str| is(&known.asked, word) || is_address(word);
    let only = |words: &str| words.split([' ', ',']).map(bare).all(|w| w.is_empty() || asked(w));
    if known.asks.iter().any(|ask| without_start(text, ask).is_some_and(only)) {
        return Some((Wish::Unsubscribe, true));
    }
    let object = without_start(text, "stop")?;
    let words = || object.split([' ', ',']).map(bare);
    let about = words().any(|word| is(&known.stopped, word));
    let all = words().all(|word| word.is_empty() || asked(word) || is(&known.stopped, word));
    (about && all).then_some((Wish::Unsubscribe, true))
}

/// Whether a text may be somebody's initials.
pub(super) fn is_initials(text: &str) -> bool {
    let letter = |c: char| c.is_alphabetic() && !is_unspaced(c);
    text.chars().count() <= INITIALS_MAX && text.chars().all(letter)
}

pub(super) fn is_address(word: &str) -> bool {
    word.split_once('@').is_some_and(|(local, domain)| !local.is_empty() && domain.contains('.'))
}

/// The wish of a letter with a courtesy right after it: "R please".
fn of_letter(words: &Vocabulary, text: &str) -> Option<(Wish, bool)> {
    let end = text.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (letter, rest) = text.split_at(end);
    let rest = bare(rest);
    let foreign = !rest.is_ascii() && rest.chars().count() >= COURTESY_MIN;
    let reasoned = foreign && words.reasons(rest);
    let polite = words.grammar().pleads(rest)
        || words.is_closing(rest)
        || reasoned
        || foreign && (words.is_courtesy(rest) || words.after().iter().any(|after| after == rest));
    let single = ["r", "t", "td"].contains(&letter) && polite;
    if single { words.named(letter) } else { None }
}

/// The wish of a keyword that goes on with a reason, without a mark between them: "stop too many mails".
fn reasoned(words: &Vocabulary, text: &str) -> Option<(Wish, bool)> {
    let blanks = text.match_indices(' ').map(|(at, _)| at).take(LED_MAX);
    blanks.filter_map(|at| Some((answered(words, &text[..at])?, &text[at + 1..]))).find_map(
        |(found, reason)| {
            let enough = reason.contains(' ')
                || reason.contains(is_unspaced) && reason.chars().count() >= COURTESY_MIN;
            (enough && words.reasons(bare(reason))).then_some(found)
        },
    )
}

/// The wish of an utterance, its courtesies taken off.
fn utterance(words: &Vocabulary, text: &str) -> Option<(Wish, bool)> {
    polite(words, text, |text| {
        let said = doubled(words, text).or_else(|| repeated(words, text));
        said.or_else(|| of_object(words, text)).or_else(|| reasoned(words, text))
    })
}

/// The wish of a keyword in a subject that answers: with courtesies it must be about mail, since "Stop now"
/// may be the original's.
pub(super) fn in_answer(words: &Vocabulary, text: &str) -> Option<(Wish, bool)> {
    if text.contains('?') {
        return None;
    }
    let found = polite(words, text, |text| doubled(words, text));
    words.named(bare(text)).or_else(|| found.filter(|(_, about_mail)| *about_mail))
}

/// The wish of a keyword with or without courtesies, or of what `whole` knows besides.
fn polite(
    words: &Vocabulary,
    text: &str,
    whole: impl Fn(&str) -> Option<(Wish, bool)>,
) -> Option<(Wish, bool)> {
    if text.chars().count() > UTTERANCE_MAX {
        return None;
    }
    let joined = joined(bare(text));
    let mut text = bare(&joined);
    let found = answered(words, text).or_else(|| of_letter(words, text));
    if let Some(found) = found.or_else(|| whole(text)) {
        return Some(found);
    }
    // Each turn takes something away.
    loop {
        let shorter = words.before().iter().find_map(|start| without_start(text, start));
        let shorter =
            shorter.or_else(|| words.after().iter().find_map(|end| without_end(text, end)));
        text = shorter?;
        if text.chars().count() > 1
            && let Some(found) = words.named(text).or_else(|| whole(text))
        {
            return Some(found);
        }
    }
}

/// A wish that can only be about mail.
fn about_mail(wish: Option<Wish>) -> Option<(Wish, bool)> {
    wish.map(|wish| (wish, true))
}

/// What ends a clause of a line, beside dashes and "because".
const CLAUSE_MARKS: &str = ".,。，、!！;；:()[]/=…–—";

/// Where a line breaks, with where it goes on: at each of these marks, at a dash that stands apart, around
/// "because".
fn breaks<'a>(
    words: &'a Vocabulary,
    line: &'a str,
    marks: &'static str,
) -> impl Iterator<Item = (usize, usize)> + use<'a> {
    let marked = line.char_indices().filter(move |&(at, c)| match c {
        '-' => is_apart(line, at),
        c => marks.contains(c),
    });
    marked.map(|(at, c)| (at, at + c.len_utf8())).chain(because(words, line))
}

/// The clauses of a line.
fn clauses<'a>(words: &Vocabulary, line: &'a str) -> Vec<&'a str> {
    let mut ends: Vec<(usize, usize)> = breaks(words, line, CLAUSE_MARKS).collect();
    ends.sort_unstable();
    let mut start = 0;
    let mut found = Vec::new();
    for (end, next) in ends {
        found.push(&line[start.min(end)..end]);
        start = start.max(next);
    }
    found.push(&line[start..]);
    found
}

/// Whether a hyphen is a dash: with a blank beside it, or between characters that need none.
fn is_apart(line: &str, at: usize) -> bool {
    let (before, behind) = (line[..at].chars().next_back(), line[at + 1..].chars().next());
    let apart = |c: Option<char>| c.is_none_or(|c| c == ' ' || c == '-' || is_unspaced(c));
    apart(before) || apart(behind)
}

/// Where what leads a reason on stands between words, the longest first where several do.
fn because<'a>(
    words: &'a Vocabulary,
    line: &'a str,
) -> impl Iterator<Item = (usize, usize)> + use<'a> {
    words.because().iter().filter_map(|word| {
        let at = line.find(word.as_str())?;
        let end = at + word.len();
        let unspaced = word.contains(is_unspaced);
        let apart = line[..at].ends_with(is_edge) && line[end..].starts_with(' ');
        (at > 0 && (unspaced || apart)).then_some((at, end))
    })
}

/// A line cut at its first dash, parenthesis or "because", where a reason in any words may follow. Behind a comma
/// what is said may be of the keyword: "Opt-out, as they call it".
pub(super) fn led<'a>(words: &Vocabulary, line: &'a str) -> Option<(&'a str, &'a str)> {
    let (end, next) = breaks(words, line, "(–—").min()?;
    Some((&line[..end], &line[next..]))
}

/// The wish of a line all of whose clauses are courtesies or wishes, and the same wish. What is asked
/// with a question mark is doubtful; one at the start is a character that was lost.
pub(super) fn of_line(words: &Vocabulary, line: &str) -> Option<(Wish, bool)> {
    if line.trim_start_matches(is_edge).contains('?') {
        return None;
    }
    if let Some(found) = utterance(words, line).or_else(|| about_mail(words.grammar().asked(line)))
    {
        return Some(found);
    }
    let mut found: Option<(Wish, bool)> = None;
    let mut closed = false;
    for clause in clauses(words, line) {
        let clause = bare(clause);
        // "Thanks, T" is signed.
        let closes = words.is_closing(clause);
        closed |= closes;
        if closes && found.is_some() || words.is_courtesy(clause) || words.declines(clause) {
            continue;
        }
        if closed && found.is_none() && is_initials(clause) {
            return None;
        }
        let (wish, about_mail) =
            utterance(words, clause).or_else(|| about_mail(words.grammar().asked(clause)))?;
        if found.is_some_and(|(known, _)| known != wish) {
            return None;
        }
        let known = found.is_some_and(|(_, known)| known);
        found = Some((wish, about_mail || known));
    }
    found
}
