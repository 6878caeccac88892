//! A regulator: checks receipts offline, and asks to read a record under a consent.
//!
//! `regulator --policy FILE --receipts DIR [--node URL --identity DIR --grant FILE]`
//!
//! The first half needs no network: every `<id>.event` in the folder is checked with the
//! `<id>.tlog-proof` beside it against the policy file. The second half asks to read a record, and
//! keeps the access receipt: a proof of what was decided, and on what, that anybody can check offline.

mod common;

use common::{Arguments, Outcome, handed_over};
use medanchor_sdk::{
    Context, Decision, GrantTicket, Identity, NewAccess, Policy, Sdk, System, verify_receipt,
};
use std::process::ExitCode;

const USAGE: &str =
    "regulator --policy FILE --receipts DIR [--node URL --identity DIR --grant FILE]";

fn main() -> ExitCode {
    common::run(USAGE, example)
}

fn example(arguments: &Arguments) -> Outcome {
    let policy = Policy::parse(&std::fs::read(arguments.path("policy")?)?)?;
    let mut checked = 0;
    for file in std::fs::read_dir(arguments.path("receipts")?)? {
        let event = file?.path();
        if event
            .extension()
            .is_some_and(|extension| extension == "event")
        {
            let receipt = std::fs::read(event.with_extension("tlog-proof"))?;
            let anchored = verify_receipt(&policy, &std::fs::read(&event)?, &receipt)?;
            println!(
                "{} by {}: {}",
                anchored.event().kind(),
                anchored.event().issuer(),
                anchored.counted()
            );
            checked += 1;
        }
    }
    println!("{checked} receipts hold");
    if checked == 0 {
        return Err("there was no receipt to check".into());
    }
    match arguments.optional("grant") {
        Some(grant) => ask_for_access(
            arguments,
            &GrantTicket::from_text(&handed_over(grant.as_ref())?)?,
        ),
        None => Ok(()),
    }
}

fn ask_for_access(arguments: &Arguments, ticket: &GrantTicket) -> Outcome {
    let sdk = Sdk::new(
        Identity::open(&arguments.path("identity")?)?,
        [arguments.required("node")?],
    )?;
    let record = ticket
        .records
        .first()
        .ok_or("the ticket names no record")?
        .record;
    let asked = sdk.request_access(&NewAccess {
        name: &format!("inspection/{}", System.now()),
        ticket,
        record,
        purpose: "TREAT",
        actor: "Practitioner/inspector",
        reason: "inspection of records",
    })?;
    let anchored = sdk.anchor(asked.event)?;
    println!("asked: {}", anchored.counted());
    let decided = sdk.client().access_receipt(&anchored.id(), true)?;
    let height = decided.proved().height;
    match decided.proved().decision() {
        Decision::Permitted => println!("permitted at height {height}, which the receipt proves"),
        Decision::Denied(reason) => println!(
            "denied at height {height} ({}), and that is recorded",
            reason.as_str()
        ),
    }
    let file = arguments
        .path("receipts")?
        .join(format!("{}.access-receipt", anchored.id()));
    decided.save(&file)?;
    println!("wrote {}", file.display());
    Ok(())
}
