//! A small checker: does an answer have the form that an OpenAPI 3.1 document says?
//!
//! What always holds: it is strict both ways. An answer may have no status, content type or member that
//! the document does not name, and must have every member that it calls required. A keyword that the
//! checker does not know is a failure too, so that the document cannot outgrow it unnoticed.

use crate::rig::Answer;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// Keywords of a schema that say nothing about the form.
const SAYS_NOTHING: [&str; 4] = ["description", "title", "example", "format"];

pub struct Description(Value);

/// What is wrong with an answer.
type Judged = Result<(), String>;

impl Description {
    pub fn new(document: Value) -> Self {
        assert_eq!(document["openapi"], "3.1.0");
        Self(document)
    }

    /// The statuses that each operation has an answer of its own for.
    pub fn answers(&self) -> BTreeSet<(String, String, String)> {
        let mut answers = BTreeSet::new();
        for (path, operations) in object(&self.0["paths"]) {
            for (method, operation) in object(operations) {
                for status in object(&operation["responses"]).keys() {
                    answers.insert((method.clone(), path.clone(), status.clone()));
                }
            }
        }
        answers
    }

    /// The documented content type of a request body.
    pub fn takes(&self, path: &str) -> Vec<&String> {
        let body = &self.0["paths"][path]["post"]["requestBody"];
        assert_eq!(body["required"], true);
        object(&body["content"]).keys().collect()
    }

    /// The documented path that this one is an instance of.
    pub fn template(&self, path: &str) -> Option<&String> {
        let path = path.split('?').next().unwrap_or_default();
        let templates = object(&self.0["paths"]).keys();
        let mut fitting = templates.filter(|template| fits(template, path));
        // One without a parameter goes before one with.
        let first = fitting.next();
        fitting.find(|one| !one.contains('{')).or(first)
    }

    /// Whether the document allows this answer.
    pub fn judge(&self, method: &str, path: &str, answer: &Answer) -> Judged {
        let operation = self
            .template(path)
            .and_then(|template| self.0["paths"][template].get(method));
        let Some(operation) = operation else {
            let nothing = ["no-such-resource", "method-not-allowed"].map(str::to_owned);
            return told(
                nothing.contains(&answer.code()),
                "not described, and served",
            );
        };
        let responses = object(&operation["responses"]);
        let status = responses.get(&answer.status.to_string());
        let response = status
            .or(responses.get("default"))
            .ok_or(format!("status {}", answer.status))?;
        let kind = answer.kind.split(';').next().unwrap_or_default();
        let content = object(&response["content"])
            .get(kind)
            .ok_or(format!("status {}: content type {kind}", answer.status))?;
        let schema = &content["schema"];
        let schema = match schema.get("$ref") {
            Some(reference) if !kind.ends_with("json") => self.resolved(reference),
            _ => schema,
        };
        match schema {
            schema if kind.ends_with("json") => self.has_form(&answer.json(), schema, "body"),
            schema => told(
                schema["type"] == "string" && is_of(schema, &answer.body),
                "a body that is no JSON is not described as a string or as bytes",
            ),
        }
    }

    /// Whether a value has the form that a schema of the document says.
    pub fn has_form(&self, value: &Value, schema: &Value, place: &str) -> Judged {
        let mut members = BTreeMap::new();
        self.collect(schema, &mut members);
        self.judge_schema(value, schema, place)?;
        if let (Some(found), false) = (value.as_object(), is_free(schema)) {
            let unnamed = found.keys().find(|name| !members.contains_key(*name));
            if let (Some(name), false) = (unnamed, has_choice(schema)) {
                return Err(format!("{place}/{name} is not described"));
            }
        }
        Ok(())
    }

    fn judge_schema(&self, value: &Value, schema: &Value, place: &str) -> Judged {
        for (keyword, said) in object(schema) {
            match keyword.as_str() {
                "$ref" => self.judge_schema(value, self.resolved(said), place)?,
                "type" => told(has_type(value, said), &format!("{place} is no {said}"))?,
                "enum" => told(
                    array(said).contains(value),
                    &format!("{place} is none of {said}"),
                )?,
                "minimum" => told(
                    value.is_null() || value.as_f64() >= said.as_f64(),
                    &format!("{place} is below {said}"),
                )?,
                "required" => {
                    let missing = array(said).iter().find(|name| {
                        value.is_object() && value.get(name.as_str().unwrap_or_default()).is_none()
                    });
                    told(missing.is_none(), &format!("{place} lacks {missing:?}"))?;
                }
                "properties" => {
                    for (name, schema) in object(said) {
                        if let Some(member) = value.get(name) {
                            self.has_form(member, schema, &format!("{place}/{name}"))?;
                        }
                    }
                }
                "items" => {
                    for (at, item) in value.as_array().into_iter().flatten().enumerate() {
                        self.has_form(item, said, &format!("{place}/{at}"))?;
                    }
                }
                "allOf" => array(said)
                    .iter()
                    .try_for_each(|part| self.judge_schema(value, part, place))?,
                "oneOf" => {
                    let fitting = array(said)
                        .iter()
                        .filter(|choice| self.has_form(value, choice, place).is_ok());
                    let count = fitting.count();
                    told(count == 1, &format!("{place} fits {count} of the choices"))?;
                }
                other => told(
                    SAYS_NOTHING.contains(&other),
                    &format!("{place}: the checker does not know {other}"),
                )?,
            }
        }
        Ok(())
    }

    /// The members that a schema names, its parts' included.
    fn collect<'d>(&'d self, schema: &'d Value, members: &mut BTreeMap<&'d String, &'d Value>) {
        if let Some(reference) = schema.get("$ref") {
            self.collect(self.resolved(reference), members);
        }
        for part in schema
            .get("allOf")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            self.collect(part, members);
        }
        let properties = schema.get("properties").and_then(Value::as_object);
        members.extend(properties.into_iter().flatten());
    }

    fn resolved(&self, reference: &Value) -> &Value {
        let pointer = reference.as_str().and_then(|text| text.strip_prefix('#'));
        let found = pointer.and_then(|pointer| self.0.pointer(pointer));
        found.unwrap_or_else(|| panic!("{reference} leads nowhere"))
    }

    /// A schema by its name.
    pub fn schema(&self, name: &str) -> &Value {
        let schema = &self.0["components"]["schemas"][name];
        assert!(schema.is_object(), "no schema {name}");
        schema
    }
}

fn told(holds: bool, otherwise: &str) -> Judged {
    if holds {
        Ok(())
    } else {
        Err(otherwise.to_owned())
    }
}

fn object(value: &Value) -> &Map<String, Value> {
    value.as_object().expect("an object")
}

fn array(value: &Value) -> &Vec<Value> {
    value.as_array().expect("an array")
}

/// Nothing is said about members.
fn is_free(schema: &Value) -> bool {
    let says = ["$ref", "allOf", "oneOf", "properties"];
    says.iter().all(|keyword| schema.get(keyword).is_none())
}

/// A choice judges its parts' members itself.
fn has_choice(schema: &Value) -> bool {
    schema.get("oneOf").is_some()
}

fn is_of(schema: &Value, body: &[u8]) -> bool {
    schema["format"] == "binary" || std::str::from_utf8(body).is_ok()
}

fn has_type(value: &Value, said: &Value) -> bool {
    let name = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(number) if number.is_f64() => "number",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    match said {
        Value::Array(types) => types.contains(&name.into()),
        one => one == name,
    }
}

fn fits(template: &str, path: &str) -> bool {
    // A tile's path has slashes in it; every other parameter is one segment.
    if template == "/tile/{path}" {
        return path
            .strip_prefix("/tile/")
            .is_some_and(|path| !path.is_empty());
    }
    let (wanted, given) = (template.split('/'), path.split('/'));
    let fits = |(wanted, given): (&str, &str)| {
        wanted == given || wanted.starts_with('{') && !given.is_empty()
    };
    wanted.clone().count() == given.clone().count() && wanted.zip(given).all(fits)
}

#[test]
fn the_checker_tells_right_from_wrong() {
    let schema = serde_json::json!({
        "type": "object",
        "required": ["a"],
        "properties": {
            "a": { "type": "integer", "minimum": 0 },
            "b": { "type": ["string", "null"] },
            "c": { "type": "array", "items": { "type": "boolean" } },
            "d": { "oneOf": [{ "type": "null" }, { "type": "string", "enum": ["x"] }] },
        },
    });
    let description = Description::new(serde_json::json!({ "openapi": "3.1.0" }));
    let judge = |text: &str| {
        let value: Value = serde_json::from_str(text).expect("JSON");
        description.has_form(&value, &schema, "body").is_ok()
    };
    for good in [
        r#"{"a":1}"#,
        r#"{"a":0,"b":null,"c":[true,false],"d":"x"}"#,
        r#"{"a":0,"b":"","c":[],"d":null}"#,
    ] {
        assert!(judge(good), "{good}");
    }
    for bad in [
        "{}",
        "[]",
        r#"{"a":-1}"#,
        r#"{"a":1.5}"#,
        r#"{"a":"1"}"#,
        r#"{"a":1,"b":2}"#,
        r#"{"a":1,"c":[1]}"#,
        r#"{"a":1,"d":"y"}"#,
        r#"{"a":1,"e":1}"#,
    ] {
        assert!(!judge(bad), "{bad}");
    }
}
