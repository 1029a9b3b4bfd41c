//! The message that `relent send` hands in: written here, or read from a file, as other verbs read theirs.

use super::client::Fault;
use crate::mail::{Address, Timestamp};
use data_encoding::BASE64;
use ring::rand::{SecureRandom, SystemRandom};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// The text, where none is given.
pub(super) const TEXT: &str = "This message tests a mail relay. There is nothing to do.";
/// Bytes of a subject in one encoded word, which has at most 75 characters (RFC 2047 §2).
const WORD: usize = 39;

/// A message in plain text, from and to these.
pub(super) fn write(from: &Address, to: &[Address], subject: &str, text: &str) -> Vec<u8> {
    let now = jiff::Timestamp::now().as_millisecond();
    let now = Timestamp(u64::try_from(now).unwrap_or(0));
    let mut drawn = [0; 12];
    // Without random bytes the moment alone must do.
    let _ = SystemRandom::new().fill(&mut drawn);
    let id: String = drawn.iter().map(|byte| format!("{byte:02x}")).collect();
    let to: Vec<String> = to.iter().map(|one| format!("<{one}>")).collect();
    let mut message = format!(
        "From: <{from}>\r\nTo: {}\r\nSubject: {}\r\nDate: {}\r\nMessage-ID: <{:x}.{id}@{}>\r\n\
         MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n\
         Content-Transfer-Encoding: base64\r\n\r\n",
        to.join(",\r\n "),
        encoded(subject),
        now.rfc5322(),
        now.0,
        from.domain(),
    );
    // In base64 no line of the text is too long, and no byte needs a word of the next server's.
    for line in BASE64.encode(lines(text.as_bytes()).as_slice()).as_bytes().chunks(76) {
        message.extend(line.iter().map(|byte| char::from(*byte)));
        message.push_str("\r\n");
    }
    message.into_bytes()
}

/// A subject as a header field has it: as it is, or in encoded words.
fn encoded(subject: &str) -> String {
    let plain = |c: char| c == ' ' || c.is_ascii_graphic();
    if subject.chars().all(plain) && subject.len() < 900 && !subject.contains("=?") {
        return subject.to_owned();
    }
    let mut words = vec![String::new()];
    for c in subject.chars().map(|c| if c.is_control() { ' ' } else { c }) {
        match words.last_mut() {
            Some(word) if word.len() + c.len_utf8() <= WORD => word.push(c),
            _ => words.push(c.into()),
        }
    }
    let word = |text: &String| format!("=?utf-8?B?{}?=", BASE64.encode(text.as_bytes()));
    words.iter().map(word).collect::<Vec<_>>().join("\r\n ")
}

/// Text whose lines end as in mail, however they ended before.
fn lines(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len() + text.len() / 32);
    let mut before = 0;
    for &byte in text {
        match (before, byte) {
            (b'\r', b'\n') => {}
            (_, b'\n' | b'\r') => out.extend(b"\r\n"),
            _ => out.push(byte),
        }
        before = byte;
    }
    if !out.ends_with(b"\r\n") {
        out.extend(b"\r\n");
    }
    out
}

/// The bytes of a file, `-` for standard input: one more than `size_max` at most, so that whoever reads them sees
/// that they are too many.
pub(super) fn bytes(file: &Path, size_max: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut take =
        |source: &mut dyn Read| source.take(size_max.saturating_add(1)).read_to_end(&mut bytes);
    if file == Path::new("-") {
        take(&mut io::stdin().lock())?;
    } else {
        take(&mut File::open(file)?)?;
    }
    Ok(bytes)
}

/// The bytes of a message, at most so many that the daemon can say that it is too large.
pub(super) fn message(file: &Path, size_max: u64) -> Result<Vec<u8>, Fault> {
    let unreadable =
        |fault: io::Error| Fault::Usage(format!("{} cannot be read: {fault}", file.display()));
    bytes(file, size_max).map_err(unreadable)
}

/// A whole message from a file, its lines ended as in mail.
pub(super) fn read(file: &Path, size_max: u64) -> Result<Vec<u8>, Fault> {
    let bytes = message(file, size_max)?;
    if bytes.len() as u64 > size_max {
        return Err(Fault::Refused(format!(
            "{} is larger than submission.message_size_max ({size_max} bytes)",
            file.display()
        )));
    }
    Ok(lines(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Address {
        Address::parse(text).expect("an address")
    }

    #[test]
    fn a_letter_says_from_whom_to_whom_and_what() {
        let to = [address("ann@reader.example"), address("bob@reader.example")];
        let letter = write(&address("test@acme.example"), &to, "Does it arrive?", "Grüße\n");
        let letter = String::from_utf8(letter).expect("ASCII");
        assert!(
            letter.starts_with("From: <test@acme.example>\r\nTo: <ann@reader.example>,\r\n <bob")
        );
        assert!(
            letter.contains("\r\nSubject: Does it arrive?\r\n") && letter.contains("\r\nDate: ")
        );
        let (_, body) = letter.split_once("\r\n\r\n").expect("a body");
        let body = BASE64.decode(body.replace("\r\n", "").as_bytes()).expect("base64");
        assert_eq!(body, "Grüße\r\n".as_bytes());
        assert!(letter.lines().all(|line| line.len() <= 100));
    }

    #[test]
    fn a_subject_smuggles_no_field_and_no_word_is_cut_in_a_character() {
        assert_eq!(encoded("plain"), "plain");
        let smuggled = encoded("x\r\nBcc: eve@x.example");
        assert!(!smuggled.contains("Bcc"), "{smuggled}");
        let long = "Überraschung für alle, die täglich Grüße schreiben: 測試郵件";
        let words = encoded(long);
        let mut whole = String::new();
        for word in words.split("\r\n ") {
            assert!(word.len() <= 75, "{word}");
            let inner = word.strip_prefix("=?utf-8?B?").and_then(|word| word.strip_suffix("?="));
            let bytes = BASE64.decode(inner.expect("an encoded word").as_bytes()).expect("base64");
            whole += std::str::from_utf8(&bytes).expect("whole characters");
        }
        assert_eq!(whole, long);
    }

    #[test]
    fn lines_end_as_in_mail_whoever_wrote_them() {
        assert_eq!(lines(b"a\nb\r\nc\rd"), b"a\r\nb\r\nc\r\nd\r\n");
        assert_eq!(lines(b"\n\n"), b"\r\n\r\n");
        assert_eq!(lines(b"a\r\n\r\nb"), b"a\r\n\r\nb\r\n");
    }
}
