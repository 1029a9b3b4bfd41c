//! Customers: adding and finding them.

use super::language::Language;
use super::limit::{AccountRules, Limits};
use super::password::Hasher;
use super::record::{Account, AccountFault, AccountNumber, AccountRecord};
use super::spent::{Spent, TooFast};
use super::throttle::Throttle;
use super::usage::Uses;
use crate::config::{self, Live, Section};
use crate::events::request::RequestKey;
use crate::events::{Act, Actor, Author};
use crate::mail::AccountId;
use crate::store::{Store, StoreFault, Transaction};
use crate::world::World;
use std::convert::Infallible;
use std::sync::Arc;

/// Rows read from the store at a time.
pub(super) const PAGE: usize = 1000;

/// The accounts of the installation. Cheap to clone.
#[derive(Clone)]
pub struct Accounts {
    pub(super) store: Store,
    pub(super) world: World,
    pub(super) uses: Uses,
    /// In whose name changes are made.
    pub(super) author: Author,
    pub(super) settings: Arc<Settings>,
    spent: Arc<Spent>,
    pub(super) door: Arc<Door>,
}

/// What guards the logins of members.
pub(super) struct Door {
    pub(super) throttle: Throttle,
    pub(super) hasher: Hasher,
}

impl Door {
    fn new(settings: &Section<config::Members>) -> Arc<Self> {
        Arc::new(Self { throttle: Throttle::default(), hasher: Hasher::new(settings.clone()) })
    }
}

/// The settings that bind accounts and those who log in.
#[derive(Default)]
pub(super) struct Settings {
    pub(super) accounts: Section<config::Accounts>,
    pub(super) members: Section<config::Members>,
}

/// 1–32 of `a-z0-9-`, or what to do about it.
pub(super) fn check_name(kind: &str, name: &str) -> Result<(), AccountFault> {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if (1..=32).contains(&name.len()) && name.bytes().all(allowed) {
        return Ok(());
    }
    Err(AccountFault::Refused(format!(
        "`{name}` cannot be the name of {kind}: use 1 to 32 of a-z, 0-9 and -"
    )))
}

/// A counter's next number as the 32 bits that account and stream numbers have.
pub(super) fn number(transaction: &mut Transaction<'_>, counter: &str) -> Result<u32, StoreFault> {
    u32::try_from(transaction.count(counter)?)
        .map_err(|_| StoreFault::Damaged(format!("the counter `{counter}` has run out")))
}

/// What is said of an account that is not there.
#[must_use]
pub fn no_account(name: &str) -> AccountFault {
    AccountFault::Unknown(format!(
        "there is no account `{name}`: `relent account list` shows them, `relent account add {name}` \
         makes one"
    ))
}

impl Accounts {
    /// The accounts that `store` holds.
    #[must_use]
    pub fn new(store: Store, world: World) -> Self {
        let (author, spent) = (Author::new(world.clone()), Arc::new(Spent::new(store.clone())));
        let settings = Arc::<Settings>::default();
        let door = Door::new(&settings.members);
        let uses = Uses::default();
        Self { store, world, uses, author, settings, spent, door }
    }

    /// The same, with changes made in somebody's name: each is an entry of the audit chain, in its own
    /// transaction.
    #[must_use]
    pub fn by(&self, actor: Actor) -> Self {
        Self { author: self.author.by(actor), ..self.clone() }
    }

    /// The same, within a request that carries a key.
    #[must_use]
    pub fn within(&self, request: RequestKey) -> Self {
        Self { author: self.author.within(request), ..self.clone() }
    }

    /// In whose name changes are made.
    #[must_use]
    pub fn author(&self) -> &Author {
        &self.author
    }

    /// Writes an act into the audit chain that changes no record here: mail that was held, a site that was
    /// suspended.
    ///
    /// # Errors
    /// The store.
    pub async fn write_act(&self, act: Act) -> Result<u64, StoreFault> {
        let author = self.author.clone();
        let written = self.store.transact(move |t| Ok(Ok::<_, Infallible>(author.write(t, act)?)));
        let Ok(sequence) = written.await?;
        Ok(sequence)
    }

    /// The same, bound by these settings rather than by the defaults.
    #[must_use]
    pub fn under(mut self, live: &Live) -> Self {
        let accounts = live.section(|c| &c.accounts);
        let members = live.section(|c| &c.members);
        self.door = Door::new(&members);
        self.settings = Arc::new(Settings { accounts, members });
        self
    }

    /// Begins a message of an account, unless it is too fast.
    ///
    /// # Errors
    /// Which limit is reached, and when it frees.
    pub fn begin_message(&self, account: AccountId, limits: &Limits) -> Result<(), TooFast> {
        self.spent.begin(account, limits, self.world.clock.steady())
    }

    /// To how many recipients an account has sent today.
    ///
    /// # Errors
    /// The store.
    pub fn sent_today(&self, account: AccountId, rules: &AccountRules) -> Result<u64, StoreFault> {
        self.spent.sent(account, rules.day(self.world.clock.now()))
    }

    /// Counts recipients that are to be sent to today, all or none: whether there is room for them.
    ///
    /// # Errors
    /// The store: none are counted.
    pub async fn take_recipients(
        &self,
        account: AccountId,
        rules: &AccountRules,
        wanted: u64,
    ) -> Result<bool, StoreFault> {
        let day = rules.day(self.world.clock.now());
        let limit = rules.limits.clone().or(&self.settings.accounts).recipients_per_day;
        self.spent.take((account, day), wanted, limit).await
    }

    /// Takes back recipients that were counted and are not sent to.
    pub fn give_recipients_back(&self, account: AccountId, rules: &AccountRules, unsent: u64) {
        self.spent.give_back(account, rules.day(self.world.clock.now()), unsent);
    }

    /// Writes down what accounts have used, before the store is closed.
    pub async fn save_spent(&self) {
        self.spent.save().await;
    }

    /// Adds an account.
    ///
    /// # Errors
    /// The name is taken, reserved or malformed; the store.
    pub async fn add_account(&self, name: &str) -> Result<Account, AccountFault> {
        check_name("an account", name)?;
        if name == "global" {
            return Err(AccountFault::Refused(
                "`global` means every account and cannot be the name of one: choose another".into(),
            ));
        }
        let mut hash_key = [0; 32];
        self.world.chance.fill(&mut hash_key);
        let (name, created) = (name.to_owned(), self.world.clock.now());
        let author = self.author.clone();
        self.store
            .transact(move |t| {
                if t.get::<AccountNumber>(name.as_bytes())?.is_some() {
                    return Ok(Err(AccountFault::Refused(format!(
                        "there is an account `{name}` already: `relent account list` shows all"
                    ))));
                }
                let id = AccountId(number(t, "account")?);
                t.put(name.as_bytes(), &AccountNumber(id));
                let account = Account { id, name, created, language: Language::default() };
                let record = AccountRecord { account: account.clone(), hash_key };
                t.put(&id.0.to_be_bytes(), &record);
                author.write(t, Act::new(id, "account.added").about(&account.name))?;
                Ok(Ok(account))
            })
            .await?
    }

    /// Sets the language in which an account's senders are told what became of their mail.
    ///
    /// # Errors
    /// There is no such account; the store.
    pub async fn set_language(
        &self,
        name: &str,
        language: Language,
    ) -> Result<Account, AccountFault> {
        let id = self.account(name)?.id;
        let (named, author) = (name.to_owned(), self.author.clone());
        self.store
            .transact(move |t| {
                let place = id.0.to_be_bytes();
                let Some(mut record) = t.get::<AccountRecord>(&place)? else {
                    return Ok(Err(no_account(&named)));
                };
                record.account.language = language;
                t.put(&place, &record);
                let act = Act::new(id, "account.changed").about(&record.account.name);
                author.write(t, act.with("language", language.name()))?;
                Ok(Ok(record.account))
            })
            .await?
    }

    /// All accounts by name.
    ///
    /// # Errors
    /// The store.
    pub fn accounts(&self) -> Result<Vec<Account>, AccountFault> {
        let mut found = Vec::new();
        let mut after: Option<Vec<u8>> = None;
        loop {
            let page = self.store.scan::<AccountRecord>(b"", after.as_deref(), PAGE)?;
            let Some((last, _)) = page.last() else { break };
            after = Some(last.clone());
            found.extend(page.into_iter().map(|(_, record)| record.account));
        }
        found.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(found)
    }

    /// The numbers of all accounts.
    ///
    /// # Errors
    /// The store.
    pub fn all_ids(&self) -> Result<Vec<AccountId>, StoreFault> {
        let (mut found, mut after) = (Vec::new(), None::<Vec<u8>>);
        loop {
            let page = self.store.scan::<AccountRecord>(b"", after.as_deref(), PAGE)?;
            let Some((last, _)) = page.last() else { return Ok(found) };
            after = Some(last.clone());
            found.extend(page.into_iter().map(|(_, record)| record.account.id));
        }
    }

    /// An account by name.
    ///
    /// # Errors
    /// There is none; the store.
    pub fn account(&self, name: &str) -> Result<Account, AccountFault> {
        let number = self.store.get::<AccountNumber>(name.as_bytes())?;
        let record = match number {
            Some(AccountNumber(id)) => self.store.get::<AccountRecord>(&id.0.to_be_bytes())?,
            None => None,
        };
        record.map(|record| record.account).ok_or_else(|| no_account(name))
    }

    /// An account by number.
    ///
    /// # Errors
    /// The store.
    pub fn account_by_id(&self, id: AccountId) -> Result<Option<Arc<Account>>, StoreFault> {
        let record = self.store.get::<AccountRecord>(&id.0.to_be_bytes())?;
        Ok(record.map(|record| Arc::new(record.account)))
    }
}
