//! A pharmacy: redeems a prescription under the patient's claim, once, and hands out a pack.
//!
//! `pharmacy --node URL --identity DIR --claim FILE --out DIR [--packs FILE --sender NAME]`

mod common;

use common::{Arguments, Outcome, handed_over};
use medanchor_sdk::{
    AnchorError, Consignment, Context, Fraction, Identity, Redemption, Sdk, SignedClaim, System,
};
use std::process::ExitCode;

const USAGE: &str =
    "pharmacy --node URL --identity DIR --claim FILE --out DIR [--packs FILE --sender NAME]";

fn main() -> ExitCode {
    common::run(USAGE, example)
}

fn example(arguments: &Arguments) -> Outcome {
    let receipts = arguments.path("out")?.join("receipts");
    let sdk = Sdk::new(
        Identity::open(&arguments.path("identity")?)?,
        [arguments.required("node")?],
    )?;

    // What the patient's wallet shows.
    let claim = SignedClaim::from_text(&handed_over(&arguments.path("claim")?)?)?;
    let id = System.now();
    let redeem = |name: &str| {
        sdk.redeem(&Redemption {
            name,
            claim: &claim,
            fractions: &[Fraction::WHOLE],
            payload: br#"{"resourceType":"MedicationDispense","status":"completed"}"#,
        })
    };
    let anchored = sdk.anchor(redeem(&format!("MedicationDispense/{id}"))?)?;
    anchored.save(&receipts)?;
    println!("redeemed: {}", anchored.counted());

    // A second time loses, and the refusal carries the proof of the first.
    match sdk.anchor(redeem(&format!("MedicationDispense/{id}-again"))?) {
        Err(AnchorError::Refused(refusal)) => println!("not twice: {refusal}"),
        other => return Err(format!("a second redemption was not refused: {other:?}").into()),
    }

    // Packs that have arrived: take them over, and hand one out.
    if let Some(packs) = arguments.optional("packs") {
        let consignment = Consignment::from_text(&handed_over(packs.as_ref())?)?;
        let packs = consignment.packs();
        let mut events = sdk.receive(&packs, &arguments.required("sender")?.parse()?)?;
        events.extend(sdk.dispense(packs.get(..1).unwrap_or_default())?);
        for anchored in sdk.anchor_batch(events) {
            let anchored = anchored?;
            anchored.save(&receipts)?;
            println!(
                "anchored {}: {}",
                anchored.event().kind(),
                anchored.counted()
            );
        }
    }
    Ok(())
}
