//! What a mail server means when it refuses, by its words and its codes: a rule for each known text, in
//! `refusals.toml`, and the meaning of the codes where no rule knows the text.

use super::delivery_terms::RefusalClass;
use super::status::Status;
use serde::Deserialize;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

/// The rules of the house.
const SHEET: &str = include_str!("refusals.toml");
/// Most rules that a file may have.
const RULES_MAX: usize = 2000;
/// Longest text of a rule, in bytes.
const PATTERN_MAX: usize = 200;
/// How much of an answer is looked at, in bytes: what follows repeats it.
const ANSWER_MAX: usize = 2000;
/// Most words between two pieces of a text that is about an address: an address with a long domain, not a
/// sentence about something else.
const APART_MAX: usize = 8;

static HOUSE: LazyLock<Arc<[Rule]>> = LazyLock::new(|| {
    let rules = read(SHEET).expect("the sheet's rules hold, as a test of them says");
    rules.into()
});

/// What a refusal means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refusal {
    /// What it is about.
    pub class: RefusalClass,
    /// Whether it says that the address is gone for good.
    pub dead_address: bool,
}

/// The rules by which refusals are read: the installation's own, then those of the house.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusalRules {
    own: Arc<[Rule]>,
    house: Arc<[Rule]>,
}

#[derive(Debug, PartialEq, Eq)]
struct Rule {
    class: RefusalClass,
    pattern: Pattern,
    code: Vec<String>,
    dead: bool,
    example: String,
}

/// A rule as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    class: RefusalClass,
    text: String,
    #[serde(default)]
    code: Vec<String>,
    dead: Option<bool>,
    example: String,
}

/// A file of rules.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sheet {
    #[serde(default)]
    rule: Vec<Written>,
}

impl Default for RefusalRules {
    fn default() -> Self {
        Self { own: Arc::from([]), house: HOUSE.clone() }
    }
}

impl RefusalRules {
    /// The rules of a file, to be asked before those of the house.
    ///
    /// # Errors
    /// What is wrong with them, in words.
    pub fn with(text: &str) -> Result<Self, String> {
        Ok(Self { own: read(text)?.into(), ..Self::default() })
    }

    /// What a refusal means: `code` is the reply's where it is known, `status` its enhanced code, `text`
    /// what was said. The first rule that knows the text decides.
    #[must_use]
    pub fn read(&self, code: Option<u16>, status: Option<Status>, text: &str) -> Refusal {
        let end = text.floor_char_boundary(ANSWER_MAX);
        let (words, status) = (plain(&text[..end]), status.filter(|status| status.class != 2));
        let is_final = match (code, status) {
            (Some(code), _) => code / 100 == 5,
            (None, Some(status)) => status.class == 5,
            (None, None) => false,
        };
        let rule = self
            .own
            .iter()
            .chain(self.house.iter())
            .find(|rule| rule.stands_at(code, status) && rule.is_in(&words));
        // A code that is about the sender, a domain, a full mailbox, a system, the way there or the content
        // outweighs words about the address, unless the rule is for that code.
        let is_elsewhere = status.is_some_and(|status| {
            matches!((status.subject, status.detail), (1, 2 | 7 | 8) | (2, 2 | 3) | (3 | 4 | 6, _))
        });
        let contradicts = |rule: &&Rule| {
            is_elsewhere && rule.class == RefusalClass::InvalidMailbox && !rule.names(status)
        };
        // Under 5.7 mail is refused for what somebody has decided, in whatever words.
        let is_decided = status.is_some_and(|status| status.subject == 7);
        let (class, is_dead) = match rule.filter(|rule| !contradicts(rule)) {
            Some(rule) => (rule.class, rule.dead && (!is_decided || rule.names(status))),
            None => (of_codes(code, status), status.is_some_and(Status::is_dead_address)),
        };
        Refusal { class, dead_address: is_final && is_dead }
    }
}

impl Rule {
    /// Whether it is for this enhanced code.
    fn names(&self, status: Option<Status>) -> bool {
        let enhanced = status.map(|status| format!("{status}.")).unwrap_or_default();
        let mut codes = self.code.iter().filter(|code| code.contains('.'));
        codes.any(|code| enhanced.starts_with(&format!("{code}.")))
    }

    fn is_in(&self, text: &str) -> bool {
        let is_near = self.class == RefusalClass::InvalidMailbox;
        self.pattern.is_in(text, if is_near { APART_MAX } else { usize::MAX })
    }

    fn stands_at(&self, code: Option<u16>, status: Option<Status>) -> bool {
        let digits = match (code, status) {
            (Some(code), _) => code.to_string(),
            (None, Some(status)) => status.class.to_string(),
            (None, None) => String::new(),
        };
        let of_reply = |code: &String| !code.contains('.') && digits.starts_with(code.as_str());
        self.code.is_empty() || self.names(status) || self.code.iter().any(of_reply)
    }
}

/// What a status alone says, of a refusal in our own words.
#[must_use]
pub fn of_status(status: Status) -> Option<RefusalClass> {
    (status.class != 2).then(|| of_codes(None, Some(status)))
}

/// What the codes alone say (RFC 3463 §3, RFC 5321 §4.2.3): of a text that nobody knows.
fn of_codes(code: Option<u16>, status: Option<Status>) -> RefusalClass {
    use RefusalClass::{Content, InvalidMailbox, MailboxFull, Policy, RateLimit, Technical};
    match status.map_or((0, 0), |status| (status.subject, status.detail)) {
        (1, 7 | 8) => Policy, // the sender's address
        (1, 5 | 9) => Technical,
        (1, _) | (2, 1) => InvalidMailbox,
        (2, 2) => MailboxFull,
        (2, 3) | (3, 4) => Policy, // a message larger than is taken
        (4, 5) if code.is_some_and(|code| code / 100 == 4) => RateLimit, // their congestion
        (5, 3) | (7, 28) => RateLimit,
        (6, _) => Content,
        (7, _) => Policy,
        (0, _) => match code {
            Some(422 | 552) => MailboxFull,
            Some(551 | 556) => InvalidMailbox,
            Some(530..=538 | 550 | 553 | 554) => Policy,
            _ => Technical,
        },
        _ => Technical,
    }
}

/// Words in a row, with `*` for anything between them.
#[derive(Debug, PartialEq, Eq)]
struct Pattern(Vec<String>);

impl Pattern {
    fn read(text: &str) -> Option<Self> {
        let pieces = text.split('*').map(plain).collect::<Vec<_>>();
        // Where a star touches a word the word goes on; where it stands apart the word ends.
        let (last, mut shaped) = (pieces.len().saturating_sub(1), Vec::new());
        for ((place, piece), raw) in pieces.iter().enumerate().zip(text.split('*')) {
            let mut piece = piece.as_str();
            if place > 0 && !raw.starts_with(|c: char| !c.is_alphanumeric()) {
                piece = piece.strip_prefix(' ').unwrap_or(piece);
            }
            if place < last && !raw.ends_with(|c: char| !c.is_alphanumeric()) {
                piece = piece.strip_suffix(' ').unwrap_or(piece);
            }
            if !piece.trim().is_empty() {
                shaped.push(piece.to_owned());
            }
        }
        (!shaped.is_empty()).then_some(Self(shaped))
    }

    /// Whether the pieces stand in the text in their order, each at most so many words after the last.
    /// The text is gone through once for each piece: the time grows with its length and no faster.
    fn is_in(&self, text: &str, apart_max: usize) -> bool {
        // Where the last piece ended; at first anywhere.
        let mut ends: Option<Vec<usize>> = None;
        for piece in &self.0 {
            let mut found = Vec::new();
            let mut before = ends.iter().flatten().copied().peekable();
            let mut last = None;
            for (at, _) in text.match_indices(piece.as_str()) {
                while let Some(end) = before.next_if(|end| *end <= at) {
                    last = Some(end);
                }
                let is_near = |end: usize| {
                    let between = text[end..at].split_ascii_whitespace();
                    apart_max == usize::MAX || between.take(apart_max + 1).count() <= apart_max
                };
                if ends.is_none() || last.is_some_and(is_near) {
                    // The blank that ends a word begins the next.
                    let blank = usize::from(piece.len() > 1 && piece.ends_with(' '));
                    found.push(at + piece.len() - blank);
                }
            }
            if found.is_empty() {
                return false;
            }
            ends = Some(found);
        }
        true
    }
}

/// A text as rules look at it: small letters and digits, one blank for all else, one before and after.
fn plain(text: &str) -> String {
    let mut plain = String::with_capacity(text.len() + 2);
    plain.push(' ');
    for c in text.chars() {
        if c.is_alphanumeric() {
            plain.extend(c.to_lowercase());
        } else if !plain.ends_with(' ') {
            plain.push(' ');
        }
    }
    if !plain.ends_with(' ') {
        plain.push(' ');
    }
    plain
}

fn read(text: &str) -> Result<Vec<Rule>, String> {
    let sheet: Sheet = toml::from_str(text).map_err(|fault| {
        let place = fault.span().map(|span| text[..span.start].lines().count().max(1));
        let place = place.map(|line| format!("line {line}: ")).unwrap_or_default();
        format!("{place}{}", fault.message())
    })?;
    if sheet.rule.len() > RULES_MAX {
        return Err(format!("{} rules: {RULES_MAX} are the most", sheet.rule.len()));
    }
    let (mut rules, mut faults) = (Vec::new(), Vec::new());
    for written in sheet.rule {
        match rule(written) {
            Ok(rule) => rules.push(rule),
            Err(fault) => faults.push(fault),
        }
    }
    if faults.is_empty() { Ok(rules) } else { Err(faults.join("; ")) }
}

fn rule(written: Written) -> Result<Rule, String> {
    let Written { class, text, code, dead, example } = written;
    let refuse = |why: &str| Err(format!("the rule with the text \"{text}\": {why}"));
    if text.len() > PATTERN_MAX {
        return refuse(&format!("{PATTERN_MAX} bytes are the most"));
    }
    let Some(pattern) = Pattern::read(&text) else {
        return refuse("it has no word: write words as they stand in the answer");
    };
    let is_code = |code: &String| {
        matches!(code.as_bytes().first(), Some(b'4' | b'5'))
            && code.split('.').all(|part| {
                (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
            })
    };
    if let Some(wrong) = code.iter().find(|code| !is_code(code)) {
        return refuse(&format!("`{wrong}` begins no code: write as in \"421\" or \"5.7\""));
    }
    if dead == Some(true) && class != RefusalClass::InvalidMailbox {
        return refuse("only an invalid_mailbox is dead: leave `dead` out");
    }
    let dead = dead.unwrap_or(class == RefusalClass::InvalidMailbox);
    let rule = Rule { class, pattern, code, dead, example };
    let (reply, status, words) = taken_apart(&rule.example);
    if !rule.stands_at(reply, status) || !rule.is_in(&plain(words)) {
        return refuse("its own example does not fit it");
    }
    Ok(rule)
}

/// An answer as a log has it: the reply's code, its enhanced code, and all of it.
fn taken_apart(answer: &str) -> (Option<u16>, Option<Status>, &str) {
    let mut words = answer.split_whitespace();
    let code = words.next().and_then(|word| word.parse::<u16>().ok());
    let status = code.and(words.next()).and_then(|word| word.parse::<Status>().ok());
    (code, status, answer)
}

/// The reply code that a text begins with or holds behind a word, as mail servers quote one another.
#[must_use]
pub fn quoted_code(text: &str) -> Option<u16> {
    let codes = text.split(|c: char| !c.is_ascii_alphanumeric()).take(40);
    codes
        .filter(|word| word.len() == 3)
        .filter_map(|word| word.parse::<u16>().ok())
        .find(|code| (400..600).contains(code))
}

/// How long a server says that one should wait: "try again in 5 minutes", "come back in 00:05:00".
#[must_use]
pub fn asked_wait(text: &str) -> Option<Duration> {
    let end = text.floor_char_boundary(ANSWER_MAX);
    let text = plain(&text[..end]);
    let words: Vec<&str> = text.split(' ').filter(|word| !word.is_empty()).collect();
    let number = |at: usize| words.get(at)?.parse::<u32>().ok();
    words.iter().enumerate().find_map(|(at, word)| {
        if !["in", "after", "for", "wait", "least", "another"].contains(word) {
            return None;
        }
        let first = number(at + 1)?;
        if let (Some(minutes), Some(seconds)) = (number(at + 2), number(at + 3)) {
            let whole = u64::from(first) * 3600 + u64::from(minutes) * 60 + u64::from(seconds);
            return Some(Duration::from_secs(whole));
        }
        let unit = match *words.get(at + 2)? {
            "s" | "sec" | "secs" | "second" | "seconds" => 1,
            "m" | "min" | "mins" | "minute" | "minutes" => 60,
            "h" | "hour" | "hours" => 3600,
            _ => return None,
        };
        Some(Duration::from_secs(u64::from(first) * unit))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answers in the form in which mail servers give them, each with what it means.
    const ANSWERS: &str = include_str!("refusal_answers.txt");

    fn meaning(rules: &RefusalRules, answer: &str) -> Refusal {
        let (code, status, words) = taken_apart(answer);
        rules.read(code, status, words)
    }

    #[test]
    fn every_rule_of_the_sheet_decides_about_its_own_example() {
        let (rules, sheet) =
            (RefusalRules::default(), read(SHEET).expect("the sheet's rules hold"));
        assert!(sheet.len() > 200, "{} rules", sheet.len());
        let mut wrong = Vec::new();
        for rule in &sheet {
            let is_final = rule.example.starts_with('5');
            let expected = Refusal { class: rule.class, dead_address: rule.dead && is_final };
            let found = meaning(&rules, &rule.example);
            if found != expected {
                wrong.push(format!("{}: {found:?}, not {expected:?}", rule.example));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn answers_of_the_worlds_mail_servers_mean_what_they_say() {
        let rules = RefusalRules::default();
        let (mut count, mut wrong) = (0, Vec::new());
        for line in ANSWERS.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let (expected, answer) = line.split_once(" | ").expect("class and answer");
            let found = meaning(&rules, answer.trim());
            let dead = if found.dead_address { " dead" } else { "" };
            let said = format!("{}{dead}", found.class.name());
            if said != expected.trim() {
                wrong.push(format!("{answer}: {said}, not {expected}"));
            }
            count += 1;
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        assert!(count >= 150, "only {count} answers");
    }

    #[test]
    fn a_text_is_words_in_a_row_and_a_star_is_anything() {
        let is_in = |pattern: &str, text: &str| {
            Pattern::read(pattern).expect("a pattern").is_in(&plain(text), APART_MAX)
        };
        assert!(is_in("user unknown", "550: User  unknown!"));
        assert!(is_in("user * unknown", "550 user unknown"));
        assert!(is_in("user * unknown", "550 user <ann@b.example> is unknown"));
        assert!(is_in("user * unknown", "user@host.example: the user is unknown"));
        assert!(!is_in(
            "user * unknown",
            "no user here takes any mail at all from somebody who is unknown"
        ));
        assert!(!is_in("user unknown", "superuser unknown"));
        assert!(!is_in("user unknown", "user unknownish"));
        assert!(is_in("block*", "it was BLOCKED"));
        assert!(!is_in("block*", "it was unblocked"));
        assert!(is_in("*block*", "it was unblocked"));
        assert!(is_in("*拒收*", "收件人拒收了"));
        assert!(is_in("p NoSuchUser", "https://support.google.com/mail/?p=NoSuchUser a1"));
        assert!(!is_in("rate", "a corporate moderator"));
        assert!(Pattern::read(" * ").is_none() && Pattern::read("--").is_none());
    }

    #[test]
    fn a_text_made_to_be_slow_is_not() {
        let pattern = Pattern::read("a* b* c* d* e").expect("a pattern");
        // Looked at from each word anew, it would take far more than the minute.
        let text = plain(&"a b c d ".repeat(200_000));
        let begun = std::time::Instant::now();
        assert!(!pattern.is_in(&text, APART_MAX) && !pattern.is_in(&text, usize::MAX));
        assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
    }

    #[test]
    fn own_rules_are_asked_first_and_what_is_wrong_with_them_is_named() {
        let own = "[[rule]]\nclass = \"greylisting\"\ntext = \"gone fishing\"\n\
                   example = \"450 gone fishing, user unknown\"\n";
        let rules = RefusalRules::with(own).expect("they hold");
        let found = meaning(&rules, "450 4.1.1 Gone fishing; user unknown");
        assert_eq!(found, Refusal { class: RefusalClass::Greylisting, dead_address: false });
        let found = meaning(&rules, "550 user unknown");
        assert_eq!(found, Refusal { class: RefusalClass::InvalidMailbox, dead_address: true });
        for (text, why) in [
            ("[[rule]]\nclass = \"odd\"\n", "line 2: unknown variant"),
            ("[[rule]]\nclass = \"policy\"\ntext = \"x\"\n", "missing field `example`"),
            (&own.replace("gone fishing\"\n", "*\"\n"), "it has no word"),
            (&own.replace("450", "451 away").replace("fishing,", "for"), "does not fit"),
            (&own.replace("class", "code = [\"9\"]\nclass"), "`9` begins no code"),
            (&own.replace("class", "dead = true\nclass"), "only an invalid_mailbox is dead"),
        ] {
            let said = RefusalRules::with(text).expect_err("refused");
            assert!(said.contains(why), "{said}");
        }
    }

    #[test]
    fn a_code_alone_says_as_much_as_it_can() {
        let rules = RefusalRules::default();
        for (code, status, class, dead) in [
            (550, Some((5, 1, 1)), RefusalClass::InvalidMailbox, true),
            (550, Some((5, 1, 10)), RefusalClass::InvalidMailbox, true),
            (550, Some((5, 1, 2)), RefusalClass::InvalidMailbox, false),
            (550, Some((5, 2, 1)), RefusalClass::InvalidMailbox, false),
            (450, Some((4, 1, 1)), RefusalClass::InvalidMailbox, false),
            (550, Some((5, 1, 8)), RefusalClass::Policy, false),
            (552, Some((5, 2, 2)), RefusalClass::MailboxFull, false),
            (550, Some((5, 7, 1)), RefusalClass::Policy, false),
            (421, Some((4, 7, 28)), RefusalClass::RateLimit, false),
            (451, Some((4, 4, 5)), RefusalClass::RateLimit, false),
            (554, Some((5, 6, 0)), RefusalClass::Content, false),
            (451, Some((4, 3, 0)), RefusalClass::Technical, false),
            (550, None, RefusalClass::Policy, false),
            (552, None, RefusalClass::MailboxFull, false),
            (421, None, RefusalClass::Technical, false),
            (500, None, RefusalClass::Technical, false),
        ] {
            let status = status.map(|(class, subject, detail)| Status::new(class, subject, detail));
            let found = rules.read(Some(code), status, "no");
            assert_eq!(found, Refusal { class, dead_address: dead }, "{code} {status:?}");
        }
    }

    #[test]
    fn a_wait_that_a_server_asks_for_is_read() {
        for (text, seconds) in [
            ("451 4.7.1 Greylisted, please try again in 5 minutes", Some(300)),
            ("450 Greylisted, retry after 300 seconds.", Some(300)),
            ("450 please come back in 00:04:30", Some(270)),
            ("450 wait at least 1 hour", Some(3600)),
            ("450 try again later", None),
            ("450 seen in 2026", None),
            ("450 in 99999999999999999999 minutes", None),
        ] {
            assert_eq!(asked_wait(text), seconds.map(Duration::from_secs), "{text}");
        }
        assert_eq!(quoted_code("smtp; 550 5.1.1 no"), Some(550));
        assert_eq!(quoted_code("mx1 said: 452-4.2.2 full"), Some(452));
        assert_eq!(quoted_code("port 25 of 192.0.2.1"), None);
    }
}
