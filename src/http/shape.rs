//! How the types of requests and answers are described: as JSON Schema, each with the types that it names.

use serde::Serialize;
use serde_json::{Value, json};
use std::borrow::Cow;
use std::collections::BTreeSet;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder, Ref, Schema, SchemaType, Type};
use utoipa::{PartialSchema, ToSchema};

/// Types by their names.
type Named = Vec<(String, RefOr<Schema>)>;
/// A type as JSON Schema has it, and the types that it names.
pub(super) type Shape = fn() -> (RefOr<Schema>, Named);

/// A type of what a request holds.
pub(super) fn asked<T: ToSchema>() -> (RefOr<Schema>, Named) {
    let mut named = Vec::new();
    T::schemas(&mut named);
    (T::schema(), named)
}

/// A type of an answer, by its name: programs that are made from the description get one type of it.
pub(super) fn answered<T: ToSchema>() -> (RefOr<Schema>, Named) {
    let mut named = vec![(T::name().into_owned(), T::schema())];
    T::schemas(&mut named);
    (Ref::from_schema_name(T::name()).into(), named)
}

/// Says of an answer's fields which are always there: all but those that are left out where there is
/// nothing to say. What may be null is written, so that a reader need not tell null from nothing.
pub(super) fn complete(schema: &mut Value) {
    if let Some(fields) = schema["properties"].as_object() {
        let written = fields.iter().filter(|(_, field)| may_be_null(field));
        let mut required: BTreeSet<_> = written.map(|(name, _)| name.clone()).collect();
        let known = schema["required"].as_array().into_iter().flatten();
        required.extend(known.filter_map(|name| name.as_str().map(str::to_owned)));
        if !required.is_empty() {
            schema["required"] = json!(required);
        }
    }
    match schema {
        Value::Object(inner) => inner.values_mut().for_each(complete),
        Value::Array(inner) => inner.iter_mut().for_each(complete),
        _ => {}
    }
}

fn may_be_null(schema: &Value) -> bool {
    let kinds = schema["type"].as_array().is_some_and(|kinds| kinds.contains(&json!("null")));
    let ways = schema["oneOf"].as_array().into_iter().flatten();
    kinds || ways.into_iter().any(|way| way["type"] == "null")
}

/// A page of a list.
#[derive(Serialize)]
pub(super) struct Page<T> {
    pub(super) items: Vec<T>,
    /// Where to go on.
    pub(super) next: Option<String>,
}

impl<T: ToSchema> PartialSchema for Page<T> {
    fn schema() -> RefOr<Schema> {
        let text = SchemaType::from_iter([Type::String, Type::Null]);
        let next = "Where to go on: give it as `after`. Null: there is no more.";
        let next = ObjectBuilder::new().schema_type(text).description(Some(next));
        items_of::<T>("A page of a list.").property("next", next).required("next").into()
    }
}

impl<T: ToSchema> ToSchema for Page<T> {
    fn name() -> Cow<'static, str> {
        format!("{}Page", T::name()).into()
    }

    fn schemas(named: &mut Named) {
        named.push((T::name().into_owned(), T::schema()));
        T::schemas(named);
    }
}

/// A list that is told whole.
#[derive(Serialize)]
pub(super) struct List<T> {
    pub(super) items: Vec<T>,
}

impl<T: ToSchema> PartialSchema for List<T> {
    fn schema() -> RefOr<Schema> {
        items_of::<T>("A list that is told whole.").into()
    }
}

impl<T: ToSchema> ToSchema for List<T> {
    fn name() -> Cow<'static, str> {
        format!("{}List", T::name()).into()
    }

    fn schemas(named: &mut Named) {
        Page::<T>::schemas(named);
    }
}

fn items_of<T: ToSchema>(about: &str) -> ObjectBuilder {
    let items = ArrayBuilder::new().items(Ref::from_schema_name(T::name()));
    ObjectBuilder::new().description(Some(about)).property("items", items).required("items")
}

/// One of a list of words.
pub(super) fn word(about: &str, words: impl IntoIterator<Item = &'static str>) -> RefOr<Schema> {
    let all: Vec<_> = words.into_iter().collect();
    let word = ObjectBuilder::new().schema_type(Type::String).description(Some(about));
    word.enum_values(Some(all)).into()
}

/// Describes types that are written as one of a list of words.
macro_rules! words {
    ($($(#[doc = $about:literal])+ $type:ty as $name:literal = $words:expr;)+) => {$(
        impl utoipa::PartialSchema for $type {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                $crate::http::shape::word(concat!($($about),+).trim(), $words)
            }
        }

        impl utoipa::ToSchema for $type {
            fn name() -> std::borrow::Cow<'static, str> {
                std::borrow::Cow::Borrowed($name)
            }
        }
    )+};
}
pub(super) use words;

/// A document whose form is described elsewhere.
pub(super) enum Document {}

impl PartialSchema for Document {
    fn schema() -> RefOr<Schema> {
        let about = "A document whose form is described elsewhere.";
        ObjectBuilder::new().description(Some(about)).into()
    }
}

impl ToSchema for Document {}

/// Something was removed.
#[derive(Serialize, ToSchema)]
pub(super) struct Removed {
    /// Its name.
    pub(super) removed: String,
}

/// Something was done, or is on its way.
#[derive(Serialize, ToSchema)]
pub(super) struct Detail {
    /// What, in a sentence.
    pub(super) detail: &'static str,
}

/// How many things something was done to.
#[derive(Serialize, ToSchema)]
pub(super) struct Count {
    /// Their number.
    pub(super) count: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(ToSchema)]
    #[expect(dead_code, reason = "only its description is looked at")]
    struct Answer {
        name: String,
        until: Option<String>,
        kind: Option<Removed>,
        #[schema(nullable = false)]
        why: Option<String>,
    }

    #[test]
    fn what_may_be_null_is_always_there_and_what_may_be_left_out_is_never_null() {
        let mut schema = json!(Answer::schema());
        complete(&mut schema);
        assert_eq!(schema["required"], json!(["kind", "name", "until"]));
        assert_eq!(schema["properties"]["why"]["type"], "string");
    }

    #[test]
    fn a_page_is_named_after_its_items() {
        let (schema, named) = answered::<Page<Removed>>();
        assert_eq!(json!(schema)["$ref"], "#/components/schemas/RemovedPage");
        let names: Vec<_> = named.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["RemovedPage", "Removed"]);
        let page = json!(named[0].1);
        assert_eq!(page["properties"]["items"]["items"]["$ref"], "#/components/schemas/Removed");
        assert_eq!(page["required"], json!(["items", "next"]));
    }
}
