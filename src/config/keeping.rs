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

/// Where traces are sent: an address of HTTP.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TraceEndpoint(pub String);

impl TryFrom<String> for TraceEndpoint {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if cfg!(not(feature = "otel")) {
            return Err(
                "this build sends no traces: build one that does with `cargo build --release \
                        --features otel`, or leave the key out"
                    .into(),
            );
        }
        let host = text.strip_prefix("http://").and_then(|rest| rest.split('/').next());
        if host.is_none_or(str::is_empty) || text.chars().any(|c| !c.is_ascii_graphic()) {
            return Err(format!(
                "`{text}` is no address of a collector: write one as in \
                 \"http://127.0.0.1:4318/v1/traces\"; one that wants TLS is spoken to through one on this machine"
            ));
        }
        Ok(Self(text))
    }
}

impl TraceEndpoint {
    /// The port that is connected to.
    #[must_use]
    pub fn port(&self) -> u16 {
        let authority = self.0.trim_start_matches("http://").split('/').next().unwrap_or_default();
        let port = authority.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
        port.unwrap_or(80)
    }
}

impl From<TraceEndpoint> for String {
    fn from(endpoint: TraceEndpoint) -> Self {
        endpoint.0
    }
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
