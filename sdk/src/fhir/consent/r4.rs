//! Consents as FHIR R4 under IHE PCF.

use super::{Base, Consent, Exception, Head, Rule, Source};
use crate::fhir::element::{Concept, DateTime, Reference};
use crate::fhir::error::{Fault, FhirError};
use crate::fhir::fields::Fields;
use crate::fhir::out::Out;
use serde_json::Value as Json;

const DEEP: &str =
    "exceptions have no exceptions of their own; write them as exceptions of the base rule";
const NO_VERIFICATION: &str = "leave it out, or write the consent as R5";

impl Consent {
    /// Reads a Consent of FHIR R4 that follows IHE PCF.
    ///
    /// # Errors
    /// [`FhirError`] names the element that is missing, forbidden or not carried.
    pub fn from_r4(text: &str) -> Result<Self, FhirError> {
        let mut fields = Fields::resource(text, "Consent")?;
        let head = Head::read(&mut fields, super::Status::in_r4)?;
        fields.forbid("verification", Fault::Forbidden(NO_VERIFICATION))?;
        if head.moment.is_some() {
            return Err(fields.error(
                "extension",
                Fault::Malformed("for R4, whose dateTime holds the moment"),
            ));
        }
        let scope: Concept = fields.need("scope", "FHIR R4")?;
        Self::check_scope(&scope, "Consent.scope")?;
        let subject = fields.need("patient", "IHE PCF")?;
        let consent = Self {
            id: head.id,
            meta: head.meta,
            language: head.language,
            narrative: head.narrative,
            identifiers: head.identifiers,
            status: head.status,
            scope,
            categories: head.categories,
            subject,
            given: fields.parsed("dateTime", "a FHIR dateTime", DateTime::new)?,
            grantors: fields.many("performer")?,
            custodians: fields.many("organization")?,
            source: source(&mut fields)?,
            policies: fields.many("policy")?,
            regulation: fields.one("policyRule")?,
            base: fields.need("provision", "IHE PCF")?,
            separate: head.separate,
            supersedes: head.supersedes,
            verifications: Vec::new(),
        };
        fields.finish()?;
        consent.check_pcf()?;
        Ok(consent)
    }

    /// Writes it as FHIR R4 under IHE PCF.
    ///
    /// # Errors
    /// [`FhirError`] names the element that PCF needs and that is not there, or that R4 cannot say.
    pub fn to_r4(&self) -> Result<Json, FhirError> {
        if !self.status.in_r4() {
            return Err(FhirError::new(
                "Consent.status",
                Fault::NotExpressible("R4 has no such status; choose one of R4's"),
            ));
        }
        if !self.verifications.is_empty() {
            return Err(FhirError::new(
                "Consent.verification",
                Fault::Forbidden(NO_VERIFICATION),
            ));
        }
        self.check_pcf()?;
        let mut out = Out::resource("Consent");
        self.write_head(&mut out, None);
        out.one("scope", Some(&self.scope));
        out.one("patient", Some(&self.subject));
        out.text("dateTime", self.given.as_ref().map(DateTime::as_str));
        out.many("performer", &self.grantors);
        out.many("organization", &self.custodians);
        match &self.source {
            Some(Source::Reference(reference)) => out.one("sourceReference", Some(reference)),
            Some(Source::Attachment(attachment)) => out.one("sourceAttachment", Some(attachment)),
            None => {}
        }
        out.many("policy", &self.policies);
        out.one("policyRule", self.regulation.as_ref());
        out.one("provision", Some(&self.base));
        Ok(out.done())
    }
}

fn source(fields: &mut Fields<'_>) -> Result<Option<Source>, FhirError> {
    let reference: Option<Reference> = fields.one("sourceReference")?;
    let attachment = fields.one("sourceAttachment")?;
    match (reference, attachment) {
        (Some(_), Some(_)) => Err(fields.error(
            "sourceAttachment",
            Fault::Malformed("alone: FHIR allows one source[x]"),
        )),
        (Some(reference), None) => Ok(Some(Source::Reference(reference))),
        (None, attachment) => Ok(attachment.map(Source::Attachment)),
    }
}

/// The form of R4: the base rule is the root provision, its exceptions the provisions below.
impl crate::fhir::fields::Element for Base {
    fn read(fields: &mut Fields<'_>) -> Result<Self, FhirError> {
        let (decision, rule) = Rule::read_r4(fields)?;
        let exceptions = fields.list("provision", |mut nested| {
            let (decision, rule) = Rule::read_r4(&mut nested)?;
            nested.forbid("provision", Fault::Forbidden(DEEP))?;
            nested.finish()?;
            Ok(Exception { decision, rule })
        })?;
        Ok(Self {
            decision,
            rule,
            exceptions,
        })
    }

    fn write(&self, out: &mut Out) {
        let mut written = self.rule.write_r4(self.decision);
        let exceptions = self.exceptions.iter();
        written.list(
            "provision",
            exceptions
                .map(|one| one.rule.write_r4(one.decision).done())
                .collect(),
        );
        *out = written;
    }
}
