//! Settings: one TOML file, read into types, with a default and a limit for everything. Unknown keys
//! are refused. What each key means is said at its field and, word for word, in `config/relent.toml`.

mod section;
pub mod unit;

pub use section::{
    Delivery, Dns, Http, Inbound, Listen, Log, PlaintextAuth, Process, Queue, Replies, Retention,
    Spool, Store, StoreEngine, Submission, Tls,
};
pub use unit::{Size, Span};

use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// Where the settings are looked for unless `--config` says otherwise.
pub const DEFAULT_PATH: &str = "/etc/relent/relent.toml";

/// All settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The name this relay gives itself in greetings, EHLO and Received.
    pub hostname: String,
    /// The folder that holds everything that must last; created if absent.
    pub data_dir: PathBuf,
    #[allow(missing_docs)]
    pub listen: Listen,
    #[allow(missing_docs)]
    pub submission: Submission,
    #[allow(missing_docs)]
    pub inbound: Inbound,
    #[allow(missing_docs)]
    pub tls: Tls,
    #[allow(missing_docs)]
    pub dns: Dns,
    #[allow(missing_docs)]
    pub queue: Queue,
    #[allow(missing_docs)]
    pub delivery: Delivery,
    #[allow(missing_docs)]
    pub replies: Replies,
    #[allow(missing_docs)]
    pub http: Http,
    #[allow(missing_docs)]
    pub spool: Spool,
    #[allow(missing_docs)]
    pub store: Store,
    #[allow(missing_docs)]
    pub retention: Retention,
    #[allow(missing_docs)]
    pub log: Log,
    #[allow(missing_docs)]
    pub process: Process,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            hostname: "localhost".into(),
            data_dir: "/var/lib/relent".into(),
            listen: Listen::default(),
            submission: Submission::default(),
            inbound: Inbound::default(),
            tls: Tls::default(),
            dns: Dns::default(),
            queue: Queue::default(),
            delivery: Delivery::default(),
            replies: Replies::default(),
            http: Http::default(),
            spool: Spool::default(),
            store: Store::default(),
            retention: Retention::default(),
            log: Log::default(),
            process: Process::default(),
        }
    }
}

/// What is wrong with a settings file: which file, which line, which key, why, what to do.
#[derive(Debug, thiserror::Error)]
#[error("{}{}: {reason}", path.display(), line.map(|l| format!(":{l}")).unwrap_or_default())]
pub struct ConfigFault {
    /// The file.
    pub path: PathBuf,
    /// The line from 1, where it is known.
    pub line: Option<usize>,
    /// The key and the reason, in words.
    pub reason: String,
}

impl Config {
    /// Reads and checks a settings file.
    ///
    /// # Errors
    /// [`ConfigFault`] naming file, line, key and reason.
    pub fn load(path: &Path) -> Result<Self, ConfigFault> {
        let text = std::fs::read_to_string(path).map_err(|fault| ConfigFault {
            path: path.into(),
            line: None,
            reason: fault.to_string(),
        })?;
        toml::from_str(&text).map_err(|fault| ConfigFault {
            path: path.into(),
            line: fault
                .span()
                .map(|span| 1 + text[..span.start].matches('\n').count()),
            reason: fault.message().to_owned(),
        })
    }
}
