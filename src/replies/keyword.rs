//! What a person's words ask for. Whole utterances count, not words inside a sentence; a sentence counts
//! where it asks outright; what is doubtful or denied is a letter.

use super::classify::Wish;
use super::grammar::is_unspaced;
use super::marks::Marks;
use super::normal::{bare, is_edge, is_ideograph, normal};
use super::requests::holds;
use super::utterance::{
    INITIALS_MAX, in_answer, is_address, is_greeting, is_initials, led, of_line,
};
use super::words::Vocabulary;

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) wish: Wish,
    /// More was written than the wish and its courtesies.
    pub(super) beyond: bool,
    /// The words can only be about mail.
    pub(super) about_mail: bool,
}

const NOTHING: Found = Found { wish: Wish::None, beyond: true, about_mail: false };

/// Longest text that is searched for a request, in characters.
const SEARCHED_MAX: usize = 2000;
/// Shortest line, in characters, that may have been wrapped.
const FULL_LINE_MIN: usize = 55;
/// Most sentences of a letter that a bare keyword may end.
const SENTENCES_MAX: usize = 4;

/// Fewest words, and characters of scripts without blanks, that a quotation is of somebody's sentence.
const QUOTED_WORDS_MIN: usize = 3;
const QUOTED_MIN: usize = 8;

/// The wish of a sentence that asks outright.
fn of_sentence(words: &Vocabulary, sentence: &str) -> Option<(Wish, bool)> {
    let known = &words.sentences().all;
    // What makes other questions doubtful may be part of a courtesy.
    let excused = |doubt: &String| {
        let mut courtesies = known.polite.iter().filter(|polite| polite.contains(doubt.as_str()));
        courtesies.any(|polite| sentence.contains(polite.as_str()))
    };
    // What stands between quotation marks is somebody else's.
    if is_quoting(sentence) {
        return None;
    }
    let padded = format!(" {sentence} ");
    if known.doubts.iter().any(|doubt| padded.contains(doubt.as_str()) && !excused(doubt)) {
        return None;
    }
    let asks = sentence.contains('?');
    let clauses = sentence.split([',', '、', ';', ':']).map(bare);
    let tells = holds(sentence, &known.instructions);
    let mut asked =
        clauses.filter(|_| !tells).map(|clause| words.grammar().asked_among(clause, asks));
    if let Some(wish) = asked.find_map(|wish| wish) {
        return Some((wish, true));
    }
    if asks && !holds(sentence, &known.polite) {
        return None;
    }
    let rejects = holds(sentence, &known.rejects);
    let wish = if rejects { Wish::Reject } else { Wish::Unsubscribe };
    if holds(sentence, &known.refusals)
        || is_about_mail(words, sentence, &words.sentences().open_refusals)
    {
        let denied = holds(sentence, &known.keywords) && !sentence.contains("再发");
        return (!denied).then_some((wish, true));
    }
    let denied = holds(&padded, &known.denials);
    let paired = |(one, two): &(String, String)| {
        let behind = sentence.split_once(one.as_str());
        behind.is_some_and(|(_, behind)| padded_end(behind).contains(two.as_str()))
    };
    let asked = holds(sentence, &known.requests)
        || is_about_mail(words, sentence, &words.sentences().open_requests)
        || ends_subscription(words, sentence);
    (!denied && (asked || known.pairs.iter().any(paired))).then_some((wish, true))
}

/// Whether a sentence quotes another, or is the end of one that is quoted; a name or a keyword may be quoted.
fn is_quoting(sentence: &str) -> bool {
    let marks = [('„', '“'), ('«', '»'), ('「', '」'), ('『', '』')];
    marks.iter().any(|&(open, close)| {
        let Some((_, text)) = sentence.split_once(open) else {
            return sentence.contains(close);
        };
        let text = text.split(close).next().unwrap_or_default();
        let words = text.split(' ').filter(|word| !bare(word).is_empty());
        let unspaced = text.contains(is_unspaced) && text.chars().count() >= QUOTED_MIN;
        unspaced || words.count() >= QUOTED_WORDS_MIN
    })
}

/// Whether a request stands there that what follows makes one about mail.
fn is_about_mail(words: &Vocabulary, sentence: &str, requests: &[(&str, String)]) -> bool {
    requests.iter().any(|(language, request)| {
        sentence.split_once(request.as_str()).is_some_and(|(_, behind)| {
            let apart = behind.chars().next().is_none_or(|c| !c.is_alphanumeric());
            apart && words.grammar().is_of_mail(behind, language)
        })
    })
}

/// What ends a clause.
const CLAUSE_ENDS: [char; 4] = [',', '、', ';', ':'];

/// Whether a request to end a subscription stands there with nothing in its clause that makes it another's than ours.
fn ends_subscription(words: &Vocabulary, sentence: &str) -> bool {
    let known = words.sentences();
    let behind = |(language, request): &(&str, String)| {
        let behind = sentence.split_once(request.as_str()).map(|(_, behind)| behind);
        let behind = behind.map(|behind| behind.split(CLAUSE_ENDS).next().unwrap_or_default());
        behind.is_some_and(|behind| {
            let apart =
                behind.chars().next().is_none_or(|c| !c.is_alphanumeric() || is_unspaced(c));
            apart && words.grammar().is_of_mail(behind, language)
        })
    };
    let before = |(language, request): &(&str, String)| {
        let before = sentence.split_once(request.as_str()).map(|(before, _)| before);
        let before = before.map(|before| before.rsplit(CLAUSE_ENDS).next().unwrap_or_default());
        before.is_some_and(|before| words.grammar().knows(before.trim(), language))
    };
    known.subscriptions.iter().any(behind) || known.closing_subscriptions.iter().any(before)
}

/// The end of a sentence with a blank for its last punctuation.
fn padded_end(text: &str) -> String {
    format!("{} ", text.trim_end_matches(is_edge))
}

/// The wish of an answer right below the quoted footer that says how to wish: the footer names a keyword, or is
/// one, as the label of a link is; and the answer is a whole utterance.
pub(super) fn below_footer(words: &Vocabulary, quoted: &[String], below: &str) -> Found {
    let told = quoted.iter().map(|line| normal(line)).any(|line| {
        let letters = line.split(|c: char| !c.is_ascii_alphanumeric()).filter(|w| !w.is_empty());
        let named = letters.into_iter().any(|word| words.named(word).is_some());
        of_line(words, &line).is_some()
            || named && holds(&line, &words.sentences().all.instructions)
    });
    if !told {
        return NOTHING;
    }
    let found = wish(words, below);
    if found.beyond { NOTHING } else { Found { beyond: true, ..found } }
}

/// Whether there is nothing but blanks and punctuation.
pub(super) fn says_nothing(written: &str) -> bool {
    written.chars().take(SEARCHED_MAX).all(is_edge)
}

/// Whether there is nothing but a name, as some mail programs sign with it.
pub(super) fn is_signed_only(written: &str, name: &str) -> bool {
    let name = normal(name);
    !bare(&name).is_empty()
        && written.len() <= SEARCHED_MAX
        && written
            .lines()
            .map(normal)
            .all(|line| bare(&line).is_empty() || bare(&line) == bare(&name))
}

/// Whether there are only greetings, thanks and a name below them.
pub(super) fn is_courteous(words: &Vocabulary, written: &str) -> bool {
    let mut closed = false;
    let mut names = 0;
    written.chars().count() <= SEARCHED_MAX
        && written.lines().map(normal).filter(|line| !bare(line).is_empty()).all(|line| {
            // "如题，谢谢" on one line.
            let clauses = || line.split([',', '.', ';', '!', '。', '、']).map(bare);
            let polite = clauses().all(|one| words.is_courtesy(one) || words.is_closing(one));
            let closes = polite && clauses().any(|one| words.is_closing(one));
            let greets = polite || is_greeting(words, &line);
            closed |= closes;
            names += usize::from(closed && !closes && !greets);
            let addressed = is_address(bare(&line)) && !bare(&line).contains(' ');
            closes || greets || addressed || closed && names <= 2 && line.chars().count() <= 40
        })
}

/// Whether a letter opens with a wish, below greetings at most: what follows may be a gateway's.
pub(super) fn opens(words: &Vocabulary, written: &str) -> bool {
    let mut lines = written.lines().map(normal).filter(|line| !bare(line).is_empty());
    let first = lines.find(|line| !is_greeting(words, line));
    first.is_none_or(|first| {
        let sentence = first.split_inclusive(['.', '。', '!']).next().unwrap_or_default();
        of_line(words, &first).is_some() || of_line(words, sentence).is_some()
    })
}

/// The wish in what a person wrote.
pub(super) fn wish(words: &Vocabulary, written: &str) -> Found {
    let searched: String = written.chars().take(SEARCHED_MAX).collect();
    let searched = without_links(&searched);
    let raw: Vec<&str> = searched.lines().collect();
    let text: Vec<(usize, String)> = raw
        .iter()
        .enumerate()
        .map(|(place, line)| (place, normal(line)))
        .filter(|(_, line)| !line.is_empty())
        .collect();
    let greetings = text.iter().take_while(|(_, line)| is_greeting(words, line)).count();
    let beyond_searched = written.chars().nth(SEARCHED_MAX).is_some();
    // The name after "Regards," or "谢谢" is no wish.
    let closed = greetings > 0 && words.is_closing(bare(&text[greetings - 1].1));
    if let Some((place, first)) = text.get(greetings)
        && let Some((wish, about_mail)) = of_line(words, first)
        && !(closed && is_initials(bare(first)))
        && !goes_on(words, first, raw.get(place + 1).copied().unwrap_or_default())
    {
        let lines = text[greetings + 1..].iter().map(|(_, line)| line.as_str());
        let beyond = more(words, lines) || beyond_searched;
        if !(beyond && is_weak(words, bare(first))) {
            return Found { wish, beyond, about_mail };
        }
    }
    let mut whole = String::with_capacity(searched.len());
    for (place, line) in &text {
        // A full line that goes on in lower case was wrapped within its sentence.
        let before = place.checked_sub(1).and_then(|before| raw.get(before));
        let full = before.is_some_and(|before| before.trim().chars().count() >= FULL_LINE_MIN);
        let goes_on = full && line.starts_with(|c: char| c.is_lowercase() && !is_ideograph(c));
        let raw_goes_on = raw[*place].trim_start().starts_with(char::is_lowercase);
        whole.push(if goes_on && raw_goes_on { ' ' } else { '\n' });
        whole.push_str(line);
    }
    let whole = whole.trim_start();
    let sentences = sentences(whole);
    for sentence in &sentences {
        if let Some((wish, about_mail)) = of_sentence(words, sentence) {
            return Found { wish, beyond: true, about_mail };
        }
    }
    let first = || of_first(words, &sentences);
    match of_last(words, &sentences).or_else(first).filter(|_| !beyond_searched) {
        Some(wish) => Found { wish, beyond: true, about_mail: true },
        None => NOTHING,
    }
}

/// A text without what Outlook sets behind addresses and links: `<mailto:ann@b.example>`.
fn without_links(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once('<') {
        out.push_str(before);
        let linked = ["mailto:", "http:", "https:"].iter().any(|start| behind.starts_with(start));
        let end = behind.find(|c: char| c == '>' || c.is_whitespace());
        match end.filter(|&end| linked && behind[end..].starts_with('>')) {
            Some(end) => rest = &behind[end + 1..],
            None => {
                out.push('<');
                rest = behind;
            }
        }
    }
    out.push_str(rest);
    out
}

/// The sentences of a text in normal form; the points within an address end none.
fn sentences(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut from = 0;
    for (at, c) in text.char_indices() {
        let ends = matches!(c, '.' | '。' | '!' | '！' | '?' | '？' | '\n');
        if ends && !(c == '.' && is_within_address(text, at)) {
            found.push(text[from..at + c.len_utf8()].trim());
            from = at + c.len_utf8();
        }
    }
    if from < text.len() {
        found.push(text[from..].trim());
    }
    found
}

/// Whether the point at a place stands within an address.
fn is_within_address(text: &str, at: usize) -> bool {
    let before = text[..at].rsplit(char::is_whitespace).next().unwrap_or_default();
    let behind = text[at + 1..].split(char::is_whitespace).next().unwrap_or_default();
    (before.contains('@') || behind.contains('@'))
        && behind.starts_with(|c: char| c.is_ascii_alphanumeric())
}

/// Whether anything else beside a keyword turns it into words about something else.
fn is_weak(words: &Vocabulary, keyword: &str) -> bool {
    words.sentences().all.weak.iter().any(|weak| weak == keyword)
}

/// Whether a line is the beginning of a sentence that was wrapped: the next one goes on in lower case.
fn goes_on(words: &Vocabulary, line: &str, next: &str) -> bool {
    if !line.ends_with(|c: char| c.is_ascii_alphanumeric())
        || !next.starts_with(|c: char| c.is_lowercase() && !is_ideograph(c))
    {
        return false;
    }
    let next = normal(next);
    let polite = is_greeting(words, &next)
        || next.split([',', '.', '!']).next().is_some_and(|clause| words.is_courtesy(bare(clause)));
    !(polite || is_address(&next) || of_line(words, &next).is_some())
}

/// The wish of a short letter that ends in a bare keyword: "Not interested. Unsubscribe." What may be
/// said of goods or of an offer, as 拒收 or 不要发了, is left to a reader there.
fn of_last(words: &Vocabulary, sentences: &[&str]) -> Option<Wish> {
    let closes = |text: &str| is_greeting(words, text) || words.is_closing(bare(text));
    // The name below "Regards," is not what the letter ends in.
    let closing = sentences.iter().rposition(|text| words.is_closing(bare(text)));
    let signed = closing.filter(|&at| at > 0 && sentences.len() - at <= SENTENCES_MAX);
    let sentences = &sentences[..signed.unwrap_or(sentences.len())];
    let mut spoken = sentences.iter().filter(|text| !closes(text));
    let last = spoken.next_back()?;
    let before: Vec<&&str> = spoken.collect();
    let (led, keyword) = match last.rsplit_once(',') {
        Some((led, keyword)) if of_line(words, last).is_none() => (led, keyword),
        _ => ("", *last),
    };
    let wish = stopping(words, keyword).filter(|_| !holds(last, &words.sentences().all.doubts))?;
    let clear = |text: &str| is_clear(words, text);
    let few = before.len() < SENTENCES_MAX && !(before.is_empty() && led.is_empty());
    (few && clear(led) && before.iter().all(|text| clear(text))).then_some(wish)
}

/// The wish of a short letter that opens with a bare keyword, and says why: "Unsubscribe. I never asked for this."
fn of_first(words: &Vocabulary, sentences: &[&str]) -> Option<Wish> {
    let closes = |text: &str| is_greeting(words, text) || words.is_closing(bare(text));
    let closing = sentences.iter().position(|text| words.is_closing(bare(text)));
    let sentences = &sentences[..closing.unwrap_or(sentences.len())];
    let spoken = sentences.iter().copied();
    let mut spoken = spoken.filter(|text| !closes(text) && !bare(text).is_empty());
    let first = spoken.next()?;
    let led = stopping(words, first)
        .map_or_else(|| led_by(words, first), |wish| Some((wish, first, None)));
    let (wish, first, reason) = led?;
    // A short word may begin a letter about goods, unless it is cried out.
    let named = bare(first).chars().count() > INITIALS_MAX || first.ends_with('!');
    let rest: Vec<&str> = reason.into_iter().chain(spoken).collect();
    let clear = |text: &str| is_clear(words, text) && !takes_back(words, text);
    let few = (1..SENTENCES_MAX).contains(&rest.len());
    (named && few && rest.iter().all(|text| clear(text))).then_some(wish)
}

/// The wish of a keyword that opens a sentence, with the keyword and what follows it.
fn led_by<'a>(words: &Vocabulary, sentence: &'a str) -> Option<(Wish, &'a str, Option<&'a str>)> {
    let (keyword, reason) = led(words, sentence)?;
    Some((stopping(words, keyword)?, keyword, Some(reason)))
}

/// The wish of a bare keyword that can only stop mail.
fn stopping(words: &Vocabulary, keyword: &str) -> Option<Wish> {
    let (wish, about_mail) = of_line(words, keyword)?;
    let named = about_mail && !is_initials(bare(keyword));
    (named && wish == Wish::Unsubscribe && !keyword.contains('发')).then_some(wish)
}

/// Whether nothing is said of the keyword itself, nor introduces it, which would make it doubtful. What is asked
/// in anger is no question: "Who are you?"
fn is_clear(words: &Vocabulary, text: &str) -> bool {
    words.declines(bare(text))
        || !text.ends_with(':')
            && !holds(text, &words.sentences().all.doubts)
            && !["unsub", "退订", "拒收", "opt", "remove", "reply", "回复", "?"]
                .iter()
                .any(|word| text.contains(word))
}

/// Whether a sentence behind a wish takes something of it back.
fn takes_back(words: &Vocabulary, text: &str) -> bool {
    let apart: String = text.chars().map(|c| if is_edge(c) { ' ' } else { c }).collect();
    let padded = format!(" {apart} ");
    words.sentences().all.contrasts.iter().any(|word| {
        let unspaced = word.contains(is_unspaced);
        unspaced && text.contains(word.as_str()) || padded.contains(&format!(" {word} "))
    })
}

/// Whether the lines after a wish say more than thanks and a name.
fn more<'a>(words: &Vocabulary, lines: impl Iterator<Item = &'a str>) -> bool {
    let mut closed = false;
    let mut count = 0;
    for line in lines {
        closed = closed || words.is_closing(bare(line));
        if !words.is_courtesy(bare(line)) && !words.is_closing(bare(line)) {
            count += 1;
            if !closed || count > 4 {
                return true;
            }
        }
    }
    false
}

/// Most prefixes that are taken off a subject.
const PREFIXES_MAX: usize = 20;
/// Longest tag in brackets that a gateway or a list sets before a subject, in bytes.
const TAG_MAX: usize = 30;

/// A subject in normal form without the prefixes of answers and the tags of gateways, and whether it answers; `None` where
/// it is forwarded.
fn without_prefixes<'a>(marks: &Marks, subject: &'a str) -> Option<(bool, &'a str)> {
    let (mut rest, mut answers) = (subject, false);
    for _ in 0..PREFIXES_MAX {
        let tagged = rest.strip_prefix('[').and_then(|rest| rest.split_once(']'));
        if let Some((tag, behind)) = tagged
            && tag.len() <= TAG_MAX
            && !bare(behind).is_empty()
        {
            rest = behind.trim_start();
            continue;
        }
        let Some((prefix, behind)) = rest.split_once(':') else {
            break;
        };
        if behind.trim().is_empty() {
            break;
        }
        // Some count: "Re[2]:", "RE^3:", "Re (4):".
        let word = prefix.trim_end_matches(|c: char| c.is_ascii_digit() || " []()^*".contains(c));
        if marks.forwarded.contains(word) {
            return None;
        }
        if !marks.replied.contains(word) {
            break;
        }
        (rest, answers) = (behind.trim_start(), true);
    }
    Some((answers, rest))
}

/// The wish of a subject, for a body that says nothing: a reply's subject is the original's, and no wish.
pub(super) fn in_subject(words: &Vocabulary, subject: &str) -> Found {
    let subject = normal(subject);
    // Who forwards a message does not answer it.
    let Some((answers, rest)) = without_prefixes(words.marks(), &subject) else {
        return NOTHING;
    };
    if answers {
        // Only a subject that is nothing but a keyword can be the person's own.
        return match in_answer(words, rest) {
            Some((wish, about_mail)) => Found { wish, beyond: false, about_mail },
            None => NOTHING,
        };
    }
    match of_line(words, rest) {
        Some((wish, about_mail)) => Found { wish, beyond: false, about_mail },
        None => of_sentence(words, rest).map_or(NOTHING, |(wish, about_mail)| Found {
            wish,
            beyond: true,
            about_mail,
        }),
    }
}
