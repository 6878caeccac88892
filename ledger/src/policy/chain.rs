//! The chain of policies from genesis on: who may sign checkpoints of which sizes.
//!
//! What always holds: a chain is believed only as far as the genesis file goes: its first policy is
//! that of genesis, and each later one was named by a seal that the set before it signed at the very
//! size where its turn ended. So the ranges join without gap or overlap, each size has one policy,
//! and a set that has left can sign for no size after its last. A later policy says from which height
//! it stands, so the file of a set that returns is another one, and what lies between its two turns
//! cannot be cut out. What a chain cannot show is that nothing follows its last link: take it with
//! the newest checkpoint, whose size tells.
//!
//! `{0: "medanchor/policy-chain/v1", 1: genesis hash, 2: [first, later, ..]}`; the first is
//! `{1: policy file}`, each later one `{1: policy file, 2: seal, 3: receipt}`, where the seal names
//! the policy as the next height's, and the receipt (C2SP `tlog-proof`) proves that seal as the last
//! entry under a checkpoint of exactly its size.

use super::{CoseKeys, Distrust, NoCoseKeys, Policies, Policy, PolicyError, PolicyRange, Turn};
use crate::cbor::{CborError, Reader, Writer};
use crate::event::DecodeError;
use crate::genesis::Genesis;
use crate::receipt::{Receipt, ReceiptError, Unproved};
use crate::seal::{MAX_SEAL_BYTES, Seal};
use crate::{GenesisHash, Height, PolicyHash, Size};

const FORMAT: &str = "medanchor/policy-chain/v1";

/// A policy that followed another, and the proof that it did.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Link {
    /// The new policy file.
    pub policy: Policy,
    /// The seal that names it as the next height's, as its entry.
    pub seal: Box<[u8]>,
    /// That seal's receipt, signed by the set before.
    pub receipt: Receipt,
}

/// A chain of policies, not yet judged.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PolicyChain {
    /// The network that it is of.
    pub genesis: GenesisHash,
    /// The first policy file.
    pub first: Policy,
    /// What followed it, in order.
    pub links: Vec<Link>,
}

/// Why a chain is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ChainError {
    /// Longer than [`PolicyChain::MAX_BYTES`].
    #[error("a policy chain has at most 16777216 bytes; fetch it again")]
    Size,
    /// Not the one encoding.
    #[error(transparent)]
    Encoding(#[from] CborError),
    /// A policy file that is none.
    #[error("policy {link} of the chain: {cause}")]
    Policy {
        /// Its place, from 0.
        link: usize,
        /// What is wrong with it.
        cause: PolicyError,
    },
    /// A receipt that is none.
    #[error("the receipt of policy {link} of the chain: {cause}")]
    Receipt {
        /// Its place, from 0.
        link: usize,
        /// What is wrong with it.
        cause: ReceiptError,
    },
    /// The chain is of another network.
    #[error("the chain is of the network {found}, not of this genesis; fetch this network's chain")]
    OtherNetwork {
        /// The hash of that network's genesis.
        found: GenesisHash,
    },
    /// The first policy is not that of genesis.
    #[error("the first policy of the chain is not that of the genesis file; do not trust it")]
    First,
    /// A seal that is none.
    #[error("the seal of policy {link} of the chain is none: {cause}")]
    Seal {
        /// Its place, from 0.
        link: usize,
        /// What is wrong with it.
        cause: DecodeError,
    },
    /// The seal does not lead from the policy before to this one: a link is missing, is out of
    /// order or was exchanged.
    #[error(
        "the seal of policy {link} leads from {from} to {to}, not to this one from the one before; fetch the whole chain again"
    )]
    Broken {
        /// Its place, from 0.
        link: usize,
        /// The policy of the seal's height.
        from: PolicyHash,
        /// The policy that the seal names.
        to: PolicyHash,
    },
    /// The seal is not later than the one before it.
    #[error(
        "the seal of policy {link} is not later than the one before it; do not trust the chain"
    )]
    Order {
        /// Its place, from 0.
        link: usize,
    },
    /// The policy does not say that it stands from the height after its seal's.
    #[error(
        "policy {link} of the chain does not stand from height {due}, the first after its seal; fetch the whole chain again"
    )]
    Since {
        /// Its place, from 0.
        link: usize,
        /// The height that it must name.
        due: Height,
    },
    /// The receipt is not under the checkpoint at the seal's own end, or is of another entry.
    #[error(
        "the receipt of policy {link} is not of the checkpoint that ends with its seal; fetch the chain again"
    )]
    Place {
        /// Its place, from 0.
        link: usize,
    },
    /// The receipt proves nothing under the policy before.
    #[error("the seal of policy {link} is not proved by the set before: {cause}")]
    Unproved {
        /// Its place, from 0.
        link: usize,
        /// What does not hold.
        cause: Unproved,
    },
    /// A later policy file names no COSE keys.
    #[error("policy {link} of the chain: {cause}")]
    Cose {
        /// Its place, from 0.
        link: usize,
        /// What is wrong with its lines.
        cause: NoCoseKeys,
    },
}

impl PolicyChain {
    /// The longest chain that is read.
    pub const MAX_BYTES: usize = 16 << 20;

    /// The most links after the first.
    pub const MAX_LINKS: usize = 10_000;

    /// The chain of a network whose validators never changed.
    #[must_use]
    pub fn of_genesis(genesis: &Genesis) -> Self {
        Self {
            genesis: genesis.hash(),
            first: genesis.policy().clone(),
            links: Vec::new(),
        }
    }

    /// The chain's one encoding.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::with_capacity(4096 * (1 + self.links.len()));
        writer.map(3);
        writer.key(0).text(FORMAT);
        writer.key(1).bytes(self.genesis.as_bytes());
        writer.key(2).array(1 + self.links.len());
        writer.map(1).key(1).bytes(self.first.as_bytes());
        for link in &self.links {
            writer.map(3);
            writer.key(1).bytes(link.policy.as_bytes());
            writer.key(2).bytes(&link.seal);
            writer.key(3).bytes(link.receipt.to_string().as_bytes());
        }
        writer.into_bytes()
    }

    /// Whether bytes begin as a chain does.
    #[must_use]
    pub fn is_start_of(bytes: &[u8]) -> bool {
        let mut reader = Reader::new(bytes);
        let format = |reader: &mut Reader<'_>| reader.key(0)?.constant(FORMAT);
        reader.map(3).and_then(|()| format(&mut reader)).is_ok()
    }

    /// Reads what [`Self::encode`] wrote, and nothing else.
    ///
    /// # Errors
    ///
    /// [`ChainError`] says what is wrong with the bytes.
    pub fn decode(bytes: &[u8]) -> Result<Self, ChainError> {
        if bytes.len() > Self::MAX_BYTES {
            return Err(ChainError::Size);
        }
        let mut reader = Reader::new(bytes);
        reader.map(3)?;
        reader.key(0)?.constant(FORMAT)?;
        let genesis = GenesisHash::new(reader.key(1)?.fixed()?);
        let count = reader.key(2)?.array(1..=1 + Self::MAX_LINKS)?;
        reader.map(1)?;
        let first = read_policy(&mut reader, 0)?;
        let links = (1..count).map(|link| read_link(&mut reader, link));
        let links = links.collect::<Result<_, _>>()?;
        reader.finish()?;
        Ok(Self {
            genesis,
            first,
            links,
        })
    }

    /// Walks the chain from a genesis file that the verifier holds.
    ///
    /// # Errors
    ///
    /// [`ChainError`] says which link does not hold and why.
    pub fn verify(&self, genesis: &Genesis) -> Result<Policies, ChainError> {
        if self.genesis != genesis.hash() {
            let found = self.genesis;
            return Err(ChainError::OtherNetwork { found });
        }
        if self.first != *genesis.policy() {
            return Err(ChainError::First);
        }
        let mut walk = Walk::new(genesis);
        for (place, link) in (1..).zip(&self.links) {
            walk.follow(place, link)?;
        }
        Ok(walk.end())
    }
}

fn read_policy(reader: &mut Reader<'_>, link: usize) -> Result<Policy, ChainError> {
    let bytes = reader.key(1)?.bytes(Policy::MAX_BYTES)?;
    Policy::parse(bytes).map_err(|cause| ChainError::Policy { link, cause })
}

fn read_link(reader: &mut Reader<'_>, link: usize) -> Result<Link, ChainError> {
    reader.map(3)?;
    let policy = read_policy(reader, link)?;
    let seal = reader.key(2)?.bytes(MAX_SEAL_BYTES)?.into();
    let receipt = Receipt::parse(reader.key(3)?.bytes(Receipt::MAX_BYTES)?)
        .map_err(|cause| ChainError::Receipt { link, cause })?;
    Ok(Link {
        policy,
        seal,
        receipt,
    })
}

/// A policy whose turn has begun and not yet ended.
struct Walk<'g> {
    genesis: &'g Genesis,
    ended: Vec<Turn>,
    policy: Policy,
    keys: CoseKeys,
    first: Size,
    since: Height,
}

impl<'g> Walk<'g> {
    fn new(genesis: &'g Genesis) -> Self {
        Self {
            genesis,
            ended: Vec::new(),
            policy: genesis.policy().clone(),
            keys: CoseKeys::of_genesis(genesis),
            first: Size(1),
            since: Height(0),
        }
    }

    fn follow(&mut self, place: usize, link: &Link) -> Result<(), ChainError> {
        let seal =
            Seal::decode(&link.seal).map_err(|cause| ChainError::Seal { link: place, cause })?;
        let (from, to) = (seal.policy, seal.next_policy);
        let next = link.policy.hash();
        if from != self.policy.hash() || to != next || from == to {
            return Err(ChainError::Broken {
                link: place,
                from,
                to,
            });
        }
        let due = seal.height.next();
        if link.policy.since() != Some(due) {
            return Err(ChainError::Since { link: place, due });
        }
        let last = seal.size_after().filter(|last| *last >= self.first);
        let later = seal.height >= self.since;
        let last = last.filter(|_| later);
        let last = last.ok_or(ChainError::Order { link: place })?;
        let range = PolicyRange::new(self.policy.clone(), self.first, last);
        self.prove(place, link, &range, last)?;
        let keys = CoseKeys::of_policy(self.genesis.origin(), &link.policy)
            .map_err(|cause| ChainError::Cose { link: place, cause })?;
        let ended = std::mem::replace(&mut self.keys, keys);
        let cose = ended.within(self.first, last);
        let since = std::mem::replace(&mut self.since, due);
        self.ended.push(Turn { since, range, cose });
        self.policy = link.policy.clone();
        // The last size is one of a log in memory, far below the largest number.
        self.first = Size(last.0.saturating_add(1));
        Ok(())
    }

    fn prove(
        &self,
        place: usize,
        link: &Link,
        range: &PolicyRange,
        last: Size,
    ) -> Result<(), ChainError> {
        let unproved = |cause| ChainError::Unproved { link: place, cause };
        let verified = link.receipt.verify(&link.seal, range).map_err(unproved)?;
        let head = verified.checkpoint().checkpoint();
        if head.origin != *self.genesis.origin() {
            let origin = head.origin.clone();
            return Err(unproved(Distrust::NoLog { origin }.into()));
        }
        if head.size == last && verified.index().0.checked_add(1) == Some(last.0) {
            Ok(())
        } else {
            Err(ChainError::Place { link: place })
        }
    }

    fn end(mut self) -> Policies {
        let last = Size(u64::MAX);
        self.ended.push(Turn {
            since: self.since,
            range: PolicyRange::new(self.policy, self.first, last),
            cose: self.keys.within(self.first, last),
        });
        Policies {
            genesis: self.genesis.hash(),
            turns: self.ended,
        }
    }
}

impl Policies {
    /// The policies of a network whose validators never changed.
    #[must_use]
    pub fn of_genesis(genesis: &Genesis) -> Self {
        Walk::new(genesis).end()
    }
}
