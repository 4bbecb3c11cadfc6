//! The sample configuration, written from the schema that the documented structs give.

use std::fmt::Write as _;

use serde_json::{Map, Value};

/// Column at which comments are wrapped.
const WIDTH: usize = 100;

/// The file that says what holds without a file: each key with its documentation and its default; what has no default
/// commented out, with an example.
pub(super) fn sample(schema: &Value) -> String {
    let mut out = String::new();
    comment(
        &mut out,
        "Configuration of the monitor. Every key is optional; the values here are the defaults. Durations are \
         \"7d\", \"15m\", \"30s\"; paths are relative to this file.",
    );
    table(&mut out, "", schema);
    out
}

/// Writes the table at `path` (empty for the root), its own keys first, its sub-tables after.
fn table(out: &mut String, path: &str, schema: &Value) {
    let nothing = Map::new();
    let properties = schema["properties"].as_object().unwrap_or(&nothing);
    let is_table = |property: &Value| property["properties"].is_object();
    let has_keys = properties
        .values()
        .any(|property| !is_table(property) && !is_list_of_tables(property));
    if !path.is_empty() && has_keys {
        out.push('\n');
        describe(out, schema);
        let _ = writeln!(out, "[{path}]");
    }
    for (name, property) in properties {
        if !is_table(property) && !is_list_of_tables(property) {
            key(out, name, property);
        }
    }
    let below = |name: &str| {
        if path.is_empty() {
            name.to_owned()
        } else {
            format!("{path}.{name}")
        }
    };
    for (name, property) in properties {
        if is_table(property) {
            table(out, &below(name), property);
        } else if is_list_of_tables(property) {
            list_of_tables(out, &below(name), property);
        }
    }
}

fn is_list_of_tables(property: &Value) -> bool {
    property["items"]["properties"].is_object()
}

fn key(out: &mut String, name: &str, property: &Value) {
    describe(out, property);
    let default = &property["default"];
    if default.is_null() {
        let _ = writeln!(out, "# {name} = {}", toml_value(&property["examples"][0]));
    } else {
        let _ = writeln!(out, "{name} = {}", toml_value(default));
    }
}

fn list_of_tables(out: &mut String, path: &str, property: &Value) {
    out.push('\n');
    describe(out, property);
    let nothing = Map::new();
    let fields = property["items"]["properties"].as_object().unwrap_or(&nothing);
    for (name, field) in fields {
        if let Some(text) = field["description"].as_str() {
            comment(out, &format!("- {name}: {text}"));
        }
    }
    let _ = writeln!(out, "# [[{path}]]");
    for (name, field) in fields {
        if !field["examples"][0].is_null() {
            let _ = writeln!(out, "# {name} = {}", toml_value(&field["examples"][0]));
        }
    }
}

fn describe(out: &mut String, schema: &Value) {
    if let Some(text) = schema["description"].as_str() {
        comment(out, text);
    }
}

fn comment(out: &mut String, text: &str) {
    let mut line = String::from("#");
    for word in text.split_whitespace() {
        if line.len() + 1 + word.len() > WIDTH {
            let _ = writeln!(out, "{line}");
            line = String::from("#");
        }
        let _ = write!(line, " {word}");
    }
    let _ = writeln!(out, "{line}");
}

/// JSON's strings, numbers, booleans and lists of them are TOML's.
fn toml_value(value: &Value) -> String {
    match value {
        Value::Array(items) => format!("[{}]", items.iter().map(toml_value).collect::<Vec<_>>().join(", ")),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => value.to_string(),
    }
}
