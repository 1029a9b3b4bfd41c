//! A message taken apart: header fields and leaf parts, read in one pass without recursion and as
//! tolerantly as mail in the field needs it.

use crate::config;
use crate::mail::charset::{VALUE_MAX, charset_decode, encoded_words};
use crate::mail::transfer::Transfer;
use std::borrow::Cow;
use std::ops::Range;

/// Most header fields of one section that are read.
const FIELDS_MAX: usize = 1000;
/// Longest name of a field, in bytes.
const NAME_MAX: usize = 100;
/// How much of a page is looked at for its charset, in bytes.
const META_MAX: usize = 1024;
/// Most pieces into which a parameter may be cut (RFC 2231 §3).
const PIECES_MAX: usize = 10;

/// Fields of a header section, names in lower case, values unfolded but not decoded.
#[derive(Debug, Default)]
pub(super) struct Head {
    fields: Vec<(String, Vec<u8>)>,
}

impl Head {
    /// Reads the fields at the start of `bytes` up to the first empty line, whatever the line ends.
    pub(super) fn read(bytes: &[u8]) -> Self {
        let mut fields: Vec<(String, Vec<u8>)> = Vec::new();
        for line in bytes.split(|&b| b == b'\n') {
            let line = line.strip_suffix(b"\r").unwrap_or(line);
            if line.is_empty() {
                break;
            }
            if matches!(line[0], b' ' | b'\t') {
                if let Some((_, value)) = fields.last_mut()
                    && value.len() < VALUE_MAX
                {
                    value.push(b' ');
                    value.extend_from_slice(line.trim_ascii());
                    value.truncate(VALUE_MAX);
                }
                continue;
            }
            if fields.len() == FIELDS_MAX {
                break;
            }
            let start = &line[..line.len().min(NAME_MAX)];
            if let Some(colon) = start.iter().position(|&b| b == b':') {
                let name = String::from_utf8_lossy(line[..colon].trim_ascii()).to_ascii_lowercase();
                let value = line[colon + 1..].trim_ascii();
                fields.push((name, value[..value.len().min(VALUE_MAX)].to_vec()));
            }
        }
        Self { fields }
    }

    /// The first field of this name (lower case), not decoded.
    pub(super) fn raw(&self, name: &str) -> Option<Cow<'_, str>> {
        let found = self.fields.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| String::from_utf8_lossy(value))
    }

    /// Every value of a field of this name.
    pub(super) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = Cow<'a, str>> {
        let found = self.fields.iter().filter(move |(known, _)| known == name);
        found.map(|(_, value)| String::from_utf8_lossy(value))
    }

    /// Every field, its name in lower case.
    pub(super) fn fields(&self) -> impl Iterator<Item = (&str, Cow<'_, str>)> {
        let fields = self.fields.iter();
        fields.map(|(name, value)| (name.as_str(), String::from_utf8_lossy(value)))
    }

    /// The first field of this name with its encoded words read (RFC 2047).
    pub(super) fn text(&self, name: &str) -> Option<String> {
        let found = self.fields.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| encoded_words(value))
    }
}

/// A leaf part.
#[derive(Debug)]
pub(super) struct Part {
    /// `type/subtype` in lower case.
    pub(super) kind: String,
    /// Whether it is an attachment by its disposition.
    pub(super) attached: bool,
    transfer: Transfer,
    charset: Option<String>,
    /// Whether its lines are soft, and whether the blank before a soft end goes too (RFC 3676).
    flowed: Option<bool>,
    /// At most what is read of a part.
    body: Vec<u8>,
    /// Whether the body was longer.
    cut: bool,
}

impl Part {
    /// The part without its transfer encoding.
    pub(super) fn bytes(&self) -> Vec<u8> {
        self.transfer.undone(&self.body)
    }

    /// The part as text.
    pub(super) fn text(&self) -> String {
        let mut bytes = self.bytes();
        if self.cut {
            // The cut may have gone through a character, which would make the charset look wrong.
            let line = bytes.iter().rposition(|&b| b == b'\n').unwrap_or(0);
            let whole = std::str::from_utf8(&bytes).map_or_else(|f| f.valid_up_to(), str::len);
            bytes.truncate(line.max(whole));
        }
        // A page may say itself what it is in.
        let named = self.charset.clone();
        let named = named.or_else(|| (self.kind == "text/html").then(|| meta(&bytes)).flatten());
        let text = charset_decode(&bytes, named.as_deref());
        match self.flowed {
            Some(delsp) => unflowed(&text, delsp),
            None => text,
        }
    }

    /// Whether it is longer than what is read of it.
    pub(super) fn is_cut(&self) -> bool {
        self.cut
    }
}

/// A message taken apart.
#[derive(Debug)]
pub(super) struct Letter {
    /// Its header.
    pub(super) head: Head,
    /// Its leaf parts in order; messages inside it are leaves.
    pub(super) parts: Vec<Part>,
    /// `report-type` of a multipart/report, or of what a gateway made of it.
    pub(super) report: Option<String>,
}

/// A section that waits to be read.
struct Section {
    range: Range<usize>,
    depth: u32,
    /// What it is where it does not say: `message/rfc822` in a digest (RFC 2046 §5.1.5).
    otherwise: &'static str,
}

impl Letter {
    /// Takes a message apart; `None` where it is nested deeper or has more parts than is read.
    pub(super) fn read(message: &[u8], limits: &config::Replies) -> Option<Self> {
        let size_max = limits.text_size_max.bytes();
        let parts_max = usize::try_from(limits.parts_max).unwrap_or(usize::MAX);
        let message = from_first_field(message);
        let (mut parts, mut report) = (Vec::new(), None);
        let mut sections = 1;
        let whole = Section { range: 0..message.len(), depth: 0, otherwise: "text/plain" };
        let mut waiting = vec![whole];
        while let Some(Section { range, depth, otherwise }) = waiting.pop() {
            let body = range.start + head_length(&message[range.clone()], depth > 0);
            let head = Head::read(&message[range.start..body]);
            let (kind, parameters) = content_type(&head, otherwise);
            if kind.starts_with("multipart/") && report.is_none() {
                let named = parameter(&parameters, "report-type").to_ascii_lowercase();
                report = (!named.is_empty()).then_some(named);
            }
            let boundary = parameter(&parameters, "boundary");
            let multipart = kind.starts_with("multipart/") && !boundary.is_empty();
            let room = parts_max.saturating_sub(sections);
            let children = if multipart {
                children(message, body..range.end, &boundary, room)?
            } else {
                Vec::new()
            };
            if !children.is_empty() {
                if depth == limits.depth_max {
                    return None;
                }
                sections += children.len();
                let otherwise =
                    if kind == "multipart/digest" { "message/rfc822" } else { "text/plain" };
                let inside = |range: Range<usize>| Section { range, depth: depth + 1, otherwise };
                waiting.extend(children.into_iter().rev().map(inside));
                continue;
            }
            let charset = parameter(&parameters, "charset");
            let disposition = head.raw("content-disposition").unwrap_or_default();
            let transfer = head.raw("content-transfer-encoding").unwrap_or_default();
            let bytes = &message[body..range.end];
            parts.push(Part {
                // A multipart that cannot be taken apart shows as text.
                kind: if kind.starts_with("multipart/") { "text/plain".to_owned() } else { kind },
                attached: disposition.trim().to_ascii_lowercase().starts_with("attachment"),
                transfer: Transfer::named(&transfer),
                charset: (!charset.is_empty()).then_some(charset),
                flowed: parameter(&parameters, "format")
                    .eq_ignore_ascii_case("flowed")
                    .then(|| parameter(&parameters, "delsp").eq_ignore_ascii_case("yes")),
                body: bytes[..bytes.len().min(size_max)].to_vec(),
                cut: bytes.len() > size_max,
            });
        }
        Some(Self { head: Head::read(message), parts, report })
    }

    /// The first part of this kind that is not an attachment.
    pub(super) fn part(&self, kind: &str) -> Option<&Part> {
        self.parts.iter().find(|part| part.kind == kind && !part.attached)
    }
}

/// The charset that a page names in its head.
fn meta(page: &[u8]) -> Option<String> {
    let head = String::from_utf8_lossy(&page[..page.len().min(META_MAX)]).to_ascii_lowercase();
    let (_, behind) = head.split_once("charset=")?;
    let name = behind.trim_start_matches(['"', '\'', ' ']);
    let end = name.find(|c: char| !(c.is_ascii_alphanumeric() || "-_:".contains(c)));
    let name = &name[..end.unwrap_or(name.len())];
    (!name.is_empty()).then(|| name.to_owned())
}

/// Text whose soft line ends are joined (RFC 3676 §4): a line that ends in a blank goes on in the next of the
/// same depth of quotes, but for the one above a signature.
fn unflowed(text: &str, delsp: bool) -> String {
    let depth = |line: &str| line.bytes().take_while(|&b| b == b'>').count();
    let mut out = String::with_capacity(text.len());
    // The depth of the paragraph that goes on.
    let mut open = None;
    for line in text.lines() {
        let quotes = depth(line);
        let rest = &line[quotes..];
        let rest = rest.strip_prefix(' ').unwrap_or(rest);
        let signature = rest == "-- ";
        if open == Some(quotes) && !signature {
            out.push_str(rest);
        } else {
            if open.is_some() {
                out.push('\n');
            }
            out.extend(std::iter::repeat_n('>', quotes));
            out.push_str(if quotes > 0 { " " } else { "" });
            out.push_str(rest);
        }
        open = (rest.ends_with(' ') && !signature).then_some(quotes);
        if open.is_none() {
            out.push('\n');
        } else if delsp {
            out.pop();
        }
    }
    out
}

/// A message without the blank lines above its header, which a copy from a web page brings.
fn from_first_field(message: &[u8]) -> &[u8] {
    let begun = message.trim_ascii_start();
    let start = &begun[..begun.len().min(NAME_MAX)];
    let name = start.iter().position(|&b| b == b':').map(|colon| &start[..colon]);
    let is_field = |name: &[u8]| {
        !name.is_empty() && name.iter().all(|&b| b.is_ascii_alphanumeric() || b == b'-')
    };
    if name.is_some_and(is_field) { begun } else { message }
}

/// The length of a header section with the empty line that ends it. A part that begins with what is no
/// field has none, where the empty line was forgotten.
fn head_length(bytes: &[u8], part: bool) -> usize {
    let mut at = 0;
    for line in bytes.split_inclusive(|&b| b == b'\n') {
        let shown = line.trim_ascii_end();
        if at == 0 && part && !shown.is_empty() && !shown.contains(&b':') {
            return 0;
        }
        at += line.len();
        if matches!(line, b"\n" | b"\r\n") {
            break;
        }
    }
    at
}

/// The type of a section in lower case, and the parameters of its `Content-Type`: what is no type with a
/// subtype is plain text.
fn content_type(head: &Head, otherwise: &str) -> (String, Vec<(String, String)>) {
    let Some(value) = head.raw("content-type") else {
        return (otherwise.to_owned(), Vec::new());
    };
    let end = value.find([';', ' ', '\t', '(', ',']).unwrap_or(value.len());
    let kind = value[..end].to_ascii_lowercase();
    let whole = kind.split_once('/').is_some_and(|(one, two)| !one.is_empty() && !two.is_empty());
    let kind = if whole { kind } else { "text/plain".to_owned() };
    (kind, parameters(&value[end..]))
}

/// `name=value` pairs, names in lower case, quotes taken off.
fn parameters(text: &str) -> Vec<(String, String)> {
    let is_gap = |c: char| c == ';' || c.is_whitespace();
    let mut found = Vec::new();
    let mut rest = text.trim_start_matches(is_gap);
    while !rest.is_empty() {
        let end = rest.find(['=', ';']).unwrap_or(rest.len());
        let name = rest[..end].trim().to_ascii_lowercase();
        rest = &rest[end..];
        let Some(value) = rest.strip_prefix('=') else {
            rest = rest.trim_start_matches(is_gap);
            continue;
        };
        let value = value.trim_start();
        let (value, after) = match value.strip_prefix('"') {
            Some(quoted) => unquoted(quoted),
            None => {
                let end = value.find(is_gap).unwrap_or(value.len());
                (value[..end].to_owned(), &value[end..])
            }
        };
        found.push((name, value));
        rest = after.trim_start_matches(is_gap);
    }
    found
}

/// A quoted string up to its closing quote, and what follows it.
fn unquoted(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut escaped = false;
    for (at, c) in text.char_indices() {
        match c {
            '"' if !escaped => return (value, &text[at + 1..]),
            '\\' if !escaped => escaped = true,
            c => {
                escaped = false;
                value.push(c);
            }
        }
    }
    (value, "")
}

/// A parameter by its name, its pieces joined (RFC 2231 §3); empty where it is not given.
fn parameter(parameters: &[(String, String)], name: &str) -> String {
    let first = |name: &str| parameters.iter().find(|(known, _)| known == name);
    if let Some((_, value)) = first(name) {
        return value.trim().to_owned();
    }
    let language = |value: &str| value.rsplit('\'').next().unwrap_or_default().to_owned();
    if let Some((_, value)) = first(&format!("{name}*")) {
        return language(value);
    }
    let pieces = (0..PIECES_MAX).map_while(|place| {
        let plain = first(&format!("{name}*{place}")).map(|(_, value)| value.clone());
        plain.or_else(|| first(&format!("{name}*{place}*")).map(|(_, value)| language(value)))
    });
    pieces.collect()
}

/// Where the parts between the lines of a boundary stand; `None` where there are more than `room`.
fn children(
    message: &[u8],
    body: Range<usize>,
    boundary: &str,
    room: usize,
) -> Option<Vec<Range<usize>>> {
    let mut found = Vec::new();
    let mut open = None;
    let mut at = body.start;
    for line in message[body.clone()].split_inclusive(|&b| b == b'\n') {
        let start = at;
        at += line.len();
        let after =
            line.strip_prefix(b"--").and_then(|line| line.strip_prefix(boundary.as_bytes()));
        let ending = after.map(<[u8]>::trim_ascii);
        let Some(ending @ (b"" | b"--")) = ending else {
            continue;
        };
        if let Some(begun) = open.take() {
            found.push(begun..before_line_end(message, begun, start));
        }
        if ending == b"--" {
            return Some(found);
        }
        if found.len() == room {
            return None;
        }
        open = Some(at);
    }
    // Cut off before its end.
    found.extend(open.map(|begun| begun..body.end));
    Some(found)
}

/// `end` without the line end before it, which belongs to the boundary.
fn before_line_end(message: &[u8], start: usize, end: usize) -> usize {
    let bytes = &message[start..end];
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    start + bytes.strip_suffix(b"\r").unwrap_or(bytes).len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, Instant};

    /// Far more than a linear reader needs for a message of megabytes, far less than a quadratic one.
    const LONG: Duration = Duration::from_secs(5);

    fn read(message: &str) -> Option<Letter> {
        Letter::read(message.as_bytes(), &config::Replies::default())
    }

    fn multipart(boundary: &str, inside: &str) -> String {
        format!("Content-Type: multipart/mixed; boundary={boundary}\r\n\r\n{inside}")
    }

    #[test]
    fn a_message_nested_in_messages_is_one_leaf_however_deep() {
        let begun = Instant::now();
        let letter =
            read(&"Content-Type: message/rfc822\r\n\r\n".repeat(33_000)).expect("a letter");
        assert_eq!(letter.parts.len(), 1);
        assert_eq!(letter.parts[0].kind, "message/rfc822");
        assert!(begun.elapsed() < LONG);
    }

    #[test]
    fn parts_deeper_or_more_than_the_limits_are_not_read() {
        let limits = config::Replies::default();
        let nest = |depth: u32| {
            let layers = (0..depth).map(|at| multipart(&format!("b{at}"), &format!("--b{at}\r\n")));
            layers.collect::<String>() + "\r\nR\r\n"
        };
        assert!(read(&nest(limits.depth_max)).is_some());
        assert!(read(&nest(limits.depth_max + 1)).is_none());
        let count = usize::try_from(limits.parts_max).expect("a small limit");
        assert!(read(&multipart("b", &"--b\r\n\r\nR\r\n".repeat(count - 1))).is_some());
        assert!(read(&multipart("b", &"--b\r\n\r\nR\r\n".repeat(count))).is_none());
        let begun = Instant::now();
        assert!(read(&multipart("b", &"--b\r\n\r\n".repeat(300_000))).is_none());
        assert!(begun.elapsed() < LONG);
    }

    #[test]
    fn a_header_of_megabytes_is_read_in_linear_time() {
        let begun = Instant::now();
        let one =
            format!("Content-Type: text/plain; charset=\"{}\"\r\n\r\nR", "x".repeat(10 << 20));
        assert_eq!(read(&one).map(|letter| letter.parts.len()), Some(1));
        let pieces: String = (0..200_000).map(|at| format!(";\r\n charset*{at}=utf-8")).collect();
        let many = format!("Content-Type: text/plain{pieces}\r\n\r\nR");
        assert_eq!(read(&many).map(|letter| letter.parts.len()), Some(1));
        assert!(read(&":".repeat(10 << 20)).is_some());
        assert!(begun.elapsed() < LONG);
    }

    #[test]
    fn parts_are_found_between_their_boundaries() {
        let inner =
            "--b c\r\n\r\nR\r\n--b c \r\nContent-Type: text/html\r\n\r\n<p>R\r\n--b c--\r\nend";
        let outer = format!(
            "Content-Type: multipart/mixed; boundary*0=\"a\"; boundary*1=a\r\n\r\npreamble\r\n--aa\r\n\
             Content-Type: multipart/alternative;\r\n boundary=\"b c\"\r\n\r\n{inner}\r\n--aa\r\n\
             Content-Type: text/plain; charset=\"utf-8\"\r\nContent-Disposition: Attachment\r\n\r\nlog"
        );
        let letter = read(&outer).expect("a letter");
        let kinds: Vec<_> = letter.parts.iter().map(|part| part.kind.as_str()).collect();
        assert_eq!(kinds, ["text/plain", "text/html", "text/plain"]);
        assert_eq!(letter.parts[0].text(), "R");
        assert_eq!(letter.parts[1].text(), "<p>R");
        assert!(letter.parts[2].attached);
        assert_eq!(letter.parts[2].charset.as_deref(), Some("utf-8"));
    }

    #[test]
    fn what_has_no_usable_type_is_plain_text() {
        for head in [
            "Content-Type: text",
            "Content-Type: ; charset=utf-8",
            "Content-Type: multipart/mixed",
            "Content-Type: multipart/mixed; boundary=\"\"",
            "Content-Type: multipart/mixed; boundary=absent",
            "Content-Type: text/plain charset=gb2312",
            "X: y",
        ] {
            let letter = read(&format!("{head}\n\nR")).expect("a letter");
            assert_eq!(letter.parts[0].kind, "text/plain", "{head}");
            assert_eq!(letter.parts[0].text(), "R", "{head}");
        }
    }

    #[test]
    fn blank_lines_above_the_header_are_passed_over() {
        let letter = read("\r\n   \r\nSubject: x\r\n\r\nR").expect("a letter");
        assert_eq!(letter.head.raw("subject").as_deref(), Some("x"));
        let letter = read("\r\nR").expect("a letter");
        assert_eq!(letter.parts[0].text(), "R");
    }

    #[test]
    fn a_cut_through_a_character_does_not_change_the_charset() {
        let limits = config::Replies::default();
        let odd = limits.text_size_max.bytes() / 3 * 3 + 3;
        for filler in ["订\n", "订订\n"] {
            let text = format!("退订\n\n{}", filler.repeat(odd));
            let letter = read(&format!("Content-Type: text/plain\n\n{text}")).expect("a letter");
            assert!(letter.parts[0].text().starts_with("退订\n"));
        }
    }
}
