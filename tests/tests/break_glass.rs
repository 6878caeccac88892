//! Breaking the glass as commands do it: four nodes, five custodians and the owner's vault, each a process
//! of its own. What was opened is red for patient and regulator until somebody else has judged it.

use anyhow::{Context, Result, ensure};
use medanchor_tests::city::{City, OWNER, PAYLOAD, READER};
use medanchor_tests::files::text;
use medanchor_tests::network::binary;
use medanchor_tests::service::{Service, run};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Runs commands with the homes and the node of one city.
struct Desk {
    dir: PathBuf,
    node: String,
    record: String,
}

impl Desk {
    fn at(&self, name: &str, words: &[&str], more: &[&str]) -> Result<String> {
        let home = self.dir.join(name);
        let home = text(&home)?;
        let place = ["--home", home, "--node", &self.node];
        run(&[words, &place, more].concat())
    }

    fn break_glass(&self, who: &str, name: &str, record: &str, out: &Path) -> Result<String> {
        let opening = self.opening(who, (name, "unconscious"), record, out)?;
        let opening: Vec<&str> = opening.iter().map(String::as_str).collect();
        run(&opening)
    }

    /// The exit code of a command.
    fn exit(&self, words: &[String]) -> Result<Option<i32>> {
        let output = Command::new(binary("medanchor")?).args(words).output()?;
        Ok(output.status.code())
    }

    /// A home's words at the node.
    fn listing(&self, who: &str) -> Vec<String> {
        let home = self.dir.join(who).display().to_string();
        let words = ["access", "reviews", "--home", &home, "--node", &self.node];
        words.map(ToOwned::to_owned).into()
    }

    fn opening(
        &self,
        who: &str,
        (name, reason): (&str, &str),
        record: &str,
        out: &Path,
    ) -> Result<Vec<String>> {
        let book = self.dir.join("book.toml");
        let home = self.dir.join(who);
        let words = [
            "access",
            "break-glass",
            "--home",
            text(&home)?,
            "--node",
            &self.node,
            "--book",
            text(&book)?,
            "--owner",
            OWNER,
            "--record",
            record,
            "--name",
            name,
            "--actor",
            "Dr. Zhao",
            "--reason",
            reason,
            "--out",
            text(out)?,
        ];
        Ok(words.map(ToOwned::to_owned).into())
    }

    fn reviews(&self) -> Result<serde_json::Value> {
        let said = self.at("regulator", &["access", "reviews"], &["--json"])?;
        Ok(serde_json::from_str(&said)?)
    }

    fn review(&self, who: &str, request: &str) -> Result<String> {
        let options = [
            "--requester",
            READER,
            "--request",
            request,
            "--verdict",
            "justified",
            "--actor",
            "Prof. Wang",
            "--reason",
            "chart seen",
        ];
        self.at(who, &["access", "review"], &options)
    }

    fn history(&self) -> Result<String> {
        let options = ["--subject", "Patient/1", "--quarters", "1"];
        self.at(OWNER, &["patient", "history"], &options)
    }

    /// What the auditor's report of a node's own log says.
    fn report(&self) -> Result<serde_json::Value> {
        let (log, file) = (self.dir.join(OWNER).join("log"), self.dir.join("report"));
        let [log, path] = [&log, &file].map(|path| path.to_str());
        let (log, path) = log.zip(path).context("paths in UTF-8")?;
        run(&["audit", "report", log, "--json", path])?;
        Ok(serde_json::from_slice(&std::fs::read(file)?)?)
    }
}

fn says<T>(result: Result<T>, what: &str) -> Result<()> {
    match result {
        Err(error) if error.to_string().contains(what) => Ok(()),
        Err(error) => Err(error.context(format!("another refusal than {what}"))),
        Ok(_) => anyhow::bail!("done, and not refused with {what}"),
    }
}

#[test]
fn a_broken_glass_opens_the_record_and_is_red_until_somebody_else_has_judged_it() -> Result<()> {
    let dir = tempfile::tempdir()?;
    let mut city = City::start(dir.path())?;
    let ticket = city.seal_and_grant("Observation/1")?;
    let vault = Service::vault(&dir.path().join(OWNER))?;
    let desk = Desk {
        dir: dir.path().into(),
        node: city.network.client(0).url().to_owned(),
        record: ticket.records[0].record.to_string(),
    };

    let out = dir.path().join("opened");
    desk.break_glass(READER, "er-1", &desk.record, &out)?;
    ensure!(std::fs::read(&out)? == PAYLOAD);
    let again = dir.path().join("again");
    desk.break_glass(READER, "er-1", &desk.record, &again)?;
    ensure!(std::fs::read(&again)? == PAYLOAD, "the same event goes on");
    says(
        desk.break_glass(READER, "er-1", &desk.record, &again),
        "name a new file",
    )?;
    let none = dir.path().join("none");
    says(
        desk.break_glass("east-pharmacy", "er-1", &desk.record, &none),
        "role",
    )?;
    says(
        desk.break_glass(READER, "er-2", &"00".repeat(16), &none),
        "access.unknown-record",
    )?;
    ensure!(!none.exists(), "what was not opened leaves no file");

    let list = desk.reviews()?;
    ensure!(list["whole"] == true, "{list}");
    let [open] = list["open"].as_array().context("a list")?.as_slice() else {
        anyhow::bail!("one opening, not {list}");
    };
    ensure!(
        open["requester"] == READER && open["overdue"] == false,
        "{open}"
    );
    let request = open["request"].as_str().context("the request")?;
    ensure!(desk.report()?["reviews_waiting"] == 1);
    drop(vault);
    let page = desk.history()?;
    ensure!(page.contains("NOT REVIEWED: 1."), "{page}");
    ensure!(page.contains("glass broken, NOT REVIEWED, due"), "{page}");

    says(desk.review(READER, request), "access.own-review")?;
    says(desk.review("west-maker", request), "access.not-a-reviewer")?;
    desk.review(OWNER, request)?;
    desk.review(OWNER, request)
        .context("the same again is once")?;

    ensure!(
        desk.reviews()?["open"]
            .as_array()
            .is_some_and(Vec::is_empty)
    );
    let page = desk.history()?;
    ensure!(
        page.contains("found justified") && !page.contains("NOT REVIEWED"),
        "{page}"
    );
    let report = desk.report()?;
    ensure!(report["reviews_waiting"] == 0 && report["break_glass_reviews"] == 1);
    a_retry_is_the_same_break_glass(&mut city, &desk)
}

/// Whoever cannot be reached is told apart from a refusal; the very same again goes on with the same event,
/// and other words are another opening.
fn a_retry_is_the_same_break_glass(city: &mut City, desk: &Desk) -> Result<()> {
    let out = desk.dir.join("retried");
    let opening = |reason, out: &Path| desk.opening(READER, ("er-3", reason), &desk.record, out);
    let first = opening("unconscious", &out)?;
    let later = opening("unconscious, allergies", &desk.dir.join("reworded"))?;
    ensure!(desk.exit(&first)? == Some(19), "the owner is away");
    std::fs::write(&out, b"")?;
    ensure!(desk.exit(&first)? == Some(2), "not even that is replaced");
    std::fs::remove_file(&out)?;
    std::fs::write(desk.dir.join(".retried.part"), b"{\"resou")?;
    let vault = Service::vault(&desk.dir.join(OWNER))?;
    city.stop(&[0, 1, 2]);
    ensure!(desk.exit(&first)? == Some(19), "too few custodians");
    (0..3).try_for_each(|place| city.start_again(place))?;
    ensure!(desk.exit(&first)? == Some(0));
    ensure!(std::fs::read(&out)? == PAYLOAD);
    let waiting = || -> Result<usize> {
        let list = desk.reviews()?;
        Ok(list["open"].as_array().context("a list")?.len())
    };
    ensure!(waiting()? == 1, "three tries, one event");
    ensure!(desk.exit(&later)? == Some(0));
    ensure!(waiting()? == 2, "other words, another opening");
    drop(vault);

    let holds = city.sdk(READER)?;
    ensure!(desk.exit(&opening("busy", &desk.dir.join("busy"))?)? == Some(12));
    drop(holds);
    ensure!(desk.exit(&desk.listing("nobody"))? == Some(11));
    (0..4).for_each(|node| city.network.kill(node));
    ensure!(desk.exit(&opening("cut off", &desk.dir.join("cut"))?)? == Some(19));
    ensure!(desk.exit(&desk.listing("regulator"))? == Some(19));
    ensure!(!desk.dir.join("cut").exists());
    Ok(())
}
