//! `/api/v1/problems`: what each kind of problem means, at the address that its `type` names.

use super::draft::Named;
use super::problem::{Kind, MEANINGS, Problem};
use axum::Json;
use serde_json::{Value, json};

fn view((_, name, status, means): &(Kind, &str, axum::http::StatusCode, &str)) -> Value {
    json!({ "type": format!("{MEANINGS}{name}"), "status": status.as_u16(), "means": means })
}

pub(super) async fn list() -> Json<Value> {
    Json(json!({ "items": Kind::ALL.iter().map(view).collect::<Vec<_>>() }))
}

pub(super) async fn show(Named([name]): Named<1>) -> Result<Json<Value>, Problem> {
    let found = Kind::ALL.iter().find(|(_, known, ..)| *known == name);
    let nothing = || Problem::unknown("there is no such kind: /api/v1/problems lists all");
    found.map(|row| Json(view(row))).ok_or_else(nothing)
}
