//! A patient's wallet: lets one pharmacy redeem a prescription. Needs no network.
//!
//! `patient --token FILE --pharmacy NAME --out DIR`
//!
//! Writes `claim.txt` into `--out`: what the wallet shows as a QR code at the pharmacy. The token stays.

mod common;

use common::{Arguments, Outcome, hand_over, handed_over};
use medanchor_sdk::{Context, PatientToken, System};
use std::process::ExitCode;

const TEN_MINUTES: u64 = 10 * 60 * 1000;

const USAGE: &str = "patient --token FILE --pharmacy NAME --out DIR";

fn main() -> ExitCode {
    common::run(USAGE, example)
}

fn example(arguments: &Arguments) -> Outcome {
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
