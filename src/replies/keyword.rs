//! What a person's words ask for. Whole utterances count, not words inside a sentence; a sentence counts
//! where it asks outright; what is doubtful or denied is a letter.

use super::classify::Wish;
use super::grammar;
use super::objects::{ASKED, ASKS, DETERMINERS, MAIL_OBJECTS, STOPPED, VERBS_OF_MAIL};
use super::requests::{
    DENIALS, DOUBTS, INSTRUCTIONS, OPEN_REFUSALS, OPEN_REQUESTS, PAIRS, REFUSALS, REQUESTS,
};
use super::words::{
    AFTER, ANSWER, BEFORE, CLOSINGS, COURTESIES, DECLINES, GREETINGS, HELP, REJECT, RESUBSCRIBE,
    SIMPLIFIED, STOP, UNSUBSCRIBE, WEAK,
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
/// Longest utterance that may be two keywords of one wish, in characters.
const DOUBLED_MAX: usize = 12;
/// Longest initials that may be a name below thanks, in characters.
const INITIALS_MAX: usize = 2;
/// Most sentences of a letter that a bare keyword may end.
const SENTENCES_MAX: usize = 4;

/// NFKC, lower case, simplified, blanks single.
pub(super) fn normal(text: &str) -> String {
    let folded = text.nfkc().flat_map(char::to_lowercase).map(|c| match c {
        '’' | '‘' | '`' | '´' => '\'',
        c if is_ideograph(c) => simplified(c),
        c => c,
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

fn simplified(c: char) -> char {
    SIMPLIFIED.iter().find(|(from, _)| *from == c).map_or(c, |(_, to)| *to)
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

fn is_ideograph(c: char) -> bool {
    matches!(c, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}')
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
fn answered(text: &str) -> Option<(Wish, bool)> {
    let letter = || ANSWER.iter().find_map(|answer| named(without_start(text, answer)?));
    named(text).or_else(letter)
}

/// The wish of two keywords in a row that name the same, as `退订T` or `T，回复退订`.
fn doubled(text: &str) -> Option<(Wish, bool)> {
    if !text.contains(is_ideograph) || text.chars().count() > DOUBLED_MAX {
        return None;
    }
    text.char_indices().skip(1).find_map(|(at, _)| {
        let (one, two) = (answered(bare(&text[..at]))?, answered(bare(&text[at..]))?);
        (one.0 == two.0).then_some((one.0, one.1 || two.1))
    })
}

/// The wish of one keyword said over and over.
fn repeated(text: &str) -> Option<(Wish, bool)> {
    let mut words = text.split(' ').map(bare).filter(|word| !word.is_empty());
    let first = words.next()?;
    let found = named(first)?;
    (first.chars().count() > 1 && words.all(|word| word == first)).then_some(found)
}

/// The wish of a verb whose object is mail and nothing else: `拒收你们的邮件`, "remove me from this list".
fn of_object(text: &str) -> Option<(Wish, bool)> {
    for verb in VERBS_OF_MAIL {
        let Some(mut object) = text.strip_prefix(verb) else {
            continue;
        };
        while let Some(word) = DETERMINERS.iter().find(|word| object.starts_with(**word)) {
            if MAIL_OBJECTS.contains(&object) {
                break;
            }
            object = &object[word.len()..];
        }
        if MAIL_OBJECTS.contains(&object) {
            let reject = verb.starts_with('拒');
            return Some((if reject { Wish::Reject } else { Wish::Unsubscribe }, true));
        }
    }
    let asked = |word: &str| ASKED.contains(&word) || is_address(word);
    let only = |words: &str| words.split([' ', ',']).map(bare).all(|w| w.is_empty() || asked(w));
    if ASKS.iter().any(|ask| without_start(text, ask).is_some_and(only)) {
        return Some((Wish::Unsubscribe, true));
    }
    let object = without_start(text, "stop")?;
    let words = || object.split([' ', ',']).map(bare);
    let about = words().any(|word| STOPPED.contains(&word));
    let all = words().all(|word| word.is_empty() || asked(word) || STOPPED.contains(&word));
    (about && all).then_some((Wish::Unsubscribe, true))
}

fn is_address(word: &str) -> bool {
    word.split_once('@').is_some_and(|(local, domain)| !local.is_empty() && domain.contains('.'))
}

/// The wish of a letter with a courtesy right after it: "R please".
fn of_letter(text: &str) -> Option<(Wish, bool)> {
    let end = text.find(|c: char| !c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (letter, rest) = text.split_at(end);
    let polite = ["please", "pls", "plz"].contains(&bare(rest)) || CLOSINGS.contains(&bare(rest));
    let single = ["r", "t", "td"].contains(&letter) && polite;
    if single { named(letter) } else { None }
}

/// The wish of an utterance, its courtesies taken off.
fn utterance(text: &str) -> Option<(Wish, bool)> {
    if text.chars().count() > UTTERANCE_MAX {
        return None;
    }
    let joined = joined(bare(text));
    let mut text = bare(&joined);
    let whole = |text: &str| doubled(text).or_else(|| repeated(text)).or_else(|| of_object(text));
    if let Some(found) = answered(text).or_else(|| of_letter(text)).or_else(|| whole(text)) {
        return Some(found);
    }
    // Each turn takes something away.
    loop {
        let shorter = BEFORE.iter().find_map(|start| without_start(text, start));
        let shorter = shorter.or_else(|| AFTER.iter().find_map(|end| without_end(text, end)));
        text = shorter?;
        if text.chars().count() > 1
            && let Some(found) = named(text).or_else(|| whole(text))
        {
            return Some(found);
        }
    }
}

/// A wish that can only be about mail.
fn about_mail(wish: Option<Wish>) -> Option<(Wish, bool)> {
    wish.map(|wish| (wish, true))
}

/// The wish of a line all of whose clauses are courtesies or wishes, and the same wish. What is asked
/// with a question mark is doubtful; one at the start is a character that was lost.
fn of_line(line: &str) -> Option<(Wish, bool)> {
    if line.trim_start_matches(is_edge).contains('?') {
        return None;
    }
    if let Some(found) = utterance(line).or_else(|| about_mail(grammar::asked(line))) {
        return Some(found);
    }
    let mut found: Option<(Wish, bool)> = None;
    for clause in line.split(['.', ',', '。', '，', '、', '!', '！', ';', '；', ':']) {
        let clause = bare(clause);
        if is_courtesy(clause) || DECLINES.contains(&clause) {
            continue;
        }
        let (wish, about_mail) =
            utterance(clause).or_else(|| about_mail(grammar::asked(clause)))?;
        if found.is_some_and(|(known, _)| known != wish) {
            return None;
        }
        let known = found.is_some_and(|(_, known)| known);
        found = Some((wish, about_mail || known));
    }
    found
}

/// The wish of a sentence that asks outright.
fn of_sentence(sentence: &str) -> Option<(Wish, bool)> {
    if DOUBTS.iter().any(|doubt| sentence.contains(doubt)) {
        return None;
    }
    let asks = sentence.contains('?');
    let clauses = sentence.split([',', '、', ';', ':']).map(bare);
    let tells = INSTRUCTIONS.iter().any(|word| sentence.contains(word));
    let mut asked = clauses.filter(|_| !tells).map(|clause| grammar::asked_among(clause, asks));
    if let Some(wish) = asked.find_map(|wish| wish) {
        return Some((wish, true));
    }
    let polite = ["can you", "could you", "would you", "will you please"];
    if asks && !polite.iter().any(|start| sentence.contains(start)) {
        return None;
    }
    let rejects = ["拒收", "수신거부", "수신 거부", "수신을 거부", "受信拒否"];
    let rejects = rejects.iter().any(|word| sentence.contains(word));
    let wish = if rejects { Wish::Reject } else { Wish::Unsubscribe };
    if REFUSALS.iter().any(|request| sentence.contains(request))
        || is_about_mail(sentence, OPEN_REFUSALS)
    {
        let denied = ["退订", "unsubscribe"].iter().any(|word| sentence.contains(word))
            && !sentence.contains("再发");
        return (!denied).then_some((wish, true));
    }
    let padded = format!(" {sentence} ");
    let denied = DENIALS.iter().any(|denial| padded.contains(denial));
    let paired = |(one, two): &(&str, &str)| {
        sentence.split_once(one).is_some_and(|(_, behind)| padded_end(behind).contains(two))
    };
    let asked = REQUESTS.iter().any(|request| sentence.contains(request))
        || is_about_mail(sentence, OPEN_REQUESTS);
    (!denied && (asked || PAIRS.iter().any(paired))).then_some((wish, true))
}

/// Whether a request stands there that what follows makes one about mail.
fn is_about_mail(sentence: &str, requests: &[(&str, &str)]) -> bool {
    requests.iter().any(|(language, request)| {
        sentence.split_once(request).is_some_and(|(_, behind)| {
            let apart = behind.chars().next().is_none_or(|c| !c.is_alphanumeric());
            apart && grammar::is_of_mail(behind, language)
        })
    })
}

/// The end of a sentence with a blank for its last punctuation.
fn padded_end(text: &str) -> String {
    format!("{} ", text.trim_end_matches(is_edge))
}

/// Whether there is nothing but blanks and punctuation.
pub(super) fn says_nothing(written: &str) -> bool {
    written.chars().take(SEARCHED_MAX).all(is_edge)
}

/// Whether there are only greetings, thanks and a name below them.
pub(super) fn is_courteous(written: &str) -> bool {
    let mut closed = false;
    let mut names = 0;
    written.chars().count() <= SEARCHED_MAX
        && written.lines().map(normal).filter(|line| !bare(line).is_empty()).all(|line| {
            let closes = CLOSINGS.contains(&bare(&line));
            let greets = is_greeting(&line);
            closed |= closes;
            names += usize::from(closed && !closes && !greets);
            closes || greets || closed && names <= 2 && line.chars().count() <= 40
        })
}

/// The wish in what a person wrote.
pub(super) fn wish(written: &str) -> Found {
    let searched: String = written.chars().take(SEARCHED_MAX).collect();
    let raw: Vec<&str> = searched.lines().collect();
    let text: Vec<(usize, String)> = raw
        .iter()
        .enumerate()
        .map(|(place, line)| (place, normal(line)))
        .filter(|(_, line)| !line.is_empty())
        .collect();
    let greetings = text.iter().take_while(|(_, line)| is_greeting(line)).count();
    let beyond_searched = written.len() > searched.len();
    // The name after "Regards," or "谢谢" is no wish.
    let closed = greetings > 0 && CLOSINGS.contains(&bare(&text[greetings - 1].1));
    if let Some((place, first)) = text.get(greetings)
        && let Some((wish, about_mail)) = of_line(first)
        && !(closed && is_initials(bare(first)))
        && !goes_on(first, raw.get(place + 1).copied().unwrap_or_default())
    {
        let lines = text[greetings + 1..].iter().map(|(_, line)| line.as_str());
        let beyond = more(lines) || beyond_searched;
        if !(beyond && WEAK.contains(&bare(first))) {
            return Found { wish, beyond, about_mail };
        }
    }
    let whole: Vec<&str> = text.iter().map(|(_, line)| line.as_str()).collect();
    let whole = whole.join("\n");
    let sentences: Vec<&str> =
        whole.split_inclusive(['.', '。', '!', '！', '?', '？', '\n']).map(str::trim).collect();
    for sentence in &sentences {
        if let Some((wish, about_mail)) = of_sentence(sentence) {
            return Found { wish, beyond: true, about_mail };
        }
    }
    match of_last(&sentences).filter(|_| !beyond_searched) {
        Some(wish) => Found { wish, beyond: true, about_mail: true },
        None => NOTHING,
    }
}

fn is_initials(text: &str) -> bool {
    text.chars().count() <= INITIALS_MAX && text.chars().all(|c| c.is_ascii_alphabetic())
}

/// Whether a line is the beginning of a sentence that was wrapped: the next one goes on in lower case.
fn goes_on(line: &str, next: &str) -> bool {
    if !line.ends_with(|c: char| c.is_ascii_alphanumeric())
        || !next.starts_with(|c: char| c.is_lowercase() && !is_ideograph(c))
    {
        return false;
    }
    let next = normal(next);
    let polite = is_greeting(&next)
        || next.split([',', '.', '!']).next().is_some_and(|clause| is_courtesy(bare(clause)));
    !(polite || is_address(&next) || of_line(&next).is_some())
}

/// The wish of a short letter that ends in a bare keyword: "Not interested. Unsubscribe." What may be
/// said of goods or of an offer, as 拒收 or 不要发了, is left to a reader there.
fn of_last(sentences: &[&str]) -> Option<Wish> {
    let closes = |text: &str| is_greeting(text) || CLOSINGS.contains(&bare(text));
    // The name below "Regards," is not what the letter ends in.
    let closing = sentences.iter().rposition(|text| CLOSINGS.contains(&bare(text)));
    let signed = closing.filter(|&at| at > 0 && sentences.len() - at <= SENTENCES_MAX);
    let sentences = &sentences[..signed.unwrap_or(sentences.len())];
    let mut spoken = sentences.iter().filter(|text| !closes(text));
    let last = spoken.next_back()?;
    let before: Vec<&&str> = spoken.collect();
    let (led, keyword) = match last.rsplit_once(',') {
        Some((led, keyword)) if of_line(last).is_none() => (led, keyword),
        _ => ("", *last),
    };
    let (wish, about_mail) = of_line(keyword)?;
    let named = bare(keyword).chars().count() > INITIALS_MAX && about_mail;
    let stops = wish == Wish::Unsubscribe && !keyword.contains('发');
    let clear = |text: &str| {
        // What is said of the keyword itself, or introduces it, makes it doubtful.
        !text.ends_with(':')
            && !DOUBTS.iter().any(|doubt| text.contains(doubt))
            && !["unsub", "退订", "拒收", "opt", "remove", "reply", "回复", "?"]
                .iter()
                .any(|word| text.contains(word))
    };
    let few = before.len() < SENTENCES_MAX && !(before.is_empty() && led.is_empty());
    (named && stops && few && clear(led) && before.iter().all(|text| clear(text))).then_some(wish)
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
    // Who forwards a message does not answer it.
    let forwarded = ["fw:", "fwd:", "转发:", "转寄:", "wg:", "tr:", "rv:", "i:"];
    if forwarded.iter().any(|start| subject.starts_with(start)) {
        return NOTHING;
    }
    let replied = ["re:", "回复:", "答复:", "aw:", "sv:", "antw:"];
    if replied.iter().any(|start| subject.starts_with(start)) {
        let mut rest = subject.as_str();
        while let Some(start) = replied.iter().find(|start| rest.starts_with(**start)) {
            rest = rest[start.len()..].trim_start();
        }
        // Only a subject that is nothing but a keyword can be the person's own.
        return match named(bare(rest)).filter(|_| !rest.contains('?')) {
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
            "拒收你们的邮件",
            "拒收所有垃圾邮件",
            "수신거부합니다",
            "수신거부 부탁드립니다",
            "수신거부 처리 부탁드립니다",
            "R please",
            "R - thanks",
            "R, thanks",
            "拒 收",
            "?“R”",
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
            "T 退订",
            "退 订",
            "退订回T",
            "回复T退订",
            "退订你们的所有邮件",
            "STOP STOP STOP",
            "стоп",
            "unsubscribe ann@a.example",
            "Unsubscribe from all your mailing lists",
            "remove me from list",
            "Stop sending these emails",
            "退会希望です",
        ] {
            assert_eq!(wish(text).wish, Wish::Unsubscribe, "{text}");
        }
        assert_eq!(wish("START").wish, Wish::Resubscribe);
    }

    #[test]
    fn a_request_is_obeyed_where_what_follows_is_mail() {
        for text in [
            "Please take me off your mailing list.",
            "Stop sending me these emails!",
            "Don't send me any more of this.",
            "Do not contact me again.",
            "please stop sending me",
        ] {
            assert_eq!(wish(text).wish, Wish::Unsubscribe, "{text}");
        }
    }

    #[test]
    fn what_is_doubtful_or_denied_is_a_letter() {
        for text in [
            "Could you stop by our office on Tuesday?",
            "R. Miller takes care of this.",
            "Can you take me off this flight?",
            "Please don't send me the old model.",
            "Please stop sending me blue ones.",
            "Don't contact me by phone.",
            "Please don't stop sending me your newsletter.",
            "T: +1 555 0199\nPlease call.",
            "我不要退订，只想换地址",
            "What does replying R do?",
            "Please do not unsubscribe me.",
            "Regards,\nT",
            "谢谢\nR",
            "请问怎么退订？",
            "R?",
            "退订？",
            "R\nis the letter you asked for",
            "Stop\nwatch arrived broken",
            "Merci\nR",
            "Vielen Dank\nT",
            "감사합니다\nTD",
            "我想退订机票",
            "退订酒店",
            "退订链接",
            "退订成功",
            "Stop it",
            "stop the meeting emails from Ann",
            "remove this item from my list",
            "Answers: T, R",
            "cancel\n\nthe parcel has not come and nobody answers",
            "0000\n\nis the code on the box",
        ] {
            assert_eq!(wish(text).wish, Wish::None, "{text}");
        }
    }

    #[test]
    fn more_than_the_wish_is_told() {
        assert!(!wish("R\n\nThanks,\nAnn").beyond);
        assert!(wish("退订\n另外，上周的订单还没到，请查一下。").beyond);
    }

    #[test]
    fn a_request_in_a_sentence_is_obeyed_in_many_languages() {
        for text in [
            "请把我从邮件列表中删除",
            "请停止向我发送邮件",
            "请取消我的订阅",
            "Bitte melden Sie mich vom Newsletter ab.",
            "Bitte nehmen Sie mich aus dem Verteiler.",
            "Je ne souhaite plus recevoir vos messages.",
            "Por favor, denme de baja de la lista.",
            "Solicito la baja de este boletín.",
            "Per favore cancellatemi dalla newsletter.",
            "Não quero mais receber mensagens.",
            "Хочу отписаться от рассылки.",
            "Пожалуйста, больше не присылайте мне писем.",
            "メルマガを解除したいです。お願いします",
            "더 이상 메일을 보내지 마세요",
            "구독을 취소해 주세요",
            "Wypisz mnie z listy",
            "Gelieve mij uit te schrijven",
            "Please delete my email from your database.",
            "Not interested. Unsubscribe.",
            "Not interested, please remove me.",
            "I never signed up for this.\n\nUnsubscribe\n\nRegards,\nAnn",
        ] {
            assert_eq!(wish(text).wish, Wish::Unsubscribe, "{text}");
        }
        assert_eq!(wish("메일 수신을 거부합니다").wish, Wish::Reject);
        assert_eq!(wish("请将我加入拒收名单").wish, Wish::Reject);
    }

    #[test]
    fn a_keyword_that_a_letter_talks_about_is_not_obeyed() {
        for text in [
            "The last line reads:\nUnsubscribe",
            "Your page says I should reply. Unsubscribe.",
            "Bitte melden Sie mich nicht vom Newsletter ab.",
            "请不要把我从邮件列表中删除",
            "Thanks for the offer. T",
            "货物有破损。拒收",
            "The price is too high. Reject.",
            "地址写错了。不要发了",
        ] {
            assert_eq!(wish(text).wish, Wish::None, "{text}");
        }
    }

    #[test]
    fn what_is_said_of_goods_or_of_missing_mail_is_no_request() {
        for text in [
            "Ich habe keine weiteren E-Mails erhalten, wann kommt die Antwort?",
            "Ich habe keine weiteren Fragen.",
            "Seit Montag bekomme ich keine E-Mails mehr, da stimmt etwas nicht.",
            "Seit Montag erhalte ich von Ihnen keine Antwort. Ich bekomme keine Mails mehr.",
            "Ik krijg geen e-mails meer.",
            "请停止向我发货",
            "我不想收到破损的商品",
            "Please delete my email of yesterday, it was wrong.",
            "수신거부를 해제해 주세요",
            "구독을 취소하지 마세요",
            "메일링 리스트에서 보고 연락드립니다.",
            "Пожалуйста, удалите меня из списка участников.",
            "請求書を送付しないでください。",
        ] {
            assert_eq!(wish(text).wish, Wish::None, "{text}");
        }
    }

    #[test]
    fn a_forwarded_subject_is_nobodys_wish() {
        assert_eq!(in_subject("Fwd: unsubscribe").wish, Wish::None);
        assert_eq!(in_subject("Re: R?").wish, Wish::None);
        assert_eq!(in_subject("RE：退订").wish, Wish::Unsubscribe);
    }

    #[test]
    fn tables_stand_in_the_form_in_which_replies_are_read() {
        let tables = [REJECT, UNSUBSCRIBE, STOP, RESUBSCRIBE, HELP, BEFORE, AFTER, COURTESIES];
        let more = [DECLINES, CLOSINGS, REQUESTS, REFUSALS, INSTRUCTIONS, MAIL_OBJECTS];
        for word in tables.iter().chain(&more).flat_map(|table| table.iter()) {
            assert_eq!(normal(word), *word);
        }
        for word in DOUBTS.iter().chain(DENIALS) {
            assert_eq!(normal(word), word.trim());
        }
    }

    #[test]
    fn thanks_and_a_name_alone_are_courteous() {
        assert!(is_courteous("Hi,\n\nThanks\nAnn"));
        assert!(is_courteous("please"));
        assert!(!is_courteous("Hi,\nwhere is my parcel?\nThanks"));
    }
}
