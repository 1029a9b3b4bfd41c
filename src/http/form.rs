//! Forms as mail clients and browsers post them: urlencoded, or multipart (RFC 7578), which RFC 8058
//! prefers. Small fields only; files have no business here.

use super::problem::Problem;
use super::site::Parts;
use axum::Form;
use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderValue, StatusCode, header};

/// Most fields of a form.
const FIELDS_MAX: usize = 128;
/// Longest boundary of a multipart form (RFC 2046 §5.1.1).
const BOUNDARY_MAX: usize = 70;

/// The fields of a form in order.
pub(super) struct Fields(Vec<(String, String)>);

impl Fields {
    /// The first value under a name, in any case.
    pub(super) fn value(&self, name: &str) -> Option<&str> {
        let mut fields = self.0.iter();
        fields.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// All values under a name.
    pub(super) fn values<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        let fields = self.0.iter().filter(move |(key, _)| key.eq_ignore_ascii_case(name));
        fields.map(|(_, value)| value.as_str())
    }
}

impl FromRequest<Parts> for Fields {
    type Rejection = Problem;

    async fn from_request(request: Request, parts: &Parts) -> Result<Self, Problem> {
        let unreadable = || Problem::new(StatusCode::BAD_REQUEST, "the form cannot be read");
        let kind = request.headers().get(header::CONTENT_TYPE);
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default().to_owned();
        let bytes = Bytes::from_request(request, parts)
            .await
            .map_err(|fault| Problem::new(fault.status(), fault.body_text()))?;
        let fields = if kind.trim_start().to_ascii_lowercase().starts_with("multipart/") {
            boundary(&kind).and_then(|boundary| multipart(&bytes, boundary))
        } else {
            urlencoded(bytes).await
        };
        fields.filter(|fields| fields.len() <= FIELDS_MAX).map(Self).ok_or_else(unreadable)
    }
}

async fn urlencoded(bytes: Bytes) -> Option<Vec<(String, String)>> {
    // What a client calls it does not matter: it is read as what RFC 8058 lets it be.
    let mut request = Request::post("/").body(Body::from(bytes)).ok()?;
    let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
    request.headers_mut().insert(header::CONTENT_TYPE, kind);
    Form::from_request(request, &()).await.ok().map(|Form(fields)| fields)
}

fn boundary(kind: &str) -> Option<&str> {
    let parameter = kind.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.trim().split_once('=')?;
        name.trim().eq_ignore_ascii_case("boundary").then_some(value.trim())
    })?;
    let boundary = parameter.trim_matches('"');
    (1..=BOUNDARY_MAX).contains(&boundary.len()).then_some(boundary)
}

fn multipart(bytes: &[u8], boundary: &str) -> Option<Vec<(String, String)>> {
    let text = std::str::from_utf8(bytes).ok()?;
    let text = format!("\r\n{text}");
    let delimiter = format!("\r\n--{boundary}");
    let mut fields = Vec::new();
    for part in text.split(delimiter.as_str()).skip(1).take(FIELDS_MAX + 2) {
        if part.starts_with("--") {
            return Some(fields);
        }
        let part = part.trim_start_matches([' ', '\t']).strip_prefix("\r\n")?;
        let part = format!("\r\n{part}");
        let (head, value) = part.split_once("\r\n\r\n")?;
        let disposition = head.split("\r\n").find(|line| {
            let name = line.split(':').next().unwrap_or_default();
            name.eq_ignore_ascii_case("content-disposition")
        })?;
        let name = disposition.split(';').skip(1).find_map(|parameter| {
            let (key, value) = parameter.trim().split_once('=')?;
            key.eq_ignore_ascii_case("name").then_some(value.trim_matches('"'))
        })?;
        fields.push((name.to_owned(), value.to_owned()));
    }
    None // No closing delimiter: the form was cut.
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_multipart_form_is_read() {
        let body = b"--x\r\nContent-Disposition: form-data; name=\"List-Unsubscribe\"\r\n\r\n\
            One-Click\r\n--x\r\ncontent-disposition: form-data; name=a\r\nContent-Type: text/plain\
            \r\n\r\n\r\n--x--\r\n";
        let boundary = boundary("multipart/form-data; boundary=\"x\"").expect("a boundary");
        let fields = Fields(multipart(body, boundary).expect("two fields"));
        assert_eq!(fields.value("list-unsubscribe"), Some("One-Click"));
        assert_eq!(fields.value("a"), Some(""));
        assert_eq!(fields.value("b"), None);
    }

    #[test]
    fn a_cut_multipart_form_is_refused() {
        for body in ["", "--x", "--x\r\n", "--x\r\nname=a\r\n\r\nb\r\n--x--", "junk--x--"] {
            assert!(multipart(body.as_bytes(), "x").is_none(), "{body:?} was taken");
        }
    }

    #[tokio::test]
    async fn an_urlencoded_form_is_read() {
        let fields = urlencoded(Bytes::from_static(b"List-Unsubscribe=One-Click&a=%C3%A9+1")).await;
        let fields = Fields(fields.expect("two fields"));
        assert_eq!(fields.value("List-Unsubscribe"), Some("One-Click"));
        assert_eq!(fields.value("a"), Some("é 1"));
    }
}
