//! Consents that run on over the turn of a quarter, before the ledger's own rules.

mod card;
mod ended;
mod glass;
#[cfg(feature = "client")]
mod waiting;

use super::delegation::{PEOPLE, consent, guardian};
use super::*;
use crate::subject::Subject;
use medanchor_ledger::rules::Consent;
use medanchor_ledger::{ConsentHandle, MemberCommitment};
use medanchor_vault::Epoch;
use medanchor_vault::secret::TagKey;

/// The first of April and of July 2026.
const APRIL: u64 = 1_775_001_600_000;
const JULY: u64 = 1_782_864_000_000;
const YEAR: u64 = 365 * DAY;

/// The hospital and who reads there, on one day.
struct Day {
    hospital: Identity,
    second: Identity,
    now: u64,
}

impl World {
    fn day(&self, now: u64) -> Day {
        let (hospital, second) = (self.open_at("hospital", now), self.open_at("second", now));
        Day {
            hospital,
            second,
            now,
        }
    }

    fn consent(&self, consent: &ConsentHandle) -> Option<Consent> {
        let key = Consent::key(&name("hospital"), consent);
        let value = self.state.value(&key).unwrap()?;
        Some(Consent::decode(&value).unwrap())
    }

    fn anchored(&mut self, now: u64, event: Event) {
        assert_eq!(self.block(now, &[event]), [Ok(())]);
    }

    /// What is due, judged by the ledger as it is.
    fn judged(&self, hospital: &Identity) -> Vec<Renewing> {
        let judged = self.judged_at(hospital, hospital.context().now());
        judged.into_iter().map(Result::unwrap).collect()
    }

    /// The same under a block of another time than the hospital's clock shows.
    fn judged_at(&self, hospital: &Identity, time: Time) -> Vec<Result<Renewing, SdkError>> {
        let due = hospital.renewals_due().unwrap();
        let ledger = |consent: &ConsentHandle| {
            Ok(ProvedConsent {
                consent: self.consent(consent),
                time,
            })
        };
        let judged = due.iter().map(|one| hospital.renew_consent(one, ledger));
        judged.collect()
    }

    /// What can be renewed.
    fn signed(&self, hospital: &Identity) -> Vec<Renewal> {
        let judged = self.judged(hospital).into_iter();
        let stands = judged.filter_map(|one| match one {
            Renewing::Stands { renewals, .. } => Some(renewals),
            _ => None,
        });
        stands.flatten().collect()
    }

    /// Renews what is due, as a service does; gives the re-issues.
    fn renewed(&mut self, day: &Day, after: u64) -> Vec<Renewal> {
        let signed = self.signed(&day.hospital);
        let events: Vec<_> = signed.iter().filter_map(|one| one.event.clone()).collect();
        if !events.is_empty() {
            let results = self.block(day.now + after, &events);
            assert!(results.iter().all(Result::is_ok), "{results:?}");
        }
        for one in &signed {
            let files = day.hospital.note_renewal(one).unwrap();
            assert_eq!(files.len(), one.tickets.len());
        }
        signed
    }
}

impl Day {
    fn seal(&self, name: &str) -> Event {
        let new = NewRecord {
            name,
            version: 1,
            subject: "Patient/1",
            class: "laboratory",
            payload: b"{}",
        };
        self.hospital.seal_record(&new).unwrap().event
    }

    /// What is decided on a request for a record of the hospital.
    fn reads(&self, world: &mut World, ticket: &GrantTicket, record: &str, after: u64) -> Decision {
        let asked = self.second.request_access(&NewAccess {
            name: &format!("{record} {}", self.now + after),
            ticket,
            record: self.hospital.record_handle(record),
            purpose: "TREAT",
            actor: "a",
            reason: "r",
        });
        let asked = asked.unwrap();
        world.block(self.now + after, std::slice::from_ref(&asked.event));
        world.decision(&asked)
    }
}

/// A consent for a year, granted and anchored on the first of January.
fn granted(world: &mut World, day: &Day, new: &NewConsent<'_>) -> Consented {
    let consented = day.hospital.grant(new).unwrap();
    world.anchored(day.now, consented.event.clone());
    consented
}

fn enrolled(hospital: &Identity) -> Subject {
    let patient = Subject::new(hospital.network(), TagKey::new([7; 32]));
    let brought = patient.key_for(&name("hospital"));
    hospital.take_subject_key("Patient/1", &brought).unwrap();
    patient
}

/// A contract listed the tags up to the quarter of its first day, so what was sealed from the next one on was
/// denied to the team for the rest of the year.
#[test]
fn a_team_reads_what_is_sealed_in_later_quarters_once_the_contract_is_renewed() {
    let mut world = World::of(&PEOPLE);
    let team = Grantee {
        participant: name("second"),
        member: Some(MemberCommitment::new([5; 32])),
    };
    let day = world.day(NOW);
    let contract = day.hospital.sign_up(&NewContract {
        name: "contract",
        delegation: None,
        subject: "Patient/1",
        team: &team,
        classes: &["laboratory"],
        records_since: Time(NOW),
        records: &[],
        signed: Time(NOW),
        ends: Time(NOW + YEAR),
        utc_offset: 0,
        separate: SeparateConsent::SHARE,
        abroad: false,
        document: b"{}",
    });
    let contract = contract.unwrap();
    let first = &contract.tickets[0];
    assert_eq!(
        world.block(NOW, &[contract.event.clone(), day.seal("early")]),
        [Ok(()); 2]
    );
    drop(day);

    let day = world.day(APRIL + DAY);
    world.anchored(day.now, day.seal("late"));
    let uncovered = Decision::Denied(DenialReason::Tag);
    assert_eq!(day.reads(&mut world, first, "late", 1), uncovered);
    let renewed = world.renewed(&day, 2);
    let [renewal] = &renewed[..] else {
        panic!("{} re-issues", renewed.len());
    };
    assert_eq!(renewal.quarter, Epoch::of(Time(APRIL)));
    let ticket = GrantTicket::from_text(&renewal.tickets[0].to_text()).unwrap();
    assert_eq!(
        day.reads(&mut world, &ticket, "late", 3),
        Decision::Permitted
    );
    assert_eq!(
        day.reads(&mut world, first, "early", 4),
        Decision::Permitted
    );

    // The same for the same time and nobody else, and nothing of the first one's handles is in it.
    let (was, is) = (contract.consent, renewal.consent);
    let (was, is) = (world.consent(&was).unwrap(), world.consent(&is).unwrap());
    assert_eq!(
        (is.not_before, is.not_after),
        (was.not_before, was.not_after)
    );
    assert_eq!(
        (is.tags.as_slice().len(), is.root),
        (1, Some(contract.consent))
    );
    let counts = |one: &Consent| {
        let grantees = one.grantees.as_slice().len();
        (
            grantees,
            one.purposes.as_slice().len(),
            one.classes.as_slice().len(),
        )
    };
    assert_eq!(counts(&is), counts(&was));
    assert!(is.grantees.iter().all(|one| !was.grantees.contains(one)));
    assert!(is.purposes.iter().all(|one| !was.purposes.contains(one)));

    // The end of the first one ends all.
    world.anchored(day.now + 5, day.hospital.revoke("contract").unwrap());
    let revoked = Decision::Denied(DenialReason::Revoked);
    assert_eq!(day.reads(&mut world, &ticket, "late", 6), revoked);
}

#[test]
fn a_consent_is_renewed_from_a_week_before_the_quarter_on_and_for_each_that_was_missed() {
    let mut world = World::of(&PEOPLE);
    let grantees = [name("second").into()];
    let day = world.day(NOW);
    granted(&mut world, &day, &consent("c", &grantees, NOW + YEAR));
    granted_short(&mut world, &day);
    assert!(day.hospital.renewals_due().unwrap().is_empty());
    drop(day);
    let early = world.day(APRIL - 8 * DAY);
    assert!(early.hospital.renewals_due().unwrap().is_empty());
    drop(early);
    let day = world.day(APRIL - 6 * DAY);
    assert_eq!(
        day.hospital.renewals_due().unwrap().len(),
        1,
        "nothing of what ends in March"
    );
    drop(day);
    let day = world.day(JULY + DAY);
    // An application that grants it once more, which the ledger refuses, changes nothing.
    day.hospital
        .grant(&consent("c", &grantees, NOW + YEAR))
        .unwrap();
    let renewed = world.renewed(&day, 0);
    let quarters: Vec<u32> = renewed.iter().map(|one| one.quarter.0).collect();
    let april = Epoch::of(Time(APRIL)).0;
    assert_eq!(quarters, [april, april + 1]);
    assert!(
        world.signed(&day.hospital).is_empty(),
        "run twice gives one"
    );
    drop(day);
    // The last re-issue is for the quarter in which the period ends.
    let day = world.day(NOW + YEAR - DAY);
    assert_eq!(world.renewed(&day, 0).len(), 1);
    assert!(world.signed(&day.hospital).is_empty());
    drop(day);
    let day = world.day(NOW + YEAR + DAY);
    assert!(world.signed(&day.hospital).is_empty());
    assert!(
        day.hospital.renewals_due().unwrap().is_empty(),
        "it is forgotten"
    );
}

fn granted_short(world: &mut World, day: &Day) {
    let grantees = [name("second").into()];
    let short = day
        .hospital
        .grant(&consent("short", &grantees, APRIL))
        .unwrap();
    world.anchored(day.now + 1, short.event);
}

/// What a crash leaves: signed and not anchored, or anchored and not noted.
#[test]
fn a_renewal_that_was_cut_off_is_one_renewal() {
    let mut world = World::of(&PEOPLE);
    let grantees = [name("second").into()];
    let day = world.day(NOW);
    granted(&mut world, &day, &consent("c", &grantees, NOW + YEAR));
    drop(day);
    let day = world.day(APRIL);
    let [lost, signed] =
        [world.signed(&day.hospital), world.signed(&day.hospital)].map(|mut all| all.remove(0));
    world.anchored(APRIL, signed.event.unwrap());
    let second = lost.event.unwrap();
    assert_eq!(
        world.block(APRIL + 1, &[second]),
        [Err(Rule::ConsentExists)]
    );
    let again = world.renewed(&day, 2);
    let [found] = &again[..] else {
        panic!("{} re-issues", again.len());
    };
    assert!(found.event.is_none(), "the ledger has it");
    assert_eq!(found.tickets[0].encode(), signed.tickets[0].encode());
    let files = world.root.path().join("hospital/tickets");
    assert_eq!(files.read_dir().unwrap().count(), 1);
    assert!(world.signed(&day.hospital).is_empty());
}

#[test]
fn what_has_ended_or_never_stood_is_not_renewed() {
    let mut world = World::of(&PEOPLE);
    let grantees = [name("second").into()];
    let day = world.day(NOW);
    let new = |name| consent(name, &grantees, NOW + YEAR);
    granted(&mut world, &day, &new("revoked"));
    world.anchored(NOW + 1, day.hospital.revoke("revoked").unwrap());
    day.hospital.grant(&new("never anchored")).unwrap();
    let patient = enrolled(&day.hospital);
    let own = new("ended by card");
    let draft = day.hospital.draft_consent(&own).unwrap();
    let approval = patient.approve(&draft).unwrap();
    let later = patient.approve_renewals(&draft).unwrap();
    day.hospital.take_renewals(&later).unwrap();
    let approved = day.hospital.grant_approved(&own, &approval).unwrap();
    world.anchored(NOW + 3, approved.event);
    let end = patient.end(&name("hospital"), approved.consent);
    world.anchored(NOW + 4, day.second.end_for_patient(&end).unwrap());
    assert!(world.consent(&approved.consent).unwrap().revoked.is_some());
    drop(day);
    let day = world.day(APRIL);
    let judged = world.judged(&day.hospital);
    let over = judged.iter().filter(|one| matches!(one, Renewing::Over));
    assert_eq!((judged.len(), over.count()), (3, 2));
    let left = world.judged(&day.hospital);
    assert!(
        matches!(left[..], [Renewing::NotAnchored]),
        "the others are forgotten"
    );
}

#[test]
fn consents_below_a_delegation_are_renewed_below_it_until_it_ends() {
    let mut world = World::of(&PEOPLE);
    let grantees = [name("second").into()];
    let day = world.day(NOW);
    let delegated = day
        .hospital
        .delegate(&guardian("guardian", NOW + YEAR))
        .unwrap();
    world.anchored(NOW, delegated.event);
    for (after, name) in [(1, "c"), (2, "d")] {
        let new = consent(name, &grantees, NOW + YEAR);
        let given = day.hospital.grant_as_delegate("guardian", &new).unwrap();
        world.anchored(NOW + after, given.event);
    }
    assert!(day.hospital.revoke("c").is_ok(), "it has no re-issue yet");
    drop(day);
    let day = world.day(APRIL);
    world.anchored(APRIL, day.seal("late"));
    let renewed = world.renewed(&day, 1);
    assert_eq!(renewed.len(), 2);
    let root = Some(delegated.consent);
    assert!(
        renewed
            .iter()
            .all(|one| world.consent(&one.consent).unwrap().root == root)
    );
    let ticket = &renewed[0].tickets[0];
    assert_eq!(
        day.reads(&mut world, ticket, "late", 2),
        Decision::Permitted
    );
    // To revoke the consent alone would leave its re-issue, which hangs on the delegation.
    let refused = day.hospital.revoke("c").unwrap_err().to_string();
    assert!(refused.contains("revoke_consent"), "{refused}");
    world.anchored(APRIL + 3, day.hospital.revoke("guardian").unwrap());
    let revoked = Decision::Denied(DenialReason::Revoked);
    assert_eq!(day.reads(&mut world, ticket, "late", 4), revoked);
    drop(day);
    let day = world.day(JULY);
    assert!(world.signed(&day.hospital).is_empty());
    assert!(day.hospital.renewals_due().unwrap().is_empty());
}

#[test]
fn a_file_that_was_changed_is_an_error_and_hides_no_other_consent() {
    let mut world = World::of(&PEOPLE);
    let grantees = [name("second").into()];
    let day = world.day(NOW);
    let one = granted(&mut world, &day, &consent("one", &grantees, NOW + YEAR)).consent;
    let new = consent("two", &grantees, NOW + YEAR);
    let two = day.hospital.grant(&new).unwrap().consent;
    drop(day);
    let folder = world.root.path().join("hospital/consents/2026-Q1");
    let path = folder.join(two.to_string());
    let kept = std::fs::read(folder.join(one.to_string())).unwrap();
    let shown = String::from_utf8_lossy(&kept);
    assert!(!shown.contains("Patient") && !shown.contains("laboratory"));
    std::fs::write(&path, kept).unwrap();
    let day = world.day(APRIL);
    let judged = world.judged_at(&day.hospital, Time(APRIL));
    assert_eq!(
        judged.into_iter().filter(Result::is_err).count(),
        1,
        "another's file is no consent's own"
    );
}
