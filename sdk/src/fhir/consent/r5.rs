//! Consents as FHIR R5.
//!
//! R5 has `decision`, what holds when no provision applies, and each level of provisions turns it
//! round. R4 has the root provision's `type`, which speaks only of what that provision names. So:
//!
//! | here | R4 | R5 |
//! |---|---|---|
//! | permit what a rule names, but for exceptions | root permits, names; nested deny | deny; one provision names; nested |
//! | deny, but for exceptions that permit | root denies, names nothing; nested permit | deny; provisions |
//! | permit all, but for exceptions that deny | root permits, names nothing; nested deny | permit; provisions |
//!
//! A lone permission without exceptions has two forms in R4 and one in R5; it is read from R5 as the
//! first, except that breaking the glass is read as the second, as PCF writes it. R5's `period` is the
//! root provision's.

use super::{
    Base, Consent, Decision, Exception, Grantor, Head, Policy, Rule, Source, Verification,
};
use crate::fhir::element::{Attachment, Concept, DateTime, Period, Reference};
use crate::fhir::error::{Fault, FhirError};
use crate::fhir::fields::{Element, Fields, unsigned};
use crate::fhir::out::Out;
use serde_json::Value as Json;

impl Consent {
    /// Reads a Consent of FHIR R5.
    ///
    /// # Errors
    /// [`FhirError`] names the element that is missing or not carried.
    pub fn from_r5(text: &str) -> Result<Self, FhirError> {
        let mut fields = Fields::resource(text, "Consent")?;
        let mut head = Head::read(&mut fields, super::Status::in_r5)?;
        let subject = fields.need("subject", "a consent here")?;
        let given = given(&mut fields, head.moment.take())?;
        let grantors: Vec<Grantor> = fields.many("grantor")?;
        let custodians: Vec<Reference> = fields.many("controller")?;
        let source = source(&mut fields)?;
        let regulations: Vec<Concept> = fields.many("regulatoryBasis")?;
        if regulations.len() > 1 {
            return Err(fields.error(
                "regulatoryBasis",
                Fault::TooMuch {
                    what: "regulations",
                    limit: 1,
                },
            ));
        }
        let policies = fields
            .one::<Basis>("policyBasis")?
            .into_iter()
            .map(Policy::from)
            .collect();
        let verifications = fields.many("verification")?;
        let base = base(&mut fields)?;
        fields.finish()?;
        Ok(Self {
            id: head.id,
            meta: head.meta,
            language: head.language,
            narrative: head.narrative,
            identifiers: head.identifiers,
            status: head.status,
            scope: Self::patient_privacy(),
            categories: head.categories,
            subject,
            given,
            grantors,
            custodians,
            source,
            policies,
            regulation: regulations.into_iter().next(),
            base,
            separate: head.separate,
            supersedes: head.supersedes,
            verifications,
        })
    }

    /// Writes it as FHIR R5.
    ///
    /// # Errors
    /// [`FhirError`] names the element that R5 cannot say.
    pub fn to_r5(&self) -> Result<Json, FhirError> {
        let cannot = |at: &str, why| Err(FhirError::new(at, Fault::NotExpressible(why)));
        if !self.status.in_r5() {
            return cannot(
                "Consent.status",
                "R5 has no such status; choose one of R5's",
            );
        }
        if self.scope != Self::patient_privacy() {
            return cannot(
                "Consent.scope",
                "R5 has no scope, so more than the one code would be lost",
            );
        }
        let ([]
        | [
            Policy {
                uri: Some(_),
                authority: None,
            },
        ]) = self.policies.as_slice()
        else {
            return cannot(
                "Consent.policy",
                "R5 has one policyBasis with an address and no authority; keep one policy",
            );
        };
        let mut out = Out::resource("Consent");
        let moment = self
            .given
            .as_ref()
            .filter(|given| given.day() != given.as_str());
        self.write_head(&mut out, moment);
        out.one("subject", Some(&self.subject));
        out.text("date", self.given.as_ref().map(DateTime::day));
        out.many("grantor", &self.grantors);
        out.many("controller", &self.custodians);
        match &self.source {
            Some(Source::Reference(reference)) => {
                out.many("sourceReference", std::slice::from_ref(reference))
            }
            Some(Source::Attachment(attachment)) => {
                out.many("sourceAttachment", &[Sized64(attachment.clone())])
            }
            None => {}
        }
        out.many("regulatoryBasis", self.regulation.as_slice());
        let url = self.policies.first().and_then(|policy| policy.uri.clone());
        out.one("policyBasis", url.map(|url| Basis { url }).as_ref());
        out.many("verification", &self.verifications);
        self.write_base(&mut out)?;
        Ok(out.done())
    }

    fn write_base(&self, out: &mut Out) -> Result<(), FhirError> {
        let cannot = |at: &str, why| Err(FhirError::new(at, Fault::NotExpressible(why)));
        let base = &self.base;
        if base
            .exceptions
            .iter()
            .any(|one| one.decision == base.decision)
        {
            return cannot(
                "Consent.provision.provision",
                "in R5 an exception decides the opposite of what it is an exception to",
            );
        }
        if base.exceptions.iter().any(|one| one.rule.period.is_some()) {
            return cannot(
                "Consent.provision.provision.period",
                "the period of an exception is not carried between releases",
            );
        }
        if base
            .exceptions
            .iter()
            .any(|one| one.rule == Rule::default())
        {
            return cannot(
                "Consent.provision.provision",
                "an exception names something",
            );
        }
        out.one("period", base.rule.period.as_ref());
        let named = Rule {
            period: None,
            ..base.rule.clone()
        };
        let exceptions: Vec<Json> = base
            .exceptions
            .iter()
            .map(|one| one.rule.write_r5().done())
            .collect();
        if named == Rule::default() {
            out.text("decision", Some(base.decision.code()));
            out.list("provision", exceptions);
            return Ok(());
        }
        if base.decision == Decision::Deny {
            return cannot(
                "Consent.provision",
                "to deny what a rule names would permit everything else in R5; deny all, with exceptions",
            );
        }
        out.text("decision", Some(Decision::Deny.code()));
        let mut provision = named.write_r5();
        provision.list("provision", exceptions);
        out.list("provision", vec![provision.done()]);
        Ok(())
    }
}

/// `date`, and the moment in our extension where there is one.
fn given(fields: &mut Fields<'_>, moment: Option<DateTime>) -> Result<Option<DateTime>, FhirError> {
    let date = fields.parsed("date", "a FHIR date", |text| {
        DateTime::new(text).filter(|date| date.day() == text)
    })?;
    let Some(moment) = moment else {
        return Ok(date);
    };
    let fits =
        date.is_some_and(|date| date.as_str() == moment.day()) && moment.day() != moment.as_str();
    if fits {
        return Ok(Some(moment));
    }
    Err(fields.error(
        "date",
        Fault::Malformed("the day of the moment in the extension"),
    ))
}

fn source(fields: &mut Fields<'_>) -> Result<Option<Source>, FhirError> {
    let references: Vec<Reference> = fields.many("sourceReference")?;
    let attachments: Vec<Sized64> = fields.many("sourceAttachment")?;
    let references = references.into_iter().map(Source::Reference);
    let attachments = attachments.into_iter().map(|one| Source::Attachment(one.0));
    let mut all = references.chain(attachments);
    let source = all.next();
    if all.next().is_some() {
        return Err(fields.error(
            "sourceReference",
            Fault::TooMuch {
                what: "source document",
                limit: 1,
            },
        ));
    }
    Ok(source)
}

/// An attachment of R5: its `size` is an integer64, which FHIR's JSON has as a text.
struct Sized64(Attachment);

impl Element for Sized64 {
    fn read(fields: &mut Fields<'_>) -> Result<Self, FhirError> {
        const WHAT: &str = "a text with a whole number from 0 to 2147483647";
        let size = fields.parsed("size", WHAT, unsigned)?;
        Ok(Self(Attachment {
            size,
            ..Attachment::read(fields)?
        }))
    }

    fn write(&self, out: &mut Out) {
        self.0.write(out);
        let size = self.0.size.map(|size| size.to_string());
        out.text("size", size.as_deref());
    }
}

/// A provision of R5, and what stands below it.
struct Provision {
    rule: Rule,
    below: Vec<Rule>,
}

fn base(fields: &mut Fields<'_>) -> Result<Base, FhirError> {
    let decision = fields.parsed("decision", "permit or deny", Decision::of)?;
    let decision =
        decision.ok_or_else(|| fields.error("decision", Fault::Missing("a consent here")))?;
    let period: Option<Period> = fields.one("period")?;
    let mut provisions = fields.list("provision", provision)?;
    if decision == Decision::Deny && provisions.len() == 1 {
        let alone = provisions.remove(0);
        if !alone.below.is_empty() || !alone.rule.is_break_glass() {
            let rule = Rule {
                period,
                ..alone.rule
            };
            return Ok(Base {
                decision: Decision::Permit,
                rule,
                exceptions: exceptions(Decision::Deny, alone.below),
            });
        }
        provisions.push(alone);
    }
    if provisions.iter().any(|one| !one.below.is_empty()) {
        const ONE: &str =
            "one level of provisions, or one provision with exceptions below a decision to deny";
        return Err(fields.error("provision", Fault::Malformed(ONE)));
    }
    let rules = provisions.into_iter().map(|one| one.rule).collect();
    let rule = Rule {
        period,
        ..Rule::default()
    };
    Ok(Base {
        decision,
        rule,
        exceptions: exceptions(decision.opposite(), rules),
    })
}

fn exceptions(decision: Decision, rules: Vec<Rule>) -> Vec<Exception> {
    rules
        .into_iter()
        .map(|rule| Exception { decision, rule })
        .collect()
}

fn provision(mut fields: Fields<'_>) -> Result<Provision, FhirError> {
    let rule = Rule::read_r5(&mut fields)?;
    let below = fields.list("provision", |mut nested| {
        let rule = Rule::read_r5(&mut nested)?;
        nested.finish()?;
        Ok(rule)
    })?;
    if rule == Rule::default() {
        return Err(FhirError::new(
            fields.at(),
            Fault::Malformed("a provision that names something"),
        ));
    }
    fields.finish()?;
    Ok(Provision { rule, below })
}

/// `policyBasis` with an address.
struct Basis {
    url: String,
}

impl From<Basis> for Policy {
    fn from(basis: Basis) -> Self {
        Self {
            uri: Some(basis.url),
            authority: None,
        }
    }
}

impl Element for Basis {
    fn read(fields: &mut Fields<'_>) -> Result<Self, FhirError> {
        Ok(Self {
            url: fields.need_text("url", "a policyBasis here")?,
        })
    }

    fn write(&self, out: &mut Out) {
        out.text("url", Some(&self.url));
    }
}

impl Element for Verification {
    fn read(fields: &mut Fields<'_>) -> Result<Self, FhirError> {
        let verified = fields.boolean("verified")?;
        let dates = fields.texts("verificationDate")?;
        let dates: Option<Vec<DateTime>> = dates.iter().map(|text| DateTime::new(text)).collect();
        Ok(Self {
            verified: verified
                .ok_or_else(|| fields.error("verified", Fault::Missing("a verification here")))?,
            kind: fields.one("verificationType")?,
            by: fields.one("verifiedBy")?,
            with: fields.one("verifiedWith")?,
            dates: dates.ok_or_else(|| {
                fields.error(
                    "verificationDate",
                    Fault::Malformed("a list of FHIR dateTimes"),
                )
            })?,
        })
    }

    fn write(&self, out: &mut Out) {
        out.put("verified", self.verified);
        out.one("verificationType", self.kind.as_ref());
        out.one("verifiedBy", self.by.as_ref());
        out.one("verifiedWith", self.with.as_ref());
        let dates: Vec<String> = self
            .dates
            .iter()
            .map(|date| date.as_str().to_owned())
            .collect();
        out.texts("verificationDate", &dates);
    }
}
