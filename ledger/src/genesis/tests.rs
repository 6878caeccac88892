use super::*;
use crate::rules::Role;
use crate::signature::SigningKey;
use crate::validator::Validator;

pub(crate) fn seed(number: u8, purpose: u8) -> SigningKey {
    let mut seed = [purpose; 32];
    seed[0] = number;
    SigningKey::from_seed(&seed)
}

/// The key that participant `number` signs events with.
pub(crate) fn participant_key(number: u8) -> SigningKey {
    seed(number, 9)
}

pub(crate) const PARTICIPANTS: [(&str, Role); 7] = [
    ("maker", Role::Manufacturer),
    ("north-hospital", Role::Hospital),
    ("old-pharmacy", Role::Pharmacy),
    ("regulator", Role::Regulator),
    ("south-hospital", Role::Hospital),
    ("third-pharmacy", Role::Pharmacy),
    ("van-distributor", Role::Distributor),
];

fn validator(number: u8) -> Validator {
    let (name, _) = PARTICIPANTS[usize::from(number)];
    Validator {
        name: name.parse().unwrap(),
        consensus: seed(number, 1).public_key(),
        log: seed(number, 2).public_key(),
        cosigner: seed(number, 3).public_key(),
        cose: seed(number, 4).public_key(),
    }
}

/// Seven participants, of which the first four are validators and authorities.
pub(crate) fn spec() -> GenesisSpec {
    let participants = (0..).zip(PARTICIPANTS).map(|(number, (name, role))| {
        let keys = vec![participant_key(number).public_key()];
        (
            name.parse().unwrap(),
            Participant::new(vec![role], keys).unwrap(),
        )
    });
    let names = PARTICIPANTS[..4]
        .iter()
        .map(|(name, _)| name.parse().unwrap());
    GenesisSpec {
        name: "test.medanchor.example".parse().unwrap(),
        time: Time(1_700_000_000_000),
        validators: ValidatorSet::new((0..4).map(validator).collect()).unwrap(),
        participants: participants.collect(),
        authorities: Authorities {
            threshold: 3,
            names: names.collect(),
        },
        publisher: Some(seed(100, 5).public_key()),
    }
}

#[test]
fn a_genesis_survives_its_encoding() {
    let genesis = Genesis::new(spec()).unwrap();
    assert_eq!(Genesis::decode(genesis.encoded()).unwrap(), genesis);
    let id = genesis.network_id().to_string();
    assert_eq!(
        genesis.origin().as_str(),
        format!("test.medanchor.example/{id}")
    );
    assert!(genesis.hash().to_string().starts_with(&id));
}

#[test]
fn two_holders_of_one_key_are_refused() {
    let mut shared = spec();
    shared.publisher = Some(participant_key(2).public_key());
    let refused = Genesis::new(shared).unwrap_err();
    assert!(matches!(refused, GenesisError::SharedKey { name } if name.as_str() == "old-pharmacy"));
    let mut shared = spec();
    let keys = vec![seed(0, 1).public_key()];
    let participant = Participant::new(vec![Role::Pharmacy], keys).unwrap();
    shared
        .participants
        .insert("zz".parse().unwrap(), participant);
    assert!(matches!(
        Genesis::new(shared),
        Err(GenesisError::SharedKey { .. })
    ));
}

#[test]
fn validators_and_authorities_take_part() {
    let mut stranger = spec();
    stranger.participants.remove(&"maker".parse().unwrap());
    assert!(matches!(
        Genesis::new(stranger),
        Err(GenesisError::NotAParticipant { .. })
    ));
}

#[test]
fn approvals_can_be_reached() {
    for threshold in [0, 5] {
        let mut wrong = spec();
        wrong.authorities.threshold = threshold;
        assert!(matches!(Genesis::new(wrong), Err(GenesisError::Threshold)));
    }
}

#[test]
fn a_network_name_is_short_and_plain() {
    for name in ["", "Net", "net/1", "net+1", &"n".repeat(65)] {
        assert!(name.parse::<NetworkName>().is_err(), "{name}");
    }
    assert!("net-1.example".parse::<NetworkName>().is_ok());
}

#[test]
fn every_truncation_and_every_appended_byte_is_refused() {
    let genesis = Genesis::new(spec()).unwrap();
    let bytes = genesis.encoded();
    for end in (0..bytes.len()).step_by(7) {
        assert!(Genesis::decode(&bytes[..end]).is_err(), "{end}");
    }
    assert!(Genesis::decode(&[bytes, &[0]].concat()).is_err());
}
