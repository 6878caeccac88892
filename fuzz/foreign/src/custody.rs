//! What custodians, owners and readers read of each other, and evidence against them.

use crate::seeds::root;
use crate::{Seeds, Target, rewritten};
use medanchor_ledger::cbor::Writer;
use medanchor_ledger::event::{KemSuite, ReaderKey};
use medanchor_ledger::merkle::{leaf_hash, root_of_leaves};
use medanchor_ledger::rules::{Consent, Record};
use medanchor_ledger::signature::{PublicKey, SigningKey};
use medanchor_ledger::{
    Commitment, ConsentHandle, EventId, Index, ParticipantName, Time, TreeHash, VaultPartHash,
    sha256,
};
use medanchor_sdk::custody::{ReshareAsk, read_messages, testing, write_messages};
use medanchor_vault::custody::{
    Acknowledgement, Body, Breach, Custodied, Deal, Decided, Evidence, Known, OpeningKey, Place,
    Refusal, Release, Released, SealedAs, SharesDestroyed, Signed, SubDeal, VaultRelease,
};
use medanchor_vault::seal::ciphertext_hash;
use medanchor_vault::secret::{CustodyPart, DataKey, VaultPart};
use std::sync::LazyLock;

const EVIDENCE: [Seeds; 2] = [
    Seeds::of("vectors/custody", "good-evidence", ".cbor"),
    Seeds::of("vectors/custody", "rejected-", ".cbor"),
];
const ALL: [Seeds; 1] = [Seeds::of("vectors/custody", "", ".cbor")];

/// Lists of messages: the frozen ones, and each good message alone.
const LISTS: [Seeds; 2] = [
    Seeds::of("vectors/direct", "", "deals.cbor"),
    Seeds::of("vectors/direct", "rejected-deals", ".cbor"),
];
const RESHARE_ASKS: [Seeds; 1] = [Seeds::of("vectors/reshare-ask", "", ".cbor")];
/// Pages of logs of releases: of the frozen entry alone, of two, without one, and of a part.
pub(crate) const LOGS: [Seeds; 1] =
    [
        Seeds::of("vectors/custody", "good-entry", ".cbor").holding(|_, entry| {
            let page = |size: u64, entries: &[&[u8]]| {
                let leaves = entries.iter().map(|entry| leaf_hash(entry));
                let mut writer = Writer::new();
                writer.array(3).uint(size);
                writer.bytes(root_of_leaves(leaves).as_bytes());
                writer.array(entries.len());
                for entry in entries {
                    writer.bytes(entry);
                }
                writer.into_bytes()
            };
            let one = page(1, &[&entry]);
            let two = page(2, &[&entry, &entry]);
            let part = page(2, &[&entry]);
            vec![one, two, part, page(0, &[])]
        }),
    ];

pub(crate) const TARGETS: &[Target] = &[
    Target::new("custody-deal", &ALL, message::<Deal>).holding(64),
    Target::new("custody-ack", &ALL, message::<Acknowledgement>).holding(64),
    Target::new("custody-release", &ALL, message::<Release>).holding(64),
    Target::new("custody-vault-release", &ALL, message::<VaultRelease>).holding(64),
    Target::new("custody-subdeal", &ALL, message::<SubDeal>).holding(64),
    Target::new("custody-destroyed", &ALL, message::<SharesDestroyed>).holding(64),
    Target::new("custody-refusal", &ALL, message::<Refusal>).holding(64),
    Target::new("custody-entry", &ALL, entry),
    Target::new("custody-evidence", &EVIDENCE, evidence).holding(64),
    Target::new("custody-list", &LISTS, list).holding(64),
    Target::new("reshare-ask", &RESHARE_ASKS, reshare_ask).holding(64),
    Target::new("release-page", &LOGS, release_page),
];

/// What is read is written back.
fn message<T: Body>(bytes: &[u8]) -> bool {
    let read = Signed::<T>::decode(bytes).ok();
    rewritten(bytes, read, Signed::encode).is_some()
}

fn entry(bytes: &[u8]) -> bool {
    rewritten(bytes, Released::decode(bytes).ok(), Released::encode).is_some()
}

/// Several messages of a kind, which are those that stand in the bytes.
fn list(bytes: &[u8]) -> bool {
    let read = read_messages::<Deal>(bytes).ok();
    let read = rewritten(bytes, read, |deals| write_messages(deals));
    rewritten(bytes, read_messages::<SubDeal>(bytes).ok(), |all| {
        write_messages(all)
    });
    read.is_some()
}

fn reshare_ask(bytes: &[u8]) -> bool {
    rewritten(bytes, ReshareAsk::decode(bytes).ok(), ReshareAsk::encode).is_some()
}

/// As many entries as a page says it has stand in it.
fn release_page(bytes: &[u8]) -> bool {
    let Some((_, entries)) = testing::release_page(bytes) else {
        return false;
    };
    assert!(
        entries * 32 <= bytes.len() as u64,
        "more than there is room"
    );
    entries > 0
}

/// Everybody of the vectors: whom the evidence among them convicts, and who is innocent.
struct Ledger;

impl Known for Ledger {
    fn signing_keys(&self, name: &ParticipantName) -> Vec<PublicKey> {
        let seed = sha256(&[b"signs", name.as_str().as_bytes()]);
        vec![SigningKey::from_seed(&seed).public_key()]
    }

    fn share_key(&self, _: &Place) -> Option<ReaderKey> {
        None
    }

    fn reader_key(&self, _: &EventId) -> Option<ReaderKey> {
        let key = OpeningKey::decode(KemSuite::X25519, &[0x77; 32]).ok()?;
        Some(key.public().reader_key())
    }

    fn vault_part(&self, _: &Custodied) -> Option<VaultPartHash> {
        None
    }

    fn sealed_as(&self, record: &Custodied) -> Option<SealedAs> {
        let (lied_about, anchored) = &*SEALING;
        (record == lied_about).then(|| anchored.clone())
    }

    fn place_of(&self, _: &EventId) -> Option<Index> {
        None
    }

    fn decided(&self, request: &EventId) -> Option<Decided> {
        let (record, _) = &*SEALING;
        Some(Decided {
            permitted: *request == EventId::new([9; 32]),
            time: Time(1_767_268_800_000),
            place: Index(7),
            owner: record.owner.clone(),
            record: record.record.record,
            reader: self.reader_key(request)?,
            consent: None,
        })
    }

    fn record(&self, _: &Custodied) -> Option<(Time, Record)> {
        None
    }

    fn consent(&self, _: &ParticipantName, _: &ConsentHandle) -> Option<(Time, Consent)> {
        None
    }
}

/// The record of the frozen evidence of a sealing, whose owner anchored a commitment to nothing and all
/// else as it is.
static SEALING: LazyLock<(Custodied, SealedAs)> = LazyLock::new(|| {
    let frozen = |name: &str| {
        let file = std::fs::read(root().join("vectors/custody").join(name));
        file.expect("a frozen file")
    };
    let bytes = frozen("good-evidence-sealing.cbor");
    let after = |head: [u8; 2]| {
        let at = bytes.windows(2).position(|window| window == head);
        bytes.get(at.expect("its head") + 2..).expect("its bytes")
    };
    // The key parts are a byte string of 96, the sealed payload one of 101.
    let (parts, sealed) = (after([0x58, 96]), after([0x58, 101]));
    let half = |at: usize| parts[at..at + 32].try_into().expect("32 bytes");
    let (custody, part) = (CustodyPart::new(half(0)), VaultPart::new(half(64)));
    let deal = Signed::<Deal>::decode(&frozen("good-deal-x25519.cbor")).expect("a deal");
    let record = deal.says().record.clone();
    let anchored = SealedAs {
        points: deal.says().points.clone(),
        vault_part: part.hash(),
        key_check: DataKey::derive(&custody, &part, &record.record).check_value(),
        ciphertext: ciphertext_hash(sealed),
        commitment: Commitment::new(TreeHash::new([7; 32])),
    };
    (record, anchored)
});

fn evidence(bytes: &[u8]) -> bool {
    let read = rewritten(bytes, Evidence::decode(bytes).ok(), |evidence| {
        evidence.encode().to_vec()
    });
    let Some(Ok(convicted)) = read.map(|evidence| evidence.verify(&Ledger)) else {
        return false;
    };
    let known = matches!(
        (convicted.who.as_str(), convicted.of),
        ("c-birch", Breach::BadRelease)
            | (
                "north-hospital",
                Breach::WrongCommitment | Breach::RefusedFalsely
            )
    );
    assert!(known, "an innocent is convicted");
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The fuzzer starts from a seed on which the whole judgment runs.
    #[test]
    fn the_evidence_of_a_sealing_and_of_a_refusal_is_judged_to_its_end() {
        for name in ["good-evidence-sealing.cbor", "good-evidence-refusal.cbor"] {
            let file = root().join("vectors/custody").join(name);
            assert!(evidence(&std::fs::read(file).unwrap()), "{name}");
        }
    }
}
