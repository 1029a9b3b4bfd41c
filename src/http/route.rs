//! The routes of the API as one table: method, path, what it needs, what it takes and answers. Both faces, the
//! OpenAPI document, and the test that walks every route as a stranger, are made from it.

use super::guard::{Face, Guard, guard};
use super::shape::{Shape, answered, asked};
use super::site::Parts;
use crate::accounts::Right;
use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::handler::Handler;
use axum::http::Method;
use axum::middleware::from_fn_with_state;
use axum::routing::{MethodFilter, MethodRouter, on};
use utoipa::ToSchema;

/// Who may use a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Need {
    /// Everybody: it says nothing of anybody.
    Nothing,
    /// Whoever shows the token of a session of their own, or a secret in the body: the handler looks.
    Own,
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
    /// The fields of its body.
    pub(super) body: Option<Shape>,
    /// A body that is no JSON: its type.
    pub(super) raw: Option<&'static str>,
    /// The parameters after `?`.
    pub(super) query: Option<Shape>,
    /// What it answers, where that is JSON.
    pub(super) answer: Option<Shape>,
    /// With which statuses it answers where it is done.
    pub(super) statuses: &'static [u16],
    /// The type of what it answers.
    pub(super) answers_in: &'static str,
    /// Whether its answer holds a secret, which is not kept to be repeated.
    pub(super) holds_secret: bool,
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
    Route {
        method,
        path,
        need,
        says,
        body: None,
        raw: None,
        query: None,
        answer: None,
        statuses: &[200],
        answers_in: "application/json",
        holds_secret: false,
        methods: on(filter, handler),
    }
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
    /// A route that puts a whole thing in another's place.
    put = PUT;
    /// A route that removes something.
    delete = DELETE;
}

impl Route {
    /// Takes a body with these fields.
    #[must_use]
    pub(super) fn takes<T: ToSchema>(mut self) -> Self {
        self.body = Some(asked::<T>);
        self
    }

    /// Takes a body of this type.
    #[must_use]
    pub(super) fn takes_raw(mut self, kind: &'static str) -> Self {
        self.raw = Some(kind);
        self
    }

    /// Takes these parameters after `?`.
    #[must_use]
    pub(super) fn asks<T: ToSchema>(mut self) -> Self {
        self.query = Some(asked::<T>);
        self
    }

    /// Answers with these fields.
    #[must_use]
    pub(super) fn answers<T: ToSchema>(mut self) -> Self {
        self.answer = Some(answered::<T>);
        self
    }

    /// Answers in this type.
    #[must_use]
    pub(super) fn answers_in(mut self, kind: &'static str) -> Self {
        self.answers_in = kind;
        self
    }

    /// Answers 201: something is there that was not.
    #[must_use]
    pub(super) fn makes(mut self) -> Self {
        self.statuses = &[201];
        self
    }

    /// Answers 202 where one message may still arrive.
    #[must_use]
    pub(super) fn settles(mut self) -> Self {
        self.statuses = &[200, 202];
        self
    }

    /// Answers 202: what follows is done later.
    #[must_use]
    pub(super) fn accepts(mut self) -> Self {
        self.statuses = &[202];
        self
    }

    /// Answers with a secret.
    #[must_use]
    pub(super) fn with_secret(mut self) -> Self {
        self.holds_secret = true;
        self
    }

    /// Takes bodies of another size than the rest.
    #[must_use]
    pub(super) fn body_size_max(mut self, most: usize) -> Self {
        self.methods = self.methods.layer(DefaultBodyLimit::max(most));
        self
    }
}

/// Puts the routes of a face behind their guards.
pub(super) fn router(
    routes: Vec<Route>,
    parts: &Parts,
    face: &Face,
    process: u64,
) -> Router<Parts> {
    let is_public = matches!(face, Face::Public(_));
    let mut router = Router::new();
    for route in routes {
        if is_public && route.need == Need::Operator {
            continue;
        }
        let state = Guard {
            parts: parts.clone(),
            face: face.clone(),
            need: route.need,
            holds_secret: route.holds_secret,
            makes: route.statuses.contains(&201),
            process,
        };
        let guarded = route.methods.route_layer(from_fn_with_state(state, guard));
        router = router.route(route.path, guarded);
    }
    router
}
