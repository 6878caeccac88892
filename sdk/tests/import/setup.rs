//! Who takes part, when it is, and where the input stands.

use medanchor_ledger::{ParticipantName, Time};
use medanchor_sdk::import::*;
use std::path::Path;

#[path = "../../../tests/src/shared_data.rs"]
mod shared_data;

use shared_data::shared_data;

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
        jurisdiction: "CN".to_owned(),
    });
    Roster::new(members.into())
}

/// What the sample data holds.
pub fn seeds() -> Import {
    tree(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../seeds"))
}

/// What a folder of the shared data holds, if it is there.
pub fn shared(folder: &str) -> Option<Import> {
    shared_data(folder).map(|path| tree(&path))
}

fn tree(path: &Path) -> Import {
    import_tree(path, &Limits::default()).expect("a folder that can be read")
}
