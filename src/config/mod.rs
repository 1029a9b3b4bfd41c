//! Settings: one TOML file, read into types, with a default and a limit for everything. Unknown keys
//! are refused. What each key means is said at its field and, word for word, in `config/relent.toml`.

mod acme;
mod api;
mod check;
mod consents;
mod credential;
mod encryption;
mod fixed;
mod keeping;
mod live;
mod load;
mod members;
mod metrics;
mod network;
mod pools;
pub mod reference;
mod refusals;
mod sandbox;
mod section;
pub mod shaping;
#[cfg(test)]
mod sheet;
pub mod unit;
mod webhooks;
mod words;

pub use acme::{Acme, CertificateFiles, Challenge, plain_host};
pub use api::Api;
pub use consents::Consents;
pub use credential::{CREDENTIALS, credential};
pub use encryption::{MtaSts, TlsPolicy, TlsReports};
pub use fixed::{FIXED, differences};
pub use keeping::{Audit, Backup, LogAddresses, LogFormat, TraceEndpoint};
pub use live::{Live, Made, Now, Section, TooManyReloads};
pub use load::ConfigFault;
pub use members::{Accounts, Members};
pub use metrics::Metrics;
pub use network::Network;
pub use pools::{DEFAULT_POOL, Day, Pool, Pools, Source, day_of};
pub use refusals::RefusalFile;
pub use sandbox::Sandbox;
pub use section::{
    Compliance, Delivery, Dns, Domains, Health, Http, Inbound, Listen, Log, PlaintextAuth, Process,
    Queue, Replies, Retention, Spool, Store, StoreEngine, Submission, Tls,
};
pub use shaping::{Shape, Shaping};
pub use unit::{Rate, Size, Span};
pub use webhooks::Webhooks;
pub use words::{OwnWords, Stops, Words};

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

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
    /// Where connections are taken; port 0 picks a free one.
    pub listen: Listen,
    /// Mail from applications.
    pub submission: Submission,
    /// Mail from other mail servers.
    pub inbound: Inbound,
    /// Our certificate, read again when its files change; absent, a self-signed pair is made in the data folder.
    pub tls: Tls,
    /// Certificates from an authority that gives them by itself (RFC 8555), as Let's Encrypt does.
    pub acme: Acme,
    /// Name resolution.
    pub dns: Dns,
    /// Mail that waits.
    pub queue: Queue,
    /// Mail to other mail servers.
    pub delivery: Delivery,
    /// Policies that domains publish over HTTPS (RFC 8461).
    pub mta_sts: MtaSts,
    /// Daily reports to domains that ask how TLS to them fared (RFC 8460).
    pub tls_reports: TlsReports,
    /// What comes back.
    pub replies: Replies,
    /// The domains that accounts send from.
    pub domains: Domains,
    /// What an account may have and send that has no limits of its own.
    pub accounts: Accounts,
    /// People who log in: passwords, sessions, invitations.
    pub members: Members,
    /// People who are asked by mail to confirm a consent.
    pub consents: Consents,
    /// What is held against a message in the check of what large mailbox providers demand.
    pub compliance: Compliance,
    /// Pages and API.
    pub http: Http,
    /// The API that programs speak, `/api/v1` on the listeners of `http`.
    pub api: Api,
    /// Events that go out to programs.
    pub webhooks: Webhooks,
    /// The log on disk that holds accepted mail.
    pub spool: Spool,
    /// The records: accounts, streams, suppressions, consents.
    pub store: Store,
    /// The chain of what was done and by whom.
    pub audit: Audit,
    /// Copies that are taken while the daemon runs.
    pub backup: Backup,
    /// How long what has happened is kept.
    pub retention: Retention,
    /// When the process is well enough for systemd's watchdog and for /readyz.
    pub health: Health,
    /// The figures at /metrics.
    pub metrics: Metrics,
    /// What is written to standard error, or to the journal.
    pub log: Log,
    /// The process itself.
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
            acme: Acme::default(),
            dns: Dns::default(),
            queue: Queue::default(),
            delivery: Delivery::default(),
            mta_sts: MtaSts::default(),
            tls_reports: TlsReports::default(),
            replies: Replies::default(),
            domains: Domains::default(),
            accounts: Accounts::default(),
            members: Members::default(),
            consents: Consents::default(),
            compliance: Compliance::default(),
            http: Http::default(),
            api: Api::default(),
            webhooks: Webhooks::default(),
            spool: Spool::default(),
            store: Store::default(),
            audit: Audit::default(),
            backup: Backup::default(),
            retention: Retention::default(),
            health: Health::default(),
            metrics: Metrics::default(),
            log: Log::default(),
            process: Process::default(),
        }
    }
}

impl Config {
    /// The host of reply, bounce and unsubscribe addresses.
    #[must_use]
    pub fn reply_domain(&self) -> &str {
        self.replies.domain.as_deref().unwrap_or(&self.hostname)
    }

    /// Where people's pages are, without a `/` at its end.
    #[must_use]
    pub fn pages_url(&self) -> String {
        let default = || format!("https://{}", self.hostname);
        let url = self.http.public_url.as_ref().map_or_else(default, Clone::clone);
        url.trim_end_matches('/').to_owned()
    }

    /// The host of people's pages.
    #[must_use]
    pub fn pages_host(&self) -> String {
        let url = self.pages_url();
        let host = url.split_once("://").map_or(&*url, |(_, rest)| rest);
        host.split(['/', ':']).next().unwrap_or_default().to_owned()
    }

    /// How long a DKIM key that signs no more is kept published: what it signed may wait until it
    /// expires, and is read some days after.
    #[must_use]
    pub fn retired_key_kept(&self) -> std::time::Duration {
        self.domains.retired_key_kept.0.saturating_add(self.queue.expiry.0)
    }
}
