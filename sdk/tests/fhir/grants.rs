//! From consents to what the ledger grants.

use crate::vectors::files;
use medanchor_ledger::{ParticipantName, Time};
use medanchor_sdk::fhir::*;

const NOW: Time = Time(1_790_000_000_000); // 2026-09-21

fn consent(name: &str) -> Consent {
    Consent::from_r4(&files(name)[0].1).unwrap()
}

fn name(text: &str) -> ParticipantName {
    text.parse().unwrap()
}

/// The directory of north-hospital: dr-7 and family-3 work there, an organisation is the participant
/// of its id, and `far-` ones stand abroad.
fn directory(who: &Reference) -> Option<Recipient> {
    let address = who.reference.as_deref()?;
    let (participant, member) = match address.split_once('/')? {
        ("Organization", id) => (id, None),
        ("Practitioner" | "CareTeam", _) => (
            "north-hospital",
            Some(medanchor_ledger::MemberCommitment::new([7; 32])),
        ),
        _ => return None,
    };
    let jurisdiction = if participant.starts_with("far-") {
        "SG"
    } else {
        "CN"
    };
    let grantee = medanchor_sdk::Grantee {
        participant: participant.parse().ok()?,
        member,
    };
    Some(Recipient {
        grantee,
        jurisdiction: jurisdiction.to_owned(),
    })
}

fn terms(consent: &Consent) -> Result<Terms, NotGranted> {
    terms_at(consent, 0, false)
}

fn terms_at(consent: &Consent, utc_offset: i16, delegated: bool) -> Result<Terms, NotGranted> {
    consent.terms(&Setting {
        owner: &name("north-hospital"),
        jurisdiction: "CN",
        now: NOW,
        no_end: NOW.plus_millis(1),
        utc_offset,
        delegated,
        directory: &directory,
    })
}

fn shared(mut consent: Consent) -> Consent {
    consent.separate.share = true;
    consent
}

#[test]
fn resource_types_of_r5_count_in_the_code_system_of_r5() {
    let of = |system: &str| {
        let mut r5: serde_json::Value = serde_json::from_str(&files("good-r5-basic")[0].1).unwrap();
        r5["provision"][0]["resourceType"] =
            serde_json::json!([{ "system": system, "code": "Observation" }]);
        terms(&shared(Consent::from_r5(&r5.to_string()).unwrap()))
    };
    let granted = of(words::RESOURCE_TYPES_OF_R5).unwrap();
    assert_eq!(granted.classes, ["Observation"]);
    assert_eq!(of(words::RESOURCE_TYPES), Err(NotGranted::UnknownClass(0)));
}

#[test]
fn purposes_are_expanded_and_breaking_the_glass_is_never_among_them() {
    let terms = terms(&shared(consent("good-r4-basic"))).unwrap();
    assert_eq!(
        terms.purposes,
        [
            "CLINTRL", "COC", "ERTREAT", "ETREAT", "HPAYMT", "POPHLTH", "TREAT"
        ]
    );
    assert_eq!(
        terms.classes.len(),
        27,
        "no kind is named, so all that institutions seal"
    );
    assert_eq!(terms.grantees, [name("south-hospital").into()]);
    assert_eq!(terms.not_before, Time(1_771_545_600_000));
    assert_eq!(
        terms.not_after,
        Time(1_924_992_000_000),
        "the last day is part of the period"
    );
}

#[test]
fn levels_multiply_classes_and_a_sensitive_one_needs_its_own_consent() {
    let mut consent = consent("good-r4-guardian");
    let terms = |consent: &Consent| terms_at(consent, 0, true);
    let granted = terms(&consent).unwrap();
    let words = [
        "DiagnosticReport/L3",
        "DiagnosticReport/L4",
        "Observation/L3",
        "Observation/L4",
    ];
    assert_eq!(granted.classes, words);
    assert_eq!(
        granted.grantees.len(),
        1,
        "the doctor and the team have one commitment here"
    );
    consent.separate.sensitive = false;
    assert_eq!(terms(&consent), Err(NotGranted::Separate(Flag::Sensitive)));
    consent.base.rule.labels.pop();
    assert!(terms(&consent).is_ok(), "L3 is not sensitive");
}

#[test]
fn what_another_agrees_to_in_the_patients_stead_takes_a_delegation_that_ends() {
    assert_eq!(
        terms(&consent("good-r4-guardian")),
        Err(NotGranted::ByAnother)
    );
    let basic = shared(consent("good-r4-basic"));
    assert!(basic.grantors.iter().all(|one| one.relation.is_none()));
    let by = |address: Option<&str>, kind: Option<&str>| {
        let mut consent = basic.clone();
        let who = &mut consent.grantors[0].who;
        (who.reference, who.kind) = (address.map(Into::into), kind.map(Into::into));
        assert!(terms_at(&consent, 0, true).is_ok());
        terms(&consent)
    };
    let another = Some("RelatedPerson");
    for address in [
        "RelatedPerson/3",
        "RelatedPerson/3/_history/1",
        "RelatedPerson?identifier=3",
        "https://there.example/fhir/RelatedPerson/3",
        "https://there.example/fhir/RelatedPerson/3/_history/1",
    ] {
        for kind in [None, another, Some("Patient")] {
            let granted = by(Some(address), kind);
            assert_eq!(granted, Err(NotGranted::ByAnother), "{address} {kind:?}");
        }
    }
    for address in [
        None,
        Some("Patient/7"),
        Some("Patient/7/_history/1"),
        Some("https://there.example/fhir/Patient/7/_history/1"),
        Some("urn:uuid:b1f3c3a0-0000-4000-8000-000000000000"),
    ] {
        assert_eq!(
            by(address, another),
            Err(NotGranted::ByAnother),
            "{address:?}"
        );
        assert!(by(address, Some("Patient")).is_ok(), "{address:?}");
    }
}

#[test]
fn a_day_is_that_of_the_clocks_there() {
    const HOUR: u64 = 3_600_000;
    let basic = shared(consent("good-r4-basic"));
    let of = |offset: i16| {
        let terms = terms_at(&basic, offset, false).unwrap();
        (terms.not_before.0, terms.not_after.0)
    };
    let (from, to) = of(0);
    assert_eq!(of(480), (from - 8 * HOUR, to - 8 * HOUR), "Shanghai");
    assert_eq!(of(-300), (from + 5 * HOUR, to + 5 * HOUR), "New York");
}

#[test]
fn categories_of_the_standard_give_the_classes_of_the_vault() {
    let mut consent = shared(consent("good-r4-basic"));
    consent.base.rule.classes = vec![Coding::new(CATEGORIES, "health-status")];
    assert_eq!(terms(&consent), Err(NotGranted::CategoryWithoutLevel(0)));
    consent.base.rule.labels = ["L1", "L2"]
        .map(|level| Coding::new(SENSITIVITY, level))
        .to_vec();
    let granted = terms(&consent).unwrap().classes;
    let up_to =
        medanchor_vault::DataClass::up_to(medanchor_vault::Category::HealthStatus, Level::L2);
    assert_eq!(
        granted,
        up_to.map(|class| class.to_string()).collect::<Vec<_>>()
    );
}

#[test]
fn another_organisation_and_another_jurisdiction_need_their_own_consents() {
    let mut consent = consent("good-r4-basic");
    assert_eq!(terms(&consent), Err(NotGranted::Separate(Flag::Share)));
    consent.separate.share = true;
    consent.base.rule.actors = vec![Actor::recipient(Reference::to("Organization/far-hospital"))];
    let refused = terms(&consent).unwrap_err();
    assert_eq!(refused, NotGranted::Separate(Flag::CrossBorder));
    assert!(
        refused.to_string().contains("`cross-border` is missing"),
        "{refused}"
    );
    consent.separate.cross_border = true;
    assert!(terms(&consent).is_ok());
    consent.separate = SeparateConsent::default();
    consent.base.rule.actors = vec![Actor::recipient(Reference::to("Practitioner/dr-7"))];
    assert!(terms(&consent).is_ok(), "one's own staff");
}

type Change<'a> = &'a dyn Fn(&mut Consent);

#[test]
fn what_the_ledger_cannot_compare_is_not_granted() {
    let basic = || shared(consent("good-r4-basic"));
    let with = |change: Change| {
        let mut consent = basic();
        change(&mut consent);
        terms(&consent).unwrap_err()
    };
    let purpose = |code: &str| Coding::new(purpose::SYSTEM, code);
    let cases: [(NotGranted, Change); 15] = [
        (NotGranted::Status(Status::Inactive), &|consent| {
            consent.status = Status::Inactive
        }),
        (NotGranted::NoGrantee, &|consent| {
            consent.base.rule.actors.clear()
        }),
        (NotGranted::UnknownGrantee(0), &|consent| {
            consent.base.rule.actors = vec![Actor::recipient(Reference::to("Group/all"))];
        }),
        (NotGranted::NoPurpose, &|consent| {
            consent.base.rule.purposes.clear()
        }),
        (NotGranted::UnknownPurpose(1), &|consent| {
            consent.base.rule.purposes[1] = purpose("FUN")
        }),
        (NotGranted::UnknownPurpose(0), &|consent| {
            consent.base.rule.purposes[0].system = None
        }),
        (NotGranted::BreakGlass, &|consent| {
            consent.base.rule.purposes.push(purpose("BTG"))
        }),
        (NotGranted::UnknownClass(0), &|consent| {
            consent.base.rule.classes = vec![Coding::new(words::RESOURCE_TYPES, "Everything")];
        }),
        (NotGranted::UnknownLabel(0), &|consent| {
            consent.base.rule.labels = vec![Coding::new(
                "http://terminology.hl7.org/CodeSystem/v3-ActCode",
                "PSY",
            )];
        }),
        (
            NotGranted::TooMany {
                what: "kinds of data with their levels",
                found: 54,
                limit: 32,
            },
            &|consent| {
                consent.base.rule.labels = ["L1", "L2"]
                    .map(|level| Coding::new(SENSITIVITY, level))
                    .to_vec();
            },
        ),
        (NotGranted::Narrowed("data of one period"), &|consent| {
            consent.base.rule.data_period = Some(Period::default());
        }),
        (NotGranted::Over, &|consent| {
            let end = DateTime::new("2026-03");
            consent.base.rule.period = Some(Period { start: None, end }).map(|mut period| {
                period.start = DateTime::new("2026-01");
                period
            });
        }),
        (NotGranted::Period, &|consent| {
            consent.base.rule.period = Some(Period {
                start: DateTime::new("1964"),
                end: None,
            });
        }),
        (NotGranted::Denies, &|consent| {
            consent.base = Base {
                decision: Decision::Deny,
                rule: Rule::default(),
                exceptions: Vec::new(),
            };
        }),
        (NotGranted::Exceptions, &|consent| {
            let rule = consent.base.rule.clone();
            consent.base.exceptions = vec![Exception {
                decision: Decision::Deny,
                rule,
            }];
        }),
    ];
    for (expected, change) in cases {
        assert_eq!(with(change), expected);
    }
    assert_eq!(
        terms(&shared(consent("good-r4-exceptions"))),
        Err(NotGranted::Exceptions)
    );
    let only = consent("good-r4-break-glass");
    assert!(only.is_break_glass_only());
    assert_eq!(terms(&only), Err(NotGranted::BreakGlassOnly));
}

#[test]
fn a_denial_with_one_exception_grants_the_exception_within_both_periods() {
    let mut consent = shared(consent("good-r4-basic"));
    let rule = consent.base.rule.clone();
    let period = |end: &str| {
        Some(Period {
            start: None,
            end: DateTime::new(end),
        })
    };
    consent.base.exceptions = vec![Exception {
        decision: Decision::Permit,
        rule: Rule {
            period: period("2027"),
            ..rule
        },
    }];
    consent.base = Base {
        decision: Decision::Deny,
        rule: Rule {
            period: period("2028"),
            ..Rule::default()
        },
        exceptions: consent.base.exceptions,
    };
    let terms = terms(&consent).unwrap();
    assert_eq!(
        (terms.not_before, terms.not_after),
        (NOW, Time(1_830_297_600_000))
    );
}

#[test]
fn the_least_option_of_pcf_is_known() {
    for (name, option) in [
        ("good-r4-basic", PcfOption::Basic),
        ("good-r4-exceptions", PcfOption::Intermediate),
        ("good-r4-break-glass", PcfOption::Intermediate),
        ("good-r4-guardian", PcfOption::Advanced),
    ] {
        assert_eq!(consent(name).pcf_option(), option, "{name}");
    }
}
