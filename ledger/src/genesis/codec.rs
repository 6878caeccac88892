//! The one encoding of a genesis.

use super::{Authorities, GenesisError, GenesisSpec, MAX_GENESIS_PARTICIPANTS, NetworkName};
use crate::cbor::{CborFault, Reader, Writer};
use crate::event::DecodeError;
use crate::rules::{Participant, RULES_VERSION};
use crate::signature::PublicKey;
use crate::validator::{Validator, ValidatorSet};
use crate::{ParticipantName, Time};
use std::collections::{BTreeMap, BTreeSet};

const FORMAT: &str = "medanchor/genesis/v1";

pub(super) fn encode(spec: &GenesisSpec) -> Vec<u8> {
    let mut writer = Writer::with_capacity(4096);
    writer.map(8);
    writer.key(0).text(FORMAT);
    writer.key(1).text(spec.name.as_str());
    writer.key(2).uint(spec.time.0);
    writer.key(3).uint(u64::from(RULES_VERSION));
    writer.key(4).array(spec.validators.len());
    for validator in &spec.validators {
        write_validator(&mut writer, validator);
    }
    writer.key(5).array(spec.participants.len());
    for (name, participant) in &spec.participants {
        writer.map(2);
        writer.key(1).text(name.as_str());
        participant.write_parts(writer.key(2).array(2));
    }
    writer.key(6).map(2);
    writer.key(1).uint(u64::from(spec.authorities.threshold));
    writer.key(2).array(spec.authorities.names.len());
    for name in &spec.authorities.names {
        writer.text(name.as_str());
    }
    writer.key(7);
    match &spec.publisher {
        Some(key) => writer.bytes(&key.encode()),
        None => writer.null(),
    };
    writer.into_bytes()
}

fn write_validator(writer: &mut Writer, validator: &Validator) {
    writer.map(5);
    writer.key(1).text(validator.name.as_str());
    for (key, place) in validator.keys().into_iter().zip(2..) {
        writer.key(place).bytes(&key.encode());
    }
}

pub(super) fn decode(bytes: &[u8]) -> Result<GenesisSpec, GenesisError> {
    let mut reader = Reader::new(bytes);
    reader.map(8)?;
    reader.key(0)?.constant(FORMAT)?;
    let name = reader.key(1)?.text(NetworkName::MAX_LENGTH)?.parse()?;
    let time = Time(reader.key(2)?.uint()?);
    match reader.key(3)?.narrow()? {
        RULES_VERSION => {}
        found => return Err(GenesisError::UnknownRules { found }),
    }
    let spec = GenesisSpec {
        name,
        time,
        validators: read_validators(reader.key(4)?)?,
        participants: read_participants(reader.key(5)?)?,
        authorities: read_authorities(reader.key(6)?)?,
        publisher: read_publisher(reader.key(7)?)?,
    };
    reader.finish()?;
    Ok(spec)
}

fn read_name(reader: &mut Reader<'_>) -> Result<ParticipantName, DecodeError> {
    Ok(reader.parsed(ParticipantName::MAX_LENGTH)?)
}

fn read_key(reader: &mut Reader<'_>) -> Result<PublicKey, DecodeError> {
    let bytes = reader.fixed::<{ PublicKey::ENCODED_LENGTH }>()?;
    let what = "a key of the genesis file";
    PublicKey::decode(&bytes).map_err(|_| DecodeError::Key { what })
}

fn read_publisher(reader: &mut Reader<'_>) -> Result<Option<PublicKey>, DecodeError> {
    if reader.null() {
        return Ok(None);
    }
    read_key(reader).map(Some)
}

fn read_validators(reader: &mut Reader<'_>) -> Result<ValidatorSet, GenesisError> {
    let order = reader.fault(CborFault::Order);
    let count = reader.array(1..=ValidatorSet::MAX)?;
    let list: Result<Vec<_>, _> = (0..count).map(|_| read_validator(reader)).collect();
    let list = list?;
    if !list.is_sorted_by(|a, b| a.name < b.name) {
        return Err(order.into());
    }
    Ok(ValidatorSet::new(list)?)
}

fn read_validator(reader: &mut Reader<'_>) -> Result<Validator, DecodeError> {
    reader.map(5)?;
    Ok(Validator {
        name: read_name(reader.key(1)?)?,
        consensus: read_key(reader.key(2)?)?,
        log: read_key(reader.key(3)?)?,
        cosigner: read_key(reader.key(4)?)?,
        cose: read_key(reader.key(5)?)?,
    })
}

fn read_participants(
    reader: &mut Reader<'_>,
) -> Result<BTreeMap<ParticipantName, Participant>, GenesisError> {
    let count = reader.array(1..=MAX_GENESIS_PARTICIPANTS)?;
    let mut participants = BTreeMap::new();
    for _ in 0..count {
        let order = reader.fault(CborFault::Order);
        reader.map(2)?;
        let name = read_name(reader.key(1)?)?;
        if participants
            .last_key_value()
            .is_some_and(|(last, _)| *last >= name)
        {
            return Err(order.into());
        }
        reader.key(2)?.array(2..=2)?;
        participants.insert(name, Participant::read_parts(reader, 1, PublicKey::decode)?);
    }
    Ok(participants)
}

fn read_authorities(reader: &mut Reader<'_>) -> Result<Authorities, GenesisError> {
    reader.map(2)?;
    let threshold = reader.key(1)?.narrow()?;
    let count = reader.key(2)?.array(1..=MAX_GENESIS_PARTICIPANTS)?;
    let mut names = BTreeSet::new();
    for _ in 0..count {
        let order = reader.fault(CborFault::Order);
        let name = read_name(reader)?;
        if names.last().is_some_and(|last| *last >= name) {
            return Err(order.into());
        }
        names.insert(name);
    }
    Ok(Authorities { threshold, names })
}
