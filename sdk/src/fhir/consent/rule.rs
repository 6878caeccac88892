//! A rule of a consent: about whom, for what, which data, when.
//!
//! What always holds: a rule that names no actors, purposes, classes or labels is about all of them,
//! as in FHIR; so nothing may be left out when one is read.

use super::{Decision, words};
use crate::fhir::element::{Coding, Concept, Period, Reference};
use crate::fhir::error::{Fault, FhirError};
use crate::fhir::fields::{Element, Fields};
use crate::fhir::out::Out;
use crate::fhir::purpose;
pub use medanchor_vault::Level;
use serde_json::Value as Json;

/// The code system of the levels of GB/T 39725-2020 in `securityLabel`.
pub const SENSITIVITY: &str = "urn:medanchor:fhir:sensitivity";

/// The code system of the categories of GB/T 39725-2020, such as `health-status`.
pub const CATEGORIES: &str = "urn:medanchor:fhir:category";

/// The level of a security label, if it is one of ours.
#[must_use]
pub fn level_of(label: &Coding) -> Option<Level> {
    Level::ALL
        .into_iter()
        .find(|level| label.is(SENSITIVITY, level.as_str()))
}

/// Whether a consent to this level must be a separate one (PIPL 29).
#[must_use]
pub const fn is_sensitive(level: Level) -> bool {
    matches!(level, Level::L4 | Level::L5)
}

/// Who is permitted or denied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// In which role: information recipient.
    pub role: Concept,
    /// An Organization, Practitioner, PractitionerRole, CareTeam, Group, RelatedPerson or Device.
    pub who: Reference,
}

impl Actor {
    /// An information recipient.
    #[must_use]
    pub fn recipient(who: Reference) -> Self {
        Self {
            role: Concept::new(words::PARTICIPATION, words::RECIPIENT),
            who,
        }
    }
}

impl Element for Actor {
    fn read(fields: &mut Fields<'_>) -> Result<Self, FhirError> {
        let role: Concept = fields.need("role", "IHE PCF")?;
        if !role.is(words::PARTICIPATION, words::RECIPIENT) {
            return Err(fields.error(
                "role",
                Fault::Malformed("IRCP (information recipient), as IHE PCF asks"),
            ));
        }
        Ok(Self {
            role,
            who: fields.need("reference", "a recipient")?,
        })
    }

    fn write(&self, out: &mut Out) {
        out.one("role", Some(&self.role));
        out.one("reference", Some(&self.who));
    }
}

/// How data hangs together with what is named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// The resource itself.
    Instance,
    /// What belongs to it, such as an encounter's records.
    Related,
    /// What somebody wrote.
    AuthoredBy,
}

impl Meaning {
    const ALL: [Self; 3] = [Self::Instance, Self::Related, Self::AuthoredBy];

    /// FHIR's code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Instance => "instance",
            Self::Related => "related",
            Self::AuthoredBy => "authoredby",
        }
    }

    /// The types that IHE PCF lets it refer to; none for any.
    pub(super) const fn allowed(self) -> &'static [&'static str] {
        match self {
            Self::Instance => &[],
            Self::Related => &["Encounter", "CarePlan", "EpisodeOfCare"],
            Self::AuthoredBy => &[
                "Practitioner",
                "PractitionerRole",
                "Organization",
                "Device",
                "Group",
                "CareTeam",
                "Patient",
                "RelatedPerson",
            ],
        }
    }
}

/// Particular data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DataReference {
    /// How the data hangs together with what is named.
    pub meaning: Meaning,
    /// What is named.
    pub reference: Reference,
}

impl Element for DataReference {
    fn read(fields: &mut Fields<'_>) -> Result<Self, FhirError> {
        let meaning = |text: &str| {
            Meaning::ALL
                .into_iter()
                .find(|meaning| meaning.code() == text)
        };
        let meaning = fields.parsed(
            "meaning",
            "instance, related or authoredby, as IHE PCF asks",
            meaning,
        )?;
        Ok(Self {
            meaning: meaning.ok_or_else(|| fields.error("meaning", Fault::Missing("FHIR")))?,
            reference: fields.need("reference", "FHIR")?,
        })
    }

    fn write(&self, out: &mut Out) {
        out.text("meaning", Some(self.meaning.code()));
        out.one("reference", Some(&self.reference));
    }
}

/// About whom, for what, which data, when.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rule {
    /// When it holds.
    pub period: Option<Period>,
    /// About whom; everybody where empty.
    pub actors: Vec<Actor>,
    /// For what; anything where empty.
    pub purposes: Vec<Coding>,
    /// Which kinds of data; all where empty.
    pub classes: Vec<Coding>,
    /// Data with which labels; any where empty.
    pub labels: Vec<Coding>,
    /// Data of which time.
    pub data_period: Option<Period>,
    /// Which data in particular.
    pub data: Vec<DataReference>,
}

impl Rule {
    /// Whether it is about breaking the glass alone.
    #[must_use]
    pub fn is_break_glass(&self) -> bool {
        !self.purposes.is_empty()
            && self
                .purposes
                .iter()
                .all(|purpose| purpose.is(purpose::SYSTEM, purpose::BREAK_GLASS))
    }

    /// Reads an R4 provision; gives its type, its rule, and its exceptions.
    pub(super) fn read_r4(fields: &mut Fields<'_>) -> Result<(Decision, Self), FhirError> {
        const SAY: &str = "say it by purpose, or use the data-class extension for kinds of data";
        for name in ["action", "class", "code"] {
            fields.forbid(name, Fault::Forbidden(SAY))?;
        }
        let decision = fields.parsed("type", "permit or deny", Decision::of)?;
        let decision = decision.ok_or_else(|| fields.error("type", Fault::Missing("IHE PCF")))?;
        let classes = fields.list("extension", data_class)?;
        Ok((
            decision,
            Self {
                period: fields.one("period")?,
                classes,
                ..Self::read_common(fields)?
            },
        ))
    }

    /// Reads an R5 provision without its period and its exceptions.
    pub(super) fn read_r5(fields: &mut Fields<'_>) -> Result<Self, FhirError> {
        Ok(Self {
            classes: in_other_release(fields.many("resourceType")?),
            ..Self::read_common(fields)?
        })
    }

    fn read_common(fields: &mut Fields<'_>) -> Result<Self, FhirError> {
        Ok(Self {
            period: None,
            actors: fields.many("actor")?,
            purposes: fields.many("purpose")?,
            classes: Vec::new(),
            labels: fields.many("securityLabel")?,
            data_period: fields.one("dataPeriod")?,
            data: fields.many("data")?,
        })
    }

    pub(super) fn write_r4(&self, decision: Decision) -> Out {
        let mut out = Out::default();
        out.text("type", Some(decision.code()));
        out.one("period", self.period.as_ref());
        out.list(
            "extension",
            self.classes.iter().map(written_class).collect(),
        );
        self.write_common(&mut out);
        out
    }

    pub(super) fn write_r5(&self) -> Out {
        let mut out = Out::default();
        out.many("resourceType", &in_other_release(self.classes.clone()));
        self.write_common(&mut out);
        out
    }

    fn write_common(&self, out: &mut Out) {
        out.many("actor", &self.actors);
        out.many("purpose", &self.purposes);
        out.many("securityLabel", &self.labels);
        out.one("dataPeriod", self.data_period.as_ref());
        out.many("data", &self.data);
    }
}

/// R5 has the resource types in another code system than R4. The two names change places, either way, so that a
/// consent that names the wrong one is read and written again equal, too.
fn in_other_release(mut classes: Vec<Coding>) -> Vec<Coding> {
    for system in classes.iter_mut().filter_map(|class| class.system.as_mut()) {
        let other = match system.as_str() {
            words::RESOURCE_TYPES => words::RESOURCE_TYPES_OF_R5,
            words::RESOURCE_TYPES_OF_R5 => words::RESOURCE_TYPES,
            _ => continue,
        };
        other.clone_into(system);
    }
    classes
}

fn data_class(mut extension: Fields<'_>) -> Result<Coding, FhirError> {
    if extension.need_text("url", "an Extension")? != words::DATA_CLASS {
        return Err(FhirError::new(extension.at(), Fault::NotCarried));
    }
    let class = extension.need("valueCoding", "this extension")?;
    extension.finish()?;
    Ok(class)
}

fn written_class(class: &Coding) -> Json {
    let mut extension = Out::default();
    extension.text("url", Some(words::DATA_CLASS));
    extension.one("valueCoding", Some(class));
    extension.done()
}
