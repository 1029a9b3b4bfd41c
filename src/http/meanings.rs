//! `/api/v1/problems`: what each kind of problem means, at the address that its `type` names.

use super::draft::Named;
use super::problem::{Kind, MEANINGS, Problem};
use super::shape::List;
use axum::Json;
use serde::Serialize;
use utoipa::ToSchema;

/// What a kind of problem means.
#[derive(Serialize, ToSchema)]
#[schema(as = Meaning)]
pub(super) struct View {
    /// The `type` of such problems.
    #[serde(rename = "type")]
    kind: String,
    /// Their status.
    status: u16,
    /// What they mean, and what to do.
    means: &'static str,
}

fn view((_, name, status, means): &(Kind, &str, axum::http::StatusCode, &'static str)) -> View {
    View { kind: format!("{MEANINGS}{name}"), status: status.as_u16(), means }
}

pub(super) async fn list() -> Json<List<View>> {
    Json(List { items: Kind::ALL.iter().map(view).collect() })
}

pub(super) async fn show(Named([name]): Named<1>) -> Result<Json<View>, Problem> {
    let found = Kind::ALL.iter().find(|(_, known, ..)| *known == name);
    let nothing = || Problem::unknown("there is no such kind: /api/v1/problems lists all");
    found.map(|row| Json(view(row))).ok_or_else(nothing)
}
