//! The policy as others ask it: the judgement, the permit, the answer in words, the records read.

use super::judge::judge;
use super::permit::{Gate, Key, Permit};
use super::record::{
    Consent, ConsentState, History, Judgement, Page, RecipientRecord, RecipientView, Standing,
    Subject, Suppression,
};
use super::restored::Hold;
use crate::accounts::{Accounts, Stream};
use crate::config::{self, Section};
use crate::events::record::{Reason, RecordEvent, Scope, Source};
use crate::events::request::RequestKey;
use crate::events::{Actor, Author};
use crate::mail::{AccountId, Address, Answer, RecipientHash, Status, Verdict};
use crate::store::{Store, StoreFault};
use crate::world::World;
use std::sync::Arc;

/// Records looked at for one page of a listing, so that none takes long where few are wanted.
const LOOKED_MAX: usize = 10_000;
/// Least records that are read at a time for it.
const LOOKED_LEAST: usize = 100;

/// The policy. Cheap to clone.
#[derive(Clone)]
pub struct Policy {
    pub(super) accounts: Accounts,
    pub(super) store: Store,
    pub(super) world: World,
    pub(super) gate: Arc<Gate>,
    pub(super) settings: Section<config::Queue>,
    /// In whose name changes are made.
    pub(super) author: Author,
    /// Whether mail is held since a restore.
    pub(super) hold: Arc<Hold>,
}

/// Where a recipient's record lies.
pub(super) fn key(account: AccountId, hash: RecipientHash) -> Key {
    let mut key = [0; 20];
    key[..4].copy_from_slice(&account.0.to_be_bytes());
    key[4..].copy_from_slice(&hash.0);
    key
}

impl Policy {
    /// Builds the policy over the records.
    #[must_use]
    pub fn new(
        accounts: Accounts,
        store: Store,
        world: World,
        settings: impl Into<Section<config::Queue>>,
    ) -> Self {
        let (gate, settings) = (Arc::default(), settings.into());
        let (author, hold) = (Author::new(world.clone()), Arc::default());
        Self { accounts, store, world, gate, settings, author, hold }
    }

    /// The same, with changes made in somebody's name: each is an entry of the audit chain, in its own
    /// transaction. Without one, changes are those of the people whose words they rest on, or Relent's.
    #[must_use]
    pub fn by(&self, actor: Actor) -> Self {
        Self { author: self.author.by(actor), ..self.clone() }
    }

    /// The same, within a request that carries a key.
    #[must_use]
    pub fn within(&self, request: RequestKey) -> Self {
        Self { author: self.author.within(request), ..self.clone() }
    }

    /// In whose name a change is made that rests on words from `source`.
    pub(super) fn author_of(&self, source: Source) -> Author {
        self.author.by(self.author.actor().or_person(source))
    }

    /// The four records that concern an address: its own and its domain's, the account's and global.
    pub(super) fn keys_of(
        &self,
        account: AccountId,
        address: &Address,
    ) -> Result<Vec<Key>, StoreFault> {
        let mut keys = Vec::with_capacity(4);
        let owners = [account, AccountId::INSTALLATION];
        // The installation has no records beside the global ones.
        let own_first = usize::from(account == AccountId::INSTALLATION);
        for &owner in &owners[own_first..] {
            keys.push(key(owner, self.accounts.hash(owner, address)?));
            let domain = self.accounts.domain_hash(owner, address.domain())?;
            keys.push(key(owner, domain));
        }
        Ok(keys)
    }

    fn read(&self, keys: &[Key]) -> Result<(Vec<Suppression>, Vec<Consent>), StoreFault> {
        let (mut suppressions, mut consents) = (Vec::new(), Vec::new());
        for key in keys {
            if let Some(record) = self.store.get::<RecipientRecord>(key)? {
                suppressions.extend(record.suppressions);
                consents.extend(record.consents);
            }
        }
        Ok((suppressions, consents))
    }

    /// What policy says now of a recipient on a stream.
    ///
    /// # Errors
    /// The store.
    pub fn judge(&self, stream: &Stream, address: &Address) -> Result<Judgement, StoreFault> {
        let (suppressions, consents) = self.read(&self.keys_of(stream.account, address)?)?;
        Ok(judge(stream, &suppressions, &consents, self.world.clock.now()))
    }

    /// Takes a permit for one final dot, then looks once more. `Err(judgement)`: no dot.
    ///
    /// # Errors
    /// The store.
    pub fn permit(
        &self,
        stream: &Stream,
        address: &Address,
    ) -> Result<Result<Permit, Judgement>, StoreFault> {
        let keys = self.keys_of(stream.account, address)?;
        let permit = self.gate.register(keys.clone());
        #[cfg(feature = "sabotage")]
        if std::env::var("RELENT_SABOTAGE").is_ok_and(|what| what == "no-last-look") {
            return Ok(Ok(permit));
        }
        let (suppressions, consents) = self.read(&keys)?;
        Ok(match judge(stream, &suppressions, &consents, self.world.clock.now()) {
            Judgement::Clear => Ok(permit),
            judgement => Err(judgement),
        })
    }

    /// A permit for Relent's own mail, which no stop of a sender's mail waits for.
    #[must_use]
    pub fn free_permit() -> Permit {
        Permit::free()
    }

    /// The judgement as an SMTP answer: `550 5.7.1` with reason and date in words; a global stop with
    /// neither; the store's fault as 451.
    #[must_use]
    pub fn answer(judgement: Result<Judgement, StoreFault>) -> Verdict {
        let refused = |text: String| Verdict::Refuse(Answer::new(550, Status::new(5, 7, 1), text));
        match judgement {
            Ok(Judgement::Clear) => Verdict::Accept,
            Ok(Judgement::Suppressed(stop)) => refused(in_words(&stop)),
            Ok(Judgement::Unconsented(consent)) => refused(unconsented(consent.as_ref())),
            Err(fault) => Verdict::Defer(fault.answer()),
        }
    }

    /// Under which hash of the owner a subject's record lies. An account's hash says nothing to
    /// another owner: for a global stop the address must be known that the account keeps beside it.
    pub(super) fn place_of(
        &self,
        account: AccountId,
        owner: AccountId,
        subject: &mut Subject,
    ) -> Result<RecipientHash, StoreFault> {
        if let Subject::Hash(hash) = *subject
            && owner != account
        {
            let record = self.store.get::<RecipientRecord>(&key(account, hash))?;
            let address = record.and_then(|record| record.address).ok_or_else(|| {
                StoreFault::Missing(format!(
                    "the address behind {hash} in account {}, without which no global stop can be \
                     named: name the address itself",
                    account.0
                ))
            })?;
            *subject = Subject::Address(address);
        }
        self.place(owner, subject)
    }

    /// Under which hash of the owner a subject's record lies.
    pub(super) fn place(
        &self,
        owner: AccountId,
        subject: &Subject,
    ) -> Result<RecipientHash, StoreFault> {
        match subject {
            Subject::Address(address) => self.accounts.hash(owner, address),
            Subject::Hash(hash) => Ok(*hash),
            Subject::Domain(domain) => self.accounts.domain_hash(owner, domain),
        }
    }

    /// An account's name, for the log; empty where it is not known now.
    #[must_use]
    pub fn account_name(&self, account: AccountId) -> String {
        let found = self.accounts.account_by_id(account).ok().flatten();
        found.map(|account| account.name.clone()).unwrap_or_default()
    }

    /// Everything recorded of a recipient.
    ///
    /// # Errors
    /// The store.
    pub fn view(&self, account: AccountId, subject: &Subject) -> Result<RecipientView, StoreFault> {
        let own = key(account, self.place(account, subject)?);
        let record = self.store.get::<RecipientRecord>(&own)?.unwrap_or_default();
        let address = match subject {
            Subject::Address(address) => Some(address.clone()),
            _ => record.address.clone(),
        };
        let keys = match &address {
            Some(address) => self.keys_of(account, address)?,
            None => vec![own],
        };
        let (suppressions, consents) = self.read(&keys)?;
        let RecipientRecord { address, domain, .. } = record;
        Ok(RecipientView { address, domain, suppressions, consents })
    }

    /// Every stop that concerns a subject, oldest first, each with the record it stands in: of a person
    /// those of the domain and the global ones too, as far as the address is known.
    ///
    /// # Errors
    /// The store.
    pub fn standing(
        &self,
        account: AccountId,
        subject: &Subject,
    ) -> Result<Vec<Standing>, StoreFault> {
        let own = self.place(account, subject)?;
        let record = self.store.get::<RecipientRecord>(&key(account, own))?.unwrap_or_default();
        let address = match subject {
            Subject::Address(address) => Some(address.clone()),
            _ => record.address,
        };
        let domain = match subject {
            Subject::Domain(domain) => Some(domain.clone()),
            _ => record.domain,
        };
        let mut owners = vec![account, AccountId::INSTALLATION];
        owners.dedup();
        let mut places = Vec::new();
        for owner in owners {
            if let Some(address) = &address {
                let domain = address.domain();
                places.push((owner, self.accounts.hash(owner, address)?, None));
                places.push((owner, self.accounts.domain_hash(owner, domain)?, Some(domain)));
            }
            if let Some(domain) = &domain {
                places.push((owner, self.accounts.domain_hash(owner, domain)?, Some(domain)));
            }
        }
        if places.is_empty() {
            places.push((account, own, None));
        }
        let mut found = Vec::new();
        for (owner, hash, domain) in places {
            let Some(record) = self.store.get::<RecipientRecord>(&key(owner, hash))? else {
                continue;
            };
            let address = record.address.or_else(|| address.clone()).filter(|_| domain.is_none());
            found.extend(record.suppressions.into_iter().map(|stop| Standing {
                owner,
                hash,
                address: address.clone(),
                domain: domain.cloned(),
                stop,
            }));
        }
        found.sort_by_key(|standing| standing.stop.sequence);
        Ok(found)
    }

    /// What happened to a recipient's records, oldest first, at most `limit`.
    ///
    /// # Errors
    /// The store.
    pub fn history(
        &self,
        account: AccountId,
        subject: &Subject,
        limit: usize,
    ) -> Result<Vec<RecordEvent>, StoreFault> {
        let own = key(account, self.place(account, subject)?);
        let mut events = Vec::new();
        for (_, History { event, .. }) in self.store.scan::<History>(&own, None, limit)? {
            events.extend(self.store.get::<RecordEvent>(&event.to_be_bytes())?);
        }
        Ok(events)
    }

    /// The entries of the audit chain that tell of a recipient's records, each with the number of the event
    /// it tells of, oldest first, at most `limit`.
    ///
    /// # Errors
    /// The store.
    pub fn entries(
        &self,
        account: AccountId,
        subject: &Subject,
        limit: usize,
    ) -> Result<Vec<(u64, u64)>, StoreFault> {
        let own = key(account, self.place(account, subject)?);
        let found = self.store.scan::<History>(&own, None, limit)?;
        let told = |(_, History { event, entry })| Some((event, entry?));
        Ok(found.into_iter().filter_map(told).collect())
    }

    /// Up to `limit` recipients and domains of an account that have a suppression, after the hash given.
    /// Where most have none, a page may hold few or none, and still name where the next goes on.
    ///
    /// # Errors
    /// The store.
    pub fn suppressed(
        &self,
        account: AccountId,
        after: Option<RecipientHash>,
        limit: usize,
    ) -> Result<Page, StoreFault> {
        self.recorded(account, after, limit, |record| !record.suppressions.is_empty())
    }

    /// Up to `limit` recipients of an account whose consent to a stream has been recorded, whatever
    /// became of it, after the hash given.
    ///
    /// # Errors
    /// The store.
    pub fn consenting(
        &self,
        stream: &Stream,
        after: Option<RecipientHash>,
        limit: usize,
    ) -> Result<Page, StoreFault> {
        self.recorded(stream.account, after, limit, |record| {
            record.consents.iter().any(|consent| consent.stream == stream.id)
        })
    }

    fn recorded(
        &self,
        account: AccountId,
        after: Option<RecipientHash>,
        limit: usize,
        is_wanted: impl Fn(&RecipientRecord) -> bool,
    ) -> Result<Page, StoreFault> {
        let prefix = account.0.to_be_bytes();
        let mut after = after.map(|hash| key(account, hash).to_vec());
        let (mut found, mut looked) = (Vec::new(), 0);
        let at_a_time = limit.max(LOOKED_LEAST);
        while looked < LOOKED_MAX {
            let page = self.store.scan::<RecipientRecord>(&prefix, after.as_deref(), at_a_time)?;
            looked += page.len();
            let is_last = page.len() < at_a_time;
            for (place, record) in page {
                let hash = place.get(4..).and_then(|hash| hash.try_into().ok()).map(RecipientHash);
                after = Some(place);
                let Some(hash) = hash.filter(|_| is_wanted(&record)) else {
                    continue;
                };
                let view = RecipientView {
                    address: record.address,
                    domain: record.domain,
                    suppressions: record.suppressions,
                    consents: record.consents,
                };
                found.push((hash, view));
                if found.len() == limit {
                    return Ok(Page { found, next: Some(hash) });
                }
            }
            if is_last {
                return Ok(Page { found, next: None });
            }
        }
        let next = after.and_then(|place| place.get(4..)?.try_into().ok()).map(RecipientHash);
        Ok(Page { found, next })
    }
}

fn unconsented(consent: Option<&Consent>) -> String {
    match consent {
        Some(consent) if consent.state == ConsentState::Withdrawn => {
            format!("consent to this stream was withdrawn on {}", consent.at.date())
        }
        Some(consent) if consent.state == ConsentState::Expired => {
            format!("consent to this stream expired on {}", consent.at.date())
        }
        Some(consent) if consent.state == ConsentState::Pending => {
            format!(
                "consent to this stream was asked for on {} and not confirmed yet",
                consent.at.date()
            )
        }
        _ => "no consent of this recipient is recorded for this stream".into(),
    }
}

fn in_words(stop: &Suppression) -> String {
    let date = stop.at.date();
    match (stop.scope, stop.reason) {
        (Scope::Global, _) => "the recipient does not accept this mail".into(),
        (Scope::Stream(_), Reason::OptOut) => {
            format!("the recipient opted out of this stream on {date} (opt_out)")
        }
        (_, Reason::OptOut) => {
            format!("the recipient opted out of this account's mail on {date} (opt_out)")
        }
        (_, Reason::Complaint) => format!("the recipient complained on {date} (complaint)"),
        (_, Reason::HardBounce) => format!("the address is dead since {date} (hard_bounce)"),
        (_, Reason::Manual) => format!("suppressed by hand on {date} (manual)"),
    }
}
