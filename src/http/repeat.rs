//! Requests that may be sent twice: one with an `Idempotency-Key` is done once, and answered the same each time
//! (draft-ietf-httpapi-idempotency-key-header-07).

use super::caller::Caller;
use super::guard::Guard;
use super::problem::{Kind, Problem};
use crate::events::request::{Ending, Kept, Request as Asked, RequestKey, Stage, Turn};
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use ring::digest::{Context, SHA256};

/// The field that carries the key.
const FIELD: &str = "idempotency-key";
/// Longest key.
const KEY_MAX: usize = 255;
/// Says that an answer is one that was given before.
const REPEATED: HeaderName = HeaderName::from_static("idempotent-replayed");

/// The key of a request: a string of structured fields (RFC 8941), with its quotes or without.
fn key(headers: &HeaderMap) -> Result<Option<String>, Problem> {
    let Some(value) = headers.get(FIELD) else { return Ok(None) };
    let fault = || {
        let text = format!("Idempotency-Key must be 1 to {KEY_MAX} visible characters of ASCII");
        Problem::of(Kind::Unreadable, text)
    };
    let text = value.to_str().map_err(|_| fault())?.trim();
    let text = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    let is_fit = (1..=KEY_MAX).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic());
    is_fit.then(|| Some(text.to_owned())).ok_or_else(fault)
}

/// Who asks, as far as keys are told apart.
fn asker(caller: &Caller) -> String {
    match caller {
        Caller::Operator => "operator".to_owned(),
        // The name alone is given anew after a removal: the credential is another then.
        Caller::Credential(account, credential) => {
            format!("{}/{}/{}", account.id.0, credential.name, credential.created.0)
        }
        // No credential's name begins so.
        Caller::Member(account, standing, _) => {
            format!("{}/ member/{}", account.id.0, standing.person.id.0)
        }
    }
}

/// Does a request once, whatever its key.
pub(super) async fn once(guard: &Guard, caller: &Caller, request: Request, next: Next) -> Response {
    if request.method() == Method::GET || request.method() == Method::HEAD {
        return next.run(request).await;
    }
    let key = match key(request.headers()) {
        Ok(None) => return next.run(request).await,
        Ok(Some(key)) => RequestKey::new(&asker(caller), &key),
        Err(problem) => return problem.into_response(),
    };
    match keyed(guard, key, request, next).await {
        Ok(response) => response,
        Err(problem) => problem.into_response(),
    }
}

async fn keyed(
    guard: &Guard,
    key: RequestKey,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let (parts, settings) = (&guard.parts, &guard.parts.config.api);
    let (head, body) = request.into_parts();
    let most = parts.config.http.body_size_max.bytes();
    let body = to_bytes(body, most).await.map_err(|_| {
        let text = format!("with an Idempotency-Key a body has at most {most} bytes");
        Problem::of(Kind::TooLarge, text)
    })?;
    let mut digest = Context::new(&SHA256);
    let target = head.uri.path_and_query().map_or("", |target| target.as_str());
    for part in [head.method.as_str().as_bytes(), b" ", target.as_bytes(), b"\n", &body] {
        digest.update(part);
    }
    let mut asked = Asked {
        digest: [0; 32],
        at: parts.world.clock.now(),
        process: guard.process,
        stage: Stage::Begun,
    };
    asked.digest.copy_from_slice(digest.finish().as_ref());
    let limits = (settings.idempotency_age_max.0, settings.idempotency_keys_max);
    match key.take(&parts.store, asked, limits).await? {
        Turn::New => {}
        Turn::Again(kept) => return Ok(again(kept)),
        Turn::Busy => {
            let text = "a request with this Idempotency-Key is being worked on";
            return Err(Problem::of(Kind::InProgress, text).after(1));
        }
        Turn::Lost => {
            let text = "this request was done, and its answer is not kept";
            return Err(Problem::of(Kind::AnswerGone, text));
        }
        Turn::Other => {
            let text = "this Idempotency-Key stands for another request: use a new one for each";
            return Err(Problem::of(Kind::KeyReused, text));
        }
        Turn::Full => {
            let text = "as many answers are kept for this credential as \
                        api.idempotency_keys_max lets through";
            return Err(Problem::of(Kind::TooMany, text).after(3600));
        }
    }
    let mut request = Request::from_parts(head, Body::from(body));
    request.extensions_mut().insert(key.clone());
    // On a task of its own: the answer is kept whether the asker waits or not.
    let (store, holds_secret, makes) = (parts.store.clone(), guard.holds_secret, guard.makes);
    let size_max = settings.idempotency_answer_size_max.bytes();
    let work = tokio::spawn(async move {
        let response = next.run(request).await;
        let status = response.status();
        // What was wanting here, or was asked too often, may be asked again with the same key.
        let is_open = status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS;
        let (head, body) = response.into_parts();
        let whole = to_bytes(body, usize::MAX).await.unwrap_or_default();
        let kind = head.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let is_kept = whole.len() <= size_max && !(holds_secret && status.is_success());
        let ending = match (is_open, is_kept) {
            (true, _) if makes || holds_secret => Ending::OpenUnlessDone,
            (true, _) => Ending::Open,
            (false, false) => Ending::NotKept,
            (false, true) => Ending::Answered(Kept {
                status: status.as_u16(),
                kind: kind.unwrap_or_default().to_owned(),
                body: whole.to_vec(),
            }),
        };
        if let Err(fault) = key.answered(&store, ending).await {
            tracing::warn!(target: "relent::http", %fault, "an answer was not kept for its key");
        }
        Response::from_parts(head, Body::from(whole))
    });
    work.await.map_err(|fault| super::suppression::broken(&fault))
}

/// An answer that was given before.
fn again(kept: Kept) -> Response {
    let status = StatusCode::from_u16(kept.status).unwrap_or(StatusCode::OK);
    let mut response = (status, kept.body).into_response();
    let headers = response.headers_mut();
    if let Ok(kind) = HeaderValue::from_str(&kept.kind) {
        headers.insert(header::CONTENT_TYPE, kind);
    }
    headers.insert(REPEATED, HeaderValue::from_static("true"));
    response
}
