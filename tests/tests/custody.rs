//! Records whose keys custodians share, end to end: four nodes, five custodians and an owner's vault,
//! each a process of its own, and a reader at another hospital.

use anyhow::{Result, bail, ensure};
use medanchor_ledger::event::EventBody;
use medanchor_sdk::custody::{OpenedError, Silence};
use medanchor_sdk::{Decision, DenialReason};
use medanchor_tests::city::{City, OWNER, PAYLOAD, READER};
use medanchor_tests::service::Service;
use medanchor_vault::Disclosure;

#[test]
fn a_record_opens_with_enough_custodians_and_the_owner_while_the_consent_stands() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut city = City::start(dir.path())?;
    let ticket = city.seal_and_grant("Observation/1")?;
    let vault = Service::vault(&dir.path().join(OWNER))?;
    let reader = city.sdk(READER)?;

    let opened = city.read(&reader, &ticket, "first")?;
    ensure!(*opened.payload == PAYLOAD);
    ensure!(opened.answers.faults.0.is_empty() && opened.answers.silent.is_empty());
    ensure!(opened.access.proved().decision() == Decision::Permitted);

    // The reader shows one field of it to a third party, which knows the ledger's event alone.
    let shown = opened.disclose(&["/valueString"])?.encode();
    let sealed = reader.client().event(&opened.sealed)?;
    let EventBody::RecordCustody(sealed) = sealed.body() else {
        bail!("the record was sealed by another event");
    };
    let shown = Disclosure::decode(&shown)?.verify(&sealed.seal.commitment)?;
    ensure!(shown.fields().len() == 1);
    let value = shown
        .value("/valueString")
        .map(|value| value.bytes().to_vec());
    ensure!(value == Some(b"a secret".to_vec()), "{value:?}");

    city.stop(&[0, 3]);
    let opened = city.read(&reader, &ticket, "second")?;
    ensure!(*opened.payload == PAYLOAD);
    let answered = opened.answers.good.iter();
    let answered: Vec<_> = answered
        .map(|one| one.says().place.custodian.as_str())
        .collect();
    ensure!(
        answered.len() == 3 && !answered.contains(&"archive") && !answered.contains(&"dean"),
        "{answered:?}"
    );

    city.stop(&[1]);
    match city.read(&reader, &ticket, "third") {
        Err(OpenedError::Read { error, silent, .. }) => {
            ensure!(
                silent.len() == 3 && error.to_string().contains("2 of the 3"),
                "{error}"
            );
        }
        Err(other) => bail!("another error: {other}"),
        Ok(_) => bail!("two custodians opened a record that takes three"),
    }
    city.start_again(1)?;
    let opened = city.read(&reader, &ticket, "third")?;
    ensure!(
        *opened.payload == PAYLOAD,
        "a retry goes on with the same request"
    );

    // The owner ends the consent: what was permitted before is released no more, and new requests are denied.
    drop(vault);
    let owner = city.sdk(OWNER)?;
    owner.anchor(owner.revoke("consent of Observation/1")?)?;
    drop(owner);
    let _vault = Service::vault(&dir.path().join(OWNER))?;
    match city.read(&reader, &ticket, "third") {
        Err(OpenedError::Read { silent, .. }) => {
            let refused = |(_, said): &&(_, Silence)| said.why.contains("custody.consent-ended");
            let refusals = silent.iter().filter(refused).count();
            ensure!(
                refusals == 3,
                "each custodian that runs refuses: {silent:?}"
            );
        }
        Err(other) => bail!("another error: {other}"),
        Ok(_) => bail!("released after the consent ended"),
    }
    match city.read(&reader, &ticket, "fourth") {
        Err(OpenedError::Denied(DenialReason::Revoked)) => Ok(()),
        Err(other) => bail!("another error: {other}"),
        Ok(_) => bail!("permitted after the consent ended"),
    }
}
