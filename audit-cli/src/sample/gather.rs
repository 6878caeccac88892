//! What the blocks of a log say of inspections.
//!
//! What always holds: only blocks that were found to hold are gathered from; memory grows with the
//! number of inspections, validators and owners, not with the log. Populations are therefore counted
//! only; those that inspections name come from the state in the end, which was computed here.

use crate::outcome::{Judged, judged};
use medanchor_ledger::event::{EventBody, InspectionAnswer, InspectionKey, InspectionOpen};
use medanchor_ledger::execute::{Executed, View};
use medanchor_ledger::rules::{Population, StateValue};
use medanchor_ledger::vrf::{VrfProof, VrfPublicKey};
use medanchor_ledger::{
    Height, Index, InspectionHandle, NetworkId, ParticipantName, PopulationHandle, ReadFailed,
    Time, TreeHash,
};
use std::collections::BTreeMap;

/// Where in the log something stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) index: Index,
    pub(crate) height: Height,
    pub(crate) time: Time,
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
    /// Under which keys: the newest that stood in the log before it, whatever was registered since.
    pub(crate) keys: BTreeMap<ParticipantName, VrfPublicKey>,
    pub(crate) outputs: Vec<Output>,
    pub(crate) answers: Vec<(Place, InspectionAnswer)>,
}

/// All of it.
pub(crate) struct Gathered {
    pub(crate) network: NetworkId,
    /// Each validator's newest key for outputs, and the number of its registration.
    keys: BTreeMap<ParticipantName, (u32, VrfPublicKey)>,
    /// The populations that inspections name.
    pub(crate) populations: BTreeMap<(ParticipantName, PopulationHandle), Population>,
    /// How many populations each participant fixed.
    pub(crate) fixed: BTreeMap<ParticipantName, u64>,
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
            fixed: BTreeMap::new(),
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
            EventBody::InspectionKey(keys) => self.register(issuer, keys),
            EventBody::InspectionPopulation(_) => *self.fixed.entry(issuer).or_default() += 1,
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

    /// A number that does not count up registers nothing, whatever the rules say of it.
    fn register(&mut self, issuer: ParticipantName, keys: &InspectionKey) {
        let newest = self.keys.get(&issuer).map_or(0, |(number, _)| *number);
        if keys.number() > newest {
            self.keys.insert(issuer, (keys.number(), keys.vrf));
        }
    }

    fn open(&mut self, block: &Executed, at: Place, opener: ParticipantName, body: InspectionOpen) {
        let key = (opener.clone(), body.inspection);
        self.places.insert(key, self.inspections.len());
        let keys = self.keys.iter();
        self.inspections.push(Opened {
            at,
            opener,
            body,
            seal: block.head.seal_hash,
            validators: block.head.schedule.validators().to_vec(),
            keys: keys.map(|(name, (_, key))| (name.clone(), *key)).collect(),
            outputs: Vec::new(),
            answers: Vec::new(),
        });
    }

    fn find(&mut self, opener: &ParticipantName, handle: InspectionHandle) -> Option<&mut Opened> {
        let place = *self.places.get(&(opener.clone(), handle))?;
        self.inspections.get_mut(place)
    }

    /// Takes the populations that inspections name from the state after the last block.
    pub(crate) fn look_up(&mut self, view: &impl View) -> Result<(), ReadFailed> {
        for opened in &self.inspections {
            let key = (opened.body.owner.clone(), opened.body.population);
            let value = view.value(&Population::key(&key.0, &key.1))?;
            let population = value.map(|bytes| Population::decode(&bytes)).transpose();
            let population = population.map_err(|fault| ReadFailed(Box::new(fault)))?;
            self.populations
                .extend(population.map(|found| (key, found)));
        }
        Ok(())
    }

    /// The population that an inspection is of; the rules open none without.
    pub(crate) fn population(&self, opened: &Opened) -> Option<&Population> {
        let key = (opened.body.owner.clone(), opened.body.population);
        self.populations.get(&key)
    }
}
