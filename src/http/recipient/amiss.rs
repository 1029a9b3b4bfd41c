//! What went wrong, in the reader's words: what to do about it, and nothing that helps anybody guess.

use super::filled::plain;
use super::page::{Frame, Message, Place, answer};
use super::reader::Reader;
use super::words::Words;
use crate::http::site::Parts;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// Seconds after which somebody who asked too often may ask again.
const PATIENCE: HeaderValue = HeaderValue::from_static("60");

/// A heading and the sentences below it.
fn said(words: &'static Words, status: StatusCode) -> (&'static str, Vec<&'static str>) {
    match status {
        StatusCode::NOT_FOUND => (words.invalid, vec![words.invalid_line, words.invalid_help]),
        StatusCode::TOO_MANY_REQUESTS => (words.many, vec![words.many_line]),
        status if status.is_server_error() => (words.not_now, vec![words.not_now_line]),
        _ => (words.misread, vec![words.misread_line]),
    }
}

/// Puts what went wrong on a page, for who reads pages; a request that takes too long ends here, while
/// there is still time to say so.
pub(super) async fn told(
    State(parts): State<Parts>,
    reader: Reader,
    request: Request,
    next: Next,
) -> Response {
    let longest = parts.config.http.request_timeout.0.mul_f32(0.9);
    let response = match tokio::time::timeout(longest, next.run(request)).await {
        Ok(response) => response,
        Err(_) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
    };
    let status = response.status();
    let is_page = response
        .headers()
        .get(header::CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"text/html"));
    if !(status.is_client_error() || status.is_server_error()) || is_page {
        return response;
    }
    let mut told = if reader.wants_page {
        let (title, lines) = said(reader.words, status);
        let frame = Frame::new(&parts, &reader, (title, None), Place::First, Some(""));
        let lines = lines.into_iter().map(plain).collect();
        let page = Message { frame, lines, buttons: Vec::new(), links: Vec::new() };
        let mut page_response = answer(status, &page.frame, &page);
        // Allow says which methods there are.
        if let Some(allow) = response.headers().get(header::ALLOW) {
            page_response.headers_mut().insert(header::ALLOW, allow.clone());
        }
        page_response
    } else {
        response
    };
    let wait = match status {
        StatusCode::TOO_MANY_REQUESTS => Some(PATIENCE),
        StatusCode::SERVICE_UNAVAILABLE => Some(HeaderValue::from_static("10")),
        _ => None,
    };
    if let Some(wait) = wait {
        told.headers_mut().insert(header::RETRY_AFTER, wait);
    }
    told
}
