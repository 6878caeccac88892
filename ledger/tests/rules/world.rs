//! A small network in memory. Every block it makes is built by one execution and confirmed by a
//! second one from its bytes.

use curve25519_dalek::{RistrettoPoint, Scalar};
use medanchor_ledger::block::Block;
use medanchor_ledger::event::{
    Claim, ConsentEnd, Custodian, Custodians, Custody, EventBody, Fraction, Fractions,
    InspectionKey, KemSuite, PrescriptionIssue, PrescriptionRedeem, ReaderKey, RecordSeal,
    SharePoint, UnsignedEvent, Verified,
};
use medanchor_ledger::execute::{
    BlockBuilder, CheckedBlock, Executed, MemoryState, View, execute_block,
};
use medanchor_ledger::genesis::{Authorities, Genesis, GenesisSpec};
use medanchor_ledger::rules::{Participant, Rejection, Role, Rule, StateValue};
use medanchor_ledger::signature::{Signature, SigningKey};
use medanchor_ledger::state::StateKey;
use medanchor_ledger::validator::{Validator, ValidatorSet};
use medanchor_ledger::vrf::VrfSecretKey;
use medanchor_ledger::{
    CiphertextHash, ClassHandle, Commitment, ConsentHandle, Ender, KeyCheck, NetworkId, Nonce,
    ParticipantName, PrescriptionHandle, RecordHandle, Round, StateRoot, Tag, Time, TlsKeyHash,
    TreeHash, VaultPartHash,
};
use std::collections::BTreeMap;
use std::num::NonZeroU32;

pub const START: u64 = 1_700_000_000_000;
pub const MINUTE: u64 = 60_000;

pub const HOSPITAL: &str = "north-hospital";
pub const OTHER_HOSPITAL: &str = "south-hospital";
pub const PHARMACY: &str = "old-pharmacy";
pub const OTHER_PHARMACY: &str = "third-pharmacy";
pub const MAKER: &str = "maker";
pub const OTHER_MAKER: &str = "zeta-maker";
pub const DISTRIBUTOR: &str = "van-distributor";
pub const REGULATOR: &str = "regulator";

const PARTICIPANTS: [(&str, Role); 8] = [
    (MAKER, Role::Manufacturer),
    (HOSPITAL, Role::Hospital),
    (PHARMACY, Role::Pharmacy),
    (REGULATOR, Role::Regulator),
    (OTHER_HOSPITAL, Role::Hospital),
    (OTHER_PHARMACY, Role::Pharmacy),
    (DISTRIBUTOR, Role::Distributor),
    (OTHER_MAKER, Role::Manufacturer),
];

pub fn seeded(number: u8, purpose: u8) -> SigningKey {
    let mut seed = [purpose; 32];
    seed[0] = number;
    SigningKey::from_seed(&seed)
}

/// The key that a participant signs with.
pub fn key_of(name: &str) -> SigningKey {
    seeded(number_of(name), 9)
}

/// The secret key of a participant's random outputs, and the keys as they are first registered. The
/// operational key is `seeded(number, 6)`.
pub fn draw_keys(name: &str) -> (VrfSecretKey, InspectionKey) {
    draw_keys_of(name, 1)
}

/// The same of the participant's registration `number`, which replaces the one before.
pub fn draw_keys_of(name: &str, number: u8) -> (VrfSecretKey, InspectionKey) {
    let seed = seeded(number_of(name), purpose_of(number, 5)).seed();
    let secret = VrfSecretKey::from_seed(&seed);
    let keys = InspectionKey {
        vrf: secret.public_key(),
        operational: operational_of(name, number).public_key(),
        replaces: NonZeroU32::new(u32::from(number) - 1),
    };
    (secret, keys)
}

/// The key with which a validator's node signs random outputs at first.
pub fn operational(name: &str) -> SigningKey {
    operational_of(name, 1)
}

/// That of its registration `number`.
pub fn operational_of(name: &str, number: u8) -> SigningKey {
    seeded(number_of(name), purpose_of(number, 6))
}

fn purpose_of(number: u8, first: u8) -> u8 {
    first + (number - 1) * 0x10
}

fn number_of(name: &str) -> u8 {
    let number = PARTICIPANTS.iter().position(|(known, _)| *known == name);
    let number = number.and_then(|number| u8::try_from(number).ok());
    number.unwrap_or(name.as_bytes()[0])
}

/// The patient's key for one prescription.
pub fn token(number: u8) -> SigningKey {
    seeded(number, 77)
}

/// The patient's key that ends one consent.
pub fn ending(number: u8) -> SigningKey {
    seeded(number, 78)
}

/// What a grant of [`HOSPITAL`]'s consent `number` says of that key.
pub fn ender(network: NetworkId, number: u8) -> Ender {
    let consent = ConsentHandle::new([number; 16]);
    Ender::of(
        network,
        &name(HOSPITAL),
        &consent,
        &ending(number).public_key(),
    )
}

/// The patient's end of [`HOSPITAL`]'s consent `number`, under the key `by`.
pub fn end_by(network: NetworkId, number: u8, by: &SigningKey) -> ConsentEnd {
    let (owner, consent) = (name(HOSPITAL), ConsentHandle::new([number; 16]));
    let key = by.public_key();
    let signature = by.sign(&ConsentEnd::sign_bytes(network, &owner, &consent, &key));
    ConsentEnd {
        owner,
        consent,
        key,
        signature,
    }
}

/// The patient's end of [`HOSPITAL`]'s consent `number`.
pub fn end(network: NetworkId, number: u8) -> ConsentEnd {
    end_by(network, number, &ending(number))
}

pub fn name(text: &str) -> ParticipantName {
    text.parse().unwrap()
}

pub fn commitment(number: u8) -> Commitment {
    Commitment::new(TreeHash::new([number; 32]))
}

/// Participants that hold shares. No test uses the last one but as a stranger to a set.
pub const CUSTODIANS: [&str; 4] = ["bar-custody", "city-custody", "notary", "port-custody"];

/// Who decides on changes in a network with custodians: two of them do.
pub const AUTHORITIES: [&str; 3] = [REGULATOR, HOSPITAL, MAKER];

pub fn genesis() -> Genesis {
    genesis_with(&[], 1, &[REGULATOR])
}

/// A network with custodians, of whom one is a validator with another role beside.
pub fn genesis_with_custodians() -> Genesis {
    let mut more = CUSTODIANS.map(|text| (text, Role::Custodian)).to_vec();
    more.push((MAKER, Role::Custodian));
    genesis_with(&more, 2, &AUTHORITIES)
}

/// The same network with participants more, whose names differ in their first letter, or with another
/// role of one.
fn genesis_with(more: &[(&str, Role)], threshold: u16, authorities: &[&str]) -> Genesis {
    let mut roles: BTreeMap<&str, Vec<Role>> = BTreeMap::new();
    for (text, role) in PARTICIPANTS.iter().chain(more) {
        roles.entry(text).or_default().push(*role);
    }
    let participants = roles.into_iter().map(|(text, roles)| {
        let keys = vec![key_of(text).public_key()];
        (name(text), Participant::new(roles, keys).unwrap())
    });
    let validator = |number: u8| Validator {
        name: name(PARTICIPANTS[usize::from(number)].0),
        consensus: seeded(number, 1).public_key(),
        log: seeded(number, 2).public_key(),
        cosigner: seeded(number, 3).public_key(),
        cose: seeded(number, 4).public_key(),
    };
    Genesis::new(GenesisSpec {
        name: "test.medanchor.example".parse().unwrap(),
        time: Time(START),
        validators: ValidatorSet::new((0..4).map(validator).collect()).unwrap(),
        participants: participants.collect(),
        authorities: Authorities {
            threshold,
            names: authorities.iter().map(|text| name(text)).collect(),
        },
        publisher: None,
    })
    .unwrap()
}

pub struct World {
    pub state: MemoryState,
    /// The time of the next block.
    pub now: u64,
    nonces: u64,
}

impl World {
    pub fn new() -> Self {
        Self::with_regulators(&[])
    }

    /// A network with regulators more, whose names differ in their first letter.
    pub fn with_regulators(names: &[&str]) -> Self {
        let more: Vec<_> = names.iter().map(|text| (*text, Role::Regulator)).collect();
        Self::of(&genesis_with(&more, 1, &[REGULATOR]))
    }

    /// The network of [`genesis_with_custodians`].
    pub fn with_custodians() -> Self {
        Self::of(&genesis_with_custodians())
    }

    fn of(genesis: &Genesis) -> Self {
        Self {
            state: MemoryState::genesis(genesis).unwrap(),
            now: START + MINUTE,
            nonces: 0,
        }
    }

    /// An event of `who`, good for ten minutes from now.
    pub fn unsigned(&mut self, who: &str, body: impl Into<EventBody>) -> UnsignedEvent {
        self.nonces += 1;
        UnsignedEvent {
            issuer: name(who),
            network: self.state.head().network,
            nonce: Nonce::new(u128::from(self.nonces).to_be_bytes()),
            not_after: Time(self.now + 10 * MINUTE),
            body: body.into(),
        }
    }

    pub fn event(&mut self, who: &str, body: impl Into<EventBody>) -> Verified {
        let key = key_of(who);
        let unsigned = self.unsigned(who, body);
        unsigned
            .sign(&key)
            .unwrap()
            .verify(&key.public_key())
            .unwrap()
    }

    /// Builds, confirms and applies the block at `self.now` of those events that apply.
    pub fn block(&mut self, events: &[Verified]) -> (Vec<Result<(), Rejection>>, Executed) {
        let mut builder = BlockBuilder::new(&self.state, Time(self.now)).unwrap();
        let verdicts = events
            .iter()
            .map(|event| builder.push(event).unwrap())
            .collect();
        let proposer = self
            .state
            .head()
            .schedule
            .proposer(Round(0))
            .unwrap()
            .clone();
        let built = builder.finish().unwrap().seal(Round(0), proposer);
        let confirmed = self.confirm(&built);
        assert_eq!(confirmed.value_id, built.value_id);
        assert_eq!(confirmed.encode_block(), built.encode_block());
        assert_eq!(confirmed.head, built.head);
        self.state.apply(&confirmed).unwrap();
        self.now += 1000;
        (verdicts, built)
    }

    fn confirm(&self, built: &Executed) -> Executed {
        let block = Block::decode(&built.encode_block()).unwrap();
        let checked = CheckedBlock::check(block, &self.state, |_| None)
            .unwrap()
            .unwrap();
        execute_block(&self.state, &checked).unwrap().unwrap()
    }

    /// The network's id.
    pub fn network(&self) -> NetworkId {
        self.state.head().network
    }

    /// One block of one event.
    pub fn try_apply(&mut self, who: &str, body: impl Into<EventBody>) -> Result<(), Rejection> {
        let event = self.event(who, body);
        self.block(&[event]).0[0]
    }

    /// One block of one event that must apply.
    pub fn apply(&mut self, who: &str, body: impl Into<EventBody>) -> Verified {
        let event = self.event(who, body);
        assert_eq!(self.block(std::slice::from_ref(&event)).0, [Ok(())]);
        event
    }

    /// One block of one event that must break `rule`.
    #[track_caller]
    pub fn refuse(&mut self, who: &str, body: impl Into<EventBody>, rule: Rule) -> Rejection {
        let without = self.root_after_an_empty_block();
        let rejection = self.try_apply(who, body).unwrap_err();
        assert_eq!(rejection.rule, rule);
        assert_eq!(
            self.state.map().root(),
            without,
            "a refused event changes nothing"
        );
        rejection
    }

    /// What a block changes by itself: seals of inspections, and nothing else.
    fn root_after_an_empty_block(&self) -> StateRoot {
        let builder = BlockBuilder::new(&self.state, Time(self.now)).unwrap();
        let built = builder.finish().unwrap();
        built.seal(Round(0), name(HOSPITAL)).seal.state_root
    }

    /// What the state holds.
    pub fn value<T: StateValue>(&self, key: &StateKey) -> Option<T> {
        let bytes = self.state.value(key).unwrap()?;
        Some(T::decode(&bytes).unwrap())
    }
}

/// A first version of the record `record` under the tag `tag`.
pub fn seal(record: u8, tag: u8) -> RecordSeal {
    RecordSeal {
        record: RecordHandle::new([record; 16]),
        version: 1,
        tag: Tag::new([tag; 16]),
        class: ClassHandle::new([1; 16]),
        commitment: commitment(record),
        ciphertext: CiphertextHash::new([record; 32]),
        vault_part: VaultPartHash::new([record; 32]),
        key_check: KeyCheck::new([record; 16]),
    }
}

/// The set of `epoch`: of these custodians, `threshold` do. Their keys say which place of
/// [`CUSTODIANS`] is theirs.
pub fn custodians(epoch: u32, threshold: u16, names: &[&str]) -> Custodians {
    let member = |text: &&str| {
        let byte = number_of(text);
        Custodian {
            name: name(text),
            share_key: ReaderKey {
                suite: KemSuite::X25519,
                hash: [byte; 32],
            },
            tls: TlsKeyHash::new([byte; 32]),
        }
    };
    Custodians::new(epoch, threshold, names.iter().map(member).collect()).unwrap()
}

/// These multiples of the group's base point, for custodians of `epoch`.
pub fn custody(epoch: u32, multiples: &[u64]) -> Custody {
    let point = |number: &u64| {
        let point = RistrettoPoint::mul_base(&Scalar::from(*number));
        SharePoint::new(point.compress().to_bytes())
    };
    Custody::new(epoch, multiples.iter().map(point).collect()).unwrap()
}

pub fn prescription(number: u8) -> PrescriptionHandle {
    PrescriptionHandle::new([number; 16])
}

/// A prescription of two lines that expires an hour after the start, for the record `number`.
pub fn issue(number: u8) -> PrescriptionIssue {
    PrescriptionIssue {
        prescription: prescription(number),
        record: RecordHandle::new([number; 16]),
        token_key: token(number).public_key(),
        lines: 2,
        expires: Time(START + 60 * MINUTE),
    }
}

impl World {
    /// Has `hospital` seal a record and issue the prescription `issue(number)` for it.
    pub fn prescribe(&mut self, hospital: &str, number: u8) {
        self.apply(hospital, seal(number, number));
        self.apply(hospital, issue(number));
    }

    /// The whole redemption of `issue(number)` by `pharmacy` under the patient's first claim.
    pub fn redemption(&self, pharmacy: &str, number: u8) -> PrescriptionRedeem {
        let redeem = PrescriptionRedeem {
            issuer: name(HOSPITAL),
            prescription: prescription(number),
            claim_number: 1,
            claim_not_after: Time(self.now + 5 * MINUTE),
            token_key: token(number).public_key(),
            claim_signature: Signature::new([0; 64]),
            fractions: Fractions::new([Fraction::WHOLE; 2]).unwrap(),
            commitment: commitment(number),
        };
        self.claimed(redeem, pharmacy, &token(number))
    }

    /// The redemption with the claim signed as it stands.
    pub fn claimed(
        &self,
        mut redeem: PrescriptionRedeem,
        pharmacy: &str,
        token: &SigningKey,
    ) -> PrescriptionRedeem {
        let claim = Claim {
            network: self.state.head().network,
            algorithm: token.public_key().algorithm(),
            issuer: &redeem.issuer,
            prescription: redeem.prescription,
            number: redeem.claim_number,
            pharmacy: &name(pharmacy),
            not_after: redeem.claim_not_after,
        };
        redeem.claim_signature = token.sign(&claim.sign_bytes());
        redeem
    }
}
