//! The routes of the API as one table: method, path, what it needs, who answers. Both faces, and the test
//! that walks every route as a stranger, are made from it.

use super::guard::{Face, Guard, guard};
use super::site::Parts;
use crate::accounts::Right;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::handler::Handler;
use axum::http::Method;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodFilter, MethodRouter, on};

/// Who may use a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// Everybody: it says nothing of anybody.
    Nothing,
    /// The operator, and members and credentials that have this right, in their own account.
    Right(Right),
    /// The operator: it is on the admin socket and nowhere else.
    Operator,
}

/// A route.
pub(super) struct Route {
    pub(super) method: Method,
    /// Its path, with the names of what stands in it.
    pub(super) path: &'static str,
    pub(super) need: Need,
    /// What it does, in a sentence.
    pub(super) says: &'static str,
    methods: MethodRouter<Parts>,
}

fn route<H, T>(
    method: Method,
    filter: MethodFilter,
    (path, need, says): (&'static str, Need, &'static str),
    handler: H,
) -> Route
where
    H: Handler<T, Parts>,
    T: 'static,
{
    Route { method, path, need, says, methods: on(filter, handler) }
}

macro_rules! methods {
    ($($(#[doc = $says:literal])+ $name:ident = $method:ident;)+) => {$(
        $(#[doc = $says])+
        pub(super) fn $name<H, T>(
            path: &'static str,
            need: Need,
            says: &'static str,
            handler: H,
        ) -> Route
        where
            H: Handler<T, Parts>,
            T: 'static,
        {
            route(Method::$method, MethodFilter::$method, (path, need, says), handler)
        }
    )+};
}

methods! {
    /// A route that changes nothing.
    get = GET;
    /// A route that makes something, or does something.
    post = POST;
    /// A route that changes what it is told, and leaves the rest.
    patch = PATCH;
    /// A route that removes something.
    delete = DELETE;
}

impl Route {
    /// Takes bodies of another size than the rest.
    #[must_use]
    pub(super) fn body_size_max(mut self, most: usize) -> Self {
        self.methods = self.methods.layer(DefaultBodyLimit::max(most));
        self
    }
}

/// Puts the routes of a face behind their guards.
pub(super) fn router(routes: Vec<Route>, parts: &Parts, face: &Face) -> Router<Parts> {
    let is_public = matches!(face, Face::Public(_));
    let mut router = Router::new();
    for route in routes {
        if is_public && route.need == Need::Operator {
            continue;
        }
        let state = Guard { parts: parts.clone(), face: face.clone(), need: route.need };
        let guarded = route.methods.route_layer(from_fn_with_state(state, guard));
        router = router.route(route.path, guarded);
    }
    router
}
