//! What the blocks of a log say of releases.
//!
//! What always holds: only blocks that were found to hold are gathered from; of the requests, only those
//! that a log of releases names are kept, so that memory grows with these logs and not with the ledger.

use super::source::Exported;
use crate::outcome::judged;
use medanchor_ledger::event::EventBody;
use medanchor_ledger::execute::Executed;
use medanchor_ledger::{EventId, Index, ParticipantName, Size, TreeHash};
use medanchor_vault::custody::Access;
use std::collections::BTreeMap;

/// All of it.
pub(super) struct Gathered {
    /// What the ledger says of each request that a log names; none if it has no such request.
    accesses: BTreeMap<EventId, Option<Access>>,
    /// What each custodian anchored, in the order of the log.
    roots: BTreeMap<ParticipantName, Vec<(Index, Size, TreeHash)>>,
}

impl Gathered {
    /// To be gathered for these logs.
    pub(super) fn of(exported: &[Exported]) -> Self {
        let entries = exported.iter().flat_map(|one| &one.entries);
        let custodians = exported.iter().map(|one| one.custodian.clone());
        Self {
            accesses: entries.map(|entry| (entry.request, None)).collect(),
            roots: custodians
                .map(|custodian| (custodian, Vec::new()))
                .collect(),
        }
    }

    pub(super) fn visit(&mut self, block: &Executed) {
        for one in judged(block) {
            let (owner, record, outcome) = match one.event.body() {
                EventBody::CustodyLog(body) => {
                    if let Some(roots) = self.roots.get_mut(one.event.issuer()) {
                        roots.push((one.index, body.size, body.root));
                    }
                    continue;
                }
                EventBody::AccessRequest(body) => (&body.owner, body.record, one.outcome),
                EventBody::AccessBreakGlass(body) => (&body.owner, body.record, one.outcome),
                _ => continue,
            };
            if let Some(access) = self.accesses.get_mut(&one.event.id()) {
                *access = Some(Access {
                    owner: owner.clone(),
                    record,
                    permitted: outcome.lets_read(),
                    time: block.seal.time,
                });
            }
        }
    }

    /// What the ledger says of a request.
    pub(super) fn access(&self, request: &EventId) -> Option<Access> {
        self.accesses.get(request).cloned().flatten()
    }

    /// What a custodian anchored.
    pub(super) fn roots_of(&self, custodian: &ParticipantName) -> &[(Index, Size, TreeHash)] {
        self.roots.get(custodian).map_or(&[], Vec::as_slice)
    }
}
