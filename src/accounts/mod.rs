//! Accounts, credentials, sending domains and streams: who may send what as whom. Reads go to the
//! store; changes are one transaction each.

mod account;
mod colour;
mod consent_term;
mod credential;
mod failures;
mod hash;
mod language;
mod limit;
mod page;
mod permission;
mod picture;
mod quiet_hours;
mod record;
mod right;
mod spent;
mod stream;
mod usage;

mod invitation;
mod login;
mod member;
mod password;
mod session;
mod throttle;
mod totp;

mod domain;
mod key;
mod publish;
mod sending_domain;
mod spf;
mod verify;

#[cfg(test)]
mod member_tests;
#[cfg(test)]
mod tests;

pub use crate::config::Network;
pub use account::{Accounts, no_account};
pub use colour::{CONTRAST_MIN, Colour, ColourFault};
pub use consent_term::{ConsentTerm, ConsentTermFault};
pub use credential::{parted, token};
pub use domain::NewHost;
pub use failures::{Failures, Pair};
pub use hash::Hasher;
pub use invitation::{Invitation, InvitationKey, Invited, LinkPurpose};
pub use language::Language;
pub use limit::{AccountRules, Limits, RulesChange, Suspension, Thing, room};
pub use login::Claim;
pub use member::{By, MemberFault, MemberId, Person, Place};
pub use page::{
    AccountPage, DISPLAY_NAME_MAX, GROUND_DARK, GROUND_LIGHT, Logo, LogoName, PageChange,
};
pub use permission::{Role, Row, TABLE, is_sensitive};
pub use picture::{Picture, PictureFault, PictureKind, SIDE_MAX, picture};
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
pub use session::{Seat, Session, SessionKey, Standing, TOKEN_PREFIX};
pub use spent::TooFast;
pub use stream::no_stream;
pub use verify::{Checked, Verified};
