//! What a message is and what its writer wants: a pure function of the message and the limits.

use super::autoreply;
use super::bounce::{self, Bounced};
use super::complaint;
use super::decode::Letter;
use super::keyword::{self, Found};
use super::words::Vocabulary;
use super::written::{self, Written};
use crate::accounts::StreamKind;
use crate::config;
use serde::Serialize;

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A person wrote it.
    Person,
    /// A machine answers for a person.
    AutoReply,
    /// A mail server could not deliver.
    Bounce,
    /// A feedback report.
    Complaint,
}

impl Kind {
    /// As figures and the log have it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::AutoReply => "auto_reply",
            Self::Bounce => "bounce",
            Self::Complaint => "complaint",
        }
    }
}

/// What a person wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Wish {
    /// Nothing more from this sender.
    Reject,
    /// Nothing more of this kind of mail.
    Unsubscribe,
    /// Back in.
    Resubscribe,
    /// To know what can be done.
    Help,
    /// None that is certain: a letter.
    None,
}

/// A message understood.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Classification {
    /// What it is.
    pub kind: Kind,
    /// What its writer wants.
    pub wish: Wish,
    /// What the person wrote, without quotes and signatures.
    pub written: String,
    /// Of a bounce: for whom.
    pub recipients: Vec<Bounced>,
    /// Of a complaint: its type.
    pub feedback_type: Option<String>,
    /// Of a complaint: what may be one of our tokens in the header of the message it returns.
    #[serde(skip)]
    pub tokens: Vec<String>,
    /// Of a complaint: who complains, where the report says so.
    #[serde(skip)]
    pub complainants: Vec<String>,
    /// Whether the person wrote more than the wish, so that somebody must read it.
    #[serde(skip)]
    pub beyond: bool,
    /// Whether the wish can only be about mail: CANCEL may answer an order, `T` does not.
    #[serde(skip)]
    pub about_mail: bool,
    /// What the wish stops.
    #[serde(skip)]
    pub stops: Option<config::Stops>,
}

impl Classification {
    fn new(kind: Kind) -> Self {
        Self {
            kind,
            wish: Wish::None,
            written: String::new(),
            recipients: Vec::new(),
            feedback_type: None,
            tokens: Vec::new(),
            complainants: Vec::new(),
            beyond: kind == Kind::Person,
            about_mail: false,
            stops: None,
        }
    }
}

impl Classification {
    /// What the words stop at a stream of this kind; nothing where they are no wish that such a stream obeys.
    #[must_use]
    pub fn stops_at(&self, kind: StreamKind) -> Option<config::Stops> {
        match kind {
            StreamKind::Marketing => self.stops,
            // CANCEL or N may answer an order: only words about mail count there. Its own mail goes on,
            // what ends is the account's marketing.
            StreamKind::Transactional => {
                self.stops.filter(|_| self.about_mail).map(|_| config::Stops::Account)
            }
        }
    }
}

/// Says what a message is and, of a person's, what it asks, by these words. What is nested deeper, has more parts or is
/// larger than the limits allow is a person's letter without a wish.
#[must_use]
pub fn classify(message: &[u8], limits: &config::Replies, words: &Vocabulary) -> Classification {
    let Some(letter) = Letter::read(message, limits) else {
        return Classification::new(Kind::Person);
    };
    if let Some(complaint) = complaint::read(&letter, words.complaints()) {
        let mut read = Classification::new(Kind::Complaint);
        read.feedback_type = complaint.feedback_type;
        read.tokens = complaint.tokens;
        read.complainants = complaint.complainants;
        return read;
    }
    if let Some(recipients) = bounce::read(&letter, limits, words) {
        let mut read = Classification::new(Kind::Bounce);
        read.recipients = recipients;
        return read;
    }
    if autoreply::is_automatic(&letter.head, words) || autoreply::is_receipt(&letter) {
        let mut read = Classification::new(Kind::AutoReply);
        read.written = body(&letter, words).text;
        return read;
    }
    let mut read = Classification::new(Kind::Person);
    let Written { text, below, quoted } = body(&letter, words);
    read.written = text;
    // What is longer than is read may say more further down.
    if letter
        .parts
        .iter()
        .any(|part| part.is_cut() && !part.attached && part.kind.starts_with("text/"))
    {
        return read;
    }
    let automatic = words.automatic();
    if autoreply::says_so(&read.written, words)
        || autoreply::is_away(&letter.head, &read.written, automatic)
        || autoreply::is_receipt_in_words(&letter.head, &read.written, automatic)
        || autoreply::says_so_within(&read.written, automatic)
            && !keyword::opens(words, &read.written)
    {
        let kind = Kind::AutoReply;
        return Classification { kind, beyond: false, ..read };
    }
    let subject = letter.head.text("subject").unwrap_or_default();
    let signed = || {
        let from = letter.head.text("from").unwrap_or_default();
        let name = from
            .rsplit_once('<')
            .map(|(name, _)| name.trim_matches(['"', ' ']))
            .unwrap_or_default();
        keyword::is_signed_only(&read.written, name)
    };
    let found = if keyword::says_nothing(&read.written) {
        keyword::in_subject(words, &subject)
    } else {
        let found = keyword::wish(words, &read.written);
        let courteous = || keyword::is_courteous(words, &read.written) || signed();
        if found.wish == Wish::None && courteous() {
            keyword::in_subject(words, &subject)
        } else {
            found
        }
    };
    let below_footer = if found.wish == Wish::None && !below.is_empty() {
        Some(keyword::below_footer(words, &quoted, &below)).filter(|found| found.wish != Wish::None)
    } else {
        None
    };
    if below_footer.is_some() {
        read.written.push_str("\n\n");
        read.written.push_str(&below);
    }
    let Found { wish, beyond, about_mail } = below_footer.unwrap_or(found);
    let attached = letter.parts.iter().any(|part| part.attached);
    read.beyond = wish == Wish::None || beyond || attached;
    (read.wish, read.about_mail, read.stops) = (wish, about_mail, words.stops(wish));
    read
}

/// What the person wrote: of the plain text, or of the HTML where that says nothing.
fn body(letter: &Letter, words: &Vocabulary) -> Written {
    let plain =
        letter.part("text/plain").map(|part| written::of_plain(words.marks(), &part.text()));
    let plain = plain.unwrap_or_default();
    if !keyword::says_nothing(&plain.text) {
        return plain;
    }
    let html = letter.part("text/html").map(|part| written::of_html(words.marks(), &part.text()));
    let html = html.unwrap_or_default();
    // An answer below the quote may be all that there is.
    if html.text.is_empty() && html.below.is_empty() { plain } else { html }
}
