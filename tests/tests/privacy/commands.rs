//! What commands complain of when they are given personal values: wherever a word is typed, and in files of
//! the wrong kind. Who typed a value knows it, but standard error ends in journals and tickets.

use super::input::BROKEN_FILE;
use super::nodes::Shown;
use super::services::OWNER;
use anyhow::{Context, Result, ensure};
use medanchor_tests::files::text;
use medanchor_tests::network::binary;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// No record of a demo, and no request.
const HANDLE: &str = "5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a";
/// What locks the emergency key of a demo.
pub const PASSPHRASE: &str = "nobody is in danger in a demo";

/// In a command, the word that is wrong.
const VALUE: &str = "VALUE";
/// In a command, the file that is wrong.
const WRONG: &str = "WRONG";

/// Commands of which a word is a personal value. HOME is the hospital's, NODE its node, BOOK the address
/// book, OUT a file that is not there; what a command asks for besides is right.
const TYPED: &[&str] = &[
    "vault erase --home HOME --node NODE --book BOOK --yes --record VALUE",
    "vault erase --home HOME --node NODE --book BOOK --record VALUE",
    "vault erase --home HOME --node NODE --record HANDLE --reason VALUE",
    "vault erase --home HOME --node VALUE --yes --record HANDLE",
    "vault reshare --home HOME --node NODE --book BOOK --record VALUE",
    "vault reshare --home HOME --node NODE --book BOOK --record HANDLE --without VALUE",
    "vault init --home HOME --node NODE --listen VALUE",
    "vault payloads --home HOME --bucket VALUE",
    "vault payloads --home HOME --bucket s3://vault/x --endpoint VALUE",
    "vault protect --home HOME --token-module /no/module --token-label VALUE --pin-file PASS",
    "vault VALUE --home HOME",
    "vault emergency open --home HOME --passphrase-file PASS --record VALUE --actor VALUE --reason VALUE --out OUT",
    "vault emergency open --home HOME --passphrase-file PASS --handle VALUE --actor VALUE --reason VALUE",
    "vault emergency open --home HOME --passphrase-file PASS --record VALUE --document-version VALUE --actor a --reason b",
    "vault emergency anchor --home HOME --node VALUE",
    "custodian log --home HOME --book BOOK --of VALUE --out OUT",
    "custodian init --home HOME --node NODE --listen VALUE",
    "custodian VALUE",
    "patient history --home HOME --node VALUE --subject VALUE",
    "patient history --home HOME --node NODE --subject VALUE --quarters VALUE",
    "patient history --home HOME --node NODE --subject VALUE --format VALUE",
    "patient history --home HOME --node NODE VALUE",
    "patient history --card PASS --pin-file PASS --genesis GENESIS --institution VALUE --node NODE",
    "patient history --card PASS --pin-file PASS --genesis GENESIS --institution north-hospital --node NODE",
    "patient enrol --home HOME --subject VALUE --key PASS",
    "patient key --card PASS --pin-file PASS --genesis GENESIS --institution VALUE --out OUT",
    "patient approve --card PASS --pin-file PASS --genesis GENESIS --draft PASS VALUE",
    "patient end --card PASS --pin-file PASS --genesis GENESIS --institution VALUE --consent HANDLE --out OUT",
    "patient end --card PASS --pin-file PASS --genesis GENESIS --institution north-hospital --consent VALUE --out OUT",
    "patient anchor-end --home HOME --node NODE --end PASS",
    "patient anchor-end --home HOME --node NODE --end PASS VALUE",
    "consent renew --home HOME --node NODE --approvals PASS VALUE",
    "consent renew --home HOME --node NODE --approvals PASS",
    "access break-glass --home HOME --node NODE --book BOOK --owner VALUE --record HANDLE --name VALUE --actor VALUE --reason VALUE",
    "access break-glass --home HOME --node NODE --book BOOK --owner south-hospital --record VALUE --name VALUE --actor VALUE --reason VALUE",
    "access break-glass --home HOME --node NODE --book BOOK --owner south-hospital --record HANDLE --name VALUE --actor VALUE --reason VALUE",
    "access review --home HOME --node NODE --requester VALUE --request HANDLE --verdict justified --actor VALUE --reason VALUE",
    "access review --home HOME --node NODE --requester south-hospital --request HANDLE --verdict VALUE --actor VALUE --reason VALUE",
    "governance propose-custodians --home HOME --node NODE --book BOOK --threshold VALUE",
    "governance approve --home HOME --node NODE --proposer VALUE --proposal HANDLE",
    "governance approve --home HOME --node NODE --proposer north-hospital --proposal VALUE",
    "governance propose-keys --home HOME --node NODE --participant VALUE --key VALUE",
    "governance keys --home HOME --node NODE --participant VALUE",
    "network new --dir OUT --validator VALUE",
    "network new --dir OUT --validator north-hospital:VALUE",
    "network new --dir OUT --validator north-hospital:hospital --publisher VALUE",
    "network join --home OUT --genesis GENESIS --name VALUE --peer VALUE",
    "key show --home HOME VALUE",
    "policy --url NODE --height VALUE",
    "run VALUE",
    "audit report LOG --from VALUE --to VALUE --format VALUE",
    "audit report LOG --utc-offset VALUE",
    "audit history LOG --owner VALUE --tag VALUE",
    "audit releases --log LOG --releases VALUE",
    "audit inclusion LOG VALUE",
    "VALUE --home HOME",
    "--VALUE",
];

/// Commands that are given a patient's file in place of their own.
const GIVEN: &[&str] = &[
    "audit receipt WRONG --event WRONG --policy POLICY",
    "audit verify WRONG",
    "audit evidence WRONG --genesis GENESIS",
    "audit releases --log LOG --releases city-archive=WRONG",
    "run --home WRONG",
    "vault erase --home HOME --node NODE --book WRONG --yes --record Observation/7",
    "vault reshare --home HOME --node NODE --book WRONG --all",
    "vault protect --home HOME --passphrase-file WRONG",
    "vault payloads --home HOME --bucket s3://vault/x --credentials-file WRONG",
    "vault emergency open --home HOME --passphrase-file WRONG --record Observation/7 --actor a --reason b",
    "custodian log --home HOME --book WRONG --of city-archive --out OUT",
    "governance propose-custodians --home HOME --node NODE --book WRONG --threshold 2",
    "access break-glass --home HOME --node NODE --book WRONG --owner south-hospital --record HANDLE --name a --actor b --reason c",
    "patient card --genesis WRONG --pin-file WRONG --out OUT",
    "patient card --genesis GENESIS --pin-file WRONG --out OUT",
    "patient key --card WRONG --pin-file WRONG --genesis GENESIS --institution north-hospital --out OUT",
    "patient enrol --home HOME --subject Patient/7 --key WRONG",
    "patient approve --card WRONG --pin-file WRONG --genesis GENESIS --draft WRONG",
    "patient end --card WRONG --pin-file WRONG --genesis GENESIS --institution north-hospital --consent HANDLE --out OUT",
    "patient anchor-end --home HOME --node NODE --end WRONG",
    "patient history --card WRONG --pin-file WRONG --genesis GENESIS --institution north-hospital --node NODE",
    "consent renew --home HOME --node NODE --approvals WRONG",
    "policy --chain WRONG",
    "network new --dir OUT --spec WRONG",
    "network join --home OUT --genesis WRONG --name north-hospital --peer a=b@c:1",
    // The same as the configuration of a node, of both services and of a vault.
    "run --home CONFIGURED",
    "status --home CONFIGURED",
    "custodian run --home CONFIGURED",
    "vault serve --home CONFIGURED",
    "vault erase --home CONFIGURED --record Observation/7",
    "vault rotate --home CONFIGURED",
];

/// Runs them all over a demo whose nodes run; none may go well.
pub fn complain(
    dir: &Path,
    node: &str,
    values: &[&str],
    input: &Path,
    shown: &mut Shown,
) -> Result<()> {
    let desk = Desk::new(dir, node)?;
    for value in values {
        for line in TYPED {
            desk.complain(line, value, Path::new(WRONG), shown)?;
        }
    }
    let is_json = |path: &PathBuf| path.extension().is_some_and(|end| end == "json");
    let mistaken: Vec<PathBuf> = super::files(input)?.into_iter().filter(is_json).collect();
    for file in mistaken
        .iter()
        .take(1)
        .chain([&input.join(BROKEN_FILE), &desk.toml(values)?])
    {
        desk.configure(file)?;
        for line in GIVEN {
            desk.complain(line, VALUE, file, shown)?;
        }
    }
    Ok(())
}

/// Where the commands are run.
struct Desk {
    /// Of the demo, and a folder of its own.
    dir: PathBuf,
    own: tempfile::TempDir,
    node: String,
}

impl Desk {
    fn new(dir: &Path, node: &str) -> Result<Self> {
        let own = tempfile::tempdir()?;
        let passphrase = own.path().join("passphrase");
        fs::write(&passphrase, PASSPHRASE)?;
        fs::set_permissions(&passphrase, fs::Permissions::from_mode(0o600))?;
        Ok(Self {
            dir: dir.into(),
            own,
            node: node.to_owned(),
        })
    }

    /// A file that is TOML, and nothing that any command knows: a message that quotes it would leak.
    fn toml(&self, values: &[&str]) -> Result<PathBuf> {
        let path = self.own.path().join("people.toml");
        let value = |at: usize| serde_json::Value::from(values[at % values.len()]).to_string();
        let mut lines = format!("{} = {}\n", value(0), value(1));
        for key in [
            "name",
            "nodes",
            "listen",
            "key",
            "http",
            "institution",
            "counterpart",
        ] {
            lines += &format!("{key} = {}\n", value(key.len()));
        }
        fs::write(&path, lines)?;
        Ok(path)
    }

    /// A home whose every file of settings is this one.
    fn configure(&self, file: &Path) -> Result<()> {
        let home = self.own.path().join("configured");
        for folder in ["custodian", "vault-service", "identity"] {
            fs::create_dir_all(home.join(folder))?;
        }
        for name in [
            "config.toml",
            "custodian/config.toml",
            "vault-service/config.toml",
            "vault-service/book.toml",
            "identity/vault.toml",
            "identity/participant",
            "identity/genesis",
        ] {
            fs::copy(file, home.join(name))?;
            fs::set_permissions(home.join(name), fs::Permissions::from_mode(0o600))?;
        }
        Ok(())
    }

    fn word(&self, word: &str, value: &str, wrong: &Path) -> Result<String> {
        let own = self.own.path();
        let path = match word {
            "HOME" => self.dir.join(OWNER),
            "BOOK" => self.dir.join("book.toml"),
            "GENESIS" => self.dir.join("genesis"),
            "POLICY" => self.dir.join("policy"),
            "LOG" => self.dir.join(OWNER).join("log"),
            "PASS" => own.join("passphrase"),
            "OUT" => own.join("out"),
            "CONFIGURED" => own.join("configured"),
            "NODE" => return Ok(self.node.clone()),
            other => {
                let other = other.replace("HANDLE", HANDLE).replace(VALUE, value);
                return Ok(other.replace(WRONG, text(wrong)?));
            }
        };
        Ok(text(&path)?.to_owned())
    }

    fn complain(&self, line: &str, value: &str, wrong: &Path, shown: &mut Shown) -> Result<()> {
        let words = line.split(' ').map(|word| self.word(word, value, wrong));
        let words: Vec<String> = words.collect::<Result<_>>()?;
        let output = Command::new(binary("medanchor")?)
            .args(&words)
            .env_remove("MEDANCHOR_HOME")
            .current_dir(self.own.path())
            .stdin(Stdio::null())
            .output()
            .context("the program")?;
        ensure!(!output.status.success(), "{words:?} went well");
        // The path of a file is the caller's own word, and may be a person's name.
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8_lossy(&said).replace(text(wrong)?, "FILE");
        shown.push(("command's complaint", line.to_owned(), said.into()));
        Ok(())
    }
}
