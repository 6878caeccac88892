//! FHIR references: what they name, and how they are brought to one spelling.

use super::item::Location;
use super::json::Object;
use crate::fhir::Reference;
use std::collections::BTreeMap;

/// What a reference's text names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Target<'a> {
    /// `#id`: contained in the resource that refers.
    Contained(&'a str),
    /// `Type/id`, relative or after a server's base address.
    Resource {
        base: Option<&'a str>,
        kind: &'a str,
        id: &'a str,
    },
    /// Anything else, such as `urn:uuid:…`.
    Other,
}

impl<'a> Target<'a> {
    pub(super) fn of(text: &'a str) -> Self {
        if let Some(id) = text.strip_prefix('#') {
            return Self::Contained(id);
        }
        let versionless = text
            .split_once("/_history/")
            .map_or(text, |(before, _)| before);
        let mut parts = versionless.rsplitn(3, '/');
        let (id, kind, base) = (parts.next(), parts.next(), parts.next());
        match (kind, id) {
            (Some(kind), Some(id)) if !id.is_empty() && is_type_name(kind) => {
                Self::Resource { base, kind, id }
            }
            _ => Self::Other,
        }
    }
}

fn is_type_name(text: &str) -> bool {
    text.starts_with(|first: char| first.is_ascii_uppercase())
        && text.bytes().all(|byte| byte.is_ascii_alphabetic())
}

/// The entries of a Bundle that stand at `urn:uuid:` addresses, and which resource each holds.
#[derive(Default)]
pub(super) struct Addresses(BTreeMap<String, String>);

impl Addresses {
    /// Notes that the entry at `full_url` holds `kind`/`id`.
    pub(super) fn add(&mut self, full_url: &str, kind: &str, id: &str) {
        if full_url.starts_with("urn:") {
            self.0.insert(full_url.to_owned(), format!("{kind}/{id}"));
        }
    }
}

/// Where a resource stands: all that is needed to read the references in it.
pub(super) struct Place<'a> {
    /// The resource.
    pub(super) at: Location,
    /// The address of its Bundle entry.
    pub(super) full_url: Option<&'a str>,
    /// The Bundle's entries.
    pub(super) addresses: &'a Addresses,
}

impl Place<'_> {
    /// The server that the resource came from, if its entry says.
    fn base(&self) -> Option<&str> {
        match Target::of(self.full_url?) {
            Target::Resource { base, .. } => base,
            _ => None,
        }
    }

    /// The reference in one spelling: `base/Type/id` where the server is known, `Type/id` where it
    /// is not, so that equal ids of two servers stay apart.
    pub(super) fn normal(&self, text: &str) -> String {
        match Target::of(text) {
            Target::Resource { base, kind, id } => match base.or_else(|| self.base()) {
                Some(base) => format!("{base}/{kind}/{id}"),
                None => format!("{kind}/{id}"),
            },
            Target::Contained(_) => format!("{}{text}", self.at),
            Target::Other => self
                .addresses
                .0
                .get(text)
                .map_or(text, String::as_str)
                .to_owned(),
        }
    }

    /// The normal form of a Reference element: its reference, or else its identifier.
    pub(super) fn of_element(&self, element: &Object<'_>) -> Option<String> {
        if let Some(text) = element.text("reference") {
            return Some(self.normal(&text));
        }
        let identifier = element.object("identifier")?;
        let system = identifier.text("system").unwrap_or_default();
        Some(format!("{system}|{}", identifier.text("value")?))
    }

    /// The same of a Reference that was read before.
    pub(super) fn of_reference(&self, reference: &Reference) -> Option<String> {
        if let Some(text) = &reference.reference {
            return Some(self.normal(text));
        }
        let identifier = reference.identifier.as_ref()?;
        let system = identifier.system.as_deref().unwrap_or_default();
        Some(format!("{system}|{}", identifier.value.as_deref()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_told_apart() {
        let kind = "MedicationRequest";
        for (text, base) in [
            ("MedicationRequest/7", None),
            ("MedicationRequest/7/_history/3", None),
            (
                "http://a.example/fhir/MedicationRequest/7",
                Some("http://a.example/fhir"),
            ),
        ] {
            assert_eq!(
                Target::of(text),
                Target::Resource {
                    base,
                    kind,
                    id: "7"
                },
                "{text}"
            );
        }
        assert_eq!(Target::of("#rx"), Target::Contained("rx"));
        for text in ["", "urn:uuid:0f", "7", "MedicationRequest/", "a/b"] {
            assert_eq!(Target::of(text), Target::Other, "{text}");
        }
    }

    #[test]
    fn references_come_to_one_spelling_and_servers_stay_apart() {
        let mut addresses = Addresses::default();
        addresses.add("urn:uuid:0f", "Patient", "p1");
        let at = Location::of_file(&"f".into());
        let place = |full_url| Place {
            at: at.clone(),
            full_url,
            addresses: &addresses,
        };
        assert_eq!(place(None).normal("urn:uuid:0f"), "Patient/p1");
        assert_eq!(place(None).normal("urn:uuid:1f"), "urn:uuid:1f");
        assert_eq!(place(None).normal("Patient/p1"), "Patient/p1");
        let north = place(Some("http://north.example/MedicationRequest/1"));
        assert_eq!(
            north.normal("Patient/p1"),
            "http://north.example/Patient/p1"
        );
        assert_eq!(
            north.normal("http://south.example/Patient/p1"),
            "http://south.example/Patient/p1"
        );
    }
}
