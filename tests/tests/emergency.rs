//! Care while the network is cut: the owner opens its own record by its emergency key, journals first,
//! anchors afterwards; the patient's list shows it, and a journal that was rolled back is seen.

use anyhow::{Context, Result, bail, ensure};
use medanchor_ledger::rules::{EmergencyHead, StateValue};
use medanchor_sdk::ParticipantName;
use medanchor_tests::city::{CUSTODIANS, City, OWNER, PAYLOAD, READER};
use medanchor_tests::network::{PATIENCE, binary, wait_for};
use medanchor_tests::service::{Service, run};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const RECORD: &str = "Observation/1";
/// Bytes of the journal's header, and of each entry.
const FRAME: u64 = 192;

/// The owner's desk: its home, a node, the passphrase.
struct Desk {
    home: PathBuf,
    node: String,
    passphrase: PathBuf,
}

fn text(path: &Path) -> Result<&str> {
    path.to_str().context("a path in UTF-8")
}

impl Desk {
    fn new(city: &City) -> Result<Self> {
        Ok(Self {
            home: city.dir.join(OWNER),
            node: city.network.client(0).url().to_owned(),
            passphrase: secret(&city.dir.join("passphrase"), "four horses, two carts")?,
        })
    }

    fn journal(&self) -> PathBuf {
        self.home.join("identity/emergency-journal")
    }

    fn init(&self) -> Result<String> {
        let words = ["vault", "emergency", "init", "--home", text(&self.home)?];
        run(&[&words[..], &["--passphrase-file", text(&self.passphrase)?]].concat())
    }

    fn opening(&self, reason: &str) -> Result<Vec<String>> {
        let words = [
            "vault",
            "emergency",
            "open",
            "--home",
            text(&self.home)?,
            "--record",
            RECORD,
            "--passphrase-file",
            text(&self.passphrase)?,
            "--actor",
            "Dr. Zhao",
            "--reason",
            reason,
        ];
        Ok(words.map(ToOwned::to_owned).into())
    }

    fn open(&self, reason: &str) -> Result<()> {
        let words = self.opening(reason)?;
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        ensure!(run(&words)?.as_bytes() == PAYLOAD);
        Ok(())
    }

    /// Kills an opening, as a power cut would, as soon as its entry is in the journal; gives what it
    /// had printed by then.
    fn open_and_kill(&self) -> Result<Vec<u8>> {
        let before = std::fs::metadata(self.journal())?.len();
        let mut child = Command::new(binary("medanchor")?)
            .args(self.opening("a power cut")?)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let grown = wait_for("an entry is journalled", PATIENCE, || {
            Ok(std::fs::metadata(self.journal())?.len() >= before + FRAME)
        });
        child.kill()?;
        let output = child.wait_with_output()?;
        grown?;
        Ok(output.stdout)
    }

    fn at_node(&self, word: &str, more: &[&str]) -> Result<String> {
        let words = ["vault", "emergency", word, "--home", text(&self.home)?];
        run(&[&words[..], &["--node", &self.node], more].concat())
    }

    /// What `status` prints when something is wrong, which its exit code says too.
    fn status_alarms(&self, what: &str) -> Result<()> {
        let output = Command::new(binary("medanchor")?)
            .args(["vault", "emergency", "status", "--home", text(&self.home)?])
            .args(["--node", &self.node])
            .output()?;
        let said = String::from_utf8_lossy(&output.stdout);
        ensure!(!output.status.success() && said.contains(what), "{said}");
        Ok(())
    }

    fn history(&self) -> Result<serde_json::Value> {
        let words = ["patient", "history", "--home", text(&self.home)?];
        let options = ["--node", &self.node, "--subject", "Patient/1"];
        let shape = ["--quarters", "1", "--format", "json"];
        Ok(serde_json::from_str(&run(&[
            &words[..],
            &options,
            &shape,
        ]
        .concat())?)?)
    }
}

/// How many openings by the emergency key the patient's list has, and how many of its gaps say `why`.
fn openings(list: &serde_json::Value, why: &str) -> Result<(usize, usize)> {
    let accesses = list["accesses"].as_array().context("accesses")?;
    let gaps = list["gaps"].as_array().context("gaps")?;
    let emergency = accesses.iter().filter(|one| one["emergency"] == true);
    let named = gaps.iter().filter(|gap| gap.to_string().contains(why));
    Ok((emergency.count(), named.count()))
}

fn refused(result: Result<String>, what: &str) -> Result<()> {
    match result {
        Err(error) if error.to_string().contains(what) => Ok(()),
        Err(error) => Err(error.context(format!("another refusal than {what}"))),
        Ok(said) => bail!("not refused with {what}: {said}"),
    }
}

/// The head that the ledger has of the owner's journal.
fn anchored(city: &City) -> Result<Option<EmergencyHead>> {
    let owner: ParticipantName = OWNER.parse()?;
    let sdk = city.sdk(READER)?;
    let proved = sdk.client().state(&EmergencyHead::key(&owner), None)?;
    let value = proved.proved().value.as_deref();
    Ok(value.map(EmergencyHead::decode).transpose()?)
}

fn cut(city: &mut City) {
    (0..4).for_each(|node| city.network.kill(node));
    city.stop(&[0, 1, 2, 3, 4]);
}

fn mend(city: &mut City) -> Result<()> {
    (0..4).try_for_each(|node| city.network.restart(node))?;
    (0..CUSTODIANS.len()).try_for_each(|place| city.start_again(place))
}

#[test]
fn a_record_opens_while_the_network_is_cut_and_nobody_can_hide_that_it_did() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut city = City::start(dir.path())?;
    let desk = Desk::new(&city)?;
    desk.init()?;
    city.seal_and_grant(RECORD)?;

    ensure!(
        anchored(&city)?.is_some_and(|head| head.counter == 0),
        "sealing registers the journal, before anything was opened"
    );
    let vault = Service::vault(&desk.home)?;
    wait_for("the journal is registered", PATIENCE, || {
        Ok(anchored(&city)?.is_some_and(|head| head.counter == 0))
    })?;
    drop(vault);
    let list = desk.history()?;
    ensure!(openings(&list, "key in a file")? == (0, 1), "{list:#}");

    cut(&mut city);
    desk.open("intensive care")?;
    let kept = std::fs::read(desk.journal())?;
    let printed = desk.open_and_kill()?;
    ensure!(printed.is_empty() || printed == PAYLOAD);
    desk.open("intensive care, again")?;
    let journal = std::fs::read(desk.journal())?;
    ensure!(journal.len() as u64 == 4 * FRAME, "every try has its entry");

    mend(&mut city)?;
    ensure!(desk.at_node("status", &[])?.contains("waiting 3"));
    desk.at_node("anchor", &[])?;
    let said = desk.at_node("anchor", &[])?;
    ensure!(!said.contains("anchored:"), "nothing is said twice: {said}");
    ensure!(anchored(&city)?.is_some_and(|head| head.counter == 3));
    let list = desk.history()?;
    ensure!(
        openings(&list, "not proved")? == (3, 3),
        "each opening, and its window: {list:#}"
    );

    // The journal of before the last openings is put back, as if they had not been.
    std::fs::write(desk.journal(), &kept)?;
    refused(desk.at_node("anchor", &[]), "ROLLED BACK")?;
    desk.status_alarms("ROLLED BACK")?;
    desk.open("on the journal that was rolled back")?;
    refused(desk.at_node("anchor", &[]), "ROLLED BACK")?;
    ensure!(openings(&desk.history()?, "not proved")?.0 == 3);

    // Written anew from the ledger, it has those openings again and the new one behind them.
    desk.at_node("anchor", &["--restore"])?;
    ensure!(anchored(&city)?.is_some_and(|head| head.counter == 4));
    ensure!(openings(&desk.history()?, "not proved")?.0 == 4);
    ensure!(desk.at_node("status", &[])?.contains("waiting 0"));
    let owner = medanchor_sdk::Identity::open(&desk.home.join("identity"))?;
    for journalled in owner.emergency_entries()? {
        let shown = owner.disclose_emergency_note(&journalled.entry)?;
        let shown = medanchor_vault::Disclosure::decode(&shown)?;
        shown.verify(&journalled.entry.commitment)?;
    }
    Ok(())
}

const PIN: &str = "628193";
const MODULES: [&str; 3] = [
    "/usr/lib/softhsm/libsofthsm2.so",
    "/usr/lib/x86_64-linux-gnu/softhsm/libsofthsm2.so",
    "/usr/lib/aarch64-linux-gnu/softhsm/libsofthsm2.so",
];

/// A private file with one line.
fn secret(path: &Path, line: &str) -> Result<PathBuf> {
    std::fs::write(path, format!("{line}\n"))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(path.into())
}

/// The emergency key in a token of SoftHSM, as the commands use it; no network is there at all. Skipped,
/// and said so, where SoftHSM is not installed: `.ci/token-install` installs it.
#[test]
fn an_emergency_key_in_a_token_opens_with_its_pin() -> Result<()> {
    let module = MODULES.iter().find(|path| Path::new(path).exists());
    let runs = Command::new("softhsm2-util").arg("--version").output();
    let (Some(module), true) = (module, runs.is_ok()) else {
        eprintln!("skipped: SoftHSM 2 is not installed; run .ci/token-install");
        return Ok(());
    };
    let dir = tempfile::tempdir()?;
    let (net, config) = (dir.path().join("net"), dir.path().join("softhsm2.conf"));
    std::fs::create_dir(dir.path().join("tokens"))?;
    let tokens = dir.path().join("tokens");
    std::fs::write(
        &config,
        format!("directories.tokendir = {}\n", tokens.display()),
    )?;
    let with_token = |program: &Path, words: &[&str]| -> Result<std::process::Output> {
        let output = Command::new(program)
            .args(words)
            .env("SOFTHSM2_CONF", &config)
            .stdin(Stdio::null())
            .output()?;
        Ok(output)
    };
    let label = [
        "--free", "--label", "hospital", "--pin", PIN, "--so-pin", "84756301",
    ];
    let made = with_token(
        Path::new("softhsm2-util"),
        &[&["--init-token"], &label[..]].concat(),
    )?;
    ensure!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    let founding = ["network", "new", "--dir", text(&net)?, "--name", "token"];
    let validator = [
        "--first-port",
        "0",
        "--validator",
        "north-hospital:hospital",
    ];
    run(&[&founding[..], &validator].concat())?;

    let home = net.join(OWNER);
    let pin = secret(&dir.path().join("pin"), PIN)?;
    let wrong = secret(&dir.path().join("wrong"), "000000")?;
    let at_token = |word: &str, pin: &Path, more: &[&str]| {
        let words = ["vault", "emergency", word, "--home", text(&home)?];
        let token = ["--token-module", module, "--token-label", "hospital"];
        let words = [&words[..], &token, &["--pin-file", text(pin)?], more].concat();
        with_token(&binary("medanchor")?, &words)
    };
    let made = at_token("init", &pin, &[])?;
    ensure!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    {
        let owner = medanchor_sdk::Identity::open(&home.join("identity"))?;
        let record = owner.record_handle(RECORD);
        owner.vault().seal_to_share(record, 1, PAYLOAD)?;
        owner.vault().entrust(record, 1)?;
    }
    let words = ["--record", RECORD, "--actor", "Dr. Zhao", "--reason", "cut"];
    let refused = at_token("open", &wrong, &words)?;
    ensure!(!refused.status.success() && refused.stdout.is_empty());
    let journal = home.join("identity/emergency-journal");
    ensure!(
        std::fs::metadata(&journal)?.len() == FRAME,
        "nothing was journalled"
    );
    let opened = at_token("open", &pin, &words)?;
    ensure!(
        opened.stdout == PAYLOAD,
        "{}",
        String::from_utf8_lossy(&opened.stderr)
    );
    ensure!(std::fs::metadata(&journal)?.len() == 2 * FRAME);
    Ok(())
}
