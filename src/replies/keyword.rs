//! What a person's words ask for. Whole utterances count, not words inside a sentence; a sentence counts
//! where it asks outright; what is doubtful or denied is a letter.

use super::classify::Wish;
use super::words::{
    AFTER, ANSWER, BEFORE, CLOSINGS, COURTESIES, DENIALS, DOUBTS, GREETINGS, HELP, REFUSALS,
    REJECT, REQUESTS, RESUBSCRIBE, SIMPLIFIED, STOP, UNSUBSCRIBE,
};
use unicode_normalization::UnicodeNormalization;

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
/// Longest utterance, in characters.
const UTTERANCE_MAX: usize = 60;

/// NFKC, lower case, simplified, blanks single.
fn normal(text: &str) -> String {
    let folded = text.nfkc().flat_map(char::to_lowercase).map(|c| match c {
        '’' | '‘' | '`' | '´' => '\'',
        c => SIMPLIFIED.iter().find(|(from, _)| *from == c).map_or(c, |(_, to)| *to),
    });
    let mut out = String::new();
    for c in folded {
        if !c.is_whitespace() {
            out.push(c);
        } else if !out.ends_with(' ') {
            out.push(' ');
        }
    }
    out.trim().to_owned()
}

fn is_edge(c: char) -> bool {
    c.is_whitespace()
        || c.is_ascii_punctuation()
        || "“”‘’「」『』【】《》〈〉()（）。、，！？：；…·•~～—–«»".contains(c)
        || matches!(c, '\u{2600}'..='\u{27bf}' | '\u{1f300}'..='\u{1faff}' | '\u{fe0f}')
}

/// An utterance without the punctuation around it.
fn bare(text: &str) -> &str {
    text.trim_matches(is_edge)
}

fn is_courtesy(bare: &str) -> bool {
    bare.is_empty() || COURTESIES.contains(&bare)
}

/// Whether a line greets: a whole greeting, or `Dear Ann,`.
fn is_greeting(line: &str) -> bool {
    if is_courtesy(bare(line)) {
        return true;
    }
    let ended = line.ends_with([',', ':', '、', '，', '!']);
    ended
        && line.chars().count() <= 40
        && GREETINGS.iter().any(|start| {
            line.strip_prefix(start)
                .is_some_and(|rest| !rest.starts_with(|c: char| c.is_ascii_alphanumeric()))
        })
        && !bare(line).contains([',', '，', '.', '。'])
}

/// The wish that one bare utterance names.
fn named(text: &str) -> Option<(Wish, bool)> {
    if REJECT.contains(&text) {
        Some((Wish::Reject, true))
    } else if UNSUBSCRIBE.contains(&text) {
        Some((Wish::Unsubscribe, true))
    } else if STOP.contains(&text) {
        Some((Wish::Unsubscribe, false))
    } else if RESUBSCRIBE.contains(&text) {
        Some((Wish::Resubscribe, true))
    } else if HELP.contains(&text) {
        Some((Wish::Help, true))
    } else {
        None
    }
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

/// The wish of an utterance, its courtesies taken off.
fn utterance(text: &str) -> Option<(Wish, bool)> {
    if text.chars().count() > UTTERANCE_MAX {
        return None;
    }
    let mut text = bare(text);
    if let Some(found) = named(text) {
        return Some(found);
    }
    for answer in ANSWER {
        let letter = without_start(text, answer);
        if let Some(found) = letter.and_then(named) {
            return Some(found);
        }
    }
    // Each turn takes something away.
    loop {
        let shorter = BEFORE.iter().find_map(|start| without_start(text, start));
        let shorter = shorter.or_else(|| AFTER.iter().find_map(|end| without_end(text, end)));
        text = shorter?;
        if let Some(found) = named(text)
            && text.chars().count() > 1
        {
            return Some(found);
        }
    }
}

/// The wish of a line all of whose clauses are courtesies or wishes.
fn of_line(line: &str) -> Option<(Wish, bool)> {
    if let Some(found) = utterance(line) {
        return Some(found);
    }
    let mut wish = None;
    for clause in line.split(['.', ',', '。', '，', '、', '!', '！', ';', '；', ':']) {
        let clause = bare(clause);
        if is_courtesy(clause) {
            continue;
        }
        wish = wish.or(Some(utterance(clause)?));
    }
    wish
}

/// The wish of a sentence that asks outright.
fn of_sentence(sentence: &str) -> Option<(Wish, bool)> {
    let asks = sentence.contains('?');
    let polite = ["can you", "could you", "would you", "will you please"];
    if DOUBTS.iter().any(|doubt| sentence.contains(doubt))
        || asks && !polite.iter().any(|start| sentence.contains(start))
    {
        return None;
    }
    let wish = if sentence.contains("拒收") { Wish::Reject } else { Wish::Unsubscribe };
    if REFUSALS.iter().any(|request| sentence.contains(request)) {
        let denied = ["退订", "unsubscribe"].iter().any(|word| sentence.contains(word))
            && !sentence.contains("再发");
        return (!denied).then_some((wish, true));
    }
    let padded = format!(" {sentence} ");
    let denied = DENIALS.iter().any(|denial| padded.contains(denial));
    (!denied && REQUESTS.iter().any(|request| sentence.contains(request))).then_some((wish, true))
}

/// Whether there is nothing but blanks, punctuation and courtesies.
pub(super) fn says_nothing(written: &str) -> bool {
    written.chars().take(SEARCHED_MAX).all(is_edge)
}

/// The wish in what a person wrote.
pub(super) fn wish(written: &str) -> Found {
    let searched: String = written.chars().take(SEARCHED_MAX).collect();
    let text: Vec<String> = searched.lines().map(normal).filter(|line| !line.is_empty()).collect();
    let mut lines = text.iter().map(String::as_str).skip_while(|line| is_greeting(line)).peekable();
    // The name after "Regards," or "谢谢" is no wish.
    let greeted = text.len() - lines.clone().count();
    let closed = greeted > 0 && CLOSINGS.contains(&bare(&text[greeted - 1]));
    if let Some(first) = lines.peek().copied()
        && let Some((wish, about_mail)) = of_line(first)
        && !(closed && bare(first).chars().count() == 1)
    {
        lines.next();
        let beyond = more(lines) || written.len() > searched.len();
        return Found { wish, beyond, about_mail };
    }
    let whole = text.join("\n");
    for sentence in whole.split_inclusive(['.', '。', '!', '！', '?', '？', '\n']) {
        if let Some((wish, about_mail)) = of_sentence(sentence.trim()) {
            return Found { wish, beyond: true, about_mail };
        }
    }
    NOTHING
}

/// Whether the lines after a wish say more than thanks and a name.
fn more<'a>(lines: impl Iterator<Item = &'a str>) -> bool {
    let mut closed = false;
    let mut count = 0;
    for line in lines {
        closed = closed || CLOSINGS.contains(&bare(line));
        if !is_courtesy(bare(line)) && !CLOSINGS.contains(&bare(line)) {
            count += 1;
            if !closed || count > 4 {
                return true;
            }
        }
    }
    false
}

/// The wish of a subject, for a body that says nothing: a reply's subject is the original's, and no wish.
pub(super) fn in_subject(subject: &str) -> Found {
    let subject = normal(subject);
    let replied =
        ["re:", "回复:", "答复:", "aw:", "回复：", "sv:", "antw:", "转发:", "fw:", "fwd:"];
    if replied.iter().any(|start| subject.starts_with(start)) {
        let mut rest = subject.as_str();
        while let Some(start) = replied.iter().find(|start| rest.starts_with(**start)) {
            rest = rest[start.len()..].trim_start();
        }
        // Only a subject that is nothing but a keyword can be the person's own.
        return match named(bare(rest)) {
            Some((wish, about_mail)) => Found { wish, beyond: false, about_mail },
            None => NOTHING,
        };
    }
    match of_line(&subject) {
        Some((wish, about_mail)) => Found { wish, beyond: false, about_mail },
        None => of_sentence(&subject).map_or(NOTHING, |(wish, about_mail)| Found {
            wish,
            beyond: true,
            about_mail,
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_utterances_are_wishes() {
        for text in [
            "R",
            "r.",
            "Ｒ",
            "回复R",
            "Reply R",
            "“R”",
            "*R*",
            "拒收",
            "请拒收",
            "您好，\n拒收\n谢谢",
            "수신거부",
            "reject!",
        ] {
            assert_eq!(wish(text).wish, Wish::Reject, "{text}");
        }
        for text in [
            "T",
            "td",
            "退订",
            "取消訂閱",
            "請退訂",
            "STOP",
            "please unsubscribe me",
            "Bitte abmelden",
            "BAJA",
            "配信停止をお願いします",
            "ОТПИСАТЬСЯ",
            "Hello,\n\nunsubscribe\n\nThanks",
            "你好，退订",
            "I would like to be removed from your list. Thank you, Ann",
            "请不要再给我发邮件了",
        ] {
            assert_eq!(wish(text).wish, Wish::Unsubscribe, "{text}");
        }
        assert_eq!(wish("START").wish, Wish::Resubscribe);
    }

    #[test]
    fn what_is_doubtful_or_denied_is_a_letter() {
        for text in [
            "Could you stop by our office on Tuesday?",
            "R. Miller takes care of this.",
            "T: +1 555 0199\nPlease call.",
            "我不要退订，只想换地址",
            "What does replying R do?",
            "Please do not unsubscribe me.",
            "Regards,\nT",
            "谢谢\nR",
            "请问怎么退订？",
        ] {
            assert_eq!(wish(text).wish, Wish::None, "{text}");
        }
    }

    #[test]
    fn more_than_the_wish_is_told() {
        assert!(!wish("R\n\nThanks,\nAnn").beyond);
        assert!(wish("退订\n另外，上周的订单还没到，请查一下。").beyond);
    }
}
