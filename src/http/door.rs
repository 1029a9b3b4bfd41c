//! `/m/TOKEN`: the page behind a link that was mailed to a member. Looking changes nothing; its form joins an
//! account, or sets a new password. Plain, without script.

use super::form::Fields;
use super::member_words::{Words, words};
use super::myself::Asker;
use super::problem::Problem;
use super::session::joined;
use super::site::Parts;
use crate::accounts::{Language, LinkPurpose, MemberFault};
use crate::mail::AccountId;
use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use data_encoding::BASE64;
use std::sync::LazyLock;

const STYLE: &str = "body{font:1.1em/1.6 system-ui,sans-serif;max-width:34em;margin:3em auto;\
padding:0 1em;color:#222;background:#fff}h1{font-size:1.4em}label{display:block;margin:1em 0}\
input{font:inherit;display:block;width:100%;box-sizing:border-box;padding:.5em}button{font:inherit;\
padding:.7em 1.5em;border:1px solid #246;border-radius:.4em;background:#246;color:#fff}\
[role=alert]{color:#a00}@media(prefers-color-scheme:dark){body{color:#eee;background:#111}\
[role=alert]{color:#f99}}";

/// Nothing may be loaded, run or framed; forms go back to us only.
static POLICY: LazyLock<HeaderValue> = LazyLock::new(|| {
    let digest = ring::digest::digest(&ring::digest::SHA256, STYLE.as_bytes());
    let style = BASE64.encode(digest.as_ref());
    let policy = format!(
        "default-src 'none'; style-src 'sha256-{style}'; form-action 'self'; \
         frame-ancestors 'none'; base-uri 'none'"
    );
    HeaderValue::from_str(&policy).expect("base64 and the words above are visible ASCII")
});

#[derive(Template)]
#[template(
    ext = "html",
    source = r#"<!doctype html>
<html lang="{{ tag }}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex, nofollow">
<title>{{ heading }}</title>
<style>{{ style|safe }}</style>
</head>
<body>
<main>
<h1>{{ heading }}</h1>
{%- if let Some(text) = alert %}
<p role="alert">{{ text }}</p>
{%- endif %}
{%- if let Some(address) = address %}
<form method="post">
<label>{{ address }}<input type="hidden" autocomplete="username" value="{{ address }}"></label>
{%- if asks_name %}
<label>{{ words.name }}<input name="name" autocomplete="name" required maxlength="100"></label>
{%- endif %}
<label>{{ words.password }}<input name="password" type="password" autocomplete="new-password" required aria-describedby="rule"></label>
<p id="rule">{{ words.rule }}</p>
<button>{{ words.go }}</button>
</form>
{%- endif %}
</main>
</body>
</html>
"#
)]
struct Sheet<'a> {
    tag: &'a str,
    style: &'a str,
    heading: &'a str,
    alert: Option<&'a str>,
    address: Option<String>,
    asks_name: bool,
    words: &'a Words,
}

/// The page of the public face.
pub(super) fn routes() -> Router<Parts> {
    Router::new().route("/m/{token}", get(show).post(act))
}

fn page(status: StatusCode, language: Language, sheet: &Sheet<'_>) -> Response {
    let Ok(text) = sheet.render() else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let mut response = (status, Html(text)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, POLICY.clone());
    headers.insert(header::CONTENT_LANGUAGE, HeaderValue::from_static(language.name()));
    response
}

/// What a link is for, in the language of its account.
struct Found {
    language: Language,
    heading: String,
    address: String,
    asks_name: bool,
    is_join: bool,
}

fn found(parts: &Parts, token: &str) -> Result<Found, Problem> {
    let (invitation, account) = parts.accounts.invitation(token)?;
    let is_join = matches!(invitation.purpose, LinkPurpose::Join(_));
    let account = match account {
        AccountId::INSTALLATION => parts.accounts.home_of(&invitation.address)?,
        account => parts.accounts.account_by_id(account)?,
    };
    let language = account.as_ref().map_or(Language::default(), |account| account.language);
    let words = words(language);
    let heading = if is_join { words.invited } else { words.reset };
    let name = account.as_ref().map_or("", |account| account.name.as_str());
    Ok(Found {
        language,
        heading: heading.replace("{account}", name).replace("{host}", &parts.config.hostname),
        asks_name: is_join && !parts.accounts.is_known(&invitation.address)?,
        address: invitation.address.to_string(),
        is_join,
    })
}

/// A page without a form: what was asked for cannot be had.
fn sorry(problem: Problem) -> Response {
    let (status, text) = (problem.status, problem.said());
    let language = Language::default();
    let sheet = Sheet {
        tag: language.name(),
        style: STYLE,
        heading: "Relent",
        alert: Some(&text),
        address: None,
        asks_name: false,
        words: words(language),
    };
    page(status, language, &sheet)
}

fn form(status: StatusCode, found: &Found, alert: Option<&str>) -> Response {
    let sheet = Sheet {
        tag: found.language.name(),
        style: STYLE,
        heading: &found.heading,
        alert,
        address: Some(found.address.clone()),
        asks_name: found.asks_name,
        words: words(found.language),
    };
    page(status, found.language, &sheet)
}

async fn show(State(parts): State<Parts>, Path(token): Path<String>) -> Response {
    match found(&parts, &token) {
        Ok(found) => form(StatusCode::OK, &found, None),
        Err(problem) => sorry(problem),
    }
}

async fn act(
    State(parts): State<Parts>,
    Path(token): Path<String>,
    from: Asker,
    fields: Fields,
) -> Response {
    let found = match found(&parts, &token) {
        Ok(found) => found,
        Err(problem) => return sorry(problem),
    };
    let value = |name: &str| fields.value(name).unwrap_or_default();
    let (name, password) = (value("name"), value("password"));
    let done: Result<(), MemberFault> = match found.is_join {
        true => parts.accounts.accept(&token, (name, password), from.ip).await.map(
            |(person, account, role)| joined(&person, account.0, role.name()),
        ),
        false => parts.accounts.reset(&token, password).await.map(|person| {
            tracing::info!(target: "relent::http", member = person.id.0, "a password was set by a link");
        }),
    };
    match done {
        Ok(()) => {
            let words = words(found.language);
            let sheet = Sheet {
                tag: found.language.name(),
                style: STYLE,
                heading: words.done,
                alert: None,
                address: None,
                asks_name: false,
                words,
            };
            page(StatusCode::OK, found.language, &sheet)
        }
        Err(fault) => {
            let problem = Problem::from(fault);
            let (status, text) = (problem.status, problem.said());
            form(status, &found, Some(&text))
        }
    }
}
