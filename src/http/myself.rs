//! Members as they come in by themselves: who shows the token of a session, and from where.

use super::problem::{Kind, Problem};
use super::serve::Peer;
use super::site::Parts;
use crate::accounts::{MemberFault, Standing};
use crate::events::Actor;
use crate::mail::AccountId;
use axum::extract::FromRequestParts;
use axum::http::{HeaderMap, header, request};
use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr};

/// The token that a request shows, if any.
pub(super) fn shown(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("Bearer").then_some(token.trim())
}

/// A member by the token of a session, and the parts in the member's name.
pub(super) struct Myself(pub(super) Parts, pub(super) Standing);

impl FromRequestParts<Parts> for Myself {
    type Rejection = Problem;

    async fn from_request_parts(
        request: &mut request::Parts,
        parts: &Parts,
    ) -> Result<Self, Problem> {
        let token = shown(&request.headers).unwrap_or_default();
        let Some(standing) = parts.accounts.standing(token).await? else {
            let text = "this is for members: log in with POST /api/v1/sessions and send its token, \
                        `Authorization: Bearer TOKEN`";
            return Err(Problem::of(Kind::Unauthenticated, text));
        };
        let account = standing.person.accounts.first().copied();
        let account = account.unwrap_or(AccountId::INSTALLATION);
        let actor = Actor::Member { account, number: standing.person.id.0 };
        let (accounts, policy) = (parts.accounts.by(actor.clone()), parts.policy.by(actor));
        Ok(Self(Parts { accounts, policy, ..parts.clone() }, standing))
    }
}

/// From where a request comes, and by what program.
pub(super) struct Asker {
    /// The address; a Unix socket has none, and all who come by it count as one.
    pub(super) ip: IpAddr,
    pub(super) agent: String,
}

impl<S: Send + Sync> FromRequestParts<S> for Asker {
    type Rejection = Infallible;

    async fn from_request_parts(request: &mut request::Parts, _: &S) -> Result<Self, Infallible> {
        let peer = request.extensions.get::<Peer>().copied();
        let ip = peer.and_then(|peer| peer.asker(&request.headers));
        let agent = request.headers.get(header::USER_AGENT);
        let agent = agent.and_then(|value| value.to_str().ok()).unwrap_or_default();
        Ok(Self { ip: ip.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)), agent: agent.to_owned() })
    }
}

impl From<MemberFault> for Problem {
    fn from(fault: MemberFault) -> Self {
        let text = fault.to_string();
        match fault {
            MemberFault::Wrong => Self::of(Kind::Unauthenticated, text),
            MemberFault::Wait(wait) | MemberFault::Codes(wait) => {
                let seconds = wait.as_millis().div_ceil(1000);
                Self::of(Kind::TooMany, text).after(u64::try_from(seconds).unwrap_or(u64::MAX))
            }
            MemberFault::Busy => Self::of(Kind::NotNow, text).after(1),
            MemberFault::Stale => Self::forbidden(text),
            MemberFault::Change(fault) => fault.into(),
        }
    }
}
