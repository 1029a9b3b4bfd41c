//! Charsets: bytes as the text that their label means, or that they give away where the label is wrong,
//! and the encoded words of header fields (RFC 2047).

use super::transfer::{base64, quoted_printable};
use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{EUC_KR, Encoding, GB18030, ISO_2022_JP, UTF_8, WINDOWS_1252};

/// Longest value of a field that is decoded, in bytes.
pub const VALUE_MAX: usize = 8192;

/// Fewest bytes beyond ASCII by which a charset is guessed.
const GUESSED_MIN: usize = 16;
/// Most bytes by which it is guessed.
const GUESSED_MAX: usize = 16 << 10;

/// The decoder for a charset's name as mail uses it, which is often a smaller name than what is meant.
fn decoder(name: &str) -> Option<&'static Encoding> {
    match name {
        "gb2312" | "gbk" | "gb_2312-80" | "cp936" | "x-gbk" => Some(GB18030),
        "ks_c_5601-1987" | "ks_c_5601" | "cp949" | "ms949" => Some(EUC_KR),
        "iso-2022-jp-ms" | "cp50221" | "cp50220" => Some(ISO_2022_JP),
        "cp950" | "x-big5" => Some(encoding_rs::BIG5),
        "cp932" | "ms932" => Some(encoding_rs::SHIFT_JIS),
        "eucjp" | "cp51932" | "eucjp-ms" => Some(encoding_rs::EUC_JP),
        "utf8" | "us-ascii" | "ascii" | "unicode-1-1-utf-8" | "cp65001" => Some(UTF_8),
        name => Encoding::for_label_no_replacement(name.as_bytes()),
    }
}

/// Text in the charset that its label names, or in the one that its bytes give away.
#[must_use]
pub fn charset_decode(bytes: &[u8], label: Option<&str>) -> String {
    let name = label.unwrap_or_default().trim().trim_matches(['"', '\'']).to_ascii_lowercase();
    match name.as_str() {
        "utf-7" | "utf7" | "unicode-1-1-utf-7" if bytes.is_ascii() => return utf7(bytes),
        "hz-gb-2312" | "hz" if bytes.is_ascii() => return hz(bytes),
        "hz-gb-2312" | "hz" => return GB18030.decode_without_bom_handling(bytes).0.into_owned(),
        _ => {}
    }
    if let Some(text) = utf16(bytes, &name) {
        return text;
    }
    let known = decoder(&name).unwrap_or(UTF_8);
    if (known == UTF_8 || known == ISO_2022_JP)
        && let Some(text) = shifted(bytes)
    {
        return text;
    }
    // Text that happens to be UTF-8 is no text of a charset of single bytes or of seven bits.
    let narrow = known.is_single_byte() || known == ISO_2022_JP;
    if let Ok(text) = std::str::from_utf8(bytes)
        && (known == UTF_8 || narrow && !text.is_ascii() || text.chars().any(|c| c.len_utf8() > 2))
    {
        return text.to_owned();
    }
    let guessed = if known == UTF_8 { guessed(bytes) } else { None };
    for candidate in guessed.into_iter().chain([known, GB18030]) {
        if let Some(text) = candidate.decode_without_bom_handling_and_without_replacement(bytes) {
            return text.into_owned();
        }
    }
    let last = if label.is_none() || known == UTF_8 { lossy(bytes) } else { known };
    last.decode_without_bom_handling(bytes).0.into_owned()
}

/// UTF-16 by its label, or by the mark that it begins with; without a mark the zeros of plain letters tell
/// which byte comes first.
fn utf16(bytes: &[u8], name: &str) -> Option<String> {
    let (big, rest) = match bytes {
        [0xfe, 0xff, rest @ ..] => (true, rest),
        [0xff, 0xfe, rest @ ..] => (false, rest),
        rest if matches!(
            name,
            "utf-16" | "utf16" | "utf-16be" | "utf-16le" | "ucs-2" | "unicode"
        ) =>
        {
            let zeros = |odd: usize| rest.iter().skip(odd).step_by(2).filter(|&&b| b == 0).count();
            let big = match name {
                "utf-16be" => zeros(0) >= zeros(1),
                "utf-16le" => zeros(0) > zeros(1),
                _ => zeros(0) >= zeros(1),
            };
            (big, rest)
        }
        _ => return None,
    };
    let decoder = if big { encoding_rs::UTF_16BE } else { encoding_rs::UTF_16LE };
    Some(decoder.decode_without_bom_handling(rest).0.into_owned())
}

/// The charset that bytes give away which are not in the one of their label: only where there are enough of
/// them to tell one from another.
fn guessed(bytes: &[u8]) -> Option<&'static Encoding> {
    let bytes = &bytes[..bytes.len().min(GUESSED_MAX)];
    if std::str::from_utf8(bytes).is_ok()
        || bytes.iter().filter(|b| !b.is_ascii()).count() < GUESSED_MIN
    {
        return None;
    }
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    detector.feed(bytes, true);
    let found = detector.guess(None, Utf8Detection::Allow);
    (found != UTF_8).then_some(found)
}

/// UTF-8 cut short stays UTF-8; else single bytes.
fn lossy(bytes: &[u8]) -> &'static Encoding {
    let broken = String::from_utf8_lossy(bytes).matches('\u{fffd}').count();
    if broken * 20 < bytes.len() { UTF_8 } else { WINDOWS_1252 }
}

/// Text that says by its escapes that it is Japanese or Korean (RFC 1468, RFC 1557), whatever its label.
fn shifted(bytes: &[u8]) -> Option<String> {
    if !bytes.is_ascii() || !bytes.contains(&0x1b) {
        return None;
    }
    if bytes.windows(4).any(|four| four == b"\x1b$)C") {
        let mut wide = false;
        let mut out = Vec::with_capacity(bytes.len());
        let mut rest = bytes;
        while let Some((&byte, after)) = rest.split_first() {
            rest = after;
            match byte {
                0x0e => wide = true,
                0x0f => wide = false,
                0x1b if after.starts_with(b"$)C") => rest = &after[3..],
                b'\n' => {
                    wide = false;
                    out.push(byte);
                }
                byte if wide && byte > 0x20 => out.push(byte | 0x80),
                byte => out.push(byte),
            }
        }
        return Some(EUC_KR.decode_without_bom_handling(&out).0.into_owned());
    }
    let escaped = bytes.windows(3).any(|three| matches!(three, b"\x1b$B" | b"\x1b$@"));
    escaped.then(|| ISO_2022_JP.decode_without_bom_handling(bytes).0.into_owned())
}

/// UTF-7 (RFC 2152): UTF-16 in base64 between `+` and `-`.
fn utf7(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'+' {
            out.push(char::from(byte));
            continue;
        }
        let is_digit = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/');
        let length = rest.iter().take_while(|b| is_digit(b)).count();
        let wide = base64(&rest[..length]);
        let units: Vec<u16> =
            wide.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
        out.push_str(&String::from_utf16_lossy(&units));
        rest = &rest[length..];
        if length == 0 && rest.starts_with(b"-") {
            out.push('+');
        }
        rest = rest.strip_prefix(b"-").unwrap_or(rest);
    }
    out
}

/// HZ (RFC 1843): GB 2312 in seven bits between `~{` and `~}`.
fn hz(bytes: &[u8]) -> String {
    let mut out = Vec::with_capacity(bytes.len());
    let mut wide = false;
    let mut rest = bytes;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        match (byte, after.first()) {
            (b'~', Some(b'{')) => wide = true,
            (b'~', Some(b'}')) => wide = false,
            (b'~', Some(b'~')) if !wide => out.push(b'~'),
            (b'~', Some(b'\n')) if !wide => {}
            (b'\n', _) => {
                wide = false;
                out.push(byte);
                continue;
            }
            _ => {
                out.push(if wide && byte > 0x20 { byte | 0x80 } else { byte });
                continue;
            }
        }
        rest = &after[1..];
    }
    GB18030.decode_without_bom_handling(&out).0.into_owned()
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
#[must_use]
pub fn encoded_words(value: &[u8]) -> String {
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

/// Longest encoded word (RFC 2047 §2), in bytes.
const WORD_MAX: usize = 75;

/// A text as an unstructured field's value holds it in ASCII: as it is, or as encoded words in UTF-8, none
/// of which cuts a character, on lines of their own.
#[must_use]
pub fn encoded(text: &str) -> String {
    encoded_within(text, WORD_MAX)
}

/// The same with words of at most so many bytes, where the field's name stands before the first.
#[must_use]
pub fn encoded_within(text: &str, word_max: usize) -> String {
    const BEGIN: &str = "=?utf-8?B?";
    const END: &str = "?=";
    if text.is_ascii() && !text.contains("=?") {
        return text.to_owned();
    }
    // Three bytes become four characters.
    let most = (word_max - BEGIN.len() - END.len()) / 4 * 3;
    let mut words = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let (word, after) = rest.split_at(rest.floor_char_boundary(most));
        words.push(format!("{BEGIN}{}{END}", data_encoding::BASE64.encode(word.as_bytes())));
        rest = after;
    }
    words.join("\r\n ")
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
    fn what_is_written_in_encoded_words_is_read_again() {
        for text in ["Hello", "退订".repeat(40).as_str(), "Zurück =?x", "=?utf-8?Q?a?="] {
            let written = encoded(text);
            assert!(
                written.is_ascii() && written.split("\r\n").all(|line| line.len() <= 76),
                "{written}"
            );
            assert_eq!(encoded_words(written.replace("\r\n", "").as_bytes()), text);
        }
    }

    #[test]
    fn a_wrong_label_does_not_hide_the_text() {
        assert_eq!(charset_decode("退订".as_bytes(), Some("iso-8859-1")), "退订");
        assert_eq!(charset_decode("désabonner".as_bytes(), Some("windows-1252")), "désabonner");
        assert_eq!(charset_decode("退会".as_bytes(), Some("iso-2022-jp")), "退会");
        assert_eq!(charset_decode(b"\xcd\xcb\xb6\xa9", Some("utf-8")), "退订");
        assert_eq!(charset_decode(b"\xcd\xcb\xb6\xa9", Some("gb2312")), "退订");
    }

    #[test]
    fn text_in_seven_bits_is_read() {
        for label in [Some("us-ascii"), Some("utf-8"), Some("iso-2022-jp"), None] {
            assert_eq!(charset_decode(b"\x1b$BG[?.Dd;_\x1b(B", label), "配信停止");
        }
        let korean = b"\x1b$)C\r\n\x0e<v=E0E:N\x0f\r\n";
        assert_eq!(charset_decode(korean, Some("iso-2022-kr")).trim(), "수신거부");
        assert_eq!(charset_decode(b"+kACLog- a+-b", Some("UTF-7")), "退订 a+b");
        assert_eq!(charset_decode(b"~{MK6)~} a~~b", Some("hz-gb-2312")), "退订 a~b");
    }
}
