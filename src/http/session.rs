//! `/api/v1/sessions`, `/api/v1/me` and what needs no session: logging in, joining by an invitation, a
//! forgotten password. All that a member does about themselves.

use super::draft::{Draft, Named};
use super::myself::{Asker, Myself};
use super::named;
use super::post;
use super::problem::Problem;
use super::shape::{Detail, List};
use super::site::Parts;
use crate::accounts::{By, Claim, Person, Role, Seat, Session, SessionKey, Standing};
use crate::mail::Address;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Instead of a session's name: the one that asks.
const CURRENT: &str = "current";

/// What a member is in an account.
#[derive(Serialize, ToSchema)]
#[schema(as = Seat)]
struct SeatView {
    /// The account's name.
    name: String,
    /// What the member is there; null until the authenticator is set up that it demands.
    role: Option<Role>,
    /// Whether it demands one.
    needs_totp: bool,
}

/// A member, and what they are where.
#[derive(Serialize, ToSchema)]
#[schema(as = Me)]
pub(super) struct View {
    /// The address with which the member logs in.
    #[schema(value_type = String)]
    address: Address,
    /// The name; may be empty.
    name: String,
    /// When the member joined.
    #[schema(format = DateTime)]
    created: String,
    /// When the password was set.
    #[schema(format = DateTime)]
    password_set: String,
    /// Whether codes of an authenticator are asked for.
    totp: bool,
    /// Recovery codes that were not used.
    recovery_codes_left: usize,
    /// The accounts.
    accounts: Vec<SeatView>,
}

/// A session.
#[derive(Serialize, ToSchema)]
#[schema(as = Session)]
pub(super) struct SessionView {
    /// Its name in listings, with which nobody comes in.
    session: String,
    /// Since when.
    #[schema(format = DateTime)]
    created: String,
    /// When the member last proved who it is.
    #[schema(format = DateTime)]
    proven: String,
    /// About when it was used last.
    #[schema(format = DateTime)]
    seen: String,
    /// When it ends unless it is used.
    #[schema(format = DateTime)]
    ends: String,
    /// The IP address from which it was begun.
    ip: Option<String>,
    /// The program that began it, as it names itself.
    agent: String,
}

/// A session that was begun just now.
#[derive(Serialize, ToSchema)]
#[schema(as = NewSession)]
pub(super) struct MadeView {
    #[serde(flatten)]
    session: SessionView,
    /// `Authorization: Bearer TOKEN`.
    token: String,
    /// Whose it is.
    member: View,
}

/// A session of one's own.
#[derive(Serialize, ToSchema)]
#[schema(as = OwnSession)]
pub(super) struct OwnView {
    #[serde(flatten)]
    session: SessionView,
    /// Whether it is the one that asks.
    current: bool,
}

/// Sessions that were ended.
#[derive(Serialize, ToSchema)]
#[schema(as = EndedSessions)]
pub(super) struct Ended {
    /// How many.
    pub(super) ended: usize,
}

/// A proof that was taken.
#[derive(Serialize, ToSchema)]
pub(super) struct Proven {
    /// When.
    #[schema(format = DateTime)]
    proven: String,
}

/// A password that was changed.
#[derive(Serialize, ToSchema)]
#[schema(as = ChangedPassword)]
pub(super) struct Changed {
    /// True.
    changed: bool,
}

/// An authenticator that was taken away.
#[derive(Serialize, ToSchema)]
#[schema(as = RemovedTotp)]
pub(super) struct Away {
    /// True.
    pub(super) removed: bool,
}

/// An authenticator to set up: it counts once a first code was given.
#[derive(Serialize, ToSchema)]
#[schema(as = NewTotp)]
pub(super) struct TotpView {
    /// The secret, in base32.
    secret: String,
    /// The same as an `otpauth:` address, for a QR code.
    uri: String,
}

/// An authenticator that counts.
#[derive(Serialize, ToSchema)]
#[schema(as = ConfirmedTotp)]
pub(super) struct RecoveryView {
    /// Each logs in once where the authenticator is lost. Shown this once.
    recovery_codes: Vec<String>,
}

/// An account that was left.
#[derive(Serialize, ToSchema)]
#[schema(as = LeftAccount)]
pub(super) struct Left {
    /// Its name.
    left: String,
}

/// Somebody who has joined an account.
#[derive(Serialize, ToSchema)]
#[schema(as = Joined)]
pub(super) struct JoinedView {
    /// The address with which the member logs in.
    #[schema(value_type = String)]
    address: Address,
    /// The account's name.
    account: Option<String>,
    /// What the member is there.
    role: Role,
}

fn view(parts: &Parts, standing: &Standing) -> Result<View, Problem> {
    let person = &standing.person;
    let mut accounts = Vec::new();
    for id in &person.accounts {
        let Some(account) = parts.accounts.account_by_id(*id)? else { continue };
        let role = match parts.accounts.seat(standing, *id)? {
            Seat::None => continue,
            Seat::NeedsTotp => None,
            Seat::Member(role) => Some(role),
        };
        let needs_totp = role.is_none();
        accounts.push(SeatView { name: account.name.clone(), role, needs_totp });
    }
    Ok(View {
        address: person.address.clone(),
        name: person.name.clone(),
        created: person.created.to_string(),
        password_set: person.password_set.to_string(),
        totp: person.has_totp(),
        recovery_codes_left: person.recovery_left(),
        accounts,
    })
}

/// A session as listings show it.
pub(super) fn session_view(parts: &Parts, key: &SessionKey, session: &Session) -> SessionView {
    SessionView {
        session: key.name(),
        created: session.created.to_string(),
        proven: session.proven.to_string(),
        seen: session.seen.to_string(),
        ends: session.ends(&parts.config.members).to_string(),
        ip: session.ip.clone(),
        agent: session.agent.clone(),
    }
}

/// Who wants to come in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Login {
    address: String,
    password: String,
    code: Option<String>,
}

pub(super) async fn log_in(
    State(parts): State<Parts>,
    from: Asker,
    Draft(login): Draft<Login>,
) -> Result<(StatusCode, Json<MadeView>), Problem> {
    let Login { address, password, code } = login;
    let claim = Claim { address, password, code, peer: from.ip, agent: from.agent };
    let (token, standing) = match parts.accounts.log_in(claim).await {
        Ok(made) => made,
        Err(fault) => {
            metrics::counter!("relent_member_logins_total", "outcome" => "refused").increment(1);
            tracing::info!(target: "relent::http", event = "login_refused", client = %from.ip, reason = %fault, "a login was refused");
            return Err(fault.into());
        }
    };
    metrics::counter!("relent_member_logins_total", "outcome" => "let_in").increment(1);
    tracing::info!(target: "relent::http", member = standing.person.id.0, client = %from.ip, "a member logged in");
    let session = session_view(&parts, &standing.key, &standing.session);
    let made = MadeView { session, token, member: view(&parts, &standing)? };
    Ok((StatusCode::CREATED, Json(made)))
}

pub(super) async fn list(Myself(parts, standing): Myself) -> Result<Json<List<OwnView>>, Problem> {
    let sessions = parts.accounts.sessions(standing.person.id)?;
    let items = sessions.iter().map(|(key, session)| OwnView {
        session: session_view(&parts, key, session),
        current: *key == standing.key,
    });
    Ok(Json(List { items: items.collect() }))
}

pub(super) async fn end(
    Myself(parts, standing): Myself,
    Named([name]): Named<1>,
) -> Result<Json<Ended>, Problem> {
    let name = if name == CURRENT { standing.key.name() } else { name };
    let ended = parts.accounts.end_sessions(standing.person.id, Some(name), None).await?;
    Ok(Json(Ended { ended }))
}

pub(super) async fn end_all(Myself(parts, standing): Myself) -> Result<Json<Ended>, Problem> {
    let ended = parts.accounts.end_sessions(standing.person.id, None, None).await?;
    Ok(Json(Ended { ended }))
}

/// Once more who it is.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Proof {
    password: String,
    code: Option<String>,
}

pub(super) async fn prove(
    Myself(parts, standing): Myself,
    from: Asker,
    Draft(proof): Draft<Proof>,
) -> Result<Json<Proven>, Problem> {
    parts.accounts.prove(&standing, &proof.password, proof.code, from.ip).await?;
    Ok(Json(Proven { proven: parts.world.clock.now().to_string() }))
}

pub(super) async fn me(Myself(parts, standing): Myself) -> Result<Json<View>, Problem> {
    Ok(Json(view(&parts, &standing)?))
}

/// Another password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewPassword {
    old: String,
    new: String,
}

pub(super) async fn change_password(
    Myself(parts, standing): Myself,
    from: Asker,
    Draft(wanted): Draft<NewPassword>,
) -> Result<Json<Changed>, Problem> {
    let both = (wanted.old.as_str(), wanted.new.as_str());
    parts.accounts.change_password(&standing, both, from.ip).await?;
    tracing::info!(target: "relent::http", member = standing.person.id.0, "a password was changed");
    Ok(Json(Changed { changed: true }))
}

pub(super) async fn enrol_totp(
    Myself(parts, standing): Myself,
) -> Result<(StatusCode, Json<TotpView>), Problem> {
    let (secret, uri) = parts.accounts.enrol_totp(&standing).await?;
    Ok((StatusCode::CREATED, Json(TotpView { secret, uri })))
}

/// A code of an authenticator.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Code {
    code: String,
}

pub(super) async fn confirm_totp(
    Myself(parts, standing): Myself,
    Draft(Code { code }): Draft<Code>,
) -> Result<Json<RecoveryView>, Problem> {
    let codes = parts.accounts.confirm_totp(&standing, &code).await?;
    tracing::info!(target: "relent::http", member = standing.person.id.0, "an authenticator was set up");
    Ok(Json(RecoveryView { recovery_codes: codes }))
}

pub(super) async fn drop_totp(
    Myself(parts, standing): Myself,
    from: Asker,
    Draft(proof): Draft<Proof>,
) -> Result<Json<Away>, Problem> {
    let both = (proof.password.as_str(), proof.code.unwrap_or_default());
    parts.accounts.drop_totp(&standing, both, from.ip).await?;
    tracing::info!(target: "relent::http", member = standing.person.id.0, "an authenticator was taken away");
    Ok(Json(Away { removed: true }))
}

pub(super) async fn leave(
    Myself(parts, standing): Myself,
    Named([name]): Named<1>,
) -> Result<Json<Left>, Problem> {
    let unknown = || Problem::from(crate::accounts::no_account(&name));
    let account = parts.accounts.account(&name).map_err(|_| unknown())?;
    let Some(place) = parts.accounts.place(account.id, standing.person.id)? else {
        return Err(unknown());
    };
    let by = By::Member(standing.person.id, place.role);
    parts.accounts.remove_member(account.id, &standing.person.address, by).await?;
    Ok(Json(Left { left: account.name.clone() }))
}

/// An invitation and who takes it.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Acceptance {
    token: String,
    name: Option<String>,
    password: String,
}

pub(super) async fn accept(
    State(parts): State<Parts>,
    from: Asker,
    Draft(taken): Draft<Acceptance>,
) -> Result<(StatusCode, Json<JoinedView>), Problem> {
    let both = (named::given(taken.name.as_ref()).unwrap_or_default(), taken.password.as_str());
    let (person, account, role) = parts.accounts.accept(&taken.token, both, from.ip).await?;
    joined(&person, account.0, role.name());
    let account = parts.accounts.account_by_id(account)?.map(|account| account.name.clone());
    let shown = JoinedView { address: person.address, account, role };
    Ok((StatusCode::CREATED, Json(shown)))
}

pub(super) fn joined(person: &Person, account: u32, role: &'static str) {
    tracing::info!(target: "relent::http", member = person.id.0, account, role, "a member has joined");
}

/// Whose password is forgotten.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Forgotten {
    address: String,
}

/// Answers the same at once, whoever is asked about: what follows is no answer to who asks.
pub(super) async fn forgotten(
    State(parts): State<Parts>,
    Draft(whose): Draft<Forgotten>,
) -> Result<(StatusCode, Json<Detail>), Problem> {
    let address = named::address(&whose.address)?;
    tokio::spawn(async move {
        let made = match parts.accounts.begin_reset(&address).await {
            Ok(Some(made)) => made,
            Ok(None) => return,
            Err(fault) => {
                tracing::warn!(target: "relent::http", %fault, "no link for a new password was made");
                return;
            }
        };
        let Ok(Some(account)) = parts.accounts.home_of(&address) else { return };
        if let Err(problem) = post::send(&parts, &made, &account).await {
            tracing::warn!(target: "relent::http", why = problem.said(), "a link for a new password was not mailed");
        }
    });
    let detail = "if somebody is known by this address, a link for a new password is on its way";
    Ok((StatusCode::ACCEPTED, Json(Detail { detail })))
}

/// A new password by a link.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Reset {
    token: String,
    password: String,
}

pub(super) async fn reset(
    State(parts): State<Parts>,
    Draft(wanted): Draft<Reset>,
) -> Result<Json<Changed>, Problem> {
    let person = parts.accounts.reset(&wanted.token, &wanted.password).await?;
    tracing::info!(target: "relent::http", member = person.id.0, "a password was set by a link");
    Ok(Json(Changed { changed: true }))
}
