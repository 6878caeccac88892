//! Evidence that an owner sealed a record wrongly: it holds what opens the record, so that the judge
//! computes again what the reader did. Of the record nothing is printed, whatever the verdict.

use super::*;
use medanchor_ledger::event::{
    Change, Custodian, Custodians, GovernanceApprove, GovernancePropose, ReaderKey, RecordCustody,
};
use medanchor_vault::commitment::Committed;
use medanchor_vault::json::Document;
use medanchor_vault::seal::{ciphertext_hash, seal};
use medanchor_vault::secret::{CustodyPart, DataKey};

const PAYLOAD: &[u8] = b"{\"dose\":1.50}";
const REGULATOR: u8 = 3;
const CUSTODIANS: [&str; 3] = ["archive", "bar-office", "clinic"];
/// The records, each with its lie.
const KEY_CHECK: u8 = 1;
const WRONG_PAYLOAD: u8 = 2;
const COMMITMENT: u8 = 3;
const RIGHT: u8 = 4;
const NEWER_FORMAT: u8 = 5;

/// S, its blinding and V, as a reader gathers them.
fn parts() -> [u8; 96] {
    let evidence = vectors("custody").join("good-evidence-sealing.cbor");
    let bytes = std::fs::read(evidence).expect("a file");
    let at = bytes.windows(2).position(|head| head == [0x58, 0x60]);
    let at = at.expect("a byte string of 96") + 2;
    bytes[at..at + 96].try_into().expect("96 bytes")
}

fn record_key(record: &RecordVersion) -> DataKey {
    let (whole, part) = parts().split_first_chunk::<64>().map_or_else(
        || panic!("64 of 96 bytes"),
        |(whole, part)| (*whole, part.to_vec()),
    );
    let custody = CustodyPart::new(whole[..32].try_into().expect("32 bytes"));
    let part = VaultPart::new(part.try_into().expect("32 bytes"));
    DataKey::derive(&custody, &part, record)
}

fn version(network: NetworkId, record: u8) -> RecordVersion {
    RecordVersion {
        network,
        record: RecordHandle::new([record; 16]),
        version: 1,
    }
}

/// The sealed payload, whose salt was drawn when it was written.
fn sealed(record: u8) -> Vec<u8> {
    match record {
        NEWER_FORMAT => [b"medanchor/seal/9".as_slice(), &[0; 90]].concat(),
        WRONG_PAYLOAD => sealed(COMMITMENT),
        _ => std::fs::read(payload_file(record)).expect("a frozen payload"),
    }
}

fn payload_file(record: u8) -> PathBuf {
    vectors("custody-evidence").join(format!("payload-{record}.sealed"))
}

/// A ledger with custodians and records whose owner lied about one thing each.
struct Sealings {
    world: World,
    events: BTreeMap<u8, Event>,
}

fn network() -> Genesis {
    support::genesis_with("sealing.medanchor.example", &CUSTODIANS)
}

fn custodians() -> Custodians {
    let member = |(number, name): (u8, &&str)| Custodian {
        name: name.parse().expect("a name"),
        share_key: ReaderKey {
            suite: KemSuite::X25519,
            hash: [number; 32],
        },
        tls: TlsKeyHash::new([number; 32]),
    };
    let members = (1..).zip(&CUSTODIANS).map(member);
    Custodians::new(1, 3, members.collect()).expect("a set")
}

/// What the owner anchors of a record.
fn anchored(network: NetworkId, record: u8) -> RecordCustody {
    let key = record_key(&version(network, record));
    let document = Document::parse(PAYLOAD).expect("JSON");
    let commitment = Committed::new(&document, &key.record_secret()).commitment();
    let seal = RecordSeal {
        record: RecordHandle::new([record; 16]),
        version: 1,
        tag: Tag::new([1; 16]),
        class: ClassHandle::new([1; 16]),
        commitment: match record {
            COMMITMENT => Commitment::new(TreeHash::new([7; 32])),
            _ => commitment,
        },
        ciphertext: match record {
            KEY_CHECK => CiphertextHash::new([1; 32]),
            _ => ciphertext_hash(&sealed(record)),
        },
        vault_part: VaultPart::new([6; 32]).hash(),
        key_check: match record {
            KEY_CHECK => KeyCheck::new([0; 16]),
            _ => key.check_value(),
        },
    };
    let custody = points().custody(1).expect("points");
    RecordCustody { seal, custody }
}

fn sealings() -> Sealings {
    let mut built = Built::of(network());
    let change = Change::Custodians(custodians());
    let proposal = ProposalHandle::new([1; 16]);
    let approval = GovernanceApprove {
        proposer: name(REGULATOR),
        proposal,
        change: change.hash(),
    };
    built.block_of(vec![(
        REGULATOR,
        GovernancePropose { proposal, change }.into(),
    )]);
    let approvals = [0, HOSPITAL, REGULATOR];
    built.block_of(approvals.map(|by| (by, approval.clone().into())).to_vec());
    let mut events = BTreeMap::new();
    for record in KEY_CHECK..=NEWER_FORMAT {
        let body = anchored(built.genesis.network_id(), record);
        let event = built.event(HOSPITAL, body.into());
        built.block_by(vec![(event.clone(), key(HOSPITAL, PARTICIPANT))]);
        events.insert(record, event);
    }
    let (sealed, request) = (events[&RIGHT].clone(), events[&RIGHT].clone());
    let world = World {
        built,
        sealed,
        request,
    };
    Sealings { world, events }
}

impl Sealings {
    /// The evidence by hand, as `vault/src/custody/shown.rs` has it.
    fn evidence(&self, record: u8, parts: &[u8], payload: Option<&[u8]>) -> Vec<u8> {
        self.evidence_of((record, 1), parts, payload)
    }

    fn evidence_of(
        &self,
        (record, version): (u8, u8),
        parts: &[u8],
        payload: Option<&[u8]>,
    ) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.array(4).uint(7).map(4);
        let network = self.world.built.genesis.network_id();
        writer.key(1).bytes(network.as_bytes());
        writer.key(2).text(name(HOSPITAL).as_str());
        writer.key(3).bytes(&[record; 16]);
        writer.key(4).uint(u64::from(version));
        writer.bytes(parts);
        match payload {
            Some(payload) => writer.bytes(payload),
            None => writer.null(),
        };
        writer.into_bytes()
    }

    fn fact(&self, record: u8, event: u8) -> Fact {
        let key = Record::key(&name(HOSPITAL), &RecordHandle::new([record; 16]));
        self.world.fact(&key, Some(&self.events[&event]))
    }

    fn file(evidence: &[u8], fact: Fact) -> Vec<u8> {
        let evidence = Evidence::decode(evidence).expect("evidence");
        EvidenceFile::new(evidence, vec![fact]).encode().to_vec()
    }

    /// What a reader of this record gathered, with what the ledger says of it.
    fn honest(&self, record: u8, payload: Option<&[u8]>) -> Vec<u8> {
        let evidence = self.evidence(record, &parts(), payload);
        Self::file(&evidence, self.fact(record, record))
    }

    fn good(&self) -> BTreeMap<&'static str, (Vec<u8>, &'static str)> {
        let of = |record| self.honest(record, Some(&sealed(record)));
        BTreeMap::from([
            (
                "good-sealing-key-check",
                (
                    self.honest(KEY_CHECK, None),
                    "PROVED: north-hospital anchored a check value that is not that of the record's key",
                ),
            ),
            (
                "good-sealing-payload",
                (
                    of(WRONG_PAYLOAD),
                    "PROVED: north-hospital anchored a sealed payload that does not open",
                ),
            ),
            (
                "good-sealing-commitment",
                (
                    of(COMMITMENT),
                    "PROVED: north-hospital anchored a commitment to another document than it sealed",
                ),
            ),
        ])
    }

    fn innocent(&self) -> BTreeMap<&'static str, (Vec<u8>, &'static str)> {
        let lie = sealed(COMMITMENT);
        let changed = |at: usize| {
            let mut parts = parts();
            parts[at] ^= 1;
            let evidence = self.evidence(COMMITMENT, &parts, Some(&lie));
            Self::file(&evidence, self.fact(COMMITMENT, COMMITMENT))
        };
        let mut other = lie.clone();
        other[80] ^= 1;
        let honest = self.evidence(COMMITMENT, &parts(), Some(&lie));
        let later = self.evidence_of((COMMITMENT, 2), &parts(), Some(&lie));
        let (bound, unknown) = ("the ledger's points and hash", "the ledger has no such");
        BTreeMap::from([
            (
                "innocent-sealing-right",
                (self.honest(RIGHT, Some(&sealed(RIGHT))), "is right"),
            ),
            ("innocent-sealing-another-s", (changed(0), bound)),
            ("innocent-sealing-another-blinding", (changed(32), bound)),
            ("innocent-sealing-another-v", (changed(64), bound)),
            (
                "innocent-sealing-another-payload",
                (
                    self.honest(COMMITMENT, Some(&other)),
                    "not the one whose hash was anchored",
                ),
            ),
            (
                "innocent-sealing-payload-left-out",
                (self.honest(COMMITMENT, None), "is right"),
            ),
            (
                "innocent-sealing-newer-format",
                (
                    self.honest(NEWER_FORMAT, Some(&sealed(NEWER_FORMAT))),
                    "of a format that this release does not open",
                ),
            ),
            (
                "innocent-sealing-another-records-state",
                (Self::file(&honest, self.fact(RIGHT, COMMITMENT)), unknown),
            ),
            (
                "innocent-sealing-another-event",
                (Self::file(&honest, self.fact(COMMITMENT, RIGHT)), unknown),
            ),
            (
                "innocent-sealing-another-version",
                (
                    Self::file(&later, self.fact(COMMITMENT, COMMITMENT)),
                    unknown,
                ),
            ),
        ])
    }

    fn rejected(&self) -> BTreeMap<&'static str, (Vec<u8>, &'static str)> {
        let document = self.fact(COMMITMENT, COMMITMENT);
        let made = |evidence: &[u8]| {
            let mut writer = Writer::new();
            writer.map(3);
            writer.key(0).text("medanchor/custody-evidence/v1");
            writer.key(1).bytes(evidence);
            writer.key(2).array(1).array(2);
            writer.bytes(&document.document.encode());
            let event = document.event.as_ref().expect("an event");
            writer.bytes(event.encoded());
            writer.into_bytes()
        };
        let lie = sealed(COMMITMENT);
        let honest = self.evidence(COMMITMENT, &parts(), Some(&lie));
        assert_eq!(
            made(&honest),
            self.good()["good-sealing-commitment"].0,
            "the same file by hand"
        );
        let mut scalar = parts();
        scalar[..32].copy_from_slice(&[0xff; 32]);
        let scalar = self.evidence(COMMITMENT, &scalar, Some(&lie));
        let short = self.evidence(COMMITMENT, &parts()[..95], Some(&lie));
        BTreeMap::from([
            (
                "rejected-sealing-scalar-not-canonical",
                (made(&scalar), "not the constant"),
            ),
            (
                "rejected-sealing-short-parts",
                (made(&short), "out of bounds"),
            ),
            (
                "rejected-sealing-trailing",
                (made(&[&honest[..], &[0]].concat()), "bytes follow"),
            ),
            (
                "rejected-sealing-truncated",
                (made(&honest[..honest.len() - 1]), "cut short"),
            ),
        ])
    }
}

/// What must never be printed: the document, and every part of its key.
fn shows_nothing(text: &str) {
    let parts = parts();
    let secrets = [&parts[..32], &parts[32..64], &parts[64..]].map(hex::encode);
    assert!(
        !secrets.iter().any(|secret| text.contains(secret)),
        "{text}"
    );
    assert!(!text.contains("dose") && !text.contains("1.50"), "{text}");
}

#[test]
fn frozen_files_convict_the_owner_of_what_is_wrong_and_show_nothing_of_the_record() {
    let (sealings, policy) = (sealings(), "policy-of-sealings");
    let opens = "this file opens the record for whoever has it";
    for (name, (bytes, words)) in sealings.good() {
        let text = frozen(policy, name, &bytes, (0, words));
        shows_nothing(&text);
        assert!(text.contains(opens), "{name}: {text}");
    }
    for (name, (bytes, words)) in sealings.innocent() {
        let text = frozen(policy, name, &bytes, (1, words));
        shows_nothing(&text);
        assert!(text.contains(opens), "{name}: {text}");
    }
    for (name, (bytes, words)) in sealings.rejected() {
        shows_nothing(&frozen(policy, name, &bytes, (1, words)));
        assert!(EvidenceFile::decode(&bytes).is_err(), "{name}");
    }
}

#[test]
fn json_names_the_breach_and_says_that_the_file_opens_the_record() {
    let folder = vectors("custody-evidence");
    let file = folder.join("good-sealing-commitment.evidence");
    let policy = folder.join("policy-of-sealings");
    let [file, policy] = [&file, &policy].map(|path| path.to_str().expect("text"));
    let (code, text) = ends(&["evidence", file, "--policy", policy, "--json"]);
    shows_nothing(&text);
    let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!((code, &value["breach"]), (0, &"wrong-commitment".into()));
    assert_eq!(value["opens_the_record"], true);
    assert_eq!(value["request"], serde_json::Value::Null);
}

#[test]
fn no_flipped_bit_convicts_of_anything_else() {
    let sealings = sealings();
    for (what, (bytes, _)) in sealings.good() {
        flipped(what, &bytes, sealings.world.built.genesis.policy());
    }
}

#[test]
#[ignore = "it writes the files"]
fn write_sealings() {
    let folder = vectors("custody-evidence");
    let genesis = network();
    std::fs::write(
        folder.join("policy-of-sealings"),
        genesis.policy().as_bytes(),
    )
    .expect("a file");
    for record in [COMMITMENT, RIGHT] {
        // Its salt is drawn anew each time.
        if payload_file(record).exists() {
            continue;
        }
        let version = version(genesis.network_id(), record);
        let sealed = seal(&version, &record_key(&version), PAYLOAD).expect("a sealed payload");
        std::fs::write(payload_file(record), sealed).expect("a file");
    }
    let sealings = sealings();
    let all = sealings.good().into_iter().chain(sealings.innocent());
    for (name, (bytes, _)) in all.chain(sealings.rejected()) {
        std::fs::write(folder.join(format!("{name}.evidence")), bytes).expect("a file");
    }
}
