//! The routes about people: members of accounts, and what they do about themselves.

use super::route::{Need, Route, delete, get, patch, post};
use super::shape::{Detail, List, Page, Removed};
use super::slice::Slice;
use super::{member, session};
use crate::accounts::Right;

use Need::Own;

/// The routes.
pub(super) fn routes() -> Vec<Route> {
    let mut all = members();
    all.extend(themselves());
    all
}

/// The members of an account.
fn members() -> Vec<Route> {
    let (read, write) = (Need::Right(Right::MembersRead), Need::Right(Right::MembersWrite));
    let members = "/api/v1/accounts/{account}/members";
    let one = "/api/v1/accounts/{account}/members/{address}";
    let reset = "/api/v1/accounts/{account}/members/{address}/reset";
    let totp = "/api/v1/accounts/{account}/members/{address}/totp";
    let sessions = "/api/v1/accounts/{account}/members/{address}/sessions";
    let one_session = "/api/v1/accounts/{account}/members/{address}/sessions/{session}";
    let invitations = "/api/v1/accounts/{account}/invitations";
    let one_invitation = "/api/v1/accounts/{account}/invitations/{invitation}";
    vec![
        get(members, read, "List the members.", member::list)
            .asks::<Slice>()
            .answers::<Page<member::View>>(),
        post(members, write, "Invite somebody by mail.", member::invite)
            .takes::<member::NewMember>()
            .answers::<member::ToldView>()
            .makes()
            .with_secret(),
        patch(one, write, "Change the role of a member.", member::set)
            .takes::<member::Change>()
            .answers::<member::View>(),
        delete(one, write, "Remove a member.", member::remove).answers::<Removed>(),
        post(reset, write, "Mail a member a link for a new password.", member::reset)
            .takes::<member::ResetWish>()
            .answers::<member::ToldView>()
            .with_secret(),
        delete(totp, write, "Take away a member's authenticator.", member::remove_totp)
            .answers::<session::Away>(),
        get(sessions, write, "List the sessions of a member.", member::sessions)
            .answers::<List<session::SessionView>>(),
        delete(sessions, write, "End all sessions of a member.", member::end_sessions)
            .answers::<session::Ended>(),
        delete(one_session, write, "End a session of a member.", member::end_session)
            .answers::<session::Ended>(),
        get(invitations, read, "List the invitations that wait.", member::invitations)
            .asks::<Slice>()
            .answers::<Page<member::InvitationView>>(),
        delete(one_invitation, write, "Take an invitation back.", member::revoke)
            .answers::<Removed>(),
    ]
}

/// What members do about themselves: the token of a session says who it is, or a secret in the body.
fn themselves() -> Vec<Route> {
    let sessions = "/api/v1/sessions";
    let (me, totp) = ("/api/v1/me", "/api/v1/me/totp");
    let accept = "/api/v1/invitations/accept";
    vec![
        post(sessions, Own, "Log in.", session::log_in)
            .takes::<session::Login>()
            .answers::<session::MadeView>()
            .makes()
            .with_secret(),
        get(sessions, Own, "List one's own sessions.", session::list)
            .answers::<List<session::OwnView>>(),
        delete(sessions, Own, "End all of one's own sessions.", session::end_all)
            .answers::<session::Ended>(),
        delete(
            "/api/v1/sessions/{session}",
            Own,
            "End one of one's own sessions; `current` is the one that asks.",
            session::end,
        )
        .answers::<session::Ended>(),
        post(
            "/api/v1/sessions/current/proof",
            Own,
            "Prove again who one is, for what is sensitive.",
            session::prove,
        )
        .takes::<session::Proof>()
        .answers::<session::Proven>(),
        get(me, Own, "Say who one is, and what in which account.", session::me)
            .answers::<session::View>(),
        post("/api/v1/me/password", Own, "Change one's password.", session::change_password)
            .takes::<session::NewPassword>()
            .answers::<session::Changed>(),
        post(totp, Own, "Begin to set up an authenticator.", session::enrol_totp)
            .answers::<session::TotpView>()
            .makes()
            .with_secret(),
        delete(totp, Own, "Take one's authenticator away.", session::drop_totp)
            .takes::<session::Proof>()
            .answers::<session::Away>(),
        post(
            "/api/v1/me/totp/confirm",
            Own,
            "Have the authenticator's codes asked for, by a first one.",
            session::confirm_totp,
        )
        .takes::<session::Code>()
        .answers::<session::RecoveryView>()
        .with_secret(),
        delete("/api/v1/me/accounts/{account}", Own, "Leave an account.", session::leave)
            .answers::<session::Left>(),
        post(accept, Own, "Join an account by an invitation.", session::accept)
            .takes::<session::Acceptance>()
            .answers::<session::JoinedView>()
            .makes(),
        post(
            "/api/v1/passwords/forgotten",
            Own,
            "Have a link for a new password mailed.",
            session::forgotten,
        )
        .takes::<session::Forgotten>()
        .answers::<Detail>()
        .accepts(),
        post("/api/v1/passwords", Own, "Set a new password by a link.", session::reset)
            .takes::<session::Reset>()
            .answers::<session::Changed>(),
    ]
}
