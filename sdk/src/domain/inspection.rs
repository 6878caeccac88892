//! Inspections: an institution fixes a population, a regulator opens an inspection of it, and the
//! institution shows what was drawn.
//!
//! What always holds: an item's salt follows from the vault, the population's name and the item's place,
//! so that the same list gives the same root again after a crash, and nobody without the vault can
//! guess an item from its commitment. Which items are drawn follows from the ledger's state alone; its
//! proof is for the caller to check.

use crate::error::SdkError;
use crate::identity::Identity;
use medanchor_ledger::draw::item_leaf;
use medanchor_ledger::event::{
    DecodeError, Event, InspectionAnswer, InspectionOpen, InspectionPopulation, ItemProof,
};
use medanchor_ledger::items::{HEADER, MAX_ITEM, OpenItem};
use medanchor_ledger::merkle::{NodeReader, inclusion_proof, node_hash, root_of_leaves};
use medanchor_ledger::rules::{DrawState, Inspection, StateValue};
use medanchor_ledger::{
    Index, InspectionHandle, NetworkId, ParticipantName, PopulationHandle, ReadFailed, Size, Time,
    TreeHash,
};
use std::collections::BTreeSet;
use std::io;

const POPULATION: &str = "population";
const POPULATION_DOCUMENT: &str = "population-document";
const INSPECTION: &str = "inspection";
const ORDER_DOCUMENT: &str = "inspection-order";
const ANSWER_DOCUMENT: &str = "inspection-answer";

/// A population that an institution keeps, and has fixed on the ledger once its event is anchored.
pub struct FixedPopulation {
    /// What the ledger calls the population.
    pub population: PopulationHandle,
    /// Every item with its salt. They stay at home, but for those shown to an inspector.
    pub items: Vec<OpenItem>,
    /// `inspection.population`, signed and to be anchored.
    pub event: Event,
    tree: ItemTree,
}

impl FixedPopulation {
    /// The file of all items, or of those at `places`: what an inspector is shown.
    #[must_use]
    pub fn file(&self, places: Option<&[u64]>) -> String {
        let shown = |item: &&OpenItem| places.is_none_or(|places| places.contains(&item.place));
        let lines = self.items.iter().filter(shown);
        let lines = lines.map(|item| format!("{item}\n"));
        format!("{HEADER}\n{}", lines.collect::<String>())
    }
}

/// The nodes of a population's tree, level by level, complete ones only.
struct ItemTree(Vec<Vec<TreeHash>>);

impl ItemTree {
    fn new(leaves: Vec<TreeHash>) -> Self {
        let mut levels = vec![leaves];
        while let Some(below) = levels.last().filter(|level| level.len() > 1) {
            let pairs = below.as_chunks::<2>().0.iter();
            let level = pairs.map(|[left, right]| node_hash(left, right)).collect();
            levels.push(level);
        }
        Self(levels)
    }
}

impl NodeReader for ItemTree {
    fn node(&self, level: u8, index: u64) -> Result<TreeHash, ReadFailed> {
        let place = usize::try_from(index).ok();
        let found = place.and_then(|place| self.0.get(usize::from(level))?.get(place));
        let missing = || ReadFailed(io::Error::from(io::ErrorKind::NotFound).into());
        found.copied().ok_or_else(missing)
    }
}

/// An inspection to be opened.
#[derive(Clone, Debug)]
pub struct NewInspection<'a> {
    /// The application's own id of the inspection; it stays at home.
    pub name: &'a str,
    /// Whose population it is.
    pub owner: ParticipantName,
    /// The population, as the ledger calls it.
    pub population: PopulationHandle,
    /// How many items are drawn, 1 to 1,000.
    pub sample: u16,
    /// For how long validators' outputs are taken, 10,000 to 900,000 milliseconds; minutes are good.
    pub window: u32,
    /// By when answers count.
    pub answer_by: Time,
    /// The order, JSON: why, by what law, by whom. It is sealed and stays at home.
    pub order: &'a [u8],
}

/// An inspection, opened once its event is anchored.
#[derive(Clone, Debug)]
pub struct OpenedInspection {
    /// What the ledger calls the inspection.
    pub inspection: InspectionHandle,
    /// `inspection.open`, signed and to be anchored.
    pub event: Event,
}

/// How an inspection stands, read from the state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draw {
    /// Whether the draw is known.
    pub state: DrawState,
    /// The drawn places of the population, in the order of the draw; none while it is not known.
    pub places: Vec<u64>,
    /// The numbers of the draws that are not answered.
    pub unanswered: Vec<u16>,
}

impl Draw {
    /// Reads the draw of an inspection from `value`, what the state holds under
    /// [`Inspection::key`], at the block time `now` of that state. A node's word for the value is no
    /// proof; check it against a seal.
    ///
    /// # Errors
    /// [`DecodeError`] if it is no inspection.
    pub fn read(
        value: &[u8],
        network: NetworkId,
        opener: &ParticipantName,
        inspection: InspectionHandle,
        now: Time,
    ) -> Result<Self, DecodeError> {
        let found = Inspection::decode(value)?;
        Ok(Self {
            state: found.draw_state(now),
            places: found
                .drawn(network, opener, inspection, now)
                .unwrap_or_default(),
            unanswered: found.answered.missing().collect(),
        })
    }
}

impl Identity {
    /// Commits to a list of items, in this order, under the application's own `name` for it, and signs
    /// the event that fixes it. `description` (JSON: what the items are, how the list was made) is sealed.
    ///
    /// # Errors
    /// [`SdkError::Population`] for an empty list, an item of 0 or more than 4,096 bytes or one that
    /// stands in it twice, and what sealing and signing say.
    pub fn fix_population<I: Into<Vec<u8>>>(
        &self,
        name: &str,
        description: &[u8],
        items: impl IntoIterator<Item = I>,
    ) -> Result<FixedPopulation, SdkError> {
        let salted = |(place, item): (u64, I)| {
            let (item, salt) = (
                item.into(),
                self.seed(POPULATION, &format!("{name}/{place}")),
            );
            if !(1..=MAX_ITEM).contains(&item.len()) {
                return Err(SdkError::Population(
                    "has an item of no byte or more than 4,096",
                ));
            }
            let salt = *salt;
            Ok(OpenItem { place, salt, item })
        };
        let items: Vec<OpenItem> = (0..).zip(items).map(salted).collect::<Result<_, _>>()?;
        if items.is_empty() {
            return Err(SdkError::Population("has no items"));
        }
        let distinct: BTreeSet<_> = items.iter().map(|item| &item.item).collect();
        if distinct.len() < items.len() {
            // An auditor takes an item once: a repetition fills a list up.
            return Err(SdkError::Population("has an item twice"));
        }
        let leaves: Vec<_> = items
            .iter()
            .map(|item| item_leaf(&item.commitment()))
            .collect();
        let root = root_of_leaves(leaves.iter().copied());
        let population = PopulationHandle::new(self.handle(POPULATION, name));
        let event = self.sign(InspectionPopulation {
            population,
            root,
            count: items.len() as u64,
            commitment: self
                .keep(POPULATION_DOCUMENT, name, description)?
                .commitment,
        })?;
        Ok(FixedPopulation {
            population,
            items,
            event,
            tree: ItemTree::new(leaves),
        })
    }

    /// Opens an inspection of a population; the signer must be a regulator.
    ///
    /// # Errors
    /// What sealing and signing say.
    pub fn open_inspection(&self, new: &NewInspection<'_>) -> Result<OpenedInspection, SdkError> {
        let inspection = InspectionHandle::new(self.handle(INSPECTION, new.name));
        let event = self.sign(InspectionOpen {
            inspection,
            owner: new.owner.clone(),
            population: new.population,
            sample: new.sample,
            window: new.window,
            answer_by: new.answer_by,
            commitment: self.keep(ORDER_DOCUMENT, new.name, new.order)?.commitment,
        })?;
        Ok(OpenedInspection { inspection, event })
    }

    /// Answers draw `number` of an inspection of `population`, which drew the item at `place`;
    /// `statement` (JSON: what is said about the item) is sealed.
    ///
    /// # Errors
    /// [`SdkError::Population`] if the population has no such place, and what sealing and signing say.
    pub fn answer_inspection(
        &self,
        population: &FixedPopulation,
        (opener, inspection): (&ParticipantName, InspectionHandle),
        (number, place): (u16, u64),
        statement: &[u8],
    ) -> Result<Event, SdkError> {
        let nowhere = || SdkError::Population("has no item at the drawn place");
        let at = usize::try_from(place).map_err(|_| nowhere())?;
        let item = population.items.get(at).ok_or_else(nowhere)?;
        let size = Size(population.items.len() as u64);
        let proof = inclusion_proof(&population.tree, Index(place), size).map_err(|_| nowhere())?;
        let name = format!("{opener}/{inspection}/{number}");
        self.sign(InspectionAnswer {
            opener: opener.clone(),
            inspection,
            number,
            item: item.commitment(),
            proof: ItemProof::new(proof)?,
            commitment: self.keep(ANSWER_DOCUMENT, &name, statement)?.commitment,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::network_with;
    use medanchor_ledger::event::EventBody;
    use medanchor_ledger::merkle::verify_inclusion;
    use medanchor_ledger::rules::Role;
    use tempfile::TempDir;

    fn hospital() -> (Identity, TempDir) {
        let folder = tempfile::tempdir().unwrap();
        network_with(folder.path(), &[("north-hospital", Role::Hospital)]);
        let identity = Identity::open(&folder.path().join("north-hospital")).unwrap();
        (identity, folder)
    }

    #[test]
    fn every_item_of_a_population_can_be_shown() {
        for count in [1, 2, 5, 8, 13u8] {
            let (hospital, _folder) = hospital();
            let items = (0..count).map(|item| vec![item, 1]);
            let fixed = hospital.fix_population("visits", b"{}", items).unwrap();
            let EventBody::InspectionPopulation(body) = fixed.event.body() else {
                panic!("it fixes a population");
            };
            let (opener, handle) = ("regulator".parse().unwrap(), InspectionHandle::new([1; 16]));
            for place in 0..u64::from(count) {
                let answer = hospital
                    .answer_inspection(&fixed, (&opener, handle), (0, place), b"{}")
                    .unwrap();
                let EventBody::InspectionAnswer(shown) = answer.body() else {
                    panic!("it answers");
                };
                let (leaf, size) = (item_leaf(&shown.item), Size(body.count));
                let proof = shown.proof.as_slice();
                verify_inclusion(Index(place), size, &leaf, proof, &body.root).unwrap();
            }
            let beyond = (0, u64::from(count));
            let refused = hospital.answer_inspection(&fixed, (&opener, handle), beyond, b"{}");
            assert!(matches!(refused, Err(SdkError::Population(_))));
        }
    }

    #[test]
    fn the_same_list_gives_the_same_root_and_another_name_another_one() {
        let (hospital, _folder) = hospital();
        let root = |name: &str| {
            let fixed = hospital.fix_population(name, b"{}", [b"a", b"b"]).unwrap();
            match fixed.event.body() {
                EventBody::InspectionPopulation(body) => body.root,
                _ => panic!("it fixes a population"),
            }
        };
        assert_eq!(root("visits"), root("visits"));
        assert_ne!(root("visits"), root("other visits"));
    }

    #[test]
    fn what_is_no_item_is_refused() {
        let (hospital, _folder) = hospital();
        let none: [Vec<u8>; 0] = [];
        assert!(hospital.fix_population("visits", b"{}", none).is_err());
        assert!(hospital.fix_population("visits", b"{}", [vec![]]).is_err());
        let twice = hospital.fix_population("visits", b"{}", [b"a", b"b", b"a"]);
        assert!(matches!(
            twice,
            Err(SdkError::Population("has an item twice"))
        ));
        let long = vec![0; MAX_ITEM + 1];
        assert!(hospital.fix_population("visits", b"{}", [long]).is_err());
    }

    #[test]
    fn the_file_holds_all_items_or_those_that_are_shown() {
        let (hospital, _folder) = hospital();
        let fixed = hospital
            .fix_population("visits", b"{}", [b"a", b"b", b"c"])
            .unwrap();
        assert_eq!(fixed.file(None).lines().count(), 4);
        let shown = fixed.file(Some(&[1]));
        let lines: Vec<_> = shown.lines().collect();
        assert_eq!(lines[0], HEADER);
        assert_eq!(lines[1].parse::<OpenItem>().as_ref(), Ok(&fixed.items[1]));
        assert_eq!(lines.len(), 2);
    }
}
