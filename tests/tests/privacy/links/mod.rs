//! What can be linked from the published log alone, held against who is who.
//!
//! The demo's own subjects live in one quarter, so one person more is written while its nodes run
//! (`traveller`), and one is cared for as `care` tells.

mod admitted;
mod observer;
mod traveller;
mod truth;

use self::observer::Observer;
use self::truth::{Person, Truth};
use super::care::people::PATIENT;
use super::{care, demo, seeds};
use anyhow::{Context as _, Result, ensure};
use medanchor_ledger::Tag;
use std::collections::BTreeSet;

const HOSPITALS: [&str; 2] = ["north-hospital", "south-hospital"];
const CLASS: &str = "MedicationRequest";
/// Known under one name to both hospitals.
const TRAVELLER: &str = "Patient/known-to-both";

/// A person at a hospital, without the quarter.
fn without_quarter(person: &Person) -> (&'static str, &str) {
    (person.0, &person.1)
}

#[test]
fn what_the_log_links_is_what_the_page_admits() -> Result<()> {
    let home = tempfile::tempdir()?;
    let demo = demo::run_and(&seeds(), None, |dir, node, shown| {
        care::live(care::Desk::new(dir, node, home.path())?, shown)?;
        traveller::write(dir, node)
    })?;
    let observer = Observer::of(&demo.dir.path().join(HOSPITALS[0]).join("log"))?;
    let truth = Truth::of(demo.dir.path())?;
    one_tag_is_one_person_at_one_hospital_in_one_quarter(&observer, &truth)?;
    no_value_stands_under_two_tags(&observer)?;
    only_consents_join_quarters(&observer, &truth)?;
    no_handle_of_another_quarter_or_hospital_is_shown(&observer, &truth)?;
    admitted::each_kind_links_what_the_page_says(&observer, &truth)
}

/// Admitted: all records, prescriptions, redemptions, accesses, reviews and consents of a subject in one
/// quarter at one hospital stand under one tag. That is all a tag says.
fn one_tag_is_one_person_at_one_hospital_in_one_quarter(
    observer: &Observer,
    truth: &Truth,
) -> Result<()> {
    let mut of_input = 0;
    for (key, tag) in &observer.records {
        let person = truth.people.get(tag);
        let (hospital, name, _) = person.with_context(|| format!("{} is nobody's", key.1))?;
        ensure!(key.0.as_str() == *hospital, "another hospital's tag");
        if let Some(subject) = truth.records.get(key) {
            ensure!(subject == name, "a record under another subject's tag");
            of_input += 1;
        }
    }
    ensure!(of_input >= 80, "only {of_input} records of the input");
    let counts = observer.events.values().map(|kinds| kinds.values().sum());
    let counts: Vec<usize> = counts.collect();
    let linked = counts.iter().filter(|count| **count > 1).count();
    let most = counts.iter().max().copied().unwrap_or_default();
    println!(
        "{} records of {} tags; {linked} tags link more than one event, up to {most}",
        observer.records.len(),
        observer.events.len()
    );
    ensure!(linked >= 30, "only {linked} tags link anything");
    Ok(())
}

/// Not linkable: apart from what says who signed on which network, and the heads by which an emergency
/// journal goes on, no value of 16 bytes or more stands in the events of two tags that no consent joins, or in
/// one of a tag's and in one of a drug pack's.
fn no_value_stands_under_two_tags(observer: &Observer) -> Result<()> {
    let groups = observer.groups();
    let alone = |tags: &BTreeSet<Tag>| {
        let heads: BTreeSet<_> = tags.iter().map(|tag| groups.get(tag)).collect();
        heads.len() == 1
    };
    let shared = observer
        .tags_of
        .iter()
        .filter(|(value, tags)| !alone(tags) || observer.elsewhere.contains(*value));
    let shared: BTreeSet<&Vec<u8>> = shared.map(|(value, _)| value).collect();
    println!(
        "{} values, {} of them under tags that nothing joins",
        observer.tags_of.len(),
        shared.len()
    );
    for value in shared {
        let (shown, text) = (hex::encode(value), value.escape_ascii());
        ensure!(observer.is_no_link(value), "{shown} ({text}) links tags");
    }
    Ok(())
}

/// Admitted: a consent lists its subject's tags, and one that continues or renews another names that, and so
/// they join quarters, but of one person at one hospital. The traveller's does, and nothing else says that
/// the traveller was there before; of the patient in `care` the renewal says that there were records, or might
/// have been.
fn only_consents_join_quarters(observer: &Observer, truth: &Truth) -> Result<()> {
    let mut joined = BTreeSet::new();
    for ((owner, _), consent) in &observer.consents {
        let root = consent.root.map(|root| (owner.clone(), root));
        let root = root.and_then(|root| observer.consents.get(&root));
        let roots = root.iter().flat_map(|root| root.tags.iter());
        let tags: BTreeSet<&Tag> = consent.tags.iter().chain(roots).collect();
        let people: Option<Vec<&Person>> = tags.iter().map(|tag| truth.people.get(tag)).collect();
        let people = people.context("a consent lists a tag of nobody")?;
        let one: BTreeSet<_> = people
            .iter()
            .map(|person| without_quarter(person))
            .collect();
        ensure!(one.len() == 1, "a consent joins {one:?}");
        if tags.len() > 1 {
            joined.extend(one);
        }
    }
    let expected = [TRAVELLER, PATIENT].map(|name| (HOSPITALS[0], name));
    ensure!(
        joined == BTreeSet::from(expected),
        "consents join the quarters of {joined:?}"
    );
    Ok(())
}

/// Not linkable: what is derived for a quarter in which, or a hospital at which, nothing was written
/// of a subject stands nowhere; and the traveller's tags are four that share nothing.
fn no_handle_of_another_quarter_or_hospital_is_shown(
    observer: &Observer,
    truth: &Truth,
) -> Result<()> {
    let tags = observer.events.keys();
    let written: BTreeSet<&Person> = tags.filter_map(|tag| truth.people.get(tag)).collect();
    for (value, person) in &truth.handles {
        let shown = observer.tags_of.contains_key(value) || observer.elsewhere.contains(value);
        ensure!(!shown || written.contains(person), "{person:?} is shown");
    }
    let travels = observer.events.keys().filter(|tag| {
        let person = truth.people.get(*tag);
        person.is_some_and(|(_, name, _)| name == TRAVELLER)
    });
    ensure!(travels.count() == 4, "the traveller has not four tags");
    Ok(())
}
