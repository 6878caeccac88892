//! Founding a network: genesis, keys and homes for its institutions, in one folder.
//!
//! What always holds: nothing is overwritten, a folder that holds a network is refused; every
//! secret key is drawn in the home it belongs to and stays there; the genesis file is written
//! last, so that a folder with one is whole.
//!
//! ```text
//! DIR/genesis                 the genesis file
//! DIR/policy                  the policy file: whose signatures make a receipt trustworthy
//! DIR/<institution>/          its node's home, if it runs a node
//! DIR/<institution>/identity/ its own identity, with which it signs events
//! ```

mod join;

pub use join::{JoinError, Joining};

use crate::config::{Config, ConfigError, Peer};
use crate::home::Home;
use crate::inspection::DrawKeys;
use crate::inspection::registration::{self, RegistrationError};
use crate::keys::{KeyError, Purpose, SecretKey};
use medanchor_ledger::genesis::{Authorities, Genesis, GenesisError, GenesisSpec, NetworkName};
use medanchor_ledger::rules::{Participant, Role};
use medanchor_ledger::signature::PublicKey;
use medanchor_ledger::validator::{Validator, ValidatorSet, ValidatorSetError, quorum};
use medanchor_ledger::{ParticipantName, Time};
use medanchor_sdk::{Identity, IdentityError};
use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

/// What an institution runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// A node that votes and cosigns.
    Validator,
    /// A node that follows.
    Follower,
    /// No node: it posts at another member's.
    Participant,
}

/// An institution of a network to be.
#[derive(Clone, Debug)]
pub struct Institution {
    /// Its name.
    pub name: ParticipantName,
    /// What it may do.
    pub roles: Vec<Role>,
    /// What it runs.
    pub part: Part,
}

/// The ports of the nodes, all on 127.0.0.1 unless the configuration files are changed.
#[derive(Clone, Copy, Debug)]
pub enum Ports {
    /// Two for each node, HTTP then p2p, from this one upwards.
    From(u16),
    /// Whatever is free now.
    Free,
}

/// A network to be.
#[derive(Clone, Debug)]
pub struct Founding {
    /// Its name.
    pub name: NetworkName,
    /// Its institutions.
    pub institutions: Vec<Institution>,
    /// The institution whose node hands checkpoints to outside witnesses, if one does.
    pub publisher: Option<ParticipantName>,
    /// The ports of its nodes.
    pub ports: Ports,
    /// The time of height 0.
    pub time: Time,
}

/// A node of a founded network.
#[derive(Clone, Debug)]
pub struct NodeHome {
    /// The institution.
    pub name: ParticipantName,
    /// Its home.
    pub home: Home,
    /// Whether the genesis lists it as a validator.
    pub validator: bool,
    /// Where it serves HTTP.
    pub http: SocketAddr,
    /// Where other nodes reach it.
    pub p2p: SocketAddr,
}

/// A founded network.
#[derive(Clone, Debug)]
pub struct Layout {
    /// Its folder.
    pub dir: PathBuf,
    /// Its genesis.
    pub genesis: Genesis,
    /// Its nodes, in the order of their names.
    pub nodes: Vec<NodeHome>,
}

/// Why a network cannot be founded or found.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FoundingError {
    /// Something is there already.
    #[error("{path} exists already; choose an empty folder, nothing was changed there", path = path.display())]
    Exists {
        /// What is there.
        path: PathBuf,
    },
    /// The system refused.
    #[error("cannot use {path}: {source}", path = path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// An institution is named twice.
    #[error("{name} is named twice; give each institution once, with all its roles")]
    NamedTwice {
        /// Its name.
        name: ParticipantName,
    },
    /// The publisher runs no node.
    #[error("the publisher is not among those that run a node; name a validator or a follower")]
    Publisher,
    /// There are not enough ports above the first one.
    #[error("there are not enough ports from {first} upwards; choose a lower first port")]
    Ports {
        /// The first one.
        first: u16,
    },
    /// The validators do not make a set.
    #[error(transparent)]
    Validators(#[from] ValidatorSetError),
    /// An institution's roles do not make a participant.
    #[error("{name} has no role, or one twice; give each role once")]
    Roles {
        /// Its name.
        name: ParticipantName,
    },
    /// The parts do not make a genesis.
    #[error(transparent)]
    Genesis(#[from] GenesisError),
    /// A key cannot be made.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// An identity cannot be made.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The registration of a node's keys cannot be signed.
    #[error(transparent)]
    Registration(#[from] RegistrationError),
    /// A home's configuration cannot be used.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

impl Founding {
    /// Makes the network in `dir`.
    ///
    /// # Errors
    /// [`FoundingError`]; what was there before is unchanged.
    pub fn found(&self, dir: &Path) -> Result<Layout, FoundingError> {
        self.check(dir)?;
        let ports = self.ports()?;
        let mut validators = Vec::new();
        let mut participants = BTreeMap::new();
        let mut nodes = Vec::new();
        let mut peers = Vec::new();
        let mut publisher = None;
        let mut ports = ports.into_iter();
        for institution in self.sorted() {
            let name = &institution.name;
            let home = Home::new(dir.join(name.as_str()));
            make_folder(home.path())?;
            let key = Identity::create(&home.identity(), name)?;
            participants.insert(name.clone(), participant(institution, key)?);
            if institution.part == Part::Participant {
                continue;
            }
            let (http, p2p) = (next_port(&mut ports), next_port(&mut ports));
            let made = make_keys(&home, institution)?;
            validators.extend(made.validator);
            if self.publisher.as_ref() == Some(name) {
                publisher = Some(make_key(&home, Purpose::Publisher)?);
            }
            peers.push(Peer {
                name: name.clone(),
                key: hex::encode(made.p2p.as_bytes()),
                address: p2p.to_string(),
            });
            let validator = institution.part == Part::Validator;
            nodes.push(NodeHome {
                name: name.clone(),
                home,
                validator,
                http,
                p2p,
            });
        }
        let genesis = self.genesis(validators, participants, publisher)?;
        for node in &nodes {
            write_home(node, &peers, &genesis)?;
        }
        for institution in &self.institutions {
            let identity = Home::new(dir.join(institution.name.as_str())).identity();
            Identity::join(&identity, genesis.encoded())?;
        }
        for node in nodes.iter().filter(|node| node.validator) {
            let identity = Identity::open(&node.home.identity())?;
            registration::write(&node.home, &identity, self.time)?;
        }
        write_new(&dir.join("policy"), genesis.policy().as_bytes())?;
        write_new(&dir.join("genesis"), genesis.encoded())?;
        Ok(Layout {
            dir: dir.into(),
            genesis,
            nodes,
        })
    }

    fn sorted(&self) -> Vec<&Institution> {
        let mut sorted: Vec<_> = self.institutions.iter().collect();
        sorted.sort_by(|one, other| one.name.cmp(&other.name));
        sorted
    }

    /// Refuses before anything is written.
    fn check(&self, dir: &Path) -> Result<(), FoundingError> {
        let sorted = self.sorted();
        for (one, other) in sorted.iter().zip(sorted.iter().skip(1)) {
            if one.name == other.name {
                return Err(FoundingError::NamedTwice {
                    name: one.name.clone(),
                });
            }
        }
        let validators = sorted
            .iter()
            .filter(|one| one.part == Part::Validator)
            .count();
        if !(1..=ValidatorSet::MAX).contains(&validators) {
            return Err(ValidatorSetError::Count { found: validators }.into());
        }
        if let Some(name) = &self.publisher {
            let runs = |one: &Institution| one.name == *name && one.part != Part::Participant;
            if !self.institutions.iter().any(runs) {
                return Err(FoundingError::Publisher);
            }
        }
        let files = ["genesis", "policy"].map(|name| dir.join(name));
        let homes = sorted.iter().map(|one| dir.join(one.name.as_str()));
        match files.into_iter().chain(homes).find(|path| path.exists()) {
            Some(path) => Err(FoundingError::Exists { path }),
            None => Ok(()),
        }
    }

    fn ports(&self) -> Result<Vec<u16>, FoundingError> {
        let nodes = self
            .institutions
            .iter()
            .filter(|one| one.part != Part::Participant)
            .count();
        match self.ports {
            Ports::Free => {
                crate::process::free_ports(nodes * 2).map_err(|source| FoundingError::Io {
                    path: PathBuf::from("127.0.0.1"),
                    source,
                })
            }
            Ports::From(first) => {
                let ports: Vec<u16> = (first..=u16::MAX).take(nodes * 2).collect();
                if ports.len() < nodes * 2 {
                    return Err(FoundingError::Ports { first });
                }
                Ok(ports)
            }
        }
    }

    fn genesis(
        &self,
        validators: Vec<Validator>,
        participants: BTreeMap<ParticipantName, Participant>,
        publisher: Option<PublicKey>,
    ) -> Result<Genesis, FoundingError> {
        let validators = ValidatorSet::new(validators)?;
        let threshold = u16::try_from(quorum(validators.len())).unwrap_or(u16::MAX);
        let names = validators
            .iter()
            .map(|validator| validator.name.clone())
            .collect();
        Ok(Genesis::new(GenesisSpec {
            name: self.name.clone(),
            time: self.time,
            validators,
            participants,
            authorities: Authorities { threshold, names },
            publisher,
        })?)
    }
}

impl Layout {
    /// Finds the network that was founded in `dir`.
    ///
    /// # Errors
    /// [`FoundingError`] if there is none, or a home cannot be read.
    pub fn open(dir: &Path) -> Result<Self, FoundingError> {
        let path = dir.join("genesis");
        let encoded = std::fs::read(&path).map_err(|source| FoundingError::Io {
            path: path.clone(),
            source,
        })?;
        let genesis = Genesis::decode(&encoded)?;
        let mut nodes = Vec::new();
        for name in genesis.spec().participants.keys() {
            let home = Home::new(dir.join(name.as_str()));
            if !home.config().exists() {
                continue;
            }
            let config = Config::read(&home.config())?;
            nodes.push(NodeHome {
                name: name.clone(),
                validator: genesis.validators().get(name).is_some(),
                home,
                http: config.http.listen,
                p2p: config.p2p.listen,
            });
        }
        Ok(Self {
            dir: dir.into(),
            genesis,
            nodes,
        })
    }

    /// Gives every node other ports, because somebody took one of theirs.
    ///
    /// # Errors
    /// If a home cannot be changed.
    pub fn choose_other_ports(&mut self) -> Result<(), FoundingError> {
        let io = |source| FoundingError::Io {
            path: PathBuf::from("127.0.0.1"),
            source,
        };
        let mut ports = crate::process::free_ports(self.nodes.len() * 2)
            .map_err(io)?
            .into_iter();
        let mut addresses = BTreeMap::new();
        for node in &mut self.nodes {
            (node.http, node.p2p) = (next_port(&mut ports), next_port(&mut ports));
            addresses.insert(node.name.clone(), node.p2p.to_string());
        }
        for node in &self.nodes {
            let mut config = Config::read(&node.home.config())?;
            (config.http.listen, config.p2p.listen) = (node.http, node.p2p);
            for peer in &mut config.p2p.peers {
                if let Some(address) = addresses.get(&peer.name) {
                    peer.address.clone_from(address);
                }
            }
            self::write(&node.home.config(), config.documented().as_bytes())?;
        }
        Ok(())
    }
}

struct MadeKeys {
    p2p: PublicKey,
    validator: Option<Validator>,
}

fn make_key(home: &Home, purpose: Purpose) -> Result<PublicKey, FoundingError> {
    let key = SecretKey::generate(purpose)?;
    key.write(&home.keys())?;
    Ok(key.public())
}

fn make_keys(home: &Home, institution: &Institution) -> Result<MadeKeys, FoundingError> {
    make_folder(&home.keys())?;
    let make = |purpose| make_key(home, purpose);
    let p2p = make(Purpose::P2p)?;
    if institution.part != Part::Validator {
        return Ok(MadeKeys {
            p2p,
            validator: None,
        });
    }
    let validator = Validator {
        name: institution.name.clone(),
        consensus: make(Purpose::Consensus)?,
        log: make(Purpose::Log)?,
        cosigner: make(Purpose::Cosigner)?,
        cose: make(Purpose::Cose)?,
    };
    DrawKeys::make(home)?;
    Ok(MadeKeys {
        p2p,
        validator: Some(validator),
    })
}

fn participant(institution: &Institution, key: PublicKey) -> Result<Participant, FoundingError> {
    Participant::new(institution.roles.clone(), vec![key]).ok_or_else(|| FoundingError::Roles {
        name: institution.name.clone(),
    })
}

fn write_home(node: &NodeHome, peers: &[Peer], genesis: &Genesis) -> Result<(), FoundingError> {
    let mut config = Config::new(node.name.clone());
    (config.http.listen, config.p2p.listen) = (node.http, node.p2p);
    config.p2p.peers = peers
        .iter()
        .filter(|peer| peer.name != node.name)
        .cloned()
        .collect();
    write_new(&node.home.config(), config.documented().as_bytes())?;
    write_new(&node.home.genesis(), genesis.encoded())
}

fn next_port(ports: &mut impl Iterator<Item = u16>) -> SocketAddr {
    // As many ports were drawn as are taken.
    SocketAddr::from((Ipv4Addr::LOCALHOST, ports.next().unwrap_or(0)))
}

fn make_folder(path: &Path) -> Result<(), FoundingError> {
    use std::os::unix::fs::DirBuilderExt;
    let made = std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path);
    made.map_err(|source| FoundingError::Io {
        path: path.into(),
        source,
    })
}

fn write_new(path: &Path, bytes: &[u8]) -> Result<(), FoundingError> {
    use std::io::Write;
    let write = || -> io::Result<()> {
        let mut file = std::fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .open(path)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(|source| FoundingError::Io {
        path: path.into(),
        source,
    })
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), FoundingError> {
    let aside = path.with_extension("new");
    let write = || std::fs::write(&aside, bytes).and_then(|()| std::fs::rename(&aside, path));
    write().map_err(|source| FoundingError::Io {
        path: path.into(),
        source,
    })
}

#[cfg(test)]
mod tests;
