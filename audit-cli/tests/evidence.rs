//! `evidence` of broken custody: whoever cheated is named, offline, and nobody else is, whatever the file
//! says. The frozen files of `vectors/custody-evidence` are what custodians and readers hand over.
//!
//! `cargo test -p medanchor-audit --test evidence -- --ignored` writes them anew.

#[path = "evidence/logged.rs"]
mod logged;
#[path = "evidence/logs.rs"]
mod logs;
#[path = "evidence/refusal.rs"]
mod refusal;
#[path = "evidence/sealing.rs"]
mod sealing;
mod support;

use medanchor_ledger::cbor::Writer;
use medanchor_ledger::document::{SealProof, StateClaim, StateDocument};
use medanchor_ledger::event::{
    AccessBreakGlass, Event, EventBody, KemSuite, RecordSeal, UnsignedEvent,
};
use medanchor_ledger::execute::View;
use medanchor_ledger::genesis::Genesis;
use medanchor_ledger::receipt::Receipt;
use medanchor_ledger::rules::{BreakGlass, Participant, Record};
use medanchor_ledger::signature::Signature;
use medanchor_ledger::state::StateKey;
use medanchor_ledger::*;
use medanchor_vault::RecordVersion;
use medanchor_vault::custody::{
    Acknowledgement, Custodied, Deal, Evidence, EvidenceFile, Fact, OpeningKey, Place, Points,
    Release, Share, ShareIndex, Signed, VaultRelease,
};
use medanchor_vault::secret::{AnswerKey, VaultPart};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use support::{Built, PARTICIPANT, ends, key, name};

const HOSPITAL: u8 = 1;
const STRANGER: u8 = 2;
const CUSTODIAN: u8 = 4;
const RECORD: RecordHandle = RecordHandle::new([1; 16]);
const REQUEST: RequestHandle = RequestHandle::new([2; 16]);

/// A ledger with a record that a custodian has a share of, and a request for it.
struct World {
    built: Built,
    sealed: Event,
    request: Event,
}

fn reader() -> OpeningKey {
    OpeningKey::decode(KemSuite::X25519, &[0x77; 32]).expect("a key")
}

fn world() -> World {
    let mut built = Built::new("evidence.medanchor.example");
    let hash = Commitment::new(TreeHash::new([3; 32]));
    let sealed = RecordSeal {
        record: RECORD,
        version: 1,
        tag: Tag::new([1; 16]),
        class: ClassHandle::new([1; 16]),
        commitment: hash,
        ciphertext: CiphertextHash::new([1; 32]),
        vault_part: VaultPart::new([6; 32]).hash(),
        key_check: KeyCheck::new([1; 16]),
    };
    let request = AccessBreakGlass {
        request: REQUEST,
        owner: name(HOSPITAL),
        record: RECORD,
        reader_key: reader().public().reader_key(),
        commitment: hash,
    };
    let mut event = |body: EventBody| {
        let event = built.event(HOSPITAL, body);
        built.block_by(vec![(event.clone(), key(HOSPITAL, PARTICIPANT))]);
        event
    };
    let (sealed, request) = (event(sealed.into()), event(request.into()));
    World {
        built,
        sealed,
        request,
    }
}

fn signs(number: u8) -> impl Fn(&[u8]) -> Signature {
    move |bytes| key(number, PARTICIPANT).sign(bytes)
}

fn place() -> Place {
    Place {
        custodian: name(CUSTODIAN),
        epoch: 1,
        index: ShareIndex::new(2).expect("a place"),
    }
}

/// Points that nobody's share of these tests fits.
fn points() -> Points {
    let deal = vectors("custody").join("good-deal-x25519.cbor");
    let deal: Signed<Deal> = Signed::decode(&std::fs::read(deal).expect("a file")).expect("a deal");
    deal.says().points.clone()
}

impl World {
    fn record(&self) -> Custodied {
        Custodied {
            owner: name(HOSPITAL),
            record: RecordVersion {
                network: self.built.genesis.network_id(),
                record: RECORD,
                version: 1,
            },
        }
    }

    /// A custodian's answer with a share that nobody dealt.
    fn release(&self, share: u8, by: u8) -> Signed<Release> {
        let mut bytes = [0; Share::LENGTH];
        (bytes[0], bytes[32]) = (share, 1);
        let share = Share::decode(&bytes).expect("a share");
        let sealed = (&share, &AnswerKey::new([3; 32]));
        let reader = reader();
        let release = Release::new(
            self.record(),
            self.request.id(),
            place(),
            sealed,
            reader.public(),
        );
        Signed::new(release.expect("an answer"), signs(by))
    }

    fn bad_release(&self, by: u8) -> Evidence {
        let acknowledged = Acknowledgement {
            record: self.record(),
            place: place(),
            points: points().hash(),
        };
        let acknowledged = Signed::new(acknowledged, signs(CUSTODIAN));
        Evidence::bad_release(self.release(5, by), acknowledged, points(), reader())
    }

    fn vault_release(&self, part: u8) -> Evidence {
        let (part, reader) = (VaultPart::new([part; 32]), reader());
        let sealed = (&part, &AnswerKey::new([3; 32]));
        let (record, request) = (self.record(), self.request.id());
        let sign = signs(HOSPITAL);
        let release = VaultRelease::new(record, request, sealed, reader.public(), sign);
        Evidence::bad_vault_release(release.expect("an answer"), reader)
    }

    fn fact(&self, key: &StateKey, event: Option<&Event>) -> Fact {
        let last = self.built.executed.last().expect("a block").seal.clone();
        let index = last.first.0 + last.count;
        let receipt = Receipt::parse(self.built.receipt(index).as_bytes()).expect("a receipt");
        let document = StateDocument {
            key: key.clone(),
            claim: StateClaim::of(self.built.memory().map(), key).expect("a proof"),
            seal: SealProof {
                seal: last,
                receipt,
            },
        };
        let event = event.cloned();
        Fact { document, event }
    }

    fn participant(&self, number: u8) -> Fact {
        self.fact(&Participant::key(&name(number)), None)
    }

    fn requested(&self, event: &Event) -> Fact {
        self.fact(&BreakGlass::key(&name(HOSPITAL), &REQUEST), Some(event))
    }

    fn sealed(&self) -> Fact {
        self.fact(&Record::key(&name(HOSPITAL), &RECORD), Some(&self.sealed))
    }

    fn of_release(&self) -> Vec<Fact> {
        vec![self.participant(CUSTODIAN), self.requested(&self.request)]
    }

    fn of_part(&self) -> Vec<Fact> {
        vec![
            self.participant(HOSPITAL),
            self.requested(&self.request),
            self.sealed(),
        ]
    }

    /// Files that convict, with the words that say so.
    fn good(&self) -> BTreeMap<&'static str, (Vec<u8>, &'static str)> {
        let file = |evidence, facts| EvidenceFile::new(evidence, facts).encode().to_vec();
        let two = Evidence::TwoReleases(self.release(5, CUSTODIAN), self.release(6, CUSTODIAN));
        BTreeMap::from([
            (
                "good-release",
                (
                    file(self.bad_release(CUSTODIAN), self.of_release()),
                    "PROVED: river-distribution released another share than the one that it acknowledged",
                ),
            ),
            (
                "good-two-releases",
                (
                    file(two, vec![self.participant(CUSTODIAN)]),
                    "PROVED: river-distribution answered one request in two ways",
                ),
            ),
            (
                "good-vault-release",
                (
                    file(self.vault_release(7), self.of_part()),
                    "PROVED: north-hospital released another part of the key than it anchored",
                ),
            ),
        ])
    }

    /// Files that can be read and convict nobody, with what is said of them.
    fn innocent(&self) -> BTreeMap<&'static str, (Vec<u8>, &'static str)> {
        let file = |evidence, facts| EvidenceFile::new(evidence, facts).encode().to_vec();
        let bad = || self.bad_release(CUSTODIAN);
        let same = Evidence::TwoReleases(self.release(5, CUSTODIAN), self.release(5, CUSTODIAN));
        let others = vec![self.participant(CUSTODIAN), self.requested(&self.sealed)];
        BTreeMap::from([
            (
                "innocent-right-part",
                (file(self.vault_release(6), self.of_part()), "is right"),
            ),
            (
                "innocent-forged-answer",
                (
                    file(self.bad_release(STRANGER), self.of_release()),
                    "did not sign",
                ),
            ),
            (
                "innocent-keys-left-out",
                (
                    file(bad(), vec![self.requested(&self.request)]),
                    "did not sign",
                ),
            ),
            (
                "innocent-request-left-out",
                (
                    file(bad(), vec![self.participant(CUSTODIAN)]),
                    "the ledger has no such",
                ),
            ),
            (
                "innocent-another-event",
                (file(bad(), others), "the ledger has no such"),
            ),
            (
                "innocent-one-answer-twice",
                (
                    file(same, vec![self.participant(CUSTODIAN)]),
                    "do not contradict each other",
                ),
            ),
        ])
    }

    /// Files that cannot be read, with what is said of them.
    fn rejected(&self) -> BTreeMap<&'static str, (Vec<u8>, &'static str)> {
        let good = self.good()["good-two-releases"].0.clone();
        let evidence =
            Evidence::TwoReleases(self.release(5, CUSTODIAN), self.release(6, CUSTODIAN)).encode();
        let document = self.participant(CUSTODIAN).document.encode();
        let made = |evidence: &[u8], documents: &[&[u8]]| {
            let mut writer = Writer::new();
            writer.map(3);
            writer.key(0).text("medanchor/custody-evidence/v1");
            writer.key(1).bytes(evidence);
            writer.key(2).array(documents.len());
            for document in documents {
                writer.array(2).bytes(document).null();
            }
            writer.into_bytes()
        };
        assert_eq!(made(&evidence, &[&document]), good, "the same file by hand");
        let mut kind = evidence.to_vec();
        kind[1] = 9;
        BTreeMap::from([
            (
                "rejected-trailing",
                ([good.as_slice(), &[0]].concat(), "bytes follow"),
            ),
            (
                "rejected-truncated",
                (good[..good.len() - 1].to_vec(), "cut short"),
            ),
            ("rejected-no-facts", (made(&evidence, &[]), "out of bounds")),
            (
                "rejected-five-facts",
                (made(&evidence, &[document.as_slice(); 5]), "out of bounds"),
            ),
            (
                "rejected-evidence-of-unknown-kind",
                (made(&kind, &[&document]), "not the constant"),
            ),
            (
                "rejected-document-truncated",
                (
                    made(&evidence, &[&document[..document.len() - 1]]),
                    "the document is malformed",
                ),
            ),
        ])
    }
}

fn vectors(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../vectors/{folder}"))
}

/// Exit code and text for a file of the folder, by the policy beside it.
fn judged(file: &Path, policy: &Path) -> (i32, String) {
    let [file, policy] = [file, policy].map(|path| path.to_str().expect("text"));
    ends(&["evidence", file, "--policy", policy])
}

/// A frozen file has these bytes still, and judging it by that policy ends so; gives what is printed.
fn frozen(policy: &str, name: &str, bytes: &[u8], (code, words): (i32, &str)) -> String {
    let folder = vectors("custody-evidence");
    let file = folder.join(format!("{name}.evidence"));
    let found = std::fs::read(&file).expect("a frozen file");
    assert_eq!(hex::encode(found), hex::encode(bytes), "{name}");
    let (ended, text) = judged(&file, &folder.join(policy));
    assert!(ended == code, "{name}: {ended} {text}");
    assert!(text.contains(words), "{name}: {text}");
    assert!(code == 0 || !text.contains("PROVED"), "{name}: {text}");
    text
}

#[test]
fn frozen_files_convict_whom_they_convict_and_nobody_else() {
    let world = world();
    for (name, (bytes, words)) in world.good() {
        frozen("policy", name, &bytes, (0, words));
    }
    for (name, (bytes, words)) in world.innocent() {
        frozen("policy", name, &bytes, (1, words));
        assert!(EvidenceFile::decode(&bytes).is_ok(), "{name}");
    }
    for (name, (bytes, words)) in world.rejected() {
        frozen("policy", name, &bytes, (1, words));
        assert!(EvidenceFile::decode(&bytes).is_err(), "{name}");
    }
}

#[test]
fn the_genesis_serves_as_well_and_json_names_the_breach() {
    let (world, folder) = (world(), tempfile::tempdir().expect("a folder"));
    let (file, genesis) = (folder.path().join("file"), folder.path().join("genesis"));
    std::fs::write(&file, &world.good()["good-release"].0).expect("a file");
    std::fs::write(&genesis, world.built.genesis.encoded()).expect("a file");
    let [file, genesis] = [&file, &genesis].map(|path| path.to_str().expect("text"));
    let (code, text) = ends(&["evidence", file, "--genesis", genesis, "--json"]);
    let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!((code, &value["verdict"]), (0, &"proved".into()));
    assert_eq!(
        (&value["who"], &value["breach"]),
        (&"river-distribution".into(), &"bad-release".into())
    );
    assert_eq!(value["request"], world.request.id().to_string());
}

#[test]
fn another_networks_policy_convicts_nobody() {
    let folder = tempfile::tempdir().expect("a folder");
    let (file, policy) = (folder.path().join("file"), folder.path().join("policy"));
    std::fs::write(&file, &world().good()["good-release"].0).expect("a file");
    let other = Built::new("other.medanchor.example");
    std::fs::write(&policy, other.genesis.policy().as_bytes()).expect("a file");
    let (code, text) = judged(&file, &policy);
    assert!(code == 1 && !text.contains("PROVED"), "{text}");
}

/// Any change of a file either cannot be read, or convicts nobody, or convicts the same.
fn flipped(what: &str, bytes: &[u8], policy: &policy::Policy) {
    let policy = policy::PolicyRange::from(policy.clone(), Size(0));
    let right = EvidenceFile::decode(bytes).expect("a file");
    let right = right.verify(&policy);
    for at in (0..bytes.len()).step_by(3) {
        let mut changed = bytes.to_vec();
        changed[at] ^= 1 << (at % 8);
        let verdict = EvidenceFile::decode(&changed).ok();
        if let Some(Ok(convicted)) = verdict.map(|file| file.verify(&policy)) {
            assert_eq!(Ok(&convicted), right.as_ref(), "{what}, byte {at}");
        }
    }
}

#[test]
fn no_flipped_bit_convicts_anybody_else() {
    let world = world();
    for (what, (bytes, _)) in world.good() {
        flipped(what, &bytes, world.built.genesis.policy());
    }
}

#[test]
#[ignore = "it writes the files"]
fn write() {
    let (world, folder) = (world(), vectors("custody-evidence"));
    std::fs::create_dir_all(&folder).expect("a folder");
    std::fs::write(
        folder.join("policy"),
        world.built.genesis.policy().as_bytes(),
    )
    .expect("a file");
    let all = world.good().into_iter().chain(world.innocent());
    for (name, (bytes, _)) in all.chain(world.rejected()) {
        std::fs::write(folder.join(format!("{name}.evidence")), bytes).expect("a file");
    }
}
