//! A thin reader over JSON text that keeps every value as the exact slice it came in.
//!
//! What always holds: nothing is rewritten. A number stays its literal text and a resource its own
//! bytes, because commitments are made over them. Values are parsed one level at a time.

use super::reason::Reason;
use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

/// How deep arrays and objects may nest inside one resource or event.
const MAX_DEPTH: usize = 64;

/// One JSON value, as a slice of the text it stands in.
#[derive(Clone, Copy)]
pub(crate) struct Value<'a>(&'a RawValue);

/// The members of an object in their order; names are unique.
pub(crate) struct Object<'a>(Vec<(Cow<'a, str>, &'a RawValue)>);

/// JSON text without the byte-order mark that some exports put before it.
pub(crate) fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

/// Reads `text` as exactly one JSON value.
pub(crate) fn parse(text: &str) -> Option<Value<'_>> {
    serde_json::from_str(text).ok().map(Value)
}

impl<'a> Value<'a> {
    /// The exact slice of the text.
    pub(crate) fn text(self) -> &'a str {
        self.0.get()
    }

    /// The value as an object, unless it is another type or names a member twice.
    pub(crate) fn object(self) -> Option<Object<'a>> {
        serde_json::from_str(self.0.get()).ok()
    }

    /// The value as an array.
    pub(crate) fn array(self) -> Option<Vec<Value<'a>>> {
        let items: Vec<&'a RawValue> = serde_json::from_str(self.0.get()).ok()?;
        Some(items.into_iter().map(Value).collect())
    }

    /// The value as a string, decoded.
    pub(crate) fn string(self) -> Option<Cow<'a, str>> {
        serde_json::from_str::<Text<'a>>(self.0.get())
            .ok()
            .map(|text| text.0)
    }

    /// The value as a number's literal text.
    pub(crate) fn number(self) -> Option<&'a str> {
        let text = self.0.get();
        text.starts_with(|first: char| first == '-' || first.is_ascii_digit())
            .then_some(text)
    }

    /// Whether this is the literal `true`.
    pub(crate) fn is_true(self) -> bool {
        self.0.get() == "true"
    }

    fn is_null(self) -> bool {
        self.0.get() == "null"
    }

    /// Refuses a member named twice, text that does not decode, and nesting beyond the bound,
    /// anywhere inside the value: such a document cannot be committed to field by field.
    pub(crate) fn check(self) -> Result<(), Reason> {
        check(self, MAX_DEPTH)
    }
}

fn check(value: Value<'_>, depth: usize) -> Result<(), Reason> {
    let inner = || {
        depth
            .checked_sub(1)
            .ok_or(Reason::NestedTooDeep { limit: MAX_DEPTH })
    };
    match value.text().as_bytes().first() {
        Some(b'{') => {
            let inner = inner()?;
            let members = value.object().ok_or(Reason::NotStrictJson)?;
            members
                .0
                .iter()
                .try_for_each(|(_, member)| check(Value(member), inner))
        }
        Some(b'[') => {
            let inner = inner()?;
            let items = value.array().ok_or(Reason::NotStrictJson)?;
            items.into_iter().try_for_each(|item| check(item, inner))
        }
        Some(b'"') => value.string().map(|_| ()).ok_or(Reason::NotStrictJson),
        _ => Ok(()),
    }
}

impl<'a> Object<'a> {
    /// The member of that name; a JSON null counts as absent.
    pub(crate) fn get(&self, name: &str) -> Option<Value<'a>> {
        let (_, raw) = self.0.iter().find(|(member, _)| member == name)?;
        Some(Value(raw)).filter(|value| !value.is_null())
    }

    /// The first member whose name, after a JSON-LD prefix such as `cbvmda:`, is `name`.
    pub(crate) fn get_unprefixed(&self, name: &str) -> Option<Value<'a>> {
        let local = |member: &str| member.rsplit([':', '/', '#']).next() == Some(name);
        let (_, raw) = self.0.iter().find(|(member, _)| local(member))?;
        Some(Value(raw)).filter(|value| !value.is_null())
    }

    /// The member as text, if it is there and is text.
    pub(crate) fn text(&self, name: &str) -> Option<Cow<'a, str>> {
        self.get(name)?.string().filter(|text| !text.is_empty())
    }

    /// The member as an object, if it is there and is one.
    pub(crate) fn object(&self, name: &str) -> Option<Object<'a>> {
        self.get(name)?.object()
    }

    /// The member's elements; none if it is absent or no array.
    pub(crate) fn elements(&self, name: &str) -> Vec<Value<'a>> {
        self.get(name).and_then(Value::array).unwrap_or_default()
    }

    /// All members; a JSON null counts as a value here.
    pub(crate) fn into_members(self) -> impl Iterator<Item = (Cow<'a, str>, Value<'a>)> {
        self.0.into_iter().map(|(name, raw)| (name, Value(raw)))
    }

    /// Whether the member is there with anything in it.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.get(name)
            .is_some_and(|value| !matches!(value.text(), "[]" | "{}"))
    }
}

#[derive(Deserialize)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Members)
    }
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Object<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object<'de>, A::Error> {
        let (mut members, mut names) = (Vec::new(), BTreeSet::new());
        while let Some(Text(name)) = map.next_key::<Text<'de>>()? {
            if !names.insert(name.clone()) {
                return Err(A::Error::custom("a member is named twice"));
            }
            members.push((name, map.next_value::<&'de RawValue>()?));
        }
        Ok(Object(members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Value<'_> {
        parse(text).expect("test input is JSON")
    }

    #[test]
    fn values_keep_the_exact_slice_of_the_text() {
        let object = value(r#"{ "a" : [ 1.50 ,{"b":"\u4e2d"} ] }"#)
            .object()
            .expect("an object");
        assert_eq!(
            object.get("a").map(Value::text),
            Some(r#"[ 1.50 ,{"b":"\u4e2d"} ]"#)
        );
        let items = object.elements("a");
        assert_eq!(items.first().and_then(|item| item.number()), Some("1.50"));
        let inner = items
            .get(1)
            .and_then(|item| item.object())
            .expect("an object");
        assert_eq!(inner.text("b").as_deref(), Some("中"));
    }

    #[test]
    fn a_member_named_twice_is_refused_at_any_depth() {
        assert!(value(r#"{"a":1,"a":2}"#).object().is_none());
        assert!(value(r#"{"x":[{"a":1,"\u0061":2}]}"#).check().is_err());
        assert!(value(r#"{"x":[{"a":1,"b":2}]}"#).check().is_ok());
    }

    #[test]
    fn nesting_is_bounded() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        assert!(value(&nested(MAX_DEPTH)).check().is_ok());
        assert!(value(&nested(MAX_DEPTH + 1)).check().is_err());
        let far = nested(100_000);
        assert!(parse(&far).is_none_or(|value| value.check().is_err()));
    }

    #[test]
    fn null_counts_as_absent() {
        let object = value(r#"{"a":null,"b":[],"c":{}}"#)
            .object()
            .expect("an object");
        assert!(object.get("a").is_none());
        assert!(!object.has("b") && !object.has("c"));
    }
}
