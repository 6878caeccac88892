//! The rules, through the one door that proposers, validators and auditors use.

mod access;
mod admission;
mod blocks;
mod consent;
mod inspection;
mod model;
mod prescription;
mod record;
mod unit;
mod world;
