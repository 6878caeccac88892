//! Every reader and verifier of foreign bytes as a property of those bytes, for the fuzzers and for
//! the ordinary tests.
//!
//! What always holds: a target ends for any bytes, without a panic of the code it calls; it panics
//! itself when a property is broken: what was read is written back to the very same bytes, nothing is
//! proved but what the vectors say is true, and no more memory is taken than a bound that follows
//! from the length of the bytes.

mod answers;
mod auditor;
mod cose;
mod custody;
mod direct;
mod documents;
mod facts;
mod growth;
mod inspection;
mod kept;
mod ledger;
mod merkle;
#[cfg(feature = "node")]
mod node;
mod proofs;
mod sdk;
pub mod seeds;
mod state;
mod store;
mod vault;

pub use seeds::Seeds;

use std::panic::{catch_unwind, resume_unwind};

/// A reader or verifier of foreign bytes.
#[derive(Clone, Copy, Debug)]
pub struct Target {
    /// Its name, which is the name of its corpus too.
    pub name: &'static str,
    /// Where its first inputs stand.
    pub seeds: &'static [Seeds],
    /// The most bytes that may be held at once for one byte of input.
    pub held_per_byte: u64,
    /// The property; says whether the reader or verifier took the bytes.
    property: fn(&[u8]) -> bool,
}

impl Target {
    const fn new(name: &'static str, seeds: &'static [Seeds], property: fn(&[u8]) -> bool) -> Self {
        let held_per_byte = 16;
        Self {
            name,
            seeds,
            held_per_byte,
            property,
        }
    }

    const fn holding(self, held_per_byte: u64) -> Self {
        Self {
            held_per_byte,
            ..self
        }
    }

    /// Holds the bytes against the property; says whether the reader or verifier took them.
    ///
    /// # Panics
    /// If the property is broken.
    pub fn run(&self, bytes: &[u8]) -> bool {
        facts::prepare();
        // A panic must not leave the counter in the middle of a measurement: it would abort later.
        let mut outcome = Ok(false);
        let taken =
            allocation_counter::measure(|| outcome = catch_unwind(|| (self.property)(bytes)));
        let accepted = outcome.unwrap_or_else(|panic| resume_unwind(panic));
        let bound = HELD_ALWAYS + self.held_per_byte * bytes.len() as u64;
        assert!(
            taken.bytes_max <= bound,
            "{} held {} bytes for an input of {}, above {bound}",
            self.name,
            taken.bytes_max,
            bytes.len()
        );
        accepted
    }
}

/// What a target may hold for an empty input: its own tables, and the text of an error.
const HELD_ALWAYS: u64 = 256 << 10;

/// The targets of one part of the product, and so on for all parts.
pub const TARGETS: &[&[Target]] = &[
    ledger::TARGETS,
    merkle::TARGETS,
    proofs::TARGETS,
    cose::TARGETS,
    growth::TARGETS,
    state::TARGETS,
    documents::TARGETS,
    inspection::TARGETS,
    auditor::TARGETS,
    vault::TARGETS,
    custody::TARGETS,
    direct::TARGETS,
    sdk::TARGETS,
    answers::TARGETS,
    kept::TARGETS,
    store::TARGETS,
    #[cfg(feature = "node")]
    node::TARGETS,
];

/// All targets.
pub fn targets() -> impl Iterator<Item = &'static Target> {
    TARGETS.iter().copied().flatten()
}

/// The target of that name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Target> {
    targets().find(|target| target.name == name)
}

/// What was read must be written back to the same bytes.
fn rewritten<T>(bytes: &[u8], read: Option<T>, write: impl Fn(&T) -> Vec<u8>) -> Option<T> {
    if let Some(value) = &read {
        assert_eq!(write(value), bytes, "one meaning, two encodings");
    }
    read
}

/// The same for a text.
fn reprinted<T: std::str::FromStr + ToString>(bytes: &[u8]) -> Option<T> {
    let text = std::str::from_utf8(bytes).ok()?;
    rewritten(bytes, text.parse().ok(), |value: &T| {
        value.to_string().into_bytes()
    })
}

/// Takes the choices of a structured case off the front of the input; zeros when it is used up.
struct Choices<'a>(&'a [u8]);

impl Choices<'_> {
    fn byte(&mut self) -> u8 {
        let (byte, rest) = self.0.split_first().unwrap_or((&0, &[]));
        self.0 = rest;
        *byte
    }

    fn below(&mut self, bound: u64) -> u64 {
        (u64::from(self.byte()) << 8 | u64::from(self.byte())) % bound.max(1)
    }
}
