//! Care while custodians are out of reach: the hospital opens its own record by its emergency key, and the
//! patient sees it.
//!
//! What always holds: the opening is in the journal before the document is there, and what the ledger has
//! of the journal is read from proofs.

use super::books::Books;
use super::cast;
use super::city::{City, access};
use super::custody::{Kept, RECORD, SUBJECT};
use super::scenes::PERMITTED;
use medanchor_sdk::Sdk;
use medanchor_sdk::access_list::{Basis, GapReason};
use medanchor_sdk::emergency::NewEmergency;
use medanchor_sdk::patient::{Known, PatientHistory};
use medanchor_vault::{Passphrase, Protection};
use serde::Serialize;
use std::time::Duration;

/// What locks the key of a demo, which opens sample data alone.
const PASSPHRASE: &str = "nobody is in danger in a demo";

/// What became of the opening.
#[derive(Serialize)]
pub struct Emergency {
    /// Who opened its own record.
    pub owner: &'static str,
    /// Whether the ordinary way was tried and found cut: a permitted read that no custodian answered.
    pub ordinary_way_cut: bool,
    /// Whether the document came out as it went in.
    pub opened: bool,
    /// The opening's number in the journal.
    pub entry: u64,
    /// How many entries the journal had then that the ledger had not.
    pub waiting: u64,
    /// How many are anchored since.
    pub anchored: u64,
    /// How many openings by the emergency key the patient's list has.
    pub listed: usize,
    /// How many windows in it are not proved.
    pub unproven_windows: usize,
    /// Whether the list is complete up to its moment, and of this minute.
    pub list_is_sound: bool,
}

impl Emergency {
    /// How the read was decided that no custodian answered.
    pub const fn decisions(&self) -> [&str; 1] {
        [PERMITTED]
    }
}

fn protection() -> Protection {
    Protection::Passphrase(Passphrase::new(PASSPHRASE.into()))
}

/// Makes the hospital's emergency key and has the ledger know its journal: records that go into custody
/// from now on can be opened by it.
pub fn make_key(city: &City<'_>, books: &mut Books) -> anyhow::Result<()> {
    let owner = city.owner()?;
    owner.make_emergency_key(&protection())?;
    // Nothing is due yet but to register it.
    anchor(owner, Duration::MAX, books).map(drop)
}

/// Anchors what the ledger lacks of the journal; gives how many entries that were.
fn anchor(owner: &Sdk, due: Duration, books: &mut Books) -> anyhow::Result<u64> {
    let done = owner.anchor_emergency(due)?;
    for anchored in done.entries.iter().chain(&done.stated) {
        books.keep(anchored)?;
    }
    Ok(done.entries.len() as u64)
}

/// Plays it all; the custodians are there again at its end.
pub fn play(city: &mut City<'_>, kept: &Kept<'_>, books: &mut Books) -> anyhow::Result<Emergency> {
    let owner = city.owner()?;
    city.stop_custodians();
    let asked = access("demo/read-while-cut-off", &kept.ticket, kept.record);
    let read = city.read(cast::SECOND_HOSPITAL, &asked, books)?;
    let opened = owner.open_in_emergency(
        &NewEmergency {
            record: kept.record,
            version: 1,
            actor: "sample clinician",
            reason: "demo: custodians out of reach",
        },
        &protection(),
    )?;
    let waiting = owner.emergency_standing()?.waiting();
    city.start_custodians()?;
    let anchored = anchor(owner, Duration::ZERO, books)?;
    let history = history(owner)?;
    let entries = history.list.entries.iter();
    let gaps = history.list.gaps.iter();
    Ok(Emergency {
        owner: cast::HOSPITAL,
        ordinary_way_cut: read.is_err_and(|error| error.is_unreachable()),
        opened: *opened.payload == kept.document,
        entry: opened.entry.map_or(0, |entry| entry.counter),
        waiting,
        anchored,
        listed: entries
            .filter(|one| one.record == kept.record && matches!(one.basis, Basis::Emergency { .. }))
            .count(),
        unproven_windows: gaps.filter(|gap| gap.why == GapReason::Unproven).count(),
        list_is_sound: history.is_sound(),
    })
}

/// Whether the emergency key opens the record still.
pub fn opens(city: &City<'_>, kept: &Kept<'_>) -> anyhow::Result<bool> {
    let new = NewEmergency {
        record: kept.record,
        version: 1,
        actor: "sample clinician",
        reason: "demo: after the erasure",
    };
    Ok(city.owner()?.open_in_emergency(&new, &protection()).is_ok())
}

/// The patient's list, as the hospital's page shows it.
pub fn history(owner: &Sdk) -> anyhow::Result<PatientHistory> {
    let keys = owner.subject_keys(SUBJECT)?;
    let history = owner.patient_history(SUBJECT, &keys, None, |subject, epochs| {
        let mut known = Known::of(subject, epochs.iter().copied(), &[]);
        known.add_document(owner.record_handle(RECORD), RECORD);
        known
    });
    Ok(history?)
}
