//! Who reads a page: in what language, whether as a page at all, and from where.

use super::words::{Words, fallback, preferred, spoken};
use crate::http::serve::Peer;
use axum::extract::FromRequestParts;
use axum::http::request;
use axum::http::{HeaderMap, Method, header};
use std::convert::Infallible;
use std::net::IpAddr;
use std::time::Instant;

/// The reader of a page.
#[derive(Clone)]
pub(super) struct Reader {
    pub(super) words: &'static Words,
    /// The language that the reader has chosen on a page, as links carry it on.
    chosen: Option<&'static Words>,
    /// Whether the words are the reader's own choice, on a page or in the browser.
    is_own_choice: bool,
    /// Whether a page is wanted, and not an answer for programs.
    pub(super) wants_page: bool,
    /// From where the request came, as far as that says anything.
    pub(super) ip: Option<IpAddr>,
    /// From which address, as far as it stands for a reader and not for a proxy that names nobody.
    pub(super) asker: Option<IpAddr>,
    /// When the request arrived.
    pub(super) arrived: Instant,
}

impl Reader {
    fn of(parts: &request::Parts) -> Self {
        let headers = &parts.headers;
        let chosen = parts.uri.query().and_then(|query| {
            query.split('&').find_map(|pair| spoken(pair.strip_prefix("lang=")?))
        });
        let own = chosen.or_else(|| preferred(headers));
        let (ip, is_named) = address(parts, headers);
        Self {
            words: own.unwrap_or_else(fallback),
            chosen,
            is_own_choice: own.is_some(),
            wants_page: wants_page(&parts.method, headers),
            ip,
            asker: ip.filter(|ip| is_named || !ip.is_loopback()),
            arrived: Instant::now(),
        }
    }

    /// The same reader, who is spoken to in a stream's language where they have chosen none.
    pub(super) fn or_spoken(mut self, tag: Option<&str>) -> Self {
        if !self.is_own_choice
            && let Some(words) = tag.and_then(spoken)
        {
            self.words = words;
        }
        self
    }

    /// A link that carries the reader's language on.
    pub(super) fn link(&self, to: &str) -> String {
        match self.chosen {
            Some(words) => format!("{to}?lang={}", words.tag),
            None => to.to_owned(),
        }
    }
}

impl<S: Send + Sync> FromRequestParts<S> for Reader {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut request::Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of(parts))
    }
}

/// Programs that post forms are answered as programs; whoever looks sees a page, unless they ask for
/// something else.
fn wants_page(method: &Method, headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let kinds: Vec<_> = accepted.flat_map(|value| value.split(',')).map(str::trim).collect();
    let names = |kind: &str| kinds.iter().any(|given| given.starts_with(kind));
    match *method {
        Method::GET | Method::HEAD => names("text/html") || !names("application/"),
        _ => names("text/html"),
    }
}

/// The asker's address on the network, and whether it is more than that of a proxy. A peer on loopback
/// is the proxy before us, whose word on whom it speaks for is taken.
fn address(parts: &request::Parts, headers: &HeaderMap) -> (Option<IpAddr>, bool) {
    let Some(Peer(Some(ip))) = parts.extensions.get::<Peer>().copied() else {
        return (None, false);
    };
    let named = headers.get_all("x-forwarded-for").iter().next_back();
    let named =
        named.and_then(|value| value.to_str().ok()?.rsplit(',').next()?.trim().parse().ok());
    match named.filter(|_: &IpAddr| ip.is_loopback()) {
        Some(named) => (Some(named), true),
        None => (Some(ip), false),
    }
}
