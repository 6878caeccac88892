//! Consents and lists of accesses as FHIR, from outside.

mod grants;
mod round;
mod vectors;
