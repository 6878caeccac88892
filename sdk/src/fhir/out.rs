//! Writing a resource: what is empty is left out, as FHIR's JSON asks.

use super::fields::Element;
use serde_json::{Map, Value as Json};

/// An object that is being written. Members come out in the order of their names.
#[derive(Default)]
pub(super) struct Out(Map<String, Json>);

impl Out {
    /// A resource of the type `kind`.
    pub(super) fn resource(kind: &str) -> Self {
        let mut out = Self::default();
        out.text("resourceType", Some(kind));
        out
    }

    pub(super) fn put(&mut self, name: &str, value: impl Into<Json>) {
        self.0.insert(name.to_owned(), value.into());
    }

    pub(super) fn text(&mut self, name: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.put(name, text);
        }
    }

    pub(super) fn texts(&mut self, name: &str, texts: &[String]) {
        if !texts.is_empty() {
            self.put(name, texts);
        }
    }

    pub(super) fn one<T: Element>(&mut self, name: &str, element: Option<&T>) {
        if let Some(element) = element {
            self.put(name, written(element));
        }
    }

    pub(super) fn many<T: Element>(&mut self, name: &str, elements: &[T]) {
        self.list(name, elements.iter().map(written).collect());
    }

    pub(super) fn list(&mut self, name: &str, values: Vec<Json>) {
        if !values.is_empty() {
            self.put(name, values);
        }
    }

    pub(super) fn done(self) -> Json {
        Json::Object(self.0)
    }
}

fn written<T: Element>(element: &T) -> Json {
    let mut out = Out::default();
    element.write(&mut out);
    out.done()
}
