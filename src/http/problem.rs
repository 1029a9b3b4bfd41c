//! What went wrong, as programs read it (RFC 9457): a type whose address says what it means, a status, a
//! sentence, and of each field that cannot be meant which and why.

use crate::accounts::AccountFault;
use crate::spool::SpoolFault;
use crate::store::StoreFault;
use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;

/// Under which addresses what each kind means can be read. They are part of the contract.
pub(super) const MEANINGS: &str = "/api/v1/problems/";

macro_rules! kinds {
    ($($variant:ident = $name:literal, $status:ident, $means:literal;)+) => {
        /// A kind of problem.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum Kind {
            $(#[doc = $means] $variant,)+
        }

        impl Kind {
            /// All of them: name, status and meaning.
            pub(super) const ALL: &'static [(Self, &'static str, StatusCode, &'static str)] =
                &[$((Self::$variant, $name, StatusCode::$status, $means),)+];
        }
    };
}

kinds! {
    Unreadable = "unreadable", BAD_REQUEST, "The request cannot be read: the body is no JSON, or a header field is malformed. Mend the request.";
    Unauthenticated = "unauthenticated", UNAUTHORIZED, "No token was given, or it is wrong, has expired, or may not be used from this address.";
    Forbidden = "forbidden", FORBIDDEN, "The token lacks the right that this needs. Make a credential that has it.";
    Unknown = "unknown", NOT_FOUND, "There is no such thing in this account.";
    NotAllowed = "method-not-allowed", METHOD_NOT_ALLOWED, "This can be done here only with the methods in the Allow field.";
    Conflict = "conflict", CONFLICT, "It exists already, or would break a rule that `detail` names.";
    InProgress = "request-in-progress", CONFLICT, "A request with this Idempotency-Key is being worked on. Ask again in a moment.";
    AnswerGone = "answer-not-kept", CONFLICT, "The request with this Idempotency-Key was done, and its answer is not kept: it held a secret, was too large, or was lost with the process. Look at what it was to change.";
    Gone = "gone", GONE, "It was there and is no more.";
    TooLarge = "too-large", PAYLOAD_TOO_LARGE, "The body is larger, or has more rows, than the settings let through. Send less at a time.";
    MediaType = "media-type", UNSUPPORTED_MEDIA_TYPE, "The body is not of the type that is read here: send application/json.";
    Unfit = "unfit", UNPROCESSABLE_ENTITY, "What was sent cannot be meant; `errors` says of each field which and why.";
    KeyReused = "key-reused", UNPROCESSABLE_ENTITY, "This Idempotency-Key stands for another request. Use a new key for each.";
    TooMany = "too-many-requests", TOO_MANY_REQUESTS, "More was asked than the settings let through. Wait as long as Retry-After says.";
    Broken = "internal", INTERNAL_SERVER_ERROR, "Something broke here; the log says what.";
    NotNow = "not-now", SERVICE_UNAVAILABLE, "It cannot be done now; it is safe to try again after a while.";
}

impl Kind {
    fn row(self) -> &'static (Self, &'static str, StatusCode, &'static str) {
        &Self::ALL[self as usize]
    }

    /// Its name, the end of its address.
    pub(super) fn name(self) -> &'static str {
        self.row().1
    }

    /// The first of a status.
    fn of(status: StatusCode) -> Self {
        let found = Self::ALL.iter().find(|(_, _, of, _)| *of == status);
        found.map_or(Self::Broken, |(kind, ..)| *kind)
    }
}

/// A field that cannot be meant, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct FieldFault {
    /// Its name, with the way to it: `rows[3].recipient`.
    pub(super) field: String,
    /// Why.
    pub(super) why: String,
}

/// A request that was not done, and why.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) status: StatusCode,
    kind: Kind,
    detail: String,
    errors: Vec<FieldFault>,
    /// Seconds after which it may be tried again.
    retry_after: Option<u64>,
}

impl Problem {
    /// A problem of the first kind that has this status.
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { status, ..Self::of(Kind::of(status), detail) }
    }

    /// A problem of a kind.
    pub(super) fn of(kind: Kind, detail: impl Into<String>) -> Self {
        let status = kind.row().2;
        let retry_after = (status == StatusCode::SERVICE_UNAVAILABLE).then_some(10);
        Self { status, kind, detail: detail.into(), errors: Vec::new(), retry_after }
    }

    /// What it says to a person.
    pub(super) fn said(self) -> String {
        self.detail
    }

    /// What was sent cannot be meant.
    pub(super) fn unfit(detail: impl Into<String>) -> Self {
        Self::of(Kind::Unfit, detail)
    }

    /// One field cannot be meant.
    pub(super) fn field(field: &str, why: impl Into<String>) -> Self {
        Self::unfit(why).at(field)
    }

    /// There is no such thing.
    pub(super) fn unknown(detail: impl Into<String>) -> Self {
        Self::of(Kind::Unknown, detail)
    }

    /// The caller may not.
    pub(super) fn forbidden(detail: impl Into<String>) -> Self {
        Self::of(Kind::Forbidden, detail)
    }

    /// Names the field that it is about, unless one is named or it is no fault of what was sent.
    #[must_use]
    pub(super) fn at(mut self, field: &str) -> Self {
        if self.kind == Kind::Unfit && self.errors.is_empty() {
            self.errors.push(FieldFault { field: field.to_owned(), why: self.detail.clone() });
        }
        self
    }

    /// Says after how many seconds it may be tried again.
    #[must_use]
    pub(super) fn after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self
    }
}

/// Names the field that a refusal is about.
pub(super) trait AtField {
    /// The same, with the field named.
    #[must_use]
    fn at(self, field: &str) -> Self;
}

impl<T> AtField for Result<T, Problem> {
    fn at(self, field: &str) -> Self {
        self.map_err(|problem| problem.at(field))
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        //= https://www.rfc-editor.org/rfc/rfc9457#section-3.1.1
        //# The "type" member is a JSON string containing a URI reference that
        //# identifies the problem type.
        let mut body = json!({
            "type": format!("{MEANINGS}{}", self.kind.name()),
            "title": self.status.canonical_reason().unwrap_or("Error"),
            "status": self.status.as_u16(),
            "detail": self.detail,
        });
        if !self.errors.is_empty() {
            body["errors"] = json!(self.errors);
        }
        let mut response = Json(body).into_response();
        *response.status_mut() = self.status;
        let headers = response.headers_mut();
        let kind = HeaderValue::from_static("application/problem+json");
        headers.insert(header::CONTENT_TYPE, kind);
        if let Some(seconds) = self.retry_after {
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        if self.status == StatusCode::UNAUTHORIZED {
            //= https://www.rfc-editor.org/rfc/rfc9110#section-15.5.2
            //# The server generating a 401 response MUST send a WWW-Authenticate header field
            let value = HeaderValue::from_static("Bearer realm=\"relent\"");
            headers.insert(header::WWW_AUTHENTICATE, value);
        }
        response
    }
}

impl From<StoreFault> for Problem {
    fn from(fault: StoreFault) -> Self {
        Self::of(Kind::NotNow, fault.to_string())
    }
}

impl From<SpoolFault> for Problem {
    fn from(fault: SpoolFault) -> Self {
        Self::of(Kind::NotNow, fault.to_string())
    }
}

impl From<AccountFault> for Problem {
    fn from(fault: AccountFault) -> Self {
        match fault {
            AccountFault::Unknown(text) => Self::unknown(text),
            AccountFault::Refused(text) => Self::of(Kind::Conflict, text),
            AccountFault::Store(fault) => fault.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_an_address_of_its_own_and_says_what_it_means() {
        for (number, (kind, name, ..)) in Kind::ALL.iter().enumerate() {
            assert_eq!(*kind as usize, number);
            let same = Kind::ALL.iter().filter(|(_, other, ..)| other == name);
            assert_eq!(same.count(), 1, "{name}");
        }
    }
}
