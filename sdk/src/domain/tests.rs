//! What the domains sign, before the ledger's own rules.

mod approved;
mod delegation;
mod renewal;
mod separate;

use super::*;
use crate::context::fixed::Fixed;
use crate::fhir::SeparateConsent;
use crate::identity::Identity;
use crate::testing::{Network, name, network_with};
use crate::{GrantTicket, PatientToken, SdkError, SignedClaim};
use medanchor_ledger::event::{Event, EventBody, Fraction, VoidReason};
use medanchor_ledger::execute::{BlockBuilder, MemoryState, View};
use medanchor_ledger::rules::{Decision, DenialReason, Request, Role, Rule, StateValue};
use medanchor_ledger::{RecordHandle, Round, Time};
use medanchor_vault::CodeScheme;
use std::sync::Arc;

const NOW: u64 = 1_767_225_600_000;
const DAY: u64 = 24 * 3_600_000;

/// Institutions, and the state of a ledger that they share.
struct World {
    state: MemoryState,
    network: Network,
    root: tempfile::TempDir,
}

impl World {
    fn of(people: &[(&str, Role)]) -> Self {
        let root = tempfile::tempdir().unwrap();
        let network = network_with(root.path(), people);
        let state = MemoryState::genesis(&network.genesis).unwrap();
        Self {
            state,
            network,
            root,
        }
    }

    fn open(&self, who: &str) -> Identity {
        self.open_at(who, NOW)
    }

    fn open_at(&self, who: &str, now: u64) -> Identity {
        let context = Arc::new(Fixed::at(now));
        Identity::open_with(&self.root.path().join(who), context).unwrap()
    }

    /// One block of these events, each judged in its turn.
    fn block(&mut self, now: u64, events: &[Event]) -> Vec<Result<(), Rule>> {
        let participants = &self.network.genesis.spec().participants;
        let mut builder = BlockBuilder::new(&self.state, Time(now)).unwrap();
        let mut results = Vec::new();
        for event in events {
            let signer = &participants[event.issuer()];
            let key = *signer.registered(&event.key_id()).unwrap();
            let verified = event.clone().verify(&key).unwrap();
            let outcome = builder.push(&verified).unwrap();
            results.push(outcome.map_err(|rejection| rejection.rule));
        }
        let executed = builder
            .finish()
            .unwrap()
            .seal(Round(0), name("validator-0"));
        self.state.apply(&executed).unwrap();
        results
    }

    fn decision(&self, asked: &AccessAsked) -> Decision {
        let key = Request::key(asked.event.issuer(), &asked.request);
        let value = self.state.value(&key).unwrap().unwrap();
        Request::decode(&value).unwrap().decision
    }
}

const PRESCRIPTION: NewPrescription<'static> = NewPrescription {
    name: "MedicationRequest/1",
    subject: "Patient/1",
    class: "medication",
    payload: br#"{"resourceType":"MedicationRequest","dose":1.50}"#,
    lines: 2,
    expires: Time(NOW + 3 * DAY),
};

#[test]
fn a_prescription_is_redeemed_once_by_the_pharmacy_that_the_patient_chose() {
    let people = [
        ("hospital", Role::Hospital),
        ("pharmacy", Role::Pharmacy),
        ("other", Role::Pharmacy),
    ];
    let mut world = World::of(&people);
    let hospital = world.open("hospital");
    let prescribed = hospital.prescribe(&PRESCRIPTION).unwrap();
    assert_eq!(world.block(NOW, &prescribed.events), [Ok(()), Ok(())]);

    let token = PatientToken::from_text(&prescribed.token.to_text()).unwrap();
    let redeem = |who: &Identity| {
        let claim = token.claim(who.participant(), 1, Time(NOW + DAY));
        let claim = SignedClaim::from_text(&claim.to_text()).unwrap();
        who.redeem(&Redemption {
            name: "MedicationDispense/1",
            claim: &claim,
            fractions: &[Fraction::WHOLE, Fraction::WHOLE],
            payload: b"{}",
        })
        .unwrap()
    };
    let (first, second) = (
        redeem(&world.open("pharmacy")),
        redeem(&world.open("other")),
    );
    let results = world.block(NOW + 1, &[first, second]);
    assert_eq!(results, [Ok(()), Err(Rule::PrescriptionRedeemed)]);
    let void = hospital.void(PRESCRIPTION.name, VoidReason(1)).unwrap();
    assert_eq!(
        world.block(NOW + 2, &[void]),
        [Err(Rule::PrescriptionRedeemed)]
    );
}

/// What an import does: seal all, then sign each.
#[test]
fn what_was_sealed_ahead_is_what_is_signed_for() {
    let people = [("hospital", Role::Hospital), ("pharmacy", Role::Pharmacy)];
    let mut world = World::of(&people);
    let hospital = world.open("hospital");
    let consent = b"{\"resourceType\":\"Consent\"}";
    let ahead = [
        Ahead::record(PRESCRIPTION.name, 1, PRESCRIPTION.payload),
        Ahead::consent("Consent/1", consent),
    ];
    hospital.seal_ahead(&ahead).unwrap();
    hospital.seal_ahead(&ahead).unwrap();
    let payloads = world.root.path().join("hospital/vault/payloads");
    let before = files(&payloads);
    let prescribed = hospital.prescribe(&PRESCRIPTION).unwrap();
    assert_eq!(
        files(&payloads),
        before,
        "nothing is sealed a second time, alone"
    );
    assert_eq!(world.block(NOW, &prescribed.events), [Ok(()), Ok(())]);
    let opened = hospital.open_record(PRESCRIPTION.name, 1).unwrap();
    assert_eq!(&**opened, PRESCRIPTION.payload);

    let pharmacy = world.open("pharmacy");
    let (name, payload) = ("MedicationDispense/1", b"{\"quantity\":1}");
    pharmacy
        .seal_ahead(&[Ahead::redemption(name, payload)])
        .unwrap();
    let claim = prescribed
        .token
        .claim(pharmacy.participant(), 1, Time(NOW + DAY));
    let redeem = |payload| {
        pharmacy.redeem(&Redemption {
            name,
            claim: &claim,
            fractions: &[Fraction::WHOLE; 2],
            payload,
        })
    };
    redeem(payload).unwrap();
    assert!(matches!(
        redeem(b"{\"quantity\":2}"),
        Err(SdkError::Vault(_))
    ));
}

/// Every file below a folder.
fn files(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

#[test]
fn a_voided_prescription_is_not_redeemed() {
    let mut world = World::of(&[("hospital", Role::Hospital), ("pharmacy", Role::Pharmacy)]);
    let (hospital, pharmacy) = (world.open("hospital"), world.open("pharmacy"));
    let mut events = hospital.prescribe(&PRESCRIPTION).unwrap().events;
    events.push(hospital.void(PRESCRIPTION.name, VoidReason(1)).unwrap());
    let token = hospital.patient_token(PRESCRIPTION.name);
    let claim = token.claim(pharmacy.participant(), 1, Time(NOW + DAY));
    let redemption = Redemption {
        name: "d",
        claim: &claim,
        fractions: &[Fraction::WHOLE; 2],
        payload: b"{}",
    };
    events.push(pharmacy.redeem(&redemption).unwrap());
    let results = world.block(NOW, &events);
    assert_eq!(
        results,
        [Ok(()), Ok(()), Ok(()), Err(Rule::PrescriptionVoided)]
    );
}

#[test]
fn a_claim_for_another_pharmacy_or_network_or_after_its_end_is_not_signed_for() {
    let world = World::of(&[("hospital", Role::Hospital), ("pharmacy", Role::Pharmacy)]);
    let pharmacy = world.open("pharmacy");
    let token = world.open("hospital").patient_token("p");
    let refused = |claim: &SignedClaim| {
        let redemption = Redemption {
            name: "d",
            claim,
            fractions: &[Fraction::WHOLE],
            payload: b"{}",
        };
        pharmacy.redeem(&redemption).unwrap_err()
    };
    let other = token.claim(&name("other"), 1, Time(NOW + 1));
    assert!(matches!(refused(&other), SdkError::NotForUs { .. }));
    let ended = token.claim(&name("pharmacy"), 1, Time(NOW - 1));
    assert!(matches!(refused(&ended), SdkError::ClaimEnded));
    let elsewhere = medanchor_ledger::NetworkId::new([9; 16]);
    let token = PatientToken::new(elsewhere, name("hospital"), token.prescription(), &[1; 32]);
    let elsewhere = token.claim(&name("pharmacy"), 1, Time(NOW + 1));
    assert!(matches!(refused(&elsewhere), SdkError::OtherNetwork { .. }));
}

/// The redemption's commitment and the pharmacy's own record of the same document have nothing in
/// common on the ledger.
#[test]
fn a_redemption_does_not_link_to_the_pharmacys_own_record() {
    let world = World::of(&[("hospital", Role::Hospital), ("pharmacy", Role::Pharmacy)]);
    let pharmacy = world.open("pharmacy");
    let token = world.open("hospital").patient_token("p");
    let claim = token.claim(pharmacy.participant(), 1, Time(NOW + 1));
    let (name, payload) = ("MedicationDispense/1", br#"{"quantity":10}"#.as_slice());
    let redemption = Redemption {
        name,
        claim: &claim,
        fractions: &[Fraction::WHOLE],
        payload,
    };
    let redeem = pharmacy.redeem(&redemption).unwrap();
    let record = NewRecord {
        name,
        version: 1,
        subject: "Patient/1",
        class: "medication",
        payload,
    };
    let sealed = pharmacy.seal_record(&record).unwrap();
    let (EventBody::PrescriptionRedeem(redeem), EventBody::RecordSeal(sealed)) =
        (redeem.body(), sealed.event.body())
    else {
        panic!("other events than asked for");
    };
    assert_ne!(redeem.commitment, sealed.commitment);
    let own = [
        sealed.record.as_bytes(),
        sealed.tag.as_bytes(),
        sealed.class.as_bytes(),
    ];
    let encoded = redeem.commitment.to_bytes();
    assert!(
        own.iter()
            .all(|handle| !encoded.windows(16).any(|window| window == *handle))
    );
}

#[test]
fn a_grantee_reads_what_the_consent_covers_and_nothing_after_its_end() {
    let people = [("hospital", Role::Hospital), ("second", Role::Hospital)];
    let mut world = World::of(&people);
    let (hospital, second) = (world.open("hospital"), world.open("second"));
    let seal = |name, class| {
        let new = NewRecord {
            name,
            version: 1,
            subject: "Patient/1",
            class,
            payload: b"{}",
        };
        hospital.seal_record(&new).unwrap().event
    };
    let consented = hospital
        .grant(&NewConsent {
            name: "Consent/1",
            root: None,
            subject: "Patient/1",
            grantees: &[name("second").into()],
            purposes: &["TREAT"],
            classes: &["laboratory"],
            records_since: Time(NOW),
            not_before: Time(NOW),
            not_after: Time(NOW + DAY),
            records: &[("lab", "laboratory")],
            separate: SeparateConsent::SHARE,
            abroad: false,
            document: br#"{"resourceType":"Consent"}"#,
        })
        .unwrap();
    let events = [
        seal("lab", "laboratory"),
        seal("scan", "imaging"),
        consented.event,
    ];
    assert_eq!(world.block(NOW, &events), [Ok(()), Ok(()), Ok(())]);

    let ticket = GrantTicket::from_text(&consented.tickets[0].to_text()).unwrap();
    let ask = |name, record| {
        let (actor, reason) = ("Practitioner/7", "follow-up");
        let new = NewAccess {
            name,
            ticket: &ticket,
            record,
            purpose: "TREAT",
            actor,
            reason,
        };
        second.request_access(&new).unwrap()
    };
    let asked = ask("1", ticket.records[0].record);
    let other_class = ask("2", hospital.record_handle("scan"));
    let unknown = ask("3", hospital.record_handle("nothing"));
    let events = [&asked, &other_class, &unknown].map(|asked| asked.event.clone());
    assert_eq!(world.block(NOW + 1, &events), [Ok(()), Ok(()), Ok(())]);
    assert_eq!(world.decision(&asked), Decision::Permitted);
    assert_eq!(
        world.decision(&other_class),
        Decision::Denied(DenialReason::Class)
    );
    assert_eq!(
        world.decision(&unknown),
        Decision::Denied(DenialReason::UnknownRecord)
    );
    let key = second.reader_key("1").unwrap();
    assert_eq!(*key.public(), asked.reader_key);
    assert_eq!(
        asked.reader_key.suite(),
        medanchor_ledger::event::KemSuite::XWing
    );

    let revoke = hospital.revoke("Consent/1").unwrap();
    let late = ask("4", ticket.records[0].record);
    assert_eq!(
        world.block(NOW + 2, &[revoke, late.event.clone()]),
        [Ok(()), Ok(())]
    );
    assert_eq!(
        world.decision(&late),
        Decision::Denied(DenialReason::Revoked)
    );
}

/// A second try with other words was refused with "sealed with other content", though a life may depend on it.
#[test]
fn the_same_break_glass_again_is_the_same_and_with_other_words_it_is_another() {
    let people = [("hospital", Role::Hospital), ("second", Role::Hospital)];
    let world = World::of(&people);
    let (second, owner) = (world.open("second"), name("hospital"));
    let first = NewBreakGlass {
        name: "er-1",
        owner: &owner,
        record: RecordHandle::new([1; 16]),
        actor: "Dr. Li",
        reason: "unconscious",
    };
    let asked = second.request_break_glass(&first).unwrap();
    let again = second.request_break_glass(&first).unwrap();
    assert_eq!(again.request, asked.request);
    assert_eq!(again.event.body(), asked.event.body());
    let others = [
        NewBreakGlass {
            name: "er-2",
            ..first
        },
        NewBreakGlass {
            record: RecordHandle::new([2; 16]),
            ..first
        },
        NewBreakGlass {
            actor: "Dr. Wang",
            ..first
        },
        NewBreakGlass {
            reason: "unconscious, allergies",
            ..first
        },
    ];
    let others = others.map(|other| second.request_break_glass(&other).unwrap());
    let mut requests = vec![asked.request];
    requests.extend(others.iter().map(|other| other.request));
    requests.sort_unstable();
    requests.dedup();
    assert_eq!(requests.len(), 5);
    for one in others.iter().chain([&asked]) {
        let EventBody::AccessBreakGlass(body) = one.event.body() else {
            unreachable!("it is one")
        };
        let shown = second.disclose_break_glass_note(&one.request).unwrap();
        let shown = medanchor_vault::Disclosure::decode(&shown).unwrap();
        shown.verify(&body.commitment).unwrap();
    }
}

/// Records of the quarter before have another tag and class handle; a consent since then covers both.
#[test]
fn a_consent_covers_records_of_earlier_quarters_when_it_says_so() {
    let people = [("hospital", Role::Hospital), ("second", Role::Hospital)];
    let mut world = World::of(&people);
    let before = NOW - 60 * DAY;
    let sealed = {
        let hospital = world.open_at("hospital", before);
        let new = NewRecord {
            name: "lab",
            version: 1,
            subject: "Patient/1",
            class: "laboratory",
            payload: b"{}",
        };
        hospital.seal_record(&new).unwrap()
    };
    assert_eq!(world.block(before, &[sealed.event]), [Ok(())]);
    let (hospital, second) = (world.open("hospital"), world.open("second"));
    for (consent, since, decision) in [
        ("long", before, Decision::Permitted),
        ("short", NOW, Decision::Denied(DenialReason::Tag)),
    ] {
        let new = NewConsent {
            name: consent,
            root: None,
            subject: "Patient/1",
            grantees: &[name("second").into()],
            purposes: &["TREAT"],
            classes: &["laboratory"],
            records_since: Time(since),
            not_before: Time(NOW),
            not_after: Time(NOW + DAY),
            records: &[("lab", "laboratory")],
            separate: SeparateConsent::SHARE,
            abroad: false,
            document: b"{}",
        };
        let consented = hospital.grant(&new).unwrap();
        let ticket = &consented.tickets[0];
        let asked = second
            .request_access(&NewAccess {
                name: consent,
                ticket,
                record: ticket.records[0].record,
                purpose: "TREAT",
                actor: "a",
                reason: "r",
            })
            .unwrap();
        let now = world.state.head().time.0.max(NOW);
        let events = [consented.event, asked.event.clone()];
        assert_eq!(world.block(now, &events), [Ok(()), Ok(())]);
        assert_eq!(world.decision(&asked), decision, "{consent}");
    }
}

#[test]
fn a_ticket_serves_its_grantee_its_network_and_its_purposes() {
    let people = [
        ("hospital", Role::Hospital),
        ("second", Role::Hospital),
        ("third", Role::Hospital),
    ];
    let world = World::of(&people);
    let hospital = world.open("hospital");
    let new = NewConsent {
        name: "c",
        root: None,
        subject: "s",
        grantees: &[name("second").into()],
        purposes: &["TREAT"],
        classes: &["laboratory"],
        records_since: Time(NOW),
        not_before: Time(NOW),
        not_after: Time(NOW + DAY),
        records: &[],
        separate: SeparateConsent::SHARE,
        abroad: false,
        document: b"{}",
    };
    let ticket = hospital.grant(&new).unwrap().tickets.remove(0);
    let ask = |who: &str, purpose: &str| {
        let record = hospital.record_handle("r");
        let new = NewAccess {
            name: "1",
            ticket: &ticket,
            record,
            purpose,
            actor: "a",
            reason: "r",
        };
        world.open(who).request_access(&new)
    };
    assert!(ask("second", "TREAT").is_ok());
    assert!(matches!(
        ask("second", "HMARKT"),
        Err(SdkError::NoSuchPurpose)
    ));
    assert!(matches!(
        ask("third", "TREAT"),
        Err(SdkError::NotForUs { .. })
    ));
    for wrong in [
        NewConsent {
            grantees: &[],
            ..new
        },
        NewConsent {
            classes: &[],
            ..new
        },
        NewConsent {
            purposes: &[""],
            ..new
        },
        NewConsent {
            not_after: Time(NOW),
            ..new
        },
        NewConsent {
            records: &[("x", "imaging")],
            ..new
        },
    ] {
        assert!(hospital.grant(&wrong).is_err());
    }
}

#[test]
fn packs_go_from_maker_to_patient_and_only_once() {
    let people = [
        ("maker", Role::Manufacturer),
        ("distributor", Role::Distributor),
        ("pharmacy", Role::Pharmacy),
    ];
    let mut world = World::of(&people);
    let maker = world.open("maker");
    let lot = maker.lot(CodeScheme::Chinese20, "8123456", "A1");
    let packs: Vec<Pack> = (0..300)
        .map(|n| lot.pack(&format!("8123456{n:013}")))
        .collect();
    let mut events = vec![maker.open_lot(&lot).unwrap()];
    events.extend(maker.commission(&lot, &packs).unwrap());
    events.extend(maker.ship(&packs, &name("distributor")).unwrap());
    assert_eq!(events.len(), 1 + 3 + 3);
    let distributor = world.open("distributor");
    events.extend(distributor.receive(&packs, &name("maker")).unwrap());
    events.extend(distributor.ship(&packs[..2], &name("pharmacy")).unwrap());
    let pharmacy = world.open("pharmacy");
    events.extend(pharmacy.receive(&packs[..2], &name("distributor")).unwrap());
    events.extend(pharmacy.dispense(&packs[..1]).unwrap());
    assert!(world.block(NOW, &events).iter().all(Result::is_ok));
    let again = pharmacy.dispense(&packs[..1]).unwrap();
    assert_eq!(world.block(NOW + 1, &again), [Err(Rule::UnitDispensed)]);
    let not_held = pharmacy.dispense(&packs[5..6]).unwrap();
    assert!(world.block(NOW + 2, &not_held)[0].is_err());
    assert!(pharmacy.dispense(&[]).unwrap().is_empty());
}

#[test]
fn a_document_can_be_opened_and_shown_in_part() {
    let world = World::of(&[("hospital", Role::Hospital)]);
    let hospital = world.open("hospital");
    let prescribed = hospital.prescribe(&PRESCRIPTION).unwrap();
    let opened = hospital.open_record(PRESCRIPTION.name, 1).unwrap();
    assert_eq!(opened.as_slice(), PRESCRIPTION.payload);
    let EventBody::RecordSeal(sealed) = prescribed.events[0].body() else {
        panic!("not a record");
    };
    let shown = hospital.disclose(PRESCRIPTION.name, 1, &["/dose"]).unwrap();
    let shown = shown.verify(&sealed.commitment).unwrap();
    assert_eq!(
        shown.value("/dose").map(|value| value.bytes()),
        Some(&b"1.50"[..])
    );
}
