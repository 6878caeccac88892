//! One event of each type, of fixed bytes.

use crate::world::{commitment, draw_keys, draw_keys_of, end, ender, key_of, name, seeded, token};
use medanchor_ledger::draw::{DrawInput, commit_item, item_leaf};
use medanchor_ledger::event::consent::{Classes, Grantees, Purposes, Tags};
use medanchor_ledger::event::*;
use medanchor_ledger::signature::PublicKey;
use medanchor_ledger::{
    CiphertextHash, ClassHandle, ConsentHandle, InspectionHandle, ItemCommitment, JournalHead,
    KeyCheck, LotHandle, MemberCommitment, NetworkId, Nonce, PopulationHandle, PrescriptionHandle,
    ProposalHandle, PurposeHandle, RecordHandle, RequestHandle, Size, Tag, Time, TlsKeyHash,
    TreeHash, UnitHandle, VaultPartHash,
};

pub const NETWORK: NetworkId = NetworkId::new([0xaa; 16]);
pub const OPENING: GranteeOpening = GranteeOpening::new([0x55; 16]);
pub const MEMBER: MemberCommitment = MemberCommitment::new([0x66; 32]);
const TIME: u64 = 1_700_000_000_000;

pub fn unsigned(who: &str, body: impl Into<EventBody>) -> UnsignedEvent {
    UnsignedEvent {
        issuer: name(who),
        network: NETWORK,
        nonce: Nonce::new([0xbb; 16]),
        not_after: Time(TIME),
        body: body.into(),
    }
}

pub fn signed(who: &str, body: impl Into<EventBody>) -> Event {
    unsigned(who, body).sign(&key_of(who)).unwrap()
}

pub fn record_seal() -> RecordSeal {
    RecordSeal {
        record: RecordHandle::new([1; 16]),
        version: 1,
        tag: Tag::new([2; 16]),
        class: ClassHandle::new([3; 16]),
        commitment: commitment(4),
        ciphertext: CiphertextHash::new([5; 32]),
        vault_part: VaultPartHash::new([6; 32]),
        key_check: KeyCheck::new([7; 16]),
    }
}

/// Three custodians of which two do.
pub fn custodians() -> Custodians {
    let member = |(who, byte): (&str, u8)| Custodian {
        name: name(who),
        share_key: ReaderKey {
            suite: KemSuite::XWing,
            hash: [byte; 32],
        },
        tls: TlsKeyHash::new([byte + 0x10; 32]),
    };
    let members = [("bar-custody", 1), ("city-custody", 2), ("notary", 3)].map(member);
    Custodians::new(1, 2, members.into()).unwrap()
}

pub fn governance_propose() -> GovernancePropose {
    GovernancePropose {
        proposal: ProposalHandle::new([1; 16]),
        change: Change::Custodians(custodians()),
    }
}

/// Two keys, ascending.
pub fn two_keys() -> [PublicKey; 2] {
    let mut keys = [1, 2].map(|number| seeded(number, 0x99).public_key());
    keys.sort_unstable();
    keys
}

pub fn propose_keys() -> GovernancePropose {
    let keys = ParticipantKeys::new(name("old-pharmacy"), 3, two_keys().into()).unwrap();
    GovernancePropose {
        proposal: ProposalHandle::new([2; 16]),
        change: Change::Keys(keys),
    }
}

pub fn propose_no_keys() -> GovernancePropose {
    let keys = ParticipantKeys::new(name("old-pharmacy"), 1, Vec::new()).unwrap();
    GovernancePropose {
        proposal: ProposalHandle::new([3; 16]),
        change: Change::Keys(keys),
    }
}

pub fn governance_approve() -> GovernanceApprove {
    GovernanceApprove {
        proposer: name("regulator"),
        proposal: ProposalHandle::new([1; 16]),
        change: governance_propose().change.hash(),
    }
}

/// Twice the base point of the group, as RFC 9496 A.1 gives it, and then three times.
pub fn custody() -> Custody {
    let points = [
        "6a493210f7499cd17fecb510ae0cea23a110e8d5b901f8acadd3095c73a3b919",
        "94741f5d5d52755ece4f23f044ee27d5d1ea1e2bd196b462166b16152a9d0259",
    ]
    .map(|point| SharePoint::new(hex::decode(point).unwrap().try_into().unwrap()));
    Custody::new(1, points.into()).unwrap()
}

pub fn record_custody() -> RecordCustody {
    RecordCustody {
        seal: record_seal(),
        custody: custody(),
    }
}

pub fn record_supersede() -> RecordSupersede {
    let seal = record_seal();
    RecordSupersede {
        record: seal.record,
        version: 2,
        class: seal.class,
        commitment: seal.commitment,
        ciphertext: seal.ciphertext,
        vault_part: seal.vault_part,
        key_check: seal.key_check,
        custody: Some(custody()),
    }
}

pub fn record_erase() -> RecordErase {
    RecordErase {
        record: RecordHandle::new([1; 16]),
        version: 2,
        reason: ErasureReason::RetentionOver,
        destroyed: Destroyed::new(Destroyed::VAULT_PART | Destroyed::PAYLOAD).unwrap(),
        certificate: commitment(2),
    }
}

pub fn record_reshare() -> RecordReshare {
    RecordReshare {
        record: RecordHandle::new([1; 16]),
        version: 2,
        custody: custody(),
    }
}

pub fn custody_log() -> CustodyLog {
    CustodyLog {
        size: Size(1000),
        root: TreeHash::new([1; 32]),
    }
}

pub fn consent_grant() -> ConsentGrant {
    let grantees = [
        OPENING.grantee(&name("old-pharmacy"), None),
        OPENING.grantee(&name("old-pharmacy"), Some(&MEMBER)),
    ];
    ConsentGrant {
        consent: ConsentHandle::new([1; 16]),
        root: Some(ConsentHandle::new([2; 16])),
        tags: Tags::new([2, 1].map(|tag| Tag::new([tag; 16]))).unwrap(),
        grantees: Grantees::new(grantees).unwrap(),
        purposes: Purposes::new([PurposeHandle::new([3; 16])]).unwrap(),
        classes: Classes::new([ClassHandle::new([4; 16])]).unwrap(),
        not_before: Time(TIME),
        not_after: Time(TIME + 1000),
        commitment: commitment(5),
        ender: None,
    }
}

pub fn consent_revoke() -> ConsentRevoke {
    ConsentRevoke {
        consent: ConsentHandle::new([1; 16]),
    }
}

/// The same grant, which the patient can end.
pub fn consent_grant_endable() -> ConsentGrant {
    ConsentGrant {
        ender: Some(ender(NETWORK, 1)),
        ..consent_grant()
    }
}

/// The bytes that the patient's key signs for [`end`].
pub fn end_bytes() -> Vec<u8> {
    let end = end(NETWORK, 1);
    ConsentEnd::sign_bytes(NETWORK, &end.owner, &end.consent, &end.key)
}

pub fn access_request() -> AccessRequest {
    AccessRequest {
        request: RequestHandle::new([1; 16]),
        owner: name("north-hospital"),
        record: RecordHandle::new([2; 16]),
        consent: ConsentHandle::new([3; 16]),
        purpose: PurposeHandle::new([4; 16]),
        opening: OPENING,
        member: None,
        reader_key: ReaderKey {
            suite: KemSuite::XWing,
            hash: [5; 32],
        },
        commitment: commitment(6),
    }
}

pub fn access_break_glass() -> AccessBreakGlass {
    AccessBreakGlass {
        request: RequestHandle::new([2; 16]),
        owner: name("north-hospital"),
        record: RecordHandle::new([3; 16]),
        reader_key: ReaderKey {
            suite: KemSuite::X25519,
            hash: [4; 32],
        },
        commitment: commitment(5),
    }
}

pub fn access_review() -> AccessReview {
    AccessReview {
        requester: name("south-hospital"),
        request: RequestHandle::new([2; 16]),
        verdict: Verdict::NotJustified,
        commitment: commitment(3),
    }
}

pub fn access_emergency() -> AccessEmergency {
    AccessEmergency {
        counter: 1,
        record: RecordHandle::new([2; 16]),
        version: 3,
        claimed: Time(TIME),
        previous: JournalHead::EMPTY,
        commitment: commitment(4),
    }
}

pub fn emergency_journal() -> EmergencyJournal {
    EmergencyJournal {
        counter: 1,
        head: access_emergency().head(),
        key_kind: JournalKeyKind::Hardware,
        lost: 0,
    }
}

/// Three entries behind that one are lost.
pub fn emergency_journal_lost() -> EmergencyJournal {
    EmergencyJournal {
        counter: 4,
        head: JournalHead::new([5; 32]),
        key_kind: JournalKeyKind::Token,
        lost: 3,
    }
}

pub fn prescription_issue() -> PrescriptionIssue {
    PrescriptionIssue {
        prescription: PrescriptionHandle::new([1; 16]),
        record: RecordHandle::new([2; 16]),
        token_key: token(1).public_key(),
        lines: 2,
        expires: Time(TIME + 1000),
    }
}

pub fn claim_bytes() -> Vec<u8> {
    let token = token(1).public_key();
    Claim {
        network: NETWORK,
        algorithm: token.algorithm(),
        issuer: &name("north-hospital"),
        prescription: PrescriptionHandle::new([1; 16]),
        number: 1,
        pharmacy: &name("old-pharmacy"),
        not_after: Time(TIME),
    }
    .sign_bytes()
}

pub fn prescription_redeem() -> PrescriptionRedeem {
    PrescriptionRedeem {
        issuer: name("north-hospital"),
        prescription: PrescriptionHandle::new([1; 16]),
        claim_number: 1,
        claim_not_after: Time(TIME),
        token_key: token(1).public_key(),
        claim_signature: token(1).sign(&claim_bytes()),
        fractions: Fractions::new([Fraction::WHOLE, Fraction(250_000)]).unwrap(),
        commitment: commitment(2),
    }
}

pub fn units() -> Units {
    Units::new([3, 1, 2].map(|unit| UnitHandle::new([unit; 16]))).unwrap()
}

pub const INSPECTION: InspectionHandle = InspectionHandle::new([1; 16]);
pub const POPULATION: PopulationHandle = PopulationHandle::new([2; 16]);

/// Five items; the salt of item n is n and then 77.
pub fn items() -> Vec<ItemCommitment> {
    let item = |number: u8| commit_item(&seeded(number, 0x77).seed(), &[number; 3]);
    (0..5).map(item).collect()
}

pub fn leaves() -> Vec<TreeHash> {
    items().iter().map(item_leaf).collect()
}

/// What is drawn: two of the five items, under the seal 03...
pub fn with_draw_input<T>(take: impl FnOnce(DrawInput<'_>) -> T) -> T {
    take(DrawInput {
        network: NETWORK,
        opener: &name("regulator"),
        inspection: INSPECTION,
        owner: &name("north-hospital"),
        population: POPULATION,
        root: medanchor_ledger::merkle::root_of_leaves(leaves()),
        count: 5,
        sample: 2,
        seal: TreeHash::new([3; 32]),
    })
}

/// The maker's second keys, in the place of its first.
pub fn inspection_key_replacing() -> InspectionKey {
    draw_keys_of("maker", 2).1
}

pub fn inspection_population() -> InspectionPopulation {
    InspectionPopulation {
        population: POPULATION,
        root: medanchor_ledger::merkle::root_of_leaves(leaves()),
        count: 5,
        commitment: commitment(4),
    }
}

pub fn inspection_open() -> InspectionOpen {
    InspectionOpen {
        inspection: INSPECTION,
        owner: name("north-hospital"),
        population: POPULATION,
        sample: 2,
        window: 120_000,
        answer_by: Time(TIME + 1_000_000),
        commitment: commitment(5),
    }
}

pub fn inspection_output() -> InspectionOutput {
    let maker = name("maker");
    let input = with_draw_input(|input| input.of(&maker));
    InspectionOutput {
        opener: name("regulator"),
        inspection: INSPECTION,
        proof: draw_keys("maker").0.prove(&input).unwrap(),
    }
}

pub fn inspection_answer() -> InspectionAnswer {
    InspectionAnswer {
        opener: name("regulator"),
        inspection: INSPECTION,
        number: 1,
        item: items()[3],
        proof: ItemProof::new(vec![TreeHash::new([6; 32]), TreeHash::new([7; 32])]).unwrap(),
        commitment: commitment(8),
    }
}

/// One event of each type.
pub fn all() -> Vec<Event> {
    let lot = LotHandle::new([9; 16]);
    let maker = name("maker");
    vec![
        signed("regulator", governance_propose()),
        signed("regulator", governance_approve()),
        signed("north-hospital", record_seal()),
        signed("north-hospital", record_custody()),
        signed("north-hospital", record_supersede()),
        signed("north-hospital", record_erase()),
        signed("north-hospital", record_reshare()),
        signed("notary", custody_log()),
        signed("north-hospital", consent_grant()),
        signed("north-hospital", consent_revoke()),
        signed("old-pharmacy", end(NETWORK, 1)),
        signed("old-pharmacy", access_request()),
        signed("south-hospital", access_break_glass()),
        signed("north-hospital", access_review()),
        signed("north-hospital", access_emergency()),
        signed("north-hospital", emergency_journal()),
        signed("north-hospital", prescription_issue()),
        signed("old-pharmacy", prescription_redeem()),
        signed(
            "north-hospital",
            PrescriptionVoid {
                prescription: PrescriptionHandle::new([1; 16]),
                reason: VoidReason(3),
            },
        ),
        signed(
            "maker",
            LotOpen {
                lot,
                commitment: commitment(8),
            },
        ),
        signed(
            "maker",
            UnitCommission {
                lot,
                units: units(),
            },
        ),
        signed(
            "maker",
            UnitShip {
                maker: maker.clone(),
                units: units(),
                to: name("old-pharmacy"),
            },
        ),
        signed(
            "old-pharmacy",
            UnitReceive {
                maker: maker.clone(),
                units: units(),
                from: name("maker"),
            },
        ),
        signed(
            "old-pharmacy",
            UnitDispense {
                maker,
                units: units(),
            },
        ),
        signed("maker", draw_keys("maker").1),
        signed("north-hospital", inspection_population()),
        signed("regulator", inspection_open()),
        signed("maker", inspection_output()),
        signed("north-hospital", inspection_answer()),
    ]
}
