//! Who acts in a command on an institution's own vault, at which nodes, with which address book.

use crate::direct::config::ServiceConfig;
use crate::direct::home::{Part, ServiceHome};
use crate::exit::{Exit, Fatal};
use medanchor_sdk::direct::{AddressBook, Certificate};
use medanchor_sdk::{Identity, Sdk};
use std::path::PathBuf;

/// An institution, and whom it asks.
#[derive(clap::Args)]
pub struct Institution {
    /// The participant's home, with identity/
    #[arg(long, env = "MEDANCHOR_HOME")]
    home: PathBuf,
    /// A node; give several. Those of HOME/vault-service/config.toml if left out
    #[arg(long = "node", value_name = "URL")]
    nodes: Vec<String>,
    /// The address book that lists the custodians; HOME/vault-service/book.toml if left out
    #[arg(long, value_name = "FILE")]
    book: Option<PathBuf>,
}

impl Institution {
    fn service(&self) -> ServiceHome {
        ServiceHome::new(&self.home, Part::Owner)
    }

    /// The identity's folder.
    pub fn identity(&self) -> PathBuf {
        self.service().identity()
    }

    /// The identity, at its nodes.
    ///
    /// # Errors
    /// [`Fatal`] with [`Exit::Locked`] while another process has it open.
    pub fn open(&self) -> Result<Sdk, Fatal> {
        let nodes = self.nodes()?;
        let identity = Identity::open(&self.identity())?;
        Sdk::new(identity, nodes).map_err(|e| Fatal::new(Exit::Usage, e.to_string()))
    }

    fn nodes(&self) -> Result<Vec<String>, Fatal> {
        if !self.nodes.is_empty() {
            return Ok(self.nodes.clone());
        }
        let config = ServiceConfig::read(&self.service().config());
        let config = config.map_err(|e| {
            let what = format!("no --node was given, and {e}; name a node");
            Fatal::new(Exit::Usage, what)
        })?;
        Ok(config.nodes)
    }

    /// The address book; an empty one if none is named and there is none.
    ///
    /// # Errors
    /// [`Fatal`] when it cannot be read.
    pub fn book(&self) -> Result<AddressBook, Fatal> {
        let usual = self.service().folder().join("book.toml");
        let path = match &self.book {
            Some(path) => path,
            None if usual.exists() => &usual,
            None => return Ok(AddressBook::default()),
        };
        AddressBook::read(path).map_err(|e| Fatal::new(Exit::Usage, e.to_string()))
    }

    /// A certificate to ask with; statements are signed for its key, so any will do.
    ///
    /// # Errors
    /// [`Fatal`] when none can be made.
    pub fn certificate() -> Result<Certificate, Fatal> {
        Certificate::generate(&[]).map_err(|e| Fatal::new(Exit::Keys, e.to_string()))
    }
}
