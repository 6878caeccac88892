//! Who takes part, when it is, and where the input stands.

use medanchor_ledger::{ParticipantName, Time};
use medanchor_sdk::import::*;
use std::path::PathBuf;

/// When everything is planned and anchored.
pub const NOW: Time = Time(1_790_000_000_000);

pub const MEMBERS: [(&str, Role); 7] = [
    ("drug-regulator", Role::Regulator),
    ("east-pharmacy", Role::Pharmacy),
    ("jade-pharma", Role::Manufacturer),
    ("north-hospital", Role::Hospital),
    ("river-distribution", Role::Distributor),
    ("south-hospital", Role::Hospital),
    ("west-pharmacy", Role::Pharmacy),
];

pub fn name(text: &str) -> ParticipantName {
    text.parse().expect("a name")
}

pub fn roster() -> Roster {
    let members = MEMBERS.map(|(member, role)| Member {
        name: name(member),
        role,
    });
    Roster::new(members.into())
}

/// What the folder holds, if it is there; `folder` is relative to this package.
pub fn tree(folder: &str) -> Option<Import> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(folder);
    if !path.is_dir() {
        println!("skipped: there is no {folder} beside the checkout");
        return None;
    }
    Some(import_tree(&path, &Limits::default()).expect("a folder that can be read"))
}
