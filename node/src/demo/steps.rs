//! From a step of the plan to signed events, by the SDK of the institution that takes it.

use super::input::Input;
use super::world::World;
use anyhow::Context;
use medanchor_ledger::{ParticipantName, Time};
use medanchor_sdk::fhir::{Particulars, Terms};
use medanchor_sdk::import::{Action, Lot, Planned, PlannedUnit, Scheme};
use medanchor_sdk::{
    Ahead, CodeScheme, Fraction, GrantTicket, NewPrescription, Pack, Redemption, Sdk, SignedEvent,
};
use std::collections::BTreeMap;

/// How long a prescription without an end of its own can be redeemed: three days.
const PRESCRIPTION_MILLIS: u64 = 3 * 24 * 3600 * 1000;
/// How long a claim may be used.
const CLAIM_MILLIS: u64 = 10 * 60 * 1000;
/// The class under which prescriptions are sealed: the name of their FHIR resource.
pub const CLASS: &str = "MedicationRequest";

/// A step that is signed.
pub struct Signed {
    /// Where its items stand in the input.
    pub sources: Vec<String>,
    /// How many items of the input it anchors.
    pub items: usize,
    /// What is to be posted, in this order.
    pub events: Vec<SignedEvent>,
    /// What grantees are to be given.
    pub tickets: Vec<GrantTicket>,
}

/// Signs steps.
pub struct Signer<'a> {
    world: &'a World,
    input: &'a Input,
    now: Time,
    /// The lots of the plan, each at its maker.
    schemes: BTreeMap<usize, CodeScheme>,
}

impl<'a> Signer<'a> {
    /// A signer for this input.
    pub fn new(world: &'a World, input: &'a Input, now: Time) -> Self {
        let mut schemes = BTreeMap::new();
        for step in &input.plan.steps {
            if let Action::Commission { lot, units } = &step.action {
                let first = units
                    .first()
                    .and_then(|unit| input.import.items.units.get(unit.step));
                schemes.extend(first.map(|unit| (*lot, code_scheme(unit.code.scheme()))));
            }
        }
        Self {
            world,
            input,
            now,
            schemes,
        }
    }

    /// Seals the documents of all these steps together, so that to sign them waits for no disk.
    pub fn seal_ahead(&self, sdk: &Sdk, steps: &[&Planned]) -> anyhow::Result<()> {
        let items = &self.input.import.items;
        let mut documents = Vec::with_capacity(steps.len());
        for step in steps {
            documents.extend(match step.action {
                Action::Issue { prescription } => items
                    .prescriptions
                    .get(prescription)
                    .map(|item| (Sealing::Record, item.source.to_string(), &item.original)),
                Action::Redeem { dispense, .. } => items
                    .dispenses
                    .get(dispense)
                    .map(|item| (Sealing::Dispensing, item.source.to_string(), &item.original)),
                Action::Grant { consent, .. } => items
                    .consents
                    .get(consent)
                    .map(|item| (Sealing::Consent, item.source.to_string(), &item.original)),
                _ => None,
            });
        }
        let ahead: Vec<Ahead<'_>> = documents
            .iter()
            .map(|(kind, name, original)| kind.ahead(name, original.as_bytes()))
            .collect();
        Ok(sdk.seal_ahead(&ahead)?)
    }

    /// Signs one step.
    pub fn sign(&self, step: &Planned) -> anyhow::Result<Signed> {
        let sdk = self.world.sdk(&step.by)?;
        let (sources, events, tickets) = match &step.action {
            Action::Issue { prescription } => self.issue(sdk, *prescription)?,
            Action::Redeem {
                dispense,
                prescription,
                issuer,
                fraction,
            } => self.redeem(sdk, *dispense, *prescription, issuer, *fraction)?,
            Action::Grant { consent, terms } => self.grant(sdk, *consent, terms)?,
            Action::OpenLot { lot } => {
                let event = sdk.open_lot(&self.lot(*lot)?)?;
                (vec!["a production lot".to_owned()], vec![event], Vec::new())
            }
            Action::Commission { lot, units } => (
                self.sources(units),
                sdk.commission(&self.lot(*lot)?, &self.packs(units)?)?,
                Vec::new(),
            ),
            Action::Ship { units, to, .. } => (
                self.sources(units),
                sdk.ship(&self.packs(units)?, to)?,
                Vec::new(),
            ),
            Action::Receive { units, from, .. } => (
                self.sources(units),
                sdk.receive(&self.packs(units)?, from)?,
                Vec::new(),
            ),
            Action::Dispense { units, .. } => (
                self.sources(units),
                sdk.dispense(&self.packs(units)?)?,
                Vec::new(),
            ),
        };
        Ok(Signed {
            sources,
            items: step.action.items(),
            events,
            tickets,
        })
    }

    fn issue(&self, sdk: &Sdk, index: usize) -> anyhow::Result<Parts> {
        let item = self
            .input
            .import
            .items
            .prescriptions
            .get(index)
            .context("no such prescription")?;
        let source = item.source.to_string();
        let prescribed = sdk.prescribe(&NewPrescription {
            name: &source,
            subject: item.subject.as_str(),
            class: CLASS,
            payload: item.original.as_bytes(),
            lines: 1,
            expires: item.expires(self.now, PRESCRIPTION_MILLIS),
        })?;
        Ok((vec![source], prescribed.events, Vec::new()))
    }

    fn redeem(
        &self,
        sdk: &Sdk,
        dispense: usize,
        prescription: usize,
        issuer: &ParticipantName,
        fraction: u32,
    ) -> anyhow::Result<Parts> {
        let items = &self.input.import.items;
        let item = items.dispenses.get(dispense).context("no such dispense")?;
        let ordered = items
            .prescriptions
            .get(prescription)
            .context("no such prescription")?;
        // The patient's wallet, which got its token from the issuer, signs for this pharmacy.
        let token = self
            .world
            .sdk(issuer)?
            .patient_token(&ordered.source.to_string());
        let claim = token.claim(sdk.participant(), 1, claim_end(self.now));
        let event = sdk.redeem(&Redemption {
            name: &item.source.to_string(),
            claim: &claim,
            fractions: &[Fraction(fraction)],
            payload: item.original.as_bytes(),
        })?;
        Ok((vec![item.source.to_string()], vec![event], Vec::new()))
    }

    fn grant(&self, sdk: &Sdk, index: usize, terms: &Terms) -> anyhow::Result<Parts> {
        let consents = &self.input.import.items.consents;
        let item = consents.get(index).context("no such consent")?;
        let names = self.records_of(sdk.participant(), index);
        let covered = terms.classes.iter().any(|class| class == CLASS);
        let records: Vec<(&str, &str)> = names
            .iter()
            .filter(|_| covered)
            .map(|name| (name.as_str(), CLASS))
            .collect();
        let source = item.source.to_string();
        let particulars = Particulars {
            name: &source,
            root: None,
            subject: item.subject.as_str(),
            records_since: self.now,
            records: &records,
            document: item.original.as_bytes(),
        };
        let consented = terms.with(&particulars, |new| sdk.grant(new))?;
        Ok((
            vec![item.source.to_string()],
            vec![consented.event],
            consented.tickets,
        ))
    }

    /// The application's ids of the records that `hospital` keeps of a consent's subject.
    fn records_of(&self, hospital: &ParticipantName, consent: usize) -> Vec<String> {
        let items = &self.input.import.items;
        let Some(consent) = items.consents.get(consent) else {
            return Vec::new();
        };
        let issued = self
            .input
            .plan
            .steps
            .iter()
            .filter(|step| step.by == *hospital);
        let issued = issued.filter_map(|step| match step.action {
            Action::Issue { prescription } => items.prescriptions.get(prescription),
            _ => None,
        });
        let of_subject = issued.filter(|one| one.subject == consent.subject);
        of_subject.map(|one| one.source.to_string()).collect()
    }

    fn lot(&self, index: usize) -> anyhow::Result<medanchor_sdk::Lot> {
        let Lot {
            maker,
            product,
            number,
        } = self.input.plan.lots.get(index).context("no such lot")?;
        let scheme = self
            .schemes
            .get(&index)
            .copied()
            .unwrap_or(CodeScheme::Enterprise);
        Ok(self
            .world
            .sdk(maker)?
            .lot(scheme, product, number.as_deref().unwrap_or("")))
    }

    /// The packs of a step, as their maker hands them on with the goods.
    fn packs(&self, units: &[PlannedUnit]) -> anyhow::Result<Vec<Pack>> {
        let pack = |unit: &PlannedUnit| {
            let step = self
                .input
                .import
                .items
                .units
                .get(unit.step)
                .context("no such unit")?;
            Ok(self.lot(unit.lot)?.pack(step.code.full()))
        };
        units.iter().map(pack).collect()
    }

    fn sources(&self, units: &[PlannedUnit]) -> Vec<String> {
        let steps = &self.input.import.items.units;
        let found = units.iter().filter_map(|unit| steps.get(unit.step));
        found.map(|unit| unit.source.to_string()).collect()
    }
}

/// As what a document is sealed.
enum Sealing {
    Record,
    Dispensing,
    Consent,
}

impl Sealing {
    const fn ahead<'a>(&self, name: &'a str, payload: &'a [u8]) -> Ahead<'a> {
        match self {
            Self::Record => Ahead::record(name, 1, payload),
            Self::Dispensing => Ahead::redemption(name, payload),
            Self::Consent => Ahead::consent(name, payload),
        }
    }
}

/// Sources, events, tickets.
type Parts = (Vec<String>, Vec<SignedEvent>, Vec<GrantTicket>);

/// When a claim made now ends.
pub fn claim_end(now: Time) -> Time {
    now.plus_millis(CLAIM_MILLIS)
}

const fn code_scheme(scheme: Scheme) -> CodeScheme {
    match scheme {
        Scheme::Sgtin | Scheme::Gs1 => CodeScheme::Gs1,
        Scheme::China20 => CodeScheme::Chinese20,
        _ => CodeScheme::Enterprise,
    }
}
