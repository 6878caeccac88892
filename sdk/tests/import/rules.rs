//! The rules accept every step of a plan: whatever the importer plans, the ledger takes.

use crate::setup::{MEMBERS, NOW, name, roster, seeds, shared};
use medanchor_ledger::event::{
    Claim, Event, EventBody, Fraction, Fractions, GranteeOpening, HandleSet, LotOpen,
    PrescriptionIssue, PrescriptionRedeem, RecordSeal, UnitCommission, UnitDispense, UnitReceive,
    UnitShip, Units, UnsignedEvent,
};
use medanchor_ledger::execute::{BlockBuilder, MemoryState, View};
use medanchor_ledger::genesis::{Authorities, Genesis, GenesisSpec};
use medanchor_ledger::rules::Participant;
use medanchor_ledger::signature::SigningKey;
use medanchor_ledger::validator::{Validator, ValidatorSet};
use medanchor_ledger::{hash::sha256, *};
use medanchor_sdk::fhir::Terms;
use medanchor_sdk::import::*;
use std::collections::BTreeSet;

fn key(purpose: &str, of: &str) -> SigningKey {
    SigningKey::from_seed(&sha256(&[purpose.as_bytes(), of.as_bytes()]))
}

fn handle(purpose: &str, of: impl ToString) -> [u8; 16] {
    let hash = sha256(&[purpose.as_bytes(), of.to_string().as_bytes()]);
    hash[..16].try_into().expect("16 bytes")
}

fn commitment(of: &[u8]) -> Commitment {
    Commitment::new(TreeHash::new(sha256(&[of])))
}

fn genesis() -> Genesis {
    let validator = Validator {
        name: name("drug-regulator"),
        consensus: key("consensus", "").public_key(),
        log: key("log", "").public_key(),
        cosigner: key("cosigner", "").public_key(),
        cose: key("cose", "").public_key(),
    };
    let participants = MEMBERS.map(|(member, role)| {
        let keys = vec![key("event", member).public_key()];
        (
            name(member),
            Participant::new(vec![role], keys).expect("a participant"),
        )
    });
    Genesis::new(GenesisSpec {
        name: "plan.example".parse().expect("a network name"),
        time: NOW,
        validators: ValidatorSet::new(vec![validator]).expect("a set"),
        participants: participants.into(),
        authorities: Authorities {
            threshold: 1,
            names: BTreeSet::from([name("drug-regulator")]),
        },
        publisher: None,
    })
    .expect("a genesis")
}

/// Turns steps into events and has them executed, wave by wave.
struct Ledger<'i> {
    items: &'i Items,
    plan: &'i Plan,
    genesis: Genesis,
    state: MemoryState,
    nonce: u64,
}

impl<'i> Ledger<'i> {
    fn new(items: &'i Items, plan: &'i Plan) -> Self {
        let genesis = genesis();
        let state = MemoryState::genesis(&genesis).expect("a first state");
        Self {
            items,
            plan,
            genesis,
            state,
            nonce: 0,
        }
    }

    fn now(&self) -> Time {
        self.state.head().time
    }

    /// Has a block of events executed; every one of them must be accepted.
    fn block(&mut self, events: Vec<Event>) {
        let time = self.now().plus_millis(1_000);
        let mut builder = BlockBuilder::new(&self.state, time).expect("a builder");
        for event in events {
            let key = key("event", event.issuer().as_str()).public_key();
            let verified = event.verify(&key).expect("a good signature");
            let verdict = builder.push(&verified).expect("a state");
            assert!(verdict.is_ok(), "{}: {verdict:?}", verified.kind().name());
        }
        let proposer = self
            .state
            .head()
            .schedule
            .proposer(Round(0))
            .expect("a proposer")
            .clone();
        let executed = builder
            .finish()
            .expect("a candidate")
            .seal(Round(0), proposer);
        self.state.apply(&executed).expect("a state");
    }

    fn event(&mut self, by: &ParticipantName, body: EventBody) -> Event {
        self.nonce += 1;
        let unsigned = UnsignedEvent {
            issuer: by.clone(),
            network: self.genesis.network_id(),
            nonce: Nonce::new(handle("nonce", self.nonce)),
            not_after: self.now().plus_millis(600_000),
            body,
        };
        unsigned.sign(&key("event", by.as_str())).expect("an event")
    }

    fn units(&self, planned: &[PlannedUnit]) -> Units {
        let unit = |unit: &PlannedUnit| {
            let code = &self.items.units[unit.step].code;
            UnitHandle::new(handle(
                "unit",
                format!("{:?} {}", code.scheme(), code.full()),
            ))
        };
        HandleSet::new(planned.iter().map(unit)).expect("1 to 128 different units")
    }

    fn lot(&self, lot: usize) -> LotHandle {
        let lot = &self.plan.lots[lot];
        LotHandle::new(handle(
            "lot",
            format!("{} {} {:?}", lot.maker, lot.product, lot.number),
        ))
    }

    /// A sealed record of the item at `source`.
    fn seal(&mut self, by: &ParticipantName, source: &Location, original: &Original) -> Event {
        let body = RecordSeal {
            record: RecordHandle::new(handle("record", source)),
            version: 1,
            tag: Tag::new(handle("tag", source)),
            class: ClassHandle::new(handle("class", "MedicationRequest")),
            commitment: commitment(original.as_bytes()),
            ciphertext: CiphertextHash::new([1; 32]),
            vault_part: VaultPartHash::new([2; 32]),
            key_check: KeyCheck::new([3; 16]),
        };
        self.event(by, EventBody::RecordSeal(body))
    }

    fn issue(&mut self, by: &ParticipantName, index: usize) -> Event {
        let prescription = &self.items.prescriptions[index];
        let source = prescription.source.to_string();
        let body = PrescriptionIssue {
            prescription: PrescriptionHandle::new(handle("prescription", &source)),
            record: RecordHandle::new(handle("record", &source)),
            token_key: key("token", &source).public_key(),
            lines: 1,
            expires: prescription.expires(self.now(), 3 * 86_400_000),
        };
        self.event(by, EventBody::PrescriptionIssue(body))
    }

    fn redeem(
        &mut self,
        by: &ParticipantName,
        (dispense, prescription): (usize, usize),
        issuer: &ParticipantName,
        fraction: u32,
    ) -> Event {
        let source = self.items.prescriptions[prescription].source.to_string();
        let token = key("token", &source);
        let prescription = PrescriptionHandle::new(handle("prescription", &source));
        let not_after = self.now().plus_millis(600_000);
        let claim = Claim {
            network: self.genesis.network_id(),
            algorithm: token.public_key().algorithm(),
            issuer,
            prescription,
            number: 1,
            pharmacy: by,
            not_after,
        };
        let body = PrescriptionRedeem {
            issuer: issuer.clone(),
            prescription,
            claim_number: 1,
            claim_not_after: not_after,
            token_key: token.public_key(),
            claim_signature: token.sign(&claim.sign_bytes()),
            fractions: Fractions::new([Fraction(fraction)]).expect("a fraction above nothing"),
            commitment: commitment(self.items.dispenses[dispense].original.as_bytes()),
        };
        self.event(by, EventBody::PrescriptionRedeem(body))
    }

    fn grant(&mut self, by: &ParticipantName, index: usize, terms: &Terms) -> Event {
        let consent = &self.items.consents[index];
        let source = consent.source.to_string();
        let opening = GranteeOpening::new(handle("opening", &source));
        let purposes = terms.purposes.iter().map(|text| handle("purpose", text));
        let classes = terms.classes.iter().map(|text| handle("class", text));
        let to = terms.grantees.iter().map(|to| &to.participant);
        let body = medanchor_ledger::event::ConsentGrant {
            consent: ConsentHandle::new(handle("consent", &source)),
            root: None,
            tags: HandleSet::new([Tag::new(handle("tag", consent.subject.as_str()))])
                .expect("a tag"),
            grantees: HandleSet::new(to.map(|to| opening.grantee(to, None))).expect("1 to 16"),
            purposes: HandleSet::new(purposes.map(PurposeHandle::new)).expect("1 to 32"),
            classes: HandleSet::new(classes.map(ClassHandle::new)).expect("1 to 32"),
            not_before: terms.not_before,
            not_after: terms.not_after,
            commitment: commitment(consent.original.as_bytes()),
            ender: None,
        };
        self.event(by, EventBody::ConsentGrant(body))
    }

    fn events(&mut self, step: &Planned) -> Vec<Event> {
        let by = &step.by;
        let body = match &step.action {
            Action::Issue { prescription } => {
                let (index, items) = (*prescription, self.items);
                let item = &items.prescriptions[index];
                let sealed = self.seal(by, &item.source, &item.original);
                return vec![sealed, self.issue(by, index)];
            }
            Action::Redeem {
                dispense,
                prescription,
                issuer,
                fraction,
            } => {
                return vec![self.redeem(by, (*dispense, *prescription), issuer, *fraction)];
            }
            Action::Grant { consent, terms } => return vec![self.grant(by, *consent, terms)],
            Action::OpenLot { lot } => {
                let lot = self.lot(*lot);
                EventBody::LotOpen(LotOpen {
                    lot,
                    commitment: commitment(lot.as_bytes()),
                })
            }
            Action::Commission { lot, units } => {
                let (lot, units) = (self.lot(*lot), self.units(units));
                EventBody::UnitCommission(UnitCommission { lot, units })
            }
            Action::Ship { maker, units, to } => {
                let (maker, units, to) = (maker.clone(), self.units(units), to.clone());
                EventBody::UnitShip(UnitShip { maker, units, to })
            }
            Action::Receive { maker, units, from } => {
                let (maker, units, from) = (maker.clone(), self.units(units), from.clone());
                EventBody::UnitReceive(UnitReceive { maker, units, from })
            }
            Action::Dispense { maker, units } => {
                let (maker, units) = (maker.clone(), self.units(units));
                EventBody::UnitDispense(UnitDispense { maker, units })
            }
        };
        vec![self.event(by, body)]
    }
}

/// Has the whole plan executed, a block for each wave; how many steps there were.
fn anchor(import: &Import) -> usize {
    let plan = plan(&import.items, &roster(), NOW);
    let mut ledger = Ledger::new(&import.items, &plan);
    for wave in plan.steps.chunk_by(|one, other| one.wave == other.wave) {
        let events = wave.iter().flat_map(|step| ledger.events(step)).collect();
        ledger.block(events);
    }
    plan.steps.len()
}

#[test]
fn the_rules_accept_every_step_planned_for_the_seeds() {
    assert!(anchor(&seeds()) > 180);
}

#[test]
fn the_rules_accept_every_step_planned_for_files_that_nobody_here_wrote() {
    assert!(shared("").is_none_or(|import| anchor(&import) > 50));
}
