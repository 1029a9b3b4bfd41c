//! The two faces: which routes each has, and what binds every request: a size, a time, headers.

use super::follow::Followers;
use super::guard::{Face, Watch};
use super::outgoing::Outgoing;
use super::problem::Problem;
use super::vitals::Vitals;
use super::{door, health, recipient, route, table, tls};
use crate::accounts::Accounts;
use crate::acme::Acme;
use crate::config::{self, Config};
use crate::dns::Resolver;
use crate::policy::Policy;
use crate::queue::Queue;
use crate::replies::Asking;
use crate::rights::Rights;
use crate::spool::Spool;
use crate::store::Store;
use crate::tls::Server;
use crate::webhooks::Webhooks;
use crate::world::World;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::{Extension, Router};
use metrics_exporter_prometheus::PrometheusHandle;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

/// What the routes reach. Cheap to clone.
#[derive(Clone)]
pub struct Parts {
    /// All settings.
    pub config: Arc<Config>,
    /// Mail that waits.
    pub queue: Arc<dyn Queue>,
    /// Accounts, credentials, domains, streams.
    pub accounts: Accounts,
    /// Stops and consents.
    pub policy: Policy,
    /// To check published records.
    pub resolver: Arc<dyn Resolver>,
    /// Mail that goes out.
    pub outgoing: Arc<dyn Outgoing>,
    /// Events that go out to programs.
    pub webhooks: Webhooks,
    /// The log of messages, for those who follow what happens.
    pub spool: Spool,
    /// The records, for those who follow what happens.
    pub store: Store,
    /// Whether the parts that everything waits for answer.
    pub vitals: Vitals,
    /// The registry that `/metrics` shows.
    pub metrics: PrometheusHandle,
    /// To be forgotten.
    pub rights: Rights,
    /// Our certificates.
    pub tls: Arc<Server>,
    /// Certificates from an authority.
    pub acme: Acme,
    /// Clock and the rest.
    pub world: World,
    /// Whether every listener is open and no stop has begun.
    pub ready: Arc<AtomicBool>,
}

impl Parts {
    /// What asks a person for consent.
    pub(super) fn asking(&self) -> Asking<'_> {
        Asking {
            config: &self.config,
            queue: &self.queue,
            accounts: &self.accounts,
            policy: &self.policy,
            world: &self.world,
        }
    }
}

/// Routes with the limits they are served under.
#[derive(Clone)]
pub struct Site {
    /// The routes.
    pub router: Router,
    pub(super) settings: config::Http,
    pub(super) metrics: PrometheusHandle,
}

/// What everybody may reach: recipients' pages, the API for who shows a token, metrics and health.
#[must_use]
pub fn public(parts: Parts) -> Site {
    let face = Face::Public(Arc::new(Watch::new(&parts.config.api)));
    let api = route::router(table::routes(&parts.config), &parts, &face);
    let api = api.layer(Extension(Followers::new(&parts.config.api)));
    let routes = recipient::routes(&parts).merge(door::routes()).merge(tls::routes());
    site(routes.merge(api).merge(health::routes()).fallback(nothing), parts)
}

/// What is said in the clear to whoever should speak TLS: what an authority asks for, and where to go.
#[must_use]
pub fn redirect(parts: Parts) -> Site {
    site(tls::routes().fallback(tls::elsewhere), parts)
}

/// What the operator may reach, and nobody else: all of `/api/v1`, metrics and health.
#[must_use]
pub fn admin(parts: Parts) -> Site {
    let api = route::router(table::routes(&parts.config), &parts, &Face::Operator);
    let api = api.layer(Extension(Followers::new(&parts.config.api)));
    site(api.merge(health::routes()).fallback(nothing), parts)
}

async fn nothing() -> Problem {
    Problem::new(StatusCode::NOT_FOUND, "there is nothing here")
}

fn site(routes: Router<Parts>, parts: Parts) -> Site {
    let settings = parts.config.http.clone();
    let metrics = parts.metrics.clone();
    let router = routes
        .method_not_allowed_fallback(|| async {
            let text = "this can be done here only with the methods in the Allow field";
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, text)
        })
        .with_state(parts)
        .layer(DefaultBodyLimit::max(settings.body_size_max.bytes()))
        .layer(from_fn_with_state(settings.request_timeout.0, bound));
    Site { router, settings, metrics }
}

/// Sets a limit to a request's time, counts it, and guards its answer with headers.
async fn bound(State(longest): State<Duration>, request: Request, next: Next) -> Response {
    let matched = request.extensions().get::<MatchedPath>();
    let route = matched.map_or_else(|| "none".to_owned(), |path| path.as_str().to_owned());
    let mut response = match tokio::time::timeout(longest, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            let text = "the request took too long and was given up; it is safe to try again";
            Problem::new(StatusCode::SERVICE_UNAVAILABLE, text).into_response()
        }
    };
    let status = response.status().as_u16().to_string();
    metrics::counter!("relent_http_requests_total", "route" => route, "status" => status)
        .increment(1);
    let headers = response.headers_mut();
    let nothing = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'";
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, nothing),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (HeaderName::from_static("x-robots-tag"), "noindex, nofollow"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    response
}
