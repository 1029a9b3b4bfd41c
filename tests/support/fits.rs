//! Whether a value is as a JSON Schema has it: as much of JSON Schema as ours use, and no word of it passed
//! over. And whether an answer is as the description of the API has it.

use serde_json::{Map, Value};

/// Whether a value is as a schema has it; what is not, in words.
pub fn fits(root: &Value, schema: &Value, value: &Value) -> Result<(), String> {
    let rules = schema.as_object().expect("a schema is an object");
    for (word, rule) in rules {
        let count = |most: &Value| most.as_u64().expect("a number");
        let length = value.as_str().map(|text| text.chars().count() as u64);
        let is_fine = match word.as_str() {
            "$schema" | "$id" | "$defs" | "title" | "description" | "default" => true,
            // Of requests alone.
            "pattern" => true,
            "$ref" => {
                fits(root, led(root, rule), value)?;
                true
            }
            "type" => match rule {
                Value::String(kind) => is_kind(kind, value),
                Value::Array(kinds) => {
                    kinds.iter().any(|kind| is_kind(kind.as_str().expect("a kind"), value))
                }
                _ => return Err(format!("{rule} is no type")),
            },
            "const" => rule == value,
            "enum" => rule.as_array().expect("a list").contains(value),
            "minimum" => value.as_f64().is_none_or(|n| n >= rule.as_f64().expect("a number")),
            "maximum" => value.as_f64().is_none_or(|n| n <= rule.as_f64().expect("a number")),
            "minLength" => length.is_none_or(|length| length >= count(rule)),
            "maxLength" => length.is_none_or(|length| length <= count(rule)),
            "format" => match rule.as_str() {
                Some("date-time") => {
                    value.as_str().is_none_or(|text| text.parse::<jiff::Timestamp>().is_ok())
                }
                Some("int32") => value.as_i64().is_none_or(|n| u32::try_from(n).is_ok()),
                Some("int64") => true,
                _ => return Err(format!("the format {rule} is not checked here")),
            },
            "properties" => {
                for (key, rule) in rule.as_object().expect("an object") {
                    if let Some(inner) = value.get(key) {
                        fits(root, rule, inner).map_err(|why| format!("{key}: {why}"))?;
                    }
                }
                true
            }
            "items" => {
                for (number, inner) in value.as_array().into_iter().flatten().enumerate() {
                    fits(root, rule, inner).map_err(|why| format!("{number}: {why}"))?;
                }
                true
            }
            "required" => rule.as_array().expect("a list").iter().all(|key| {
                value.as_object().is_none_or(|o| o.contains_key(key.as_str().expect("a key")))
            }),
            "propertyNames" => value.as_object().is_none_or(|o| {
                o.keys().all(|key| fits(root, rule, &Value::String(key.clone())).is_ok())
            }),
            "additionalProperties" => {
                let none = Map::new();
                let known = rules.get("properties").and_then(Value::as_object).unwrap_or(&none);
                let more = value.as_object().into_iter().flatten();
                for (key, inner) in more.filter(|(key, _)| !known.contains_key(*key)) {
                    match rule {
                        Value::Bool(may) if *may => {}
                        Value::Bool(_) => return Err(format!("{key} is not known")),
                        rule => fits(root, rule, inner).map_err(|why| format!("{key}: {why}"))?,
                    }
                }
                true
            }
            "allOf" => {
                for part in rule.as_array().expect("a list") {
                    fits(root, part, value)?;
                }
                true
            }
            "oneOf" => {
                let ways = rule.as_array().expect("a list");
                let fitting: Vec<_> = ways.iter().map(|way| fits(root, way, value)).collect();
                if fitting.iter().filter(|fit| fit.is_ok()).count() != 1 {
                    let nearest =
                        ways.iter().find(|way| way["properties"]["type"]["const"] == value["type"]);
                    return match nearest.filter(|_| value.get("type").is_some()) {
                        Some(way) => fits(root, way, value),
                        None => Err(format!("{value} is not one of the ways: {fitting:?}")),
                    };
                }
                true
            }
            other => return Err(format!("`{other}` is no word that is checked here")),
        };
        if !is_fine {
            return Err(format!("{value} breaks {word}: {rule}"));
        }
    }
    Ok(())
}

fn is_kind(kind: &str, value: &Value) -> bool {
    match kind {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "string" => value.is_string(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "object" => value.is_object(),
        "array" => value.is_array(),
        // No other is a type.
        _ => false,
    }
}

/// Where a reference leads.
fn led<'a>(root: &'a Value, reference: &Value) -> &'a Value {
    let place = reference.as_str().and_then(|text| text.strip_prefix('#'));
    place.and_then(|place| root.pointer(place)).expect("it leads somewhere")
}

/// The plain schemas that hold for a value together, with the ways that it takes.
fn parts<'a>(root: &'a Value, schema: &'a Value, value: &Value) -> Vec<&'a Value> {
    let mut all = vec![schema];
    if let Some(reference) = schema.get("$ref") {
        all.extend(parts(root, led(root, reference), value));
    }
    for part in schema["allOf"].as_array().into_iter().flatten() {
        all.extend(parts(root, part, value));
    }
    let ways = schema["oneOf"].as_array().into_iter().flatten();
    for way in ways.filter(|way| fits(root, way, value).is_ok()) {
        all.extend(parts(root, way, value));
    }
    all
}

/// Whether a value has no field that its schema does not name. What has no fields by its schema has any.
pub fn is_known(root: &Value, schemas: &[&Value], value: &Value) -> Result<(), String> {
    let all: Vec<_> = schemas.iter().flat_map(|schema| parts(root, schema, value)).collect();
    for (number, inner) in value.as_array().into_iter().flatten().enumerate() {
        let items: Vec<_> = all.iter().filter_map(|schema| schema.get("items")).collect();
        is_known(root, &items, inner).map_err(|why| format!("{number}: {why}"))?;
    }
    if !all.iter().any(|schema| schema.get("properties").is_some()) {
        return Ok(());
    }
    for (key, inner) in value.as_object().into_iter().flatten() {
        let named: Vec<_> =
            all.iter().filter_map(|schema| schema.get("properties")?.get(key)).collect();
        if named.is_empty() {
            return Err(format!("no field `{key}` is described"));
        }
        is_known(root, &named, inner).map_err(|why| format!("{key}: {why}"))?;
    }
    Ok(())
}

/// The operation of a request in a description of the API: that of the path which names the most itself.
fn operation<'a>(document: &'a Value, method: &str, path: &str) -> Option<&'a Value> {
    let asked: Vec<_> = path.split('/').collect();
    let is_name = |part: &str| part.starts_with('{');
    let is_meant = |known: &str| {
        let parts: Vec<_> = known.split('/').collect();
        let mut both = parts.iter().zip(&asked);
        parts.len() == asked.len() && both.all(|(one, other)| is_name(one) || one == other)
    };
    let paths = document["paths"].as_object().expect("paths").iter();
    let meant = paths.filter(|(known, _)| is_meant(known));
    let nearest = meant.min_by_key(|(known, _)| known.matches('{').count());
    nearest?.1.get(method.to_ascii_lowercase())
}

/// Holds an answer against the description of the API: that its status is one of the operation's, and its
/// body as that says, with no field more. What is described nowhere, or is no JSON, is not looked at.
pub fn answer_fits(
    document: &Value,
    (method, target): (&str, &str),
    status: u16,
    body: &str,
) -> Result<(), String> {
    let path = target.split('?').next().unwrap_or_default();
    let Some(operation) = operation(document, method, path) else { return Ok(()) };
    if !(200..300).contains(&status) {
        return Ok(());
    }
    let Some(answer) = operation["responses"].get(status.to_string()) else {
        return Err(format!("{method} {path} answers {status}, which is not described"));
    };
    let Some(schema) = ["application/json", "application/schema+json"]
        .iter()
        .find_map(|kind| answer["content"].get(kind)?.get("schema"))
    else {
        return Ok(());
    };
    let said =
        |why| format!("{method} {path} answers {status} not as it is described: {why}\n{body}");
    let value = serde_json::from_str(body).map_err(|fault| said(fault.to_string()))?;
    fits(document, schema, &value).map_err(said)?;
    is_known(document, &[schema], &value).map_err(said)
}
