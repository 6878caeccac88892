//! A vault whose payloads are in an S3-compatible service that we did not write (moto's server), which checks
//! every request's signature, key and permission.

use super::checking::{Checking, Key, NEEDED};
use anyhow::{Context, Result, ensure};
use medanchor_ledger::{NetworkId, RecordHandle};
use medanchor_sdk::Identity;
use medanchor_tests::city::{City, OWNER, PAYLOAD as CITYS, READER};
use medanchor_tests::files::text;
use medanchor_tests::network::binary;
use medanchor_tests::service::run;
use medanchor_vault::{
    Bucket, Credentials, PayloadError, PayloadPlace, Settings, ToSeal, Vault, VaultError,
};
use std::io::Read;
use std::path::Path;
use std::process::Command;

pub(super) const NETWORK: NetworkId = NetworkId::new([1; 16]);
pub(super) const PAYLOAD: &[u8] = br#"{"dose":1.50,"name":"Zhang San"}"#;
/// Three parts, of which the last is not full.
pub(super) const STREAM: u64 = 17 * 1024 * 1024 + 5;

/// Who keeps payloads in the bucket.
pub(super) const USER: &str = "hospital";

pub(super) fn settings(service: &Checking, credentials: Credentials) -> Result<Settings> {
    let mut bucket = Bucket::parse("s3://bucket/hospital/vault")?;
    bucket.endpoint.clone_from(&service.url);
    bucket.credentials = Some(credentials);
    Ok(Settings {
        payloads: PayloadPlace::Bucket(bucket),
        ..Settings::default()
    })
}

pub(super) fn record(number: u8) -> RecordHandle {
    RecordHandle::new([number; 16])
}

/// A service with a bucket and a key of whom it lets use it, if the server is installed.
pub(super) fn with_bucket(folder: &Path) -> Result<Option<(Checking, Key)>> {
    let Some(service) = Checking::start(folder)? else {
        return Ok(None);
    };
    service.allow(USER, NEEDED)?;
    let key = service.key(USER)?;
    Ok(Some((service, key)))
}

/// A payload that nobody has to keep.
pub(super) fn study() -> impl Read {
    std::io::repeat(7).take(STREAM)
}

/// What the service has of the vault under this name.
pub(super) fn object(service: &Checking, name: &str) -> Result<Option<Vec<u8>>> {
    service.object(&format!("hospital/vault/{name}"))
}

pub(super) fn name(number: u8) -> String {
    format!("{number:02x}/{}-1.sealed", record(number))
}

#[test]
fn a_vault_keeps_its_payloads_in_an_s3_service_of_others_and_erases_them_there() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let Some((service, key)) = with_bucket(dir.path())? else {
        return Ok(());
    };
    let folder = dir.path().join("vault");
    let vault = Vault::create_with(&folder, NETWORK, &settings(&service, key.credentials())?)?;

    let sealed = vault.seal(record(1), 1, PAYLOAD)?;
    let batch: Vec<ToSeal<'_>> = (2..=20)
        .map(|number| ToSeal {
            record: record(number),
            version: 1,
            payload: PAYLOAD,
        })
        .collect();
    vault.seal_many(&batch)?;
    let streamed = vault.seal_stream(record(30), 1, study())?;
    drop(vault);
    ensure!(
        !folder.join("payloads").exists(),
        "a payload is in the folder"
    );

    let vault = Vault::open_with(&folder, NETWORK, &settings(&service, key.credentials())?)?;
    ensure!(vault.seal(record(1), 1, PAYLOAD)? == sealed, "sealed again");
    ensure!(
        vault.seal_stream(record(30), 1, study())? == streamed,
        "sealed again"
    );
    ensure!(
        **vault.open_record(record(20), 1)? == *PAYLOAD,
        "another payload"
    );
    let file = dir.path().join("study.dcm");
    ensure!(
        vault.open_to_file(record(30), 1, &file)? == STREAM,
        "another length"
    );
    let opened = std::fs::read(&file)?;
    ensure!(opened.iter().all(|byte| *byte == 7), "another payload");

    let other = vault.seal(record(1), 1, b"{}").err();
    ensure!(matches!(other, Some(VaultError::Taken { .. })), "{other:?}");
    let longer = vault
        .seal_stream(record(30), 1, std::io::repeat(7).take(STREAM + 1))
        .err();
    ensure!(
        matches!(longer, Some(VaultError::Taken { .. })),
        "{longer:?}"
    );
    let stored = object(&service, &name(1))?.context("the payload is there")?;
    ensure!(
        !stored.windows(5).any(|window| window == b"Zhang"),
        "it is in the clear"
    );

    vault.erase(record(1))?;
    vault.erase(record(30))?;
    ensure!(object(&service, &name(1))?.is_none(), "it was not removed");
    ensure!(object(&service, &name(30))?.is_none(), "it was not removed");
    let erased = vault.open_record(record(1), 1).err();
    ensure!(
        matches!(erased, Some(VaultError::Erased { .. })),
        "{erased:?}"
    );
    another_vault_keeps_away(&service, &key, &dir.path().join("other"))
}

fn another_vault_keeps_away(service: &Checking, key: &Key, folder: &Path) -> Result<()> {
    let vault = Vault::create_with(folder, NETWORK, &settings(service, key.credentials())?)?;
    let refused = vault.seal(record(50), 1, PAYLOAD).err();
    let other = Some(VaultError::Payload(PayloadError::OtherVault));
    ensure!(
        refused.as_ref().map(ToString::to_string) == other.map(|error| error.to_string()),
        "{refused:?}"
    );
    Ok(())
}

/// Every sealed payload below a vault's folder.
pub(super) fn in_folder(home: &Path) -> Result<usize> {
    let mut found = 0;
    for shelf in std::fs::read_dir(home.join("identity/vault/payloads"))? {
        for file in std::fs::read_dir(shelf?.path())? {
            let name = file?.file_name();
            found += usize::from(name.to_string_lossy().ends_with(".sealed"));
        }
    }
    Ok(found)
}

fn object_of(record: RecordHandle) -> String {
    let name = record.to_string();
    format!("{}/{name}-1.sealed", &name[..2])
}

#[test]
fn a_hospital_moves_its_payloads_to_a_bucket_and_serves_them_from_there() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let Some((service, key)) = with_bucket(dir.path())? else {
        return Ok(());
    };
    let city = City::start(&dir.path().join("city"))?;
    let home = city.dir.join(OWNER);
    let identity = home.join("identity");
    let moved = |to: &[&str]| {
        let words = ["vault", "payloads", "--home"];
        let home = text(&home)?;
        run(&[&words[..], &[home], to].concat())
    };
    let file = text(&key.file)?;
    let to_bucket = [
        "--bucket",
        "s3://bucket/hospital/vault",
        "--endpoint",
        &service.url,
        "--credentials-file",
        file,
    ];

    let first = city.seal_and_grant("Observation/1")?;
    ensure!(in_folder(&home)? > 0);
    let said = moved(&to_bucket)?;
    ensure!(
        said.contains("copied to s3://bucket/hospital/vault"),
        "{said}"
    );
    ensure!(moved(&to_bucket)?.contains("as they were"));
    ensure!(in_folder(&home)? == 0, "a payload is left in the folder");
    let second = city.seal_and_grant("Observation/2")?;
    ensure!(
        in_folder(&home)? == 0,
        "a payload was sealed into the folder"
    );
    for ticket in [&first, &second] {
        let stored = object(&service, &object_of(ticket.records[0].record))?;
        let stored = stored.context("the payload is in the bucket")?;
        ensure!(!stored.windows(8).any(|window| window == b"a secret"));
    }
    let reader = city.sdk(READER)?;
    let vault = medanchor_tests::service::Service::vault(&home)?;
    for (ticket, request) in [(&first, "first"), (&second, "second")] {
        ensure!(*city.read(&reader, ticket, request)?.payload == CITYS);
    }
    key.is_nowhere_in(&vault.said())?;
    drop(vault);

    // A slip of an editor: nobody writes to another place than where the payloads are.
    let toml = identity.join("vault.toml");
    let good = std::fs::read_to_string(&toml)?;
    for slip in ["", &good.replace("hospital/vault", "hospital/vualt")] {
        std::fs::write(&toml, slip)?;
        let serve = ["vault", "serve", "--home"];
        let served = Command::new(binary("medanchor")?)
            .args(serve)
            .arg(&home)
            .output()?;
        let said = String::from_utf8_lossy(&served.stderr);
        ensure!(
            served.status.code() == Some(11) && said.contains("payloads.place"),
            "{said}"
        );
    }
    // A move that was cut off before its last step is ended by the next opening.
    std::fs::write(&toml, "")?;
    std::fs::write(identity.join("vault.toml.next"), &good)?;
    drop(Identity::open(&identity)?);
    ensure!(std::fs::read_to_string(&toml)? == good);

    ensure!(moved(&["--folder"])?.contains("copied to the vault's folder"));
    ensure!(in_folder(&home)? > 0);
    drop(service);
    let _vault = medanchor_tests::service::Service::vault(&home)?;
    ensure!(*city.read(&reader, &first, "third")?.payload == CITYS);
    Ok(())
}
