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

use super::ask::{read_suite, suite_number};
use medanchor_ledger::RecordHandle;
use medanchor_ledger::cbor::{CborError, CborFault, Reader, Writer};
use medanchor_vault::custody::seal::MAX_PUBLIC;
use medanchor_vault::custody::{MAX_MEMBERS, MIN_THRESHOLD, SealingKey, ShareIndex};

/// The code of a new custodian's refusal of what an old one shared out. Asked again it refuses again.
pub const UNFIT_SUB_SHARE: &str = "custody.unfit-sub-share";
/// The code of a custodian's refusal of a share where it holds another one of the same set.
pub const OTHER_SHARE: &str = "custody.other-share";

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
            writer
                .array(2)
                .uint(suite_number(key.suite()))
                .bytes(key.as_bytes());
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
    let suite = read_suite(reader)?;
    let value = reader.fault(CborFault::Value);
    SealingKey::decode(suite, reader.bytes(MAX_PUBLIC)?).map_err(|_| value)
}

#[cfg(test)]
mod tests {
    //! `vectors/reshare-ask` has the bytes; `write` makes them: run it by name when a file is added.

    use super::*;
    use medanchor_ledger::event::KemSuite;
    use medanchor_vault::custody::OpeningKey;
    use std::path::{Path, PathBuf};

    fn folder() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../vectors/reshare-ask")
    }

    fn ask() -> ReshareAsk {
        let key = |suite, fill: u8| {
            let key = OpeningKey::decode(suite, &[fill; 32]).unwrap();
            key.public().clone()
        };
        let places = [1, 3, 5].map(|n| ShareIndex::new(n).unwrap());
        ReshareAsk {
            record: RecordHandle::new([7; 16]),
            contributors: places.to_vec(),
            keys: vec![key(KemSuite::X25519, 1), key(KemSuite::XWing, 2)],
        }
    }

    /// The good bytes with one of them changed.
    fn with(at: usize, byte: u8) -> Vec<u8> {
        let mut bytes = ask().encode();
        bytes[at] = byte;
        bytes
    }

    fn rejected() -> Vec<(&'static str, Vec<u8>, CborFault)> {
        let good = ask().encode();
        let place = good
            .windows(3)
            .position(|three| three == [1, 3, 5])
            .unwrap();
        let few = ReshareAsk {
            keys: ask().keys[..1].to_vec(),
            ..ask()
        };
        let none = ReshareAsk {
            contributors: Vec::new(),
            ..ask()
        };
        vec![
            ("place-0", with(place, 0), CborFault::Range),
            ("place-17", with(place + 2, 17), CborFault::Range),
            ("place-twice", with(place + 1, 1), CborFault::Order),
            ("places-unsorted", with(place, 4), CborFault::Order),
            ("no-contributor", none.encode(), CborFault::Size),
            ("one-key", few.encode(), CborFault::Size),
            ("unknown-suite", with(place + 6, 3), CborFault::Value),
            ("key-of-another-suite", with(place + 6, 2), CborFault::Value),
            ("trailing", [&good[..], &[0]].concat(), CborFault::Trailing),
            (
                "truncated",
                good[..good.len() - 1].to_vec(),
                CborFault::Truncated,
            ),
        ]
    }

    fn files() -> Vec<(String, Vec<u8>)> {
        let bad = rejected().into_iter();
        bad.map(|(name, bytes, _)| (format!("rejected-{name}.cbor"), bytes))
            .chain([("good.cbor".to_owned(), ask().encode())])
            .collect()
    }

    #[test]
    fn good_bytes_are_the_very_ones_that_we_make() {
        let bytes = std::fs::read(folder().join("good.cbor")).unwrap();
        assert_eq!(bytes, ask().encode());
        let read = ReshareAsk::decode(&bytes).unwrap();
        assert_eq!(
            (read.record, &read.contributors),
            (ask().record, &ask().contributors)
        );
        assert_eq!(read.encode(), bytes);
        for length in 0..bytes.len() {
            assert!(ReshareAsk::decode(&bytes[..length]).is_err());
        }
    }

    #[test]
    fn rejected_bytes_are_refused_each_for_its_reason() {
        for (name, bytes, fault) in rejected() {
            let file = std::fs::read(folder().join(format!("rejected-{name}.cbor"))).unwrap();
            assert_eq!(file, bytes, "{name}");
            assert_eq!(
                ReshareAsk::decode(&file).unwrap_err().fault,
                fault,
                "{name}"
            );
        }
        let files: Vec<_> = files().into_iter().map(|(name, _)| name).collect();
        for entry in std::fs::read_dir(folder()).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            assert!(files.contains(&name), "{name} is named by no line here");
        }
    }

    #[test]
    #[ignore = "it writes the files"]
    fn write() {
        std::fs::create_dir_all(folder()).unwrap();
        for (name, bytes) in files() {
            std::fs::write(folder().join(name), bytes).unwrap();
        }
    }
}
