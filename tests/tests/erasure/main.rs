//! A record's end, with processes: the command is killed again and again, a custodian is away, and then
//! somebody with copies of everything tries to open it.

mod thief;

use anyhow::{Context, Result, bail, ensure};
use medanchor_ledger::event::Destroyed;
use medanchor_ledger::rules::{Record, StateValue};
use medanchor_sdk::custody::OpenedError;
use medanchor_sdk::{DenialReason, GrantTicket, NewRecord};
use medanchor_tests::city::{CUSTODIANS, City, OWNER, PAYLOAD, READER};
use medanchor_tests::files::{names, text};
use medanchor_tests::network::binary;
use medanchor_tests::service::{Service, run};
use medanchor_vault::custody::Points;
use medanchor_vault::{Passphrase, Protection, RecordVersion, Settings, Vault, VaultError};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use thief::{
    Secret, by_emergency, found_in, of_record, open, put_together, traces, unwrap,
    wraps_for_emergency,
};

const NAME: &str = "Observation/1";
const PASSPHRASE: &str = "four horses, two carts";
const PLAIN: &str = "Observation/3";
/// The custodian that is away while the record is erased, by place.
const AWAY: usize = 3;

fn copy(from: &Path, to: &Path) -> Result<()> {
    for name in names(from)? {
        let path = to.join(&name);
        std::fs::create_dir_all(path.parent().context("a parent")?)?;
        std::fs::copy(from.join(&name), path)?;
    }
    Ok(())
}

/// The command, ready to run.
fn erase(city: &City, more: &[&str]) -> Result<Command> {
    let mut command = Command::new(binary("medanchor")?);
    command.args(["vault", "erase"]).args(more);
    if !more.contains(&"--record") {
        command.args(["--record", NAME]);
    }
    command.arg("--home").arg(city.dir.join(OWNER));
    command.arg("--book").arg(city.dir.join("book.toml"));
    command.stdin(Stdio::null());
    Ok(command)
}

/// What a power cut leaves of deals that were being written, and of a move of the record.
fn half_written(city: &City) -> Result<[PathBuf; 2]> {
    let identity = city.dir.join(OWNER).join("identity");
    let record = city.sdk(OWNER)?.record_handle(NAME);
    let files = [
        identity.join("deals/00112233445566778899aabbccddeeff.part"),
        identity.join(format!("resharing/{record}-1-2.deals.part")),
    ];
    for file in &files {
        std::fs::create_dir_all(file.parent().context("a parent")?)?;
        std::fs::write(file, b"half of it")?;
    }
    Ok(files)
}

/// Runs it to its end: exit code, what it said, what it complained.
fn erased(city: &City, more: &[&str]) -> Result<(i32, String, String)> {
    let output = erase(city, more)?.output()?;
    let code = output.status.code().context("it ended by itself")?;
    let text = |bytes| String::from_utf8(bytes);
    Ok((code, text(output.stdout)?, text(output.stderr)?))
}

/// Runs it until it has said so many lines, and then kills it, as a power cut would.
fn cut_off(city: &City, lines: usize) -> Result<()> {
    let mut child = erase(city, &["--yes"])?
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let said = BufReader::new(child.stdout.take().context("its output")?);
    let said: Vec<_> = said.lines().take(lines).collect();
    child.kill()?;
    child.wait()?;
    ensure!(!said.is_empty(), "it said nothing");
    Ok(())
}

/// Where the secrets of a copy are: folder, and the institution key beside it.
struct Copies {
    vault: PathBuf,
    custodians: Vec<PathBuf>,
}

impl Copies {
    /// Of what the participants have.
    fn of(dir: &Path) -> Self {
        let custodian = |name: &&str| dir.join(name).join("custodian");
        Self {
            vault: dir.join(OWNER).join("identity/vault"),
            custodians: CUSTODIANS.iter().map(custodian).collect(),
        }
    }

    fn taken(&self, to: &Path) -> Result<Self> {
        copy(&self.vault, &to.join("vault"))?;
        for (custodian, name) in self.custodians.iter().zip(CUSTODIANS) {
            copy(custodian, &to.join(name))?;
        }
        Ok(Self {
            vault: to.join("vault"),
            custodians: CUSTODIANS.map(|name| to.join(name)).to_vec(),
        })
    }

    fn of_vault(&self, key_of: &Self) -> Result<Vec<Secret>> {
        unwrap(
            &self.vault.join("keys"),
            &key_of.vault.join("institution.key"),
        )
    }

    fn of_custodians(&self) -> Result<Vec<Secret>> {
        let each = self.custodians.iter();
        let each = each.map(|one| unwrap(&one.join("store/keys"), &one.join("institution.key")));
        Ok(each.collect::<Result<Vec<_>>>()?.concat())
    }
}

/// What an attack needs besides secrets.
struct Target {
    record: RecordVersion,
    points: Points,
    payload: Vec<u8>,
}

impl Target {
    fn of(city: &City, ticket: &GrantTicket) -> Result<Self> {
        let sdk = city.sdk(OWNER)?;
        let record = RecordVersion {
            network: sdk.network(),
            record: ticket.records[0].record,
            version: 1,
        };
        let custody = on_ledger(city, &record)?.custody.context("in custody")?;
        let hex = record.record.to_string();
        let payload = format!("identity/vault/payloads/{}/{hex}-1.sealed", &hex[..2]);
        Ok(Self {
            record,
            points: Points::of_custody(&custody)?,
            payload: std::fs::read(city.dir.join(OWNER).join(payload))?,
        })
    }

    fn opened_by(&self, vault: &[Secret], custodians: &[Secret]) -> Option<Vec<u8>> {
        let loot = of_record(&[vault, custodians].concat(), &self.record, OWNER);
        open(&loot, &self.record, &self.points, &self.payload)
    }
}

/// What the ledger says of the record, proved to the reader.
fn on_ledger(city: &City, record: &RecordVersion) -> Result<Record> {
    let sdk = city.sdk(READER)?;
    let proved = sdk
        .client()
        .state(&Record::key(&OWNER.parse()?, &record.record), None)?;
    let value = proved.proved().value.as_deref().context("the record")?;
    Ok(Record::decode(value)?)
}

/// A record whose key is not shared.
fn seal_without_custodians(city: &City) -> Result<RecordVersion> {
    let sdk = city.sdk(OWNER)?;
    let sealed = sdk.seal_record(&NewRecord {
        name: PLAIN,
        version: 1,
        subject: "Patient/1",
        class: "laboratory",
        payload: PAYLOAD,
    })?;
    sdk.anchor(sealed.event)?;
    Ok(RecordVersion {
        network: sdk.network(),
        record: sealed.record,
        version: 1,
    })
}

/// The patient's list has both erasures, and is not whole: what was not in custody could be opened unseen
/// until it was erased.
fn the_patient_is_told(city: &City) -> Result<()> {
    let output = Command::new(binary("medanchor")?)
        .args(["patient", "history", "--subject", "Patient/1", "--home"])
        .arg(city.dir.join(OWNER))
        .args(["--node", city.network.client(0).url()])
        .args(["--record", NAME, "--record", PLAIN])
        .stdin(Stdio::null())
        .output()?;
    let history = String::from_utf8(output.stdout)?;
    let (code, gap) = (
        output.status.code(),
        history
            .lines()
            .find(|line| line.contains(PLAIN) && line.starts_with("Gap:")),
    );
    ensure!(code == Some(1), "{code:?}: {history}");
    ensure!(
        gap.is_some_and(|gap| gap.contains("not in custody") && !gap.contains("to now")),
        "{history}"
    );
    for name in [NAME, PLAIN] {
        ensure!(history.contains(&format!("Erased: {name}")), "{history}");
    }
    Ok(())
}

fn refuses_what_is_not_meant_and_what_is_in_use(city: &City) -> Result<()> {
    let (code, _, why) = erased(city, &[])?;
    ensure!(code == 2 && why.contains("--yes"), "{code}: {why}");
    let (code, _, why) = erased(city, &["--yes", "--record", "Observation/9"])?;
    ensure!(code == 2 && why.contains("no record"), "{code}: {why}");
    let _vault = Service::vault(&city.dir.join(OWNER))?;
    let (code, _, why) = erased(city, &["--yes"])?;
    ensure!(code == 12 && why.contains("vault serve"), "{code}: {why}");
    Ok(())
}

/// Nobody opens the record with what is left, and what is left has no trace of its secrets.
fn nothing_opens_it(city: &City, target: &Target, before: &Copies) -> Result<()> {
    let now = Copies::of(&city.dir);
    let (old_vault, new_vault) = (before.of_vault(before)?, now.of_vault(&now)?);
    let (old_shares, new_shares) = (before.of_custodians()?, now.of_custodians()?);
    ensure!(target.opened_by(&new_vault, &new_shares).is_none());
    ensure!(
        target.opened_by(&new_vault, &old_shares).is_none(),
        "every custodian's back-up, and its key, opens nothing without V"
    );
    ensure!(
        target.opened_by(&old_vault, &new_shares).is_none(),
        "the whole vault as it was, its key too, opens nothing without shares"
    );
    let restored = before.of_vault(&now)?;
    ensure!(
        restored.is_empty(),
        "no back-up of wrapped keys opens with the key of now"
    );
    ensure!(target.opened_by(&restored, &old_shares).is_none());
    let settings = Settings {
        key_file: Some(now.vault.join("institution.key")),
        ..Settings::default()
    };
    let vault = Vault::open_with(&before.vault, target.record.network, &settings);
    ensure!(vault.is_err(), "nor does the vault itself open there");

    // Every byte of every participant: vault, nodes' redb with its free pages, ledgers, journals, logs.
    let mut secrets = of_record(&old_vault, &target.record, OWNER);
    for place in (0..CUSTODIANS.len()).filter(|place| *place != AWAY) {
        let folder = &before.custodians[place];
        let all = unwrap(&folder.join("store/keys"), &folder.join("institution.key"))?;
        secrets.extend(of_record(&all, &target.record, OWNER));
    }
    let wraps = wraps_for_emergency(&before.vault.join("keys"), &target.record)?;
    ensure!(wraps.len() == 5, "80 bytes, in pieces of 16");
    let mut searched = [traces(&secrets), wraps].concat();
    let s = put_together(
        &of_record(&old_shares, &target.record, OWNER),
        &target.points,
    );
    searched.push(s.context("it was in the back-ups")?.expose().to_vec());
    searched.push(target.payload.clone());
    let found = found_in(&city.dir, &searched)?;
    ensure!(found.is_empty(), "traces are left in {found:?}");
    Ok(())
}

/// What somebody opens who has the passphrase of the emergency key, which no erasure changes.
fn opened_with_the_passphrase(target: &Target, before: &Copies, now: &Copies) -> Result<()> {
    let (record, old_keys) = (&target.record, before.vault.join("keys"));
    let with_other = by_emergency(&now.vault, "five horses, two carts", &old_keys, record);
    ensure!(with_other.is_err(), "another passphrase unlocks nothing");
    // The key file of now unlocks what was wrapped before.
    let s = by_emergency(&now.vault, PASSPHRASE, &old_keys, record)?;
    ensure!(s.len() == 1, "one version, one wrap");
    let old_vault = before.of_vault(before)?;
    let opened = target.opened_by(&[&s[..], &old_vault].concat(), &[]);
    ensure!(
        opened.as_deref() == Some(PAYLOAD),
        "the whole vault from before with its old institution key opens it, as the table says"
    );
    // S alone is worth nothing: V is neither in what is left nor opens with the key of now.
    let restored = before.of_vault(now)?;
    let left = now.of_vault(now)?;
    for vault in [restored, left] {
        let shares = before.of_custodians()?;
        ensure!(
            target
                .opened_by(&[&s[..], &vault].concat(), &shares)
                .is_none()
        );
    }
    let left = by_emergency(&now.vault, PASSPHRASE, &now.vault.join("keys"), record)?;
    ensure!(left.is_empty(), "and no wrap of it is left");
    Ok(())
}

/// The key is destroyed and the payload cannot be removed: the ledger says what is so, then and later.
fn a_payload_that_stays(city: &City, plain: &RecordVersion) -> Result<()> {
    let payloads = city.dir.join(OWNER).join("identity/vault/payloads");
    let named = format!("{}-1.sealed", plain.record);
    let names = names(&payloads)?;
    let path = names.iter().find(|name| name.ends_with(&named));
    let path = payloads.join(path.context("its payload")?);
    let aside = city.dir.join("payload");
    std::fs::rename(&path, &aside)?;
    std::fs::create_dir(&path)?; // no file can be removed under this name
    let (code, told, why) = erased(city, &["--yes", "--record", PLAIN])?;
    ensure!(
        code == 1 && why.contains("nothing opens the record any more"),
        "{code}: {why}"
    );
    ensure!(told.contains("overwritten") && !told.contains("removed"));
    let said = on_ledger(city, plain)?.erased.context("erased")?.destroyed;
    ensure!(said.contains(Destroyed::VAULT_PART) && !said.contains(Destroyed::PAYLOAD));
    std::fs::remove_dir(&path)?;
    Ok(std::fs::rename(&aside, &path)?)
}

#[test]
fn an_erased_record_is_opened_by_nobody_whatever_was_copied_before() -> Result<()> {
    let (dir, backups) = (tempfile::tempdir()?, tempfile::tempdir()?);
    let mut city = City::start(dir.path())?;
    let emergency = Protection::Passphrase(Passphrase::new(PASSPHRASE.into()));
    city.sdk(OWNER)?.make_emergency_key(&emergency)?;
    let ticket = city.seal_and_grant(NAME)?;
    let plain = seal_without_custodians(&city)?;
    let target = Target::of(&city, &ticket)?;
    let before = Copies::of(dir.path()).taken(backups.path())?;
    // The attack is a good one: with copies of both sides and their keys it opens the record.
    let opened = target.opened_by(&before.of_vault(&before)?, &before.of_custodians()?);
    ensure!(opened.as_deref() == Some(PAYLOAD));
    let secrets = of_record(&before.of_vault(&before)?, &target.record, OWNER);
    ensure!(found_in(dir.path(), &traces(&secrets))? == ["north-hospital/identity/vault/keys"]);

    refuses_what_is_not_meant_and_what_is_in_use(&city)?;
    a_payload_that_stays(&city, &plain)?;
    let (code, said, why) = erased(&city, &["--yes", "--record", PLAIN])?;
    ensure!(
        code == 0 && said.contains("payloads removed") && said.contains("0 custodian(s)"),
        "{code}: {said}{why}"
    );
    let bits = on_ledger(&city, &plain)?
        .erased
        .context("erased")?
        .destroyed;
    ensure!(bits.contains(Destroyed::PAYLOAD) && !bits.contains(Destroyed::SHARES));
    let cut_off_before = half_written(&city)?;
    city.stop(&[AWAY]);
    for lines in [1, 2, 3, 4, 5, 7, 9, 10, 11] {
        cut_off(&city, lines)?;
    }
    let (code, said, why) = erased(&city, &["--yes"])?;
    ensure!(
        code == 1 && said.contains("not confirmed by dean"),
        "{code}: {said}{why}"
    );
    nothing_opens_it(&city, &target, &before)?;
    ensure!(
        cut_off_before.iter().all(|file| !file.exists()),
        "nothing of deals or of a move is left, not even half written"
    );
    opened_with_the_passphrase(&target, &before, &Copies::of(dir.path()))?;
    let state = on_ledger(&city, &target.record)?.erased.context("erased")?;
    ensure!(
        state.destroyed.contains(Destroyed::SHARES),
        "four of five are enough"
    );
    ensure!(state.destroyed.contains(Destroyed::EMERGENCY_WRAP));
    let sdk = city.sdk(OWNER)?;
    let keeper = sdk.vault().unlock_emergency(&emergency)?;
    let refused = sdk
        .vault()
        .open_in_emergency(&keeper, target.record.record, 1);
    ensure!(
        matches!(refused, Err(VaultError::Erased { .. })),
        "no emergency brings it back"
    );
    drop(sdk);

    match city.read(&city.sdk(READER)?, &ticket, "after") {
        Err(OpenedError::Denied(DenialReason::Erased)) => {}
        Err(other) => bail!("another error: {other}"),
        Ok(_) => bail!("it was opened"),
    }
    the_patient_is_told(&city)?;
    let log = dir.path().join(OWNER).join("log");
    run(&["audit", "verify", text(&log)?])?;

    city.start_again(AWAY)?;
    let (code, said, why) = erased(&city, &["--yes", "--keep-key"])?;
    ensure!(
        code == 0 && said.contains("dean: 1 share(s) destroyed"),
        "{code}: {said}{why}"
    );
    let dean = &before.custodians[AWAY];
    let share = unwrap(&dean.join("store/keys"), &dean.join("institution.key"))?;
    let share = of_record(&share, &target.record, OWNER);
    ensure!(share.len() == 2 && found_in(dir.path(), &traces(&share))?.is_empty());
    let (code, said, _) = erased(&city, &["--yes"])?;
    ensure!(code == 0, "what is done is done: {said}");
    Ok(())
}
