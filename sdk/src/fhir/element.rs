//! The data types of FHIR that consents use, as far as they are carried.
//!
//! What always holds: a time is one that FHIR allows, kept as the text it came in, because `2026` and
//! `2026-01-01` do not mean the same; a reference names something.

use super::error::{Fault, FhirError};
use super::fields::{Element, Fields};
use super::out::Out;
use crate::import::time;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use medanchor_ledger::Time;

/// Implements [`Element`] for a struct whose members are all optional texts, except those listed as
/// elements or lists of elements.
macro_rules! plain {
    ($name:ident { $($text:ident = $text_name:literal),* $(,)? } $(one { $($one:ident = $one_name:literal),* })? $(many { $($many:ident = $many_name:literal),* })?) => {
        impl Element for $name {
            fn read(fields: &mut Fields<'_>) -> Result<Self, FhirError> {
                Ok(Self {
                    $($text: fields.text($text_name)?,)*
                    $($($one: fields.one($one_name)?,)*)?
                    $($($many: fields.many($many_name)?,)*)?
                })
            }

            fn write(&self, out: &mut Out) {
                $(out.text($text_name, self.$text.as_deref());)*
                $($(out.one($one_name, self.$one.as_ref());)*)?
                $($(out.many($many_name, &self.$many);)*)?
            }
        }
    };
}

/// A FHIR `date` or `dateTime`, as the text it came in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DateTime(String);

impl DateTime {
    /// Reads a year, month, day, or moment with seconds and offset.
    #[must_use]
    pub fn new(text: &str) -> Option<Self> {
        let whole = text
            .split_once('T')
            .is_none_or(|(_, clock)| has_seconds_and_offset(clock));
        (whole && !text.contains(['t', 'z']) && time::range(text).is_some())
            .then(|| Self(text.to_owned()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first millisecond it can mean; none before 1970.
    #[must_use]
    pub fn start(&self) -> Option<Time> {
        time::start(&self.0)
    }

    /// The last millisecond it can mean; none before 1970.
    #[must_use]
    pub fn end(&self) -> Option<Time> {
        time::end(&self.0)
    }

    /// Whether it has no time of day, and so no zone.
    pub(super) fn is_day(&self) -> bool {
        !self.0.contains('T')
    }

    /// The part before the time of day.
    pub(super) fn day(&self) -> &str {
        self.0.split_once('T').map_or(&self.0, |(day, _)| day)
    }
}

fn has_seconds_and_offset(clock: &str) -> bool {
    let clock = match clock.strip_suffix('Z') {
        Some(clock) => clock,
        None => match clock.rfind(['+', '-']).and_then(|at| clock.get(..at)) {
            Some(clock) => clock,
            None => return false,
        },
    };
    clock.matches(':').count() == 2
}

/// A period; both ends are inclusive.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Period {
    /// From when.
    pub start: Option<DateTime>,
    /// Until when.
    pub end: Option<DateTime>,
}

impl Element for Period {
    fn read(fields: &mut Fields<'_>) -> Result<Self, FhirError> {
        let period = Self {
            start: fields.parsed("start", "a FHIR dateTime", DateTime::new)?,
            end: fields.parsed("end", "a FHIR dateTime", DateTime::new)?,
        };
        let first = |text: &DateTime| time::range(text.as_str()).map(|(first, _)| first);
        let after = |text: &DateTime| time::range(text.as_str()).map(|(_, after)| after);
        let backwards = period
            .start
            .as_ref()
            .and_then(first)
            .zip(period.end.as_ref().and_then(after));
        if backwards.is_some_and(|(first, after)| first >= after) {
            return Err(fields.error("end", Fault::Malformed("a time at or after the start")));
        }
        Ok(period)
    }

    fn write(&self, out: &mut Out) {
        out.text("start", self.start.as_ref().map(DateTime::as_str));
        out.text("end", self.end.as_ref().map(DateTime::as_str));
    }
}

/// A code from a code system.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coding {
    /// The code system's address.
    pub system: Option<String>,
    /// Its version.
    pub version: Option<String>,
    /// The code.
    pub code: Option<String>,
    /// What the system calls it.
    pub display: Option<String>,
    /// Whether a person chose it.
    pub user_selected: Option<bool>,
}

impl Element for Coding {
    fn read(fields: &mut Fields<'_>) -> Result<Self, FhirError> {
        Ok(Self {
            system: fields.text("system")?,
            version: fields.text("version")?,
            code: fields.text("code")?,
            display: fields.text("display")?,
            user_selected: fields.boolean("userSelected")?,
        })
    }

    fn write(&self, out: &mut Out) {
        out.text("system", self.system.as_deref());
        out.text("version", self.version.as_deref());
        out.text("code", self.code.as_deref());
        out.text("display", self.display.as_deref());
        if let Some(selected) = self.user_selected {
            out.put("userSelected", selected);
        }
    }
}

impl Coding {
    /// A code of a system.
    #[must_use]
    pub fn new(system: &str, code: &str) -> Self {
        Self {
            system: Some(system.to_owned()),
            code: Some(code.to_owned()),
            ..Self::default()
        }
    }

    /// Whether it is this code of this system.
    #[must_use]
    pub fn is(&self, system: &str, code: &str) -> bool {
        self.system.as_deref() == Some(system) && self.code.as_deref() == Some(code)
    }
}

/// A concept: codes that mean the same, or words.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Concept {
    /// The codes.
    pub codings: Vec<Coding>,
    /// The words.
    pub text: Option<String>,
}

plain!(Concept { text = "text" } many { codings = "coding" });

impl Concept {
    /// A concept of one code.
    #[must_use]
    pub fn new(system: &str, code: &str) -> Self {
        Self {
            codings: vec![Coding::new(system, code)],
            text: None,
        }
    }

    /// Whether one of its codes is this one.
    #[must_use]
    pub fn is(&self, system: &str, code: &str) -> bool {
        self.codings.iter().any(|coding| coding.is(system, code))
    }
}

/// A business identifier.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Identifier {
    /// How it is used, such as `official`.
    pub usage: Option<String>,
    /// What kind of identifier it is.
    pub kind: Option<Concept>,
    /// Who gives such identifiers.
    pub system: Option<String>,
    /// The identifier.
    pub value: Option<String>,
    /// When it is or was in use.
    pub period: Option<Period>,
    /// Who gave it.
    pub assigner: Option<Box<Reference>>,
}

impl Element for Identifier {
    fn read(fields: &mut Fields<'_>) -> Result<Self, FhirError> {
        Ok(Self {
            usage: fields.text("use")?,
            kind: fields.one("type")?,
            system: fields.text("system")?,
            value: fields.text("value")?,
            period: fields.one("period")?,
            assigner: fields.one("assigner")?.map(Box::new),
        })
    }

    fn write(&self, out: &mut Out) {
        out.text("use", self.usage.as_deref());
        out.one("type", self.kind.as_ref());
        out.text("system", self.system.as_deref());
        out.text("value", self.value.as_deref());
        out.one("period", self.period.as_ref());
        out.one("assigner", self.assigner.as_deref());
    }
}

/// A reference to another resource.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reference {
    /// Its address: `Type/id`, absolute, or `urn:`.
    pub reference: Option<String>,
    /// Its type.
    pub kind: Option<String>,
    /// Its identifier, where it has no address.
    pub identifier: Option<Identifier>,
    /// What people call it.
    pub display: Option<String>,
}

impl Element for Reference {
    fn read(fields: &mut Fields<'_>) -> Result<Self, FhirError> {
        let reference = Self {
            reference: fields.text("reference")?,
            kind: fields.text("type")?,
            identifier: fields.one("identifier")?,
            display: fields.text("display")?,
        };
        if reference
            .reference
            .as_deref()
            .is_some_and(|text| text.starts_with('#'))
        {
            // Contained resources are refused as a whole, so this would point nowhere.
            return Err(fields.error("reference", Fault::NotCarried));
        }
        if reference == Self::default() {
            return Err(fields.error("reference", Fault::Missing("a Reference")));
        }
        Ok(reference)
    }

    fn write(&self, out: &mut Out) {
        out.text("reference", self.reference.as_deref());
        out.text("type", self.kind.as_deref());
        out.one("identifier", self.identifier.as_ref());
        out.text("display", self.display.as_deref());
    }
}

impl Reference {
    /// A reference to an address.
    #[must_use]
    pub fn to(address: &str) -> Self {
        Self {
            reference: Some(address.to_owned()),
            ..Self::default()
        }
    }

    /// The type of what it refers to, if it says: `Organization`.
    #[must_use]
    pub fn resource_type(&self) -> Option<&str> {
        let of_address = || {
            let (before, _) = self
                .reference
                .as_deref()?
                .split_once("/_history/")
                .unwrap_or((self.reference.as_deref()?, ""));
            let kind = before.rsplit('/').nth(1)?;
            kind.starts_with(|first: char| first.is_ascii_uppercase())
                .then_some(kind)
        };
        self.kind.as_deref().or_else(of_address)
    }
}

/// A document that stands elsewhere or inside.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attachment {
    /// Its media type.
    pub content_type: Option<String>,
    /// Its language (BCP 47).
    pub language: Option<String>,
    /// Its bytes, in base64.
    pub data: Option<String>,
    /// Where it stands.
    pub url: Option<String>,
    /// How many bytes it has.
    pub size: Option<u32>,
    /// The SHA-1 of its bytes, in base64, as FHIR has it.
    pub hash: Option<String>,
    /// Its title.
    pub title: Option<String>,
    /// When it was made.
    pub creation: Option<DateTime>,
}

impl Element for Attachment {
    fn read(fields: &mut Fields<'_>) -> Result<Self, FhirError> {
        Ok(Self {
            content_type: fields.text("contentType")?,
            language: fields.text("language")?,
            data: fields.parsed("data", "base64", base64_text)?,
            url: fields.text("url")?,
            size: fields.unsigned("size")?,
            hash: fields.parsed("hash", "base64", base64_text)?,
            title: fields.text("title")?,
            creation: fields.parsed("creation", "a FHIR dateTime", DateTime::new)?,
        })
    }

    fn write(&self, out: &mut Out) {
        out.text("contentType", self.content_type.as_deref());
        out.text("language", self.language.as_deref());
        out.text("data", self.data.as_deref());
        out.text("url", self.url.as_deref());
        if let Some(size) = self.size {
            out.put("size", size);
        }
        out.text("hash", self.hash.as_deref());
        out.text("title", self.title.as_deref());
        out.text("creation", self.creation.as_ref().map(DateTime::as_str));
    }
}

fn base64_text(text: &str) -> Option<String> {
    STANDARD.decode(text).ok().map(|_| text.to_owned())
}

/// The text that people read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Narrative {
    /// How it was made, such as `generated`.
    pub status: String,
    /// XHTML, as it came.
    pub div: String,
}

impl Element for Narrative {
    fn read(fields: &mut Fields<'_>) -> Result<Self, FhirError> {
        Ok(Self {
            status: fields.need_text("status", "a Narrative")?,
            div: fields.need_text("div", "a Narrative")?,
        })
    }

    fn write(&self, out: &mut Out) {
        out.text("status", Some(&self.status));
        out.text("div", Some(&self.div));
    }
}

/// What is known of the resource itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Meta {
    /// Its version.
    pub version: Option<String>,
    /// When that version was made.
    pub updated: Option<DateTime>,
    /// Where it came from.
    pub source: Option<String>,
    /// The profiles it claims to follow.
    pub profiles: Vec<String>,
    /// Its security labels.
    pub security: Vec<Coding>,
    /// Its tags.
    pub tags: Vec<Coding>,
}

impl Element for Meta {
    fn read(fields: &mut Fields<'_>) -> Result<Self, FhirError> {
        Ok(Self {
            version: fields.text("versionId")?,
            updated: fields.parsed("lastUpdated", "a FHIR instant", DateTime::new)?,
            source: fields.text("source")?,
            profiles: fields.texts("profile")?,
            security: fields.many("security")?,
            tags: fields.many("tag")?,
        })
    }

    fn write(&self, out: &mut Out) {
        out.text("versionId", self.version.as_deref());
        out.text("lastUpdated", self.updated.as_ref().map(DateTime::as_str));
        out.text("source", self.source.as_deref());
        out.texts("profile", &self.profiles);
        out.many("security", &self.security);
        out.many("tag", &self.tags);
    }
}
