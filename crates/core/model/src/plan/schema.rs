//! The JSON Schemas of plan files and their reports.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Value, json};

use super::{FORMAT, Plan, PlanReport, REPORT_FORMAT};

/// The JSON Schema (2020-12) of a plan file.
#[must_use]
pub fn schema() -> Value {
    of::<Plan>("urn:underpin:schema:plan:1", "Underpin plan file", FORMAT)
}

/// The JSON Schema (2020-12) of the report of a plan.
#[must_use]
pub fn report_schema() -> Value {
    of::<PlanReport>("urn:underpin:schema:plan-report:1", "Underpin report of a plan", REPORT_FORMAT)
}

fn of<T: JsonSchema>(id: &str, title: &str, format: &str) -> Value {
    let root = SchemaSettings::draft2020_12().into_generator().into_root_schema_for::<T>();
    let mut value = root.to_value();
    if let Some(root) = value.as_object_mut() {
        root.insert("$id".to_owned(), json!(id));
        root.insert("title".to_owned(), json!(title));
        if let Some(field) = root.get_mut("properties").and_then(|it| it.get_mut("format")) {
            *field = json!({"const": format, "description": "Version of this file's form."});
        }
    }
    value
}
