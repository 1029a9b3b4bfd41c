//! The way back to a stream that a person has ended: a mail to the person, whose button grants it. The
//! link of the page alone is not enough, since whoever has the mail has the link.

use super::filled::{Part, filled, plain};
use super::page::{Brand, Frame, Link, Message, Place, answer};
use super::person::Known;
use super::reader::Reader;
use super::unsubscribe::{evidence, masked, named};
use crate::events::record::{Circumstances, Source};
use crate::http::problem::Problem;
use crate::http::site::Parts;
use crate::policy::{Asker, Requested};
use crate::replies::AskingFault;
use axum::http::StatusCode;
use axum::response::Response;

/// What asking came to, as the page tells it.
enum Told {
    /// A mail is on its way.
    Asked,
    /// None was sent: too many were, or one was already.
    NotAsked,
    /// A stop stands against it.
    Held,
    /// It comes already.
    Unchanged,
}

/// Asks the person, by mail, whether a stream shall come again.
pub(super) async fn ask(
    parts: &Parts,
    reader: &Reader,
    known: &Known,
    name: &str,
    token: &str,
) -> Result<Response, Problem> {
    let person = &known.person;
    let mut had = known.streams.iter().filter(|had| had.can_return);
    let found = had.find(|had| had.stream.name == name).zip(person.address.clone());
    let told = match found {
        // Whoever may send nothing asks nobody either.
        Some((had, _)) if parts.accounts.suspension(had.stream.account)?.is_some() => {
            Told::NotAsked
        }
        Some((had, address)) => {
            let (parts, stream) = (parts.clone(), had.stream.clone());
            let ((evidence, _), tag) = (evidence(Source::Page, reader), reader.words.tag);
            // On a task of its own: what is begun is done, whether the asker waits or not.
            let asking = tokio::spawn(async move {
                let asked = (Asker::Person, evidence, Circumstances::default());
                let (requested, mailed) =
                    parts.asking().ask(&stream, &address, asked, Some(tag)).await?;
                Ok::<_, AskingFault>(match (requested, mailed) {
                    (Requested::Asked { .. }, Some((_, true))) => Told::Asked,
                    (Requested::Holds(_), _) => Told::Unchanged,
                    (Requested::Stopped(_), _) => Told::Held,
                    _ => Told::NotAsked,
                })
            });
            let broken = |fault: String| {
                tracing::warn!(target: "relent::http", fault, "a person could not be asked");
                Problem::new(StatusCode::SERVICE_UNAVAILABLE, "nobody could be asked now")
            };
            let asked = asking.await.map_err(|fault| broken(fault.to_string()))?;
            asked.map_err(|fault| broken(fault.to_string()))?
        }
        None => Told::Unchanged,
    };
    let (words, brand) = (reader.words, Brand::of(parts, &person.account)?);
    let to = masked(person);
    let names = [("stream", Part::Name(name)), ("to", named(to.as_ref(), reader))];
    let line = match told {
        Told::Asked => filled(words.asked, &names),
        Told::NotAsked => plain(words.not_asked),
        Told::Held => plain(words.held),
        Told::Unchanged => plain(words.unchanged),
    };
    let page = Message {
        frame: Frame::new(parts, reader, (words.choices, Some(&brand)), Place::Second, None),
        lines: vec![line],
        buttons: Vec::new(),
        links: vec![
            Link { href: reader.link("preferences"), label: words.choices },
            Link { href: reader.link(&format!("../{token}")), label: words.back },
        ],
    };
    Ok(answer(StatusCode::OK, &page.frame, &page))
}
