//! The client's half of the protocol: replies read within limits, what a server offers, dots stuffed,
//! chunks cut.
//!
//! All that a server may say is bounded: a line by [`LINE_MAX`], a reply by [`LINES_MAX`] and
//! [`REPLY_MAX`], and the time of each whole reply, however it trickles, by the timeouts of
//! `[delivery]`.

use crate::mail::{Reply, Status};

/// Longest line of a reply, in bytes.
const LINE_MAX: usize = 2 << 10;
/// Most lines of one reply.
const LINES_MAX: usize = 100;
/// Most bytes of one reply. The largest honest ones, to EHLO, have a few hundred.
const REPLY_MAX: usize = 8 << 10;

/// What a server said is no reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReplyFault {
    /// A line, or all of it, is too long.
    #[error("the server's reply is longer than any reply may be")]
    TooLong,
    /// No three digits, or other digits than the line before.
    #[error("the server's reply is not SMTP")]
    Malformed,
}

/// Reads replies from bytes as they come.
#[derive(Debug, Default)]
pub struct ReplyParser {
    line: Vec<u8>,
    code: Option<u16>,
    status: Option<Status>,
    lines: Vec<String>,
    length: usize,
}

impl ReplyParser {
    /// At the start of a reply.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes bytes up to the end of a reply: how many, and the reply where it is complete.
    ///
    /// # Errors
    /// [`ReplyFault`]; the connection is then of no more use.
    pub fn feed(&mut self, bytes: &[u8]) -> Result<(usize, Option<Reply>), ReplyFault> {
        for (place, &byte) in bytes.iter().enumerate() {
            self.length += 1;
            if self.length > REPLY_MAX || self.line.len() >= LINE_MAX {
                return Err(ReplyFault::TooLong);
            }
            if byte != b'\n' {
                self.line.push(byte);
                continue;
            }
            if let Some(reply) = self.end_of_line()? {
                return Ok((place + 1, Some(reply)));
            }
        }
        Ok((bytes.len(), None))
    }

    fn end_of_line(&mut self) -> Result<Option<Reply>, ReplyFault> {
        let line = std::mem::take(&mut self.line);
        let line = line.strip_suffix(b"\r").unwrap_or(&line);
        let (digits, rest) = line.split_first_chunk::<3>().ok_or(ReplyFault::Malformed)?;
        if !digits.iter().all(u8::is_ascii_digit) || !(b'2'..=b'5').contains(&digits[0]) {
            return Err(ReplyFault::Malformed);
        }
        let code = digits.iter().fold(0, |code, digit| code * 10 + u16::from(digit - b'0'));
        if self.code.is_some_and(|before| before != code) || self.lines.len() >= LINES_MAX {
            return Err(ReplyFault::Malformed);
        }
        self.code = Some(code);
        let more = match rest.first() {
            None | Some(b' ') => false,
            Some(b'-') => true,
            Some(_) => return Err(ReplyFault::Malformed),
        };
        let text = String::from_utf8_lossy(rest.get(1..).unwrap_or_default()).into_owned();
        let first = text.split(' ').next().unwrap_or_default();
        let status = first.parse::<Status>().ok();
        let status = status.filter(|status| u16::from(status.class) == code / 100);
        let text = match status {
            Some(_) => text[first.len()..].trim_start().to_owned(),
            None => text,
        };
        self.status = self.status.or(status);
        self.lines.push(text);
        if more {
            return Ok(None);
        }
        let whole = std::mem::take(self);
        let mut reply = Reply::plain(code, whole.lines);
        reply.status = whole.status;
        Ok(Some(reply))
    }
}

/// What a server offers in its reply to EHLO.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools)]
pub struct Capabilities {
    /// STARTTLS (RFC 3207).
    pub starttls: bool,
    /// PIPELINING (RFC 2920).
    pub pipelining: bool,
    /// 8BITMIME (RFC 6152).
    pub eight_bit: bool,
    /// SMTPUTF8 (RFC 6531).
    pub smtputf8: bool,
    /// CHUNKING (RFC 3030).
    pub chunking: bool,
    /// DSN (RFC 3461).
    pub dsn: bool,
    /// REQUIRETLS (RFC 8689).
    pub requiretls: bool,
    /// SIZE (RFC 1870): offered, and with what limit; 0 says no limit.
    pub size: Option<u64>,
    /// The most recipients of one transaction, where it says so (LIMITS RCPTMAX, RFC 9422).
    pub recipients_max: Option<u32>,
    /// The most messages over one connection, where it says so (LIMITS MAILMAX).
    pub messages_max: Option<u32>,
}

impl Capabilities {
    /// Reads the reply to EHLO; its first line is the greeting.
    #[must_use]
    pub fn from_reply(reply: &Reply) -> Self {
        let mut found = Self::default();
        for line in reply.lines.iter().skip(1) {
            let mut words = line.split_ascii_whitespace();
            let word = words.next().unwrap_or_default().to_ascii_uppercase();
            match word.as_str() {
                "STARTTLS" => found.starttls = true,
                "PIPELINING" => found.pipelining = true,
                "8BITMIME" => found.eight_bit = true,
                "SMTPUTF8" => found.smtputf8 = true,
                "CHUNKING" => found.chunking = true,
                "DSN" => found.dsn = true,
                "REQUIRETLS" => found.requiretls = true,
                "SIZE" => {
                    found.size = Some(words.next().and_then(|n| n.parse().ok()).unwrap_or(0));
                }
                "LIMITS" => {
                    for (name, value) in words.filter_map(|word| word.split_once('=')) {
                        // A limit of none is a slip: it would keep every message from leaving.
                        let value = value.parse().ok().filter(|limit| *limit > 0);
                        match name.to_ascii_uppercase().as_str() {
                            "RCPTMAX" => found.recipients_max = value,
                            "MAILMAX" => found.messages_max = value,
                            _ => {}
                        }
                    }
                }
                _ => {}
            }
        }
        found
    }
}

impl Capabilities {
    /// The keywords of what is offered.
    #[must_use]
    pub fn names(&self) -> Vec<&'static str> {
        let all = [
            ("STARTTLS", self.starttls),
            ("PIPELINING", self.pipelining),
            ("8BITMIME", self.eight_bit),
            ("SMTPUTF8", self.smtputf8),
            ("CHUNKING", self.chunking),
            ("DSN", self.dsn),
            ("REQUIRETLS", self.requiretls),
            ("SIZE", self.size.is_some()),
        ];
        all.into_iter().filter_map(|(name, offered)| offered.then_some(name)).collect()
    }
}

/// Doubles dots at the start of lines (RFC 5321 §4.5.2), piece by piece.
#[derive(Debug)]
pub struct DotStuffer {
    last: [u8; 2],
}

impl Default for DotStuffer {
    fn default() -> Self {
        Self { last: *b"\r\n" }
    }
}

impl DotStuffer {
    /// At the start of a message.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a piece to `out`, stuffed.
    pub fn push(&mut self, piece: &[u8], out: &mut Vec<u8>) {
        let mut copied = 0;
        for dot in memchr::memchr_iter(b'.', piece) {
            let before = match dot {
                0 => self.last,
                1 => [self.last[1], piece[0]],
                _ => [piece[dot - 2], piece[dot - 1]],
            };
            if before == *b"\r\n" {
                out.extend_from_slice(&piece[copied..dot]);
                out.push(b'.');
                copied = dot;
            }
        }
        out.extend_from_slice(&piece[copied..]);
        self.last = match *piece {
            [] => self.last,
            [only] => [self.last[1], only],
            [.., before, last] => [before, last],
        };
    }

    /// What the message still needs before the final dot's line: CRLF, or nothing.
    #[must_use]
    pub fn finish(&self) -> &'static [u8] {
        ending(self.last)
    }
}

fn ending(last: [u8; 2]) -> &'static [u8] {
    match last {
        [b'\r', b'\n'] => b"",
        [_, b'\r'] => b"\n",
        _ => b"\r\n",
    }
}

/// A message as chunks of at most `size` bytes (RFC 3030), none of them the last, which is empty: the
/// command and the two parts of its bytes. Like after DATA, what arrives ends in CRLF.
pub fn chunks(message: &[u8], size: usize) -> impl Iterator<Item = (String, [&[u8]; 2])> {
    let end = match *message {
        [] => [b'\r', b'\n'],
        [only] => [0, only],
        [.., before, last] => [before, last],
    };
    let end = ending(end);
    let count = message.len().div_ceil(size.max(1));
    message.chunks(size.max(1)).enumerate().map(move |(place, piece)| {
        let end = if place + 1 == count { end } else { b"" };
        (format!("BDAT {}\r\n", piece.len() + end.len()), [piece, end])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_is_read_in_any_pieces() {
        let wire = b"550-5.1.1 no such\r\n550 5.1.1 person\r\n250 next\r\n";
        for cut in 1..wire.len() - 10 {
            let mut parser = ReplyParser::new();
            let (taken, reply) = parser.feed(&wire[..cut]).expect("a reply");
            let reply = match reply {
                Some(reply) => reply,
                None => parser.feed(&wire[taken..]).expect("the rest").1.expect("all"),
            };
            assert_eq!(reply.to_string(), "550 5.1.1 no such person");
        }
    }

    #[test]
    fn what_is_no_reply_is_refused() {
        for wire in ["hello\r\n", "25\r\n", "250-a\r\n251 b\r\n", "250?x\r\n", "150 x\r\n"] {
            let said = ReplyParser::new().feed(wire.as_bytes());
            assert_eq!(said, Err(ReplyFault::Malformed), "{wire}");
        }
        let said = ReplyParser::new().feed(&[b'2'; 3000]);
        assert_eq!(said, Err(ReplyFault::TooLong));
        let many = "451-4.3.0 and so on\r\n".repeat(99);
        assert_eq!(ReplyParser::new().feed(many.as_bytes()).map(|(_, reply)| reply), Ok(None));
        let long = format!("451-{}\r\n", "y".repeat(1000)).repeat(9);
        assert_eq!(ReplyParser::new().feed(long.as_bytes()), Err(ReplyFault::TooLong));
    }

    #[test]
    fn a_server_says_what_it_offers() {
        let reply = Reply::plain(250, ["mx.example", "SIZE 1000", "pipelining", "8BITMIME"]);
        let found = Capabilities::from_reply(&reply);
        assert_eq!(found.size, Some(1000));
        assert!(found.pipelining && found.eight_bit && !found.starttls);
    }

    #[test]
    fn a_server_says_how_much_it_takes_at_a_time() {
        let reply =
            Reply::plain(250, ["mx.example", "limits MAILMAX=20 rcptmax=5 RCPTDOMAINMAX=1"]);
        let found = Capabilities::from_reply(&reply);
        assert_eq!((found.recipients_max, found.messages_max), (Some(5), Some(20)));
        let reply = Reply::plain(250, ["mx.example", "LIMITS RCPTMAX=0 MAILMAX"]);
        assert_eq!(Capabilities::from_reply(&reply).recipients_max, None);
    }

    #[test]
    fn a_message_is_cut_into_chunks_that_end_as_a_message_ends() {
        let cut = |message: &str, size| -> Vec<String> {
            let chunks = chunks(message.as_bytes(), size);
            let text = |(command, parts): (String, [&[u8]; 2])| {
                command + &String::from_utf8(parts.concat()).expect("text")
            };
            chunks.map(text).collect()
        };
        assert_eq!(cut(".a\r\n", 9), ["BDAT 4\r\n.a\r\n"]);
        assert_eq!(cut(".a\r\n", 3), ["BDAT 3\r\n.a\r", "BDAT 1\r\n\n"]);
        assert_eq!(cut("ab", 1), ["BDAT 1\r\na", "BDAT 3\r\nb\r\n"]);
        assert_eq!(cut("ab\r", 9), ["BDAT 4\r\nab\r\n"]);
        assert!(cut("", 9).is_empty());
    }

    #[test]
    fn dots_are_doubled_at_the_start_of_lines_only() {
        let (mut stuffer, mut out) = (DotStuffer::new(), Vec::new());
        for piece in [".a.\r", "\n", ".", "b"] {
            stuffer.push(piece.as_bytes(), &mut out);
        }
        assert_eq!(out, b"..a.\r\n..b");
        assert_eq!(stuffer.finish(), b"\r\n");
    }
}
