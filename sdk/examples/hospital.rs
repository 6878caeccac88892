//! A hospital: anchors a prescription, hands the patient a token, and lets a reader see a record.
//!
//! `hospital --node URL --identity DIR --out DIR --grantee NAME [--id ID]`
//!
//! Writes `token.txt` (for the patient), `grant.txt` (for the grantee) and `receipts/` into `--out`.

mod common;

use common::{Arguments, Outcome, hand_over};
use medanchor_sdk::fhir::SeparateConsent;
use medanchor_sdk::{Context, Identity, NewConsent, NewPrescription, NewRecord, Sdk, System};
use std::process::ExitCode;

const DAY: u64 = 24 * 3_600_000;

const USAGE: &str = "hospital --node URL --identity DIR --out DIR --grantee NAME [--id ID]";

fn main() -> ExitCode {
    common::run(USAGE, example)
}

fn example(arguments: &Arguments) -> Outcome {
    let out = arguments.path("out")?;
    let now = System.now();
    let id = arguments.optional("id").unwrap_or_else(|| now.to_string());

    // Open who we are, and finish what a crash may have left.
    let identity = Identity::open(&arguments.path("identity")?)?;
    let sdk = Sdk::new(identity, [arguments.required("node")?])?;
    for unfinished in sdk.resume() {
        println!("taken up again: {}", unfinished?.counted());
    }

    // Seal a prescription, anchor it, and keep the receipts.
    let prescribed = sdk.prescribe(&NewPrescription {
        name: &format!("MedicationRequest/{id}"),
        subject: "Patient/example",
        class: "medication",
        payload: br#"{"resourceType":"MedicationRequest","status":"active","intent":"order",
            "medicationCodeableConcept":{"text":"example drug"},
            "dispenseRequest":{"quantity":{"value":30,"unit":"tablet"}}}"#,
        lines: 1,
        expires: now.plus_millis(3 * DAY),
    })?;
    for anchored in sdk.anchor_batch(prescribed.events) {
        let anchored = anchored?;
        anchored.save(&out.join("receipts"))?;
        println!(
            "anchored {}: {}",
            anchored.event().kind(),
            anchored.counted()
        );
    }
    // The token is a bearer secret: it goes to the patient's wallet and nowhere else.
    hand_over(&out, "token.txt", &prescribed.token.to_text())?;

    // Seal a record, and consent to its being read.
    let record = format!("Observation/{id}");
    let sealed = sdk.seal_record(&NewRecord {
        name: &record,
        version: 1,
        subject: "Patient/example",
        class: "laboratory",
        payload:
            br#"{"resourceType":"Observation","status":"final","valueQuantity":{"value":1.50}}"#,
    })?;
    let consented = sdk.grant(&NewConsent {
        name: &format!("Consent/{id}"),
        root: None,
        subject: "Patient/example",
        grantees: &[arguments
            .required("grantee")?
            .parse::<medanchor_sdk::ParticipantName>()?
            .into()],
        purposes: &["TREAT"],
        classes: &["laboratory"],
        records_since: now,
        not_before: now,
        not_after: now.plus_millis(30 * DAY),
        records: &[(&record, "laboratory")],
        separate: SeparateConsent::SHARE,
        abroad: false,
        document: br#"{"resourceType":"Consent","status":"active"}"#,
    })?;
    for anchored in sdk.anchor_batch(vec![sealed.event, consented.event]) {
        let anchored = anchored?;
        anchored.save(&out.join("receipts"))?;
        println!(
            "anchored {}: {}",
            anchored.event().kind(),
            anchored.counted()
        );
    }
    for ticket in &consented.tickets {
        hand_over(&out, "grant.txt", &ticket.to_text())?;
    }
    Ok(())
}
