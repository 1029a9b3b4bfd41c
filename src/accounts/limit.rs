//! How much an account may have and send, and whether it may send at all. What an account has no limit of
//! its own for holds as the settings have it.

use super::account::{Accounts, PAGE};
use super::record::{Account, AccountFault};
use crate::config;
use crate::events::Act;
use crate::mail::{AccountId, Timestamp};
use crate::store::{Record, StoreFault, Table, Transaction};
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Longest text of a suspension, in characters: it stands in SMTP replies.
const TEXT_MAX: usize = 200;

/// How much an account may have and send.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = AccountLimits)]
pub struct Limits {
    /// Largest message, in bytes.
    pub message_size: Option<u64>,
    /// Most recipients of one message.
    pub recipients_per_message: Option<u32>,
    /// Most messages in a second.
    pub messages_per_second: Option<u32>,
    /// Most messages in a minute.
    pub messages_per_minute: Option<u32>,
    /// Most recipients in a day of the account's time zone.
    pub recipients_per_day: Option<u64>,
    /// Most credentials.
    pub credentials: Option<u32>,
    /// Most sending domains.
    pub domains: Option<u32>,
    /// Most streams.
    pub streams: Option<u32>,
    /// Most webhooks.
    pub webhooks: Option<u32>,
    /// Most members, those invited included.
    pub members: Option<u32>,
}

/// Why an account sends nothing now.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suspension {
    /// Since when.
    pub since: Timestamp,
    /// What its applications are told.
    pub text: String,
}

impl Suspension {
    /// What applications of the account of this name are told.
    #[must_use]
    pub fn words(&self, account: &str) -> String {
        match self.text.as_str() {
            "" => format!("the account {account} is suspended"),
            text => format!("the account {account} is suspended: {text}"),
        }
    }
}

/// What the operator, and for its members the account itself, demands of an account.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccountRules {
    /// Its own limits.
    pub limits: Limits,
    /// The time zone in which its days begin, by its IANA name; UTC where there is none.
    pub zone: Option<String>,
    /// Why it sends nothing now, where that is so.
    pub suspended: Option<Suspension>,
    /// Its members must log in with a code of an authenticator too.
    pub totp_required: bool,
}

impl Record for AccountRules {
    const TABLE: Table = Table::AccountLimit;
}

/// What an account may have only so many of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Thing {
    /// A secret for SMTP and the API.
    Credential,
    /// A sending domain.
    Domain,
    /// A stream.
    Stream,
    /// A webhook.
    Webhook,
    /// A member, or somebody invited.
    Member,
}

impl Thing {
    /// Many of it, in words.
    const fn plural(self) -> &'static str {
        match self {
            Self::Credential => "credentials",
            Self::Domain => "sending domains",
            Self::Stream => "streams",
            Self::Webhook => "webhooks",
            Self::Member => "members, those invited included",
        }
    }
}

impl Limits {
    /// These limits, and the settings' where there is none.
    #[must_use]
    pub fn or(self, settings: &config::Accounts) -> Self {
        let some = |number: u32| (number > 0).then_some(number);
        let per_day = settings.recipients_per_day_max;
        Self {
            messages_per_second: self
                .messages_per_second
                .or_else(|| some(settings.messages_per_second_max)),
            messages_per_minute: self
                .messages_per_minute
                .or_else(|| some(settings.messages_per_minute_max)),
            recipients_per_day: self.recipients_per_day.or((per_day > 0).then_some(per_day)),
            credentials: self.credentials.or(Some(settings.credentials_max)),
            domains: self.domains.or(Some(settings.domains_max)),
            streams: self.streams.or(Some(settings.streams_max)),
            webhooks: self.webhooks.or(Some(settings.webhooks_max)),
            members: self.members.or(Some(settings.members_max)),
            ..self
        }
    }

    /// Most of a thing.
    #[must_use]
    pub fn most(&self, thing: Thing) -> u32 {
        let most = match thing {
            Thing::Credential => self.credentials,
            Thing::Domain => self.domains,
            Thing::Stream => self.streams,
            Thing::Webhook => self.webhooks,
            Thing::Member => self.members,
        };
        most.unwrap_or(u32::MAX)
    }
}

impl AccountRules {
    /// The zone; UTC where there is none, or where its name is not known any more.
    fn time_zone(&self) -> TimeZone {
        self.zone.as_deref().and_then(|zone| TimeZone::get(zone).ok()).unwrap_or(TimeZone::UTC)
    }

    /// The account's day at a moment, counted from 1970.
    #[must_use]
    pub fn day(&self, at: Timestamp) -> u64 {
        let date = self.time_zone().to_datetime(at.jiff()).date();
        midnight(&TimeZone::UTC, Some(date)).map_or(0, |midnight| midnight.seconds() / 86_400)
    }

    /// When the day of a moment ends.
    #[must_use]
    pub fn day_end(&self, at: Timestamp) -> Timestamp {
        let zone = self.time_zone();
        let tomorrow = zone.to_datetime(at.jiff()).date().tomorrow().ok();
        midnight(&zone, tomorrow).unwrap_or(at)
    }
}

/// The first moment of a day in a zone.
fn midnight(zone: &TimeZone, date: Option<Date>) -> Option<Timestamp> {
    let midnight = zone.to_ambiguous_timestamp(date?.at(0, 0, 0, 0)).compatible().ok()?;
    u64::try_from(midnight.as_millisecond()).ok().map(Timestamp)
}

/// A zone's name as the tables have it.
fn zone_named(name: &str) -> Result<String, AccountFault> {
    let known = TimeZone::get(name).ok().and_then(|zone| zone.iana_name().map(str::to_owned));
    known.ok_or_else(|| {
        AccountFault::Refused(format!(
            "`{name}` is no time zone that is known here: use an IANA name, as in Asia/Shanghai"
        ))
    })
}

/// What of an account's rules changes: what is `None` stays, and the inner `None` takes a limit away.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RulesChange {
    /// Largest message, in bytes.
    pub message_size: Option<Option<u64>>,
    /// Most recipients of one message.
    pub recipients_per_message: Option<Option<u32>>,
    /// Most messages in a second.
    pub messages_per_second: Option<Option<u32>>,
    /// Most messages in a minute.
    pub messages_per_minute: Option<Option<u32>>,
    /// Most recipients in a day.
    pub recipients_per_day: Option<Option<u64>>,
    /// Most credentials.
    pub credentials: Option<Option<u32>>,
    /// Most sending domains.
    pub domains: Option<Option<u32>>,
    /// Most streams.
    pub streams: Option<Option<u32>>,
    /// Most webhooks.
    pub webhooks: Option<Option<u32>>,
    /// Most members.
    pub members: Option<Option<u32>>,
    /// The time zone in which days begin; none is UTC.
    pub zone: Option<Option<String>>,
    /// Whether members need a code of an authenticator.
    pub totp_required: Option<bool>,
}

impl RulesChange {
    fn apply(self, rules: &mut AccountRules) {
        fn set<T>(place: &mut T, change: Option<T>) {
            if let Some(value) = change {
                *place = value;
            }
        }
        let limits = &mut rules.limits;
        set(&mut limits.message_size, self.message_size);
        set(&mut limits.recipients_per_message, self.recipients_per_message);
        set(&mut limits.messages_per_second, self.messages_per_second);
        set(&mut limits.messages_per_minute, self.messages_per_minute);
        set(&mut limits.recipients_per_day, self.recipients_per_day);
        set(&mut limits.credentials, self.credentials);
        set(&mut limits.domains, self.domains);
        set(&mut limits.streams, self.streams);
        set(&mut limits.webhooks, self.webhooks);
        set(&mut limits.members, self.members);
        set(&mut rules.zone, self.zone);
        set(&mut rules.totp_required, self.totp_required);
    }
}

/// Refuses one more of a thing where the account has so many already.
///
/// # Errors
/// The outer: the store. The inner: the account has as many as it may.
pub fn room(
    t: &Transaction<'_>,
    settings: &config::Accounts,
    (account, thing, count): (AccountId, Thing, usize),
) -> Result<Result<(), AccountFault>, StoreFault> {
    let rules = t.get::<AccountRules>(&account.0.to_be_bytes())?.unwrap_or_default();
    let most = rules.limits.or(settings).most(thing);
    if count < most as usize {
        return Ok(Ok(()));
    }
    Ok(Err(AccountFault::Refused(format!(
        "the account has {count} {}, and {most} are the most it may have: remove one, or have the \
         operator raise the limit with `relent account set`",
        thing.plural()
    ))))
}

/// How many records of an account's there are under its number.
pub(super) fn count<R: Record>(
    t: &Transaction<'_>,
    account: AccountId,
) -> Result<usize, StoreFault> {
    let (prefix, mut after, mut count) = (account.0.to_be_bytes(), None::<Vec<u8>>, 0);
    loop {
        let page = t.scan::<R>(&prefix, after.as_deref(), PAGE)?;
        count += page.len();
        match page.into_iter().next_back() {
            Some((last, _)) => after = Some(last),
            None => return Ok(count),
        }
    }
}

impl Accounts {
    /// What is demanded of an account; nothing where nothing was said.
    ///
    /// # Errors
    /// The store.
    pub fn rules(&self, account: AccountId) -> Result<AccountRules, StoreFault> {
        Ok(self.store.get::<AccountRules>(&account.0.to_be_bytes())?.unwrap_or_default())
    }

    /// The limits that hold for an account.
    ///
    /// # Errors
    /// The store.
    pub fn limits(&self, account: AccountId) -> Result<Limits, StoreFault> {
        Ok(self.rules(account)?.limits.or(&self.settings.accounts))
    }

    /// Why an account sends nothing now, where that is so.
    ///
    /// # Errors
    /// The store.
    pub fn suspension(&self, account: AccountId) -> Result<Option<Suspension>, StoreFault> {
        Ok(self.rules(account)?.suspended)
    }

    /// Changes limits of an account, its time zone or what it demands of its members.
    ///
    /// # Errors
    /// There is no such account or zone; the store.
    pub async fn set_limits(
        &self,
        name: &str,
        mut change: RulesChange,
    ) -> Result<AccountRules, AccountFault> {
        if let Some(Some(zone)) = &mut change.zone {
            *zone = zone_named(zone)?;
        }
        self.change_rules(name, "account.limited", |rules| {
            change.apply(rules);
            Ok(())
        })
        .await
    }

    /// Has an account send nothing from now on: submissions are refused with the text, and what is queued
    /// waits.
    ///
    /// # Errors
    /// There is no such account; it is suspended already; the text is too long; the store.
    pub async fn suspend(&self, name: &str, text: &str) -> Result<AccountRules, AccountFault> {
        let is_plain = text.chars().all(|c| !c.is_control());
        if text.chars().count() > TEXT_MAX || !is_plain {
            return Err(AccountFault::Refused(format!(
                "the text of a suspension is one line of at most {TEXT_MAX} characters"
            )));
        }
        let (since, text) = (self.world.clock.now(), text.trim().to_owned());
        let named = name.to_owned();
        self.change_rules(name, "account.suspended", move |rules| {
            if let Some(suspended) = &rules.suspended {
                return Err(AccountFault::Refused(format!(
                    "the account is suspended since {} already: `relent account resume {named}` ends \
                     that",
                    suspended.since
                )));
            }
            rules.suspended = Some(Suspension { since, text });
            Ok(())
        })
        .await
    }

    /// Lets a suspended account send again.
    ///
    /// # Errors
    /// There is no such account, or it is not suspended; the store.
    pub async fn resume(&self, name: &str) -> Result<AccountRules, AccountFault> {
        self.change_rules(name, "account.resumed", |rules| match rules.suspended.take() {
            Some(_) => Ok(()),
            None => Err(AccountFault::Refused("the account is not suspended".into())),
        })
        .await
    }

    async fn change_rules(
        &self,
        name: &str,
        kind: &'static str,
        change: impl FnOnce(&mut AccountRules) -> Result<(), AccountFault> + Send + 'static,
    ) -> Result<AccountRules, AccountFault> {
        let Account { id, name, .. } = self.account(name)?;
        let author = self.author.clone();
        self.store
            .transact(move |t| {
                let place = id.0.to_be_bytes();
                let before = t.get::<AccountRules>(&place)?.unwrap_or_default();
                let mut rules = before.clone();
                if let Err(fault) = change(&mut rules) {
                    return Ok(Err(fault));
                }
                if rules == before {
                    return Ok(Ok(rules));
                }
                t.put(&place, &rules);
                let why = rules.suspended.as_ref().map(|suspended| suspended.text.as_str());
                author.write(t, Act::new(id, kind).about(name).with("suspended", why))?;
                Ok(Ok(rules))
            })
            .await?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("RFC 3339")
    }

    #[test]
    fn a_day_begins_at_midnight_of_the_accounts_zone() {
        let utc = AccountRules::default();
        assert_eq!(utc.day(at("2026-11-26T23:59:59Z")) + 1, utc.day(at("2026-11-27T00:00:00Z")));
        assert_eq!(utc.day_end(at("2026-11-26T23:59:59Z")), at("2026-11-27T00:00:00Z"));
        let zone = |name: &str| AccountRules { zone: Some(name.into()), ..AccountRules::default() };
        let shanghai = zone("Asia/Shanghai");
        assert_eq!(shanghai.day(at("2026-11-26T16:00:00Z")), utc.day(at("2026-11-27T00:00:00Z")));
        assert_eq!(shanghai.day_end(at("2026-11-26T15:59:00Z")), at("2026-11-26T16:00:00Z"));
        // A day of 25 hours.
        let berlin = zone("Europe/Berlin");
        assert_eq!(berlin.day_end(at("2026-10-24T22:30:00Z")), at("2026-10-25T23:00:00Z"));
        assert_eq!(
            zone("Mars/Phobos").day(at("2026-11-26T12:00:00Z")),
            utc.day(at("2026-11-26T12:00:00Z"))
        );
    }

    #[test]
    fn the_settings_hold_where_an_account_has_no_limit_of_its_own() {
        let mut settings = config::Accounts::default();
        let own = Limits { streams: Some(3), ..Limits::default() };
        let limits = own.clone().or(&settings);
        assert_eq!((limits.most(Thing::Stream), limits.most(Thing::Domain)), (3, 1000));
        assert_eq!((limits.messages_per_second, limits.recipients_per_day), (None, None));
        settings.messages_per_second_max = 7;
        settings.recipients_per_day_max = 9;
        let limits = own.or(&settings);
        assert_eq!((limits.messages_per_second, limits.recipients_per_day), (Some(7), Some(9)));
    }
}
