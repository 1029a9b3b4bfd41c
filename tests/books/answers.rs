//! Every answer that Relent gives over SMTP stands in the book, with its code, and the book names no other.
//!
//! The answers are read from the source: each call that makes one, with its code, its status and its text. A
//! call that this reader does not understand fails the test unless it is named below with what it says.

use super::read;
use crate::support::sources;
use std::collections::BTreeSet;

const PAGE: &str = "docs/src/smtp-answers.md";

/// The folders and files whose code answers peers.
const PLACES: [&str; 7] = [
    "src/smtp",
    "src/intake",
    "src/replies",
    "src/mail/verdict.rs",
    "src/spool/mod.rs",
    "src/store/mod.rs",
    "src/policy/desk.rs",
];

/// What makes an answer.
const MAKERS: [&str; 9] = [
    "say(",
    "refuse(",
    "refused(",
    "malformed(",
    "said(",
    "closing(",
    "Answer::new(",
    "Reply::new(",
    "Reply::plain(",
];

/// A file's end, a call as it stands, and the codes and texts that it says.
type Elsewhere = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

/// Calls whose code or text stands elsewhere: the file's end, the call as it stands, and what it says. An
/// answer without a text here is no answer by itself: it makes those of others, or is read and not said.
const ELSEWHERE: &[Elsewhere] = &[
    ("smtp/session.rs", "Reply::new(code, Status::new(status.0, status.1, status.2), text)", &[]),
    ("mail/verdict.rs", "Reply::new(code, status, text.clone())", &[]),
    (
        "intake/submission.rs",
        "Answer::new(code, Status::new(status.0, status.1, status.2), text)",
        &[],
    ),
    (
        "intake/admission.rs",
        "Answer::new(code, Status::new(status.0, status.1, status.2), text)",
        &[],
    ),
    ("intake/admission.rs", "refused(550, (5, 6, 0), text)", &[]),
    (
        "intake/allowance.rs",
        "Answer::new(code, Status::new(status.0, status.1, status.2), text)",
        &[],
    ),
    ("intake/driver.rs", "Reply::new(421, Status::new(4, 3, 2), text)", &[]),
    (
        "replies/destination.rs",
        "Answer::new(550, Status::new(status.0, status.1, status.2), text)",
        &[],
    ),
    // A client's dialog, and an answer that it has heard.
    ("smtp/client.rs", "Reply::plain(code, whole.lines)", &[]),
    (
        "smtp/session.rs",
        "say(501, (5, 1, detail), &fault.to_string())",
        &[
            ("501 5.1.3", "an address needs a local part, an @ and a domain"),
            ("501 5.1.3", "the local part holds a character that is not allowed there"),
            ("501 5.1.2", "the domain is not a valid domain name"),
            (
                "501 5.1.3",
                "the address is too long: 64 octets for the local part, 255 for the domain, 254 in all",
            ),
        ],
    ),
    (
        "smtp/session.rs",
        "say(500, (5, 5, detail), \"the line is too long\")",
        &[("500 5.5.2", "the line is too long"), ("500 5.5.6", "the line is too long")],
    ),
    ("smtp/session.rs", "Reply::plain(250, lines)", &[("250", "… greets …")]),
    ("smtp/session.rs", "Reply::plain(250, [self.offer.hostname.clone()])", &[("250", "…")]),
    ("smtp/session.rs", "Reply::plain(334, [prompt])", &[("334", "…")]),
    ("smtp/session.rs", "Reply::plain(334, [challenge])", &[("334", "…")]),
    ("smtp/session.rs", "Reply::plain(334, [proof])", &[("334", "…")]),
    ("smtp/session.rs", "Reply::plain(334, [BASE64.encode(said.as_bytes())])", &[("334", "…")]),
    (
        "intake/driver.rs",
        "Reply::new(550, Status::new(5, 6, detail), text)",
        &[
            ("550 5.6.11", "…: lines end with CR LF and have at most 1000 octets"),
            ("550 5.6.0", "…: lines end with CR LF and have at most 1000 octets"),
        ],
    ),
    (
        "intake/allowance.rs",
        "said(\"suspended\", code, (5, 7, 1), text)",
        &[
            ("535 5.7.1", "the account … is suspended"),
            ("535 5.7.1", "the account … is suspended: …"),
            ("550 5.7.1", "the account … is suspended"),
            ("550 5.7.1", "the account … is suspended: …"),
        ],
    ),
    (
        "intake/admission.rs",
        "malformed(fault.to_string())",
        &[("550 5.6.0", "line … of the header is not a field: a name, a colon, a value")],
    ),
    (
        "intake/admission.rs",
        "Answer::new(550, finding.status, text)",
        &[("550 5.…", "compliance, …: …")],
    ),
    (
        "spool/mod.rs",
        "Answer::new(code, status, text)",
        &[
            ("452 4.3.1", "no room for mail now; try again later"),
            ("451 4.3.0", "mail cannot be stored now; try again later"),
        ],
    ),
    (
        "policy/desk.rs",
        "Answer::new(550, Status::new(5, 7, 1), text)",
        &[
            ("550 5.7.1", "the recipient does not accept this mail"),
            ("550 5.7.1", "the recipient opted out of this stream on … (opt_out)"),
            ("550 5.7.1", "the recipient opted out of this account's mail on … (opt_out)"),
            ("550 5.7.1", "the recipient complained on … (complaint)"),
            ("550 5.7.1", "the address is dead since … (hard_bounce)"),
            ("550 5.7.1", "suppressed by hand on … (manual)"),
            ("550 5.7.1", "no consent of this recipient is recorded for this stream"),
            ("550 5.7.1", "consent to this stream was withdrawn on …"),
            ("550 5.7.1", "consent to this stream expired on …"),
            ("550 5.7.1", "consent to this stream was asked for on … and not confirmed yet"),
        ],
    ),
    ("policy/desk.rs", "refused(in_words(&stop))", &[]),
    ("policy/desk.rs", "refused(unconsented(consent.as_ref()))", &[]),
];

/// The text of literals above must stand in the source: here is where.
const WORDS: [&str; 9] = [
    "src/mail/address.rs",
    "src/mail/header.rs",
    "src/policy/desk.rs",
    "src/spool/mod.rs",
    "src/smtp/session.rs",
    "src/intake/admission.rs",
    "src/intake/driver.rs",
    "src/intake/allowance.rs",
    "src/accounts/limit.rs",
];

/// Code without its tests and comments.
fn code(text: &str) -> String {
    let end = text.find("#[cfg(test)]\nmod tests {").unwrap_or(text.len());
    let kept = text[..end].lines().filter(|line| !line.trim_start().starts_with("//"));
    kept.collect::<Vec<_>>().join("\n")
}

/// What stands between the bracket that opens at `from` and the one that closes it, and the parts of it
/// that commas divide.
fn arguments(code: &str, from: usize) -> (usize, Vec<String>) {
    let (mut depth, mut parts, mut part, mut quoted) = (0, Vec::new(), String::new(), false);
    let mut characters = code[from..].char_indices();
    while let Some((place, c)) = characters.next() {
        if quoted {
            part.push(c);
            if c == '\\' {
                part.extend(characters.next().map(|(_, c)| c));
            }
            quoted = c != '"';
            continue;
        }
        match c {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth -= 1,
            '"' => quoted = true,
            _ => {}
        }
        if depth == 0 {
            parts.push(part.trim().to_owned());
            parts.retain(|part| !part.is_empty());
            return (from + place, parts);
        }
        match c {
            ',' if depth == 1 => parts.push(std::mem::take(&mut part).trim().to_owned()),
            '(' if depth == 1 && part.is_empty() && place == 0 => {}
            c => part.push(c),
        }
    }
    panic!("a bracket is not closed: {}", &code[from..from + 80])
}

/// The literals of a piece of code, what is put into them as `…`.
fn literals(piece: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut characters = piece.chars().peekable();
    while let Some(c) = characters.next() {
        if c != '"' {
            continue;
        }
        let mut text = String::new();
        while let Some(c) = characters.next() {
            match c {
                '"' => break,
                '\\' if characters.peek() == Some(&'\n') => {
                    while characters.next_if(|c| c.is_whitespace()).is_some() {}
                }
                '\\' => text.extend(characters.next()),
                '{' => {
                    while characters.next().is_some_and(|c| c != '}') {}
                    text.push('…');
                }
                c => text.push(c),
            }
        }
        found.push(text);
    }
    found.retain(|text| !text.is_empty());
    found
}

/// `550 5.7.1` of `550` and `(5, 7, 1)` or `Status::new(5, 7, 1)`.
fn codes(code: &str, status: &str) -> Option<String> {
    let number: u16 = code.parse().ok()?;
    let inner = status.strip_prefix("Status::new").unwrap_or(status);
    let inner = inner.strip_prefix('(')?.strip_suffix(')')?;
    let parts: Vec<&str> = inner.split(',').map(str::trim).collect();
    let numbers = parts.iter().all(|part| part.parse::<u16>().is_ok());
    (parts.len() == 3 && numbers).then(|| format!("{number} {}", parts.join(".")))
}

/// The texts that an argument can be: its literals, or those of the last `let text` before it.
fn texts(argument: &str, before: &str) -> Vec<String> {
    let bare = argument.trim_start_matches('&').trim_end_matches(".clone()");
    if bare != "text" {
        return match bare.starts_with('"') || bare.starts_with("format!(") || bare.starts_with('[')
        {
            true => literals(bare).into_iter().take(1).collect(),
            false => Vec::new(),
        };
    }
    let Some(start) = before.rfind("let text =") else { return Vec::new() };
    let statement = &before[start..];
    // A statement ends where its brackets are closed.
    let (mut depth, mut quoted, mut escaped, mut end) = (0, false, false, statement.len());
    for (place, c) in statement.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => quoted = !quoted,
            '(' | '[' | '{' if !quoted => depth += 1,
            ')' | ']' | '}' if !quoted => depth -= 1,
            ';' if !quoted && depth == 0 => {
                end = place;
                break;
            }
            _ => {}
        }
    }
    literals(&statement[..end])
}

/// The answers of the source, and the calls that could not be read.
fn made() -> (BTreeSet<(String, String)>, Vec<String>, usize) {
    let (mut answers, mut unread, mut used) = (BTreeSet::new(), Vec::new(), BTreeSet::new());
    let all = PLACES.into_iter().flat_map(sources);
    for path in all.filter(|path| !path.ends_with("tests.rs")) {
        let text = std::fs::read_to_string(&path).expect("a source");
        let code = code(&text);
        for maker in MAKERS {
            for (place, _) in code.match_indices(maker) {
                let before = &code[..place];
                let within = before.ends_with(|c: char| c.is_alphanumeric() || "_.:".contains(c));
                if within || before.ends_with("fn ") {
                    continue;
                }
                let (end, parts) = arguments(&code, place + maker.len() - 1);
                let call = code[place..=end].split_whitespace().collect::<Vec<_>>().join(" ");
                let call = call.replace("( ", "(").replace(", )", ")").replace(" )", ")");
                let is = |known: &&(&str, &str, _)| path.ends_with(known.0) && call == known.1;
                if let Some((number, known)) =
                    ELSEWHERE.iter().enumerate().find(|(_, known)| is(known))
                {
                    used.insert(number);
                    let said =
                        known.2.iter().map(|(code, text)| (code.to_string(), text.to_string()));
                    answers.extend(said);
                    continue;
                }
                let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
                let (codes, text) = match (maker, &parts[..]) {
                    ("malformed(", [text]) => (Some("550 5.6.0".to_owned()), *text),
                    ("closing(", [text]) => (Some("421 4.3.2".to_owned()), *text),
                    ("Reply::plain(", [code, text]) => (Some((*code).to_owned()), *text),
                    ("refuse(", [status, text]) => (codes("550", status), *text),
                    ("said(", [_, code, status, text]) | (_, [code, status, text]) => {
                        (codes(code, status), *text)
                    }
                    _ => (None, ""),
                };
                let texts = texts(text, before);
                match codes.filter(|_| !texts.is_empty()) {
                    Some(codes) => {
                        answers.extend(texts.into_iter().map(|text| (codes.clone(), text)));
                    }
                    None => unread.push(format!("{}: {call}", path.display())),
                }
            }
        }
    }
    (answers, unread, used.len())
}

/// The answers of the page: rows of tables whose first cell is a code.
fn explained() -> BTreeSet<(String, String)> {
    let page = read(PAGE);
    let rows = page.lines().filter_map(|line| {
        let mut cells = line.strip_prefix("| ")?.split(" | ");
        let code = cells.next()?.trim_matches('`');
        // Two marks stand around a text that has one in it.
        let cell = cells.next()?;
        let wide = cell.strip_prefix("`` ").and_then(|text| text.strip_suffix(" ``"));
        let text = wide.or_else(|| cell.strip_prefix('`')?.strip_suffix('`'))?;
        let text = text.replace("\\|", "|");
        let why = cells.next()?.trim_end_matches('|').trim();
        code.starts_with(|c: char| c.is_ascii_digit()).then(|| {
            assert!(!why.is_empty(), "{code} {text} is not explained");
            (code.to_owned(), text)
        })
    });
    rows.collect()
}

#[test]
fn every_answer_is_explained_and_no_other() {
    let (made, unread, used) = made();
    assert!(unread.is_empty(), "calls that this test cannot read:\n{}", unread.join("\n"));
    assert_eq!(used, ELSEWHERE.len(), "a call that is named here is not in the source any more");
    assert!(made.len() > 80, "only {} answers were found", made.len());
    let words: String = WORDS.iter().map(|file| read(file)).collect();
    let words = words.split_whitespace().collect::<Vec<_>>().join(" ");
    for text in ELSEWHERE.iter().flat_map(|(_, _, said)| said.iter().map(|(_, text)| text)) {
        let stands = text.split('…').all(|piece| words.contains(piece.trim()));
        assert!(stands, "`{text}` is not in the source any more");
    }
    let explained = explained();
    let missing: Vec<_> =
        made.difference(&explained).map(|(c, t)| format!("{c} | `{t}`")).collect();
    let others: Vec<_> = explained.difference(&made).map(|(c, t)| format!("{c} | `{t}`")).collect();
    assert!(
        missing.is_empty() && others.is_empty(),
        "{PAGE} does not explain:\n{}\nand explains what nobody says:\n{}",
        missing.join("\n"),
        others.join("\n")
    );
}
