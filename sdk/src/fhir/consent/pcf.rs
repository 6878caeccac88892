//! What IHE PCF (Privacy Consent on FHIR, R4) asks of a consent beyond its form.
//!
//! What always holds: the same check stands before what is read is used and before anything is
//! written, so that a consent that was read can be written.

use super::{Consent, Rule};
use crate::fhir::element::Coding;
use crate::fhir::error::{Fault, FhirError};
use crate::fhir::purpose;

/// PCF's options: how much a system must understand to enforce the consent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PcfOption {
    /// Treatment, payment and operations, nothing more.
    Basic,
    /// Other purposes, particular data, times and exceptions too.
    Intermediate,
    /// Security labels too.
    Advanced,
}

impl PcfOption {
    /// The address of the profile.
    #[must_use]
    pub const fn profile(self) -> &'static str {
        match self {
            Self::Basic => {
                "https://profiles.ihe.net/ITI/PCF/StructureDefinition/IHE.PCF.consentBasic"
            }
            Self::Intermediate => {
                "https://profiles.ihe.net/ITI/PCF/StructureDefinition/IHE.PCF.consentIntermediate"
            }
            Self::Advanced => {
                "https://profiles.ihe.net/ITI/PCF/StructureDefinition/IHE.PCF.consentAdvanced"
            }
        }
    }
}

impl Consent {
    /// The least of PCF's options that can say what this consent says.
    #[must_use]
    pub fn pcf_option(&self) -> PcfOption {
        let exceptions = &self.base.exceptions;
        let rules = || {
            exceptions
                .iter()
                .map(|exception| &exception.rule)
                .chain([&self.base.rule])
        };
        if rules().any(|rule| !rule.labels.is_empty()) {
            return PcfOption::Advanced;
        }
        let more = |rule: &Rule| {
            rule.data_period.is_some()
                || !rule.data.is_empty()
                || !rule.purposes.iter().all(is_basic)
        };
        if exceptions.is_empty() && !rules().any(more) {
            PcfOption::Basic
        } else {
            PcfOption::Intermediate
        }
    }

    pub(super) fn check_pcf(&self) -> Result<(), FhirError> {
        let policy_names_nothing = self.policies.iter().any(|policy| policy.uri.is_none());
        // R4 asks for one of the two (ppc-1), and PCF for the address of each policy that there is.
        let neither = self.policies.is_empty() && self.regulation.is_none();
        let absent = [
            (self.categories.is_empty(), "Consent.category"),
            (self.given.is_none(), "Consent.dateTime"),
            (self.grantors.is_empty(), "Consent.performer"),
            (self.custodians.is_empty(), "Consent.organization"),
            (self.source.is_none(), "Consent.source[x]"),
            (neither || policy_names_nothing, "Consent.policy.uri"),
        ];
        if let Some((_, at)) = absent.into_iter().find(|(absent, _)| *absent) {
            return Err(FhirError::new(at, Fault::Missing("IHE PCF")));
        }
        Self::check_scope(&self.scope, "Consent.scope")?;
        check_data(&self.base.rule, "Consent.provision", usize::MAX)?;
        for (index, exception) in self.base.exceptions.iter().enumerate() {
            check_data(
                &exception.rule,
                &format!("Consent.provision.provision[{index}]"),
                1,
            )?;
        }
        Ok(())
    }
}

fn is_basic(purpose: &Coding) -> bool {
    ["TREAT", "HPAYMT", "HOPERAT"]
        .into_iter()
        .any(|basic| purpose.is(purpose::SYSTEM, basic))
}

/// PCF's slices of `data`: what each meaning may refer to, and how many an exception may have of one.
fn check_data(rule: &Rule, at: &str, of_one_meaning: usize) -> Result<(), FhirError> {
    for (index, data) in rule.data.iter().enumerate() {
        let refused = |fault| Err(FhirError::new(format!("{at}.data[{index}]"), fault));
        let allowed = data.meaning.allowed();
        let kind = data.reference.resource_type();
        if !allowed.is_empty() && kind.is_some_and(|kind| !allowed.contains(&kind)) {
            return refused(Fault::Forbidden(
                "this meaning does not go with this type of resource; name another",
            ));
        }
        let same = rule
            .data
            .iter()
            .filter(|other| other.meaning == data.meaning)
            .count();
        if same > of_one_meaning {
            return refused(Fault::Forbidden(
                "an exception names one of each meaning; write one exception for each",
            ));
        }
    }
    Ok(())
}
