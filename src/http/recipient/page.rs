//! The frame of recipients' pages: language, looks, and what a page may do, which is to send its own
//! forms back and nothing else. No script runs, nothing is loaded from anybody else, nothing is kept.

use super::filled::{Part, Rich, filled};
use super::reader::Reader;
use super::words::{Words, all};
use crate::accounts::Account;
use crate::http::account_page::logo_path;
use crate::http::site::Parts;
use crate::store::StoreFault;
use askama::Template;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use data_encoding::BASE64;

const STYLE: &str = include_str!("../../../templates/recipient/style.css");

/// Where a page lies, so that what it names can be found whatever a proxy puts before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// `/u/TOKEN`
    First,
    /// `/u/TOKEN/preferences`, and whatever else lies so deep.
    Second,
    /// `/c/TOKEN`
    Beside,
}

impl Place {
    /// The way from there to `/u/`.
    pub(super) const fn root(self) -> &'static str {
        match self {
            Self::First => "",
            Self::Second => "../",
            Self::Beside => "../u/",
        }
    }
}

/// Who sends, as people know them.
pub(super) struct Brand {
    pub(super) name: String,
    pub(super) logo: Option<Logo>,
    /// The shades of its colour, on light pages and on dark ones.
    shades: (String, String),
}

/// A logo of a page.
pub(super) struct Logo {
    pub(super) path: String,
    pub(super) width: u32,
    pub(super) height: u32,
}

impl Brand {
    /// What an account shows of itself.
    pub(super) fn of(parts: &Parts, account: &Account) -> Result<Self, StoreFault> {
        let page = parts.accounts.page(account.id)?;
        let (light, dark) = page.shades();
        let logo = page.logo.map(|logo| Logo {
            path: logo_path(&logo),
            width: logo.picture.width,
            height: logo.picture.height,
        });
        let name = page.display_name.unwrap_or_else(|| account.name.clone());
        Ok(Self { name, logo, shades: (light.to_string(), dark.to_string()) })
    }
}

/// A language that can be chosen.
pub(super) struct Choice {
    pub(super) tag: &'static str,
    pub(super) name: &'static str,
    pub(super) href: String,
    pub(super) is_current: bool,
}

/// What all pages have.
pub(super) struct Frame<'a> {
    pub(super) words: &'static Words,
    pub(super) title: &'a str,
    pub(super) brand: Option<&'a Brand>,
    pub(super) root: &'static str,
    pub(super) choices: Vec<Choice>,
    pub(super) delivered: Option<Rich>,
    pub(super) style: &'static str,
    pub(super) shades: String,
}

impl<'a> Frame<'a> {
    /// The frame of a page whose language is chosen at `choose_at`, relative to it; none where a page of
    /// another language could not say the same.
    pub(super) fn new(
        parts: &Parts,
        reader: &Reader,
        (title, brand): (&'a str, Option<&'a Brand>),
        place: Place,
        choose_at: Option<&str>,
    ) -> Self {
        let words = reader.words;
        let choices = choose_at.map(|at| {
            let choice = |known: &'static Words| Choice {
                tag: known.tag,
                name: known.name,
                href: format!("{at}?lang={}", known.tag),
                is_current: known.tag == words.tag,
            };
            all().map(choice).collect()
        });
        let (light, dark) = match brand {
            Some(brand) => brand.shades.clone(),
            None => {
                let (light, dark) = crate::accounts::AccountPage::default().shades();
                (light.to_string(), dark.to_string())
            }
        };
        let host = &parts.config.hostname;
        let delivered = brand.map(|brand| {
            let names = [("host", Part::Name(host)), ("sender", Part::Name(&brand.name))];
            filled(words.delivered, &names)
        });
        Self {
            words,
            title,
            brand,
            root: place.root(),
            choices: choices.unwrap_or_default(),
            delivered,
            style: STYLE,
            shades: format!(
                ":root{{--accent:{light}}}@media (prefers-color-scheme:dark){{:root{{--accent:{dark}}}}}"
            ),
        }
    }

    /// What such a page may do: show our two style sheets and logos, and send its forms to us.
    fn policy(&self) -> Option<HeaderValue> {
        let hash = |text: &str| {
            BASE64.encode(ring::digest::digest(&ring::digest::SHA256, text.as_bytes()).as_ref())
        };
        let policy = format!(
            "default-src 'none'; style-src 'sha256-{}' 'sha256-{}'; img-src 'self'; \
             form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
            hash(self.style),
            hash(&self.shades)
        );
        HeaderValue::from_str(&policy).ok()
    }
}

/// A page that says something, with the buttons that undo and links that lead on.
#[derive(Template)]
#[template(path = "recipient/message.html")]
pub(super) struct Message<'a> {
    pub(super) frame: Frame<'a>,
    pub(super) lines: Vec<Rich>,
    pub(super) buttons: Vec<Undo>,
    pub(super) links: Vec<Link>,
}

/// A button that undoes a stop.
pub(super) struct Undo {
    /// The token.
    pub(super) undo: String,
    pub(super) label: Rich,
}

/// A link to another page of the same reader.
pub(super) struct Link {
    pub(super) href: String,
    pub(super) label: &'static str,
}

/// Writes a page out.
pub(super) fn answer(status: StatusCode, frame: &Frame<'_>, page: &impl Template) -> Response {
    let (Ok(text), Some(policy)) = (page.render(), frame.policy()) else {
        return StatusCode::INTERNAL_SERVER_ERROR.into_response();
    };
    let mut response = (status, Html(text)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    headers.insert(header::CONTENT_LANGUAGE, HeaderValue::from_static(frame.words.tag));
    headers.insert(header::VARY, HeaderValue::from_static("Accept-Language, Accept"));
    response
}
