//! One person more, written while the demo's nodes run: at two hospitals, in this quarter and in the one
//! before, with a consent at the first hospital only.

use super::super::care::{BEFORE, LastQuarter};
use super::{CLASS, HOSPITALS, TRAVELLER};
use anyhow::Result;
use medanchor_ledger::event::Event;
use medanchor_ledger::{ParticipantName, Time};
use medanchor_sdk::fhir::SeparateConsent;
use medanchor_sdk::{Context as _, Identity, NewConsent, NewRecord, System};
use medanchor_tests::client::Client;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(60);

/// Writes the traveller's records, and the consent.
pub fn write(dir: &Path, url: &str) -> Result<()> {
    let client = Client::new(url, PATIENCE);
    for hospital in HOSPITALS {
        let folder = dir.join(hospital).join("identity");
        let sealed = |identity: &Identity, name| {
            identity.seal_record(&NewRecord {
                name,
                version: 1,
                subject: TRAVELLER,
                class: CLASS,
                payload: br#"{"resourceType":"MedicationRequest"}"#,
            })
        };
        // The event's own times are long over, but what it says is what was said in that quarter.
        let earlier = {
            let identity = Identity::open_with(&folder, Arc::new(LastQuarter))?;
            sealed(&identity, "earlier")?.event.body().clone()
        };
        let identity = Identity::open(&folder)?;
        client.anchor(&identity.sign(earlier)?)?;
        for name in ["today", "today too"] {
            client.anchor(&sealed(&identity, name)?.event)?;
        }
        if hospital == HOSPITALS[0] {
            client.anchor(&consent(&identity)?)?;
        }
    }
    Ok(())
}

fn consent(identity: &Identity) -> Result<Event> {
    let now = System.now();
    let consented = identity.grant(&NewConsent {
        name: "consent of the traveller",
        root: None,
        subject: TRAVELLER,
        grantees: &[HOSPITALS[1].parse::<ParticipantName>()?.into()],
        purposes: &["TREAT"],
        classes: &[CLASS],
        records_since: Time(now.0 - BEFORE),
        not_before: now,
        not_after: now.plus_millis(BEFORE),
        records: &[],
        separate: SeparateConsent::SHARE,
        abroad: false,
        document: br#"{"resourceType":"Consent"}"#,
    })?;
    Ok(consented.event)
}
