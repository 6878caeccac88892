//! A manufacturer: opens a lot, brings ten packs to life, and ships them.
//!
//! `manufacturer --node URL --identity DIR --to NAME --out DIR [--lot NUMBER]`
//!
//! Writes `packs.txt` into `--out`: what the receiver is given beside the goods.

mod common;

use common::{Arguments, Outcome, hand_over};
use medanchor_sdk::{CodeScheme, Context, Identity, Sdk, System};
use std::process::ExitCode;

const PRODUCT: &str = "8123456";

const USAGE: &str = "manufacturer --node URL --identity DIR --to NAME --out DIR [--lot NUMBER]";

fn main() -> ExitCode {
    common::run(USAGE, example)
}

fn example(arguments: &Arguments) -> Outcome {
    let out = arguments.path("out")?;
    let sdk = Sdk::new(
        Identity::open(&arguments.path("identity")?)?,
        [arguments.required("node")?],
    )?;

    let serial = System.now().0;
    let number = arguments
        .optional("lot")
        .unwrap_or_else(|| format!("L{serial}"));
    let lot = sdk.lot(CodeScheme::Chinese20, PRODUCT, &number);
    let codes: Vec<String> = (0..10)
        .map(|n| format!("{PRODUCT}{:013}", serial % 100_000_000_000 * 10 + n))
        .collect();
    let consignment = lot.consign(codes);
    let packs = consignment.packs();

    let mut events = vec![sdk.open_lot(&lot)?];
    events.extend(sdk.commission(&lot, &packs)?);
    events.extend(sdk.ship(&packs, &arguments.required("to")?.parse()?)?);
    for anchored in sdk.anchor_batch(events) {
        let anchored = anchored?;
        anchored.save(&out.join("receipts"))?;
        println!(
            "anchored {}: {}",
            anchored.event().kind(),
            anchored.counted()
        );
    }
    hand_over(&out, "packs.txt", &consignment.to_text())
}
