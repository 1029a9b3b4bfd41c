//! In whose name a request changes something: the user of the system at the other end of the admin
//! socket, unless somebody has proved to be another.

use super::site::Parts;
use crate::events::Actor;
use crate::events::request::RequestKey;
use axum::extract::FromRequestParts;
use axum::http::request;
use std::convert::Infallible;
use std::sync::Arc;

/// In whose name, as an extension of the request.
#[derive(Debug, Clone)]
pub(super) struct InName(pub(super) Arc<Actor>);

/// The parts, with accounts and policy in the name of whoever asks: for every handler that changes
/// something.
pub(super) struct By(pub(super) Parts);

impl FromRequestParts<Parts> for By {
    type Rejection = Infallible;

    async fn from_request_parts(
        request: &mut request::Parts,
        parts: &Parts,
    ) -> Result<Self, Infallible> {
        let name = request.extensions.get::<InName>();
        // Whoever reaches these routes unnamed has the operator's authority: nobody else is let in.
        let actor = name.map_or_else(|| Actor::operator(None), |name| (*name.0).clone());
        let (mut accounts, mut policy) = (parts.accounts.by(actor.clone()), parts.policy.by(actor));
        if let Some(key) = request.extensions.get::<RequestKey>() {
            (accounts, policy) = (accounts.within(key.clone()), policy.within(key.clone()));
        }
        Ok(Self(Parts { accounts, policy, ..parts.clone() }))
    }
}
