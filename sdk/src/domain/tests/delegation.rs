//! Delegations and contracts, before the ledger's own rules.

use super::*;
use medanchor_ledger::MemberCommitment;

const YEARS: u64 = 365 * DAY;

pub(super) fn guardian(name: &'static str, until: u64) -> NewDelegation<'static> {
    NewDelegation {
        name,
        subject: "Patient/1",
        delegate: "RelatedPerson/3",
        called: "Li Na",
        mandate: Mandate::GuardianOfAdult { until: Time(until) },
        basis: "court order 17",
        not_before: Time(NOW),
    }
}

pub(super) fn consent<'a>(
    name: &'a str,
    grantees: &'a [Grantee],
    not_after: u64,
) -> NewConsent<'a> {
    NewConsent {
        name,
        root: None,
        subject: "Patient/1",
        grantees,
        purposes: &["TREAT"],
        classes: &["laboratory"],
        records_since: Time(NOW),
        not_before: Time(NOW),
        not_after: Time(not_after),
        records: &[("lab", "laboratory")],
        separate: SeparateConsent::SHARE,
        abroad: false,
        document: b"{}",
    }
}

pub(super) fn lab(hospital: &Identity) -> Event {
    let new = NewRecord {
        name: "lab",
        version: 1,
        subject: "Patient/1",
        class: "laboratory",
        payload: b"{}",
    };
    hospital.seal_record(&new).unwrap().event
}

pub(super) fn asked(who: &Identity, ticket: &GrantTicket, name: &str) -> AccessAsked {
    let record = ticket.records[0].record;
    who.request_access(&NewAccess {
        name,
        ticket,
        record,
        purpose: "TREAT",
        actor: "a",
        reason: "r",
    })
    .unwrap()
}

pub(super) const PEOPLE: [(&str, Role); 2] =
    [("hospital", Role::Hospital), ("second", Role::Hospital)];

#[test]
fn revoking_a_delegation_ends_every_consent_that_rests_on_it() {
    let mut world = World::of(&PEOPLE);
    let (hospital, second) = (world.open("hospital"), world.open("second"));
    let delegated = hospital
        .delegate(&guardian("guardian", NOW + 2 * DAY))
        .unwrap();
    let grantees = [name("second").into()];
    let given = |name| {
        hospital
            .grant_as_delegate("guardian", &consent(name, &grantees, NOW + DAY))
            .unwrap()
    };
    let (first, other) = (given("c1"), given("c2"));
    let own = hospital
        .grant(&consent("c3", &grantees, NOW + DAY))
        .unwrap();
    let events = [&delegated.event, &first.event, &other.event, &own.event].map(Clone::clone);
    assert!(
        world
            .block(NOW, &[lab(&hospital)])
            .iter()
            .all(Result::is_ok)
    );
    assert_eq!(world.block(NOW + 1, &events), [Ok(()); 4]);

    let asks = |round: u8| {
        [&first, &other, &own]
            .map(|one| asked(&second, &one.tickets[0], &format!("{}{round}", one.consent)))
    };
    let before = asks(0);
    world.block(NOW + 2, &before.clone().map(|asked| asked.event));
    assert!(
        before
            .iter()
            .all(|asked| world.decision(asked) == Decision::Permitted)
    );

    let revoke = hospital.revoke("guardian").unwrap();
    let after = asks(1);
    let [one, two, three] = after.clone().map(|asked| asked.event);
    assert!(
        world
            .block(NOW + 3, &[revoke, one, two, three])
            .iter()
            .all(Result::is_ok)
    );
    let decisions = after.each_ref().map(|asked| world.decision(asked));
    let revoked = Decision::Denied(DenialReason::Revoked);
    assert_eq!(
        decisions,
        [revoked, revoked, Decision::Permitted],
        "the patient's own consent stands"
    );
    let late = hospital
        .grant_as_delegate("guardian", &consent("c4", &grantees, NOW + DAY))
        .unwrap();
    assert_eq!(
        world.block(NOW + 4, &[late.event]),
        [Err(Rule::ConsentRootRevoked)]
    );
}

#[test]
fn a_delegation_opens_nothing_and_names_nobody_on_the_ledger() {
    let mut world = World::of(&PEOPLE);
    let hospital = world.open("hospital");
    let delegated = hospital.delegate(&guardian("guardian", NOW + DAY)).unwrap();
    let bytes = delegated.event.encoded();
    for word in [
        "RelatedPerson",
        "court",
        "guardian",
        "Patient",
        "delegation",
    ] {
        assert!(
            !bytes
                .windows(word.len())
                .any(|window| window == word.as_bytes()),
            "{word}"
        );
    }
    let EventBody::ConsentGrant(grant) = delegated.event.body() else {
        panic!("not a grant")
    };
    let EventBody::RecordSeal(sealed) = lab(&hospital).body().clone() else {
        panic!("not a record")
    };
    assert!(
        grant
            .classes
            .into_iter()
            .all(|class| *class != sealed.class)
    );
    assert_eq!(world.block(NOW, &[delegated.event]), [Ok(())]);
}

#[test]
fn a_consent_of_a_delegate_ends_no_later_than_the_delegation() {
    let world = World::of(&PEOPLE);
    let hospital = world.open("hospital");
    let lapse = NOW + 10 * DAY;
    hospital.delegate(&guardian("guardian", lapse)).unwrap();
    let grantees = [name("second").into()];
    let end = |not_after| {
        let given = hospital
            .grant_as_delegate("guardian", &consent("c", &grantees, not_after))
            .unwrap();
        let EventBody::ConsentGrant(grant) = given.event.body().clone() else {
            panic!("not a grant")
        };
        assert_eq!(grant.root, Some(hospital.consent_handle("guardian")));
        assert_eq!(
            given.tickets[0].not_after, grant.not_after,
            "the ticket says the same"
        );
        grant.not_after
    };
    assert_eq!(end(NOW + DAY), Time(NOW + DAY));
    assert_eq!(end(NOW + YEARS), Time(lapse));
    let refused = |who: &Identity, new: &NewConsent<'_>| {
        who.grant_as_delegate("guardian", new)
            .err()
            .unwrap()
            .to_string()
    };
    let base = consent("d", &grantees, NOW + YEARS);
    assert!(
        refused(
            &hospital,
            &NewConsent {
                not_before: Time(lapse),
                ..base
            }
        )
        .contains("lapsed")
    );
    assert!(
        refused(
            &hospital,
            &NewConsent {
                subject: "Patient/2",
                ..base
            }
        )
        .contains("another patient")
    );
    assert!(
        refused(
            &hospital,
            &NewConsent {
                root: Some("x"),
                ..base
            }
        )
        .contains("first consent")
    );
    drop(hospital);
    let later = world.open_at("hospital", lapse);
    assert!(refused(&later, &base).contains("lapsed"));
    let ended = later.delegate(&guardian("another", lapse));
    assert!(matches!(ended, Err(SdkError::Delegation("has lapsed"))));
    assert!(later.grant_as_delegate("nobody", &base).is_err());
}

#[test]
fn what_a_delegation_says_is_kept_and_a_consent_is_none() {
    let world = World::of(&PEOPLE);
    let hospital = world.open("hospital");
    hospital.delegate(&guardian("guardian", NOW + DAY)).unwrap();
    let says = hospital.delegation("guardian").unwrap();
    assert_eq!(
        (says.delegate.as_str(), says.relation),
        ("RelatedPerson/3", Relation::Guardian)
    );
    assert_eq!(
        (says.basis.as_str(), says.lapse),
        ("court order 17", NOW + DAY)
    );
    let grantees = [name("second").into()];
    hospital.grant(&consent("c", &grantees, NOW + DAY)).unwrap();
    let as_root = hospital.grant_as_delegate("c", &consent("d", &grantees, NOW + DAY));
    assert!(matches!(as_root, Err(SdkError::Delegation(_))));
}

#[test]
fn who_decides_for_a_child_does_so_until_it_comes_of_age_and_no_longer() {
    let world = World::of(&PEOPLE);
    let hospital = world.open("hospital");
    let child = Minor {
        born: "2015-01-31",
        of: Majority::Civil,
    };
    let of_age = child.comes_of_age().unwrap();
    let delegated = |name, mandate| {
        let new = NewDelegation {
            mandate,
            ..guardian(name, NOW)
        };
        hospital.delegate(&new).unwrap().lapse
    };
    assert_eq!(delegated("parent", Mandate::Parent(child)), of_age);
    let guardian_until = |until| Mandate::GuardianOfMinor { child, until };
    assert_eq!(delegated("g1", guardian_until(None)), of_age);
    let sooner = Time(NOW + DAY);
    assert_eq!(delegated("g2", guardian_until(Some(sooner))), sooner);
    let later = of_age.plus_millis(1);
    assert_eq!(delegated("g3", guardian_until(Some(later))), of_age);
    let relation = |name| hospital.delegation(name).unwrap().relation;
    assert_eq!(
        ["parent", "g1"].map(relation),
        [Relation::Parent, Relation::Guardian]
    );
    let grown = Mandate::Parent(Minor {
        born: "1990-01-31",
        ..child
    });
    let too_late = hospital.delegate(&NewDelegation {
        mandate: grown,
        ..guardian("p2", NOW)
    });
    assert!(matches!(too_late, Err(SdkError::Delegation("has lapsed"))));
}

#[test]
fn the_ledger_keeps_a_delegates_consents_in_the_time_of_the_delegation() {
    let mut world = World::of(&PEOPLE);
    let hospital = world.open("hospital");
    let delegated = hospital
        .delegate(&NewDelegation {
            not_before: Time(NOW + DAY),
            ..guardian("guardian", NOW + 3 * DAY)
        })
        .unwrap();
    let grantees = [name("second").into()];
    let cut = hospital
        .grant_as_delegate("guardian", &consent("c", &grantees, NOW + YEARS))
        .unwrap();
    let EventBody::ConsentGrant(grant) = cut.event.body().clone() else {
        panic!("not a grant")
    };
    assert_eq!(
        (grant.not_before, grant.not_after),
        (Time(NOW + DAY), Time(NOW + 3 * DAY))
    );
    assert_eq!(world.block(NOW, &[delegated.event, cut.event]), [Ok(()); 2]);
    // Who signs the grant without the delegation's end has it refused.
    for (block, name, at) in [(1, "d1", NOW + 3 * DAY + 1), (2, "d2", NOW + YEARS)] {
        let past = hospital
            .grant(&NewConsent {
                root: Some("guardian"),
                not_before: Time(NOW + DAY),
                ..consent(name, &grantees, at)
            })
            .unwrap();
        assert_eq!(
            world.block(NOW + block, &[past.event]),
            [Err(Rule::ConsentRootPeriod)]
        );
    }
}

#[test]
fn a_child_comes_of_age_when_the_birthday_begins_anywhere() {
    let lapse = |born, of| Minor { born, of }.comes_of_age().unwrap().0;
    let hours = 3_600_000;
    // 2029-03-31T00:00:00Z and 2033-03-31T00:00:00Z.
    assert_eq!(
        lapse("2015-03-31", Majority::Data),
        1_869_609_600_000 - 14 * hours
    );
    assert_eq!(
        lapse("2015-03-31", Majority::Civil),
        1_995_840_000_000 - 14 * hours
    );
    // Born on a leap day: the 1st of March 2030, and the leap day of 2032 for who was born in 2014.
    assert_eq!(
        lapse("2016-02-29", Majority::Data),
        1_898_553_600_000 - 14 * hours
    );
    for wrong in [
        "2015-02-30",
        "2015",
        "2015-03",
        "31.3.2015",
        "",
        "2015-03-31T00:00:00Z",
        "65530-01-01",
    ] {
        assert!(
            Minor {
                born: wrong,
                of: Majority::Data
            }
            .comes_of_age()
            .is_err(),
            "{wrong}"
        );
    }
}

#[test]
fn a_family_doctor_team_reads_for_as_long_as_the_contract_runs() {
    let mut world = World::of(&PEOPLE);
    let (hospital, second) = (world.open("hospital"), world.open("second"));
    let team = Grantee {
        participant: name("second"),
        member: Some(MemberCommitment::new([5; 32])),
    };
    let contract = NewContract {
        name: "contract",
        delegation: None,
        subject: "Patient/1",
        team: &team,
        classes: &["laboratory"],
        records_since: Time(NOW),
        records: &[("lab", "laboratory")],
        signed: Time(NOW),
        ends: Time(NOW + YEARS),
        utc_offset: 0,
        separate: SeparateConsent::SHARE,
        abroad: false,
        document: b"{}",
    };
    let signed = hospital.sign_up(&contract).unwrap();
    let at = |name, now| {
        let mut request = asked(&second, &signed.tickets[0], name);
        let body = request.event.body().clone();
        request.event = second.sign_until(body, Time(now + 60_000)).unwrap();
        request
    };
    assert_eq!(
        world.block(NOW, &[lab(&hospital), signed.event.clone()]),
        [Ok(()), Ok(())]
    );
    let (early, late) = (at("1", NOW + 1), at("2", NOW + YEARS));
    world.block(NOW + 1, std::slice::from_ref(&early.event));
    world.block(NOW + YEARS, std::slice::from_ref(&late.event));
    assert_eq!(world.decision(&early), Decision::Permitted);
    assert_eq!(
        world.decision(&late),
        Decision::Denied(DenialReason::Expired)
    );
    let whole = Grantee {
        member: None,
        ..team.clone()
    };
    assert!(
        hospital
            .sign_up(&NewContract {
                team: &whole,
                ..contract
            })
            .is_err()
    );
    let long = NewContract {
        name: "long",
        ends: Time(NOW + 2 * YEARS),
        ..contract
    };
    assert!(hospital.sign_up(&long).is_err());
    hospital
        .delegate(&guardian("guardian", NOW + 9 * DAY))
        .unwrap();
    let by_guardian = NewContract {
        name: "child",
        delegation: Some("guardian"),
        ..contract
    };
    assert_eq!(
        hospital.sign_up(&by_guardian).unwrap().tickets[0].not_after,
        Time(NOW + 9 * DAY)
    );
}
