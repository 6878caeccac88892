//! A hospital whose institution key stands under a passphrase: it seals into custody and serves reads, a
//! wrong passphrase changes nothing, and changes of the protection survive a kill at any step.

use anyhow::{Result, ensure};
use medanchor_sdk::Identity;
use medanchor_tests::city::{CUSTODIANS, City, OWNER, PAYLOAD, READER};
use medanchor_tests::files::text;
use medanchor_tests::network::{PATIENCE, binary, found};
use medanchor_tests::service::Service;
use medanchor_tests::token::{CONFIG, PIN, softhsm};
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Instant;

const RECORD: &str = "Observation/1";

/// The home of a hospital, or of a custodian, and the folder of its safe.
struct Hospital {
    part: &'static str,
    home: PathBuf,
    safe: PathBuf,
    /// Where SoftHSM finds its tokens.
    environment: Vec<(&'static str, PathBuf)>,
}

impl Hospital {
    fn new(home: PathBuf, safe: &Path) -> Self {
        Self {
            part: "vault",
            home,
            safe: safe.into(),
            environment: Vec::new(),
        }
    }

    fn identity(&self) -> PathBuf {
        self.home.join("identity")
    }

    /// A file of the safe with a passphrase.
    fn words(&self, file: &str, words: &str) -> Result<PathBuf> {
        let path = self.safe.join(file);
        std::fs::write(&path, format!("{words}\n"))?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600))?;
        Ok(path)
    }

    fn command(&self, word: &str, more: &[&str]) -> Result<Command> {
        let mut command = Command::new(binary("medanchor")?);
        command.args([self.part, word, "--home", text(&self.home)?]);
        command.args(more).stdin(Stdio::null());
        command.envs(self.environment.iter().cloned());
        Ok(command)
    }

    fn does(&self, word: &str, more: &[&str]) -> Result<String> {
        let output = self.command(word, more)?.output()?;
        let complained = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{word}: {complained}");
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Runs what must be refused with this exit code, say `why`, and change nothing.
    fn refused(&self, code: i32, why: &str, word: &str, more: &[&str]) -> Result<()> {
        let before = self.files()?;
        let Output { status, stderr, .. } = self.command(word, more)?.output()?;
        let said = String::from_utf8_lossy(&stderr);
        ensure!(status.code() == Some(code), "{word}: {status}: {said}");
        ensure!(said.contains(why), "{word} did not say {why:?}: {said}");
        ensure!(!said.contains("horses"), "it quotes a passphrase: {said}");
        ensure!(self.files()? == before, "{word} changed something");
        Ok(())
    }

    /// The files that a change of protection touches.
    fn files(&self) -> Result<BTreeMap<PathBuf, Vec<u8>>> {
        let mut files = BTreeMap::new();
        let folders = match self.part {
            "vault" => [self.identity(), self.identity().join("vault")],
            _ => ["custodian", "custodian/store"].map(|folder| self.home.join(folder)),
        };
        for folder in folders {
            for entry in std::fs::read_dir(folder)? {
                let path = entry?.path();
                if path.is_file() {
                    files.insert(path.clone(), std::fs::read(path)?);
                }
            }
        }
        Ok(files)
    }

    /// Kills a change as soon as a file of it is there; says whether it came to that.
    fn kill_at(&self, file: &Path, words: &[&str]) -> Result<bool> {
        let mut child = self.command("protect", words)?;
        let mut child = child.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        let end = Instant::now() + PATIENCE;
        let ended = loop {
            let ended = child.try_wait()?.is_some();
            // Some steps take less than a millisecond, so nothing is waited for in between.
            if ended || file.exists() || Instant::now() > end {
                break ended;
            }
            std::thread::yield_now();
        };
        // It may have ended already.
        let _ = child.kill();
        child.wait()?;
        Ok(!ended)
    }

    /// Changes the passphrase again and again, killed at one of these files and run again, until a change
    /// was cut off at each of them, at least at two; gives the passphrase that it has then.
    fn change_and_kill(
        &self,
        steps: &[PathBuf],
        opens: impl Fn() -> Result<()>,
    ) -> Result<PathBuf> {
        let (mut cut_off, mut last) = (BTreeSet::new(), PathBuf::new());
        for (round, step) in steps.iter().cycle().take(4 * steps.len()).enumerate() {
            last = self.words(
                &format!("words-{round}"),
                &format!("{round} horses, two carts"),
            )?;
            let by_words = ["--passphrase-file", text(&last)?];
            if self.kill_at(step, &by_words)? {
                cut_off.insert(step);
            }
            // Every other time the command itself is what finds it cut off.
            if round % 2 == 0 {
                opens()?;
            }
            self.does("protect", &by_words)?;
            let left: Vec<_> = steps.iter().filter(|file| file.exists()).collect();
            ensure!(left.is_empty(), "left over: {left:?}");
            opens()?;
            if cut_off.len() == steps.len() {
                break;
            }
        }
        ensure!(cut_off.len() > 1, "cut off at these alone: {cut_off:?}");
        Ok(last)
    }
}

#[test]
fn a_hospital_under_a_passphrase_serves_reads_and_a_wrong_one_changes_nothing() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let city = City::start(dir.path())?;
    let hospital = Hospital::new(dir.path().join(OWNER), dir.path());
    let words = hospital.words("words", "four horses, two carts")?;
    let by_words = ["--passphrase-file", text(&words)?];
    hospital.does("protect", &by_words)?;
    let said = hospital.does("protect", &by_words)?;
    ensure!(said.contains("as it was"), "{said}");

    let ticket = city.seal_and_grant(RECORD)?;
    let reader = city.sdk(READER)?;
    let vault = Service::vault(&hospital.home)?;
    ensure!(*city.read(&reader, &ticket, "first")?.payload == PAYLOAD);
    hospital.refused(12, "another process", "rotate", &[])?;
    hospital.refused(12, "another process", "protect", &["--none"])?;
    drop(vault);

    hospital.words("words", "five horses, two carts")?;
    for word in ["serve", "rotate"] {
        hospital.refused(11, "the passphrase does not open", word, &[])?;
    }
    hospital.refused(11, "the passphrase does not open", "protect", &["--none"])?;
    std::fs::remove_file(&words)?;
    for word in ["serve", "rotate"] {
        hospital.refused(11, text(&words)?, word, &[])?;
    }
    let toml = hospital.identity().join("vault.toml");
    let good = std::fs::read_to_string(&toml)?;
    std::fs::write(&toml, format!("{good}passphrase = \"four horses\"\n"))?;
    hospital.refused(11, "unknown field `passphrase`", "serve", &[])?;
    std::fs::write(&toml, "")?;
    hospital.refused(11, "protected by a passphrase", "serve", &[])?;
    std::fs::write(&toml, good)?;
    hospital.words("words", "four horses, two carts")?;
    let short = hospital.words("short", "two carts")?;
    let by_short = ["--passphrase-file", text(&short)?];
    hospital.refused(16, "12 characters", "protect", &by_short)?;

    // An erasure draws a fresh key, under the same passphrase.
    let keys = ["institution.key", "keys"].map(|file| hospital.identity().join("vault").join(file));
    let before = keys.clone().map(|file| std::fs::read(file).ok());
    let node = city.network.client(0).url().to_owned();
    let book = dir.path().join("book.toml");
    let asked = ["--record", RECORD, "--yes", "--node", &node];
    hospital.does("erase", &[&asked[..], &["--book", text(&book)?]].concat())?;
    ensure!(keys.map(|file| std::fs::read(file).ok()) != before);
    hospital.words("words", "five horses, two carts")?;
    hospital.refused(11, "the passphrase does not open", "serve", &[])
}

#[test]
fn a_change_of_protection_that_is_killed_anywhere_is_ended_by_running_it_again() -> Result<()> {
    let dir = tempfile::tempdir()?;
    found(dir.path(), 1)?;
    let hospital = Hospital::new(dir.path().join(OWNER), dir.path());
    let record = {
        let owner = Identity::open(&hospital.identity())?;
        let record = owner.record_handle(RECORD);
        // Enough secrets that the rotation has a middle.
        for number in 0..300 {
            let name = format!("Observation/{number}");
            owner
                .vault()
                .seal_to_share(owner.record_handle(&name), 1, PAYLOAD)?;
        }
        record
    };
    let opens = || -> Result<()> {
        let owner = Identity::open(&hospital.identity())?;
        ensure!(**owner.vault().open_record(record, 1)? == *PAYLOAD);
        Ok(())
    };
    let vault = hospital.identity().join("vault");
    let steps = [
        hospital.identity().join("vault.toml.next"),
        vault.join("institution.key.next"),
        vault.join("keys.next"),
        vault.join("keys.old"),
    ];
    let last = hospital.change_and_kill(&steps, opens)?;
    std::fs::remove_file(&last)?;
    ensure!(opens().is_err(), "it opens without its passphrase");
    Ok(())
}

#[test]
fn a_custodian_under_a_passphrase_releases_its_share_and_a_wrong_one_changes_nothing() -> Result<()>
{
    let dir = tempfile::tempdir()?;
    let mut city = City::start(&dir.path().join("city"))?;
    let ticket = city.seal_and_grant(RECORD)?;
    let _vault = Service::vault(&city.dir.join(OWNER))?;
    let reader = city.sdk(READER)?;
    // Three are left, so each of them is needed.
    city.stop(&[3, 4]);
    let custodian = Hospital {
        part: "custodian",
        ..Hospital::new(city.dir.join(CUSTODIANS[0]), dir.path())
    };
    let words = custodian.words("words", "four horses, two carts")?;
    let by_words = ["--passphrase-file", text(&words)?];
    custodian.refused(12, "another process", "protect", &by_words)?;
    city.stop(&[0]);
    let store = custodian.home.join("custodian");
    let steps = ["vault.toml.next", "institution.key.next", "store/keys.next"];
    let steps = steps.map(|file| store.join(file));
    custodian.change_and_kill(&steps, || Ok(()))?;
    custodian.does("protect", &by_words)?;
    let said = custodian.does("protect", &by_words)?;
    ensure!(said.contains("as it was"), "{said}");
    custodian.does("rotate", &[])?;
    city.start_again(0)?;
    ensure!(*city.read(&reader, &ticket, "first")?.payload == PAYLOAD);

    city.stop(&[0]);
    custodian.words("words", "five horses, two carts")?;
    for word in ["run", "rotate"] {
        custodian.refused(16, "the passphrase does not open", word, &[])?;
    }
    let toml = store.join("vault.toml");
    let good = std::fs::read_to_string(&toml)?;
    std::fs::write(&toml, "")?;
    custodian.refused(16, "protected by a passphrase", "run", &[])?;
    std::fs::write(&toml, "[payloads]\nplace = \"bucket\"\nurl = \"s3://a\"\n")?;
    custodian.refused(10, "payloads", "run", &[])?;
    std::fs::write(&toml, good)?;
    custodian.words("words", "four horses, two carts")?;
    custodian.does("protect", &["--none"])?;
    city.start_again(0)?;
    ensure!(*city.read(&reader, &ticket, "second")?.payload == PAYLOAD);
    Ok(())
}

#[test]
fn a_hospital_whose_key_is_in_a_token_serves_reads_and_a_wrong_pin_changes_nothing() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let Some((module, config)) = softhsm(dir.path())? else {
        return Ok(());
    };
    let city = City::start(&dir.path().join("city"))?;
    let mut hospital = Hospital::new(city.dir.join(OWNER), dir.path());
    hospital.environment = vec![(CONFIG, config)];
    let ticket = city.seal_and_grant(RECORD)?;
    let (pin, wrong) = (
        hospital.words("pin", PIN)?,
        hospital.words("wrong", "000000")?,
    );
    let token = |label, pin| -> Result<[&str; 6]> {
        let module = ["--token-module", module, "--token-label", label];
        let [one, two, three, four] = module;
        Ok([one, two, three, four, "--pin-file", text(pin)?])
    };
    hospital.refused(16, "log in", "protect", &token("hospital", &wrong)?)?;
    hospital.refused(16, "no such token", "protect", &token("another", &pin)?)?;
    hospital.does("protect", &token("hospital", &pin)?)?;
    let said = hospital.does("protect", &token("hospital", &pin)?)?;
    ensure!(said.contains("as it was"), "{said}");
    hospital.does("rotate", &[])?;

    let reader = city.sdk(READER)?;
    let vault = Service::vault_with(&hospital.home, hospital.environment.clone())?;
    ensure!(*city.read(&reader, &ticket, "first")?.payload == PAYLOAD);
    ensure!(*city.read(&reader, &ticket, "second")?.payload == PAYLOAD);
    drop(vault);

    hospital.words("pin", "000000")?;
    for word in ["serve", "rotate"] {
        hospital.refused(11, "log in", word, &[])?;
    }
    hospital.words("pin", PIN)?;
    hospital.does("protect", &["--none"])?;
    drop(Identity::open(&hospital.identity())?);
    Ok(())
}
