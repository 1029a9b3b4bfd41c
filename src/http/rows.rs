//! Rows of lists that come with a request: how many there may be, and those that are not taken.

use super::problem::Problem;
use super::site::Parts;
use axum::http::StatusCode;
use serde::Serialize;
use serde_json::{Value, json};

/// Why a row is not taken, or what broke and ends the whole request.
pub(super) enum Unfit {
    Row(String),
    Fault(Problem),
}

impl From<Problem> for Unfit {
    fn from(problem: Problem) -> Self {
        match problem.status {
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::INTERNAL_SERVER_ERROR => {
                Self::Fault(problem)
            }
            _ => Self::Row(problem.said()),
        }
    }
}

/// A row is not taken.
pub(super) fn refused<T>(text: impl Into<String>) -> Result<T, Unfit> {
    Err(Unfit::Row(text.into()))
}

/// What is told of a row that is not taken.
pub(super) fn told(line: u64, recipient: impl Serialize, why: &str) -> Value {
    json!({ "line": line, "recipient": recipient, "why": why })
}

/// Whether an import may have so many rows.
pub(super) fn within(parts: &Parts, count: usize) -> Result<(), Problem> {
    limited(count, parts.config.http.import_rows_max, "http.import_rows_max")
}

/// Whether a request may have so many rows, by a setting of this name.
pub(super) fn limited(count: usize, most: u32, setting: &str) -> Result<(), Problem> {
    if count > most as usize {
        let text = format!(
            "the request has {count} rows: {setting} lets {most} through, send more requests"
        );
        return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, text));
    }
    Ok(())
}
