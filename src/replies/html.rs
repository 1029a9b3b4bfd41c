//! HTML as the lines that a reader sees, quotes marked with `>` as in plain text, so that one rule
//! tells what the person wrote from what they quoted.

use std::borrow::Cow;

/// A line that stands where a client's own mark says: from here on, only the original.
pub(super) const CUT: &str = "\u{e000}original";

/// How far the quotes of a tag are honoured, in bytes.
const TAG_MAX: usize = 4096;
/// Longest tag that is read, in bytes.
const TAG_FAR_MAX: usize = 64 << 10;
/// Deepest nesting that is tracked.
const DEPTH_MAX: usize = 1000;
/// How far back a closing tag looks for its opening one.
const LOOK_BACK: usize = 64;

/// Elements whose class, name or id says that they hold a quote, or what else a program adds.
const QUOTES: &[&str] = &[
    "origbody",
    "outlookmessageheader",
    "messagereplysection",
    "gmail_quote",
    "gmail_attr",
    "gmail_extra",
    "yahoo_quoted",
    "protonmail_quote",
    "moz-cite-prefix",
    "isreplycontent",
    "ntes-pcmail-quote",
    "ntes-flashmail-quote",
    "mail-editor-reference-message-container",
    "zmail_extra",
    "quoted_text",
    "mailquote",
    "moz-forward-container",
    "ntes-mailmaster-quote",
    "ntes-pcmac-signature",
    "history-quote-wrapper",
    "lark-mail-quote",
    "xmail_quote_content",
    "original-content",
    "mail-quote-content",
];
/// Elements after which only the original follows.
const CUTS: [&str; 5] =
    ["divrplyfwdmsg", "appendonsend", "zwchr", "stopspelling", "x_divrplyfwdmsg"];
const BLOCKS: [&str; 26] = [
    "p",
    "div",
    "br",
    "tr",
    "li",
    "table",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "hr",
    "blockquote",
    "ul",
    "ol",
    "pre",
    "section",
    "article",
    "center",
    "header",
    "footer",
    "body",
    "dl",
    "dt",
    "dd",
];
const VOID: [&str; 12] =
    ["br", "hr", "img", "meta", "link", "input", "col", "area", "base", "wbr", "source", "o:p"];
const HIDDEN: [&str; 5] = ["style", "script", "head", "title", "noscript"];

#[derive(Default)]
struct Page {
    out: String,
    line: String,
    quotes: usize,
    stack: Vec<(String, bool)>,
    pre: usize,
}

impl Page {
    fn end_line(&mut self) {
        let line = self.line.trim();
        if !line.is_empty() {
            for _ in 0..self.quotes.min(3) {
                self.out.push('>');
            }
            if self.quotes > 0 {
                self.out.push(' ');
            }
            self.out.push_str(line);
        }
        self.out.push('\n');
        self.line.clear();
    }

    fn text(&mut self, text: &str) {
        for (place, piece) in entities(text).split('\n').enumerate() {
            if place > 0 && self.pre > 0 {
                self.end_line();
            } else if place > 0 {
                self.space();
            }
            for c in piece.chars() {
                if c.is_whitespace() { self.space() } else { self.line.push(c) }
            }
        }
    }

    fn space(&mut self) {
        if !self.line.is_empty() && !self.line.ends_with(' ') {
            self.line.push(' ');
        }
    }

    fn open(&mut self, name: &str, tag: &str) {
        if BLOCKS.contains(&name) && (name == "br" || name == "hr" || !self.line.is_empty()) {
            self.end_line();
        }
        if name == "td" || name == "th" {
            self.space();
        }
        if is_cut(name, tag) {
            self.out.push_str(CUT);
            self.out.push('\n');
        }
        if VOID.contains(&name) || tag.ends_with('/') || self.stack.len() == DEPTH_MAX {
            return;
        }
        let quote = is_quote(name, tag);
        self.quotes += usize::from(quote);
        self.pre += usize::from(name == "pre");
        self.stack.push((name.to_owned(), quote));
    }

    fn close(&mut self, name: &str) {
        if BLOCKS.contains(&name) && !self.line.is_empty() {
            self.end_line();
        }
        let near = self.stack.len().saturating_sub(LOOK_BACK);
        let Some(place) = self.stack[near..].iter().rposition(|(open, _)| open == name) else {
            return;
        };
        for (open, quote) in self.stack.drain(near + place..) {
            self.quotes -= usize::from(quote);
            self.pre -= usize::from(open == "pre");
        }
        if name == "p" || name == "blockquote" {
            self.out.push('\n');
        }
    }
}

/// The value of an attribute in a tag in lower case.
fn attribute<'a>(tag: &'a str, name: &str) -> &'a str {
    let mut from = 0;
    while let Some(at) = tag[from..].find(name) {
        let before = tag[..from + at].chars().next_back();
        let after = tag[from + at + name.len()..].trim_start();
        if before.is_some_and(|c| c.is_whitespace() || c == '"' || c == '\'')
            && let Some(value) = after.strip_prefix('=')
        {
            let value = value.trim_start();
            return match value.chars().next() {
                Some(quote @ ('"' | '\'')) => value[1..].split(quote).next().unwrap_or_default(),
                _ => value.split(|c: char| c.is_whitespace()).next().unwrap_or_default(),
            };
        }
        from += at + name.len();
    }
    ""
}

fn is_quote(name: &str, tag: &str) -> bool {
    let style = attribute(tag, "style").replace(' ', "");
    if name == "blockquote" {
        let indent =
            style.contains("border:none") && !tag.contains("cite") && !tag.contains("class");
        return !indent;
    }
    if attribute(tag, "name") == "quote" || tag.contains("_quote=\"1\"") {
        return true;
    }
    // Outlook puts `x_` before the names of others.
    let is_named = |word: &str| {
        let word = word.trim_start_matches("x_");
        QUOTES.contains(&word) || word.ends_with("_quote") || word.ends_with("-quote")
    };
    let named = |value: &str| value.split_whitespace().any(is_named);
    named(attribute(tag, "class"))
        || named(attribute(tag, "name"))
        || named(attribute(tag, "id"))
        || attribute(tag, "id").starts_with("lark-mail-quote")
}

fn is_cut(name: &str, tag: &str) -> bool {
    if CUTS.contains(&attribute(tag, "id")) || attribute(tag, "class") == "zmail_extra_hr" {
        return true;
    }
    if name == "hr" {
        return tag.contains("tabindex") && tag.contains("-1");
    }
    let style = attribute(tag, "style").replace(' ', "");
    name == "div"
        && style.contains("border-top:solid")
        && (style.contains("padding:3.0pt") || style.contains("1.0pt") || style.contains("1pt"))
}

/// Character references of a text that stands in for itself; unknown ones stay.
pub(super) fn entities(text: &str) -> Cow<'_, str> {
    if !text.contains('&') {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let end = rest.bytes().take(12).position(|b| b == b';');
        let named = end.and_then(|end| character(&rest[1..end]).map(|c| (c, end + 1)));
        match named {
            Some((c, length)) => {
                out.push(c);
                rest = &rest[length..];
            }
            None => {
                out.push('&');
                rest = &rest[1..];
            }
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}

fn character(name: &str) -> Option<char> {
    if let Some(number) = name.strip_prefix('#') {
        let value = match number.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16).ok()?,
            None => number.parse().ok()?,
        };
        // A line end that is written so would stand outside of its quote.
        let shown = |c: char| if c == '\u{a0}' || c.is_control() { ' ' } else { c };
        return char::from_u32(value).map(shown);
    }
    Some(match name {
        "nbsp" | "ensp" | "emsp" | "thinsp" => ' ',
        "lt" | "LT" => '<',
        "gt" | "GT" => '>',
        "amp" | "AMP" => '&',
        "quot" | "QUOT" => '"',
        "apos" => '\'',
        "ldquo" => '“',
        "rdquo" => '”',
        "lsquo" => '‘',
        "rsquo" => '’',
        "hellip" => '…',
        "ndash" => '–',
        "mdash" => '—',
        "middot" => '·',
        "laquo" => '«',
        "raquo" => '»',
        "eacute" => 'é',
        "Eacute" => 'É',
        "egrave" => 'è',
        "agrave" => 'à',
        "Agrave" => 'À',
        "ccedil" => 'ç',
        "ecirc" => 'ê',
        "icirc" => 'î',
        "aacute" => 'á',
        "iacute" => 'í',
        "oacute" => 'ó',
        "uacute" => 'ú',
        "ntilde" => 'ñ',
        "atilde" => 'ã',
        "auml" => 'ä',
        "ouml" => 'ö',
        "uuml" => 'ü',
        "Auml" => 'Ä',
        "Ouml" => 'Ö',
        "Uuml" => 'Ü',
        "szlig" => 'ß',
        "zwnj" | "zwj" | "shy" => '\u{200b}',
        _ => return None,
    })
}

/// The end of a tag that begins at the start of `rest`: quotes are honoured where they close.
fn tag_end(rest: &str) -> Option<usize> {
    let mut quote = None;
    for (at, byte) in rest.bytes().enumerate().take(TAG_MAX) {
        match (quote, byte) {
            (None, b'>') => return Some(at),
            (None, b'"' | b'\'') if rest.as_bytes()[at - 1] == b'=' => quote = Some(byte),
            (Some(open), _) if open == byte => quote = None,
            _ => {}
        }
    }
    rest.bytes().take(TAG_FAR_MAX).position(|b| b == b'>')
}

/// The page as lines of text, quoted ones with `>` before them.
pub(super) fn lines(html: &str) -> String {
    let mut page = Page::default();
    let mut unclosed: Vec<String> = Vec::new();
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        page.text(&rest[..at]);
        rest = &rest[at..];
        if let Some(comment) = rest.strip_prefix("<!--") {
            let Some(end) = comment.find("-->") else {
                break;
            };
            rest = &comment[end + 3..];
            continue;
        }
        let next = rest[1..].chars().next().unwrap_or(' ');
        if !(next.is_ascii_alphabetic() || matches!(next, '/' | '!' | '?')) {
            page.text("<");
            rest = &rest[1..];
            continue;
        }
        let Some(end) = tag_end(rest) else {
            // Nothing here ends a tag: it is text, and is not looked through again.
            let mut length = rest.len().min(TAG_FAR_MAX);
            while !rest.is_char_boundary(length) {
                length -= 1;
            }
            page.text(&rest[..length]);
            rest = &rest[length..];
            continue;
        };
        let tag = rest[1..end].to_lowercase();
        rest = &rest[end + 1..];
        let (closing, tag) = match tag.strip_prefix('/') {
            Some(tag) => (true, tag),
            None => (false, tag.as_str()),
        };
        let stop = tag.find(|c: char| c.is_whitespace() || c == '/').unwrap_or(tag.len());
        let name = &tag[..stop];
        if closing {
            page.close(name);
        } else if HIDDEN.contains(&name) && !unclosed.iter().any(|known| known == name) {
            match after_hidden(rest, name) {
                Some(after) => rest = after,
                // Never closed: what follows still shows, and is not looked through again.
                None => unclosed.push(name.to_owned()),
            }
        } else {
            page.open(name, tag);
        }
    }
    if !rest.starts_with("<!--") {
        page.text(rest);
    }
    page.end_line();
    page.out
}

/// What follows the end of an element that is not shown; `None` where it has no end.
fn after_hidden<'a>(rest: &'a str, name: &str) -> Option<&'a str> {
    let mut from = 0;
    while let Some(at) = rest[from..].find("</") {
        let tail = &rest[from + at + 2..];
        if tail.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name)) {
            return Some(tail.find('>').map_or("", |end| &tail[end + 1..]));
        }
        from += at + 2;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_become_lines_and_quotes_are_marked() {
        let page = "<html><head><style>p{}</style></head><body><div>R</div>\
                    <blockquote type=\"cite\"><p>reply&nbsp;R &gt; x</p></blockquote></body>";
        let text = lines(page);
        assert_eq!(text.lines().next(), Some("R"));
        assert!(text.contains("> reply R > x"), "{text}");
    }

    #[test]
    fn a_clients_own_mark_is_a_cut() {
        let text = lines("<p>T</p><hr tabindex='-1'><div id=divRplyFwdMsg>From: x</div>");
        assert_eq!(text.lines().next(), Some("T"));
        assert!(text.contains(CUT));
    }

    #[test]
    fn containers_of_quotes_are_known_by_their_names() {
        for container in [
            "<div class='gmail_quote gmail_quote_container'>",
            "<div class=\"ntes-mailmaster-quote\" style=\"x\">",
            "<div id='lark-mail-quote-17'>",
            "<div class=history-quote-wrapper>",
        ] {
            let text = lines(&format!("<div>T</div>{container}<p>R</p></div><p>end</p>"));
            assert_eq!(text.split_whitespace().collect::<Vec<_>>(), ["T", ">", "R", "end"]);
        }
    }

    #[test]
    fn a_long_tag_shows_nothing() {
        let style = "border: unset; ".repeat(TAG_MAX / 10);
        let text = lines(&format!("<div>T</div><span style=\"{style}\">x</span>"));
        assert_eq!(text.split_whitespace().collect::<Vec<_>>(), ["T", "x"]);
    }
}
