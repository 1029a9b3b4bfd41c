//! `/c/TOKEN`: the page that a confirmation mail leads to. Looking changes nothing, whoever looks; its
//! button records the consent, once, with what the person had before them. It may be pressed again: what
//! it recorded stands.

use super::Hall;
use super::filled::{Part, Rich, filled, plain};
use super::page::{Brand, Frame, Message, Place, answer};
use super::reader::Reader;
use crate::accounts::{Account, Stream};
use crate::http::form::Fields;
use crate::http::named::USER_AGENT_MAX;
use crate::http::problem::Problem;
use crate::http::site::Parts;
use crate::mail::Address;
use crate::policy::{Confirmation, Confirmed, Token};
use crate::replies::{CONSENT_TEXTS_VERSION, ConsentTexts, filled as in_words};
use crate::store::StoreFault;
use askama::Template;
use axum::Extension;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::Response;
use std::sync::Arc;

/// The page that asks.
#[derive(Template)]
#[template(path = "recipient/confirm.html")]
struct Question<'a> {
    frame: Frame<'a>,
    agree: Rich,
    button: &'static str,
}

/// A request that a link names, with whose it is.
struct Request {
    event: u64,
    confirmation: Confirmation,
    account: Arc<Account>,
    stream: Arc<Stream>,
    address: Address,
}

impl Request {
    /// None where the token is forged or too old, or what it names is gone.
    fn find(parts: &Parts, token: &str) -> Result<Option<Self>, StoreFault> {
        let Some(Token::Confirm { event, until }) = parts.policy.open(token)? else {
            return Ok(None);
        };
        if until <= parts.world.clock.now() {
            return Ok(None);
        }
        let Some(confirmation) = parts.policy.confirmation(event)? else { return Ok(None) };
        let found = parts.accounts.stream_by_id(confirmation.stream)?;
        let Some(stream) = found.filter(|stream| stream.removed.is_none()) else {
            return Ok(None);
        };
        let account = parts.accounts.account_by_id(stream.account)?;
        let found = account.zip(confirmation.address.clone());
        Ok(found.map(|(account, address)| Self { event, confirmation, account, stream, address }))
    }

    /// A sentence as the page shows it.
    fn shown(&self, text: &str, brand: &Brand) -> Rich {
        let address = self.address.masked();
        let names = [
            ("sender", Part::Name(&brand.name)),
            ("stream", Part::Name(&self.stream.name)),
            ("address", Part::Address(&address)),
        ];
        filled(text, &names)
    }

    /// The same as plain text.
    fn said(&self, text: &str, brand: &Brand) -> String {
        let address = self.address.masked();
        let names = [
            ("sender", brand.name.as_str()),
            ("stream", self.stream.name.as_str()),
            ("address", address.as_str()),
        ];
        in_words(text, &names)
    }

    fn question(&self, parts: &Parts, reader: &Reader) -> Result<Response, Problem> {
        let (texts, brand) = (texts(reader), Brand::of(parts, &self.account)?);
        let title = self.said(texts.subject, &brand);
        let frame = Frame::new(parts, reader, (&title, Some(&brand)), Place::Beside, Some(""));
        let agree = self.shown(texts.agree, &brand);
        let page = Question { frame, agree, button: texts.button };
        Ok(answer(StatusCode::OK, &page.frame, &page))
    }

    fn done(&self, parts: &Parts, reader: &Reader) -> Result<Response, Problem> {
        let (texts, brand) = (texts(reader), Brand::of(parts, &self.account)?);
        let frame = Frame::new(parts, reader, (texts.done, Some(&brand)), Place::Beside, None);
        let lines = vec![self.shown(texts.done_more, &brand)];
        let page = Message { frame, lines, buttons: Vec::new(), links: Vec::new() };
        Ok(answer(StatusCode::OK, &page.frame, &page))
    }
}

fn texts(reader: &Reader) -> &'static ConsentTexts {
    ConsentTexts::of(reader.words.tag)
}

fn gone(parts: &Parts, reader: &Reader) -> Response {
    let texts = texts(reader);
    let frame = Frame::new(parts, reader, (texts.gone, None), Place::Beside, None);
    let lines = vec![plain(texts.gone_more)];
    let page = Message { frame, lines, buttons: Vec::new(), links: Vec::new() };
    answer(StatusCode::GONE, &page.frame, &page)
}

/// The program that pressed, as it names itself.
fn user_agent(headers: &HeaderMap) -> Option<String> {
    let name = headers.get(header::USER_AGENT)?.to_str().ok()?;
    let name: String = name.chars().filter(|c| !c.is_control()).take(USER_AGENT_MAX).collect();
    (!name.is_empty()).then_some(name)
}

pub(super) async fn show(
    State(parts): State<Parts>,
    Extension(hall): Extension<Hall>,
    reader: Reader,
    Path(token): Path<String>,
) -> Result<Response, Problem> {
    hall.pass(&parts, &reader)?;
    let Some(request) = Request::find(&parts, &token)? else { return Ok(gone(&parts, &reader)) };
    let reader = reader.or_spoken(request.stream.answers.language.as_deref());
    match request.confirmation.state {
        Confirmed::Now => request.question(&parts, &reader),
        Confirmed::Already(_) => request.done(&parts, &reader),
        Confirmed::Gone => Ok(gone(&parts, &reader)),
    }
}

pub(super) async fn act(
    State(parts): State<Parts>,
    Extension(hall): Extension<Hall>,
    reader: Reader,
    Path(token): Path<String>,
    headers: HeaderMap,
    fields: Result<Fields, Problem>,
) -> Result<Response, Problem> {
    hall.pass(&parts, &reader)?;
    let Some(request) = Request::find(&parts, &token)? else { return Ok(gone(&parts, &reader)) };
    let reader = reader.or_spoken(request.stream.answers.language.as_deref());
    if fields?.value("choice") != Some("confirm") {
        let text = "the form says nothing: the choice stands in the button of the page";
        return Err(Problem::new(StatusCode::BAD_REQUEST, text));
    }
    let (texts, brand) = (texts(&reader), Brand::of(&parts, &request.account)?);
    let agreed = request.said(texts.agree, &brand);
    let shown = (agreed, format!("{CONSENT_TEXTS_VERSION}, {}", texts.tag));
    let from = (reader.ip.map(|ip| ip.to_string()), user_agent(&headers));
    // On a task of its own: what is begun is done, whether the asker waits or not.
    let (policy, event) = (parts.policy.clone(), request.event);
    let work = async move { policy.confirm_consent(event, from, shown).await };
    match tokio::spawn(work).await.unwrap_or(Err(StoreFault::Closed))? {
        Some(Confirmed::Now | Confirmed::Already(_)) => {
            metrics::counter!("relent_consents_confirmed_total").increment(1);
            tracing::info!(target: "relent::http", event = "consented", record = event, stream = request.stream.name,
                "consent confirmed by the person");
            request.done(&parts, &reader)
        }
        Some(Confirmed::Gone) | None => Ok(gone(&parts, &reader)),
    }
}
