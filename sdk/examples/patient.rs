//! A patient's wallet: lets one pharmacy redeem a prescription, or checks who did what with the records
//! under a tag. Needs no network.
//!
//! `patient --token FILE --pharmacy NAME --out DIR`, or
//! `patient --history FILE --owner NAME --tag HEX --policy FILE`
//!
//! The first one writes `claim.txt` into `--out`: what the wallet shows as a QR code at the pharmacy. The token
//! stays. The second one checks a history, as a node or the institution gave it, against the policy file
//! and lists every event that bears the tag: exactly these, up to the height that it names.

mod common;

use common::{Arguments, Outcome, hand_over, handed_over};
use medanchor_sdk::{Context, PatientToken, Policy, PolicyRange, Size, System, verify_history};
use std::process::ExitCode;

const TEN_MINUTES: u64 = 10 * 60 * 1000;

const USAGE: &str = "patient --token FILE --pharmacy NAME --out DIR
patient --history FILE --owner NAME --tag HEX --policy FILE";

fn main() -> ExitCode {
    common::run(USAGE, example)
}

fn example(arguments: &Arguments) -> Outcome {
    match arguments.optional("history") {
        Some(history) => show_history(arguments, &std::fs::read(history)?),
        None => let_redeem(arguments),
    }
}

fn show_history(arguments: &Arguments, pages: &[u8]) -> Outcome {
    let policy = Policy::parse(&std::fs::read(arguments.path("policy")?)?)?;
    let policy = PolicyRange::from(policy, Size(0));
    let (owner, tag) = (
        arguments.required("owner")?.parse()?,
        arguments.required("tag")?.parse()?,
    );
    let history = verify_history(&policy, &owner, &tag, pages)?;
    for link in history.links() {
        println!(
            "{} at {}, event {}",
            link.kind, link.time, link.anchored.event
        );
    }
    let (count, height) = (history.links().len(), history.proved().height);
    println!("these {count} events, and no other, bear the tag up to height {height}");
    Ok(())
}

fn let_redeem(arguments: &Arguments) -> Outcome {
    let token = PatientToken::from_text(&handed_over(&arguments.path("token")?)?)?;
    let pharmacy = arguments.required("pharmacy")?.parse()?;
    let claim = token.claim(&pharmacy, 1, System.now().plus_millis(TEN_MINUTES));
    println!(
        "prescription {} of {} may be redeemed at {pharmacy}",
        token.prescription(),
        token.issuer()
    );
    hand_over(&arguments.path("out")?, "claim.txt", &claim.to_text())
}
