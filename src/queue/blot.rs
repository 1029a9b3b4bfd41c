//! Tokens in a message that goes to its sender, back or in an answer, are made unreadable, also where quoted-printable
//! breaks them or base64 hides them. Only what opens as a token of ours is touched: to anything else,
//! such as an attachment, a guess would do harm. What is compressed or encrypted cannot be seen.

use crate::mail::transfer::base64;
use data_encoding::BASE64;

/// Lengths of tokens without their prefix: `r-` and `u-`, and those that undo.
const LENGTHS: [usize; 2] = [61, 55];
/// Shortest block of base64 that can hold a token.
const BLOCK_MIN: usize = 72;
/// Deepest base64 within base64 that is looked into.
const DEPTH_MAX: u32 = 3;
/// Columns of a line of base64 (RFC 2045 §6.8).
const LINE: usize = 76;
/// What stands in place of a part that held a token.
const NOTE: &[u8] =
    b"(This part held an address that acts for its recipient, and is left out.)\r\n";

/// Makes tokens in a body unreadable.
pub(crate) fn blot(body: &mut Vec<u8>, is_ours: &impl Fn(&str) -> bool) {
    plain(body, is_ours);
    quoted(body, is_ours);
    encoded(body, is_ours, DEPTH_MAX);
}

/// Where the tokens of ours stand in a text, without their prefixes.
fn tokens(text: &[u8], is_ours: &impl Fn(&str) -> bool) -> Vec<std::ops::Range<usize>> {
    let is_base32 = |b: &u8| b.is_ascii_alphabetic() || (b'2'..=b'7').contains(b);
    let mut found = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let end = at + text[at..].iter().take_while(|b| is_base32(b)).count();
        // In a link within a link, as some mail scanners write them, `%2F` stands before it.
        let escaped = at > 0 && text[at - 1] == b'%';
        let begin = if escaped { (at + 2).min(end) } else { at };
        if LENGTHS.contains(&(end - begin)) {
            let prefixed = begin == at && at >= 2 && text[at - 1] == b'-';
            let start = if prefixed { at - 2 } else { begin };
            if std::str::from_utf8(&text[start..end]).is_ok_and(is_ours) {
                found.push(begin..end);
            }
        }
        at = end + 1;
    }
    found
}

fn plain(body: &mut [u8], is_ours: &impl Fn(&str) -> bool) {
    for token in tokens(body, is_ours) {
        body[token].fill(b'x');
    }
}

/// The same where lines are broken by `=` and characters stand as `=3D`: what the text says is looked
/// through, and what stands for it is overwritten, each octet in its own form.
fn quoted(body: &mut [u8], is_ours: &impl Fn(&str) -> bool) {
    if !body.contains(&b'=') {
        return;
    }
    let (mut said, mut places) = (Vec::with_capacity(body.len()), Vec::with_capacity(body.len()));
    let mut at = 0;
    while at < body.len() {
        let rest = &body[at..];
        if let Some(length) = soft_break(rest) {
            at += length;
            continue;
        }
        let value = match rest {
            [b'=', high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                let digit = |b: &u8| char::from(*b).to_digit(16).and_then(|d| u8::try_from(d).ok());
                digit(high).zip(digit(low)).map(|(high, low)| high << 4 | low)
            }
            _ => None,
        };
        said.push(value.unwrap_or(rest[0]));
        places.push(at);
        at += if value.is_some() { 3 } else { 1 };
    }
    for token in tokens(&said, is_ours) {
        for &place in &places[token] {
            if body[place] == b'=' {
                body[place + 1..place + 3].copy_from_slice(b"78");
            } else {
                body[place] = b'x';
            }
        }
    }
}

/// The length of a soft line break (RFC 2045 §6.7), blanks before its CRLF included.
fn soft_break(rest: &[u8]) -> Option<usize> {
    let after = rest.strip_prefix(b"=")?;
    let blanks = after.iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
    after[blanks..].starts_with(b"\r\n").then_some(1 + blanks + 2)
}

/// The same where base64 hides them in a block of lines that hold nothing but base64: it is encoded anew
/// without them. Where they are hidden deeper than that, base64 of a note stands in its place.
fn encoded(body: &mut Vec<u8>, is_ours: &impl Fn(&str) -> bool, depth: u32) {
    let mut out: Option<Vec<u8>> = None;
    let mut kept = 0;
    for block in blocks(body) {
        let mut decoded = base64(&body[block.clone()]);
        if !holds(&decoded, is_ours, depth) {
            continue;
        }
        plain(&mut decoded, is_ours);
        let left = if holds(&decoded, is_ours, depth) { NOTE } else { &decoded };
        let out = out.get_or_insert_with(|| Vec::with_capacity(body.len()));
        out.extend_from_slice(&body[kept..block.start]);
        for line in BASE64.encode(left).as_bytes().chunks(LINE) {
            out.extend_from_slice(line);
            out.extend_from_slice(b"\r\n");
        }
        kept = block.end;
    }
    if let Some(mut out) = out {
        out.extend_from_slice(&body[kept..]);
        *body = out;
    }
}

/// Whether a token can be read in what was encoded, in UTF-16 too.
fn holds(text: &[u8], is_ours: &impl Fn(&str) -> bool, depth: u32) -> bool {
    if !tokens(text, is_ours).is_empty() {
        return true;
    }
    if text.contains(&0) {
        let narrow: Vec<u8> = text.iter().copied().filter(|byte| *byte != 0).collect();
        if !tokens(&narrow, is_ours).is_empty() {
            return true;
        }
    }
    depth > 0
        && (blocks(text)
            .iter()
            .any(|block| holds(&base64(&text[block.clone()]), is_ours, depth - 1))
            || {
                let mut copy = text.to_vec();
                quoted(&mut copy, is_ours);
                copy != text
            })
}

/// Blocks of lines that hold nothing but base64.
fn blocks(body: &[u8]) -> Vec<std::ops::Range<usize>> {
    let is_digit = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=');
    let mut found: Vec<std::ops::Range<usize>> = Vec::new();
    let mut open = false;
    let mut at = 0;
    for line in body.split_inclusive(|&b| b == b'\n') {
        let content = line.trim_ascii_end();
        if !content.is_empty() && content.iter().all(is_digit) {
            match found.last_mut() {
                Some(block) if open => block.end = at + line.len(),
                _ => found.push(at..at + line.len()),
            }
            open = true;
        } else {
            open = false;
        }
        at += line.len();
    }
    found.retain(|block| block.len() >= BLOCK_MIN);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token() -> String {
        "abcdefghijklmnopqrstuvwxyz234567".repeat(2)[..61].to_owned()
    }

    fn blotted(body: &str) -> String {
        let own = [format!("r-{}", token()), token()[..55].to_owned()];
        let mut body = body.as_bytes().to_vec();
        blot(&mut body, &|text: &str| own.contains(&text.to_ascii_lowercase()));
        String::from_utf8(body).expect("text")
    }

    #[test]
    fn only_tokens_of_ours_are_blotted_out_of_a_body() {
        let (token, own) = (token(), format!("r-{}", token()));
        let written = format!("To: {own}@r.example\r\n{token} {token}a é {own}");
        let expected = written.replace(&own, &format!("r-{}", "x".repeat(61)));
        assert_eq!(blotted(&written), expected);
        assert_eq!(blotted(&token[..55]), "x".repeat(55));
        let within = format!("?url=https%3A%2F%2Fr.example%2Fc%2F{}&x", &token[..55]);
        assert_eq!(blotted(&within), within.replace(&token[..55], &"x".repeat(55)));
    }

    #[test]
    fn what_holds_no_token_of_ours_comes_back_byte_for_byte() {
        let mut seed = 7_u32;
        for _ in 0..300 {
            let any = b"abZ27=\r\n -+/\xc3\x00";
            let octets = (0..400).map(|_| {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                any[(seed >> 16) as usize % any.len()]
            });
            let body: Vec<u8> = octets.collect();
            let mut left = body.clone();
            blot(&mut left, &|_: &str| false);
            assert_eq!(left, body);
        }
    }

    #[test]
    fn a_token_broken_by_quoted_printable_is_blotted_out() {
        let token = token();
        let (head, tail) = token.split_at(20);
        for written in [
            format!("<a href=3D\"r-{head}=\r\n{tail}@r.example\">"),
            format!("r=2D{head}= \t\r\n{}=3{}x", &tail[..40], "7"),
            format!("=72-{head}{tail}=40"),
        ] {
            let expected = blotted(&written);
            if written.contains("=37x") {
                assert_eq!(written, expected, "it is no token of ours");
                continue;
            }
            assert!(
                !expected.contains(&head[..10]) && !expected.contains(&tail[..10]),
                "{expected}"
            );
            assert_eq!(expected.len(), written.len());
        }
        let coded: String = token.bytes().map(|b| format!("={b:02X}")).collect();
        assert_eq!(blotted(&format!("r-{coded}")), format!("r-{}", "=78".repeat(61)));
        let harmless = "a=3Db=\r\nc=ZZ=\r\n";
        assert_eq!(blotted(harmless), harmless);
    }

    #[test]
    fn a_part_in_base64_that_holds_a_token_is_encoded_without_it_or_gives_way_to_a_note() {
        let lines = |bytes: &[u8]| -> String {
            let text = BASE64.encode(bytes);
            text.as_bytes()
                .chunks(76)
                .map(|l| format!("{}\r\n", String::from_utf8_lossy(l)))
                .collect()
        };
        let inside =
            format!("Answer to r-{}@r.example, or not at all. {}", token(), "é".repeat(50));
        let wide: Vec<u8> = inside.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let nested =
            format!("Content-Transfer-Encoding: base64\r\n\r\n{}", lines(inside.as_bytes()));
        let broken = format!("r-{}=\r\n{}", &token()[..9], &token()[9..]);
        let without = inside.replace(&token(), &"x".repeat(61));
        for (hidden, left_over) in [
            (inside.as_bytes(), without.as_bytes()),
            (&wide, NOTE),
            (nested.as_bytes(), NOTE),
            (broken.as_bytes(), NOTE),
        ] {
            let other = lines(&[7; 200]);
            let body = format!("--b\r\n\r\n{}--b\r\n\r\n{other}--b--\r\n", lines(hidden));
            let left = blotted(&body);
            assert_eq!(left, format!("--b\r\n\r\n{}--b\r\n\r\n{other}--b--\r\n", lines(left_over)));
        }
        let harmless = format!("--b\r\n\r\n{}--b--\r\n", lines(&[b'a'; 500]));
        assert_eq!(blotted(&harmless), harmless);
    }
}
