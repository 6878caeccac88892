//! What `docs/privacy.md` admits of each kind of event in the care of one patient: that it can be linked is
//! measured, so that the page neither hides it nor goes on to admit it when it is gone.

use super::super::care::people::PATIENT;
use super::super::care::{PHARMACY, VISITED};
use super::HOSPITALS;
use super::observer::Observer;
use super::truth::Truth;
use anyhow::{Context as _, Result, ensure};
use medanchor_ledger::event::{AccessEmergency, EventKind};
use medanchor_ledger::{ParticipantName, Tag};
use medanchor_sdk::{Context as _, System};
use medanchor_vault::Epoch;
use std::collections::BTreeSet;

/// What the log has under the patient's tag at the hospital that keeps the record in custody. The
/// delegation, a consent of the delegate's, one of the patient's, and the renewal of another.
const AT_THE_OWNER: [(EventKind, usize); 11] = [
    (EventKind::RecordSeal, 1),
    (EventKind::RecordCustody, 1),
    (EventKind::RecordSupersede, 2),
    (EventKind::RecordReshare, 1),
    (EventKind::ConsentGrant, 4),
    (EventKind::ConsentRevoke, 1),
    (EventKind::ConsentEnd, 1),
    (EventKind::AccessRequest, 4),
    (EventKind::AccessBreakGlass, 2),
    (EventKind::AccessReview, 1),
    (EventKind::AccessEmergency, 1),
];
/// And at the hospital that the patient visits.
const ELSEWHERE: [(EventKind, usize); 3] = [
    (EventKind::RecordSeal, 1),
    (EventKind::ConsentGrant, 1),
    (EventKind::ConsentEnd, 1),
];

/// All of it.
pub fn each_kind_links_what_the_page_says(observer: &Observer, truth: &Truth) -> Result<()> {
    let [own, other] = HOSPITALS.map(|hospital| tag_at(hospital, observer, truth));
    a_tag_has_the_whole_care(observer, own?, &AT_THE_OWNER)?;
    a_tag_has_the_whole_care(observer, other?, &ELSEWHERE)?;
    a_version_says_whether_its_class_changed(observer)?;
    a_record_that_moves_is_linked_to_itself(observer)?;
    a_consent_names_the_one_that_it_rests_on(observer, truth)?;
    an_end_opens_one_ender_and_no_other(observer)?;
    openings_of_one_journal_follow_each_other(observer)
}

/// The patient's tag of this quarter at a hospital.
fn tag_at(hospital: &str, observer: &Observer, truth: &Truth) -> Result<Tag> {
    let now = Epoch::of(System.now());
    let mut tags = observer.events.keys();
    let own = tags.find(|tag| {
        let person = truth.people.get(*tag);
        person.is_some_and(|who| (who.0, &*who.1, who.2) == (hospital, PATIENT, now))
    });
    own.copied()
        .context("nothing stands under the patient's tag")
}

/// Admitted: everything that is done about a patient in a quarter at a hospital stands under one tag: also what
/// was opened without a consent, how that was judged, corrections, moves, and who ended which consent.
fn a_tag_has_the_whole_care(
    observer: &Observer,
    tag: Tag,
    expected: &[(EventKind, usize)],
) -> Result<()> {
    let found = observer.events.get(&tag).context("a tag without events")?;
    for (kind, count) in found {
        println!(
            "{} x {} ({} in the log)",
            count,
            kind.name(),
            observer.count(*kind)
        );
    }
    let expected = expected.iter().copied().collect();
    ensure!(*found == expected, "{found:?} and not {expected:?}");
    Ok(())
}

/// Admitted: whether the class of a record changed. Versions have no more in common than that and the record.
fn a_version_says_whether_its_class_changed(observer: &Observer) -> Result<()> {
    let corrected = observer.classes.values().filter(|all| all.len() > 1);
    let same = corrected.map(|all| all.windows(2).all(|pair| pair[0] == pair[1]));
    let same: BTreeSet<bool> = same.collect();
    ensure!(
        same.len() == 2,
        "one keeps its class, one does not: {same:?}"
    );
    Ok(())
}

/// Admitted: a sharing anew over other custodians has the first point of the sharing before. Not linkable: any
/// other record, or another version's key, to it.
fn a_record_that_moves_is_linked_to_itself(observer: &Observer) -> Result<()> {
    let mut moved = 0;
    for tags in observer.shared.values() {
        let one: BTreeSet<&Tag> = tags.iter().collect();
        ensure!(one.len() == 1, "one point under two tags");
        moved += usize::from(tags.len() > 1);
    }
    ensure!(
        moved == observer.count(EventKind::RecordReshare),
        "{moved} moved"
    );
    Ok(())
}

/// Admitted: which consents rest on one delegation or renew one consent, by its handle: one person's at one
/// hospital. Those of a delegate have no ender, and one that is renewed covers another quarter. Whose
/// delegation it is nothing says.
fn a_consent_names_the_one_that_it_rests_on(observer: &Observer, truth: &Truth) -> Result<()> {
    let (mut below, mut renewed) = (0, 0);
    for ((owner, _), grant) in &observer.consents {
        let Some(root) = grant.root else { continue };
        let first = observer.consents.get(&(owner.clone(), root));
        let first = first.context("a root that was never granted")?;
        let both = grant.tags.iter().chain(first.tags.iter());
        let people: Option<Vec<_>> = both.map(|tag| truth.people.get(tag)).collect();
        let people = people.context("a tag of nobody")?;
        let one: BTreeSet<_> = people.iter().map(|who| (who.0, &who.1)).collect();
        ensure!(one.len() == 1, "{one:?} under one root");
        ensure!(first.ender.is_some(), "the card approved it");
        match grant.ender {
            None => below += 1,
            Some(ender) => {
                ensure!(first.ender != Some(ender), "one ender ends one consent");
                let shared = grant
                    .classes
                    .iter()
                    .any(|one| first.classes.iter().any(|other| one == other));
                ensure!(
                    !shared && grant.tags != first.tags,
                    "handles of another quarter"
                );
                renewed += 1;
            }
        }
    }
    // In the last week of a quarter the next one's re-issue is there, too.
    ensure!(
        below == 1 && (1..=2).contains(&renewed),
        "{below}, {renewed}"
    );
    Ok(())
}

/// Admitted: which consent a patient ended, and who anchored that; so also that one participant anchored two
/// ends, in the order of the log. Not linkable by a value: that both ends are one patient's, although one card
/// signed both.
fn an_end_opens_one_ender_and_no_other(observer: &Observer) -> Result<()> {
    let mut keys = BTreeSet::new();
    for (event, end) in &observer.ends {
        ensure!(
            event.issuer().as_str() == PHARMACY,
            "somebody else anchored"
        );
        let ender = end.ender(event.network());
        let opened = observer
            .consents
            .iter()
            .filter(|(_, grant)| grant.ender == Some(ender));
        let opened: Vec<_> = opened.map(|(key, _)| key.clone()).collect();
        ensure!(opened == [(end.owner.clone(), end.consent)], "{opened:?}");
        keys.insert(end.key.as_bytes().to_vec());
    }
    let owners: BTreeSet<&str> = observer
        .ends
        .iter()
        .map(|(_, end)| end.owner.as_str())
        .collect();
    ensure!(
        owners == BTreeSet::from([HOSPITALS[0], VISITED]),
        "{owners:?}"
    );
    ensure!(
        keys.len() == observer.ends.len(),
        "one key ended two consents"
    );
    Ok(())
}

/// Admitted: the openings by one emergency key follow each other, whosever records they are of.
fn openings_of_one_journal_follow_each_other(observer: &Observer) -> Result<()> {
    for pair in observer.emergencies.windows(2) {
        let [(who, before), (same, after)] = pair else {
            continue;
        };
        ensure!(
            who == same && after.previous == before.head(),
            "a gap in the journal"
        );
    }
    let record = |(owner, entry): &(ParticipantName, AccessEmergency)| {
        let tag = observer.records.get(&(owner.clone(), entry.record));
        tag.copied()
    };
    let tags: BTreeSet<Option<Tag>> = observer.emergencies.iter().map(record).collect();
    ensure!(
        tags.len() == 2,
        "openings of two people's records: {tags:?}"
    );
    Ok(())
}
