//! Events of records: who stopped, agreed, withdrew or was lifted, on what evidence.

use crate::mail::{AccountId, MessageId, RecipientHash, StreamId, Timestamp};
use serde::{Deserialize, Serialize};
use std::fmt;

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
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
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
        }
    }

    /// Whether it is the recipient's own act.
    #[must_use]
    pub fn is_own_act(self) -> bool {
        matches!(self, Self::Reply | Self::ListUnsubscribe | Self::OneClick | Self::Page)
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
}
