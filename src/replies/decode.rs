//! A message taken apart: header fields, leaf parts, transfer encodings and charsets, read as
//! tolerantly as mail in the field needs it.

use crate::config;
use data_encoding::{BASE64_NOPAD, Encoding as Base64, Specification};
use encoding_rs::{Encoding, GB18030, UTF_8, WINDOWS_1252};
use mail_parser::{MessageParser, MimeHeaders, PartType};
use std::borrow::Cow;
use std::sync::LazyLock;

/// Most header fields of one section that are read.
const FIELDS_MAX: usize = 1000;
/// Longest value of a field that is decoded, in bytes.
const VALUE_MAX: usize = 8192;

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
                }
                continue;
            }
            if fields.len() == FIELDS_MAX {
                break;
            }
            if let Some(colon) = line.iter().position(|&b| b == b':') {
                let name = String::from_utf8_lossy(line[..colon].trim_ascii()).to_ascii_lowercase();
                fields.push((name, line[colon + 1..].trim_ascii().to_vec()));
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
    encoding: mail_parser::Encoding,
    charset: Option<String>,
    body: Vec<u8>,
}

impl Part {
    /// The part without its transfer encoding.
    pub(super) fn bytes(&self) -> Vec<u8> {
        match self.encoding {
            mail_parser::Encoding::Base64 => base64(&self.body),
            mail_parser::Encoding::QuotedPrintable => quoted_printable(&self.body),
            mail_parser::Encoding::None => self.body.clone(),
        }
    }

    /// The part as text.
    pub(super) fn text(&self) -> String {
        charset_decode(&self.bytes(), self.charset.as_deref())
    }
}

/// A message taken apart.
#[derive(Debug)]
pub(super) struct Letter {
    /// Its header.
    pub(super) head: Head,
    /// Its leaf parts in order; messages inside it are leaves.
    pub(super) parts: Vec<Part>,
    /// `report-type` of a multipart/report.
    pub(super) report: Option<String>,
}

impl Letter {
    /// Takes a message apart; `None` where it is nested deeper or has more parts than is read.
    pub(super) fn read(message: &[u8], limits: &config::Replies) -> Option<Self> {
        let size_max = limits.text_size_max.bytes();
        let parsed = MessageParser::new().parse(message)?;
        if parsed.parts.len() > usize::try_from(limits.parts_max).unwrap_or(usize::MAX) {
            return None;
        }
        let mut parts = Vec::new();
        let mut report = None;
        let mut waiting = vec![(0, 0)];
        while let Some((place, depth)) = waiting.pop() {
            if depth > limits.depth_max {
                return None;
            }
            let Some(part) = parsed.parts.get(usize::try_from(place).ok()?) else {
                continue;
            };
            let kind = part.content_type().map_or_else(
                || "text/plain".to_owned(),
                |kind| {
                    let subtype = kind.subtype().unwrap_or("plain");
                    format!("{}/{subtype}", kind.ctype()).to_ascii_lowercase()
                },
            );
            if let PartType::Multipart(children) = &part.body {
                if kind == "multipart/report" && report.is_none() {
                    let named = part.content_type().and_then(|kind| kind.attribute("report-type"));
                    report = Some(named.unwrap_or_default().to_ascii_lowercase());
                }
                waiting.extend(children.iter().rev().map(|&child| (child, depth + 1)));
                continue;
            }
            let start = usize::try_from(part.offset_body).ok()?.min(message.len());
            let end = usize::try_from(part.offset_end).ok()?.clamp(start, message.len());
            let body = &message[start..end];
            let attribute = |name: &str| {
                let kind = part.content_type()?;
                kind.attribute(name).map(str::to_owned)
            };
            parts.push(Part {
                attached: part.content_disposition().is_some_and(|how| how.is_attachment()),
                encoding: part.encoding,
                charset: attribute("charset"),
                body: body[..body.len().min(size_max)].to_vec(),
                kind,
            });
        }
        Some(Self { head: Head::read(message), parts, report })
    }

    /// The first part of this kind that is not an attachment.
    pub(super) fn part(&self, kind: &str) -> Option<&Part> {
        self.parts.iter().find(|part| part.kind == kind && !part.attached)
    }
}

/// Base64 without complaint: what is no digit is passed over, padding may be missing.
fn base64(bytes: &[u8]) -> Vec<u8> {
    static TOLERANT: LazyLock<Base64> = LazyLock::new(|| {
        let mut specification: Specification = BASE64_NOPAD.specification();
        specification.check_trailing_bits = false;
        specification.encoding().expect("the standard alphabet is a valid one")
    });
    let is_digit = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/');
    let mut out = Vec::with_capacity(bytes.len() / 4 * 3);
    // Padding in the middle ends one run of digits and begins another.
    for run in bytes.split(|&b| b == b'=') {
        let mut digits: Vec<u8> = run.iter().copied().filter(is_digit).collect();
        if digits.len() % 4 == 1 {
            digits.pop();
        }
        out.extend(TOLERANT.decode(&digits).unwrap_or_default());
    }
    out
}

fn quoted_printable(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    // A line that ends in `=` goes on with the next.
    let mut soft = true;
    for line in bytes.split(|&b| b == b'\n') {
        if !soft {
            out.push(b'\n');
        }
        let line = line.trim_ascii_end();
        soft = line.ends_with(b"=");
        let line = line.strip_suffix(b"=").unwrap_or(line);
        let mut at = 0;
        while at < line.len() {
            let pair = line.get(at + 1..at + 3).filter(|_| line[at] == b'=');
            let digits = pair.and_then(|pair| std::str::from_utf8(pair).ok());
            match digits.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
                Some(value) => {
                    out.push(value);
                    at += 3;
                }
                None => {
                    out.push(line[at]);
                    at += 1;
                }
            }
        }
    }
    out
}

/// The decoder for a charset's name as mail uses it, which is often a smaller name than what is meant.
fn decoder(name: &str) -> Option<&'static Encoding> {
    let name = name.trim().trim_matches(['"', '\'']).to_ascii_lowercase();
    match name.as_str() {
        "gb2312" | "gbk" | "gb_2312-80" | "hz-gb-2312" | "cp936" | "x-gbk" => Some(GB18030),
        "ks_c_5601-1987" | "ks_c_5601" | "cp949" | "ms949" => Some(encoding_rs::EUC_KR),
        "iso-2022-jp-ms" | "cp50221" | "cp50220" => Some(encoding_rs::ISO_2022_JP),
        "cp950" | "x-big5" => Some(encoding_rs::BIG5),
        "cp932" | "ms932" => Some(encoding_rs::SHIFT_JIS),
        "utf8" | "us-ascii" | "ascii" | "unicode-1-1-utf-8" | "cp65001" => Some(UTF_8),
        name => Encoding::for_label_no_replacement(name.as_bytes()),
    }
}

/// Text in the charset that its label names, or in the one that its bytes give away.
pub(super) fn charset_decode(bytes: &[u8], label: Option<&str>) -> String {
    let known = label.and_then(decoder).unwrap_or(UTF_8);
    let utf8 = std::str::from_utf8(bytes).ok();
    if let Some(text) = utf8
        && known != encoding_rs::ISO_2022_JP
        && (known == UTF_8 || text.chars().any(|c| c.len_utf8() > 2))
    {
        return text.to_owned();
    }
    if known == UTF_8 && label.is_none() && bytes.windows(2).any(|pair| pair == b"\x1b$") {
        return encoding_rs::ISO_2022_JP.decode_without_bom_handling(bytes).0.into_owned();
    }
    for candidate in [known, GB18030] {
        if let Some(text) = candidate.decode_without_bom_handling_and_without_replacement(bytes) {
            return text.into_owned();
        }
    }
    let last = if label.is_none() || known == UTF_8 { lossy(bytes) } else { known };
    last.decode_without_bom_handling(bytes).0.into_owned()
}

/// UTF-8 cut short stays UTF-8; else single bytes.
fn lossy(bytes: &[u8]) -> &'static Encoding {
    let broken = String::from_utf8_lossy(bytes).matches('\u{fffd}').count();
    if broken * 20 < bytes.len() { UTF_8 } else { WINDOWS_1252 }
}

/// One encoded word at the start of `text`: charset, bytes, length.
fn encoded_word(text: &[u8]) -> Option<(String, Vec<u8>, usize)> {
    let rest = text.strip_prefix(b"=?")?;
    let mut pieces = rest.splitn(3, |&b| b == b'?');
    let (charset, method, content) = (pieces.next()?, pieces.next()?, pieces.next()?);
    let end = content.windows(2).take(VALUE_MAX).position(|pair| pair == b"?=")?;
    let charset = String::from_utf8_lossy(charset).to_ascii_lowercase();
    let charset = charset.split('*').next().unwrap_or_default().to_owned();
    if charset.len() > 40 || charset.contains(char::is_whitespace) {
        return None;
    }
    let bytes = match method {
        b"B" | b"b" => base64(&content[..end]),
        b"Q" | b"q" => {
            let spaced: Vec<u8> =
                content[..end].iter().map(|&b| if b == b'_' { b' ' } else { b }).collect();
            let trailing = spaced.len() - spaced.trim_ascii_end().len();
            let mut bytes = quoted_printable(&spaced);
            bytes.extend(std::iter::repeat_n(b' ', trailing));
            bytes
        }
        _ => return None,
    };
    let length = 2 + charset_and_method(rest)? + end + 2;
    Some((charset, bytes, length))
}

/// The length of `charset?method?`.
fn charset_and_method(rest: &[u8]) -> Option<usize> {
    let first = rest.iter().position(|&b| b == b'?')?;
    let second = rest[first + 1..].iter().position(|&b| b == b'?')?;
    Some(first + second + 2)
}

/// A field's value with its encoded words read; neighbours in one charset are joined as bytes first,
/// since many clients cut a character in two.
pub(super) fn encoded_words(value: &[u8]) -> String {
    let value = &value[..value.len().min(VALUE_MAX)];
    let (mut out, mut plain) = (String::new(), Vec::new());
    let mut words: Option<(String, Vec<u8>)> = None;
    let mut at = 0;
    while at < value.len() {
        if value[at..].starts_with(b"=?")
            && let Some((charset, bytes, length)) = encoded_word(&value[at..])
        {
            if words.is_some() && plain.trim_ascii().is_empty() {
                plain.clear();
            }
            if !plain.is_empty() {
                if let Some((charset, bytes)) = words.take() {
                    out.push_str(&charset_decode(&bytes, Some(&charset)));
                }
                out.push_str(&charset_decode(&plain, None));
                plain.clear();
            }
            match &mut words {
                Some((known, joined)) if *known == charset => joined.extend(bytes),
                other => {
                    if let Some((charset, bytes)) = other.replace((charset, bytes)) {
                        out.push_str(&charset_decode(&bytes, Some(&charset)));
                    }
                }
            }
            at += length;
        } else {
            plain.push(value[at]);
            at += 1;
        }
    }
    if let Some((charset, bytes)) = words {
        out.push_str(&charset_decode(&bytes, Some(&charset)));
    }
    out.push_str(&charset_decode(&plain, None));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_character_cut_between_two_encoded_words_is_joined() {
        assert_eq!(encoded_words(b"=?utf-8?B?6YCA6K4=?= =?utf-8?B?og==?="), "退订");
        assert_eq!(encoded_words(b"Re: =?gb2312?B?zcu2qQ?= x"), "Re: 退订 x");
        assert_eq!(encoded_words(b"=?utf-8?Q?a_b=20?= c"), "a b  c");
    }

    #[test]
    fn transfer_encodings_are_read_tolerantly() {
        assert_eq!(base64(b"UmVqZWN\r\n0"), b"Reject");
        assert_eq!(base64(b"VA"), b"T");
        assert_eq!(quoted_printable(b"a=\r\nb=3D =\r\n\r\nc=ZZ"), b"ab= \nc=ZZ");
    }

    #[test]
    fn a_wrong_label_does_not_hide_the_text() {
        assert_eq!(charset_decode("退订".as_bytes(), Some("iso-8859-1")), "退订");
        assert_eq!(charset_decode(b"\xcd\xcb\xb6\xa9", Some("utf-8")), "退订");
        assert_eq!(charset_decode(b"\xcd\xcb\xb6\xa9", Some("gb2312")), "退订");
    }
}
