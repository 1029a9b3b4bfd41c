//! Consent that a person is asked for by mail, and gives by the button that the mail leads to. Nobody is
//! asked often, and nobody who has said no is asked unless it is the person who asks: the counts are
//! records, which a restart does not forget.

#[cfg(test)]
mod tests;

use super::change::{agree, never, record};
use super::desk::{Policy, key};
use super::judge::judge;
use super::record::{
    Consent, ConsentState, Judgement, RecipientRecord, Subject, Suppression, Token,
};
use crate::accounts::Stream;
use crate::config;
use crate::events::Author;
use crate::events::record::{Change, Circumstances, Evidence, Reason, RecordEvent, Scope, Source};
use crate::mail::{AccountId, Address, MessageId, RecipientHash, StreamId, Timestamp};
use crate::store::{Record, StoreFault, Table, Transaction};
use serde::{Deserialize, Serialize};
use std::convert::Infallible;
use std::time::Duration;

/// How long a request counts.
const DAY: Duration = Duration::from_secs(24 * 3600);
/// Counts of days that are over which a request takes away.
const SWEPT: usize = 16;
/// The same of one step of the work that looks after them.
const TRIMMED: usize = 1000;

/// Who asks that a person be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asker {
    /// The sender.
    Sender,
    /// The person, from a page that only the person's mail leads to: whoever had said no may be asked.
    Person,
}

/// Which count is full.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// Mail to the address from this account.
    Address,
    /// Mail to the address from all accounts.
    AddressInAll,
    /// Mail from this account.
    Account,
}

/// What a request came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Requested {
    /// The person is to be asked: by a mail about this event, since when. It may have been asked for
    /// before, and is mailed once.
    Asked {
        /** The event. */
        event: u64,
        /** When it was asked for. */
        at: Timestamp,
        /** Whether it is a new one. */
        is_new: bool,
    },
    /// A consent holds since then.
    Holds(Timestamp),
    /// This stop stands against it.
    Stopped(Suppression),
    /// The person has taken consent back, then.
    Withdrawn(Timestamp),
    /// So much was asked of the address or by the account within a day.
    TooMany(Full),
}

/// What a confirmation came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Confirmed {
    /// The consent is recorded.
    Now,
    /// It was recorded by the same request, then.
    Already(Timestamp),
    /// The person has decided otherwise since.
    Gone,
}

/// A request as the link of its mail names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Confirmation {
    /// For which stream.
    pub stream: StreamId,
    /// The person's address, where it is still known.
    pub address: Option<Address>,
    /// When it was asked for.
    pub at: Timestamp,
    /// What confirming it would come to.
    pub state: Confirmed,
}

/// What was asked of an address in a day, or how often by an account.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Requests {
    asked: Vec<Asked>,
    count: u32,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Asked {
    account: AccountId,
    stream: StreamId,
    event: u64,
    at: Timestamp,
}

impl Record for Requests {
    const TABLE: Table = Table::ConsentRequest;
}

/// The day of a moment, first in its key, so that days that are over stand first.
fn day_of(at: Timestamp) -> u32 {
    u32::try_from(u128::from(at.0) / DAY.as_millis()).unwrap_or(u32::MAX)
}

fn place(day: u32, of: &[u8]) -> Vec<u8> {
    [&day.to_be_bytes()[..], of].concat()
}

/// Whether nobody asks for a count any more.
fn is_over(place: &[u8], today: u32) -> bool {
    let day = place.first_chunk::<4>().map(|day| u32::from_be_bytes(*day));
    day.is_some_and(|day| day.saturating_add(1) < today)
}

/// The stop that no wish of the person's outranks.
fn lasting(
    stops: &[Suppression],
    account_wide: impl Fn(&Suppression) -> bool,
) -> Option<Suppression> {
    let binds = |stop: &&Suppression| {
        stop.scope == Scope::Global || (stop.reason != Reason::OptOut && account_wide(stop))
    };
    stops.iter().find(binds).cloned()
}

/// The id of the mail about one request, the same whenever it is tried.
#[must_use]
pub fn question_id(event: u64) -> MessageId {
    let digest = ring::digest::digest(
        &ring::digest::SHA256,
        &[b"consent request".as_slice(), &event.to_be_bytes()].concat(),
    );
    MessageId(digest.as_ref()[..12].try_into().expect("32 bytes"))
}

/// The person's no to a stream after a request for it.
fn refusal(kept: &RecipientRecord, stream: StreamId, event: u64) -> Option<&Suppression> {
    kept.suppressions.iter().find(|stop| {
        let own = matches!(stop.reason, Reason::OptOut | Reason::Complaint);
        let reaches = matches!(stop.scope, Scope::Account) || stop.scope == Scope::Stream(stream);
        own && reaches && stop.sequence > event
    })
}

/// What confirming a request would come to, as the records stand.
fn standing(kept: &RecipientRecord, stream: StreamId, event: u64) -> Confirmed {
    let consent = kept.consents.iter().find(|consent| consent.stream == stream);
    if refusal(kept, stream, event).is_some() {
        return Confirmed::Gone;
    }
    match consent {
        Some(consent) if consent.sequence > event => match consent.state {
            ConsentState::Granted => Confirmed::Already(consent.at),
            // Asked anew meanwhile: the older mail proves as much as the newer.
            ConsentState::Pending => Confirmed::Now,
            ConsentState::Withdrawn | ConsentState::Expired => Confirmed::Gone,
        },
        _ => Confirmed::Now,
    }
}

/// Records a request. What the person has given or taken back stays so until the button is pressed.
fn ask_on(
    (t, author): (&mut Transaction<'_>, &Author),
    (owner, hash): (AccountId, RecipientHash),
    address: Address,
    (made, stands): (Consent, bool),
) -> Result<u64, StoreFault> {
    let place = key(owner, hash);
    let mut kept = t.get::<RecipientRecord>(&place)?.unwrap_or_default();
    if !stands {
        let now = made.at;
        return agree((t, author), (owner, hash), (kept, address), made, now);
    }
    let change = (Change::Requested { stream: made.stream }, made.evidence, made.at);
    let event = record((&mut *t, author), (owner, hash), change)?;
    kept.address.get_or_insert(address);
    kept.remember(made.stream, event);
    t.put(&place, &kept);
    Ok(event)
}

impl Policy {
    /// Asks that a person be asked for consent to a stream. Where the answer is [`Requested::Asked`], the
    /// mail is to be sent, and the same request again sends it where it was not.
    ///
    /// # Errors
    /// The store.
    pub async fn request_consent(
        &self,
        stream: &Stream,
        address: &Address,
        (asker, evidence, circumstances): (Asker, Evidence, Circumstances),
        limits: &config::Consents,
    ) -> Result<Requested, StoreFault> {
        let (stream, address, limits) = (stream.clone(), address.clone(), limits.clone());
        let hash = self.accounts.hash(stream.account, &address)?;
        let everywhere = self.accounts.hash(AccountId::INSTALLATION, &address)?;
        let records = self.keys_of(stream.account, &address)?;
        let (now, author) = (self.world.clock.now(), self.author_of(evidence.source));
        let today = day_of(now);
        // Counts that nobody asks for any more go, some with each new one.
        let old = self.store.scan::<Requests>(&[], None, SWEPT)?;
        let old = old.into_iter().map(|(place, _)| place);
        let old: Vec<_> = old.filter(|place| is_over(place, today)).collect();
        let done = self.store.transact(move |t| {
            let (mut stops, mut consents) = (Vec::new(), Vec::new());
            for record in &records {
                if let Some(record) = t.get::<RecipientRecord>(record)? {
                    stops.extend(record.suppressions);
                    consents.extend(record.consents);
                }
            }
            let judgement = judge(&stream, &stops, &consents, now);
            let reaches = |stop: &Suppression| {
                !matches!(stop.scope, Scope::Stream(only) if only != stream.id)
            };
            let lasting = lasting(&stops, reaches);
            let consent = consents.iter().find(|consent| consent.stream == stream.id);
            let state = consent.map(|consent| consent.state_at(&stream, now));
            match (judgement, consent) {
                _ if lasting.is_some() => {
                    return Ok(Ok(lasting.map_or(Requested::TooMany(Full::Address), Requested::Stopped)));
                }
                (Judgement::Suppressed(stop), _) if asker == Asker::Sender => {
                    return Ok(Ok(Requested::Stopped(stop)));
                }
                (_, Some(consent))
                    if asker == Asker::Sender && state == Some(ConsentState::Withdrawn) =>
                {
                    return Ok(Ok(Requested::Withdrawn(consent.at)));
                }
                (Judgement::Clear, Some(consent)) if state == Some(ConsentState::Granted) => {
                    return Ok(Ok(Requested::Holds(consent.at)));
                }
                _ => {}
            }
            let (own, before) = (place(today, &everywhere.0), place(today.saturating_sub(1), &everywhere.0));
            let counted = place(today, &stream.account.0.to_be_bytes());
            let mut of_today = t.get::<Requests>(&own)?.unwrap_or_default();
            let of_before = t.get::<Requests>(&before)?.unwrap_or_default();
            let lately: Vec<&Asked> = of_today
                .asked
                .iter()
                .chain(&of_before.asked)
                .filter(|asked| now.since(asked.at) < DAY)
                .collect();
            let same = |asked: &&&Asked| asked.account == stream.account && asked.stream == stream.id;
            if let Some(asked) = lately.iter().rev().find(same) {
                let (event, at) = (asked.event, asked.at);
                return Ok(Ok(Requested::Asked { event, at, is_new: false }));
            }
            let count = |most: u32, found: usize| u32::try_from(found).is_ok_and(|n| n < most);
            let from_account = lately.iter().filter(|asked| asked.account == stream.account).count();
            let mut of_account = t.get::<Requests>(&counted)?.unwrap_or_default();
            let full = if !count(limits.confirmations_per_recipient_max, from_account) {
                Some(Full::Address)
            } else if !count(limits.confirmations_per_address_max, lately.len()) {
                Some(Full::AddressInAll)
            } else {
                (of_account.count >= limits.confirmations_per_account_max).then_some(Full::Account)
            };
            if let Some(full) = full {
                return Ok(Ok(Requested::TooMany(full)));
            }
            let account = stream.account;
            let made = Consent {
                stream: stream.id,
                state: ConsentState::Pending,
                evidence,
                at: now,
                sequence: 0,
                circumstances: circumstances.kept(),
            };
            let stands = matches!(state, Some(ConsentState::Withdrawn | ConsentState::Granted));
            let event =
                ask_on((&mut *t, &author), (account, hash), address, (made, stands))?;
            of_today.asked.push(Asked { account, stream: stream.id, event, at: now });
            of_account.count += 1;
            t.put(&own, &of_today);
            t.put(&counted, &of_account);
            for place in old {
                t.remove::<Requests>(&place);
            }
            Ok(Ok::<_, Infallible>(Requested::Asked { event, at: now, is_new: true }))
        });
        Ok(never(done.await?))
    }

    /// Removes counts of requests of days that are over, at most a step of them: how many.
    ///
    /// # Errors
    /// The store.
    pub async fn trim_requests(&self) -> Result<usize, StoreFault> {
        let today = day_of(self.world.clock.now());
        let old = self.store.scan::<Requests>(&[], None, TRIMMED)?;
        let old = old.into_iter().map(|(place, _)| place);
        let old: Vec<_> = old.take_while(|place| is_over(place, today)).collect();
        if old.is_empty() {
            return Ok(0);
        }
        let count = old.len();
        let done = self.store.transact(move |t| {
            old.iter().for_each(|place| t.remove::<Requests>(place));
            Ok(Ok::<_, Infallible>(count))
        });
        Ok(never(done.await?))
    }

    /// Forgets how often an account has asked a person, of the installation how often any has: how many
    /// entries are gone.
    ///
    /// # Errors
    /// The store.
    pub(super) async fn erase_requests(
        &self,
        account: AccountId,
        address: &Address,
    ) -> Result<u64, StoreFault> {
        while self.trim_requests().await? > 0 {}
        let everywhere = self.accounts.hash(AccountId::INSTALLATION, address)?;
        let today = day_of(self.world.clock.now());
        let done = self.store.transact(move |t| {
            let mut gone = 0;
            for day in [today.saturating_sub(1), today] {
                let place = place(day, &everywhere.0);
                let Some(mut kept) = t.get::<Requests>(&place)? else { continue };
                let before = kept.asked.len();
                kept.asked
                    .retain(|asked| account != AccountId::INSTALLATION && asked.account != account);
                gone += (before - kept.asked.len()) as u64;
                if kept.asked.is_empty() {
                    t.remove::<Requests>(&place);
                } else {
                    t.put(&place, &kept);
                }
            }
            Ok(Ok::<_, Infallible>(gone))
        });
        Ok(never(done.await?))
    }

    /// The token by which a request is confirmed, until it is too old.
    ///
    /// # Errors
    /// The store.
    pub fn consent_token(
        &self,
        event: u64,
        asked: Timestamp,
        limits: &config::Consents,
    ) -> Result<String, StoreFault> {
        let until = asked.after(limits.confirmation_age_max.0);
        self.seal(&Token::Confirm { event, until })
    }

    /// What keeps our own mail from an address: what [`Policy::against_answer`] names, and where it asks for
    /// consent, an answer that the person has given since.
    ///
    /// # Errors
    /// The store.
    pub fn against_mail(
        &self,
        account: AccountId,
        address: &Address,
        mail: MessageId,
    ) -> Result<Option<Judgement>, StoreFault> {
        if let Some(stop) = self.against_answer(account, address)? {
            return Ok(Some(Judgement::Suppressed(stop)));
        }
        let place = key(account, self.accounts.hash(account, address)?);
        let kept = self.store.get::<RecipientRecord>(&place)?.unwrap_or_default();
        let pending = kept.consents.iter().filter(|c| c.state == ConsentState::Pending);
        let pending = pending.map(|consent| (consent.stream, consent.sequence));
        let mut requests = kept.requests.iter().copied().chain(pending);
        let Some((stream, event)) = requests.find(|(_, event)| question_id(*event) == mail) else {
            return Ok(None);
        };
        if standing(&kept, stream, event) == Confirmed::Now {
            return Ok(None);
        }
        let consent = || kept.consents.iter().find(|consent| consent.stream == stream).cloned();
        let stop = refusal(&kept, stream, event).cloned();
        Ok(Some(stop.map_or_else(|| Judgement::Unconsented(consent()), Judgement::Suppressed)))
    }

    /// A request, for the page that asks; none where there never was one or nothing is known of it.
    ///
    /// # Errors
    /// The store.
    pub fn confirmation(&self, event: u64) -> Result<Option<Confirmation>, StoreFault> {
        let Some(past) = self.store.get::<RecordEvent>(&event.to_be_bytes())? else {
            return Ok(None);
        };
        let Change::Requested { stream } = past.change else { return Ok(None) };
        let kept = self.store.get::<RecipientRecord>(&key(past.account, past.hash))?;
        let kept = kept.unwrap_or_default();
        let state = standing(&kept, stream, event);
        Ok(Some(Confirmation { stream, address: kept.address, at: past.at, state }))
    }

    /// Records the consent that a person has confirmed, once: the person's own act, which lifts the
    /// person's own opt-out of that stream and outranks a wider one for it. `wording` is what the page
    /// showed, with its version; none where there never was such a request.
    ///
    /// # Errors
    /// The store.
    pub async fn confirm_consent(
        &self,
        event: u64,
        (ip, user_agent): (Option<String>, Option<String>),
        (wording, wording_version): (String, String),
    ) -> Result<Option<Confirmed>, StoreFault> {
        let (now, source) = (self.world.clock.now(), Source::Confirmation);
        let author = self.author_of(source);
        let done = self.store.transact(move |t| {
            let Some(past) = t.get::<RecordEvent>(&event.to_be_bytes())? else {
                return Ok(Ok(None));
            };
            let Change::Requested { stream } = past.change else { return Ok(Ok(None)) };
            let owned = (past.account, past.hash);
            let mut kept =
                t.get::<RecipientRecord>(&key(past.account, past.hash))?.unwrap_or_default();
            let state = standing(&kept, stream, event);
            // Whose address was erased cannot be written to.
            let Some(address) = kept.address.clone().filter(|_| state == Confirmed::Now) else {
                let gone = if state == Confirmed::Now { Confirmed::Gone } else { state };
                return Ok(Ok(Some(gone)));
            };
            let evidence = Evidence { source, text: past.evidence.text, ip, message: None };
            let scope = Scope::Stream(stream);
            let is_own = |s: &Suppression| s.scope == scope && s.reason == Reason::OptOut;
            if kept.take(is_own).is_some() {
                let change = Change::Lifted { scope, reason: Reason::OptOut };
                record((&mut *t, &author), owned, (change, evidence.clone(), now))?;
            }
            let circumstances = Circumstances {
                user_agent,
                wording: Some(wording),
                wording_version: Some(wording_version),
                asked: Some(past.at),
            };
            let made = Consent {
                stream,
                state: ConsentState::Granted,
                evidence,
                at: now,
                sequence: 0,
                circumstances: circumstances.kept(),
            };
            agree((&mut *t, &author), owned, (kept, address), made, now)?;
            Ok(Ok::<_, Infallible>(Some(Confirmed::Now)))
        });
        Ok(never(done.await?))
    }

    /// What a person's consent to a stream is now, with its time, as a page of the person's may show it.
    ///
    /// # Errors
    /// The store.
    pub fn consent_state(
        &self,
        stream: &Stream,
        subject: &Subject,
    ) -> Result<Option<(ConsentState, Timestamp)>, StoreFault> {
        let now = self.world.clock.now();
        let consents = self.view(stream.account, subject)?.consents;
        let found = consents.iter().find(|consent| consent.stream == stream.id);
        Ok(found.map(|consent| (consent.state_at(stream, now), consent.at)))
    }
}
