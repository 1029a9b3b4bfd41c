//! Transfer encodings (RFC 2045 §6) without complaint: what mail in the field writes is read as far as
//! it can be.

use data_encoding::{BASE64_NOPAD, Encoding, Specification};
use std::sync::LazyLock;

/// How a part's body was made fit for the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transfer {
    /// As it is.
    Plain,
    /// RFC 2045 §6.8.
    Base64,
    /// RFC 2045 §6.7.
    QuotedPrintable,
}

impl Transfer {
    /// By the value of `Content-Transfer-Encoding`; an unknown one changes nothing.
    #[must_use]
    pub fn named(value: &str) -> Self {
        let value = value.trim().to_ascii_lowercase();
        if value.starts_with("base64") {
            Self::Base64
        } else if value.starts_with("quoted-printable") {
            Self::QuotedPrintable
        } else {
            Self::Plain
        }
    }

    /// The body without it.
    #[must_use]
    pub fn undone(self, body: &[u8]) -> Vec<u8> {
        match self {
            Self::Base64 => base64(body),
            Self::QuotedPrintable => quoted_printable(body),
            Self::Plain => body.to_vec(),
        }
    }
}

/// Base64 whose padding may be missing. What is no digit is passed over, but once something was read a
/// line that is no base64 ends it: lists append their footer in plain text.
#[must_use]
pub fn base64(bytes: &[u8]) -> Vec<u8> {
    static TOLERANT: LazyLock<Encoding> = LazyLock::new(|| {
        let mut specification: Specification = BASE64_NOPAD.specification();
        specification.check_trailing_bits = false;
        specification.encoding().expect("the standard alphabet is a valid one")
    });
    let is_digit = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/');
    let mut out = Vec::with_capacity(bytes.len() / 4 * 3);
    let mut digits = Vec::new();
    let end_run = |digits: &mut Vec<u8>, out: &mut Vec<u8>| {
        if digits.len() % 4 == 1 {
            digits.pop();
        }
        out.extend(TOLERANT.decode(digits).unwrap_or_default());
        digits.clear();
    };
    for line in bytes.split(|&b| b == b'\n').map(<[u8]>::trim_ascii) {
        let begun = !(out.is_empty() && digits.is_empty());
        if begun && line.iter().any(|&b| !is_digit(b) && b != b'=') {
            break;
        }
        for &byte in line {
            if is_digit(byte) {
                digits.push(byte);
            } else if byte == b'=' {
                // Padding in the middle ends one run of digits and begins another.
                end_run(&mut digits, &mut out);
            }
        }
    }
    end_run(&mut digits, &mut out);
    out
}

/// Quoted-printable whose broken escapes stay as they are.
#[must_use]
pub fn quoted_printable(bytes: &[u8]) -> Vec<u8> {
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
            let pair = pair.filter(|pair| pair.iter().all(u8::is_ascii_hexdigit));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transfer_encodings_are_read_tolerantly() {
        assert_eq!(base64(b"UmVqZWN\r\n0"), b"Reject");
        assert_eq!(base64(b"VA"), b"T");
        assert_eq!(base64(b"VA==UmVqZWN0"), b"TReject");
        assert_eq!(quoted_printable(b"a=\r\nb=3D =\r\n\r\nc=ZZ"), b"ab= \nc=ZZ");
        assert_eq!(quoted_printable(b"=e9=C3=A=+9=\t\r\nx="), b"\xe9\xc3=A=+9x");
    }

    #[test]
    fn a_footer_in_plain_text_after_base64_is_not_decoded() {
        let body = b"UmVqZWN0\r\n\r\n____________\r\nUsers mailing list\r\n";
        assert_eq!(base64(body), b"Reject");
    }
}
