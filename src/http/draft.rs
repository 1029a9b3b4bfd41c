//! What a request holds, read into what it must be: bodies and parameters that say which field is wrong
//! and why.

use super::problem::{Kind, Problem};
use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, RawPathParams, Request};
use axum::http::{HeaderMap, header, request};
use serde::de::DeserializeOwned;

/// A JSON body.
pub(super) struct Draft<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Draft<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            let text = "the body must be application/json, in UTF-8";
            return Err(Problem::of(Kind::MediaType, text));
        }
        let bytes = Bytes::from_request(request, state)
            .await
            .map_err(|fault| Problem::new(fault.status(), fault.body_text()))?;
        read(&bytes).map(Self)
    }
}

/// Whether a body passes for JSON: it says so, or says nothing.
fn is_json(headers: &HeaderMap) -> bool {
    let Some(kind) = headers.get(header::CONTENT_TYPE) else { return true };
    let kind = kind.to_str().unwrap_or_default().split(';').next().unwrap_or_default();
    let kind = kind.trim().to_ascii_lowercase();
    kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json"))
}

/// Reads JSON; what is wrong is told with the way to it.
fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    // `serde_json` refuses what is nested deeper than 128 levels.
    let mut source = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut source).map_err(|fault| {
        let path = fault.path().to_string();
        let inner = fault.into_inner();
        match inner.classify() {
            serde_json::error::Category::Data => {
                let field = named(&path, &inner.to_string());
                Problem::field(&field, format!("the body cannot be meant: {inner}"))
            }
            _ => Problem::of(Kind::Unreadable, format!("the body cannot be read: {inner}")),
        }
    })?;
    source.end().map_err(|fault| {
        Problem::of(Kind::Unreadable, format!("the body cannot be read: {fault}"))
    })?;
    Ok(value)
}

/// The field that a fault is about: the one on the way to it, and the one that it names where that is
/// missing or unknown.
fn named(path: &str, fault: &str) -> String {
    let said = fault.split('`').nth(1).filter(|_| fault.starts_with("missing field"));
    match (path, said) {
        (".", Some(name)) => name.to_owned(),
        (path, Some(name)) => format!("{path}.{name}"),
        (path, None) => path.trim_start_matches('.').to_owned(),
    }
}

/// The parameters after `?`.
pub(super) struct Asked<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut request::Parts, _: &S) -> Result<Self, Problem> {
        let query = parts.uri.query().unwrap_or_default();
        let source = serde_urlencoded::Deserializer::new(form_urlencoded::parse(query.as_bytes()));
        serde_path_to_error::deserialize(source).map(Self).map_err(|fault| {
            let path = fault.path().to_string();
            let inner = fault.into_inner();
            let field = named(&path, &inner.to_string());
            Problem::field(&field, format!("a parameter cannot be meant: {inner}"))
        })
    }
}

/// The names in a path, in order. What is no UTF-8 names nothing.
pub(super) struct Named<const N: usize>(pub(super) [String; N]);

impl<S: Send + Sync, const N: usize> FromRequestParts<S> for Named<N> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut request::Parts, state: &S) -> Result<Self, Problem> {
        let nothing = || Problem::unknown("there is nothing of that name");
        let read = RawPathParams::from_request_parts(parts, state).await;
        let read = read.map_err(|_| nothing())?;
        let names: Vec<String> = read.iter().map(|(_, name)| name.to_owned()).collect();
        names.try_into().map(Self).map_err(|_| nothing())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde::Deserialize;
    use serde_json::json;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only what is refused is looked at")]
    struct Row {
        name: String,
        count: Option<u32>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only what is refused is looked at")]
    struct Sheet {
        rows: Vec<Row>,
    }

    #[test]
    fn a_body_that_cannot_be_meant_names_the_field() {
        for (body, field) in [
            (json!({}), "rows"),
            (json!({ "rows": 1 }), "rows"),
            (json!({ "rows": [{ "name": "a" }, { "count": 1 }] }), "rows[1].name"),
            (json!({ "rows": [{ "name": "a", "count": "x" }] }), "rows[0].count"),
            (json!({ "rows": [{ "name": "a", "nome": "x" }] }), "rows[0].nome"),
        ] {
            let problem = read::<Sheet>(body.to_string().as_bytes()).expect_err("it is refused");
            let text = format!("{problem:?}");
            assert!(text.contains(&format!("field: \"{field}\"")), "{body}: {text}");
        }
    }

    #[test]
    fn deep_and_broken_bodies_are_unreadable() {
        let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
        for body in [deep.as_str(), "", "{", "{}x", "\u{0}"] {
            let problem = read::<serde_json::Value>(body.as_bytes()).expect_err("it is refused");
            assert_eq!(problem.status, axum::http::StatusCode::BAD_REQUEST);
        }
    }
}
