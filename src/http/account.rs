//! `/api/v1/accounts`: what an account is, may have and send, and has used of that; its suspension.

use super::by::By;
use super::caller::Caller;
use super::draft::{Asked, Draft, Named};
use super::named;
use super::problem::{AtField, Problem};
use super::shape::Page;
use super::site::Parts;
use super::slice::{Slice, numbered};
use crate::accounts::{Account, AccountRules, Language, Limits, RulesChange};
use crate::mail::AccountId;
use crate::queue::Selector;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;

/// An account.
#[derive(Serialize, ToSchema)]
#[schema(as = Account)]
pub(super) struct View {
    /// Its number.
    #[schema(value_type = u32)]
    id: AccountId,
    /// Its name.
    name: String,
    /// The language of its reports (ISO 639-1).
    language: Language,
    /// When it was made.
    #[schema(format = DateTime)]
    created: String,
}

/// Why an account sends nothing now.
#[derive(Serialize, ToSchema)]
#[schema(as = AccountSuspension)]
pub(super) struct SuspensionView {
    /// Since when.
    #[schema(format = DateTime)]
    since: String,
    /// What its applications are told.
    text: String,
}

/// What an account has used of its limits.
#[derive(Serialize, ToSchema)]
#[schema(as = AccountUse)]
struct UsedView {
    /// Recipients sent to since the day began in the account's time zone.
    recipients_today: u64,
    /// When that day ends.
    #[schema(format = DateTime)]
    day_ends: String,
    credentials: usize,
    domains: usize,
    streams: usize,
}

/// An account with its limits and what it has used of them.
#[derive(Serialize, ToSchema)]
#[schema(as = WholeAccount)]
pub(super) struct WholeView {
    #[serde(flatten)]
    account: View,
    /// The time zone by which its days are counted, as in `Europe/Berlin`.
    zone: String,
    /// Why it sends nothing now; null: it sends.
    suspended: Option<SuspensionView>,
    /// Whether its members need an authenticator.
    require_totp: bool,
    /// Its limits; null: none of its own.
    limits: Limits,
    /// What it has used of them.
    used: UsedView,
}

fn view(account: &Account) -> View {
    View {
        id: account.id,
        name: account.name.clone(),
        language: account.language,
        created: account.created.to_string(),
    }
}

fn whole(parts: &Parts, account: &Account) -> Result<WholeView, Problem> {
    let accounts = &parts.accounts;
    let rules = accounts.rules(account.id)?;
    Ok(WholeView {
        account: view(account),
        zone: rules.zone.as_deref().unwrap_or("UTC").to_owned(),
        suspended: suspension(&rules),
        require_totp: rules.totp_required,
        limits: accounts.limits(account.id)?,
        used: UsedView {
            recipients_today: accounts.sent_today(account.id, &rules)?,
            day_ends: rules.day_end(parts.world.clock.now()).to_string(),
            credentials: accounts.credentials(account.id)?.len(),
            domains: accounts.domains(account.id)?.len(),
            streams: accounts.streams(account.id)?.len(),
        },
    })
}

fn suspension(rules: &AccountRules) -> Option<SuspensionView> {
    let suspended = rules.suspended.as_ref()?;
    Some(SuspensionView { since: suspended.since.to_string(), text: suspended.text.clone() })
}

/// A new account.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewAccount {
    #[schema(pattern = "^[a-z0-9-]{1,32}$")]
    name: String,
}

pub(super) async fn add(
    By(parts): By,
    Draft(draft): Draft<NewAccount>,
) -> Result<(StatusCode, Json<View>), Problem> {
    let account = parts.accounts.add_account(&draft.name).await?;
    tracing::info!(target: "relent::http", account = account.name, "account made");
    Ok((StatusCode::CREATED, Json(view(&account))))
}

/// What a request names, none where it says null: not what it leaves out.
fn named_or_null<'de, D, T>(from: D) -> Result<Option<Option<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::<T>::deserialize(from).map(Some)
}

/// Limits that change: what is left out stays, null takes an account's own limit away.
#[derive(Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct LimitsChange {
    #[serde(deserialize_with = "named_or_null")]
    #[schema(value_type = Option<u64>)]
    message_size: Option<Option<u64>>,
    #[serde(deserialize_with = "named_or_null")]
    #[schema(value_type = Option<u32>)]
    recipients_per_message: Option<Option<u32>>,
    #[serde(deserialize_with = "named_or_null")]
    #[schema(value_type = Option<u32>)]
    messages_per_second: Option<Option<u32>>,
    #[serde(deserialize_with = "named_or_null")]
    #[schema(value_type = Option<u32>)]
    messages_per_minute: Option<Option<u32>>,
    #[serde(deserialize_with = "named_or_null")]
    #[schema(value_type = Option<u64>)]
    recipients_per_day: Option<Option<u64>>,
    #[serde(deserialize_with = "named_or_null")]
    #[schema(value_type = Option<u32>)]
    credentials: Option<Option<u32>>,
    #[serde(deserialize_with = "named_or_null")]
    #[schema(value_type = Option<u32>)]
    domains: Option<Option<u32>>,
    #[serde(deserialize_with = "named_or_null")]
    #[schema(value_type = Option<u32>)]
    streams: Option<Option<u32>>,
    #[serde(deserialize_with = "named_or_null")]
    #[schema(value_type = Option<u32>)]
    webhooks: Option<Option<u32>>,
    #[serde(deserialize_with = "named_or_null")]
    #[schema(value_type = Option<u32>)]
    members: Option<Option<u32>>,
}

/// What of an account changes.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    language: Option<String>,
    /// The operator's to change: days are counted by it.
    #[serde(default, deserialize_with = "named_or_null")]
    #[schema(value_type = Option<String>)]
    zone: Option<Option<String>>,
    require_totp: Option<bool>,
    /// The operator's to change.
    #[serde(default)]
    #[schema(inline)]
    limits: LimitsChange,
}

impl LimitsChange {
    /// A limit of nothing would be a suspension that nobody is told of.
    fn check(&self) -> Result<(), Problem> {
        let small = [
            ("recipients_per_message", self.recipients_per_message),
            ("messages_per_second", self.messages_per_second),
            ("messages_per_minute", self.messages_per_minute),
        ];
        let small = small.map(|(name, limit)| (name, limit.map(|limit| limit.map(u64::from))));
        let large =
            [("message_size", self.message_size), ("recipients_per_day", self.recipients_per_day)];
        match small.into_iter().chain(large).find(|(_, limit)| *limit == Some(Some(0))) {
            Some((name, _)) => Err(Problem::unfit(format!(
                "`{name}` is 0: a limit lets one through at least; null takes it away, and \
                 `relent account suspend` stops an account"
            ))),
            None => Ok(()),
        }
    }
}

impl Change {
    fn rules(&self) -> RulesChange {
        let limits = &self.limits;
        RulesChange {
            message_size: limits.message_size,
            recipients_per_message: limits.recipients_per_message,
            messages_per_second: limits.messages_per_second,
            messages_per_minute: limits.messages_per_minute,
            recipients_per_day: limits.recipients_per_day,
            credentials: limits.credentials,
            domains: limits.domains,
            streams: limits.streams,
            webhooks: limits.webhooks,
            members: limits.members,
            zone: self.zone.clone(),
            totp_required: self.require_totp,
        }
    }
}

fn language(text: &str) -> Result<Language, Problem> {
    Language::named(text.trim()).ok_or_else(|| {
        let names = Language::ALL.map(Language::name).join(", ");
        Problem::unfit(format!("`{text}` is no language of reports: use one of {names}"))
    })
}

pub(super) async fn set(
    By(parts): By,
    caller: Caller,
    Named([name]): Named<1>,
    Draft(change): Draft<Change>,
) -> Result<Json<WholeView>, Problem> {
    caller.whole_account()?;
    let name = caller.account(&parts, &name)?.name;
    if change.limits != LimitsChange::default() {
        caller.operator("changing limits")?;
    }
    // Another zone begins another day, and with it the count of the day's recipients anew.
    if change.zone.is_some() {
        caller.operator("changing the time zone, by which days are counted,")?;
    }
    change.limits.check()?;
    let language = change.language.as_deref().map(language).transpose().at("language")?;
    let rules = change.rules();
    if rules != RulesChange::default() {
        parts.accounts.set_limits(&name, rules).await?;
    }
    if let Some(language) = language {
        parts.accounts.set_language(&name, language).await?;
    }
    tracing::info!(target: "relent::http", account = name, "account changed");
    Ok(Json(whole(&parts, &parts.accounts.account(&name)?)?))
}

pub(super) async fn list(
    State(parts): State<Parts>,
    Asked(slice): Asked<Slice>,
) -> Result<Json<Page<View>>, Problem> {
    let accounts = parts.accounts.accounts()?;
    slice.answer(accounts, |account| numbered(account.id.0), |account| Ok(view(account)))
}

pub(super) async fn show(
    State(parts): State<Parts>,
    caller: Caller,
    Named([name]): Named<1>,
) -> Result<Json<WholeView>, Problem> {
    Ok(Json(whole(&parts, &caller.account(&parts, &name)?)?))
}

/// Why an account is to send nothing.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Why {
    text: Option<String>,
}

/// An account that was suspended.
#[derive(Serialize, ToSchema)]
#[schema(as = SuspendedAccount)]
pub(super) struct Suspended {
    name: String,
    suspended: Option<SuspensionView>,
}

/// An account that sends again.
#[derive(Serialize, ToSchema)]
#[schema(as = ResumedAccount)]
pub(super) struct Resumed {
    name: String,
    /// Null: it sends.
    suspended: Option<SuspensionView>,
    /// Recipients of its mail that are due now.
    due: u64,
}

pub(super) async fn suspend(
    By(parts): By,
    Named([name]): Named<1>,
    Draft(why): Draft<Why>,
) -> Result<Json<Suspended>, Problem> {
    let text = named::given(why.text.as_ref()).unwrap_or_default();
    let rules = parts.accounts.suspend(&name, text).await?;
    tracing::warn!(target: "relent::http", account = name, text, "account suspended");
    Ok(Json(Suspended { suspended: suspension(&rules), name }))
}

pub(super) async fn resume(
    By(parts): By,
    Named([name]): Named<1>,
) -> Result<Json<Resumed>, Problem> {
    parts.accounts.resume(&name).await?;
    let account = parts.accounts.account(&name)?;
    // What waited for it is due now, not at its next look.
    let due = parts.queue.retry(Selector::Account(account.id)).await;
    tracing::info!(target: "relent::http", account = name, due, "account sends again");
    Ok(Json(Resumed { name, suspended: None, due }))
}
