//! Holds events against the JSON Schema that is published of them.

use super::fits::fits;
use serde_json::Value;

/// Fails where an event is not as the schema has it.
pub fn must_fit(event: &Value) {
    let schema: Value = serde_json::from_str(relent::webhooks::SCHEMA).expect("it is JSON");
    if let Err(why) = fits(&schema, &schema, event) {
        panic!("an event is not as its schema has it: {why}\n{event:#}");
    }
}
