//! Sentences with names put in: whatever a name holds, it is shown as text, keeps its own direction and
//! leaves the words around it where they are.

use crate::mail::Timestamp;
use askama::filters::HtmlSafe;
use std::fmt;

/// What is put in for a name of a sentence.
#[derive(Clone, Copy)]
pub(super) enum Part<'a> {
    /// Somebody's word: a name, a note.
    Name(&'a str),
    /// A masked address, which stays on one line.
    Address(&'a str),
    /// A day.
    Day(Timestamp),
    /// A minute.
    Minute(Timestamp),
}

/// Text that may stand in a page as it is: all that came from outside is escaped in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rich(String);

impl fmt::Display for Rich {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl HtmlSafe for Rich {}

fn escaped(into: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => into.push_str("&amp;"),
            '<' => into.push_str("&lt;"),
            '>' => into.push_str("&gt;"),
            '"' => into.push_str("&quot;"),
            '\'' => into.push_str("&#39;"),
            c if c.is_control() => into.push(' '),
            // Marks that turn what follows around have no business in a name.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {}
            c => into.push(c),
        }
    }
}

fn put(into: &mut String, part: Part<'_>) {
    match part {
        // On its own, so that a name from right to left turns nothing around.
        Part::Name(name) => {
            into.push_str("<bdi>");
            escaped(into, name);
            into.push_str("</bdi>");
        }
        Part::Address(address) => {
            into.push_str("<bdi class=\"address\" dir=\"ltr\">");
            escaped(into, address);
            into.push_str("</bdi>");
        }
        Part::Day(at) => {
            let day = at.date();
            *into += &format!("<time datetime=\"{day}\" dir=\"ltr\">{day}</time>");
        }
        Part::Minute(at) => {
            let (whole, shown) = (at.to_string(), minute(at));
            *into += &format!("<time datetime=\"{whole}\" dir=\"ltr\">{shown}</time>");
        }
    }
}

/// A moment as people read it: `2026-11-24 13:05 UTC`.
fn minute(at: Timestamp) -> String {
    let whole = at.to_string();
    let clock = whole.get(11..16).unwrap_or_default();
    format!("{} {clock} UTC", at.date())
}

/// A sentence, with parts put in for the names in braces.
pub(super) fn filled(text: &str, parts: &[(&str, Part<'_>)]) -> Rich {
    let mut made = String::with_capacity(text.len() + 64);
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        escaped(&mut made, before);
        let named = after.split_once('}').and_then(|(name, rest)| {
            let (_, part) = parts.iter().find(|(known, _)| *known == name)?;
            Some((*part, rest))
        });
        rest = match named {
            Some((part, behind)) => {
                put(&mut made, part);
                behind
            }
            None => {
                made.push('{');
                after
            }
        };
    }
    escaped(&mut made, rest);
    Rich(made)
}

/// A sentence without names.
pub(super) fn plain(text: &str) -> Rich {
    filled(text, &[])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_put_in_as_text_of_their_own_direction() {
        let parts =
            [("sender", Part::Name("<b>\"A&\u{202e}B'\n{stream}")), ("stream", Part::Name("news"))];
        assert_eq!(
            filled("{sender} & {stream}, {other} {", &parts).to_string(),
            "<bdi>&lt;b&gt;&quot;A&amp;B&#39; {stream}</bdi> &amp; <bdi>news</bdi>, {other} {"
        );
    }

    #[test]
    fn a_moment_is_read_by_people_and_programs() {
        let at = Timestamp(1_795_699_145_678);
        let parts = [("date", Part::Minute(at))];
        let text = filled("{date}", &parts).to_string();
        assert_eq!(
            text,
            "<time datetime=\"2026-11-26T13:19:05Z\" dir=\"ltr\">2026-11-26 13:19 UTC</time>"
        );
        let text = filled("{date}", &[("date", Part::Day(at))]).to_string();
        assert_eq!(text, "<time datetime=\"2026-11-26\" dir=\"ltr\">2026-11-26</time>");
    }
}
