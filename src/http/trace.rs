//! `/api/v1/trace`: SMTP sessions as they are spoken, as server-sent events. For the operator alone, since it
//! shows everybody's mail traffic, and for few at a time.

use super::draft::Asked;
use super::named;
use super::problem::{Kind, Problem};
use super::serve::{Lasting, Lasts};
use super::site::Parts;
use crate::telemetry::{Look, Sight, Told};
use axum::Extension;
use axum::extract::State;
use axum::response::sse::{Event, Sse};
use futures_util::Stream;
use futures_util::stream::unfold;
use serde::Deserialize;
use serde_json::json;
use std::convert::Infallible;
use std::sync::atomic::Ordering;
use tokio::time::{Instant, timeout};
use utoipa::ToSchema;

/// Which sessions: all that fit everything that is named.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// The session of this number.
    session: Option<u64>,
    /// Those from or to this address.
    address: Option<String>,
    /// Those of who has logged in with this credential, as in `app` or `acme/app`.
    user: Option<String>,
    /// Those with this mail server, or that bring mail to this domain.
    site: Option<String>,
    /// Those that bring this message, while they do.
    message: Option<String>,
}

/// An onlooker, and what is to be said at once.
struct Onlooker {
    parts: Parts,
    look: Look,
    is_new: bool,
    told_at: Instant,
    _lasts: Option<Lasts>,
}

impl Onlooker {
    /// The next thing to say; none: it is over.
    async fn next(mut self) -> Option<(Result<Event, Infallible>, Self)> {
        if std::mem::take(&mut self.is_new) {
            // So that whoever looks on knows that it does.
            return Some((Ok(Event::default().comment("looking on")), self));
        }
        let longest = self.parts.config.api.heartbeat.0;
        loop {
            if !self.parts.ready.load(Ordering::Acquire) {
                return None;
            }
            // Looked at now and then whether a stop has begun.
            let told = timeout(longest.min(LOOK), self.look.next()).await;
            let event = match told {
                Err(_) if self.told_at.elapsed() < longest => continue,
                Err(_) => Event::default().comment("nothing new"),
                Ok(None) => return None,
                Ok(Some(Told::Lost(count))) => {
                    Event::default().event("lost").data(json!({ "lost": count }).to_string())
                }
                Ok(Some(Told::Line(line))) => {
                    let mut shown = json!(line);
                    shown["at"] = self.parts.world.clock.now().to_string().into();
                    Event::default().event("line").data(shown.to_string())
                }
            };
            self.told_at = Instant::now();
            return Some((Ok(event), self));
        }
    }
}

/// How often it is looked at whether a stop has begun.
const LOOK: std::time::Duration = std::time::Duration::from_secs(1);

pub(super) async fn follow(
    State(parts): State<Parts>,
    lasting: Option<Extension<Lasting>>,
    Asked(wanted): Asked<Wanted>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let given = |text: &Option<String>| named::given(text.as_ref()).map(str::to_owned);
    let address = given(&wanted.address).map(|text| {
        text.parse().map_err(|_| {
            Problem::field("address", format!("`{text}` is no address: write one as in 192.0.2.7"))
        })
    });
    let site = given(&wanted.site).map(|name| name.trim_end_matches('.').to_owned());
    let sight = Sight {
        session: wanted.session,
        address: address.transpose()?,
        user: given(&wanted.user),
        site,
        message: given(&wanted.message),
    };
    let look = parts.tracer.look(sight).map_err(|fault| {
        let text = format!("{fault}: end another `relent trace`, or raise it");
        Problem::of(Kind::TooMany, text).after(5)
    })?;
    let lasts = lasting.map(|Extension(lasting)| lasting.begin());
    let onlooker = Onlooker { parts, look, is_new: true, told_at: Instant::now(), _lasts: lasts };
    Ok(Sse::new(unfold(onlooker, Onlooker::next)))
}
