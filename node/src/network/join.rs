//! Joining a network that is there: the home of a node that follows.
//!
//! What always holds: nothing is overwritten, the peer key is drawn in the home and stays there, and
//! `config.toml` is written last, so that a home with one is whole.

use super::{FoundingError, make_folder, write_new};
use crate::config::{Config, Peer};
use crate::home::Home;
use crate::keys::{Purpose, SecretKey};
use medanchor_ledger::ParticipantName;
use medanchor_ledger::genesis::Genesis;
use std::net::SocketAddr;

/// A node that is to follow a network.
#[derive(Clone, Debug)]
pub struct Joining {
    /// The network's genesis.
    pub genesis: Genesis,
    /// The participant whose node it is.
    pub name: ParticipantName,
    /// Where it serves HTTP.
    pub http: SocketAddr,
    /// Where it listens for other nodes.
    pub p2p: SocketAddr,
    /// Where other nodes reach it: address and port.
    pub address: String,
    /// The nodes it talks to.
    pub peers: Vec<Peer>,
}

/// Why a network cannot be joined.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum JoinError {
    /// The genesis does not list the participant.
    #[error("{name} is no participant of {origin}; ask for the name that the genesis lists")]
    Stranger {
        /// Its name.
        name: ParticipantName,
        /// The network.
        origin: String,
    },
    /// The participant votes, and the genesis lists the keys it votes with.
    #[error(
        "{name} is a validator, whose keys the genesis lists; move its home with these keys (docs/operate.md, \"A dead validator\")"
    )]
    Validator {
        /// Its name.
        name: ParticipantName,
    },
    /// The home cannot be made.
    #[error(transparent)]
    Home(#[from] FoundingError),
}

impl Joining {
    /// Makes the home, which may hold the participant's identity and nothing of a node; what the
    /// other members must add to their peers.
    ///
    /// # Errors
    /// [`JoinError`]; what was there before is unchanged.
    pub fn join(&self, home: &Home) -> Result<Peer, JoinError> {
        self.check(home)?;
        make_folder(&home.keys())?;
        let key = SecretKey::generate(Purpose::P2p).map_err(FoundingError::from)?;
        key.write(&home.keys()).map_err(FoundingError::from)?;
        write_new(&home.genesis(), self.genesis.encoded())?;
        let mut config = Config::new(self.name.clone());
        (config.http.listen, config.p2p.listen) = (self.http, self.p2p);
        config.p2p.peers.clone_from(&self.peers);
        write_new(&home.config(), config.documented().as_bytes())?;
        Ok(Peer {
            name: self.name.clone(),
            key: hex::encode(key.public().as_bytes()),
            address: self.address.clone(),
        })
    }

    fn check(&self, home: &Home) -> Result<(), JoinError> {
        let name = self.name.clone();
        if !self.genesis.spec().participants.contains_key(&name) {
            let origin = self.genesis.origin().to_string();
            return Err(JoinError::Stranger { name, origin });
        }
        if self.genesis.validators().get(&name).is_some() {
            return Err(JoinError::Validator { name });
        }
        let parts = [home.config(), home.genesis(), home.keys(), home.data()];
        match parts.into_iter().find(|path| path.exists()) {
            Some(path) => Err(FoundingError::Exists { path }.into()),
            None => Ok(()),
        }
    }
}
