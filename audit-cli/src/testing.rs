//! Readers that are private to the auditor, as functions of bytes: for the fuzzers.

use crate::attestation::Attestation;
use crate::entries::take_entry;
use crate::observation::Observation;
use crate::records::Records;
use crate::releases::source;
use crate::sample::items;
use medanchor_ledger::{NetworkId, TreeHash};
use medanchor_vault::custody::Released;
use std::collections::BTreeSet;

/// Reads an observation and writes it again.
#[must_use]
pub fn observation(bytes: &[u8]) -> Option<Vec<u8>> {
    let read = Observation::parse(bytes).ok()?;
    Some(read.to_string().into_bytes())
}

/// Reads an attestation and writes it again.
#[must_use]
pub fn attestation(bytes: &[u8]) -> Option<Vec<u8>> {
    Some(Attestation::parse(bytes).ok()?.encode())
}

/// What a population file holds.
#[derive(Debug)]
pub struct Population {
    /// How many items there are.
    pub count: u64,
    /// The root, if the file may be a whole population.
    pub root: Option<TreeHash>,
    /// Which of the wanted places it has.
    pub shown: Vec<u64>,
}

/// Reads a population file.
#[must_use]
pub fn population(bytes: &[u8], wanted: &BTreeSet<u64>) -> Option<Population> {
    let read = items::read_lines("a file", bytes, wanted).ok()?;
    Some(Population {
        count: read.count,
        root: read.root,
        shown: read.shown.into_keys().collect(),
    })
}

/// What a file of records holds.
#[derive(Debug)]
pub struct Framed {
    /// The whole records, each with where it begins.
    pub records: Vec<(u64, Vec<u8>)>,
    /// Whether a part of one more follows.
    pub incomplete_tail: bool,
}

/// Reads a file of records of at most `longest` bytes each; none if it is damaged.
#[must_use]
pub fn records(bytes: &[u8], longest: usize) -> Option<Framed> {
    let stream = Box::new(std::io::Cursor::new(bytes.to_vec()));
    let mut read = Records::of("records", Some(stream), 0, longest);
    let mut records = Vec::new();
    while let Some(record) = read.next().ok()? {
        records.push(record);
    }
    let incomplete_tail = read.has_incomplete_tail();
    Some(Framed {
        records,
        incomplete_tail,
    })
}

/// Reads the entries of a bundle as far as they are whole; gives them and what is left.
#[must_use]
pub fn entries(mut bytes: &[u8]) -> (Vec<&[u8]>, &[u8]) {
    let mut entries = Vec::new();
    while let Some(entry) = take_entry(&mut bytes) {
        entries.push(entry);
    }
    (entries, bytes)
}

/// Reads a custodian's log of releases.
#[must_use]
pub fn release_log(bytes: &[u8], network: NetworkId) -> Option<Vec<Released>> {
    source::read(bytes, network).ok()
}
