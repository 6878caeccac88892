//! A token that counts the emergency journal: what was cut off of the journal is seen before anything was
//! anchored, and shown as lost.

use super::desk::{Desk, FRAME, RECORD, secret};
use super::{anchored, openings};
use anyhow::{Context, Result, ensure};
use medanchor_ledger::event::JournalKeyKind;
use medanchor_tests::city::{City, PAYLOAD};
use medanchor_tests::files::text;
use medanchor_tests::network::{PATIENCE, binary, wait_for};
use medanchor_tests::token::{CONFIG, LABEL, PIN, Proxy, proxy, softhsm};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

/// The owner's desk with a token of SoftHSM, behind a module that says what a test wants it to.
struct Counter {
    desk: Desk,
    config: PathBuf,
    proxy: Proxy,
    pin: PathBuf,
}

impl Counter {
    /// None where no token can be tried, which is said.
    fn new(city: &City) -> Result<Option<Self>> {
        let Some((module, config)) = softhsm(&city.dir)? else {
            return Ok(None);
        };
        let Some(proxy) = proxy(module, &city.dir)? else {
            return Ok(None);
        };
        Ok(Some(Self {
            desk: Desk::new(city)?,
            config,
            proxy,
            pin: secret(&city.dir.join("pin"), PIN)?,
        }))
    }

    fn command(&self, word: &str, more: &[&str]) -> Result<Command> {
        let mut command = Command::new(binary("medanchor")?);
        command
            .args(["vault", "emergency", word, "--home", text(&self.desk.home)?])
            .args(["--token-module", text(&self.proxy.module)?])
            .args(more)
            .env(CONFIG, &self.config)
            .envs(self.proxy.env())
            .stdin(Stdio::null());
        Ok(command)
    }

    fn with_pin(&self, word: &str, more: &[&str]) -> Result<Output> {
        let pin = ["--pin-file", text(&self.pin)?];
        Ok(self.command(word, &[&pin[..], more].concat())?.output()?)
    }

    fn opening(&self) -> [&str; 6] {
        ["--record", RECORD, "--actor", "Dr. Zhao", "--reason", "cut"]
    }

    /// Opens the record; gives the slip.
    fn open(&self, more: &[&str]) -> Result<String> {
        let opened = self.with_pin("open", &[&self.opening()[..], more].concat())?;
        let said = String::from_utf8_lossy(&opened.stderr).into_owned();
        ensure!(opened.stdout == PAYLOAD, "{said}");
        let slip = said
            .lines()
            .find(|line| line.starts_with("medanchor-slip/1"));
        slip.map(ToOwned::to_owned).context(said.clone())
    }

    /// Kills an opening where the token stops for good.
    fn open_and_kill(&self, at: &str) -> Result<()> {
        self.proxy.says(&format!("hardware {at}"))?;
        let pin = ["--pin-file", text(&self.pin)?];
        let words = [&pin[..], &self.opening()].concat();
        let mut command = self.command("open", &words)?;
        let output = command.stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = output.spawn()?;
        let reached = wait_for("the token stops", PATIENCE, || Ok(self.proxy.has_stopped()));
        child.kill()?;
        let ended = child.wait_with_output()?;
        reached?;
        ensure!(ended.status.signal() == Some(9) && ended.stdout.is_empty());
        self.proxy.says("hardware")
    }

    fn refused(&self, word: &str, more: &[&str], what: &str) -> Result<()> {
        let output = self.with_pin(word, more)?;
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        ensure!(!output.status.success() && said.contains(what), "{said}");
        ensure!(!said.contains("resourceType"), "{said}");
        Ok(())
    }

    fn done(&self, word: &str, more: &[&str]) -> Result<String> {
        let output = self.with_pin(word, more)?;
        let (said, why) = (&output.stdout, &output.stderr);
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(why));
        Ok(String::from_utf8_lossy(said).into_owned())
    }
}

#[test]
fn entries_that_a_token_counted_and_the_journal_lacks_are_lost_in_every_list() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let city = City::start(dir.path())?;
    let Some(counter) = Counter::new(&city)? else {
        return Ok(());
    };
    let desk = &counter.desk;
    counter.proxy.says("hardware")?;
    let made = counter.done("init", &["--token-label", LABEL])?;
    ensure!(made.contains("the token counts"), "{made}");
    desk.at_node("anchor", &[])?;
    city.seal_and_grant(RECORD)?;
    let list = desk.history()?;
    ensure!(openings(&list, "key in a token")? == (0, 1), "{list:#}");
    ensure!(openings(&list, "key in a file")?.1 == 0);

    counter.open(&[])?;
    let kept = std::fs::read(desk.journal())?;
    // A power cut between the journal and the token, and one behind both: each leaves an entry.
    counter.open_and_kill("stop-before")?;
    counter.open_and_kill("stop-behind")?;
    ensure!(desk.entries()? == 3, "every try has its entry");
    let node = ["--node", desk.node()];
    let shown = counter.command("status", &node)?.output()?;
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    ensure!(shown.contains("counted up to entry 3"), "{shown}");
    ensure!(shown.contains("stated as token"), "{shown}");

    // Nothing is anchored yet, and the journal of before is put back.
    std::fs::write(desk.journal(), &kept)?;
    counter.refused("open", &counter.opening(), "ROLLED BACK")?;
    counter.refused("anchor", &node, "ROLLED BACK")?;
    counter.refused("status", &node, "ROLLED BACK")?;
    ensure!(
        std::fs::read(desk.journal())? == kept,
        "nothing was journalled"
    );
    let said = counter.done("anchor", &[&node[..], &["--restore"]].concat())?;
    ensure!(said.contains("the token counts"), "{said}");
    let head = anchored(&city)?.context("a journal")?;
    let lost = head.lost.context("lost entries")?;
    ensure!((head.counter, lost.count) == (3, 2));
    ensure!(head.key_kind == JournalKeyKind::Token);
    let list = desk.history()?;
    ensure!(openings(&list, "lost-entries")? == (1, 1), "{list:#}");
    ensure!(list["whole"] == false, "{list:#}");

    // While the network is cut: what was cut off is written down as lost, and care does not wait.
    counter.open(&[])?;
    std::fs::write(desk.journal(), &kept)?;
    counter.refused("open", &counter.opening(), "open --lost")?;
    counter.open(&["--lost"])?;
    // The ledger has a part of that already: who mends it brings the two together.
    counter.done("anchor", &[&node[..], &["--restore"]].concat())?;
    let head = anchored(&city)?.context("a journal")?;
    let lost = head.lost.context("lost entries")?;
    ensure!((head.counter, lost.count) == (5, 3), "{head:?}");
    let list = desk.history()?;
    ensure!(openings(&list, "lost-entries")? == (2, 1), "{list:#}");
    ensure!(std::fs::metadata(desk.journal())?.len() % FRAME == 0);

    // A full token stops no opening; the list says from then on that nobody counts.
    counter.proxy.says("hardware full")?;
    counter.open(&[])?;
    desk.at_node("anchor", &[])?;
    let list = desk.history()?;
    ensure!(openings(&list, "key in a file")? == (3, 1), "{list:#}");
    ensure!(openings(&list, "key-token")?.1 == 0);
    ensure!(openings(&list, "key-once-token")?.1 == 1, "{list:#}");

    // Full, and rolled back by five: care does not wait, and what the ledger has is not lost, however often
    // the journal is mended.
    std::fs::write(desk.journal(), &kept)?;
    counter.refused("open", &counter.opening(), "ROLLED BACK")?;
    counter.open(&["--lost"])?;
    for _ in 0..2 {
        counter.done("anchor", &[&node[..], &["--restore"]].concat())?;
        let head = anchored(&city)?.context("a journal")?;
        let lost = head.lost.context("lost entries")?;
        ensure!((head.counter, lost.count) == (7, 3), "{head:?}");
    }
    Ok(())
}
