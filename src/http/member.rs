//! `/api/v1/accounts/{account}/members` and `…/invitations`: who belongs to an account, and who is invited.

use super::by::By;
use super::caller::Caller;
use super::consent::unsuspended;
use super::draft::{Asked, Draft, Named};
use super::named;
use super::post;
use super::problem::Problem;
use super::session::{Away, Ended, SessionView, session_view};
use super::shape::{List, Page, Removed};
use super::site::Parts;
use super::slice::{Slice, numbered};
use crate::accounts::{
    Account, Invitation, InvitationKey, Invited, LinkPurpose, Person, Place, Role,
};
use crate::events::Act;
use crate::mail::Address;
use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// A member of an account.
#[derive(Serialize, ToSchema)]
#[schema(as = Member)]
pub(super) struct View {
    /// The address with which the member logs in.
    #[schema(value_type = String)]
    address: Address,
    /// The name; may be empty.
    name: String,
    /// What the member is in the account.
    role: Role,
    /// Since when.
    #[schema(format = DateTime)]
    since: String,
    /// Whether codes of an authenticator are asked for.
    totp: bool,
}

/// A link that waits: an invitation, or one for a new password.
#[derive(Serialize, ToSchema)]
#[schema(as = Invitation)]
pub(super) struct InvitationView {
    /// Its name in listings, with which nobody comes in.
    invitation: String,
    /// Whose it is.
    #[schema(value_type = String)]
    address: Address,
    /// What they are to be; null: it is for a new password.
    role: Option<Role>,
    /// When it was made.
    #[schema(format = DateTime)]
    created: String,
    /// When it ends.
    #[schema(format = DateTime)]
    ends: String,
}

/// A link as it is told to whoever had it made.
#[derive(Serialize, ToSchema)]
#[schema(as = MadeInvitation)]
pub(super) struct ToldView {
    #[serde(flatten)]
    invitation: InvitationView,
    /// The link, where it was to be printed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    link: Option<String>,
    /// The secret in it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    token: Option<String>,
    /// The message that takes it there, where it is mailed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    mailed: Option<String>,
}

fn view(person: &Person, place: Place) -> View {
    View {
        address: person.address.clone(),
        name: person.name.clone(),
        role: place.role,
        since: place.since.to_string(),
        totp: person.has_totp(),
    }
}

fn invitation_view(key: &InvitationKey, invitation: &Invitation) -> InvitationView {
    let role = match invitation.purpose {
        LinkPurpose::Join(role) => Some(role),
        LinkPurpose::Reset(_) => None,
    };
    InvitationView {
        invitation: key.name(),
        address: invitation.address.clone(),
        role,
        created: invitation.created.to_string(),
        ends: invitation.ends.to_string(),
    }
}

fn role(text: &str) -> Result<Role, Problem> {
    Role::named(text.trim()).ok_or_else(|| {
        let names = Role::ALL.map(Role::name).join(", ");
        Problem::field("role", format!("`{text}` is no role: use one of {names}"))
    })
}

/// What a link comes to: mailed, or shown this once to the operator, who asks for it.
async fn told(
    parts: &Parts,
    caller: &Caller,
    (made, account): (&Invited, &Account),
    print: bool,
) -> Result<ToldView, Problem> {
    let invitation = invitation_view(&made.key, &made.invitation);
    let mut told = ToldView { invitation, link: None, token: None, mailed: None };
    if print {
        caller.operator("a link that is printed")?;
        told.link = Some(post::link(parts, &made.token));
        told.token = Some(made.token.clone());
    } else {
        told.mailed = Some(post::send(parts, made, account).await?.to_string());
    }
    Ok(told)
}

/// The account and the member's address that a path names, for who may reach the whole account.
fn named_in(
    parts: &Parts,
    caller: &Caller,
    [account, address]: &[String; 2],
) -> Result<(Account, Address), Problem> {
    caller.whole_account()?;
    Ok((caller.account(parts, account)?, named::address(address)?))
}

pub(super) async fn list(
    State(parts): State<Parts>,
    caller: Caller,
    Named([account]): Named<1>,
    Asked(slice): Asked<Slice>,
) -> Result<Json<Page<View>>, Problem> {
    let account = caller.account(&parts, &account)?;
    let members = parts.accounts.members(account.id)?;
    let view = |(person, place): &(_, _)| Ok(view(person, *place));
    slice.answer(members, |(person, _)| numbered(person.id.0), view)
}

/// Whom to invite as what.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewMember {
    address: String,
    role: String,
    #[serde(default)]
    print: bool,
}

pub(super) async fn invite(
    By(parts): By,
    caller: Caller,
    Named([account]): Named<1>,
    Draft(draft): Draft<NewMember>,
) -> Result<(StatusCode, Json<ToldView>), Problem> {
    caller.whole_account()?;
    let account = caller.account(&parts, &account)?;
    let (address, role) = (named::address(&draft.address)?, role(&draft.role)?);
    caller.may_give(role)?;
    if draft.print {
        caller.operator("a link that is printed")?;
    } else {
        unsuspended(&parts, account.id)?;
    }
    let made = parts.accounts.invite(&account, &address, role, caller.appoints()).await?;
    let shown = match told(&parts, &caller, (&made, &account), draft.print).await {
        Ok(shown) => shown,
        Err(problem) => {
            // Nobody will ever hear of it.
            let name = made.key.name();
            let _ = parts.accounts.revoke_invitation(account.id, &name, caller.appoints()).await;
            return Err(problem);
        }
    };
    tracing::info!(
        target: "relent::http", account = account.name, role = role.name(), by = %caller,
        "a member was invited"
    );
    Ok((StatusCode::CREATED, Json(shown)))
}

/// What a member is to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Change {
    role: String,
}

pub(super) async fn set(
    By(parts): By,
    caller: Caller,
    Named(path): Named<2>,
    Draft(change): Draft<Change>,
) -> Result<Json<View>, Problem> {
    let (account, address) = named_in(&parts, &caller, &path)?;
    let role = role(&change.role)?;
    caller.may_give(role)?;
    let changed = parts.accounts.set_role(account.id, &address, role, caller.appoints()).await?;
    tracing::info!(
        target: "relent::http", account = account.name, member = changed.0.id.0,
        role = role.name(), by = %caller, "a member was changed"
    );
    Ok(Json(view(&changed.0, changed.1)))
}

pub(super) async fn remove(
    By(parts): By,
    caller: Caller,
    Named(path): Named<2>,
) -> Result<Json<Removed>, Problem> {
    let (account, address) = named_in(&parts, &caller, &path)?;
    parts.accounts.remove_member(account.id, &address, caller.appoints()).await?;
    tracing::info!(target: "relent::http", account = account.name, by = %caller, "a member was removed");
    Ok(Json(Removed { removed: address.to_string() }))
}

pub(super) async fn remove_totp(
    By(parts): By,
    caller: Caller,
    Named(path): Named<2>,
) -> Result<Json<Away>, Problem> {
    let (account, address) = named_in(&parts, &caller, &path)?;
    parts.accounts.remove_totp(account.id, &address, caller.appoints()).await?;
    tracing::warn!(target: "relent::http", account = account.name, by = %caller, "a member's authenticator was taken away");
    Ok(Json(Away { removed: true }))
}

/// How a link for a new password is told.
#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ResetWish {
    print: bool,
}

pub(super) async fn reset(
    By(parts): By,
    caller: Caller,
    Named(path): Named<2>,
    Draft(wish): Draft<ResetWish>,
) -> Result<Json<ToldView>, Problem> {
    let (account, address) = named_in(&parts, &caller, &path)?;
    if wish.print {
        caller.operator("a link that is printed")?;
    }
    let made = parts.accounts.begin_reset_of(account.id, &address, caller.appoints()).await?;
    Ok(Json(told(&parts, &caller, (&made, &account), wish.print).await?))
}

/// Refuses one account to look at, or end, what a member does in another: a session is of all of them.
fn only_there(caller: &Caller, account: &Account, person: &Person) -> Result<(), Problem> {
    if caller.is_operator() || person.accounts == [account.id] {
        return Ok(());
    }
    Err(Problem::forbidden(
        "the member belongs to other accounts too: only they and the operator see and end their sessions;          whoever is removed from the account can do nothing there",
    ))
}

pub(super) async fn sessions(
    State(parts): State<Parts>,
    caller: Caller,
    Named([account, address]): Named<2>,
) -> Result<Json<List<SessionView>>, Problem> {
    let account = caller.account(&parts, &account)?;
    let (person, _) = parts.accounts.member(account.id, &named::address(&address)?)?;
    only_there(&caller, &account, &person)?;
    let sessions = parts.accounts.sessions(person.id)?;
    let items = sessions.iter().map(|(key, session)| session_view(&parts, key, session));
    Ok(Json(List { items: items.collect() }))
}

async fn ended(
    parts: &Parts,
    caller: &Caller,
    (account, address): (&str, &str),
    session: Option<String>,
) -> Result<Json<Ended>, Problem> {
    caller.whole_account()?;
    let account = caller.account(parts, account)?;
    let (person, place) = parts.accounts.member(account.id, &named::address(address)?)?;
    caller.appoints().may_appoint(place.role)?;
    only_there(caller, &account, &person)?;
    let ended = parts.accounts.end_sessions(person.id, session, None).await?;
    let act = Act::new(account.id, "member.sessions-ended").about(person.id.0.to_string());
    parts.accounts.write_act(act.with("ended", ended)).await?;
    tracing::info!(
        target: "relent::http", account = account.name, member = person.id.0, ended, by = %caller,
        "sessions of a member were ended"
    );
    Ok(Json(Ended { ended }))
}

pub(super) async fn end_sessions(
    By(parts): By,
    caller: Caller,
    Named([account, address]): Named<2>,
) -> Result<Json<Ended>, Problem> {
    ended(&parts, &caller, (&account, &address), None).await
}

pub(super) async fn end_session(
    By(parts): By,
    caller: Caller,
    Named([account, address, session]): Named<3>,
) -> Result<Json<Ended>, Problem> {
    ended(&parts, &caller, (&account, &address), Some(session)).await
}

pub(super) async fn invitations(
    State(parts): State<Parts>,
    caller: Caller,
    Named([account]): Named<1>,
    Asked(slice): Asked<Slice>,
) -> Result<Json<Page<InvitationView>>, Problem> {
    let account = caller.account(&parts, &account)?;
    let waiting = parts.accounts.invitations(account.id)?;
    slice.answer(waiting, |(key, _)| key.name(), |(key, one)| Ok(invitation_view(key, one)))
}

pub(super) async fn revoke(
    By(parts): By,
    caller: Caller,
    Named([account, invitation]): Named<2>,
) -> Result<Json<Removed>, Problem> {
    caller.whole_account()?;
    let account = caller.account(&parts, &account)?;
    parts.accounts.revoke_invitation(account.id, &invitation, caller.appoints()).await?;
    tracing::info!(target: "relent::http", account = account.name, by = %caller, "an invitation was taken back");
    Ok(Json(Removed { removed: invitation }))
}
