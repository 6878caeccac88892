//! Why a resource was refused: which element, and what to do about it.
//!
//! What always holds: an error is built from this crate's words, the names that FHIR gives its
//! elements, and places in lists. No value of the resource, and no name that FHIR does not define, is
//! ever part of one, so errors may be shown and logged.

/// A resource, or something that should become one, was refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{at}: {fault}")]
pub struct FhirError {
    /// The element, such as `Consent.provision.actor[1].role`.
    pub at: String,
    /// What is wrong with it, and what to do.
    pub fault: Fault,
}

/// What is wrong with an element.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// Not JSON, or no object.
    #[error("not a JSON object; give one resource in UTF-8")]
    NotJson,
    /// A member is named twice, a text does not decode, or it nests too deep.
    #[error(
        "not strict JSON: a member is named twice, a text does not decode, or it nests deeper than 64 levels"
    )]
    NotStrict,
    /// A bound was passed.
    #[error("more than {limit} {what}; make it smaller")]
    TooMuch {
        /// What there is too much of.
        what: &'static str,
        /// The most there may be.
        limit: usize,
    },
    /// Another resource type.
    #[error("another resource type; give a {0}")]
    OtherResource(&'static str),
    /// A needed element is absent.
    #[error("missing, and {0} needs it; add it")]
    Missing(&'static str),
    /// An element is not what the standard says it is.
    #[error("not {0}; correct it")]
    Malformed(&'static str),
    /// The profile forbids the element.
    #[error("IHE PCF forbids it: {0}")]
    Forbidden(&'static str),
    /// The standard has the element, but nothing here carries it.
    #[error(
        "not carried here, and refused rather than lost; remove it or say it in another element"
    )]
    NotCarried,
    /// No element of the standard.
    #[error("has a member that FHIR does not define there; remove it")]
    Unknown,
    /// What is said cannot be said in this release of FHIR, or means something else there.
    #[error("cannot be written as this release of FHIR: {0}")]
    NotExpressible(&'static str),
}

impl FhirError {
    pub(crate) fn new(at: impl Into<String>, fault: Fault) -> Self {
        Self {
            at: at.into(),
            fault,
        }
    }
}
