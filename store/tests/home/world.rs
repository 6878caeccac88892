//! A network of one hospital, and its blocks.

use medanchor_ledger::block::Block;
use medanchor_ledger::certificate::Certificate;
use medanchor_ledger::checkpoint::Checkpoint;
use medanchor_ledger::event::{RecordSeal, UnsignedEvent, Verified};
use medanchor_ledger::execute::{BlockBuilder, CheckedBlock, Executed, View, execute_block};
use medanchor_ledger::genesis::{Authorities, Genesis, GenesisSpec};
use medanchor_ledger::note::Note;
use medanchor_ledger::rules::{Participant, Role};
use medanchor_ledger::signature::{Signature, SigningKey};
use medanchor_ledger::validator::{Validator, ValidatorSet};
use medanchor_ledger::{
    CiphertextHash, ClassHandle, Commitment, KeyCheck, Nonce, ParticipantName, RecordHandle, Round,
    Tag, Time, TreeHash, VaultPartHash, sha256,
};
use medanchor_store::{Options, Store, StoreError, StoreView, StoredBlock};
use std::path::Path;
use std::time::Duration;

const START: u64 = 1_700_000_000_000;

pub fn key(purpose: u8) -> SigningKey {
    SigningKey::from_seed(&[purpose; 32])
}

pub fn hospital() -> ParticipantName {
    "north-hospital".parse().unwrap()
}

pub fn genesis_of(network: &str) -> Genesis {
    let participant = Participant::new(vec![Role::Hospital], vec![key(9).public_key()]).unwrap();
    let validator = Validator {
        name: hospital(),
        consensus: key(1).public_key(),
        log: key(2).public_key(),
        cosigner: key(3).public_key(),
        cose: key(4).public_key(),
    };
    let spec = GenesisSpec {
        name: network.parse().unwrap(),
        time: Time(START),
        validators: ValidatorSet::new(vec![validator]).unwrap(),
        participants: [(hospital(), participant)].into(),
        authorities: Authorities {
            threshold: 1,
            names: [hospital()].into(),
        },
        publisher: None,
    };
    Genesis::new(spec).unwrap()
}

pub fn genesis() -> Genesis {
    genesis_of("test.medanchor.example")
}

/// Nothing is saved unless asked for.
pub fn lazy() -> Options {
    Options {
        save_every: Duration::from_secs(3600),
        save_blocks: u32::MAX,
        save_bytes: usize::MAX,
        segment_bytes: 20_000,
        ..Options::default()
    }
}

/// Everything is saved at once.
pub fn eager() -> Options {
    Options {
        save_every: Duration::ZERO,
        save_blocks: 1,
        ..lazy()
    }
}

pub fn replay(
    view: &StoreView,
    block: &StoredBlock,
) -> Result<Executed, Box<dyn std::error::Error + Send + Sync>> {
    let checked = CheckedBlock::check(Block::decode(&block.body)?, view, |_| None)??;
    Ok(execute_block(view, &checked)??)
}

pub fn open(home: &Path, options: Options) -> Result<Store, StoreError> {
    Store::open(home, &genesis(), options, replay)
}

/// The record that event `number` of a height seals.
pub fn event(view: &impl View, number: u16) -> Verified {
    let seed = [
        &view.head().height.0.to_be_bytes()[..],
        &number.to_be_bytes(),
    ]
    .concat();
    let hash = sha256(&[&seed]);
    let handle = *hash.first_chunk::<16>().unwrap();
    let body = RecordSeal {
        record: RecordHandle::new(handle),
        version: 1,
        tag: Tag::new([(number % 7) as u8; 16]),
        class: ClassHandle::new([1; 16]),
        commitment: Commitment::new(TreeHash::new(hash)),
        ciphertext: CiphertextHash::new(hash),
        vault_part: VaultPartHash::new(hash),
        key_check: KeyCheck::new(handle),
    };
    let unsigned = UnsignedEvent {
        issuer: hospital(),
        network: view.head().network,
        nonce: Nonce::new(handle),
        not_after: Time(view.head().time.0 + 60_000),
        body: body.into(),
    };
    unsigned
        .sign(&key(9))
        .unwrap()
        .verify(&key(9).public_key())
        .unwrap()
}

/// The next block of `events` events.
pub fn next(view: &impl View, events: u16) -> Executed {
    let now = Time(view.head().time.0 + 1000);
    let mut builder = BlockBuilder::new(view, now).unwrap();
    for number in 0..events {
        assert_eq!(builder.push(&event(view, number)).unwrap(), Ok(()));
    }
    builder.finish().unwrap().seal(Round(0), hospital())
}

pub fn certificate(executed: &Executed) -> Vec<u8> {
    let signatures = vec![(hospital(), Signature::new([5; 64]))];
    let (height, value) = (executed.seal.height, executed.value_id);
    Certificate::new(height, Round(0), value, signatures)
        .unwrap()
        .encode()
}

/// Decides a block of `events` events.
pub fn decide(store: &Store, events: u16) -> Executed {
    let executed = next(&store.view(), events);
    store.commit(&executed, &certificate(&executed)).unwrap();
    executed
}

/// The checkpoint after a block.
pub fn checkpoint(executed: &Executed) -> Vec<u8> {
    let checkpoint = Checkpoint {
        origin: genesis().origin().clone(),
        size: executed.head.frontier.size(),
        root: executed.log_root(),
    };
    let signature = checkpoint.sign(&key(2));
    Note::new(&checkpoint.to_string(), vec![signature])
        .unwrap()
        .to_string()
        .into_bytes()
}

/// What is on disk now, as it would be found if the power went.
pub fn image(home: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    copy_folder(home, copy.path());
    copy
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
