//! The list of accesses as FHIR and as EHDS asks, against what the profiles require.

use medanchor_ledger::rules::{Decision, DenialReason};
use medanchor_ledger::{
    ConsentHandle, EventId, Height, Index, NetworkId, RecordHandle, RequestHandle, Size, Time,
};
use medanchor_sdk::Relation;
use medanchor_sdk::access_list::*;
use medanchor_sdk::fhir::PATIENT_READ;
use medanchor_vault::Epoch;
use serde_json::Value;

const NOW: u64 = 1_790_000_000_000;
const HOUR: u64 = 3_600_000;
/// The quarter of `NOW`.
const LAST: Epoch = Epoch(4 * 56 + 2);

fn entry(n: u8, basis: Basis, decision: Decision) -> AccessEntry {
    AccessEntry {
        event: EventId::new([n; 32]),
        request: (!matches!(basis, Basis::Emergency { .. })).then(|| RequestHandle::new([n; 16])),
        time: Time(NOW + u64::from(n) * HOUR),
        by: "south-hospital".parse().unwrap(),
        person: None,
        owner: "north-hospital".parse().unwrap(),
        record: RecordHandle::new([0xc0 | n; 16]),
        document: None,
        category: None,
        purpose: Some("TREAT".into()),
        basis,
        decision,
        origin: Origin::default(),
        proved: ProvedAt {
            index: Index(40 + u64::from(n)),
            size: Size(99),
        },
    }
}

fn consent(key: KeyHolder) -> Basis {
    Basis::Consent {
        consent: ConsentHandle::new([0xee; 16]),
        key,
    }
}

fn by_delegate() -> KeyHolder {
    KeyHolder::Delegate(Delegate {
        delegation: ConsentHandle::new([0xdd; 16]),
        id: "RelatedPerson/r1".into(),
        name: "示例监护人".into(),
        relation: Relation::Guardian,
        since: Time(NOW),
    })
}

/// One of each kind.
pub fn list() -> AccessList {
    let denied = |reason| Decision::Denied(reason);
    let mut entries = vec![
        entry(1, consent(KeyHolder::Subject), Decision::Permitted),
        entry(2, consent(KeyHolder::Institution), Decision::Permitted),
        entry(
            3,
            consent(KeyHolder::Subject),
            denied(DenialReason::Expired),
        ),
        entry(
            4,
            consent(KeyHolder::Subject),
            denied(DenialReason::Revoked),
        ),
        entry(
            5,
            Basis::BreakGlass(Review::Due(Time(NOW + 77 * HOUR))),
            Decision::Permitted,
        ),
        entry(
            6,
            Basis::BreakGlass(Review::Done {
                justified: false,
                late: false,
            }),
            Decision::Permitted,
        ),
        entry(
            7,
            Basis::Emergency {
                since: Time(NOW + 5 * HOUR),
                claimed: Time(NOW + 6 * HOUR),
            },
            Decision::Permitted,
        ),
        entry(8, consent(by_delegate()), Decision::Permitted),
    ];
    entries[0].person = Some(Person {
        id: "dr-7".into(),
        name: Some("示例医生".into()),
    });
    entries[0].document = Some("Observation/o7".into());
    entries[0].category = Some("Observation/L4".into());
    entries[0].origin.client = Some("https://south-hospital.example".into());
    entries[4].person = Some(Person {
        id: "nurse-3".into(),
        name: None,
    });
    entries[6].by = entries[6].owner.clone();
    AccessList {
        network: NetworkId::new([9; 16]),
        patient: "Patient/sample-101".into(),
        entries,
        quarters: vec![
            Quarter {
                epoch: Epoch(LAST.0 - 1),
                proved: Err("no node could be reached".into()),
            },
            Quarter {
                epoch: LAST,
                proved: Ok(QuarterProof {
                    count: 9,
                    height: Height(30),
                    time: Time(NOW + 8 * HOUR),
                    size: Size(99),
                }),
            },
        ],
        size: Size(99),
        until: Time(NOW + 8 * HOUR),
        age: 90_000,
        gaps: gaps(),
    }
}

/// One of each kind.
fn gaps() -> Vec<Gap> {
    let gap = |from, until, why, of| Gap {
        from,
        until,
        why,
        of,
    };
    let (before, after) = (Epoch(LAST.0 - 1), Epoch(LAST.0 - 4));
    let quarters = |first, last| Some(GapOf::Quarters { first, last });
    let record = Some(GapOf::Record {
        record: RecordHandle::new([0xc1; 16]),
        document: Some("Observation/o7".into()),
    });
    let (lost, unasked) = (quarters(before, before), quarters(after, Epoch(LAST.0 - 2)));
    let used = quarters(LAST, LAST);
    let window = Some(Time(NOW + 7 * HOUR));
    vec![
        gap(after.begin(), None, GapReason::NotAsked, unasked),
        gap(before.begin(), None, GapReason::NoProof, lost),
        gap(LAST.begin(), None, GapReason::EarlierKey, used),
        gap(Time(NOW), None, GapReason::KeyFile, None),
        gap(Time(NOW), None, GapReason::NoJournal, None),
        gap(Time(NOW + HOUR), None, GapReason::NotInCustody, record),
        gap(Time(NOW + 5 * HOUR), window, GapReason::Unproven, None),
    ]
}

/// The elements of `name` whose `type` has this code, in a Coding or in a CodeableConcept.
fn of_type<'a>(event: &'a Value, name: &str, code: &str) -> Vec<&'a Value> {
    let has = |element: &&Value| {
        let kind = &element["type"];
        kind["code"] == code
            || kind["coding"]
                .as_array()
                .is_some_and(|all| all.iter().any(|one| one["code"] == code))
    };
    event[name].as_array().unwrap().iter().filter(has).collect()
}

/// What FHIR R4 requires of an AuditEvent, and BALP of its agents and entities.
fn check_common(event: &Value) {
    assert_eq!(event["resourceType"], "AuditEvent");
    let id = event["id"].as_str().unwrap();
    assert!(id.len() <= 64 && id.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    assert_eq!(event["type"]["code"], "rest");
    assert_eq!(event["subtype"][0]["code"], "read");
    assert_eq!(event["action"], "R");
    assert!(event["recorded"].as_str().unwrap().ends_with('Z'));
    assert!(event["source"]["observer"].is_object());
    for code in ["110152", "110153"] {
        let [agent] = of_type(event, "agent", code)[..] else {
            panic!("one agent {code}")
        };
        assert!(agent["who"].is_object() && agent["network"]["address"].is_string());
        assert!(agent["media"].is_null() && agent["requestor"].is_boolean());
    }
    let requestors = event["agent"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|agent| agent["requestor"] == true);
    assert_eq!(requestors.count(), 1, "one party started it");
    for user in of_type(event, "agent", "IRCP") {
        assert!(user["who"].is_object() && user["requestor"] == true);
        assert!(user["network"].is_null() && user["media"].is_null());
    }
    let [patient] = of_type(event, "entity", "1")[..] else {
        panic!("one patient")
    };
    assert_eq!(patient["role"]["code"], "1");
    assert_eq!(patient["what"]["reference"], "Patient/sample-101");
    let [data] = of_type(event, "entity", "2")[..] else {
        panic!("one record")
    };
    assert!(data["what"].is_object() && data["role"]["code"] == "4");
    assert!(of_type(event, "entity", "XrequestId").len() <= 1);
}

fn events() -> Vec<Value> {
    let list = list();
    list.entries
        .iter()
        .map(|entry| entry.to_audit_event(&list.patient))
        .collect()
}

#[test]
fn every_access_follows_the_profile_and_a_denial_says_that_it_failed() {
    let events = events();
    events.iter().for_each(check_common);
    let outcomes: Vec<_> = events
        .iter()
        .map(|event| event["outcome"].as_str().unwrap())
        .collect();
    assert_eq!(outcomes, ["0", "0", "4", "8", "0", "0", "0", "0"]);
    for event in &events {
        let success = event["outcome"] == "0";
        assert_eq!(
            event["meta"]["profile"][0] == PATIENT_READ,
            success,
            "PatientRead is of successes"
        );
        assert_eq!(event["outcomeDesc"].is_null(), success);
    }
    assert_eq!(events[3]["outcomeDesc"], "access.consent-revoked");
}

#[test]
fn emergencies_are_marked_and_breaking_the_glass_has_its_purpose() {
    let events = events();
    let marked = |event: &Value| {
        event["subtype"]
            .as_array()
            .unwrap()
            .iter()
            .any(|one| one["code"] == "110127")
    };
    assert_eq!(
        events.iter().map(marked).collect::<Vec<_>>(),
        [false, false, false, false, true, true, true, false]
    );
    for event in &events[4..6] {
        assert_eq!(event["purposeOfEvent"][0]["coding"][0]["code"], "BTG");
    }
    let detail = |n: usize| {
        of_type(&events[n], "entity", "2")[0]["detail"][0]["valueString"]
            .as_str()
            .unwrap()
    };
    assert_eq!(
        detail(4),
        "break-glass, not reviewed, due 2026-09-24T19:13:20.000Z"
    );
    assert!(detail(5).contains("not justified"));
    assert_eq!(
        detail(6),
        "network cut, opened between 2026-09-21T19:13:20.000Z and 2026-09-21T21:13:20.000Z, when is not proved; the owner claims 2026-09-21T20:13:20.000Z"
    );
}

#[test]
fn people_stand_there_only_where_disclosed_and_held_keys_are_shown() {
    let events = events();
    let user = of_type(&events[0], "agent", "IRCP")[0];
    assert_eq!(
        (&user["name"], &user["who"]["identifier"]["value"]),
        (&"示例医生".into(), &"dr-7".into())
    );
    assert!(of_type(&events[1], "agent", "IRCP").is_empty());
    let held =
        |event: &Value| of_type(event, "entity", "Consent")[0]["detail"][0]["valueString"].clone();
    assert!(held(&events[0]).is_null());
    assert_eq!(held(&events[1]), "held by the institution");
    assert_eq!(held(&events[7]), "示例监护人");
    let details = &of_type(&events[7], "entity", "Consent")[0]["detail"];
    assert_eq!(details[2]["valueString"], "guardian");
    let delegation = details[3]["valueString"].as_str().unwrap();
    assert!(delegation.starts_with("dddd") && delegation.contains("approved by the patient"));
}

#[test]
fn each_access_and_the_list_itself_have_a_provenance() {
    let bundle = list().to_bundle();
    let entries = bundle["entry"].as_array().unwrap();
    assert_eq!(entries.len(), 2 + 2 * 8);
    let mut urls: Vec<_> = entries
        .iter()
        .map(|entry| entry["fullUrl"].as_str().unwrap())
        .collect();
    for pair in entries.chunks(2) {
        let proof = &pair[1]["resource"];
        assert_eq!(
            proof["target"][0]["reference"], pair[0]["fullUrl"],
            "it is about what stands before it"
        );
        assert!(proof["recorded"].is_string() && proof["agent"][0]["who"].is_object());
        assert_eq!(proof["entity"][0]["role"], "source");
    }
    urls.sort_unstable();
    urls.dedup();
    assert_eq!(urls.len(), entries.len(), "Bundle: bdl-7");
    // The one before the last: of the emergency path.
    let opened = &entries[entries.len() - 3]["resource"]["occurredPeriod"];
    assert_eq!(opened["start"], "2026-09-21T19:13:20.000Z");
}

/// The Bundle opens with what it claims and what it does not; a Provenance names what that rests on.
#[test]
fn the_bundle_names_each_quarter_and_each_gap_and_says_that_it_is_old() {
    let bundle = list().to_bundle();
    let issues = bundle["entry"][0]["resource"]["issue"].as_array().unwrap();
    let said = |severity: &str| {
        let of = issues.iter().filter(|issue| issue["severity"] == severity);
        let words = of.map(|issue| issue["diagnostics"].as_str().unwrap().to_owned());
        words.collect::<Vec<_>>()
    };
    let (warnings, told) = (said("warning"), said("information"));
    assert_eq!((warnings.len(), told.len()), (2 + 7, 1 + 2 + 4));
    assert!(warnings[0].contains("NOT COMPLETE") && warnings[1].contains("IS OLD"));
    assert!(warnings[2].contains("2025-Q3 to 2026-Q1: not asked for"));
    assert!(told[0].contains("at least 6 accesses, and 2 that were denied"));
    assert!(told[1].contains("2026-Q2: not proved") && told[2].contains("2026-Q3: exactly 9"));
    for issue in issues {
        let translation = &issue["_diagnostics"]["extension"][0]["extension"];
        assert_eq!(translation[0]["valueCode"], "zh");
        assert!(!translation[1]["valueString"].as_str().unwrap().is_ascii());
    }
    let basis = bundle["entry"][1]["resource"]["entity"].as_array().unwrap();
    let values = basis
        .iter()
        .map(|one| one["what"]["identifier"]["value"].as_str().unwrap());
    assert!(values.eq([
        "quarter/2026-Q2/not-proved",
        "quarter/2026-Q3/events/9/height/30/of/99",
        "gap/not-asked",
        "gap/no-proof",
        "gap/earlier-key",
        "gap/key-file",
        "gap/no-journal",
        "gap/not-in-custody",
        "gap/unproven",
    ]));
}

/// Article 9: who, when, which data; annex II 3.2: provider, individual, categories, time, origin;
/// article 11(5): emergencies.
#[test]
fn the_fields_of_ehds_are_there() {
    let ehds = serde_json::to_value(list().to_ehds()).unwrap();
    for access in ehds["accesses"].as_array().unwrap() {
        for field in ["provider", "time", "origin", "basis", "decision", "event"] {
            assert!(
                access[field].as_str().is_some_and(|text| !text.is_empty()),
                "{field}"
            );
        }
        assert_eq!(access["emergency"] == true, access["basis"] != "consent");
    }
    let first = &ehds["accesses"][0];
    assert_eq!(
        (&first["individual"], &first["category"]),
        (&"示例医生".into(), &"Observation/L4".into())
    );
    assert!(ehds["accesses"][1].get("individual").is_none());
    assert_eq!(ehds["accesses"][1]["held_key"], true);
    assert!(ehds["accesses"][1].get("delegate").is_none());
    let by_delegate = &ehds["accesses"][7];
    assert_eq!(by_delegate["held_key"], false);
    assert_eq!(by_delegate["delegate"]["name"], "示例监护人");
    let gaps = ehds["gaps"].as_array().unwrap();
    let codes = gaps.iter().map(|gap| gap["code"].as_str().unwrap());
    assert!(codes.eq(gaps_of_each_kind()));
    assert_eq!(
        gaps[0]["quarters"],
        serde_json::json!(["2025-Q3", "2026-Q1"])
    );
    assert_eq!(gaps[5]["document"], "Observation/o7");
    assert_eq!(ehds["quarters"][0]["error"], "no node could be reached");
    assert_eq!(ehds["quarters"][1]["events"], 9);
    assert_eq!(
        (&ehds["whole"], &ehds["stale"]),
        (&false.into(), &true.into())
    );
    let opened = &ehds["accesses"][6];
    assert_eq!(opened["opened_since"], "2026-09-21T19:13:20.000Z");
    assert_eq!(opened["claimed_time"], "2026-09-21T20:13:20.000Z");
}

fn gaps_of_each_kind() -> impl Iterator<Item = &'static str> {
    gaps().into_iter().map(|gap| gap.why.code())
}

#[test]
fn the_forms_are_frozen() {
    let pretty = |value: &Value| format!("{value:#}\n");
    let ehds = serde_json::to_value(list().to_ehds()).unwrap();
    assert_eq!(
        pretty(&list().to_bundle()),
        include_str!("../../../vectors/fhir/access-list-bundle.json")
    );
    assert_eq!(
        pretty(&ehds),
        include_str!("../../../vectors/fhir/access-list-ehds.json")
    );
}
