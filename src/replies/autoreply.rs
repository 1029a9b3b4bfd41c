//! Is it a machine that answers for a person? By RFC 3834 and the header fields and subjects that
//! vacation programs are known to use (`words/automatic.toml`); never by `Precedence: list` or `X-Auto-Response-Suppress`,
//! which people's mail carries too.

use super::decode::{Head, Letter};
use super::normal::{bare, normal};
use super::requests::{begins, holds};
use super::utterance::is_greeting;
use super::words::Vocabulary;
use serde::Deserialize;
use std::borrow::Cow;
use std::collections::HashMap;

/// How much of a line is looked at, in characters.
const START_MAX: usize = 80;
/// How many lines are looked at, since a greeting may stand first.
const STARTS_MAX: usize = 3;
/// How far into the words of those who are away is looked, in characters.
const ABSENCE_MAX: usize = 400;
/// Longest number of a request before a subject, in bytes.
const NUMBER_MAX: usize = 40;
/// How far into a letter its sentences are looked at for one that says what it is, in characters.
const SAID_MAX: usize = 2000;

/// The signs of all programs, in lower case; the page says what each list is.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AutomaticWords {
    present: Vec<String>,
    valued: Vec<(String, String)>,
    named: Vec<String>,
    silences: Vec<String>,
    programs: Vec<String>,
    subjects: Vec<String>,
    titles: Vec<String>,
    challenges: Vec<String>,
    subject_ends: Vec<String>,
    absences: Vec<String>,
    words: Vec<String>,
    sayings: Vec<String>,
    acknowledgements: Vec<String>,
    receipts: Vec<String>,
    received: Vec<String>,
    /// The sayings by their first character, since each sentence is held against them.
    #[serde(skip)]
    sayings_by_start: HashMap<char, Vec<String>>,
}

impl AutomaticWords {
    /// Reads the file of the binary.
    pub(super) fn read() -> Result<Self, String> {
        let read = toml::from_str(include_str!("words/automatic.toml"));
        let mut words: Self = read.map_err(|fault| fault.to_string())?;
        for saying in std::mem::take(&mut words.sayings) {
            if let Some(first) = saying.chars().next() {
                words.sayings_by_start.entry(first).or_default().push(saying);
            }
        }
        Ok(words)
    }

    /// Whether a sentence says that a program wrote it.
    fn is_said(&self, sentence: &str) -> bool {
        let first = sentence.chars().next();
        let sayings = first.and_then(|first| self.sayings_by_start.get(&first));
        sayings.is_some_and(|sayings| begins(sentence, sayings))
    }
}

/// Whether a header is an automatic reply's.
pub(super) fn is_automatic(head: &Head, known: &Vocabulary) -> bool {
    let words = known.automatic();
    let submitted = head.raw("auto-submitted").is_some_and(|value| {
        let word = value.split([';', ' ', '(']).next().unwrap_or_default();
        !word.is_empty() && !word.eq_ignore_ascii_case("no")
    });
    if submitted || words.present.iter().any(|name| head.raw(name).is_some()) {
        return true;
    }
    let valued = |(name, start): &(String, String)| {
        head.all(name).any(|value| value.trim().to_lowercase().starts_with(start.as_str()))
    };
    if words.valued.iter().any(valued) {
        return true;
    }
    let named = |(name, value): (&str, Cow<'_, str>)| {
        let said = value.trim().to_ascii_lowercase();
        holds(name, &words.named)
            && !words.silences.iter().any(|silence| silence == name)
            && !["", "no", "false", "0", "none"].contains(&said.as_str())
    };
    let programs = ["x-mailer", "user-agent"].iter().filter_map(|name| head.raw(name));
    if head.fields().any(named)
        || programs.map(|name| name.to_ascii_lowercase()).any(|name| holds(&name, &words.programs))
    {
        return true;
    }
    // Either alone is on people's mail too; a rule of Exchange that answers writes both.
    let suppressed = head.all("x-auto-response-suppress").any(|v| v.eq_ignore_ascii_case("all"));
    if suppressed && head.raw("x-ms-exchange-inbox-rules-loop").is_some() {
        return true;
    }
    let delivered = head.all("delivered-to").any(|to| to.eq_ignore_ascii_case("autoresponder"));
    delivered || head.text("subject").is_some_and(|subject| is_automatic_subject(&subject, known))
}

/// Whether words, quotes and signatures taken off, are a program's by their own account, below greetings at most.
pub(super) fn says_so(written: &str, known: &Vocabulary) -> bool {
    let words = known.automatic();
    for line in written.lines().map(str::trim).filter(|line| !line.is_empty()).take(STARTS_MAX) {
        let start: String = line.chars().take(START_MAX).collect();
        let start = start.to_lowercase();
        let named = words.subject_ends.iter().any(|end| end == bare(&start));
        if named || begins(&start, &words.words) || words.is_said(&start) {
            return true;
        }
        if !is_greeting(known, &normal(&start)) {
            return false;
        }
    }
    false
}

/// Whether words say further down that a program wrote them, or are what one writes that numbers requests. Who asks
/// something may quote it.
pub(super) fn says_so_within(written: &str, words: &AutomaticWords) -> bool {
    let lower = written.chars().take(SAID_MAX).collect::<String>().to_lowercase();
    if lower.contains(['?', '？']) {
        return false;
    }
    let start = lower.char_indices().nth(ABSENCE_MAX).map_or(lower.len(), |(at, _)| at);
    let said = |sentence: &str| {
        let sentence = sentence.trim_start_matches(|c: char| !c.is_alphanumeric());
        // "Note: this is an automated message" is the program's; what a longer introduction leads to may be quoted.
        let noted = sentence.split_once([':', '：']).filter(|(note, _)| !note.contains(' '));
        let noted = noted.map_or("", |(_, rest)| rest.trim_start());
        words.is_said(sentence) || words.is_said(noted)
    };
    holds(&lower[..start], &words.acknowledgements)
        || lower.split(['\n', '.', '。', '!', '！', ';', '(', '（', '[', '【']).any(said)
}

/// Whether a message is a read receipt in words: by its subject and its first line.
pub(super) fn is_receipt_in_words(head: &Head, written: &str, words: &AutomaticWords) -> bool {
    let subject = head.text("subject").unwrap_or_default().trim().to_lowercase();
    let first: String =
        written.lines().next().unwrap_or_default().chars().take(START_MAX).collect();
    let first = first.trim().to_lowercase();
    let is_first = |start: &String| {
        bare(&first) == start || start.ends_with(':') && first.starts_with(start.as_str())
    };
    begins(&subject, &words.receipts) && words.received.iter().any(is_first)
}

/// Whether a message that nobody is to answer says that its writer is away.
pub(super) fn is_away(head: &Head, written: &str, words: &AutomaticWords) -> bool {
    let nobody = head.raw("return-path").is_some_and(|path| path.trim() == "<>");
    let subject = head.text("subject").unwrap_or_default();
    let start: String = written.chars().take(ABSENCE_MAX).collect();
    nobody
        && (holds(&subject.to_lowercase(), &words.absences)
            || holds(&start.to_lowercase(), &words.absences))
}

/// Whether a message is a read receipt (RFC 8098) or another report (RFC 6522): its words are the program's.
pub(super) fn is_receipt(letter: &Letter) -> bool {
    letter.report.is_some()
        || letter.parts.iter().any(|part| part.kind == "message/disposition-notification")
}

/// Whether a subject is that of an automatic reply.
pub(super) fn is_automatic_subject(subject: &str, known: &Vocabulary) -> bool {
    let words = known.automatic();
    let subject = lower(subject);
    // Some put it in brackets at the end, or behind a dash.
    let bracketed = subject.strip_suffix([')', '）', ']', '】']).unwrap_or_default();
    let dashed = subject.rsplit_once(" - ").map_or("", |(_, end)| end);
    // What answers repeats a subject, which may have spoken of such replies itself.
    let answers = undecorated(&subject).split_once(':').is_some_and(|(prefix, _)| {
        known.marks().replied.contains(prefix) || known.marks().forwarded.contains(prefix)
    });
    begins_automatic(&subject, known)
        || words.subject_ends.iter().any(|end| bracketed.ends_with(end.as_str()) || dashed == end)
        || !answers && holds(&subject, &words.titles)
}

/// Whether a subject begins as those of automatic replies do; what else it says may be another's subject.
pub(super) fn begins_automatic(subject: &str, known: &Vocabulary) -> bool {
    let words = known.automatic();
    let subject = lower(subject);
    // Systems that number requests set the number first.
    let tagged = subject.split_once([']', ')']).filter(|(tag, _)| {
        tag.starts_with(['[', '('])
            && tag.len() <= NUMBER_MAX
            && tag.contains(|c: char| c.is_ascii_digit())
    });
    let numbered = tagged.map_or("", |(_, rest)| rest.trim_start_matches([' ', ':', '-']));
    [subject.as_str(), undecorated(&subject), numbered]
        .iter()
        .any(|text| begins(text, &words.subjects) || begins(text, &words.challenges))
}

fn lower(subject: &str) -> String {
    subject.trim().to_lowercase().replace('’', "'")
}

/// A subject without what decorates its start.
fn undecorated(subject: &str) -> &str {
    subject.trim_start_matches(['*', '#', '-', '~', '"', '<', '(', '[', '\u{feff}', ' '])
}

#[cfg(test)]
mod tests {
    use super::super::words::tests::plain;
    use super::*;

    fn automatic(header: &str) -> bool {
        is_automatic(&Head::read(header.as_bytes()), plain())
    }

    #[test]
    fn vacation_programs_are_known_by_their_fields_and_subjects() {
        for header in [
            "Auto-Submitted: auto-replied (vacation)\r\n",
            "Precedence: auto_reply\r\n",
            "X-Autoreply: yes\r\nPrecedence: bulk\r\n",
            "Subject: =?utf-8?B?6Ieq5Yqo5Zue5aSN77yaUmU=?=\r\n",
            "Subject: Out of Office: back on Monday\r\n",
            "Subject: Message d’absence\r\n",
            "Subject: On leave: News\r\n",
            "Subject: Re: News (Automatische Antwort)\r\n",
            "Subject: [자동회신] 알림\r\n",
            "Subject: Автоматический ответ: новости\r\n",
            "Subject: 您的邮件已收到（自动回复）\r\n",
            "X-Auto-Response-Suppress: All\r\nX-MS-Exchange-Inbox-Rules-Loop: a@b.example\r\n",
        ] {
            assert!(automatic(header), "{header}");
        }
    }

    #[test]
    fn a_persons_mail_through_a_list_is_no_automatic_reply() {
        for header in [
            "Precedence: list\r\n",
            "Precedence: bulk\r\n",
            "Auto-Submitted: no\r\n",
            "X-Auto-Response-Suppress: All\r\n",
            "X-MS-Exchange-Inbox-Rules-Loop: a@b.example\r\n",
            "Subject: 请关闭自动回复\r\n",
            "Subject: Re: auto parts\r\n",
        ] {
            assert!(!automatic(header), "{header}");
        }
    }

    #[test]
    fn words_that_call_themselves_automatic_are_no_persons() {
        assert!(says_so("\nThis is an automated response: we got your mail.\n\nT", plain()));
        assert!(says_so("这是自动回复，您的邮件已收到。", plain()));
        assert!(!says_so("Is this an automated response? T", plain()));
        assert!(!says_so("T\n\nThis is an automated response", plain()));
    }

    #[test]
    fn a_program_may_say_so_at_the_end_and_who_asks_may_quote_it() {
        let within = |written: &str| says_so_within(written, plain().automatic());
        assert!(within("We have got your letter. This message was automatically generated."));
        assert!(within("您的来信我们会处理。\n（本邮件由系统自动发送，请勿回复）"));
        assert!(within("Vielen Dank.\n\nHinweis: Diese E-Mail wurde automatisch erstellt."));
        assert!(!within("All I got was: this message was automatically generated."));
        assert!(!within("Who reads this?\n\nThis message was automatically generated."));
        assert!(within("We thank you. A ticket has been created for your letter."));
    }

    #[test]
    fn a_read_receipt_in_words_has_its_subject_and_its_first_line() {
        let receipt = |subject: &str, written: &str| {
            let header = format!("Subject: {subject}\r\n");
            is_receipt_in_words(&Head::read(header.as_bytes()), written, plain().automatic())
        };
        assert!(receipt("Read: News", "Your message\n\nwas read on Monday."));
        assert!(receipt("已读: 新闻", "您的邮件\n\n已于今天阅读。"));
        assert!(!receipt("Read: News", "Your message made me laugh."));
        assert!(!receipt("Re: News", "Your message"));
    }

    #[test]
    fn a_read_receipt_is_automatic_whatever_it_says() {
        let limits = crate::config::Replies::default();
        let receipt = |kind: &str| {
            let message = format!(
                "Content-Type: {kind}; boundary=b\r\n\r\n--b\r\n\r\nR\r\n--b\r\n\
                 Content-Type: message/disposition-notification\r\n\r\nDisposition: x\r\n--b--"
            );
            Letter::read(message.as_bytes(), &limits).is_some_and(|letter| is_receipt(&letter))
        };
        assert!(receipt("multipart/report; report-type=\"disposition-notification\""));
        assert!(receipt("multipart/mixed"));
        let letter = Letter::read(b"Subject: Re: x\r\n\r\nR", &limits).expect("a letter");
        assert!(!is_receipt(&letter));
    }
}
