//! JSON Schemas of the records, made from the structs that write them.
//!
//! The committed files under `schemas/` are these; a test of the command line fails when they differ.

use schemars::generate::SchemaSettings;
use schemars::transform::{Transform, transform_subschemas};
use schemars::{JsonSchema, Schema};
use serde_json::{Value, json};

use super::{Alert, Dns, Flow, Http, Incident, Line, RecordType, Stats, Tls};

/// Dialect of all of them.
const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// Schema of one record type; `None` for a type that nothing writes yet.
pub fn of(kind: RecordType) -> Option<Value> {
    match kind {
        RecordType::Http => Some(line::<Http<'static>>(kind)),
        RecordType::Flow => Some(line::<Flow<'static>>(kind)),
        RecordType::Dns => Some(line::<Dns<'static>>(kind)),
        RecordType::Tls => Some(line::<Tls<'static>>(kind)),
        RecordType::Alert => Some(line::<Alert<'static>>(kind)),
        RecordType::Stats => Some(line::<Stats<'static>>(kind)),
        RecordType::Incident => Some(line::<Incident<'static>>(kind)),
        RecordType::File => None,
    }
}

/// Schema of a line of any type, with the schemas of all of them inside.
pub fn any() -> Value {
    let written = || RecordType::ALL.into_iter().filter_map(|kind| Some((kind, of(kind)?)));
    json!({
        "$schema": DIALECT,
        "$id": id("any"),
        "title": "record",
        "description": "One line of the monitor's output.",
        "oneOf": written().map(|(kind, _)| json!({ "$ref": id(kind.name()) })).collect::<Vec<_>>(),
        "$defs": written().map(|(kind, schema)| (kind.name().to_owned(), schema)).collect::<serde_json::Map<_, _>>(),
    })
}

fn id(name: &str) -> String {
    format!("urn:monitor:record:{name}")
}

fn line<T: JsonSchema>(kind: RecordType) -> Value {
    let settings = SchemaSettings::draft2020_12().for_serialize().with_transform(NeverNull);
    let description = settings
        .clone()
        .into_generator()
        .into_root_schema_for::<T>()
        .remove("description");
    let mut schema = settings.into_generator().into_root_schema_for::<Line<'static, T>>();
    schema.insert("$id".to_owned(), json!(id(kind.name())));
    schema.insert("title".to_owned(), json!(kind.name()));
    schema.insert("description".to_owned(), description.unwrap_or_default());
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        properties.insert("type".to_owned(), json!({ "const": kind.name() }));
    }
    schema.to_value()
}

/// A field that is not known is absent, never null: takes the `null` of an `Option` out again.
#[derive(Clone)]
struct NeverNull;

impl Transform for NeverNull {
    fn transform(&mut self, schema: &mut Schema) {
        if let Some(Value::Array(types)) = schema.get_mut("type") {
            types.retain(|t| t != "null");
            if let [only] = types.as_slice() {
                let only = only.clone();
                schema.insert("type".to_owned(), only);
            }
        }
        if let Some(Value::Array(choices)) = schema.get_mut("anyOf") {
            choices.retain(|choice| choice["type"] != "null");
            if let [Value::Object(only)] = choices.as_slice() {
                let only = only.clone();
                schema.remove("anyOf");
                for (key, value) in only {
                    schema.ensure_object().entry(key).or_insert(value);
                }
            }
        }
        transform_subschemas(self, schema);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_names_its_type_and_asks_for_what_is_always_there() {
        let schema = of(RecordType::Stats).unwrap();
        assert_eq!(schema["properties"]["type"], json!({ "const": "stats" }));
        let required = schema["required"].as_array().unwrap();
        for always in ["type", "time", "events", "flows", "http", "coverage", "alerts"] {
            assert!(required.contains(&json!(always)), "{always}");
        }
        assert!(!required.contains(&json!("host")));
        assert!(!required.contains(&json!("cpu_ms")));
    }

    #[test]
    fn null_is_nowhere() {
        assert!(!any().to_string().contains("\"null\""));
    }

    #[test]
    fn types_that_nothing_writes_have_no_schema() {
        assert_eq!(of(RecordType::File), None);
        assert_eq!(any()["oneOf"].as_array().unwrap().len(), 7);
    }
}
