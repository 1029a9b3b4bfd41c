//! A text and a page as a message: structure, charset and transfer encoding.

use super::message::Chance;
use data_encoding::BASE64;
use encoding_rs::Encoding;
use std::fmt::Write;

/// The bytes of a text in a charset; `None` where it cannot hold them.
pub(super) fn encoded(text: &str, charset: &str) -> Option<Vec<u8>> {
    match charset {
        "utf-8" => Some(text.as_bytes().to_vec()),
        "us-ascii" => text.is_ascii().then(|| text.as_bytes().to_vec()),
        "utf-16" => {
            let units = std::iter::once(0xfeff).chain(text.encode_utf16());
            Some(units.flat_map(u16::to_le_bytes).collect())
        }
        "utf-7" => Some(utf7(text)),
        "hz-gb-2312" => hz(text),
        name => {
            let name = match name {
                "ks_c_5601-1987" | "cp949" => "euc-kr",
                name => name,
            };
            let (bytes, _, failed) = Encoding::for_label(name.as_bytes())?.encode(text);
            (!failed).then(|| bytes.into_owned())
        }
    }
}

fn utf7(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut wide: Vec<u8> = Vec::new();
    let flush = |wide: &mut Vec<u8>, out: &mut Vec<u8>| {
        if !wide.is_empty() {
            out.push(b'+');
            out.extend(data_encoding::BASE64_NOPAD.encode(wide).bytes());
            out.push(b'-');
            wide.clear();
        }
    };
    for c in text.chars() {
        if c.is_ascii() && c != '+' {
            flush(&mut wide, &mut out);
            out.push(c as u8);
        } else {
            let mut units = [0; 2];
            wide.extend(c.encode_utf16(&mut units).iter().flat_map(|unit| unit.to_be_bytes()));
        }
    }
    flush(&mut wide, &mut out);
    out
}

fn hz(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut wide = false;
    for c in text.chars() {
        if c.is_ascii() {
            out.extend(if wide { &b"~}"[..] } else { b"" });
            wide = false;
            out.extend(if c == '~' { &b"~~"[..] } else { b"" });
            out.extend((c != '~').then_some(c as u8));
            continue;
        }
        let text = c.to_string();
        let (bytes, _, failed) = encoding_rs::GBK.encode(&text);
        if failed || bytes.iter().any(|&byte| byte < 0xa1) {
            return None;
        }
        out.extend(if wide { &b""[..] } else { b"~{" });
        wide = true;
        out.extend(bytes.iter().map(|byte| byte & 0x7f));
    }
    out.extend(if wide { &b"~}"[..] } else { b"" });
    Some(out)
}

fn quoted_printable(bytes: &[u8]) -> String {
    let mut out = String::new();
    for line in bytes.split(|&b| b == b'\n') {
        let mut column = 0;
        for (at, &byte) in line.iter().enumerate() {
            let last = at + 1 == line.len();
            let plain = byte.is_ascii_graphic() && byte != b'=' || byte == b' ' && !last;
            let size = if plain { 1 } else { 3 };
            if column + size > 75 {
                out.push_str("=\r\n");
                column = 0;
            }
            if plain {
                out.push(char::from(byte));
            } else {
                write!(out, "={byte:02X}").expect("a string grows");
            }
            column += size;
        }
        out.push_str("\r\n");
    }
    out
}

/// A body for the wire, and the name of its transfer encoding.
fn transferred(bytes: &[u8], wide: bool, chance: &mut Chance) -> (Vec<u8>, &'static str) {
    match chance.below(if wide { 1 } else { 4 }) {
        0 => {
            let lines = BASE64.encode(bytes);
            let columns = *chance.of(&[76, 64, 998]);
            let lines: Vec<&str> = lines
                .as_bytes()
                .chunks(columns)
                .filter_map(|l| std::str::from_utf8(l).ok())
                .collect();
            let mut lines = lines.join("\r\n");
            if chance.percent(15) {
                lines.truncate(lines.trim_end_matches('=').len());
            }
            (lines.into_bytes(), "base64")
        }
        1 => (quoted_printable(bytes).into_bytes(), "quoted-printable"),
        _ => {
            let text = bytes.split(|&b| b == b'\n').collect::<Vec<_>>().join(&b"\r\n"[..]);
            let name = if bytes.is_ascii() { "7bit" } else { "8bit" };
            (text, name)
        }
    }
}

fn part(kind: &str, text: &str, charset: &str, chance: &mut Chance) -> Option<Vec<u8>> {
    let bytes = encoded(text, charset)?;
    let (body, transfer) = transferred(&bytes, charset == "utf-16", chance);
    // Some labels are missing or wrong.
    let label = match chance.below(20) {
        0 if charset == "utf-8" => String::new(),
        1 if charset == "gbk" => "; charset=gb2312".to_owned(),
        2 if charset == "utf-8" => "; charset=us-ascii".to_owned(),
        _ => format!("; charset=\"{charset}\""),
    };
    let head =
        format!("Content-Type: {kind}{label}\r\nContent-Transfer-Encoding: {transfer}\r\n\r\n");
    Some([head.as_bytes(), &body, b"\r\n"].concat())
}

fn multipart(kind: &str, boundary: &str, parts: &[Vec<u8>]) -> Vec<u8> {
    let mut out =
        format!("Content-Type: multipart/{kind}; boundary=\"{boundary}\"\r\n\r\n").into_bytes();
    for part in parts {
        out.extend(format!("--{boundary}\r\n").bytes());
        out.extend(part);
        out.extend(b"\r\n");
    }
    out.extend(format!("--{boundary}--\r\n").bytes());
    out
}

fn header_text(text: &str, charset: &str, chance: &mut Chance) -> String {
    if text.is_ascii() && !text.contains("=?") {
        return text.to_owned();
    }
    let charset =
        if ["utf-16", "utf-7", "hz-gb-2312"].contains(&charset) { "utf-8" } else { charset };
    let (bytes, charset) = encoded(text, charset)
        .map_or_else(|| (text.as_bytes().to_vec(), "utf-8"), |bytes| (bytes, charset));
    // Cut anywhere, as many clients do; a charset with states cannot be.
    let cut = if charset == "iso-2022-jp" { bytes.len() } else { 1 + chance.below(bytes.len()) };
    let words =
        bytes.chunks(cut.max(8)).map(|piece| format!("=?{charset}?B?{}?=", BASE64.encode(piece)));
    words.collect::<Vec<_>>().join("\r\n ")
}

/// The message, and the charset it came to be in.
pub(super) fn wrapped(
    subject: &str,
    text: &str,
    page: Option<&str>,
    charset: &str,
    chance: &mut Chance,
) -> (Vec<u8>, String) {
    let form = chance.below(4);
    let made = |charset: &str, chance: &mut Chance| {
        let plain = part("text/plain", text, charset, chance)?;
        let Some(page) = page else {
            return Some(if form == 0 { multipart("mixed", "=_m", &[plain]) } else { plain });
        };
        // A page can name what its charset does not hold.
        let html = part("text/html", page, charset, chance)?;
        Some(match form {
            0 => plain,
            1 => html,
            2 => multipart("alternative", "=_a", &[plain, html]),
            _ => {
                let inner = multipart("alternative", "----=_Part_1", &[plain, html]);
                let image =
                    b"Content-Type: image/png; name=x.png\r\nContent-Transfer-Encoding: base64\r\n\
                    Content-ID: <x>\r\n\r\niVBORw0KGgo=\r\n"
                        .to_vec();
                multipart("related", "=_r", &[inner, image])
            }
        })
    };
    let (body, charset) = made(charset, chance).map_or_else(
        || (made("utf-8", chance).expect("UTF-8 holds every text"), "utf-8"),
        |body| (body, charset),
    );
    let subject = header_text(subject, charset, chance);
    let head = format!(
        "From: Ann <ann@b.example>\r\nTo: news@shop.example\r\nSubject: {subject}\r\n\
         Date: Tue, 2 Jan 2024 10:00:00 +0000\r\nMessage-ID: <17@b.example>\r\nMIME-Version: 1.0\r\n"
    );
    ([head.into_bytes(), body].concat(), charset.to_owned())
}
