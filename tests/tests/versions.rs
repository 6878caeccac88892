//! Later versions of a record in custody: sealed anew, read under the same consent, never out of turn.

use anyhow::{Context, Result, ensure};
use medanchor_sdk::custody::{CustodyError, OpenedError};
use medanchor_sdk::{NewRecord, Sdk};
use medanchor_tests::city::{City, OWNER, PAYLOAD, READER};
use medanchor_tests::service::Service;

const NAME: &str = "Observation/1";
const SECOND: &[u8] = br#"{"resourceType":"Observation","valueString":"corrected"}"#;

fn seal(
    city: &City,
    sdk: &Sdk,
    (version, subject): (u32, &str),
    payload: &[u8],
) -> Result<(), CustodyError> {
    let circle = sdk.custodians(&city.book)?;
    let new = NewRecord {
        name: NAME,
        version,
        subject,
        class: "laboratory",
        payload,
    };
    sdk.seal_in_custody(&new, &circle, &city.certificate)
        .map(drop)
}

#[test]
fn a_later_version_is_read_under_the_consent_and_one_out_of_turn_is_refused() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let city = City::start(dir.path())?;
    let ticket = city.seal_and_grant(NAME)?;
    let reader = city.sdk(READER)?;
    let vault = Service::vault(&dir.path().join(OWNER))?;
    ensure!(*city.read(&reader, &ticket, "before")?.payload == PAYLOAD);
    drop(vault);

    let owner = city.sdk(OWNER)?;
    let third = seal(&city, &owner, (3, "Patient/1"), PAYLOAD);
    ensure!(matches!(
        third,
        Err(CustodyError::VersionAhead { newest: 1 })
    ));
    let other = seal(&city, &owner, (2, "Patient/2"), PAYLOAD);
    ensure!(matches!(other, Err(CustodyError::OtherSubject)));
    seal(&city, &owner, (2, "Patient/1"), SECOND)
        .context("the next version, of which the refused one left nothing")?;
    ensure!(owner.open_record(NAME, 2).is_err(), "its key is shared too");
    let again = seal(&city, &owner, (2, "Patient/1"), SECOND);
    ensure!(again.is_err_and(|error| error.to_string().contains("shared over custodians")));
    drop(owner);

    let _vault = Service::vault(&dir.path().join(OWNER))?;
    // What was permitted before does not reach a version that came afterwards.
    match city.read(&reader, &ticket, "before") {
        Err(OpenedError::Read { silent, .. }) => {
            let refused = silent
                .iter()
                .all(|(_, said)| said.why.contains("record-superseded"));
            ensure!(refused, "{silent:?}");
        }
        Err(other) => return Err(other).context("another refusal"),
        Ok(_) => anyhow::bail!("an old permit opened a later version"),
    }
    ensure!(*city.read(&reader, &ticket, "afterwards")?.payload == SECOND);
    Ok(())
}
