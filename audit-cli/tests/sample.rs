//! `sample` and `verify` over a log in which a validator replaced its keys while a draw ran.

mod support;

use medanchor_ledger::event::{
    EventBody, InspectionKey, InspectionOpen, InspectionOutput, InspectionPopulation,
};
use medanchor_ledger::execute::View;
use medanchor_ledger::rules::{Inspection, StateValue};
use medanchor_ledger::vrf::VrfSecretKey;
use medanchor_ledger::{Commitment, InspectionHandle, PopulationHandle, Time, TreeHash};
use serde_json::Value;
use std::num::NonZeroU32;
use std::path::Path;
use support::{Built, OPERATIONAL, audit, key, name};

const COMMITMENT: Commitment = Commitment::new(TreeHash::new([1; 32]));
const POPULATION: PopulationHandle = PopulationHandle::new([3; 16]);
const HOSPITAL: u8 = 1;
const REGULATOR: u8 = 3;
/// The purpose of the node's second operational key.
const SECOND: u8 = 12;

/// The secret key of a validator's outputs, of its first or its second registration.
fn secret(validator: u8, purpose: u8) -> VrfSecretKey {
    VrfSecretKey::from_seed(&[validator + purpose; 32])
}

fn registration(validator: u8, purpose: u8) -> (u8, EventBody) {
    let keys = InspectionKey {
        vrf: secret(validator, purpose).public_key(),
        operational: key(validator, purpose).public_key(),
        replaces: NonZeroU32::new(u32::from(purpose == SECOND)),
    };
    (validator, keys.into())
}

fn open(built: &mut Built, inspection: u8) {
    let opening = InspectionOpen {
        inspection: InspectionHandle::new([inspection; 16]),
        owner: name(HOSPITAL),
        population: POPULATION,
        sample: 1,
        window: 60_000,
        answer_by: Time(1_700_000_000_000 + 7_200_000),
        commitment: COMMITMENT,
    };
    built.block_of(vec![(REGULATOR, opening.into())]);
    // The block after it writes the seal into the inspection.
    built.idle(250);
}

/// A validator's output for an inspection, under the key of its registration of that purpose.
fn output(built: &Built, validator: u8, inspection: u8, purpose: u8) -> EventBody {
    let (opener, handle) = (name(REGULATOR), InspectionHandle::new([inspection; 16]));
    let memory = built.memory();
    let value = memory.value(&Inspection::key(&opener, &handle));
    let value = value.expect("a state").expect("an inspection");
    let found = Inspection::decode(&value).expect("an inspection");
    let seal = found.seal.expect("a seal");
    let input = found.input(memory.head().network, &opener, handle, seal);
    let proof = secret(validator, purpose).prove(&input.of(&name(validator)));
    let output = InspectionOutput {
        opener: opener.clone(),
        inspection: handle,
        proof: proof.expect("a proof"),
    };
    output.into()
}

/// A block of one output, signed by the node that gives it.
fn give(built: &mut Built, validator: u8, inspection: u8, purpose: u8) {
    let body = output(built, validator, inspection, purpose);
    let event = built.event_by(validator, purpose, body);
    built.block_by(vec![(event, key(validator, purpose))]);
}

/// Validator 0 replaces its keys between two inspections, and gives its output for the first one after
/// that.
fn replaced() -> Built {
    let mut built = Built::new("audit.medanchor.example");
    let fixed = InspectionPopulation {
        population: POPULATION,
        root: TreeHash::new([4; 32]),
        count: 2,
        commitment: COMMITMENT,
    };
    let mut bodies: Vec<_> = (0..3)
        .map(|number| registration(number, OPERATIONAL))
        .collect();
    bodies.push((HOSPITAL, fixed.into()));
    built.block_of(bodies);
    open(&mut built, 1);
    built.block_of(vec![registration(0, SECOND)]);
    open(&mut built, 2);
    for validator in [1, 2] {
        give(&mut built, validator, 1, OPERATIONAL);
        give(&mut built, validator, 2, OPERATIONAL);
    }
    give(&mut built, 0, 2, SECOND);
    give(&mut built, 0, 1, OPERATIONAL);
    built
}

fn published(built: &Built) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    built.publish(folder.path());
    folder
}

fn run(words: &[&str], folder: &Path) -> (Option<i32>, Value) {
    let folder = folder.to_str().expect("a path that is text");
    let output = audit(&[words, &["--json", folder]].concat());
    let text = String::from_utf8(output.stdout).expect("text");
    let report = serde_json::from_str(&text).unwrap_or_else(|_| panic!("no JSON: {text}"));
    (output.status.code(), report)
}

#[test]
fn each_draw_is_judged_under_the_keys_that_were_there_when_it_was_opened() {
    let mut built = replaced();
    built.idle(60_000);
    let folder = published(&built);
    for tier in ["signatures", "rules"] {
        let (code, report) = run(&["verify", "--tier", tier], folder.path());
        assert_eq!(code, Some(0), "{report:#}");
    }
    let (code, report) = run(&["sample"], folder.path());
    assert_eq!(code, Some(0), "{report:#}");
    for draw in 0..2 {
        let one = &report["inspections"][draw];
        assert_eq!(one["draw"], "drawn", "{report:#}");
        assert_eq!(one["outputs"].as_array().map(Vec::len), Some(3));
    }
}

#[test]
fn an_output_under_keys_of_another_time_does_not_hold() {
    for (inspection, purpose) in [(1, SECOND), (2, OPERATIONAL)] {
        let mut built = replaced();
        let body = output(&built, 0, inspection, purpose);
        let forged = built.event_by(0, purpose, body);
        let last = built.blocks.last_mut().expect("a block");
        last[0] = forged.encoded().to_vec();
        let folder = published(&built);
        let (code, report) = run(&["sample"], folder.path());
        assert_eq!(code, Some(1), "{report:#}");
        let what = report["fault"].as_str().expect("a text");
        assert!(what.contains("signer.unknown-key"), "{what}");
    }
}
