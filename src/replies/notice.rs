//! A bounce in words: who sends it, what its subject and its text say, and which addresses it names. No
//! sign alone makes a bounce; a person may write any one of them.

use super::bounce::{Bounced, RECIPIENTS_MAX, code, one_line};
use super::decode::{Head, Letter, Part};
use super::delivery_status;
use super::html;
use super::notice_words::{NoticeWords, TELLING_MAX};
use super::requests::{begins, holds};

/// Most of a notice that is read, in bytes.
const TEXT_MAX: usize = 32 << 10;
/// Most lines of a notice that are read.
const LINES_MAX: usize = 400;
/// Most of a line behind an address that says why, in bytes.
const BEHIND_MAX: usize = 1000;
/// Most lines below an address that say why.
const REASON_LINES: usize = 6;
/// How many lines below one that speaks of the original an address may follow.
const LED_MAX: usize = 2;
/// Longest line that is one word with the name of a mailbox, in bytes.
const NAME_MAX: usize = 64;

/// A message that may be a bounce without a delivery status.
pub(super) struct Notice<'a> {
    words: &'a NoticeWords,
    from: String,
    subject: String,
    /// The server's words, up to where it returns the original.
    text: String,
    /// Who the server itself is and whom it writes to.
    own: Vec<String>,
    /// `X-Failed-Recipients`.
    named: Vec<String>,
    /// A delivery status that stands in the words.
    reported: Vec<Bounced>,
    nobody: bool,
    original: bool,
    /// Whether the message comes back as a part.
    returns: bool,
    /// Whom the returned message was for, where it comes as a part.
    returned: Vec<String>,
    /// The same, where it comes in the words.
    below: Vec<String>,
}

impl<'a> Notice<'a> {
    pub(super) fn of(letter: &Letter, words: &'a NoticeWords) -> Self {
        let head = &letter.head;
        let mut whole = told(letter);
        whole.truncate(whole.floor_char_boundary(TEXT_MAX));
        let text = before_original(&whole, words);
        // A server that begins with the original's fields names the recipient by a label further down.
        let text = if addresses(text).is_empty() { labelled(words, &whole, text) } else { text };
        let lower = |name| head.text(name).unwrap_or_default().trim().to_lowercase();
        let named = head.all("x-failed-recipients").flat_map(|value| {
            let addresses = value.split([',', ' ']).map(|word| word.trim_matches(['<', '>']));
            addresses.filter(|word| word.contains('@')).map(str::to_owned).collect::<Vec<_>>()
        });
        let own = ["to", "from", "return-path", "delivered-to"].iter().flat_map(|name| {
            let fields = head.all(name);
            fields.flat_map(|value| addresses(&value)).collect::<Vec<_>>()
        });
        let status = whole.to_lowercase().contains("final-recipient:");
        let status = status.then(|| delivery_status::read(whole.as_bytes()).bounced);
        let is_tail = |text: &str| text.len() < whole.len();
        let returns = letter.parts.iter().any(is_returned);
        let below = if is_tail(text) { below(&whole[text.len()..]) } else { Vec::new() };
        Self {
            words,
            from: lower("from"),
            subject: lower("subject"),
            own: own.take(RECIPIENTS_MAX).collect(),
            named: named.take(RECIPIENTS_MAX).collect(),
            reported: status.unwrap_or_default(),
            nobody: is_from_nobody(head),
            returns,
            original: is_tail(text) || returns,
            returned: returned(letter),
            below,
            text: text.to_owned(),
        }
    }

    /// Whether the signs together are a bounce's.
    pub(super) fn is_bounce(&self) -> bool {
        if !self.named.is_empty() {
            return true;
        }
        let subject = self.is_titled();
        let start = self.start();
        let told = holds(&start, &self.words.telling);
        let certain = if self.is_machine() {
            subject || told || holds(&start, &self.words.told_by_machines)
        } else if self.nobody {
            // A vacation program sends from nobody too: there the subject must tell, or what comes back.
            subject || told && self.names_whom_it_returns()
        } else if self.is_a_programs() {
            subject && told && (self.original || self.names_one())
        } else {
            // A person writes of what was not delivered too, and quotes it, but neither sends it back nor
            // says nothing else.
            subject && told && (self.returns || self.says_nothing_else())
        };
        certain && (self.names_one() || subject && (told || self.original))
    }

    /// Whether a header may be a bounce's at all: then only are its words read.
    pub(super) fn may_be(letter: &Letter, words: &NoticeWords) -> bool {
        let head = &letter.head;
        let lower = |name| head.text(name).unwrap_or_default().trim().to_lowercase();
        head.raw("x-failed-recipients").is_some()
            || holds(&lower("from"), &words.machines)
            || is_titled(&lower("subject"), words)
            || is_from_nobody(head) && letter.parts.iter().any(is_returned)
    }

    /// Whether a machine that only ever speaks of delivery sent it.
    pub(super) fn is_machine(&self) -> bool {
        holds(&self.from, &self.words.machines)
    }

    /// Whether its header speaks of a server in any way.
    pub(super) fn is_a_servers(&self) -> bool {
        self.is_machine() || self.nobody || self.is_titled() || self.is_a_programs()
    }

    /// Whether a program sent it that speaks of other things too.
    fn is_a_programs(&self) -> bool {
        holds(&self.from, &self.words.programs)
    }

    /// Whether its subject says that something was not delivered.
    pub(super) fn is_titled(&self) -> bool {
        is_titled(&self.subject, self.words)
    }

    fn in_words(&self) -> Vec<String> {
        let is_machine = self.is_machine() || self.nobody;
        let own = if is_machine { Own::Last(&self.own) } else { Own::Never(&self.own) };
        in_words(self.words, &self.text, own, &self.from)
    }

    /// The server's own words where they begin, in lower case: up to what a person would quote.
    fn start(&self) -> String {
        let lower = self.text.chars().take(TELLING_MAX).collect::<String>().to_lowercase();
        let own = |line: &&str| !line.starts_with('>') && !line.starts_with("from:");
        // A phrase may be wrapped.
        lower.lines().map(str::trim).take_while(own).collect::<Vec<_>>().join(" ")
    }

    fn names_one(&self) -> bool {
        !self.reported.is_empty() || !self.in_words().is_empty()
    }

    /// Whether its words are what tells of the failure and addresses that stand alone, and nothing more.
    fn says_nothing_else(&self) -> bool {
        let is_bare = |line: &str| {
            let named = addresses(line);
            let rest = named.iter().fold(line.to_owned(), |rest, one| rest.replace(one, ""));
            !named.is_empty() && !rest.contains(char::is_alphanumeric)
        };
        let is_known = |line: &str| {
            let ruled = line.starts_with(['-', '=', '*', '_', '#']);
            ruled || is_bare(line) || holds(&line.to_lowercase(), &self.words.telling)
        };
        let lines = self.text.lines().take(LINES_MAX).map(str::trim);
        let mut lines = lines.filter(|line| !line.is_empty());
        lines.clone().any(is_bare) && lines.all(is_known)
    }

    /// Whether its words name somebody whom the message that it returns was for.
    fn names_whom_it_returns(&self) -> bool {
        let named = self.in_words();
        named.iter().any(|one| self.returned.iter().any(|whom| whom.eq_ignore_ascii_case(one)))
    }

    /// The one whom the returned message was for, where it was for one and not for who gets this notice.
    pub(super) fn meant_only(&self) -> Vec<Bounced> {
        let meant = if self.returned.is_empty() { &self.below } else { &self.returned };
        match meant.as_slice() {
            [one] if !self.own.iter().any(|own| own.eq_ignore_ascii_case(one)) => {
                vec![self.bounced(one.clone(), self.is_permanent())]
            }
            _ => Vec::new(),
        }
    }

    /// Gives the reason of a delivery status that has none, where the words say it.
    pub(super) fn explain(&self, bounced: &mut Bounced) {
        bounced.reason = self.said(&bounced.address).unwrap_or_default();
        bounced.status = delivery_status::closer(bounced.status.take(), &bounced.reason);
    }

    /// Whom it names, with what it says of each.
    pub(super) fn recipients(&self) -> Vec<Bounced> {
        if !self.reported.is_empty() {
            return self.reported.clone();
        }
        let permanent = self.is_permanent();
        let addresses = match self.named.as_slice() {
            [] => self.in_words(),
            named => named.to_vec(),
        };
        let addresses = addresses.into_iter().take(RECIPIENTS_MAX);
        addresses.map(|address| self.bounced(address, permanent)).collect()
    }

    fn bounced(&self, address: String, permanent: bool) -> Bounced {
        let reason = self.said(&address).unwrap_or_else(|| one_line(&self.subject));
        let status = code(&reason).or_else(|| code(&self.text));
        Bounced { address, status, permanent, reason }
    }

    /// Given up, rather than late.
    fn is_permanent(&self) -> bool {
        let lower = self.text.to_lowercase();
        let own = lower.lines().map(str::trim).filter(|line| !begins(line, &self.words.others));
        let lower = own.flat_map(str::split_whitespace).collect::<Vec<_>>().join(" ");
        // The subject may quote the original's after what has failed.
        let failed = begins(&self.subject, &self.words.subjects) && self.subject.contains(':');
        let late = holds(&lower, &self.words.delays)
            || !failed && holds(&self.subject, &self.words.delays);
        holds(&lower, &self.words.given_up) || !late
    }

    /// What is said of one address, where it first says anything: behind it on its line, or else below.
    fn said(&self, address: &str) -> Option<String> {
        let lines: Vec<&str> = self.text.lines().take(LINES_MAX).collect();
        (0..lines.len()).find_map(|at| said_at(&lines[at..], address))
    }
}

/// What the first of these lines and those below say of an address that stands in it.
fn said_at(lines: &[&str], address: &str) -> Option<String> {
    let (first, below) = lines.split_first()?;
    let (_, behind) = first.split_once(address)?;
    let behind = &behind[..behind.floor_char_boundary(BEHIND_MAX)];
    let behind = behind.trim_start_matches(|c: char| !c.is_alphanumeric() && c != '(');
    let below = below.iter().map(|line| line.trim()).skip_while(|line| line.is_empty());
    let below = below.take(REASON_LINES).take_while(|line| !line.is_empty());
    let below = below.take_while(|line| !line.contains('@') || line.contains(address));
    let said = one_line(&format!("{behind} {}", below.collect::<Vec<_>>().join(" ")));
    Some(said).filter(|said| said.contains(char::is_alphanumeric))
}

fn is_from_nobody(head: &Head) -> bool {
    head.raw("return-path").is_some_and(|path| {
        path.trim() == "<>" || path.to_ascii_lowercase().contains("mailer-daemon")
    })
}

/// Whether a part is the message that comes back, or its header.
fn is_returned(part: &Part) -> bool {
    part.kind.contains("rfc822")
}

/// Whom the message was for that comes back as a part. What a list sent on was for its members, whom it does not
/// name.
fn returned(letter: &Letter) -> Vec<String> {
    let Some(part) = letter.parts.iter().find(|part| is_returned(part)) else {
        return Vec::new();
    };
    let head = Head::read(&part.bytes());
    if ["list-id", "list-post", "x-beenthere"].iter().any(|name| head.raw(name).is_some()) {
        return Vec::new();
    }
    let fields = ["to", "cc"].iter().flat_map(|name| head.all(name));
    fields.flat_map(|value| addresses(&value)).take(RECIPIENTS_MAX).collect()
}

/// Whom the message was for that comes back in the words.
fn below(original: &str) -> Vec<String> {
    let is_to = |line: &&str| line.get(..3).is_some_and(|name| name.eq_ignore_ascii_case("to:"));
    let to = original.lines().take(LINES_MAX).map(str::trim).find(is_to);
    to.map(addresses).unwrap_or_default()
}

/// Whether a subject in lower case says that something was not delivered.
fn is_titled(subject: &str, words: &NoticeWords) -> bool {
    let subject = subject.replace('：', ":");
    let Some(start) = words.answered.iter().find(|start| subject.starts_with(start.as_str()))
    else {
        return begins(&subject, &words.subjects)
            || holds(&subject, &words.telling)
            || subject.starts_with("warning: ") && subject.contains("message");
    };
    // An answer to a bounce is a person's; a server that writes "Re:" says the news at the end.
    let last = subject[start.len()..].trim().rsplit_once(':');
    last.is_some_and(|(_, last)| begins(last.trim(), &words.subjects))
}

/// What the server says in words: its plain text, or its HTML where there is none.
fn told(letter: &Letter) -> String {
    let plain = letter.part("text/plain").map(Part::text).unwrap_or_default();
    if !plain.trim().is_empty() {
        return plain;
    }
    let page = letter.part("text/html").map(Part::text).unwrap_or_default();
    html::lines(&page)
}

/// The notice up to where the original begins. A line that only speaks of the original, above the addresses
/// themselves, ends nothing.
fn before_original<'a>(notice: &'a str, words: &NoticeWords) -> &'a str {
    let mut end = 0;
    let mut said = false;
    let mut lines = notice.split_inclusive('\n').take(LINES_MAX);
    while let Some(line) = lines.next() {
        let lower = line.to_lowercase();
        let begun = lower.trim_start_matches(|c: char| !c.is_alphanumeric());
        let returns = || {
            let below = lines.clone().map(str::trim).filter(|line| !line.is_empty());
            let mut first = below.take(LED_MAX).filter_map(|line| line.split_whitespace().next());
            let ruled = line.trim_start().starts_with(['-', '=', '*', '_']);
            holds(&lower, &words.returns)
                && (ruled || !first.any(|word| !addresses(word).is_empty()))
        };
        if said && (begins(begun, &words.originals) || returns()) {
            break;
        }
        said |= !lower.trim().is_empty();
        end += line.len();
    }
    &notice[..end]
}

/// The whole notice where a label in it names who failed; else what was read of it.
fn labelled<'a>(words: &NoticeWords, whole: &'a str, text: &'a str) -> &'a str {
    let mut lines = whole.lines().take(LINES_MAX);
    let names = lines.any(|line| {
        let lower = line.trim().to_lowercase();
        let known = label(&lower).is_some_and(|label| words.recipients.contains(label));
        known && !begins(&lower, &words.others) && !addresses(line).is_empty()
    });
    if names { whole } else { text }
}

/// The addresses of who sends a notice and of who gets it.
#[derive(Clone, Copy)]
enum Own<'a> {
    /// Nobody's news.
    Never(&'a [String]),
    /// Named where a line begins with one and nobody else is: who writes to oneself is told like anybody.
    Last(&'a [String]),
}

/// Addresses in a notice: those that begin a line or follow a label; or else those in a line that says
/// what happened; or else all. The sender's are nobody's news.
fn in_words(words: &NoticeWords, notice: &str, own: Own<'_>, from: &str) -> Vec<String> {
    let bare = names(words, notice, from);
    let (Own::Never(owned) | Own::Last(owned)) = own;
    let mut ranks: [Vec<String>; 4] = Default::default();
    let mut labelled = false;
    for line in notice.lines().take(LINES_MAX).map(str::trim) {
        let lower = line.to_lowercase();
        let begin = line.trim_start_matches(|c: char| !c.is_alphanumeric());
        let label = label(&lower);
        let follows = labelled || label.is_some_and(|label| words.recipients.contains(label));
        labelled = follows && line.ends_with([':', '：']);
        let is_helper = lower.contains("postmaster") && !is_alone(line);
        if begins(&lower, &words.others) && !follows || is_helper {
            continue;
        }
        let expanded = ["(expanded from", "(generated from"].iter().any(|s| lower.starts_with(s));
        let told = holds(&lower, &words.cues);
        for (place, address) in addresses(line).into_iter().enumerate() {
            if is_sender(words, line, &address) {
                continue;
            }
            let leads = expanded
                || follows
                || place == 0 && (starts(begin, &address) || is_replied(begin, &address));
            let rank = if !owned.iter().any(|own| own.eq_ignore_ascii_case(&address)) {
                if leads { 0 } else { usize::from(!told) + 1 }
            } else if matches!(own, Own::Last(_)) && place == 0 && starts(begin, &address) {
                3
            } else {
                continue;
            };
            note(&mut ranks[rank], address);
        }
    }
    let found = ranks.into_iter().find(|rank| !rank.is_empty()).unwrap_or_default();
    if bare.is_empty() { found } else { bare }
}

/// Whether a line names an address as that of who sent the original.
fn is_sender(words: &NoticeWords, line: &str, address: &str) -> bool {
    let before = line.split_once(address).map_or("", |(before, _)| before);
    let before = before.trim_end_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
    words.senders.iter().any(|sender| before.ends_with(sender.as_str()))
}

/// What stands before a line's first colon.
fn label(lower: &str) -> Option<&str> {
    let (label, _) = lower.split_once([':', '：'])?;
    Some(label.trim_matches(|c: char| !c.is_alphanumeric() && c != ')' && c != '('))
}

/// Whether a line begins with an address, be it typed.
fn starts(begin: &str, address: &str) -> bool {
    let typed = ["smtp=", "smtp:", "SMTP=", "SMTP:", "mailto:", "rfc822;"];
    let rest = typed.iter().find_map(|kind| begin.strip_prefix(kind)).unwrap_or(begin);
    rest.starts_with(address)
}

/// Whether a line is one address and nothing more.
fn is_alone(line: &str) -> bool {
    let bare = line.trim_matches(|c: char| !c.is_alphanumeric());
    address(bare).is_some_and(|address| address == bare)
}

/// Whether a line is sendmail's own word of an address: a reply code before it, three dots behind.
fn is_replied(begin: &str, address: &str) -> bool {
    let mut words = begin.split_whitespace();
    let code = words.next().is_some_and(|word| word.len() == 3 && word.parse::<u16>().is_ok());
    let dotted = words.take(2).find_map(|word| word.strip_suffix("..."));
    code && dotted.is_some_and(|word| word.trim_matches(['<', '>']) == address)
}

/// Mailboxes of the machine's own domain that stand without it.
fn names(words: &NoticeWords, notice: &str, from: &str) -> Vec<String> {
    let domain = from.rsplit_once('@').map(|(_, domain)| domain);
    let domain = domain.map(|domain| domain.trim_matches(|c: char| !c.is_alphanumeric()));
    let lines: Vec<&str> = notice.lines().take(LINES_MAX).collect();
    let following = lines.iter().position(|line| holds(&line.to_lowercase(), &words.following));
    let (Some(domain), Some(at)) = (domain, following) else {
        return Vec::new();
    };
    let Some(colon) = lines[at..].iter().take(3).position(|line| line.trim_end().ends_with(':'))
    else {
        return Vec::new();
    };
    let below = lines[at + colon + 1..].iter().skip_while(|line| line.trim().is_empty());
    let is_name = |line: &&&str| {
        let word = line.trim();
        line.starts_with([' ', '\t'])
            && (1..=NAME_MAX).contains(&word.len())
            && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
    };
    below.take_while(is_name).map(|name| format!("{}@{domain}", name.trim())).collect()
}

/// The addresses in a line.
fn addresses(line: &str) -> Vec<String> {
    if !line.contains('@') {
        return Vec::new();
    }
    let is_gap = |c: char| c.is_whitespace() || "<>()[]\"',;:：（）、，。“”「」|".contains(c);
    line.split(is_gap).filter_map(address).map(str::to_owned).collect()
}

/// The address that a word of a notice is.
fn address(piece: &str) -> Option<&str> {
    if piece.len() > 254 || !piece.contains('@') || piece.contains(['/', '?']) {
        return None;
    }
    let typed = piece.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("smtp="));
    let piece = if typed { &piece[5..] } else { piece };
    let piece = piece.trim_matches(['.', '*', '!']);
    let parsed = crate::mail::Address::parse(piece);
    parsed.is_ok_and(|address| address.domain().as_str().contains('.')).then_some(piece)
}

fn note(found: &mut Vec<String>, address: String) {
    if found.len() < RECIPIENTS_MAX && !found.iter().any(|one| one.eq_ignore_ascii_case(&address)) {
        found.push(address);
    }
}
