//! Accounts, credentials, sending domains and streams: who may send what as whom. Reads go to the
//! store; changes are one transaction each.

mod account;
mod credential;
mod domain;
mod hash;
mod quiet;
mod record;
mod stream;
#[cfg(test)]
mod tests;

pub use account::Accounts;
pub use domain::DnsRecord;
pub use record::{
    Account, AccountFault, Compliance, Credential, DkimAlgorithm, DkimChoice, DkimKey,
    InstallationKeys, Login, QuietHours, Refusal, ScramVerifier, SendingDomain, Stream,
    StreamDraft, StreamKind, StreamRules,
};
