//! `/u/logo/DIGEST`: logos that accounts show, from our own host, each under the digest of what it is.

use crate::http::problem::Problem;
use crate::http::site::Parts;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use data_encoding::HEXLOWER;

/// What stands under a digest never changes.
const FOREVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

pub(super) async fn show(
    State(parts): State<Parts>,
    Path(digest): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let unknown = || Problem::unknown("there is no such picture");
    let bytes = HEXLOWER.decode(digest.as_bytes()).map_err(|_| unknown())?;
    let key: [u8; 32] = bytes.try_into().map_err(|_| unknown())?;
    let logo = parts.accounts.logo(&key)?.ok_or_else(unknown)?;
    let tag = HeaderValue::try_from(format!("\"{digest}\"")).map_err(|_| unknown())?;
    let is_known = headers.get_all(header::IF_NONE_MATCH).iter().any(|known| *known == tag);
    let mut response = match is_known {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => logo.bytes.into_response(),
    };
    let fields = response.headers_mut();
    // The kind is what the head of the file says; readers are told not to guess another.
    let kind = HeaderValue::from_static(logo.picture.kind.media_type());
    fields.insert(header::CONTENT_TYPE, kind);
    fields.insert(header::CACHE_CONTROL, FOREVER);
    fields.insert(header::ETAG, tag);
    Ok(response)
}
