//! Before each route of the API: who asks, whether they may, and whether they ask too much.

use super::by::InName;
use super::caller::Caller;
use super::gate::{Buckets, Left, seconds};
use super::problem::{Kind, Problem};
use super::repeat::once;
use super::route::Need;
use super::seat;
use super::serve::Peer;
use super::site::Parts;
use crate::accounts::{Failures, parted};
use crate::config::Live;
use crate::world::{Alarm, crowd::network};
use axum::Extension;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

/// Which face a route belongs to.
#[derive(Clone)]
pub(super) enum Face {
    /// The admin socket, whose file mode is its lock.
    Operator,
    /// Everybody's.
    Public(Arc<Watch>),
}

/// What is counted of those who ask.
pub(super) struct Watch {
    failures: Failures,
    addresses: Buckets<IpAddr>,
    credentials: Buckets<String>,
}

impl Watch {
    pub(super) fn new(live: &Live) -> Self {
        let most = live.now(|c| c.api.askers_max);
        let each = live.now(|c| c.api.requests_per_minute_max);
        let address = live.now(|c| c.api.requests_per_minute_per_address_max);
        Self {
            failures: Failures::new(live.now(|c| c.api.auth_failures_max)),
            addresses: Buckets::new(address, most.clone()),
            credentials: Buckets::new(each, most),
        }
    }
}

/// What a route's guard knows.
#[derive(Clone)]
pub(super) struct Guard {
    pub(super) parts: Parts,
    pub(super) face: Face,
    pub(super) need: Need,
    pub(super) holds_secret: bool,
    /// What it makes would be there twice, were it done twice.
    pub(super) makes: bool,
    /// This process, by a number drawn at its start.
    pub(super) process: u64,
}

/// Lets a request through to its route with its caller, or answers it.
pub(super) async fn guard(
    State(guard): State<Guard>,
    peer: Option<Extension<Peer>>,
    mut request: Request,
    next: Next,
) -> Response {
    let watch = match &guard.face {
        Face::Operator => {
            request.extensions_mut().insert(Caller::Operator);
            return once(&guard, &Caller::Operator, request, next).await;
        }
        Face::Public(watch) => watch.clone(),
    };
    let from = peer.and_then(|Extension(peer)| peer.asker(request.headers()));
    // A Unix socket has no addresses: whoever comes by one counts as one.
    let address = from.map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), network);
    let now = guard.parts.world.clock.steady();
    let mut left = match watch.addresses.take(&address, now) {
        Ok(left) => ("address", watch.addresses.per_minute(), left),
        Err(wait) => return too_many("address", watch.addresses.per_minute(), seconds(wait)),
    };
    if let Need::Right(right) = guard.need {
        let found = match seat::token(request.headers()) {
            Some(token) => {
                let asked = (request.uri(), request.headers(), token);
                seat::seat(&guard.parts, asked, right).await
            }
            None => known(&guard.parts, &watch, request.headers(), from).await,
        };
        let caller = match found {
            Ok(caller) => caller,
            Err(problem) => return problem.into_response(),
        };
        let asker = match &caller {
            Caller::Operator => None,
            Caller::Credential(_, credential) => Some(("credential", credential.name.clone())),
            // No credential has such a name.
            Caller::Member(_, standing, _) => {
                Some(("member", format!("member {}", standing.person.id.0)))
            }
        };
        if let Some((what, name)) = asker {
            match watch.credentials.take(&name, now) {
                Ok(own) => left = (what, watch.credentials.per_minute(), own),
                Err(wait) => {
                    return too_many(what, watch.credentials.per_minute(), seconds(wait));
                }
            }
        }
        if !caller.may(right) {
            let text = format!("this needs the right `{right}`, which the token has not");
            return Problem::forbidden(text).into_response();
        }
        request.extensions_mut().insert(InName(Arc::new(caller.actor())));
        request.extensions_mut().insert(caller.clone());
        let mut response = once(&guard, &caller, request, next).await;
        tell(&mut response, left.0, left.1, left.2);
        return response;
    }
    let mut response = next.run(request).await;
    let (policy, per_minute, left) = left;
    tell(&mut response, policy, per_minute, left);
    response
}

/// Who shows the token of a request.
async fn known(
    parts: &Parts,
    watch: &Watch,
    headers: &HeaderMap,
    from: Option<IpAddr>,
) -> Result<Caller, Problem> {
    let wrong = |text: &str| Problem::of(Kind::Unauthenticated, text);
    let Some(given) = headers.get(header::AUTHORIZATION) else {
        return Err(wrong(
            "send a token: `Authorization: Bearer TOKEN`, as `credential add` prints it",
        ));
    };
    let token = given.to_str().ok().and_then(|text| {
        let (scheme, token) = text.split_once(' ')?;
        scheme.eq_ignore_ascii_case("Bearer").then_some(token.trim())
    });
    let alarm = Alarm::after(parts.config.submission.auth_failure_delay.0);
    let token = token.unwrap_or_default();
    let address = from.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    let pair = Failures::pair(parted(token).unwrap_or_default().0, address);
    let now = parts.world.clock.steady();
    if watch.failures.are_too_many(&pair, now) {
        let text = "too many wrong tokens came from this address; try again in ten minutes";
        return Err(Problem::of(Kind::TooMany, text).after(600));
    }
    if let Some(credential) = parts.accounts.bearer(token, from)?
        && let Some(account) = parts.accounts.account_by_id(credential.account)?
    {
        return Ok(Caller::Credential(account, Arc::new(credential)));
    }
    watch.failures.add(pair, now);
    metrics::counter!("relent_auth_failures_total", "door" => "api").increment(1);
    let client = from.map(|ip| ip.to_string()).unwrap_or_default();
    tracing::info!(target: "relent::http", event = "token_refused", client, "a wrong token was refused");
    // Whyever it is refused, it takes the same time.
    alarm.ring().await;
    Err(wrong("the token is wrong, has expired, or may not be used from this address"))
}

/// Says how much more may be asked (draft-ietf-httpapi-ratelimit-headers).
fn tell(response: &mut Response, policy: &str, per_minute: u32, left: Left) {
    let texts = [
        ("ratelimit-policy", format!("\"{policy}\";q={per_minute};w=60")),
        ("ratelimit", format!("\"{policy}\";r={};t={}", left.requests, left.full_in)),
    ];
    for (name, text) in texts {
        if let Ok(value) = HeaderValue::from_str(&text) {
            response.headers_mut().insert(HeaderName::from_static(name), value);
        }
    }
}

fn too_many(policy: &str, per_minute: u32, wait: u64) -> Response {
    let text = format!("more than {per_minute} requests a minute came from one {policy}");
    let mut response = Problem::of(Kind::TooMany, text).after(wait.max(1)).into_response();
    tell(&mut response, policy, per_minute, Left { requests: 0, full_in: wait });
    response
}
