//! Accounts, credentials, sending domains and streams: who may send what as whom. Reads go to the
//! store; changes are one transaction each.

mod account;
mod credential;
mod failures;
mod hash;
mod language;
mod network;
mod quiet_hours;
mod record;
mod right;
mod stream;
mod usage;

mod domain;
mod key;
mod publish;
mod sending_domain;
mod spf;
mod verify;

#[cfg(test)]
mod tests;

pub use account::{Accounts, no_account};
pub use credential::{parted, token};
pub use domain::NewHost;
pub use failures::{Failures, Pair};
pub use language::Language;
pub use network::Network;
pub use publish::{DnsRecord, Ours, Purpose, Wanted};
pub use quiet_hours::{QuietHours, QuietHoursFault};
pub use record::{
    Account, AccountFault, Compliance, Credential, CredentialDraft, InstallationKeys, LastUse,
    Login, OwnText, Refusal, ScramVerifier, Stream, StreamAnswers, StreamDraft, StreamKind,
    StreamRules,
};
pub use right::Right;
pub use sending_domain::{
    DkimAlgorithm, DkimChoice, DkimKey, DomainHosts, Host, HostUse, KeyStage, SendingDomain,
};
pub use stream::no_stream;
pub use verify::{Checked, Verified};
