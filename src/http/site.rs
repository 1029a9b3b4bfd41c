//! The two faces: which routes each has, and what binds every request: a size, a time, headers.

use super::backup::Backups;
use super::follow::Followers;
use super::guard::{Face, Watch};
use super::outgoing::Outgoing;
use super::problem::Problem;
use super::reload::Reloading;
use super::vitals::Vitals;
use super::{door, health, recipient, route, table, tls};
use crate::accounts::Accounts;
use crate::acme::Acme;
use crate::config::{self, Live, Made, Section};
use crate::dns::Resolver;
use crate::policy::Policy;
use crate::queue::Queue;
use crate::replies::Asking;
use crate::rights::Rights;
use crate::spool::Spool;
use crate::store::Store;
use crate::telemetry::Tracer;
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
    pub config: Live,
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
    /// Reads the settings anew.
    pub reloading: Arc<dyn Reloading>,
    /// Whether the parts that everything waits for answer.
    pub vitals: Vitals,
    /// The registry that `/metrics` shows.
    pub metrics: PrometheusHandle,
    /// Sessions as they are spoken, for who looks on.
    pub tracer: Tracer,
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
    router: Arc<Made<Router>>,
    pub(super) settings: Section<config::Http>,
    pub(super) live: Live,
    pub(super) metrics: PrometheusHandle,
}

/// What everybody may reach: recipients' pages, the API for who shows a token, metrics and health.
#[must_use]
pub fn public(parts: Parts) -> Site {
    let face = Face::Public(Arc::new(Watch::new(&parts.config)));
    let process = drawn(&parts);
    let (hall, followers) = (recipient::Hall::new(&parts.config), Followers::new(&parts.config));
    site(parts, move |parts| {
        let api = route::router(table::routes(&parts.config), parts, &face, process);
        let api = api.layer(Extension(followers.clone()));
        recipient::routes(parts, hall.clone())
            .merge(door::routes())
            .merge(tls::routes())
            .merge(api)
            .merge(health::routes())
    })
}

/// What is said in the clear to whoever should speak TLS: what an authority asks for, and where to go.
#[must_use]
pub fn redirect(parts: Parts) -> Site {
    site(parts, |_| tls::routes().merge(tls::elsewhere()))
}

/// What the operator may reach, and nobody else: all of `/api/v1`, metrics and health.
#[must_use]
pub fn admin(parts: Parts) -> Site {
    let (followers, process) = (Followers::new(&parts.config), drawn(&parts));
    let backups = Backups::default();
    site(parts, move |parts| {
        let api = route::router(table::routes(&parts.config), parts, &Face::Operator, process);
        let api = api.layer(Extension(followers.clone())).layer(Extension(backups.clone()));
        api.merge(health::routes())
    })
}

/// A number by which this process is known, drawn at its start.
fn drawn(parts: &Parts) -> u64 {
    let mut drawn = [0; 8];
    parts.world.chance.fill(&mut drawn);
    // Never 0, which is no process.
    u64::from_le_bytes(drawn) | 1
}

/// A face, whose routes are made anew once the settings change; what is counted of who asks goes on.
fn site(parts: Parts, routes: impl Fn(&Parts) -> Router<Parts> + Send + Sync + 'static) -> Site {
    let (live, metrics) = (parts.config.clone(), parts.metrics.clone());
    let router = Made::new(&live, move |_| bounded(routes(&parts), parts.clone()));
    let settings = live.section(|c| &c.http);
    Site { router: Arc::new(router), settings, live, metrics }
}

impl Site {
    /// The routes, under the limits that hold now.
    pub fn router(&self) -> Router {
        Router::clone(&self.router.now())
    }
}

/// Routes with what binds each request.
fn bounded(routes: Router<Parts>, parts: Parts) -> Router {
    let settings = &parts.config.http;
    let (size_max, time_max) = (settings.body_size_max.bytes(), settings.request_timeout.0);
    routes
        .fallback(|| async { Problem::new(StatusCode::NOT_FOUND, "there is nothing here") })
        .method_not_allowed_fallback(|| async {
            let text = "this can be done here only with the methods in the Allow field";
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, text)
        })
        .with_state(parts)
        .layer(DefaultBodyLimit::max(size_max))
        .layer(from_fn_with_state(time_max, bound))
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
