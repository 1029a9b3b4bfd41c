//! Taking a stop back: by the button that follows it, or by the page that a confirmation's link opens.

use super::filled::{Part, filled, plain};
use super::page::{Brand, Frame, Message, Place, Undo, answer};
use super::reader::Reader;
use crate::events::record::{Evidence, RecordEvent, Source};
use crate::http::problem::Problem;
use crate::http::site::Parts;
use crate::policy::{Token, UNDO_AGE_MAX};
use crate::store::StoreFault;
use axum::http::StatusCode;
use axum::response::Response;

/// Whose stop an undo token is about.
fn brand(parts: &Parts, event: u64) -> Result<Option<Brand>, StoreFault> {
    let Some(event) = parts.store.get::<RecordEvent>(&event.to_be_bytes())? else {
        return Ok(None);
    };
    let account = parts.accounts.account_by_id(event.account)?;
    account.map(|account| Brand::of(parts, &account)).transpose()
}

/// The page that a confirmation's link opens: whether the stop shall be undone. Programs that follow
/// links change nothing by looking. None where the token is of another kind.
pub(super) fn show(
    parts: &Parts,
    reader: &Reader,
    token: &str,
) -> Result<Option<Response>, StoreFault> {
    let Some(Token::Undo { event, until }) = parts.policy.open(token)? else { return Ok(None) };
    if until <= parts.world.clock.now() {
        return Ok(Some(gone(parts, reader, Place::First, Some(""))));
    }
    let (words, brand) = (reader.words, brand(parts, event)?);
    let title = (words.undo_question, brand.as_ref());
    let frame = Frame::new(parts, reader, title, Place::First, Some(""));
    let until = filled(words.undo_for, &[("date", Part::Minute(until))]);
    let page = Message {
        frame,
        lines: vec![plain(words.undo_line), until],
        buttons: vec![Undo { undo: token.to_owned(), label: plain(words.undo) }],
        links: Vec::new(),
    };
    Ok(Some(answer(StatusCode::OK, &page.frame, &page)))
}

/// Undoes a stop.
pub(super) async fn act(
    parts: &Parts,
    reader: &Reader,
    token: &str,
    place: Place,
) -> Result<Response, Problem> {
    let now = parts.world.clock.now();
    let event = match parts.policy.open(token)? {
        Some(Token::Undo { event, until }) if until > now => event,
        _ => return Ok(gone(parts, reader, place, None)),
    };
    let ip = reader.ip.map(|ip| ip.to_string());
    let evidence = Evidence { source: Source::Page, text: String::new(), ip, message: None };
    if !parts.policy.undo(event, evidence).await? {
        return Ok(gone(parts, reader, place, None));
    }
    tracing::info!(target: "relent::http", event = "undone", record = event, "opt-out undone: {}", Source::Page.name());
    let (words, brand) = (reader.words, brand(parts, event)?);
    let frame = Frame::new(parts, reader, (words.undone, brand.as_ref()), place, None);
    let lines = vec![plain(words.undone_line)];
    let page = Message { frame, lines, buttons: Vec::new(), links: Vec::new() };
    Ok(answer(StatusCode::OK, &page.frame, &page))
}

/// The way back that is closed, and the one that remains.
fn gone(parts: &Parts, reader: &Reader, place: Place, choose_at: Option<&str>) -> Response {
    let words = reader.words;
    let hours = (UNDO_AGE_MAX.as_secs() / 3600).to_string();
    let frame = Frame::new(parts, reader, (words.gone, None), place, choose_at);
    let page = Message {
        frame,
        lines: vec![filled(words.gone_line, &[("hours", Part::Name(&hours))]), plain(words.again)],
        buttons: Vec::new(),
        links: Vec::new(),
    };
    answer(StatusCode::GONE, &page.frame, &page)
}
