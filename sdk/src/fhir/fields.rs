//! Reading one JSON object element by element, so that nothing in it can be overlooked.
//!
//! What always holds: a member is either taken by its name or refused by [`Fields::finish`]. Texts,
//! lists and objects are never empty and never null (FHIR's JSON rules); lists are bounded.

use super::error::{Fault, FhirError};
use crate::import::json::{self, Value};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// Bytes that one resource may have.
pub const MAX_RESOURCE: usize = 1 << 20;
/// Elements that one list may have.
pub const MAX_LIST: usize = 256;

/// Elements that FHIR R4 or R5 defines somewhere in a Consent or in the data types it uses. Only these
/// names may stand in an error.
const KNOWN: &[&str] = &[
    "action",
    "actor",
    "assigner",
    "authority",
    "category",
    "class",
    "code",
    "coding",
    "contained",
    "contentType",
    "controller",
    "creation",
    "data",
    "dataPeriod",
    "date",
    "dateTime",
    "decision",
    "display",
    "div",
    "documentType",
    "duration",
    "end",
    "expression",
    "extension",
    "frames",
    "grantee",
    "grantor",
    "hash",
    "height",
    "id",
    "identifier",
    "implicitRules",
    "language",
    "lastUpdated",
    "manager",
    "meaning",
    "meta",
    "modifierExtension",
    "organization",
    "pages",
    "patient",
    "performer",
    "period",
    "policy",
    "policyBasis",
    "policyRule",
    "policyText",
    "profile",
    "provision",
    "purpose",
    "reference",
    "regulatoryBasis",
    "resourceType",
    "role",
    "scope",
    "security",
    "securityLabel",
    "size",
    "source",
    "sourceAttachment",
    "sourceReference",
    "start",
    "status",
    "subject",
    "system",
    "tag",
    "text",
    "title",
    "type",
    "uri",
    "url",
    "use",
    "userSelected",
    "value",
    "valueCode",
    "valueCoding",
    "valueDateTime",
    "valueReference",
    "verification",
    "verificationDate",
    "verificationType",
    "verified",
    "verifiedBy",
    "verifiedWith",
    "version",
    "versionId",
    "width",
];

/// A data type or backbone element of FHIR.
pub(super) trait Element: Sized {
    /// Takes its members; what it leaves is refused.
    fn read(fields: &mut Fields<'_>) -> Result<Self, FhirError>;
    /// Writes its members.
    fn write(&self, out: &mut super::out::Out);
}

/// An object that is being read.
pub(super) struct Fields<'a> {
    at: String,
    members: BTreeMap<Cow<'a, str>, Value<'a>>,
}

impl<'a> Fields<'a> {
    /// A whole resource of the type `kind`.
    pub(super) fn resource(text: &'a str, kind: &'static str) -> Result<Self, FhirError> {
        let wrong = |fault| FhirError::new(kind, fault);
        if text.len() > MAX_RESOURCE {
            return Err(wrong(Fault::TooMuch {
                what: "bytes",
                limit: MAX_RESOURCE,
            }));
        }
        let value = json::parse(text).ok_or_else(|| wrong(Fault::NotJson))?;
        value.check().map_err(|_| wrong(Fault::NotStrict))?;
        let mut fields = Self::of(value, kind.to_owned())?;
        match fields.text("resourceType")? {
            Some(found) if found == kind => Ok(fields),
            _ => Err(wrong(Fault::OtherResource(kind))),
        }
    }

    fn of(value: Value<'a>, at: String) -> Result<Self, FhirError> {
        let Some(object) = value.object() else {
            return Err(FhirError::new(at, Fault::Malformed("an object")));
        };
        let members: BTreeMap<_, _> = object.into_members().collect();
        if members.is_empty() {
            return Err(FhirError::new(
                at,
                Fault::Malformed("an object with something in it"),
            ));
        }
        Ok(Self { at, members })
    }

    /// An error at the member `name`.
    pub(super) fn error(&self, name: &str, fault: Fault) -> FhirError {
        FhirError::new(format!("{}.{name}", self.at), fault)
    }

    /// Where this object stands.
    pub(super) fn at(&self) -> &str {
        &self.at
    }

    fn take(&mut self, name: &str) -> Option<Value<'a>> {
        self.members.remove(name)
    }

    /// Refuses the member if it is there.
    pub(super) fn forbid(&self, name: &'static str, fault: Fault) -> Result<(), FhirError> {
        if self.members.contains_key(name) {
            return Err(self.error(name, fault));
        }
        Ok(())
    }

    pub(super) fn text(&mut self, name: &'static str) -> Result<Option<String>, FhirError> {
        self.take(name)
            .map(|value| self.as_text(name, value))
            .transpose()
    }

    fn as_text(&self, name: &str, value: Value<'_>) -> Result<String, FhirError> {
        let text = value.string().filter(|text| !text.trim().is_empty());
        let text =
            text.ok_or_else(|| self.error(name, Fault::Malformed("a text with something in it")))?;
        Ok(text.into_owned())
    }

    pub(super) fn need_text(
        &mut self,
        name: &'static str,
        by: &'static str,
    ) -> Result<String, FhirError> {
        self.text(name)?
            .ok_or_else(|| self.error(name, Fault::Missing(by)))
    }

    /// A text that `parse` makes a value of.
    pub(super) fn parsed<T>(
        &mut self,
        name: &'static str,
        what: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, FhirError> {
        let Some(text) = self.text(name)? else {
            return Ok(None);
        };
        parse(&text)
            .map(Some)
            .ok_or_else(|| self.error(name, Fault::Malformed(what)))
    }

    pub(super) fn boolean(&mut self, name: &'static str) -> Result<Option<bool>, FhirError> {
        match self.take(name).map(Value::text) {
            None => Ok(None),
            Some("true") => Ok(Some(true)),
            Some("false") => Ok(Some(false)),
            Some(_) => Err(self.error(name, Fault::Malformed("true or false"))),
        }
    }

    /// A whole number that FHIR calls unsignedInt.
    pub(super) fn unsigned(&mut self, name: &'static str) -> Result<Option<u32>, FhirError> {
        let Some(value) = self.take(name) else {
            return Ok(None);
        };
        unsigned(value.text()).map(Some).ok_or_else(|| {
            self.error(
                name,
                Fault::Malformed("a whole number from 0 to 2147483647"),
            )
        })
    }

    /// The member as an element.
    pub(super) fn one<T: Element>(&mut self, name: &'static str) -> Result<Option<T>, FhirError> {
        let Some(value) = self.take(name) else {
            return Ok(None);
        };
        let mut fields = Fields::of(value, format!("{}.{name}", self.at))?;
        let element = T::read(&mut fields)?;
        fields.finish()?;
        Ok(Some(element))
    }

    pub(super) fn need<T: Element>(
        &mut self,
        name: &'static str,
        by: &'static str,
    ) -> Result<T, FhirError> {
        self.one(name)?
            .ok_or_else(|| self.error(name, Fault::Missing(by)))
    }

    /// The member's elements; none if it is absent.
    pub(super) fn many<T: Element>(&mut self, name: &'static str) -> Result<Vec<T>, FhirError> {
        self.list(name, |mut fields| {
            let element = T::read(&mut fields)?;
            fields.finish()?;
            Ok(element)
        })
    }

    /// What `read` makes of each object of the member's list.
    pub(super) fn list<T>(
        &mut self,
        name: &'static str,
        mut read: impl FnMut(Fields<'a>) -> Result<T, FhirError>,
    ) -> Result<Vec<T>, FhirError> {
        let each =
            |(index, value)| read(Fields::of(value, format!("{}.{name}[{index}]", self.at))?);
        let values = match self.members.remove(name) {
            None => return Ok(Vec::new()),
            Some(value) => elements(&self.at, name, value)?,
        };
        values.into_iter().enumerate().map(each).collect()
    }

    /// The member's texts; none if it is absent.
    pub(super) fn texts(&mut self, name: &'static str) -> Result<Vec<String>, FhirError> {
        let Some(value) = self.take(name) else {
            return Ok(Vec::new());
        };
        let values = elements(&self.at, name, value)?;
        values
            .into_iter()
            .map(|value| self.as_text(name, value))
            .collect()
    }

    /// Refuses what nobody took.
    pub(super) fn finish(self) -> Result<(), FhirError> {
        let Some(name) = self.members.keys().next() else {
            return Ok(());
        };
        let named = KNOWN
            .iter()
            .find(|known| name.strip_prefix('_').unwrap_or(name) == **known);
        Err(match named {
            Some(known) => self.error(known, Fault::NotCarried),
            None => FhirError::new(&self.at, Fault::Unknown),
        })
    }
}

/// A number up to what FHIR's unsignedInt holds, written in its shortest form.
pub(super) fn unsigned(text: &str) -> Option<u32> {
    let number = text.parse::<u32>().ok();
    number.filter(|number| *number <= i32::MAX as u32 && number.to_string() == text)
}

/// The elements of a list, of which there are 1 to [`MAX_LIST`].
fn elements<'a>(at: &str, name: &str, value: Value<'a>) -> Result<Vec<Value<'a>>, FhirError> {
    let wrong = |fault| FhirError::new(format!("{at}.{name}"), fault);
    let values = value.array().filter(|values| !values.is_empty());
    let values = values.ok_or_else(|| wrong(Fault::Malformed("a list with something in it")))?;
    if values.len() > MAX_LIST {
        return Err(wrong(Fault::TooMuch {
            what: "elements in one list",
            limit: MAX_LIST,
        }));
    }
    Ok(values)
}
