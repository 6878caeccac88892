//! The seven institutions of the demo, where each posts its events, and the custodians.

use crate::network::{Institution, Part};
use medanchor_ledger::ParticipantName;
use medanchor_ledger::rules::Role;
use medanchor_sdk::import::{self, Member, Roster};

/// One institution of the demo.
pub struct Player {
    /// Its name, on the ledger and in the folder.
    pub name: &'static str,
    role: Role,
    part: Part,
    /// The member at whose node it posts: itself if it has one.
    pub posts_at: &'static str,
}

/// The hospital with a validator.
pub const HOSPITAL: &str = "north-hospital";
/// The pharmacy with a validator.
pub const PHARMACY: &str = "east-pharmacy";
/// The pharmacy that posts at another node.
pub const SECOND_PHARMACY: &str = "west-pharmacy";
/// The hospital that posts at another node.
pub const SECOND_HOSPITAL: &str = "south-hospital";
/// The drug maker.
pub const MAKER: &str = "jade-pharma";
/// The regulator, whose node is killed and comes back: nobody posts there.
pub const REGULATOR: &str = "drug-regulator";

/// Who keeps shares of records' keys, each a process of its own.
pub const CUSTODIANS: [&str; 3] = ["city-archive", "ethics-board", "notary-chamber"];

/// Who plays.
pub const CAST: [Player; 7] = [
    member(HOSPITAL, Role::Hospital),
    member(PHARMACY, Role::Pharmacy),
    member(MAKER, Role::Manufacturer),
    member(REGULATOR, Role::Regulator),
    guest(SECOND_HOSPITAL, Role::Hospital, HOSPITAL),
    guest(SECOND_PHARMACY, Role::Pharmacy, MAKER),
    guest("river-distribution", Role::Distributor, MAKER),
];

/// Where all of the cast are.
const JURISDICTION: &str = "CN";

const fn member(name: &'static str, role: Role) -> Player {
    Player {
        name,
        role,
        part: Part::Validator,
        posts_at: name,
    }
}

const fn guest(name: &'static str, role: Role, posts_at: &'static str) -> Player {
    Player {
        name,
        role,
        part: Part::Participant,
        posts_at,
    }
}

impl Player {
    /// What it does, in a word.
    pub const fn role(&self) -> &'static str {
        match self.role {
            Role::Hospital => "hospital",
            Role::Pharmacy => "pharmacy",
            Role::Manufacturer => "drug maker",
            Role::Distributor => "distributor",
            Role::Regulator => "regulator",
            _ => "participant",
        }
    }

    /// Whether it runs a validator.
    pub fn votes(&self) -> bool {
        self.part == Part::Validator
    }

    const fn planned_role(&self) -> import::Role {
        match self.role {
            Role::Hospital => import::Role::Hospital,
            Role::Pharmacy => import::Role::Pharmacy,
            Role::Manufacturer => import::Role::Manufacturer,
            Role::Distributor => import::Role::Distributor,
            _ => import::Role::Regulator,
        }
    }
}

/// A name of the cast.
pub fn name(text: &str) -> anyhow::Result<ParticipantName> {
    Ok(text.parse()?)
}

/// The cast as the network's founders see it.
pub fn institutions() -> anyhow::Result<Vec<Institution>> {
    let custodians = CUSTODIANS.map(|name| (name, Role::Custodian, Part::Participant));
    CAST.iter()
        .map(|one| (one.name, one.role, one.part))
        .chain(custodians)
        .map(|(text, role, part)| {
            Ok(Institution {
                name: name(text)?,
                roles: vec![role],
                part,
            })
        })
        .collect()
}

/// The cast as the planner of the import sees it.
pub fn roster() -> anyhow::Result<Roster> {
    let members: anyhow::Result<Vec<Member>> = CAST
        .iter()
        .map(|one| {
            Ok(Member {
                name: name(one.name)?,
                role: one.planned_role(),
                jurisdiction: JURISDICTION.to_owned(),
            })
        })
        .collect();
    Ok(Roster::new(members?))
}
