//! The JSON Schema of the fleet file, and its annotated example.

use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use super::{FORMAT, Fleet};
use crate::id::MAX_ID_BYTES;

/// `$id` of the fleet file's schema.
pub const SCHEMA_ID: &str = "urn:underpin:schema:fleet:1";

/// The JSON Schema (2020-12) of the fleet file. Unknown fields are allowed everywhere, as they are when reading.
#[must_use]
pub fn schema() -> Value {
    let root = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<Fleet>();
    let mut value = root.to_value();
    if let Some(root) = value.as_object_mut() {
        root.insert("$id".to_owned(), json!(SCHEMA_ID));
        root.insert("title".to_owned(), json!("Underpin fleet file"));
        if let Some(format) = root.get_mut("properties").and_then(|it| it.get_mut("format")) {
            *format = json!({"const": FORMAT, "description": "Version of this file's form."});
        }
        if let Some(definitions) = root.get_mut("$defs").and_then(Value::as_object_mut) {
            for (_, id) in definitions.iter_mut().filter(|(name, _)| name.ends_with("Id")) {
                restrict_id(id);
            }
        }
    }
    bound_integers(&mut value);
    value
}

/// Says in the schema what [`crate::id`] demands of every id.
fn restrict_id(definition: &mut Value) {
    if let Some(definition) = definition.as_object_mut() {
        definition.insert("minLength".to_owned(), json!(1));
        definition.insert("maxLength".to_owned(), json!(MAX_ID_BYTES));
        definition.insert("pattern".to_owned(), json!("^[^\\u0000-\\u001f\\u007f-\\u009f]*$"));
    }
}

/// Gives 32-bit fields their upper bound: `format: uint32` alone is an annotation that validators ignore.
fn bound_integers(value: &mut Value) {
    match value {
        Value::Object(map) => {
            if map.get("format").and_then(Value::as_str) == Some("uint32") && !map.contains_key("maximum") {
                map.insert("maximum".to_owned(), json!(u32::MAX));
            }
            map.values_mut().for_each(bound_integers);
        }
        Value::Array(items) => items.iter_mut().for_each(bound_integers),
        _ => {}
    }
}

/// An annotated fleet file in YAML: every section with what it is for. It is valid and uses every list.
#[must_use]
pub fn example() -> &'static str {
    include_str!("example.yaml")
}
