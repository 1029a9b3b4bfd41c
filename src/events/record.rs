//! Events of records: who stopped, agreed, withdrew or was lifted, on what evidence.

use crate::mail::{AccountId, MessageId, RecipientHash, StreamId, Timestamp};
use serde::{Deserialize, Serialize};
use std::fmt;
use utoipa::ToSchema;

/// How far a suppression or consent reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Scope {
    /// One stream.
    Stream(StreamId),
    /// Everything of one account, as far as the reason binds it.
    Account,
    /// Everything of everybody here.
    Global,
}

/// Why a recipient is suppressed.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The person asked.
    OptOut,
    /// The person complained.
    Complaint,
    /// The address is dead.
    HardBounce,
    /// The account or the operator said so.
    Manual,
}

impl Reason {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::OptOut, Self::Complaint, Self::HardBounce, Self::Manual];

    /// As the command line and the API write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::OptOut => "opt_out",
            Self::Complaint => "complaint",
            Self::HardBounce => "hard_bounce",
            Self::Manual => "manual",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// By what way a change came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// A person's reply to our mail.
    Reply,
    /// A mail to the List-Unsubscribe address.
    ListUnsubscribe,
    /// A one-click POST (RFC 8058).
    OneClick,
    /// The unsubscribe page.
    Page,
    /// A remote's answer while we delivered.
    Delivery,
    /// A bounce that came later.
    Bounce,
    /// A complaint report.
    Complaint,
    /// The account, through the API.
    Api,
    /// The operator, on the command line.
    Operator,
    /// The button of a page that a confirmation mail led to.
    Confirmation,
}

impl Source {
    /// As people read it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Reply => "reply",
            Self::ListUnsubscribe => "list-unsubscribe mail",
            Self::OneClick => "one-click",
            Self::Page => "unsubscribe page",
            Self::Delivery => "delivery",
            Self::Bounce => "bounce",
            Self::Complaint => "complaint",
            Self::Api => "API",
            Self::Operator => "operator",
            Self::Confirmation => "confirmation",
        }
    }

    /// As figures are labelled with it: the same word that records are written with.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Reply => "reply",
            Self::ListUnsubscribe => "list_unsubscribe",
            Self::OneClick => "one_click",
            Self::Page => "page",
            Self::Delivery => "delivery",
            Self::Bounce => "bounce",
            Self::Complaint => "complaint",
            Self::Api => "api",
            Self::Operator => "operator",
            Self::Confirmation => "confirmation",
        }
    }

    /// Whether it is the recipient's own act.
    #[must_use]
    pub fn is_own_act(self) -> bool {
        matches!(
            self,
            Self::Reply | Self::ListUnsubscribe | Self::OneClick | Self::Page | Self::Confirmation
        )
    }
}

/// What a change rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// By what way it came.
    pub source: Source,
    /// What the person wrote, the remote said or the source calls it: at most 1,000 characters.
    pub text: String,
    /// From which address on the network.
    pub ip: Option<String>,
    /// The message it answers, where that is known.
    pub message: Option<MessageId>,
}

/// Under what circumstances a person agreed: what an agreement is proved with beside its source.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Circumstances {
    /// The program through which it was given, as it names itself: at most 500 characters.
    pub user_agent: Option<String>,
    /// The words that the person agreed to: at most 4,000 characters.
    pub wording: Option<String>,
    /// Which version of these words it was: at most 100 characters.
    pub wording_version: Option<String>,
    /// When the person was asked by mail, where it was given by the button that the mail led to.
    pub asked: Option<Timestamp>,
}

impl Circumstances {
    /// The same, boxed for a record; none where nothing is known.
    #[must_use]
    pub fn kept(self) -> Option<Box<Self>> {
        (self != Self::default()).then(|| Box::new(self))
    }
}

/// What proves who asked. In the order of what was needed, not of strength.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Trust {
    /// Nothing does.
    None,
    /// It came to a signed address that only the recipient's copy carries.
    Token,
    /// It came so, and the From field is proved by DMARC as well.
    TokenAndDmarc,
    /// The From field is proved by DMARC, and its address was written to.
    Dmarc,
    /// A signed address of ours stands in the header of the message that came back.
    ReturnedToken,
}

impl Trust {
    /// As people read it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "nothing",
            Self::Token => "a signed address",
            Self::TokenAndDmarc => "a signed address and DMARC",
            Self::Dmarc => "DMARC",
            Self::ReturnedToken => "a signed address in the message that came back",
        }
    }
}

/// By which rule a message that came in was obeyed, or not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// Words to a signed reply address are the recipient's.
    Reply,
    /// Words of another recipient of the same message, to whom an answer to all went.
    OtherRecipient,
    /// Mail to an unsubscribe address counts without words.
    UnsubscribeAddress,
    /// Words to a stream's plain address count where the writer is proved and was written to.
    PlainAddress,
    /// Words that nothing proves are asked about, once, at the address they give.
    MailBack,
    /// A report along the return path of a copy is about that copy.
    ReturnPath,
    /// A complaint is about the message it returns, or the copy whose address it came to.
    Complaint,
    /// Who asks back in is let in on a signed address and DMARC together, and on nothing less.
    Resubscribe,
}

impl Rule {
    /// As people read it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Reply => "an answer to a signed address",
            Self::OtherRecipient => "an answer of another recipient of the same message",
            Self::UnsubscribeAddress => "mail to an unsubscribe address",
            Self::PlainAddress => "proved words to a plain address",
            Self::MailBack => "unproved words: asked about by mail",
            Self::ReturnPath => "a report along the return path of a copy",
            Self::Complaint => "a complaint that names a copy",
            Self::Resubscribe => "a proved wish to come back",
        }
    }
}

/// What a decision about mail that came in rests on beside its words, so that it can be looked at and
/// contested.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Grounds {
    /// Which rule was followed.
    pub rule: Rule,
    /// What proves who asked.
    pub trust: Trust,
    /// What was understood: `reject`, `unsubscribe`, `resubscribe`, `help`; none of a machine's mail.
    pub wish: Option<String>,
    /// The Message-ID of what came in, at most 300 characters.
    pub message_id: Option<String>,
    /// SPF, DKIM and DMARC as they were found; none where the decision needed none of them.
    pub authentication: Option<String>,
}

/// What changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    /// A stop was recorded.
    Suppressed {
        /// How far it reaches.
        scope: Scope,
        /// Why.
        reason: Reason,
    },
    /// A stop was lifted.
    Lifted {
        /// How far it reached.
        scope: Scope,
        /// Why it was.
        reason: Reason,
    },
    /// Consent was recorded.
    Granted {
        /// For which stream.
        stream: StreamId,
    },
    /// Consent was withdrawn.
    Withdrawn {
        /// For which stream.
        stream: StreamId,
    },
    /// Nothing: somebody asked in this person's name, whom nothing proved, and the person was asked by
    /// mail.
    Asked {
        /// About which stream.
        stream: StreamId,
    },
    /// Consent was asked for, and the person is to confirm it.
    Requested {
        /// For which stream.
        stream: StreamId,
    },
}

/// One change of one recipient's records.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordEvent {
    /// Its number: the commit order of changes.
    pub sequence: u64,
    /// Whose records; the installation's for global stops.
    pub account: AccountId,
    /// The recipient under that account's key.
    pub hash: RecipientHash,
    /// What changed.
    pub change: Change,
    /// What it rests on.
    pub evidence: Evidence,
    /// When.
    pub at: Timestamp,
    /// Of mail that came in: by which rule and on what proof.
    pub grounds: Option<Box<Grounds>>,
    /// Of an agreement: what the person had before them.
    pub circumstances: Option<Box<Circumstances>>,
}
