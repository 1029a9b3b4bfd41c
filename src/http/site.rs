//! The two faces: which routes each has, and what binds every request: a size, a time, headers.

use super::{
    account, account_page, answers, audit, consent, credential, domain, explain, findings, health,
    held, import,
    outgoing::{self, Outgoing},
    problem::Problem,
    recipient, stream, suppression,
    vitals::Vitals,
    waiting,
};
use crate::accounts::Accounts;
use crate::config::{self, Config};
use crate::dns::Resolver;
use crate::policy::Policy;
use crate::queue::Queue;
use crate::store::Store;
use crate::world::World;
use axum::Router;
use axum::extract::{DefaultBodyLimit, MatchedPath, Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post, put};
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
    /// Asked for its health only.
    pub store: Store,
    /// Whether the parts that everything waits for answer.
    pub vitals: Vitals,
    /// The registry that `/metrics` shows.
    pub metrics: PrometheusHandle,
    /// Clock and the rest.
    pub world: World,
    /// Whether every listener is open and no stop has begun.
    pub ready: Arc<AtomicBool>,
}

/// Routes with the limits they are served under.
#[derive(Clone)]
pub struct Site {
    /// The routes.
    pub router: Router,
    pub(super) settings: config::Http,
    pub(super) metrics: PrometheusHandle,
}

/// What everybody may reach: recipients' pages, metrics and health.
#[must_use]
pub fn public(parts: Parts) -> Site {
    let routes = recipient::routes(&parts);
    site(routes.merge(health::routes()), parts)
}

/// What the operator may reach, and nobody else: `/api/v1`, metrics and health.
#[must_use]
pub fn admin(parts: Parts) -> Site {
    let account = "/api/v1/accounts/{account}";
    let below = |rest: &str| format!("{account}/{rest}");
    let routes = Router::new()
        .route("/api/v1/accounts", get(account::list).post(account::add))
        .route(account, get(account::show).patch(account::set))
        .route(&below("suspend"), post(account::suspend))
        .route(&below("resume"), post(account::resume))
        .route(&below("page"), get(account_page::show).patch(account_page::change))
        .route(&below("page/logo"), put(account_page::put_logo).delete(account_page::remove_logo))
        .route(&below("streams"), get(stream::list).post(stream::add))
        .route(
            &below("streams/{stream}"),
            get(stream::show).patch(stream::set).delete(stream::remove),
        )
        .route(&below("streams/{stream}/answers"), get(answers::show).post(answers::change))
        .route(&below("credentials"), get(credential::list).post(credential::add))
        .route(&below("credentials/{name}"), delete(credential::remove))
        .route(&below("domains"), get(domain::list).post(domain::add))
        .route(
            &below("domains/{domain}"),
            get(domain::show).patch(domain::set).delete(domain::remove),
        )
        .route(&below("domains/{domain}/verify"), post(domain::verify))
        .route(&below("domains/{domain}/rotate"), post(domain::rotate))
        .route(
            "/api/v1/suppressions",
            get(suppression::list).post(suppression::add).delete(suppression::remove),
        )
        .route(
            "/api/v1/consents",
            get(consent::show).post(consent::grant).delete(consent::withdraw),
        )
        .route("/api/v1/suppressions/import", post(import::suppressions))
        .route("/api/v1/suppressions/held", get(held::list))
        .route("/api/v1/suppressions/held/{verb}", post(held::decide))
        .route("/api/v1/suppressions/recall", post(held::recall))
        .route("/api/v1/consents/import", post(import::consents))
        .route(
            "/api/v1/explain",
            get(explain::explain)
                .merge(post(findings::of_message).layer(DefaultBodyLimit::max(
                    parts.config.submission.message_size_max.bytes(),
                ))),
        )
        .route("/api/v1/delivery/probe/{domain}", post(outgoing::probe))
        .route("/api/v1/audit", get(audit::list))
        .route("/api/v1/audit/head", get(audit::head))
        .route("/api/v1/audit/verify", get(audit::verify))
        .route("/api/v1/audit/{sequence}", get(audit::show))
        .route("/api/v1/queue", get(waiting::list))
        .route("/api/v1/queue/summary", get(waiting::summary))
        .route("/api/v1/queue/{verb}", post(waiting::act))
        .route("/api/v1/delivery/sites", get(outgoing::list))
        .route("/api/v1/delivery/sites/{domain}", get(outgoing::site))
        .route("/api/v1/delivery/{verb}", post(outgoing::act));
    site(routes.merge(health::routes()), parts)
}

fn site(routes: Router<Parts>, parts: Parts) -> Site {
    let settings = parts.config.http.clone();
    let metrics = parts.metrics.clone();
    let router = routes
        .fallback(|| async { Problem::new(StatusCode::NOT_FOUND, "there is nothing here") })
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
