//! Prescriptions and the dispenses that redeem them.
//!
//! A prescription is redeemed once: of several dispenses that name it, the first in time that fits
//! (right patient, comparable unit, not over what was ordered) is anchored.

use super::actors::{Directory, Role};
use super::{Action, Plan};
use crate::import::item::{
    Dispense, Items, Key, Location, Ordered, Original, Prescription, PrescriptionLink,
};
use crate::import::reason::Reason;
use crate::import::reference::Target;
use medanchor_ledger::{ParticipantName, Time};
use std::collections::{BTreeMap, BTreeSet};

/// The whole of what was ordered, in millionths.
const WHOLE: u32 = 1_000_000;

pub(super) fn plan(plan: &mut Plan, items: &Items, directory: &Directory<'_>) {
    let mut issued = Issued::new(items);
    let mut seen = BTreeSet::new();
    for (index, prescription) in items.prescriptions.iter().enumerate() {
        let outcome = issue(index, prescription, directory, &mut seen);
        if let Ok((by, _)) = &outcome {
            issued.add(index, prescription, by.clone());
        }
        plan.settle(&prescription.source, 0, outcome);
    }
    let mut dispenses: Vec<usize> = (0..items.dispenses.len()).collect();
    let when = |index: &usize| {
        items
            .dispenses
            .get(*index)
            .and_then(|dispense| dispense.when)
    };
    dispenses.sort_by_key(|index| when(index).unwrap_or(Time(u64::MAX)));
    let mut redemptions = Redemptions {
        issued,
        seen: BTreeSet::new(),
        redeemed: BTreeSet::new(),
    };
    for index in dispenses {
        if let Some(dispense) = items.dispenses.get(index) {
            let outcome = redemptions.redeem(index, dispense, items, directory);
            plan.settle(&dispense.source, 1, outcome);
        }
    }
}

fn issue<'a>(
    index: usize,
    prescription: &'a Prescription,
    directory: &Directory<'_>,
    seen: &mut BTreeSet<&'a Original>,
) -> Result<(ParticipantName, Action), Reason> {
    if !seen.insert(&prescription.original) {
        return Err(Reason::Repeated);
    }
    let named = prescription.requester.as_deref();
    let by = directory.acting(named, &[Role::Hospital], &prescription.source)?;
    Ok((
        by,
        Action::Issue {
            prescription: index,
        },
    ))
}

/// The prescriptions that are issued, and by which names they are found.
struct Issued<'a> {
    items: &'a Items,
    issuers: BTreeMap<usize, ParticipantName>,
    by_id: BTreeMap<&'a str, Vec<usize>>,
    by_url: BTreeMap<&'a str, Vec<usize>>,
}

impl<'a> Issued<'a> {
    fn new(items: &'a Items) -> Self {
        let (by_id, by_url) = (BTreeMap::new(), BTreeMap::new());
        Self {
            items,
            issuers: BTreeMap::new(),
            by_id,
            by_url,
        }
    }

    fn add(&mut self, index: usize, prescription: &'a Prescription, issuer: ParticipantName) {
        self.issuers.insert(index, issuer);
        // One that is contained in its dispense is known to that dispense alone.
        if prescription.source.pointer.contains("/contained/") {
            return;
        }
        if let Some(id) = &prescription.key.id {
            self.by_id.entry(id).or_default().push(index);
        }
        if let Some(url) = &prescription.key.full_url {
            self.by_url.entry(url).or_default().push(index);
        }
    }

    /// The prescription that the dispense names.
    fn find(&self, dispense: &Dispense) -> Result<usize, Reason> {
        match &dispense.prescription {
            PrescriptionLink::Contained(at) => {
                let known = self.issuers.keys().copied();
                let stands = |index: &usize| self.source(*index).is_some_and(|source| source == at);
                known
                    .into_iter()
                    .find(stands)
                    .ok_or(Reason::PrescriptionNotAnchored)
            }
            PrescriptionLink::Reference(text) => self.resolve(dispense, text),
        }
    }

    fn source(&self, index: usize) -> Option<&'a Location> {
        self.items
            .prescriptions
            .get(index)
            .map(|prescription| &prescription.source)
    }

    /// Resolves a reference as FHIR does: by the address of a Bundle entry, then by type and id;
    /// the same document before the same folder before the rest of the input.
    fn resolve(&self, dispense: &Dispense, text: &str) -> Result<usize, Reason> {
        let address = absolute(dispense.key.full_url.as_deref(), text);
        let at_address = self
            .by_url
            .get(address.as_str())
            .map_or(&[][..], Vec::as_slice);
        let fitting = match Target::of(text) {
            _ if !at_address.is_empty() => at_address.to_vec(),
            Target::Resource {
                kind: "MedicationRequest",
                base,
                id,
            } => self.of_id(id, base),
            _ => Vec::new(),
        };
        match self.nearest(&fitting, &dispense.source).as_slice() {
            [only] => Ok(*only),
            [] if self.was_refused(&address, text) => Err(Reason::PrescriptionNotAnchored),
            [] => Err(Reason::PrescriptionNotInInput),
            _ => Err(Reason::PrescriptionAmbiguous),
        }
    }

    /// Prescriptions of that id, without those known to stand on another server than `base`.
    fn of_id(&self, id: &str, base: Option<&str>) -> Vec<usize> {
        let here = |index: &usize| {
            let key = self.items.prescriptions.get(*index).map(|one| &one.key);
            key.is_some_and(|key| on_server(key, base))
        };
        self.by_id
            .get(id)
            .into_iter()
            .flatten()
            .copied()
            .filter(here)
            .collect()
    }

    /// Those in the same document, or else in the same folder, or else all.
    fn nearest(&self, fitting: &[usize], from: &Location) -> Vec<usize> {
        let folder = |file: &str| file.rsplit_once('/').map(|(folder, _)| folder.to_owned());
        let pick = |near: &dyn Fn(&Location) -> bool| -> Vec<usize> {
            let is_near = |index: &&usize| self.source(**index).is_some_and(near);
            fitting.iter().filter(is_near).copied().collect()
        };
        let document = pick(&|source| source.same_document(from));
        let file = pick(&|source| source.file == from.file);
        let beside = pick(&|source| folder(&source.file) == folder(&from.file));
        let found = [document, file, beside]
            .into_iter()
            .find(|near| !near.is_empty());
        found.unwrap_or_else(|| fitting.to_vec())
    }

    fn was_refused(&self, address: &str, text: &str) -> bool {
        let named = |key: &Key| {
            let by_url = key.full_url.as_deref().is_some_and(|url| url == address);
            let by_id = match Target::of(text) {
                Target::Resource {
                    kind: "MedicationRequest",
                    base,
                    id,
                } => key.id.as_deref() == Some(id) && on_server(key, base),
                _ => false,
            };
            by_url || by_id
        };
        self.items.refused_prescriptions.iter().any(named)
    }
}

/// Whether a resource may stand on the server at `base`: neither is known to be elsewhere.
fn on_server(key: &Key, base: Option<&str>) -> bool {
    let (Some(base), Some(url)) = (base, key.full_url.as_deref()) else {
        return true;
    };
    match Target::of(url) {
        Target::Resource {
            base: Some(own), ..
        } => own == base,
        _ => true,
    }
}

/// A relative reference after the address of the server that its resource came from.
fn absolute(full_url: Option<&str>, text: &str) -> String {
    match (Target::of(text), full_url.map(Target::of)) {
        (Target::Resource { base, kind, id }, own) => {
            let own = match own {
                Some(Target::Resource { base, .. }) => base,
                _ => None,
            };
            match base.or(own) {
                Some(base) => format!("{base}/{kind}/{id}"),
                None => format!("{kind}/{id}"),
            }
        }
        _ => text.to_owned(),
    }
}

struct Redemptions<'a> {
    issued: Issued<'a>,
    seen: BTreeSet<&'a Original>,
    redeemed: BTreeSet<usize>,
}

impl<'a> Redemptions<'a> {
    fn redeem(
        &mut self,
        index: usize,
        dispense: &'a Dispense,
        items: &Items,
        directory: &Directory<'_>,
    ) -> Result<(ParticipantName, Action), Reason> {
        if !self.seen.insert(&dispense.original) {
            return Err(Reason::Repeated);
        }
        let at = self.issued.find(dispense)?;
        let found = items
            .prescriptions
            .get(at)
            .zip(self.issued.issuers.get(&at));
        let (prescription, issuer) = found.ok_or(Reason::PrescriptionNotAnchored)?;
        if dispense
            .subject
            .as_ref()
            .is_some_and(|subject| *subject != prescription.subject)
        {
            return Err(Reason::OtherPatient);
        }
        let fraction = fraction(&prescription.ordered, dispense)?;
        let performer = dispense.performer.as_deref();
        let by = directory.acting(performer, &[Role::Pharmacy], &dispense.source)?;
        if !self.redeemed.insert(at) {
            return Err(Reason::AlreadyRedeemed);
        }
        let issuer = issuer.clone();
        Ok((
            by,
            Action::Redeem {
                dispense: index,
                prescription: at,
                issuer,
                fraction,
            },
        ))
    }
}

/// How much of what was ordered the dispense hands out, in millionths, rounded down but never to
/// nothing.
fn fraction(ordered: &Ordered, dispense: &Dispense) -> Result<u32, Reason> {
    let Ordered::Quantity { amount, unit } = ordered else {
        return Ok(WHOLE);
    };
    let quantity = dispense
        .quantity
        .ok_or(Reason::Missing("/quantity/value"))?;
    if unit
        .as_ref()
        .zip(dispense.unit.as_ref())
        .is_some_and(|(one, other)| one != other)
    {
        return Err(Reason::OtherUnit);
    }
    if quantity > *amount {
        return Err(Reason::OverOrdered);
    }
    let scaled = u128::from(quantity.millionths()) * u128::from(WHOLE);
    let fraction = scaled / u128::from(amount.millionths());
    Ok(u32::try_from(fraction).unwrap_or(WHOLE).max(1))
}
