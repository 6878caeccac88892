//! The importer on files that nobody here wrote: all of `../shared/data`, if it stands beside the
//! checkout.

use crate::setup::{NOW, roster, shared};
use medanchor_sdk::import::*;
use std::collections::{BTreeMap, BTreeSet};

fn planned(import: &Import) -> Plan {
    plan(&import.items, &roster(), NOW)
}

/// How often each reason was given.
fn reasons<'a>(left_out: impl IntoIterator<Item = &'a LeftOut>) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for left_out in left_out {
        *counts.entry(left_out.reason.to_string()).or_insert(0) += 1;
    }
    counts
}

/// Every item of the import is planned once or left out once.
fn check_nothing_lost(import: &Import, plan: &Plan) {
    let planned: usize = plan.steps.iter().map(|step| step.action.items()).sum();
    assert_eq!(planned + plan.left_out.len(), import.items.len());
    assert!(
        import
            .files
            .iter()
            .all(|file| file.items + file.left_out > 0)
    );
    let outcomes: usize = import
        .files
        .iter()
        .map(|file| file.items + file.left_out)
        .sum();
    assert_eq!(outcomes, import.items.len() + import.left_out.len());
}

fn count(plan: &Plan, wanted: fn(&Action) -> bool) -> usize {
    plan.steps
        .iter()
        .filter(|step| wanted(&step.action))
        .count()
}

#[test]
fn every_fhir_example_is_an_item_or_has_a_plain_reason() {
    let Some(import) = shared("fhir-r4") else {
        return;
    };
    let plan = planned(&import);
    check_nothing_lost(&import, &plan);
    assert_eq!(import.files.len(), 148);
    assert_eq!(import.items.prescriptions.len(), 35, "40 less 5 on hold");
    assert_eq!(
        import.items.dispenses.len(),
        25,
        "31 less 6 that did not take place"
    );
    assert_eq!(import.items.consents.len(), 0);
    assert_eq!(
        count(&plan, |action| matches!(action, Action::Issue { .. })),
        35
    );
    assert_eq!(
        count(&plan, |action| matches!(action, Action::Redeem { .. })),
        18
    );
    let reasons = reasons(import.left_out.iter().chain(&plan.left_out));
    let unhandled = reasons
        .iter()
        .filter(|(reason, _)| reason.starts_with("resource type"));
    assert_eq!(unhandled.map(|(_, count)| count).sum::<usize>(), 65);
    let consents = reasons
        .iter()
        .filter(|(reason, _)| reason.starts_with("a consent that is not read"));
    assert_eq!(consents.map(|(_, count)| count).sum::<usize>(), 12);
    let left: Vec<_> = plan
        .left_out
        .iter()
        .map(|left_out| &left_out.reason)
        .collect();
    let times = |wanted: &Reason| left.iter().filter(|reason| **reason == wanted).count();
    assert_eq!(times(&Reason::OtherUnit), 4);
    assert_eq!(times(&Reason::AlreadyRedeemed), 2);
    assert_eq!(times(&Reason::PrescriptionNotAnchored), 1);
    assert_eq!(
        left.len(),
        7,
        "no dispense lacks its prescription: {left:?}"
    );
}

#[test]
fn every_epcis_example_is_an_item_or_has_a_plain_reason() {
    let Some(import) = shared("epcis") else {
        return;
    };
    let plan = planned(&import);
    check_nothing_lost(&import, &plan);
    assert_eq!(import.files.len(), 23);
    assert_eq!(import.items.units.len(), 24);
    assert_eq!(
        count(&plan, |action| matches!(action, Action::Commission { .. })),
        1
    );
    assert_eq!(plan.left_out.len(), 20);
    assert!(
        plan.left_out
            .iter()
            .all(|left_out| left_out.reason == Reason::NeverCommissioned)
    );
    assert_eq!(import.left_out.len(), 27);
}

#[test]
fn every_event_hash_example_is_an_item_or_has_a_plain_reason() {
    let Some(import) = shared("epcis-event-hash") else {
        return;
    };
    let plan = planned(&import);
    check_nothing_lost(&import, &plan);
    assert_eq!(import.files.len(), 33);
    assert_eq!(import.items.units.len(), 23);
    let reasons = reasons(import.left_out.iter().chain(&plan.left_out));
    assert_eq!(
        reasons.get("not JSON"),
        Some(&22),
        "hashes and the strings that were hashed"
    );
    assert_eq!(reasons.get("never commissioned in this input"), Some(&15));
    assert_eq!(reasons.get("commissioned before in this input"), Some(&4));
}

#[test]
fn the_whole_folder_gives_an_outcome_for_each_of_its_files() {
    let Some(import) = shared("") else { return };
    let plan = planned(&import);
    check_nothing_lost(&import, &plan);
    assert_eq!(import.files.len(), 457);
    assert_eq!(import.items.len(), 107);
    let names: BTreeSet<_> = import.files.iter().map(|file| &file.file).collect();
    assert_eq!(names.len(), import.files.len(), "each file once");
    let merkle = import
        .files
        .iter()
        .filter(|file| file.file.starts_with("tlog/"));
    assert!(
        merkle
            .clone()
            .all(|file| (file.items, file.left_out) == (0, 1))
    );
    assert_eq!(merkle.count(), 252);
}

#[test]
fn no_reason_repeats_a_value_of_the_input() {
    let Some(import) = shared("") else { return };
    let plan = planned(&import);
    for left_out in import.left_out.iter().chain(&plan.left_out) {
        let text = left_out.reason.to_string().to_lowercase();
        for value in [
            "duck",
            "heuvel",
            "pat1",
            "f001",
            "sgtin",
            "0614141",
            "oxycodone",
        ] {
            assert!(!text.contains(value), "{text}");
        }
    }
}
