//! A log whose validators change once, and everything that can be signed under its last checkpoint,
//! by either set. No rule changes validators yet, so the seal that names the second set is made by
//! hand, and an audit by the rules ends there.

use crate::support::{Built, PARTICIPANT, cosign, ends, framed, key, name, write};
use medanchor_ledger::checkpoint::Checkpoint;
use medanchor_ledger::cose_receipt::{CoseProof, TransparentStatement};
use medanchor_ledger::cosignature::{Cosignature, Gathering};
use medanchor_ledger::document::{AccessReceipt, HistoryPage, StateDocument};
use medanchor_ledger::event::{
    AccessRequest, Event, EventBody, GranteeOpening, KemSuite, ReaderKey, RecordSeal,
};
use medanchor_ledger::fork::Fork;
use medanchor_ledger::merkle::{Leaves, inclusion_proof, leaf_hash};
use medanchor_ledger::note::Note;
use medanchor_ledger::policy::{Link, Policy, PolicyChain};
use medanchor_ledger::receipt::Receipt;
use medanchor_ledger::seal::Seal;
use medanchor_ledger::validator::{Validator, ValidatorSet};
use medanchor_ledger::*;
use medanchor_vault::custody::{EvidenceFile, Fact};
use std::fs;
use std::path::{Path, PathBuf};

/// The height whose seal names the second set.
pub const CHANGE: u64 = 3;
/// The participant whose event is proved, and the tag and key of what is.
const HOSPITAL: u8 = 1;
pub const TAG: &str = "01010101010101010101010101010101";
/// The entry that receipts are for.
const ENTRY: u64 = 1;

/// When all is signed that nothing else is said of, and later.
pub const EARLY: Time = Time(1_700_000_100_000);
pub const LATE: Time = Time(1_700_000_200_000);

/// Which set signs the last checkpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signers {
    /// That of genesis, which has left.
    Old,
    /// The one that followed it.
    New,
}

pub struct World {
    built: Built,
    second: Vec<(u8, ParticipantName)>,
    pub request: EventId,
    pub chain: PolicyChain,
    /// The last size of the first set.
    pub last: u64,
}

fn commitment() -> Commitment {
    Commitment::new(TreeHash::new([9; 32]))
}

fn sealed() -> EventBody {
    let body = RecordSeal {
        record: RecordHandle::new([1; 16]),
        version: 1,
        tag: TAG.parse().expect("a tag"),
        class: ClassHandle::new([1; 16]),
        commitment: commitment(),
        ciphertext: CiphertextHash::new([2; 32]),
        vault_part: VaultPartHash::new([3; 32]),
        key_check: KeyCheck::new([4; 16]),
    };
    body.into()
}

fn asked() -> EventBody {
    let body = AccessRequest {
        request: RequestHandle::new([1; 16]),
        owner: name(HOSPITAL),
        record: RecordHandle::new([1; 16]),
        consent: ConsentHandle::new([1; 16]),
        purpose: PurposeHandle::new([1; 16]),
        opening: GranteeOpening::new([42; 16]),
        member: None,
        reader_key: ReaderKey {
            suite: KemSuite::X25519,
            hash: [5; 32],
        },
        commitment: commitment(),
    };
    body.into()
}

/// So many who are not in the first set.
fn strangers(members: u8) -> impl Iterator<Item = (u8, ParticipantName)> {
    (0..members).map(|number| {
        let name = format!("later-{number}");
        (20 + number, name.parse().expect("a name"))
    })
}

fn set_of(members: &[(u8, ParticipantName)]) -> ValidatorSet {
    let validators = members.iter().map(|(number, name)| Validator {
        name: name.clone(),
        consensus: key(*number, 1).public_key(),
        log: key(*number, 2).public_key(),
        cosigner: key(*number, 3).public_key(),
        cose: key(*number, 4).public_key(),
    });
    ValidatorSet::new(validators.collect()).expect("a set")
}

impl World {
    pub fn new() -> Self {
        Self::followed_by(4)
    }

    /// The same network, whose first set is followed by so many others.
    pub fn followed_by(members: u8) -> Self {
        Self::with(strangers(members).collect())
    }

    /// The same network, of whose first set validator 0 alone stays.
    pub fn of_which_one_stays() -> Self {
        let stays = std::iter::once((0, name(0)));
        Self::with(stays.chain(strangers(3)).collect())
    }

    fn with(second: Vec<(u8, ParticipantName)>) -> Self {
        let mut built = Built::new("departed.medanchor.example");
        built.block_of(vec![(HOSPITAL, sealed())]);
        let request = built.event(2, asked());
        let id = request.id();
        built.block_by(vec![(request, key(2, PARTICIPANT))]);
        built.block_of(Vec::new());
        let origin = built.genesis.origin();
        let policy = Policy::of_later_validators(origin, &set_of(&second), Height(CHANGE + 1));
        let policy = policy.expect("a policy");
        let entry = built.blocks.last_mut().and_then(|block| block.last_mut());
        let entry = entry.expect("a seal");
        let mut seal = Seal::decode(entry).expect("a seal");
        seal.next_policy = policy.hash();
        *entry = seal.encode();
        let last = built.size();
        let mut chain = PolicyChain::of_genesis(&built.genesis);
        chain.links.push(Link {
            policy,
            seal: seal.encode().into(),
            receipt: built.receipt(last - 1).parse_receipt(),
        });
        built.idle(1000);
        built.idle(1000);
        Self {
            built,
            second,
            request: id,
            chain,
            last,
        }
    }

    pub fn size(&self) -> u64 {
        self.built.size()
    }

    pub fn head(&self) -> Checkpoint {
        self.built.checkpoints().pop().expect("a checkpoint")
    }

    /// The last checkpoint that the first set may sign.
    pub fn last_head(&self) -> Checkpoint {
        let mut heads = self.built.checkpoints().into_iter();
        let last = heads.find(|head| head.size.0 == self.last);
        last.expect("a checkpoint")
    }

    fn gathered(&self, head: &Checkpoint, by: Signers, time: Time) -> Gathering {
        let (set, members) = match by {
            Signers::Old => (
                self.built.genesis.validators().clone(),
                (0..4).map(|number| (number, name(number))).collect(),
            ),
            Signers::New => (set_of(&self.second), self.second.clone()),
        };
        let mut gathering = Gathering::new(head.clone(), set);
        for (number, name) in members {
            let keys = (key(number, 2), key(number, 3));
            let record = Cosignature::sign(head, &name, &keys.0, &keys.1, time);
            let record = record.expect("a cosignature");
            let record = record.with_cose(head, &key(number, 4));
            gathering.add(&record).expect("a good cosignature");
        }
        gathering
    }

    /// A checkpoint with the signatures of one set.
    pub fn signed(&self, head: &Checkpoint, by: Signers, time: Time) -> Note {
        let gathered = self.gathered(head, by, time);
        gathered.note().expect("a quorum")
    }

    fn note(&self, by: Signers) -> Note {
        self.signed(&self.head(), by, EARLY)
    }

    /// The log with its last checkpoint signed by these, and a chain.
    fn publish(&self, folder: &Path, by: Signers, chain: &PolicyChain) {
        self.built.publish(folder);
        write(folder, "policy-chain", &chain.encode());
        let note = self.note(by).to_string();
        write(folder, "checkpoint", note.as_bytes());
        let heads = self.built.checkpoints().into_iter().skip(1);
        let heads = heads.filter(|head| head.size.0 <= self.last);
        let records = heads.flat_map(|head| (0..4).map(move |by| cosign(&head, by).encode()));
        write(folder, "cosignatures", &framed(records));
    }

    /// Everything that rests on the last checkpoint, signed by these, in one folder, but documents.
    pub fn lay(&self, folder: &Path, by: Signers, chain: &PolicyChain) {
        self.publish(&folder.join("log"), by, chain);
        write(folder, "genesis", self.built.genesis.encoded());
        write(folder, "chain", &chain.encode());
        write(folder, "releases", &no_releases());
        write(folder, "slips", b"");
        let (note, head) = (self.note(by), self.head());
        write(folder, "friday", note.to_string().as_bytes());
        let monday = self
            .built
            .note_at(usize::try_from(CHANGE).expect("a height"));
        write(folder, "monday", monday.to_string().as_bytes());
        let mut other = head;
        other.root = TreeHash::new([7; 32]);
        let other = self.signed(&other, by, EARLY);
        let fork = Fork::new(note.clone(), other, None).expect("a fork");
        write(folder, "fork", fork.to_string().as_bytes());
        let seen = format!(
            "medanchor/observation@v1\nkind stall\nseconds 1700000000\nof a log\nsays nothing new\n\n{note}"
        );
        write(folder, "observation", seen.as_bytes());
        self.lay_receipts(folder, by);
    }

    fn lay_receipts(&self, folder: &Path, by: Signers) {
        let place = usize::try_from(ENTRY).expect("a place");
        let entry = self.built.entries().nth(place).expect("an entry");
        let mut receipt = self.built.receipt(ENTRY).parse_receipt();
        receipt.checkpoint = self.note(by);
        write(folder, "event", entry);
        write(folder, "receipt", receipt.to_string().as_bytes());
        let leaves: Vec<TreeHash> = self.built.entries().map(|entry| leaf_hash(entry)).collect();
        let (index, size) = (Index(ENTRY), Size(self.size()));
        let path = inclusion_proof(&Leaves(&leaves), index, size).expect("a proof");
        let gathered = self.gathered(&self.head(), by, EARLY);
        let statement = TransparentStatement {
            event: Event::decode(entry).expect("an event"),
            receipts: gathered
                .cose_receipts(&CoseProof::Inclusion { index, path })
                .expect("a quorum"),
        };
        write(folder, "statement", &statement.encode());
    }

    /// The documents that were made from the second set's log, with the last checkpoint signed by
    /// these.
    pub fn lay_documents(&self, made: &Path, folder: &Path, by: Signers) {
        let read = |name: &str| fs::read(made.join(name)).expect(name);
        let note = self.note(by);
        let mut state = StateDocument::decode(&read("state")).expect("a document");
        state.seal.receipt.checkpoint = note.clone();
        write(folder, "state", &state.encode());
        let mut history = HistoryPage::decode(&read("history")).expect("a page");
        let last = history.state.as_mut().expect("a last page");
        last.seal.receipt.checkpoint = note.clone();
        write(folder, "history", &history.encode());
        let mut access = AccessReceipt::decode(&read("access")).expect("a receipt");
        access.seal.receipt.checkpoint = note;
        write(folder, "access", &access.encode());
        let evidence = fs::read(evidence()).expect("a vector");
        let evidence = EvidenceFile::decode(&evidence).expect("evidence");
        let document = state;
        let facts = vec![Fact {
            document,
            event: None,
        }];
        let file = EvidenceFile::new(evidence.into_evidence(), facts);
        write(folder, "evidence", &file.encode());
    }

    /// Makes the documents of `folder` from its log, which must be the second set's.
    pub fn make_documents(&self, folder: &Path) {
        let path = |name: &str| folder.join(name).to_str().expect("text").to_owned();
        let (log, height, id) = (path("log"), "2", self.request.to_string());
        let owner = name(HOSPITAL).to_string();
        let [state, history, access] = ["state", "history", "access"].map(path);
        for args in [
            &["state", "--key", KEY, "--height", height, "--out", &state][..],
            &[
                "history", "--owner", &owner, "--tag", TAG, "--height", height, "--out", &history,
            ],
            &["access", "--event", &id, "--out", &access],
        ] {
            let (code, said) = ends(&[args, &["--log", &log]].concat());
            assert_eq!(code, 0, "{args:?}: {said}");
        }
    }
}

/// A state key under which nothing stands.
pub const KEY: &str = "70000000000000000000000000000000";

/// A custodian's log of releases without entries.
fn no_releases() -> Vec<u8> {
    let mut writer = medanchor_ledger::cbor::Writer::new();
    let root = medanchor_ledger::merkle::root_of_leaves(std::iter::empty());
    writer.array(3).uint(0).bytes(root.as_bytes()).array(0);
    writer.into_bytes()
}

fn evidence() -> PathBuf {
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("../vectors");
    vectors.join("custody-evidence/good-release.evidence")
}

trait Text {
    fn parse_receipt(&self) -> Receipt;
}

impl Text for String {
    fn parse_receipt(&self) -> Receipt {
        Receipt::parse(self.as_bytes()).expect("a receipt")
    }
}
