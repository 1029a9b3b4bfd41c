//! Reply codes (RFC 5321 §4.2) and enhanced status codes (RFC 3463).

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// An enhanced mail system status code: `5.7.1` is `Status::new(5, 7, 1)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Status {
    /// 2 success, 4 persistent transient failure, 5 permanent failure.
    pub class: u8,
    /// What it is about: address, mailbox, system, network, protocol, content, policy.
    pub subject: u16,
    /// The detail within the subject.
    pub detail: u16,
}

impl Status {
    /// A status code of three numbers.
    #[must_use]
    pub const fn new(class: u8, subject: u16, detail: u16) -> Self {
        Self { class, subject, detail }
    }

    /// Whether it says that the address itself is at fault for good: no such mailbox (5.1.1), moved
    /// without a forwarding address (5.1.6), a domain that takes no mail (5.1.10).
    #[must_use]
    pub fn is_dead_address(self) -> bool {
        self.class == 5 && self.subject == 1 && matches!(self.detail, 1 | 6 | 10)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.class, self.subject, self.detail)
    }
}

/// Reads `class.subject.detail` and nothing after it.
impl FromStr for Status {
    type Err = &'static str;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let fault = "a status code has three numbers with dots between, the first 2, 4 or 5";
        let mut numbers = text.split('.').map(|part| {
            let digits = (1..=3).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
            digits.then(|| part.parse::<u16>().ok()).flatten()
        });
        let mut next = || numbers.next().flatten().ok_or(fault);
        let (class, subject, detail) = (next()?, next()?, next()?);
        let class = u8::try_from(class).map_err(|_| fault)?;
        if numbers.next().is_some() || !matches!(class, 2 | 4 | 5) {
            return Err(fault);
        }
        Ok(Self { class, subject, detail })
    }
}

/// A reply of an SMTP server, ours or a remote's. Lines hold no CR or LF and no codes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// The three digits.
    pub code: u16,
    /// The enhanced status code, where there is one.
    pub status: Option<Status>,
    /// The text, a line each; at least one.
    pub lines: Vec<String>,
}

impl Reply {
    /// A reply with an enhanced status code and one line of text.
    #[must_use]
    pub fn new(code: u16, status: Status, text: impl Into<String>) -> Self {
        Self { code, status: Some(status), lines: vec![clean(&text.into())] }
    }

    /// A reply without a status code, as greetings, EHLO and 354 have them.
    #[must_use]
    pub fn plain(code: u16, lines: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self {
            code,
            status: None,
            lines: lines.into_iter().map(|line| clean(&line.into())).collect(),
        }
    }

    /// 2xx.
    #[must_use]
    pub fn is_positive(&self) -> bool {
        self.code / 100 == 2
    }

    /// 4xx: worth another try.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        self.code / 100 == 4
    }

    /// 5xx: final.
    #[must_use]
    pub fn is_permanent(&self) -> bool {
        self.code / 100 == 5
    }

    /// The reply as it goes over the wire, every line with its code and CRLF.
    #[must_use]
    pub fn wire(&self) -> String {
        let mut wire = String::new();
        let last = self.lines.len().saturating_sub(1);
        for (place, line) in self.lines.iter().enumerate() {
            let mark = if place == last { ' ' } else { '-' };
            let status = self.status.map(|status| format!("{status} ")).unwrap_or_default();
            wire.push_str(&format!("{}{mark}{status}{line}\r\n", self.code));
        }
        wire
    }
}

/// On one line: `550 5.7.1 text`.
impl fmt::Display for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)?;
        if let Some(status) = self.status {
            write!(f, " {status}")?;
        }
        for line in &self.lines {
            write!(f, " {line}")?;
        }
        Ok(())
    }
}

/// No control character ever leaves in a reply or reaches a log through one.
fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_carries_its_codes_on_every_line() {
        let reply = Reply::new(550, Status::new(5, 7, 1), "no\r\n250 yes");
        assert_eq!(reply.wire(), "550 5.7.1 no  250 yes\r\n");
        assert_eq!(Reply::plain(250, ["a", "b"]).wire(), "250-a\r\n250 b\r\n");
    }

    #[test]
    fn a_status_code_is_three_numbers() {
        assert_eq!("5.7.1".parse(), Ok(Status::new(5, 7, 1)));
        for text in ["5.7", "5.7.1.2", "3.7.1", "5..1", "5.7.x", "", "5.7.1000"] {
            assert!(text.parse::<Status>().is_err(), "{text}");
        }
    }
}
