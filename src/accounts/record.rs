//! What is kept of accounts: the records as they lie in the store, and why a change was not made.

use super::consent_term::ConsentTerm;
use super::language::Language;
use super::quiet_hours::QuietHours;
use super::right::Right;
use crate::config::Network;
use crate::events::record::Scope;
use crate::mail::{AccountId, Address, StreamId, Timestamp};
use crate::store::{Record, StoreFault, Table};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::sync::Arc;
use utoipa::ToSchema;

/// A customer who sends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// Its number.
    pub id: AccountId,
    /// Its name: 1–32 of `a-z0-9-`.
    pub name: String,
    /// Since when.
    pub created: Timestamp,
    /// In which language its senders are told what became of their mail.
    pub language: Language,
}

/// What kind of mail a stream is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum StreamKind {
    /// Mail that people agree to and may end.
    Marketing,
    /// Mail that answers what a person did.
    Transactional,
}

/// A named kind of mail of an account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stream {
    /// Its number.
    pub id: StreamId,
    /// Whose.
    pub account: AccountId,
    /// Its name: 1–32 of `a-z0-9-`.
    pub name: String,
    /// Its kind.
    pub kind: StreamKind,
    /// Whether a recipient must have agreed. Default: on marketing streams.
    pub consent_required: bool,
    /// Whether a person's opt-out binds this transactional stream too.
    pub honour_opt_out: bool,
    /// The mailbox for people's letters.
    pub reply_to: Option<Address>,
    /// Since when.
    pub created: Timestamp,
    /// When it was removed: its number stays taken, its tokens stop the account.
    pub removed: Option<Timestamp>,
    /// When and in what shape its mail leaves.
    pub rules: StreamRules,
    /// What people who write to it are answered.
    pub answers: StreamAnswers,
}

/// What people who write to a stream are answered by us.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamAnswers {
    /// No confirmation follows a stop, and no instructions a call for help.
    pub silent: bool,
    /// The language of its mail, as a primary tag of BCP 47: spoken where the person's is not known.
    pub language: Option<String>,
    /// The stream's own words of confirmation, at most one a language.
    pub texts: Vec<OwnText>,
}

/// A stream's own words of confirmation in one language.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnText {
    /// The language's tag: `en`, `zh-Hans`.
    pub language: String,
    /// The words; `{sender}`, `{stream}` and `{undo}` stand for what they say.
    pub text: String,
}

/// When and in what shape a stream's mail leaves.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamRules {
    /// When no mail of it is sent.
    pub quiet_hours: Option<QuietHours>,
    /// What happens to a message that large providers would take amiss.
    pub compliance: Compliance,
    /// Whether subjects must begin with "AD" or "广告", as mail to China must.
    pub ad_label: bool,
    /// How long a consent holds; none: until it is withdrawn.
    pub consent_expires: Option<ConsentTerm>,
}

/// What happens to a message that large providers would take amiss.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Compliance {
    /// It is taken, and the log says what is amiss.
    #[default]
    Report,
    /// It is refused.
    Refuse,
}

impl Stream {
    /// Whether its copies carry List-Unsubscribe and a person's opt-out binds it.
    #[must_use]
    pub fn can_be_stopped(&self) -> bool {
        self.kind == StreamKind::Marketing || self.honour_opt_out
    }

    /// Whether all recipients of a message get the same copy: none carries an address that was signed for
    /// its recipient.
    #[must_use]
    pub fn has_one_copy(&self) -> bool {
        !self.can_be_stopped() && self.reply_to.is_none()
    }

    /// What "no more of this mail" means: the stream, or the account where the stream is gone or where
    /// an opt-out would not bind it.
    #[must_use]
    pub fn opt_out_scope(&self) -> Scope {
        if self.removed.is_none() && self.can_be_stopped() {
            Scope::Stream(self.id)
        } else {
            Scope::Account
        }
    }
}

/// What happens to a recipient whom policy refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum Refusal {
    /// 550 at RCPT.
    #[serde(rename = "at-rcpt", alias = "openly")]
    AtRcpt,
    /// Accepted and stopped with an event, without a report, for clients that abort whole messages.
    #[serde(rename = "silently")]
    Silently,
}

/// A secret for SMTP and the API, kept only as a digest and as a SCRAM verifier (RFC 5802, RFC 7677).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credential {
    /// The user name, unique in the installation.
    pub name: String,
    /// Whose.
    pub account: AccountId,
    /// SHA-256 of the password.
    pub sha256: [u8; 32],
    /// The verifier for SCRAM-SHA-256.
    pub scram: ScramVerifier,
    /// The streams it may send on; empty: all of the account's.
    pub streams: Vec<StreamId>,
    /// What happens to refused recipients.
    pub refuse: Refusal,
    /// Since when.
    pub created: Timestamp,
    /// What it may do.
    pub rights: Vec<Right>,
    /// From when on it is refused.
    pub expires: Option<Timestamp>,
    /// Where it may be used from; empty: anywhere.
    pub networks: Vec<Network>,
}

impl Credential {
    /// Whether it may be used now, from this address; nobody knows where a Unix socket leads.
    #[must_use]
    pub fn is_usable(&self, now: Timestamp, from: Option<IpAddr>) -> bool {
        let in_time = self.expires.is_none_or(|end| now < end);
        let here = |from| self.networks.iter().any(|network| network.contains(from));
        in_time && (self.networks.is_empty() || from.is_some_and(here))
    }

    /// Whether it has a right.
    #[must_use]
    pub fn may(&self, right: Right) -> bool {
        self.rights.contains(&right)
    }
}

/// What a new credential is to be.
#[derive(Debug, Clone)]
pub struct CredentialDraft {
    /// Its name: 1–32 of `a-z0-9-`.
    pub name: String,
    /// The streams it may send on and speak of; empty: all of the account's.
    pub streams: Vec<StreamId>,
    /// What happens to refused recipients.
    pub refuse: Refusal,
    /// What it may do; empty: hand in mail.
    pub rights: Vec<Right>,
    /// From when on it is refused.
    pub expires: Option<Timestamp>,
    /// Where it may be used from; empty: anywhere.
    pub networks: Vec<Network>,
}

impl CredentialDraft {
    /// One that hands in mail on every stream, from anywhere, for good.
    #[must_use]
    pub fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            streams: Vec::new(),
            refuse: Refusal::AtRcpt,
            rights: Vec::new(),
            expires: None,
            networks: Vec::new(),
        }
    }
}

/// When a credential was used last, and where from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastUse {
    /// When; at most as old as what is written down (`http.last_use_save`).
    pub at: Timestamp,
    /// From where, unless over a Unix socket.
    pub from: Option<IpAddr>,
}

impl Record for LastUse {
    const TABLE: Table = Table::Meta;
}

/// What a server keeps for SCRAM-SHA-256.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScramVerifier {
    /// The salt.
    pub salt: [u8; 16],
    /// PBKDF2 rounds.
    pub iterations: u32,
    /// H(ClientKey).
    pub stored_key: [u8; 32],
    /// The server's key.
    pub server_key: [u8; 32],
}

/// Who authenticated, and on which stream.
#[derive(Debug, Clone)]
pub struct Login {
    /// The credential.
    pub credential: Arc<Credential>,
    /// The account.
    pub account: Arc<Account>,
    /// The stream, fixed by the credential or by `NAME/stream`; where neither names one, the
    /// account's first; none where the account has none.
    pub stream: Option<Arc<Stream>>,
}

/// Why an administrative change was not made. Displayed to the operator.
#[derive(Debug, thiserror::Error)]
pub enum AccountFault {
    /// There is no such thing; the text names it and says how to list what there is.
    #[error("{0}")]
    Unknown(String),
    /// It exists already, or would break a rule; the text says which.
    #[error("{0}")]
    Refused(String),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreFault),
}

/// A new stream's settings; what is `None` takes the kind's default.
#[derive(Debug, Clone)]
pub struct StreamDraft {
    /// Its name.
    pub name: String,
    /// Its kind.
    pub kind: StreamKind,
    /// Whether consent is required.
    pub consent_required: Option<bool>,
    /// Whether opt-outs bind it though it is transactional.
    pub honour_opt_out: bool,
    /// The mailbox for letters.
    pub reply_to: Option<Address>,
    /// When and in what shape its mail leaves.
    pub rules: StreamRules,
}

impl StreamDraft {
    /// One of this name and kind, with the kind's defaults.
    #[must_use]
    pub fn named(name: &str, kind: StreamKind) -> Self {
        Self {
            name: name.into(),
            kind,
            consent_required: None,
            honour_opt_out: false,
            reply_to: None,
            rules: StreamRules::default(),
        }
    }
}

/// An account with the secret under which its recipients are hashed, which never leaves the store.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct AccountRecord {
    pub(super) account: Account,
    pub(super) hash_key: [u8; 32],
}

/// A number by name.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct AccountNumber(pub(super) AccountId);

/// A stream's number by account and name.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct StreamNumber(pub(super) StreamId);

/// The installation's own secrets, made once: recipients hashed for global stops, tokens signed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct InstallationKeys {
    /// Under which recipients are hashed for global stops. Never rotates.
    pub hash: [u8; 32],
    /// Under which tokens are signed.
    pub token: [u8; 32],
}

impl InstallationKeys {
    /// By what records are known as this installation's, without a word of the keys.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        let key = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, &self.hash);
        let tag = ring::hmac::sign(&key, b"fingerprint of an installation");
        data_encoding::HEXLOWER.encode(&tag.as_ref()[..16])
    }
}

impl Record for AccountRecord {
    const TABLE: Table = Table::Account;
    const VERSION: u8 = 2;

    /// Version 1 had no language.
    fn decode_old(version: u8, bytes: &[u8]) -> Option<Self> {
        let read = (version == 1).then(|| postcard::from_bytes(bytes).ok())?;
        let (id, name, created, hash_key) = read?;
        let account = Account { id, name, created, language: Language::default() };
        Some(Self { account, hash_key })
    }
}
impl Record for AccountNumber {
    const TABLE: Table = Table::AccountName;
}
impl Record for StreamNumber {
    const TABLE: Table = Table::StreamName;
}
/// [`Stream`] as version 3 had it: its consents held for ever.
#[derive(Serialize, Deserialize)]
struct Stream3 {
    id: StreamId,
    account: AccountId,
    name: String,
    kind: StreamKind,
    consent_required: bool,
    honour_opt_out: bool,
    reply_to: Option<Address>,
    created: Timestamp,
    removed: Option<Timestamp>,
    rules: (Option<QuietHours>, Compliance, bool),
    answers: StreamAnswers,
}

impl From<Stream3> for Stream {
    fn from(old: Stream3) -> Self {
        let (quiet_hours, compliance, ad_label) = old.rules;
        Self {
            id: old.id,
            account: old.account,
            name: old.name,
            kind: old.kind,
            consent_required: old.consent_required,
            honour_opt_out: old.honour_opt_out,
            reply_to: old.reply_to,
            created: old.created,
            removed: old.removed,
            rules: StreamRules { quiet_hours, compliance, ad_label, consent_expires: None },
            answers: old.answers,
        }
    }
}

impl Record for Stream {
    const TABLE: Table = Table::Stream;
    const VERSION: u8 = 4;

    /// Version 1 had no rules, version 2 no answers, version 3 no end of consents.
    fn decode_old(version: u8, bytes: &[u8]) -> Option<Self> {
        let added: &[u8] = match version {
            1 => &[0; 6],
            2 => &[0; 3],
            3 => &[],
            _ => return None,
        };
        postcard::from_bytes::<Stream3>(&[bytes, added].concat()).ok().map(Into::into)
    }
}
impl Record for Credential {
    const TABLE: Table = Table::Credential;
    const VERSION: u8 = 2;

    /// Version 1 handed in mail, from anywhere and for good.
    fn decode_old(version: u8, bytes: &[u8]) -> Option<Self> {
        let may_send = [1, Right::Send as u8, 0, 0];
        (version == 1).then(|| postcard::from_bytes(&[bytes, &may_send].concat()).ok())?
    }
}
impl Record for InstallationKeys {
    const TABLE: Table = Table::Meta;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_made_before_is_told_in_english() {
        let before = (AccountId(7), "acme".to_owned(), Timestamp(5), [9u8; 32]);
        let bytes = postcard::to_stdvec(&before).expect("bytes");
        let read = AccountRecord::decode_old(1, &bytes).expect("an account");
        assert_eq!((read.account.id, read.account.name.as_str()), (AccountId(7), "acme"));
        assert_eq!((read.account.language, read.hash_key), (Language::En, [9; 32]));
        assert!(AccountRecord::decode_old(3, &bytes).is_none());
    }

    #[test]
    fn streams_of_the_versions_before_are_read() {
        let old = Stream3 {
            id: StreamId(1),
            account: AccountId(2),
            name: "news".into(),
            kind: StreamKind::Marketing,
            consent_required: true,
            honour_opt_out: false,
            reply_to: None,
            created: Timestamp(3),
            removed: None,
            rules: (None, Compliance::default(), false),
            answers: StreamAnswers::default(),
        };
        let whole = postcard::to_stdvec(&old).expect("plain data");
        let stream = Stream::from(old);
        assert_eq!((stream.name.as_str(), &stream.rules), ("news", &StreamRules::default()));
        for (version, added) in [(1, 6), (2, 3), (3, 0)] {
            let old = &whole[..whole.len() - added];
            assert_eq!(Stream::decode_old(version, old), Some(stream.clone()), "{version}");
        }
        assert_eq!(Stream::decode_old(9, &whole), None);
    }

    #[test]
    fn a_credential_made_before_hands_in_mail_and_does_nothing_else() {
        let scram = ScramVerifier {
            salt: [1; 16],
            iterations: 9,
            stored_key: [2; 32],
            server_key: [3; 32],
        };
        let (account, created) = (AccountId(2), Timestamp(3));
        let before = ("app", account, [4u8; 32], &scram, [StreamId(5)].as_slice(), Refusal::AtRcpt);
        let mut bytes = postcard::to_stdvec(&before).expect("bytes");
        bytes.extend(postcard::to_stdvec(&created).expect("bytes"));
        let read = Credential::decode_old(1, &bytes).expect("a credential");
        assert_eq!(
            (read.name.as_str(), read.streams, read.created),
            ("app", vec![StreamId(5)], created)
        );
        assert_eq!(
            (read.rights, read.expires, read.networks),
            (vec![Right::Send], None, Vec::new())
        );
        assert!(Credential::decode_old(2, &bytes).is_none());
    }

    /// Credentials lie in the store with the number of the variant, which no name changes.
    #[test]
    fn credentials_made_before_refuse_as_they_did() {
        for (number, name, refusal) in
            [(0, "at-rcpt", Refusal::AtRcpt), (1, "silently", Refusal::Silently)]
        {
            assert_eq!(postcard::from_bytes::<Refusal>(&[number]), Ok(refusal));
            assert_eq!(serde_json::json!(refusal), serde_json::json!(name));
        }
        let before = serde_json::from_str::<Refusal>("\"openly\"");
        assert_eq!(before.ok(), Some(Refusal::AtRcpt));
    }
}
