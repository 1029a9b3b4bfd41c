//! `/u/TOKEN/preferences`: what an account may send to a person, one stream at a time. A box that is
//! cleared is a stop of that stream; nothing else that a form could say changes anything.

use super::filled::{Part, Rich, filled, plain};
use super::page::{Brand, Frame, Link, Message, Place, Undo, answer};
use super::person::{Had, Known, Person, State};
use super::reader::Reader;
use super::unsubscribe::{Stopped, evidence, farewell, masked, named, stop, token, unknown};
use super::{Hall, again, undo};
use crate::events::record::{Scope, Source};
use crate::http::form::Fields;
use crate::http::problem::Problem;
use crate::http::site::Parts;
use crate::mail::Timestamp;
use crate::policy::Settled;
use askama::Template;
use axum::Extension;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State as Kept};
use axum::http::StatusCode;
use axum::response::Response;
use std::sync::Arc;
use tokio::task::JoinSet;

/// What the choice of a stream to come again begins with.
const AGAIN: &str = "again ";

/// A stream in the list.
struct Row<'a> {
    name: &'a str,
    can_end: bool,
    state: Rich,
    last: Option<Rich>,
    /// The button that asks for it again.
    again: Option<Rich>,
}

#[derive(Template)]
#[template(path = "recipient/choices.html")]
struct Choices<'a> {
    frame: Frame<'a>,
    legend: Rich,
    rows: Vec<Row<'a>>,
    /// The streams that have a box, so that what has been added since is not taken for cleared.
    shown: String,
    can_save: bool,
    can_stop_all: bool,
    stop_all: Rich,
    goes_on: Rich,
    again: Option<&'static str>,
    back_href: String,
}

fn row<'a>(reader: &Reader, had: &'a Had) -> Row<'a> {
    let words = reader.words;
    let state = match had.state {
        State::Comes => plain(words.comes),
        State::Always => plain(words.always),
        State::Ended(at) => filled(words.stopped_on, &[("date", Part::Day(at))]),
        State::Held => plain(words.held),
        State::Waiting => plain(words.waiting),
        State::Unagreed => plain(words.not_agreed),
    };
    let last = had.last.map(|at| filled(words.last, &[("date", Part::Day(at))]));
    let name = had.stream.name.as_str();
    let named = [("stream", Part::Name(name))];
    let again = had.can_return.then(|| filled(words.get_again, &named));
    Row { name, can_end: had.state == State::Comes, state, last, again }
}

pub(super) async fn show(
    Kept(parts): Kept<Parts>,
    Extension(hall): Extension<Hall>,
    reader: Reader,
    path: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let token = token(path)?;
    hall.pass(&parts, &reader)?;
    let known = Known::find(&parts, &hall.lookups, &token).await?.ok_or_else(unknown)?;
    let reader = reader.or_spoken(known.person.stream.answers.language.as_deref());
    let brand = Brand::of(&parts, &known.person.account)?;
    let (words, to) = (reader.words, masked(&known.person));
    let names = [("sender", Part::Name(&brand.name)), ("to", named(to.as_ref(), &reader))];
    let rows: Vec<_> = known.streams.iter().map(|had| row(&reader, had)).collect();
    let boxes: Vec<&str> = rows.iter().filter(|row| row.can_end).map(|row| row.name).collect();
    let is_ended = |had: &Had| matches!(had.state, State::Ended(_)) && !had.can_return;
    let shown = boxes.join(" ");
    let title = (words.choices, Some(&brand));
    let page = Choices {
        frame: Frame::new(&parts, &reader, title, Place::Second, Some("")),
        legend: filled(words.choices_line, &names),
        can_save: !boxes.is_empty(),
        shown,
        rows,
        can_stop_all: known.can_stop_all(),
        stop_all: filled(words.stop_all, &names),
        goes_on: filled(words.goes_on, &names),
        again: known.streams.iter().any(is_ended).then_some(words.again),
        back_href: reader.link(&format!("../{token}")),
    };
    Ok(answer(StatusCode::OK, &page.frame, &page))
}

pub(super) async fn act(
    Kept(parts): Kept<Parts>,
    Extension(hall): Extension<Hall>,
    reader: Reader,
    path: Result<Path<String>, PathRejection>,
    fields: Result<Fields, Problem>,
) -> Result<Response, Problem> {
    let token = token(path)?;
    hall.pass(&parts, &reader)?;
    let known = Known::find(&parts, &hall.lookups, &token).await?.ok_or_else(unknown)?;
    let reader = reader.or_spoken(known.person.stream.answers.language.as_deref());
    let fields = fields?;
    match fields.value("choice") {
        Some("save") => save(&parts, &reader, known, &fields, &token).await,
        Some("account") => {
            let evidence = evidence(Source::Page, &reader);
            let stopped = stop(&parts, &known.person, Scope::Account, evidence).await?;
            let done = (Scope::Account, stopped);
            Ok(farewell(&parts, &reader, &known.person, done, (Place::Second, &token))?)
        }
        Some("undo") => {
            let given = fields.value("undo").unwrap_or_default();
            undo::act(&parts, &reader, given, Place::Second).await
        }
        Some(choice) if choice.starts_with(AGAIN) => {
            let name = choice.trim_start_matches(AGAIN);
            again::ask(&parts, &reader, &known, name, &token).await
        }
        _ => {
            let text = "the form says no choice of the page: use its buttons";
            Err(Problem::new(StatusCode::BAD_REQUEST, text))
        }
    }
}

/// Stops the streams whose boxes were there and are cleared, all at once.
async fn save(
    parts: &Parts,
    reader: &Reader,
    known: Known,
    fields: &Fields,
    token: &str,
) -> Result<Response, Problem> {
    let shown: Vec<&str> = fields.value("shown").unwrap_or_default().split(' ').collect();
    let is_cleared = |had: &&Had| {
        let name = had.stream.name.as_str();
        had.state == State::Comes
            && shown.contains(&name)
            && !fields.values("keep").any(|kept| kept == name)
    };
    let cleared: Vec<_> =
        known.streams.iter().filter(is_cleared).map(|had| had.stream.clone()).collect();
    let (person, mut stopping) = (Arc::new(known.person), JoinSet::new());
    for stream in cleared {
        let (parts, person) = (parts.clone(), person.clone());
        let evidence = evidence(Source::Page, reader);
        stopping.spawn(async move {
            let stopped = stop(&parts, &person, Scope::Stream(stream.id), evidence).await?;
            Ok::<_, Problem>((stream, stopped))
        });
    }
    let mut done = Vec::new();
    while let Some(ended) = stopping.join_next().await {
        let fault = |_| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "not all could be saved");
        done.push(ended.map_err(fault)??);
    }
    done.sort_by(|(one, _), (two, _)| one.name.cmp(&two.name));
    let done: Vec<_> =
        done.iter().map(|(stream, stopped)| (stream.name.as_str(), stopped)).collect();
    saved(parts, reader, &person, &done, token)
}

/// The page after that, with a way back for each stream.
fn saved(
    parts: &Parts,
    reader: &Reader,
    person: &Person,
    done: &[(&str, &Stopped)],
    token: &str,
) -> Result<Response, Problem> {
    let (words, brand) = (reader.words, Brand::of(parts, &person.account)?);
    let (mut lines, mut buttons, mut until) = (vec![plain(words.saved)], Vec::new(), None);
    let mut status = StatusCode::OK;
    if done.is_empty() {
        lines = vec![plain(words.unchanged)];
    }
    for (name, stopped) in done {
        let names = [("sender", Part::Name(&brand.name)), ("stream", Part::Name(name))];
        lines.push(filled(words.stopped, &names));
        if stopped.settled == Settled::WithDotInFlight && status == StatusCode::OK {
            lines.push(plain(words.one_more));
            status = StatusCode::ACCEPTED;
        }
        if let Some((undo, at)) = &stopped.undo {
            let text = format!("{}: {{stream}}", words.undo);
            buttons.push(Undo { undo: undo.clone(), label: filled(&text, &names) });
            until = Some(until.map_or(*at, |first: Timestamp| first.min(*at)));
        }
    }
    lines.extend(until.map(|at| filled(words.undo_for, &[("date", Part::Minute(at))])));
    let title = (words.choices, Some(&brand));
    let page = Message {
        frame: Frame::new(parts, reader, title, Place::Second, None),
        lines,
        buttons,
        links: vec![
            Link { href: reader.link("preferences"), label: words.choices },
            Link { href: reader.link(&format!("../{token}")), label: words.back },
        ],
    };
    Ok(answer(status, &page.frame, &page))
}
