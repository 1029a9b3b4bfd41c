//! Who asks, and what is theirs to ask. A handler finds accounts and streams through its caller and in no
//! other way: what belongs to another account answers as what is not there.

use super::named::{self, GLOBAL};
use super::problem::Problem;
use super::site::Parts;
use crate::accounts::{Account, By, Credential, MemberId, Right, Role, Standing, Stream};
use crate::events::Actor;
use crate::events::record::Source;
use crate::mail::{AccountId, StreamId};
use axum::extract::FromRequestParts;
use axum::http::request;
use std::fmt;
use std::sync::Arc;

/// Who asks.
#[derive(Debug, Clone)]
pub(super) enum Caller {
    /// Who may open the admin socket.
    Operator,
    /// A program that shows a credential of this account.
    Credential(Arc<Account>, Arc<Credential>),
    /// A member who has logged in, in this account and role.
    Member(Arc<Account>, Arc<Standing>, Role),
}

impl Caller {
    /// The account that it is bound to; the operator is bound to none.
    pub(super) fn own(&self) -> Option<&Account> {
        match self {
            Self::Operator => None,
            Self::Credential(account, _) | Self::Member(account, ..) => Some(account),
        }
    }

    /// Whether it has a right; the operator has all.
    pub(super) fn may(&self, right: Right) -> bool {
        match self {
            Self::Operator => true,
            Self::Credential(_, credential) => credential.may(right),
            Self::Member(_, _, role) => role.may(right.name()),
        }
    }

    /// The streams that it is bound to; empty: all of the account's.
    pub(super) fn streams(&self) -> &[StreamId] {
        match self {
            Self::Operator | Self::Member(..) => &[],
            Self::Credential(_, credential) => &credential.streams,
        }
    }

    /// Whether it may see what belongs to a stream of its account, or to none.
    pub(super) fn sees(&self, stream: Option<StreamId>) -> bool {
        let bound = self.streams();
        bound.is_empty() || stream.is_some_and(|stream| bound.contains(&stream))
    }

    /// Refuses a program to give a role that may what it may not itself: otherwise whoever has a narrow
    /// credential would invite themselves as an admin.
    pub(super) fn may_give(&self, role: Role) -> Result<(), Problem> {
        let Self::Credential(..) = self else { return Ok(()) };
        let mut rights = Right::ALL.iter().map(|(right, ..)| *right);
        match rights.find(|right| role.may(right.name()) && !self.may(*right)) {
            None => Ok(()),
            Some(missing) => Err(Problem::forbidden(format!(
                "a credential gives no role that may what it may not itself: as {} one may `{missing}`",
                role.name()
            ))),
        }
    }

    /// Who changes members through it. A program that may do so is as an admin: it makes no owners, and gives
    /// roles as [`Caller::may_give`] lets it.
    pub(super) fn appoints(&self) -> By {
        match self {
            Self::Operator => By::Operator,
            Self::Credential(..) => By::Member(MemberId(0), Role::Admin),
            Self::Member(_, standing, role) => By::Member(standing.person.id, *role),
        }
    }

    /// Whether it has the operator's authority.
    pub(super) fn is_operator(&self) -> bool {
        matches!(self, Self::Operator)
    }

    /// In whose name its changes are made; the operator's user is known to the socket.
    pub(super) fn actor(&self) -> Actor {
        match self {
            Self::Operator => Actor::operator(None),
            Self::Credential(account, credential) => {
                Actor::Credential { account: account.id, name: credential.name.clone() }
            }
            Self::Member(account, standing, _) => {
                Actor::Member { account: account.id, number: standing.person.id.0 }
            }
        }
    }

    /// Whether it may still ask, after some time: a credential that was revoked, or has expired, may not.
    pub(super) fn stands(&self, parts: &Parts) -> bool {
        match self {
            Self::Operator => true,
            Self::Credential(_, credential) => {
                let now = parts.world.clock.now();
                let in_time = credential.expires.is_none_or(|end| now < end);
                let kept = parts.accounts.credential(&credential.name);
                in_time && kept.is_ok_and(|kept| kept.as_ref() == Some(&**credential))
            }
            Self::Member(account, standing, role) => parts
                .accounts
                .is_seated(standing, account.id, *role)
                .is_ok_and(|is_seated| is_seated),
        }
    }

    /// By what way its changes come in.
    pub(super) fn source(&self) -> Source {
        match self {
            Self::Operator => Source::Operator,
            Self::Credential(..) | Self::Member(..) => Source::Api,
        }
    }

    /// An account by name. One that is not the caller's is not looked for, so that nobody learns from the
    /// answer, nor from the time it takes, whether it is there.
    pub(super) fn account(&self, parts: &Parts, name: &str) -> Result<Account, Problem> {
        match self.own() {
            Some(own) if own.name == name => Ok(own.clone()),
            Some(_) => Err(crate::accounts::no_account(name).into()),
            None => Ok(parts.accounts.account(name)?),
        }
    }

    /// The account that a body or a query names; left out, it is the caller's own.
    pub(super) fn meant(&self, parts: &Parts, name: Option<&String>) -> Result<Account, Problem> {
        match (self.own(), named::given(name)) {
            (Some(own), None) => Ok(own.clone()),
            _ => self.account(parts, named::needed("account", name)?),
        }
    }

    /// Whose records are meant: an account's, or with `global`, which is the operator's, the installation's.
    pub(super) fn owner(
        &self,
        parts: &Parts,
        name: Option<&String>,
    ) -> Result<(AccountId, String), Problem> {
        if self.is_operator() && named::given(name) == Some(GLOBAL) {
            return Ok((AccountId::INSTALLATION, GLOBAL.to_owned()));
        }
        let account = self.meant(parts, name)?;
        Ok((account.id, account.name))
    }

    /// A stream of an account that was found through the caller. One that the caller is not bound to is as
    /// one that is not there.
    pub(super) fn stream(
        &self,
        parts: &Parts,
        account: AccountId,
        name: &str,
    ) -> Result<Stream, Problem> {
        let stream = parts.accounts.stream(account, name)?;
        match self.sees(Some(stream.id)) {
            true => Ok(stream),
            false => Err(crate::accounts::no_stream(name).into()),
        }
    }

    /// Refuses whoever is bound to streams: what follows reaches the whole account.
    pub(super) fn whole_account(&self) -> Result<(), Problem> {
        if self.streams().is_empty() {
            return Ok(());
        }
        Err(Problem::forbidden(
            "this credential is bound to streams, and this reaches the whole account: name one of \
             its streams, or use a credential of all",
        ))
    }

    /// Refuses whoever has not the operator's authority.
    pub(super) fn operator(&self, what: &str) -> Result<(), Problem> {
        match self.is_operator() {
            true => Ok(()),
            false => Err(Problem::forbidden(format!("{what} is the operator's to do"))),
        }
    }
}

/// As the log names it.
impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Operator => f.write_str("operator"),
            Self::Member(account, standing, _) => {
                write!(f, "member {}/{}", account.name, standing.person.id.0)
            }
            Self::Credential(account, credential) => {
                write!(f, "credential {}/{}", account.name, credential.name)
            }
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut request::Parts, _: &S) -> Result<Self, Problem> {
        // The guard of a route has put it there. Without a guard nobody may anything.
        let found = parts.extensions.get::<Self>().cloned();
        found.ok_or_else(|| Problem::forbidden("nobody is known to ask here"))
    }
}
