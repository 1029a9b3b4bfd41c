//! The mailboxes of an originator field (RFC 5322 §3.4), read so strictly that no two readers can see
//! two authors: whatever is not plainly a list of mailboxes is refused.

use super::address::{Address, AddressFault};
use thiserror::Error;

/// Deepest nesting of comments that is read.
const COMMENT_DEPTH_MAX: usize = 16;

/// Why a text is no list of mailboxes. Displayed to the person who sent it.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MailboxFault {
    /// Neither `user@domain` nor `Name <user@domain>`.
    #[error("write user@domain or \"Name\" <user@domain>, a name with , : ; @ < > ( ) in quotes")]
    Form,
    /// It has the form of an address and is none.
    #[error(transparent)]
    Address(#[from] AddressFault),
}

/// What a field's text is made of, blanks and comments left out.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Token {
    /// Atom characters, and what RFC 6532 adds.
    Atom(String),
    /// A quoted string, quotes included.
    Quoted(String),
    /// One of `<>@,.`.
    Mark(char),
}

/// Reads a list of mailboxes: at least one address, in order.
///
/// # Errors
/// Any [`MailboxFault`]; groups (RFC 6854) are refused too.
pub fn mailboxes(text: &str) -> Result<Vec<Address>, MailboxFault> {
    let tokens = tokens(text)?;
    tokens.split(|token| *token == Token::Mark(',')).map(mailbox).collect()
}

fn mailbox(tokens: &[Token]) -> Result<Address, MailboxFault> {
    let Some(open) = tokens.iter().position(|token| *token == Token::Mark('<')) else {
        return address(tokens);
    };
    let (name, rest) = tokens.split_at(open);
    // Names with dots are obsolete, and everywhere.
    let is_word = |token: &Token| !matches!(token, Token::Mark(c) if *c != '.');
    match rest.split_last() {
        Some((Token::Mark('>'), inside)) if name.iter().all(is_word) => address(&inside[1..]),
        _ => Err(MailboxFault::Form),
    }
}

/// `addr-spec`: nothing but a local part, an `@` and a domain, atoms joined by dots.
fn address(tokens: &[Token]) -> Result<Address, MailboxFault> {
    let mut text = String::new();
    let mut after_word = false;
    for token in tokens {
        let is_word = match token {
            Token::Atom(word) | Token::Quoted(word) => {
                text.push_str(word);
                true
            }
            Token::Mark(c @ ('.' | '@')) => {
                text.push(*c);
                false
            }
            Token::Mark(_) => return Err(MailboxFault::Form),
        };
        if is_word == after_word {
            return Err(MailboxFault::Form);
        }
        after_word = is_word;
    }
    let marks = tokens.iter().filter(|token| **token == Token::Mark('@')).count();
    if !after_word || marks != 1 {
        return Err(MailboxFault::Form);
    }
    Ok(Address::parse(&text)?)
}

fn tokens(text: &str) -> Result<Vec<Token>, MailboxFault> {
    let mut found = Vec::new();
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            ' ' | '\t' => {}
            '(' => comment(&mut rest)?,
            '"' => found.push(Token::Quoted(quoted(&mut rest)?)),
            '<' | '>' | '@' | ',' | '.' => found.push(Token::Mark(c)),
            c if is_atom(c) => {
                let mut atom = String::from(c);
                while let Some(c) = rest.next_if(|&c| is_atom(c)) {
                    atom.push(c);
                }
                found.push(Token::Atom(atom));
            }
            _ => return Err(MailboxFault::Form),
        }
    }
    Ok(found)
}

fn is_atom(c: char) -> bool {
    c.is_ascii_alphanumeric()
        || "!#$%&'*+-/=?^_`{|}~".contains(c)
        || (!c.is_ascii() && !c.is_control() && !c.is_whitespace())
}

fn comment(rest: &mut impl Iterator<Item = char>) -> Result<(), MailboxFault> {
    let mut depth = 1;
    while let Some(c) = rest.next() {
        match c {
            '\\' => {
                rest.next();
            }
            '(' if depth == COMMENT_DEPTH_MAX => break,
            '(' => depth += 1,
            ')' if depth == 1 => return Ok(()),
            ')' => depth -= 1,
            _ => {}
        }
    }
    Err(MailboxFault::Form)
}

/// The quoted string whose opening quote is already gone, with both quotes.
fn quoted(rest: &mut impl Iterator<Item = char>) -> Result<String, MailboxFault> {
    let mut text = String::from('"');
    while let Some(c) = rest.next() {
        text.push(c);
        match c {
            '"' => return Ok(text),
            '\\' => text.push(rest.next().ok_or(MailboxFault::Form)?),
            _ => {}
        }
    }
    Err(MailboxFault::Form)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<Vec<String>> {
        Some(mailboxes(text).ok()?.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn the_forms_in_use_are_read() {
        for (text, expected) in [
            ("a@b.example", "a@b.example"),
            ("Acme <a@b.example>", "a@b.example"),
            ("J. R. O'Neil <a.b@c.example>", "a.b@c.example"),
            ("\"Acme, Inc. @ home\" <a@b.example>", "a@b.example"),
            ("=?utf-8?q?=C3=BC?= <a@b.example> (office)", "a@b.example"),
            ("阿克米 <a@b.example>", "a@b.example"),
            ("\"a b\"@c.example", "\"a b\"@c.example"),
            ("<a@b.example>", "a@b.example"),
            ("(the (inner) one) a @ b . example", "a@b.example"),
        ] {
            assert_eq!(read(text), Some(vec![expected.to_owned()]), "{text}");
        }
        let two = read("a@b.example, \"C\" <c@d.example>");
        assert_eq!(two, Some(vec!["a@b.example".into(), "c@d.example".into()]));
    }

    #[test]
    fn what_two_readers_could_read_differently_is_refused() {
        for text in [
            "",
            "Acme",
            "x@evil.example <a@b.example>",
            "x@evil.example:a@b.example;",
            "group: a@b.example;",
            "<a@b.example",
            "a@b.example>",
            "<a@b.example> <c@d.example>",
            "=?utf-8?q?=3Cx=40evil.example=3E?= a@b.example",
            "a@b.example (x) , (y)",
            "a@b.example,",
            "Acme, Inc <a@b.example>",
            "a@b@c.example",
            "<@x.example:a@b.example>",
            "a..b@c.example",
            "a@b.example (unended",
            "\"unended <a@b.example>",
            "a@[192.0.2.1]",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
