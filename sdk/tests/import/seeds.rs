//! The project's own sample data: what stands in `seeds/` can be anchored, but for the few items
//! that are there to show what is not.

use crate::setup::{NOW, roster, seeds};
use medanchor_sdk::import::*;
use std::collections::{BTreeMap, BTreeSet};

fn kind(action: &Action) -> &'static str {
    match action {
        Action::Issue { .. } => "issue",
        Action::Redeem { .. } => "redeem",
        Action::Grant { .. } => "grant",
        Action::OpenLot { .. } => "open",
        Action::Commission { .. } => "commission",
        Action::Ship { .. } => "ship",
        Action::Receive { .. } => "receive",
        Action::Dispense { .. } => "dispense",
    }
}

#[test]
fn the_seeds_are_planned_but_for_what_is_there_to_be_refused() {
    let import = seeds();
    let plan = plan(&import.items, &roster(), NOW);
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for step in &plan.steps {
        *counts.entry(kind(&step.action)).or_default() += step.action.items().max(1);
    }
    let left: Vec<String> = import
        .left_out
        .iter()
        .chain(&plan.left_out)
        .map(|left_out| left_out.reason.to_string())
        .filter(|reason| !reason.starts_with("resource type Patient"))
        .filter(|reason| !reason.starts_with("Organization"))
        .collect();
    let expected = [
        ("commission", 68),
        ("dispense", 31),
        ("grant", 18),
        ("issue", 88),
        ("open", 3),
        ("receive", 112),
        ("redeem", 67),
        ("ship", 112),
    ];
    assert_eq!(counts, BTreeMap::from(expected));
    assert_eq!(
        left,
        [
            "not JSON",
            "AggregationEvent with business step packing not handled yet",
            "resource type Observation not handled yet",
            "status cancelled: it was withdrawn before it took effect",
            "status draft: it is not issued yet",
            "the prescription it names is not in the input",
            "a consent that is not granted: the consent denies; grants on the ledger only permit, so grant nothing",
            "never commissioned in this input",
        ]
    );
}

#[test]
fn every_participant_acts_in_its_own_name() {
    let import = seeds();
    let plan = plan(&import.items, &roster(), NOW);
    let acting: BTreeSet<&str> = plan.steps.iter().map(|step| step.by.as_str()).collect();
    assert_eq!(acting.len(), 6, "all but the regulator: {acting:?}");
}
