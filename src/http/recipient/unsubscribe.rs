//! `/u/TOKEN`: who sends what to whom and why, and the buttons that end it; a mail client's one click.

use super::filled::{Part, Rich, filled, plain};
use super::page::{Brand, Frame, Link, Message, Place, Undo, answer};
use super::person::{Known, Person, State};
use super::reader::Reader;
use super::{Hall, undo};
use crate::accounts::Stream;
use crate::events::record::{Evidence, Reason, Scope, Source};
use crate::http::form::Fields;
use crate::http::problem::Problem;
use crate::http::site::Parts;
use crate::mail::{Address, Timestamp};
use crate::policy::{ConsentState, Settled, Token};
use crate::queue::{self, Stop};
use crate::store::StoreFault;
use askama::Template;
use axum::Extension;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State as Kept};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use std::time::Instant;

/// Longest note of a sender about a consent that is shown, in characters.
const NOTE_MAX: usize = 200;

/// What a stop came to.
pub(super) struct Stopped {
    pub(super) settled: Settled,
    /// The token to undo it, where this made it, and until when it can be undone. One that stood is not
    /// undone from here: whoever has the link, the sender too, could take the person's word back.
    pub(super) undo: Option<(String, Timestamp)>,
}

/// Stops, on the word of the person that a token names.
pub(super) async fn stop(
    parts: &Parts,
    person: &Person,
    scope: Scope,
    (evidence, arrived): (Evidence, Instant),
) -> Result<Stopped, Problem> {
    let (account, subject) = (person.account.id, person.subject());
    let stop = Stop {
        account,
        recipient: person.hash,
        subject: subject.clone(),
        scope,
        reason: Reason::OptOut,
        evidence,
        grounds: None,
        arrived,
    };
    let made = queue::stop(&parts.policy, &parts.queue, stop).await?;
    let token = match made.is_new {
        true => parts.policy.undo_token(account, &subject, made.event)?,
        false => None,
    };
    let undo = match token {
        Some(token) => match parts.policy.open(&token)? {
            Some(Token::Undo { until, .. }) => Some((token, until)),
            _ => None,
        },
        None => None,
    };
    Ok(Stopped { settled: made.settled, undo })
}

/// What a stop rests on, and when the wish arrived.
pub(super) fn evidence(source: Source, reader: &Reader) -> (Evidence, Instant) {
    let ip = reader.ip.map(|ip| ip.to_string());
    (Evidence { source, text: String::new(), ip, message: None }, reader.arrived)
}

/// A token of a path; what cannot be read as one is none.
pub(super) fn token(path: Result<Path<String>, PathRejection>) -> Result<String, Problem> {
    path.map(|Path(token)| token).map_err(|_| unknown())
}

pub(super) fn unknown() -> Problem {
    Problem::unknown("this link is not valid: open it from the message once more, whole")
}

/// A person's address, masked, since others may look.
pub(super) fn masked(person: &Person) -> Option<String> {
    person.address.as_ref().map(Address::masked)
}

/// What stands for an address in a sentence, also where it is not known.
pub(super) fn named<'a>(masked: Option<&'a String>, reader: &Reader) -> Part<'a> {
    masked.map_or(Part::Name(reader.words.your_address), |masked| Part::Address(masked))
}

/// A button of the page.
struct Button {
    choice: &'static str,
    label: Rich,
}

#[derive(Template)]
#[template(path = "recipient/ask.html")]
struct Ask<'a> {
    frame: Frame<'a>,
    lead: Rich,
    stopped: Vec<Rich>,
    buttons: Vec<Button>,
    goes_on: Rich,
    choices_href: String,
    why: Vec<Rich>,
}

/// The page that asks.
pub(super) async fn show(
    Kept(parts): Kept<Parts>,
    Extension(hall): Extension<Hall>,
    reader: Reader,
    path: Result<Path<String>, PathRejection>,
) -> Result<Response, Problem> {
    let token = token(path)?;
    hall.pass(&parts, &reader)?;
    if let Some(page) = undo::show(&parts, &reader, &token)? {
        return Ok(page);
    }
    let known = Known::find(&parts, &hall.lookups, &token).await?.ok_or_else(unknown)?;
    let person = &known.person;
    let reader = reader.or_spoken(person.stream.answers.language.as_deref());
    let brand = Brand::of(&parts, &person.account)?;
    Ok(ask(&parts, &reader, &token, &known, &brand))
}

fn ask(parts: &Parts, reader: &Reader, token: &str, known: &Known, brand: &Brand) -> Response {
    let (words, stream) = (reader.words, &known.person.stream);
    let to = masked(&known.person);
    let names = [
        ("sender", Part::Name(&brand.name)),
        ("stream", Part::Name(&stream.name)),
        ("to", named(to.as_ref(), reader)),
    ];
    let fill = |text: &str| filled(text, &names);
    let of_stream = stream.removed.is_none().then_some(stream.as_ref());
    let mut stopped = Vec::new();
    let mut buttons = Vec::new();
    if stream.opt_out_scope() != Scope::Account {
        let had = known.streams.iter().find(|had| had.stream.id == stream.id);
        match had.map(|had| had.state) {
            Some(State::Ended(at)) => stopped.push(dated(words.stream_stopped, &names, at)),
            state => {
                let line = match state {
                    Some(State::Held) => Some(words.held),
                    Some(State::Waiting) => Some(words.waiting),
                    _ => None,
                };
                stopped.extend(line.map(plain));
                buttons.push(Button { choice: "stream", label: fill(words.stop_stream) });
            }
        }
    }
    if let Some(at) = known.all_stopped() {
        stopped.push(dated(words.all_stopped, &names, at));
    }
    if known.can_stop_all() {
        buttons.push(Button { choice: "account", label: fill(words.stop_all) });
    }
    let title = (words.unsubscribe, Some(brand));
    let page = Ask {
        frame: Frame::new(parts, reader, title, Place::First, Some("")),
        lead: fill(if of_stream.is_some() { words.sends } else { words.sends_mail }),
        stopped,
        buttons,
        goes_on: fill(words.goes_on),
        choices_href: reader.link(&format!("{token}/preferences")),
        why: why(reader, known, of_stream, &names),
    };
    answer(StatusCode::OK, &page.frame, &page)
}

fn dated(text: &str, names: &[(&str, Part<'_>)], at: Timestamp) -> Rich {
    filled(text, &[names, &[("date", Part::Day(at))]].concat())
}

/// Why this mail comes: what the person agreed to, when, and what the sender says of it. Neither the
/// address on the network is shown nor the subject of a message: whoever has the link may read them.
fn why(
    reader: &Reader,
    known: &Known,
    stream: Option<&Stream>,
    names: &[(&str, Part<'_>)],
) -> Vec<Rich> {
    let words = reader.words;
    let mut lines = Vec::new();
    let consent = stream.and_then(|stream| {
        let mut consents = known.view.consents.iter();
        consents.find(|given| given.stream == stream.id && given.state == ConsentState::Granted)
    });
    match (consent, stream) {
        (Some(consent), _) => {
            let at = [("date", Part::Minute(consent.at))];
            lines.push(filled(words.agreed, &[names, &at].concat()));
            let note: String = consent.evidence.text.chars().take(NOTE_MAX).collect();
            if !note.trim().is_empty() {
                let note = [("note", Part::Name(note.trim()))];
                lines.push(filled(words.noted, &[names, &note].concat()));
            }
        }
        (None, Some(stream)) if !stream.can_be_stopped() => {
            lines.push(filled(words.about_you, names));
        }
        _ => lines.push(filled(words.unagreed, names)),
    }
    if let Some(at) = known.last() {
        lines.push(dated(words.last, names, at));
    }
    lines
}

/// A form: a mail client's one click (RFC 8058), or one of the page's own.
pub(super) async fn act(
    Kept(parts): Kept<Parts>,
    Extension(hall): Extension<Hall>,
    reader: Reader,
    path: Result<Path<String>, PathRejection>,
    fields: Result<Fields, Problem>,
) -> Result<Response, Problem> {
    let token = token(path)?;
    if let Some(Token::Undo { .. }) = parts.policy.open(&token)? {
        hall.pass(&parts, &reader)?;
        return match fields?.value("choice") {
            Some("undo") => undo::act(&parts, &reader, &token, Place::First).await,
            _ => {
                let text = "this address undoes a stop, with the button of its page";
                Err(Problem::new(StatusCode::BAD_REQUEST, text))
            }
        };
    }
    let person = Person::find(&parts, &hall.lookups, &token).await?.ok_or_else(unknown)?;
    let fields = fields?;
    //= https://www.rfc-editor.org/rfc/rfc8058#section-3.2
    //# The target of the POST action is the same as the one in the GET action for a manual
    //# unsubscription
    let one_click = fields.value("List-Unsubscribe");
    if one_click.is_some_and(|value| value.trim().eq_ignore_ascii_case("One-Click")) {
        let evidence = evidence(Source::OneClick, &reader);
        let stopped = stop(&parts, &person, person.stream.opt_out_scope(), evidence).await?;
        return Ok(match stopped.settled {
            Settled::Fully => "unsubscribed\n".into_response(),
            Settled::WithDotInFlight => {
                let text = "recorded; one message may still arrive\n";
                (StatusCode::ACCEPTED, text).into_response()
            }
        });
    }
    hall.pass(&parts, &reader)?;
    let reader = reader.or_spoken(person.stream.answers.language.as_deref());
    let scope = match fields.value("choice") {
        Some("stream") => person.stream.opt_out_scope(),
        Some("account") => Scope::Account,
        Some("undo") => {
            let given = fields.value("undo").unwrap_or_default();
            return undo::act(&parts, &reader, given, Place::First).await;
        }
        _ => {
            let text =
                "the form says neither `List-Unsubscribe=One-Click` nor a choice of the page";
            return Err(Problem::new(StatusCode::BAD_REQUEST, text));
        }
    };
    let stopped = stop(&parts, &person, scope, evidence(Source::Page, &reader)).await?;
    Ok(farewell(&parts, &reader, &person, (scope, stopped), (Place::First, &token))?)
}

/// The page after a stop, with the way back.
pub(super) fn farewell(
    parts: &Parts,
    reader: &Reader,
    person: &Person,
    (scope, stopped): (Scope, Stopped),
    (place, token): (Place, &str),
) -> Result<Response, StoreFault> {
    let (words, brand) = (reader.words, Brand::of(parts, &person.account)?);
    let names = [("sender", Part::Name(&brand.name)), ("stream", Part::Name(&person.stream.name))];
    let mut lines = match scope {
        Scope::Stream(_) => vec![filled(words.stopped, &names)],
        _ => vec![filled(words.stopped_all, &names), filled(words.goes_on, &names)],
    };
    let status = match stopped.settled {
        Settled::Fully => StatusCode::OK,
        Settled::WithDotInFlight => {
            lines.push(plain(words.one_more));
            StatusCode::ACCEPTED
        }
    };
    // In another language, the page of the undo token says the same and has the button too.
    let root = place.root();
    let mut choose_at = format!("{root}{token}");
    let mut buttons = Vec::new();
    if let Some((undo, until)) = stopped.undo {
        lines.push(filled(words.undo_for, &[("date", Part::Minute(until))]));
        choose_at = format!("{root}{undo}");
        buttons.push(Undo { undo, label: plain(words.undo) });
    } else {
        lines.push(plain(words.again));
    }
    let title = (words.done, Some(&brand));
    let page = Message {
        frame: Frame::new(parts, reader, title, place, Some(&choose_at)),
        lines,
        buttons,
        links: vec![Link {
            href: reader.link(&format!("{root}{token}/preferences")),
            label: words.each,
        }],
    };
    Ok(answer(status, &page.frame, &page))
}
