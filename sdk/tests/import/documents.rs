//! What the importer and the plan make of documents written for the purpose.

use crate::consents::{ACTOR, consent, purpose};
use crate::setup::{NOW, roster};
use medanchor_sdk::import::*;
use proptest::prelude::*;
use std::fs;

fn import(text: &str) -> Import {
    import_bytes("input.json", text.as_bytes())
}

fn reasons(import: &Import) -> Vec<Reason> {
    import
        .left_out
        .iter()
        .map(|left_out| left_out.reason.clone())
        .collect()
}

fn request(id: &str, more: &str) -> String {
    format!(
        r#"{{"resourceType":"MedicationRequest","id":"{id}","status":"active","intent":"order",
        "subject":{{"reference":"Patient/p1"}}{more}}}"#
    )
}

fn dispense(reference: &str, more: &str) -> String {
    format!(
        r#"{{"resourceType":"MedicationDispense","status":"completed",
        "authorizingPrescription":[{{"reference":"{reference}"}}]{more}}}"#
    )
}

fn bundle(entries: &[(&str, &str)]) -> String {
    let entry =
        |(url, resource): &(&str, &str)| format!(r#"{{"fullUrl":"{url}","resource":{resource}}}"#);
    let entries: Vec<_> = entries.iter().map(entry).collect();
    format!(
        r#"{{"resourceType":"Bundle","type":"collection","entry":[{}]}}"#,
        entries.join(",")
    )
}

fn redemptions(import: &Import) -> Vec<(usize, usize, u32)> {
    let plan = plan(&import.items, &roster(), NOW);
    let pick = |step: &Planned| match step.action {
        Action::Redeem {
            dispense,
            prescription,
            fraction,
            ..
        } => Some((dispense, prescription, fraction)),
        _ => None,
    };
    plan.steps.iter().filter_map(pick).collect()
}

#[test]
fn a_bundle_entry_keeps_the_exact_bytes_it_came_in() {
    let odd = "{ \"resourceType\" :\t\"MedicationRequest\",\"status\":\"active\", \"intent\":\"order\",\n \
               \"subject\":{\"reference\":\"Patient/\\u0070\"} ,\"dispenseRequest\":{\"quantity\":{\"value\":1.50}} }";
    let import = import(&bundle(&[("urn:uuid:1", odd)]));
    let prescription = &import.items.prescriptions[0];
    assert_eq!(prescription.original.as_bytes(), odd.as_bytes());
    assert_eq!(
        prescription.source.to_string(),
        "input.json /entry/0/resource"
    );
    assert_eq!(prescription.ordered.amount().millionths(), 1_500_000);
}

#[test]
fn references_resolve_relative_absolute_by_uuid_and_contained() {
    let base = "http://north.example/fhir";
    let absolute = format!("{base}/MedicationRequest/b");
    let contained = dispense("#c", &format!(r#","contained":[{}]"#, request("c", "")));
    let import = import(&bundle(&[
        ("urn:uuid:aa", &request("a", "")),
        (&absolute, &request("b", "")),
        ("urn:uuid:01", &dispense("urn:uuid:aa", "")),
        (
            "urn:uuid:02",
            &dispense(&format!("{absolute}/_history/2"), ""),
        ),
        ("urn:uuid:03", &contained),
        ("urn:uuid:04", &request("d", "")),
        ("urn:uuid:05", &dispense("MedicationRequest/d", "")),
    ]));
    assert_eq!(reasons(&import), []);
    let redeemed: Vec<_> = redemptions(&import)
        .into_iter()
        .map(|(_, at, _)| at)
        .collect();
    assert_eq!(redeemed, [0, 1, 2, 3]);
    let contained = &import.items.prescriptions[2];
    assert_eq!(contained.source.pointer, "/entry/4/resource/contained/0");
}

#[test]
fn equal_ids_on_two_servers_stay_apart() {
    let (north, south) = (
        "http://n.example/MedicationRequest/1",
        "http://s.example/MedicationRequest/1",
    );
    let import = import(&bundle(&[
        (north, &request("1", r#","authoredOn":"2026""#)),
        (south, &request("1", "")),
        (
            "http://s.example/MedicationDispense/9",
            &dispense("MedicationRequest/1", ""),
        ),
    ]));
    assert_eq!(redemptions(&import), [(0, 1, 1_000_000)]);
    let subjects: Vec<_> = import
        .items
        .prescriptions
        .iter()
        .map(|one| &one.subject)
        .collect();
    assert!(subjects[0] != subjects[1]);
}

#[test]
fn a_dispense_without_its_prescription_says_so() {
    let held = request("held", "").replace("active", "on-hold");
    let import = import(&bundle(&[
        ("urn:uuid:1", &held),
        ("urn:uuid:2", &dispense("MedicationRequest/held", "")),
        ("urn:uuid:3", &dispense("MedicationRequest/none", "")),
        ("urn:uuid:4", &dispense("#none", "")),
    ]));
    let plan = plan(&import.items, &roster(), NOW);
    let left: Vec<_> = plan
        .left_out
        .into_iter()
        .map(|left_out| left_out.reason)
        .collect();
    assert_eq!(
        left,
        [
            Reason::PrescriptionNotAnchored,
            Reason::PrescriptionNotInInput
        ]
    );
    assert!(
        reasons(&import).contains(&Reason::PrescriptionNotInInput),
        "the contained one"
    );
}

#[test]
fn dispenses_are_measured_against_what_was_ordered_with_its_repeats() {
    let ordered =
        r#","dispenseRequest":{"numberOfRepeatsAllowed":2,"quantity":{"value":10,"code":"TAB"}}"#;
    let amount =
        |value: &str, unit: &str| format!(r#","quantity":{{"value":{value},"code":"{unit}"}}"#);
    let case = |more: &str| {
        let import = import(&bundle(&[
            ("urn:uuid:1", &request("a", ordered)),
            ("urn:uuid:2", &dispense("urn:uuid:1", more)),
        ]));
        let plan = plan(&import.items, &roster(), NOW);
        let left = plan
            .left_out
            .into_iter()
            .map(|left_out| left_out.reason)
            .next();
        left.map_or_else(|| Ok(redemptions(&import)[0].2), Err)
    };
    assert_eq!(case(&amount("30", "tab")), Ok(1_000_000));
    assert_eq!(case(&amount("0.5", "TAB")), Ok(16_666));
    assert_eq!(case(&amount("0.00001", "TAB")), Ok(1));
    assert_eq!(case(&amount("30.000001", "TAB")), Err(Reason::OverOrdered));
    assert_eq!(case(&amount("3", "mL")), Err(Reason::OtherUnit));
    assert_eq!(case(""), Err(Reason::Missing("/quantity/value")));
}

#[test]
fn the_first_dispense_in_time_redeems_and_the_others_say_why_not() {
    let at = |when: &str| format!(r#","whenHandedOver":"{when}""#);
    let import = import(&bundle(&[
        ("urn:uuid:1", &request("a", "")),
        ("urn:uuid:2", &dispense("urn:uuid:1", "")),
        ("urn:uuid:3", &dispense("urn:uuid:1", &at("2026-03-02"))),
        (
            "urn:uuid:4",
            &dispense("urn:uuid:1", &at("2026-03-01T23:59:00Z")),
        ),
    ]));
    assert_eq!(redemptions(&import), [(2, 0, 1_000_000)]);
}

#[test]
fn the_same_resource_twice_is_taken_once() {
    let import = import(&bundle(&[
        ("urn:uuid:1", &request("a", "")),
        ("urn:uuid:2", &request("a", "")),
    ]));
    let plan = plan(&import.items, &roster(), NOW);
    assert_eq!((plan.steps.len(), plan.left_out.len()), (1, 1));
    assert_eq!(plan.left_out[0].reason, Reason::Repeated);
}

#[test]
fn missing_and_malformed_fields_are_named_by_pointer() {
    for (text, reason) in [
        (
            request("a", "").replace("\"active\"", "\"draft\""),
            "status draft: it is not issued yet",
        ),
        (
            request("a", "").replace("\"active\"", "7"),
            "missing field /status",
        ),
        (
            request("a", "").replace("\"subject\"", "\"subjekt\""),
            "missing field /subject",
        ),
        (
            request("a", r#","authoredOn":"yesterday""#),
            "field /authoredOn does not have the form the standard gives it",
        ),
        (
            request("a", r#","doNotPerform":true"#),
            "not an order: it says that the medicine is not to be given",
        ),
        (
            request("a", r#","dispenseRequest":{"quantity":{"value":0}}"#),
            "field /dispenseRequest/quantity/value is no amount: it is not above zero",
        ),
        (
            request("a", r#","dispenseRequest":{"quantity":{"value":"3"}}"#),
            "field /dispenseRequest/quantity/value does not have the form the standard gives it",
        ),
        (
            request("a", r#","note":[{"text":"x","text":"y"}]"#),
            "not strict JSON: a member is named twice, or a text does not decode",
        ),
        (
            request("a", "").replace("order", "plan"),
            "not an order: its intent is plan",
        ),
        (
            "{\"resourceType\":\"Zhang\"}".into(),
            "a resource type that FHIR R4 does not define",
        ),
        (
            "[1,2,{\"a\":3}]".into(),
            "JSON, but neither a FHIR resource (resourceType) nor an EPCIS document or event",
        ),
        ("".into(), "not JSON"),
        ("{\"resourceType\":\"Bundle\"}".into(), "nothing in it"),
    ] {
        let import = import(&text);
        assert!(import.items.is_empty());
        assert_eq!(
            reasons(&import)
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>(),
            [reason]
        );
    }
}

#[test]
fn bundles_nest_only_so_deep() {
    let mut text = request("a", "");
    for _ in 0..8 {
        text = bundle(&[("urn:uuid:1", &text)]);
    }
    assert_eq!(import(&text).items.prescriptions.len(), 1);
    text = bundle(&[("urn:uuid:1", &text)]);
    assert_eq!(
        reasons(&import(&text)),
        [Reason::BundleTooDeep { limit: 8 }]
    );
}

#[test]
fn lines_of_an_ndjson_file_are_documents_of_their_own() {
    let line = |id| request(id, "").replace('\n', " ");
    let text = format!("\u{feff}{}\n\nnot json\r\n{}\n", line("a"), line("b"));
    let import = import_bytes("export.ndjson", text.as_bytes());
    let lines: Vec<_> = import
        .items
        .prescriptions
        .iter()
        .map(|one| one.source.line)
        .collect();
    assert_eq!(lines, [Some(1), Some(4)]);
    assert_eq!(
        import.left_out[0].source.to_string(),
        "export.ndjson line 3"
    );
    assert_eq!(
        import_bytes("x.txt", format!("{}\n{}", line("a"), line("b")).as_bytes())
            .items
            .len(),
        2
    );
}

fn event(step: &str, time: &str, epcs: &str, more: &str) -> String {
    let action = if step == "commissioning" {
        "ADD"
    } else {
        "OBSERVE"
    };
    format!(
        r#"{{"type":"ObjectEvent","action":"{action}","bizStep":"{step}","eventTime":"{time}","epcList":[{epcs}]{more}}}"#
    )
}

fn document(events: &[String]) -> String {
    format!(
        r#"{{"type":"EPCISDocument","epcisBody":{{"eventList":[{}]}}}}"#,
        events.join(",")
    )
}

const URN: &str = r#""urn:epc:id:sgtin:0614141.107346.2017""#;
const LINK: &str = r#""https://id.gs1.org/01/10614141073464/21/2017""#;
const CHINESE: &str = r#""81234560000000000017""#;

#[test]
fn a_chain_is_planned_in_order_of_time_whatever_order_it_came_in() {
    let import = import(&document(&[
        event("dispensing", "2026-01-04T00:00:00Z", LINK, ""),
        event("receiving", "2026-01-03T00:00:00Z", LINK, ""),
        event(
            "urn:epcglobal:cbv:bizstep:shipping",
            "2026-01-02T00:00:00Z",
            URN,
            "",
        ),
        event(
            "commissioning",
            "2026-01-01T00:00:00Z",
            URN,
            r#","ilmd":{"cbvmda:lotNumber":"L1"}"#,
        ),
    ]));
    let plan = plan(&import.items, &roster(), NOW);
    assert!(plan.left_out.is_empty());
    let waves: Vec<_> = plan.steps.iter().map(|step| step.wave).collect();
    assert_eq!(waves, [0, 1, 2, 3, 4]);
    assert_eq!(plan.lots[0].number.as_deref(), Some("L1"));
    assert!(matches!(plan.steps[4].action, Action::Dispense { .. }));
    assert!(
        plan.steps[4].by.as_str() != "river-distribution",
        "it must be able to dispense"
    );
}

#[test]
fn steps_that_do_not_follow_are_left_out() {
    let import = import(&document(&[
        event("shipping", "2026-01-01T00:00:00Z", URN, ""),
        event("commissioning", "2026-01-02T00:00:00Z", CHINESE, ""),
        event("receiving", "2026-01-03T00:00:00Z", CHINESE, ""),
        event("commissioning", "2026-01-04T00:00:00Z", CHINESE, ""),
        event("dispensing", "2026-01-05T00:00:00Z", CHINESE, ""),
        event(
            "shipping",
            "2026-01-06T00:00:00Z",
            &format!("{CHINESE},{CHINESE}"),
            "",
        ),
    ]));
    let plan = plan(&import.items, &roster(), NOW);
    let left: Vec<_> = plan
        .left_out
        .into_iter()
        .map(|left_out| left_out.reason)
        .collect();
    assert_eq!(
        left,
        [
            Reason::NeverCommissioned,
            Reason::OutOfTurn {
                step: "receiving",
                state: "was not shipped before that time"
            },
            Reason::CommissionedBefore,
            Reason::OutOfTurn {
                step: "dispensing",
                state: "is held by one that is neither hospital nor pharmacy"
            },
            Reason::OutOfTurn {
                step: "shipping",
                state: "stands in the same event already"
            },
        ]
    );
}

#[test]
fn parties_are_found_by_the_location_numbers_of_organizations() {
    let organization = |id: &str, gln: &str| {
        format!(
            r#"{{"resourceType":"Organization","id":"{id}","identifier":[{{"system":"https://www.gs1.org/gln","value":"{gln}"}}]}}"#
        )
    };
    let to = r#","destinationList":[{"type":"location","destination":"urn:epc:id:sgln:4012345.00005.0"},{"type":"owning_party","destination":"urn:epc:id:pgln:0614141.00777"}]"#;
    let text = format!(
        "[{},{},{}]",
        organization("west-pharmacy", "4012345000054"),
        organization("east-pharmacy", "0614141007776"),
        document(&[
            event("commissioning", "2026-01-01T00:00:00Z", URN, ""),
            event("shipping", "2026-01-02T00:00:00Z", URN, to),
        ])
    );
    let import = import(&text);
    assert_eq!(
        reasons(&import),
        [Reason::ReadForParticipants, Reason::ReadForParticipants]
    );
    let plan = plan(&import.items, &roster(), NOW);
    let east = "east-pharmacy".parse().expect("a name");
    assert!(
        plan.steps
            .iter()
            .any(|step| matches!(&step.action, Action::Ship { to, .. } if *to == east))
    );
}

#[test]
fn an_event_of_many_units_is_cut_into_lists_that_fit() {
    let epcs: Vec<_> = (0..300)
        .map(|serial| format!("\"8123456{serial:013}\""))
        .collect();
    let import = import(&document(&[event(
        "commissioning",
        "2026-01-01T00:00:00Z",
        &epcs.join(","),
        "",
    )]));
    let plan = plan(&import.items, &roster(), NOW);
    let sizes: Vec<_> = plan
        .steps
        .iter()
        .map(|step| step.action.items())
        .filter(|&n| n > 0)
        .collect();
    assert_eq!(sizes, [128, 128, 44]);
}

#[test]
fn a_tree_is_read_in_order_and_links_are_not_followed() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path();
    fs::create_dir(path.join("b")).expect("a folder");
    fs::write(path.join("b/z.json"), request("z", "")).expect("a file");
    fs::write(path.join("a.json"), request("a", "")).expect("a file");
    fs::write(path.join("big.json"), vec![b' '; 5_000]).expect("a file");
    fs::write(path.join("c.txt"), [0xff, 0xfe]).expect("a file");
    #[cfg(unix)]
    std::os::unix::fs::symlink("/", path.join("d")).expect("a link");
    let limits = Limits {
        file_bytes: 4_096,
        depth: 2,
        ..Limits::default()
    };
    let import = import_tree(path, &limits).expect("a folder that can be read");
    let names: Vec<_> = import
        .items
        .prescriptions
        .iter()
        .map(|one| one.source.to_string())
        .collect();
    assert_eq!(names, ["a.json", "b/z.json"]);
    let mut expected = vec![Reason::FileTooLarge { limit: 4_096 }, Reason::NotJson];
    if cfg!(unix) {
        expected.push(Reason::SymbolicLink);
    }
    assert_eq!(reasons(&import), expected);
    assert!(import_tree(&path.join("none"), &limits).is_err());
}

proptest! {
    #[test]
    fn any_bytes_give_an_outcome(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let import = import_bytes("x", &bytes);
        prop_assert_eq!(import.files.len(), 1);
        prop_assert!(import.items.len() + import.left_out.len() > 0);
    }

    #[test]
    fn a_cut_or_changed_document_gives_an_outcome(cut in 0usize..2_000, at in 0usize..2_000, byte in any::<u8>()) {
        let whole = bundle(&[
            ("urn:uuid:1", &request("a", r#","dispenseRequest":{"quantity":{"value":1}}"#)),
            ("urn:uuid:2", &dispense("urn:uuid:1", r#","quantity":{"value":1}"#)),
            ("urn:uuid:3", &consent(&format!(r#"{{"type":"permit",{ACTOR},{}}}"#, purpose("TREAT")))),
        ]);
        let chain = document(&[event("commissioning", "2026-01-01T00:00:00Z", URN, "")]);
        for text in [whole, chain] {
            let mut bytes = text.into_bytes();
            if let Some(place) = bytes.get_mut(at) {
                *place = byte;
            }
            for bytes in [&bytes[..], bytes.get(..cut).unwrap_or(&bytes)] {
                let import = import_bytes("x", bytes);
                prop_assert!(import.items.len() + import.left_out.len() > 0);
                let plan = plan(&import.items, &roster(), NOW);
                let planned: usize = plan.steps.iter().map(|step| step.action.items()).sum();
                prop_assert_eq!(planned + plan.left_out.len(), import.items.len());
            }
        }
    }
}
