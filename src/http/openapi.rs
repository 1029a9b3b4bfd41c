//! `/api/v1/openapi.json`: the API as OpenAPI 3.1 describes it, made from the table of routes and the types
//! that its handlers read and write. The same stands in `config/openapi.json`.

use super::problem::{FieldFault, Kind};
use super::route::{Need, Route};
use super::shape::{Shape, complete};
use super::table;
use crate::accounts::Right;
use crate::config::Config;
use axum::body::Bytes;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderName, Method, StatusCode};
use serde_json::{Map, Value, json};
use std::sync::LazyLock;
use utoipa::PartialSchema;

/// What the names in paths stand for.
const NAMES: [(&str, &str); 13] = [
    ("account", "The account's name."),
    ("stream", "The stream's name."),
    ("domain", "The domain."),
    ("name", "The credential's user name."),
    ("message", "The message's id, as the `250` named it."),
    ("address", "The address with which a member logs in."),
    ("session", "The session, as listings name it."),
    ("invitation", "The invitation, as listings name it."),
    ("verb", "What is to be done."),
    ("kind", "The kind of problem."),
    ("sequence", "The number of the entry."),
    ("site", "The site."),
    ("webhook", "The webhook's number."),
];

/// Collects the types that are named.
#[derive(Default)]
struct Types(Map<String, Value>);

impl Types {
    /// A type of a request, with those that it names among the rest.
    fn of(&mut self, shape: Shape) -> Value {
        let (schema, named) = shape();
        for (name, schema) in named {
            self.0.insert(name, json!(schema));
        }
        json!(schema)
    }

    /// The same of an answer.
    fn answer(&mut self, shape: Shape) -> Value {
        let (schema, named) = shape();
        for (name, schema) in named {
            let mut schema = json!(schema);
            complete(&mut schema);
            self.0.insert(name, schema);
        }
        json!(schema)
    }
}

/// The names in a path.
fn names(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
}

/// The parameters of a route: names in its path, and fields after `?`.
fn parameters(route: &Route, types: &mut Types) -> Vec<Value> {
    let mut all = Vec::new();
    for name in names(route.path) {
        let about = NAMES.iter().find(|(known, _)| *known == name).map_or("", |(_, about)| about);
        all.push(json!({
            "name": name, "in": "path", "required": true, "description": about,
            "schema": { "type": "string", "minLength": 1 },
        }));
    }
    let fields = route.query.map(|query| types.of(query)).unwrap_or_default();
    let required = fields["required"].as_array().cloned().unwrap_or_default();
    for (name, schema) in fields["properties"].as_object().into_iter().flatten() {
        let mut schema = schema.clone();
        let about = schema.as_object_mut().and_then(|schema| schema.remove("description"));
        // A parameter is there or not; null is nothing that a query can say.
        if let Some(kinds) = schema["type"].as_array()
            && let Some(kind) = kinds.iter().find(|kind| **kind != "null").cloned()
        {
            schema["type"] = kind;
        }
        all.push(json!({
            "name": name, "in": "query", "required": required.contains(&json!(name)),
            "description": about, "schema": schema,
        }));
    }
    if route.method != Method::GET {
        let about = "Repeating a request with the same key does nothing again and is answered as the \
                     first was (draft-ietf-httpapi-idempotency-key-header).";
        all.push(json!({
            "name": "Idempotency-Key", "in": "header", "required": false, "description": about,
            "schema": { "type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$" },
        }));
    }
    all
}

/// With which problems a route may answer.
fn problems(route: &Route) -> Vec<StatusCode> {
    let mut all = vec![
        StatusCode::NOT_FOUND,
        StatusCode::TOO_MANY_REQUESTS,
        StatusCode::INTERNAL_SERVER_ERROR,
        StatusCode::SERVICE_UNAVAILABLE,
    ];
    if route.need != Need::Nothing {
        all.extend([StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN]);
    }
    let is_read = route.path.contains("{address}");
    if is_read || route.query.is_some() || route.body.is_some() || route.raw.is_some() {
        all.push(StatusCode::UNPROCESSABLE_ENTITY);
    }
    if route.method != Method::GET {
        all.extend([
            StatusCode::BAD_REQUEST,
            StatusCode::CONFLICT,
            StatusCode::PAYLOAD_TOO_LARGE,
            StatusCode::UNPROCESSABLE_ENTITY,
        ]);
    }
    if route.body.is_some() {
        all.push(StatusCode::UNSUPPORTED_MEDIA_TYPE);
    }
    all.sort_unstable();
    all.dedup();
    all
}

fn responses(route: &Route, types: &mut Types) -> Value {
    let mut all = Map::new();
    let answer = match route.answer {
        Some(answer) => types.answer(answer),
        None if route.answers_in.ends_with("json") => json!({ "type": "object" }),
        None => json!({ "type": "string" }),
    };
    for status in route.statuses {
        let about = match status {
            201 => "Made.",
            202 => {
                "Recorded, and something may still follow: a message that was on its way already, \
                 or work that takes its time."
            }
            _ => "Done.",
        };
        let content = json!({ route.answers_in: { "schema": answer } });
        all.insert(status.to_string(), json!({ "description": about, "content": content }));
    }
    let schema = json!({ "$ref": "#/components/schemas/Problem" });
    for status in problems(route) {
        let kinds = Kind::ALL.iter().filter(|(_, _, of, _)| *of == status);
        let about: Vec<_> = kinds.map(|(_, name, _, means)| format!("`{name}`: {means}")).collect();
        all.insert(
            status.as_u16().to_string(),
            json!({
                "description": about.join(" "),
                "content": { "application/problem+json": { "schema": schema } },
            }),
        );
    }
    Value::Object(all)
}

fn operation(route: &Route, types: &mut Types) -> Value {
    let mut said = json!({
        "operationId": operation_id(route),
        "summary": route.says,
        "tags": [route.path.split('/').filter(|part| !part.starts_with('{')).nth(3).unwrap_or("api")],
        "parameters": parameters(route, types),
        "responses": responses(route, types),
    });
    match route.need {
        Need::Right(right) => {
            said["description"] = format!("Needs the right `{right}`.").into();
            said["security"] = json!([{ "token": [] }]);
            said["x-right"] = right.name().into();
        }
        Need::Own => said["security"] = json!([{ "token": [] }, {}]),
        Need::Nothing | Need::Operator => said["security"] = json!([]),
    }
    if let Some(body) = route.body {
        let content = json!({ "application/json": { "schema": types.of(body) } });
        said["requestBody"] = json!({ "required": true, "content": content });
    }
    if let Some(kind) = route.raw {
        let content = json!({ kind: { "schema": { "type": "string" } } });
        said["requestBody"] = json!({ "required": true, "content": content });
    }
    said
}

/// `post_accounts_account_streams`.
fn operation_id(route: &Route) -> String {
    let path = route.path.trim_start_matches("/api/v1/");
    let words = path.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let words: Vec<_> = words.collect();
    format!("{}_{}", route.method.as_str().to_ascii_lowercase(), words.join("_"))
}

fn problem() -> Value {
    let names: Vec<_> =
        Kind::ALL.iter().map(|(_, name, ..)| format!("/api/v1/problems/{name}")).collect();
    json!({
        "type": "object",
        "description": "What went wrong (RFC 9457).",
        "required": ["type", "title", "status", "detail"],
        "properties": {
            "type": { "type": "string", "enum": names },
            "title": { "type": "string" },
            "status": { "type": "integer", "minimum": 400, "maximum": 599 },
            "detail": { "type": "string" },
            "errors": { "type": "array", "items": FieldFault::schema() },
        },
    })
}

/// The document of the routes that programs may use.
pub(super) fn document(routes: &[Route]) -> Value {
    described(routes.iter().filter(|route| route.need != Need::Operator))
}

/// A document of routes.
pub(super) fn described<'a>(routes: impl Iterator<Item = &'a Route>) -> Value {
    let (mut types, mut paths) = (Types::default(), Map::new());
    for route in routes {
        let path = paths.entry(route.path).or_insert_with(|| json!({}));
        let method = route.method.as_str().to_ascii_lowercase();
        path[method] = operation(route, &mut types);
    }
    types.0.insert("Problem".into(), problem());
    let rights: Vec<_> =
        Right::ALL.iter().map(|(right, name, _)| format!("- `{name}`: {}", right.says())).collect();
    let about = format!(
        "A token is made by `relent credential add ACCOUNT --name NAME --right RIGHT`. Rights:\n\n{}",
        rights.join("\n")
    );
    json!({
        "openapi": "3.1.0",
        "info": { "title": "Relent", "version": "1", "description": about,
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" } },
        "servers": [{ "url": "/" }],
        "paths": paths,
        "components": {
            "schemas": types.0,
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
        },
    })
}

/// The document, which anybody may ask for: it says nothing of the settings, and is written once.
pub(super) async fn show() -> ([(HeaderName, &'static str); 1], Bytes) {
    static WRITTEN: LazyLock<Bytes> = LazyLock::new(|| {
        let document = document(&table::routes(&Config::default()));
        document.to_string().into()
    });
    ([(CONTENT_TYPE, "application/json")], WRITTEN.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn the_document_that_is_kept_is_that_of_the_routes() {
        let document = document(&table::routes(&Config::default()));
        let text = serde_json::to_string_pretty(&document).expect("JSON") + "\n";
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/config/openapi.json");
        if std::env::var_os("RELENT_WRITE").is_some() {
            std::fs::write(path, &text).expect("written");
        }
        let kept = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            kept == text,
            "config/openapi.json is not of these routes: RELENT_WRITE=1 writes it"
        );
    }

    #[test]
    fn the_document_is_the_same_whatever_is_set() {
        let mut config = Config::default();
        config.submission.message_size_max = "3MB".parse().expect("a size");
        config.http.public_url = Some("https://mail.example.com".into());
        let of = |config: &Config| document(&table::routes(config));
        assert_eq!(of(&config), of(&Config::default()));
    }

    #[test]
    fn a_name_stands_for_one_type() {
        let routes = table::routes(&Config::default());
        let mut known = Map::new();
        for route in &routes {
            for shape in [route.body, route.query, route.answer].into_iter().flatten() {
                for (name, schema) in shape().1 {
                    let schema = json!(schema);
                    let before = known.insert(name.clone(), schema.clone());
                    let is_same = before.as_ref().is_none_or(|before| *before == schema);
                    assert!(is_same, "{name} of {} is two types", route.path);
                }
            }
        }
        assert!(!known.contains_key("View") && !known.contains_key("Problem"), "{known:?}");
    }

    #[test]
    fn each_route_is_described_once_with_all_that_stands_in_it() {
        let routes = table::routes(&Config::default());
        let mut ids = HashSet::new();
        for route in &routes {
            assert!(ids.insert(operation_id(route)), "{} twice", route.path);
            for name in names(route.path) {
                assert!(NAMES.iter().any(|(known, _)| *known == name), "{name} of {}", route.path);
            }
            let is_shaped = route.answer.is_some() || !route.answers_in.ends_with("json");
            assert!(is_shaped || route.need == Need::Operator, "{} has no shape", route.path);
            let takes = route.body.is_some() || route.raw.is_some();
            assert!(!takes || route.method != Method::GET, "{}", route.path);
        }
    }
}
