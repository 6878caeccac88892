//! A vault at an S3-compatible service of others that refuses it: what is told, that nothing is lost, and that
//! the same call succeeds once the credentials are right.

use super::checking::{Checking, Key, NEEDED};
use super::vault_bucket::{
    NETWORK, PAYLOAD, STREAM, USER, in_folder, name, object, record, settings, study, with_bucket,
};
use anyhow::{Context, Result, ensure};
use medanchor_ledger::rules::Record;
use medanchor_sdk::GrantTicket;
use medanchor_tests::city::{City, OWNER, PAYLOAD as CITYS, READER};
use medanchor_tests::files::text;
use medanchor_tests::network::binary;
use medanchor_tests::service::{Service, run};
use medanchor_vault::{Credentials, ToSeal, Vault, VaultError};
use std::io::{self, Read};
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

const SECRET: &str = "the secret access key is not the one of the access key id: correct";
const UNKNOWN: &str = "no such access key id, or it was withdrawn: give credentials";
const TOKEN: &str = "the session token is not valid, or no longer: give credentials";
const DENIED: &str = "permission denied: let the credentials read, write, list and delete";
const NONE: &str = "there are no credentials, and this machine has no role: name a file";

/// It failed with these words, and without a secret.
fn refused<T>(what: Result<T, VaultError>, words: &str, key: &Key) -> Result<()> {
    let error = what.err().with_context(|| format!("it did it: {words}"))?;
    let said = format!("{error} {error:?}");
    ensure!(said.contains(words), "{said}");
    key.is_nowhere_in(&said)
}

/// Credentials with one thing wrong, and what is to be told of them.
fn slips(key: &Key) -> Result<Vec<(Credentials, &'static str)>> {
    let text = std::fs::read_to_string(&key.file)?;
    let slip = |text: String, words| {
        std::fs::write(key.file.with_extension("slip"), text)?;
        let slip = Key::read(key.file.with_extension("slip"))?;
        anyhow::Ok((slip.credentials(), words))
    };
    let token = Credentials {
        session_token: Some("another-token".to_owned().into()),
        ..key.credentials()
    };
    Ok(vec![
        slip(key.with_another_secret(&text), SECRET)?,
        slip(key.with_another_id(&text), UNKNOWN)?,
        (token, TOKEN),
    ])
}

#[test]
fn what_the_service_refuses_to_take_is_sealed_by_the_same_call_later() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let Some((service, key)) = with_bucket(dir.path())? else {
        return Ok(());
    };
    let folder = dir.path().join("vault");
    drop(Vault::create_with(
        &folder,
        NETWORK,
        &settings(&service, key.credentials())?,
    )?);
    let open = |credentials| {
        let settings = settings(&service, credentials)?;
        anyhow::Ok(Vault::open_with(&folder, NETWORK, &settings)?)
    };

    for (credentials, words) in slips(&key)? {
        let vault = open(credentials)?;
        refused(vault.seal(record(1), 1, PAYLOAD), words, &key)?;
        refused(vault.seal_stream(record(2), 1, study()), words, &key)?;
    }
    // Who is not permitted yet needs neither other credentials nor to open the vault again.
    service.allow("guest", &[])?;
    let guest = service.key("guest")?;
    let vault = open(guest.credentials())?;
    refused(vault.seal(record(1), 1, PAYLOAD), DENIED, &guest)?;
    service.allow("guest", &["s3:GetObject"])?;
    refused(vault.seal(record(1), 1, PAYLOAD), DENIED, &guest)?;
    ensure!(object(&service, &name(1))?.is_none(), "it was written");
    service.allow("guest", NEEDED)?;
    vault.seal(record(1), 1, PAYLOAD)?;
    vault.seal_stream(record(2), 1, study())?;
    drop(vault);

    let vault = open(key.credentials())?;
    ensure!(**vault.open_record(record(1), 1)? == *PAYLOAD);
    withdrawn_while_it_runs(&service, &key, vault, &open)?;
    erased_without_the_permission(&service, &open)
}

/// A key is taken back in the middle of a session: of a stream, and before a batch.
fn withdrawn_while_it_runs(
    service: &Checking,
    key: &Key,
    vault: Vault,
    open: &dyn Fn(Credentials) -> Result<Vault>,
) -> Result<()> {
    let head = study().take(STREAM / 2);
    let withdrawing = head
        .chain(Withdrawing(service))
        .chain(study().take(STREAM - STREAM / 2));
    refused(vault.seal_stream(record(3), 1, withdrawing), UNKNOWN, key)?;
    let batch: Vec<ToSeal<'_>> = (4..=20)
        .map(|number| ToSeal {
            record: record(number),
            version: 1,
            payload: PAYLOAD,
        })
        .collect();
    refused(vault.seal_many(&batch), UNKNOWN, key)?;
    refused(vault.open_record(record(1), 1), UNKNOWN, key)?;
    let large = vec![b'7'; 9 << 20];
    refused(vault.seal(record(21), 1, &large), UNKNOWN, key)?;
    drop(vault);
    for number in [3, 4, 20, 21] {
        ensure!(object(service, &name(number))?.is_none(), "{number}");
    }

    let vault = open(service.key(USER)?.credentials())?;
    vault.seal_stream(record(3), 1, study())?;
    vault.seal_many(&batch)?;
    vault.seal(record(21), 1, &large)?;
    ensure!(**vault.open_record(record(20), 1)? == *PAYLOAD);
    ensure!(**vault.open_record(record(21), 1)? == *large);
    let opened = vault.open_record(record(3), 1)?;
    ensure!(opened.len() as u64 == STREAM && opened.iter().all(|byte| *byte == 7));
    Ok(())
}

/// Nothing to read; whoever tries takes the key back.
struct Withdrawing<'a>(&'a Checking);

impl Read for Withdrawing<'_> {
    fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
        self.0.withdraw(USER).map_err(io::Error::other)?;
        Ok(0)
    }
}

/// The key of the record is gone at once; the payload once it may be deleted.
fn erased_without_the_permission(
    service: &Checking,
    open: &dyn Fn(Credentials) -> Result<Vault>,
) -> Result<()> {
    service.allow("guest", &["s3:GetObject", "s3:PutObject"])?;
    let guest = service.key("guest")?;
    let vault = open(guest.credentials())?;
    refused(vault.erase(record(1)), DENIED, &guest)?;
    let gone = vault.open_record(record(1), 1).err();
    ensure!(matches!(gone, Some(VaultError::Erased { .. })), "{gone:?}");
    ensure!(object(service, &name(1))?.is_some());
    service.allow("guest", NEEDED)?;
    vault.erase(record(1))?;
    ensure!(object(service, &name(1))?.is_none(), "it is still there");
    Ok(())
}

/// An address at which nobody listens.
fn nobody() -> Result<String> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    Ok(format!("http://{}", listener.local_addr()?))
}

/// Runs a command without anybody's credentials in its environment; gives its exit code and what it said.
fn asked(words: &[&str]) -> Result<(i32, String)> {
    let mut command = Command::new(binary("medanchor")?);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("AWS_") {
            command.env_remove(name);
        }
    }
    let output = command
        .args(words)
        .env("AWS_METADATA_ENDPOINT", nobody()?)
        .output()?;
    let code = output.status.code().context("it ended by itself")?;
    let said = [output.stdout, output.stderr].concat();
    Ok((code, String::from_utf8(said)?))
}

#[test]
fn a_hospital_whose_credentials_are_refused_loses_nothing() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let Some((service, key)) = with_bucket(dir.path())? else {
        return Ok(());
    };
    let right = std::fs::read_to_string(&key.file)?;
    let city = City::start(&dir.path().join("city"))?;
    let home = city.dir.join(OWNER);
    let first = city.seal_and_grant("Observation/1")?;
    let payloads = in_folder(&home)?;
    let place = [
        "--bucket",
        "s3://bucket/hospital/vault",
        "--endpoint",
        &service.url,
    ];
    let moving = ["vault", "payloads", "--home", text(&home)?];
    let with_file = [
        &moving[..],
        &place,
        &["--credentials-file", text(&key.file)?],
    ]
    .concat();

    for (credentials, words) in [
        (key.with_another_secret(&right), SECRET),
        (key.with_another_id(&right), UNKNOWN),
        (format!("{right}session_token = \"another\"\n"), TOKEN),
    ] {
        std::fs::write(&key.file, credentials)?;
        stays(&home, payloads, asked(&with_file)?, words, &key)?;
    }
    std::fs::write(&key.file, &right)?;
    let without = [&moving[..], &place].concat();
    stays(&home, payloads, asked(&without)?, NONE, &key)?;
    service.allow(USER, &["s3:GetObject"])?;
    stays(&home, payloads, asked(&with_file)?, DENIED, &key)?;
    service.allow(USER, NEEDED)?;
    ensure!(run(&with_file)?.contains("copied to s3://bucket/hospital/vault"));
    ensure!(in_folder(&home)? == 0);
    served_until_withdrawn(&service, &city, &key, &first)
}

/// A command that was refused says why, and changes nothing.
fn stays(
    home: &Path,
    payloads: usize,
    (code, said): (i32, String),
    words: &str,
    key: &Key,
) -> Result<()> {
    ensure!(code != 0 && said.contains(words), "{code}: {said}");
    key.is_nowhere_in(&said)?;
    let kept = home.join("identity/vault.toml");
    let kept = std::fs::read_to_string(kept).unwrap_or_default();
    ensure!(!kept.contains("s3://") && in_folder(home)? == payloads);
    Ok(())
}

/// The vault's service, and then an application, go on until their key is taken back, and with the next one.
fn served_until_withdrawn(
    service: &Checking,
    city: &City,
    key: &Key,
    first: &GrantTicket,
) -> Result<()> {
    let home = city.dir.join(OWNER);
    let reader = city.sdk(READER)?;
    let read = |ticket, request| {
        let opened = city.read(&reader, ticket, request);
        opened.map(|opened| *opened.payload == CITYS)
    };
    let renew = || {
        let next = service.key(USER)?;
        std::fs::copy(&next.file, &key.file)?;
        anyhow::Ok(next)
    };
    let vault = Service::vault(&home)?;
    ensure!(read(first, "first")?);
    service.withdraw(USER)?;
    let failed = read(first, "second").err().context("it was read")?;
    ensure!(vault.said().contains(UNKNOWN), "{failed}: {}", vault.said());
    let next = renew()?;
    let vault = vault.kill_and_restart()?;
    ensure!(read(first, "second")?);
    for key in [key, &next] {
        key.is_nowhere_in(&format!("{failed} {failed:?} {}", vault.said()))?;
    }
    drop(vault);

    let sdk = city.sdk(OWNER)?;
    let circle = sdk.custodians(&city.book)?;
    let handle = sdk.record_handle("Observation/2");
    let is_sealed = || {
        let key = Record::key(&OWNER.parse()?, &handle);
        let proved = reader.client().state(&key, None)?;
        anyhow::Ok(proved.proved().value.is_some())
    };
    service.withdraw(USER)?;
    let second = medanchor_tests::city::record("Observation/2");
    let failed = sdk
        .seal_in_custody(&second, &circle, &city.certificate)
        .err();
    let failed = failed.context("it was sealed")?.to_string();
    ensure!(failed.contains(UNKNOWN), "{failed}");
    next.is_nowhere_in(&failed)?;
    ensure!(!is_sealed()?, "it is on the ledger");
    drop(sdk);
    renew()?;
    let second = city.seal_and_grant("Observation/2")?;
    ensure!(is_sealed()?);
    ensure!(in_folder(&home)? == 0);
    let _vault = Service::vault(&home)?;
    ensure!(read(&second, "third")?);
    Ok(())
}
