//! An answer to "may this be?": yes, not now, or no, with what the peer is told apart from what the
//! log is told. A refusal is an answer, not an error.

use super::status::{Reply, Status};

/// What is said to the peer, and what is written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// To the peer.
    pub reply: Reply,
    /// To the log: may name what the peer must not learn.
    pub log: String,
}

impl Answer {
    /// An answer whose text serves the peer and the log alike.
    #[must_use]
    pub fn new(code: u16, status: Status, text: impl Into<String>) -> Self {
        let text = text.into();
        Self { reply: Reply::new(code, status, text.clone()), log: text }
    }

    /// The same answer, with other words for the log.
    #[must_use]
    pub fn logged(mut self, log: impl Into<String>) -> Self {
        self.log = log.into();
        self
    }
}

/// Yes, not now, or no.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It may be.
    Accept,
    /// Not now: the same question may have another answer later (4xx).
    Defer(Answer),
    /// No (5xx).
    Refuse(Answer),
}

impl Verdict {
    /// The answer to give unless it is yes.
    #[must_use]
    pub fn refusal(self) -> Option<Answer> {
        match self {
            Self::Accept => None,
            Self::Defer(answer) | Self::Refuse(answer) => Some(answer),
        }
    }
}
