//! What the patient does at home and at the machine that opens the card.

use super::SUBJECT;
use anyhow::{Result, ensure};
use medanchor_ledger::NetworkId;
use medanchor_ledger::genesis::Genesis;
use medanchor_tests::city::{City, OWNER};
use medanchor_tests::service::run;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

/// What the patient has at home.
pub struct Home {
    pub dir: PathBuf,
    pub node: String,
}

impl Home {
    /// A card, brought to the hospital.
    pub fn enrolled(city: &City) -> Result<Self> {
        let home = Self {
            dir: city.dir.join("patient"),
            node: city.network.client(0).url().to_owned(),
        };
        std::fs::create_dir_all(home.dir.join("mine"))?;
        std::fs::write(home.dir.join("pin"), "493817\n")?;
        std::fs::set_permissions(home.dir.join("pin"), Permissions::from_mode(0o600))?;
        let genesis = city.dir.join("genesis");
        std::fs::copy(genesis, home.dir.join("genesis"))?;
        let (card, pin, genesis) = (home.path("card"), home.path("pin"), home.path("genesis"));
        let made = ["--genesis", &genesis, "--pin-file", &pin, "--out", &card];
        run(&[&["patient", "card"], &made[..]].concat())?;
        let brought = home.path("brought");
        home.card("key", &["--institution", OWNER, "--out", &brought])?;
        let hospital = city.dir.join(OWNER).display().to_string();
        let enrol = ["patient", "enrol", "--home", &hospital];
        run(&[&enrol[..], &["--subject", SUBJECT, "--key", &brought]].concat())?;
        Ok(home)
    }

    pub fn path(&self, name: &str) -> String {
        self.dir.join(name).display().to_string()
    }

    /// `medanchor patient WORD` with the card.
    pub fn card(&self, word: &str, more: &[&str]) -> Result<String> {
        let (card, pin) = (self.path("card/card.txt"), self.path("pin"));
        let genesis = self.path("genesis");
        let head = ["patient", word, "--card", &card, "--pin-file", &pin];
        run(&[&head[..], &["--genesis", &genesis], more].concat())
    }

    /// Shows a draft and approves it; gives what was shown, and the approval.
    pub fn approves(&self, name: &str, draft: &str) -> Result<(String, String)> {
        let (file, out) = (self.path(name), self.path(&format!("mine/{name}.approval")));
        std::fs::write(&file, draft)?;
        let shown = self.card("approve", &["--draft", &file])?;
        ensure!(shown.contains("Nothing is signed"), "{shown}");
        self.card("approve", &["--draft", &file, "--yes", "--out", &out])?;
        Ok((shown, std::fs::read_to_string(out)?.trim().to_owned()))
    }

    /// The network whose genesis the patient has.
    pub fn network(&self) -> Result<NetworkId> {
        let genesis = Genesis::decode(&std::fs::read(self.dir.join("genesis"))?)?;
        Ok(genesis.network_id())
    }

    pub fn history(&self, more: &[&str]) -> Result<String> {
        let head = ["--institution", OWNER, "--node", &self.node];
        self.card("history", &[&head[..], more].concat())
    }
}
