//! Consents and lists of accesses as FHIR, from outside.

mod accesses;
mod elements;
mod grants;
mod round;
mod validator;
mod vectors;
