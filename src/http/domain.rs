//! `/api/v1/accounts/{account}/domains`: what to publish, and whether it was found.

use super::by::By;
use super::caller::Caller;
use super::draft::{Asked, Draft, Named};
use super::named;
use super::problem::{AtField, Problem};
use super::shape::{Page, Removed};
use super::site::Parts;
use super::slice::Slice;
use crate::accounts::{
    Checked, DkimAlgorithm, DkimChoice, Host, HostUse, KeyStage, NewHost, Ours, SendingDomain,
    Verified, Wanted,
};
use crate::mail::{AccountId, Domain};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Deserializer, Serialize};
use std::sync::Arc;
use utoipa::ToSchema;

/// A host of a sending domain's own.
#[derive(Serialize, ToSchema)]
#[schema(as = DomainHost)]
struct HostView {
    /// Its name.
    #[schema(value_type = String)]
    name: Domain,
    /// Whether its records were found to lead to us: until then it is not used.
    verified: bool,
    /// When they were last found so.
    #[schema(format = DateTime)]
    verified_at: Option<String>,
}

/// Where a key stands in its life.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum KeyState {
    /// It signs.
    Signing,
    /// It signs once its record is found published.
    Waiting,
    /// It signs no more.
    Retired,
}

/// A DKIM key.
#[derive(Serialize, ToSchema)]
#[schema(as = DkimKey)]
struct KeyView {
    /// The selector, a label below `_domainkey`.
    selector: String,
    /// How it signs.
    algorithm: DkimAlgorithm,
    /// Where it stands in its life.
    state: KeyState,
    /// When it was made.
    #[schema(format = DateTime)]
    made: String,
    /// Of one that signs no more: until when its record must stay published.
    #[schema(format = DateTime)]
    publish_until: Option<String>,
    /// Whether its record may be taken away.
    removable: bool,
}

/// A sending domain, and what to publish for it.
#[derive(Serialize, ToSchema)]
#[schema(as = SendingDomain)]
pub(super) struct View {
    /// The domain.
    #[schema(value_type = String)]
    name: Domain,
    /// Whether the operator vouches for it.
    trusted: bool,
    /// Whether its published proof and the keys that sign were found right.
    verified: bool,
    /// When they were last found so.
    #[schema(format = DateTime)]
    verified_at: Option<String>,
    /// When it was added.
    #[schema(format = DateTime)]
    created: String,
    /// Its own host of return paths.
    return_path: Option<HostView>,
    /// Its own host of reply and unsubscribe addresses.
    reply_host: Option<HostView>,
    /// Its own host of unsubscribe pages.
    link_host: Option<HostView>,
    /// Its keys, oldest first.
    keys: Vec<KeyView>,
    /// What to publish in DNS.
    records: Vec<Wanted>,
}

/// A sending domain as it was looked up.
#[derive(Serialize, ToSchema)]
#[schema(as = VerifiedDomain)]
pub(super) struct VerifiedView {
    /// The domain.
    #[schema(value_type = String)]
    name: Domain,
    /// Whether mail may be sent from it.
    verified: bool,
    /// Whether every record that is required is right.
    complete: bool,
    /// Whether new keys sign from now on.
    rotated: bool,
    /// Each record, and what was found.
    records: Vec<Checked>,
}

fn host(host: Option<&Host>) -> Option<HostView> {
    host.map(|host| HostView {
        name: host.name.clone(),
        verified: host.found.is_some(),
        verified_at: host.found.map(|at| at.to_string()),
    })
}

fn keys(parts: &Parts, domain: &SendingDomain) -> Vec<KeyView> {
    let now = parts.world.clock.now();
    let view = domain.keys.iter().map(|key| {
        let (stage, until) = match key.stage {
            KeyStage::Signing => (KeyState::Signing, None),
            KeyStage::Waiting => (KeyState::Waiting, None),
            KeyStage::Retired { until } => (KeyState::Retired, Some(until)),
        };
        KeyView {
            selector: key.selector.clone(),
            algorithm: key.algorithm,
            state: stage,
            made: key.made.to_string(),
            publish_until: until.map(|until| until.to_string()),
            removable: until.is_some_and(|until| until <= now),
        }
    });
    view.collect()
}

fn view(parts: &Parts, domain: &SendingDomain) -> View {
    let now = parts.world.clock.now();
    let mut records = domain.records(&Ours::of(&parts.config));
    // What may go is not asked for any more: its key says so.
    records.retain(|wanted| {
        !domain.keys.iter().any(|key| {
            let gone = matches!(key.stage, KeyStage::Retired { until } if until <= now);
            gone && wanted.record.name.starts_with(&format!("{}._domainkey.", key.selector))
        })
    });
    View {
        name: domain.name.clone(),
        trusted: domain.trusted,
        verified: domain.verified.is_some(),
        verified_at: domain.verified.map(|at| at.to_string()),
        created: domain.created.to_string(),
        return_path: host(domain.hosts.of(HostUse::ReturnPath)),
        reply_host: host(domain.hosts.of(HostUse::Replies)),
        link_host: host(domain.hosts.of(HostUse::Links)),
        keys: keys(parts, domain),
        records,
    }
}

fn find(parts: &Parts, account: AccountId, name: &str) -> Result<Arc<SendingDomain>, Problem> {
    // What is no domain's name is the name of none.
    let found = match named::domain(name) {
        Ok(name) => parts.accounts.domain(account, &name)?,
        Err(_) => None,
    };
    found.ok_or_else(|| {
        Problem::unknown(format!(
            "there is no domain `{name}` in this account: `relent domain list ACCOUNT` shows them"
        ))
    })
}

/// A field that is there, and may say that there is nothing.
fn given<'de, D: Deserializer<'de>>(value: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(value).map(Some)
}

/// A domain's own hosts: absent, as they are; null or empty, none.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Hosts {
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, max_length = 253)]
    return_path: Option<Option<String>>,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, max_length = 253)]
    reply_host: Option<Option<String>>,
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, max_length = 253)]
    link_host: Option<Option<String>>,
}

impl Hosts {
    fn read(&self) -> Result<Vec<NewHost>, Problem> {
        let all = [
            ("return_path", HostUse::ReturnPath, &self.return_path),
            ("reply_host", HostUse::Replies, &self.reply_host),
            ("link_host", HostUse::Links, &self.link_host),
        ];
        let mut read = Vec::new();
        for (field, host_use, host) in all {
            let Some(host) = host else { continue };
            let name = named::given(host.as_ref()).map(named::domain).transpose().at(field)?;
            read.push(NewHost(host_use, name));
        }
        Ok(read)
    }
}

/// A new sending domain.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewDomain {
    #[schema(max_length = 253)]
    name: String,
    #[serde(default)]
    #[schema(default = false)]
    trust: bool,
    dkim: Option<DkimChoice>,
    return_path: Option<String>,
    reply_host: Option<String>,
    link_host: Option<String>,
}

pub(super) async fn add(
    By(parts): By,
    caller: Caller,
    Named([account]): Named<1>,
    Draft(draft): Draft<NewDomain>,
) -> Result<(StatusCode, Json<View>), Problem> {
    let account = caller.account(&parts, &account)?;
    caller.whole_account()?;
    if draft.trust {
        caller.operator("vouching for a domain (`trust`)")?;
    }
    let name = named::domain(&draft.name).at("name")?;
    let dkim = draft.dkim.unwrap_or(DkimChoice::Both);
    let hosts = Hosts {
        return_path: Some(draft.return_path),
        reply_host: Some(draft.reply_host),
        link_host: Some(draft.link_host),
    };
    let hosts = hosts.read()?;
    let domain = parts.accounts.add_domain(account.id, &name, draft.trust, dkim, &hosts).await?;
    tracing::info!(
        target: "relent::http", account = account.name, domain = %domain.name,
        trusted = domain.trusted, "sending domain added"
    );
    Ok((StatusCode::CREATED, Json(view(&parts, &domain))))
}

pub(super) async fn list(
    State(parts): State<Parts>,
    caller: Caller,
    Named([account]): Named<1>,
    Asked(slice): Asked<Slice>,
) -> Result<Json<Page<View>>, Problem> {
    let account = caller.account(&parts, &account)?;
    let domains = parts.accounts.domains(account.id)?;
    slice.answer(domains, |domain| domain.name.to_string(), |domain| Ok(view(&parts, domain)))
}

pub(super) async fn show(
    State(parts): State<Parts>,
    caller: Caller,
    Named([account, name]): Named<2>,
) -> Result<Json<View>, Problem> {
    let account = caller.account(&parts, &account)?;
    Ok(Json(view(&parts, &*find(&parts, account.id, &name)?)))
}

pub(super) async fn set(
    By(parts): By,
    caller: Caller,
    Named([account, name]): Named<2>,
    Draft(hosts): Draft<Hosts>,
) -> Result<Json<View>, Problem> {
    let account = caller.account(&parts, &account)?;
    caller.whole_account()?;
    let domain = find(&parts, account.id, &name)?;
    let domain = parts.accounts.set_hosts(account.id, &domain.name, hosts.read()?).await?;
    tracing::info!(
        target: "relent::http", account = account.name, domain = %domain.name,
        "hosts of a sending domain changed"
    );
    Ok(Json(view(&parts, &domain)))
}

/// Which keys are made in place of those that sign.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Rotation {
    dkim: Option<DkimChoice>,
}

pub(super) async fn rotate(
    By(parts): By,
    caller: Caller,
    Named([account, name]): Named<2>,
    Draft(draft): Draft<Rotation>,
) -> Result<Json<View>, Problem> {
    let account = caller.account(&parts, &account)?;
    caller.whole_account()?;
    let domain = find(&parts, account.id, &name)?;
    let dkim = draft.dkim.unwrap_or(DkimChoice::Both);
    let domain = parts.accounts.rotate_keys(account.id, &domain.name, dkim).await?;
    tracing::info!(
        target: "relent::http", account = account.name, domain = %domain.name,
        "new DKIM keys wait to be published"
    );
    Ok(Json(view(&parts, &domain)))
}

pub(super) async fn remove(
    By(parts): By,
    caller: Caller,
    Named([account, name]): Named<2>,
) -> Result<Json<Removed>, Problem> {
    let account = caller.account(&parts, &account)?;
    caller.whole_account()?;
    let domain = find(&parts, account.id, &name)?;
    parts.accounts.remove_domain(account.id, &domain.name).await?;
    tracing::info!(
        target: "relent::http", account = account.name, domain = %domain.name,
        "sending domain removed"
    );
    Ok(Json(Removed { removed: domain.name.to_string() }))
}

pub(super) async fn verify(
    By(parts): By,
    caller: Caller,
    Named([account, name]): Named<2>,
) -> Result<Json<VerifiedView>, Problem> {
    let account = caller.account(&parts, &account)?;
    let domain = find(&parts, account.id, &name)?;
    let (resolver, ours) = (&*parts.resolver, Ours::of(&parts.config));
    let kept = parts.config.retired_key_kept();
    let looked = parts.accounts.verify_domain(resolver, &ours, kept, account.id, &domain.name);
    let Verified { records, verified, complete, rotated } = looked.await?;
    tracing::info!(
        target: "relent::http", account = account.name, domain = %domain.name, verified, complete,
        rotated, "sending domain looked up"
    );
    Ok(Json(VerifiedView { name: domain.name.clone(), verified, complete, rotated, records }))
}
