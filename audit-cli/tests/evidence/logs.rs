//! A ledger, and the log of releases of a custodian that cheats in all ways that its signature proves, and is
//! honest in others.

use super::*;
use medanchor_ledger::event::{AccessRequest, CustodyLog, GranteeOpening};
use medanchor_ledger::merkle::{leaf_hash, root_of_leaves};
use medanchor_vault::custody::Released;

/// What stands where in the custodian's log.
pub(super) const DENIED: usize = 0;
pub(super) const PERMITTED: usize = 1;
pub(super) const ODD_CLOCK: usize = 2;
pub(super) const OTHER_RECORD: usize = 3;
pub(super) const TOO_EARLY: usize = 4;

/// A ledger with requests, and a custodian's log of what it released on them.
pub(super) struct Logs {
    pub(super) built: Built,
    /// In the order of the log; the last one came after it was anchored.
    pub(super) requests: Vec<Event>,
    pub(super) log: Vec<Released>,
    pub(super) anchoring: Event,
    /// Where that stands.
    pub(super) at: u64,
}

fn sealed() -> EventBody {
    let seal = RecordSeal {
        record: RECORD,
        version: 1,
        tag: Tag::new([1; 16]),
        class: ClassHandle::new([1; 16]),
        commitment: Commitment::new(TreeHash::new([3; 32])),
        ciphertext: CiphertextHash::new([1; 32]),
        vault_part: VaultPart::new([6; 32]).hash(),
        key_check: KeyCheck::new([1; 16]),
    };
    seal.into()
}

/// A request under a consent that nobody granted.
fn denied() -> EventBody {
    let request = AccessRequest {
        request: RequestHandle::new([100; 16]),
        owner: name(HOSPITAL),
        record: RECORD,
        consent: ConsentHandle::new([3; 16]),
        purpose: PurposeHandle::new([3; 16]),
        opening: GranteeOpening::new([3; 16]),
        member: None,
        reader_key: reader().public().reader_key(),
        commitment: Commitment::new(TreeHash::new([3; 32])),
    };
    request.into()
}

fn broken(number: u8) -> EventBody {
    let request = AccessBreakGlass {
        request: RequestHandle::new([number; 16]),
        owner: name(HOSPITAL),
        record: RECORD,
        reader_key: reader().public().reader_key(),
        commitment: Commitment::new(TreeHash::new([3; 32])),
    };
    request.into()
}

pub(super) fn logs() -> Logs {
    let mut built = Built::new("logs.medanchor.example");
    let signer = || key(HOSPITAL, PARTICIPANT);
    built.block_of(vec![(HOSPITAL, sealed())]);
    let bodies = [denied(), broken(1), broken(2), broken(3), broken(4)];
    let requests: Vec<Event> = bodies
        .into_iter()
        .map(|body| built.event(HOSPITAL, body))
        .collect();
    let (late, before) = requests.split_last().expect("requests");
    let committed = before.iter().map(|event| (event.clone(), signer()));
    built.block_by(committed.collect());
    let now = built.memory().head().time;
    let released = |(number, request): (usize, &Event)| Released {
        request: request.id(),
        record: Custodied {
            owner: name(HOSPITAL),
            record: RecordVersion {
                network: built.genesis.network_id(),
                record: match number {
                    OTHER_RECORD => RecordHandle::new([9; 16]),
                    _ => RECORD,
                },
                version: 1,
            },
        },
        epoch: 1,
        index: ShareIndex::new(2).expect("a place"),
        answer: [7; 32],
        time: match number {
            ODD_CLOCK => Time(0),
            _ => now,
        },
    };
    let log: Vec<Released> = requests.iter().enumerate().map(released).collect();
    let root = root_of_leaves(leaves(&log));
    let size = Size(log.len() as u64);
    let anchoring = built.event(CUSTODIAN, CustodyLog { size, root }.into());
    let at = built.size();
    built.block_by(vec![(anchoring.clone(), key(CUSTODIAN, PARTICIPANT))]);
    built.block_by(vec![(late.clone(), signer())]);
    Logs {
        built,
        requests,
        log,
        anchoring,
        at,
    }
}

pub(super) fn leaves(log: &[Released]) -> Vec<TreeHash> {
    log.iter().map(|one| leaf_hash(&one.encode())).collect()
}
