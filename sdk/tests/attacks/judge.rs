//! One attack: its file, and what the public verifiers say to it.

use base64::{Engine, engine::general_purpose::STANDARD};
use medanchor_ledger::certificate::{Certificate, CertificateError};
use medanchor_ledger::checkpoint::Checkpoint;
use medanchor_ledger::cosignature::{Cosignature, CosignatureError, Gathering};
use medanchor_ledger::fork::{Fork, ForkError};
use medanchor_ledger::merkle::tile::{Tile, TileId, TileNodes, TileReader};
use medanchor_ledger::merkle::{
    NoProof, ProofError, inclusion_proof, verify_consistency, verify_inclusion,
};
use medanchor_ledger::note::{Note, NoteError, VerifierKey};
use medanchor_ledger::policy::{Distrust, Policy, PolicyError, PolicyRange};
use medanchor_ledger::receipt::{Receipt, Unproved};
use medanchor_ledger::signature::PublicKey;
use medanchor_ledger::state::{StateKey, StateProof, StateProofError};
use medanchor_ledger::validator::{Validator, ValidatorSet};
use medanchor_ledger::{Commitment, Index, ReadFailed, Size, StateRoot, TreeHash};
use medanchor_sdk::{ProofError as SdkError, verify_receipt_in};
use medanchor_vault::{Disclosure, DisclosureError};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// A file of `vectors/attacks`.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Attack {
    pub attack: String,
    pub expected: Verdict,
    pub input: Input,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Verdict {
    pub verdict: String,
    pub error: Option<String>,
}

/// Bytes, in hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hex(pub Vec<u8>);

impl Serialize for Hex {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(&self.0))
    }
}

impl<'de> Deserialize<'de> for Hex {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        hex::decode(text)
            .map(Self)
            .map_err(serde::de::Error::custom)
    }
}

impl Hex {
    fn hash(&self) -> TreeHash {
        self.0.as_slice().try_into().expect("32 bytes")
    }
}

/// A policy and the sizes for which it stands.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trusted {
    pub policy: String,
    pub first_size: u64,
    pub last_size: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Member {
    pub name: String,
    pub consensus: Hex,
    pub log: Hex,
    pub cosigner: Hex,
    pub cose: Hex,
}

/// What a verifier is given.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "verifier", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Input {
    Inclusion {
        index: u64,
        size: u64,
        root: Hex,
        leaf: Hex,
        proof: Vec<Hex>,
    },
    Consistency {
        old_size: u64,
        old_root: Hex,
        new_size: u64,
        new_root: Hex,
        proof: Vec<Hex>,
    },
    Tiles {
        size: u64,
        root: Hex,
        index: u64,
        leaf: Hex,
        tiles: BTreeMap<String, Hex>,
    },
    Policy {
        policy: String,
    },
    Checkpoint {
        trusted: Trusted,
        note: String,
    },
    Receipt {
        trusted: Trusted,
        event: Hex,
        receipt: String,
    },
    Checkpoints {
        trusted: Trusted,
        notes: [String; 2],
    },
    Cosignatures {
        validators: Vec<Member>,
        checkpoint: String,
        records: Vec<Hex>,
    },
    Certificate {
        validators: Vec<Member>,
        network: Hex,
        certificate: Hex,
    },
    State {
        root: Hex,
        key: Hex,
        value: Option<Hex>,
        proof: Hex,
    },
    Disclosure {
        commitment: Hex,
        disclosure: Hex,
    },
}

/// What the product says.
pub fn judge(input: &Input) -> Verdict {
    let error = verify(input).err();
    let verdict = if error.is_some() {
        "rejected"
    } else {
        "accepted"
    };
    Verdict {
        verdict: verdict.to_owned(),
        error: error.map(str::to_owned),
    }
}

type Judged = Result<(), &'static str>;

fn verify(input: &Input) -> Judged {
    match input {
        Input::Inclusion {
            index,
            size,
            root,
            leaf,
            proof,
        } => {
            let proof: Vec<_> = proof.iter().map(Hex::hash).collect();
            let (index, size) = (Index(*index), Size(*size));
            verify_inclusion(index, size, &leaf.hash(), &proof, &root.hash()).map_err(proof_code)
        }
        Input::Consistency {
            old_size,
            old_root,
            new_size,
            new_root,
            proof,
        } => {
            let proof: Vec<_> = proof.iter().map(Hex::hash).collect();
            let (old, new) = (Size(*old_size), Size(*new_size));
            verify_consistency(old, &old_root.hash(), new, &new_root.hash(), &proof)
                .map_err(proof_code)
        }
        Input::Tiles {
            size,
            root,
            index,
            leaf,
            tiles,
        } => from_tiles(Index(*index), Size(*size), root, leaf, tiles),
        Input::Policy { policy } => Policy::parse(policy.as_bytes())
            .map(drop)
            .map_err(|error| policy_code(&error)),
        Input::Checkpoint { trusted, note } => {
            let note = Note::parse(note.as_bytes()).map_err(|_| "note")?;
            let verdict = range(trusted)?.verify_checkpoint(&note);
            verdict.map(drop).map_err(|error| distrust_code(&error))
        }
        Input::Receipt {
            trusted,
            event,
            receipt,
        } => receipt_of(trusted, &event.0, receipt),
        Input::Checkpoints { trusted, notes } => checkpoints(trusted, notes),
        Input::Cosignatures {
            validators,
            checkpoint,
            records,
        } => cosignatures(validators, checkpoint, records),
        Input::Certificate {
            validators,
            network,
            certificate,
        } => {
            let network = network.0.as_slice().try_into().expect("16 bytes");
            let certificate = Certificate::decode(&certificate.0).map_err(|_| "encoding")?;
            let verdict = certificate.verify(&set(validators)?, network);
            verdict.map_err(|error| certificate_code(&error))
        }
        Input::State {
            root,
            key,
            value,
            proof,
        } => {
            let key = StateKey::new(&key.0).map_err(|_| "key")?;
            let proof = StateProof::decode(&proof.0).map_err(|_| "encoding")?;
            let root = StateRoot::new(*root.hash().as_bytes());
            let value = value.as_ref().map(|value| value.0.as_slice());
            proof.verify(&root, &key.path(), value).map_err(state_code)
        }
        Input::Disclosure {
            commitment,
            disclosure,
        } => {
            let commitment = Commitment::try_from(&commitment.0[..]).map_err(|_| "commitment")?;
            let shown = Disclosure::decode(&disclosure.0).and_then(|read| read.verify(&commitment));
            shown.map(drop).map_err(|error| disclosure_code(&error))
        }
    }
}

fn range(trusted: &Trusted) -> Result<PolicyRange, &'static str> {
    let policy = Policy::parse(trusted.policy.as_bytes()).map_err(|_| "policy")?;
    Ok(PolicyRange::new(
        policy,
        Size(trusted.first_size),
        Size(trusted.last_size),
    ))
}

/// The ledger and the SDK say the same; the SDK also wants an event and a quorum, and says so first,
/// but what is wrong with the proof itself is the ledger's to say.
fn receipt_of(trusted: &Trusted, event: &[u8], text: &str) -> Judged {
    let range = range(trusted)?;
    let receipt = Receipt::parse(text.as_bytes()).map_err(|_| "receipt")?;
    let ours = receipt
        .verify(event, &range)
        .map(drop)
        .map_err(|error| unproved_code(&error));
    match verify_receipt_in(&range, event, text.as_bytes()) {
        Err(SdkError::Event(_)) => ours.and(Err("not-an-event")),
        Err(SdkError::NoQuorum(_)) => ours.and(Err("no-quorum")),
        sdk => {
            let sdk = sdk.map(drop).map_err(|error| match error {
                SdkError::Unproved(error) => unproved_code(&error),
                _ => "receipt",
            });
            assert_eq!(ours, sdk);
            sdk
        }
    }
}

/// Each of the two is good by itself; both together must be possible. Sizes are equal here: between
/// others it is a consistency proof that judges.
fn checkpoints(trusted: &Trusted, notes: &[String; 2]) -> Judged {
    let range = range(trusted)?;
    let [one, other] = notes.each_ref().map(|note| Note::parse(note.as_bytes()));
    let (one, other) = (one.map_err(|_| "note")?, other.map_err(|_| "note")?);
    for note in [&one, &other] {
        let verdict = range.verify_checkpoint(note);
        verdict.map_err(|error| distrust_code(&error))?;
    }
    let fork = match Fork::new(one, other, None) {
        Err(ForkError::Consistent) => return Ok(()),
        fork => fork.map_err(|_| "other")?,
    };
    // Two quorums of one set share more than a third of it, and whoever signed both is convicted,
    // also by the file that is left as evidence.
    let evidence = Fork::parse(fork.to_string().as_bytes()).map_err(|_| "other")?;
    let convicted = evidence.verify(range.policy()).map_err(|_| "other")?;
    let faulty = |key: &VerifierKey| range.policy().witnesses().any(|witness| witness == key);
    let count = convicted.both.iter().filter(|key| faulty(key)).count();
    assert!(convicted.accepted == (true, true) && count * 3 > range.policy().witnesses().count());
    Err("fork")
}

fn cosignatures(validators: &[Member], checkpoint: &str, records: &[Hex]) -> Judged {
    let checkpoint: Checkpoint = checkpoint.parse().map_err(|_| "checkpoint")?;
    let mut gathering = Gathering::new(checkpoint, set(validators)?);
    for record in records {
        let record = Cosignature::decode(&record.0).map_err(|_| "encoding")?;
        gathering.add(&record).map_err(|error| match error {
            CosignatureError::Stranger { .. } => "stranger",
            CosignatureError::Size { .. } => "size",
            CosignatureError::Fork { .. } => "fork",
            CosignatureError::Signature { .. } => "signature",
            _ => "encoding",
        })?;
    }
    gathering.note().map(drop).ok_or("no-quorum")
}

fn set(members: &[Member]) -> Result<ValidatorSet, &'static str> {
    let key = |key: &Hex| PublicKey::ed25519(*key.0.as_array().ok_or("key")?).map_err(|_| "key");
    let validator = |member: &Member| {
        Ok(Validator {
            name: member.name.parse().map_err(|_| "name")?,
            consensus: key(&member.consensus)?,
            log: key(&member.log)?,
            cosigner: key(&member.cosigner)?,
            cose: key(&member.cose)?,
        })
    };
    let validators: Result<Vec<_>, &'static str> = members.iter().map(validator).collect();
    ValidatorSet::new(validators?).map_err(|_| "set")
}

/// The published files of a log.
struct Published<'a>(&'a BTreeMap<String, Hex>);

impl TileReader for Published<'_> {
    fn tile(&self, id: TileId) -> Result<Tile, ReadFailed> {
        let missing = || ReadFailed(format!("no {id}").into());
        let bytes = self.0.get(&id.to_string()).ok_or_else(missing)?;
        Tile::decode(id, &bytes.0).map_err(|error| ReadFailed(error.into()))
    }
}

fn from_tiles(
    index: Index,
    size: Size,
    root: &Hex,
    leaf: &Hex,
    tiles: &BTreeMap<String, Hex>,
) -> Judged {
    let nodes = TileNodes::new(Published(tiles), size);
    let proof = inclusion_proof(&nodes, index, size).map_err(|error| match error {
        NoProof::Impossible(error) => proof_code(error),
        _ => "unreadable",
    })?;
    verify_inclusion(index, size, &leaf.hash(), &proof, &root.hash()).map_err(proof_code)
}

const fn proof_code(error: ProofError) -> &'static str {
    match error {
        ProofError::OutsideTree { .. } => "outside-tree",
        ProofError::Shrunk { .. } => "shrunk",
        ProofError::FromEmptyTree => "from-empty-tree",
        ProofError::Length => "length",
        ProofError::Root => "root",
        _ => "other",
    }
}

const fn policy_code(error: &PolicyError) -> &'static str {
    match error {
        PolicyError::DuplicateKey { .. } => "duplicate-key",
        PolicyError::SecondGroup { .. } => "second-group",
        PolicyError::Threshold { .. } => "threshold",
        PolicyError::Key {
            cause: NoteError::SignatureType(_),
            ..
        } => "key-type",
        PolicyError::Key { .. } => "key",
        PolicyError::TooMany { .. } => "too-many",
        _ => "other",
    }
}

const fn distrust_code(error: &Distrust) -> &'static str {
    match error {
        Distrust::Note(_) => "note",
        Distrust::Checkpoint(_) => "checkpoint",
        Distrust::Signature { .. } => "signature",
        Distrust::NoLog { .. } => "no-log",
        Distrust::NoQuorum { .. } => "no-quorum",
        Distrust::OutsideRange { .. } => "outside-range",
        _ => "other",
    }
}

const fn unproved_code(error: &Unproved) -> &'static str {
    match error {
        Unproved::Checkpoint(error) => distrust_code(error),
        Unproved::Inclusion(error) => proof_code(*error),
        _ => "other",
    }
}

const fn certificate_code(error: &CertificateError) -> &'static str {
    match error {
        CertificateError::Stranger { .. } => "stranger",
        CertificateError::Signature { .. } => "signature",
        CertificateError::NoQuorum { .. } => "no-quorum",
        _ => "other",
    }
}

const fn state_code(error: StateProofError) -> &'static str {
    match error {
        StateProofError::Claim => "claim",
        StateProofError::Place => "place",
        StateProofError::Root => "root",
        _ => "other",
    }
}

const fn disclosure_code(error: &DisclosureError) -> &'static str {
    match error {
        DisclosureError::Unproven => "unproven",
        _ => "encoding",
    }
}

/// The base64 of a hash, as texts have it.
pub fn base64(hash: &TreeHash) -> String {
    STANDARD.encode(hash.as_bytes())
}
