//! The request to an old custodian to share its share out among new ones.
//!
//! Deterministic CBOR, the body of a [`crate::direct::Statement`]:
//!
//! | key | value |
//! |---|---|
//! | 1 | record (16 bytes), of whoever asks |
//! | 2 | the places of all contributors in the old set, ascending: array of 1 to 16 |
//! | 3 | the new members' share keys in the order of their places: array of 2 to 16 arrays [suite, key] |
//!
//! The ledger has the hashes of these keys; any other is refused.

use medanchor_ledger::RecordHandle;
use medanchor_ledger::cbor::{CborError, CborFault, Reader, Writer};
use medanchor_ledger::event::KemSuite;
use medanchor_vault::custody::seal::MAX_PUBLIC;
use medanchor_vault::custody::{MAX_MEMBERS, MIN_THRESHOLD, SealingKey, ShareIndex};

/// A request to contribute to a new epoch.
#[derive(Clone, Debug)]
pub struct ReshareAsk {
    /// The record.
    pub record: RecordHandle,
    /// Who contributes, by place in the old set, ascending.
    pub contributors: Vec<ShareIndex>,
    /// The new members' share keys, by place in the new set.
    pub keys: Vec<SealingKey>,
}

impl ReshareAsk {
    /// Its one encoding.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::new();
        writer.map(3).key(1).bytes(self.record.as_bytes());
        writer.key(2).array(self.contributors.len());
        for place in &self.contributors {
            writer.uint(u64::from(place.get()));
        }
        writer.key(3).array(self.keys.len());
        for key in &self.keys {
            let suite = match key.suite() {
                KemSuite::XWing => 2,
                _ => 1,
            };
            writer.array(2).uint(suite).bytes(key.as_bytes());
        }
        writer.into_bytes()
    }

    /// Reads what [`ReshareAsk::encode`] gives and nothing else.
    ///
    /// # Errors
    /// [`CborError`] says where it is another thing.
    pub fn decode(bytes: &[u8]) -> Result<Self, CborError> {
        let mut reader = Reader::new(bytes);
        reader.map(3)?;
        let record = RecordHandle::new(reader.key(1)?.fixed()?);
        let contributors = read_places(reader.key(2)?)?;
        let count = reader.key(3)?.array(MIN_THRESHOLD..=MAX_MEMBERS)?;
        let keys = (0..count).map(|_| read_key(&mut reader));
        let keys = keys.collect::<Result<_, _>>()?;
        reader.finish()?;
        Ok(Self {
            record,
            contributors,
            keys,
        })
    }
}

fn read_places(reader: &mut Reader<'_>) -> Result<Vec<ShareIndex>, CborError> {
    let count = reader.array(1..=MAX_MEMBERS)?;
    let mut places: Vec<ShareIndex> = Vec::with_capacity(count);
    for _ in 0..count {
        let (range, order) = (
            reader.fault(CborFault::Range),
            reader.fault(CborFault::Order),
        );
        let place = ShareIndex::new(reader.narrow()?).ok_or(range)?;
        if places.last().is_some_and(|last| *last >= place) {
            return Err(order);
        }
        places.push(place);
    }
    Ok(places)
}

fn read_key(reader: &mut Reader<'_>) -> Result<SealingKey, CborError> {
    reader.array(2..=2)?;
    let value = reader.fault(CborFault::Value);
    let suite = match reader.uint()? {
        1 => KemSuite::X25519,
        2 => KemSuite::XWing,
        _ => return Err(value),
    };
    let value = reader.fault(CborFault::Value);
    SealingKey::decode(suite, reader.bytes(MAX_PUBLIC)?).map_err(|_| value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use medanchor_vault::custody::OpeningKey;

    fn ask() -> ReshareAsk {
        let key = |suite, fill: u8| {
            let key = OpeningKey::decode(suite, &[fill; 32]).unwrap();
            key.public().clone()
        };
        ReshareAsk {
            record: RecordHandle::new([7; 16]),
            contributors: [1, 3, 5].map(|n| ShareIndex::new(n).unwrap()).to_vec(),
            keys: vec![key(KemSuite::X25519, 1), key(KemSuite::XWing, 2)],
        }
    }

    #[test]
    fn what_was_written_reads_back_and_nothing_else_does() {
        let bytes = ask().encode();
        let read = ReshareAsk::decode(&bytes).unwrap();
        assert_eq!(read.record, ask().record);
        assert_eq!(read.contributors, ask().contributors);
        assert_eq!(read.encode(), bytes);
        for length in 0..bytes.len() {
            assert!(ReshareAsk::decode(&bytes[..length]).is_err());
        }
        assert!(ReshareAsk::decode(&[bytes.as_slice(), &[0]].concat()).is_err());
    }

    #[test]
    fn places_out_of_order_or_range_too_few_keys_and_unknown_suites_are_refused() {
        let order = |places: &[u8]| ReshareAsk {
            contributors: places
                .iter()
                .map(|n| ShareIndex::new(*n).unwrap())
                .collect(),
            ..ask()
        };
        for places in [&[3, 1][..], &[2, 2], &[]] {
            assert!(
                ReshareAsk::decode(&order(places).encode()).is_err(),
                "{places:?}"
            );
        }
        let few = ReshareAsk {
            keys: ask().keys[..1].to_vec(),
            ..ask()
        };
        assert!(ReshareAsk::decode(&few.encode()).is_err());
        let bytes = ask().encode();
        let places = bytes
            .windows(3)
            .position(|three| three == [1, 3, 5])
            .unwrap();
        for (at, wrong) in [(places, 0), (places + 2, 17), (places + 6, 3)] {
            let mut bad = bytes.clone();
            bad[at] = wrong;
            assert!(ReshareAsk::decode(&bad).is_err(), "byte {at}");
        }
    }
}
