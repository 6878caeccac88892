//! Executing height 0: the state that genesis lays down and the log's first entry.

use super::{Executed, Halt, Head};
use crate::genesis::{Authorities, Genesis};
use crate::merkle::{Frontier, empty_root, leaf_hash};
use crate::rules::{Participant, RulesVersion, StateValue};
use crate::schedule::Schedule;
use crate::seal::{Seal, value_id};
use crate::state::{Changes, StateMap};
use crate::{Height, Index, Round, TreeHash};
use std::sync::Arc;

/// Executes height 0. Its only entry is its seal, whose previous-seal hash is the genesis hash.
///
/// # Errors
/// [`Halt`] if the map of the first state cannot be computed.
pub fn execute_genesis(genesis: &Genesis) -> Result<Executed, Halt> {
    let changes = first_state(genesis);
    let map_update = StateMap::empty().update(&changes)?;
    let policy = genesis.policy().hash();
    let seal = Seal {
        height: Height(0),
        round: Round(0),
        proposer: None,
        time: genesis.spec().time,
        first: Index(0),
        count: 0,
        log_root: empty_root(),
        previous: TreeHash::new(*genesis.hash().as_bytes()),
        state_root: map_update.root(),
        rules_version: genesis.rules_version(),
        policy,
        next_policy: policy,
    };
    let seal_entry: Arc<[u8]> = seal.encode().into();
    let seal_hash = leaf_hash(&seal_entry);
    let mut frontier = Frontier::new();
    frontier.append(seal_hash);
    let head = Head {
        network: genesis.network_id(),
        height: seal.height,
        time: seal.time,
        seal_hash,
        frontier,
        rules_version: seal.rules_version,
        next_policy: policy,
        schedule: Schedule::new(genesis.validators()),
    };
    Ok(Executed {
        value_id: value_id(head.height, head.frontier.size(), &head.frontier.root()),
        seal,
        seal_entry,
        events: Arc::new([]),
        changes: Arc::new(changes),
        map_update: Arc::new(map_update),
        head,
    })
}

fn first_state(genesis: &Genesis) -> Changes {
    let version = RulesVersion(genesis.rules_version());
    let authorities = &genesis.spec().authorities;
    let mut changes = Changes::from([
        (RulesVersion::key().path(), Some(version.encode())),
        (Authorities::key().path(), Some(authorities.encode())),
    ]);
    for (name, participant) in &genesis.spec().participants {
        changes.insert(Participant::key(name).path(), Some(participant.encode()));
    }
    changes
}
