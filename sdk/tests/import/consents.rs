//! What the importer makes of consents: what they permit, and nothing that they do not.

use crate::setup::{NOW, name, roster};
use medanchor_ledger::Time;
use medanchor_sdk::fhir::{Flag, NotGranted};
use medanchor_sdk::import::*;

fn import(text: &str) -> Import {
    import_bytes("input.json", text.as_bytes())
}

/// A consent of north-hospital's that follows IHE PCF, with the separate consent to share.
pub fn consent(provision: &str) -> String {
    consent_with(SHARE, provision)
}

/// The same with other members in place of the separate consent.
fn consent_with(members: &str, provision: &str) -> String {
    format!(
        r#"{{"resourceType":"Consent","status":"active",{members}
        "scope":{{"coding":[{{"system":"http://terminology.hl7.org/CodeSystem/consentscope","code":"patient-privacy"}}]}},
        "category":[{{"coding":[{{"system":"http://loinc.org","code":"59284-0"}}]}}],
        "patient":{{"reference":"Patient/p1"}},"dateTime":"2026-01-01","performer":[{{"reference":"Patient/p1"}}],
        "organization":[{{"reference":"Organization/north-hospital"}}],
        "sourceReference":{{"reference":"DocumentReference/signed"}},"policy":[{{"uri":"https://policy.example/1"}}],
        "provision":{provision}}}"#
    )
}

const SHARE: &str =
    r#""extension":[{"url":"urn:medanchor:fhir:separate-consent","valueCode":"share"}],"#;
pub const ACTOR: &str = r#""actor":[{"role":{"coding":[{"system":"http://terminology.hl7.org/CodeSystem/v3-ParticipationType","code":"IRCP"}]},"reference":{"reference":"Organization/east-pharmacy"}}]"#;

pub fn purpose(code: &str) -> String {
    format!(
        r#""purpose":[{{"system":"http://terminology.hl7.org/CodeSystem/v3-ActReason","code":"{code}"}}]"#
    )
}

fn data_class(code: &str) -> String {
    format!(
        r#""extension":[{{"url":"urn:medanchor:fhir:data-class","valueCoding":{{"system":"http://hl7.org/fhir/resource-types","code":"{code}"}}}}]"#
    )
}

#[test]
fn a_consent_permits_its_recipients_its_purposes_and_no_breaking_of_the_glass() {
    let text = consent(&format!(
        r#"{{"type":"permit","period":{{"start":"2026-01-01","end":"2035-12"}},{ACTOR},{},{}}}"#,
        purpose("ETREAT"),
        data_class("MedicationRequest"),
    ));
    let import = import(&text);
    let planned = plan(&import.items, &roster(), NOW);
    assert_eq!(planned.steps[0].by.as_str(), "north-hospital");
    let Action::Grant { terms, .. } = &planned.steps[0].action else {
        panic!("not a grant")
    };
    assert_eq!(terms.purposes, ["ERTREAT", "ETREAT"]);
    assert_eq!(terms.classes, ["MedicationRequest"]);
    assert_eq!(terms.grantees, [name("east-pharmacy").into()]);
    assert_eq!(terms.not_after, Time(2_082_758_400_000));
    assert!(terms.separate.share && !terms.abroad);
    let late = plan(&import.items, &roster(), Time(2_082_758_400_000));
    assert_eq!(
        late.left_out[0].reason,
        Reason::NotGranted(NotGranted::Over)
    );
}

/// Why a consent is left out, when it is read or when the plan is made.
fn left_out(text: &str) -> Reason {
    let import = import(text);
    let planned = plan(&import.items, &roster(), NOW);
    assert!(planned.steps.is_empty(), "it was granted: {text}");
    let mut reasons = import.left_out.into_iter().chain(planned.left_out);
    reasons.next().expect("a reason").reason
}

#[test]
fn what_a_grant_cannot_express_is_a_reason() {
    let treat = purpose("TREAT");
    let narrowed = |more: &str| format!(r#"{{"type":"permit",{ACTOR},{treat},{more}}}"#);
    for (provision, refusal) in [
        (
            format!(r#"{{"type":"deny",{ACTOR},{treat}}}"#),
            NotGranted::Denies,
        ),
        (
            format!(r#"{{"type":"permit",{treat}}}"#),
            NotGranted::NoGrantee,
        ),
        (
            format!(r#"{{"type":"permit",{ACTOR}}}"#),
            NotGranted::NoPurpose,
        ),
        (
            format!(r#"{{"type":"permit",{ACTOR},{}}}"#, purpose("BTG")),
            NotGranted::BreakGlass,
        ),
        (
            narrowed(r#""provision":[{"type":"deny"}]"#),
            NotGranted::Exceptions,
        ),
        (
            narrowed(r#""securityLabel":[{"code":"N"}]"#),
            NotGranted::UnknownLabel(0),
        ),
        (
            narrowed(&data_class("NoSuchType")),
            NotGranted::UnknownClass(0),
        ),
        (
            format!(
                r#"{{"type":"permit",{treat},{}}}"#,
                ACTOR.replace("east-pharmacy", "unknown")
            ),
            NotGranted::UnknownGrantee(0),
        ),
    ] {
        let found = left_out(&consent(&provision));
        assert_eq!(found, Reason::NotGranted(refusal), "{provision}");
    }
}

/// Each of these was granted when the importer read consents its own way.
#[test]
fn what_would_narrow_a_consent_or_lacks_the_law_is_not_overlooked() {
    let treat = purpose("TREAT");
    let plain = format!(r#"{{"type":"permit",{ACTOR},{treat}}}"#);
    let with = |more: &str| format!(r#"{{"type":"permit",{ACTOR},{treat},{more}}}"#);
    let modifier = r#""modifierExtension":[{"url":"urn:x","valueBoolean":true}]"#;
    let other_system = r#""purpose":[{"system":"urn:x","code":"TREAT"}]"#;
    let no_system = r#""purpose":[{"code":"TREAT"}]"#;
    let cases = [
        (
            consent_with(&format!("{SHARE}{modifier},"), &plain),
            "Consent.modifierExtension",
        ),
        (
            consent_with(&format!(r#"{SHARE}"implicitRules":"urn:x","#), &plain),
            "Consent.implicitRules",
        ),
        (
            consent(&with(modifier)),
            "Consent.provision.modifierExtension",
        ),
        (
            consent(&with(r#""action":[{"coding":[{"code":"access"}]}]"#)),
            "Consent.provision.action: IHE PCF forbids it",
        ),
        (
            consent(&with(
                r#""class":[{"system":"http://hl7.org/fhir/resource-types","code":"Observation"}]"#,
            )),
            "Consent.provision.class: IHE PCF forbids it",
        ),
        (
            consent(&plain.replace(&treat, other_system)),
            "none of HL7's PurposeOfUse",
        ),
        (
            consent(&plain.replace(&treat, no_system)),
            "none of HL7's PurposeOfUse",
        ),
        (
            consent(&plain.replace("IRCP", "PRCP")),
            "Consent.provision.actor[0].role",
        ),
        (
            consent_with("", &plain),
            "the separate consent `share` is missing",
        ),
    ];
    for (text, words) in cases {
        let found = left_out(&text).to_string();
        assert!(found.contains(words), "{words}: {found}");
    }
    let granted = import(&consent(&plain));
    let planned = plan(&granted.items, &roster(), NOW);
    assert_eq!(planned.steps.len(), 1, "the plain one is granted");
}

#[test]
fn a_recipient_abroad_takes_a_separate_consent_of_its_own() {
    let text = consent(&format!(
        r#"{{"type":"permit",{ACTOR},{}}}"#,
        purpose("TREAT")
    ));
    let member = |text: &str, role, jurisdiction: &str| Member {
        name: name(text),
        role,
        jurisdiction: jurisdiction.to_owned(),
    };
    let roster = Roster::new(vec![
        member("north-hospital", Role::Hospital, "CN"),
        member("east-pharmacy", Role::Pharmacy, "SG"),
    ]);
    let plan = plan(&import(&text).items, &roster, NOW);
    assert_eq!(
        plan.left_out[0].reason,
        Reason::NotGranted(NotGranted::Separate(Flag::CrossBorder))
    );
}
