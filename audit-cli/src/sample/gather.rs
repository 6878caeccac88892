//! What the blocks of a log say of inspections.
//!
//! What always holds: only blocks that were found to hold are gathered from; memory grows with the
//! number of inspections and validators, not with the log.

use crate::outcome::{Judged, judged};
use medanchor_ledger::event::{EventBody, InspectionAnswer, InspectionOpen, InspectionPopulation};
use medanchor_ledger::execute::Executed;
use medanchor_ledger::vrf::{VrfProof, VrfPublicKey};
use medanchor_ledger::{
    Height, Index, InspectionHandle, NetworkId, ParticipantName, PopulationHandle, Time, TreeHash,
};
use std::collections::BTreeMap;

/// Where in the log something stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) index: Index,
    pub(crate) height: Height,
    pub(crate) time: Time,
}

/// A population that was fixed.
pub(crate) struct Fixed {
    pub(crate) at: Place,
    pub(crate) body: InspectionPopulation,
}

/// A validator's output.
pub(crate) struct Output {
    pub(crate) at: Place,
    pub(crate) validator: ParticipantName,
    pub(crate) proof: VrfProof,
}

/// An inspection that was opened, and what followed.
pub(crate) struct Opened {
    pub(crate) at: Place,
    pub(crate) opener: ParticipantName,
    pub(crate) body: InspectionOpen,
    /// The leaf hash of the seal of its block.
    pub(crate) seal: TreeHash,
    /// Who could give an output.
    pub(crate) validators: Vec<ParticipantName>,
    pub(crate) outputs: Vec<Output>,
    pub(crate) answers: Vec<(Place, InspectionAnswer)>,
}

/// All of it.
pub(crate) struct Gathered {
    pub(crate) network: NetworkId,
    /// Each validator's key for outputs, and where it was registered.
    pub(crate) keys: BTreeMap<ParticipantName, (Index, VrfPublicKey)>,
    pub(crate) populations: BTreeMap<(ParticipantName, PopulationHandle), Fixed>,
    /// In the order in which they were opened.
    pub(crate) inspections: Vec<Opened>,
    places: BTreeMap<(ParticipantName, InspectionHandle), usize>,
}

impl Gathered {
    pub(crate) const fn new(network: NetworkId) -> Self {
        Self {
            network,
            keys: BTreeMap::new(),
            populations: BTreeMap::new(),
            inspections: Vec::new(),
            places: BTreeMap::new(),
        }
    }

    /// Notes what a block says.
    pub(crate) fn visit(&mut self, block: &Executed) {
        for event in judged(block) {
            self.note(block, &event);
        }
    }

    fn note(&mut self, block: &Executed, judged: &Judged<'_>) {
        let at = Place {
            index: judged.index,
            height: block.seal.height,
            time: block.seal.time,
        };
        let issuer = judged.event.issuer().clone();
        match judged.event.body() {
            EventBody::InspectionKey(keys) => {
                self.keys.insert(issuer, (at.index, keys.vrf));
            }
            EventBody::InspectionPopulation(body) => {
                let body = *body;
                let key = (issuer, body.population);
                self.populations.insert(key, Fixed { at, body });
            }
            EventBody::InspectionOpen(body) => self.open(block, at, issuer, body.clone()),
            EventBody::InspectionOutput(body) => {
                let output = Output {
                    at,
                    validator: issuer,
                    proof: body.proof,
                };
                if let Some(opened) = self.find(&body.opener, body.inspection) {
                    opened.outputs.push(output);
                }
            }
            EventBody::InspectionAnswer(body) => {
                if let Some(opened) = self.find(&body.opener, body.inspection) {
                    opened.answers.push((at, body.clone()));
                }
            }
            _ => {}
        }
    }

    fn open(&mut self, block: &Executed, at: Place, opener: ParticipantName, body: InspectionOpen) {
        let key = (opener.clone(), body.inspection);
        self.places.insert(key, self.inspections.len());
        self.inspections.push(Opened {
            at,
            opener,
            body,
            seal: block.head.seal_hash,
            validators: block.head.schedule.validators().to_vec(),
            outputs: Vec::new(),
            answers: Vec::new(),
        });
    }

    fn find(&mut self, opener: &ParticipantName, handle: InspectionHandle) -> Option<&mut Opened> {
        let place = *self.places.get(&(opener.clone(), handle))?;
        self.inspections.get_mut(place)
    }

    /// The population that an inspection is of; the rules open none without.
    pub(crate) fn population(&self, opened: &Opened) -> Option<&Fixed> {
        let key = (opened.body.owner.clone(), opened.body.population);
        self.populations.get(&key)
    }
}
