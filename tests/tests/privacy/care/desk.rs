//! Where commands are run for institutions of a demo that runs, and for a patient at home.

use super::super::nodes::Shown;
use anyhow::{Result, ensure};
use medanchor_sdk::{Identity, Sdk};
use medanchor_tests::files::text;
use medanchor_tests::network::binary;
use std::cell::RefCell;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// The folder of a demo, a node of it, and what the patient has at home.
pub struct Desk<'a> {
    pub dir: &'a Path,
    pub node: &'a str,
    home: &'a Path,
    said: RefCell<Shown>,
}

impl<'a> Desk<'a> {
    /// The patient draws a card.
    pub fn new(dir: &'a Path, node: &'a str, home: &'a Path) -> Result<Self> {
        let desk = Self {
            dir,
            node,
            home,
            said: RefCell::default(),
        };
        desk.secret("pin", "493817")?;
        fs::copy(dir.join("genesis"), home.join("genesis"))?;
        let [genesis, pin, card] = ["genesis", "pin", "card"].map(|name| desk.path(name));
        let made = ["--genesis", &genesis, "--pin-file", &pin, "--out", &card];
        desk.says(&[&["patient", "card"], &made[..]].concat())?;
        Ok(desk)
    }

    /// A file of the patient's.
    pub fn path(&self, name: &str) -> String {
        self.home.join(name).display().to_string()
    }

    /// A file with one line that its owner alone can read.
    pub fn secret(&self, name: &str, line: &str) -> Result<PathBuf> {
        let path = self.home.join(name);
        fs::write(&path, format!("{line}\n"))?;
        fs::set_permissions(&path, Permissions::from_mode(0o600))?;
        Ok(path)
    }

    /// The application of an institution.
    pub fn sdk(&self, name: &str) -> Result<Sdk> {
        let identity = Identity::open(&self.dir.join(name).join("identity"))?;
        Ok(Sdk::new(identity, [self.node])?)
    }

    fn output(&self, words: &[&str]) -> Result<Output> {
        let mut command = Command::new(binary("medanchor")?);
        let command = command.args(words).env_remove("MEDANCHOR_HOME");
        Ok(command
            .current_dir(self.home)
            .stdin(Stdio::null())
            .output()?)
    }

    /// Runs a command to its good end; gives all that it said, which is searched.
    pub fn says(&self, words: &[&str]) -> Result<String> {
        let output = self.output(words)?;
        let said = [output.stdout, output.stderr].concat();
        let text = String::from_utf8_lossy(&said).into_owned();
        ensure!(output.status.success(), "{words:?} failed: {text}");
        let name = words.iter().take(3).copied().collect::<Vec<_>>().join(" ");
        self.said
            .borrow_mut()
            .push(("command's result", name, said));
        Ok(text)
    }

    /// The same with an institution's home and the node.
    pub fn says_at(&self, who: &str, command: &[&str], more: &[&str]) -> Result<String> {
        let home = self.dir.join(who);
        let place = ["--home", text(&home)?, "--node", self.node];
        self.says(&[command, &place, more].concat())
    }

    fn card_words<'w>(&self, word: &'w str, paths: &'w [String; 3]) -> [&'w str; 8] {
        let [card, pin, genesis] = paths;
        [
            "patient",
            word,
            "--card",
            card,
            "--pin-file",
            pin,
            "--genesis",
            genesis,
        ]
    }

    /// `medanchor patient WORD` with the card; gives what it said, which is searched.
    pub fn with_card(&self, word: &str, more: &[&str]) -> Result<String> {
        let paths = ["card/card.txt", "pin", "genesis"].map(|name| self.path(name));
        self.says(&[&self.card_words(word, &paths), more].concat())
    }

    /// The same where whoever asks is shown names on purpose: the words are not searched. The exit code
    /// may say that a list is not whole.
    pub fn shows(&self, word: &str, more: &[&str]) -> Result<String> {
        let paths = ["card/card.txt", "pin", "genesis"].map(|name| self.path(name));
        let words = [&self.card_words(word, &paths), more].concat();
        let output = self.output(&words)?;
        let code = output.status.code();
        let complained = String::from_utf8_lossy(&output.stderr).into_owned();
        ensure!(matches!(code, Some(0 | 1)), "{words:?}: {complained}");
        ensure!(!output.stdout.is_empty(), "{words:?}: {complained}");
        Ok(String::from_utf8(output.stdout)?)
    }

    /// The patient reads a draft and signs what it grants; gives the approval.
    pub fn approves(&self, folder: &str, name: &str, draft: &str) -> Result<String> {
        fs::create_dir_all(self.home.join(folder))?;
        let (file, out) = (
            self.path(name),
            self.path(&format!("{folder}/{name}.approval")),
        );
        fs::write(&file, draft)?;
        self.shows("approve", &["--draft", &file, "--yes", "--out", &out])?;
        Ok(fs::read_to_string(out)?.trim().to_owned())
    }

    /// What commands said.
    pub fn said(self) -> Shown {
        self.said.into_inner()
    }
}
