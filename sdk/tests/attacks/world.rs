//! Networks whose keys follow from their numbers, and a log of real events.

use crate::judge::{Hex, Member, Trusted};
use medanchor_ledger::certificate::{Certificate, Vote, VoteKind};
use medanchor_ledger::checkpoint::Checkpoint;
use medanchor_ledger::cosignature::{Cosignature, Gathering};
use medanchor_ledger::event::{ConsentRevoke, EventBody, UnsignedEvent};
use medanchor_ledger::merkle::{Leaves, inclusion_proof, leaf_hash, root_at};
use medanchor_ledger::note::{KeyName, Note};
use medanchor_ledger::policy::Policy;
use medanchor_ledger::receipt::Receipt;
use medanchor_ledger::signature::SigningKey;
use medanchor_ledger::validator::{Validator, ValidatorSet};
use medanchor_ledger::{
    ConsentHandle, Height, Index, NetworkId, Nonce, ParticipantName, Round, Size, Time, TreeHash,
    ValueId,
};

const NAMES: [&str; 7] = [
    "clinic",
    "depot",
    "hospital",
    "maker",
    "pharmacy",
    "regulator",
    "state",
];

pub fn name(number: usize) -> ParticipantName {
    NAMES[number].parse().unwrap()
}

/// A network, of which members take part by number.
pub struct Network {
    pub number: u8,
    pub members: Vec<usize>,
}

impl Network {
    pub fn new(number: u8, members: &[usize]) -> Self {
        Self {
            number,
            members: members.to_vec(),
        }
    }

    pub fn id(&self) -> NetworkId {
        NetworkId::new([self.number; 16])
    }

    pub fn origin(&self) -> KeyName {
        format!("attacks.example/{}", self.id()).parse().unwrap()
    }

    /// The key of one purpose of a member: 0 consensus, 1 log, 2 cosigner, 3 COSE.
    pub fn key(&self, member: usize, purpose: u8) -> SigningKey {
        let mut seed = [0xC3; 32];
        seed[..3].copy_from_slice(&[self.number, u8::try_from(member).unwrap(), purpose]);
        SigningKey::from_seed(&seed)
    }

    pub fn set(&self) -> ValidatorSet {
        let validator = |member: &usize| {
            let public = |purpose| self.key(*member, purpose).public_key();
            Validator {
                name: name(*member),
                consensus: public(0),
                log: public(1),
                cosigner: public(2),
                cose: public(3),
            }
        };
        ValidatorSet::new(self.members.iter().map(validator).collect()).unwrap()
    }

    /// The same, as a file has it.
    pub fn listed(&self) -> Vec<Member> {
        let listed = |validator: &Validator| {
            let key = |key: medanchor_ledger::signature::PublicKey| Hex(key.as_bytes().to_vec());
            Member {
                name: validator.name.to_string(),
                consensus: key(validator.consensus),
                log: key(validator.log),
                cosigner: key(validator.cosigner),
                cose: key(validator.cose),
            }
        };
        self.set().iter().map(listed).collect()
    }

    pub fn policy(&self) -> String {
        let policy = Policy::of_validators(&self.origin(), &self.set()).unwrap();
        String::from_utf8(policy.as_bytes().to_vec()).unwrap()
    }

    pub fn trusted(&self) -> Trusted {
        Trusted {
            policy: self.policy(),
            first_size: 1,
            last_size: u64::MAX,
        }
    }

    pub fn checkpoint(&self, size: u64, root: TreeHash) -> Checkpoint {
        Checkpoint {
            origin: self.origin(),
            size: Size(size),
            root,
        }
    }

    pub fn cosign(&self, member: usize, checkpoint: &Checkpoint) -> Cosignature {
        let (log, cosigner) = (self.key(member, 1), self.key(member, 2));
        let time = Time(1_790_000_000_000 + member as u64 * 1000);
        Cosignature::sign(checkpoint, &name(member), &log, &cosigner, time).unwrap()
    }

    /// The checkpoint with a quorum.
    pub fn signed(&self, checkpoint: &Checkpoint) -> Note {
        let mut gathering = Gathering::new(checkpoint.clone(), self.set());
        for member in &self.members {
            gathering.add(&self.cosign(*member, checkpoint)).unwrap();
        }
        gathering.note().unwrap()
    }

    /// The checkpoint with one log signature and the cosignatures of these members, in order.
    pub fn signed_by(&self, checkpoint: &Checkpoint, cosigners: &[usize]) -> String {
        let log = checkpoint.sign(&self.key(self.members[0], 1));
        let time = |member: usize| Time(1_790_000_000_000 + member as u64 * 1000);
        let cosigned = cosigners.iter().map(|member| {
            let key = self.key(*member, 2);
            checkpoint
                .cosign(&name(*member), &key, time(*member))
                .unwrap()
        });
        let signatures = std::iter::once(log).chain(cosigned).collect();
        Note::new(&checkpoint.to_string(), signatures)
            .unwrap()
            .to_string()
    }

    /// What these members decided at a height.
    pub fn certificate(&self, height: u64, members: &[usize]) -> Certificate {
        let (height, round, value) = (Height(height), Round(0), ValueId::new([0xab; 32]));
        let vote = |member: &usize| {
            let vote = Vote {
                network: self.id(),
                kind: VoteKind::Precommit,
                height,
                round,
                value: Some(value),
                validator: name(*member),
            };
            (name(*member), vote.sign(&self.key(*member, 0)))
        };
        Certificate::new(height, round, value, members.iter().map(vote).collect()).unwrap()
    }

    /// Event `number` of the network's log.
    pub fn event(&self, number: u8) -> Vec<u8> {
        let unsigned = UnsignedEvent {
            issuer: name(2),
            network: self.id(),
            nonce: Nonce::new([number; 16]),
            not_after: Time(1_790_000_900_000),
            body: EventBody::from(ConsentRevoke {
                consent: ConsentHandle::new([number; 16]),
            }),
        };
        unsigned
            .sign(&SigningKey::from_seed(&[0x11; 32]))
            .unwrap()
            .encoded()
            .to_vec()
    }

    /// The leaf hashes of a log of so many events.
    pub fn leaves(&self, size: u8) -> Vec<TreeHash> {
        (0..size)
            .map(|number| leaf_hash(&self.event(number)))
            .collect()
    }

    pub fn receipt(&self, index: u8, size: u8) -> Receipt {
        let leaves = self.leaves(size);
        let whole = Size(size.into());
        let root = root_at(&Leaves(&leaves), whole).unwrap();
        Receipt {
            index: Index(index.into()),
            proof: inclusion_proof(&Leaves(&leaves), Index(index.into()), whole).unwrap(),
            checkpoint: self.signed(&self.checkpoint(size.into(), root)),
            extra: None,
        }
    }
}
