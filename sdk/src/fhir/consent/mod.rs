//! A consent as we hold it: what FHIR R4 under IHE PCF and FHIR R5 can both be read into.
//!
//! What always holds: reading refuses what is not carried, so that writing what was read gives an
//! equal resource; writing refuses what the release or the profile cannot say. The one thing that has
//! two forms is a permission with nothing around it, see [`r5`](self::Consent::to_r5).

mod pcf;
mod r4;
mod r5;
mod rule;

pub use pcf::PcfOption;
pub use rule::{
    Actor, CATEGORIES, DataReference, Level, Meaning, Rule, SENSITIVITY, is_sensitive, level_of,
};

use super::element::{
    Attachment, Coding, Concept, DateTime, Identifier, Meta, Narrative, Reference,
};
use super::error::{Fault, FhirError};
use super::fields::{Element, Fields};
use super::out::Out;
use serde_json::{Value as Json, json};

/// The code systems, and the extensions of ours, that consents use.
pub mod words {
    /// The code system of scopes.
    pub const SCOPES: &str = "http://terminology.hl7.org/CodeSystem/consentscope";
    /// The scope of every consent here.
    pub const PRIVACY: &str = "patient-privacy";
    /// The code system of roles in an act.
    pub const PARTICIPATION: &str = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType";
    /// The role of who may read: information recipient.
    pub const RECIPIENT: &str = "IRCP";
    /// The code system of relations between people.
    pub const ROLES: &str = "http://terminology.hl7.org/CodeSystem/v3-RoleCode";
    /// The code system of resource types, as R4 has it and consents are kept.
    pub const RESOURCE_TYPES: &str = "http://hl7.org/fhir/resource-types";
    /// The code system in which R5 has them.
    pub const RESOURCE_TYPES_OF_R5: &str = "http://hl7.org/fhir/fhir-types";
    /// Extension of the resource, one for each separate consent that was given (PIPL 23, 29, 39).
    pub const SEPARATE: &str = "urn:medanchor:fhir:separate-consent";
    /// Extension of the resource: the consent that it replaces.
    pub const SUPERSEDES: &str = "urn:medanchor:fhir:supersedes";
    /// Extension of a grantor: what they are to the patient.
    pub const RELATION: &str = "urn:medanchor:fhir:grantor-relation";
    /// Extension of an R4 provision: a kind of data, since PCF forbids `class`.
    pub const DATA_CLASS: &str = "urn:medanchor:fhir:data-class";
    /// Extension of an R5 resource: the moment that `date`, a day, cannot hold.
    pub const GIVEN: &str = "urn:medanchor:fhir:given";
}

/// Where a consent stands in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Being written.
    Draft,
    /// Offered; R4 only.
    Proposed,
    /// In force.
    Active,
    /// Refused; R4 only.
    Rejected,
    /// No longer in force.
    Inactive,
    /// Given up before it was given; R5 only.
    NotDone,
    /// Never given.
    EnteredInError,
    /// Not known; R5 only.
    Unknown,
}

impl Status {
    const ALL: [Self; 8] = [
        Self::Draft,
        Self::Proposed,
        Self::Active,
        Self::Rejected,
        Self::Inactive,
        Self::NotDone,
        Self::EnteredInError,
        Self::Unknown,
    ];

    /// FHIR's code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Draft => "draft",
            Self::Proposed => "proposed",
            Self::Active => "active",
            Self::Rejected => "rejected",
            Self::Inactive => "inactive",
            Self::NotDone => "not-done",
            Self::EnteredInError => "entered-in-error",
            Self::Unknown => "unknown",
        }
    }

    fn of(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.code() == code)
    }

    const fn in_r4(self) -> bool {
        !matches!(self, Self::NotDone | Self::Unknown)
    }

    const fn in_r5(self) -> bool {
        !matches!(self, Self::Proposed | Self::Rejected)
    }
}

/// Whether a rule lets read or forbids it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Lets read.
    Permit,
    /// Forbids.
    Deny,
}

impl Decision {
    /// FHIR's code.
    #[must_use]
    pub const fn code(self) -> &'static str {
        match self {
            Self::Permit => "permit",
            Self::Deny => "deny",
        }
    }

    fn of(code: &str) -> Option<Self> {
        [Self::Permit, Self::Deny]
            .into_iter()
            .find(|decision| decision.code() == code)
    }

    const fn opposite(self) -> Self {
        match self {
            Self::Permit => Self::Deny,
            Self::Deny => Self::Permit,
        }
    }
}

/// Who gave the consent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grantor {
    /// The patient, or whoever speaks for them.
    pub who: Reference,
    /// What they are to the patient, in HL7's RoleCode, such as `GUARD`; none for the patient.
    pub relation: Option<Coding>,
}

impl Grantor {
    /// Whether it says that somebody else than the patient agreed: by a relation, or as a `RelatedPerson`. Type and
    /// address are looked at both, and every part of the address: a version or a query may stand behind the type.
    pub(super) fn is_another(&self) -> bool {
        let said = [&self.who.reference, &self.who.kind].into_iter().flatten();
        let mut words = said.flat_map(|text| text.split(['/', '?', '#', '|']));
        self.relation.is_some() || words.any(|word| word == "RelatedPerson")
    }
}

impl Element for Grantor {
    fn read(fields: &mut Fields<'_>) -> Result<Self, FhirError> {
        let mut relation = None;
        fields.list("extension", |mut extension| {
            let known = extension.need_text("url", "an Extension")? == words::RELATION
                && relation.is_none();
            if !known {
                return Err(FhirError::new(extension.at(), Fault::NotCarried));
            }
            relation = Some(extension.need("valueCoding", "this extension")?);
            extension.finish()
        })?;
        Ok(Self {
            who: Reference::read(fields)?,
            relation,
        })
    }

    fn write(&self, out: &mut Out) {
        self.who.write(out);
        if let Some(relation) = &self.relation {
            let mut extension = Out::default();
            extension.text("url", Some(words::RELATION));
            extension.one("valueCoding", Some(relation));
            out.list("extension", vec![extension.done()]);
        }
    }
}

/// Where the signed document stands.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "a consent has one")]
pub enum Source {
    /// In a resource of its own.
    Reference(Reference),
    /// At an address, or inside.
    Attachment(Attachment),
}

/// A policy that was presented.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    /// Its address, that of one version.
    pub uri: Option<String>,
    /// Who enforces it.
    pub authority: Option<String>,
}

impl Element for Policy {
    fn read(fields: &mut Fields<'_>) -> Result<Self, FhirError> {
        Ok(Self {
            uri: fields.text("uri")?,
            authority: fields.text("authority")?,
        })
    }

    fn write(&self, out: &mut Out) {
        out.text("uri", self.uri.as_deref());
        out.text("authority", self.authority.as_deref());
    }
}

/// A separate consent that PIPL asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Flag {
    /// PIPL 29.
    #[error("sensitive")]
    Sensitive,
    /// PIPL 23.
    #[error("share")]
    Share,
    /// PIPL 39.
    #[error("cross-border")]
    CrossBorder,
}

/// The separate consents that PIPL asks for (articles 29, 23 and 39).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SeparateConsent {
    /// To the handling of sensitive data.
    pub sensitive: bool,
    /// To giving data to another organisation.
    pub share: bool,
    /// To giving data to another jurisdiction.
    pub cross_border: bool,
}

impl SeparateConsent {
    /// None of them.
    pub const NONE: Self = Self {
        sensitive: false,
        share: false,
        cross_border: false,
    };
    /// That to giving data to another organisation alone.
    pub const SHARE: Self = Self {
        share: true,
        ..Self::NONE
    };

    const CODES: [&'static str; 3] = ["sensitive", "share", "cross-border"];

    /// The first of those that are `needed` and were not given.
    #[must_use]
    pub const fn missing(self, needed: Self) -> Option<Flag> {
        match () {
            () if needed.sensitive && !self.sensitive => Some(Flag::Sensitive),
            () if needed.share && !self.share => Some(Flag::Share),
            () if needed.cross_border && !self.cross_border => Some(Flag::CrossBorder),
            () => None,
        }
    }

    fn flags(&mut self) -> [&mut bool; 3] {
        [&mut self.sensitive, &mut self.share, &mut self.cross_border]
    }

    fn codes(mut self) -> Vec<&'static str> {
        let flags = self.flags();
        let given = Self::CODES
            .into_iter()
            .zip(flags)
            .filter(|(_, flag)| **flag);
        given.map(|(code, _)| code).collect()
    }

    /// Sets the flag of that code, unless there is none or it is set already.
    fn set(&mut self, code: &str) -> Option<()> {
        let at = Self::CODES.iter().position(|known| *known == code)?;
        let flag = self.flags().into_iter().nth(at).filter(|flag| !**flag)?;
        *flag = true;
        Some(())
    }
}

/// That somebody checked the consent; R5, since PCF forbids it in R4.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verification {
    /// Whether it was found right.
    pub verified: bool,
    /// How it was checked.
    pub kind: Option<Concept>,
    /// Who checked.
    pub by: Option<Reference>,
    /// With whom it was checked.
    pub with: Option<Reference>,
    /// When.
    pub dates: Vec<DateTime>,
}

/// An exception to the base rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exception {
    /// What the exception decides.
    pub decision: Decision,
    /// About whom and what.
    pub rule: Rule,
}

/// The base rule and the exceptions to it, of which none has exceptions of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Base {
    /// What the base rule decides.
    pub decision: Decision,
    /// About whom and what; everything where it names nothing.
    pub rule: Rule,
    /// The exceptions.
    pub exceptions: Vec<Exception>,
}

/// A consent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Consent {
    /// The resource's id on its server.
    pub id: Option<String>,
    /// What is known of the resource itself.
    pub meta: Option<Meta>,
    /// The language it was presented in (BCP 47).
    pub language: Option<String>,
    /// The text that people read.
    pub narrative: Option<Narrative>,
    /// Business identifiers.
    pub identifiers: Vec<Identifier>,
    /// Where it stands in its life.
    pub status: Status,
    /// What it is about: patient privacy, in every consent here.
    pub scope: Concept,
    /// What kind of statement it is.
    pub categories: Vec<Concept>,
    /// The patient.
    pub subject: Reference,
    /// When it was given.
    pub given: Option<DateTime>,
    /// Who gave it.
    pub grantors: Vec<Grantor>,
    /// The organisations that presented it and enforce it.
    pub custodians: Vec<Reference>,
    /// The signed document.
    pub source: Option<Source>,
    /// The policies that were presented.
    pub policies: Vec<Policy>,
    /// The regulation it rests on (R4 `policyRule`, R5 `regulatoryBasis`).
    pub regulation: Option<Concept>,
    /// What it permits and denies.
    pub base: Base,
    /// The separate consents that were given with it.
    pub separate: SeparateConsent,
    /// The consent that it replaces.
    pub supersedes: Option<Reference>,
    /// Who checked it.
    pub verifications: Vec<Verification>,
}

impl Consent {
    /// The scope of every consent here.
    #[must_use]
    pub fn patient_privacy() -> Concept {
        Concept::new(words::SCOPES, words::PRIVACY)
    }

    /// Whether it forbids everything but breaking the glass.
    #[must_use]
    pub fn is_break_glass_only(&self) -> bool {
        let base = &self.base;
        let only = |exception: &Exception| {
            exception.decision == Decision::Permit && exception.rule.is_break_glass()
        };
        base.decision == Decision::Deny
            && base.rule
                == (Rule {
                    period: base.rule.period.clone(),
                    ..Rule::default()
                })
            && !base.exceptions.is_empty()
            && base.exceptions.iter().all(only)
    }
}

/// What both releases say in the same words, before the rest.
struct Head {
    id: Option<String>,
    meta: Option<Meta>,
    language: Option<String>,
    narrative: Option<Narrative>,
    identifiers: Vec<Identifier>,
    status: Status,
    categories: Vec<Concept>,
    separate: SeparateConsent,
    supersedes: Option<Reference>,
    moment: Option<DateTime>,
}

impl Head {
    fn read(fields: &mut Fields<'_>, in_release: fn(Status) -> bool) -> Result<Self, FhirError> {
        let status = |text: &str| Status::of(text).filter(|status| in_release(*status));
        let status = fields.parsed("status", "a status of this release of FHIR", status)?;
        let mut head = Self {
            id: fields.parsed("id", "a FHIR id", id)?,
            meta: fields.one("meta")?,
            language: fields.text("language")?,
            narrative: fields.one("text")?,
            identifiers: fields.many("identifier")?,
            status: status.ok_or_else(|| fields.error("status", Fault::Missing("FHIR")))?,
            categories: fields.many("category")?,
            separate: SeparateConsent::default(),
            supersedes: None,
            moment: None,
        };
        fields.list("extension", |extension| head.extension(extension))?;
        Ok(head)
    }

    fn extension(&mut self, mut extension: Fields<'_>) -> Result<(), FhirError> {
        let at = extension.at().to_owned();
        let twice = || FhirError::new(&at, Fault::Malformed("an extension that stands once"));
        match extension.need_text("url", "an Extension")?.as_str() {
            words::SEPARATE => {
                let set = |code: &str| self.separate.set(code);
                let known = extension.parsed(
                    "valueCode",
                    "sensitive, share or cross-border, each once",
                    set,
                )?;
                known.ok_or_else(|| {
                    extension.error("valueCode", Fault::Missing("this extension"))
                })?;
            }
            words::SUPERSEDES => {
                let before = self
                    .supersedes
                    .replace(extension.need("valueReference", "this extension")?);
                before.map_or(Ok(()), |_| Err(twice()))?;
            }
            words::GIVEN => {
                let moment = extension.parsed("valueDateTime", "a FHIR dateTime", DateTime::new)?;
                let before = std::mem::replace(&mut self.moment, moment);
                before.map_or(Ok(()), |_| Err(twice()))?;
            }
            _ => return Err(FhirError::new(at, Fault::NotCarried)),
        }
        extension.finish()
    }
}

fn id(text: &str) -> Option<String> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.';
    ((1..=64).contains(&text.len()) && text.bytes().all(allowed)).then(|| text.to_owned())
}

impl Consent {
    fn write_head(&self, out: &mut Out, moment: Option<&DateTime>) {
        out.text("id", self.id.as_deref());
        out.one("meta", self.meta.as_ref());
        out.text("language", self.language.as_deref());
        out.one("text", self.narrative.as_ref());
        out.many("identifier", &self.identifiers);
        out.text("status", Some(self.status.code()));
        out.many("category", &self.categories);
        out.list("extension", self.extensions(moment));
    }

    fn extensions(&self, moment: Option<&DateTime>) -> Vec<Json> {
        let separate = self.separate.codes().into_iter();
        let mut all: Vec<Json> = separate
            .map(|code| json!({ "url": words::SEPARATE, "valueCode": code }))
            .collect();
        if let Some(before) = &self.supersedes {
            let mut extension = Out::default();
            extension.text("url", Some(words::SUPERSEDES));
            extension.one("valueReference", Some(before));
            all.push(extension.done());
        }
        if let Some(moment) = moment {
            all.push(json!({ "url": words::GIVEN, "valueDateTime": moment.as_str() }));
        }
        all
    }

    /// Refuses a scope that is another one than patient privacy.
    fn check_scope(scope: &Concept, at: &str) -> Result<(), FhirError> {
        if scope.is(words::SCOPES, words::PRIVACY) {
            return Ok(());
        }
        Err(FhirError::new(
            at,
            Fault::Malformed("patient-privacy, the one scope of consents here"),
        ))
    }
}
