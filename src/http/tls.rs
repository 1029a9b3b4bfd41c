//! `/api/v1/tls`: our certificates, until when they hold, and why one is not renewed. And what an authority is
//! shown in the clear, where all else is sent to TLS.

use super::by::By;
use super::draft::Draft;
use super::named;
use super::problem::Problem;
use super::site::Parts;
use crate::events::Act;
use crate::mail::AccountId;
use axum::extract::{Path, Request, State};
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, get};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

/// The page that proves a host to be ours (RFC 8555 §8.3).
pub(super) fn routes() -> Router<Parts> {
    Router::new().route("/.well-known/acme-challenge/{token}", get(proof))
}

async fn proof(State(parts): State<Parts>, Path(token): Path<String>) -> Response {
    match parts.acme.page(&token) {
        Some(page) => ([(header::CONTENT_TYPE, "application/octet-stream")], page).into_response(),
        None => Problem::new(StatusCode::NOT_FOUND, "nobody asked for this proof").into_response(),
    }
}

/// Every other page, which is to be had over TLS alone.
pub(super) fn elsewhere() -> Router<Parts> {
    Router::new().route("/", any(away)).route("/{*rest}", any(away))
}

/// Sends a reader to the same page over TLS. Whoever sends something has said it in the clear already, and is
/// told so rather than helped to do it again.
async fn away(State(parts): State<Parts>, request: Request) -> Response {
    if ![Method::GET, Method::HEAD].contains(request.method()) {
        let text = "this is not taken in the clear: use https://";
        return Problem::new(StatusCode::FORBIDDEN, text).into_response();
    }
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    // Never to the host that the request names: whoever asks would choose where others are sent.
    let to = format!("{}{path}", origin(&parts.config.pages_url()));
    (StatusCode::MOVED_PERMANENTLY, [(header::LOCATION, to)]).into_response()
}

/// Scheme, host and port of an address.
fn origin(url: &str) -> &str {
    let host = url.find("://").map_or(0, |at| at + 3);
    let end = url[host..].find('/').map_or(url.len(), |at| host + at);
    &url[..end]
}

pub(super) async fn list(State(parts): State<Parts>) -> Json<Value> {
    let now = parts.world.clock.now();
    Json(json!({ "certificates": parts.tls.held(now), "authority": parts.acme.standing() }))
}

/// Which host's certificate is to be new; without one, every host's.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    host: Option<String>,
}

pub(super) async fn renew(
    By(parts): By,
    Draft(wanted): Draft<Wanted>,
) -> Result<Json<Value>, Problem> {
    let host = named::given(wanted.host.as_ref());
    let known = parts.acme.standing();
    let is_meant = |name: &str| host.is_none_or(|host| host.eq_ignore_ascii_case(name));
    let hosts: Vec<_> =
        known.into_iter().map(|one| one.host).filter(|name| is_meant(name)).collect();
    if hosts.is_empty() {
        let text = match host {
            Some(host) => format!(
                "no authority is asked for `{host}`: `relent tls show` lists the hosts of [acme]"
            ),
            None => "no authority is asked for anything: set [acme] enabled; files of [tls] are \
                     read anew by `relent reload`"
                .into(),
        };
        return Err(Problem::unknown(text));
    }
    let act = Act::new(AccountId::INSTALLATION, "certificate.renewed").about(hosts.join(" "));
    parts.accounts.write_act(act).await?;
    parts.acme.renew(host);
    Ok(Json(json!({ "hosts": hosts })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_the_address_without_its_path() {
        for (url, found) in [
            ("https://mail.example", "https://mail.example"),
            ("https://mail.example:8443/pages/x", "https://mail.example:8443"),
        ] {
            assert_eq!(origin(url), found);
        }
    }
}
