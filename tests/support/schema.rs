//! Holds events against the JSON Schema that is published of them: as much of JSON Schema as it uses, and no
//! word of it passed over.

use serde_json::Value;

/// Fails where an event is not as the schema has it.
pub fn must_fit(event: &Value) {
    let schema: Value = serde_json::from_str(relent::webhooks::SCHEMA).expect("it is JSON");
    if let Err(why) = fits(&schema, &schema, event) {
        panic!("an event is not as its schema has it: {why}\n{event:#}");
    }
}

/// Whether a value is as a schema has it; what is not, in words.
pub fn fits(root: &Value, schema: &Value, value: &Value) -> Result<(), String> {
    let rules = schema.as_object().expect("a schema is an object");
    for (word, rule) in rules {
        let is_fine = match word.as_str() {
            "$schema" | "$id" | "$defs" | "title" | "description" => true,
            "$ref" => {
                let place = rule.as_str().and_then(|text| text.strip_prefix('#'));
                let found =
                    place.and_then(|place| root.pointer(place)).expect("it leads somewhere");
                fits(root, found, value)?;
                true
            }
            "type" => match rule {
                Value::String(kind) => is_kind(kind, value),
                Value::Array(kinds) => {
                    kinds.iter().any(|kind| is_kind(kind.as_str().expect("a kind"), value))
                }
                _ => panic!("no type: {rule}"),
            },
            "const" => rule == value,
            "enum" => rule.as_array().expect("a list").contains(value),
            "minimum" => value.as_f64().is_none_or(|n| n >= rule.as_f64().expect("a number")),
            "format" => {
                assert_eq!(rule, "date-time", "no other format is used");
                value.as_str().is_none_or(|text| text.parse::<relent::mail::Timestamp>().is_ok())
            }
            "properties" => {
                for (key, rule) in rule.as_object().expect("an object") {
                    if let Some(inner) = value.get(key) {
                        fits(root, rule, inner).map_err(|why| format!("{key}: {why}"))?;
                    }
                }
                true
            }
            "required" => rule.as_array().expect("a list").iter().all(|key| {
                value.as_object().is_none_or(|o| o.contains_key(key.as_str().expect("a key")))
            }),
            "additionalProperties" => {
                assert_eq!(rule, &Value::Bool(false));
                let known = rules["properties"].as_object().expect("an object");
                value.as_object().is_none_or(|o| o.keys().all(|key| known.contains_key(key)))
            }
            "oneOf" => {
                let ways = rule.as_array().expect("a list");
                let fitting: Vec<_> = ways.iter().map(|way| fits(root, way, value)).collect();
                if fitting.iter().filter(|fit| fit.is_ok()).count() != 1 {
                    let nearest =
                        ways.iter().find(|way| way["properties"]["type"]["const"] == value["type"]);
                    return match nearest {
                        Some(way) => fits(root, way, value),
                        None => Err(format!("there is no event {}", value["type"])),
                    };
                }
                true
            }
            other => panic!("`{other}` is no word that is checked here"),
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
        _ => panic!("`{kind}` is no type"),
    }
}
