//! What is kept of what was done, and how it is guarded.

use super::section::sections;
use super::unit::{Size, Span};
use serde::{Deserialize, Serialize};

/// How the log writes people's addresses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogAddresses {
    /// As they are.
    #[default]
    Full,
    /// A letter and the domain.
    Shortened,
    /// A keyed hash: the same for the same address.
    Hashed,
}

/// How what is logged is written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// To the journal where it reads our standard error, else as text.
    #[default]
    Auto,
    /// Lines for people.
    Text,
    /// An object of JSON a line.
    Json,
    /// Fields, to the journal's socket.
    Journal,
    /// Keys and values, in an order that stays.
    Line,
}

sections! {
    /// `[audit]`: the chain of what was done and by whom.
    Audit {
        /// How often its head is noted in `data_dir/audit/heads` and in the log, so that a chain that was cut off is found.
        head_interval: Span = Span::minutes(5),
        /// Most heads that are kept there.
        heads_max: u32 = 10_000,
    }

    /// `[backup]`: copies that are taken while the daemon runs.
    Backup {
        /// Changes of the records that are kept in memory for a copy while a part of it is written; past them it is given up.
        changes_size_max: Size = Size::megabytes(64),
        /// Longest time that whoever takes the copy may take nothing of it; until then the log of messages is held as it is.
        stall_max: Span = Span::minutes(5),
    }
}
