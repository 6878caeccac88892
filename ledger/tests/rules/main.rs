//! The rules, through the one door that proposers, validators and auditors use.

mod access;
mod admission;
mod blocks;
mod break_glass;
mod chain;
mod consent;
mod consent_end;
mod custody;
mod emergency;
mod governance;
mod inspection;
mod inspection_keys;
mod keys;
mod model;
mod openings;
mod prescription;
mod record;
mod unit;
mod world;
