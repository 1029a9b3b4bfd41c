//! Strict lines: only CRLF ends one. A bare CR, a bare LF or a NUL is refused, never repaired, since
//! two systems that disagree about where a line ends can be made to disagree about where a message
//! ends.

/// Longest command line, its CRLF included (RFC 5321 §4.5.3.1.4 asks for 512 and extensions add).
pub const COMMAND_LINE_MAX: usize = 4096;
/// Longest line of an AUTH exchange (RFC 4954 §4).
pub const AUTH_LINE_MAX: usize = 12_288;

/// What stands at the beginning of the input.
#[derive(Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// A whole line without its CRLF, and how many bytes of input it took.
    Whole(&'a [u8], usize),
    /// Not a whole line yet.
    Partial,
    /// A line with a bare CR or a NUL inside; so many bytes are to be passed over.
    Malformed(usize),
    /// Ended by a bare LF: what follows may not be a command, so nothing more is read.
    BareLf,
    /// No line end within the limit.
    TooLong,
}

/// Takes the first line of the input.
#[must_use]
pub fn take(input: &[u8], limit: usize) -> Line<'_> {
    let Some(end) = input.iter().take(limit).position(|&b| b == b'\n') else {
        return if input.len() >= limit { Line::TooLong } else { Line::Partial };
    };
    match input[..end].split_last() {
        Some((b'\r', text)) if !text.iter().any(|b| matches!(b, b'\r' | 0)) => {
            Line::Whole(text, end + 1)
        }
        Some((b'\r', _)) => Line::Malformed(end + 1),
        _ => Line::BareLf,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_crlf_ends_a_line() {
        assert_eq!(take(b"NOOP\r\nQUIT\r\n", 512), Line::Whole(b"NOOP", 6));
        assert_eq!(take(b"NOOP\r", 512), Line::Partial);
        assert_eq!(take(b"NOOP\nQUIT\r\n", 512), Line::BareLf);
        assert_eq!(take(b"NO\rOP\r\n", 512), Line::Malformed(7));
        assert_eq!(take(b"NO\0OP\r\n", 512), Line::Malformed(7));
        assert_eq!(take(b"NOOP\r\r\n", 512), Line::Malformed(7));
        assert_eq!(take(b"\n", 512), Line::BareLf);
        assert_eq!(take(&[b'a'; 512], 512), Line::TooLong);
    }
}
