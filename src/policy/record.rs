//! What is kept of recipients: stops, agreements, and what policy says of them.

use crate::accounts::Stream;
use crate::events::record::{Circumstances, Evidence, Reason, RecordEvent, Scope};
use crate::mail::{
    AccountId, Address, Domain, MessageId, RecipientHash, RecipientNumber, StreamId, Timestamp,
};
use crate::store::{Record, Table};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A stop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suppression {
    /// How far it reaches.
    pub scope: Scope,
    /// Why.
    pub reason: Reason,
    /// What it rests on.
    pub evidence: Evidence,
    /// When.
    pub at: Timestamp,
    /// Its place in the commit order of changes.
    pub sequence: u64,
    /// Whose mail servers called the address dead, where that is why.
    pub site: Option<String>,
}

/// An agreement, or its end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Consent {
    /// For which stream.
    pub stream: StreamId,
    /// Whether it holds.
    pub state: ConsentState,
    /// What it rests on.
    pub evidence: Evidence,
    /// When, as its source says.
    pub at: Timestamp,
    /// Its place in the commit order of changes.
    pub sequence: u64,
    /// What the person had before them.
    pub circumstances: Option<Box<Circumstances>>,
}

impl Consent {
    /// When it ends by its stream's rule; none where it does not by itself.
    #[must_use]
    pub fn end(&self, stream: &Stream) -> Option<Timestamp> {
        let ends = self.state == ConsentState::Granted;
        stream.rules.consent_expires.filter(|_| ends).map(|term| term.end(self.at))
    }

    /// What it is now: a consent expires by the clock, and nobody need sweep it away.
    #[must_use]
    pub fn state_at(&self, stream: &Stream, now: Timestamp) -> ConsentState {
        match self.end(stream) {
            Some(end) if end <= now => ConsentState::Expired,
            _ => self.state,
        }
    }
}

/// Whether a consent holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ConsentState {
    /// Asked for, not yet confirmed.
    Pending,
    /// Given.
    Granted,
    /// Taken back.
    Withdrawn,
    /// Too old by its stream's rule: never written down, always reckoned.
    Expired,
}

/// Whom a suppression is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// A person, by address.
    Address(Address),
    /// A person, by the account's hash, as a token names them.
    Hash(RecipientHash),
    /// Everybody at a domain.
    Domain(Domain),
}

/// What policy says of one recipient, with the record it rests on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judgement {
    /// May be sent.
    Clear,
    /// Suppressed: by which record.
    Suppressed(Suppression),
    /// The stream needs consent and there is none that holds.
    Unconsented(Option<Consent>),
}

/// How an opt-out ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settled {
    /// Recorded, and no dot can follow: acknowledge.
    Fully,
    /// Recorded, but a permit was still out after `queue.permit_wait_max`: 202, 451 or exit 1.
    WithDotInFlight,
}

/// A token of the contract, read and verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Token {
    /// `r-`: a reply of a recipient.
    Reply {
        /** The stream. */
        stream: StreamId,
        /** Who. */
        recipient: RecipientHash,
    },
    /// `u-`: an unsubscribe of a recipient.
    Unsubscribe {
        /** The stream. */
        stream: StreamId,
        /** Who. */
        recipient: RecipientHash,
    },
    /// `b-`: a return path.
    Bounce {
        /** The message. */
        message: MessageId,
        /** Which recipient of it. */
        recipient: RecipientNumber,
    },
    /// Undo of a stop: the stop's event, until when.
    Undo {
        /** The event of the stop. */
        event: u64,
        /** Until when it can be undone. */
        until: Timestamp,
    },
    /// Confirmation of a consent that was asked for: the request's event, until when.
    Confirm {
        /** The event of the request. */
        event: u64,
        /** Until when it can be confirmed. */
        until: Timestamp,
    },
}

/// The records of one recipient in one account, and the global ones.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RecipientView {
    /// The address, unless erased or never known.
    pub address: Option<Address>,
    /// The domain, where it is one that the records are about.
    pub domain: Option<Domain>,
    /// Every stop that concerns them: own, domain-wide, global.
    pub suppressions: Vec<Suppression>,
    /// Their consents.
    pub consents: Vec<Consent>,
}

/// A page of a listing of recipients.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// Recipients by their hash.
    pub found: Vec<(RecipientHash, RecipientView)>,
    /// After which hash the next page goes on; none where this is the last.
    pub next: Option<RecipientHash>,
}

/// A stop, and in whose record it stands: what lifting it must name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Whose record it is: the account's, or the installation's.
    pub owner: AccountId,
    /// Where it lies, under the owner's key.
    pub hash: RecipientHash,
    /// The person it is about, unless erased or never known.
    pub address: Option<Address>,
    /// The domain it is about.
    pub domain: Option<Domain>,
    /// The stop.
    pub stop: Suppression,
}

impl Standing {
    /// Whom it is about, as a command names them: an address, `@domain`, or none where only the hash
    /// is known.
    #[must_use]
    pub fn recipient(&self) -> Option<String> {
        let domain = self.domain.as_ref().map(|domain| format!("@{domain}"));
        domain.or_else(|| self.address.as_ref().map(ToString::to_string))
    }
}

/// All that an account (or the installation) keeps of one recipient or domain.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct RecipientRecord {
    pub(super) address: Option<Address>,
    pub(super) suppressions: Vec<Suppression>,
    pub(super) consents: Vec<Consent>,
    /// What the stop of the event named has replaced, to be put back when that stop is undone.
    pub(super) replaced: Vec<(u64, Suppression)>,
    /// The domain, where the record is about everybody there.
    pub(super) domain: Option<Domain>,
    /// Refusals of the address as dead that are not enough for a stop yet.
    pub(super) hard_bounces: Vec<HardBounce>,
    /// The events by which consent was asked for last, and for which streams, also where what the person
    /// had said stands meanwhile.
    pub(super) requests: Vec<(StreamId, u64)>,
}

/// A refusal of an address as dead.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct HardBounce {
    pub(super) at: Timestamp,
    /// Which message was refused: it counts once.
    pub(super) message: MessageId,
    /// It came by mail, after the message had been taken.
    pub(super) is_late: bool,
}

/// [`Consent`] as versions 1 to 3 of the record had it: without the circumstances.
#[derive(Serialize, Deserialize)]
struct Consent3 {
    stream: StreamId,
    state: ConsentState,
    evidence: Evidence,
    at: Timestamp,
    sequence: u64,
}

impl From<Consent3> for Consent {
    fn from(old: Consent3) -> Self {
        let Consent3 { stream, state, evidence, at, sequence } = old;
        Self { stream, state, evidence, at, sequence, circumstances: None }
    }
}

/// [`RecipientRecord`] as version 3 had it.
#[derive(Serialize, Deserialize)]
struct RecipientRecord3 {
    address: Option<Address>,
    suppressions: Vec<Suppression>,
    consents: Vec<Consent3>,
    replaced: Vec<(u64, Suppression)>,
    domain: Option<Domain>,
    hard_bounces: Vec<HardBounce>,
}

impl From<RecipientRecord3> for RecipientRecord {
    fn from(old: RecipientRecord3) -> Self {
        let RecipientRecord3 { address, suppressions, consents, replaced, domain, hard_bounces } =
            old;
        let consents = consents.into_iter().map(Into::into).collect();
        let requests = Vec::new();
        Self { address, suppressions, consents, replaced, domain, hard_bounces, requests }
    }
}

/// [`Suppression`] as versions 1 and 2 of the record had it: without the site.
#[derive(Serialize, Deserialize)]
struct Suppression2 {
    scope: Scope,
    reason: Reason,
    evidence: Evidence,
    at: Timestamp,
    sequence: u64,
}

impl From<Suppression2> for Suppression {
    fn from(old: Suppression2) -> Self {
        let Suppression2 { scope, reason, evidence, at, sequence } = old;
        Self { scope, reason, evidence, at, sequence, site: None }
    }
}

/// [`RecipientRecord`] as version 1 had it: a domain's record did not name the domain.
#[derive(Serialize, Deserialize)]
struct RecipientRecord1 {
    address: Option<Address>,
    suppressions: Vec<Suppression2>,
    consents: Vec<Consent3>,
    replaced: Vec<(u64, Suppression2)>,
}

impl Record for RecipientRecord {
    const TABLE: Table = Table::Recipient;
    const VERSION: u8 = 5;

    /// Version 2 was version 1 with the domain after it, version 3 had consents without circumstances,
    /// version 4 no requests.
    fn decode_old(version: u8, bytes: &[u8]) -> Option<Self> {
        if version == 4 {
            return postcard::from_bytes(&[bytes, &[0]].concat()).ok();
        }
        if version == 3 {
            return postcard::from_bytes::<RecipientRecord3>(bytes).ok().map(Into::into);
        }
        let (old, rest): (RecipientRecord1, _) = postcard::take_from_bytes(bytes).ok()?;
        let domain = match version {
            1 => None,
            2 => postcard::from_bytes(rest).ok()?,
            _ => return None,
        };
        let RecipientRecord1 { address, suppressions, consents, replaced } = old;
        let consents = consents.into_iter().map(Into::into).collect();
        let replaced = replaced.into_iter().map(|(event, stop)| (event, stop.into())).collect();
        let suppressions = suppressions.into_iter().map(Into::into).collect();
        let (hard_bounces, requests) = (Vec::new(), Vec::new());
        Some(Self { address, suppressions, consents, replaced, domain, hard_bounces, requests })
    }
}

impl Record for RecordEvent {
    const TABLE: Table = Table::RecordEvent;
    const VERSION: u8 = 3;

    /// Version 1 had no grounds, version 2 no circumstances.
    fn decode_old(version: u8, bytes: &[u8]) -> Option<Self> {
        let added: &[u8] = match version {
            1 => &[0; 2],
            2 => &[0],
            _ => return None,
        };
        postcard::from_bytes(&[bytes, added].concat()).ok()
    }
}

/// A record event's number, by account, recipient and itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct History {
    pub(super) event: u64,
    /// The entry of the audit chain that tells of it; those from before there was one have none.
    pub(super) entry: Option<u64>,
}

impl Record for History {
    const TABLE: Table = Table::RecordHistory;
    const VERSION: u8 = 2;

    /// Version 1 had no entries.
    fn decode_old(version: u8, bytes: &[u8]) -> Option<Self> {
        (version == 1).then(|| postcard::from_bytes(&[bytes, &[0]].concat()).ok())?
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::events::record::Source;

    #[test]
    fn a_record_from_before_domains_were_named_is_read() {
        let evidence =
            Evidence { source: Source::Reply, text: "R".into(), ip: None, message: None };
        let made = || Suppression2 {
            scope: Scope::Account,
            reason: Reason::OptOut,
            evidence: evidence.clone(),
            at: Timestamp(7),
            sequence: 9,
        };
        let stop = Suppression::from(made());
        let address = Address::parse("ann@reader.example").expect("an address");
        let old = RecipientRecord1 {
            address: Some(address.clone()),
            suppressions: vec![made()],
            consents: Vec::new(),
            replaced: vec![(9, made())],
        };
        let bytes = postcard::to_stdvec(&old).expect("plain data");
        let read = RecipientRecord::decode_old(1, &bytes).expect("an old record");
        assert_eq!((read.address, read.domain), (Some(address), None));
        assert_eq!((&read.suppressions[0], &read.replaced[0]), (&stop, &(9, stop.clone())));
        let domain = Some(Domain::parse("reader.example").expect("a domain"));
        let later = [bytes.clone(), postcard::to_stdvec(&domain).expect("plain data")].concat();
        let read = RecipientRecord::decode_old(2, &later).expect("a record of version 2");
        assert_eq!((read.domain, read.suppressions), (domain, vec![stop]));
        assert!(RecipientRecord::decode_old(5, &bytes).is_none());
    }

    #[test]
    fn a_consent_from_before_circumstances_were_kept_is_read() {
        let evidence =
            Evidence { source: Source::Api, text: "form".into(), ip: None, message: None };
        let consent = Consent3 {
            stream: StreamId(3),
            state: ConsentState::Granted,
            evidence,
            at: Timestamp(7),
            sequence: 9,
        };
        let old = RecipientRecord3 {
            address: None,
            suppressions: Vec::new(),
            consents: vec![consent],
            replaced: Vec::new(),
            domain: None,
            hard_bounces: Vec::new(),
        };
        let bytes = postcard::to_stdvec(&old).expect("plain data");
        let read = RecipientRecord::decode_old(3, &bytes).expect("a record of version 3");
        let [consent] = &read.consents[..] else { unreachable!("{read:?}") };
        assert_eq!((consent.at, consent.sequence), (Timestamp(7), 9));
        assert_eq!((consent.evidence.text.as_str(), &consent.circumstances), ("form", &None));
        // Version 4 ended before the requests.
        let whole = postcard::to_stdvec(&read).expect("plain data");
        let read = RecipientRecord::decode_old(4, &whole[..whole.len() - 1]).expect("version 4");
        assert_eq!((read.consents.len(), read.requests.len()), (1, 0));
    }
}
