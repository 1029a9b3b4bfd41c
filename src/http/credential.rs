//! `/api/v1/accounts/{account}/credentials`: the password is shown once, when it is made.

use super::by::By;
use super::caller::Caller;
use super::draft::{Asked, Draft, Named};
use super::named;
use super::problem::{AtField, Problem};
use super::shape::{Page, Removed, words};
use super::site::Parts;
use super::slice::Slice;
use crate::accounts::{self, Credential, CredentialDraft, Network, Refusal, Right};
use crate::mail::{AccountId, Timestamp};
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Most streams that one credential names.
const STREAMS_MAX: usize = 100;
/// Most networks that one credential names.
const NETWORKS_MAX: usize = 100;

fn streams(parts: &Parts, credential: &Credential) -> Result<Vec<String>, Problem> {
    let names = credential.streams.iter().map(|id| named::stream_name(parts, *id));
    names.filter_map(Result::transpose).collect()
}

/// A new credential.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewCredential {
    /// The user name: 1–32 of `a-z0-9-`.
    #[schema(pattern = "^[a-z0-9-]{1,32}$")]
    name: String,
    /// The one stream that it may send on.
    stream: Option<String>,
    /// The streams that it may send on and speak of; left out: all.
    #[schema(max_items = 100)]
    streams: Option<Vec<String>>,
    /// What happens to recipients that must not be sent to.
    refuse: Option<Refusal>,
    /// What it may do; left out: `send`.
    rights: Option<Vec<String>>,
    /// When it ends: RFC 3339, or a day.
    expires: Option<String>,
    /// Networks that it may be used from; left out: anywhere.
    #[schema(max_items = 100)]
    allow: Option<Vec<String>>,
}

impl NewCredential {
    /// What it is to be: nothing that its maker is not.
    fn read(
        self,
        parts: &Parts,
        caller: &Caller,
        account: AccountId,
    ) -> Result<CredentialDraft, Problem> {
        let mut streams = Vec::new();
        let one = named::given(self.stream.as_ref()).map(str::to_owned);
        for (number, name) in one.into_iter().chain(self.streams.unwrap_or_default()).enumerate() {
            if number >= STREAMS_MAX {
                let text = format!("a credential names at most {STREAMS_MAX} streams");
                return Err(Problem::field("streams", text));
            }
            streams.push(caller.stream(parts, account, &name)?.id);
        }
        if streams.is_empty() {
            caller.whole_account()?;
        }
        let mut rights = Vec::new();
        for (number, name) in self.rights.unwrap_or_default().into_iter().enumerate() {
            let field = format!("rights[{number}]");
            let right: Right = name.parse().map_err(|why: String| Problem::field(&field, why))?;
            rights.push(right);
        }
        if rights.is_empty() {
            rights.push(Right::Send);
        }
        if let Some(missing) = rights.iter().find(|right| !caller.may(**right)) {
            let text = format!("a credential has no right that its maker lacks, as `{missing}`");
            return Err(Problem::forbidden(text));
        }
        let mut networks = Vec::new();
        for (number, text) in self.allow.unwrap_or_default().into_iter().enumerate() {
            let field = format!("allow[{number}]");
            if number >= NETWORKS_MAX {
                let text = format!("a credential names at most {NETWORKS_MAX} networks");
                return Err(Problem::field("allow", text));
            }
            networks.push(text.parse().map_err(|why: String| Problem::field(&field, why))?);
        }
        let now = parts.world.clock.now();
        let expires = named::given(self.expires.as_ref());
        let expires = expires.map(|text| named::ahead(now, text)).transpose().at("expires")?;
        let (expires, networks) = bounded(caller, (expires, networks))?;
        let refuse = self.refuse.unwrap_or(Refusal::AtRcpt);
        Ok(CredentialDraft { name: self.name, streams, refuse, rights, expires, networks })
    }
}

/// Until when and from where a credential is used: no longer, and from nowhere else, than the one that makes it.
fn bounded(
    caller: &Caller,
    (expires, networks): (Option<Timestamp>, Vec<Network>),
) -> Result<(Option<Timestamp>, Vec<Network>), Problem> {
    let Caller::Credential(_, maker) = caller else { return Ok((expires, networks)) };
    let expires = expires.into_iter().chain(maker.expires).min();
    if maker.networks.is_empty() {
        return Ok((expires, networks));
    }
    if networks.is_empty() {
        return Ok((expires, maker.networks.clone()));
    }
    let is_within = |network: &Network| maker.networks.iter().any(|own| own.covers(network));
    match networks.iter().find(|network| !is_within(network)) {
        None => Ok((expires, networks)),
        Some(outside) => Err(Problem::forbidden(format!(
            "a credential is used from nowhere that its maker may not be used from, as {outside}"
        ))),
    }
}

words! {
    /// Something that a credential or a member may do.
    Right as "Right" = Right::ALL.iter().map(|(_, name, _)| *name);
}

/// A credential, without its secret.
#[derive(Serialize, ToSchema)]
#[schema(as = Credential)]
pub(super) struct View {
    /// The user name.
    name: String,
    /// The streams that it may send on and speak of; empty: all.
    streams: Vec<String>,
    /// What happens to recipients that must not be sent to.
    refuse: Refusal,
    /// What it may do.
    rights: Vec<Right>,
    /// When it ends.
    #[schema(format = DateTime)]
    expires: Option<String>,
    /// Whether it has ended.
    expired: bool,
    /// Networks that it may be used from, as in `192.0.2.0/24`; empty: anywhere.
    allow: Vec<String>,
    /// When it was made.
    #[schema(format = DateTime)]
    created: String,
    /// When it was used last, to about a minute.
    #[schema(format = DateTime)]
    used: Option<String>,
    /// The IP address that it was used from last.
    used_from: Option<String>,
}

/// A new credential, with its secret.
#[derive(Serialize, ToSchema)]
#[schema(as = MadeCredential)]
pub(super) struct MadeView {
    #[serde(flatten)]
    credential: View,
    /// The user name.
    username: String,
    /// For the API: `Authorization: Bearer TOKEN`.
    token: String,
    /// For SMTP.
    password: String,
}

fn view(parts: &Parts, credential: &Credential) -> Result<View, Problem> {
    let last = parts.accounts.last_use(credential)?;
    Ok(View {
        name: credential.name.clone(),
        streams: streams(parts, credential)?,
        refuse: credential.refuse,
        rights: credential.rights.clone(),
        expires: credential.expires.map(|at| at.to_string()),
        expired: credential.expires.is_some_and(|at| at <= parts.world.clock.now()),
        allow: credential.networks.iter().map(ToString::to_string).collect(),
        created: credential.created.to_string(),
        used: last.map(|last| last.at.to_string()),
        used_from: last.and_then(|last| last.from).map(|from| from.to_string()),
    })
}

pub(super) async fn add(
    By(parts): By,
    caller: Caller,
    Named([account]): Named<1>,
    Draft(draft): Draft<NewCredential>,
) -> Result<(StatusCode, Json<MadeView>), Problem> {
    let account = caller.account(&parts, &account)?;
    let draft = draft.read(&parts, &caller, account.id)?;
    let (credential, password) = parts.accounts.add_credential(account.id, draft).await?;
    tracing::info!(
        target: "relent::http", account = account.name, credential = credential.name, by = %caller,
        "credential made"
    );
    let made = MadeView {
        credential: view(&parts, &credential)?,
        username: credential.name.clone(),
        token: accounts::token(&credential.name, &password),
        password,
    };
    Ok((StatusCode::CREATED, Json(made)))
}

pub(super) async fn list(
    State(parts): State<Parts>,
    caller: Caller,
    Named([account]): Named<1>,
    Asked(slice): Asked<Slice>,
) -> Result<Json<Page<View>>, Problem> {
    let account = caller.account(&parts, &account)?;
    let credentials = parts.accounts.credentials(account.id)?;
    slice.answer(credentials, |one| one.name.clone(), |one| view(&parts, one))
}

pub(super) async fn remove(
    By(parts): By,
    caller: Caller,
    Named([account, name]): Named<2>,
) -> Result<Json<Removed>, Problem> {
    let account = caller.account(&parts, &account)?;
    caller.whole_account()?;
    parts.accounts.remove_credential(account.id, &name).await?;
    tracing::info!(
        target: "relent::http", account = account.name, credential = name, by = %caller,
        "credential revoked"
    );
    Ok(Json(Removed { removed: name }))
}
