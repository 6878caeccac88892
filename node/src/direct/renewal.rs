//! What the service of an owner's vault does for consents that run on: they are re-issued for the next quarter
//! of a year, from a week before it begins.
//!
//! What always holds: it is looked for at the start and every hour, and five minutes later where no node could be
//! reached; the log has numbers and kinds of errors, and no consent, no record, no file and no patient.

use super::pause::pause;
use medanchor_sdk::{RenewalError, RenewedConsents, Sdk};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often it is looked for consents that are due. Where none is, to look is to read a few names.
const TURN: Duration = Duration::from_secs(60 * 60);
/// The pause where no node could be reached. Any other failure is not over so soon, and to look costs proofs.
const AGAIN: Duration = Duration::from_secs(5 * 60);

/// Renews what is due, until `stop`.
pub(super) fn keep_renewed(sdk: &Sdk, stop: &CancellationToken) {
    while !stop.is_cancelled() {
        pause(renewed(sdk), stop);
    }
}

/// Gives the pause after which it is looked again.
fn renewed(sdk: &Sdk) -> Duration {
    match sdk.renew_consents() {
        Ok(done) => {
            told(&done);
            next(&done)
        }
        Err(error) => {
            let kind = RenewalError::from(error).kind();
            tracing::error!(
                kind,
                "no consent is renewed; `medanchor consent renew` says why"
            );
            TURN
        }
    }
}

fn next(done: &RenewedConsents) -> Duration {
    match done.failed.iter().any(|(_, why)| why.is_unreachable()) {
        true => AGAIN,
        false => TURN,
    }
}

fn told(done: &RenewedConsents) {
    let (renewed, waiting) = (done.renewed.len(), done.waiting.len());
    if renewed > 0 {
        tracing::info!(renewed, "consents are renewed; hand over their tickets");
    }
    if waiting > 0 {
        tracing::warn!(waiting, "consents wait for their patients' approval");
    }
    if let Some((_, error)) = done.failed.first() {
        let (failed, kind) = (done.failed.len(), error.kind());
        tracing::warn!(
            failed,
            kind,
            "consents are not renewed; `medanchor consent renew` says which"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use medanchor_ledger::ConsentHandle;
    use medanchor_sdk::SdkError;

    /// One file that could not be read had every consent that waits asked for all five minutes.
    #[test]
    fn what_fails_at_home_is_looked_for_no_sooner() {
        let why = RenewalError::from(SdkError::Consent("stands in other words"));
        let mut done = RenewedConsents::default();
        assert_eq!(next(&done), TURN);
        done.failed.push((ConsentHandle::new([1; 16]), why));
        assert_eq!(next(&done), TURN);
    }
}
