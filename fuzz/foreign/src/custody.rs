//! What custodians, owners and readers read of each other, and evidence against them.

use crate::{Seeds, Target, rewritten};
use medanchor_ledger::event::{KemSuite, ReaderKey};
use medanchor_ledger::signature::{PublicKey, SigningKey};
use medanchor_ledger::{EventId, ParticipantName, VaultPartHash, sha256};
use medanchor_vault::custody::{
    Acknowledgement, Body, Breach, Custodied, Deal, Evidence, Known, OpeningKey, Place, Release,
    Released, SharesDestroyed, Signed, SubDeal, VaultRelease,
};

const EVIDENCE: [Seeds; 2] = [
    Seeds::of("vectors/custody", "good-evidence", ".cbor"),
    Seeds::of("vectors/custody", "rejected-", ".cbor"),
];
const ALL: [Seeds; 1] = [Seeds::of("vectors/custody", "", ".cbor")];

pub(crate) const TARGETS: &[Target] = &[
    Target::new("custody-deal", &ALL, message::<Deal>).holding(64),
    Target::new("custody-ack", &ALL, message::<Acknowledgement>).holding(64),
    Target::new("custody-release", &ALL, message::<Release>).holding(64),
    Target::new("custody-vault-release", &ALL, message::<VaultRelease>).holding(64),
    Target::new("custody-subdeal", &ALL, message::<SubDeal>).holding(64),
    Target::new("custody-destroyed", &ALL, message::<SharesDestroyed>).holding(64),
    Target::new("custody-entry", &ALL, entry),
    Target::new("custody-evidence", &EVIDENCE, evidence).holding(64),
];

/// What is read is written back.
fn message<T: Body>(bytes: &[u8]) -> bool {
    let read = Signed::<T>::decode(bytes).ok();
    rewritten(bytes, read, Signed::encode).is_some()
}

fn entry(bytes: &[u8]) -> bool {
    rewritten(bytes, Released::decode(bytes).ok(), Released::encode).is_some()
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
}

fn evidence(bytes: &[u8]) -> bool {
    let read = rewritten(bytes, Evidence::decode(bytes).ok(), |evidence| {
        evidence.encode().to_vec()
    });
    let Some(Ok(convicted)) = read.map(|evidence| evidence.verify(&Ledger)) else {
        return false;
    };
    assert_eq!(
        convicted.who.as_str(),
        "c-birch",
        "an innocent is convicted"
    );
    assert_eq!(convicted.of, Breach::BadRelease);
    true
}
