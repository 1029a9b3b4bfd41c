//! Recipients' pages, `/u/TOKEN`, and `/c/TOKEN`, which asks for consent: what a person gets, from whom and why, and the buttons that end it.
//! Looking changes nothing; a POST stops at once, and is acknowledged only when no dot can follow.
//!
//! Three kinds of requests come here. A mail client's one click (RFC 8058) is a POST that says so; it
//! is obeyed without a look at a page, since that is what it is for. Programs that follow links to see
//! where they lead ask with GET, HEAD or OPTIONS and change nothing. The page's own forms name their
//! `choice` in the button alone, so that only who presses it sends one: a program that fills in and
//! posts whatever form it finds, with the fields as they stand, says nothing and changes nothing, and
//! what the boxes of the page of choices say as they stand is what holds already. No cookie is needed
//! for it, and none is set.
//!
//! What comes back needs more than the link, which whoever has the mail can open: the token that undoes
//! a stop is shown only to who has just made it, for a day; later a mail to the person leads to the
//! button.

mod filled;
mod words;

mod page;
mod reader;
mod turnstile;

mod person;

mod again;
mod amiss;
mod choices;
mod confirm;
mod logo;
mod undo;
mod unsubscribe;

use super::problem::Problem;
use super::site::Parts;
use crate::config::Live;
use axum::Extension;
use axum::Router;
use axum::http::StatusCode;
use axum::middleware::from_fn_with_state;
use axum::routing::get;
use person::Lookups;
use std::sync::Arc;
use turnstile::Turnstile;

/// What pages share beside the parts of the house.
#[derive(Clone)]
pub(super) struct Hall {
    lookups: Lookups,
    turnstile: Arc<Turnstile>,
}

impl Hall {
    pub(super) fn new(live: &Live) -> Self {
        let per_minute = live.now(|c| c.http.page_requests_per_minute_max);
        let askers = live.now(|c| c.http.page_askers_max);
        Self {
            lookups: Lookups::new(live.now(|c| c.http.lookups_max as usize)),
            turnstile: Arc::new(Turnstile::new(per_minute, askers)),
        }
    }

    /// Counts a look.
    fn pass(&self, parts: &Parts, reader: &reader::Reader) -> Result<(), Problem> {
        if self.turnstile.pass(reader.asker, parts.world.clock.now()) {
            return Ok(());
        }
        metrics::counter!("relent_http_pages_limited_total").increment(1);
        Err(Problem::new(StatusCode::TOO_MANY_REQUESTS, "too many requests: wait a minute"))
    }
}

/// The routes, with everything that goes wrong told on a page to who reads pages.
pub(super) fn routes(parts: &Parts, hall: Hall) -> Router<Parts> {
    let lost = || async { Problem::unknown("there is no such page") };
    Router::new()
        .route("/u/{token}", get(unsubscribe::show).post(unsubscribe::act))
        .route("/u/{token}/preferences", get(choices::show).post(choices::act))
        .route("/c/{token}", get(confirm::show).post(confirm::act))
        .route("/u/logo/{digest}", get(logo::show))
        // A link that was cut or grew on its way.
        .route("/u", get(lost))
        .route("/u/", get(lost))
        .route("/u/{token}/", get(lost))
        .route("/u/{token}/{*rest}", get(lost))
        .method_not_allowed_fallback(|| async {
            let text = "this can be done here only with the methods in the Allow field";
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, text)
        })
        .layer(from_fn_with_state(parts.clone(), amiss::told))
        .layer(Extension(hall))
}
