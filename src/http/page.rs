//! The unsubscribe page: plain, without script, in the reader's language.

use askama::Template;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use data_encoding::BASE64;
use std::sync::LazyLock;

const STYLE: &str = "body{font:1.1em/1.6 system-ui,sans-serif;max-width:34em;margin:3em auto;\
padding:0 1em;color:#222;background:#fff}h1{font-size:1.4em}button{font:inherit;display:block;\
width:100%;margin:.8em 0;padding:.7em 1em;border:1px solid #246;border-radius:.4em;\
background:#246;color:#fff;cursor:pointer}button.quiet{background:#fff;color:#246}";

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

/// A language that the page speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Language {
    English,
    Chinese,
}

impl Language {
    /// The reader's first choice among ours (RFC 9110 §12.5.4); English where there is none.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let text = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
        let mut best = (0.0, Self::English);
        for choice in text.unwrap_or_default().split(',') {
            let (tag, weight) = choice.split_once(';').unwrap_or((choice, "q=1"));
            let weight = weight.trim().strip_prefix("q=").and_then(|q| q.parse::<f32>().ok());
            let primary = tag.trim().split('-').next().unwrap_or_default().to_ascii_lowercase();
            let language = match primary.as_str() {
                "en" => Self::English,
                "zh" => Self::Chinese,
                _ => continue,
            };
            let weight = weight.unwrap_or(0.0);
            if weight > best.0 {
                best = (weight, language);
            }
        }
        best.1
    }

    /// The English or the Chinese words.
    pub(super) fn say<'a>(self, english: &'a str, chinese: &'a str) -> &'a str {
        match self {
            Self::English => english,
            Self::Chinese => chinese,
        }
    }
}

/// A button, in a form of its own.
pub(super) struct Button {
    /// What the form's `choice` says.
    pub(super) choice: &'static str,
    /// The undo token, where it is one.
    pub(super) undo: Option<String>,
    /// What the reader sees.
    pub(super) label: String,
}

/// The page.
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
{%- for line in lines %}
<p>{{ line }}</p>
{%- endfor %}
{%- for button in buttons %}
<form method="post"><input type="hidden" name="choice" value="{{ button.choice }}">
{%- if let Some(undo) = button.undo %}<input type="hidden" name="undo" value="{{ undo }}">{% endif -%}
<button{% if !loop.first %} class="quiet"{% endif %}>{{ button.label }}</button></form>
{%- endfor %}
</main>
</body>
</html>
"#
)]
struct Sheet<'a> {
    tag: &'a str,
    style: &'a str,
    heading: &'a str,
    lines: &'a [String],
    buttons: &'a [Button],
}

/// Writes a page: a heading, some lines, some buttons.
pub(super) fn page(
    status: StatusCode,
    language: Language,
    heading: &str,
    lines: &[String],
    buttons: &[Button],
) -> Response {
    let tag = language.say("en", "zh-Hans");
    let sheet = Sheet { tag, style: STYLE, heading, lines, buttons };
    let Ok(text) = sheet.render() else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let mut response = (status, Html(text)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, POLICY.clone());
    headers.insert(
        header::CONTENT_LANGUAGE,
        HeaderValue::from_static(match language {
            Language::English => "en",
            Language::Chinese => "zh-Hans",
        }),
    );
    headers.insert(header::VARY, HeaderValue::from_static("Accept-Language"));
    if status == StatusCode::SERVICE_UNAVAILABLE {
        headers.insert(header::RETRY_AFTER, HeaderValue::from_static("10"));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reader_chooses_the_language() {
        for (text, expected) in [
            ("", Language::English),
            ("zh-CN,zh;q=0.9,en;q=0.8", Language::Chinese),
            ("en-GB,zh;q=0.9", Language::English),
            ("de, zh;q=0.5, en;q=0.4", Language::Chinese),
            ("fr", Language::English),
            ("zh;q=0", Language::English),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_LANGUAGE, HeaderValue::from_static(text));
            assert_eq!(Language::of(&headers), expected, "{text}");
        }
    }

    #[test]
    fn what_a_page_shows_is_escaped() {
        let lines = ["<script>alert(1)</script>".to_owned()];
        let buttons = [Button { choice: "undo", undo: Some("a\"b".into()), label: "&".into() }];
        let sheet =
            Sheet { tag: "en", style: STYLE, heading: "h", lines: &lines, buttons: &buttons };
        let text = sheet.render().expect("a page");
        assert!(!text.contains("<script>") && !text.contains("a\"b"), "{text}");
        assert!(text.contains(STYLE));
    }
}
