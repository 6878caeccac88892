//! The custody protocol from dealing to opening, and everything that must be refused on the way.

mod bound;
mod evidence;
mod flow;
mod into;
mod log;
mod logged;
mod reconcile;
mod refusal;
mod reshare;
mod sealing;
mod sharing;
mod shown;
mod vectors;
mod waiting;

use super::deal::seal_deals;
use super::sharing::split_with;
use super::*;
use crate::seal::RecordVersion;
use crate::secret::{AnswerKey, CustodyPart, InstitutionKey, VaultPart};
use medanchor_ledger::event::{KemSuite, ReaderKey};
use medanchor_ledger::rules::{Consent, Record};
use medanchor_ledger::signature::{PublicKey, Signature, SigningKey};
use medanchor_ledger::{
    CiphertextHash, ConsentHandle, EventId, Index, NetworkId, ParticipantName, RecordHandle, Time,
    VaultPartHash,
};

pub(super) const NETWORK: NetworkId = NetworkId::new([1; 16]);
pub(super) const NAMES: [&str; 5] = ["c-amber", "c-birch", "c-cedar", "c-delta", "c-elm"];
pub(super) const EPOCH: u32 = 7;
pub(super) const REQUEST: EventId = EventId::new([9; 32]);

pub(super) fn named(name: &str) -> ParticipantName {
    name.parse().unwrap()
}

/// A participant's signing key, by its name.
pub(super) fn signer(name: &str) -> SigningKey {
    SigningKey::from_seed(&medanchor_ledger::sha256(&[b"signs", name.as_bytes()]))
}

pub(super) fn signs(name: &str) -> impl Fn(&[u8]) -> Signature {
    let key = signer(name);
    move |bytes| key.sign(bytes)
}

/// A custodian's share key in an epoch: every other one has X-Wing.
pub(super) fn share_key(name: &str) -> OpeningKey {
    let suite = match name.as_bytes()[2] % 2 {
        0 => KemSuite::X25519,
        _ => KemSuite::XWing,
    };
    OpeningKey::decode(
        suite,
        &medanchor_ledger::sha256(&[b"opens", name.as_bytes()]),
    )
    .unwrap()
}

pub(super) fn reader_key(suite: KemSuite) -> OpeningKey {
    OpeningKey::decode(suite, &[0x77; 32]).unwrap()
}

pub(super) fn members(names: &[&str]) -> Vec<Member> {
    let member = |name: &&str| Member {
        name: named(name),
        key: share_key(name).public().clone(),
    };
    names.iter().map(member).collect()
}

pub(super) fn record() -> Custodied {
    Custodied {
        owner: named("north-hospital"),
        record: RecordVersion {
            network: NETWORK,
            record: RecordHandle::new([2; 16]),
            version: 3,
        },
    }
}

pub(super) fn place(names: &[&str], at: usize, epoch: u32) -> Place {
    Place {
        custodian: named(names[at]),
        epoch,
        index: ShareIndex::new(u8::try_from(at).unwrap() + 1).unwrap(),
    }
}

pub(super) fn seat(at: usize) -> Seat {
    Seat {
        place: place(&NAMES, at, EPOCH),
        threshold: 3,
    }
}

/// S as the tests share it out.
pub(super) fn secret() -> CustodyPart {
    CustodyPart::from_wide(&[5; 64])
}

pub(super) fn wide(count: u8) -> Vec<[u8; 64]> {
    (1..=count).map(|byte| [byte; 64]).collect()
}

/// 3 of 5, always the same.
pub(super) fn shared() -> (Points, Vec<Share>) {
    split_with(&secret(), 3, 5, &wide(5)).unwrap()
}

pub(super) fn dealt() -> (Points, Vec<Signed<Deal>>) {
    let (points, shares) = shared();
    let seeds: Vec<[u8; 32]> = (1..=5).map(|byte| [byte; 32]).collect();
    let deals = seal_deals(
        &record(),
        EPOCH,
        &members(&NAMES),
        (&points, &shares),
        &seeds,
        signs("north-hospital"),
    );
    (points, deals.unwrap())
}

pub(super) fn store(folder: &tempfile::TempDir) -> Custodian {
    Custodian::create(folder.path(), &InstitutionKey::new([4; 32]), NETWORK).unwrap()
}

pub(super) fn accept(
    custodian: &mut Custodian,
    at: usize,
    deal: &Signed<Deal>,
) -> Result<Signed<Acknowledgement>, CustodianError> {
    let dealer = signer("north-hospital").public_key();
    let key = share_key(NAMES[at]);
    custodian.accept(deal, &dealer, &seat(at), &key, signs(NAMES[at]))
}

pub(super) fn permitted(at: usize, points: &Points, reader: &OpeningKey) -> Permitted {
    Permitted {
        request: REQUEST,
        record: record(),
        place: place(&NAMES, at, EPOCH),
        points: points.clone(),
        reader: reader.public().reader_key(),
    }
}

/// The ledger as the tests have it.
pub(super) struct Ledger {
    pub(super) reader: Option<ReaderKey>,
    pub(super) part: VaultPartHash,
    pub(super) names: Vec<&'static str>,
    pub(super) sealed: Option<SealedAs>,
    pub(super) decided: Option<Decided>,
    pub(super) anchored: Option<Index>,
    pub(super) record: Option<(Time, Record)>,
    pub(super) consents: Vec<(ConsentHandle, (Time, Consent))>,
}

impl Known for Ledger {
    fn signing_keys(&self, name: &ParticipantName) -> Vec<PublicKey> {
        vec![signer(name.as_str()).public_key()]
    }

    fn share_key(&self, place: &Place) -> Option<ReaderKey> {
        let name = self.names.get(usize::from(place.index.get()) - 1)?;
        (*name == place.custodian.as_str()).then(|| share_key(name).public().reader_key())
    }

    fn reader_key(&self, request: &EventId) -> Option<ReaderKey> {
        self.reader.filter(|_| *request == REQUEST)
    }

    fn vault_part(&self, asked: &Custodied) -> Option<VaultPartHash> {
        (*asked == record()).then_some(self.part)
    }

    fn sealed_as(&self, asked: &Custodied) -> Option<SealedAs> {
        self.sealed.clone().filter(|_| *asked == record())
    }

    fn place_of(&self, _: &EventId) -> Option<Index> {
        self.anchored
    }

    fn decided(&self, request: &EventId) -> Option<Decided> {
        self.decided.clone().filter(|_| *request == REQUEST)
    }

    fn record(&self, asked: &Custodied) -> Option<(Time, Record)> {
        self.record.clone().filter(|_| *asked == record())
    }

    fn consent(&self, _: &ParticipantName, consent: &ConsentHandle) -> Option<(Time, Consent)> {
        let mut all = self.consents.iter();
        all.find(|(known, _)| known == consent)
            .map(|(_, found)| found.clone())
    }
}

pub(super) fn ledger(reader: &OpeningKey) -> Ledger {
    Ledger {
        reader: Some(reader.public().reader_key()),
        part: VaultPart::new([6; 32]).hash(),
        names: NAMES.to_vec(),
        sealed: None,
        decided: None,
        anchored: None,
        record: None,
        consents: Vec::new(),
    }
}

pub(super) fn answer_key() -> AnswerKey {
    AnswerKey::new([3; 32])
}

/// The answer of a custodian that holds `share`.
pub(super) fn release(at: usize, share: &Share, reader: &OpeningKey) -> Signed<Release> {
    let place = place(&NAMES, at, EPOCH);
    let answer = Release::new(
        record(),
        REQUEST,
        place,
        (share, &answer_key()),
        reader.public(),
    );
    Signed::new(answer.unwrap(), signs(NAMES[at]))
}

pub(super) fn vault_release(part: u8, reader: &OpeningKey) -> Signed<VaultRelease> {
    let part = VaultPart::new([part; 32]);
    let sealed = (&part, &answer_key());
    VaultRelease::new(
        record(),
        REQUEST,
        sealed,
        reader.public(),
        signs("north-hospital"),
    )
    .unwrap()
}

fn commitment(key: &crate::secret::DataKey, payload: &[u8]) -> crate::commitment::Commitment {
    let document = crate::json::Document::parse(payload).unwrap();
    crate::commitment::Committed::new(&document, &key.record_secret()).commitment()
}

/// The record of the tests, sealed, and what the ledger says of it.
pub(super) fn wanted(points: &Points) -> (Wanted, Vec<u8>) {
    let part = VaultPart::new([6; 32]);
    let key = crate::secret::DataKey::derive(&secret(), &part, &record().record);
    let sealed = crate::seal::seal(&record().record, &key, b"{\"dose\":1.50}").unwrap();
    let custodian = |name: &&str| (named(name), signer(name).public_key());
    let wanted = Wanted {
        record: record(),
        request: REQUEST,
        epoch: EPOCH,
        points: points.clone(),
        custodians: NAMES.iter().map(custodian).collect(),
        owner: signer("north-hospital").public_key(),
        vault_part: part.hash(),
        key_check: key.check_value(),
        ciphertext: crate::seal::ciphertext_hash(&sealed),
        commitment: commitment(&key, b"{\"dose\":1.50}"),
    };
    (wanted, sealed)
}

pub(super) const NO_CIPHERTEXT: CiphertextHash = CiphertextHash::new([0; 32]);
pub(super) const NOON: Time = Time(1_767_268_800_000);
