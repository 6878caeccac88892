//! What the service of an owner's vault does for consents that run on: they are re-issued for the next quarter
//! of a year, from a week before it begins.
//!
//! What always holds: it is looked for at the start and every hour, and five minutes after a failure; the log
//! has numbers, and no consent and no patient.

use super::pause::pause;
use medanchor_sdk::{RenewedConsents, Sdk};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often it is looked for consents that are due. Where none is, to look is to read a few names.
const TURN: Duration = Duration::from_secs(60 * 60);
/// The pause after a failure.
const AGAIN: Duration = Duration::from_secs(5 * 60);

/// Renews what is due, until `stop`.
pub(super) fn keep_renewed(sdk: &Sdk, stop: &CancellationToken) {
    while !stop.is_cancelled() {
        pause(if renewed(sdk) { TURN } else { AGAIN }, stop);
    }
}

/// Whether nothing is left but what waits for patients.
fn renewed(sdk: &Sdk) -> bool {
    match sdk.renew_consents() {
        Ok(done) => told(&done),
        Err(error) => {
            tracing::error!(%error, "no consent is renewed");
            false
        }
    }
}

fn told(done: &RenewedConsents) -> bool {
    let (renewed, waiting) = (done.renewed.len(), done.waiting.len());
    if renewed > 0 {
        tracing::info!(renewed, "consents are renewed; hand over their tickets");
    }
    if waiting > 0 {
        tracing::warn!(waiting, "consents wait for their patients' approval");
    }
    if let Some((_, error)) = done.failed.first() {
        let failed = done.failed.len();
        tracing::warn!(failed, %error, "consents are not renewed yet");
    }
    done.failed.is_empty()
}
