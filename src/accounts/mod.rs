//! Accounts, credentials, sending domains and streams: who may send what as whom. Reads go to the
//! store; changes are one transaction each.

mod account;
mod consent_term;
mod credential;
mod hash;
mod language;
mod limit;
mod permission;
mod quiet_hours;
mod record;
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

pub use account::Accounts;
pub use consent_term::{ConsentTerm, ConsentTermFault};
pub use domain::NewHost;
pub use language::Language;
pub use limit::{AccountRules, Limits, RulesChange, Suspension, Thing};
pub use permission::{Role, Row, TABLE, right};
pub use publish::{DnsRecord, Ours, Purpose, Wanted};
pub use quiet_hours::{QuietHours, QuietHoursFault};
pub use record::{
    Account, AccountFault, Compliance, Credential, InstallationKeys, Login, OwnText, Refusal,
    ScramVerifier, Stream, StreamAnswers, StreamDraft, StreamKind, StreamRules,
};
pub use sending_domain::{
    DkimAlgorithm, DkimChoice, DkimKey, DomainHosts, Host, HostUse, KeyStage, SendingDomain,
};
pub use usage::TooFast;
pub use verify::{Checked, Verified};
