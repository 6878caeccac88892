//! Custodians' words that they destroyed their shares.
//!
//! What always holds: a custodian's word counts only if one of its keys signed it for this record, the event
//! that asks for it, and every version and epoch there was; words are kept until the end of time.
//!
//! ```text
//! FOLDER/erasures/RECORD/CUSTODIAN       the word of one custodian, as it was signed: all its shares
//! FOLDER/retirements/RECORD/CUSTODIAN    the same: its shares of the epochs before a move
//! ```

use super::circle::Circle;
use crate::durable;
use crate::identity::Identity;
use medanchor_ledger::signature::PublicKey;
use medanchor_ledger::{EventId, NetworkId, ParticipantName, RecordHandle};
use medanchor_vault::custody::signed::MAX_MESSAGE;
use medanchor_vault::custody::{SharesDestroyed, Signed};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// A custodian's word that counts.
#[derive(Clone, Debug)]
pub(super) struct Word {
    pub(super) shares: u32,
    pub(super) bytes: Vec<u8>,
}

/// What a word must be about to count.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked<'a> {
    pub(super) network: NetworkId,
    pub(super) owner: &'a ParticipantName,
    pub(super) record: RecordHandle,
    /// First and last version.
    pub(super) versions: (u32, u32),
    /// The last epoch whose shares must be gone.
    pub(super) epoch: u32,
    /// The event that asks for it.
    pub(super) event: EventId,
}

impl Asked<'_> {
    /// The word of `custodian`, if it is about all this and one of its keys signed it.
    pub(super) fn word(
        &self,
        custodian: &ParticipantName,
        keys: &[PublicKey],
        bytes: &[u8],
    ) -> Result<Word, &'static str> {
        let signed: Signed<SharesDestroyed> =
            Signed::decode(bytes).map_err(|_| "its answer is none")?;
        let says = signed.says();
        let record = &says.record;
        let same = *record.owner.as_str() == *self.owner.as_str()
            && record.record.network == self.network
            && record.record.record == self.record
            && (says.first_version, record.record.version) == self.versions
            && says.custodian == *custodian
            && says.epoch >= self.epoch
            && says.event == self.event;
        if !same {
            return Err("it confirmed something else");
        }
        match keys.iter().any(|key| signed.verify(key).is_ok()) {
            true => Ok(Word {
                shares: says.shares,
                bytes: bytes.to_vec(),
            }),
            false => Err("it did not sign its word"),
        }
    }
}

/// The words of an erasure, by custodian.
pub(super) type Words = BTreeMap<ParticipantName, Word>;

/// Whether so many custodians of each epoch have confirmed that too few shares are left.
pub(super) fn are_enough(words: &Words, circles: &[Circle]) -> bool {
    let enough = |circle: &Circle| {
        let gone = circle.names().filter(|name| words.contains_key(*name));
        gone.count() > circle.names().count().saturating_sub(circle.threshold())
    };
    !circles.is_empty() && circles.iter().all(enough)
}

/// A word that was kept.
pub(super) fn read_word(
    folder: &Path,
    custodian: &ParticipantName,
) -> std::io::Result<Option<Vec<u8>>> {
    let limit = u64::try_from(MAX_MESSAGE).unwrap_or(u64::MAX);
    durable::read_bounded(&folder.join(custodian.as_str()), limit)
}

impl Word {
    /// Keeps it for good.
    pub(super) fn keep(&self, folder: &Path, custodian: &ParticipantName) -> std::io::Result<()> {
        durable::write(&folder.join(custodian.as_str()), &self.bytes)
    }
}

impl Identity {
    pub(super) fn words_path(&self, record: RecordHandle) -> PathBuf {
        self.folder().join("erasures").join(record.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use medanchor_ledger::signature::SigningKey;
    use medanchor_vault::RecordVersion;
    use medanchor_vault::custody::Custodied;

    fn name(text: &str) -> ParticipantName {
        text.parse().unwrap()
    }

    fn word() -> SharesDestroyed {
        SharesDestroyed {
            record: Custodied {
                owner: name("north-hospital"),
                record: RecordVersion {
                    network: NetworkId::new([1; 16]),
                    record: RecordHandle::new([2; 16]),
                    version: 3,
                },
            },
            first_version: 1,
            custodian: name("archive"),
            epoch: 2,
            event: EventId::new([4; 32]),
            shares: 5,
        }
    }

    /// What an owner makes of a word that was changed and signed.
    fn judged(change: impl FnOnce(&mut SharesDestroyed), key: u8) -> Result<u32, &'static str> {
        let (owner, key) = (name("north-hospital"), SigningKey::from_seed(&[key; 32]));
        let asked = Asked {
            network: NetworkId::new([1; 16]),
            owner: &owner,
            record: RecordHandle::new([2; 16]),
            versions: (1, 3),
            epoch: 2,
            event: EventId::new([4; 32]),
        };
        let mut says = word();
        change(&mut says);
        let bytes = Signed::new(says, |bytes| key.sign(bytes)).encode();
        let known = [9, 7].map(|seed| SigningKey::from_seed(&[seed; 32]).public_key());
        let word = asked.word(&name("archive"), &known, &bytes)?;
        Ok(word.shares)
    }

    #[test]
    fn a_word_counts_for_this_erasure_by_this_custodian_alone() {
        assert_eq!(judged(|_| {}, 7), Ok(5));
        assert_eq!(judged(|word| word.epoch = 3, 7), Ok(5), "later epochs, too");
        let changes: [fn(&mut SharesDestroyed); 8] = [
            |word| word.record.owner = name("south-hospital"),
            |word| word.record.record.network = NetworkId::new([2; 16]),
            |word| word.record.record.record = RecordHandle::new([3; 16]),
            |word| word.record.record.version = 2,
            |word| word.first_version = 2,
            |word| word.custodian = name("bar"),
            |word| word.epoch = 1,
            |word| word.event = EventId::new([5; 32]),
        ];
        for (place, change) in changes.into_iter().enumerate() {
            let refused = judged(change, 7);
            assert_eq!(refused, Err("it confirmed something else"), "{place}");
        }
        assert_eq!(judged(|_| {}, 8), Err("it did not sign its word"));
    }
}
