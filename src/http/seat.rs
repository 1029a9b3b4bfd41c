//! A member who asks: behind the token of a session, in the account that the request names, in the role that
//! they have there now.

use super::caller::Caller;
use super::myself::shown;
use super::problem::{Kind, Problem};
use super::site::Parts;
use crate::accounts::{Right, Seat, TOKEN_PREFIX, is_sensitive, no_account};
use axum::http::{HeaderMap, Uri};
use std::sync::Arc;

/// The path below which an account is named.
const ACCOUNTS: &str = "/api/v1/accounts/";
/// Names the account where neither path nor query does.
const ACCOUNT_FIELD: &str = "relent-account";

/// The token of a session, where a request shows one.
pub(super) fn token(headers: &HeaderMap) -> Option<&str> {
    shown(headers).filter(|token| token.starts_with(TOKEN_PREFIX))
}

/// Which account a request is about, by its path, its query or its header.
fn named(uri: &Uri, headers: &HeaderMap) -> Option<String> {
    let decoded = |text: &str| {
        let mut pairs = form_urlencoded::parse(text.as_bytes());
        pairs.next().map(|(name, _)| name.into_owned())
    };
    if let Some(rest) = uri.path().strip_prefix(ACCOUNTS) {
        // A name has no character that is escaped: one that is, is no name.
        return decoded(rest.split('/').next()?);
    }
    let query = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
    let in_query = query.filter(|(key, _)| key == "account").map(|(_, name)| name.into_owned());
    let in_field = || headers.get(ACCOUNT_FIELD)?.to_str().ok().map(str::to_owned);
    in_query.last().or_else(in_field)
}

/// Who asks with a session's token for what needs a right.
pub(super) async fn seat(
    parts: &Parts,
    (uri, headers, token): (&Uri, &HeaderMap, &str),
    right: Right,
) -> Result<Caller, Problem> {
    let Some(standing) = parts.accounts.standing(token).await? else {
        let text = "the session is not known or has ended: log in with POST /api/v1/sessions";
        return Err(Problem::of(Kind::Unauthenticated, text));
    };
    let account = match (named(uri, headers), standing.person.accounts.as_slice()) {
        (None, [only]) => parts.accounts.account_by_id(*only)?,
        (None, _) => {
            return Err(Problem::unfit(
                "you belong to several accounts: name one in a header field `Relent-Account`",
            ));
        }
        (Some(name), own) => {
            let mut found = None;
            // Looked for among one's own alone, so that nothing is learnt of others.
            for id in own {
                let account = parts.accounts.account_by_id(*id)?;
                found = found.or(account.filter(|account| account.name == name));
            }
            Some(found.ok_or_else(|| Problem::from(no_account(&name)))?)
        }
    };
    let account = account.ok_or_else(|| Problem::unknown("the account is not there any more"))?;
    let role = match parts.accounts.seat(&standing, account.id)? {
        Seat::Member(role) => role,
        Seat::None => return Err(no_account(&account.name).into()),
        Seat::NeedsTotp => {
            return Err(Problem::forbidden(
                "the account demands an authenticator of its members: set one up with POST \
                 /api/v1/me/totp, and log in anew",
            ));
        }
    };
    if is_sensitive(right.name()) {
        parts.accounts.fresh(&standing)?;
    }
    Ok(Caller::Member(account, Arc::new(standing), role))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    #[test]
    fn a_request_names_its_account_in_path_query_or_header() {
        let mut headers = HeaderMap::new();
        let name = |uri: &str, headers: &HeaderMap| named(&uri.parse().expect("a URI"), headers);
        assert_eq!(name("/api/v1/queue", &headers), None);
        headers.insert(ACCOUNT_FIELD, HeaderValue::from_static("third"));
        for (uri, expected) in [
            ("/api/v1/accounts/acme/streams?account=other", "acme"),
            ("/api/v1/accounts/acme", "acme"),
            ("/api/v1/queue?limit=3&account=acme", "acme"),
            ("/api/v1/queue?account=other&account=acme", "acme"),
            ("/api/v1/queue?limit=3", "third"),
        ] {
            assert_eq!(name(uri, &headers).as_deref(), Some(expected), "{uri}");
        }
    }
}
