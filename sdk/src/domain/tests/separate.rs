//! The separate consents that PIPL asks for, where a consent is granted without a FHIR Consent.

use super::*;
use crate::fhir::Flag;
use medanchor_ledger::MemberCommitment;

const NONE: SeparateConsent = SeparateConsent::NONE;
const SENSITIVE: SeparateConsent = SeparateConsent {
    sensitive: true,
    ..NONE
};
const ABROAD: SeparateConsent = SeparateConsent {
    cross_border: true,
    ..SeparateConsent::SHARE
};

/// To whom, which data, whether abroad, what was given beside it, and what is missing then.
type Case = (
    &'static str,
    &'static str,
    bool,
    SeparateConsent,
    Option<Flag>,
);

const CASES: [Case; 9] = [
    ("second", "Observation", false, NONE, Some(Flag::Share)),
    ("second", "Observation", false, SENSITIVE, Some(Flag::Share)),
    ("second", "Observation", false, SeparateConsent::SHARE, None),
    ("hospital", "Observation", false, NONE, None),
    ("hospital", "Observation/L3", false, NONE, None),
    (
        "hospital",
        "Observation/L4",
        false,
        SeparateConsent::SHARE,
        Some(Flag::Sensitive),
    ),
    ("hospital", "health-status/L5", false, SENSITIVE, None),
    (
        "second",
        "Observation",
        true,
        SeparateConsent::SHARE,
        Some(Flag::CrossBorder),
    ),
    ("second", "Observation", true, ABROAD, None),
];

fn missing<T>(outcome: Result<T, SdkError>) -> Option<Flag> {
    match outcome {
        Ok(_) => None,
        Err(SdkError::Separate(flag)) => Some(flag),
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn nobody_grants_or_drafts_a_consent_without_the_separate_ones() {
    let world = World::of(&[("hospital", Role::Hospital), ("second", Role::Hospital)]);
    let hospital = world.open("hospital");
    for (number, (to, class, abroad, separate, expected)) in CASES.into_iter().enumerate() {
        let (id, grantees) = (format!("c{number}"), [name(to).into()]);
        let new = NewConsent {
            name: &id,
            root: None,
            subject: "Patient/1",
            grantees: &grantees,
            purposes: &["TREAT"],
            classes: &[class],
            records_since: Time(NOW),
            not_before: Time(NOW),
            not_after: Time(NOW + DAY),
            records: &[],
            separate,
            abroad,
            document: b"{}",
        };
        assert_eq!(missing(hospital.draft_consent(&new)), expected, "{number}");
        assert_eq!(missing(hospital.grant(&new)), expected, "{number}");
    }
}

#[test]
fn a_contract_with_a_team_of_another_institution_takes_a_separate_consent() {
    let world = World::of(&[("hospital", Role::Hospital), ("second", Role::Hospital)]);
    let hospital = world.open("hospital");
    let team = Grantee {
        participant: name("second"),
        member: Some(MemberCommitment::new([5; 32])),
    };
    let signed = |separate| {
        hospital.sign_up(&NewContract {
            name: "contract",
            delegation: None,
            subject: "Patient/1",
            team: &team,
            classes: &["Observation"],
            records_since: Time(NOW),
            records: &[],
            signed: Time(NOW),
            ends: Time(NOW + DAY),
            utc_offset: 0,
            separate,
            abroad: false,
            document: b"{}",
        })
    };
    assert_eq!(missing(signed(NONE)), Some(Flag::Share));
    assert_eq!(missing(signed(SeparateConsent::SHARE)), None);
}

/// The ledger sees a purpose like any other: no review would fall due, and the list would say "consent".
#[test]
fn breaking_the_glass_is_no_purpose_to_grant() {
    let world = World::of(&[("hospital", Role::Hospital)]);
    let hospital = world.open("hospital");
    let grantees = [name("hospital").into()];
    let new = |purposes| {
        hospital.grant(&NewConsent {
            name: "c",
            root: None,
            subject: "Patient/1",
            grantees: &grantees,
            purposes,
            classes: &["Observation"],
            records_since: Time(NOW),
            not_before: Time(NOW),
            not_after: Time(NOW + DAY),
            records: &[],
            separate: NONE,
            abroad: false,
            document: b"{}",
        })
    };
    let why = new(&["BTG", "TREAT"]).err().unwrap().to_string();
    assert!(why.contains("breaking the glass"), "{why}");
    assert!(new(&["TREAT"]).is_ok());
}

/// It was cut to the quarter of now, whose records it opened.
#[test]
fn a_consent_to_what_is_sealed_from_a_later_quarter_on_opens_nothing_of_this_one() {
    let world = World::of(&[("hospital", Role::Hospital)]);
    let hospital = world.open("hospital");
    let grantees = [name("hospital").into()];
    let new = |records_since| {
        hospital.grant(&NewConsent {
            name: "c",
            root: None,
            subject: "Patient/1",
            grantees: &grantees,
            purposes: &["TREAT"],
            classes: &["Observation"],
            records_since,
            not_before: Time(NOW),
            not_after: Time(NOW + 400 * DAY),
            records: &[],
            separate: NONE,
            abroad: false,
            document: b"{}",
        })
    };
    let why = new(Time(NOW + 100 * DAY)).err().unwrap().to_string();
    assert!(why.contains("later quarter"), "{why}");
    assert!(new(Time(NOW)).is_ok());
}

#[test]
fn a_contract_runs_to_the_same_day_of_the_next_year_and_no_longer() {
    let world = World::of(&[("hospital", Role::Hospital)]);
    let hospital = world.open("hospital");
    let team = Grantee {
        participant: name("hospital"),
        member: Some(MemberCommitment::new([5; 32])),
    };
    let signed_at = |signed, utc_offset, ends| {
        hospital.sign_up(&NewContract {
            name: "contract",
            delegation: None,
            subject: "Patient/1",
            team: &team,
            classes: &["Observation"],
            records_since: Time(NOW),
            records: &[],
            signed: Time(signed),
            ends: Time(ends),
            utc_offset,
            separate: NONE,
            abroad: false,
            document: b"{}",
        })
    };
    let signed = |ends| signed_at(NOW, 0, ends);
    let year = crate::import::time::a_year_after(Time(NOW), 0).0;
    assert!(signed(year + 1).is_err());
    assert!(signed(year).is_ok());
    // From the first of March of 2027 in Shanghai, which is the 28th of February in UTC, to that of 2028.
    let (march, leap_year) = (1_803_830_400_000, 1_835_452_800_000);
    assert!(signed_at(march, 480, leap_year).is_ok());
    assert!(signed_at(march, 480, leap_year + 1).is_err());
}
